//! What an agent's phone is asked and told around an offer.

use crate::carriers::{House, address, trunk};
use crate::{compiled, identity};
use vaxel::engine::{Network, Number, Settings, Trunk};
use vaxel::record::What;
use vaxel::sip::Headers;
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Leads at once into the line of sales, which agent0 serves.
const LINE: &str = "flow: line
languages: [en]
start: line
steps:
  line: { queue: { name: sales, while_waiting: { music: calm }, failed: late } }
  late: { hangup: { prompt: goodbye } }
";

/// The number 303 leads into the line.
pub fn with_line(settings: &mut Settings) {
    settings.flows.insert("line".into(), compiled("line", LINE));
    settings.numbers.push(Number { number: "303".parse().expect("a number"), flow: "line".into(), trunk: None });
}

/// A trunk that calls come from, and the phone of agent0.
fn house(auto_answer: bool) -> House {
    let from = vec![Network { address: address(1).ip(), prefix: 32 }];
    let mut house = House::with(vec![Trunk { from, ..trunk(1) }], &[crate::carriers::Manner::Answers], |settings| {
        with_line(settings);
        settings.flows.insert("to-agent".into(), compiled("to-agent", identity::TO_AGENT));
        settings.numbers.push(Number {
            number: "302".parse().expect("a number"),
            flow: "to-agent".into(),
            trunk: None,
        });
        settings.agents[0].auto_answer = auto_answer;
    });
    house.is_registered(0);
    house
}

const WISHES: [&str; 3] = ["Answer-Mode", "Call-Info", "Alert-Info"];

fn wishes(house: &House) -> Vec<Vec<&str>> {
    let (_, invite) = house.peers[0].invites.last().expect("the phone was rung");
    WISHES.iter().map(|name| invite.headers.get_all(name).collect()).collect()
}

#[test]
fn a_phone_is_asked_to_answer_what_a_queue_offers_and_nothing_else() {
    for (auto_answer, number) in [(true, "303"), (false, "303"), (true, "302")] {
        let mut house = house(auto_answer);
        let mut headers = Headers::new();
        WISHES.iter().for_each(|name| headers.push(name, "<sip:eavesdropper.example>;answer-after=0"));
        house.calls_with(1, number, headers);
        house.pass(5 * SECOND);
        let offered = house.told.iter().any(|what| matches!(what, What::Offered { .. }));
        assert_eq!(offered, number == "303");
        if auto_answer && offered {
            let all = wishes(&house);
            let one = |at: usize| -> &str { all[at].as_slice().first().copied().unwrap_or_default() };
            assert!(all.iter().all(|values| values.len() == 1), "{all:?}");
            assert_eq!(one(0), "Auto");
            assert!(one(1).ends_with(">;answer-after=0") && one(2).contains(">;info=alert-autoanswer"), "{all:?}");
            assert!(!all.concat().concat().contains("eavesdropper"));
        } else {
            assert_eq!(wishes(&house).concat(), [""; 0], "what a caller wishes is nobody's order");
        }
        house.over();
    }
}

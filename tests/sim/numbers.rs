//! Numbers in whatever way they are written: what callers and agents dial, what caps see, what carriers get, what is recorded.

use crate::carriers::{House, Manner, address, trunk};
use crate::flow_named;
use vaxel::engine::directory::{Directory, Pattern};
use vaxel::engine::numbering::{Bare, Dialect, Form, Numbering};
use vaxel::engine::{Caps, Network, Number, Settings, Trunk};
use vaxel::record::What;
use vaxel::sip::Headers;
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn sweden() -> Numbering {
    Numbering { country_code: "46".into(), ..Numbering::default() }
}

fn pattern(text: &str) -> Pattern {
    text.parse().expect("a number")
}

fn number(text: &str, flow: &str, trunk: Option<&str>) -> Number {
    Number { number: pattern(text), flow: flow.into(), trunk: trunk.map(str::to_owned) }
}

/// From and to of the calls that began.
fn started(house: &House) -> Vec<(String, String)> {
    let calls = house.told.iter().filter_map(|what| match what {
        What::CallStarted { from, to, .. } => Some((from.clone(), to.clone())),
        _ => None,
    });
    calls.collect()
}

/// What the carrier of this place was asked to connect: the request's user, and the caller's.
fn asked(house: &House, peer: usize) -> Vec<(String, String)> {
    let user = |uri: &vaxel::sip::Uri| uri.user().unwrap_or_default().to_owned();
    let invites = house.peers[peer].invites.iter();
    invites.map(|(_, invite)| (user(&invite.uri), user(&invite.headers.from_().expect("From").uri))).collect()
}

fn in_sweden(trunks: Vec<Trunk>, manners: &[Manner], change: impl FnOnce(&mut Settings)) -> House {
    House::with(trunks, manners, |settings| {
        settings.numbering = sweden();
        change(settings);
    })
}

#[test]
fn an_agent_dials_a_number_in_any_way_and_the_carrier_gets_it_in_its_own() {
    for (form, theirs) in
        [(Form::E164, "+468123456"), (Form::International, "00468123456"), (Form::National, "08123456")]
    {
        let dialect = Dialect { form, ..Dialect::default() };
        let mut house = in_sweden(vec![Trunk { dialect, ..trunk(1) }], &[Manner::Answers], |_| {});
        for dialled in ["+468123456", "00468123456", "08-12 34 56", "(08)123456"] {
            house.calls(0, dialled);
            house.pass(SECOND);
            assert_eq!(house.heard(0), Some(200), "{dialled}");
            house.hangs_up(0);
            house.pass(SECOND);
        }
        assert_eq!(asked(&house, 1), vec![(theirs.to_owned(), "2000".to_owned()); 4]);
        assert!(started(&house).iter().all(|(_, to)| to == "+468123456"), "{:?}", started(&house));
        house.over();
    }
}

#[test]
fn caps_see_the_number_and_not_how_it_was_written() {
    let mut house = in_sweden(vec![trunk(1)], &[Manner::Answers], |settings| {
        // As an operator would think of it.
        settings.agents[0].out = Caps { denied: vec!["0900".into(), "00882".into()], ..Caps::default() };
    });
    // Behind a zero too many, national is a number of ours that is denied, never another country's.
    for dialled in ["+460900123456", "0046(0)900123456"] {
        house.calls(0, dialled);
        house.pass(SECOND);
        assert_eq!(house.heard(0), Some(403), "{dialled}");
    }
    for dialled in ["0900123456", "+46900123456", "0046-900-123456", "+46(900)123456", "0.0.882123456", "+882123456"] {
        house.calls(0, dialled);
        house.pass(SECOND);
        assert_eq!(house.heard(0), Some(403), "{dialled}");
    }
    // What is nobody's number is compared with nothing, so it goes nowhere.
    for dialled in ["0088212", "00882123456789012345", "00*882123456", "+46900abc", "sip%3A900"] {
        house.calls(0, dialled);
        house.pass(SECOND);
        assert_eq!(house.heard(0), Some(404), "{dialled}");
    }
    house.calls(0, "08123456");
    house.pass(SECOND);
    assert_eq!(house.heard(0), Some(200));
    assert_eq!(asked(&house, 1).len(), 1);
    house.over();
}

#[test]
fn an_emergency_number_is_connected_as_it_is_however_the_trunk_writes_numbers() {
    let dialect = Dialect { add: "9".into(), form: Form::National, ..Dialect::default() };
    let emergency = Trunk { takes: Vec::new(), emergency: true, dialect, ..trunk(1) };
    // One that is long enough to be rewritten if it were any other.
    let mut house =
        in_sweden(vec![emergency], &[Manner::Answers], |settings| settings.emergency.push("08112112".into()));
    for dialled in ["112", "1-1-2", "08-112 112"] {
        house.calls(0, dialled);
        house.pass(SECOND);
        house.hangs_up(0);
        house.pass(SECOND);
    }
    assert_eq!(asked(&house, 1).iter().map(|(to, _)| to.as_str()).collect::<Vec<_>>(), ["112", "112", "08112112"]);
    house.over();
}

#[test]
fn the_most_exact_number_answers_and_a_trunks_own_goes_before_all() {
    let brings = |peer: usize, name: &str, bare| Trunk {
        name: name.into(),
        from: vec![Network { address: address(peer).ip(), prefix: 32 }],
        dialect: Dialect { numbering: Some(Numbering { bare, ..sweden() }), ..Dialect::default() },
        ..Trunk::default()
    };
    let trunks = vec![brings(1, "one", Bare::International), brings(2, "two", Bare::Unchanged)];
    let mut house = in_sweden(trunks, &[Manner::Answers, Manner::Answers], |settings| {
        for flow in ["range", "single", "begins", "own"] {
            settings.flows.insert(flow.into(), flow_named(flow));
        }
        settings.numbers = vec![
            number("08123...", "begins", None),
            number("0812345660-69", "range", None),
            number("+46812345666", "single", None),
            number("+46812345665", "own", Some("two")),
        ];
        settings.agents[0].number = "08-1234567".into();
    });
    let calls: &[(usize, &str, Option<u16>)] = &[
        (1, "46812345660", Some(200)),
        (1, "46812345666", Some(200)),
        (2, "0812345665", Some(200)),
        (1, "0046812345665", Some(200)),
        (1, "+4681239", Some(200)),
        (2, "46812345660", Some(404)),
        // An agent's own number; from outside it is one of those that begin so.
        (1, "08-1234567", Some(200)),
    ];
    for (peer, dialled, code) in calls {
        house.calls(*peer, dialled);
        house.pass(SECOND);
        assert_eq!(house.heard(*peer), *code, "{dialled}");
        house.hangs_up(*peer);
        house.pass(SECOND);
    }
    let of_calls: Vec<String> = started(&house).into_iter().map(|(_, to)| to).collect();
    assert_eq!(of_calls, ["+46812345660", "+46812345666", "+46812345665", "+46812345665", "+4681239", "+4681234567"]);
    assert_eq!(house.flows(), ["range", "single", "own", "range", "begins", "begins"]);
    house.over();
}

#[test]
fn the_caller_has_one_number_whatever_the_trunk_wrote() {
    let from = vec![Network { address: address(1).ip(), prefix: 32 }];
    let numbering = Some(Numbering { bare: Bare::International, ..sweden() });
    let dialect = Dialect { numbering, ..Dialect::default() };
    let trunk = Trunk { from, dialect, ..Trunk::default() };
    let mut house = in_sweden(vec![trunk], &[Manner::Answers], |_| {});
    for from in ["+46701234567", "46701234567", "0046701234567", "0701234567", "070-123 45 67"] {
        house.calls_from(1, from, "100", Headers::default());
        house.pass(SECOND);
        house.hangs_up(1);
        house.pass(SECOND);
    }
    assert_eq!(started(&house), vec![("+46701234567".to_owned(), "100".to_owned()); 5]);
    house.over();
}

/// Nanoseconds for one look-up, the fastest of many rounds: of a single number, one in a range, one by its beginning, and none.
#[allow(clippy::disallowed_methods)] // The real clock: this is a measurement.
fn cost(count: u64) -> [u64; 4] {
    let single = (0..count).map(|n| Pattern::One(format!("+4681{n:06}")));
    let ranges = (0..count).map(|n| pattern(&format!("+4682{n:06}00-99")));
    let begins = (0..count).map(|n| Pattern::Beginning(format!("+4683{n:06}")));
    let all = Directory::new(single.chain(ranges).chain(begins).map(|pattern| (pattern, ())));
    let last = count - 1;
    let numbers =
        [format!("+4681{last:06}"), format!("+4682{last:06}42"), format!("+4683{last:06}4242"), "+4684123456".into()];
    numbers.map(|number| {
        let round = || {
            let began = std::time::Instant::now();
            let found = (0..200).filter(|_| {
                let number = std::hint::black_box(number.as_str());
                all.one(number).or_else(|| all.among(number)).is_some()
            });
            std::hint::black_box(found.count());
            u64::try_from(began.elapsed().as_nanos() / 200).expect("a short time")
        };
        (0..200).map(|_| round()).min().expect("some rounds")
    })
}

#[test]
fn ten_thousand_numbers_of_each_kind_are_looked_up_as_fast_as_ten() {
    let (few, many) = (cost(10), cost(10_000));
    println!("ns for a single number, in a range, by beginning, none: of 10 each {few:?}, of 10,000 each {many:?}");
    for (few, many) in few.into_iter().zip(many) {
        // A thousand times as many: what looked at each would take a thousand times as long.
        assert!(many < 20 * few.max(50), "{few} ns of ten, {many} ns of ten thousand");
    }
}

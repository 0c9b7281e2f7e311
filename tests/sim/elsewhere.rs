//! Who is called sends the call elsewhere, or says something before the answer.

use crate::carriers::{House, Manner, address, trunk};
use crate::compiled;
use crate::identity::TO_AGENT;
use vaxel::engine::identity::Passed;
use vaxel::engine::redirects::Redirects;
use vaxel::engine::{Caps, Network, Number, Settings, Trunk};
use vaxel::record::What;
use vaxel::sip::Headers;
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A carrier for Norway, another for Denmark, and the number 302, by which a flow sends callers to the first agent.
fn house(norway: Manner, denmark: Manner, redirects: Redirects, change: impl FnOnce(&mut Settings)) -> House {
    let takes = |peer: usize, code: &str| Trunk {
        takes: vec![code.into()],
        from: vec![Network { address: address(peer).ip(), prefix: 32 }],
        ..trunk(peer)
    };
    House::with(vec![takes(1, "+47"), takes(2, "+45")], &[norway, denmark], |settings| {
        settings.redirects = redirects;
        settings.flows.insert("to-agent".into(), compiled("to-agent", TO_AGENT));
        let number = "302".parse().expect("a number");
        settings.numbers.push(Number { number, flow: "to-agent".into(), trunk: None });
        change(settings);
    })
}

/// Where calls went by the wish of who was called.
fn redirects(house: &House) -> Vec<(&str, Option<&str>)> {
    let all = house.told.iter().filter_map(|what| match what {
        What::Redirected { by, to, .. } => Some((&**by, to.as_deref())),
        _ => None,
    });
    all.collect()
}

fn dial(house: &mut House) -> Option<u16> {
    house.calls(0, "+4790000000");
    house.pass(3 * SECOND);
    house.heard(0)
}

#[test]
fn a_call_goes_to_our_own_numbers_by_the_wish_of_who_was_called_and_nowhere_else() {
    for (policy, wish, code, to) in [
        (Redirects::Inside, "100", Some(200), Some("100")),
        (Redirects::None, "100", Some(480), None),
        (Redirects::Inside, "+4590000000", Some(480), None),
        (Redirects::Outside, "+4590000000", Some(200), Some("+4590000000")),
        (Redirects::Outside, "+4690000000", Some(480), None),
        (Redirects::Outside, "112", Some(480), None),
        (Redirects::Outside, "*2", Some(480), None),
        (Redirects::Outside, "2000", Some(480), None),
        // At its own address, by the switchboard's name, at another carrier's, and at places where 100 may be anybody.
        (Redirects::Inside, "100@192.0.2.11", Some(200), Some("100")),
        (Redirects::Inside, "100@VAXEL:5070", Some(200), Some("100")),
        (Redirects::Inside, "100@192.0.2.12", Some(200), Some("100")),
        (Redirects::Outside, "100@other.example", Some(480), None),
        (Redirects::Outside, "+4590000000@203.0.113.1", Some(480), None),
        (Redirects::Outside, "+4590000000@other.example", Some(480), None),
    ] {
        let mut house = house(Manner::Redirects(wish), Manner::Answers, policy, |settings| {
            settings.trunks[1].emergency = true;
        });
        assert_eq!(dial(&mut house), code, "{policy:?} {wish}");
        assert_eq!(redirects(&house), [("+4790000000", to)], "{policy:?} {wish}");
        assert_eq!(house.called(2), usize::from(wish.starts_with("+45") && code == Some(200)));
        house.over();
    }
}

#[test]
fn a_circle_of_phones_that_send_calls_on_ends() {
    let there = Manner::Redirects("+4590000000");
    let mut house = house(there, Manner::Redirects("+4790000000"), Redirects::Outside, |_| {});
    assert_eq!(dial(&mut house), Some(480));
    assert_eq!((house.called(1), house.called(2)), (2, 2), "the first call, and three more");
    assert_eq!(redirects(&house)[3].1, None);
    house.over();
}

#[test]
fn whose_phone_sends_a_call_outside_must_be_allowed_to_call_there() {
    for (denied, code) in [("+45", None), ("+46", Some(200))] {
        let mut house = house(Manner::Answers, Manner::Answers, Redirects::Outside, |settings| {
            settings.agents[0].out = Caps { denied: vec![denied.into()], ..Caps::default() };
            settings.trunks[1].passes = vec![Passed::Diversion];
        });
        house.is_registered(0);
        house.peers[0].manner = Manner::Redirects("+4590000000");
        house.calls(1, "302");
        house.pass(3 * SECOND);
        assert_eq!(redirects(&house), [("agent0", Some("+4590000000"))]);
        assert_eq!(house.called(2) > 0, code.is_some(), "{denied}");
        if let Some((_, invite)) = house.peers[2].invites.first() {
            // Who sent it on last stands first.
            let diversions: Vec<_> = invite.headers.items("Diversion").collect();
            let [phone, flow] = diversions[..] else { panic!("{diversions:?}") };
            assert!(phone.starts_with("<sip:2000@") && phone.contains(";reason=unknown"), "{phone}");
            assert!(flow.starts_with("<sip:302@") && flow.contains(";reason=unconditional"), "{flow}");
        }
        let refused =
            house.told.iter().any(|what| matches!(what, What::NoWayOut { reason, .. } if **reason == *"destination"));
        assert_eq!(refused, code.is_none());
        house.over();
    }
}

const THEN_NORWAY: &str = "flow: to-agent
languages: [en]
start: on
steps:
  on:
    transfer: { to: agent0, next: hangup, failed: norway }
  norway:
    transfer: { to: '+4790000000', next: hangup, failed: hangup }
";

#[test]
fn what_a_flow_calls_next_is_not_called_by_the_phone_that_sent_the_call_in_vain() {
    let mut house = house(Manner::Answers, Manner::Refuses(486, None), Redirects::Outside, |settings| {
        settings.flows.insert("to-agent".into(), compiled("to-agent", THEN_NORWAY));
        settings.agents[0].out = Caps { denied: vec!["+47".into()], ..Caps::default() };
    });
    house.is_registered(0);
    house.peers[0].manner = Manner::Redirects("+4590000000");
    house.calls(2, "302");
    house.pass(3 * SECOND);
    assert_eq!((house.called(2), house.called(1)), (1, 1), "Denmark is busy, Norway answers");
    house.over();
}

#[test]
fn a_carrier_that_a_flow_called_sends_nobody_outside_at_our_cost() {
    for (wish, connected) in [("+4590000000", false), ("100", true)] {
        let mut house = house(Manner::Redirects(wish), Manner::Answers, Redirects::Outside, |settings| {
            settings
                .flows
                .insert("to-agent".into(), compiled("to-agent", &TO_AGENT.replace("agent0", "'+4790000000'")));
        });
        house.calls(2, "302");
        house.pass(3 * SECOND);
        assert_eq!(redirects(&house), [("+4790000000", connected.then_some(wish))]);
        assert_eq!((house.called(1), house.called(2)), (1, 0));
        house.over();
    }
}

#[test]
fn a_call_that_is_sent_on_leaves_its_place_on_the_trunk_to_itself() {
    let mut house = house(Manner::Redirects("+4790000001"), Manner::Answers, Redirects::Outside, |settings| {
        settings.trunks[0].calls = Some(1);
    });
    assert_eq!(dial(&mut house), Some(480));
    assert_eq!(house.called(1), 4, "the first call, and three more");
    house.over();
}

#[test]
fn a_caller_who_heard_one_hears_the_next_to_whom_the_call_is_sent() {
    let mut house =
        house(Manner::EarlyThenRedirects("+4590000000"), Manner::EarlyThen(486), Redirects::Outside, |_| {});
    house.calls(0, "+4790000000");
    house.pass(SECOND);
    assert_eq!((house.early(0), house.called(2)), (vec![183, 181], 1));
    assert_eq!(house.bridges, 2, "each of the two is heard");
    house.pass(3 * SECOND);
    assert_eq!(house.heard(0), Some(486));
    house.over();
}

#[test]
fn a_phone_sends_the_caller_of_a_flow_into_another_flow() {
    let mut house = house(Manner::Answers, Manner::Answers, Redirects::Inside, |_| {});
    house.is_registered(0);
    house.peers[0].manner = Manner::Redirects("100");
    house.calls(1, "302");
    house.pass(3 * SECOND);
    assert_eq!(house.flows(), ["main"], "the menu of the number");
    assert_eq!(redirects(&house), [("agent0", Some("100"))]);
    house.over();
}

#[test]
fn what_is_heard_before_the_answer_reaches_who_called_directly() {
    let mut house = house(Manner::EarlyThen(404), Manner::Answers, Redirects::Inside, |_| {});
    house.calls(0, "+4790000000");
    house.pass(SECOND);
    assert_eq!(house.heard(0), Some(183));
    house.pass(3 * SECOND);
    assert_eq!(house.heard(0), Some(404), "and what becomes of it");
    // Who gives up meanwhile leaves nothing behind.
    house.calls(0, "+4790000000");
    house.pass(SECOND);
    house.hangs_up(0);
    house.pass(3 * SECOND);
    house.over();
}

fn faults(house: &House) -> Vec<&str> {
    let all = house.told.iter().filter_map(|what| match what {
        What::FlowFault { reason, .. } => Some(reason.as_ref()),
        _ => None,
    });
    all.collect()
}

#[test]
fn flows_that_send_a_caller_round_through_the_houses_numbers_are_given_up() {
    for (transfer, answer) in [("", Some(200)), ("answer: false, ", Some(500))] {
        let round = |name: &str, to: &str| {
            let flow = format!(
                "flow: {name}\nlanguages: [en]\nstart: on\nsteps:\n  on:\n    \
                 transfer: {{ {transfer}to: \"{to}\", failed: end }}\n  end:\n    hangup: {{}}\n"
            );
            (name.to_owned(), compiled(name, &flow))
        };
        // Whoever is dialled, as direct dialling would have it; and two that each mean the other.
        let flows = [round("direct", "{{ call.to }}"), round("ping", "{{ 402 }}"), round("pong", "{{ 401 }}")];
        for dialled in ["299", "401"] {
            let mut house = house(Manner::Answers, Manner::Answers, Redirects::None, |settings| {
                settings.flows.extend(flows.clone());
                for (number, flow) in [("2XX", "direct"), ("401", "ping"), ("402", "pong")] {
                    let number = number.parse().expect("a number");
                    settings.numbers.push(Number { number, flow: flow.into(), trunk: None });
                }
            });
            house.calls(1, dialled);
            house.pass(3 * SECOND);
            assert_eq!(faults(&house), ["100 steps went by without waiting for the caller"], "{dialled}");
            assert_eq!((house.heard(1), house.called(1)), (answer, 0), "{dialled}");
            house.over();
        }
    }
}

#[test]
fn steps_that_fail_at_once_take_no_more_room_the_more_they_are() {
    let step = |n: u32| format!("  s{n}:\n    transfer: {{ to: agent0, failed: s{} }}\n", n + 1);
    let steps: String = (0..900).map(step).collect();
    let flow = format!("flow: long\nlanguages: [en]\nstart: s0\nsteps:\n{steps}  s900:\n    hangup: {{ code: 486 }}\n");
    let run = move || {
        let mut house = house(Manner::Answers, Manner::Answers, Redirects::None, |settings| {
            settings.flows.insert("long".into(), compiled("long", &flow));
            settings.numbers.push(Number {
                number: "401".parse().expect("a number"),
                flow: "long".into(),
                trunk: None,
            });
        });
        house.calls(1, "401");
        house.pass(SECOND);
        assert_eq!(faults(&house), ["100 steps went by without waiting for the caller"]);
        house.over();
    };
    std::thread::Builder::new().stack_size(400 << 10).spawn(run).expect("a thread").join().expect("it has room");
}

#[test]
fn a_caller_who_comes_round_by_a_carrier_again_and_again_is_refused_and_others_are_not() {
    let mut house = house(Manner::RingsThen(486), Manner::Answers, Redirects::None, |settings| {
        settings.flows.insert("to-agent".into(), compiled("to-agent", &TO_AGENT.replace("agent0", "'+4790000000'")));
    });
    for _ in 0..12 {
        house.calls(2, "302");
        house.pass(SECOND / 10);
    }
    let refused = |house: &House| {
        house
            .told
            .iter()
            .filter(|what| matches!(what, What::CallRefused { code: 482, reason } if &**reason == "loop"))
            .count()
    };
    assert_eq!((house.called(1), house.heard(2), refused(&house)), (10, Some(482), 2));
    house.calls_from(2, "+4511111111", "302", Headers::default());
    for _ in 0..12 {
        // Nobody knows whether these are one.
        house.calls_from(2, "anonymous", "302", Headers::default());
    }
    house.pass(SECOND);
    assert_eq!((house.called(1), refused(&house)), (23, 2));
    // Who was answered, or gave up, is on the way no more.
    house.pass(60 * SECOND);
    house.calls(2, "302");
    house.pass(SECOND);
    assert_eq!((house.called(1), refused(&house)), (24, 2));
    house.over();
}

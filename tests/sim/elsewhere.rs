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
    house_of(&[norway, denmark], redirects, change)
}

/// The same, with these manners of the two and of others.
fn house_of(manners: &[Manner], redirects: Redirects, change: impl FnOnce(&mut Settings)) -> House {
    let takes = |peer: usize, code: &str| Trunk {
        takes: vec![code.into()],
        from: vec![Network { address: address(peer).ip(), prefix: 32 }],
        ..trunk(peer)
    };
    House::with(vec![takes(1, "+47"), takes(2, "+45")], manners, |settings| {
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

/// What was called at a carrier, one after the other.
fn numbers(house: &House, peer: usize) -> Vec<String> {
    house.peers[peer].invites.iter().map(|(_, invite)| invite.uri.user().unwrap_or_default().to_owned()).collect()
}

/// How many places were not tried because enough were.
fn cut(house: &House) -> Vec<(&str, usize)> {
    let all = house.told.iter().filter_map(|what| match what {
        What::RedirectsCut { by, left, .. } => Some((&**by, *left)),
        _ => None,
    });
    all.collect()
}

#[test]
fn a_circle_of_phones_that_send_calls_on_ends() {
    let there = Manner::Redirects("+4590000000");
    let mut house = house(there, Manner::Redirects("+4790000000"), Redirects::Outside, |_| {});
    assert_eq!(dial(&mut house), Some(480));
    assert_eq!((house.called(1), house.called(2)), (1, 1), "each once");
    assert_eq!(redirects(&house), [("+4790000000", Some("+4590000000")), ("+4590000000", None)]);
    house.over();
}

#[test]
fn the_next_place_is_tried_after_one_that_is_busy_silent_or_out_of_order() {
    let wish = "+4590000003;q=0.1 +4590000001;q=0.9 112;q=0.8 +4590000001;q=0.7 +4590000002;q=0.5";
    for (fails, told, ring) in [
        (Manner::Refuses(486, None), 486, 0),
        (Manner::RingsThen(404), 404, 2),
        (Manner::Refuses(500, None), 503, 0),
        (Manner::Tries, 408, 30),
    ] {
        let mut house = house(Manner::Redirects(wish), fails.clone(), Redirects::Outside, |settings| {
            settings.trunks[1].emergency = true;
        });
        house.calls(0, "+4790000000");
        house.pass(Duration::from_secs(ring * 3) + SECOND);
        assert_eq!(numbers(&house, 2), ["+4590000001", "+4590000002", "+4590000003"], "{fails:?}");
        let gaps: Vec<_> = house.peers[2].invites.windows(2).map(|two| two[1].0.since(two[0].0).as_secs()).collect();
        assert_eq!(gaps, [ring, ring], "{fails:?}");
        assert_eq!(house.heard(0), Some(told));
        let by = "+4790000000";
        let each = ["+4590000001", "+4590000002", "+4590000003"].map(|to| (by, Some(to)));
        assert_eq!((redirects(&house), cut(&house)), (each.to_vec(), vec![]));
        house.over();
    }
}

#[test]
fn a_place_that_answers_is_the_last_and_one_that_refuses_for_all_too() {
    for (second, told, called) in [(Manner::Answers, 200, 1), (Manner::Refuses(603, None), 603, 1)] {
        let there = Manner::Redirects("+4590000001 +4590000002");
        let mut house = house(there, second, Redirects::Outside, |_| {});
        assert_eq!((dial(&mut house), house.called(2)), (Some(told), called));
        house.over();
    }
}

#[test]
fn so_many_places_are_tried_and_the_log_says_that_there_were_more() {
    let wish = "+4590000001 +4590000002 +4590000003 +4590000004 +4590000005";
    let mut house = house(Manner::Redirects(wish), Manner::Refuses(486, None), Redirects::Outside, |_| {});
    assert_eq!(dial(&mut house), Some(486));
    assert_eq!((house.called(2), cut(&house)), (3, vec![("+4790000000", 2)]));
    // Another call has its own.
    assert_eq!((dial(&mut house), house.called(2)), (Some(486), 6));
    house.over();
}

#[test]
fn a_busy_colleague_is_not_rung_by_the_wish_of_another_and_the_next_place_is_tried() {
    let mut house = house(Manner::Answers, Manner::Redirects("100;q=0.8 2000;q=0.9"), Redirects::Inside, |settings| {
        settings.flows.insert("to-agent".into(), compiled("to-agent", &TO_AGENT.replace("agent0", "'+4590000000'")));
    });
    house.is_registered(0);
    house.calls(0, "+4790000000");
    house.pass(SECOND);
    assert_eq!(house.heard(0), Some(200), "the agent talks");
    house.calls(1, "302");
    house.pass(3 * SECOND);
    assert_eq!((house.called(2), house.called(0)), (1, 0));
    let each = ["2000", "100"].map(|to| ("+4590000000", Some(to)));
    assert_eq!((redirects(&house), house.flows()), (each.to_vec(), vec!["main".to_owned()]));
    house.over();
}

/// The first agent has two phones, of which the first sends calls to Denmark; somebody called.
fn house_with_two_phones(second: Manner, denmark: Manner, ring: u32) -> House {
    const SECOND_PHONE: usize = 3;
    let flow = TO_AGENT.replace("agent0", &format!("agent0, ring: {ring}s"));
    let mut house = house_of(&[Manner::Answers, denmark, second], Redirects::Outside, |settings| {
        settings.flows.insert("to-agent".into(), compiled("to-agent", &flow));
    });
    house.is_registered(0);
    house.is_registered(SECOND_PHONE);
    house.peers[0].manner = Manner::Redirects("+4590000000");
    house.calls(1, "302");
    house.pass(60 * SECOND);
    assert_eq!((house.called(0), house.called(SECOND_PHONE)), (1, 1), "both are rung, once");
    house
}

/// With whom callers were connected.
fn talks(house: &House) -> Vec<&str> {
    let all = house.told.iter().filter_map(|what| match what {
        What::Connected { with, .. } => Some(&**with),
        _ => None,
    });
    all.collect()
}

#[test]
fn the_other_phone_of_an_agent_rings_on_and_the_call_is_sent_on_when_nobody_took_it() {
    for (second, rang) in [(Manner::RingsThen(486), Some(2)), (Manner::Tries, Some(20)), (Manner::RingsThen(603), None)]
    {
        let house = house_with_two_phones(second.clone(), Manner::Answers, 20);
        let invites = [0, 2].map(|peer| house.peers[peer].invites.first().map(|(at, _)| *at));
        let [Some(first), then] = invites else { panic!("{second:?}") };
        assert_eq!(then.map(|then| then.since(first).as_secs()), rang, "{second:?}");
        let to = rang.map(|_| ("agent0", Some("+4590000000")));
        assert_eq!(redirects(&house), to.into_iter().collect::<Vec<_>>(), "{second:?}");
        assert_eq!(talks(&house), rang.map(|_| "+4590000000").into_iter().collect::<Vec<_>>(), "{second:?}");
        house.over();
    }
    // Taken by the agent, the call goes nowhere else.
    let house = house_with_two_phones(Manner::Answers, Manner::Answers, 20);
    assert_eq!((talks(&house), house.called(2), redirects(&house)), (vec!["agent0"], 0, vec![]));
    house.over();
}

#[test]
fn what_both_phones_of_an_agent_want_is_tried() {
    let house = house_with_two_phones(Manner::Redirects("+4590000001"), Manner::Refuses(486, None), 20);
    let mut called = numbers(&house, 2);
    called.sort();
    assert_eq!(called, ["+4590000000", "+4590000001"]);
    house.over();
}

#[test]
fn a_caller_who_heard_a_phone_that_did_not_answer_in_time_hears_ringing_at_the_next_place() {
    let house = house_with_two_phones(Manner::EarlyThen(486), Manner::Tries, 1);
    assert_eq!((house.called(2), house.bridges, house.repeats), (1, 1, 2), "the tone, the phone, the tone");
    house.over();
}

#[test]
fn a_phone_that_sends_the_call_into_the_flow_that_rang_it_ends_the_circle() {
    let mut house = house(Manner::Answers, Manner::Answers, Redirects::Inside, |_| {});
    house.is_registered(0);
    house.peers[0].manner = Manner::Redirects("302");
    house.calls(1, "302");
    house.pass(3 * SECOND);
    assert_eq!((house.called(0), redirects(&house).len(), cut(&house)), (4, 3, vec![("agent0", 1)]));
    house.over();
}

#[test]
fn a_transfer_is_over_when_the_last_place_has_failed() {
    let wish = "+4590000001 +4590000002";
    let mut house = house(Manner::Answers, Manner::Redirects(wish), Redirects::Outside, |_| {});
    house.is_registered(0);
    house.calls(1, "302");
    house.pass(SECOND);
    house.transfers(0, "+4590000000", "<sip:agent0@vaxel>");
    house.pass(3 * SECOND);
    let codes = house.told.iter().filter_map(|what| match what {
        What::TransferEnded { code, .. } => Some(*code),
        _ => None,
    });
    assert_eq!(codes.collect::<Vec<_>>(), [480]);
    assert_eq!((numbers(&house, 2).len(), talks(&house)), (3, vec!["agent0", "agent0"]), "the caller is not lost");
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
    let wish = "+4790000001 +4790000002 +4790000003";
    let mut house = house(Manner::Redirects(wish), Manner::Answers, Redirects::Outside, |settings| {
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

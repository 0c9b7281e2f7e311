//! Calls out that one carrier does not take go to the next, soon, and never when somebody was rung.

use crate::carriers::{House, Manner, address, hop, target, trunk};
use vaxel::engine::trunks::Figures;
use vaxel::engine::{Caps, Input, Target, Trunk};
use vaxel::record::{TrunkNews, What};
use vaxel::sip::Headers;
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const NUMBER: &str = "+4687000";

/// Carrier 1 before carrier 2.
fn two() -> Vec<Trunk> {
    vec![Trunk { priority: 1, ..trunk(1) }, Trunk { priority: 2, ..trunk(2) }]
}

fn house(first: Manner) -> House {
    House::new(two(), &[first, Manner::Answers])
}

fn figures(house: &House, trunk: usize) -> Figures {
    house.engine.trunk_figures(house.now).nth(trunk).expect("a trunk").1
}

fn no_way(house: &House) -> Vec<&str> {
    let mut reasons = Vec::new();
    for what in &house.told {
        if let What::NoWayOut { reason, .. } = what {
            reasons.push(&**reason);
        }
    }
    reasons
}

/// How long after the call the second carrier was called.
fn took(house: &mut House) -> Duration {
    let began = house.now;
    house.calls(0, NUMBER);
    house.pass(Duration::from_secs(10));
    assert_eq!(house.heard(0), Some(200));
    house.peers[2].invites[0].0.since(began)
}

#[test]
fn a_carrier_that_is_not_able_is_left_within_a_second() {
    for manner in
        [Manner::Refuses(503, None), Manner::Refuses(503, Some(20)), Manner::Refuses(500, None), Manner::Unreachable]
    {
        let mut house = house(manner.clone());
        let after = took(&mut house);
        assert!(after < SECOND, "{manner:?}: {after:?}");
        assert_eq!(figures(&house, 0).counts.failed, 1, "{manner:?}");
        house.over();
    }
}

#[test]
fn a_silent_carrier_is_left_after_four_seconds_and_the_next_call_goes_past_it_at_once() {
    let mut house = house(Manner::Silent);
    let after = took(&mut house);
    assert!(after >= 4 * SECOND && after < 5 * SECOND, "{after:?}");
    house.hangs_up(0);
    house.pass(SECOND);
    let began = house.now;
    house.calls(0, NUMBER);
    house.pass(SECOND);
    assert!(house.peers[2].invites[1].0.since(began) < SECOND);
    house.over();
}

#[test]
fn a_carrier_that_says_100_is_heard_and_not_left() {
    let mut house = house(Manner::Tries);
    house.calls(0, NUMBER);
    house.pass(Duration::from_secs(20));
    assert_eq!((house.called(1), house.called(2), house.heard(0)), (1, 0, None));
    house.pass(Duration::from_secs(20));
    assert_eq!((house.called(2), house.heard(0)), (0, Some(408)), "the ring time ends it");
    house.over();
}

#[test]
fn what_the_callee_says_is_the_answer_whichever_code() {
    for (manner, code) in [
        (Manner::Refuses(486, None), 486),
        (Manner::Refuses(404, None), 404),
        (Manner::Refuses(603, None), 603),
        (Manner::RingsThen(486), 486),
        (Manner::RingsThen(503), 503),
    ] {
        let mut house = house(manner.clone());
        house.calls(0, NUMBER);
        house.pass(Duration::from_secs(10));
        assert_eq!((house.called(2), house.heard(0)), (0, Some(code)), "{manner:?}");
        house.over();
    }
}

#[test]
fn what_a_carrier_wants_of_us_is_nothing_for_the_caller_and_another_is_tried() {
    for code in [401, 407, 405, 415, 420, 421, 422, 481, 491, 494] {
        let mut first = house(Manner::Refuses(code, None));
        assert!(took(&mut first) < SECOND, "{code}");
        first.over();
        let mut only = House::new(vec![trunk(1)], &[Manner::Refuses(code, None)]);
        only.calls(0, NUMBER);
        only.pass(SECOND);
        assert_eq!(only.heard(0), Some(503), "{code}");
        only.over();
    }
}

#[test]
fn a_carrier_that_refuses_an_emergency_is_left_for_the_next_and_goes_on_getting_other_calls() {
    let both = || two().into_iter().map(|trunk| Trunk { emergency: true, ..trunk }).collect::<Vec<_>>();
    let refuses = [403, 404, 480, 486, 600].map(|code| Manner::Refuses(code, None));
    // Announcements of the refusal, and what would send the call into a flow of ours.
    let others = [Manner::EarlyThen(404), Manner::RingsThen(480), Manner::RingsThen(503), Manner::Redirects("100")];
    for manner in refuses.into_iter().chain(others) {
        let mut house = House::new(both(), &[manner.clone(), Manner::Answers]);
        house.calls(0, "112");
        house.pass(4 * SECOND);
        assert_eq!((house.called(1), house.called(2), house.heard(0)), (1, 1, Some(200)), "{manner:?}");
        let keeps_calls = usize::from(manner != Manner::RingsThen(503));
        assert_eq!(figures(&house, 0).targets_usable, keeps_calls, "{manner:?}");
        house.over();
    }
    let mut house = House::new(both(), &[Manner::Refuses(403, None), Manner::Refuses(404, None)]);
    house.calls(0, "112");
    house.pass(SECOND);
    assert_eq!((house.called(1), house.called(2), house.heard(0)), (1, 1, Some(404)), "the word of the last");
    house.over();
}

#[test]
fn retry_after_is_honoured_to_the_second() {
    let mut house = House::new(vec![trunk(1)], &[Manner::Refuses(503, Some(20))]);
    for (wait, called, reason) in [(0, 1, 1), (18, 1, 2), (2, 2, 3)] {
        house.pass(wait * SECOND);
        house.calls(0, NUMBER);
        house.pass(SECOND / 2);
        assert_eq!((house.called(1), house.heard(0)), (called, Some(503)));
        assert_eq!(no_way(&house), vec!["exhausted"; reason]);
    }
    assert_eq!((figures(&house, 0).targets, figures(&house, 0).targets_usable), (1, 0));
    house.over();
}

#[test]
fn when_all_carriers_are_silent_the_caller_is_told_within_the_ring_time() {
    let mut house = House::new(two(), &[Manner::Silent, Manner::Silent]);
    house.calls(0, NUMBER);
    house.pass(Duration::from_secs(31));
    assert_eq!(house.heard(0), Some(408));
    house.over();
}

#[test]
fn a_failed_carrier_is_tried_again_when_there_is_no_other() {
    let mut house = House::new(vec![trunk(1)], &[Manner::Refuses(500, None)]);
    house.calls(0, NUMBER);
    house.pass(SECOND);
    house.peers[1].manner = Manner::Answers;
    house.calls(0, NUMBER);
    house.pass(SECOND);
    assert_eq!((house.called(1), house.heard(0)), (2, Some(200)));
    house.over();
}

#[test]
fn the_longest_beginning_decides_and_no_other_trunk_is_tried() {
    let national = Trunk { takes: vec!["+46".into()], ..trunk(2) };
    let mut house = House::new(vec![trunk(1), national], &[Manner::Answers, Manner::Refuses(503, None)]);
    house.calls(0, NUMBER);
    house.pass(SECOND);
    assert_eq!((house.called(1), house.called(2), house.heard(0)), (0, 1, Some(503)));
    house.over();
}

#[test]
fn weights_share_the_calls_of_one_priority() {
    let weighted = |at: usize, weight| Trunk { weight, ..trunk(at) };
    let mut house = House::new(vec![weighted(1, 3), weighted(2, 1)], &[Manner::Answers, Manner::Answers]);
    for _ in 0..100 {
        house.calls(0, NUMBER);
        house.pass(SECOND / 2);
        house.hangs_up(0);
        house.pass(SECOND / 2);
    }
    assert_eq!(house.called(1) + house.called(2), 100);
    assert!((60..90).contains(&house.called(1)), "{}", house.called(1));
    house.over();
}

#[test]
fn a_full_trunk_is_passed_over_and_refuses_its_own_callers() {
    let mut trunks = two();
    trunks[0].calls = Some(1);
    trunks[0].from = vec![vaxel::engine::Network { address: address(1).ip(), prefix: 32 }];
    trunks[1].calls = Some(1);
    let mut house = House::new(trunks, &[Manner::Answers, Manner::Answers]);
    for (first, second, code) in [(1, 0, 200), (1, 1, 200), (1, 1, 503)] {
        house.calls(0, NUMBER);
        house.pass(SECOND);
        assert_eq!((house.called(1), house.called(2), house.heard(0)), (first, second, Some(code)));
    }
    assert_eq!(no_way(&house), ["trunk_full"]);
    house.calls(1, "100");
    house.pass(SECOND);
    assert_eq!((house.heard(1), figures(&house, 0).counts.full), (Some(503), 3));
}

#[test]
fn calls_per_second_are_kept_and_the_rest_goes_elsewhere() {
    let mut trunks = two();
    trunks[0].calls_per_second = Some(2.0);
    let mut house = House::new(trunks, &[Manner::Answers, Manner::Answers]);
    for _ in 0..5 {
        house.calls(0, NUMBER);
        house.pass(Duration::from_millis(20));
    }
    house.pass(SECOND / 10);
    assert_eq!((house.called(1), house.called(2)), (2, 3));
    house.pass(SECOND);
    house.calls(0, NUMBER);
    house.pass(SECOND);
    assert_eq!(house.called(1), 3);
}

#[test]
fn a_place_that_misses_its_probes_gets_no_calls_until_it_answers_one() {
    let probed = |trunk: Trunk| Trunk { probe: Some(10 * SECOND), ..trunk };
    let mut house = House::new(two().into_iter().map(probed).collect(), &[Manner::Silent, Manner::Answers]);
    house.pass(Duration::from_secs(45));
    let news = |house: &House, wanted: &TrunkNews| {
        house.told.iter().filter(|what| matches!(what, What::Trunk { news, .. } if news == wanted)).count()
    };
    assert_eq!(news(&house, &TrunkNews::Down { target: address(1) }), 1);
    assert_eq!((figures(&house, 0).targets_usable, figures(&house, 1).targets_usable), (0, 1));
    assert!((3..=5).contains(&house.peers[2].options), "{}", house.peers[2].options);
    let after = took(&mut house);
    assert!(after < SECOND, "nobody waits for who is known to be down: {after:?}");
    house.peers[1].manner = Manner::Answers;
    house.pass(Duration::from_secs(40));
    assert_eq!(news(&house, &TrunkNews::Up { target: address(1) }), 1);
    house.hangs_up(0);
    house.calls(0, NUMBER);
    house.pass(SECOND);
    assert_eq!(house.called(1), 1);
    house.over();
}

#[test]
fn the_places_of_one_trunk_are_tried_in_their_order_and_may_be_others_later() {
    let places = vec![Target { priority: 2, ..target(1) }, Target { priority: 1, ..target(2) }];
    let mut house =
        House::new(vec![Trunk { targets: places, ..trunk(1) }], &[Manner::Answers, Manner::Refuses(503, Some(600))]);
    house.calls(0, NUMBER);
    house.pass(SECOND);
    assert_eq!((house.called(1), house.called(2), house.heard(0)), (1, 1, Some(200)));
    house.hangs_up(0);
    // What is known of one that stays is kept: it still rests.
    house.tell(Input::Targets { trunk: 0, targets: vec![Target { hop: hop(2), priority: 0, weight: 0 }] });
    house.calls(0, NUMBER);
    house.pass(SECOND);
    assert_eq!((house.called(1), house.called(2), house.heard(0)), (1, 1, Some(503)));
    house.over();
}

#[test]
fn a_trunk_at_its_limits_still_tries_its_other_places_for_the_call_that_it_took() {
    let places = vec![Target { priority: 1, ..target(1) }, Target { priority: 2, ..target(2) }];
    let busy = Trunk {
        targets: places,
        calls: Some(1),
        calls_per_second: Some(1.0),
        out: Caps { calls: Some(1), calls_per_hour: Some(1), ..Caps::default() },
        ..trunk(1)
    };
    for manner in [Manner::Refuses(503, None), Manner::Silent, Manner::Unreachable] {
        let mut house = House::new(vec![busy.clone()], &[manner.clone(), Manner::Answers]);
        house.calls(0, NUMBER);
        house.pass(5 * SECOND);
        assert_eq!((house.called(2), house.heard(0)), (1, Some(200)), "{manner:?}");
        assert_eq!(figures(&house, 0).legs, 1);
        house.hangs_up(0);
        house.pass(SECOND);
        house.calls(0, NUMBER);
        house.pass(SECOND);
        assert_eq!(
            (house.heard(0), no_way(&house)),
            (Some(403), vec!["calls_per_hour"]),
            "{manner:?}: it was one call"
        );
        house.over();
    }
}

#[test]
fn each_call_out_has_one_hop_less_to_go_than_the_call_it_is_for() {
    let mut house = House::new(two(), &[Manner::Refuses(503, None), Manner::Answers]);
    let calls = |house: &mut House, said: Option<u8>| {
        let mut headers = Headers::default();
        said.into_iter().for_each(|said| headers.push("Max-Forwards", said.to_string()));
        house.calls_with(0, NUMBER, headers);
        house.pass(SECOND);
        let heard = house.heard(0);
        house.hangs_up(0);
        house.pass(SECOND);
        heard
    };
    // A phone that says nothing sends 70, and nobody is given more.
    for (said, left) in [(None, "69"), (Some(255), "69"), (Some(9), "8")] {
        assert_eq!(calls(&mut house, said), Some(200));
        let (_, tried) = house.peers[2].invites.last().expect("a call");
        assert_eq!(tried.headers.get("Max-Forwards"), Some(left), "{said:?}");
    }
    let (_, tried) = &house.peers[1].invites[0];
    assert_eq!(tried.headers.get("Max-Forwards"), Some("69"), "whichever way is tried");
    // The one is refused by the carrier, which would have to pass it on with nothing left; the other here.
    assert_eq!((calls(&mut house, Some(1)), calls(&mut house, Some(0))), (Some(483), Some(483)));
    assert_eq!(house.called(2), 3);
    house.over();
}

#[test]
fn an_agent_calls_no_more_and_nowhere_else_than_the_caps_allow() {
    let caps = Caps { denied: vec!["+882".into()], calls_per_hour: Some(2), ..Caps::default() };
    let mut house = House::with(vec![trunk(1)], &[Manner::Answers], |settings| settings.agents[0].out = caps);
    for (number, code) in [("+8821234567", 403), (NUMBER, 200), (NUMBER, 200), (NUMBER, 403)] {
        house.calls(0, number);
        house.pass(SECOND);
        assert_eq!(house.heard(0), Some(code), "{number}");
        house.hangs_up(0);
        house.pass(SECOND);
    }
    assert_eq!(no_way(&house), ["destination", "calls_per_hour"]);
    house.pass(3600 * SECOND);
    house.calls(0, NUMBER);
    house.pass(SECOND);
    assert_eq!(house.heard(0), Some(200), "an hour later");
    house.over();
}

#[test]
fn a_colleague_is_told_by_the_phone_who_transfers_and_a_carrier_by_us_if_it_is_trusted() {
    let by = "<sip:agent0@desk.example>;cid=\"1@desk.example\"";
    let at_house = |number: &str| format!("<sip:{number}@{}>", vaxel::sim::media::switchboard());
    for (to, trusted, shows, told) in [
        ("+4722000000", false, None, None),
        ("+4722000000", true, None, Some(at_house("2000"))),
        ("+4722000000", true, Some("+46850000000"), Some(at_house("+46850000000"))),
        ("2001", true, None, Some(by.to_owned())),
    ] {
        let abroad = Trunk { takes: vec!["+47".into()], trusted, shows: shows.map(str::to_owned), ..trunk(2) };
        let mut house = House::new(vec![trunk(1), abroad], &[Manner::Answers, Manner::Answers, Manner::Answers]);
        house.is_registered_by("agent1", hop(3));
        house.calls(0, NUMBER);
        house.pass(SECOND);
        house.transfers(0, to, by);
        house.pass(SECOND);
        let rung = if to == "2001" { 3 } else { 2 };
        let headers = |peer: usize| house.peers[peer].invites[0].1.headers.get("Referred-By");
        assert_eq!((headers(1), headers(rung)), (None, told.as_deref()), "{to} {trusted} {shows:?}");
        house.hangs_up(1);
        house.over();
    }
}

#[test]
fn emergencies_are_no_calls_that_a_cap_counts() {
    let few = Caps { calls_per_hour: Some(1), ..Caps::default() };
    let carrier = Trunk { emergency: true, out: few.clone(), ..trunk(1) };
    let mut house = House::with(vec![carrier], &[Manner::Answers], |settings| settings.agents[0].out = few);
    for (number, code) in [("112", 200), ("112", 200), (NUMBER, 200), ("112", 200), (NUMBER, 403)] {
        house.calls(0, number);
        house.pass(SECOND);
        assert_eq!(house.heard(0), Some(code), "{number}");
        house.hangs_up(0);
        house.pass(SECOND);
    }
    house.over();
}

#[test]
fn a_flow_connects_its_caller_to_an_emergency_number_only_if_the_settings_say_so() {
    let flow = "flow: main\nlanguages: [en]\nstart: help\nsteps:\n  help:\n    transfer: { to: '112', failed: end }\n  \
                end:\n    hangup: {}\n";
    for (by_flow, called) in [(false, 0), (true, 1)] {
        let from = vec![vaxel::engine::Network { address: address(2).ip(), prefix: 32 }];
        let trunks = vec![Trunk { emergency: true, ..trunk(1) }, Trunk { from, ..trunk(2) }];
        let mut house = House::with(trunks, &[Manner::Answers, Manner::Answers], |settings| {
            settings.emergency_by_flow = by_flow;
            let (numbers, prompts) = (["112".to_owned()].into(), [("en".to_owned(), Default::default())].into());
            let world = vaxel::flow::World { numbers, prompts, ..vaxel::flow::World::default() };
            let flow = vaxel::flow::compile("main.yaml", flow, &world).expect("a good flow");
            settings.flows.insert("main".into(), flow.into());
        });
        house.calls(2, "100");
        house.pass(3 * SECOND);
        assert_eq!(house.called(1), called, "{by_flow}");
        assert_eq!(no_way(&house), vec!["emergency_by_flow"; 1 - called]);
        house.over();
    }
}

#[test]
fn a_trunk_has_caps_of_its_own_and_another_may_take_what_it_may_not() {
    let mut trunks = two();
    trunks[0].out = Caps { minutes_per_day: Some(1), ..Caps::default() };
    let mut house = House::new(trunks, &[Manner::Answers, Manner::Answers]);
    for (first, second) in [(1, 0), (1, 1)] {
        house.calls(0, NUMBER);
        house.pass(90 * SECOND);
        assert_eq!((house.called(1), house.called(2), house.heard(0)), (first, second, Some(200)));
        house.hangs_up(0);
        house.pass(SECOND);
    }
    house.over();
}

#[test]
fn a_talk_ends_when_the_minutes_of_the_day_are_used_up_and_a_call_for_help_does_not() {
    let trunk = Trunk { emergency: true, ..trunk(1) };
    let mut house = House::with(vec![trunk], &[Manner::Answers], |settings| {
        settings.agents[0].out = Caps { minutes_per_day: Some(1), ..Caps::default() };
    });
    house.calls(0, NUMBER);
    house.pass(59 * SECOND);
    assert_eq!((house.heard(0), house.engine.calls()), (Some(200), 1));
    house.pass(2 * SECOND);
    let told = |what: &&What| matches!(what, What::OutOfMinutes { payer, .. } if payer.starts_with("agent "));
    assert_eq!((house.engine.calls(), house.told.iter().filter(told).count()), (0, 1));
    house.calls(0, NUMBER);
    house.pass(SECOND);
    assert_eq!((house.heard(0), no_way(&house)), (Some(403), vec!["minutes_per_day"]));
    house.calls(0, "112");
    house.pass(300 * SECOND);
    assert_eq!((house.heard(0), house.engine.calls()), (Some(200), 1));
    house.hangs_up(0);
    house.pass(SECOND);
    house.over();
}

#[test]
fn an_emergency_is_tried_even_where_a_carrier_said_to_wait() {
    let carrier = Trunk { emergency: true, ..trunk(1) };
    let mut house = House::new(vec![carrier], &[Manner::Refuses(503, Some(600))]);
    house.calls(0, NUMBER);
    house.pass(SECOND);
    house.peers[1].manner = Manner::Answers;
    for (number, code) in [(NUMBER, 503), ("112", 200)] {
        house.calls(0, number);
        house.pass(SECOND);
        assert_eq!(house.heard(0), Some(code), "{number}");
    }
    house.over();
}

#[test]
fn an_emergency_goes_out_at_once_whatever_the_caps_and_only_by_the_trunk_for_it() {
    let nothing = Caps { calls: Some(0), allowed: vec!["+46".into()], ..Caps::default() };
    let mut trunks = two();
    trunks[1] = Trunk { takes: Vec::new(), emergency: true, calls: Some(0), out: nothing.clone(), ..trunks[1].clone() };
    let mut house = House::with(trunks, &[Manner::Answers, Manner::Answers], |settings| {
        settings.agents[0].out = nothing;
        settings.limits.calls = 0;
    });
    house.calls(0, "112");
    house.pass(SECOND);
    assert_eq!((house.called(1), house.called(2), house.heard(0)), (0, 1, Some(200)));
    assert_eq!(house.peers[2].invites[0].1.uri.user(), Some("112"));
    house.over();
}

#[test]
fn an_emergency_that_a_trunk_brings_is_refused_and_told() {
    let from = vec![vaxel::engine::Network { address: address(1).ip(), prefix: 32 }];
    let mut house = House::new(vec![Trunk { from, emergency: true, ..trunk(1) }], &[Manner::Answers]);
    house.calls(1, "112");
    house.pass(SECOND);
    let told = |what: &What| matches!(what, What::CallRefused { code: 404, reason } if &**reason == "emergency_number");
    assert!(house.heard(1) == Some(404) && house.told.iter().any(told) && house.called(1) == 0);
    house.over();
}

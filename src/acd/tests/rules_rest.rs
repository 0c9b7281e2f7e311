//! Rests after calls, and the cap on occupancy.

use super::*;
use crate::need::Attributes;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Agent 1 with ten seconds of wrap-up and these settings.
fn desk(change: impl FnOnce(&mut AgentSettings)) -> Desk {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| {
        agent.wrap_up = secs(10);
        change(agent);
    });
    desk.at(0, login(1));
    desk
}

fn rests(until: u64, reason: RestReason) -> AgentState {
    AgentState::Resting { until: Time::from_secs(until), reason }
}

#[test]
fn a_rest_follows_the_wrap_up_of_a_long_talk_and_ends_by_itself() {
    let rule = RestRule { longer_than: secs(60), rest: secs(30), ..RestRule::default() };
    let mut desk = desk(|agent| agent.rests = vec![rule]);
    desk.at(0, arrive(1));
    desk.at(0, accepted(1));
    assert_eq!(desk.at(60, talk_ended(1)), "a1 wrap_up");
    assert_eq!(desk.until(70), "a1 ready", "not longer than that");
    desk.at(100, arrive(2));
    desk.at(100, accepted(2));
    desk.at(161, talk_ended(2));
    assert_eq!(desk.at(165, end_wrap_up(1)), "a1 resting");
    assert_eq!(desk.state(1), rests(195, RestReason::Call));
    assert_eq!(desk.at(166, arrive(3)), "");
    let why = WhyNot::Resting { until: Time::from_secs(195), reason: RestReason::Call };
    assert_eq!(desk.acd.explain(EntryId(3)), [(AgentId(1), why)]);
    assert_eq!(desk.until(195), "a1 ready, o3: e3 rings a1, a1 offered");
}

#[test]
fn of_the_rules_that_fit_the_longest_rest_counts() {
    let complaint = || Attributes::from([("topic".to_owned(), "complaint".to_owned())]);
    let mut desk = desk(|agent| {
        agent.wrap_up = Duration::ZERO;
        agent.rests = vec![
            RestRule { attribute: complaint(), rest: secs(40), ..RestRule::default() },
            RestRule { queue: Some("q2".to_owned()), rest: secs(20), ..RestRule::default() },
            RestRule { queue: Some("q2".to_owned()), attribute: complaint(), rest: secs(50), ..RestRule::default() },
        ];
    });
    desk.queue(2, |_| {});
    let mut after = |entry: u64, queue: u32, attributes: Attributes| {
        let at = entry * 100;
        desk.at(at, arrival(entry, Arrival { queue: QueueId(queue), attributes, ..Arrival::default() }));
        desk.at(at, accepted(entry));
        desk.at(at + 10, talk_ended(entry));
        desk.state(1)
    };
    assert_eq!(after(1, 1, Attributes::new()), AgentState::Ready);
    assert_eq!(after(2, 1, complaint()), rests(250, RestReason::Call));
    assert_eq!(after(3, 2, Attributes::new()), rests(330, RestReason::Call));
    assert_eq!(after(4, 2, complaint()), rests(460, RestReason::Call));
}

#[test]
fn a_rest_is_ended_by_resuming_and_hidden_by_a_pause() {
    let rule = RestRule { rest: secs(30), ..RestRule::default() };
    let mut desk = desk(|agent| {
        agent.wrap_up = Duration::ZERO;
        agent.rests = vec![rule];
    });
    desk.at(0, arrive(1));
    desk.at(0, accepted(1));
    assert_eq!(desk.at(10, talk_ended(1)), "a1 resting");
    assert_eq!(desk.at(11, pause(1, "lunch")), "a1 paused");
    assert_eq!(desk.at(12, resume(1)), "a1 ready", "both");
    assert_eq!(desk.timeout(), None);
}

/// At most half of the time, and twenty seconds at a time.
fn capped() -> Desk {
    let cap = OccupancyCap { share: 500, burst: secs(20), longest_rest: secs(60) };
    let mut desk = desk(|agent| {
        agent.wrap_up = Duration::ZERO;
        agent.occupancy_cap = Some(Box::new(cap));
    });
    desk.at(0, arrive(1));
    desk.at(0, accepted(1));
    desk
}

#[test]
fn whoever_was_occupied_for_too_much_of_the_time_rests_until_the_share_is_kept() {
    let mut desk = capped();
    assert_eq!(desk.at(20, talk_ended(1)), "a1 ready", "just not more than the burst");
    desk.at(25, arrive(2));
    desk.at(25, accepted(2));
    // 20 s occupied, 5 s not, 10 s occupied: 25 s too many.
    assert_eq!(desk.at(35, talk_ended(2)), "a1 resting");
    assert_eq!(desk.state(1), rests(60, RestReason::Occupancy), "30 of 60 s");
    assert_eq!(desk.until(60), "a1 ready");
}

#[test]
fn a_rest_of_the_cap_has_a_longest_time_and_what_is_left_counts_on() {
    let mut desk = capped();
    desk.at(100, talk_ended(1));
    assert_eq!(desk.state(1), rests(160, RestReason::Occupancy));
    assert_eq!(desk.until(160), "a1 ready");
    desk.at(160, arrive(2));
    desk.at(160, accepted(2));
    desk.at(161, talk_ended(2));
    assert_eq!(desk.state(1), rests(202, RestReason::Occupancy), "40 s were left, and one came to them");
}

#[test]
fn the_longer_of_two_reasons_to_rest_is_told() {
    let mut desk = capped();
    let settings = AgentSettings {
        wrap_up: Duration::ZERO,
        rests: vec![RestRule { rest: secs(15), ..RestRule::default() }],
        occupancy_cap: Some(Box::new(OccupancyCap { share: 750, burst: secs(1), longest_rest: secs(60) })),
        ..AgentSettings::default()
    };
    desk.at(0, Change::Agent { id: AgentId(1), settings });
    desk.at(30, talk_ended(1));
    assert_eq!(desk.state(1), rests(40, RestReason::Occupancy), "rules are those of the talk's beginning");
    desk.until(40);
    desk.at(40, arrive(2));
    desk.at(40, accepted(2));
    desk.at(50, talk_ended(2));
    assert_eq!(desk.state(1), rests(65, RestReason::Call));
}

#[test]
fn a_rest_of_the_cap_waits_until_nothing_is_in_hand_and_nothing_is_offered_before_it() {
    let mut desk = desk(|agent| {
        agent.tasks = 3;
        agent.occupancy_cap = Some(Box::new(OccupancyCap { share: 500, burst: secs(10), longest_rest: secs(300) }));
    });
    for entry in 1..=2 {
        desk.at(0, arrival(entry, Arrival { queue: QueueId(1), kind: Kind::Task, ..Arrival::default() }));
        desk.at(0, accepted(entry));
    }
    assert_eq!(desk.at(100, talk_ended(1)), "a1 working", "the other is in hand");
    assert_eq!(desk.at(110, arrive(3)), "");
    assert_eq!(desk.acd.explain(EntryId(3)), [(AgentId(1), WhyNot::RestsNext { tasks: 1 })]);
    let text = serde_json::to_string(&desk.acd.snapshot()).expect("it can be kept");
    let again = Acd::restore(serde_json::from_str(&text).expect("written just now")).expect("it was just so");
    assert!(again == desk.acd, "kept");
    assert_eq!(desk.at(200, talk_ended(2)), "a1 resting");
    assert_eq!(desk.state(1), rests(400, RestReason::Occupancy), "all the 200 s were work");
    let work = desk.acd.truth().agent(AgentId(1), Time::from_secs(200), 0);
    assert_eq!(work.spent(Phase::Working), secs(200));
    assert_eq!(desk.until(400), "a1 ready, o3: e3 rings a1, a1 offered");
}

#[test]
fn resuming_ends_also_a_rest_that_has_not_begun() {
    let mut desk = desk(|agent| {
        agent.tasks = 2;
        agent.occupancy_cap = Some(Box::new(OccupancyCap { share: 500, burst: secs(10), longest_rest: secs(300) }));
    });
    for entry in 1..=2 {
        desk.at(0, arrival(entry, Arrival { queue: QueueId(1), kind: Kind::Task, ..Arrival::default() }));
        desk.at(0, accepted(entry));
    }
    desk.at(100, talk_ended(1));
    assert_eq!(desk.at(110, arrive(3)), "");
    assert_eq!(desk.at(120, resume(1)), "o3: e3 rings a1, a1 offered");
}

#[test]
fn a_call_of_their_own_tires_as_any_other() {
    let mut desk = desk(|agent| {
        agent.occupancy_cap = Some(Box::new(OccupancyCap { share: 500, burst: secs(10), longest_rest: secs(300) }));
    });
    desk.at(2, busy(1));
    desk.at(3, arrive(1));
    assert_eq!(desk.at(102, free(1)), "a1 resting");
    assert_eq!(desk.state(1), rests(202, RestReason::Occupancy));
}

#[test]
fn a_rest_that_is_due_begins_when_the_call_of_their_own_is_over() {
    let mut desk = desk(|agent| agent.rests = vec![RestRule { rest: secs(30), ..RestRule::default() }]);
    desk.at(0, arrive(1));
    desk.at(0, accepted(1));
    desk.at(50, talk_ended(1));
    desk.at(55, busy(1));
    desk.until(90);
    assert_eq!(desk.at(100, free(1)), "a1 resting");
    assert_eq!(desk.state(1), rests(130, RestReason::Call));
}

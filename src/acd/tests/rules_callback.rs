//! Those who are to be called back.

use super::*;
use crate::acd::truth::Promises;

/// A promise to call `number` back, from queue 1, to somebody who waits since then.
fn promise(entry: u64, number: &str, since: u64) -> Change {
    let callback = Callback { number: number.to_owned(), ..Callback::default() };
    let (caller, since) = (number.to_owned(), Time::from_secs(since));
    let arrived =
        Arrival { queue: QueueId(1), since, caller, callback: Some(Box::new(callback)), ..Arrival::default() };
    arrival(entry, arrived)
}

fn caller(entry: u64, number: &str) -> Change {
    arrival(entry, Arrival { queue: QueueId(1), caller: number.to_owned(), ..Arrival::default() })
}

fn reached(entry: u64) -> Change {
    Change::Reached { entry: EntryId(entry) }
}

fn line(desk: &Desk) -> Vec<u64> {
    desk.acd.entries(QueueId(1)).into_iter().map(|entry| entry.0).collect()
}

fn promises(desk: &Desk) -> Promises {
    assert_eq!(desk.acd.truth().imbalance(), None);
    desk.acd.truth().total(QueueId(1)).promises
}

/// Anna has waited since second 10 and is to be called back, as entry 2; bo waits as entry 1; agent 1 is not there yet.
fn anna_is_promised() -> Desk {
    let mut desk = Desk::new();
    desk.agent(1, "");
    desk.at(20, caller(1, "bo"));
    assert_eq!(desk.at(30, promise(2, "anna", 10)), "");
    desk
}

/// And agent 1 dials her since second 60.
fn anna_is_dialled() -> Desk {
    let mut desk = anna_is_promised();
    desk.at(40, leave(1, Exit::Abandoned));
    assert_eq!(desk.at(50, login(1)), "a1 ready, o1: e2 rings a1, a1 offered");
    assert_eq!(desk.at(60, accepted(1)), "o1 accepted, e2 answered after 50, a1 talking");
    desk
}

#[test]
fn who_is_to_be_called_back_keeps_the_place_and_all_the_time_waited() {
    let mut desk = anna_is_promised();
    assert_eq!(line(&desk), [2, 1]);
    assert_eq!(desk.at(50, login(1)), "a1 ready, o1: e2 rings a1, a1 offered");
    assert_eq!(desk.at(60, accepted(1)), "o1 accepted, e2 answered after 50, a1 talking");
    assert!(desk.acd.is_being_dialled(EntryId(2)) && desk.acd.callback_to("anna") == Some(EntryId(2)));
    assert_eq!(desk.at(70, reached(2)), "");
    assert_eq!(desk.acd.callback_to("anna"), None);
    assert_eq!(desk.at(100, talk_ended(2)), "a1 ready, o2: e1 rings a1, a1 offered");
    let of = promises(&desk);
    assert_eq!((of.made, of.open, of.kept, of.tries), (1, 0, 1, 1));
    let secs = |secs: u64| secs * 1_000_000;
    assert_eq!((of.kept_wait_micros, of.kept_wait_micros_max, of.work_micros), (secs(60), secs(60), secs(40)));
    assert_eq!((of.kept_share(), of.average_wait()), (Some(1.0), Some(Duration::from_secs(60))));
}

#[test]
fn what_is_promised_is_in_no_count_of_those_who_hold_the_line() {
    let mut desk = anna_is_dialled();
    desk.at(70, reached(2));
    desk.at(100, talk_ended(2));
    let total = desk.acd.truth().total(QueueId(1));
    assert_eq!((total.offered, total.exits.total(), total.answered(), total.handled, total.in_hand), (1, 1, 0, 0, 0));
    assert_eq!((desk.acd.waiting(QueueId(1)), desk.acd.callbacks(QueueId(1))), (0, 0));
    // The agent's day has it.
    assert_eq!(desk.acd.truth().agent(AgentId(1), Time::from_secs(100), 0).calls, 1);
    let desk = anna_is_promised();
    assert_eq!((desk.acd.waiting(QueueId(1)), desk.acd.callbacks(QueueId(1))), (1, 1));
    assert_eq!(desk.acd.longest_wait(QueueId(1), Time::from_secs(50)), Some(Duration::from_secs(30)), "bo");
}

#[test]
fn who_is_not_reached_is_called_again_after_a_while_and_not_for_ever() {
    let mut desk = anna_is_dialled();
    assert_eq!(desk.at(70, talk_ended(2)), "a1 ready, e2 again from 670");
    assert_eq!((line(&desk), promises(&desk).open), (vec![2], 1));
    assert_eq!(desk.acd.explain(EntryId(2))[0].1, WhyNot::NotYet { until: Some(Time::from_secs(670)) });
    assert_eq!(desk.until(669), "");
    assert_eq!(desk.until(670), "o2: e2 rings a1, a1 offered");
    assert_eq!(desk.at(680, accepted(2)), "o2 accepted, e2 answered after 670, a1 talking");
    assert_eq!(desk.at(690, talk_ended(2)), "a1 ready, e2 again from 1290");
    assert_eq!(desk.until(1290), "o3: e2 rings a1, a1 offered");
    desk.at(1300, accepted(3));
    assert_eq!(desk.at(1310, talk_ended(2)), "a1 ready, e2 never again");
    let of = promises(&desk);
    assert_eq!((of.made, of.open, of.not_reached, of.tries, of.kept_share()), (1, 0, 1, 3, Some(0.0)));
    assert_eq!((line(&desk), desk.acd.callback_to("anna"), desk.timeout()), (vec![], None, None));
}

#[test]
fn who_has_to_hang_up_first_is_called_no_sooner_than_that() {
    let mut desk = Desk::ready(&[1]);
    let callback = Callback { number: "anna".into(), not_before: Time::from_secs(45), ..Callback::default() };
    let promised = Arrival { queue: QueueId(1), callback: Some(Box::new(callback)), ..Arrival::default() };
    assert_eq!(desk.at(30, arrival(2, promised)), "");
    assert_eq!(desk.acd.explain(EntryId(2))[0].1, WhyNot::NotYet { until: Some(Time::from_secs(45)) });
    assert_eq!(desk.until(45), "o1: e2 rings a1, a1 offered");
}

#[test]
fn a_call_that_broke_is_no_try_and_who_waits_has_the_place_still() {
    let mut desk = anna_is_dialled();
    desk.agent(2, "");
    assert_eq!(desk.at(65, login(2)), "a2 ready");
    assert_eq!(desk.at(70, talk_broke(2)), "a1 ready, e2 again from 70, o2: e2 rings a2, a2 offered");
    assert_eq!(desk.acd.callback(EntryId(2)).map(|callback| callback.tries), Some(0));
}

#[test]
fn a_promise_sleeps_while_its_queue_is_closed_and_waits_for_nobody_to_be_there() {
    let mut desk = anna_is_promised();
    desk.queue(1, |settings| {
        settings.after_closing = Some(Duration::ZERO);
        settings.leave_when.no_agents = true;
        settings.join_unless.no_agents = true;
        settings.max_wait = Some(Duration::from_secs(100));
    });
    assert_eq!((line(&desk), desk.timeout()), (vec![2], Some(30 + 86_400)), "who holds the line has left");
    desk.at(40, Change::Close { queue: QueueId(1) });
    assert_eq!(desk.at(50, login(1)), "a1 ready");
    assert_eq!(desk.acd.explain(EntryId(2))[0].1, WhyNot::NotYet { until: None });
    assert_eq!(desk.acd.position(EntryId(2)), Some(1));
    let open = Change::Open { queue: QueueId(1), until: None };
    assert_eq!(desk.at(5_000, open), "o1: e2 rings a1, a1 offered");
    // One can be made while it is closed, and what rings goes on when it closes.
    assert_eq!(desk.at(5_001, Change::Close { queue: QueueId(1) }), "");
    assert_eq!(desk.at(5_002, promise(3, "bo", 5_002)), "");
    assert_eq!(desk.at(5_003, ended(1, Outcome::Declined)), "o1 declined, a1 ready");
    assert_eq!(line(&desk), [2, 3]);
}

#[test]
fn a_promise_is_given_up_when_it_is_too_late() {
    let mut desk = Desk::new();
    desk.queue(1, |settings| settings.callback_within = Duration::from_secs(60));
    desk.at(30, promise(1, "anna", 10));
    assert_eq!(desk.at(40, leave(1, Exit::Abandoned)), "", "nobody is on the line");
    assert_eq!(desk.until(90), "e1 timed_out after 80");
    assert_eq!((promises(&desk).timed_out, desk.acd.callback_to("anna")), (1, None));
}

#[test]
fn a_number_is_promised_once_and_a_queue_makes_so_many_promises() {
    let mut desk = anna_is_promised();
    assert_eq!(desk.at(31, promise(3, "anna", 31)), "e3 refused_full after 0");
    assert_eq!(desk.at(31, promise(4, "", 31)), "e4 refused_full after 0");
    desk.queue(1, |settings| (settings.max_callbacks, settings.max_waiting) = (2, 1));
    assert_eq!(desk.at(32, promise(5, "carl", 2)), "", "who holds the line takes no room");
    assert_eq!(desk.at(33, promise(6, "dora", 3)), "e6 refused_full after 30");
    assert_eq!((promises(&desk).made, promises(&desk).open, promises(&desk).refused), (5, 2, 3));
    assert_eq!(desk.at(34, leave(5, Exit::Transferred)), "e5 transferred after 32");
    assert_eq!(promises(&desk).withdrawn, 1);
}

#[test]
fn who_calls_before_they_are_called_has_the_place_and_is_called_no_more() {
    let mut desk = anna_is_promised();
    desk.at(30, login(1));
    assert_eq!(
        desk.at(40, caller(3, "anna")),
        "o1 caller_gone, e2 transferred after 30, a1 ready, o2: e3 rings a1, a1 offered"
    );
    assert_eq!((line(&desk), desk.acd.callback_to("anna")), (vec![3, 1], None));
    assert_eq!(desk.acd.entry(EntryId(3)).expect("she waits").since, Time::from_secs(10));
    assert_eq!(promises(&desk).withdrawn, 1);
    // Who calls while they are called is not called again.
    let mut desk = anna_is_dialled();
    assert_eq!(desk.at(65, caller(3, "anna")), "");
    assert_eq!(desk.at(70, talk_ended(2)), "a1 ready, e2 never again, o2: e3 rings a1, a1 offered");
    assert_eq!((promises(&desk).withdrawn, promises(&desk).not_reached), (1, 0));
    // In another queue they are somebody else.
    let mut desk = anna_is_promised();
    desk.queue(2, |_| {});
    desk.at(40, arrival(3, Arrival { queue: QueueId(2), caller: "anna".into(), ..Arrival::default() }));
    assert_eq!(desk.acd.callback_to("anna"), Some(EntryId(2)));
}

#[test]
fn who_was_called_back_and_lost_the_line_goes_back_to_the_agent() {
    let mut desk = anna_is_dialled();
    desk.at(70, reached(2));
    desk.at(80, talk_broke(2));
    assert_eq!(desk.acd.last_agent("anna", Duration::from_secs(60), Time::from_secs(90)), Some(AgentId(1)));
    // Who did not answer has talked with nobody.
    let mut desk = anna_is_dialled();
    desk.at(80, talk_broke(2));
    assert_eq!(desk.acd.last_agent("anna", Duration::from_secs(60), Time::from_secs(90)), None);
}

#[test]
fn a_promise_is_not_overtaken_by_who_waits_shorter_and_overtakes_nobody_who_waits_longer() {
    let mut desk = Desk::new();
    desk.at(5, caller(1, "bo"));
    desk.at(20, promise(2, "anna", 10));
    desk.at(21, caller(3, "carl"));
    assert_eq!(line(&desk), [1, 2, 3]);
    assert_eq!(desk.acd.position(EntryId(3)), Some(3));
    desk.at(30, Change::Close { queue: QueueId(1) });
    assert_eq!(desk.acd.position(EntryId(3)), Some(2), "who sleeps is not before anybody");
}

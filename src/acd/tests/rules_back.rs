//! Callers who come again.

use super::*;
use crate::need::Attributes;
use std::collections::BTreeSet;

/// Somebody who is known by this name, to queue 1.
fn caller(entry: u64, name: &str) -> Change {
    arrival(entry, Arrival { queue: QueueId(1), caller: name.to_owned(), ..Arrival::default() })
}

/// Three who wait, the first of whom has lost the line at second 60.
fn first_lost() -> Desk {
    let mut desk = Desk::new();
    desk.at(10, caller(1, "anna"));
    desk.at(20, caller(2, "bo"));
    desk.at(30, caller(3, "cecilia"));
    assert_eq!(desk.at(60, leave(1, Exit::SystemFault)), "e1 system_fault after 50");
    desk
}

fn line(desk: &Desk) -> Vec<u64> {
    desk.acd.entries(QueueId(1)).into_iter().map(|entry| entry.0).collect()
}

#[test]
fn whose_line_broke_has_the_old_place_back_once() {
    let mut desk = first_lost();
    desk.at(239, caller(4, "anna"));
    assert_eq!(line(&desk), [4, 2, 3]);
    assert_eq!(desk.acd.entry(EntryId(4)).expect("it waits").since, Time::from_secs(10));
    desk.at(239, caller(5, "anna"));
    assert_eq!(line(&desk), [4, 2, 3, 5]);
    assert_eq!(desk.at(240, leave(4, Exit::Abandoned)), "e4 abandoned after 230");
    desk.at(241, caller(6, "anna"));
    assert_eq!(line(&desk), [2, 3, 5, 6], "who hangs up gives the place up");
}

#[test]
fn the_place_is_kept_for_its_time_its_caller_and_its_queue() {
    for (at, queue, name) in [(240, 1, "anna"), (70, 2, "anna"), (70, 1, "annika"), (70, 1, "")] {
        let mut desk = first_lost();
        desk.queue(2, |_| {});
        let arrival = Arrival { queue: QueueId(queue), caller: name.to_owned(), ..Arrival::default() };
        desk.at(at, Change::Arrive { entry: EntryId(4), arrival: Box::new(arrival) });
        assert_eq!(desk.acd.entry(EntryId(4)).expect("it waits").since, Time::from_secs(at), "{name} at {at}");
    }
}

#[test]
fn who_hangs_up_keeps_the_place_where_the_queue_says_so() {
    for (kept_for, order) in [(KeepPlaceFor::Broken, [2, 3]), (KeepPlaceFor::All, [3, 2])] {
        let mut desk = Desk::new();
        desk.queue(1, |settings| settings.keep_place_for = kept_for);
        desk.at(10, caller(1, "anna"));
        desk.at(20, caller(2, "bo"));
        desk.at(60, leave(1, Exit::Abandoned));
        desk.at(70, caller(3, "anna"));
        assert_eq!(line(&desk), order);
    }
    let mut desk = Desk::new();
    desk.queue(1, |settings| settings.keep_place = Duration::ZERO);
    desk.at(10, caller(1, "anna"));
    desk.at(20, caller(2, "bo"));
    desk.at(60, leave(1, Exit::SystemFault));
    desk.at(60, caller(3, "anna"));
    assert_eq!(line(&desk), [2, 3]);
}

/// From queue 1, by 2, to 3, where anna and bo wait.
fn two_in_the_third() -> Desk {
    let mut desk = Desk::new();
    desk.queue(3, |_| {});
    for (queue, to, when) in [(2, 3, When::After(Duration::from_secs(10))), (1, 2, When::Closed)] {
        let overflow = vec![Overflow { to: QueueId(to), when, only: Attributes::new() }];
        desk.queue(queue, |settings| settings.overflow = overflow);
    }
    desk.at(5, Change::Close { queue: QueueId(1) });
    desk.at(10, caller(1, "anna"));
    desk.at(11, caller(2, "bo"));
    desk.until(30);
    assert_eq!(third(&desk), [1, 2]);
    desk
}

fn third(desk: &Desk) -> Vec<u64> {
    desk.acd.entries(QueueId(3)).into_iter().map(|entry| entry.0).collect()
}

#[test]
fn who_had_gone_on_to_another_queue_has_the_place_there_back_at_once() {
    let mut desk = two_in_the_third();
    desk.at(40, leave(1, Exit::SystemFault));
    assert_eq!(desk.at(50, caller(3, "anna")), "e3 overflowed after 40 to q3");
    assert_eq!(third(&desk), [3, 2], "before who was behind");
    // Also where others find no room.
    desk.at(60, leave(3, Exit::SystemFault));
    desk.queue(3, |settings| settings.max_waiting = 1);
    assert_eq!(desk.at(61, caller(4, "anna")), "e4 overflowed after 51 to q3");
    assert_eq!(third(&desk), [4, 2]);
}

#[test]
fn where_the_queue_of_the_place_takes_nobody_any_more_they_wait_where_they_come() {
    let mut desk = two_in_the_third();
    desk.at(40, leave(1, Exit::SystemFault));
    desk.at(45, Change::Open { queue: QueueId(1), until: None });
    desk.queue(3, |settings| settings.after_closing = Some(Duration::from_secs(2)));
    desk.at(46, Change::Close { queue: QueueId(3) });
    assert_eq!(desk.at(50, caller(3, "anna")), "e2 queue_closed after 37");
    assert_eq!(line(&desk), [3]);
    assert_eq!(desk.acd.entry(EntryId(3)).expect("it waits").since, Time::from_secs(10));
}

#[test]
fn who_called_again_before_it_was_known_goes_on_to_the_place_then() {
    let mut desk = two_in_the_third();
    desk.at(35, Change::Open { queue: QueueId(1), until: None });
    assert_eq!(desk.at(40, caller(3, "anna")), "");
    assert_eq!(line(&desk), [3]);
    assert_eq!(desk.at(50, leave(1, Exit::SystemFault)), "e1 system_fault after 40, e3 overflowed after 40 to q3");
    assert_eq!(third(&desk), [3, 2]);
    // But not from under the hands of an agent who is rung.
    let mut desk = two_in_the_third();
    desk.queue(3, |settings| settings.members_only = true);
    desk.at(35, Change::Open { queue: QueueId(1), until: None });
    desk.at(40, caller(3, "anna"));
    desk.agent(1, "");
    assert_eq!(desk.at(45, login(1)), "a1 ready, o1: e3 rings a1, a1 offered");
    assert_eq!(desk.at(50, leave(1, Exit::SystemFault)), "e1 system_fault after 40");
    assert_eq!(line(&desk), [3]);
}

#[test]
fn a_talk_that_broke_goes_on_from_the_queue_where_it_began() {
    let mut desk = two_in_the_third();
    desk.queue(3, |settings| settings.members_only = true);
    desk.agent_with(1, "", |settings| {
        settings.queues = BTreeSet::from([QueueId(3)]);
        settings.wrap_up = Duration::from_secs(20);
    });
    assert_eq!(desk.at(40, login(1)), "a1 ready, o1: e1 rings a1, a1 offered");
    desk.at(41, accepted(1));
    assert_eq!(desk.at(100, talk_broke(1)), "a1 wrap_up");
    assert_eq!(desk.at(110, caller(3, "anna")), "e3 overflowed after 41 to q3", "she had waited for 31 s");
    assert_eq!(third(&desk), [2, 3]);
    assert_eq!(desk.until(120), "a1 ready, o2: e2 rings a1, a1 offered");
    // Also where it was not known yet.
    desk.at(121, accepted(2));
    desk.at(125, leave(3, Exit::Abandoned));
    desk.at(126, Change::Open { queue: QueueId(1), until: None });
    assert_eq!(desk.at(130, caller(4, "bo")), "");
    assert_eq!(desk.at(140, talk_broke(2)), "e4 overflowed after 120 to q3, a1 wrap_up");
    assert_eq!(desk.until(160), "a1 ready, o3: e4 rings a1, a1 offered");
}

#[test]
fn while_nobody_was_on_the_line_the_longest_wait_did_not_run() {
    let mut desk = Desk::new();
    desk.queue(1, |settings| settings.max_wait = Some(Duration::from_secs(12)));
    desk.at(10, caller(1, "anna"));
    desk.at(14, leave(1, Exit::SystemFault));
    assert_eq!(desk.at(24, caller(2, "anna")), "", "four of twelve seconds are over");
    desk.at(28, leave(2, Exit::SystemFault));
    desk.at(128, caller(3, "anna"));
    assert_eq!(desk.until(131), "");
    assert_eq!(desk.until(132), "e3 timed_out after 122", "and the figures know it all");
}

#[test]
fn the_greater_priority_counts() {
    for (first, again, stands_first) in [(2, 0, true), (0, 2, true), (0, 0, false)] {
        let mut desk = Desk::new();
        let anna = |entry, priority| {
            let caller = "anna".to_owned();
            arrival(entry, Arrival { queue: QueueId(1), caller, priority, ..Arrival::default() })
        };
        desk.at(5, arrive(1));
        desk.at(10, anna(2, first));
        desk.at(20, leave(2, Exit::SystemFault));
        desk.at(30, anna(3, again));
        assert_eq!(line(&desk)[0] == 3, stands_first, "{first} and {again}");
    }
}

#[test]
fn several_callers_of_one_number_have_their_places_back_in_their_order() {
    let mut desk = Desk::new();
    desk.at(10, caller(1, "the company"));
    desk.at(20, caller(2, "bo"));
    desk.at(30, caller(3, "the company"));
    desk.at(40, leave(3, Exit::SystemFault));
    desk.at(50, leave(1, Exit::SystemFault));
    desk.at(60, caller(4, "the company"));
    desk.at(61, caller(5, "the company"));
    assert_eq!(line(&desk), [4, 2, 5]);
}

#[test]
fn who_is_told_that_nobody_is_there_has_the_place_still() {
    let nobody_joins = |is_so| {
        move |settings: &mut QueueSettings| {
            settings.join_unless = InVain { no_agents: is_so, ..InVain::default() };
        }
    };
    let mut desk = first_lost();
    desk.queue(1, nobody_joins(true));
    assert_eq!(desk.at(70, caller(4, "anna")), "e4 no_agents after 60");
    desk.queue(1, nobody_joins(false));
    desk.at(80, leave(3, Exit::LeftByKey));
    desk.at(90, caller(5, "anna"));
    assert_eq!(line(&desk), [5, 2]);
}

#[test]
fn the_time_without_a_service_does_not_count() {
    let down = |since| Change::WasDown { since: Time::from_secs(since) };
    let mut desk = first_lost();
    desk.at(2_060, down(60));
    desk.at(2_239, caller(4, "anna"));
    assert_eq!(line(&desk), [4, 2, 3]);
    let mut desk = first_lost();
    desk.at(2_060, down(240));
    desk.at(2_061, caller(4, "anna"));
    assert_eq!(line(&desk), [2, 3, 4], "it was over before");
}

/// The two are two contacts: the first was lost, and the second has waited since the first began.
#[test]
fn both_contacts_count_and_the_second_with_all_the_time() {
    let mut desk = first_lost();
    desk.at(70, caller(4, "anna"));
    desk.agent(1, "");
    assert_eq!(desk.at(100, login(1)), "a1 ready, o1: e4 rings a1, a1 offered");
    assert_eq!(desk.at(110, accepted(1)), "o1 accepted, e4 answered after 100, a1 talking");
    let counts = desk.acd.queue_counts(QueueId(1)).expect("it exists");
    assert_eq!((counts.offered, counts.waiting, counts.answered_in_level), (4, 2, 0));
    assert_eq!(counts.exits, BTreeMap::from([(Exit::SystemFault, 1), (Exit::Answered, 1)]));
}

/// Anna has waited ten seconds and talks with agent 1 since second 20; agent 2 is there too, and others have come.
fn talks_with_1() -> Desk {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |settings| settings.wrap_up = Duration::from_secs(20));
    desk.agent(2, "");
    desk.at(10, caller(1, "anna"));
    assert_eq!(desk.at(20, login(1)), "a1 ready, o1: e1 rings a1, a1 offered");
    desk.at(20, accepted(1));
    desk
}

#[test]
fn whose_talk_broke_goes_back_to_the_same_agent_first_also_after_the_wrap_up() {
    for (comes, broke, told) in [
        (105, true, ""),
        (105, false, "o2: e4 rings a2, a2 offered"),
        (279, true, "a1 ready, o2: e4 rings a1, a1 offered"),
        (280, true, "a1 ready, o2: e4 rings a2, a2 offered"),
    ] {
        let mut desk = talks_with_1();
        desk.at(30, login(2));
        desk.at(100, if broke { talk_broke(1) } else { talk_ended(1) });
        assert_eq!(desk.at(comes, caller(4, "anna")), told, "at {comes}, broke: {broke}");
        if told.is_empty() {
            assert_eq!(desk.until(120), "a1 ready, o2: e4 rings a1, a1 offered");
        }
    }
}

#[test]
fn after_a_talk_that_broke_the_wait_from_before_counts_on() {
    let mut desk = talks_with_1();
    desk.at(85, caller(2, "bo"));
    desk.at(95, caller(3, "cecilia"));
    desk.at(100, talk_broke(1));
    desk.at(104, caller(4, "anna"));
    assert_eq!(line(&desk), [2, 4, 3], "she waits as if since 90");
    assert_eq!(desk.until(120), "a1 ready, o2: e2 rings a1, a1 offered");
}

#[test]
fn the_agent_is_kept_for_the_caller_once_and_not_longer_than_the_queue_says() {
    let mut desk = talks_with_1();
    desk.queue(1, |settings| settings.reconnect_wait = Duration::from_secs(10));
    desk.at(30, login(2));
    desk.at(100, talk_broke(1));
    assert_eq!(desk.at(105, caller(4, "anna")), "");
    assert_eq!(desk.until(115), "o2: e4 rings a2, a2 offered");
    let mut desk = talks_with_1();
    desk.at(30, login(2));
    desk.at(100, talk_broke(1));
    desk.at(101, caller(4, "anna"));
    desk.at(102, leave(4, Exit::Abandoned));
    assert_eq!(desk.at(103, caller(5, "anna")), "o2: e5 rings a2, a2 offered");
}

#[test]
fn it_is_known_who_talked_with_a_caller_last() {
    let mut desk = talks_with_1();
    let last = |desk: &Desk, name, within, now| {
        desk.acd.last_agent(name, Duration::from_secs(within), Time::from_secs(now)).map(|agent| agent.0)
    };
    assert_eq!(last(&desk, "anna", 1000, 50), None, "they still talk");
    desk.at(100, talk_ended(1));
    assert_eq!(last(&desk, "anna", 60, 160), Some(1));
    assert_eq!([last(&desk, "anna", 60, 161), last(&desk, "bo", 60, 100), last(&desk, "", 60, 100)], [None; 3]);
    desk.at(110, login(2));
    assert_eq!(desk.at(111, caller(2, "anna")), "o2: e2 rings a2, a2 offered");
    desk.at(112, accepted(2));
    desk.at(113, talk_ended(2));
    assert_eq!(last(&desk, "anna", 60, 160), Some(2));
    let month = crate::acd::back::TALKED_KEPT.as_secs();
    assert_eq!(last(&desk, "anna", u64::MAX / 2_000_000, 113 + month), None);
}

#[test]
fn who_called_again_before_the_line_was_known_to_be_gone_has_the_place_then() {
    let mut desk = Desk::new();
    desk.queue(1, |settings| settings.max_wait = Some(Duration::from_secs(600)));
    desk.at(10, caller(1, "anna"));
    desk.at(20, caller(2, "bo"));
    desk.at(70, caller(3, "anna"));
    desk.at(80, caller(4, "cecilia"));
    assert_eq!(line(&desk), [1, 2, 3, 4], "two calls of a number are two callers, as far as anybody knows");
    assert_eq!(desk.at(90, leave(1, Exit::SystemFault)), "e1 system_fault after 80");
    assert_eq!(line(&desk), [3, 2, 4]);
    assert_eq!(desk.acd.entry(EntryId(3)).expect("it waits").since, Time::from_secs(10));
    desk.at(100, caller(5, "anna"));
    assert_eq!(line(&desk), [3, 2, 4, 5], "the place is given once");
    assert_eq!(desk.until(610), "e3 timed_out after 600", "nobody was away");
}

#[test]
fn the_latest_call_of_the_last_minutes_has_it_and_no_other() {
    for (again, lost, order) in [
        (vec![(3, 70), (4, 80)], 90, [4, 2, 3].as_slice()),
        // At 250 it is 180 s ago, and no redial.
        (vec![(3, 70)], 249, &[3, 2]),
        (vec![(3, 70)], 250, &[2, 3]),
    ] {
        let mut desk = Desk::new();
        desk.at(10, caller(1, "anna"));
        desk.at(20, caller(2, "bo"));
        for (entry, at) in again {
            desk.at(at, caller(entry, "anna"));
        }
        desk.at(lost, leave(1, Exit::SystemFault));
        assert_eq!(line(&desk), order, "lost at {lost}");
    }
    let mut desk = first_lost();
    desk.at(70, leave(3, Exit::SystemFault));
    desk.at(80, caller(4, ""));
    assert_eq!(line(&desk), [2, 4], "nobody knows who that is");
}

#[test]
fn who_calls_again_before_the_talk_is_known_to_be_broken_is_kept_for_the_agent_then() {
    let mut desk = talks_with_1();
    desk.queue(1, |settings| settings.reconnect_wait = Duration::from_secs(10));
    desk.at(30, login(2));
    desk.at(30, pause(2, "lunch"));
    desk.at(90, caller(2, "anna"));
    desk.at(91, caller(3, "bo"));
    assert_eq!(desk.at(100, talk_broke(1)), "a1 wrap_up");
    assert_eq!(desk.at(102, resume(2)), "a2 ready, o2: e3 rings a2, a2 offered", "anna is kept for agent 1");
    assert_eq!(desk.at(104, accepted(2)), "o2 accepted, e3 answered after 13, a2 talking");
    desk.at(105, talk_ended(3));
    assert_eq!(desk.until(109), "");
    assert_eq!(desk.until(110), "o3: e2 rings a2, a2 offered", "for ten seconds");
    assert_eq!(desk.acd.entry(EntryId(2)).expect("it waits").since, Time::from_secs(80), "she had waited for 10 s");
}

#[test]
fn a_place_is_there_where_others_find_none() {
    let full = |settings: &mut QueueSettings| settings.max_waiting = 2;
    let mut desk = first_lost();
    desk.queue(1, full);
    assert_eq!(desk.at(70, caller(4, "dora")), "e4 refused_full after 0");
    desk.at(70, caller(5, "anna"));
    assert_eq!(line(&desk), [5, 2, 3]);
    // Also where the line is not known to be gone yet; which of two calls of a number it is, nobody knows.
    let mut desk = Desk::new();
    desk.queue(1, full);
    desk.at(10, caller(1, "anna"));
    desk.at(20, caller(2, "bo"));
    assert_eq!(desk.at(70, caller(4, "dora")), "e4 refused_full after 0");
    assert_eq!(desk.at(70, caller(5, "anna")), "");
    assert_eq!(desk.at(71, caller(6, "anna")), "e6 refused_full after 0");
    desk.at(90, leave(1, Exit::SystemFault));
    assert_eq!(line(&desk), [5, 2]);
    // After closing as long as those who waited.
    for (after_closing, line_then) in [(None, [4, 2, 3].as_slice()), (Some(60), &[4, 2, 3]), (Some(5), &[])] {
        let mut desk = first_lost();
        desk.queue(1, |settings| settings.after_closing = after_closing.map(Duration::from_secs));
        desk.at(70, Change::Close { queue: QueueId(1) });
        desk.at(80, caller(4, "anna"));
        assert_eq!(line(&desk), line_then, "{after_closing:?}");
    }
}

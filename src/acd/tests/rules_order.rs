//! Order: who is next, skills, priorities, ageing, and the place in line.

use super::*;

/// Everybody arrives while agent 1 talks; then who is rung each time agent 1 comes free, in order.
fn served(mut desk: Desk, from: u64) -> Vec<u64> {
    let mut order = Vec::new();
    let mut now = from;
    let mut told = desk.at(now, free(1));
    while let Some((_, rest)) = told.rsplit_once(": e") {
        let (entry, _) = rest.split_once(' ').expect("'o1: e1 rings a1'");
        let entry: u64 = entry.parse().expect("a number");
        order.push(entry);
        now += 1;
        desk.at(now, accepted(desk.acd.last_offer));
        told = desk.at(now, talk_ended(entry));
    }
    order
}

/// Agent 1 with these skills is on a call of their own.
fn one_busy_agent(words: &str) -> Desk {
    let mut desk = Desk::new();
    desk.agent(1, words);
    desk.at(0, login(1));
    desk.at(0, busy(1));
    desk
}

#[test]
fn first_come_first_served() {
    let mut desk = one_busy_agent("");
    for (at, entry) in [(1, 30), (2, 10), (3, 20)] {
        desk.at(at, arrive(entry));
    }
    assert_eq!(served(desk, 10), [30, 10, 20]);
}

#[test]
fn those_who_came_in_the_same_moment_are_served_by_id() {
    let mut desk = one_busy_agent("");
    for entry in [3, 1, 2] {
        desk.at(1, arrive(entry));
    }
    assert_eq!(served(desk, 10), [1, 2, 3]);
}

#[test]
fn the_higher_priority_goes_first_and_the_queues_is_added() {
    let mut desk = one_busy_agent("");
    desk.queue(2, |queue| queue.priority = 5);
    desk.at(1, arrive(1));
    desk.at(2, arrive_at(1, 2, "", 6));
    desk.at(3, arrive_at(2, 3, "", 0));
    desk.at(4, arrive_at(2, 4, "", 2));
    desk.at(5, arrive_at(1, 5, "", -1));
    assert_eq!(served(desk, 10), [4, 2, 3, 1, 5]);
}

#[test]
fn ageing_lets_a_patient_caller_overtake_a_higher_priority() {
    // Ten points ahead, but the other queue gains a point in two seconds: level at 20 s of waiting.
    for (free_at, first) in [(20, [2, 1]), (22, [1, 2])] {
        let mut desk = one_busy_agent("");
        desk.queue(1, |queue| queue.ageing = 0.5);
        desk.queue(2, |queue| queue.priority = 10);
        desk.at(1, arrive(1));
        desk.at(1, arrive_at(2, 2, "", 0));
        assert_eq!(served(desk, free_at), first, "free at {free_at}");
    }
}

#[test]
fn equal_scores_of_different_ageing_go_by_who_came_first() {
    let mut desk = one_busy_agent("");
    desk.queue(1, |queue| queue.ageing = 0.5);
    desk.queue(2, |queue| queue.priority = 10);
    desk.at(0, arrive_at(2, 1, "", 0));
    desk.at(1, arrive(2));
    assert_eq!(served(desk, 21), [1, 2]);
}

#[test]
fn nonsense_ageing_is_taken_as_none() {
    for ageing in [f64::NAN, -1.0, f64::NEG_INFINITY] {
        let mut desk = one_busy_agent("");
        desk.queue(1, |queue| queue.ageing = ageing);
        desk.queue(2, |queue| queue.priority = 1);
        desk.at(1, arrive(1));
        desk.at(2, arrive_at(2, 2, "", 0));
        assert_eq!(served(desk, 1_000), [2, 1], "{ageing}");
    }
}

#[test]
fn a_place_kept_from_before_counts() {
    let mut desk = one_busy_agent("");
    desk.at(10, arrive(1));
    desk.at(11, arrival(2, Arrival { queue: QueueId(1), since: Time::from_secs(5), ..Arrival::default() }));
    assert_eq!(desk.acd.longest_wait(QueueId(1), Time::from_secs(12)), Some(Duration::from_secs(7)));
    assert_eq!(served(desk, 12), [2, 1]);
}

#[test]
fn only_agents_with_every_skill_at_its_level_are_rung() {
    for (has, needs, rung) in [
        ("", "", true),
        ("sales 3", "", true),
        ("sales 3", "sales 3", true),
        ("sales 3", "sales 4", false),
        ("sales 3", "law 1", false),
        ("sales 3, law 1", "law 1, sales 2", true),
        ("sales 3, law 0", "law 1", false),
        ("sales 3", "law 0", true),
    ] {
        let mut desk = Desk::new();
        desk.agent(1, has);
        desk.at(0, login(1));
        let told = desk.at(1, arrive_at(1, 1, needs, 0));
        assert_eq!(!told.is_empty(), rung, "has {has:?}, needs {needs:?}: {told}");
    }
}

#[test]
fn needs_of_queue_and_entry_both_count_at_the_higher_level() {
    for (queue, entry, has, rung) in [
        ("sales 3", "sales 5", "sales 4", false),
        ("sales 5", "sales 3", "sales 4", false),
        ("sales 3", "sv 1", "sales 3", false),
        ("sales 3", "sv 1", "sales 3, sv 1", true),
    ] {
        let mut desk = Desk::new();
        desk.queue(1, |settings| settings.needs = need(queue));
        desk.agent(1, has);
        desk.at(0, login(1));
        let told = desk.at(1, arrive_at(1, 1, entry, 0));
        assert_eq!(!told.is_empty(), rung, "{queue:?} and {entry:?}, has {has:?}");
    }
}

#[test]
fn a_caller_nobody_free_can_serve_does_not_hold_up_others() {
    let mut desk = Desk::new();
    desk.agent(1, "sales 1");
    desk.at(0, login(1));
    assert_eq!(desk.at(1, arrive_at(1, 1, "law 1", 9)), "");
    assert_eq!(desk.at(2, arrive_at(1, 2, "sales 1", 0)), "o1: e2 rings a1, a1 offered");
}

#[test]
fn an_agent_of_two_queues_takes_who_waits_longest_in_either() {
    let mut desk = one_busy_agent("sales 1, law 1");
    desk.queue(1, |queue| queue.needs = need("sales 1"));
    desk.queue(2, |queue| queue.needs = need("law 1"));
    for (at, queue, entry) in [(1, 2, 1), (2, 1, 2), (3, 2, 3), (4, 1, 4)] {
        desk.at(at, arrive_at(queue, entry, "", 0));
    }
    assert_eq!(served(desk, 10), [1, 2, 3, 4]);
}

#[test]
fn new_skills_count_at_once() {
    let mut desk = Desk::new();
    desk.agent(1, "");
    desk.at(0, login(1));
    assert_eq!(desk.at(1, arrive_at(1, 1, "law 2", 0)), "");
    let settings = AgentSettings { skills: skills("law 2"), ..AgentSettings::default() };
    assert_eq!(desk.at(2, Change::Agent { id: AgentId(1), settings }), "o1: e1 rings a1, a1 offered");
}

#[test]
fn new_queue_settings_count_for_those_who_wait() {
    let mut desk = one_busy_agent("");
    desk.queue(2, |_| {});
    desk.at(1, arrive(1));
    desk.at(2, arrive_at(2, 2, "", 0));
    desk.queue(2, |queue| queue.priority = 1);
    assert_eq!(served(desk, 10), [2, 1]);

    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| queue.needs = need("law 1"));
    assert_eq!(desk.at(1, arrive(1)), "");
    let settings = QueueSettings::default();
    assert_eq!(desk.at(2, Change::Queue { id: QueueId(1), settings }), "o1: e1 rings a1, a1 offered");
}

#[test]
fn positions_are_those_among_entries_that_share_an_agent() {
    let mut desk = Desk::new();
    desk.agent(1, "sv 1");
    desk.agent(2, "nb 1");
    for (at, entry, needs) in [(1, 1, "sv 1"), (2, 2, "nb 1"), (3, 3, "sv 1"), (4, 4, "nb 1"), (5, 5, "")] {
        desk.at(at, arrive_at(1, entry, needs, 0));
    }
    let positions = |desk: &Desk| [1, 2, 3, 4, 5].map(|entry| desk.acd.position(EntryId(entry)).expect("waits"));
    assert_eq!(positions(&desk), [1, 1, 2, 2, 5]);
    desk.agent(3, "sv 1, nb 1");
    assert_eq!(positions(&desk), [1, 2, 3, 4, 5]);
    desk.at(6, arrive_at(1, 6, "sv 1", 1));
    assert_eq!(positions(&desk), [2, 3, 4, 5, 6]);
    assert_eq!(desk.acd.entries(QueueId(1)), [6, 1, 2, 3, 4, 5].map(EntryId));
    assert_eq!(desk.acd.position(EntryId(7)), None);
}

#[test]
fn the_one_who_is_rung_for_is_first_in_line() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    desk.at(2, arrive(2));
    assert_eq!(desk.acd.position(EntryId(1)), Some(1));
    assert_eq!(desk.acd.position(EntryId(2)), Some(2));
    desk.at(3, accepted(1));
    assert_eq!(desk.acd.position(EntryId(1)), None);
    assert_eq!(desk.acd.position(EntryId(2)), Some(1));
}

#[test]
fn another_queues_entries_do_not_count_in_the_position() {
    let mut desk = one_busy_agent("");
    desk.queue(2, |_| {});
    desk.at(1, arrive(1));
    desk.at(2, arrive_at(2, 2, "", 0));
    assert_eq!(desk.acd.position(EntryId(2)), Some(1));
}

#[test]
fn needs_of_long_ago_are_forgotten() {
    let mut desk = one_busy_agent("");
    for entry in 1..=1_000 {
        desk.at(entry, arrive_at(1, entry, &format!("s{entry} 1"), 0));
        if entry > 3 {
            desk.at(entry, leave(entry - 3, Exit::LeftByKey));
        }
    }
    // And what the queue asks of everybody.
    assert_eq!(desk.acd.lines.needs_in_use(), 3 + 1);
}

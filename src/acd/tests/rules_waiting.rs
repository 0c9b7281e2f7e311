//! Entries: how they leave, and what is counted and told of them.

use super::*;

fn count(desk: &Desk, exit: Exit) -> u64 {
    desk.acd.queue_counts(QueueId(1)).expect("queue 1 exists").exits.get(&exit).copied().unwrap_or(0)
}

#[test]
fn a_caller_who_leaves_soon_has_not_abandoned_but_only_looked_in() {
    for (after, told) in [(4, "e1 short_abandoned after 4"), (5, "e1 abandoned after 5")] {
        let mut desk = Desk::new();
        desk.at(10, arrive(1));
        assert_eq!(desk.at(10 + after, leave(1, Exit::Abandoned)), told);
    }
}

#[test]
fn reasons_the_acd_does_not_see_are_told_to_it_and_the_others_are_not() {
    use Exit::*;
    for (exit, told) in [
        (LeftByKey, "e1 left_by_key after 9"),
        (Transferred, "e1 transferred after 9"),
        (SystemFault, "e1 system_fault after 9"),
        (Callback, "e1 callback after 9"),
        (Overflowed, "e1 overflowed after 9"),
        (QueueClosed, "e1 queue_closed after 9"),
        (Answered, ""),
        (ShortAbandoned, ""),
        (TimedOut, ""),
        (NoAgents, ""),
        (RefusedFull, ""),
    ] {
        let mut desk = Desk::new();
        desk.at(1, arrive(1));
        assert_eq!(desk.at(10, leave(1, exit)), told);
        assert_eq!(count(&desk, exit), u64::from(!told.is_empty()));
        assert_eq!(desk.acd.waiting(QueueId(1)), u32::from(told.is_empty()));
    }
}

#[test]
fn the_longest_wait_is_the_queues_or_the_entrys_own() {
    for (queue, own, leaves) in
        [(Some(30), None, Some(31)), (Some(30), Some(50), Some(51)), (None, Some(7), Some(8)), (None, None, None)]
    {
        let mut desk = Desk::new();
        desk.queue(1, |settings| settings.max_wait = queue.map(Duration::from_secs));
        let max_wait = own.map(Duration::from_secs);
        desk.at(1, arrival(1, Arrival { queue: QueueId(1), max_wait, ..Arrival::default() }));
        assert_eq!(desk.timeout(), leaves);
        if let Some(at) = leaves {
            assert_eq!(desk.until(at - 1), "");
            assert_eq!(desk.until(at), format!("e1 timed_out after {}", at - 1));
        }
    }
}

#[test]
fn an_offer_that_rings_at_the_longest_wait_may_still_be_accepted() {
    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| queue.max_wait = Some(Duration::from_secs(5)));
    desk.at(1, arrive(1));
    assert_eq!(desk.until(6), "");
    assert_eq!(desk.at(7, accepted(1)), "o1 accepted, e1 answered after 6, a1 talking");
}

#[test]
fn an_offer_that_ends_after_the_longest_wait_was_the_last_one() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.queue(1, |queue| queue.max_wait = Some(Duration::from_secs(5)));
    desk.at(1, arrive(1));
    assert_eq!(desk.at(7, ended(1, Outcome::Declined)), "o1 declined, a1 ready, e1 timed_out after 6");
}

#[test]
fn who_can_be_served_in_the_moment_of_the_longest_wait_is_served() {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| agent.wrap_up = Duration::from_secs(10));
    desk.at(0, login(1));
    desk.queue(1, |queue| queue.max_wait = Some(Duration::from_secs(5)));
    desk.at(1, arrive(1));
    desk.at(2, accepted(1));
    desk.at(3, talk_ended(1));
    desk.at(8, arrive(2));
    assert_eq!(desk.until(13), "a1 ready, o2: e2 rings a1, a1 offered");
}

#[test]
fn a_place_kept_beyond_the_longest_wait_gets_one_chance() {
    for (agents, told) in [(&[][..], "e1 timed_out after 40"), (&[1][..], "o1: e1 rings a1, a1 offered")] {
        let mut desk = Desk::ready(agents);
        let max_wait = Some(Duration::from_secs(30));
        let since = Time::from_secs(10);
        assert_eq!(desk.at(50, arrival(1, Arrival { queue: QueueId(1), max_wait, since, ..Arrival::default() })), told);
    }
}

#[test]
fn a_changed_longest_wait_counts_for_those_who_wait() {
    let mut desk = Desk::new();
    desk.at(1, arrive(1));
    let with = |secs| QueueSettings { max_wait: Some(Duration::from_secs(secs)), ..QueueSettings::default() };
    desk.at(10, Change::Queue { id: QueueId(1), settings: with(60) });
    assert_eq!(desk.timeout(), Some(61));
    assert_eq!(desk.at(20, Change::Queue { id: QueueId(1), settings: with(10) }), "e1 timed_out after 19");
}

#[test]
fn a_full_queue_refuses_one_more() {
    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| queue.max_waiting = 2);
    // The one who is rung for waits too.
    desk.at(1, arrive(1));
    desk.at(1, arrive(2));
    assert_eq!(desk.at(2, arrive(3)), "e3 refused_full after 0");
    desk.at(3, accepted(1));
    assert_eq!(desk.at(4, arrive(4)), "");
    assert_eq!(desk.acd.queue_counts(QueueId(1)).expect("exists").offered, 4);
}

#[test]
fn without_an_agent_logged_in_who_could_serve_them_callers_leave_where_the_queue_says_so() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| (queue.join_unless.no_agents, queue.leave_when.no_agents) = (true, true));
    desk.queue(2, |_| {});
    desk.agent(1, "sales 1");
    desk.agent(2, "law 1");
    desk.at(0, login(1));
    desk.at(0, login(2));
    desk.at(0, pause(1, "lunch"));
    desk.at(0, busy(2));
    assert_eq!(desk.at(1, arrive_at(1, 1, "sales 1", 0)), "");
    assert_eq!(desk.at(2, arrive_at(1, 2, "law 1", 0)), "");
    assert_eq!(desk.at(3, arrive_at(2, 3, "sales 1", 0)), "");
    assert_eq!(desk.at(4, logout(1)), "a1 offline, e1 no_agents after 3");
    assert_eq!(desk.at(5, arrive_at(1, 4, "sales 1", 0)), "e4 no_agents after 0");
    desk.at(6, free(2));
    assert_eq!(desk.at(7, logout(2)), "o1 unreachable, a2 offline, e2 no_agents after 5");
    assert_eq!(desk.acd.waiting(QueueId(2)), 1);
}

#[test]
fn callers_leave_also_when_the_last_who_could_serve_them_loses_the_skill() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| (queue.join_unless.no_agents, queue.leave_when.no_agents) = (true, true));
    desk.agent(1, "law 5");
    desk.at(0, login(1));
    desk.at(0, busy(1));
    desk.at(1, arrive_at(1, 1, "law 3", 0));
    let settings = AgentSettings { skills: skills("law 2"), ..AgentSettings::default() };
    assert_eq!(desk.at(2, Change::Agent { id: AgentId(1), settings }), "e1 no_agents after 1");
}

#[test]
fn a_talk_of_an_agent_without_phone_is_not_somebody_logged_in() {
    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| (queue.join_unless.no_agents, queue.leave_when.no_agents) = (true, true));
    desk.at(1, arrive(1));
    desk.at(2, accepted(1));
    desk.at(3, arrive(2));
    assert_eq!(desk.at(4, logout(1)), "e2 no_agents after 1");
}

#[test]
fn a_caller_for_an_unknown_queue_is_sent_back() {
    let mut desk = Desk::new();
    assert_eq!(desk.at(1, arrive_at(9, 1, "", 0)), "e1 system_fault after 0");
    assert_eq!(desk.acd.ignored(), 1);
}

#[test]
fn answers_within_the_level_are_counted() {
    let mut desk = Desk::ready(&[1]);
    for (entry, at, answered) in [(1, 10, 30), (2, 40, 61), (3, 70, 71)] {
        desk.agent_with(1, "", |agent| agent.ring_time = Duration::from_secs(60));
        desk.at(at, arrive(entry));
        desk.at(answered, accepted(entry));
        desk.at(answered, talk_ended(entry));
    }
    let counts = desk.acd.queue_counts(QueueId(1)).expect("exists");
    assert_eq!((count(&desk, Exit::Answered), counts.answered_in_level, counts.offered), (3, 2, 3));
}

#[test]
fn waits_are_counted_by_arrival_and_handling_with_them() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let settings = truth::Settings { interval: minutes(1), ..truth::Settings::default() };
    let mut desk = Desk { acd: Acd::with_settings(0, settings, estimate::Settings::default()) };
    desk.queue(1, |_| {});
    desk.agent_with(1, "", |agent| (agent.wrap_up, agent.ring_time) = (Duration::from_secs(10), minutes(1)));
    desk.at(0, login(1));
    desk.at(50, arrive(1));
    desk.at(70, accepted(1));
    desk.at(75, arrive(2));
    desk.at(130, talk_ended(1));
    desk.until(140);
    desk.at(150, ended(2, Outcome::Declined));
    desk.at(150, leave(2, Exit::Abandoned));
    let truth = desk.acd.truth();
    let counted: Vec<_> =
        truth.intervals(QueueId(1)).map(|interval| (interval.begin.as_secs(), interval.counts)).collect();
    let [(0, first), (60, second)] = counted[..] else { panic!("{counted:?}") };
    assert_eq!((first.answered_in_level, first.average_speed_of_answer()), (1, Some(Duration::from_secs(20))));
    assert_eq!(first.average_handling_time(), Some(Duration::from_secs(70)));
    assert_eq!(
        (second.offered, second.abandoned(), second.average_time_to_abandon()),
        (1, 1, Some(Duration::from_secs(75)))
    );
    let agent = truth.agent(AgentId(1), Time::from_secs(150), 0);
    assert_eq!((agent.calls, agent.declined, agent.offers()), (1, 1, 2));
    // Rung 20 s and 10 s, talked 60 s, wrapped up 10 s, of 150 s: 100 of 150.
    assert_eq!(agent.occupancy(), Some(100.0 / 150.0));
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut desk = Desk::ready(&[1]);
    desk.at(100, arrive(1));
    assert_eq!(desk.at(50, accepted(1)), "o1 accepted, e1 answered after 0, a1 talking");
}

#[test]
fn deadlines_passed_in_one_leap_are_acted_on_each_at_its_time() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.queue(1, |queue| queue.max_wait = Some(Duration::from_secs(100)));
    desk.at(1, arrive(1));
    assert_eq!(
        desk.until(1_000),
        "o1 no_answer, a1 paused, o2: e1 rings a2, a2 offered, o2 no_answer, a2 paused, a1 ready, \
         o3: e1 rings a1, a1 offered, o3 no_answer, a1 paused, e1 timed_out after 100, a2 ready, a1 ready"
    );
}

#[test]
fn explain_gives_one_reason_for_each_agent() {
    let mut desk = Desk::new();
    let law = "law 3";
    for (id, has) in
        [(1, ""), (2, "law 2"), (3, law), (4, law), (5, law), (6, law), (7, law), (8, law), (9, law), (10, law)]
    {
        desk.agent_with(id, has, |agent| agent.wrap_up = Duration::from_secs(300));
    }
    desk.agent(11, "golf 1");
    desk.at(0, login(4));
    desk.at(0, pause(4, "lunch"));
    desk.at(0, login(5));
    desk.at(1, arrive_at(1, 5, law, 0));
    desk.at(1, accepted(1));
    desk.at(1, talk_ended(5));
    desk.at(2, login(6));
    desk.at(2, arrive_at(1, 6, law, 0));
    desk.at(2, accepted(2));
    desk.at(3, login(7));
    desk.at(3, busy(7));
    desk.at(3, login(8));
    desk.at(4, arrive_at(1, 8, law, 0));
    desk.at(4, ended(3, Outcome::Unreachable));
    desk.at(5, login(9));
    assert_eq!(desk.at(6, ended(4, Outcome::Declined)), "o4 declined, a9 ready");
    desk.at(7, login(10));
    desk.at(7, arrive_at(1, 20, law, 0));
    use WhyNot::*;
    let until = Time::from_secs;
    let of = |desk: &Desk, entry| -> Vec<WhyNot> {
        let why = desk.acd.explain(EntryId(entry));
        assert!(why.iter().map(|(agent, _)| agent.0).eq(1..=11), "every agent once");
        why.into_iter().map(|(_, why)| why).collect()
    };
    let not_skilled = || NotSkilled { skill: "law".to_owned(), until: None };
    assert_eq!(
        of(&desk, 8),
        [
            not_skilled(),
            LevelTooLow { skill: "law".to_owned(), has: 2, needs: 3, until: None },
            Offline,
            Paused { reason: "lunch".to_owned(), until: None },
            WrapUp { until: until(301) },
            Talking { entry: EntryId(6) },
            Busy,
            BackOff { until: until(14) },
            RingingOther { entry: EntryId(20) },
            Ringing { offer: OfferId(5), deadline: until(27) },
            not_skilled(),
        ]
    );
    // The other caller hangs up, and this agent has refused this one; when somebody else rings, the last one only came
    // later.
    desk.at(8, leave(20, Exit::LeftByKey));
    assert_eq!(of(&desk, 8)[8], Refused { until: until(66) });
    desk.at(9, arrive_at(1, 21, law, 0));
    assert_eq!(of(&desk, 8)[8], RingingOther { entry: EntryId(21) });
    assert_eq!(desk.acd.explain(EntryId(20)), []);
    desk.until(14);
    assert_eq!(of(&desk, 21)[7], RankedLower);
}

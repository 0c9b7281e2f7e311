//! The life of a queue: hours, whom it takes, and where those go whom it does not keep.

use super::*;
use crate::need::Attributes;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn open(queue: u32, until: Option<u64>) -> Change {
    Change::Open { queue: QueueId(queue), until: until.map(Time::from_secs) }
}

fn close(queue: u32) -> Change {
    Change::Close { queue: QueueId(queue) }
}

fn way(to: u32, when: When) -> Overflow {
    Overflow { to: QueueId(to), when, only: Attributes::new() }
}

fn known(name: &str, value: &str) -> Attributes {
    Attributes::from([(name.to_owned(), value.to_owned())])
}

fn arrives(entry: u64, queue: u32, attributes: Attributes) -> Change {
    arrival(entry, Arrival { queue: QueueId(queue), attributes, ..Arrival::default() })
}

#[test]
fn a_closed_queue_takes_nobody_until_it_opens() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, close(1));
    assert_eq!(desk.at(2, arrive(1)), "e1 queue_closed after 0");
    desk.at(3, open(1, None));
    assert_eq!(desk.at(4, arrive(2)), "o1: e2 rings a1, a1 offered");
}

#[test]
fn a_queue_closes_by_itself_when_it_was_said_to() {
    let mut desk = Desk::new();
    desk.at(1, open(1, Some(10)));
    desk.at(9, arrive(1));
    assert_eq!(desk.at(10, arrive(2)), "e2 queue_closed after 0");
    // Nothing was said of those who wait: they are served however late.
    assert_eq!(desk.acd.waiting(QueueId(1)), 1);
    assert_eq!(desk.timeout(), None);
}

#[test]
fn the_last_call_is_some_time_before_closing() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| queue.last_call = secs(5));
    desk.at(1, open(1, Some(20)));
    assert_eq!(desk.at(14, arrive(1)), "");
    assert_eq!(desk.at(15, arrive(2)), "e2 queue_closed after 0");
}

#[test]
fn who_waits_at_closing_goes_after_the_time_for_it_but_not_while_an_agent_is_rung() {
    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| queue.after_closing = Some(secs(4)));
    desk.at(1, arrive(1));
    desk.at(2, arrive(2));
    desk.at(10, close(1));
    assert_eq!(desk.until(13), "");
    assert_eq!(desk.until(14), "e2 queue_closed after 12");
    assert_eq!(desk.at(15, ended(1, Outcome::Declined)), "o1 declined, a1 ready, e1 queue_closed after 14");
}

#[test]
fn who_waits_when_it_opens_again_stays() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| queue.after_closing = Some(secs(10)));
    desk.at(1, arrive(1));
    desk.at(2, close(1));
    desk.at(5, open(1, None));
    assert_eq!(desk.timeout(), None);
}

#[test]
fn nobody_joins_where_nobody_is_logged_in_or_all_are_paused_if_the_queue_says_so() {
    for (rules, nobody, paused) in [
        (InVain { no_agents: true, ..InVain::default() }, "e1 no_agents after 0", ""),
        (InVain { all_paused: true, ..InVain::default() }, "e1 no_agents after 0", "e2 no_agents after 0"),
        (InVain::default(), "", ""),
    ] {
        let mut desk = Desk::new();
        desk.agent(1, "");
        desk.queue(1, |queue| queue.join_unless = rules);
        assert_eq!(desk.at(1, arrive(1)), nobody);
        desk.at(2, leave(1, Exit::Transferred));
        desk.at(3, login(1));
        desk.at(4, pause(1, "lunch"));
        assert_eq!(desk.at(5, arrive(2)), paused);
    }
}

#[test]
fn who_will_need_less_does_not_wait_in_vain_while_somebody_is_there_for_that() {
    let rules = InVain { no_agents: true, ..InVain::default() };
    let relax = |after, skill| Relax { after: secs(after), need: need(skill) };
    for (join_unless, leave_when) in [(rules, InVain::default()), (InVain::default(), rules), (rules, rules)] {
        let mut desk = Desk::new();
        desk.queue(1, |queue| {
            (queue.needs, queue.relax) = (need("sales >= 8"), vec![relax(3, "sales >= 7"), relax(6, "sales")]);
            (queue.join_unless, queue.leave_when) = (join_unless, leave_when);
        });
        desk.agent(1, "sales 5");
        desk.agent(2, "sales 1");
        desk.agent(3, "sales 9");
        assert_eq!(desk.at(1, arrive(1)), "e1 no_agents after 0");
        desk.at(3, login(2));
        desk.at(3, busy(2));
        assert_eq!(desk.at(4, arrive(3)), "");
        desk.at(5, login(3));
        desk.at(5, busy(3));
        let leaves = leave_when.no_agents;
        assert_eq!(desk.at(6, logout(2)), "a2 offline", "there is one for now");
        assert_eq!(desk.at(6, logout(3)), if leaves { "a3 offline, e3 no_agents after 2" } else { "a3 offline" });
        if leaves {
            desk.at(7, login(2));
            desk.at(7, busy(2));
            desk.at(7, arrive(4));
            assert_eq!(desk.at(8, logout(2)), "a2 offline, e4 no_agents after 1", "nobody was there for now");
        }
    }
}

#[test]
fn who_waits_leaves_when_the_last_agent_pauses_if_the_queue_says_so() {
    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| queue.leave_when.all_paused = true);
    desk.at(1, busy(1));
    desk.at(2, arrive(1));
    assert_eq!(desk.at(3, pause(1, "lunch")), "e1 no_agents after 1");
    // Joining is another rule.
    assert_eq!(desk.at(4, arrive(2)), "e2 no_agents after 0", "but it is in vain to stay");
}

/// One agent with talks of a minute, a caller each minute, and three who wait: the line is known to take three minutes. The time
/// is then 1,202 s, caller 21 talks, and 22 to 24 wait.
fn slow_line(change: impl Fn(&mut QueueSettings)) -> Desk {
    let mut desk = Desk { acd: Acd::with_settings(0, truth::Settings::default(), model::queues::hasty()) };
    desk.queue(1, |_| {});
    desk.agent(1, "");
    desk.at(0, login(1));
    for entry in 1..=4 {
        desk.at(1, arrive(entry));
    }
    desk.at(2, accepted(1));
    for turn in 1..=20 {
        desk.at(60 * turn, arrive(turn + 4));
        desk.at(60 * turn + 1, talk_ended(turn));
        desk.at(60 * turn + 2, accepted(turn + 1));
    }
    let mut settings = QueueSettings::default();
    change(&mut settings);
    desk.at(1_202, Change::Queue { id: QueueId(1), settings });
    desk
}

#[test]
fn nobody_joins_a_line_that_is_known_to_take_too_long() {
    for (longest, told) in [(100, "e30 refused_full after 0"), (300, "")] {
        let mut desk = slow_line(|queue| queue.join_unless.estimate = Some(secs(longest)));
        assert_eq!(desk.at(1_210, arrive(30)), told);
    }
}

#[test]
fn an_idle_agent_is_worth_more_than_any_estimate() {
    let mut desk = slow_line(|queue| queue.join_unless.estimate = Some(secs(100)));
    // They are busy with nothing, for those who wait need somebody else.
    for entry in 22..25 {
        desk.at(1_203, leave(entry, Exit::Transferred));
    }
    let sv = |entry| arrival(entry, Arrival { queue: QueueId(1), need: need("sv"), ..Arrival::default() });
    desk.at(1_204, arrival(29, Arrival { queue: QueueId(1), need: need("no"), ..Arrival::default() }));
    desk.agent(2, "sv 1");
    desk.at(1_205, login(2));
    assert_eq!(desk.at(1_206, sv(30)), "o22: e30 rings a2, a2 offered");
}

#[test]
fn who_waits_leaves_at_the_next_look_when_it_takes_too_long() {
    // They came at 1,080, 1,140 and 1,200 s, and each is looked at every 15 s from then on.
    let mut desk = slow_line(|queue| queue.leave_when.estimate = Some(secs(100)));
    assert_eq!(desk.until(1_214), "");
    assert_eq!(desk.until(1_215), "e23 timed_out after 75, e24 timed_out after 15", "the next in line stays");
}

#[test]
fn overflow_keeps_the_time_already_waited() {
    let mut desk = Desk::new();
    desk.agent(1, "");
    desk.queue(1, |queue| queue.overflow = vec![way(2, When::After(secs(10)))]);
    desk.queue(2, |_| {});
    desk.at(1, arrive(1));
    desk.at(5, arrives(2, 2, Attributes::new()));
    assert_eq!(desk.until(11), "e1 overflowed after 10 to q2");
    assert_eq!(desk.acd.entries(QueueId(2)), [EntryId(1), EntryId(2)], "it came before");
    assert_eq!(desk.at(12, login(1)), "a1 ready, o1: e1 rings a1, a1 offered");
    assert_eq!(desk.at(13, accepted(1)), "o1 accepted, e1 answered after 12, a1 talking");
}

#[test]
fn an_entry_goes_on_at_its_time_unless_an_agent_is_rung_for_it() {
    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| queue.overflow = vec![way(2, When::After(secs(3)))]);
    desk.queue(2, |queue| queue.members_only = true);
    desk.at(1, arrive(1));
    assert_eq!(desk.until(10), "");
    assert_eq!(desk.at(11, ended(1, Outcome::Declined)), "o1 declined, a1 ready, e1 overflowed after 10 to q2");
}

#[test]
fn an_entry_never_goes_back_nor_where_it_is_not_taken() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| queue.overflow = vec![way(2, When::Full), way(3, When::Full)]);
    desk.queue(2, |queue| {
        queue.max_waiting = 0;
    });
    desk.queue(3, |queue| queue.overflow = vec![way(1, When::After(secs(1)))]);
    desk.queue(1, |queue| {
        queue.max_waiting = 0;
        queue.overflow = vec![way(2, When::Full), way(9, When::Full), way(3, When::Full)];
    });
    assert_eq!(desk.at(1, arrive(1)), "e1 overflowed after 0 to q3");
    assert_eq!(desk.until(100), "", "it was in queue 1");
    assert_eq!(desk.acd.entries(QueueId(3)), [EntryId(1)]);
}

#[test]
fn each_reason_has_its_own_way() {
    let ways = || vec![way(2, When::Closed), way(3, When::NoAgents), way(4, When::Full)];
    let mut desk = Desk::new();
    for queue in 2..=4 {
        desk.queue(queue, |_| {});
    }
    desk.queue(1, |queue| queue.overflow = ways());
    desk.at(1, close(1));
    assert_eq!(desk.at(1, arrive(1)), "e1 overflowed after 0 to q2");
    desk.at(2, open(1, None));
    desk.queue(1, |queue| {
        queue.overflow = ways();
        queue.join_unless.no_agents = true;
    });
    assert_eq!(desk.at(2, arrive(2)), "e2 overflowed after 0 to q3");
    desk.queue(1, |queue| {
        queue.overflow = ways();
        queue.max_waiting = 0;
    });
    assert_eq!(desk.at(3, arrive(3)), "e3 overflowed after 0 to q4");
}

#[test]
fn an_entry_goes_on_ten_times_and_then_stays() {
    let mut desk = Desk::new();
    for queue in 1..=20 {
        desk.queue(queue, |settings| settings.overflow = vec![way(queue + 1, When::After(secs(1)))]);
    }
    desk.at(0, arrive(1));
    let told = desk.until(100);
    assert_eq!(told.matches("overflowed").count(), OVERFLOWS_MAX, "{told}");
    assert_eq!(desk.acd.entries(QueueId(11)), [EntryId(1)]);
}

#[test]
fn who_refused_an_entry_is_spared_it_in_the_next_queue_too() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.queue(1, |queue| queue.overflow = vec![way(2, When::After(secs(5)))]);
    desk.queue(2, |_| {});
    desk.at(1, arrive(1));
    desk.at(2, busy(2));
    desk.at(3, ended(1, Outcome::Declined));
    assert_eq!(desk.until(6), "e1 overflowed after 5 to q2");
    assert_eq!(desk.until(7), "");
    assert_eq!(desk.at(8, free(2)), "a2 ready, o2: e1 rings a2, a2 offered");
}

#[test]
fn rules_say_what_is_different_for_those_of_whom_something_is_known() {
    let mut desk = Desk::new();
    desk.agent(1, "");
    desk.agent(2, "gold 1");
    desk.queue(1, |queue| {
        queue.max_wait = Some(secs(100));
        queue.overflow = vec![Overflow { only: known("tier", "none"), ..way(2, When::After(secs(1))) }];
        queue.rules = vec![
            Rule { when: known("tier", "gold"), priority: 5, needs: need("gold"), max_wait: Some(secs(50)) },
            Rule { when: known("language", "sv"), priority: 1, needs: Need::default(), max_wait: Some(secs(70)) },
        ];
    });
    desk.queue(2, |_| {});
    desk.at(1, arrives(1, 1, Attributes::new()));
    desk.at(2, arrives(2, 1, known("language", "sv")));
    let both = known("tier", "gold").into_iter().chain(known("language", "sv")).collect();
    desk.at(3, arrives(3, 1, both));
    assert_eq!(desk.acd.entries(QueueId(1)), [EntryId(3), EntryId(2), EntryId(1)]);
    assert_eq!(desk.at(4, login(1)), "a1 ready, o1: e2 rings a1, a1 offered", "who has no gold is not rung for it");
    assert_eq!(desk.at(5, login(2)), "a2 ready, o2: e3 rings a2, a2 offered");
    desk.at(6, logout(1));
    desk.at(6, logout(2));
    assert_eq!(desk.until(53), "e3 timed_out after 50", "the first rule that says so");
    assert_eq!(desk.until(72), "e2 timed_out after 70");
    assert_eq!(desk.until(101), "e1 timed_out after 100");
}

#[test]
fn who_is_turned_away_leaves_with_what_stood_in_the_way() {
    let obstacle = |desk: &mut Desk, secs, change| {
        desk.acd.apply(&AcdEvent { at: Time::from_secs(secs), change });
        let decisions: Vec<Decision> = std::iter::from_fn(|| desk.acd.poll_decision()).collect();
        let of = decisions.iter().filter_map(|decision| match decision {
            Decision::Exit { entry, obstacle, .. } => Some((entry.0, *obstacle)),
            _ => None,
        });
        of.collect::<Vec<_>>()
    };
    let mut desk = Desk::new();
    desk.agent(1, "");
    desk.queue(1, |queue| {
        queue.max_waiting = 1;
        queue.last_call = Duration::from_secs(10);
        queue.join_unless.no_agents = true;
        queue.leave_when.all_paused = true;
    });
    let nobody = Some(Obstacle::NobodyThere);
    assert_eq!(obstacle(&mut desk, 1, arrive(1)), [(1, nobody)]);
    desk.at(2, login(1));
    desk.at(2, pause(1, "lunch"));
    assert_eq!(obstacle(&mut desk, 3, arrive(2)), [(2, Some(Obstacle::AllPaused))]);
    desk.at(4, Change::Resume { agent: AgentId(1) });
    desk.at(4, busy(1));
    assert_eq!(obstacle(&mut desk, 5, arrive(3)), []);
    assert_eq!(obstacle(&mut desk, 6, arrive(4)), [(4, Some(Obstacle::Full { waiting: 1, most: 1 }))]);
    assert_eq!(obstacle(&mut desk, 7, pause(1, "lunch")), [(3, Some(Obstacle::AllPaused))]);
    desk.at(8, Change::Resume { agent: AgentId(1) });
    let closes = Time::from_secs(20);
    desk.at(9, Change::Open { queue: QueueId(1), until: Some(closes) });
    assert_eq!(obstacle(&mut desk, 10, arrive(5)), [(5, Some(Obstacle::LastCall { closes }))]);
    assert_eq!(obstacle(&mut desk, 20, arrive(6)), [(6, Some(Obstacle::Closed))]);
    // What an agent had to do with it is asked as if it came now.
    let arrival = Arrival { queue: QueueId(1), ..Arrival::default() };
    let reasons = desk.acd.explain_turned_away(EntryId(7), &arrival);
    assert_eq!(reasons, [(AgentId(1), WhyNot::Busy)]);
    assert_eq!(desk.acd.explain_turned_away(EntryId(7), &Arrival { queue: QueueId(9), ..arrival }), []);
}

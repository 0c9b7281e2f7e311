//! Queues and agents that the settings have no more.

use super::*;

fn queue_gone(queue: u32) -> Change {
    Change::QueueGone { queue: QueueId(queue) }
}

fn agent_gone(agent: u32) -> Change {
    Change::AgentGone { agent: AgentId(agent) }
}

#[test]
fn who_waits_in_a_queue_that_goes_leaves_as_when_it_is_closed() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    desk.at(2, arrive(2));
    assert_eq!(
        desk.at(9, queue_gone(1)),
        "o1 caller_gone, e1 queue_closed after 8, a1 ready, e2 queue_closed after 7",
        "also who is rung for"
    );
    assert_eq!((desk.acd.queues().count(), desk.acd.queue_counts(QueueId(1)).is_none()), (0, true));
    assert_eq!(desk.at(10, arrive(3)), "e3 system_fault after 0", "nobody joins it");
    assert_eq!(desk.at(11, queue_gone(1)), "");
    assert_eq!(desk.acd.ignored(), 2, "it is gone already");
}

#[test]
fn who_waits_in_a_queue_that_goes_goes_on_where_its_overflow_says() {
    let mut desk = Desk::new();
    desk.agent(1, "");
    desk.queue(2, |queue| queue.name = "helpers".into());
    desk.queue(1, |queue| {
        queue.overflow = vec![Overflow { to: QueueId(2), when: When::Closed, only: Default::default() }];
    });
    desk.at(1, arrive(1));
    assert_eq!(desk.at(9, queue_gone(1)), "e1 overflowed after 8 to q2");
    assert_eq!(desk.at(10, login(1)), "a1 ready, o1: e1 rings a1, a1 offered");
    // And nobody goes on to one that is gone.
    desk.queue(1, |queue| {
        queue.overflow = vec![Overflow { to: QueueId(2), when: When::Closed, only: Default::default() }];
    });
    desk.at(11, leave(1, Exit::Abandoned));
    desk.at(12, logout(1));
    desk.at(13, queue_gone(2));
    desk.at(14, arrive(2));
    assert_eq!(desk.at(15, Change::Close { queue: QueueId(1) }), "");
    assert_eq!(desk.at(16, arrive(3)), "e3 queue_closed after 0");
}

#[test]
fn figures_of_a_queue_and_its_name_stay_for_when_it_comes_back() {
    let mut desk = Desk::new();
    desk.at(1, arrive(1));
    desk.at(9, queue_gone(1));
    assert_eq!(desk.acd.gone_queues().collect::<Vec<_>>(), [(QueueId(1), "q1")]);
    desk.queue(1, |_| {});
    assert_eq!(desk.acd.gone_queues().count(), 0);
    let counts = desk.acd.queue_counts(QueueId(1)).expect("it is there");
    assert_eq!((counts.offered, counts.exits.get(&Exit::QueueClosed)), (1, Some(&1)));
    desk.at(20, arrive(2));
    assert_eq!(desk.acd.waiting(QueueId(1)), 1);
}

#[test]
fn an_agent_who_goes_is_rung_no_more_and_explained_no_more() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(1, arrive(1));
    assert_eq!(desk.at(2, agent_gone(1)), "o1 unreachable, a1 offline, o2: e1 rings a2, a2 offered");
    let explained: Vec<u32> = desk.acd.explain(EntryId(1)).iter().map(|(agent, _)| agent.0).collect();
    assert_eq!(explained, [2]);
    assert_eq!(desk.acd.agents_by_state().iter().map(|(_, count)| count).sum::<u32>(), 1);
    for change in [login(1), pause(1, "lunch"), agent_gone(1)] {
        let ignored = desk.acd.ignored();
        assert_eq!(desk.at(3, change), "");
        assert_eq!(desk.acd.ignored(), ignored + 1);
    }
}

#[test]
fn the_talk_of_an_agent_who_goes_has_broken() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrival(1, Arrival { queue: QueueId(1), caller: "anna".into(), ..Arrival::default() }));
    desk.at(2, accepted(1));
    assert_eq!(desk.at(9, agent_gone(1)), "a1 ready, a1 offline");
    assert_eq!(desk.acd.tables().iter().map(|(_, size)| size).sum::<usize>(), 0, "{:?}", desk.acd.tables());
    assert_eq!(desk.timeout(), None);
    assert_eq!(desk.acd.last_agent("anna", Duration::from_secs(60), Time::from_secs(9)), Some(AgentId(1)));
    assert_eq!(desk.at(10, talk_ended(1)), "", "it is over already");
}

#[test]
fn an_agent_who_comes_back_is_known_by_name_and_not_paused() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, pause(1, "lunch"));
    desk.at(2, agent_gone(1));
    assert_eq!(desk.acd.gone_agents().collect::<Vec<_>>(), [(AgentId(1), "a1")]);
    desk.agent(1, "");
    assert_eq!(desk.acd.gone_agents().count(), 0);
    assert_eq!(desk.at(4, login(1)), "a1 ready");
    let figures = desk.acd.truth().agent(AgentId(1), Time::from_secs(5), 0);
    assert_eq!(figures.spent(Phase::Paused), Duration::from_secs(1), "the figures of the day stay");
}

/// With a need that only they met: what they could do is forgotten with them.
#[test]
fn places_in_line_are_as_if_who_is_gone_had_never_been() {
    let mut desk = Desk::new();
    desk.agent(1, "sales 1, support 1");
    desk.agent(2, "sales 1");
    desk.at(1, arrive_at(1, 1, "support 1", 0));
    desk.at(2, arrive_at(1, 2, "sales 1", 0));
    assert_eq!(desk.acd.position(EntryId(2)), Some(2), "agent 1 could serve both");
    desk.at(3, agent_gone(1));
    assert_eq!(desk.acd.position(EntryId(2)), Some(1));
}

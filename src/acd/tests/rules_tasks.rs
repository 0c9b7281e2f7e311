//! Tasks: known from their arrival until they are done, and counted apart from callers.

use super::*;
use crate::need::Attributes;

fn task(queue: u32, entry: u64) -> Change {
    let attributes = Attributes::from_iter([("topic".to_owned(), format!("t{entry}"))]);
    let reference = format!("mail {entry}");
    arrival(
        entry,
        Arrival {
            queue: QueueId(queue),
            kind: Kind::Task,
            reference,
            attributes,
            since: Time::EPOCH,
            ..Arrival::default()
        },
    )
}

/// Each with its queue, where it was filed, its reference and where it stands.
fn known(acd: &Acd) -> Vec<(u64, u32, u32, String, TaskStands)> {
    let tasks = acd.tasks().inspect(|task| assert_eq!(task.attributes.get("topic"), Some(&format!("t{}", task.id.0))));
    tasks.map(|task| (task.id.0, task.queue.0, task.filed_in.0, task.reference.to_owned(), task.stands)).collect()
}

#[test]
fn a_task_is_known_with_what_it_is_about_until_it_is_done() {
    let mut desk = Desk::new();
    desk.queue(2, |_| {});
    desk.queue(1, |queue| {
        let when = When::After(Duration::from_secs(5));
        queue.overflow = vec![Overflow { to: QueueId(2), when, only: Attributes::new() }];
    });
    desk.agent(1, "");
    desk.at(1, task(1, 7));
    desk.at(2, task(2, 8));
    desk.at(3, arrive(9));
    let line = |position| TaskStands::InLine { position };
    let waiting = |id: u64, queue, filed_in, stands| (id, queue, filed_in, format!("mail {id}"), stands);
    assert_eq!(known(&desk.acd), [waiting(7, 1, 1, line(1)), waiting(8, 2, 2, line(1))]);
    desk.until(8);
    assert_eq!(known(&desk.acd), [waiting(7, 2, 1, line(1)), waiting(8, 2, 2, line(2))], "7 has gone on, and 9");
    assert_eq!(desk.at(9, login(1)), "a1 ready, o1: e7 rings a1, a1 offered");
    let deadline = Time::from_secs(9) + AgentSettings::default().ring_time;
    let offered = TaskStands::Offered(vec![(AgentId(1), deadline)]);
    assert_eq!(known(&desk.acd)[0], waiting(7, 2, 1, offered));
    desk.at(10, accepted(1));
    let in_hand = TaskStands::InHand { agent: AgentId(1), since: Time::from_secs(10) };
    assert_eq!(known(&desk.acd), [waiting(8, 2, 2, line(1)), waiting(7, 2, 1, in_hand.clone())]);

    let text = serde_json::to_string(&desk.acd.snapshot()).expect("it can be kept");
    let again = Acd::restore(serde_json::from_str(&text).expect("written just now")).expect("it was just so");
    assert_eq!(known(&again), known(&desk.acd));
    assert_eq!(again.task(EntryId(7)).expect("it is known").stands, in_hand);
    assert!(again.task(EntryId(9)).is_none() && again.task(EntryId(77)).is_none(), "a caller is no task");

    desk.at(12, leave(9, Exit::Abandoned));
    desk.at(12, leave(8, Exit::LeftByKey));
    assert_eq!(desk.at(12, leave(7, Exit::LeftByKey)), "", "who works on it says that it is done");
    desk.at(13, talk_ended(7));
    assert_eq!(known(&desk.acd), []);
    assert!(desk.acd.tables().iter().all(|(_, size)| *size == 0), "{:?}", desk.acd.tables());
}

#[test]
fn tasks_are_counted_apart_from_callers_and_spoil_no_figure_of_theirs() {
    let mut desk = Desk::ready(&[1]);
    desk.agent_with(1, "", |agent| agent.wrap_up = Duration::from_secs(30));
    desk.at(1, arrive(1));
    desk.at(3, accepted(1));
    desk.at(4, task(1, 2));
    desk.at(63, talk_ended(1));
    assert_eq!(desk.until(93), "a1 ready, o2: e2 rings a1, a1 offered");
    desk.at(100, accepted(2));
    desk.at(110, arrive(3));
    desk.at(111, accepted(3));
    // The notes that follow are of the call.
    desk.at(120, talk_ended(3));
    desk.at(130, talk_ended(2));
    desk.until(150);
    let (calls, tasks) = (desk.acd.truth().total(QueueId(1)), desk.acd.truth_of_tasks().total(QueueId(1)));
    assert_eq!((calls.offered, calls.answered(), calls.handled), (2, 2, 2));
    assert_eq!((calls.talk_micros, calls.wrap_up_micros), ((60 + 9) * 1_000_000, 60 * 1_000_000));
    assert_eq!(calls.answered_wait_micros, (2 + 1) * 1_000_000);
    assert_eq!((tasks.offered, tasks.answered(), tasks.handled, tasks.in_hand), (1, 1, 1, 0));
    assert_eq!((tasks.answered_wait_micros, tasks.talk_micros), (100 * 1_000_000, 30 * 1_000_000));
    assert_eq!(desk.acd.queue_counts(QueueId(1)).expect("it exists").offered, 2);
    assert_eq!(desk.acd.truth().agent(AgentId(1), Time::from_secs(150), 0).calls, 2);
}

/// Agent 1 may have two tasks, gets no calls meanwhile and has task 100 in hand since 1.
fn busy_with_one() -> Desk {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| (agent.tasks, agent.calls_during_tasks) = (2, false));
    desk.at(0, login(1));
    desk.at(1, task(1, 100));
    desk.at(1, accepted(1));
    desk
}

#[test]
fn who_gets_no_calls_during_tasks_gets_no_further_task_before_a_call_that_waits_for_them() {
    let mut desk = busy_with_one();
    assert_eq!(desk.at(2, arrive_at(1, 1, "", 3)), "");
    assert_eq!(desk.acd.explain(EntryId(1))[0].1, WhyNot::NoCallsDuringTasks { tasks: 1 });
    assert_eq!(desk.at(3, task(1, 101)), "");
    assert_eq!(desk.acd.explain(EntryId(101))[0].1, WhyNot::BehindCall { entry: EntryId(1) });
    assert_eq!(desk.at(4, talk_ended(100)), "a1 ready, o2: e1 rings a1, a1 offered");
    desk.at(5, accepted(2));
    assert_eq!(desk.at(6, talk_ended(1)), "a1 ready, o3: e101 rings a1, a1 offered");
}

#[test]
fn a_task_that_comes_before_the_call_is_offered_beside_the_others() {
    let mut desk = busy_with_one();
    assert_eq!(desk.at(2, arrive(1)), "");
    let mut first = |entry, priority| match task(1, entry) {
        Change::Arrive { entry, mut arrival } => {
            (arrival.priority, arrival.since) = (priority, Time::from_secs(3));
            desk.at(3, Change::Arrive { entry, arrival })
        }
        _ => unreachable!("it is one"),
    };
    assert_eq!(first(101, 0), "", "behind it");
    assert_eq!(first(102, 1), "o2: e102 rings a1, a1 offered");
}

#[test]
fn a_task_goes_on_as_soon_as_no_call_before_it_waits_for_its_agent() {
    let held = || {
        let mut desk = busy_with_one();
        desk.at(2, arrive_at(1, 1, "", 3));
        assert_eq!(desk.at(3, task(1, 101)), "");
        desk
    };
    let mut desk = held();
    assert_eq!(desk.at(4, leave(1, Exit::Abandoned)), "e1 short_abandoned after 2, o2: e101 rings a1, a1 offered");
    let mut desk = held();
    let lower = Change::Priority { entry: EntryId(1), priority: -1 };
    assert_eq!(desk.at(4, lower), "o2: e101 rings a1, a1 offered");
    let mut desk = held();
    desk.agent(2, "");
    let told = desk.at(4, login(2));
    assert_eq!(told, "a2 ready, o2: e1 rings a2, a2 offered, o3: e101 rings a1, a1 offered", "another has it");
    let mut desk = held();
    desk.queue(1, |queue| queue.needs = need("sales"));
    assert!(matches!(desk.acd.explain(EntryId(1))[0].1, WhyNot::NotSkilled { .. }), "nor can they serve the task");
    desk.agent_with(1, "", |agent| agent.tasks = 2);
    desk.queue(1, |_| {});
    assert_eq!(desk.state(1).label(), "offered", "they get calls meanwhile from now on");
}

#[test]
fn a_call_they_refused_or_that_is_kept_for_another_keeps_no_task_from_them() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| queue.retry_same_agent = Duration::from_secs(300));
    desk.agent_with(1, "", |agent| (agent.tasks, agent.calls_during_tasks) = (2, false));
    desk.at(0, login(1));
    desk.at(1, arrive_at(1, 1, "", 3));
    desk.at(2, task(1, 100));
    assert_eq!(desk.at(3, ended(1, Outcome::Declined)), "o1 declined, a1 ready, o2: e100 rings a1, a1 offered");
    desk.at(4, accepted(2));
    assert_eq!(desk.at(5, task(1, 101)), "o3: e101 rings a1, a1 offered", "just refused");
    assert_eq!(desk.at(6, ended(3, Outcome::Unreachable)).split(',').next(), Some("o3 unreachable"));

    let mut desk = busy_with_one();
    desk.agent(2, "");
    let wait = Duration::from_secs(300);
    let kept = |for_whom: u32| vec![Prefer { who: Who::Agent(AgentId(for_whom)), wait }];
    desk.at(2, login(2));
    desk.at(2, busy(2));
    desk.at(3, arrival(1, Arrival { queue: QueueId(1), priority: 3, prefer: kept(2), ..Arrival::default() }));
    assert_eq!(desk.at(4, task(1, 101)), "o2: e101 rings a1, a1 offered", "kept for a2");
    desk.at(5, accepted(2));
    desk.at(6, talk_ended(100));
    desk.at(7, arrival(2, Arrival { queue: QueueId(1), priority: 3, prefer: kept(1), ..Arrival::default() }));
    assert_eq!(desk.at(8, task(1, 102)), "", "kept for a1");
    assert_eq!(desk.at(9, talk_ended(101)), "a1 ready, o3: e2 rings a1, a1 offered");
}

#[test]
fn what_became_of_offers_of_tasks_is_counted_apart_from_calls() {
    let mut desk = Desk::ready(&[]);
    desk.agent_with(1, "", |agent| (agent.tasks, agent.rona_pause) = (5, Duration::from_secs(1)));
    desk.at(1, login(1));
    desk.at(2, task(1, 1));
    desk.at(3, accepted(1));
    desk.at(4, task(1, 2));
    desk.at(5, ended(2, Outcome::Declined));
    desk.at(5, leave(2, Exit::LeftByKey));
    desk.at(6, task(1, 3));
    desk.until(27);
    desk.at(27, leave(3, Exit::LeftByKey));
    desk.at(28, arrive(4));
    desk.at(29, ended(4, Outcome::Declined));
    let figures = |truth: &Truth| {
        let of = truth.agent(AgentId(1), Time::from_secs(40), 0);
        (of.calls, of.declined, of.no_answer, of.offers())
    };
    assert_eq!(figures(desk.acd.truth()), (0, 1, 0, 1));
    assert_eq!(figures(desk.acd.truth_of_tasks()), (1, 1, 1, 3));
}

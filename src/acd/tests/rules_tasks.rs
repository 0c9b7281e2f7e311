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

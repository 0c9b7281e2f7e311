//! Tasks: what other systems have filed, from the filing until it is done. Their records are [`Contact`]s as those of calls are.

use super::contact::{Contact, Offer, Wait, milliseconds, push};
use super::event::EndedBy;
use crate::acd::{Exit, Outcome};
use crate::ids::{CallId, EntryId, OfferId};
use crate::need::Attributes;
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// In place of a trunk's name in the record of a task.
pub const BY_TASK: &str = "task";

/// What happened to a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum TaskNews {
    /// Another system has filed it: it waits.
    Filed(About),
    /// It was there before this run of the program began. `by`: who works on it, and since when.
    Known { about: About, by: Option<(Arc<str>, Time)> },
    /// This agent may accept it.
    Offered { offer: OfferId, agent: Arc<str> },
    /// Said once for each `Offered`.
    OfferEnded { offer: OfferId, agent: Arc<str>, outcome: Outcome },
    /// It has left the line. `to`: it waits there from now on.
    Left { exit: Exit, waited: Duration, in_service_level: bool, to: Option<Arc<str>> },
    /// Who worked on it is no agent any more; nobody knows whether it was done.
    Dropped { agent: Arc<str> },
    /// Who accepted it has done it.
    Done { agent: Arc<str>, worked: Duration },
}

/// What is known of a task since it was filed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What it is called where it came from.
    pub reference: String,
    pub attributes: Attributes,
    pub priority: i32,
    /// When its waiting began.
    pub since: Time,
}

/// What the record of a task has beside waits and offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub reference: String,
    pub attributes: Attributes,
    /// `None`: nobody has accepted it.
    pub work: Option<Work>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    pub agent: Arc<str>,
    /// When it was accepted.
    pub at: Time,
    /// 0 until it is done.
    pub worked_ms: u64,
}

/// A task as a wallboard shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Where it waits, or was accepted from.
    pub queue: Arc<str>,
    pub about: About,
    /// Those who may accept it now.
    pub offered_to: Vec<Arc<str>>,
    /// Who works on it, and since when; `None`: it waits.
    pub by: Option<(Arc<str>, Time)>,
}

impl Standing {
    pub fn new(queue: Arc<str>, about: About, by: Option<(Arc<str>, Time)>) -> Standing {
        Standing { queue, about, offered_to: Vec::new(), by }
    }

    pub fn apply(&mut self, at: Time, news: &TaskNews) {
        match news {
            TaskNews::Offered { agent, .. } => self.offered_to.push(agent.clone()),
            TaskNews::OfferEnded { agent, outcome, .. } => {
                self.offered_to.retain(|other| other != agent);
                if *outcome == Outcome::Accepted {
                    self.by = Some((agent.clone(), at));
                }
            }
            TaskNews::Left { to: Some(to), .. } => self.queue = to.clone(),
            TaskNews::Left { .. }
            | TaskNews::Filed(_)
            | TaskNews::Known { .. }
            | TaskNews::Done { .. }
            | TaskNews::Dropped { .. } => {}
        }
    }

    /// The record that it begins with where the beginning was lost.
    pub(super) fn contact(&self, id: CallId) -> Contact {
        let mut contact = Contact::of_task(id, &self.queue, &self.about);
        if let Some((agent, since)) = &self.by {
            contact.accepted(agent, *since);
        }
        contact
    }
}

impl TaskNews {
    /// Nothing more will happen to it.
    pub fn is_end(&self) -> bool {
        match self {
            TaskNews::Left { exit, to, .. } => *exit != Exit::Answered && to.is_none(),
            TaskNews::Done { .. } | TaskNews::Dropped { .. } => true,
            TaskNews::Filed(_) | TaskNews::Known { .. } | TaskNews::Offered { .. } | TaskNews::OfferEnded { .. } => {
                false
            }
        }
    }
}

impl Contact {
    /// Of a task that was filed into this queue.
    pub(super) fn of_task(id: CallId, queue: &Arc<str>, about: &About) -> Contact {
        let task = Task { reference: about.reference.clone(), attributes: about.attributes.clone(), work: None };
        let mut contact = Contact::new(id, about.since, String::new(), queue.to_string(), BY_TASK.into());
        contact.segments.clear();
        contact.task = Some(Box::new(task));
        contact.joins(EntryId(id.0), queue, about.priority, about.since);
        contact
    }

    pub(super) fn apply_task(&mut self, at: Time, entry: EntryId, queue: &Arc<str>, news: &TaskNews) {
        let full = match news {
            TaskNews::Filed(_) | TaskNews::Known { by: None, .. } => false,
            TaskNews::Known { by: Some((agent, since)), .. } => {
                self.accepted(agent, *since);
                false
            }
            TaskNews::Offered { offer, agent } => {
                let (queue, agent) = (queue.clone(), agent.clone());
                push(&mut self.offers, Offer { offer: *offer, entry, queue, agent, at, rang_ms: 0, outcome: None })
            }
            TaskNews::OfferEnded { offer, agent, outcome } => {
                if let Some(open) = self.offers.iter_mut().rfind(|open| open.offer == *offer) {
                    open.rang_ms = milliseconds(at.since(open.at));
                    open.outcome = Some(*outcome);
                }
                if *outcome == Outcome::Accepted {
                    self.accepted(agent, at);
                }
                false
            }
            TaskNews::Left { exit, waited, in_service_level, to } => {
                let priority = self.waits.last().map_or(0, |wait| wait.priority);
                if let Some(wait) = self.waits.last_mut() {
                    wait.ends(at, *waited);
                    wait.exit = Some(*exit);
                    wait.in_service_level = *in_service_level;
                }
                self.ended_by = if *exit == Exit::LeftByKey { EndedBy::Caller } else { EndedBy::System };
                self.cause = if *exit == Exit::LeftByKey { "withdrawn" } else { "left the line" }.to_owned();
                to.as_ref().is_some_and(|to| self.joins(entry, to, priority, at))
            }
            TaskNews::Dropped { .. } => {
                let since = self.task.as_ref().and_then(|task| Some(task.work.as_ref()?.at));
                self.works_no_more(since.map_or(0, |since| milliseconds(at.since(since))));
                self.ended_by = EndedBy::System;
                self.cause = "who worked on it is no agent any more".to_owned();
                false
            }
            TaskNews::Done { worked, .. } => {
                self.works_no_more(milliseconds(*worked));
                (self.ended_by, self.cause) = (EndedBy::Agent, "done".to_owned());
                false
            }
        };
        self.truncated |= full;
    }

    fn joins(&mut self, entry: EntryId, queue: &Arc<str>, priority: i32, since: Time) -> bool {
        let queue = queue.clone();
        let wait = Wait {
            entry,
            queue,
            priority,
            since,
            waited_ms: 0,
            before_ms: 0,
            exit: None,
            in_service_level: false,
            told: Vec::new(),
        };
        push(&mut self.waits, wait)
    }

    fn accepted(&mut self, agent: &Arc<str>, at: Time) {
        if let Some(task) = &mut self.task {
            task.work.get_or_insert(Work { agent: agent.clone(), at, worked_ms: 0 });
        }
    }

    pub(super) fn works_no_more(&mut self, worked_ms: u64) {
        if let Some(work) = self.task.as_mut().and_then(|task| task.work.as_mut()) {
            work.worked_ms = worked_ms;
        }
    }

    /// It was not done when the service stopped, and nothing knows it any more.
    pub fn lose_task(&mut self) {
        self.interrupt(self.ended);
        self.cause = "it was not done when the service stopped, and the journal does not know it".to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Board, CallEvent, Recorder, What};

    fn at(second: u64, task: u64, news: TaskNews) -> CallEvent {
        let what = What::Task { task: CallId(task), entry: EntryId(task), queue: "mail".into(), news };
        CallEvent { at: Time::from_secs(second), what }
    }

    fn about() -> About {
        let attributes = Attributes::from([("topic".to_owned(), "invoice".to_owned())]);
        About { reference: "ticket 17".into(), attributes, priority: 3, since: Time::from_secs(5) }
    }

    fn accepted(second: u64, task: u64) -> CallEvent {
        let (offer, agent, outcome) = (OfferId(1), "anna".into(), Outcome::Accepted);
        at(second, task, TaskNews::OfferEnded { offer, agent, outcome })
    }

    fn done(second: u64, task: u64, worked: u64) -> CallEvent {
        at(second, task, TaskNews::Done { agent: "anna".into(), worked: Duration::from_secs(worked) })
    }

    #[test]
    fn a_record_goes_over_several_runs_and_a_board_has_the_task_until_it_is_done() {
        let (mut recorder, mut board) = (Recorder::default(), Board::default());
        for event in [at(10, 7, TaskNews::Filed(about())), accepted(20, 7)] {
            board.apply(&event);
            assert_eq!(recorder.apply(&event), None);
        }
        assert_eq!(board.tasks()[&CallId(7)].by, Some(("anna".into(), Time::from_secs(20))));
        assert_eq!(recorder.open(), 0, "no call is up");
        let kept = recorder.get(CallId(7)).expect("it is open").clone();

        let mut recorder = Recorder::knowing(vec![kept]);
        let known = TaskNews::Known { about: about(), by: Some(("anna".into(), Time::from_secs(20))) };
        let mut board = Board::default();
        board.apply(&at(100, 7, known.clone()));
        assert_eq!(recorder.apply(&at(100, 7, known)), None);
        board.apply(&done(110, 7, 90));
        let record = recorder.apply(&done(110, 7, 90)).expect("it is done");
        assert!(board.tasks().is_empty() && !record.truncated);
        assert_eq!((record.started, record.ended, record.waits.len()), (Time::from_secs(5), Time::from_secs(110), 1));
        let work = record.task.expect("it is of a task").work.expect("she worked on it");
        assert_eq!((work.at, work.worked_ms), (Time::from_secs(20), 90_000));
    }

    #[test]
    fn what_was_lost_is_made_good_and_records_without_a_task_are_closed() {
        let (mut recorder, mut board) = (Recorder::default(), Board::default());
        recorder.apply(&at(10, 1, TaskNews::Filed(about())));
        // This was lost.
        for event in [at(10, 2, TaskNews::Filed(about())), accepted(20, 2)] {
            board.apply(&event);
        }
        let over = recorder.make_good(&board);
        assert_eq!(over.iter().map(|record| (record.id, record.truncated)).collect::<Vec<_>>(), [(CallId(1), true)]);
        let record = recorder.apply(&done(30, 2, 10)).expect("its beginning was made good");
        assert!(record.truncated && record.served_by() == Some("anna"));

        let mut recorder = Recorder::default();
        recorder.apply(&at(10, 3, TaskNews::Filed(about())));
        recorder.apply(&accepted(20, 3));
        let mut lost = recorder.get(CallId(3)).expect("it is open").clone();
        lost.lose_task();
        assert!(lost.ended_by == EndedBy::SystemFault && lost.cause.contains("journal"), "{}", lost.cause);
    }
}

//! What holds of tasks: each joins and leaves once, is offered to one agent at a time, and has one record in which all of it is.

use super::{Broken, Checker, Promise, Waiting, known};
use crate::acd::{Acd, Exit, Outcome, TaskStands};
use crate::ids::EntryId;
use crate::record::{CallEvent, TaskNews, What};
use crate::time::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Checker {
    /// # Errors
    ///
    /// The event breaks a promise.
    pub(super) fn task(&mut self, event: &CallEvent) -> Result<(), Broken> {
        let What::Task { entry, queue, news, .. } = &event.what else { return Ok(()) };
        match news {
            TaskNews::Filed(_) => self.task_joins(event.at, *entry, queue)?,
            TaskNews::Known { .. } => {}
            TaskNews::Offered { offer, agent } => {
                let a = known(&mut self.agents, agent)?;
                self.touched_agents.insert(a.id);
                self.touched_entries.insert(*entry);
                let free = a.offer.is_none() && a.talk.is_none();
                Promise::OneOfferPerAgent.holds(free, || format!("{agent} got {offer}, and has {:?}", a.offer))?;
                a.offer = Some(*offer);
                let waiting = self.waiting.get_mut(entry).filter(|waiting| !waiting.accepted);
                let Some(waiting) = waiting else {
                    return Promise::OneOfferPerEntry.broken(format!("{offer} for {entry}, which does not wait"));
                };
                waiting.ringing.insert(*offer);
            }
            TaskNews::OfferEnded { offer, agent, outcome } => {
                let a = known(&mut self.agents, agent)?;
                self.touched_agents.insert(a.id);
                self.touched_entries.insert(*entry);
                let stood = self.waiting.get_mut(entry).is_some_and(|waiting| {
                    waiting.accepted |= *outcome == Outcome::Accepted;
                    waiting.ringing.remove(offer)
                });
                let stood = a.offer.take() == Some(*offer) && stood;
                Promise::OffersEndOnce.holds(stood, || format!("{offer} for {entry} to {agent} did not stand"))?;
            }
            TaskNews::Left { exit, to, .. } => {
                let Some(gone) = self.waiting.remove(entry).filter(|waiting| waiting.queue == *queue) else {
                    return Promise::EntriesJoinAndLeaveOnce.broken(format!("{entry} left {queue}, but was not there"));
                };
                let answered = *exit == Exit::Answered;
                Promise::AnsweredIsAccepted
                    .holds(gone.accepted == answered, || format!("{entry} left by {exit:?}, {}", gone.accepted))?;
                Promise::OffersEndOnce
                    .holds(gone.ringing.is_empty(), || format!("{entry} left while {:?} stand", gone.ringing))?;
                match to {
                    Some(to) => self.task_joins(event.at, *entry, to)?,
                    None => drop(self.left.insert(*entry)),
                }
                if answered {
                    self.in_hand.insert(*entry);
                }
            }
            TaskNews::Done { agent, .. } | TaskNews::Dropped { agent } => {
                let was = self.in_hand.remove(entry);
                Promise::EntriesJoinAndLeaveOnce.holds(was, || format!("{agent} has done {entry}, but had it not"))?;
            }
        }
        let record = self.recorder.apply(event);
        Promise::OneRecordPerCall
            .holds(record.is_some() == news.is_end(), || format!("{entry}: {news:?}, and {record:?}"))?;
        let Some(record) = record else { return Ok(()) };
        let is_whole = record.waits.iter().all(|wait| wait.exit.is_some())
            && record.offers.iter().all(|offer| offer.outcome.is_some())
            && record.task.as_ref().is_some_and(|task| {
                task.work.is_some() == (record.last_wait().and_then(|wait| wait.exit) == Some(Exit::Answered))
            });
        Promise::RecordsAddUp.holds(is_whole && !record.truncated, || format!("{record:?}"))
    }

    fn task_joins(&mut self, at: Time, entry: EntryId, queue: &Arc<str>) -> Result<(), Broken> {
        let waiting = Waiting { queue: queue.clone(), ringing: BTreeSet::new(), rung: at, accepted: false };
        self.touched_entries.insert(entry);
        let new = self.waiting.insert(entry, waiting).is_none() && !self.left.contains(&entry);
        Promise::EntriesJoinAndLeaveOnce.holds(new, || format!("{entry} joined twice"))
    }

    /// Those that are worked on are those of which it was told.
    pub(super) fn tasks_settled(&self, acd: &Acd) -> Result<(), Broken> {
        let in_hand = acd.tasks().filter(|task| matches!(task.stands, TaskStands::InHand { .. }));
        let in_hand: BTreeSet<EntryId> = in_hand.map(|task| task.id).collect();
        let same = in_hand == self.in_hand && self.board.tasks().len() == acd.tasks().count();
        Promise::StatesAgree.holds(same, || format!("{in_hand:?} are worked on, told {:?}", self.in_hand))
    }
}

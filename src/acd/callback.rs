//! Promises to call back: somebody hangs up, keeps the place in line, and is called when it is their turn.
//!
//! ```text
//!            arrives                accepted                 Reached
//!   ───────▶ in line ──────▶ rings ─────────▶ is dialled ─────────────▶ kept
//!             ▲    │ TimedOut                   │ TalkEnded
//!             │    └───────▶ broken             │
//!             └── asleep for `callback_retry` ◀─┤
//!                                               └ tries are used up ──▶ not reached
//! ```
//!
//! Nobody is on the line, so nothing but its own time ends a promise that waits: no limit of the queue for those who wait, no
//! missing agent, no overflow. While its queue is closed it sleeps: it is offered to nobody, and goes on where it was when the
//! queue opens. For each number there is at most one, and whoever calls themselves before it is kept takes its place over.

use super::admission::Obstacle;
use super::entry::{Entry, Stands};
use super::event::{Arrival, Decision, Exit, Kind};
use super::queue::{Hours, Queue};
use super::truth::Broken;
use super::{Acd, Ignored};
use crate::ids::{EntryId, QueueId};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};

/// Whom an agent calls who has the entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callback {
    /// The number that is dialled.
    pub number: String,
    /// What is shown there; nothing to the distributor.
    pub shows: String,
    /// It is offered to nobody before; who asks for it may have to hang up first.
    pub not_before: Time,
    /// Times that it was dialled in vain. This and what follows the distributor knows by itself: whatever arrives says nothing.
    pub tries: u32,
    pub promised: Time,
    /// When it is too late.
    pub until: Time,
}

/// A promise that an agent has taken on, while nobody knows whether the number answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dialled {
    pub arrival: Arrival,
    /// Who is to be called has called.
    pub withdrawn: bool,
}

impl Acd {
    /// Somebody is to be called back.
    pub(super) fn promise(&mut self, id: EntryId, mut arrival: Arrival) {
        let now = self.now;
        arrival.kind = Kind::Call;
        let callback_within = self.queues[&arrival.queue].settings.callback_within;
        let callback = arrival.callback.as_deref_mut().expect("it is one");
        let number = callback.number.clone();
        (callback.tries, callback.promised, callback.until) = (0, now, now + callback_within);
        callback.not_before = callback.not_before.max(now);
        let obstacle = self.callback_obstacle(arrival.queue, &number);
        self.truth.promised(now, arrival.queue);
        if let Some(obstacle) = obstacle {
            let (queue, waited, exit) = (arrival.queue, now.since(arrival.since), obstacle.exit());
            self.truth.promise_broken(queue, now, Broken::Refused);
            self.decide(Decision::Exit { entry: id, queue, exit, waited, to: None, obstacle: Some(obstacle) });
            return;
        }
        self.promises.insert(number, id);
        let entry = Entry::new(id, arrival, now);
        self.stand(id, entry);
    }

    /// Who was to be called back has answered.
    pub(super) fn reached(&mut self, id: EntryId) -> Result<(), Ignored> {
        let Dialled { arrival, .. } = *self.dialled.remove(&id).ok_or(Ignored)?;
        let callback = arrival.callback.as_deref().expect("it was promised");
        self.promises.remove(&callback.number);
        self.truth.promise_kept(arrival.queue, callback.promised, self.now.since(arrival.since));
        self.talk_begins_with(id, &arrival);
        Ok(())
    }

    /// An agent had the entry, and that is over. `broke`: by a fault of ours.
    pub(super) fn dialled_in_vain(&mut self, id: EntryId, broke: bool) {
        let Some(dialled) = self.dialled.remove(&id) else { return };
        let Dialled { mut arrival, withdrawn } = *dialled;
        let (now, queue) = (self.now, arrival.queue);
        // Of a queue that is gone there is nothing to wait in.
        let settings = self.queues.get(&queue).map(|queue| &queue.settings).filter(|_| !withdrawn);
        let callback = arrival.callback.as_deref_mut().expect("it was promised");
        let retry = settings.map_or(Duration::ZERO, |settings| settings.callback_retry);
        callback.not_before = if broke { now } else { now + retry };
        callback.tries = callback.tries.saturating_add(u32::from(!broke));
        let broken = match settings {
            None => Some(Broken::Withdrawn),
            Some(settings) => (callback.tries >= settings.callback_tries.max(1)).then_some(Broken::NotReached),
        };
        let again = broken.is_none().then_some(callback.not_before);
        self.decide(Decision::NotReached { entry: id, queue, again });
        match broken {
            Some(broken) => {
                self.promises.remove(&callback.number);
                self.truth.promise_broken(queue, callback.promised, broken);
            }
            None => self.stand(id, Entry::new(id, arrival, now)),
        }
    }

    /// The promise that stands for this number in this queue, or in one to which they had gone on from it.
    pub(super) fn promise_to(&self, number: &str, queue: QueueId) -> Option<(EntryId, &Arrival)> {
        let id = *self.promises.get(number)?;
        let arrival = self.promised(id)?;
        arrival.was_in(queue).then_some((id, arrival))
    }

    fn promised(&self, id: EntryId) -> Option<&Arrival> {
        let waits = self.entries.get(&id).map(|entry| &entry.arrival);
        waits.or_else(|| self.dialled.get(&id).map(|dialled| &dialled.arrival))
    }

    /// Whom it was made to has come by themselves.
    pub(super) fn withdraw_promise(&mut self, id: EntryId) {
        match self.dialled.get_mut(&id) {
            Some(dialled) => dialled.withdrawn = true,
            None => self.leaves(id, Exit::Transferred),
        }
    }

    /// The promise is not in its queue any more. An answered one is not over yet.
    pub(super) fn promise_leaves(&mut self, id: EntryId, entry: &Entry, callback: &Callback, exit: Exit) {
        let (queue, waited) = (entry.queue(), self.now.since(entry.since()));
        if exit == Exit::Answered {
            let dialled = Dialled { arrival: entry.arrival.clone(), withdrawn: false };
            self.dialled.insert(id, Box::new(dialled));
        } else {
            self.promises.remove(&callback.number);
            let broken = if exit == Exit::TimedOut { Broken::TimedOut } else { Broken::Withdrawn };
            self.truth.promise_broken(queue, callback.promised, broken);
        }
        self.decide(Decision::Exit { entry: id, queue, exit, waited, to: None, obstacle: None });
    }

    /// The estimators know of promises while these stand in line.
    pub(super) fn tell_estimators(&mut self, id: EntryId) {
        let entry = &self.entries[&id];
        if entry.arrival.callback.is_none() {
            return;
        }
        if entry.stands == Stands::Asleep {
            self.estimates.forget(id);
        } else if !self.estimates.knows(id)
            && let Some(seen) = self.seen(id)
        {
            self.estimates.promised(self.now, id, self.entries[&id].queue(), seen);
        }
    }
}

/// What can be asked.
impl Acd {
    /// The promise to call this number back that stands in any queue.
    pub fn callback_to(&self, number: &str) -> Option<EntryId> {
        self.promises.get(number).copied()
    }

    /// What would not let such a promise stand in the queue, if it were made now.
    pub fn callback_obstacle(&self, queue: QueueId, number: &str) -> Option<Obstacle> {
        let Some(queue) = self.queues.get(&queue) else { return Some(Obstacle::Gone) };
        Obstacle::full(queue.callbacks.len(), queue.settings.max_callbacks)
            .or(number.is_empty().then_some(Obstacle::NoNumber))
            .or(self.promises.contains_key(number).then_some(Obstacle::Promised))
    }

    /// Those that stand.
    pub fn all_callbacks(&self) -> impl Iterator<Item = (EntryId, QueueId)> {
        let queue = |id: &EntryId| self.promised(*id).map(|arrival| (*id, arrival.queue));
        self.promises.values().filter_map(queue)
    }

    /// What is known of a promise that waits, or whose number is being dialled.
    pub fn callback(&self, entry: EntryId) -> Option<&Callback> {
        self.promised(entry)?.callback.as_deref()
    }

    /// The agent's call of it is on, and nobody has answered yet.
    pub fn is_being_dialled(&self, entry: EntryId) -> bool {
        self.dialled.contains_key(&entry)
    }

    /// Promises of the queue that wait, asleep or not.
    pub fn callbacks(&self, queue: QueueId) -> u32 {
        self.queues.get(&queue).map_or(0, |queue| u32::try_from(queue.callbacks.len()).unwrap_or(u32::MAX))
    }
}

impl Entry {
    /// It is a promise, and is offered to nobody for now.
    pub fn sleeps(&self, now: Time, queue: &Queue) -> bool {
        let callback = self.arrival.callback.as_deref();
        callback.is_some_and(|callback| now < callback.not_before || matches!(queue.hours, Hours::Closed { .. }))
    }

    /// When a promise may be offered, as far as that is not up to its queue's hours.
    pub fn wakes(&self, now: Time) -> Option<Time> {
        self.arrival.callback.as_deref().map(|callback| callback.not_before).filter(|at| now < *at)
    }
}

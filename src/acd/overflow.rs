//! From one queue to another, with the time already waited.

use super::Acd;
use super::admission::Obstacle;
use super::deadline::{Deadline, Due};
use super::entry::Entry;
use super::event::{Decision, Exit};
use super::queue::has_all;
use super::settings::When;
use crate::ids::{EntryId, QueueId};
use crate::need::Licence;
use crate::time::Time;
use std::collections::BTreeSet;

/// So many times an entry goes on to another queue.
pub const OVERFLOWS_MAX: usize = 10;

impl Acd {
    /// The entry, for which nobody is rung, cannot stay in its queue.
    pub(super) fn turn_away(&mut self, id: EntryId, obstacle: Obstacle) {
        match self.way_on(id, |when| when == obstacle.when()) {
            Some(way) => self.go_on(id, way, Some(obstacle)),
            None => self.exit(id, obstacle),
        }
    }

    /// The entry has waited here so long that it tries to go on.
    pub(super) fn overflow_due(&mut self, id: EntryId) {
        let now = self.now;
        let entry = self.entry_mut(id);
        entry.tried = Some(now).into();
        entry.overflows = Due::NOT;
        let waited = now.since(entry.arrived);
        let due = |when| matches!(when, When::After(after) if after <= waited);
        if let Some(way) = self.way_on(id, due) {
            self.go_on(id, way, None);
            return;
        }
        let next = self.next_overflow(&self.entries[&id]);
        self.entry_mut(id).overflows = next.into();
        self.deadlines.set(Deadline::Overflow(id), None, next);
    }

    /// When it next tries to go on because of its wait: now, if that has passed while an agent was rung for it.
    pub(super) fn next_overflow(&self, entry: &Entry) -> Option<Time> {
        if entry.arrival.callback.is_some() {
            return None;
        }
        let overflow = &self.queues[&entry.queue()].settings.overflow;
        let after = overflow.iter().filter(|overflow| has_all(&entry.arrival.attributes, &overflow.only));
        let after = after.filter_map(|overflow| match overflow.when {
            When::After(after) => Some(entry.arrived + after),
            When::Full | When::NoAgents | When::LongWait | When::Closed => None,
        });
        after.filter(|at| entry.tried.at().is_none_or(|tried| *at > tried)).min().map(|at| at.max(self.now))
    }

    /// As [`Acd::way_out`], for an entry that waits.
    fn way_on(&mut self, id: EntryId, applies: impl Fn(When) -> bool) -> Option<WayOut> {
        // Not among the others while queues are asked whether they take it.
        let entry = self.entries.remove(&id)?;
        let way = self.way_out(&entry, applies);
        self.entries.insert(id, entry);
        way
    }

    /// To the first queue that takes the entry, of those where it may go.
    pub(super) fn way_out(&mut self, entry: &Entry, applies: impl Fn(When) -> bool) -> Option<WayOut> {
        let overflow = &self.queues[&entry.queue()].settings.overflow;
        let ways = overflow.iter().filter(|overflow| {
            let is_new = entry.may_go_on_to(overflow.to);
            is_new && applies(overflow.when) && has_all(&entry.arrival.attributes, &overflow.only)
        });
        let ways: Vec<QueueId> = ways.map(|overflow| overflow.to).collect();
        self.way_to(entry, &ways, false)
    }

    /// To the first of these that takes the entry; `was_there` as in [`Acd::obstacle`].
    pub(super) fn way_to(&mut self, entry: &Entry, ways: &[QueueId], was_there: bool) -> Option<WayOut> {
        if ways.is_empty() {
            return None;
        }
        let licences = self.licences_of(entry);
        let with_licences = (!licences.is_empty()).then(|| {
            let mut entry = entry.clone();
            entry.arrival.need.licences.extend(licences.iter().cloned());
            entry
        });
        let entry = with_licences.as_ref().unwrap_or(entry);
        let takes = |acd: &mut Acd, to| acd.queues.contains_key(&to) && acd.obstacle(entry, to, was_there).is_none();
        let to = ways.iter().copied().find(|to| takes(self, *to))?;
        Some(WayOut { to, licences })
    }

    pub(super) fn go_on(&mut self, id: EntryId, way: WayOut, obstacle: Option<Obstacle>) {
        let mut entry = self.take_out(id, Leaving::to(way.to, obstacle));
        entry.goes_on(way, self.now);
        self.join(id, entry);
    }

    /// All that whoever serves the entry where it is must hold, whatever its skills are relaxed to.
    fn licences_of(&self, entry: &Entry) -> BTreeSet<Licence> {
        let (id, settings) = (entry.queue(), &self.queues[&entry.queue()].settings);
        let requirement = self.requirement(entry, id, None, self.now);
        requirement.unwrap_or_else(|| Acd::plain_requirement(settings, id)).need.licences
    }

    /// Says that an entry left its queue, and counts it.
    pub(super) fn tell_exit(&mut self, id: EntryId, entry: &Entry, leaving: Leaving) {
        let Leaving { exit, to, obstacle } = leaving;
        let waited = self.now.since(entry.since());
        let level = self.queues[&entry.queue()].settings.service_level;
        self.truth_of(entry.kind()).exited(entry.queue(), entry.arrived, exit, waited, level);
        self.decide(Decision::Exit { entry: id, queue: entry.queue(), exit, waited, to, obstacle });
    }
}

/// How an entry leaves a queue.
#[derive(Clone, Copy, Debug)]
pub struct Leaving {
    pub exit: Exit,
    pub to: Option<QueueId>,
    pub obstacle: Option<Obstacle>,
}

impl Leaving {
    /// For another queue.
    pub fn to(to: QueueId, obstacle: Option<Obstacle>) -> Leaving {
        Leaving { exit: Exit::Overflowed, to: Some(to), obstacle }
    }
}

impl From<Exit> for Leaving {
    fn from(exit: Exit) -> Leaving {
        Leaving { exit, to: None, obstacle: None }
    }
}

impl From<Obstacle> for Leaving {
    fn from(obstacle: Obstacle) -> Leaving {
        Leaving { exit: obstacle.exit(), to: None, obstacle: Some(obstacle) }
    }
}

/// From a queue to another.
pub struct WayOut {
    pub to: QueueId,
    /// Needed in the one, and therefore in the other: a licence is not relaxed by going elsewhere.
    licences: BTreeSet<Licence>,
}

impl Entry {
    /// Nobody goes back, nor on for ever.
    pub fn may_go_on_to(&self, queue: QueueId) -> bool {
        self.arrival.been.len() < OVERFLOWS_MAX && !self.arrival.was_in(queue)
    }

    /// From its queue to another.
    pub fn goes_on(&mut self, way: WayOut, now: Time) {
        self.arrival.been.push(std::mem::replace(&mut self.arrival.queue, way.to));
        self.arrival.need.licences.extend(way.licences);
        self.arrived = now;
        self.tried = Due::NOT;
    }
}

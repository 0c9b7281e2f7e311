//! How callers stand in line, kept for when they wait again: what other queues asked for, the time, a priority that was changed.

use super::Engine;
use super::calls::Queued;
use crate::acd::{Change, Outcome};
use crate::flow::QueueRequest;
use crate::ids::{EntryId, QueueId};
use crate::need::Licence;
use crate::time::{Duration, Time};
use std::collections::BTreeSet;

/// How the distributor has a caller, as far as no flow says so.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InLine {
    /// When the waiting began, and how much of the time since then does not count for the longest wait.
    pub since: Time,
    pub away: Duration,
    /// Queues where the caller was before.
    pub been: Vec<QueueId>,
    /// Once it has changed: by hand, or with the place of who called before.
    pub priority: Option<i32>,
    /// All that whoever serves the caller must hold.
    pub licences: BTreeSet<Licence>,
}

impl InLine {
    pub fn new(now: Time) -> InLine {
        InLine { since: now, away: Duration::ZERO, been: Vec::new(), priority: None, licences: BTreeSet::new() }
    }
}

impl Queued {
    /// What the flow asks for now, by who was in that queue already and did not leave the line: they stand where they stood.
    pub fn goes_on(mut self, asked: QueueRequest) -> (QueueRequest, InLine) {
        if asked.priority != self.request.priority {
            self.stands.priority = None;
        }
        let mut request = QueueRequest { queue: self.request.queue, ..asked };
        request.need.licences.extend(self.request.need.licences);
        (request, self.stands)
    }
}

impl Engine {
    /// Before it goes: who waits and leaves, or is answered.
    pub(super) fn note_how_it_stands(&mut self, change: &Change) {
        match change {
            Change::Leave { entry, .. } => self.note_entry(*entry),
            Change::OfferEnded { offer, outcome: Outcome::Accepted } => {
                if let Some(entry) = self.offers.get(offer).map(|offer| offer.entry) {
                    self.note_entry(entry);
                }
            }
            _ => {}
        }
    }

    /// As the distributor has it.
    pub(super) fn note_entry(&mut self, entry: EntryId) {
        let Some(waits) = self.acd.entry(entry) else { return };
        let queued = self.entries.get(&entry).and_then(|call| self.calls.get_mut(call)?.queued.as_mut());
        let Some(queued) = queued else { return };
        let priority = (waits.arrival.priority != queued.request.priority).then_some(waits.arrival.priority);
        let (away, been) = (waits.arrival.away, waits.arrival.been.clone());
        let licences = self.acd.needs(entry).map(|need| need.licences.clone()).unwrap_or_default();
        queued.stands = InLine { since: waits.since, away, been, priority, licences };
    }

    /// Whether who waited was in this queue, at last or before.
    pub(super) fn was_in(&self, queued: &Queued, queue: &str) -> bool {
        queued.request.queue == queue || self.has_been(queued, queue).is_some()
    }

    /// Where in their way.
    fn has_been(&self, queued: &Queued, queue: &str) -> Option<usize> {
        let id: QueueId = *self.queue_ids.get(queue)?;
        queued.stands.been.iter().position(|been| *been == id)
    }

    /// What they would have had they stayed in this queue, in which they were.
    pub(super) fn back_to(&self, mut queued: Queued, queue: &str) -> (QueueRequest, InLine) {
        if let Some(at) = self.has_been(&queued, queue) {
            queued.stands.been.truncate(at);
            queued.request.queue = queue.to_owned();
        }
        (queued.request, queued.stands)
    }
}

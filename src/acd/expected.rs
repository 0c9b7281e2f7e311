//! How long it will take: what the estimators are told of a line, and what they say.

use super::Acd;
use super::estimate::{Estimate, Estimates, Seen};
use super::event::Kind;
use super::line::Place;
use crate::ids::{EntryId, QueueId};
use crate::time::Time;

impl Acd {
    /// How long the entry has yet to wait, as a range; `None` if unsure or if it does not wait. From one question to the
    /// next it may rise: [`Told`](super::estimate::Told) keeps what is said to one caller from doing so.
    pub fn expected_wait(&self, entry: EntryId, now: Time) -> Option<Estimate> {
        self.estimates.remaining(now, entry, self.seen(entry)?)
    }

    /// How long an entry would wait that came now, with this priority and no needs beside the queue's.
    ///
    /// Everybody of the queue whom it would not overtake counts as ahead. "Less than a minute" if an agent who has what
    /// the queue needs is idle.
    pub fn expected_wait_on_arrival(&self, id: QueueId, priority: i32, now: Time) -> Option<Estimate> {
        let queue = self.queues.get(&id)?;
        let able = &self.lines.need(queue.plain).able;
        if self.pools.have_idle(able, Kind::Call) {
            return Some(Estimate::SOON);
        }
        let priority = i64::from(queue.settings.priority) + i64::from(priority);
        let place = Place::new(priority, queue.rate, now, EntryId(u64::MAX));
        let ahead: usize = queue.order.values().map(|order| order.rank(place)).sum();
        let head_since = queue.by_since.first().map(|(since, _)| since);
        self.estimates.on_arrival(
            now,
            id,
            Seen { ahead: u32::try_from(ahead).unwrap_or(u32::MAX), behind: 0, head_since },
        )
    }

    /// The estimators, their errors and what each of them would say.
    pub fn estimates(&self) -> &Estimates {
        &self.estimates
    }

    /// What a waiting entry has before and behind it, of those it competes with.
    pub(super) fn seen(&self, id: EntryId) -> Option<Seen> {
        let entry = self.entries.get(&id)?;
        Some(self.seen_from(entry.queue(), entry.need, entry.place))
    }
}

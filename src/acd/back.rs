//! Callers who come again: whose line broke while they waited has the old place back.

use super::Acd;
use super::event::{Arrival, Exit, KeepPlaceFor, Kind};
use super::memory::Memory;
use crate::ids::{EntryId, QueueId};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};

/// Places that are kept at a time, of all queues; one more, and the one goes whose time would be over first.
pub const PLACES_MAX: usize = 10_000;

/// A place that is kept for its caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftPlace {
    queue: QueueId,
    since: Time,
    priority: i32,
}

pub type Places = Memory<LeftPlace>;

impl Acd {
    /// The entry leaves by this exit: keeps its place where its queue says so.
    pub(super) fn keep_place(&mut self, id: EntryId, exit: Exit) {
        let entry = &self.entries[&id];
        let settings = &self.queues[&entry.queue()].settings;
        let is_kept = match exit {
            Exit::SystemFault => true,
            Exit::Abandoned | Exit::ShortAbandoned => settings.keep_place_for == KeepPlaceFor::All,
            _ => false,
        };
        if is_kept && is_known(&entry.arrival) {
            let place = LeftPlace { queue: entry.queue(), since: entry.since(), priority: entry.arrival.priority };
            self.places.remember(self.now, &entry.arrival.caller, id, self.now + settings.keep_place, place);
        }
    }

    /// Of several places that are kept for the caller in this queue, the one of who had waited longest.
    pub(super) fn give_place_back(&mut self, arrival: &mut Arrival) {
        if !is_known(arrival) {
            return;
        }
        let places = self.places.of(self.now, &arrival.caller).filter(|(_, place)| place.queue == arrival.queue);
        let Some((id, place)) = places.min_by_key(|(id, place)| (place.since, *id)) else { return };
        arrival.since = arrival.since.min(place.since);
        arrival.priority = arrival.priority.max(place.priority);
        self.places.forget(&arrival.caller, id);
    }

    /// Nobody could come again in that time: what is kept for callers is kept that much longer.
    pub(super) fn was_down(&mut self, since: Time) {
        let for_so_long: Duration = self.now.since(since);
        self.places.prolong(since, for_so_long);
    }
}

/// Whoever calls can be told from others.
fn is_known(arrival: &Arrival) -> bool {
    arrival.kind == Kind::Call && !arrival.caller.is_empty()
}

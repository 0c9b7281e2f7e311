//! Legs that are tried, and what else could be if nothing is heard from them.

use crate::ids::LegId;
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, VecDeque};

/// Who has said nothing at all for so long is given up, if there is another.
pub const SILENCE: Duration = Duration::from_secs(4);

pub(super) struct Tried<T> {
    by_leg: BTreeMap<LegId, T>,
    /// When each leg should have been heard; in order, since all have the same time.
    silent: VecDeque<(Time, LegId)>,
}

impl<T> Default for Tried<T> {
    fn default() -> Tried<T> {
        Tried { by_leg: BTreeMap::new(), silent: VecDeque::new() }
    }
}

impl<T> Tried<T> {
    pub fn began(&mut self, now: Time, leg: LegId, what: T) {
        self.silent.push_back((now + SILENCE, leg));
        self.by_leg.insert(leg, what);
    }

    pub fn get(&self, leg: LegId) -> Option<&T> {
        self.by_leg.get(&leg)
    }

    pub fn get_mut(&mut self, leg: LegId) -> Option<&mut T> {
        self.by_leg.get_mut(&leg)
    }

    pub fn remove(&mut self, leg: LegId) -> Option<T> {
        self.by_leg.remove(&leg)
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.silent.front().map(|(at, _)| *at)
    }

    /// A leg that should have been heard by now; it may have been.
    pub fn take_due(&mut self, now: Time) -> Option<LegId> {
        self.silent.pop_front_if(|(at, _)| *at <= now).map(|(_, leg)| leg)
    }

    pub fn len(&self) -> usize {
        self.by_leg.len()
    }

    pub fn legs(&self) -> impl Iterator<Item = LegId> {
        self.by_leg.keys().copied()
    }
}

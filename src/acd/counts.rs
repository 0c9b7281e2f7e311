//! What was counted per queue. Raw counts, so that every service-level formula can be made from them.

use super::event::Exit;
use crate::time::Duration;
use std::collections::BTreeMap;

/// Counts of one queue since it exists. At every instant `offered == exits_total() + waiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Entries that arrived, the refused included.
    pub offered: u64,
    /// Entries that have arrived and not ended, those an agent is rung for included.
    pub waiting: u64,
    /// Entries ended, by exit; an exit that never happened is not in it.
    pub exits: BTreeMap<Exit, u64>,
    /// Of the answered, those within the queue's `service_level`.
    pub answered_in_level: u64,
}

impl QueueCounts {
    pub fn exits_total(&self) -> u64 {
        self.exits.values().sum()
    }

    pub(super) fn arrived(&mut self) {
        self.offered += 1;
        self.waiting += 1;
    }

    pub(super) fn exited(&mut self, exit: Exit, waited: Duration, service_level: Duration) {
        self.waiting -= 1;
        *self.exits.entry(exit).or_default() += 1;
        if exit == Exit::Answered && waited <= service_level {
            self.answered_in_level += 1;
        }
    }
}

//! What was counted per queue since it exists, as records and metrics compare it.

use super::event::Exit;
use super::truth::Counts;
use std::collections::BTreeMap;

/// Counts of one queue since it exists: a part of [`truth`](super::truth). At every instant
/// `offered == exits_total() + waiting`.
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
}

impl From<&Counts> for QueueCounts {
    fn from(counts: &Counts) -> QueueCounts {
        QueueCounts {
            offered: counts.offered,
            waiting: counts.waiting,
            exits: counts.exits.into(),
            answered_in_level: counts.answered_in_level,
        }
    }
}

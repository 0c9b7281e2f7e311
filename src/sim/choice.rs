//! Whom a queue would rather ring, in the words of its settings: a second opinion.

use crate::acd::{QueueSettings, Strategy};
use crate::ids::AgentId;
use crate::time::Time;
use std::sync::Arc;

/// Somebody who could be rung.
pub struct Candidate<'a> {
    pub name: &'a Arc<str>,
    /// In the list of all.
    pub place: (u32, AgentId),
    /// How much they have of what is needed.
    pub fit: u32,
    pub idle_since: Time,
    /// Contacts that they took since they logged in.
    pub calls: u64,
}

/// Whether `one` must be rung rather than `other`.
pub fn preferred_by(queue: &QueueSettings, last: Option<(u32, AgentId)>, one: &Candidate, other: &Candidate) -> bool {
    let longer_idle = one.idle_since < other.idle_since;
    match queue.strategy {
        Strategy::LongestIdle => longer_idle,
        Strategy::MostSkilled => one.fit > other.fit || one.fit == other.fit && longer_idle,
        Strategy::LeastSkilled => one.fit < other.fit || one.fit == other.fit && longer_idle,
        Strategy::FewestCalls => one.calls < other.calls || one.calls == other.calls && longer_idle,
        Strategy::Linear => one.place < other.place,
        Strategy::RoundRobin => {
            let turn = |place| (last.is_some_and(|last| place <= last), place);
            turn(one.place) < turn(other.place)
        }
        // By lot; and everybody, as far as they may be many.
        Strategy::Random | Strategy::RingAll => false,
    }
}

//! Names for things, as numbers that cannot be mixed up.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A call: everything from a caller's INVITE to the end of its last leg.
    CallId(u64), "call-"
);
id!(
    /// One party's part of a call.
    LegId(u64), "leg-"
);
id!(
    /// One waiting contact in a queue.
    EntryId(u64), "entry-"
);
id!(
    /// One ring of one agent for one entry.
    OfferId(u64), "offer-"
);
id!(
    /// An agent. Small and dense, given in order of configuration; stable while the process lives.
    AgentId(u32), "agent-"
);
id!(
    /// A queue. Small and dense, given in order of configuration; stable while the process lives.
    QueueId(u32), "queue-"
);

/// Gives out numbers that are never given out twice, not even by another run of the program.
///
/// It counts up from the microsecond of its start, so numbers of a later run are larger as long as fewer than a
/// million are needed per second of running time.
#[derive(Clone, Debug)]
pub struct IdSource {
    next: u64,
}

impl IdSource {
    pub fn new(start: Time) -> IdSource {
        IdSource { next: start.as_micros() }
    }

    #[expect(clippy::should_implement_trait, reason = "a source of numbers is not to be walked with adapters")]
    pub fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_also_between_runs() {
        let mut first = IdSource::new(Time::from_secs(10));
        let a = first.next();
        let b = first.next();
        let c = IdSource::new(Time::from_secs(11)).next();
        assert!(a < b && b < c);
    }
}

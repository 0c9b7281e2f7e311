//! Why an entry is not with an agent: one reason for each, of a closed set.

use crate::ids::{EntryId, OfferId};
use crate::time::Time;

/// Why an agent does not talk to an entry now. Where several hold, the one that lasts longest is told: skills before state, state
/// before memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// The agent lacks this skill altogether.
    NotSkilled {
        skill: String,
    },
    LevelTooLow {
        skill: String,
        has: u8,
        needs: u8,
    },
    Offline,
    Paused {
        reason: String,
        until: Option<Time>,
    },
    WrapUp {
        until: Time,
    },
    /// The agent's phone rings for another entry.
    RingingOther {
        entry: EntryId,
    },
    /// The agent's phone rings for this entry.
    Ringing {
        offer: OfferId,
        deadline: Time,
    },
    Talking {
        entry: EntryId,
    },
    /// On a call that no queue gave them.
    Busy,
    BackOff {
        until: Time,
    },
    /// The agent declined or did not answer this entry; it may come back to them then.
    Refused {
        until: Time,
    },
    /// The agent could take it, but another came first and is rung for it.
    RankedLower,
}

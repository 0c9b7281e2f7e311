//! Service level: which share was answered soon enough, in the six ways in which the field counts it.

use super::counts::{Counts, share};
use serde::{Deserialize, Serialize};

/// A formula of the service level. "In level": after a wait of no more than the queue's `service_level`.
///
/// The five of ICMI's *Queue Tip* "Service Level Calculations" (2002, here numbered as there), of which Cisco's
/// *Unified ICM/CCE* offers three as "Service Level Type", and the one that leaves out short abandons. They differ in
/// who is added above the line and who is left out below it:
///
/// | formula | above | below | ICMI | Cisco |
/// |---|---|---|---|---|
/// | `AbandonsAgainst` | answered in level | all due | 3 | negative impact |
/// | `ShortAbandonsIgnored` | answered in level | all due − short abandons | | |
/// | `AbandonsInLevelIgnored` | answered in level | all due − abandoned in level | 4 | ignored |
/// | `AnsweredOnly` | answered in level | answered | 2 | |
/// | `AbandonsInLevelFor` | answered in level + abandoned in level | all due | 1 | positive impact |
/// | `ShortAbandonsFor` | answered in level + short abandons | all due | 5 | |
///
/// All due, that is: answered + abandoned + let down + moved on after the level. What becomes of those who were
/// neither answered nor abandoned is the same in five of the six (`AnsweredOnly` does not see them):
///
/// - **Let down** (`TimedOut`, `NoAgents`, `RefusedFull`, `SystemFault`) is due and never in level, however short the
///   wait was: nobody answered, and the caller did not choose that.
/// - **Moved on** (`Overflowed`, `Callback`, `LeftByKey`, `Transferred`, `QueueClosed`) is in none of them if it was in
///   level, for then this queue had not failed yet and the contact counts where it went; after the level it is due,
///   for else overflow would mend the figure of the queue that it leaves (Cisco takes "calls dequeued" within the level
///   out in the same way).
///   `Callback` is the exit of those who are promised a call, and of nobody else. Who asks for one in vain has left by key, as who
///   presses any other key does: they have not been sent away, for the line would have kept them, and they count where the flow led
///   them, in most flows the same line again. As let down they would count there twice, once as missed though they are served.
/// - Who **still waits** is not due yet. A figure of an interval is final when its `waiting` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceLevel {
    /// The strictest of those that take everybody in: each abandoned call is a missed chance. For sales, where a
    /// caller who hung up is revenue lost; and the one to take when in doubt, because nothing can flatter it.
    AbandonsAgainst,
    /// As before, without those who hung up within the queue's `short_abandon`: no staffing could have kept them. For
    /// comparison between queues or carriers with different shares of wrong numbers.
    ShortAbandonsIgnored,
    /// Who hung up within the level gave no chance to answer in level and is left out; who hung up later counts
    /// against it. For agreements between a client and a contractor, who answers only for what could be kept.
    AbandonsInLevelIgnored,
    /// Only the answered. What Erlang C computes, which knows no abandoning: to compare a forecast with the day. Looks
    /// best on the worst day, when nearly everybody gives up, so it is not to be read alone.
    AnsweredOnly,
    /// Who hung up within the level counts as served. For queues whose announcement answers many callers ("we know of
    /// the fault in Malmö").
    AbandonsInLevelFor,
    /// Who hung up within `short_abandon` counts as served; all later ones count against it.
    ShortAbandonsFor,
}

impl ServiceLevel {
    pub const ALL: [ServiceLevel; 6] = [
        ServiceLevel::AbandonsAgainst,
        ServiceLevel::ShortAbandonsIgnored,
        ServiceLevel::AbandonsInLevelIgnored,
        ServiceLevel::AnsweredOnly,
        ServiceLevel::AbandonsInLevelFor,
        ServiceLevel::ShortAbandonsFor,
    ];

    /// The service level, 0 to 1; `None` where nobody counts below the line.
    pub fn of(self, counts: &Counts) -> Option<f64> {
        let (above, below) = self.fraction(counts);
        share(above, below)
    }

    /// The two whole numbers of it, for whoever sums them up.
    pub fn fraction(self, counts: &Counts) -> (u64, u64) {
        let in_level = counts.answered_in_level;
        let due = counts.exits.total() - counts.moved_in_level;
        match self {
            ServiceLevel::AbandonsAgainst => (in_level, due),
            ServiceLevel::ShortAbandonsIgnored => (in_level, due - counts.short_abandoned()),
            ServiceLevel::AbandonsInLevelIgnored => (in_level, due - counts.abandoned_in_level),
            ServiceLevel::AnsweredOnly => (in_level, counts.answered()),
            ServiceLevel::AbandonsInLevelFor => (in_level + counts.abandoned_in_level, due),
            ServiceLevel::ShortAbandonsFor => (in_level + counts.short_abandoned(), due),
        }
    }
}

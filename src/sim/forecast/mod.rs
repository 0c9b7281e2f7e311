//! What a day would be like: how long callers would wait with these people, from the distributor itself.
//!
//! A [`Plan`] says who calls and who works. A [`Run`] plays one day of it from one seed on a clock that is a number; the
//! queues are those of [`acd`](crate::acd), not a model of them. Many seeds make a [`Report`], in which every number has its
//! band of confidence. There is neither SIP nor sound here: the day of [`sim::day`](crate::sim::day), which tests play, has
//! phones and a network and asks whether everything works; this one asks how long people wait, a thousand times as fast.
//!
//! One seed gives the same day on the same machine, always. The distributor is the same bit for bit everywhere; what is drawn
//! for it goes through the machine's logarithms.
//!
//! | file | holds |
//! |---|---|
//! | `plan` | a day as it is expected |
//! | `lengths`, `callers` | what is drawn: how long things take, who calls when |
//! | `run` | one day from one seed |
//! | `recorded` | a day that was, folded again; its callers |
//! | `tally` | what is counted of it |
//! | `estimate`, `report` | many days as one answer |
//! | `more` | the same days with other people |
//! | `text`, `table` | that answer as people read it |

mod callers;
mod estimate;
mod lengths;
mod more;
mod plan;
mod recorded;
mod report;
mod run;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod text;

pub use callers::{Caller, draw};
pub use estimate::Estimate;
pub use lengths::Lengths;
pub use more::{Comparison, Differences, More, QueueDifferences};
pub use plan::{AGENTS_MAX, Arrivals, AtClosing, Break, CALLS_MAX, Calls, Group, Plan, Rate, TimeOfDay};
pub use recorded::{LeftOut, Recording, Replayed};
pub use report::Report;
pub use run::{Outcomes, Run};
pub use table::{Cell, aligned};
pub use tally::{QueueNumbers, Spent};

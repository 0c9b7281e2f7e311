//! `vaxel report`: the figures of a day by queue and interval, folded from the journal. Only reads; the service may be running.
//!
//! What is counted, and by which definitions, is the business of [`truth`](crate::acd::truth): here is only asked for it. Callers count in
//! the interval in which they came, whenever they were answered; so they are read from the journal as late after it as they are kept
//! apart, and of the present day the last intervals still move. Agents' time counts in the interval in which it was spent.
//!
//! | file | holds |
//! |---|---|
//! | `asked` | which time is asked for |
//! | `fold` | what the journal knows of it |
//! | `figures` | that as figures, as JSON has them |
//! | `text` | and as people read them |

mod asked;
mod figures;
mod fold;
#[cfg(test)]
mod tests;
mod text;

pub use asked::{Asked, LONGEST};
pub use figures::{Agents, Callers, Group, Interval, Queue, Report, Spent};

use super::{control, journal};
use crate::time::Time;
use anyhow::{Context, bail};
use jiff::tz::TimeZone;
use std::path::Path;

/// What `vaxel report` prints. `folder`: the data folder.
///
/// # Errors
///
/// There is no such time or queue, or the journal knows nothing of it; a file cannot be read.
pub fn report(folder: &Path, asked: &Asked<'_>, now: Time, json: bool) -> anyhow::Result<String> {
    let zone = TimeZone::system();
    let report = of(folder, asked, control::is_answered(folder), now, &zone)?;
    Ok(match json {
        true => serde_json::to_string_pretty(&report).expect("it has texts for keys") + "\n",
        false => text::text(&report),
    })
}

/// `runs`: a service runs now.
fn of(folder: &Path, asked: &Asked<'_>, runs: bool, now: Time, zone: &TimeZone) -> anyhow::Result<Report> {
    let span = asked.span(now, zone)?;
    let folder = journal::folder(folder);
    let named = || format!("cannot read the journal in {}", folder.display());
    let Some(begin) = journal::begin(&folder).with_context(named)? else {
        return Err(journal::none(&folder));
    };
    if begin >= span.to {
        let begin = super::moment::show(begin, zone);
        bail!("the journal in {} begins at {begin}; ask for a later time", folder.display());
    }
    let mut known = fold::fold(&folder, &span, begin, runs, zone).with_context(named)?;
    if let Some(queue) = asked.queue {
        known.keep_only(queue)?;
    }
    Ok(Report::of(&known, &span, zone))
}

//! `[data]`: where it is kept what happens, and how much of it.

use super::read::Table;
use super::seconds;
use crate::time::Duration;
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Data {
    pub folder: PathBuf,
    /// How far back the queues can be looked at; an hour to ten years.
    pub journal_keep: Duration,
    /// For all of that; 16 to 1,000,000.
    pub journal_megabytes: u32,
}

pub(super) fn settings(data: &Table) -> Data {
    Data {
        folder: data.path("folder").unwrap_or_default(),
        journal_keep: seconds(data, "journal_keep", 3600, 3650 * 86_400),
        journal_megabytes: data.within("journal_megabytes", 16..=1_000_000).unwrap_or(16),
    }
}

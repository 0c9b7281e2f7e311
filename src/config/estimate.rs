//! `[estimate]`: when it is known well enough how long callers will wait.

use super::read::Table;
use super::seconds;
use crate::acd::estimate::Settings;

pub(super) fn settings(table: &Table) -> Settings {
    let defaults = Settings::default();
    Settings {
        floor: seconds(table, "floor", 1, 600),
        samples_min: table.within("samples_min", 5..=1_000).unwrap_or(defaults.samples_min),
        error_percent_max: table.within("error_percent_max", 5..=100).unwrap_or(defaults.error_percent_max),
        answers_min: table.within("answers_min", 2..=1_000).unwrap_or(defaults.answers_min),
    }
}

//! Opening hours: `hours = { zone = "Europe/Stockholm", week = { "mon-fri" = "08:00-17:00" } }`.

use super::read::Table;
use crate::hours::{Calendar, Days, Window, Wrong, weekdays};

/// `None` if there is no such table, or something in it is wrong, which is noted.
pub(super) fn hours(table: &Table, key: &'static str) -> Option<Calendar> {
    if !table.has(key) {
        return None;
    }
    let table = table.table(key);
    let wrong = |key: &'static str, wrong: Wrong| table.wrong(key, wrong.what, format!("expected {}", wrong.expected));
    let calendar = Calendar::new(&table.get::<String>("zone")).map_err(|no_zone| wrong("zone", no_zone)).ok();
    let mut calendar = calendar?;
    for (days, windows) in table.texts("week").unwrap_or_default() {
        match weekdays(&days).and_then(|days| Ok((days, read(&windows)?))) {
            Ok((days, windows)) => calendar.add_week(&days, &windows),
            Err(no_hours) => wrong("week", no_hours),
        }
    }
    for days in table.list::<String>("holidays") {
        match Days::parse(&days) {
            Ok(days) => calendar.add_holiday(days),
            Err(no_days) => wrong("holidays", no_days),
        }
    }
    for (days, windows) in table.texts("special").unwrap_or_default() {
        match Days::parse(&days).and_then(|days| Ok((days, read(&windows)?))) {
            Ok((days, windows)) => calendar.add_special(days, windows),
            Err(no_hours) => wrong("special", no_hours),
        }
    }
    table.finish();
    Some(calendar)
}

/// Windows with commas between, or `closed`.
fn read(windows: &str) -> Result<Vec<Window>, Wrong> {
    match windows.trim() {
        "closed" => Ok(Vec::new()),
        windows => windows.split(',').map(|window| Window::parse(window.trim())).collect(),
    }
}

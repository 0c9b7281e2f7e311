//! Opening hours as flow files write them; what they mean is in [`hours`](crate::hours).

use super::yaml::{At, Many, Ordered, Span};
use crate::hours::{Calendar, Days, Window, Wrong, weekdays};
use schemars::JsonSchema;
use serde::Deserialize;

/// Opening hours as written in a flow file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Calendar")]
pub struct CalendarFile {
    /// An IANA time zone, such as `Europe/Stockholm`.
    pub zone: At<String>,
    /// Day or days (`mon`, `mon-fri`, `sat,sun`) → one or more windows (`08:00-17:00`, `22:00-06:00`, `00:00-24:00`).
    #[serde(default)]
    pub week: Ordered<Many<At<String>>>,
    /// Day → its name, if it has one. A day is `2026-04-03`, `12-25` (each year), `easter+1` (each year, counted from
    /// Easter Sunday), or a range of two (`07-06..07-31`).
    #[serde(default)]
    pub holidays: Ordered<Option<At<String>>>,
    /// Day → the windows of that day, whatever the week says. An empty list: closed.
    #[serde(default)]
    pub special: Ordered<Many<At<String>>>,
}

impl CalendarFile {
    /// Compiles what was written; each thing that is wrong goes to `problem` with its place, message and help.
    pub fn compile(&self, mut problem: impl FnMut(Span, String, Option<String>)) -> Option<Calendar> {
        let mut good = true;
        let mut wrong = |at: Span, wrong: Wrong| {
            good = false;
            problem(at, wrong.what, Some(wrong.expected.to_owned()));
        };
        let mut calendar = match Calendar::new(&self.zone) {
            Ok(calendar) => calendar,
            Err(zone) => {
                wrong(self.zone.at, zone);
                // So that the rest is looked at too.
                Calendar::new("UTC").ok()?
            }
        };
        for (days, windows) in &self.week.0 {
            match weekdays(days) {
                Ok(days) => calendar.add_week(&days, &read(&windows.0, &mut wrong)),
                Err(no_days) => wrong(days.at, no_days),
            }
        }
        for (days, _) in &self.holidays.0 {
            match Days::parse(days) {
                Ok(days) => calendar.add_holiday(days),
                Err(no_days) => wrong(days.at, no_days),
            }
        }
        for (days, windows) in &self.special.0 {
            let windows = read(&windows.0, &mut wrong);
            match Days::parse(days) {
                Ok(days) => calendar.add_special(days, windows),
                Err(no_days) => wrong(days.at, no_days),
            }
        }
        good.then_some(calendar)
    }
}

fn read(windows: &[At<String>], wrong: &mut dyn FnMut(Span, Wrong)) -> Vec<Window> {
    let read = |text: &At<String>| Window::parse(text).map_err(|no_window| wrong(text.at, no_window)).ok();
    windows.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::yaml;
    use crate::hours::Opening;
    use crate::time::Time;
    use jiff::Timestamp;

    fn calendar(text: &str) -> Calendar {
        let (file, bad) = yaml::read::<CalendarFile>(text);
        assert_eq!(bad, []);
        file.expect("read").compile(|at, message, _| panic!("{at:?} {message}")).expect("compiles")
    }

    fn at(calendar: &Calendar, when: &str) -> Opening {
        let stamp: Timestamp = when.parse().expect("a moment");
        calendar.at(Time::from_micros(stamp.as_microsecond() as u64))
    }

    #[test]
    fn windows_open_at_their_first_minute_and_close_at_their_last() {
        let c =
            calendar("zone: Europe/Stockholm\nweek: { mon-fri: ['08:00-12:00', '13:00-17:00'], sat: 10:00-14:00 }\n");
        // 2026-11-23 is a Monday.
        let table = [
            ("2026-11-23T07:59:59+01:00", Opening::Closed),
            ("2026-11-23T08:00:00+01:00", Opening::Open),
            ("2026-11-23T11:59:59+01:00", Opening::Open),
            ("2026-11-23T12:00:00+01:00", Opening::Closed),
            ("2026-11-23T13:00:00+01:00", Opening::Open),
            ("2026-11-23T17:00:00+01:00", Opening::Closed),
            ("2026-11-28T10:00:00+01:00", Opening::Open),
            ("2026-11-29T10:00:00+01:00", Opening::Closed),
        ];
        for (when, expected) in table {
            assert_eq!(at(&c, when), expected, "{when}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_it_opens() {
        let c = calendar("zone: UTC\nweek: { fri: 22:00-06:00 }\nholidays: { 2026-11-28: Saturday off }\n");
        assert_eq!(at(&c, "2026-11-27T05:00:00Z"), Opening::Closed, "Friday morning");
        assert_eq!(at(&c, "2026-11-27T22:00:00Z"), Opening::Open);
        assert_eq!(at(&c, "2026-11-28T05:59:00Z"), Opening::Open, "it began on Friday");
        assert_eq!(at(&c, "2026-11-28T06:00:00Z"), Opening::Holiday);
        assert_eq!(at(&c, "2026-11-28T23:00:00Z"), Opening::Holiday);
        assert_eq!(at(&c, "2026-11-29T05:00:00Z"), Opening::Closed);
    }

    #[test]
    fn a_night_that_would_open_on_a_holiday_does_not() {
        let c = calendar("zone: UTC\nweek: { mon-sun: 22:00-06:00 }\nholidays: { 12-24: }\n");
        assert_eq!(at(&c, "2026-12-24T05:00:00Z"), Opening::Open);
        assert_eq!(at(&c, "2026-12-24T23:00:00Z"), Opening::Holiday);
        assert_eq!(at(&c, "2026-12-25T05:00:00Z"), Opening::Closed);
        assert_eq!(at(&c, "2026-12-25T23:00:00Z"), Opening::Open);
    }

    #[test]
    fn the_wall_clock_rules_when_clocks_change() {
        let c = calendar("zone: Europe/Stockholm\nweek: { sun: 02:30-08:00 }\n");
        // 2026-03-29: 02:00 CET becomes 03:00 CEST. 2026-10-25: 03:00 CEST becomes 02:00 CET.
        assert_eq!(at(&c, "2026-03-29T00:59:00Z"), Opening::Closed, "01:59");
        assert_eq!(at(&c, "2026-03-29T01:00:00Z"), Opening::Open, "03:00");
        assert_eq!(at(&c, "2026-03-29T06:00:00Z"), Opening::Closed, "08:00 CEST");
        assert_eq!(at(&c, "2026-10-25T00:30:00Z"), Opening::Open, "02:30 the first time");
        assert_eq!(at(&c, "2026-10-25T01:15:00Z"), Opening::Closed, "02:15 the second time");
        assert_eq!(at(&c, "2026-10-25T06:59:00Z"), Opening::Open, "07:59 CET");
        assert_eq!(at(&c, "2026-10-25T07:00:00Z"), Opening::Closed);
    }

    #[test]
    fn holidays_yearly_by_easter_and_in_ranges() {
        let c = calendar(
            "zone: UTC\nweek: { mon-sun: 00:00-24:00 }\nholidays: { easter-2: Good Friday, easter+1: Monday, 12-30..01-02: , 2026-07-06..2026-07-10: fair }\n",
        );
        for day in ["2026-04-03", "2026-04-06", "2027-03-26", "2026-12-31", "2027-01-02", "2026-07-08"] {
            assert_eq!(at(&c, &format!("{day}T12:00:00Z")), Opening::Holiday, "{day}");
        }
        for day in ["2026-04-04", "2026-04-05", "2027-01-03", "2026-07-11", "2027-07-08"] {
            assert_eq!(at(&c, &format!("{day}T12:00:00Z")), Opening::Open, "{day}");
        }
    }

    #[test]
    fn special_days_have_their_own_hours() {
        let c = calendar("zone: UTC\nweek: { mon-sun: 08:00-17:00 }\nspecial: { 12-23: 08:00-12:00, 12-27: [] }\n");
        assert_eq!(at(&c, "2026-12-23T11:59:00Z"), Opening::Open);
        assert_eq!(at(&c, "2026-12-23T12:00:00Z"), Opening::Closed);
        assert_eq!(at(&c, "2026-12-27T12:00:00Z"), Opening::Closed);
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let text = "zone: Europe/Stokholm\nweek: { mon-fry: 08:00-17:00, tue: 8-17, wed: 25:00-26:00 }\nholidays: { 13-01: x, easter+: y, 2026-05-02..2026-05-01: z }\n";
        let (file, bad) = yaml::read::<CalendarFile>(text);
        assert_eq!(bad, []);
        let mut found = Vec::new();
        let compiled = file.expect("read").compile(|at, message, _| found.push((at.line, message)));
        assert!(compiled.is_none());
        let lines: Vec<u32> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 2, 2, 3, 3, 3], "{found:?}");
    }
}

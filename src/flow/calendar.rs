//! Opening hours: a week of windows in a time zone, with holidays and days of special hours.
//!
//! Hours are read from the clock on the wall of that zone, so a day with a change of clock opens and closes when people
//! there expect it. A window past midnight (`22:00-06:00`) belongs to the day it opens, also when the next day is a
//! holiday.

use super::yaml::{At, Many, Ordered, Span};
use crate::time::Time;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
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

/// What a calendar says of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    Open,
    Closed,
    Holiday,
}

#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    /// Monday first.
    week: [Vec<Window>; 7],
    holidays: Vec<Days>,
    special: Vec<(Days, Vec<Window>)>,
}

/// Minutes of the day; one that ends before it begins ends the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    from: u16,
    to: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    Date(Date, Date),
    /// (month, day), each year; a range may go over New Year.
    Yearly((i8, i8), (i8, i8)),
    /// Days from Easter Sunday.
    Easter(i32, i32),
}

impl Calendar {
    /// Compiles what was written; each thing that is wrong goes to `problem` with its place, message and help.
    pub fn compile(file: &CalendarFile, mut problem: impl FnMut(Span, String, Option<String>)) -> Option<Calendar> {
        let mut good = true;
        let mut problem = |at: Span, message: String, help: &str| {
            good = false;
            problem(at, message, Some(help.to_string()));
        };
        let zone = TimeZone::get(&file.zone).ok();
        if zone.is_none() {
            let message = format!("there is no time zone `{}`", *file.zone);
            problem(file.zone.at, message, "an IANA name such as `Europe/Stockholm` or `UTC`");
        }
        let mut week: [Vec<Window>; 7] = Default::default();
        for (days, windows) in &file.week.0 {
            let Some(days) = weekdays(days) else {
                problem(days.at, format!("`{}` is no day of the week", **days), "`mon`, `mon-fri` or `sat,sun`");
                continue;
            };
            let windows = compile_windows(&windows.0, &mut problem);
            for day in days {
                week[day].extend(&windows);
            }
        }
        let days = |key: &At<String>, problem: &mut dyn FnMut(Span, String, &str)| {
            let days = Days::parse(key);
            if days.is_none() {
                let help = "`2026-04-03`, `12-25`, `easter+1`, or a range of two such as `07-06..07-31`";
                problem(key.at, format!("`{}` is no day", **key), help);
            }
            days
        };
        let holidays = file.holidays.0.iter().filter_map(|(key, _)| days(key, &mut problem)).collect();
        let mut special = Vec::new();
        for (key, windows) in &file.special.0 {
            let windows = compile_windows(&windows.0, &mut problem);
            special.extend(days(key, &mut problem).map(|days| (days, windows)));
        }
        if !good {
            return None;
        }
        Some(Calendar { zone: zone?, week, holidays, special })
    }

    /// A window that began the day before counts first, then holidays, then this day's windows.
    pub fn at(&self, now: Time) -> Opening {
        let stamp = i64::try_from(now.as_micros()).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
        let here = stamp.unwrap_or(Timestamp::MAX).to_zoned(self.zone.clone()).datetime();
        let (today, minute) = (here.date(), here.hour() as u16 * 60 + here.minute() as u16);
        let yesterday = today.checked_sub(1.day()).ok();
        let late = |day| self.windows(day).iter().any(|w| w.to <= w.from && minute < w.to);
        if yesterday.is_some_and(|day| !self.is_holiday(day) && late(day)) {
            return Opening::Open;
        }
        if self.is_holiday(today) {
            return Opening::Holiday;
        }
        let open = |w: &Window| minute >= w.from && (minute < w.to || w.to <= w.from);
        if self.windows(today).iter().any(open) { Opening::Open } else { Opening::Closed }
    }

    fn windows(&self, day: Date) -> &[Window] {
        match self.special.iter().find(|(days, _)| days.include(day)) {
            Some((_, windows)) => windows,
            None => &self.week[day.weekday().to_monday_zero_offset() as usize],
        }
    }

    fn is_holiday(&self, day: Date) -> bool {
        self.holidays.iter().any(|days| days.include(day))
    }
}

fn compile_windows(windows: &[At<String>], problem: &mut dyn FnMut(Span, String, &str)) -> Vec<Window> {
    let parsed = windows.iter().filter_map(|text| {
        let window = Window::parse(text);
        if window.is_none() {
            let help = "from and to, such as `08:00-17:00`, `22:00-06:00` or `00:00-24:00`";
            problem(text.at, format!("`{}` is no window of hours", **text), help);
        }
        window
    });
    parsed.collect()
}

impl Window {
    fn parse(text: &str) -> Option<Window> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (minute(from)?, minute(to)?);
        (from != to && from < 1440).then_some(Window { from, to })
    }
}

/// `8:05` → 485; up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) || minute.len() != 2 {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && total <= 1440).then_some(total)
}

/// `mon-fri` → 0..=4, `fri-mon` → 4, 5, 6, 0, `sat,sun` → 5, 6.
fn weekdays(text: &str) -> Option<Vec<usize>> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let index = |name: &str| NAMES.iter().position(|n| *n == name.trim());
    let mut days = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (index(first)?, index(last)?);
                let count = (last + 7 - first) % 7;
                days.extend((0..=count).map(|n| (first + n) % 7));
            }
            None => days.push(index(part)?),
        }
    }
    Some(days)
}

impl Days {
    fn parse(text: &str) -> Option<Days> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (first.trim(), last.trim());
        let days = if let (Some(first), Some(last)) = (easter_offset(first), easter_offset(last)) {
            Days::Easter(first, last)
        } else if let (Some(first), Some(last)) = (month_day(first), month_day(last)) {
            return Some(Days::Yearly(first, last));
        } else {
            Days::Date(first.parse().ok()?, last.parse().ok()?)
        };
        let ordered = match days {
            Days::Date(first, last) => first <= last,
            Days::Easter(first, last) => first <= last,
            Days::Yearly(..) => true,
        };
        ordered.then_some(days)
    }

    fn include(&self, day: Date) -> bool {
        match *self {
            Days::Date(first, last) => (first..=last).contains(&day),
            Days::Yearly(first, last) => {
                let day = (day.month(), day.day());
                if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
            }
            Days::Easter(first, last) => {
                let offset = day.since(easter(day.year())).map_or(i32::MAX, |span| span.get_days());
                (first..=last).contains(&offset)
            }
        }
    }
}

/// `easter` → 0, `easter+39` → 39, `easter-2` → -2.
fn easter_offset(text: &str) -> Option<i32> {
    let rest = text.strip_prefix("easter")?;
    if rest.is_empty() {
        return Some(0);
    }
    let offset: i32 = rest.strip_prefix('+').unwrap_or(rest).parse().ok()?;
    (rest.starts_with(['+', '-']) && offset.abs() <= 100).then_some(offset)
}

/// `12-24`; 29 February is a day.
fn month_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    let (month, day): (i8, i8) = (month.parse().ok()?, day.parse().ok()?);
    Date::new(2024, month, day).ok().map(|_| (month, day))
}

/// Easter Sunday of the Gregorian calendar (the anonymous algorithm, as in Meeus, Astronomical Algorithms, ch. 8).
fn easter(year: i16) -> Date {
    let year = i32::from(year);
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    Date::new(year as i16, month as i8, day as i8).unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::yaml;

    fn calendar(text: &str) -> Calendar {
        let (file, bad) = yaml::read::<CalendarFile>(text);
        assert_eq!(bad, []);
        Calendar::compile(&file.expect("read"), |at, message, _| panic!("{at:?} {message}")).expect("compiles")
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
    fn easter_sundays() {
        for day in ["2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2038-04-25", "1961-04-02"] {
            let day: Date = day.parse().expect("a date");
            assert_eq!(easter(day.year()), day);
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let text = "zone: Europe/Stokholm\nweek: { mon-fry: 08:00-17:00, tue: 8-17, wed: 25:00-26:00 }\nholidays: { 13-01: x, easter+: y, 2026-05-02..2026-05-01: z }\n";
        let (file, bad) = yaml::read::<CalendarFile>(text);
        assert_eq!(bad, []);
        let mut found = Vec::new();
        let compiled = Calendar::compile(&file.expect("read"), |at, message, _| found.push((at.line, message)));
        assert!(compiled.is_none());
        let lines: Vec<u32> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 2, 2, 3, 3, 3], "{found:?}");
    }
}

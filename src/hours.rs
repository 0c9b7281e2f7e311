//! Opening hours: a week of windows in a time zone, with holidays and days of special hours.
//!
//! Hours are read from the clock on the wall of that zone, so a day with a change of clock opens and closes when people
//! there expect it. A window past midnight (`22:00-06:00`) belongs to the day it opens, also when the next day is a
//! holiday.

use crate::time::{Duration, Time};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// What a calendar says of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    Open,
    Closed,
    Holiday,
}

/// A part of a calendar that is not written as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub what: String,
    pub expected: &'static str,
}

/// Closed until it has windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: TimeZone,
    /// Monday first.
    week: [Vec<Window>; 7],
    holidays: Vec<Days>,
    special: Vec<(Days, Vec<Window>)>,
}

/// Minutes of the day; one that ends before it begins ends the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: u16,
    to: u16,
}

/// A day or a range of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    Date(Date, Date),
    /// (month, day), each year; a range may go over New Year.
    Yearly((i8, i8), (i8, i8)),
    /// Days from Easter Sunday.
    Easter(i32, i32),
}

/// So many days are looked ahead for the next opening or closing.
const AHEAD_MAX: i64 = 400;

impl Calendar {
    /// # Errors
    ///
    /// There is no time zone of this name.
    pub fn new(zone: &str) -> Result<Calendar, Wrong> {
        let found = TimeZone::get(zone).map_err(|_| Wrong {
            what: format!("there is no time zone `{zone}`"),
            expected: "an IANA name such as `Europe/Stockholm` or `UTC`",
        })?;
        Ok(Calendar { zone: found, week: Default::default(), holidays: Vec::new(), special: Vec::new() })
    }

    /// Adds windows to days of the week, 0 for Monday.
    pub fn add_week(&mut self, days: &[usize], windows: &[Window]) {
        for day in days {
            self.week[*day].extend(windows);
        }
    }

    pub fn add_holiday(&mut self, days: Days) {
        self.holidays.push(days);
    }

    /// The windows of these days, whatever the week says.
    pub fn add_special(&mut self, days: Days, windows: Vec<Window>) {
        self.special.push((days, windows));
    }

    /// A window that began the day before counts first, then holidays, then this day's windows.
    pub fn at(&self, now: Time) -> Opening {
        let here = stamp(now).to_zoned(self.zone.clone()).datetime();
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

    /// When it is open in these days from `first` on, as clocks there show it, counted from midnight of `first`; one after the other,
    /// with time between.
    pub fn open_from(&self, first: Date, days: u16) -> Vec<(Duration, Duration)> {
        const DAY: i64 = 1440;
        // What begins the day before may end on the first.
        let spans = (-1..i64::from(days)).filter_map(|n| Some((n, first.checked_add(n.days()).ok()?)));
        let spans = spans.filter(|(_, day)| !self.is_holiday(*day)).flat_map(|(n, day)| {
            let to = |w: &Window| i64::from(w.to) + if w.to <= w.from { DAY } else { 0 };
            self.windows(day).iter().map(move |w| (n * DAY + i64::from(w.from), n * DAY + to(w)))
        });
        let clip = |minute: i64| minute.clamp(0, i64::from(days) * DAY);
        let spans = spans.map(|(from, to)| (clip(from), clip(to))).filter(|(from, to)| from < to);
        let mut spans: Vec<(i64, i64)> = spans.collect();
        spans.sort_unstable();
        spans.dedup_by(|next, last| {
            let joins = next.0 <= last.1;
            last.1 = if joins { last.1.max(next.1) } else { last.1 };
            joins
        });
        let length = |minutes: i64| Duration::from_secs(60 * minutes.unsigned_abs());
        spans.into_iter().map(|(from, to)| (length(from), length(to))).collect()
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

    /// When it next opens or closes after `now`; `None` if it does neither within 400 days.
    pub fn next_change(&self, now: Time) -> Option<Time> {
        let open = self.at(now) == Opening::Open;
        let first = stamp(now).to_zoned(self.zone.clone()).date();
        (0..AHEAD_MAX).find_map(|days| {
            let day = first.checked_add(days.days()).ok()?;
            let end = self.zone.to_ambiguous_timestamp(day.tomorrow().ok()?.at(0, 0, 0, 0)).later().ok()?;
            // A window of the day before may end on this day.
            let moments = [day.yesterday().ok()?, day].into_iter().flat_map(|day| self.moments_of(day));
            let moments = moments.filter(|at| *at <= end).filter_map(|at| u64::try_from(at.as_microsecond()).ok());
            let mut moments: Vec<Time> = moments.map(Time::from_micros).filter(|moment| *moment > now).collect();
            moments.sort_unstable();
            moments.into_iter().find(|moment| (self.at(*moment) == Opening::Open) != open)
        })
    }

    /// When something could change on this day, and more: its beginning, the ends of its windows, the next changes of the clock.
    fn moments_of(&self, day: Date) -> impl Iterator<Item = Timestamp> {
        let midnight = day.at(0, 0, 0, 0);
        let ends = self.windows(day).iter().flat_map(move |window| {
            let past_midnight = if window.to <= window.from { 1440 } else { 0 };
            [i64::from(window.from), i64::from(window.to) + past_midnight]
        });
        let at_minute = move |minutes: i64| midnight.checked_add(minutes.minutes()).ok();
        // Where the clock is put back an hour comes twice, and both count; where it is put forward, the hour left out is
        // found by the change itself.
        let walls = [0].into_iter().chain(ends).filter_map(at_minute).flat_map(|wall: DateTime| {
            let wall = self.zone.to_ambiguous_timestamp(wall);
            [wall.earlier().ok(), wall.later().ok()]
        });
        let begin = self.zone.to_ambiguous_timestamp(midnight).earlier().unwrap_or(Timestamp::MAX);
        let changes: Vec<Option<Timestamp>> =
            self.zone.following(begin).take(2).map(|change| Some(change.timestamp())).collect();
        walls.chain(changes).flatten()
    }
}

fn stamp(at: Time) -> Timestamp {
    let stamp = i64::try_from(at.as_micros()).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    stamp.unwrap_or(Timestamp::MAX)
}

impl Window {
    /// From and to, such as `08:00-17:00`.
    pub fn parse(text: &str) -> Result<Window, Wrong> {
        let window = || {
            let (from, to) = text.split_once('-')?;
            let (from, to) = (minute(from)?, minute(to)?);
            (from != to && from < 1440).then_some(Window { from, to })
        };
        window().ok_or_else(|| Wrong {
            what: format!("`{text}` is no window of hours"),
            expected: "from and to, such as `08:00-17:00`, `22:00-06:00` or `00:00-24:00`",
        })
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

/// `mon-fri` is 0 to 4, `fri-mon` 4, 5, 6, 0, `sat,sun` 5 and 6.
pub fn weekdays(text: &str) -> Result<Vec<usize>, Wrong> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let index = |name: &str| NAMES.iter().position(|n| *n == name.trim());
    let part = |part: &str| match part.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (index(first)?, index(last)?);
            let count = (last + 7 - first) % 7;
            Some((0..=count).map(|n| (first + n) % 7).collect())
        }
        None => Some(vec![index(part)?]),
    };
    let days: Option<Vec<Vec<usize>>> = text.split(',').map(part).collect();
    days.map(|days| days.concat()).ok_or_else(|| Wrong {
        what: format!("`{text}` is no day of the week"),
        expected: "`mon`, `mon-fri` or `sat,sun`",
    })
}

impl Days {
    /// A day (`2026-04-03`, `12-25`, `easter+1`), or a range of two (`07-06..07-31`).
    pub fn parse(text: &str) -> Result<Days, Wrong> {
        Days::read(text).ok_or_else(|| Wrong {
            what: format!("`{text}` is no day"),
            expected: "`2026-04-03`, `12-25`, `easter+1`, or a range of two such as `07-06..07-31`",
        })
    }

    fn read(text: &str) -> Option<Days> {
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

    fn time(text: &str) -> Time {
        let stamp: Timestamp = text.parse().expect("a moment");
        Time::from_micros(u64::try_from(stamp.as_microsecond()).expect("after 1970"))
    }

    fn calendar(zone: &str, week: &[(&str, &str)]) -> Calendar {
        let mut calendar = Calendar::new(zone).expect("a zone");
        for (days, window) in week {
            calendar.add_week(&weekdays(days).expect("days"), &[Window::parse(window).expect("a window")]);
        }
        calendar
    }

    #[test]
    fn the_next_change_is_the_next_moment_that_people_there_find_it_otherwise() {
        let office = calendar("Europe/Stockholm", &[("mon-fri", "08:00-12:00"), ("mon-fri", "12:00-17:00")]);
        let night = calendar("UTC", &[("fri", "22:00-06:00")]);
        let sunday = calendar("Europe/Stockholm", &[("sun", "02:30-08:00")]);
        let table = [
            (&office, "2026-11-23T07:59:59+01:00", "2026-11-23T08:00:00+01:00"),
            // The morning goes over into the afternoon.
            (&office, "2026-11-23T08:00:00+01:00", "2026-11-23T17:00:00+01:00"),
            (&office, "2026-11-27T17:00:00+01:00", "2026-11-30T08:00:00+01:00"),
            (&night, "2026-11-27T23:00:00Z", "2026-11-28T06:00:00Z"),
            (&night, "2026-11-28T03:00:00Z", "2026-11-28T06:00:00Z"),
            (&night, "2026-11-28T06:00:00Z", "2026-12-04T22:00:00Z"),
            // 02:30 is left out in March, and comes twice in October.
            (&sunday, "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
            (&sunday, "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),
            (&sunday, "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"),
            (&sunday, "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"),
        ];
        for (calendar, now, next) in table {
            assert_eq!(calendar.next_change(time(now)), Some(time(next)), "after {now}");
        }
    }

    #[test]
    fn always_or_never_open_never_changes() {
        let always = calendar("UTC", &[("mon-sun", "00:00-24:00")]);
        let never = calendar("UTC", &[]);
        assert_eq!(always.next_change(time("2026-11-23T12:00:00Z")), None);
        assert_eq!(never.next_change(time("2026-11-23T12:00:00Z")), None);
    }

    #[test]
    fn holidays_and_special_days_are_changes() {
        let mut shop = calendar("UTC", &[("mon-sun", "00:00-24:00")]);
        shop.add_holiday(Days::parse("12-25..12-26").expect("days"));
        shop.add_special(Days::parse("12-31").expect("a day"), vec![Window::parse("10:00-14:00").expect("a window")]);
        let mut now = time("2026-12-01T00:00:00Z");
        for next in [
            "2026-12-25T00:00:00Z",
            "2026-12-27T00:00:00Z",
            "2026-12-31T00:00:00Z",
            "2026-12-31T10:00:00Z",
            "2026-12-31T14:00:00Z",
            "2027-01-01T00:00:00Z",
        ] {
            now = shop.next_change(now).expect("a change");
            assert_eq!(now, time(next));
        }
    }

    /// Minute by minute, over the changes of clock of a year.
    #[test]
    fn no_change_is_missed_and_none_is_made_up() {
        let mut odd =
            calendar("Europe/London", &[("mon-fri", "09:00-17:30"), ("sat", "20:00-02:00"), ("sun", "01:15-01:45")]);
        odd.add_holiday(Days::parse("easter+1").expect("a day"));
        for (begin, days) in [("2026-03-25T00:00:00Z", 20), ("2026-10-20T00:00:00Z", 10)] {
            let mut now = time(begin);
            let end = now + std::time::Duration::from_secs(days * 86_400);
            let mut next = odd.next_change(now).expect("a change");
            while now < end {
                let then = now + std::time::Duration::from_secs(60);
                let changed = (odd.at(now) == Opening::Open) != (odd.at(then) == Opening::Open);
                assert_eq!(changed, next == then, "{now} {next}");
                now = then;
                if changed {
                    next = odd.next_change(now).expect("a change");
                }
            }
        }
    }

    #[test]
    fn the_hours_of_some_days_are_told_as_clocks_show_them() {
        let mut calendar = Calendar::new("Europe/Stockholm").unwrap();
        let window = |text| Window::parse(text).unwrap();
        calendar.add_week(&[0, 1, 2, 3, 4], &[window("08:00-12:00"), window("12:00-17:00")]);
        calendar.add_week(&[5], &[window("22:00-02:00")]);
        calendar.add_holiday(Days::parse("2026-11-24").unwrap());
        calendar.add_special(Days::parse("2026-11-25").unwrap(), vec![window("10:00-11:00")]);
        let told = |date: &str, days| {
            let hours = calendar.open_from(date.parse().unwrap(), days);
            hours.into_iter().map(|(from, to)| (from.as_secs() / 3600, to.as_secs() / 3600)).collect::<Vec<_>>()
        };
        assert_eq!(told("2026-11-23", 4), [(8, 17), (58, 59), (80, 89)]);
        assert_eq!(told("2026-11-22", 1), [(0, 2)], "what began the day before");
        assert_eq!(told("2026-11-21", 1), [(22, 24)]);
        assert_eq!(told("2026-11-21", 2), [(22, 26)]);
        // The clock is put forward in that night, and shows the same.
        assert_eq!(told("2026-03-28", 3), [(22, 26), (56, 65)]);
    }

    #[test]
    fn easter_sundays() {
        for day in ["2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2038-04-25", "1961-04-02"] {
            let day: Date = day.parse().expect("a date");
            assert_eq!(easter(day.year()), day);
        }
    }
}

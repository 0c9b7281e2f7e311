//! One kind of time for the whole program.
//!
//! [`Time`] is microseconds since the Unix epoch, but it is *handed in*: only `edge::clock` reads a clock, and what it
//! hands out never goes backwards. One type serves timers, journals and records alike, so an event written yesterday
//! and a timer set today can be compared, and a simulated day is only a sequence of numbers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, AddAssign, Sub};
pub use std::time::Duration;

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    pub const EPOCH: Time = Time(0);
    /// Later than every moment that can be reached.
    pub const NEVER: Time = Time(u64::MAX);

    pub const fn from_micros(micros: u64) -> Time {
        Time(micros)
    }

    pub const fn from_secs(secs: u64) -> Time {
        Time(secs * 1_000_000)
    }

    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at [`Time::NEVER`].
impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, d: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

/// Saturates at [`Time::EPOCH`].
impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, d: Duration) -> Time {
        Time(self.0.saturating_sub(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-23T09:00:00.000Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok()) {
            Some(stamp) => write!(f, "{stamp:.3}"),
            None => f.write_str("never"),
        }
    }
}

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a length of time as operators write it in settings and flows: `20s`, `5m`, `1h30m`, `500ms`, `2d`.
///
/// Whole numbers with a unit, largest unit first, each unit at most once, no spaces. `None` for anything else: a bare
/// number above all, because nobody could tell seconds from milliseconds. No more than 100 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (mut rest, mut units, mut millis) = (text, &UNITS[..], 0u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (digits, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (name, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let at = units.iter().position(|(unit, _)| *unit == name)?;
        millis = millis.checked_add(digits.parse::<u64>().ok()?.checked_mul(units[at].1)?)?;
        (rest, units) = (tail, &units[at + 1..]);
    }
    (millis <= 100 * 365 * UNITS[0].1).then(|| Duration::from_millis(millis))
}

/// Writes what [`parse_duration`] reads, to the millisecond: `1h30m`, `20s`, `0s`.
pub fn show_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, size) in UNITS {
        if millis >= size {
            text += &format!("{}{unit}", millis / size);
            millis %= size;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in
            [("20s", 20_000), ("5m", 300_000), ("1h30m", 5_400_000), ("500ms", 500), ("1d1ms", 86_400_001), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "20", "s", "20 s", "-5s", "1.5s", "30s1m", "5s5s", "20S", "99999999999999999999s", "36501d", "5sä"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn shown_durations_are_read_back() {
        for text in ["1h30m", "20s", "0s", "1d2h3m4s5ms"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(show_duration(Duration::from_micros(90_000_999)), "1m30s");
    }

    #[test]
    fn since_is_zero_when_time_runs_backwards() {
        assert_eq!(Time::from_secs(1).since(Time::from_secs(2)), Duration::ZERO);
        assert_eq!(Time::from_secs(3).since(Time::from_secs(2)), Duration::from_secs(1));
    }

    #[test]
    fn sums_saturate_at_both_ends() {
        assert_eq!(Time::NEVER + Duration::from_secs(1), Time::NEVER);
        assert_eq!(Time::EPOCH - Duration::from_secs(1), Time::EPOCH);
        assert_eq!(Time::from_secs(1) + Duration::MAX, Time::NEVER);
    }

    #[test]
    fn shown_as_rfc_3339() {
        assert_eq!(Time::from_micros(1_795_424_400_123_456).to_string(), "2026-11-23T09:00:00.123Z");
        assert_eq!(Time::NEVER.to_string(), "never");
    }
}

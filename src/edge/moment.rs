//! A moment as people write it, and as they read it.

use crate::time::{Duration, Time};
use anyhow::{Context, bail};
use jiff::civil::{Date, DateTime, Time as TimeOfDay};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Reads `2026-11-23T14:05:00+01:00` (RFC 3339), the same without an offset in this zone, or `14:05`, which is today.
///
/// # Errors
///
/// It is none of these, or there is no such moment.
pub fn read(text: &str, now: Time, zone: &TimeZone) -> anyhow::Result<Time> {
    let moment = if let Ok(moment) = text.parse::<Timestamp>() {
        moment
    } else if let Ok(local) = text.parse::<DateTime>().or_else(|error| match text.contains(['T', 't', ' ']) {
        true => Err(error),
        false => text.parse::<TimeOfDay>().map(|time| zoned(now, zone).date().to_datetime(time)),
    }) {
        local.to_zoned(zone.clone()).with_context(|| format!("there is no {text} in this time zone"))?.timestamp()
    } else {
        bail!("`{text}` is no time; write it as 2026-11-23T14:05:00+01:00, as 2026-11-23T14:05, or as 14:05 for today")
    };
    match u64::try_from(moment.as_microsecond()) {
        Ok(micros) => Ok(Time::from_micros(micros)),
        Err(_) => bail!("{text} is before 1970"),
    }
}

fn zoned(at: Time, zone: &TimeZone) -> Zoned {
    let micros = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX).to_zoned(zone.clone())
}

/// When this day begins in this zone.
///
/// # Errors
///
/// It never does, or before 1970.
pub fn midnight(date: Date, zone: &TimeZone) -> anyhow::Result<Time> {
    let begin = date.to_zoned(zone.clone()).with_context(|| format!("there is no midnight on {date}"))?.timestamp();
    Ok(Time::from_micros(u64::try_from(begin.as_microsecond()).with_context(|| format!("{date} is before 1970"))?))
}

/// When what is so long begins on the clocks of this zone, of which this moment is a part: at ten for an hour and 10:20. An hour has to
/// be a multiple of it.
pub fn begin_of(at: Time, length: Duration, zone: &TimeZone) -> Time {
    let ahead = i128::from(zoned(at, zone).offset().seconds()) * 1_000_000;
    let length = i128::try_from(length.as_micros()).unwrap_or(i128::MAX).max(1);
    let into = (i128::from(at.as_micros()) + ahead).rem_euclid(length);
    Time::from_micros(at.as_micros().saturating_sub(u64::try_from(into).unwrap_or(0)))
}

/// The day on the calendar in this zone.
pub fn date(at: Time, zone: &TimeZone) -> Date {
    zoned(at, zone).date()
}

/// `2026-11-23 14:05:00`, in this zone.
pub fn show(at: Time, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2026-11-23T14:05:00+01:00`, in this zone.
pub fn show_with_offset(at: Time, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// `14:05:00`, with the date where that is not the day of `now`.
pub fn show_near(at: Time, now: Time, zone: &TimeZone) -> String {
    let (at_, now) = (zoned(at, zone), zoned(now, zone));
    if at_.date() == now.date() { at_.strftime("%H:%M:%S").to_string() } else { show(at, zone) }
}

/// `4m12s`: to the second, rounded down.
pub fn show_length(length: Duration) -> String {
    crate::time::show_duration(Duration::from_secs(length.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stockholm() -> TimeZone {
        TimeZone::get("Europe/Stockholm").unwrap()
    }

    /// 2026-11-23T01:00 there: the day before in UTC.
    const NOW: Time = Time::from_secs(1_795_392_000);

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        for (text, micros) in [
            ("2026-11-23T14:05:00+01:00", 1_795_439_100_000_000),
            ("2026-11-23T13:05:00Z", 1_795_439_100_000_000),
            ("2026-11-23 14:05", 1_795_439_100_000_000),
            ("2026-11-23T14:05:00.25", 1_795_439_100_250_000),
            ("14:05", 1_795_439_100_000_000),
            ("2026-11-23", 1_795_388_400_000_000),
            ("14:05:30", 1_795_439_130_000_000),
        ] {
            assert_eq!(read(text, NOW, &stockholm()).unwrap(), Time::from_micros(micros), "{text}");
        }
        for text in ["", "now", "25:00", "2026-13-01T00:00", "14:05+01:00x"] {
            let error = read(text, NOW, &stockholm()).unwrap_err().to_string();
            assert!(error.contains("write it as"), "{text}: {error}");
        }
        assert!(read("1969-12-31T00:00:00Z", NOW, &stockholm()).is_err());
    }

    #[test]
    fn days_and_hours_begin_as_on_the_clocks_there() {
        let (kolkata, zone) = (TimeZone::get("Asia/Kolkata").unwrap(), stockholm());
        let (hour, quarter) = (Duration::from_secs(3600), Duration::from_secs(900));
        let at = |text: &str, zone: &TimeZone| read(text, NOW, zone).unwrap();
        assert_eq!(midnight(jiff::civil::date(2026, 11, 23), &zone).unwrap(), at("2026-11-23T00:00", &zone));
        assert!(midnight(jiff::civil::date(1969, 12, 31), &zone).is_err());
        assert_eq!(begin_of(at("14:05", &kolkata), hour, &kolkata), at("14:00", &kolkata));
        assert_eq!(begin_of(at("14:05", &kolkata), hour, &zone), at("13:30", &kolkata));
        assert_eq!(begin_of(at("14:59:59.5", &zone), quarter, &zone), at("14:45", &zone));
        assert_eq!(begin_of(at("14:45", &zone), quarter, &zone), at("14:45", &zone));
        // Half past two is there twice when summer ends.
        let twice = |text: &str| begin_of(at(text, &zone), hour, &zone);
        assert_eq!(twice("2026-10-25T00:30:00Z"), at("2026-10-25T00:00:00Z", &zone));
        assert_eq!(twice("2026-10-25T01:30:00Z"), at("2026-10-25T01:00:00Z", &zone));
    }

    #[test]
    fn a_moment_is_shown_where_it_is_read() {
        let at = read("14:05", NOW, &stockholm()).unwrap();
        assert_eq!(show(at, &stockholm()), "2026-11-23 14:05:00");
        assert_eq!(show_with_offset(at, &stockholm()), "2026-11-23T14:05:00+01:00");
        assert_eq!(show_near(at, NOW, &stockholm()), "14:05:00");
        assert_eq!(show_near(at, NOW + Duration::from_secs(86_400), &stockholm()), "2026-11-23 14:05:00");
        assert_eq!(show_length(Duration::from_millis(252_900)), "4m12s");
    }
}

//! Which time is asked for.

use crate::config::Every;
use crate::edge::moment;
use crate::time::{Duration, Time};
use anyhow::bail;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// No longer time is told of at once: every event in it is folded, and each interval is a line.
pub const LONGEST: Duration = Duration::from_secs(32 * 86_400);

/// As it is asked for on the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// `None`: today.
    pub day: Option<Date>,
    /// As people write a moment; a mere time of day is of that day.
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
    /// Only that one.
    pub queue: Option<&'a str>,
    pub every: Every,
}

/// The time that is told of, and in which parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub from: Time,
    /// Not after `now`.
    pub to: Time,
    pub every: Duration,
    pub now: Time,
}

impl Asked<'_> {
    /// # Errors
    ///
    /// There is no such time, it is still to come or too long, or it does not begin and end where an interval does.
    pub fn span(&self, now: Time, zone: &TimeZone) -> anyhow::Result<Span> {
        let day = match self.day {
            None => now,
            Some(day) => moment::midnight(day, zone)?,
        };
        let read = |text: &&str| moment::read(text, day, zone);
        let from = self.from.as_ref().map(read).transpose()?;
        let date = moment::date(from.unwrap_or(day), zone);
        let from = match from {
            Some(from) => from,
            None => moment::midnight(date, zone)?,
        };
        let to = match self.to.as_ref().map(read).transpose()? {
            Some(to) => to,
            None => moment::midnight(date.checked_add(1.day())?, zone)?,
        };
        if from >= now {
            bail!("{} is still to come; a report is of what was", moment::show(from, zone));
        }
        if from >= to {
            bail!("{} is not before {}: `--from` and `--to` say from when to when", show(from, zone), show(to, zone));
        }
        if to.since(from) > LONGEST {
            let days = LONGEST.as_secs() / 86_400;
            bail!("from {} to {} is more than {days} days; ask for less at once", show(from, zone), show(to, zone));
        }
        for at in [Some(from), Some(to).filter(|to| *to < now)].into_iter().flatten() {
            let quarter = Every::Quarter.length();
            let before = moment::begin_of(at, quarter, zone);
            if before != at {
                let (before, after) = (show(before, zone), show(before + quarter, zone));
                bail!(
                    "callers are counted by quarters of an hour: instead of {} write {before} or {after}",
                    show(at, zone)
                );
            }
        }
        Ok(Span { from, to: to.min(now), every: self.every.length(), now })
    }
}

fn show(at: Time, zone: &TimeZone) -> String {
    moment::show(at, zone)
}

impl Span {
    /// Where its intervals begin, and after them where it ends. They begin with the clock's, whenever the first does.
    pub fn bounds(&self, zone: &TimeZone) -> Vec<Time> {
        let mut bounds = vec![self.from];
        let mut next = moment::begin_of(self.from, self.every, zone) + self.every;
        while next < self.to {
            bounds.push(next);
            next = moment::begin_of(next, self.every, zone) + self.every;
        }
        bounds.push(self.to);
        bounds
    }
}

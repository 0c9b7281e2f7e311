//! A day as it is expected: who calls, who works, and how the queues are set.

use super::lengths::Lengths;
use crate::acd::{AgentSettings, QueueSettings};
use crate::ids::QueueId;
use crate::need::{Attributes, Need};
use crate::time::{Duration, Time};
use std::fmt;
use std::str::FromStr;

/// Calls of one day that are expected, at most: each is kept until the day is over.
pub const CALLS_MAX: f64 = 20e6;
/// Agents of one day, at most.
pub const AGENTS_MAX: usize = 100_000;

/// What a day is made of. Moments are counted from midnight; those of the next day are beyond 24 hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Calls arrive from then until `closes`.
    pub opens: Duration,
    pub closes: Duration,
    /// What is reported as one; longer than zero.
    pub interval: Duration,
    /// Nobody new is let in after `closes`. Who waits then is sent away (`QueueClosed`), or is served as long as some
    /// shift lasts, and sent away when the last ends.
    pub at_closing: AtClosing,
    /// Their order gives the `QueueId`s.
    pub queues: Vec<QueueSettings>,
    /// Of each queue, when it is open, one after the other with time between; `None`, and where there is none: always.
    pub hours: Vec<Option<Vec<(Duration, Duration)>>>,
    pub groups: Vec<Group>,
    pub calls: Vec<Calls>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtClosing {
    #[default]
    Serve,
    SendAway,
}

/// People who work alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub name: String,
    pub agents: u32,
    /// Skills and times of each of them; the wrap-up is the longest they may take.
    pub settings: AgentSettings,
    /// The shift. At its end a talk goes on, and nothing follows it.
    pub from: Duration,
    pub to: Duration,
    pub breaks: Vec<Break>,
    /// From the ring to the answer. Longer than the ring time: not answered.
    pub answers_after: Lengths,
    /// Shares of the offers that they decline (as late as they would answer), and that they let ring.
    pub declines: f64,
    pub misses: f64,
}

/// A break, taken after the talk and the wrap-up that are on when it comes, in full length.
#[derive(Clone, Debug, PartialEq)]
pub struct Break {
    pub at: Duration,
    pub length: Duration,
    /// They go one after the other, the last this much later than the first.
    pub spread: Duration,
}

/// Callers who are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    pub queue: QueueId,
    /// Beside what the queue needs.
    pub needs: Need,
    /// What is known of them by name; rules, needs and overflow of queues may ask for it.
    pub attributes: Attributes,
    /// Added to the queue's.
    pub priority: i32,
    pub arrivals: Arrivals,
    /// One after the other, none beyond `Plan::closes`.
    pub rates: Vec<Rate>,
    pub talk: Lengths,
    /// How long the agent's notes take afterwards; `None`: all the time there is for wrap-up.
    pub notes: Option<Lengths>,
    /// How long they wait before they hang up.
    pub patience: Lengths,
}

/// So many calls are expected between two moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub from: Duration,
    pub to: Duration,
    pub calls: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// Callers who know nothing of each other: their number differs from day to day.
    #[default]
    Poisson,
    /// Exactly as many as expected, at even distances.
    Even,
}

/// One person who works round the clock, answers every call at once and can do nothing special.
impl Default for Group {
    fn default() -> Self {
        Group {
            name: String::new(),
            agents: 1,
            settings: AgentSettings::default(),
            from: Duration::ZERO,
            to: Duration::from_secs(86_400),
            breaks: Vec::new(),
            answers_after: Lengths::Constant(Duration::ZERO),
            declines: 0.0,
            misses: 0.0,
        }
    }
}

impl Plan {
    /// The midnight that the day begins from. Any would give the same day; from this one the intervals begin where the
    /// distributor's do, which count from the epoch.
    pub fn midnight(&self) -> Time {
        let (interval, new_year) = (self.interval.max(Duration::from_secs(1)), Time::from_secs(1_767_225_600));
        let off = (new_year + self.opens).as_micros() as u128 % interval.as_micros();
        new_year + (interval - Duration::from_micros(off as u64))
    }

    /// When the last shift is over and the door is shut; talks may last longer.
    pub fn ends(&self) -> Duration {
        let shifts = self.groups.iter().map(|group| group.to);
        match self.at_closing {
            AtClosing::Serve => shifts.fold(self.closes, Duration::max),
            AtClosing::SendAway => self.closes,
        }
    }

    pub fn intervals(&self) -> usize {
        let (open, interval) = (self.closes.saturating_sub(self.opens).as_micros(), self.interval.as_micros().max(1));
        usize::try_from(open.div_ceil(interval)).unwrap_or(usize::MAX)
    }

    /// The bounds of an interval; the last may be shorter than the others.
    pub fn interval(&self, index: usize) -> (Duration, Duration) {
        let at = |index: usize| self.opens + self.interval * u32::try_from(index).unwrap_or(u32::MAX);
        (at(index), at(index + 1).min(self.closes))
    }

    pub fn calls_expected(&self) -> f64 {
        self.calls.iter().flat_map(|calls| &calls.rates).map(|rate| rate.calls).sum()
    }

    pub fn agents(&self) -> usize {
        self.groups.iter().map(|group| group.agents as usize).sum()
    }
}

/// A time of day, `"08:30"`, as the time since midnight; up to `"24:00"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(pub Duration);

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<TimeOfDay, String> {
        let number = |digits: &str| match digits.len() {
            2 if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse::<u64>().map_err(|e| e.to_string()),
            _ => Err(String::new()),
        };
        let (hours, minutes) = text.split_once(':').ok_or_else(String::new)?;
        match (number(hours)?, number(minutes)?) {
            (hours @ 0..24, minutes @ 0..60) | (hours @ 24, minutes @ 0) => {
                Ok(TimeOfDay(Duration::from_secs(hours * 3600 + minutes * 60)))
            }
            _ => Err("there is no such time".into()),
        }
    }
}

/// As clocks show it on the next day, too; but the end of the first is 24:00.
impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_secs() / 60;
        let hours = if minutes == 24 * 60 { 24 } else { minutes / 60 % 24 };
        write!(f, "{hours:02}:{:02}", minutes % 60)
    }
}

impl FromStr for Arrivals {
    type Err = String;

    fn from_str(text: &str) -> Result<Arrivals, String> {
        match text {
            "poisson" => Ok(Arrivals::Poisson),
            "even" => Ok(Arrivals::Even),
            _ => Err(String::new()),
        }
    }
}

impl FromStr for AtClosing {
    type Err = String;

    fn from_str(text: &str) -> Result<AtClosing, String> {
        match text {
            "serve" => Ok(AtClosing::Serve),
            "send away" => Ok(AtClosing::SendAway),
            _ => Err(String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read_as_clocks_show_them() {
        for (text, minutes) in [("00:00", 0), ("08:30", 510), ("23:59", 1439), ("24:00", 1440)] {
            assert_eq!(text.parse(), Ok(TimeOfDay(Duration::from_secs(minutes * 60))), "{text}");
        }
        for wrong in ["8:30", "0830", "24:01", "25:00", "12:60", "+8:30", "", "aa:bb", "12:30:00"] {
            assert!(wrong.parse::<TimeOfDay>().is_err(), "{wrong}");
        }
        assert_eq!(TimeOfDay(Duration::from_secs(26 * 3600 + 60)).to_string(), "02:01");
        assert_eq!(TimeOfDay(Duration::from_secs(24 * 3600)).to_string(), "24:00");
    }
}

//! The counts of one queue: by interval of arrival for some days, and of all time.

use super::Settings;
use super::counts::Counts;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The contacts that arrived from `begin` on, for the length of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    pub begin: Time,
    pub counts: Counts,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    pub total: Counts,
    /// Of the intervals that are no longer kept.
    pub older: Counts,
    /// By begin; only those in which somebody arrived.
    pub intervals: VecDeque<Interval>,
}

impl Book {
    /// Makes room for the contacts that arrive now. Time does not run backwards here.
    pub fn open(&mut self, now: Time, settings: &Settings) {
        let length = settings.interval_micros();
        let begin = now.as_micros() - now.as_micros() % length;
        if self.intervals.back().is_some_and(|last| last.begin.as_micros() >= begin) {
            return;
        }
        let kept = length.saturating_mul(u64::from(settings.intervals_kept.max(1)) - 1);
        while let Some(first) = self.intervals.front().filter(|first| begin - first.begin.as_micros() > kept) {
            self.older.add(&first.counts);
            self.intervals.pop_front();
        }
        self.intervals.push_back(Interval { begin: Time::from_micros(begin), counts: Counts::default() });
    }

    /// Counts something of a contact that arrived then: in its interval, or among the older if that is gone.
    pub fn count(&mut self, arrived: Time, change: impl Fn(&mut Counts)) {
        change(&mut self.total);
        let after = self.intervals.partition_point(|interval| interval.begin <= arrived);
        match after.checked_sub(1) {
            Some(index) => change(&mut self.intervals[index].counts),
            None => change(&mut self.older),
        }
    }
}

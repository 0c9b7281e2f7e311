//! How wrong each estimator was in the last hour.

use super::Estimator;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Errors are counted in buckets of so many thousandths, and one for all that are greater.
const WIDTH: u64 = 50;
const BUCKETS: usize = 21;
/// The hour is cut into slots; the oldest is forgotten as one.
const SLOT_MICROS: u64 = 300_000_000;
const SLOTS: u64 = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    number: u64,
    counts: [[u16; BUCKETS]; Estimator::ALL.len()],
}

/// A histogram per estimator and slot: 1.6 kB for an hour, however many errors there were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors(VecDeque<Slot>);

impl Errors {
    /// An error in thousandths of the true wait. A slot that is full (65,535) counts no more.
    pub fn add(&mut self, now: Time, estimator: Estimator, thousandths: u64) {
        let number = now.as_micros() / SLOT_MICROS;
        if self.0.back().is_none_or(|last| last.number < number) {
            while self.0.front().is_some_and(|first| !is_kept(first, number)) {
                self.0.pop_front();
            }
            self.0.push_back(Slot { number, counts: Default::default() });
        }
        let slot = self.0.back_mut().expect("pushed if there was none");
        let bucket = usize::try_from(thousandths / WIDTH).unwrap_or(BUCKETS).min(BUCKETS - 1);
        let count = &mut slot.counts[estimator as usize][bucket];
        *count = count.saturating_add(1);
    }

    /// How many errors of the last hour there are, and their median in thousandths (evenly spread within a bucket). In
    /// the last bucket it is that bucket's lower bound.
    pub fn median(&self, now: Time, estimator: Estimator) -> (u64, u64) {
        let number = now.as_micros() / SLOT_MICROS;
        let mut sums = [0u64; BUCKETS];
        for slot in self.0.iter().filter(|slot| is_kept(slot, number)) {
            sums.iter_mut().zip(slot.counts[estimator as usize]).for_each(|(sum, count)| *sum += u64::from(count));
        }
        let total: u64 = sums.iter().sum();
        let mut below = 0;
        for (bucket, count) in (0..).zip(sums) {
            if count > 0 && 2 * (below + count) >= total {
                // The median is the (total/2 − below)th of this bucket's.
                let within = if bucket + 1 == BUCKETS as u64 { 0 } else { (total - 2 * below) * WIDTH / (2 * count) };
                return (total, bucket * WIDTH + within);
            }
            below += count;
        }
        (0, 0)
    }
}

fn is_kept(slot: &Slot, number: u64) -> bool {
    slot.number + SLOTS > number
}

#[cfg(test)]
mod tests {
    use super::*;

    const QL: Estimator = Estimator::QueueLength;

    fn at(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn the_median_is_right_within_a_bucket() {
        let mut errors = Errors::default();
        assert_eq!(errors.median(at(0), QL), (0, 0));
        for error in [20, 110, 120, 130, 9_000] {
            errors.add(at(0), QL, error);
        }
        // The third of five is 120, in the bucket 100–150, of which 1.5 of 3 are below.
        assert_eq!(errors.median(at(0), QL), (5, 125));
        assert_eq!(errors.median(at(0), Estimator::HeadOfLine), (0, 0));
    }

    #[test]
    fn what_is_beyond_the_buckets_is_at_least_their_end() {
        let mut errors = Errors::default();
        for error in [1_000, 5_000, u64::MAX] {
            errors.add(at(0), QL, error);
        }
        assert_eq!(errors.median(at(0), QL), (3, 1_000));
    }

    #[test]
    fn after_an_hour_they_are_forgotten() {
        let mut errors = Errors::default();
        errors.add(at(0), QL, 400);
        errors.add(at(1_800), QL, 100);
        assert_eq!(errors.median(at(3_599), QL).0, 2);
        assert_eq!(errors.median(at(3_600), QL), (1, 125));
        assert_eq!(errors.median(at(10_000), QL).0, 0);
        (0..100).for_each(|slot| errors.add(at(10_000 + slot * 300), QL, 1));
        assert_eq!(errors.0.len() as u64, SLOTS);
    }

    #[test]
    fn a_full_slot_counts_no_more() {
        let mut errors = Errors::default();
        (0..70_000).for_each(|_| errors.add(at(0), QL, 100));
        assert_eq!(errors.median(at(0), QL).0, 65_535);
    }
}

//! Log lines that a peer can cause must not fill the disk.

use crate::time::{Duration, Time};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Lets one event through per interval and counts the others.
///
/// Shared between threads; two that come at the same microsecond may both pass, which is no harm.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    /// [`Time::as_micros`] of when the next may pass.
    next: AtomicU64,
    held_back: AtomicU64,
}

impl Throttle {
    pub const fn new(interval: Duration) -> Throttle {
        Throttle { interval, next: AtomicU64::new(0), held_back: AtomicU64::new(0) }
    }

    /// `Some`: say it now, together with how many were not said since the last time.
    pub fn pass(&self, now: Time) -> Option<u64> {
        if now.as_micros() < self.next.load(Ordering::Relaxed) {
            self.held_back.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.next.store((now + self.interval).as_micros(), Ordering::Relaxed);
        Some(self.held_back.swap(0, Ordering::Relaxed))
    }
}

/// A throttle for each name, so that none is hidden behind another. Names are those of the configuration: nobody else makes them more.
#[derive(Debug)]
pub struct Throttles {
    interval: Duration,
    each: Mutex<BTreeMap<Arc<str>, Throttle>>,
}

impl Throttles {
    pub const fn new(interval: Duration) -> Throttles {
        Throttles { interval, each: Mutex::new(BTreeMap::new()) }
    }

    /// As [`Throttle::pass`], for this name.
    pub fn pass(&self, name: &Arc<str>, now: Time) -> Option<u64> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        each.entry(name.clone()).or_insert_with(|| Throttle::new(self.interval)).pass(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_per_interval_and_says_how_many_did_not() {
        let throttle = Throttle::new(Duration::from_secs(10));
        let passed: Vec<_> = [100, 101, 109, 110, 125].map(|second| throttle.pass(Time::from_secs(second))).into();
        assert_eq!(passed, [Some(0), None, None, Some(2), Some(0)]);
    }

    #[test]
    fn each_name_is_held_back_by_itself() {
        let throttles = Throttles::new(Duration::from_secs(10));
        let [anna, bo] = ["anna", "bo"].map(Arc::from);
        let passed = [(&anna, 100), (&bo, 101), (&anna, 102), (&bo, 103), (&anna, 110), (&bo, 111)]
            .map(|(name, second)| throttles.pass(name, Time::from_secs(second)));
        assert_eq!(passed, [Some(0), Some(0), None, None, Some(1), Some(1)]);
    }
}

//! Log lines that a peer can cause must not fill the disk.

use crate::time::{Duration, Time};
use std::sync::atomic::{AtomicU64, Ordering};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_per_interval_and_says_how_many_did_not() {
        let throttle = Throttle::new(Duration::from_secs(10));
        let passed: Vec<_> = [100, 101, 109, 110, 125].map(|second| throttle.pass(Time::from_secs(second))).into();
        assert_eq!(passed, [Some(0), None, None, Some(2), Some(0)]);
    }
}

//! The only place that asks what time it is.

use crate::time::{Duration, Time};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall time carried by the monotonic clock.
///
/// The wall clock is read once, at [`Clock::start`]; from then on the monotonic clock counts. So [`Clock::now`] never
/// goes backwards, on any thread, even when the machine's clock is set while calls are up. The price: a correction of
/// the wall clock shows only after a restart.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Time,
    monotonic: Instant,
}

impl Clock {
    pub fn start() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { wall: Time::EPOCH + wall, monotonic: Instant::now() }
    }

    pub fn now(&self) -> Time {
        self.wall + self.monotonic.elapsed()
    }

    /// How long to wait from now until `at`; zero when it has passed.
    pub fn until(&self, at: Time) -> Duration {
        at.since(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_agree_and_never_go_backwards() {
        let clock = Clock::start();
        let copy = clock;
        let mut last = clock.now();
        for turn in 0..1000 {
            let now = if turn % 2 == 0 { clock.now() } else { copy.now() };
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn starts_at_the_wall_clock() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = Clock::start().now();
        assert!(now.since(Time::EPOCH + before) < Duration::from_secs(5));
        assert!(now >= Time::EPOCH + Duration::from_micros(before.as_micros() as u64));
    }

    #[test]
    fn until_a_past_moment_is_zero() {
        let clock = Clock::start();
        assert_eq!(clock.until(Time::from_secs(1)), Duration::ZERO);
        assert!(clock.until(clock.now() + Duration::from_secs(60)) > Duration::from_secs(50));
    }
}

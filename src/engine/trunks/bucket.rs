//! A token bucket: so many a second, and a second's worth at once.

use crate::time::Time;

/// See the module's documentation. Holds no more than one second's tokens, and at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    per_second: f64,
    tokens: f64,
    filled: Time,
}

impl Bucket {
    /// Full. `per_second`: above 0.
    pub fn new(per_second: f64, now: Time) -> Bucket {
        Bucket { per_second, tokens: per_second.max(1.0), filled: now }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Time) -> bool {
        let new = now.since(self.filled).as_secs_f64() * self.per_second;
        self.filled = self.filled.max(now);
        self.tokens = (self.tokens + new).min(self.per_second.max(1.0));
        // What a tenth of a second added ten times lacks to a whole is no reason to refuse.
        let one = self.tokens >= 1.0 - 1e-9;
        if one {
            self.tokens = (self.tokens - 1.0).max(0.0);
        }
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use proptest::prelude::*;

    const NOW: Time = Time::from_secs(1000);

    #[test]
    fn a_slow_one_gives_one_at_once_and_then_at_its_rate() {
        let mut bucket = Bucket::new(0.5, NOW);
        let taken: Vec<u64> = (0..10).filter(|s| bucket.take(NOW + Duration::from_secs(*s))).collect();
        assert_eq!(taken, [0, 2, 4, 6, 8]);
    }

    proptest! {
        #[test]
        fn no_second_gives_more_than_two_seconds_worth(rate in 1u32..50, gaps in prop::collection::vec(0u64..200_000, 1..300)) {
            let mut bucket = Bucket::new(rate.into(), NOW);
            let (mut now, mut taken) = (NOW, Vec::new());
            for gap in gaps {
                now += Duration::from_micros(gap);
                if bucket.take(now) {
                    taken.push(now);
                }
            }
            for from in &taken {
                let until = *from + Duration::from_secs(1);
                let within = taken.iter().filter(|at| **at >= *from && **at < until).count();
                prop_assert!(within <= 2 * rate as usize);
            }
        }
    }
}

//! What is said: a range of minutes, in steps that people use.

use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// The minutes that are said. Nobody is told "between 37 and 43 minutes".
pub const STEPS: [u32; 20] = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120];

/// A wait, as a range of minutes of [`STEPS`].
///
/// `from` 0 and `to` 1 is "less than a minute".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    pub from_minutes: u32,
    pub to_minutes: u32,
}

impl Estimate {
    /// For who is being rung for, or will be at once.
    pub const SOON: Estimate = Estimate { from_minutes: 0, to_minutes: 1 };

    /// The prediction less and more its usual error, in thousandths; outwards to the next steps. `None` beyond the last
    /// step: nobody should wait for that.
    pub(super) fn around(predicted: Duration, error: u64) -> Option<Estimate> {
        let micros = u64::try_from(predicted.as_micros()).ok()?;
        let (low, high) = (1_000 - error.min(1_000), 1_000 + error);
        let (low, high) = (micros.checked_mul(low)? / 1_000, micros.checked_mul(high)? / 1_000);
        let from = STEPS.iter().rfind(|step| u64::from(**step) * MINUTE <= low)?;
        let to = STEPS.iter().find(|step| u64::from(**step) * MINUTE >= high)?;
        Some(Estimate { from_minutes: *from, to_minutes: *to.max(&1) })
    }

    /// The middle of the range.
    pub fn midpoint(&self) -> Duration {
        Duration::from_secs(u64::from(self.from_minutes + self.to_minutes) * 30)
    }
}

/// The prediction less its usual error, in thousandths.
pub(super) fn least(predicted: Duration, error: u64) -> Duration {
    let thousandths = u32::try_from(1_000 - error.min(1_000)).unwrap_or(0);
    predicted.saturating_mul(thousandths) / 1_000
}

const MINUTE: u64 = 60_000_000;

/// What one caller has been told, kept by whoever tells it, as long as the caller waits.
///
/// A wait that grows while one waits is the one thing a caller never forgives. It may be true (the next in line has
/// priority, agents go to lunch), and then it is told, but never by more than one step above the least that was ever
/// told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    least: Option<Estimate>,
}

impl Told {
    /// What to say where this is the estimate.
    pub fn say(&mut self, estimate: Estimate) -> Estimate {
        let Some(least) = self.least else {
            self.least = Some(estimate);
            return estimate;
        };
        let said = Estimate {
            from_minutes: estimate.from_minutes.min(one_step_above(least.from_minutes)),
            to_minutes: estimate.to_minutes.min(one_step_above(least.to_minutes)),
        };
        self.least = Some(Estimate {
            from_minutes: least.from_minutes.min(said.from_minutes),
            to_minutes: least.to_minutes.min(said.to_minutes),
        });
        said
    }
}

fn one_step_above(minutes: u32) -> u32 {
    STEPS.iter().copied().find(|step| *step > minutes).unwrap_or(minutes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn estimate(from_minutes: u32, to_minutes: u32) -> Estimate {
        Estimate { from_minutes, to_minutes }
    }

    #[test]
    fn a_range_is_the_prediction_and_its_error_rounded_outwards() {
        for (secs, error, range) in [
            (0, 200, Some((0, 1))),
            (40, 200, Some((0, 1))),
            (60, 0, Some((1, 1))),
            (150, 200, Some((2, 3))),
            (420, 250, Some((5, 10))),
            (1_320, 100, Some((15, 25))),
            (100, 3_000, Some((0, 8))),
            (6_600, 0, Some((90, 120))),
            (6_600, 200, None),
            (u64::MAX, 200, None),
        ] {
            let estimate = Estimate::around(Duration::from_secs(secs), error);
            assert_eq!(estimate.map(|range| (range.from_minutes, range.to_minutes)), range, "{secs} s ± {error} ‰");
        }
        assert_eq!(estimate(2, 3).midpoint(), Duration::from_secs(150));
    }

    #[test]
    fn it_falls_freely_and_rises_by_one_step_in_all() {
        let mut told = Told::default();
        let said: Vec<(u32, u32)> = [(5, 8), (3, 5), (10, 15), (20, 30), (2, 3), (5, 8)]
            .map(|(from, to)| told.say(estimate(from, to)))
            .map(|said| (said.from_minutes, said.to_minutes))
            .to_vec();
        assert_eq!(said, [(5, 8), (3, 5), (4, 6), (4, 6), (2, 3), (3, 4)]);
    }

    proptest! {
        #[test]
        fn nothing_said_is_more_than_a_step_above_anything_said_before(
            waits in prop::collection::vec((0u64..7_000, 0u64..600), 1..50),
        ) {
            let step = |minutes: u32| STEPS.iter().position(|step| *step == minutes).expect("a step");
            let mut told = Told::default();
            let mut before: Vec<Estimate> = Vec::new();
            for (secs, error) in waits {
                let Some(estimate) = Estimate::around(Duration::from_secs(secs), error) else { continue };
                let said = told.say(estimate);
                prop_assert!(said.from_minutes <= said.to_minutes);
                for earlier in &before {
                    prop_assert!(step(said.to_minutes) <= step(earlier.to_minutes) + 1);
                    prop_assert!(step(said.from_minutes) <= step(earlier.from_minutes) + 1);
                }
                before.push(said);
            }
        }
    }
}

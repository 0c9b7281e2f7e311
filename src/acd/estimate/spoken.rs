//! What is said: a range of minutes, in steps that people use.

use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// The minutes that are said. Nobody is told "between 37 and 43 minutes".
pub const STEPS: [u32; 20] = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120];

/// A wait, as a range of minutes of [`STEPS`]; `from_minutes` is less than `to_minutes`.
///
/// `from` 0 is "less than": with `to` 1, "less than one minute".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    pub from_minutes: u32,
    /// `None`: beyond the last step, "more than `from_minutes`".
    pub to_minutes: Option<u32>,
}

impl Estimate {
    /// For who is being rung for, or will be at once.
    pub const SOON: Estimate = Estimate { from_minutes: 0, to_minutes: Some(1) };

    /// The prediction less and more its usual error, in thousandths; outwards to the next steps. `None` if that is everything
    /// from nothing to beyond the last step.
    pub(super) fn around(predicted: Duration, error: u64) -> Option<Estimate> {
        let low = least(predicted, error).as_micros();
        let high = predicted.as_micros().saturating_mul(u128::from(error.saturating_add(1_000))) / 1_000;
        let from = *STEPS.iter().rfind(|step| u128::from(**step) * MINUTE <= low)?;
        let to = STEPS.iter().copied().find(|step| *step > from && u128::from(*step) * MINUTE >= high);
        (from > 0 || to.is_some()).then_some(Estimate { from_minutes: from, to_minutes: to })
    }

    /// The middle of the range; without an end, its beginning.
    pub fn midpoint(&self) -> Duration {
        Duration::from_secs(u64::from(self.from_minutes + self.to_minutes.unwrap_or(self.from_minutes)) * 30)
    }

    /// Whether it is true of a wait that was this long.
    pub fn covers(&self, wait: Duration) -> bool {
        let minutes = |minutes: u32| Duration::from_secs(60 * u64::from(minutes));
        minutes(self.from_minutes) <= wait && self.to_minutes.is_none_or(|to| wait <= minutes(to))
    }
}

/// The prediction less its usual error, in thousandths.
pub(super) fn least(predicted: Duration, error: u64) -> Duration {
    let thousandths = u32::try_from(1_000 - error.min(1_000)).unwrap_or(0);
    predicted.saturating_mul(thousandths) / 1_000
}

const MINUTE: u128 = 60_000_000;

/// What one caller has been told, kept by whoever tells it, as long as the caller waits.
///
/// A wait that grows while one waits is the one thing a caller never forgives. It may be true (the next in line has
/// agents go to lunch), and then it is told, but never by more than one step above the least that was ever
/// told. It says nothing of queues: who is moved to a slower one has not asked for that, and was told before all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    least: Option<Estimate>,
    last: Option<Estimate>,
}

impl Told {
    /// What to say where this is the estimate.
    pub fn say(&mut self, estimate: Estimate) -> Estimate {
        let least = self.least.unwrap_or(estimate);
        let said = match self.least {
            None => estimate,
            Some(least) => Estimate {
                from_minutes: estimate.from_minutes.min(one_step_above(least.from_minutes).unwrap_or(u32::MAX)),
                to_minutes: earlier(estimate.to_minutes, least.to_minutes.and_then(one_step_above)),
            },
        };
        self.least = Some(Estimate {
            from_minutes: least.from_minutes.min(said.from_minutes),
            to_minutes: earlier(least.to_minutes, said.to_minutes),
        });
        self.last = Some(said);
        said
    }

    /// The same, unless it is what was said last: nobody wants to be told the same thing twice.
    pub fn say_news(&mut self, estimate: Estimate) -> Option<Estimate> {
        let before = self.last;
        let said = self.say(estimate);
        (before != Some(said)).then_some(said)
    }
}

/// `None`: beyond the last.
fn one_step_above(minutes: u32) -> Option<u32> {
    STEPS.iter().copied().find(|step| *step > minutes)
}

/// Of two ends of ranges, of which `None` is none.
fn earlier(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn estimate(from_minutes: u32, to_minutes: u32) -> Estimate {
        Estimate { from_minutes, to_minutes: Some(to_minutes) }
    }

    #[test]
    fn a_range_is_the_prediction_and_its_error_rounded_outwards() {
        for (secs, error, range) in [
            (0, 200, Some((0, Some(1)))),
            (40, 200, Some((0, Some(1)))),
            (60, 0, Some((1, Some(2)))),
            (150, 200, Some((2, Some(3)))),
            (420, 250, Some((5, Some(10)))),
            (1_320, 100, Some((15, Some(25)))),
            (100, 3_000, Some((0, Some(8)))),
            (6_600, 0, Some((90, Some(120)))),
            (6_600, 200, Some((75, None))),
            (7_200, 0, Some((120, None))),
            (u64::MAX, 200, Some((120, None))),
            (6_600, 1_000, None),
        ] {
            let estimate = Estimate::around(Duration::from_secs(secs), error);
            assert_eq!(estimate.map(|range| (range.from_minutes, range.to_minutes)), range, "{secs} s ± {error} ‰");
        }
        assert_eq!(estimate(2, 3).midpoint(), Duration::from_secs(150));
        let covers = |secs| estimate(2, 3).covers(Duration::from_secs(secs));
        assert_eq!([119, 120, 180, 181].map(covers), [false, true, true, false]);
        assert!(Estimate { from_minutes: 75, to_minutes: None }.covers(Duration::MAX));
    }

    #[test]
    fn it_falls_freely_and_rises_by_one_step_in_all() {
        let mut told = Told::default();
        let said: Vec<(u32, u32)> = [(5, 8), (3, 5), (10, 15), (20, 30), (2, 3), (5, 8)]
            .map(|(from, to)| told.say(estimate(from, to)))
            .map(|said| (said.from_minutes, said.to_minutes.expect("an end")))
            .to_vec();
        assert_eq!(said, [(5, 8), (3, 5), (4, 6), (4, 6), (2, 3), (3, 4)]);
    }

    #[test]
    fn beyond_the_last_step_is_one_step_above_it() {
        let beyond = Estimate { from_minutes: 90, to_minutes: None };
        let mut told = Told::default();
        assert_eq!([beyond, estimate(75, 120), beyond].map(|said| told.say(said)), [beyond, estimate(75, 120), beyond]);
        told.say(estimate(60, 90));
        assert_eq!(told.say(beyond), estimate(75, 120));
    }

    #[test]
    fn the_same_is_not_said_twice_but_may_be_said_again() {
        let mut told = Told::default();
        let said =
            [(5, 8), (5, 8), (3, 5), (20, 30), (20, 30), (3, 5)].map(|(from, to)| told.say_news(estimate(from, to)));
        let news = |from, to| Some(estimate(from, to));
        assert_eq!(said, [news(5, 8), None, news(3, 5), news(4, 6), None, news(3, 5)]);
    }

    proptest! {
        #[test]
        fn nothing_said_is_more_than_a_step_above_anything_said_before(
            waits in prop::collection::vec((0u64..9_000, 0u64..600), 1..50),
        ) {
            let step = |minutes: u32| STEPS.iter().position(|step| *step == minutes).expect("a step");
            let end = |minutes: Option<u32>| minutes.map_or(STEPS.len(), step);
            let mut told = Told::default();
            let mut before: Vec<Estimate> = Vec::new();
            for (secs, error) in waits {
                let Some(estimate) = Estimate::around(Duration::from_secs(secs), error) else { continue };
                let said = told.say(estimate);
                prop_assert!(said.to_minutes.is_none_or(|to| said.from_minutes < to));
                for earlier in &before {
                    prop_assert!(end(said.to_minutes) <= end(earlier.to_minutes) + 1);
                    prop_assert!(step(said.from_minutes) <= step(earlier.from_minutes) + 1);
                }
                before.push(said);
            }
        }
    }
}

//! What many days say together: a mean, and how far the true one may be from it.
//!
//! Counts and longest waits are means over days. Shares and mean waits are those of all callers of all days together, for a
//! caller is more likely to come on a day when many do: the mean of the days' service levels would be better than what callers
//! meet.

use serde::{Serialize, Serializer};

/// One number over the seeds, with its band of confidence.
///
/// Each seed is one independent day and gives one value; a day that has none (the service level of an interval in which nobody
/// called) is left out. The band is Student's: mean ± t × deviation / √n with 97.5 % of t below it and n − 1 degrees of freedom,
/// so in 95 of 100 such simulations it holds the number that endless seeds would give. It is not the range in which days lie:
/// that is what `deviation` tells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    #[serde(serialize_with = "rounded")]
    pub mean: f64,
    /// The band, cut where no value could be; `None` of a single day.
    #[serde(serialize_with = "rounded_band")]
    pub band: Option<(f64, f64)>,
    /// Standard deviation between days; `None` of a single one.
    #[serde(serialize_with = "rounded_option")]
    pub deviation: Option<f64>,
    /// Days that had a value.
    pub days: usize,
}

impl Estimate {
    /// `bounds`: what values can be at all. `None`: no day had a value.
    pub fn of(values: impl Iterator<Item = f64>, bounds: (f64, f64)) -> Option<Estimate> {
        let values: Vec<f64> = values.collect();
        let days = values.len();
        if days == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / days as f64;
        Some(Estimate::around(mean, values.into_iter().map(|value| value - mean), days, bounds))
    }

    /// A share or a mean of all callers: the sum of the first numbers over the sum of the second. A day deviates by what its first
    /// number is more than its second lets expect, over the mean of the second (the ratio estimator, Cochran, "Sampling
    /// techniques", 1977, chapter 6). `None`: no day has a second number.
    pub fn ratio(pairs: impl Iterator<Item = (f64, f64)>, bounds: (f64, f64)) -> Option<Estimate> {
        let (ratio, residuals) = residuals(&pairs.collect::<Vec<_>>())?;
        let days = residuals.iter().flatten().count();
        Some(Estimate::around(ratio, residuals.into_iter().flatten(), days, bounds))
    }

    /// What the ratio of the second of each day is above that of the first, where both have one.
    pub fn difference(days: impl Iterator<Item = [(f64, f64); 2]>) -> Option<Estimate> {
        let days: Vec<_> = days.collect();
        let side = |i: usize| residuals(&days.iter().map(|both| both[i]).collect::<Vec<_>>());
        let ((before, of_before), (after, of_after)) = (side(0)?, side(1)?);
        let both = of_before.into_iter().zip(of_after);
        let residuals: Vec<f64> = both.filter_map(|(before, after)| Some(after? - before?)).collect();
        let days = residuals.len();
        let all = (f64::NEG_INFINITY, f64::INFINITY);
        (days > 0).then(|| Estimate::around(after - before, residuals.into_iter(), days, all))
    }

    /// `deviations`: of each of the days from the mean.
    fn around(mean: f64, deviations: impl Iterator<Item = f64>, days: usize, bounds: (f64, f64)) -> Estimate {
        if days == 1 {
            return Estimate { mean, band: None, deviation: None, days };
        }
        let squares: f64 = deviations.map(|deviation| deviation.powi(2)).sum();
        let deviation = (squares / (days - 1) as f64).sqrt();
        let half = t_975(days - 1) * deviation / (days as f64).sqrt();
        let band = ((mean - half).max(bounds.0), (mean + half).min(bounds.1));
        Estimate { mean, band: Some(band), deviation: Some(deviation), days }
    }

    /// Half the width of the band before it was cut.
    pub fn plus_minus(&self) -> Option<f64> {
        Some(t_975(self.days - 1) * self.deviation? / (self.days as f64).sqrt())
    }
}

/// The ratio of the sums, and what each day deviates from it; a day without a second number does not.
fn residuals(pairs: &[(f64, f64)]) -> Option<(f64, Vec<Option<f64>>)> {
    let (above, below) = pairs.iter().fold((0.0, 0.0), |(above, below), (a, b)| (above + a, below + b));
    if below <= 0.0 {
        return None;
    }
    let days = pairs.iter().filter(|(_, below)| *below > 0.0).count();
    let (ratio, mean_below) = (above / below, below / days as f64);
    let residual = |(a, b): &(f64, f64)| (*b > 0.0).then(|| (a - ratio * b) / mean_below);
    Some((ratio, pairs.iter().map(residual).collect()))
}

/// What 97.5 % of Student's t are below, with so many degrees of freedom (at least 1).
fn t_975(freedom: usize) -> f64 {
    const TABLE: [f64; 10] = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281];
    if let Some(t) = TABLE.get(freedom.saturating_sub(1)) {
        return *t;
    }
    // Abramowitz and Stegun 26.7.5: good to a few in 10,000 from eleven on.
    let (x, n) = (1.959_964f64, freedom as f64);
    let g1 = (x.powi(3) + x) / 4.0;
    let g2 = (5.0 * x.powi(5) + 16.0 * x.powi(3) + 3.0 * x) / 96.0;
    let g3 = (3.0 * x.powi(7) + 19.0 * x.powi(5) + 17.0 * x.powi(3) - 15.0 * x) / 384.0;
    x + g1 / n + g2 / n.powi(2) + g3 / n.powi(3)
}

/// More than a millionth is noise.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    round(*value).serialize(serializer)
}

fn rounded_option<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(round).serialize(serializer)
}

fn rounded_band<S: Serializer>(value: &Option<(f64, f64)>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|(low, high)| (round(low), round(high))).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::chance::Chance;

    const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    /// Values of the usual tables of Student's t.
    #[test]
    fn students_t_is_that_of_the_tables() {
        for (freedom, t) in
            [(1, 12.7062), (2, 4.3027), (10, 2.2281), (11, 2.2010), (19, 2.0930), (29, 2.0452), (99, 1.9842)]
        {
            assert!((t_975(freedom) - t).abs() < 2e-4, "{freedom}: {}", t_975(freedom));
        }
    }

    /// By hand: mean 5, deviation √(20/3) = 2.5820, t = 3.1824 with three degrees of freedom.
    #[test]
    fn the_band_is_students() {
        let estimate = Estimate::of([2.0, 4.0, 6.0, 8.0].into_iter(), ALL).unwrap();
        assert_eq!((estimate.mean, estimate.days), (5.0, 4));
        let half = 3.1824 * 2.5820 / 2.0;
        let (low, high) = estimate.band.unwrap();
        assert!((low - (5.0 - half)).abs() < 1e-3 && (high - (5.0 + half)).abs() < 1e-3, "{low} {high}");
        assert!((estimate.plus_minus().unwrap() - half).abs() < 1e-3);
        assert_eq!(Estimate::of([2.0, 4.0, 6.0, 8.0].into_iter(), (3.0, 6.0)).unwrap().band, Some((3.0, 6.0)));
    }

    #[test]
    fn one_day_has_no_band_and_none_no_mean() {
        let one = Estimate::of([2.0].into_iter(), ALL).unwrap();
        assert_eq!((one.mean, one.band, one.deviation, one.plus_minus()), (2.0, None, None, None));
        assert_eq!(Estimate::of([].into_iter(), ALL), None);
    }

    /// By hand: 30 of 40 callers in time. The days deviate by 10 − 7.5, 18 − 15 and 2 − 7.5, over the mean of 40/3 callers.
    #[test]
    fn a_share_is_that_of_all_callers_of_all_days() {
        let days = [(10.0, 10.0), (18.0, 20.0), (0.0, 0.0), (2.0, 10.0)];
        let share = Estimate::ratio(days.into_iter(), (0.0, 1.0)).unwrap();
        assert_eq!((share.mean, share.days), (0.75, 3));
        let deviation = (2.5f64.powi(2) + 3f64.powi(2) + 5.5f64.powi(2)) / 2.0;
        let deviation = deviation.sqrt() / (40.0 / 3.0);
        assert!((share.deviation.unwrap() - deviation).abs() < 1e-12);
        assert!((share.plus_minus().unwrap() - 4.3027 * deviation / 3f64.sqrt()).abs() < 1e-9);
        assert_eq!(share.band.unwrap().1, 1.0, "a share is never above one");
        assert_eq!(Estimate::ratio([(0.0, 0.0)].into_iter(), (0.0, 1.0)), None);
        assert_eq!(Estimate::ratio([(1.0, 2.0), (0.0, 0.0)].into_iter(), (0.0, 1.0)).unwrap().band, None);
    }

    /// If each day gains the same, it is known what is gained, however much the days differ.
    #[test]
    fn a_difference_leaves_out_what_days_have_in_common() {
        let days = [(10.0, 20.0), (4.0, 20.0), (18.0, 20.0)];
        let both = days.map(|(above, below)| [(above, below), (above + 2.0, below)]);
        let gained = Estimate::difference(both.into_iter()).unwrap();
        assert!((gained.mean - 0.1).abs() < 1e-12 && gained.deviation.unwrap() < 1e-12, "{gained:?}");
        let nobody = [[(1.0, 1.0), (0.0, 0.0)]];
        assert_eq!(Estimate::difference(nobody.into_iter()), None);
    }

    /// Here the more callers come the fewer are answered in time, so the mean of the days' own shares would be too good: 0.744
    /// and not 2/3.
    #[test]
    fn the_band_of_a_share_holds_the_share_of_callers() {
        let mut chance = Chance::new(1);
        let holds = (0..4000).filter(|_| {
            let days = std::iter::repeat_with(|| {
                let calls = (1 + chance.below(20)) as f64;
                (calls * (1.0 - calls / 41.0), calls)
            });
            let (low, high) = Estimate::ratio(days.take(30), (0.0, 1.0)).unwrap().band.unwrap();
            // Σ c (1 − c/41) / Σ c over c = 1..20: 1 − (2870/41)/210.
            (low..=high).contains(&(1.0 - 2870.0 / 41.0 / 210.0))
        });
        let share = holds.count() as f64 / 4000.0;
        assert!((0.93..0.97).contains(&share), "{share}");
    }

    /// Of sums of three even chances (mean 1.5, nearly normal), twelve a time.
    #[test]
    fn ninety_five_of_a_hundred_bands_hold_the_truth() {
        let mut chance = Chance::new(1);
        let holds = (0..4000).filter(|_| {
            let values = std::iter::repeat_with(|| (0..3).map(|_| chance.unit()).sum()).take(12);
            let (low, high) = Estimate::of(values, ALL).unwrap().band.unwrap();
            (low..=high).contains(&1.5)
        });
        let share = holds.count() as f64 / 4000.0;
        assert!((0.94..0.96).contains(&share), "{share}");
    }
}

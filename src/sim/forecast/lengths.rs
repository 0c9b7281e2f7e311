//! How long things take that differ from case to case: talks, notes, patience.

use crate::sim::chance::Chance;
use crate::time::{Duration, parse_duration, show_duration};
use std::fmt;
use std::str::FromStr;

/// A distribution of lengths of time.
#[derive(Clone, Debug, PartialEq)]
pub enum Lengths {
    /// Always this.
    Constant(Duration),
    /// Exponential with this mean: how long it has taken says nothing about how long it will.
    Exponential(Duration),
    /// Lognormal with this mean and standard deviation (of the lengths, not of their logarithms). Talks of call centres are
    /// near it: Brown, Gans, Mandelbaum, Sakov, Shen, Zeltyn, Zhao, "Statistical analysis of a telephone call center", 2005.
    Lognormal { mean: Duration, deviation: Duration },
    /// One of these, each as likely as the others; not empty.
    OneOf(Vec<Duration>),
    /// It never ends.
    Never,
}

impl Lengths {
    /// How they are written.
    pub const EXAMPLES: &str =
        r#"a length of time such as "4m", "exponential 4m", "lognormal 4m 3m" or "never", or a list"#;

    /// `None`: it does not end. Logarithms are the machine's: two machines may differ in the last microsecond.
    pub fn draw(&self, chance: &mut Chance) -> Option<Duration> {
        match self {
            Lengths::Constant(length) => Some(*length),
            Lengths::Exponential(mean) => Some(chance.exponential(*mean)),
            Lengths::Lognormal { mean, deviation } => {
                Some(lognormal(mean.as_secs_f64(), deviation.as_secs_f64(), chance))
            }
            Lengths::OneOf(lengths) => Some(lengths[chance.below(lengths.len())]),
            Lengths::Never => None,
        }
    }

    /// `None`: it never ends.
    pub fn mean(&self) -> Option<Duration> {
        match self {
            Lengths::Constant(mean) | Lengths::Exponential(mean) | Lengths::Lognormal { mean, .. } => Some(*mean),
            Lengths::OneOf(lengths) => {
                Some(lengths.iter().sum::<Duration>() / u32::try_from(lengths.len()).unwrap_or(1))
            }
            Lengths::Never => None,
        }
    }
}

/// The longest that is drawn: the tail of a lognormal has no end, and a day has.
const LONGEST_SECONDS: f64 = 30.0 * 86_400.0;

fn lognormal(mean: f64, deviation: f64, chance: &mut Chance) -> Duration {
    if mean <= 0.0 {
        return Duration::ZERO;
    }
    // Of the logarithms: sigma² = ln(1 + deviation²/mean²), mu = ln mean − sigma²/2.
    let variance = (deviation / mean).powi(2).ln_1p();
    let exponent = mean.ln() - variance / 2.0 + variance.sqrt() * normal(chance);
    Duration::from_secs_f64(exponent.exp().min(LONGEST_SECONDS))
}

/// Box and Muller, 1958.
fn normal(chance: &mut Chance) -> f64 {
    let radius = (-2.0 * (1.0 - chance.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * chance.unit()).cos()
}

/// `"4m"`, `"exponential 4m"`, `"lognormal 4m 3m"`, `"never"`. [`Lengths::OneOf`] is written as a list.
impl FromStr for Lengths {
    type Err = String;

    fn from_str(text: &str) -> Result<Lengths, String> {
        let length = |word: &str| parse_duration(word).ok_or_else(|| format!("`{word}` is no length of time"));
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["never"] => Ok(Lengths::Never),
            ["constant", constant] => Ok(Lengths::Constant(length(constant)?)),
            ["exponential", mean] => Ok(Lengths::Exponential(length(mean)?)),
            ["lognormal", mean, deviation] => {
                Ok(Lengths::Lognormal { mean: length(mean)?, deviation: length(deviation)? })
            }
            ["exponential", ..] => Err("an exponential length has a mean and no more".into()),
            ["lognormal", ..] => Err("a lognormal length has a mean and a standard deviation".into()),
            [constant] => Ok(Lengths::Constant(length(constant)?)),
            _ => Err(String::new()),
        }
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lengths::Constant(length) => f.write_str(&show_duration(*length)),
            Lengths::Exponential(mean) => write!(f, "exponential {}", show_duration(*mean)),
            Lengths::Lognormal { mean, deviation } => {
                write!(f, "lognormal {} {}", show_duration(*mean), show_duration(*deviation))
            }
            Lengths::OneOf(lengths) => write!(f, "one of {}", lengths.len()),
            Lengths::Never => f.write_str("never"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: u32 = 40_000;

    fn drawn(text: &str) -> Vec<f64> {
        let lengths: Lengths = text.parse().unwrap();
        let mut chance = Chance::new(1);
        (0..N).map(|_| lengths.draw(&mut chance).unwrap().as_secs_f64()).collect()
    }

    fn mean_and_deviation(lengths: &[f64]) -> (f64, f64) {
        let mean = lengths.iter().sum::<f64>() / f64::from(N);
        let variance = lengths.iter().map(|length| (length - mean).powi(2)).sum::<f64>() / f64::from(N);
        (mean, variance.sqrt())
    }

    #[test]
    fn lengths_have_the_mean_and_deviation_that_were_written() {
        for (text, mean, deviation) in
            [("4m", 240.0, 0.0), ("exponential 4m", 240.0, 240.0), ("lognormal 4m 3m", 240.0, 180.0)]
        {
            let (m, d) = mean_and_deviation(&drawn(text));
            assert!((m - mean).abs() <= 0.02 * mean, "{text}: mean {m}");
            assert!((d - deviation).abs() <= 0.04 * mean, "{text}: deviation {d}");
        }
    }

    /// A lognormal is one whose logarithms are normal: half are below exp(mu) and 84.13 % below exp(mu + sigma).
    #[test]
    fn a_lognormal_has_its_quantiles() {
        let lengths = drawn("lognormal 4m 3m");
        let sigma = (1.0f64 + 0.75 * 0.75).ln().sqrt();
        let mu = 240f64.ln() - sigma * sigma / 2.0;
        for (quantile, share) in [(mu.exp(), 0.5), ((mu + sigma).exp(), 0.8413), ((mu - sigma).exp(), 0.1587)] {
            let below = lengths.iter().filter(|length| **length <= quantile).count() as f64 / f64::from(N);
            assert!((below - share).abs() < 0.01, "{below} below {quantile}, not {share}");
        }
    }

    #[test]
    fn a_list_is_drawn_from_evenly() {
        let lengths = Lengths::OneOf([1, 2, 6].map(Duration::from_secs).to_vec());
        assert_eq!(lengths.mean(), Some(Duration::from_secs(3)));
        let mut chance = Chance::new(1);
        let sixes = (0..N).filter(|_| lengths.draw(&mut chance) == Some(Duration::from_secs(6))).count();
        assert!((12_900..13_800).contains(&sixes), "{sixes}");
    }

    #[test]
    fn lengths_are_read_as_written_and_shown_so() {
        for text in ["4m", "exponential 1h30m", "lognormal 4m 3m", "never"] {
            assert_eq!(text.parse::<Lengths>().unwrap().to_string(), text);
        }
        assert_eq!("constant 4m".parse(), Ok(Lengths::Constant(Duration::from_secs(240))));
        assert_eq!("never".parse::<Lengths>().unwrap().draw(&mut Chance::new(1)), None);
        for wrong in ["", "4", "exponential", "exponential 4", "exponential 4m 3m", "lognormal 4m", "normal 4m 3m"] {
            assert!(wrong.parse::<Lengths>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_drawn_longer_than_a_month_and_nothing_of_zero() {
        let long = Lengths::Lognormal { mean: Duration::from_secs(86_400 * 365), deviation: Duration::from_secs(1) };
        assert_eq!(long.draw(&mut Chance::new(1)), Some(Duration::from_secs(30 * 86_400)));
        let none = Lengths::Lognormal { mean: Duration::ZERO, deviation: Duration::from_secs(1) };
        assert_eq!(none.draw(&mut Chance::new(1)), Some(Duration::ZERO));
    }
}

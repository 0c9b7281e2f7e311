//! Any rate to 8000 samples per second, when a sound is loaded.

use std::f64::consts::PI;

/// The rate of everything that is played and heard.
const RATE: u64 = 8000;

/// Zero crossings of the filter on each side of its middle: 60 dB down soon after the band's end.
const CROSSINGS: f64 = 24.0;

/// Where the band ends, as a share of the lower of the two rates' half.
const BAND: f64 = 0.92;

/// `samples` of one channel at `rate` per second, at 8000 per second. `rate` 0 gives nothing; 8000 gives the same samples.
///
/// A windowed sinc (Blackman), one set of weights for each place that a new sample can have between two old ones. What 8000
/// samples per second cannot carry is filtered away, not folded down.
pub fn to_8k(samples: &[i16], rate: u32) -> Vec<i16> {
    let rate = u64::from(rate);
    if rate == RATE || rate == 0 {
        return if rate == 0 { Vec::new() } else { samples.to_vec() };
    }
    let common = gcd(rate, RATE);
    // New sample n lies at old sample n × step / phases.
    let (phases, step) = (RATE / common, rate / common);
    let cutoff = BAND * (RATE.min(rate) as f64 / rate as f64);
    let reach = (CROSSINGS / cutoff).ceil() as i64;
    let weights: Vec<Vec<f64>> =
        (0..phases).map(|phase| weights(phase as f64 / phases as f64, cutoff, reach)).collect();

    let count = (samples.len() as u64 * RATE).div_ceil(rate);
    (0..count)
        .map(|n| {
            let place = n * step;
            let first = (place / phases) as i64 - reach + 1;
            let weights = &weights[(place % phases) as usize];
            let sum: f64 = weights
                .iter()
                .zip(first..)
                .filter_map(|(weight, at)| Some(weight * f64::from(*samples.get(usize::try_from(at).ok()?)?)))
                .sum();
            // The cast saturates: what overshoots is clipped.
            sum.round() as i16
        })
        .collect()
}

/// Weights of the old samples from `reach` − 1 before to `reach` after, for a new one that lies `offset` (0..1) after an old
/// one. They add up to one, so that a constant stays what it is.
fn weights(offset: f64, cutoff: f64, reach: i64) -> Vec<f64> {
    let mut weights: Vec<f64> = (1 - reach..=reach)
        .map(|at| {
            let x = at as f64 - offset;
            let angle = PI * x * cutoff;
            let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
            let turn = PI * x / reach as f64;
            let window = 0.42 + 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
            sinc * window.max(0.0)
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::measure::{level, loudness};
    use crate::audio::tone;
    use crate::time::Duration;

    const LONG: Duration = Duration::from_millis(300);

    #[test]
    fn a_tone_keeps_its_frequency_level_and_length_from_any_rate() {
        for rate in [6000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
            for frequency in [200.0, 1000.0, 2500.0] {
                let heard = to_8k(&tone::sine(frequency, -10.0, LONG, rate), rate);
                assert!(heard.len().abs_diff(2400) <= 1, "{rate}: {}", heard.len());
                let found = level(&heard, frequency, tone::RATE);
                assert!((found + 10.0).abs() < 0.2, "{rate} {frequency}: {found}");
                // Nothing but the tone: all of the power is at its frequency.
                assert!((loudness(&heard[200..2200]) + 10.0).abs() < 0.3, "{rate} {frequency}");
            }
        }
    }

    #[test]
    fn what_8_khz_cannot_carry_is_not_folded_down() {
        for (rate, frequency) in [(16_000, 4600.0), (16_000, 6000.0), (44_100, 7000.0), (48_000, 15_000.0)] {
            let heard = to_8k(&tone::sine(frequency, -6.0, LONG, rate), rate);
            let left = loudness(&heard[200..2200]);
            assert!(left < -60.0, "{rate} {frequency}: {left}");
        }
    }

    #[test]
    fn a_constant_stays_and_a_clipped_one_does_not_wrap() {
        let heard = to_8k(&vec![1000; 4800], 16_000);
        assert!(heard[100..2300].iter().all(|&sample| sample == 1000));
        let square: Vec<i16> = (0..4800).map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let heard = to_8k(&square, 16_000);
        assert!(heard[105..115].iter().all(|&sample| sample < -20_000), "{:?}", &heard[100..120]);
    }

    #[test]
    fn edges_are_plain() {
        assert!(to_8k(&[], 16_000).is_empty());
        assert!(to_8k(&[5, 6], 0).is_empty());
        assert_eq!(to_8k(&[5, 6], 8000), [5, 6]);
        assert_eq!(to_8k(&[100], 16_000).len(), 1);
        assert_eq!(to_8k(&[100; 4], 44_100).len(), 1);
    }
}

//! How loud a frequency is in what was heard.

use std::f64::consts::{PI, TAU};

/// Level of one frequency (Hz) in dBFS: 0 is a sine that just touches full scale. `rate`: samples per second.
///
/// By Goertzel's recurrence under a Hann window, so a strong tone elsewhere does not leak in. A tone is told from one
/// 2/duration away: 40 Hz in 50 ms. [`f64::NEG_INFINITY`] for nothing at all and for silence.
pub fn level(samples: &[i16], frequency: f64, rate: u32) -> f64 {
    if samples.is_empty() {
        return f64::NEG_INFINITY;
    }
    let turn = TAU * frequency / f64::from(rate);
    let twice_cosine = 2.0 * turn.cos();
    let (mut last, mut before, mut weight) = (0.0, 0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let window = (PI * (n as f64 + 0.5) / samples.len() as f64).sin().powi(2);
        weight += window;
        let next = window * f64::from(sample) + twice_cosine * last - before;
        (before, last) = (last, next);
    }
    let power = (last * last + before * before - twice_cosine * last * before).max(0.0);
    // A sine of amplitude a gives a/2 for each unit of weight.
    let amplitude = 2.0 * power.sqrt() / weight;
    20.0 * (amplitude / f64::from(i16::MAX)).log10()
}

/// Level of everything in dBFS: root mean square, as that of a sine of the same power.
pub fn loudness(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    let amplitude = (2.0 * power / samples.len().max(1) as f64).sqrt();
    20.0 * (amplitude / f64::from(i16::MAX)).log10()
}

/// The longest stretch in which `frequency` is louder than `threshold` dBFS, in milliseconds; looked at in pieces of 20 ms.
pub fn longest_tone_millis(samples: &[i16], frequency: f64, threshold: f64, rate: u32) -> u64 {
    let (mut longest, mut run) = (0, 0);
    for piece in samples.chunks_exact((rate / 50).max(1) as usize) {
        run = if level(piece, frequency, rate) > threshold { run + 20 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::{RATE, sine};
    use crate::time::Duration;

    const LONG: Duration = Duration::from_millis(500);

    #[test]
    fn the_level_of_a_sine_is_its_level() {
        for frequency in [300.0, 440.0, 1004.0, 3333.0] {
            for dbfs in [0.0, -3.0, -20.0, -40.0] {
                let tone = sine(frequency, dbfs, LONG, RATE);
                assert!((level(&tone, frequency, RATE) - dbfs).abs() < 0.1, "{frequency} {dbfs}");
                assert!((loudness(&tone) - dbfs).abs() < 0.1, "{frequency} {dbfs}");
            }
        }
    }

    #[test]
    fn each_of_two_tones_is_found_beside_the_other() {
        let loud = sine(440.0, -6.0, LONG, RATE);
        let soft = sine(1000.0, -36.0, LONG, RATE);
        let both: Vec<i16> = loud.iter().zip(&soft).map(|(a, b)| a + b).collect();
        assert!((level(&both, 440.0, RATE) + 6.0).abs() < 0.2);
        assert!((level(&both, 1000.0, RATE) + 36.0).abs() < 0.5);
        assert!(level(&both, 700.0, RATE) < -60.0);
    }

    #[test]
    fn nothing_has_no_level() {
        for samples in [&[][..], &[0; 800]] {
            assert_eq!(level(samples, 440.0, RATE), f64::NEG_INFINITY);
            assert_eq!(loudness(samples), f64::NEG_INFINITY);
        }
    }

    #[test]
    fn the_longest_stretch_of_a_tone_is_found() {
        let mut heard = sine(440.0, -10.0, Duration::from_millis(100), RATE);
        heard.extend([0; 800]);
        heard.extend(sine(440.0, -10.0, Duration::from_millis(300), RATE));
        heard.extend(sine(900.0, -10.0, Duration::from_millis(400), RATE));
        assert_eq!(longest_tone_millis(&heard, 440.0, -20.0, RATE), 300);
        assert_eq!(longest_tone_millis(&heard, 600.0, -20.0, RATE), 0);
    }
}

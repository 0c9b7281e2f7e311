//! Tones: single sines, several together, and the pairs of DTMF (ITU-T Q.23).

use crate::time::Duration;
use std::f64::consts::TAU;

/// Samples per second wherever nothing else is said.
pub const RATE: u32 = 8000;

/// One sine of `frequency` Hz at `level` dBFS (0: a sine that just touches full scale) for `length`, `rate` samples a second.
/// Begins at phase zero.
pub fn sine(frequency: f64, level: f64, length: Duration, rate: u32) -> Vec<i16> {
    chord(&[frequency], level, length, rate)
}

/// The two tones of a key (`0`–`9`, `*`, `#`, `A`–`D`), each at `level` dBFS (−6 or lower, or their sum is clipped), 8000 samples a
/// second. `None` if there is no such key.
pub fn dtmf(key: char, level: f64, length: Duration) -> Option<Vec<i16>> {
    let (row, column) = dtmf_frequencies(key)?;
    Some(chord(&[row, column], level, length, RATE))
}

/// The row's and the column's frequency of a key.
pub fn dtmf_frequencies(key: char) -> Option<(f64, f64)> {
    const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
    const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    let place = "123A456B789C*0#D".find(key.to_ascii_uppercase())?;
    Some((ROWS[place / 4], COLUMNS[place % 4]))
}

/// The tones of a key, sample by sample, for as long as it is held: the row at −10 and the column at −8 dBm0, for lines take more from the
/// higher one. Nothing is kept but where the two are.
#[derive(Clone, Debug)]
pub struct KeyTone {
    /// Each as a point that turns, and by how much it turns with a sample.
    tones: [((f64, f64), (f64, f64)); 2],
}

/// Of a sine of 0 dBm0 in dBFS (ITU-T G.711: the µ-law is overloaded above 3.17 dBm0, the A-law 0.03 dB earlier).
const DBM0: f64 = -3.17;

impl KeyTone {
    /// `None` if there is no such key.
    pub fn new(key: char) -> Option<KeyTone> {
        let (row, column) = dtmf_frequencies(key)?;
        let tone = |frequency: f64, dbm0: f64| {
            let amplitude = f64::from(i16::MAX) * 10f64.powf((dbm0 + DBM0) / 20.0);
            let turn = TAU * frequency / f64::from(RATE);
            ((amplitude, 0.0), (turn.cos(), turn.sin()))
        };
        Some(KeyTone { tones: [tone(row, -10.0), tone(column, -8.0)] })
    }

    pub fn sample(&mut self) -> i16 {
        let mut sum = 0.0;
        for (at, turn) in &mut self.tones {
            sum += at.1;
            *at = (at.0 * turn.0 - at.1 * turn.1, at.0 * turn.1 + at.1 * turn.0);
        }
        sum.round() as i16
    }
}

/// As [`sine`], several together, each at `level`; none: silence.
pub fn chord(frequencies: &[f64], level: f64, length: Duration, rate: u32) -> Vec<i16> {
    let amplitude = f64::from(i16::MAX) * 10f64.powf(level / 20.0);
    let count = (length.as_secs_f64() * f64::from(rate)).round() as u64;
    (0..count)
        .map(|n| {
            let at = n as f64 / f64::from(rate);
            let sum: f64 = frequencies.iter().map(|frequency| (TAU * frequency * at).sin()).sum();
            // The cast saturates: clipped, not wrapped.
            (sum * amplitude).round() as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::measure::level;

    #[test]
    fn a_sine_has_its_length_level_and_frequency() {
        let tone = sine(1000.0, -10.0, Duration::from_millis(250), RATE);
        assert_eq!(tone.len(), 2000);
        assert_eq!(tone[0], 0);
        assert!((level(&tone, 1000.0, RATE) + 10.0).abs() < 0.05);
        assert!(level(&tone, 1500.0, RATE) < -60.0);
    }

    #[test]
    fn full_scale_is_not_wrapped() {
        let tone = sine(500.0, 6.0, Duration::from_millis(20), RATE);
        assert_eq!(tone.iter().max(), Some(&i16::MAX));
        assert!(tone.windows(2).all(|pair| pair[0].abs_diff(pair[1]) < 30_000));
    }

    #[test]
    fn a_key_is_heard_at_its_two_frequencies_and_no_other() {
        for key in "1234567890*#ABCDd".chars() {
            let tone = dtmf(key, -13.0, Duration::from_millis(200)).unwrap();
            let heard: Vec<f64> = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0]
                .into_iter()
                .filter(|&frequency| level(&tone, frequency, RATE) > -16.0)
                .collect();
            let (row, column) = dtmf_frequencies(key).unwrap();
            assert_eq!(heard, [row, column], "{key}");
        }
        assert_eq!(dtmf('x', -13.0, Duration::from_millis(200)), None);
        assert_eq!(dtmf_frequencies('5'), Some((770.0, 1336.0)));
        assert_eq!(dtmf_frequencies('#'), Some((941.0, 1477.0)));
    }

    #[test]
    fn a_key_that_is_held_for_a_minute_keeps_its_tones() {
        let mut tone = KeyTone::new('6').expect("a key");
        let sound: Vec<i16> = (0..60 * RATE).map(|_| tone.sample()).collect();
        for piece in [&sound[..8000], &sound[59 * 8000..]] {
            assert!((level(piece, 770.0, RATE) + 13.17).abs() < 0.05, "{}", level(piece, 770.0, RATE));
            assert!((level(piece, 1477.0, RATE) + 11.17).abs() < 0.05, "{}", level(piece, 1477.0, RATE));
        }
        assert_eq!(sound[0], 0, "begins without a click");
        assert!(KeyTone::new('x').is_none());
    }
}

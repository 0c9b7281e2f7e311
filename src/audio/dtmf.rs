//! Keys heard as tones: DTMF (ITU-T Q.23) in the sound itself, told from speech and music (ITU-T Q.24).
//!
//! The sound is looked at in windows of 12.75 ms, each overlapping half of the one before, by a transform at the eight frequencies
//! (Goertzel's, kept as two numbers so that the phase is known). A window has a key if two tones stand out of everything else in it; and the phase by
//! which each has turned since the window before says how far it is off its frequency, which speech and music almost never pass. Four windows in
//! a row with one key are a press: 32 ms that nothing disturbs, of the 40 that Q.24 promises.

use super::tone::RATE;
use std::f32::consts::{PI, TAU};
use std::sync::LazyLock;

/// Samples by which windows follow each other; a window has twice as many.
const HOP: usize = 51;

/// Windows in a row that have the same key before it is pressed; and that have it not before it is over, so that a packet that is
/// lost, or a click, does not make two of one.
const PRESSED: u8 = 4;
const RELEASED: u8 = 3;

/// Weakest tone, in dBFS: Q.24 asks for −25 dBm0 and allows for less.
const WEAKEST: f32 = -38.0;

/// The share of all power in a window that the two tones have at least; what is off its frequency as far as it may be shows less.
const SHARE: f32 = 0.66;

/// How much louder the column may be than the row, and the row than the column, in dB. A line takes more from the higher tone.
const COLUMN_LOUDER: f32 = 7.5;
const ROW_LOUDER: f32 = 11.0;

/// How far the loudest row or column is above the next, in dB.
const ABOVE_OTHERS: f32 = 4.0;

/// How far a tone may be off its frequency: Q.24 asks that 1.5 % and 2 Hz are understood and more than 3.5 % is not.
const OFF: f32 = 0.03;

const FREQUENCIES: [f32; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

type Complex = (f32, f32);

struct Tables {
    /// Of each sample of a half and each frequency, the cosine and the negative sine.
    turns: [[Complex; 8]; HOP],
    /// By how much each frequency turns in a half.
    half: [Complex; 8],
    /// Powers, as multiples: of the weakest tone in a window; between the tones; above the others.
    weakest: f32,
    column_louder: f32,
    row_louder: f32,
    above_others: f32,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let turn = |frequency: f32, n: usize| {
        let angle = TAU * frequency * n as f32 / RATE as f32;
        (angle.cos(), -angle.sin())
    };
    let power = |db: f32| 10f32.powf(db / 10.0);
    // A sine of amplitude a has the power a²/2; its transform over n samples has the square a²n²/4.
    let weakest = (f32::from(i16::MAX) * HOP as f32).powi(2) * power(WEAKEST);
    Tables {
        turns: std::array::from_fn(|n| FREQUENCIES.map(|frequency| turn(frequency, n))),
        half: FREQUENCIES.map(|frequency| turn(frequency, HOP)),
        weakest,
        column_louder: power(COLUMN_LOUDER),
        row_louder: power(ROW_LOUDER),
        above_others: power(ABOVE_OTHERS),
    }
});

/// Listens to one side of a call, 8000 samples a second.
#[derive(Clone, Debug, Default)]
pub struct KeyListener {
    /// Of the half that is coming in: how many samples, their power, and the transform.
    count: usize,
    power: f32,
    sums: [Complex; 8],
    /// Of the half before.
    power_before: f32,
    sums_before: [Complex; 8],
    /// Of the last window.
    window: [Complex; 8],
    /// What the last windows had, and how many in a row.
    candidate: Option<char>,
    seen: u8,
    /// The key that is pressed, and how many windows in a row did not have it.
    pressed: Option<char>,
    missed: u8,
}

impl KeyListener {
    /// The next sample. Gives a key once, when it is certain.
    pub fn hear(&mut self, sample: i16) -> Option<char> {
        let sample = f32::from(sample);
        self.power += sample * sample;
        for (sum, turn) in self.sums.iter_mut().zip(&TABLES.turns[self.count]) {
            sum.0 += sample * turn.0;
            sum.1 += sample * turn.1;
        }
        self.count += 1;
        if self.count < HOP {
            return None;
        }
        let key = self.look();
        self.count = 0;
        self.power_before = std::mem::take(&mut self.power);
        self.sums_before = std::mem::take(&mut self.sums);
        self.note(key)
    }

    /// What the window has that ends here.
    fn look(&mut self) -> Option<char> {
        let tables = &*TABLES;
        let whole: [Complex; 8] = std::array::from_fn(|i| {
            let later = times(self.sums[i], tables.half[i]);
            (self.sums_before[i].0 + later.0, self.sums_before[i].1 + later.1)
        });
        let before = std::mem::replace(&mut self.window, whole);
        let powers = whole.map(square);
        let (row, column) = (loudest(&powers[..4], tables)?, 4 + loudest(&powers[4..], tables)?);
        let [low, high] = [row, column].map(|i| powers[i]);
        let all = (self.power + self.power_before) * HOP as f32;
        let is_key = low.min(high) >= tables.weakest
            && low + high >= SHARE * all
            && high <= low * tables.column_louder
            && low <= high * tables.row_louder
            && [row, column].iter().all(|i| is_in_tune(*i, before[*i], whole[*i], tables));
        is_key.then(|| KEYS[row][column - 4])
    }

    fn note(&mut self, key: Option<char>) -> Option<char> {
        self.seen = if key == self.candidate { self.seen.saturating_add(1) } else { 1 };
        self.candidate = key;
        if self.pressed.is_some() {
            self.missed = if key == self.pressed { 0 } else { self.missed + 1 };
            if self.missed >= RELEASED {
                (self.pressed, self.missed) = (None, 0);
            }
        }
        let key = key.filter(|key| self.seen >= PRESSED && self.pressed != Some(*key))?;
        (self.pressed, self.missed) = (Some(key), 0);
        Some(key)
    }
}

/// The one that stands out of its group.
fn loudest(powers: &[f32], tables: &Tables) -> Option<usize> {
    let (loudest, power) = powers.iter().copied().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let others = powers.iter().enumerate().filter(|(i, _)| *i != loudest);
    others.into_iter().all(|(_, other)| power > other * tables.above_others).then_some(loudest)
}

/// Whether the tone has turned by as much since the window before as its frequency does.
fn is_in_tune(i: usize, before: Complex, now: Complex, tables: &Tables) -> bool {
    // Both windows begin at phase zero of the table, half a window apart.
    let turned = times(times(now, (before.0, -before.1)), tables.half[i]);
    let off = turned.1.atan2(turned.0);
    let allowed = TAU * FREQUENCIES[i] * OFF * HOP as f32 / RATE as f32;
    off.abs() <= allowed.min(PI)
}

fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn square(a: Complex) -> f32 {
    a.0 * a.0 + a.1 * a.1
}

#[cfg(test)]
mod tests {
    use super::super::{g711, tone};
    use super::*;
    use crate::time::Duration;

    const ALL: &str = "0123456789*#ABCD";

    fn heard(samples: impl IntoIterator<Item = i16>) -> String {
        let mut listener = KeyListener::default();
        samples.into_iter().filter_map(|sample| listener.hear(sample)).collect()
    }

    /// Two tones, each with its level in dBFS and off its frequency by that share.
    fn pair(key: char, levels: [f64; 2], off: [f64; 2], millis: u64) -> Vec<i16> {
        let (row, column) = tone::dtmf_frequencies(key).expect("a key");
        let length = Duration::from_millis(millis);
        let row = tone::sine(row * (1.0 + off[0]), levels[0], length, RATE);
        let column = tone::sine(column * (1.0 + off[1]), levels[1], length, RATE);
        row.into_iter().zip(column).map(|(a, b)| a.saturating_add(b)).collect()
    }

    fn silence(millis: u64) -> Vec<i16> {
        vec![0; millis as usize * 8]
    }

    /// Each key once, so long and so far apart, after so many samples.
    fn dialled(levels: [f64; 2], off: [f64; 2], on: u64, apart: u64, after: usize) -> Vec<i16> {
        let keys = ALL.chars().flat_map(|key| [pair(key, levels, off, on), silence(apart)].concat());
        vec![0; after].into_iter().chain(keys).collect()
    }

    /// A cheap white noise of about this level in dBFS.
    fn noise(level: f64, seed: u64) -> impl Iterator<Item = f64> {
        let amplitude = f64::from(i16::MAX) * 10f64.powf(level / 20.0) * (12f64 / 2.0).sqrt();
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) as f64 / f64::from(1u32 << 31) - 0.5) * amplitude
        })
    }

    #[test]
    fn every_key_is_heard_once_wherever_it_begins_as_short_and_as_close_as_it_may_be() {
        for after in 0..HOP {
            let sound = dialled([-10.0, -10.0], [0.0, 0.0], 40, 40, after);
            assert_eq!(heard(sound), ALL, "{after}");
        }
        assert_eq!(heard(pair('5', [-10.0, -8.0], [0.0, 0.0], 10_000)), "5", "held for ten seconds");
    }

    #[test]
    fn loud_and_soft_uneven_and_out_of_tune_keys_are_heard() {
        for levels in [[-6.1, -6.1], [-4.0, -12.0], [-30.0, -25.0], [-25.0, -30.0], [-28.0, -28.0], [-20.0, -16.0]] {
            for off in [[0.0, 0.0], [0.015, 0.015], [-0.015, -0.015], [0.015, -0.015], [-0.015, 0.015]] {
                for after in [0, 17, 34] {
                    let sound = dialled(levels, off, 45, 45, after);
                    assert_eq!(heard(sound), ALL, "{levels:?} {off:?} {after}");
                }
            }
        }
    }

    #[test]
    fn what_is_far_out_of_tune_or_too_uneven_or_too_soft_or_too_short_is_no_key() {
        for (levels, off, on) in [
            ([-10.0, -10.0], [0.04, 0.0], 100),
            ([-10.0, -10.0], [0.0, -0.04], 100),
            ([-10.0, -10.0], [-0.04, 0.04], 100),
            ([-20.0, -10.0], [0.0, 0.0], 100),
            ([-6.0, -20.0], [0.0, 0.0], 100),
            ([-45.0, -45.0], [0.0, 0.0], 100),
            ([-10.0, -10.0], [0.0, 0.0], 20),
        ] {
            for after in [0, 17, 34] {
                assert_eq!(heard(dialled(levels, off, on, 50, after)), "", "{levels:?} {off:?} {on} {after}");
            }
        }
    }

    #[test]
    fn noise_and_either_law_of_g711_do_not_hide_a_key() {
        for seed in 1..20 {
            let sound = dialled([-13.0, -13.0], [0.005, -0.005], 50, 50, seed as usize);
            let noisy = sound.iter().zip(noise(-28.0, seed)).map(|(a, b)| (f64::from(*a) + b) as i16);
            let noisy: Vec<i16> = noisy.collect();
            assert_eq!(heard(noisy.iter().map(|s| g711::ulaw_decode(g711::ulaw_encode(*s)))), ALL, "{seed}");
            assert_eq!(heard(noisy.iter().map(|s| g711::alaw_decode(g711::alaw_encode(*s)))), ALL, "{seed}");
        }
    }

    #[test]
    fn a_packet_that_is_lost_or_silent_does_not_make_two_of_one_key() {
        for at in (400..1200).step_by(37) {
            let mut gap = pair('7', [-10.0, -10.0], [0.0, 0.0], 200);
            gap.drain(at..at + 160);
            assert_eq!(heard(gap), "7", "lost at {at}");
            let mut click = pair('7', [-10.0, -10.0], [0.0, 0.0], 200);
            click[at..at + 60].fill(0);
            assert_eq!(heard(click), "7", "silent at {at}");
        }
    }

    #[test]
    fn the_same_key_twice_is_two_and_another_without_a_pause_is_another() {
        let press = |key| pair(key, [-10.0, -10.0], [0.0, 0.0], 60);
        assert_eq!(heard([press('1'), silence(40), press('1')].concat()), "11");
        assert_eq!(heard([press('1'), press('2'), press('1')].concat()), "121");
    }

    #[test]
    fn tones_of_the_telephone_itself_are_no_keys() {
        let second = Duration::from_secs(2);
        for chord in [&[425.0][..], &[350.0, 440.0], &[440.0, 480.0], &[480.0, 620.0], &[950.0, 1400.0, 1800.0]] {
            assert_eq!(heard(tone::chord(chord, -10.0, second, RATE)), "", "{chord:?}");
        }
        for frequency in (300..3400).step_by(7) {
            assert_eq!(heard(tone::sine(f64::from(frequency), -6.0, second / 10, RATE)), "", "{frequency}");
        }
        assert_eq!(heard(noise(-10.0, 9).take(80_000).map(|s| s as i16)), "");
    }
}

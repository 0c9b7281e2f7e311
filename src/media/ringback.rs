//! The ringing tone: what a caller hears while the far phone rings and nothing better is to be heard.

use crate::audio::tone;
use crate::time::Duration;

/// Tones and their rhythm (ITU-T E.180; the countries' own are listed in its Supplement 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ringback {
    /// In hertz, heard together.
    pub frequencies: Vec<u16>,
    /// Tone, silence, tone, silence …: an even number, then again from the first.
    pub rhythm: Vec<Duration>,
}

/// All tones together, in dBFS: as loud as the prompts.
const LEVEL: f64 = -20.0;

/// Each burst swells and fades for so long, so that it does not click.
const EDGE: Duration = Duration::from_millis(5);

/// As most of Europe has it: 425 Hz, one second of five.
impl Default for Ringback {
    fn default() -> Ringback {
        Ringback { frequencies: vec![425], rhythm: vec![Duration::from_secs(1), Duration::from_secs(4)] }
    }
}

impl Ringback {
    /// One round of it, 8000 samples a second, to be repeated.
    pub fn samples(&self) -> Vec<i16> {
        let frequencies: Vec<f64> = self.frequencies.iter().map(|frequency| f64::from(*frequency)).collect();
        let each = LEVEL - 10.0 * (frequencies.len().max(1) as f64).log10();
        let parts = self.rhythm.iter().enumerate();
        let part = |(index, length): (usize, &Duration)| match index % 2 {
            0 => soft(tone::chord(&frequencies, each, *length, tone::RATE)),
            _ => tone::chord(&[], each, *length, tone::RATE),
        };
        parts.flat_map(part).collect()
    }
}

fn soft(mut burst: Vec<i16>) -> Vec<i16> {
    let edge = ((EDGE.as_secs_f64() * f64::from(tone::RATE)) as usize).min(burst.len() / 2);
    let last = burst.len().saturating_sub(1);
    for n in 0..edge {
        let share = n as f64 / edge as f64;
        for at in [n, last - n] {
            burst[at] = (f64::from(burst[at]) * share).round() as i16;
        }
    }
    burst
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::measure::{level, loudness};

    fn seconds(samples: &[i16], from: f64, to: f64) -> &[i16] {
        let at = |second: f64| (second * f64::from(tone::RATE)) as usize;
        &samples[at(from)..at(to)]
    }

    #[test]
    fn europe_rings_one_second_of_five_at_425_hz() {
        let round = Ringback::default().samples();
        assert_eq!(round.len(), 5 * 8000);
        assert!((level(seconds(&round, 0.1, 0.9), 425.0, tone::RATE) - LEVEL).abs() < 0.2);
        assert!(seconds(&round, 1.0, 5.0).iter().all(|sample| *sample == 0));
    }

    #[test]
    fn two_tones_are_together_as_loud_as_one_and_a_rhythm_may_have_more_bursts() {
        let rhythm = [400, 200, 400, 2000].map(Duration::from_millis).to_vec();
        let round = Ringback { frequencies: vec![400, 450], rhythm }.samples();
        assert_eq!(round.len(), 3 * 8000);
        for (from, to) in [(0.1, 0.3), (0.7, 0.9)] {
            let burst = seconds(&round, from, to);
            for frequency in [400.0, 450.0] {
                assert!((level(burst, frequency, tone::RATE) - (LEVEL - 3.0)).abs() < 0.2, "{frequency} Hz");
            }
            let one = loudness(seconds(&Ringback::default().samples(), 0.1, 0.9));
            assert!((loudness(burst) - one).abs() < 0.5, "{} and {one}", loudness(burst));
        }
        assert!(seconds(&round, 0.4, 0.6).iter().chain(seconds(&round, 1.0, 3.0)).all(|sample| *sample == 0));
    }

    #[test]
    fn bursts_do_not_click() {
        // Half a period of the tone is left at the end of each burst.
        let rhythm = [Duration::from_micros(501_250), Duration::from_millis(500)].to_vec();
        let round = Ringback { frequencies: vec![400], rhythm }.samples();
        let loudest_step = round.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max();
        assert!(loudest_step < Some(1100), "{loudest_step:?}");
    }
}

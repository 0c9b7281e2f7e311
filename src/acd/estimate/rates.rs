//! How fast a line moves: who is taken to an agent per time, and who leaves by themselves.
//!
//! Rates are quotients of two whole numbers that forget slowly, so that the same events give the same bits everywhere.
//! Only when a prediction is asked for are they divided, by operations that IEEE 754 defines to the last bit.

use crate::time::Time;
use serde::{Deserialize, Serialize};

/// Events per time, of about the last 2^`SHIFT` events.
///
/// Both sums lose the same share with each event, so their quotient is an average that weighs an event n events ago by
/// (1 − 2^−SHIFT)^n; it is right from the first event on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate<const SHIFT: u32> {
    /// In units of 2^−32, so that little is lost by dividing.
    events: u64,
    micros: u64,
}

impl<const SHIFT: u32> Rate<SHIFT> {
    /// A time has passed, and an event was at its end or not.
    pub fn passed(&mut self, micros: u64, event: bool) {
        self.events -= self.events >> SHIFT;
        self.micros -= self.micros >> SHIFT;
        self.events += u64::from(event) << 32;
        self.micros = self.micros.saturating_add(micros);
    }

    /// Events per microsecond. `None` if no time has passed.
    pub fn per_micro(&self) -> Option<f64> {
        (self.micros > 0).then(|| self.events as f64 / 4_294_967_296.0 / self.micros as f64)
    }
}

/// The movement of one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Answers of entries that had to wait, per time in which somebody stood in line.
    served: Rate<SERVED>,
    /// How many there ever were.
    #[serde(default)]
    answers: u64,
    /// Departures by anything but an answer, per time waited.
    left: Rate<LEFT>,
    /// Mean time from the ring to the answer, in 2^−RING microseconds, and whether there ever was one: the first is the mean.
    ringing: u64,
    #[serde(default)]
    rang: bool,
    /// Time in which somebody stood in line, since the last answer that counted.
    stood: u64,
    last_rung: Time,
    overtaking: Overtaking,
}

/// About the last 64 answers: an error of 9 % in the rate when calls last as chance has it, and ten minutes of memory
/// with 30 agents and calls of five minutes.
const SERVED: u32 = 6;
/// About the last 256 departures: patience changes slowly, and a rare event needs many trials.
const LEFT: u32 = 8;
const RING: u32 = 5;

impl Movement {
    /// An entry has come, with so many before it and behind it in line.
    pub fn arrived(&mut self, now: Time, ahead: u32, behind: u32) {
        self.overtaking.arrived(now, ahead, behind);
    }

    /// An agent is rung for an entry that came then and had to wait until now.
    ///
    /// Somebody stood in line since the last ring, or since this one came, whichever was later; in between perhaps
    /// nobody did, and how long agents were idle says nothing about how fast they are.
    pub fn rung_after_wait(&mut self, now: Time, arrived: Time) {
        self.stood += micros_between(self.last_rung.max(arrived), now);
        self.last_rung = now;
    }

    /// An agent is rung for an entry in the moment it came.
    pub fn rung_at_once(&mut self, now: Time) {
        self.last_rung = now;
    }

    /// An entry is answered: rung for then, and whether it had to wait.
    pub fn answered(&mut self, now: Time, rung: Time, had_to_wait: bool) {
        if had_to_wait {
            self.served.passed(std::mem::take(&mut self.stood), true);
            self.answers += 1;
        }
        let ringing = micros_between(rung, now).min(RING_MAX);
        let first = !std::mem::replace(&mut self.rang, true) && self.ringing == 0;
        self.ringing = if first { ringing << RING } else { self.ringing - (self.ringing >> RING) + ringing };
    }

    /// An entry is gone after this wait, of its own will (or its queue's) or not.
    pub fn gone(&mut self, waited: u64, left: bool) {
        self.left.passed(waited, left);
    }

    /// Answers it knows of. In a snapshot from before they were counted there are those that are not forgotten.
    pub fn answers(&self) -> u64 {
        self.answers.max(self.served.events >> 32)
    }

    /// Microseconds until the answer for who has `ahead` others before them in line, on average: queue length with
    /// Markovian abandonment (Whitt 1999, *Improving service by informing customers about anticipated delays*; QL_m of
    /// Ibrahim and Whitt 2009, *Real-time delay estimation in overloaded multiserver queues with abandonments*).
    ///
    /// With i others before one, the line moves up at rate a + i·ν: a of them taken to agents, ν of each leaving by
    /// themselves. So the wait is the sum of 1 / (a + i·ν) for i from 0 to `ahead`, and the ringing. a is measured while
    /// somebody waits, so agents who also serve other queues, or are at lunch, are in it as they are in the line.
    ///
    /// Who steps in before one at rate o takes a place of it away: places of one bucket of [`Overtaking`] are left at rate
    /// a + i·ν − o for the i of the first, but an eighth of a + i·ν at least, and ν more for each further.
    pub fn by_queue_length(&self, ahead: u32) -> Option<f64> {
        let served = self.served.per_micro().filter(|rate| *rate > 0.0)?;
        let left = self.left.per_micro().unwrap_or(0.0);
        let (mut sum, mut overtaking) = (0.0, 0.0);
        for (bucket, rate) in self.overtaking.rates().into_iter().enumerate() {
            let first = (1u32 << bucket) - 1;
            let last = if bucket + 1 == BUCKETS { ahead } else { ahead.min(2 * first) };
            if first > ahead {
                break;
            }
            // Of those who step in within this bucket, half do so behind one who stands in it; the first bucket is one place.
            let here = overtaking + if bucket == 0 { rate } else { rate / 2.0 };
            let moves = served + f64::from(first) * left;
            sum += sum_of_steps((moves - here).max(moves / OVERTAKING_MAX), left, last - first);
            overtaking += rate;
        }
        Some(sum + (self.ringing >> RING) as f64)
    }
}

/// However many overtake, nobody is predicted to wait longer by more than this factor: with more, the wait has no end
/// that a mean could tell.
const OVERTAKING_MAX: f64 = 8.0;

/// Those who step in with 0, 1–2, 3–6, 7–14, 15–30, 31–62, 63–126, and 127 or more before them.
const BUCKETS: usize = 8;

/// Who steps into the line before others, and how far from its head.
///
/// Entries with a higher priority come while one waits, and each is one more step. Whoever has i before them is overtaken
/// by those who step in with i or fewer before them: where they stand tells it, whatever priority, ageing or change of
/// place led to it. Learnt from all arrivals while somebody stood in line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Overtaking {
    last: Time,
    micros: u64,
    /// In units of 2^−32.
    counts: [u64; BUCKETS],
}

impl Overtaking {
    fn arrived(&mut self, now: Time, ahead: u32, behind: u32) {
        let passed = micros_between(std::mem::replace(&mut self.last, now), now);
        if ahead == 0 && behind == 0 {
            return;
        }
        self.micros = self.micros - (self.micros >> LEFT) + passed;
        self.counts.iter_mut().for_each(|count| *count -= *count >> LEFT);
        if behind > 0 {
            let bucket = (ahead.saturating_add(1)).ilog2() as usize;
            self.counts[bucket.min(BUCKETS - 1)] += 1 << 32;
        }
    }

    /// Per microsecond.
    fn rates(&self) -> [f64; BUCKETS] {
        let micros = self.micros.max(1) as f64;
        self.counts.map(|count| count as f64 / 4_294_967_296.0 / micros)
    }
}

/// A ring that takes longer says nothing of the usual one.
const RING_MAX: u64 = 120_000_000;

/// So many steps are summed one by one; for the rest, the integral between the half steps differs from the sum by less
/// than a thousandth.
const SUMMED: u32 = 16;

/// Sum of 1 / (a + i·b) for i from 0 to n, in a time that does not depend on n.
fn sum_of_steps(a: f64, b: f64, n: u32) -> f64 {
    let summed: f64 = (0..=n.min(SUMMED)).map(|i| 1.0 / (a + f64::from(i) * b)).sum();
    if n <= SUMMED {
        return summed;
    }
    let (from, to) = (f64::from(SUMMED) + 0.5, f64::from(n) + 0.5);
    // Where hardly anybody leaves, the logarithm of nearly 1 would be all rounding.
    if b * to < a * 1e-6 { summed + (to - from) / a } else { summed + ln((a + to * b) / (a + from * b)) / b }
}

/// Natural logarithm of x ≥ 1, by operations that are the same on every machine: those of the C library are not.
fn ln(x: f64) -> f64 {
    let (mut x, mut halvings) = (x, 0.0);
    while x > 1.5 && halvings < 1_100.0 {
        x /= 2.0;
        halvings += 1.0;
    }
    // ln x = 2 artanh((x − 1) / (x + 1)); here |y| ≤ 1/5, so the tenth term is below 1e-15.
    let y = (x - 1.0) / (x + 1.0);
    let (mut sum, mut power, mut odd) = (0.0, y, 1.0);
    while odd < 22.0 {
        sum += power / odd;
        power *= y * y;
        odd += 2.0;
    }
    2.0 * sum + halvings * std::f64::consts::LN_2
}

pub fn micros_between(from: Time, to: Time) -> u64 {
    to.as_micros().saturating_sub(from.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right_to_the_twelfth_digit() {
        for x in [1.0, 1.000_001, 1.2, 1.5, 1.500_001, 2.0, 3.0, 10.0, 12_345.678, 1e30, f64::MAX] {
            let (ours, theirs) = (ln(x), x.ln());
            assert!((ours - theirs).abs() <= 1e-12 * theirs.max(1.0), "ln {x}: {ours}, not {theirs}");
        }
    }

    #[test]
    fn long_lines_are_summed_as_short_ones() {
        for (a, b) in [(0.1, 0.0), (0.1, 1e-12), (0.1, 0.001), (0.1, 0.01), (0.1, 0.3), (1e-6, 1e-3)] {
            for n in [0, 5, 16, 17, 100, 5_000] {
                let plain: f64 = (0..=n).map(|i| 1.0 / (a + f64::from(i) * b)).sum();
                let quick = sum_of_steps(a, b, n);
                assert!((quick - plain).abs() <= 1e-3 * plain, "{a} {b} {n}: {quick}, not {plain}");
            }
        }
    }

    /// With an agent coming free every 10 s and nobody leaving, each place in line is 10 s; ringing adds 4 s.
    #[test]
    fn each_place_in_line_is_one_step() {
        let mut movement = Movement::default();
        let at = Time::from_secs;
        for turn in 1..=100 {
            movement.rung_after_wait(at(10 * turn), at((10 * turn).saturating_sub(25)));
            movement.answered(at(10 * turn + 4), at(10 * turn), true);
            movement.gone(29_000_000, false);
        }
        for (ahead, secs) in [(0, 14), (1, 24), (9, 104), (99, 1_004)] {
            let predicted = movement.by_queue_length(ahead).expect("100 answers") / 1e6;
            assert!((predicted - f64::from(secs)).abs() < 0.01 * f64::from(secs), "{ahead} ahead: {predicted}");
        }
    }

    /// Of those who wait, one in 100 s leaves: with 10 ahead the line moves up every 1 / (0.1 + 0.1) s at first.
    #[test]
    fn who_leaves_makes_the_line_move_faster() {
        let mut movement = Movement::default();
        let at = Time::from_secs;
        for turn in 1..=1_000 {
            movement.rung_after_wait(at(10 * turn), at((10 * turn).saturating_sub(50)));
            movement.answered(at(10 * turn), at(10 * turn), true);
            movement.gone(50_000_000, turn % 2 == 0);
        }
        let expected: f64 = (0..=10).map(|i| 1.0 / (0.1 + f64::from(i) * 0.01)).sum();
        let predicted = movement.by_queue_length(10).expect("1,000 answers") / 1e6;
        assert!((predicted - expected).abs() < 0.02 * expected, "{predicted}, not {expected}");
    }

    /// With 10 s a place and one who goes first every 20 s, a place takes 20 s; who goes first is not overtaken.
    #[test]
    fn who_steps_in_before_one_is_one_more_step() {
        let mut movement = Movement::default();
        let at = Time::from_secs;
        for turn in 1..=2_000 {
            movement.rung_after_wait(at(10 * turn), at((10 * turn).saturating_sub(50)));
            movement.answered(at(10 * turn), at(10 * turn), true);
            movement.gone(50_000_000, false);
            if turn % 2 == 0 {
                movement.arrived(at(10 * turn), 4, 20);
            } else {
                movement.arrived(at(10 * turn), 24, 0);
            }
        }
        let secs = |ahead| movement.by_queue_length(ahead).expect("2,000 answers") / 1e6;
        // Places 0–2 take 10 s each, 3–6 take 1 / (0.1 − 0.025) s, the others 20 s.
        for (ahead, expected) in [(0, 10.0), (2, 30.0), (6, 30.0 + 4.0 / 0.075), (26, 30.0 + 4.0 / 0.075 + 400.0)] {
            assert!((secs(ahead) - expected).abs() < 0.02 * expected, "{ahead} ahead: {}, not {expected}", secs(ahead));
        }
    }

    #[test]
    fn where_more_overtake_than_are_served_the_wait_is_long_but_ends() {
        let mut movement = Movement::default();
        let at = Time::from_secs;
        for turn in 1..=500 {
            movement.rung_after_wait(at(10 * turn), at((10 * turn).saturating_sub(50)));
            movement.answered(at(10 * turn), at(10 * turn), true);
            movement.arrived(at(10 * turn), 0, 20);
            movement.arrived(at(10 * turn), 0, 20);
        }
        let secs = movement.by_queue_length(9).expect("500 answers") / 1e6;
        assert!((secs - 800.0).abs() < 8.0, "{secs}");
    }

    #[test]
    fn nobody_waits_less_long_for_one_more_before_them() {
        let mut movement = Movement::default();
        let at = Time::from_secs;
        for turn in 1..=500 {
            movement.rung_after_wait(at(10 * turn), at((10 * turn).saturating_sub(50)));
            movement.answered(at(10 * turn), at(10 * turn), true);
            movement.gone(50_000_000, turn % 5 == 0);
            movement.arrived(at(10 * turn), (turn * turn % 19) as u32, 20);
        }
        let waits: Vec<f64> = (0..200).map(|ahead| movement.by_queue_length(ahead).expect("500 answers")).collect();
        assert!(waits.is_sorted_by(|fewer, more| fewer < more), "{waits:?}");
    }

    #[test]
    fn answers_are_counted_however_many_there_were() {
        let mut movement = Movement::default();
        for turn in 1..=1_000 {
            movement.answered(Time::from_secs(turn), Time::from_secs(turn), true);
            assert_eq!(movement.answers(), turn);
        }
    }

    /// Phones that answer by themselves do so at once; one that does not is one of 32.
    #[test]
    fn a_ring_of_no_time_is_a_ring() {
        let mut movement = Movement::default();
        let at = Time::from_secs;
        movement.rung_after_wait(at(10), at(0));
        movement.answered(at(10), at(10), true);
        let before = movement.by_queue_length(0).expect("an answer");
        movement.answered(at(42), at(10), false);
        let ringing = movement.by_queue_length(0).expect("an answer") - before;
        assert!((ringing - 1e6).abs() < 10.0, "{ringing}");
    }

    /// Whoever folds the same events gets the same bits: pinned on one machine, to be met by all.
    #[test]
    fn predictions_are_the_same_to_the_last_bit() {
        let mut movement = Movement::default();
        for turn in 1..=300u64 {
            let now = turn * 7_777_777 + turn % 13 * 123_457;
            let at = Time::from_micros;
            movement.rung_after_wait(at(now), at(now - 7_000_001));
            movement.answered(at(now + 3_333_333), at(now), true);
            movement.gone(40_000_003 + turn % 7, turn % 5 == 0);
            movement.arrived(at(now + 3_333_333), (turn % 11) as u32, (turn % 3) as u32);
        }
        let bits = [0, 7, 40, 100_000].map(|ahead| movement.by_queue_length(ahead).expect("300 answers").to_bits());
        assert_eq!(bits, PINNED);
    }

    const PINNED: [u64; 4] = [4711993957811988786, 4724204899374425494, 4733042132451946174, 4745183642752434579];

    #[test]
    fn the_time_in_which_agents_were_idle_does_not_count() {
        let mut movement = Movement::default();
        let at = Time::from_secs;
        for turn in 1..=100 {
            // One is served at once, an hour after the last; the next waits 20 s.
            let now = 3_600 * turn;
            movement.rung_at_once(at(now));
            movement.answered(at(now), at(now), false);
            movement.rung_after_wait(at(now + 50), at(now + 30));
            movement.answered(at(now + 50), at(now + 50), true);
        }
        let predicted = movement.by_queue_length(0).expect("100 answers") / 1e6;
        assert!((predicted - 20.0).abs() < 0.2, "{predicted}");
    }

    #[test]
    fn a_rate_follows_a_change_within_its_memory() {
        let mut rate = Rate::<6>::default();
        (0..500).for_each(|_| rate.passed(1_000, true));
        (0..200).for_each(|_| rate.passed(2_000, true));
        let micros = 1.0 / rate.per_micro().expect("time has passed");
        assert!((1_900.0..=2_000.0).contains(&micros), "{micros}");
        assert!((60..=64).contains(&(rate.events >> 32)), "{}", rate.events >> 32);
    }
}

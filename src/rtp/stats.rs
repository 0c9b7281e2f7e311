//! What a receiver knows of one RTP source: sequence, loss, jitter (RFC 3550 appendix A) and round trip (§6.4.1).

use crate::time::{Duration, Time};

/// A step ahead by less than this is loss; by more, the sender has begun anew (RFC 3550 A.1).
const DROPOUT_MAX: u16 = 3000;
/// A step back by up to this is a packet that came late.
const MISORDER_MAX: u16 = 100;

/// How a packet's sequence number fits the ones before. `u32`: the number with the wraps counted in its upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The next one, or one further on after a loss.
    Ahead(u32),
    /// One that came late or twice.
    Late(u32),
    /// Far from the others. If the next one follows it, the sender has begun anew; until then it is not to be trusted.
    Stray,
    /// The second of two in a row far from the others: counting begins anew with it.
    Restart(u32),
}

/// The sequence of one source, from its first packet on.
///
/// RFC 3550 A.1 without the probation of a new source: we know our peer by its address.
#[derive(Clone, Debug)]
pub struct Sequence {
    base: u32,
    highest: u32,
    received: u32,
    /// The number that would prove the last stray right.
    awaited: Option<u16>,
    /// Lost and received before the sender began anew.
    lost_before: i64,
    expected_prior: u32,
    received_prior: u32,
}

impl Sequence {
    /// A source whose first packet, already counted, bears this number.
    pub fn new(first: u16) -> Sequence {
        Sequence {
            base: u32::from(first),
            highest: u32::from(first),
            received: 1,
            awaited: None,
            lost_before: 0,
            expected_prior: 0,
            received_prior: 0,
        }
    }

    pub fn update(&mut self, sequence: u16) -> Order {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let behind = (self.highest as u16).wrapping_sub(sequence);
        if ahead < DROPOUT_MAX && ahead > 0 {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
            self.received += 1;
            self.awaited = None;
            Order::Ahead(self.highest)
        } else if behind <= MISORDER_MAX {
            self.received += 1;
            Order::Late(self.highest.wrapping_sub(u32::from(behind)))
        } else if self.awaited == Some(sequence) {
            let lost_before = self.lost();
            *self = Sequence { lost_before, ..Sequence::new(sequence) };
            Order::Restart(self.highest)
        } else {
            self.awaited = Some(sequence.wrapping_add(1));
            Order::Stray
        }
    }

    /// Extended highest sequence number received (RFC 3550 §6.4.1).
    pub fn highest(&self) -> u32 {
        self.highest
    }

    fn expected(&self) -> u32 {
        self.highest.wrapping_sub(self.base).wrapping_add(1)
    }

    /// Packets expected less packets received; negative when packets came twice (RFC 3550 A.3).
    pub fn lost(&self) -> i64 {
        self.lost_before + i64::from(self.expected()) - i64::from(self.received)
    }

    /// Share lost since the last call, in 1/256 (RFC 3550 A.3). Each report block asks once.
    pub fn fraction_lost(&mut self) -> u8 {
        let expected = self.expected().wrapping_sub(self.expected_prior);
        let received = self.received.wrapping_sub(self.received_prior);
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        let lost = i64::from(expected) - i64::from(received);
        if expected == 0 || lost <= 0 { 0 } else { u8::try_from(lost * 256 / i64::from(expected)).unwrap_or(255) }
    }
}

/// Interarrival jitter (RFC 3550 §6.4.1, A.8) of a source that counts 8000 samples a second.
#[derive(Clone, Debug, Default)]
pub struct Jitter {
    /// Arrival less timestamp of the packet before, both in samples.
    transit: Option<u32>,
    /// Sixteen times the estimate, as in A.8.
    scaled: u32,
}

impl Jitter {
    /// Not to be told of packets whose timestamp stands still while they are sent (telephone-event).
    pub fn update(&mut self, now: Time, timestamp: u32) {
        // Arithmetic modulo 2^32, as that of the timestamps.
        let transit = samples(now).wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A jump of over ten seconds is the sender's clock, not the network's delay.
            if difference < 80_000 {
                self.scaled = self.scaled + difference - ((self.scaled + 8) >> 4);
            }
        }
    }

    /// The source began anew: the next packet is compared with none before.
    pub fn restart(&mut self) {
        self.transit = None;
    }

    /// In samples, as a report block wants it.
    pub fn samples(&self) -> u32 {
        self.scaled >> 4
    }

    pub fn duration(&self) -> Duration {
        Duration::from_micros(u64::from(self.samples()) * 125)
    }
}

/// Moment as a count of samples at 8000 per second, modulo 2^32.
pub fn samples(now: Time) -> u32 {
    // Truncation is the modulo.
    (now.as_micros() / 125) as u32
}

/// Round trip from a report block about us (RFC 3550 §6.4.1). `last_report` and `delay` are the block's LSR and DLSR.
///
/// `None` if the peer had not seen a report of ours, or claims the impossible: a negative time or one over a minute.
pub fn round_trip(now: Time, last_report: u32, delay: u32) -> Option<Duration> {
    if last_report == 0 {
        return None;
    }
    let units = ntp_middle(ntp(now)).wrapping_sub(last_report).wrapping_sub(delay);
    (units < 60 << 16).then(|| Duration::from_micros((u64::from(units) * 1_000_000) >> 16))
}

/// NTP timestamp (RFC 3550 §4): seconds since 1900 in the upper half, fractions in the lower, modulo 2^64.
pub fn ntp(now: Time) -> u64 {
    let (seconds, micros) = (now.as_micros() / 1_000_000, now.as_micros() % 1_000_000);
    (seconds.wrapping_add(2_208_988_800) << 32) | ((micros << 32) / 1_000_000)
}

/// The middle 32 bits, in units of 1/65536 s.
pub fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: impl IntoIterator<Item = u16>) -> Sequence {
        let mut numbers = numbers.into_iter();
        let mut sequence = Sequence::new(numbers.next().unwrap());
        numbers.for_each(|n| {
            sequence.update(n);
        });
        sequence
    }

    #[test]
    fn wraps_are_counted_in_the_upper_half() {
        let mut sequence = Sequence::new(65534);
        assert_eq!(sequence.update(65535), Order::Ahead(65535));
        assert_eq!(sequence.update(1), Order::Ahead(65537));
        assert_eq!(sequence.update(0), Order::Late(65536));
        assert_eq!(sequence.update(65535), Order::Late(65535));
        assert_eq!((sequence.highest(), sequence.lost()), (65537, -1));
    }

    #[test]
    fn loss_is_expected_less_received() {
        for (numbers, lost) in [
            (vec![5, 6, 7], 0),
            (vec![5, 8], 2),
            (vec![5, 8, 7, 6], 0),
            (vec![5, 6, 6, 6], -2),
            (vec![65535, 0, 2], 1),
            (vec![5, 6, 2900], 2893),
        ] {
            assert_eq!(after(numbers.clone()).lost(), lost, "{numbers:?}");
        }
    }

    #[test]
    fn one_stray_is_ignored_and_two_in_a_row_are_a_new_beginning() {
        let mut sequence = after([10, 11, 14]);
        assert_eq!(sequence.update(40_000), Order::Stray);
        assert_eq!(sequence.update(15), Order::Ahead(15));
        assert_eq!(sequence.update(40_001), Order::Stray);
        assert_eq!(sequence.update(40_002), Order::Restart(40_002));
        assert_eq!(sequence.update(40_003), Order::Ahead(40_003));
        assert_eq!(sequence.lost(), 2, "what was lost before is not forgotten");
    }

    #[test]
    fn the_fraction_is_of_the_time_since_the_last_report() {
        let mut sequence = after([0, 1, 3]);
        assert_eq!(sequence.fraction_lost(), 64);
        for n in [4, 6, 7] {
            sequence.update(n);
        }
        assert_eq!(sequence.fraction_lost(), 64);
        assert_eq!(sequence.fraction_lost(), 0, "nothing expected");
        sequence.update(7);
        assert_eq!(sequence.fraction_lost(), 0, "doubled, not lost");
        sequence.update(2000);
        assert!(sequence.fraction_lost() >= 254);
    }

    #[test]
    fn jitter_follows_the_formula_of_the_appendix() {
        let mut jitter = Jitter::default();
        let mut expected = 0.0f64;
        // Arrival in ms; sent each 20 ms from timestamp near the wrap on.
        let arrivals = [0u64, 20, 45, 60, 95, 100, 120, 141, 160, 180];
        let mut before = 0i64;
        for (i, at) in (0u32..).zip(arrivals) {
            jitter.update(Time::from_micros(at * 1000), (u32::MAX - 300).wrapping_add(i * 160));
            let transit = at as i64 * 8 - i64::from(i) * 160;
            expected += ((transit - before).abs() as f64 - expected) / 16.0;
            before = transit;
        }
        assert!((f64::from(jitter.samples()) - expected).abs() <= 1.0, "{} {expected}", jitter.samples());
        assert!(jitter.samples() > 10);
        assert_eq!(jitter.duration(), Duration::from_micros(u64::from(jitter.samples()) * 125));
    }

    #[test]
    fn even_packets_have_no_jitter_and_a_clock_jump_is_none() {
        let mut jitter = Jitter::default();
        for i in 0..100u32 {
            let jump = if i >= 50 { 4_000_000 } else { 0 };
            jitter.update(Time::from_micros(u64::from(i) * 20_000), jump + i * 160);
        }
        assert_eq!(jitter.samples(), 0);
    }

    #[test]
    fn round_trip_is_the_time_less_the_delay_at_the_peer() {
        let sent = Time::from_micros(1_795_424_400_250_000);
        let lsr = ntp_middle(ntp(sent));
        let now = sent + Duration::from_millis(1_080);
        let trip = round_trip(now, lsr, 65536).unwrap();
        assert!(trip.as_millis().abs_diff(80) <= 1, "{trip:?}");
        assert_eq!(round_trip(now, 0, 0), None);
        assert_eq!(round_trip(now, lsr, 2 * 65536), None, "less than nothing");
        assert_eq!(round_trip(now + Duration::from_secs(100), lsr, 0), None);
    }

    #[test]
    fn ntp_counts_from_1900() {
        // RFC 5905 figure 4: 1970-01-01 is second 2,208,988,800.
        assert_eq!(ntp(Time::EPOCH), 2_208_988_800 << 32);
        assert_eq!(ntp(Time::from_micros(500_000)) & 0xffff_ffff, 0x8000_0000);
    }
}

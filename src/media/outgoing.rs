//! The one RTP stream that a leg's peer hears: one SSRC, numbers without a gap and timestamps that follow the clock, whatever
//! it is made of: prompts, music, another leg's packets, keys.

use super::deck::Slot;
use super::dice::Dice;
use crate::rtp::packet::Header;
use crate::rtp::rtcp::SenderInfo;
use crate::rtp::stats;
use crate::time::{Duration, Time};

pub struct Outgoing {
    ssrc: u32,
    /// Of the next packet.
    sequence: u16,
    /// Of the next sample.
    timestamp: u32,
    /// When the next sample is due if there is no pause.
    due: Time,
    /// Whether the next packet of our own begins a talk spurt (RFC 3551 §4.1).
    spurt: bool,
    relayed: Option<Mapping>,
    packets: u64,
    bytes: u64,
}

/// How the numbers of another stream become ours.
struct Mapping {
    source: Slot,
    epoch: u32,
    /// The other stream's first packet that became ours; what comes late from before it has no place.
    first: u32,
    sequence: u16,
    timestamp: u32,
}

/// Where a packet of another leg stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Sequence number with the wraps counted in the upper half.
    pub sequence: u32,
    pub timestamp: u32,
    /// Changes when the sender began anew: numbers of two epochs cannot be compared.
    pub epoch: u32,
    pub marker: bool,
}

impl Outgoing {
    pub fn new(now: Time, dice: &mut Dice) -> Outgoing {
        Outgoing {
            ssrc: dice.u32(),
            sequence: dice.u16(),
            timestamp: dice.u32(),
            due: now,
            spurt: true,
            relayed: None,
            packets: 0,
            bytes: 0,
        }
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// What comes next does not follow on what was sent: another source, or a pause.
    pub fn interrupt(&mut self) {
        self.spurt = true;
        self.relayed = None;
    }

    /// The header of a packet of our own with so many samples, one byte each, to be sent at once.
    pub fn own(&mut self, now: Time, payload_type: u8, samples: u32) -> Header {
        self.relayed = None;
        self.catch_up(now);
        let marker = std::mem::take(&mut self.spurt);
        let header = self.header(payload_type, marker);
        self.timestamp = self.timestamp.wrapping_add(samples);
        self.due += duration(samples);
        self.count(samples as usize);
        header
    }

    /// A key of our own begins: its timestamp, which all of its packets bear.
    pub fn begin_key(&mut self, now: Time) -> u32 {
        self.interrupt();
        self.catch_up(now);
        self.timestamp
    }

    /// The header of one packet of a key that began at `timestamp` and lasts `samples` so far.
    pub fn key(&mut self, payload_type: u8, timestamp: u32, samples: u32, first: bool, bytes: usize) -> Header {
        let header = Header { timestamp, ..self.header(payload_type, first) };
        let more = timestamp.wrapping_add(samples).wrapping_sub(self.timestamp);
        self.timestamp = self.timestamp.wrapping_add(more);
        self.due += duration(more);
        self.count(bytes);
        header
    }

    /// The header under which a packet of another leg becomes ours. `samples`: what it lasts; `bytes`: its payload. Losses, pauses and the order of the other
    /// stream stay what they are; only where it begins is fitted to what was sent before. `None`: it belongs before that beginning.
    pub fn relay(
        &mut self,
        now: Time,
        source: Slot,
        place: Place,
        payload_type: u8,
        samples: u32,
        bytes: usize,
    ) -> Option<Header> {
        let fits = |mapping: &&Mapping| mapping.source == source && mapping.epoch == place.epoch;
        let (mapping, fresh) = match self.relayed.as_ref().filter(fits) {
            Some(mapping) if (place.sequence.wrapping_sub(mapping.first) as i32) < 0 => return None,
            Some(mapping) => (mapping, false),
            None => {
                self.catch_up(now);
                let mapping = Mapping {
                    source,
                    epoch: place.epoch,
                    first: place.sequence,
                    sequence: self.sequence.wrapping_sub(place.sequence as u16),
                    timestamp: self.timestamp.wrapping_sub(place.timestamp),
                };
                (&*self.relayed.insert(mapping), true)
            }
        };
        let sequence = mapping.sequence.wrapping_add(place.sequence as u16);
        let timestamp = mapping.timestamp.wrapping_add(place.timestamp);
        let marker = place.marker || fresh;
        let header = Header { marker, payload_type, sequence, timestamp, ssrc: self.ssrc };

        if sequence.wrapping_sub(self.sequence) as i16 >= 0 {
            self.sequence = sequence.wrapping_add(1);
        }
        let end = timestamp.wrapping_add(samples);
        if end.wrapping_sub(self.timestamp) as i32 > 0 {
            self.timestamp = end;
            self.due = now + duration(samples);
        }
        self.spurt = true;
        self.packets += 1;
        self.bytes += bytes as u64;
        Some(header)
    }

    /// What a sender report says at this moment (RFC 3550 §6.4.1).
    pub fn info(&self, now: Time) -> SenderInfo {
        let timestamp = if now >= self.due {
            self.timestamp.wrapping_add(samples(now.since(self.due)))
        } else {
            self.timestamp.wrapping_sub(samples(self.due.since(now)))
        };
        // Both counts are modulo 2^32 on the wire.
        SenderInfo { ntp: stats::ntp(now), timestamp, packets: self.packets as u32, bytes: self.bytes as u32 }
    }

    /// A pause is as long in the timestamps as it was on the clock.
    fn catch_up(&mut self, now: Time) {
        if now > self.due {
            self.timestamp = self.timestamp.wrapping_add(samples(now.since(self.due)));
            self.due = now;
        }
    }

    fn header(&mut self, payload_type: u8, marker: bool) -> Header {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        Header { marker, payload_type, sequence, timestamp: self.timestamp, ssrc: self.ssrc }
    }

    fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// Modulo 2^32, as timestamps are.
fn samples(duration: Duration) -> u32 {
    (duration.as_micros() / 125) as u32
}

fn duration(samples: u32) -> Duration {
    Duration::from_micros(u64::from(samples) * 125)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Slot = Slot(1);

    fn ms(millis: u64) -> Time {
        Time::from_micros(1_000_000_000 + millis * 1000)
    }

    fn outgoing() -> Outgoing {
        Outgoing::new(ms(0), &mut Dice::new(3))
    }

    fn place(sequence: u32, timestamp: u32) -> Place {
        Place { sequence, timestamp, epoch: 0, marker: false }
    }

    /// Sequence, timestamp and marker relative to a first header.
    fn relative(first: Header, header: Header) -> (u16, u32, bool) {
        assert_eq!(header.ssrc, first.ssrc);
        (header.sequence.wrapping_sub(first.sequence), header.timestamp.wrapping_sub(first.timestamp), header.marker)
    }

    #[test]
    fn own_packets_follow_each_other_and_a_pause_is_heard_in_the_timestamps() {
        let mut out = outgoing();
        let first = out.own(ms(0), 0, 160);
        assert!(first.marker);
        assert_eq!(relative(first, out.own(ms(20), 0, 160)), (1, 160, false));
        out.interrupt();
        assert_eq!(relative(first, out.own(ms(140), 0, 160)), (2, 1120, true));
    }

    #[test]
    fn another_leg_follows_on_our_own_with_its_losses_and_order_kept() {
        let mut out = outgoing();
        let first = out.own(ms(0), 0, 160);
        let mut relay = |at, sequence, timestamp| {
            out.relay(ms(at), S, place(sequence, timestamp), 0, 160, 160).map(|header| relative(first, header))
        };
        assert_eq!(relay(25, 65535, u32::MAX - 79), Some((1, 200, true)));
        assert_eq!(relay(45, 65536, 80), Some((2, 360, false)));
        assert_eq!(relay(85, 65538, 400), Some((4, 680, false)), "one lost");
        assert_eq!(relay(86, 65537, 240), Some((3, 520, false)), "no, late");
        assert_eq!(relay(87, 65534, 0), None, "of before the beginning");
        assert_eq!(relative(first, out.own(ms(105), 0, 160)), (5, 840, true), "and our own follows on that");
    }

    #[test]
    fn a_new_epoch_or_source_begins_where_the_old_one_ended() {
        let mut out = outgoing();
        let first = out.relay(ms(0), S, place(10, 1000), 0, 160, 160).unwrap();
        let epoch = Place { sequence: 40_000, timestamp: 77, epoch: 1, marker: false };
        let header = out.relay(ms(20), S, epoch, 0, 160, 160).unwrap();
        assert_eq!(relative(first, header), (1, 160, true));
        let header = out.relay(ms(40), Slot(9), epoch, 0, 160, 160).unwrap();
        assert_eq!(relative(first, header), (2, 320, true));
    }

    #[test]
    fn all_packets_of_a_key_bear_its_beginning() {
        let mut out = outgoing();
        let first = out.own(ms(0), 0, 160);
        let begin = out.begin_key(ms(20));
        for (n, samples) in (1..).zip([160, 320, 320]) {
            let header = out.key(101, begin, samples, n == 1, 4);
            assert_eq!(relative(first, header), (n, 160, n == 1));
        }
        assert_eq!(relative(first, out.own(ms(60), 0, 160)), (4, 480, true));
    }

    #[test]
    fn a_report_tells_the_timestamp_of_its_moment() {
        let mut out = outgoing();
        let first = out.own(ms(0), 0, 160);
        for at in [0, 5, 20, 1000] {
            let info = out.info(ms(at));
            assert_eq!(u64::from(info.timestamp.wrapping_sub(first.timestamp)), at * 8, "at {at} ms");
            assert_eq!((info.packets, info.bytes), (1, 160));
        }
    }
}

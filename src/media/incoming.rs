//! What is known of the RTP stream that a leg's peer sends.

use super::outgoing::Place;
use crate::rtp::event::{DigitReader, Event};
use crate::rtp::packet::Packet;
use crate::rtp::rtcp::ReportBlock;
use crate::rtp::stats::{self, Jitter, Order, Sequence};
use crate::time::{Duration, Time};

#[derive(Default)]
pub struct Incoming {
    source: Option<Source>,
    epoch: u32,
    keys: DigitReader,
    jitter: Jitter,
    packets: u64,
    /// Lost of sources before the present one.
    lost_before: u64,
    /// Middle of the NTP timestamp of the last sender report, and when it came.
    sender_report: Option<(u32, Time)>,
    /// Packets at the last report block.
    packets_reported: u64,
}

struct Source {
    ssrc: u32,
    sequence: Sequence,
    audio: Option<Audio>,
}

/// The last packet of sound.
struct Audio {
    at: Time,
    sequence: u32,
    timestamp: u32,
    samples: u32,
}

/// A timestamp that is further off than this from both the clock and the count of packets is that of a stream begun anew.
const JUMP: u32 = 8000;

impl Incoming {
    /// One packet of the peer. `samples`: how long its sound is; `None` if it is no sound. Gives its place in the stream; `None` for a
    /// stray number that the next packet must confirm.
    pub fn receive(&mut self, now: Time, packet: &Packet, samples: Option<u32>) -> Option<Place> {
        self.packets += 1;
        let order = match &mut self.source {
            Some(source) if source.ssrc == packet.ssrc => source.sequence.update(packet.sequence),
            _ => {
                self.lost_before = self.lost();
                let sequence = Sequence::new(packet.sequence);
                let order = Order::Restart(sequence.highest());
                self.source = Some(Source { ssrc: packet.ssrc, sequence, audio: None });
                self.sender_report = None;
                order
            }
        };
        let source = self.source.as_mut().expect("there is a source from its first packet on");
        let sequence = match order {
            Order::Stray => return None,
            Order::Ahead(sequence) | Order::Late(sequence) => sequence,
            Order::Restart(sequence) => {
                source.audio = None;
                self.epoch = self.epoch.wrapping_add(1);
                self.keys = DigitReader::default();
                self.jitter.restart();
                sequence
            }
        };
        if let Some(samples) = samples {
            self.jitter.update(now, packet.timestamp);
            if !matches!(order, Order::Late(_)) {
                let audio = Audio { at: now, sequence, timestamp: packet.timestamp, samples };
                if source.audio.as_ref().is_some_and(|before| !audio.follows(before)) {
                    self.epoch = self.epoch.wrapping_add(1);
                }
                source.audio = Some(audio);
            }
        }
        Some(Place { sequence, timestamp: packet.timestamp, epoch: self.epoch, marker: packet.marker })
    }

    /// The code of a key that was not reported before.
    pub fn key(&mut self, timestamp: u32, event: Event) -> Option<u8> {
        self.keys.read(timestamp, event)
    }

    /// The timestamp of the key that was pressed last.
    pub fn last_key(&self) -> Option<u32> {
        self.keys.last_timestamp()
    }

    /// A sender report came.
    pub fn sender_report(&mut self, now: Time, ssrc: u32, ntp: u64) {
        if self.source.as_ref().is_none_or(|source| source.ssrc == ssrc) {
            self.sender_report = Some((stats::ntp_middle(ntp), now));
        }
    }

    /// What to tell the peer of its stream; `None` if nothing came since the last time.
    pub fn report_block(&mut self, now: Time) -> Option<ReportBlock> {
        if self.packets == self.packets_reported {
            return None;
        }
        self.packets_reported = self.packets;
        let source = self.source.as_mut()?;
        let (last_report, delay) = match self.sender_report {
            // In 1/65536 s; more than 18 hours is clamped.
            Some((ntp, at)) => (ntp, u32::try_from((now.since(at).as_micros() << 16) / 1_000_000).unwrap_or(u32::MAX)),
            None => (0, 0),
        };
        let lost = source.sequence.lost().clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        Some(ReportBlock {
            ssrc: source.ssrc,
            fraction_lost: source.sequence.fraction_lost(),
            lost,
            highest_sequence: source.sequence.highest(),
            jitter: self.jitter.samples(),
            last_report,
            delay,
        })
    }

    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Of all sources, never negative.
    pub fn lost(&self) -> u64 {
        let lost = self.source.as_ref().map_or(0, |source| source.sequence.lost());
        self.lost_before + u64::try_from(lost).unwrap_or(0)
    }

    pub fn jitter(&self) -> Duration {
        self.jitter.duration()
    }
}

impl Audio {
    fn follows(&self, before: &Audio) -> bool {
        let step = self.timestamp.wrapping_sub(before.timestamp);
        let by_clock = stats::samples(self.at).wrapping_sub(stats::samples(before.at));
        let by_count = self.sequence.wrapping_sub(before.sequence).wrapping_mul(before.samples);
        let near = |other: u32| (step.wrapping_sub(other) as i32).unsigned_abs() <= JUMP;
        near(by_clock) || near(by_count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Time {
        Time::from_micros(1_000_000_000 + millis * 1000)
    }

    fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Packet {
        Packet { marker: false, payload_type: 0, sequence, timestamp, ssrc, payload: 12..172 }
    }

    #[test]
    fn an_epoch_ends_where_numbers_cannot_be_compared() {
        let mut incoming = Incoming::default();
        let mut epoch = |at, ssrc, sequence, timestamp| {
            incoming.receive(ms(at), &packet(ssrc, sequence, timestamp), Some(160)).map(|place| place.epoch)
        };
        assert_eq!(epoch(0, 1, 10, 1000), Some(1));
        assert_eq!(epoch(20, 1, 11, 1160), Some(1));
        assert_eq!(epoch(5000, 1, 12, 41_000), Some(1), "a pause that the timestamp knows of");
        assert_eq!(epoch(9000, 1, 13, 41_160), Some(1), "a burst after the network stood still");
        assert_eq!(epoch(9020, 1, 14, 900_000), Some(2), "a timestamp out of nowhere");
        assert_eq!(epoch(9040, 1, 30_000, 900_160), None);
        assert_eq!(epoch(9060, 1, 30_001, 900_320), Some(3), "the sequence began anew");
        assert_eq!(epoch(9080, 2, 30_002, 900_480), Some(4), "another source");
    }

    #[test]
    fn lost_packets_are_summed_over_the_sources() {
        let mut incoming = Incoming::default();
        for (ssrc, sequence) in [(1, 1), (1, 4), (2, 1), (2, 2), (2, 4)] {
            incoming.receive(ms(0), &packet(ssrc, sequence, 0), None);
        }
        assert_eq!((incoming.packets(), incoming.lost()), (5, 3));
    }

    #[test]
    fn a_block_tells_of_the_last_report_and_only_of_what_came() {
        let mut incoming = Incoming::default();
        assert_eq!(incoming.report_block(ms(0)), None);
        incoming.receive(ms(0), &packet(7, 1, 0), Some(160));
        incoming.receive(ms(40), &packet(7, 3, 320), Some(160));
        incoming.sender_report(ms(100), 7, 0x1234_5678_9abc_def0);
        incoming.sender_report(ms(100), 8, 1 << 40);
        let block = incoming.report_block(ms(600)).unwrap();
        let expected = ReportBlock {
            ssrc: 7,
            fraction_lost: 85,
            lost: 1,
            highest_sequence: 3,
            jitter: 0,
            last_report: 0x5678_9abc,
            delay: 32768,
        };
        assert_eq!(block, expected);
        assert_eq!(incoming.report_block(ms(700)), None);
    }
}

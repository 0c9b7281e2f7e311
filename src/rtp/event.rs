//! telephone-event (RFC 4733): keys pressed on a telephone, as RTP payload.

/// Payload length.
pub const LENGTH: usize = 4;

/// One telephone-event payload (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// 0–9 digits, 10 `*`, 11 `#`, 12–15 `A`–`D`; others are not keys.
    pub code: u8,
    pub end: bool,
    /// dBm0, sign dropped: 0–63.
    pub volume: u8,
    /// Samples of the event so far.
    pub duration: u16,
}

impl Event {
    /// `None` if the payload is too short. Redundant older events after the first are not looked at.
    pub fn read(payload: &[u8]) -> Option<Event> {
        let &[code, flags, high, low] = payload.first_chunk::<LENGTH>()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(Event { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    pub fn bytes(&self) -> [u8; LENGTH] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | (self.volume & 0x3f), high, low]
    }
}

/// The code of a key: `0`–`9`, `*`, `#`, `A`–`D` (also in lower case).
pub fn code(key: char) -> Option<u8> {
    let code = match key {
        '0'..='9' => key as u32 - '0' as u32,
        '*' => 10,
        '#' => 11,
        'A'..='D' => key as u32 - 'A' as u32 + 12,
        'a'..='d' => key as u32 - 'a' as u32 + 12,
        _ => return None,
    };
    u8::try_from(code).ok()
}

/// The key of a code.
pub fn key(code: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(code)).map(|&key| char::from(key))
}

/// Reports each key once, at the first packet of it that arrives.
///
/// A key is known by its RTP timestamp (RFC 4733 §2.2.2): repeated, late and lost packets, the first and the last included, do not
/// matter, and the same key pressed again is a new one.
#[derive(Clone, Debug, Default)]
pub struct DigitReader {
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: u32,
    event: Event,
}

/// A timestamp older by up to this is a packet that came late; older by more, a sender that began to count anew.
const LATE_MAX: u32 = 10 * 8000;

/// No telephone presses the same key twice within 50 ms; senders that count the timestamp on within one key do.
const PRESS_MIN: u32 = 50 * 8;

impl DigitReader {
    /// One event packet with its RTP timestamp. `Some(code)`: a key that was not reported yet.
    pub fn read(&mut self, timestamp: u32, event: Event) -> Option<u8> {
        if let Some(last) = &mut self.last {
            let ahead = timestamp.wrapping_sub(last.timestamp);
            let behind = last.timestamp.wrapping_sub(timestamp);
            let same = ahead == 0
                || (event.code == last.event.code && !last.event.end && ahead <= PRESS_MIN)
                // A key held for long is told in segments (RFC 4733 §2.5.1.3).
                || (event.code == last.event.code && !last.event.end && ahead == u32::from(last.event.duration));
            if same {
                // Packets of one key may overtake each other: only ever longer, and over once over.
                let duration = if ahead == 0 { last.event.duration.max(event.duration) } else { event.duration };
                let end = event.end || (ahead == 0 && last.event.end);
                *last = Last { timestamp, event: Event { duration, end, ..event } };
                return None;
            }
            if (1..=LATE_MAX).contains(&behind) {
                return None;
            }
        }
        self.last = Some(Last { timestamp, event });
        Some(event.code)
    }

    /// The timestamp of the key that was reported last.
    pub fn last_timestamp(&self) -> Option<u32> {
        self.last.map(|last| last.timestamp)
    }
}

/// Sends one key: the same timestamp in all packets, a growing duration, and the last packet three times (RFC 4733 §2.5.1).
#[derive(Clone, Debug)]
pub struct DigitSender {
    code: u8,
    /// Samples between two packets.
    step: u16,
    /// Samples from the key's start to its end.
    length: u16,
    sent: u16,
    ends_left: u8,
}

/// −10 dBm0, within what RFC 4733 §2.5.2.1 calls customary.
const VOLUME: u8 = 10;

impl DigitSender {
    /// `step`: samples between packets; `length`: samples from start to end. Both at least 1.
    pub fn new(code: u8, step: u16, length: u16) -> DigitSender {
        DigitSender { code, step: step.max(1), length: length.max(1), sent: 0, ends_left: 3 }
    }
}

/// The packets, one for each step of time, up to the third end; with each whether it is the key's first, which carries the RTP
/// marker.
impl Iterator for DigitSender {
    type Item = (Event, bool);

    fn next(&mut self) -> Option<(Event, bool)> {
        let first = self.sent == 0;
        self.sent = self.sent.saturating_add(self.step).min(self.length);
        // A key shorter than one step still has a beginning that is not its end.
        let end = self.sent == self.length && !first;
        if end {
            self.ends_left = self.ends_left.checked_sub(1)?;
        }
        Some((Event { code: self.code, end, volume: VOLUME, duration: self.sent }, first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: u8, end: bool, duration: u16) -> Event {
        Event { code, end, volume: 10, duration }
    }

    #[test]
    fn keys_and_codes_are_one_to_one() {
        for (value, k) in (0u8..).zip("0123456789*#ABCD".chars()) {
            assert_eq!((code(k), key(value)), (Some(value), Some(k)));
        }
        assert_eq!((code('a'), code('d'), code('x'), code('é'), key(16)), (Some(12), Some(15), None, None, None));
    }

    #[test]
    fn what_is_written_is_read_back_and_too_little_is_refused() {
        let long = event(11, true, 40_000);
        assert_eq!(Event::read(&long.bytes()), Some(long));
        assert_eq!(Event::read(&[5, 10, 0, 160, 9, 9]), Some(event(5, false, 160)));
        assert_eq!(Event::read(&[5, 10, 0]), None);
    }

    /// All packets of keys as `(timestamp, event)`, in order.
    fn packets(keys: &[(u32, u8)]) -> Vec<(u32, Event)> {
        let mut all = Vec::new();
        for &(timestamp, code) in keys {
            all.extend(DigitSender::new(code, 160, 800).map(|(event, _)| (timestamp, event)));
        }
        all
    }

    fn reported(packets: impl IntoIterator<Item = (u32, Event)>) -> Vec<u8> {
        let mut reader = DigitReader::default();
        packets.into_iter().filter_map(|(timestamp, event)| reader.read(timestamp, event)).collect()
    }

    #[test]
    fn the_sender_ends_three_times_and_marks_the_first() {
        let all: Vec<_> = DigitSender::new(5, 160, 400).map(|(e, first)| (e.duration, e.end, first)).collect();
        let expected =
            [(160, false, true), (320, false, false), (400, true, false), (400, true, false), (400, true, false)];
        assert_eq!(all, expected);
        let short = DigitSender::new(5, 480, 320);
        assert_eq!(short.map(|(e, _)| e.end).collect::<Vec<_>>(), [false, true, true, true]);
    }

    #[test]
    fn every_key_is_reported_once_whatever_is_lost_or_doubled() {
        let keys = [(1000, 1), (2600, 1), (u32::MAX - 500, 2), (900, 2), (4000, 11)];
        for skip in 0..8 {
            // 2600 → u32::MAX - 500 is a count that began anew (older by more than ten seconds never occurs here): its own run.
            for run in [&keys[..2], &keys[2..]] {
                let all = packets(run);
                assert_eq!(all.len(), 7 * run.len());
                let some = all.iter().enumerate().filter(|(i, _)| i % 8 != skip).map(|(_, p)| *p);
                let doubled = some.flat_map(|p| [p, p]);
                assert_eq!(reported(doubled), run.iter().map(|(_, code)| *code).collect::<Vec<_>>(), "without {skip}");
            }
        }
    }

    #[test]
    fn one_packet_of_a_key_is_enough() {
        for i in 0..7 {
            let mut all = packets(&[(1000, 3)]);
            assert_eq!(reported([all.remove(i)]), [3], "only packet {i}");
        }
    }

    #[test]
    fn a_late_packet_of_the_key_before_is_no_new_key() {
        let first = packets(&[(1000, 1)]);
        let second = packets(&[(2600, 2)]);
        assert_eq!(reported([first[0], second[0], first[6], second[1], first[3]]), [1, 2]);
    }

    #[test]
    fn a_key_held_for_long_is_one_key_over_its_segments() {
        let held = [(0, event(9, false, 160)), (0, event(9, false, 0xffff)), (0xffff, event(9, false, 160))];
        assert_eq!(reported(held), [9]);
    }

    #[test]
    fn a_timestamp_counted_on_within_a_key_is_one_key() {
        let broken = (0..10u16).map(|i| (u32::from(i) * 160, event(4, i == 9, (i + 1) * 160)));
        assert_eq!(reported(broken), [4]);
        // After its end the same key is a new one.
        let twice = [(0, event(4, false, 160)), (0, event(4, true, 320)), (700, event(4, false, 160))];
        assert_eq!(reported(twice), [4, 4]);
    }

    #[test]
    fn a_sender_that_counts_anew_is_heard() {
        assert_eq!(reported([(500_000, event(1, true, 800)), (100, event(2, false, 160))]), [1, 2]);
    }
}

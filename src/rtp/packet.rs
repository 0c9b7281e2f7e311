//! The RTP packet (RFC 3550 §5.1): its header read from the bytes as they came, and written over them.

use std::ops::Range;

/// Length of a header without contributing sources and extension; the only kind we write.
pub const HEADER: usize = 12;

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("shorter than its header")]
    Short,
    #[error("version {0}, not 2")]
    Version(u8),
    #[error("padding longer than the packet, or of length zero")]
    Padding,
}

/// A received packet's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub marker: bool,
    /// 0–127.
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Where the payload lies in the datagram, after contributing sources and extension and before the padding. Starts at
    /// [`HEADER`] or later.
    pub payload: Range<usize>,
}

impl Packet {
    /// Reads a datagram. Contributing sources and an extension (RFC 3550 §5.3.1) are stepped over.
    pub fn read(bytes: &[u8]) -> Result<Packet, Malformed> {
        let Some((fixed, _)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(Malformed::Short);
        };
        let [flags, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if flags >> 6 != 2 {
            return Err(Malformed::Version(flags >> 6));
        }
        let mut start = HEADER + 4 * usize::from(flags & 0x0f);
        if flags & 0x10 != 0 {
            let Some(&[_, _, high, low]) = bytes.get(start..).and_then(|rest| rest.first_chunk::<4>()) else {
                return Err(Malformed::Short);
            };
            start += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        }
        if start > bytes.len() {
            return Err(Malformed::Short);
        }
        let mut end = bytes.len();
        if flags & 0x20 != 0 {
            // The last byte counts the padding, itself included.
            let padding = usize::from(bytes[end - 1]);
            if padding == 0 || padding > end - start {
                return Err(Malformed::Padding);
            }
            end -= padding;
        }
        Ok(Packet {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            payload: start..end,
        })
    }
}

/// A header to be sent: no contributing sources, no extension, no padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    /// 0–127.
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

impl Header {
    pub fn bytes(&self) -> [u8; HEADER] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.to_be_bytes();
        let kind = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        [0x80, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]
    }

    /// Writes this header right before `payload`, over whatever header the datagram had, and returns the packet to be sent. The
    /// sources, extension and padding of the received packet fall away; the payload stays where it is.
    ///
    /// `payload` must be that of [`Packet::read`] on the same bytes.
    pub fn write_before(self, bytes: &mut [u8], payload: Range<usize>) -> &mut [u8] {
        let start = payload.start - HEADER;
        let packet = &mut bytes[start..payload.end];
        packet[..HEADER].copy_from_slice(&self.bytes());
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: Header =
        Header { marker: true, payload_type: 101, sequence: 0xfffe, timestamp: 0x0102_0304, ssrc: 0xdead_beef };

    fn datagram(flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = HEAD.bytes().to_vec();
        bytes[0] = flags;
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn what_is_written_is_read_back() {
        let packet = Packet::read(&datagram(0x80, b"hello")).unwrap();
        let Packet { marker, payload_type, sequence, timestamp, ssrc, payload } = packet;
        assert_eq!(Header { marker, payload_type, sequence, timestamp, ssrc }, HEAD);
        assert_eq!(payload, 12..17);
    }

    #[test]
    fn the_payload_lies_between_sources_extension_and_padding() {
        for (flags, rest, payload) in [
            (0x80, &b""[..], 12..12),
            (0x82, b"aaaabbbbP", 20..21),
            (0x90, b"\xbe\xde\x00\x01xxxxPP", 20..22),
            (0x91, b"aaaa\xbe\xde\x00\x00P", 20..21),
            (0xa0, b"PPP\x00\x02", 12..15),
            (0xa0, b"\x01", 12..12),
            (0xb1, b"aaaa\xbe\xde\x00\x01xxxxP\x00\x00\x03", 24..25),
        ] {
            assert_eq!(Packet::read(&datagram(flags, rest)).unwrap().payload, payload, "{flags:x} {rest:?}");
        }
    }

    #[test]
    fn what_is_not_rtp_is_refused_with_the_reason() {
        for (bytes, reason) in [
            (vec![], Malformed::Short),
            (vec![0x80; 11], Malformed::Short),
            (datagram(0x40, b""), Malformed::Version(1)),
            (datagram(0x00, b""), Malformed::Version(0)),
            (datagram(0x81, b"aaa"), Malformed::Short),
            (datagram(0x90, b"\xbe\xde\x00"), Malformed::Short),
            (datagram(0x90, b"\xbe\xde\x00\x02xxxx"), Malformed::Short),
            (datagram(0xa0, b"P\x00"), Malformed::Padding),
            (datagram(0xa0, b"P\x03"), Malformed::Padding),
        ] {
            assert_eq!(Packet::read(&bytes), Err(reason), "{bytes:x?}");
        }
    }

    #[test]
    fn rewriting_drops_all_but_the_payload() {
        let mut bytes = datagram(0xb1, b"aaaa\xbe\xde\x00\x01xxxxPAYLOAD\x00\x00\x03");
        let payload = Packet::read(&bytes).unwrap().payload;
        let next = Header { sequence: 7, ..HEAD };
        let sent = next.write_before(&mut bytes, payload);
        assert_eq!(sent[..12], next.bytes());
        assert_eq!(&sent[12..], b"PAYLOAD");
        assert_eq!(Packet::read(sent).unwrap().payload, 12..19);
    }

    proptest! {
        #[test]
        fn no_bytes_can_panic_and_the_payload_is_always_inside(bytes in proptest::collection::vec(any::<u8>(), 0..100), v2: bool) {
            let mut bytes = bytes;
            if let (true, Some(first)) = (v2, bytes.first_mut()) {
                *first = 0x80 | (*first & 0x3f);
            }
            if let Ok(packet) = Packet::read(&bytes) {
                prop_assert!(packet.payload.start >= HEADER && packet.payload.start <= packet.payload.end);
                prop_assert!(packet.payload.end <= bytes.len());
                let length = packet.payload.len();
                prop_assert_eq!(HEAD.write_before(&mut bytes, packet.payload).len(), HEADER + length);
            }
        }
    }
}

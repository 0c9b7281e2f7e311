//! RTCP (RFC 3550 §6): reports, the canonical name and goodbye; compound packets read in place and written into a buffer.

/// One source's reception as a peer reports it (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source this is about.
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; 24 bits signed on the wire, clamped when written.
    pub lost: i32,
    /// Extended highest sequence number received.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// LSR: middle 32 bits of the NTP timestamp of the last sender report, 0 if none came.
    pub last_report: u32,
    /// DLSR: time since that report, in 1/65536 s.
    pub delay: u32,
}

/// What a sender report says beside its report blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// NTP timestamp of this report.
    pub ntp: u64,
    /// The same moment in the RTP timestamps of the sender's packets.
    pub timestamp: u32,
    pub packets: u32,
    /// Payload bytes.
    pub bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("shorter than it says")]
    Short,
    #[error("version {0}, not 2")]
    Version(u8),
    #[error("begins with packet type {0}, not with a report")]
    NoReport(u8),
    #[error("padding longer than the packet, or of length zero")]
    Padding,
}

/// One packet of a compound one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    SenderReport {
        ssrc: u32,
        info: SenderInfo,
        blocks: Blocks<'a>,
    },
    ReceiverReport {
        ssrc: u32,
        blocks: Blocks<'a>,
    },
    /// The canonical name of the first source described; empty if it is not told.
    Description {
        ssrc: u32,
        cname: &'a [u8],
    },
    /// The first of the sources that leave.
    Bye {
        ssrc: u32,
    },
    /// Application-defined, feedback and whatever comes later.
    Other {
        packet_type: u8,
    },
}

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;
const BLOCK: usize = 24;

/// The packets of a compound packet, in order. The whole is checked first (RFC 3550 A.2), so a broken one gives nothing.
///
/// A compound packet must begin with a report, unless it is of reduced size (RFC 5506), which nobody agreed on.
pub fn read(bytes: &[u8]) -> Result<impl Iterator<Item = Packet<'_>>, Malformed> {
    match bytes {
        [flags, ..] if flags >> 6 != 2 => return Err(Malformed::Version(flags >> 6)),
        [_, SR | RR, ..] => {}
        [_, packet_type, ..] => return Err(Malformed::NoReport(*packet_type)),
        _ => return Err(Malformed::Short),
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (one, after) = split(rest)?;
        read_one(one)?;
        rest = after;
    }
    let mut rest = bytes;
    Ok(std::iter::from_fn(move || {
        let (one, after) = split(rest).ok()?;
        rest = after;
        read_one(one).ok()
    }))
}

/// One packet of a compound one, cut out but not looked into.
struct Raw<'a> {
    flags: u8,
    packet_type: u8,
    /// Without header and padding.
    body: &'a [u8],
}

/// The first packet and what follows it.
fn split(bytes: &[u8]) -> Result<(Raw<'_>, &[u8]), Malformed> {
    let Some((&[flags, packet_type, high, low], rest)) = bytes.split_first_chunk::<4>() else {
        return Err(Malformed::Short);
    };
    if flags >> 6 != 2 {
        return Err(Malformed::Version(flags >> 6));
    }
    let length = 4 * usize::from(u16::from_be_bytes([high, low]));
    let (mut body, rest) = rest.split_at_checked(length).ok_or(Malformed::Short)?;
    if flags & 0x20 != 0 {
        let padding = usize::from(*body.last().ok_or(Malformed::Padding)?);
        if padding == 0 || padding > body.len() {
            return Err(Malformed::Padding);
        }
        body = &body[..body.len() - padding];
    }
    Ok((Raw { flags, packet_type, body }, rest))
}

fn read_one(raw: Raw<'_>) -> Result<Packet<'_>, Malformed> {
    let Raw { flags, packet_type, body } = raw;
    let count = usize::from(flags & 0x1f);
    let blocks = |at: usize| {
        let bytes = body.get(at..at + count * BLOCK).ok_or(Malformed::Short)?;
        Ok(Blocks { bytes })
    };
    let word = |at| word(body, at).ok_or(Malformed::Short);
    Ok(match packet_type {
        SR => {
            let ntp = u64::from(word(4)?) << 32 | u64::from(word(8)?);
            let info = SenderInfo { ntp, timestamp: word(12)?, packets: word(16)?, bytes: word(20)? };
            Packet::SenderReport { ssrc: word(0)?, info, blocks: blocks(24)? }
        }
        RR => Packet::ReceiverReport { ssrc: word(0)?, blocks: blocks(4)? },
        SDES if count > 0 => {
            let ssrc = word(0)?;
            let mut items = &body[4..];
            let mut cname = &[][..];
            // Item type 0 ends the list.
            while let [kind @ 1..=255, length, rest @ ..] = items {
                let (text, after) = rest.split_at_checked(usize::from(*length)).ok_or(Malformed::Short)?;
                if *kind == CNAME {
                    cname = text;
                }
                items = after;
            }
            Packet::Description { ssrc, cname }
        }
        BYE if count > 0 => Packet::Bye { ssrc: word(0)? },
        _ => Packet::Other { packet_type },
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// Report blocks, read as they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a> {
    bytes: &'a [u8],
}

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.bytes.split_first_chunk::<BLOCK>()?;
        self.bytes = rest;
        let word = |at| word(block, at).expect("a block has six words");
        // Sign of the 24 bits.
        let lost = (word(4) << 8) as i32 >> 8;
        Some(ReportBlock {
            ssrc: word(0),
            fraction_lost: block[4],
            lost,
            highest_sequence: word(8),
            jitter: word(12),
            last_report: word(16),
            delay: word(20),
        })
    }
}

/// Longest canonical name that [`Compound`] writes; the rest is cut.
pub const CNAME_MAX: usize = 32;

/// Longest packet that [`Compound::write`] makes.
pub const COMPOUND_MAX: usize = 28 + BLOCK + (8 + 2 + CNAME_MAX + 4) + 8;

/// A compound packet of ours: SR if there is something sent to tell of, otherwise RR; at most one block; the name; and goodbye.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    pub ssrc: u32,
    pub sender: Option<SenderInfo>,
    pub block: Option<ReportBlock>,
    pub cname: &'a [u8],
    pub bye: bool,
}

impl Compound<'_> {
    /// Writes the packet into `buffer` and returns the written part.
    pub fn write<'b>(&self, buffer: &'b mut [u8; COMPOUND_MAX]) -> &'b [u8] {
        let mut out = Writer { bytes: buffer, at: 0 };
        let report = out.begin(if self.sender.is_some() { SR } else { RR }, u8::from(self.block.is_some()));
        out.word(self.ssrc);
        if let Some(info) = self.sender {
            out.put(&info.ntp.to_be_bytes());
            out.word(info.timestamp);
            out.word(info.packets);
            out.word(info.bytes);
        }
        if let Some(block) = self.block {
            out.word(block.ssrc);
            let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
            out.word(u32::from(block.fraction_lost) << 24 | lost);
            out.word(block.highest_sequence);
            out.word(block.jitter);
            out.word(block.last_report);
            out.word(block.delay);
        }
        out.end(report);

        let description = out.begin(SDES, 1);
        out.word(self.ssrc);
        let cname = &self.cname[..self.cname.len().min(CNAME_MAX)];
        out.put(&[CNAME, cname.len() as u8]);
        out.put(cname);
        // At least one zero ends the list, and fills the word.
        out.put(&[0; 4][..4 - out.at % 4]);
        out.end(description);

        if self.bye {
            let bye = out.begin(BYE, 1);
            out.word(self.ssrc);
            out.end(bye);
        }
        let Writer { bytes, at } = out;
        &bytes[..at]
    }
}

struct Writer<'a> {
    bytes: &'a mut [u8; COMPOUND_MAX],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn word(&mut self, word: u32) {
        self.put(&word.to_be_bytes());
    }

    /// Begins a packet whose length is not known yet, and returns where it begins.
    fn begin(&mut self, packet_type: u8, count: u8) -> usize {
        let at = self.at;
        self.put(&[0x80 | count, packet_type, 0, 0]);
        at
    }

    fn end(&mut self, begin: usize) {
        let words = (self.at - begin) / 4 - 1;
        self.bytes[begin + 3] = words as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INFO: SenderInfo = SenderInfo { ntp: 0x1122_3344_5566_7788, timestamp: 9, packets: 10, bytes: 1600 };
    const BLOCK_OF_PEER: ReportBlock = ReportBlock {
        ssrc: 7,
        fraction_lost: 12,
        lost: -3,
        highest_sequence: 0x1_0005,
        jitter: 44,
        last_report: 0x3344_5566,
        delay: 65536,
    };

    fn written(compound: Compound) -> Vec<u8> {
        compound.write(&mut [0; COMPOUND_MAX]).to_vec()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for sender in [None, Some(INFO)] {
            for block in [None, Some(BLOCK_OF_PEER)] {
                for cname in [&b""[..], b"a", b"ab", b"abc", b"abcd", &[b'x'; 40]] {
                    for bye in [false, true] {
                        let bytes = written(Compound { ssrc: 5, sender, block, cname, bye });
                        assert_eq!(bytes.len() % 4, 0);
                        let mut packets = read(&bytes).unwrap();
                        let blocks = match packets.next().unwrap() {
                            Packet::SenderReport { ssrc: 5, info, blocks } if sender == Some(info) => blocks,
                            Packet::ReceiverReport { ssrc: 5, blocks } if sender.is_none() => blocks,
                            other => panic!("{other:?}"),
                        };
                        assert_eq!(blocks.collect::<Vec<_>>(), block.into_iter().collect::<Vec<_>>());
                        let cname = &cname[..cname.len().min(CNAME_MAX)];
                        assert_eq!(packets.next(), Some(Packet::Description { ssrc: 5, cname }));
                        assert_eq!(packets.next(), bye.then_some(Packet::Bye { ssrc: 5 }));
                        assert_eq!(packets.next(), None);
                    }
                }
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_rfc() {
        let bytes =
            written(Compound { ssrc: 0x0102_0304, sender: None, block: Some(BLOCK_OF_PEER), cname: b"me", bye: true });
        let expected = [
            &[0x81, 201, 0, 7, 1, 2, 3, 4, 0, 0, 0, 7, 12, 0xff, 0xff, 0xfd, 0, 1, 0, 5, 0, 0, 0, 44][..],
            &[0x33, 0x44, 0x55, 0x66, 0, 1, 0, 0],
            &[0x81, 202, 0, 3, 1, 2, 3, 4, 1, 2, b'm', b'e', 0, 0, 0, 0],
            &[0x81, 203, 0, 1, 1, 2, 3, 4],
        ]
        .concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn cumulative_loss_is_kept_within_24_bits() {
        for (lost, read_lost) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000), (5, 5), (-1, -1)] {
            let block = Some(ReportBlock { lost, ..BLOCK_OF_PEER });
            let bytes = written(Compound { ssrc: 5, sender: None, block, cname: b"", bye: false });
            let Some(Packet::ReceiverReport { mut blocks, .. }) = read(&bytes).unwrap().next() else { panic!() };
            assert_eq!(blocks.next().unwrap().lost, read_lost);
        }
    }

    #[test]
    fn other_packets_and_padding_are_stepped_over() {
        let mut bytes = written(Compound { ssrc: 5, sender: None, block: None, cname: b"", bye: false });
        bytes.extend([0x80, 204, 0, 2, 0, 0, 0, 5, b'n', b'a', b'm', b'e']);
        bytes.extend([0xa1, BYE, 0, 2, 0, 0, 0, 5, 0, 0, 0, 4]);
        let packets: Vec<_> = read(&bytes).unwrap().skip(2).collect();
        assert_eq!(packets, [Packet::Other { packet_type: 204 }, Packet::Bye { ssrc: 5 }]);
    }

    #[test]
    fn broken_packets_give_nothing_and_a_reason() {
        let good =
            written(Compound { ssrc: 5, sender: Some(INFO), block: Some(BLOCK_OF_PEER), cname: b"name", bye: true });
        for cut in 1..good.len() {
            let whole_packets = [52, 68].contains(&cut);
            assert_eq!(read(&good[..cut]).is_ok(), whole_packets, "cut at {cut}");
        }
        let reason = |bytes: &[u8]| read(bytes).err();
        assert_eq!(reason(b""), Some(Malformed::Short));
        assert_eq!(reason(&[0x40, SR, 0, 0]), Some(Malformed::Version(1)));
        assert_eq!(reason(&[0x81, BYE, 0, 1, 0, 0, 0, 5]), Some(Malformed::NoReport(BYE)));
        assert_eq!(reason(&[0x82, RR, 0, 1, 0, 0, 0, 5]), Some(Malformed::Short), "blocks promised, none there");
        assert_eq!(reason(&[0xa0, RR, 0, 1, 0, 0, 0, 5]), Some(Malformed::Padding));
    }

    proptest! {
        #[test]
        fn no_bytes_can_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), report: bool) {
            let mut bytes = bytes;
            if let (true, [first, second, third, fourth, ..]) = (report, &mut bytes[..]) {
                (*first, *second, *third, *fourth) = (0x80 | (*first & 0x3f), SR, 0, *fourth % 32);
            }
            if let Ok(packets) = read(&bytes) {
                for packet in packets {
                    if let Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } = packet {
                        prop_assert!(blocks.count() < 32);
                    }
                }
            }
        }
    }
}

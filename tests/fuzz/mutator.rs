//! Damages messages, always in the same way for the same seed.

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What readers of SIP, SDP and digests look for.
const WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\r\n ",
    "\0",
    " ",
    "\t",
    ";",
    ",",
    ":",
    "<",
    ">",
    "\"",
    "\\",
    "@",
    "?",
    "%",
    "%00",
    "%zz",
    "=",
    "*",
    "[",
    "]",
    "[::1]",
    "[2001:db8:::1]",
    "sip:",
    "sips:",
    "tel:+",
    "SIP/2.0",
    "SIP/7.0",
    ";tag=1",
    ";lr",
    ";branch=z9hG4bK",
    ";rport",
    ";received=",
    "-1",
    "0",
    "256",
    "65536",
    "2147483648",
    "4294967296",
    "18446744073709551616",
    "99999999999999999999999999",
    "Content-Length: 0\r\n",
    "Content-Length: 99999\r\n",
    "l: -1\r\n",
    "Content-Type: application/sdp\r\n",
    "Via: SIP/2.0/UDP h\r\n",
    "Require: 100rel\r\n",
    "Contact: *\r\n",
    "Expires: 0\r\n",
    "CSeq: 1 ACK\r\n",
    "To: <sip:a@b>;tag=2\r\n",
    "Route: <sip:a;lr>\r\n",
    "Replaces: a;to-tag=b;from-tag=c\r\n",
    "Authorization: Digest username=\"a\", realm=\"sip\", nonce=\"\"\r\n",
    "algorithm=SHA-256",
    "qop=auth",
    "nc=00000001",
    "v=0\r\n",
    "m=audio 9 RTP/AVP 0\r\n",
    "c=IN IP4 0.0.0.0\r\n",
    "a=rtpmap:0 PCMU/8000\r\n",
    "a=sendonly\r\n",
    "\u{fc}",
    "\u{4f1a}",
];

/// One to eight damages to a copy of one of `seeds`; now and then a piece of another is put in.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let length = random.below(1 + bytes.len().min(40)).min(bytes.len() - at);
        match random.below(9) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..at + length)),
            3 => {
                let piece = bytes[at..at + length].to_vec();
                let times = 1 + random.below(6);
                bytes.splice(at..at, piece.repeat(times));
            }
            4 | 5 => drop(bytes.splice(at..at, random.one_of(WORDS).bytes())),
            6 => drop(bytes.splice(at..at + length, random.one_of(WORDS).bytes())),
            7 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let to = from + random.below(1 + (other.len() - from).min(200));
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ if random.below(20) == 0 => bytes.truncate(at),
            _ => {
                let n = random.below(200);
                bytes.splice(at..at, std::iter::repeat_n(b'a', n));
            }
        }
    }
    bytes.truncate(60_000);
    bytes
}

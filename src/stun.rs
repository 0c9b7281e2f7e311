//! STUN binding requests and their answers (RFC 8489): a phone behind NAT asks how it is seen, and keeps its way open by
//! asking (RFC 5626 §4.4.2).
//!
//! Bytes only; knows no socket, no password and no ICE.

use std::net::{IpAddr, SocketAddr};

/// A binding request that is well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingRequest {
    transaction: [u8; 12],
    /// Attributes that must be understood and are not, in their order; at most [`UNKNOWN_MAX`].
    unknown: Vec<u16>,
    has_fingerprint: bool,
}

/// Why a datagram that looks like STUN is no binding request; such are never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("its length is not that of the datagram")]
    Length,
    #[error("it is no binding request")]
    OtherKind,
    #[error("an attribute ends behind the message")]
    Attribute,
    #[error("the fingerprint is wrong or not at the end")]
    Fingerprint,
}

const HEADER: usize = 20;
const COOKIE: [u8; 4] = 0x2112_a442u32.to_be_bytes();
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;
/// Of who shows a password, which is not asked for: USERNAME, MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, REALM, NONCE.
const PASSED_OVER: [u16; 5] = [0x0006, 0x0008, 0x001c, 0x0014, 0x0015];
/// Named in a refusal.
const UNKNOWN_MAX: usize = 16;

/// Whether a datagram is STUN and not SIP: its first two bits and its magic cookie say so (RFC 8489 §5).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] & 0xc0 == 0 && datagram[4..8] == COOKIE
}

impl BindingRequest {
    /// # Errors
    ///
    /// What is wrong with it; it is to be counted and not answered.
    pub fn parse(datagram: &[u8]) -> Result<BindingRequest, Fault> {
        if !is_stun(datagram) || number(&datagram[..2]) != BINDING_REQUEST {
            return Err(Fault::OtherKind);
        }
        let length = usize::from(number(&datagram[2..4]));
        if length != datagram.len() - HEADER || length % 4 != 0 {
            return Err(Fault::Length);
        }
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&datagram[8..HEADER]);
        let mut request = BindingRequest { transaction, unknown: Vec::new(), has_fingerprint: false };
        let mut at = HEADER;
        while at < datagram.len() {
            // The length is a multiple of four, and so is every step.
            let (kind, length) = (number(&datagram[at..at + 2]), usize::from(number(&datagram[at + 2..at + 4])));
            let value = datagram.get(at + 4..at + 4 + length).ok_or(Fault::Attribute)?;
            let next = at + 4 + length.next_multiple_of(4);
            if kind == FINGERPRINT {
                if next != datagram.len() || value != fingerprint(&datagram[..at]) {
                    return Err(Fault::Fingerprint);
                }
                request.has_fingerprint = true;
            } else if kind < 0x8000 && !PASSED_OVER.contains(&kind) && request.unknown.len() < UNKNOWN_MAX {
                request.unknown.push(kind);
            }
            at = next;
        }
        Ok(request)
    }

    /// How the sender is seen; or 420 with what is not understood (§6.3.1). Never three times as long as the request.
    pub fn answer(&self, from: SocketAddr) -> Vec<u8> {
        let mut answer = vec![0; HEADER];
        answer[4..8].copy_from_slice(&COOKIE);
        answer[8..].copy_from_slice(&self.transaction);
        let kind = if self.unknown.is_empty() {
            attribute(&mut answer, XOR_MAPPED_ADDRESS, &self.mapped(from));
            BINDING_SUCCESS
        } else {
            attribute(&mut answer, ERROR_CODE, &[0, 0, 4, 20]);
            let unknown: Vec<u8> = self.unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
            attribute(&mut answer, UNKNOWN_ATTRIBUTES, &unknown);
            BINDING_ERROR
        };
        answer[..2].copy_from_slice(&kind.to_be_bytes());
        set_length(&mut answer, if self.has_fingerprint { 8 } else { 0 });
        if self.has_fingerprint {
            let fingerprint = fingerprint(&answer);
            attribute(&mut answer, FINGERPRINT, &fingerprint);
        }
        answer
    }

    /// Whether the answer is a refusal.
    pub fn is_refused(&self) -> bool {
        !self.unknown.is_empty()
    }

    /// §14.2: hidden from routers that rewrite every address they find.
    fn mapped(&self, from: SocketAddr) -> Vec<u8> {
        let mask: Vec<u8> = COOKIE.iter().chain(&self.transaction).copied().collect();
        let hide = |bytes: &[u8]| bytes.iter().zip(&mask).map(|(byte, mask)| byte ^ mask).collect::<Vec<u8>>();
        let (family, ip) = match from.ip() {
            IpAddr::V4(ip) => (1, hide(&ip.octets())),
            IpAddr::V6(ip) => (2, hide(&ip.octets())),
        };
        [&[0, family][..], &hide(&from.port().to_be_bytes()), &ip].concat()
    }
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("our attributes are short");
    message.extend(kind.to_be_bytes());
    message.extend(length.to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// `more`: bytes that are still to come.
fn set_length(message: &mut [u8], more: usize) {
    let length = u16::try_from(message.len() - HEADER + more).expect("our messages are short");
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

/// §14.7, of all that stands before the attribute.
fn fingerprint(before: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in before {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    (!crc ^ 0x5354_554e).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(attributes: &[(u16, &[u8])], with_fingerprint: bool) -> Vec<u8> {
        let mut message = [&BINDING_REQUEST.to_be_bytes()[..], &[0, 0], &COOKIE, b"twelve bytes"].concat();
        for (kind, value) in attributes {
            attribute(&mut message, *kind, value);
        }
        set_length(&mut message, if with_fingerprint { 8 } else { 0 });
        if with_fingerprint {
            let value = fingerprint(&message);
            attribute(&mut message, FINGERPRINT, &value);
        }
        message
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
    }

    /// The sample of RFC 5769 §2.1 with its fingerprint, but with attributes that ICE alone understands.
    #[test]
    fn the_fingerprint_is_that_of_the_standard() {
        let sample = hex(
            "00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c \
             69 65 6e 74 00 24 00 04 6e 00 01 ff 80 29 00 08 93 2f f9 b1 51 26 3b 36 00 06 00 09 65 76 74 6a 3a 68 36 76 \
             59 20 20 20 00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2 80 28 00 04 e5 7a 3b cf",
        );
        let request = BindingRequest::parse(&sample).unwrap();
        assert_eq!((request.unknown.as_slice(), request.has_fingerprint), (&[0x0024][..], true));
        let mut wrong = sample;
        wrong[30] ^= 1;
        assert_eq!(BindingRequest::parse(&wrong), Err(Fault::Fingerprint));
    }

    /// The samples of RFC 5769 §2.2 and §2.3: the same mapped addresses.
    #[test]
    fn the_address_is_written_as_the_standard_does() {
        let mut request = BindingRequest::parse(&request(&[], false)).unwrap();
        request.transaction.copy_from_slice(&hex("b7 e7 a7 01 bc 34 d6 86 fa 87 df ae"));
        let answer = request.answer("192.0.2.1:32853".parse().unwrap());
        assert_eq!(answer[..HEADER], hex("01 01 00 0c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae"));
        assert_eq!(answer[HEADER..], hex("00 20 00 08 00 01 a1 47 e1 12 a6 43"));
        let answer = request.answer("[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap());
        let mapped = hex("00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9");
        assert_eq!(answer[HEADER..], mapped);
    }

    #[test]
    fn a_fingerprint_is_answered_by_one_and_a_password_is_passed_over() {
        let asked = request(&[(0x0006, b"anna"), (0x8022, b"phone 1")], true);
        let answer = BindingRequest::parse(&asked).unwrap().answer("192.0.2.1:9".parse().unwrap());
        let (before, last) = answer.split_at(answer.len() - 8);
        assert_eq!(last, [&hex("80 28 00 04")[..], &fingerprint(before)].concat());
        assert_eq!(usize::from(number(&answer[2..4])), answer.len() - HEADER);
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_refused_by_name() {
        // CHANGE-REQUEST: to answer from elsewhere.
        let asked = request(&[(0x0003, &[0, 0, 0, 6]), (0x0024, &[0; 4])], false);
        let refused = BindingRequest::parse(&asked).unwrap();
        let answer = refused.answer("192.0.2.1:9".parse().unwrap());
        assert!(refused.is_refused());
        assert_eq!(answer[..4], hex("01 11 00 10"));
        assert_eq!(answer[HEADER..], hex("00 09 00 04 00 00 04 14 00 0a 00 04 00 03 00 24"));
    }

    #[test]
    fn only_whole_binding_requests_are_any() {
        let good = request(&[(0x8022, b"phone")], true);
        BindingRequest::parse(&good).unwrap();
        for length in 0..good.len() {
            assert!(BindingRequest::parse(&good[..length]).is_err(), "{length}");
        }
        assert_eq!(BindingRequest::parse(&[&good[..], &[0; 4]].concat()), Err(Fault::Length));
        let with = |at: usize, byte: u8| {
            let mut other = good.clone();
            other[at] = byte;
            BindingRequest::parse(&other).err()
        };
        assert_eq!(with(1, 0x11), Some(Fault::OtherKind), "an indication");
        assert_eq!(with(0, 0x01), Some(Fault::OtherKind), "an answer");
        assert_eq!(with(5, 0), Some(Fault::OtherKind), "another cookie");
        assert_eq!(with(HEADER + 3, 200), Some(Fault::Attribute));
        assert!(!is_stun(b"OPTIONS sip:a@b SIP/2.0\r\n") && !is_stun(b"\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_no_answer_is_three_times_its_request(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
            fits in any::<bool>(),
            v6 in any::<bool>(),
        ) {
            // Mostly what is wrong only behind the header.
            if fits && bytes.len() >= HEADER {
                bytes.truncate(bytes.len() / 4 * 4);
                bytes[..2].copy_from_slice(&BINDING_REQUEST.to_be_bytes());
                bytes[4..8].copy_from_slice(&COOKIE);
                set_length(&mut bytes, 0);
            }
            let from = if v6 { "[2001:db8::1]:9" } else { "192.0.2.1:9" };
            if let Ok(request) = BindingRequest::parse(&bytes) {
                let answer = request.answer(from.parse().unwrap());
                prop_assert!(answer.len() <= 3 * bytes.len());
                prop_assert!(is_stun(&answer));
            }
        }
    }
}

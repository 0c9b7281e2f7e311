//! Messages as operators look at them: without secrets, followed call by call, packed for a capture server.

use super::conceal::conceal;
use super::headers::NameAddr;
use super::{Hop, Message, Method, Transport};
use crate::ids::CallId;
use crate::time::Time;
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// A message that came or went.
#[derive(Clone, Debug)]
pub struct Captured {
    pub at: Time,
    pub hop: Hop,
    pub is_received: bool,
    /// The call it belongs to, where that was known at `at`: never for the INVITE by which one begins.
    pub call: Option<CallId>,
    message: Message,
}

impl Captured {
    /// Credentials are not kept.
    pub fn new(at: Time, hop: Hop, is_received: bool, call: Option<CallId>, mut message: Message) -> Captured {
        conceal(&mut message);
        Captured { at, hop, is_received, call, message }
    }

    /// Without credentials.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// From where it came and where it went.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        let Hop { local, remote, .. } = self.hop;
        if self.is_received { (remote, local) } else { (local, remote) }
    }
}

/// One call among many: takes the messages of all its dialogs, and says when it is over. What may be the call is held back until it is
/// known to be: strangers, who are challenged and go away, are never shown.
#[derive(Debug, Default)]
pub struct Follow {
    /// A number (however it is written), a name or a Call-ID that the first INVITE must have; `None`: the next call, whichever it is.
    who: Option<String>,
    call: Option<CallId>,
    /// Its Call-IDs; none until it is known which call it is.
    dialogs: BTreeSet<String>,
    /// What was said by all that may become the call, in the order it was said.
    held: VecDeque<Captured>,
    /// The INVITE was refused before it became a call.
    is_refused: bool,
}

/// Digits in which two ways to write a number must agree at their end: without prefixes the shortest numbers have so many.
const TELLING: usize = 7;

/// The same name, or the same number however the two are written: `+46 8 123456`, `0046-8-123456` and `08123456` are one.
pub fn is_same(one: &str, other: &str) -> bool {
    let digits = |written: &str| {
        let is_number = written.chars().all(|c| c.is_ascii_digit() || "+-.() ".contains(c));
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        is_number.then(|| digits.trim_start_matches('0').to_owned()).filter(|digits| digits.len() >= TELLING)
    };
    let ends = |one: &str, other: &str| one.ends_with(other) || other.ends_with(one);
    one == other || digits(one).zip(digits(other)).is_some_and(|(one, other)| ends(&one, &other))
}

/// Call-IDs of one call: its legs, also those that rang in vain. More are not followed.
pub const DIALOGS_MAX: usize = 1000;

/// Messages that are held back until it is known which call is followed; at the bound the oldest is forgotten. An attempt of which
/// nothing is left is taken up again by its next INVITE.
pub const HELD_MAX: usize = 256;

impl Follow {
    pub fn new(who: Option<String>) -> Follow {
        Follow { who, ..Follow::default() }
    }

    /// What is to be shown now, in order: nothing of another call, and all that was held back once it is known which call it is. That is
    /// the first with an INVITE that fits which became a call, or was refused otherwise than strangers are.
    pub fn takes(&mut self, captured: &Captured) -> Vec<Captured> {
        let Ok(call_id) = captured.message().headers().call_id() else { return Vec::new() };
        if !self.dialogs.is_empty() {
            let is_known = self.dialogs.contains(call_id);
            let is_next_leg = self.call.is_some() && captured.call == self.call && self.dialogs.len() < DIALOGS_MAX;
            if !(is_known || is_next_leg) {
                return Vec::new();
            }
            if !is_known {
                self.dialogs.insert(call_id.to_owned());
            }
        } else {
            let is_its = |held: &Captured| held.message().headers().call_id() == Ok(call_id);
            if !(self.held.iter().any(is_its) || self.begins(captured)) {
                return Vec::new();
            }
            if self.held.len() >= HELD_MAX {
                self.held.pop_front();
            }
            self.held.push_back(captured.clone());
            if captured.call.is_none() && answered(captured).is_none() {
                return Vec::new();
            }
            self.dialogs.insert(call_id.to_owned());
        }
        self.call = self.call.or(captured.call);
        self.is_refused |= self.call.is_none() && answered(captured).is_some_and(|code| code >= 300);
        if self.held.is_empty() {
            return vec![captured.clone()];
        }
        let is_its = |held: &Captured| held.message().headers().call_id() == Ok(call_id);
        std::mem::take(&mut self.held).into_iter().filter(is_its).collect()
    }

    fn begins(&self, captured: &Captured) -> bool {
        let Message::Request(request) = captured.message() else { return false };
        let to = request.headers.to();
        if !captured.is_received || request.method != Method::Invite || to.as_ref().is_ok_and(|to| to.tag().is_some()) {
            return false;
        }
        let Some(who) = &self.who else { return true };
        let asserted = request.headers.items("P-Asserted-Identity").filter_map(|item| NameAddr::parse(item).ok());
        let names = [request.headers.from_().ok(), to.ok()].into_iter().flatten().chain(asserted);
        let mut uris = names.map(|name| name.uri).chain([request.uri.clone()]);
        uris.any(|uri| uri.user().is_some_and(|user| is_same(user, who))) || request.headers.call_id() == Ok(who)
    }

    /// Whether it is known which call is followed.
    pub fn has_begun(&self) -> bool {
        self.call.is_some()
    }

    /// `ended`: a call that is over. True when that is this one, or it never became one.
    pub fn is_over(&self, ended: Option<CallId>) -> bool {
        self.is_refused && self.call.is_none() || self.call.is_some() && self.call == ended
    }
}

/// The code by which we answered an INVITE, where it tells that this is the call. 100 tells nothing. 401, 407: to be asked again with
/// credentials. 403: whose credentials were wrong, which is a stranger's call too.
fn answered(captured: &Captured) -> Option<u16> {
    let Message::Response(response) = captured.message() else { return None };
    let is_ours = !captured.is_received && matches!(response.headers.cseq(), Ok((_, Method::Invite)));
    (is_ours && ![100, 401, 403, 407].contains(&response.code)).then_some(response.code)
}

/// The largest payload of a datagram over IPv4 (RFC 768, RFC 791).
const DATAGRAM_MAX: usize = 65_507;

/// The datagram that a capture server (Homer and its kin) takes: HEP version 3, as its public specification has it.
/// `agent`: the number by which the server knows this vaxel. `None`: too large for a datagram.
pub fn hep(captured: &Captured, agent: u32) -> Option<Vec<u8>> {
    let (from, to) = captured.ends();
    let mut out = b"HEP3\0\0".to_vec();
    let mut chunk = |kind: u16, value: &[u8]| {
        // Vendor 0: the chunks of the specification.
        out.extend([0, 0]);
        out.extend(kind.to_be_bytes());
        out.extend(u16::try_from(value.len() + 6).ok()?.to_be_bytes());
        out.extend(value);
        Some(())
    };
    chunk(1, &[if from.is_ipv4() { 2 } else { 10 }])?;
    chunk(2, &[if captured.hop.transport == Transport::Udp { 17 } else { 6 }])?;
    for (address, v4, v6) in [(from, 3, 5), (to, 4, 6)] {
        match address.ip() {
            IpAddr::V4(ip) => chunk(v4, &ip.octets())?,
            IpAddr::V6(ip) => chunk(v6, &ip.octets())?,
        }
    }
    chunk(7, &from.port().to_be_bytes())?;
    chunk(8, &to.port().to_be_bytes())?;
    let micros = captured.at.as_micros();
    chunk(9, &u32::try_from(micros / 1_000_000).ok()?.to_be_bytes())?;
    chunk(10, &u32::try_from(micros % 1_000_000).ok()?.to_be_bytes())?;
    // SIP.
    chunk(11, &[1])?;
    chunk(12, &agent.to_be_bytes())?;
    if let Some(call) = captured.call {
        chunk(17, call.to_string().as_bytes())?;
    }
    chunk(15, &captured.message.to_bytes())?;
    let length = u16::try_from(out.len()).ok().filter(|length| usize::from(*length) <= DATAGRAM_MAX)?;
    out[4..6].copy_from_slice(&length.to_be_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::ladder::Ladder;

    const CALL: CallId = CallId(7);

    fn hop(remote: &str) -> Hop {
        let (local, remote) = ("127.0.0.1:5060".parse().unwrap(), remote.parse().unwrap());
        Hop { transport: Transport::Udp, local, remote, connection: None }
    }

    fn captured(is_received: bool, call: Option<CallId>, start: &str, call_id: &str, more: &str) -> Captured {
        let method = if start.starts_with("SIP/2.0") { "INVITE" } else { start.split(' ').next().unwrap() };
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nFrom: <sip:4711@a.example>;tag=1\r\n\
             To: <sip:100@b.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        Captured::new(Time::from_micros(1_500_000), hop("127.0.0.1:9"), is_received, call, message)
    }

    fn invite(call_id: &str) -> Captured {
        captured(true, None, "INVITE sip:100@127.0.0.1 SIP/2.0", call_id, "")
    }

    #[test]
    fn credentials_are_not_kept() {
        let secrets =
            "Authorization: Digest username=\"anna\", response=\"s3cret\"\r\nContact: <sip:anna:s3cret@192.0.2.7>\r\n";
        let captured = captured(true, None, "REGISTER sip:b.example SIP/2.0", "1", secrets);
        let text = String::from_utf8(captured.message().to_bytes()).unwrap();
        assert!(!text.contains("s3cret") && text.contains("Authorization: (not shown)\r\n"), "{text}");
        assert!(text.contains("Call-ID: 1\r\n"), "{text}");
        let packet = String::from_utf8_lossy(&hep(&captured, 1).unwrap()).into_owned();
        assert!(!packet.contains("s3cret") && packet.contains("REGISTER sip:"), "{packet}");
    }

    /// What is shown: Call-IDs and first lines.
    fn shown(follow: &mut Follow, captured: &Captured) -> Vec<String> {
        let line =
            |message: &Message| String::from_utf8(message.to_bytes()).unwrap().lines().next().unwrap().to_owned();
        let said = |c: Captured| format!("{}: {}", c.message().headers().call_id().unwrap(), line(c.message()));
        follow.takes(captured).into_iter().map(said).collect()
    }

    fn challenge(call_id: &str) -> Captured {
        captured(false, None, "SIP/2.0 401 Unauthorized", call_id, "")
    }

    fn trying(call_id: &str) -> Captured {
        captured(false, Some(CALL), "SIP/2.0 100 Trying", call_id, "")
    }

    #[test]
    fn a_call_is_followed_from_its_first_invite_over_all_its_legs() {
        let mut follow = Follow::new(Some("100".into()));
        let mut count = |captured: Captured| follow.takes(&captured).len();
        assert_eq!(count(captured(true, None, "OPTIONS sip:100@127.0.0.1 SIP/2.0", "o", "")), 0);
        assert_eq!(count(invite("stranger")) + count(challenge("stranger")), 0);
        assert_eq!(count(invite("a")), 0, "it may be a stranger's too");
        assert_eq!(count(invite("b")), 0);
        assert_eq!(count(trying("a")), 2, "with what was held back");
        assert_eq!(
            count(challenge("stranger")) + count(invite("stranger")) + count(invite("c")),
            0,
            "one call at a time"
        );
        assert_eq!(count(captured(false, Some(CALL), "INVITE sip:anna@127.0.0.1 SIP/2.0", "d", "")), 1, "a leg of it");
        assert_eq!(count(captured(true, None, "SIP/2.0 486 Busy Here", "d", "")), 1, "whose answers are not labelled");
        assert_eq!(count(captured(false, Some(CallId(8)), "INVITE sip:anna@127.0.0.1 SIP/2.0", "e", "")), 0);
        assert!(!follow.is_over(None) && !follow.is_over(Some(CallId(8))) && follow.is_over(Some(CALL)));
    }

    #[test]
    fn a_phone_that_is_challenged_is_shown_from_its_first_invite_and_strangers_beside_it_are_not() {
        let mut follow = Follow::new(None);
        let mut shown = |captured: Captured| shown(&mut follow, &captured);
        let ack = |call_id| captured(true, None, "ACK sip:100@127.0.0.1 SIP/2.0", call_id, "");
        for held in [invite("x"), challenge("x"), invite("a"), challenge("a"), invite("y"), ack("x"), ack("a")] {
            assert!(shown(held).is_empty());
        }
        assert!(shown(invite("a")).is_empty() && shown(challenge("y")).is_empty());
        let invited = "a: INVITE sip:100@127.0.0.1 SIP/2.0";
        let (asked, acked) = ("a: SIP/2.0 401 Unauthorized", "a: ACK sip:100@127.0.0.1 SIP/2.0");
        assert_eq!(shown(trying("a")), [invited, asked, acked, invited, "a: SIP/2.0 100 Trying"]);
        assert_eq!(shown(ack("a")), [acked], "nothing twice");
        assert!(shown(ack("y")).is_empty());
    }

    #[test]
    fn what_never_became_a_call_is_over_when_it_is_refused() {
        let mut follow = Follow::new(None);
        let refusal = |start: &str, call_id| captured(false, None, start, call_id, "");
        for held in [invite("a"), challenge("a"), invite("a"), refusal("SIP/2.0 403 Forbidden", "a")] {
            assert!(follow.takes(&held).is_empty() && !follow.is_over(None), "a guesser");
        }
        let said = captured(true, None, "SIP/2.0 404 Not Found", "a", "");
        assert!(follow.takes(&said).is_empty() && !follow.is_over(None), "strangers do not answer for us");
        assert!(follow.takes(&invite("b")).is_empty() && !follow.has_begun());
        assert_eq!(follow.takes(&refusal("SIP/2.0 404 Not Found", "b")).len(), 2);
        assert!(follow.is_over(None));
    }

    #[test]
    fn strangers_leave_no_column_and_no_more_than_a_bound_in_memory() {
        let (mut follow, mut ladder, mut text) = (Follow::new(Some("100".into())), Ladder::default(), String::new());
        let mut hear = |mut captured: Captured, remote: &str| {
            captured.hop = hop(remote);
            follow.takes(&captured).iter().for_each(|captured| text += &ladder.draw(captured));
            assert!(follow.held.len() <= HELD_MAX);
        };
        hear(invite("early"), "127.0.0.3:9");
        for i in 0..300 {
            let (call_id, remote) = (format!("stranger-{i}"), format!("127.0.12.{}:{}", i % 200 + 1, 2000 + i));
            hear(invite(&call_id), &remote);
            hear(challenge(&call_id), &remote);
        }
        hear(trying("early"), "127.0.0.3:9");
        for heard in [invite("a"), challenge("a"), invite("a"), trying("a")] {
            hear(heard, "127.0.0.2:9");
        }
        hear(captured(false, Some(CALL), "INVITE sip:anna@127.0.0.1 SIP/2.0", "c", ""), "127.0.0.4:9");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7, "two lines of names, five messages:\n{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "three columns:\n{text}");
        assert!(!text.contains("127.0.12.") && !text.contains("127.0.0.3"), "{text}");
    }

    #[test]
    fn a_call_is_named_by_caller_callee_or_call_id() {
        for (who, fits) in [("100", true), ("4711", true), ("abc@x", true), ("10", false), ("sip", false)] {
            let mut follow = Follow::new(Some(who.into()));
            follow.takes(&invite("abc@x"));
            assert_eq!(follow.takes(&trying("abc@x")).len(), if fits { 2 } else { 0 }, "{who}");
        }
        let within = captured(true, None, "INVITE sip:100@127.0.0.1 SIP/2.0", "a", "").message().to_bytes();
        let within = String::from_utf8(within).unwrap().replace("<sip:100@b.example>", "<sip:100@b.example>;tag=2");
        let within = Message::parse(within.as_bytes()).unwrap();
        let within = Captured::new(Time::EPOCH, hop("127.0.0.1:9"), true, None, within);
        let mut follow = Follow::new(None);
        follow.takes(&within);
        assert!(follow.takes(&trying("a")).is_empty(), "a call that runs already");
    }

    #[test]
    fn a_number_is_found_however_the_carrier_writes_it() {
        let found = |who: &str, to: &str, more: &str| {
            let start = format!("INVITE sip:{to}@127.0.0.1 SIP/2.0");
            let mut follow = Follow::new(Some(who.into()));
            follow.takes(&captured(true, None, &start, "a", more));
            !follow.takes(&trying("a")).is_empty()
        };
        for to in ["+468123456", "0046-8-123456", "08123456", "468123456", "8123456"] {
            assert!(found("+468123456", to, "") && found("08-12 34 56", to, ""), "{to}");
        }
        for to in ["+468123457", "123456", "23456", "anna468123456", "46"] {
            assert!(!found("+468123456", to, ""), "{to}");
        }
        assert!(
            found("08123456", "100", "P-Asserted-Identity: <tel:+468123456>\r\n"),
            "who calls by the carrier's word"
        );
    }

    /// The chunks of a HEP 3 packet, read apart from how they were written.
    fn chunks(packet: &[u8]) -> Vec<(u16, Vec<u8>)> {
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        let (mut at, mut found) = (6, Vec::new());
        while at < packet.len() {
            let word = |i: usize| u16::from_be_bytes([packet[at + i], packet[at + i + 1]]);
            assert_eq!(word(0), 0, "vendor");
            let length = usize::from(word(4));
            found.push((word(2), packet[at + 6..at + length].to_vec()));
            at += length;
        }
        found
    }

    #[test]
    fn a_capture_server_is_told_who_when_and_what() {
        let sent = captured(false, Some(CALL), "SIP/2.0 100 Trying", "a", "");
        let found = chunks(&hep(&sent, 2001).unwrap());
        let bytes = |kind: u16| found.iter().find(|(k, _)| *k == kind).map(|(_, value)| &value[..]);
        assert_eq!((bytes(1), bytes(2)), (Some(&[2][..]), Some(&[17][..])));
        assert_eq!((bytes(3), bytes(7)), (Some(&[127, 0, 0, 1][..]), Some(&5060_u16.to_be_bytes()[..])));
        assert_eq!((bytes(4), bytes(8)), (Some(&[127, 0, 0, 1][..]), Some(&9_u16.to_be_bytes()[..])));
        assert_eq!((bytes(9), bytes(10)), (Some(&[0, 0, 0, 1][..]), Some(&500_000_u32.to_be_bytes()[..])));
        assert_eq!((bytes(11), bytes(12)), (Some(&[1][..]), Some(&2001_u32.to_be_bytes()[..])));
        assert_eq!(bytes(17), Some(&b"call-7"[..]));
        assert_eq!(bytes(15), Some(&sent.message().to_bytes()[..]));

        let mut received = invite("b");
        received.hop = Hop { transport: Transport::Tls, ..hop("[2001:db8::1]:5061") };
        received.hop.local = "[2001:db8::2]:5061".parse().unwrap();
        let found = chunks(&hep(&received, 1).unwrap());
        let kinds: Vec<u16> = found.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 15]);
        assert_eq!((&found[0].1[..], &found[1].1[..], found[2].1[15], found[3].1[15]), (&[10][..], &[6][..], 1, 2));
    }

    #[test]
    fn what_fits_into_no_datagram_is_not_packed() {
        let mut large = invite("a");
        let body = |size: usize| vec![b'x'; size];
        let Message::Request(request) = &mut large.message else { panic!("a request") };
        request.set_body("text/plain", body(65_000));
        assert!(hep(&large, 1).is_some());
        let Message::Request(request) = &mut large.message else { panic!("a request") };
        request.set_body("text/plain", body(65_400));
        assert!(hep(&large, 1).is_none());
        let Message::Request(request) = &mut large.message else { panic!("a request") };
        request.set_body("text/plain", body(70_000));
        assert!(hep(&large, 1).is_none());
    }
}

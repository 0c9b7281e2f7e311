//! New calls that are refused at once while the switchboard is late: 503 with Retry-After (RFC 3261 §21.5.4), without its help.
//!
//! What it has admitted is not touched: neither requests inside dialogs nor retransmissions of an INVITE that was let in,
//! which it will answer itself. Nor is anybody refused whom we know and who calls for help, or takes another's place in a call
//! (Replaces), as long as those are few. What comes of a refusal ends here too: its ACK.

use super::endpoint::{Hop, Transmit};
use super::message::{Request, Response};
use super::method::Method;
use super::recent::Recent;
use super::uri::keys;
use crate::time::{Duration, Time};
use std::hash::{BuildHasher, RandomState};

/// INVITEs that are remembered as admitted: half a minute of retransmissions at a thousand calls a second. A forgotten one
/// that comes again while the switchboard is late is refused.
pub const ADMITTED_MAX: usize = 65_536;

/// Refused INVITEs whose ACK need not trouble the switchboard: those of some seconds. It drops what was forgotten here.
pub const REFUSED_MAX: usize = 16_384;

/// Calls for help that get in while the switchboard is late, each second, and as many INVITEs that only move a call; one more is
/// refused like every other, and it costs little to call again.
pub const EMERGENCIES_PER_SECOND: u32 = 20;
/// How many of them may come at once. A phone that is asked for its password calls twice.
pub const EMERGENCIES_AT_ONCE: u32 = 100;

/// See the module's documentation.
pub struct Overload {
    retry_after: Duration,
    /// Numbers that are dialled in need.
    emergency: Vec<String>,
    /// Calls for help that got in while it was late, and INVITEs that only move a call.
    helped: Meter,
    moved: Meter,
    /// Keyed hashes of Call-ID, From tag and CSeq.
    admitted: Recent<u64, ()>,
    refused: Recent<u64, ()>,
    keys: RandomState,
}

impl Overload {
    pub fn new(retry_after: Duration, emergency: Vec<String>) -> Overload {
        Overload {
            retry_after,
            emergency,
            helped: Meter::default(),
            moved: Meter::default(),
            admitted: Recent::new(ADMITTED_MAX),
            refused: Recent::new(REFUSED_MAX),
            keys: RandomState::new(),
        }
    }

    /// The refusal of a request that begins a call while the switchboard `is_late`; `None`: let it in. `is_known`: the sender
    /// is no stranger.
    pub fn refuses(
        &mut self,
        now: Time,
        is_late: bool,
        is_known: bool,
        hop: &Hop,
        request: &Request,
    ) -> Option<Transmit> {
        if request.method != Method::Invite || request.headers.to_tag().is_some() {
            return None;
        }
        let key = self.key(request);
        let is_in = !is_late || self.admitted.get(&key).is_some();
        if is_in || (is_known && self.is_let_in(now, request)) {
            self.admitted.entry(key, ());
            // What it lost of the refusal it will not acknowledge.
            self.refused.remove(&key);
            return None;
        }
        let mut refusal = Response::to(request, 503, None);
        refusal.come_later(self.retry_after, request.headers.call_id().unwrap_or_default());
        let hop = refusal.go_back(hop)?;
        refusal.set_stateless_tag();
        self.refused.entry(key, ());
        Some(Transmit::new(hop, refusal.to_bytes()))
    }

    /// Whether it is the ACK of a refusal (RFC 3261 §17.1.1.3): nobody waits for it.
    pub fn ends(&mut self, request: &Request) -> bool {
        request.method == Method::Ack && !self.refused.is_empty() && {
            let key = self.key(request);
            self.refused.get(&key).is_some()
        }
    }

    /// Of an INVITE and of its ACK.
    fn key(&self, request: &Request) -> u64 {
        let headers = &request.headers;
        let number = headers.get("CSeq").and_then(|cseq| cseq.split_ascii_whitespace().next());
        self.keys.hash_one((headers.get("Call-ID"), number, headers.get("From")))
    }

    /// Who calls for help, or takes the place of another in a call that is up (RFC 3891), which adds none.
    fn is_let_in(&mut self, now: Time, request: &Request) -> bool {
        if self.is_emergency(request) {
            return self.helped.takes(now);
        }
        matches!(request.headers.replaces(), Some(Ok(_))) && self.moved.takes(now)
    }

    /// However it is written: `1-1-2` is 112, and so is `urn:service:sos`.
    fn is_emergency(&self, request: &Request) -> bool {
        let is_number = |dialled| keys(dialled).is_some_and(|keys| self.emergency.iter().any(|number| *number == keys));
        request.uri.is_emergency_service() || request.uri.user().is_some_and(is_number)
    }
}

/// How many got in lately (the virtual scheduling of a token bucket).
struct Meter {
    /// When all of them would have come at the rate allowed.
    paid_until: Time,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter { paid_until: Time::EPOCH }
    }
}

impl Meter {
    /// One more, if there is room for it.
    fn takes(&mut self, now: Time) -> bool {
        let step = Duration::from_secs(1) / EMERGENCIES_PER_SECOND;
        let fits = self.paid_until <= now + step * (EMERGENCIES_AT_ONCE - 1);
        if fits {
            self.paid_until = self.paid_until.max(now) + step;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{Message, Transport};

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn overload() -> Overload {
        Overload::new(Duration::from_secs(30), vec!["112".into()])
    }

    fn hop() -> Hop {
        Hop {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.7:40000".parse().unwrap(),
            connection: None,
        }
    }

    fn request(method: &str, call: &str, tag: &str) -> Request {
        dials("300", method, call, tag)
    }

    fn dials(number: &str, method: &str, call: &str, tag: &str) -> Request {
        let text = format!(
            "{method} sip:{number}@vaxel SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;rport;branch=z9hG4bK{call}\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:300@vaxel>{tag}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_new_calls_are_refused_and_only_while_late() {
        let hop = hop();
        let mut overload = overload();
        let mut refuses = |is_late, request: &Request| overload.refuses(NOW, is_late, true, &hop, request);
        assert!(refuses(false, &request("INVITE", "admitted", "")).is_none());
        let refusal = refuses(true, &request("INVITE", "new", "")).unwrap();
        let Ok(Message::Response(response)) = Message::parse(&refusal.bytes) else { panic!("no response") };
        assert_eq!(response.code, 503);
        assert!(response.headers.retry_after().is_some_and(|later| (30..=45).contains(&later.as_secs())));
        assert_eq!(refusal.hop.remote, hop.remote);
        for passes in [
            request("INVITE", "admitted", ""),
            request("INVITE", "new", ";tag=2"),
            request("BYE", "new", ";tag=2"),
            request("ACK", "new", ""),
            request("CANCEL", "new", ""),
            request("REGISTER", "new", ""),
        ] {
            assert!(refuses(true, &passes).is_none(), "{:?}", passes.method);
        }
        // It was not let in, so it may come later.
        assert!(refuses(true, &request("INVITE", "new", "")).is_some());
        assert!(refuses(false, &request("INVITE", "new", "")).is_none());
        assert!(refuses(true, &request("INVITE", "new", "")).is_none());
    }

    #[test]
    fn who_is_known_and_calls_for_help_gets_in_and_a_flood_of_such_calls_does_not() {
        let (hop, mut overload) = (hop(), overload());
        let mut gets_in = |now, is_known, number, call: &str| {
            overload.refuses(now, true, is_known, &hop, &dials(number, "INVITE", call, "")).is_none()
        };
        assert!(!gets_in(NOW, true, "1120", "longer"));
        assert!(!gets_in(NOW, false, "112", "strange"));
        let mut flood = |at, name: &str| (0..1000).filter(|n| gets_in(at, true, "112", &format!("{name}{n}"))).count();
        assert_eq!(flood(NOW, "a"), EMERGENCIES_AT_ONCE as usize);
        assert_eq!(flood(NOW + Duration::from_secs(1), "b"), EMERGENCIES_PER_SECOND as usize);
        // Repeated because its answer was lost: it costs no further place.
        assert!(gets_in(NOW + Duration::from_secs(1), true, "112", "a0"));
    }

    #[test]
    fn what_a_refused_caller_sends_ends_here_until_the_call_is_let_in() {
        let (hop, mut overload) = (hop(), overload());
        let (invite, ack) = (request("INVITE", "one", ""), request("ACK", "one", ";tag=2"));
        assert!(!overload.ends(&ack));
        assert!(overload.refuses(NOW, true, true, &hop, &invite).is_some());
        assert!(overload.ends(&ack) && overload.ends(&ack), "it may come twice");
        assert!(!overload.ends(&request("ACK", "other", ";tag=2")));
        assert!(!overload.ends(&request("BYE", "one", ";tag=2")) && !overload.ends(&invite));
        // The refusal was lost, and its repetition comes at a better time.
        assert!(overload.refuses(NOW, false, true, &hop, &invite).is_none());
        assert!(!overload.ends(&ack), "now it is for the switchboard");
    }

    #[test]
    fn an_emergency_number_is_one_however_it_is_written() {
        let (hop, mut overload) = (hop(), overload());
        let mut gets_in =
            |number: &str| overload.refuses(NOW, true, true, &hop, &dials(number, "INVITE", number, "")).is_none();
        assert!(gets_in("1-1-2") && gets_in("(11)2;phone-context=se") && gets_in("11%202"));
        assert!(!gets_in("+112") && !gets_in("1-1-2-0") && !gets_in("-"));
        let mut service = dials("service", "INVITE", "112", "");
        service.uri = "urn:service:sos.police".parse().unwrap();
        assert!(overload.refuses(NOW, true, true, &hop, &service).is_none());
    }

    #[test]
    fn who_is_known_and_moves_a_call_gets_in_within_bounds() {
        let (hop, mut overload) = (hop(), overload());
        let mut gets_in = |is_known, replaces: &str, call: &str| {
            let mut request = request("INVITE", call, "");
            request.headers.push("Replaces", replaces);
            overload.refuses(NOW, true, is_known, &hop, &request).is_none()
        };
        assert!(gets_in(true, "call;to-tag=a;from-tag=b", "moves"));
        assert!(!gets_in(false, "call;to-tag=a;from-tag=b", "strange"));
        assert!(!gets_in(true, "nonsense", "bad"));
        let many = (0..1000).filter(|n| gets_in(true, "call;to-tag=a;from-tag=b", &format!("flood{n}"))).count();
        assert_eq!(many, EMERGENCIES_AT_ONCE as usize - 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut overload = overload();
        for key in 0..3 * ADMITTED_MAX as u64 {
            overload.admitted.entry(key, ());
            overload.refused.entry(key, ());
        }
        assert!(overload.admitted.len() <= ADMITTED_MAX && overload.refused.len() <= REFUSED_MAX);
    }
}

//! New calls that are refused at once while the switchboard is late: 503 with Retry-After (RFC 3261 §21.5.4), without its help.
//!
//! What it has admitted is not touched: neither requests inside dialogs nor retransmissions of an INVITE that was let in,
//! which it will answer itself.

use super::endpoint::{Hop, Transmit};
use super::message::{Request, Response};
use super::method::Method;
use super::recent::Recent;
use crate::time::Duration;
use std::hash::{BuildHasher, RandomState};

/// INVITEs that are remembered as admitted: half a minute of retransmissions at a thousand calls a second. A forgotten one
/// that comes again while the switchboard is late is refused.
pub const ADMITTED_MAX: usize = 65_536;

/// See the module's documentation.
pub struct Overload {
    retry_after: Duration,
    /// Keyed hashes of Call-ID, From tag and CSeq.
    admitted: Recent<u64, ()>,
    keys: RandomState,
}

impl Overload {
    pub fn new(retry_after: Duration) -> Overload {
        Overload { retry_after, admitted: Recent::new(ADMITTED_MAX), keys: RandomState::new() }
    }

    /// The refusal of a request that begins a call while the switchboard `is_late`; `None`: let it in.
    pub fn refuses(&mut self, is_late: bool, hop: &Hop, request: &Request) -> Option<Transmit> {
        let headers = &request.headers;
        if request.method != Method::Invite || headers.to().is_ok_and(|to| to.tag().is_some()) {
            return None;
        }
        let key = self.keys.hash_one((headers.get("Call-ID"), headers.get("CSeq"), headers.get("From")));
        if !is_late || self.admitted.get(&key).is_some() {
            self.admitted.entry(key, ());
            return None;
        }
        let mut refusal = Response::to(request, 503, None);
        refusal.headers.push("Retry-After", self.retry_after.as_secs().max(1).to_string());
        let hop = refusal.go_back(hop)?;
        refusal.set_stateless_tag();
        Some(Transmit { hop, bytes: refusal.to_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{Message, Transport};

    fn request(method: &str, call: &str, tag: &str) -> Request {
        let text = format!(
            "{method} sip:300@vaxel SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;rport;branch=z9hG4bK{call}\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:300@vaxel>{tag}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_new_calls_are_refused_and_only_while_late() {
        let hop = Hop {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.7:40000".parse().unwrap(),
            connection: None,
        };
        let mut overload = Overload::new(Duration::from_secs(30));
        assert!(overload.refuses(false, &hop, &request("INVITE", "admitted", "")).is_none());
        let refusal = overload.refuses(true, &hop, &request("INVITE", "new", "")).unwrap();
        let Ok(Message::Response(response)) = Message::parse(&refusal.bytes) else { panic!("no response") };
        assert_eq!((response.code, response.headers.get("Retry-After")), (503, Some("30")));
        assert_eq!(refusal.hop.remote, hop.remote);
        for passes in [
            request("INVITE", "admitted", ""),
            request("INVITE", "new", ";tag=2"),
            request("BYE", "new", ";tag=2"),
            request("ACK", "new", ""),
            request("CANCEL", "new", ""),
            request("REGISTER", "new", ""),
        ] {
            assert!(overload.refuses(true, &hop, &passes).is_none(), "{:?}", passes.method);
        }
        // It was not let in, so it may come later.
        assert!(overload.refuses(true, &hop, &request("INVITE", "new", "")).is_some());
        assert!(overload.refuses(false, &hop, &request("INVITE", "new", "")).is_none());
        assert!(overload.refuses(true, &hop, &request("INVITE", "new", "")).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let mut overload = Overload::new(Duration::from_secs(1));
        for key in 0..3 * ADMITTED_MAX as u64 {
            overload.admitted.entry(key, ());
        }
        assert!(overload.admitted.len() <= ADMITTED_MAX);
    }
}

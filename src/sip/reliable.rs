//! Provisional answers that their receiver acknowledges by PRACK (RFC 3262). Pure rules for both sides.

use super::endpoint::{Hop, Transmit};
use super::headers::Headers;
use super::lex;
use super::method::Method;
use super::transaction::{Expiry, Timings};
use crate::time::{Duration, Time};

/// The option tag.
pub const RELIABLE: &str = "100rel";

/// `RSeq` (§7.1); `None`: missing, or not a number from 1 to 2^32 - 1.
pub fn rseq(headers: &Headers) -> Option<u32> {
    lex::number(headers.get("RSeq")?, u32::MAX.into()).filter(|n| *n > 0).map(|n| n as u32)
}

/// Whether the receiver of these headers must use the extension.
pub fn is_required(headers: &Headers) -> bool {
    headers.require().any(|tag| tag.eq_ignore_ascii_case(RELIABLE))
}

/// `RAck` (§7.2): which provisional answer to which request is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    pub rseq: u32,
    pub cseq: u32,
    pub method: Method,
}

impl RAck {
    /// `None`: missing or not two numbers and a method.
    pub fn of(headers: &Headers) -> Option<RAck> {
        let mut parts = headers.get("RAck")?.split([' ', '\t']).filter(|part| !part.is_empty());
        let (rseq, cseq, method) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |text| lex::number(text, u32::MAX.into()).map(|n| n as u32);
        let ack = RAck { rseq: number(rseq)?, cseq: number(cseq)?, method: Method::parse(method)? };
        parts.next().is_none().then_some(ack)
    }
}

/// The callee's side of one INVITE that requires it: one answer at a time waits for its PRACK (§3).
#[derive(Debug)]
pub struct Reliable {
    /// The INVITE described nothing: the first description is our offer, and its PRACK brings the answer (§5).
    late: bool,
    rseq: u32,
    waiting: Option<Waiting>,
    /// A session description of ours was acknowledged.
    is_described: bool,
    /// The provisional answer that goes next.
    pub next: Option<Next>,
    /// The 2xx waits too, because the provisional answer carried a session description.
    pub accept: Option<Vec<u8>>,
}

/// A provisional answer that waits for the PRACK of the one before it.
#[derive(Debug, PartialEq, Eq)]
pub struct Next {
    pub code: u16,
    pub reason: String,
    pub body: Vec<u8>,
}

#[derive(Debug)]
struct Waiting {
    answer: Transmit,
    has_body: bool,
    interval: Duration,
    resend: Time,
    over: Time,
    timings: Timings,
}

impl Reliable {
    /// `first`: any number; the first RSeq lies between 1 and 2^31 - 1. `late`: the INVITE described nothing.
    pub fn new(first: u64, late: bool) -> Reliable {
        let rseq = (first % ((1 << 31) - 1)) as u32;
        Reliable { late, rseq, waiting: None, is_described: false, next: None, accept: None }
    }

    /// The number of the next provisional answer.
    pub fn number(&mut self) -> u32 {
        self.rseq += 1;
        self.rseq
    }

    /// The answer with the last number was sent at `now`.
    pub fn sent(&mut self, now: Time, answer: Transmit, has_body: bool, timings: Timings) {
        let (resend, over) = (now + timings.t1, now + timings.patience());
        self.waiting = Some(Waiting { answer, has_body, interval: timings.t1, resend, over, timings });
    }

    /// This answer goes next, instead of one that waits already; but a description that waits is not lost by that.
    pub fn waits_with(&mut self, code: u16, reason: &str, body: Vec<u8>) {
        let before = self.next.take().map(|next| next.body).unwrap_or_default();
        let body = if body.is_empty() { before } else { body };
        self.next = Some(Next { code, reason: reason.to_owned(), body });
    }

    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether the answer that waits made an offer.
    pub fn is_offering(&self) -> bool {
        self.late && self.holds_accept()
    }

    /// A 2xx may not overtake a session description (§3).
    pub fn holds_accept(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.has_body)
    }

    /// Whether this PRACK is for the answer that waits; it waits no longer then.
    pub fn acknowledge(&mut self, rseq: u32) -> bool {
        let acknowledged = self.waiting.take_if(|_| rseq == self.rseq);
        self.is_described |= acknowledged.as_ref().is_some_and(|waiting| waiting.has_body);
        acknowledged.is_some()
    }

    /// Whether the description in an answer of ours has arrived, and none is on its way.
    pub fn is_described(&self) -> bool {
        self.is_described && !self.holds_accept()
    }

    /// As [`Transmit::follow`], for the answer that waits.
    pub fn follow(&mut self, hop: &Hop) -> bool {
        self.waiting.as_mut().is_some_and(|waiting| waiting.answer.follow(hop))
    }

    /// `None`: nothing waits.
    pub fn next_timeout(&self) -> Option<Time> {
        self.waiting.as_ref().map(|waiting| waiting.resend.min(waiting.over))
    }

    /// The answer once more (doubling from T1, on every transport), or the end after 64·T1.
    pub fn handle_timeout(&mut self, now: Time) -> Option<(Expiry, Transmit)> {
        let waiting = self.waiting.as_mut()?;
        if waiting.over <= now {
            return self.waiting.take().map(|waiting| (Expiry::TimedOut, waiting.answer));
        }
        if waiting.resend > now {
            return None;
        }
        waiting.interval *= 2;
        waiting.resend = now + waiting.interval.min(waiting.timings.patience());
        Some((Expiry::Resend, waiting.answer.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::endpoint::{Hop, Transport};

    fn headers(name: &str, value: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(name, value);
        headers
    }

    #[test]
    fn numbers_are_read_and_nonsense_is_not() {
        assert_eq!(rseq(&headers("RSeq", "988789")), Some(988_789));
        for bad in ["0", "", "x", "4294967296", "1 2"] {
            assert_eq!(rseq(&headers("RSeq", bad)), None, "{bad}");
        }
        let ack = RAck { rseq: 776_656, cseq: 1, method: Method::Invite };
        assert_eq!(RAck::of(&headers("RAck", "776656  1\tINVITE")), Some(ack));
        for bad in ["776656 1", "1 INVITE", "776656 1 INVITE x", "", "a b c"] {
            assert_eq!(RAck::of(&headers("RAck", bad)), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_is_resent_doubling_and_given_up_after_64_t1() {
        let at = "192.0.2.1:5060".parse().unwrap();
        let hop = Hop { transport: Transport::Udp, local: at, remote: at, connection: None };
        let start = Time::from_secs(10);
        let mut reliable = Reliable::new(41, false);
        assert_eq!(reliable.number(), 42);
        reliable.sent(start, Transmit::new(hop, Vec::new()), false, Timings::default());
        let mut resent = Vec::new();
        let over = loop {
            let at = reliable.next_timeout().expect("it waits");
            match reliable.handle_timeout(at).expect("it is due").0 {
                Expiry::Resend => resent.push(at.since(start).as_millis()),
                _ => break at,
            }
        };
        assert_eq!(resent, [500, 1500, 3500, 7500, 15_500, 31_500]);
        assert_eq!((over, reliable.is_waiting()), (start + Duration::from_secs(32), false));
    }

    #[test]
    fn only_the_last_number_acknowledges_and_only_once() {
        let at = "192.0.2.1:5060".parse().unwrap();
        let hop = Hop { transport: Transport::Udp, local: at, remote: at, connection: None };
        let mut reliable = Reliable::new(0, false);
        let number = reliable.number();
        reliable.sent(Time::from_secs(1), Transmit::new(hop, Vec::new()), true, Timings::default());
        assert!(reliable.holds_accept());
        assert!(!reliable.acknowledge(number + 1));
        assert!(reliable.acknowledge(number));
        assert!(!reliable.acknowledge(number));
        assert!(!reliable.holds_accept());
    }
}

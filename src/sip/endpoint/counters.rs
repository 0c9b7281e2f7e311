//! Plain counts, for metrics to read.

use crate::sip::method::Method;

/// What an endpoint has seen and done since it was made; every number only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests received, retransmissions included, in the order of [`Counters::METHODS`].
    pub requests_received: [u64; Counters::METHODS.len()],
    /// Responses received: 1xx to 6xx.
    pub responses_received: [u64; 6],
    /// First transmissions of our requests, in the order of [`Counters::METHODS`].
    pub requests_sent: [u64; Counters::METHODS.len()],
    /// First transmissions of our responses: 1xx to 6xx.
    pub responses_sent: [u64; 6],
    /// Messages we sent again because of a timer or a retransmission of the peer.
    pub retransmissions_sent: u64,
    /// Requests that a live transaction knew already.
    pub retransmissions_received: u64,
    /// What could not be read.
    pub malformed: u64,
    /// Read, but matching nothing and answered by nothing: stray responses and ACKs.
    pub dropped: u64,
    /// Answered 503 because a table was full.
    pub refused_full: u64,
    /// Forks of INVITEs of ours beyond those that are followed, by their answers; keys to be sent by INFO beyond those that wait for
    /// an ACK.
    pub forks_ignored: u64,
    pub infos_lost: u64,
    /// INVITEs that our user neither accepted nor refused in time; answered 480.
    pub unanswered: u64,
    /// Transactions of ours that nobody answered (Timers B and F).
    pub timeouts: u64,
    /// Requests of ours that were too large for a datagram (RFC 3261 §18.1.1) and went by TCP; that were refused there and went by
    /// UDP after all; and that went by UDP at once, because nobody would take a connection or we have no listener for it.
    pub large_by_tcp: u64,
    pub large_refused: u64,
    pub large_by_udp: u64,
    /// Dialogs ended by us because the peer's refresh never came (RFC 4028).
    pub sessions_expired: u64,
}

impl Counters {
    /// The names that belong to the per-method counters; the last stands for every unknown method.
    pub const METHODS: [&str; 15] = [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "OPTIONS",
        "REGISTER",
        "INFO",
        "PRACK",
        "UPDATE",
        "REFER",
        "NOTIFY",
        "SUBSCRIBE",
        "MESSAGE",
        "PUBLISH",
        "other",
    ];

    /// The place of a method in the per-method counters.
    pub fn method_index(method: &Method) -> usize {
        let other = Counters::METHODS.len() - 1;
        Counters::METHODS[..other].iter().position(|name| *name == method.as_str()).unwrap_or(other)
    }

    /// The place of a response in the per-class counters.
    pub fn class_index(code: u16) -> usize {
        usize::from(code / 100).clamp(1, 6) - 1
    }
}

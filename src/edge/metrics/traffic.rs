//! SIP messages and what went wrong with them.

use super::keep_alives::KeepAlives;
use super::register;
use crate::sip::Message;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counters of the SIP sockets; every child is looked up once.
#[derive(Clone)]
pub struct Traffic {
    received: Kinds,
    sent: Kinds,
    faults: [IntCounter; SipFault::ALL.len()],
    pub connections: IntGauge,
    pub stun: Stun,
    pub keep_alives: KeepAlives,
}

/// STUN binding requests on SIP sockets.
#[derive(Clone)]
pub struct Stun {
    pub answered: IntCounter,
    /// 420: they wanted what we do not understand.
    pub refused: IntCounter,
    /// Not answered: no well-formed binding request.
    pub malformed: IntCounter,
    /// Not looked at: the stranger sends too much.
    pub limited: IntCounter,
}

/// Why a SIP message or connection was not served; the label of `vaxel_sip_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SipFault {
    /// It could not be read.
    Malformed,
    /// A datagram was dropped because the engine has too much to do.
    Overload,
    /// The system's send buffer was full; the datagram was dropped.
    SendBusy,
    /// The system refused to send, or ICMP said that nobody is there.
    Unreachable,
    /// A stream could not be opened.
    ConnectFailed,
    /// A stream was refused: too many of them.
    TooManyConnections,
    /// A stream was refused: too many from the same address.
    TooManyFromOne,
    /// A stream was cut: it held half a message for too long.
    SlowSender,
    /// A stream was cut: it did not read what we wrote.
    SlowReader,
    /// A stream was cut: where one message ends and the next begins could not be told any more.
    BadFraming,
    /// A stream ended by an error.
    ConnectionLost,
    /// A stream was cut: its TLS handshake took too long.
    HandshakeTimeout,
    /// A stream was refused: too many handshakes are under way.
    TooManyHandshakes,
    /// A stream was refused: too many handshakes with the same address are under way.
    TooManyHandshakesFromOne,
    /// A stranger's stream, or one whose handshake was under way, was cut because another one needed its place.
    MadeRoom,
    /// A stream was cut: what came for TLS was something else.
    NotTls,
    /// A stream was cut: the peer and we could not agree on TLS, or it went away meanwhile.
    TlsFailed,
    /// A stream was cut: the peer's certificate was refused or missing, or the peer refused ours.
    Untrusted,
    /// A stream was cut: it asked for something else than a WebSocket.
    NotWebSocket,
    /// A WebSocket was refused: its subprotocol is not `sip`.
    NoSubprotocol,
    /// A WebSocket was refused: it comes from a page that may not.
    WrongOrigin,
    /// A message, its header or its Request-URI is too large, or the frame that brings it.
    TooLarge,
    /// A connection was closed: nothing came by it for very long.
    Idle,
    /// A WebSocket was cut: our pings were not answered.
    NoPong,
    /// A stranger's message was dropped, or its stream cut: more come from there than strangers may send.
    TooManyRequests,
    /// Credentials were not looked at: too many wrong passwords for this account came from there.
    PasswordGuessing,
    /// A stranger's datagram so short that its answer would be more than three times as long.
    NoRoomToAnswer,
    /// A stranger's message was dropped because too many of theirs wait for the engine.
    StrangersOverload,
    /// A new call was answered 503 at once because the engine has too much to do.
    CallsOverload,
}

impl SipFault {
    pub const ALL: [SipFault; 29] = [
        SipFault::Malformed,
        SipFault::Overload,
        SipFault::SendBusy,
        SipFault::Unreachable,
        SipFault::ConnectFailed,
        SipFault::TooManyConnections,
        SipFault::TooManyFromOne,
        SipFault::SlowSender,
        SipFault::SlowReader,
        SipFault::BadFraming,
        SipFault::ConnectionLost,
        SipFault::HandshakeTimeout,
        SipFault::TooManyHandshakes,
        SipFault::TooManyHandshakesFromOne,
        SipFault::MadeRoom,
        SipFault::NotTls,
        SipFault::TlsFailed,
        SipFault::Untrusted,
        SipFault::NotWebSocket,
        SipFault::NoSubprotocol,
        SipFault::WrongOrigin,
        SipFault::TooLarge,
        SipFault::Idle,
        SipFault::NoPong,
        SipFault::TooManyRequests,
        SipFault::PasswordGuessing,
        SipFault::NoRoomToAnswer,
        SipFault::StrangersOverload,
        SipFault::CallsOverload,
    ];

    pub fn name(self) -> &'static str {
        match self {
            SipFault::Malformed => "malformed",
            SipFault::Overload => "overload",
            SipFault::SendBusy => "send_busy",
            SipFault::Unreachable => "unreachable",
            SipFault::ConnectFailed => "connect_failed",
            SipFault::TooManyConnections => "too_many_connections",
            SipFault::TooManyFromOne => "too_many_from_one",
            SipFault::SlowSender => "slow_sender",
            SipFault::SlowReader => "slow_reader",
            SipFault::BadFraming => "bad_framing",
            SipFault::ConnectionLost => "connection_lost",
            SipFault::HandshakeTimeout => "handshake_timeout",
            SipFault::TooManyHandshakes => "too_many_handshakes",
            SipFault::TooManyHandshakesFromOne => "too_many_handshakes_from_one",
            SipFault::MadeRoom => "made_room",
            SipFault::NotTls => "not_tls",
            SipFault::TlsFailed => "tls_failed",
            SipFault::Untrusted => "untrusted_certificate",
            SipFault::NotWebSocket => "not_websocket",
            SipFault::NoSubprotocol => "no_subprotocol",
            SipFault::WrongOrigin => "wrong_origin",
            SipFault::TooLarge => "too_large",
            SipFault::Idle => "idle",
            SipFault::NoPong => "no_pong",
            SipFault::TooManyRequests => "too_many_requests",
            SipFault::PasswordGuessing => "password_guessing",
            SipFault::NoRoomToAnswer => "no_room_to_answer",
            SipFault::StrangersOverload => "strangers_overload",
            SipFault::CallsOverload => "calls_overload",
        }
    }
}

/// By what the first line says: a method, or the class of a status.
#[derive(Clone)]
struct Kinds {
    methods: [IntCounter; METHODS.len()],
    classes: [IntCounter; CLASSES.len()],
    other: IntCounter,
}

const METHODS: [&str; 13] = [
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
];

const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "6xx"];

impl Traffic {
    pub(super) fn new(registry: &Registry) -> Traffic {
        let messages = Opts::new(
            "vaxel_sip_messages_total",
            "SIP messages that could be read, retransmissions included, by method or status class; `other`: what is neither.",
        );
        let messages = IntCounterVec::new(messages, &["direction", "kind"]).expect("a valid name");
        let messages = register(registry, messages);
        let faults =
            Opts::new("vaxel_sip_errors_total", "SIP messages and connections that were not served, by reason.");
        let faults = register(registry, IntCounterVec::new(faults, &["reason"]).expect("a valid name"));
        let stun = Opts::new(
            "vaxel_stun_requests_total",
            "STUN messages on SIP's UDP ports; `malformed` ones, what is no binding request, and too many of strangers (`limited`) are not answered.",
        );
        let stun = register(registry, IntCounterVec::new(stun, &["result"]).expect("a valid name"));
        let connections = IntGauge::new("vaxel_sip_connections", "SIP stream connections that are open.");
        Traffic {
            received: Kinds::new(&messages, "received"),
            sent: Kinds::new(&messages, "sent"),
            faults: SipFault::ALL.map(|fault| faults.with_label_values(&[fault.name()])),
            connections: register(registry, connections.expect("a valid name")),
            keep_alives: KeepAlives::new(registry),
            stun: Stun {
                answered: stun.with_label_values(&["answered"]),
                refused: stun.with_label_values(&["refused"]),
                malformed: stun.with_label_values(&["malformed"]),
                limited: stun.with_label_values(&["limited"]),
            },
        }
    }

    pub fn received(&self, message: &Message) {
        self.received.message(message).inc();
    }

    /// A message that went, as it stands on the wire.
    pub fn sent(&self, bytes: &[u8]) {
        self.sent.bytes(bytes).inc();
    }

    pub fn fault(&self, fault: SipFault) {
        let index = SipFault::ALL.iter().position(|known| *known == fault).expect("ALL holds every fault");
        self.faults[index].inc();
    }
}

impl Kinds {
    fn new(messages: &IntCounterVec, direction: &str) -> Kinds {
        Kinds {
            methods: METHODS.map(|method| messages.with_label_values(&[direction, method])),
            classes: CLASSES.map(|class| messages.with_label_values(&[direction, class])),
            other: messages.with_label_values(&[direction, "other"]),
        }
    }

    fn message(&self, message: &Message) -> &IntCounter {
        match message {
            Message::Request(request) => self.method(request.method.as_str().as_bytes()),
            Message::Response(response) => self.class(usize::from(response.code / 100)),
        }
    }

    fn bytes(&self, bytes: &[u8]) -> &IntCounter {
        match bytes.strip_prefix(b"SIP/2.0 ") {
            Some(status) => self.class(status.first().map_or(0, |digit| usize::from(digit.wrapping_sub(b'0')))),
            None => self.method(bytes.split(|byte| *byte == b' ').next().unwrap_or_default()),
        }
    }

    fn method(&self, word: &[u8]) -> &IntCounter {
        let method = METHODS.iter().position(|method| method.as_bytes() == word);
        method.map_or(&self.other, |index| &self.methods[index])
    }

    fn class(&self, first_digit: usize) -> &IntCounter {
        first_digit.checked_sub(1).and_then(|index| self.classes.get(index)).unwrap_or(&self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use super::*;
    use crate::edge::Clock;

    #[test]
    fn messages_are_counted_by_method_or_class() {
        let metrics = Metrics::new(Clock::start(), &Names::default());
        let rest =
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\n";
        for (start, method) in
            [("INVITE sip:a@b SIP/2.0", "INVITE"), ("HELLO sip:a@b SIP/2.0", "HELLO"), ("SIP/2.0 404 Gone", "BYE")]
        {
            let text = format!("{start}\r\n{rest}CSeq: 1 {method}\r\nMax-Forwards: 70\r\n\r\n");
            metrics.traffic.received(&Message::parse(text.as_bytes()).unwrap());
            metrics.traffic.sent(text.as_bytes());
        }
        for bytes in ["SIP/2.0 ", "SIP/2.0 700 ", ""] {
            metrics.traffic.sent(bytes.as_bytes());
        }
        let scraped = scrape(&metrics);
        let count = |direction, kind| {
            scraped[&format!("vaxel_sip_messages_total{{direction=\"{direction}\",kind=\"{kind}\"}}")]
        };
        for direction in ["received", "sent"] {
            assert_eq!(count(direction, "INVITE"), 1.0);
            assert_eq!(count(direction, "4xx"), 1.0);
            assert_eq!(count(direction, "BYE"), 0.0);
        }
        assert_eq!((count("received", "other"), count("sent", "other")), (1.0, 4.0));
    }

    #[test]
    fn each_fault_has_its_own_counter() {
        let metrics = Metrics::new(Clock::start(), &Names::default());
        for fault in SipFault::ALL {
            metrics.traffic.fault(fault);
        }
        let scraped = scrape(&metrics);
        for fault in SipFault::ALL {
            assert_eq!(scraped[&format!("vaxel_sip_errors_total{{reason=\"{}\"}}", fault.name())], 1.0);
        }
    }
}

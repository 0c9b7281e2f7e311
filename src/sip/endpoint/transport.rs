//! By which way messages come and go (RFC 3261 §18, RFC 7118).

use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Udp,
    Tcp,
    /// TLS over TCP (RFC 3261 §26.2).
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    pub const ALL: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    /// As written in Via.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// `None`: none that we speak. In any case of letters.
    pub fn named(name: &str) -> Option<Transport> {
        Transport::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// As written in settings and logs.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// The value of a URI's `transport` parameter; `None`: it is what is meant without one.
    pub fn parameter(self) -> Option<&'static str> {
        match self {
            Transport::Udp => None,
            Transport::Tcp => Some("tcp"),
            Transport::Tls => Some("tls"),
            // The one word for both (RFC 7118 §5.2.4).
            Transport::Ws | Transport::Wss => Some("ws"),
        }
    }

    /// The port of an address that names none (RFC 3261 §19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }

    /// Others cannot read it, and the certificate says who is there.
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// The peer is a browser, or might be one: it cannot be connected to.
    pub fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// The transport itself repeats what is lost, so transactions do not (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }
}

/// The way a message came or goes: transport, our address as the peer must see it, the peer's address, and for
/// streams the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    pub transport: Transport,
    /// What we write into Via and Contact: the listener's advertised address.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Names the connection of a stream transport; `None` for UDP, and for a stream that is to be opened.
    pub connection: Option<u64>,
}

impl Hop {
    /// Whether answers that were to go by this connection go by `other` once the peer is there: another connection may take the
    /// place of one that is lost, a datagram is answered by datagrams (RFC 3261 §18.2.2).
    pub fn gives_way_to(&self, other: &Hop) -> bool {
        self.transport.is_reliable() && other.transport.is_reliable() && self != other
    }
}

#[derive(Clone, Debug)]
pub struct Transmit {
    pub hop: Hop,
    pub bytes: Vec<u8>,
    /// There is another way if there is no connection: one that must be opened for this is waited for only briefly.
    pub is_trial: bool,
    /// Where a connection is opened if that of the hop is gone; `None`: nowhere, it is lost then.
    pub reopen: Option<SocketAddr>,
}

impl Transmit {
    /// By the one way there is.
    pub fn new(hop: Hop, bytes: Vec<u8>) -> Transmit {
        Transmit { hop, bytes, is_trial: false, reopen: None }
    }

    /// An answer to a peer that is there now. True: it goes there, and went elsewhere before.
    pub fn follow(&mut self, hop: &Hop) -> bool {
        let follows = self.hop.gives_way_to(hop);
        if follows {
            self.hop = *hop;
            self.reopen = None;
        }
        follows
    }
}

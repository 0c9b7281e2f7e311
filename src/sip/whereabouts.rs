//! Whether a peer is where it says it is (RFC 3261 §12.2.1.1), or where it is seen.
//!
//! An address that its owner's router translates is of no use to us, and one that leads into our own house may be a trap: what is
//! said counts only if it is of the same kind as what is seen. So a carrier on the Internet cannot point us at a private network,
//! at this machine or at a group of machines, and one behind NAT, which names its private address, is answered where it is seen.

use super::endpoint::{Hop, Transport};
use super::uri::SipUri;
use std::net::{IpAddr, Ipv4Addr};

/// The way to the address in `uri` for who is seen at `seen`; `None`: to `seen`, because they are the same, or it says nothing that
/// can be used: a name, another transport or IP version, an address of another kind, our own.
///
/// By TLS and WebSocket the connection is who the peer is, so nothing else counts; by TCP another connection is opened only to
/// another machine.
pub(super) fn said(uri: &SipUri, seen: &Hop) -> Option<Hop> {
    let transport = seen.transport;
    let named = uri.params.get("transport").map(Transport::named);
    if uri.secure
        || !matches!(transport, Transport::Udp | Transport::Tcp)
        || named.is_some_and(|n| n != Some(transport))
    {
        return None;
    }
    let remote = uri.address(transport)?;
    let ip = remote.ip();
    let is_same = remote == seen.remote || (transport.is_reliable() && ip == seen.remote.ip());
    let fits = ip.is_ipv4() == seen.remote.is_ipv4() && kind(ip).is_some() && kind(ip) == kind(seen.remote.ip());
    (!is_same && fits && remote != seen.local).then_some(Hop { remote, connection: None, ..*seen })
}

/// Whether who is known to be at `known` can have sent what came by `hop`. By UDP it can from any port of that address, for routers
/// change it, and by a connection too, as what is large is sent; who has a connection sends by that.
pub(super) fn is_from(known: &Hop, hop: &Hop) -> bool {
    let same_machine = known.remote.ip().to_canonical() == hop.remote.ip().to_canonical();
    match known.connection {
        Some(_) => (known.transport, known.connection) == (hop.transport, hop.connection),
        None if known.transport.is_reliable() => same_machine && known.transport == hop.transport,
        None => same_machine,
    }
}

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// By this machine alone.
    Machine,
    /// By those on one cable.
    Link,
    /// Inside a house, by its first bytes: two houses' networks are not one.
    House(u8),
    Everywhere,
}

/// `None`: nobody is there.
fn kind(ip: IpAddr) -> Option<Kind> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => match ip.octets() {
            [0 | 224.., ..] => None,
            [127, ..] => Some(Kind::Machine),
            [169, 254, ..] => Some(Kind::Link),
            [first @ 10, ..] | [first @ 172, 16..32, ..] | [first @ 192, 168, ..] | [first @ 100, 64..128, ..] => {
                Some(Kind::House(first))
            }
            _ => Some(Kind::Everywhere),
        },
        IpAddr::V6(ip) if ip.is_unspecified() || ip.is_multicast() => None,
        IpAddr::V6(ip) if ip.is_loopback() => Some(Kind::Machine),
        // Without its zone nobody can be reached by it.
        IpAddr::V6(ip) if ip.is_unicast_link_local() => None,
        IpAddr::V6(ip) if ip.is_unique_local() => Some(Kind::House(0)),
        // IPv4 in another dress (RFC 4291 §2.5.5.1, RFC 6052).
        IpAddr::V6(ip) => match ip.segments() {
            [0, 0, 0, 0, 0, 0, ..] => None,
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                kind(Ipv4Addr::new(a, b, c, d).into())
            }
            _ => Some(Kind::Everywhere),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_from_the_address_and_what_has_a_connection_comes_by_it() {
        use Transport::{Tcp, Tls, Udp};
        let hop = |transport, remote: &str, connection| {
            let local = "192.0.2.1:5060".parse().unwrap();
            Hop { transport, local, remote: remote.parse().unwrap(), connection }
        };
        let (near, other) = ("198.51.100.9:5060", "198.51.100.9:40000");
        for (known, by, is_it) in [
            (hop(Udp, near, None), hop(Udp, other, None), true),
            (hop(Udp, near, None), hop(Tcp, other, Some(3)), true),
            (hop(Udp, near, None), hop(Udp, "[::ffff:198.51.100.9]:5060", None), true),
            (hop(Udp, near, None), hop(Udp, "198.51.100.10:5060", None), false),
            (hop(Tls, near, Some(3)), hop(Tls, near, Some(3)), true),
            (hop(Tls, near, Some(3)), hop(Tls, near, Some(4)), false),
            (hop(Tls, near, Some(3)), hop(Udp, near, None), false),
            // One that is to be opened.
            (hop(Tcp, near, None), hop(Tcp, other, Some(3)), true),
            (hop(Tls, near, None), hop(Udp, near, None), false),
        ] {
            assert_eq!(is_from(&known, &by), is_it, "{known:?} {by:?}");
        }
    }

    fn follows(transport: Transport, seen: &str, uri: &str) -> Option<String> {
        let connection = transport.is_reliable().then_some(7);
        let local = if seen.starts_with('[') { "[2001:db8::1]:5060" } else { "192.0.2.1:5060" };
        let hop = Hop { transport, local: local.parse().unwrap(), remote: seen.parse().unwrap(), connection };
        let uri: crate::sip::Uri = uri.parse().unwrap();
        said(uri.as_sip().unwrap(), &hop).map(|hop| {
            assert_eq!((hop.connection, hop.local), (None, local.parse().unwrap()));
            hop.remote.to_string()
        })
    }

    #[test]
    fn what_is_said_counts_if_it_is_of_the_kind_that_is_seen() {
        use Transport::{Tcp, Tls, Udp};
        for (transport, seen, uri, goes) in [
            (Udp, "198.51.100.9:5060", "sip:a@198.51.100.20", Some("198.51.100.20:5060")),
            (Udp, "198.51.100.9:5062", "sip:a@198.51.100.9", Some("198.51.100.9:5060")),
            (Udp, "10.0.0.5:5060", "sip:a@10.9.0.7:5080;transport=udp", Some("10.9.0.7:5080")),
            (Udp, "127.0.0.5:5060", "sip:a@127.0.0.7:5067", Some("127.0.0.7:5067")),
            (Udp, "[2001:db8::9]:5060", "sip:a@[2001:db8::7]", Some("[2001:db8::7]:5060")),
            (Tcp, "198.51.100.9:40000", "sip:a@198.51.100.20;transport=tcp", Some("198.51.100.20:5060")),
            // The connection that is there.
            (Tcp, "198.51.100.9:40000", "sip:a@198.51.100.9;transport=tcp", None),
            (Tls, "198.51.100.9:40000", "sip:a@198.51.100.20;transport=tls", None),
            (Udp, "198.51.100.9:5060", "sip:a@198.51.100.9:5060", None),
            // Behind NAT, or a trap.
            (Udp, "198.51.100.9:5060", "sip:a@192.168.1.5", None),
            (Udp, "198.51.100.9:5060", "sip:a@127.0.0.1:8080", None),
            (Udp, "198.51.100.9:5060", "sip:a@169.254.169.254", None),
            (Udp, "198.51.100.9:5060", "sip:a@100.64.0.1", None),
            (Udp, "10.0.0.5:5060", "sip:a@192.168.1.5", None),
            (Udp, "10.0.0.5:5060", "sip:a@198.51.100.20", None),
            (Udp, "198.51.100.9:5060", "sip:a@239.0.0.1", None),
            (Udp, "198.51.100.9:5060", "sip:a@255.255.255.255", None),
            (Udp, "198.51.100.9:5060", "sip:a@0.0.0.0", None),
            (Udp, "198.51.100.9:5060", "sip:a@192.0.2.1:5060", None),
            (Udp, "[2001:db8::9]:5060", "sip:a@[::1]", None),
            (Udp, "[2001:db8::9]:5060", "sip:a@[fd00::1]", None),
            (Udp, "[2001:db8::9]:5060", "sip:a@[fe80::1]", None),
            (Udp, "[2001:db8::9]:5060", "sip:a@[::ffff:10.0.0.1]", None),
            (Udp, "[2001:db8::9]:5060", "sip:a@[64:ff9b::a00:1]", None),
            (Udp, "[2001:db8::9]:5060", "sip:a@198.51.100.20", None),
            // Nothing that is understood here.
            (Udp, "198.51.100.9:5060", "sip:a@carrier.example", None),
            (Udp, "198.51.100.9:5060", "sip:a@198.51.100.20;transport=tcp", None),
            (Udp, "198.51.100.9:5060", "sip:a@198.51.100.20;transport=sctp", None),
            (Udp, "198.51.100.9:5060", "sips:a@198.51.100.20", None),
        ] {
            assert_eq!(follows(transport, seen, uri).as_deref(), goes, "{transport:?} {seen} {uri}");
        }
    }
}

//! By which of our listeners somebody is asked first: peers answer to where it comes from, and routers drop what comes from a
//! wrong place.

use super::local;
use crate::sip::Transport;
use std::net::{IpAddr, SocketAddr};

/// A listener, as far as it can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Face {
    pub transport: Transport,
    /// As the settings name it: the port may be 0.
    pub wanted: SocketAddr,
    pub bound: SocketAddr,
    /// What peers are told of it.
    pub told: SocketAddr,
}

/// The listener for requests to `remote`, of those of its transport and family: the one that the operator names by `by` (or one
/// at that address, if it is of another transport), else the one at the address from which this machine sends there (`routed`),
/// else one at every address, else one that is on this machine's outside if the peer is, else the first.
pub(super) fn choose(
    faces: &[Face],
    transport: Transport,
    remote: SocketAddr,
    by: Option<SocketAddr>,
    routed: Option<IpAddr>,
) -> Option<&Face> {
    let fit = faces.iter().filter(|face| face.transport == transport && face.bound.is_ipv4() == remote.is_ipv4());
    fit.min_by_key(|face| {
        let ip = face.bound.ip();
        (
            by != Some(face.wanted),
            by.is_none_or(|by| by.ip() != face.wanted.ip()),
            routed != Some(ip),
            !ip.is_unspecified(),
            ip.is_loopback() != remote.ip().is_loopback(),
        )
    })
}

/// From which of the places to listen, by their addresses in the settings, requests to `remote` would be sent; `None`: from none.
pub fn would_send_from(
    listen: &[(Transport, SocketAddr)],
    transport: Transport,
    remote: SocketAddr,
    by: Option<SocketAddr>,
) -> Option<SocketAddr> {
    let face = |(transport, wanted): &(_, SocketAddr)| Face {
        transport: *transport,
        wanted: *wanted,
        bound: *wanted,
        told: *wanted,
    };
    let faces: Vec<Face> = listen.iter().map(face).collect();
    choose(&faces, transport, remote, by, local::routed(remote).ok()).map(|face| face.wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn faces(listen: &[&str]) -> Vec<Face> {
        let face = |wanted| Face { transport: Transport::Udp, wanted, bound: wanted, told: wanted };
        listen.iter().map(|text| face(at(text))).collect()
    }

    #[test]
    fn the_route_decides_then_every_address_then_the_outside_and_the_operator_before_all() {
        let faces = faces(&["127.0.0.1:5060", "10.0.0.1:5060", "192.0.2.1:5060", "[::1]:5060", "192.0.2.1:5070"]);
        let carrier = at("198.51.100.9:5060");
        let chosen = |by: Option<&str>, routed: Option<&str>| {
            let routed = routed.map(|ip| ip.parse().unwrap());
            choose(&faces, Transport::Udp, carrier, by.map(at), routed).unwrap().wanted.to_string()
        };
        assert_eq!(chosen(None, Some("192.0.2.1")), "192.0.2.1:5060");
        assert_eq!(chosen(None, Some("203.0.113.1")), "10.0.0.1:5060", "never loopback");
        assert_eq!(chosen(None, None), "10.0.0.1:5060");
        assert_eq!(chosen(Some("10.0.0.1:5060"), Some("192.0.2.1")), "10.0.0.1:5060");
        assert_eq!(chosen(Some("192.0.2.1:5070"), None), "192.0.2.1:5070");
        assert_eq!(chosen(Some("192.0.2.1:5061"), None), "192.0.2.1:5060", "another transport's, at the same address");
        let with_any = [faces.clone(), self::faces(&["0.0.0.0:5060"])].concat();
        let chosen = |routed: &str| {
            choose(&with_any, Transport::Udp, carrier, None, Some(routed.parse().unwrap())).unwrap().wanted.to_string()
        };
        assert_eq!((chosen("203.0.113.1"), chosen("10.0.0.1")), ("0.0.0.0:5060".into(), "10.0.0.1:5060".into()));
        assert_eq!(choose(&faces, Transport::Tcp, carrier, None, None), None);
        let local = choose(&faces, Transport::Udp, at("127.0.0.9:1"), None, None).unwrap();
        assert_eq!(local.wanted, at("127.0.0.1:5060"));
    }

    #[test]
    fn what_would_be_sent_from_follows_this_machines_routes() {
        let listen = [at("127.0.0.2:5060"), at("127.0.0.1:5060")].map(|at| (Transport::Udp, at));
        let from = would_send_from(&listen, Transport::Udp, at("127.0.0.5:5060"), None);
        assert_eq!(from, Some(at("127.0.0.1:5060")));
        assert_eq!(would_send_from(&listen, Transport::Tls, at("127.0.0.5:5060"), None), None);
    }
}

//! Requests that are too large for a datagram go by TCP, where the peer takes it (RFC 3261 §18.1.1).
//!
//! A router that a phone is behind takes no connection to it, so nobody is asked for one who is seen elsewhere than where it says it is.

use crate::sip::endpoint::{Hop, Transport};
use crate::sip::headers::NameAddr;
use crate::sip::message::Request;
use crate::time::{Duration, Time};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Longest request by UDP, in bytes: what is left of an Ethernet frame when the path is unknown.
pub const DATAGRAM_MAX: usize = 1300;

/// For so long a peer that took no connection is not asked again.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Peers that are remembered at a time; at the bound all are forgotten and asked again.
const PEERS_MAX: usize = 4096;

/// Who can be sent large requests how.
#[derive(Debug, Default)]
pub struct Large {
    /// Our TCP listeners as peers know them; an unspecified address stands for every one of its family.
    listens: Vec<SocketAddr>,
    refused: HashMap<SocketAddr, Time>,
}

impl Large {
    pub fn new(listens: Vec<SocketAddr>) -> Large {
        Large { listens, refused: HashMap::new() }
    }

    /// The way by TCP for a request of this length that was to go by `hop`; `None`: it goes as it was to.
    pub fn way(&self, now: Time, hop: &Hop, request: &Request, length: usize) -> Option<Hop> {
        if hop.transport != Transport::Udp || length <= DATAGRAM_MAX || is_elsewhere(request, hop.remote) {
            return None;
        }
        if self.refused.get(&hop.remote).is_some_and(|until| now < *until) {
            return None;
        }
        let local = hop.local;
        let is_ours = |face: &&SocketAddr| {
            face.ip() == local.ip() || (face.ip().is_unspecified() && face.is_ipv4() == local.is_ipv4())
        };
        let face = self.listens.iter().find(is_ours)?;
        Some(Hop { transport: Transport::Tcp, local: SocketAddr::new(local.ip(), face.port()), ..*hop })
    }

    /// The peer took no connection.
    pub fn refused(&mut self, now: Time, remote: SocketAddr) {
        if self.refused.len() >= PEERS_MAX {
            self.refused.clear();
        }
        self.refused.insert(remote, now + REMEMBERED);
    }
}

/// Whoever the request is for calls itself by another address than the one it is sent to.
fn is_elsewhere(request: &Request, remote: SocketAddr) -> bool {
    let route = request.headers.items("Route").next().and_then(|route| NameAddr::parse(route).ok());
    let uri = route.as_ref().map_or(&request.uri, |route| &route.uri).as_sip();
    uri.and_then(|uri| uri.address(Transport::Udp)).is_some_and(|address| address != remote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::method::Method;

    fn to(uri: &str, routes: &[&str]) -> Request {
        let mut request = Request::new(Method::Invite, uri.parse().unwrap());
        routes.iter().for_each(|route| request.headers.push("Route", *route));
        request
    }

    #[test]
    fn a_phone_that_says_another_address_than_it_has_is_behind_a_router_and_stays_on_udp() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let large = Large::new(vec![at("192.0.2.2:5060")]);
        let hop = Hop {
            transport: Transport::Udp,
            local: at("192.0.2.2:5060"),
            remote: at("198.51.100.7:5060"),
            connection: None,
        };
        let goes = |uri, routes: &[&str]| large.way(Time::from_secs(1), &hop, &to(uri, routes), 2000).is_some();
        assert!(goes("sip:anna@198.51.100.7", &[]) && goes("sip:anna@198.51.100.7:5060;transport=udp", &[]));
        assert!(!goes("sip:anna@192.168.1.5", &[]), "another address");
        assert!(!goes("sip:anna@198.51.100.7:5062", &[]), "another port");
        assert!(goes("sip:+4687000@carrier.example", &[]) && goes("tel:+4687000", &[]), "who says none");
        assert!(goes("sip:anna@192.168.1.5", &["<sip:198.51.100.7;lr>", "<sip:192.0.2.9;lr>"]), "a proxy before it");
        assert!(!goes("sip:anna@198.51.100.7", &["<sip:10.0.0.1;lr>"]));
    }

    #[test]
    fn the_way_is_by_the_listener_of_the_same_address_and_what_is_remembered_is_bounded() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let hop = |local, remote| Hop { transport: Transport::Udp, local: at(local), remote, connection: None };
        let now = Time::from_secs(1);
        let peer = at("198.51.100.7:5060");
        let mut large = Large::new(vec![at("192.0.2.2:5070"), at("[::]:5080")]);
        let request = to("sip:198.51.100.7", &[]);
        let local =
            |large: &Large, local| large.way(now, &hop(local, peer), &request, DATAGRAM_MAX + 1).map(|hop| hop.local);
        assert_eq!(local(&large, "192.0.2.1:5060"), None);
        assert_eq!(local(&large, "192.0.2.2:5060"), Some(at("192.0.2.2:5070")));
        assert_eq!(local(&large, "[2001:db8::1]:5060"), Some(at("[2001:db8::1]:5080")));
        let mine = hop("192.0.2.2:5060", peer);
        assert_eq!(large.way(now, &mine, &request, DATAGRAM_MAX), None);
        assert_eq!(large.way(now, &Hop { transport: Transport::Tls, ..mine }, &request, 9000), None);
        large.refused(now, peer);
        assert_eq!(large.way(now, &mine, &request, 9000), None);
        assert!(large.way(now + REMEMBERED, &mine, &request, 9000).is_some());
        for n in 0..2 * PEERS_MAX {
            large.refused(now, SocketAddr::new([10, 0, (n >> 8) as u8, n as u8].into(), 5060));
            assert!(large.refused.len() <= PEERS_MAX);
        }
    }
}

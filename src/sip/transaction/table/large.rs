//! Requests that are too large for a datagram go by TCP, where the peer takes it (RFC 3261 §18.1.1).

use crate::sip::endpoint::{Hop, Transport};
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
    pub fn way(&self, now: Time, hop: &Hop, length: usize) -> Option<Hop> {
        if hop.transport != Transport::Udp || length <= DATAGRAM_MAX {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_by_the_listener_of_the_same_address_and_what_is_remembered_is_bounded() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let hop = |local, remote| Hop { transport: Transport::Udp, local: at(local), remote, connection: None };
        let now = Time::from_secs(1);
        let peer = at("198.51.100.7:5060");
        let mut large = Large::new(vec![at("192.0.2.2:5070"), at("[::]:5080")]);
        let local = |large: &Large, local| large.way(now, &hop(local, peer), DATAGRAM_MAX + 1).map(|hop| hop.local);
        assert_eq!(local(&large, "192.0.2.1:5060"), None);
        assert_eq!(local(&large, "192.0.2.2:5060"), Some(at("192.0.2.2:5070")));
        assert_eq!(local(&large, "[2001:db8::1]:5060"), Some(at("[2001:db8::1]:5080")));
        let mine = hop("192.0.2.2:5060", peer);
        assert_eq!(large.way(now, &mine, DATAGRAM_MAX), None);
        assert_eq!(large.way(now, &Hop { transport: Transport::Tls, ..mine }, 9000), None);
        large.refused(now, peer);
        assert_eq!(large.way(now, &mine, 9000), None);
        assert!(large.way(now + REMEMBERED, &mine, 9000).is_some());
        for n in 0..2 * PEERS_MAX {
            large.refused(now, SocketAddr::new([10, 0, (n >> 8) as u8, n as u8].into(), 5060));
            assert!(large.refused.len() <= PEERS_MAX);
        }
    }
}

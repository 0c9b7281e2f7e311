//! Which of this machine's addresses a peer sees.

use crate::time::{Duration, Time};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Remembers the system's answers for a while: routes seldom change, and peers come again.
#[derive(Debug, Default)]
pub(super) struct Locals {
    known: HashMap<IpAddr, (IpAddr, Time)>,
}

const REMEMBERED: Duration = Duration::from_secs(60);

/// Peers that are remembered at a time; at the bound all are forgotten and asked for again.
const PEERS_MAX: usize = 4096;

impl Locals {
    /// The source address of what this machine sends to `remote` by its routing table.
    ///
    /// # Errors
    ///
    /// There is no route.
    pub fn towards(&mut self, now: Time, remote: SocketAddr) -> io::Result<IpAddr> {
        if let Some((local, until)) = self.known.get(&remote.ip())
            && now < *until
        {
            return Ok(*local);
        }
        let local = routed(remote)?;
        if self.known.len() >= PEERS_MAX {
            self.known.clear();
        }
        self.known.insert(remote.ip(), (local, now + REMEMBERED));
        Ok(local)
    }
}

/// A connected UDP socket sends nothing until it is told to, but knows its route.
pub(super) fn routed(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_peer_sees_loopback() {
        let mut locals = Locals::default();
        let now = Time::from_secs(1);
        for peer in ["127.0.0.1:5060", "[::1]:5060"] {
            let peer: SocketAddr = peer.parse().unwrap();
            assert_eq!(locals.towards(now, peer).unwrap(), peer.ip());
        }
    }

    #[test]
    fn answers_are_remembered_for_a_while_and_never_too_many() {
        let mut locals = Locals::default();
        let (peer, wrong): (SocketAddr, IpAddr) = ("127.0.0.1:5060".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let now = Time::from_secs(1);
        locals.known.insert(peer.ip(), (wrong, now + REMEMBERED));
        assert_eq!(locals.towards(now, peer).unwrap(), wrong);
        assert_eq!(locals.towards(now + REMEMBERED, peer).unwrap(), peer.ip());
        for n in 0..u32::try_from(PEERS_MAX).unwrap() * 2 {
            let peer = SocketAddr::new(Ipv4Addr::from(0x7f00_0001 + n).into(), 9);
            locals.towards(now, peer).unwrap();
            assert!(locals.known.len() <= PEERS_MAX);
        }
    }
}

//! Port pairs for RTP and RTCP, and the sockets bound to them.

use crate::media::OpenFailure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// UDP ports for media, both ends included. Only whole pairs (RTP even, RTCP the next odd one) are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl Default for PortRange {
    fn default() -> PortRange {
        PortRange { first: 20_000, last: 29_999 }
    }
}

impl PortRange {
    /// How many legs fit.
    pub fn pairs(self) -> usize {
        self.even().count()
    }

    fn even(self) -> impl Iterator<Item = u16> {
        // Port 0 would mean "any", so it is never part of a range.
        (self.first.max(1)..self.last).filter(|port| port % 2 == 0)
    }
}

/// Open files for everything that is not a media socket.
const OTHER_FILES: u64 = 1024;

/// Bind attempts for one leg. A range that another program has filled must not hold up the legs that are talking:
/// 128 refused binds take well under a millisecond.
const ATTEMPTS: usize = 128;

/// A reader that falls this far behind loses the rest. About three seconds of one leg's packets.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// Expedited forwarding (RFC 3246), what RFC 4594 §4.1 gives to telephony, in the place of the old TOS octet.
const EXPEDITED: u32 = 46 << 2;

/// Raises the process's limit of open files, as far as the system lets it, so that all of `range` can be used: the usual
/// limit of 1024 ends at some 500 legs.
pub fn allow_open_files(range: PortRange) {
    let wanted = range.pairs() as u64 * 2 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let Some(current) = limit.current.filter(|current| *current < wanted) else { return };
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed.max(current)), ..limit });
    if raised.is_err() || allowed < wanted {
        tracing::warn!(allowed, wanted, "too few open files are allowed for all media ports (ulimit -n, LimitNOFILE=)");
    }
}

/// The free pairs of one worker, longest free first, so that a freed pair rests as long as the range allows: the last
/// caller's late packets find nobody.
#[derive(Debug)]
pub struct Ports {
    free: VecDeque<u16>,
}

/// The sockets of one leg; non-blocking.
#[derive(Debug)]
pub struct Pair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    /// The even one.
    port: u16,
}

impl Ports {
    /// Shares the pairs of `range` out among `workers`, each starting at a place given by `seed`, so that a restarted
    /// program does not begin with the ports it had last.
    pub fn share(range: PortRange, workers: usize, seed: u64) -> Vec<Ports> {
        let mut shares: Vec<VecDeque<u16>> = vec![VecDeque::new(); workers];
        for (n, port) in range.even().enumerate() {
            shares[n % workers].push_back(port);
        }
        for share in &mut shares {
            let length = share.len().max(1) as u64;
            share.rotate_left(usize::try_from(seed % length).expect("less than the length of a list"));
        }
        shares.into_iter().map(|free| Ports { free }).collect()
    }

    /// Binds the next free pair on `local`. Pairs in use by others are passed over and tried again later.
    ///
    /// `NoPort`: the range is used up, or none of the next 128 pairs could be bound. `Refused`: the system
    /// does not give a socket on this address at all.
    pub fn bind(&mut self, local: IpAddr) -> Result<Pair, OpenFailure> {
        for _ in 0..ATTEMPTS.min(self.free.len()) {
            let port = self.free.pop_front().expect("no more attempts than free pairs");
            match bind_pair(local, port) {
                Ok((rtp, rtcp)) => return Ok(Pair { rtp, rtcp, port }),
                Err(error) => {
                    self.free.push_back(port);
                    if error.kind() != io::ErrorKind::AddrInUse {
                        tracing::warn!(%local, port, %error, "no media socket");
                        return Err(OpenFailure::Refused);
                    }
                }
            }
        }
        Err(OpenFailure::NoPort)
    }

    /// Closes the sockets; the pair goes to the end of the line.
    pub fn release(&mut self, pair: Pair) {
        self.free.push_back(pair.port);
    }
}

fn bind_pair(local: IpAddr, even: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtp = bind(SocketAddr::new(local, even))?;
    let rtcp = bind(SocketAddr::new(local, even + 1))?;
    Ok((rtp, rtcp))
}

fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    let marked = if addr.is_ipv6() {
        // Otherwise `::` would take the IPv4 port as well, or fail because another leg has it.
        socket.set_only_v6(true)?;
        socket.set_tclass_v6(EXPEDITED)
    } else {
        socket.set_tos_v4(EXPEDITED)
    };
    // Both are wishes: media also flows unmarked and with the system's own buffer.
    if let Err(error) = marked.and_then(|()| socket.set_recv_buffer_size(RECEIVE_BUFFER)) {
        tracing::debug!(%addr, %error, "media socket without its options");
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU16, Ordering};

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A range of `pairs` pairs of which none is in use, and which no other test of this run gets. It is below the ports that
    /// the system gives out by itself, so that nobody is given one between this look and the test.
    pub fn free_range(pairs: u16) -> PortRange {
        static NEXT: OnceLock<AtomicU16> = OnceLock::new();
        let next = NEXT.get_or_init(|| {
            let mut start = [0; 2];
            getrandom::fill(&mut start).expect("the system has randomness");
            AtomicU16::new(u16::from_le_bytes(start))
        });
        for _ in 0..1000 {
            let offset = next.fetch_add(pairs, Ordering::Relaxed) % 11_000;
            let first = 10_000 + 2 * offset;
            let range = PortRange { first, last: first + 2 * pairs - 1 };
            if range.last < 32_768 && (range.first..=range.last).all(|port| UdpSocket::bind((HERE, port)).is_ok()) {
                return range;
            }
        }
        panic!("no {pairs} pairs of free ports in a row");
    }

    #[test]
    fn pairs_are_even_and_next() {
        assert_eq!(PortRange { first: 20_001, last: 20_006 }.even().collect::<Vec<_>>(), [20_002, 20_004]);
        assert_eq!(PortRange { first: 20_000, last: 20_000 }.pairs(), 0);
        assert_eq!(PortRange { first: 0, last: 3 }.even().collect::<Vec<_>>(), [2]);
        assert_eq!(PortRange { first: 9, last: 3 }.pairs(), 0);
        assert_eq!(PortRange::default().pairs(), 5000);
        assert_eq!(PortRange { first: 65_530, last: 65_535 }.pairs(), 3);
    }

    #[test]
    fn all_ports_of_a_range_may_be_open_as_far_as_the_system_allows() {
        allow_open_files(PortRange { first: 20_000, last: 21_023 });
        let limit = getrlimit(Resource::Nofile);
        let enough = limit.maximum.map_or(2048, |maximum| maximum.min(2048));
        assert!(limit.current.is_none_or(|current| current >= enough), "{limit:?}");
    }

    #[test]
    fn workers_share_the_range_without_overlap() {
        let range = PortRange { first: 20_000, last: 20_019 };
        let mut all: Vec<u16> = Ports::share(range, 3, 12_345).into_iter().flat_map(|ports| ports.free).collect();
        all.sort_unstable();
        assert_eq!(all, range.even().collect::<Vec<_>>());
        assert!(Ports::share(PortRange { first: 1, last: 1 }, 2, 7).iter().all(|ports| ports.free.is_empty()));
    }

    #[test]
    fn a_freed_pair_is_used_last() {
        let range = free_range(3);
        let mut ports = Ports::share(range, 1, 1).remove(0);
        let first = ports.bind(HERE).expect("free");
        let freed = first.port;
        assert_eq!(first.rtp.local_addr().unwrap().port(), freed);
        assert_eq!(first.rtcp.local_addr().unwrap().port(), freed + 1);
        ports.release(first);
        let others = [ports.bind(HERE).expect("free"), ports.bind(HERE).expect("free")];
        assert!(others.iter().all(|pair| pair.port != freed));
        assert_eq!(ports.bind(HERE).expect("free again").port, freed);
        assert_eq!(ports.bind(HERE).unwrap_err(), OpenFailure::NoPort);
    }

    #[test]
    fn ports_of_others_are_passed_over() {
        let range = free_range(2);
        // The odd one alone is enough to make a pair useless.
        let taken = UdpSocket::bind((HERE, range.first + 1)).expect("free");
        let mut ports = Ports::share(range, 1, 0).remove(0);
        assert_eq!(ports.bind(HERE).expect("one is free").port, range.first + 2);
        assert_eq!(ports.bind(HERE).unwrap_err(), OpenFailure::NoPort);
        drop(taken);
        assert_eq!(ports.bind(HERE).expect("free now").port, range.first);
    }

    #[test]
    fn an_address_that_is_not_ours_is_refused() {
        let mut ports = Ports::share(free_range(1), 1, 0).remove(0);
        // TEST-NET-1 (RFC 5737): nobody's.
        assert_eq!(ports.bind(Ipv4Addr::new(192, 0, 2, 1).into()).unwrap_err(), OpenFailure::Refused);
        assert!(ports.bind(HERE).is_ok(), "the pair is not lost");
    }

    #[test]
    fn ipv6_and_ipv4_do_not_take_each_others_ports() {
        let range = free_range(1);
        let mut four = Ports::share(range, 1, 0).remove(0);
        let mut six = Ports::share(range, 1, 0).remove(0);
        let _all_six = six.bind("::".parse().unwrap()).expect("free");
        assert!(four.bind(Ipv4Addr::UNSPECIFIED.into()).is_ok());
    }
}

//! One UDP socket for SIP (RFC 3261 §18.2.1, RFC 3581).

use super::guard::Passage;
use super::local::Locals;
use super::{Listen, Outside, PING};
use crate::edge::door::{Guest, Refused};
use crate::edge::metrics::SipFault;
use crate::sip::transaction::quoted_branch;
use crate::sip::{Hop, Message, Transmit, Transport};
use crate::stun::{self, BindingRequest};
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt::{Ipv4PacketInfo, Ipv4RecvErr, Ipv6RecvErr, Ipv6RecvPacketInfo},
};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

pub(super) struct Udp {
    /// Watched for what comes in alone: tokio's own socket would wake the reader for each datagram that has left.
    /// The engine thread sends by it directly and never waits.
    socket: AsyncFd<UdpSocket>,
    bound: SocketAddr,
    advertise: Option<SocketAddr>,
    outside: Outside,
}

/// Room for a burst: every phone registers again when the power comes back.
const RECEIVE_BUFFER: usize = 4 << 20;
const SEND_BUFFER: usize = 1 << 20;

/// Datagrams read before others on the runtime get their turn.
const BATCH: usize = 64;

/// How much is read of what an ICMP message quotes of ours: the request line and the Via below it, which tells whose it was.
const QUOTED: usize = 512;
/// Errors in a row that are taken for those of other datagrams.
const STALE_ERRORS_MAX: usize = 8;

impl Udp {
    pub fn bind(listen: &Listen, outside: Outside) -> io::Result<Udp> {
        let socket = Socket::new(Domain::for_address(listen.bind), Type::DGRAM, Some(Protocol::UDP))?;
        if listen.bind.is_ipv6() {
            // `0.0.0.0` and `::` are two sockets; otherwise IPv4 peers would have two names.
            socket.set_only_v6(true)?;
        }
        // A wish: the system may give less, and says nothing.
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.set_nonblocking(true)?;
        socket.bind(&listen.bind.into())?;
        let icmp = if listen.bind.is_ipv4() {
            setsockopt(&socket, Ipv4RecvErr, &true)
        } else {
            setsockopt(&socket, Ipv6RecvErr, &true)
        };
        if let Err(error) = icmp {
            tracing::warn!(%error, "phones that are gone are found by time-out only");
        }
        if listen.bind.ip().is_unspecified() {
            // An answer comes from the address that was asked (RFC 3581 §4), of which a machine may have several.
            match listen.bind.is_ipv4() {
                true => setsockopt(&socket, Ipv4PacketInfo, &true)?,
                false => setsockopt(&socket, Ipv6RecvPacketInfo, &true)?,
            }
        }
        let socket: UdpSocket = socket.into();
        let bound = socket.local_addr()?;
        #[expect(
            deprecated,
            reason = "unsound only for what may change its descriptor; std's socket keeps it for life"
        )]
        let socket = AsyncFd::with_interest(socket, Interest::READABLE | Interest::ERROR)?;
        Ok(Udp { socket, bound, advertise: listen.advertise, outside })
    }

    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// The address that peers are told, unless it depends on the peer.
    pub fn face(&self) -> SocketAddr {
        self.advertise.unwrap_or(self.bound)
    }

    /// A peer may know this socket, which is bound to no address, by `local`.
    pub fn is_wildcard_for(&self, local: SocketAddr) -> bool {
        self.advertise.is_none()
            && self.bound.ip().is_unspecified()
            && self.bound.is_ipv4() == local.is_ipv4()
            && self.bound.port() == local.port()
    }

    pub async fn read(self: Arc<Udp>) {
        let mut buffer = vec![0; 1 << 16];
        let mut control = nix::cmsg_space!(libc::in6_pktinfo);
        let mut locals = Locals::default();
        // Ends with the runtime.
        while let Ok(mut ready) = self.socket.ready(Interest::READABLE | Interest::ERROR).await {
            if ready.ready().is_error() {
                self.read_errors();
                ready.clear_ready_matching(Ready::ERROR);
            }
            for _ in 0..BATCH {
                match self.receive(&mut buffer, &mut control) {
                    Ok((length, remote, asked)) => self.datagram(&buffer[..length], remote, asked, &mut locals),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        ready.clear_ready_matching(Ready::READABLE);
                        break;
                    }
                    // The error of a datagram that went before; the error queue says which.
                    Err(_) => self.read_errors(),
                }
            }
        }
    }

    /// A datagram's length, its sender, and which of our addresses it was sent to, if that is not this socket's own.
    fn receive(&self, buffer: &mut [u8], control: &mut [u8]) -> io::Result<(usize, SocketAddr, Option<IpAddr>)> {
        let socket = self.socket.get_ref();
        if !self.bound.ip().is_unspecified() {
            return socket.recv_from(buffer).map(|(length, remote)| (length, remote, None));
        }
        let mut slices = [IoSliceMut::new(buffer)];
        let message =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::MSG_DONTWAIT)?;
        let asked = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into())
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
            _ => None,
        });
        let remote = message.address.and_then(address).ok_or(ErrorKind::InvalidData)?;
        Ok((message.bytes, remote, asked))
    }

    /// At once and without the engine: a phone that keeps its way through NAT open asks every half minute. A stranger is
    /// heard as often as with anything else.
    fn answer_stun(&self, bytes: &[u8], remote: SocketAddr, asked: Option<IpAddr>) {
        let stun = &self.outside.traffic.stun;
        if !self.outside.may_ask(Transport::Udp, remote, None) {
            return stun.limited.inc();
        }
        match BindingRequest::parse(bytes) {
            Ok(request) => {
                if request.is_refused() { &stun.refused } else { &stun.answered }.inc();
                match self.put(&request.answer(remote), remote, asked) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.outside.traffic.fault(SipFault::SendBusy);
                    }
                    Err(error) => tracing::debug!(%remote, %error, "a STUN answer could not be sent"),
                }
            }
            Err(fault) => {
                stun.malformed.inc();
                tracing::debug!(%remote, %fault, "no STUN binding request");
            }
        }
    }

    fn datagram(&self, bytes: &[u8], remote: SocketAddr, asked: Option<IpAddr>, locals: &mut Locals) {
        if stun::is_stun(bytes) {
            return self.answer_stun(bytes, remote, asked);
        }
        if self.outside.is_shut(remote) {
            return;
        }
        let face = self.face();
        let local = if face.ip().is_unspecified() {
            match asked.map_or_else(|| locals.towards(self.outside.clock.now(), remote), Ok) {
                Ok(ip) => SocketAddr::new(ip, face.port()),
                Err(error) => {
                    // It came from where we cannot answer to.
                    self.outside.traffic.fault(SipFault::Unreachable);
                    tracing::debug!(%remote, %error, "no way back");
                    return;
                }
            }
        } else {
            face
        };
        let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
        let (guest, input) = match self.outside.receive(hop, bytes.len(), Message::parse(bytes)) {
            Passage::Engine(guest, input) => (guest, input),
            Passage::Answer(transmit) => return self.send(&transmit),
            Passage::Nothing | Passage::Cut => return,
        };
        match self.outside.door.try_enter(guest, input) {
            // Without an engine nobody counts.
            Ok(()) | Err(Refused::Gone) => {}
            Err(Refused::Full) if guest == Guest::Stranger => self.outside.traffic.fault(SipFault::StrangersOverload),
            Err(Refused::Full) => {
                self.outside.traffic.fault(SipFault::Overload);
                if let Some(held_back) = self.outside.overload.pass(self.outside.clock.now()) {
                    tracing::warn!(held_back, "overload: SIP datagrams are dropped");
                }
            }
        }
    }

    pub fn send(&self, transmit: &Transmit) {
        let hop = transmit.hop;
        match self.put(&transmit.bytes, hop.remote, Some(hop.local.ip())) {
            Ok(_) => self.outside.traffic.sent(&transmit.bytes),
            // SIP repeats what matters.
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.outside.traffic.fault(SipFault::SendBusy),
            Err(error) => {
                self.outside.traffic.fault(SipFault::Unreachable);
                tracing::debug!(remote = %hop.remote, %error, "cannot send");
                if let Some(branch) = quoted_branch(&transmit.bytes).filter(|_| is_request(&transmit.bytes)) {
                    self.outside.undelivered(hop, branch);
                }
            }
        }
    }

    pub fn keep_open(&self, hop: &Hop) {
        let remote = hop.remote;
        match self.put(PING, remote, Some(hop.local.ip())) {
            Ok(_) => self.outside.traffic.keep_alives.datagrams.inc(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.outside.traffic.fault(SipFault::SendBusy),
            Err(error) => {
                self.outside.traffic.fault(SipFault::Unreachable);
                tracing::debug!(%remote, %error, "cannot keep the way open");
            }
        }
    }

    /// `from`: which of our addresses the peer knows; where the machine has it no more, the system chooses.
    fn put(&self, bytes: &[u8], to: SocketAddr, from: Option<IpAddr>) -> io::Result<usize> {
        let by_choice = || self.socket.get_ref().send_to(bytes, to);
        match from.filter(|_| self.advertise.is_none() && self.bound.ip().is_unspecified()) {
            Some(from) => insist(|| self.send_from(bytes, to, from))
                .or_else(|error| if error.kind() == ErrorKind::WouldBlock { Err(error) } else { insist(by_choice) }),
            None => insist(by_choice),
        }
    }

    fn send_from(&self, bytes: &[u8], to: SocketAddr, from: IpAddr) -> io::Result<usize> {
        let (v4, v6);
        let control = match from {
            IpAddr::V4(ip) => {
                let address = |ip: Ipv4Addr| libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
                let (ipi_spec_dst, ipi_addr) = (address(ip), address(Ipv4Addr::UNSPECIFIED));
                v4 = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr };
                ControlMessage::Ipv4PacketInfo(&v4)
            }
            IpAddr::V6(ip) => {
                v6 = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
                ControlMessage::Ipv6PacketInfo(&v6)
            }
        };
        let (socket, to) = (self.socket.get_ref().as_raw_fd(), SockaddrStorage::from(to));
        Ok(sendmsg(socket, &[IoSlice::new(bytes)], &[control], MsgFlags::MSG_DONTWAIT, Some(&to))?)
    }

    /// Takes what ICMP said about our datagrams (RFC 3261 §18.4) from the socket's error queue.
    fn read_errors(&self) {
        loop {
            match read_error(self.socket.get_ref()) {
                Ok(Some(Lost { remote, from, quoted })) if is_request(&quoted) => {
                    self.outside.traffic.fault(SipFault::Unreachable);
                    // ICMP comes from anybody. Who cannot quote what we sent is not believed, nor is a router that quotes too
                    // little; the request is given up when its time is over.
                    let Some(branch) = quoted_branch(&quoted) else { continue };
                    let face = self.face();
                    let local = if face.ip().is_unspecified() {
                        let from = from.map_or_else(|| Locals::default().towards(self.outside.clock.now(), remote), Ok);
                        from.map_or(face, |ip| SocketAddr::new(ip, face.port()))
                    } else {
                        face
                    };
                    let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
                    self.outside.undelivered(hop, branch);
                }
                // A response that found nobody: whoever wanted it will ask again. Acting on these would let a stranger
                // who writes false sender addresses keep the engine busy.
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

/// Sends, whatever the system reports of datagrams that went before, to others: it says so instead of sending the next one, and
/// again for each report that is read at the same time from the error queue.
fn insist(send: impl Fn() -> io::Result<usize>) -> io::Result<usize> {
    let mut tried = send();
    for _ in 1..STALE_ERRORS_MAX {
        if !tried.as_ref().is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
            break;
        }
        tried = send();
    }
    // Nobody can have refused what was not sent, so this one is of others too.
    tried.map_err(
        |error| if error.kind() == ErrorKind::ConnectionRefused { ErrorKind::WouldBlock.into() } else { error },
    )
}

/// Of ours: we ask nobody by STUN, and what keeps a way open asks nothing.
fn is_request(quoted: &[u8]) -> bool {
    !quoted.starts_with(b"SIP/2.0 ") && !stun::is_stun(quoted) && quoted != PING
}

/// A datagram that found nobody.
struct Lost {
    remote: SocketAddr,
    /// Which of our addresses it went out from, where a socket has several.
    from: Option<IpAddr>,
    /// How it began.
    quoted: Vec<u8>,
}

/// The oldest undeliverable datagram; `None`: the report was about something else.
///
/// # Errors
///
/// `WouldBlock`: the queue is empty.
fn read_error(socket: &UdpSocket) -> io::Result<Option<Lost>> {
    let mut quoted = [0; QUOTED];
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, libc::in6_pktinfo);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let mut slices = [IoSliceMut::new(&mut quoted)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    let (mut unreachable, mut from) = (false, None);
    for control in message.cmsgs()? {
        match control {
            // Type 3: destination unreachable; codes 0 to 3: net, host, protocol, port.
            ControlMessageOwned::Ipv4RecvErr(error, _) => {
                unreachable |= error.ee_origin == libc::SO_EE_ORIGIN_ICMP && error.ee_type == 3 && error.ee_code <= 3;
            }
            // Type 1: destination unreachable (RFC 4443 §3.1).
            ControlMessageOwned::Ipv6RecvErr(error, _) => {
                unreachable |= error.ee_origin == libc::SO_EE_ORIGIN_ICMP6 && error.ee_type == 1;
            }
            // Where the ICMP message came, and so where the datagram had come from.
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                from = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => from = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
            _ => {}
        }
    }
    let remote = message.address.and_then(address);
    let length = message.bytes;
    Ok(remote.filter(|_| unreachable).map(|remote| Lost {
        remote,
        from,
        quoted: quoted[..length.min(QUOTED)].to_vec(),
    }))
}

fn address(storage: SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    storage.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Bench, bench, bench_of_strangers};
    use super::super::{StreamLimits, TlsSettings};
    use super::*;
    use crate::engine::Input;
    use crate::sip::gate;
    use std::net::IpAddr;
    use std::time::Instant;

    const OPTIONS: &[u8] = b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

    /// As we write it, where the branch is a number.
    const OURS: &[u8] =
        b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK0000000000000abc;rport\r\n\r\n";

    #[test]
    fn a_datagram_becomes_a_message_with_the_way_it_came() {
        for bind in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
            let Bench { sip, entrance, _runtime, .. } = bench(&[(Transport::Udp, bind, None)], 10);
            let (_, bound) = sip.bound()[0];
            let ip: IpAddr = if bound.is_ipv4() { [127, 0, 0, 1].into() } else { "::1".parse().unwrap() };
            let peer = UdpSocket::bind((ip, 0)).unwrap();
            peer.send_to(OPTIONS, (ip, bound.port())).unwrap();
            let Input::Sip { hop, message } = entrance.input() else { panic!("no message") };
            assert_eq!(hop.remote, peer.local_addr().unwrap());
            assert_eq!(hop.local, SocketAddr::new(ip, bound.port()), "a wildcard is no address");
            assert!(matches!(*message, Message::Request(_)));
            sip.send(Transmit::new(hop, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
            let mut answer = [0; 100];
            let (length, from) = peer.recv_from(&mut answer).unwrap();
            assert_eq!((&answer[..length], from), (&b"SIP/2.0 200 OK\r\n\r\n"[..], hop.local));
        }
    }

    #[test]
    fn whoever_asks_at_one_of_many_addresses_is_answered_from_there() {
        let Bench { sip, entrance, _runtime, .. } = bench(&[(Transport::Udp, "0.0.0.0:0", None)], 10);
        let asked = SocketAddr::from(([127, 0, 0, 55], sip.bound()[0].1.port()));
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(OPTIONS, asked).unwrap();
        let Input::Sip { hop, .. } = entrance.input() else { panic!("no message") };
        assert_eq!(hop.local, asked);
        let mut heard = [0; 100];
        sip.send(Transmit::new(hop, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
        assert_eq!(peer.recv_from(&mut heard).unwrap().1, asked);
        sip.keep_open(&hop);
        assert_eq!(peer.recv_from(&mut heard).unwrap(), (PING.len(), asked));
        peer.send_to(&[&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"twelve bytes"].concat(), asked).unwrap();
        assert_eq!(peer.recv_from(&mut heard).unwrap().1, asked);
        // An address of its own, so that no other test takes the port.
        let gone = UdpSocket::bind("127.0.0.78:0").unwrap().local_addr().unwrap();
        sip.send(Transmit::new(Hop { remote: gone, ..hop }, OURS.to_vec()));
        let Input::Undelivered { hop: failed, branch: 0xabc } = entrance.input() else { panic!("nobody is there") };
        assert_eq!((failed.local, failed.remote), (asked, gone));
        // An address that this machine had once.
        let local = SocketAddr::from(([192, 0, 2, 1], asked.port()));
        sip.send(Transmit::new(Hop { local, ..hop }, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
        assert_eq!(peer.recv_from(&mut heard).unwrap().1.ip(), IpAddr::from([127, 0, 0, 1]));
    }

    #[test]
    fn peers_are_told_the_advertised_address_and_it_leads_back() {
        let advertised: SocketAddr = "203.0.113.5:5060".parse().unwrap();
        let Bench { sip, entrance, _runtime, .. } =
            bench(&[(Transport::Udp, "127.0.0.1:0", None), (Transport::Udp, "127.0.0.1:0", Some(advertised))], 10);
        let (_, bound) = sip.bound()[1];
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(OPTIONS, bound).unwrap();
        let Input::Sip { hop, .. } = entrance.input() else { panic!("no message") };
        assert_eq!(hop.local, advertised);
        sip.send(Transmit::new(hop, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
        assert_eq!(peer.recv_from(&mut [0; 100]).unwrap().1, bound);
    }

    #[test]
    fn keep_alives_and_noise_do_not_reach_the_engine() {
        let Bench { sip, entrance, metrics, _runtime, .. } = bench(&[(Transport::Udp, "127.0.0.1:0", None)], 10);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (_, bound) = sip.bound()[0];
        for bytes in [&b"\r\n\r\n"[..], b"", b"\0\0\0\0", &[0xff; 2000], b"GET / HTTP/1.1\r\n\r\n", OPTIONS] {
            peer.send_to(bytes, bound).unwrap();
        }
        assert!(matches!(entrance.input(), Input::Sip { .. }));
        let text = metrics.text();
        assert!(text.contains(r#"vaxel_sip_errors_total{reason="malformed"} 2"#), "{text}");
        // Giant headers are a thing of their own.
        let options = |more: &str| [OPTIONS.trim_ascii_end(), b"\r\n", more.as_bytes(), b"\r\n\r\n"].concat();
        for (large, more) in [(1, format!("X: {}", "x".repeat(9000))), (2, "X: x\r\n".repeat(200))] {
            peer.send_to(&options(&more), bound).unwrap();
            assert!(matches!(entrance.input(), Input::Malformed { .. }));
            metrics.wait_for(&format!(r#"vaxel_sip_errors_total{{reason="too_large"}} {large}"#));
        }
        assert!(text.contains(r#"vaxel_sip_messages_total{direction="received",kind="OPTIONS"} 1"#), "{text}");
    }

    #[test]
    fn stun_is_answered_with_the_address_that_is_seen_and_junk_is_not() {
        let bind = [(Transport::Udp, "127.0.0.1:0", None), (Transport::Udp, "[::1]:0", None)];
        let Bench { sip, entrance, metrics, _runtime, .. } = bench(&bind, 10);
        let asked = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"twelve bytes"].concat();
        for (_, bound) in sip.bound() {
            let peer = UdpSocket::bind((bound.ip(), 0)).unwrap();
            let mut junk = asked.clone();
            junk[1] = 0x11;
            peer.send_to(&junk, bound).unwrap();
            junk[1] = 1;
            junk[3] = 4;
            peer.send_to(&junk, bound).unwrap();
            peer.send_to(&asked, bound).unwrap();
            let mut answer = [0; 200];
            let (length, from) = peer.recv_from(&mut answer).unwrap();
            assert_eq!((from, &answer[..2], &answer[4..20]), (*bound, &[1, 1][..], &asked[4..20]));
            let port = u16::from_be_bytes([answer[26], answer[27]]) ^ 0x2112;
            assert_eq!(port, peer.local_addr().unwrap().port());
            assert_eq!(length, if bound.is_ipv4() { 32 } else { 44 });
        }
        metrics.wait_for(r#"vaxel_stun_requests_total{result="answered"} 2"#);
        metrics.wait_for(r#"vaxel_stun_requests_total{result="malformed"} 4"#);
        assert!(entrance.quiet(), "the engine is not bothered");
    }

    #[test]
    fn strangers_are_told_where_they_are_seen_as_often_as_they_may_ask_and_phones_always() {
        let Bench { sip, metrics, _runtime, .. } =
            bench_of_strangers(Transport::Udp, StreamLimits::default(), TlsSettings::default());
        let server = SocketAddr::from(([127, 0, 0, 1], sip.bound()[0].1.port()));
        let asked = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"twelve bytes"].concat();
        let mut junk = asked.clone();
        junk[3] = 4;
        let socket = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (stranger, phone) = (socket(), socket());
        sip.vouch(phone.local_addr().unwrap());
        let settings = gate::Settings::default();
        let began = Instant::now();
        let mut answered = 0;
        // One after the other, so that none is lost on the way; who is not answered is followed by the phone, who is.
        for n in 0..5 * settings.burst {
            stranger.send_to(if n % 5 == 0 { &junk } else { &asked }, server).unwrap();
            phone.send_to(&asked, server).unwrap();
            assert_eq!(phone.recv(&mut [0; 100]).unwrap(), 32);
        }
        stranger.set_nonblocking(true).unwrap();
        while stranger.recv(&mut [0; 100]).is_ok() {
            answered += 1;
        }
        let passed = settings.burst + (began.elapsed().as_secs_f64() * f64::from(settings.rate)) as u32 + 1;
        assert!((1..=passed).contains(&answered), "{answered}, not {passed}");
        let text = metrics.text();
        let of = |result: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("vaxel_stun_requests_total{{result=\"{result}\"}} ")));
            line.expect("it is counted").parse::<u32>().unwrap()
        };
        assert!(of("limited") + passed >= 5 * settings.burst, "{text}");
        assert_eq!(of("limited") + of("malformed") + of("answered"), 10 * settings.burst);
    }

    #[test]
    fn a_message_that_is_half_sip_reaches_the_engine_as_malformed() {
        let Bench { sip, entrance, _runtime, .. } = bench(&[(Transport::Udp, "127.0.0.1:0", None)], 10);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(b"OPTIONS sip:a@b SIP/2.0\r\nVia: nonsense\r\n\r\n", sip.bound()[0].1).unwrap();
        assert!(matches!(entrance.input(), Input::Malformed { .. }));
    }

    #[test]
    fn a_full_engine_costs_datagrams_that_are_counted() {
        let Bench { sip, entrance, metrics, _runtime, .. } = bench(&[(Transport::Udp, "127.0.0.1:0", None)], 2);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..5 {
            peer.send_to(OPTIONS, sip.bound()[0].1).unwrap();
        }
        metrics.wait_for(r#"vaxel_sip_errors_total{reason="overload"} 3"#);
        entrance.input();
        entrance.input();
        peer.send_to(OPTIONS, sip.bound()[0].1).unwrap();
        assert!(matches!(entrance.input(), Input::Sip { .. }));
    }

    #[test]
    fn a_phone_that_is_gone_is_reported_at_once() {
        for bind in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
            let Bench { sip, entrance, metrics, _runtime, .. } = bench(&[(Transport::Udp, bind, None)], 10);
            let here: IpAddr = if bind.starts_with('[') { "::1".parse().unwrap() } else { [127, 0, 0, 1].into() };
            let gone = UdpSocket::bind((here, 0)).unwrap().local_addr().unwrap();
            let hop = sip.towards(Transport::Udp, gone, None).unwrap();
            // An answer that finds nobody is nobody's business, be it SIP's or STUN's, nor is a keep-alive; the request is.
            sip.send(Transmit::new(hop, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
            let stun = [&[1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"twelve bytes"].concat();
            sip.udp[0].put(&stun, gone, None).unwrap();
            sip.udp[0].put(PING, gone, None).unwrap();
            // Nor is what is not seen to be ours.
            sip.send(Transmit::new(hop, OPTIONS.to_vec()));
            sip.send(Transmit::new(hop, OURS.to_vec()));
            let Input::Undelivered { hop: failed, branch: 0xabc } = entrance.input() else {
                panic!("nothing was said")
            };
            assert_eq!(failed, hop);
            // A living phone can be reached as before, at the first try.
            let phone = UdpSocket::bind((here, 0)).unwrap();
            let hop = Hop { remote: phone.local_addr().unwrap(), ..hop };
            sip.send(Transmit::new(hop, OPTIONS.to_vec()));
            assert_eq!(phone.recv_from(&mut [0; 1000]).unwrap().1, hop.local);
            // What keeps its way open comes from where everything comes from.
            let mut ping = [0; 1000];
            sip.keep_open(&hop);
            let (length, from) = phone.recv_from(&mut ping).unwrap();
            assert_eq!((&ping[..length], from), (PING, hop.local));
            metrics.wait_for(r#"vaxel_sip_keep_alives_total{kind="crlf_udp",result="sent"} 1"#);
            assert!(entrance.quiet());
        }
    }

    #[test]
    fn what_others_do_not_get_keeps_nothing_from_who_is_there() {
        for bind in ["127.0.0.1:0", "0.0.0.0:0"] {
            let Bench { sip, entrance, _runtime, .. } = bench(&[(Transport::Udp, bind, None)], 10);
            // An address of its own, so that no other test takes the port.
            let gone = UdpSocket::bind("127.0.0.79:0").unwrap().local_addr().unwrap();
            let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
            phone.set_nonblocking(true).unwrap();
            let mut to_gone = sip.towards(Transport::Udp, gone, None).unwrap();
            if bind.starts_with('0') {
                to_gone.local.set_ip([127, 0, 0, 55].into());
            }
            let hop = Hop { remote: phone.local_addr().unwrap(), ..to_gone };
            // Another thread reads the errors of these, which makes the system report more than one of them.
            for turn in 0..5_000 {
                sip.send(Transmit::new(to_gone, OPTIONS.to_vec()));
                sip.send(Transmit::new(to_gone, OPTIONS.to_vec()));
                sip.send(Transmit::new(hop, OURS.to_vec()));
                let from = phone.recv_from(&mut [0; 1000]).map(|(_, from)| from);
                assert_eq!(from.expect("it came at once"), hop.local, "{turn}");
            }
            assert!(entrance.quiet(), "everybody who was asked was there");
        }
    }

    #[test]
    fn a_socket_that_cannot_be_had_is_named() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let holder = UdpSocket::bind(taken).unwrap();
        let error = super::super::tests::try_bench(&[(Transport::Udp, &taken.to_string(), None)], 10).err();
        assert!(error.unwrap().to_string().contains(&format!("udp {taken}")));
        drop(holder);
    }
}

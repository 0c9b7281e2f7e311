//! SIP over TCP (RFC 3261 §18, keep-alives of RFC 5626 §4.4.1): listeners, and one task per connection.
//!
//! A peer that sends faster than the engine takes is not read from until there is room. One that holds half a message
//! for too long, sends what cannot be cut into messages, or does not read our answers, is cut.

use super::table::{Full, NotWritten, Place, Table};
use super::{Listen, Outside};
use crate::edge::door::Refused;
use crate::edge::metrics::SipFault;
use crate::sip::stream::{Frame, Framer};
use crate::sip::{Hop, Transmit, Transport};
use crate::time::Duration;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Bounds of stream connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Open at a time; one more is closed at once.
    pub total: usize,
    /// Of those, from one address: an office behind NAT is one address.
    pub per_source: usize,
    /// A connection over which nothing whole came for so long is closed. Longer than registrations live, or phones that
    /// do not keep their connections alive would be lost.
    pub idle: Duration,
    /// From the first byte of a message to its last; also from the opening of a connection to its first message.
    pub message: Duration,
    /// From when we begin to write a message until the system has taken it.
    pub write: Duration,
    /// To open a connection.
    pub connect: Duration,
    /// Messages that wait to be written to one connection; one more, and the connection is cut.
    pub queued: usize,
}

impl Default for StreamLimits {
    fn default() -> StreamLimits {
        StreamLimits {
            total: 4096,
            per_source: 512,
            idle: Duration::from_secs(2 * 3600),
            message: Duration::from_secs(10),
            write: Duration::from_secs(10),
            connect: Duration::from_secs(5),
            queued: 256,
        }
    }
}

pub(super) struct Streams {
    limits: StreamLimits,
    runtime: Handle,
    outside: Outside,
    table: Mutex<Table>,
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Clone, Copy)]
struct Listener {
    bound: SocketAddr,
    advertise: Option<SocketAddr>,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By the peer, between two messages, or by us because nothing came for long.
    Closed,
    Fault(SipFault),
    /// There is no engine any more.
    Stopped,
}

/// Time for the answer to what broke a connection, and for the peer to read it.
const LINGER: Duration = Duration::from_millis(500);

const BACKLOG: i32 = 1024;

impl Streams {
    pub fn new(limits: StreamLimits, runtime: Handle, outside: Outside) -> Streams {
        let table = Mutex::new(Table::new(limits));
        Streams { limits, runtime, outside, table, listeners: Mutex::new(Vec::new()) }
    }

    /// Begins to listen; the address with the port that the system chose.
    pub fn listen(self: &Arc<Self>, listen: &Listen) -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::for_address(listen.bind), Type::STREAM, Some(Protocol::TCP))?;
        if listen.bind.is_ipv6() {
            // `0.0.0.0` and `::` are two sockets; otherwise IPv4 peers would have two names.
            socket.set_only_v6(true)?;
        }
        // Connections of the run before may still be dying.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&listen.bind.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let bound = socket.local_addr()?;
        let listener = Listener { bound, advertise: listen.advertise };
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        self.runtime.spawn(self.clone().accept(socket, listener));
        Ok(bound)
    }

    /// Writes to the connection that the hop names, or to an open one to the same peer, or opens one.
    pub fn send(self: &Arc<Self>, transmit: Transmit) {
        let hop = transmit.hop;
        let mut table = self.table();
        match table.write(&hop, transmit.bytes) {
            Ok(()) => {}
            Err((NotWritten::Unknown, bytes)) if hop.connection.is_none() => match table.add(hop.remote) {
                Ok(place) => {
                    let first = table.write(&Hop { connection: Some(place.id), ..hop }, bytes);
                    first.expect("the queue of a new connection has room");
                    self.runtime.spawn(self.clone().open(place, hop));
                }
                Err(full) => {
                    self.refused(full, hop.remote);
                    self.outside.hop_failed(hop);
                }
            },
            Err((NotWritten::Unknown, _)) => self.outside.hop_failed(hop),
            // Its task says that the connection is lost.
            Err((NotWritten::Stuck, _)) => {
                self.outside.traffic.fault(SipFault::SlowReader);
                tracing::debug!(remote = %hop.remote, "cut: does not read");
            }
        }
        self.outside.traffic.connections.set(i64::try_from(table.len()).unwrap_or(i64::MAX));
    }

    async fn accept(self: Arc<Self>, socket: TcpListener, listener: Listener) {
        loop {
            let (stream, remote) = match socket.accept().await {
                Ok(accepted) => accepted,
                // The peer went away before its turn came, or the system is out of files: others' ends will help.
                Err(error) => {
                    if let Some(held_back) = self.outside.overload.pass(self.outside.clock.now()) {
                        tracing::warn!(%error, held_back, "cannot accept a SIP connection");
                    }
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let added = self.table().add(remote);
            match added {
                Ok(place) => {
                    let local = listener.advertise.or(stream.local_addr().ok()).unwrap_or(listener.bound);
                    let hop = Hop { transport: Transport::Tcp, local, remote, connection: Some(place.id) };
                    self.runtime.spawn(self.clone().serve(stream, place, hop, None));
                }
                Err(full) => self.refused(full, remote),
            }
        }
    }

    fn refused(&self, full: Full, remote: SocketAddr) {
        self.outside.traffic.fault(match full {
            Full::Total => SipFault::TooManyConnections,
            Full::FromOne => SipFault::TooManyFromOne,
        });
        if let Some(held_back) = self.outside.overload.pass(self.outside.clock.now()) {
            tracing::warn!(%remote, held_back, "too many SIP connections");
        }
    }

    /// Opens the connection that the engine asked for by `wanted`.
    async fn open(self: Arc<Self>, place: Place, wanted: Hop) {
        match timeout(self.limits.connect, self.connect(&wanted)).await {
            Ok(Ok(stream)) => {
                let hop = Hop { connection: Some(place.id), ..wanted };
                self.serve(stream, place, hop, Some(wanted)).await;
            }
            failed => {
                self.table().remove(place.id);
                self.outside.traffic.fault(SipFault::ConnectFailed);
                let reason =
                    failed.map_or_else(|_| "time-out".into(), |e| e.err().map_or_else(String::new, |e| e.to_string()));
                tracing::debug!(remote = %wanted.remote, reason, "cannot connect");
                self.outside.hop_failed(wanted);
            }
        }
    }

    async fn connect(&self, wanted: &Hop) -> io::Result<TcpStream> {
        let socket = if wanted.remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known_as = |listener: &&Listener| listener.advertise.unwrap_or(listener.bound) == wanted.local;
        // From the address that the peer knows us by, where it is one of this machine's.
        if let Some(listener) = listeners.iter().find(known_as)
            && !listener.bound.ip().is_unspecified()
        {
            socket.bind(SocketAddr::new(listener.bound.ip(), 0))?;
        }
        socket.connect(wanted.remote).await
    }

    /// One connection from its beginning to its end. `wanted`: as the engine named it before it had an id.
    async fn serve(self: Arc<Self>, stream: TcpStream, place: Place, hop: Hop, wanted: Option<Hop>) {
        self.outside.traffic.connections.set(i64::try_from(self.table().len()).unwrap_or(i64::MAX));
        if let Err(error) = tune(&stream) {
            tracing::debug!(%error, "a SIP connection without its options");
        }
        let (mut read, mut write) = stream.into_split();
        let mut writes = place.writes;
        let end = tokio::select! {
            end = self.read(&mut read, hop) => end,
            end = self.write(&mut write, &mut writes) => end,
        };
        if end == End::Fault(SipFault::BadFraming) {
            // Bytes that were not read when a connection is closed would make the peer's system drop our answer.
            let discard = async { while read.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {} };
            tokio::select! {
                () = sleep(LINGER) => {}
                () = async { tokio::join!(discard, self.write(&mut write, &mut writes)); } => {}
            }
        }
        if let End::Fault(fault) = end {
            self.outside.traffic.fault(fault);
            tracing::debug!(remote = %hop.remote, reason = fault.name(), "a SIP connection was cut");
        }
        let left = {
            let mut table = self.table();
            table.remove(place.id);
            table.len()
        };
        self.outside.traffic.connections.set(i64::try_from(left).unwrap_or(i64::MAX));
        self.outside.hop_failed(hop);
        if let Some(wanted) = wanted {
            self.outside.hop_failed(wanted);
        }
    }

    async fn read(&self, read: &mut OwnedReadHalf, hop: Hop) -> End {
        let mut framer = Framer::new();
        let mut deadline = Instant::now() + self.limits.message;
        // Within a message, the deadline stays; between two it moves.
        let mut idle = false;
        loop {
            match timeout_at(deadline, read.readable()).await {
                Err(_) if idle => return End::Closed,
                Err(_) => return End::Fault(SipFault::SlowSender),
                Ok(Err(_)) => return End::Fault(SipFault::ConnectionLost),
                Ok(Ok(())) => {}
            }
            // Not kept over the wait, so that connections at rest cost no buffer.
            let mut buffer = [0; 8192];
            match read.try_read(&mut buffer) {
                Ok(0) if framer.is_idle() => return End::Closed,
                Ok(0) => return End::Fault(SipFault::ConnectionLost),
                Ok(length) => framer.push(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(_) => return End::Fault(SipFault::ConnectionLost),
            }
            let mut whole = false;
            while let Some(frame) = framer.next() {
                whole = true;
                let input = match frame {
                    Frame::Message(message) => self.outside.input(hop, Ok(message)),
                    Frame::Bad(bad) => self.outside.input(hop, Err(bad)),
                    Frame::Ping => {
                        self.pong(hop);
                        None
                    }
                };
                if let Some(input) = input
                    && self.outside.door.enter(input).await == Err(Refused::Gone)
                {
                    return End::Stopped;
                }
            }
            if framer.is_broken() {
                return End::Fault(SipFault::BadFraming);
            }
            if framer.is_idle() {
                deadline = Instant::now() + self.limits.idle;
            } else if idle || whole {
                deadline = Instant::now() + self.limits.message;
            }
            idle = framer.is_idle();
        }
    }

    /// A double CRLF is answered by a single one.
    fn pong(&self, hop: Hop) {
        // A peer that only pings and never reads is cut like every other that does not read.
        if let Err((NotWritten::Stuck, _)) = self.table().write(&hop, b"\r\n".to_vec()) {
            self.outside.traffic.fault(SipFault::SlowReader);
        }
    }

    async fn write(&self, write: &mut OwnedWriteHalf, writes: &mut mpsc::Receiver<Vec<u8>>) -> End {
        while let Some(bytes) = writes.recv().await {
            match timeout(self.limits.write, write.write_all(&bytes)).await {
                Ok(Ok(())) if bytes == b"\r\n" => {}
                Ok(Ok(())) => self.outside.traffic.sent(&bytes),
                Ok(Err(_)) => return End::Fault(SipFault::ConnectionLost),
                Err(_) => return End::Fault(SipFault::SlowReader),
            }
        }
        // The table forgot us because the queue was full, and counted it.
        End::Closed
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Small messages go at once; a peer whose machine is gone is noticed although nobody says so.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(Duration::from_secs(30)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Bench, bench, bench_with};
    use super::*;
    use crate::engine::Input;
    use std::io::{Read, Write};
    use std::net::TcpStream as Peer;

    const OPTIONS: &[u8] = b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

    fn read_some(peer: &mut Peer) -> Vec<u8> {
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = [0; 1000];
        let length = peer.read(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    /// True: the connection was ended by the other side.
    fn is_cut(peer: &mut Peer) -> bool {
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        match peer.read(&mut [0; 1000]) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    fn tcp(limits: StreamLimits) -> Bench {
        bench_with(&[(Transport::Tcp, "127.0.0.1:0", None)], 100, limits).unwrap()
    }

    #[test]
    fn messages_come_with_their_connection_and_answers_go_back_on_it() {
        for bind in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
            let Bench { sip, entrance, _runtime, .. } = bench(&[(Transport::Tcp, bind, None)], 10);
            let bound = sip.bound()[0].1;
            let host = if bound.is_ipv4() { "127.0.0.1" } else { "::1" };
            let mut peer = Peer::connect((host, bound.port())).unwrap();
            // Two messages, cut in the middle of the first.
            peer.write_all(&OPTIONS[..50]).unwrap();
            peer.write_all(&[&OPTIONS[50..], OPTIONS].concat()).unwrap();
            for _ in 0..2 {
                let Input::Sip { hop, .. } = entrance.input() else { panic!("no message") };
                assert_eq!(hop.remote, peer.local_addr().unwrap());
                assert_eq!(hop.local, peer.peer_addr().unwrap(), "a wildcard is no address");
                assert!(hop.connection.is_some());
                sip.send(Transmit { hop, bytes: b"SIP/2.0 200 OK\r\n\r\n".to_vec() });
                assert_eq!(read_some(&mut peer), b"SIP/2.0 200 OK\r\n\r\n");
            }
        }
    }

    #[test]
    fn the_loss_of_a_connection_is_told() {
        let Bench { sip, entrance, _runtime, .. } = tcp(StreamLimits::default());
        let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
        peer.write_all(OPTIONS).unwrap();
        let Input::Sip { hop, .. } = entrance.input() else { panic!("no message") };
        drop(peer);
        let Input::HopFailed { hop: failed } = entrance.input() else { panic!("nothing was said") };
        assert_eq!(failed, hop);
        // What comes too late is told again, so that nobody waits for it.
        sip.send(Transmit { hop, bytes: OPTIONS.to_vec() });
        assert!(matches!(entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
    }

    #[test]
    fn a_connection_is_opened_where_there_is_none_and_used_again() {
        let Bench { sip, entrance, _runtime, .. } = tcp(StreamLimits::default());
        let phone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = sip.bound()[0].1;
        let hop = Hop { transport: Transport::Tcp, local, remote: phone.local_addr().unwrap(), connection: None };
        sip.send(Transmit { hop, bytes: b"first ".to_vec() });
        let (mut peer, from) = phone.accept().unwrap();
        assert_eq!(from.ip(), local.ip());
        sip.send(Transmit { hop, bytes: b"second".to_vec() });
        let mut both = [0; 12];
        peer.read_exact(&mut both).unwrap();
        assert_eq!(&both, b"first second");
        // What the phone says on it names the connection and our listening address.
        peer.write_all(OPTIONS).unwrap();
        let Input::Sip { hop: named, .. } = entrance.input() else { panic!("no message") };
        assert_eq!(Hop { connection: None, ..named }, hop);
        assert!(named.connection.is_some());
        drop(peer);
        assert!(matches!(entrance.input(), Input::HopFailed { hop } if hop == named));
        assert!(matches!(entrance.input(), Input::HopFailed { hop: wanted } if wanted == hop));
    }

    #[test]
    fn a_phone_that_cannot_be_connected_is_reported() {
        let Bench { sip, entrance, _runtime, .. } = tcp(StreamLimits::default());
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let hop = Hop { transport: Transport::Tcp, local: sip.bound()[0].1, remote: gone, connection: None };
        sip.send(Transmit { hop, bytes: OPTIONS.to_vec() });
        assert!(matches!(entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
    }

    #[test]
    fn a_ping_is_answered_by_a_pong() {
        let Bench { sip, entrance, _runtime, .. } = tcp(StreamLimits::default());
        let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
        peer.write_all(b"\r\n\r\n").unwrap();
        assert_eq!(read_some(&mut peer), b"\r\n");
        assert!(entrance.quiet());
    }

    #[test]
    fn a_slow_sender_is_cut_and_a_silent_one_too() {
        let limits = StreamLimits { message: Duration::from_millis(200), ..StreamLimits::default() };
        let Bench { sip, metrics, _runtime, .. } = tcp(limits);
        let mut silent = Peer::connect(sip.bound()[0].1).unwrap();
        assert!(is_cut(&mut silent));
        // A byte now and then does not help.
        let mut slow = Peer::connect(sip.bound()[0].1).unwrap();
        let mut drip = slow.try_clone().unwrap();
        let dripping = std::thread::spawn(move || {
            for byte in OPTIONS {
                std::thread::sleep(Duration::from_millis(20));
                if drip.write_all(&[*byte]).is_err() {
                    break;
                }
            }
        });
        assert!(is_cut(&mut slow));
        metrics.wait_for(r#"vaxel_sip_errors_total{reason="slow_sender"} 2"#);
        dripping.join().unwrap();
    }

    #[test]
    fn a_connection_at_rest_lives_until_its_idle_time_is_over() {
        let limits = StreamLimits {
            message: Duration::from_millis(300),
            idle: Duration::from_secs(2),
            ..StreamLimits::default()
        };
        let Bench { sip, entrance, metrics, _runtime, .. } = tcp(limits);
        let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
        let began = std::time::Instant::now();
        // The lone CRLF behind it is half a ping, not half a message.
        peer.write_all(&[OPTIONS, b"\r\n"].concat()).unwrap();
        assert!(matches!(entrance.input(), Input::Sip { .. }));
        assert!(is_cut(&mut peer));
        assert!(began.elapsed() >= Duration::from_millis(1900), "{:?}", began.elapsed());
        metrics.wait_for(r#"vaxel_sip_errors_total{reason="slow_sender"} 0"#);
        assert!(matches!(entrance.input(), Input::HopFailed { .. }));
    }

    #[test]
    fn what_cannot_be_cut_into_messages_is_answered_and_then_cut() {
        let Bench { sip, entrance, _runtime, .. } = tcp(StreamLimits::default());
        let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
        let text = String::from_utf8_lossy(OPTIONS).replace("Content-Length: 0", "Content-Length: many");
        peer.write_all(text.as_bytes()).unwrap();
        peer.write_all(&[b'x'; 5000]).unwrap();
        let Input::Malformed { hop, .. } = entrance.input() else { panic!("nothing was said") };
        sip.send(Transmit { hop, bytes: b"SIP/2.0 400 Bad\r\n\r\n".to_vec() });
        assert_eq!(read_some(&mut peer), b"SIP/2.0 400 Bad\r\n\r\n");
        assert!(is_cut(&mut peer));
    }

    #[test]
    fn connections_are_bounded_in_all_and_per_source() {
        let limits = StreamLimits { total: 3, per_source: 2, ..StreamLimits::default() };
        let Bench { sip, metrics, _runtime, .. } = tcp(limits);
        let bound = sip.bound()[0].1;
        let _two = [Peer::connect(bound).unwrap(), Peer::connect(bound).unwrap()];
        metrics.wait_for("vaxel_sip_connections 2");
        assert!(is_cut(&mut Peer::connect(bound).unwrap()));
        metrics.wait_for(r#"vaxel_sip_errors_total{reason="too_many_from_one"} 1"#);
    }

    #[test]
    fn a_busy_engine_makes_streams_wait_and_loses_nothing() {
        let Bench { sip, entrance, metrics, _runtime, .. } =
            bench_with(&[(Transport::Tcp, "127.0.0.1:0", None)], 2, StreamLimits::default()).unwrap();
        let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
        for _ in 0..50 {
            peer.write_all(OPTIONS).unwrap();
        }
        for _ in 0..50 {
            assert!(matches!(entrance.input(), Input::Sip { .. }));
        }
        metrics.wait_for(r#"vaxel_sip_errors_total{reason="overload"} 0"#);
    }

    #[test]
    fn a_peer_that_does_not_read_is_cut() {
        let limits = StreamLimits { write: Duration::from_millis(200), queued: 4, ..StreamLimits::default() };
        let Bench { sip, entrance, metrics, _runtime, .. } = tcp(limits);
        let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
        peer.write_all(OPTIONS).unwrap();
        let Input::Sip { hop, .. } = entrance.input() else { panic!("no message") };
        // More than the system's buffers hold.
        for _ in 0..200 {
            sip.send(Transmit { hop, bytes: vec![b'x'; 60_000] });
        }
        while !matches!(entrance.input(), Input::HopFailed { hop: failed } if failed == hop) {}
        let text = metrics.text();
        assert!(!text.contains(r#"vaxel_sip_errors_total{reason="slow_reader"} 0"#), "{text}");
    }
}

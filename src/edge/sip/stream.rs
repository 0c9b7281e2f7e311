//! SIP over TCP, TLS and WebSocket (RFC 3261 §18, keep-alives of RFC 5626 §4.4.1): listeners, and one task per connection.
//!
//! A peer that sends faster than the engine takes is not read from until there is room. One that holds half a message
//! for too long, sends what cannot be cut into messages, or does not read our answers, is cut.

use super::guard::Passage;
use super::handshakes::{self, Handshakes};
use super::table::{Full, NotWritten, Origin, Place, Table};
use super::websocket::{self, Web};
use super::{Listen, Outside, PING, PONG, StreamSettings, tls};
use crate::edge::door::Refused;
use crate::edge::metrics::SipFault;
use crate::sip::stream::{Frame, Framer};
use crate::sip::{Hop, Transmit, Transport, gate};
use crate::time::Duration;
use rustls::pki_types::{CertificateDer, ServerName};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsStream;

/// Bounds of stream connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Open at a time. For one more, the stranger who came first makes room; where there is none, it is closed at once.
    pub total: usize,
    /// Of those, from one source, which is an address or a /64 of IPv6: an office behind NAT is one address.
    pub per_source: usize,
    /// A connection over which nothing whole came for so long is closed. Longer than registrations live, or phones that
    /// do not keep their connections alive would be lost.
    pub idle: Duration,
    /// From the first byte of a message to its last; also from the opening of a connection to its first message.
    pub message: Duration,
    /// From when we begin to write a message until the system has taken it.
    pub write: Duration,
    /// To open a connection, with its handshake. Less than a carrier may be silent before the next one is called, so that no
    /// INVITE waits for a connection after it was given up.
    pub connect: Duration,
    /// The same for what can go by UDP as well, and must do so in time: where TCP is dropped without a word, nothing else tells.
    pub trial: Duration,
    /// From the opening of a connection that comes in to the end of its handshake.
    pub handshake: Duration,
    /// Handshakes that are under way at a time; for one more, the oldest with the source that has most makes room. They cost more
    /// than messages do. One that has not said anything yet is none.
    pub handshakes: usize,
    /// Of those, with one source; for one more, its own oldest makes room.
    pub handshakes_per_source: usize,
    /// A handshake makes room for another with its own source only when it is so old; before, the other is refused. Phones of an
    /// office whose power came back try again.
    pub handshake_turn: Duration,
    /// A peer whose machine is silent for so long is gone (TCP keep-alive), and one whose WebSocket is. Its phone is not rung
    /// any more.
    pub loss: Duration,
    /// How often a connection that we opened is kept alive by a ping (RFC 5626 §4.4.1); `None`: never.
    pub ping: Option<Duration>,
    /// One whose pings were answered before, and that does not answer one within this, is lost.
    pub pong: Duration,
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
            connect: Duration::from_millis(3500),
            trial: Duration::from_secs(1),
            handshake: Duration::from_secs(5),
            handshakes: 256,
            handshakes_per_source: 64,
            handshake_turn: Duration::from_secs(1),
            loss: Duration::from_secs(4),
            ping: Some(Duration::from_secs(120)),
            pong: Duration::from_secs(10),
            queued: 256,
        }
    }
}

pub(super) struct Streams {
    settings: StreamSettings,
    runtime: Handle,
    outside: Outside,
    handshakes: Handshakes,
    table: Mutex<Table>,
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Clone, Copy)]
struct Listener {
    transport: Transport,
    bound: SocketAddr,
    advertise: Option<SocketAddr>,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By the peer, between two messages, or by us because nothing came for long.
    Closed,
    Fault(SipFault),
    /// A stranger sent more than strangers may; it is counted where that was seen.
    Refused,
    /// There is no engine any more.
    Stopped,
}

/// Time for the answer to what broke a connection, and for the peer to read it.
pub(super) const LINGER: Duration = Duration::from_millis(500);

const BACKLOG: i32 = 1024;

impl Streams {
    pub fn new(settings: StreamSettings, runtime: Handle, outside: Outside) -> Streams {
        let table = Mutex::new(Table::new(settings.limits));
        let (handshakes, listeners) = (Handshakes::new(settings.limits), Mutex::default());
        Streams { settings, runtime, outside, handshakes, table, listeners }
    }

    pub(super) fn limits(&self) -> &StreamLimits {
        &self.settings.limits
    }

    pub(super) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Begins to listen; the address with the port that the system chose.
    pub fn listen(self: &Arc<Self>, listen: &Listen) -> io::Result<SocketAddr> {
        if listen.transport.is_secure() && self.settings.tls.acceptor().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no certificate to show"));
        }
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
        let listener = Listener { transport: listen.transport, bound, advertise: listen.advertise };
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        self.runtime.spawn(self.clone().accept(socket, listener));
        Ok(bound)
    }

    /// Writes to the connection that the hop names, or to an open one to the same peer (to where `reopen` says), or opens one.
    pub fn send(self: &Arc<Self>, transmit: Transmit) {
        let (mut hop, limits) = (transmit.hop, &self.settings.limits);
        let patience = if transmit.is_trial { limits.trial } else { limits.connect };
        let mut table = self.table();
        let mut written = table.write(&hop, transmit.bytes);
        if let (Err((NotWritten::Unknown, bytes)), Some(remote)) = (&mut written, transmit.reopen) {
            hop = Hop { remote, connection: None, ..hop };
            written = table.write(&hop, std::mem::take(bytes));
        }
        match written {
            Ok(()) => table.engine_knows(&hop),
            Err((NotWritten::Unknown, bytes)) if hop.connection.is_none() => {
                match self.place(&mut table, hop.transport, hop.remote, Origin::Ours) {
                    Ok(place) => {
                        let first = table.write(&Hop { connection: Some(place.id), ..hop }, bytes);
                        first.expect("the queue of a new connection has room");
                        self.runtime.spawn(self.clone().open(place, hop, patience));
                    }
                    Err(full) => {
                        self.refused(full, hop.remote);
                        self.outside.hop_failed(hop);
                    }
                }
            }
            Err((NotWritten::Unknown, _)) => self.outside.hop_failed(hop),
            // Its task says that the connection is lost.
            Err((NotWritten::Stuck, _)) => {
                self.outside.traffic.fault(SipFault::SlowReader);
                tracing::debug!(remote = %hop.remote, "cut: does not read");
            }
        }
        self.count(&table);
    }

    fn place(
        &self,
        table: &mut Table,
        transport: Transport,
        remote: SocketAddr,
        origin: Origin,
    ) -> Result<Place, Full> {
        let now = self.outside.clock.now();
        let is_known = |id, remote| self.outside.guard.is_known(now, id, remote);
        let (place, gone) = table.add(transport, remote, origin, is_known)?;
        if let Some(remote) = gone {
            self.outside.traffic.fault(SipFault::MadeRoom);
            if let Some(held_back) = self.outside.strangers.pass(now) {
                tracing::warn!(%remote, held_back, "too many SIP connections: a stranger's was closed to make room");
            }
        }
        self.count(table);
        Ok(place)
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
            let transport = listener.transport;
            // Who came in by TLS may be anybody; requests go only to whom we have looked at. A WebSocket is known by itself alone.
            let origin = Origin::Theirs { findable: transport == Transport::Tcp };
            let added = self.place(&mut self.table(), transport, remote, origin);
            match added {
                Ok(place) => {
                    let local = listener.advertise.or(stream.local_addr().ok()).unwrap_or(listener.bound);
                    let hop = Hop { transport, local, remote, connection: Some(place.id) };
                    self.runtime.spawn(self.clone().welcome(stream, place, hop));
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
    async fn open(self: Arc<Self>, place: Place, wanted: Hop, patience: Duration) {
        let name = self.settings.tls.name_of(wanted.remote);
        let opened = timeout(patience, async {
            let stream = self.connect(&wanted).await.map_err(|error| (SipFault::ConnectFailed, error))?;
            if !wanted.transport.is_secure() {
                return Ok(Opened::Plain(stream));
            }
            let secured = self.settings.tls.connector().connect(name.clone(), stream).await;
            secured.map(|stream| Opened::Secure(Box::new(stream.into()))).map_err(|error| (tls::fault(&error), error))
        });
        let (fault, reason) = match opened.await {
            Ok(Ok(stream)) => {
                let hop = Hop { connection: Some(place.id), ..wanted };
                // That name, and no other that the certificate may have, is what was looked for.
                if wanted.transport.is_secure()
                    && let ServerName::DnsName(name) = &name
                {
                    self.outside.certify(&hop, place.id, vec![name.as_ref().to_ascii_lowercase()]);
                }
                return self.serve(stream, place, hop, Some(wanted)).await;
            }
            Ok(Err((fault, error))) => (fault, error.to_string()),
            Err(_) => (SipFault::ConnectFailed, "time-out".into()),
        };
        self.forget(place.id);
        self.outside.traffic.fault(fault);
        match fault {
            // Somebody answered, and not who should have: no peer can cause that without our asking.
            SipFault::Untrusted => tracing::warn!(remote = %wanted.remote, reason, "the peer's certificate is refused"),
            _ => tracing::debug!(remote = %wanted.remote, reason, "cannot connect"),
        }
        self.outside.hop_failed(wanted);
    }

    async fn connect(&self, wanted: &Hop) -> io::Result<TcpStream> {
        let socket = if wanted.remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known_as = |listener: &&Listener| {
            listener.transport == wanted.transport && listener.advertise.unwrap_or(listener.bound) == wanted.local
        };
        // From the address that the peer knows us by, where it is one of this machine's.
        if let Some(listener) = listeners.iter().find(known_as)
            && !listener.bound.ip().is_unspecified()
        {
            socket.bind(SocketAddr::new(listener.bound.ip(), 0))?;
        }
        socket.connect(wanted.remote).await
    }

    /// A connection that came in, from its beginning to its end.
    async fn welcome(self: Arc<Self>, stream: TcpStream, mut place: Place, hop: Hop) {
        let opened = match hop.transport {
            Transport::Udp | Transport::Tcp => Ok(Opened::Plain(stream)),
            Transport::Tls | Transport::Ws | Transport::Wss => tokio::select! {
                opened = self.shake_hands(stream, hop) => opened,
                // Nobody knows of it yet, so nothing is written to it; its place was given to another.
                _ = place.writes.recv() => return self.forget(place.id),
            },
        };
        match opened {
            Ok(stream) => {
                let names = stream.certificate().map(tls::names).unwrap_or_default();
                if self.outside.certify(&hop, place.id, names) {
                    place.is_told.store(true, Ordering::Relaxed);
                }
                self.serve(stream, place, hop, None).await;
            }
            Err((fault, reason)) => {
                self.forget(place.id);
                self.outside.traffic.fault(fault);
                if let Some(held_back) = self.outside.handshakes.pass(self.outside.clock.now()) {
                    let fault = fault.name();
                    tracing::warn!(remote = %hop.remote, fault, reason, held_back, "a SIP connection did not come about");
                }
            }
        }
    }

    /// TLS, WebSocket or both with a peer that connected to us.
    async fn shake_hands(&self, stream: TcpStream, hop: Hop) -> Result<Opened, (SipFault, String)> {
        let shaken = timeout(self.settings.limits.handshake, async {
            // Who only holds a connection open takes no place from others.
            stream.readable().await.map_err(|error| (SipFault::ConnectionLost, error.to_string()))?;
            let begun = self.handshakes.begin(self.outside.clock.now(), gate::source(hop.remote));
            let mut turn = begun.map_err(|full| match full {
                handshakes::Full::Total => (SipFault::TooManyHandshakes, String::new()),
                handshakes::Full::FromOne => (SipFault::TooManyHandshakesFromOne, String::new()),
            })?;
            tokio::select! {
                shaken = self.secure(stream, hop.transport) => shaken,
                _ = &mut turn.held => Err((SipFault::MadeRoom, String::new())),
            }
        });
        shaken.await.unwrap_or_else(|_| Err((SipFault::HandshakeTimeout, String::new())))
    }

    async fn secure(&self, stream: TcpStream, transport: Transport) -> Result<Opened, (SipFault, String)> {
        let StreamSettings { tls, origins, .. } = &self.settings;
        if !transport.is_secure() {
            return Ok(Opened::Web(Box::new(websocket::upgrade(stream, origins).await?)));
        }
        let acceptor = tls.acceptor().expect("without a certificate nothing listens");
        let secured = acceptor.accept(stream).await.map_err(|error| (tls::fault(&error), error.to_string()))?;
        let secured = Box::new(TlsStream::from(secured));
        if !transport.is_websocket() {
            return Ok(Opened::Secure(secured));
        }
        Ok(Opened::SecureWeb(Box::new(websocket::upgrade(secured, origins).await?)))
    }

    /// One open connection to its end. `wanted`: as the engine named it before it had an id.
    async fn serve(self: Arc<Self>, stream: Opened, place: Place, hop: Hop, wanted: Option<Hop>) {
        if let Err(error) = tune(stream.socket(), self.settings.limits.loss) {
            tracing::debug!(%error, "a SIP connection without its options");
        }
        let mut writes = place.writes;
        let end = match stream {
            Opened::Plain(stream) => self.talk(stream, &mut writes, hop, wanted.is_some()).await,
            Opened::Secure(stream) => self.talk(stream, &mut writes, hop, wanted.is_some()).await,
            Opened::Web(web) => self.chat(*web, &mut writes, hop).await,
            Opened::SecureWeb(web) => self.chat(*web, &mut writes, hop).await,
        };
        if let End::Fault(fault) = end {
            self.outside.traffic.fault(fault);
            tracing::debug!(remote = %hop.remote, reason = fault.name(), "a SIP connection was cut");
        }
        self.forget(place.id);
        self.outside.guard.connection_closed(place.id);
        // Whoever comes and goes without a word to the engine is none of its business.
        if place.is_told.load(Ordering::Relaxed) {
            self.outside.hop_failed(hop);
        }
        if let Some(wanted) = wanted {
            self.outside.hop_failed(wanted);
        }
    }

    /// SIP as a stream of bytes, both ways at once. `is_ours`: we opened it, so we keep it alive.
    async fn talk<S: AsyncRead + AsyncWrite>(
        &self,
        stream: S,
        writes: &mut mpsc::Receiver<Vec<u8>>,
        hop: Hop,
        is_ours: bool,
    ) -> End {
        let (mut read, mut write) = tokio::io::split(stream);
        let pulse = Pulse::default();
        let end = tokio::select! {
            end = self.read(&mut read, hop, &pulse) => end,
            end = self.keep_alive(hop, &pulse), if is_ours => end,
            end = self.write(&mut write, writes) => end,
        };
        if matches!(end, End::Fault(SipFault::BadFraming | SipFault::SlowSender)) {
            // Bytes that were not read when a connection is closed would make the peer's system drop our answer.
            let discard = async { while read.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {} };
            tokio::select! {
                () = sleep(LINGER) => {}
                () = async { tokio::join!(discard, self.write(&mut write, writes)); } => {}
            }
        }
        // TLS says goodbye, so that the peer knows that nothing was cut off; whoever does not take it in is not waited for.
        if end == End::Closed && !matches!(timeout(LINGER, write.shutdown()).await, Ok(Ok(()))) {
            tracing::debug!(remote = %hop.remote, "a SIP connection ended without goodbye");
        }
        end
    }

    async fn read<R: AsyncRead + Unpin>(&self, read: &mut R, hop: Hop, pulse: &Pulse) -> End {
        let mut framer = Framer::new();
        let mut deadline = Instant::now() + self.settings.limits.message;
        // Within a message, the deadline stays; between two it moves, once there was one, or a ping.
        let (mut idle, mut spoke) = (false, false);
        loop {
            match timeout_at(deadline, fill(read, &mut framer)).await {
                Err(_) if idle => return self.idle(hop),
                Err(_) => {
                    if let Some(bad) = framer.cut_short()
                        && let Some(end) = self.pass(hop, self.outside.receive(hop, 0, Err(bad))).await
                    {
                        return end;
                    }
                    return End::Fault(SipFault::SlowSender);
                }
                Ok(Ok(0)) if framer.is_idle() => return End::Closed,
                // A peer that ends TLS without a goodbye, and nothing is missing.
                Ok(Err(error)) if framer.is_idle() && error.kind() == io::ErrorKind::UnexpectedEof => {
                    return End::Closed;
                }
                Ok(Ok(0) | Err(_)) => return End::Fault(SipFault::ConnectionLost),
                Ok(Ok(_)) => {}
            }
            pulse.spoke.store(true, Ordering::Relaxed);
            if pulse.awaited.load(Ordering::Relaxed) && framer.take_pong() {
                pulse.awaited.store(false, Ordering::Relaxed);
                pulse.heard.notify_one();
                spoke = true;
            }
            let mut whole = false;
            while let Some(frame) = framer.next() {
                whole = true;
                // Of a stream's message only what it says counts, not how long it was.
                let passage = match frame {
                    Frame::Message(message) => self.outside.receive(hop, 0, Ok(message)),
                    Frame::Bad(bad) => self.outside.receive(hop, 0, Err(bad)),
                    Frame::Ping if !self.outside.may_ask(hop.transport, hop.remote, hop.connection) => Passage::Cut,
                    Frame::Ping => {
                        self.write_now(hop, PONG.to_vec());
                        continue;
                    }
                };
                if let Some(end) = self.pass(hop, passage).await {
                    return end;
                }
            }
            if framer.is_broken() {
                return End::Fault(SipFault::BadFraming);
            }
            let was_idle = idle;
            spoke |= whole;
            idle = spoke && framer.is_idle();
            if idle {
                deadline = Instant::now() + self.settings.limits.idle;
            } else if was_idle || whole {
                deadline = Instant::now() + self.settings.limits.message;
            }
        }
    }

    /// Nothing came for long. That is the end of the connection, and nobody's fault.
    pub(super) fn idle(&self, hop: Hop) -> End {
        self.outside.traffic.fault(SipFault::Idle);
        tracing::debug!(remote = %hop.remote, "a SIP connection was closed: nothing came");
        End::Closed
    }

    /// Pings a connection that we opened until it is lost: routers between keep it open, and a peer that is gone is noticed. Not
    /// everybody answers; who did once, and now says nothing at all, is gone. (An answer in the middle of messages is not looked for.)
    async fn keep_alive(&self, hop: Hop, pulse: &Pulse) -> End {
        let Some(every) = self.settings.limits.ping else { return std::future::pending().await };
        let keep_alives = &self.outside.traffic.keep_alives.connection;
        let mut answers = false;
        loop {
            sleep(every).await;
            pulse.spoke.store(false, Ordering::Relaxed);
            pulse.awaited.store(true, Ordering::Relaxed);
            self.write_now(hop, PING.to_vec());
            match timeout(self.settings.limits.pong, pulse.heard.notified()).await {
                Ok(()) => {
                    answers = true;
                    keep_alives.answered.inc();
                }
                Err(_) if answers && !pulse.spoke.load(Ordering::Relaxed) => {
                    keep_alives.lost.inc();
                    return End::Fault(SipFault::ConnectionLost);
                }
                Err(_) => pulse.awaited.store(false, Ordering::Relaxed),
            }
        }
    }

    /// Carries out what was decided about a message; `Some`: the connection is over. A busy engine is waited for.
    pub(super) async fn pass(&self, hop: Hop, passage: Passage) -> Option<End> {
        match passage {
            Passage::Engine(guest, input) => {
                self.table().engine_knows(&hop);
                let entered = self.outside.door.enter(guest, input).await;
                return (entered == Err(Refused::Gone)).then_some(End::Stopped);
            }
            Passage::Answer(transmit) => self.write_now(hop, transmit.bytes),
            Passage::Nothing => {}
            Passage::Cut => return Some(End::Refused),
        }
        None
    }

    /// An answer that needs no engine; also the single CRLF that answers a double one.
    pub(super) fn write_now(&self, hop: Hop, bytes: Vec<u8>) {
        // A peer that only asks and never reads is cut like every other that does not read.
        if let Err((NotWritten::Stuck, _)) = self.table().write(&hop, bytes) {
            self.outside.traffic.fault(SipFault::SlowReader);
        }
    }

    async fn write<W: AsyncWrite + Unpin>(&self, write: &mut W, writes: &mut mpsc::Receiver<Vec<u8>>) -> End {
        while let Some(bytes) = writes.recv().await {
            let whole = async {
                write.write_all(&bytes).await?;
                // TLS may keep a part of it.
                write.flush().await
            };
            match timeout(self.settings.limits.write, whole).await {
                Ok(Ok(())) => match &bytes[..] {
                    PONG => self.outside.traffic.keep_alives.of_peers.inc(),
                    PING => self.outside.traffic.keep_alives.connection.sent.inc(),
                    message => self.outside.traffic.sent(message),
                },
                Ok(Err(_)) => return End::Fault(SipFault::ConnectionLost),
                Err(_) => return End::Fault(SipFault::SlowReader),
            }
        }
        // The table forgot us because the queue was full, and counted it.
        End::Closed
    }

    fn forget(&self, id: u64) {
        let mut table = self.table();
        table.remove(id);
        self.count(&table);
    }

    /// While the table is held, so that the last word is the newest.
    fn count(&self, table: &Table) {
        self.outside.traffic.connections.set(i64::try_from(table.len()).unwrap_or(i64::MAX));
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a connection that we keep alive.
#[derive(Default)]
struct Pulse {
    /// A ping of ours waits for its answer.
    awaited: AtomicBool,
    /// Something came since then, whatever it was.
    spoke: AtomicBool,
    /// It was answered.
    heard: Notify,
}

/// A connection that is ready for SIP.
enum Opened {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
    Web(Box<Web<TcpStream>>),
    SecureWeb(Box<Web<Box<TlsStream<TcpStream>>>>),
}

impl Opened {
    /// Of the peer, if it showed one, which is good then. Browsers have none that says who they are.
    fn certificate(&self) -> Option<&CertificateDer<'static>> {
        match self {
            Opened::Secure(stream) => stream.get_ref().1.peer_certificates()?.first(),
            Opened::Plain(_) | Opened::Web(_) | Opened::SecureWeb(_) => None,
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Opened::Plain(stream) => stream,
            Opened::Secure(stream) => stream.get_ref().0,
            Opened::Web(web) => web.get_ref(),
            Opened::SecureWeb(web) => web.get_ref().get_ref().0,
        }
    }
}

/// Gives what came to the framer; the number of bytes, 0 at the end. The buffer is not kept over the wait, so that
/// connections at rest cost none.
async fn fill<R: AsyncRead + Unpin>(read: &mut R, framer: &mut Framer) -> io::Result<usize> {
    poll_fn(|context| {
        let mut bytes = [MaybeUninit::uninit(); 8192];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut *read).poll_read(context, &mut buffer))?;
        framer.push(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

/// Small messages go at once; a peer whose machine is gone is noticed within `loss` although nobody says so.
fn tune(stream: &TcpStream, loss: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    // Whole seconds, and at least one, is what the system knows.
    let part = |parts: u32| (loss / parts).max(Duration::from_secs(1));
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(part(2)).with_interval(part(4)))?;
    // Looked at when a probe is due: a little less, so that it is not one probe later.
    socket.set_tcp_user_timeout(Some(loss - loss / 8))
}

#[cfg(test)]
pub(super) mod tests;

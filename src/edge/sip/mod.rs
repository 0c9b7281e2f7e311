//! SIP sockets: datagrams and streams in, messages read on these threads, bytes out without waiting.
//!
//! Nothing here knows what a message means. What cannot be delivered is counted, and where it is known who cannot be
//! reached, the engine is told.

mod faces;
mod guard;
mod handshakes;
mod local;
mod stream;
mod table;
mod tls;
mod udp;
mod websocket;

pub use faces::would_send_from;
pub use guard::Guard;
pub use stream::StreamLimits;
pub use tls::{Clients, OwnFiles, Tls, TlsSettings, self_signed};
pub use websocket::Frames;

use super::door::Door;
use super::metrics::Traffic;
use super::tap::Tap;
use super::throttle::Throttle;
use super::{Clock, door};
use crate::engine::Input;
use crate::sip::locate::Reach;
use crate::sip::{Hop, Transmit, Transport};
use crate::time::Duration;
use anyhow::Context;
use faces::Face;
use std::net::SocketAddr;
use std::sync::Arc;
use stream::Streams;
use tokio::runtime::Handle;
use udp::Udp;

/// A place to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    pub transport: Transport,
    /// Port 0: one that the system chooses; see [`Sip::bound`].
    pub bind: SocketAddr,
    /// What peers must be told instead. `None`: `bind`, or for `0.0.0.0` and `::` the address that this machine uses
    /// towards the peer.
    pub advertise: Option<SocketAddr>,
    /// Without it [`Sip::start`] fails; otherwise it is left out where the machine does not have the address (a machine
    /// without IPv6).
    pub is_needed: bool,
}

/// How connections are taken and opened.
#[derive(Clone)]
pub struct StreamSettings {
    pub limits: StreamLimits,
    pub tls: Arc<Tls>,
    /// From where pages may open a WebSocket, as browsers say it: `https://desk.example`. Empty: from anywhere.
    pub origins: Vec<String>,
}

/// All listening sockets and all open connections. Its tasks end with the runtime they were started on.
pub struct Sip {
    udp: Vec<Arc<Udp>>,
    streams: Arc<Streams>,
    tls: Arc<Tls>,
    bound: Vec<(Transport, SocketAddr)>,
    faces: Vec<Face>,
    outside: Outside,
}

/// What every socket needs to know of the rest.
#[derive(Clone)]
pub struct Outside {
    door: Door,
    traffic: Traffic,
    clock: Clock,
    guard: Arc<Guard>,
    tap: Arc<Tap>,
    /// For lines that peers can cause: about what we cannot do, and about what strangers do.
    overload: Arc<Throttle>,
    handshakes: Arc<Throttle>,
    strangers: Arc<Throttle>,
    large: Arc<Throttle>,
}

/// A keep-alive (RFC 5626 §3.5.1), and its answer.
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

const LOG_INTERVAL: Duration = Duration::from_secs(10);

impl Sip {
    /// Binds all of `listen` and begins to read.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound, named; or none was left to bind.
    pub fn start(
        listen: &[Listen],
        streams: StreamSettings,
        runtime: &Handle,
        outside: Outside,
    ) -> anyhow::Result<Sip> {
        // Sockets register with the runtime that is current when they are made.
        let _current = runtime.enter();
        let tls = streams.tls.clone();
        let streams = Arc::new(Streams::new(streams, runtime.clone(), outside.clone()));
        let mut udp = Vec::new();
        let mut bound = Vec::new();
        let mut faces = Vec::new();
        let mut left_out = Vec::new();
        for listen in listen {
            let name = format!("{} {}", listen.transport.word(), listen.bind);
            let address = match listen.transport {
                Transport::Udp => Udp::bind(listen, outside.clone()).map(|socket| {
                    let socket = Arc::new(socket);
                    runtime.spawn(socket.clone().read());
                    udp.push(socket.clone());
                    socket.bound()
                }),
                Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => streams.listen(listen),
            };
            match address {
                Ok(address) => {
                    bound.push((listen.transport, address));
                    let told = listen.advertise.unwrap_or(address);
                    faces.push(Face { transport: listen.transport, wanted: listen.bind, bound: address, told });
                }
                Err(error) if !listen.is_needed && is_not_ours(&error) => left_out.push(name),
                Err(error) => {
                    let why = why_not(&error);
                    return Err(error)
                        .with_context(|| format!("cannot listen for SIP on {name} (`listen` in `[sip]`{why})"));
                }
            }
        }
        let left_out = left_out.join(", ");
        anyhow::ensure!(!bound.is_empty(), "cannot listen for SIP: this machine has no address for {left_out}");
        if !left_out.is_empty() {
            tracing::warn!("this machine has no such address, so SIP is not heard on {left_out}");
        }
        runtime.spawn(tls.clone().watch());
        Ok(Sip { udp, streams, tls, bound, faces, outside })
    }

    /// Where it listens, in the order of the settings, with the ports that the system chose.
    pub fn bound(&self) -> &[(Transport, SocketAddr)] {
        &self.bound
    }

    /// What peers are told of the listeners of one kind; unspecified: the address by which they reach this machine.
    pub fn told(&self, transport: Transport) -> impl Iterator<Item = SocketAddr> {
        self.faces.iter().filter(move |face| face.transport == transport).map(|face| face.told)
    }

    /// Sends without waiting. What cannot be sent is counted; if the peer cannot be reached this way, the engine is
    /// told by [`Input::HopFailed`].
    pub fn send(&self, transmit: Transmit) {
        if !transmit.bytes.starts_with(b"SIP/2.0 ") {
            self.vouch(transmit.hop.remote);
        }
        match transmit.hop.transport {
            Transport::Udp => match self.socket(transmit.hop.local) {
                Some(socket) => socket.send(&transmit),
                None => {
                    tracing::error!(local = %transmit.hop.local, "no UDP socket to send from");
                    self.outside.hop_failed(transmit.hop);
                }
            },
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => self.streams.send(transmit),
        }
    }

    /// Two line breaks to a peer by UDP: nothing to anybody who speaks SIP, but routers between us keep the way open (RFC 5626 §4.4.1
    /// has them on streams, and carriers take them on both).
    pub fn keep_open(&self, hop: &Hop) {
        self.vouch(hop.remote);
        if let Some(socket) = self.socket(hop.local).filter(|_| hop.transport == Transport::Udp) {
            socket.keep_open(hop);
        }
    }

    /// Reads the certificates again, as at the start.
    pub fn reload_certificates(&self) {
        self.tls.reload();
    }

    /// The engine has judged credentials of `account` that came `from` there.
    pub fn judged(&self, from: SocketAddr, account: &str, is_right: bool) {
        self.outside.guard.judged(self.outside.clock.now(), from, account, is_right);
    }

    /// We know who is there.
    pub fn vouch(&self, remote: SocketAddr) {
        self.outside.guard.vouch(self.outside.clock.now(), remote);
    }

    /// The trunk of this place is there from now on. `calls`: whoever sends from there is it. `name`: what certificates there
    /// must have.
    pub fn locate(&self, trunk: usize, hops: &[Hop], calls: bool, name: &str) {
        if calls {
            self.outside.guard.locate(trunk, hops.iter().map(|hop| hop.remote.ip().to_canonical()).collect());
        }
        let secure = hops.iter().filter(|hop| hop.transport.is_secure()).map(|hop| hop.remote);
        self.tls.locate(trunk, name.to_owned(), secure.collect());
    }

    /// What can be sent by, as far as is known without asking for a route.
    pub fn reach(&self) -> Reach {
        let of = |is_ipv4: bool| {
            let faces = self.faces.iter().filter(|face| face.told.is_ipv4() == is_ipv4);
            faces.map(|face| face.transport).filter(|transport| !transport.is_websocket()).collect()
        };
        Reach { ipv4: of(true), ipv6: of(false) }
    }

    /// The way to a peer that has not spoken first, from the listener that fits best (see `faces::choose`); `None`: nothing listens
    /// from where it could be reached. `by`: the listener that the operator wants, as the settings name it.
    pub fn towards(&self, transport: Transport, remote: SocketAddr, by: Option<SocketAddr>) -> Option<Hop> {
        let routed = local::routed(remote).ok();
        let face = faces::choose(&self.faces, transport, remote, by, routed)?;
        let local = match face.told.ip().is_unspecified() {
            true => SocketAddr::new(routed?, face.told.port()),
            false => face.told,
        };
        Some(Hop { transport, local, remote, connection: None })
    }

    /// The socket that peers know by this address; else one that can send from it.
    fn socket(&self, local: SocketAddr) -> Option<&Arc<Udp>> {
        let of = |fits: &dyn Fn(&Udp) -> bool| self.udp.iter().find(|socket| fits(socket));
        of(&|socket| socket.face() == local)
            .or_else(|| of(&|socket| socket.is_wildcard_for(local)))
            .or_else(|| of(&|socket| socket.bound().is_ipv4() == local.is_ipv4()))
    }
}

/// What is known beyond the setting of why nothing can be heard there.
pub(super) fn why_not(error: &std::io::Error) -> &'static str {
    match error.kind() {
        _ if is_not_ours(error) => ": not an address of this machine",
        std::io::ErrorKind::AddrInUse => ": another program has it, perhaps another vaxel",
        _ => "",
    }
}

/// The machine has no such address, or not even the family of it.
fn is_not_ours(error: &std::io::Error) -> bool {
    let no_family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == std::io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(no_family)
}

impl Outside {
    pub(in crate::edge) fn new(door: Door, traffic: Traffic, clock: Clock, guard: Guard, tap: Arc<Tap>) -> Outside {
        let throttle = || Arc::new(Throttle::new(LOG_INTERVAL));
        let guard = Arc::new(guard);
        let (overload, handshakes, strangers, large) = (throttle(), throttle(), throttle(), throttle());
        Outside { door, traffic, clock, guard, tap, overload, handshakes, strangers, large }
    }

    /// The peer has a good certificate with these names. True: that makes it a trunk, and the engine knows.
    fn certify(&self, hop: &Hop, connection: u64, names: Vec<String>) -> bool {
        let names = self.guard.certify(connection, names);
        let is_trunk = !names.is_empty();
        if is_trunk {
            self.guard.vouch(self.clock.now(), hop.remote);
            match self.door.tell(Input::Certified { connection, names }) {
                Ok(()) | Err(door::Refused::Gone | door::Refused::Full) => {}
            }
        }
        is_trunk
    }

    fn hop_failed(&self, hop: Hop) {
        self.tell(Input::HopFailed { hop });
    }

    fn undelivered(&self, hop: Hop, branch: u64) {
        self.tell(Input::Undelivered { hop, branch });
    }

    fn tell(&self, input: Input) {
        match self.door.tell(input) {
            // Without an engine nobody waits for it.
            Ok(()) | Err(door::Refused::Gone | door::Refused::Full) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::door::{Entrance, What, door};
    use crate::edge::metrics::{Metrics, Names};
    use crate::engine::settings::Network;
    use crate::sip::Authenticator;
    use crate::sip::gate::{self, Gate};
    use crate::sip::overload::Overload;
    use std::io::Read;
    use std::net::UdpSocket;
    use tokio::runtime::Runtime;

    /// Sockets on loopback before a door without an engine.
    pub struct Bench {
        pub sip: Sip,
        pub entrance: Entrance,
        pub metrics: Metrics,
        pub _runtime: Runtime,
    }

    /// Trusts everybody: nothing is decided before the door.
    fn open_guard() -> Guard {
        let everywhere = ["0.0.0.0", "::"].map(|any| Network { address: any.parse().unwrap(), prefix: 0 });
        guard_that_trusts(everywhere.to_vec())
    }

    pub fn guard_that_trusts(trusted: Vec<Network>) -> Guard {
        let certificates = vec!["sbc.carrier.example".into()];
        let auth = Authenticator::new("vaxel", [7; 32], Duration::from_secs(300));
        Guard::new(
            Gate::new(gate::Settings::default(), auth),
            Overload::new(Duration::from_secs(10), vec!["112".into()]),
            trusted,
            certificates,
        )
    }

    type Where<'a> = (Transport, &'a str, Option<SocketAddr>);

    pub fn bench(listen: &[Where], places: usize) -> Bench {
        try_bench(listen, places).unwrap()
    }

    pub fn try_bench(listen: &[Where], places: usize) -> anyhow::Result<Bench> {
        bench_with(listen, places, StreamLimits::default())
    }

    pub fn bench_with(listen: &[Where], places: usize, limits: StreamLimits) -> anyhow::Result<Bench> {
        bench_tls(listen, places, limits, TlsSettings::default())
    }

    pub fn bench_tls(listen: &[Where], places: usize, limits: StreamLimits, tls: TlsSettings) -> anyhow::Result<Bench> {
        let listen: Vec<_> = listen
            .iter()
            .map(|(transport, bind, advertise)| Listen {
                transport: *transport,
                bind: bind.parse().expect("an address"),
                advertise: *advertise,
                is_needed: true,
            })
            .collect();
        bench_on(&listen, places, limits, tls)
    }

    fn bench_on(listen: &[Listen], places: usize, limits: StreamLimits, tls: TlsSettings) -> anyhow::Result<Bench> {
        bench_guarded(listen, places, limits, tls, open_guard())
    }

    /// TCP on all of this machine's 127.0.0.0/8, where nobody is known before it says who it is.
    pub fn bench_of_strangers(transport: Transport, limits: StreamLimits, tls: TlsSettings) -> Bench {
        let bind = "0.0.0.0:0".parse().expect("an address");
        let listen = [Listen { transport, bind, advertise: None, is_needed: true }];
        bench_guarded(&listen, 10, limits, tls, guard_that_trusts(Vec::new())).unwrap()
    }

    fn bench_guarded(
        listen: &[Listen],
        places: usize,
        limits: StreamLimits,
        tls: TlsSettings,
        guard: Guard,
    ) -> anyhow::Result<Bench> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let clock = Clock::start();
        let metrics = Metrics::new(clock, &Names::default());
        let (door, entrance) = door(clock, places);
        let tls = Arc::new(Tls::load(tls, metrics.certificates.clone())?);
        let origins = vec!["https://desk.example".into()];
        let tap = Tap::new(clock, metrics.capture.clone());
        let outside = Outside::new(door, metrics.traffic.clone(), clock, guard, tap);
        let sip = Sip::start(listen, StreamSettings { limits, tls, origins }, runtime.handle(), outside)?;
        Ok(Bench { sip, entrance, metrics, _runtime: runtime })
    }

    #[test]
    fn an_address_that_this_machine_lacks_is_left_out_unless_it_is_needed() {
        // Reserved for documentation (RFC 5737), so nobody's.
        let (here, nowhere) = ("127.0.0.1:0".parse().unwrap(), "192.0.2.1:0".parse().unwrap());
        let on = |transport, bind, is_needed| Listen { transport, bind, advertise: None, is_needed };
        let both = |bind, is_needed| [Transport::Udp, Transport::Tcp].map(|transport| on(transport, bind, is_needed));
        let bench = |listen: &[Listen]| bench_on(listen, 1, StreamLimits::default(), TlsSettings::default());
        let Bench { sip, _runtime, .. } = bench(&[both(nowhere, false), both(here, false)].concat()).unwrap();
        let heard: Vec<_> = sip.bound().iter().map(|(transport, at)| (*transport, at.ip())).collect();
        assert_eq!(heard, [(Transport::Udp, here.ip()), (Transport::Tcp, here.ip())]);
        assert_eq!(sip.towards(Transport::Tcp, here, None).unwrap().local, sip.bound()[1].1);
        let told = |listen: &[Listen]| format!("{:#}", bench(listen).map(|_| ()).unwrap_err());
        assert!(
            told(&both(nowhere, true)[1..])
                .contains("on tcp 192.0.2.1:0 (`listen` in `[sip]`: not an address of this machine): "),
            "{}",
            told(&both(nowhere, true))
        );
        let none = told(&both(nowhere, false));
        assert!(none.contains("udp 192.0.2.1:0, tcp 192.0.2.1:0"), "{none}");
        // Somebody else is there: that is no address we lack.
        let taken = sip.bound()[0].1;
        assert!(
            told(&[on(Transport::Udp, taken, false)])
                .contains(&format!("on udp {taken} (`listen` in `[sip]`: another program has it"))
        );
    }

    #[test]
    fn a_peer_that_has_not_spoken_is_reached_from_what_listens() {
        let advertised: SocketAddr = "203.0.113.5:5060".parse().unwrap();
        let listen = [(Transport::Udp, "0.0.0.0:0", None), (Transport::Tcp, "127.0.0.1:0", Some(advertised))];
        let Bench { sip, _runtime, .. } = bench(&listen, 1);
        let (here, there): (SocketAddr, SocketAddr) = ("127.0.0.1:9".parse().unwrap(), "[::1]:9".parse().unwrap());
        let hop = sip.towards(Transport::Udp, here, None).unwrap();
        assert_eq!((hop.local, hop.remote), (SocketAddr::new(here.ip(), sip.bound()[0].1.port()), here));
        assert_eq!(sip.towards(Transport::Tcp, here, None).unwrap().local, advertised);
        assert_eq!(sip.towards(Transport::Udp, there, None), None);
    }

    #[test]
    fn a_peer_is_asked_from_the_address_that_this_machine_sends_from_or_from_the_one_that_is_wanted() {
        let listen = [(Transport::Udp, "127.0.0.2:0", None), (Transport::Udp, "127.0.0.1:0", None)];
        let Bench { sip, _runtime, .. } = bench(&listen, 1);
        // To all of 127.0.0.0/8 a machine sends from 127.0.0.1.
        let there = "127.0.0.5:5060".parse().unwrap();
        assert_eq!(sip.towards(Transport::Udp, there, None).unwrap().local, sip.bound()[1].1);
        let wanted = Some("127.0.0.2:0".parse().unwrap());
        assert_eq!(sip.towards(Transport::Udp, there, wanted).unwrap().local, sip.bound()[0].1);
    }

    #[test]
    fn a_large_request_finds_a_phone_by_tcp_or_else_by_udp() {
        let listen = [(Transport::Udp, "127.0.0.1:0", None), (Transport::Tcp, "127.0.0.1:0", None)];
        let Bench { sip, entrance, _runtime, .. } = bench(&listen, 10);
        let settings = crate::sip::Settings { tcp: sip.told(Transport::Tcp).collect(), ..Default::default() };
        let mut endpoint = crate::sip::Endpoint::new(settings, 1);
        let now = Clock::start().now();
        // An address of its own, where nobody else takes the port before it is bound for TCP too.
        let by_udp = UdpSocket::bind("127.0.0.77:0").unwrap();
        by_udp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let phone = by_udp.local_addr().unwrap();
        let hop = sip.towards(Transport::Udp, phone, None).unwrap();
        let ask = |endpoint: &mut crate::sip::Endpoint| {
            let mut request = crate::sip::Request::new(crate::sip::Method::Message, crate::sip::Uri::sip(None, phone));
            request.set_body("text/plain", vec![b'x'; 1400]);
            endpoint.request(now, hop, request);
            while let Some(transmit) = endpoint.poll_transmit() {
                sip.send(transmit);
            }
        };
        let mut begun = [0; 40];
        // Nobody listens by TCP.
        ask(&mut endpoint);
        let Input::HopFailed { hop: refused } = entrance.input() else { panic!("nothing was said") };
        assert_eq!((refused.transport, refused.remote), (Transport::Tcp, phone));
        endpoint.handle_hop_failed(now, &refused);
        while let Some(transmit) = endpoint.poll_transmit() {
            sip.send(transmit);
        }
        by_udp.recv_from(&mut begun).unwrap();
        assert!(begun.starts_with(b"MESSAGE sip:127.0.0.77:"), "{}", String::from_utf8_lossy(&begun));
        // Another phone at the same place, which does.
        let by_tcp = std::net::TcpListener::bind(phone).unwrap();
        let mut fresh = crate::sip::Endpoint::new(
            crate::sip::Settings { tcp: sip.told(Transport::Tcp).collect(), ..Default::default() },
            2,
        );
        ask(&mut fresh);
        let (mut stream, _) = by_tcp.accept().unwrap();
        let mut text = vec![0; 1400];
        stream.read_exact(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text);
        let via = format!("Via: SIP/2.0/TCP {}", sip.bound()[1].1);
        assert!(text.starts_with("MESSAGE ") && text.contains(&via), "{text}");
    }

    impl Entrance {
        /// The next input; waits for it.
        pub fn input(&self) -> Input {
            match self.wait(Duration::from_secs(10)) {
                Ok(Some(knock)) => match knock.what {
                    What::Input(input) => input,
                    What::Ping(_) | What::Figures(_) | What::Stop | What::Wish(..) => panic!("no input"),
                },
                Ok(None) => panic!("nothing came"),
                Err(()) => panic!("nobody is there"),
            }
        }

        /// Nothing comes for as long as something would have taken.
        pub fn quiet(&self) -> bool {
            matches!(self.wait(Duration::from_millis(200)), Ok(None))
        }
    }

    impl Metrics {
        pub fn wait_for(&self, line: &str) {
            let began = std::time::Instant::now();
            while !self.text().lines().any(|known| known == line) {
                assert!(began.elapsed() < Duration::from_secs(10), "{line} did not come:\n{}", self.text());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

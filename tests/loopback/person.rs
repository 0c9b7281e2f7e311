//! A simulated phone on real sockets.

use crate::house::PATIENCE;
use crate::oracle::{Stream, rsip_agrees};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use vaxel::edge::Clock;
use vaxel::sim::phone::{Phone, PhoneEvent, PhoneSettings};
use vaxel::sip::{Hop, Message, Transport};

pub struct Person {
    pub phone: Phone,
    wire: Wire,
    hop: Hop,
    clock: Clock,
    /// What the phone has shown and nobody has looked at yet.
    shown: Vec<PhoneEvent>,
    /// Messages that rsip has read as we do.
    pub agreed: usize,
    /// Where sound would come; held so that nobody else gets it.
    _rtp: UdpSocket,
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Box<Stream>),
}

impl Wire {
    fn waits_briefly(&self) {
        let patience = Some(Duration::from_millis(10));
        match self {
            Wire::Udp(socket) => socket.set_read_timeout(patience),
            Wire::Tcp(stream, _) => stream.set_read_timeout(patience),
        }
        .expect("a time-out can be set");
    }
}

impl Person {
    /// A phone at `home` that speaks with `server`.
    pub fn new(transport: Transport, home: IpAddr, server: SocketAddr, user: &str, password: Option<String>) -> Person {
        let wire = match transport {
            Transport::Udp => Wire::Udp(UdpSocket::bind((home, 0)).expect("a port")),
            Transport::Tcp => Wire::Tcp(connect(home, server), Box::default()),
            other => panic!("these people do not speak {}", other.word()),
        };
        let local = match &wire {
            Wire::Udp(socket) => socket.local_addr(),
            Wire::Tcp(stream, _) => stream.local_addr(),
        };
        let local = local.expect("a bound socket has an address");
        wire.waits_briefly();
        let rtp = UdpSocket::bind((home, 0)).expect("a port");
        let settings = PhoneSettings {
            transport,
            local,
            server,
            rtp: rtp.local_addr().expect("a bound socket has an address"),
            user: user.into(),
            password,
        };
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the system has randomness");
        Person {
            phone: Phone::new(settings, u64::from_be_bytes(seed)),
            hop: Hop { transport, local, remote: server, connection: None },
            wire,
            clock: Clock::start(),
            shown: Vec::new(),
            agreed: 0,
            _rtp: rtp,
        }
    }

    pub fn does(&mut self, what: impl FnOnce(&mut Phone, vaxel::time::Time)) {
        what(&mut self.phone, self.clock.now());
        self.send();
    }

    /// From here on it speaks by another connection, or from where its router has put it; of itself it says what it said.
    pub fn moves(&mut self) {
        let Hop { local, remote, .. } = self.hop;
        self.wire = match &self.wire {
            Wire::Udp(_) => Wire::Udp(UdpSocket::bind((local.ip(), 0)).expect("a port")),
            Wire::Tcp(..) => Wire::Tcp(connect(local.ip(), remote), Box::default()),
        };
        self.wire.waits_briefly();
    }

    /// Carries messages for a moment.
    pub fn turn(&mut self) {
        let mut buffer = [0; 8192];
        let read = match &mut self.wire {
            Wire::Udp(socket) => socket.recv(&mut buffer),
            Wire::Tcp(stream, _) => stream.read(&mut buffer),
        };
        let bytes = match read {
            Ok(length) => &buffer[..length],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => &[],
            Err(error) => panic!("the wire broke: {error}"),
        };
        let now = self.clock.now();
        let mut messages = Vec::new();
        match &mut self.wire {
            // What keeps ways open says nothing (RFC 5626 §3.5.1). A port that was another's before is sent that one's sound, too.
            Wire::Udp(_) if bytes.is_empty() || bytes == b"\r\n\r\n" || bytes[0] >= 0x80 => {}
            Wire::Udp(_) => {
                self.agreed += usize::from(rsip_agrees(bytes));
                messages.push(Message::parse(bytes).expect("we are sent good SIP"));
            }
            Wire::Tcp(_, stream) => {
                stream.push(bytes);
                messages.extend(std::iter::from_fn(|| stream.next()).map(|read| read.expect("we are sent good SIP")));
                self.agreed = stream.agreed;
            }
        }
        for message in messages {
            self.phone.handle(now, &self.hop, message);
        }
        if self.phone.poll_timeout().is_some_and(|due| due <= now) {
            self.phone.handle_timeout(now);
        }
        self.send();
    }

    fn send(&mut self) {
        while let Some(transmit) = self.phone.poll_transmit() {
            match &mut self.wire {
                Wire::Udp(socket) => {
                    socket.send_to(&transmit.bytes, transmit.hop.remote).expect("loopback takes it");
                }
                Wire::Tcp(stream, _) => stream.write_all(&transmit.bytes).expect("the connection is up"),
            }
        }
        while let Some(event) = self.phone.poll_event() {
            self.shown.push(event);
        }
    }
}

/// Carries messages for all until the phone of `people[who]` shows what is wanted; what it showed before is forgotten.
pub fn until(people: &mut [&mut Person], who: usize, wanted: impl Fn(&PhoneEvent) -> bool) -> PhoneEvent {
    let began = Instant::now();
    loop {
        while !people[who].shown.is_empty() {
            let event = people[who].shown.remove(0);
            if wanted(&event) {
                return event;
            }
        }
        assert!(began.elapsed() < PATIENCE, "{} waited in vain", people[who].phone.settings().user);
        people.iter_mut().for_each(|person| person.turn());
    }
}

/// A connection from an address of our own choice.
pub fn connect(home: IpAddr, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(home, 0).into()).expect("an address of this machine");
    socket.connect(&server.into()).expect("the service listens");
    socket.into()
}

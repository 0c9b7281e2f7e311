//! A softphone with real sockets: a [`Phone`] that speaks a tone and remembers what it heard. For the demonstration
//! and the tests on loopback.

use super::clock::Clock;
use crate::audio::{g711, tone};
use crate::media::{Codec, Stream};
use crate::rtp::event::{self, DigitSender};
use crate::rtp::packet::{Header, Packet};
use crate::sim::{Phone, PhoneEvent, PhoneSettings};
use crate::sip::{Hop, Message, Transport};
use crate::time::{Duration, Time};
use anyhow::{Context, Result, anyhow};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};

/// At most this much is remembered of what was heard: ten minutes.
const HEARD_MAX: usize = 10 * 60 * 8000;
/// So many messages are remembered; of more, the last.
const CAME_MAX: usize = 1000;
const PACKET: Duration = Duration::from_millis(20);
/// Samples in a packet.
const SAMPLES: usize = 160;

/// What the person does with the phone.
#[derive(Clone, Debug, PartialEq)]
pub enum Do {
    Register,
    Unregister,
    Call(String),
    Answer,
    Decline(u16),
    HangUp,
    Hold(bool),
    /// A key, by RFC 4733.
    Key(char),
}

/// One phone on one thread of its own; the thread ends when this is dropped.
pub struct SoftPhone {
    pub name: String,
    commands: Option<Sender<Do>>,
    events: Receiver<(Time, PhoneEvent)>,
    heard: Arc<Mutex<Vec<i16>>>,
    came: Arc<Mutex<VecDeque<Vec<u8>>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl SoftPhone {
    /// `frequency`: the tone it speaks, in hertz.
    pub fn start(
        server: SocketAddr,
        user: &str,
        password: Option<&str>,
        frequency: f64,
        clock: Clock,
        seed: u64,
    ) -> Result<SoftPhone> {
        let bind = || UdpSocket::bind((server.ip(), 0)).context("a phone of the demonstration needs a UDP socket");
        let (sip, rtp) = (bind()?, bind()?);
        sip.set_read_timeout(Some(Duration::from_millis(2)))?;
        rtp.set_nonblocking(true)?;
        let settings = PhoneSettings {
            transport: Transport::Udp,
            local: sip.local_addr()?,
            server,
            rtp: rtp.local_addr()?,
            user: user.to_owned(),
            password: password.map(str::to_owned),
        };
        let (commands, command_rx) = channel();
        let (event_tx, events) = channel();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let came = Arc::new(Mutex::new(VecDeque::new()));
        let mut line = Line {
            clock,
            phone: Phone::new(settings, seed),
            sip,
            voice: Voice {
                rtp,
                tone: tone::sine(frequency, -12.0, Duration::from_secs(1), tone::RATE),
                heard: heard.clone(),
                stream: None,
                next: Time::EPOCH,
                sent: 0,
                position: 0,
                digit: None,
                ssrc: seed as u32,
            },
            events: event_tx,
            came: came.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("phone {user}"))
            .spawn(move || line.run(&command_rx))
            .context("a phone of the demonstration needs a thread")?;
        Ok(SoftPhone { name: user.to_owned(), commands: Some(commands), events, heard, came, thread: Some(thread) })
    }

    pub fn act(&self, act: Do) {
        if let Some(commands) = &self.commands {
            // The thread ends only when the sender is dropped.
            commands.send(act).expect("the phone's thread lives as long as this");
        }
    }

    /// The next event, waited for at most so long.
    pub fn event(&self, within: Duration) -> Result<(Time, PhoneEvent)> {
        self.events.recv_timeout(within).map_err(|err| match err {
            RecvTimeoutError::Timeout => anyhow!("nothing happened at {}'s phone for {within:?}", self.name),
            RecvTimeoutError::Disconnected => anyhow!("{}'s phone broke", self.name),
        })
    }

    /// Waits for an event that `wanted` accepts, passing over others.
    pub fn until(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&PhoneEvent) -> bool,
    ) -> Result<(Time, PhoneEvent)> {
        loop {
            let (at, event) = self.event(within).with_context(|| format!("{} waited for: {what}", self.name))?;
            if wanted(&event) {
                return Ok((at, event));
            }
            if matches!(event, PhoneEvent::Failed { .. } | PhoneEvent::RegistrationFailed { .. }) {
                return Err(anyhow!("{} waited for: {what}, but got {event:?}", self.name));
            }
        }
    }

    /// Samples heard until now.
    pub fn heard_samples(&self) -> usize {
        self.heard.lock().expect("nobody panics while holding it").len()
    }

    /// The SIP messages that came, byte for byte, the last first.
    pub fn came(&self) -> Vec<Vec<u8>> {
        self.came.lock().expect("nobody panics while holding it").iter().cloned().collect()
    }

    /// Everything heard until now, 8 kHz.
    pub fn heard(&self) -> Vec<i16> {
        self.heard.lock().expect("nobody panics while holding it").clone()
    }
}

impl Drop for SoftPhone {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the phone's thread was printed where it happened.
            drop(thread.join());
        }
    }
}

struct Line {
    clock: Clock,
    phone: Phone,
    sip: UdpSocket,
    voice: Voice,
    events: Sender<(Time, PhoneEvent)>,
    came: Arc<Mutex<VecDeque<Vec<u8>>>>,
}

struct Voice {
    rtp: UdpSocket,
    tone: Vec<i16>,
    heard: Arc<Mutex<Vec<i16>>>,
    stream: Option<Stream>,
    next: Time,
    /// Packets sent, in 20 ms each: sequence number and timestamp follow from it.
    sent: u32,
    position: usize,
    digit: Option<(DigitSender, u32)>,
    ssrc: u32,
}

impl Line {
    fn run(&mut self, commands: &Receiver<Do>) {
        let mut buffer = [0u8; 65_536];
        loop {
            let now = self.clock.now();
            loop {
                match commands.try_recv() {
                    Ok(act) => self.act(now, act),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                }
            }
            match self.sip.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let hop = Hop {
                        transport: Transport::Udp,
                        local: self.phone.settings().local,
                        remote: from,
                        connection: None,
                    };
                    {
                        let mut came = self.came.lock().expect("nobody panics while holding it");
                        came.truncate(CAME_MAX - 1);
                        came.push_front(buffer[..length].to_vec());
                    }
                    if let Ok(message) = Message::parse(&buffer[..length]) {
                        self.phone.handle(self.clock.now(), &hop, message);
                    }
                }
                Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // ICMP: nobody listens there (yet); SIP's timers deal with it.
                Err(_) => {}
            }
            let now = self.clock.now();
            if self.phone.poll_timeout().is_some_and(|due| due <= now) {
                self.phone.handle_timeout(now);
            }
            while let Some(transmit) = self.phone.poll_transmit() {
                // A datagram that cannot be sent is a lost one; SIP sends it again.
                drop(self.sip.send_to(&transmit.bytes, transmit.hop.remote));
            }
            while let Some(event) = self.phone.poll_event() {
                match &event {
                    PhoneEvent::Connected { stream } | PhoneEvent::Changed { stream } => {
                        self.voice.stream = Some(stream.clone());
                    }
                    PhoneEvent::Ended | PhoneEvent::Failed { .. } => self.voice.stream = None,
                    _ => {}
                }
                if self.events.send((now, event)).is_err() {
                    return;
                }
            }
            if self.phone.is_idle() {
                self.voice.stream = None;
            }
            self.voice.listen(&mut buffer);
            self.voice.speak(now);
        }
    }

    fn act(&mut self, now: Time, act: Do) {
        match act {
            Do::Register => self.phone.register(now, Duration::from_secs(120)),
            Do::Unregister => self.phone.unregister(now),
            Do::Call(number) => self.phone.call(now, &number),
            Do::Answer => self.phone.answer(now),
            Do::Decline(code) => self.phone.decline(now, code),
            Do::HangUp => self.phone.hang_up(now),
            Do::Hold(held) => self.phone.hold(now, held),
            Do::Key(key) => {
                if let Some(code) = event::code(key) {
                    let timestamp = self.voice.timestamp();
                    self.voice.digit = Some((DigitSender::new(code, SAMPLES as u16, 5 * SAMPLES as u16), timestamp));
                }
            }
        }
    }
}

impl Voice {
    fn timestamp(&self) -> u32 {
        self.sent.wrapping_mul(SAMPLES as u32)
    }

    fn listen(&mut self, buffer: &mut [u8]) {
        while let Ok((length, _)) = self.rtp.recv_from(buffer) {
            let Some(stream) = &self.stream else { continue };
            let Ok(packet) = Packet::read(&buffer[..length]) else { continue };
            if packet.payload_type != stream.payload {
                continue;
            }
            let mut heard = self.heard.lock().expect("nobody panics while holding it");
            let room = HEARD_MAX.saturating_sub(heard.len());
            let decode = match stream.codec {
                Codec::Pcmu => g711::ulaw_decode,
                Codec::Pcma => g711::alaw_decode,
            };
            heard.extend(buffer[packet.payload].iter().take(room).map(|code| decode(*code)));
        }
    }

    fn speak(&mut self, now: Time) {
        let Some(stream) = self.stream.clone() else {
            self.next = now;
            return;
        };
        while self.next <= now {
            self.next = self.next.max(now - Duration::from_millis(200)) + PACKET;
            let mut packet = Vec::with_capacity(12 + SAMPLES);
            let mut header = Header {
                marker: self.sent == 0,
                payload_type: stream.payload,
                sequence: self.sent as u16,
                timestamp: self.timestamp(),
                ssrc: self.ssrc,
            };
            match (&mut self.digit, stream.digits) {
                (Some((sender, began)), Some(payload_type)) => {
                    let Some((event, marker)) = sender.next() else {
                        self.digit = None;
                        continue;
                    };
                    header = Header { marker, payload_type, timestamp: *began, ..header };
                    packet.extend(header.bytes());
                    packet.extend(event.bytes());
                }
                _ => {
                    let encode = match stream.codec {
                        Codec::Pcmu => g711::ulaw_encode,
                        Codec::Pcma => g711::alaw_encode,
                    };
                    packet.extend(header.bytes());
                    packet.extend((0..SAMPLES).map(|i| encode(self.tone[(self.position + i) % self.tone.len()])));
                    self.position = (self.position + SAMPLES) % self.tone.len();
                }
            }
            self.sent = self.sent.wrapping_add(1);
            // A packet that cannot be sent is a lost one.
            drop(self.rtp.send_to(&packet, stream.remote));
        }
    }
}

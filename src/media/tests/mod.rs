//! A deck with simulated time, simulated phones and a sink that remembers.

mod keys;
mod peer;
mod playback;
mod random;
mod relay;
mod reports;

use super::*;
use crate::audio::{g711, tone};
use crate::rtp::event;
use crate::rtp::packet::{HEADER, Header, Packet};
use std::sync::Arc;

const MS: Duration = Duration::from_millis(1);
const PACKET: Duration = Duration::from_millis(20);

struct Bench {
    deck: Deck,
    now: Time,
    sent: Outbox,
    events: Vec<Event>,
    freed: Vec<Slot>,
}

#[derive(Default)]
struct Outbox {
    now: Time,
    packets: Vec<Sent>,
}

#[derive(Clone, Debug)]
struct Sent {
    at: Time,
    slot: Slot,
    port: Port,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Sink for Outbox {
    fn send(&mut self, slot: Slot, port: Port, to: SocketAddr, packet: &[u8]) {
        self.packets.push(Sent { at: self.now, slot, port, to, bytes: packet.to_vec() });
    }
}

/// The peer of one leg, and the header of its next packet.
struct Phone {
    leg: LegId,
    slot: Slot,
    stream: Stream,
    from: SocketAddr,
    next: Header,
}

fn sound(name: &str) -> Sound {
    Sound { name: name.into(), language: "en".into() }
}

fn sine(frequency: f64, length: Duration) -> Vec<i16> {
    tone::sine(frequency, -10.0, length, tone::RATE)
}

/// `hello`: 440 Hz for 400 ms; `odd`: 700 Hz for 130 ms; `music`: 1000 Hz for 1 s; all at −10 dBFS.
fn library() -> Arc<Library> {
    let mut library = Library::new();
    for (name, frequency, millis) in [("hello", 440.0, 400), ("odd", 700.0, 130), ("music", 1000.0, 1000)] {
        library.insert(sound(name), &sine(frequency, MS * millis));
    }
    Arc::new(library)
}

fn stream(n: u8, codec: Codec) -> Stream {
    let remote = SocketAddr::from(([192, 0, 2, n], 4000));
    let payload = match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    };
    let digits = Some(100 + n % 20);
    Stream { remote, remote_rtcp: None, codec, payload, digits, ptime: PACKET, direction: Direction::SendRecv }
}

fn encode(codec: Codec, samples: &[i16]) -> Vec<u8> {
    let encode = match codec {
        Codec::Pcmu => g711::ulaw_encode,
        Codec::Pcma => g711::alaw_encode,
    };
    samples.iter().map(|&sample| encode(sample)).collect()
}

fn decode(codec: Codec, bytes: &[u8]) -> Vec<i16> {
    let decode = match codec {
        Codec::Pcmu => g711::ulaw_decode,
        Codec::Pcma => g711::alaw_decode,
    };
    bytes.iter().map(|&byte| decode(byte)).collect()
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Settings::default())
    }

    fn with(settings: Settings) -> Bench {
        let deck = Deck::new(library(), settings, 42);
        let now = Time::from_micros(1_795_424_400_003_100);
        Bench { deck, now, sent: Outbox { now, packets: Vec::new() }, events: Vec::new(), freed: Vec::new() }
    }

    /// A leg, open and configured. Phone `n` is at 192.0.2.n:4000 and takes keys as payload 100 + n (below 20).
    fn phone(&mut self, n: u8, codec: Codec) -> Phone {
        let mut phone = self.unconfigured(n, codec);
        self.configure(&mut phone, |_| {});
        phone
    }

    fn unconfigured(&mut self, n: u8, codec: Codec) -> Phone {
        let leg = LegId(u64::from(n));
        let slot = self.deck.open(self.now, leg).expect("there is room");
        let stream = stream(n, codec);
        let next = Header {
            marker: false,
            payload_type: stream.payload,
            sequence: 65_530,
            timestamp: u32::MAX - 400,
            ssrc: u32::from(n),
        };
        Phone { leg, slot, from: stream.remote, stream, next }
    }

    fn configure(&mut self, phone: &mut Phone, change: impl Fn(&mut Stream)) {
        change(&mut phone.stream);
        self.command(Command::Configure { leg: phone.leg, stream: phone.stream.clone() });
    }

    fn command(&mut self, command: Command) {
        self.deck.command(self.now, command, &mut self.sent);
        self.drain();
    }

    fn play(&mut self, phone: &Phone, play: u64, names: &[&str], repeat: bool) {
        let sounds = names.iter().map(|name| sound(name)).collect();
        self.command(Command::Play { leg: phone.leg, play: PlayId(play), sounds, repeat });
    }

    fn bridge(&mut self, a: &Phone, b: &Phone) {
        self.command(Command::Bridge { a: a.leg, b: b.leg });
    }

    fn unbridge(&mut self, a: &Phone, b: &Phone) {
        self.command(Command::Unbridge { a: a.leg, b: b.leg });
    }

    /// Lets time pass, stopping wherever the deck wants to be called.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.deck.poll_timeout().filter(|next| *next <= end) {
            self.set_now(next.max(self.now));
            self.deck.handle_timeout(self.now, &mut self.sent);
            self.drain();
            assert!(self.deck.poll_timeout().is_none_or(|after| after > self.now), "the deck asks for the past");
        }
        self.set_now(end);
    }

    /// Time passes and nobody calls the deck: its thread was not given the processor.
    fn stall(&mut self, duration: Duration) {
        self.set_now(self.now + duration);
        self.deck.handle_timeout(self.now, &mut self.sent);
        self.drain();
    }

    fn set_now(&mut self, now: Time) {
        self.now = now;
        self.sent.now = now;
    }

    fn deliver(&mut self, slot: Slot, port: Port, from: SocketAddr, mut bytes: Vec<u8>) {
        self.deck.packet(self.now, slot, port, from, &mut bytes, &mut self.sent);
        self.drain();
    }

    fn drain(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.deck.poll_event()));
        self.freed.extend(std::iter::from_fn(|| self.deck.poll_freed()));
    }

    /// The phone sends one packet of sound.
    fn say(&mut self, phone: &mut Phone, payload: &[u8]) {
        let bytes = phone.packet(payload);
        self.deliver(phone.slot, Port::Rtp, phone.from, bytes);
    }

    /// The phone talks in packets of 20 ms, and time passes.
    fn talk(&mut self, phone: &mut Phone, samples: &[i16]) {
        let payload = encode(phone.stream.codec, samples);
        for piece in payload.chunks(160) {
            self.say(phone, piece);
            self.pass(PACKET);
        }
    }

    /// RTP packets sent to this phone.
    fn heard(&self, phone: &Phone) -> Vec<Sent> {
        self.sent_on(phone, Port::Rtp)
    }

    fn sent_on(&self, phone: &Phone, port: Port) -> Vec<Sent> {
        self.sent.packets.iter().filter(|sent| sent.slot == phone.slot && sent.port == port).cloned().collect()
    }

    /// What happened since the last call.
    fn happened(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

impl Phone {
    /// The next packet of this phone's stream.
    fn packet(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = self.next.bytes().to_vec();
        bytes.extend_from_slice(payload);
        self.next.marker = false;
        self.next.sequence = self.next.sequence.wrapping_add(1);
        self.next.timestamp = self.next.timestamp.wrapping_add(payload.len() as u32);
        bytes
    }

    /// All packets of one key, 20 ms apart, and the sound's timestamp moved on.
    fn key(&mut self, key: char, length: u16) -> Vec<Vec<u8>> {
        let sender = event::DigitSender::new(event::code(key).unwrap(), 160, length);
        let mut packets = Vec::new();
        let payload_type = self.stream.digits.unwrap();
        for (event, first) in sender {
            let header = Header { marker: first, payload_type, ..self.next };
            packets.push([header.bytes().as_slice(), &event.bytes()].concat());
            self.next.sequence = self.next.sequence.wrapping_add(1);
        }
        self.next.timestamp = self.next.timestamp.wrapping_add(160 * packets.len() as u32);
        packets
    }
}

impl Sent {
    fn header(&self) -> Packet {
        Packet::read(&self.bytes).expect("we send RTP")
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[HEADER..]
    }
}

/// What a phone hears: asserts that all packets are one stream without a gap in its numbers, whose timestamps follow the
/// clock to within one packet, and gives the samples at their places, silence in between.
fn listen(codec: Codec, packets: &[Sent]) -> Vec<i16> {
    let Some(first) = packets.first() else { return Vec::new() };
    let begin = first.header();
    let mut samples = Vec::new();
    for (n, sent) in packets.iter().enumerate() {
        let packet = sent.header();
        assert_eq!(packet.ssrc, begin.ssrc, "packet {n}");
        assert_eq!(packet.sequence, begin.sequence.wrapping_add(n as u16), "packet {n}");
        let place = packet.timestamp.wrapping_sub(begin.timestamp) as usize;
        let by_clock = (sent.at.since(first.at).as_micros() / 125) as usize;
        assert!(place.abs_diff(by_clock) <= 200, "packet {n}: sample {place} is sent at sample {by_clock}");
        assert!(place >= samples.len(), "packet {n} begins before the one before ends");
        samples.resize(place, 0);
        samples.extend(decode(codec, sent.payload()));
    }
    samples
}

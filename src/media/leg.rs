//! One leg: what it hears of its peer and what its peer hears.

use super::deck::{Port, Sink, Slot};
use super::dice::Dice;
use super::ears::{self, Ears};
use super::incoming::Incoming;
use super::latch::Latch;
use super::outgoing::{Outgoing, Place};
use super::player::Player;
use super::{Codec, Direction, Quality, Stream};
use crate::audio::g711;
use crate::audio::tone::KeyTone;
use crate::ids::LegId;
use crate::rtp::event::{self, DigitSender, Event};
use crate::rtp::packet::{HEADER, Packet};
use crate::rtp::rtcp::{self, Compound};
use crate::rtp::stats;
use crate::time::{Duration, Time};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

/// Packet lengths that we can play in.
const PTIME_MIN: u64 = 10;
const PTIME_MAX: u64 = 60;
/// Bytes of the longest packet that we make: one per sample.
const PACKET_MAX: usize = HEADER + PTIME_MAX as usize * 8;
/// A tick that is later than this is made up for by leaving out, not by a burst.
const TICK_LATE_MAX: Duration = Duration::from_millis(100);
/// Keys that are taken from a peer in one second, more than anybody can press: a peer that sends nothing else must not fill
/// the way to call control. More are not reported.
const KEYS_PER_SECOND_MAX: u32 = 50;
/// Keys that may wait without memory being asked for.
const KEYS_USUAL: usize = 8;
/// Keys that wait to be sent; more are dropped.
const KEYS_MAX: usize = 32;
/// Shortest and longest time a key is sent for; the longest is what the 16 bits of RFC 4733 §2.3.5 hold.
const KEY_MIN: Duration = Duration::from_millis(40);
const KEY_MAX: Duration = Duration::from_millis(8000);
/// Between two keys.
const KEY_PAUSE: Duration = Duration::from_millis(60);

pub struct Leg {
    pub id: LegId,
    slot: Slot,
    /// `None` until the first offer and answer.
    line: Option<Line>,
    incoming: Incoming,
    /// Where no telephone-event was agreed on.
    ears: Option<Box<Ears>>,
    outgoing: Outgoing,
    pub player: Option<Player>,
    keys: Keys,
    /// The leg that this one hears and is heard by.
    pub bridged: Option<Slot>,
    /// The key that was pressed last before the bridge: the other leg hears nothing of it.
    key_before: Option<u32>,
    /// The second in which keys are counted, by its beginning, and how many there were.
    keys_heard: (Time, u32),
    /// When the last RTP packet of the peer came, or was first to be expected.
    pub heard_at: Time,
    /// The present silence is reported.
    pub silence_told: bool,
    foreign: u64,
    /// How much of the loss is counted in the deck.
    pub lost_counted: u64,
    round_trip: Option<Duration>,
    cname: [u8; 16],
    /// Packets sent at the last report and at the one before (RFC 3550 §6.4: a sender is who sent since then).
    sent_at_reports: [u64; 2],
}

/// What offer and answer said, and what the packets showed.
struct Line {
    stream: Stream,
    latch: Latch,
    rtcp_source: Option<SocketAddr>,
}

#[derive(Default)]
struct Keys {
    waiting: VecDeque<Key>,
    current: Option<Sending>,
}

/// The key that is sent now.
enum Sending {
    /// Under this timestamp.
    Event(DigitSender, u32),
    /// As sound, for so many samples more.
    Tone(KeyTone, u32),
}

struct Key {
    digit: char,
    duration: Duration,
}

/// What a datagram was.
pub enum Verdict {
    Foreign,
    Malformed,
    /// The peer's, but not to be listened to: its direction forbids it, or its number is a stray.
    Unheard,
    Heard(Heard),
}

/// An RTP packet of the peer, ready to be passed on.
pub struct Heard {
    place: Place,
    payload: Range<usize>,
    kind: Kind,
    /// Keys that were not reported before.
    pub keys: [Option<char>; ears::MOST],
}

#[derive(Clone, Copy)]
enum Kind {
    Audio(Codec),
    /// `fresh`: of a key that was pressed since the bridge.
    Event {
        event: Event,
        fresh: bool,
    },
}

impl Heard {
    /// Keys that were told by telephone-event.
    pub fn events(&self) -> impl Iterator<Item = char> {
        let events = matches!(self.kind, Kind::Event { .. });
        self.keys.into_iter().flatten().filter(move |_| events)
    }
}

impl Leg {
    pub fn new(now: Time, id: LegId, slot: Slot, dice: &mut Dice) -> Leg {
        Leg {
            id,
            slot,
            line: None,
            incoming: Incoming::default(),
            ears: None,
            outgoing: Outgoing::new(now, dice),
            player: None,
            keys: Keys::default(),
            bridged: None,
            key_before: None,
            keys_heard: (now, 0),
            heard_at: now,
            silence_told: false,
            foreign: 0,
            lost_counted: 0,
            round_trip: None,
            cname: cname(dice),
            sent_at_reports: [0; 2],
        }
    }

    /// A stream was agreed on, for the first time or anew. Returns whether RTP is to be expected only from now on.
    pub fn configure(&mut self, now: Time, stream: Stream) -> bool {
        let expected = self.expects();
        let moved = match &mut self.line {
            Some(line) if line.stream == stream => return false,
            Some(line) => {
                let moved = line.latch.aim(now, stream.remote);
                if moved {
                    line.rtcp_source = None;
                }
                line.stream = stream;
                moved
            }
            None => {
                self.line = Some(Line { latch: Latch::new(now, stream.remote), stream, rtcp_source: None });
                true
            }
        };
        if self.takes_events() {
            self.ears = None;
        } else if self.ears.is_none() {
            self.ears = Some(Box::default());
            // For keys that come with packets of the other leg.
            self.keys.waiting.reserve(KEYS_USUAL);
        }
        self.outgoing.interrupt();
        let expected_anew = self.expects() && (moved || !expected);
        if expected_anew {
            self.heard_at = now;
        }
        if expected_anew || !self.expects() {
            self.silence_told = false;
        }
        expected_anew
    }

    /// Whether the peer is listened to.
    fn listens(&self) -> bool {
        matches!(self.direction(), Some(Direction::SendRecv | Direction::RecvOnly))
    }

    /// Whether a peer that sends nothing is dead. Who put us on hold may send music, but most phones send nothing.
    pub fn expects(&self) -> bool {
        self.direction() == Some(Direction::SendRecv)
    }

    fn direction(&self) -> Option<Direction> {
        self.line.as_ref().map(|line| line.stream.direction)
    }

    /// The stream and where to send to, if the peer wants to hear us.
    fn speaks(&self) -> Option<(&Stream, SocketAddr)> {
        let line = self.line.as_ref()?;
        let allowed = matches!(line.stream.direction, Direction::SendRecv | Direction::SendOnly);
        line.latch.target().filter(|_| allowed).map(|target| (&line.stream, target))
    }

    /// Length of the packets that we make: whole milliseconds within what we can.
    pub fn ptime(&self) -> Duration {
        let agreed = self.line.as_ref().map_or(20, |line| line.stream.ptime.as_millis() as u64);
        Duration::from_millis(agreed.clamp(PTIME_MIN, PTIME_MAX))
    }

    /// From now on this leg hears and is heard by `other`; `None`: by nobody.
    pub fn bridge(&mut self, other: Option<Slot>) {
        self.bridged = other;
        self.key_before = self.incoming.last_key();
        self.outgoing.interrupt();
    }

    /// What plays is replaced or stops.
    pub fn play(&mut self, player: Option<Player>) {
        self.player = player;
        self.outgoing.interrupt();
    }

    /// A datagram on the RTP port.
    pub fn hear(&mut self, now: Time, from: SocketAddr, bytes: &[u8], latch_window: Duration) -> Verdict {
        let Some(line) = &mut self.line else {
            self.foreign += 1;
            return Verdict::Foreign;
        };
        let packet = Packet::read(bytes).ok();
        let kind = packet.as_ref().and_then(|packet| line.kind(packet, bytes));
        if !line.latch.admits(now, from, kind.is_some(), latch_window) {
            self.foreign += 1;
            return Verdict::Foreign;
        }
        // RTCP on this port looks like payload types 64 to 95 (RFC 5761 §4).
        let Some(packet) = packet.filter(|packet| !(64..96).contains(&packet.payload_type)) else {
            return Verdict::Malformed;
        };
        self.heard_at = now;
        let samples = matches!(kind, Some(Kind::Audio(_))).then_some(packet.payload.len() as u32);
        let place = self.incoming.receive(now, &packet, samples);
        let Some(mut kind) = kind else {
            return Verdict::Malformed;
        };
        let Some(place) = place.filter(|_| self.listens()) else {
            return Verdict::Unheard;
        };
        let mut keys = [None; ears::MOST];
        match &mut kind {
            Kind::Event { event, fresh } => {
                keys[0] = self.incoming.key(place.timestamp, *event).and_then(event::key);
                *fresh = self.key_before != Some(place.timestamp);
            }
            Kind::Audio(codec) => {
                if let Some(ears) = &mut self.ears {
                    let decode = decoder(*codec);
                    keys = ears.hear(place, bytes[packet.payload.clone()].iter().map(|byte| decode(*byte)));
                }
            }
        }
        let keys = keys.map(|key| key.filter(|_| self.may_press(now)));
        Verdict::Heard(Heard { place, payload: packet.payload, kind, keys })
    }

    fn may_press(&mut self, now: Time) -> bool {
        let (since, count) = &mut self.keys_heard;
        if now.since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= KEYS_PER_SECOND_MAX
    }

    /// A packet that `source` heard goes to this leg's peer. `bytes`: the datagram, rewritten in place.
    pub fn relay(&mut self, now: Time, source: Slot, heard: Heard, bytes: &mut [u8], out: &mut impl Sink) {
        let Some((stream, target)) = self.speaks().filter(|_| self.player.is_none() && self.keys.current.is_none())
        else {
            self.outgoing.interrupt();
            return;
        };
        let length = heard.payload.len();
        let (payload_type, samples) = match heard.kind {
            Kind::Audio(codec) => {
                match (codec, stream.codec) {
                    (Codec::Pcmu, Codec::Pcma) => translate(&mut bytes[heard.payload.clone()], g711::ulaw_to_alaw),
                    (Codec::Pcma, Codec::Pcmu) => translate(&mut bytes[heard.payload.clone()], g711::alaw_to_ulaw),
                    (Codec::Pcmu, Codec::Pcmu) | (Codec::Pcma, Codec::Pcma) => {}
                }
                (stream.payload, length as u32)
            }
            Kind::Event { event, fresh } => match stream.digits {
                Some(payload_type) if fresh => (payload_type, u32::from(event.duration)),
                _ => return,
            },
        };
        let Some(header) = self.outgoing.relay(now, source, heard.place, payload_type, samples, length) else {
            return;
        };
        out.send(self.slot, Port::Rtp, target, header.write_before(bytes, heard.payload));
    }

    /// The tick of what plays, which was to come at `due`. Gives the time of the next one; `None` if all was heard.
    pub fn tick(&mut self, now: Time, due: Time, out: &mut impl Sink) -> Option<Time> {
        let ptime = self.ptime();
        let samples = ptime.as_millis() as usize * 8;
        let player = self.player.as_mut().filter(|player| !player.is_over())?;
        if now.since(due) > TICK_LATE_MAX {
            let ticks = (now.since(due).as_micros() / ptime.as_micros()) as u32;
            player.skip(ticks as usize * samples);
            self.outgoing.interrupt();
            return Some(due + ptime * ticks);
        }
        let Some((stream, target)) = self.speaks().filter(|_| self.keys.current.is_none()) else {
            self.player.as_mut()?.skip(samples);
            self.outgoing.interrupt();
            return Some(due + ptime);
        };
        let (codec, payload_type) = (stream.codec, stream.payload);
        let mut packet = [0; PACKET_MAX];
        let packet = &mut packet[..HEADER + samples];
        self.player.as_mut()?.fill(codec, &mut packet[HEADER..]);
        packet[..HEADER].copy_from_slice(&self.outgoing.own(due, payload_type, samples as u32).bytes());
        out.send(self.slot, Port::Rtp, target, packet);
        Some(due + ptime)
    }

    /// A key is to be sent after those that wait. Returns whether there was none, so that its first packet is due now.
    pub fn press(&mut self, digit: char, duration: Duration) -> bool {
        if self.line.is_none() || event::code(digit).is_none() || self.keys.waiting.len() >= KEYS_MAX {
            return false;
        }
        let idle = self.keys.waiting.is_empty() && self.keys.current.is_none();
        self.keys.waiting.push_back(Key { digit, duration: duration.clamp(KEY_MIN, KEY_MAX) });
        idle
    }

    /// The next packet of the key that is sent. Gives the time of the one after; `None` if no key is left.
    pub fn key_tick(&mut self, now: Time, due: Time, out: &mut impl Sink) -> Option<Time> {
        // A key that was late is sent late, at its own pace: never in a burst.
        let due = if now.since(due) > TICK_LATE_MAX { now } else { due };
        let step = self.ptime();
        if self.keys.current.is_none() {
            let key = self.keys.waiting.pop_front()?;
            let [step, length] = [step, key.duration].map(|time| (time.as_millis() * 8) as u16);
            self.keys.current = Some(if self.takes_events() {
                let code = event::code(key.digit)?;
                Sending::Event(DigitSender::new(code, step, length), self.outgoing.begin_key(due))
            } else {
                self.outgoing.interrupt();
                Sending::Tone(KeyTone::new(key.digit)?, u32::from(length))
            });
        }
        let over = match self.keys.current.as_mut()? {
            Sending::Event(sender, timestamp) => match sender.next() {
                Some((event, first)) => {
                    let timestamp = *timestamp;
                    self.send_event(event, timestamp, first, out);
                    false
                }
                None => true,
            },
            Sending::Tone(_, 0) => true,
            Sending::Tone(..) => {
                self.send_tone(due, out);
                false
            }
        };
        if over {
            self.keys.current = None;
            self.outgoing.interrupt();
            return (!self.keys.waiting.is_empty()).then_some(due + KEY_PAUSE);
        }
        Some(due + step)
    }

    /// One packet of a key by telephone-event.
    fn send_event(&mut self, event: Event, timestamp: u32, first: bool, out: &mut impl Sink) {
        if let Some((payload_type, target)) = self.speaks().and_then(|(stream, target)| Some((stream.digits?, target)))
        {
            let bytes = event.bytes();
            let samples = u32::from(event.duration);
            let header = self.outgoing.key(payload_type, timestamp, samples, first, bytes.len());
            let mut packet = [0; HEADER + event::LENGTH];
            packet[..HEADER].copy_from_slice(&header.bytes());
            packet[HEADER..].copy_from_slice(&bytes);
            out.send(self.slot, Port::Rtp, target, &packet);
        }
    }

    /// The next packet of a key as sound: whole packets, so it may last a little longer than was asked.
    fn send_tone(&mut self, due: Time, out: &mut impl Sink) {
        let samples = self.ptime().as_millis() as u32 * 8;
        let Some(Sending::Tone(tone, left)) = &mut self.keys.current else { return };
        *left = left.saturating_sub(samples);
        let mut packet = [0; PACKET_MAX];
        let packet = &mut packet[..HEADER + samples as usize];
        let Some(line) = &self.line else { return };
        let encode = encoder(line.stream.codec);
        packet[HEADER..].iter_mut().for_each(|byte| *byte = encode(tone.sample()));
        if let Some((payload_type, target)) = self.speaks().map(|(stream, target)| (stream.payload, target)) {
            packet[..HEADER].copy_from_slice(&self.outgoing.own(due, payload_type, samples).bytes());
            out.send(self.slot, Port::Rtp, target, packet);
        }
    }

    /// Whether the peer is told keys by telephone-event, and not as tones.
    pub fn takes_events(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.stream.digits.is_some())
    }

    /// A datagram on the RTCP port.
    pub fn control(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) -> Verdict {
        let admitted = self.line.as_ref().is_some_and(|line| match line.rtcp_source {
            Some(source) => source == from,
            // Where a peer behind NAT sends RTCP from nobody knows, but it is the host that its RTP comes from.
            None => Some(from) == line.rtcp_named() || line.latch.target().is_some_and(|rtp| rtp.ip() == from.ip()),
        });
        let (Some(line), true) = (&mut self.line, admitted) else {
            self.foreign += 1;
            return Verdict::Foreign;
        };
        let Ok(packets) = rtcp::read(bytes) else {
            return Verdict::Malformed;
        };
        line.rtcp_source = Some(from);
        for packet in packets {
            let blocks = match packet {
                rtcp::Packet::SenderReport { ssrc, info, blocks } => {
                    self.incoming.sender_report(now, ssrc, info.ntp);
                    blocks
                }
                rtcp::Packet::ReceiverReport { blocks, .. } => blocks,
                // Names are of no use here, and a leg ends by SIP, not by BYE.
                _ => continue,
            };
            for block in blocks.filter(|block| block.ssrc == self.outgoing.ssrc()) {
                if let Some(round_trip) = stats::round_trip(now, block.last_report, block.delay) {
                    self.round_trip = Some(round_trip);
                }
            }
        }
        Verdict::Unheard
    }

    /// Sends a report, and goodbye with it if that was all (RFC 3550 §6.3, §6.4).
    pub fn report(&mut self, now: Time, bye: bool, out: &mut impl Sink) {
        let Some(target) = self.line.as_ref().and_then(Line::rtcp_target) else { return };
        let sent = self.outgoing.packets();
        let [last, before] = self.sent_at_reports;
        self.sent_at_reports = [sent, last];
        let compound = Compound {
            ssrc: self.outgoing.ssrc(),
            sender: (sent > before).then(|| self.outgoing.info(now)),
            block: self.incoming.report_block(now),
            cname: &self.cname,
            bye,
        };
        out.send(self.slot, Port::Rtcp, target, compound.write(&mut [0; rtcp::COMPOUND_MAX]));
    }

    pub fn quality(&self) -> Quality {
        Quality {
            packets_received: self.incoming.packets(),
            packets_sent: self.outgoing.packets(),
            packets_lost: self.incoming.lost(),
            packets_foreign: self.foreign,
            jitter: self.incoming.jitter(),
            round_trip: self.round_trip,
        }
    }
}

impl Line {
    /// What an RTP packet carries; `None` if that was not agreed on.
    fn kind(&self, packet: &Packet, bytes: &[u8]) -> Option<Kind> {
        if packet.payload_type == self.stream.payload {
            return Some(Kind::Audio(self.stream.codec));
        }
        if Some(packet.payload_type) == self.stream.digits {
            let event = Event::read(&bytes[packet.payload.clone()])?;
            return Some(Kind::Event { event, fresh: true });
        }
        None
    }

    /// Where the peer said it wants RTCP, or where it wants it if it said nothing (RFC 3605, RFC 3550 §11).
    fn rtcp_named(&self) -> Option<SocketAddr> {
        self.stream.remote_rtcp.or_else(|| port_after(self.stream.remote))
    }

    fn rtcp_target(&self) -> Option<SocketAddr> {
        let named = || match self.latch.found_elsewhere() {
            Some(rtp) => port_after(rtp),
            None => self.rtcp_named(),
        };
        let target = self.rtcp_source.or_else(named)?;
        (target.port() != 0 && !target.ip().is_unspecified() && !target.ip().is_multicast()).then_some(target)
    }
}

fn port_after(rtp: SocketAddr) -> Option<SocketAddr> {
    rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port))
}

fn decoder(codec: Codec) -> fn(u8) -> i16 {
    match codec {
        Codec::Pcmu => g711::ulaw_decode,
        Codec::Pcma => g711::alaw_decode,
    }
}

fn encoder(codec: Codec) -> fn(i16) -> u8 {
    match codec {
        Codec::Pcmu => g711::ulaw_encode,
        Codec::Pcma => g711::alaw_encode,
    }
}

fn translate(payload: &mut [u8], table: impl Fn(u8) -> u8) {
    for byte in payload {
        *byte = table(*byte);
    }
}

/// A name that says nothing of us and is not used twice: 96 bits in base64 (RFC 7022 §4.2, §5).
fn cname(dice: &mut Dice) -> [u8; 16] {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array::from_fn(|_| LETTERS[(dice.u32() >> 26) as usize])
}

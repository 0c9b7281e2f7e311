//! All legs of one worker, behind the one front door of this room.
//!
//! Contract: after each `command`, `packet` or `handle_timeout` drain [`Deck::poll_event`] and [`Deck::poll_freed`] until
//! `None`, then call `handle_timeout` no later than [`Deck::poll_timeout`]. What is to be sent goes straight into the
//! [`Sink`] that the call was given: no packet is stored here.

use super::dice::Dice;
use super::leg::{Leg, Verdict};
use super::player::Player;
use super::wheel::Wheel;
use super::{Command, Event, Library, OpenFailure, Settings, Stream};
use crate::ids::LegId;
use crate::time::{Duration, Time};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// The place of a leg in its deck: small and dense, so that the driver can keep the sockets in a table with the same index.
/// Given out again after [`Deck::poll_freed`] said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// Which socket of a leg's pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    Rtp,
    Rtcp,
}

/// Where packets go: the leg's socket of the named port, to be sent to `to` as they are.
pub trait Sink {
    fn send(&mut self, slot: Slot, port: Port, to: SocketAddr, packet: &[u8]);
}

/// What the deck did since it was made (`packets_*`, only ever growing) and holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// RTP packets from the right address.
    pub packets_received: u64,
    /// RTP packets given to the sink.
    pub packets_sent: u64,
    /// RTP packets that peers sent and that never came (RFC 3550 A.3); counted with each RTCP report.
    pub packets_lost: u64,
    /// RTP and RTCP packets from an address that is not the peer's, and those for a leg that is not configured.
    pub packets_foreign: u64,
    /// Packets that are neither RTP nor RTCP, or of a payload that was not agreed on.
    pub packets_malformed: u64,
    pub legs: u32,
    /// Legs to which a sound is played.
    pub playing: u32,
}

/// See the module's documentation.
pub struct Deck {
    library: Arc<Library>,
    settings: Settings,
    dice: Dice,
    legs: Vec<Option<Leg>>,
    by_id: HashMap<LegId, Slot>,
    /// Slots that may be given out again.
    free: Vec<Slot>,
    /// Slots that the driver was not told of yet.
    freed: VecDeque<Slot>,
    wheel: Wheel,
    events: VecDeque<Event>,
    counters: Counters,
}

/// Events that one packet or a turn of the wheel makes without memory being asked for; more are possible.
const EVENTS_USUAL: usize = 256;

/// How long a key is heard that the peer of the other leg pressed: how long they hold it is not known when it begins.
const KEY: Duration = Duration::from_millis(120);

/// What a leg waits for. Its key in the wheel is four times the slot and this.
#[derive(Clone, Copy)]
enum Timer {
    /// The next packet of what plays.
    Tick,
    /// The next packet of a key.
    Key,
    /// RTCP.
    Report,
    Silence,
}

impl Deck {
    /// `seed` must be unpredictable in production (RFC 3550 §5.1: SSRC, first sequence number and timestamp are drawn from it).
    pub fn new(library: Arc<Library>, settings: Settings, seed: u64) -> Deck {
        Deck {
            library,
            settings,
            dice: Dice::new(seed),
            legs: Vec::new(),
            by_id: HashMap::new(),
            free: Vec::new(),
            freed: VecDeque::new(),
            wheel: Wheel::new(),
            events: VecDeque::with_capacity(EVENTS_USUAL),
            counters: Counters::default(),
        }
    }

    /// A new leg whose sockets the driver has bound; the driver says `Event::Opened` itself. It neither sends nor hears anything
    /// before `Command::Configure`. `Err(Full)` at `Settings::legs_max`; `Err(Refused)` if the leg is open already.
    pub fn open(&mut self, now: Time, leg: LegId) -> Result<Slot, OpenFailure> {
        if self.by_id.contains_key(&leg) {
            return Err(OpenFailure::Refused);
        }
        if self.by_id.len() >= self.settings.legs_max as usize {
            return Err(OpenFailure::Full);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.legs.push(None);
            Slot(self.legs.len() as u32 - 1)
        });
        self.legs[slot.0 as usize] = Some(Leg::new(now, leg, slot, &mut self.dice));
        self.by_id.insert(leg, slot);
        self.counters.legs += 1;
        Ok(slot)
    }

    /// Everything but `Command::Open`, which is the driver's: it binds the sockets and calls [`Deck::open`]. A command for a leg that
    /// is not open changes nothing.
    pub fn command(&mut self, now: Time, command: Command, out: &mut impl Sink) {
        match command {
            Command::Open { .. } => {}
            Command::Configure { leg, stream } => self.configure(now, leg, stream),
            Command::Play { leg, play, sounds, repeat } => {
                if let Some(slot) = self.slot(leg) {
                    let player = Player::new(&self.library, play, sounds, repeat);
                    self.play(now, slot, player);
                }
            }
            Command::Stop { leg } => {
                if let Some(slot) = self.slot(leg) {
                    self.stop(slot);
                }
            }
            Command::Bridge { a, b } => {
                if let (Some(a), Some(b)) = (self.slot(a), self.slot(b))
                    && a != b
                {
                    for leg in [a, b] {
                        self.unbridge(leg);
                        self.stop(leg);
                    }
                    self.leg(a).bridge(Some(b));
                    self.leg(b).bridge(Some(a));
                }
            }
            Command::Unbridge { a, b } => {
                if let (Some(a), Some(b)) = (self.slot(a), self.slot(b))
                    && self.leg(a).bridged == Some(b)
                {
                    self.unbridge(a);
                }
            }
            Command::SendDigit { leg, digit, duration } => {
                if let Some(slot) = self.slot(leg)
                    && self.leg(slot).press(digit, duration)
                {
                    self.arm(now, slot, Timer::Key, now);
                }
            }
            Command::Close { leg } => self.close(now, leg, out),
        }
    }

    /// One datagram that came to a leg's socket. It may be changed in place, and is of no use afterwards.
    pub fn packet(
        &mut self,
        now: Time,
        slot: Slot,
        port: Port,
        from: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Sink,
    ) {
        let Some(leg) = self.legs.get_mut(slot.0 as usize).and_then(Option::as_mut) else {
            self.counters.packets_foreign += 1;
            return;
        };
        let verdict = match port {
            Port::Rtp => leg.hear(now, from, packet, self.settings.latch_window),
            Port::Rtcp => leg.control(now, from, packet),
        };
        let heard = match verdict {
            Verdict::Foreign => {
                self.counters.packets_foreign += 1;
                return;
            }
            Verdict::Malformed => {
                self.counters.packets_malformed += 1;
                return;
            }
            Verdict::Unheard => None,
            Verdict::Heard(heard) => Some(heard),
        };
        if port == Port::Rtcp {
            return;
        }
        self.counters.packets_received += 1;
        if std::mem::take(&mut leg.silence_told) {
            self.arm(now, slot, Timer::Silence, now + self.settings.silence_limit);
        }
        let Some(heard) = heard else { return };
        let leg = self.leg(slot);
        let (id, bridged) = (leg.id, leg.bridged);
        for digit in heard.keys.into_iter().flatten() {
            self.events.push_back(Event::Digit { leg: id, digit });
        }
        if let Some(other) = bridged {
            let leg = self.leg(other);
            // Who knows of no events hears the key as tones.
            let mut begins = false;
            if !leg.takes_events() {
                heard.events().for_each(|key| begins |= leg.press(key, KEY));
            }
            if begins {
                self.arm(now, other, Timer::Key, now);
            }
            let leg = self.legs[other.0 as usize].as_mut().expect("a bridge ends with either of its legs");
            leg.relay(now, slot, heard, packet, &mut Tally { out, sent: &mut self.counters.packets_sent });
        }
    }

    pub fn handle_timeout(&mut self, now: Time, out: &mut impl Sink) {
        while let Some((key, due)) = self.wheel.pop(now) {
            let (slot, timer) = timer_of(key);
            let leg = self.legs[slot.0 as usize].as_mut().expect("timers end with their leg");
            let out = &mut Tally { out, sent: &mut self.counters.packets_sent };
            let next = match timer {
                Timer::Tick => {
                    let next = leg.tick(now, due, out);
                    if next.is_none() {
                        self.played(slot);
                    }
                    next
                }
                Timer::Key => leg.key_tick(now, due, out),
                Timer::Report => {
                    leg.report(now, false, out);
                    self.count_lost(slot);
                    Some(now + self.report_interval())
                }
                Timer::Silence => {
                    let limit = leg.heard_at + self.settings.silence_limit;
                    if limit <= now {
                        leg.silence_told = true;
                        self.events.push_back(Event::Silent { leg: leg.id, since: leg.heard_at });
                    }
                    (limit > now).then_some(limit)
                }
            };
            if let Some(next) = next {
                self.arm(now, slot, timer, next);
            }
        }
    }

    /// When `handle_timeout` is next wanted; may be earlier than there is something to do, never later.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.wheel.next()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A slot whose leg is closed and whose last packet is sent: its sockets may be closed and its index is given out again.
    pub fn poll_freed(&mut self) -> Option<Slot> {
        let slot = self.freed.pop_front()?;
        self.free.push(slot);
        Some(slot)
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn configure(&mut self, now: Time, leg: LegId, stream: Stream) {
        let Some(slot) = self.slot(leg) else { return };
        let limit = self.settings.silence_limit;
        let expected_anew = self.leg(slot).configure(now, stream);
        if !self.leg(slot).expects() {
            self.wheel.cancel(timer_key(slot, Timer::Silence));
        } else if expected_anew && !limit.is_zero() {
            self.arm(now, slot, Timer::Silence, now + limit);
        }
        if !self.wheel.is_armed(timer_key(slot, Timer::Report)) {
            // The first report comes after half the time (RFC 3550 §6.2).
            let first = now + self.report_interval() / 2;
            self.arm(now, slot, Timer::Report, first);
        }
    }

    fn play(&mut self, now: Time, slot: Slot, player: Player) {
        self.stop(slot);
        let over = player.is_over();
        let leg = self.leg(slot);
        leg.play(Some(player));
        // Each slot has its own millisecond within the length of a packet, so that a crowd that began at once is spread evenly.
        let (ptime, millis) = (leg.ptime().as_millis() as u64, now.as_micros().div_ceil(1000));
        let wait = (u64::from(slot.0) + ptime - millis % ptime) % ptime;
        self.counters.playing += 1;
        if over {
            self.played(slot);
        } else {
            self.arm(now, slot, Timer::Tick, Time::from_micros((millis + wait) * 1000));
        }
    }

    /// What played is over: say so.
    fn played(&mut self, slot: Slot) {
        let leg = self.leg(slot);
        let id = leg.id;
        let player = leg.player.take();
        leg.play(None);
        if let Some(player) = player {
            self.counters.playing -= 1;
            self.events.push_back(Event::Played { leg: id, play: player.play, missing: player.missing });
        }
    }

    /// What plays stops, and nothing is said.
    fn stop(&mut self, slot: Slot) {
        if self.leg(slot).player.is_some() {
            self.leg(slot).play(None);
            self.wheel.cancel(timer_key(slot, Timer::Tick));
            self.counters.playing -= 1;
        }
    }

    fn unbridge(&mut self, slot: Slot) {
        if let Some(other) = self.leg(slot).bridged {
            self.leg(slot).bridge(None);
            self.leg(other).bridge(None);
        }
    }

    fn close(&mut self, now: Time, id: LegId, out: &mut impl Sink) {
        let Some(slot) = self.slot(id) else { return };
        self.leg(slot).report(now, true, out);
        self.count_lost(slot);
        self.stop(slot);
        self.unbridge(slot);
        for timer in [Timer::Tick, Timer::Key, Timer::Report, Timer::Silence] {
            self.wheel.cancel(timer_key(slot, timer));
        }
        let quality = self.leg(slot).quality();
        self.legs[slot.0 as usize] = None;
        self.by_id.remove(&id);
        self.counters.legs -= 1;
        self.freed.push_back(slot);
        self.events.push_back(Event::Closed { leg: id, quality });
    }

    /// Late packets can make a leg's loss smaller again; what is counted stays counted.
    fn count_lost(&mut self, slot: Slot) {
        let leg = self.leg(slot);
        let lost = leg.quality().packets_lost;
        let more = lost.saturating_sub(leg.lost_counted);
        leg.lost_counted += more;
        self.counters.packets_lost += more;
    }

    /// Drawn evenly between half and one and a half of the mean (RFC 3550 §6.3.1), so that legs do not report in step.
    fn report_interval(&mut self) -> Duration {
        self.settings.rtcp_interval.max(Duration::from_secs(1)).mul_f64(0.5 + self.dice.unit())
    }

    fn arm(&mut self, now: Time, slot: Slot, timer: Timer, due: Time) {
        self.wheel.arm(now, timer_key(slot, timer), due);
    }

    fn slot(&self, leg: LegId) -> Option<Slot> {
        self.by_id.get(&leg).copied()
    }

    fn leg(&mut self, slot: Slot) -> &mut Leg {
        self.legs[slot.0 as usize].as_mut().expect("slots of open legs are kept only as long as the leg is")
    }
}

fn timer_key(slot: Slot, timer: Timer) -> u32 {
    slot.0 * 4 + timer as u32
}

fn timer_of(key: u32) -> (Slot, Timer) {
    (Slot(key / 4), [Timer::Tick, Timer::Key, Timer::Report, Timer::Silence][key as usize % 4])
}

/// Counts the RTP packets on their way out.
struct Tally<'a, S> {
    out: &'a mut S,
    sent: &'a mut u64,
}

impl<S: Sink> Sink for Tally<'_, S> {
    fn send(&mut self, slot: Slot, port: Port, to: SocketAddr, packet: &[u8]) {
        *self.sent += u64::from(port == Port::Rtp);
        self.out.send(slot, port, to, packet);
    }
}

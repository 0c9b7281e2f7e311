//! What each leg hears: plays prompts and music, collects digits, bridges two legs, notices silence.
//!
//! Pure: the workers in `edge` own the sockets and hand packets and ticks in.
//! [`Command`] and [`Event`] are the only language between call control and media.

pub mod deck;
pub mod library;
pub mod settings;

mod dice;
mod ears;
mod incoming;
mod latch;
mod leg;
mod outgoing;
mod player;
mod ringback;
#[cfg(test)]
mod tests;
mod wheel;

pub use deck::{Counters, Deck, Port, Sink, Slot};
pub use library::{Encoded, Library};
pub use ringback::Ringback;
pub use settings::Settings;

use crate::ids::{CallId, LegId};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A codec we can send and receive (RFC 3551 names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    Pcmu,
    Pcma,
}

/// RFC 3264 §6.1, from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// What offer and answer agreed on for one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Where the peer said it wants RTP.
    pub remote: SocketAddr,
    /// Where the peer wants RTCP; `None` when it said nothing usable.
    pub remote_rtcp: Option<SocketAddr>,
    pub codec: Codec,
    /// The payload number agreed for `codec`.
    pub payload: u8,
    /// The payload number agreed for telephone-event/8000; `None`: keys come as tones, or by SIP INFO, and go out as tones.
    pub digits: Option<u8>,
    /// Packet length the peer wants, 10–60 ms.
    pub ptime: Duration,
    pub direction: Direction,
}

/// A recorded sound: a prompt in a language or a piece of music, by its name in the sound library.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sound {
    /// For example `welcome`, `digits/7`, `music/calm`, `tone/ringback`.
    pub name: String,
    /// For example `en`; empty for music and tones.
    pub language: String,
}

/// Names one `Play` of one leg, so that a late `Played` cannot be taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlayId(pub u64);

/// From call control to the media worker that owns the call. Commands of one call arrive in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Bind a port pair for a new leg. Answered by `Opened` or `OpenFailed`. All legs that name the same `call` live on one
    /// worker and can be bridged; who may join two calls names the first for both.
    Open { call: CallId, leg: LegId, local: IpAddr },
    /// Use this stream from now on. Sent again after each offer/answer; a changed `remote` allows one new latch.
    Configure { leg: LegId, stream: Stream },
    /// Play these sounds one after the other, then answer `Played`; a new `Play` replaces the old one. `repeat` plays the list for ever
    /// (music). Nothing is sent before the leg is configured or while its direction forbids it; time still passes. A bridged leg hears
    /// the sounds instead of the other leg until they end.
    Play { leg: LegId, play: PlayId, sounds: Vec<Sound>, repeat: bool },
    /// Stop what is played; no `Played` follows.
    Stop { leg: LegId },
    /// Both legs hear each other from now on; what was played to them stops, and bridges that one of them was in are undone.
    Bridge { a: LegId, b: LegId },
    /// The legs hear silence again. Nothing happens if they are not bridged with each other.
    Unbridge { a: LegId, b: LegId },
    /// Send one digit after those that are still to be sent: by telephone-event if the peer agreed to it, else as tones.
    SendDigit { leg: LegId, digit: char, duration: Duration },
    /// The leg is over: answer `Closed`, free the ports.
    Close { leg: LegId },
}

/// From media to call control.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Opened {
        leg: LegId,
        rtp: SocketAddr,
    },
    OpenFailed {
        leg: LegId,
        reason: OpenFailure,
    },
    /// A key was pressed (reported once, at its start; a tone after 32 ms of it) — `0`–`9`, `*`, `#`, `A`–`D`.
    Digit {
        leg: LegId,
        digit: char,
    },
    /// All sounds of this `Play` that exist were heard to the end; sent at once, also for `repeat`, when none of them exists.
    Played {
        leg: LegId,
        play: PlayId,
        missing: Vec<Sound>,
    },
    /// No RTP came for the configured time although the peer should be sending: nobody is on hold. Said once per silence.
    Silent {
        leg: LegId,
        since: Time,
    },
    Closed {
        leg: LegId,
        quality: Quality,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFailure {
    /// Every port of the configured range is in use.
    NoPort,
    /// The system refused the socket (address not ours, out of files), or the leg is open already.
    Refused,
    /// The worker's leg table is full.
    Full,
}

/// What one leg's media was like, at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub packets_received: u64,
    pub packets_sent: u64,
    /// RFC 3550 §6.4.1 cumulative loss, never negative.
    pub packets_lost: u64,
    /// Packets dropped because they came from an address that is not the peer's.
    pub packets_foreign: u64,
    /// RFC 3550 §6.4.1 interarrival jitter at the end.
    pub jitter: Duration,
    /// Round trip from the last RTCP report block; `None` if the peer never reported.
    pub round_trip: Option<Duration>,
}

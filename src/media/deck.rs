//! All legs of one worker, behind the one front door of this room.
//!
//! Contract: after each `command`, `packet` or `handle_timeout` drain [`Deck::poll_event`] and [`Deck::poll_freed`] until
//! `None`, then call `handle_timeout` no later than [`Deck::poll_timeout`]. What is to be sent goes straight into the
//! [`Sink`] that the call was given: no packet is stored here.

use super::{Command, Event, Library, OpenFailure, Settings};
use crate::ids::LegId;
use crate::time::Time;
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
    counters: Counters,
}

impl Deck {
    /// `seed` must be unpredictable in production (RFC 3550 §5.1: SSRC, first sequence number and timestamp are drawn from it).
    pub fn new(library: Arc<Library>, settings: Settings, seed: u64) -> Deck {
        let _ = seed;
        Deck { library, settings, counters: Counters::default() }
    }

    /// A new leg whose sockets the driver has bound; the driver says `Event::Opened` itself. It neither sends nor hears anything
    /// before `Command::Configure`. `Err(Full)` at `Settings::legs_max`; `Err(Refused)` if the leg is open already.
    pub fn open(&mut self, now: Time, leg: LegId) -> Result<Slot, OpenFailure> {
        let _ = (now, leg, &self.settings, &self.library);
        Err(OpenFailure::Full)
    }

    /// Everything but `Command::Open`, which is the driver's: it binds the sockets and calls [`Deck::open`]. A command for a leg that
    /// is not open changes nothing.
    pub fn command(&mut self, now: Time, command: Command, out: &mut impl Sink) {
        let _ = (now, command, out);
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
        let _ = (now, slot, port, from, packet, out);
    }

    pub fn handle_timeout(&mut self, now: Time, out: &mut impl Sink) {
        let _ = (now, out);
    }

    /// When `handle_timeout` is next wanted; may be earlier than there is something to do, never later.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// A slot whose leg is closed and whose last packet is sent: its sockets may be closed and its index is given out again.
    pub fn poll_freed(&mut self) -> Option<Slot> {
        None
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }
}

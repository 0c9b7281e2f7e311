//! Media without sound: opens ports that do not exist, and finishes prompts after the time they would take.

use crate::ids::{CallId, LegId};
use crate::media::{Command, Event, PlayId, Quality, Sound};
use crate::time::{Duration, Time};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// How long each prompt lasts here.
pub const PROMPT: Duration = Duration::from_secs(2);

/// How long a leg says nothing until that is told.
pub const SILENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub struct FakeMedia {
    legs: BTreeMap<LegId, Leg>,
    by_port: BTreeMap<u16, LegId>,
    next_port: u16,
}

struct Leg {
    port: u16,
    /// Only legs of one group can be bridged.
    group: CallId,
    playing: Option<PlayId>,
    /// What is played to it.
    sounds: Vec<Sound>,
    bridged: Option<LegId>,
}

impl FakeMedia {
    /// Carries out a command; what it answers comes at the given time.
    pub fn command(&mut self, now: Time, command: Command) -> Option<(Time, Event)> {
        let soon = now + Duration::from_micros(100);
        match command {
            Command::Open { call: group, leg, local } => {
                while self.next_port < 20_000 || self.by_port.contains_key(&self.next_port) {
                    self.next_port = if self.next_port < 20_000 { 20_000 } else { self.next_port.wrapping_add(2) };
                }
                let port = self.next_port;
                self.next_port = port.wrapping_add(2);
                self.by_port.insert(port, leg);
                self.legs.insert(leg, Leg { port, group, playing: None, sounds: Vec::new(), bridged: None });
                Some((soon, Event::Opened { leg, rtp: SocketAddr::new(local, port) }))
            }
            Command::Play { leg, play, sounds, repeat } => {
                let l = self.legs.get_mut(&leg)?;
                l.playing = (!repeat).then_some(play);
                let length = PROMPT * u32::try_from(sounds.len()).unwrap_or(u32::MAX);
                l.sounds = sounds;
                (!repeat).then_some((now + length, Event::Played { leg, play, missing: Vec::new() }))
            }
            Command::Stop { leg } => {
                let l = self.legs.get_mut(&leg)?;
                l.playing = None;
                l.sounds.clear();
                None
            }
            Command::Bridge { a, b } => {
                let group = |leg| self.legs.get(&leg).map(|leg| leg.group);
                assert_eq!(group(a), group(b), "{a} and {b} are on different workers");
                for (leg, other) in [(a, b), (b, a)] {
                    let l = self.legs.get_mut(&leg)?;
                    assert!(l.bridged.is_none_or(|o| o == other), "{leg} is bridged with {:?} and {other}", l.bridged);
                    l.playing = None;
                    l.sounds.clear();
                    l.bridged = Some(other);
                }
                None
            }
            Command::Unbridge { a, b } => {
                for leg in [a, b] {
                    if let Some(l) = self.legs.get_mut(&leg) {
                        l.bridged = None;
                    }
                }
                None
            }
            Command::Close { leg } => {
                let gone = self.legs.remove(&leg)?;
                self.by_port.remove(&gone.port);
                if let Some(other) = gone.bridged.and_then(|other| self.legs.get_mut(&other)) {
                    other.bridged = None;
                }
                Some((soon, Event::Closed { leg, quality: Quality::default() }))
            }
            Command::Configure { .. } | Command::SendDigit { .. } => None,
        }
    }

    /// Whether what was promised is still so when its time comes: a stopped prompt is not heard to its end.
    pub fn still_true(&mut self, event: &Event) -> bool {
        match event {
            Event::Played { leg, play, .. } => match self.legs.get_mut(leg) {
                Some(l) if l.playing == Some(*play) => {
                    l.playing = None;
                    l.sounds.clear();
                    true
                }
                _ => false,
            },
            _ => true,
        }
    }

    /// The leg that listens at an address of ours.
    pub fn leg_at(&self, address: SocketAddr) -> Option<LegId> {
        self.by_port.get(&address.port()).copied()
    }

    pub fn is_open(&self, leg: LegId) -> bool {
        self.legs.contains_key(&leg)
    }

    /// The leg that hears this one, if both are in a talk.
    pub fn partner(&self, leg: LegId) -> Option<LegId> {
        self.legs.get(&leg)?.bridged
    }

    /// Everything that plays on any leg.
    pub fn playing(&self) -> Vec<&Sound> {
        self.legs.values().flat_map(|leg| &leg.sounds).collect()
    }

    pub fn open_legs(&self) -> usize {
        self.legs.len()
    }
}

/// A simulated switchboard's own address.
pub fn switchboard() -> SocketAddr {
    SocketAddr::new(IpAddr::from([10, 0, 0, 1]), 5060)
}

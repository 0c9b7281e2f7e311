//! Whether a fold decides as it was decided then: with each event stands the digest of all decisions up to it.

use super::Fold;
use crate::acd::Digest;
use crate::time::Time;
use serde::Serialize;

/// So much of an event is told.
const TOLD_MAX: usize = 300;

/// What was compared so far. Each event by itself: after one that was decided otherwise the fold goes on from the digest that was
/// noted, so the next is only found if it differs too.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The state has the digest that was noted last, or that of a snapshot.
    is_known: bool,
    compared: u64,
    otherwise: Option<Box<Otherwise>>,
}

/// Events that were decided otherwise when they happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otherwise {
    /// How many.
    pub events: u64,
    /// The first: its number, when it was, and as it stands in the journal.
    pub first: u64,
    pub at: Time,
    pub event: String,
    /// The digest after it, as it was then.
    pub noted: Digest,
}

impl Comparison {
    /// The next event is folded into this state: a snapshot's.
    pub fn go_on_from<F: Fold>(&mut self, state: &F) {
        self.is_known = state.digest().is_some();
    }

    /// To be told of each event when it was folded into this state, and nothing after it. False: it was decided otherwise.
    pub fn folded<F: Fold>(&mut self, seq: u64, event: &F::Event, state: &mut F) -> bool {
        // Without one it was written by a version that noted none, and what the next one began with is not known.
        let Some(noted) = F::noted(event) else {
            self.is_known = false;
            return true;
        };
        let was_known = std::mem::replace(&mut self.is_known, true);
        self.compared += u64::from(was_known);
        let folded = state.digest();
        if folded == Some(noted) {
            return true;
        }
        state.go_on_from(noted);
        if was_known {
            let first = || Box::new(Otherwise { events: 0, first: seq, at: F::at(event), event: told(event), noted });
            self.otherwise.get_or_insert_with(first).events += 1;
        }
        !was_known
    }

    /// Events that were compared.
    pub fn compared(&self) -> u64 {
        self.compared
    }

    pub fn otherwise(&self) -> Option<&Otherwise> {
        self.otherwise.as_deref()
    }
}

fn told<E: Serialize>(event: &E) -> String {
    let mut told = serde_json::to_string(event).unwrap_or_default();
    if told.len() > TOLD_MAX {
        told.truncate(told.floor_char_boundary(TOLD_MAX));
        told.push('…');
    }
    told
}

impl std::fmt::Display for Otherwise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Otherwise { events, first, at, event, noted } = self;
        let were = if *events == 1 { "event was" } else { "events were" };
        write!(
            f,
            "{events} {were} decided otherwise then than this program does, the first event {first} at {at}: {event}"
        )?;
        write!(f, " (digest {noted})")
    }
}

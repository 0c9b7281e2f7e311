//! The journal: what happened in the queues, kept on disk, so that a restart knows it and so that it can be asked about.
//!
//! A fold ([`Fold`]) changes through events and nothing else. Each event is written as one line into the folder `journal` of
//! the data folder; now and then the whole state is, as a snapshot. The newest good snapshot and the events after it give
//! the state back; an older one gives it as it was then.
//!
//! The engine's thread never waits for the disk: it hands each event over ([`Teller`]) and goes on. A thread of the journal's
//! own folds the same events into a state of its own (so that a snapshot costs the engine nothing), and writes them.
//!
//! | what happens | what is lost |
//! |---|---|
//! | the process is killed | what the journal's thread had not taken yet: some milliseconds |
//! | the machine loses its power | what was not flushed yet: 100 ms ([`writer::FLUSH_EVERY`]), more on a disk that is slower |
//! | the disk is too slow for all that comes | events, counted and said; the next snapshot is right again |
//! | the disk is full | nothing, until the room that is kept ahead ([`room::RESERVE`]) is used up; then the same |
//! | the disk is broken, or full for that long | the same, until it takes a snapshot again |
//! | bytes on the disk change | what follows them up to the next snapshot; found by checksums, said, and put aside |
//!
//! Who looks back is told when nothing is known: each file says how often something is written at least ([`BEAT`]), and whether and
//! since when events are missing before it ([`Lost`]); a run says as of when it ended what was up
//! ([`WasDown`](acd::Change::WasDown)).
//!
//! | file | holds |
//! |---|---|
//! | `format` | one line ⇄ bytes |
//! | `folder` | the files: names, writing, putting aside, removing |
//! | `room` | room on the disk that is kept ahead |
//! | `reader` | folding what is there |
//! | `compare` | whether a fold decides as it was decided then |
//! | `doubt` | why something may not have been as it is told |
//! | `writer` | what is written when, and what is done when that fails |
//! | `teller` | between the engine's thread and the journal's |

mod compare;
pub mod doubt;
mod folder;
pub(super) mod format;
mod reader;
pub(super) mod room;
mod teller;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
mod writer;

pub use compare::{Comparison, Otherwise};
pub use folder::{Folder, Keep};
pub use format::{Damage, Lost};
pub use reader::{End, Replay, begin, recover, search};
pub use teller::{EVENTS_MAX, Teller, run, start};
pub use writer::Writer;

use crate::acd::{self, Acd, Digest, Noted};
use crate::time::{Duration, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// The service tells the journal something so often at least, so that who looks back knows when none ran.
pub const BEAT: Duration = Duration::from_secs(5);

/// Where the journal is.
pub fn folder(data: &Path) -> PathBuf {
    data.join("journal")
}

/// What is said of a folder without one.
pub fn none(folder: &Path) -> anyhow::Error {
    let folder = folder.display();
    anyhow::anyhow!("there is no journal in {folder}; `--config FILE` names other settings than those of this folder")
}

/// A state that changes only through events, and in the same way each time.
pub trait Fold: Clone + Send + 'static {
    type Event: Serialize + DeserializeOwned + Send + 'static;
    type Snapshot: Serialize + DeserializeOwned;

    fn apply(&mut self, event: &Self::Event);

    /// When it happened.
    fn at(event: &Self::Event) -> Time;

    /// Of all that was decided so far; `None`: nothing is decided here, or nobody knows.
    fn digest(&self) -> Option<Digest> {
        None
    }

    /// What [`Fold::digest`] was after this event when it happened; `None`: that was not noted.
    fn noted(_: &Self::Event) -> Option<Digest> {
        None
    }

    /// As if this had been decided so far.
    fn go_on_from(&mut self, _: Digest) {}

    fn snapshot(&self) -> Self::Snapshot;

    /// # Errors
    ///
    /// It is none that [`Fold::snapshot`] could have given; in words.
    fn restore(snapshot: Self::Snapshot) -> Result<Self, String>;
}

/// The queues.
impl Fold for Acd {
    type Event = Noted;
    type Snapshot = acd::Snapshot;

    fn apply(&mut self, noted: &Noted) {
        Acd::apply(self, &noted.event);
        // Carried out by the engine, or then.
        while self.poll_decision().is_some() {}
    }

    fn at(noted: &Noted) -> Time {
        noted.event.at
    }

    fn digest(&self) -> Option<Digest> {
        Acd::digest(self)
    }

    fn noted(noted: &Noted) -> Option<Digest> {
        noted.digest
    }

    fn go_on_from(&mut self, digest: Digest) {
        Acd::go_on_from(self, digest);
    }

    fn snapshot(&self) -> acd::Snapshot {
        Acd::snapshot(self)
    }

    fn restore(snapshot: acd::Snapshot) -> Result<Acd, String> {
        Acd::restore(snapshot)
    }
}

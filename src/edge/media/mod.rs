//! Media workers: threads that own the media sockets, each with the [`Deck`] of its calls.
//!
//! [`Workers`] is how call control reaches them: commands in, events out, no lock, and nothing here ever waits for a
//! worker. A worker never waits for control either. All legs of a call are on one worker, so no packet crosses threads; nor
//! are calls apart that somebody may join: they name the same call when their legs are opened. That is the whole cost of a
//! transfer: an agent who dials while in a call adds a leg or two to a worker that may not be the emptiest.

mod ports;
mod queue;
#[cfg(test)]
mod tests;
mod worker;

pub use ports::PortRange;
pub use worker::Counts;

use crate::edge::Clock;
use crate::ids::{CallId, LegId};
use crate::media::{self, Command, Deck, Event, Library, OpenFailure, Quality};
use ports::Ports;
use queue::{Refusal, Sender};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use worker::{Shared, Worker};

/// How many workers, and what each may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Threads; 0: one per core. Each gets its share of `ports`.
    pub workers: usize,
    pub ports: PortRange,
    /// Commands that may wait for one worker. When half of them wait, no new leg is taken.
    pub commands_max: usize,
    pub media: media::Settings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { workers: 0, ports: PortRange::default(), commands_max: 4096, media: media::Settings::default() }
    }
}

/// All workers, seen from call control. Dropping it ends the threads and closes their sockets, without further events.
#[derive(Debug)]
pub struct Workers {
    handles: Vec<Handle>,
    legs: HashMap<LegId, Place>,
    calls: HashMap<CallId, Share>,
    failed: mpsc::Receiver<LegId>,
    refused: u64,
}

#[derive(Debug)]
struct Handle {
    commands: Sender,
    /// Legs placed here.
    legs: usize,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    worker: usize,
    call: CallId,
}

/// A call's worker, and how many of its legs are there.
#[derive(Clone, Copy, Debug)]
struct Share {
    worker: usize,
    legs: usize,
}

/// The sum over all workers since the start; at most a round of a worker (normally 1 ms) old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub media: media::Counters,
    pub workers: Counts,
    /// Commands that did not get in, because a worker's queue was full or its thread was gone.
    pub commands_refused: u64,
}

impl Workers {
    /// Starts the threads, and raises the process's limit of open files to what the ports need.
    ///
    /// `events` is called on them for each event and must not block; it gives the event back when control has no room just
    /// now, and the worker keeps it, in order, and asks again some milliseconds later.
    /// For a bounded channel: `move |event| tx.try_send(event).map_err(…)`.
    pub fn start<E>(settings: &Settings, library: Arc<Library>, clock: Clock, events: E) -> io::Result<Workers>
    where
        E: Fn(Event) -> Result<(), Event> + Clone + Send + 'static,
    {
        let count = match settings.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        ports::allow_open_files(settings.ports);
        let (failed_tx, failed) = mpsc::channel();
        let mut workers =
            Workers { handles: Vec::new(), legs: HashMap::new(), calls: HashMap::new(), failed, refused: 0 };
        for (n, ports) in Ports::share(settings.ports, count, seed()?).into_iter().enumerate() {
            let (commands, receiver) = queue::queue(settings.commands_max)?;
            let shared = Arc::new(Shared::default());
            let deck = Deck::new(library.clone(), settings.media.clone(), seed()?);
            let worker = Worker::new(deck, ports, receiver, clock, events.clone(), failed_tx.clone(), shared.clone())?;
            let thread = std::thread::Builder::new().name(format!("media-{n}")).spawn(move || worker.run())?;
            workers.handles.push(Handle { commands, legs: 0, shared, thread: Some(thread) });
        }
        Ok(workers)
    }

    /// Gives a command to the worker of its leg; a call's first leg goes to the worker with the fewest legs.
    ///
    /// Never blocks. What is returned is the answer where no worker can give it: `OpenFailed` with `Full` when the worker's
    /// queue is half full or with `Refused` when its thread is gone, and then `Closed` for its legs. Other commands that do not
    /// get in are logged and counted; `Close` always gets in. A command for a leg that is not open is ignored.
    #[must_use = "an answer that no worker will give"]
    pub fn send(&mut self, command: Command) -> Option<Event> {
        while let Ok(leg) = self.failed.try_recv() {
            self.forget(leg);
        }
        match command {
            Command::Open { call, leg, .. } => self.open(call, leg, command),
            Command::Close { leg } => self.close(leg, command),
            Command::Bridge { a, b } if !self.share_worker(a, b) => {
                // Each worker has only its own calls' legs.
                tracing::error!(%a, %b, "legs of different workers cannot be bridged");
                self.refused += 1;
                None
            }
            Command::Configure { leg, .. }
            | Command::Play { leg, .. }
            | Command::Stop { leg }
            | Command::Bridge { a: leg, .. }
            | Command::Unbridge { a: leg, .. }
            | Command::SendDigit { leg, .. } => {
                let place = *self.legs.get(&leg)?;
                if let Err(refusal) = self.handles[place.worker].commands.send(command) {
                    tracing::error!(%leg, ?refusal, "a media command is lost");
                    self.refused += 1;
                }
                None
            }
        }
    }

    fn open(&mut self, call: CallId, leg: LegId, command: Command) -> Option<Event> {
        let worker = match self.calls.get(&call) {
            Some(share) => share.worker,
            None => self.least_loaded(),
        };
        let reason = match self.legs.entry(leg) {
            Entry::Occupied(_) => {
                tracing::error!(%leg, "this leg is open already");
                return None;
            }
            Entry::Vacant(vacant) => match self.handles[worker].commands.send(command) {
                Ok(()) => {
                    vacant.insert(Place { worker, call });
                    self.calls.entry(call).or_insert(Share { worker, legs: 0 }).legs += 1;
                    self.handles[worker].legs += 1;
                    return None;
                }
                Err(Refusal::Full) => OpenFailure::Full,
                Err(Refusal::Gone) => OpenFailure::Refused,
            },
        };
        tracing::warn!(%leg, ?reason, "a media worker takes no new leg");
        self.refused += 1;
        Some(Event::OpenFailed { leg, reason })
    }

    fn close(&mut self, leg: LegId, command: Command) -> Option<Event> {
        let place = self.forget(leg)?;
        match self.handles[place.worker].commands.send(command) {
            Ok(()) => None,
            Err(refusal) => {
                tracing::error!(%leg, ?refusal, "a leg's worker is gone");
                self.refused += 1;
                Some(Event::Closed { leg, quality: Quality::default() })
            }
        }
    }

    /// Nothing is sent to a leg after its `Close`, so it needs no place from then on.
    fn forget(&mut self, leg: LegId) -> Option<Place> {
        let place = self.legs.remove(&leg)?;
        self.handles[place.worker].legs -= 1;
        if let Entry::Occupied(mut share) = self.calls.entry(place.call) {
            share.get_mut().legs -= 1;
            if share.get().legs == 0 {
                share.remove();
            }
        }
        Some(place)
    }

    fn least_loaded(&self) -> usize {
        let workers = self.handles.iter().enumerate();
        workers.min_by_key(|(_, handle)| handle.legs).map(|(n, _)| n).expect("there is at least one worker")
    }

    /// Also true when one of them is not open: that is the worker's to ignore.
    fn share_worker(&self, a: LegId, b: LegId) -> bool {
        match (self.legs.get(&a), self.legs.get(&b)) {
            (Some(a), Some(b)) => a.worker == b.worker,
            _ => true,
        }
    }

    pub fn counters(&self) -> Counters {
        let mut sum = Counters { commands_refused: self.refused, ..Counters::default() };
        for handle in &self.handles {
            handle.shared.add_to(&mut sum);
        }
        sum
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // All are told before the first is waited for.
        for handle in &self.handles {
            handle.commands.stop();
        }
        for thread in self.handles.iter_mut().filter_map(|handle| handle.thread.take()) {
            if thread.join().is_err() {
                tracing::error!("a media worker had panicked");
            }
        }
    }
}

fn seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u64::from_ne_bytes(bytes))
}

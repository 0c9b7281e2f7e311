//! Between the engine's thread, which never waits, and the journal's, which writes.

use super::Fold;
use super::folder::Disk;
use super::writer::{Told, Writer};
use crate::edge::Clock;
use crate::edge::metrics::Journal as Metrics;
use crate::edge::throttle::Throttle;
use crate::time::{Duration, Time};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use tokio::sync::oneshot;

/// Events that may wait for the journal: at the rate of a large centre, what comes in a minute.
pub const EVENTS_MAX: usize = 1 << 16;

/// The journal looks no more often than this, because waking it costs the engine's thread more than telling it does.
const REST: Duration = Duration::from_millis(2);

/// When nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// Taken before they are written.
const BATCH: usize = 1024;

/// Lost events are said in the log no more often than this.
const LOSSES: Duration = Duration::from_secs(10);

/// What comes from the engine's end.
enum Heard<F: Fold> {
    Told(Told<F>),
    /// To be said when all before it is written: whether it is.
    Receipt(oneshot::Sender<bool>),
}

/// The engine's end.
pub struct Teller<F: Fold> {
    told: SyncSender<Heard<F>>,
    waiting: Arc<AtomicUsize>,
    places: usize,
    /// Of the last event.
    seq: u64,
    /// Events were lost, and the state was not told since.
    is_behind: bool,
    metrics: Metrics,
    losses: Throttle,
}

/// The journal's end.
pub struct Hears<F: Fold> {
    told: Receiver<Heard<F>>,
    waiting: Arc<AtomicUsize>,
}

/// The two ends of a way with so many places. `seq`: of the last event before the first that will be told.
pub fn start<F: Fold>(seq: u64, places: usize, metrics: Metrics) -> (Teller<F>, Hears<F>) {
    let (told, hears) = sync_channel(places);
    let waiting = Arc::new(AtomicUsize::new(0));
    let losses = Throttle::new(LOSSES);
    let teller = Teller { told, waiting: waiting.clone(), places, seq, is_behind: false, metrics, losses };
    (teller, Hears { told: hears, waiting })
}

impl<F: Fold> Teller<F> {
    /// Never waits. What finds no room is counted, and what follows it too, until [`Teller::make_good`].
    pub fn tell(&mut self, now: Time, event: Box<F::Event>) {
        self.seq += 1;
        if !self.is_behind && self.send(Heard::Told(Told::Event { seq: self.seq, event })) {
            return;
        }
        self.is_behind = true;
        self.metrics.lost.inc();
        if let Some(held_back) = self.losses.pass(now) {
            tracing::error!(held_back, "the disk is too slow: events are missing in the journal");
        }
    }

    /// Tells the state if events were lost and there is room again. To be called now and then, when all events that made the
    /// state were told. `state` is asked for only then: it may cost a copy of everything.
    pub fn make_good(&mut self, state: impl FnOnce() -> F) {
        // Not into the first free place: the next event would be lost again.
        if self.is_behind && self.waiting.load(Ordering::Relaxed) <= self.places / 2 {
            self.is_behind = !self.send(Heard::Told(Told::State { seq: self.seq, state: Box::new(state()) }));
        }
    }

    /// Says there, when all that was told is written, whether it is; nothing, if there is no room for the question. What is written is
    /// known after `kill -9`, and after a loss of power once it is flushed.
    pub fn ask_for_receipt(&self, receipt: oneshot::Sender<bool>) {
        if !self.is_behind && !self.send(Heard::Receipt(receipt)) {
            tracing::debug!("the journal has no room to be asked");
        }
    }

    /// False: there is no room.
    fn send(&self, told: Heard<F>) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        match self.told.try_send(told) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                false
            }
            // Its failure has ended the process, or we are stopping.
            Err(TrySendError::Disconnected(_)) => true,
        }
    }
}

/// Writes what is told, until the engine's end is gone.
pub fn run<F: Fold, D: Disk>(hears: &Hears<F>, mut writer: Writer<F, D>, clock: Clock) {
    loop {
        writer.turn(clock.now());
        let wait = writer.poll_timeout().map_or(IDLE, |due| clock.until(due).min(IDLE));
        let first = match hears.told.recv_timeout(wait) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let now = clock.now();
        let mut receipts = Vec::new();
        for told in first.into_iter().chain(hears.told.try_iter().take(BATCH)) {
            hears.waiting.fetch_sub(1, Ordering::Relaxed);
            match told {
                Heard::Told(told) => writer.take(now, told),
                Heard::Receipt(receipt) => receipts.push(receipt),
            }
        }
        writer.turn(clock.now());
        for receipt in receipts {
            if receipt.send(writer.is_writing()).is_err() {
                tracing::debug!("who wanted to know that it is written did not wait");
            }
        }
        std::thread::sleep(REST);
    }
    writer.close(clock.now());
}

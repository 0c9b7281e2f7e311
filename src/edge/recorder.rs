//! The recorder's thread: what happened goes to the metrics, the contact records and the log.
//!
//! A thread of its own, so that a scrape or a log that nobody reads never holds up a call.

use super::metrics::Metrics;
use super::store::Store;
use super::throttle::Throttle;
use crate::ids::CallId;
use crate::record::{CallEvent, Recorder, What};
use crate::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant as Stopwatch;

/// Events that may wait for the recorder. A call has some thirty.
pub(super) const EVENTS_MAX: usize = 1 << 16;

/// The recorder looks no more often than this, because waking it costs the engine's thread more than telling it does.
const REST: Duration = Duration::from_millis(2);

/// How far the disk may be behind in what it knows of calls that are up; that they are, it is told at once.
const BEHIND: Duration = Duration::from_secs(1);

/// Wrong passwords are said in the log no more often than this; all of them are counted.
const FAILURES: Duration = Duration::from_secs(1);

/// Of what a stranger wrote.
const USER_MAX: usize = 64;

/// Until the engine is gone; gives back the store, to be closed.
pub(super) fn run(events: &Receiver<CallEvent>, metrics: &Arc<Metrics>, store: Store) -> Store {
    let mut recorder = Recorder::default();
    let failures = Throttle::new(FAILURES);
    let mut begun: Vec<CallId> = Vec::new();
    let mut changed: BTreeSet<CallId> = BTreeSet::new();
    let mut told = Stopwatch::now();
    loop {
        let first = match events.recv_timeout(BEHIND) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        for event in first.into_iter().chain(events.try_iter()) {
            metrics.apply(&event);
            log(&event, &failures);
            if let Some(contact) = recorder.apply(&event) {
                store.keep(contact);
            } else if let Some(call) = event.what.call() {
                if let What::CallStarted { .. } = event.what {
                    begun.push(call);
                } else {
                    changed.insert(call);
                }
            }
        }
        // What finds no room is tried again with the rest.
        let note = |call: &CallId| recorder.get(*call).is_some_and(|contact| !store.note(contact));
        changed.extend(begun.drain(..).filter(note));
        if recorder.open() > 0 && told.elapsed() >= BEHIND {
            told = Stopwatch::now();
            changed.retain(note);
            store.alive();
        }
        std::thread::sleep(REST);
    }
    for call in changed {
        if let Some(contact) = recorder.get(call)
            && !store.note(contact)
        {
            tracing::warn!(%call, "not everything that is known of the call could be written");
        }
    }
    store.alive();
    if recorder.open() > 0 {
        tracing::warn!(calls = recorder.open(), "stopped while calls were up; the next start writes their records");
    }
    store
}

/// Numbers of callers are in the records, not in the log.
fn log(event: &CallEvent, failures: &Throttle) {
    match &event.what {
        What::CallStarted { call, to, trunk, .. } => tracing::info!(%call, to, trunk = &**trunk, "call started"),
        What::Dequeued { call, queue, exit, waited, .. } => {
            tracing::info!(%call, queue = &**queue, ?exit, waited_ms = waited.as_millis(), "left the line");
        }
        What::OfferEnded { call, queue, agent, outcome, .. } => {
            tracing::info!(%call, queue = &**queue, agent = &**agent, ?outcome, "offer ended");
        }
        What::CallEnded { call, by, cause } => tracing::info!(%call, ?by, cause, "call ended"),
        What::CallRefused { code, reason } => tracing::info!(code, reason = &**reason, "call refused"),
        What::AuthenticationFailed { user, from } => {
            if let Some(held_back) = failures.pass(event.at) {
                let user: String = user.chars().take(USER_MAX).collect();
                tracing::warn!(user, %from, held_back, "wrong password or unknown user");
            }
        }
        What::LegSilent { call, leg, .. } => tracing::warn!(%call, %leg, "no sound comes from this leg"),
        other => tracing::debug!(event = ?other),
    }
}

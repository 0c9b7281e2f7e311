//! The recorder's thread: what happened goes to the metrics, the contact records and the log.
//!
//! A thread of its own, so that a scrape or a log that nobody reads never holds up a call.

use super::metrics::Metrics;
use super::store::Store;
use crate::record::{CallEvent, Recorder, What};
use crate::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Events that may wait for the recorder. A call has some thirty.
pub(super) const EVENTS_MAX: usize = 1 << 16;

/// The recorder looks no more often than this, because waking it costs the engine's thread more than telling it does.
const REST: Duration = Duration::from_millis(2);

/// Until the engine is gone; gives back the store, to be closed.
pub(super) fn run(events: &Receiver<CallEvent>, metrics: &Arc<Metrics>, store: Store) -> Store {
    let mut recorder = Recorder::default();
    while let Ok(first) = events.recv() {
        for event in std::iter::once(first).chain(events.try_iter()) {
            metrics.apply(&event);
            log(&event);
            if let Some(contact) = recorder.apply(&event) {
                store.keep(contact);
            }
        }
        std::thread::sleep(REST);
    }
    if recorder.open() > 0 {
        tracing::warn!(calls = recorder.open(), "stopped while calls were up; they have no contact record");
    }
    store
}

/// Numbers of callers are in the records, not in the log.
fn log(event: &CallEvent) {
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
        What::LegSilent { call, leg, .. } => tracing::warn!(%call, %leg, "no sound comes from this leg"),
        other => tracing::debug!(event = ?other),
    }
}

//! The journal of the queues, in numbers.

use super::{counter, gauge, histogram};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

#[derive(Clone)]
pub struct Journal {
    pub events: IntCounter,
    pub bytes: IntCounter,
    /// The disk was too slow, or refused them. The next snapshot has what came of them.
    pub lost: IntCounter,
    pub errors: IntCounter,
    pub otherwise: IntCounter,
    /// 1 while events are written; 0 while they are not, because the disk refuses.
    pub writing: IntGauge,
    /// Bytes that can be written even when the disk is full.
    pub reserve: IntGauge,
    pub lag: Histogram,
    pub snapshot_seconds: Histogram,
}

impl Journal {
    pub(super) fn new(registry: &Registry) -> Journal {
        let lag = vec![0.01, 0.05, 0.1, 0.15, 0.2, 0.5, 1.0, 5.0, 30.0];
        let snapshot = vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
        Journal {
            events: counter(registry, "vaxel_journal_events_total", "Events written to the journal of the queues."),
            bytes: counter(registry, "vaxel_journal_bytes_total", "Bytes written to the journal, snapshots included."),
            lost: counter(
                registry,
                "vaxel_journal_events_lost_total",
                "Events that are missing in the journal, because the disk was too slow or refused them; the next snapshot has what came of them.",
            ),
            errors: counter(registry, "vaxel_journal_errors_total", "Times the disk refused something of the journal."),
            otherwise: counter(
                registry,
                "vaxel_journal_decided_otherwise_total",
                "Events whose decisions came out otherwise when they were folded again: after another version at the start, or a fault.",
            ),
            writing: gauge(
                registry,
                "vaxel_journal_writing",
                "1 while events are written to the journal; 0 while the disk refuses them.",
            ),
            reserve: gauge(
                registry,
                "vaxel_journal_reserve_bytes",
                "Bytes of events that the journal has room for however full the disk is; 0 where the file system cannot keep room.",
            ),
            lag: histogram(
                registry,
                HistogramOpts::new(
                    "vaxel_journal_lag_seconds",
                    "From an event to when no loss of power takes it any more; the first of those flushed together.",
                )
                .buckets(lag),
            ),
            snapshot_seconds: histogram(
                registry,
                HistogramOpts::new("vaxel_journal_snapshot_seconds", "Time to write a snapshot of the queues to disk.")
                    .buckets(snapshot),
            ),
        }
    }
}

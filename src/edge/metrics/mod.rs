//! Numbers for Prometheus. Names, labels and meaning are a public interface.
//!
//! Labels are bounded by the configuration and by closed sets: no caller, no call, no address. Everything that can be
//! counted for a configured name exists from the start with 0, so that rates are true from the first event on.

mod calls;
mod capture;
mod certificates;
mod journal;
mod keep_alives;
mod limits;
mod lookups;
mod media;
mod memory;
mod queues;
mod tasks;
mod traffic;
mod transactions;
mod trunks;

pub use calls::Calls;
pub(in crate::edge) use calls::{ender, exit_name};
pub use capture::Capture;
pub use certificates::Certificates;
pub use journal::Journal;
pub use limits::Limits;
pub use lookups::Lookups;
pub use media::Media;
pub use memory::Memory;
pub use traffic::{SipFault, Traffic};
pub use transactions::Transactions;
pub use trunks::Trunks;

use super::{Clock, log};
use crate::engine::QueueFigures;
use crate::record::{Board, CallEvent};
use crate::time::Duration;
use prometheus::core::Collector;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use queues::Queues;
use std::sync::{Mutex, PoisonError};

/// The names whose children exist from the start.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Name and service level.
    pub queues: Vec<(String, Duration)>,
    pub agents: Vec<String>,
    pub trunks: Vec<String>,
    /// Reasons of pauses, and how long these may be.
    pub pauses: Vec<(String, Option<Duration>)>,
    /// Those of the trunks that DNS is asked for.
    pub named: Vec<String>,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    clock: Clock,
    /// Held while an event is counted and while all is read, so that what is read belongs together:
    /// entries = exits + waiting in every scrape.
    calls: Mutex<Calls>,
    queues: Queues,
    pub traffic: Traffic,
    pub transactions: Transactions,
    pub limits: Limits,
    pub memory: Memory,
    pub trunks: Trunks,
    pub lookups: Lookups,
    pub certificates: Certificates,
    pub capture: Capture,
    pub media: Media,
    pub store: Store,
    pub journal: Journal,
    pub engine: Engine,
    /// HTTP connections that made room for others before they had asked anything.
    pub http_dropped: IntCounter,
}

/// The writer of contact records.
#[derive(Clone)]
pub struct Store {
    pub written: IntCounter,
    /// Given up: the queue was full, or the disk did not take it in time.
    pub lost: IntCounter,
    /// Of those who can be reached where, with the same reasons; the phone's next REGISTER makes them good.
    pub registrations_lost: IntCounter,
    /// Of what was used up of caps, with the same reasons: a call, or the minutes until the next talk is over.
    pub tolls_lost: IntCounter,
    pub retries: IntCounter,
    pub waiting: IntGauge,
    /// Bytes of what waits that can be kept when the disk is full.
    pub reserve: IntGauge,
    pub batch_seconds: Histogram,
}

#[derive(Clone)]
pub struct Engine {
    /// How late it came to what had to be done.
    pub lag: Histogram,
    /// Events that the recorder was too slow for. Counters and records lack them for good; what is a state (who waits,
    /// who talks) is made good within seconds.
    pub events_lost: IntCounter,
}

impl Metrics {
    pub fn new(clock: Clock, names: &Names) -> Metrics {
        let registry = Registry::new();
        let version =
            IntGaugeVec::new(Opts::new("vaxel_build_info", "Always 1; the labels say what runs."), &["version"]);
        let version = version.expect("a valid name");
        version.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        register(&registry, version);
        let started = Gauge::new("vaxel_start_time_seconds", "When the process started, since the Unix epoch.");
        let started = register(&registry, started.expect("a valid name"));
        started.set(clock.now().as_secs_f64());
        register(&registry, log::lost());
        Metrics {
            calls: Mutex::new(Calls::new(&registry, clock.now(), names)),
            queues: Queues::new(&registry, names),
            traffic: Traffic::new(&registry),
            transactions: Transactions::new(&registry),
            limits: Limits::new(&registry),
            memory: Memory::new(&registry),
            trunks: Trunks::new(&registry, &names.trunks),
            lookups: Lookups::new(&registry, &names.named),
            certificates: Certificates::new(&registry),
            capture: Capture::new(&registry),
            media: Media::new(&registry),
            store: Store::new(&registry),
            journal: Journal::new(&registry),
            engine: Engine::new(&registry),
            http_dropped: counter(
                &registry,
                "vaxel_http_connections_dropped_total",
                "HTTP connections that made room for others before they had asked anything.",
            ),
            registry,
            clock,
        }
    }

    /// Counts what happened.
    pub fn apply(&self, event: &CallEvent) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).apply(event);
    }

    /// Events were lost; this is what the state is nevertheless. Counters do not get back what they missed.
    pub fn make_good(&self, board: Board) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).make_good(board);
    }

    /// What is shown now.
    pub fn board(&self) -> Board {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).board().clone()
    }

    /// Everything in the text format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        self.written(|| {})
    }

    /// The same with how the queues stand, as the engine has just said; `None`: it does not, and what it said before holds no more.
    pub fn text_with(&self, figures: Option<&[QueueFigures]>) -> String {
        self.written(|| self.queues.update(figures))
    }

    fn written(&self, update: impl FnOnce()) -> String {
        let families = {
            let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.measure(self.clock.now());
            update();
            self.registry.gather()
        };
        TextEncoder::new().encode_to_string(&families).expect("writing to memory cannot fail")
    }
}

impl Store {
    fn new(registry: &Registry) -> Store {
        let seconds = vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
        let batch = HistogramOpts::new("vaxel_store_batch_seconds", "Time to write one batch of records to disk.");
        Store {
            written: counter(registry, "vaxel_store_records_total", "Contact records written."),
            lost: counter(
                registry,
                "vaxel_store_records_lost_total",
                "Contact records that could not be stored; each stands in the log instead.",
            ),
            registrations_lost: counter(
                registry,
                "vaxel_store_registrations_lost_total",
                "Registrations, refreshed or ended, that the next start will not know of.",
            ),
            tolls_lost: counter(
                registry,
                "vaxel_store_tolls_lost_total",
                "Calls and minutes of `out` that the next start will not know of.",
            ),
            retries: counter(registry, "vaxel_store_retries_total", "Batches tried again after an error."),
            waiting: gauge(registry, "vaxel_store_records_waiting", "Contact records not yet written."),
            reserve: gauge(
                registry,
                "vaxel_store_reserve_bytes",
                "Bytes of records and registrations that are kept however full the disk is; 0 where the file system cannot keep room.",
            ),
            batch_seconds: histogram(registry, batch.buckets(seconds)),
        }
    }
}

impl Engine {
    fn new(registry: &Registry) -> Engine {
        let seconds = vec![0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];
        let lag = HistogramOpts::new(
            "vaxel_engine_lag_seconds",
            "From when a message came, or a timer was due, to when the engine turned to it.",
        );
        Engine {
            lag: histogram(registry, lag.buckets(seconds)),
            events_lost: counter(registry, "vaxel_events_lost_total", "Events lost because the recorder was too slow."),
        }
    }
}

/// Adds it to what is scraped.
fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("each name is registered once, by this module");
    collector
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    register(registry, IntCounter::new(name, help).expect("a valid name"))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    register(registry, IntGauge::new(name, help).expect("a valid name"))
}

fn histogram(registry: &Registry, opts: HistogramOpts) -> Histogram {
    register(registry, Histogram::with_opts(opts).expect("a valid name and rising buckets"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Series with their labels as written → value.
    pub fn scrape(metrics: &Metrics) -> BTreeMap<String, f64> {
        let text = metrics.text();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines
            .map(|line| {
                let (series, value) = line.rsplit_once(' ').expect("a series and its value");
                (series.to_owned(), value.parse().expect("a number"))
            })
            .collect()
    }

    #[test]
    fn says_what_runs_and_since_when() {
        let clock = Clock::start();
        let scraped = scrape(&Metrics::new(clock, &Names::default()));
        assert_eq!(scraped[concat!("vaxel_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")], 1.0);
        assert!((scraped["vaxel_start_time_seconds"] - clock.now().as_secs_f64()).abs() < 5.0);
        assert_eq!(scraped["vaxel_store_records_total"], 0.0);
    }
}

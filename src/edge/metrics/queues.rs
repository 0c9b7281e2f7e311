//! What callers are told of their wait and how true it was; and what the engine knows of queues, as it says when it is asked.

use super::{Names, register};
use crate::acd::Exit;
use crate::acd::estimate::Estimator;
use crate::acd::truth::Counts;
use crate::engine::QueueFigures;
use crate::record::{Estimate, EstimateAnswer};
use crate::time::{Duration, Time};
use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGaugeVec, Opts, Registry,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// A wait shorter than this is taken for it where errors are shares of waits.
const FLOOR: Duration = Duration::from_secs(30);

/// The median that is promised, and what is still believed, are bounds.
const ERROR_RATIOS: [f64; 11] = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0];

fn estimator_name(estimator: Estimator) -> &'static str {
    match estimator {
        Estimator::QueueLength => "queue_length",
        Estimator::LastToEnterService => "last_to_enter_service",
        Estimator::HeadOfLine => "head_of_line",
    }
}

/// Whether what a caller was told first came true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    /// It took longer.
    TooShort,
    TooLong,
    /// The caller left before it could be known.
    Unknown,
}

impl Verdict {
    const ALL: [Verdict; 4] = [Verdict::Right, Verdict::TooShort, Verdict::TooLong, Verdict::Unknown];

    fn name(self) -> &'static str {
        match self {
            Verdict::Right => "right",
            Verdict::TooShort => "too_short",
            Verdict::TooLong => "too_long",
            Verdict::Unknown => "unknown",
        }
    }

    fn of(told: Estimate, waited: Duration, answered: bool) -> Verdict {
        let is_over = told.to_minutes.is_some_and(|to| waited > Duration::from_secs(60 * u64::from(to)));
        match (is_over, answered) {
            (true, _) => Verdict::TooShort,
            (false, false) => Verdict::Unknown,
            (false, true) if told.covers(waited) => Verdict::Right,
            (false, true) => Verdict::TooLong,
        }
    }
}

/// Counted from events: what callers of one queue were told.
pub struct Told {
    told: IntCounter,
    unchanged: IntCounter,
    unsure: IntCounter,
    verdicts: [IntCounter; Verdict::ALL.len()],
    errors: Histogram,
}

pub struct ToldFamilies {
    answers: IntCounterVec,
    verdicts: IntCounterVec,
    errors: HistogramVec,
}

impl ToldFamilies {
    pub(super) fn new(registry: &Registry) -> ToldFamilies {
        let vec = |name: &str, help: &str, label: &str| {
            register(registry, IntCounterVec::new(Opts::new(name, help), &["queue", label]).expect("a valid name"))
        };
        let errors = HistogramOpts::new(
            "vaxel_queue_told_error_ratio",
            "How far the middle of what an answered caller was told first was from what it took from then on, as a share of that.",
        )
        .buckets(ERROR_RATIOS.to_vec());
        ToldFamilies {
            answers: vec(
                "vaxel_queue_estimates_total",
                "Times a caller was to hear how long it takes: `told`, `unchanged` since the last time, or `unsure`: nothing was said.",
                "answer",
            ),
            verdicts: vec(
                "vaxel_queue_told_total",
                "Callers who were told how long it takes, by whether the first they were told was `right`, `too_short` or `too_long`; `unknown`: they left before.",
                "result",
            ),
            errors: register(registry, HistogramVec::new(errors, &["queue"]).expect("a valid name and rising buckets")),
        }
    }

    pub(super) fn queue(&self, name: &str) -> Told {
        let answer = |answer| self.answers.with_label_values(&[name, answer]);
        Told {
            told: answer("told"),
            unchanged: answer("unchanged"),
            unsure: answer("unsure"),
            verdicts: Verdict::ALL.map(|verdict| self.verdicts.with_label_values(&[name, verdict.name()])),
            errors: self.errors.with_label_values(&[name]),
        }
    }
}

impl Told {
    pub(super) fn asked(&self, answer: &EstimateAnswer) {
        match answer {
            EstimateAnswer::Told(_) => self.told.inc(),
            EstimateAnswer::Unchanged => self.unchanged.inc(),
            EstimateAnswer::Unsure => self.unsure.inc(),
        }
    }

    /// A caller who was told this first, then, has left the line now.
    pub(super) fn left(&self, (then, told): (Time, Estimate), now: Time, exit: Exit) {
        let (waited, answered) = (now.since(then), exit == Exit::Answered);
        self.verdicts[Verdict::of(told, waited, answered) as usize].inc();
        if answered && told.to_minutes.is_some() {
            let error = told.midpoint().as_secs_f64() - waited.as_secs_f64();
            self.errors.observe(error.abs() / waited.max(FLOOR).as_secs_f64());
        }
    }
}

/// What the engine says of queues at a scrape.
pub struct Queues {
    lower: GaugeVec,
    upper: GaugeVec,
    errors: GaugeVec,
    samples: IntGaugeVec,
    spoken: IntGaugeVec,
    sums: HashMap<Arc<str>, Sums>,
    /// As they were at the last scrape.
    last: Mutex<BTreeMap<Arc<str>, Counts>>,
}

/// Only grow, over restarts too, as far as the journal is kept.
struct Sums {
    handled: Counter,
    talk: Counter,
    hold: Counter,
    wrap_up: Counter,
}

impl Queues {
    pub(super) fn new(registry: &Registry, names: &Names) -> Queues {
        fn gauges<C: Collector + Clone + 'static>(registry: &Registry, gauges: prometheus::Result<C>) -> C {
            register(registry, gauges.expect("a valid name"))
        }
        let opts = |name: &str, help: &str| Opts::new(name, help);
        let sums = |name: &str, help: &str| {
            register(registry, CounterVec::new(Opts::new(name, help), &["queue"]).expect("a valid name"))
        };
        let handled = sums("vaxel_queue_handled_total", "Answered contacts whose talk and wrap-up are over.");
        let talk = sums("vaxel_queue_talk_seconds_total", "Time that agents talked with those, without hold.");
        let hold = sums("vaxel_queue_hold_seconds_total", "Time that those were held.");
        let wrap_up = sums("vaxel_queue_wrap_up_seconds_total", "Time of wrap-up after those.");
        let of = |name: &str| Sums {
            handled: handled.with_label_values(&[name]),
            talk: talk.with_label_values(&[name]),
            hold: hold.with_label_values(&[name]),
            wrap_up: wrap_up.with_label_values(&[name]),
        };
        let lower = opts(
            "vaxel_queue_estimate_lower_seconds",
            "The least that a caller would be told who came now; there only while something is told.",
        );
        let upper = opts(
            "vaxel_queue_estimate_upper_seconds",
            "The most that a caller would be told who came now; there only while there is one.",
        );
        let errors = opts(
            "vaxel_queue_estimator_error_ratio",
            "Median error of each estimator in the last hour, as a share of the true wait; there only while it has errors.",
        );
        let samples = opts("vaxel_queue_estimator_samples", "How many errors of the last hour that is the median of.");
        let spoken = opts("vaxel_queue_estimator_spoken", "1: what this estimator says is told to callers.");
        let labels = ["queue", "estimator"];
        Queues {
            lower: gauges(registry, GaugeVec::new(lower, &["queue"])),
            upper: gauges(registry, GaugeVec::new(upper, &["queue"])),
            errors: gauges(registry, GaugeVec::new(errors, &labels)),
            samples: gauges(registry, IntGaugeVec::new(samples, &labels)),
            spoken: gauges(registry, IntGaugeVec::new(spoken, &labels)),
            sums: names.queues.iter().map(|(name, _)| (name.as_str().into(), of(name))).collect(),
            last: Mutex::default(),
        }
    }

    /// One at a time, and before all is read: between the two nothing may be removed.
    pub(super) fn update(&self, figures: Option<&[QueueFigures]>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.lower.reset();
        self.upper.reset();
        self.errors.reset();
        self.samples.reset();
        self.spoken.reset();
        for queue in figures.into_iter().flatten() {
            // What the settings do not name is nowhere.
            let Some(sums) = self.sums.get(&queue.name) else { continue };
            self.estimates(queue);
            sums.grow(&last.insert(queue.name.clone(), queue.counts).unwrap_or_default(), &queue.counts);
        }
    }

    fn estimates(&self, queue: &QueueFigures) {
        let name = &*queue.name;
        let minutes = |gauges: &GaugeVec, minutes: u32| {
            let gauge: Gauge = gauges.with_label_values(&[name]);
            gauge.set(60.0 * f64::from(minutes));
        };
        if let Some(estimate) = queue.estimate {
            minutes(&self.lower, estimate.from_minutes);
            if let Some(to) = estimate.to_minutes {
                minutes(&self.upper, to);
            }
        }
        for (estimator, error) in Estimator::ALL.into_iter().zip(queue.errors) {
            let labels = [name, estimator_name(estimator)];
            let (samples, median) = error.map_or((0, None), |(samples, median)| (samples, Some(median)));
            if let Some(median) = median {
                self.errors.with_label_values(&labels).set(median);
            }
            self.samples.with_label_values(&labels).set(i64::try_from(samples).unwrap_or(i64::MAX));
            self.spoken.with_label_values(&labels).set(i64::from(queue.spoken == Some(estimator)));
        }
    }
}

impl Sums {
    fn grow(&self, last: &Counts, now: &Counts) {
        let more = |now: u64, last: u64| now.saturating_sub(last) as f64;
        self.handled.inc_by(more(now.handled, last.handled));
        self.talk.inc_by(more(now.talk_micros, last.talk_micros) / 1e6);
        self.hold.inc_by(more(now.hold_micros, last.hold_micros) / 1e6);
        self.wrap_up.inc_by(more(now.wrap_up_micros, last.wrap_up_micros) / 1e6);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use super::*;
    use crate::edge::Clock;
    use crate::ids::{CallId, EntryId};
    use crate::record::{CallEvent, What};

    fn metrics() -> Metrics {
        let queues = vec![("sales".into(), Duration::from_secs(20)), ("help".into(), Duration::from_secs(20))];
        Metrics::new(Clock::start(), &Names { queues, ..Names::default() })
    }

    fn range(from_minutes: u32, to_minutes: Option<u32>) -> Estimate {
        Estimate { from_minutes, to_minutes }
    }

    fn figures(estimate: Option<Estimate>) -> QueueFigures {
        QueueFigures {
            name: "sales".into(),
            estimate,
            spoken: Some(Estimator::HeadOfLine),
            errors: [None, Some((7, 0.5)), Some((40, 0.2))],
            counts: Counts { handled: 3, talk_micros: 1_500_000, wrap_up_micros: 90_000_000, ..Counts::default() },
        }
    }

    #[test]
    fn what_would_be_told_is_there_only_while_it_would() {
        let metrics = metrics();
        let shown = |estimate| {
            metrics.text_with(Some(&[figures(estimate)]));
            let scraped = scrape(&metrics);
            let of = |end| scraped.get(&format!(r#"vaxel_queue_estimate_{end}_seconds{{queue="sales"}}"#)).copied();
            (of("lower"), of("upper"))
        };
        assert_eq!(shown(Some(range(2, Some(4)))), (Some(120.0), Some(240.0)));
        assert_eq!(shown(Some(range(90, None))), (Some(5_400.0), None));
        assert_eq!(shown(None), (None, None));
        shown(Some(range(2, Some(4))));
        metrics.text_with(None);
        assert!(!scrape(&metrics).keys().any(|name| name.starts_with("vaxel_queue_estimat")
            && !name.starts_with("vaxel_queue_estimates_total")));
    }

    #[test]
    fn errors_of_estimators_and_who_is_spoken_are_shown() {
        let metrics = metrics();
        metrics.text_with(Some(&[figures(None)]));
        let scraped = scrape(&metrics);
        let of = |family: &str, estimator: &str| {
            scraped.get(&format!(r#"vaxel_queue_estimator_{family}{{estimator="{estimator}",queue="sales"}}"#)).copied()
        };
        let all = |family| Estimator::ALL.map(estimator_name).map(|estimator| of(family, estimator));
        assert_eq!(all("error_ratio"), [None, Some(0.5), Some(0.2)]);
        assert_eq!(all("samples"), [Some(0.0), Some(7.0), Some(40.0)]);
        assert_eq!(all("spoken"), [Some(0.0), Some(0.0), Some(1.0)]);
        for estimator in Estimator::ALL {
            assert_eq!(serde_json::to_value(estimator).unwrap(), estimator_name(estimator));
        }
    }

    #[test]
    fn sums_grow_by_what_came_since_the_last_scrape() {
        let metrics = metrics();
        let sums = || {
            let scraped = scrape(&metrics);
            ["handled_total", "talk_seconds_total", "hold_seconds_total", "wrap_up_seconds_total"]
                .map(|sum| scraped[&format!(r#"vaxel_queue_{sum}{{queue="sales"}}"#)])
        };
        assert_eq!(sums(), [0.0; 4], "there from the start");
        metrics.text_with(Some(&[figures(None)]));
        metrics.text_with(Some(&[figures(None)]));
        assert_eq!(sums(), [3.0, 1.5, 0.0, 90.0]);
        let mut later = figures(None);
        later.counts.handled = 5;
        later.counts.hold_micros = 4_000_000;
        metrics.text_with(Some(&[later]));
        assert_eq!(sums(), [5.0, 1.5, 4.0, 90.0]);
    }

    #[test]
    fn what_a_caller_was_told_first_is_compared_with_what_it_took_from_then_on() {
        let metrics = metrics();
        let queue: Arc<str> = "sales".into();
        let apply = |secs, what| metrics.apply(&CallEvent { at: Time::from_secs(secs), what });
        let mut next = 0;
        let mut caller = |told: &[(u64, EstimateAnswer)], left: u64, exit| {
            next += 1;
            let (call, entry) = (CallId(next), EntryId(next));
            apply(1_000, What::Queued { call, entry, queue: queue.clone(), priority: 0 });
            for (secs, answer) in told {
                apply(1_000 + secs, What::EstimateAsked { call, entry, queue: queue.clone(), answer: *answer });
            }
            let (waited, in_service_level) = (Duration::from_secs(left), left <= 20);
            let queue = queue.clone();
            apply(1_000 + left, What::Dequeued { call, entry, queue, exit, waited, in_service_level });
        };
        let told = |from, to| EstimateAnswer::Told(range(from, to));
        // Told 2 to 4 minutes after 10 s: answered 150 s later, which is an error of 30 s.
        caller(&[(10, told(2, Some(4))), (100, told(0, Some(1)))], 160, Exit::Answered);
        caller(&[(10, told(2, Some(4)))], 60, Exit::Answered);
        caller(&[(10, told(2, Some(4)))], 600, Exit::Answered);
        caller(&[(10, told(2, Some(4)))], 600, Exit::Abandoned);
        caller(&[(10, told(2, Some(4)))], 60, Exit::Abandoned);
        caller(&[(10, told(75, None)), (20, EstimateAnswer::Unchanged)], 7_000, Exit::Answered);
        caller(&[(10, EstimateAnswer::Unsure)], 60, Exit::Answered);
        let scraped = scrape(&metrics);
        let of = |series: &str| scraped[&series.replace("QUEUE", r#"queue="sales""#)];
        for (answer, count) in [("told", 7.0), ("unchanged", 1.0), ("unsure", 1.0)] {
            assert_eq!(of(&format!(r#"vaxel_queue_estimates_total{{answer="{answer}",QUEUE}}"#)), count, "{answer}");
        }
        for (result, count) in [("right", 2.0), ("too_short", 2.0), ("too_long", 1.0), ("unknown", 1.0)] {
            assert_eq!(of(&format!(r#"vaxel_queue_told_total{{QUEUE,result="{result}"}}"#)), count, "{result}");
        }
        assert_eq!(of("vaxel_queue_told_error_ratio_count{QUEUE}"), 3.0);
        assert_eq!(of(r#"vaxel_queue_told_error_ratio_bucket{QUEUE,le="0.15"}"#), 0.0);
        assert_eq!(of(r#"vaxel_queue_told_error_ratio_bucket{QUEUE,le="0.2"}"#), 1.0);
    }
}

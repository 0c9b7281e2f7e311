//! Tasks in numbers, apart from callers: they may wait for hours where callers wait for seconds.

use super::calls::{exit_name, outcome_name};
use super::{Names, register};
use crate::acd::{Exit, Outcome};
use crate::record::{Board, TaskNews};
use crate::time::Time;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use std::collections::HashMap;
use std::sync::Arc;

pub struct Tasks {
    queues: HashMap<Arc<str>, Queue>,
}

/// The children of one queue, looked up once.
struct Queue {
    entries: IntCounter,
    exits: HashMap<Exit, (IntCounter, Histogram)>,
    offers: HashMap<Outcome, IntCounter>,
    work: Histogram,
    waiting: IntGauge,
    longest: Gauge,
    in_hand: IntGauge,
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

/// The same bounds for every queue, so that they can be summed.
const WAIT_SECONDS: [f64; 13] = [
    MINUTE,
    5.0 * MINUTE,
    15.0 * MINUTE,
    30.0 * MINUTE,
    HOUR,
    2.0 * HOUR,
    4.0 * HOUR,
    8.0 * HOUR,
    12.0 * HOUR,
    DAY,
    2.0 * DAY,
    3.0 * DAY,
    7.0 * DAY,
];

const WORK_SECONDS: [f64; 10] = [
    MINUTE,
    2.0 * MINUTE,
    5.0 * MINUTE,
    10.0 * MINUTE,
    15.0 * MINUTE,
    30.0 * MINUTE,
    HOUR,
    2.0 * HOUR,
    4.0 * HOUR,
    8.0 * HOUR,
];

impl Tasks {
    pub fn new(registry: &Registry, names: &Names) -> Tasks {
        let vec = |name: &str, help: &str, labels: &[&str]| {
            register(registry, IntCounterVec::new(Opts::new(name, help), labels).expect("a valid name"))
        };
        let histogram = |name: &str, help: &str, bounds: &[f64], labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
            register(registry, HistogramVec::new(options, labels).expect("a valid name and rising buckets"))
        };
        let count = |name: &str, help: &str| {
            register(registry, IntGaugeVec::new(Opts::new(name, help), &["queue"]).expect("a valid name"))
        };
        let entries = vec("vaxel_task_entries_total", "Tasks that joined the line.", &["queue"]);
        let exits = vec("vaxel_task_exits_total", "Tasks that left the line, by how.", &["queue", "exit"]);
        let offers =
            vec("vaxel_task_offers_total", "Offers of one task to one agent, by outcome.", &["queue", "outcome"]);
        let help = "Time in line of tasks that left it, by how.";
        let waits = histogram("vaxel_task_wait_seconds", help, &WAIT_SECONDS, &["queue", "outcome"]);
        let help = "Time from the acceptance of a task until it was done.";
        let work = histogram("vaxel_task_work_seconds", help, &WORK_SECONDS, &["queue"]);
        let waiting = count("vaxel_tasks_waiting", "Tasks in line now.");
        let in_hand = count("vaxel_tasks_in_hand", "Tasks that agents work on now.");
        let longest =
            Opts::new("vaxel_tasks_longest_wait_seconds", "How long the oldest task in line has waited; 0: none.");
        let longest = register(registry, GaugeVec::new(longest, &["queue"]).expect("a valid name"));
        let queue = |name: &str| {
            let exit = |exit| {
                let labels = [name, exit_name(exit)];
                (exit, (exits.with_label_values(&labels), waits.with_label_values(&labels)))
            };
            let offer = |outcome| (outcome, offers.with_label_values(&[name, outcome_name(outcome)]));
            Queue {
                entries: entries.with_label_values(&[name]),
                exits: Exit::ALL.map(exit).into(),
                offers: Outcome::ALL.map(offer).into(),
                work: work.with_label_values(&[name]),
                waiting: waiting.with_label_values(&[name]),
                longest: longest.with_label_values(&[name]),
                in_hand: in_hand.with_label_values(&[name]),
            }
        };
        Tasks { queues: names.queues.iter().map(|(name, _)| (name.as_str().into(), queue(name))).collect() }
    }

    /// Of a queue that the settings do not name any more nothing is counted.
    pub fn apply(&self, queue: &Arc<str>, news: &TaskNews) {
        if let TaskNews::Left { to: Some(to), .. } = news
            && let Some(to) = self.queues.get(to)
        {
            to.entries.inc();
        }
        let Some(queue) = self.queues.get(queue) else { return };
        match news {
            TaskNews::Filed(_) => queue.entries.inc(),
            TaskNews::OfferEnded { outcome, .. } => {
                if let Some(counter) = queue.offers.get(outcome) {
                    counter.inc();
                }
            }
            TaskNews::Left { exit, waited, .. } => {
                if let Some((exits, waits)) = queue.exits.get(exit) {
                    exits.inc();
                    waits.observe(waited.as_secs_f64());
                }
            }
            TaskNews::Done { worked, .. } => queue.work.observe(worked.as_secs_f64()),
            TaskNews::Known { .. } | TaskNews::Offered { .. } | TaskNews::Dropped { .. } => {}
        }
    }

    /// Brings what is a state up to `now`.
    pub fn measure(&self, now: Time, board: &Board) {
        for (name, queue) in &self.queues {
            let (in_hand, waiting): (Vec<_>, Vec<_>) =
                board.tasks().values().filter(|task| task.queue == *name).partition(|task| task.by.is_some());
            queue.waiting.set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
            queue.in_hand.set(i64::try_from(in_hand.len()).unwrap_or(i64::MAX));
            let oldest = waiting.iter().map(|task| task.about.since).min();
            queue.longest.set(oldest.map_or(0.0, |since| now.since(since).as_secs_f64()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use crate::acd::{Exit, Outcome};
    use crate::edge::Clock;
    use crate::ids::{CallId, EntryId, OfferId};
    use crate::need::Attributes;
    use crate::record::task::About;
    use crate::record::{CallEvent, TaskNews, What};
    use crate::time::{Duration, Time};

    #[test]
    fn tasks_are_counted_by_themselves_and_entries_are_exits_and_those_that_wait() {
        let level = Duration::from_secs(20);
        let names = Names { queues: vec![("mail".into(), level), ("sales".into(), level)], ..Names::default() };
        let metrics = Metrics::new(Clock::start(), &names);
        let at = Time::from_secs(1_000);
        let tell = |task: u64, queue: &str, news| {
            let what = What::Task { task: CallId(task), entry: EntryId(task), queue: queue.into(), news };
            metrics.apply(&CallEvent { at, what });
        };
        let about =
            || About { reference: "x".into(), attributes: Attributes::new(), priority: 0, since: Time::from_secs(400) };
        let left = |exit, to: Option<&str>| TaskNews::Left {
            exit,
            waited: Duration::from_secs(600),
            in_service_level: false,
            to: to.map(Into::into),
        };
        (1..=3).for_each(|task| tell(task, "mail", TaskNews::Filed(about())));
        tell(4, "mail", TaskNews::Known { about: about(), by: Some(("bo".into(), at)) });
        tell(1, "mail", left(Exit::Overflowed, Some("sales")));
        tell(2, "mail", TaskNews::Offered { offer: OfferId(1), agent: "anna".into() });
        let outcome = Outcome::Accepted;
        tell(2, "mail", TaskNews::OfferEnded { offer: OfferId(1), agent: "anna".into(), outcome });
        tell(2, "mail", left(Exit::Answered, None));
        let scraped = scrape(&metrics);
        let of = |name: &str, queue: &str| scraped[&format!("{name}{{queue=\"{queue}\"}}")];
        assert_eq!((of("vaxel_task_entries_total", "mail"), of("vaxel_task_entries_total", "sales")), (3.0, 1.0));
        assert_eq!((of("vaxel_tasks_waiting", "mail"), of("vaxel_tasks_waiting", "sales")), (1.0, 1.0));
        assert_eq!((of("vaxel_tasks_in_hand", "mail"), of("vaxel_tasks_in_hand", "sales")), (2.0, 0.0));
        assert!(of("vaxel_tasks_longest_wait_seconds", "sales") > 600.0);
        assert_eq!(scraped[r#"vaxel_task_exits_total{exit="overflowed",queue="mail"}"#], 1.0);
        assert_eq!(scraped[r#"vaxel_task_offers_total{outcome="accepted",queue="mail"}"#], 1.0);
        for outcome in Outcome::ALL.map(super::super::calls::outcome_name) {
            let of_calls = format!(r#"vaxel_offers_total{{outcome="{outcome}",queue="mail"}}"#);
            assert_eq!(scraped[&of_calls], 0.0, "no caller was offered");
        }
        assert_eq!(scraped[r#"vaxel_task_wait_seconds_bucket{outcome="answered",queue="mail",le="900"}"#], 1.0);
        assert_eq!(
            of("vaxel_queue_entries_total", "mail") + of("vaxel_queue_waiting", "mail"),
            0.0,
            "no caller was there"
        );
        let (agent, worked) = ("anna".into(), Duration::from_secs(90));
        tell(2, "mail", TaskNews::Done { agent, worked });
        let scraped = scrape(&metrics);
        assert_eq!(scraped[r#"vaxel_tasks_in_hand{queue="mail"}"#], 1.0);
        assert_eq!(scraped[r#"vaxel_task_work_seconds_sum{queue="mail"}"#], 90.0);
        // Of a queue that is not configured any more nothing is counted, and nothing fails.
        tell(9, "gone", TaskNews::Filed(about()));
        tell(9, "gone", left(Exit::Overflowed, Some("mail")));
        assert_eq!(scrape(&metrics)[r#"vaxel_task_entries_total{queue="mail"}"#], 4.0);
    }
}

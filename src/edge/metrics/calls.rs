//! Callers, queues and agents in numbers.

use super::queues::{Told, ToldFamilies};
use super::tasks::Tasks;
use super::{Names, counter, gauge, register};
use crate::acd::{Exit, Outcome};
use crate::record::board;
use crate::record::{AgentPhase, Board, CallEvent, EndedBy, Fate, TalkDetail, TransferKind, Unpromised, What};
use crate::time::{Duration, Time};
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Folds [`CallEvent`]s into counters; what is a state (who waits) is read from its [`Board`] when it is asked for.
pub struct Calls {
    board: Board,
    tasks: Tasks,
    queues: HashMap<Arc<str>, Queue>,
    trunks: HashMap<Arc<str>, IntCounter>,
    phases: [(AgentPhase, IntGauge); AgentPhase::ALL.len()],
    pauses: Vec<Pause>,
    details: [(TalkDetail, IntGauge); TalkDetail::ALL.len()],
    up: IntGauge,
    started: IntCounterVec,
    refused: IntCounterVec,
    out_refused: IntCounterVec,
    headers_ignored: IntCounterVec,
    ended: IntCounterVec,
    answer_overdue: IntCounter,
    agents_lost: IntCounter,
    out_cut: IntCounter,
    silent: IntCounter,
    faults: IntCounter,
    authentication_failures: IntCounter,
    strayed: IntCounter,
    transfers: IntCounterVec,
    redirects: IntCounterVec,
    not_promised: IntCounterVec,
}

/// The children of one queue, looked up once.
struct Queue {
    entries: IntCounter,
    exits: HashMap<Exit, (IntCounter, Histogram)>,
    offers: HashMap<Outcome, IntCounter>,
    in_service_level: IntCounter,
    exits_in_level: HashMap<Exit, IntCounter>,
    told: Told,
    waiting: IntGauge,
    longest: Gauge,
    promised: IntCounter,
    promises_over: HashMap<Fate, IntCounter>,
    promises: IntGauge,
}

const ENDERS: [EndedBy; 5] = [EndedBy::Caller, EndedBy::Agent, EndedBy::Called, EndedBy::Flow, EndedBy::System];

/// Stands where a queue's name would, if there is none.
const NO_QUEUE: &str = "";

/// What the engine says today; a new reason gets its child when it first comes.
const REFUSALS: [&str; 10] = [
    "draining",
    "too_many_calls",
    "forbidden",
    "unknown_number",
    "own_number",
    "trunk_full",
    "loop",
    "bad_replaces",
    "too_many_legs",
    "emergency_number",
];

/// Why a call out finds no trunk.
const NO_WAYS: [&str; 7] =
    ["exhausted", "trunk_full", "destination", "calls", "calls_per_hour", "minutes_per_day", "emergency_by_flow"];

/// Headers about callers, and why something of them is left out.
const CALLER_HEADERS: [&str; 5] = ["From", "P-Asserted-Identity", "Diversion", "History-Info", "User-to-User"];
const IGNORED: [&str; 3] = ["unreadable", "too_long", "too_many"];

const TRANSFER_RESULTS: [&str; 3] = ["connected", "failed", "refused"];

/// Beside these stand the service levels of all queues. The same bounds for every queue, so that they can be summed.
const WAIT_SECONDS: [f64; 14] =
    [1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0];

fn transfer(kind: TransferKind) -> &'static str {
    match kind {
        TransferKind::Blind => "blind",
        TransferKind::Attended => "attended",
    }
}

impl Calls {
    pub fn new(registry: &Registry, now: Time, names: &Names) -> Calls {
        let vec = |name: &str, help: &str, labels: &[&str]| {
            register(registry, IntCounterVec::new(Opts::new(name, help), labels).expect("a valid name"))
        };
        let waits = HistogramOpts::new("vaxel_queue_wait_seconds", "Time in line of entries that left it, by how.")
            .buckets(wait_bounds(names));
        let waits = HistogramVec::new(waits, &["queue", "outcome"]).expect("a valid name and rising buckets");
        let waiting = Opts::new("vaxel_queue_waiting", "Entries in line now.");
        let longest =
            Opts::new("vaxel_queue_longest_wait_seconds", "How long the first in line has waited; 0: nobody.");
        let promises = Opts::new("vaxel_callbacks_waiting", "Promises to call back that stand.");
        let families = QueueFamilies {
            promised: vec("vaxel_callbacks_promised_total", "Promises to call back that were made.", &["queue"]),
            promises_over: vec(
                "vaxel_callbacks_total",
                "Promises to call back that are over, by what became of them.",
                &["queue", "outcome"],
            ),
            not_promised: vec(
                "vaxel_callbacks_refused_total",
                "Wishes to be called back that were not granted, by why.",
                &["queue", "reason"],
            ),
            promises: register(registry, IntGaugeVec::new(promises, &["queue"]).expect("a valid name")),
            entries: vec("vaxel_queue_entries_total", "Entries that joined the line.", &["queue"]),
            exits: vec("vaxel_queue_exits_total", "Entries that left the line, by how.", &["queue", "exit"]),
            offers: vec("vaxel_offers_total", "Rings of one agent for one entry, by outcome.", &["queue", "outcome"]),
            in_service_level: vec(
                "vaxel_queue_answered_in_service_level_total",
                "Entries answered within the queue's service level.",
                &["queue"],
            ),
            exits_in_level: vec(
                "vaxel_queue_exits_in_service_level_total",
                "Entries that left the line within the queue's service level, by how.",
                &["queue", "exit"],
            ),
            told: ToldFamilies::new(registry),
            waits: register(registry, waits),
            waiting: register(registry, IntGaugeVec::new(waiting, &["queue"]).expect("a valid name")),
            longest: register(registry, GaugeVec::new(longest, &["queue"]).expect("a valid name")),
        };
        let agents = Opts::new("vaxel_agents", "Agents by state.");
        let agents = register(registry, IntGaugeVec::new(agents, &["state"]).expect("a valid name"));
        let talking =
            Opts::new("vaxel_agents_talking", "Agents in a talk that a queue gave them, by what goes on in it.");
        let talking = register(registry, IntGaugeVec::new(talking, &["detail"]).expect("a valid name"));
        let paused = Opts::new("vaxel_agents_paused", "Agents in a pause, by its reason.");
        let paused = register(registry, IntGaugeVec::new(paused, &["reason"]).expect("a valid name"));
        let too_long = Opts::new("vaxel_agents_paused_too_long", "Those in a pause for longer than its reason allows.");
        let too_long = register(registry, IntGaugeVec::new(too_long, &["reason"]).expect("a valid name"));
        let pauses = names.pauses.iter().map(|(reason, longest)| Pause {
            reason: reason.clone(),
            longest: *longest,
            agents: paused.with_label_values(&[reason]),
            too_long: too_long.with_label_values(&[reason]),
        });
        let pauses = pauses.collect();
        let started = vec("vaxel_calls_total", "Calls that came in, by the trunk they came by.", &["trunk"]);
        let refused = vec("vaxel_calls_refused_total", "INVITEs that became no call.", &["reason"]);
        let ended = vec("vaxel_calls_ended_total", "Calls that ended, by who ended them.", &["by"]);
        let out_refused =
            vec("vaxel_calls_out_refused_total", "Calls out that no trunk could take, by why.", &["reason"]);
        for reason in NO_WAYS {
            out_refused.with_label_values(&[reason]);
        }
        let headers_ignored = vec(
            "vaxel_caller_headers_ignored_total",
            "Headers about callers of which something was left out: unreadable, too long, too many.",
            &["header", "reason"],
        );
        for header in CALLER_HEADERS {
            for reason in IGNORED {
                headers_ignored.with_label_values(&[header, reason]);
            }
        }
        let transfers = vec(
            "vaxel_transfers_total",
            "Transfers by agents' phones that are over, by what became of them.",
            &["kind", "result"],
        );
        let redirects = vec("vaxel_redirects_total", "Calls that phones wanted to have elsewhere (3xx).", &["result"]);
        for result in ["followed", "refused", "cut"] {
            redirects.with_label_values(&[result]);
        }
        for kind in [TransferKind::Blind, TransferKind::Attended] {
            for result in TRANSFER_RESULTS {
                transfers.with_label_values(&[transfer(kind), result]);
            }
        }
        for reason in REFUSALS {
            refused.with_label_values(&[reason]);
        }
        for by in ENDERS {
            ended.with_label_values(&[ender(by)]);
        }
        // Calls of agents come by no trunk, and those that were promised are ours.
        let trunks = names.trunks.iter().map(String::as_str).chain(["agent", crate::engine::callbacks::BY]);
        let queues = names.queues.iter().map(|(name, _)| name.as_str());
        families.refuses_callbacks(NO_QUEUE);
        Calls {
            tasks: Tasks::new(registry, names),
            board: Board::new(now, queues.clone(), names.agents.iter().map(String::as_str)),
            queues: queues.map(|name| (name.into(), families.queue(name))).collect(),
            trunks: trunks.map(|name| (name.into(), started.with_label_values(&[name]))).collect(),
            phases: AgentPhase::ALL.map(|phase| (phase, agents.with_label_values(&[phase.name()]))),
            pauses,
            details: TalkDetail::ALL.map(|detail| (detail, talking.with_label_values(&[detail.name()]))),
            up: gauge(registry, "vaxel_calls", "Calls that are up."),
            started,
            refused,
            out_refused,
            headers_ignored,
            ended,
            transfers,
            redirects,
            not_promised: families.not_promised,
            authentication_failures: counter(
                registry,
                "vaxel_sip_authentication_failures_total",
                "SIP requests with a wrong password or an unknown user.",
            ),
            strayed: counter(
                registry,
                "vaxel_sip_strayed_total",
                "SIP requests inside a dialog that came from elsewhere than its other side, and were refused.",
            ),
            faults: counter(
                registry,
                "vaxel_flow_faults_total",
                "Times that a flow itself went wrong: an expression failed, or it went round without waiting.",
            ),
            agents_lost: counter(
                registry,
                "vaxel_calls_agents_lost_total",
                "Calls in which agents' lines broke so often that the caller did not wait for one again.",
            ),
            answer_overdue: counter(
                registry,
                "vaxel_calls_answer_overdue_total",
                "Calls that a flow left unanswered for as long as `answer_within` of [limits] allows.",
            ),
            out_cut: counter(
                registry,
                "vaxel_calls_out_cut_total",
                "Calls that ended because an agent or a trunk had used up `minutes_per_day` of `out`.",
            ),
            silent: counter(
                registry,
                "vaxel_leg_silent_total",
                "Times a leg that should send RTP sent none for too long.",
            ),
        }
    }

    pub fn apply(&mut self, event: &CallEvent) {
        // What was told of the wait goes from the board with who waited.
        let told = match &event.what {
            What::Dequeued { queue, entry, .. } => self.board.told(queue, *entry),
            _ => None,
        };
        self.board.apply(event);
        match &event.what {
            What::CallStarted { trunk, .. } => match self.trunks.get(trunk) {
                Some(counter) => counter.inc(),
                None => self.started.with_label_values(&[trunk]).inc(),
            },
            What::CallRefused { reason, .. } => self.refused.with_label_values(&[reason]).inc(),
            What::AuthenticationFailed { .. } => self.authentication_failures.inc(),
            What::Strayed { .. } => self.strayed.inc(),
            What::CallEnded { by, .. } => self.ended.with_label_values(&[ender(*by)]).inc(),
            What::Queued { queue, .. } => self.on_queue(queue, |queue| queue.entries.inc()),
            What::Dequeued { queue, exit, waited, in_service_level, .. } => self.on_queue(queue, |queue| {
                if let Some((exits, waits)) = queue.exits.get(exit) {
                    exits.inc();
                    waits.observe(waited.as_secs_f64());
                }
                if *exit == Exit::Answered && *in_service_level {
                    queue.in_service_level.inc();
                }
                if let (Some(counter), true) = (queue.exits_in_level.get(exit), in_service_level) {
                    counter.inc();
                }
                if let Some(told) = told {
                    queue.told.left(told, event.at, *exit);
                }
            }),
            // Those of before this run were counted then.
            What::Promised { call: Some(_), queue, .. } => self.on_queue(queue, |queue| queue.promised.inc()),
            What::NotPromised { queue, why, .. } => {
                let queue = if self.queues.contains_key(queue) { queue } else { NO_QUEUE };
                self.not_promised.with_label_values(&[queue, why.name()]).inc();
            }
            What::PromiseOver { queue, fate, .. } => self.on_queue(queue, |queue| {
                if let Some(counter) = queue.promises_over.get(fate) {
                    counter.inc();
                }
            }),
            What::EstimateAsked { queue, answer, .. } => self.on_queue(queue, |queue| queue.told.asked(answer)),
            What::Task { queue, news, .. } => self.tasks.apply(queue, news),
            What::OfferEnded { queue, outcome, .. } => self.on_queue(queue, |queue| {
                if let Some(counter) = queue.offers.get(outcome) {
                    counter.inc();
                }
            }),
            What::CallerHeaderIgnored { header, reason, .. } => {
                self.headers_ignored.with_label_values(&[header, reason]).inc();
            }
            What::NoWayOut { reason, .. } => self.out_refused.with_label_values(&[reason]).inc(),
            What::TransferEnded { kind, code, .. } => {
                let result = if (200..300).contains(code) { "connected" } else { "failed" };
                self.transfers.with_label_values(&[transfer(*kind), result]).inc();
            }
            What::TransferRefused { kind, .. } => self.transfers.with_label_values(&[transfer(*kind), "refused"]).inc(),
            What::Redirected { to, .. } => {
                self.redirects.with_label_values(&[if to.is_some() { "followed" } else { "refused" }]).inc();
            }
            What::RedirectsCut { .. } => self.redirects.with_label_values(&["cut"]).inc(),
            What::LegSilent { .. } => self.silent.inc(),
            What::AnswerOverdue { .. } => self.answer_overdue.inc(),
            What::AgentsLost { .. } => self.agents_lost.inc(),
            What::OutOfMinutes { .. } => self.out_cut.inc(),
            What::FlowFault { .. } => self.faults.inc(),
            What::CallAnswered { .. }
            | What::Promised { call: None, .. }
            | What::CallsBack { .. }
            | What::PromisedAgain { .. }
            | What::RedirectAbroad { .. }
            | What::AgentFull { .. }
            | What::CallerKnown { .. }
            | What::LegClosed { .. }
            | What::Step { .. }
            | What::Offered { .. }
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Held { .. }
            | What::Resumed { .. }
            | What::Trunk { .. }
            | What::Transferred { .. }
            | What::Agent { .. } => {}
        }
    }

    pub fn make_good(&mut self, board: Board) {
        self.board = board;
    }

    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Brings what is a state up to `now`.
    pub fn measure(&self, now: Time) {
        for (name, line) in self.board.queues() {
            if let Some(queue) = self.queues.get(name) {
                queue.waiting.set(i64::try_from(line.waiting.len()).unwrap_or(i64::MAX));
                queue.promises.set(i64::try_from(line.promised.len()).unwrap_or(i64::MAX));
                queue.longest.set(line.longest_wait(now).unwrap_or_default().as_secs_f64());
            }
        }
        self.tasks.measure(now, &self.board);
        let mut agents: BTreeMap<AgentPhase, i64> = BTreeMap::new();
        for desk in self.board.agents().values() {
            *agents.entry(desk.phase).or_default() += 1;
        }
        for (phase, gauge) in &self.phases {
            gauge.set(agents.get(phase).copied().unwrap_or_default());
        }
        for pause in &self.pauses {
            let paused =
                |desk: &&board::Desk| desk.phase == AgentPhase::Paused && desk.reason.as_ref() == Some(&pause.reason);
            let desks = || self.board.agents().values().filter(paused);
            let late = desks().filter(|desk| pause.longest.is_some_and(|longest| now.since(desk.since) > longest));
            pause.agents.set(i64::try_from(desks().count()).unwrap_or(i64::MAX));
            pause.too_long.set(i64::try_from(late.count()).unwrap_or(i64::MAX));
        }
        for (detail, gauge) in &self.details {
            let desks = self.board.agents().values().filter(|desk| desk.detail == Some(*detail));
            gauge.set(i64::try_from(desks.count()).unwrap_or(i64::MAX));
        }
        self.up.set(i64::try_from(self.board.calls().len()).unwrap_or(i64::MAX));
    }

    fn on_queue(&self, name: &Arc<str>, count: impl FnOnce(&Queue)) {
        match self.queues.get(name) {
            Some(queue) => count(queue),
            None => tracing::error!(queue = &**name, "an event names a queue that is not configured"),
        }
    }
}

/// A reason for which agents pause.
struct Pause {
    reason: String,
    longest: Option<Duration>,
    agents: IntGauge,
    too_long: IntGauge,
}

struct QueueFamilies {
    entries: IntCounterVec,
    exits: IntCounterVec,
    offers: IntCounterVec,
    in_service_level: IntCounterVec,
    exits_in_level: IntCounterVec,
    told: ToldFamilies,
    waits: HistogramVec,
    waiting: IntGaugeVec,
    longest: GaugeVec,
    promised: IntCounterVec,
    promises_over: IntCounterVec,
    promises: IntGaugeVec,
    not_promised: IntCounterVec,
}

impl QueueFamilies {
    /// They are zero from the start.
    fn refuses_callbacks(&self, name: &str) {
        for why in Unpromised::ALL {
            self.not_promised.with_label_values(&[name, why.name()]);
        }
    }

    fn queue(&self, name: &str) -> Queue {
        let exit = |exit| {
            let labels = [name, exit_name(exit)];
            (exit, (self.exits.with_label_values(&labels), self.waits.with_label_values(&labels)))
        };
        let offer = |outcome| (outcome, self.offers.with_label_values(&[name, outcome_name(outcome)]));
        self.refuses_callbacks(name);
        let fate = |fate: Fate| (fate, self.promises_over.with_label_values(&[name, fate.name()]));
        Queue {
            entries: self.entries.with_label_values(&[name]),
            exits: Exit::ALL.map(exit).into(),
            offers: Outcome::ALL.map(offer).into(),
            in_service_level: self.in_service_level.with_label_values(&[name]),
            exits_in_level: Exit::ALL
                .map(|exit| (exit, self.exits_in_level.with_label_values(&[name, exit_name(exit)])))
                .into(),
            told: self.told.queue(name),
            waiting: self.waiting.with_label_values(&[name]),
            longest: self.longest.with_label_values(&[name]),
            promised: self.promised.with_label_values(&[name]),
            promises_over: Fate::ALL.map(fate).into(),
            promises: self.promises.with_label_values(&[name]),
        }
    }
}

fn wait_bounds(names: &Names) -> Vec<f64> {
    let mut bounds: Vec<f64> = names.queues.iter().map(|(_, level)| level.as_secs_f64()).collect();
    bounds.extend(WAIT_SECONDS);
    // A level of zero would be a bucket that nothing can be told from.
    bounds.retain(|bound| *bound > 0.0);
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

/// As it stands in records.
pub(in crate::edge) fn exit_name(exit: Exit) -> &'static str {
    match exit {
        Exit::Answered => "answered",
        Exit::Abandoned => "abandoned",
        Exit::ShortAbandoned => "short_abandoned",
        Exit::Overflowed => "overflowed",
        Exit::TimedOut => "timed_out",
        Exit::Callback => "callback",
        Exit::LeftByKey => "left_by_key",
        Exit::Transferred => "transferred",
        Exit::QueueClosed => "queue_closed",
        Exit::NoAgents => "no_agents",
        Exit::RefusedFull => "refused_full",
        Exit::SystemFault => "system_fault",
    }
}

pub(super) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Declined => "declined",
        Outcome::Busy => "busy",
        Outcome::NoAnswer => "no_answer",
        Outcome::Unreachable => "unreachable",
        Outcome::CallerGone => "caller_gone",
        Outcome::AnsweredElsewhere => "answered_elsewhere",
        Outcome::Withdrawn => "withdrawn",
    }
}

pub(in crate::edge) fn ender(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Caller => "caller",
        EndedBy::Agent => "agent",
        EndedBy::Called => "called",
        EndedBy::Flow => "flow",
        EndedBy::System => "system",
        EndedBy::SystemFault => "system_fault",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use super::*;
    use crate::edge::Clock;
    use crate::ids::{CallId, EntryId, OfferId};
    use crate::time::Duration;

    fn names() -> Names {
        Names {
            queues: vec![("sales".into(), Duration::from_millis(12_500)), ("help".into(), Duration::from_secs(20))],
            agents: vec!["anna".into(), "bo".into()],
            trunks: vec!["carrier".into()],
            pauses: vec![("lunch".into(), Some(Duration::from_secs(60)))],
            named: Vec::new(),
        }
    }

    fn apply(metrics: &Metrics, at: Time, what: What) {
        metrics.apply(&CallEvent { at, what });
    }

    fn queued(n: u64, queue: &str) -> What {
        What::Queued { call: CallId(n), entry: EntryId(n), queue: queue.into(), priority: 0 }
    }

    fn dequeued(n: u64, queue: &str, exit: Exit, waited: Duration) -> What {
        let in_service_level = waited <= Duration::from_millis(12_500);
        What::Dequeued { call: CallId(n), entry: EntryId(n), queue: queue.into(), exit, waited, in_service_level }
    }

    #[test]
    fn everything_configured_is_zero_from_the_start() {
        let scraped = scrape(&Metrics::new(Clock::start(), &names()));
        for series in [
            r#"vaxel_queue_entries_total{queue="help"}"#,
            r#"vaxel_queue_waiting{queue="sales"}"#,
            r#"vaxel_queue_longest_wait_seconds{queue="sales"}"#,
            r#"vaxel_queue_answered_in_service_level_total{queue="sales"}"#,
            r#"vaxel_calls_total{trunk="carrier"}"#,
            r#"vaxel_calls_total{trunk="agent"}"#,
            r#"vaxel_calls_refused_total{reason="draining"}"#,
            r#"vaxel_calls_ended_total{by="called"}"#,
            r#"vaxel_calls_ended_total{by="system"}"#,
            "vaxel_leg_silent_total",
            "vaxel_calls",
        ] {
            assert_eq!(scraped.get(series), Some(&0.0), "{series}");
        }
        for queue in ["sales", "help"] {
            for exit in Exit::ALL.map(exit_name) {
                assert_eq!(scraped[&format!(r#"vaxel_queue_exits_total{{exit="{exit}",queue="{queue}"}}"#)], 0.0);
                let count = format!(r#"vaxel_queue_wait_seconds_count{{outcome="{exit}",queue="{queue}"}}"#);
                assert_eq!(scraped[&count], 0.0);
            }
            for outcome in Outcome::ALL.map(outcome_name) {
                assert_eq!(scraped[&format!(r#"vaxel_offers_total{{outcome="{outcome}",queue="{queue}"}}"#)], 0.0);
            }
        }
        let agents: f64 = scraped.iter().filter(|(name, _)| name.starts_with("vaxel_agents{")).map(|(_, n)| n).sum();
        assert_eq!(agents, 2.0);
        assert_eq!(scraped[r#"vaxel_agents{state="offline"}"#], 2.0);
    }

    #[test]
    fn a_pause_that_lasts_too_long_is_counted_as_long_as_it_does() {
        let metrics = Metrics::new(Clock::start(), &names());
        let told = |at, phase, reason: Option<&str>| {
            let reason = reason.map(str::to_owned);
            apply(
                &metrics,
                at,
                What::Agent { agent: "anna".into(), phase, reason, until: None, detail: None, since: None },
            );
            let scraped = scrape(&metrics);
            let of = |name: &str| scraped[&format!(r#"{name}{{reason="lunch"}}"#)];
            (of("vaxel_agents_paused"), of("vaxel_agents_paused_too_long"))
        };
        // What is scraped is as of now, by the clock.
        let now = Clock::start().now();
        assert_eq!(told(now - Duration::from_secs(50), AgentPhase::Paused, Some("lunch")), (1.0, 0.0));
        assert_eq!(told(now, AgentPhase::Ready, None), (0.0, 0.0));
        assert_eq!(told(now - Duration::from_secs(61), AgentPhase::Paused, Some("lunch")), (1.0, 1.0));
        assert_eq!(told(now, AgentPhase::Paused, Some("golf")), (0.0, 0.0));
    }

    #[test]
    fn labels_are_the_words_of_the_records() {
        for exit in Exit::ALL {
            assert_eq!(serde_json::to_value(exit).unwrap(), exit_name(exit));
        }
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome_name(outcome));
        }
        for by in ENDERS.into_iter().chain([EndedBy::SystemFault]) {
            assert_eq!(serde_json::to_value(by).unwrap(), ender(by));
        }
        for phase in AgentPhase::ALL {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.name());
        }
    }

    #[test]
    fn a_queue_s_service_level_is_a_bound_of_the_wait_histogram() {
        let metrics = Metrics::new(Clock::start(), &names());
        let waits = [12_500, 12_501, 400].map(Duration::from_millis);
        for (n, waited) in (1..).zip(waits) {
            apply(&metrics, Time::EPOCH, queued(n, "sales"));
            apply(&metrics, Time::EPOCH, dequeued(n, "sales", Exit::Answered, waited));
        }
        let scraped = scrape(&metrics);
        let bucket =
            |le| scraped[&format!(r#"vaxel_queue_wait_seconds_bucket{{outcome="answered",queue="sales",le="{le}"}}"#)];
        assert_eq!((bucket("1"), bucket("12.5"), bucket("15"), bucket("+Inf")), (1.0, 2.0, 3.0, 3.0));
        assert_eq!(scraped[r#"vaxel_queue_answered_in_service_level_total{queue="sales"}"#], 2.0);
    }

    #[test]
    fn entries_are_exits_plus_waiting_in_every_scrape() {
        let metrics = Metrics::new(Clock::start(), &names());
        let sum = |scraped: &BTreeMap<String, f64>, family: &str, queue: &str| -> f64 {
            let of_queue = format!("queue=\"{queue}\"");
            let series = scraped.iter().filter(|(name, _)| name.starts_with(family) && name.contains(&of_queue));
            series.map(|(_, value)| value).sum()
        };
        // Twelve exits, two queues, entries that overlap: one joins at each turn, and from the fifth turn on one leaves.
        for n in 0..40_u64 {
            let queue = ["sales", "help"][n as usize % 2];
            apply(&metrics, Time::from_secs(n), queued(n, queue));
            if n >= 4 {
                let exit = Exit::ALL[n as usize % Exit::ALL.len()];
                apply(&metrics, Time::from_secs(n), dequeued(n - 4, queue, exit, Duration::from_secs(4)));
            }
            let scraped = scrape(&metrics);
            for queue in ["sales", "help"] {
                let entries = sum(&scraped, "vaxel_queue_entries_total{", queue);
                let exits = sum(&scraped, "vaxel_queue_exits_total{", queue);
                let waits = sum(&scraped, "vaxel_queue_wait_seconds_count{", queue);
                let waiting = sum(&scraped, "vaxel_queue_waiting{", queue);
                assert_eq!(entries, exits + waiting);
                assert_eq!(exits, waits);
            }
        }
        let scraped = scrape(&metrics);
        assert_eq!(sum(&scraped, "vaxel_queue_entries_total{", "sales"), 20.0);
        assert_eq!(sum(&scraped, "vaxel_queue_waiting{", "sales"), 2.0);
    }

    #[test]
    fn the_longest_wait_is_measured_when_it_is_asked_for() {
        let clock = Clock::start();
        let metrics = Metrics::new(clock, &names());
        apply(&metrics, clock.now() - Duration::from_secs(100), queued(1, "help"));
        apply(&metrics, clock.now() - Duration::from_secs(50), queued(2, "help"));
        let longest = r#"vaxel_queue_longest_wait_seconds{queue="help"}"#;
        let waited = scrape(&metrics)[longest];
        assert!((100.0..110.0).contains(&waited), "{waited}");
        apply(&metrics, clock.now(), dequeued(1, "help", Exit::Abandoned, Duration::from_secs(100)));
        let waited = scrape(&metrics)[longest];
        assert!((50.0..60.0).contains(&waited), "{waited}");
    }

    #[test]
    fn calls_offers_and_agents_are_counted() {
        let metrics = Metrics::new(Clock::start(), &names());
        let (call, entry, offer) = (CallId(1), EntryId(1), OfferId(1));
        let at = Time::from_secs(1);
        let (from, to) = (String::from("1"), String::from("2"));
        apply(&metrics, at, What::CallStarted { call, from, to, trunk: "carrier".into() });
        assert_eq!(scrape(&metrics)["vaxel_calls"], 1.0);
        let (queue, agent): (Arc<str>, Arc<str>) = ("sales".into(), "anna".into());
        let phase = AgentPhase::Offered;
        apply(
            &metrics,
            at,
            What::Agent { agent: agent.clone(), phase, reason: None, until: None, detail: None, since: None },
        );
        apply(&metrics, at, What::OfferEnded { call, entry, offer, queue, agent, outcome: Outcome::NoAnswer });
        apply(&metrics, at, What::CallEnded { call, by: EndedBy::Agent, cause: String::new() });
        apply(&metrics, at, What::CallRefused { code: 404, reason: "something_new".into() });
        apply(&metrics, at, What::AuthenticationFailed { user: "anna".into(), from: [192, 0, 2, 1].into() });
        apply(&metrics, at, What::Strayed { from: [192, 0, 2, 1].into(), code: 481 });
        let by: Arc<str> = "anna".into();
        for to in [Some("201".to_owned()), Some("202".to_owned()), None] {
            apply(&metrics, at, What::Redirected { call, by: by.clone(), to });
        }
        apply(&metrics, at, What::RedirectsCut { call, by, left: 3 });
        let scraped = scrape(&metrics);
        for (series, value) in [
            ("vaxel_calls", 0.0),
            (r#"vaxel_calls_total{trunk="carrier"}"#, 1.0),
            (r#"vaxel_calls_ended_total{by="agent"}"#, 1.0),
            (r#"vaxel_calls_refused_total{reason="something_new"}"#, 1.0),
            ("vaxel_sip_authentication_failures_total", 1.0),
            ("vaxel_sip_strayed_total", 1.0),
            (r#"vaxel_redirects_total{result="followed"}"#, 2.0),
            (r#"vaxel_redirects_total{result="refused"}"#, 1.0),
            (r#"vaxel_redirects_total{result="cut"}"#, 1.0),
            (r#"vaxel_offers_total{outcome="no_answer",queue="sales"}"#, 1.0),
            (r#"vaxel_agents{state="offered"}"#, 1.0),
            (r#"vaxel_agents{state="offline"}"#, 1.0),
        ] {
            assert_eq!(scraped[series], value, "{series}");
        }
    }
}

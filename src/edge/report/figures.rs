//! What is known of a time, as figures. A figure of nothing is `null`: no callers have no service level, and not one of 0 %.

use super::asked::Span;
use super::fold::{self, Known};
use crate::acd::truth::{Counts, Figures, Promises, ServiceLevel};
use crate::acd::{Exit, Phase, TalkDetail};
use crate::edge::moment;
use crate::time::{Duration, Time};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;

/// As JSON its field names stay as they are; new ones may come. Times are RFC 3339.
#[derive(Debug, PartialEq, Serialize)]
pub struct Report {
    pub from: String,
    pub to: String,
    /// Up to here it is known; the same as `to` if nothing says otherwise.
    pub until: String,
    pub interval_seconds: f64,
    pub journal_begins: String,
    /// Why it may not be as it was.
    pub doubts: Vec<String>,
    /// By name.
    pub queues: Vec<Queue>,
    /// The callers of those together, each by the service level of the queue. Who went on from one to another is one in each.
    pub all: Callers,
    /// Of all agents, whichever queues they serve.
    pub agents: Agents,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Queue {
    pub name: String,
    /// As the settings had it last. `None`: they did not have the queue any more.
    pub service_level_seconds: Option<f64>,
    pub calls: Group<Callers>,
    /// `None`: there were none.
    pub tasks: Option<Group<Callers>>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Agents {
    /// By name, those who were there.
    pub each: Vec<Agent>,
    #[serde(flatten)]
    pub all: Group<Spent>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Agent {
    pub name: String,
    #[serde(flatten)]
    pub spent: Spent,
    /// Time paused, by reason.
    pub paused_seconds: BTreeMap<String, f64>,
}

/// The whole time and its intervals.
#[derive(Debug, PartialEq, Serialize)]
pub struct Group<T> {
    pub total: T,
    pub intervals: Vec<Interval<T>>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Interval<T> {
    pub from: String,
    pub to: String,
    #[serde(flatten)]
    pub row: T,
}

/// Those who came in some time; what each figure is says [`Counts`].
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Callers {
    pub offered: u64,
    /// Of those, who still waited, and whose talk or wrap-up was on: as long as there are any, the figures are not final.
    pub waiting: u64,
    pub in_hand: u64,
    pub answered: u64,
    pub answered_in_level: u64,
    /// Short ones included.
    pub abandoned: u64,
    pub short_abandoned: u64,
    pub abandoned_in_level: u64,
    /// Every way out that somebody took.
    pub exits: BTreeMap<Exit, u64>,
    /// By every formula of [`ServiceLevel`].
    pub service_levels: BTreeMap<ServiceLevel, Option<f64>>,
    pub abandoned_share: Option<f64>,
    pub abandoned_share_without_short: Option<f64>,
    /// Mean of the answered (ASA).
    pub wait_seconds: Option<f64>,
    /// Of the answered and the abandoned.
    pub wait_longest_seconds: Option<f64>,
    /// Mean of the abandoned.
    pub abandoned_wait_seconds: Option<f64>,
    /// Answered, and talk and wrap-up are over; the means below are of these, the first (AHT) of the sums of the other three.
    pub handled: u64,
    pub handling_seconds: Option<f64>,
    pub talk_seconds: Option<f64>,
    pub hold_seconds: Option<f64>,
    pub wrap_up_seconds: Option<f64>,
    /// Promises to call back that were made in the time, in none of the others. `None`: none.
    pub promises: Option<Promises>,
}

/// What agents did in some time; what each figure is says [`Figures`].
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    pub calls: u64,
    pub declined: u64,
    pub no_answer: u64,
    pub failed: u64,
    pub caller_gone: u64,
    pub logged_in_seconds: f64,
    /// By state, those in which time was spent.
    pub spent_seconds: BTreeMap<&'static str, f64>,
    pub held_seconds: f64,
    pub consulting_seconds: f64,
    /// Occupancy; `None`: nobody was there for callers.
    pub occupancy: Option<f64>,
    pub utilisation: Option<f64>,
}

impl Report {
    pub fn of(known: &Known, span: &Span, zone: &TimeZone) -> Report {
        let show = |at| moment::show_with_offset(at, zone);
        let rows = |counts: &BTreeMap<usize, Counts>| callers(counts, &known.bounds, zone);
        let all = known.queues.values().flat_map(|queue| queue.calls.values());
        let queue = |(name, queue): (&String, &fold::Queue)| Queue {
            name: name.clone(),
            service_level_seconds: queue.service_level.map(|level| level.as_secs_f64()),
            calls: rows(&queue.calls),
            tasks: Some(rows(&queue.tasks)).filter(|tasks| tasks.total != Callers::from(&Counts::default())),
        };
        Report {
            from: show(span.from),
            to: show(span.to),
            until: show(known.until),
            interval_seconds: span.every.as_secs_f64(),
            journal_begins: show(known.begin),
            doubts: known.doubts.clone(),
            queues: known.queues.iter().map(queue).collect(),
            all: Callers::from(&sum(all)),
            agents: Agents::of(known, zone),
        }
    }
}

fn sum<'a>(all: impl Iterator<Item = &'a Counts>) -> Counts {
    all.fold(Counts::default(), |mut sum, counts| {
        sum.add(counts);
        sum
    })
}

/// From the first interval in which somebody came to the last.
fn callers(counts: &BTreeMap<usize, Counts>, bounds: &[Time], zone: &TimeZone) -> Group<Callers> {
    let (first, last) = (counts.keys().next(), counts.keys().next_back());
    let nobody = Counts::default();
    let row = |index: usize| interval(bounds, index, Callers::from(counts.get(&index).unwrap_or(&nobody)), zone);
    let intervals = first.zip(last).map_or_else(Vec::new, |(first, last)| (*first..=*last).map(row).collect());
    Group { total: Callers::from(&sum(counts.values())), intervals }
}

fn interval<T>(bounds: &[Time], index: usize, row: T, zone: &TimeZone) -> Interval<T> {
    let at = |index: usize| moment::show_with_offset(bounds[index.min(bounds.len() - 1)], zone);
    Interval { from: at(index), to: at(index + 1), row }
}

impl From<&Counts> for Callers {
    fn from(counts: &Counts) -> Callers {
        let seconds = |length: Duration| length.as_secs_f64();
        let mean = |micros: u64| Some(Duration::from_micros(micros.checked_div(counts.handled)?).as_secs_f64());
        let waited = counts.answered() + counts.abandoned() > 0;
        let promised = counts.promises != Promises::default();
        Callers {
            offered: counts.offered,
            waiting: counts.waiting,
            in_hand: counts.in_hand,
            answered: counts.answered(),
            answered_in_level: counts.answered_in_level,
            abandoned: counts.abandoned(),
            short_abandoned: counts.short_abandoned(),
            abandoned_in_level: counts.abandoned_in_level,
            exits: counts.exits.into(),
            service_levels: ServiceLevel::ALL.into_iter().map(|formula| (formula, formula.of(counts))).collect(),
            abandoned_share: counts.abandon_rate(),
            abandoned_share_without_short: counts.abandon_rate_without_short(),
            wait_seconds: counts.average_speed_of_answer().map(seconds),
            wait_longest_seconds: waited.then(|| seconds(counts.longest_wait())),
            abandoned_wait_seconds: counts.average_time_to_abandon().map(seconds),
            handled: counts.handled,
            handling_seconds: counts.average_handling_time().map(seconds),
            talk_seconds: mean(counts.talk_micros),
            hold_seconds: mean(counts.hold_micros),
            wrap_up_seconds: mean(counts.wrap_up_micros),
            promises: promised.then_some(counts.promises),
        }
    }
}

impl Callers {
    /// Who left neither answered nor by hanging up.
    pub fn others(&self) -> impl Iterator<Item = (Exit, u64)> {
        let usual = [Exit::Answered, Exit::Abandoned, Exit::ShortAbandoned];
        self.exits.iter().map(|(exit, count)| (*exit, *count)).filter(move |(exit, _)| !usual.contains(exit))
    }
}

impl Agents {
    fn of(known: &Known, zone: &TimeZone) -> Agents {
        let agents = known.agents.iter().filter(|(_, figures)| is_something(figures));
        let each: Vec<_> = agents
            .map(|(name, figures)| Agent {
                name: name.clone(),
                spent: Spent::from(figures),
                paused_seconds: figures
                    .paused()
                    .map(|(reason, spent)| (reason.to_owned(), spent.as_secs_f64()))
                    .collect(),
            })
            .collect();
        let pairs = known.at_bounds.windows(2).map(|pair| pair[1].since(&pair[0]));
        let spent: BTreeMap<usize, Figures> = (0..).zip(pairs).filter(|(_, figures)| is_something(figures)).collect();
        let row = |index: usize| {
            let spent = spent.get(&index).map(Spent::from).unwrap_or_default();
            interval(&known.bounds, index, spent, zone)
        };
        let ends = spent.keys().next().zip(spent.keys().next_back());
        let intervals = ends.map_or_else(Vec::new, |(first, last)| (*first..=*last).map(row).collect());
        let mut total = Figures::default();
        known.agents.values().for_each(|figures| total.add(figures));
        Agents { each, all: Group { total: Spent::from(&total), intervals } }
    }
}

fn is_something(figures: &Figures) -> bool {
    !figures.logged_in().is_zero() || figures.offers() > 0
}

impl From<&Figures> for Spent {
    fn from(figures: &Figures) -> Spent {
        let spent = Phase::ALL.into_iter().map(|phase| (phase.name(), figures.spent(phase).as_secs_f64()));
        Spent {
            calls: figures.calls,
            declined: figures.declined,
            no_answer: figures.no_answer,
            failed: figures.failed,
            caller_gone: figures.caller_gone,
            logged_in_seconds: figures.logged_in().as_secs_f64(),
            spent_seconds: spent.filter(|(_, seconds)| *seconds > 0.0).collect(),
            held_seconds: figures.talking(TalkDetail::Held).as_secs_f64(),
            consulting_seconds: figures.talking(TalkDetail::Consulting).as_secs_f64(),
            occupancy: figures.occupancy(),
            utilisation: figures.utilisation(),
        }
    }
}

impl Spent {
    pub fn seconds(&self, phase: Phase) -> f64 {
        self.spent_seconds.get(phase.name()).copied().unwrap_or(0.0)
    }
}

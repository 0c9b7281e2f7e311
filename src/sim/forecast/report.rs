//! Many days as one answer, by queue, group and interval.

use super::estimate::Estimate;
use super::plan::{Plan, TimeOfDay};
use super::recorded::LeftOut;
use super::run::Outcomes;
use super::tally::{QueueNumbers, Spent};
use crate::acd::Exit;
use crate::acd::truth::ServiceLevel;
use crate::time::Duration;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What would happen. As JSON its field names stay as they are; new ones may come.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Days that were played, one from each seed, and the first of the seeds; the others follow it.
    pub seeds: usize,
    pub first_seed: u64,
    /// Of all days.
    pub calls: u64,
    /// `HH:MM`; a day that goes on after midnight closes before it opens.
    pub opens: String,
    pub closes: String,
    pub interval_seconds: f64,
    /// In the order of the plan.
    pub queues: Vec<QueueReport>,
    pub groups: Vec<GroupReport>,
    /// Of the recorded day whose callers come again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueReport {
    pub name: String,
    pub service_level_seconds: f64,
    pub day: QueueRow,
    pub intervals: Vec<Interval<QueueRow>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupReport {
    pub name: String,
    pub agents: u32,
    /// With the time before opening and after closing.
    pub day: GroupRow,
    pub intervals: Vec<Interval<GroupRow>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval<T> {
    /// `HH:MM`.
    pub from: String,
    pub to: String,
    /// The last may be shorter than the others.
    pub seconds: f64,
    #[serde(flatten)]
    pub row: T,
}

/// Callers by when they came, whenever they were answered. What nobody had is `null`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct QueueRow {
    pub offered: Option<Estimate>,
    pub answered: Option<Estimate>,
    /// Hung up while they waited, soon or late.
    pub abandoned: Option<Estimate>,
    /// Of those offered.
    pub abandoned_share: Option<Estimate>,
    /// Share answered in time, of all: the first of the formulas below, the strictest.
    pub service_level: Option<Estimate>,
    /// By every formula of [`ServiceLevel`].
    pub service_levels: BTreeMap<ServiceLevel, Option<Estimate>>,
    /// Talk and wrap-up of the answered (AHT).
    pub handling_seconds: Option<Estimate>,
    /// Of the answered: mean (average speed of answer), and what nine of ten did not exceed.
    pub wait_seconds: Option<Estimate>,
    pub wait_p90_seconds: Option<Estimate>,
    /// Mean of all who came, however they left.
    pub wait_all_seconds: Option<Estimate>,
    /// The longest of a day, answered or not.
    pub wait_longest_seconds: Option<Estimate>,
    /// Every way out that somebody took.
    pub exits: BTreeMap<Exit, Estimate>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GroupRow {
    /// Hours in which agents were there for callers; and in which they were logged in and not: breaks, unanswered calls.
    pub staffed_hours: Option<Estimate>,
    pub away_hours: Option<Estimate>,
    /// Of the staffed time, the share with a call ringing, a talk or a wrap-up.
    pub occupancy: Option<Estimate>,
}

const NO_LESS_THAN_ZERO: (f64, f64) = (0.0, f64::INFINITY);
const SHARE: (f64, f64) = (0.0, 1.0);

impl Report {
    /// `days`: the outcomes of the seeds from `first_seed` on, in their order.
    pub fn of(plan: &Plan, first_seed: u64, days: &[Outcomes]) -> Report {
        let queue = |(q, settings): (usize, &crate::acd::QueueSettings)| {
            let row = |i: usize| QueueRow::of(&days.iter().map(|day| &day.queues[q][i]).collect::<Vec<_>>());
            QueueReport {
                name: settings.name.clone(),
                service_level_seconds: settings.service_level.as_secs_f64(),
                day: row(plan.intervals()),
                intervals: by_interval(plan, row),
            }
        };
        let group = |(g, group): (usize, &super::Group)| {
            let row = |i: usize| GroupRow::of(&days.iter().map(|day| &day.groups[g][i]).collect::<Vec<_>>());
            GroupReport {
                name: group.name.clone(),
                agents: group.agents,
                day: row(plan.intervals()),
                intervals: by_interval(plan, row),
            }
        };
        Report {
            seeds: days.len(),
            first_seed,
            calls: days.iter().map(|day| day.calls).sum(),
            opens: clock(plan.opens),
            closes: clock(plan.closes),
            interval_seconds: plan.interval.as_secs_f64(),
            queues: plan.queues.iter().enumerate().map(queue).collect(),
            groups: plan.groups.iter().enumerate().map(group).collect(),
            left_out: None,
        }
    }
}

pub(super) fn by_interval<T>(plan: &Plan, row: impl Fn(usize) -> T) -> Vec<Interval<T>> {
    let interval = |i: usize| {
        let (from, to) = plan.interval(i);
        Interval { from: clock(from), to: clock(to), seconds: to.saturating_sub(from).as_secs_f64(), row: row(i) }
    };
    (0..plan.intervals()).map(interval).collect()
}

fn clock(at: Duration) -> String {
    TimeOfDay(at).to_string()
}

impl QueueRow {
    fn of(days: &[&QueueNumbers]) -> QueueRow {
        let each = |value: &dyn Fn(&QueueNumbers) -> Option<f64>, bounds| {
            Estimate::of(days.iter().filter_map(|numbers| value(numbers)), bounds)
        };
        let count = |count: &dyn Fn(&QueueNumbers) -> u64| each(&|n| Some(count(n) as f64), NO_LESS_THAN_ZERO);
        let time = |seconds: &dyn Fn(&QueueNumbers) -> Option<f64>| each(seconds, NO_LESS_THAN_ZERO);
        let mean = |sums: &dyn Fn(&QueueNumbers) -> (f64, f64), bounds| {
            Estimate::ratio(days.iter().map(|numbers| sums(numbers)), bounds)
        };
        let level = |formula: ServiceLevel| mean(&|n| n.service_level(formula), SHARE);
        let ways: BTreeSet<Exit> = days.iter().flat_map(|n| n.counts.exits.iter()).map(|(exit, _)| exit).collect();
        QueueRow {
            offered: count(&|n| n.counts.offered),
            answered: count(&|n| n.counts.answered()),
            abandoned: count(&|n| n.counts.abandoned()),
            abandoned_share: mean(&QueueNumbers::abandon_rate, SHARE),
            service_level: level(ServiceLevel::AbandonsAgainst),
            service_levels: ServiceLevel::ALL.into_iter().map(|formula| (formula, level(formula))).collect(),
            handling_seconds: mean(&QueueNumbers::handling_time, NO_LESS_THAN_ZERO),
            wait_seconds: mean(&QueueNumbers::speed_of_answer, NO_LESS_THAN_ZERO),
            wait_p90_seconds: time(&|n| Some(n.wait_p90?.as_secs_f64())),
            wait_all_seconds: mean(&QueueNumbers::wait_all, NO_LESS_THAN_ZERO),
            wait_longest_seconds: time(&|n| (n.counts.offered > 0).then_some(n.waited_micros_max as f64 / 1e6)),
            exits: ways.into_iter().filter_map(|exit| Some((exit, count(&|n| n.counts.exits.of(exit))?))).collect(),
        }
    }

    /// Those who left neither answered nor by hanging up.
    pub fn others(&self) -> impl Iterator<Item = (Exit, &Estimate)> {
        let usual = [Exit::Answered, Exit::Abandoned, Exit::ShortAbandoned];
        self.exits.iter().filter(move |(exit, _)| !usual.contains(exit)).map(|(exit, estimate)| (*exit, estimate))
    }
}

impl GroupRow {
    fn of(days: &[&Spent]) -> GroupRow {
        let hours = |seconds: &dyn Fn(&Spent) -> f64| {
            Estimate::of(days.iter().map(|spent| seconds(spent) / 3600.0), NO_LESS_THAN_ZERO)
        };
        GroupRow {
            staffed_hours: hours(&Spent::staffed),
            away_hours: hours(&|spent| spent.away),
            occupancy: Estimate::ratio(days.iter().map(|spent| (spent.occupied, spent.staffed())), SHARE),
        }
    }
}

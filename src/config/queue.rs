//! One `[[queues]]`, and what `[every_queue]` says for those that say nothing else; and what skills are written as.

use super::announcement::{Announcement, announcement};
use super::each;
use super::read::{Setting, Table};
use super::values::{Limit, Moment, Name};
use crate::acd::{HeldLicence, KeepPlaceFor, QueueSettings, Relax, Skills, Strategy, Validity};
use crate::time::Duration;
use std::collections::BTreeMap;
use std::str::FromStr;

const DAY: Duration = Duration::from_secs(86_400);

/// All queues, and what is said to the agents of those that say something.
pub(super) fn queues(
    top: &Table,
    every: &QueueSettings,
    said_by_every: Option<&Announcement>,
) -> (Vec<QueueSettings>, BTreeMap<String, Announcement>) {
    let queues = each(top, "queues", |table| {
        let said = announcement(table).or_else(|| said_by_every.cloned());
        (queue(table, every), said)
    });
    let said = queues.iter().filter_map(|(queue, said)| Some((queue.name.clone(), said.clone()?)));
    let said = said.filter(|(_, said)| !said.parts.is_empty()).collect();
    (queues.into_iter().map(|(queue, _)| queue).collect(), said)
}

fn queue(table: &Table, every: &QueueSettings) -> QueueSettings {
    QueueSettings {
        name: table.get::<Name>("name").0,
        needs: table.need("needs").unwrap_or_default(),
        relax: relax(table),
        members_only: table.optional("members_only").unwrap_or(false),
        ..settings(table, every)
    }
}

/// What a queue and `[every_queue]` have in common.
pub(super) fn settings(table: &Table, defaults: &QueueSettings) -> QueueSettings {
    let time = |key, default: Duration| table.within(key, Duration::ZERO..=DAY).unwrap_or(default);
    QueueSettings {
        strategy: table.optional::<Chosen>("strategy").map_or(defaults.strategy, |chosen| chosen.0),
        ring_all_max: table.within("ring_all_max", 1..=100).unwrap_or(defaults.ring_all_max),
        ring_time: table.within("ring_time", Duration::from_secs(1)..=DAY).or(defaults.ring_time),
        priority: table.within("priority", -1_000_000..=1_000_000).unwrap_or(defaults.priority),
        ageing: table.within("ageing", 0.0..=1e6).unwrap_or(defaults.ageing),
        weight: table.within("weight", 1..=1_000).unwrap_or(defaults.weight),
        max_wait: table.optional::<Limit>("max_wait").map_or(defaults.max_wait, |limit| limit.0),
        max_waiting: table.within("max_waiting", 0..=1_000_000).unwrap_or(defaults.max_waiting),
        leave_when_no_agents: table.optional("leave_when_no_agents").unwrap_or(defaults.leave_when_no_agents),
        retry_same_agent: time("retry_same_agent", defaults.retry_same_agent),
        short_abandon: time("short_abandon", defaults.short_abandon),
        keep_place: time("keep_place", defaults.keep_place),
        keep_place_for: table.optional::<KeptFor>("keep_place_for").map_or(defaults.keep_place_for, |kept| kept.0),
        reconnect_within: time("reconnect_within", defaults.reconnect_within),
        reconnect_wait: time("reconnect_wait", defaults.reconnect_wait),
        service_level: time("service_level", defaults.service_level),
        ..defaults.clone()
    }
}

fn relax(table: &Table) -> Vec<Relax> {
    let steps = table.tables("relax").into_iter().map(|step| {
        let after = step.get("after");
        let needs = step.need("needs");
        if needs.is_none() && !step.has("needs") {
            step.wrong("after", "a step without `needs` changes nothing".into(), r#"add `needs = "…"`"#.into());
        }
        step.finish();
        Relax { after, need: needs.unwrap_or_default() }
    });
    steps.collect()
}

/// `skills` of an agent: a level each, or a level with the time for which it counts.
pub(super) fn skills(table: &Table) -> (Skills, BTreeMap<String, Validity>) {
    let (mut skills, mut valid) = (Skills::new(), BTreeMap::new());
    for (name, (level, part)) in table.levels_with("skills", 1..=10) {
        if let Some(part) = part {
            valid.insert(name.clone(), validity(&part));
            part.finish();
        }
        skills.insert(name, level);
    }
    (skills, valid)
}

/// `licences` of an agent.
pub(super) fn licences(table: &Table) -> Vec<HeldLicence> {
    let licences = table.tables("licences").into_iter().map(|licence| {
        let held = HeldLicence {
            kind: licence.get::<Name>("kind").0,
            jurisdiction: licence.get("jurisdiction"),
            valid: validity(&licence),
        };
        licence.finish();
        held
    });
    licences.collect()
}

fn validity(table: &Table) -> Validity {
    let at = |key| table.optional::<Moment>(key).map(|moment| moment.0);
    let valid = Validity { from: at("from"), to: at("to") };
    if valid.from.zip(valid.to).is_some_and(|(from, to)| from >= to) {
        table.wrong(
            "to",
            "it ends before it begins".into(),
            "`to` is the first moment at which it counts no more".into(),
        );
    }
    valid
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Chosen(Strategy);

impl FromStr for Chosen {
    type Err = String;
    fn from_str(text: &str) -> Result<Chosen, String> {
        use Strategy::*;
        let all = [
            ("longest_idle", LongestIdle),
            ("most_skilled", MostSkilled),
            ("least_skilled", LeastSkilled),
            ("fewest_calls", FewestCalls),
            ("round_robin", RoundRobin),
            ("random", Random),
            ("linear", Linear),
            ("ring_all", RingAll),
        ];
        all.iter().find(|(name, _)| *name == text).map(|(_, strategy)| Chosen(*strategy)).ok_or_else(String::new)
    }
}

impl Setting for Chosen {
    const EXPECTED: &'static str = r#"one of "longest_idle", "most_skilled", "least_skilled", "fewest_calls", "round_robin", "random", "linear" and "ring_all""#;
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct KeptFor(KeepPlaceFor);

impl Setting for KeptFor {
    const EXPECTED: &'static str = r#""broken" or "all""#;
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "broken" => Ok(KeptFor(KeepPlaceFor::Broken)),
            "all" => Ok(KeptFor(KeepPlaceFor::All)),
            _ => Err(String::new()),
        }
    }
}

//! One `[[queues]]`, and what `[every_queue]` says for those that say nothing else; and what skills are written as.

use super::announcement::{Announcement, announcement};
use super::each;
use super::hours::hours;
use super::problem::{Place, Problem, nearest};
use super::read::{Setting, Table};
use super::values::{Limit, Moment, Name};
use crate::acd::{
    HeldLicence, InVain, KeepPlaceFor, Overflow, QueueSettings, Relax, Rule, Skills, Strategy, Validity, When,
};
use crate::hours::Calendar;
use crate::ids::QueueId;
use crate::need::Attributes;
use crate::time::{Duration, show_duration};
use std::collections::BTreeMap;
use std::str::FromStr;

const DAY: Duration = Duration::from_secs(86_400);

/// A queue as it is written.
pub(super) struct Queue {
    pub settings: QueueSettings,
    /// `None`: always open.
    pub hours: Option<Calendar>,
    /// What agents hear before they are connected with a caller; never nothing.
    pub said: Option<Announcement>,
}

/// Queues are numbered by their places in the list.
pub(super) fn queues(top: &Table, every: &QueueSettings, said_by_every: Option<&Announcement>) -> Vec<Queue> {
    let read = each(top, "queues", |table| queue(table, every, said_by_every));
    let (mut queues, ways): (Vec<Queue>, Vec<Vec<Way>>) = read.into_iter().unzip();
    let names: Vec<String> = queues.iter().map(|queue| queue.settings.name.clone()).collect();
    let longest: Vec<Option<Duration>> = queues.iter().map(|queue| longest_wait(&queue.settings)).collect();
    for (queue, ways) in queues.iter_mut().zip(ways) {
        for Way { to, place, when, only } in ways {
            match names.iter().position(|name| *name == to) {
                Some(_) if to == queue.settings.name => {
                    top.reader.note(Problem::error(place, format!("`{to}` goes on to itself")));
                }
                Some(found) => {
                    if let (When::After(after), Some(max)) = (when, longest[found])
                        && max <= after
                    {
                        let [after, max] = [after, max].map(show_duration);
                        let message = format!(
                            "who goes on to `{to}` after {after} and is not answered at once is timed out there"
                        );
                        let help = format!(
                            "its `max_wait` is {max}, and the time already waited counts: make that longer, or `after` shorter"
                        );
                        top.reader.note(Problem::warning(place, message).help(help));
                    }
                    let to = QueueId(u32::try_from(found).unwrap_or(u32::MAX));
                    queue.settings.overflow.push(Overflow { to, when, only });
                }
                None => {
                    let problem = Problem::error(place, format!("there is no queue `{to}`"));
                    top.reader.note(match nearest(&to, names.iter().map(String::as_str)) {
                        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                        None => problem,
                    });
                }
            }
        }
    }
    queues
}

/// Beyond which nobody waits there, as far as the queue says; `None`: there may be somebody who does.
fn longest_wait(queue: &QueueSettings) -> Option<Duration> {
    let of_rules = queue.rules.iter().filter_map(|rule| rule.max_wait).max();
    queue.max_wait.map(|max| max.max(of_rules.unwrap_or_default()))
}

fn queue(table: &Table, every: &QueueSettings, said_by_every: Option<&Announcement>) -> (Queue, Vec<Way>) {
    let settings = QueueSettings {
        name: table.get::<Name>("name").0,
        needs: table.need("needs").unwrap_or_default(),
        relax: relax(table),
        members_only: table.optional("members_only").unwrap_or(false),
        rules: rules(table),
        ..settings(table, every)
    };
    let said = announcement(table).or_else(|| said_by_every.cloned()).filter(|said| !said.parts.is_empty());
    (Queue { settings, hours: hours(table, "hours"), said }, overflow(table))
}

/// One of `overflow`, to a queue that is not looked up yet.
struct Way {
    to: String,
    place: Place,
    when: When,
    only: Attributes,
}

fn overflow(table: &Table) -> Vec<Way> {
    let mut ways = Vec::new();
    for way in table.tables("overflow") {
        let (to, place) = (way.get::<Name>("to").0, way.place("to"));
        let only: Attributes = way.texts("only").unwrap_or_default().into_iter().collect();
        let after = way.within("after", Duration::ZERO..=DAY).map(When::After);
        let causes: Vec<When> = way.list::<Cause>("when").into_iter().map(|cause| cause.0).collect();
        if after.is_none() && causes.is_empty() && !way.has("after") && !way.has("when") {
            let help = r#"add `after = "2m"` or `when = ["full"]`"#;
            way.wrong("to", "nothing says when to go on".into(), help.into());
        }
        for when in after.into_iter().chain(causes) {
            ways.push(Way { to: to.clone(), place: place.clone(), when, only: only.clone() });
        }
        way.finish();
    }
    ways
}

fn rules(table: &Table) -> Vec<Rule> {
    let rules = table.tables("rules").into_iter().map(|rule| {
        let read = Rule {
            when: rule.texts("when").unwrap_or_default().into_iter().collect(),
            priority: rule.within("priority", -1_000_000..=1_000_000).unwrap_or(0),
            needs: rule.need("needs").unwrap_or_default(),
            max_wait: rule.within("max_wait", Duration::ZERO..=DAY),
        };
        rule.finish();
        read
    });
    rules.collect()
}

/// A reason why waiting is in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vain {
    NoAgents,
    AllPaused,
}

impl FromStr for Vain {
    type Err = String;
    fn from_str(text: &str) -> Result<Vain, String> {
        match text {
            "no_agents" => Ok(Vain::NoAgents),
            "all_paused" => Ok(Vain::AllPaused),
            _ => Err(String::new()),
        }
    }
}

impl Setting for Vain {
    const EXPECTED: &'static str = r#""no_agents" or "all_paused""#;
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

/// `key` lists the reasons, `longest` is the longest estimate.
fn in_vain(table: &Table, key: &'static str, longest: &'static str, default: InVain) -> InVain {
    let listed = table.list::<Vain>(key);
    let (no_agents, all_paused) = if table.has(key) {
        (listed.contains(&Vain::NoAgents), listed.contains(&Vain::AllPaused))
    } else {
        (default.no_agents, default.all_paused)
    };
    let estimate = table.optional::<Limit>(longest).map_or(default.estimate, |limit| limit.0);
    InVain { no_agents, all_paused, estimate }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cause(When);

impl FromStr for Cause {
    type Err = String;
    fn from_str(text: &str) -> Result<Cause, String> {
        let all = [
            ("full", When::Full),
            ("no_agents", When::NoAgents),
            ("long_wait", When::LongWait),
            ("closed", When::Closed),
        ];
        all.iter().find(|(name, _)| *name == text).map(|(_, when)| Cause(*when)).ok_or_else(String::new)
    }
}

impl Setting for Cause {
    const EXPECTED: &'static str = r#"one of "full", "no_agents", "long_wait" and "closed""#;
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
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
        join_unless: in_vain(table, "join_unless", "join_estimate_max", defaults.join_unless),
        leave_when: in_vain(table, "leave_when", "wait_estimate_max", defaults.leave_when),
        last_call: time("last_call", defaults.last_call),
        after_closing: table.optional::<Limit>("after_closing").map_or(defaults.after_closing, |limit| limit.0),
        retry_same_agent: time("retry_same_agent", defaults.retry_same_agent),
        short_abandon: time("short_abandon", defaults.short_abandon),
        keep_place: time("keep_place", defaults.keep_place),
        keep_place_for: table.optional::<KeptFor>("keep_place_for").map_or(defaults.keep_place_for, |kept| kept.0),
        reconnect_within: time("reconnect_within", defaults.reconnect_within),
        reconnect_wait: time("reconnect_wait", defaults.reconnect_wait),
        max_callbacks: table.within("max_callbacks", 0..=1_000_000).unwrap_or(defaults.max_callbacks),
        callback_within: table
            .within("callback_within", Duration::from_secs(60)..=DAY * 30)
            .unwrap_or(defaults.callback_within),
        callback_retry: time("callback_retry", defaults.callback_retry),
        callback_tries: table.within("callback_tries", 1..=100).unwrap_or(defaults.callback_tries),
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

//! Why agents have an entry or not, in words.

use crate::acd::{Acd, RestReason, Validity, Who, WhyNot};
use crate::edge::floor::TaskName;
use crate::edge::moment;
use crate::ids::{AgentId, EntryId};
use crate::time::Time;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Names of agents with the same reason are told up to so many, unless all are asked for.
const NAMES_MAX: usize = 4;

/// What one agent had to do with an entry at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub agent: String,
    /// One of a closed set: [`WhyNot::name`].
    pub reason: &'static str,
    #[serde(skip)]
    verb: Verb,
    /// What all who have it have in common.
    words: String,
    /// What is this agent's own: until when, at which level.
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<String>,
}

/// How its words begin of one and of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Be,
    Have,
    Lack,
}

/// How moments are shown.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub now: Time,
    pub zone: &'a TimeZone,
}

impl Shown<'_> {
    pub fn at(self, at: Time) -> String {
        moment::show_near(at, self.now, self.zone)
    }
}

impl Reason {
    /// The reason of this agent for this entry, which waits.
    pub fn of(acd: &Acd, entry: EntryId, agent: AgentId, why: &WhyNot, shown: Shown) -> Reason {
        let until = |at: Time| Some(format!("until {}", shown.at(at)));
        let (verb, words, own) = match why {
            WhyNot::NotSkilled { skill, until } => (Verb::Lack, format!("{skill}{}", relaxed(*until, shown)), None),
            WhyNot::LevelTooLow { skill, has, needs, until } => {
                let words = format!("below {needs} in {skill}{}", relaxed(*until, shown));
                (Verb::Be, words, Some(format!("at {has}")))
            }
            WhyNot::UnwantedSkill { skill, until } => {
                (Verb::Have, format!("{skill}, which is not wanted{}", relaxed(*until, shown)), None)
            }
            WhyNot::NobodyCan { until } => {
                (Verb::Be, format!("asked for what nobody can{}", relaxed(*until, shown)), None)
            }
            WhyNot::NotMember => (Verb::Be, "not among the members of the queue".into(), None),
            WhyNot::NoLicence { kind, jurisdiction } => {
                (Verb::Be, format!("without a licence: {kind} for {jurisdiction}"), None)
            }
            WhyNot::LicenceNotValid { kind, jurisdiction, valid } => {
                let words = format!("without a licence that counts now: {kind} for {jurisdiction}");
                (Verb::Be, words, counts(*valid, acd.now(), shown))
            }
            WhyNot::Working { tasks: 0 } => (Verb::Be, "given no tasks".into(), None),
            WhyNot::Working { tasks } => {
                (Verb::Be, "on as many tasks as they can have".into(), Some(tasks.to_string()))
            }
            WhyNot::NoCallsDuringTasks { tasks } => (
                Verb::Be,
                "on tasks, and get no calls meanwhile (`calls_during_tasks`)".into(),
                Some(tasks.to_string()),
            ),
            WhyNot::BehindCall { entry } => {
                let words = "on tasks, and get no further one before a call that waits for them".into();
                (Verb::Be, words, Some(contact(acd, *entry)))
            }
            WhyNot::RestsNext { tasks } => {
                let words =
                    "on tasks, and rest when these are done: they were occupied for too much of the time".into();
                (Verb::Be, words, Some(tasks.to_string()))
            }
            WhyNot::KeptForOther { until } => {
                let for_whom = acd.entry(entry).and_then(|entry| entry.kept_for.cloned());
                let for_whom = match for_whom {
                    Some(Who::Agent(agent)) => name(acd, agent),
                    Some(Who::Team(team)) => format!("the team {team}"),
                    None => "another".into(),
                };
                let words = format!("passed over for now: it is kept for {for_whom} until {}", shown.at(*until));
                (Verb::Be, words, None)
            }
            WhyNot::Offline => (Verb::Be, "offline".into(), None),
            WhyNot::Paused { reason, until: end } => {
                let since = acd.agent(agent).and_then(|agent| agent.since);
                let since = since.map(|since| format!("since {}", shown.at(since)));
                (Verb::Be, format!("paused ({reason})"), end.and_then(until).or(since))
            }
            WhyNot::WrapUp { until: end } => (Verb::Be, "in wrap-up".into(), until(*end)),
            WhyNot::RingingOther { entry } => (Verb::Be, "rung for another".into(), Some(contact(acd, *entry))),
            WhyNot::Ringing { deadline, .. } => (Verb::Be, "rung for this one".into(), until(*deadline)),
            WhyNot::Talking { entry } => (Verb::Be, "talking".into(), Some(contact(acd, *entry))),
            WhyNot::Busy => (Verb::Be, "on a call of their own".into(), None),
            WhyNot::BackOff { until: end } => {
                (Verb::Be, "not rung for a while: busy or not to be reached before".into(), until(*end))
            }
            WhyNot::Resting { reason: RestReason::Call, until: end } => {
                (Verb::Be, "resting after a call".into(), until(*end))
            }
            WhyNot::Resting { reason: RestReason::Occupancy, until: end } => {
                (Verb::Be, "resting: they were occupied for too much of the time".into(), until(*end))
            }
            WhyNot::OffShift { ends } => {
                let own = ends.map(|at| match at > acd.now() {
                    true => format!("it ends {}", shown.at(at)),
                    false => format!("it ended {}", shown.at(at)),
                });
                (Verb::Be, "at the end of their shift, or past it".into(), own)
            }
            WhyNot::Probed { until: end } => {
                (Verb::Be, "asked whether their phone is there: it did not answer before".into(), until(*end))
            }
            WhyNot::Refused { until: end } => (
                Verb::Have,
                "refused this one".into(),
                Some(format!("not rung for it again before {}", shown.at(*end))),
            ),
            WhyNot::NotYet { until: Some(at) } => {
                let at = shown.at(*at);
                let words = match acd.callback(entry).is_some_and(|callback| callback.tries > 0) {
                    true => format!("free, but the number was called in vain, and is not again before {at}"),
                    false => format!("free, but who asked to be called back has until {at} to hang up"),
                };
                (Verb::Be, words, None)
            }
            WhyNot::NotYet { until: None } => {
                (Verb::Be, "free, but the queue is closed: nobody is called back".into(), None)
            }
            WhyNot::RankedLower => (Verb::Be, format!("free, and {}", before(acd, entry)), None),
        };
        Reason { agent: name(acd, agent), reason: why.name(), verb, words, own }
    }

    /// Of one.
    fn verb(&self) -> &'static str {
        match self.verb {
            Verb::Be => "is",
            Verb::Have => "has",
            Verb::Lack => "lacks",
        }
    }

    /// What the agent is or has, without their name and what changes by itself.
    pub fn predicate(&self) -> String {
        format!("{} {}", self.verb(), self.words)
    }

    /// A sentence.
    pub fn said(&self) -> String {
        let own = self.own.as_ref().map(|own| format!(", {own}")).unwrap_or_default();
        format!("{} {}{own}", self.agent, self.predicate())
    }

    /// Of several.
    fn common(&self) -> String {
        match self.verb {
            Verb::Be => self.words.clone(),
            Verb::Have => format!("have {}", self.words),
            Verb::Lack => format!("lack {}", self.words),
        }
    }

    fn named(&self) -> String {
        match &self.own {
            Some(own) => format!("{} ({own})", self.agent),
            None => self.agent.clone(),
        }
    }
}

/// For people: the reasons are as many as the agents, who are all named where `all` are wanted.
pub fn table(reasons: &[Reason], all: bool) -> String {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for reason in reasons {
        groups.entry(reason.common()).or_default().push(reason.named());
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(words, agents)| (std::cmp::Reverse(agents.len()), words.clone()));
    let mut text = format!("          {} agent{}:\n", reasons.len(), if reasons.len() == 1 { "" } else { "s" });
    for (words, agents) in groups {
        let names = if agents.len() > NAMES_MAX || all { String::new() } else { format!(": {}", agents.join(", ")) };
        writeln!(text, "            {:>5} {words}{names}", agents.len()).expect("writing to memory cannot fail");
        for agent in agents.iter().filter(|_| all) {
            writeln!(text, "                    {agent}").expect("writing to memory cannot fail");
        }
    }
    text
}

/// Who is rung instead.
fn before(acd: &Acd, entry: EntryId) -> String {
    let rung = acd.entry(entry).map(|entry| entry.rung).unwrap_or_default();
    match rung.iter().map(|agent| name(acd, *agent)).reduce(|names, name| format!("{names}, {name}")) {
        Some(names) => format!("{names} was before them"),
        None => "another was before them".into(),
    }
}

/// Of a licence that does not count now.
fn counts(valid: Validity, now: Time, shown: Shown) -> Option<String> {
    match (valid.from.filter(|from| *from > now), valid.to) {
        (Some(from), _) => Some(format!("it begins {}", shown.at(from))),
        (None, to) => to.map(|to| format!("it ended {}", shown.at(to))),
    }
}

fn relaxed(until: Option<Time>, shown: Shown) -> String {
    until.map(|until| format!(" (asked for until {})", shown.at(until))).unwrap_or_default()
}

pub fn name(acd: &Acd, agent: AgentId) -> String {
    acd.agent(agent).map_or_else(|| agent.to_string(), |agent| agent.name.to_owned())
}

/// Another entry, by what `vaxel why` takes.
fn contact(acd: &Acd, entry: EntryId) -> String {
    if acd.task(entry).is_some() { TaskName(entry).to_string() } else { entry.to_string() }
}

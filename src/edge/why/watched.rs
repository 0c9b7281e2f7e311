//! One agent while a contact waits: each reason that they had for not having it, and for how long.

use super::reasons::{Reason, Shown};
use crate::acd::Acd;
use crate::edge::floor::in_a_row;
use crate::edge::moment;
use crate::ids::{AgentId, EntryId};
use crate::time::{Duration, Time};
use anyhow::bail;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug, Serialize)]
pub struct Watched {
    name: String,
    /// All of them together are the time that it waited. In the order in which they came first.
    reasons: Vec<Spent>,
    #[serde(skip)]
    id: Option<AgentId>,
    /// What it is now, and since when that is not yet counted.
    #[serde(skip)]
    now: BTreeMap<EntryId, (Reason, Time)>,
}

#[derive(Debug, Serialize)]
struct Spent {
    reason: &'static str,
    what: String,
    #[serde(rename = "seconds", serialize_with = "seconds")]
    length: Duration,
}

fn seconds<S: serde::Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(length.as_secs_f64())
}

impl Watched {
    pub fn new(name: &str) -> Watched {
        Watched { name: name.to_owned(), reasons: Vec::new(), id: None, now: BTreeMap::new() }
    }

    /// Whether it is this agent.
    pub fn is(&self, agent: &str) -> bool {
        self.name == agent
    }

    /// The reason for this entry now, if it is another than before.
    pub fn look(&mut self, acd: &Acd, entry: EntryId, at: Time, shown: Shown) -> Option<Reason> {
        let is_it = |id: &AgentId| acd.agent(*id).is_some_and(|agent| agent.name == self.name);
        let find = || acd.agents().find(|agent| agent.name == self.name).map(|agent| agent.id);
        let agent = self.id.filter(is_it).or_else(find);
        self.id = agent.or(self.id);
        let why = agent.and_then(|agent| acd.explain_of(entry, agent));
        let reason = why.zip(agent).map(|(why, agent)| Reason::of(acd, entry, agent, &why, shown));
        let before = self.now.remove(&entry);
        let Some(reason) = reason else {
            before.into_iter().for_each(|(reason, since)| self.spend(reason, at.since(since)));
            return None;
        };
        let is_new = before.as_ref().is_none_or(|(before, _)| *before != reason);
        match before {
            // It goes on.
            Some((before, since)) if before.predicate() == reason.predicate() => {
                self.now.insert(entry, (reason.clone(), since));
            }
            before => {
                before.into_iter().for_each(|(before, since)| self.spend(before, at.since(since)));
                self.now.insert(entry, (reason.clone(), at));
            }
        }
        is_new.then_some(reason)
    }

    fn spend(&mut self, reason: Reason, length: Duration) {
        let what = reason.predicate();
        match self.reasons.iter_mut().find(|spent| spent.what == what) {
            Some(spent) => spent.length += length,
            None => self.reasons.push(Spent { reason: reason.reason, what, length }),
        }
    }

    /// Nothing is known after this.
    pub fn end(&mut self, at: Time) {
        for (reason, since) in std::mem::take(&mut self.now).into_values() {
            self.spend(reason, at.since(since));
        }
    }

    /// # Errors
    ///
    /// There was no such agent in all that time; says who there is at its end.
    pub fn must_be_known(&self, acd: &Acd) -> anyhow::Result<()> {
        if self.id.is_none() {
            let known: Vec<String> = acd.agents().map(|agent| agent.name.to_owned()).collect();
            bail!("there was no agent `{}` then; there were {}", self.name, in_a_row(&known));
        }
        Ok(())
    }

    /// For people.
    pub fn text(&self) -> String {
        if self.reasons.is_empty() {
            return format!("          {}: it was never in line, and nobody was rung for it\n", self.name);
        }
        let all = self.reasons.iter().map(|spent| spent.length).sum();
        let mut text = format!("          {}, of the {} that it waited:\n", self.name, moment::show_length(all));
        for Spent { what, length, .. } in &self.reasons {
            writeln!(text, "            {:>8}  {what}", moment::show_length(*length))
                .expect("writing to memory cannot fail");
        }
        text
    }
}

//! One queue: its settings, its waiting entries in order.

use super::event::{Arrival, Exit};
use super::line::{NeedId, Place, Rate};
use super::ranked::Ranked;
use super::settings::{QueueSettings, Rule};
use crate::ids::{AgentId, EntryId};
use crate::need::Attributes;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    pub settings: QueueSettings,
    pub hours: Hours,
    pub rate: Rate,
    /// What an entry needs that asks for nothing itself and of which nothing is known; held.
    pub plain: NeedId,
    /// Whom the queue rang last.
    pub last_rung: Option<AgentId>,
    /// Waiting entries, those offered included and promises that sleep excepted, by what they need.
    pub order: BTreeMap<NeedId, Ranked<Place>>,
    /// Those that wait, promises excepted.
    pub by_since: Ranked<(Time, EntryId)>,
    /// The promises that wait.
    pub callbacks: Ranked<(Time, EntryId)>,
}

/// Whether a queue takes entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hours {
    Open { until: Option<Time> },
    Closed { since: Time },
}

impl Default for Hours {
    fn default() -> Hours {
        Hours::Open { until: None }
    }
}

impl Queue {
    /// Whether it takes entries at this time.
    pub fn is_open(&self, now: Time) -> bool {
        match self.hours {
            Hours::Open { until } => until.is_none_or(|until| now + self.settings.last_call < until),
            Hours::Closed { .. } => false,
        }
    }

    /// Until when those who are in it may stay, as far as that follows from its hours.
    pub fn lets_go(&self) -> Option<Time> {
        match self.hours {
            Hours::Open { .. } => None,
            Hours::Closed { since } => Some(since + self.settings.after_closing?),
        }
    }

    /// Its rules that apply to an entry of which this is known.
    pub fn rules<'a>(&'a self, of: &'a Attributes) -> impl Iterator<Item = &'a Rule> {
        self.settings.rules.iter().filter(move |rule| has_all(of, &rule.when))
    }

    /// Of an entry here.
    pub fn priority_of(&self, arrival: &Arrival) -> i64 {
        let of_rules = self.rules(&arrival.attributes).map(|rule| i64::from(rule.priority)).sum::<i64>();
        i64::from(self.settings.priority) + i64::from(arrival.priority) + of_rules
    }

    /// When an entry's time here is over, and as what it exits then; `None`: never.
    pub fn longest_wait(&self, arrival: &Arrival) -> Option<(Time, Exit)> {
        if let Some(callback) = arrival.callback.as_deref() {
            return Some((callback.until, Exit::TimedOut));
        }
        let by_rule = || self.rules(&arrival.attributes).find_map(|rule| rule.max_wait);
        let most = arrival.max_wait.or_else(by_rule).or(self.settings.max_wait);
        let timed_out = most.map(|wait| (arrival.since + wait + arrival.away, Exit::TimedOut));
        let closed = self.lets_go().map(|at| (at, Exit::QueueClosed));
        closed.into_iter().chain(timed_out).min_by_key(|(at, _)| *at)
    }

    /// Those that wait, by id.
    pub fn entries(&self) -> Vec<EntryId> {
        let all = self.by_since.iter().chain(self.callbacks.iter());
        let mut entries: Vec<EntryId> = all.map(|(_, entry)| entry).collect();
        entries.sort_unstable();
        entries
    }

    pub fn new(settings: QueueSettings, plain: NeedId) -> Queue {
        Queue {
            rate: Rate::new(settings.ageing, settings.weight),
            settings,
            hours: Hours::default(),
            plain,
            last_rung: None,
            order: BTreeMap::new(),
            by_since: Ranked::default(),
            callbacks: Ranked::default(),
        }
    }

    /// Where it is noted since when the entry waits.
    pub fn since_mut(&mut self, arrival: &Arrival) -> &mut Ranked<(Time, EntryId)> {
        if arrival.callback.is_some() { &mut self.callbacks } else { &mut self.by_since }
    }

    pub fn enter(&mut self, need: NeedId, place: Place) {
        self.order.entry(need).or_default().insert(place);
    }

    pub fn leave(&mut self, need: NeedId, place: Place) {
        let order = self.order.get_mut(&need).expect("entered with this need");
        order.remove(place);
        if order.is_empty() {
            self.order.remove(&need);
        }
    }
}

/// Whether what is known of an entry has all that is asked for.
pub fn has_all(known: &Attributes, asked: &Attributes) -> bool {
    asked.iter().all(|(name, value)| known.get(name) == Some(value))
}

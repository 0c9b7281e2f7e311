//! When DNS is asked where a name leads, and what holds meanwhile.
//!
//! ```text
//!          due                    answers, and more to ask
//! Rest ──────────▶ a round ◀──────────────────────────────┐
//!  ▲                  └───────────────────────────────────┘
//!  └── until the first answer is over, or soon after a failure
//! ```
//!
//! Each answer is good for its TTL, within bounds. One that is over stays until there is a new one: while DNS is silent the
//! carrier is where it was.

use super::{Answers, Destination, Found, Place, Question, Reach, Record, Step, locate};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, BTreeSet};

/// An answer is good for so long even if it says less, so that nobody makes us ask without end …
pub const TTL_LEAST: Duration = Duration::from_secs(5);
/// … and no longer than this, so that a mistake at the carrier does not last for days.
pub const TTL_MOST: Duration = Duration::from_secs(3600);
/// After a failure it is asked again so soon, and each time in a row twice as late …
pub const RETRY_LEAST: Duration = Duration::from_secs(2);
/// … up to this.
pub const RETRY_MOST: Duration = Duration::from_secs(60);

/// What DNS said; no records: there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub records: Vec<Record>,
    /// For how long it may be kept.
    pub ttl: Duration,
}

/// Why there is no answer; the label of `vaxel_trunk_lookups_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody answered in time.
    Timeout,
    /// No server can be reached.
    Unreachable,
    /// A server answered that it is not able or not willing.
    ServerFailed,
    /// No server is known to ask.
    NoServer,
    /// What was answered makes no sense.
    BadAnswer,
}

impl Fault {
    pub const ALL: [Fault; 5] =
        [Fault::Timeout, Fault::Unreachable, Fault::ServerFailed, Fault::NoServer, Fault::BadAnswer];

    pub fn name(self) -> &'static str {
        match self {
            Fault::Timeout => "timeout",
            Fault::Unreachable => "unreachable",
            Fault::ServerFailed => "server_failed",
            Fault::NoServer => "no_server",
            Fault::BadAnswer => "bad_answer",
        }
    }
}

/// How a lookup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Located {
    Found,
    /// There was more than is looked at; see [`super::PLACES_MAX`] and its neighbours.
    Cut,
    /// DNS knows no place to send to: no such name, or none that we can reach.
    Nothing,
    Failed(Fault),
}

impl Located {
    /// Every name, for metrics.
    pub fn names() -> impl Iterator<Item = &'static str> {
        [Located::Found, Located::Cut, Located::Nothing]
            .into_iter()
            .chain(Fault::ALL.map(Located::Failed))
            .map(Located::name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Located::Found => "found",
            Located::Cut => "cut",
            Located::Nothing => "nothing",
            Located::Failed(fault) => fault.name(),
        }
    }
}

/// What a lookup came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub result: Located,
    /// Where it leads, if that is not where it led before; never empty.
    pub moved: Option<Vec<Place>>,
    /// When the oldest answer came that this rests on; `None`: nothing was ever found.
    pub since: Option<Time>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Ask DNS all of these, and come back with what it said.
    Ask(Vec<Question>),
    /// The lookup is over; come back then.
    Rest { until: Time, lookup: Lookup },
}

struct Known {
    records: Vec<Record>,
    since: Time,
    until: Time,
}

/// See the module's documentation.
pub struct Locator {
    to: Destination,
    reach: Reach,
    known: BTreeMap<Question, Known>,
    places: Vec<Place>,
    since: Option<Time>,
    /// What that rests on.
    basis: BTreeSet<Question>,
    /// Since when the lookup goes on, and what nobody could answer in it.
    began: Option<Time>,
    faults: BTreeMap<Question, Fault>,
    /// Lookups that failed in a row.
    failures: u32,
}

impl Locator {
    pub fn new(to: Destination, reach: Reach) -> Locator {
        Locator {
            to,
            reach,
            known: BTreeMap::new(),
            places: Vec::new(),
            since: None,
            basis: BTreeSet::new(),
            began: None,
            faults: BTreeMap::new(),
            failures: 0,
        }
    }

    /// The next step of the lookup that goes on, or the first of a new one, with what was answered to the questions of the
    /// last step.
    pub fn turn(&mut self, now: Time, answers: Vec<(Question, Result<Answer, Fault>)>) -> Turn {
        for (question, answer) in answers {
            match answer {
                Ok(Answer { records, ttl }) => {
                    let until = now + ttl.clamp(TTL_LEAST, TTL_MOST);
                    self.known.insert(question, Known { records, since: now, until });
                }
                Err(fault) => _ = self.faults.insert(question, fault),
            }
        }
        let began = *self.began.get_or_insert(now);
        match locate(&self.to, &self.reach, &self.answers(began)) {
            Step::Ask(questions) => Turn::Ask(questions),
            Step::Done(found) => self.rest(now, found),
        }
    }

    /// Answers that are kept.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.known.len()
    }

    /// What is good now; and for what nobody could tell, what was last good.
    fn answers(&self, began: Time) -> Answers {
        let good =
            self.known.iter().filter(|(question, known)| known.until > began || self.faults.contains_key(question));
        let good = good.map(|(question, known)| (question.clone(), Some(known.records.clone())));
        let silent = self.faults.keys().filter(|question| !self.known.contains_key(question));
        good.chain(silent.map(|question| (question.clone(), None))).collect()
    }

    fn rest(&mut self, now: Time, found: Found) -> Turn {
        self.began = None;
        let is_found = !found.places.is_empty();
        // A host's addresses of one kind that nobody could tell, and that there never were, are no loss while it has others: some
        // servers never answer for AAAA.
        let mut faults = std::mem::take(&mut self.faults);
        let has = |question: &Question| self.known.get(question).is_some_and(|known| !known.records.is_empty());
        let is_no_loss = |question: &Question| {
            let other = match question {
                Question::A(host) => Question::Aaaa(host.clone()),
                Question::Aaaa(host) => Question::A(host.clone()),
                _ => return false,
            };
            !has(question) && has(&other)
        };
        let no_loss: Vec<Question> = faults.keys().filter(|question| is_no_loss(question)).cloned().collect();
        for question in no_loss {
            faults.remove(&question);
            self.known.remove(&question);
        }
        let fault = faults.into_values().next();
        let result = match fault {
            Some(fault) => Located::Failed(fault),
            None if !is_found => Located::Nothing,
            None if found.cut => Located::Cut,
            None => Located::Found,
        };
        let is_good = matches!(result, Located::Found | Located::Cut);
        self.failures = if is_good { 0 } else { self.failures.saturating_add(1) };
        let mut moved = None;
        if is_found {
            self.basis = found.used;
            self.known.retain(|question, _| self.basis.contains(question));
            self.since = self.known.values().map(|known| known.since).min();
            if found.places != self.places {
                self.places.clone_from(&found.places);
                moved = Some(found.places);
            }
        } else {
            // What is not there is asked for again; what holds until now is kept, and nothing else, however strange the zone.
            self.known.retain(|question, known| self.basis.contains(question) && !known.records.is_empty());
        }
        let retry = RETRY_LEAST * 2u32.saturating_pow(self.failures.saturating_sub(1).min(16));
        let until = match is_good {
            // A lookup may take longer than its first answer is good.
            true => self.known.values().map(|known| known.until).min().unwrap_or(now).max(now + RETRY_LEAST),
            false => now + retry.min(RETRY_MOST),
        };
        Turn::Rest { until, lookup: Lookup { result, moved, since: self.since } }
    }
}

//! What must hold at every instant of every day, checked from what the switchboard tells.

use crate::acd::{Exit, Outcome};
use crate::ids::{CallId, EntryId, OfferId};
use crate::record::{CallEvent, What};
use crate::time::{Duration, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Follows the events and panics with the story when a promise is broken.
#[derive(Default)]
pub struct Checker {
    calls: BTreeMap<CallId, Time>,
    agents: BTreeMap<Arc<str>, Agent>,
    waiting: BTreeMap<EntryId, Waiting>,
    pub sums: BTreeMap<Arc<str>, Sums>,
    pub calls_started: u64,
    pub calls_ended: u64,
    pub offers: BTreeMap<Outcome, u64>,
}

#[derive(Default)]
struct Agent {
    offer: Option<OfferId>,
    talk: Option<CallId>,
}

struct Waiting {
    queue: Arc<str>,
    accepted: bool,
}

/// Of one queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    pub offered: u64,
    pub exits: BTreeMap<Exit, u64>,
    pub waiting: u64,
    pub answered_wait: Duration,
    pub in_service_level: u64,
}

impl Sums {
    pub fn exited(&self) -> u64 {
        self.exits.values().sum()
    }

    pub fn of(&self, exit: Exit) -> u64 {
        self.exits.get(&exit).copied().unwrap_or(0)
    }
}

impl Checker {
    pub fn handle(&mut self, event: &CallEvent) {
        let at = event.at;
        match &event.what {
            What::CallStarted { call, .. } => {
                self.calls_started += 1;
                assert!(self.calls.insert(*call, at).is_none(), "{call} started twice");
            }
            What::CallEnded { call, .. } => {
                self.calls_ended += 1;
                assert!(self.calls.remove(call).is_some(), "{at}: {call} ended, but was not there");
            }
            What::Queued { entry, queue, .. } => {
                let waiting = Waiting { queue: queue.clone(), accepted: false };
                assert!(self.waiting.insert(*entry, waiting).is_none(), "{at}: {entry} queued twice");
                let sums = self.sums.entry(queue.clone()).or_default();
                sums.offered += 1;
                sums.waiting += 1;
            }
            What::Dequeued { entry, queue, exit, waited, in_service_level, .. } => {
                let gone = self.waiting.remove(entry);
                assert!(
                    gone.as_ref().is_some_and(|w| w.queue == *queue),
                    "{at}: {entry} left {queue} twice or never came"
                );
                assert_eq!(gone.is_some_and(|w| w.accepted), *exit == Exit::Answered, "{at}: {entry} left by {exit:?}");
                let sums = self.sums.entry(queue.clone()).or_default();
                sums.waiting -= 1;
                *sums.exits.entry(*exit).or_default() += 1;
                if *exit == Exit::Answered {
                    sums.answered_wait += *waited;
                }
                sums.in_service_level += u64::from(*in_service_level);
            }
            What::Offered { entry, offer, agent, .. } => {
                assert!(self.waiting.contains_key(entry), "{at}: {offer} for {entry}, which does not wait");
                let a = self.agents.entry(agent.clone()).or_default();
                assert!(a.offer.is_none(), "{at}: {agent} got {offer} while {:?} rings", a.offer);
                assert!(a.talk.is_none(), "{at}: {agent} got {offer} while talking in {:?}", a.talk);
                a.offer = Some(*offer);
            }
            What::OfferEnded { entry, offer, agent, outcome, .. } => {
                let a = self.agents.entry(agent.clone()).or_default();
                assert_eq!(a.offer.take(), Some(*offer), "{at}: {agent}'s offer ended twice");
                *self.offers.entry(*outcome).or_default() += 1;
                if *outcome == Outcome::Accepted {
                    let waiting = self.waiting.get_mut(entry);
                    let waiting = waiting.unwrap_or_else(|| panic!("{at}: {entry} was accepted, but does not wait"));
                    assert!(!waiting.accepted, "{at}: two agents for {entry}");
                    waiting.accepted = true;
                }
            }
            What::Connected { call, with, .. } => {
                assert!(self.calls.contains_key(call), "{at}: {call} connected, but is not there");
                let a = self.agents.entry(with.clone()).or_default();
                assert_eq!(a.talk.replace(*call), None, "{at}: {with} talks in two calls");
            }
            What::Disconnected { call, with, .. } => {
                let a = self.agents.entry(with.clone()).or_default();
                assert_eq!(a.talk.take(), Some(*call), "{at}: {with} was disconnected from what was no talk");
            }
            _ => {}
        }
    }

    /// At every instant, for each queue.
    pub fn conserved(&self) {
        for (queue, sums) in &self.sums {
            assert_eq!(sums.offered, sums.exited() + sums.waiting, "{queue}: offered = exits + waiting");
        }
    }

    /// When everybody has gone home.
    pub fn nothing_left(&self) {
        assert!(self.calls.is_empty(), "calls that never ended: {:?}", self.calls);
        assert!(self.waiting.is_empty(), "{} entries never left", self.waiting.len());
        for (name, agent) in &self.agents {
            assert!(agent.offer.is_none(), "{name} still has {:?}", agent.offer);
            assert!(agent.talk.is_none(), "{name} still talks in {:?}", agent.talk);
        }
        assert_eq!(self.calls_started, self.calls_ended);
    }
}

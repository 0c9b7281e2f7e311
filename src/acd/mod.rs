//! Automatic call distribution: who answers whom, and when.
//!
//! A fold: [`Acd`] changes only through [`AcdEvent`]s, which carry their own time. The same events in the same order
//! give the same state and the same decisions. Knows neither phones nor calls nor flows, and no clock.

mod counts;
pub mod event;
mod explain;

pub use counts::QueueCounts;
pub use event::{AcdEvent, AgentSettings, AgentState, Change, Decision, Exit, Outcome, QueueSettings, Skills};
pub use explain::WhyNot;

use crate::ids::{AgentId, EntryId, QueueId};
use crate::time::{Duration, Time};
use std::collections::VecDeque;

/// The distributor: lines of entries, pools of agents, and the offers between them.
///
/// After each [`apply`](Acd::apply), take [`poll_decision`](Acd::poll_decision) until it gives `None`, carry out what it
/// says, and apply a [`Change::Tick`] at [`poll_timeout`](Acd::poll_timeout) if nothing else happens before.
#[derive(Clone, Debug, PartialEq)]
pub struct Acd {
    seed: u64,
    decisions: VecDeque<Decision>,
    ignored: u64,
}

impl Acd {
    /// An ACD without queues and agents. `seed` is all the chance there is in it, and where the numbers of its offers begin: with the
    /// microsecond of the program's start, no two runs share one.
    pub fn new(seed: u64) -> Acd {
        Acd { seed, decisions: VecDeque::new(), ignored: 0 }
    }

    /// Acts on all deadlines up to `event.at`, each at its own time, then on the change, and after each of them matches.
    pub fn apply(&mut self, event: &AcdEvent) {
        match event.change {
            Change::Tick => {}
            _ => self.ignored += 1,
        }
    }

    /// What follows from the events so far, in order.
    pub fn poll_decision(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    /// When the next deadline is; always later than the last event. `None`: nothing will happen by itself.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// Place in its queue among the entries it competes with (those that some agent could serve as well as it), one who is rung for
    /// included; 1 is next. `None` if it does not wait.
    pub fn position(&self, _entry: EntryId) -> Option<u32> {
        None
    }

    /// Entries of the queue that wait, those an agent is rung for included.
    pub fn waiting(&self, _queue: QueueId) -> u32 {
        0
    }

    /// Entries of the queue that wait, next to be served first.
    pub fn entries(&self, _queue: QueueId) -> Vec<EntryId> {
        Vec::new()
    }

    /// How long the entry that has waited longest has; `None` if nobody waits.
    pub fn longest_wait(&self, _queue: QueueId, _now: Time) -> Option<Duration> {
        None
    }

    /// Counts of a queue; `None` if there is no such queue.
    pub fn queue_counts(&self, _queue: QueueId) -> Option<&QueueCounts> {
        None
    }

    /// `None` if there is no such agent.
    pub fn agent_state(&self, _agent: AgentId) -> Option<&AgentState> {
        None
    }

    /// How many agents are in each state, by [`AgentState::label`]; every label is in it.
    pub fn agents_by_state(&self) -> [(&'static str, u32); 8] {
        AgentState::LABELS.map(|label| (label, 0))
    }

    /// Why the entry is not with each of the agents, by agent; empty if it does not wait.
    pub fn explain(&self, _entry: EntryId) -> Vec<(AgentId, WhyNot)> {
        Vec::new()
    }

    /// Events that made no sense and changed nothing.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

//! What spares people: a rest after calls of some kinds, and a cap on the share of time in which they are occupied.

use super::Acd;
use super::agent::{Agent, Task};
use super::deadline::Deadline;
use super::event::AgentState;
use super::settings::RestReason;
use crate::ids::AgentId;
use crate::need::Attributes;
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};

/// What an agent has behind them. Few have any rule that asks for it, and the others keep none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strain {
    /// When the last talk began.
    talk: Time,
    /// Rests that may follow it: for a talk longer than that, how long.
    rests: Vec<(Duration, Duration)>,
    /// The rest that begins when wrap-up ends.
    due: Duration,
    pub rest: Option<(Time, RestReason)>,
    /// The cap asks for a rest, and tasks are in hand: nothing more is offered until they are done.
    #[serde(default)]
    next: bool,
    /// What was in the bucket of the occupancy cap, and when. In thousandths of microseconds.
    filled: u64,
    at: Time,
}

impl Agent {
    /// Until when they rest, and why.
    pub fn rest(&self) -> Option<(Time, RestReason)> {
        self.strain.as_ref()?.rest
    }

    /// Whether they rest now or next.
    pub fn rests(&self) -> bool {
        self.rest().is_some() || self.rests_next()
    }

    /// Whether they rest by the cap as soon as the tasks in hand are done.
    pub fn rests_next(&self) -> bool {
        let next = self.strain.as_ref().is_some_and(|strain| strain.next);
        next && !self.tasks.is_empty() && self.settings.occupancy_cap.is_some()
    }

    /// A talk begins after which they may rest so long, if it takes longer than that.
    pub fn talk_began(&mut self, now: Time, rests: Vec<(Duration, Duration)>) {
        if self.strain.is_some() || !rests.is_empty() {
            let strain = self.strain.get_or_insert_default();
            (strain.talk, strain.rests) = (now, rests);
        }
    }

    /// Rests that may follow a call of this queue with these attributes.
    pub fn rests_after(&self, queue: &str, attributes: &Attributes) -> Vec<(Duration, Duration)> {
        let fit = self.settings.rests.iter().filter(|rule| {
            rule.queue.as_ref().is_none_or(|name| name == queue)
                && rule.attribute.iter().all(|(name, value)| attributes.get(name) == Some(value))
        });
        fit.map(|rule| (rule.longer_than, rule.rest)).collect()
    }

    /// The talk is over.
    pub fn note_talk(&mut self, now: Time) {
        let Some(strain) = &mut self.strain else { return };
        let took = now.since(strain.talk);
        let rests = std::mem::take(&mut strain.rests);
        let fit = rests.into_iter().filter(|(longer_than, _)| took > *longer_than);
        strain.due = fit.map(|(_, rest)| rest).max().unwrap_or_default();
    }

    /// Brings the bucket up to date, before the state or the settings change.
    pub fn note_strain(&mut self, now: Time) {
        let filled = self.filled(now);
        if self.strain.is_some() || self.settings.occupancy_cap.is_some() {
            let strain = self.strain.get_or_insert_default();
            (strain.filled, strain.at) = (filled, now);
        }
    }

    fn share(&self) -> Option<u64> {
        self.settings.occupancy_cap.as_ref().map(|cap| u64::from(cap.share.clamp(1, WHOLE - 1)))
    }

    fn filled(&self, now: Time) -> u64 {
        let Some(share) = self.share() else { return 0 };
        let (filled, at) = self.strain.as_ref().map_or((0, now), |strain| (strain.filled, strain.at));
        let passed = micros(now.since(at));
        if self.state.is_occupied() {
            filled.saturating_add(passed.saturating_mul(u64::from(WHOLE) - share))
        } else {
            filled.saturating_sub(passed.saturating_mul(share))
        }
    }

    /// How long the agent rests because of the cap.
    fn rest_of_cap(&self, now: Time) -> Duration {
        let Some((cap, share)) = self.settings.occupancy_cap.as_ref().zip(self.share()) else { return Duration::ZERO };
        let filled = self.filled(now);
        if filled <= micros(cap.burst).saturating_mul(u64::from(WHOLE) - share) {
            return Duration::ZERO;
        }
        Duration::from_micros(filled.div_ceil(share)).min(cap.longest_rest)
    }
}

impl AgentState {
    /// Whether it tires.
    fn is_occupied(&self) -> bool {
        use AgentState::*;
        matches!(self, Offered { .. } | Talking { .. } | Working { .. } | WrapUp { .. } | Busy)
    }
}

impl Acd {
    /// If there is no talk, no wrap-up and no call of their own: the rest that is due begins. That of the cap waits until no task is in
    /// hand.
    pub(super) fn contact_over(&mut self, id: AgentId) {
        let now = self.now;
        let agent = self.agent_mut(id);
        if agent.task != Task::None || agent.wrap_up.is_some() || agent.own_call {
            return;
        }
        let of_call = agent.strain.as_mut().map_or(Duration::ZERO, |strain| std::mem::take(&mut strain.due));
        let mut of_cap = agent.rest_of_cap(now);
        if let Some(strain) = &mut agent.strain {
            strain.next = of_cap > Duration::ZERO && !agent.tasks.is_empty();
            if strain.next {
                of_cap = Duration::ZERO;
            }
        }
        let reason = if of_cap > of_call { RestReason::Occupancy } else { RestReason::Call };
        let until = now + of_call.max(of_cap);
        if until > agent.rest().map_or(now, |(until, _)| until) {
            self.set_rest(id, Some((until, reason)));
        }
    }

    pub(super) fn rest_over(&mut self, id: AgentId) {
        self.set_rest(id, None);
        self.refresh(id);
    }

    /// The agent goes on without the rest they have or are to have.
    pub(super) fn rest_no_more(&mut self, id: AgentId) {
        if let Some(strain) = &mut self.agent_mut(id).strain {
            strain.next = false;
        }
        self.set_rest(id, None);
    }

    fn set_rest(&mut self, id: AgentId, rest: Option<(Time, RestReason)>) {
        let agent = self.agent_mut(id);
        if agent.strain.is_none() && rest.is_none() {
            return;
        }
        let old = std::mem::replace(&mut agent.strain.get_or_insert_default().rest, rest);
        self.deadlines.set(Deadline::Rest(id), old.map(|(until, _)| until), rest.map(|(until, _)| until));
    }
}

/// Thousandths in one.
const WHOLE: u32 = 1_000;

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

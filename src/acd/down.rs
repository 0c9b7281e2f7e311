//! Agents whose phone is gone because the service was: they went nowhere, and go on where they were when it is known again.

use super::Acd;
use super::agent::Agent;
use super::event::Kind;
use crate::ids::AgentId;
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};

/// Whose phone is known again within this since the service was lost goes on as if nothing had been; later it is a log-in as any
/// other, for nobody knows where they were.
pub const GOES_ON: Duration = Duration::from_secs(3600);

/// What an agent goes on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When the service was lost.
    since: Time,
    /// By kind of contact: whether they would be idle, had they their phone.
    idle: [bool; Kind::COUNT],
}

impl Agent {
    /// Their phone is gone with the service.
    pub fn lose(&mut self, now: Time) {
        let idle = Kind::ALL.map(|kind| self.is_free_for(kind));
        self.lost = Some(Box::new(Lost { since: now, idle }));
    }

    /// Whether a phone that is known now is the one that was lost. Nothing is lost any more.
    pub fn is_found(&mut self, now: Time) -> bool {
        self.lost.take().is_some_and(|lost| now.since(lost.since) <= GOES_ON)
    }

    /// Their place among the idle is where it would be, had they their phone: who would have come free is there since `since`.
    pub fn note_idle_while_lost(&mut self, since: [Time; Kind::COUNT]) {
        if self.lost.is_none() {
            return;
        }
        let would = Kind::ALL.map(|kind| self.could_be_offered(kind, true));
        let idle = self.lost.as_mut().map(|lost| std::mem::replace(&mut lost.idle, would));
        let was = idle.expect("looked at just now");
        for kind in Kind::ALL.map(Kind::index) {
            if would[kind] && !was[kind] {
                self.idle_since[kind] = since[kind];
            }
        }
    }
}

impl Acd {
    /// The phone that was lost is known again: what kept the agent from being rung may be over meanwhile.
    pub(super) fn found(&mut self, id: AgentId) {
        let agent = &self.agents[&id];
        if agent.pause.is_none() && agent.back_off.is_none() {
            self.probe_doubted(id);
        }
        self.refresh_keeping_idle(id);
    }
}

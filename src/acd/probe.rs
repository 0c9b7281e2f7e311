//! Whether a phone that was not answered is there at all.
//!
//! A phone that rang in vain may lie on an empty desk, and one that could not be reached may be a registration that outlived its
//! phone. Either would be rung again as soon as its pause is over, at a caller's expense. So it is asked first, which costs
//! nobody anything.

use super::agent::PROBE_TIME;
use super::deadline::Deadline;
use super::event::Decision;
use super::{Acd, Ignored};
use crate::ids::AgentId;
use crate::time::Time;

impl Acd {
    pub(super) fn doubt(&mut self, id: AgentId) {
        let agent = self.agent_mut(id);
        agent.doubted = agent.settings.probe;
    }

    /// Somebody is there, or is known not to be.
    pub(super) fn trust(&mut self, id: AgentId) {
        self.agent_mut(id).doubted = false;
        self.set_probe(id, None);
    }

    /// What kept the agent from being rung is over.
    pub(super) fn probe_doubted(&mut self, id: AgentId) {
        let agent = &self.agents[&id];
        if !agent.doubted || !agent.logged_in {
            return;
        }
        let deadline = self.now + PROBE_TIME;
        self.set_probe(id, Some(deadline));
        self.decide(Decision::Probe { agent: id, deadline });
    }

    pub(super) fn probe_ended(&mut self, id: AgentId, reachable: bool) -> Result<(), Ignored> {
        self.agents.get(&id).filter(|agent| agent.probe.is_some()).ok_or(Ignored)?;
        if reachable {
            self.trust(id);
            self.refresh(id);
        } else {
            self.probe_failed(id);
        }
        Ok(())
    }

    pub(super) fn probe_failed(&mut self, id: AgentId) {
        self.set_probe(id, None);
        self.back_off(id);
        self.refresh(id);
    }

    /// Longer each time.
    pub(super) fn back_off(&mut self, id: AgentId) {
        let until = self.now + self.agents[&id].back_off_time();
        self.set_back_off(id, Some(until));
        let agent = self.agent_mut(id);
        agent.backed_off = agent.backed_off.saturating_add(1);
    }

    pub(super) fn set_probe(&mut self, id: AgentId, until: Option<Time>) {
        let old = std::mem::replace(&mut self.agent_mut(id).probe, until);
        self.deadlines.set(Deadline::Probe(id), old, until);
    }
}

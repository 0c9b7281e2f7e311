//! Queues and agents that the settings have no more. They are in no line, no pool, no explanation and no figure of now; what was
//! counted of them stays counted, and by their names they are known again when the settings have them again.

use super::admission::Obstacle;
use super::agent::Task;
use super::deadline::Deadline;
use super::event::{AgentState, Exit, Outcome};
use super::queue::Hours;
use super::{Acd, Ignored};
use crate::ids::{AgentId, EntryId, QueueId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names of those who are gone. No id is given to another: figures are kept by it. As many as the settings ever had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gone {
    pub queues: BTreeMap<QueueId, Box<str>>,
    pub agents: BTreeMap<AgentId, Box<str>>,
}

impl Acd {
    /// Queues that were there once, with their names.
    pub fn gone_queues(&self) -> impl Iterator<Item = (QueueId, &str)> {
        self.gone.queues.iter().map(|(id, name)| (*id, &**name))
    }

    /// Agents who were there once, with their names.
    pub fn gone_agents(&self) -> impl Iterator<Item = (AgentId, &str)> {
        self.gone.agents.iter().map(|(id, name)| (*id, &**name))
    }

    /// As a queue that is closed for good: who waits goes on to where its settings send those then, or away.
    pub(super) fn queue_gone(&mut self, id: QueueId) -> Result<(), Ignored> {
        for entry in self.queues.get(&id).ok_or(Ignored)?.entries() {
            // Promises go to no other queue.
            if self.entries[&entry].arrival.callback.is_some() {
                self.leaves(entry, Exit::QueueClosed);
                continue;
            }
            let rung = self.entries[&entry].stands.rung().to_vec();
            for agent in &rung {
                self.withdraw(*agent, Outcome::CallerGone);
            }
            self.turn_away(entry, Obstacle::Gone);
            for agent in rung {
                self.refresh_keeping_idle(agent);
            }
        }
        let queue = self.queues.remove(&id).expect("looked at just now");
        self.lines.give_need(queue.plain, &mut self.pools);
        if let Hours::Open { until } = queue.hours {
            self.deadlines.set(Deadline::Closing(id), until, None);
        }
        self.gone.queues.insert(id, queue.settings.name.into());
        Ok(())
    }

    /// As an agent whose talks have broken and whose phone is gone, of whom nothing is known afterwards but the name.
    pub(super) fn agent_gone(&mut self, id: AgentId) -> Result<(), Ignored> {
        let agent = self.agents.get(&id).ok_or(Ignored)?;
        let talk = if let Task::Talking { entry, .. } = agent.task { Some(entry) } else { None };
        let talks: Vec<EntryId> = talk.into_iter().chain(agent.tasks.iter().copied()).collect();
        let logged_in = agent.logged_in;
        for talk in talks {
            self.talk_ended(talk, true)?;
        }
        if logged_in {
            self.logged_out(id, false)?;
        }
        // Who was lost in a wrap-up has not been told of.
        self.truth.agent_is(self.now, id, &AgentState::Offline);
        self.forget_refusals_by(id);
        self.set_pause(id, None);
        self.rest_no_more(id);
        self.set_back_off(id, None);
        let agent = self.agents.remove(&id).expect("looked at just now");
        self.deadlines.set(Deadline::WrapUp(id), agent.wrap_up, None);
        self.deadlines.set(Deadline::Shift(id), agent.shift_deadline(), None);
        self.deadlines.set(Deadline::Abilities(id), agent.abilities_change, None);
        if let Some(gone) = self.pools.leave(agent.pool) {
            self.lines.pool_gone(agent.pool, &gone);
        }
        self.alike.give(&agent.settings);
        self.gone.agents.insert(id, agent.name);
        Ok(())
    }
}

//! Tasks: what is remembered of those that somebody works on, and what there is of all of them.
//!
//! A task that waits is an entry like others. Once an agent has accepted it, the entry is gone, as a caller's is; but nobody is on
//! the line who would know what it was about, so that much is remembered here until it is done.

use super::Acd;
use super::entry::{Entry, Stands};
use super::event::{AgentState, Kind};
use super::truth::Truth;
use crate::ids::{AgentId, EntryId, QueueId};
use crate::need::Attributes;
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// A task that an agent works on. Who that is, the agent knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InHand {
    /// Where it was accepted from.
    queue: QueueId,
    filed_in: QueueId,
    priority: i32,
    since: Time,
    accepted: Time,
    reference: String,
    attributes: Attributes,
}

/// A task that is not done.
#[derive(Clone, Debug)]
pub struct TaskView<'a> {
    pub id: EntryId,
    /// Where it waits, or was accepted from.
    pub queue: QueueId,
    /// Where it waited first.
    pub filed_in: QueueId,
    /// Its own.
    pub priority: i32,
    /// When its waiting began.
    pub since: Time,
    pub reference: &'a str,
    pub attributes: &'a Attributes,
    pub stands: TaskStands,
}

/// Where a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStands {
    InLine {
        /// As [`Acd::position`] has it.
        position: u32,
    },
    /// It is offered to these, each until then.
    Offered(Vec<(AgentId, Time)>),
    InHand {
        agent: AgentId,
        /// When it was accepted.
        since: Time,
    },
}

impl Acd {
    /// Every task that is not done: those that wait, then those in hand, each by id.
    pub fn tasks(&self) -> impl Iterator<Item = TaskView<'_>> {
        let waiting = self.entries.iter().filter(|(_, entry)| entry.kind() == Kind::Task);
        let in_hand = self.in_hand.iter().filter_map(|(id, task)| Some(task.view(*id, *self.talks.get(id)?)));
        waiting.map(|(id, entry)| self.view_of_waiting(*id, entry)).chain(in_hand)
    }

    /// `None`: there is no such task, or it is done.
    pub fn task(&self, id: EntryId) -> Option<TaskView<'_>> {
        match self.entries.get(&id) {
            Some(entry) if entry.kind() == Kind::Task => Some(self.view_of_waiting(id, entry)),
            Some(_) => None,
            None => Some(self.in_hand.get(&id)?.view(id, *self.talks.get(&id)?)),
        }
    }

    fn view_of_waiting<'a>(&'a self, id: EntryId, entry: &'a Entry) -> TaskView<'a> {
        let stands = match &entry.stands {
            Stands::Offered(agents) => {
                let until = |agent: &AgentId| Some((*agent, self.agents[agent].offered_until()?));
                TaskStands::Offered(agents.iter().filter_map(until).collect())
            }
            Stands::InLine(_) | Stands::Nowhere | Stands::Asleep => {
                TaskStands::InLine { position: self.position(id).unwrap_or(1) }
            }
        };
        TaskView {
            id,
            queue: entry.queue(),
            filed_in: entry.arrival.came_by(),
            priority: entry.arrival.priority,
            since: entry.since(),
            reference: &entry.arrival.reference,
            attributes: &entry.arrival.attributes,
            stands,
        }
    }

    /// Where contacts of this kind are counted.
    pub(super) fn truth_of(&mut self, kind: Kind) -> &mut Truth {
        match kind {
            Kind::Call => &mut self.truth,
            Kind::Task => &mut self.truth_of_tasks,
        }
    }

    /// The task is done.
    pub(super) fn task_done(&mut self, id: EntryId, agent: AgentId) {
        self.in_hand.remove(&id);
        self.truth_of_tasks.talk_ended(self.now, id);
        // No wrap-up follows that would belong to it.
        self.truth_of_tasks.agent_is(self.now, agent, &AgentState::Offline);
    }

    /// An agent has accepted the task.
    pub(super) fn take_in_hand(&mut self, id: EntryId) {
        let entry = &self.entries[&id];
        let task = InHand {
            queue: entry.queue(),
            filed_in: entry.arrival.came_by(),
            priority: entry.arrival.priority,
            since: entry.since(),
            accepted: self.now,
            reference: entry.arrival.reference.clone(),
            attributes: entry.arrival.attributes.clone(),
        };
        self.in_hand.insert(id, Box::new(task));
    }
}

impl InHand {
    fn view(&self, id: EntryId, agent: AgentId) -> TaskView<'_> {
        TaskView {
            id,
            queue: self.queue,
            filed_in: self.filed_in,
            priority: self.priority,
            since: self.since,
            reference: &self.reference,
            attributes: &self.attributes,
            stands: TaskStands::InHand { agent, since: self.accepted },
        }
    }
}

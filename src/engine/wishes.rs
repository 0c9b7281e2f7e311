//! What is wished from elsewhere than phones, each answered at once by one [`Output::Answer`].

use super::agents::AgentAct;
use super::calls::Stage;
use super::tasks::{Listed, TaskAct};
use super::{Engine, Output};
use crate::acd::{Change, Exit, Lacking};
use crate::ids::{CallId, EntryId};
use crate::time::Time;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    Agent {
        agent: String,
        act: AgentAct,
    },
    Task(TaskAct),
    /// A caller or a task that waits is served as if it had had this priority from the start.
    Priority {
        contact: CallId,
        priority: i32,
    },
}

/// It was done.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Done,
    /// As this. `lacking`: it waits, though no agent could take it as the settings are now.
    Filed {
        task: EntryId,
        lacking: Option<Lacking>,
    },
    Tasks(Vec<Listed>),
}

/// It was not done, and nothing was changed but what `NotTaken` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    UnknownAgent {
        agent: String,
        known: Vec<String>,
    },
    UnknownQueue {
        queue: String,
        known: Vec<String>,
    },
    /// There is nothing to be ended.
    NoWrapUp {
        agent: String,
    },
    /// The agent has no wrap-up, or it was made longer already, or the settings allow no more.
    NoMoreWrapUp {
        agent: String,
    },
    /// Something of a task is too long, too many or missing.
    BadFiling(String),
    /// A task with this reference was filed into the queue and is not done.
    TaskThere {
        task: EntryId,
        queue: String,
        reference: String,
    },
    /// The queue takes nothing now; the task has left it again.
    NotTaken {
        queue: String,
        exit: Exit,
    },
    UnknownTask {
        task: EntryId,
    },
    /// Somebody works on it.
    InHand {
        task: EntryId,
        agent: String,
    },
    NotInHand {
        task: EntryId,
    },
    /// There is no such call or task, or it waits in no queue.
    NotWaiting {
        contact: CallId,
    },
    NotOffered {
        task: EntryId,
        agent: String,
        state: &'static str,
        to: Vec<String>,
    },
}

impl Engine {
    pub(super) fn on_wish(&mut self, now: Time, wish: Wish) {
        let answer = match wish {
            Wish::Agent { agent, act } => self.on_agent_act(now, &agent, act).map(|()| Answer::Done),
            Wish::Task(act) => self.on_task_act(now, act),
            Wish::Priority { contact, priority } => self.on_priority(now, contact, priority).map(|()| Answer::Done),
        };
        self.out.push_back(Output::Answer(answer));
    }

    fn on_priority(&mut self, now: Time, contact: CallId, priority: i32) -> Result<(), Refusal> {
        let entry = match self.calls.get(&contact).map(|call| &call.stage) {
            Some(Stage::Waiting { entry }) => *entry,
            // Of a contact without a caller on the line the two are one number.
            _ => EntryId(contact.0),
        };
        if self.acd.entry(entry).is_none() {
            return Err(Refusal::NotWaiting { contact });
        }
        self.acd_apply(now, Change::Priority { entry, priority });
        Ok(())
    }
}

//! What is wished from elsewhere than phones, each answered at once by one [`Output::Answer`](super::Output::Answer).

use super::agents::AgentAct;
use super::tasks::{Listed, TaskAct};
use super::{Engine, Output};
use crate::acd::Exit;
use crate::ids::EntryId;
use crate::time::Time;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    Agent { agent: String, act: AgentAct },
    Task(TaskAct),
}

/// It was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done,
    /// As this.
    Filed(EntryId),
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
        };
        self.out.push_back(Output::Answer(answer));
    }
}

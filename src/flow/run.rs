//! The interpreter: one [`Run`] walks one flow for one caller.
//!
//! Contract: after `Run::new` and after each `handle`/`handle_timeout` drain [`Run::poll_action`], then call
//! `handle_timeout` no later than [`Run::poll_timeout`].

use super::Flow;
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What is known of the call when the flow starts; readable in expressions as `call.from`, `call.to`, ….
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The caller's number or user name, as trusted.
    pub from: String,
    /// The number that was dialled.
    pub to: String,
    /// The caller's display name.
    pub name: String,
    /// The trunk or `agent` the call came by.
    pub trunk: String,
}

/// One sound to be played: a prompt by name and the language it is wanted in; music has no language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub name: String,
    pub language: String,
}

/// Place the caller in a line.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRequest {
    pub queue: String,
    /// Skill and lowest level, all of which an agent must have, in addition to what the queue itself needs.
    pub needs: BTreeMap<String, u8>,
    /// Higher is served sooner.
    pub priority: i32,
    /// `None`: the queue's own limit.
    pub max_wait: Option<Duration>,
    pub language: String,
    /// The flow's variables that the agent should see.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A number as configured (a flow's number, an agent's number or one that a trunk takes).
    Number(String),
    /// An agent by name.
    Agent(String),
}

/// How the caller left the line; the queue step names a way on for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueResult {
    /// An agent talked with the caller and hung up first.
    Served,
    TimedOut,
    NoAgents,
    Full,
    Closed,
    /// The caller pressed a key that leads out (the answer to `LeaveQueue`).
    Left,
}

/// From the switchboard to the flow.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Digit(char),
    /// What the last `Play` asked for was heard to the end (or could not be played).
    Played,
    /// The answer to `AskPosition`: 1 = next; `None` = not waiting any more.
    Position(Option<u32>),
    /// An agent answered: be quiet until `Queue(Served)`.
    Connected,
    Queue(QueueResult),
    /// The transfer was not answered; SIP code of the refusal, 408 for silence.
    TransferFailed(u16),
    /// The transfer's far end hung up first.
    TransferEnded,
}

/// From the flow to the switchboard.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Take the call (200 OK). Said once, before anything that needs sound.
    Answer,
    /// Refuse the call before it was answered, with a SIP code 400–699. Nothing follows.
    Reject {
        code: u16,
    },
    /// A step begins: for the record.
    Step {
        flow: String,
        step: String,
    },
    /// Play these one after the other, replacing what plays now; `Input::Played` follows unless `repeat`.
    Play {
        prompts: Vec<Prompt>,
        repeat: bool,
    },
    /// Be silent.
    Stop,
    Enqueue(QueueRequest),
    /// Tell `Input::Position`.
    AskPosition,
    /// The caller wants out; `Input::Queue(Left)` follows unless an agent was faster.
    LeaveQueue,
    /// Connect the caller with someone outside the queues; `Connected`, then `TransferEnded`, or `TransferFailed` follows.
    Transfer {
        to: Target,
        ring: Duration,
    },
    /// The flow itself went wrong (an expression failed, it went round without waiting): for the record and the log.
    /// What the flow does about it follows as ordinary actions.
    Fault {
        flow: String,
        step: String,
        reason: String,
    },
    /// End the call. Nothing follows.
    Hangup,
}

/// One caller's walk through a flow. See the module's documentation.
#[derive(Debug)]
pub struct Run {
    flow: Arc<Flow>,
    facts: Facts,
    actions: VecDeque<Action>,
    deadline: Option<Time>,
}

impl Run {
    /// Begins at the flow's first step; what it wants is there to be polled at once.
    pub fn new(flow: Arc<Flow>, facts: Facts, now: Time) -> Run {
        let _ = now; // nothing to time yet
        Run { flow, facts, actions: VecDeque::new(), deadline: None }
    }

    /// What happened to the caller. Ignored when the run is over or does not wait for it.
    pub fn handle(&mut self, now: Time, input: Input) {
        let _ = (now, input, &self.flow, &self.facts); // no step listens yet
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
        }
    }

    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When `handle_timeout` wants to be called; `None`: only an input can move this run.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadline
    }
}

//! The words between the ACD and the world: what happened ([`AcdEvent`]) and what follows ([`Decision`]).

use crate::ids::{AgentId, EntryId, OfferId, QueueId};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Skill name → level 1–10 (10 best), or → lowest level wanted.
pub type Skills = BTreeMap<String, u8>;

/// How a queue serves its entries. Changed settings apply to waiting entries at once; an offer that rings is not
/// disturbed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    pub name: String,
    /// What every entry of this queue needs, beside its own needs; of two levels of one skill the higher counts.
    pub needs: Skills,
    /// Base priority of its entries; the flow's priority is added.
    pub priority: i32,
    /// Score per second of waiting, added to the priority. From 0 to 1,000,000 (what is outside, or no number, is
    /// taken as the nearest of these, or 0), kept to six decimals.
    pub ageing: f64,
    /// Longest wait, from `since`, before the entry exits as `TimedOut`; `None`: no limit. An entry may bring its own,
    /// which then counts. An offer that rings at that moment runs to its end, and the entry exits then if it was not
    /// accepted.
    pub max_wait: Option<Duration>,
    /// Entries waiting at once; one more is `RefusedFull`.
    pub max_waiting: u32,
    /// An entry that no agent logged in could ever serve exits as `NoAgents` instead of waiting: at its arrival, or
    /// when the last such agent logs out. Paused agents count as logged in.
    pub leave_when_no_agents: bool,
    /// An entry that an agent declined or did not answer is not offered to them again before this time, unless nobody
    /// else is left to try: every agent who could serve it, is logged in and not paused has refused it too. Even then
    /// the agent's `back_off` passes first. Forgotten when the agent resumes or logs in by hand.
    pub retry_same_agent: Duration,
    /// A caller who leaves before this is `ShortAbandoned`.
    pub short_abandon: Duration,
    /// Answered within this counts as in service level.
    pub service_level: Duration,
}

/// What an agent can and how they want to be rung. Changed settings apply from the next offer or talk on; skills at
/// once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    pub name: String,
    pub skills: Skills,
    /// How long one offer rings; less than a second is taken as a second.
    pub ring_time: Duration,
    /// After each talk; zero: none.
    pub wrap_up: Duration,
    /// Pause after an offer was not answered (RONA); zero: no pause.
    pub rona_pause: Duration,
    /// How long an agent whose phone could not be reached or said busy gets no offer. Less than a second is taken as a
    /// second, so that a phone that refuses by itself is not rung in a circle at the speed of the network. Each further
    /// time doubles it, until an offer is accepted, declined or left to ring, or the agent resumes or logs in.
    pub back_off: Duration,
    /// The longest a back-off grows; less than `back_off` is taken as `back_off`.
    pub back_off_max: Duration,
}

/// One thing that happened. The ACD changes through these and nothing else.
///
/// An `at` before that of the event before is taken as that one. What makes no sense (an unknown id, an offer that is
/// over, an agent who logs in twice) changes nothing and is counted by [`Acd::ignored`](super::Acd::ignored).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcdEvent {
    pub at: Time,
    pub change: Change,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A queue is new or has new settings.
    Queue { id: QueueId, settings: QueueSettings },
    /// An agent is new or has new settings.
    Agent { id: AgentId, settings: AgentSettings },
    /// The agent's phone is registered. A pause from before is still on: phones come and go without their people.
    LoggedIn { agent: AgentId },
    /// The agent's last phone is gone. A talk goes on, and the agent is `Offline` after it; an offer ends as
    /// `Unreachable`.
    LoggedOut { agent: AgentId },
    /// Takes effect after a talk and its wrap-up. An offer that rings is withdrawn as `Declined`. Once more: with the
    /// new reason.
    Pause { agent: AgentId, reason: String },
    /// Ends a pause, asked for or not (RONA), and a back-off.
    Resume { agent: AgentId },
    /// The agent is on a call that no queue gave them. An offer that rings is withdrawn as `Busy`.
    Busy { agent: AgentId },
    /// That call is over.
    Free { agent: AgentId },
    /// The agent is done sooner than the time for it.
    EndWrapUp { agent: AgentId },
    /// A caller joins the line. `since`: when the waiting began (earlier than `at` when the place is kept from before;
    /// later is taken as `at`). `priority` is added to the queue's. Ids are not used twice. An unknown queue answers
    /// with an exit as `SystemFault`, for a caller must not wait in no line.
    Arrive { entry: EntryId, queue: QueueId, needs: Skills, priority: i32, max_wait: Option<Duration>, since: Time },
    /// The entry leaves for a reason the ACD does not see: `Abandoned`, `LeftByKey`, `Transferred`, `SystemFault`,
    /// `Callback`, `Overflowed` or `QueueClosed`; the others it decides itself, and they are ignored here. Abandoned
    /// becomes `ShortAbandoned` by the queue's setting. An offer that rings is withdrawn as `CallerGone`. Nothing
    /// happens if the entry is gone already.
    Leave { entry: EntryId, exit: Exit },
    /// How an offer ended, told by the phone. Ignored if the offer is over already. `CallerGone` here means that the
    /// entry leaves as `Abandoned`; where the reason is known, send `Leave` instead.
    OfferEnded { offer: OfferId, outcome: Outcome },
    /// The talk that began with an accepted offer is over.
    TalkEnded { entry: EntryId },
    /// Nothing but time: deadlines up to `at` are acted on. (Every event acts on them first.)
    Tick,
}

/// How an offer ended.
///
/// | outcome | agent | entry (always keeps its place) |
/// |---|---|---|
/// | `Accepted` | talks | exits as `Answered` |
/// | `Declined` | ready | not to this agent for a while (`retry_same_agent`) |
/// | `Busy`, `Unreachable` | backs off, longer each time | to the next agent |
/// | `NoAnswer` | pauses (`rona_pause`) | not to this agent for a while |
/// | `CallerGone` | ready, at the same place among the idle | has left |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    Declined,
    Busy,
    NoAnswer,
    Unreachable,
    CallerGone,
}

/// How an entry ended: a closed set, and each entry ends by exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    Answered,
    Abandoned,
    ShortAbandoned,
    Overflowed,
    TimedOut,
    Callback,
    LeftByKey,
    Transferred,
    QueueClosed,
    NoAgents,
    RefusedFull,
    SystemFault,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    Offline,
    Ready,
    /// Reachable and willing, but not offered anything until then: the phone said busy or could not be reached.
    BackOff {
        until: Time,
    },
    Offered {
        offer: OfferId,
        deadline: Time,
    },
    Talking {
        entry: EntryId,
    },
    /// On a call that no queue gave them.
    Busy,
    WrapUp {
        until: Time,
    },
    /// `until`: a pause that ends by itself (RONA).
    Paused {
        reason: String,
        until: Option<Time>,
    },
}

impl AgentState {
    /// Every [`label`](AgentState::label) there is.
    pub const LABELS: [&str; 8] = ["offline", "ready", "back_off", "offered", "talking", "busy", "wrap_up", "paused"];

    /// The state's name as metrics and the wallboard write it.
    pub fn label(&self) -> &'static str {
        match self {
            AgentState::Offline => "offline",
            AgentState::Ready => "ready",
            AgentState::BackOff { .. } => "back_off",
            AgentState::Offered { .. } => "offered",
            AgentState::Talking { .. } => "talking",
            AgentState::Busy => "busy",
            AgentState::WrapUp { .. } => "wrap_up",
            AgentState::Paused { .. } => "paused",
        }
    }
}

/// What follows from the events; to be carried out by the switchboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Decision {
    /// Ring this agent for this entry until `deadline`.
    Offer { offer: OfferId, entry: EntryId, queue: QueueId, agent: AgentId, deadline: Time },
    /// The offer is over. Stop ringing the agent unless `outcome` is `Accepted` (then connect the two) or the phone
    /// itself ended it. Said exactly once for each offer.
    OfferEnded { offer: OfferId, entry: EntryId, agent: AgentId, outcome: Outcome },
    /// The entry is no longer waiting. Said exactly once for each entry; `Answered` is one of them.
    Exit { entry: EntryId, queue: QueueId, exit: Exit, waited: Duration },
    /// The agent's state is now this.
    Agent { agent: AgentId, state: AgentState },
}

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings {
            name: String::new(),
            needs: Skills::new(),
            priority: 0,
            ageing: 0.0,
            max_wait: None,
            max_waiting: 1000,
            leave_when_no_agents: false,
            retry_same_agent: Duration::from_secs(60),
            short_abandon: Duration::from_secs(5),
            service_level: Duration::from_secs(20),
        }
    }
}

impl Default for AgentSettings {
    fn default() -> Self {
        AgentSettings {
            name: String::new(),
            skills: Skills::new(),
            ring_time: Duration::from_secs(20),
            wrap_up: Duration::from_secs(10),
            rona_pause: Duration::from_secs(60),
            back_off: Duration::from_secs(10),
            back_off_max: Duration::from_secs(60),
        }
    }
}

//! The words between the ACD and the world: what happened ([`AcdEvent`]) and what follows ([`Decision`]).

use crate::ids::{AgentId, EntryId, OfferId, QueueId};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Skill name → level 1–10 (10 best), or → lowest level wanted.
pub type Skills = BTreeMap<String, u8>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    pub name: String,
    /// What every entry of this queue needs.
    pub needs: Skills,
    /// Base priority of its entries; the flow's priority is added.
    pub priority: i32,
    /// Score per second of waiting, added to the priority.
    pub ageing: f64,
    /// Longest wait before the entry exits as `TimedOut`; `None`: no limit.
    pub max_wait: Option<Duration>,
    /// Entries waiting at once; one more is `RefusedFull`.
    pub max_waiting: u32,
    /// An entry whose queue has no agent logged in who could ever serve it exits as `NoAgents` instead of waiting.
    pub leave_when_no_agents: bool,
    /// A refused entry is not offered to the same agent again before this time, unless nobody else is left to try.
    pub retry_same_agent: Duration,
    /// A caller who leaves before this is `ShortAbandoned`.
    pub short_abandon: Duration,
    /// Answered within this counts as in service level.
    pub service_level: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    pub name: String,
    pub skills: Skills,
    /// How long one offer rings.
    pub ring_time: Duration,
    /// After each talk.
    pub wrap_up: Duration,
    /// Pause after an offer was not answered (RONA); zero: no pause.
    pub rona_pause: Duration,
    /// How long an agent whose phone could not be reached or said busy gets no offer.
    pub back_off: Duration,
}

/// One thing that happened. The ACD changes through these and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcdEvent {
    pub at: Time,
    pub change: Change,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A queue is new or has new settings.
    Queue {
        id: QueueId,
        settings: QueueSettings,
    },
    /// An agent is new or has new settings.
    Agent {
        id: AgentId,
        settings: AgentSettings,
    },
    /// The agent's phone is registered.
    LoggedIn {
        agent: AgentId,
    },
    /// The agent's last phone is gone. A talk goes on; an offer is withdrawn.
    LoggedOut {
        agent: AgentId,
    },
    /// Takes effect after a talk.
    Pause {
        agent: AgentId,
        reason: String,
    },
    Resume {
        agent: AgentId,
    },
    /// The agent is on a call that no queue gave them.
    Busy {
        agent: AgentId,
    },
    Free {
        agent: AgentId,
    },
    EndWrapUp {
        agent: AgentId,
    },
    /// A caller joins the line. `since`: when the waiting began (earlier than `at` when the place is kept from before).
    Arrive {
        entry: EntryId,
        queue: QueueId,
        needs: Skills,
        priority: i32,
        max_wait: Option<Duration>,
        since: Time,
    },
    /// The caller left by own will: `Abandoned`, `LeftByKey`, `Transferred` or `SystemFault`.
    /// Abandoned becomes `ShortAbandoned` by the queue's setting. Nothing happens if the entry is gone already.
    Leave {
        entry: EntryId,
        exit: Exit,
    },
    /// How an offer ended, told by the phone. Ignored if the offer is over already.
    OfferEnded {
        offer: OfferId,
        outcome: Outcome,
    },
    /// The talk that began with an accepted offer is over.
    TalkEnded {
        entry: EntryId,
    },
    /// Nothing but time: deadlines up to `at` are acted on. (Every event acts on them first.)
    Tick,
}

/// How an offer ended.
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

/// What follows from the events; to be carried out by the switchboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Decision {
    /// Ring this agent for this entry until `deadline`.
    Offer { offer: OfferId, entry: EntryId, queue: QueueId, agent: AgentId, deadline: Time },
    /// The offer is over. Stop ringing the agent unless `outcome` is `Accepted` (then connect the two) or the phone itself ended it. Said
    /// exactly once for each offer.
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
        }
    }
}

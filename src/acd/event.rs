//! The words between the ACD and the world: what happened ([`AcdEvent`]) and what follows ([`Decision`]).

use super::admission::Obstacle;
use super::callback::Callback;
use super::estimate;
use super::settings::{AgentSettings, QueueSettings, Relax, RestReason};
use crate::ids::{AgentId, EntryId, OfferId, QueueId};
use crate::need::{Attributes, Need};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};

/// What waits. Both wait in the same lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody is on the line. An agent has one at a time.
    #[default]
    Call,
    /// Something to be done that another system has filed: an e-mail, a chat, a promise to keep. An agent has as many at a time
    /// as their settings say; the end of it is no talk's end, and no wrap-up follows.
    Task,
}

impl Kind {
    pub const COUNT: usize = 2;
    pub const ALL: [Kind; Kind::COUNT] = [Kind::Call, Kind::Task];
    pub(super) const FIRST: Kind = Kind::Call;

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// A contact that joins a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arrival {
    pub queue: QueueId,
    pub kind: Kind,
    /// What it needs beside what its queue needs.
    pub need: Need,
    /// How `need` is relaxed.
    pub relax: Vec<Relax>,
    /// For whom it is kept at first, one after the other. Who is not there (logged in, not paused, able to serve it) is passed
    /// over, and so is who refuses it; but whenever it could go to several agents, these go first.
    pub prefer: Vec<Prefer>,
    /// Added to the queue's.
    pub priority: i32,
    /// Its own longest wait, instead of its queue's.
    pub max_wait: Option<Duration>,
    /// When the waiting began: earlier than the event when the place is kept from before; later is taken as the event's time.
    pub since: Time,
    /// So long of the time since then nobody was on the line: it counts for place and figures, and not for the longest wait.
    pub away: Duration,
    /// Queues where it was before this one, in order: those who come by one of them again have its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub been: Vec<QueueId>,
    /// What is known of it by name: language, topic, tier. Rules and needs of the queue may ask for it.
    pub attributes: Attributes,
    /// What it is called elsewhere: a call's id.
    pub reference: String,
    /// Who calls, in the one form by which they are known when they call again; empty: nobody knows.
    pub caller: String,
    /// Nobody is on the line: this number is called when an agent has it. Always a `Call`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<Box<Callback>>,
}

/// Somebody for whom an entry is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefer {
    pub who: Who,
    /// For so long, from when it is their turn.
    pub wait: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    Agent(AgentId),
    Team(String),
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
    /// The settings have this queue no more. Who waits in it goes on as when it is closed (`Overflow` of `Closed`) or exits as
    /// `QueueClosed`, promises in any case; an offer that rings is withdrawn as `CallerGone`. Its figures stay, and it is known again when it comes back.
    QueueGone { queue: QueueId },
    /// The queue is open, and closes by itself at `until`, if that is known. A queue of which nothing is said is open.
    Open { queue: QueueId, until: Option<Time> },
    /// The queue is closed: it takes nobody, and lets those go who wait by its `after_closing`.
    Close { queue: QueueId },
    /// An agent is new or has new settings.
    Agent { id: AgentId, settings: AgentSettings },
    /// The settings have this agent no more: an offer that rings ends as `Unreachable`, talks and tasks have broken. Their figures
    /// stay; a pause and whatever else was known of them does not.
    AgentGone { agent: AgentId },
    /// The agent's phone is registered. A pause from before is still on: phones come and go without their people. Who was logged out
    /// because the service was `down`, an hour ago at most, goes on where they were.
    LoggedIn { agent: AgentId },
    /// The agent's last phone is gone. A talk goes on, and the agent is `Offline` after it; an offer ends as
    /// `Unreachable`. `down`: nobody knows of a phone, for the service itself was gone. Then back-offs, RONA pauses, doubt, refusals, counts
    /// since the log-in and the place among the idle are kept for the next `LoggedIn`.
    LoggedOut {
        agent: AgentId,
        #[serde(default)]
        down: bool,
    },
    /// Takes effect after a talk and its wrap-up, also if the phone has only answered. An offer that rings is withdrawn as `Declined`.
    /// Once more: with the new reason.
    Pause { agent: AgentId, reason: String },
    /// Ends a pause, asked for or not (RONA), a rest and a back-off; the agent is trusted without a probe.
    Resume { agent: AgentId },
    /// What became of a [`Decision::Probe`]: whether the phone answered.
    ProbeEnded { agent: AgentId, reachable: bool },
    /// The agent's shift ends then, or has ended; `None`: no end is known. Nothing is offered from `shift_margin` before it on, and what
    /// rings or is talked about goes on.
    Shift { agent: AgentId, ends: Option<Time> },
    /// The agent is on a call that no queue gave them. An offer that rings is withdrawn as `Busy`.
    Busy { agent: AgentId },
    /// That call is over.
    Free { agent: AgentId },
    /// The agent is done sooner than the time for it.
    EndWrapUp { agent: AgentId },
    /// The agent needs longer: `wrap_up_extension` more, once after each talk.
    ExtendWrapUp { agent: AgentId },
    /// A contact joins the line. Ids are not used twice. An unknown queue answers with an exit as `SystemFault`, for a
    /// caller must not wait in no line.
    Arrive { entry: EntryId, arrival: Box<Arrival> },
    /// The entry's own priority is now this; its place is where it would be had it always been. An offer that rings is not
    /// disturbed.
    Priority { entry: EntryId, priority: i32 },
    /// The entry leaves for a reason the ACD does not see: `Abandoned`, `LeftByKey`, `Transferred`, `SystemFault`,
    /// `Callback`, `Overflowed` or `QueueClosed`; the others it decides itself, and they are ignored here. Abandoned
    /// becomes `ShortAbandoned` by the queue's setting; a promise to call back is abandoned by nobody. An offer that rings is withdrawn as `CallerGone`. Nothing
    /// happens if the entry is gone already. Its queue says whose place is kept (`keep_place`): those who left as
    /// `SystemFault`, or also who hung up.
    Leave { entry: EntryId, exit: Exit },
    /// How an offer ended, told by the phone. Ignored if the offer is over already. `CallerGone` here means that the
    /// entry leaves as `Abandoned`; where the reason is known, send `Leave` instead.
    OfferEnded { offer: OfferId, outcome: Outcome },
    /// A phone has answered the offer, and its agent is told something before the two are connected: the offer stands until then
    /// (a second at least) instead of its own deadline, and the entry keeps its place. Others who are rung for the entry are
    /// rung no more. Once more: until that time. Ignored if the offer is over already.
    Answered { offer: OfferId, until: Time },
    /// What goes on in this talk from now on. Ignored if it was so already, and of what is no talk: a task is not held.
    Talk { entry: EntryId, detail: TalkDetail },
    /// The talk that began with an accepted offer is over. `broke`: nobody hung up, the line of one of the two is gone.
    TalkEnded {
        entry: EntryId,
        #[serde(default)]
        broke: bool,
    },
    /// Who was to be called back has answered: the promise is kept, and the talk is one with them. A talk about a promise that ends
    /// without this was in vain: see [`Decision::NotReached`].
    Reached { entry: EntryId },
    /// The service was not there since `since`, the time of the event before: for that long nobody could come again, and what is kept
    /// for callers is kept that much longer.
    WasDown { since: Time },
    /// From now on estimates are trusted by these settings.
    Estimate { settings: estimate::Settings },
    /// Nothing but time: deadlines up to `at` are acted on. (Every event acts on them first.)
    Tick,
}

/// How an offer ended.
///
/// | outcome | agent | entry (always keeps its place) |
/// |---|---|---|
/// | `Accepted` | talks | exits as `Answered` |
/// | `Declined` | ready | not to this agent for a while (`retry_same_agent`) |
/// | `Busy`, `Unreachable` | backs off, longer each time; after `Unreachable` then a probe | to the next agent |
/// | `AnsweredElsewhere` | ready, at the same place among the idle | another agent who was rung has it |
/// | `Withdrawn` | may not serve it any more | to the next agent |
/// | `NoAnswer` | pauses (`rona_pause`), then a probe | not to this agent for a while |
/// | `CallerGone` | ready, at the same place among the idle | has left, or its queue is gone |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    Declined,
    Busy,
    NoAnswer,
    Unreachable,
    CallerGone,
    /// Of several agents who were rung, another was first.
    AnsweredElsewhere,
    /// The agent's licence for it ran out while it rang.
    Withdrawn,
}

impl Outcome {
    pub const ALL: [Outcome; 8] = [
        Outcome::Accepted,
        Outcome::Declined,
        Outcome::Busy,
        Outcome::NoAnswer,
        Outcome::Unreachable,
        Outcome::CallerGone,
        Outcome::AnsweredElsewhere,
        Outcome::Withdrawn,
    ];
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
    /// The caller is promised to be called back.
    Callback,
    LeftByKey,
    Transferred,
    QueueClosed,
    NoAgents,
    RefusedFull,
    SystemFault,
}

impl Exit {
    pub const ALL: [Exit; 12] = [
        Exit::Answered,
        Exit::Abandoned,
        Exit::ShortAbandoned,
        Exit::Overflowed,
        Exit::TimedOut,
        Exit::Callback,
        Exit::LeftByKey,
        Exit::Transferred,
        Exit::QueueClosed,
        Exit::NoAgents,
        Exit::RefusedFull,
        Exit::SystemFault,
    ];
}

/// What goes on in a talk, as the agent's phone shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TalkDetail {
    #[default]
    Speaking,
    /// The agent has put the contact on hold.
    Held,
    /// The agent is on another call at the same time: with a colleague, or with somebody outside.
    Consulting,
}

impl TalkDetail {
    pub const ALL: [TalkDetail; 3] = [TalkDetail::Speaking, TalkDetail::Held, TalkDetail::Consulting];

    /// As it stands in labels and records.
    pub fn name(self) -> &'static str {
        match self {
            TalkDetail::Speaking => "speaking",
            TalkDetail::Held => "held",
            TalkDetail::Consulting => "consulting",
        }
    }
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
    /// Spared for a while.
    Resting {
        until: Time,
        reason: RestReason,
    },
    /// Not trusted yet: the phone was asked whether it is there, and has until then to answer.
    Probed {
        until: Time,
    },
    Offered {
        offer: OfferId,
        deadline: Time,
    },
    Talking {
        entry: EntryId,
        #[serde(default)]
        detail: TalkDetail,
    },
    /// On tasks and on no call, whether or not they could take one.
    Working {
        tasks: u32,
    },
    /// On a call that no queue gave them.
    Busy,
    WrapUp {
        until: Time,
    },
    /// Their shift is over, or nearly.
    OffShift,
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
    /// The offer is over. Stop ringing the agent unless `outcome` is `Accepted` (then connect the two) or the phone
    /// itself ended it. Said exactly once for each offer.
    OfferEnded { offer: OfferId, entry: EntryId, agent: AgentId, outcome: Outcome },
    /// The entry is no longer waiting in this queue. Said exactly once for each queue it was in, and the last time with `to` as
    /// `None`: then it waits nowhere; `Answered` is one of these. `waited`: since its waiting began, in this queue or before.
    Exit {
        entry: EntryId,
        queue: QueueId,
        exit: Exit,
        waited: Duration,
        /// Where it waits from now on.
        #[serde(default)]
        to: Option<QueueId>,
        /// What did not let it stay in this queue, or did not let it in; `None`: it left by itself, was answered, had waited as long as
        /// it may here, or has its place elsewhere. It follows from the state and is in no digest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        obstacle: Option<Obstacle>,
    },
    /// The number of a promise was called in vain. `again`: it waits again, in the same queue and with all its time, and is offered to
    /// nobody before then: after `callback_retry`, or at once where the talk broke, which is no try. `None`: it is over, by too many tries
    /// or because who was to be called has come.
    NotReached { entry: EntryId, queue: QueueId, again: Option<Time> },
    /// Ask the agent's phone whether it is there and say so by `ProbeEnded`; no word by `deadline` is a no.
    Probe { agent: AgentId, deadline: Time },
    /// The agent's state is now this.
    Agent { agent: AgentId, state: AgentState },
}

impl Arrival {
    /// The first queue where it was.
    pub fn came_by(&self) -> QueueId {
        self.been.first().copied().unwrap_or(self.queue)
    }

    /// Whether it is in this queue, or was.
    pub(super) fn was_in(&self, queue: QueueId) -> bool {
        self.queue == queue || self.been.contains(&queue)
    }

    /// The place of who waited since then and left the line at `left`, as of now.
    pub(super) fn takes_place(&mut self, since: Time, away: Duration, left: Time, now: Time) {
        if since < self.since {
            self.since = since;
            self.away = away + now.since(left);
        }
    }
}

impl Default for Arrival {
    fn default() -> Self {
        Arrival {
            queue: QueueId(0),
            kind: Kind::Call,
            need: Need::default(),
            relax: Vec::new(),
            prefer: Vec::new(),
            priority: 0,
            max_wait: None,
            since: Time::NEVER,
            away: Duration::ZERO,
            been: Vec::new(),
            attributes: Attributes::new(),
            reference: String::new(),
            caller: String::new(),
            callback: None,
        }
    }
}

//! What happened, in the words that records, metrics, logs and wallboards share.

use super::caller::Caller;
use super::task::TaskNews;
pub use crate::acd::Phase as AgentPhase;
pub use crate::acd::TalkDetail;
pub use crate::acd::estimate::Estimate;
use crate::acd::{Exit, Outcome};
use crate::ids::{CallId, EntryId, LegId, OfferId};
use crate::media::Quality;
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallEvent {
    pub at: Time,
    pub what: What,
}

/// Names (`Arc<str>`) are those of the configuration: agents, queues, trunks, flows and steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// An INVITE from somebody we take calls from. `trunk`: the trunk's name, or `agent`.
    CallStarted {
        call: CallId,
        from: String,
        to: String,
        trunk: Arc<str>,
    },
    /// What is known of the caller besides the number, if anything. Right after `CallStarted`.
    CallerKnown {
        call: CallId,
        caller: Box<Caller>,
    },
    /// A header about the caller, or a part of it, was left out: it cannot be read, or is more than is kept. Both are of a
    /// closed set, fit for a metric's labels.
    CallerHeaderIgnored {
        call: CallId,
        header: Arc<str>,
        reason: Arc<str>,
    },
    /// Our 200 OK to the caller.
    CallAnswered {
        call: CallId,
    },
    /// A flow has left the caller unanswered for as long as may be. It answers now, or leads the caller elsewhere.
    AnswerOverdue {
        call: CallId,
    },
    /// The line of an agent of its broke so often in it that the caller does not wait for them again.
    AgentsLost {
        call: CallId,
        times: u8,
    },
    /// Its talk outside ends: `payer`, an agent or a trunk, has used up its minutes of the day.
    OutOfMinutes {
        call: CallId,
        payer: Arc<str>,
    },
    /// The flow began a step.
    Step {
        call: CallId,
        flow: Arc<str>,
        step: Arc<str>,
    },
    /// The flow itself went wrong: an expression failed, it went round without waiting. What it did then follows.
    FlowFault {
        call: CallId,
        flow: Arc<str>,
        step: Arc<str>,
        reason: String,
    },
    /// The caller joined a line.
    Queued {
        call: CallId,
        entry: EntryId,
        queue: Arc<str>,
        priority: i32,
    },
    /// A caller in line was to hear how long it will take.
    EstimateAsked {
        call: CallId,
        entry: EntryId,
        queue: Arc<str>,
        answer: EstimateAnswer,
    },
    /// The entry left the line. Said once for each `Queued`.
    Dequeued {
        call: CallId,
        entry: EntryId,
        queue: Arc<str>,
        exit: Exit,
        waited: Duration,
        /// After a wait of no more than the queue's service level, whatever became of it.
        in_service_level: bool,
    },
    /// It is promised to call this number back when it is its turn in that queue. `call`: who asked for it, which is now; `None`: it was
    /// promised before this run began. `since`: when its waiting began. Nobody holds the line, and no `Queued` is said of it.
    Promised {
        call: Option<CallId>,
        entry: EntryId,
        queue: Arc<str>,
        number: String,
        since: Time,
    },
    /// The caller asked in vain to be called back. Whoever waited has left by key, and goes where the flow says. `queue`: whose agents
    /// would have called; empty: the flow names none and the caller was in none.
    NotPromised {
        call: CallId,
        queue: Arc<str>,
        number: String,
        why: Unpromised,
    },
    /// This call is one that was promised: agents are rung, and who takes it calls the number. Right after `CallStarted`. `tries`: times
    /// that it was called before.
    CallsBack {
        call: CallId,
        entry: EntryId,
        queue: Arc<str>,
        number: String,
        since: Time,
        tries: u32,
    },
    /// The number was called in vain, and no agent is rung for it before then.
    PromisedAgain {
        entry: EntryId,
        queue: Arc<str>,
        again: Time,
    },
    /// Said once for each `Promised` that is not kept on by the next run.
    PromiseOver {
        entry: EntryId,
        queue: Arc<str>,
        fate: Fate,
    },
    /// What another system has filed waits, is worked on or is done. It has a contact's id and an entry's, of the same number, and
    /// nothing else that calls have. `queue`: where it waits, or was accepted from.
    Task {
        task: CallId,
        entry: EntryId,
        queue: Arc<str>,
        #[serde(flatten)]
        news: TaskNews,
    },
    /// An agent's phone is being rung.
    Offered {
        call: CallId,
        entry: EntryId,
        offer: OfferId,
        queue: Arc<str>,
        agent: Arc<str>,
    },
    /// Said once for each `Offered`.
    OfferEnded {
        call: CallId,
        entry: EntryId,
        offer: OfferId,
        queue: Arc<str>,
        agent: Arc<str>,
        outcome: Outcome,
    },
    /// The caller and this party hear each other. `with`: an agent's name or the number that was dialled.
    Connected {
        call: CallId,
        leg: LegId,
        with: Arc<str>,
    },
    /// They no longer do.
    Disconnected {
        call: CallId,
        leg: LegId,
        with: Arc<str>,
        talked: Duration,
    },
    /// A party put the call on hold, or took it back.
    Held {
        call: CallId,
        leg: LegId,
    },
    Resumed {
        call: CallId,
        leg: LegId,
    },
    /// An agent transfers the call: who talked with them is being connected elsewhere. Opens a segment.
    Transferred {
        call: CallId,
        by: Arc<str>,
        kind: TransferKind,
        /// The number that was given, or the name of who is to be reached.
        to: String,
    },
    /// Said once for each `Transferred`. `code`: 200, the SIP code of the failure, or 487 when the caller hung up before.
    TransferEnded {
        call: CallId,
        kind: TransferKind,
        code: u16,
    },
    /// An agent's phone wanted a transfer that is not possible or not allowed; the call goes on as it was.
    TransferRefused {
        call: CallId,
        kind: TransferKind,
        code: u16,
    },
    /// Who was called (an agent's name, or a number) wants to have the call elsewhere (3xx). `to`: where it goes now by that, said for
    /// each place that is tried; `None`: nowhere, which counts as a refusal.
    Redirected {
        call: CallId,
        by: Arc<str>,
        to: Option<String>,
    },
    /// So many places, the first of them named by this one, are not tried, because as many as may be were.
    RedirectsCut {
        call: CallId,
        by: Arc<str>,
        left: usize,
    },
    /// Who was called named a place for it that is neither ours nor a trunk's: nobody is called there.
    RedirectAbroad {
        call: CallId,
        by: Arc<str>,
        host: String,
    },
    /// A leg's media is over.
    LegClosed {
        call: CallId,
        leg: LegId,
        quality: Quality,
    },
    /// A leg that should be sending has sent nothing since then.
    LegSilent {
        call: CallId,
        leg: LegId,
        since: Time,
    },
    /// The call is over. `cause`: a short plain reason, such as `hung up` or `no audio for 30 s`.
    CallEnded {
        call: CallId,
        by: EndedBy,
        cause: String,
    },
    /// An INVITE that became no call. `reason` is one of a closed set, fit for a metric's label.
    CallRefused {
        code: u16,
        reason: Arc<str>,
    },
    /// An account has begun as many calls as it may have at a time; each time also `CallRefused`.
    AgentFull {
        agent: Arc<str>,
    },
    /// A request came with a wrong password, or for a user that is not there. `user` is what the sender wrote.
    AuthenticationFailed {
        user: String,
        from: IpAddr,
    },
    /// A request inside a dialog came from elsewhere than the other side of that, without the right password; answered with `code`.
    Strayed {
        from: IpAddr,
        code: u16,
    },
    /// A trunk is in another state, or something about it needs an operator.
    Trunk {
        trunk: Arc<str>,
        news: TrunkNews,
    },
    /// A call out found no trunk that could take it. `reason` is one of a closed set, fit for a metric's label.
    NoWayOut {
        call: CallId,
        reason: Arc<str>,
    },
    /// An agent's state is now this.
    Agent {
        agent: Arc<str>,
        phase: AgentPhase,
        reason: Option<String>,
        until: Option<Time>,
        /// Of a talk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<TalkDetail>,
        /// Since when, where that is longer than since now: a pause goes on while the service is not there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Time>,
    },
}

/// What a caller was told of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EstimateAnswer {
    Told(Estimate),
    /// Nothing, because it was what the caller had been told last.
    Unchanged,
    /// Nothing, because it was not known well enough.
    Unsure,
}

/// What a trunk does besides bringing and taking calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkNews {
    /// The carrier knows us for so long.
    Registered {
        granted: Duration,
    },
    /// `code`: the carrier's answer, `None` if there was none. Tried again after that time.
    RegistrationFailed {
        code: Option<u16>,
        again: Duration,
    },
    Unregistered,
    /// It asked for a password in this realm, and the account of the settings is for another: nothing was shown.
    OtherRealm {
        realm: String,
    },
    /// This place of it has not answered OPTIONS for too long: it gets no calls.
    Down {
        target: SocketAddr,
    },
    /// It answers again.
    Up {
        target: SocketAddr,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// To a number.
    Blind,
    /// To another call of the agent's.
    Attended,
}

/// Why somebody is not promised to be called back. Where several hold, the first of these is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unpromised {
    /// It is not known from which number they call.
    NumberWithheld,
    /// The number is not the caller's own, nor one that the settings allow (`callback_numbers`).
    NumberNotAllowed,
    /// The number is for emergencies.
    Emergency,
    /// No trunk takes the number, or may carry it.
    NoWayOut,
    /// There is no queue whose agents could call.
    NoQueue,
    /// The number is to be called back by another queue, or is being called right now.
    PromisedAlready,
    /// As many wait to be called back by the queue as may (`max_callbacks`).
    QueueFull,
    /// The number was promised a call as often as it may be in a day (`callbacks_per_number`).
    TooOften,
}

impl Unpromised {
    pub const ALL: [Unpromised; 8] = [
        Unpromised::NumberWithheld,
        Unpromised::NumberNotAllowed,
        Unpromised::Emergency,
        Unpromised::NoWayOut,
        Unpromised::NoQueue,
        Unpromised::PromisedAlready,
        Unpromised::QueueFull,
        Unpromised::TooOften,
    ];

    /// As it stands in labels and records.
    pub fn name(self) -> &'static str {
        match self {
            Unpromised::NumberWithheld => "number_withheld",
            Unpromised::NumberNotAllowed => "number_not_allowed",
            Unpromised::Emergency => "emergency",
            Unpromised::NoWayOut => "no_way_out",
            Unpromised::NoQueue => "no_queue",
            Unpromised::PromisedAlready => "promised_already",
            Unpromised::QueueFull => "queue_full",
            Unpromised::TooOften => "too_often",
        }
    }
}

/// What became of a promise to call back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Who was promised it answered.
    Kept,
    /// It was too late (`callback_within`).
    TimedOut,
    /// Nobody answered, so many times (`callback_tries`).
    NotReached,
    /// Who was promised it called before.
    Withdrawn,
}

impl Fate {
    pub const ALL: [Fate; 4] = [Fate::Kept, Fate::TimedOut, Fate::NotReached, Fate::Withdrawn];

    /// As it stands in labels.
    pub fn name(self) -> &'static str {
        match self {
            Fate::Kept => "kept",
            Fate::TimedOut => "timed_out",
            Fate::NotReached => "not_reached",
            Fate::Withdrawn => "withdrawn",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// Who called; an agent who dials, or calls a number that was promised it, stands there too.
    Caller,
    /// The agent at the other end.
    Agent,
    /// Who was at the other end and is no agent: called back, dialled, or whom the caller was transferred to; also one who
    /// had called themselves, in a call that became part of this one.
    Called,
    /// The flow hung up.
    Flow,
    /// We ended it: limit, drain, dead leg, fault.
    System,
    /// The service itself stopped while the call was up: killed, crashed, or the machine lost its power. Said in
    /// records only, because nobody was there to say it when it happened.
    SystemFault,
}

impl What {
    /// The call or task it is about; `None`: a refused one, or an agent.
    pub fn call(&self) -> Option<CallId> {
        match self {
            What::CallStarted { call, .. }
            | What::CallerKnown { call, .. }
            | What::CallerHeaderIgnored { call, .. }
            | What::CallAnswered { call }
            | What::AnswerOverdue { call }
            | What::OutOfMinutes { call, .. }
            | What::AgentsLost { call, .. }
            | What::Step { call, .. }
            | What::FlowFault { call, .. }
            | What::Queued { call, .. }
            | What::EstimateAsked { call, .. }
            | What::Dequeued { call, .. }
            | What::NotPromised { call, .. }
            | What::CallsBack { call, .. }
            | What::Offered { call, .. }
            | What::OfferEnded { call, .. }
            | What::Connected { call, .. }
            | What::Disconnected { call, .. }
            | What::Held { call, .. }
            | What::Resumed { call, .. }
            | What::Transferred { call, .. }
            | What::TransferEnded { call, .. }
            | What::TransferRefused { call, .. }
            | What::Redirected { call, .. }
            | What::RedirectsCut { call, .. }
            | What::RedirectAbroad { call, .. }
            | What::LegClosed { call, .. }
            | What::LegSilent { call, .. }
            | What::NoWayOut { call, .. }
            | What::CallEnded { call, .. } => Some(*call),
            What::Promised { call, .. } => *call,
            What::Task { task, .. } => Some(*task),
            What::CallRefused { .. }
            | What::PromisedAgain { .. }
            | What::PromiseOver { .. }
            | What::AgentFull { .. }
            | What::AuthenticationFailed { .. }
            | What::Strayed { .. }
            | What::Trunk { .. }
            | What::Agent { .. } => None,
        }
    }
}

//! One agent: what is known about them, and the state that follows from it.
//!
//! No transition is ever taken; each fact comes and goes by itself, most with a deadline, and the state is the first
//! line that holds:
//!
//! | fact | begins with | ends with | state |
//! |---|---|---|---|
//! | an offer rings | a match | its outcome, its deadline | `Offered` |
//! | a talk | an accepted offer of a call | `TalkEnded` | `Talking` |
//! | no phone | `LoggedOut` | `LoggedIn`; where the service was down, with all else as it was | `Offline` |
//! | a call of their own | `Busy` | `Free` | `Busy` |
//! | wrap-up | the end of a talk | `EndWrapUp`, its deadline (later after `ExtendWrapUp`) | `WrapUp` |
//! | the end of a shift | its time, less the margin | `Shift` with another end | `OffShift` |
//! | a pause | `Pause`; an offer not answered (RONA) | `Resume`; for RONA its deadline | `Paused` |
//! | back-off | the phone was busy or not to be reached, or failed a probe | `Resume`, `LoggedIn`, its deadline | `BackOff` |
//! | a probe | the end of a RONA pause or a back-off, if the phone is doubted | `ProbeEnded`, `Resume`, `LoggedOut`, its deadline | `Probed` |
//! | a rest | the end of a wrap-up, or of a contact without one, or of a call of their own | `Resume`, its deadline | `Resting` |
//! | tasks | accepted offers of tasks | `TalkEnded` of each | `Working` |
//! | none of these | | | `Ready` |
//!
//! So nothing can be stuck that its own end does not free, a pause asked for during a talk, or once the phone has answered, needs no
//! memory of its own, and a phone that comes back finds its agent where they would be anyway.

use super::down::Lost;
use super::event::{AgentState, Kind, TalkDetail};
use super::pool::{IdleAgent, PoolId, Slot};
use super::rest::Strain;
use super::settings::{AgentSettings, HeldLicence, Validity};
use crate::ids::{AgentId, EntryId, OfferId};
use crate::time::{Duration, Time};
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    pub name: Box<str>,
    /// Where they stand in the list of all.
    pub place: u32,
    /// When their licences count, in their order, and then those of their skills that count for a time.
    pub valid: Box<[Validity]>,
    /// But for the above, which says nothing here; see [`Alike`](super::alike::Alike).
    pub settings: Arc<AgentSettings>,
    pub pool: PoolId,
    pub logged_in: bool,
    /// They have no phone because the service was down.
    pub lost: Option<Box<Lost>>,
    pub own_call: bool,
    pub task: Task,
    /// Tasks that are being worked on.
    pub tasks: BTreeSet<EntryId>,
    /// Contacts accepted since the agent logged in; runs of the service in between do not count as a log-in.
    pub calls: u32,
    /// When a skill or a licence begins or ends next.
    pub abilities_change: Option<Time>,
    pub wrap_up: Option<Time>,
    /// This wrap-up has been made longer.
    pub wrap_up_extended: bool,
    pub strain: Option<Box<Strain>>,
    /// When the shift ends, if that is known.
    pub shift_ends: Option<Time>,
    /// Nothing is offered any more in this shift.
    pub off_shift: bool,
    pub pause: Option<Pause>,
    pub back_off: Option<Time>,
    /// Back-offs in a row: since the phone last rang, logged in, or its agent resumed.
    pub backed_off: u32,
    /// An offer was not answered or found no phone, and nothing has shown since that somebody is there.
    pub doubted: bool,
    /// Until when a probe may be answered.
    pub probe: Option<Time>,
    /// The state last told.
    pub state: AgentState,
    /// As what the pool counts them.
    pub counted: Counted,
    /// By kind of contact: where the pool lists them among the idle.
    pub idle: [Option<Slot>; Kind::COUNT],
    /// By kind of contact: since when the agent is idle, while they are: since they last came free for it, where the offer of a
    /// caller who hung up does not count as an interruption.
    ///
    /// Not since the last talk ended, which is common too: then whoever comes back from an hour's pause is rung in the
    /// same second, and a phone that nobody answers or that cannot be reached is tried first for every caller.
    pub idle_since: [Time; Kind::COUNT],
    /// Waiting entries that remember a refusal by this agent.
    pub refused: BTreeSet<EntryId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    None,
    /// `answered`: the agent is told something before the two are connected.
    Offered {
        offer: OfferId,
        entry: EntryId,
        deadline: Time,
        answered: bool,
    },
    Talking {
        entry: EntryId,
        detail: TalkDetail,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub reason: String,
    pub until: Option<Time>,
}

/// How a pool counts a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub logged_in: bool,
    /// Logged in and not paused.
    pub in_service: bool,
}

/// A phone that refuses by itself is not rung in a circle at the speed of the network.
const SHORTEST: Duration = Duration::from_secs(1);

/// How long a phone has to answer a probe: by UDP it is asked four times in it (RFC 3261 §17.1.2.2: after 0, 0.5, 1.5 and
/// 3.5 s).
pub const PROBE_TIME: Duration = Duration::from_secs(5);

impl Agent {
    /// `common`: what they have in common with others.
    pub fn new(settings: &AgentSettings, common: Arc<AgentSettings>, pool: PoolId) -> Agent {
        let mut agent = Agent::like(common, pool);
        agent.note_own(settings);
        agent
    }

    /// What they share with nobody.
    pub fn note_own(&mut self, settings: &AgentSettings) {
        (self.name, self.place) = (settings.name.as_str().into(), settings.place);
        let licences = settings.licences.iter().map(|licence| licence.valid);
        self.valid = licences.chain(settings.skills_valid.values().copied()).collect();
    }

    fn like(settings: Arc<AgentSettings>, pool: PoolId) -> Agent {
        Agent {
            name: Box::default(),
            place: 0,
            valid: Box::default(),
            settings,
            pool,
            logged_in: false,
            lost: None,
            own_call: false,
            task: Task::None,
            tasks: BTreeSet::new(),
            calls: 0,
            abilities_change: None,
            wrap_up: None,
            wrap_up_extended: false,
            strain: None,
            shift_ends: None,
            off_shift: false,
            pause: None,
            back_off: None,
            backed_off: 0,
            doubted: false,
            probe: None,
            state: AgentState::Offline,
            counted: Counted::default(),
            idle: [None; Kind::COUNT],
            idle_since: [Time::EPOCH; Kind::COUNT],
            refused: BTreeSet::new(),
        }
    }

    /// As the operator has written them.
    pub fn whole_settings(&self) -> AgentSettings {
        let mut settings = AgentSettings::clone(&self.settings);
        (settings.name, settings.place) = (self.name.to_string(), self.place);
        let licences = settings.licences.iter_mut().map(|licence| &mut licence.valid);
        let all = licences.chain(settings.skills_valid.values_mut());
        all.zip(&self.valid).for_each(|(valid, own)| *valid = *own);
        settings
    }

    /// What they hold, and when each counts.
    pub fn licences(&self) -> impl Iterator<Item = (&HeldLicence, Validity)> {
        self.settings.licences.iter().zip(self.valid.iter().copied())
    }

    /// The state that follows from the facts.
    pub fn derive(&self) -> AgentState {
        self.derive_as(self.logged_in)
    }

    fn derive_as(&self, logged_in: bool) -> AgentState {
        match self.task {
            Task::Offered { offer, deadline, .. } => return AgentState::Offered { offer, deadline },
            Task::Talking { entry, detail } => return AgentState::Talking { entry, detail },
            Task::None => {}
        }
        if !logged_in {
            AgentState::Offline
        } else if self.own_call {
            AgentState::Busy
        } else if let Some(until) = self.wrap_up {
            AgentState::WrapUp { until }
        } else if self.off_shift {
            AgentState::OffShift
        } else if let Some(pause) = &self.pause {
            AgentState::Paused { reason: pause.reason.clone(), until: pause.until }
        } else if let Some(until) = self.back_off {
            AgentState::BackOff { until }
        } else if let Some(until) = self.probe {
            AgentState::Probed { until }
        } else if let Some((until, reason)) = self.rest() {
            AgentState::Resting { until, reason }
        } else if !self.tasks.is_empty() {
            AgentState::Working { tasks: u32::try_from(self.tasks.len()).unwrap_or(u32::MAX) }
        } else {
            AgentState::Ready
        }
    }

    /// Until when an offer stands, if there is one.
    pub fn offered_until(&self) -> Option<Time> {
        match self.task {
            Task::Offered { deadline, .. } => Some(deadline),
            Task::Talking { .. } | Task::None => None,
        }
    }

    /// Whether the agent could be offered a contact of this kind.
    pub fn is_free_for(&self, kind: Kind) -> bool {
        self.idle[kind.index()].is_some()
    }

    /// As the pool lists them while they are idle. Who changes any of it takes them off the list first.
    pub fn listed(&self, id: AgentId, kind: Kind) -> IdleAgent {
        IdleAgent { place: (self.place, id), since: self.idle_since[kind.index()], calls: self.calls }
    }

    /// Their phone rings for an offer, and nobody has answered it.
    pub fn rings(&self) -> bool {
        matches!(self.task, Task::Offered { answered: false, .. })
    }

    /// Whether that follows from the facts.
    pub fn may_be_offered(&self, kind: Kind) -> bool {
        self.could_be_offered(kind, self.logged_in)
    }

    /// Where the pool is to list them among the idle.
    pub fn slot(&self, kind: Kind) -> Option<Slot> {
        self.may_be_offered(kind).then_some(match kind {
            Kind::Call => Slot::Calls,
            Kind::Task if self.no_calls_for_now() => Slot::TasksBehindCalls,
            Kind::Task => Slot::Tasks,
        })
    }

    /// Because of the tasks they work on.
    pub fn no_calls_for_now(&self) -> bool {
        !self.tasks.is_empty() && !self.settings.calls_during_tasks
    }

    /// Were they logged in, or not.
    pub fn could_be_offered(&self, kind: Kind, logged_in: bool) -> bool {
        matches!(self.derive_as(logged_in), AgentState::Ready | AgentState::Working { .. })
            && !self.rests_next()
            && match kind {
                Kind::Call => !self.no_calls_for_now(),
                Kind::Task => self.tasks.len() < self.settings.tasks as usize,
            }
    }

    pub fn counts_as(&self) -> Counted {
        let logged_in = self.logged_in && !self.off_shift;
        Counted { logged_in, in_service: logged_in && self.pause.is_none() }
    }

    /// From when on nothing is offered in this shift.
    pub fn last_offer(&self) -> Option<Time> {
        self.shift_ends.map(|ends| ends - self.settings.shift_margin)
    }

    /// When that is acted on, if it was not yet.
    pub fn shift_deadline(&self) -> Option<Time> {
        self.last_offer().filter(|_| !self.off_shift)
    }

    /// With what the queue says of it.
    pub fn ring_time(&self, of_queue: Option<Duration>) -> Duration {
        let own = self.settings.ring_time;
        of_queue.map_or(own, |other| other.min(own)).max(SHORTEST)
    }

    /// Doubled for each back-off before it.
    pub fn back_off_time(&self) -> Duration {
        let first = self.settings.back_off.max(SHORTEST);
        let doubled = 1u32.checked_shl(self.backed_off).unwrap_or(u32::MAX);
        first.saturating_mul(doubled).min(self.settings.back_off_max.max(first))
    }

    /// How long an entry they refused does not come back in any case, and how long only if nobody else is left.
    pub fn refusal_times(&self, retry_same_agent: Duration) -> (Duration, Duration) {
        let just_now = self.settings.back_off.min(retry_same_agent).max(SHORTEST);
        (just_now, retry_same_agent.max(just_now))
    }
}

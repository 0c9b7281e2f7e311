//! The same rules, written for the reader and not for the machine: no index, no order kept, everything looked for by
//! looking at everything. And the same rules with one mistake each, to know that the histories would find it.

mod down;
mod gone;
mod staff;

use super::model_back::{Absent, Goes, Waits, one_waits};
use super::model_callbacks::Dialled;
use super::model_queues::{self, Door, hasty_estimates};
use super::*;
use crate::acd::estimate::Estimates;
use crate::need::{Attributes, Expr, Licence, Word};
use std::collections::BTreeSet;

/// The mistakes, and the list of all of them.
macro_rules! mistakes {
    ($($name:ident,)*) => {
        /// One rule left out or turned round.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake {
            $($name,)*
        }

        impl Mistake {
            pub const ALL: &[Mistake] = &[$(Mistake::$name,)*];
        }
    };
}

mistakes! {
    TwoAgentsForOneEntry,
    TwoEntriesForOneAgent,
    ShortestIdle,
    LastComeFirst,
    NoPriority,
    NoAgeing,
    NoLevels,
    NoQueueNeeds,
    RefusalsForgotten,
    RefusalsRememberedForEver,
    NoLastResort,
    ResumeForgetsNothing,
    PlaceLostByRefusal,
    PlaceLost,
    PlaceKeptForAll,
    PlaceKeptForEver,
    PlaceKeptOnlyWhereItWas,
    AwayIsWaiting,
    PlaceKeptInEveryQueue,
    PlaceGivenTwice,
    PlaceWithoutPriority,
    NewestPlaceFirst,
    PlaceUsedUpByFull,
    PlaceFindsNoRoom,
    PlaceOutlivesClosing,
    ReturnsOnlyWhereItFirstCame,
    ReturnsAnyhow,
    RedialWaitsAnew,
    RedialIsAnybodys,
    RedialAnyTimeAgo,
    RedialToAnybody,
    RedialOnlyWhereItFirstCame,
    KeptNoLongerWhileDown,
    PromisedTwice,
    PromisesWithoutEnd,
    PromisesTakeRoom,
    PromiseNotWithdrawn,
    PromiseLostInVain,
    PromiseRetriedAtOnce,
    PromiseRetriedForEver,
    BrokenCallIsTry,
    PromiseKeptWhileClosed,
    PromiseWaitsForNobodyInVain,
    PromiseAbandoned,
    PromiseNeverTooLate,
    BrokenTalkForgotten,
    BrokenTalkKeptForEver,
    BrokenTalkGivenTwice,
    BrokenTalkLosesItsWait,
    EveryTalkBroke,
    IdlePlaceLostByCallerGone,
    IdlePlaceKeptByPause,
    LongestWaitCutsRinging,
    LongestWaitForgottenAfterRinging,
    NoWrapUpEnd,
    NoRonaPause,
    NoBackOff,
    BackOffNeverGrows,
    BackOffGrowsForEver,
    BackOffGrowthKeptByRinging,
    BackOffGrowthKeptByResume,
    BackOffGrowthKeptByLogin,
    WrapUpExtendedTwice,
    WrapUpExtendedFromNow,
    PauseBeforeWrapUp,
    PauseLetsRing,
    LogoutLetsRing,
    LogoutCutsTalk,
    LostIsLogout,
    LostForgetsDoubt,
    LostForgetsBackOff,
    LostForgetsCalls,
    LostForgetsRefusals,
    LostLosesIdlePlace,
    LostKeepsIdlePlaceAnyhow,
    LostIsNotAsked,
    GoneQueueSendsAllAway,
    GoneAgentHangsUp,
    GoneAgentKeepsPause,
    NobodyLeavesAtLastLogout,
    NeverFull,
    OwnCallLetsRing,
    SettingsOnlyForNewcomers,
    DeadlinesActedOnLate,
    ShortAbandonNotTold,
    AbandonedTwice,
    LateAcceptanceCounts,
    NoRests,
    NoRestOfLongTalks,
    RestsOfAllQueues,
    RestsOfAllTopics,
    RestsAddUp,
    ShiftNeverEnds,
    NoShiftMargin,
    OffShiftCountsAsThere,
    RestBeginsBeforeWrapUp,
    RestOutlivesResume,
    NoOccupancyCap,
    OccupancyNeverDrains,
    OccupancyRestNeverBounded,
    NeverProbed,
    ProbedAfterResume,
    ProbedAfterLogin,
    SilenceIsReachable,
    FailedProbeTrusts,
    FailedProbeNeverGrows,
    ProbeForgetsBackOffs,
    BusyIsDoubted,
    NoOr,
    NoNot,
    NoAttributes,
    LicencesRelaxed,
    LicencesForEver,
    LicenceLostLetsRing,
    SkillsForEver,
    NeverRelaxed,
    EverybodyIsMember,
    KeptForNobody,
    KeptForEver,
    KeptForTheAbsent,
    KeptAfterRefusal,
    PreferredGoLast,
    AlwaysLongestIdle,
    RoundRobinFromTheStart,
    ListIsById,
    CallsKeptByLogin,
    RingAllRingsOne,
    RingAllLetsRing,
    IdlePlaceLostByAnsweredElsewhere,
    NoWeights,
    PriorityChangesOnlyForNewcomers,
    QueueRingTimeForgotten,
    TasksWithoutEnd,
    TasksDuringCalls,
    NoCallsDuringTasks,
    WrapUpAfterTasks,
    AnswerKeepsDeadline,
    AnswerRingsOn,
    HoldOutlivesTalk,
    ClosedTakes,
    NoLastCall,
    ClosedKeeps,
    JoinsInVain,
    HopesForNothing,
    JoinsLongLines,
    LongWaitsStay,
    PausedAreThere,
    NoOverflow,
    OverflowsBack,
    OverflowsAnyhow,
    OverflowLosesWait,
    OverflowLosesRefusals,
    OverflowLosesLicences,
    OverflowCutsRinging,
    NoRules,
    RulesForAll,
}

/// What histories are played with.
pub trait Distributor {
    fn apply(&mut self, event: &AcdEvent);
    fn poll_decision(&mut self) -> Option<Decision>;
    fn poll_timeout(&self) -> Option<Time>;
}

impl Distributor for Acd {
    fn apply(&mut self, event: &AcdEvent) {
        Acd::apply(self, event);
    }
    fn poll_decision(&mut self) -> Option<Decision> {
        Acd::poll_decision(self)
    }
    fn poll_timeout(&self) -> Option<Time> {
        Acd::poll_timeout(self)
    }
}

pub struct Model {
    pub now: Time,
    last_offer: u64,
    pub queues: Vec<(QueueId, QueueSettings)>,
    pub doors: BTreeMap<QueueId, Door>,
    pub estimates: Estimates,
    last_rung: BTreeMap<QueueId, AgentId>,
    chance: crate::acd::chance::Chance,
    pub agents: Vec<Person>,
    pub callers: Vec<Caller>,
    pub decisions: VecDeque<Decision>,
    pub absent: Absent,
    pub dialled: Vec<Dialled>,
    pub mistake: Option<Mistake>,
}

pub struct Person {
    pub id: AgentId,
    settings: AgentSettings,
    pub phone: bool,
    /// Since when there is no phone because the service was down.
    pub lost: Option<Time>,
    pub shift_ends: Option<Time>,
    pub off_shift: bool,
    own_call: bool,
    pub offer: Option<(OfferId, EntryId, Time)>,
    pub talk: Option<EntryId>,
    detail: TalkDetail,
    tasks: Vec<EntryId>,
    calls: u32,
    /// By kind: as what they were last seen.
    pub free: [bool; 2],
    wrap_up: Option<Time>,
    extended: bool,
    pub pause: Option<(String, Option<Time>)>,
    back_off: Option<Time>,
    /// Back-offs in a row.
    backed_off: i32,
    doubted: bool,
    strain: staff::Strain,
    probe: Option<Time>,
    told: AgentState,
    idle_since: [Time; 2],
    /// Up to when changes of abilities have been taken.
    changed: Time,
}

#[derive(Clone)]
pub struct Caller {
    pub id: EntryId,
    pub queue: QueueId,
    /// As the queue was when the caller came; only the mistake of that name looks at it.
    pub queue_then: QueueSettings,
    pub arrival: Arrival,
    pub since: Time,
    /// When it came to its queue, and where it was before.
    pub arrived: Time,
    pub been: Vec<QueueId>,
    /// Up to when it has tried to go on, and up to when it was looked at whether it waits too long.
    pub tried: Option<Time>,
    pub looks: Option<Time>,
    /// How many agents are rung for it.
    pub ringing: u32,
    /// Whose turn it is of those it is kept for, and until when.
    pub turn: usize,
    pub turn_over: Time,
    /// Up to when its steps have been taken.
    pub stepped: Time,
    pub refusals: Vec<Refusal>,
    /// A promise that is offered to nobody for now.
    pub asleep: bool,
    /// Looked at as if all its steps were taken.
    pub at_last: bool,
}

#[derive(Clone)]
pub struct Refusal {
    agent: AgentId,
    just_now: Option<Time>,
    until: Time,
}

impl Distributor for Model {
    fn apply(&mut self, event: &AcdEvent) {
        let at = event.at.max(self.now);
        self.act_until(at);
        self.now = at;
        self.change(&event.change);
        self.match_all();
        self.act_until(at);
    }

    fn poll_decision(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.deadlines().into_iter().map(|(at, _)| at).min()
    }
}

/// What is due, in the order of one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Abilities(AgentId),
    Step(EntryId),
    Shift(AgentId),
    Ring(AgentId),
    WrapUp(AgentId),
    BackOff(AgentId),
    Probe(AgentId),
    Pause(AgentId),
    Rest(AgentId),
    Refusal(EntryId, AgentId),
    Closing(QueueId),
    Overflow(EntryId),
    Look(EntryId),
    MaxWait(EntryId),
}

impl Model {
    pub fn new(mistake: Option<Mistake>) -> Model {
        Model {
            now: Time::EPOCH,
            last_offer: 0,
            queues: Vec::new(),
            doors: BTreeMap::new(),
            estimates: hasty_estimates(),
            last_rung: BTreeMap::new(),
            chance: crate::acd::chance::Chance::new(0),
            agents: Vec::new(),
            callers: Vec::new(),
            decisions: VecDeque::new(),
            absent: Absent::default(),
            dialled: Vec::new(),
            mistake,
        }
    }

    pub fn wrong(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn deadlines(&self) -> Vec<(Time, Due)> {
        let mut due = Vec::new();
        for a in &self.agents {
            due.extend(self.last_offer(a).filter(|_| !a.off_shift).map(|at| (at, Due::Shift(a.id))));
            due.extend(a.offer.map(|(_, _, at)| (at, Due::Ring(a.id))));
            due.extend(a.wrap_up.filter(|_| !self.wrong(Mistake::NoWrapUpEnd)).map(|at| (at, Due::WrapUp(a.id))));
            due.extend(a.back_off.map(|at| (at, Due::BackOff(a.id))));
            due.extend(a.strain.rest.map(|(at, _)| (at, Due::Rest(a.id))));
            due.extend(a.probe.map(|at| (at, Due::Probe(a.id))));
            due.extend(a.pause.as_ref().and_then(|(_, until)| *until).map(|at| (at, Due::Pause(a.id))));
            let valid = a.settings.skills_valid.values().chain(a.settings.licences.iter().map(|l| &l.valid));
            let changes = valid.flat_map(|valid| [valid.from, valid.to]).flatten().filter(|at| *at > a.changed);
            due.extend(changes.min().map(|at| (at, Due::Abilities(a.id))));
        }
        for c in &self.callers {
            for r in &c.refusals {
                if r.just_now.is_some() || !self.wrong(Mistake::RefusalsRememberedForEver) {
                    due.push((r.just_now.unwrap_or(r.until), Due::Refusal(c.id, r.agent)));
                }
            }
            let steps = c.arrival.relax.iter().chain(&self.queue(c).relax).map(|step| c.since + step.after);
            let kept = c.arrival.prefer.get(c.turn).map(|_| c.turn_over).filter(|_| !c.asleep);
            let wakes = c.callback().map(|callback| callback.not_before);
            due.extend(
                steps.chain(kept).chain(wakes).filter(|at| *at > c.stepped).min().map(|at| (at, Due::Step(c.id))),
            );
            if c.ringing == 0 || self.wrong(Mistake::LongestWaitCutsRinging) {
                due.extend(self.times_out(c).map(|(at, _)| (at, Due::MaxWait(c.id))));
            }
            if c.ringing == 0 || self.wrong(Mistake::OverflowCutsRinging) {
                due.extend(self.overflows(c).map(|at| (at, Due::Overflow(c.id))));
            }
            due.extend(self.looks(c).map(|at| (at, Due::Look(c.id))));
        }
        for (queue, door) in &self.doors {
            due.extend(door.closes.map(|at| (at, Due::Closing(*queue))));
        }
        due
    }

    fn act_until(&mut self, at: Time) {
        // Abilities have changed, or needs, and what follows is still to be done.
        let mut concludes = false;
        while let Some((time, due)) = self.deadlines().into_iter().min().filter(|(time, _)| *time <= at) {
            self.now = if self.wrong(Mistake::DeadlinesActedOnLate) { at } else { self.now.max(time) };
            match due {
                Due::Shift(agent) => self.person(agent).off_shift = true,
                Due::Ring(agent) => self.end_ringing(agent, Outcome::NoAnswer),
                Due::WrapUp(agent) => {
                    self.person(agent).wrap_up = None;
                    self.rest_if_due(agent);
                }
                Due::Rest(agent) => self.person(agent).strain.rest = None,
                Due::BackOff(agent) => {
                    self.person(agent).back_off = None;
                    self.ask_whether_there(agent);
                }
                Due::Probe(agent) => self.answered_probe(agent, self.wrong(Mistake::SilenceIsReachable)),
                Due::Pause(agent) => {
                    self.person(agent).pause = None;
                    self.ask_whether_there(agent);
                }
                Due::Abilities(agent) => self.person(agent).changed = time,
                Due::Step(entry) => {
                    self.replace(entry);
                    self.end_unlicensed_of(Some(entry));
                    self.send_away_if_hopeless(entry);
                }
                Due::Refusal(entry, agent) => {
                    let caller = self.caller(entry).expect("due");
                    let refusal = caller.refusals.iter_mut().find(|refusal| refusal.agent == agent).expect("due");
                    match refusal.just_now.take() {
                        Some(just_now) if refusal.until > just_now => {}
                        _ => caller.refusals.retain(|refusal| refusal.agent != agent),
                    }
                }
                Due::Closing(queue) => self.shut(queue),
                Due::Overflow(entry) => {
                    for agent in self.rung_for(entry) {
                        self.take_apart(agent, Outcome::CallerGone);
                    }
                    self.overflow_due(entry);
                }
                Due::Look(entry) => self.look_due(entry),
                Due::MaxWait(entry) => {
                    let ringing = self.agents.iter().find(|a| a.offer.is_some_and(|(_, e, _)| e == entry));
                    if let Some(agent) = ringing.map(|a| a.id) {
                        self.take_apart(agent, Outcome::CallerGone);
                        self.exit(entry, Exit::TimedOut);
                    } else {
                        self.time_over(entry);
                    }
                }
            }
            let next = self.deadlines().into_iter().min();
            let says_who_may = |due: &Due| matches!(due, Due::Abilities(_) | Due::Step(_));
            concludes |= says_who_may(&due);
            if next.is_some_and(|(at, due)| at <= time && says_who_may(&due)) {
                continue;
            }
            if std::mem::take(&mut concludes) {
                self.pass_over_the_absent();
                self.send_away_the_hopeless();
                self.end_unlicensed();
            }
            self.tell_states(&[]);
            let next = self.deadlines().into_iter().min();
            let sends_away =
                |due: &Due| matches!(due, Due::Closing(_) | Due::Overflow(_) | Due::Look(_) | Due::MaxWait(_));
            if !next.is_some_and(|(at, due)| at <= time && !sends_away(&due)) {
                self.match_all();
            }
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Queue { id, settings } => {
                let now = self.now;
                match self.queues.iter_mut().find(|(other, _)| other == id) {
                    Some((_, old)) => {
                        let wants_to_know = |of: &QueueSettings| of.leave_when.estimate.is_some();
                        if wants_to_know(settings) && !wants_to_know(old) {
                            self.callers.iter_mut().filter(|c| c.queue == *id).for_each(|c| c.looks = Some(now));
                        }
                        *old = settings.clone();
                    }
                    None => self.queues.push((*id, settings.clone())),
                }
                self.replace_queue(*id);
            }
            Change::QueueGone { queue } => self.queue_gone(*queue),
            Change::AgentGone { agent } => self.agent_gone(*agent),
            Change::Open { .. } | Change::Close { .. } => self.change_hours(change),
            Change::Agent { id, settings } => {
                match self.agents.iter_mut().find(|a| a.id == *id) {
                    Some(a) => {
                        (a.settings, a.changed) = (settings.clone(), self.now);
                        a.note_strain(self.now);
                        self.begin_shift(*id);
                    }
                    None => self.agents.push(Person {
                        id: *id,
                        settings: settings.clone(),
                        phone: false,
                        lost: None,
                        shift_ends: None,
                        off_shift: false,
                        own_call: false,
                        offer: None,
                        talk: None,
                        detail: TalkDetail::Speaking,
                        tasks: Vec::new(),
                        calls: 0,
                        free: [false; 2],
                        wrap_up: None,
                        extended: false,
                        pause: None,
                        back_off: None,
                        backed_off: 0,
                        doubted: false,
                        strain: staff::Strain::default(),
                        probe: None,
                        told: AgentState::Offline,
                        idle_since: [Time::EPOCH; 2],
                        changed: self.now,
                    }),
                }
                if !settings.probe {
                    let a = self.person(*id);
                    (a.doubted, a.probe) = (false, None);
                }
                self.pass_over_the_absent();
                self.send_away_the_hopeless();
                self.end_unlicensed();
                self.tell_states(&[*id]);
            }
            Change::Arrive { entry, arrival } => self.arrive(*entry, arrival),
            Change::Priority { entry, priority } => {
                if !self.wrong(Mistake::PriorityChangesOnlyForNewcomers)
                    && let Some(caller) = self.caller(*entry)
                {
                    caller.arrival.priority = *priority;
                    self.replace(*entry);
                }
            }
            Change::Leave { entry, exit } => self.leave(*entry, *exit),
            Change::OfferEnded { offer, outcome } => {
                let late = self.wrong(Mistake::LateAcceptanceCounts) && *outcome == Outcome::Accepted;
                let found = self.agents.iter().find(|a| a.offer.is_some_and(|(o, _, _)| o == *offer));
                let Some((agent, entry)) = found.map(|a| (a.id, a.offer.expect("found by it").1)) else {
                    if late && let Some(caller) = self.callers.iter().find(|c| c.ringing == 0) {
                        let entry = caller.id;
                        self.exit(entry, Exit::Answered);
                    }
                    return;
                };
                match outcome {
                    Outcome::CallerGone => return self.leave(entry, Exit::Abandoned),
                    Outcome::AnsweredElsewhere | Outcome::Withdrawn => return,
                    Outcome::Busy | Outcome::Unreachable if !self.wrong(Mistake::NoBackOff) => {
                        let until = self.now + self.back_off_time(agent);
                        self.person(agent).back_off = Some(until);
                        self.person(agent).backed_off += 1;
                        if *outcome == Outcome::Unreachable || self.wrong(Mistake::BusyIsDoubted) {
                            self.doubt(agent);
                        }
                    }
                    _ => {}
                }
                self.end_ringing(agent, *outcome);
            }
            Change::Answered { offer, until } => self.answered(*offer, *until),
            Change::Talk { entry, detail } => {
                if let Some(a) = self.agents.iter_mut().find(|a| a.talk == Some(*entry)) {
                    a.detail = *detail;
                }
            }
            Change::TalkEnded { entry, broke } => {
                let now = self.now;
                let queues = self.queues.clone();
                let settings = |queue| Some(queues.iter().find(|(id, _)| *id == queue)?.1.clone());
                if self.absent.talk_ended(now, *entry, *broke, settings, self.mistake) {
                    let waiting = self.who_waits();
                    let queue_of = |id| self.callers.iter().find(|c| c.id == id).expect("it waits").queue;
                    let (of, mistake) = ((queue_of, &settings), self.mistake);
                    let goes = self.absent.goes_back_at_once(now, *entry, &waiting, of, mistake);
                    self.redialled(goes);
                }
                let keeps_hold = self.wrong(Mistake::HoldOutlivesTalk);
                let wrap_up_after_tasks = self.wrong(Mistake::WrapUpAfterTasks);
                if let Some(a) = self.agents.iter_mut().find(|a| a.talk == Some(*entry) || a.tasks.contains(entry)) {
                    let is_task = a.talk != Some(*entry);
                    a.tasks.retain(|task| task != entry);
                    if !is_task || wrap_up_after_tasks {
                        a.talk = None;
                        if !keeps_hold {
                            a.detail = TalkDetail::Speaking;
                        }
                        let time = a.settings.wrap_up;
                        a.wrap_up = (time > Duration::ZERO).then(|| now + time);
                        a.extended = false;
                    }
                    let id = a.id;
                    self.talk_over(id, !is_task);
                    self.tell_states(&[]);
                    self.dialled_in_vain(*entry, *broke);
                }
            }
            Change::LoggedIn { agent }
            | Change::LoggedOut { agent, .. }
            | Change::Pause { agent, .. }
            | Change::Resume { agent }
            | Change::Busy { agent }
            | Change::Free { agent }
            | Change::EndWrapUp { agent }
            | Change::ProbeEnded { agent, .. }
            | Change::Shift { agent, .. }
            | Change::ExtendWrapUp { agent } => {
                if self.agents.iter().any(|a| a.id == *agent) {
                    self.change_person(*agent, change);
                }
            }
            Change::Reached { entry } => self.reached(*entry),
            Change::WasDown { since } => {
                if !self.wrong(Mistake::KeptNoLongerWhileDown) {
                    self.absent.was_down(self.now, *since);
                }
            }
            Change::Estimate { settings } => self.estimates.set(settings),
            Change::Tick => {}
        }
        self.tell_states(&[]);
    }

    fn change_person(&mut self, agent: AgentId, change: &Change) {
        if matches!(change, Change::LoggedIn { .. }) && self.is_found(agent) {
            return self.goes_on(agent);
        }
        let cut = self.wrong(Mistake::LogoutCutsTalk);
        let kept_by_login = self.wrong(Mistake::BackOffGrowthKeptByLogin);
        let calls_kept = self.wrong(Mistake::CallsKeptByLogin);
        let doubted_at_login = self.wrong(Mistake::ProbedAfterLogin);
        let rest_outlives = self.wrong(Mistake::RestOutlivesResume);
        let doubted_at_resume = self.wrong(Mistake::ProbedAfterResume);
        let kept_by_resume = self.wrong(Mistake::BackOffGrowthKeptByResume);
        let now = self.now;
        let a = self.person(agent);
        match change {
            Change::LoggedIn { .. } if !a.phone => {
                a.lost = None;
                a.phone = true;
                a.calls = if calls_kept { a.calls } else { 0 };
                a.back_off = None;
                a.backed_off = if kept_by_login { a.backed_off } else { 0 };
                (a.doubted, a.probe) = (a.doubted && doubted_at_login, None);
                self.forget_refusals_by(agent);
            }
            Change::LoggedOut { down, .. } if a.phone => {
                a.phone = false;
                a.lost = down.then_some(now);
                (a.doubted, a.probe) = (a.doubted && (doubted_at_login || *down), None);
                if cut {
                    a.talk = None;
                }
                if !self.wrong(Mistake::LogoutLetsRing) {
                    self.end_ringing(agent, Outcome::Unreachable);
                }
            }
            Change::Pause { reason, .. } => {
                a.pause = Some((reason.clone(), None));
                if !self.wrong(Mistake::PauseLetsRing) {
                    self.end_ringing(agent, Outcome::Declined);
                }
            }
            Change::Resume { .. }
                if a.pause.is_some()
                    || a.back_off.is_some()
                    || a.probe.is_some()
                    || a.strain.rest.is_some()
                    || a.doubted =>
            {
                a.strain.rest = a.strain.rest.filter(|_| rest_outlives);
                if !doubted_at_resume {
                    (a.doubted, a.probe) = (false, None);
                }
                a.pause = None;
                a.back_off = None;
                a.backed_off = if kept_by_resume { a.backed_off } else { 0 };
                if !self.wrong(Mistake::ResumeForgetsNothing) {
                    self.forget_refusals_by(agent);
                }
            }
            Change::Busy { .. } if !a.own_call => {
                a.own_call = true;
                if !self.wrong(Mistake::OwnCallLetsRing) {
                    self.end_ringing(agent, Outcome::Busy);
                }
            }
            Change::Free { .. } => a.own_call = false,
            Change::EndWrapUp { .. } if a.wrap_up.is_some() => {
                a.wrap_up = None;
                self.rest_if_due(agent);
            }
            _ => self.change_staff(agent, change),
        }
    }

    fn arrive(&mut self, id: EntryId, arrival: &Arrival) {
        let queue = arrival.queue;
        if self.callers.iter().any(|c| c.id == id)
            || self.agents.iter().any(|a| a.talk == Some(id) || a.tasks.contains(&id))
        {
            return;
        }
        let Some((_, settings)) = self.queues.iter().find(|(other, _)| *other == queue) else {
            let exit = Exit::SystemFault;
            let (waited, to, obstacle) = (Duration::ZERO, None, None);
            self.decisions.push_back(Decision::Exit { entry: id, queue, exit, waited, to, obstacle });
            return;
        };
        let settings = settings.clone();
        let mut caller = Caller {
            id,
            queue,
            queue_then: settings.clone(),
            arrival: Arrival { since: arrival.since.min(self.now), ..arrival.clone() },
            since: arrival.since.min(self.now),
            arrived: self.now,
            been: Vec::new(),
            tried: None,
            looks: None,
            ringing: 0,
            turn: 0,
            turn_over: Time::NEVER,
            stepped: self.now,
            refusals: Vec::new(),
            asleep: false,
            at_last: false,
        };
        if caller.is_promise() {
            caller.turn_over = caller.arrival.prefer.first().map_or(Time::NEVER, |first| self.now + first.wait);
            return self.promise(caller);
        }
        let before = self.absent.clone();
        let one_waits = one_waits(&self.callers.iter().map(|c| (&c.arrival, c.queue)).collect::<Vec<_>>(), arrival);
        let was = self.absent.comes_back(self.now, &mut caller.arrival, &settings, self.mistake);
        let promise = self.promised_place(&mut caller.arrival);
        caller.since = caller.arrival.since;
        caller.turn_over = caller.arrival.prefer.first().map_or(Time::NEVER, |first| self.now + first.wait);
        let waited = self.now.since(caller.since);
        let back = was.elsewhere.filter(|there| self.returns_to(&caller, *there));
        if let Some(there) = back {
            if let Some(promise) = promise {
                self.withdraw(promise);
            }
            let (exit, to) = (Exit::Overflowed, Some(there));
            self.decisions.push_back(Decision::Exit { entry: id, queue, exit, waited, to, obstacle: None });
            return self.join(caller, there);
        }
        let why = self.why_not_join(&caller, queue, was.here || one_waits);
        let to = why.and_then(|why| self.way_out(&caller, |way| way == model_queues::when(why)));
        if let Some(promise) = promise.filter(|_| why.is_none() || to.is_some()) {
            self.withdraw(promise);
        }
        match (why, to) {
            (None, _) => self.stand(caller),
            (Some(_), Some(to)) => {
                self.decisions.push_back(Decision::Exit {
                    entry: id,
                    queue,
                    exit: Exit::Overflowed,
                    waited,
                    to: Some(to),
                    obstacle: why,
                });
                self.join(caller, to);
            }
            (Some(why), None) => {
                if !self.wrong(Mistake::PlaceUsedUpByFull) {
                    self.absent = before;
                }
                let (exit, obstacle) = (model_queues::exit(why), Some(why));
                self.decisions.push_back(Decision::Exit { entry: id, queue, exit, waited, to: None, obstacle });
            }
        }
    }

    fn who_waits(&self) -> Vec<Waits> {
        self.callers.iter().filter_map(|c| Waits::of(c.id, &c.arrival, &c.been, c.since)).collect()
    }

    fn redialled(&mut self, goes: Option<Goes>) {
        let Some(Goes { to, since, away, priority, agent, queue: there }) = goes else { return };
        let now = self.now;
        let queue = self.callers.iter().find(|c| c.id == to).expect("it waits").queue;
        let wait = self.settings(queue).reconnect_wait;
        let caller = self.caller(to).expect("looked at just now");
        caller.since = since.unwrap_or(caller.since);
        caller.arrival.since = caller.since;
        caller.arrival.away = away.unwrap_or(caller.arrival.away);
        caller.arrival.priority = priority.map_or(caller.arrival.priority, |old| old.max(caller.arrival.priority));
        if let Some(agent) = agent {
            caller.turn = caller.turn.min(caller.arrival.prefer.len());
            caller.arrival.prefer.insert(caller.turn, Prefer { who: Who::Agent(agent), wait });
            caller.turn_over = now + wait;
        }
        self.replace(to);
        self.end_unlicensed_of(Some(to));
        self.send_away_if_hopeless(to);
        if let Some(there) = there {
            self.goes_where_it_was(to, there);
        }
    }

    fn leave(&mut self, id: EntryId, exit: Exit) {
        use Exit::*;
        let Some(caller) = self.callers.iter().find(|c| c.id == id) else { return };
        let short = self.now.since(caller.since) < self.queue(caller).short_abandon;
        let exit = match exit {
            Abandoned if caller.is_promise() && !self.wrong(Mistake::PromiseAbandoned) => return,
            Abandoned if short && !self.wrong(Mistake::ShortAbandonNotTold) => ShortAbandoned,
            Abandoned | LeftByKey | Transferred | SystemFault | Callback | Overflowed | QueueClosed => exit,
            Answered | ShortAbandoned | TimedOut | NoAgents | RefusedFull => return,
        };
        self.leave_as(id, exit);
    }

    pub fn leave_as(&mut self, id: EntryId, exit: Exit) {
        let caller = self.callers.iter().find(|c| c.id == id).expect("it waits");
        let left = Arrival { since: caller.since, ..caller.arrival.clone() };
        let settings = self.queue(caller).clone();
        self.absent.leaves(self.now, id, (&left, &caller.been), exit, &settings, self.mistake);
        let ringing = self.rung_for(id);
        for agent in &ringing {
            self.take_apart(*agent, Outcome::CallerGone);
        }
        let again = self.callers.iter().find(|c| c.id == id && self.wrong(Mistake::AbandonedTwice)).cloned();
        self.exit(id, exit);
        let waiting = self.who_waits();
        let goes = self.absent.goes_at_once(self.now, id, &waiting, self.mistake);
        self.redialled(goes);
        self.callers.extend(again.filter(|c| c.since.as_secs().is_multiple_of(7)).map(|c| Caller { ringing: 0, ..c }));
        let lost = self.wrong(Mistake::IdlePlaceLostByCallerGone);
        self.tell_states(if lost { &[] } else { &ringing });
    }

    /// In the order in which they were rung.
    fn rung_for(&self, id: EntryId) -> Vec<AgentId> {
        let mut rung: Vec<(OfferId, AgentId)> = self
            .agents
            .iter()
            .filter_map(|a| a.offer.filter(|(_, e, _)| *e == id).map(|(o, _, _)| (o, a.id)))
            .collect();
        rung.sort();
        rung.into_iter().map(|(_, agent)| agent).collect()
    }

    pub fn send_away_if_hopeless(&mut self, entry: EntryId) {
        let caller = self.callers.iter().find(|c| c.id == entry);
        if let Some(caller) = caller.filter(|c| c.ringing == 0 && self.is_hopeless(c)) {
            let missing = self.who_is_missing(caller);
            self.turn_away(entry, missing);
        }
    }

    /// Ends offers of those whose licence is not there any more.
    fn end_unlicensed(&mut self) {
        self.end_unlicensed_of(None);
    }

    pub fn end_unlicensed_of(&mut self, only: Option<EntryId>) {
        if self.wrong(Mistake::LicenceLostLetsRing) {
            return;
        }
        let mut rung: Vec<(AgentId, EntryId)> =
            self.agents.iter().filter_map(|a| a.offer.map(|(_, entry, _)| (a.id, entry))).collect();
        rung.sort();
        for (agent, entry) in rung.into_iter().filter(|(_, entry)| only.is_none_or(|only| only == *entry)) {
            let caller = self.callers.iter().find(|c| c.id == entry).expect("rung for");
            let person = self.agents.iter().find(|a| a.id == agent).expect("rung");
            if !self.is_licensed(person, caller) {
                self.end_ringing(agent, Outcome::Withdrawn);
            }
        }
    }

    /// Ends the offer of this agent, if there is one.
    fn end_ringing(&mut self, agent: AgentId, outcome: Outcome) {
        let Some((_, entry, _)) = self.person(agent).offer else { return };
        self.take_apart(agent, outcome);
        let rang = matches!(outcome, Outcome::Accepted | Outcome::Declined | Outcome::NoAnswer);
        if rang && !self.wrong(Mistake::BackOffGrowthKeptByRinging) {
            self.person(agent).backed_off = 0;
        }
        if outcome == Outcome::Accepted {
            let others = self.rung_for(entry);
            if !self.wrong(Mistake::RingAllLetsRing) {
                for other in &others {
                    self.take_apart(*other, Outcome::AnsweredElsewhere);
                }
            }
            let kind = self.caller(entry).expect("it was offered").arrival.kind;
            let a = self.person(agent);
            a.calls += 1;
            match kind {
                Kind::Call => a.talk = Some(entry),
                Kind::Task => a.tasks.push(entry),
            }
            let caller = self.callers.iter().find(|c| c.id == entry).expect("it was offered");
            let (arrival, been) = (Arrival { since: caller.since, ..caller.arrival.clone() }, &caller.been);
            if caller.is_promise() {
                let caller = caller.clone();
                self.is_dialled(caller);
            } else {
                self.absent.is_answered(self.now, entry, agent, (&arrival, been));
            }
            self.talk_began(agent, entry);
            self.exit(entry, Exit::Answered);
            let lost = self.wrong(Mistake::IdlePlaceLostByAnsweredElsewhere);
            self.tell_states(if lost { &[] } else { &others });
            return;
        }
        let now = self.now;
        if matches!(outcome, Outcome::Declined | Outcome::NoAnswer) && !self.wrong(Mistake::RefusalsForgotten) {
            let caller = self.callers.iter().find(|c| c.id == entry).expect("it was offered");
            let retry = self.queue(caller).retry_same_agent;
            let second = Duration::from_secs(1);
            let just_now = self.person(agent).settings.back_off.min(retry).max(second);
            let caller = self.caller(entry).expect("it was offered");
            caller.refusals.retain(|refusal| refusal.agent != agent);
            let until = now + retry.max(just_now);
            caller.refusals.push(Refusal { agent, just_now: Some(now + just_now), until });
        }
        if outcome == Outcome::NoAnswer {
            self.doubt(agent);
        }
        let rona = self.person(agent).settings.rona_pause;
        if outcome == Outcome::NoAnswer && rona > Duration::ZERO && !self.wrong(Mistake::NoRonaPause) {
            self.person(agent).pause = Some(("no answer".to_owned(), Some(now + rona)));
        } else if outcome == Outcome::NoAnswer {
            self.ask_whether_there(agent);
        }
        let keeps_place = [agent];
        self.tell_states_but(if outcome == Outcome::Withdrawn { &keeps_place } else { &[] }, Some(entry));
        let lost = self.wrong(Mistake::PlaceLostByRefusal);
        let caller = self.caller(entry).expect("it was offered");
        if lost {
            caller.since = now;
        }
        if caller.ringing > 0 {
            return;
        }
        let caller = caller.clone();
        let timed_out = self.times_out(&caller).is_some_and(|(at, _)| at <= now);
        if timed_out && !self.wrong(Mistake::LongestWaitForgottenAfterRinging) {
            self.time_over(entry);
        } else {
            self.replace(entry);
            self.send_away_if_hopeless(entry);
        }
    }

    /// Entries for which nobody is rung go on to the next they are kept for, when who they are kept for is not there.
    fn pass_over_the_absent(&mut self) {
        for i in 0..self.callers.len() {
            if self.callers[i].ringing == 0 {
                self.pass_over(i);
            }
        }
    }

    /// Its place is found anew, whether or not somebody is rung for it.
    pub fn replace(&mut self, id: EntryId) {
        if let Some(i) = self.callers.iter().position(|c| c.id == id) {
            self.callers[i].stepped = self.now;
            self.pass_over(i);
            self.wake_or_sleep(id);
        }
    }

    fn pass_over(&mut self, i: usize) {
        if self.sleeps(&self.callers[i]) {
            return;
        }
        while let Some(prefer) = self.callers[i].arrival.prefer.get(self.callers[i].turn) {
            let c = &self.callers[i];
            let there = |a: &&Person| {
                let who = match &prefer.who {
                    Who::Agent(agent) => a.id == *agent,
                    Who::Team(team) => a.settings.teams.contains(team),
                };
                let refused = c.refusals.iter().any(|r| r.agent == a.id) && !self.wrong(Mistake::KeptAfterRefusal);
                let in_service = self.is_there(a) && a.pause.is_none() || self.wrong(Mistake::KeptForTheAbsent);
                who && in_service && self.can_serve(a, c) && !refused
            };
            let over = self.now >= c.turn_over && !self.wrong(Mistake::KeptForEver);
            if self.agents.iter().any(|a| there(&a)) && !over && !self.wrong(Mistake::KeptForNobody) {
                break;
            }
            let turn = c.turn + 1;
            let turn_over = c.arrival.prefer.get(turn).map_or(Time::NEVER, |next| self.now + next.wait);
            (self.callers[i].turn, self.callers[i].turn_over) = (turn, turn_over);
            self.callers[i].stepped = self.now;
        }
    }

    /// Twice as long as the one before it, up to a bound.
    fn back_off_time(&mut self, agent: AgentId) -> Duration {
        let (never_grows, for_ever) =
            (self.wrong(Mistake::BackOffNeverGrows), self.wrong(Mistake::BackOffGrowsForEver));
        let a = self.person(agent);
        let first = a.settings.back_off.max(Duration::from_secs(1));
        let grown = first.mul_f64(2f64.powi(a.backed_off.min(40)));
        match (never_grows, for_ever) {
            (true, _) => first,
            (_, true) => grown,
            _ if grown > a.settings.back_off_max => a.settings.back_off_max.max(first),
            _ => grown,
        }
    }

    fn answered(&mut self, offer: OfferId, until: Time) {
        let until = until.max(self.now + Duration::from_secs(1));
        let Some(a) = self.agents.iter().find(|a| a.offer.is_some_and(|(o, _, _)| o == offer)) else { return };
        let (agent, entry) = (a.id, a.offer.expect("found by it").1);
        if !self.wrong(Mistake::AnswerKeepsDeadline) {
            self.person(agent).offer = Some((offer, entry, until));
        }
        if self.wrong(Mistake::AnswerRingsOn) {
            return;
        }
        let others: Vec<AgentId> = self.rung_for(entry).into_iter().filter(|other| *other != agent).collect();
        for other in &others {
            self.take_apart(*other, Outcome::AnsweredElsewhere);
        }
        self.tell_states(&others);
    }

    fn take_apart(&mut self, agent: AgentId, outcome: Outcome) {
        let (offer, entry, _) = self.person(agent).offer.take().expect("the caller has seen it");
        if let Some(caller) = self.caller(entry) {
            caller.ringing = caller.ringing.saturating_sub(1);
            if caller.ringing == 0 {
                self.estimates.rung_no_more(entry);
            }
        }
        self.decisions.push_back(Decision::OfferEnded { offer, entry, agent, outcome });
    }

    pub fn exit(&mut self, id: EntryId, exit: Exit) {
        self.exit_to(id, exit, None, None);
    }

    pub fn exit_to(&mut self, id: EntryId, exit: Exit, to: Option<QueueId>, obstacle: Option<Obstacle>) {
        self.estimates.exited(self.now, id, exit);
        let index = self.callers.iter().position(|c| c.id == id).expect("only those who wait exit");
        let caller = self.callers.remove(index);
        let waited = self.now.since(caller.since);
        self.decisions.push_back(Decision::Exit { entry: id, queue: caller.queue, exit, waited, to, obstacle });
    }

    fn send_away_the_hopeless(&mut self) {
        self.send_away_the_hopeless_but(None);
    }

    fn send_away_the_hopeless_but(&mut self, but: Option<EntryId>) {
        let hopeless = self.callers.iter().filter(|c| c.ringing == 0 && self.is_hopeless(c) && but != Some(c.id));
        let mut hopeless: Vec<EntryId> = hopeless.map(|c| c.id).collect();
        hopeless.sort();
        for id in hopeless {
            let caller = self.callers.iter().find(|c| c.id == id).expect("looked at just now");
            let missing = self.who_is_missing(caller);
            self.turn_away(id, missing);
        }
    }

    /// Tells each state that has changed. Whoever comes free is the last of the idle, but for these.
    fn tell_states(&mut self, keep_place: &[AgentId]) {
        self.tell_states_but(keep_place, None);
    }

    /// And lets those go who wait in vain now, but for this one.
    fn tell_states_but(&mut self, keep_place: &[AgentId], but: Option<EntryId>) {
        let pause_first = self.wrong(Mistake::PauseBeforeWrapUp);
        let keep_after_pause = self.wrong(Mistake::IdlePlaceKeptByPause);
        let keep_lost = self.wrong(Mistake::LostKeepsIdlePlaceAnyhow);
        let (no_end, during_calls) = (self.wrong(Mistake::TasksWithoutEnd), self.wrong(Mistake::TasksDuringCalls));
        let no_calls = self.wrong(Mistake::NoCallsDuringTasks);
        let now = self.now;
        for a in &mut self.agents {
            let state = a.state(pause_first);
            let after_pause = matches!(a.told, AgentState::Paused { .. }) && keep_after_pause;
            let after_pause = after_pause || keep_lost && a.lost.is_some();
            // Who is lost keeps the place among the idle.
            let there = a.state_if(pause_first, a.phone || a.lost.is_some());
            let may = matches!(there, AgentState::Ready | AgentState::Working { .. });
            let calls = may && (a.tasks.is_empty() || a.settings.calls_during_tasks && !no_calls);
            let may_task = may || during_calls && matches!(state, AgentState::Talking { .. });
            let tasks = may_task && (a.tasks.len() < a.settings.tasks as usize || no_end);
            for (kind, free) in [calls, tasks].into_iter().enumerate() {
                if free && !a.free[kind] && !keep_place.contains(&a.id) && !after_pause {
                    a.idle_since[kind] = now;
                }
                a.free[kind] = free;
            }
            if state != a.told {
                a.told = state.clone();
                a.note_strain(now);
                self.decisions.push_back(Decision::Agent { agent: a.id, state });
            }
        }
        self.pass_over_the_absent();
        if !self.wrong(Mistake::NobodyLeavesAtLastLogout) {
            self.send_away_the_hopeless_but(but);
        }
    }

    fn match_all(&mut self) {
        while let Some((entry, agents)) = self.next_match() {
            let queue = self.caller(entry).expect("it waits").queue;
            self.last_rung.insert(queue, *agents.last().expect("somebody"));
            self.estimates.rung(self.now, entry);
            for agent in agents {
                self.last_offer += 1;
                let offer = OfferId(self.last_offer);
                let caller = self.callers.iter().find(|c| c.id == entry).expect("it waits");
                let of_queue = self.queue(caller).ring_time.filter(|_| !self.wrong(Mistake::QueueRingTimeForgotten));
                let ring_time = self.person(agent).settings.ring_time;
                let ring_time = of_queue.map_or(ring_time, |time| time.min(ring_time)).max(Duration::from_secs(1));
                let deadline = self.now + ring_time;
                self.person(agent).offer = Some((offer, entry, deadline));
                self.caller(entry).expect("it waits").ringing += 1;
                self.decisions.push_back(Decision::Offer { offer, entry, queue, agent, deadline });
                self.tell_states(&[]);
            }
        }
    }

    fn next_match(&mut self) -> Option<(EntryId, Vec<AgentId>)> {
        let mut callers: Vec<&Caller> = self.callers.iter().collect();
        callers.sort_by_key(|c| {
            let came = (c.since, c.id);
            let came = if self.wrong(Mistake::LastComeFirst) {
                (Time::NEVER - came.0.since(Time::EPOCH), came.1)
            } else {
                came
            };
            let weight = if self.wrong(Mistake::NoWeights) { 1 } else { self.queue(c).weight };
            let weighted = if self.wrong(Mistake::LastComeFirst) {
                0
            } else {
                self.now.since(c.since).as_micros() * u128::from(weight)
            };
            (std::cmp::Reverse(self.score(c)), std::cmp::Reverse(weighted), came)
        });
        // One step of each mistake is enough; without a limit they would never come to an end.
        let twice = |mistake, condition: bool| self.wrong(mistake) && condition && self.last_offer.is_multiple_of(5);
        let mut found = None;
        for caller in callers {
            let kind = caller.arrival.kind as usize;
            let free = |a: &&Person| {
                a.offer.is_none() && a.free[kind] && a.lost.is_none()
                    || twice(Mistake::TwoEntriesForOneAgent, matches!(a.told, AgentState::Talking { .. }))
            };
            let waits = caller.ringing == 0 && !caller.asleep || twice(Mistake::TwoAgentsForOneEntry, true);
            let may =
                |a: &&Person| self.can_serve(a, caller) && self.is_kept_for(a, caller) && !self.is_barred(a, caller);
            let agents: Vec<&Person> = self.agents.iter().filter(free).filter(|_| waits).filter(may).collect();
            if !agents.is_empty() {
                found = Some((caller.clone(), agents.iter().map(|a| a.id).collect::<Vec<_>>()));
                break;
            }
        }
        let (caller, agents) = found?;
        Some((caller.id, self.choose(&caller, &agents)))
    }

    /// The ones who are rung, of those who could be.
    fn choose(&mut self, caller: &Caller, agents: &[AgentId]) -> Vec<AgentId> {
        let preferred = caller.arrival.prefer.iter().find_map(|prefer| match prefer.who {
            Who::Agent(agent) => agents.contains(&agent).then_some(agent),
            Who::Team(_) => None,
        });
        if let Some(agent) = preferred.filter(|_| !self.wrong(Mistake::PreferredGoLast)) {
            return vec![agent];
        }
        let kind = caller.arrival.kind as usize;
        let settings = self.queue(caller).clone();
        let last = self.last_rung.get(&caller.queue).copied();
        let mut people: Vec<&Person> = self.agents.iter().filter(|a| agents.contains(&a.id)).collect();
        people.sort_by_key(|a| (a.idle_since[kind], a.id));
        if self.wrong(Mistake::ShortestIdle) {
            people.reverse();
        }
        let fit = |a: &Person| -> u32 {
            let level = |skill: &str| self.level(a, skill);
            let queue_needs = self.asked(&settings.needs, &settings.relax, caller).skills;
            let own = self.asked(&caller.arrival.need, &caller.arrival.relax, caller).skills;
            let rules = self.ruled(caller).into_iter().map(|need| need.skills);
            let all = [queue_needs, own].into_iter().chain(rules).map(|skills| Need { skills, ..Need::default() });
            all.reduce(|all, need| all.and(&need)).expect("two at least").skills.fit(&level)
        };
        let by_id = self.wrong(Mistake::ListIsById);
        let place = |a: &Person| (if by_id { 0 } else { a.settings.place }, a.id);
        let strategy = if self.wrong(Mistake::AlwaysLongestIdle) { Strategy::LongestIdle } else { settings.strategy };
        match strategy {
            Strategy::LongestIdle => {}
            Strategy::MostSkilled => people.sort_by_key(|a| std::cmp::Reverse(fit(a))),
            Strategy::LeastSkilled => people.sort_by_key(|a| fit(a)),
            Strategy::FewestCalls => people.sort_by_key(|a| a.calls),
            Strategy::Linear => people.sort_by_key(|a| place(a)),
            Strategy::RoundRobin => {
                let last = last.filter(|_| !self.wrong(Mistake::RoundRobinFromTheStart));
                let last = self.agents.iter().find(|a| Some(a.id) == last).map(place);
                people.sort_by_key(|a| (last.is_some_and(|last| place(a) <= last), place(a)));
            }
            Strategy::Random => {
                people.sort_by_key(|a| place(a));
                let ids: Vec<AgentId> = people.into_iter().map(|a| a.id).collect();
                return vec![ids[self.chance.below(ids.len())]];
            }
            Strategy::RingAll => {
                let most = if self.wrong(Mistake::RingAllRingsOne) { 1 } else { settings.ring_all_max.max(1) };
                return people.into_iter().take(most as usize).map(|a| a.id).collect();
            }
        }
        vec![people[0].id]
    }

    fn level(&self, agent: &Person, skill: &str) -> u8 {
        let valid = agent.settings.skills_valid.get(skill).is_none_or(|valid| valid.has(self.now));
        let valid = valid || self.wrong(Mistake::SkillsForEver);
        agent.settings.skills.get(skill).copied().filter(|_| valid).unwrap_or(0)
    }

    /// What is asked now of what was asked at first.
    fn asked(&self, need: &Need, relax: &[Relax], caller: &Caller) -> Need {
        let waited = self.now.since(caller.since);
        let taken = |step: &&Relax| (step.after <= waited || caller.at_last) && !self.wrong(Mistake::NeverRelaxed);
        let steps = relax.iter().filter(taken);
        let mut asked = need.clone();
        if let Some(step) = steps.max_by_key(|step| step.after) {
            asked = step.need.clone();
            if !self.wrong(Mistake::LicencesRelaxed) {
                asked.licences.extend(need.licences.iter().cloned());
            }
        }
        let nothing = Attributes::new();
        asked.resolved(if self.wrong(Mistake::NoAttributes) { &nothing } else { &caller.arrival.attributes })
    }

    /// All that are needed where the caller is.
    pub fn licences(&self, caller: &Caller) -> BTreeSet<Licence> {
        let queue = self.queue(caller);
        let queue_needs = self.asked(&queue.needs, &queue.relax, caller);
        let own = self.asked(&caller.arrival.need, &caller.arrival.relax, caller);
        let ruled = self.ruled(caller);
        [queue_needs, own].into_iter().chain(ruled).flat_map(|need| need.licences).collect()
    }

    fn is_licensed(&self, agent: &Person, caller: &Caller) -> bool {
        self.licences(caller).iter().all(|licence| {
            agent.settings.licences.iter().any(|held| {
                let is_it = held.kind == licence.kind && licence.jurisdiction == Word::Is(held.jurisdiction.clone());
                is_it && (held.valid.has(self.now) || self.wrong(Mistake::LicencesForEver))
            })
        })
    }

    fn is_kept_for(&self, agent: &Person, caller: &Caller) -> bool {
        match caller.arrival.prefer.get(caller.turn).map(|prefer| &prefer.who) {
            None => true,
            Some(Who::Agent(id)) => agent.id == *id,
            Some(Who::Team(team)) => agent.settings.teams.contains(team),
        }
    }

    pub fn can_serve(&self, agent: &Person, caller: &Caller) -> bool {
        let level = |skill: &str| match self.level(agent, skill) {
            has if self.wrong(Mistake::NoLevels) && has > 0 => 10,
            has => has,
        };
        let queue = self.queue(caller);
        let meets = |need: &Need| match &need.skills {
            Expr::One(parts) if self.wrong(Mistake::NoOr) => parts.iter().all(|part| part.is_met(&level)),
            Expr::All(parts) if self.wrong(Mistake::NoNot) => {
                parts.iter().filter(|part| !matches!(part, Expr::Not(_))).all(|part| part.is_met(&level))
            }
            skills => skills.is_met(&level),
        };
        let member = !queue.members_only || agent.settings.queues.contains(&caller.queue);
        (member || self.wrong(Mistake::EverybodyIsMember))
            && self.is_licensed(agent, caller)
            && (meets(&self.asked(&queue.needs, &queue.relax, caller)) || self.wrong(Mistake::NoQueueNeeds))
            && meets(&self.asked(&caller.arrival.need, &caller.arrival.relax, caller))
            && self.ruled(caller).iter().all(meets)
    }

    /// What the queue's rules ask of this one.
    fn ruled(&self, caller: &Caller) -> Vec<Need> {
        let rules = self.queue(caller).rules.iter().filter(|rule| self.has_all(caller, &rule.when));
        let nothing = Attributes::new();
        let known = if self.wrong(Mistake::NoAttributes) { &nothing } else { &caller.arrival.attributes };
        rules.filter(|_| !self.wrong(Mistake::NoRules)).map(|rule| rule.needs.resolved(known)).collect()
    }

    fn is_barred(&self, agent: &Person, caller: &Caller) -> bool {
        let refused = |a: &Person| caller.refusals.iter().find(|refusal| refusal.agent == a.id);
        let Some(refusal) = refused(agent) else { return false };
        let in_service = |a: &&Person| self.is_there(a) && a.pause.is_none() && self.can_serve(a, caller);
        let others = self
            .agents
            .iter()
            .filter(in_service)
            .filter(|a| self.kept_for_team_of(a, caller))
            .any(|a| refused(a).is_none());
        refusal.just_now.is_some() || others || self.wrong(Mistake::NoLastResort)
    }

    /// While it is kept for a team, the others of the team are all others there are.
    fn kept_for_team_of(&self, agent: &Person, caller: &Caller) -> bool {
        match caller.arrival.prefer.get(caller.turn).map(|prefer| &prefer.who) {
            Some(Who::Team(team)) => agent.settings.teams.contains(team),
            _ => true,
        }
    }

    /// In millionths of millionths of a point, so that it is exact.
    pub fn score(&self, caller: &Caller) -> i128 {
        let queue = self.queue(caller);
        let ageing = if self.wrong(Mistake::NoAgeing) { 0.0 } else { queue.ageing };
        let weight = if self.wrong(Mistake::NoWeights) { 1 } else { i128::from(queue.weight) };
        let per_second = (ageing * 1e6).round() as i128 * weight;
        let rules = queue.rules.iter().filter(|rule| self.has_all(caller, &rule.when) && !self.wrong(Mistake::NoRules));
        let of_rules: i128 = rules.map(|rule| i128::from(rule.priority)).sum();
        let priority = i128::from(queue.priority) + i128::from(caller.arrival.priority) + of_rules;
        let priority = if self.wrong(Mistake::NoPriority) { 0 } else { priority };
        priority * 1_000_000_000_000 + per_second * self.now.since(caller.since).as_micros() as i128
    }

    /// Place of a waiting entry: how many of its queue that share an agent with it come before, and one.
    pub fn position(&self, id: EntryId) -> Option<u32> {
        let caller = self.callers.iter().find(|c| c.id == id)?;
        let key = |c: &Caller| (std::cmp::Reverse(self.score(c)), c.since, c.id);
        let before = self.competitors(caller).into_iter().filter(|c| key(c) < key(caller));
        Some(before.count() as u32 + 1)
    }

    /// Others in its queue that share an agent with it, or need the same.
    pub fn competitors(&self, caller: &Caller) -> Vec<&Caller> {
        let needs = |c: &Caller| {
            let queue = self.queue(c);
            let all = self.asked(&queue.needs, &queue.relax, c).and(&self.asked(&c.arrival.need, &c.arrival.relax, c));
            let all = self.ruled(c).iter().fold(all, |all, need| all.and(need));
            let team = match c.arrival.prefer.get(c.turn).map(|prefer| &prefer.who) {
                Some(Who::Team(team)) => Some(team.clone()),
                _ => None,
            };
            (all, team)
        };
        let could = |a: &Person, c: &Caller| {
            let team = needs(c).1.is_none_or(|team| a.settings.teams.contains(&team));
            self.can_serve(a, c) && team
        };
        let shares =
            |c: &&Caller| needs(c) == needs(caller) || self.agents.iter().any(|a| could(a, c) && could(a, caller));
        let others = self.callers.iter().filter(|c| c.queue == caller.queue && c.id != caller.id && !c.asleep);
        others.filter(shares).collect()
    }

    pub fn waiting(&self, queue: QueueId) -> Vec<EntryId> {
        let mut waiting: Vec<&Caller> = self.callers.iter().filter(|c| c.queue == queue).collect();
        waiting.sort_by_key(|c| {
            let score = if c.asleep { 0 } else { self.score(c) };
            (c.asleep, std::cmp::Reverse(score), c.since, c.id)
        });
        waiting.into_iter().map(|c| c.id).collect()
    }

    pub fn last_agent(&self, caller: &str, within: Duration) -> Option<AgentId> {
        self.absent.last_agent(self.now, caller, within)
    }

    pub fn longest_wait(&self, queue: QueueId) -> Option<Duration> {
        let on_the_line = self.callers.iter().filter(|c| c.queue == queue && !c.is_promise());
        on_the_line.map(|c| self.now.since(c.since)).max()
    }

    pub fn queue<'a>(&'a self, caller: &'a Caller) -> &'a QueueSettings {
        if self.wrong(Mistake::SettingsOnlyForNewcomers) {
            return &caller.queue_then;
        }
        &self.queues.iter().find(|(id, _)| *id == caller.queue).expect("who waits is in a queue that is there").1
    }

    fn forget_refusals_by(&mut self, agent: AgentId) {
        for caller in &mut self.callers {
            caller.refusals.retain(|refusal| refusal.agent != agent);
        }
    }

    fn person(&mut self, id: AgentId) -> &mut Person {
        self.agents.iter_mut().find(|a| a.id == id).expect("looked up before")
    }

    pub fn caller(&mut self, id: EntryId) -> Option<&mut Caller> {
        self.callers.iter_mut().find(|c| c.id == id)
    }
}

impl Person {
    fn state(&self, pause_first: bool) -> AgentState {
        self.state_if(pause_first, self.phone)
    }

    fn state_if(&self, pause_first: bool, phone: bool) -> AgentState {
        if let Some((offer, _, deadline)) = self.offer {
            return AgentState::Offered { offer, deadline };
        }
        if let Some(entry) = self.talk {
            return AgentState::Talking { entry, detail: self.detail };
        }
        if !phone {
            return AgentState::Offline;
        }
        if self.own_call {
            return AgentState::Busy;
        }
        let paused = self.pause.clone().map(|(reason, until)| AgentState::Paused { reason, until });
        let wrap_up = self.wrap_up.map(|until| AgentState::WrapUp { until });
        let off = self.off_shift.then_some(AgentState::OffShift);
        let first = if pause_first { paused.or(wrap_up).or(off) } else { wrap_up.or(off).or(paused) };
        first.unwrap_or(match self.back_off {
            Some(until) => AgentState::BackOff { until },
            None if let Some(until) = self.probe => AgentState::Probed { until },
            None if let Some((until, reason)) = self.strain.rest => AgentState::Resting { until, reason },
            None if !self.tasks.is_empty() => AgentState::Working { tasks: self.tasks.len() as u32 },
            None => AgentState::Ready,
        })
    }
}

//! The same rules, written for the reader and not for the machine: no index, no order kept, everything looked for by
//! looking at everything. And the same rules with one mistake each, to know that the histories would find it.

pub mod back;
pub mod callbacks;
mod down;
pub mod figures;
mod gone;
mod mistakes;
mod order;
pub mod queues;
mod rings;
mod staff;
mod waits;
pub mod why;

use self::back::{Absent, Goes, Waits, one_waits};
use self::callbacks::Dialled;
pub use self::mistakes::Mistake;
use self::queues::{Door, hasty_estimates};
use super::*;
use crate::acd::estimate::Estimates;
use crate::need::{Attributes, Expr, Licence, Word};
use std::collections::BTreeSet;

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
    pub figures: BTreeMap<QueueId, figures::Sums>,
    pub mistake: Option<Mistake>,
    pub miscount: Option<figures::Miscount>,
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
    /// They hear something before the caller.
    pub answered: bool,
    pub talk: Option<EntryId>,
    talks: Option<figures::Talk>,
    notes: Option<figures::Notes>,
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
            figures: BTreeMap::new(),
            mistake,
            miscount: None,
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
                        answered: false,
                        talks: None,
                        notes: None,
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
                    let id = a.id;
                    self.count_hold(id, *detail);
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
                    if !is_task {
                        self.count_talk_over(id);
                    }
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
        let never_tires = self.wrong(Mistake::OwnCallsNeverTire);
        let answer_rings = self.wrong(Mistake::AnswerIsCutOff);
        let keeps_idle = self.wrong(Mistake::LostKeepsIdlePlaceAnyhow);
        let now = self.now;
        let a = self.person(agent);
        let rings = !a.answered || answer_rings;
        match change {
            Change::LoggedIn { .. } if !a.phone => {
                // Who was lost for too long comes anew, behind all who are idle.
                if a.lost.take().is_some() && !keeps_idle {
                    a.free = [false; 2];
                }
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
                if !self.wrong(Mistake::PauseLetsRing) && rings {
                    self.end_ringing(agent, Outcome::Declined);
                }
            }
            Change::Resume { .. }
                if a.pause.is_some()
                    || a.back_off.is_some()
                    || a.probe.is_some()
                    || a.strain.rest.is_some()
                    || a.rests_next()
                    || a.doubted =>
            {
                a.strain.rest = a.strain.rest.filter(|_| rest_outlives);
                a.strain.next = false;
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
                if !self.wrong(Mistake::OwnCallLetsRing) && rings {
                    self.end_ringing(agent, Outcome::Busy);
                }
            }
            Change::Free { .. } if a.own_call => {
                a.own_call = false;
                if !never_tires {
                    self.rest_if_due(agent);
                }
            }
            Change::EndWrapUp { .. } if a.wrap_up.is_some() => {
                a.wrap_up = None;
                self.rest_if_due(agent);
            }
            _ => self.change_staff(agent, change),
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
        let takes_more = self.wrong(Mistake::TakesMoreBeforeRest);
        let now = self.now;
        let mut told = Vec::new();
        for a in &mut self.agents {
            let state = a.state(pause_first);
            let after_pause = matches!(a.told, AgentState::Paused { .. }) && keep_after_pause;
            let after_pause = after_pause || keep_lost && a.lost.is_some();
            // Who is lost keeps the place among the idle.
            let there = a.state_if(pause_first, a.phone || a.lost.is_some());
            let may =
                matches!(there, AgentState::Ready | AgentState::Working { .. }) && (!a.rests_next() || takes_more);
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
                told.push((a.id, state.clone()));
                self.decisions.push_back(Decision::Agent { agent: a.id, state });
            }
        }
        told.iter().for_each(|(agent, state)| self.count_state(*agent, state));
        self.count_wrap_ups_over();
        self.pass_over_the_absent();
        if !self.wrong(Mistake::NobodyLeavesAtLastLogout) {
            self.send_away_the_hopeless_but(but);
        }
    }

    pub fn last_agent(&self, caller: &str, within: Duration) -> Option<AgentId> {
        self.absent.last_agent(self.now, caller, within)
    }

    pub fn queue<'a>(&'a self, caller: &'a Caller) -> &'a QueueSettings {
        if self.wrong(Mistake::SettingsOnlyForNewcomers) {
            return &caller.queue_then;
        }
        &self.queues.iter().find(|(id, _)| *id == caller.queue).expect("who waits is in a queue that is there").1
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

//! The same rules, written for the reader and not for the machine: no index, no order kept, everything looked for by
//! looking at everything. And the same rules with one mistake each, to know that the histories would find it.

use super::*;

/// One rule left out or turned round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
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
    PauseBeforeWrapUp,
    PauseLetsRing,
    LogoutLetsRing,
    LogoutCutsTalk,
    NobodyLeavesAtLastLogout,
    NeverFull,
    OwnCallLetsRing,
    SettingsOnlyForNewcomers,
    DeadlinesActedOnLate,
    ShortAbandonNotTold,
    AbandonedTwice,
    LateAcceptanceCounts,
}

impl Mistake {
    pub const ALL: [Mistake; 37] = {
        use Mistake::*;
        [
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
            PauseBeforeWrapUp,
            PauseLetsRing,
            LogoutLetsRing,
            LogoutCutsTalk,
            NobodyLeavesAtLastLogout,
            NeverFull,
            OwnCallLetsRing,
            SettingsOnlyForNewcomers,
            DeadlinesActedOnLate,
            ShortAbandonNotTold,
            AbandonedTwice,
            LateAcceptanceCounts,
        ]
    };
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
    now: Time,
    last_offer: u64,
    queues: Vec<(QueueId, QueueSettings)>,
    agents: Vec<Person>,
    callers: Vec<Caller>,
    decisions: VecDeque<Decision>,
    mistake: Option<Mistake>,
}

struct Person {
    id: AgentId,
    settings: AgentSettings,
    phone: bool,
    own_call: bool,
    offer: Option<(OfferId, EntryId, Time)>,
    talk: Option<EntryId>,
    wrap_up: Option<Time>,
    pause: Option<(String, Option<Time>)>,
    back_off: Option<Time>,
    /// Back-offs in a row.
    backed_off: i32,
    told: AgentState,
    idle_since: Time,
}

#[derive(Clone)]
struct Caller {
    id: EntryId,
    queue: QueueId,
    /// As the queue was when the caller came; only the mistake of that name looks at it.
    queue_then: QueueSettings,
    needs: Skills,
    priority: i32,
    max_wait: Option<Duration>,
    since: Time,
    ringing: bool,
    refusals: Vec<Refusal>,
}

#[derive(Clone)]
struct Refusal {
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
    Ring(AgentId),
    WrapUp(AgentId),
    BackOff(AgentId),
    Pause(AgentId),
    Refusal(EntryId, AgentId),
    MaxWait(EntryId),
}

impl Model {
    pub fn new(mistake: Option<Mistake>) -> Model {
        Model {
            now: Time::EPOCH,
            last_offer: 0,
            queues: Vec::new(),
            agents: Vec::new(),
            callers: Vec::new(),
            decisions: VecDeque::new(),
            mistake,
        }
    }

    fn wrong(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn deadlines(&self) -> Vec<(Time, Due)> {
        let mut due = Vec::new();
        for a in &self.agents {
            due.extend(a.offer.map(|(_, _, at)| (at, Due::Ring(a.id))));
            due.extend(a.wrap_up.filter(|_| !self.wrong(Mistake::NoWrapUpEnd)).map(|at| (at, Due::WrapUp(a.id))));
            due.extend(a.back_off.map(|at| (at, Due::BackOff(a.id))));
            due.extend(a.pause.as_ref().and_then(|(_, until)| *until).map(|at| (at, Due::Pause(a.id))));
        }
        for c in &self.callers {
            for r in &c.refusals {
                if r.just_now.is_some() || !self.wrong(Mistake::RefusalsRememberedForEver) {
                    due.push((r.just_now.unwrap_or(r.until), Due::Refusal(c.id, r.agent)));
                }
            }
            if !c.ringing || self.wrong(Mistake::LongestWaitCutsRinging) {
                due.extend(self.times_out(c).map(|at| (at, Due::MaxWait(c.id))));
            }
        }
        due
    }

    fn act_until(&mut self, at: Time) {
        while let Some((time, due)) = self.deadlines().into_iter().min().filter(|(time, _)| *time <= at) {
            self.now = if self.wrong(Mistake::DeadlinesActedOnLate) { at } else { self.now.max(time) };
            match due {
                Due::Ring(agent) => self.end_ringing(agent, Outcome::NoAnswer),
                Due::WrapUp(agent) => self.person(agent).wrap_up = None,
                Due::BackOff(agent) => self.person(agent).back_off = None,
                Due::Pause(agent) => self.person(agent).pause = None,
                Due::Refusal(entry, agent) => {
                    let caller = self.caller(entry).expect("due");
                    let refusal = caller.refusals.iter_mut().find(|refusal| refusal.agent == agent).expect("due");
                    match refusal.just_now.take() {
                        Some(just_now) if refusal.until > just_now => {}
                        _ => caller.refusals.retain(|refusal| refusal.agent != agent),
                    }
                }
                Due::MaxWait(entry) => {
                    let ringing = self.agents.iter().find(|a| a.offer.is_some_and(|(_, e, _)| e == entry));
                    if let Some(agent) = ringing.map(|a| a.id) {
                        self.take_apart(agent, Outcome::CallerGone);
                        self.exit(entry, Exit::TimedOut);
                    } else {
                        self.exit(entry, Exit::TimedOut);
                    }
                }
            }
            self.tell_states(None);
            let next = self.deadlines().into_iter().min();
            if !next.is_some_and(|(at, due)| at <= time && !matches!(due, Due::MaxWait(_))) {
                self.match_all();
            }
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Queue { id, settings } => {
                match self.queues.iter_mut().find(|(other, _)| other == id) {
                    Some((_, old)) => *old = settings.clone(),
                    None => self.queues.push((*id, settings.clone())),
                }
                self.send_away_the_hopeless();
            }
            Change::Agent { id, settings } => {
                match self.agents.iter_mut().find(|a| a.id == *id) {
                    Some(a) => a.settings = settings.clone(),
                    None => self.agents.push(Person {
                        id: *id,
                        settings: settings.clone(),
                        phone: false,
                        own_call: false,
                        offer: None,
                        talk: None,
                        wrap_up: None,
                        pause: None,
                        back_off: None,
                        backed_off: 0,
                        told: AgentState::Offline,
                        idle_since: Time::EPOCH,
                    }),
                }
                self.send_away_the_hopeless();
            }
            Change::Arrive { entry, queue, needs, priority, max_wait, since } => {
                self.arrive(*entry, *queue, needs, *priority, *max_wait, *since);
            }
            Change::Leave { entry, exit } => self.leave(*entry, *exit),
            Change::OfferEnded { offer, outcome } => {
                let late = self.wrong(Mistake::LateAcceptanceCounts) && *outcome == Outcome::Accepted;
                let found = self.agents.iter().find(|a| a.offer.is_some_and(|(o, _, _)| o == *offer));
                let Some((agent, entry)) = found.map(|a| (a.id, a.offer.expect("found by it").1)) else {
                    if late && let Some(caller) = self.callers.iter().find(|c| !c.ringing) {
                        let entry = caller.id;
                        self.exit(entry, Exit::Answered);
                    }
                    return;
                };
                match outcome {
                    Outcome::CallerGone => return self.leave(entry, Exit::Abandoned),
                    Outcome::Busy | Outcome::Unreachable if !self.wrong(Mistake::NoBackOff) => {
                        let until = self.now + self.back_off_time(agent);
                        self.person(agent).back_off = Some(until);
                        self.person(agent).backed_off += 1;
                    }
                    _ => {}
                }
                self.end_ringing(agent, *outcome);
            }
            Change::TalkEnded { entry } => {
                let now = self.now;
                if let Some(a) = self.agents.iter_mut().find(|a| a.talk == Some(*entry)) {
                    a.talk = None;
                    let time = a.settings.wrap_up;
                    a.wrap_up = (time > Duration::ZERO).then(|| now + time);
                }
            }
            Change::LoggedIn { agent }
            | Change::LoggedOut { agent }
            | Change::Pause { agent, .. }
            | Change::Resume { agent }
            | Change::Busy { agent }
            | Change::Free { agent }
            | Change::EndWrapUp { agent } => {
                if self.agents.iter().any(|a| a.id == *agent) {
                    self.change_person(*agent, change);
                }
            }
            Change::Tick => {}
        }
        self.tell_states(None);
    }

    fn change_person(&mut self, agent: AgentId, change: &Change) {
        let cut = self.wrong(Mistake::LogoutCutsTalk);
        let kept_by_login = self.wrong(Mistake::BackOffGrowthKeptByLogin);
        let kept_by_resume = self.wrong(Mistake::BackOffGrowthKeptByResume);
        let a = self.person(agent);
        match change {
            Change::LoggedIn { .. } if !a.phone => {
                a.phone = true;
                a.back_off = None;
                a.backed_off = if kept_by_login { a.backed_off } else { 0 };
                self.forget_refusals_by(agent);
            }
            Change::LoggedOut { .. } if a.phone => {
                a.phone = false;
                if cut {
                    a.talk = None;
                }
                if !self.wrong(Mistake::LogoutLetsRing) {
                    self.end_ringing(agent, Outcome::Unreachable);
                }
                if !self.wrong(Mistake::NobodyLeavesAtLastLogout) {
                    self.tell_states(None);
                    self.send_away_the_hopeless();
                }
            }
            Change::Pause { reason, .. } => {
                a.pause = Some((reason.clone(), None));
                if !self.wrong(Mistake::PauseLetsRing) {
                    self.end_ringing(agent, Outcome::Declined);
                }
            }
            Change::Resume { .. } if a.pause.is_some() || a.back_off.is_some() => {
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
            Change::EndWrapUp { .. } => a.wrap_up = None,
            _ => {}
        }
    }

    fn arrive(
        &mut self,
        id: EntryId,
        queue: QueueId,
        needs: &Skills,
        priority: i32,
        max_wait: Option<Duration>,
        since: Time,
    ) {
        if self.callers.iter().any(|c| c.id == id) || self.agents.iter().any(|a| a.talk == Some(id)) {
            return;
        }
        let Some((_, settings)) = self.queues.iter().find(|(other, _)| *other == queue) else {
            let exit = Exit::SystemFault;
            self.decisions.push_back(Decision::Exit { entry: id, queue, exit, waited: Duration::ZERO });
            return;
        };
        let waiting = self.callers.iter().filter(|c| c.queue == queue).count();
        let full = waiting >= settings.max_waiting as usize && !self.wrong(Mistake::NeverFull);
        self.callers.push(Caller {
            id,
            queue,
            queue_then: settings.clone(),
            needs: needs.clone(),
            priority,
            max_wait,
            since: since.min(self.now),
            ringing: false,
            refusals: Vec::new(),
        });
        if self.is_hopeless(self.callers.last().expect("pushed just now")) {
            self.exit(id, Exit::NoAgents);
        } else if full {
            self.exit(id, Exit::RefusedFull);
        }
    }

    fn leave(&mut self, id: EntryId, exit: Exit) {
        use Exit::*;
        let Some(caller) = self.callers.iter().find(|c| c.id == id) else { return };
        let short = self.now.since(caller.since) < self.queue(caller).short_abandon;
        let exit = match exit {
            Abandoned if short && !self.wrong(Mistake::ShortAbandonNotTold) => ShortAbandoned,
            Abandoned | LeftByKey | Transferred | SystemFault | Callback | Overflowed | QueueClosed => exit,
            Answered | ShortAbandoned | TimedOut | NoAgents | RefusedFull => return,
        };
        let ringing = self.agents.iter().find(|a| a.offer.is_some_and(|(_, entry, _)| entry == id)).map(|a| a.id);
        if let Some(agent) = ringing {
            self.take_apart(agent, Outcome::CallerGone);
        }
        let again = self.callers.iter().find(|c| c.id == id && self.wrong(Mistake::AbandonedTwice)).cloned();
        self.exit(id, exit);
        self.callers
            .extend(again.filter(|c| c.since.as_secs().is_multiple_of(7)).map(|c| Caller { ringing: false, ..c }));
        self.tell_states(ringing.filter(|_| !self.wrong(Mistake::IdlePlaceLostByCallerGone)));
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
            self.person(agent).talk = Some(entry);
            self.exit(entry, Exit::Answered);
            self.tell_states(None);
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
        let rona = self.person(agent).settings.rona_pause;
        if outcome == Outcome::NoAnswer && rona > Duration::ZERO && !self.wrong(Mistake::NoRonaPause) {
            self.person(agent).pause = Some(("no answer".to_owned(), Some(now + rona)));
        }
        self.tell_states(None);
        let lost = self.wrong(Mistake::PlaceLostByRefusal);
        let caller = self.caller(entry).expect("it was offered");
        if lost {
            caller.since = now;
        }
        let caller = caller.clone();
        let timed_out = self.times_out(&caller).is_some_and(|at| at <= now);
        if timed_out && !self.wrong(Mistake::LongestWaitForgottenAfterRinging) {
            self.exit(entry, Exit::TimedOut);
        } else if self.is_hopeless(&caller) {
            self.exit(entry, Exit::NoAgents);
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

    fn take_apart(&mut self, agent: AgentId, outcome: Outcome) {
        let (offer, entry, _) = self.person(agent).offer.take().expect("the caller has seen it");
        if let Some(caller) = self.caller(entry) {
            caller.ringing = false;
        }
        self.decisions.push_back(Decision::OfferEnded { offer, entry, agent, outcome });
    }

    fn exit(&mut self, id: EntryId, exit: Exit) {
        let index = self.callers.iter().position(|c| c.id == id).expect("only those who wait exit");
        let caller = self.callers.remove(index);
        let waited = self.now.since(caller.since);
        self.decisions.push_back(Decision::Exit { entry: id, queue: caller.queue, exit, waited });
    }

    fn send_away_the_hopeless(&mut self) {
        let hopeless = self.callers.iter().filter(|c| !c.ringing && self.is_hopeless(c));
        let mut hopeless: Vec<EntryId> = hopeless.map(|c| c.id).collect();
        hopeless.sort();
        for id in hopeless {
            self.exit(id, Exit::NoAgents);
        }
    }

    fn is_hopeless(&self, caller: &Caller) -> bool {
        self.queue(caller).leave_when_no_agents && !self.agents.iter().any(|a| a.phone && self.can_serve(a, caller))
    }

    /// Tells each state that has changed. Whoever becomes ready is the last of the idle, but for one.
    fn tell_states(&mut self, keeps_place: Option<AgentId>) {
        let pause_first = self.wrong(Mistake::PauseBeforeWrapUp);
        let keep_after_pause = self.wrong(Mistake::IdlePlaceKeptByPause);
        let now = self.now;
        for a in &mut self.agents {
            let state = a.state(pause_first);
            if state == a.told {
                continue;
            }
            let after_pause = matches!(a.told, AgentState::Paused { .. }) && keep_after_pause;
            if state == AgentState::Ready && keeps_place != Some(a.id) && !after_pause {
                a.idle_since = now;
            }
            a.told = state.clone();
            self.decisions.push_back(Decision::Agent { agent: a.id, state });
        }
    }

    fn match_all(&mut self) {
        while let Some((entry, agent)) = self.next_pair() {
            self.last_offer += 1;
            let offer = OfferId(self.last_offer);
            let deadline = self.now + self.person(agent).settings.ring_time.max(Duration::from_secs(1));
            self.person(agent).offer = Some((offer, entry, deadline));
            let caller = self.caller(entry).expect("it waits");
            caller.ringing = true;
            let queue = caller.queue;
            self.decisions.push_back(Decision::Offer { offer, entry, queue, agent, deadline });
            self.tell_states(None);
        }
    }

    fn next_pair(&self) -> Option<(EntryId, AgentId)> {
        let mut callers: Vec<&Caller> = self.callers.iter().collect();
        callers.sort_by_key(|c| {
            let came = (c.since, c.id);
            let came = if self.wrong(Mistake::LastComeFirst) {
                (Time::NEVER - came.0.since(Time::EPOCH), came.1)
            } else {
                came
            };
            (std::cmp::Reverse(self.score(c)), came)
        });
        let mut agents: Vec<&Person> = self.agents.iter().collect();
        agents.sort_by_key(|a| (a.idle_since, a.id));
        if self.wrong(Mistake::ShortestIdle) {
            agents.reverse();
        }
        // One step of each mistake is enough; without a limit they would never come to an end.
        let twice = |mistake, condition: bool| self.wrong(mistake) && condition && self.last_offer.is_multiple_of(5);
        for caller in callers {
            for agent in &agents {
                let free = agent.told == AgentState::Ready
                    || twice(Mistake::TwoEntriesForOneAgent, matches!(agent.told, AgentState::Talking { .. }));
                let waits = !caller.ringing || twice(Mistake::TwoAgentsForOneEntry, true);
                if free && waits && self.can_serve(agent, caller) && !self.is_barred(agent, caller) {
                    return Some((caller.id, agent.id));
                }
            }
        }
        None
    }

    fn can_serve(&self, agent: &Person, caller: &Caller) -> bool {
        let enough = |(skill, level): (&String, &u8)| {
            let has = agent.settings.skills.get(skill).copied().unwrap_or(0);
            if self.wrong(Mistake::NoLevels) { has > 0 || *level == 0 } else { has >= *level }
        };
        let queue = self.queue(caller).needs.iter().all(enough);
        (queue || self.wrong(Mistake::NoQueueNeeds)) && caller.needs.iter().all(enough)
    }

    fn is_barred(&self, agent: &Person, caller: &Caller) -> bool {
        let refused = |a: &Person| caller.refusals.iter().find(|refusal| refusal.agent == a.id);
        let Some(refusal) = refused(agent) else { return false };
        let in_service = |a: &&Person| a.phone && a.pause.is_none() && self.can_serve(a, caller);
        let others = self.agents.iter().filter(in_service).any(|a| refused(a).is_none());
        refusal.just_now.is_some() || others || self.wrong(Mistake::NoLastResort)
    }

    /// In millionths of millionths of a point, so that it is exact.
    fn score(&self, caller: &Caller) -> i128 {
        let queue = self.queue(caller);
        let ageing = if self.wrong(Mistake::NoAgeing) { 0.0 } else { queue.ageing };
        let per_second = (ageing * 1e6).round() as i128;
        let priority = i128::from(queue.priority) + i128::from(caller.priority);
        let priority = if self.wrong(Mistake::NoPriority) { 0 } else { priority };
        priority * 1_000_000_000_000 + per_second * self.now.since(caller.since).as_micros() as i128
    }

    fn times_out(&self, caller: &Caller) -> Option<Time> {
        caller.max_wait.or(self.queue(caller).max_wait).map(|wait| caller.since + wait)
    }

    /// Place of a waiting entry: how many of its queue that share an agent with it come before, and one.
    pub fn position(&self, id: EntryId) -> Option<u32> {
        let caller = self.callers.iter().find(|c| c.id == id)?;
        let needs = |c: &Caller| {
            let mut needs = self.queue(c).needs.clone();
            for (skill, level) in &c.needs {
                let needed = needs.entry(skill.clone()).or_default();
                *needed = (*needed).max(*level);
            }
            needs.retain(|_, level| *level > 0);
            needs
        };
        let shares = |c: &&Caller| {
            needs(c) == needs(caller) || self.agents.iter().any(|a| self.can_serve(a, c) && self.can_serve(a, caller))
        };
        let key = |c: &Caller| (std::cmp::Reverse(self.score(c)), c.since, c.id);
        let before = |c: &&Caller| c.queue == caller.queue && key(c) < key(caller);
        Some(self.callers.iter().filter(before).filter(shares).count() as u32 + 1)
    }

    pub fn waiting(&self, queue: QueueId) -> Vec<EntryId> {
        let mut waiting: Vec<&Caller> = self.callers.iter().filter(|c| c.queue == queue).collect();
        waiting.sort_by_key(|c| (std::cmp::Reverse(self.score(c)), c.since, c.id));
        waiting.into_iter().map(|c| c.id).collect()
    }

    pub fn longest_wait(&self, queue: QueueId) -> Option<Duration> {
        self.callers.iter().filter(|c| c.queue == queue).map(|c| self.now.since(c.since)).max()
    }

    fn queue<'a>(&'a self, caller: &'a Caller) -> &'a QueueSettings {
        if self.wrong(Mistake::SettingsOnlyForNewcomers) {
            return &caller.queue_then;
        }
        &self.queues.iter().find(|(id, _)| *id == caller.queue).expect("queues are never removed").1
    }

    fn forget_refusals_by(&mut self, agent: AgentId) {
        for caller in &mut self.callers {
            caller.refusals.retain(|refusal| refusal.agent != agent);
        }
    }

    fn person(&mut self, id: AgentId) -> &mut Person {
        self.agents.iter_mut().find(|a| a.id == id).expect("looked up before")
    }

    fn caller(&mut self, id: EntryId) -> Option<&mut Caller> {
        self.callers.iter_mut().find(|c| c.id == id)
    }
}

impl Person {
    fn state(&self, pause_first: bool) -> AgentState {
        if let Some((offer, _, deadline)) = self.offer {
            return AgentState::Offered { offer, deadline };
        }
        if let Some(entry) = self.talk {
            return AgentState::Talking { entry };
        }
        if !self.phone {
            return AgentState::Offline;
        }
        if self.own_call {
            return AgentState::Busy;
        }
        let paused = self.pause.clone().map(|(reason, until)| AgentState::Paused { reason, until });
        let wrap_up = self.wrap_up.map(|until| AgentState::WrapUp { until });
        let first = if pause_first { paused.or(wrap_up) } else { wrap_up.or(paused) };
        first.unwrap_or(match self.back_off {
            Some(until) => AgentState::BackOff { until },
            None => AgentState::Ready,
        })
    }
}

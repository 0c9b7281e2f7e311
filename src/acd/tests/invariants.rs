//! What must hold in every history, seen from outside: from the events and the decisions alone.

use super::model::back::{Absent, Goes, Waits, Was, one_waits, takes_place};
use super::*;
use crate::need::{Attributes, Licence, Word};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Follows one distributor and says what is wrong as soon as something is.
#[derive(Default)]
pub struct Watch {
    at: Time,
    queues: BTreeMap<QueueId, QueueSettings>,
    agents: BTreeMap<AgentId, Seen>,
    waiting: BTreeMap<EntryId, Caller>,
    /// Ended entries; ids of histories are not used twice.
    exited: BTreeSet<EntryId>,
    offers: BTreeMap<OfferId, (EntryId, AgentId, Time)>,
    /// Tasks that are being worked on, and by whom.
    tasks: BTreeMap<EntryId, AgentId>,
    /// The queue and the agent that are there no more after this event.
    goes: (Option<QueueId>, Option<AgentId>),
    /// When a queue closes, or has closed.
    closes: BTreeMap<QueueId, Time>,
    /// The event being acted on changes a queue.
    limits_change: bool,
    /// Every offer made so far.
    offers_made: BTreeSet<OfferId>,
    /// The offer whose acceptance is the event being acted on.
    accepting: Option<OfferId>,
    /// The entry for which an agent's answer is the event being acted on.
    answering: Option<EntryId>,
    /// Who has just come, and what was kept for callers before.
    arriving: Option<(EntryId, Absent)>,
    /// The leaving that is the event being acted on.
    leaving: Option<(EntryId, Exit)>,
    /// The talk whose end is the event being acted on.
    ending: Option<EntryId>,
    /// Said to be accepted and not yet to be answered.
    accepted: Option<(EntryId, AgentId)>,
    /// Promises that agents have, and that nobody has answered yet.
    dialled: BTreeMap<EntryId, Caller>,
    /// Places kept for those who left.
    absent: Absent,
    pub offered: BTreeMap<QueueId, u64>,
    pub exits: BTreeMap<QueueId, BTreeMap<Exit, u64>>,
}

struct Seen {
    settings: AgentSettings,
    state: AgentState,
    logged_in: bool,
    /// When the service was lost, and their phone with it.
    lost: Option<Time>,
    /// An offer was not answered or found no phone, and nothing has shown since that somebody is there.
    doubted: bool,
    shift_ends: Option<Time>,
    /// Until when the last probe may be answered.
    probe: Option<Time>,
}

#[derive(Clone, Debug)]
pub struct Caller {
    queue: QueueId,
    arrival: Arrival,
    since: Time,
    /// Its queue.
    joined: Time,
    been: Vec<QueueId>,
    /// Its queue let it in as one who was there before.
    was_here: bool,
    /// To where it had gone on from its queue before, and when that was known.
    was_elsewhere: Option<(QueueId, Time)>,
    /// Since when it is kept for those for whom it is kept.
    kept_since: Time,
    ringing: BTreeSet<OfferId>,
    /// Until when an agent may be spared this caller.
    refused: BTreeMap<AgentId, Time>,
}

macro_rules! must {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

impl Watch {
    /// Before its decisions. Nothing may be due before `event.at`.
    pub fn event(&mut self, event: &AcdEvent) {
        self.at = event.at;
        if let Some(queue) = self.goes.0.take() {
            self.queues.remove(&queue);
            self.closes.remove(&queue);
        }
        if let Some(agent) = self.goes.1.take() {
            self.agents.remove(&agent);
        }
        self.accepting = None;
        self.ending = None;
        self.answering = None;
        self.agents.values_mut().filter(|seen| !seen.doubted).for_each(|seen| seen.probe = None);
        self.leaving = None;
        self.arriving = None;
        self.limits_change = matches!(event.change, Change::Queue { .. } | Change::Open { .. } | Change::Close { .. });
        match &event.change {
            Change::Queue { id, settings } => {
                self.queues.insert(*id, settings.clone());
            }
            Change::QueueGone { queue } if self.queues.contains_key(queue) => {
                self.goes.0 = Some(*queue);
                self.closes.insert(*queue, self.at);
            }
            Change::AgentGone { agent } if self.agents.contains_key(agent) => {
                self.goes.1 = Some(*agent);
                let seen = self.agents.get_mut(agent).expect("looked at just now");
                (seen.logged_in, seen.doubted) = (false, false);
                if let AgentState::Talking { entry, .. } = seen.state {
                    self.ending = Some(entry);
                    let settings = |queue| self.queues.get(&queue).cloned();
                    if self.absent.talk_ended(event.at, entry, true, settings, None) {
                        self.goes_back_at_once(entry);
                    }
                }
                self.tasks.retain(|_, by| by != agent);
            }
            Change::Open { queue, .. } | Change::Close { queue } if !self.queues.contains_key(queue) => {}
            Change::Open { queue, until } if until.is_none_or(|until| until > self.at) => {
                match until {
                    Some(until) => _ = self.closes.insert(*queue, *until),
                    None => _ = self.closes.remove(queue),
                }
                // Promises slept while it was closed, and are kept for the next from now on.
                let promises = self.waiting.values_mut().filter(|c| c.queue == *queue && c.arrival.callback.is_some());
                promises.for_each(|promise| promise.kept_since = event.at);
            }
            Change::Close { queue } if self.is_open(*queue) => _ = self.closes.insert(*queue, self.at),
            Change::Agent { id, settings } => {
                let seen = Seen {
                    settings: settings.clone(),
                    state: AgentState::Offline,
                    logged_in: false,
                    lost: None,
                    doubted: false,
                    shift_ends: None,
                    probe: None,
                };
                let seen = self.agents.entry(*id).or_insert(seen);
                seen.settings = settings.clone();
                seen.doubted &= settings.probe;
            }
            Change::LoggedIn { agent } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| !agent.logged_in) {
                    let goes_on = |since| event.at.since(since) <= Duration::from_secs(3600);
                    agent.doubted &= agent.lost.take().is_some_and(goes_on);
                    agent.logged_in = true;
                }
            }
            Change::LoggedOut { agent, down } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| agent.logged_in) {
                    agent.lost = down.then_some(event.at);
                    agent.doubted &= down;
                    (agent.logged_in, agent.probe) = (false, None);
                }
            }
            Change::Arrive { entry, arrival } => {
                let talks =
                    |seen: &Seen| matches!(seen.state, AgentState::Talking { entry: talk, .. } if talk == *entry);
                let known = self.waiting.contains_key(entry) || self.agents.values().any(talks);
                if !known && !self.tasks.contains_key(entry) && self.queues.contains_key(&arrival.queue) {
                    let mut arrival = (**arrival).clone();
                    arrival.since = arrival.since.min(event.at);
                    let settings = &self.queues[&arrival.queue];
                    let mut was = Was::default();
                    match arrival.callback.as_deref_mut() {
                        Some(callback) => {
                            arrival.kind = Kind::Call;
                            callback.until = event.at + settings.callback_within;
                            callback.not_before = callback.not_before.max(event.at);
                            callback.promised = event.at;
                        }
                        None => {
                            *self.offered.entry(arrival.queue).or_default() += 1;
                            self.arriving = Some((*entry, self.absent.clone()));
                            let waiting = self.waiting.values().map(|c| (&c.arrival, c.queue)).collect::<Vec<_>>();
                            let one_waits = one_waits(&waiting, &arrival);
                            was = self.absent.comes_back(event.at, &mut arrival, settings, None);
                            was.here |= one_waits;
                            let promised_in = self.takes_promised_place(&mut arrival);
                            was.elsewhere = was.elsewhere.or(promised_in);
                        }
                    }
                    let been = arrival.been.clone();
                    let caller = Caller {
                        queue: arrival.queue,
                        since: arrival.since,
                        arrival,
                        joined: event.at,
                        been,
                        was_here: was.here,
                        was_elsewhere: was.elsewhere.map(|queue| (queue, event.at)),
                        kept_since: event.at,
                        ringing: BTreeSet::new(),
                        refused: BTreeMap::new(),
                    };
                    self.waiting.insert(*entry, caller);
                }
            }
            Change::Priority { entry, priority } => {
                if let Some(caller) = self.waiting.get_mut(entry) {
                    caller.arrival.priority = *priority;
                }
            }
            Change::Leave { entry, exit } => self.leaving = Some((*entry, *exit)),
            Change::Shift { agent, ends } => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    agent.shift_ends = *ends;
                }
            }
            Change::Resume { agent } => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    agent.doubted = false;
                }
            }
            Change::ProbeEnded { agent, reachable } => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    let asked = agent.probe.take().is_some_and(|until| event.at < until);
                    agent.doubted &= !(asked && *reachable);
                }
            }
            Change::WasDown { since } => self.absent.was_down(event.at, *since),
            Change::TalkEnded { entry, broke } => {
                let settings = |queue| self.queues.get(&queue).cloned();
                if self.absent.talk_ended(event.at, *entry, *broke, settings, None) {
                    self.goes_back_at_once(*entry);
                }
                self.ending = Some(*entry);
                self.tasks.remove(entry);
            }
            Change::Reached { entry } => {
                if let Some(caller) = self.dialled.remove(entry) {
                    let talks =
                        |seen: &Seen| matches!(seen.state, AgentState::Talking { entry: talk, .. } if talk == *entry);
                    let agent = self.agents.iter().find(|(_, seen)| talks(seen)).map(|(agent, _)| *agent);
                    let (arrival, been) = (Arrival { since: caller.since, ..caller.arrival }, caller.been);
                    self.absent.is_answered(event.at, *entry, agent.expect("who dials"), (&arrival, &been));
                }
            }
            Change::OfferEnded { offer, outcome: Outcome::Unreachable } => {
                if let Some((_, agent, _)) = self.offers.get(offer) {
                    let seen = self.agents.get_mut(agent).expect("rung");
                    seen.doubted = seen.settings.probe;
                }
            }
            Change::OfferEnded { offer, outcome: Outcome::Accepted } => self.accepting = Some(*offer),
            Change::Answered { offer, until } => {
                if let Some((entry, _, deadline)) = self.offers.get_mut(offer) {
                    self.answering = Some(*entry);
                    *deadline = (*until).max(event.at + Duration::from_secs(1));
                }
            }
            _ => {}
        }
    }

    fn who_waits(&self) -> Vec<Waits> {
        self.waiting.iter().filter_map(|(id, c)| Waits::of(*id, &c.arrival, &c.been, c.since)).collect()
    }

    fn goes_back_at_once(&mut self, talk: EntryId) {
        let waiting = self.who_waits();
        let queue_of = |id| self.waiting[&id].queue;
        let settings = |queue| self.queues.get(&queue).cloned();
        let goes = self.absent.goes_back_at_once(self.at, talk, &waiting, (queue_of, settings), None);
        self.redialled(goes);
    }

    fn redialled(&mut self, goes: Option<Goes>) {
        let Some(Goes { to, since, away, priority, agent, queue }) = goes else { return };
        let caller = self.waiting.get_mut(&to).expect("it waits");
        caller.was_elsewhere = queue.map(|queue| (queue, self.at));
        caller.since = since.unwrap_or(caller.since);
        caller.arrival.since = caller.since;
        caller.arrival.away = away.unwrap_or(caller.arrival.away);
        caller.arrival.priority = priority.map_or(caller.arrival.priority, |old| old.max(caller.arrival.priority));
        if let Some(agent) = agent {
            let wait = self.queues[&caller.queue].reconnect_wait;
            caller.arrival.prefer.insert(0, Prefer { who: Who::Agent(agent), wait });
            caller.kept_since = self.at;
        }
        self.limits_change = true;
    }

    pub fn decision(&mut self, decision: &Decision) -> Result<(), String> {
        // What is kept for who calls is used up by those who are let in.
        if let Some((arriving, before)) = self.arriving.take() {
            use Exit::*;
            let refused = |decision: &Decision| {
                matches!(decision, Decision::Exit { entry, exit: QueueClosed | NoAgents | RefusedFull, to: None, .. }
                if *entry == arriving)
            };
            if refused(decision) {
                self.absent = before;
            }
        }
        match decision {
            Decision::Offer { offer, entry, queue, agent, deadline } => {
                must!(self.offers_made.insert(*offer), "{offer} is made twice");
                let caller = self.waiting.get(entry).ok_or(format!("{entry} is offered but does not wait"))?;
                must!(caller.queue == *queue, "{entry} waits in {}, not in {queue}", caller.queue);
                // In the moment of closing who could be served still is.
                let closes = self.closes.get(queue).is_some_and(|closes| *closes < self.at);
                let callback = caller.arrival.callback.as_deref();
                let sleeps = callback.is_some_and(|callback| closes || self.at < callback.not_before);
                must!(!sleeps, "{entry} is offered before its time");
                let settings = &self.queues[queue];
                let most =
                    if settings.strategy == Strategy::RingAll { settings.ring_all_max.max(1) as usize } else { 1 };
                must!(caller.ringing.len() < most, "{} agents are rung for {entry}", caller.ringing.len() + 1);
                let seen = &self.agents[agent];
                must!(seen.is_free_for(caller.arrival.kind), "{agent} is rung in state {:?}", seen.state);
                must!(!seen.doubted, "{agent} is rung without having answered a probe");
                must!(self.offers.values().all(|(_, other, _)| other != agent), "{agent} is rung twice");
                must!(!seen.is_off_shift(self.at), "{agent} is rung after the shift");
                must!(self.can_serve(*agent, caller), "{agent} is rung for {entry} without the skills");
                must!(*deadline > self.at, "{offer} is over before it begins");
                let limit = self.longest_wait(caller);
                let over = limit.is_some_and(|limit| caller.since + limit < self.at);
                // One chance for who comes with a place kept from before, and for all when the queue's limit changes.
                must!(
                    !over || caller.joined == self.at || self.limits_change,
                    "{agent} is rung for {entry} after its longest wait"
                );
                for (other, earlier) in &self.waiting {
                    let before = self.order(*other, earlier) < self.order(*entry, caller);
                    let kinds = (earlier.arrival.kind, caller.arrival.kind);
                    let alike = kinds.0 == kinds.1 || kinds == (Kind::Call, Kind::Task) && seen.no_calls_for_now();
                    let alike = alike && !self.may_be_kept(earlier);
                    let could =
                        alike && earlier.ringing.is_empty() && !self.sleeps(earlier) && self.may_serve(*agent, earlier);
                    must!(!(before && could), "{entry} overtakes {other} at {agent}: {earlier:?}");
                }
                self.waiting.get_mut(entry).expect("looked at just now").ringing.insert(*offer);
                self.offers.insert(*offer, (*entry, *agent, *deadline));
            }
            Decision::OfferEnded { offer, entry, agent, outcome } => {
                let (its_entry, its_agent, deadline) =
                    self.offers.remove(offer).ok_or(format!("{offer} ends but does not ring"))?;
                must!((its_entry, its_agent) == (*entry, *agent), "{offer} ends for others than it began for");
                let caller = self.waiting.get_mut(entry).ok_or(format!("{entry} is offered but has exited"))?;
                caller.ringing.remove(offer);
                let retry = self.queues[&caller.queue].retry_same_agent.max(Duration::from_secs(1));
                match outcome {
                    Outcome::Accepted => {
                        must!(self.accepting == Some(*offer), "{offer} is accepted, but nobody said so");
                        must!(self.at < deadline, "{offer} is accepted at its deadline");
                        self.accepted = Some((*entry, *agent));
                    }
                    Outcome::Declined | Outcome::NoAnswer => {
                        caller.refused.insert(*agent, self.at + retry);
                        if *outcome == Outcome::NoAnswer {
                            let seen = self.agents.get_mut(agent).expect("rung");
                            seen.doubted = seen.settings.probe;
                        }
                    }
                    Outcome::Busy | Outcome::Unreachable | Outcome::CallerGone => {}
                    Outcome::AnsweredElsewhere => {
                        let answered = self.accepted.is_some_and(|(answered, _)| answered == *entry);
                        let answered = answered || self.answering == Some(*entry);
                        must!(answered, "{offer} is answered elsewhere, but nobody answered");
                    }
                    Outcome::Withdrawn => {
                        let caller = &self.waiting[entry];
                        must!(!self.is_licensed(*agent, caller), "{offer} is withdrawn for nothing");
                    }
                }
            }
            Decision::Exit { entry, queue, exit, waited, to, obstacle } => {
                let Some(caller) = self.waiting.remove(entry) else {
                    must!(!self.queues.contains_key(queue), "{entry} exits but does not wait");
                    return Ok(());
                };
                must!(to.is_some() || self.exited.insert(*entry), "{entry} exits twice");
                must!(to.is_none() || *exit == Exit::Overflowed, "{entry} goes on as {exit:?}");
                let says_why = obstacle.is_none_or(|obstacle| to.is_some() || obstacle.exit() == *exit);
                must!(says_why, "{entry} leaves as {exit:?} because of {obstacle:?}");
                let is_obvious = !matches!(exit, Exit::NoAgents | Exit::RefusedFull);
                must!(is_obvious || obstacle.is_some(), "{entry} leaves as {exit:?}, and nobody knows why");
                must!(caller.queue == *queue, "{entry} waits in {}, not in {queue}", caller.queue);
                must!(caller.ringing.is_empty(), "{entry} exits while an agent is rung for it");
                must!(*waited == self.at.since(caller.since), "{entry} did not wait {waited:?}");
                let settings = &self.queues[queue];
                let left = Arrival { since: caller.since, ..caller.arrival.clone() };
                self.absent.leaves(self.at, *entry, (&left, &caller.been), *exit, settings, None);
                let waiting = self.who_waits();
                let goes = self.absent.goes_at_once(self.at, *entry, &waiting, None);
                self.redialled(goes);
                let settings = &self.queues[queue];
                if let Some((_, agent)) = self.accepted.filter(|(accepted, _)| accepted == entry)
                    && caller.arrival.callback.is_none()
                {
                    self.absent.is_answered(self.at, *entry, agent, (&left, &caller.been));
                }
                let accepted = self.accepted.is_some_and(|(accepted, _)| accepted == *entry);
                must!(accepted == (*exit == Exit::Answered), "{entry} exits as {exit:?}, accepted: {accepted}");
                if accepted && caller.arrival.kind == Kind::Task {
                    let (_, agent) = self.accepted.take().expect("it is this one");
                    self.tasks.insert(*entry, agent);
                }
                match exit {
                    Exit::TimedOut => {
                        let limit = self.longest_wait(&caller);
                        let over = limit.is_some_and(|limit| *waited >= limit);
                        must!(over || settings.leave_when.estimate.is_some(), "{entry} is sent away too soon");
                    }
                    Exit::NoAgents => {
                        let all_paused = settings.join_unless.all_paused || settings.leave_when.all_paused;
                        let there = |seen: &Seen| match seen.state {
                            AgentState::Ready | AgentState::Working { .. } | AgentState::BackOff { .. } => true,
                            _ => seen.logged_in && !all_paused && !seen.is_off_shift(self.at),
                        };
                        let any = self.agents.iter().find(|(id, seen)| there(seen) && self.can_serve(**id, &caller));
                        must!(any.is_none(), "{entry} has nobody, but {} is there", any.expect("some").0);
                        let no_agents = settings.join_unless.no_agents || settings.leave_when.no_agents;
                        must!(no_agents || all_paused, "{entry} leaves, but its queue keeps them");
                    }
                    Exit::QueueClosed => {
                        let told = self.leaving == Some((*entry, *exit));
                        must!(told || !self.takes(*queue), "{entry} leaves, but {queue} is open");
                    }
                    Exit::Overflowed => {
                        let told = self.leaving == Some((*entry, *exit));
                        must!(told || to.is_some(), "{entry} goes on to nowhere");
                    }
                    Exit::Abandoned => must!(*waited >= settings.short_abandon, "{entry} abandons too soon"),
                    Exit::ShortAbandoned => must!(*waited < settings.short_abandon, "{entry} abandons too late"),
                    _ => {}
                }
                if caller.arrival.callback.is_some() {
                    must!(to.is_none(), "{entry} is a promise and goes on to another queue");
                    let exits = [Exit::Abandoned, Exit::ShortAbandoned, Exit::NoAgents];
                    must!(!exits.contains(exit), "{entry} is a promise and leaves as {exit:?}");
                    if *exit == Exit::Answered {
                        self.dialled.insert(*entry, caller);
                    }
                    return Ok(());
                }
                *self.exits.entry(*queue).or_default().entry(*exit).or_default() += 1;
                if let Some(to) = to {
                    let was_there = caller.was_elsewhere == Some((*to, self.at));
                    must!(was_there || self.takes(*to), "{entry} goes on to {to}, which is closed");
                    let holds = |caller: &&Caller| caller.queue == *to && caller.arrival.callback.is_none();
                    let waiting = self.waiting.values().filter(holds).count();
                    let full = waiting >= self.queues[to].max_waiting as usize;
                    must!(was_there || !full, "{entry} goes on to {to}, which is full");
                    *self.offered.entry(*to).or_default() += 1;
                    must!(!caller.been.contains(to) && to != queue, "{entry} goes back to {to}");
                    let been = caller.been.iter().copied().chain([*queue]).collect();
                    let licences = self.licences(&caller);
                    let mut arrival = Arrival { queue: *to, ..caller.arrival };
                    arrival.need.licences.extend(licences);
                    let (was_here, was_elsewhere) = (was_there, None);
                    let caller =
                        Caller { queue: *to, joined: self.at, was_here, was_elsewhere, been, arrival, ..caller };
                    self.waiting.insert(*entry, caller);
                }
            }
            Decision::NotReached { entry, queue, again } => {
                must!(self.ending == Some(*entry), "{entry} is not reached, but its talk goes on");
                let caller = self.dialled.remove(entry).ok_or(format!("{entry} is not dialled"))?;
                must!(caller.queue == *queue, "{entry} is of {}, not of {queue}", caller.queue);
                if let Some(again) = again {
                    self.exited.remove(entry);
                    let mut arrival = caller.arrival;
                    arrival.callback.as_deref_mut().expect("a promise").not_before = *again;
                    let refused = BTreeMap::new();
                    let caller = Caller { arrival, joined: self.at, kept_since: self.at, refused, ..caller };
                    self.waiting.insert(*entry, caller);
                }
            }
            Decision::Probe { agent, deadline } => {
                let seen = self.agents.get_mut(agent).expect("known");
                seen.probe = Some(*deadline);
                must!(seen.doubted && seen.logged_in, "{agent} is probed for nothing");
                must!(*deadline > self.at, "the probe of {agent} is over before it begins");
            }
            Decision::Agent { agent, state } => {
                let before = self.agents[agent].state.clone();
                must!(before != *state, "{agent} is told to be {state:?} twice");
                let same = matches!((&before, state),
                    (AgentState::Offered { offer, .. }, AgentState::Offered { offer: again, .. }) if offer == again);
                must!(
                    same || matches!(state, AgentState::Talking { .. })
                        || !matches!(before, AgentState::Offered { offer, .. } if self.offers.contains_key(&offer)),
                    "{agent} becomes {state:?} while an offer rings"
                );
                let goes_on = matches!((&before, state),
                    (AgentState::Talking { entry, .. }, AgentState::Talking { entry: again, .. }) if entry == again);
                if let AgentState::Talking { entry, .. } = before
                    && !goes_on
                {
                    must!(self.ending == Some(entry), "{agent} becomes {state:?} in the middle of a talk");
                }
                if let AgentState::Talking { entry, detail } = state
                    && !goes_on
                {
                    must!(*detail == TalkDetail::Speaking, "{agent} begins {entry} as {detail:?}");
                    must!(self.accepted.take() == Some((*entry, *agent)), "{agent} talks to {entry} unasked");
                }
                self.agents.get_mut(agent).expect("looked at just now").state = state.clone();
            }
        }
        Ok(())
    }

    /// After its decisions: nobody is idle who could serve somebody who waits, and nothing is due.
    pub fn settled(&self) -> Result<(), String> {
        must!(self.accepted.is_none(), "{:?} are connected, but nobody talks", self.accepted);
        for (id, seen) in &self.agents {
            match &seen.state {
                AgentState::OffShift => must!(seen.is_off_shift(self.at), "{id} is sent home too early"),
                AgentState::Ready | AgentState::Working { .. } => {
                    must!(!seen.is_off_shift(self.at), "{id} is ready after the shift");
                    let could = |c: &Caller| {
                        let waits = c.ringing.is_empty() && !self.may_be_kept(c) && !self.sleeps(c);
                        waits && seen.is_free_for(c.arrival.kind) && self.may_serve(*id, c)
                    };
                    // Who rests when the tasks in hand are done is offered nothing, and what fills the bucket is not known here.
                    let may_rest_next = seen.state != AgentState::Ready && seen.settings.occupancy_cap.is_some();
                    let behind = |entry: EntryId, c: &Caller| {
                        let first = |other: EntryId, call: &Caller| {
                            call.arrival.kind == Kind::Call
                                && self.order(other, call) < self.order(entry, c)
                                && self.can_serve(*id, call)
                        };
                        let is_behind = c.arrival.kind == Kind::Task && seen.no_calls_for_now();
                        is_behind && self.waiting.iter().any(|(other, call)| first(*other, call))
                    };
                    let mut waiting = self.waiting.iter();
                    let served = waiting.find(|(e, c)| could(c) && !behind(**e, c) && !may_rest_next);
                    must!(served.is_none(), "{id} is idle while {} waits", served.expect("some").0);
                    must!(seen.logged_in, "{id} is ready without a phone");
                }
                AgentState::Offered { offer, .. } => {
                    must!(self.offers.contains_key(offer), "{id} is offered {offer}, which is over");
                    let alone = self.offers.values().filter(|(entry, _, _)| Some(*entry) == self.answering).count();
                    must!(alone <= 1, "{alone} agents are rung for {:?}, which one has answered", self.answering);
                }
                AgentState::BackOff { until }
                | AgentState::Probed { until }
                | AgentState::Resting { until, .. }
                | AgentState::WrapUp { until } => {
                    must!(*until > self.at, "{id} should be over {:?}", seen.state);
                }
                AgentState::Paused { until, .. } => {
                    must!(until.is_none_or(|until| until > self.at), "{id} should be over the pause");
                }
                AgentState::Offline => must!(!seen.logged_in, "{id} has a phone but is offline"),
                AgentState::Talking { .. } | AgentState::Busy => {}
            }
        }
        for (offer, (entry, agent, deadline)) in &self.offers {
            must!(*deadline > self.at, "{offer} should be over");
            must!(self.is_licensed(*agent, &self.waiting[entry]), "{agent} is rung for {entry} without a licence");
        }
        for (id, caller) in &self.waiting {
            let limit = self.longest_wait(caller);
            let over = limit.is_some_and(|limit| caller.since + limit <= self.at);
            let closed = self.closes.get(&caller.queue).filter(|closes| **closes <= self.at);
            let after_closing = self.queues[&caller.queue].after_closing;
            let closed_too_long = closed.zip(after_closing).is_some_and(|(closed, after)| *closed + after <= self.at);
            let came_too_late = closed.is_some_and(|closed| caller.joined > *closed) && !caller.was_here;
            let promise = caller.arrival.callback.is_some();
            must!(promise || !came_too_late, "{id} has joined {}, which was closed", caller.queue);
            must!(promise || !closed_too_long || !caller.ringing.is_empty(), "{id} waits in a closed queue");
            must!(!over || !caller.ringing.is_empty(), "{id} should have been sent away");
        }
        if let Some(queue) = self.goes.0 {
            let waits = self.waiting.iter().find(|(_, caller)| caller.queue == queue);
            must!(waits.is_none(), "{} waits in {queue}, which is gone", waits.expect("some").0);
        }
        if let Some(agent) = self.goes.1 {
            let state = &self.agents[&agent].state;
            must!(*state == AgentState::Offline, "{agent} is gone and {state:?}");
        }
        for (queue, offered) in &self.offered {
            let exits: u64 = self.exits.get(queue).map_or(0, |exits| exits.values().sum());
            let holds = |caller: &&Caller| caller.queue == *queue && caller.arrival.callback.is_none();
            let waiting = self.waiting.values().filter(holds).count() as u64;
            must!(*offered == exits + waiting, "{queue}: {offered} offered, {exits} exits, {waiting} waiting");
        }
        Ok(())
    }

    pub fn knows(&self, queue: QueueId) -> bool {
        self.queues.contains_key(&queue) && self.goes.0 != Some(queue)
    }

    pub fn agents(&self) -> impl Iterator<Item = AgentId> {
        self.agents.keys().copied().filter(|agent| self.goes.1 != Some(*agent))
    }

    pub fn offers(&self) -> Vec<OfferId> {
        self.offers.keys().copied().collect()
    }

    /// The offer that rings this agent.
    pub fn offer_of(&self, agent: u32) -> Option<OfferId> {
        self.offers.iter().find(|(_, (_, rung, _))| rung.0 == agent).map(|(offer, _)| *offer)
    }

    /// An offer of an entry for which several agents are rung.
    pub fn one_of_many(&self, which: u8) -> Option<OfferId> {
        let many = self.waiting.values().filter(|caller| caller.ringing.len() > 1);
        let offers: Vec<OfferId> = many.flat_map(|caller| caller.ringing.iter().copied()).collect();
        offers.get(usize::from(which) % offers.len().max(1)).copied()
    }

    pub fn talks(&self) -> Vec<EntryId> {
        let talks = self.agents.values().filter_map(|seen| match seen.state {
            AgentState::Talking { entry, .. } => Some(entry),
            _ => None,
        });
        talks.chain(self.tasks.keys().copied()).collect()
    }

    pub fn talking(&self) -> Option<u32> {
        self.agents.iter().find(|(_, seen)| matches!(seen.state, AgentState::Talking { .. })).map(|(id, _)| id.0)
    }

    pub fn in_wrap_up(&self) -> Option<u32> {
        self.agents.iter().find(|(_, seen)| matches!(seen.state, AgentState::WrapUp { .. })).map(|(id, _)| id.0)
    }

    pub fn in_back_off(&self) -> Option<u32> {
        self.agents.iter().find(|(_, seen)| matches!(seen.state, AgentState::BackOff { .. })).map(|(id, _)| id.0)
    }

    pub fn probed(&self) -> Option<u32> {
        let asked = |seen: &Seen| seen.doubted && seen.probe.is_some_and(|until| self.at < until);
        self.agents.iter().find(|(_, seen)| asked(seen)).map(|(id, _)| id.0)
    }

    pub fn entries(&self) -> Vec<EntryId> {
        self.waiting.keys().copied().collect()
    }

    /// Deadlines of agents, as told.
    pub fn deadlines(&self) -> Vec<Time> {
        let deadline = |seen: &Seen| match seen.state {
            AgentState::Offered { deadline: until, .. }
            | AgentState::BackOff { until }
            | AgentState::Probed { until }
            | AgentState::Resting { until, .. }
            | AgentState::WrapUp { until }
            | AgentState::Paused { until: Some(until), .. } => Some(until),
            _ => None,
        };
        self.agents.values().filter_map(deadline).collect()
    }

    fn can_serve(&self, agent: AgentId, caller: &Caller) -> bool {
        let settings = &self.agents[&agent].settings;
        let valid = |skill: &str| settings.skills_valid.get(skill).is_none_or(|valid| valid.has(self.at));
        let level = |skill: &str| settings.skills.get(skill).copied().filter(|_| valid(skill)).unwrap_or(0);
        let queue = &self.queues[&caller.queue];
        self.is_licensed(agent, caller)
            && (!queue.members_only || settings.queues.contains(&caller.queue))
            && self.asked(caller).iter().all(|need| need.skills.is_met(&level))
    }

    /// Of the queue, of the entry itself, and of the queue's rules, as it is now.
    fn asked(&self, caller: &Caller) -> Vec<Need> {
        let queue = &self.queues[&caller.queue];
        let parts = [(&queue.needs, &queue.relax), (&caller.arrival.need, &caller.arrival.relax)];
        let parts = parts.map(|(need, relax)| {
            let steps = relax.iter().filter(|step| caller.since + step.after <= self.at);
            let mut asked = need.clone();
            if let Some(step) = steps.max_by_key(|step| step.after) {
                asked.skills = step.need.skills.clone();
                asked.licences.extend(step.need.licences.iter().cloned());
            }
            asked.resolved(&caller.arrival.attributes)
        });
        let rules = self.rules(caller).map(|rule| rule.needs.resolved(&caller.arrival.attributes));
        parts.into_iter().chain(rules).collect()
    }

    fn rules<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a Rule> {
        let known = &caller.arrival.attributes;
        let applies = |rule: &&Rule| rule.when.iter().all(|(name, value)| known.get(name) == Some(value));
        self.queues[&caller.queue].rules.iter().filter(applies)
    }

    fn longest_wait(&self, caller: &Caller) -> Option<Duration> {
        if let Some(callback) = &caller.arrival.callback {
            return Some(callback.until.since(caller.since));
        }
        let of_rules = self.rules(caller).find_map(|rule| rule.max_wait);
        let most = caller.arrival.max_wait.or(of_rules).or(self.queues[&caller.queue].max_wait);
        most.map(|most| most + caller.arrival.away)
    }

    /// A promise that may not be offered now.
    fn sleeps(&self, caller: &Caller) -> bool {
        let Some(callback) = &caller.arrival.callback else { return false };
        self.at < callback.not_before || self.closes.get(&caller.queue).is_some_and(|closes| *closes <= self.at)
    }

    /// Who comes by themselves has the place of the promise that was made to them.
    fn takes_promised_place(&self, arrival: &mut Arrival) -> Option<QueueId> {
        let mine = |caller: &&Caller| {
            let to = caller.arrival.callback.as_ref().map(|callback| &callback.number);
            let was_there = caller.queue == arrival.queue || caller.been.contains(&arrival.queue);
            was_there && to == Some(&arrival.caller) && arrival.kind == Kind::Call && !arrival.caller.is_empty()
        };
        let promise = self.waiting.values().chain(self.dialled.values()).find(mine)?;
        let callback = promise.arrival.callback.as_ref().expect("it is one");
        takes_place(arrival, promise.since, promise.arrival.away + self.at.since(callback.promised), None);
        arrival.priority = arrival.priority.max(promise.arrival.priority);
        (promise.queue != arrival.queue).then_some(promise.queue)
    }

    /// Promises that agents have, and that nobody has answered.
    pub fn dialled(&self) -> Vec<EntryId> {
        self.dialled.keys().copied().collect()
    }

    /// Who holds the line, promises excepted.
    pub fn holds_the_line(&self, entry: EntryId) -> bool {
        self.waiting.get(&entry).is_some_and(|caller| caller.arrival.callback.is_none())
    }

    fn is_open(&self, queue: QueueId) -> bool {
        self.closes.get(&queue).is_none_or(|closes| *closes > self.at)
    }

    /// Open, and not for the last calls only.
    fn takes(&self, queue: QueueId) -> bool {
        let last_call = self.queues[&queue].last_call;
        self.closes.get(&queue).is_none_or(|closes| *closes > self.at + last_call)
    }

    /// What is never relaxed: every licence that was asked for at first, and those that are asked for now.
    fn licences(&self, caller: &Caller) -> BTreeSet<Licence> {
        let queue = &self.queues[&caller.queue];
        let attributes: &Attributes = &caller.arrival.attributes;
        let first = [queue.needs.resolved(attributes), caller.arrival.need.resolved(attributes)];
        first.into_iter().chain(self.asked(caller)).flat_map(|need| need.licences).collect()
    }

    fn is_licensed(&self, agent: AgentId, caller: &Caller) -> bool {
        let held = &self.agents[&agent].settings.licences;
        self.licences(caller).iter().all(|licence| {
            held.iter().any(|held| {
                let jurisdiction = licence.jurisdiction == Word::Is(held.jurisdiction.clone());
                held.kind == licence.kind && jurisdiction && held.valid.has(self.at)
            })
        })
    }

    /// It may be kept for somebody else.
    fn may_be_kept(&self, caller: &Caller) -> bool {
        let longest: Duration = caller.arrival.prefer.iter().map(|prefer| prefer.wait).sum();
        // A promise goes on to the next for whom it is kept only when it is awake.
        let wakes = caller.arrival.callback.as_deref().map(|callback| callback.not_before);
        self.at < wakes.into_iter().fold(caller.kept_since, Time::max) + longest
    }

    /// Can, and has not refused so lately that they may be spared.
    fn may_serve(&self, agent: AgentId, caller: &Caller) -> bool {
        let spared = caller.refused.get(&agent).is_some_and(|until| self.at < *until);
        self.can_serve(agent, caller) && !spared
    }

    /// Who is served first of all that wait now, by the settings and priorities of now: the greater score (in 10⁻¹² points), the
    /// greater weight × wait, who came first, the smaller id.
    fn order(&self, entry: EntryId, caller: &Caller) -> (Reverse<i128>, Reverse<u128>, Time, EntryId) {
        let queue = &self.queues[&caller.queue];
        let of_rules: i128 = self.rules(caller).map(|rule| i128::from(rule.priority)).sum();
        let points = i128::from(queue.priority) + i128::from(caller.arrival.priority) + of_rules;
        let ageing = (queue.ageing.clamp(0.0, 1e6) * 1e6).round() as i128;
        let weighted = u128::from(queue.weight.clamp(1, 1_000)) * self.at.since(caller.since).as_micros();
        let score = points * 1_000_000_000_000 + ageing * weighted as i128;
        (Reverse(score), Reverse(weighted), caller.since, entry)
    }
}

impl Seen {
    fn is_off_shift(&self, now: Time) -> bool {
        self.shift_ends.is_some_and(|ends| ends - self.settings.shift_margin <= now)
    }

    fn no_calls_for_now(&self) -> bool {
        matches!(self.state, AgentState::Working { .. }) && !self.settings.calls_during_tasks
    }

    fn is_free_for(&self, kind: Kind) -> bool {
        let tasks = match self.state {
            AgentState::Ready => 0,
            AgentState::Working { tasks } => tasks,
            _ => return false,
        };
        match kind {
            Kind::Call => tasks == 0 || self.settings.calls_during_tasks,
            Kind::Task => tasks < self.settings.tasks,
        }
    }
}

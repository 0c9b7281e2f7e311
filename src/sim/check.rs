//! What must hold at every instant of every day, checked from what the switchboard tells and against what it has.
//!
//! | checked | what |
//! |---|---|
//! | with each event | calls and entries begin and end once; offers and talks one at a time; who is rung, and before whom |
//! | after each step | counts of the distributor and of the board equal those of the events; nobody idles; calls that are up; the states of agents, and the reasons why entries are not with an agent, of whom something was told |
//! | every [`SELDOM`] steps | each agent's state; the reasons of one entry, another each time |
//! | with each record, at the end | records have no loose ends, and add up to the same counts |
//!
//! What people saw of it is compared in `witness`.

use super::fairness::Fairness;
use crate::acd::{
    Acd, AcdEvent, AgentSettings, AgentState, Change, Exit, Kind, Outcome, QueueCounts, QueueSettings, Strategy, WhyNot,
};
use crate::ids::{AgentId, CallId, EntryId, OfferId, QueueId};
use crate::record::{AgentPhase, Board, CallEvent, Contact, Recorder, What};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Everybody is looked at once in so many steps, also those of whom nothing was told: what changed in silence is found soon.
pub const SELDOM: u64 = 32;

/// What the switchboard promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    CallsBeginAndEndOnce,
    EntriesJoinAndLeaveOnce,
    /// Who leaves as answered was accepted by an agent, and nobody else was.
    AnsweredIsAccepted,
    /// No agent is rung twice at once, or while talking.
    OneOfferPerAgent,
    /// No two agents are rung for one entry, unless its queue rings all: then at once, and no more than it may. Nobody for an
    /// entry that does not wait.
    OneOfferPerEntry,
    OffersEndOnce,
    OffersGoToTheReady,
    OffersGoToTheSkilled,
    NobodyIsOvertaken,
    /// Whoever an entry is kept for, or would rather have, is rung before others.
    ThePreferredGoFirst,
    /// Of those who could be rung, its queue's strategy says who is.
    TheStrategyChooses,
    /// No agent is ready while somebody waits for whom they could be rung.
    NobodyIdles,
    OneTalkPerAgent,
    /// offered = exits + waiting, and events, distributor and board agree on each of the three.
    CountsAgree,
    /// Agents are in the states, and calls are up, that were told.
    StatesAgree,
    OneRecordPerCall,
    /// Records have no loose ends, and their sums are those of the day.
    RecordsAddUp,
    /// Records say what callers and agents saw.
    RecordsAreTrue,
    NothingIsLeft,
}

/// A promise was not kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    pub promise: Promise,
    /// Who and what.
    pub story: String,
}

impl Promise {
    pub fn broken(self, story: String) -> Result<(), Broken> {
        Err(Broken { promise: self, story })
    }

    pub fn holds(self, condition: bool, story: impl FnOnce() -> String) -> Result<(), Broken> {
        if condition { Ok(()) } else { self.broken(story()) }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.story)
    }
}

/// Follows one switchboard through its day.
pub struct Checker {
    calls: BTreeSet<CallId>,
    /// By place in the settings, which is their id.
    names: Vec<Arc<str>>,
    agents: BTreeMap<Arc<str>, Agent>,
    queues: Vec<Arc<str>>,
    /// How many agents may be rung at a time for an entry of each.
    at_once: BTreeMap<Arc<str>, usize>,
    waiting: BTreeMap<EntryId, Waiting>,
    left: BTreeSet<EntryId>,
    /// Those who are to be called back.
    promised: BTreeSet<EntryId>,
    /// Tasks that are worked on.
    in_hand: BTreeSet<EntryId>,
    fairness: Fairness,
    board: Board,
    recorder: Recorder,
    recorded: BTreeMap<Arc<str>, Sums>,
    recorded_offers: BTreeMap<Outcome, u64>,
    settled: u64,
    /// Of whom something was told since the last settled step.
    touched_agents: BTreeSet<AgentId>,
    touched_entries: BTreeSet<EntryId>,
    /// The entry whose reasons were looked at last.
    explained_last: EntryId,
    pub contacts: Vec<Contact>,
    pub sums: BTreeMap<Arc<str>, Sums>,
    pub calls_started: u64,
    pub calls_ended: u64,
    pub offers: BTreeMap<Outcome, u64>,
}

struct Agent {
    id: AgentId,
    phase: AgentPhase,
    offer: Option<OfferId>,
    talk: Option<CallId>,
}

struct Waiting {
    queue: Arc<str>,
    ringing: BTreeSet<OfferId>,
    /// When the first of these was rung.
    rung: Time,
    accepted: bool,
}

/// Of one queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    pub offered: u64,
    pub exits: BTreeMap<Exit, u64>,
    pub waiting: u64,
    pub answered_wait: Duration,
    pub in_service_level: u64,
}

impl Sums {
    pub fn exited(&self) -> u64 {
        self.exits.values().sum()
    }

    pub fn of(&self, exit: Exit) -> u64 {
        self.exits.get(&exit).copied().unwrap_or(0)
    }

    fn left(&mut self, exit: Exit, waited: Duration, in_service_level: bool) {
        *self.exits.entry(exit).or_default() += 1;
        if exit == Exit::Answered {
            self.answered_wait += waited;
        }
        self.in_service_level += u64::from(in_service_level);
    }
}

impl Checker {
    pub fn new(start: Time, queues: &[QueueSettings], agents: &[AgentSettings]) -> Checker {
        let queue_names: Vec<Arc<str>> = queues.iter().map(|queue| queue.name.as_str().into()).collect();
        let names: Vec<Arc<str>> = agents.iter().map(|agent| agent.name.as_str().into()).collect();
        let offline = |index: usize| Agent { id: agent_id(index), phase: AgentPhase::Offline, offer: None, talk: None };
        let at_once = |queue: &QueueSettings| match queue.strategy {
            Strategy::RingAll => queue.ring_all_max.max(1) as usize,
            _ => 1,
        };
        Checker {
            at_once: queue_names.iter().cloned().zip(queues.iter().map(at_once)).collect(),
            calls: BTreeSet::new(),
            agents: names.iter().enumerate().map(|(index, name)| (name.clone(), offline(index))).collect(),
            waiting: BTreeMap::new(),
            left: BTreeSet::new(),
            promised: BTreeSet::new(),
            in_hand: BTreeSet::new(),
            fairness: Fairness::new(queues, agents),
            board: Board::new(start, queue_names.iter().map(|name| &**name), names.iter().map(|name| &**name)),
            names,
            recorder: Recorder::default(),
            recorded: BTreeMap::new(),
            recorded_offers: BTreeMap::new(),
            settled: 0,
            touched_agents: BTreeSet::new(),
            touched_entries: BTreeSet::new(),
            explained_last: EntryId(0),
            contacts: Vec::new(),
            sums: queue_names.iter().map(|name| (name.clone(), Sums::default())).collect(),
            queues: queue_names,
            calls_started: 0,
            calls_ended: 0,
            offers: BTreeMap::new(),
        }
    }

    /// Who calls again has the old place, or the agent of a talk that broke, which is the distributor's to remember; to be called after
    /// [`distributor_told`](Checker::distributor_told).
    pub fn knows_again(&mut self, event: &AcdEvent, acd: &Acd) {
        let entries: Vec<EntryId> = match &event.change {
            Change::Arrive { entry, .. } => vec![*entry],
            Change::Leave { .. } | Change::TalkEnded { broke: true, .. } => self.waiting.keys().copied().collect(),
            _ => return,
        };
        for (entry, view) in entries.into_iter().filter_map(|entry| Some((entry, acd.entry(entry)?))) {
            self.fairness.is_known_again(event.at, entry, view.since, view.prefer);
        }
    }

    /// What the distributor is told, after what is told of it.
    ///
    /// # Errors
    ///
    /// It is told of an entry of which nobody else heard.
    pub fn distributor_told(&mut self, event: &AcdEvent) -> Result<(), Broken> {
        if let Change::Arrive { entry, arrival } = &event.change {
            // Nobody holds the line: the switchboard tells of it when it is taken.
            if arrival.callback.is_some() {
                return Ok(());
            }
            let queue = self.queues.get(arrival.queue.0 as usize);
            let joined = self.waiting.get(entry).is_some_and(|waiting| Some(&waiting.queue) == queue);
            let story = || format!("{entry} arrives at {queue:?}, and that was not told");
            Promise::EntriesJoinAndLeaveOnce.holds(joined, story)?;
        }
        // Its second opinion is of callers alone: of agents it does not know how many tasks they can have.
        let is_task = matches!(&event.change, Change::Arrive { arrival, .. } if arrival.kind == Kind::Task);
        if !is_task {
            self.fairness.told(event.at, &event.change);
        }
        Ok(())
    }

    /// # Errors
    ///
    /// The event breaks a promise.
    pub fn handle(&mut self, event: &CallEvent) -> Result<(), Broken> {
        let at = event.at;
        self.board.apply(event);
        if let What::Task { .. } = event.what {
            return self.task(event);
        }
        match &event.what {
            What::CallStarted { call, .. } => {
                self.calls_started += 1;
                let new = self.calls.insert(*call);
                Promise::CallsBeginAndEndOnce.holds(new, || format!("{call} began twice"))?;
            }
            What::CallEnded { call, .. } => {
                self.calls_ended += 1;
                let known = self.calls.remove(call);
                Promise::CallsBeginAndEndOnce.holds(known, || format!("{call} ended, but was not there"))?;
            }
            What::Queued { entry, queue, .. } => {
                self.fairness.joins(at, *entry, queue);
                let ringing = BTreeSet::new();
                let waiting = Waiting { queue: queue.clone(), ringing, rung: at, accepted: false };
                self.touched_entries.insert(*entry);
                let new = self.waiting.insert(*entry, waiting).is_none() && !self.left.contains(entry);
                Promise::EntriesJoinAndLeaveOnce.holds(new, || format!("{entry} joined twice"))?;
                let sums = self.sums.entry(queue.clone()).or_default();
                sums.offered += 1;
                sums.waiting += 1;
            }
            What::Dequeued { entry, queue, exit, waited, in_service_level, .. } => {
                let gone = self.waiting.remove(entry).filter(|w| w.queue == *queue);
                let Some(gone) = gone else {
                    return Promise::EntriesJoinAndLeaveOnce.broken(format!("{entry} left {queue}, but was not there"));
                };
                // Who goes on joins another.
                if *exit != Exit::Overflowed {
                    self.left.insert(*entry);
                }
                self.fairness.leaves(*entry, *exit == Exit::Overflowed);
                let answered = *exit == Exit::Answered;
                Promise::AnsweredIsAccepted
                    .holds(gone.accepted == answered, || format!("{entry} left by {exit:?}, {}", gone.accepted))?;
                Promise::OffersEndOnce
                    .holds(gone.ringing.is_empty(), || format!("{entry} left while {:?} rings", gone.ringing))?;
                let sums = self.sums.entry(queue.clone()).or_default();
                sums.waiting -= 1;
                sums.left(*exit, *waited, *exit == Exit::Answered && *in_service_level);
            }
            What::Promised { entry, .. } => {
                let new = self.promised.insert(*entry);
                Promise::EntriesJoinAndLeaveOnce.holds(new, || format!("{entry} was promised twice"))?;
            }
            What::PromiseOver { entry, .. } => {
                let stood = self.promised.remove(entry);
                Promise::EntriesJoinAndLeaveOnce.holds(stood, || format!("{entry} is over, but was not promised"))?;
            }
            // How promises are ordered among those on the line is the distributor's to show.
            What::Offered { entry, offer, agent, .. } if self.promised.contains(entry) => {
                let a = known(&mut self.agents, agent)?;
                self.touched_agents.insert(a.id);
                let free = a.offer.replace(*offer).is_none() && a.talk.is_none();
                Promise::OneOfferPerAgent.holds(free, || format!("{agent} got {offer} while they have another"))?;
            }
            What::OfferEnded { entry, offer, agent, outcome, .. } if self.promised.contains(entry) => {
                let a = known(&mut self.agents, agent)?;
                self.touched_agents.insert(a.id);
                let rang = a.offer.take() == Some(*offer);
                Promise::OffersEndOnce.holds(rang, || format!("{offer} for {entry} to {agent} did not ring"))?;
                *self.offers.entry(*outcome).or_default() += 1;
            }
            What::Offered { entry, offer, agent, .. } => {
                let a = known(&mut self.agents, agent)?;
                self.touched_agents.insert(a.id);
                self.touched_entries.insert(*entry);
                Promise::OneOfferPerAgent.holds(a.offer.is_none() && a.talk.is_none(), || {
                    format!("{agent} got {offer} while {:?} rings, or talking in {:?}", a.offer, a.talk)
                })?;
                a.offer = Some(*offer);
                let waits = |w: &&mut Waiting| {
                    let most = self.at_once.get(&w.queue).copied().unwrap_or(1);
                    !w.accepted && (w.ringing.is_empty() || w.rung == at && w.ringing.len() < most)
                };
                let Some(waiting) = self.waiting.get_mut(entry).filter(waits) else {
                    return Promise::OneOfferPerEntry
                        .broken(format!("{offer} for {entry}, which does not wait for one"));
                };
                waiting.ringing.insert(*offer);
                waiting.rung = at;
                self.fairness.rings(at, agent, *entry)?;
            }
            What::OfferEnded { entry, offer, agent, outcome, .. } => {
                let a = known(&mut self.agents, agent)?;
                self.touched_agents.insert(a.id);
                self.touched_entries.insert(*entry);
                let waiting = self.waiting.get_mut(entry);
                let (rang, was_taken, others) = match waiting {
                    Some(w) => {
                        let was_taken = w.accepted;
                        w.accepted |= *outcome == Outcome::Accepted;
                        (w.ringing.remove(offer), was_taken, w.ringing.len())
                    }
                    None => (false, false, 0),
                };
                let rang = a.offer.take() == Some(*offer) && rang;
                Promise::OffersEndOnce.holds(rang, || format!("{offer} for {entry} to {agent} did not ring"))?;
                *self.offers.entry(*outcome).or_default() += 1;
                Promise::AnsweredIsAccepted.holds(was_taken == (*outcome == Outcome::AnsweredElsewhere), || {
                    format!("{agent} is done with {entry} as {outcome:?}, which somebody took: {was_taken}")
                })?;
                self.fairness.stops_ringing(at, agent, *entry, *outcome, others);
            }
            What::Connected { call, with, .. } => {
                let up = self.calls.contains(call);
                Promise::CallsBeginAndEndOnce.holds(up, || format!("{with} talks in {call}, which is not up"))?;
                // A number outside may be in many talks.
                if let Some(a) = self.agents.get_mut(with) {
                    self.touched_agents.insert(a.id);
                    let free = a.talk.replace(*call).is_none();
                    Promise::OneTalkPerAgent.holds(free, || format!("{with} talks in two calls"))?;
                }
            }
            What::Disconnected { call, with, .. } => {
                if let Some(a) = self.agents.get_mut(with) {
                    self.touched_agents.insert(a.id);
                    let talked = a.talk.take() == Some(*call);
                    Promise::OneTalkPerAgent.holds(talked, || format!("{with} did not talk in {call}"))?;
                }
            }
            What::Agent { agent, phase, .. } => {
                let a = known(&mut self.agents, agent)?;
                a.phase = *phase;
                self.touched_agents.insert(a.id);
                self.fairness.is_in(at, agent, *phase);
            }
            _ => {}
        }
        let record = self.recorder.apply(event);
        if let What::CallEnded { call, .. } = event.what {
            self.recorded(call, record)?;
        }
        Ok(())
    }

    fn recorded(&mut self, call: CallId, record: Option<Contact>) -> Result<(), Broken> {
        let Some(record) = record.filter(|record| record.id == call) else {
            return Promise::OneRecordPerCall.broken(format!("{call} ended without a record"));
        };
        Promise::RecordsAddUp.holds(!record.truncated, || format!("the record of {call} is not whole"))?;
        for wait in &record.waits {
            let Some(exit) = wait.exit else {
                return Promise::RecordsAddUp.broken(format!("{call} is over, but {} waits", wait.entry));
            };
            let sums = self.recorded.entry(wait.queue.clone()).or_default();
            sums.offered += 1;
            sums.left(exit, Duration::from_millis(wait.counts_ms()), wait.in_service_level);
        }
        for offer in &record.offers {
            let Some(outcome) = offer.outcome else {
                return Promise::RecordsAddUp.broken(format!("{call} is over, but {} rings", offer.offer));
            };
            *self.recorded_offers.entry(outcome).or_default() += 1;
        }
        self.contacts.push(record);
        Ok(())
    }

    /// When the switchboard, which has so many calls, has done all that follows from an input.
    ///
    /// # Errors
    ///
    /// What it has is not what it told, or it should have done more.
    pub fn settled(&mut self, now: Time, acd: &Acd, calls: usize) -> Result<(), Broken> {
        for (index, queue) in self.queues.iter().enumerate() {
            let id = QueueId(u32::try_from(index).expect("fewer queues than 2^32"));
            let counts = acd.queue_counts(id).expect("the queues are those of the settings");
            self.counted(queue, &counts)?;
        }
        self.tasks_settled(acd)?;
        self.up(calls)?;
        self.fairness.nobody_idles(now)?;
        self.settled += 1;
        let seldom = self.settled.is_multiple_of(SELDOM);
        let mut agents = std::mem::take(&mut self.touched_agents);
        let mut entries = std::mem::take(&mut self.touched_entries);
        if seldom {
            agents.extend((0..self.names.len()).map(agent_id));
            let after = self.waiting.range(EntryId(self.explained_last.0 + 1)..).next();
            if let Some((&entry, _)) = after.or_else(|| self.waiting.first_key_value()) {
                self.explained_last = entry;
                entries.insert(entry);
            }
        }
        for id in agents {
            let state = acd.agent_state(id).expect("the agents are those of the settings");
            self.in_state(&self.names[id.0 as usize], state)?;
        }
        for entry in entries {
            self.explained(entry, &acd.explain(entry))?;
        }
        Ok(())
    }

    /// What the distributor and the board counted.
    fn counted(&self, queue: &Arc<str>, counts: &QueueCounts) -> Result<(), Broken> {
        let sums = &self.sums[queue];
        let line = self.board.queues().get(queue);
        let conserved = counts.offered == counts.exits_total() + counts.waiting;
        let same = (counts.offered, counts.waiting, counts.answered_in_level, &counts.exits)
            == (sums.offered, sums.waiting, sums.in_service_level, &sums.exits);
        let shown = line.is_some_and(|line| {
            (line.entries, line.exits, line.waiting.len() as u64) == (sums.offered, sums.exited(), sums.waiting)
        });
        Promise::CountsAgree
            .holds(conserved && same && shown, || format!("{queue}: {counts:?}, told {sums:?}, shown {line:?}"))
    }

    /// How many calls are up.
    fn up(&self, calls: usize) -> Result<(), Broken> {
        let told = (self.calls.len(), self.board.calls().len(), self.recorder.open());
        Promise::StatesAgree.holds(told == (calls, calls, calls), || format!("{calls} calls are up, told {told:?}"))
    }

    fn in_state(&self, agent: &Arc<str>, state: &AgentState) -> Result<(), Broken> {
        let told = self.agents[agent].phase;
        let shown = self.board.agents().get(agent).map(|desk| desk.phase);
        let same = told.name() == state.label() && shown == Some(told);
        Promise::StatesAgree.holds(same, || format!("{agent} is {state:?}, told {told:?}, shown {shown:?}"))
    }

    /// Somebody who could be rung and is not, although nobody is rung for the entry, is idle without reason: also where
    /// the agent refused it and is asked again because nobody else is left.
    fn explained(&self, entry: EntryId, reasons: &[(AgentId, WhyNot)]) -> Result<(), Broken> {
        let Some(waiting) = self.waiting.get(&entry) else { return Ok(()) };
        let ringing = reasons.iter().filter(|(_, why)| matches!(why, WhyNot::Ringing { .. })).count();
        Promise::OneOfferPerEntry.holds(ringing == waiting.ringing.len(), || {
            format!("{ringing} agents are rung for {entry}, told {:?}", waiting.ringing)
        })?;
        let idle = reasons.iter().find(|(_, why)| *why == WhyNot::RankedLower);
        Promise::NobodyIdles
            .holds(ringing > 0 || idle.is_none(), || format!("{idle:?} could be rung for {entry}, but nobody is"))
    }

    /// When everybody has gone home.
    ///
    /// # Errors
    ///
    /// Something goes on for ever, or the records do not add up to the day.
    pub fn at_the_end(&self, leftovers: &[(&'static str, usize)], media_legs: usize) -> Result<(), Broken> {
        let left = Promise::NothingIsLeft;
        left.holds(leftovers.is_empty() && media_legs == 0, || format!("{leftovers:?}, {media_legs} media legs"))?;
        left.holds(self.calls.is_empty(), || format!("calls that never ended: {:?}", self.calls))?;
        left.holds(self.waiting.is_empty(), || format!("{} entries never left", self.waiting.len()))?;
        for (name, agent) in &self.agents {
            let free = agent.offer.is_none() && agent.talk.is_none();
            left.holds(free, || format!("{name} still has {:?} or talks in {:?}", agent.offer, agent.talk))?;
        }
        let records = self.contacts.len() as u64;
        Promise::OneRecordPerCall.holds(records == self.calls_started && records == self.calls_ended, || {
            format!("{} calls, {} ended, {records} records", self.calls_started, self.calls_ended)
        })?;
        let sums = Promise::RecordsAddUp;
        sums.holds(self.recorded_offers == self.offers, || {
            format!("{:?}, told {:?}", self.recorded_offers, self.offers)
        })?;
        for (queue, told) in &self.sums {
            let recorded = self.recorded.get(queue).cloned().unwrap_or_default();
            // Each wait is cut to whole milliseconds.
            let cut = told.answered_wait.saturating_sub(recorded.answered_wait);
            let cut_max = Duration::from_millis(told.of(Exit::Answered));
            let same = Sums { answered_wait: told.answered_wait, ..recorded.clone() } == *told
                && recorded.answered_wait <= told.answered_wait
                && cut <= cut_max;
            sums.holds(same, || format!("{queue}: {recorded:?}, told {told:?}"))?;
        }
        Ok(())
    }
}

fn agent_id(index: usize) -> AgentId {
    AgentId(u32::try_from(index).expect("fewer agents than 2^32"))
}

fn known<'a>(agents: &'a mut BTreeMap<Arc<str>, Agent>, name: &Arc<str>) -> Result<&'a mut Agent, Broken> {
    let stranger = || Broken { promise: Promise::StatesAgree, story: format!("{name} is no agent") };
    agents.get_mut(name).ok_or_else(stranger)
}

mod tasks;
#[cfg(test)]
mod tests;

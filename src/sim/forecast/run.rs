//! One day from one seed: the distributor itself, with callers and agents who are drawn instead of telephoned with.

use super::callers::{self, Caller, stream};
use super::plan::{Group, Plan};
use super::recorded::anew;
use super::tally::{QueueNumbers, Spent, Tally};
use crate::acd::{Acd, AcdEvent, AgentSettings, AgentState, Arrival, Change, Decision, Exit, Outcome};
use crate::ids::{AgentId, EntryId, OfferId, QueueId};
use crate::sim::chance::Chance;
use crate::time::{Duration, Time};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// A day that goes on.
///
/// [`advance`](Run::advance) as often as is liked, in steps of any length, until [`is_over`](Run::is_over); then
/// [`finish`](Run::finish). The steps change nothing.
pub struct Run<'p> {
    plan: &'p Plan,
    midnight: Time,
    acd: Acd,
    callers: Vec<Caller>,
    /// Of each caller.
    places: Vec<Place>,
    /// When those that are in another queue than their first came there.
    went_on: BTreeMap<EntryId, Time>,
    next_caller: usize,
    agents: Vec<Agent<'p>>,
    tally: Tally,
    happenings: BinaryHeap<Reverse<(Time, u64, Happening)>>,
    /// Happenings of the same moment happen in the order in which they were foreseen.
    foreseen: u64,
    now: Time,
    decisions: u64,
    #[cfg(test)]
    pub(super) events: Vec<AcdEvent>,
    #[cfg(test)]
    pub(super) decided: Vec<Decision>,
}

/// What one day came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcomes {
    /// Of each queue: every interval of arrival, then the day.
    pub queues: Vec<Vec<QueueNumbers>>,
    /// Of each group: every interval, then all the time there was.
    pub groups: Vec<Vec<Spent>>,
    pub calls: u64,
    /// What the distributor said.
    pub decisions: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    NotYet,
    Waiting,
    Talking,
    Gone,
}

struct Agent<'p> {
    group: &'p Group,
    chance: Chance,
    /// What rings now.
    offer: Option<OfferId>,
    /// Whom they talked with last.
    caller: Option<usize>,
    /// The break that waits for a talk to end; then until when it lasts.
    break_due: Option<Duration>,
    /// Counts wrap-ups and breaks, so that the end of one does not end the next.
    turn: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Opens {
        queue: u32,
        until: Time,
    },
    ShiftBegins(u32),
    ShiftEnds(u32),
    Break {
        agent: u32,
        length: Duration,
    },
    BreakOver {
        agent: u32,
        turn: u32,
    },
    /// The agent takes the call, or does not want it.
    Reacts {
        agent: u32,
        offer: OfferId,
        outcome: Outcome,
    },
    HangsUp(u32),
    TalkEnds(u32),
    NotesDone {
        agent: u32,
        turn: u32,
    },
    PhoneAnswers {
        agent: u32,
    },
    DoorShuts,
}

const BREAK: &str = "break";

impl<'p> Run<'p> {
    pub fn new(plan: &'p Plan, seed: u64) -> Run<'p> {
        Run::with_callers(plan, seed, callers::draw(plan, seed))
    }

    /// With these callers, in the order of their arrival.
    pub fn with_callers(plan: &'p Plan, seed: u64, callers: Vec<Caller>) -> Run<'p> {
        let groups = plan.groups.iter().enumerate().flat_map(|(i, group)| (0..group.agents).map(move |_| i));
        let midnight = plan.midnight();
        let mut run = Run {
            plan,
            midnight,
            acd: Acd::with_truth(seed, Tally::truth(plan)),
            places: vec![Place::NotYet; callers.len()],
            went_on: BTreeMap::new(),
            callers,
            next_caller: 0,
            agents: Vec::with_capacity(plan.agents()),
            tally: Tally::new(plan, groups),
            happenings: BinaryHeap::new(),
            foreseen: 0,
            now: midnight,
            decisions: 0,
            #[cfg(test)]
            events: Vec::new(),
            #[cfg(test)]
            decided: Vec::new(),
        };
        for (id, settings) in (0..).map(QueueId).zip(&plan.queues) {
            run.apply(midnight, Change::Queue { id, settings: settings.clone() });
        }
        for (queue, hours) in (0..).map(QueueId).zip(&plan.hours) {
            let Some(hours) = hours else { continue };
            run.apply(midnight, Change::Close { queue });
            for (from, to) in hours.iter().filter(|(from, _)| *from < plan.ends()) {
                run.foresee(midnight + *from, Happening::Opens { queue: queue.0, until: midnight + *to });
            }
        }
        for group in &plan.groups {
            for place in 0..group.agents {
                run.hire(group, place, seed);
            }
        }
        run.foresee(midnight + plan.ends(), Happening::DoorShuts);
        run
    }

    /// `place`: the agent's within the group.
    fn hire(&mut self, group: &'p Group, place: u32, seed: u64) {
        let id = u32::try_from(self.agents.len()).expect("agents are bounded");
        let name = format!("{} {}", group.name, place + 1);
        let settings = AgentSettings { name, ..group.settings.clone() };
        let chance = stream(seed, 100, u64::from(id));
        self.agents.push(Agent { group, chance, offer: None, caller: None, break_due: None, turn: 0 });
        self.apply(self.midnight, Change::Agent { id: AgentId(id), settings });
        self.foresee(self.midnight + group.from, Happening::ShiftBegins(id));
        self.foresee(self.midnight + group.to, Happening::ShiftEnds(id));
        for pause in &group.breaks {
            let turn = pause.spread.mul_f64(f64::from(place) / f64::from(group.agents.max(2) - 1));
            self.foresee(self.midnight + pause.at + turn, Happening::Break { agent: id, length: pause.length });
        }
    }

    /// Everything up to this time of day, counted from midnight.
    pub fn advance(&mut self, until: Duration) {
        let until = self.midnight + until;
        while let Some((at, next)) = self.next().filter(|(at, _)| *at <= until) {
            match next {
                Next::Deadline => self.apply(at, Change::Tick),
                Next::Caller => self.caller_arrives(at),
                Next::Happening => {
                    let Some(Reverse((at, _, happening))) = self.happenings.pop() else { return };
                    self.happens(at, happening);
                }
            }
        }
    }

    /// Nobody is left.
    pub fn is_over(&self) -> bool {
        self.next().is_none()
    }

    /// Plays the rest of the day.
    pub fn finish(mut self) -> Outcomes {
        self.advance(Duration::from_secs(u64::from(u32::MAX)));
        let calls = self.callers.len() as u64;
        let (queues, groups) = self.tally.finish(self.now, self.acd.truth());
        Outcomes { queues, groups, calls, decisions: self.decisions }
    }

    /// Deadlines of the distributor come first, then what was foreseen, then who calls. After the last talk nothing comes: a
    /// pause may be left that nobody sees the end of.
    fn next(&self) -> Option<(Time, Next)> {
        let caller = self.callers.get(self.next_caller).map(|caller| (caller.at, Next::Caller));
        let happening = self.happenings.peek().map(|Reverse((at, ..))| (*at, Next::Happening));
        let first = [happening, caller].into_iter().flatten().min()?;
        let deadline = self.acd.poll_timeout().map(|at| (at, Next::Deadline));
        deadline.into_iter().chain([first]).min()
    }

    fn foresee(&mut self, at: Time, happening: Happening) {
        self.foreseen += 1;
        self.happenings.push(Reverse((at, self.foreseen, happening)));
    }

    fn caller_arrives(&mut self, at: Time) {
        let index = self.next_caller;
        self.next_caller += 1;
        let caller = &self.callers[index];
        let patience = caller.patience;
        let arrival = arrival(self.plan, caller, index);
        self.places[index] = Place::Waiting;
        if let Some(patience) = patience {
            self.foresee(at + patience, Happening::HangsUp(number(index)));
        }
        self.apply(at, arrival);
    }

    fn happens(&mut self, at: Time, happening: Happening) {
        match happening {
            Happening::Opens { queue, until } => {
                self.apply(at, Change::Open { queue: QueueId(queue), until: Some(until) });
            }
            Happening::ShiftBegins(agent) => self.apply(at, Change::LoggedIn { agent: AgentId(agent) }),
            Happening::ShiftEnds(agent) => {
                self.agents[agent as usize].break_due = None;
                self.apply(at, Change::LoggedOut { agent: AgentId(agent), down: false });
            }
            Happening::Break { agent, length } => {
                self.agents[agent as usize].break_due = Some(length);
                self.apply(at, Change::Pause { agent: AgentId(agent), reason: BREAK.into() });
            }
            Happening::BreakOver { agent, turn } => {
                if self.agents[agent as usize].turn == turn {
                    self.apply(at, Change::Resume { agent: AgentId(agent) });
                }
            }
            Happening::Reacts { agent, offer, outcome } => {
                if self.agents[agent as usize].offer == Some(offer) {
                    self.apply(at, Change::OfferEnded { offer, outcome });
                }
            }
            Happening::HangsUp(caller) => {
                if self.places[caller as usize] == Place::Waiting {
                    self.apply(
                        at,
                        Change::Leave { entry: entry(caller as usize), exit: self.callers[caller as usize].leaves },
                    );
                }
            }
            Happening::TalkEnds(caller) => {
                self.places[caller as usize] = Place::Gone;
                self.apply(at, Change::TalkEnded { entry: entry(caller as usize), broke: false });
            }
            Happening::NotesDone { agent, turn } => {
                if self.agents[agent as usize].turn == turn {
                    self.apply(at, Change::EndWrapUp { agent: AgentId(agent) });
                }
            }
            Happening::PhoneAnswers { agent } => {
                self.apply(at, Change::ProbeEnded { agent: AgentId(agent), reachable: true });
            }
            Happening::DoorShuts => {
                let queues = (0..).map(QueueId).take(self.plan.queues.len());
                for entry in queues.flat_map(|queue| self.acd.entries(queue)).collect::<Vec<_>>() {
                    self.apply(at, Change::Leave { entry, exit: Exit::QueueClosed });
                }
            }
        }
    }

    fn apply(&mut self, at: Time, change: Change) {
        self.now = at;
        let event = AcdEvent { at, change };
        self.acd.apply(&event);
        #[cfg(test)]
        self.events.push(event);
        while let Some(decision) = self.acd.poll_decision() {
            self.decisions += 1;
            #[cfg(test)]
            self.decided.push(decision.clone());
            self.decided(at, decision);
        }
    }

    fn decided(&mut self, now: Time, decision: Decision) {
        match decision {
            Decision::Offer { offer, agent, .. } => self.rings(now, agent, offer),
            Decision::OfferEnded { offer, agent, .. } => {
                let agent = &mut self.agents[agent.0 as usize];
                agent.offer = agent.offer.filter(|current| *current != offer);
            }
            Decision::Exit { entry, queue, exit, waited, to, .. } => {
                let index = (entry.0 - 1) as usize;
                let caller = &self.callers[index];
                let came = self.went_on.remove(&entry).unwrap_or(caller.at);
                self.tally.left(queue, came, exit, waited);
                if to.is_some() {
                    self.went_on.insert(entry, now);
                    return;
                }
                self.places[index] = Place::Gone;
                if exit == Exit::Answered {
                    self.places[index] = Place::Talking;
                    if let Some(talk) = caller.talk {
                        self.foresee(now + talk, Happening::TalkEnds(number(index)));
                    }
                }
            }
            // Nobody asks to be called back.
            Decision::NotReached { .. } => {}
            // Phones are there as long as their agents are.
            Decision::Probe { agent, .. } => self.foresee(now, Happening::PhoneAnswers { agent: agent.0 }),
            Decision::Agent { agent, state } => self.agent_is(now, agent, &state),
        }
    }

    fn rings(&mut self, now: Time, id: AgentId, offer: OfferId) {
        let agent = &mut self.agents[id.0 as usize];
        agent.offer = Some(offer);
        let what = agent.chance.unit();
        let after = agent.group.answers_after.draw(&mut agent.chance);
        let Group { declines, misses, .. } = agent.group;
        let outcome = match what {
            what if what < *declines => Outcome::Declined,
            what if what < declines + misses => return,
            _ => Outcome::Accepted,
        };
        if let Some(after) = after {
            self.foresee(now + after, Happening::Reacts { agent: id.0, offer, outcome });
        }
    }

    fn agent_is(&mut self, now: Time, id: AgentId, state: &AgentState) {
        self.tally.agent(id.0 as usize, state, now);
        let agent = &mut self.agents[id.0 as usize];
        match state {
            AgentState::Talking { entry, .. } => agent.caller = Some((entry.0 - 1) as usize),
            AgentState::WrapUp { until } => {
                agent.turn += 1;
                let turn = agent.turn;
                let notes = agent.caller.and_then(|caller| self.callers[caller].notes);
                if let Some(notes) = notes.filter(|notes| now + *notes < *until) {
                    self.foresee(now + notes, Happening::NotesDone { agent: id.0, turn });
                }
            }
            AgentState::Paused { reason, .. } if reason == BREAK => {
                if let Some(length) = agent.break_due.take() {
                    agent.turn += 1;
                    let turn = agent.turn;
                    self.foresee(now + length, Happening::BreakOver { agent: id.0, turn });
                }
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Deadline,
    Happening,
    Caller,
}

fn entry(caller: usize) -> EntryId {
    EntryId(caller as u64 + 1)
}

fn number(caller: usize) -> u32 {
    u32::try_from(caller).expect("callers are bounded")
}

/// What the distributor is told of who calls.
fn arrival(plan: &Plan, caller: &Caller, index: usize) -> Change {
    if let Some((recorded_at, change)) = caller.recorded.as_deref() {
        return anew(change, *recorded_at, entry(index), caller.at);
    }
    let calls = &plan.calls[caller.calls as usize];
    let arrival = Arrival {
        queue: caller.queue,
        need: calls.needs.clone(),
        attributes: calls.attributes.clone(),
        priority: calls.priority,
        since: caller.at,
        ..Arrival::default()
    };
    Change::Arrive { entry: entry(index), arrival: Box::new(arrival) }
}

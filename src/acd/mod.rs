//! Automatic call distribution: who answers whom, and when.
//!
//! A fold: [`Acd`] changes only through [`AcdEvent`]s, which carry their own time. The same events in the same order
//! give the same state and the same decisions. Knows neither phones nor calls nor flows, and no clock.
//!
//! One total order over all queues that compete for an agent: score = priority + ageing × weight × seconds waited; of equal
//! scores the greater weight × wait; ties by who came first. An agent takes the highest of those they may serve; an entry takes, of
//! the agents who may serve it, the one whom its queue's strategy prefers. With equal priority, ageing and weight nobody is
//! overtaken by a later arrival of the same kind whose needs the same agent meets, unless that agent refused them or they are
//! kept for somebody else for now; nor is a call overtaken by a task at an agent who is offered no calls while they work on tasks.
//!
//! Who may serve an entry is what its need says (see [`crate::need`]), which may be relaxed while it waits; licences never are.
//!
//! | file | holds |
//! |---|---|
//! | `event`, `settings` | what happens and what follows, in words; what queues and agents are to be like |
//! | `agent`, `phase`, `staffing` | an agent's facts and state; what changes them |
//! | `alike` | settings of agents, each kept once |
//! | `gone` | queues and agents that the settings have no more |
//! | `rest` | what spares agents: rests after calls, a cap on occupancy |
//! | `probe` | whether a phone that was not answered is there at all |
//! | `down` | agents whose phone is gone because the service was |
//! | `entry`, `queue`, `waiting` | an entry, its queue; arriving and leaving |
//! | `tasks` | tasks that somebody works on, and what there is of all of them |
//! | `back`, `memory`, `redialled` | callers who come again, and what is remembered of them |
//! | `callback` | those who are to be called back |
//! | `admission`, `overflow` | whom a queue takes, when waiting is in vain, hours; from one queue to another |
//! | `offers` | an offer from the first ring to its outcome; refusals |
//! | `ability`, `lacking` | what agents can do and entries need; what of that nobody has |
//! | `line`, `pool`, `matching` | entries by need, agents by abilities, and who goes to whom |
//! | `deadline`, `ranked`, `bits`, `chance` | time, places in line, small sets, the dice |
//! | `snapshot` | all of it, to be kept and made anew |
//! | `digest` | all decisions as one number |
//! | `look`, `explain`, `counts`, `truth` | what there is, why, how many, and every figure a supervisor reads |
//! | `estimate`, `expected` | how long it will take |

mod ability;
mod admission;
mod agent;
mod alike;
mod back;
mod bits;
mod callback;
mod chance;
mod counts;
mod deadline;
mod digest;
mod down;
mod entry;
pub mod estimate;
pub mod event;
mod expected;
mod explain;
mod gone;
mod hope;
mod lacking;
mod line;
mod look;
mod matching;
mod memory;
mod offers;
mod overflow;
mod phase;
mod pool;
mod probe;
mod queue;
mod ranked;
mod redialled;
mod rest;
mod settings;
mod snapshot;
mod staffing;
mod tasks;
#[cfg(test)]
mod tests;
pub mod truth;
mod waiting;

pub use admission::{LOOK, Obstacle};
pub use callback::Callback;
pub use counts::QueueCounts;
pub use digest::{Digest, Noted};
pub use event::{AcdEvent, AgentState, Arrival, Change, Decision, Exit, Kind, Outcome, Prefer, TalkDetail, Who};
pub use explain::WhyNot;
pub use lacking::Lacking;
pub use look::{AgentView, EntryView};
pub use overflow::OVERFLOWS_MAX;
pub use phase::Phase;
pub use queue::Hours;
pub use settings::{
    AgentSettings, HeldLicence, InVain, KeepPlaceFor, OccupancyCap, Overflow, QueueSettings, Relax, RestReason,
    RestRule, Rule, Skills, Strategy, Validity, When,
};
pub use snapshot::Snapshot;
pub use tasks::{TaskStands, TaskView};

use crate::ids::{AgentId, EntryId, OfferId, QueueId};
use crate::need::Need;
use crate::time::{Duration, Time};
use agent::Agent;
use alike::Alike;
use back::Callers;
use bits::Bits;
use callback::Dialled;
use chance::Chance;
use deadline::{Deadline, Deadlines};
use entry::{Entry, Stands};
use estimate::Estimates;
use gone::Gone;
use hope::Hopes;
use line::Lines;
use matching::Touched;
use pool::Pools;
use queue::Queue;
use std::collections::{BTreeMap, VecDeque};
use tasks::InHand;
use truth::Truth;

/// The distributor: lines of entries, pools of agents, and the offers between them.
///
/// After each [`apply`](Acd::apply), take [`poll_decision`](Acd::poll_decision) until it gives `None`, carry out what
/// it says, and apply a [`Change::Tick`] at [`poll_timeout`](Acd::poll_timeout) if nothing else happens before.
///
/// The cost of an event grows with the number of *different* needs and skill sets in play (and of different refusals
/// remembered), not with the number of entries, agents or queues.
#[derive(Clone, Debug, PartialEq)]
pub struct Acd {
    now: Time,
    last_offer: u64,
    chance: Chance,
    queues: BTreeMap<QueueId, Queue>,
    /// Boxed, as the entries are: a tree keeps its nodes half empty and moves what is in them.
    agents: BTreeMap<AgentId, Box<Agent>>,
    alike: Alike,
    /// Those that wait, those an agent is rung for included.
    entries: BTreeMap<EntryId, Box<Entry>>,
    gone: Gone,
    offers: BTreeMap<OfferId, AgentId>,
    talks: BTreeMap<EntryId, AgentId>,
    /// Numbers that are to be called back: one promise each, which waits or is dialled.
    promises: BTreeMap<String, EntryId>,
    dialled: BTreeMap<EntryId, Box<Dialled>>,
    /// Those of `talks` that are tasks.
    in_hand: BTreeMap<EntryId, Box<InHand>>,
    lines: Lines,
    pools: Pools,
    /// Empty between events.
    touched: Touched,
    /// Agents whose abilities have changed in this instant, with the needs that they met before. Empty between events.
    repooled: Vec<(AgentId, Bits)>,
    deadlines: Deadlines,
    decisions: VecDeque<Decision>,
    /// See [`Acd::digest`].
    digest: Digest,
    hopes: Hopes,
    callers: Callers,
    /// Of calls, and of what agents spend their time on.
    truth: Truth,
    truth_of_tasks: Truth,
    estimates: Estimates,
    ignored: u64,
}

/// The change made no sense and nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ignored;

impl Acd {
    /// An ACD without queues and agents. `seed` is all the chance there is in it, and where the numbers of its offers
    /// begin: with the microsecond of the program's start, no two runs share one.
    pub fn new(seed: u64) -> Acd {
        Acd {
            now: Time::EPOCH,
            last_offer: seed,
            chance: Chance::new(seed),
            queues: BTreeMap::new(),
            agents: BTreeMap::new(),
            alike: Alike::default(),
            entries: BTreeMap::new(),
            gone: Gone::default(),
            offers: BTreeMap::new(),
            talks: BTreeMap::new(),
            promises: BTreeMap::new(),
            dialled: BTreeMap::new(),
            in_hand: BTreeMap::new(),
            lines: Lines::default(),
            pools: Pools::default(),
            touched: Touched::default(),
            repooled: Vec::new(),
            deadlines: Deadlines::default(),
            decisions: VecDeque::new(),
            digest: Digest::begin(seed),
            hopes: Hopes::default(),
            callers: Callers::default(),
            truth: Truth::default(),
            truth_of_tasks: Truth::default(),
            estimates: Estimates::default(),
            ignored: 0,
        }
    }

    /// As [`Acd::new`], with figures in these intervals.
    pub fn with_truth(seed: u64, settings: truth::Settings) -> Acd {
        Acd { truth: Truth::new(settings.clone()), truth_of_tasks: Truth::new(settings), ..Acd::new(seed) }
    }

    /// As [`Acd::new`], with other settings for what is counted and what is foretold than the usual.
    pub fn with_settings(seed: u64, truth: truth::Settings, estimate: estimate::Settings) -> Acd {
        Acd { estimates: Estimates::new(estimate), ..Acd::with_truth(seed, truth) }
    }

    /// Acts on all deadlines up to `event.at`, each at its own time, then on the change. After each instant and after
    /// the change, whoever is free is rung for whoever waits.
    pub fn apply(&mut self, event: &AcdEvent) {
        let at = event.at.max(self.now);
        self.act_on_deadlines(at);
        self.now = at;
        if let Err(Ignored) = self.change(&event.change) {
            self.ignored += 1;
        }
        self.make_offers();
        // An entry may arrive after its longest wait (its place was kept from before): it had its chance just now.
        self.act_on_deadlines(at);
    }

    /// What follows from the events so far, in order.
    pub fn poll_decision(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    /// When the next deadline is; always later than the last event. `None`: nothing will happen by itself.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadlines.next()
    }

    fn act_on_deadlines(&mut self, at: Time) {
        while let Some((time, deadline)) = self.deadlines.pop(at) {
            self.now = self.now.max(time);
            match deadline {
                Deadline::Shift(agent) => self.shift_over(agent),
                Deadline::Offer(agent) => self.offer_ended(agent, Outcome::NoAnswer),
                Deadline::WrapUp(agent) => self.wrap_up_over(agent),
                Deadline::BackOff(agent) => self.back_off_over(agent),
                Deadline::Probe(agent) => self.probe_failed(agent),
                Deadline::Rest(agent) => self.rest_over(agent),
                Deadline::Pause(agent) => self.pause_over(agent),
                Deadline::Abilities(agent) => self.abilities_due(agent),
                Deadline::Refusal(entry, agent) => self.refusal_ages(entry, agent),
                Deadline::Step(entry) => self.step_due(entry),
                Deadline::Closing(queue) => self.close(queue),
                Deadline::Overflow(entry) => self.overflow_due(entry),
                Deadline::Look(entry) => self.look_due(entry),
                Deadline::MaxWait(entry) => self.time_over(entry),
            }
            if !self.repooled.is_empty() && !self.deadlines.next_says_who_may(time) {
                self.conclude_from_abilities();
            }
            // All that is due in one instant is acted on before anybody is rung, so that its order decides nothing.
            if !self.deadlines.next_frees_by(time) {
                self.make_offers();
            }
        }
    }

    fn change(&mut self, change: &Change) -> Result<(), Ignored> {
        match change {
            Change::Queue { id, settings } => self.set_queue(*id, settings),
            Change::QueueGone { queue } => return self.queue_gone(*queue),
            Change::Open { queue, until } => return self.open(*queue, *until),
            Change::Close { queue } => return self.close_now(*queue),
            Change::Agent { id, settings } => self.set_agent(*id, settings),
            Change::AgentGone { agent } => return self.agent_gone(*agent),
            Change::LoggedIn { agent } => return self.logged_in(*agent),
            Change::LoggedOut { agent, down } => return self.logged_out(*agent, *down),
            Change::Pause { agent, reason } => return self.pause(*agent, reason),
            Change::Resume { agent } => return self.resume(*agent),
            Change::ProbeEnded { agent, reachable } => return self.probe_ended(*agent, *reachable),
            Change::Shift { agent, ends } => return self.shift(*agent, *ends),
            Change::Busy { agent } => return self.busy(*agent),
            Change::Free { agent } => return self.free(*agent),
            Change::EndWrapUp { agent } => return self.end_wrap_up(*agent),
            Change::ExtendWrapUp { agent } => return self.extend_wrap_up(*agent),
            Change::Arrive { entry, arrival } => return self.arrive(*entry, arrival),
            Change::Priority { entry, priority } => return self.set_priority(*entry, *priority),
            Change::Leave { entry, exit } => return self.leave(*entry, *exit),
            Change::OfferEnded { offer, outcome } => return self.offer_ended_by_phone(*offer, *outcome),
            Change::Answered { offer, until } => return self.answered(*offer, *until),
            Change::Talk { entry, detail } => return self.talk_is(*entry, *detail),
            Change::TalkEnded { entry, broke } => return self.talk_ended(*entry, *broke),
            Change::Reached { entry } => return self.reached(*entry),
            Change::WasDown { since } => self.was_down(*since),
            Change::Estimate { settings } => self.estimates.set(settings),
            Change::Tick => {}
        }
        Ok(())
    }
}

/// What can be asked at any time; the answers are as of the last event.
impl Acd {
    /// Place in its queue among the entries it competes with (those that some agent, logged in or not, could serve as
    /// well as it), one who is rung for included; 1 is next. `None` if it does not wait.
    pub fn position(&self, entry: EntryId) -> Option<u32> {
        let entry = self.entries.get(&entry)?;
        Some(self.seen_from(entry.queue(), entry.need, entry.place).ahead.saturating_add(1))
    }

    /// Entries of the queue that wait, those an agent is rung for included, and [`callbacks`](Acd::callbacks) not.
    pub fn waiting(&self, queue: QueueId) -> u32 {
        self.queues.get(&queue).map_or(0, |queue| u32::try_from(queue.by_since.len()).unwrap_or(u32::MAX))
    }

    /// Entries of the queue that wait, next to be served first, and then the promises that sleep.
    pub fn entries(&self, queue: QueueId) -> Vec<EntryId> {
        let orders = self.queues.get(&queue).into_iter().flat_map(|queue| queue.order.values());
        let mut places: Vec<_> = orders.flat_map(|order| order.iter()).collect();
        places.sort_unstable();
        let sleeps = |(_, entry): &(Time, EntryId)| self.entries[entry].stands == Stands::Asleep;
        let asleep = self.queues.get(&queue).into_iter().flat_map(|queue| queue.callbacks.iter().filter(sleeps));
        places.into_iter().map(|place| place.entry).chain(asleep.map(|(_, entry)| entry)).collect()
    }

    /// How long the entry that has waited longest has, promises excepted; `None` if nobody waits.
    pub fn longest_wait(&self, queue: QueueId, now: Time) -> Option<Duration> {
        let (since, _) = self.queues.get(&queue)?.by_since.first()?;
        Some(now.since(since))
    }

    /// Everything the entry needs now, its queue's needs included; `None` if it does not wait.
    pub fn needs(&self, entry: EntryId) -> Option<&Need> {
        self.entries.get(&entry).map(|entry| &self.lines.need(entry.need).requirement.need)
    }

    /// Sizes of the tables that are empty when nobody waits, is rung or talks. For tests that hunt leaks.
    pub fn tables(&self) -> [(&'static str, usize); 6] {
        [
            ("acd entries", self.entries.len()),
            ("acd lines", self.lines.in_use()),
            ("acd offers", self.offers.len()),
            ("acd talks", self.talks.len()),
            ("acd callers who talk", self.callers.talks()),
            ("acd promises", self.promises.len()),
        ]
    }

    /// Counts of the callers of a queue; `None` if there is no such queue.
    pub fn queue_counts(&self, queue: QueueId) -> Option<QueueCounts> {
        self.queues.contains_key(&queue).then(|| QueueCounts::from(&self.truth.total(queue)))
    }

    /// Every figure about the callers of queues, and about agents.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The same figures about the tasks of queues: they may wait for hours where callers wait for seconds, and a mean of both would
    /// be of neither. Of agents it knows nothing but what became of the tasks they were offered; their `calls` are those they accepted.
    pub fn truth_of_tasks(&self) -> &Truth {
        &self.truth_of_tasks
    }

    /// `None` if there is no such agent.
    pub fn agent_state(&self, agent: AgentId) -> Option<&AgentState> {
        self.agents.get(&agent).map(|agent| &agent.state)
    }

    /// How many agents are in each state, by [`AgentState::label`]; every label is in it.
    pub fn agents_by_state(&self) -> [(&'static str, u32); Phase::ALL.len()] {
        let mut states = Phase::ALL.map(|phase| (phase.name(), 0));
        for agent in self.agents.values() {
            states[agent.state.phase() as usize].1 += 1;
        }
        states
    }

    /// Events that made no sense and changed nothing.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

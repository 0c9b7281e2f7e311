//! Every figure that a supervisor reads about a queue or an agent: one place, each with its definition and source.
//!
//! A queue's contacts are counted **by interval of arrival**: who arrived at 9:14 and was answered at 9:16 belongs to
//! the quarter that began at 9:00, with the wait, the talk and the wrap-up. So the figures of an interval are those of
//! the people who came in it, and offered = exits + waiting holds for each interval and not only for the day. (Counting
//! each event when it happens is the other custom; then an interval may have more answered than offered.) An interval
//! of the recent past still moves while somebody who came in it waits or talks.
//!
//! | figure | from |
//! |---|---|
//! | service level, six formulas | [`ServiceLevel`] |
//! | abandon rate, ASA, longest wait, AHT | [`Counts`] |
//! | promises to call back: made, kept, lost, and how long they took | [`Promises`] |
//! | occupancy, utilisation, calls, holds, pauses, refusals of an agent's day | [`Figures`] |
//!
//! Knows nothing of lines, offers and deadlines: it is told what happened, and adds. Each call costs a look-up of the
//! queue or the agent and one of the interval; memory is taken for queues, intervals, agents and days that had
//! something, and for no others.
//!
//! | at the bound | what happens |
//! |---|---|
//! | `intervals_kept`, by the clock | the oldest are summed into one, so totals never go down; who arrived in them still exits there |
//! | `days_kept` of an agent | the same |
//! | [`REASONS_MAX`] pause reasons in a day | further ones are summed as [`OTHER`] |

mod agents;
mod book;
mod counts;
mod level;
mod promises;
#[cfg(test)]
mod tests;

pub use agents::{Figures, OTHER, REASONS_MAX};
pub use book::Interval;
pub use counts::{Counts, Exits, Kind};
pub use level::ServiceLevel;
pub use promises::{Broken, Promises};

use super::event::{AgentState, Exit, Outcome};
use crate::ids::{AgentId, EntryId, QueueId};
use crate::time::{Duration, Time};
use agents::{Desk, Finishing};
use book::Book;
use counts::micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Fixed for the life of a [`Truth`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Length of an interval; intervals are aligned to the epoch. Less than a second is taken as a second.
    pub interval: Duration,
    /// How many intervals of a queue are kept apart, the present one included; at least that one.
    pub intervals_kept: u32,
    /// When an agent's day begins, after midnight UTC. Days have 24 hours.
    pub day_begins: Duration,
    /// How many days of an agent are kept apart, today included; at least today.
    pub days_kept: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            interval: Duration::from_secs(15 * 60),
            intervals_kept: 2 * 24 * 4,
            day_begins: Duration::ZERO,
            days_kept: 2,
        }
    }
}

const DAY: u64 = 86_400_000_000;

impl Settings {
    fn interval_micros(&self) -> u64 {
        micros(self.interval).max(1_000_000)
    }

    /// Number of the day; the first begins at or before the epoch.
    fn day(&self, at: Time) -> u64 {
        at.as_micros().saturating_add(self.before_epoch()) / DAY
    }

    fn begin_of_day(&self, day: u64) -> Time {
        Time::from_micros(day.saturating_mul(DAY).saturating_sub(self.before_epoch()))
    }

    /// How long before the epoch day 0 begins.
    fn before_epoch(&self) -> u64 {
        (DAY - micros(self.day_begins) % DAY) % DAY
    }
}

/// An answered contact whose talk is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Talk {
    agent: AgentId,
    queue: QueueId,
    arrived: Time,
    since: Time,
    /// Microseconds held so far, and since when it is again.
    hold: u64,
    held_since: Option<Time>,
    /// Of a promise to call back.
    #[serde(default)]
    promise: bool,
}

/// The counts of all queues and agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    settings: Settings,
    queues: BTreeMap<QueueId, Book>,
    agents: BTreeMap<AgentId, Box<Desk>>,
    talks: BTreeMap<EntryId, Box<Talk>>,
}

/// What happened. Times never go back from one call to the next.
impl Truth {
    pub fn new(settings: Settings) -> Truth {
        Truth { settings, ..Truth::default() }
    }

    /// A contact has joined the line of this queue; each that has, exits.
    pub fn arrived(&mut self, now: Time, queue: QueueId) {
        let book = self.queues.entry(queue).or_default();
        book.open(now, &self.settings);
        book.count(now, Counts::arrived);
    }

    /// A contact that [arrived](Truth::arrived) then has left the line. `waited` may be more than the time since, where
    /// the waiting began in another queue; `level` is the queue's service level.
    pub fn exited(&mut self, queue: QueueId, arrived: Time, exit: Exit, waited: Duration, level: Duration) {
        self.book(queue).count(arrived, |counts| counts.exited(exit, waited, level));
    }

    /// The contact that exited as answered talks with this agent. `promise`: it is one to call back, made then, and the agent calls.
    pub fn talk_began(
        &mut self,
        now: Time,
        entry: EntryId,
        agent: AgentId,
        queue: QueueId,
        arrived: Time,
        promise: bool,
    ) {
        let talk = Talk { agent, queue, arrived, since: now, hold: 0, held_since: None, promise };
        self.talks.insert(entry, Box::new(talk));
        self.agents.entry(agent).or_default().talk_began(now, &self.settings);
        if promise {
            self.book(queue).count(arrived, |counts| counts.promises.tries += 1);
        }
    }

    /// Somebody is to be called back; each promise is kept or broken.
    pub fn promised(&mut self, now: Time, queue: QueueId) {
        let book = self.queues.entry(queue).or_default();
        book.open(now, &self.settings);
        book.count(now, |counts| counts.promises.made());
    }

    /// One that was made then; `waited` since who it was made to began to wait.
    pub fn promise_kept(&mut self, queue: QueueId, made: Time, waited: Duration) {
        self.book(queue).count(made, |counts| counts.promises.kept(waited));
    }

    pub fn promise_broken(&mut self, queue: QueueId, made: Time, how: Broken) {
        self.book(queue).count(made, |counts| counts.promises.broken(how));
    }

    /// The talk is held, or no longer. Nothing happens if there is no such talk.
    pub fn held(&mut self, now: Time, entry: EntryId, held: bool) {
        let Some(talk) = self.talks.get_mut(&entry) else { return };
        if held {
            talk.held_since.get_or_insert(now);
        } else if let Some(since) = talk.held_since.take() {
            talk.hold += micros(now.since(since));
        }
    }

    /// The talk is over. What wrap-up the agent is in from here on belongs to this contact, until the agent is in any
    /// other state but a call of their own, or another talk of theirs is over. Nothing happens if there is no such talk.
    pub fn talk_ended(&mut self, now: Time, entry: EntryId) {
        self.held(now, entry, false);
        let Some(talk) = self.talks.remove(&entry) else { return };
        let whole = micros(now.since(talk.since));
        let finishing = Finishing {
            queue: talk.queue,
            arrived: talk.arrived,
            talk: whole - talk.hold,
            hold: talk.hold,
            wrap_up: 0,
            promise: talk.promise,
        };
        let before = self.agents.entry(talk.agent).or_default().talk_ended(now, finishing, &self.settings);
        self.finish(before);
    }

    /// An offer to this agent is over.
    pub fn offer_ended(&mut self, now: Time, agent: AgentId, outcome: Outcome) {
        self.agents.entry(agent).or_default().offer_ended(now, outcome, &self.settings);
    }

    /// The agent's state is now this. To be told after [`Truth::talk_ended`] where both happen at once.
    pub fn agent_is(&mut self, now: Time, agent: AgentId, state: &AgentState) {
        let finished = self.agents.entry(agent).or_default().is(now, state, &self.settings);
        self.finish(finished);
    }

    /// The service is gone, and the agent's phone with it. What they are in by themselves, a pause or a wrap-up (`wraps_up`), goes on if it
    /// is still on when they are back: then the time between is part of it. Meanwhile nobody knows, and they are offline.
    ///
    /// The contact that the wrap-up belongs to is in hand until that is over.
    pub fn agent_is_lost(&mut self, now: Time, agent: AgentId, wraps_up: bool) {
        let finished = self.agents.entry(agent).or_default().is_lost(now, wraps_up, &self.settings);
        self.finish(finished);
    }

    /// The wrap-up that the agent was lost in is over before they are back: all of it is counted. Nothing happens if there is none.
    pub fn wraps_up_no_more(&mut self, now: Time, agent: AgentId) {
        let finished = self.agents.entry(agent).or_default().wraps_up_no_more(now, &self.settings);
        self.finish(finished);
    }

    /// The agent was lost, and what they were in then is over.
    pub fn begins_anew(&mut self, agent: AgentId) {
        if let Some(desk) = self.agents.get_mut(&agent) {
            desk.begins_anew();
        }
    }

    fn finish(&mut self, contact: Option<Finishing>) {
        let Some(Finishing { queue, arrived, talk, hold, wrap_up, promise }) = contact else { return };
        self.book(queue).count(arrived, |counts| match promise {
            true => counts.promises.work_micros += talk + hold + wrap_up,
            false => counts.handled(talk, hold, wrap_up),
        });
    }

    fn book(&mut self, queue: QueueId) -> &mut Book {
        self.queues.get_mut(&queue).expect("somebody arrived there")
    }
}

/// What can be asked.
impl Truth {
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Queues in which somebody ever arrived.
    pub fn queues(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.queues.keys().copied()
    }

    /// Counts of a queue since it exists: they never go down, `waiting` and `in_hand` excepted.
    pub fn total(&self, queue: QueueId) -> Counts {
        self.queues.get(&queue).map_or_else(Counts::default, |book| book.total)
    }

    /// The intervals of a queue that are kept, oldest first; those in which nobody arrived are left out.
    pub fn intervals(&self, queue: QueueId) -> impl Iterator<Item = &Interval> {
        self.queues.get(&queue).into_iter().flat_map(|book| &book.intervals)
    }

    /// Sum of the kept intervals that begin at or after `from` and before `to`.
    pub fn between(&self, queue: QueueId, from: Time, to: Time) -> Counts {
        let mut sum = Counts::default();
        let within = |interval: &&Interval| (from..to).contains(&interval.begin);
        self.intervals(queue).filter(within).for_each(|interval| sum.add(&interval.counts));
        sum
    }

    /// Sum of the intervals that are no longer kept.
    pub fn older(&self, queue: QueueId) -> Counts {
        self.queues.get(&queue).map_or_else(Counts::default, |book| book.older)
    }

    /// The agent's figures of the day of `now` (`days_ago`: 0) or of a day before, as far as it has gone; empty for a
    /// day that is not kept.
    pub fn agent(&self, agent: AgentId, now: Time, days_ago: u64) -> Figures {
        let desk = self.agents.get(&agent);
        desk.map_or_else(Figures::default, |desk| desk.figures(now, days_ago, &self.settings))
    }

    /// Since when the agent's state is what it is; `None` if nothing was ever told of them.
    pub fn agent_since(&self, agent: AgentId) -> Option<Time> {
        self.agents.get(&agent).map(|desk| desk.begun())
    }

    /// The agent's figures of all days.
    pub fn agent_lifetime(&self, agent: AgentId, now: Time) -> Figures {
        self.agents.get(&agent).map_or_else(Figures::default, |desk| desk.lifetime(now))
    }

    /// The first law that does not hold, if there is one: for each queue, each interval and their sums.
    pub fn imbalance(&self) -> Option<Imbalance> {
        self.queues.iter().find_map(|(queue, book)| {
            let mut sum = book.older;
            book.intervals.iter().for_each(|interval| sum.add(&interval.counts));
            let parts = book.intervals.iter().map(|interval| (Part::Interval(interval.begin), &interval.counts));
            let mut parts = parts.chain([(Part::Older, &book.older), (Part::Total, &book.total)]);
            let broken = parts.find_map(|(part, counts)| broken_law(counts).map(|law| (part, law)));
            let sums = (sum != book.total).then_some((Part::Total, "the intervals and the older make up the total"));
            broken.or(sums).map(|(part, law)| Imbalance { queue: *queue, part, law })
        })
    }

    /// Sizes of the tables that are empty when nobody talks.
    pub fn talks(&self) -> usize {
        self.talks.len()
    }
}

fn broken_law(counts: &Counts) -> Option<&'static str> {
    let moved: u64 =
        counts.exits.iter().filter(|(exit, _)| Kind::of(*exit) == Kind::Moved).map(|(_, count)| count).sum();
    [
        (counts.offered == counts.exits.total() + counts.waiting, "offered = exits + waiting"),
        (counts.answered() == counts.handled + counts.in_hand, "answered = handled + in hand"),
        (counts.answered_in_level <= counts.answered(), "answered in level are answered"),
        (counts.abandoned_in_level <= counts.abandoned(), "abandoned in level are abandoned"),
        (counts.moved_in_level <= moved, "moved on in level have moved on"),
        (counts.promises.adds_up(), "made = open + kept + broken"),
    ]
    .into_iter()
    .find_map(|(holds, law)| (!holds).then_some(law))
}

/// A law that does not hold, and where. There is none unless the program has a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance {
    pub queue: QueueId,
    pub part: Part,
    pub law: &'static str,
}

/// Whose counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Interval(Time),
    Older,
    Total,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Imbalance { queue, part, law } = self;
        match part {
            Part::Interval(begin) => write!(f, "{queue}, interval of {begin}: not so: {law}"),
            Part::Older => write!(f, "{queue}, older intervals: not so: {law}"),
            Part::Total => write!(f, "{queue}, total: not so: {law}"),
        }
    }
}

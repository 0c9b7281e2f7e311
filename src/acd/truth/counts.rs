//! Raw counts of one queue over some time, and the figures that follow from them.
//!
//! Whole numbers only: microseconds and contacts. Rates and means are worked out when somebody asks, so sums of counts
//! give the figures of longer times exactly, where a mean of means would not.

use super::promises::Promises;
use crate::acd::event::Exit;
use crate::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many ended by each exit. Written as a map of those that happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Exit, u64>", into = "BTreeMap<Exit, u64>")]
pub struct Exits([u64; Exit::ALL.len()]);

impl Exits {
    /// A new exit that has no place does not compile.
    fn place(exit: Exit) -> usize {
        match exit {
            Exit::Answered => 0,
            Exit::Abandoned => 1,
            Exit::ShortAbandoned => 2,
            Exit::Overflowed => 3,
            Exit::TimedOut => 4,
            Exit::Callback => 5,
            Exit::LeftByKey => 6,
            Exit::Transferred => 7,
            Exit::QueueClosed => 8,
            Exit::NoAgents => 9,
            Exit::RefusedFull => 10,
            Exit::SystemFault => 11,
        }
    }

    pub fn of(&self, exit: Exit) -> u64 {
        self.0[Exits::place(exit)]
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those that happened.
    pub fn iter(&self) -> impl Iterator<Item = (Exit, u64)> + '_ {
        Exit::ALL.into_iter().map(|exit| (exit, self.of(exit))).filter(|(_, count)| *count > 0)
    }

    pub(super) fn add(&mut self, exit: Exit, more: u64) {
        self.0[Exits::place(exit)] += more;
    }
}

impl From<BTreeMap<Exit, u64>> for Exits {
    fn from(map: BTreeMap<Exit, u64>) -> Exits {
        let mut exits = Exits::default();
        map.into_iter().for_each(|(exit, count)| exits.add(exit, count));
        exits
    }
}

impl From<Exits> for BTreeMap<Exit, u64> {
    fn from(exits: Exits) -> BTreeMap<Exit, u64> {
        exits.iter().collect()
    }
}

/// What one kind of exit says of us: each exit is of exactly one kind, and each service-level formula says what it
/// does with each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Answered,
    /// The caller gave up: `Abandoned`, `ShortAbandoned`.
    Abandoned,
    /// The contact went on elsewhere and is served or counted there: `Overflowed`, `Callback`, `LeftByKey`,
    /// `Transferred`, `QueueClosed`.
    Moved,
    /// We sent them away: `TimedOut`, `NoAgents`, `RefusedFull`, `SystemFault`.
    LetDown,
}

impl Kind {
    pub fn of(exit: Exit) -> Kind {
        match exit {
            Exit::Answered => Kind::Answered,
            Exit::Abandoned | Exit::ShortAbandoned => Kind::Abandoned,
            Exit::Overflowed | Exit::Callback | Exit::LeftByKey | Exit::Transferred | Exit::QueueClosed => Kind::Moved,
            Exit::TimedOut | Exit::NoAgents | Exit::RefusedFull | Exit::SystemFault => Kind::LetDown,
        }
    }
}

/// Counts of one queue: of the contacts that *arrived* in an interval, or of all of them.
///
/// Two laws hold at every instant: `offered = exits + waiting` and `exits.of(Answered) = handled + in_hand`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Contacts that arrived, the refused included.
    pub offered: u64,
    /// Of those, who still wait, those an agent is rung for included.
    pub waiting: u64,
    /// Of those, who ended, and how.
    pub exits: Exits,
    /// Answered after no more than the queue's service level, as it was at that moment.
    pub answered_in_level: u64,
    /// Of the abandoned, short ones included: who left after no more than the service level.
    pub abandoned_in_level: u64,
    /// Of those who [moved](Kind::Moved) on: who did so after no more than the service level.
    pub moved_in_level: u64,
    /// Sum of the waits of the answered, from when the waiting began to the agent's answer: announcements and ringing
    /// are waiting.
    pub answered_wait_micros: u64,
    pub answered_wait_micros_max: u64,
    /// Sum of the waits of the abandoned, short ones included.
    pub abandoned_wait_micros: u64,
    pub abandoned_wait_micros_max: u64,
    /// Answered, and the talk or the wrap-up after it is not over.
    pub in_hand: u64,
    /// Answered, and talk and wrap-up are over. The three sums are of these.
    pub handled: u64,
    /// Without hold.
    pub talk_micros: u64,
    pub hold_micros: u64,
    pub wrap_up_micros: u64,
    /// Those who are to be called back; in none of the others.
    #[serde(default)]
    pub promises: Promises,
}

impl Counts {
    pub fn answered(&self) -> u64 {
        self.exits.of(Exit::Answered)
    }

    /// Who gave up, short ones included.
    pub fn abandoned(&self) -> u64 {
        self.exits.of(Exit::Abandoned) + self.exits.of(Exit::ShortAbandoned)
    }

    pub fn short_abandoned(&self) -> u64 {
        self.exits.of(Exit::ShortAbandoned)
    }

    /// Abandon rate: abandoned ÷ ended. Short ones count (ICMI's "abandoned calls ÷ calls offered").
    ///
    /// Ended, and not offered: who still waits has done neither yet. `None` if nobody ended.
    pub fn abandon_rate(&self) -> Option<f64> {
        share(self.abandoned(), self.exits.total())
    }

    /// Abandon rate without short abandons: abandoned later than that ÷ (ended − short abandons). Who hung up in the
    /// first seconds had dialled wrongly or thought again: they say nothing of the staffing (the "abandoned call wait
    /// time" of Cisco's and the "phantom abandon" of Avaya's reports).
    pub fn abandon_rate_without_short(&self) -> Option<f64> {
        share(self.exits.of(Exit::Abandoned), self.exits.total() - self.short_abandoned())
    }

    /// Average speed of answer (ASA): mean wait of the answered, and of nobody else (ICMI; AT&T's CMS: "abandoned
    /// calls are not counted"). `None` if nobody was answered.
    pub fn average_speed_of_answer(&self) -> Option<Duration> {
        mean(self.answered_wait_micros, self.answered())
    }

    /// Mean wait of the abandoned ("average time to abandon"), short ones included.
    pub fn average_time_to_abandon(&self) -> Option<Duration> {
        mean(self.abandoned_wait_micros, self.abandoned())
    }

    /// Longest wait of anybody answered or abandoned. Who still waits is not in it: see
    /// [`Acd::longest_wait`](crate::acd::Acd::longest_wait).
    pub fn longest_wait(&self) -> Duration {
        Duration::from_micros(self.answered_wait_micros_max.max(self.abandoned_wait_micros_max))
    }

    /// Average handling time (AHT): (talk + hold + wrap-up) ÷ handled (ICMI, Cleveland). Ringing is not in it. A
    /// contact counts when its wrap-up is over, with all three parts at once.
    pub fn average_handling_time(&self) -> Option<Duration> {
        mean(self.talk_micros + self.hold_micros + self.wrap_up_micros, self.handled)
    }

    /// Adds the counts of other contacts of the queue.
    pub fn add(&mut self, other: &Counts) {
        other.exits.iter().for_each(|(exit, count)| self.exits.add(exit, count));
        self.offered += other.offered;
        self.waiting += other.waiting;
        self.answered_in_level += other.answered_in_level;
        self.abandoned_in_level += other.abandoned_in_level;
        self.moved_in_level += other.moved_in_level;
        self.answered_wait_micros += other.answered_wait_micros;
        self.answered_wait_micros_max = self.answered_wait_micros_max.max(other.answered_wait_micros_max);
        self.abandoned_wait_micros += other.abandoned_wait_micros;
        self.abandoned_wait_micros_max = self.abandoned_wait_micros_max.max(other.abandoned_wait_micros_max);
        self.in_hand += other.in_hand;
        self.handled += other.handled;
        self.talk_micros += other.talk_micros;
        self.hold_micros += other.hold_micros;
        self.wrap_up_micros += other.wrap_up_micros;
        self.promises.add(&other.promises);
    }

    pub(super) fn arrived(&mut self) {
        self.offered += 1;
        self.waiting += 1;
    }

    pub(super) fn exited(&mut self, exit: Exit, waited: Duration, level: Duration) {
        let in_level = u64::from(waited <= level);
        let waited = micros(waited);
        self.waiting -= 1;
        self.exits.add(exit, 1);
        match Kind::of(exit) {
            Kind::Answered => {
                self.in_hand += 1;
                self.answered_in_level += in_level;
                self.answered_wait_micros += waited;
                self.answered_wait_micros_max = self.answered_wait_micros_max.max(waited);
            }
            Kind::Abandoned => {
                self.abandoned_in_level += in_level;
                self.abandoned_wait_micros += waited;
                self.abandoned_wait_micros_max = self.abandoned_wait_micros_max.max(waited);
            }
            Kind::Moved => self.moved_in_level += in_level,
            Kind::LetDown => {}
        }
    }

    pub(super) fn handled(&mut self, talk: u64, hold: u64, wrap_up: u64) {
        self.in_hand -= 1;
        self.handled += 1;
        self.talk_micros += talk;
        self.hold_micros += hold;
        self.wrap_up_micros += wrap_up;
    }
}

/// `None` where there is nothing to have a share of.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(sum: u64, count: u64) -> Option<Duration> {
    Some(Duration::from_micros(sum.checked_div(count)?))
}

/// A wait of 584,000 years is taken as that.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

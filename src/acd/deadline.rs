//! Everything that happens by itself, by when it happens.

use super::ranked::Ranked;
use crate::ids::{AgentId, EntryId, QueueId};
use crate::time::Time;

/// What a deadline is for.
///
/// The order is the order at one instant: what people can do and callers need is as it is from then on before anything else is
/// decided; ringing ends before people come free, so that a refused entry is back in its
/// place when they do; and people come free before callers time out, so that nobody is sent away in the moment that
/// they could be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// A skill or a licence of the agent begins or ends.
    Abilities(AgentId),
    /// The entry is kept for somebody no longer, or needs less.
    Step(EntryId),
    /// The agent's shift is over, as far as offers go.
    Shift(AgentId),
    /// The offer that rings this agent was not answered.
    Offer(AgentId),
    WrapUp(AgentId),
    BackOff(AgentId),
    /// The agent's phone did not answer a probe.
    Probe(AgentId),
    /// A pause that ends by itself.
    Pause(AgentId),
    Rest(AgentId),
    /// The entry may go back to this agent: as a last resort, then freely.
    Refusal(EntryId, AgentId),
    /// The queue closes.
    Closing(QueueId),
    /// The entry tries to go to another queue. Not while an agent is rung for it.
    Overflow(EntryId),
    /// Whether the entry waits too long.
    Look(EntryId),
    /// Not while an agent is rung for the entry: the end of the offer asks.
    MaxWait(EntryId),
}

/// When something is due, if it is: in half the room of an option. [`Time::NEVER`] is no time here, as it is no deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due(Time);

impl Due {
    pub const NOT: Due = Due(Time::NEVER);

    pub fn at(self) -> Option<Time> {
        Some(self.0).filter(|at| *at != Time::NEVER)
    }
}

impl From<Option<Time>> for Due {
    fn from(at: Option<Time>) -> Due {
        Due(at.unwrap_or(Time::NEVER))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deadlines(Ranked<(Time, Deadline)>);

impl Deadlines {
    /// Moves a deadline. `None` and [`Time::NEVER`]: there is none.
    pub fn set(&mut self, deadline: Deadline, old: Option<Time>, new: Option<Time>) {
        if let Some(old) = old {
            self.0.remove((old, deadline));
        }
        if let Some(new) = new.filter(|new| *new != Time::NEVER) {
            self.0.insert((new, deadline));
        }
    }

    pub fn next(&self) -> Option<Time> {
        self.0.first().map(|(at, _)| at)
    }

    /// Whether the next one has come by `now` too, and may free somebody, so that nobody is sent away before it.
    pub fn next_frees_by(&self, now: Time) -> bool {
        let sends_away = |deadline: &Deadline| {
            use Deadline::*;
            matches!(deadline, Closing(_) | Overflow(_) | Look(_) | MaxWait(_))
        };
        self.0.first().is_some_and(|(at, deadline)| at <= now && !sends_away(&deadline))
    }

    /// Whether the next one has come by `now` too, and changes what somebody can do or needs.
    pub fn next_says_who_may(&self, now: Time) -> bool {
        let says = |deadline: &Deadline| matches!(deadline, Deadline::Abilities(_) | Deadline::Step(_));
        self.0.first().is_some_and(|(at, deadline)| at <= now && says(&deadline))
    }

    /// The first of those that have come by `now`.
    pub fn pop(&mut self, now: Time) -> Option<(Time, Deadline)> {
        let first = self.0.first().filter(|(at, _)| *at <= now)?;
        self.0.remove(first);
        Some(first)
    }
}

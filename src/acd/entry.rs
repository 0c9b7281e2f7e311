//! One waiting contact, from its arrival to its exit.

use super::deadline::Due;
use super::event::{Arrival, Exit, Kind, Who};
use super::line::{LineKey, NeedId, Place, Rate, Refused};
use crate::ids::{AgentId, EntryId, QueueId};
use crate::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// As it arrived, but for a `since` in the future, a priority that was changed, and the queue where it is now.
    pub arrival: Arrival,
    pub kept: Kept,
    /// When it came to its queue; `arrival.since` may be before that.
    pub arrived: Time,
    /// When its time is over, and as what it exits then.
    pub times_out: Option<(Time, Exit)>,
    /// When it tries to go to another queue.
    pub overflows: Due,
    /// Up to when it has tried.
    pub tried: Due,
    /// When it is next looked at whether it waits too long.
    pub looks: Due,
    /// When it is kept for somebody no longer, or needs less.
    pub steps_at: Due,
    /// Everything it needs now.
    pub need: NeedId,
    /// Kept through offers and refusals.
    pub place: Place,
    pub stands: Stands,
    /// Who refused it lately. At most one for each agent, and forgotten by time.
    pub refusals: BTreeMap<AgentId, Refusal>,
}

/// For whom of its preferences the entry is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Which of them; as many as there are when it is kept for nobody any more.
    pub turn: usize,
    pub until: Time,
}

/// Where a waiting entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    InLine(Arc<LineKey>),
    /// These agents are rung for it.
    Offered(Vec<AgentId>),
    /// A promise that is offered to nobody for now.
    Asleep,
    /// On its way between the others, within one event.
    Nowhere,
}

impl Stands {
    /// Who is rung.
    pub fn rung(&self) -> &[AgentId] {
        match self {
            Stands::Offered(agents) => agents,
            Stands::InLine(_) | Stands::Asleep | Stands::Nowhere => &[],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub phase: Refused,
    /// Until when it does not go back in any case.
    pub just_now: Time,
    /// Until when it goes back only if nobody else is left.
    pub until: Time,
}

impl Refusal {
    /// The end of its phase.
    pub fn deadline(&self) -> Time {
        match self.phase {
            Refused::JustNow => self.just_now,
            Refused::Lately => self.until,
        }
    }
}

impl Entry {
    /// One that came just now and has no place yet: the need and the place are those of nobody.
    pub fn new(id: EntryId, arrival: Arrival, now: Time) -> Entry {
        let until = arrival.prefer.first().map_or(Time::NEVER, |first| now + first.wait);
        let since = arrival.since;
        Entry {
            arrival,
            arrived: now,
            kept: Kept { turn: 0, until },
            times_out: None,
            overflows: Due::NOT,
            tried: Due::NOT,
            looks: Due::NOT,
            steps_at: Due::NOT,
            need: usize::MAX,
            place: Place::new(0, Rate::default(), since, id),
            stands: Stands::Nowhere,
            refusals: BTreeMap::new(),
        }
    }

    pub fn queue(&self) -> QueueId {
        self.arrival.queue
    }

    pub fn kind(&self) -> Kind {
        self.arrival.kind
    }

    /// When the waiting began.
    pub fn since(&self) -> Time {
        self.arrival.since
    }

    pub fn refused(&self) -> Vec<(AgentId, Refused)> {
        self.refusals.iter().map(|(agent, refusal)| (*agent, refusal.phase)).collect()
    }

    /// Agents who go first, in order.
    pub fn preferred_agents(&self) -> impl Iterator<Item = AgentId> + '_ {
        self.arrival.prefer.iter().filter_map(|prefer| match prefer.who {
            Who::Agent(agent) => Some(agent),
            Who::Team(_) => None,
        })
    }

    /// For whom it is kept now.
    pub fn kept_for(&self) -> Option<&Who> {
        self.arrival.prefer.get(self.kept.turn).map(|prefer| &prefer.who)
    }

    pub fn kept_for_team(&self) -> Option<&str> {
        match self.kept_for()? {
            Who::Team(team) => Some(team),
            Who::Agent(_) => None,
        }
    }
}

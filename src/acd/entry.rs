//! One waiting contact, from its arrival to its exit.

use super::event::Skills;
use super::line::{LineKey, NeedId, Place, Refused};
use crate::ids::{AgentId, QueueId};
use crate::time::{Duration, Time};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub queue: QueueId,
    /// When the waiting began, perhaps before it came here.
    pub since: Time,
    /// When it came here.
    pub arrived: Time,
    /// What it needs beside what its queue needs.
    pub needs: Skills,
    /// Added to its queue's.
    pub priority: i32,
    /// Its own longest wait, instead of its queue's.
    pub max_wait: Option<Duration>,
    pub times_out: Option<Time>,
    /// Everything it needs.
    pub need: NeedId,
    /// Kept through offers and refusals.
    pub place: Place,
    pub stands: Stands,
    /// Who refused it lately. At most one for each agent, and forgotten by time.
    pub refusals: BTreeMap<AgentId, Refusal>,
}

/// Where a waiting entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    InLine(LineKey),
    /// An agent is rung for it.
    Offered(AgentId),
    /// On its way between the two, within one event.
    Nowhere,
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
    pub fn refused(&self) -> Vec<(AgentId, Refused)> {
        self.refusals.iter().map(|(agent, refusal)| (*agent, refusal.phase)).collect()
    }
}

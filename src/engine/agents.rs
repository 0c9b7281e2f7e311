//! Who the agents are: names, numbers, accounts, and the calls that no queue gave them.

use super::settings::Agent;
use crate::ids::{AgentId, CallId};
use crate::sip::Host;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) struct Agents {
    seats: Vec<Seat>,
    by_name: BTreeMap<String, AgentId>,
    by_number: BTreeMap<String, AgentId>,
}

pub(super) struct Seat {
    pub name: Arc<str>,
    pub number: String,
    pub password: String,
    /// What the agent's phone calls us, by its last registration.
    pub house: Option<Host>,
    /// Calls of this agent that no queue gave; the ACD is told `Busy` while there is one.
    pub own_calls: BTreeSet<CallId>,
    /// The call that a queue gives or gave: from the offer until the agent has no part in it any more, whatever becomes
    /// of the call meanwhile.
    pub queue_call: Option<CallId>,
}

impl Seat {
    /// A call that the agent has a part in. All of them are of one group.
    pub fn a_call(&self) -> Option<CallId> {
        self.queue_call.or_else(|| self.own_calls.first().copied())
    }
}

impl Agents {
    pub fn new(agents: &[Agent]) -> Agents {
        let id = |index: usize| AgentId(u32::try_from(index).expect("fewer agents than 2^32"));
        Agents {
            seats: agents
                .iter()
                .map(|a| Seat {
                    name: a.settings.name.as_str().into(),
                    number: a.number.clone(),
                    password: a.password.clone(),
                    house: None,
                    own_calls: BTreeSet::new(),
                    queue_call: None,
                })
                .collect(),
            by_name: agents.iter().enumerate().map(|(i, a)| (a.settings.name.clone(), id(i))).collect(),
            by_number: agents
                .iter()
                .enumerate()
                .filter(|(_, a)| !a.number.is_empty())
                .map(|(i, a)| (a.number.clone(), id(i)))
                .collect(),
        }
    }

    pub fn named(&self, name: &str) -> Option<AgentId> {
        self.by_name.get(name).copied()
    }

    pub fn numbered(&self, number: &str) -> Option<AgentId> {
        self.by_number.get(number).copied()
    }

    /// The ids come from the same list as the seats.
    pub fn seat(&self, id: AgentId) -> &Seat {
        &self.seats[id.0 as usize]
    }

    pub fn seat_mut(&mut self, id: AgentId) -> &mut Seat {
        &mut self.seats[id.0 as usize]
    }

    /// Agents who have a part in a call.
    pub fn in_calls(&self) -> usize {
        self.seats.iter().filter(|seat| seat.a_call().is_some()).count()
    }

    pub fn password(&self, name: &str) -> Option<String> {
        self.named(name).map(|id| self.seat(id).password.clone())
    }
}

//! Who the agents are: names, numbers, accounts, and the calls that no queue gave them.

use super::settings::Agent;
use crate::ids::{AgentId, CallId};
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
    /// Calls of this agent that no queue gave; the ACD is told `Busy` while there is one.
    pub own_calls: BTreeSet<CallId>,
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
                    own_calls: BTreeSet::new(),
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

    pub fn password(&self, name: &str) -> Option<String> {
        self.named(name).map(|id| self.seat(id).password.clone())
    }
}

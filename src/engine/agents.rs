//! Who the agents are: names, numbers, accounts, the calls that no queue gave them, and how many they have begun.

use super::settings::{Agent, Caps};
use super::{Engine, Refusal};
use crate::acd::Change;
use crate::ids::{AgentId, CallId};
use crate::sip::Host;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What can be said for an agent from elsewhere than their phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentAct {
    /// For this reason.
    Pause(String),
    Resume,
    EndWrapUp,
    ExtendWrapUp,
}

pub(super) struct Agents {
    /// Of those whom the settings name. The distributor may know more: who was an agent in an earlier run.
    seats: BTreeMap<AgentId, Seat>,
    by_name: BTreeMap<String, AgentId>,
    by_number: BTreeMap<String, AgentId>,
}

/// Calls for help at a time that one account may have begun: twice as many as it may have phones. They count apart from all others, so
/// that nothing else takes their place; but a stolen password must not take everybody's.
const FOR_HELP_MAX: u32 = 20;

/// So many times as many calls as an account may have, it may have begun together with those that the agent has handed on and has no part
/// in any more: who calls customers back and gives them to a queue goes on working, and a stolen password still does not take all.
const WITH_HANDED_ON: u32 = 5;

/// A call that an account has begun, until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    agent: AgentId,
    for_help: bool,
    handed_on: bool,
}

/// How many of them there are.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// In which the agent has a part.
    own: u32,
    handed_on: u32,
    /// Of those of the agent.
    most: u32,
}

pub(super) struct Seat {
    pub name: Arc<str>,
    pub number: String,
    pub password: String,
    pub out: Caps,
    /// The phone is asked to answer what queues offer by itself.
    pub auto_answer: bool,
    /// What the agent's phone calls us, by its last registration.
    pub house: Option<Host>,
    /// Calls of this agent that no queue gave; the ACD is told `Busy` while there is one.
    pub own_calls: BTreeSet<CallId>,
    /// The call that a queue gives or gave: from the offer until the agent has no part in it any more, whatever becomes
    /// of the call meanwhile.
    pub queue_call: Option<CallId>,
    begun: Count,
    begun_for_help: Count,
}

impl Seat {
    /// From now on; what was begun goes on.
    pub fn set(&mut self, agent: &Agent) {
        self.out = agent.out.clone();
        self.auto_answer = agent.auto_answer;
        self.begun.most = agent.calls;
    }

    fn count(&mut self, for_help: bool) -> &mut Count {
        if for_help { &mut self.begun_for_help } else { &mut self.begun }
    }

    /// They talk with somebody whom no queue gave them, or try to.
    pub fn is_on_own_call(&self) -> bool {
        !self.own_calls.is_empty()
    }

    /// A call that the agent has a part in. All of them are of one group.
    pub fn a_call(&self) -> Option<CallId> {
        self.queue_call.or_else(|| self.own_calls.first().copied())
    }
}

impl Engine {
    /// Who is not in such a state is left as they are.
    pub(super) fn on_agent_act(&mut self, now: Time, name: &str, act: AgentAct) -> Result<(), Refusal> {
        let agent = self.agent_named(name)?;
        let change = match act {
            AgentAct::Pause(reason) => Change::Pause { agent, reason },
            AgentAct::Resume => Change::Resume { agent },
            AgentAct::EndWrapUp if self.acd.has_wrap_up(agent) => Change::EndWrapUp { agent },
            AgentAct::EndWrapUp => return Err(Refusal::NoWrapUp { agent: name.to_owned() }),
            AgentAct::ExtendWrapUp if self.acd.may_extend_wrap_up(agent) => Change::ExtendWrapUp { agent },
            AgentAct::ExtendWrapUp => return Err(Refusal::NoMoreWrapUp { agent: name.to_owned() }),
        };
        self.acd_apply(now, change);
        Ok(())
    }

    pub(super) fn agent_named(&self, agent: &str) -> Result<AgentId, Refusal> {
        self.agents.named(agent).ok_or_else(|| {
            let known = self.agents.ids().map(|id| self.agents.seat(id).name.to_string()).collect();
            Refusal::UnknownAgent { agent: agent.to_owned(), known }
        })
    }
}

impl Agents {
    /// Each with the id by which the distributor knows them.
    pub fn new<'a>(agents: impl IntoIterator<Item = (AgentId, &'a Agent)>) -> Agents {
        let mut all = Agents { seats: BTreeMap::new(), by_name: BTreeMap::new(), by_number: BTreeMap::new() };
        for (id, agent) in agents {
            all.by_name.insert(agent.settings.name.clone(), id);
            if !agent.number.is_empty() {
                all.by_number.insert(agent.number.clone(), id);
            }
            let seat = Seat {
                name: agent.settings.name.as_str().into(),
                number: agent.number.clone(),
                password: agent.password.clone(),
                out: agent.out.clone(),
                auto_answer: agent.auto_answer,
                house: None,
                own_calls: BTreeSet::new(),
                queue_call: None,
                begun: Count { most: agent.calls, ..Count::default() },
                begun_for_help: Count { most: FOR_HELP_MAX, ..Count::default() },
            };
            all.seats.insert(id, seat);
        }
        all
    }

    pub fn ids(&self) -> impl Iterator<Item = AgentId> {
        self.seats.keys().copied()
    }

    pub fn is_one(&self, id: AgentId) -> bool {
        self.seats.contains_key(&id)
    }

    pub fn named(&self, name: &str) -> Option<AgentId> {
        self.by_name.get(name).copied()
    }

    pub fn numbered(&self, number: &str) -> Option<AgentId> {
        self.by_number.get(number).copied()
    }

    /// Ids are handed out to those who have a seat, and the distributor rings nobody else: the others have no phone.
    pub fn seat(&self, id: AgentId) -> &Seat {
        &self.seats[&id]
    }

    pub fn seat_mut(&mut self, id: AgentId) -> &mut Seat {
        self.seats.get_mut(&id).expect("an agent of the settings")
    }

    /// Counts a call that the account begins, until [`Agents::is_over`]. `None`: it has as many as it may have.
    pub fn begin(&mut self, agent: AgentId, for_help: bool) -> Option<Begun> {
        let count = self.seat_mut(agent).count(for_help);
        if count.own >= count.most || count.own + count.handed_on >= count.most.saturating_mul(WITH_HANDED_ON) {
            return None;
        }
        count.own += 1;
        Some(Begun { agent, for_help, handed_on: false })
    }

    /// `agent` has no part in this call any more.
    pub fn left(&mut self, agent: AgentId, begun: &mut Begun) {
        if begun.agent == agent && !begun.handed_on {
            self.is_over(*begun);
            begun.handed_on = true;
            self.seat_mut(agent).count(begun.for_help).handed_on += 1;
        }
    }

    pub fn is_over(&mut self, Begun { agent, for_help, handed_on }: Begun) {
        let count = self.seat_mut(agent).count(for_help);
        let of_these = if handed_on { &mut count.handed_on } else { &mut count.own };
        *of_these = of_these.checked_sub(1).expect("a call that ends has begun");
    }

    /// Calls that agents have begun.
    pub fn begun(&self) -> usize {
        let counts = self.seats.values().flat_map(|seat| [seat.begun, seat.begun_for_help]);
        counts.map(|count| (count.own + count.handed_on) as usize).sum()
    }

    /// Agents who have a part in a call.
    pub fn in_calls(&self) -> usize {
        self.seats.values().filter(|seat| seat.a_call().is_some()).count()
    }

    pub fn password(&self, name: &str) -> Option<String> {
        self.named(name).map(|id| self.seat(id).password.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::AgentSettings;
    use crate::engine::settings::Caps;

    fn agent(name: &str, calls: u32) -> Agent {
        Agent {
            settings: AgentSettings { name: name.into(), ..AgentSettings::default() },
            out: Caps::default(),
            calls,
            auto_answer: false,
            shift: None,
            number: String::new(),
            password: String::new(),
        }
    }

    #[test]
    fn an_account_has_as_many_calls_as_it_may_and_those_for_help_count_apart() {
        let [anna, bo] = [AgentId(7), AgentId(3)];
        let mut agents = Agents::new([(anna, &agent("anna", 2)), (bo, &agent("bo", 1))]);
        let first = agents.begin(anna, false).expect("the first");
        assert!(agents.begin(anna, false).is_some());
        assert_eq!(agents.begin(anna, false), None);
        assert!(agents.begin(bo, false).is_some(), "each has its own");
        for _ in 0..FOR_HELP_MAX {
            assert!(agents.begin(anna, true).is_some());
        }
        assert_eq!(agents.begin(anna, true), None);
        assert_eq!(agents.begun(), 3 + FOR_HELP_MAX as usize);
        agents.is_over(first);
        assert!(agents.begin(anna, false).is_some());
        assert_eq!((agents.begin(anna, false), agents.begin(anna, true)), (None, None));
    }

    #[test]
    fn what_is_handed_on_leaves_room_for_the_next_call_and_not_without_end() {
        let anna = AgentId(0);
        let mut agents = Agents::new([(anna, &agent("anna", 2))]);
        let mut handed_on = Vec::new();
        while let Some(mut begun) = agents.begin(anna, false) {
            agents.left(AgentId(1), &mut begun);
            agents.left(anna, &mut begun);
            agents.left(anna, &mut begun);
            handed_on.push(begun);
        }
        assert_eq!((handed_on.len(), agents.begun()), (2 * WITH_HANDED_ON as usize, 2 * WITH_HANDED_ON as usize));
        agents.is_over(handed_on.remove(3));
        assert!(agents.begin(anna, false).is_some());
        assert_eq!(agents.begin(anna, false), None);
    }
}

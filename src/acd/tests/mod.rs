//! The distributor as a whole: its rules one by one, in words (`rules_*`), and random histories (`histories`) against a
//! slow and obvious model (`model`) and against what must hold in every history (`invariants`).

mod histories;
mod invariants;
mod millions;
mod model;
pub(in crate::acd) mod proof;
mod rules_answered;
mod rules_back;
mod rules_callback;
mod rules_down;
mod rules_gone;
mod rules_offers;
mod rules_order;
mod rules_probe;
mod rules_queues;
mod rules_rest;
mod rules_routing;
mod rules_staffing;
mod rules_talks;
mod rules_tasks;
mod rules_waiting;

use super::*;

/// A morning at the desk: changes at whole seconds in, decisions as words out.
///
/// Queue 1 exists with default settings. Offers are numbered from 1.
pub struct Desk {
    pub acd: Acd,
}

impl Desk {
    pub fn new() -> Desk {
        let mut desk = Desk { acd: Acd::new(0) };
        desk.queue(1, |_| {});
        desk
    }

    /// A queue with default settings but for these.
    pub fn queue(&mut self, id: u32, change: impl FnOnce(&mut QueueSettings)) {
        let mut settings = QueueSettings { name: format!("q{id}"), ..QueueSettings::default() };
        change(&mut settings);
        self.at(0, Change::Queue { id: QueueId(id), settings });
    }

    /// An agent with these skills ("sales 3, sv 1"), who is not logged in. No wrap-up, no probes.
    pub fn agent(&mut self, id: u32, words: &str) {
        self.agent_with(id, words, |_| {});
    }

    pub fn agent_with(&mut self, id: u32, words: &str, change: impl FnOnce(&mut AgentSettings)) {
        let mut settings = AgentSettings {
            name: format!("a{id}"),
            skills: skills(words),
            wrap_up: Duration::ZERO,
            probe: false,
            ..AgentSettings::default()
        };
        change(&mut settings);
        self.at(0, Change::Agent { id: AgentId(id), settings });
    }

    /// Agents without skills, logged in at second 0 in this order.
    pub fn ready(ids: &[u32]) -> Desk {
        let mut desk = Desk::new();
        for id in ids {
            desk.agent(*id, "");
            desk.at(0, login(*id));
        }
        desk
    }

    /// What is said when this happens then.
    pub fn at(&mut self, secs: u64, change: Change) -> String {
        self.acd.apply(&AcdEvent { at: Time::from_secs(secs), change });
        let told: Vec<String> =
            std::iter::from_fn(|| self.acd.poll_decision()).map(|decision| words(&decision)).collect();
        told.join(", ")
    }

    /// What is said when nothing happens until then.
    pub fn until(&mut self, secs: u64) -> String {
        self.at(secs, Change::Tick)
    }

    pub fn state(&self, agent: u32) -> AgentState {
        self.acd.agent_state(AgentId(agent)).expect("the agent exists").clone()
    }

    pub fn timeout(&self) -> Option<u64> {
        self.acd.poll_timeout().map(Time::as_secs)
    }
}

fn words(decision: &Decision) -> String {
    let name = |value: serde_json::Value| value.as_str().expect("outcomes and exits are words").to_owned();
    match decision {
        Decision::Offer { offer, entry, agent, .. } => format!("o{}: e{} rings a{}", offer.0, entry.0, agent.0),
        Decision::OfferEnded { offer, outcome, .. } => {
            format!("o{} {}", offer.0, name(serde_json::to_value(outcome).expect("an enum")))
        }
        Decision::Exit { entry, exit, waited, to, .. } => {
            let exit = name(serde_json::to_value(exit).expect("an enum"));
            let to = to.map_or(String::new(), |queue| format!(" to q{}", queue.0));
            format!("e{} {exit} after {}{to}", entry.0, waited.as_secs())
        }
        Decision::NotReached { entry, again: Some(again), .. } => {
            format!("e{} again from {}", entry.0, again.as_secs())
        }
        Decision::NotReached { entry, again: None, .. } => format!("e{} never again", entry.0),
        Decision::Probe { agent, .. } => format!("a{} is asked", agent.0),
        Decision::Agent { agent, state } => format!("a{} {}", agent.0, state.label()),
    }
}

pub fn skills(words: &str) -> Skills {
    let pairs = words.split(',').filter(|pair| !pair.trim().is_empty());
    let pairs = pairs.map(|pair| pair.trim().split_once(' ').expect("a name and a level"));
    pairs.map(|(name, level)| (name.to_owned(), level.parse().expect("a level"))).collect()
}

pub fn login(agent: u32) -> Change {
    Change::LoggedIn { agent: AgentId(agent) }
}

pub fn logout(agent: u32) -> Change {
    Change::LoggedOut { agent: AgentId(agent), down: false }
}

/// The service was down.
pub fn lost(agent: u32) -> Change {
    Change::LoggedOut { agent: AgentId(agent), down: true }
}

pub fn pause(agent: u32, reason: &str) -> Change {
    Change::Pause { agent: AgentId(agent), reason: reason.to_owned() }
}

pub fn resume(agent: u32) -> Change {
    Change::Resume { agent: AgentId(agent) }
}

pub fn busy(agent: u32) -> Change {
    Change::Busy { agent: AgentId(agent) }
}

pub fn free(agent: u32) -> Change {
    Change::Free { agent: AgentId(agent) }
}

pub fn end_wrap_up(agent: u32) -> Change {
    Change::EndWrapUp { agent: AgentId(agent) }
}

pub fn extend_wrap_up(agent: u32) -> Change {
    Change::ExtendWrapUp { agent: AgentId(agent) }
}

pub fn shift(agent: u32, ends: Option<u64>) -> Change {
    Change::Shift { agent: AgentId(agent), ends: ends.map(Time::from_secs) }
}

pub fn probe_ended(agent: u32, reachable: bool) -> Change {
    Change::ProbeEnded { agent: AgentId(agent), reachable }
}

/// To queue 1, needing nothing, waiting from now.
pub fn arrive(entry: u64) -> Change {
    arrive_at(1, entry, "", 0)
}

pub fn arrive_at(queue: u32, entry: u64, needs: &str, priority: i32) -> Change {
    arrival(entry, Arrival { queue: QueueId(queue), need: need(needs), priority, ..Arrival::default() })
}

/// What an agent needs who has these skills at these levels, or what is asked in an expression.
pub fn need(words: &str) -> Need {
    let is_list = words.split(',').all(|pair| matches!(pair.trim().split(' ').collect::<Vec<_>>()[..], [""] | [_, _]));
    if is_list { Need::of_levels(&skills(words)) } else { Need::parse(words).expect(words).0 }
}

pub fn arrival(entry: u64, arrival: Arrival) -> Change {
    Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) }
}

pub fn leave(entry: u64, exit: Exit) -> Change {
    Change::Leave { entry: EntryId(entry), exit }
}

pub fn ended(offer: u64, outcome: Outcome) -> Change {
    Change::OfferEnded { offer: OfferId(offer), outcome }
}

pub fn accepted(offer: u64) -> Change {
    ended(offer, Outcome::Accepted)
}

pub fn talk_ended(entry: u64) -> Change {
    Change::TalkEnded { entry: EntryId(entry), broke: false }
}

pub fn talk_broke(entry: u64) -> Change {
    Change::TalkEnded { entry: EntryId(entry), broke: true }
}

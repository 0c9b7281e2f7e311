//! Why an entry is not with an agent: one reason for each, of a closed set.

use super::agent::{Agent, Task};
use super::entry::Entry;
use super::event::{AgentState, Skills};
use super::line::{LineKey, Refused};
use super::{Acd, matching};
use crate::ids::{AgentId, EntryId, OfferId};
use crate::time::Time;

/// Why an agent does not talk to an entry now. Where several hold, the first of these is told: their phone rings for
/// it; skills; state; a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// The agent lacks this skill altogether.
    NotSkilled {
        skill: String,
    },
    LevelTooLow {
        skill: String,
        has: u8,
        needs: u8,
    },
    Offline,
    Paused {
        reason: String,
        until: Option<Time>,
    },
    WrapUp {
        until: Time,
    },
    /// The agent's phone rings for another entry.
    RingingOther {
        entry: EntryId,
    },
    /// The agent's phone rings for this entry.
    Ringing {
        offer: OfferId,
        deadline: Time,
    },
    Talking {
        entry: EntryId,
    },
    /// On a call that no queue gave them.
    Busy,
    BackOff {
        until: Time,
    },
    /// The agent declined or did not answer this entry, and it does not come back to them before then, as things stand
    /// now.
    Refused {
        until: Time,
    },
    /// The agent could take it, but another came first and is rung for it.
    RankedLower,
}

impl Acd {
    /// Why the entry is not with each of the agents, by agent; empty if it does not wait. Costs a look at every agent.
    pub fn explain(&self, entry: EntryId) -> Vec<(AgentId, WhyNot)> {
        let Some(entry) = self.entries.get(&entry) else { return Vec::new() };
        let needs = &self.lines.need(entry.need).skills;
        let queue = &self.queues[&entry.queue];
        let key = LineKey {
            need: entry.need,
            rate: queue.rate,
            leave_when_no_agents: queue.settings.leave_when_no_agents,
            refused: entry.refused(),
        };
        let nobody_else = matching::nobody_else_left(&key, &self.lines, &self.pools, &self.agents);
        self.agents.iter().map(|(id, agent)| (*id, why_not(*id, agent, entry, needs, nobody_else))).collect()
    }
}

fn why_not(id: AgentId, agent: &Agent, entry: &Entry, needs: &Skills, nobody_else: bool) -> WhyNot {
    let rings_for = match agent.task {
        Task::Offered { offer, entry: rung, deadline } if rung == entry.place.entry => {
            return WhyNot::Ringing { offer, deadline };
        }
        Task::Offered { entry: rung, .. } => Some(rung),
        Task::Talking { .. } | Task::None => None,
    };
    let level = |skill: &String| agent.settings.skills.get(skill).copied().unwrap_or(0);
    if let Some((skill, _)) = needs.iter().find(|(skill, _)| level(skill) == 0) {
        return WhyNot::NotSkilled { skill: skill.clone() };
    }
    if let Some((skill, needs)) = needs.iter().find(|(skill, needs)| level(skill) < **needs) {
        return WhyNot::LevelTooLow { skill: skill.clone(), has: level(skill), needs: *needs };
    }
    if let Some(entry) = rings_for {
        return WhyNot::RingingOther { entry };
    }
    match &agent.state {
        AgentState::Offline => WhyNot::Offline,
        AgentState::Paused { reason, until } => WhyNot::Paused { reason: reason.clone(), until: *until },
        AgentState::WrapUp { until } => WhyNot::WrapUp { until: *until },
        AgentState::Talking { entry } => WhyNot::Talking { entry: *entry },
        AgentState::Busy => WhyNot::Busy,
        AgentState::BackOff { until } => WhyNot::BackOff { until: *until },
        // An offered agent has been told of above.
        AgentState::Ready | AgentState::Offered { .. } => match entry.refusals.get(&id) {
            Some(refusal) if !nobody_else => WhyNot::Refused { until: refusal.until },
            Some(refusal) if refusal.phase == Refused::JustNow => WhyNot::Refused { until: refusal.just_now },
            _ => WhyNot::RankedLower,
        },
    }
}

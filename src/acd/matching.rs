//! Who goes to whom: of all waiting entries that some idle agent may take, the one with the highest score; of those
//! agents, the one who is idle longest.
//!
//! Between two events nothing can be matched, so an event that frees one agent or brings one entry leads to one
//! decision. A decision looks at the head of each line and the longest idle of each pool that may serve it: its cost
//! grows with the number of different needs and skill sets, not with entries, agents or queues. A line that agents
//! have refused looks past those agents, at most as many as refused it.

use super::agent::Agent;
use super::line::{LineKey, Lines, Refused};
use super::pool::Pools;
use crate::ids::{AgentId, EntryId};
use crate::time::Time;
use std::collections::BTreeMap;

/// The next offer to be made, if there is one.
pub fn next_pair(
    lines: &Lines,
    pools: &Pools,
    agents: &BTreeMap<AgentId, Agent>,
    now: Time,
) -> Option<(EntryId, AgentId)> {
    if pools.with_idle.is_empty() {
        return None;
    }
    let mut best = None;
    for (key, head) in lines.heads() {
        let order = head.at(key.rate, now);
        if best.is_some_and(|(first, _)| first <= order) {
            continue;
        }
        if let Some(agent) = longest_idle(key, lines, pools, agents) {
            best = Some((order, agent));
        }
    }
    best.map(|((_, _, entry), agent)| (entry, agent))
}

/// The agent who takes the entries of this line.
fn longest_idle(key: &LineKey, lines: &Lines, pools: &Pools, agents: &BTreeMap<AgentId, Agent>) -> Option<AgentId> {
    let able = &lines.need(key.need).able;
    let barred = if key.refused.is_empty() { Vec::new() } else { barred(key, lines, pools, agents) };
    able.common(&pools.with_idle)
        .filter_map(|id| pools.pool(id).idle.iter().find(|(_, agent)| !barred.contains(agent)))
        .min()
        .map(|(_, agent)| *agent)
}

/// Agents who may not be offered the entries of this line, because they refused them: those who did so just now
/// always, those who did so lately unless nobody else is left to try.
pub fn barred(key: &LineKey, lines: &Lines, pools: &Pools, agents: &BTreeMap<AgentId, Agent>) -> Vec<AgentId> {
    let nobody_else = nobody_else_left(key, lines, pools, agents);
    let barred = key.refused.iter().filter(|(_, phase)| *phase == Refused::JustNow || !nobody_else);
    barred.map(|(agent, _)| *agent).collect()
}

/// Whether everybody who is in service and could serve this line has refused it.
pub fn nobody_else_left(key: &LineKey, lines: &Lines, pools: &Pools, agents: &BTreeMap<AgentId, Agent>) -> bool {
    let need = lines.need(key.need);
    let refused = key.refused.iter().filter_map(|(id, _)| agents.get(id));
    let refused = refused.filter(|agent| agent.counted.in_service && need.able.has(agent.pool)).count();
    need.in_service(pools) as usize == refused
}

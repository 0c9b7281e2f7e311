//! Who goes to whom: of all waiting entries that some idle agent may take, the one with the highest score; of those
//! agents, the one whom the entry's queue prefers.
//!
//! When nothing happens nothing can be matched, so only what an event has touched is looked at ([`Touched`]): the lines that
//! somebody entered, and those that an agent who came free may serve. A decision looks at the head of each of these lines and
//! at the first of each pool with somebody idle that may serve it: its cost grows with the number of different needs and skill
//! sets that meet there, not with entries, agents or queues. A line that agents have refused looks past those agents, at most
//! as many as refused it.
//!
//! Who works on tasks and is offered no calls meanwhile is offered no further task before a call that they would be offered had they no
//! task: a call with nobody else to serve it would wait for as long as their tasks overlap. Nothing tells when such a call goes, so
//! while there is such an agent, the lines of tasks that they may serve are looked at with every event.

use super::Acd;
use super::agent::Agent;
use super::bits::Bits;
use super::chance::Chance;
use super::event::Kind;
use super::line::{LineKey, Lines, Order, Refused};
use super::pool::{Idle, Place, Pool, PoolId, Slot};
use super::ranked::Ranked;
use super::settings::Strategy;
use crate::ids::{AgentId, EntryId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where two could come together since the last offers were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Somebody entered these, or their agents may be asked again.
    lines: BTreeSet<Arc<LineKey>>,
    /// Somebody of these came free.
    pools: BTreeSet<(PoolId, Kind)>,
    /// These came free.
    agents: BTreeSet<AgentId>,
}

impl Touched {
    pub fn line(&mut self, key: &Arc<LineKey>) {
        self.lines.insert(key.clone());
    }

    pub fn agent(&mut self, agent: AgentId, pool: PoolId, kind: Kind) {
        self.pools.insert((pool, kind));
        self.agents.insert(agent);
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.pools.is_empty()
    }
}

impl Acd {
    /// Rings agents for entries until nobody can be brought together.
    pub(super) fn make_offers(&mut self) {
        if self.touched.is_empty() && self.behind_calls().is_empty() {
            return;
        }
        while let Some((entry, agents)) = self.next_match() {
            self.offer(entry, &agents);
        }
        self.touched = Touched::default();
    }

    /// The next entry to be offered, and to whom: one, or all where the queue rings all.
    fn next_match(&mut self) -> Option<(EntryId, Vec<AgentId>)> {
        let (key, entry) = self.first_line()?;
        let mut chance = self.chance.clone();
        let agents = self.choose(&key, entry, &mut chance);
        self.chance = chance;
        Some((entry, agents))
    }

    /// Of all touched lines that somebody idle may take, the one whose head comes first.
    fn first_line(&self) -> Option<(Arc<LineKey>, EntryId)> {
        let Touched { lines, pools, agents } = &self.touched;
        let entered = lines.iter().filter_map(|key| Some((key, self.lines.head(key)?)));
        let with_idle = |(pool, kind): &(PoolId, Kind)| self.pools.has_idle(*pool, *kind);
        let behind_calls = self.behind_calls().iter().map(|pool| (pool, Kind::Task));
        let of_pools = pools.iter().copied().filter(with_idle).chain(behind_calls).flat_map(|(pool, kind)| {
            let lines = self.pools.pool(pool).meets.iter().flat_map(|need| self.lines.of_need(None, need));
            lines.filter(move |(key, _)| key.kind == kind)
        });
        let kept = agents.iter().flat_map(|agent| self.lines.kept_for(*agent));
        let kept_tasks = Some(self.lines.kept_for_somebody()).filter(|_| !self.behind_calls().is_empty());
        let kept = kept.chain(kept_tasks.into_iter().flatten().filter(|(key, _)| key.kind == Kind::Task));
        let mut best: Option<(Order, &Arc<LineKey>)> = None;
        for (key, head) in entered.chain(of_pools).chain(kept) {
            let order = head.at(key.rate, self.now);
            if best.is_none_or(|(first, _)| order < first) && self.somebody_for(key, order) {
                best = Some((order, key));
            }
        }
        best.map(|((_, _, _, entry), key)| (key.clone(), entry))
    }

    /// `order`: where the head of the line stands now.
    fn somebody_for(&self, key: &LineKey, order: Order) -> bool {
        if let Some(id) = key.only {
            let agent = &self.agents[&id];
            let is_able = agent.is_free_for(key.kind) && self.lines.need(key.need).able.has(agent.pool);
            return is_able && self.call_before(id, key.kind, order).is_none();
        }
        let barred = barred(key, &self.lines, &self.agents);
        let may = |agent: &AgentId| !barred.contains(agent) && self.call_before(*agent, key.kind, order).is_none();
        self.pools_for(key, order).any(|(_, _, idle)| idle.by_time.iter().any(|(_, agent)| may(agent)))
    }

    /// Pools with somebody who may be offered the head of the line, but for those to whom [`Acd::call_before`] alone says no.
    fn pools_for<'a>(
        &'a self,
        key: &'a LineKey,
        order: Order,
    ) -> impl Iterator<Item = (PoolId, &'a Pool, &'a Idle)> + use<'a> {
        let able: &Bits = &self.lines.need(key.need).able;
        let slots = Slot::of(key.kind).iter().flat_map(move |slot| {
            let pools = able.common(&self.pools.with_idle[*slot as usize]);
            pools.map(move |id| (id, *slot))
        });
        let may = move |(id, slot): &(PoolId, Slot)| *slot != Slot::TasksBehindCalls || !self.waits_behind(*id, order);
        slots.filter(may).map(|(id, slot)| {
            let pool = self.pools.pool(id);
            (id, pool, &pool.idle[slot as usize])
        })
    }

    /// Pools of agents who work on tasks, get no calls meanwhile and could have a further task.
    fn behind_calls(&self) -> &Bits {
        &self.pools.with_idle[Slot::TasksBehindCalls as usize]
    }

    /// Lines of calls that this pool may serve and whose head comes before that, but for those kept for one agent.
    fn calls_before(&self, pool: PoolId, order: Order) -> impl Iterator<Item = (&Arc<LineKey>, Order)> {
        let lines = self.pools.pool(pool).meets.iter().flat_map(|need| self.lines.of_need(None, need));
        let calls =
            lines.filter(|(key, _)| key.kind == Kind::Call).map(|(key, head)| (key, head.at(key.rate, self.now)));
        calls.filter(move |(_, call)| *call < order)
    }

    /// Of the pools that are looked at: those to whom [`Acd::call_before`] alone says no.
    fn held_back<'a>(&'a self, key: &'a LineKey, order: Order) -> impl Iterator<Item = AgentId> + use<'a> {
        let pools = self.pools_for(key, order).filter(|_| key.kind == Kind::Task);
        let agents = pools.flat_map(|(_, _, idle)| idle.by_time.iter().map(|(_, agent)| *agent));
        agents.filter(move |agent| self.call_before(*agent, Kind::Task, order).is_some())
    }

    /// Whether such a call keeps a task that stands there from everybody of the pool who gets no calls for now.
    fn waits_behind(&self, pool: PoolId, order: Order) -> bool {
        let is_of_pool = |agent: &AgentId| self.agents.get(agent).is_some_and(|agent| agent.pool == pool);
        self.calls_before(pool, order).any(|(key, _)| !barred(key, &self.lines, &self.agents).iter().any(is_of_pool))
    }

    /// The first call that keeps a contact of this kind, which stands there, from an agent who works on tasks and gets no calls for now.
    pub(super) fn call_before(&self, id: AgentId, kind: Kind, order: Order) -> Option<EntryId> {
        if kind != Kind::Task || self.behind_calls().is_empty() {
            return None;
        }
        let agent = self.agents.get(&id).filter(|agent| agent.idle[kind.index()] == Some(Slot::TasksBehindCalls))?;
        let refused = |key: &LineKey| barred(key, &self.lines, &self.agents).contains(&id);
        let for_all = self.calls_before(agent.pool, order).filter(|(key, _)| !refused(key));
        let able = |key: &LineKey| key.kind == Kind::Call && self.lines.need(key.need).able.has(agent.pool);
        let kept = self.lines.kept_for(id).filter(|(key, _)| able(key));
        let kept = kept.map(|(key, head)| (key, head.at(key.rate, self.now))).filter(|(_, call)| *call < order);
        for_all.chain(kept).map(|(_, call)| call).min().map(|(_, _, _, call)| call)
    }

    /// The agents whom the entry's queue prefers among those who may take it; there is one at least.
    fn choose(&self, key: &LineKey, entry: EntryId, chance: &mut Chance) -> Vec<AgentId> {
        if let Some(agent) = key.only {
            return vec![agent];
        }
        let barred = barred(key, &self.lines, &self.agents);
        let order = self.entries[&entry].place.at(key.rate, self.now);
        let is_behind = |agent: &AgentId| self.call_before(*agent, key.kind, order).is_some();
        let may = |agent: &AgentId| !barred.contains(agent) && !is_behind(agent);
        let may_stand = |(_, agent): &Place| may(agent);
        let need = self.lines.need(key.need);
        // Whoever the entry was kept for goes first also when the time for that is over.
        let mut preferred = self.entries[&entry].preferred_agents();
        let is_there = |id: &AgentId| {
            let agent = self.agents.get(id);
            may(id) && agent.is_some_and(|agent| agent.is_free_for(key.kind) && need.able.has(agent.pool))
        };
        if let Some(agent) = preferred.find(is_there) {
            return vec![agent];
        }
        drop(preferred);
        let queue = &self.queues[&self.entries[&entry].queue()];
        let longest_idle = |idle: &Idle| idle.by_time.iter().find(|(_, agent)| may(agent)).copied();
        let fit = |pool: &Pool| need.requirement.need.skills.fit(&|skill: &str| pool.abilities.level(skill));
        let pools = self.pools_for(key, order);
        let one = match queue.settings.strategy {
            Strategy::LongestIdle => pools.filter_map(|(_, _, idle)| longest_idle(idle)).min().map(|(_, agent)| agent),
            Strategy::MostSkilled => {
                let best =
                    pools.filter_map(|(_, pool, idle)| longest_idle(idle).map(|agent| (u32::MAX - fit(pool), agent)));
                best.min().map(|(_, (_, agent))| agent)
            }
            Strategy::LeastSkilled => {
                let best = pools.filter_map(|(_, pool, idle)| longest_idle(idle).map(|agent| (fit(pool), agent)));
                best.min().map(|(_, (_, agent))| agent)
            }
            Strategy::FewestCalls => {
                let first = |idle: &Idle| idle.by_calls.iter().find(|(_, _, agent)| may(agent)).copied();
                pools.filter_map(|(_, _, idle)| first(idle)).min().map(|(_, _, agent)| agent)
            }
            Strategy::Linear => {
                let first = pools.filter_map(|(_, _, idle)| idle.by_place.iter().find(may_stand)).min();
                first.map(|(_, agent)| agent)
            }
            Strategy::RoundRobin => {
                // Where they stand now; who is gone stands nowhere.
                let last = queue.last_rung.and_then(|last| Some((self.agents.get(&last)?.place, last)));
                let next = |idle: &Idle| {
                    let list = &idle.by_place;
                    let after = last.map_or(0, |last| list.rank(last) + usize::from(list.has(last)));
                    let all = list.len();
                    (0..all).filter_map(|i| list.nth((after + i) % all)).find(may_stand)
                };
                let turn = |place: Place| (last.is_some_and(|last| place <= last), place);
                pools.filter_map(|(_, _, idle)| next(idle)).map(turn).min().map(|(_, (_, agent))| agent)
            }
            Strategy::Random => {
                let idle: Vec<&Ranked<Place>> = pools.map(|(_, _, idle)| &idle.by_place).collect();
                let stands = |agent: &AgentId| Some((self.agents.get(agent)?.place, *agent));
                let behind = self.held_back(key, order).filter(|agent| !barred.contains(agent)).collect::<Vec<_>>();
                let barred = barred.iter().chain(&behind).filter_map(stands);
                let barred: Vec<Place> = barred.filter(|place| idle.iter().any(|list| list.has(*place))).collect();
                let all: usize = idle.iter().map(|list| list.len()).sum();
                let nth = chance.below(all - barred.len());
                nth_of(&idle, &barred, nth)
            }
            Strategy::RingAll => {
                let mut all: Vec<_> =
                    pools.flat_map(|(_, _, idle)| &idle.by_time).filter(|(_, agent)| may(agent)).collect();
                all.sort_unstable();
                let most = queue.settings.ring_all_max.max(1) as usize;
                return all.into_iter().take(most).map(|(_, agent)| *agent).collect();
            }
        };
        vec![one.expect("somebody may take it")]
    }
}

/// Of all in these orders but those barred, the one that has so many before it in the list: what order the pools are in says nothing.
fn nth_of(lists: &[&Ranked<Place>], barred: &[Place], nth: usize) -> Option<AgentId> {
    let place = |number: u64| ((number >> 32) as u32, AgentId(number as u32));
    let up_to = |number: u64| {
        let place = place(number);
        let listed: usize = lists.iter().map(|list| list.rank(place) + usize::from(list.has(place))).sum();
        listed - barred.iter().filter(|other| **other <= place).count()
    };
    let (mut low, mut high) = (0, u64::MAX);
    while low < high {
        let middle = low + (high - low) / 2;
        if up_to(middle) > nth { high = middle } else { low = middle + 1 }
    }
    (up_to(low) > nth).then_some(place(low).1)
}

/// Agents who may not be offered the entries of this line, because they refused them: those who did so just now
/// always, those who did so lately unless nobody else is left to try.
pub fn barred(key: &LineKey, lines: &Lines, agents: &BTreeMap<AgentId, Box<Agent>>) -> Vec<AgentId> {
    if key.refused.is_empty() {
        return Vec::new();
    }
    let nobody_else = nobody_else_left(key, lines, agents);
    let barred = key.refused.iter().filter(|(_, phase)| *phase == Refused::JustNow || !nobody_else);
    barred.map(|(agent, _)| *agent).collect()
}

/// Whether everybody who is in service and could serve this line has refused it.
pub fn nobody_else_left(key: &LineKey, lines: &Lines, agents: &BTreeMap<AgentId, Box<Agent>>) -> bool {
    let need = lines.need(key.need);
    let refused = key.refused.iter().filter_map(|(id, _)| agents.get(id));
    let refused = refused.filter(|agent| agent.counted.in_service && need.able.has(agent.pool)).count();
    need.in_service as usize == refused
}

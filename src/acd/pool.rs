//! Agents by what they can do. Whoever has exactly the same abilities is in one pool, and only the pool is looked at when
//! somebody is sought.

use super::ability::{Abilities, Clue, Requirement};
use super::bits::Bits;
use super::event::Kind;
use super::ranked::Ranked;
use crate::ids::AgentId;
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Index of a pool; used again when the pool is gone.
pub type PoolId = usize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub abilities: Abilities,
    members: u32,
    /// Needs that it meets.
    pub meets: Bits,
    pub logged_in: u32,
    /// Logged in and not paused.
    pub in_service: u32,
    /// By [`Slot`].
    pub idle: [Idle; Slot::COUNT],
}

/// What somebody is idle for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Calls,
    Tasks,
    /// They work on tasks and are offered no calls meanwhile: a further task only if none of these calls comes before it.
    TasksBehindCalls,
}

impl Slot {
    const COUNT: usize = 3;

    /// In which of them those are who could be offered a contact of this kind.
    pub fn of(kind: Kind) -> &'static [Slot] {
        match kind {
            Kind::Call => &[Slot::Calls],
            Kind::Task => &[Slot::Tasks, Slot::TasksBehindCalls],
        }
    }
}

/// Who of a pool can be offered something, in the orders in which strategies look at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Idle {
    /// Longest idle first.
    pub by_time: BTreeSet<(Time, AgentId)>,
    /// Fewest calls first.
    pub by_calls: BTreeSet<(u32, Time, AgentId)>,
    pub by_place: Ranked<Place>,
}

/// Where an agent stands in the list of all, and who it is.
pub type Place = (u32, AgentId);

/// What the orders need to know of an idle agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleAgent {
    pub place: Place,
    pub since: Time,
    pub calls: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pools {
    pools: Vec<Option<Pool>>,
    free: Vec<PoolId>,
    by_abilities: BTreeMap<Abilities, PoolId>,
    by_clue: BTreeMap<Clue, Bits>,
    all: Bits,
    /// Pools with somebody idle, by [`Slot`].
    pub with_idle: [Bits; Slot::COUNT],
}

impl Pools {
    /// Puts one more agent into the pool of these abilities. The second is true if the pool was made for it.
    pub fn join(&mut self, abilities: &Abilities) -> (PoolId, bool) {
        if let Some(id) = self.by_abilities.get(abilities).copied() {
            self.pool_mut(id).members += 1;
            return (id, false);
        }
        let pool = Pool {
            abilities: abilities.clone(),
            members: 1,
            meets: Bits::default(),
            logged_in: 0,
            in_service: 0,
            idle: Default::default(),
        };
        let id = self.free.pop().unwrap_or_else(|| {
            self.pools.push(None);
            self.pools.len() - 1
        });
        self.pools[id] = Some(pool);
        self.by_abilities.insert(abilities.clone(), id);
        self.all.set(id, true);
        for clue in abilities.clues() {
            self.by_clue.entry(clue).or_default().set(id, true);
        }
        (id, true)
    }

    /// Takes one agent, no longer counted as anything, out of a pool. Gives the pool if there is none any more.
    pub fn leave(&mut self, id: PoolId) -> Option<Pool> {
        let pool = self.pool_mut(id);
        pool.members -= 1;
        if pool.members > 0 {
            return None;
        }
        let pool = self.pools[id].take().expect("looked at just now");
        self.free.push(id);
        self.by_abilities.remove(&pool.abilities);
        self.all.set(id, false);
        for clue in pool.abilities.clues() {
            let pools = self.by_clue.get_mut(&clue).expect("listed by its clues");
            pools.set(id, false);
            if pools.is_empty() {
                self.by_clue.remove(&clue);
            }
        }
        Some(pool)
    }

    pub fn add_idle(&mut self, id: PoolId, slot: Slot, agent: IdleAgent) {
        let idle = &mut self.pool_mut(id).idle[slot as usize];
        let (_, who) = agent.place;
        idle.by_time.insert((agent.since, who));
        idle.by_calls.insert((agent.calls, agent.since, who));
        idle.by_place.insert(agent.place);
        self.with_idle[slot as usize].set(id, true);
    }

    pub fn remove_idle(&mut self, id: PoolId, slot: Slot, agent: IdleAgent) {
        let idle = &mut self.pool_mut(id).idle[slot as usize];
        let (_, who) = agent.place;
        idle.by_time.remove(&(agent.since, who));
        idle.by_calls.remove(&(agent.calls, agent.since, who));
        idle.by_place.remove(agent.place);
        let left = !idle.by_time.is_empty();
        self.with_idle[slot as usize].set(id, left);
    }

    /// Whether somebody of this pool could be offered a contact of this kind.
    pub fn has_idle(&self, id: PoolId, kind: Kind) -> bool {
        Slot::of(kind).iter().any(|slot| self.with_idle[*slot as usize].has(id))
    }

    /// Whether somebody of one of these could.
    pub fn have_idle(&self, pools: &Bits, kind: Kind) -> bool {
        Slot::of(kind).iter().any(|slot| pools.meets(&self.with_idle[*slot as usize]))
    }

    pub fn pool(&self, id: PoolId) -> &Pool {
        self.pools[id].as_ref().expect("a pool lives as long as it has members")
    }

    pub fn pool_mut(&mut self, id: PoolId) -> &mut Pool {
        self.pools[id].as_mut().expect("a pool lives as long as it has members")
    }

    /// The pools that can serve it.
    pub fn able(&self, requirement: &Requirement) -> Bits {
        let mut able = Bits::default();
        let mut look_at = |pools: &Bits| {
            for id in pools.iter().filter(|id| self.pool(*id).abilities.suffice(requirement)) {
                able.set(id, true);
            }
        };
        match requirement.clues() {
            Some(clues) => clues.iter().filter_map(|clue| self.by_clue.get(clue)).for_each(&mut look_at),
            None => look_at(&self.all),
        }
        able
    }
}

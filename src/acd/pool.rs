//! Agents by skill set. Whoever has exactly the same skills at the same levels is in one pool, and only the pool is
//! looked at when somebody is sought.

use super::bits::Bits;
use super::event::Skills;
use crate::ids::AgentId;
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Index of a pool; used again when the pool is gone.
pub type PoolId = usize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub skills: Skills,
    members: u32,
    pub logged_in: u32,
    /// Logged in and not paused.
    pub in_service: u32,
    /// Ready agents, longest idle first.
    pub idle: BTreeSet<(Time, AgentId)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pools {
    pools: Vec<Option<Pool>>,
    by_skills: BTreeMap<Skills, PoolId>,
    /// Pools with somebody idle.
    pub with_idle: Bits,
}

impl Pools {
    /// Puts one more agent into the pool of these skills. The second is true if the pool was made for it.
    pub fn join(&mut self, skills: &Skills) -> (PoolId, bool) {
        if let Some(id) = self.by_skills.get(skills).copied() {
            self.pool_mut(id).members += 1;
            return (id, false);
        }
        let pool = Pool { skills: skills.clone(), members: 1, logged_in: 0, in_service: 0, idle: BTreeSet::new() };
        let id = self.pools.iter().position(Option::is_none).unwrap_or(self.pools.len());
        if id == self.pools.len() {
            self.pools.push(None);
        }
        self.pools[id] = Some(pool);
        self.by_skills.insert(skills.clone(), id);
        (id, true)
    }

    /// Takes one agent, no longer counted as anything, out of a pool. True if there is no such pool any more.
    pub fn leave(&mut self, id: PoolId) -> bool {
        let pool = self.pool_mut(id);
        pool.members -= 1;
        let empty = pool.members == 0;
        if empty {
            let pool = self.pools[id].take().expect("looked at just now");
            self.by_skills.remove(&pool.skills);
        }
        empty
    }

    pub fn add_idle(&mut self, id: PoolId, since: Time, agent: AgentId) {
        self.pool_mut(id).idle.insert((since, agent));
        self.with_idle.set(id, true);
    }

    pub fn remove_idle(&mut self, id: PoolId, since: Time, agent: AgentId) {
        let pool = self.pool_mut(id);
        pool.idle.remove(&(since, agent));
        let left = !pool.idle.is_empty();
        self.with_idle.set(id, left);
    }

    pub fn pool(&self, id: PoolId) -> &Pool {
        self.pools[id].as_ref().expect("a pool lives as long as it has members")
    }

    pub fn pool_mut(&mut self, id: PoolId) -> &mut Pool {
        self.pools[id].as_mut().expect("a pool lives as long as it has members")
    }

    /// The pools that can serve these needs.
    pub fn able(&self, needs: &Skills) -> Bits {
        let mut able = Bits::default();
        for (id, pool) in self.pools.iter().enumerate() {
            able.set(id, pool.as_ref().is_some_and(|pool| suffices(&pool.skills, needs)));
        }
        able
    }
}

/// Whether these skills cover those needs. A skill one does not have counts as level 0.
pub fn suffices(skills: &Skills, needs: &Skills) -> bool {
    needs.iter().all(|(skill, level)| skills.get(skill).copied().unwrap_or(0) >= *level)
}

/// Without what says nothing: level 0.
pub fn without_zeros(skills: &Skills) -> Skills {
    skills.iter().filter(|(_, level)| **level > 0).map(|(skill, level)| (skill.clone(), *level)).collect()
}

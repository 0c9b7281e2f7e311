//! Waiting entries by what they need. Entries that every agent treats alike stand in one line, and only its head is
//! looked at when somebody comes free.

use super::ability::{Clue, Requirement};
use super::bits::Bits;
use super::event::Kind;
use super::pool::{Pool, PoolId, Pools};
use super::ranked::Ranked;
use super::settings::InVain;
use crate::ids::{AgentId, EntryId};
use crate::time::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How the order of an entry changes with time: its score rises by so many millionths of a point per second, weight included, and
/// among equal scores its wait counts so many times.
///
/// Scores are whole numbers (10⁻¹² points: a millionth of a point per second, times a microsecond), so that no
/// rounding can make two machines disagree about who is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    ageing: u64,
    weight: u32,
}

const POINT: i128 = 1_000_000_000_000;

/// The most that one queue's waiting can count beside another's.
const WEIGHT_MAX: u32 = 1_000;

impl Rate {
    /// From points per second and the queue's weight. Below 0 and not a number are 0; above a million is a million. A weight of 0
    /// is 1, above a thousand a thousand.
    pub fn new(ageing: f64, weight: u32) -> Rate {
        // A float that is not a number becomes 0 in the cast.
        let weight = weight.clamp(1, WEIGHT_MAX);
        Rate { ageing: (ageing.clamp(0.0, 1e6) * 1e6).round() as u64 * u64::from(weight), weight }
    }
}

/// Where an entry stands among those of the same [`Rate`]; the smaller is served first.
///
/// The score at any time t is priority + rate × (t − since): for one rate, all scores rise alike, so the part without
/// t orders them once and for all. Equal scores: who came first, then the smaller id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Score at time 0.
    head_start: Reverse<i128>,
    since: Time,
    pub entry: EntryId,
}

/// Where an entry stands among all at one moment, first to be served first: by score, weighted wait, arrival, id.
pub type Order = (Reverse<i128>, Reverse<u128>, Time, EntryId);

impl Place {
    pub fn new(priority: i64, rate: Rate, since: Time, entry: EntryId) -> Place {
        let head_start = i128::from(priority) * POINT - i128::from(rate.ageing) * i128::from(since.as_micros());
        Place { head_start: Reverse(head_start), since, entry }
    }

    /// Orders places of any rates at one moment.
    pub fn at(self, rate: Rate, now: Time) -> Order {
        let score = self.head_start.0 + i128::from(rate.ageing) * i128::from(now.as_micros());
        let waited = u128::from(rate.weight) * now.since(self.since).as_micros();
        (Reverse(score), Reverse(waited), self.since, self.entry)
    }
}

/// Index of a need; used again when the need is forgotten.
pub type NeedId = usize;

/// What some entries need and who meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub requirement: Requirement,
    /// Pools that can serve it.
    pub able: Bits,
    /// Of those: agents logged in, and of these the ones not paused.
    pub logged_in: u32,
    pub in_service: u32,
    /// Entries that have it, and queues that want it kept; a need without any is forgotten sooner or later.
    holders: u32,
}

/// So many needs that nobody has are kept, for the next who has them: to find out who meets a new one costs a look at
/// the skill sets that have something of it. One more, and all of them are forgotten.
const SPARE_NEEDS: usize = 1_000;

/// What the entries of one line have in common.
///
/// Refusals are part of it, so that the many entries that one agent has refused are one line and not many exceptions.
/// There are as many lines as different needs, and one more for each different set of refusals that is still
/// remembered, and for each agent whom somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineKey {
    /// Whom the entries are kept for.
    pub only: Option<AgentId>,
    pub need: NeedId,
    pub kind: Kind,
    pub rate: Rate,
    /// When it is in vain to wait here.
    pub leave_when: InVain,
    /// By agent.
    pub refused: Vec<(AgentId, Refused)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// So lately that the agent is not asked again in any case.
    JustNow,
    /// The agent is asked again if nobody else is left.
    Lately,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    needs: Vec<Option<Need>>,
    free: Vec<NeedId>,
    by_requirement: BTreeMap<Requirement, NeedId>,
    by_clue: BTreeMap<Clue, BTreeSet<NeedId>>,
    without_clue: BTreeSet<NeedId>,
    /// Those kept for a team.
    of_teams: Bits,
    /// Needs without holders.
    spare: usize,
    /// Its entries share the key of a line.
    lines: BTreeMap<Arc<LineKey>, Ranked<Place>>,
    /// Lines with refusals; few.
    refused: BTreeSet<Arc<LineKey>>,
}

impl Lines {
    /// The need of one more holder.
    pub fn take_need(&mut self, requirement: &Requirement, pools: &mut Pools) -> NeedId {
        if let Some(id) = self.by_requirement.get(requirement) {
            let need = self.needs[*id].as_mut().expect("listed by requirement");
            self.spare -= usize::from(need.holders == 0);
            need.holders += 1;
            return *id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.needs.push(None);
            self.needs.len() - 1
        });
        let able = pools.able(requirement);
        let (mut logged_in, mut in_service) = (0, 0);
        for pool in able.iter() {
            let pool = pools.pool_mut(pool);
            pool.meets.set(id, true);
            logged_in += pool.logged_in;
            in_service += pool.in_service;
        }
        match requirement.clues() {
            None => _ = self.without_clue.insert(id),
            Some(clues) => {
                for clue in clues {
                    self.by_clue.entry(clue).or_default().insert(id);
                }
            }
        }
        self.of_teams.set(id, requirement.team.is_some());
        self.needs[id] = Some(Need { requirement: requirement.clone(), able, logged_in, in_service, holders: 1 });
        self.by_requirement.insert(requirement.clone(), id);
        id
    }

    /// One more holder of a need that has one.
    pub fn hold_need(&mut self, id: NeedId) {
        self.needs[id].as_mut().expect("a need lives as long as it has holders").holders += 1;
    }

    pub fn give_need(&mut self, id: NeedId, pools: &mut Pools) {
        let need = self.needs[id].as_mut().expect("a need lives as long as it has holders");
        need.holders -= 1;
        self.spare += usize::from(need.holders == 0);
        if self.spare > SPARE_NEEDS {
            for id in 0..self.needs.len() {
                if let Some(need) = self.needs[id].take_if(|need| need.holders == 0) {
                    self.forget(id, &need, pools);
                }
            }
            self.spare = 0;
        }
    }

    fn forget(&mut self, id: NeedId, need: &Need, pools: &mut Pools) {
        self.free.push(id);
        self.of_teams.set(id, false);
        self.by_requirement.remove(&need.requirement);
        for pool in need.able.iter() {
            pools.pool_mut(pool).meets.set(id, false);
        }
        match need.requirement.clues() {
            None => _ = self.without_clue.remove(&id),
            Some(clues) => {
                for clue in clues {
                    if let Some(needs) = self.by_clue.get_mut(&clue) {
                        needs.remove(&id);
                        if needs.is_empty() {
                            self.by_clue.remove(&clue);
                        }
                    }
                }
            }
        }
    }

    #[cfg(test)]
    pub fn needs_in_use(&self) -> usize {
        assert!(self.spare <= SPARE_NEEDS && self.by_requirement.len() == self.needs.iter().flatten().count());
        self.by_requirement.len() - self.spare
    }

    /// Lines with somebody in them.
    pub fn in_use(&self) -> usize {
        self.lines.len()
    }

    pub fn need(&self, id: NeedId) -> &Need {
        self.needs[id].as_ref().expect("a need lives as long as it has holders")
    }

    fn need_mut(&mut self, id: NeedId) -> &mut Need {
        self.needs[id].as_mut().expect("a need lives as long as it has holders")
    }

    /// There is a new pool, without members that count, perhaps at the index of an old one.
    pub fn pool_made(&mut self, id: PoolId, pools: &mut Pools) {
        let pool = pools.pool_mut(id);
        let clues = pool.abilities.clues().filter_map(|clue| self.by_clue.get(&clue)).flatten();
        let candidates: BTreeSet<NeedId> = clues.chain(&self.without_clue).copied().collect();
        for need_id in candidates {
            let need = self.need_mut(need_id);
            if pool.abilities.suffice(&need.requirement) {
                need.able.set(id, true);
                pool.meets.set(need_id, true);
            }
        }
    }

    /// There is no such pool any more.
    pub fn pool_gone(&mut self, id: PoolId, pool: &Pool) {
        for need in pool.meets.iter() {
            self.need_mut(need).able.set(id, false);
        }
    }

    /// An agent of a pool that meets these needs counts otherwise than before.
    pub fn count(&mut self, meets: &Bits, was: (bool, bool), is: (bool, bool)) {
        for id in meets.iter() {
            let need = self.need_mut(id);
            need.logged_in = need.logged_in + u32::from(is.0) - u32::from(was.0);
            need.in_service = need.in_service + u32::from(is.1) - u32::from(was.1);
        }
    }

    /// Gives the key that is to be kept.
    pub fn enter(&mut self, key: LineKey, place: Place) -> Arc<LineKey> {
        if let Some((key, line)) = self.lines.range_mut::<LineKey, _>(&key..=&key).next() {
            line.insert(place);
            return key.clone();
        }
        let key = Arc::new(key);
        self.lines.insert(key.clone(), Ranked::of(place));
        if !key.refused.is_empty() {
            self.refused.insert(key.clone());
        }
        key
    }

    pub fn leave(&mut self, key: &LineKey, place: Place) {
        let line = self.lines.get_mut(key).expect("a line lives as long as it has entries");
        line.remove(place);
        if line.is_empty() {
            self.lines.remove(key);
            self.refused.remove(key);
        }
    }

    pub fn head(&self, key: &LineKey) -> Option<Place> {
        self.lines.get(key)?.first()
    }

    /// The lines of a need, kept for this agent or for nobody, each with its head.
    pub fn of_need(&self, only: Option<AgentId>, need: NeedId) -> impl Iterator<Item = (&Arc<LineKey>, Place)> {
        let first = LineKey {
            only,
            need,
            kind: Kind::FIRST,
            rate: Rate::default(),
            leave_when: InVain::default(),
            refused: Vec::new(),
        };
        let lines =
            self.lines.range::<LineKey, _>(first..).take_while(move |(key, _)| key.only == only && key.need == need);
        lines.map(|(key, line)| (key, line.first().expect("no line is empty")))
    }

    /// The lines kept for this agent, each with its head.
    pub fn kept_for(&self, agent: AgentId) -> impl Iterator<Item = (&Arc<LineKey>, Place)> {
        let first = LineKey {
            only: Some(agent),
            need: 0,
            kind: Kind::FIRST,
            rate: Rate::default(),
            leave_when: InVain::default(),
            refused: Vec::new(),
        };
        let lines = self.lines.range::<LineKey, _>(first..).take_while(move |(key, _)| key.only == Some(agent));
        lines.map(|(key, line)| (key, line.first().expect("no line is empty")))
    }

    /// The lines kept for some agent, each with its head.
    pub fn kept_for_somebody(&self) -> impl Iterator<Item = (&Arc<LineKey>, Place)> {
        // Those kept for nobody come before them.
        let lines = self.lines.iter().rev().take_while(|(key, _)| key.only.is_some());
        lines.map(|(key, line)| (key, line.first().expect("no line is empty")))
    }

    /// Entries in line that are kept for a team which this pool is of.
    pub fn kept_for_teams(&self, meets: &Bits) -> Vec<EntryId> {
        let lines = meets.common(&self.of_teams).flat_map(|need| self.of_need(None, need));
        lines.flat_map(|(key, _)| self.entries(key)).collect()
    }

    /// Lines that somebody refused.
    pub fn refused(&self) -> impl Iterator<Item = &Arc<LineKey>> {
        self.refused.iter()
    }

    pub fn entries(&self, key: &LineKey) -> impl Iterator<Item = EntryId> + '_ {
        self.lines.get(key).into_iter().flat_map(Ranked::iter).map(|place| place.entry)
    }
}

//! Waiting entries by what they need. Entries that every agent treats alike stand in one line, and only its head is
//! looked at when somebody comes free.

use super::bits::Bits;
use super::event::Skills;
use super::pool::{PoolId, Pools, suffices};
use crate::ids::{AgentId, EntryId};
use crate::time::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Score for waiting, in millionths of a point per second.
///
/// Scores are whole numbers (10⁻¹² points: a millionth of a point per second, times a microsecond), so that no
/// rounding can make two machines disagree about who is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

const POINT: i128 = 1_000_000_000_000;

impl Rate {
    /// From points per second. Below 0 and not a number are 0; above a million is a million.
    pub fn from_points(per_second: f64) -> Rate {
        // A float that is not a number becomes 0 in the cast.
        Rate((per_second.clamp(0.0, 1e6) * 1e6).round() as u64)
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

impl Place {
    pub fn new(priority: i64, rate: Rate, since: Time, entry: EntryId) -> Place {
        let head_start = i128::from(priority) * POINT - i128::from(rate.0) * i128::from(since.as_micros());
        Place { head_start: Reverse(head_start), since, entry }
    }

    /// Orders places of any rates at one moment, first to be served first.
    pub fn at(self, rate: Rate, now: Time) -> (Reverse<i128>, Time, EntryId) {
        let score = self.head_start.0 + i128::from(rate.0) * i128::from(now.as_micros());
        (Reverse(score), self.since, self.entry)
    }
}

/// Index of a set of needs; used again when the set is forgotten.
pub type NeedId = usize;

/// One set of needs and who meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub skills: Skills,
    /// Pools that can serve it.
    pub able: Bits,
    /// Entries that have it; a need without any is forgotten sooner or later.
    entries: u32,
}

/// So many needs that nobody has are kept, for the next who has them: to find out who meets a new one costs a look at
/// every skill set. One more, and all of them are forgotten.
const SPARE_NEEDS: usize = 100;

impl Need {
    pub fn logged_in(&self, pools: &Pools) -> u32 {
        self.able.iter().map(|id| pools.pool(id).logged_in).sum()
    }

    pub fn in_service(&self, pools: &Pools) -> u32 {
        self.able.iter().map(|id| pools.pool(id).in_service).sum()
    }
}

/// What the entries of one line have in common.
///
/// Refusals are part of it, so that the many entries that one agent has refused are one line and not many exceptions.
/// There are as many lines as different needs, and one more for each different set of refusals that is still
/// remembered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineKey {
    pub need: NeedId,
    pub rate: Rate,
    pub leave_when_no_agents: bool,
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
    by_skills: BTreeMap<Skills, NeedId>,
    /// Needs without entries.
    spare: usize,
    lines: BTreeMap<LineKey, BTreeSet<Place>>,
}

impl Lines {
    /// The need of one more entry.
    pub fn take_need(&mut self, skills: Skills, pools: &Pools) -> NeedId {
        if let Some(id) = self.by_skills.get(&skills) {
            let need = self.needs[*id].as_mut().expect("listed by skills");
            self.spare -= usize::from(need.entries == 0);
            need.entries += 1;
            return *id;
        }
        let id = self.needs.iter().position(Option::is_none).unwrap_or(self.needs.len());
        if id == self.needs.len() {
            self.needs.push(None);
        }
        self.needs[id] = Some(Need { able: pools.able(&skills), skills: skills.clone(), entries: 1 });
        self.by_skills.insert(skills, id);
        id
    }

    pub fn give_need(&mut self, id: NeedId) {
        let need = self.needs[id].as_mut().expect("a need lives as long as it has entries");
        need.entries -= 1;
        self.spare += usize::from(need.entries == 0);
        if self.spare > SPARE_NEEDS {
            for need in &mut self.needs {
                need.take_if(|need| need.entries == 0);
            }
            let needs = &self.needs;
            self.by_skills.retain(|_, id| needs[*id].is_some());
            self.spare = 0;
        }
    }

    #[cfg(test)]
    pub fn needs_in_use(&self) -> usize {
        assert!(self.spare <= SPARE_NEEDS && self.by_skills.len() == self.needs.iter().flatten().count());
        self.by_skills.len() - self.spare
    }

    /// Lines with somebody in them.
    pub fn in_use(&self) -> usize {
        self.lines.len()
    }

    pub fn need(&self, id: NeedId) -> &Need {
        self.needs[id].as_ref().expect("a need lives as long as it has entries")
    }

    /// There is a new pool, perhaps at the index of an old one.
    pub fn pool_made(&mut self, id: PoolId, skills: &Skills) {
        for need in self.needs.iter_mut().flatten() {
            need.able.set(id, suffices(skills, &need.skills));
        }
    }

    /// There is no such pool any more.
    pub fn pool_gone(&mut self, id: PoolId) {
        for need in self.needs.iter_mut().flatten() {
            need.able.set(id, false);
        }
    }

    pub fn enter(&mut self, key: LineKey, place: Place) {
        self.lines.entry(key).or_default().insert(place);
    }

    pub fn leave(&mut self, key: &LineKey, place: Place) {
        let line = self.lines.get_mut(key).expect("a line lives as long as it has entries");
        line.remove(&place);
        if line.is_empty() {
            self.lines.remove(key);
        }
    }

    /// Each line with its head.
    pub fn heads(&self) -> impl Iterator<Item = (&LineKey, Place)> {
        self.lines.iter().map(|(key, line)| (key, *line.first().expect("no line is empty")))
    }

    pub fn entries(&self, key: &LineKey) -> impl Iterator<Item = EntryId> + '_ {
        self.lines.get(key).into_iter().flatten().map(|place| place.entry)
    }
}

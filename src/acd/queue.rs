//! One queue: its settings, its waiting entries in order.

use super::event::QueueSettings;
use super::line::{NeedId, Place, Rate};
use super::ranked::Ranked;
use crate::ids::{AgentId, EntryId};
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    pub settings: QueueSettings,
    pub rate: Rate,
    /// What an entry needs that asks for nothing itself and of which nothing is known; held.
    pub plain: NeedId,
    /// Whom the queue rang last.
    pub last_rung: Option<AgentId>,
    /// Waiting entries, those offered included, by what they need.
    pub order: BTreeMap<NeedId, Ranked<Place>>,
    pub by_since: BTreeSet<(Time, EntryId)>,
}

impl Queue {
    pub fn new(settings: QueueSettings, plain: NeedId) -> Queue {
        Queue {
            rate: Rate::new(settings.ageing, settings.weight),
            settings,
            plain,
            last_rung: None,
            order: BTreeMap::new(),
            by_since: BTreeSet::new(),
        }
    }

    pub fn enter(&mut self, need: NeedId, place: Place) {
        self.order.entry(need).or_default().insert(place);
    }

    pub fn leave(&mut self, need: NeedId, place: Place) {
        let order = self.order.get_mut(&need).expect("entered with this need");
        order.remove(place);
        if order.is_empty() {
            self.order.remove(&need);
        }
    }
}

//! What entries will need at last, of those that will need less than now: while somebody is there for that, it is not in vain to wait.

use super::Acd;
use super::ability::Requirement;
use super::entry::Entry;
use super::line::NeedId;
use super::settings::InVain;
use crate::ids::{EntryId, QueueId};
use std::collections::{BTreeMap, BTreeSet};

/// Of entries whose queue lets go who waits in vain. Of each need that is hoped for the entry is a holder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hopes {
    of: BTreeMap<EntryId, NeedId>,
    by: BTreeMap<NeedId, BTreeSet<EntryId>>,
}

impl Hopes {
    pub fn of(&self, entry: EntryId) -> Option<NeedId> {
        self.of.get(&entry).copied()
    }

    /// Entries that hope for one of these.
    pub fn for_any<'a>(&'a self, needs: impl Iterator<Item = NeedId> + 'a) -> impl Iterator<Item = EntryId> + 'a {
        needs.filter_map(|need| self.by.get(&need)).flatten().copied()
    }

    fn set(&mut self, entry: EntryId, need: NeedId) {
        self.of.insert(entry, need);
        self.by.entry(need).or_default().insert(entry);
    }

    fn remove(&mut self, entry: EntryId) -> Option<NeedId> {
        let need = self.of.remove(&entry)?;
        let hoping = self.by.get_mut(&need).expect("noted both ways");
        hoping.remove(&entry);
        if hoping.is_empty() {
            self.by.remove(&need);
        }
        Some(need)
    }
}

impl Acd {
    /// What an entry will need in this queue when its last step is taken; the outer `None`: no step is to come.
    pub(super) fn need_at_last(&self, entry: &Entry, id: QueueId) -> Option<Option<Requirement>> {
        let steps = self.queues[&id].settings.relax.iter().chain(&entry.arrival.relax);
        let last = steps.map(|step| entry.since() + step.after).max().filter(|last| *last > self.now)?;
        Some(self.requirement(entry, id, None, last))
    }

    /// Notes what the entry hopes for, if its queue asks for that.
    pub(super) fn begin_to_hope(&mut self, id: EntryId) {
        let entry = &self.entries[&id];
        let queue = entry.queue();
        let rules = self.line_of(entry).leave_when;
        if !rules.no_agents && !rules.all_paused {
            return;
        }
        if let Some(requirement) = self.need_at_last(entry, queue) {
            let need = self.take_or_plain(requirement, queue);
            self.hopes.set(id, need);
        }
    }

    pub(super) fn hope_no_more(&mut self, id: EntryId) {
        if let Some(need) = self.hopes.remove(id) {
            self.lines.give_need(need, &mut self.pools);
        }
    }

    /// Nobody is there by these rules for the entry, nor will be when it needs less.
    pub(super) fn waits_in_vain(&self, id: EntryId, rules: InVain, need: NeedId) -> bool {
        self.is_in_vain(rules, need) && self.hopes.of(id).is_none_or(|hope| self.is_in_vain(rules, hope))
    }
}

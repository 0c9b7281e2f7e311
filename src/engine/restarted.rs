//! What a run does that goes on where another ended: whoever was on the line then is not any more.

use super::Engine;
use crate::acd::{AgentState, Change, Exit, Kind};
use crate::ids::{AgentId, CallId, EntryId, QueueId};
use crate::time::Time;
use std::collections::BTreeSet;

impl Engine {
    /// Ends what was up when the earlier run ended, as of the last time that it knew: entries leave as `SystemFault`, offers and
    /// talks end, and nobody has a phone before it is known again. All else stays.
    ///
    /// As of then and not of now: otherwise phones would ring, and callers would wait, for as long as nobody was there.
    ///
    /// Who was lost has the old place back: for as long as if it had happened now.
    pub(super) fn end_what_was_up(&mut self, now: Time) {
        let at = self.acd.now();
        let entries: Vec<EntryId> = self.acd.queues().flat_map(|(queue, _)| self.acd.entries(queue)).collect();
        // Tasks need nobody on the line: they wait on, and those that were worked on are worked on.
        let is_call = |entry: &EntryId| {
            let on_the_line = self.acd.callback(*entry).is_none();
            on_the_line && self.acd.entry(*entry).is_some_and(|entry| entry.kind == Kind::Call)
        };
        let (entries, waiting_on): (Vec<EntryId>, Vec<EntryId>) = entries.into_iter().partition(is_call);
        let waiting_on = waiting_on.into_iter().filter(|entry| self.acd.callback(*entry).is_none());
        let contacts: Vec<(EntryId, CallId)> = waiting_on.map(|entry| (entry, contact_of(entry))).collect();
        self.entries.extend(contacts);
        let is_rung = |entry: &EntryId| self.acd.entry(*entry).is_some_and(|entry| !entry.rung.is_empty());
        // Those in line first: an agent who is not rung any more would be rung for one of them.
        let (rung, in_line): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_rung);
        for entry in in_line.into_iter().chain(rung) {
            self.acd_apply(at, Change::Leave { entry, exit: Exit::SystemFault });
        }
        let talk = |state: &AgentState| if let AgentState::Talking { entry, .. } = state { Some(*entry) } else { None };
        let agents: Vec<(AgentId, Option<EntryId>)> =
            self.acd.agents().map(|agent| (agent.id, talk(agent.state))).collect();
        // Before their talks end: a promise whose number was being called waits again then, and must be offered to nobody.
        for (agent, _) in &agents {
            self.acd_apply(at, Change::Free { agent: *agent });
            self.acd_apply(at, Change::LoggedOut { agent: *agent, down: true });
        }
        for entry in agents.into_iter().filter_map(|(_, talk)| talk) {
            self.acd_apply(at, Change::TalkEnded { entry, broke: true });
        }
        self.acd_apply(now, Change::WasDown { since: at });
    }

    /// Queues and agents of the earlier run that the settings do not have any more. After the others have their settings: who waited
    /// in such a queue may go on to one of them.
    pub(super) fn leave_out_who_is_gone(&mut self, now: Time) {
        let named: BTreeSet<QueueId> = self.queue_ids.values().copied().collect();
        let queues = self.acd.queues().map(|(id, _)| id).filter(|id| !named.contains(id));
        for queue in queues.collect::<Vec<_>>() {
            self.acd_apply(now, Change::QueueGone { queue });
        }
        let agents = self.acd.agents().map(|agent| agent.id).filter(|id| !self.agents.is_one(*id));
        for agent in agents.collect::<Vec<_>>() {
            self.drop_tasks_of(now, agent);
            self.acd_apply(now, Change::AgentGone { agent });
        }
    }
}

/// The contact of an entry that comes with nobody on the line. It has the entry's number, so that a later run knows it too.
pub(super) fn contact_of(entry: EntryId) -> CallId {
    CallId(entry.0)
}

//! What happens to entries: they arrive, find their place, and leave by exactly one exit.

use super::deadline::Deadline;
use super::entry::{Entry, Stands};
use super::event::{Decision, Exit, Outcome, QueueSettings, Skills};
use super::line::{LineKey, Place, Rate};
use super::pool::without_zeros;
use super::queue::Queue;
use super::{Acd, Ignored};
use crate::ids::{EntryId, QueueId};
use crate::time::{Duration, Time};
use std::collections::BTreeMap;

impl Acd {
    pub(super) fn set_queue(&mut self, id: QueueId, settings: &QueueSettings) {
        let Some(queue) = self.queues.get(&id) else {
            self.queues.insert(id, Queue::new(settings.clone()));
            return;
        };
        let mut entries: Vec<EntryId> = queue.by_since.iter().map(|(_, entry)| *entry).collect();
        entries.sort_unstable();
        for entry in &entries {
            self.lose_place(*entry);
        }
        let queue = self.queue_mut(id);
        queue.settings = settings.clone();
        queue.rate = Rate::from_points(settings.ageing);
        for entry in entries {
            self.find_place(entry);
        }
    }

    pub(super) fn arrive(
        &mut self,
        id: EntryId,
        queue_id: QueueId,
        needs: &Skills,
        priority: i32,
        max_wait: Option<Duration>,
        since: Time,
    ) -> Result<(), Ignored> {
        if self.entries.contains_key(&id) || self.talks.contains_key(&id) {
            return Err(Ignored);
        }
        let Some(queue) = self.queues.get_mut(&queue_id) else {
            let exit = Exit::SystemFault;
            self.decisions.push_back(Decision::Exit { entry: id, queue: queue_id, exit, waited: Duration::ZERO });
            return Err(Ignored);
        };
        let full = queue.by_since.len() as u64 >= u64::from(queue.settings.max_waiting);
        let since = since.min(self.now);
        queue.by_since.insert((since, id));
        self.truth.arrived(self.now, queue_id);
        let entry = Entry {
            queue: queue_id,
            since,
            arrived: self.now,
            needs: without_zeros(needs),
            priority,
            max_wait,
            times_out: None,
            // The need and the place are those of nobody until it finds its own.
            need: usize::MAX,
            place: Place::new(0, Rate::default(), since, id),
            stands: Stands::Nowhere,
            refusals: BTreeMap::new(),
        };
        self.entries.insert(id, entry);
        self.find_place(id);
        if full && self.entries.contains_key(&id) {
            self.exit(id, Exit::RefusedFull);
        }
        if let Some(seen) = self.seen(id) {
            self.estimates.arrived(self.now, id, queue_id, seen);
        }
        Ok(())
    }

    pub(super) fn leave(&mut self, id: EntryId, exit: Exit) -> Result<(), Ignored> {
        let entry = self.entries.get(&id).ok_or(Ignored)?;
        let exit = match exit {
            Exit::Abandoned => {
                let short = self.now.since(entry.since) < self.queues[&entry.queue].settings.short_abandon;
                if short { Exit::ShortAbandoned } else { Exit::Abandoned }
            }
            Exit::LeftByKey
            | Exit::Transferred
            | Exit::SystemFault
            | Exit::Callback
            | Exit::Overflowed
            | Exit::QueueClosed => exit,
            Exit::Answered | Exit::ShortAbandoned | Exit::TimedOut | Exit::NoAgents | Exit::RefusedFull => {
                return Err(Ignored);
            }
        };
        if let Stands::Offered(agent) = entry.stands {
            self.withdraw(agent, Outcome::CallerGone);
            self.exit(id, exit);
            self.refresh_keeping_idle(agent);
        } else {
            self.exit(id, exit);
        }
        Ok(())
    }

    /// The last agent for some may have gone: entries that no agent logged in could ever serve leave, where their
    /// queue says so.
    pub(super) fn let_go_the_unservable(&mut self) {
        let lines = self.lines.heads().map(|(key, _)| key).filter(|key| self.is_hopeless(key));
        let mut entries: Vec<EntryId> = lines.flat_map(|key| self.lines.entries(key)).collect();
        entries.sort_unstable();
        for entry in entries {
            self.exit(entry, Exit::NoAgents);
        }
    }

    fn is_hopeless(&self, key: &LineKey) -> bool {
        key.leave_when_no_agents && self.lines.need(key.need).logged_in(&self.pools) == 0
    }

    /// Gives the entry the need, place and longest wait that follow from its own wishes and its queue's settings.
    pub(super) fn find_place(&mut self, id: EntryId) {
        let entry = self.entries.get_mut(&id).expect("the caller has it");
        let queue = self.queues.get_mut(&entry.queue).expect("entries are of known queues");
        let mut needs = without_zeros(&queue.settings.needs);
        for (skill, level) in &entry.needs {
            let needed = needs.entry(skill.clone()).or_default();
            *needed = (*needed).max(*level);
        }
        let priority = i64::from(queue.settings.priority) + i64::from(entry.priority);
        entry.need = self.lines.take_need(needs, &self.pools);
        entry.place = Place::new(priority, queue.rate, entry.since, id);
        queue.enter(entry.need, entry.place);
        let times_out = entry.max_wait.or(queue.settings.max_wait).map(|wait| entry.since + wait);
        let old = std::mem::replace(&mut entry.times_out, times_out);
        if entry.stands == Stands::Nowhere {
            self.deadlines.set(Deadline::MaxWait(id), old, times_out);
            self.enter_line(id);
        }
    }

    /// Takes back what `find_place` gave, the longest wait excepted.
    fn lose_place(&mut self, id: EntryId) {
        self.leave_line(id);
        let entry = &self.entries[&id];
        let (queue, need, place) = (entry.queue, entry.need, entry.place);
        self.queue_mut(queue).leave(need, place);
        self.lines.give_need(need);
    }

    /// Puts an entry that stands nowhere into its line, or lets it go if it would wait there for nobody.
    pub(super) fn enter_line(&mut self, id: EntryId) {
        let entry = &self.entries[&id];
        let queue = &self.queues[&entry.queue];
        let key = LineKey {
            need: entry.need,
            rate: queue.rate,
            leave_when_no_agents: queue.settings.leave_when_no_agents,
            refused: entry.refused(),
        };
        if self.is_hopeless(&key) {
            self.exit(id, Exit::NoAgents);
            return;
        }
        self.lines.enter(key.clone(), entry.place);
        self.entry_mut(id).stands = Stands::InLine(key);
    }

    /// Takes an entry out of its line, if it stands in one.
    pub(super) fn leave_line(&mut self, id: EntryId) {
        let entry = self.entries.get_mut(&id).expect("the caller has it");
        if let Stands::InLine(key) = &entry.stands {
            self.lines.leave(key, entry.place);
            entry.stands = Stands::Nowhere;
        }
    }

    /// The one way out. An offer for the entry must be over.
    pub(super) fn exit(&mut self, id: EntryId, exit: Exit) {
        self.lose_place(id);
        let entry = self.entries.remove(&id).expect("it had a place just now");
        debug_assert_eq!(entry.stands, Stands::Nowhere, "an offer outlives its entry");
        self.deadlines.set(Deadline::MaxWait(id), entry.times_out, None);
        for (agent, refusal) in &entry.refusals {
            self.deadlines.set(Deadline::Refusal(id, *agent), Some(refusal.deadline()), None);
            self.agent_mut(*agent).refused.remove(&id);
        }
        self.estimates.exited(self.now, id, exit);
        let waited = self.now.since(entry.since);
        let queue = self.queue_mut(entry.queue);
        queue.by_since.remove(&(entry.since, id));
        let level = queue.settings.service_level;
        self.truth.exited(entry.queue, entry.arrived, exit, waited, level);
        if let Some(agent) = self.talks.get(&id) {
            self.truth.talk_began(self.now, id, *agent, entry.queue, entry.arrived);
        }
        self.decisions.push_back(Decision::Exit { entry: id, queue: entry.queue, exit, waited });
    }

    /// For ids that were looked up before.
    pub(super) fn entry_mut(&mut self, id: EntryId) -> &mut Entry {
        self.entries.get_mut(&id).expect("the caller has it")
    }

    fn queue_mut(&mut self, id: QueueId) -> &mut Queue {
        self.queues.get_mut(&id).expect("queues are never removed")
    }
}

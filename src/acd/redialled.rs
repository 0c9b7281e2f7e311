//! Callers who called again before anybody knew that their line was gone: they wait already when their place is kept, or their agent.

use super::Acd;
use super::back;
use super::entry::{Entry, Kept};
use super::event::{Arrival, Prefer, Who};
use crate::ids::{AgentId, EntryId, QueueId};
use crate::time::{Duration, Time};
use std::collections::BTreeSet;

/// Those who wait and can be told from others, by who they are.
///
/// By a number made of the name, which takes a third of the room that names would; two names may share one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting(BTreeSet<(u64, EntryId)>);

impl Waiting {
    pub fn add(&mut self, id: EntryId, entry: &Entry) {
        if is_known(entry) {
            self.0.insert((number(&entry.arrival.caller), id));
        }
    }

    pub fn remove(&mut self, id: EntryId, entry: &Entry) {
        if is_known(entry) {
            self.0.remove(&(number(&entry.arrival.caller), id));
        }
    }

    fn of(&self, caller: &str) -> impl Iterator<Item = EntryId> {
        let number = number(caller);
        self.0.range((number, EntryId(0))..=(number, EntryId(u64::MAX))).map(|(_, entry)| *entry)
    }
}

/// What an entry whose line is gone leaves to who comes again.
#[derive(Clone, Debug)]
pub struct Left {
    pub caller: String,
    /// Where it was, and where before that.
    pub queue: QueueId,
    pub been: Vec<QueueId>,
    pub since: Time,
    pub away: Duration,
    pub priority: i32,
    /// For how long it is kept.
    pub for_so_long: Duration,
}

/// A talk that broke.
#[derive(Clone, Debug)]
pub struct Broken<'a> {
    pub caller: &'a str,
    pub agent: AgentId,
    pub queue: QueueId,
    pub been: &'a [QueueId],
    /// How long the caller had waited for it.
    pub waited: Duration,
    pub priority: i32,
    pub began: Time,
    /// For how long the agent is kept.
    pub within: Duration,
}

impl Acd {
    /// Whether the caller waits already, by a call that began later, and so has the place now. Nobody was away: there was a line at all
    /// times.
    pub(super) fn gives_place(&mut self, left: &Left) -> bool {
        let is_theirs = |entry: &Entry| {
            let came_by = entry.arrival.came_by();
            entry.since() > left.since && (left.queue == came_by || left.been.contains(&came_by))
        };
        let Some(id) = self.redialled(&left.caller, left.for_so_long, is_theirs) else { return false };
        let priority = self.entries[&id].arrival.priority.max(left.priority);
        self.entry_mut(id).arrival.priority = priority;
        self.waits_since(id, left.since, left.away);
        self.replace(id);
        self.goes_where_it_was(id, left.queue);
        true
    }

    /// Whether the caller waits already, by a call that began in the talk, and so is kept for the agent now.
    pub(super) fn gives_agent(&mut self, broken: &Broken) -> bool {
        let is_theirs = |entry: &Entry| entry.since() > broken.began;
        let Some(id) = self.redialled(broken.caller, broken.within, is_theirs) else { return false };
        let entry = &self.entries[&id];
        let wait = self.queues[&entry.queue()].settings.reconnect_wait;
        let came_by_this = entry.queue() == broken.queue || broken.been.contains(&entry.arrival.came_by());
        if came_by_this {
            let since = entry.since() - broken.waited;
            // They had been answered: the longest wait began anew.
            let away = entry.arrival.away + broken.waited;
            self.waits_since(id, since, away);
            let priority = self.entries[&id].arrival.priority.max(broken.priority);
            self.entry_mut(id).arrival.priority = priority;
        }
        let until = self.now + wait;
        let entry = self.entry_mut(id);
        let turn = entry.kept.turn.min(entry.arrival.prefer.len());
        entry.arrival.prefer.insert(turn, Prefer { who: Who::Agent(broken.agent), wait });
        entry.kept = Kept { turn, until };
        self.replace(id);
        if came_by_this {
            self.goes_where_it_was(id, broken.queue);
        }
        true
    }

    /// On to the queue where the caller was, if that takes it and nobody is rung for it.
    fn goes_where_it_was(&mut self, id: EntryId, queue: QueueId) {
        // Where it found that it is in vain to wait, it has gone on, or away.
        let stays = self.entries.get(&id).filter(|entry| entry.stands.rung().is_empty());
        let Some(entry) = stays.filter(|entry| entry.may_go_on_to(queue)).cloned() else { return };
        if let Some(way) = self.way_to(&entry, &[queue], true) {
            self.go_on(id, way, None);
        }
    }

    /// Whether one call of who comes waits in the same queue: that line may be gone, and its room is theirs. Of two, one may.
    pub(super) fn waits_once(&self, arrival: &Arrival) -> bool {
        let waiting = self.callers.waiting.of(&arrival.caller).map(|id| &*self.entries[&id]);
        let theirs = |entry: &&Entry| entry.arrival.caller == arrival.caller && entry.queue() == arrival.queue;
        waiting.filter(theirs).take(2).count() == 1
    }

    /// The caller's latest call that waits, began at most so long ago and is one of these.
    fn redialled(&self, caller: &str, within: Duration, is_theirs: impl Fn(&Entry) -> bool) -> Option<EntryId> {
        let waiting = self.callers.waiting.of(caller).map(|id| (id, &self.entries[&id]));
        let theirs = waiting.filter(|(_, entry)| entry.arrival.caller == caller && is_theirs(entry));
        let lately = theirs.filter(|(_, entry)| self.now.since(entry.since()) < within);
        lately.max_by_key(|(id, entry)| (entry.since(), *id)).map(|(id, _)| id)
    }

    /// As if its waiting had begun then; its place is to be found anew.
    fn waits_since(&mut self, id: EntryId, since: Time, away: Duration) {
        let entry = self.entry_mut(id);
        let (queue, was) = (entry.queue(), std::mem::replace(&mut entry.arrival.since, since));
        entry.arrival.away = away;
        let by_since = &mut self.queue_mut(queue).by_since;
        by_since.remove((was, id));
        by_since.insert((since, id));
    }
}

/// Whoever waits is on the line, and can be told from others.
pub fn is_known(entry: &Entry) -> bool {
    back::is_known(&entry.arrival) && entry.arrival.callback.is_none()
}

/// FNV-1a (Fowler, Noll, Vo).
fn number(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

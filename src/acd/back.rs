//! Callers who come again: whose line broke while they waited has the old place back, whose talk broke goes back to the agent.

use super::Acd;
use super::event::{Arrival, Exit, Kind, Prefer, Who};
use super::memory::{Memory, Remembered};
use super::redialled::{self, Broken, Left, Waiting};
use super::settings::KeepPlaceFor;
use crate::ids::{AgentId, EntryId, QueueId};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Places, and agents after a talk that broke, that are kept at a time, of all queues; one more, and the one goes whose time would be
/// over first.
const KEPT_MAX: usize = 10_000;

/// Callers of whom it is known who talked with them last; one more, and the one goes who called longest ago.
const TALKED_MAX: usize = 50_000;

/// For how long that is known.
pub const TALKED_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// What is known of callers, those who talk included.
#[derive(Clone, Debug, PartialEq)]
pub struct Callers {
    places: Memory<LeftPlace>,
    broken: Memory<BrokenTalk>,
    /// The last talk of each.
    talked: Memory<Talked>,
    /// Talks with callers who can be told from others.
    talks: BTreeMap<EntryId, Box<Talker>>,
    pub(super) waiting: Waiting,
}

/// A place that is kept for its caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct LeftPlace {
    queue: QueueId,
    /// Queues where it was before: the caller comes by the first of them again.
    #[serde(default)]
    been: Vec<QueueId>,
    since: Time,
    #[serde(default)]
    away: Duration,
    priority: i32,
    /// When it was left. Those of a journal that did not say so count from when they are looked at.
    #[serde(default)]
    left: Option<Time>,
}

/// An agent who is kept for the caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct BrokenTalk {
    agent: AgentId,
    queue: QueueId,
    /// As in [`LeftPlace`].
    #[serde(default)]
    been: Vec<QueueId>,
    /// As if the wait had ended when the talk broke.
    since: Time,
    #[serde(default)]
    priority: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Talked {
    agent: AgentId,
    at: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Talker {
    caller: String,
    queue: QueueId,
    #[serde(default)]
    been: Vec<QueueId>,
    waited: Duration,
    #[serde(default)]
    priority: i32,
    /// Of a journal that did not say so: long ago.
    #[serde(default)]
    began: Time,
}

impl Talker {
    /// `None`: they cannot be told from others.
    fn of(arrival: &Arrival, now: Time) -> Option<Box<Talker>> {
        let caller = is_known(arrival).then(|| arrival.caller.clone())?;
        let (been, waited) = (arrival.been.clone(), now.since(arrival.since));
        let (queue, priority) = (arrival.queue, arrival.priority);
        Some(Box::new(Talker { caller, queue, been, waited, priority, began: now }))
    }
}

/// As it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptCallers {
    places: Vec<Remembered<LeftPlace>>,
    broken: Vec<Remembered<BrokenTalk>>,
    talked: Vec<Remembered<Talked>>,
    talks: Vec<(EntryId, Talker)>,
    /// In the order of the above.
    crowded_out: [u64; 3],
}

impl Default for Callers {
    fn default() -> Self {
        Callers::restored(KeptCallers::default())
    }
}

impl Callers {
    pub fn kept(&self) -> KeptCallers {
        KeptCallers {
            places: self.places.kept(),
            broken: self.broken.kept(),
            talked: self.talked.kept(),
            talks: self.talks.iter().map(|(entry, talker)| (*entry, Talker::clone(talker))).collect(),
            crowded_out: [self.places.crowded_out(), self.broken.crowded_out(), self.talked.crowded_out()],
        }
    }

    pub fn restored(kept: KeptCallers) -> Callers {
        let [places, broken, talked] = kept.crowded_out;
        Callers {
            places: Memory::restored(KEPT_MAX, kept.places, places),
            broken: Memory::restored(KEPT_MAX, kept.broken, broken),
            talked: Memory::restored(TALKED_MAX, kept.talked, talked),
            talks: kept.talks.into_iter().map(|(entry, talker)| (entry, Box::new(talker))).collect(),
            waiting: Waiting::default(),
        }
    }

    pub fn talks(&self) -> usize {
        self.talks.len()
    }
}

impl Acd {
    /// Of how many callers something was forgotten before its time, because there were too many: by what it was.
    pub fn callers_forgotten(&self) -> [(&'static str, u64); 3] {
        let Callers { places, broken, talked, .. } = &self.callers;
        [("place", places.crowded_out()), ("broken_talk", broken.crowded_out()), ("last_talk", talked.crowded_out())]
    }

    /// Who talked with this caller last, if that ended at most so long ago.
    pub fn last_agent(&self, caller: &str, within: Duration, now: Time) -> Option<AgentId> {
        let mut talked = self.callers.talked.of(now, caller).filter(|(_, talked)| now.since(talked.at) <= within);
        talked.next().map(|(_, talked)| talked.agent)
    }

    /// For how long a caller is kept for the agent with whom a talk broke; zero where there is no such queue.
    pub fn reconnect_wait(&self, queue: QueueId) -> Duration {
        self.queues.get(&queue).map_or(Duration::ZERO, |queue| queue.settings.reconnect_wait)
    }

    /// What the entry, which leaves by this exit, leaves to who comes again, where its queue says so.
    pub(super) fn place_left(&self, id: EntryId, exit: Exit) -> Option<Left> {
        let entry = &self.entries[&id];
        let settings = &self.queues[&entry.queue()].settings;
        let is_kept = match exit {
            Exit::SystemFault => true,
            Exit::Abandoned | Exit::ShortAbandoned => settings.keep_place_for == KeepPlaceFor::All,
            _ => false,
        };
        (is_kept && redialled::is_known(entry)).then(|| Left {
            caller: entry.arrival.caller.clone(),
            queue: entry.queue(),
            been: entry.arrival.been.clone(),
            since: entry.since(),
            away: entry.arrival.away,
            priority: entry.arrival.priority,
            for_so_long: settings.keep_place,
        })
    }

    /// The entry has left, and its place is for who called again already, or will.
    pub(super) fn keep_place(&mut self, id: EntryId, left: Left) {
        if self.gives_place(&left) {
            return;
        }
        let Left { caller, queue, been, since, away, priority, for_so_long } = left;
        let place = LeftPlace { queue, been, since, away, priority, left: Some(self.now) };
        self.callers.places.remember(self.now, &caller, id, self.now + for_so_long, place);
    }

    /// The entry is answered.
    pub(super) fn talk_begins(&mut self, id: EntryId) {
        let entry = &self.entries[&id];
        // Who is to be called back does not talk yet.
        if entry.arrival.callback.is_none() {
            let talker = Talker::of(&entry.arrival, self.now);
            self.callers.talks.extend(talker.map(|talker| (id, talker)));
        }
    }

    /// Who was to be called back has answered.
    pub(super) fn talk_begins_with(&mut self, id: EntryId, arrival: &Arrival) {
        let talker = Talker::of(arrival, self.now);
        self.callers.talks.extend(talker.map(|talker| (id, talker)));
    }

    pub(super) fn remember_talk(&mut self, id: EntryId, agent: AgentId, broke: bool) {
        let Some(talker) = self.callers.talks.remove(&id) else { return };
        let Talker { caller, queue, been, waited, priority, began } = *talker;
        let before: Vec<EntryId> = self.callers.talked.of(self.now, &caller).map(|(entry, _)| entry).collect();
        for entry in before {
            self.callers.talked.forget(&caller, entry);
        }
        let talked = Talked { agent, at: self.now };
        self.callers.talked.remember(self.now, &caller, id, self.now + TALKED_KEPT, talked);
        if broke && let Some(queue_of_talk) = self.queues.get(&queue) {
            let within = queue_of_talk.settings.reconnect_within;
            if self.gives_agent(&Broken { caller: &caller, agent, queue, been: &been, waited, priority, began, within })
            {
                return;
            }
            let until = self.now + within;
            let since = self.now - waited;
            self.callers.broken.remember(
                self.now,
                &caller,
                id,
                until,
                BrokenTalk { agent, queue, been, since, priority },
            );
        }
    }

    /// Gives a caller who comes again what is kept for them; it is kept on until [`Acd::has_come_again`].
    pub(super) fn comes_again(&self, arrival: &mut Arrival) -> CameAgain {
        if !is_known(arrival) {
            return CameAgain::default();
        }
        let (place, was_in) = self.give_place_back(arrival).unzip();
        let (broken, talked_from) = self.give_agent_back(arrival).unzip();
        let talked_from = talked_from.flatten();
        let was_here = [was_in, talked_from].contains(&Some(arrival.queue)) || self.waits_once(arrival);
        let (promise, promised_in) = self.give_promised_place(arrival).unzip();
        // A promise takes no room on the line.
        let was_in = was_in.or(talked_from).map(|queue| (queue, true)).or(promised_in.map(|queue| (queue, false)));
        let was_elsewhere = was_in.filter(|(queue, _)| *queue != arrival.queue);
        CameAgain { place, broken, promise, was_here, was_elsewhere }
    }

    /// The caller was let in with what was kept for them.
    pub(super) fn has_come_again(&mut self, caller: &str, with: CameAgain) {
        if let Some(id) = with.place {
            self.callers.places.forget(caller, id);
        }
        if let Some(id) = with.broken {
            self.callers.broken.forget(caller, id);
        }
        if let Some(id) = with.promise {
            self.withdraw_promise(id);
        }
    }

    /// Of several places that are kept for the caller in this queue, or in one to which they went on from it, the one of who had waited longest.
    fn give_place_back(&self, arrival: &mut Arrival) -> Option<(EntryId, QueueId)> {
        let places = self.callers.places.of(self.now, &arrival.caller);
        let is_there = |place: &LeftPlace| place.queue == arrival.queue || place.been.contains(&arrival.queue);
        let places = places.filter(|(_, place)| is_there(place));
        let (id, place) = places.min_by_key(|(id, place)| (place.since, *id))?;
        arrival.takes_place(place.since, place.away, place.left.unwrap_or(self.now), self.now);
        arrival.priority = arrival.priority.max(place.priority);
        Some((id, place.queue))
    }

    /// That of a promise to call them back, which is thereby withdrawn. With the queue where it stands.
    fn give_promised_place(&self, arrival: &mut Arrival) -> Option<(EntryId, QueueId)> {
        let (id, promised) = self.promise_to(&arrival.caller, arrival.queue)?;
        let left = promised.callback.as_deref().map_or(self.now, |callback| callback.promised);
        arrival.takes_place(promised.since, promised.away, left, self.now);
        arrival.priority = arrival.priority.max(promised.priority);
        Some((id, promised.queue))
    }

    /// In any queue whose needs the agent meets; of several talks that broke, that of the latest entry. With the queue from which it
    /// was, if they came to that by this one.
    fn give_agent_back(&self, arrival: &mut Arrival) -> Option<(EntryId, Option<QueueId>)> {
        let (id, broken) = self.callers.broken.of(self.now, &arrival.caller).last()?;
        let wait = self.queues[&arrival.queue].settings.reconnect_wait;
        let came_by_this = broken.queue == arrival.queue || broken.been.contains(&arrival.queue);
        if came_by_this {
            // They had been answered: the longest wait begins anew.
            arrival.takes_place(broken.since, Duration::ZERO, broken.since, self.now);
            arrival.priority = arrival.priority.max(broken.priority);
        }
        arrival.prefer.insert(0, Prefer { who: Who::Agent(broken.agent), wait });
        Some((id, came_by_this.then_some(broken.queue)))
    }

    /// Nobody could come again in that time: what is kept for callers is kept that much longer.
    pub(super) fn was_down(&mut self, since: Time) {
        let for_so_long = self.now.since(since);
        self.callers.places.prolong(since, for_so_long);
        self.callers.broken.prolong(since, for_so_long);
    }
}

/// What of the things that were kept for a caller is used up.
#[derive(Clone, Copy, Default)]
pub struct CameAgain {
    place: Option<EntryId>,
    broken: Option<EntryId>,
    promise: Option<EntryId>,
    /// They were in this queue's line, or in a talk from it; or a line of theirs waits in it that may be gone.
    pub was_here: bool,
    /// They had gone on from this queue to that one: they go there again, if it takes them.
    /// `true`: as whoever was there.
    pub was_elsewhere: Option<(QueueId, bool)>,
}

/// Whoever calls can be told from others.
pub fn is_known(arrival: &Arrival) -> bool {
    arrival.kind == Kind::Call && !arrival.caller.is_empty()
}

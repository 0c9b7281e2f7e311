//! What happens to entries: they arrive, find their place, and leave by exactly one exit.

use super::ability::Requirement;
use super::bits::Bits;
use super::deadline::{Deadline, Due};
use super::entry::{Entry, Stands};
use super::event::{Arrival, Decision, Exit, Outcome, Who};
use super::line::{LineKey, NeedId, Place, Rate};
use super::matching;
use super::overflow::Leaving;
use super::queue::Queue;
use super::settings::{InVain, QueueSettings, Relax};
use super::{Acd, Ignored};
use crate::ids::{AgentId, EntryId, QueueId};
use crate::need::Need;
use crate::time::{Duration, Time};

impl Acd {
    pub(super) fn set_queue(&mut self, id: QueueId, settings: &QueueSettings) {
        let plain = self.lines.take_need(&Acd::plain_requirement(settings, id), &mut self.pools);
        let Some(queue) = self.queues.get_mut(&id) else {
            self.gone.queues.remove(&id);
            self.queues.insert(id, Queue::new(settings.clone(), plain));
            return;
        };
        let entries = queue.entries();
        for entry in &entries {
            self.lose_place(*entry);
        }
        let queue = self.queue_mut(id);
        queue.settings = settings.clone();
        queue.rate = Rate::new(settings.ageing, settings.weight);
        let old = std::mem::replace(&mut queue.plain, plain);
        self.lines.give_need(old, &mut self.pools);
        for entry in entries {
            self.find_place(entry);
        }
    }

    /// Finds the places of all entries of a queue again.
    pub(super) fn replace_all(&mut self, id: QueueId) {
        for entry in self.queues[&id].entries() {
            self.replace(entry);
        }
    }

    pub(super) fn arrive(&mut self, id: EntryId, arrival: &Arrival) -> Result<(), Ignored> {
        if self.entries.contains_key(&id) || self.talks.contains_key(&id) {
            return Err(Ignored);
        }
        let queue = arrival.queue;
        if !self.queues.contains_key(&queue) {
            let (exit, waited) = (Exit::SystemFault, Duration::ZERO);
            self.decide(Decision::Exit { entry: id, queue, exit, waited, to: None, obstacle: None });
            return Err(Ignored);
        }
        let mut arrival = arrival.clone();
        arrival.since = arrival.since.min(self.now);
        if arrival.callback.is_some() {
            self.promise(id, arrival);
            return Ok(());
        }
        let came_again = self.comes_again(&mut arrival);
        let mut entry = Entry::new(id, arrival, self.now);
        let now = self.now;
        self.truth_of(entry.kind()).arrived(now, queue);
        let way_back = came_again.was_elsewhere.filter(|(there, _)| entry.may_go_on_to(*there));
        let way_back = way_back.and_then(|(there, was_there)| self.way_to(&entry, &[there], was_there));
        let obstacle = match way_back {
            None => self.obstacle(&entry, queue, came_again.was_here),
            Some(_) => None,
        };
        let way_out = obstacle.and_then(|obstacle| self.way_out(&entry, |when| when == obstacle.when())).or(way_back);
        if let Some(obstacle) = obstacle.filter(|_| way_out.is_none()) {
            self.tell_exit(id, &entry, obstacle.into());
            return Ok(());
        }
        // What is kept for who calls is used up by those who are let in.
        self.has_come_again(&entry.arrival.caller, came_again);
        match way_out {
            None => self.stand(id, entry),
            Some(way) => {
                self.tell_exit(id, &entry, Leaving::to(way.to, obstacle));
                entry.goes_on(way, self.now);
                self.join(id, entry);
            }
        }
        Ok(())
    }

    /// An entry comes from another queue.
    pub(super) fn join(&mut self, id: EntryId, entry: Entry) {
        let now = self.now;
        self.truth_of(entry.kind()).arrived(now, entry.queue());
        self.stand(id, entry);
    }

    pub(super) fn stand(&mut self, id: EntryId, entry: Entry) {
        let (queue, since, arrived) = (entry.queue(), entry.since(), entry.arrived);
        self.queue_mut(queue).since_mut(&entry.arrival).insert((since, id));
        let is_promise = entry.arrival.callback.is_some();
        self.callers.waiting.add(id, &entry);
        self.entries.insert(id, Box::new(entry));
        self.find_place(id);
        if is_promise {
            return;
        }
        // Where it found that it is in vain to wait, it has gone on, or away.
        let stays = self.entries.get(&id).is_some_and(|entry| (entry.queue(), entry.arrived) == (queue, arrived));
        if stays && let Some(seen) = self.seen(id) {
            self.estimates.arrived(self.now, id, queue, seen);
        }
    }

    pub(super) fn set_priority(&mut self, id: EntryId, priority: i32) -> Result<(), Ignored> {
        let entry = self.entries.get_mut(&id).ok_or(Ignored)?;
        entry.arrival.priority = priority;
        self.replace(id);
        Ok(())
    }

    pub(super) fn leave(&mut self, id: EntryId, exit: Exit) -> Result<(), Ignored> {
        let entry = self.entries.get(&id).ok_or(Ignored)?;
        let exit = match exit {
            Exit::Abandoned if entry.arrival.callback.is_some() => return Err(Ignored),
            Exit::Abandoned => {
                let short = self.now.since(entry.since()) < self.queues[&entry.queue()].settings.short_abandon;
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
        self.leaves(id, exit);
        Ok(())
    }

    /// It leaves by an exit that nobody here has chosen; whoever is rung for it is so no more.
    pub(super) fn leaves(&mut self, id: EntryId, exit: Exit) {
        let rung = self.entries[&id].stands.rung().to_vec();
        let left = self.place_left(id, exit);
        for agent in &rung {
            self.withdraw(*agent, Outcome::CallerGone);
        }
        self.exit(id, exit);
        for agent in rung {
            self.refresh_keeping_idle(agent);
        }
        if let Some(left) = left {
            self.keep_place(id, left);
        }
    }

    /// The last agent who met these needs may have gone: entries that wait in vain leave, where their queue says so.
    pub(super) fn let_go_the_unservable<'a>(&mut self, met: impl IntoIterator<Item = &'a Bits>) {
        let needs: Vec<NeedId> = met.into_iter().flat_map(|met| met.iter()).collect();
        let lines = needs.iter().flat_map(|need| self.lines.of_need(None, *need));
        let lines = lines.map(|(key, _)| key).filter(|key| self.is_in_vain(key.leave_when, key.need));
        let mut entries: Vec<EntryId> = lines.flat_map(|key| self.lines.entries(key)).collect();
        entries.extend(self.hopes.for_any(needs.iter().copied()));
        let is_left = |id: &EntryId| match &self.entries[id].stands {
            Stands::InLine(key) => self.waits_in_vain(*id, key.leave_when, key.need),
            Stands::Offered(_) | Stands::Asleep | Stands::Nowhere => false,
        };
        entries.retain(is_left);
        entries.sort_unstable();
        entries.dedup();
        for entry in entries {
            let needs = self.hopes.of(entry).into_iter().chain([self.entries[&entry].need]);
            let obstacle = self.want_of_agents(needs);
            self.turn_away(entry, obstacle);
        }
    }

    /// A step of the entry is due.
    pub(super) fn step_due(&mut self, id: EntryId) {
        self.entry_mut(id).steps_at = Due::NOT;
        self.replace(id);
    }

    /// Finds the place again: something that it follows from has changed.
    pub(super) fn replace(&mut self, id: EntryId) {
        self.lose_place(id);
        self.find_place(id);
    }

    /// Gives the entry the need, place and longest wait that follow from its own wishes, its queue's settings and the time.
    fn find_place(&mut self, id: EntryId) {
        let need = self.find_need(id);
        self.take_place(id, need);
    }

    /// The same with this need, of which it is a holder already.
    fn take_place(&mut self, id: EntryId, need: NeedId) {
        self.begin_to_hope(id);
        let entry = &self.entries[&id];
        let first_look = self.first_look(entry.queue(), entry.arrived, entry.arrival.callback.is_some());
        let overflows = self.next_overflow(entry);
        let entry = self.entries.get_mut(&id).expect("the caller has it");
        let queue = self.queues.get_mut(&entry.arrival.queue).expect("entries are of known queues");
        entry.need = need;
        entry.place = Place::new(queue.priority_of(&entry.arrival), queue.rate, entry.arrival.since, id);
        let sleeps = entry.sleeps(self.now, queue) && !matches!(entry.stands, Stands::Offered(_));
        if !sleeps {
            queue.enter(entry.need, entry.place);
        }
        let steps = [(&entry.arrival.relax, entry.arrival.since), (&queue.settings.relax, entry.arrival.since)];
        let relaxes = steps.iter().flat_map(|(steps, since)| steps.iter().map(|step| *since + step.after));
        let kept = entry.kept_for().map(|_| entry.kept.until).filter(|_| !sleeps);
        let wakes = entry.arrival.callback.as_deref().map(|callback| callback.not_before);
        let steps_at = relaxes.chain(kept).chain(wakes).filter(|at| *at > self.now).min();
        let old = std::mem::replace(&mut entry.steps_at, steps_at.into()).at();
        self.deadlines.set(Deadline::Step(id), old, steps_at);
        let looks = first_look.map(|first| entry.looks.at().unwrap_or(first));
        let old = std::mem::replace(&mut entry.looks, looks.into()).at();
        self.deadlines.set(Deadline::Look(id), old, looks);
        let times_out = queue.longest_wait(&entry.arrival);
        let old = std::mem::replace(&mut entry.times_out, times_out);
        let old_overflows = std::mem::replace(&mut entry.overflows, overflows.into()).at();
        match &entry.stands {
            Stands::Offered(agents) => {
                let mut agents = agents.clone();
                agents.sort_unstable();
                for agent in agents {
                    self.withdraw_unlicensed(agent);
                }
            }
            Stands::InLine(_) | Stands::Asleep | Stands::Nowhere => {
                self.deadlines.set(Deadline::MaxWait(id), old.map(|(at, _)| at), times_out.map(|(at, _)| at));
                self.deadlines.set(Deadline::Overflow(id), old_overflows, overflows);
                if sleeps {
                    entry.stands = Stands::Asleep;
                    self.tell_estimators(id);
                } else {
                    self.enter_line(id);
                }
            }
        }
    }

    /// What the entry needs now, taken for it; passes over those for whom it cannot be kept, unless it sleeps.
    fn find_need(&mut self, id: EntryId) -> NeedId {
        let entry = &self.entries[&id];
        let rings = matches!(entry.stands, Stands::Offered(_));
        let sleeps = entry.sleeps(self.now, &self.queues[&entry.queue()]) && !rings;
        loop {
            let need = self.take_need(id);
            let entry = &self.entries[&id];
            if sleeps || entry.kept_for().is_none() || (self.now < entry.kept.until && self.is_kept(entry, need)) {
                return need;
            }
            self.lines.give_need(need, &mut self.pools);
            let now = self.now;
            let entry = self.entry_mut(id);
            entry.kept.turn += 1;
            let next = entry.arrival.prefer.get(entry.kept.turn);
            entry.kept.until = next.map_or(Time::NEVER, |next| now + next.wait);
        }
    }

    /// What the entry needs while it is kept for whom it is kept for, taken for it.
    fn take_need(&mut self, id: EntryId) -> NeedId {
        let entry = &self.entries[&id];
        let need = self.requirement(entry, entry.queue(), entry.kept_for_team(), self.now);
        self.take_or_plain(need, self.entries[&id].queue())
    }

    /// Puts an entry where it was, kept for whom it was kept for.
    pub(super) fn restore_place(&mut self, id: EntryId) {
        let need = self.take_need(id);
        self.take_place(id, need);
    }

    /// Whether somebody is there for whom it is to be kept: in service, able and not unwilling.
    fn is_kept(&self, entry: &Entry, need: NeedId) -> bool {
        let is_there = |id: &AgentId| {
            let agent = self.agents.get(id).filter(|agent| agent.counted.in_service);
            agent.is_some_and(|agent| self.lines.need(need).able.has(agent.pool))
        };
        match entry.kept_for() {
            Some(Who::Agent(id)) => is_there(id) && !entry.refusals.contains_key(id),
            Some(Who::Team(_)) => {
                let refused = entry.refusals.keys().filter(|id| is_there(id)).count();
                self.lines.need(need).in_service as usize > refused
            }
            None => false,
        }
    }

    /// Everything that an agent must have for the entry in this queue at that time, and the team they are of if it is kept for one;
    /// `None`: what the queue needs of everybody.
    pub(super) fn requirement(&self, entry: &Entry, id: QueueId, team: Option<&str>, at: Time) -> Option<Requirement> {
        let arrival = &entry.arrival;
        let queue = &self.queues[&id];
        let settings = &queue.settings;
        let asks_nothing = arrival.need.is_none() && arrival.relax.is_empty() && team.is_none();
        let nothing_known = arrival.attributes.is_empty() || !settings.asks_attributes();
        if asks_nothing && settings.relax.is_empty() && nothing_known {
            return None;
        }
        let waited = at.since(arrival.since);
        let now_of = |need: &Need, steps: &[Relax]| {
            let step = steps.iter().filter(|step| step.after <= waited).max_by_key(|step| step.after);
            let relaxed = step.map(|step| Need {
                licences: need.licences.union(&step.need.licences).cloned().collect(),
                skills: step.need.skills.clone(),
            });
            relaxed.as_ref().unwrap_or(need).resolved(&arrival.attributes)
        };
        let need = now_of(&settings.needs, &settings.relax).and(&now_of(&arrival.need, &arrival.relax));
        let rules = queue.rules(&arrival.attributes).map(|rule| rule.needs.resolved(&arrival.attributes));
        let need = rules.fold(need, |need, rule| need.and(&rule));
        Some(Requirement { need, team: team.map(str::to_owned), queue: settings.members_only.then_some(id) })
    }

    /// Takes back what `find_place` gave, deadlines excepted.
    fn lose_place(&mut self, id: EntryId) {
        self.leave_line(id);
        self.hope_no_more(id);
        let entry = self.entry_mut(id);
        let (queue, need, place) = (entry.queue(), entry.need, entry.place);
        if entry.stands == Stands::Asleep {
            entry.stands = Stands::Nowhere;
        } else {
            self.queue_mut(queue).leave(need, place);
        }
        self.lines.give_need(need, &mut self.pools);
    }

    /// Puts an entry that stands nowhere into its line, or lets it go if it would wait there for nobody.
    pub(super) fn enter_line(&mut self, id: EntryId) {
        let key = self.line_of(&self.entries[&id]);
        if self.waits_in_vain(id, key.leave_when, key.need) {
            let obstacle = self.want_of_agents(self.hopes.of(id).into_iter().chain([key.need]));
            self.turn_away(id, obstacle);
            return;
        }
        let place = self.entries[&id].place;
        let key = self.lines.enter(key, place);
        self.touched.line(&key);
        self.entry_mut(id).stands = Stands::InLine(key);
        self.tell_estimators(id);
    }

    /// The line in which the entry stands while it is in line.
    pub(super) fn line_of(&self, entry: &Entry) -> LineKey {
        let queue = &self.queues[&entry.queue()];
        let only = match entry.kept_for() {
            Some(Who::Agent(agent)) => Some(*agent),
            Some(Who::Team(_)) | None => None,
        };
        LineKey {
            only,
            need: entry.need,
            kind: entry.kind(),
            rate: queue.rate,
            leave_when: match entry.arrival.callback {
                None => queue.settings.leave_when.without_estimate(),
                Some(_) => InVain::default(),
            },
            refused: entry.refused(),
        }
    }

    /// Takes an entry out of its line, if it stands in one.
    pub(super) fn leave_line(&mut self, id: EntryId) {
        let entry = self.entries.get_mut(&id).expect("the caller has it");
        if let Stands::InLine(key) = &entry.stands {
            self.lines.leave(key, entry.place);
            entry.stands = Stands::Nowhere;
        }
    }

    /// This agent is not there any more, or can no longer do what they could: entries are not kept for them, nor for a
    /// team of which nobody else is there; and lines that others refused may have nobody else left.
    pub(super) fn keep_no_longer(&mut self, agent: AgentId, met: &Bits) {
        let mut entries = self.lines.kept_for_teams(met);
        entries.extend(self.lines.kept_for(agent).flat_map(|(key, _)| self.lines.entries(key)));
        entries.retain(|id| !self.is_kept(&self.entries[id], self.entries[id].need));
        entries.sort_unstable();
        for entry in entries {
            self.replace(entry);
        }
        for key in self.lines.refused().filter(|key| met.has(key.need)) {
            self.touched.line(key);
        }
    }

    /// The one way out. All offers for the entry must be over.
    pub(super) fn exit(&mut self, id: EntryId, leaving: impl Into<Leaving>) {
        let entry = self.take_out(id, leaving.into());
        for (agent, refusal) in &entry.refusals {
            self.deadlines.set(Deadline::Refusal(id, *agent), Some(refusal.deadline()), None);
            self.agent_mut(*agent).refused.remove(&id);
        }
        let now = self.now;
        if let Some(agent) = self.talks.get(&id).copied() {
            let callback = entry.arrival.callback.as_deref();
            let arrived = callback.map_or(entry.arrived, |callback| callback.promised);
            self.truth_of(entry.kind()).talk_began(now, id, agent, entry.queue(), arrived, callback.is_some());
        }
    }

    /// Takes an entry out of its queue, on its way to another or out.
    pub(super) fn take_out(&mut self, id: EntryId, leaving: Leaving) -> Entry {
        self.lose_place(id);
        let entry = self.entries.remove(&id).expect("it had a place just now");
        self.callers.waiting.remove(id, &entry);
        debug_assert_eq!(entry.stands, Stands::Nowhere, "an offer outlives its place");
        self.deadlines.set(Deadline::MaxWait(id), entry.times_out.map(|(at, _)| at), None);
        self.deadlines.set(Deadline::Overflow(id), entry.overflows.at(), None);
        self.deadlines.set(Deadline::Look(id), entry.looks.at(), None);
        self.deadlines.set(Deadline::Step(id), entry.steps_at.at(), None);
        self.estimates.exited(self.now, id, leaving.exit);
        self.queue_mut(entry.queue()).since_mut(&entry.arrival).remove((entry.since(), id));
        match entry.arrival.callback.as_deref() {
            Some(callback) => self.promise_leaves(id, &entry, callback, leaving.exit),
            None => self.tell_exit(id, &entry, leaving),
        }
        Entry { times_out: None, overflows: Due::NOT, looks: Due::NOT, steps_at: Due::NOT, ..*entry }
    }

    /// For ids that were looked up before.
    pub(super) fn entry_mut(&mut self, id: EntryId) -> &mut Entry {
        self.entries.get_mut(&id).expect("the caller has it")
    }

    pub(super) fn queue_mut(&mut self, id: QueueId) -> &mut Queue {
        self.queues.get_mut(&id).expect("a queue that is gone is named nowhere")
    }

    /// Whether nobody is left to try for an entry but those who refused it.
    pub(super) fn nobody_else_left(&self, key: &LineKey) -> bool {
        matching::nobody_else_left(key, &self.lines, &self.agents)
    }
}

//! What happens to agents: settings, phones, pauses, wrap-up. Each changes facts; [`Acd::refresh`] draws the
//! conclusion.

use super::ability::Abilities;
use super::agent::{Agent, Counted, Pause, Task};
use super::deadline::Deadline;
use super::event::{AgentState, Decision, Kind, Outcome, TalkDetail};
use super::settings::AgentSettings;
use super::{Acd, Ignored};
use crate::ids::{AgentId, EntryId};
use crate::time::{Duration, Time};

impl Acd {
    pub(super) fn set_agent(&mut self, id: AgentId, settings: &AgentSettings) {
        let now = self.now;
        let common = self.alike.take(settings);
        match self.agents.get(&id).map(|agent| agent.settings.clone()) {
            Some(old) => {
                self.unlist(id);
                self.set_shift(id, |agent| {
                    // By the rules of before, and from now on by the new ones.
                    agent.note_strain(now);
                    agent.note_own(settings);
                    agent.settings = common;
                    agent.note_strain(now);
                });
                self.alike.give(&old);
                self.list(id);
            }
            None => {
                self.gone.agents.remove(&id);
                let (pool, made) = self.pools.join(&Abilities::default());
                if made {
                    self.lines.pool_made(pool, &mut self.pools);
                }
                let agent = Agent::new(settings, common, pool);
                self.agents.insert(id, Box::new(agent));
            }
        }
        if !settings.probe {
            self.trust(id);
        }
        self.find_pool(id);
        self.conclude_from_abilities();
        self.refresh_keeping_idle(id);
    }

    /// A skill or a licence of the agent begins or ends.
    pub(super) fn abilities_due(&mut self, id: AgentId) {
        self.agent_mut(id).abilities_change = None;
        self.find_pool(id);
    }

    /// Puts the agent among those who can do what they can do now.
    fn find_pool(&mut self, id: AgentId) {
        let now = self.now;
        let agent = self.agent_mut(id);
        let (abilities, change) = Abilities::of(&agent.whole_settings(), now);
        let due = std::mem::replace(&mut agent.abilities_change, change);
        self.deadlines.set(Deadline::Abilities(id), due, change);
        let (pool, made) = self.pools.join(&abilities);
        if made {
            self.lines.pool_made(pool, &mut self.pools);
        }
        let agent = &self.agents[&id];
        let old = agent.pool;
        if old == pool {
            // Never the last of it: the agent is one already.
            self.pools.leave(pool);
            return;
        }
        self.unlist(id);
        self.count_as(id, Counted::default());
        let lost = self.pools.pool(old).meets.clone();
        if let Some(gone) = self.pools.leave(old) {
            self.lines.pool_gone(old, &gone);
        }
        let agent = self.agent_mut(id);
        agent.pool = pool;
        let counted = agent.counts_as();
        self.count_as(id, counted);
        self.list(id);
        self.repooled.push((id, lost));
    }

    /// What follows from changed abilities, once all that people can do and callers need is as it is from now on.
    pub(super) fn conclude_from_abilities(&mut self) {
        let repooled = std::mem::take(&mut self.repooled);
        for (agent, lost) in &repooled {
            self.keep_no_longer(*agent, lost);
        }
        self.let_go_the_unservable(repooled.iter().map(|(_, lost)| lost));
        for (agent, _) in &repooled {
            self.withdraw_unlicensed(*agent);
        }
    }

    pub(super) fn shift(&mut self, id: AgentId, ends: Option<Time>) -> Result<(), Ignored> {
        self.agents.get(&id).filter(|agent| agent.shift_ends != ends).ok_or(Ignored)?;
        self.set_shift(id, |agent| agent.shift_ends = ends);
        self.refresh(id);
        Ok(())
    }

    pub(super) fn shift_over(&mut self, id: AgentId) {
        self.agent_mut(id).off_shift = true;
        self.refresh(id);
    }

    /// Changes the agent; the end of the shift is waited for as long as it is not over.
    fn set_shift(&mut self, id: AgentId, change: impl FnOnce(&mut Agent)) {
        let now = self.now;
        let agent = self.agent_mut(id);
        let old = agent.shift_deadline();
        change(agent);
        agent.off_shift = agent.last_offer().is_some_and(|at| at <= now);
        let new = agent.shift_deadline();
        self.deadlines.set(Deadline::Shift(id), old, new);
    }

    pub(super) fn logged_in(&mut self, id: AgentId) -> Result<(), Ignored> {
        let agent = self.agents.get_mut(&id).filter(|agent| !agent.logged_in).ok_or(Ignored)?;
        agent.logged_in = true;
        if agent.is_found(self.now) {
            self.found(id);
            return Ok(());
        }
        agent.backed_off = 0;
        agent.calls = 0;
        self.truth.begins_anew(id);
        self.set_back_off(id, None);
        self.trust(id);
        self.forget_refusals_by(id);
        self.refresh(id);
        Ok(())
    }

    pub(super) fn logged_out(&mut self, id: AgentId, down: bool) -> Result<(), Ignored> {
        let agent = self.agents.get_mut(&id).filter(|agent| agent.logged_in).ok_or(Ignored)?;
        agent.logged_in = false;
        if down {
            agent.lose(self.now);
            // What was asked is not heard of any more: it is asked again.
            self.set_probe(id, None);
        } else {
            self.trust(id);
        }
        let agent = &self.agents[&id];
        if let Task::Offered { .. } = agent.task {
            self.offer_ended(id, Outcome::Unreachable);
        } else {
            self.refresh(id);
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, id: AgentId, reason: &str) -> Result<(), Ignored> {
        if !self.agents.contains_key(&id) {
            return Err(Ignored);
        }
        self.set_pause(id, Some(Pause { reason: reason.to_owned(), until: None }));
        if self.agents[&id].rings() {
            self.offer_ended(id, Outcome::Declined);
        } else {
            self.refresh(id);
        }
        Ok(())
    }

    pub(super) fn resume(&mut self, id: AgentId) -> Result<(), Ignored> {
        let paused = |agent: &&mut Box<Agent>| {
            let waits = agent.back_off.is_some() || agent.probe.is_some() || agent.rests();
            // Who is doubted may have no phone that could be asked.
            agent.pause.is_some() || waits || agent.doubted
        };
        self.agents.get_mut(&id).filter(paused).ok_or(Ignored)?.backed_off = 0;
        self.set_pause(id, None);
        self.rest_no_more(id);
        self.set_back_off(id, None);
        self.trust(id);
        self.forget_refusals_by(id);
        self.refresh(id);
        Ok(())
    }

    pub(super) fn busy(&mut self, id: AgentId) -> Result<(), Ignored> {
        let agent = self.agents.get_mut(&id).filter(|agent| !agent.own_call).ok_or(Ignored)?;
        agent.own_call = true;
        if agent.rings() {
            self.offer_ended(id, Outcome::Busy);
        } else {
            self.refresh(id);
        }
        Ok(())
    }

    pub(super) fn free(&mut self, id: AgentId) -> Result<(), Ignored> {
        let agent = self.agents.get_mut(&id).filter(|agent| agent.own_call).ok_or(Ignored)?;
        agent.own_call = false;
        self.contact_over(id);
        self.refresh(id);
        Ok(())
    }

    pub(super) fn talk_is(&mut self, entry: EntryId, detail: TalkDetail) -> Result<(), Ignored> {
        let id = *self.talks.get(&entry).ok_or(Ignored)?;
        match &mut self.agent_mut(id).task {
            Task::Talking { entry: talk, detail: was } if *talk == entry && *was != detail => *was = detail,
            _ => return Err(Ignored),
        }
        self.truth.held(self.now, entry, detail != TalkDetail::Speaking);
        self.refresh(id);
        Ok(())
    }

    pub(super) fn talk_ended(&mut self, entry: EntryId, broke: bool) -> Result<(), Ignored> {
        let id = self.talks.remove(&entry).ok_or(Ignored)?;
        self.truth.talk_ended(self.now, entry);
        self.remember_talk(entry, id, broke);
        let now = self.now;
        let agent = self.agent_mut(id);
        if agent.tasks.remove(&entry) {
            self.task_done(entry, id);
        } else {
            agent.task = Task::None;
            agent.note_talk(now);
            let time = agent.settings.wrap_up;
            agent.wrap_up_extended = false;
            let until = (time > Duration::ZERO).then(|| self.now + time);
            self.set_wrap_up(id, until);
        }
        self.contact_over(id);
        self.refresh(id);
        self.dialled_in_vain(entry, broke);
        Ok(())
    }

    pub(super) fn end_wrap_up(&mut self, id: AgentId) -> Result<(), Ignored> {
        self.agents.get(&id).filter(|agent| agent.wrap_up.is_some()).ok_or(Ignored)?;
        self.wrap_up_over(id);
        Ok(())
    }

    pub(super) fn extend_wrap_up(&mut self, id: AgentId) -> Result<(), Ignored> {
        let until = self.extended_wrap_up(id).ok_or(Ignored)?;
        self.agent_mut(id).wrap_up_extended = true;
        self.set_wrap_up(id, Some(until));
        self.refresh(id);
        Ok(())
    }

    /// Until when the agent's wrap-up would last if it were made longer, if it may be.
    fn extended_wrap_up(&self, id: AgentId) -> Option<Time> {
        let agent = self.agents.get(&id).filter(|agent| !agent.wrap_up_extended)?;
        let more = Some(agent.settings.wrap_up_extension).filter(|more| *more > Duration::ZERO)?;
        Some(agent.wrap_up? + more)
    }

    /// Whether [`Change::ExtendWrapUp`](super::Change::ExtendWrapUp) would do something.
    pub fn may_extend_wrap_up(&self, id: AgentId) -> bool {
        self.extended_wrap_up(id).is_some()
    }

    /// Whether [`Change::EndWrapUp`](super::Change::EndWrapUp) would do something.
    pub fn has_wrap_up(&self, id: AgentId) -> bool {
        self.agents.get(&id).is_some_and(|agent| agent.wrap_up.is_some())
    }

    pub(super) fn wrap_up_over(&mut self, id: AgentId) {
        self.set_wrap_up(id, None);
        self.truth.wraps_up_no_more(self.now, id);
        self.contact_over(id);
        self.refresh(id);
    }

    pub(super) fn pause_over(&mut self, id: AgentId) {
        self.set_pause(id, None);
        self.probe_doubted(id);
        self.refresh(id);
    }

    pub(super) fn back_off_over(&mut self, id: AgentId) {
        self.set_back_off(id, None);
        self.probe_doubted(id);
        self.refresh(id);
    }

    fn set_wrap_up(&mut self, id: AgentId, until: Option<Time>) {
        let old = std::mem::replace(&mut self.agent_mut(id).wrap_up, until);
        self.deadlines.set(Deadline::WrapUp(id), old, until);
    }

    pub(super) fn set_pause(&mut self, id: AgentId, pause: Option<Pause>) {
        let until = pause.as_ref().and_then(|pause| pause.until);
        let old = std::mem::replace(&mut self.agent_mut(id).pause, pause);
        self.deadlines.set(Deadline::Pause(id), old.and_then(|pause| pause.until), until);
    }

    pub(super) fn set_back_off(&mut self, id: AgentId, until: Option<Time>) {
        let old = std::mem::replace(&mut self.agent_mut(id).back_off, until);
        self.deadlines.set(Deadline::BackOff(id), old, until);
    }

    /// Tells the agent's state if it has changed, and keeps the pool's numbers. An agent who comes free is the last of the
    /// idle.
    pub(super) fn refresh(&mut self, id: AgentId) {
        self.refresh_idle_since(id, [self.now; Kind::COUNT]);
    }

    /// As [`Acd::refresh`], but an agent who comes free goes to where they were among the idle.
    pub(super) fn refresh_keeping_idle(&mut self, id: AgentId) {
        self.refresh_idle_since(id, self.agents[&id].idle_since);
    }

    fn refresh_idle_since(&mut self, id: AgentId, since: [Time; Kind::COUNT]) {
        let agent = self.agents.get_mut(&id).expect("only known agents are refreshed");
        let (was, counted) = (agent.counted, agent.counts_as());
        let state = agent.derive();
        let told = state != agent.state;
        if told {
            agent.note_strain(self.now);
            agent.state = state.clone();
        }
        if was != counted {
            self.count_as(id, counted);
        }
        let agent = self.agents.get_mut(&id).expect("looked at just now");
        agent.note_idle_while_lost(since);
        for kind in Kind::ALL {
            let slot = agent.slot(kind);
            let was = std::mem::replace(&mut agent.idle[kind.index()], slot);
            if slot == was {
                continue;
            }
            match was {
                Some(was) => self.pools.remove_idle(agent.pool, was, agent.listed(id, kind)),
                None => agent.idle_since[kind.index()] = since[kind.index()],
            }
            if let Some(slot) = slot {
                self.pools.add_idle(agent.pool, slot, agent.listed(id, kind));
                self.touched.agent(id, agent.pool, kind);
            }
        }
        let (pool, lost, wraps_up) = (agent.pool, agent.lost.is_some(), agent.wrap_up.is_some());
        if told {
            match state {
                AgentState::Offline if lost => self.truth.agent_is_lost(self.now, id, wraps_up),
                _ => self.truth.agent_is(self.now, id, &state),
            }
            self.decide(Decision::Agent { agent: id, state });
        }
        if was != counted {
            let met = self.pools.pool(pool).meets.clone();
            self.keep_no_longer(id, &met);
            self.let_go_the_unservable([&met]);
        }
    }

    pub(super) fn count_as(&mut self, id: AgentId, counted: Counted) {
        let agent = self.agents.get_mut(&id).expect("the caller has it");
        let was = std::mem::replace(&mut agent.counted, counted);
        let pool = self.pools.pool_mut(agent.pool);
        pool.logged_in = pool.logged_in + u32::from(counted.logged_in) - u32::from(was.logged_in);
        pool.in_service = pool.in_service + u32::from(counted.in_service) - u32::from(was.in_service);
        self.lines.count(&pool.meets, (was.logged_in, was.in_service), (counted.logged_in, counted.in_service));
    }

    /// Takes the agent from among the idle of their pool; [`Acd::list`] puts them back.
    fn unlist(&mut self, id: AgentId) {
        let agent = &self.agents[&id];
        for kind in Kind::ALL {
            if let Some(slot) = agent.idle[kind.index()] {
                self.pools.remove_idle(agent.pool, slot, agent.listed(id, kind));
            }
        }
    }

    fn list(&mut self, id: AgentId) {
        let agent = &self.agents[&id];
        for kind in Kind::ALL {
            if let Some(slot) = agent.idle[kind.index()] {
                self.pools.add_idle(agent.pool, slot, agent.listed(id, kind));
                self.touched.agent(id, agent.pool, kind);
            }
        }
    }

    /// For ids that were looked up before.
    pub(super) fn agent_mut(&mut self, id: AgentId) -> &mut Agent {
        self.agents.get_mut(&id).expect("who is gone is named nowhere")
    }
}

//! What happens to agents: settings, phones, pauses, wrap-up. Each changes facts; [`Acd::refresh`] draws the
//! conclusion.

use super::agent::{Agent, Pause, Task};
use super::deadline::Deadline;
use super::event::{AgentSettings, AgentState, Decision, Outcome};
use super::pool::without_zeros;
use super::{Acd, Ignored};
use crate::ids::{AgentId, EntryId};
use crate::time::{Duration, Time};

impl Acd {
    pub(super) fn set_agent(&mut self, id: AgentId, settings: &AgentSettings) {
        let skills = without_zeros(&settings.skills);
        let (pool, made) = self.pools.join(&skills);
        if made {
            self.lines.pool_made(pool, &skills);
        }
        let Some(agent) = self.agents.get_mut(&id) else {
            self.agents.insert(id, Agent::new(settings.clone(), pool));
            return;
        };
        agent.settings = settings.clone();
        let old = std::mem::replace(&mut agent.pool, pool);
        let (counted, idle, since) = (agent.counted, agent.state == AgentState::Ready, agent.idle_since);
        let new = self.pools.pool_mut(pool);
        new.logged_in += u32::from(counted.logged_in);
        new.in_service += u32::from(counted.in_service);
        let was = self.pools.pool_mut(old);
        was.logged_in -= u32::from(counted.logged_in);
        was.in_service -= u32::from(counted.in_service);
        if idle {
            self.pools.remove_idle(old, since, id);
            self.pools.add_idle(pool, since, id);
        }
        if self.pools.leave(old) {
            self.lines.pool_gone(old);
        }
        if old != pool {
            self.let_go_the_unservable();
        }
    }

    pub(super) fn logged_in(&mut self, id: AgentId) -> Result<(), Ignored> {
        let agent = self.agents.get_mut(&id).filter(|agent| !agent.logged_in).ok_or(Ignored)?;
        agent.logged_in = true;
        agent.backed_off = 0;
        self.set_back_off(id, None);
        self.forget_refusals_by(id);
        self.refresh(id);
        Ok(())
    }

    pub(super) fn logged_out(&mut self, id: AgentId) -> Result<(), Ignored> {
        let agent = self.agents.get_mut(&id).filter(|agent| agent.logged_in).ok_or(Ignored)?;
        agent.logged_in = false;
        if let Task::Offered { .. } = agent.task {
            self.offer_ended(id, Outcome::Unreachable);
        } else {
            self.refresh(id);
        }
        self.let_go_the_unservable();
        Ok(())
    }

    pub(super) fn pause(&mut self, id: AgentId, reason: &str) -> Result<(), Ignored> {
        if !self.agents.contains_key(&id) {
            return Err(Ignored);
        }
        self.set_pause(id, Some(Pause { reason: reason.to_owned(), until: None }));
        if let Task::Offered { .. } = self.agents[&id].task {
            self.offer_ended(id, Outcome::Declined);
        } else {
            self.refresh(id);
        }
        Ok(())
    }

    pub(super) fn resume(&mut self, id: AgentId) -> Result<(), Ignored> {
        let paused = |agent: &&mut Agent| agent.pause.is_some() || agent.back_off.is_some();
        self.agents.get_mut(&id).filter(paused).ok_or(Ignored)?.backed_off = 0;
        self.set_pause(id, None);
        self.set_back_off(id, None);
        self.forget_refusals_by(id);
        self.refresh(id);
        Ok(())
    }

    pub(super) fn busy(&mut self, id: AgentId) -> Result<(), Ignored> {
        let agent = self.agents.get_mut(&id).filter(|agent| !agent.own_call).ok_or(Ignored)?;
        agent.own_call = true;
        if let Task::Offered { .. } = agent.task {
            self.offer_ended(id, Outcome::Busy);
        } else {
            self.refresh(id);
        }
        Ok(())
    }

    pub(super) fn free(&mut self, id: AgentId) -> Result<(), Ignored> {
        let agent = self.agents.get_mut(&id).filter(|agent| agent.own_call).ok_or(Ignored)?;
        agent.own_call = false;
        self.refresh(id);
        Ok(())
    }

    pub(super) fn talk_ended(&mut self, entry: EntryId) -> Result<(), Ignored> {
        let id = self.talks.remove(&entry).ok_or(Ignored)?;
        self.truth.talk_ended(self.now, entry);
        let agent = self.agent_mut(id);
        agent.task = Task::None;
        let time = agent.settings.wrap_up;
        let until = (time > Duration::ZERO).then(|| self.now + time);
        self.set_wrap_up(id, until);
        self.refresh(id);
        Ok(())
    }

    pub(super) fn end_wrap_up(&mut self, id: AgentId) -> Result<(), Ignored> {
        self.agents.get(&id).filter(|agent| agent.wrap_up.is_some()).ok_or(Ignored)?;
        self.wrap_up_over(id);
        Ok(())
    }

    pub(super) fn wrap_up_over(&mut self, id: AgentId) {
        self.set_wrap_up(id, None);
        self.refresh(id);
    }

    pub(super) fn pause_over(&mut self, id: AgentId) {
        self.set_pause(id, None);
        self.refresh(id);
    }

    pub(super) fn back_off_over(&mut self, id: AgentId) {
        self.set_back_off(id, None);
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

    /// Tells the agent's state if it has changed, and keeps the pool's numbers. An agent who becomes ready is the last
    /// of the idle.
    pub(super) fn refresh(&mut self, id: AgentId) {
        self.refresh_idle_since(id, self.now);
    }

    /// As [`Acd::refresh`], but an agent who becomes ready goes to where they were among the idle.
    pub(super) fn refresh_keeping_idle(&mut self, id: AgentId) {
        self.refresh_idle_since(id, self.agents[&id].idle_since);
    }

    fn refresh_idle_since(&mut self, id: AgentId, since: Time) {
        let agent = self.agents.get_mut(&id).expect("only known agents are refreshed");
        let pool = agent.pool;
        let (was, counted) = (agent.counted, agent.counts_as());
        if was != counted {
            agent.counted = counted;
            let pool = self.pools.pool_mut(pool);
            pool.logged_in = pool.logged_in + u32::from(counted.logged_in) - u32::from(was.logged_in);
            pool.in_service = pool.in_service + u32::from(counted.in_service) - u32::from(was.in_service);
        }
        let state = agent.derive();
        if state == agent.state {
            return;
        }
        if agent.state == AgentState::Ready {
            self.pools.remove_idle(pool, agent.idle_since, id);
        }
        if state == AgentState::Ready {
            agent.idle_since = since;
            self.pools.add_idle(pool, since, id);
        }
        self.truth.agent_is(self.now, id, &state);
        agent.state = state.clone();
        self.decisions.push_back(Decision::Agent { agent: id, state });
    }

    /// For ids that were looked up before.
    pub(super) fn agent_mut(&mut self, id: AgentId) -> &mut Agent {
        self.agents.get_mut(&id).expect("agents are never removed")
    }
}

//! What an operator changes while calls are up: how queues serve and what agents can, by the names they have.

use super::settings::{Agent, Said};
use super::{Engine, Settings};
use crate::acd::{AgentSettings, Change, Overflow, QueueSettings};
use crate::hours::Calendar;
use crate::ids::{AgentId, QueueId};
use crate::time::Time;
use std::collections::BTreeMap;

/// Queues and agents as they are from now on. Who is not in it stays as before; a name that nobody has is passed over: queues
/// and agents come and go with a start.
#[derive(Debug)]
pub struct Reload {
    pub queues: Vec<QueueSettings>,
    /// When those of these names are open; the others always are.
    pub hours: BTreeMap<String, Calendar>,
    /// What agents hear before they are connected with a caller, by queue.
    pub announcements: BTreeMap<String, Vec<Said>>,
    /// Number and password stay as before.
    pub agents: Vec<Agent>,
}

impl Reload {
    pub fn of(settings: Settings) -> Reload {
        let Settings { queues, hours, announcements, agents, .. } = settings.in_one_form();
        Reload { queues, hours, announcements, agents }
    }
}

impl Engine {
    /// An offer that rings and a talk go on; callers who wait are served by what holds now.
    pub(super) fn reload(&mut self, now: Time, reload: Reload) {
        let Reload { queues, hours, announcements, agents } = reload;
        self.settings.announcements = announcements;
        self.settings.hours = hours;
        let place_of: Vec<Option<QueueId>> =
            queues.iter().map(|queue| self.queue_ids.get(&queue.name).copied()).collect();
        for (id, queue) in place_of.iter().zip(queues) {
            let Some(id) = *id else { continue };
            // What is counted and shown of service levels goes by the one that the queue began with.
            let service_level = self.queues[&id].service_level;
            self.set_queue(now, id, QueueSettings { service_level, ..queue }, &place_of);
            self.set_hours(now, id);
        }
        for agent in agents {
            if let Some(id) = self.agents.named(&agent.settings.name) {
                self.agents.seat_mut(id).set(&agent);
                self.set_agent(now, id, agent, &place_of);
            }
        }
    }

    /// `place_of`: which queue is meant by each place, as settings name them.
    pub(super) fn set_queue(&mut self, now: Time, id: QueueId, queue: QueueSettings, place_of: &[Option<QueueId>]) {
        let overflow = queue.overflow.into_iter().filter_map(|way| {
            let to = place_of.get(way.to.0 as usize).copied().flatten()?;
            Some(Overflow { to, ..way })
        });
        let settings = QueueSettings { overflow: overflow.collect(), ..queue };
        if self.acd.queue_settings(id) != Some(&settings) {
            self.acd_apply(now, Change::Queue { id, settings });
        }
    }

    /// `place_of`: as for a queue.
    pub(super) fn set_agent(&mut self, now: Time, id: AgentId, agent: Agent, place_of: &[Option<QueueId>]) {
        let places = agent.settings.queues.iter();
        let queues = places.filter_map(|place| place_of.get(place.0 as usize).copied().flatten()).collect();
        let settings = AgentSettings { queues, ..agent.settings };
        if self.acd.agent_settings(id).as_ref() != Some(&settings) {
            self.acd_apply(now, Change::Agent { id, settings });
        }
        self.set_shift(now, id, agent.shift);
    }
}

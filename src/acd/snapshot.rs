//! The state as it is kept: facts alone. Lines, pools and deadlines follow from them and are made anew.

use super::agent::{Agent, Pause, Task};
use super::deadline::Deadline;
use super::entry::{Entry, Refusal, Stands};
use super::estimate::Estimates;
use super::event::{AgentSettings, AgentState, QueueSettings, Skills};
use super::line::{Place, Rate};
use super::pool::without_zeros;
use super::queue::Queue;
use super::truth::Truth;
use super::{Acd, line};
use crate::ids::{AgentId, EntryId, OfferId, QueueId};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that [`Acd::restore`] needs. Read by later versions: fields are added with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    now: Time,
    last_offer: u64,
    queues: Vec<(QueueId, QueueSettings)>,
    agents: Vec<KeptAgent>,
    entries: Vec<KeptEntry>,
    truth: Truth,
    estimates: Estimates,
    ignored: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptAgent {
    id: AgentId,
    settings: AgentSettings,
    logged_in: bool,
    own_call: bool,
    task: KeptTask,
    wrap_up: Option<Time>,
    /// Reason and end.
    pause: Option<(String, Option<Time>)>,
    back_off: Option<Time>,
    backed_off: u32,
    idle_since: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptTask {
    None,
    Offered { offer: OfferId, entry: EntryId, deadline: Time },
    Talking { entry: EntryId },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptEntry {
    id: EntryId,
    queue: QueueId,
    since: Time,
    arrived: Time,
    needs: Skills,
    priority: i32,
    max_wait: Option<Duration>,
    refusals: Vec<KeptRefusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct KeptRefusal {
    agent: AgentId,
    just_now: bool,
    just_now_until: Time,
    until: Time,
}

impl Acd {
    /// To be taken when there is no decision left to be polled.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            now: self.now,
            last_offer: self.last_offer,
            queues: self.queues.iter().map(|(id, queue)| (*id, queue.settings.clone())).collect(),
            agents: self.agents.iter().map(|(id, agent)| KeptAgent::of(*id, agent)).collect(),
            entries: self.entries.iter().map(|(id, entry)| KeptEntry::of(*id, entry)).collect(),
            truth: self.truth.clone(),
            estimates: self.estimates.clone(),
            ignored: self.ignored,
        }
    }

    /// A distributor that decides from now on as the one did of which this is a snapshot.
    ///
    /// # Errors
    ///
    /// No distributor was ever like that; says why.
    pub fn restore(snapshot: Snapshot) -> Result<Acd, String> {
        let Snapshot { now, last_offer, queues, agents, entries, truth, estimates, ignored } = snapshot;
        let mut acd = Acd { now, truth, estimates, ignored, ..Acd::new(last_offer) };
        acd.queues.extend(queues.into_iter().map(|(id, settings)| (id, Queue::new(settings))));
        for agent in &agents {
            acd.restore_agent(agent);
        }
        let rung = |agent: &KeptAgent| match agent.task {
            KeptTask::Offered { entry, .. } => Some((entry, agent.id)),
            KeptTask::None | KeptTask::Talking { .. } => None,
        };
        let mut rung: BTreeMap<EntryId, AgentId> = agents.iter().filter_map(rung).collect();
        for entry in entries {
            let agent = rung.remove(&entry.id);
            acd.restore_entry(entry, agent)?;
        }
        if let Some((entry, agent)) = rung.pop_first() {
            return Err(format!("{agent} is rung for {entry}, which is not there"));
        }
        match acd.decisions.pop_front() {
            None => Ok(acd),
            Some(decision) => Err(format!("it should have decided before: {decision:?}")),
        }
    }

    fn restore_agent(&mut self, kept: &KeptAgent) {
        let id = kept.id;
        let skills = without_zeros(&kept.settings.skills);
        let (pool, made) = self.pools.join(&skills);
        if made {
            self.lines.pool_made(pool, &skills);
        }
        let mut agent = Agent {
            logged_in: kept.logged_in,
            own_call: kept.own_call,
            wrap_up: kept.wrap_up,
            pause: kept.pause.clone().map(|(reason, until)| Pause { reason, until }),
            back_off: kept.back_off,
            backed_off: kept.backed_off,
            idle_since: kept.idle_since,
            ..Agent::new(kept.settings.clone(), pool)
        };
        match kept.task {
            KeptTask::None => {}
            KeptTask::Offered { offer, entry, deadline } => {
                agent.task = Task::Offered { offer, entry, deadline };
                self.offers.insert(offer, id);
                self.deadlines.set(Deadline::Offer(id), None, Some(deadline));
            }
            KeptTask::Talking { entry } => {
                agent.task = Task::Talking { entry };
                self.talks.insert(entry, id);
            }
        }
        self.deadlines.set(Deadline::WrapUp(id), None, agent.wrap_up);
        self.deadlines.set(Deadline::BackOff(id), None, agent.back_off);
        self.deadlines.set(Deadline::Pause(id), None, agent.pause.as_ref().and_then(|pause| pause.until));
        agent.counted = agent.counts_as();
        agent.state = agent.derive();
        let counts = self.pools.pool_mut(pool);
        counts.logged_in += u32::from(agent.counted.logged_in);
        counts.in_service += u32::from(agent.counted.in_service);
        if agent.state == AgentState::Ready {
            self.pools.add_idle(pool, agent.idle_since, id);
        }
        self.agents.insert(id, agent);
    }

    /// `rung`: who is rung for it.
    fn restore_entry(&mut self, kept: KeptEntry, rung: Option<AgentId>) -> Result<(), String> {
        let KeptEntry { id, queue, since, arrived, needs, priority, max_wait, refusals } = kept;
        let line = self.queues.get_mut(&queue).ok_or_else(|| format!("{id} waits in {queue}, which is not there"))?;
        line.by_since.insert((since, id));
        let mut entry = Entry {
            queue,
            since,
            arrived,
            needs,
            priority,
            max_wait,
            times_out: None,
            need: usize::MAX,
            place: Place::new(0, Rate::default(), since, id),
            stands: rung.map_or(Stands::Nowhere, Stands::Offered),
            refusals: BTreeMap::new(),
        };
        for KeptRefusal { agent, just_now, just_now_until, until } in refusals {
            let phase = if just_now { line::Refused::JustNow } else { line::Refused::Lately };
            let refusal = Refusal { phase, just_now: just_now_until, until };
            let by = self.agents.get_mut(&agent).ok_or_else(|| format!("{agent} has refused {id} and is not there"))?;
            by.refused.insert(id);
            self.deadlines.set(Deadline::Refusal(id, agent), None, Some(refusal.deadline()));
            entry.refusals.insert(agent, refusal);
        }
        self.entries.insert(id, entry);
        self.find_place(id);
        Ok(())
    }
}

impl KeptAgent {
    fn of(id: AgentId, agent: &Agent) -> KeptAgent {
        KeptAgent {
            id,
            settings: agent.settings.clone(),
            logged_in: agent.logged_in,
            own_call: agent.own_call,
            task: match agent.task {
                Task::None => KeptTask::None,
                Task::Offered { offer, entry, deadline } => KeptTask::Offered { offer, entry, deadline },
                Task::Talking { entry } => KeptTask::Talking { entry },
            },
            wrap_up: agent.wrap_up,
            pause: agent.pause.as_ref().map(|pause| (pause.reason.clone(), pause.until)),
            back_off: agent.back_off,
            backed_off: agent.backed_off,
            idle_since: agent.idle_since,
        }
    }
}

impl KeptEntry {
    fn of(id: EntryId, entry: &Entry) -> KeptEntry {
        let refusal = |(agent, refusal): (&AgentId, &Refusal)| KeptRefusal {
            agent: *agent,
            just_now: refusal.phase == line::Refused::JustNow,
            just_now_until: refusal.just_now,
            until: refusal.until,
        };
        KeptEntry {
            id,
            queue: entry.queue,
            since: entry.since,
            arrived: entry.arrived,
            needs: entry.needs.clone(),
            priority: entry.priority,
            max_wait: entry.max_wait,
            refusals: entry.refusals.iter().map(refusal).collect(),
        }
    }
}

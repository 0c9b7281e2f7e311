//! The state as it is kept: facts alone. Lines, pools and deadlines follow from them and are made anew.

use super::ability::Abilities;
use super::agent::{Agent, Pause, Task};
use super::back::{Callers, KeptCallers};
use super::callback::Dialled;
use super::chance::Chance;
use super::deadline::{Deadline, Due};
use super::digest::Digest;
use super::down::Lost;
use super::entry::{Entry, Kept, Refusal, Stands};
use super::estimate::Estimates;
use super::event::{Arrival, Kind, TalkDetail};
use super::gone::Gone;
use super::line::{Place, Rate};
use super::matching::Touched;
use super::queue::Hours;
use super::rest::Strain;
use super::settings::{AgentSettings, QueueSettings};
use super::tasks::InHand;
use super::truth::Truth;
use super::{Acd, line};
use crate::ids::{AgentId, EntryId, OfferId, QueueId};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that [`Acd::restore`] needs. Read by later versions: fields are added with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    now: Time,
    last_offer: u64,
    chance: Chance,
    queues: Vec<KeptQueue>,
    agents: Vec<KeptAgent>,
    entries: Vec<KeptEntry>,
    truth: Truth,
    #[serde(default)]
    truth_of_tasks: Option<Truth>,
    estimates: Estimates,
    ignored: u64,
    #[serde(default)]
    callers: KeptCallers,
    #[serde(default)]
    dialled: Vec<(EntryId, Dialled)>,
    #[serde(default)]
    in_hand: Vec<(EntryId, InHand)>,
    #[serde(default)]
    gone: Gone,
    #[serde(default)]
    digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptQueue {
    id: QueueId,
    settings: QueueSettings,
    last_rung: Option<AgentId>,
    #[serde(default)]
    hours: Hours,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptAgent {
    id: AgentId,
    settings: AgentSettings,
    logged_in: bool,
    #[serde(default)]
    lost: Option<Box<Lost>>,
    own_call: bool,
    task: KeptTask,
    /// Those being worked on.
    tasks: Vec<EntryId>,
    calls: u32,
    wrap_up: Option<Time>,
    #[serde(default)]
    wrap_up_extended: bool,
    #[serde(default)]
    shift_ends: Option<Time>,
    /// Reason and end.
    pause: Option<(String, Option<Time>)>,
    back_off: Option<Time>,
    backed_off: u32,
    #[serde(default)]
    doubted: bool,
    #[serde(default)]
    strain: Option<Box<Strain>>,
    #[serde(default)]
    probe: Option<Time>,
    /// For calls, for tasks.
    idle_since: [Time; Kind::COUNT],
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptTask {
    None,
    Offered {
        offer: OfferId,
        entry: EntryId,
        deadline: Time,
        #[serde(default)]
        answered: bool,
    },
    Talking {
        entry: EntryId,
        #[serde(default)]
        detail: TalkDetail,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptEntry {
    id: EntryId,
    arrival: Arrival,
    arrived: Time,
    /// Where older versions had that of the arrival.
    #[serde(default, skip_serializing)]
    been: Vec<QueueId>,
    #[serde(default)]
    tried: Option<Time>,
    /// Whose turn it is of those it is kept for, and until when.
    kept: (usize, Time),
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
            chance: self.chance.clone(),
            queues: self
                .queues
                .iter()
                .map(|(id, queue)| KeptQueue {
                    id: *id,
                    settings: queue.settings.clone(),
                    last_rung: queue.last_rung,
                    hours: queue.hours,
                })
                .collect(),
            agents: self.agents.iter().map(|(id, agent)| KeptAgent::of(*id, agent)).collect(),
            entries: self.entries.iter().map(|(id, entry)| KeptEntry::of(*id, entry)).collect(),
            truth: self.truth.clone(),
            truth_of_tasks: Some(self.truth_of_tasks.clone()),
            estimates: self.estimates.clone(),
            ignored: self.ignored,
            callers: self.callers.kept(),
            dialled: self.dialled.iter().map(|(entry, dialled)| (*entry, (**dialled).clone())).collect(),
            digest: self.digest,
            gone: self.gone.clone(),
            in_hand: self.in_hand.iter().map(|(id, task)| (*id, (**task).clone())).collect(),
        }
    }

    /// A distributor that decides from now on as the one did of which this is a snapshot.
    ///
    /// # Errors
    ///
    /// No distributor was ever like that; says why.
    pub fn restore(snapshot: Snapshot) -> Result<Acd, String> {
        let Snapshot { now, last_offer, chance, queues, agents, entries, truth, estimates, ignored, .. } = snapshot;
        let (callers, dialled) = (Callers::restored(snapshot.callers), snapshot.dialled);
        let truth_of_tasks = snapshot.truth_of_tasks.unwrap_or_else(|| Truth::new(truth.settings().clone()));
        let mut acd = Acd { now, chance, truth, estimates, ignored, callers, truth_of_tasks, ..Acd::new(last_offer) };
        acd.in_hand.extend(snapshot.in_hand.into_iter().map(|(id, task)| (id, Box::new(task))));
        (acd.gone, acd.digest) = (snapshot.gone, snapshot.digest);
        let number =
            |(entry, dialled): &(EntryId, Dialled)| Some((dialled.arrival.callback.as_ref()?.number.clone(), *entry));
        acd.promises.extend(dialled.iter().filter_map(number));
        acd.dialled.extend(dialled.into_iter().map(|(entry, dialled)| (entry, Box::new(dialled))));
        for KeptQueue { id, settings, last_rung, hours } in queues {
            acd.set_queue(id, &settings);
            acd.queue_mut(id).last_rung = last_rung;
            acd.set_hours(id, hours);
        }
        for agent in &agents {
            acd.restore_agent(agent);
        }
        // In the order in which they were rung.
        let mut rung: BTreeMap<EntryId, Vec<AgentId>> = BTreeMap::new();
        for agent in acd.offers.values() {
            if let Task::Offered { entry, .. } = acd.agents[agent].task {
                rung.entry(entry).or_default().push(*agent);
            }
        }
        for entry in entries {
            let agents = rung.remove(&entry.id).unwrap_or_default();
            acd.restore_entry(entry, agents)?;
        }
        if let Some((entry, agents)) = rung.pop_first() {
            return Err(format!("{} is rung for {entry}, which is not there", agents[0]));
        }
        acd.touched = Touched::default();
        match acd.decisions.pop_front() {
            None => Ok(acd),
            Some(decision) => Err(format!("it should have decided before: {decision:?}")),
        }
    }

    fn restore_agent(&mut self, kept: &KeptAgent) {
        let id = kept.id;
        let (abilities, abilities_change) = Abilities::of(&kept.settings, self.now);
        let (pool, made) = self.pools.join(&abilities);
        if made {
            self.lines.pool_made(pool, &mut self.pools);
        }
        let mut agent = Agent {
            logged_in: kept.logged_in,
            lost: kept.lost.clone(),
            own_call: kept.own_call,
            wrap_up: kept.wrap_up,
            wrap_up_extended: kept.wrap_up_extended,
            shift_ends: kept.shift_ends,
            pause: kept.pause.clone().map(|(reason, until)| Pause { reason, until }),
            back_off: kept.back_off,
            backed_off: kept.backed_off,
            doubted: kept.doubted,
            strain: kept.strain.clone(),
            probe: kept.probe,
            calls: kept.calls,
            tasks: kept.tasks.iter().copied().collect(),
            abilities_change,
            idle_since: kept.idle_since,
            ..Agent::new(&kept.settings, self.alike.take(&kept.settings), pool)
        };
        match kept.task {
            KeptTask::None => {}
            KeptTask::Offered { offer, entry, deadline, answered } => {
                agent.task = Task::Offered { offer, entry, deadline, answered };
                self.offers.insert(offer, id);
                self.deadlines.set(Deadline::Offer(id), None, Some(deadline));
            }
            KeptTask::Talking { entry, detail } => {
                agent.task = Task::Talking { entry, detail };
                self.talks.insert(entry, id);
            }
        }
        self.deadlines.set(Deadline::WrapUp(id), None, agent.wrap_up);
        self.deadlines.set(Deadline::BackOff(id), None, agent.back_off);
        self.deadlines.set(Deadline::Probe(id), None, agent.probe);
        self.deadlines.set(Deadline::Rest(id), None, agent.rest().map(|(until, _)| until));
        self.deadlines.set(Deadline::Pause(id), None, agent.pause.as_ref().and_then(|pause| pause.until));
        self.talks.extend(kept.tasks.iter().map(|task| (*task, id)));
        self.deadlines.set(Deadline::Abilities(id), None, abilities_change);
        agent.off_shift = agent.last_offer().is_some_and(|at| at <= self.now);
        self.deadlines.set(Deadline::Shift(id), None, agent.shift_deadline());
        agent.state = agent.derive();
        agent.idle = Kind::ALL.map(|kind| agent.slot(kind));
        for kind in Kind::ALL {
            if let Some(slot) = agent.idle[kind.index()] {
                self.pools.add_idle(pool, slot, agent.listed(id, kind));
            }
        }
        let counted = agent.counts_as();
        self.agents.insert(id, Box::new(agent));
        self.count_as(id, counted);
    }

    /// `rung`: who is rung for it.
    fn restore_entry(&mut self, kept: KeptEntry, rung: Vec<AgentId>) -> Result<(), String> {
        let KeptEntry { id, mut arrival, arrived, been, tried, kept: (turn, until), refusals } = kept;
        arrival.been.extend(been);
        let (queue, since) = (arrival.queue, arrival.since);
        let line = self.queues.get_mut(&queue).ok_or_else(|| format!("{id} waits in {queue}, which is not there"))?;
        line.since_mut(&arrival).insert((since, id));
        let promise = arrival.callback.as_deref().map(|callback| (callback.number.clone(), id));
        self.promises.extend(promise);
        let mut entry = Entry {
            arrival,
            arrived,
            kept: Kept { turn, until },
            times_out: None,
            overflows: Due::NOT,
            tried: tried.into(),
            looks: Due::NOT,
            steps_at: Due::NOT,
            need: usize::MAX,
            place: Place::new(0, Rate::default(), since, id),
            stands: if rung.is_empty() { Stands::Nowhere } else { Stands::Offered(rung) },
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
        self.callers.waiting.add(id, &entry);
        self.entries.insert(id, Box::new(entry));
        self.restore_place(id);
        Ok(())
    }
}

impl KeptAgent {
    fn of(id: AgentId, agent: &Agent) -> KeptAgent {
        KeptAgent {
            id,
            settings: agent.whole_settings(),
            logged_in: agent.logged_in,
            lost: agent.lost.clone(),
            own_call: agent.own_call,
            task: match agent.task {
                Task::None => KeptTask::None,
                Task::Offered { offer, entry, deadline, answered } => {
                    KeptTask::Offered { offer, entry, deadline, answered }
                }
                Task::Talking { entry, detail } => KeptTask::Talking { entry, detail },
            },
            wrap_up: agent.wrap_up,
            wrap_up_extended: agent.wrap_up_extended,
            shift_ends: agent.shift_ends,
            pause: agent.pause.as_ref().map(|pause| (pause.reason.clone(), pause.until)),
            back_off: agent.back_off,
            backed_off: agent.backed_off,
            doubted: agent.doubted,
            strain: agent.strain.clone(),
            probe: agent.probe,
            tasks: agent.tasks.iter().copied().collect(),
            calls: agent.calls,
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
            arrival: entry.arrival.clone(),
            arrived: entry.arrived,
            been: Vec::new(),
            tried: entry.tried.at(),
            kept: (entry.kept.turn, entry.kept.until),
            refusals: entry.refusals.iter().map(refusal).collect(),
        }
    }
}

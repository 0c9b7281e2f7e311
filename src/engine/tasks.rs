//! Tasks: what other systems file waits in the lines of callers, is offered to agents, accepted and done. No phone rings for it:
//! whoever files a task shows it to the agent too, and says for them what became of it.

use super::restarted::contact_of;
use super::{Answer, Engine, Refusal};
use crate::acd::{Arrival, Change, Exit, Kind, Outcome, Prefer, TaskStands, Who};
use crate::ids::{AgentId, EntryId, OfferId, QueueId};
use crate::need::{Attributes, Need};
use crate::record::What;
use crate::record::task::{About, TaskNews};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Characters of a task's reference, and of an attribute's name and value; attributes of a task. What waits is kept in memory and
/// in every snapshot.
pub const REFERENCE_MAX: usize = 128;
pub const ATTRIBUTES_MAX: usize = 16;
pub const NAME_MAX: usize = 64;
pub const VALUE_MAX: usize = 256;

/// What is done with tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskAct {
    File(Box<Filing>),
    /// It was filed by mistake, or is not wanted any more. Only while it waits.
    Withdraw(EntryId),
    /// This agent takes what is offered to them.
    Accept {
        agent: String,
        task: EntryId,
    },
    Decline {
        agent: String,
        task: EntryId,
    },
    /// Who accepted it is done with it.
    Done(EntryId),
    List,
}

/// A task as another system files it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filing {
    pub queue: String,
    /// What it is called there. In one queue no two tasks have the same before the first of them is done.
    pub reference: String,
    pub attributes: BTreeMap<String, String>,
    /// Beside what the queue needs.
    pub need: Need,
    pub priority: i32,
    /// Agents for whom it is kept at first, each for so long.
    pub prefer: Vec<(String, Duration)>,
    /// When its waiting began; `None`: now.
    pub since: Option<Time>,
    /// Instead of the queue's.
    pub max_wait: Option<Duration>,
}

/// A task that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub id: EntryId,
    pub queue: String,
    pub reference: String,
    pub attributes: BTreeMap<String, String>,
    /// When its waiting began.
    pub filed: Time,
    #[serde(flatten)]
    pub state: ListedState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ListedState {
    Waiting {
        position: u32,
    },
    /// These may accept it, each until then.
    Offered {
        to: Vec<(String, Time)>,
    },
    InHand {
        agent: String,
        since: Time,
    },
}

/// Those that are not done.
#[derive(Default)]
pub(super) struct Tasks {
    filed: BTreeMap<EntryId, (QueueId, Arc<str>)>,
    /// By where they were filed, and what they are called where they came from.
    by_reference: BTreeMap<(QueueId, Arc<str>), EntryId>,
    offers: BTreeMap<OfferId, TaskOffer>,
    /// The last that left without an answer, and how.
    last_exit: Option<(EntryId, Exit)>,
}

struct TaskOffer {
    entry: EntryId,
    queue: Arc<str>,
    agent: AgentId,
}

impl Tasks {
    pub fn has(&self, entry: EntryId) -> bool {
        self.filed.contains_key(&entry)
    }

    pub fn len(&self) -> usize {
        self.filed.len()
    }

    pub fn offers(&self) -> usize {
        self.offers.len()
    }

    fn keep(&mut self, entry: EntryId, queue: QueueId, reference: Arc<str>) {
        self.by_reference.insert((queue, reference.clone()), entry);
        self.filed.insert(entry, (queue, reference));
    }

    fn forget(&mut self, entry: EntryId) {
        if let Some(key) = self.filed.remove(&entry) {
            self.by_reference.remove(&key);
        }
    }
}

impl Engine {
    /// Those of an earlier run.
    pub(super) fn know_tasks(&mut self, now: Time) {
        let tasks: Vec<_> = self
            .acd
            .tasks()
            .map(|task| {
                let by = match task.stands {
                    TaskStands::InHand { agent, since } => Some((self.agent_name(agent), since)),
                    TaskStands::InLine { .. } | TaskStands::Offered(_) => None,
                };
                let about = About {
                    reference: task.reference.to_owned(),
                    attributes: task.attributes.clone(),
                    priority: task.priority,
                    since: task.since,
                };
                (task.id, task.queue, task.filed_in, TaskNews::Known { about, by })
            })
            .collect();
        for (entry, queue, filed_in, news) in tasks {
            if let TaskNews::Known { about, .. } = &news {
                self.tasks.keep(entry, filed_in, about.reference.as_str().into());
            }
            let queue = self.queue_name(queue);
            self.say(now, What::Task { task: contact_of(entry), entry, queue, news });
        }
    }

    pub(super) fn on_task_act(&mut self, now: Time, act: TaskAct) -> Result<Answer, Refusal> {
        match act {
            TaskAct::File(filing) => self.file(now, *filing),
            TaskAct::Withdraw(task) => self.withdraw(now, task).map(|()| Answer::Done),
            TaskAct::Accept { agent, task } => self.offer_is(now, &agent, task, Outcome::Accepted),
            TaskAct::Decline { agent, task } => self.offer_is(now, &agent, task, Outcome::Declined),
            TaskAct::Done(task) => self.task_done(now, task).map(|()| Answer::Done),
            TaskAct::List => Ok(Answer::Tasks(self.listed())),
        }
    }

    fn file(&mut self, now: Time, filing: Filing) -> Result<Answer, Refusal> {
        filing.check()?;
        let Filing { queue: name, reference, attributes, need, priority, prefer, since, max_wait } = filing;
        let Some(&queue) = self.queue_ids.get(&name) else {
            return Err(Refusal::UnknownQueue { queue: name, known: self.queue_ids.keys().cloned().collect() });
        };
        let prefer =
            prefer.into_iter().map(|(agent, wait)| Ok(Prefer { who: Who::Agent(self.agent_named(&agent)?), wait }));
        let prefer = prefer.collect::<Result<Vec<_>, Refusal>>()?;
        let reference: Arc<str> = reference.into();
        if let Some(&task) = self.tasks.by_reference.get(&(queue, reference.clone())) {
            return Err(Refusal::TaskThere { task, queue: name, reference: reference.to_string() });
        }
        let entry = EntryId(self.ids.next());
        let since = since.map_or(now, |since| since.min(now));
        self.tasks.keep(entry, queue, reference.clone());
        self.entries.insert(entry, contact_of(entry));
        let attributes: Attributes = attributes.into_iter().collect();
        // What the queue needs, the check of the settings has looked at.
        let lacking = if need.is_none() { None } else { self.acd.lacking(&need.resolved(&attributes)) };
        let about = About { reference: reference.to_string(), attributes: attributes.clone(), priority, since };
        let queue_name = self.queues[&queue].name.clone();
        self.say(now, What::Task { task: contact_of(entry), entry, queue: queue_name, news: TaskNews::Filed(about) });
        let arrival = Arrival {
            queue,
            kind: Kind::Task,
            need,
            prefer,
            priority,
            max_wait,
            since,
            attributes,
            reference: reference.to_string(),
            ..Arrival::default()
        };
        self.acd_apply(now, Change::Arrive { entry, arrival: Box::new(arrival) });
        self.settle(now);
        match self.tasks.last_exit.take() {
            Some((left, exit)) if left == entry => Err(Refusal::NotTaken { queue: name, exit }),
            _ => Ok(Answer::Filed { task: entry, lacking }),
        }
    }

    fn withdraw(&mut self, now: Time, task: EntryId) -> Result<(), Refusal> {
        if let TaskStands::InHand { agent, .. } = self.stands(task)? {
            return Err(Refusal::InHand { task, agent: self.agent_name(agent).to_string() });
        }
        // On purpose, and not because it took too long.
        self.acd_apply(now, Change::Leave { entry: task, exit: Exit::LeftByKey });
        Ok(())
    }

    fn offer_is(&mut self, now: Time, agent: &str, task: EntryId, outcome: Outcome) -> Result<Answer, Refusal> {
        let id = self.agent_named(agent)?;
        let stands = self.stands(task)?;
        let offer = self.tasks.offers.iter().find(|(_, offer)| offer.entry == task && offer.agent == id);
        let Some((&offer, _)) = offer else {
            let to = match stands {
                TaskStands::InHand { agent: by, .. } => {
                    return Err(Refusal::InHand { task, agent: self.agent_name(by).to_string() });
                }
                TaskStands::Offered(to) => to.iter().map(|(agent, _)| self.agent_name(*agent).to_string()).collect(),
                TaskStands::InLine { .. } => Vec::new(),
            };
            let state = self.acd.agent_state(id).map_or("", |state| state.label());
            return Err(Refusal::NotOffered { task, agent: agent.to_owned(), state, to });
        };
        self.acd_apply(now, Change::OfferEnded { offer, outcome });
        Ok(Answer::Done)
    }

    fn task_done(&mut self, now: Time, task: EntryId) -> Result<(), Refusal> {
        let TaskStands::InHand { agent, since } = self.stands(task)? else {
            return Err(Refusal::NotInHand { task });
        };
        let queue = self.acd.task(task).map(|task| task.queue);
        self.acd_apply(now, Change::TalkEnded { entry: task, broke: false });
        self.tasks.forget(task);
        let news = TaskNews::Done { agent: self.agent_name(agent), worked: now.since(since) };
        let queue = queue.map_or_else(|| "".into(), |queue| self.queue_name(queue));
        self.say(now, What::Task { task: contact_of(task), entry: task, queue, news });
        Ok(())
    }

    /// Who worked on these is no agent any more.
    pub(super) fn drop_tasks_of(&mut self, now: Time, agent: AgentId) {
        let is_theirs = |stands: &TaskStands| matches!(stands, TaskStands::InHand { agent: by, .. } if *by == agent);
        let theirs: Vec<_> =
            self.acd.tasks().filter(|task| is_theirs(&task.stands)).map(|task| (task.id, task.queue)).collect();
        for (entry, queue) in theirs {
            self.tasks.forget(entry);
            let (queue, news) = (self.queue_name(queue), TaskNews::Dropped { agent: self.agent_name(agent) });
            self.say(now, What::Task { task: contact_of(entry), entry, queue, news });
        }
    }

    /// Also of one that the settings do not name any more.
    fn queue_name(&self, queue: QueueId) -> Arc<str> {
        let gone = || self.acd.gone_queues().find(|(id, _)| *id == queue).map(|(_, name)| name.into());
        let known = self.queues.get(&queue).map(|queue| queue.name.clone());
        known.or_else(gone).unwrap_or_else(|| queue.to_string().into())
    }

    fn stands(&self, task: EntryId) -> Result<TaskStands, Refusal> {
        self.acd.task(task).map(|task| task.stands).ok_or(Refusal::UnknownTask { task })
    }

    fn listed(&self) -> Vec<Listed> {
        let name = |agent: AgentId| self.agent_name(agent).to_string();
        let state = |stands| match stands {
            TaskStands::InLine { position } => ListedState::Waiting { position },
            TaskStands::Offered(to) => {
                ListedState::Offered { to: to.into_iter().map(|(agent, until)| (name(agent), until)).collect() }
            }
            TaskStands::InHand { agent, since } => ListedState::InHand { agent: name(agent), since },
        };
        let tasks = self.acd.tasks().map(|task| Listed {
            id: task.id,
            queue: self.queue_name(task.queue).to_string(),
            reference: task.reference.to_owned(),
            attributes: task.attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            filed: task.since,
            state: state(task.stands),
        });
        tasks.collect()
    }

    /// Also of one whom the settings do not name any more.
    fn agent_name(&self, agent: AgentId) -> Arc<str> {
        self.acd.agent(agent).map_or_else(|| agent.to_string().into(), |agent| agent.name.into())
    }

    pub(super) fn on_task_offer(&mut self, now: Time, offer: OfferId, entry: EntryId, queue: QueueId, agent: AgentId) {
        let queue = self.queues[&queue].name.clone();
        self.tasks.offers.insert(offer, TaskOffer { entry, queue: queue.clone(), agent });
        let news = TaskNews::Offered { offer, agent: self.agent_name(agent) };
        self.say(now, What::Task { task: contact_of(entry), entry, queue, news });
    }

    /// False: it was none of a task.
    pub(super) fn on_task_offer_ended(&mut self, now: Time, offer: OfferId, outcome: Outcome) -> bool {
        let Some(TaskOffer { entry, queue, agent }) = self.tasks.offers.remove(&offer) else { return false };
        let news = TaskNews::OfferEnded { offer, agent: self.agent_name(agent), outcome };
        self.say(now, What::Task { task: contact_of(entry), entry, queue, news });
        true
    }

    pub(super) fn on_task_exit(
        &mut self,
        now: Time,
        entry: EntryId,
        queue: QueueId,
        exit: Exit,
        waited: Duration,
        to: Option<QueueId>,
    ) {
        let q = &self.queues[&queue];
        let in_service_level = exit == Exit::Answered && waited <= q.service_level;
        let queue = q.name.clone();
        let going_on = to.map(|to| self.queues[&to].name.clone());
        let news = TaskNews::Left { exit, waited, in_service_level, to: going_on };
        self.say(now, What::Task { task: contact_of(entry), entry, queue, news });
        if to.is_none() {
            self.entries.remove(&entry);
            if exit != Exit::Answered {
                self.tasks.forget(entry);
                self.tasks.last_exit = Some((entry, exit));
            }
        }
    }
}

impl Filing {
    fn check(&self) -> Result<(), Refusal> {
        let too_long = |what: &str, text: &str, max: usize| match text.chars().count() {
            0 => Err(Refusal::BadFiling(format!("{what} is empty"))),
            n if n > max => Err(Refusal::BadFiling(format!("{what} has {n} characters; {max} is the most"))),
            _ if text.chars().any(char::is_control) => {
                Err(Refusal::BadFiling(format!("{what} has a line break or another control character in it")))
            }
            _ => Ok(()),
        };
        too_long("the reference", &self.reference, REFERENCE_MAX)?;
        if self.attributes.len() > ATTRIBUTES_MAX {
            let n = self.attributes.len();
            return Err(Refusal::BadFiling(format!("there are {n} attributes; {ATTRIBUTES_MAX} is the most")));
        }
        for (name, value) in &self.attributes {
            too_long("the name of an attribute", name, NAME_MAX)?;
            too_long(&format!("the attribute `{name}`"), value, VALUE_MAX)?;
        }
        Ok(())
    }
}

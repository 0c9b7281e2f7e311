//! What a wallboard shows now: who waits, what each agent does, which calls are up, which tasks are not done.

use super::event::{AgentPhase, CallEvent, Estimate, EstimateAnswer, TalkDetail, What};
use super::task::{Standing, TaskNews};
use crate::ids::{CallId, EntryId};
use crate::time::{Duration, Time};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A fold of [`CallEvent`]s: the same events in the same order show the same board.
///
/// Its size is bounded by what is up: an entry lives from `Queued` to `Dequeued`, a call from `CallStarted` to
/// `CallEnded`, a task from its filing until it is done; queues and agents are those of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Board {
    queues: BTreeMap<Arc<str>, Line>,
    agents: BTreeMap<Arc<str>, Desk>,
    calls: BTreeMap<CallId, Call>,
    /// Those that are not done.
    tasks: BTreeMap<CallId, Standing>,
}

/// One queue's line, and its counts since the board began.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Line {
    pub waiting: BTreeMap<EntryId, Waiting>,
    /// Those who are to be called back, and since when they wait.
    pub promised: BTreeMap<EntryId, Time>,
    /// Every entry that ever joined; `entries = exits + waiting` holds after every event.
    pub entries: u64,
    pub exits: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Waiting {
    pub call: CallId,
    pub since: Time,
    pub priority: i32,
    /// The agents whose phones ring for this entry now.
    pub ringing: Vec<Arc<str>>,
    /// How long it would take, as the caller was told first in this line, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<(Time, Estimate)>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Desk {
    pub phase: AgentPhase,
    pub since: Time,
    /// Of a pause.
    pub reason: Option<String>,
    /// When the phase ends by itself.
    pub until: Option<Time>,
    /// Of a talk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<TalkDetail>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    pub from: String,
    pub to: String,
    pub trunk: Arc<str>,
    pub started: Time,
    pub answered: Option<Time>,
    /// Who the caller talks with.
    pub with: Option<Arc<str>>,
}

impl Board {
    /// A board that shows these queues as empty and these agents as offline until something else is said.
    pub fn new<'a>(
        now: Time,
        queues: impl IntoIterator<Item = &'a str>,
        agents: impl IntoIterator<Item = &'a str>,
    ) -> Board {
        let offline = Desk { phase: AgentPhase::Offline, since: now, reason: None, until: None, detail: None };
        Board {
            queues: queues.into_iter().map(|name| (name.into(), Line::default())).collect(),
            agents: agents.into_iter().map(|name| (name.into(), offline.clone())).collect(),
            calls: BTreeMap::new(),
            tasks: BTreeMap::new(),
        }
    }

    pub fn apply(&mut self, event: &CallEvent) {
        let at = event.at;
        match &event.what {
            What::CallStarted { call, from, to, trunk } => {
                let (from, to, trunk) = (from.clone(), to.clone(), trunk.clone());
                self.calls.insert(*call, Call { from, to, trunk, started: at, answered: None, with: None });
            }
            What::CallAnswered { call } => self.on_call(*call, |shown| shown.answered = Some(at)),
            What::Connected { call, with, .. } => self.on_call(*call, |shown| shown.with = Some(with.clone())),
            What::Disconnected { call, .. } => self.on_call(*call, |shown| shown.with = None),
            What::CallEnded { call, .. } => {
                self.calls.remove(call);
            }
            What::Queued { call, entry, queue, priority } => {
                let line = self.queues.entry(queue.clone()).or_default();
                line.entries += 1;
                let waiting = Waiting { call: *call, since: at, priority: *priority, ringing: Vec::new(), told: None };
                line.waiting.insert(*entry, waiting);
            }
            What::EstimateAsked { entry, queue, answer: EstimateAnswer::Told(said), .. } => {
                self.on_entry(queue, *entry, |waiting| {
                    waiting.told.get_or_insert((at, *said));
                });
            }
            What::Dequeued { entry, queue, .. } => {
                let line = self.queues.entry(queue.clone()).or_default();
                line.exits += u64::from(line.waiting.remove(entry).is_some());
            }
            What::Promised { entry, queue, since, .. } => {
                self.queues.entry(queue.clone()).or_default().promised.insert(*entry, *since);
            }
            What::PromiseOver { entry, queue, .. } => {
                self.queues.entry(queue.clone()).or_default().promised.remove(entry);
            }
            What::Offered { entry, queue, agent, .. } => {
                self.on_entry(queue, *entry, |waiting| waiting.ringing.push(agent.clone()));
            }
            What::OfferEnded { entry, queue, agent, .. } => {
                self.on_entry(queue, *entry, |waiting| waiting.ringing.retain(|ringing| ringing != agent));
            }
            What::Task { task, queue, news, .. } => self.on_task(at, *task, queue, news),
            What::Agent { agent, phase, reason, until, detail, since } => {
                let same = self.agents.get(agent).filter(|desk| desk.phase == *phase);
                let since = since.unwrap_or(same.map_or(at, |desk| desk.since));
                let desk = Desk { phase: *phase, since, reason: reason.clone(), until: *until, detail: *detail };
                self.agents.insert(agent.clone(), desk);
            }
            What::EstimateAsked { .. }
            | What::CallerKnown { .. }
            | What::CallerHeaderIgnored { .. }
            | What::AnswerOverdue { .. }
            | What::AgentsLost { .. }
            | What::NotPromised { .. }
            | What::CallsBack { .. }
            | What::PromisedAgain { .. }
            | What::Step { .. }
            | What::FlowFault { .. }
            | What::Held { .. }
            | What::Resumed { .. }
            | What::Transferred { .. }
            | What::TransferEnded { .. }
            | What::TransferRefused { .. }
            | What::Redirected { .. }
            | What::RedirectsCut { .. }
            | What::RedirectAbroad { .. }
            | What::LegClosed { .. }
            | What::LegSilent { .. }
            | What::CallRefused { .. }
            | What::AgentFull { .. }
            | What::AuthenticationFailed { .. }
            | What::Strayed { .. }
            | What::NoWayOut { .. }
            | What::OutOfMinutes { .. }
            | What::Trunk { .. } => {}
        }
    }

    pub fn queues(&self) -> &BTreeMap<Arc<str>, Line> {
        &self.queues
    }

    pub fn agents(&self) -> &BTreeMap<Arc<str>, Desk> {
        &self.agents
    }

    pub fn calls(&self) -> &BTreeMap<CallId, Call> {
        &self.calls
    }

    /// How long it would take, as who waits there was told first, and when.
    pub fn told(&self, queue: &str, entry: EntryId) -> Option<(Time, Estimate)> {
        self.queues.get(queue)?.waiting.get(&entry)?.told
    }

    pub fn tasks(&self) -> &BTreeMap<CallId, Standing> {
        &self.tasks
    }

    /// How many agents are in this phase.
    pub fn agents_in(&self, phase: AgentPhase) -> usize {
        self.agents.values().filter(|desk| desk.phase == phase).count()
    }

    fn on_task(&mut self, at: Time, id: CallId, queue: &Arc<str>, news: &TaskNews) {
        match news {
            TaskNews::Filed(about) => {
                self.tasks.insert(id, Standing::new(queue.clone(), about.clone(), None));
            }
            TaskNews::Known { about, by } => {
                self.tasks.insert(id, Standing::new(queue.clone(), about.clone(), by.clone()));
            }
            news if news.is_end() => drop(self.tasks.remove(&id)),
            news => {
                if let Some(task) = self.tasks.get_mut(&id) {
                    task.apply(at, news);
                }
            }
        }
    }

    fn on_call(&mut self, call: CallId, change: impl FnOnce(&mut Call)) {
        if let Some(shown) = self.calls.get_mut(&call) {
            change(shown);
        }
    }

    fn on_entry(&mut self, queue: &Arc<str>, entry: EntryId, change: impl FnOnce(&mut Waiting)) {
        if let Some(waiting) = self.queues.get_mut(queue).and_then(|line| line.waiting.get_mut(&entry)) {
            change(waiting);
        }
    }
}

impl Line {
    /// How long the entry that came first has waited until now; `None`: nobody waits.
    pub fn longest_wait(&self, now: Time) -> Option<Duration> {
        self.waiting.values().map(|waiting| waiting.since).min().map(|since| now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::{Exit, Outcome};
    use crate::ids::{LegId, OfferId};
    use crate::record::EndedBy;

    fn at(second: u64, what: What) -> CallEvent {
        CallEvent { at: Time::from_secs(second), what }
    }

    fn queued(entry: u64) -> What {
        What::Queued { call: CallId(entry), entry: EntryId(entry), queue: "sales".into(), priority: 0 }
    }

    fn dequeued(entry: u64, exit: Exit) -> What {
        What::Dequeued {
            call: CallId(entry),
            entry: EntryId(entry),
            queue: "sales".into(),
            exit,
            waited: Duration::ZERO,
            in_service_level: true,
        }
    }

    #[test]
    fn a_line_counts_entries_as_exits_plus_waiting() {
        let mut board = Board::new(Time::EPOCH, ["sales"], []);
        assert_eq!(board.queues()["sales"].longest_wait(Time::from_secs(9)), None);
        let events = [
            at(1, queued(7)),
            at(2, queued(8)),
            at(3, dequeued(7, Exit::Answered)),
            at(4, queued(9)),
            at(5, dequeued(8, Exit::Abandoned)),
            // Said twice by mistake: counted once.
            at(5, dequeued(8, Exit::Abandoned)),
        ];
        for event in &events {
            board.apply(event);
            let line = &board.queues()["sales"];
            assert_eq!(line.entries, line.exits + line.waiting.len() as u64);
        }
        let line = &board.queues()["sales"];
        assert_eq!((line.entries, line.exits), (3, 2));
        assert_eq!(line.longest_wait(Time::from_secs(10)), Some(Duration::from_secs(6)));
    }

    #[test]
    fn an_entry_shows_whose_phones_ring_for_it() {
        let mut board = Board::new(Time::EPOCH, ["sales"], ["anna"]);
        let (call, entry, offer) = (CallId(1), EntryId(1), OfferId(1));
        let (queue, agent): (Arc<str>, Arc<str>) = ("sales".into(), "anna".into());
        board.apply(&at(1, queued(1)));
        board.apply(&at(2, What::Offered { call, entry, offer, queue: queue.clone(), agent: agent.clone() }));
        assert_eq!(board.queues()["sales"].waiting[&entry].ringing, ["anna".into()]);
        board.apply(&at(3, What::OfferEnded { call, entry, offer, queue, agent, outcome: Outcome::Declined }));
        assert!(board.queues()["sales"].waiting[&entry].ringing.is_empty());
    }

    #[test]
    fn an_agent_stays_in_a_phase_since_its_first_mention() {
        let mut board = Board::new(Time::EPOCH, [], ["anna", "bo"]);
        assert_eq!(board.agents_in(AgentPhase::Offline), 2);
        let paused = |reason: &str| What::Agent {
            agent: "anna".into(),
            phase: AgentPhase::Paused,
            reason: Some(reason.into()),
            until: None,
            detail: None,
            since: None,
        };
        board.apply(&at(5, paused("lunch")));
        board.apply(&at(6, paused("meeting")));
        let desk = &board.agents()["anna"];
        assert_eq!((desk.since, desk.reason.as_deref()), (Time::from_secs(5), Some("meeting")));
        assert_eq!(board.agents_in(AgentPhase::Offline), 1);
        assert_eq!(board.agents_in(AgentPhase::Paused), 1);
    }

    #[test]
    fn a_pause_that_goes_on_from_before_is_as_long_as_it_is() {
        let mut board = Board::new(Time::from_secs(9), [], ["anna"]);
        let (agent, phase, reason) = ("anna".into(), AgentPhase::Paused, Some("lunch".into()));
        let since = Some(Time::from_secs(5));
        board.apply(&at(10, What::Agent { agent, phase, reason, until: None, detail: None, since }));
        assert_eq!(board.agents()["anna"].since, Time::from_secs(5));
    }

    #[test]
    fn a_call_is_shown_from_its_start_to_its_end() {
        let mut board = Board::default();
        let (call, leg) = (CallId(1), LegId(2));
        board.apply(&at(1, What::CallStarted { call, from: "1".into(), to: "2".into(), trunk: "agent".into() }));
        board.apply(&at(2, What::CallAnswered { call }));
        board.apply(&at(3, What::Connected { call, leg, with: "anna".into() }));
        assert_eq!(board.calls()[&call].with.as_deref(), Some("anna"));
        assert_eq!(board.calls()[&call].answered, Some(Time::from_secs(2)));
        board.apply(&at(4, What::Disconnected { call, leg, with: "anna".into(), talked: Duration::from_secs(1) }));
        assert_eq!(board.calls()[&call].with, None);
        board.apply(&at(5, What::CallEnded { call, by: EndedBy::Caller, cause: "hung up".into() }));
        assert!(board.calls().is_empty());
    }
}

//! One contact record per call or task: who, through which steps, which waits and offers, who talked how long, how it ended.

use super::board::Board;
use super::caller::Caller;
use super::event::{CallEvent, EndedBy, EstimateAnswer, TransferKind, Unpromised, What};
use super::task::{Task, TaskNews};
use crate::acd::{Exit, Outcome};
use crate::ids::{CallId, EntryId, LegId, OfferId};
use crate::media::Quality;
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Everything that is kept of one call, or of one task. Read by other programs: fields are added, never renamed.
///
/// Times are microseconds since the Unix epoch; lengths are whole milliseconds, rounded down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    pub id: CallId,
    pub from: String,
    pub to: String,
    /// The trunk's name, or `agent`.
    pub trunk: Arc<str>,
    /// Records of before more was kept of callers have nothing in it.
    #[serde(default)]
    pub caller: Caller,
    pub started: Time,
    pub answered: Option<Time>,
    /// While the call is up: the last time anything was heard of it.
    pub ended: Time,
    pub ended_by: EndedBy,
    pub cause: String,
    pub steps: Vec<Step>,
    pub faults: Vec<Fault>,
    pub waits: Vec<Wait>,
    pub offers: Vec<Offer>,
    pub talks: Vec<Talk>,
    /// The call from one transfer to the next; the first is what the caller dialled. Records of before there were transfers
    /// have none.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// Who was called and wanted to have the call elsewhere. Older records have none.
    #[serde(default)]
    pub redirects: Vec<Redirect>,
    /// The caller asked to be called back, and it was promised. Older records say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<Promised>,
    /// The caller asked in vain to be called back. Older records say nothing of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_promised: Vec<NotPromised>,
    /// This is the call that was promised. Its `from` is the number that was shown, and its talk is one with the number that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_back: Option<CallsBack>,
    pub holds: Vec<Hold>,
    pub silences: Vec<Silence>,
    pub media: Vec<LegQuality>,
    /// A list was full and the rest of its kind is missing.
    pub truncated: bool,
    /// Of a task: nobody called, so `from` is empty, `to` is the queue it was filed into and `trunk` is `task`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Box<Task>>,
}

/// Where the flow itself went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub at: Time,
    pub flow: Arc<str>,
    pub step: Arc<str>,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub at: Time,
    pub flow: Arc<str>,
    pub step: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    pub entry: EntryId,
    pub queue: Arc<str>,
    pub priority: i32,
    /// When it joined this line.
    pub since: Time,
    /// Since then.
    pub waited_ms: u64,
    /// Before then, as far as it counts for this line: in another queue, or in a line that was left and whose place was kept.
    #[serde(default)]
    pub before_ms: u64,
    /// `None` while the entry waits.
    pub exit: Option<Exit>,
    /// It was answered within the queue's service level.
    pub in_service_level: bool,
    /// How long it would take, as the caller was told. Records of before callers were told have none.
    #[serde(default)]
    pub told: Vec<Told>,
}

impl Wait {
    /// `waited`: as it counts for the queue.
    pub(super) fn ends(&mut self, at: Time, waited: Duration) {
        let counts = milliseconds(waited);
        self.waited_ms = milliseconds(at.since(self.since)).min(counts);
        self.before_ms = counts - self.waited_ms;
    }

    /// As it counts for the queue, and for its service level.
    pub fn counts_ms(&self) -> u64 {
        self.waited_ms + self.before_ms
    }
}

/// What a caller heard of the wait: so many minutes from `at` on. From 0: less than that; without an end: more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub at: Time,
    pub from_minutes: u32,
    pub to_minutes: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    pub offer: OfferId,
    pub entry: EntryId,
    pub queue: Arc<str>,
    pub agent: Arc<str>,
    pub at: Time,
    pub rang_ms: u64,
    /// `None` while it rings, and for ever if the service stopped meanwhile.
    pub outcome: Option<Outcome>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Talk {
    pub leg: LegId,
    /// An agent's name or the number that was dialled.
    pub with: Arc<str>,
    pub at: Time,
    pub talked_ms: u64,
}

/// A stretch of the call that ends with a transfer, or with the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub at: Time,
    /// `None` while it goes on.
    pub ended: Option<Time>,
    /// What was dialled, by the caller or by who transferred them; whom an attended transfer reached.
    pub to: String,
    /// The agent who transferred the caller here; `None`: nobody did.
    pub by: Option<Arc<str>>,
    pub kind: Option<TransferKind>,
    /// What became of the transfer that opened it: 200, or the SIP code of its failure; then the caller went on where they
    /// came from, with that agent or, if the agent had hung up, in the queue or flow.
    pub code: Option<u16>,
}

/// A phone that was called wanted to have the call elsewhere (3xx).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redirect {
    pub at: Time,
    /// An agent's name or the number that was dialled.
    pub by: Arc<str>,
    /// Where the call went by that; `None`: nowhere.
    pub to: Option<String>,
}

/// A promise to call back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promised {
    pub at: Time,
    pub entry: EntryId,
    pub queue: Arc<str>,
    pub number: String,
}

/// A wish to be called back that was not granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotPromised {
    pub at: Time,
    /// Whose agents would have called; empty: there is none.
    pub queue: Arc<str>,
    pub number: String,
    pub why: Unpromised,
}

/// One try of keeping a promise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallsBack {
    /// As in [`Promised`].
    pub entry: EntryId,
    pub queue: Arc<str>,
    pub number: String,
    /// When who was promised it began to wait.
    pub since: Time,
    /// Tries in vain before this one.
    pub tries: u32,
}

/// A party put the call on hold; `resumed` is `None` when the call ended before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    pub leg: LegId,
    pub at: Time,
    pub resumed: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    pub leg: LegId,
    pub since: Time,
    pub noticed: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegQuality {
    pub leg: LegId,
    pub packets_received: u64,
    pub packets_sent: u64,
    pub packets_lost: u64,
    pub packets_foreign: u64,
    pub jitter_us: u64,
    pub round_trip_us: Option<u64>,
}

/// Each list of one record. A flow that walks in a circle for hours must not fill the memory.
const LIST_MAX: usize = 500;

/// Folds [`CallEvent`]s into [`Contact`]s; each is given out when its call ends.
///
/// Holds one record per call that is up, each of bounded size.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    open: HashMap<CallId, Contact>,
}

impl Recorder {
    /// One that knows these tasks from before.
    pub fn knowing(tasks: Vec<Contact>) -> Recorder {
        Recorder { open: tasks.into_iter().map(|task| (task.id, task)).collect() }
    }

    /// The finished record, if this event ended a call. Events of unknown calls are passed over.
    pub fn apply(&mut self, event: &CallEvent) -> Option<Contact> {
        let at = event.at;
        match &event.what {
            What::CallStarted { call, from, to, trunk } => {
                self.open.insert(*call, Contact::new(*call, at, from.clone(), to.clone(), trunk.clone()));
            }
            What::CallEnded { call, by, cause } => {
                let mut contact = self.open.remove(call)?;
                contact.ended = at;
                contact.close_segment(at);
                contact.ended_by = *by;
                contact.cause.clone_from(cause);
                return Some(contact);
            }
            What::Task { task, entry, queue, news } => {
                if let TaskNews::Filed(about) | TaskNews::Known { about, .. } = news {
                    self.open.entry(*task).or_insert_with(|| Contact::of_task(*task, queue, about));
                }
                let contact = self.open.get_mut(task)?;
                contact.apply_task(at, *entry, queue, news);
                contact.ended = at;
                if news.is_end() {
                    return self.open.remove(task);
                }
            }
            what => {
                if let Some(contact) = what.call().and_then(|call| self.open.get_mut(&call)) {
                    contact.apply(at, what);
                    contact.ended = at;
                }
            }
        }
        None
    }

    /// Events were lost, and `board` shows what is up now. Gives out the records of calls that are over by now, as far as
    /// they are known, and begins those of calls whose beginning was lost. All of them are `truncated`, as are those of
    /// calls that were up meanwhile: something may be missing in any.
    pub fn make_good(&mut self, board: &Board) -> Vec<Contact> {
        let (up, over): (HashMap<_, _>, HashMap<_, _>) =
            self.open.drain().partition(|(id, _)| board.calls().contains_key(id) || board.tasks().contains_key(id));
        self.open = up;
        for (id, call) in board.calls() {
            let (from, to, trunk) = (call.from.clone(), call.to.clone(), call.trunk.clone());
            let begin = || Contact { answered: call.answered, ..Contact::new(*id, call.started, from, to, trunk) };
            self.open.entry(*id).or_insert_with(begin).truncated = true;
        }
        for (id, task) in board.tasks() {
            self.open.entry(*id).or_insert_with(|| task.contact(*id)).truncated = true;
        }
        let mut over: Vec<Contact> = over.into_values().collect();
        over.sort_by_key(|contact| contact.id);
        for contact in &mut over {
            contact.interrupt(contact.ended);
            contact.ended_by = EndedBy::System;
            contact.cause = "its end was lost: the recorder was too slow".to_owned();
            contact.truncated = true;
        }
        over
    }

    /// What is known until now of a call that is up.
    pub fn get(&self, call: CallId) -> Option<&Contact> {
        self.open.get(&call)
    }

    /// Calls that have begun and not ended.
    pub fn open(&self) -> usize {
        self.open.values().filter(|contact| contact.task.is_none()).count()
    }
}

impl Contact {
    pub(super) fn new(id: CallId, at: Time, from: String, to: String, trunk: Arc<str>) -> Contact {
        let first = Segment { at, ended: None, to: to.clone(), by: None, kind: None, code: None };
        Contact {
            id,
            from,
            to,
            trunk,
            caller: Caller::default(),
            started: at,
            answered: None,
            ended: at,
            // Overwritten at the end.
            ended_by: EndedBy::System,
            cause: String::new(),
            steps: Vec::new(),
            faults: Vec::new(),
            waits: Vec::new(),
            offers: Vec::new(),
            talks: Vec::new(),
            segments: vec![first],
            redirects: Vec::new(),
            promised: None,
            not_promised: Vec::new(),
            calls_back: None,
            holds: Vec::new(),
            silences: Vec::new(),
            media: Vec::new(),
            truncated: false,
            task: None,
        }
    }

    fn apply(&mut self, at: Time, what: &What) {
        let full = match what {
            What::CallerKnown { caller, .. } => {
                self.caller = (**caller).clone();
                false
            }
            What::CallAnswered { .. } => {
                self.answered.get_or_insert(at);
                false
            }
            What::Step { flow, step, .. } => push(&mut self.steps, Step { at, flow: flow.clone(), step: step.clone() }),
            What::FlowFault { flow, step, reason, .. } => {
                let (flow, step, reason) = (flow.clone(), step.clone(), reason.clone());
                push(&mut self.faults, Fault { at, flow, step, reason })
            }
            What::Queued { entry, queue, priority, .. } => {
                let wait = Wait {
                    entry: *entry,
                    queue: queue.clone(),
                    priority: *priority,
                    since: at,
                    waited_ms: 0,
                    before_ms: 0,
                    exit: None,
                    in_service_level: false,
                    told: Vec::new(),
                };
                push(&mut self.waits, wait)
            }
            What::EstimateAsked { entry, answer: EstimateAnswer::Told(said), .. } => {
                let told = Told { at, from_minutes: said.from_minutes, to_minutes: said.to_minutes };
                let wait = self.waits.iter_mut().rfind(|wait| wait.entry == *entry);
                wait.is_some_and(|wait| push(&mut wait.told, told))
            }
            What::Dequeued { entry, exit, waited, in_service_level, .. } => {
                if let Some(wait) = self.waits.iter_mut().rfind(|wait| wait.entry == *entry) {
                    wait.ends(at, *waited);
                    wait.exit = Some(*exit);
                    wait.in_service_level = *exit == Exit::Answered && *in_service_level;
                }
                false
            }
            What::Promised { entry, queue, number, .. } => {
                let (queue, number) = (queue.clone(), number.clone());
                self.promised = Some(Promised { at, entry: *entry, queue, number });
                false
            }
            What::NotPromised { queue, number, why, .. } => {
                let (queue, number) = (queue.clone(), number.clone());
                push(&mut self.not_promised, NotPromised { at, queue, number, why: *why })
            }
            What::CallsBack { entry, queue, number, since, tries, .. } => {
                let (queue, number) = (queue.clone(), number.clone());
                self.calls_back = Some(CallsBack { entry: *entry, queue, number, since: *since, tries: *tries });
                false
            }
            What::Offered { entry, offer, queue, agent, .. } => {
                let (queue, agent) = (queue.clone(), agent.clone());
                push(
                    &mut self.offers,
                    Offer { offer: *offer, entry: *entry, queue, agent, at, rang_ms: 0, outcome: None },
                )
            }
            What::OfferEnded { offer, outcome, .. } => {
                if let Some(open) = self.offers.iter_mut().rfind(|open| open.offer == *offer) {
                    open.rang_ms = milliseconds(at.since(open.at));
                    open.outcome = Some(*outcome);
                }
                false
            }
            What::Connected { leg, with, .. } => {
                push(&mut self.talks, Talk { leg: *leg, with: with.clone(), at, talked_ms: 0 })
            }
            What::Disconnected { leg, talked, .. } => {
                if let Some(talk) = self.talks.iter_mut().rfind(|talk| talk.leg == *leg) {
                    talk.talked_ms = milliseconds(*talked);
                }
                false
            }
            // Told again when the two are connected.
            What::Held { leg, .. } if self.holds.iter().any(|hold| hold.leg == *leg && hold.resumed.is_none()) => false,
            What::Held { leg, .. } => push(&mut self.holds, Hold { leg: *leg, at, resumed: None }),
            What::Resumed { leg, .. } => {
                if let Some(hold) = self.holds.iter_mut().rfind(|hold| hold.leg == *leg) {
                    hold.resumed.get_or_insert(at);
                }
                false
            }
            What::Transferred { by, kind, to, .. } => {
                self.close_segment(at);
                let segment =
                    Segment { at, ended: None, to: to.clone(), by: Some(by.clone()), kind: Some(*kind), code: None };
                push(&mut self.segments, segment)
            }
            What::TransferEnded { code, .. } => {
                if let Some(open) = self.segments.last_mut().filter(|segment| segment.ended.is_none()) {
                    open.code.get_or_insert(*code);
                }
                false
            }
            What::Redirected { by, to, .. } => {
                push(&mut self.redirects, Redirect { at, by: by.clone(), to: to.clone() })
            }
            What::RedirectsCut { by, .. } => push(&mut self.redirects, Redirect { at, by: by.clone(), to: None }),
            What::LegSilent { leg, since, .. } => {
                push(&mut self.silences, Silence { leg: *leg, since: *since, noticed: at })
            }
            What::LegClosed { leg, quality, .. } => push(&mut self.media, LegQuality::new(*leg, quality)),
            // Not of a call.
            What::Task { .. } => false,
            What::CallStarted { .. }
            | What::PromisedAgain { .. }
            | What::PromiseOver { .. }
            | What::EstimateAsked { .. }
            | What::CallerHeaderIgnored { .. }
            | What::AnswerOverdue { .. }
            | What::AgentsLost { .. }
            | What::RedirectAbroad { .. }
            | What::CallEnded { .. }
            | What::CallRefused { .. }
            | What::AgentFull { .. }
            | What::AuthenticationFailed { .. }
            | What::Strayed { .. }
            | What::NoWayOut { .. }
            | What::OutOfMinutes { .. }
            | What::Trunk { .. }
            | What::TransferRefused { .. }
            | What::Agent { .. } => false,
        };
        self.truncated |= full;
    }

    /// What was open when the service stopped ends at `last_known`, or later if the record itself knows better: the
    /// wait as [`Exit::SystemFault`], the talk, the ringing. For records of calls that were up then.
    pub fn interrupt(&mut self, last_known: Time) {
        self.ended = self.ended.max(last_known);
        self.ended_by = EndedBy::SystemFault;
        self.cause = "the service stopped while the call was up".to_owned();
        self.close_segment(self.ended);
        let ended = self.ended;
        let until_then = |since: Time| milliseconds(ended.since(since));
        for wait in self.waits.iter_mut().filter(|wait| wait.exit.is_none()) {
            wait.waited_ms = until_then(wait.since);
            wait.exit = Some(Exit::SystemFault);
        }
        for offer in self.offers.iter_mut().filter(|offer| offer.outcome.is_none()) {
            offer.rang_ms = until_then(offer.at);
        }
        if let Some(work) = self.task.as_ref().and_then(|task| task.work.as_ref()) {
            self.works_no_more(until_then(work.at));
        }
        // Only the last talk can be open, and no talk that ended was shorter than a millisecond.
        if let Some(talk) = self.talks.last_mut().filter(|talk| talk.talked_ms == 0) {
            talk.talked_ms = until_then(talk.at);
        }
    }

    fn close_segment(&mut self, at: Time) {
        if let Some(open) = self.segments.last_mut() {
            open.ended.get_or_insert(at);
        }
    }

    /// The last wait: the one that says how the caller fared.
    pub fn last_wait(&self) -> Option<&Wait> {
        self.waits.last()
    }

    /// Who talked with the caller last, or worked on the task.
    pub fn served_by(&self) -> Option<&str> {
        let worked = || Some(&*self.task.as_ref()?.work.as_ref()?.agent);
        self.talks.last().map(|talk| &*talk.with).or_else(worked)
    }

    /// All time in all lines.
    pub fn waited_ms(&self) -> u64 {
        self.waits.iter().map(|wait| wait.waited_ms).sum()
    }

    /// All time with all agents and others.
    pub fn talked_ms(&self) -> u64 {
        self.talks.iter().map(|talk| talk.talked_ms).sum()
    }
}

impl LegQuality {
    fn new(leg: LegId, quality: &Quality) -> LegQuality {
        let microseconds = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        LegQuality {
            leg,
            packets_received: quality.packets_received,
            packets_sent: quality.packets_sent,
            packets_lost: quality.packets_lost,
            packets_foreign: quality.packets_foreign,
            jitter_us: microseconds(quality.jitter),
            round_trip_us: quality.round_trip.map(microseconds),
        }
    }
}

/// True: the list is full and the item was left out.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) -> bool {
    let full = list.len() >= LIST_MAX;
    if !full {
        list.push(item);
    }
    full
}

pub(super) fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallId = CallId(1);

    fn at(millisecond: u64, what: What) -> CallEvent {
        CallEvent { at: Time::from_micros(millisecond * 1000), what }
    }

    fn started() -> CallEvent {
        at(0, What::CallStarted { call: CALL, from: "+4670".into(), to: "100".into(), trunk: "carrier".into() })
    }

    fn ended() -> CallEvent {
        at(60_000, What::CallEnded { call: CALL, by: EndedBy::Caller, cause: "hung up".into() })
    }

    fn step(millisecond: u64) -> CallEvent {
        at(millisecond, What::Step { call: CALL, flow: "main".into(), step: "welcome".into() })
    }

    /// A call through a menu and a line, declined by one agent, answered by the next, held once.
    fn story() -> Vec<CallEvent> {
        let (call, entry, queue): (_, _, Arc<str>) = (CALL, EntryId(2), "sales".into());
        let (anna, bo): (Arc<str>, Arc<str>) = ("anna".into(), "bo".into());
        let (caller, leg) = (LegId(10), LegId(12));
        let offered =
            |offer, agent: &Arc<str>| What::Offered { call, entry, offer, queue: queue.clone(), agent: agent.clone() };
        let offer_ended = |offer, agent: &Arc<str>, outcome| What::OfferEnded {
            call,
            entry,
            offer,
            queue: queue.clone(),
            agent: agent.clone(),
            outcome,
        };
        let waited = Duration::from_micros(7_999_900);
        let quality = Quality { packets_received: 50, jitter: Duration::from_millis(2), ..Quality::default() };
        vec![
            started(),
            at(10, What::CallAnswered { call }),
            step(10),
            at(1_000, What::Queued { call, entry, queue: queue.clone(), priority: 5 }),
            at(2_000, offered(OfferId(3), &anna)),
            at(4_000, offer_ended(OfferId(3), &anna, Outcome::Declined)),
            at(4_000, offered(OfferId(4), &bo)),
            at(9_000, offer_ended(OfferId(4), &bo, Outcome::Accepted)),
            at(
                9_000,
                What::Dequeued {
                    call,
                    entry,
                    queue: queue.clone(),
                    exit: Exit::Answered,
                    waited,
                    in_service_level: true,
                },
            ),
            at(9_000, What::Connected { call, leg, with: bo.clone() }),
            at(20_000, What::Held { call, leg }),
            at(25_000, What::Resumed { call, leg }),
            at(59_000, What::Disconnected { call, leg, with: bo, talked: Duration::from_secs(50) }),
            at(59_500, What::LegClosed { call, leg, quality }),
            at(60_000, What::LegClosed { call, leg: caller, quality: Quality::default() }),
            ended(),
        ]
    }

    fn record(events: &[CallEvent]) -> Contact {
        let mut recorder = Recorder::default();
        let mut contacts: Vec<Contact> = events.iter().filter_map(|event| recorder.apply(event)).collect();
        assert_eq!(recorder.open(), 0);
        assert_eq!(contacts.len(), 1);
        contacts.remove(0)
    }

    #[test]
    fn a_call_becomes_one_record_at_its_end() {
        let contact = record(&story());
        assert_eq!(contact.answered, Some(Time::from_micros(10_000)));
        assert_eq!(contact.ended, Time::from_secs(60));
        assert_eq!((contact.ended_by, contact.cause.as_str()), (EndedBy::Caller, "hung up"));
        let outcomes: Vec<_> =
            contact.offers.iter().map(|offer| (&*offer.agent, offer.rang_ms, offer.outcome)).collect();
        assert_eq!(outcomes, [("anna", 2_000, Some(Outcome::Declined)), ("bo", 5_000, Some(Outcome::Accepted))]);
        let wait = contact.last_wait().unwrap();
        assert_eq!((wait.exit, wait.waited_ms, wait.priority), (Some(Exit::Answered), 7_999, 5));
        assert_eq!((contact.waited_ms(), contact.talked_ms()), (7_999, 50_000));
        assert_eq!(
            contact.holds,
            [Hold { leg: LegId(12), at: Time::from_secs(20), resumed: Some(Time::from_secs(25)) }]
        );
        assert_eq!(contact.media.len(), 2);
        assert_eq!(contact.media[0].jitter_us, 2_000);
        assert!(!contact.truncated);
    }

    #[test]
    fn a_hold_that_is_told_again_is_no_second_one() {
        let mut story = story();
        let resumed = story.iter().position(|event| matches!(event.what, What::Resumed { .. })).unwrap();
        let Some(CallEvent { what: What::Held { call, leg }, .. }) = story.get(resumed - 1).cloned() else {
            panic!("held, then resumed")
        };
        story.insert(resumed, CallEvent { at: Time::from_secs(22), what: What::Held { call, leg } });
        story.insert(resumed + 2, CallEvent { at: Time::from_secs(50), what: What::Held { call, leg } });
        let holds: Vec<_> = record(&story).holds.iter().map(|hold| (hold.at, hold.resumed)).collect();
        assert_eq!(holds, [(Time::from_secs(20), Some(Time::from_secs(25))), (Time::from_secs(50), None)]);
    }

    #[test]
    fn an_interrupted_record_ends_what_was_open_at_the_last_time_known() {
        let until = |events: usize, last_known: u64| {
            let mut recorder = Recorder::default();
            assert!(story()[..events].iter().all(|event| recorder.apply(event).is_none()));
            let mut contact = recorder.get(CALL).unwrap().clone();
            contact.interrupt(Time::from_micros(last_known * 1000));
            assert_eq!(contact.ended_by, EndedBy::SystemFault);
            contact
        };
        let waiting = until(5, 3_500);
        assert_eq!(waiting.ended, Time::from_micros(3_500_000));
        assert_eq!((waiting.waits[0].waited_ms, waiting.waits[0].exit), (2_500, Some(Exit::SystemFault)));
        assert_eq!((waiting.offers[0].rang_ms, waiting.offers[0].outcome), (1_500, None));
        assert_eq!(waiting.talked_ms(), 0);
        let talking = until(11, 30_000);
        assert_eq!((talking.waits[0].waited_ms, talking.waits[0].exit), (7_999, Some(Exit::Answered)));
        assert_eq!(talking.talked_ms(), 21_000);
        // The record has heard of the call later than anything else was written.
        assert_eq!(until(11, 0).ended, Time::from_secs(20));
        let after = until(13, 59_700);
        assert_eq!((after.talked_ms(), after.ended), (50_000, Time::from_micros(59_700_000)));
    }

    #[test]
    fn after_events_were_lost_records_begin_and_end_as_the_board_says() {
        let mut recorder = Recorder::default();
        let mut board = Board::default();
        // Of the first call the end was lost, of the second the beginning.
        let story = story();
        assert!(story[..11].iter().all(|event| recorder.apply(event).is_none()));
        let started = What::CallStarted { call: CallId(2), from: "2".into(), to: "100".into(), trunk: "t".into() };
        let answered = What::CallAnswered { call: CallId(2) };
        for (second, what) in [(70, started), (71, answered)] {
            board.apply(&CallEvent { at: Time::from_secs(second), what });
        }
        let over = recorder.make_good(&board);
        let [first] = &over[..] else { panic!("{over:?}") };
        assert_eq!((first.id, first.ended_by, first.truncated), (CALL, EndedBy::System, true));
        assert_eq!((first.ended, first.talked_ms()), (Time::from_secs(20), 11_000), "as far as is known");
        let second = recorder.get(CallId(2)).unwrap();
        assert_eq!((second.from.as_str(), second.started, second.truncated), ("2", Time::from_secs(70), true));
        assert_eq!(second.answered, Some(Time::from_secs(71)));
        assert_eq!(recorder.open(), 1);
        assert_eq!(recorder.make_good(&board), []);
    }

    #[test]
    fn a_record_survives_its_json() {
        let contact = record(&story());
        let json = serde_json::to_string(&contact).unwrap();
        assert_eq!(serde_json::from_str::<Contact>(&json).unwrap(), contact);
        assert!(json.contains(r#""exit":"answered""#), "{json}");
    }

    #[test]
    fn a_list_that_is_full_is_marked() {
        let mut events = vec![started()];
        events.extend((0..LIST_MAX as u64).map(step));
        events.push(ended());
        assert!(!record(&events).truncated);
        events.insert(1, step(0));
        let contact = record(&events);
        assert_eq!((contact.steps.len(), contact.truncated), (LIST_MAX, true));
    }

    #[test]
    fn events_of_unknown_calls_are_passed_over() {
        let mut recorder = Recorder::default();
        assert_eq!(recorder.apply(&step(1)), None);
        assert_eq!(recorder.apply(&ended()), None);
        assert_eq!(recorder.open(), 0);
    }
}

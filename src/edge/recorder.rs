//! The recorder's thread: what happened goes to the metrics, the contact records and the log.
//!
//! A thread of its own, so that a scrape or a log that nobody reads never holds up a call. If it cannot keep up, events
//! are lost and counted, and it is told afterwards what the state is.

use super::floor::TaskName;
use super::metrics::Metrics;
use super::store::Store;
use super::throttle::{Throttle, Throttles};
use crate::engine::tolls::Toll;
use crate::ids::{CallId, EntryId};
use crate::record::{Board, CallEvent, EstimateAnswer, Fate, Recorder, TaskNews, TrunkNews, What};
use crate::sip::registrar;
use crate::time::{Duration, Time};
use prometheus::IntCounter;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Instant as Stopwatch;

/// Events that may wait for the recorder. A call has some thirty.
pub(super) const EVENTS_MAX: usize = 1 << 16;

/// The recorder looks no more often than this, because waking it costs the engine's thread more than telling it does.
const REST: Duration = Duration::from_millis(2);

/// How far the disk may be behind in what it knows of calls that are up; that they are, it is told at once.
const BEHIND: Duration = Duration::from_secs(1);

/// Wrong passwords, and challenges that are not for us, are said in the log no more often than this; all of them are counted.
const FAILURES: Duration = Duration::from_secs(1);

/// Of what a stranger or a carrier wrote.
const USER_MAX: usize = 64;

/// Lost events are said in the log no more often than this.
const LOSSES: Duration = Duration::from_secs(10);

/// What the recorder hears.
pub(super) enum Told {
    Event(CallEvent),
    /// To be kept for the next run.
    Registration(Box<registrar::Change>),
    Toll(Box<Toll>),
    /// Events before this were lost; so it is now.
    Board(Box<Board>),
}

/// The engine's end: tells without waiting, and keeps a board of its own, from which it makes good what was lost.
pub(super) struct Teller {
    told: SyncSender<Told>,
    board: Board,
    /// Events were lost that nothing has made good yet.
    is_behind: bool,
    lost: IntCounter,
    registrations_lost: IntCounter,
    tolls_lost: IntCounter,
    losses: Throttle,
}

impl Teller {
    /// Before the first event. `places`: what may wait for the recorder.
    pub fn new(metrics: &Metrics, places: usize) -> (Teller, Receiver<Told>) {
        let (told, hears) = sync_channel(places);
        let (lost, registrations_lost) = (metrics.engine.events_lost.clone(), metrics.store.registrations_lost.clone());
        let tolls_lost = metrics.store.tolls_lost.clone();
        let (board, losses) = (metrics.board(), Throttle::new(LOSSES));
        (Teller { told, board, is_behind: false, lost, registrations_lost, tolls_lost, losses }, hears)
    }

    pub fn tell(&mut self, now: Time, event: CallEvent) {
        self.board.apply(&event);
        self.send(now, Told::Event(event));
    }

    /// One that is lost is made good by the phone's next REGISTER, or by its time being over; the board has nothing of it.
    pub fn tell_registration(&mut self, now: Time, change: Box<registrar::Change>) {
        self.send(now, Told::Registration(change));
    }

    /// One that is lost is not counted in the next run, but what follows of the same payer's minutes makes it good.
    pub fn tell_toll(&mut self, now: Time, toll: Box<Toll>) {
        self.send(now, Told::Toll(toll));
    }

    fn send(&mut self, now: Time, told: Told) {
        match self.told.try_send(told) {
            Ok(()) => {}
            Err(TrySendError::Full(lost)) => {
                match lost {
                    Told::Registration(_) => self.registrations_lost.inc(),
                    Told::Toll(_) => self.tolls_lost.inc(),
                    Told::Event(_) | Told::Board(_) => {
                        self.is_behind = true;
                        self.lost.inc();
                    }
                }
                if let Some(held_back) = self.losses.pass(now) {
                    tracing::error!(held_back, "the recorder is too slow: events are lost");
                }
            }
            // Its failure has ended the process, or we are stopping.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Says what the state is, if events were lost. To be called now and then: it costs a copy of the board.
    pub fn make_good(&mut self) {
        if self.is_behind && self.told.try_send(Told::Board(Box::new(self.board.clone()))).is_ok() {
            self.is_behind = false;
        }
    }
}

/// Until the engine is gone; gives back the store, to be closed.
/// `recorder`: what it knows from before.
pub(super) fn run(told: &Receiver<Told>, metrics: &Arc<Metrics>, store: Store, mut recorder: Recorder) -> Store {
    let (failures, foreign) = (Throttle::new(FAILURES), Throttle::new(FAILURES));
    let mut begun: Vec<CallId> = Vec::new();
    let mut changed: BTreeSet<CallId> = BTreeSet::new();
    let mut noted = Stopwatch::now();
    loop {
        let first = match told.recv_timeout(BEHIND) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        for told in first.into_iter().chain(told.try_iter()) {
            let event = match told {
                Told::Event(event) => event,
                Told::Registration(change) => {
                    store.registration(&change);
                    continue;
                }
                Told::Toll(toll) => {
                    store.toll(toll);
                    continue;
                }
                Told::Board(board) => {
                    recorder.make_good(&board).into_iter().for_each(|contact| store.keep(contact));
                    changed.extend(board.calls().keys().chain(board.tasks().keys()));
                    metrics.make_good(*board);
                    continue;
                }
            };
            metrics.apply(&event);
            log(&event, &failures, &foreign);
            if let Some(contact) = recorder.apply(&event) {
                store.keep(contact);
            } else if let Some(call) = event.what.call() {
                // Of a task everything is: there is little of it, and it may be done long after this run.
                if let What::CallStarted { .. } | What::Task { .. } = event.what {
                    begun.push(call);
                } else {
                    changed.insert(call);
                }
            }
        }
        // What finds no room is tried again with the rest.
        let note = |call: &CallId| recorder.get(*call).is_some_and(|contact| !store.note(contact));
        changed.extend(begun.drain(..).filter(note));
        if (recorder.open() > 0 || !changed.is_empty()) && noted.elapsed() >= BEHIND {
            noted = Stopwatch::now();
            changed.retain(note);
            store.alive();
        }
        std::thread::sleep(REST);
    }
    for call in changed {
        if let Some(contact) = recorder.get(call)
            && !store.note(contact)
        {
            tracing::warn!(%call, "not everything that is known of the call could be written");
        }
    }
    store.alive();
    if recorder.open() > 0 {
        tracing::warn!(calls = recorder.open(), "stopped while calls were up; the next start writes their records");
    }
    store
}

/// A carrier that writes a header in its own way does so in each call.
static HEADERS: Throttle = Throttle::new(Duration::from_secs(60));

/// So does a phone whose calls are forwarded.
static ABROAD: Throttle = Throttle::new(Duration::from_secs(60));
static AGENTS_FULL: Throttles = Throttles::new(Duration::from_secs(60));
static CUT: Throttle = Throttle::new(Duration::from_secs(60));
static STRAYED: Throttle = Throttle::new(Duration::from_secs(60));

/// Numbers of callers are in the records, not in the log.
fn log(event: &CallEvent, failures: &Throttle, foreign: &Throttle) {
    match &event.what {
        What::CallerKnown { .. } => {}
        What::CallerHeaderIgnored { call, header, reason } => {
            if let Some(held_back) = HEADERS.pass(event.at) {
                let (header, reason) = (&**header, &**reason);
                tracing::warn!(%call, header, reason, held_back, "something about the caller was left out");
            }
        }
        What::CallStarted { call, to, trunk, .. } => tracing::info!(%call, to, trunk = &**trunk, "call started"),
        What::EstimateAsked { call, queue, answer: EstimateAnswer::Told(said), .. } => {
            let to = said.to_minutes.map_or_else(|| "more".to_owned(), |to| to.to_string());
            tracing::debug!(%call, queue = &**queue, from = said.from_minutes, to, "told how many minutes it takes");
        }
        What::Dequeued { call, queue, exit, waited, .. } => {
            tracing::info!(%call, queue = &**queue, ?exit, waited_ms = waited.as_millis(), "left the line");
        }
        What::Promised { call: Some(call), entry, queue, .. } => {
            tracing::info!(%call, %entry, queue = &**queue, "promised to call back");
        }
        What::NotPromised { call, queue, why, .. } => {
            tracing::info!(%call, queue = &**queue, why = why.name(), "asked in vain to be called back");
        }
        What::PromisedAgain { entry, queue, .. } => {
            tracing::info!(%entry, queue = &**queue, "called back in vain; it is tried again later");
        }
        What::PromiseOver { entry, queue, fate: fate @ (Fate::Kept | Fate::Withdrawn) } => {
            tracing::info!(%entry, queue = &**queue, ?fate, "a promise to call back is over");
        }
        What::PromiseOver { entry, queue, fate: fate @ (Fate::TimedOut | Fate::NotReached) } => {
            tracing::warn!(%entry, queue = &**queue, ?fate, "a promise to call back was not kept");
        }
        What::OfferEnded { call, queue, agent, outcome, .. } => {
            tracing::info!(%call, queue = &**queue, agent = &**agent, ?outcome, "offer ended");
        }
        What::Task { task, queue, news, .. } => log_task(*task, queue, news),
        What::CallEnded { call, by, cause } => tracing::info!(%call, ?by, cause, "call ended"),
        What::Transferred { call, by, kind, to } => tracing::info!(%call, by = &**by, ?kind, to, "call transferred"),
        What::TransferEnded { call, kind, code } => tracing::info!(%call, ?kind, code, "transfer over"),
        What::TransferRefused { call, kind, code } => tracing::info!(%call, ?kind, code, "transfer refused"),
        // Said with the name, and not each time.
        What::CallRefused { reason, .. } if **reason == *"agent_full" => {}
        What::AgentFull { agent } => {
            if let Some(held_back) = AGENTS_FULL.pass(agent, event.at) {
                tracing::warn!(agent = &**agent, held_back, "has begun as many calls as `calls` of the agent allows");
            }
        }
        What::CallRefused { code, reason } => tracing::info!(code, reason = &**reason, "call refused"),
        What::AuthenticationFailed { user, from } => {
            if let Some(held_back) = failures.pass(event.at) {
                let user: String = user.chars().take(USER_MAX).collect();
                tracing::warn!(user, %from, held_back, "wrong password or unknown user");
            }
        }
        What::OutOfMinutes { call, payer } => {
            tracing::warn!(%call, payer = &**payer, "the minutes of the day are used up; the talk ends");
        }
        What::Strayed { from, code } => {
            if let Some(held_back) = STRAYED.pass(event.at) {
                tracing::warn!(%from, code, held_back, "a request inside a call came from elsewhere than its party");
            }
        }
        What::AgentsLost { call, times } => {
            tracing::warn!(%call, times, "an agent's line broke once more; the caller does not wait for another again");
        }
        What::AnswerOverdue { call } => tracing::info!(%call, "the flow has left the caller unanswered for too long"),
        What::LegSilent { call, leg, .. } => tracing::warn!(%call, %leg, "no sound comes from this leg"),
        What::Redirected { call, by, to } => {
            tracing::info!(%call, by = &**by, followed = to.is_some(), "wants to have the call elsewhere");
        }
        What::RedirectsCut { call, by, left } => {
            if let Some(held_back) = CUT.pass(event.at) {
                tracing::warn!(%call, by = &**by, left, held_back, "sends a call to more places than are tried");
            }
        }
        What::RedirectAbroad { call, by, host } => {
            if let Some(held_back) = ABROAD.pass(event.at) {
                let by = &**by;
                tracing::warn!(%call, by, host, held_back, "sends a call to a place that is neither ours nor a trunk's");
            }
        }
        What::NoWayOut { call, reason } => tracing::warn!(%call, reason = &**reason, "no trunk could take the call"),
        What::Trunk { trunk, news } => log_trunk(trunk, news, event.at, foreign),
        other => tracing::debug!(event = ?other),
    }
}

/// What it is about is in the records.
fn log_task(task: CallId, queue: &str, news: &TaskNews) {
    let task = TaskName(EntryId(task.0));
    match news {
        TaskNews::Filed(_) => tracing::info!(%task, queue, "task filed"),
        TaskNews::Known { .. } => tracing::debug!(%task, queue, "task of before"),
        TaskNews::Offered { agent, .. } => tracing::debug!(%task, queue, agent = &**agent, "task offered"),
        TaskNews::OfferEnded { agent, outcome, .. } => {
            tracing::info!(%task, queue, agent = &**agent, ?outcome, "offer of a task ended");
        }
        TaskNews::Left { exit, waited, .. } => {
            tracing::info!(%task, queue, ?exit, waited_ms = waited.as_millis(), "task left the line");
        }
        TaskNews::Dropped { agent } => {
            tracing::warn!(%task, queue, agent = &**agent, "who worked on the task is no agent any more; file it again");
        }
        TaskNews::Done { agent, worked } => {
            tracing::info!(%task, queue, agent = &**agent, worked_ms = worked.as_millis(), "task done");
        }
    }
}

fn log_trunk(trunk: &str, news: &TrunkNews, at: Time, foreign: &Throttle) {
    match news {
        TrunkNews::Registered { granted } => {
            tracing::info!(trunk, granted_s = granted.as_secs(), "registered at the carrier");
        }
        TrunkNews::Unregistered => tracing::info!(trunk, "no longer registered at the carrier"),
        TrunkNews::RegistrationFailed { code: Some(code), again } => {
            tracing::warn!(trunk, code, again_s = again.as_secs(), "the carrier refused our registration");
        }
        TrunkNews::Down { target } => tracing::warn!(trunk, %target, "does not answer; it gets no calls"),
        TrunkNews::Up { target } => tracing::info!(trunk, %target, "answers again"),
        TrunkNews::RegistrationFailed { code: None, again } => {
            tracing::warn!(trunk, again_s = again.as_secs(), "the carrier did not answer our registration");
        }
        TrunkNews::OtherRealm { realm } => {
            if let Some(held_back) = foreign.pass(at) {
                let realm: String = realm.chars().take(USER_MAX).collect();
                tracing::warn!(trunk, realm, held_back, "asked for a password in a realm that `account` is not for");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Clock;
    use crate::edge::metrics::Names;
    use crate::edge::testing::Folder;
    use crate::ids::EntryId;
    use crate::record::AgentPhase;

    fn started(call: u64) -> What {
        What::CallStarted { call: CallId(call), from: "1".into(), to: "2".into(), trunk: "carrier".into() }
    }

    fn queued(call: u64) -> What {
        What::Queued { call: CallId(call), entry: EntryId(call), queue: "sales".into(), priority: 0 }
    }

    fn registration() -> Box<registrar::Change> {
        let saved = serde_json::json!({
            "user": "anna", "contact": "<sip:anna@192.0.2.7>", "transport": "UDP", "local": "192.0.2.1:5060",
            "remote": "192.0.2.7:5060", "path": [], "is_direct": true, "refreshed": 0, "expires": 1, "agent": null,
            "call_id": "1", "cseq": 1,
        });
        let saved: registrar::Saved = serde_json::from_value(saved).unwrap();
        Box::new(registrar::Change::Removed(saved.try_into().unwrap()))
    }

    #[test]
    fn what_is_shown_is_right_again_after_events_were_lost() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (folder, clock) = (Folder::new(), Clock::start());
        let names = Names {
            queues: vec![("sales".into(), Duration::from_secs(20))],
            agents: vec!["anna".into()],
            trunks: vec!["carrier".into()],
            pauses: vec![("lunch".into(), Some(Duration::from_secs(60)))],
            named: Vec::new(),
        };
        let metrics = Arc::new(Metrics::new(clock, &names));
        let store = runtime.block_on(Store::open(folder.path(), clock, metrics.store.clone())).unwrap();
        let (mut teller, hears) = Teller::new(&metrics, 4);
        let tell = |teller: &mut Teller, what| teller.tell(clock.now(), CallEvent { at: clock.now(), what });
        // The recorder does not listen yet, and there is room for four.
        for call in 1..=3 {
            tell(&mut teller, started(call));
        }
        tell(&mut teller, queued(1));
        // Nothing on the board tells of a registration.
        teller.tell_registration(clock.now(), registration());
        assert!(!teller.is_behind);
        assert_eq!((metrics.engine.events_lost.get(), metrics.store.registrations_lost.get()), (0, 1));
        let ready = What::Agent {
            agent: "anna".into(),
            phase: AgentPhase::Ready,
            reason: None,
            until: None,
            detail: None,
            since: None,
        };
        for lost in [queued(2), started(4), queued(4), ready] {
            tell(&mut teller, lost);
        }
        let end = What::CallEnded { call: CallId(3), by: crate::record::EndedBy::Caller, cause: String::new() };
        tell(&mut teller, end);
        assert_eq!(metrics.engine.events_lost.get(), 5);
        teller.make_good();
        assert!(teller.is_behind, "there is no room to say it yet");

        let recorder = {
            let metrics = metrics.clone();
            std::thread::spawn(move || run(&hears, &metrics, store, Recorder::default()))
        };
        let catch_up = |teller: &mut Teller| {
            let began = Stopwatch::now();
            while teller.is_behind || metrics.board() != teller.board {
                assert!(began.elapsed() < Duration::from_secs(10), "{:?}", metrics.board());
                teller.make_good();
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        catch_up(&mut teller);
        let board = metrics.board();
        assert_eq!(board.calls().keys().copied().collect::<Vec<_>>(), [1, 2, 4].map(CallId));
        assert_eq!((board.queues()["sales"].waiting.len(), board.agents_in(AgentPhase::Ready)), (3, 1));
        // What comes afterwards counts from there.
        tell(&mut teller, started(5));
        catch_up(&mut teller);
        assert_eq!(metrics.board().calls().len(), 4);
        drop(teller);
        runtime.block_on(recorder.join().unwrap().close(Duration::from_secs(10)));
        assert_eq!(metrics.store.written.get(), 1, "the call whose end was lost has its record");
    }
}

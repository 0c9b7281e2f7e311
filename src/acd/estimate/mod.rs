//! How long will it take? Three estimators at once, each measured against what really happened.
//!
//! | estimator | says | source |
//! |---|---|---|
//! | [`QueueLength`](Estimator::QueueLength) | so many are ahead, the line moves so fast, and some will leave | Whitt 1999; QL_m of Ibrahim and Whitt 2009 |
//! | [`LastToEnterService`](Estimator::LastToEnterService) | as long as it took who was answered last | LES, Ibrahim and Whitt 2009 |
//! | [`HeadOfLine`](Estimator::HeadOfLine) | as long as who is next has waited so far | HOL, Ibrahim and Whitt 2009 |
//!
//! When an entry arrives each predicts its wait. When it is answered the three are compared with the truth; the one with
//! the least median error in the last hour is the one that is spoken, as a range of that error. Nothing is said while
//! the least error is too great or rests on too few (see [`Settings`]).
//!
//! # What counts as an error
//!
//! |predicted − true| ÷ true, where a true wait below `floor` is taken as `floor`. Of entries that were rung for in the
//! moment they came, and of those that neither waited nor were predicted to wait as long as `floor`, nothing is counted:
//! nobody would have been told anything.
//!
//! An entry that left without an answer after a time t is *censored*: its wait would have been longer than t. A
//! prediction shorter than t is then counted with (t − predicted) ÷ t, the least that its error can be; a longer one may
//! still have been right, and is not counted. To leave out all of them would hide the long waits, in which most of them
//! leave, and flatter whoever predicts too little.
//!
//! The last hour is the present twelfth of one, as far as it has gone, and the eleven before it. A median is that of errors
//! spread evenly over each twentieth of the true wait, and never more than the whole of it.
//!
//! # Who overtakes
//!
//! The queue length is what stands *before* an entry, by score, and not how many wait; and it learns how many step in
//! before whom while they wait, so who has no priority is told of those who have. The other two look back at one caller
//! each and know nothing of priorities; where they are wrong for it, they are not the best of the hour.
//!
//! # How good it is
//!
//! Days of ten hours with 30 agents, calls of 4 min, exponential like the patience, wrap-up of 30 s, 370 callers an hour
//! and from noon on 518 (`cargo test --test sim estimate -- --nocapture`). Median of |predicted − true| ÷ true, for all
//! who were answered after 30 s or more; "spoken" is the middle of the range said on arrival. Each the range over seeds:
//!
//! | day | spoken | silent | QL | LES | HOL |
//! |---|---|---|---|---|---|
//! | patience 10 min | 15–19 % | 3–6 % | 14–17 % | 19–24 % | 19–24 % |
//! | patience 4 min | 21–23 % | 10–11 % | 19–21 % | 31–35 % | 29–33 % |
//! | every fifth caller goes first | 20–21 % | 8–13 % | 20–22 % | 40–41 % | 26 % |
//! | 12 of the agents away from two to three | 15–18 % | 3–7 % | 14–17 % | 20–23 % | 20–22 % |
//! | three queues share the agents | 22–27 % | 13–21 % | 24–26 % | 21–29 % | 23–32 % |
//! | three in ten need what ten agents can | 22–25 % | 38–50 % | 26–28 % | 35–38 % | 36–40 % |
//! | 6 agents, a fifth of the callers | 29–38 % | 52–78 % | 28–30 % | 56–57 % | 48–49 % |
//! | 120 agents, four times the callers | 8–9 % | 1 % | 8 % | 9–10 % | 9–10 % |
//!
//! The same through the whole switchboard, phones and prompts included, eight seconds after each caller has joined the line: 16–18 %
//! (`cargo test --test sim told -- --nocapture`).
//!
//! Below some ten agents chance leaves more error than anybody should be told, and it is silent for much of the day.
//! What is not known: that agents will come or go (a shift's end is foreseen by nobody here); who waits in other queues
//! for the same agents (they are in the measured rate, not in the count); and that entries of one queue with different
//! needs stand in lines of different speed: the rate is the queue's.
//!
//! # What it costs
//!
//! An arrival, a ring, an answer: a look-up of the entry and of the queue. A question: the sums of three histograms. None
//! depends on how many wait. About 100 bytes are kept per waiting entry and 2 kB per queue in which somebody had to wait.

mod errors;
mod rates;
mod spoken;
#[cfg(test)]
mod tests;

pub use spoken::{Estimate, STEPS, Told};

use super::event::Exit;
use crate::ids::{EntryId, QueueId};
use crate::time::{Duration, Time};
use errors::Errors;
use rates::{Movement, micros_between};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When an estimate is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Waits shorter than this are not worth a word, and their errors not worth a share.
    pub floor: Duration,
    /// Fewer errors than this in the last hour say nothing about an estimator.
    pub samples_min: u32,
    /// An estimator whose median error is greater, in percent of the true wait, is not believed.
    pub error_percent_max: u32,
    /// The rate of the line is not known before so many were answered that had to wait.
    pub answers_min: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { floor: Duration::from_secs(30), samples_min: 20, error_percent_max: 30, answers_min: 10 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    QueueLength,
    LastToEnterService,
    HeadOfLine,
}

impl Estimator {
    /// The first of equals is preferred.
    pub const ALL: [Estimator; 3] = [Estimator::QueueLength, Estimator::LastToEnterService, Estimator::HeadOfLine];
}

/// What an entry finds, or would find, in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How many will be served before it, those an agent is rung for included.
    pub ahead: u32,
    /// How many after it.
    pub behind: u32,
    /// Since when the one waits who has waited longest, itself excepted.
    pub head_since: Option<Time>,
}

/// What each estimator says, in [`Estimator::ALL`]'s order; `None` where it says nothing.
pub type Predictions = [Option<Duration>; 3];

/// One entry that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    queue: QueueId,
    arrived: Time,
    /// When an agent was last rung for it.
    rung: Option<Time>,
    rings: bool,
    /// It was rung for in the moment it came.
    at_once: bool,
    /// Milliseconds.
    predicted: [Option<u32>; 3],
    /// A promise to call back.
    #[serde(default)]
    promise: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    movement: Movement,
    /// Wait of who was answered last.
    last_wait: Option<u64>,
    /// Entries that an agent is rung for.
    ringing: u32,
    errors: Errors,
}

/// The estimates of all queues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimates {
    settings: Settings,
    queues: BTreeMap<QueueId, Line>,
    entries: BTreeMap<EntryId, Box<Waiting>>,
}

/// What happened. Times never go back from one call to the next.
impl Estimates {
    pub fn new(settings: Settings) -> Estimates {
        Estimates { settings, ..Estimates::default() }
    }

    /// Errors that were counted before stay as they are.
    pub fn set(&mut self, settings: &Settings) {
        self.settings = settings.clone();
    }

    /// An entry has joined the line, and nobody was rung for it yet.
    pub fn arrived(&mut self, now: Time, entry: EntryId, queue: QueueId, seen: Seen) {
        let line = self.queues.entry(queue).or_default();
        let (ahead, behind) = line.in_line(seen);
        line.movement.arrived(now, ahead, behind);
        let predicted = line.predict(now, seen, &self.settings);
        let predicted = predicted.map(|wait| u32::try_from(wait?.as_millis()).ok());
        let promise = false;
        let waiting = Waiting { queue, arrived: now, rung: None, rings: false, at_once: false, predicted, promise };
        self.entries.insert(entry, Box::new(waiting));
    }

    /// A promise to call back has come into the line, perhaps long after it was made. It is one of those that are served, and says
    /// nothing about how long people wait and whether they stay.
    pub fn promised(&mut self, now: Time, entry: EntryId, queue: QueueId, seen: Seen) {
        let line = self.queues.entry(queue).or_default();
        let (ahead, behind) = line.in_line(seen);
        line.movement.arrived(now, ahead, behind);
        let (predicted, promise) = ([None; 3], true);
        let waiting = Waiting { queue, arrived: now, rung: None, rings: false, at_once: false, predicted, promise };
        self.entries.insert(entry, Box::new(waiting));
    }

    /// It stands in line no more, and may again.
    pub fn forget(&mut self, entry: EntryId) {
        self.rung_no_more(entry);
        self.entries.remove(&entry);
    }

    pub fn knows(&self, entry: EntryId) -> bool {
        self.entries.contains_key(&entry)
    }

    /// An agent is rung for it.
    pub fn rung(&mut self, now: Time, entry: EntryId) {
        let Some((waiting, line)) = self.both(entry) else { return };
        waiting.at_once |= waiting.arrived == now;
        if waiting.at_once {
            line.movement.rung_at_once(now);
        } else {
            line.movement.rung_after_wait(now, waiting.arrived);
        }
        waiting.rung = Some(now);
        line.ringing += u32::from(!waiting.rings);
        waiting.rings = true;
    }

    /// That is over, whether it is answered or not.
    pub fn rung_no_more(&mut self, entry: EntryId) {
        let Some((waiting, line)) = self.both(entry) else { return };
        line.ringing -= u32::from(waiting.rings);
        waiting.rings = false;
    }

    /// It has left the line. Nothing happens if it never joined it.
    pub fn exited(&mut self, now: Time, entry: EntryId, exit: Exit) {
        self.rung_no_more(entry);
        let Some(waiting) = self.entries.remove(&entry) else { return };
        let line = self.queues.get_mut(&waiting.queue).expect("it arrived there");
        let waited = micros_between(waiting.arrived, now);
        let answered = exit == Exit::Answered;
        match exit {
            Exit::Answered => {
                line.movement.answered(now, waiting.rung.unwrap_or(now), !waiting.at_once);
                if waiting.promise {
                    return;
                }
                line.last_wait = Some(waited);
            }
            // They never stood in line.
            Exit::RefusedFull | Exit::NoAgents => return,
            _ if waiting.promise => return,
            _ => {}
        }
        line.movement.gone(waited, !answered);
        if !waiting.at_once {
            line.judge(now, &waiting.predicted, waited, answered, &self.settings);
        }
    }

    fn both(&mut self, entry: EntryId) -> Option<(&mut Waiting, &mut Line)> {
        let waiting = self.entries.get_mut(&entry)?;
        let line = self.queues.get_mut(&waiting.queue).expect("it arrived there");
        Some((waiting, line))
    }
}

/// What can be asked.
impl Estimates {
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How long an entry that waits has yet to wait, as far as is known; `None` if unsure, or if it does not wait.
    pub fn remaining(&self, now: Time, entry: EntryId, seen: Seen) -> Option<Estimate> {
        if self.entries.get(&entry)?.rings {
            return Some(Estimate::SOON);
        }
        let (left, error) = self.left(now, entry, seen)?;
        Estimate::around(left, error)
    }

    /// What the best estimator says is left of a wait, and its error in thousandths.
    fn left(&self, now: Time, entry: EntryId, seen: Seen) -> Option<(Duration, u64)> {
        let waiting = self.entries.get(&entry)?;
        let line = self.queues.get(&waiting.queue)?;
        let (estimator, error) = line.best(now, &self.settings)?;
        let elapsed = Duration::from_micros(micros_between(waiting.arrived, now));
        let whole = line.predict(now, seen, &self.settings)[estimator as usize]?;
        let left = match estimator {
            Estimator::QueueLength => whole,
            // Who is head of the line now is answered about now; who came later, that much later.
            Estimator::LastToEnterService | Estimator::HeadOfLine => whole.saturating_sub(elapsed),
        };
        Some((left, error))
    }

    /// How long an entry that came now would wait; `None` if unsure.
    pub fn on_arrival(&self, now: Time, queue: QueueId, seen: Seen) -> Option<Estimate> {
        let line = self.queues.get(&queue)?;
        let (estimator, error) = line.best(now, &self.settings)?;
        Estimate::around(line.predict(now, seen, &self.settings)[estimator as usize]?, error)
    }

    /// The shortest that an entry that came now would wait, by the lower end of the estimate and however long that is; `None` if
    /// unsure.
    pub fn least_on_arrival(&self, now: Time, queue: QueueId, seen: Seen) -> Option<Duration> {
        let line = self.queues.get(&queue)?;
        let (estimator, error) = line.best(now, &self.settings)?;
        let predicted = line.predict(now, seen, &self.settings)[estimator as usize]?;
        Some(spoken::least(predicted, error))
    }

    /// The shortest that an entry that waits has yet to wait, in the same way; `None` if unsure.
    pub fn least_remaining(&self, now: Time, entry: EntryId, seen: Seen) -> Option<Duration> {
        let (left, error) = self.left(now, entry, seen)?;
        Some(spoken::least(left, error))
    }

    /// What each estimator would predict for an entry that came now, trusted or not.
    pub fn predictions(&self, now: Time, queue: QueueId, seen: Seen) -> Predictions {
        self.queues.get(&queue).map_or([None; 3], |line| line.predict(now, seen, &self.settings))
    }

    /// How many errors of the last hour there are, and their median as a share of the true wait.
    pub fn error(&self, now: Time, queue: QueueId, estimator: Estimator) -> Option<(u64, f64)> {
        let (samples, thousandths) = self.queues.get(&queue)?.errors.median(now, estimator);
        (samples > 0).then(|| (samples, thousandths as f64 / 1e3))
    }

    /// The estimator that is spoken, if one is trusted.
    pub fn spoken(&self, now: Time, queue: QueueId) -> Option<Estimator> {
        Some(self.queues.get(&queue)?.best(now, &self.settings)?.0)
    }

    /// Entries that wait, and how many of them an agent is rung for.
    pub fn waiting(&self) -> (usize, usize) {
        (self.entries.len(), self.queues.values().map(|line| line.ringing as usize).sum())
    }
}

impl Line {
    fn predict(&self, now: Time, seen: Seen, settings: &Settings) -> Predictions {
        let known = self.movement.answers() >= u64::from(settings.answers_min);
        let by_length = known.then(|| self.movement.by_queue_length(self.in_line(seen).0)).flatten();
        [
            // A float beyond all numbers becomes the greatest in the cast.
            by_length.map(|micros| Duration::from_micros(micros as u64)),
            self.last_wait.map(Duration::from_micros),
            seen.head_since.map(|since| Duration::from_micros(micros_between(since, now))),
        ]
    }

    /// How many are before and after it, without those an agent is rung for, who are first as a rule.
    fn in_line(&self, seen: Seen) -> (u32, u32) {
        let ahead = seen.ahead.saturating_sub(self.ringing);
        let rung_ahead = seen.ahead - ahead;
        (ahead, seen.behind.saturating_sub(self.ringing - rung_ahead))
    }

    fn judge(&mut self, now: Time, predicted: &[Option<u32>; 3], waited: u64, answered: bool, settings: &Settings) {
        let floor = u64::try_from(settings.floor.as_micros()).unwrap_or(u64::MAX).max(1);
        for (estimator, predicted) in Estimator::ALL.into_iter().zip(predicted) {
            let Some(predicted) = predicted.map(|millis| u64::from(millis) * 1_000) else { continue };
            if waited.max(predicted) < floor || !answered && predicted >= waited {
                continue;
            }
            let error = predicted.abs_diff(waited).saturating_mul(1_000) / waited.max(floor);
            self.errors.add(now, estimator, error);
        }
    }

    /// The estimator with the least median error, and that error in thousandths, if it is to be trusted.
    fn best(&self, now: Time, settings: &Settings) -> Option<(Estimator, u64)> {
        let medians = Estimator::ALL.map(|estimator| (estimator, self.errors.median(now, estimator)));
        let enough = medians.into_iter().filter(|(_, (samples, _))| *samples >= u64::from(settings.samples_min));
        let (estimator, (_, error)) = enough.min_by_key(|(_, (_, error))| *error)?;
        (error <= u64::from(settings.error_percent_max) * 10).then_some((estimator, error))
    }
}

//! The same estimates from a list of all that ever happened, by their definitions: every mean, rate and median is worked
//! out anew from that list when it is asked for. And the same with one mistake each.

mod length;
mod mistakes;
mod speech;

pub use self::mistakes::Mistake;
use super::plans::{Answer, Answers, Plan, Word};
use super::*;

/// Something that happened in a line.
struct Event {
    at: Time,
    queue: QueueId,
    what: What,
}

enum What {
    /// Somebody came, with so many before them and behind them who were not rung for.
    Came {
        ahead: u32,
        behind: u32,
    },
    Rung {
        arrived: Time,
        at_once: bool,
    },
    Answered {
        rung: Time,
        at_once: bool,
    },
    /// Who is no promise waited so long, and was answered or not.
    Gone {
        waited: u64,
        answered: bool,
    },
    Error {
        estimator: Estimator,
        thousandths: u64,
    },
}

/// One who waits.
#[derive(Clone, Copy)]
struct One {
    entry: EntryId,
    queue: QueueId,
    arrived: Time,
    rung: Option<Time>,
    rings: bool,
    at_once: bool,
    predicted: Predictions,
    promise: bool,
}

pub struct Model {
    settings: Settings,
    mistake: Option<Mistake>,
    events: Vec<Event>,
    waiting: Vec<One>,
    /// All that was said to two callers of each queue.
    said: Vec<(QueueId, Estimate)>,
    news: Vec<(QueueId, Estimate)>,
}

/// What differs from these answers first, if anything does.
///
/// Predictions that are right to a thousandth are taken over: what is judged and spoken is then the same to the last digit.
pub fn differs(plan: &Plan, answers: &[Answer], mistake: Option<Mistake>) -> Option<String> {
    let (events, waiting, said, news) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut model = Model { settings: plan.settings.clone(), mistake, events, waiting, said, news };
    plan.words.iter().zip(answers).enumerate().find_map(|(index, ((now, word), answer))| {
        let wrong = model.hear(*now, word, answer)?;
        Some(format!("word {index}, at {now}, {word:?}: {wrong}"))
    })
}

impl Model {
    fn wrong(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// Gives what differs.
    fn hear(&mut self, now: Time, word: &Word, answer: &Answer) -> Option<String> {
        match (word, answer) {
            (Word::Arrived { entry, queue, seen }, Answer::Predicted(theirs)) => {
                self.came(now, *queue, *seen);
                let ours = self.predictions(now, *queue, *seen);
                if !self.alike(&ours, theirs) {
                    return Some(format!("predicted {theirs:?}, and not {ours:?}"));
                }
                self.wait(now, *entry, *queue, *theirs, false);
            }
            (Word::Promised { entry, queue, seen }, _) => {
                if !self.wrong(Mistake::PromisesStepInUnseen) {
                    self.came(now, *queue, *seen);
                }
                self.wait(now, *entry, *queue, [None; 3], true);
            }
            (Word::Rung { entry }, _) => self.rung(now, *entry),
            (Word::RungNoMore { entry }, _) => {
                self.waiting.iter_mut().filter(|one| one.entry == *entry).for_each(|one| {
                    one.rings = false;
                })
            }
            (Word::Exited { entry, exit }, _) => self.exited(now, *entry, *exit),
            (Word::Forgotten { entry }, _) => {
                if self.wrong(Mistake::ForgottenIsGone) {
                    self.exited(now, *entry, Exit::Abandoned);
                }
                self.waiting.retain(|one| one.entry != *entry);
            }
            (Word::Set { settings }, _) => {
                if !self.wrong(Mistake::SettingsForEver) {
                    self.settings = settings.clone();
                }
            }
            (Word::Asked { queue, seen, waits }, Answer::All(theirs)) => {
                let ours = self.predictions(now, *queue, *seen);
                let of_waiting = waits.map_or([None; 3], |(_, seen)| self.predictions(now, *queue, seen));
                let alike =
                    self.alike(&ours, &theirs.predictions) && self.alike(&of_waiting, &theirs.predictions_waiting);
                if !alike {
                    let told = [theirs.predictions, theirs.predictions_waiting];
                    return Some(format!("{told:?}, and not {:?}", [ours, of_waiting]));
                }
                let ours = self.answers(now, *queue, waits.map(|(entry, _)| entry), theirs);
                return (ours != **theirs).then(|| format!("{theirs:#?}\nand not {ours:#?}"));
            }
            (Word::Arrived { .. } | Word::Asked { .. }, _) => unreachable!("each of these is answered"),
        }
        None
    }

    /// To a thousandth, which is what long lines are summed to.
    fn alike(&self, ours: &Predictions, theirs: &Predictions) -> bool {
        ours.iter().zip(theirs).all(|(ours, theirs)| match (ours, theirs) {
            (Some(ours), Some(theirs)) => {
                let off = ours.abs_diff(*theirs);
                off <= Duration::from_millis(2) || off * 1_000 <= *theirs
            }
            (ours, theirs) => ours == theirs,
        })
    }

    fn note(&mut self, at: Time, queue: QueueId, what: What) {
        self.events.push(Event { at, queue, what });
    }

    fn came(&mut self, now: Time, queue: QueueId, seen: Seen) {
        let (ahead, behind) = self.in_line(queue, seen);
        self.note(now, queue, What::Came { ahead, behind });
    }

    fn wait(&mut self, now: Time, entry: EntryId, queue: QueueId, predicted: Predictions, promise: bool) {
        let (rung, rings, at_once) = (None, false, false);
        self.waiting.push(One { entry, queue, arrived: now, rung, rings, at_once, predicted, promise });
    }

    fn rung(&mut self, now: Time, entry: EntryId) {
        let Some(one) = self.waiting.iter_mut().find(|one| one.entry == entry) else { return };
        one.at_once |= one.arrived == now;
        (one.rung, one.rings) = (Some(now), true);
        let One { queue, arrived, at_once, .. } = *one;
        self.note(now, queue, What::Rung { arrived, at_once });
    }

    fn exited(&mut self, now: Time, entry: EntryId, exit: Exit) {
        let Some(place) = self.waiting.iter().position(|one| one.entry == entry) else { return };
        let One { queue, arrived, rung, at_once, predicted, promise, .. } = self.waiting.remove(place);
        let answered = exit == Exit::Answered;
        if answered && !(promise && self.wrong(Mistake::PromisesAreNotServed)) {
            self.note(now, queue, What::Answered { rung: rung.unwrap_or(now), at_once });
        }
        // They never stood in line.
        let turned_away = matches!(exit, Exit::RefusedFull | Exit::NoAgents) && !self.wrong(Mistake::RefusedLeave);
        if turned_away || promise && !self.wrong(Mistake::PromisesWait) {
            return;
        }
        let waited = micros_between(arrived, now);
        self.note(now, queue, What::Gone { waited, answered });
        if !at_once || self.wrong(Mistake::AtOnceIsJudged) {
            for (estimator, predicted) in Estimator::ALL.into_iter().zip(predicted) {
                let error = predicted.and_then(|wait| self.error_of(wait, waited, answered));
                if let Some(thousandths) = error {
                    self.note(now, queue, What::Error { estimator, thousandths });
                }
            }
        }
    }

    /// The error of a prediction, in thousandths; `None` where it does not count.
    fn error_of(&self, predicted: Duration, waited: u64, answered: bool) -> Option<u64> {
        // Kept in milliseconds.
        let predicted = u64::try_from(predicted.as_millis()).ok()? * 1_000;
        let floor = micros(self.settings.floor).max(1);
        let is_short = |wait| wait < floor || wait == floor && self.wrong(Mistake::FloorIsShort);
        let short = is_short(waited) && (is_short(predicted) || self.wrong(Mistake::ShortWaitsNeverCount));
        if short && !self.wrong(Mistake::ShortWaitsCount) {
            return None;
        }
        if !answered {
            match self.mistake {
                Some(Mistake::LeftAsAnswered) => {}
                Some(Mistake::LeftNeverCount) => return None,
                Some(Mistake::LeftProvesTooMuchWrong) if predicted >= waited => return Some(1_000),
                _ if predicted >= waited => return None,
                _ => {}
            }
        }
        let of = match self.mistake {
            Some(Mistake::ErrorOfPrediction) => predicted.max(floor),
            Some(Mistake::ErrorWithoutFloor) => waited.max(1),
            _ => waited.max(floor),
        };
        let off = if self.wrong(Mistake::TooLongIsNoError) {
            waited.saturating_sub(predicted)
        } else {
            predicted.abs_diff(waited)
        };
        Some(off.saturating_mul(1_000) / of)
    }

    fn of(&self, queue: QueueId) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter().filter(move |event| event.queue == queue)
    }

    /// How many are before and behind who sees these, without those who are rung for, who are first.
    fn in_line(&self, queue: QueueId, seen: Seen) -> (u32, u32) {
        if self.wrong(Mistake::RungForStandInLine) {
            return (seen.ahead, seen.behind);
        }
        let rung = self.waiting.iter().filter(|one| one.queue == queue && one.rings).count() as u32;
        let before = if self.wrong(Mistake::RungForStandBehind) { 0 } else { rung.min(seen.ahead) };
        (seen.ahead - before, seen.behind.saturating_sub(rung - before))
    }

    fn predictions(&self, now: Time, queue: QueueId, seen: Seen) -> Predictions {
        let known = self.waiting.iter().any(|one| one.queue == queue) || self.of(queue).next().is_some();
        if !known {
            return [None; 3];
        }
        let last = self.of(queue).rev().find_map(|event| match event.what {
            What::Gone { waited, answered } => {
                (answered || self.wrong(Mistake::LastToLeave)).then(|| Duration::from_micros(waited))
            }
            _ => None,
        });
        let head = seen.head_since.map(|since| now.since(since));
        let length = self.by_length(queue, self.in_line(queue, seen).0);
        [
            length.map(|micros| Duration::from_micros(micros as u64)),
            if self.wrong(Mistake::FirstToEnterService) { self.first_wait(queue) } else { last },
            if self.wrong(Mistake::NoHeadIsNoWait) { Some(head.unwrap_or_default()) } else { head },
        ]
    }

    fn first_wait(&self, queue: QueueId) -> Option<Duration> {
        self.of(queue).find_map(|event| match event.what {
            What::Gone { waited, answered: true } => Some(Duration::from_micros(waited)),
            _ => None,
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

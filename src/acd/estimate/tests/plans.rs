//! Random plans: what the estimates are told of lines whose callers come, step in, are rung for and go.

use super::*;
use crate::acd::tests::proof::Step;

/// What the estimates are told, and what they are asked.
#[derive(Clone, Debug)]
pub enum Word {
    Arrived {
        entry: EntryId,
        queue: QueueId,
        seen: Seen,
    },
    Promised {
        entry: EntryId,
        queue: QueueId,
        seen: Seen,
    },
    Rung {
        entry: EntryId,
    },
    RungNoMore {
        entry: EntryId,
    },
    Exited {
        entry: EntryId,
        exit: Exit,
    },
    Forgotten {
        entry: EntryId,
    },
    Set {
        settings: Settings,
    },
    /// What somebody who came now would find, and what one who waits does.
    Asked {
        queue: QueueId,
        seen: Seen,
        waits: Option<(EntryId, Seen)>,
    },
}

/// What they answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Nothing,
    /// What was predicted for who came.
    Predicted(Predictions),
    All(Box<Answers>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    pub predictions: Predictions,
    /// For the one who waits.
    pub predictions_waiting: Predictions,
    pub errors: [Option<(u64, f64)>; 3],
    pub spoken: Option<Estimator>,
    pub on_arrival: Option<Estimate>,
    pub least_on_arrival: Option<Duration>,
    pub remaining: Option<Estimate>,
    pub least_remaining: Option<Duration>,
    pub waiting: (usize, usize),
    pub knows: bool,
    /// To one caller, if it is known.
    pub said: Option<Estimate>,
    /// To another, who is not told the same twice.
    pub news: Option<Estimate>,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub settings: Settings,
    pub words: Vec<(Time, Word)>,
}

pub const QUEUES: u32 = 2;

/// Told to the estimates, what do they answer?
pub fn answers(plan: &Plan) -> (Estimates, Vec<Answer>) {
    let mut estimates = Estimates::new(plan.settings.clone());
    let (mut told, mut other) = ([Told::default(); QUEUES as usize], [Told::default(); QUEUES as usize]);
    let mut answer = |(now, word): &(Time, Word)| {
        let now = *now;
        match word {
            Word::Arrived { entry, queue, seen } => {
                estimates.arrived(now, *entry, *queue, *seen);
                return Answer::Predicted(estimates.predictions(now, *queue, *seen));
            }
            Word::Promised { entry, queue, seen } => estimates.promised(now, *entry, *queue, *seen),
            Word::Rung { entry } => estimates.rung(now, *entry),
            Word::RungNoMore { entry } => estimates.rung_no_more(*entry),
            Word::Exited { entry, exit } => estimates.exited(now, *entry, *exit),
            Word::Forgotten { entry } => estimates.forget(*entry),
            Word::Set { settings } => estimates.set(settings),
            Word::Asked { queue, seen, waits } => {
                let on_arrival = estimates.on_arrival(now, *queue, *seen);
                let of_queue = queue.0 as usize;
                let answers = Answers {
                    predictions: estimates.predictions(now, *queue, *seen),
                    predictions_waiting: waits.map_or([None; 3], |(_, seen)| estimates.predictions(now, *queue, seen)),
                    errors: Estimator::ALL.map(|estimator| estimates.error(now, *queue, estimator)),
                    spoken: estimates.spoken(now, *queue),
                    on_arrival,
                    least_on_arrival: estimates.least_on_arrival(now, *queue, *seen),
                    remaining: waits.and_then(|(entry, seen)| estimates.remaining(now, entry, seen)),
                    least_remaining: waits.and_then(|(entry, seen)| estimates.least_remaining(now, entry, seen)),
                    waiting: estimates.waiting(),
                    knows: waits.is_some_and(|(entry, _)| estimates.knows(entry)),
                    said: on_arrival.map(|estimate| told[of_queue].say(estimate)),
                    news: on_arrival.and_then(|estimate| other[of_queue].say_news(estimate)),
                };
                return Answer::All(Box::new(answers));
            }
        }
        Answer::Nothing
    };
    let answers = plan.words.iter().map(&mut answer).collect();
    (estimates, answers)
}

/// One who stands in line.
#[derive(Clone, Copy)]
struct One {
    entry: EntryId,
    came: Time,
    rings: bool,
    promise: bool,
}

struct Play {
    now: Time,
    /// How much longer everything takes than usual.
    slow: u64,
    floor: Duration,
    words: Vec<(Time, Word)>,
    /// In the order in which they are served.
    lines: [Vec<One>; QUEUES as usize],
    /// Promises that stand in no line for now.
    away: Vec<EntryId>,
    entries: u64,
}

impl Plan {
    /// The first step says when estimates are trusted, and how slow everything is.
    pub fn of(steps: impl IntoIterator<Item = Step>) -> Plan {
        let mut steps = steps.into_iter();
        let [first, floor, percent, slow] = steps.next().unwrap_or_default();
        let settings = trust(first, floor, percent);
        let slow = [1, 1, 3, 20][slow as usize % 4];
        let (words, lines, away) = (Vec::new(), Default::default(), Vec::new());
        let (now, floor) = (Time::from_secs(1_000_000), settings.floor);
        let mut play = Play { now, slow, floor, words, lines, away, entries: 0 };
        steps.for_each(|step| play.step(step));
        Plan { settings, words: play.words }
    }
}

fn trust(few: u8, floor: u8, percent: u8) -> Settings {
    Settings {
        floor: Duration::from_secs(u64::from(floor % 40) * if floor < 160 { 1 } else { 5 }),
        samples_min: 1 + u32::from(few % 12),
        error_percent_max: 10 + u32::from(percent % 120),
        answers_min: [2, 5, 10, 70][few as usize / 12 % 4],
    }
}

impl Play {
    fn tell(&mut self, word: Word) {
        self.words.push((self.now, word));
    }

    fn step(&mut self, [what, who, how, more]: Step) {
        // The first queue has most of the callers.
        let line = usize::from(who % 8 == 7);
        match what % 32 {
            0..7 => self.now += Duration::from_micros((u64::from(how) * 80_021 + u64::from(more)) * self.slow),
            7 if how < 48 => self.now += Duration::from_secs(u64::from(more) * 20),
            7 | 8 => self.ask(line, how, more),
            9..16 => self.come(line, how, more),
            16..23 => self.serve(line, how, more),
            23..25 => self.leave(line, how, more),
            25 => self.fetch(line, how),
            26 if how < 16 => {
                let settings = trust(how, more, who);
                self.floor = settings.floor;
                self.tell(Word::Set { settings });
            }
            26 => self.come_at_once(line, how),
            27 => self.promise(line, how, more),
            _ => self.ask(line, how, more),
        }
    }

    /// What stands at this place of the line, or would.
    fn seen(&self, line: usize, place: usize, itself: Option<EntryId>) -> Seen {
        let others: Vec<&One> = self.lines[line].iter().filter(|one| Some(one.entry) != itself).collect();
        let ahead = place.min(others.len());
        let head_since = others.iter().filter(|one| !one.promise).map(|one| one.came).min();
        Seen { ahead: ahead as u32, behind: (others.len() - ahead) as u32, head_since }
    }

    /// Where somebody comes into the line: mostly at its end.
    fn place(&self, line: usize, how: u8) -> usize {
        let long = self.lines[line].len();
        if how.is_multiple_of(4) { long * usize::from(how) / 256 } else { long }
    }

    fn come(&mut self, line: usize, how: u8, more: u8) {
        // They come in bunches, so that lines are long at times.
        for turn in 0..=more % 3 {
            let place = self.place(line, how.wrapping_add(turn * 85));
            self.entries += 1;
            let entry = EntryId(self.entries);
            let (seen, queue) = (self.seen(line, place, None), QueueId(line as u32));
            let one = One { entry, came: self.now, rings: false, promise: false };
            self.lines[line].insert(place, one);
            self.tell(Word::Arrived { entry, queue, seen });
        }
    }

    /// An agent is idle, and the caller is answered some seconds later, or the queue takes nobody in.
    fn come_at_once(&mut self, line: usize, how: u8) {
        self.come(line, how, 0);
        let entry = EntryId(self.entries);
        match how % 8 {
            0 => return self.go(line, entry, Exit::RefusedFull),
            1 => return self.go(line, entry, Exit::NoAgents),
            _ => self.ring(line, entry),
        }
        self.now += Duration::from_secs(u64::from(how) * self.slow / 4);
        self.go(line, entry, if how.is_multiple_of(8) { Exit::Abandoned } else { Exit::Answered });
    }

    fn ring(&mut self, line: usize, entry: EntryId) {
        self.tell(Word::Rung { entry });
        self.lines[line].iter_mut().filter(|one| one.entry == entry).for_each(|one| one.rings = true);
    }

    fn go(&mut self, line: usize, entry: EntryId, exit: Exit) {
        self.lines[line].retain(|one| one.entry != entry);
        self.tell(Word::Exited { entry, exit });
    }

    /// Who is next is rung for, or who is rung for is answered, or it was in vain.
    fn serve(&mut self, line: usize, how: u8, more: u8) {
        let rings = self.lines[line].iter().find(|one| one.rings).copied();
        let next = self.lines[line].iter().find(|one| !one.rings).copied();
        match (rings, next) {
            (Some(one), _) if how < 128 => {
                // Some have waited just long enough to be worth a word.
                let just = one.came + self.floor;
                self.now = if more.is_multiple_of(3) { self.now.max(just) } else { self.now };
                self.go(line, one.entry, Exit::Answered);
            }
            (Some(one), _) if how < 160 => {
                self.tell(Word::RungNoMore { entry: one.entry });
                self.lines[line].iter_mut().for_each(|other| other.rings &= other.entry != one.entry);
            }
            // One more agent is rung for it.
            (Some(one), _) if how < 176 => self.ring(line, one.entry),
            (_, Some(one)) => {
                self.ring(line, one.entry);
                if more.is_multiple_of(3) {
                    self.now += Duration::from_millis(u64::from(more) * 40);
                    self.go(line, one.entry, Exit::Answered);
                }
            }
            _ => self.tell(Word::Rung { entry: EntryId(u64::MAX) }),
        }
    }

    fn leave(&mut self, line: usize, how: u8, more: u8) {
        if let Some(one) = self.lines[line].get(how as usize % self.lines[line].len().max(1)).copied() {
            let exit = Exit::ALL[usize::from(more) % Exit::ALL.len()];
            let exit = if exit == Exit::Answered && !one.rings { Exit::Abandoned } else { exit };
            self.go(line, one.entry, exit);
        }
    }

    /// A promise comes into the line, perhaps one that was away.
    fn promise(&mut self, line: usize, how: u8, more: u8) {
        let (place, queue) = (self.place(line, how), QueueId(line as u32));
        let seen = self.seen(line, place, None);
        let entry = self.away.pop().filter(|_| more < 128).unwrap_or_else(|| {
            self.entries += 1;
            EntryId(self.entries)
        });
        self.lines[line].insert(place, One { entry, came: self.now, rings: false, promise: true });
        self.tell(Word::Promised { entry, queue, seen });
    }

    /// Somebody stands in line no more, and may again.
    fn fetch(&mut self, line: usize, how: u8) {
        let many = self.lines[line].len();
        if many > 0 && how < 64 {
            let one = self.lines[line].remove(usize::from(how) % many);
            self.tell(Word::Forgotten { entry: one.entry });
            self.away.push(one.entry);
        }
    }

    fn ask(&mut self, line: usize, how: u8, more: u8) {
        let place = if how.is_multiple_of(4) { usize::from(more) } else { self.lines[line].len() };
        let mut seen = self.seen(line, place, None);
        if how.is_multiple_of(16) {
            seen.ahead = u32::from(more);
        }
        let many = self.lines[line].len();
        let one = self.lines[line].get(usize::from(more) % many.max(1)).map(|one| one.entry);
        let waits = one.map(|entry| (entry, self.seen(line, usize::from(more) % many, Some(entry))));
        self.tell(Word::Asked { queue: QueueId(line as u32), seen, waits });
    }
}

//! The same figures, counted by somebody who has written down every word and goes through all of it for each question:
//! nothing is summed before it is asked for. And the same with one mistake each.

mod agents;
mod mistakes;
mod sheet;

use self::agents::Life;
pub use self::mistakes::Mistake;
use self::sheet::{Fact, What};
use super::days::{AGENTS, QUEUES, Told};
use super::page::{Line, Page, Sheet, Worked, a_while_ago};
use super::*;

pub struct Recount<'a> {
    pub settings: &'a Settings,
    pub mistake: Option<Mistake>,
}

impl Recount<'_> {
    fn wrong(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// All figures at the moment of the last word.
    pub fn page(&self, told: &[(Time, Told)]) -> Page {
        let now = told.last().expect("a question").0;
        let lives: Vec<Life> = (0..=AGENTS).map(|agent| self.life(AgentId(agent), told)).collect();
        let facts = self.facts(told, &lives);
        let count = |of: fn(&Told) -> bool| told.iter().filter(|(_, word)| of(word)).count();
        let ended = (0..told.len()).filter(|index| begin_of_talk(told, *index).is_some());
        let everybody: Vec<Worked> = lives.iter().map(|life| self.day(life, now, 0)).collect();
        Page {
            settings: self.settings.clone(),
            talks: count(|word| matches!(word, Told::TalkBegan { .. })) - ended.count(),
            known: (0..=QUEUES).map(QueueId).filter(|queue| !self.opened(told, *queue).is_empty()).collect(),
            queues: (0..=QUEUES).map(|queue| self.line(QueueId(queue), told, &facts)).collect(),
            agents: lives.iter().zip(0..).map(|(life, agent)| self.person(life, AgentId(agent), told)).collect(),
            everybody: self.sum(&everybody),
        }
    }

    fn line(&self, queue: QueueId, told: &[(Time, Told)], facts: &[Fact]) -> Line {
        let now = told.last().expect("a question").0;
        let kept = self.kept(told, queue);
        let of = |part: Option<Time>| {
            let within = |fact: &&Fact| {
                let begin = self.interval(fact.of);
                fact.queue == queue && part == Some(begin).filter(|begin| kept.contains(begin))
            };
            self.sheet(facts.iter().filter(within))
        };
        let all = |fact: &&Fact| {
            let lost = self.wrong(Mistake::TotalWithoutOlder) && !kept.contains(&self.interval(fact.of));
            fact.queue == queue && !lost
        };
        let (from, to) = a_while_ago(self.settings, now);
        let between = |fact: &&Fact| {
            let begin = self.interval(fact.of);
            let before_to = if self.wrong(Mistake::BetweenWithItsEnd) { begin <= to } else { begin < to };
            fact.queue == queue && kept.contains(&begin) && from <= begin && before_to
        };
        let mut total = self.sheet(facts.iter().filter(all));
        if self.wrong(Mistake::LongestWaitsAddUp) {
            total.answered_wait[1] = kept.iter().map(|begin| of(Some(*begin)).answered_wait[1]).sum();
        }
        Line {
            intervals: kept.iter().map(|begin| (*begin, of(Some(*begin)))).collect(),
            older: if self.wrong(Mistake::OlderForgotten) { Sheet::default() } else { of(None) },
            total,
            between: self.sheet(facts.iter().filter(between)),
        }
    }

    fn interval_length(&self) -> u64 {
        let length = micros(self.settings.interval);
        let least = if self.wrong(Mistake::IntervalsOfAMinuteAtLeast) { 60_000_000 } else { 1_000_000 };
        length.max(least)
    }

    /// When the interval of a moment begins.
    fn interval(&self, of: Time) -> Time {
        let length = self.interval_length();
        let of = of.as_micros();
        let into = if self.wrong(Mistake::BorderBelongsToBefore) { of.saturating_sub(1) } else { of };
        let offset = if self.wrong(Mistake::IntervalsAsDays) { micros(self.settings.day_begins) % length } else { 0 };
        Time::from_micros((into + length - offset) / length * length - length + offset)
    }

    /// When the intervals began in which somebody came to the queue, or was to be called back; oldest first.
    fn opened(&self, told: &[(Time, Told)], queue: QueueId) -> Vec<Time> {
        let came = told.iter().filter(|(_, word)| match word {
            Told::Arrived { queue: to } => *to == queue,
            Told::Promised { queue: to } => *to == queue && !self.wrong(Mistake::PromiseOpensNoInterval),
            _ => false,
        });
        let mut begins: Vec<Time> = came.map(|(at, _)| self.interval(*at)).collect();
        begins.dedup();
        begins
    }

    /// Those that are not too old, by the clock, beside the last of them.
    fn kept(&self, told: &[(Time, Told)], queue: QueueId) -> Vec<Time> {
        let opened = self.opened(told, queue);
        let last = opened.last().map_or(0, |last| last.as_micros());
        let mut many = u64::from(self.settings.intervals_kept);
        if !self.wrong(Mistake::NoIntervalKeptForNone) {
            many = many.max(1);
        }
        if self.wrong(Mistake::IntervalTooMany) {
            many += 1;
        }
        if self.wrong(Mistake::KeptByNumber) {
            return opened[opened.len().saturating_sub(many as usize)..].to_vec();
        }
        opened.into_iter().filter(|begin| (last - begin.as_micros()) / self.interval_length() < many).collect()
    }

    /// What happened to contacts and promises, each by when it came or was made.
    fn facts(&self, told: &[(Time, Told)], lives: &[Life]) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (index, (now, word)) in told.iter().enumerate() {
            let mut add = |queue: QueueId, of: Time, what: What| facts.push(Fact { queue, of, what });
            match word {
                Told::Arrived { queue } => add(*queue, *now, What::Came),
                Told::Exited { queue, arrived, exit, waited, level } => {
                    let of = if self.wrong(Mistake::CountedWhenGone) { *now } else { *arrived };
                    let here = self.wrong(Mistake::WaitedOnlyHere);
                    let waited = if here { now.since(*arrived) } else { *waited };
                    add(*queue, of, What::Gone { exit: *exit, waited, level: *level });
                }
                Told::TalkBegan { queue, arrived, promise: true, entry, .. } => {
                    let again = |(_, word): &(Time, Told)| match word {
                        Told::TalkBegan { arrived: of, entry: who, .. } => (who, of) == (entry, arrived),
                        _ => false,
                    };
                    if !(self.wrong(Mistake::FirstTryCounts) && told[..index].iter().any(again)) {
                        add(*queue, *arrived, What::Tried);
                    }
                }
                Told::Promised { queue } => {
                    add(*queue, *now, What::Promised);
                    if self.wrong(Mistake::PromiseArrives) {
                        add(*queue, *now, What::Came);
                    }
                }
                Told::Kept { queue, made, waited } => {
                    let of = if self.wrong(Mistake::PromiseCountedWhenKept) { *now } else { *made };
                    let made_since = self.wrong(Mistake::PromiseWaitsSinceMade);
                    add(*queue, of, What::Kept(if made_since { now.since(*made) } else { *waited }));
                }
                Told::Broken { queue, made, how } => add(*queue, *made, What::Broken(*how)),
                _ => {}
            }
        }
        for (began, ended, wrap_up) in lives.iter().flat_map(|life| &life.done) {
            let (since, Told::TalkBegan { queue, arrived, promise, .. }) = &told[*began] else { continue };
            let over = told[*ended].0;
            let hold = self.hold(&told[*began..=*ended]);
            let talk = micros(over.since(*since)) - hold;
            let mut parts = [talk, hold, *wrap_up];
            if self.wrong(Mistake::HoldIsTalk) {
                parts = [talk + hold, 0, *wrap_up];
            }
            let of = if self.wrong(Mistake::HandledWhenOver) { over } else { *arrived };
            let handled = !*promise || self.wrong(Mistake::PromiseIsHandled);
            facts.push(Fact {
                queue: *queue,
                of,
                what: if handled { What::Handled(parts) } else { What::Worked(parts) },
            });
        }
        facts
    }

    /// How much of a talk was held: from the first of several holds in a row to when it is held no longer, or over.
    fn hold(&self, talk: &[(Time, Told)]) -> u64 {
        let Told::TalkBegan { entry, .. } = &talk[0].1 else { return 0 };
        let (mut sum, mut since) = (0, None);
        for (at, word) in talk {
            match word {
                Told::Held { entry: of, held: true } if of == entry => {
                    let anew = self.wrong(Mistake::HeldAgainBeginsAnew);
                    since = Some(since.filter(|_| !anew).unwrap_or(*at));
                }
                Told::Held { entry: of, held: false } if of == entry => {
                    let more = since.take().map_or(0, |since| micros(at.since(since)));
                    sum = if self.wrong(Mistake::LastHoldOnly) { more } else { sum + more };
                }
                _ => {}
            }
        }
        let over = talk.last().expect("the end of it").0;
        let last = since.map_or(0, |since| micros(over.since(since)));
        if self.wrong(Mistake::HoldUntilTheEndForgotten) { sum } else { sum + last }
    }
}

/// Where the talk began that ended there, if one did.
fn begin_of_talk(told: &[(Time, Told)], ended: usize) -> Option<usize> {
    let Told::TalkEnded { entry } = &told[ended].1 else { return None };
    let of_it = |(_, word): &(Time, Told)| match word {
        Told::TalkBegan { entry: of, .. } | Told::TalkEnded { entry: of } => of == entry,
        _ => false,
    };
    let last = told[..ended].iter().rposition(of_it)?;
    matches!(told[last].1, Told::TalkBegan { .. }).then_some(last)
}

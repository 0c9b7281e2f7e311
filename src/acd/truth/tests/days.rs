//! Random days: what the counts are told, in any order that their callers' promises allow.

use super::*;
use crate::acd::TalkDetail;
use crate::acd::settings::RestReason;
use crate::acd::tests::proof::Step;

/// What the counts are told: each is one call of theirs.
#[derive(Clone, Debug)]
pub enum Told {
    Arrived {
        queue: QueueId,
    },
    Exited {
        queue: QueueId,
        arrived: Time,
        exit: Exit,
        waited: Duration,
        level: Duration,
    },
    TalkBegan {
        entry: EntryId,
        agent: AgentId,
        queue: QueueId,
        arrived: Time,
        promise: bool,
    },
    Held {
        entry: EntryId,
        held: bool,
    },
    TalkEnded {
        entry: EntryId,
    },
    Promised {
        queue: QueueId,
    },
    Kept {
        queue: QueueId,
        made: Time,
        waited: Duration,
    },
    Broken {
        queue: QueueId,
        made: Time,
        how: Broken,
    },
    Offer {
        agent: AgentId,
        outcome: Outcome,
    },
    Is {
        agent: AgentId,
        state: AgentState,
    },
    Lost {
        agent: AgentId,
        wraps_up: bool,
    },
    WrapsUpNoMore {
        agent: AgentId,
    },
    BeginsAnew {
        agent: AgentId,
    },
    /// Nothing, but all figures are looked at.
    Asked,
}

impl Told {
    pub fn to(&self, truth: &mut Truth, now: Time) {
        match self {
            Told::Arrived { queue } => truth.arrived(now, *queue),
            Told::Exited { queue, arrived, exit, waited, level } => {
                truth.exited(*queue, *arrived, *exit, *waited, *level)
            }
            Told::TalkBegan { entry, agent, queue, arrived, promise } => {
                truth.talk_began(now, *entry, *agent, *queue, *arrived, *promise)
            }
            Told::Held { entry, held } => truth.held(now, *entry, *held),
            Told::TalkEnded { entry } => truth.talk_ended(now, *entry),
            Told::Promised { queue } => truth.promised(now, *queue),
            Told::Kept { queue, made, waited } => truth.promise_kept(*queue, *made, *waited),
            Told::Broken { queue, made, how } => truth.promise_broken(*queue, *made, *how),
            Told::Offer { agent, outcome } => truth.offer_ended(now, *agent, *outcome),
            Told::Is { agent, state } => truth.agent_is(now, *agent, state),
            Told::Lost { agent, wraps_up } => truth.agent_is_lost(now, *agent, *wraps_up),
            Told::WrapsUpNoMore { agent } => truth.wraps_up_no_more(now, *agent),
            Told::BeginsAnew { agent } => truth.begins_anew(*agent),
            Told::Asked => {}
        }
    }
}

/// What was told and when; the last is a question.
#[derive(Clone, Debug)]
pub struct Day {
    pub settings: Settings,
    pub told: Vec<(Time, Told)>,
}

/// One more of each is asked for, of which nothing was ever told.
pub const QUEUES: u32 = 3;
pub const AGENTS: u32 = 4;

impl Day {
    /// The first step says how it is counted and when it begins.
    pub fn of(steps: impl IntoIterator<Item = Step>) -> Day {
        let mut steps = steps.into_iter();
        let [interval, kept, begins, start] = steps.next().unwrap_or_default();
        let hour = 3_600;
        let settings = Settings {
            interval: [secs(0), secs(900), secs(900), secs(421), secs(hour)][interval as usize % 5],
            intervals_kept: u32::from(kept) % 5,
            day_begins: [0, hour, 7 * hour, 23 * hour, 25 * hour].map(secs)[begins as usize % 5],
            days_kept: u32::from(kept) / 5 % 4,
        };
        // The days before the epoch are cut as all others.
        let now = if start % 4 == 0 { Time::from_secs(60 * u64::from(start)) } else { at(60 * u64::from(start)) };
        let people = (0..AGENTS)
            .map(|id| Person { id: AgentId(id), lost: false, is: AgentState::Offline, may_wrap_up: false })
            .collect();
        let mut play = Play { now, settings, people, ..Play::default() };
        (0..AGENTS).for_each(|id| play.is(id as usize, ready()));
        steps.for_each(|step| play.step(step));
        play.tell(Told::Asked);
        Day { settings: play.settings, told: play.told }
    }
}

struct Person {
    id: AgentId,
    lost: bool,
    is: AgentState,
    /// They are in a wrap-up, or would be if nothing else came first.
    may_wrap_up: bool,
}

struct Talk {
    entry: EntryId,
    agent: usize,
    promise: bool,
}

/// Who waits, who talks and what is promised as the day goes on.
#[derive(Default)]
struct Play {
    now: Time,
    settings: Settings,
    told: Vec<(Time, Told)>,
    people: Vec<Person>,
    waiting: Vec<(QueueId, Time)>,
    talks: Vec<Talk>,
    promises: Vec<(EntryId, QueueId, Time)>,
    entries: u64,
}

impl Play {
    fn tell(&mut self, told: Told) {
        self.told.push((self.now, told));
    }

    fn step(&mut self, [what, who, how, more]: Step) {
        let (person, bits) = (who as usize % self.people.len(), u64::from(more));
        let queue = QueueId(u32::from(who) % QUEUES);
        match what % 32 {
            0..4 => self.now += Duration::from_micros(u64::from(how) * 641_003 + bits),
            4 => self.now += secs(u64::from(how) * 300),
            5 => self.now = self.next_border(how),
            6 if how < 192 => self.tell(Told::Asked),
            6 if how < 196 => self.many_pauses(person, more),
            6 => self.now += Duration::from_micros(bits % 2),
            7..11 => {
                self.waiting.push((queue, self.now));
                self.tell(Told::Arrived { queue });
            }
            11..15 => self.exit(person, how, more),
            15..18 => self.hold(who, more),
            18..21 => self.end_talk(who, how, more),
            21..26 => self.be(person, how, more),
            26 => {
                let outcome = Outcome::ALL[how as usize % Outcome::ALL.len()];
                if outcome != Outcome::Accepted && !self.people[person].lost {
                    self.tell(Told::Offer { agent: self.people[person].id, outcome });
                }
            }
            27 => {
                self.tell(Told::Promised { queue });
                let entry = self.another_entry(how);
                match how % 8 {
                    0 => self.tell(Told::Broken { queue, made: self.now, how: Broken::Refused }),
                    _ => self.promises.push((entry, queue, self.now)),
                }
            }
            28 => self.try_promise(person, how),
            29 => self.end_promise(who, how, more),
            30 => self.lose(person, how),
            _ => {
                // Also of who was not lost, of whom it says nothing.
                let lost = self.people.iter().cycle().skip(person).take(self.people.len()).find(|one| one.lost);
                let agent = lost.unwrap_or(&self.people[person]).id;
                self.tell(if how.is_multiple_of(2) {
                    Told::WrapsUpNoMore { agent }
                } else {
                    Told::BeginsAnew { agent }
                });
            }
        }
    }

    /// Where an interval or a day begins.
    fn next_border(&self, how: u8) -> Time {
        let length = if how.is_multiple_of(2) { self.settings.interval.max(secs(1)) } else { secs(86_400) };
        let length = micros(length);
        let offset = if how.is_multiple_of(2) { 0 } else { micros(self.settings.day_begins) % length };
        let gone = (self.now.as_micros() + length - offset) % length;
        self.now + Duration::from_micros(length - gone)
    }

    /// More reasons than have a sum of their own.
    fn many_pauses(&mut self, person: usize, more: u8) {
        for turn in 0..REASONS_MAX + 6 {
            self.is(person, paused(&format!("{}", (turn * 7 + usize::from(more)) % 50)));
            self.now += secs(1);
        }
        self.is(person, ready());
    }

    fn exit(&mut self, person: usize, how: u8, more: u8) {
        if self.waiting.is_empty() {
            return;
        }
        let (queue, arrived) = self.waiting.swap_remove(how as usize % self.waiting.len());
        let exit =
            if more.is_multiple_of(3) { Exit::Answered } else { Exit::ALL[usize::from(more / 3) % Exit::ALL.len()] };
        // Some waited in another queue before.
        let before = if how.is_multiple_of(5) { secs(u64::from(more)) } else { Duration::ZERO };
        let waited = self.now.since(arrived) + before;
        let micro = Duration::from_micros(1);
        let level = match how % 7 {
            0 => waited,
            1 => waited.saturating_sub(micro),
            2 => waited + micro,
            3 | 4 => secs(120),
            _ => LEVEL,
        };
        if exit == Exit::Answered && !self.people[person].lost {
            let agent = self.people[person].id;
            self.tell(Told::Offer { agent, outcome: Outcome::Accepted });
            self.tell(Told::Exited { queue, arrived, exit, waited, level });
            let entry = self.another_entry(how);
            self.talk(entry, person, queue, arrived, false);
        } else {
            let exit = if exit == Exit::Answered { Exit::Abandoned } else { exit };
            self.tell(Told::Exited { queue, arrived, exit, waited, level });
        }
    }

    /// A new one, or one that was there before and came again.
    fn another_entry(&mut self, how: u8) -> EntryId {
        let old = EntryId(u64::from(how) % (self.entries + 1));
        let talks = self.talks.iter().any(|talk| talk.entry == old);
        if how.is_multiple_of(3) && !talks && self.promises.iter().all(|(entry, ..)| *entry != old) {
            return old;
        }
        self.entries += 1;
        EntryId(self.entries)
    }

    fn talk(&mut self, entry: EntryId, person: usize, queue: QueueId, arrived: Time, promise: bool) {
        let agent = self.people[person].id;
        self.talks.push(Talk { entry, agent: person, promise });
        self.tell(Told::TalkBegan { entry, agent, queue, arrived, promise });
        self.is(person, talking(entry.0));
    }

    fn hold(&mut self, who: u8, more: u8) {
        let held = !more.is_multiple_of(2);
        match self.talks.get(usize::from(who) % (self.talks.len() + 1)) {
            Some(talk) => self.tell(Told::Held { entry: talk.entry, held }),
            None => self.tell(Told::Held { entry: EntryId(u64::MAX), held }),
        }
    }

    fn end_talk(&mut self, who: u8, how: u8, more: u8) {
        if self.talks.is_empty() {
            return self.tell(Told::TalkEnded { entry: EntryId(u64::MAX) });
        }
        let talk = self.talks.swap_remove(usize::from(who) % self.talks.len());
        self.tell(Told::TalkEnded { entry: talk.entry });
        self.people[talk.agent].may_wrap_up = true;
        match how % 8 {
            0..4 => self.is(talk.agent, wrap_up()),
            4 => self.is(talk.agent, ready()),
            5 => self.is(talk.agent, AgentState::Busy),
            // The next word about them says what they are in.
            _ => {}
        }
        if more.is_multiple_of(4) {
            self.lose(talk.agent, how);
        }
    }

    fn be(&mut self, person: usize, how: u8, more: u8) {
        let until = Time::NEVER;
        let state = match how % 20 {
            0 => AgentState::Offline,
            1 => AgentState::OffShift,
            2 => AgentState::BackOff { until },
            3 => AgentState::Probed { until },
            4 => AgentState::Resting { until, reason: RestReason::Call },
            5 => AgentState::Working { tasks: u32::from(more) },
            6 => offered(),
            7..9 => ready(),
            9..11 => AgentState::Busy,
            11..14 => wrap_up(),
            14..17 => paused(["tea", "lunch", "no answer"][usize::from(more) % 3]),
            _ => {
                let detail = TalkDetail::ALL[usize::from(more) % TalkDetail::ALL.len()];
                AgentState::Talking { entry: EntryId(u64::from(how)), detail }
            }
        };
        // Who is back often is in what they were in before, or in another pause.
        let Person { lost, is, .. } = &self.people[person];
        let state = match (is, more % 4) {
            (is, 0 | 1) if *lost => is.clone(),
            (AgentState::Paused { .. }, 2) if *lost => paused("meeting"),
            _ => state,
        };
        self.is(person, state);
    }

    fn is(&mut self, person: usize, state: AgentState) {
        let someone = &mut self.people[person];
        someone.lost = false;
        someone.may_wrap_up = match state {
            AgentState::WrapUp { .. } => true,
            AgentState::Busy => someone.may_wrap_up,
            _ => false,
        };
        someone.is = state.clone();
        let agent = someone.id;
        self.tell(Told::Is { agent, state });
    }

    /// A promise that is not being dialled is dialled.
    fn try_promise(&mut self, person: usize, how: u8) {
        let dialled = |entry| self.talks.iter().any(|talk| talk.promise && talk.entry == entry);
        let promise = self.promises.iter().cycle().skip(how as usize).take(self.promises.len());
        let promise = promise.copied().find(|(entry, ..)| !dialled(*entry));
        if let Some((entry, queue, made)) = promise.filter(|_| !self.people[person].lost) {
            self.talk(entry, person, queue, made, true);
        }
    }

    fn end_promise(&mut self, who: u8, how: u8, more: u8) {
        if self.promises.is_empty() {
            return;
        }
        let (_, queue, made) = self.promises.swap_remove(usize::from(who) % self.promises.len());
        let waited = self.now.since(made) + secs(u64::from(more) * 10);
        let broken = match how % 8 {
            0..4 => return self.tell(Told::Kept { queue, made, waited }),
            4 => Broken::TimedOut,
            5 => Broken::NotReached,
            6 => Broken::Withdrawn,
            _ => Broken::Refused,
        };
        self.tell(Told::Broken { queue, made, how: broken });
    }

    /// The phone is gone with the service, if there was one. Talks that are on, and offers, end before that is told.
    fn lose(&mut self, person: usize, how: u8) {
        let Person { id, lost, is, may_wrap_up } = &self.people[person];
        if !lost && *is != AgentState::Offline && self.talks.iter().all(|talk| talk.agent != person) {
            let wraps_up = *may_wrap_up && !how.is_multiple_of(4);
            self.tell(Told::Lost { agent: *id, wraps_up });
            self.people[person].lost = true;
        }
    }
}

//! What the figures of the queues' calls are made of, as the reader would count it, and with one mistake each.

use super::super::proof::mistakes;
use super::*;

mistakes! {
    LevelOfAnotherQueue,
    WaitBeforeForgotten,
    LevelIsBeforeIt,
    HoldIsTalk,
    HoldAtTheEndForgotten,
    WrapUpForgotten,
    WrapUpEndsWithOwnCall,
    OwnCallIsWrapUp,
    WrapUpWhileLostForgotten,
    WrapUpOverWhileLostForgotten,
    TasksAreCalls,
    PromisesAreCalls,
}
/// One rule of counting left out.
pub use self::Mistake as Miscount;

/// Of one queue since it exists, promises to call back and tasks left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub answered_in_level: u64,
    pub answered_wait: Duration,
    pub handled: u64,
    pub talk: Duration,
    pub hold: Duration,
    pub wrap_up: Duration,
}

impl Sums {
    pub fn of(counts: &truth::Counts) -> Sums {
        Sums {
            answered_in_level: counts.answered_in_level,
            answered_wait: Duration::from_micros(counts.answered_wait_micros),
            handled: counts.handled,
            talk: Duration::from_micros(counts.talk_micros),
            hold: Duration::from_micros(counts.hold_micros),
            wrap_up: Duration::from_micros(counts.wrap_up_micros),
        }
    }
}

/// A talk that is on.
pub struct Talk {
    queue: QueueId,
    counts: bool,
    since: Time,
    held: Duration,
    held_since: Option<Time>,
}

/// A talk that is over, whose notes may still be written.
pub struct Notes {
    queue: QueueId,
    counts: bool,
    talk: Duration,
    hold: Duration,
    wrap_up: Duration,
    now: Writing,
}

#[derive(Clone, Copy)]
enum Writing {
    /// The talk was just over.
    Begins,
    Since(Time),
    /// The service was down: it counts if the wrap-up is still on afterwards, or ended meanwhile.
    LostSince(Time),
    /// For as long as a call of their own lasts.
    Rests,
}

impl Model {
    fn miscounts(&self, miscount: Miscount) -> bool {
        self.miscount == Some(miscount)
    }

    fn counts(&self, caller: &Caller) -> bool {
        let task = caller.arrival.kind == Kind::Task && !self.miscounts(Miscount::TasksAreCalls);
        !task && (!caller.is_promise() || self.miscounts(Miscount::PromisesAreCalls))
    }

    pub fn count_exit(&mut self, caller: &Caller, exit: Exit) {
        if exit != Exit::Answered || !self.counts(caller) {
            return;
        }
        let before = self.miscounts(Miscount::WaitBeforeForgotten);
        let waited = self.now.since(if before { caller.arrived } else { caller.since });
        let of_another = self.miscounts(Miscount::LevelOfAnotherQueue);
        let level = if of_another { self.queues[0].1.service_level } else { self.queue(caller).service_level };
        let in_level = if self.miscounts(Miscount::LevelIsBeforeIt) { waited < level } else { waited <= level };
        let sums = self.figures.entry(caller.queue).or_default();
        sums.answered_in_level += u64::from(in_level);
        sums.answered_wait += waited;
    }

    pub fn count_talk(&mut self, agent: AgentId, entry: EntryId) {
        let caller = self.callers.iter().find(|c| c.id == entry).expect("it waits").clone();
        let (queue, counts, since) = (caller.queue, self.counts(&caller), self.now);
        if caller.arrival.kind == Kind::Call {
            self.person(agent).talks = Some(Talk { queue, counts, since, held: Duration::ZERO, held_since: None });
        }
    }

    pub fn count_hold(&mut self, agent: AgentId, detail: TalkDetail) {
        let now = self.now;
        let Some(talk) = &mut self.person(agent).talks else { return };
        match (detail == TalkDetail::Speaking, talk.held_since) {
            (false, None) => talk.held_since = Some(now),
            (true, Some(since)) => (talk.held, talk.held_since) = (talk.held + now.since(since), None),
            _ => {}
        }
    }

    /// Before the state that the agent is in then is told.
    pub fn count_talk_over(&mut self, agent: AgentId) {
        self.notes_are_written(agent);
        let now = self.now;
        let (no_hold, not_at_end) =
            (self.miscounts(Miscount::HoldIsTalk), self.miscounts(Miscount::HoldAtTheEndForgotten));
        let person = self.person(agent);
        let Some(talk) = person.talks.take() else { return };
        let last = talk.held_since.filter(|_| !not_at_end).map_or(Duration::ZERO, |since| now.since(since));
        let hold = if no_hold { Duration::ZERO } else { talk.held + last };
        person.notes = Some(Notes {
            queue: talk.queue,
            counts: talk.counts,
            talk: now.since(talk.since) - hold,
            hold,
            wrap_up: Duration::ZERO,
            now: Writing::Begins,
        });
    }

    /// The agent's state is told.
    pub fn count_state(&mut self, agent: AgentId, state: &AgentState) {
        let now = self.now;
        let (ends, counts) =
            (self.miscounts(Miscount::WrapUpEndsWithOwnCall), self.miscounts(Miscount::OwnCallIsWrapUp));
        let not_lost = self.miscounts(Miscount::WrapUpWhileLostForgotten);
        let person = self.person(agent);
        let lost = person.lost.is_some() && person.wrap_up.is_some();
        let Some(notes) = &mut person.notes else { return };
        if let Writing::Since(since) = notes.now {
            notes.wrap_up += now.since(since);
        }
        notes.now = match (state, notes.now) {
            (AgentState::WrapUp { .. }, Writing::LostSince(since)) if !not_lost => Writing::Since(since),
            (AgentState::WrapUp { .. }, _) => Writing::Since(now),
            (AgentState::Busy, _) if counts => Writing::Since(now),
            (AgentState::Busy, _) if !ends => Writing::Rests,
            (AgentState::Offline, _) if lost => Writing::LostSince(now),
            _ => return self.notes_are_written(agent),
        };
    }

    /// The wrap-up is over, of whomever the service had lost in it.
    pub fn count_wrap_ups_over(&mut self) {
        let now = self.now;
        let forgotten = self.miscounts(Miscount::WrapUpOverWhileLostForgotten);
        let mut over = Vec::new();
        for a in self.agents.iter_mut().filter(|a| a.wrap_up.is_none()) {
            if let Some(Notes { now: Writing::LostSince(since), wrap_up, .. }) = &mut a.notes {
                *wrap_up += if forgotten { Duration::ZERO } else { now.since(*since) };
                over.push(a.id);
            }
        }
        over.into_iter().for_each(|agent| self.notes_are_written(agent));
    }

    pub fn notes_are_written(&mut self, agent: AgentId) {
        let no_wrap_up = self.miscounts(Miscount::WrapUpForgotten);
        let Some(notes) = self.person(agent).notes.take().filter(|notes| notes.counts) else { return };
        let sums = self.figures.entry(notes.queue).or_default();
        sums.handled += 1;
        sums.talk += notes.talk;
        sums.hold += notes.hold;
        sums.wrap_up += if no_wrap_up { Duration::ZERO } else { notes.wrap_up };
    }
}

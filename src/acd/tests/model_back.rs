//! What is remembered of callers, by looking at all of it.

use super::model::Mistake;
use super::*;

/// Those who left, those who talk and those who have talked.
#[derive(Clone, Default)]
pub struct Absent {
    places: Vec<Left>,
    talks: Vec<Talk>,
    /// Of which it is known that they broke, and until when.
    broken: Vec<(Talk, Time)>,
    /// Over by then.
    over: Vec<(Talk, Time)>,
}

#[derive(Clone)]
struct Left {
    caller: String,
    /// Where it was, at last and before.
    queues: Vec<QueueId>,
    away: Duration,
    left: Time,
    entry: EntryId,
    since: Time,
    priority: i32,
    until: Time,
}

#[derive(Clone)]
struct Talk {
    caller: String,
    queue: QueueId,
    entry: EntryId,
    agent: AgentId,
    waited: Duration,
    /// As if the wait had ended with the talk.
    since: Time,
    broke: Time,
}

/// With the one mistake that is made.
impl Absent {
    pub fn leaves(
        &mut self,
        now: Time,
        entry: EntryId,
        (arrival, been): (&Arrival, &[QueueId]),
        exit: Exit,
        queue: &QueueSettings,
        mistake: Option<Mistake>,
    ) {
        let wrong = |other| mistake == Some(other);
        let hung_up = matches!(exit, Exit::Abandoned | Exit::ShortAbandoned);
        let all = queue.keep_place_for == KeepPlaceFor::All || wrong(Mistake::PlaceKeptForAll);
        let is_kept = exit == Exit::SystemFault || hung_up && all;
        if !is_known(arrival) || !is_kept || arrival.callback.is_some() || wrong(Mistake::PlaceLost) {
            return;
        }
        self.places.push(Left {
            caller: arrival.caller.clone(),
            queues: been
                .iter()
                .filter(|_| !wrong(Mistake::PlaceKeptOnlyWhereItWas))
                .chain([&arrival.queue])
                .copied()
                .collect(),
            away: arrival.away,
            left: now,
            entry,
            since: arrival.since,
            priority: arrival.priority,
            until: if wrong(Mistake::PlaceKeptForEver) { Time::NEVER } else { now + queue.keep_place },
        });
    }

    pub fn is_answered(&mut self, now: Time, entry: EntryId, agent: AgentId, arrival: &Arrival) {
        if is_known(arrival) {
            let (caller, queue, waited) = (arrival.caller.clone(), arrival.queue, now.since(arrival.since));
            self.talks.push(Talk { caller, queue, entry, agent, waited, since: arrival.since, broke: Time::NEVER });
        }
    }

    pub fn talk_ended(
        &mut self,
        now: Time,
        entry: EntryId,
        broke: bool,
        queue: impl Fn(QueueId) -> Option<QueueSettings>,
        mistake: Option<Mistake>,
    ) {
        let wrong = |other| mistake == Some(other);
        let Some(which) = self.talks.iter().position(|talk| talk.entry == entry) else { return };
        let mut talk = self.talks.remove(which);
        talk.since = now - talk.waited;
        talk.broke = now;
        self.over.push((talk.clone(), now));
        if (broke || wrong(Mistake::EveryTalkBroke))
            && !wrong(Mistake::BrokenTalkForgotten)
            && let Some(settings) = queue(talk.queue)
        {
            let until = now + settings.reconnect_within;
            self.broken.push((talk, if wrong(Mistake::BrokenTalkKeptForEver) { Time::NEVER } else { until }));
        }
    }

    pub fn comes_back(&mut self, now: Time, arrival: &mut Arrival, queue: &QueueSettings, mistake: Option<Mistake>) {
        if is_known(arrival) {
            self.has_place_back(now, arrival, mistake);
            self.has_agent_back(now, arrival, queue, mistake);
        }
    }

    fn has_place_back(&mut self, now: Time, arrival: &mut Arrival, mistake: Option<Mistake>) {
        let wrong = |other| mistake == Some(other);
        let is_mine = |left: &&Left| {
            left.caller == arrival.caller
                && (left.queues.contains(&arrival.queue) || wrong(Mistake::PlaceKeptInEveryQueue))
                && now < left.until
        };
        let order = |left: &&Left| (left.since, left.entry);
        let mine = self.places.iter().filter(is_mine);
        let found = if wrong(Mistake::NewestPlaceFirst) { mine.max_by_key(order) } else { mine.min_by_key(order) };
        let Some(left) = found else { return };
        let entry = left.entry;
        takes_place(arrival, left.since, left.away + now.since(left.left), mistake);
        if !wrong(Mistake::PlaceWithoutPriority) {
            arrival.priority = arrival.priority.max(left.priority);
        }
        if !wrong(Mistake::PlaceGivenTwice) {
            self.places.retain(|left| left.entry != entry);
        }
    }

    fn has_agent_back(&mut self, now: Time, arrival: &mut Arrival, queue: &QueueSettings, mistake: Option<Mistake>) {
        let wrong = |other| mistake == Some(other);
        let mine = self.broken.iter().filter(|(talk, until)| talk.caller == arrival.caller && now < *until);
        let Some((talk, _)) = mine.max_by_key(|(talk, _)| talk.entry) else { return };
        let talk = talk.clone();
        if talk.queue == arrival.queue && !wrong(Mistake::BrokenTalkLosesItsWait) {
            takes_place(arrival, talk.since, now.since(talk.broke), mistake);
        }
        arrival.prefer.insert(0, Prefer { who: Who::Agent(talk.agent), wait: queue.reconnect_wait });
        if !wrong(Mistake::BrokenTalkGivenTwice) {
            self.broken.retain(|(other, _)| other.entry != talk.entry);
        }
    }

    pub fn was_down(&mut self, now: Time, since: Time) {
        let places = self.places.iter_mut().map(|left| &mut left.until);
        let broken = self.broken.iter_mut().map(|(_, until)| until);
        for until in places.chain(broken).filter(|until| **until > since) {
            *until += now.since(since);
        }
    }

    pub fn last_agent(&self, now: Time, caller: &str, within: Duration) -> Option<AgentId> {
        let (talk, at) = self.over.iter().rev().find(|(talk, _)| talk.caller == caller)?;
        (now.since(*at) <= within).then_some(talk.agent)
    }
}

/// Of who was away for so long.
pub fn takes_place(arrival: &mut Arrival, since: Time, away: Duration, mistake: Option<Mistake>) {
    if since < arrival.since {
        arrival.since = since;
        arrival.away = if mistake == Some(Mistake::AwayIsWaiting) { Duration::ZERO } else { away };
    }
}

fn is_known(arrival: &Arrival) -> bool {
    arrival.kind == Kind::Call && !arrival.caller.is_empty()
}

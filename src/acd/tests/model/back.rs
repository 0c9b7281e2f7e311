//! What is remembered of callers, by looking at all of it.

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
    kept: Duration,
    until: Time,
}

/// A caller who can be told from others and waits.
pub struct Waits {
    pub id: EntryId,
    pub caller: String,
    /// By which it came.
    pub queue: QueueId,
    pub since: Time,
    pub away: Duration,
}

impl Waits {
    pub fn of(id: EntryId, arrival: &Arrival, been: &[QueueId], since: Time) -> Option<Waits> {
        let queue = *been.first().unwrap_or(&arrival.queue);
        let is_one = is_known(arrival) && arrival.callback.is_none();
        is_one.then(|| Waits { id, caller: arrival.caller.clone(), queue, since, away: arrival.away })
    }
}

/// What goes to a caller who called again before the line was known to be gone.
pub struct Goes {
    pub to: EntryId,
    pub since: Option<Time>,
    pub away: Option<Duration>,
    pub priority: Option<i32>,
    pub agent: Option<AgentId>,
    /// Where it goes on to, if that takes it.
    pub queue: Option<QueueId>,
}

/// Where who comes was before.
#[derive(Clone, Copy, Default)]
pub struct Was {
    /// In the line of this queue, or in a talk from it.
    pub here: bool,
    /// To that one they had gone on from this.
    pub elsewhere: Option<QueueId>,
}

#[derive(Clone)]
struct Talk {
    caller: String,
    queue: QueueId,
    entry: EntryId,
    agent: AgentId,
    /// Where it was before.
    been: Vec<QueueId>,
    waited: Duration,
    priority: i32,
    began: Time,
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
            kept: queue.keep_place,
            until: if wrong(Mistake::PlaceKeptForEver) { Time::NEVER } else { now + queue.keep_place },
        });
    }

    pub fn is_answered(&mut self, now: Time, entry: EntryId, agent: AgentId, (arrival, been): (&Arrival, &[QueueId])) {
        if is_known(arrival) {
            let (caller, queue, waited) = (arrival.caller.clone(), arrival.queue, now.since(arrival.since));
            self.talks.push(Talk {
                caller,
                queue,
                entry,
                agent,
                been: been.to_vec(),
                waited,
                priority: arrival.priority,
                began: now,
                since: arrival.since,
                broke: Time::NEVER,
            });
        }
    }

    /// Whether the caller's agent is kept for them.
    pub fn talk_ended(
        &mut self,
        now: Time,
        entry: EntryId,
        broke: bool,
        queue: impl Fn(QueueId) -> Option<QueueSettings>,
        mistake: Option<Mistake>,
    ) -> bool {
        let wrong = |other| mistake == Some(other);
        let Some(which) = self.talks.iter().position(|talk| talk.entry == entry) else { return false };
        let mut talk = self.talks.remove(which);
        talk.since = now - talk.waited;
        talk.broke = now;
        self.over.push((talk.clone(), now));
        let is_kept = (broke || wrong(Mistake::EveryTalkBroke)) && !wrong(Mistake::BrokenTalkForgotten);
        let Some(settings) = queue(talk.queue).filter(|_| is_kept) else { return false };
        let until = now + settings.reconnect_within;
        self.broken.push((talk, if wrong(Mistake::BrokenTalkKeptForEver) { Time::NEVER } else { until }));
        true
    }

    pub fn comes_back(
        &mut self,
        now: Time,
        arrival: &mut Arrival,
        queue: &QueueSettings,
        mistake: Option<Mistake>,
    ) -> Was {
        if !is_known(arrival) {
            return Was::default();
        }
        let was_in = self.has_place_back(now, arrival, mistake);
        let talked_from = self.has_agent_back(now, arrival, queue, mistake);
        let here = was_in == Some(arrival.queue) || talked_from == Some(arrival.queue);
        let elsewhere = was_in.or(talked_from).filter(|queue| *queue != arrival.queue);
        Was { here, elsewhere: elsewhere.filter(|_| mistake != Some(Mistake::ReturnsOnlyWhereItFirstCame)) }
    }

    fn has_place_back(&mut self, now: Time, arrival: &mut Arrival, mistake: Option<Mistake>) -> Option<QueueId> {
        let wrong = |other| mistake == Some(other);
        let is_mine = |left: &&Left| {
            left.caller == arrival.caller
                && (left.queues.contains(&arrival.queue) || wrong(Mistake::PlaceKeptInEveryQueue))
                && now < left.until
        };
        let order = |left: &&Left| (left.since, left.entry);
        let mine = self.places.iter().filter(is_mine);
        let found = if wrong(Mistake::NewestPlaceFirst) { mine.max_by_key(order) } else { mine.min_by_key(order) };
        let left = found?;
        let (entry, queue) = (left.entry, left.queues.last().copied());
        takes_place(arrival, left.since, left.away + now.since(left.left), mistake);
        if !wrong(Mistake::PlaceWithoutPriority) {
            arrival.priority = arrival.priority.max(left.priority);
        }
        if !wrong(Mistake::PlaceGivenTwice) {
            self.places.retain(|left| left.entry != entry);
        }
        queue
    }

    fn has_agent_back(
        &mut self,
        now: Time,
        arrival: &mut Arrival,
        queue: &QueueSettings,
        mistake: Option<Mistake>,
    ) -> Option<QueueId> {
        let wrong = |other| mistake == Some(other);
        let mine = self.broken.iter().filter(|(talk, until)| talk.caller == arrival.caller && now < *until);
        let (talk, _) = mine.max_by_key(|(talk, _)| talk.entry)?;
        let talk = talk.clone();
        let came_by_this = talk.queue == arrival.queue || talk.been.contains(&arrival.queue);
        if came_by_this && !wrong(Mistake::BrokenTalkLosesItsWait) {
            // As if nobody had been on the line until now.
            let away = if mistake == Some(Mistake::BrokenTalkIsWaiting) { talk.broke } else { talk.since };
            takes_place(arrival, talk.since, now.since(away), mistake);
            if !wrong(Mistake::BrokenTalkWithoutPriority) {
                arrival.priority = arrival.priority.max(talk.priority);
            }
        }
        arrival.prefer.insert(0, Prefer { who: Who::Agent(talk.agent), wait: queue.reconnect_wait });
        if !wrong(Mistake::BrokenTalkGivenTwice) {
            self.broken.retain(|(other, _)| other.entry != talk.entry);
        }
        came_by_this.then_some(talk.queue)
    }

    /// The place of an entry that has just left.
    pub fn goes_at_once(
        &mut self,
        now: Time,
        gone: EntryId,
        waiting: &[Waits],
        mistake: Option<Mistake>,
    ) -> Option<Goes> {
        let wrong = |other| mistake == Some(other);
        let left = self.places.iter().find(|left| left.entry == gone)?.clone();
        let theirs = waiting.iter().filter(|waits| waits.caller == left.caller || wrong(Mistake::RedialIsAnybodys));
        let later = theirs.filter(|waits| waits.since > left.since && left.queues.contains(&waits.queue));
        let lately = later.filter(|waits| now.since(waits.since) < left.kept || wrong(Mistake::RedialAnyTimeAgo));
        let to = lately.max_by_key(|waits| (waits.since, waits.id)).filter(|_| !wrong(Mistake::RedialWaitsAnew))?.id;
        self.places.retain(|left| left.entry != gone);
        let (since, away, priority) = (Some(left.since), Some(left.away), Some(left.priority));
        let queue = left.queues.last().copied().filter(|_| !wrong(Mistake::RedialOnlyWhereItFirstCame));
        Some(Goes { to, since, away, priority, agent: None, queue })
    }

    /// The agent of a talk that has just broken.
    pub fn goes_back_at_once(
        &mut self,
        now: Time,
        gone: EntryId,
        waiting: &[Waits],
        (queue_of, settings): (impl Fn(EntryId) -> QueueId, impl Fn(QueueId) -> Option<QueueSettings>),
        mistake: Option<Mistake>,
    ) -> Option<Goes> {
        let wrong = |other| mistake == Some(other);
        let talk = self.broken.iter().find(|(talk, _)| talk.entry == gone)?.0.clone();
        let within = settings(talk.queue)?.reconnect_within;
        let theirs = waiting.iter().filter(|waits| waits.caller == talk.caller && waits.since > talk.began);
        let lately = theirs.filter(|waits| now.since(waits.since) < within);
        let to = lately.max_by_key(|waits| (waits.since, waits.id)).filter(|_| !wrong(Mistake::RedialToAnybody))?;
        self.broken.retain(|(talk, _)| talk.entry != gone);
        let came_by_this = queue_of(to.id) == talk.queue || talk.been.contains(&to.queue);
        let since = came_by_this.then(|| to.since - talk.waited);
        let queue = came_by_this.then_some(talk.queue);
        let away = came_by_this.then(|| to.away + talk.waited);
        let priority = came_by_this.then_some(talk.priority);
        Some(Goes { to: to.id, since, away, priority, agent: Some(talk.agent), queue })
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

/// Whether one call of who comes is among those that wait in the same queue.
pub fn one_waits(waiting: &[(&Arrival, QueueId)], comes: &Arrival) -> bool {
    let theirs = |(arrival, queue): &&(&Arrival, QueueId)| {
        is_known(arrival) && arrival.callback.is_none() && arrival.caller == comes.caller && *queue == comes.queue
    };
    is_known(comes) && waiting.iter().filter(theirs).count() == 1
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

//! A day that was: folded again to the same decisions, and its callers taken over into days that were not.

use super::callers::{Caller, stream};
use super::plan::Plan;
use crate::acd::{Acd, AcdEvent, AgentState, Change, Decision, Exit, Hours, Kind, QueueSettings};
use crate::ids::{AgentId, EntryId, QueueId};
use crate::sim::chance::Chance;
use crate::time::{Duration, Time};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Recorded events, folded again.
#[derive(Clone, Debug)]
pub struct Recording {
    acd: Acd,
    decisions: Sha256,
    callers: BTreeMap<EntryId, Seen>,
    talks: BTreeMap<AgentId, EntryId>,
    wrap_ups: BTreeMap<AgentId, WrapUp>,
    replayed: Replayed,
    /// When queues opened, and until when, and when they closed.
    doors: BTreeMap<QueueId, Vec<(Time, Hours)>>,
    /// When each came.
    tasks: Vec<Time>,
    callbacks: Vec<Time>,
}

/// What came on a recorded day and does not come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub tasks: usize,
    /// Promises to call back that were made.
    pub callbacks: usize,
}

/// What a recording came to. The same events from the same state give the same, on every machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    pub events: u64,
    pub decisions: u64,
    /// Events that made no sense: an offer ended that was not made, for one. As many as when they were recorded, unless this
    /// program decides otherwise than that one did.
    pub ignored: u64,
    /// When the first and the last happened.
    pub from: Option<Time>,
    pub to: Option<Time>,
}

/// What was seen of one caller.
#[derive(Clone, Debug)]
struct Seen {
    at: Time,
    queue: QueueId,
    arrival: Change,
    exit: Option<(Exit, Duration)>,
    answered: Option<Time>,
    talk: Option<Duration>,
    notes: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct WrapUp {
    entry: EntryId,
    since: Time,
    until: Time,
}

impl Recording {
    /// From the state that the first event changed.
    pub fn new(acd: Acd) -> Recording {
        let mut recording = Recording {
            doors: BTreeMap::new(),
            tasks: Vec::new(),
            callbacks: Vec::new(),
            acd,
            decisions: Sha256::new(),
            callers: BTreeMap::new(),
            talks: BTreeMap::new(),
            wrap_ups: BTreeMap::new(),
            replayed: Replayed::default(),
        };
        let queues: Vec<QueueId> = recording.acd.queues().map(|(id, _)| id).collect();
        queues.into_iter().for_each(|id| recording.door(id, recording.acd.now()));
        recording
    }

    pub fn apply(&mut self, event: &AcdEvent) {
        self.replayed.events += 1;
        self.replayed.from.get_or_insert(event.at);
        self.replayed.to = Some(event.at);
        if let Some((entry, seen)) = seen(event) {
            self.callers.insert(entry, seen);
        }
        if let Change::TalkEnded { entry, .. } = &event.change
            && let Some(seen) = self.callers.get_mut(entry)
        {
            seen.talk = seen.answered.map(|answered| event.at.since(answered));
        }
        match &event.change {
            Change::Arrive { arrival, .. } if arrival.callback.is_some() => self.callbacks.push(event.at),
            Change::Arrive { arrival, .. } if arrival.kind == Kind::Task => self.tasks.push(event.at),
            _ => {}
        }
        self.acd.apply(event);
        match event.change {
            Change::Queue { id: queue, .. } | Change::Open { queue, .. } | Change::Close { queue } => {
                self.door(queue, event.at);
            }
            _ => {}
        }
        while let Some(decision) = self.acd.poll_decision() {
            self.replayed.decisions += 1;
            self.decisions.update(serde_json::to_vec(&decision).expect("decisions have a form in JSON"));
            self.decided(event.at, &decision);
        }
    }

    /// Notes the hours of the queue where they are others than before. Those that are noted first were its hours before, too, as
    /// far as is known.
    fn door(&mut self, queue: QueueId, at: Time) {
        let Some(hours) = self.acd.hours(queue) else { return };
        let doors = self.doors.entry(queue).or_default();
        match doors.last_mut() {
            None => doors.push((at, hours)),
            Some((noted_at, noted)) if *noted_at == at => *noted = hours,
            Some((_, noted)) if *noted == hours => {}
            Some(_) => doors.push((at, hours)),
        }
    }

    /// When each queue was open on the day that began at `midnight`, as a plan has it; by id.
    pub fn open_hours(&self, midnight: Time) -> Vec<Option<Vec<(Duration, Duration)>>> {
        let never_closes = |(_, hours): &(Time, Hours)| *hours == Hours::Open { until: None };
        let of_queue = |id: u32| {
            let doors = self.doors.get(&QueueId(id)).filter(|doors| !doors.iter().all(never_closes))?;
            let ends = doors.iter().skip(1).map(|(at, _)| *at).chain([Time::NEVER]);
            let open = doors.iter().zip(ends).filter_map(|((from, hours), end)| match hours {
                Hours::Open { until } => Some((*from, until.map_or(end, |until| until.min(end)))),
                Hours::Closed { .. } => None,
            });
            let from = |from: Time| if from == doors[0].0 { Duration::ZERO } else { from.since(midnight) };
            let open = open.map(|(at, to)| (from(at), to.since(midnight)));
            Some(open.filter(|(from, to)| from < to).collect())
        };
        (0..self.queues().len()).map(|id| of_queue(u32::try_from(id).ok()?)).collect()
    }

    fn decided(&mut self, now: Time, decision: &Decision) {
        match decision {
            Decision::Exit { to: Some(_), .. } => {}
            Decision::Exit { entry, exit, waited, .. } => {
                if let Some(seen) = self.callers.get_mut(entry) {
                    seen.exit = Some((*exit, *waited));
                    seen.answered = (*exit == Exit::Answered).then_some(now);
                }
            }
            Decision::Agent { agent, state } => {
                if let Some(WrapUp { entry, since, until }) = self.wrap_ups.remove(agent)
                    && let Some(seen) = self.callers.get_mut(&entry)
                {
                    // A wrap-up that ran out is noticed with the next event.
                    seen.notes = Some(now.min(until).since(since));
                }
                match state {
                    AgentState::Talking { entry, .. } => _ = self.talks.insert(*agent, *entry),
                    AgentState::WrapUp { until } => {
                        if let Some(entry) = self.talks.remove(agent) {
                            self.wrap_ups.insert(*agent, WrapUp { entry, since: now, until: *until });
                        }
                    }
                    _ => {}
                }
            }
            Decision::Offer { .. }
            | Decision::OfferEnded { .. }
            | Decision::NotReached { .. }
            | Decision::Probe { .. } => {}
        }
    }

    /// To be compared with what was noted of it, and not to be changed in another way.
    pub fn state_mut(&mut self) -> &mut Acd {
        &mut self.acd
    }

    /// The state after the last event.
    pub fn state(&self) -> &Acd {
        &self.acd
    }

    pub fn replayed(&self) -> Replayed {
        Replayed { ignored: self.acd.ignored(), ..self.replayed.clone() }
    }

    /// SHA-256 of all decisions, each as JSON, in hex: equal if and only if they are.
    pub fn digest(&self) -> String {
        self.decisions.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The queues as they are at the end, each at the place of its id; of those that are gone by then, the name.
    pub fn queues(&self) -> Vec<QueueSettings> {
        let gone = self.acd.gone_queues().map(|(id, name)| (id, name.to_owned()));
        let mut queues: BTreeMap<QueueId, QueueSettings> =
            gone.map(|(id, name)| (id, QueueSettings { name, ..QueueSettings::default() })).collect();
        queues.extend(self.acd.queues().map(|(id, settings)| (id, settings.clone())));
        let last = queues.keys().last().map_or(0, |last| last.0 + 1);
        (0..last).map(|id| queues.remove(&QueueId(id)).unwrap_or_default()).collect()
    }

    /// The highest queue that was called.
    pub fn last_queue(&self) -> Option<QueueId> {
        self.callers.values().map(|seen| seen.queue).max()
    }

    /// Who called between opening and closing of the plan, on the day that began at `midnight`, as callers of that plan.
    ///
    /// What was seen of a caller stays: when they came, what they needed, how long they talked, how long they waited before they
    /// hung up. What was not is drawn: the talk of who was not answered is that of another caller of the queue; who was
    /// answered would have waited longer, by an exponential time with the mean patience of the queue's callers (all the time
    /// waited over the number who hung up: its maximum-likelihood estimate where many are answered before they give up).
    pub fn callers(&self, plan: &Plan, midnight: Time, seed: u64) -> Vec<Caller> {
        let days = plan.midnight();
        let within = |at: Time| {
            let at = at.since(midnight);
            (plan.opens..plan.closes).contains(&at).then_some(days + at)
        };
        let of_queues = self.of_queues();
        let mut callers: Vec<Caller> = self
            .callers
            .values()
            .filter(|seen| seen.at >= midnight && (seen.queue.0 as usize) < plan.queues.len())
            .filter_map(|seen| {
                let mut chance = stream(seed, 200, seen.at.as_micros());
                Some(caller(seen, within(seen.at)?, &of_queues[&seen.queue], &mut chance))
            })
            .collect();
        callers.sort_by_key(|caller| caller.at);
        callers
    }

    /// What came when [`callers`](Recording::callers) did and is none: nobody is on the line, and what is done with a task, or who
    /// answers when they are called back, the plan does not say.
    pub fn left_out(&self, plan: &Plan, midnight: Time) -> LeftOut {
        let within = |at: &&Time| **at >= midnight && (plan.opens..plan.closes).contains(&at.since(midnight));
        let count = |times: &[Time]| times.iter().filter(within).count();
        LeftOut { tasks: count(&self.tasks), callbacks: count(&self.callbacks) }
    }

    fn of_queues(&self) -> BTreeMap<QueueId, OfQueue> {
        let mut of_queues: BTreeMap<QueueId, OfQueue> = BTreeMap::new();
        for seen in self.callers.values() {
            let of_queue = of_queues.entry(seen.queue).or_default();
            of_queue.talks.extend(seen.talk);
            of_queue.notes.extend(seen.notes);
            if let Some((exit, waited)) = seen.exit {
                of_queue.waited += waited;
                of_queue.gave_up += u32::from(gives_up(exit).is_some());
            }
        }
        of_queues
    }
}

/// What is known of the callers of one queue together.
#[derive(Clone, Debug, Default)]
struct OfQueue {
    talks: Vec<Duration>,
    notes: Vec<Duration>,
    waited: Duration,
    gave_up: u32,
}

fn seen(event: &AcdEvent) -> Option<(EntryId, Seen)> {
    let Change::Arrive { entry, arrival } = &event.change else { return None };
    // Nobody is on the line.
    if arrival.kind == Kind::Task || arrival.callback.is_some() {
        return None;
    }
    let seen = Seen {
        at: event.at,
        queue: arrival.queue,
        arrival: event.change.clone(),
        exit: None,
        answered: None,
        talk: None,
        notes: None,
    };
    Some((*entry, seen))
}

/// The same arrival, of another entry at another time.
pub(super) fn anew(arrival: &Change, recorded_at: Time, new: EntryId, at: Time) -> Change {
    let mut arrival = arrival.clone();
    if let Change::Arrive { entry, arrival } = &mut arrival {
        *entry = new;
        arrival.since = at - recorded_at.since(arrival.since);
    }
    arrival
}

/// The ways out that callers choose.
fn gives_up(exit: Exit) -> Option<Exit> {
    match exit {
        Exit::Abandoned | Exit::ShortAbandoned => Some(Exit::Abandoned),
        Exit::LeftByKey | Exit::Callback | Exit::Transferred => Some(exit),
        _ => None,
    }
}

fn caller(seen: &Seen, at: Time, of_queue: &OfQueue, chance: &mut Chance) -> Caller {
    let mut one_of = |lengths: &[Duration]| (!lengths.is_empty()).then(|| lengths[chance.below(lengths.len())]);
    let talk = seen.talk.or_else(|| one_of(&of_queue.talks)).or(Some(Duration::ZERO));
    let notes = seen.notes.or_else(|| one_of(&of_queue.notes));
    let waited = seen.exit.map_or(Duration::ZERO, |(_, waited)| waited);
    let leaves = seen.exit.and_then(|(exit, _)| gives_up(exit));
    let patience = match leaves {
        Some(_) => Some(waited),
        None if of_queue.gave_up == 0 => None,
        None => Some(waited + chance.exponential(of_queue.waited / of_queue.gave_up)),
    };
    Caller {
        at,
        calls: 0,
        queue: seen.queue,
        talk,
        notes,
        patience,
        leaves: leaves.unwrap_or(Exit::Abandoned),
        recorded: Some(Box::new((seen.at, seen.arrival.clone()))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plain;
    use super::super::{Break, Group, QueueNumbers, Run};
    use super::*;
    use crate::acd::{AgentSettings, Callback};

    const HOUR: Duration = Duration::from_secs(3600);

    /// Five people who write notes and take breaks, and callers with different patience.
    fn day() -> Plan {
        let mut plan = plain(5, 110.0, "lognormal 2m 2m", "exponential 1m", 6 * HOUR);
        plan.queues.push(QueueSettings { name: "other".into(), priority: 3, ..QueueSettings::default() });
        let mut other = plan.calls[0].clone();
        other.queue = QueueId(1);
        plan.calls.push(other);
        plan.calls[0].notes = Some("exponential 20s".parse().unwrap());
        let group = &mut plan.groups[0];
        group.settings = AgentSettings { wrap_up: Duration::from_secs(30), ..AgentSettings::default() };
        group.breaks = vec![Break { at: 2 * HOUR, length: HOUR / 2, spread: HOUR }];
        group.answers_after = "3s".parse().unwrap();
        plan
    }

    #[test]
    fn queues_were_open_as_the_recording_says() {
        let midnight = Time::from_secs(1_000_000);
        let hours = |hours: u32| midnight + HOUR * hours;
        let queue = |id| Change::Queue { id: QueueId(id), settings: QueueSettings::default() };
        let mut recording = Recording::new(Acd::new(0));
        for (at, change) in [
            (0, queue(0)),
            (0, queue(1)),
            (0, Change::Close { queue: QueueId(0) }),
            (3, queue(2)),
            (8, Change::Open { queue: QueueId(0), until: Some(hours(12)) }),
            (9, queue(2)),
            (10, Change::Close { queue: QueueId(2) }),
            (11, queue(2)),
            (12, Change::Open { queue: QueueId(2), until: None }),
            (13, Change::Open { queue: QueueId(0), until: Some(hours(17)) }),
            (15, Change::Close { queue: QueueId(0) }),
            (20, Change::QueueGone { queue: QueueId(1) }),
        ] {
            recording.apply(&AcdEvent { at: hours(at), change });
        }
        let expected = vec![(8 * HOUR, 12 * HOUR), (13 * HOUR, 15 * HOUR)];
        let but_for_two_hours = vec![(Duration::ZERO, 10 * HOUR), (12 * HOUR, Time::NEVER.since(midnight))];
        assert_eq!(recording.open_hours(midnight), [Some(expected), None, Some(but_for_two_hours)]);
        // From a state in the middle of the day it is the same.
        let again = Recording::new(recording.state().clone());
        assert_eq!(again.open_hours(midnight), [Some(vec![]), None, None]);
    }

    #[test]
    fn recorded_tasks_and_promises_to_call_back_are_no_callers_of_the_day_and_are_counted() {
        let plan = day();
        let (mut events, _) = record(&plan);
        let callers = |recording: &Recording| recording.callers(&plan, plan.midnight(), 1);
        let before = callers(&replay(&events));
        let first = events.iter().position(|event| matches!(event.change, Change::Arrive { .. })).unwrap();
        for other in 0..3 {
            let mut event = events[first].clone();
            let Change::Arrive { entry, arrival } = &mut event.change else { unreachable!() };
            *entry = EntryId((1 << 50) + other);
            match other {
                0 => arrival.kind = Kind::Task,
                _ => {
                    arrival.callback =
                        Some(Box::new(Callback { number: format!("+46701{other}"), ..Callback::default() }));
                }
            }
            events.insert(first, event);
        }
        let recording = replay(&events);
        assert_eq!(recording.left_out(&plan, plan.midnight()), LeftOut { tasks: 1, callbacks: 2 });
        assert_eq!(recording.left_out(&plan, plan.midnight() + 24 * HOUR), LeftOut { tasks: 0, callbacks: 0 });
        let at = |callers: Vec<Caller>| callers.into_iter().map(|caller| caller.at).collect::<Vec<Time>>();
        assert_eq!(at(callers(&recording)), at(before));
    }

    fn record(plan: &Plan) -> (Vec<AcdEvent>, Vec<Decision>) {
        let mut run = Run::new(plan, 7);
        run.advance(48 * HOUR);
        (run.events, run.decided)
    }

    fn replay(events: &[AcdEvent]) -> Recording {
        let mut recording = Recording::new(Acd::new(7));
        events.iter().for_each(|event| recording.apply(event));
        recording
    }

    #[test]
    fn recorded_events_give_the_recorded_decisions_bit_for_bit() {
        let (events, decisions) = record(&day());
        // As they come from the disk.
        let lines: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        let events: Vec<AcdEvent> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let recording = replay(&events);
        let mut expected = Sha256::new();
        decisions.iter().for_each(|decision| expected.update(serde_json::to_vec(decision).unwrap()));
        let expected: String = expected.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(recording.digest(), expected);
        assert_eq!(recording.digest(), replay(&events).digest());
        let replayed = recording.replayed();
        assert_eq!((replayed.events, replayed.decisions), (events.len() as u64, decisions.len() as u64));
        assert_eq!((replayed.ignored, replayed.to), (0, events.last().map(|event| event.at)));
        // One talk that ends a microsecond later is another day.
        let mut other = events.clone();
        let end = other.iter().position(|event| matches!(event.change, Change::TalkEnded { .. })).unwrap();
        other[end].at += Duration::from_micros(1);
        assert_ne!(replay(&other).digest(), recording.digest());
    }

    fn played(plan: &Plan, callers: Vec<Caller>) -> Vec<Vec<QueueNumbers>> {
        Run::with_callers(plan, 1, callers).finish().queues
    }

    #[test]
    fn a_recorded_day_with_the_same_people_is_the_same_day() {
        let plan = day();
        let recording = replay(&record(&plan).0);
        let (midnight, recorded) = (plan.midnight(), Run::new(&plan, 7).finish());
        assert_eq!(recording.last_queue(), Some(QueueId(1)));
        assert!(recorded.queues[0].last().unwrap().counts.abandoned() > 10, "somebody hangs up");
        for seed in [1, 2] {
            assert_eq!(played(&plan, recording.callers(&plan, midnight, seed)), recorded.queues);
        }
    }

    #[test]
    fn two_more_people_answer_more_of_the_same_calls() {
        let mut plan = day();
        let recording = replay(&record(&plan).0);
        let before = Run::new(&plan, 7).finish().queues[0].last().unwrap().counts;
        plan.groups.push(Group { agents: 2, from: 3 * HOUR, to: 6 * HOUR, ..plan.groups[0].clone() });
        plan.groups[1].breaks.clear();
        for seed in [1, 2] {
            let after = played(&plan, recording.callers(&plan, plan.midnight(), seed))[0].last().unwrap().counts;
            assert_eq!(after.offered, before.offered);
            assert!(after.answered() > before.answered() + 10, "{after:?} {before:?}");
        }
    }

    /// Where half an hour of talks is not known: those are drawn, and the day has as many callers.
    #[test]
    fn what_was_not_seen_is_drawn_from_what_was() {
        let plan = day();
        let (mut events, _) = record(&plan);
        events.truncate(events.len() / 2);
        let recording = replay(&events);
        let callers = recording.callers(&plan, plan.midnight(), 1);
        let known: Vec<Duration> = recording.callers.values().filter_map(|seen| seen.talk).collect();
        assert!(callers.iter().all(|caller| caller.talk.is_some_and(|talk| known.contains(&talk))));
        assert!(callers.iter().all(|caller| caller.patience.is_some()));
        assert_ne!(callers, recording.callers(&plan, plan.midnight(), 2));
        let hour = Plan { opens: HOUR, closes: 2 * HOUR, ..plan.clone() };
        let in_hour = recording.callers(&hour, plan.midnight(), 1);
        assert!(!in_hour.is_empty() && in_hour.len() < callers.len());
    }
}

//! Tells the distributor when queues open and close and when shifts end, by the calendars of the settings.

use super::Engine;
use crate::acd::{Change, Hours};
use crate::hours::{Calendar, Opening};
use crate::ids::{AgentId, QueueId};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, BTreeSet};

/// A calendar that says nothing of its next change is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(30 * 86_400);

/// When the calendar of a queue or of an agent says something else.
#[derive(Default)]
pub(super) struct Timetable {
    due: BTreeSet<(Time, Whose)>,
    /// The same by whose it is: each has one place.
    at: BTreeMap<Whose, Time>,
    /// Of those who have one.
    shifts: BTreeMap<AgentId, Calendar>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Queue(QueueId),
    Agent(AgentId),
}

impl Timetable {
    pub fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    fn ask_again(&mut self, now: Time, next: Option<Time>, whose: Whose) {
        self.forget(whose);
        let at = next.unwrap_or(now + ASK_AGAIN);
        self.due.insert((at, whose));
        self.at.insert(whose, at);
    }

    fn forget(&mut self, whose: Whose) {
        if let Some(at) = self.at.remove(&whose) {
            self.due.remove(&(at, whose));
        }
    }
}

impl Engine {
    /// As the calendars say now, whatever was the case before.
    pub(super) fn open_queues(&mut self, now: Time) {
        let queues: Vec<QueueId> = self.queues.keys().copied().collect();
        for queue in queues {
            self.tell_hours(now, queue);
        }
    }

    pub(super) fn hours_due(&mut self, now: Time) {
        while self.timetable.next().is_some_and(|due| due <= now) {
            match self.timetable.due.pop_first() {
                Some((_, Whose::Queue(queue))) => self.tell_hours(now, queue),
                Some((_, Whose::Agent(agent))) => self.tell_shift(now, agent),
                None => {}
            }
        }
    }

    /// As the queue's calendar says now, and nothing of what one before it said.
    pub(super) fn set_hours(&mut self, now: Time, queue: QueueId) {
        self.timetable.forget(Whose::Queue(queue));
        self.tell_hours(now, queue);
    }

    fn tell_hours(&mut self, now: Time, queue: QueueId) {
        let calendar = self.settings.hours.get(&*self.queues[&queue].name);
        let (hours, next) = calendar.map_or((Hours::default(), None), |calendar| hours_of(calendar, now));
        if calendar.is_some() {
            self.timetable.ask_again(now, next, Whose::Queue(queue));
        }
        let change = match (self.acd.hours(queue), hours) {
            (Some(told), said) if told == said => return,
            (Some(Hours::Closed { .. }), Hours::Closed { .. }) => return,
            (_, Hours::Open { until }) => Change::Open { queue, until },
            (_, Hours::Closed { .. }) => Change::Close { queue },
        };
        self.acd_apply(now, change);
    }

    /// The agent works by this calendar from now on, or by none.
    pub(super) fn set_shift(&mut self, now: Time, agent: AgentId, shift: Option<Calendar>) {
        self.timetable.forget(Whose::Agent(agent));
        match shift {
            Some(shift) => self.timetable.shifts.insert(agent, shift),
            None => self.timetable.shifts.remove(&agent),
        };
        self.tell_shift(now, agent);
    }

    /// As the agent's calendar says now.
    fn tell_shift(&mut self, now: Time, agent: AgentId) {
        let said = self.timetable.shifts.get(&agent).map(|calendar| hours_of(calendar, now));
        if let Some((_, next)) = said {
            self.timetable.ask_again(now, next, Whose::Agent(agent));
        }
        let hours = said.map_or(Hours::default(), |(hours, _)| hours);
        let told = self.acd.shift_ends(agent);
        let ends = match hours {
            Hours::Open { until } => until,
            // Whenever it ended, it has.
            Hours::Closed { since } => told.filter(|told| *told <= since).or(Some(since)),
        };
        if ends != told {
            self.acd_apply(now, Change::Shift { agent, ends });
        }
    }
}

/// What a calendar says now, and when it says something else.
fn hours_of(calendar: &Calendar, now: Time) -> (Hours, Option<Time>) {
    let next = calendar.next_change(now);
    let hours = match calendar.at(now) {
        Opening::Open => Hours::Open { until: next },
        Opening::Closed | Opening::Holiday => Hours::Closed { since: now },
    };
    (hours, next)
}

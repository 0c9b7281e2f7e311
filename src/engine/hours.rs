//! Tells the distributor when queues open and close, by the calendars of the settings.

use super::Engine;
use crate::acd::{Change, Hours};
use crate::hours::{Calendar, Opening};
use crate::ids::QueueId;
use crate::time::{Duration, Time};
use std::collections::BTreeSet;

/// A calendar that says nothing of its next change is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(30 * 86_400);

/// When the calendar of a queue says something else.
#[derive(Default)]
pub(super) struct Timetable(BTreeSet<(Time, QueueId)>);

impl Timetable {
    pub fn next(&self) -> Option<Time> {
        self.0.first().map(|(at, _)| *at)
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
            if let Some((_, queue)) = self.timetable.0.pop_first() {
                self.tell_hours(now, queue);
            }
        }
    }

    fn tell_hours(&mut self, now: Time, queue: QueueId) {
        let calendar = self.settings.hours.get(&*self.queues[&queue].name);
        let (hours, next) = calendar.map_or((Hours::default(), None), |calendar| hours_of(calendar, now));
        if calendar.is_some() {
            self.timetable.0.insert((next.unwrap_or(now + ASK_AGAIN), queue));
        }
        let change = match (self.acd.hours(queue), hours) {
            (Some(told), said) if told == said => return,
            (Some(Hours::Closed { .. }), Hours::Closed { .. }) => return,
            (_, Hours::Open { until }) => Change::Open { queue, until },
            (_, Hours::Closed { .. }) => Change::Close { queue },
        };
        self.acd_apply(now, change);
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

//! Whom a queue takes, and when it is in vain to wait in it.

use super::ability::Requirement;
use super::deadline::Deadline;
use super::entry::{Entry, Stands};
use super::estimate::Seen;
use super::event::Exit;
use super::line::{NeedId, Place};
use super::queue::Hours;
use super::settings::{InVain, QueueSettings, When};
use super::{Acd, Ignored};
use crate::ids::{EntryId, QueueId};
use crate::need::Attributes;
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};

/// How often it is looked at whether an entry waits too long, where its queue wants to know: counted from when it came.
pub const LOOK: Duration = Duration::from_secs(15);

/// Why an entry does not stay in a queue. Where several hold, the first of these is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// The settings have the queue no more.
    Gone,
    Closed,
    /// It closes so soon that it takes nobody any more.
    LastCall {
        closes: Time,
    },
    /// Of those who could serve the entry nobody is logged in and on shift.
    NobodyThere,
    /// Of those all are paused, or will be after their talk.
    AllPaused,
    /// So many wait, and at `most` so many may; of a promise, promises.
    Full {
        waiting: u32,
        most: u32,
    },
    /// It has not joined yet, and would wait at least so long: longer than it may.
    LongLine {
        expected: Duration,
        longest: Duration,
    },
    /// It waits, and will wait at least so long yet: longer than it may.
    LongWait {
        expected: Duration,
        longest: Duration,
    },
    /// There is no number to call back.
    NoNumber,
    /// The number is to be called back already.
    Promised,
}

impl Obstacle {
    /// How it exits where it cannot go elsewhere.
    pub fn exit(self) -> Exit {
        match self {
            Obstacle::Gone | Obstacle::Closed | Obstacle::LastCall { .. } => Exit::QueueClosed,
            Obstacle::NobodyThere | Obstacle::AllPaused => Exit::NoAgents,
            Obstacle::Full { .. } | Obstacle::LongLine { .. } | Obstacle::NoNumber | Obstacle::Promised => {
                Exit::RefusedFull
            }
            Obstacle::LongWait { .. } => Exit::TimedOut,
        }
    }

    /// When it goes elsewhere.
    pub fn when(self) -> When {
        match self {
            Obstacle::Gone | Obstacle::Closed | Obstacle::LastCall { .. } => When::Closed,
            Obstacle::NobodyThere | Obstacle::AllPaused => When::NoAgents,
            // Promises go nowhere else.
            Obstacle::Full { .. } | Obstacle::NoNumber | Obstacle::Promised => When::Full,
            Obstacle::LongLine { .. } | Obstacle::LongWait { .. } => When::LongWait,
        }
    }

    /// Of a queue where so many wait.
    pub fn full(waiting: usize, most: u32) -> Option<Obstacle> {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        (waiting >= most).then_some(Obstacle::Full { waiting, most })
    }

    /// Agents could have done something about it, so that each of them had a reason.
    pub fn is_want_of_agents(self) -> bool {
        matches!(self, Obstacle::NobodyThere | Obstacle::AllPaused)
    }
}

impl Acd {
    pub(super) fn open(&mut self, id: QueueId, until: Option<Time>) -> Result<(), Ignored> {
        let queue = self.queues.get(&id).ok_or(Ignored)?;
        if until.is_some_and(|until| until <= self.now) || queue.hours == (Hours::Open { until }) {
            return Err(Ignored);
        }
        self.set_hours(id, Hours::Open { until });
        Ok(())
    }

    pub(super) fn close_now(&mut self, id: QueueId) -> Result<(), Ignored> {
        let queue = self.queues.get(&id).ok_or(Ignored)?;
        if let Hours::Closed { .. } = queue.hours {
            return Err(Ignored);
        }
        self.close(id);
        Ok(())
    }

    /// The queue is closed from now on.
    pub(super) fn close(&mut self, id: QueueId) {
        self.set_hours(id, Hours::Closed { since: self.now });
    }

    pub(super) fn set_hours(&mut self, id: QueueId, hours: Hours) {
        let closes = |hours: Hours| match hours {
            Hours::Open { until } => until,
            Hours::Closed { .. } => None,
        };
        let queue = self.queue_mut(id);
        let was_open = matches!(queue.hours, Hours::Open { .. });
        let old = std::mem::replace(&mut queue.hours, hours);
        self.deadlines.set(Deadline::Closing(id), closes(old), closes(hours));
        if was_open != matches!(hours, Hours::Open { .. }) {
            self.replace_all(id);
        }
    }

    /// What keeps an entry out of a queue now; `None`: it may join. `was_here`: it was in its line, or in a talk from it; then it
    /// takes no room that was not its own, and where the queue has closed, it may stay as long as those who wait.
    pub(super) fn obstacle(&mut self, entry: &Entry, id: QueueId, was_here: bool) -> Option<Obstacle> {
        let queue = &self.queues[&id];
        let may_stay = was_here && queue.lets_go().is_none_or(|until| self.now < until);
        if !queue.is_open(self.now) && !may_stay {
            return Some(match queue.hours {
                Hours::Open { until: Some(closes) } => Obstacle::LastCall { closes },
                Hours::Open { until: None } | Hours::Closed { .. } => Obstacle::Closed,
            });
        }
        let unless = queue.settings.join_unless;
        let requirement = self.requirement(entry, id, None, self.now);
        let need = self.take_or_plain(requirement, id);
        let at_last = self.need_at_last(entry, id).map(|requirement| self.take_or_plain(requirement, id));
        let in_vain =
            |rules| self.is_in_vain(rules, need) && at_last.is_none_or(|at_last| self.is_in_vain(rules, at_last));
        // Nobody joins a line only to leave it.
        let in_vain = in_vain(unless) || in_vain(self.queues[&id].settings.leave_when);
        let in_vain = in_vain.then(|| self.want_of_agents(at_last.into_iter().chain([need])));
        let seen = unless.estimate.map(|_| self.seen_by_newcomer(entry, id, need));
        let idle = self.pools.have_idle(&self.lines.need(need).able, entry.kind());
        for need in at_last.into_iter().chain([need]) {
            self.lines.give_need(need, &mut self.pools);
        }
        let queue = &self.queues[&id];
        if in_vain.is_some() || was_here {
            return in_vain;
        }
        let full = Obstacle::full(queue.by_since.len(), queue.settings.max_waiting);
        if full.is_some() {
            return full;
        }
        let expected = self.estimates.least_on_arrival(self.now, id, seen?)?;
        let longest = unless.estimate?;
        (!idle && expected > longest).then_some(Obstacle::LongLine { expected, longest })
    }

    /// Whether nobody is there by these rules for those who need that.
    pub(super) fn is_in_vain(&self, rules: InVain, need: NeedId) -> bool {
        let need = self.lines.need(need);
        rules.no_agents && need.logged_in == 0 || rules.all_paused && need.in_service == 0
    }

    /// What is wanting for an entry with these needs, now and at last, for which it is in vain to wait.
    pub(super) fn want_of_agents(&self, needs: impl IntoIterator<Item = NeedId>) -> Obstacle {
        let is_there = needs.into_iter().any(|need| self.lines.need(need).logged_in > 0);
        if is_there { Obstacle::AllPaused } else { Obstacle::NobodyThere }
    }

    /// What an entry that needs this would have before and behind it.
    fn seen_by_newcomer(&self, entry: &Entry, id: QueueId, need: NeedId) -> Seen {
        let queue = &self.queues[&id];
        let place = Place::new(queue.priority_of(&entry.arrival), queue.rate, entry.since(), entry.place.entry);
        self.seen_from(id, need, place)
    }

    /// What stands before and behind this place among those that compete with it; `place` itself, if it is taken, not counted.
    pub(super) fn seen_from(&self, id: QueueId, need: NeedId, place: Place) -> Seen {
        let queue = &self.queues[&id];
        let able = &self.lines.need(need).able;
        let (mut ahead, mut all) = (0, 0);
        for (other, order) in &queue.order {
            if *other == need || self.lines.need(*other).able.meets(able) {
                ahead += order.rank(place);
                all += order.len() - usize::from(order.has(place));
            }
        }
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let head_since = queue.by_since.iter().find(|(_, entry)| *entry != place.entry).map(|(since, _)| since);
        Seen { ahead: count(ahead), behind: count(all - ahead), head_since }
    }

    /// It is to be looked at whether the entry waits too long.
    pub(super) fn look_due(&mut self, id: EntryId) {
        let entry = &self.entries[&id];
        let next = entry.looks.at().map(|at| at + LOOK);
        let longest = self.queues[&entry.queue()].settings.leave_when.estimate;
        let rung = matches!(entry.stands, Stands::Offered(_));
        self.entry_mut(id).looks = next.into();
        self.deadlines.set(Deadline::Look(id), None, next);
        if rung {
            return;
        }
        let least = self.seen(id).and_then(|seen| self.estimates.least_remaining(self.now, id, seen));
        if let Some((expected, longest)) = least.zip(longest).filter(|(expected, longest)| expected > longest) {
            self.turn_away(id, Obstacle::LongWait { expected, longest });
        }
    }

    /// The entry, for which nobody is rung, has waited as long as it may.
    pub(super) fn time_over(&mut self, id: EntryId) {
        match self.entries[&id].times_out {
            Some((_, Exit::QueueClosed)) => self.turn_away(id, Obstacle::Closed),
            _ => self.exit(id, Exit::TimedOut),
        }
    }

    /// This need, or the plain one of the queue, for one more who holds it.
    pub(super) fn take_or_plain(&mut self, requirement: Option<Requirement>, id: QueueId) -> NeedId {
        match requirement {
            Some(requirement) => self.lines.take_need(&requirement, &mut self.pools),
            None => {
                let plain = self.queues[&id].plain;
                self.lines.hold_need(plain);
                plain
            }
        }
    }

    /// What entries of the queue need that ask for nothing themselves and of which nothing is known.
    pub(super) fn plain_requirement(settings: &QueueSettings, id: QueueId) -> Requirement {
        let nothing = Attributes::new();
        let rules = settings.rules.iter().filter(|rule| rule.when.is_empty());
        let need = rules.fold(settings.needs.resolved(&nothing), |need, rule| need.and(&rule.needs.resolved(&nothing)));
        Requirement { need, team: None, queue: settings.members_only.then_some(id) }
    }

    /// When it is first looked at whether an entry waits too long; `None` if nobody wants to know.
    pub(super) fn first_look(&self, id: QueueId, arrived: Time, is_promise: bool) -> Option<Time> {
        self.queues[&id].settings.leave_when.estimate.filter(|_| !is_promise)?;
        let looks = self.now.since(arrived).as_micros() / LOOK.as_micros() + 1;
        let looks = u32::try_from(looks).unwrap_or(u32::MAX);
        Some(arrived + LOOK.saturating_mul(looks))
    }
}

//! What spares and checks people, as the reader would have it.

use super::*;
use crate::acd::{OccupancyCap, RestReason, RestRule};

#[derive(Default)]
pub(super) struct Strain {
    /// The last call: when it began, its queue's name, and what was known of it.
    call: Option<(Time, String, Attributes)>,
    rules: Vec<RestRule>,
    due: Duration,
    pub rest: Option<(Time, RestReason)>,
    /// The cap asks for a rest, but there are tasks in hand.
    pub next: bool,
    /// All that ever happened: since when occupied or not, under which cap.
    past: Vec<(Time, bool, Option<OccupancyCap>)>,
}

impl Model {
    pub(super) fn change_staff(&mut self, agent: AgentId, change: &Change) {
        let (twice, from_now) = (self.wrong(Mistake::WrapUpExtendedTwice), self.wrong(Mistake::WrapUpExtendedFromNow));
        let now = self.now;
        let a = self.person(agent);
        let more = a.settings.wrap_up_extension;
        match change {
            Change::ExtendWrapUp { .. } if (!a.extended || twice) && more > Duration::ZERO => {
                if let Some(until) = a.wrap_up {
                    a.wrap_up = Some(if from_now { now } else { until } + more);
                    a.extended = true;
                }
            }
            Change::Shift { ends, .. } => {
                a.shift_ends = *ends;
                self.begin_shift(agent);
            }
            Change::ProbeEnded { reachable, .. } if a.probe.is_some() => self.answered_probe(agent, *reachable),
            _ => {}
        }
    }

    /// When nothing is offered any more in this shift.
    pub(super) fn last_offer(&self, agent: &Person) -> Option<Time> {
        let no_margin = self.wrong(Mistake::NoShiftMargin);
        let margin = if no_margin { Duration::ZERO } else { agent.settings.shift_margin };
        agent.shift_ends.filter(|_| !self.wrong(Mistake::ShiftNeverEnds)).map(|ends| ends - margin)
    }

    pub(super) fn begin_shift(&mut self, agent: AgentId) {
        let now = self.now;
        let person = self.agents.iter().find(|a| a.id == agent).expect("known");
        let off = self.last_offer(person).is_some_and(|at| at <= now);
        self.person(agent).off_shift = off;
    }

    /// Whether they could be offered something today.
    pub fn is_there(&self, agent: &Person) -> bool {
        agent.phone && (!agent.off_shift || self.wrong(Mistake::OffShiftCountsAsThere))
    }

    pub(super) fn doubt(&mut self, agent: AgentId) {
        let never = self.wrong(Mistake::NeverProbed);
        let a = self.person(agent);
        a.doubted = a.settings.probe && !never;
    }

    pub(super) fn ask_whether_there(&mut self, agent: AgentId) {
        let deadline = self.now + Duration::from_secs(5);
        let a = self.person(agent);
        if a.doubted && a.phone {
            a.probe = Some(deadline);
            self.decisions.push_back(Decision::Probe { agent, deadline });
        }
    }

    pub(super) fn answered_probe(&mut self, agent: AgentId, reachable: bool) {
        let until = self.now + self.back_off_time(agent);
        let (trusts, forgets) = (self.wrong(Mistake::FailedProbeTrusts), self.wrong(Mistake::ProbeForgetsBackOffs));
        let grows = !self.wrong(Mistake::FailedProbeNeverGrows);
        let a = self.person(agent);
        a.probe = None;
        if reachable {
            a.doubted = false;
            a.backed_off = if forgets { 0 } else { a.backed_off };
        } else {
            a.doubted = !trusts;
            a.back_off = Some(until);
            a.backed_off += i32::from(grows);
        }
    }

    pub(super) fn talk_began(&mut self, agent: AgentId, entry: EntryId) {
        let now = self.now;
        let caller = self.callers.iter().find(|c| c.id == entry).expect("it waits");
        if caller.arrival.kind == Kind::Call {
            let call = (now, self.queue(caller).name.clone(), caller.arrival.attributes.clone());
            let a = self.person(agent);
            (a.strain.call, a.strain.rules) = (Some(call), a.settings.rests.clone());
        }
    }

    /// A call, or a task.
    pub(super) fn talk_over(&mut self, agent: AgentId, call: bool) {
        let now = self.now;
        let (no_rests, no_long) = (self.wrong(Mistake::NoRests), self.wrong(Mistake::NoRestOfLongTalks));
        let (all_queues, all_topics) = (self.wrong(Mistake::RestsOfAllQueues), self.wrong(Mistake::RestsOfAllTopics));
        let one_is_enough = self.wrong(Mistake::OneTopicIsEnough);
        let (add_up, before) = (self.wrong(Mistake::RestsAddUp), self.wrong(Mistake::RestBeginsBeforeWrapUp));
        let a = self.person(agent);
        if let Some((since, queue, attributes)) = a.strain.call.take_if(|_| call) {
            a.strain.due = Duration::ZERO;
            for rule in &a.strain.rules {
                let long = now.since(since) > rule.longer_than && !(no_long && rule.longer_than > Duration::ZERO);
                let of_queue = rule.queue.as_ref().is_none_or(|name| *name == queue) || all_queues;
                let asked = &rule.attribute;
                let having = asked.iter().filter(|(name, value)| attributes.get(name) == Some(value)).count();
                let topic = having == asked.len() || one_is_enough && having > 0;
                if long && of_queue && (topic || all_topics) && !no_rests {
                    a.strain.due = if add_up { a.strain.due + rule.rest } else { a.strain.due.max(rule.rest) };
                }
            }
        }
        if before && a.strain.due > Duration::ZERO {
            let due = std::mem::take(&mut a.strain.due);
            a.strain.rest = Some((now + due, RestReason::Call));
        }
        self.rest_if_due(agent);
    }

    pub(super) fn rest_if_due(&mut self, agent: AgentId) {
        let now = self.now;
        let no_cap = self.wrong(Mistake::NoOccupancyCap);
        let unbounded = self.wrong(Mistake::OccupancyRestNeverBounded);
        let never_drains = self.wrong(Mistake::OccupancyNeverDrains);
        let (with_tasks, own_calls) =
            (self.wrong(Mistake::RestsWithTasksInHand), self.wrong(Mistake::OwnCallsNeverTire));
        let a = self.person(agent);
        let own_call = a.own_call && !own_calls;
        if a.talk.is_some() || a.offer.is_some() || a.wrap_up.is_some() || own_call {
            return;
        }
        let call = std::mem::take(&mut a.strain.due);
        let mut cap = Duration::ZERO;
        if let Some(OccupancyCap { share, burst, longest_rest }) =
            a.settings.occupancy_cap.as_deref().copied().filter(|_| !no_cap)
        {
            let share = i128::from(share.clamp(1, 999));
            let level = a.level(now, never_drains);
            if level > burst.as_micros() as i128 * (1000 - share) {
                let drains = (level + share - 1) / share;
                cap = Duration::from_micros(drains as u64);
                cap = if unbounded { cap } else { cap.min(longest_rest) };
            }
        }
        a.strain.next = !a.tasks.is_empty() && cap > Duration::ZERO && !with_tasks;
        if a.strain.next {
            cap = Duration::ZERO;
        }
        let reason = if cap > call { RestReason::Occupancy } else { RestReason::Call };
        let until = now + cap.max(call);
        if until > now && a.strain.rest.is_none_or(|(earlier, _)| until > earlier) {
            a.strain.rest = Some((until, reason));
        }
    }
}

impl Person {
    pub(super) fn note_strain(&mut self, now: Time) {
        use AgentState::*;
        let occupied = matches!(self.told, Offered { .. } | Talking { .. } | Working { .. } | WrapUp { .. } | Busy);
        self.strain.past.push((now, occupied, self.settings.occupancy_cap.as_deref().copied()));
    }

    pub(super) fn rests_next(&self) -> bool {
        self.strain.next && !self.tasks.is_empty() && self.settings.occupancy_cap.is_some()
    }

    /// What is in the bucket, from the beginning.
    fn level(&self, now: Time, never_drains: bool) -> i128 {
        let mut level = 0;
        for (i, (since, occupied, cap)) in self.strain.past.iter().enumerate() {
            let until = self.strain.past.get(i + 1).map_or(now, |next| next.0);
            let time = until.since(*since).as_micros() as i128;
            level = match cap {
                None => 0,
                Some(cap) if *occupied => level + time * (1000 - i128::from(cap.share.clamp(1, 999))),
                Some(_) if never_drains => level,
                Some(cap) => (level - time * i128::from(cap.share.clamp(1, 999))).max(0),
            };
        }
        level
    }
}

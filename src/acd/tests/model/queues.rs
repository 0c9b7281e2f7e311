//! The model's part about the life of a queue: hours, whom it takes, and where those go whom it does not keep.

use super::*;
use crate::acd::estimate::{Estimates, Seen};
use crate::need::Attributes;

/// What the model knows of a queue beside its settings.
#[derive(Clone, Copy, Default)]
pub struct Door {
    pub closed: Option<Time>,
    pub closes: Option<Time>,
}

impl Model {
    pub fn door(&mut self, queue: QueueId) -> &mut Door {
        self.doors.entry(queue).or_default()
    }

    pub fn change_hours(&mut self, change: &Change) {
        let (Change::Open { queue, .. } | Change::Close { queue }) = change else { return };
        if !self.knows(*queue) {
            return;
        }
        let was = self.doors.get(queue).copied().unwrap_or_default();
        match change {
            Change::Open { until, .. } if until.is_none_or(|until| until > self.now) => {
                *self.door(*queue) = Door { closed: None, closes: *until };
                if was.closed.is_some() {
                    self.replace_queue(*queue);
                }
            }
            Change::Close { .. } if was.closed.is_none() => self.shut(*queue),
            _ => {}
        }
    }

    pub fn shut(&mut self, queue: QueueId) {
        let now = self.now;
        *self.door(queue) = Door { closed: Some(now), closes: None };
        self.replace_queue(queue);
    }

    pub fn replace_queue(&mut self, queue: QueueId) {
        let mut entries: Vec<EntryId> = self.callers.iter().filter(|c| c.queue == queue).map(|c| c.id).collect();
        entries.sort();
        for entry in entries {
            self.replace(entry);
            self.end_unlicensed_of(Some(entry));
            self.send_away_if_hopeless(entry);
        }
    }

    fn is_open(&self, queue: QueueId) -> bool {
        let door = self.doors.get(&queue).copied().unwrap_or_default();
        let last_call = if self.wrong(Mistake::NoLastCall) { Duration::ZERO } else { self.settings(queue).last_call };
        door.closed.is_none() && door.closes.is_none_or(|closes| self.now + last_call < closes)
            || self.wrong(Mistake::ClosedTakes)
    }

    /// Why it cannot join that queue, where it may be or not.
    pub fn why_not_join(&self, caller: &Caller, queue: QueueId, was_here: bool) -> Option<Obstacle> {
        let mut there = Caller { queue, ..caller.clone() };
        if caller.queue != queue {
            self.take_licences_along(&mut there, caller);
        }
        let settings = self.settings(queue).clone();
        let closed = self.doors.get(&queue).and_then(|door| door.closed);
        let lets_go = closed.zip(settings.after_closing).map(|(closed, after)| closed + after);
        let stays = lets_go.is_none_or(|lets_go| self.now < lets_go) || self.wrong(Mistake::PlaceOutlivesClosing);
        if !(self.is_open(queue) || was_here && stays) {
            let closes = self.doors.get(&queue).and_then(|door| door.closes);
            return Some(closes.map_or(Obstacle::Closed, |closes| Obstacle::LastCall { closes }));
        }
        let join_unless = InVain {
            no_agents: settings.join_unless.no_agents && !self.wrong(Mistake::JoinsWithNobodyThere),
            all_paused: settings.join_unless.all_paused && !self.wrong(Mistake::JoinsWhereAllPaused),
            ..settings.join_unless
        };
        if self.in_vain(join_unless, &there) || self.in_vain(settings.leave_when, &there) {
            return Some(self.who_is_missing(&there));
        }
        if was_here && !self.wrong(Mistake::PlaceFindsNoRoom) {
            return None;
        }
        let takes_room = |c: &&Caller| !c.is_promise() || self.wrong(Mistake::PromisesTakeRoom);
        let waiting = self.callers.iter().filter(|c| c.queue == queue).filter(takes_room).count();
        if waiting >= settings.max_waiting as usize && !self.wrong(Mistake::NeverFull) {
            return Some(Obstacle::Full { waiting: waiting as u32, most: settings.max_waiting });
        }
        let longest = settings.join_unless.estimate?;
        let kind = there.arrival.kind as usize;
        let idle = self
            .agents
            .iter()
            .any(|a| a.free[kind] && a.lost.is_none() && a.offer.is_none() && self.can_serve(a, &there));
        // For whom it would be kept is found when it joins.
        let kept_for_nobody = Caller { turn: there.arrival.prefer.len(), ..there };
        let expected = self.estimates.least_on_arrival(self.now, queue, self.seen(&kept_for_nobody))?;
        let too_long = expected > longest && !idle && !self.wrong(Mistake::JoinsLongLines);
        too_long.then_some(Obstacle::LongLine { expected, longest })
    }

    pub fn in_vain(&self, rules: InVain, caller: &Caller) -> bool {
        let (no_agents, all_paused) = (rules.no_agents, rules.all_paused);
        no_agents && !self.could_be_served(caller, true) || all_paused && !self.could_be_served(caller, false)
    }

    /// Now or when it needs less; `paused`: also by agents who are.
    fn could_be_served(&self, caller: &Caller, paused: bool) -> bool {
        let steps = self.queue(caller).relax.iter().chain(&caller.arrival.relax);
        let relaxes = steps.map(|step| caller.since + step.after).any(|at| at > self.now);
        let at_last = Caller { at_last: relaxes && !self.wrong(Mistake::HopesForNothing), ..caller.clone() };
        let there = |a: &&super::model::Person| self.is_there(a) && (paused || a.pause.is_none());
        let can = |a: &super::model::Person| self.can_serve(a, caller) || self.can_serve(a, &at_last);
        self.agents.iter().filter(there).any(can)
    }

    /// Of a caller who waits in vain.
    pub fn who_is_missing(&self, caller: &Caller) -> Obstacle {
        if self.could_be_served(caller, true) { Obstacle::AllPaused } else { Obstacle::NobodyThere }
    }

    pub fn is_hopeless(&self, caller: &Caller) -> bool {
        if caller.is_promise() && !self.wrong(Mistake::PromiseWaitsForNobodyInVain) {
            return false;
        }
        let leave_when = self.queue(caller).leave_when;
        let no_agents = leave_when.no_agents && !self.wrong(Mistake::StaysWithNobodyThere);
        let all_paused = leave_when.all_paused && !self.wrong(Mistake::StaysWhereAllPaused);
        self.in_vain(InVain { no_agents, all_paused, ..leave_when }, caller)
    }

    /// Where it goes of those where it may go.
    pub fn way_out(&self, caller: &Caller, applies: impl Fn(When) -> bool) -> Option<QueueId> {
        if caller.been.len() >= OVERFLOWS_MAX && !self.wrong(Mistake::OverflowsForEver) {
            return None;
        }
        let back = self.wrong(Mistake::OverflowsBack) && caller.been.len() < 3;
        let into_full = self.wrong(Mistake::OverflowsAnyhow);
        let ways = self.queue(caller).overflow.iter().filter(|way| {
            let new = way.to != caller.queue && (back || !caller.been.contains(&way.to));
            new && applies(way.when) && self.is_for(way, caller) && self.knows(way.to)
        });
        ways.map(|way| way.to).find(|to| into_full || self.why_not_join(caller, *to, false).is_none())
    }

    fn is_for(&self, way: &Overflow, caller: &Caller) -> bool {
        let never = match way.when {
            When::After(_) => Mistake::NoOverflowInTime,
            When::Full => Mistake::NoOverflowOfFull,
            When::NoAgents => Mistake::NoOverflowWithoutAgents,
            When::LongWait => Mistake::NoOverflowOfLongWaits,
            When::Closed => Mistake::NoOverflowOfClosed,
        };
        let for_all = self.wrong(Mistake::OverflowsWhoeverItIs);
        (for_all || self.has_all(caller, &way.only)) && !self.wrong(never)
    }

    pub fn has_all(&self, caller: &Caller, asked: &Attributes) -> bool {
        let having = asked.iter().filter(|(name, value)| caller.arrival.attributes.get(name) == Some(value)).count();
        let one_is_enough = having > 0 && self.wrong(Mistake::OneOfAllIsEnough);
        let all = having == asked.len() || one_is_enough;
        all || self.wrong(Mistake::RulesForAll)
    }

    /// It cannot stay, and nobody is rung for it.
    pub fn turn_away(&mut self, id: EntryId, why: Obstacle) {
        let caller = self.callers.iter().find(|c| c.id == id).expect("it waits").clone();
        match self.way_out(&caller, |way| way == when(why)) {
            Some(to) => self.go_on(id, to, Some(why)),
            None => self.exit_to(id, exit(why), None, Some(why)),
        }
    }

    /// Whether the caller goes on to where they were before.
    pub fn returns_to(&self, caller: &Caller, there: QueueId, was_there: bool) -> bool {
        let new = there != caller.queue && !caller.been.contains(&there) && caller.been.len() < OVERFLOWS_MAX;
        let anyhow = self.wrong(Mistake::ReturnsAnyhow);
        new && self.knows(there) && (anyhow || self.why_not_join(caller, there, was_there).is_none())
    }

    pub fn goes_where_it_was(&mut self, id: EntryId, there: QueueId) {
        let Some(caller) = self.callers.iter().find(|c| c.id == id).cloned() else { return };
        if caller.ringing == 0 && self.returns_to(&caller, there, true) {
            self.go_on(id, there, None);
        }
    }

    fn go_on(&mut self, id: EntryId, to: QueueId, why: Option<Obstacle>) {
        let caller = self.callers.iter().find(|c| c.id == id).expect("it waits").clone();
        self.exit_to(id, Exit::Overflowed, Some(to), why);
        self.join(caller, to);
    }

    /// From its queue, which it has left, to another.
    pub fn join(&mut self, mut caller: Caller, to: QueueId) {
        let now = self.now;
        let there = caller.clone();
        self.take_licences_along(&mut caller, &there);
        caller.been.push(std::mem::replace(&mut caller.queue, to));
        caller.queue_then = self.settings(to).clone();
        caller.arrival.queue = to;
        (caller.arrived, caller.tried, caller.looks) = (now, None, None);
        if self.wrong(Mistake::OverflowLosesWait) {
            caller.since = now;
        }
        if self.wrong(Mistake::OverflowLosesRefusals) {
            caller.refusals.clear();
        }
        self.stand(caller);
    }

    fn take_licences_along(&self, caller: &mut Caller, from: &Caller) {
        if !self.wrong(Mistake::OverflowLosesLicences) {
            caller.arrival.need.licences.extend(self.licences(from));
        }
    }

    pub fn stand(&mut self, caller: Caller) {
        let (id, queue, is_promise) = (caller.id, caller.queue, caller.is_promise());
        self.callers.push(caller);
        self.replace(id);
        self.send_away_if_hopeless(id);
        if let Some(caller) = self.callers.iter().find(|c| c.id == id && c.queue == queue && !is_promise) {
            let seen = self.seen(caller);
            self.estimates.arrived(self.now, id, queue, seen);
        }
    }

    pub fn overflows(&self, caller: &Caller) -> Option<Time> {
        if caller.is_promise() {
            return None;
        }
        let ways = self.queue(caller).overflow.iter().filter(|way| self.is_for(way, caller));
        let after = ways.filter_map(|way| match way.when {
            When::After(after) => Some(caller.arrived + after),
            _ => None,
        });
        after.filter(|at| caller.tried.is_none_or(|tried| *at > tried)).min().map(|at| at.max(self.now))
    }

    pub fn overflow_due(&mut self, id: EntryId) {
        let now = self.now;
        let caller = self.caller(id).expect("due");
        caller.tried = Some(now);
        let caller = caller.clone();
        let waited = now.since(caller.arrived);
        if let Some(to) = self.way_out(&caller, |when| matches!(when, When::After(after) if after <= waited)) {
            self.go_on(id, to, None);
        }
    }

    pub fn looks(&self, caller: &Caller) -> Option<Time> {
        self.queue(caller).leave_when.estimate.filter(|_| !caller.is_promise())?;
        let mut at = caller.arrived + LOOK;
        while caller.looks.is_some_and(|looked| at <= looked) {
            at += LOOK;
        }
        Some(at)
    }

    pub fn look_due(&mut self, id: EntryId) {
        let now = self.now;
        let caller = self.caller(id).expect("due");
        caller.looks = Some(now);
        let caller = caller.clone();
        if caller.ringing > 0 || self.wrong(Mistake::LongWaitsStay) {
            return;
        }
        let Some(expected) = self.estimates.least_remaining(now, id, self.seen(&caller)) else { return };
        let Some(longest) = self.queue(&caller).leave_when.estimate else { return };
        if expected > longest {
            self.turn_away(id, Obstacle::LongWait { expected, longest });
        }
    }

    /// When its time is over, and why.
    pub fn times_out(&self, caller: &Caller) -> Option<(Time, Exit)> {
        if let Some(callback) = caller.callback() {
            let never = self.wrong(Mistake::PromiseNeverTooLate);
            return (!never).then_some((callback.until, Exit::TimedOut));
        }
        let queue = self.queue(caller);
        let rules = queue.rules.iter().filter(|rule| self.has_all(caller, &rule.when));
        let of_rules = rules.filter_map(|rule| rule.max_wait).next().filter(|_| !self.wrong(Mistake::RulesLimitNoWait));
        let most = caller.arrival.max_wait.or(of_rules).or(queue.max_wait);
        let closed = self.doors.get(&caller.queue).and_then(|door| door.closed);
        let stays = self.wrong(Mistake::ClosedKeeps);
        let lets_go = closed.zip(queue.after_closing).map(|(closed, after)| closed + after).filter(|_| !stays);
        match (lets_go, most.map(|wait| caller.since + wait + caller.arrival.away)) {
            (Some(closed), timed_out) if timed_out.is_none_or(|at| closed <= at) => Some((closed, Exit::QueueClosed)),
            (_, timed_out) => timed_out.map(|at| (at, Exit::TimedOut)),
        }
    }

    pub fn time_over(&mut self, id: EntryId) {
        let caller = self.callers.iter().find(|c| c.id == id).expect("due");
        match self.times_out(caller) {
            Some((_, Exit::QueueClosed)) => self.turn_away(id, Obstacle::Closed),
            _ => self.exit(id, Exit::TimedOut),
        }
    }

    /// Others of its queue, or of the one it would join, that share an agent with it.
    pub fn seen(&self, caller: &Caller) -> Seen {
        let others: Vec<&Caller> = self.competitors(caller);
        let key = |c: &Caller| (std::cmp::Reverse(self.score(c)), c.since, c.id);
        let ahead = others.iter().filter(|c| key(c) < key(caller)).count();
        let on_the_line = |c: &&Caller| c.queue == caller.queue && c.id != caller.id && !c.is_promise();
        let of_queue = self.callers.iter().filter(on_the_line);
        Seen { ahead: ahead as u32, behind: (others.len() - ahead) as u32, head_since: of_queue.map(|c| c.since).min() }
    }

    pub fn knows(&self, queue: QueueId) -> bool {
        self.queues.iter().any(|(id, _)| *id == queue)
    }

    pub fn settings(&self, queue: QueueId) -> &QueueSettings {
        &self.queues.iter().find(|(id, _)| *id == queue).expect("looked up before").1
    }
}

pub fn when(why: Obstacle) -> When {
    match why {
        Obstacle::Closed | Obstacle::LastCall { .. } | Obstacle::Gone => When::Closed,
        Obstacle::NobodyThere | Obstacle::AllPaused => When::NoAgents,
        Obstacle::Full { .. } => When::Full,
        Obstacle::LongLine { .. } | Obstacle::LongWait { .. } => When::LongWait,
        Obstacle::NoNumber | Obstacle::Promised => unreachable!("a promise goes nowhere else"),
    }
}

pub fn exit(why: Obstacle) -> Exit {
    match why {
        Obstacle::Closed | Obstacle::LastCall { .. } | Obstacle::Gone => Exit::QueueClosed,
        Obstacle::NobodyThere | Obstacle::AllPaused => Exit::NoAgents,
        Obstacle::LongWait { .. } => Exit::TimedOut,
        Obstacle::Full { .. } | Obstacle::LongLine { .. } | Obstacle::NoNumber | Obstacle::Promised => {
            Exit::RefusedFull
        }
    }
}

/// Estimators that trust themselves after two callers, so that histories of a few seconds use them.
pub fn hasty() -> estimate::Settings {
    estimate::Settings { floor: Duration::ZERO, samples_min: 1, error_percent_max: 10_000, answers_min: 1 }
}

pub fn hasty_estimates() -> Estimates {
    Estimates::new(hasty())
}

//! The model's part about those who are to be called back.

use super::back::takes_place;
use super::*;

/// A promise that an agent has.
#[derive(Clone)]
pub struct Dialled {
    pub caller: Caller,
    pub withdrawn: bool,
}

impl Caller {
    pub fn callback(&self) -> Option<&Callback> {
        self.arrival.callback.as_deref()
    }

    pub fn is_promise(&self) -> bool {
        self.arrival.callback.is_some()
    }
}

impl Model {
    pub fn promise(&mut self, mut caller: Caller) {
        let now = self.now;
        let settings = self.settings(caller.queue).clone();
        let callback = caller.arrival.callback.as_deref_mut().expect("a promise");
        let number = callback.number.clone();
        (callback.tries, callback.promised, callback.not_before) = (0, now, callback.not_before.max(now));
        callback.until = now + settings.callback_within;
        let stands = |c: &Caller| c.callback().is_some_and(|callback| callback.number == number);
        let twice = self.callers.iter().chain(self.dialled.iter().map(|d| &d.caller)).any(stands);
        let as_many = self.callers.iter().filter(|c| c.is_promise() && c.queue == caller.queue).count();
        let full = as_many >= settings.max_callbacks as usize && !self.wrong(Mistake::PromisesWithoutEnd);
        let obstacle = match (full, number.is_empty(), twice && !self.wrong(Mistake::PromisedTwice)) {
            (true, ..) => Some(Obstacle::Full { waiting: as_many as u32, most: settings.max_callbacks }),
            (_, true, _) => Some(Obstacle::NoNumber),
            (.., true) => Some(Obstacle::Promised),
            (false, false, false) => None,
        };
        if obstacle.is_some() {
            let (entry, queue, waited) = (caller.id, caller.queue, now.since(caller.since));
            let exit = Exit::RefusedFull;
            self.decisions.push_back(Decision::Exit { entry, queue, exit, waited, to: None, obstacle });
            return;
        }
        caller.arrival.kind = Kind::Call;
        self.stand(caller);
    }

    /// The promise that is made to this caller in the same queue gives its place.
    pub fn promised_place(&self, arrival: &mut Arrival) -> Option<EntryId> {
        if self.wrong(Mistake::PromiseNotWithdrawn) || arrival.kind == Kind::Task || arrival.caller.is_empty() {
            return None;
        }
        let all = self.callers.iter().chain(self.dialled.iter().map(|d| &d.caller));
        let mine = |c: &&Caller| {
            let was_there = c.been.contains(&arrival.queue) && !self.wrong(Mistake::PromiseKnownOnlyWhereItStands);
            let there = c.queue == arrival.queue || was_there;
            there && c.callback().is_some_and(|callback| callback.number == arrival.caller)
        };
        let promise = all.into_iter().find(mine)?;
        let promised = promise.callback().expect("it is one").promised;
        takes_place(arrival, promise.since, promise.arrival.away + self.now.since(promised), self.mistake);
        arrival.priority = arrival.priority.max(promise.arrival.priority);
        Some(promise.id)
    }

    pub fn withdraw(&mut self, id: EntryId) {
        match self.dialled.iter_mut().find(|dialled| dialled.caller.id == id) {
            Some(dialled) => dialled.withdrawn = true,
            None => self.leave_as(id, Exit::Transferred),
        }
    }

    pub fn is_dialled(&mut self, caller: Caller) {
        self.dialled.push(Dialled { caller, withdrawn: false });
    }

    pub fn reached(&mut self, id: EntryId) {
        let Some(which) = self.dialled.iter().position(|dialled| dialled.caller.id == id) else { return };
        let Dialled { caller, .. } = self.dialled.remove(which);
        let agent = self.agents.iter().find(|a| a.talk == Some(id)).expect("it talks").id;
        let (arrival, been) = (Arrival { since: caller.since, ..caller.arrival }, caller.been);
        self.absent.is_answered(self.now, id, agent, (&arrival, &been));
    }

    pub fn dialled_in_vain(&mut self, id: EntryId, broke: bool) {
        let Some(which) = self.dialled.iter().position(|dialled| dialled.caller.id == id) else { return };
        let Dialled { mut caller, withdrawn } = self.dialled.remove(which);
        let (now, queue) = (self.now, caller.queue);
        if !self.knows(queue) {
            self.decisions.push_back(Decision::NotReached { entry: id, queue, again: None });
            return;
        }
        let settings = self.settings(queue).clone();
        let (at_once, for_ever) =
            (self.wrong(Mistake::PromiseRetriedAtOnce), self.wrong(Mistake::PromiseRetriedForEver));
        let callback = caller.arrival.callback.as_deref_mut().expect("a promise");
        if !broke || self.wrong(Mistake::BrokenCallIsTry) {
            callback.tries += 1;
        }
        callback.not_before = if broke || at_once { now } else { now + settings.callback_retry };
        let over = callback.tries >= settings.callback_tries.max(1) && !for_ever;
        let again = callback.not_before;
        if withdrawn || over || self.wrong(Mistake::PromiseLostInVain) {
            self.decisions.push_back(Decision::NotReached { entry: id, queue, again: None });
            return;
        }
        self.decisions.push_back(Decision::NotReached { entry: id, queue, again: Some(again) });
        let turn_over = caller.arrival.prefer.first().map_or(Time::NEVER, |first| now + first.wait);
        let (refusals, stepped, looks) = (Vec::new(), now, None);
        self.stand(Caller {
            arrived: now,
            turn: 0,
            turn_over,
            refusals,
            stepped,
            looks,
            tried: None,
            asleep: false,
            at_last: false,
            ..caller
        });
    }

    /// It is a promise that may be offered to nobody now.
    pub fn sleeps(&self, caller: &Caller) -> bool {
        let Some(callback) = caller.callback() else { return false };
        let closed = self.doors.get(&caller.queue).is_some_and(|door| door.closed.is_some());
        let closed = closed && !self.wrong(Mistake::PromiseKeptWhileClosed);
        (closed || self.now < callback.not_before) && caller.ringing == 0
    }

    /// Its place is found anew: whether it stands in line, and what the estimators know of that.
    pub fn wake_or_sleep(&mut self, id: EntryId) {
        let Some(caller) = self.callers.iter().find(|c| c.id == id) else { return };
        if caller.callback().is_none() {
            return;
        }
        let asleep = self.sleeps(caller);
        let queue = caller.queue;
        self.caller(id).expect("looked at just now").asleep = asleep;
        if asleep {
            self.estimates.forget(id);
        } else if !self.estimates.knows(id) {
            let seen = self.seen(self.callers.iter().find(|c| c.id == id).expect("looked at just now"));
            self.estimates.promised(self.now, id, queue, seen);
        }
    }
}

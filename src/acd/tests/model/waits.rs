//! Callers who come, wait and leave, as the reader would have it.

use super::*;

impl Model {
    pub(super) fn arrive(&mut self, id: EntryId, arrival: &Arrival) {
        let queue = arrival.queue;
        if self.callers.iter().any(|c| c.id == id)
            || self.agents.iter().any(|a| a.talk == Some(id) || a.tasks.contains(&id))
        {
            return;
        }
        let Some((_, settings)) = self.queues.iter().find(|(other, _)| *other == queue) else {
            let exit = Exit::SystemFault;
            let (waited, to, obstacle) = (Duration::ZERO, None, None);
            self.decisions.push_back(Decision::Exit { entry: id, queue, exit, waited, to, obstacle });
            return;
        };
        let settings = settings.clone();
        let mut caller = Caller {
            id,
            queue,
            queue_then: settings.clone(),
            arrival: Arrival { since: arrival.since.min(self.now), ..arrival.clone() },
            since: arrival.since.min(self.now),
            arrived: self.now,
            been: arrival.been.clone(),
            tried: None,
            looks: None,
            ringing: 0,
            turn: 0,
            turn_over: Time::NEVER,
            stepped: self.now,
            refusals: Vec::new(),
            asleep: false,
            at_last: false,
        };
        if caller.is_promise() {
            caller.turn_over = caller.arrival.prefer.first().map_or(Time::NEVER, |first| self.now + first.wait);
            return self.promise(caller);
        }
        let before = self.absent.clone();
        let one_waits = one_waits(&self.callers.iter().map(|c| (&c.arrival, c.queue)).collect::<Vec<_>>(), arrival);
        let was = self.absent.comes_back(self.now, &mut caller.arrival, &settings, self.mistake);
        let promise = self.promised_place(&mut caller.arrival);
        caller.since = caller.arrival.since;
        caller.turn_over = caller.arrival.prefer.first().map_or(Time::NEVER, |first| self.now + first.wait);
        let waited = self.now.since(caller.since);
        let promised_in = self.callers.iter().chain(self.dialled.iter().map(|d| &d.caller));
        let promised_in = promised_in.into_iter().find(|c| Some(c.id) == promise).map(|c| c.queue);
        let elsewhere = was.elsewhere.map(|there| (there, true)).or(promised_in.map(|there| (there, false)));
        let back = elsewhere.filter(|(there, was_there)| self.returns_to(&caller, *there, *was_there));
        let back = back.map(|(there, _)| there);
        if let Some(there) = back {
            if let Some(promise) = promise {
                self.withdraw(promise);
            }
            let (exit, to) = (Exit::Overflowed, Some(there));
            self.decisions.push_back(Decision::Exit { entry: id, queue, exit, waited, to, obstacle: None });
            return self.join(caller, there);
        }
        let why = self.why_not_join(&caller, queue, was.here || one_waits);
        let to = why.and_then(|why| self.way_out(&caller, |way| way == queues::when(why)));
        if let Some(promise) = promise.filter(|_| why.is_none() || to.is_some()) {
            self.withdraw(promise);
        }
        match (why, to) {
            (None, _) => self.stand(caller),
            (Some(_), Some(to)) => {
                self.decisions.push_back(Decision::Exit {
                    entry: id,
                    queue,
                    exit: Exit::Overflowed,
                    waited,
                    to: Some(to),
                    obstacle: why,
                });
                self.join(caller, to);
            }
            (Some(why), None) => {
                if !self.wrong(Mistake::PlaceUsedUpByFull) {
                    self.absent = before;
                }
                let (exit, obstacle) = (queues::exit(why), Some(why));
                self.decisions.push_back(Decision::Exit { entry: id, queue, exit, waited, to: None, obstacle });
            }
        }
    }

    pub(super) fn who_waits(&self) -> Vec<Waits> {
        self.callers.iter().filter_map(|c| Waits::of(c.id, &c.arrival, &c.been, c.since)).collect()
    }

    pub(super) fn redialled(&mut self, goes: Option<Goes>) {
        let Some(Goes { to, since, away, priority, agent, queue: there }) = goes else { return };
        let now = self.now;
        let queue = self.callers.iter().find(|c| c.id == to).expect("it waits").queue;
        let wait = self.settings(queue).reconnect_wait;
        let caller = self.caller(to).expect("looked at just now");
        caller.since = since.unwrap_or(caller.since);
        caller.arrival.since = caller.since;
        caller.arrival.away = away.unwrap_or(caller.arrival.away);
        caller.arrival.priority = priority.map_or(caller.arrival.priority, |old| old.max(caller.arrival.priority));
        if let Some(agent) = agent {
            caller.turn = caller.turn.min(caller.arrival.prefer.len());
            caller.arrival.prefer.insert(caller.turn, Prefer { who: Who::Agent(agent), wait });
            caller.turn_over = now + wait;
        }
        self.replace(to);
        self.end_unlicensed_of(Some(to));
        self.send_away_if_hopeless(to);
        if let Some(there) = there {
            self.goes_where_it_was(to, there);
        }
    }

    pub(super) fn leave(&mut self, id: EntryId, exit: Exit) {
        use Exit::*;
        let Some(caller) = self.callers.iter().find(|c| c.id == id) else { return };
        let short = self.now.since(caller.since) < self.queue(caller).short_abandon;
        let exit = match exit {
            Abandoned if caller.is_promise() && !self.wrong(Mistake::PromiseAbandoned) => return,
            Abandoned if short && !self.wrong(Mistake::ShortAbandonNotTold) => ShortAbandoned,
            Abandoned | LeftByKey | Transferred | SystemFault | Callback | Overflowed | QueueClosed => exit,
            Answered | ShortAbandoned | TimedOut | NoAgents | RefusedFull => return,
        };
        self.leave_as(id, exit);
    }

    pub fn leave_as(&mut self, id: EntryId, exit: Exit) {
        let caller = self.callers.iter().find(|c| c.id == id).expect("it waits");
        let left = Arrival { since: caller.since, ..caller.arrival.clone() };
        let settings = self.queue(caller).clone();
        self.absent.leaves(self.now, id, (&left, &caller.been), exit, &settings, self.mistake);
        let ringing = self.rung_for(id);
        for agent in &ringing {
            self.take_apart(*agent, Outcome::CallerGone);
        }
        let again = self.callers.iter().find(|c| c.id == id && self.wrong(Mistake::AbandonedTwice)).cloned();
        self.exit(id, exit);
        let lost = self.wrong(Mistake::IdlePlaceLostByCallerGone);
        self.tell_states(if lost { &[] } else { &ringing });
        let waiting = self.who_waits();
        let goes = self.absent.goes_at_once(self.now, id, &waiting, self.mistake);
        self.redialled(goes);
        self.callers.extend(again.filter(|c| c.since.as_secs().is_multiple_of(7)).map(|c| Caller { ringing: 0, ..c }));
    }

    pub fn send_away_if_hopeless(&mut self, entry: EntryId) {
        let caller = self.callers.iter().find(|c| c.id == entry);
        if let Some(caller) = caller.filter(|c| c.ringing == 0 && self.is_hopeless(c)) {
            let missing = self.who_is_missing(caller);
            self.turn_away(entry, missing);
        }
    }

    /// Entries for which nobody is rung go on to the next they are kept for, when who they are kept for is not there.
    pub(super) fn pass_over_the_absent(&mut self) {
        for i in 0..self.callers.len() {
            if self.callers[i].ringing == 0 {
                self.pass_over(i);
            }
        }
    }

    /// Its place is found anew, whether or not somebody is rung for it.
    pub fn replace(&mut self, id: EntryId) {
        if let Some(i) = self.callers.iter().position(|c| c.id == id) {
            self.callers[i].stepped = self.now;
            self.pass_over(i);
            self.wake_or_sleep(id);
        }
    }

    pub(super) fn pass_over(&mut self, i: usize) {
        if self.sleeps(&self.callers[i]) {
            return;
        }
        while let Some(prefer) = self.callers[i].arrival.prefer.get(self.callers[i].turn) {
            let c = &self.callers[i];
            let there = |a: &&Person| {
                let who = match &prefer.who {
                    Who::Agent(agent) => a.id == *agent,
                    Who::Team(team) => a.settings.teams.contains(team),
                };
                let refused = c.refusals.iter().any(|r| r.agent == a.id) && !self.wrong(Mistake::KeptAfterRefusal);
                let in_service = self.is_there(a) && a.pause.is_none() || self.wrong(Mistake::KeptForTheAbsent);
                who && in_service && self.can_serve(a, c) && !refused
            };
            let over = self.now >= c.turn_over && !self.wrong(Mistake::KeptForEver);
            if self.agents.iter().any(|a| there(&a)) && !over && !self.wrong(Mistake::KeptForNobody) {
                break;
            }
            let turn = c.turn + 1;
            let turn_over = c.arrival.prefer.get(turn).map_or(Time::NEVER, |next| self.now + next.wait);
            (self.callers[i].turn, self.callers[i].turn_over) = (turn, turn_over);
            self.callers[i].stepped = self.now;
        }
    }

    pub fn exit(&mut self, id: EntryId, exit: Exit) {
        self.exit_to(id, exit, None, None);
    }

    pub fn exit_to(&mut self, id: EntryId, exit: Exit, to: Option<QueueId>, obstacle: Option<Obstacle>) {
        self.estimates.exited(self.now, id, exit);
        let index = self.callers.iter().position(|c| c.id == id).expect("only those who wait exit");
        let caller = self.callers.remove(index);
        self.count_exit(&caller, exit);
        let waited = self.now.since(caller.since);
        self.decisions.push_back(Decision::Exit { entry: id, queue: caller.queue, exit, waited, to, obstacle });
    }

    pub(super) fn send_away_the_hopeless(&mut self) {
        self.send_away_the_hopeless_but(None);
    }

    pub(super) fn send_away_the_hopeless_but(&mut self, but: Option<EntryId>) {
        let hopeless = self.callers.iter().filter(|c| c.ringing == 0 && self.is_hopeless(c) && but != Some(c.id));
        let mut hopeless: Vec<EntryId> = hopeless.map(|c| c.id).collect();
        hopeless.sort();
        for id in hopeless {
            let caller = self.callers.iter().find(|c| c.id == id).expect("looked at just now");
            let missing = self.who_is_missing(caller);
            self.turn_away(id, missing);
        }
    }

    pub(super) fn forget_refusals_by(&mut self, agent: AgentId) {
        for caller in &mut self.callers {
            caller.refusals.retain(|refusal| refusal.agent != agent);
        }
    }
}

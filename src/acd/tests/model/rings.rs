//! Agents who are rung, as the reader would have it.

use super::*;

impl Model {
    /// In the order in which they were rung.
    pub(super) fn rung_for(&self, id: EntryId) -> Vec<AgentId> {
        let mut rung: Vec<(OfferId, AgentId)> = self
            .agents
            .iter()
            .filter_map(|a| a.offer.filter(|(_, e, _)| *e == id).map(|(o, _, _)| (o, a.id)))
            .collect();
        rung.sort();
        rung.into_iter().map(|(_, agent)| agent).collect()
    }

    /// Ends offers of those whose licence is not there any more.
    pub(super) fn end_unlicensed(&mut self) {
        self.end_unlicensed_of(None);
    }

    pub fn end_unlicensed_of(&mut self, only: Option<EntryId>) {
        if self.wrong(Mistake::LicenceLostLetsRing) {
            return;
        }
        let mut rung: Vec<(AgentId, EntryId)> =
            self.agents.iter().filter_map(|a| a.offer.map(|(_, entry, _)| (a.id, entry))).collect();
        rung.sort();
        for (agent, entry) in rung.into_iter().filter(|(_, entry)| only.is_none_or(|only| only == *entry)) {
            let caller = self.callers.iter().find(|c| c.id == entry).expect("rung for");
            let person = self.agents.iter().find(|a| a.id == agent).expect("rung");
            if !self.is_licensed(person, caller) {
                self.end_ringing(agent, Outcome::Withdrawn);
            }
        }
    }

    /// Ends the offer of this agent, if there is one.
    pub(super) fn end_ringing(&mut self, agent: AgentId, outcome: Outcome) {
        let Some((_, entry, _)) = self.person(agent).offer else { return };
        self.take_apart(agent, outcome);
        let rang = matches!(outcome, Outcome::Accepted | Outcome::Declined | Outcome::NoAnswer);
        if rang && !self.wrong(Mistake::BackOffGrowthKeptByRinging) {
            self.person(agent).backed_off = 0;
        }
        if outcome == Outcome::Accepted {
            let others = self.rung_for(entry);
            if !self.wrong(Mistake::RingAllLetsRing) {
                for other in &others {
                    self.take_apart(*other, Outcome::AnsweredElsewhere);
                }
            }
            let kind = self.caller(entry).expect("it was offered").arrival.kind;
            let a = self.person(agent);
            a.calls += 1;
            match kind {
                Kind::Call => a.talk = Some(entry),
                Kind::Task => a.tasks.push(entry),
            }
            let caller = self.callers.iter().find(|c| c.id == entry).expect("it was offered");
            let (arrival, been) = (Arrival { since: caller.since, ..caller.arrival.clone() }, &caller.been);
            if caller.is_promise() {
                let caller = caller.clone();
                self.is_dialled(caller);
            } else {
                self.absent.is_answered(self.now, entry, agent, (&arrival, been));
            }
            self.talk_began(agent, entry);
            self.count_talk(agent, entry);
            self.exit(entry, Exit::Answered);
            let lost = self.wrong(Mistake::IdlePlaceLostByAnsweredElsewhere);
            self.tell_states(if lost { &[] } else { &others });
            return;
        }
        let now = self.now;
        if matches!(outcome, Outcome::Declined | Outcome::NoAnswer) && !self.wrong(Mistake::RefusalsForgotten) {
            let caller = self.callers.iter().find(|c| c.id == entry).expect("it was offered");
            let retry = self.queue(caller).retry_same_agent;
            let second = Duration::from_secs(1);
            let just_now = self.person(agent).settings.back_off.min(retry).max(second);
            let caller = self.caller(entry).expect("it was offered");
            caller.refusals.retain(|refusal| refusal.agent != agent);
            let until = now + retry.max(just_now);
            caller.refusals.push(Refusal { agent, just_now: Some(now + just_now), until });
        }
        if outcome == Outcome::NoAnswer {
            self.doubt(agent);
        }
        let rona = self.person(agent).settings.rona_pause;
        if outcome == Outcome::NoAnswer && rona > Duration::ZERO && !self.wrong(Mistake::NoRonaPause) {
            self.person(agent).pause = Some(("no answer".to_owned(), Some(now + rona)));
        } else if outcome == Outcome::NoAnswer {
            self.ask_whether_there(agent);
        }
        let keeps_place = [agent];
        self.tell_states_but(if outcome == Outcome::Withdrawn { &keeps_place } else { &[] }, Some(entry));
        let lost = self.wrong(Mistake::PlaceLostByRefusal);
        let caller = self.caller(entry).expect("it was offered");
        if lost {
            caller.since = now;
        }
        if caller.ringing > 0 {
            return;
        }
        let caller = caller.clone();
        let timed_out = self.times_out(&caller).is_some_and(|(at, _)| at <= now);
        if timed_out && !self.wrong(Mistake::LongestWaitForgottenAfterRinging) {
            self.time_over(entry);
        } else {
            self.replace(entry);
            self.send_away_if_hopeless(entry);
        }
    }

    /// Twice as long as the one before it, up to a bound.
    pub(super) fn back_off_time(&mut self, agent: AgentId) -> Duration {
        let (never_grows, for_ever) =
            (self.wrong(Mistake::BackOffNeverGrows), self.wrong(Mistake::BackOffGrowsForEver));
        let a = self.person(agent);
        let first = a.settings.back_off.max(Duration::from_secs(1));
        let grown = first.mul_f64(2f64.powi(a.backed_off.min(40)));
        match (never_grows, for_ever) {
            (true, _) => first,
            (_, true) => grown,
            _ if grown > a.settings.back_off_max => a.settings.back_off_max.max(first),
            _ => grown,
        }
    }

    pub(super) fn answered(&mut self, offer: OfferId, until: Time) {
        let until = until.max(self.now + Duration::from_secs(1));
        let Some(a) = self.agents.iter().find(|a| a.offer.is_some_and(|(o, _, _)| o == offer)) else { return };
        let (agent, entry) = (a.id, a.offer.expect("found by it").1);
        if !self.wrong(Mistake::AnswerKeepsDeadline) {
            self.person(agent).offer = Some((offer, entry, until));
        }
        self.person(agent).answered = true;
        if self.wrong(Mistake::AnswerRingsOn) {
            return;
        }
        let others: Vec<AgentId> = self.rung_for(entry).into_iter().filter(|other| *other != agent).collect();
        for other in &others {
            self.take_apart(*other, Outcome::AnsweredElsewhere);
        }
        self.tell_states(&others);
    }

    pub(super) fn take_apart(&mut self, agent: AgentId, outcome: Outcome) {
        let (offer, entry, _) = self.person(agent).offer.take().expect("the caller has seen it");
        self.person(agent).answered = false;
        if let Some(caller) = self.caller(entry) {
            caller.ringing = caller.ringing.saturating_sub(1);
            if caller.ringing == 0 {
                self.estimates.rung_no_more(entry);
            }
        }
        self.decisions.push_back(Decision::OfferEnded { offer, entry, agent, outcome });
    }
}

//! One offer, from the first ring to its outcome.
//!
//! ```text
//!            make_offers            Accepted
//! in line ───────────────▶ rings ─────────────▶ talk
//!    ▲                       │ Declined · Busy · NoAnswer · Unreachable
//!    │                       │ Withdrawn
//!    └───────────────────────┤ (same place, once nobody else is rung for it)
//!                            │ CallerGone · AnsweredElsewhere
//!                            └─────────────▶ exit
//! ```
//!
//! The agent and the entry are both taken the moment the offer is made, and both are given back in the moment it ends,
//! by whatever ends it: the phone, the deadline, the caller, or the agent's pause, own call or lost phone. Where the agent is told
//! something between the answer and the talk, the offer stands meanwhile, with a deadline of its own: whatever goes wrong then, the
//! entry has kept its place.

use super::agent::{Pause, Task};
use super::deadline::Deadline;
use super::entry::{Refusal, Stands};
use super::event::{Decision, Exit, Kind, Outcome, TalkDetail};
use super::line::Refused;
use super::{Acd, Ignored};
use crate::ids::{AgentId, EntryId, OfferId};
use crate::time::{Duration, Time};

impl Acd {
    /// Rings idle agents for an entry in line.
    pub(super) fn offer(&mut self, entry_id: EntryId, agents: &[AgentId]) {
        self.leave_line(entry_id);
        let now = self.now;
        let entry = self.entry_mut(entry_id);
        entry.stands = Stands::Offered(agents.to_vec());
        let queue_id = entry.queue();
        let (times_out, overflows) = (entry.times_out.map(|(at, _)| at), entry.overflows.at());
        self.deadlines.set(Deadline::MaxWait(entry_id), times_out, None);
        self.deadlines.set(Deadline::Overflow(entry_id), overflows, None);
        self.estimates.rung(now, entry_id);
        let queue = self.queue_mut(queue_id);
        queue.last_rung = agents.last().copied();
        let ring_time = queue.settings.ring_time;
        for agent_id in agents {
            self.last_offer = self.last_offer.wrapping_add(1);
            let offer = OfferId(self.last_offer);
            let agent = self.agent_mut(*agent_id);
            let deadline = now + agent.ring_time(ring_time);
            agent.task = Task::Offered { offer, entry: entry_id, deadline, answered: false };
            self.deadlines.set(Deadline::Offer(*agent_id), None, Some(deadline));
            self.offers.insert(offer, *agent_id);
            let decision = Decision::Offer { offer, entry: entry_id, queue: queue_id, agent: *agent_id, deadline };
            self.decide(decision);
            self.refresh_keeping_idle(*agent_id);
        }
    }

    pub(super) fn offer_ended_by_phone(&mut self, offer: OfferId, outcome: Outcome) -> Result<(), Ignored> {
        let agent = *self.offers.get(&offer).ok_or(Ignored)?;
        match outcome {
            Outcome::CallerGone => {
                let Task::Offered { entry, .. } = self.agents[&agent].task else {
                    unreachable!("offers lists the agents who are offered something");
                };
                return self.leave(entry, Exit::Abandoned);
            }
            // Nobody but the distributor knows of these.
            Outcome::AnsweredElsewhere | Outcome::Withdrawn => return Err(Ignored),
            Outcome::Busy | Outcome::Unreachable => {
                self.back_off(agent);
                if outcome == Outcome::Unreachable {
                    self.doubt(agent);
                }
            }
            Outcome::Accepted | Outcome::Declined | Outcome::NoAnswer => {}
        }
        self.offer_ended(agent, outcome);
        Ok(())
    }

    /// The agent has answered and is told something first.
    pub(super) fn answered(&mut self, offer: OfferId, until: Time) -> Result<(), Ignored> {
        let agent_id = *self.offers.get(&offer).ok_or(Ignored)?;
        let until = until.max(self.now + SHORTEST);
        let agent = self.agent_mut(agent_id);
        let Task::Offered { deadline, entry, answered, .. } = &mut agent.task else {
            unreachable!("offers lists the agents who are offered something");
        };
        *answered = true;
        let (old, entry_id) = (std::mem::replace(deadline, until), *entry);
        self.deadlines.set(Deadline::Offer(agent_id), Some(old), Some(until));
        let others = match &self.entries[&entry_id].stands {
            Stands::Offered(agents) => agents.iter().copied().filter(|other| *other != agent_id).collect(),
            Stands::InLine(_) | Stands::Asleep | Stands::Nowhere => Vec::new(),
        };
        for other in &others {
            self.withdraw(*other, Outcome::AnsweredElsewhere);
        }
        self.refresh(agent_id);
        for other in others {
            self.refresh_keeping_idle(other);
        }
        Ok(())
    }

    /// Ends the offer of this agent with any outcome but `CallerGone`, and says what becomes of the two.
    pub(super) fn offer_ended(&mut self, agent_id: AgentId, outcome: Outcome) {
        let entry_id = self.withdraw(agent_id, outcome);
        // A person heard it ring, so the phone is neither out of reach nor refusing by itself.
        if matches!(outcome, Outcome::Accepted | Outcome::Declined | Outcome::NoAnswer) {
            self.agent_mut(agent_id).backed_off = 0;
        }
        match outcome {
            Outcome::Accepted => return self.accepted(entry_id, agent_id),
            Outcome::NoAnswer => {
                self.doubt(agent_id);
                let time = self.agents[&agent_id].settings.rona_pause;
                if time > Duration::ZERO {
                    let pause = Pause { reason: NO_ANSWER.to_owned(), until: Some(self.now + time) };
                    self.set_pause(agent_id, Some(pause));
                } else {
                    self.probe_doubted(agent_id);
                }
                self.remember_refusal(entry_id, agent_id);
            }
            Outcome::Declined => self.remember_refusal(entry_id, agent_id),
            // Nobody refused the caller: the agent backs off, is offline or on their own call, and may take this entry
            // after it.
            Outcome::Busy | Outcome::Unreachable | Outcome::Withdrawn => {}
            Outcome::CallerGone => unreachable!("the entry's leaving ends the offer"),
            Outcome::AnsweredElsewhere => unreachable!("the acceptance of another offer ends this one"),
        }
        if outcome == Outcome::Withdrawn {
            self.refresh_keeping_idle(agent_id);
        } else {
            self.refresh(agent_id);
        }
        let entry = &self.entries[&entry_id];
        if entry.stands != Stands::Nowhere {
            // Others are still rung for it.
            return;
        }
        if entry.times_out.is_some_and(|(at, _)| at <= self.now) {
            self.time_over(entry_id);
        } else {
            // It may be kept for somebody else from now on.
            self.replace(entry_id);
        }
    }

    fn accepted(&mut self, entry_id: EntryId, agent_id: AgentId) {
        let entry = &self.entries[&entry_id];
        let others = match &entry.stands {
            Stands::Offered(agents) => agents.clone(),
            Stands::InLine(_) | Stands::Asleep | Stands::Nowhere => Vec::new(),
        };
        let kind = entry.kind();
        if kind == Kind::Call {
            let name = &self.queues[&entry.queue()].settings.name;
            let rests = self.agents[&agent_id].rests_after(name, &entry.arrival.attributes);
            let now = self.now;
            self.agent_mut(agent_id).talk_began(now, rests);
        }
        for other in &others {
            self.withdraw(*other, Outcome::AnsweredElsewhere);
        }
        let agent = self.agent_mut(agent_id);
        agent.calls = agent.calls.saturating_add(1);
        match kind {
            Kind::Call => agent.task = Task::Talking { entry: entry_id, detail: TalkDetail::default() },
            Kind::Task => {
                agent.tasks.insert(entry_id);
                self.take_in_hand(entry_id);
            }
        }
        self.talks.insert(entry_id, agent_id);
        self.talk_begins(entry_id);
        self.exit(entry_id, Exit::Answered);
        self.refresh(agent_id);
        for other in others {
            self.refresh_keeping_idle(other);
        }
    }

    /// Takes agent and entry apart and says so.
    pub(super) fn withdraw(&mut self, agent_id: AgentId, outcome: Outcome) -> EntryId {
        let task = std::mem::replace(&mut self.agent_mut(agent_id).task, Task::None);
        let Task::Offered { offer, entry, deadline, .. } = task else {
            unreachable!("only agents who are offered something are asked to end it");
        };
        let now = self.now;
        self.offers.remove(&offer);
        self.deadlines.set(Deadline::Offer(agent_id), Some(deadline), None);
        let waiting = self.entry_mut(entry);
        let Stands::Offered(agents) = &mut waiting.stands else {
            unreachable!("an entry for which somebody is rung is offered");
        };
        agents.retain(|other| *other != agent_id);
        if agents.is_empty() {
            waiting.stands = Stands::Nowhere;
            let times_out = waiting.times_out.map(|(at, _)| at);
            let overflows = waiting.overflows.at().map(|at| at.max(now));
            waiting.overflows = overflows.into();
            self.deadlines.set(Deadline::MaxWait(entry), None, times_out);
            self.deadlines.set(Deadline::Overflow(entry), None, overflows);
            self.estimates.rung_no_more(entry);
        }
        self.decide(Decision::OfferEnded { offer, entry, agent: agent_id, outcome });
        let (now, kind) = (self.now, self.entries[&entry].kind());
        self.truth_of(kind).offer_ended(now, agent_id, outcome);
        entry
    }

    /// Ends the offer of this agent, if there is one, when a licence that its entry needs is not there any more.
    pub(super) fn withdraw_unlicensed(&mut self, agent_id: AgentId) {
        let agent = &self.agents[&agent_id];
        let Task::Offered { entry, .. } = agent.task else { return };
        let needed = &self.lines.need(self.entries[&entry].need).requirement.need.licences;
        if !needed.is_subset(&self.pools.pool(agent.pool).abilities.licences) {
            self.offer_ended(agent_id, Outcome::Withdrawn);
        }
    }

    fn remember_refusal(&mut self, entry_id: EntryId, agent_id: AgentId) {
        let retry = self.queues[&self.entries[&entry_id].queue()].settings.retry_same_agent;
        let agent = self.agent_mut(agent_id);
        let (just_now, until) = agent.refusal_times(retry);
        agent.refused.insert(entry_id);
        let refusal = Refusal { phase: Refused::JustNow, just_now: self.now + just_now, until: self.now + until };
        let old = self.entry_mut(entry_id).refusals.insert(agent_id, refusal);
        let old = old.map(|refusal| refusal.deadline());
        self.deadlines.set(Deadline::Refusal(entry_id, agent_id), old, Some(refusal.deadline()));
    }

    /// A phase of a refusal is over: the entry may go back to the agent as a last resort, or freely.
    pub(super) fn refusal_ages(&mut self, entry_id: EntryId, agent_id: AgentId) {
        let in_line = matches!(self.entries[&entry_id].stands, Stands::InLine(_));
        self.leave_line(entry_id);
        let now = self.now;
        let entry = self.entry_mut(entry_id);
        let refusal = entry.refusals.get_mut(&agent_id).expect("a refusal's deadline ends with it");
        if refusal.phase == Refused::JustNow && refusal.until > now {
            refusal.phase = Refused::Lately;
            let until = refusal.until;
            self.deadlines.set(Deadline::Refusal(entry_id, agent_id), None, Some(until));
        } else {
            entry.refusals.remove(&agent_id);
            self.agent_mut(agent_id).refused.remove(&entry_id);
        }
        if in_line {
            self.enter_line(entry_id);
        }
    }

    /// The agent has said by hand that they take calls now.
    pub(super) fn forget_refusals_by(&mut self, agent_id: AgentId) {
        for entry_id in std::mem::take(&mut self.agent_mut(agent_id).refused) {
            let in_line = matches!(self.entries[&entry_id].stands, Stands::InLine(_));
            self.leave_line(entry_id);
            let refusal = self.entry_mut(entry_id).refusals.remove(&agent_id).expect("listed by the agent");
            self.deadlines.set(Deadline::Refusal(entry_id, agent_id), Some(refusal.deadline()), None);
            if in_line {
                self.enter_line(entry_id);
            }
        }
    }
}

/// An agent who answered has at least so long to hear what they are told.
const SHORTEST: Duration = Duration::from_secs(1);

/// The reason of a pause that follows an offer not answered (RONA).
const NO_ANSWER: &str = "no answer";

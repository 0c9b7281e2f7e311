//! What the ACD decides, and how it is carried out.

use super::Engine;
use super::calls::{ELSEWHERE, Offer, Queued, Stage, Talk};
use crate::acd::{AgentState, Change, Decision, Exit, Outcome};
use crate::flow::{Input as FlowInput, QueueResult};
use crate::ids::{AgentId, CallId, EntryId, OfferId, QueueId};
use crate::record::What;
use crate::sip::Headers;
use crate::time::{Duration, Time};

/// What phones understand as the wish that they answer at once: RFC 5373 §4.1, and what there was before it, each read by some makers
/// alone. Its URI names no sound, and nobody finds a host there who looks for one (RFC 6761 §6.4).
const ANSWER_BY_YOURSELF: [(&str, &str); 3] = [
    ("Answer-Mode", "Auto"),
    ("Call-Info", "<sip:auto-answer.invalid>;answer-after=0"),
    ("Alert-Info", "<sip:auto-answer.invalid>;info=alert-autoanswer;delay=0"),
];

impl Engine {
    pub(super) fn on_decision(&mut self, now: Time, decision: Decision) {
        match decision {
            Decision::Offer { offer, entry, queue, agent, .. } => self.on_offer(now, offer, entry, queue, agent),
            Decision::OfferEnded { offer, outcome, .. } => self.on_offer_ended(now, offer, outcome),
            Decision::Exit { entry, queue, exit, waited, to, .. } => self.on_exit(now, entry, queue, exit, waited, to),
            // Nobody is promised anything yet.
            Decision::NotReached { entry, again, .. } => self.on_not_reached(now, entry, again),
            Decision::Probe { agent, .. } => self.on_probe(now, agent),
            Decision::Agent { agent, state } => self.on_agent(now, agent, &state),
        }
    }

    fn on_offer(&mut self, now: Time, offer: OfferId, entry: EntryId, queue: QueueId, agent: AgentId) {
        if self.tasks.has(entry) {
            return self.on_task_offer(now, offer, entry, queue, agent);
        }
        let mut shown = None;
        if self.is_promise(entry) {
            let Some((_, display)) = self.call_for_promise(now, entry) else {
                return self.acd_apply(now, Change::OfferEnded { offer, outcome: Outcome::Busy });
            };
            shown = Some(display);
        }
        let Some(&call) = self.entries.get(&entry) else {
            return self.acd_apply(now, Change::OfferEnded { offer, outcome: Outcome::CallerGone });
        };
        let queue = self.queues[&queue].name.clone();
        let name = self.agents.seat(agent).name.clone();
        self.say(now, What::Offered { call, entry, offer, queue: queue.clone(), agent: name });
        let who = self.calls.get(&call).map(|c| if c.name.is_empty() { &c.from } else { &c.name });
        let display = shown.unwrap_or_else(|| format!("{queue}: {}", who.map_or("", String::as_str)));
        let mut headers = Headers::default();
        headers.push("X-Vaxel-Queue", &*queue);
        headers.push("X-Vaxel-Call", call.to_string());
        let seat = self.agents.seat_mut(agent);
        seat.queue_call = Some(call);
        if seat.auto_answer {
            ANSWER_BY_YOURSELF.iter().for_each(|(name, value)| headers.push(name, *value));
        }
        let legs = self.ring_agent(now, call, agent, display, headers, false);
        self.leg_offers.extend(legs.iter().map(|leg| (*leg, offer)));
        let nobody = legs.is_empty();
        let outcome = Outcome::Unreachable;
        self.offers.insert(offer, Offer { call, agent, queue, entry, made: now, legs, answered: None, outcome });
        if nobody {
            self.acd_apply(now, Change::OfferEnded { offer, outcome });
        }
    }

    fn on_offer_ended(&mut self, now: Time, id: OfferId, outcome: Outcome) {
        if self.on_task_offer_ended(now, id, outcome) {
            return;
        }
        let Some(offer) = self.offers.remove(&id) else { return };
        let Offer { call, agent, queue, entry, legs, answered, .. } = offer;
        let name = self.agents.seat(agent).name.clone();
        self.announces_no_more(call, id);
        self.say(now, What::OfferEnded { call, entry, offer: id, queue, agent: name.clone(), outcome });
        match (outcome, answered) {
            (Outcome::Accepted, Some(leg)) if self.dial_promised(now, call, (leg, agent), entry, &legs) => {}
            (Outcome::Accepted, Some(leg)) => {
                let talk = Talk { leg, agent: Some(agent), with: name, entry: Some(entry), since: now };
                self.connect(now, call, talk, &legs);
            }
            _ => {
                self.agents.seat_mut(agent).queue_call = None;
                let reason = (outcome == Outcome::AnsweredElsewhere).then_some(ELSEWHERE);
                for leg in legs {
                    self.legs.hang_up(now, leg, 487, reason, &mut self.endpoint);
                }
                self.nobody_took_it(now, call, entry);
            }
        }
    }

    /// `to`: the queue where it waits from now on.
    fn on_exit(
        &mut self,
        now: Time,
        entry: EntryId,
        queue: QueueId,
        exit: Exit,
        waited: Duration,
        to: Option<QueueId>,
    ) {
        if self.tasks.has(entry) {
            return self.on_task_exit(now, entry, queue, exit, waited, to);
        }
        if self.is_promise(entry) {
            return self.promise_left(now, entry, exit);
        }
        let Some(&call) = self.entries.get(&entry) else { return };
        let q = &self.queues[&queue];
        let in_service_level = waited <= q.service_level;
        self.say(now, What::Dequeued { call, entry, queue: q.name.clone(), exit, waited, in_service_level });
        if let Some(to) = to {
            self.goes_on(now, call, entry, to);
            return;
        }
        self.entries.remove(&entry);
        let result = match exit {
            Exit::TimedOut | Exit::Overflowed => QueueResult::TimedOut,
            Exit::NoAgents => QueueResult::NoAgents,
            Exit::RefusedFull => QueueResult::Full,
            Exit::QueueClosed => QueueResult::Closed,
            Exit::LeftByKey | Exit::Callback => QueueResult::Left,
            // Connected, gone, or sent on by somebody else: the flow has no say.
            Exit::Answered | Exit::Abandoned | Exit::ShortAbandoned | Exit::Transferred | Exit::SystemFault => return,
        };
        if let Some(c) = self.calls.get_mut(&call)
            && matches!(c.stage, Stage::Waiting { .. })
        {
            c.stage = Stage::Flow;
            self.tell_flow(now, call, FlowInput::Queue(result));
        }
    }

    /// The caller waits in another queue from now on; the flow is told of nothing but the place there.
    fn goes_on(&mut self, now: Time, call: CallId, entry: EntryId, to: QueueId) {
        let name = self.queues[&to].name.clone();
        let licences = self.acd.needs(entry).map(|need| need.licences.clone()).unwrap_or_default();
        self.note_entry(entry);
        let Some(waiting) = self.calls.get_mut(&call) else { return };
        waiting.place = None;
        let queued = waiting.queued.as_mut();
        let of = |queued: &Queued| queued.stands.priority.unwrap_or(queued.request.priority);
        let priority = queued.as_deref().map_or(0, of);
        if let Some(queued) = queued {
            queued.request.queue = name.to_string();
            // Should they be called back, or go back to the line, these are needed as well.
            queued.request.need.licences.extend(licences);
        }
        self.say(now, What::Queued { call, entry, queue: name, priority });
    }

    fn on_agent(&mut self, now: Time, agent: AgentId, state: &AgentState) {
        let (reason, until) = match state {
            AgentState::BackOff { until } | AgentState::Probed { until } | AgentState::WrapUp { until } => {
                (None, Some(*until))
            }
            AgentState::Resting { until, reason } => (Some(reason.name().to_owned()), Some(*until)),
            AgentState::Offered { deadline, .. } => (None, Some(*deadline)),
            AgentState::Paused { reason, until } => (Some(reason.clone()), *until),
            AgentState::Offline
            | AgentState::OffShift
            | AgentState::Ready
            | AgentState::Talking { .. }
            | AgentState::Working { .. }
            | AgentState::Busy => (None, None),
        };
        // Who is no agent any more is nobody's business.
        if !self.agents.is_one(agent) {
            return;
        }
        let since = self.acd.agent(agent).filter(|view| view.state == state).and_then(|view| view.since);
        let since = since.filter(|since| *since < now);
        let agent = self.agents.seat(agent).name.clone();
        let detail = if let AgentState::Talking { detail, .. } = state { Some(*detail) } else { None };
        self.say(now, What::Agent { agent, phase: state.phase(), reason, until, detail, since });
    }
}

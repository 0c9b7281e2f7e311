//! What legs do, and what follows for their call.

use super::Engine;
use super::calls::{ELSEWHERE, Plan, Served, Stage, Talk};
use crate::acd::{Change, Outcome};
use crate::call::{self, LegEnd, LegFailure};
use crate::flow::{Facts, Flow, Input as FlowInput, Run};
use crate::ids::{CallId, LegId};
use crate::media::Sound;
use crate::record::{EndedBy, What};
use crate::sip::Reason;
use crate::time::Time;
use std::sync::Arc;

impl Engine {
    pub(super) fn on_leg(&mut self, now: Time, event: call::Event) {
        match event {
            call::Event::Arrived { leg } => self.on_arrived(now, leg),
            call::Event::Ringing { leg } => self.on_ringing(now, leg),
            call::Event::Early { leg } => self.on_early(now, leg),
            call::Event::OtherRealm { leg, realm } => self.on_other_realm(now, leg, realm),
            call::Event::Answered { leg } => self.on_answered(now, leg),
            call::Event::Failed { leg, failure } => self.on_failed(now, leg, failure),
            call::Event::Ended { leg, end } => self.on_ended(now, leg, end),
            call::Event::Digit { leg, digit } => {
                if let Some((id, true)) = self.call_of(leg) {
                    self.tell_flow(now, id, FlowInput::Digit(digit));
                    self.schedule(id);
                }
            }
            call::Event::Played { leg, play } => {
                let Some((id, is_caller)) = self.call_of(leg) else { return };
                if !is_caller {
                    self.announced(now, id, leg, play);
                    return;
                }
                let Some(call) = self.calls.get_mut(&id) else { return };
                if matches!(call.stage, Stage::Notice) {
                    return self.end_call(now, id, EndedBy::System, "the code was carried out");
                }
                if call.play == Some(play) {
                    call.play = None;
                    self.tell_flow(now, id, FlowInput::Played);
                    self.schedule(id);
                }
            }
            call::Event::Held { leg } => self.on_held(now, leg, true),
            call::Event::Resumed { leg } => self.on_held(now, leg, false),
            call::Event::Referred { leg, referral } => self.on_referred(now, leg, &referral),
            call::Event::Silent { leg, since } => self.on_silent(now, leg, since),
            call::Event::Closed { leg, quality } => {
                let Some(id) = self.leg_calls.remove(&leg) else { return };
                self.leg_offers.remove(&leg);
                self.trunks.leg_closed(leg);
                self.hunts.remove(leg);
                self.attempts.remove(leg);
                self.tolls.ended(now, leg);
                self.say(now, What::LegClosed { call: id, leg, quality });
                if let Some(call) = self.calls.get_mut(&id) {
                    call.legs.remove(&leg);
                }
                self.forget_if_over(now, id);
            }
        }
    }

    /// The leg's call, and whether the leg is its caller's.
    fn call_of(&self, leg: LegId) -> Option<(CallId, bool)> {
        let id = *self.leg_calls.get(&leg)?;
        self.calls.get(&id).map(|call| (id, call.caller == leg))
    }

    fn on_arrived(&mut self, now: Time, leg: LegId) {
        let Some((id, _)) = self.call_of(leg) else { return };
        if self.on_replacing_arrived(now, id, leg) {
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Stage::Arriving { plan, securely } = std::mem::replace(&mut call.stage, Stage::Flow) else { return };
        let agent = call.caller_agent;
        match plan {
            Plan::Flow(flow) => self.run_flow(now, id, &flow),
            Plan::Agent(_) | Plan::Outside { .. } => {
                self.ring_directly(now, id, plan, self.settings.limits.ring_time, securely);
            }
            Plan::Ready => self.code(now, id, agent.map(|agent| Change::Resume { agent }), "agent-ready"),
            Plan::Pause(reason) => {
                self.code(now, id, agent.map(|agent| Change::Pause { agent, reason }), "agent-paused");
            }
            Plan::ExtendWrapUp => {
                self.code(now, id, agent.map(|agent| Change::ExtendWrapUp { agent }), "agent-more-time");
            }
            Plan::EndWrapUp => self.code(now, id, agent.map(|agent| Change::EndWrapUp { agent }), "agent-ready"),
        }
        self.schedule(id);
    }

    /// Starts a flow from its beginning, because of what somebody outside of flows wants.
    pub(super) fn run_flow(&mut self, now: Time, id: CallId, flow: &str) {
        self.begin_flow(now, id, flow, Run::new);
        self.drive(now, id);
    }

    /// Puts the caller at the beginning of a flow; [`Engine::drive`] does what it asks for.
    pub(super) fn begin_flow(
        &mut self,
        now: Time,
        id: CallId,
        flow: &str,
        begin: impl FnOnce(Arc<Flow>, Facts, Time) -> Run,
    ) {
        let Some(flow) = self.settings.flows.get(flow).cloned() else {
            return self.end_call(now, id, EndedBy::System, "the flow does not exist");
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let facts = Facts { is_answered: self.legs.is_up(call.caller), ..call.facts() };
        call.run = Some(begin(flow, facts, now));
        call.served = None;
        call.queued = None;
        call.stage = Stage::Flow;
    }

    /// An agent's code: do it, say so, hang up.
    fn code(&mut self, now: Time, id: CallId, change: Option<Change>, prompt: &str) {
        let Some(change) = change else {
            return self.end_call(now, id, EndedBy::System, "only agents may dial codes");
        };
        if let Change::ExtendWrapUp { agent } = change
            && !self.acd.may_extend_wrap_up(agent)
        {
            return self.end_call(now, id, EndedBy::System, "no wrap-up that may be extended");
        }
        self.acd_apply(now, change);
        self.answer_caller(now, id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.stage = Stage::Notice;
        let sound = Sound { name: prompt.to_owned(), language: self.settings.language.clone() };
        call.play = Some(self.legs.play(call.caller, vec![sound], false));
    }

    fn on_ringing(&mut self, now: Time, leg: LegId) {
        self.hunts.rings(leg);
        self.attempts.rings(leg);
        // Who hears something better already is not told.
        if let Some((id, false)) = self.call_of(leg)
            && let Some(call) = self.calls.get(&id)
            && let Stage::Ringing { .. } = call.stage
        {
            self.legs.ring(now, call.caller, &mut self.endpoint);
            self.transfer_rings(now, id);
        }
    }

    /// Who waits for the answer hears what comes before it, instead of a ringing tone; but the music of a flow is better.
    fn on_early(&mut self, now: Time, leg: LegId) {
        let Some((id, false)) = self.call_of(leg) else { return };
        let Some(call) = self.calls.get(&id) else { return };
        let has_music = call.run.is_some() && call.transfer.is_none() && call.music_while_ringing;
        let is_wanted = matches!(call.stage, Stage::Ringing { .. }) && !has_music;
        let caller = call.caller;
        let is_free = call.heard.is_none();
        // Of two phones that ring the first that has something to say is heard, and when it fails whoever says something next.
        if is_wanted && is_free && self.legs.hear_early(now, caller, &mut self.endpoint) {
            self.legs.bridge(caller, leg);
            if let Some(call) = self.calls.get_mut(&id) {
                call.heard = Some(leg);
            }
        }
        self.on_ringing(now, leg);
    }

    pub(super) fn on_answered(&mut self, now: Time, leg: LegId) {
        self.hunt_answered(now, leg);
        self.attempts.remove(leg);
        let Some((id, _)) = self.call_of(leg) else {
            return self.legs.hang_up(now, leg, 487, None, &mut self.endpoint);
        };
        if let Some(offer) = self.leg_offers.get(&leg).copied() {
            if let Some(o) = self.offers.get_mut(&offer) {
                if *o.answered.get_or_insert(leg) != leg {
                    // Another of the agent's phones was quicker.
                    return self.legs.hang_up(now, leg, 487, Some(ELSEWHERE), &mut self.endpoint);
                }
                if self.announce(now, offer, leg) {
                    return;
                }
            }
            // The ACD has the last word: it says `OfferEnded`, which connects the two or ends this leg.
            return self.acd_apply(now, Change::OfferEnded { offer, outcome: Outcome::Accepted });
        }
        match self.calls.get_mut(&id).map(|call| std::mem::replace(&mut call.stage, Stage::Flow)) {
            Some(Stage::Ringing { legs, callee, with, .. }) if legs.contains(&leg) => {
                let talk = Talk { leg, agent: callee, with, entry: None, since: now };
                self.connect(now, id, talk, &legs);
                self.promise_reached(now, id);
            }
            Some(stage) => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.stage = stage;
                }
                self.legs.hang_up(now, leg, 487, None, &mut self.endpoint);
            }
            None => {}
        }
    }

    /// The phone that the caller heard before the answer has failed: until another has something to say, it rings for them.
    fn heard_no_more(&mut self, id: CallId, leg: LegId) {
        if let Some(call) = self.calls.get_mut(&id).filter(|call| call.heard == Some(leg)) {
            call.heard = None;
            let caller = call.caller;
            self.legs.unbridge(caller, leg);
            self.play_ringback(id);
        }
    }

    fn on_failed(&mut self, now: Time, leg: LegId, failure: LegFailure) {
        let Some((id, _)) = self.call_of(leg) else { return };
        if self.flow_failed(now, id, leg, &failure) {
            return;
        }
        // Who is not waited for any more is offline, and not merely out of reach for once.
        self.wait_no_more(now);
        if let Some(offer_id) = self.leg_offers.get(&leg).copied()
            && let Some(offer) = self.offers.get_mut(&offer_id)
        {
            let outcome = match outcome_of(&failure) {
                // No person is that quick: the phone refuses whoever comes, and says so to the next one as well.
                Outcome::Declined if now.since(offer.made) < self.settings.limits.instant_refusal => Outcome::Busy,
                outcome => outcome,
            };
            offer.legs.retain(|l| *l != leg);
            offer.outcome = offer.outcome.max_telling(outcome);
            // One declined means the person said no; the other phones need not ring on.
            if offer.legs.is_empty() || offer.outcome == Outcome::Declined {
                let outcome = offer.outcome;
                self.acd_apply(now, Change::OfferEnded { offer: offer_id, outcome });
            }
            return;
        }
        self.heard_no_more(id, leg);
        let is_sent_on = match &failure {
            LegFailure::Redirected(to) => self.redirected(now, id, leg, to),
            _ => false,
        };
        if self.hunt_failed(now, id, leg, &failure) {
            return;
        }
        self.leave_place(now, leg);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Stage::Ringing { legs, search, .. } = &mut call.stage {
            legs.retain(|l| *l != leg);
            if !is_sent_on {
                search.refused(code_of(&failure));
            }
            // Said for the person and not for the phone (RFC 3261 §21.6): the others need not ring on.
            if legs.is_empty() || matches!(failure, LegFailure::Refused(600..700)) {
                self.ring_next(now, id);
                self.schedule(id);
            }
        }
    }

    fn on_ended(&mut self, now: Time, leg: LegId, end: LegEnd) {
        let Some((id, is_caller)) = self.call_of(leg) else { return };
        if self.take_replacing(id, leg).is_some() {
            return;
        }
        if is_caller {
            let (by, cause) = match end {
                LegEnd::HungUp { reason } if is_fault(reason.as_deref()) => (EndedBy::System, "the line broke"),
                LegEnd::HungUp { .. } => (EndedBy::Caller, "hung up"),
                LegEnd::Cancelled => (EndedBy::Caller, "cancelled"),
                LegEnd::Lost => (EndedBy::System, "the caller's phone is gone"),
                LegEnd::Forgotten => (EndedBy::System, "nothing answered the call in time"),
                LegEnd::BadOffer(_) => (EndedBy::System, "no common way to speak"),
                LegEnd::NoMedia(_) => (EndedBy::System, "no free media port"),
            };
            return self.end_call(now, id, by, cause);
        }
        if self.announced_in_vain(now, id, leg, end == LegEnd::Lost) {
            return;
        }
        let ended = match end {
            LegEnd::Lost => (EndedBy::System, "the phone of who was called is gone"),
            LegEnd::HungUp { reason } if is_fault(reason.as_deref()) => (EndedBy::System, "the line broke"),
            _ => (self.far_end(id), "hung up"),
        };
        self.far_end_gone(now, id, leg, ended);
    }

    /// Who hung up, where it was whom the caller talks with.
    fn far_end(&self, id: CallId) -> EndedBy {
        match self.calls.get(&id).map(|call| &call.stage) {
            Some(Stage::Talking(Talk { agent: None, .. })) => EndedBy::Called,
            _ => EndedBy::Agent,
        }
    }

    /// The party the caller talks with is gone. `ended`: how the call ends where no flow goes on.
    fn far_end_gone(&mut self, now: Time, id: CallId, leg: LegId, ended: (EndedBy, &str)) {
        if self.departed(now, id, leg) {
            return;
        }
        let talking = match self.calls.get(&id).map(|c| &c.stage) {
            Some(Stage::Talking(talk)) => talk.leg == leg,
            _ => false,
        };
        if !talking || self.not_taken_back(now, id, leg) {
            return;
        }
        let broke = ended.0 == EndedBy::System;
        let waited = self.waited_for_talk(id).filter(|_| broke);
        self.disconnect(now, id, broke);
        if waited.is_some_and(|waited| self.back_in_line(now, id, waited)) {
            return;
        }
        if let Some(served) = self.calls.get_mut(&id).filter(|c| c.run.is_some()).and_then(|c| c.served.take()) {
            let input = match served {
                Served::ByQueue => FlowInput::Queue(crate::flow::QueueResult::Served),
                Served::ByTransfer => FlowInput::TransferEnded,
            };
            self.tell_flow(now, id, input);
            self.schedule(id);
        } else {
            let (by, cause) = ended;
            self.end_call(now, id, by, cause);
        }
    }

    /// One side of a talk put the other on hold: the other hears music until it is taken back.
    pub(super) fn on_held(&mut self, now: Time, leg: LegId, held: bool) {
        let Some((id, is_caller)) = self.call_of(leg) else { return };
        self.say(now, if held { What::Held { call: id, leg } } else { What::Resumed { call: id, leg } });
        let Some(call) = self.calls.get(&id) else { return };
        let Stage::Talking(talk) = &call.stage else { return };
        let (caller, agent) = (call.caller, talk.leg);
        // Who has transferred the call has no part in the talk.
        if leg != caller && leg != agent {
            return;
        }
        let other = if is_caller { agent } else { caller };
        if held {
            let music = Sound { name: format!("music/{}", self.settings.hold_music), language: String::new() };
            self.legs.unbridge(caller, agent);
            self.legs.play(other, vec![music], true);
        } else if !self.legs.is_held(other) {
            self.legs.bridge(caller, agent);
        }
        self.tell_talks_of(now, id);
    }

    fn on_silent(&mut self, now: Time, leg: LegId, since: Time) {
        let Some((id, is_caller)) = self.call_of(leg) else { return };
        self.say(now, What::LegSilent { call: id, leg, since });
        let whom = if is_caller { "the caller" } else { "who was called" };
        let cause = format!("no audio from {whom} for {} s", now.since(since).as_secs());
        if is_caller {
            self.end_call(now, id, EndedBy::System, &cause);
        } else if !self.announced_in_vain(now, id, leg, true) {
            self.far_end_gone(now, id, leg, (EndedBy::System, &cause));
        }
    }
}

/// A BYE says that nobody hung up, but something between us and the caller failed (RFC 3326): a cause of ITU-T Q.850 that stands
/// for the network and not for a person, or a SIP code for such.
fn is_fault(reason: Option<&str>) -> bool {
    let Some(reason) = reason.and_then(Reason::parse) else { return false };
    match reason.protocol.to_ascii_uppercase().as_str() {
        // Out of order, failures and no way, missing resources, a timer of the network, its protocol.
        "Q.850" => matches!(reason.cause, Some(27 | 38 | 41..=44 | 47 | 95..=111 | 127)),
        "SIP" => matches!(reason.cause, Some(408 | 500..600)),
        _ => false,
    }
}

fn outcome_of(failure: &LegFailure) -> Outcome {
    match failure {
        // Busy Here, Busy Everywhere.
        LegFailure::Refused(486 | 600) => Outcome::Busy,
        // A phone that sends its calls elsewhere is not followed: where to, the queue decides.
        LegFailure::Redirected(_) => Outcome::Declined,
        // Decline; Temporarily Unavailable is what phones say for "reject" and "do not disturb"; Forbidden.
        LegFailure::Refused(603 | 480 | 403 | 487) => Outcome::Declined,
        LegFailure::Refused(408) => Outcome::NoAnswer,
        _ => Outcome::Unreachable,
    }
}

/// What the caller of a direct call is told.
fn code_of(failure: &LegFailure) -> u16 {
    match failure {
        // Between us and the phone's edge proxy; to who called, the phone cannot be reached.
        LegFailure::Refused(430) => 480,
        LegFailure::Refused(code) if (400..700).contains(code) => *code,
        LegFailure::Refused(_) | LegFailure::Redirected(_) | LegFailure::Unreachable => 480,
        LegFailure::Timeout => 408,
        LegFailure::BadAnswer(_) => 488,
        LegFailure::Unavailable { .. } | LegFailure::Full | LegFailure::NoMedia(_) => 503,
    }
}

impl Outcome {
    /// Of two phones of one agent, the outcome that says most about the person.
    fn max_telling(self, other: Outcome) -> Outcome {
        let rank = |o: Outcome| match o {
            // These two are not said by phones.
            Outcome::AnsweredElsewhere | Outcome::Withdrawn => 6,
            Outcome::Accepted => 5,
            Outcome::Declined => 4,
            Outcome::Busy => 3,
            Outcome::NoAnswer => 2,
            Outcome::CallerGone => 1,
            Outcome::Unreachable => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bye_that_tells_of_a_fault_of_the_network_is_no_hanging_up() {
        for fault in ["Q.850;cause=41", "q.850 ; cause=27;text=\"out of order\"", "Q.850;cause=127", "SIP;cause=503"] {
            assert!(is_fault(Some(fault)), "{fault}");
        }
        for none in ["Q.850;cause=16", "Q.850;cause=31", "SIP;cause=200", "SIP;cause=603", "X;cause=41", "Q.850", "?"] {
            assert!(!is_fault(Some(none)), "{none}");
        }
        assert!(!is_fault(None));
    }
}

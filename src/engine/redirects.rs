//! Who we call says that the call is to go elsewhere (3xx): whether it does is for the settings to say, not for the phone.
//!
//! Only for calls that somebody dialled, or that a flow or a transfer sends to one party. A phone that a queue rings has declined:
//! where the caller goes next, the queue decides.

use super::Engine;
use super::calls::{Plan, Stage};
use crate::ids::{AgentId, CallId, LegId};
use crate::record::What;
use crate::sip::{Host, Uri};
use crate::time::Time;

/// How often a call may be sent elsewhere by those it reaches.
pub const REDIRECTS_MAX: u8 = 3;

/// Characters of a host's name that are told of it.
const HOST_MAX: usize = 100;

/// Where a call may be sent by who was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// Nowhere: it counts as refused.
    None,
    /// To our own numbers: agents and flows.
    #[default]
    Inside,
    /// Also to what the agent who sends it, or else who calls, may call outside; where there is no agent, nowhere outside. Never to an emergency number.
    Outside,
}

impl Engine {
    /// The dialled leg wants to have the call elsewhere. False: it goes nowhere by that.
    pub(super) fn redirected(&mut self, now: Time, id: CallId, leg: LegId, to: &[Uri]) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        let Stage::Ringing { legs, callee, with, deadline, .. } = &call.stage else { return false };
        // Who calls for help is sent on by nobody.
        if !legs.contains(&leg) || self.is_emergency(with) {
            return false;
        }
        let (callee, by, left) = (*callee, with.clone(), deadline.since(now));
        let (ours, foreign): (Vec<&Uri>, Vec<&Uri>) =
            to.iter().partition(|uri| self.is_place_of_ours(leg, callee, uri));
        // The agent's other phones ring on.
        let found = (legs.len() == 1 && call.redirects < REDIRECTS_MAX).then(|| {
            let numbers = ours.iter().filter_map(|uri| uri.number()).map(|user| self.number(&user, None));
            // Whose caps hold a call outside back.
            let is_answered_for = callee.or_else(|| self.who_calls_out(id)).is_some();
            let found = |number: String| self.redirect_to(id, &number, is_answered_for).map(|plan| (number, plan));
            numbers.filter_map(found).next()
        });
        let found = found.flatten();
        if let Some(foreign) = foreign.iter().find_map(|uri| uri.as_sip()) {
            let host = foreign.host.to_string().chars().take(HOST_MAX).collect();
            self.say(now, What::RedirectAbroad { call: id, by: by.clone(), host });
        }
        let number = found.as_ref().map(|(number, _)| number.clone());
        self.say(now, What::Redirected { call: id, by, to: number });
        let Some((_, plan)) = found else { return false };
        let Some(call) = self.calls.get_mut(&id) else { return false };
        call.redirects += 1;
        call.redirected_by = callee.or(call.redirected_by);
        call.stage = Stage::Flow;
        self.own_call_over(now, callee, id);
        self.tell_forwarded(now, id);
        // That leg's place is free for the call that takes its turn.
        self.trunks.leg_closed(leg);
        self.tolls.ended(now, leg);
        match plan {
            Plan::Flow(flow) => {
                // What the flow calls, it calls by itself.
                if let Some(call) = self.calls.get_mut(&id) {
                    call.redirected_by = None;
                }
                self.transfer_over(now, id, 200);
                self.run_flow(now, id, &flow);
            }
            plan => self.ring_directly(now, id, plan, left),
        }
        self.schedule(id);
        true
    }

    /// Whether this is at a place whose numbers are those that we dial: at our own address or name, as `leg` or the phone of `callee`
    /// knows it, or at a trunk's. Anywhere else a number may mean anybody.
    fn is_place_of_ours(&self, leg: LegId, callee: Option<AgentId>, uri: &Uri) -> bool {
        let host = match uri {
            Uri::Sip(sip) => &sip.host,
            // A telephone number is the same everywhere.
            Uri::Tel { .. } => return true,
            Uri::Other(_) => return false,
        };
        let is_ours = match host {
            Host::Ip(ip) => self.legs.local(leg) == Some(*ip),
            Host::Name(name) => name.eq_ignore_ascii_case(&self.settings.realm),
        };
        let is_phones = || callee.is_some_and(|agent| self.agents.seat(agent).house.as_ref() == Some(host));
        is_ours || is_phones() || self.trunks.is_at(host, &self.settings.trunks)
    }

    /// `None`: nobody is called there because a phone wants it. `is_answered_for`: by an agent, who may call outside or not; a carrier to
    /// which a flow sent its caller calls nobody at our cost.
    fn redirect_to(&self, id: CallId, number: &str, is_answered_for: bool) -> Option<Plan> {
        let policy = self.settings.redirects;
        let caller = self.calls.get(&id)?.caller_agent;
        if policy == Redirects::None || self.is_emergency(number) {
            return None;
        }
        self.plan_for(number, None).filter(|plan| match plan {
            Plan::Agent(agent) => Some(*agent) != caller,
            Plan::Flow(_) => true,
            Plan::Outside { .. } => policy == Redirects::Outside && is_answered_for,
            Plan::Ready | Plan::Pause(_) | Plan::EndWrapUp => false,
        })
    }
}

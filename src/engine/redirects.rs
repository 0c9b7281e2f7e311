//! Who we call says that the call is to go elsewhere (3xx): whether it does is for the settings to say, not for the phone.
//!
//! Only for calls that somebody dialled, or that a flow or a transfer sends to one party. A phone that a queue rings has declined:
//! where the caller goes next, the queue decides.
//!
//! ```text
//!            3xx: the places are kept
//!  ringing ───────────────────────────▶ ringing, by the other phones of the same agent
//!     │ the last phone failed, nobody answered in time, or a 6xx
//!     ▼
//!  is a place left? ── yes ──▶ a flow goes on there; anybody else is rung (or is busy: the next place)
//!     └─────────────── no ───▶ the transfer or the flow goes on, or the caller is told
//! ```

use super::Engine;
use super::calls::{Plan, Stage};
use super::search::{Next, Place, Search};
use crate::ids::{AgentId, CallId, LegId};
use crate::record::What;
use crate::sip::{Host, Uri};
use crate::time::Time;

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
    /// The dialled leg wants to have the call elsewhere: kept until nobody is rung any more, for the agent's other phones ring on
    /// (RFC 3261 §16.7 step 4). False: it goes nowhere by that.
    pub(super) fn redirected(&mut self, now: Time, id: CallId, leg: LegId, to: &[Uri]) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        let Stage::Ringing { legs, callee, with, securely, .. } = &call.stage else { return false };
        // Who calls for help is sent on by nobody.
        if !legs.contains(&leg) || self.is_emergency(with) {
            return false;
        }
        let (callee, by, agent, was_secure) = (*callee, with.clone(), callee.or(call.redirected_by), *securely);
        let (ours, foreign): (Vec<&Uri>, Vec<&Uri>) =
            to.iter().partition(|uri| self.is_place_of_ours(leg, callee, uri));
        // Whose caps hold a call outside back.
        let is_answered_for = callee.or_else(|| self.who_calls_out(id)).is_some();
        let places = ours.iter().filter_map(|uri| {
            let number = self.number(&uri.number()?, None);
            let plan = self.redirect_to(id, &number, is_answered_for)?;
            let securely = was_secure || uri.is_secure();
            let may_be_rung = !matches!(&plan, Plan::Agent(to) if securely && self.is_only_insecure(*to));
            may_be_rung.then(|| Place { plan, number, securely, by: by.clone(), agent })
        });
        let places: Vec<Place> = places.collect();
        if let Some(foreign) = foreign.iter().find_map(|uri| uri.as_sip()) {
            let host = foreign.host.to_string().chars().take(HOST_MAX).collect();
            self.say(now, What::RedirectAbroad { call: id, by: by.clone(), host });
        }
        let is_sent_on = match self.calls.get_mut(&id).map(|call| &mut call.stage) {
            Some(Stage::Ringing { search, .. }) => search.sent_to(places),
            _ => false,
        };
        if !is_sent_on {
            self.say(now, What::Redirected { call: id, by, to: None });
        }
        is_sent_on
    }

    /// Nobody answered who was rung, by this code: the next place is tried that they named, or else the flow goes on, or the caller
    /// is told.
    pub(super) fn ringing_failed(&mut self, now: Time, id: CallId, code: u16) {
        if let Some(Stage::Ringing { search, .. }) = self.calls.get_mut(&id).map(|call| &mut call.stage) {
            search.refused(code);
            self.ring_next(now, id);
        }
    }

    /// Nobody is rung any more, or is to be.
    pub(super) fn ring_next(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Stage::Ringing { legs, callee, mut search, .. } = std::mem::replace(&mut call.stage, Stage::Flow) else {
            return;
        };
        let (caller, heard) = (call.caller, call.heard.take());
        if let Some(heard) = heard {
            self.legs.unbridge(caller, heard);
        }
        for leg in legs {
            self.legs.hang_up(now, leg, 487, None, &mut self.endpoint);
            self.leave_place(now, leg);
        }
        self.own_call_over(now, callee, id);
        let code = match search.next(now) {
            Next::Place(place) => {
                if heard.is_some() {
                    self.play_ringback(id);
                }
                return self.send_on(now, id, place, search);
            }
            Next::Over { code } => code,
            Next::Cut { code, by, left } => {
                self.say(now, What::RedirectsCut { call: id, by, left });
                code
            }
        };
        self.nobody_answered(now, id, code);
    }

    /// A leg that was rung is over: what it took of a trunk or a cap is free for the next one. Its media is closed a moment later.
    pub(super) fn leave_place(&mut self, now: Time, leg: LegId) {
        self.trunks.leg_closed(leg);
        self.tolls.ended(now, leg);
    }

    fn send_on(&mut self, now: Time, id: CallId, place: Place, search: Box<Search>) {
        let Place { plan, number, securely, by, agent } = place;
        self.say(now, What::Redirected { call: id, by, to: Some(number) });
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.redirected_by = agent;
        self.tell_forwarded(now, id);
        match plan {
            Plan::Flow(flow) => {
                // What the flow calls, it calls by itself; but it is no way to be sent on without end.
                if let Some(call) = self.calls.get_mut(&id) {
                    (call.redirects, call.redirected_by) = (search.sent(), None);
                }
                self.transfer_over(now, id, 200);
                self.run_flow(now, id, &flow);
            }
            plan => self.ring(now, id, plan, securely, search),
        }
        self.schedule(id);
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
            Plan::Ready | Plan::Pause(_) | Plan::EndWrapUp | Plan::ExtendWrapUp => false,
        })
    }
}

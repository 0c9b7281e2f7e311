//! A call out that is tried by one way after the other, until somebody is rung.

use super::Engine;
use super::calls::{Call, Stage};
use super::settings::Trunk;
use super::tolls::{Cap, Payer};
use super::tried::Tried;
use super::trunks::Way;
use crate::call::LegFailure;
use crate::ids::{AgentId, CallId, LegId};
use crate::record::What;
use crate::time::{Duration, Time};
use std::collections::VecDeque;

/// The leg that is being tried, and what could be tried after it.
pub(super) struct Hunt {
    number: String,
    way: Way,
    left: VecDeque<Way>,
    /// Trunks that have counted this call: it is one, however many of their places it is tried at.
    counted: Vec<usize>,
    /// Somebody is rung, or more was heard than that our INVITE came: the call is there, and nowhere else.
    rings: bool,
}

impl Tried<Hunt> {
    pub fn rings(&mut self, leg: LegId) {
        if let Some(hunt) = self.get_mut(leg) {
            hunt.rings = true;
        }
    }
}

/// Nobody can be reached by a trunk, and why: the label of `vaxel_calls_out_refused_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoWay {
    /// Every way failed, or rests.
    Exhausted,
    /// Those that are left carry as much as they may.
    Full,
    /// The caller, or those that are left, may not call there, or not any more.
    Cap(Cap),
    /// Flows connect nobody to a number for emergencies.
    EmergencyByFlow,
}

impl NoWay {
    pub fn name(self) -> &'static str {
        match self {
            NoWay::Exhausted => "exhausted",
            NoWay::Full => "trunk_full",
            NoWay::Cap(cap) => cap.name(),
            NoWay::EmergencyByFlow => "emergency_by_flow",
        }
    }

    /// What the caller is told.
    fn code(self) -> u16 {
        match self {
            NoWay::Exhausted | NoWay::Full => 503,
            NoWay::Cap(_) | NoWay::EmergencyByFlow => 403,
        }
    }
}

impl Engine {
    /// The trunks that take this number: those that name its longest beginning, and for emergencies those that are marked.
    pub(super) fn takers(&self, number: &str) -> Vec<(usize, &Trunk)> {
        let trunks = self.settings.trunks.iter().enumerate().filter(|(_, trunk)| trunk.sends);
        if self.is_emergency(number) {
            return trunks.filter(|(_, trunk)| trunk.emergency).collect();
        }
        if !self.settings.numbering.is_callable(number) {
            return Vec::new();
        }
        let longest =
            |t: &Trunk| t.takes.iter().filter(|start| number.starts_with(start.as_str())).map(String::len).max();
        let takers: Vec<_> = trunks.filter_map(|(at, trunk)| Some((at, trunk, longest(trunk)?))).collect();
        let best = takers.iter().map(|(.., length)| *length).max();
        takers.into_iter().filter(|(.., length)| Some(*length) == best).map(|(at, trunk, _)| (at, trunk)).collect()
    }

    pub(super) fn is_emergency(&self, number: &str) -> bool {
        self.settings.emergency.iter().any(|emergency| emergency == number)
    }

    /// Rings a number outside by the best way; the leg that is tried now.
    ///
    /// # Errors
    ///
    /// There is no way, which is told; the code is for the caller.
    pub(super) fn hunt(&mut self, now: Time, call: CallId, number: String) -> Result<LegId, u16> {
        let mut draws = std::iter::repeat_with(|| self.endpoint.draw()).take(32).collect::<Vec<_>>();
        let emergency = self.is_emergency(&number);
        let ways = self.trunks.ways(now, &self.takers(&number), emergency, || draws.pop().unwrap_or(0));
        if let Some(agent) = self.who_calls_out(call).filter(|_| !emergency) {
            let caps = &self.agents.seat(agent).out;
            let payer = Payer::Agent(agent);
            if let Err(cap) = self.tolls.check(now, payer, caps, &number, true) {
                return Err(self.no_way(now, call, NoWay::Cap(cap)));
            }
            self.tolls.called(now, payer, caps, call);
        }
        self.try_next(now, call, number, ways, Vec::new())
    }

    fn try_next(
        &mut self,
        now: Time,
        call: CallId,
        number: String,
        mut left: VecDeque<Way>,
        mut counted: Vec<usize>,
    ) -> Result<LegId, u16> {
        let emergency = self.is_emergency(&number);
        let agent = self.who_calls_out(call);
        let mut why = NoWay::Exhausted;
        while let Some(way) = left.pop_front() {
            let trunk = &self.settings.trunks[way.trunk];
            if !emergency {
                let (is_new, payer) = (!counted.contains(&way.trunk), Payer::Trunk(way.trunk));
                if let Err(cap) = self.tolls.check(now, payer, &trunk.out, &number, is_new) {
                    why = NoWay::Cap(cap);
                    continue;
                }
                if !self.trunks.admit(now, way.trunk, trunk, is_new) {
                    why = NoWay::Full;
                    continue;
                }
                if is_new {
                    self.tolls.called(now, payer, &trunk.out, call);
                    counted.push(way.trunk);
                }
            }
            let Some(leg) = self.ring_outside(call, way, &number) else { break };
            self.toll_began(leg, agent, way.trunk, !emergency);
            self.hunts.began(now, leg, Hunt { number, way, left, counted, rings: false });
            return Ok(leg);
        }
        Err(self.no_way(now, call, why))
    }

    /// The agent whose caps count: whose phone sends the call on, who transfers the caller, or who calls. `None`: a flow sends
    /// the caller on, or a promise is kept: that a flow has made it was up to the trunk's caps.
    pub(super) fn who_calls_out(&self, call: CallId) -> Option<AgentId> {
        let redirects = self.calls.get(&call)?.redirected_by;
        let calls = |call: &Call| call.caller_agent.filter(|_| call.calls_back.is_none());
        redirects.or_else(|| self.transferring_agent(call)).or_else(|| calls(self.calls.get(&call)?))
    }

    pub(super) fn no_way(&mut self, now: Time, call: CallId, why: NoWay) -> u16 {
        self.say(now, What::NoWayOut { call, reason: why.name().into() });
        why.code()
    }

    /// A leg of a call out failed. True: another way is tried, or the caller was told that there is none.
    pub(super) fn hunt_failed(&mut self, now: Time, id: CallId, leg: LegId, failure: &LegFailure) -> bool {
        let Some(mut hunt) = self.hunts.remove(leg) else { return false };
        // Where somebody in need is must not keep them from being heard: who cannot read it is asked again without.
        if let LegFailure::Unavailable { code: 413 | 415 | 424, .. } = failure
            && self.is_emergency(&hunt.number)
            && self.calls.get_mut(&id).is_some_and(|call| call.location.take().is_some())
        {
            hunt.left.push_front(hunt.way);
            self.go_elsewhere(now, id, leg, hunt);
            return true;
        }
        // What is refused for another reason is refused by who was called (4xx, 6xx), or for one of ours.
        let retry_after = match failure {
            LegFailure::Unavailable { retry_after, .. } => *retry_after,
            LegFailure::Timeout | LegFailure::Unreachable => None,
            // Who is in need is not refused by anybody: a carrier that does so has nobody for it.
            // Nor is it by a 3xx, and an announcement of it does not make it an answer. The word of the last one is told.
            LegFailure::Refused(_) | LegFailure::Redirected(_) | LegFailure::BadAnswer(_)
                if self.is_emergency(&hunt.number) && !hunt.left.is_empty() =>
            {
                self.go_elsewhere(now, id, leg, hunt);
                return true;
            }
            _ => return false,
        };
        // Somebody in need is helped by no ringing that ends so.
        if hunt.rings && (hunt.left.is_empty() || !self.is_emergency(&hunt.number)) {
            return false;
        }
        self.is_of_no_use(now, hunt.way, retry_after);
        self.go_elsewhere(now, id, leg, hunt);
        true
    }

    /// Other calls better go another way for now.
    fn is_of_no_use(&mut self, now: Time, way: Way, retry_after: Option<Duration>) {
        if let Some(target) = self.trunks.target_mut(way) {
            target.failed(now, retry_after);
        }
    }

    fn go_elsewhere(&mut self, now: Time, id: CallId, leg: LegId, hunt: Hunt) {
        let Hunt { number, way, left, counted, .. } = hunt;
        // The next way may be one of the same trunk.
        self.leave_place(now, leg);
        self.trunks.state_mut(way.trunk).counts.failed += 1;
        let is_ringing = |stage: &Stage| matches!(stage, Stage::Ringing { legs, .. } if legs.contains(&leg));
        if !self.calls.get(&id).is_some_and(|call| is_ringing(&call.stage)) {
            return;
        }
        let next = self.try_next(now, id, number, left, counted);
        if let Some(Stage::Ringing { legs, .. }) = self.calls.get_mut(&id).map(|call| &mut call.stage) {
            legs.retain(|l| *l != leg);
            legs.extend(next.ok());
        }
        if let Err(code) = next {
            self.ringing_failed(now, id, code);
        }
        self.schedule(id);
    }

    /// Gives up who should have been heard by now.
    pub(super) fn hunts_due(&mut self, now: Time) {
        while let Some(leg) = self.hunts.take_due(now) {
            let Some(hunt) = self.hunts.get(leg) else { continue };
            if hunt.rings || self.legs.is_heard(leg, &self.endpoint) {
                continue;
            }
            // Who is the last goes on being tried: one lost datagram more may be all that was wrong.
            let (left, id) = (!hunt.left.is_empty(), self.leg_calls.get(&leg).copied());
            if let (true, Some(id)) = (left, id)
                && let Some(hunt) = self.hunts.remove(leg)
            {
                self.legs.hang_up(now, leg, 487, None, &mut self.endpoint);
                self.is_of_no_use(now, hunt.way, None);
                self.go_elsewhere(now, id, leg, hunt);
            }
        }
    }

    /// Somebody answered.
    pub(super) fn hunt_answered(&mut self, now: Time, leg: LegId) {
        self.tolls.answered(now, leg);
        if let Some(hunt) = self.hunts.remove(leg)
            && let Some(target) = self.trunks.target_mut(hunt.way)
        {
            target.took(now);
        }
    }
}

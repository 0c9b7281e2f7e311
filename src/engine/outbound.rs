//! A phone that can be reached by another way than the one by which it is rung: by one of several flows (RFC 5626; not the flows
//! that lead callers), or by a connection that has taken the place of its last. It is rung by that where the first leads nowhere.
//!
//! One that rings already is not rung again: what rings goes on by the other way (see `sip::endpoint::missing`), unless the phone itself
//! knows nothing of it.

use super::Engine;
use super::calls::Stage;
use super::tried::Tried;
use crate::call::LegFailure;
use crate::ids::{CallId, LegId};
use crate::sip::Headers;
use crate::sip::registrar::Binding;
use crate::time::Time;

/// One ring of one phone: what it takes to ring it by another way.
pub(super) struct Attempt {
    pub phone: Binding,
    pub display: String,
    pub headers: Headers,
    /// A `sips:` URI was called: no other flow will do.
    pub securely: bool,
    /// It has said so.
    pub rings: bool,
}

impl Tried<Attempt> {
    pub fn rings(&mut self, leg: LegId) {
        if let Some(attempt) = self.get_mut(leg) {
            attempt.rings = true;
        }
    }
}

impl Engine {
    /// The leg of a phone failed. True: the phone is rung by another way. That is done only where nobody was reached (§7): any other
    /// answer is the phone's own.
    pub(super) fn flow_failed(&mut self, now: Time, id: CallId, leg: LegId, failure: &LegFailure) -> bool {
        let Some(attempt) = self.attempts.remove(leg) else { return false };
        let nobody = match failure {
            LegFailure::Unreachable => true,
            LegFailure::Refused(408 | 430) | LegFailure::Timeout => !attempt.rings,
            _ => false,
        };
        nobody && self.ring_by_next_flow(now, id, leg, attempt)
    }

    /// Leaves the flows by which nothing at all was heard for as long as a carrier may be silent.
    pub(super) fn attempts_due(&mut self, now: Time) {
        while let Some(leg) = self.attempts.take_due(now) {
            let Some(attempt) = self.attempts.get(leg) else { continue };
            // Who has no other goes on being tried: one lost datagram more may be all that was wrong.
            if self.legs.is_heard(leg, &self.endpoint)
                || self.registrar.next_flow(&attempt.phone, attempt.securely).is_none()
            {
                continue;
            }
            if let Some(id) = self.leg_calls.get(&leg).copied()
                && let Some(attempt) = self.attempts.remove(leg)
            {
                self.legs.hang_up(now, leg, 487, None, &mut self.endpoint);
                self.ring_by_next_flow(now, id, leg, attempt);
            }
        }
    }

    /// The new leg takes the place of the one that failed, in its offer or its call.
    fn ring_by_next_flow(&mut self, now: Time, id: CallId, leg: LegId, attempt: Attempt) -> bool {
        let gone = self.registrar.flow_failed(now, &attempt.phone);
        self.phones_gone(now, gone);
        let Some(phone) = self.registrar.another_way(&attempt.phone, attempt.securely).cloned() else { return false };
        let offer = self.leg_offers.get(&leg).copied();
        if !self.legs_that_ring(id, leg).is_some_and(|legs| legs.contains(&leg)) {
            return false;
        }
        let Some(next) = self.ring_phone(now, id, Attempt { phone, rings: false, ..attempt }) else { return false };
        if let Some(legs) = self.legs_that_ring(id, leg) {
            legs.retain(|ringing| *ringing != leg);
            legs.push(next);
        }
        self.leg_offers.extend(offer.map(|offer| (next, offer)));
        self.schedule(id);
        true
    }

    /// Those that ring for the offer of `leg`, or for its call.
    fn legs_that_ring(&mut self, id: CallId, leg: LegId) -> Option<&mut Vec<LegId>> {
        if let Some(offer) = self.leg_offers.get(&leg) {
            return self.offers.get_mut(offer).map(|offer| &mut offer.legs);
        }
        match &mut self.calls.get_mut(&id)?.stage {
            Stage::Ringing { legs, .. } => Some(legs),
            _ => None,
        }
    }
}

//! What the caller of a leg is told, and hears, before the answer (RFC 3261 §13.3.1.1, RFC 3960).

use super::described::{is_held, only_told};
use super::legs::{Leg, Legs, State};
use crate::ids::LegId;
use crate::media::Command;
use crate::sip::Endpoint;
use crate::time::Time;

impl Legs {
    /// Tells the caller of an arrived leg that somebody is being rung (180).
    pub fn ring(&mut self, now: Time, leg: LegId, endpoint: &mut Endpoint) {
        // Who hears something already need not be told to make a ringing tone (RFC 3960 §3.1).
        if matches!(self.legs.get(&leg), Some(Leg { state: State::Arrived { early: false, .. }, .. })) {
            self.progress(now, leg, 180, "", endpoint);
        }
    }

    /// Tells the caller of an arrived leg how far the call is: 180, 181 or 182, `reason` in words (empty: the usual ones).
    pub fn progress(&mut self, now: Time, leg: LegId, code: u16, reason: &str, endpoint: &mut Endpoint) {
        let Some(l) = self.legs.get_mut(&leg) else { return };
        if let (Some(invite), State::Arrived { body, stream, .. }) = (l.invite, &mut l.state) {
            // A late offer of ours is in the first answer that is acknowledged, and is said once (RFC 3261 §13.2.1).
            let offers = stream.is_none() && endpoint.is_acknowledging(invite);
            let body = if offers { std::mem::take(body) } else { Vec::new() };
            endpoint.ring_saying(now, invite, code, reason, body);
        }
    }

    /// Lets the caller of an arrived leg hear what comes before the answer (183 with a description). What the caller says is
    /// not listened to until then: nobody has taken the call. False: the caller cannot hear. Once begun it is not begun again;
    /// who is answered hears in any case.
    pub fn hear_early(&mut self, now: Time, leg: LegId, endpoint: &mut Endpoint) -> bool {
        let Some(Leg { invite: Some(invite), state: State::Arrived { body, stream: Some(stream), early }, .. }) =
            self.legs.get_mut(&leg)
        else {
            return self.is_up(leg);
        };
        if is_held(stream.direction) {
            return false;
        }
        if *early {
            return true;
        }
        *early = true;
        endpoint.ring(now, *invite, 183, body.clone());
        let stream = only_told(stream);
        self.media.push_back(Command::Configure { leg, stream });
        true
    }

    /// Whether what is played to this leg can be heard: it is answered, or hears what comes before that.
    pub fn hears(&self, leg: LegId) -> bool {
        let state = self.legs.get(&leg).map(|leg| &leg.state);
        matches!(state, Some(State::Up | State::Arrived { early: true, .. }))
    }

    /// Whether the caller of this leg waits for an answer.
    pub fn is_waiting(&self, leg: LegId) -> bool {
        matches!(self.legs.get(&leg), Some(Leg { state: State::Arrived { .. }, .. }))
    }
}

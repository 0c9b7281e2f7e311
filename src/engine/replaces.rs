//! INVITEs with Replaces (RFC 3891): another phone of an agent takes the agent's own call over, while it rings or in the
//! talk.

use super::Engine;
use super::calls::{Stage, Talk};
use crate::ids::{AgentId, CallId, LegId};
use crate::record::What;
use crate::sip::{BadHeader, Headers, Hop, InviteId, Replaces, Request, Standing};
use crate::time::Time;

impl Engine {
    /// `agent`: whose phone this is; `None`: it came by a trunk.
    pub(super) fn on_replacing(
        &mut self,
        now: Time,
        invite: InviteId,
        request: &Request,
        hop: &Hop,
        agent: Option<AgentId>,
        replaces: Result<Replaces, BadHeader>,
    ) {
        match replaces.map_err(|_| 400).and_then(|replaces| self.replaced(agent, &replaces)) {
            Err(code) => self.refuse(now, invite, code, Headers::default(), "bad_replaces"),
            // These calls count against no limit of calls, so they have one of their own.
            Ok((id, _)) if self.calls.get(&id).is_some_and(|call| call.legs.len() >= self.legs_max()) => {
                self.refuse(now, invite, 503, Headers::default(), "too_many_legs");
            }
            Ok((id, old)) => {
                let leg = LegId(self.ids.next());
                self.leg_calls.insert(leg, id);
                let Some(call) = self.calls.get_mut(&id) else { return };
                call.legs.insert(leg);
                call.replacing.push((leg, old));
                self.legs.incoming(call.group, leg, invite, request, hop);
            }
        }
    }

    /// Legs of one call, those included that are about to end, beyond which nobody takes another's place in it: all phones of two
    /// agents, of whom one is rung while the other's stop ringing, and the two who talk.
    fn legs_max(&self) -> usize {
        2 * self.settings.registrar.contacts_max + 2
    }

    /// The leg that this names, if its agent may replace it; or the code of the refusal (RFC 3891 §3).
    fn replaced(&self, agent: Option<AgentId>, replaces: &Replaces) -> Result<(CallId, LegId), u16> {
        let agent = agent.ok_or(403_u16)?;
        let (leg, standing) = self.legs.standing(replaces, &self.endpoint).ok_or(481_u16)?;
        let leg = match standing {
            // We cannot take back what the peer has begun.
            Standing::Early => return Err(481),
            Standing::Over => return Err(603),
            Standing::Confirmed if replaces.early_only => return Err(486),
            Standing::Confirmed | Standing::Rings => leg.ok_or(603_u16)?,
        };
        let id = self.leg_calls.get(&leg).copied().ok_or(603_u16)?;
        let owner = match self.leg_offers.get(&leg).and_then(|offer| self.offers.get(offer)) {
            Some(offer) => Some(offer.agent),
            None => match self.calls.get(&id).map(|call| &call.stage) {
                Some(Stage::Ringing { legs, callee, .. }) if legs.contains(&leg) => *callee,
                _ => self.agent_at(id, leg),
            },
        };
        match owner == Some(agent) {
            false => Err(403),
            true if self.is_replaceable(id, leg) => Ok((id, leg)),
            true => Err(481),
        }
    }

    /// The leg rings, or has somebody to talk with: who only hears a flow or waits has nothing that another phone could take.
    fn is_replaceable(&self, id: CallId, leg: LegId) -> bool {
        if self.leg_offers.get(&leg).is_some_and(|offer| self.offers.contains_key(offer)) {
            return true;
        }
        self.calls.get(&id).is_some_and(|call| match &call.stage {
            Stage::Ringing { legs, .. } => legs.contains(&leg),
            Stage::Talking(talk) => talk.leg == leg || call.caller == leg,
            _ => false,
        })
    }

    /// The leg has a port and a usable offer. False: it is none that replaces another.
    pub(super) fn on_replacing_arrived(&mut self, now: Time, id: CallId, leg: LegId) -> bool {
        let Some(old) = self.take_replacing(id, leg) else { return false };
        if !self.is_replaceable(id, old) {
            // It ended meanwhile.
            self.legs.hang_up(now, leg, 481, None, &mut self.endpoint);
            return true;
        }
        if !self.legs.answer(now, leg, &mut self.endpoint) {
            return true;
        }
        let offer = self.leg_offers.get(&old).copied();
        offer.into_iter().for_each(|offer| self.announces_elsewhere(now, offer, old));
        if let Some(offer_id) = offer
            && let Some(offer) = self.offers.get_mut(&offer_id)
        {
            offer.legs.push(leg);
            self.leg_offers.insert(leg, offer_id);
            self.on_answered(now, leg);
            return true;
        }
        let Some(call) = self.calls.get_mut(&id) else { return true };
        match &mut call.stage {
            Stage::Ringing { legs, .. } if legs.contains(&old) => {
                legs.push(leg);
                self.on_answered(now, leg);
            }
            Stage::Talking(talk) if talk.leg == old || call.caller == old => {
                let caller = call.caller;
                let Talk { leg: with_leg, with, since, .. } = talk;
                let (was, with, talked) = (*with_leg, with.clone(), now.since(*since));
                let (remains, called) = if was == old { (caller, true) } else { (was, false) };
                if called {
                    (talk.leg, talk.since) = (leg, now);
                } else {
                    call.caller = leg;
                }
                self.legs.unbridge(caller, was);
                self.legs.stop(remains);
                if called {
                    self.say(now, What::Disconnected { call: id, leg: old, with: with.clone(), talked });
                }
                self.legs.hang_up(now, old, 487, None, &mut self.endpoint);
                self.legs.bridge(leg, remains);
                if called {
                    self.say(now, What::Connected { call: id, leg, with });
                }
                self.heed_holds(now, id);
            }
            _ => unreachable!("only what rings or talks is replaceable"),
        }
        true
    }

    /// The leg does not wait to replace another any more; which one that was.
    pub(super) fn take_replacing(&mut self, id: CallId, leg: LegId) -> Option<LegId> {
        let call = self.calls.get_mut(&id)?;
        let at = call.replacing.iter().position(|(new, _)| *new == leg)?;
        Some(call.replacing.swap_remove(at).1)
    }
}

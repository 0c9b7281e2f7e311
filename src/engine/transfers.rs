//! Transfers by an agent's phone: REFER to a number (blind), or to the agent's own other call (attended).
//!
//! ```text
//!            REFER                  answered                 hung up, or 4 s
//!  talking ────────▶ ringing there ─────────▶ caller talks ───────────────▶ agent: wrap-up
//!      ▲  connected │      │ refused           there; agent's leg departs
//!      │  again     ▼      ▼
//!      └──────── agent is there?   no: back to the front of the queue, to the flow, or to the agent's phone anew
//! ```
//!
//! While it rings the caller hears that it does. The agent is not free before the own leg is over, so nobody is rung who
//! still has a call on the phone.

use super::Engine;
use super::calls::{Call, Plan, Queued, Served, Stage, Talk};
use super::identity::Identity;
use super::in_line::InLine;
use crate::acd::{Change, Exit};
use crate::call::Referral;
use crate::flow::{Facts, Input as FlowInput, RINGBACK};
use crate::ids::{AgentId, CallId, EntryId, LegId};
use crate::media::Sound;
use crate::record::{EndedBy, TransferKind, What};
use crate::sip::{Headers, Replaces, Standing};
use crate::time::{Duration, Time};
use std::sync::Arc;

/// How long the phone of who transferred may take to hang up; then we do.
const DEPARTURE: Duration = Duration::from_secs(4);

/// A phone that hangs up so soon after a transfer failed does so by itself: nobody has spoken with the caller again.
const BY_ITSELF: Duration = Duration::from_secs(2);

/// Added to the priority of callers who come back from a transfer that found nobody, so that they are next.
pub(super) const COMES_BACK: i32 = 1_000_000;

/// An agent's part in a call.
#[derive(Clone)]
pub(super) struct Party {
    pub leg: LegId,
    pub agent: Option<AgentId>,
    /// The entry that brought them into it; `None`: a call of their own.
    pub entry: Option<EntryId>,
    pub name: Arc<str>,
}

/// A transfer whose target is being rung.
pub(super) struct Transfer {
    /// Who asked for it.
    by: Party,
    /// The phone has hung up already.
    gone: bool,
    kind: TransferKind,
    /// CSeq of the REFER.
    number: u32,
    notifies: bool,
    told_ringing: bool,
    referred_by: Option<String>,
}

/// The leg of an agent who has transferred the call and is about to hang up.
pub(super) struct Departing {
    party: Party,
    pub until: Time,
}

/// An agent whose transfer failed has the caller again.
pub(super) struct TookBack {
    leg: LegId,
    at: Time,
    code: u16,
}

impl Call {
    /// Whose transfer is being rung.
    pub(super) fn transferring_agent(&self) -> Option<AgentId> {
        self.transfer.as_ref()?.by.agent
    }
}

/// Why a REFER is refused: code and words.
type Refusal = (u16, &'static str);

impl Engine {
    pub(super) fn on_referred(&mut self, now: Time, leg: LegId, referral: &Referral) {
        let kind = if referral.replaces.is_some() { TransferKind::Attended } else { TransferKind::Blind };
        let Some(&id) = self.leg_calls.get(&leg) else {
            return self.legs.refuse_referral(now, referral, 481, "", &mut self.endpoint);
        };
        let done = match self.may_transfer(id, leg, referral) {
            Ok(agent) => match &referral.replaces {
                None => self.transfer_blindly(now, id, leg, agent, referral),
                Some(Ok(replaces)) => self.transfer_to_own_call(now, id, leg, agent, referral, replaces),
                Some(Err(())) => Err((400, "Bad Replaces in Refer-To")),
            },
            Err(refusal) => Err(refusal),
        };
        if let Err((code, why)) = done {
            self.say(now, What::TransferRefused { call: id, kind, code });
            self.legs.refuse_referral(now, referral, code, why, &mut self.endpoint);
        }
    }

    fn may_transfer(&self, id: CallId, leg: LegId, referral: &Referral) -> Result<AgentId, Refusal> {
        let call = self.calls.get(&id).filter(|call| call.end.is_none()).ok_or((481, ""))?;
        if call.transfer.is_some() {
            return Err((491, ""));
        }
        if !matches!(call.stage, Stage::Talking(_)) {
            return Err((403, "nobody to transfer"));
        }
        if referral.other_method.is_some() {
            return Err((403, "only INVITE"));
        }
        // Who came by a trunk would call out at our cost.
        self.agent_at(id, leg).ok_or((403, "only agents transfer"))
    }

    /// The agent whose leg this is, in a talk or as the caller.
    pub(super) fn agent_at(&self, id: CallId, leg: LegId) -> Option<AgentId> {
        let call = self.calls.get(&id)?;
        match &call.stage {
            Stage::Talking(talk) if talk.leg == leg => talk.agent,
            _ if call.caller == leg => call.caller_agent,
            _ => None,
        }
    }

    fn transfer_blindly(
        &mut self,
        now: Time,
        id: CallId,
        leg: LegId,
        agent: AgentId,
        referral: &Referral,
    ) -> Result<(), Refusal> {
        let number = self.number(&referral.to.number().unwrap_or_default(), None);
        let securely = referral.to.is_secure();
        let plan = match self.plan_for(&number, None) {
            Some(Plan::Agent(to)) if to == agent => return Err((403, "own number")),
            Some(Plan::Agent(to)) if securely && self.is_only_insecure(to) => return Err((480, "SIPS Not Allowed")),
            Some(plan @ (Plan::Flow(_) | Plan::Agent(_) | Plan::Outside { .. })) => plan,
            _ => return Err((404, "unknown number")),
        };
        self.begin_transfer(now, id, leg, referral, TransferKind::Blind, number);
        match plan {
            Plan::Flow(flow) => {
                self.transfer_over(now, id, 200);
                self.run_flow(now, id, &flow);
            }
            plan => {
                self.play_ringback(id);
                self.ring_directly(now, id, plan, self.settings.limits.ring_time, securely);
            }
        }
        self.schedule(id);
        Ok(())
    }

    /// The agent's leg is out of the talk, and who remains is the call's caller.
    fn begin_transfer(
        &mut self,
        now: Time,
        id: CallId,
        leg: LegId,
        referral: &Referral,
        kind: TransferKind,
        to: String,
    ) {
        self.legs.take_referral(now, leg, referral, &mut self.endpoint);
        let Some(by) = self.part(now, id, leg) else { return };
        self.say(now, What::Transferred { call: id, by: by.name.clone(), kind, to });
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.licences.extend(call.queued.iter().flat_map(|queued| queued.stands.licences.clone()));
        call.transfer = Some(Box::new(Transfer {
            by,
            gone: false,
            kind,
            number: referral.number,
            notifies: referral.notifies,
            told_ringing: false,
            referred_by: referral.referred_by.clone(),
        }));
    }

    /// Takes one party's leg out of the talk without ending it. If it was the caller's, who was called is now the caller,
    /// and the flow, which was the other's, is over.
    fn part(&mut self, now: Time, id: CallId, leg: LegId) -> Option<Party> {
        let call = self.calls.get_mut(&id)?;
        let Stage::Talking(talk) = std::mem::replace(&mut call.stage, Stage::Flow) else { return None };
        let caller = call.caller;
        let remains = if caller == leg { talk.leg } else { caller };
        let talked = now.since(talk.since);
        self.legs.unbridge(caller, talk.leg);
        // Music of a hold.
        self.legs.stop(remains);
        self.legs.stop(leg);
        self.say(now, What::Disconnected { call: id, leg: talk.leg, with: talk.with.clone(), talked });
        if leg == talk.leg {
            return Some(Party { leg, agent: talk.agent, entry: talk.entry, name: talk.with });
        }
        let number = talk.agent.map(|agent| self.agents.seat(agent).number.clone()).filter(|number| !number.is_empty());
        let call = self.calls.get_mut(&id)?;
        let name =
            call.caller_agent.map_or_else(|| call.from.as_str().into(), |agent| self.agents.seat(agent).name.clone());
        let party = Party { leg, agent: call.caller_agent, entry: call.caller_entry, name };
        call.caller = talk.leg;
        call.caller_agent = talk.agent;
        call.caller_entry = talk.entry;
        call.from = number.unwrap_or_else(|| talk.with.to_string());
        call.name = String::new();
        call.identity = Identity::default();
        call.run = None;
        call.served = None;
        call.queued = None;
        Some(party)
    }

    /// Whose transfer is being rung.
    pub(super) fn transferring_agent(&self, id: CallId) -> Option<AgentId> {
        self.calls.get(&id)?.transferring_agent()
    }

    /// What the agents' phones that a transfer rings are told of who transferred, in the words of that phone (RFC 3892). Those outside
    /// are told what we know: see [`Engine::shown_outside`].
    pub(super) fn referred_by(&self, id: CallId) -> Headers {
        let transfer = self.calls.get(&id).and_then(|call| call.transfer.as_ref());
        let mut headers = Headers::default();
        if let Some(referrer) = transfer.and_then(|transfer| transfer.referred_by.as_deref()) {
            headers.push("Referred-By", referrer);
        }
        headers
    }

    pub(super) fn transfer_rings(&mut self, now: Time, id: CallId) {
        if let Some(transfer) = self.calls.get_mut(&id).and_then(|call| call.transfer.as_mut())
            && !std::mem::replace(&mut transfer.told_ringing, true)
            && transfer.notifies
        {
            self.legs.notify(now, transfer.by.leg, transfer.number, 180, &mut self.endpoint);
        }
    }

    /// The last word about a transfer, if one is under way: 200, and then its agent's leg departs, or why it failed.
    pub(super) fn transfer_over(&mut self, now: Time, id: CallId, code: u16) {
        let Some(transfer) = self.calls.get_mut(&id).and_then(|call| call.transfer.take()) else { return };
        let Transfer { by, gone, kind, number, notifies, .. } = *transfer;
        if notifies {
            self.legs.notify(now, by.leg, number, code, &mut self.endpoint);
        }
        self.say(now, What::TransferEnded { call: id, kind, code });
        if !gone && let Some(call) = self.calls.get_mut(&id) {
            call.departing.push(Departing { party: by, until: now + DEPARTURE });
        }
        self.schedule(id);
    }

    /// Nobody took the transferred caller.
    pub(super) fn transfer_failed(&mut self, now: Time, id: CallId, code: u16) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some((by, gone)) = call.transfer.as_ref().map(|transfer| (transfer.by.clone(), transfer.gone)) else {
            return;
        };
        let caller = call.caller;
        self.legs.stop(caller);
        self.transfer_over(now, id, code);
        if gone {
            return self.come_back(now, id, by.agent, code);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.departing.retain(|departing| departing.party.leg != by.leg);
        let Party { leg, agent, entry, name } = by;
        call.stage = Stage::Talking(Talk { leg, agent, with: name.clone(), entry, since: now });
        call.took_back = Some(TookBack { leg, at: now, code });
        self.legs.bridge(caller, leg);
        self.say(now, What::Connected { call: id, leg, with: name });
        self.heed_holds(now, id);
        self.schedule(id);
    }

    /// The talking agent's leg is over. True: the phone hung up because its transfer had failed, so the caller comes back.
    pub(super) fn not_taken_back(&mut self, now: Time, id: CallId, leg: LegId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let Stage::Talking(Talk { agent, .. }) = call.stage else { return false };
        let Some(back) = call.took_back.take().filter(|back| back.leg == leg && now.since(back.at) < BY_ITSELF) else {
            return false;
        };
        self.disconnect(now, id, false);
        self.come_back(now, id, agent, back.code);
        true
    }

    /// The transfer failed and its agent has hung up already. Whom a queue had given goes back to the front of that queue;
    /// whom a flow had sent, back to that flow, as if nobody had answered; anybody else's call rings at the agent again.
    fn come_back(&mut self, now: Time, id: CallId, agent: Option<AgentId>, code: u16) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match (call.served, call.queued.clone()) {
            (Some(Served::ByQueue), Some(Queued { mut request, mut stands })) => {
                request.priority = request.priority.saturating_add(COMES_BACK);
                stands.priority = stands.priority.map(|priority| priority.saturating_add(COMES_BACK));
                self.play_music(id);
                self.enqueue(now, id, request, InLine { since: now, away: Duration::ZERO, ..stands });
            }
            (Some(_), _) => {
                call.served = None;
                self.tell_flow(now, id, FlowInput::TransferFailed(code));
            }
            (None, _) => match agent {
                Some(agent) => {
                    self.play_ringback(id);
                    self.ring_directly(now, id, Plan::Agent(agent), self.settings.limits.ring_time, false);
                }
                None => self.end_call(now, id, EndedBy::System, "nobody took the transferred call"),
            },
        }
        self.schedule(id);
    }

    /// A leg is over that was in no talk any more: of an agent who transfers or has transferred. False: it is none.
    pub(super) fn departed(&mut self, now: Time, id: CallId, leg: LegId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let party = match &mut call.transfer {
            Some(transfer) if transfer.by.leg == leg && !transfer.gone => {
                transfer.gone = true;
                transfer.by.clone()
            }
            _ => match call.departing.iter().position(|departing| departing.party.leg == leg) {
                Some(at) => call.departing.swap_remove(at).party,
                None => return false,
            },
        };
        self.release(now, id, &party);
        self.schedule(id);
        true
    }

    /// Agents who transferred and did not hang up in time.
    pub(super) fn departures_due(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let late: Vec<Party> = call
            .departing
            .extract_if(.., |departing| departing.until <= now)
            .map(|departing| departing.party)
            .collect();
        for party in late {
            self.release(now, id, &party);
        }
    }

    /// The call ends: so does the part of those who transferred it.
    pub(super) fn end_departures(&mut self, now: Time, id: CallId) {
        self.transfer_over(now, id, 487);
        let Some(call) = self.calls.get_mut(&id) else { return };
        for departing in std::mem::take(&mut call.departing) {
            self.release(now, id, &departing.party);
        }
    }

    fn release(&mut self, now: Time, id: CallId, party: &Party) {
        self.legs.hang_up(now, party.leg, 487, None, &mut self.endpoint);
        self.untie(now, id, party.agent, party.entry, false);
    }

    /// The agent has no part in the call any more. `broke`: nobody hung up.
    pub(super) fn untie(&mut self, now: Time, id: CallId, agent: Option<AgentId>, entry: Option<EntryId>, broke: bool) {
        match entry {
            Some(entry) => {
                if let Some(agent) = agent {
                    self.agents.seat_mut(agent).queue_call = None;
                }
                self.acd_apply(now, Change::TalkEnded { entry, broke });
            }
            None => self.own_call_over(now, agent, id),
        }
    }

    fn transfer_to_own_call(
        &mut self,
        now: Time,
        id: CallId,
        leg: LegId,
        agent: AgentId,
        referral: &Referral,
        replaces: &Replaces,
    ) -> Result<(), Refusal> {
        let other = match self.legs.standing(replaces, &self.endpoint) {
            Some((Some(leg), Standing::Confirmed | Standing::Early)) => {
                self.leg_calls.get(&leg).map(|other| (*other, leg)).filter(|(other, leg)| {
                    self.agent_at(*other, *leg) == Some(agent)
                        && self.calls.get(other).is_some_and(|call| call.end.is_none() && call.transfer.is_none())
                })
            }
            _ => None,
        };
        match other {
            Some((other, _)) if other == id => return Err((403, "the same call")),
            Some(other) if self.join(now, (id, leg), other, referral) => return Ok(()),
            _ => {}
        }
        // A 481 to the REFER itself would end the dialog that it came in.
        self.say(now, What::TransferRefused { call: id, kind: TransferKind::Attended, code: 481 });
        self.legs.take_referral(now, leg, referral, &mut self.endpoint);
        if referral.notifies {
            self.legs.notify(now, leg, referral.number, 481, &mut self.endpoint);
        }
        Ok(())
    }

    /// The parties whom the agent has in two calls have each other from now on. False: the other call has nobody to give.
    fn join(&mut self, now: Time, one: (CallId, LegId), two: (CallId, LegId), referral: &Referral) -> bool {
        let (Some(first), Some(second)) = (self.calls.get(&one.0), self.calls.get(&two.0)) else { return false };
        match &second.stage {
            Stage::Talking(_) => {
                // The call of who called us is the one that stays.
                let called = first.caller == one.1 && second.caller != two.1;
                let (stays, goes) = if called { (two, one) } else { (one, two) };
                self.join_talks(now, stays, goes, one.1, referral);
            }
            Stage::Ringing { .. } => self.join_ringing(now, one, two.0, referral),
            Stage::Waiting { .. } => self.join_waiting(now, one, two.0, referral),
            Stage::Flow => self.join_flow(now, one, two.0, referral),
            Stage::Arriving { .. } | Stage::Notice | Stage::Ending => return false,
        }
        self.schedule(one.0);
        self.schedule(two.0);
        true
    }

    /// `referrer`: the one of the agent's two legs that the REFER came by.
    fn join_talks(
        &mut self,
        now: Time,
        (stays, stays_leg): (CallId, LegId),
        (goes, goes_leg): (CallId, LegId),
        referrer: LegId,
        referral: &Referral,
    ) {
        self.legs.take_referral(now, referrer, referral, &mut self.endpoint);
        let (Some(by), Some(left)) = (self.part(now, stays, stays_leg), self.part(now, goes, goes_leg)) else { return };
        let Some(gone) = self.calls.get_mut(&goes) else { return };
        let (leg, agent, entry) = (gone.caller, gone.caller_agent, gone.caller_entry);
        let with = agent.map_or_else(|| gone.from.as_str().into(), |agent| self.agents.seat(agent).name.clone());
        gone.caller = left.leg;
        gone.caller_agent = left.agent;
        gone.caller_entry = left.entry;
        gone.legs.remove(&leg);
        self.leg_calls.insert(leg, stays);
        let kind = TransferKind::Attended;
        self.say(now, What::Transferred { call: stays, by: by.name.clone(), kind, to: with.to_string() });
        if referral.notifies {
            self.legs.notify(now, referrer, referral.number, 200, &mut self.endpoint);
        }
        // In the call that stays before out of the one that goes: nobody must be rung in between.
        match (agent, entry) {
            (Some(agent), Some(_)) => self.agents.seat_mut(agent).queue_call = Some(stays),
            (Some(agent), None) => {
                self.own_call_began(now, agent, stays);
                self.own_call_over(now, Some(agent), goes);
            }
            (None, _) => {}
        }
        self.end_call(now, goes, EndedBy::Agent, &format!("became part of call {stays}"));
        let Some(call) = self.calls.get_mut(&stays) else { return };
        call.legs.insert(leg);
        let caller = call.caller;
        call.stage = Stage::Talking(Talk { leg, agent, with: with.clone(), entry, since: now });
        // The phone that asked hangs up by itself; the agent's other leg has no reason to know of it.
        let until = if by.leg == referrer { now + DEPARTURE } else { now };
        call.departing.push(Departing { party: by, until });
        self.departures_due(now, stays);
        self.legs.bridge(caller, leg);
        self.say(now, What::Connected { call: stays, leg, with });
        self.say(now, What::TransferEnded { call: stays, kind, code: 200 });
        self.heed_holds(now, stays);
    }

    /// The agent does not wait until the other phone is answered.
    fn join_ringing(&mut self, now: Time, (id, leg): (CallId, LegId), goes: CallId, referral: &Referral) {
        let to = self.calls.get(&goes).map(|call| call.to.clone()).unwrap_or_default();
        self.begin_transfer(now, id, leg, referral, TransferKind::Attended, to);
        let Some(gone) = self.calls.get_mut(&goes) else { return };
        let stage = std::mem::replace(&mut gone.stage, Stage::Flow);
        let Stage::Ringing { legs, callee, .. } = &stage else { return };
        for leg in legs {
            gone.legs.remove(leg);
            self.leg_calls.insert(*leg, id);
        }
        let (legs, callee) = (legs.clone(), *callee);
        if let Some(call) = self.calls.get_mut(&id) {
            call.legs.extend(legs);
            call.stage = stage;
        }
        if let Some(callee) = callee {
            self.own_call_began(now, callee, id);
            self.own_call_over(now, Some(callee), goes);
        }
        self.end_call(now, goes, EndedBy::Agent, &format!("became part of call {id}"));
        self.play_ringback(id);
        self.transfer_rings(now, id);
    }

    /// The caller waits instead of the agent, from the same place in line.
    fn join_waiting(&mut self, now: Time, (id, leg): (CallId, LegId), goes: CallId, referral: &Referral) {
        let to = self.calls.get(&goes).map(|call| call.to.clone()).unwrap_or_default();
        self.begin_transfer(now, id, leg, referral, TransferKind::Attended, to);
        self.transfer_over(now, id, 200);
        let Some(gone) = self.calls.get_mut(&goes) else { return };
        let Stage::Waiting { entry } = std::mem::replace(&mut gone.stage, Stage::Flow) else { return };
        let (run, is_announcing) = (gone.run.take(), gone.play.is_some());
        self.acd_apply(now, Change::Leave { entry, exit: Exit::Transferred });
        let queued = self.calls.get_mut(&goes).and_then(|gone| gone.queued.take());
        self.end_call(now, goes, EndedBy::Agent, &format!("became part of call {id}"));
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.served = None;
        // Who was transferred had been answered.
        let facts = Facts { is_answered: true, ..call.facts() };
        call.run = run.map(|mut run| {
            run.is_about(facts);
            run
        });
        if let Some(Queued { request, stands }) = queued {
            self.play_music(id);
            self.enqueue(now, id, request, stands);
        }
        if is_announcing {
            // The caller does not hear the rest of it.
            self.tell_flow(now, id, FlowInput::Played);
        }
    }

    /// The caller hears from the beginning what the agent was hearing.
    fn join_flow(&mut self, now: Time, (id, leg): (CallId, LegId), goes: CallId, referral: &Referral) {
        let to = self.calls.get(&goes).map(|call| call.to.clone()).unwrap_or_default();
        let plan = self.plan_for(&to, None);
        self.begin_transfer(now, id, leg, referral, TransferKind::Attended, to);
        self.transfer_over(now, id, 200);
        self.end_call(now, goes, EndedBy::Agent, &format!("became part of call {id}"));
        match plan {
            Some(Plan::Flow(flow)) => self.run_flow(now, id, &flow),
            _ => self.end_call(now, id, EndedBy::System, "the flow does not exist"),
        }
    }

    /// Who of the two in a talk has put the other on hold still has.
    pub(super) fn heed_holds(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let Stage::Talking(talk) = &call.stage else { return };
        for party in [call.caller, talk.leg] {
            if self.legs.is_held(party) {
                self.on_held(now, party, true);
            }
        }
        self.tell_talks_of(now, id);
    }

    pub(super) fn play_ringback(&mut self, id: CallId) {
        self.play_to_caller(id, RINGBACK.to_owned());
    }

    fn play_music(&mut self, id: CallId) {
        self.play_to_caller(id, format!("music/{}", self.settings.hold_music));
    }

    fn play_to_caller(&mut self, id: CallId, name: String) {
        if let Some(call) = self.calls.get(&id) {
            self.legs.play(call.caller, vec![Sound { name, language: String::new() }], true);
        }
    }
}

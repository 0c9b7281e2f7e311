//! Provisional answers and their PRACKs (RFC 3262), both ways.

use super::inbound::Arrival;
use super::writing::response;
use super::{EndCause, Endpoint, Event, Hop, InviteId};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::reliable::{self, Next, RAck, RELIABLE};
use crate::sip::transaction::Expiry;
use crate::sip::transaction::table::{ClientKey, Owner, ServerKey};
use crate::sip::usage::{Early, FORKS_MAX, State, Usage};
use crate::time::Time;

impl Endpoint {
    /// Makes a provisional answer of ours one that is acknowledged, where the INVITE asked for that. False: the one
    /// before it is not acknowledged yet, so this one waits.
    pub(super) fn make_reliable(&mut self, id: InviteId, answer: &mut Response) -> bool {
        let Some(reliable) = self.usages.get_mut(&id).and_then(|usage| usage.reliable.as_mut()) else { return true };
        if reliable.is_waiting() {
            reliable.waits_with(answer.code, &answer.reason, std::mem::take(&mut answer.body));
            return false;
        }
        answer.headers.push("Require", RELIABLE);
        answer.headers.push("RSeq", reliable.number().to_string());
        true
    }

    /// The answer that `make_reliable` numbered was sent.
    pub(super) fn sent_reliably(&mut self, now: Time, id: InviteId, server: ServerKey, has_body: bool) {
        let (timings, answer) = (self.table.timings(), self.table.last_answer(server));
        if let Some(reliable) = self.usages.get_mut(&id).and_then(|usage| usage.reliable.as_mut())
            && let Some(answer) = answer
        {
            reliable.sent(now, answer, has_body, timings);
        }
    }

    /// Whether the caller of this usage acknowledges our provisional answers, and so takes an offer in the first of them.
    pub fn is_acknowledging(&self, id: InviteId) -> bool {
        self.usages.get(&id).is_some_and(|usage| usage.reliable.is_some())
    }

    pub(super) fn receive_prack(&mut self, arrival: &Arrival, id: InviteId, request: Request) {
        if let Some(refusal) = self.unsupported_body(&request) {
            return self.refuse(arrival, &request, refusal);
        }
        let ack = RAck::of(&request.headers);
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let offering = usage.reliable.as_ref().is_some_and(|reliable| reliable.is_offering());
        let number = match &usage.state {
            State::Incoming { number, .. } => Some(*number),
            _ => None,
        };
        let known = usage.reliable.as_mut().is_some_and(|reliable| {
            // After our final answer the number of the INVITE is no longer kept; the RSeq tells enough.
            ack.is_some_and(|ack| {
                ack.method == Method::Invite
                    && number.is_none_or(|number| number == ack.cseq)
                    && reliable.acknowledge(ack.rseq)
            })
        });
        if known && !offering && !request.description().is_empty() {
            // The next offer, which the answer to the PRACK answers (§5).
            return self.receive_offer(arrival, id, request);
        }
        self.refuse(arrival, &request, response(if known { 200 } else { 481 }));
        if known {
            if offering {
                self.events.push_back(Event::Confirmed { id, body: request.description().to_vec() });
            }
            self.go_on(arrival.now, id);
        }
    }

    /// What waited for the PRACK.
    pub(super) fn go_on(&mut self, now: Time, id: InviteId) {
        let Some(reliable) = self.usages.get_mut(&id).and_then(|usage| usage.reliable.as_mut()) else { return };
        let (accept, next) = (reliable.accept.take(), reliable.next.take());
        if let Some(body) = accept {
            self.accept_invite(now, id, body);
        } else if let Some(Next { code, reason, body }) = next {
            self.ring_invite(now, id, code, &reason, body);
        }
        self.arm(id);
    }

    pub(super) fn resend_reliable(&mut self, now: Time, id: InviteId) {
        let Some(usage) = self.usages.get_mut(&id).filter(|usage| matches!(usage.state, State::Incoming { .. })) else {
            return;
        };
        match usage.reliable.as_mut().and_then(|reliable| reliable.handle_timeout(now)) {
            Some((Expiry::Resend, answer)) => {
                self.table.counters.retransmissions_sent += 1;
                self.table.transmits.push_back(answer);
            }
            // Who does not acknowledge that it rings would not talk either (§3).
            Some(_) => {
                self.events.push_back(Event::Ended { id, cause: EndCause::NoAck });
                self.refuse_invite(now, id, response(504));
            }
            None => {}
        }
    }

    /// Acknowledges a provisional answer to our INVITE that asks for it. False: it is one that was heard already, or out
    /// of order, and says nothing (§4). Of one that is heard what counts of its description is left in it.
    pub(super) fn acknowledge_progress(
        &mut self,
        now: Time,
        hop: &Hop,
        id: InviteId,
        invite: &Request,
        progress: &mut Response,
    ) -> bool {
        if !reliable::is_required(&progress.headers) {
            return true;
        }
        let tag = progress.headers.to_tag().map(str::to_string).unwrap_or_default();
        let (Some(rseq), Ok((number, _))) = (reliable::rseq(&progress.headers), invite.headers.cseq()) else {
            return false;
        };
        let Some(usage) = self.usages.get_mut(&id) else { return false };
        let (follows, counted) = (usage.follows, usage.counted);
        let State::Calling(calling) = &mut usage.state else { return false };
        let at = match calling.early.iter().position(|early| early.tag == tag) {
            Some(at) if calling.early[at].rseq.wrapping_add(1) == rseq => at,
            Some(at) => {
                // Again: our PRACK may have found nobody where the peer says that it is.
                let prack = calling.early[at].prack.filter(|_| calling.early[at].rseq == rseq);
                prack.into_iter().for_each(|prack| self.table.send_also(prack, hop));
                return false;
            }
            None if calling.early.len() >= FORKS_MAX => {
                self.table.counters.forks_ignored += 1;
                return false;
            }
            None => {
                let contact = invite.headers.get("Contact").unwrap_or_default().to_string();
                let Some(mut dialog) = Dialog::of_caller(invite, progress, contact, *hop) else { return false };
                follows.into_iter().for_each(|known| dialog.follow(known));
                dialog.counted(counted);
                let (tag, described) = (tag.clone(), Vec::new());
                calling.early.push(Early { tag, rseq, dialog, described, is_renewed: false, prack: None });
                calling.early.len() - 1
            }
        };
        let early = &mut calling.early[at];
        early.rseq = rseq;
        early.dialog.heard_by(hop);
        if early.is_renewed {
            progress.body.clear();
        }
        let description = progress.description();
        if !description.is_empty() {
            early.described = description.to_vec();
        }
        let mut prack = early.dialog.request(Method::Prack);
        prack.headers.push("RAck", format!("{rseq} {number} INVITE"));
        let hop = early.dialog.hop();
        let key = self.start_request(now, hop, prack, Owner::Prack(id));
        self.note_prack(id, &tag, key);
        true
    }

    pub(super) fn note_prack(&mut self, id: InviteId, tag: &str, prack: ClientKey) {
        if let Some(Usage { state: State::Calling(calling), .. }) = self.usages.get_mut(&id)
            && let Some(early) = calling.early_with(tag)
        {
            early.prack = Some(prack);
        }
    }
}

//! Offers inside a dialog, either way: re-INVITE (RFC 3261 §14) and UPDATE (RFC 3311).

use super::inbound::Arrival;
use super::writing::{SDP, response};
use super::{Endpoint, Event, Hop, InviteId};
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::transaction::table::{ClientKey, Owner, Passed, reinvite_ack};
use crate::sip::usage::{Exchange, GLARE_TRIES, REINVITE_PATIENCE, Sent, State, Unacknowledged, Wanted};
use crate::time::{Duration, Time};

impl Endpoint {
    /// The peer's re-INVITE or UPDATE.
    pub(super) fn receive_offer(&mut self, arrival: &Arrival, id: InviteId, request: Request) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let is_update = request.method == Method::Update;
        if is_update && request.body.is_empty() {
            // Only a target refresh; who sends it is alive.
            if let Some(dialog) = &mut usage.dialog {
                dialog.refresh(&request.headers);
            }
            if let Some(refusal) = self.too_short_session(&request) {
                return self.refuse(arrival, &request, refusal);
            }
            let mut ok = response(200);
            self.complete_answer(id, &mut ok, Vec::new());
            self.settle_session(arrival.now, id, &request.headers, &mut ok);
            self.refuse(arrival, &request, ok);
            return self.arm(id);
        }
        let ours_pending = matches!(usage.exchange, Exchange::Sent(_)) || usage.unacknowledged.is_some();
        let theirs_pending = matches!(usage.exchange, Exchange::Received { .. });
        let refusal = match usage.state {
            State::Incoming { .. } => Some(self.retry_later()),
            State::Answered if theirs_pending => Some(self.retry_later()),
            State::Answered if !ours_pending => {
                self.unsupported_body(&request).or_else(|| self.too_short_session(&request))
            }
            _ => Some(response(491)),
        };
        if let Some(refusal) = refusal {
            return self.refuse(arrival, &request, refusal);
        }
        self.start_server(arrival, &request);
        self.table.set_usage(arrival.key, id);
        if !is_update {
            self.answer(arrival.now, arrival.key, Response::to(&request, 100, None));
        }
        let offer = request.body.clone();
        if let Some(usage) = self.usages.get_mut(&id) {
            usage.exchange = Exchange::Received { server: arrival.key, request: Box::new(request) };
        }
        self.events.push_back(Event::Offered { id, offer });
        self.arm(id);
    }

    /// 500 with a Retry-After of 0 to 10 seconds (RFC 3261 §14.2).
    fn retry_later(&mut self) -> Response {
        let mut refusal = response(500);
        refusal.headers.push("Retry-After", (self.table.secrets.next() % 11).to_string());
        refusal
    }

    pub(super) fn accept_offer(&mut self, now: Time, id: InviteId, body: Vec<u8>) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let Some((server, request)) = usage.take_received() else { return };
        if let Some(dialog) = &mut usage.dialog {
            dialog.refresh(&request.headers);
        }
        let mut ok = response(200);
        self.complete_answer(id, &mut ok, body);
        self.settle_session(now, id, &request.headers, &mut ok);
        let sent = self.answer(now, server, ok);
        let timings = self.table.timings();
        if sent
            && request.method == Method::Invite
            && let Some(answer) = self.table.last_answer(server)
            && let Some(usage) = self.usages.get_mut(&id)
        {
            let number = request.headers.cseq().map_or(0, |(number, _)| number);
            usage.unacknowledged = Some(Unacknowledged::new(now, number, false, answer, timings));
        }
        self.offer_next(now, id);
        self.arm(id);
    }

    pub(super) fn reject_offer(&mut self, now: Time, id: InviteId, code: u16) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        if let Some((server, _)) = usage.take_received() {
            let code = if (300..700).contains(&code) { code } else { 488 };
            self.answer(now, server, response(code));
            self.offer_next(now, id);
            self.arm(id);
        }
    }

    pub(super) fn want_offer(&mut self, now: Time, id: InviteId, offer: Vec<u8>) {
        let Some(usage) = self.usages.get_mut(&id).filter(|usage| matches!(usage.state, State::Answered)) else {
            return;
        };
        // A back-off goes on for the new offer: the peer's re-INVITE is what it waits for.
        let not_before = usage.wanted.as_ref().map_or(now, |wanted| wanted.not_before);
        usage.wanted = Some(Wanted { offer, not_before, tries: 0 });
        self.offer_next(now, id);
        self.arm(id);
    }

    /// Sends the waiting offer, if its time has come.
    pub(super) fn offer_next(&mut self, now: Time, id: InviteId) {
        let Some(usage) = self.usages.get_mut(&id).filter(|usage| usage.may_offer()) else { return };
        let Some(wanted) = usage.wanted.take_if(|wanted| wanted.not_before <= now) else { return };
        let Some(dialog) = &mut usage.dialog else { return };
        let mut invite = dialog.request(Method::Invite);
        let hop = dialog.hop();
        self.describe(&mut invite.headers);
        self.sign(&mut invite.headers, "User-Agent");
        self.ask_session(id, &mut invite.headers);
        invite.set_body(SDP, wanted.offer.clone());
        let client = self.table.start_client(now, hop, invite, Owner::Reinvite(id));
        if let Some(usage) = self.usages.get_mut(&id) {
            let Wanted { offer, tries, .. } = wanted;
            usage.exchange = Exchange::Sent(Sent { client, offer, tries: tries + 1, until: now + REINVITE_PATIENCE });
        }
    }

    /// A response to our re-INVITE.
    pub(super) fn reinvite_answered(&mut self, now: Time, hop: &Hop, passed: Passed, id: InviteId, response: Response) {
        if response.is_success() {
            self.acknowledge_reinvite(hop, passed.key, &response);
        }
        let until = self.usages.get(&id).and_then(|usage| match &usage.exchange {
            Exchange::Sent(sent) if sent.client == passed.key => Some(sent.until),
            _ => None,
        });
        if response.is_provisional() {
            // Nobody waits for the answer any more if the usage ended meanwhile.
            let until = until.unwrap_or(now + self.table.timings().patience());
            return self.table.give_up_at(passed.key, until);
        }
        let Some(usage) = self.usages.get_mut(&id).filter(|_| until.is_some()) else { return };
        let Some(Sent { offer, tries, .. }) = usage.take_sent() else { return };
        let superseded = usage.wanted.is_some();
        match response.code {
            200..300 => {
                if let Some(dialog) = &mut usage.dialog {
                    dialog.refresh(&response.headers);
                    dialog.heard_by(hop);
                }
                self.session_settled(now, id, &response);
                if !superseded {
                    self.events.push_back(Event::OfferAnswered { id, result: Ok(response.body) });
                }
            }
            422 if tries < GLARE_TRIES && self.lengthen_session(id, &response) => {
                if let Some(usage) = self.usages.get_mut(&id) {
                    usage.wanted.get_or_insert(Wanted { offer, not_before: now, tries });
                }
            }
            491 if superseded || tries < GLARE_TRIES => self.back_off(now, id, offer, tries),
            408 | 481 => return self.peer_gone(now, id),
            code if !superseded => self.events.push_back(Event::OfferAnswered { id, result: Err(code) }),
            _ => {}
        }
        self.offer_next(now, id);
        self.arm(id);
    }

    /// RFC 3261 §14.1: who made the Call-ID waits longer.
    fn back_off(&mut self, now: Time, id: InviteId, offer: Vec<u8>, tries: u32) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let (low, high) = if usage.own_call_id.is_some() { (2100, 4000) } else { (0, 2000) };
        let wait = self.table.secrets.back_off(Duration::from_millis(low), Duration::from_millis(high));
        let wanted = usage.wanted.get_or_insert(Wanted { offer, not_before: now, tries });
        wanted.not_before = now + wait;
    }

    fn acknowledge_reinvite(&mut self, hop: &Hop, key: ClientKey, response: &Response) {
        let tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_string)).unwrap_or_default();
        if self.table.acknowledge_again(key, &tag) {
            return;
        }
        let Some(invite) = self.table.invite(key) else { return };
        let mut ack = reinvite_ack(invite, response);
        self.sign(&mut ack.headers, "User-Agent");
        self.table.acknowledge(key, &tag, *hop, ack);
    }

    pub(super) fn reinvite_unreachable(&mut self, now: Time, id: InviteId, failed: &Hop) {
        let other_way = self.has_other_way(id, failed);
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let Some(Sent { offer, tries, .. }) = usage.take_sent() else { return };
        if other_way {
            usage.wanted.get_or_insert(Wanted { offer, not_before: now, tries });
        } else if usage.wanted.is_none() {
            self.events.push_back(Event::OfferAnswered { id, result: Err(503) });
        }
        self.offer_next(now, id);
        self.arm(id);
    }
}

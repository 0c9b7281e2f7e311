//! Offers inside a dialog, either way: re-INVITE (RFC 3261 §14), UPDATE (RFC 3311) and PRACK (RFC 3262 §5); the last two also
//! before the INVITE is answered.

use super::inbound::Arrival;
use super::refresh::is_for_the_moment;
use super::writing::response;
use super::{Endpoint, Event, Hop, InviteId};
use crate::sip::body::SDP;
use crate::sip::headers::Headers;
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::transaction::table::{ClientKey, Owner, Passed, reinvite_ack};
use crate::sip::usage::{Exchange, GLARE_TRIES, REINVITE_PATIENCE, Sent, State, Unacknowledged, Wanted};
use crate::time::{Duration, Time};

impl Endpoint {
    /// The peer's re-INVITE or UPDATE, or its PRACK with a description.
    pub(super) fn receive_offer(&mut self, arrival: &Arrival, id: InviteId, request: Request) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let (peer, is_reinvite) = (peer_tag(&request), request.method == Method::Invite);
        if !is_reinvite && request.description().is_empty() {
            // Only a target refresh; who sends it is alive.
            if let Some(refusal) = self.unsupported_body(&request).or_else(|| self.too_short_session(&request)) {
                return self.refuse(arrival, &request, refusal);
            }
            let ok = self.agree(arrival.now, id, &request, Vec::new());
            self.refuse(arrival, &request, ok);
            return self.arm(id);
        }
        let may_be_early = !is_reinvite && usage.is_described_early(peer);
        let ours_pending = matches!(usage.exchange, Exchange::Sent(_)) || usage.unacknowledged.is_some();
        let theirs_pending = matches!(usage.exchange, Exchange::Received { .. });
        let refusal = match usage.state {
            State::Incoming { .. } | State::Answered if theirs_pending => Some(self.retry_later()),
            State::Answered if !ours_pending || request.method == Method::Prack => None,
            State::Incoming { .. } | State::Calling(_) if may_be_early => None,
            State::Incoming { .. } => Some(self.retry_later()),
            _ => Some(response(491)),
        };
        let refusal = refusal.or_else(|| self.unsupported_body(&request)).or_else(|| self.too_short_session(&request));
        if let Some(refusal) = refusal {
            self.refuse(arrival, &request, refusal);
            return self.after_prack(arrival.now, id, &request.method);
        }
        self.start_server(arrival, &request);
        self.table.set_usage(arrival.key, id);
        if is_reinvite {
            self.answer(arrival.now, arrival.key, Response::to(&request, 100, None));
        }
        let offer = request.description().to_vec();
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
        usage.described_early(peer_tag(&request), request.description(), &body);
        let ok = self.agree(now, id, &request, body);
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
        self.after_prack(now, id, &request.method);
        self.offer_next(now, id);
        self.arm(id);
    }

    /// The 200 to what the peer asked for within the dialog.
    fn agree(&mut self, now: Time, id: InviteId, request: &Request, body: Vec<u8>) -> Response {
        let mut ok = response(200);
        let Some(usage) = self.usages.get_mut(&id) else { return ok };
        let is_answered = matches!(usage.state, State::Answered);
        if let Some(dialog) = usage.dialog_with(peer_tag(request)) {
            if request.method != Method::Prack {
                dialog.refresh(&request.headers);
            }
            ok.headers.push("Contact", dialog.contact());
        }
        self.complete_answer(&mut ok, body);
        // How long the session is good for the answer to the INVITE will say.
        if is_answered {
            self.settle_session(now, id, &request.headers, &mut ok);
        }
        ok
    }

    /// What waited for the PRACK goes on, whatever became of the offer in it.
    fn after_prack(&mut self, now: Time, id: InviteId, method: &Method) {
        if *method == Method::Prack {
            self.go_on(now, id);
        }
    }

    pub(super) fn reject_offer(&mut self, now: Time, id: InviteId, code: u16, headers: Headers) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        if let Some((server, request)) = usage.take_received() {
            let code = if (300..700).contains(&code) { code } else { 488 };
            self.answer(now, server, Response { headers, ..response(code) });
            self.after_prack(now, id, &request.method);
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
        self.show_in(id, &hop, &mut invite);
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
            self.acknowledge_reinvite(hop, passed.key, id, &response);
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
        if until.is_none() {
            return;
        }
        let is_challenged = self.is_challenged(id, &response);
        let Some(usage) = self.usages.get_mut(&id) else { return };
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
                    self.events.push_back(Event::OfferAnswered { id, result: Ok(response.description().to_vec()) });
                }
            }
            422 if tries < GLARE_TRIES && self.lengthen_session(id, &response) => {
                if let Some(usage) = self.usages.get_mut(&id) {
                    usage.wanted.get_or_insert(Wanted { offer, not_before: now, tries });
                }
            }
            _ if is_challenged => {
                if let Some(usage) = self.usages.get_mut(&id) {
                    usage.wanted.get_or_insert(Wanted { offer, not_before: now, tries });
                }
            }
            491 if superseded || tries < GLARE_TRIES => self.back_off(now, id, offer, tries),
            408 | 481 => return self.peer_gone(now, id),
            code if !superseded => {
                // It would have refreshed the session as well.
                if is_for_the_moment(code) {
                    self.refresh_again(now, id);
                }
                self.events.push_back(Event::OfferAnswered { id, result: Err(code) });
            }
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

    fn acknowledge_reinvite(&mut self, hop: &Hop, key: ClientKey, id: InviteId, response: &Response) {
        let tag = response.headers.to_tag().map(str::to_string).unwrap_or_default();
        if self.table.acknowledge_again(key, &tag, hop) {
            return;
        }
        let Some(invite) = self.table.invite(key) else { return };
        let mut ack = reinvite_ack(invite, response);
        self.sign(&mut ack.headers, "User-Agent");
        // To the Contact of this very answer.
        let dialog = self.usages.get(&id).and_then(|usage| usage.dialog.clone());
        let way = dialog.map(|mut dialog| {
            dialog.refresh(&response.headers);
            dialog.heard_by(hop);
            dialog.hop()
        });
        self.table.acknowledge(key, &tag, way.unwrap_or(*hop), ack);
    }

    pub(super) fn reinvite_unreachable(&mut self, now: Time, id: InviteId, failed: &Hop) {
        let other_way = self.has_other_way(id, failed);
        self.reinvite_lost(now, id, other_way);
    }

    /// Our re-INVITE reached nobody.
    pub(super) fn reinvite_lost(&mut self, now: Time, id: InviteId, other_way: bool) {
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

/// Of who sent this request; empty without one.
pub(super) fn peer_tag(request: &Request) -> &str {
    request.headers.from_tag().unwrap_or_default()
}

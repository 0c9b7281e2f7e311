//! INVITEs we receive, to their end or to their ACK (RFC 3261 §13.3).

use super::inbound::Arrival;
use super::writing::{response, wants_secure};
use super::{EndCause, Endpoint, Event, Hop, InviteId};
use crate::sip::body::SDP;
use crate::sip::dialog::Dialog;
use crate::sip::headers::Headers;
use crate::sip::message::{Request, Response};
use crate::sip::party::Party;
use crate::sip::reliable::{self, Reliable};
use crate::sip::transaction::Expiry;
use crate::sip::transaction::table::ServerKey;
use crate::sip::usage::{Exchange, RING_AGAIN, Ringing, State, Unacknowledged, Usage};
use crate::time::{Duration, Time};

impl Endpoint {
    /// An INVITE without To tag that its transaction did not know.
    pub(super) fn receive_invite(&mut self, arrival: &Arrival, request: Request) {
        // Only who passes a request on must look at Max-Forwards; but each call may make us place another, so this is
        // where a loop through us ends.
        if request.headers.max_forwards() == Some(0) {
            return self.refuse(arrival, &request, response(483));
        }
        if let Some(refusal) = self.unsupported_body(&request) {
            return self.refuse(arrival, &request, refusal);
        }
        if !takes_sdp(&request.headers) {
            return self.refuse(arrival, &request, response(406));
        }
        if let Some(refusal) = self.too_short_session(&request) {
            return self.refuse(arrival, &request, refusal);
        }
        if self.usages.len() >= self.settings.usages_max {
            return self.refuse_full(arrival, &request);
        }
        let tag = self.start_server(arrival, &request);
        let contact = self.contact(arrival.hop, request.uri.user(), wants_secure(&request));
        let Some(dialog) = Dialog::of_callee(&request, &tag, contact, *arrival.hop) else {
            let refusal = Response { reason: "Missing or Bad Contact header".into(), ..response(400) };
            self.answer(arrival.now, arrival.key, refusal);
            return;
        };
        self.answer(arrival.now, arrival.key, Response::to(&request, 100, None));
        let id = InviteId(self.new_id());
        let number = request.headers.cseq().map_or(0, |(number, _)| number);
        let asked = request.headers.only(&["Supported", "Require", "Session-Expires", "Min-SE"]);
        let until = arrival.now + self.settings.unanswered_max;
        let expiry = request.headers.expires().map(|seconds| arrival.now + Duration::from_secs(seconds.into()));
        let expiry = expiry.filter(|expiry| *expiry <= until);
        let (until, expires) = (expiry.unwrap_or(until), expiry.is_some());
        let state = State::Incoming { server: arrival.key, number, ringing: None, asked, until, expires };
        let mut usage = Usage::new(state, Some(dialog.clone()), None);
        usage.peer_updates = super::refresh::allows_update(&request.headers);
        if reliable::is_required(&request.headers) {
            usage.reliable = Some(Box::new(Reliable::new(self.table.secrets.next(), request.description().is_empty())));
        }
        self.usages.insert(id, usage);
        self.know_dialog(id, dialog.id());
        self.arm(id);
        self.table.set_usage(arrival.key, id);
        self.events.push_back(Event::Invite { id, request: Box::new(request), hop: *arrival.hop });
    }

    pub(super) fn ring_invite(&mut self, now: Time, id: InviteId, code: u16, reason: &str, body: Vec<u8>) {
        let Some((server, _)) = self.incoming(id) else { return };
        if !(101..200).contains(&code) {
            return;
        }
        let mut ringing = Response { reason: reason.to_owned(), ..response(code) };
        self.complete_in_dialog(id, &mut ringing, body);
        if !self.make_reliable(id, &mut ringing) {
            return;
        }
        self.answer(now, server, ringing.clone());
        self.sent_reliably(now, id, server, !ringing.body.is_empty());
        if let Some(Usage { state: State::Incoming { ringing: slot, .. }, .. }) = self.usages.get_mut(&id) {
            *slot = Some(Ringing { response: ringing, again: now + RING_AGAIN });
        }
        self.arm(id);
    }

    pub(super) fn ring_again(&mut self, now: Time, id: InviteId) {
        let Some(Usage { state: State::Incoming { server, ringing: Some(ringing), .. }, .. }) =
            self.usages.get_mut(&id)
        else {
            return;
        };
        if ringing.again <= now {
            ringing.again = now + RING_AGAIN;
            let (server, response) = (*server, ringing.response.clone());
            match self.usages.get(&id).and_then(|usage| usage.reliable.as_ref()) {
                // As a new one, with the next number; what it described before was acknowledged.
                Some(reliable) if !reliable.is_waiting() => {
                    self.ring_invite(now, id, response.code, &response.reason, Vec::new());
                }
                Some(_) => {}
                None => drop(self.answer(now, server, response)),
            }
        }
    }

    /// Its caller wants to wait no longer, or our user has forgotten it: nobody waits for ever.
    pub(super) fn give_up_incoming(&mut self, now: Time, id: InviteId) {
        match self.usages.get(&id).map(|usage| &usage.state) {
            Some(State::Incoming { server, until, expires, .. }) if *until <= now => {
                let server = *server;
                if *expires {
                    self.answer_finally(now, id, server, response(487));
                    self.events.push_back(Event::Cancelled { id });
                    return self.forget(now, id);
                }
                self.table.counters.unanswered += 1;
                self.answer_finally(now, id, server, response(480));
                self.events.push_back(Event::Ended { id, cause: EndCause::Unanswered });
                self.forget(now, id);
            }
            _ => {}
        }
    }

    pub(super) fn accept_invite(&mut self, now: Time, id: InviteId, body: Vec<u8>) {
        let Some((server, number)) = self.incoming(id) else { return };
        if let Some(reliable) = self.usages.get_mut(&id).and_then(|usage| usage.reliable.as_mut())
            && reliable.holds_accept()
        {
            reliable.accept = Some(body);
            return;
        }
        let mut ok = response(200);
        self.complete_in_dialog(id, &mut ok, body);
        if let Some(Usage { state: State::Incoming { asked, .. }, .. }) = self.usages.get_mut(&id) {
            let asked = std::mem::take(asked);
            self.settle_session(now, id, &asked, &mut ok);
        }
        self.answer(now, server, ok);
        let timings = self.table.timings();
        let (Some(answer), Some(usage)) = (self.table.last_answer(server), self.usages.get_mut(&id)) else { return };
        usage.state = State::Answered;
        usage.unacknowledged = Some(Unacknowledged::new(now, number, true, answer, timings));
        self.arm(id);
    }

    pub(super) fn refuse_invite(&mut self, now: Time, id: InviteId, mut refusal: Response) {
        let Some((server, _)) = self.incoming(id) else { return };
        if !(300..700).contains(&refusal.code) {
            refusal.code = 500;
        }
        if refusal.code == 503 && !refusal.headers.has("Retry-After") {
            let call_id = self.usages.get(&id).and_then(|usage| usage.call_id()).unwrap_or_default();
            refusal.come_later(self.settings.retry_after, call_id);
        }
        self.answer_finally(now, id, server, refusal);
        self.forget(now, id);
    }

    /// Refuses the INVITE of this usage. The answer follows a phone that is somewhere else until it is acknowledged.
    pub(super) fn answer_finally(&mut self, now: Time, id: InviteId, server: ServerKey, refusal: Response) {
        self.answer(now, server, refusal);
        if let Some(Usage { party: Some(Party::Phone(owner)), dialog: Some(dialog), flow, .. }) = self.usages.get(&id) {
            self.table.refused(server, (*owner).into(), dialog.clone(), flow.clone());
        }
    }

    pub(super) fn dismiss_invite(&mut self, now: Time, id: InviteId, refusal: Response) {
        let Some((server, _)) = self.incoming(id) else { return };
        self.table.take_back_trying(server);
        self.refuse_invite(now, id, refusal);
        self.table.drop_server(server);
    }

    /// CANCEL of the INVITE with this transaction; after our final answer it changes nothing (RFC 3261 §9.2).
    pub(super) fn invite_cancelled(&mut self, now: Time, id: InviteId, invite: ServerKey) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        match (&usage.state, &usage.exchange) {
            (State::Incoming { server, .. }, _) if *server == invite => {
                self.answer_finally(now, id, invite, response(487));
                self.events.push_back(Event::Cancelled { id });
                self.forget(now, id);
            }
            (State::Answered, Exchange::Received { server, .. }) if *server == invite => {
                self.terminate_offer(now, id);
                self.events.push_back(Event::OfferWithdrawn { id });
                self.offer_next(now, id);
                self.arm(id);
            }
            _ => {}
        }
    }

    /// An ACK in the dialog of the usage. `hop`: by which the peer sent it; `None`: somebody did.
    pub(super) fn acknowledged(&mut self, now: Time, hop: Option<&Hop>, id: InviteId, ack: Request) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let number = ack.headers.cseq().map_or(0, |(number, _)| number);
        let Some(waiting) = usage.unacknowledged.take_if(|waiting| waiting.number == number) else { return };
        if let (Some(dialog), Some(hop)) = (&mut usage.dialog, hop) {
            dialog.heard_by(hop);
        }
        if let State::Leaving { reason } = &mut usage.state {
            let reason = reason.take();
            return self.send_bye(now, id, reason.as_deref());
        }
        let body = ack.description();
        if waiting.first || !body.is_empty() {
            self.events.push_back(Event::Confirmed { id, body: body.to_vec() });
        }
        self.next_info(now, id);
        self.offer_next(now, id);
        self.arm(id);
    }

    /// The 2xx that waits for its ACK: once more, or in the end BYE (RFC 3261 §13.3.1.4).
    pub(super) fn resend_accepted(&mut self, now: Time, id: InviteId) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let Some(waiting) = &mut usage.unacknowledged else { return };
        match waiting.handle_timeout(now) {
            Some(Expiry::Resend) => {
                self.table.counters.retransmissions_sent += 1;
                self.table.transmits.push_back(waiting.answer().clone());
            }
            Some(_) => {
                let reason = match &mut usage.state {
                    State::Leaving { reason } => reason.take(),
                    _ => {
                        self.events.push_back(Event::Ended { id, cause: EndCause::NoAck });
                        None
                    }
                };
                self.send_bye(now, id, reason.as_deref());
            }
            None => {}
        }
    }

    /// Our Contact, and what else every answer that makes or keeps a dialog carries (RFC 3261 §12.1.1, §13.2.1).
    pub(super) fn complete_in_dialog(&self, id: InviteId, response: &mut Response, body: Vec<u8>) {
        if let Some(dialog) = self.usages.get(&id).and_then(|usage| usage.dialog.as_ref()) {
            response.headers.push("Contact", dialog.contact());
        }
        self.complete_answer(response, body);
    }

    pub(super) fn complete_answer(&self, response: &mut Response, body: Vec<u8>) {
        self.describe(&mut response.headers);
        if !body.is_empty() {
            response.set_body(SDP, body);
        }
    }

    /// Transaction and number of an INVITE that waits for our final answer.
    fn incoming(&self, id: InviteId) -> Option<(ServerKey, u32)> {
        match self.usages.get(&id)?.state {
            State::Incoming { server, number, .. } => Some((server, number)),
            _ => None,
        }
    }
}

/// Whether a description in our answer would be understood (RFC 3261 §20.1: without Accept it is).
fn takes_sdp(headers: &Headers) -> bool {
    let takes = |item: &str| {
        let kind = item.split(';').next().unwrap_or(item).trim();
        ["application/sdp", "application/*", "*/*"].iter().any(|known| kind.eq_ignore_ascii_case(known))
    };
    !headers.has("Accept") || headers.items("Accept").any(takes)
}

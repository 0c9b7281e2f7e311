//! Requests that come in: which transaction, which dialog, and what is refused before any of them (RFC 3261 §8.2).

use super::offers::peer_tag;
use super::writing::response;
use super::{EndCause, Endpoint, Event, Failure, Hop, InviteId, TransactionId};
use crate::sip::headers::Headers;
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::transaction::table::{Known, Owner, ServerKey, answer_hop};
use crate::sip::uri::{Host, Uri};
use crate::sip::usage::{Cancel, State};
use crate::time::Time;

/// A request that no transaction knew, with what its answer needs.
pub(super) struct Arrival<'a> {
    pub now: Time,
    pub hop: &'a Hop,
    /// Where its answers go.
    pub back: Hop,
    pub key: ServerKey,
}

/// Writes where the request really came from into its topmost Via (RFC 3261 §18.2.1, RFC 3581 §4), and gives the way back;
/// `None`: there is no readable Via.
pub(in crate::sip) fn note_source(headers: &mut Headers, hop: &Hop) -> Option<Hop> {
    let source = hop.remote.ip();
    let via = headers.top_via().ok()?;
    let back = answer_hop(hop, via);
    if via.host() == Host::Ip(source) && !via.has_rport() {
        return Some(back);
    }
    let mut via = headers.via().ok()?;
    via.params.set("received", Some(&source.to_string()));
    if via.has_rport() {
        via.params.set("rport", Some(&hop.remote.port().to_string()));
    }
    headers.remove_first_item("Via");
    headers.insert_first("Via", via.to_string());
    Some(back)
}

impl Endpoint {
    pub(super) fn is_beginning(&self, request: &Request) -> bool {
        request.begins() && request.headers.top_via().is_ok() && !self.table.has_server(request)
    }

    pub(super) fn receive_request(&mut self, now: Time, hop: &Hop, mut request: Request) {
        let Some(back) = note_source(&mut request.headers, hop) else {
            self.table.counters.malformed += 1;
            return;
        };
        self.table.counters.requests_received[super::Counters::method_index(&request.method)] += 1;
        if request.method == Method::Ack {
            return self.receive_ack(now, hop, request);
        }
        let known = self.table.receive_request(&request);
        let (Known::New(key) | Known::Merged(key)) = known else { return };
        let arrival = Arrival { now, hop, back, key };
        let within = request.method == Method::Cancel || request.headers.to_tag().is_some();
        if self.is_full(within) {
            self.refuse_full(&arrival, &request);
        } else if matches!(known, Known::Merged(_)) {
            self.refuse(&arrival, &request, response(482));
        } else if request.method == Method::Cancel {
            self.receive_cancel(&arrival, request);
        } else if within {
            match self.usage_of(&request) {
                Some(id) => self.receive_in_dialog(&arrival, id, request),
                None => self.refuse_unknown(&arrival, &request),
            }
        } else {
            self.receive_outside(&arrival, request);
        }
    }

    /// A request without To tag.
    fn receive_outside(&mut self, arrival: &Arrival, request: Request) {
        match &request.method {
            // A NOTIFY would be about a subscription of ours, and those are in dialogs.
            Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify => {
                return self.refuse_unknown(arrival, &request);
            }
            // A stranger to the call could send its parties anywhere; whoever wants a new call may dial it.
            Method::Refer => {
                let refusal = Response { reason: "REFER only inside a call".into(), ..response(403) };
                return self.refuse(arrival, &request, refusal);
            }
            Method::Invite => {}
            method if self.settings.serves.contains(method) => {}
            _ => return self.refuse_method(arrival, &request),
        }
        let calls_for_help = request.method == Method::Invite && request.uri.is_emergency_service();
        if matches!(request.uri, Uri::Other(_)) && !calls_for_help {
            return self.refuse(arrival, &request, response(416));
        }
        if let Some(refusal) = self.unsupported_options(&request) {
            return self.refuse(arrival, &request, refusal);
        }
        if request.method == Method::Invite {
            self.receive_invite(arrival, request)
        } else {
            self.start_server(arrival, &request);
            let (id, hop) = (TransactionId(arrival.key.0), *arrival.hop);
            self.events.push_back(Event::Request { id, request: Box::new(request), hop });
        }
    }

    fn receive_in_dialog(&mut self, arrival: &Arrival, id: InviteId, request: Request) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        if request.method == Method::Bye {
            return self.receive_bye(arrival, id, &request);
        }
        if matches!(usage.state, State::Ending { .. }) {
            return self.refuse(arrival, &request, response(481));
        }
        let leaving = matches!(usage.state, State::Leaving { .. });
        let number = request.headers.cseq().map_or(0, |(number, _)| number);
        if let Some(dialog) = usage.dialog_with(peer_tag(&request)) {
            // One PRACK that another request has overtaken is for an answer that waits for it, or for none: both are said
            // (RFC 3262 §3), and who gave up on it would lose the call.
            if dialog.take_number(number).is_err() && request.method != Method::Prack {
                return self.refuse(arrival, &request, response(500));
            }
            dialog.heard_by(arrival.hop);
        }
        if let Some(refusal) = self.unsupported_options(&request) {
            return self.refuse(arrival, &request, refusal);
        }
        match request.method {
            Method::Invite | Method::Update => self.receive_offer(arrival, id, request),
            Method::Options => {
                let mut ok = response(200);
                self.describe(&mut ok.headers);
                self.refuse(arrival, &request, ok);
            }
            Method::Info => {
                self.refuse(arrival, &request, response(200));
                if leaving {
                    return;
                }
                let content_type = request.headers.content_type().unwrap_or_default().to_string();
                self.events.push_back(Event::Info { id, content_type, body: request.body });
            }
            Method::Prack => self.receive_prack(arrival, id, request),
            Method::Refer => self.receive_refer(arrival, id, request),
            Method::Notify => self.receive_notify(arrival, id, &request),
            _ => self.refuse_method(arrival, &request),
        }
    }

    /// BYE is answered 200 in every state; its number does not matter, since nothing can follow it.
    fn receive_bye(&mut self, arrival: &Arrival, id: InviteId, request: &Request) {
        self.refuse(arrival, request, response(200));
        let Some(usage) = self.usages.get(&id) else { return };
        match &usage.state {
            State::Answered => {
                let reason = request.headers.reason().and_then(|reason| reason.text);
                self.events.push_back(Event::Ended { id, cause: EndCause::Bye { reason } });
            }
            State::Incoming { server, .. } => {
                let server = *server;
                self.answer_finally(arrival.now, id, server, response(487));
                self.events.push_back(Event::Cancelled { id });
            }
            // A callee must not do this (RFC 3261 §15), but the dialog is over for it, so the INVITE is for us.
            State::Calling(calling) => {
                let failure = match calling.cancel {
                    Cancel::No => Failure::Response(Box::new(Response::to(request, 487, None))),
                    _ => Failure::Cancelled,
                };
                let client = calling.client;
                if !matches!(calling.cancel, Cancel::Sent { .. }) {
                    self.table.cancel(arrival.now, client, Owner::Nobody, Headers::new());
                }
                self.events.push_back(Event::Failed { id, failure });
            }
            State::Challenged(_) | State::Missed { .. } | State::Leaving { .. } | State::Ending { .. } => {}
        }
        self.forget(arrival.now, id);
    }

    /// RFC 3261 §9.2.
    fn receive_cancel(&mut self, arrival: &Arrival, request: Request) {
        let Some(invite) = self.table.invite_of(&request) else {
            return self.refuse_unknown(arrival, &request);
        };
        let tag = self.table.tag(invite).unwrap_or_default().to_string();
        self.table.start_server(arrival.now, arrival.key, arrival.back, &request, &tag);
        self.answer(arrival.now, arrival.key, response(200));
        if let Some(id) = self.table.usage(invite) {
            self.invite_cancelled(arrival.now, id, invite);
        }
    }

    fn receive_ack(&mut self, now: Time, hop: &Hop, request: Request) {
        if let Some(invite) = self.table.invite_of(&request)
            && !self.table.receive_ack(now, invite)
        {
            return;
        }
        match self.usage_of(&request) {
            Some(id) => self.acknowledged(now, Some(hop), id, request),
            None => self.table.counters.dropped += 1,
        }
    }

    /// The usage whose dialog the request is in.
    pub(super) fn usage_of(&self, request: &Request) -> Option<InviteId> {
        let headers = &request.headers;
        let name = (headers.call_id().ok()?, headers.to_tag()?, headers.from_tag().unwrap_or_default());
        self.dialogs.get(&self.table.secrets.key(name)).copied()
    }

    /// Makes the server transaction, with a To tag of ours where the request has none.
    pub(super) fn start_server(&mut self, arrival: &Arrival, request: &Request) -> String {
        let tag = match request.headers.to_tag().map(str::to_string) {
            Some(tag) => tag,
            None => self.table.secrets.tag(),
        };
        self.table.start_server(arrival.now, arrival.key, arrival.back, request, &tag);
        tag
    }

    /// Answers at once and finally, by a server transaction that repeats the answer.
    pub(super) fn refuse(&mut self, arrival: &Arrival, request: &Request, response: Response) {
        self.start_server(arrival, request);
        self.answer(arrival.now, arrival.key, response);
    }

    /// 481 without state: anybody can write such requests, and an answer that is repeated until its ACK comes would be a
    /// weapon against whoever they pretend to be.
    fn refuse_unknown(&mut self, arrival: &Arrival, request: &Request) {
        self.send_refusal(arrival.back, Response::to(request, 481, None));
    }

    fn refuse_method(&mut self, arrival: &Arrival, request: &Request) {
        let mut refusal = response(405);
        refusal.headers.push("Allow", self.allow());
        self.refuse(arrival, request, refusal);
    }

    /// 503 without state.
    pub(super) fn refuse_full(&mut self, arrival: &Arrival, request: &Request) {
        self.table.counters.refused_full += 1;
        let mut refusal = Response::to(request, 503, None);
        refusal.come_later(self.settings.retry_after, request.headers.call_id().unwrap_or_default());
        self.send_refusal(arrival.back, refusal);
    }
}

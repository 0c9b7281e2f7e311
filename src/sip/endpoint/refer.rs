//! REFER inside a dialog and the NOTIFYs that tell what became of it (RFC 3515), both ways; the name of a dialog for
//! Replaces (RFC 3891).
//!
//! The subscription that a REFER makes ends with the dialog: who hung up is told nothing more (RFC 5057 would let it
//! live on, but the phones that do so do not listen).

use super::inbound::Arrival;
use super::writing::response;
use super::{Endpoint, Event, InviteId, Standing, TransactionId};
use crate::sip::headers::Replaces;
use crate::sip::message::{Request, Response, reason_phrase};
use crate::sip::method::Method;
use crate::sip::transaction::table::{Owner, ServerKey};
use crate::sip::usage::{State, Usage};
use crate::time::Time;

/// The media type of what a NOTIFY tells (RFC 3420).
const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// How long the peer may take the subscription to live without hearing from us; longer than anybody is rung.
const EXPIRES: u32 = 300;

impl Endpoint {
    pub(super) fn receive_refer(&mut self, arrival: &Arrival, id: InviteId, request: Request) {
        match self.usages.get(&id).map(|usage| &usage.state) {
            Some(State::Answered) => {}
            Some(State::Leaving { .. }) | None => return self.refuse(arrival, &request, response(481)),
            // Nobody is there yet who could be sent elsewhere.
            Some(_) => return self.refuse(arrival, &request, response(403)),
        }
        // RFC 3515 §2.4.2: exactly one.
        if request.headers.get_all("Refer-To").count() != 1 || request.headers.address("Refer-To").is_err() {
            let refusal = Response { reason: "Missing or Bad Refer-To header".into(), ..response(400) };
            return self.refuse(arrival, &request, refusal);
        }
        self.start_server(arrival, &request);
        let refer = TransactionId(arrival.key.0);
        self.events.push_back(Event::Refer { id, refer, request: Box::new(request) });
    }

    /// Takes a REFER (202). `notifies`: NOTIFYs will follow (RFC 4488).
    pub(super) fn accept_referral(&mut self, now: Time, id: InviteId, refer: TransactionId, notifies: bool) {
        let mut accepted = response(202);
        self.complete_in_dialog(id, &mut accepted, Vec::new());
        if !notifies {
            accepted.headers.push("Refer-Sub", "false");
        }
        self.answer(now, ServerKey(refer.0), accepted);
    }

    /// `number`: the CSeq of the REFER (RFC 3515 §2.4.6).
    pub(super) fn send_refer_progress(&mut self, now: Time, id: InviteId, number: u32, code: u16) {
        let Some(dialog) = self.answered_dialog(id) else { return };
        let mut notify = dialog.request(Method::Notify);
        let (hop, contact) = (dialog.hop(), dialog.contact().to_string());
        let state = match code {
            ..200 => format!("active;expires={EXPIRES}"),
            _ => "terminated;reason=noresource".to_string(),
        };
        notify.headers.push("Contact", contact);
        notify.headers.push("Event", format!("refer;id={number}"));
        notify.headers.push("Subscription-State", state);
        notify.set_body(SIPFRAG, format!("SIP/2.0 {code} {}\r\n", reason_phrase(code)).into_bytes());
        // What the peer says of it changes nothing.
        self.start_request(now, hop, notify, Owner::Nobody);
    }

    pub(super) fn send_refer(&mut self, now: Time, id: InviteId, refer_to: &str, further: &[(&str, &str)]) {
        let Some(dialog) = self.answered_dialog(id) else { return };
        let mut refer = dialog.request(Method::Refer);
        let (hop, contact) = (dialog.hop(), dialog.contact().to_string());
        refer.headers.push("Contact", contact);
        refer.headers.push("Refer-To", refer_to);
        for (name, value) in further {
            refer.headers.push(name, *value);
        }
        if let Some(usage) = self.usages.get_mut(&id) {
            usage.refers = true;
        }
        self.start_request(now, hop, refer, Owner::Refer(id));
    }

    /// The final answer to a REFER of ours.
    pub(super) fn refer_answered(&mut self, now: Time, id: InviteId, answer: &Response) {
        if matches!(answer.code, 408 | 481) {
            return self.peer_gone(now, id);
        }
        self.events.push_back(Event::ReferAnswered { id, code: answer.code });
    }

    pub(super) fn receive_notify(&mut self, arrival: &Arrival, id: InviteId, request: &Request) {
        let event = request.headers.get("Event").unwrap_or_default();
        let is_refer = event.split(';').next().is_some_and(|package| package.trim().eq_ignore_ascii_case("refer"));
        if !is_refer {
            return self.refuse(arrival, request, response(489));
        }
        if !self.usages.get(&id).is_some_and(|usage| usage.refers) {
            return self.refuse(arrival, request, response(481));
        }
        self.refuse(arrival, request, response(200));
        if let Some(code) = fragment_code(&request.body) {
            self.events.push_back(Event::ReferProgress { id, code });
        }
    }

    pub(super) fn standing_of(&self, dialog: &Replaces) -> Option<(InviteId, Standing)> {
        let key = self.table.secrets.key((&dialog.call_id, &dialog.to_tag, &dialog.from_tag));
        let id = *self.dialogs.get(&key)?;
        let standing = match self.usages.get(&id)?.state {
            State::Calling(_) => Standing::Rings,
            State::Incoming { .. } | State::Challenged(_) => Standing::Early,
            State::Answered => Standing::Confirmed,
            State::Missed { .. } | State::Leaving { .. } | State::Ending { .. } => Standing::Over,
        };
        Some((id, standing))
    }

    pub(super) fn name_of_dialog(&self, id: InviteId) -> Option<Replaces> {
        let usage = self.usages.get(&id)?;
        let (call_id, to_tag, from_tag) = match &usage.state {
            State::Calling(calling) => {
                let invite = &self.table.invite(calling.client)?.headers;
                let tag = invite.from_().ok()?.tag()?.to_string();
                (invite.call_id().ok()?.to_string(), calling.tag.clone()?, tag)
            }
            _ => {
                let (call_id, local, remote) = usage.dialog.as_ref()?.id();
                (call_id.to_string(), remote.to_string(), local.to_string())
            }
        };
        Some(Replaces { call_id, to_tag, from_tag, early_only: false })
    }

    fn answered_dialog(&mut self, id: InviteId) -> Option<&mut crate::sip::dialog::Dialog> {
        match self.usages.get_mut(&id)? {
            Usage { state: State::Answered, dialog, .. } => dialog.as_mut(),
            _ => None,
        }
    }
}

/// The code of the status line that a sipfrag begins with.
fn fragment_code(body: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(body.get(..12)?).ok()?;
    let code = line.strip_prefix("SIP/2.0 ")?.get(..3)?;
    code.parse().ok().filter(|code| (100..700).contains(code))
}

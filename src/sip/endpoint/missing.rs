//! Phones that are lost while they ring (RFC 5626 §5.3, §7).
//!
//! ```text
//!          connection lost                 there again
//!  rings ───────────────────▶ waited for ───────────────▶ asked ──else──▶ rings
//!                                │ 4 s, given up             └──481──┐
//!                                ▼                                   ▼
//!                              missed ── there again ──▶ CANCEL, BYE; rung anew
//! ```
//!
//! A phone that is there again, or that another of its flows leads to, rings on as the same call, and answers by the way that there
//! is. It is not sent the INVITE once more: with a branch of its own, but the same Call-ID, From tag and CSeq, as a proxy tries the
//! next flow, a phone that rings answers 482 (RFC 3261 §8.2.2.2) only if it looks for that, and rings twice if not. Whether it still
//! rings it is asked within the early dialog by OPTIONS, which makes nothing ring: 481 says that it knows of no such call (§12.2.2).
//! Then, and only then, it is rung anew, by another INVITE.
//!
//! By WebSocket nobody is asked. A page may forget its transactions with their connection and go on showing their calls, which
//! nobody can answer any more (JsSIP does so), and it says that all is well. What rang there is taken back, by CANCEL and by BYE,
//! which ends an early dialog as well (§15) and is understood without the transaction; then it is rung anew.

use super::{Endpoint, Event, Failure, Hop, InviteId};
use crate::sip::dialog::Dialog;
use crate::sip::headers::Headers;
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::party::Party;
use crate::sip::transaction::table::Owner;
use crate::sip::usage::{Calling, Cancel, State, Usage};
use crate::time::{Duration, Time};

/// How long a phone that rings is waited for: phones connect anew within one to three seconds, and who calls could meanwhile be
/// offered to somebody else.
pub const RETURNS_WITHIN: Duration = Duration::from_secs(4);

impl Endpoint {
    /// Whether a phone of `owner` rings that no way leads to now, and that is waited for.
    pub fn awaits(&self, owner: u64) -> bool {
        let mut theirs = self.phones.range((owner, InviteId(0))..=(owner, InviteId(u64::MAX)));
        theirs.any(|(_, id)| match self.usages.get(id).map(|usage| &usage.state) {
            Some(State::Calling(calling)) => calling.missing_until.is_some(),
            _ => false,
        })
    }

    /// The way by which our INVITE went is lost.
    pub(super) fn invite_unreachable(&mut self, now: Time, id: InviteId) {
        let Some(Usage { state: State::Calling(calling), party: Some(Party::Phone(_)), moved, .. }) =
            self.usages.get_mut(&id)
        else {
            return self.invite_lost(id, Failure::Unreachable);
        };
        // Where nothing was heard it may never have come, and nothing is kept of it. Behind a proxy nobody moves.
        let invite = self.table.invite(calling.client).filter(|invite| !invite.headers.has("Route"));
        if invite.is_none() || !calling.hop.transport.is_reliable() {
            return self.invite_lost(id, Failure::Unreachable);
        }
        *moved = None;
        if calling.cancel == Cancel::No && calling.tag.is_some() {
            calling.missing_until = Some(now + RETURNS_WITHIN);
            return self.arm(id);
        }
        self.miss(now, id, Failure::Unreachable);
    }

    /// To its user the call has failed. The phone may ring on: for as long as it could answer it is told if it comes back.
    pub(super) fn miss(&mut self, now: Time, id: InviteId, failure: Failure) {
        let until = now + self.table.timings().patience();
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let State::Calling(calling) = &mut usage.state else { return };
        let (failure, reason) = match &mut calling.cancel {
            Cancel::No => (failure, None),
            Cancel::Wanted { reason } | Cancel::Sent { reason } => (Failure::Cancelled, reason.take()),
        };
        let (client, tag) = (calling.client, calling.tag.take());
        usage.state = State::Missed { client, tag, reason, until, told: false };
        self.table.give_up_at(client, until);
        self.forget_early(id);
        self.arm(id);
        self.events.push_back(Event::Failed { id, failure });
    }

    pub(super) fn not_back(&mut self, now: Time, id: InviteId) {
        match self.usages.get(&id).map(|usage| &usage.state) {
            Some(State::Calling(Calling { missing_until: Some(until), .. })) if *until <= now => {
                self.miss(now, id, Failure::Unreachable);
            }
            Some(State::Missed { until, .. }) if *until <= now => self.remove(id),
            _ => {}
        }
    }

    /// The phone that was called is there now.
    pub(super) fn ring_on(&mut self, now: Time, id: InviteId, hop: &Hop) {
        let Some(Usage { state: State::Calling(calling), .. }) = self.usages.get_mut(&id) else { return };
        // Until something is heard, its old way is all that there is to be heard by.
        if !calling.provisional {
            return;
        }
        (calling.missing_until, calling.hop) = (None, *hop);
        self.table.goes_by(calling.client, hop);
        match &mut calling.cancel {
            Cancel::No if hop.transport.is_websocket() => {
                self.miss(now, id, Failure::Unreachable);
                return self.tell_missed(now, id, hop);
            }
            Cancel::No => self.ask_whether_it_rings(now, id, hop),
            Cancel::Wanted { .. } => {}
            // It may have been lost.
            Cancel::Sent { reason } => {
                calling.cancel = Cancel::Wanted { reason: reason.take() };
                self.send_cancel(now, id);
            }
        }
        self.arm(id);
    }

    fn ask_whether_it_rings(&mut self, now: Time, id: InviteId, hop: &Hop) {
        if let Some(options) = self.early_request(id, Method::Options, hop) {
            self.start_request(now, *hop, options, Owner::Ask(id));
        }
    }

    /// The phone has said that it knows of no such call. What it may show all the same is taken back.
    pub(super) fn rings_no_more(&mut self, now: Time, hop: &Hop, id: InviteId) {
        let Some(Usage { state: State::Calling(calling), .. }) = self.usages.get_mut(&id) else { return };
        if calling.cancel == Cancel::No {
            calling.tag = None;
            self.miss(now, id, Failure::Unreachable);
            self.tell_missed(now, id, hop);
        }
    }

    /// The phone is there: it need not ring any more. By BYE as well, so that one that has forgotten the INVITE, but shows the call,
    /// understands it before anything else rings there.
    pub(super) fn tell_missed(&mut self, now: Time, id: InviteId, hop: &Hop) {
        let bye = self.early_request(id, Method::Bye, hop);
        let Some(Usage { state: State::Missed { client, tag, reason, told, .. }, .. }) = self.usages.get_mut(&id)
        else {
            return;
        };
        (*told, *tag) = (true, None);
        let client = *client;
        let mut further = Headers::new();
        if let Some(reason) = reason {
            further.push("Reason", reason.as_str());
        }
        if !self.table.is_pending(client) {
            return self.remove(id);
        }
        self.sign(&mut further, "User-Agent");
        self.table.goes_by(client, hop);
        self.table.cancel(now, client, Owner::Nobody, further);
        if let Some(bye) = bye {
            self.start_request(now, *hop, bye, Owner::Nobody);
        }
    }

    /// Something comes from a phone that was missed: it is there.
    pub(super) fn missed_answers(&mut self, now: Time, hop: &Hop, id: InviteId, response: &Response) {
        match self.usages.get(&id).map(|usage| &usage.state) {
            Some(State::Missed { .. }) if response.is_final() => self.remove(id),
            Some(State::Missed { told: false, .. }) => self.tell_missed(now, id, hop),
            _ => {}
        }
    }

    /// A phone that moved has forgotten our INVITE; the call that it may show is ended as in [`Endpoint::tell_missed`].
    pub(super) fn cancelled_in_vain(&mut self, now: Time, hop: &Hop, id: InviteId) {
        if self.usages.get(&id).is_some_and(|usage| usage.moved.is_some())
            && let Some(bye) = self.early_request(id, Method::Bye, hop)
        {
            self.start_request(now, *hop, bye, Owner::Nobody);
        }
    }

    /// A request in the early dialog that was last heard of; `None`: of none.
    fn early_request(&mut self, id: InviteId, method: Method, hop: &Hop) -> Option<Request> {
        let usage = self.usages.get_mut(&id)?;
        let (client, tag) = match &mut usage.state {
            State::Calling(calling) => {
                let tag = calling.tag.clone()?;
                if let Some(early) = calling.early_with(&tag) {
                    return Some(early.dialog.request(method));
                }
                (calling.client, tag)
            }
            State::Missed { client, tag, .. } => (*client, tag.clone()?),
            _ => return None,
        };
        let invite = self.table.invite(client)?;
        let mut answer = Response::to(invite, 180, None);
        answer.set_to_tag(&tag);
        let mut dialog = usage.of_this(Dialog::of_caller(invite, &answer, String::new(), *hop)?);
        let request = dialog.request(method);
        usage.counted = dialog.count();
        Some(request)
    }
}

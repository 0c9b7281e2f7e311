//! What a leg's peer wants by REFER (RFC 3515), and which leg a Replaces (RFC 3891) names.

use super::legs::{Event, Legs};
use crate::ids::LegId;
use crate::sip::{Endpoint, InviteId, Replaces, Request, Response, Standing, TransactionId, Uri};
use crate::time::Time;

/// A REFER that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Referral {
    transaction: TransactionId,
    request: Box<Request>,
    /// Its CSeq, which its NOTIFYs name.
    pub number: u32,
    /// Where to, as it was written (without `Replaces`).
    pub to: Uri,
    /// `Some(Err)`: there is one that cannot be read.
    pub replaces: Option<Result<Replaces, ()>>,
    /// Who asks, in their own words (RFC 3892), to be passed on.
    pub referred_by: Option<String>,
    /// NOTIFYs are wanted (RFC 4488).
    pub notifies: bool,
    /// The method that is asked for; `None`: INVITE.
    pub other_method: Option<String>,
}

impl Legs {
    pub(super) fn referred(
        &mut self,
        now: Time,
        id: InviteId,
        transaction: TransactionId,
        request: &Request,
        endpoint: &mut Endpoint,
    ) {
        let (Some(leg), Ok(to)) = (self.by_invite.get(&id).copied(), request.headers.address("Refer-To")) else {
            return endpoint.respond(now, transaction, Response::to(request, 481, None));
        };
        let sip = to.uri.as_sip();
        let method =
            sip.and_then(|uri| uri.params.get("method")).filter(|method| !method.eq_ignore_ascii_case("INVITE"));
        let replaces = sip.and_then(|uri| uri.header("Replaces"));
        let wants_none = request.headers.get("Refer-Sub").is_some_and(|sub| sub.trim().eq_ignore_ascii_case("false"));
        let referral = Box::new(Referral {
            transaction,
            number: request.headers.cseq().map_or(0, |(number, _)| number),
            replaces: replaces.map(|replaces| Replaces::parse(replaces).ok_or(())),
            referred_by: request.headers.get("Referred-By").map(str::to_owned),
            notifies: !wants_none,
            other_method: method.map(str::to_owned),
            to: to.uri,
            request: Box::new(request.clone()),
        });
        self.events.push_back(Event::Referred { leg, referral });
    }

    /// 202, and the first NOTIFY.
    pub fn take_referral(&mut self, now: Time, leg: LegId, referral: &Referral, endpoint: &mut Endpoint) {
        let Some(invite) = self.invite_of(leg) else { return };
        endpoint.accept_refer(now, invite, referral.transaction, referral.notifies);
        if referral.notifies {
            endpoint.notify_refer(now, invite, referral.number, 100);
        }
    }

    pub fn refuse_referral(&mut self, now: Time, referral: &Referral, code: u16, why: &str, endpoint: &mut Endpoint) {
        let why = (!why.is_empty()).then_some(why);
        endpoint.respond(now, referral.transaction, Response::to(&referral.request, code, why));
    }

    /// Tells who sent the REFER with this CSeq how far it is; from 200 on that is the last word. Nothing happens when the
    /// leg is over.
    pub fn notify(&mut self, now: Time, leg: LegId, number: u32, code: u16, endpoint: &mut Endpoint) {
        if let Some(invite) = self.invite_of(leg) {
            endpoint.notify_refer(now, invite, number, code);
        }
    }

    /// The leg whose dialog this names, and how far the dialog is; `None`: none of ours. A leg that is being closed is none
    /// any more, though its dialog may be known.
    pub fn standing(&self, dialog: &Replaces, endpoint: &Endpoint) -> Option<(Option<LegId>, Standing)> {
        let (invite, standing) = endpoint.standing(dialog)?;
        match self.by_invite.get(&invite).copied() {
            Some(leg) => Some((Some(leg), standing)),
            None => Some((None, Standing::Over)),
        }
    }

    fn invite_of(&self, leg: LegId) -> Option<InviteId> {
        self.legs.get(&leg).and_then(|leg| leg.invite)
    }
}

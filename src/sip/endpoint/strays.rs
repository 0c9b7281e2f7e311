//! Requests that are in a dialog, by its tags, and come from elsewhere than its peer (RFC 3261 §22, §26.3.2).

use super::{Endpoint, Hop, InviteId};
use crate::sip::message::Request;
use crate::sip::method::Method;
use crate::sip::party::Party;
use crate::time::Time;

/// Wrong passwords that are looked at in one dialog; it stays with whom it is with.
const GUESSES_MAX: u32 = 3;

impl Endpoint {
    /// Whose dialog this request is in, if it came from elsewhere than where that party is known to be: another IP address or, where it
    /// is reached by a connection, any other. `None` also for what is in no dialog, and for what a transaction knows.
    ///
    /// Who it is then may be judged before [`Endpoint::handle_message`] is given the request, which believes it.
    pub fn stray(&self, hop: &Hop, request: &Request) -> Option<(InviteId, Party)> {
        if request.headers.to_tag().is_none() || request.method == Method::Cancel {
            return None;
        }
        let id = self.usage_of(request)?;
        let usage = self.usages.get(&id)?;
        let party = usage.party?;
        if usage.is_with(hop) {
            return None;
        }
        let is_known = match request.method {
            Method::Ack => self.table.invite_of(request).is_some(),
            _ => self.table.has_server(request),
        };
        (!is_known).then_some((id, party))
    }

    /// Whether the peer's dialog names a host, so that where it comes from says nothing.
    pub fn is_by_name(&self, id: InviteId) -> bool {
        let dialog = self.usages.get(&id).and_then(|usage| usage.dialog.as_ref());
        dialog.is_some_and(|dialog| dialog.is_by_name())
    }

    /// An ACK from elsewhere, which nobody can be asked a password for: our answer is repeated no more, and that is all. One that
    /// brings a description is not believed.
    pub fn take_stray_ack(&mut self, now: Time, id: InviteId, ack: &Request) {
        match ack.body.is_empty() {
            true => self.acknowledged(now, None, id, ack.clone()),
            false => self.table.counters.dropped += 1,
        }
    }

    /// Whether a password for this dialog is still looked at.
    pub fn may_guess(&self, id: InviteId) -> bool {
        self.usages.get(&id).is_some_and(|usage| usage.guesses < GUESSES_MAX)
    }

    pub fn guessed(&mut self, id: InviteId) {
        if let Some(usage) = self.usages.get_mut(&id) {
            usage.guesses += 1;
        }
    }
}

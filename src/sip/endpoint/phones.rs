//! Dialogs with phones that are somewhere else from one moment to the next (RFC 5626 §5.3).

use super::{Endpoint, Hop, InviteId};
use crate::sip::party::Party;
use crate::sip::uri::Uri;

impl Endpoint {
    /// The dialogs of this usage are with `party`: see [`Endpoint::moved`] and [`Endpoint::stray`].
    pub fn belongs(&mut self, id: InviteId, party: Party) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        usage.party = Some(party);
        if let Party::Phone(owner) = party {
            self.phones.insert((owner.into(), id));
        }
    }

    /// A phone of `owner` with this Contact is seen there from now on, or again: by a new connection, or from where its router
    /// put it. So are its dialogs (RFC 5626 §5.3): what was begun by a connection that is lost goes on by the new one.
    pub fn moved(&mut self, owner: u64, contact: &Uri, hop: &Hop) {
        let theirs = self.phones.range((owner, InviteId(0))..=(owner, InviteId(u64::MAX)));
        for (_, id) in theirs {
            if let Some(usage) = self.usages.get_mut(id) {
                usage.dialogs_mut().for_each(|dialog| _ = dialog.moved(contact, hop));
            }
        }
    }
}

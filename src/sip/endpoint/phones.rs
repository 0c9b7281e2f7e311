//! Dialogs with phones that are somewhere else from one moment to the next (RFC 5626 §5.3).

use super::{Endpoint, Hop, InviteId};
use crate::sip::uri::Uri;

impl Endpoint {
    /// The peer is a phone of `owner`: see [`Endpoint::moved`].
    pub fn belongs(&mut self, id: InviteId, owner: u64) {
        if let Some(usage) = self.usages.get_mut(&id) {
            usage.phone_of = Some(owner);
            self.phones.insert((owner, id));
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

//! Final refusals of phones' calls: their usages are gone, but until the ACK comes (Timer H at the latest, RFC 3261 §17.2.1) they are
//! where their phones are.

use super::Table;
use super::servers::ServerKey;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::Hop;
use crate::sip::uri::Uri;

/// Who is to acknowledge a refusal.
#[derive(Debug)]
pub(super) struct Refused {
    /// The early one that there was: it knows its phone.
    dialog: Dialog,
    /// As in [`crate::sip::usage::Usage::flow`].
    flow: Option<Box<str>>,
}

impl Table {
    /// The INVITE of this transaction was refused, and a phone of `owner` sent it. By UDP it is sent again by itself, and stays
    /// where it came from.
    pub fn refused(&mut self, key: ServerKey, owner: u64, dialog: Dialog, flow: Option<Box<str>>) {
        if let Some(server) = self.servers.get_mut(&key)
            && dialog.hop().transport.is_reliable()
        {
            server.refused = Some(owner);
            self.refused.insert((owner, key), Refused { dialog, flow });
        }
    }

    /// As [`crate::sip::Endpoint::left`].
    pub fn refused_left(&mut self, owner: u64, contact: &Uri, flow: &str) {
        for (_, refused) in self.refused.range_mut(of(owner)) {
            if refused.dialog.is_at(contact) {
                refused.flow = Some(flow.into());
            }
        }
    }

    /// As [`crate::sip::Endpoint::moved`].
    pub fn refused_moved(&mut self, owner: u64, contact: &Uri, flow: Option<&str>, hop: &Hop) {
        let mut theirs = Vec::new();
        for ((_, key), refused) in self.refused.range_mut(of(owner)) {
            let is_known = flow.is_some() && refused.flow.as_deref() == flow;
            if refused.dialog.moved(contact, hop, is_known) {
                theirs.push(*key);
            }
        }
        theirs.into_iter().for_each(|key| self.follow(key, hop));
    }
}

fn of(owner: u64) -> std::ops::RangeInclusive<(u64, ServerKey)> {
    (owner, ServerKey(0))..=(owner, ServerKey(u128::MAX))
}

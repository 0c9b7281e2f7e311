//! Dialogs with phones that are somewhere else from one moment to the next (RFC 5626 §5.3).

use super::{Endpoint, Hop, InviteId};
use crate::sip::dialog::Dialog;
use crate::sip::party::Party;
use crate::sip::transaction::table::Table;
use crate::sip::uri::Uri;
use crate::sip::usage::{Calling, Exchange, State, Usage};
use crate::time::Time;

impl Endpoint {
    /// The dialogs of this usage are with `party`: see [`Endpoint::moved`] and [`Endpoint::stray`].
    pub fn belongs(&mut self, id: InviteId, party: Party) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        usage.party = Some(party);
        if let Party::Phone(owner) = party {
            self.phones.insert((owner.into(), id));
        }
    }

    /// The phone of `owner` that was registered as `flow` (instance and number, RFC 5626 §6) is at this Contact no more. When that
    /// flow is somewhere again, its dialogs know it by that, whatever its Contact is then ([`Endpoint::moved`]).
    pub fn left(&mut self, owner: u64, contact: &Uri, flow: &str) {
        for (_, id) in self.phones.range((owner, InviteId(0))..=(owner, InviteId(u64::MAX))) {
            let Some(usage) = self.usages.get_mut(id) else { continue };
            if calls(&self.table, &usage.state, contact) || usage.dialogs_mut().any(|dialog| dialog.is_at(contact)) {
                usage.flow = Some(flow.into());
            }
        }
        self.table.refused_left(owner, contact, flow);
    }

    /// A phone of `owner` with this Contact, registered as `flow` if it is one, is seen there from now on, or again: by a new connection, or from where its router
    /// put it. So are its dialogs (RFC 5626 §5.3): what was begun by a connection that is lost goes on by the new one, also if
    /// what came by the lost one is read later. A BYE that has not reached it is sent once more, and so is what we answered to its
    /// INVITE and it has not acknowledged, a refusal too; further answers go there too. What rings there rings on.
    pub fn moved(&mut self, now: Time, owner: u64, contact: &Uri, flow: Option<&str>, hop: &Hop) {
        let theirs = self.phones.range((owner, InviteId(0))..=(owner, InviteId(u64::MAX)));
        let (mut to_tell, mut that_ring, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        for (_, id) in theirs {
            let Some(usage) = self.usages.get_mut(id) else { continue };
            let before = usage.dialog.as_ref().map(Dialog::hop);
            let is_known = flow.is_some() && usage.flow.as_deref() == flow;
            let is_it = usage.dialogs_mut().fold(false, |is_it, dialog| dialog.moved(contact, hop, is_known) | is_it);
            if is_it {
                answers_follow(&mut self.table, usage, hop);
            }
            // Datagrams are read in the order in which they came.
            let is_called = hop.transport.is_reliable() && (is_known || calls(&self.table, &usage.state, contact));
            match &usage.state {
                State::Calling(calling) if is_called => {
                    usage.moved = Some(Box::new((contact.clone(), *hop)));
                    if calling.hop.gives_way_to(hop) {
                        that_ring.push(*id);
                    }
                }
                State::Missed { .. } if is_called => {
                    usage.moved = Some(Box::new((contact.clone(), *hop)));
                    missed.push(*id);
                }
                State::Ending { missing_until, .. } if is_it && (missing_until.is_some() || before != Some(*hop)) => {
                    to_tell.push(*id);
                }
                _ => {}
            }
        }
        to_tell.into_iter().for_each(|id| self.send_bye_again(now, id));
        that_ring.into_iter().for_each(|id| self.ring_on(now, id, hop));
        missed.into_iter().for_each(|id| self.tell_missed(now, id, hop));
        self.table.refused_moved(owner, contact, flow, hop);
    }
}

/// Whether an INVITE of ours to this Contact waits for its answer.
fn calls(table: &Table, state: &State, contact: &Uri) -> bool {
    let (State::Calling(Calling { client, .. }) | State::Missed { client, .. }) = state else { return false };
    table.invite(*client).is_some_and(|invite| invite.uri.equivalent(contact))
}

fn answers_follow(table: &mut Table, usage: &mut Usage, hop: &Hop) {
    if let Some(waiting) = &mut usage.unacknowledged
        && waiting.follow(hop)
    {
        table.counters.retransmissions_sent += 1;
        table.transmits.push_back(waiting.answer().clone());
    }
    if let State::Incoming { server, .. } = &usage.state {
        // Sends that of the next line as well.
        table.follow(*server, hop);
    }
    if let Some(reliable) = &mut usage.reliable {
        reliable.follow(hop);
    }
    if let Exchange::Received { server, .. } = &usage.exchange {
        table.follow(*server, hop);
    }
}

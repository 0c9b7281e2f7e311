//! What is sent in vain: a lost connection, and a datagram that found nobody.

use super::{Endpoint, Event, Failure, Hop};
use crate::sip::message::Request;
use crate::sip::transaction::table::Owner;
use crate::time::Time;

impl Endpoint {
    /// The transport cannot reach `hop`, or has lost its connection. What was sent there in vain fails as
    /// [`Failure::Unreachable`]; a BYE or re-INVITE that went by a lost connection is tried once more at the peer's own address.
    pub fn handle_hop_failed(&mut self, now: Time, hop: &Hop) {
        for (owner, request) in self.table.fail_hop(now, hop) {
            self.unreachable(now, owner, hop, &request);
        }
    }

    /// A datagram of ours to `hop`, with this number in its branch, found nobody. Its request fails as
    /// [`Failure::Unreachable`], unless something came back already: ICMP comes from anybody.
    pub fn handle_undelivered(&mut self, now: Time, hop: &Hop, branch: u64) {
        if let Some((owner, request)) = self.table.fail_datagram(hop.remote, branch) {
            self.unreachable(now, owner, hop, &request);
        }
    }

    fn unreachable(&mut self, now: Time, owner: Owner, hop: &Hop, request: &Request) {
        match owner {
            Owner::Invite(id) => self.invite_lost(id, Failure::Unreachable),
            Owner::Reinvite(id) => self.reinvite_unreachable(now, id, hop),
            Owner::Bye(id) => self.bye_unreachable(now, id, hop),
            Owner::Refresh(id) => self.refresh_unreachable(now, id, hop),
            Owner::Request(id) => {
                self.events.push_back(Event::Response { id, result: Err(Failure::Unreachable) });
            }
            Owner::Info(_) | Owner::Prack(_) => self.aside_unreachable(now, owner, hop, request),
            Owner::Refer(_) | Owner::Nobody => {}
        }
    }
}

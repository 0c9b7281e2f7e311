//! What is sent in vain: a lost connection, and a datagram that found nobody.

use super::{Endpoint, Event, Failure, Hop, InviteId};
use crate::sip::message::Request;
use crate::sip::party::Party;
use crate::sip::transaction::table::Owner;
use crate::sip::usage::{State, Usage};
use crate::time::Time;

impl Endpoint {
    /// The transport cannot reach `hop`, or has lost its connection. What was sent there in vain fails as
    /// [`Failure::Unreachable`]; a BYE or re-INVITE that went by a lost connection is tried once more at the peer's own address,
    /// and a BYE for a phone once more when it is back ([`Endpoint::moved`]). A phone that rings is [waited for](Endpoint::awaits).
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
            Owner::Invite(id) => self.invite_unreachable(now, id),
            Owner::Reinvite(id) => self.reinvite_unreachable(now, id, hop),
            Owner::Bye(id) => self.bye_unreachable(now, id, hop),
            Owner::Refresh(id) => self.refresh_unreachable(now, id, hop),
            Owner::Request(id) => {
                self.events.push_back(Event::Response { id, result: Err(Failure::Unreachable) });
            }
            Owner::Info(_) | Owner::Prack(_) => self.aside_unreachable(now, owner, hop, request),
            Owner::Refer(_) | Owner::Cancel(_) | Owner::Ask(_) | Owner::Nobody => {}
        }
    }

    pub(super) fn bye_unanswered(&mut self, now: Time, id: InviteId) {
        if self.turn_back(id) {
            self.send_bye_again(now, id);
        } else {
            self.forget_ending(id);
        }
    }

    /// A phone that no way leads to may be between two connections: it is told as soon as it is back, if that is before a request
    /// would have been given up anyway (Timer F). It would sit in a talk with nobody otherwise.
    fn bye_unreachable(&mut self, now: Time, id: InviteId, failed: &Hop) {
        if self.has_other_way(id, failed) {
            return self.send_bye_again(now, id);
        }
        let patience = self.table.timings().patience();
        match self.usages.get_mut(&id) {
            Some(Usage { party: Some(Party::Phone(_)), state: State::Ending { missing_until, .. }, .. }) => {
                missing_until.get_or_insert(now + patience);
                self.arm(id);
            }
            _ => self.forget_ending(id),
        }
    }

    pub(super) fn missing_too_long(&mut self, now: Time, id: InviteId) {
        let state = self.usages.get(&id).map(|usage| &usage.state);
        if matches!(state, Some(State::Ending { missing_until: Some(until), .. }) if *until <= now) {
            self.forget_ending(id);
        }
    }
}

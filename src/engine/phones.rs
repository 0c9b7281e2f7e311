//! Agents' phones: who came, who is gone, and who is asked whether it is still there.

use super::{Engine, Output};
use crate::acd::Change;
use crate::sip::registrar::{Binding, Change as Registration};
use crate::sip::{ClientId, Failure, Hop, Method, Request, Response};
use crate::time::Time;
use std::collections::BTreeSet;

impl Engine {
    /// What a REGISTER changed.
    pub(super) fn phones_changed(&mut self, now: Time, changes: Vec<Registration>) {
        let mut users = BTreeSet::new();
        for change in changes {
            match &change {
                Registration::Added(binding) | Registration::Removed(binding) => {
                    users.insert(binding.user.clone());
                }
                Registration::Refreshed(..) => {}
            }
            self.dialogs_follow(now, &change);
            self.out.push_back(Output::Registration(Box::new(change)));
        }
        self.who_is_there(now, users);
    }

    /// What is up with a phone goes where it is now.
    fn dialogs_follow(&mut self, now: Time, change: &Registration) {
        let (Registration::Added(binding) | Registration::Refreshed(binding, _) | Registration::Removed(binding)) =
            change;
        let Some(agent) = self.agents.named(&binding.user).filter(|_| binding.is_direct) else { return };
        let (owner, flow) = (agent.0.into(), binding.flow());
        let left = match change {
            Registration::Added(_) => None,
            Registration::Refreshed(_, before) => Some(before).filter(|before| **before != binding.uri),
            Registration::Removed(_) => Some(&binding.uri),
        };
        if let Some((contact, flow)) = left.zip(flow.as_deref()) {
            self.endpoint.left(owner, contact, flow);
        }
        if !matches!(change, Registration::Removed(_)) {
            self.endpoint.moved(now, owner, &binding.uri, flow.as_deref(), &binding.hop);
        }
    }

    /// Whoever registered by this connection is there no more. A phone with another flow goes on by that, whatever rings there or is up
    /// (RFC 5626 §5.3).
    pub(super) fn connection_lost(&mut self, now: Time, hop: &Hop) {
        let gone = self.registrar.remove_hop(now, hop);
        self.phones_gone(now, gone.clone());
        for lost in gone {
            // What was said where others cannot read it stays so.
            let next = self.registrar.next_flow(&lost, lost.is_secure());
            let next = next.filter(|next| next.is_direct && lost.is_direct);
            if let (Some(agent), Some(next)) = (self.agents.named(&lost.user), next) {
                self.endpoint.moved(now, agent.0.into(), &next.uri, lost.flow().as_deref(), &next.hop);
            }
        }
    }

    /// Their time is over, their connection is lost, or they do not answer.
    pub(super) fn phones_gone(&mut self, now: Time, gone: Vec<Binding>) {
        self.phones_changed(now, gone.into_iter().map(Registration::Removed).collect());
    }

    pub(super) fn restore_phones(&mut self, now: Time, bindings: Vec<Binding>) {
        let known = bindings.into_iter().filter(|binding| self.agents.named(&binding.user).is_some());
        let restored = self.registrar.restore(now, known.collect::<Vec<_>>());
        self.who_is_there(now, restored.into_iter().map(|binding| binding.user).collect());
    }

    /// Agents are logged in while they have a phone, or are rung by one that is waited for.
    fn who_is_there(&mut self, now: Time, users: BTreeSet<String>) {
        for user in users {
            let Some(agent) = self.agents.named(&user) else { continue };
            let is_registered = self.registrar.is_registered(&user);
            let reachable = is_registered || self.endpoint.awaits(agent.0.into());
            if reachable && !is_registered {
                self.awaited.insert(agent);
            }
            self.acd_apply(
                now,
                if reachable { Change::LoggedIn { agent } } else { Change::LoggedOut { agent, down: false } },
            );
        }
    }

    /// Whoever was there because of a phone that is not waited for any more. False: nobody.
    pub(super) fn wait_no_more(&mut self, now: Time) -> bool {
        let over = self.awaited.extract_if(.., |agent| !self.endpoint.awaits(agent.0.into())).collect::<Vec<_>>();
        let is_any = !over.is_empty();
        self.who_is_there(now, over.into_iter().map(|agent| self.agents.seat(agent).name.to_string()).collect());
        is_any
    }

    /// Asks the phones behind NAT whose turn it is.
    pub(super) fn ping_phones(&mut self, now: Time) {
        while let Some(ping) = self.registrar.poll_ping(now) {
            let id = self.endpoint.request(now, ping.hop, Request::new(Method::Options, ping.uri.clone()));
            self.pings.insert(id, ping);
        }
    }

    /// What a phone said to the question whether it is there.
    pub(super) fn on_ping_answer(&mut self, now: Time, id: ClientId, result: Result<Box<Response>, Failure>) {
        let Some(ping) = self.pings.remove(&id) else { return };
        match result {
            Ok(_) => self.registrar.ping_answered(now, &ping),
            Err(Failure::Full) => self.registrar.ping_failed(now, &ping),
            Err(_) => {
                let gone = self.registrar.ping_unanswered(now, &ping);
                self.phones_gone(now, gone);
            }
        }
    }
}

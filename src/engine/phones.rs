//! Agents' phones: who came, who is gone, and who is asked whether it is still there.

use super::{Engine, Output};
use crate::acd::Change;
use crate::sip::registrar::{Binding, Change as Registration};
use crate::sip::{ClientId, Failure, Method, Request, Response};
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

    /// Their time is over, their connection is lost, or they do not answer.
    pub(super) fn phones_gone(&mut self, now: Time, gone: Vec<Binding>) {
        self.phones_changed(now, gone.into_iter().map(Registration::Removed).collect());
    }

    pub(super) fn restore_phones(&mut self, now: Time, bindings: Vec<Binding>) {
        let known = bindings.into_iter().filter(|binding| self.agents.named(&binding.user).is_some());
        let restored = self.registrar.restore(now, known.collect::<Vec<_>>());
        self.who_is_there(now, restored.into_iter().map(|binding| binding.user).collect());
    }

    /// Agents are logged in while they have a phone.
    fn who_is_there(&mut self, now: Time, users: BTreeSet<String>) {
        for user in users {
            let Some(agent) = self.agents.named(&user) else { continue };
            let reachable = self.registrar.is_registered(&user);
            self.acd_apply(now, if reachable { Change::LoggedIn { agent } } else { Change::LoggedOut { agent } });
        }
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

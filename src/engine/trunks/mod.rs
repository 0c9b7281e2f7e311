//! What the switchboard knows of each trunk while it runs: whether the carrier knows us, what was asked of it.

use super::settings::Trunk;
use crate::ids::LegId;
use crate::sip::registration::{self, Registration};
use crate::sip::{ClientId, Endpoint, SipUri, Uri};
use crate::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// In the order of the settings.
pub(super) struct Trunks {
    list: Vec<State>,
    /// Requests outside calls that wait for their answers.
    asked: BTreeMap<ClientId, Asked>,
    /// Legs by way of a trunk, until their media is closed.
    legs: BTreeMap<LegId, usize>,
}

/// What a request was about; the trunk by its place.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Register { trunk: usize, number: u32 },
}

pub(super) struct State {
    pub name: Arc<str>,
    pub registration: Option<Registration>,
    pub counts: Counts,
}

/// What is counted of one trunk since the start, and how it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// `None`: it does not register.
    pub registered: Option<bool>,
    /// Legs that it carries, either way.
    pub legs: usize,
    pub counts: Counts,
}

/// Only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub registrations_failed: u64,
    /// INVITEs of ours.
    pub calls_out: u64,
    /// Challenges in a realm that the account is not for.
    pub other_realm: u64,
}

impl Trunks {
    pub fn new(now: Time, trunks: &[Trunk], endpoint: &mut Endpoint) -> Trunks {
        let list = trunks.iter().map(|trunk| State {
            name: trunk.name.as_str().into(),
            registration: registration(now, trunk, endpoint),
            counts: Counts::default(),
        });
        Trunks { list: list.collect(), asked: BTreeMap::new(), legs: BTreeMap::new() }
    }

    pub fn name(&self, trunk: usize) -> Arc<str> {
        self.list[trunk].name.clone()
    }

    pub fn state_mut(&mut self, trunk: usize) -> &mut State {
        &mut self.list[trunk]
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn ask(&mut self, client: ClientId, asked: Asked) {
        self.asked.insert(client, asked);
    }

    pub fn take_asked(&mut self, client: ClientId) -> Option<Asked> {
        self.asked.remove(&client)
    }

    pub fn leg_began(&mut self, leg: LegId, trunk: usize) {
        self.legs.insert(leg, trunk);
    }

    pub fn leg_closed(&mut self, leg: LegId) {
        self.legs.remove(&leg);
    }

    pub fn of_leg(&self, leg: LegId) -> Option<usize> {
        self.legs.get(&leg).copied()
    }

    /// Legs that this trunk carries.
    pub fn legs_of(&self, trunk: usize) -> usize {
        self.legs.values().filter(|of| **of == trunk).count()
    }

    /// Whether no carrier waits for us any more.
    pub fn is_gone(&self) -> bool {
        self.list.iter().filter_map(|trunk| trunk.registration.as_ref()).all(Registration::is_gone)
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.list.iter().filter_map(|trunk| trunk.registration.as_ref()?.poll_timeout()).min()
    }

    pub fn figures(&self, now: Time) -> impl Iterator<Item = (&Arc<str>, Figures)> {
        self.list.iter().enumerate().map(move |(at, trunk)| {
            let registered = trunk.registration.as_ref().map(|registration| registration.is_registered(now));
            (&trunk.name, Figures { registered, legs: self.legs_of(at), counts: trunk.counts })
        })
    }

    /// Tables that must be empty when nothing goes on.
    pub fn tables(&self) -> [(&'static str, usize); 1] {
        [("legs of trunks", self.legs.len())]
    }
}

fn registration(now: Time, trunk: &Trunk, endpoint: &mut Endpoint) -> Option<Registration> {
    let (expires, account, hop) = (trunk.register?, trunk.account.as_ref()?, trunk.hop?);
    let Uri::Sip(domain) = trunk.uri(None, hop.remote) else { return None };
    let Uri::Sip(contact) = Uri::sip(Some(&account.user), hop.local) else { return None };
    let contact = Uri::Sip(SipUri { params: endpoint.contact_params(&hop), ..contact });
    let settings = registration::Settings { account: (**account).clone(), domain, contact, expires };
    let seed = (endpoint.draw(), endpoint.draw());
    Some(Registration::new(now, settings, seed))
}

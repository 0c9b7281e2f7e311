//! What the switchboard knows of each trunk while it runs: where calls can be sent, whether the carrier knows us, what was
//! asked of it, how much it carries.

pub(super) mod bucket;
pub(super) mod order;
pub(super) mod target;

use super::settings::{self, Trunk};
use crate::ids::LegId;
use crate::sip::registration::{self, Registration};
use crate::sip::{ClientId, Endpoint, Hop, Host, Network, SipUri, Transport, Uri};
use crate::time::{Duration, Time};
use bucket::Bucket;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use target::{Target, Usable};

/// In the order of the settings.
pub(super) struct Trunks {
    list: Vec<State>,
    /// Requests outside calls that wait for their answers.
    asked: BTreeMap<ClientId, Asked>,
    /// Legs by way of a trunk, until their media is closed.
    legs: BTreeMap<LegId, usize>,
    /// Connections whose peers have proven to be a trunk, until they are over.
    certified: BTreeMap<u64, usize>,
    /// How often ways by UDP are kept open; zero: never.
    keep_alive: Duration,
}

/// What a request was about; the trunk by its place.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Register { trunk: usize, number: u32, hop: Hop },
    Probe { trunk: usize, hop: Hop },
}

pub(super) struct State {
    pub name: Arc<str>,
    pub registration: Option<Registration>,
    /// Where it was last asked.
    pub registers_by: Option<Hop>,
    pub targets: Vec<Target>,
    pub counts: Counts,
    bucket: Option<Bucket>,
    legs: usize,
}

/// One way that a call can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub trunk: usize,
    pub hop: Hop,
}

/// What is counted of one trunk since the start, and how it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// `None`: it does not register.
    pub registered: Option<bool>,
    /// Legs that it carries, either way.
    pub legs: usize,
    pub targets: usize,
    /// Those that calls may be sent to.
    pub targets_usable: usize,
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
    /// Calls that failed there before anybody was rung.
    pub failed: u64,
    /// Calls that were not sent there, or not taken from there, because of its own limits.
    pub full: u64,
}

impl Trunks {
    pub fn new(now: Time, trunks: &[Trunk], keep_alive: Duration, endpoint: &mut Endpoint) -> Trunks {
        let list = trunks.iter().map(|trunk| State {
            name: trunk.name.as_str().into(),
            registration: None,
            registers_by: None,
            targets: Vec::new(),
            counts: Counts::default(),
            bucket: trunk.calls_per_second.map(|rate| Bucket::new(rate, now)),
            legs: 0,
        });
        let (asked, legs, certified) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut all = Trunks { list: list.collect(), asked, legs, certified, keep_alive };
        for (at, trunk) in trunks.iter().enumerate() {
            all.set_targets(now, at, trunk, &trunk.targets, endpoint);
        }
        all
    }

    /// The places of a carrier are these from now on; what is known of those that stay is kept.
    pub fn set_targets(
        &mut self,
        now: Time,
        at: usize,
        trunk: &Trunk,
        targets: &[settings::Target],
        endpoint: &mut Endpoint,
    ) {
        let (state, keep_alive) = (&mut self.list[at], self.keep_alive);
        let mut before = std::mem::take(&mut state.targets);
        for new in targets {
            let known = before.iter().position(|old| old.hop == new.hop);
            state.targets.push(match known.map(|known| before.swap_remove(known)) {
                Some(old) => old.ranked(new.priority, new.weight),
                None => Target::new(*new, trunk.probe.map(|interval| now + spread(interval, endpoint.draw())))
                    .kept_open(is_kept_open(trunk, &new.hop, keep_alive).then_some(now + keep_alive)),
            });
        }
        let is_there = |by: &Hop| state.targets.iter().any(|target| target.hop == *by);
        match &mut state.registration {
            None => {
                let first = state.targets.first().map(|target| target.hop);
                state.registration = registration(now, trunk, first, endpoint);
            }
            Some(registration) if state.registers_by.as_ref().is_some_and(|by| !is_there(by)) => {
                registration.moved(now)
            }
            Some(_) => {}
        }
    }

    /// Ways by which something is to be sent now, so that they stay open.
    pub fn keep_open(&mut self, now: Time, trunk: usize) -> impl Iterator<Item = Hop> {
        let every = self.keep_alive;
        let due = self.list[trunk].targets.iter_mut().filter(move |target| target.keep_at.is_some_and(|at| at <= now));
        due.map(move |target| {
            target.keep_at = Some(now + every);
            target.hop
        })
    }

    /// Nothing comes or goes this way any more; carriers that would have called us by it are to be asked anew.
    pub fn way_lost(&mut self, now: Time, hop: &Hop) {
        if let Some(connection) = hop.connection {
            self.certified.remove(&connection);
        }
        if !hop.transport.is_reliable() {
            return;
        }
        let is_it = |by: &Hop| (by.transport, by.remote) == (hop.transport, hop.remote);
        for state in self.list.iter_mut().filter(|state| state.registers_by.as_ref().is_some_and(is_it)) {
            state.registration.iter_mut().for_each(|registration| registration.lost_way(now));
        }
    }

    pub fn name(&self, trunk: usize) -> Arc<str> {
        self.list[trunk].name.clone()
    }

    pub fn state(&self, trunk: usize) -> &State {
        &self.list[trunk]
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
        self.list[trunk].legs += 1;
    }

    pub fn leg_closed(&mut self, leg: LegId) {
        if let Some(trunk) = self.legs.remove(&leg) {
            self.list[trunk].legs -= 1;
        }
    }

    pub fn of_leg(&self, leg: LegId) -> Option<usize> {
        self.legs.get(&leg).copied()
    }

    /// The peer of a connection has a certificate with these names, and that is good.
    pub fn certify(&mut self, connection: u64, names: &[String], trunks: &[Trunk]) {
        let is_its = |trunk: &Trunk| trunk.certificate.as_ref().is_some_and(|name| names.contains(name));
        if let Some(trunk) = trunks.iter().position(is_its) {
            self.certified.insert(connection, trunk);
        }
    }

    /// The trunk that whoever sends by this hop is one of.
    pub fn of_hop(&self, hop: &Hop, trunks: &[Trunk]) -> Option<usize> {
        let ip = hop.remote.ip();
        let is_from = |trunk: &Trunk| trunk.from.iter().any(|net| net.contains(ip));
        let certified = hop.connection.and_then(|connection| self.certified.get(&connection)).copied();
        if let Some(at) = certified.filter(|at| trunks[*at].from.is_empty() || is_from(&trunks[*at])) {
            return Some(at);
        }
        // Who is to show a certificate is not known by an address alone.
        let open = || trunks.iter().enumerate().filter(|(_, trunk)| trunk.certificate.is_none());
        let is_target = |at: usize| self.list[at].targets.iter().any(|target| target.hop.remote.ip() == ip);
        let by_address = open().find(|(_, trunk)| is_from(trunk));
        by_address.or_else(|| open().find(|(at, trunk)| trunk.from_targets && is_target(*at))).map(|(at, _)| at)
    }

    /// Where a trunk is, as far as addresses tell: from where it calls and where it is called.
    pub fn places(&self, at: usize, trunk: &Trunk) -> Vec<Network> {
        let targets = self.list[at].targets.iter().map(|target| Network::of(target.hop.remote.ip()));
        trunk.from.iter().copied().chain(targets).collect()
    }

    /// Whether whoever sends by this hop is this trunk: it has shown the certificate that it has to, or else is where the trunk is.
    pub fn is_at_home(&self, at: usize, trunk: &Trunk, hop: &Hop) -> bool {
        match &trunk.certificate {
            Some(_) => hop.connection.is_some_and(|connection| self.certified.get(&connection) == Some(&at)),
            None => self.places(at, trunk).iter().any(|place| place.contains(hop.remote.ip())),
        }
    }

    /// Whether some trunk has this name, or is at this address.
    pub fn is_at(&self, host: &Host, trunks: &[Trunk]) -> bool {
        trunks.iter().zip(&self.list).any(|(trunk, state)| match host {
            Host::Name(_) => trunk.domain.as_ref() == Some(host),
            Host::Ip(ip) => {
                trunk.from.iter().any(|net| net.contains(*ip))
                    || state.targets.iter().any(|target| target.hop.remote.ip() == *ip)
            }
        })
    }

    /// Whether it carries as many calls as it may.
    pub fn is_full(&self, trunk: usize, settings: &Trunk) -> bool {
        settings.calls.is_some_and(|calls| self.list[trunk].legs >= calls as usize)
    }

    /// All ways to a number that these trunks take, best first, those that failed lately last. `desperate`: also those that
    /// rest or are down.
    pub fn ways(
        &self,
        now: Time,
        trunks: &[(usize, &Trunk)],
        desperate: bool,
        mut draw: impl FnMut() -> u64,
    ) -> VecDeque<Way> {
        let (mut good, mut doubtful) = (VecDeque::new(), VecDeque::new());
        let rank: Vec<(u16, u32)> = trunks.iter().map(|(_, trunk)| (trunk.priority, u32::from(trunk.weight))).collect();
        for place in order::order(&rank, &mut draw) {
            let trunk = trunks[place].0;
            let targets = &self.list[trunk].targets;
            let rank: Vec<(u16, u32)> = targets.iter().map(|target| (target.priority, target.weight)).collect();
            for target in order::order(&rank, &mut draw) {
                let way = Way { trunk, hop: targets[target].hop };
                match targets[target].usable(now) {
                    Usable::Now => good.push_back(way),
                    Usable::Last => doubtful.push_back(way),
                    Usable::No if desperate => doubtful.push_back(way),
                    Usable::No => {}
                }
            }
        }
        good.append(&mut doubtful);
        good
    }

    /// Whether the trunk's own limits allow one call more now; if so, and it `is_new` there, it is counted as made.
    pub fn admit(&mut self, now: Time, trunk: usize, settings: &Trunk, is_new: bool) -> bool {
        let full = self.is_full(trunk, settings);
        let state = &mut self.list[trunk];
        let admitted = !full && (!is_new || state.bucket.as_mut().is_none_or(|bucket| bucket.take(now)));
        state.counts.full += u64::from(!admitted);
        admitted
    }

    pub fn target_mut(&mut self, way: Way) -> Option<&mut Target> {
        self.list[way.trunk].targets.iter_mut().find(|target| target.hop == way.hop)
    }

    /// Whether no carrier waits for us any more.
    pub fn is_gone(&self) -> bool {
        self.list.iter().filter_map(|trunk| trunk.registration.as_ref()).all(Registration::is_gone)
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        let due = |state: &State| {
            let registration = state.registration.as_ref().and_then(Registration::poll_timeout);
            let targets = state.targets.iter().flat_map(|target| [target.probe_at, target.keep_at]);
            targets.flatten().chain(registration).min()
        };
        self.list.iter().filter_map(due).min()
    }

    pub fn figures(&self, now: Time) -> impl Iterator<Item = (&Arc<str>, Figures)> {
        self.list.iter().map(move |trunk| {
            let figures = Figures {
                registered: trunk.registration.as_ref().map(|registration| registration.is_registered(now)),
                legs: trunk.legs,
                targets: trunk.targets.len(),
                targets_usable: trunk.targets.iter().filter(|target| target.usable(now) != Usable::No).count(),
                counts: trunk.counts,
            };
            (&trunk.name, figures)
        })
    }

    /// Tables that must be empty when nothing goes on.
    pub fn tables(&self) -> [(&'static str, usize); 2] {
        [("legs of trunks", self.legs.len()), ("certified connections", self.certified.len())]
    }
}

/// Carriers that call us by a way that we opened, or that we ask whether they are there, need it open; what is sent more often than
/// `every` keeps it open by itself.
fn is_kept_open(trunk: &Trunk, hop: &Hop, every: Duration) -> bool {
    let is_needed = trunk.register.is_some() || trunk.probe.is_some();
    is_needed && hop.transport == Transport::Udp && !every.is_zero() && trunk.probe.is_none_or(|probe| probe > every)
}

/// A part of the interval, so that not all are probed in one moment.
fn spread(interval: Duration, draw: u64) -> Duration {
    interval * (draw % 1000) as u32 / 1000
}

fn registration(now: Time, trunk: &Trunk, hop: Option<Hop>, endpoint: &mut Endpoint) -> Option<Registration> {
    let (expires, account, hop) = (trunk.register?, trunk.account.as_ref()?, hop?);
    let (domain, contact) = registrar(trunk, &hop, endpoint)?;
    let settings = registration::Settings { account: (**account).clone(), domain, contact, expires };
    let seed = (endpoint.draw(), endpoint.draw());
    Some(Registration::new(now, settings, seed))
}

/// Where the carrier is if it is asked by this hop, and where it is to send calls for us: they come the way that it was asked.
pub(super) fn registrar(trunk: &Trunk, hop: &Hop, endpoint: &Endpoint) -> Option<(SipUri, Uri)> {
    let account = trunk.account.as_ref()?;
    let Uri::Sip(domain) = trunk.uri(None, hop.remote) else { return None };
    let Uri::Sip(contact) = Uri::sip(Some(&account.user), hop.local) else { return None };
    Some((domain, Uri::Sip(SipUri { params: endpoint.contact_params(hop), ..contact })))
}

//! Where a name leads (RFC 3263 §4): what DNS must be asked, and which places its answers name.
//!
//! [`locate`] is a function of the answers that are there: it says what else must be asked, or where to go. When to ask again,
//! and what holds while DNS says nothing, is known to the [`Locator`].
//!
//! ```text
//! sip:example        NAPTR example ─┬─ names a service ─▶ SRV of its replacement ─▶ A, AAAA of the targets
//!                                   └─ none ─▶ SRV _sip._udp, _sip._tcp, _sips._tcp ─┬─▶ A, AAAA of the targets
//! tcp:example        ─────────────────────────▶ SRV _sip._tcp ───────────────────────┴─ none ─▶ A, AAAA of example
//! sip:example:5080   ─────────────────────────────────────────────────────────────────────────▶ A, AAAA of example
//! ```

mod locator;

pub use locator::{Answer, Fault, Located, Locator, Lookup, RETRY_LEAST, RETRY_MOST, TTL_LEAST, TTL_MOST, Turn};

use super::endpoint::Transport;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Services of one name, as NAPTR lists them, that are tried, the most preferred first.
pub const SERVICES_MAX: usize = 8;
/// SRV records of one service that are looked at, those of the lowest priority first.
pub const SERVERS_MAX: usize = 16;
/// Addresses of one name that are used.
pub const ADDRESSES_MAX: usize = 8;
/// Places that one name leads to.
pub const PLACES_MAX: usize = 32;
/// Divisible by every number of addresses that one name may have, so that they share the weight of their record evenly.
const SHARES: u32 = 840;

/// A name to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// A name in lower case, not an address.
    pub host: String,
    /// With a port there is nothing to ask but the addresses.
    pub port: Option<u16>,
    /// `None`: DNS says which.
    pub transport: Option<Transport>,
    /// Only by TLS (`sips:`).
    pub secure: bool,
}

/// What DNS is asked; names are absolute, in lower case and without the dot at their end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    Naptr(String),
    Srv(String),
    A(String),
    Aaaa(String),
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// RFC 3403 §4.1.
    Naptr {
        order: u16,
        preference: u16,
        flags: String,
        service: String,
        replacement: String,
    },
    /// RFC 2782. An empty target: the service is decidedly not there.
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        target: String,
    },
    Address(IpAddr),
}

/// What is known. `None`: the question was asked, and nobody could tell.
pub type Answers = BTreeMap<Question, Option<Vec<Record>>>;

/// Which transports and which IP versions we can send by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub ipv4: Vec<Transport>,
    pub ipv6: Vec<Transport>,
}

impl Reach {
    fn has(&self, transport: Transport) -> bool {
        self.ipv4.contains(&transport) || self.ipv6.contains(&transport)
    }
}

/// Where to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Lowest first (RFC 2782).
    pub priority: u16,
    pub transport: Transport,
    pub address: SocketAddr,
    /// Among those of one priority; addresses of one server share its weight.
    pub weight: u32,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Never empty, and none that is in the answers.
    Ask(Vec<Question>),
    Done(Found),
}

/// Where a name leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In a stable order, none twice; up to [`PLACES_MAX`].
    pub places: Vec<Place>,
    /// What this follows from.
    pub used: BTreeSet<Question>,
    /// There was more than is looked at.
    pub cut: bool,
}

/// Goes as far as the answers lead.
pub fn locate(to: &Destination, reach: &Reach, answers: &Answers) -> Step {
    let mut search = Search { reach, answers, missing: BTreeSet::new(), found: Found::default() };
    search.run(to);
    let Search { missing, mut found, .. } = search;
    if !missing.is_empty() {
        return Step::Ask(missing.into_iter().collect());
    }
    found.places.sort_unstable();
    let mut seen = BTreeSet::new();
    found.places.retain(|place| seen.insert((place.transport, place.address)));
    found.cut |= found.places.len() > PLACES_MAX;
    found.places.truncate(PLACES_MAX);
    Step::Done(found)
}

/// What SRV says about one service.
enum Service {
    /// There are records; where they lead is noted, if anywhere.
    Known,
    /// There are none.
    None,
    /// Nobody could tell, or it is not asked yet.
    Unknown,
}

struct Search<'a> {
    reach: &'a Reach,
    answers: &'a Answers,
    missing: BTreeSet<Question>,
    found: Found,
}

impl<'a> Search<'a> {
    fn run(&mut self, to: &Destination) {
        let usual = if to.secure { Transport::Tls } else { Transport::Udp };
        match (to.port, to.transport) {
            (Some(port), transport) => self.host(&to.host, port, transport.unwrap_or(usual)),
            (None, Some(transport)) => self.first_service(&[transport], &to.host),
            (None, None) => self.by_naptr(to),
        }
    }

    /// RFC 3263 §4.1.
    fn by_naptr(&mut self, to: &Destination) {
        let Some(records) = self.ask(Question::Naptr(to.host.clone())) else { return };
        let mut services = Vec::new();
        for record in records {
            if let Record::Naptr { order, preference, flags, service, replacement } = record
                && flags.eq_ignore_ascii_case("s")
                && !replacement.is_empty()
                && let Some(transport) = transport_of(service)
                && self.reach.has(transport)
                && (!to.secure || transport == Transport::Tls)
            {
                services.push((*order, *preference, transport, replacement));
            }
        }
        services.sort();
        // Whatever is of another order than the first that fits is not looked at (RFC 3403 §4.1).
        let order = services.first().map(|(order, ..)| *order);
        services.retain(|(of, ..)| Some(*of) == order);
        self.found.cut |= services.len() > SERVICES_MAX;
        services.truncate(SERVICES_MAX);
        let mut is_silent = false;
        for (_, _, transport, name) in &services {
            match self.service(*transport, name) {
                Service::Unknown if !self.missing.is_empty() => return,
                // The next may be known, and is better than nobody.
                Service::Unknown => is_silent = true,
                Service::Known if !self.found.places.is_empty() || !self.missing.is_empty() => return,
                Service::Known | Service::None => {}
            }
        }
        match services.first() {
            _ if is_silent => {}
            Some((_, _, transport, _)) => self.host(&to.host, transport.default_port(), *transport),
            None if to.secure => self.first_service(&[Transport::Tls], &to.host),
            None => self.first_service(&[Transport::Udp, Transport::Tcp, Transport::Tls], &to.host),
        }
    }

    /// The first of these that has servers; if none has, the host itself by the first of them (RFC 3263 §4.2).
    fn first_service(&mut self, transports: &[Transport], host: &str) {
        let usable: Vec<Transport> = transports.iter().copied().filter(|one| self.reach.has(*one)).collect();
        let names: Vec<_> = usable.iter().map(|transport| (*transport, service_name(*transport, host))).collect();
        // All at once: each would cost the time of a question.
        names.iter().for_each(|(_, name)| _ = self.ask(Question::Srv(name.clone())));
        if !self.missing.is_empty() {
            return;
        }
        let (mut is_known, mut is_silent) = (false, false);
        for (transport, name) in &names {
            match self.service(*transport, name) {
                Service::Known => is_known = true,
                Service::Unknown => is_silent = true,
                Service::None => {}
            }
            if !self.found.places.is_empty() || !self.missing.is_empty() {
                return;
            }
        }
        if let Some(first) = usable.first()
            && !is_known
            && !is_silent
        {
            self.host(host, first.default_port(), *first);
        }
    }

    /// RFC 2782: the servers of one service.
    fn service(&mut self, transport: Transport, name: &str) -> Service {
        let Some(records) = self.ask(Question::Srv(name.to_owned())) else { return Service::Unknown };
        let mut servers = Vec::new();
        for record in records {
            if let Record::Srv { priority, weight, port, target } = record {
                servers.push((*priority, *weight, *port, target.as_str()));
            }
        }
        if servers.is_empty() {
            return Service::None;
        }
        servers.sort_unstable();
        self.found.cut |= servers.len() > SERVERS_MAX;
        for (priority, weight, port, target) in servers.into_iter().take(SERVERS_MAX) {
            if !target.is_empty() {
                self.server(target, port, transport, (priority, weight));
            }
        }
        Service::Known
    }

    /// A host without SRV: its addresses share the calls evenly.
    fn host(&mut self, name: &str, port: u16, transport: Transport) {
        if self.reach.has(transport) {
            self.server(name, port, transport, (0, 1));
        }
    }

    fn server(&mut self, name: &str, port: u16, transport: Transport, (priority, weight): (u16, u16)) {
        let mut addresses = Vec::new();
        for (transports, question, is_ipv4) in [
            (&self.reach.ipv6, Question::Aaaa(name.to_owned()), false),
            (&self.reach.ipv4, Question::A(name.to_owned()), true),
        ] {
            if transports.contains(&transport)
                && let Some(records) = self.ask(question)
            {
                addresses.extend(records.iter().filter_map(|record| match record {
                    Record::Address(address) => Some(*address).filter(|address| address.is_ipv4() == is_ipv4),
                    Record::Naptr { .. } | Record::Srv { .. } => None,
                }));
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        self.found.cut |= addresses.len() > ADDRESSES_MAX;
        addresses.truncate(ADDRESSES_MAX);
        let shares = SHARES / u32::try_from(addresses.len().max(1)).unwrap_or(SHARES);
        self.found.places.extend(addresses.into_iter().map(|address| {
            let address = SocketAddr::new(address, port);
            Place { priority, transport, address, weight: u32::from(weight) * shares }
        }));
    }

    /// The answer; `None`: it is to be asked, or nobody could tell.
    fn ask(&mut self, question: Question) -> Option<&'a [Record]> {
        match self.answers.get(&question) {
            None => {
                self.missing.insert(question);
                None
            }
            Some(answer) => {
                self.found.used.insert(question);
                answer.as_deref()
            }
        }
    }
}

/// The services of RFC 3263 §4.1 that we can use.
fn transport_of(service: &str) -> Option<Transport> {
    match service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}

/// Nobody can be connected to by a WebSocket from here, so such a service is never asked for.
fn service_name(transport: Transport, host: &str) -> String {
    match transport {
        Transport::Udp => format!("_sip._udp.{host}"),
        Transport::Tcp | Transport::Ws => format!("_sip._tcp.{host}"),
        Transport::Tls | Transport::Wss => format!("_sips._tcp.{host}"),
    }
}

#[cfg(test)]
mod tests;

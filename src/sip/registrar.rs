//! Who can be reached where (RFC 3261 §10.3), and by which way the request came: the way back through NAT.
//!
//! Knows nothing of passwords: it is asked once the sender is known to be `user`. A binding is named by its
//! `+sip.instance` and `reg-id` where it has them (RFC 5626 §6), else by its Contact URI.
//!
//! A request to a binding goes the way its REGISTER came, through the proxies of its Path (RFC 3327). Phones behind NAT
//! are asked now and then whether they are there, so that the way back stays open. No GRUU (RFC 5627) is given out.

mod binding;
mod pings;
mod plan;
#[cfg(test)]
mod tests;

pub use binding::{BadSaved, Binding, Name, Saved};
pub use pings::{Asked, Ping};

use super::endpoint::{Hop, Transport};
use super::message::{Request, Response};
use super::uri::Uri;
use super::whereabouts;
use crate::time::{Duration, Time};
use pings::Pings;
use plan::{Plan, Refusal, plan, seconds_up};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

/// What a REGISTER may ask for (RFC 3327, RFC 5626).
pub const OPTION_TAGS: [&str; 2] = ["path", "outbound"];

/// Values of Path in one REGISTER; one with more is answered 400.
pub const PATH_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A shorter wish (other than 0) is answered 423.
    pub min_expires: Duration,
    /// A longer wish is cut to this.
    pub max_expires: Duration,
    /// For a Contact that wishes nothing.
    pub default_expires: Duration,
    /// Of one user. One more takes the place of the one that was not refreshed for the longest time.
    pub contacts_max: usize,
    /// Of all users. One more is answered 503.
    pub bindings_max: usize,
    /// How long a phone behind NAT is left alone before it is asked whether it is there. Zero: it never is.
    pub keep_alive: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            default_expires: Duration::from_secs(3600),
            contacts_max: 10,
            bindings_max: 20_000,
            keep_alive: Duration::from_secs(25),
        }
    }
}

/// How often a bound was reached, since the registrar was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limited {
    /// [`Settings::bindings_max`]: 503.
    pub registrations: u64,
    /// [`Settings::contacts_max`]: the one that was not refreshed for the longest time went.
    pub contacts: u64,
    /// The same in one request: 403.
    pub contacts_at_once: u64,
    /// [`PATH_MAX`]: 400.
    pub path: u64,
}

/// What a REGISTER changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Added(Binding),
    /// Same binding with a new end, and perhaps a new hop or URI; the URI that it had.
    Refreshed(Binding, Uri),
    Removed(Binding),
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Registrar {
    settings: Settings,
    users: BTreeMap<String, Vec<Binding>>,
    /// For each user the earliest end among the bindings, so that nobody is looked at before the time.
    ends: BTreeSet<(Time, String)>,
    /// Who registered by which way, so that neither question about a hop has to look at every user.
    by_way: HashMap<Way, Travellers>,
    pings: Pings,
    asked: Asked,
    limited: Limited,
    total: usize,
}

/// Who registered by one way.
#[derive(Debug, Default)]
struct Travellers {
    users: BTreeSet<String>,
    /// Bindings without a proxy before them: at the other end is a phone.
    direct: usize,
}

/// What tells one phone's way from another's: our own address does not.
type Way = (Transport, SocketAddr, Option<u64>);

fn way(hop: &Hop) -> Way {
    (hop.transport, hop.remote, hop.connection)
}

impl Registrar {
    pub fn new(settings: Settings) -> Registrar {
        Registrar {
            settings,
            users: BTreeMap::new(),
            ends: BTreeSet::new(),
            by_way: HashMap::new(),
            pings: Pings::new(settings.keep_alive),
            asked: Asked::default(),
            limited: Limited::default(),
            total: 0,
        }
    }

    /// Takes bindings of an earlier run, as far as there is room and their time is not over; gives them back.
    pub fn restore(&mut self, now: Time, bindings: impl IntoIterator<Item = Binding>) -> Vec<Binding> {
        let mut restored = Vec::new();
        for mut binding in bindings {
            // The operator may allow less today.
            binding.expires = binding.expires.min(now + self.settings.max_expires);
            let of_user = self.users.get(&binding.user).map_or(&[][..], Vec::as_slice);
            let has_room = self.total < self.settings.bindings_max && of_user.len() < self.settings.contacts_max;
            if has_room && binding.expires > now && of_user.iter().all(|known| known.name() != binding.name()) {
                let after = of_user.iter().chain([&binding]).cloned().collect();
                self.replace(now, &binding.user.clone(), after);
                restored.push(binding);
            }
        }
        restored
    }

    /// Carries out a REGISTER of `user` that came by `hop`: all of it or nothing.
    ///
    /// 200 lists all bindings of the user. Refused: 400 (`*` not alone or without `Expires: 0`, bad Contact or Path,
    /// several contacts with `reg-id`), 403 (more contacts in one request than a user may have), 423, 439 (RFC 5626 §6),
    /// 500 (older than what is known, §10.3 step 7), 503 (full).
    /// The To tag is the caller's matter. The changes also name what of this user has expired by now.
    pub fn register(&mut self, now: Time, user: &str, request: &Request, hop: &Hop) -> (Response, Vec<Change>) {
        let mut changes: Vec<Change> = self.expire_user(now, user).into_iter().map(Change::Removed).collect();
        let before = self.users.get(user).map_or(&[][..], Vec::as_slice);
        let planned = match plan(&self.settings, now, user, before, request, hop) {
            Ok(planned) => planned,
            Err(refusal) => {
                match refusal {
                    Refusal::TooMany => self.limited.contacts_at_once += 1,
                    Refusal::LongPath => self.limited.path += 1,
                    _ => {}
                }
                return (refusal.response(request, &self.settings), changes);
            }
        };
        let Plan { after, changes: made, displaced, is_outbound } = planned;
        if self.total - before.len() + after.len() > self.settings.bindings_max && after.len() > before.len() {
            self.limited.registrations += 1;
            return (Refusal::Full.response(request, &self.settings), changes);
        }
        self.limited.contacts += displaced;
        changes.extend(made);
        self.replace(now, user, after);
        let mut response = Response::to(request, 200, None);
        for binding in self.lookup(user) {
            let mut contact = binding.contact.clone();
            contact.params.set("expires", Some(&seconds_up(binding.expires.since(now)).to_string()));
            response.headers.push("Contact", contact.to_string());
        }
        response.headers.push("Supported", OPTION_TAGS.join(", "));
        if plan::supports(request, "path") {
            request.headers.copy("Path", &mut response.headers);
        }
        if is_outbound {
            response.headers.push("Require", "outbound");
        }
        (response, changes)
    }

    /// Where `user` can be reached: highest `q` first, then the one refreshed last.
    pub fn lookup(&self, user: &str) -> impl Iterator<Item = &Binding> {
        let mut bindings: Vec<&Binding> = self.users.get(user).into_iter().flatten().collect();
        bindings.sort_by_key(|b| std::cmp::Reverse((b.q(), b.refreshed)));
        bindings.into_iter()
    }

    /// As `lookup`, but a phone that is reached by several flows is there once, by the flow it refreshed last: two requests
    /// would ring it twice (RFC 5626 §5.3).
    /// `securely`: only what a `sips:` URI may reach.
    pub fn phones(&self, user: &str, securely: bool) -> impl Iterator<Item = &Binding> {
        let mut seen = BTreeSet::new();
        let reachable = self.lookup(user).filter(move |binding| !securely || binding.is_secure());
        reachable.filter(move |binding| match binding.instance() {
            Some(instance) if binding.is_flow() => seen.insert(instance.to_ascii_lowercase()),
            _ => true,
        })
    }

    /// The flow of the same phone that was refreshed last, other than this one. `securely`: as in [`Registrar::phones`].
    pub fn next_flow(&self, flow: &Binding, securely: bool) -> Option<&Binding> {
        let mut others = self.lookup(&flow.user).filter(|other| !securely || other.is_secure());
        others.find(|other| other.is_beside(flow) && other.name() != flow.name())
    }

    /// The same phone by another way than this one: by that of its last registration if it has moved, else by its next flow. `securely`:
    /// as in [`Registrar::phones`].
    pub fn another_way(&self, phone: &Binding, securely: bool) -> Option<&Binding> {
        let moved = |other: &&Binding| {
            other.name() == phone.name() && other.hop != phone.hop && (!securely || other.is_secure())
        };
        self.lookup(&phone.user).find(moved).or_else(|| self.next_flow(phone, securely))
    }

    /// Whether a phone of `user`, or a proxy before it, is registered there.
    pub fn is_reached_by(&self, user: &str, hop: &Hop) -> bool {
        self.users.get(user).is_some_and(|bindings| bindings.iter().any(|b| whereabouts::is_from(&b.hop, hop)))
    }

    /// A request found nobody by this flow. Where the phone has another, this one is removed and given back, unless it was
    /// refreshed since: who has only one is not unregistered by one lost call.
    pub fn flow_failed(&mut self, now: Time, flow: &Binding) -> Vec<Binding> {
        match self.next_flow(flow, false).is_some() {
            true => self.remove_where(now, &flow.user, |binding| binding == flow),
            false => Vec::new(),
        }
    }

    pub fn is_registered(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// Bindings of all users.
    pub fn len(&self) -> usize {
        self.total
    }

    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.ends.first().map(|(at, _)| *at).into_iter().chain(self.pings.next()).min()
    }

    /// The next phone that must be asked now whether it is there; none is asked again before the answer.
    pub fn poll_ping(&mut self, now: Time) -> Option<Ping> {
        let name = self.pings.take(now)?;
        let binding = self.users.get(&name.user)?.iter().find(|binding| binding.name() == name)?;
        self.asked.sent += 1;
        Some(Ping { name, uri: binding.uri.clone(), hop: binding.hop, asked: now })
    }

    /// The phone gave an answer of any kind.
    pub fn ping_answered(&mut self, now: Time, ping: &Ping) {
        self.asked.answered += 1;
        if self.is_in_doubt(ping) {
            self.pings.answered(now, &ping.name);
        }
    }

    /// The question could not be asked.
    pub fn ping_failed(&mut self, now: Time, ping: &Ping) {
        if self.is_in_doubt(ping) {
            self.pings.again(now, &ping.name);
        }
    }

    /// The phone gave no answer. One that did before is gone: removed and given back. Of the others we do not know that
    /// they answer such questions at all; and one that registered since is there, whatever became of its old address.
    pub fn ping_unanswered(&mut self, now: Time, ping: &Ping) -> Vec<Binding> {
        if !self.is_in_doubt(ping) {
            return Vec::new();
        }
        if !self.pings.has_answered(&ping.name) {
            self.pings.again(now, &ping.name);
            return Vec::new();
        }
        self.asked.lost += 1;
        self.remove_where(now, &ping.name.user, |binding| binding.name() == ping.name && binding.hop == ping.hop)
    }

    /// How often which bound was reached.
    pub fn limited(&self) -> &Limited {
        &self.limited
    }

    /// What came of all such questions.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Whether the phone that was asked is still to be found there, and has said nothing since; if it has, its next ping is
    /// settled already.
    fn is_in_doubt(&self, ping: &Ping) -> bool {
        let is_the_same = |binding: &Binding| {
            binding.name() == ping.name && binding.hop == ping.hop && binding.refreshed <= ping.asked
        };
        self.users.get(&ping.name.user).is_some_and(|bindings| bindings.iter().any(is_the_same))
    }

    /// Removes the bindings whose time is over, and gives them back.
    pub fn handle_timeout(&mut self, now: Time) -> Vec<Binding> {
        let mut expired = Vec::new();
        while let Some((at, user)) = self.ends.first()
            && *at <= now
        {
            let user = user.clone();
            expired.extend(self.expire_user(now, &user));
        }
        expired
    }

    /// The connection is closed: removes what came by it and can be reached no more (RFC 5626 §5.3), and gives it back.
    pub fn remove_hop(&mut self, now: Time, hop: &Hop) -> Vec<Binding> {
        let users = self.by_way.get(&way(hop)).map(|travellers| travellers.users.clone()).unwrap_or_default();
        users.iter().flat_map(|user| self.remove_where(now, user, |b| way(&b.hop) == way(hop))).collect()
    }

    /// Whether a phone is registered that speaks from there. A proxy is no phone.
    pub fn is_registered_hop(&self, hop: &Hop) -> bool {
        self.by_way.get(&way(hop)).is_some_and(|travellers| travellers.direct > 0)
    }

    fn expire_user(&mut self, now: Time, user: &str) -> Vec<Binding> {
        self.remove_where(now, user, |b| b.expires <= now)
    }

    fn remove_where(&mut self, now: Time, user: &str, gone: impl Fn(&Binding) -> bool) -> Vec<Binding> {
        let Some(bindings) = self.users.get(user) else { return Vec::new() };
        let (removed, kept): (Vec<_>, Vec<_>) = bindings.iter().cloned().partition(gone);
        if !removed.is_empty() {
            self.replace(now, user, kept);
        }
        removed
    }

    fn replace(&mut self, now: Time, user: &str, after: Vec<Binding>) {
        let end = |bindings: &[Binding]| bindings.iter().map(|b| b.expires).min();
        let before = self.users.remove(user).unwrap_or_default();
        if let Some(at) = end(&before) {
            self.ends.remove(&(at, user.to_string()));
        }
        if let Some(at) = end(&after) {
            self.ends.insert((at, user.to_string()));
        }
        for binding in &before {
            if let Entry::Occupied(mut entry) = self.by_way.entry(way(&binding.hop)) {
                let travellers = entry.get_mut();
                travellers.users.remove(user);
                travellers.direct -= usize::from(binding.is_direct);
                // With two bindings by one way, the user goes with the first and the count with the second.
                if travellers.users.is_empty() && travellers.direct == 0 {
                    entry.remove();
                }
            }
            if after.iter().all(|kept| kept.name() != binding.name()) {
                self.pings.forget(&binding.name());
            }
        }
        for binding in &after {
            let travellers = self.by_way.entry(way(&binding.hop)).or_default();
            travellers.users.insert(user.to_string());
            travellers.direct += usize::from(binding.is_direct);
            if !before.contains(binding) {
                self.pings.watch(now, binding);
            }
        }
        self.total = self.total - before.len() + after.len();
        if !after.is_empty() {
            self.users.insert(user.to_string(), after);
        }
    }
}

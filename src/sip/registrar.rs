//! Who can be reached where (RFC 3261 §10.3), and by which way the request came: the way back through NAT.
//!
//! Knows nothing of passwords: it is asked once the sender is known to be `user`. A binding is named by its
//! `+sip.instance` and `reg-id` where it has them (RFC 5626 §6), else by its Contact URI. Path (RFC 3327) is not kept:
//! a request to a binding goes the way its REGISTER came.

use super::endpoint::{Hop, Transport};
use super::headers::{BadHeader, NameAddr};
use super::lex;
use super::message::{Request, Response};
use super::uri::Uri;
use crate::time::{Duration, Time};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

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
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            default_expires: Duration::from_secs(3600),
            contacts_max: 10,
            bindings_max: 20_000,
        }
    }
}

/// One place where a user can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub user: String,
    /// Request-URI of requests to it.
    pub uri: Uri,
    /// Contact as it came, without `expires`.
    pub contact: NameAddr,
    /// Where its REGISTER came from, and so where requests to it go.
    pub hop: Hop,
    pub refreshed: Time,
    pub expires: Time,
    /// What the phone calls itself: its User-Agent header.
    pub agent: Option<String>,
    call_id: String,
    cseq: u32,
}

impl Binding {
    /// `+sip.instance` without quotes, for example `<urn:uuid:…>`.
    pub fn instance(&self) -> Option<&str> {
        self.contact.params.get("+sip.instance")
    }

    /// Preference in thousandths, 1000 if not given (RFC 3261 §20.10).
    pub fn q(&self) -> u16 {
        self.contact
            .params
            .get("q")
            .and_then(|q| q.parse::<f32>().ok())
            .map_or(1000, |q| (q.clamp(0.0, 1.0) * 1e3) as u16)
    }

    fn is_named_by(&self, contact: &NameAddr) -> bool {
        let name = |c: &NameAddr| {
            let instance = c.params.get("+sip.instance")?.to_ascii_lowercase();
            Some((instance, c.params.get("reg-id").map(str::to_string)))
        };
        match (name(&self.contact), name(contact)) {
            (Some(a), Some(b)) => a == b,
            _ => self.uri.equivalent(&contact.uri),
        }
    }
}

/// What a REGISTER changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Added(Binding),
    /// Same binding with a new end, and perhaps a new hop or URI.
    Refreshed(Binding),
    Removed(Binding),
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Registrar {
    settings: Settings,
    users: BTreeMap<String, Vec<Binding>>,
    /// For each user the earliest end among the bindings, so that nobody is looked at before the time.
    ends: BTreeSet<(Time, String)>,
    /// Which users registered by which way, so that neither question about a hop has to look at every user.
    by_way: HashMap<Way, BTreeSet<String>>,
    total: usize,
}

/// What tells one phone's way from another's: our own address does not.
type Way = (Transport, SocketAddr, Option<u64>);

fn way(hop: &Hop) -> Way {
    (hop.transport, hop.remote, hop.connection)
}

impl Registrar {
    pub fn new(settings: Settings) -> Registrar {
        Registrar { settings, users: BTreeMap::new(), ends: BTreeSet::new(), by_way: HashMap::new(), total: 0 }
    }

    /// Carries out a REGISTER of `user` that came by `hop`: all of it or nothing.
    ///
    /// 200 lists all bindings of the user. Refused: 400 (`*` not alone or without `Expires: 0`, bad Contact), 403 (more
    /// contacts in one request than a user may have), 423, 500 (older than what is known, §10.3 step 7), 503 (full).
    /// The To tag is the caller's matter. The changes also name what of this user has expired by now.
    pub fn register(&mut self, now: Time, user: &str, request: &Request, hop: &Hop) -> (Response, Vec<Change>) {
        let mut changes: Vec<Change> = self.expire_user(now, user).into_iter().map(Change::Removed).collect();
        let before = self.users.get(user).map_or(&[][..], Vec::as_slice);
        let planned = match plan(&self.settings, now, user, before, request, hop) {
            Ok(planned) => planned,
            Err(refusal) => return (refusal.response(request, &self.settings), changes),
        };
        let Plan { after, changes: made } = planned;
        if self.total - before.len() + after.len() > self.settings.bindings_max && after.len() > before.len() {
            return (Refusal::Full.response(request, &self.settings), changes);
        }
        changes.extend(made);
        self.replace(user, after);
        let mut response = Response::to(request, 200, None);
        for binding in self.lookup(user) {
            let mut contact = binding.contact.clone();
            contact.params.set("expires", Some(&seconds_up(binding.expires.since(now)).to_string()));
            response.headers.push("Contact", contact.to_string());
        }
        (response, changes)
    }

    /// Where `user` can be reached: highest `q` first, then the one refreshed last.
    pub fn lookup(&self, user: &str) -> impl Iterator<Item = &Binding> {
        let mut bindings: Vec<&Binding> = self.users.get(user).into_iter().flatten().collect();
        bindings.sort_by_key(|b| std::cmp::Reverse((b.q(), b.refreshed)));
        bindings.into_iter()
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
        self.ends.first().map(|(at, _)| *at)
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
    pub fn remove_hop(&mut self, hop: &Hop) -> Vec<Binding> {
        let users = self.by_way.get(&way(hop)).cloned().unwrap_or_default();
        users.iter().flat_map(|user| self.remove_where(user, |b| way(&b.hop) == way(hop))).collect()
    }

    /// Whether a phone is registered that speaks from there.
    pub fn is_registered_hop(&self, hop: &Hop) -> bool {
        self.by_way.contains_key(&way(hop))
    }

    fn expire_user(&mut self, now: Time, user: &str) -> Vec<Binding> {
        self.remove_where(user, |b| b.expires <= now)
    }

    fn remove_where(&mut self, user: &str, gone: impl Fn(&Binding) -> bool) -> Vec<Binding> {
        let Some(bindings) = self.users.get(user) else { return Vec::new() };
        let (removed, kept): (Vec<_>, Vec<_>) = bindings.iter().cloned().partition(gone);
        if !removed.is_empty() {
            self.replace(user, kept);
        }
        removed
    }

    fn replace(&mut self, user: &str, after: Vec<Binding>) {
        let end = |bindings: &[Binding]| bindings.iter().map(|b| b.expires).min();
        let before = self.users.remove(user).unwrap_or_default();
        if let Some(at) = end(&before) {
            self.ends.remove(&(at, user.to_string()));
        }
        if let Some(at) = end(&after) {
            self.ends.insert((at, user.to_string()));
        }
        for binding in &before {
            if let Entry::Occupied(mut users) = self.by_way.entry(way(&binding.hop)) {
                users.get_mut().remove(user);
                if users.get().is_empty() {
                    users.remove();
                }
            }
        }
        for binding in &after {
            self.by_way.entry(way(&binding.hop)).or_default().insert(user.to_string());
        }
        self.total = self.total - before.len() + after.len();
        if !after.is_empty() {
            self.users.insert(user.to_string(), after);
        }
    }
}

struct Plan {
    after: Vec<Binding>,
    changes: Vec<Change>,
}

enum Refusal {
    Bad(&'static str),
    BadContact(BadHeader),
    TooMany,
    TooBrief,
    OutOfOrder,
    Full,
}

impl Refusal {
    fn response(&self, request: &Request, settings: &Settings) -> Response {
        match self {
            Refusal::Bad(fault) => Response::to(request, 400, *fault),
            Refusal::BadContact(bad) => Response::to(request, 400, &*bad.to_string()),
            Refusal::TooMany => Response::to(request, 403, "Too Many Contacts"),
            Refusal::TooBrief => {
                let mut response = Response::to(request, 423, None);
                response.headers.push("Min-Expires", seconds_up(settings.min_expires).to_string());
                response
            }
            Refusal::OutOfOrder => Response::to(request, 500, "CSeq Is Older Than The Last"),
            Refusal::Full => {
                let mut response = Response::to(request, 503, "Registrar Is Full");
                response.headers.push("Retry-After", "60");
                response
            }
        }
    }
}

/// What a REGISTER would leave: nothing is changed yet (RFC 3261 §10.3 steps 6 and 7).
fn plan(
    settings: &Settings,
    now: Time,
    user: &str,
    before: &[Binding],
    request: &Request,
    hop: &Hop,
) -> Result<Plan, Refusal> {
    let headers = &request.headers;
    let call_id = headers.call_id().map_err(Refusal::BadContact)?;
    let (cseq, _) = headers.cseq().map_err(Refusal::BadContact)?;
    let is_older = |binding: &Binding| binding.call_id == call_id && cseq <= binding.cseq;
    if headers.items("Contact").any(|item| item == "*") {
        if !headers.contact_star() || headers.expires() != Some(0) {
            return Err(Refusal::Bad("Contact: * must be alone and come with Expires: 0"));
        }
        if before.iter().any(is_older) {
            return Err(Refusal::OutOfOrder);
        }
        return Ok(Plan { after: Vec::new(), changes: before.iter().cloned().map(Change::Removed).collect() });
    }
    let contacts = headers.contacts().map_err(Refusal::BadContact)?;
    if contacts.len() > settings.contacts_max {
        return Err(Refusal::TooMany);
    }
    let mut plan = Plan { after: before.to_vec(), changes: Vec::new() };
    for mut contact in contacts {
        let wish = contact.expires().or(headers.expires());
        let wish = wish.map_or(settings.default_expires, |seconds| Duration::from_secs(seconds.into()));
        // §10.3: whoever is content with an hour or more is never told that it is too brief.
        if !wish.is_zero() && wish < settings.min_expires && wish < Duration::from_secs(3600) {
            return Err(Refusal::TooBrief);
        }
        contact.params.remove("expires");
        let known = plan.after.iter().position(|binding| binding.is_named_by(&contact));
        if known.is_some_and(|at| is_older(&plan.after[at]) && before.contains(&plan.after[at])) {
            return Err(Refusal::OutOfOrder);
        }
        let old = known.map(|at| plan.after.remove(at));
        if wish.is_zero() {
            plan.changes.extend(old.map(Change::Removed));
            continue;
        }
        let binding = Binding {
            user: user.to_string(),
            uri: contact.uri.clone(),
            contact,
            hop: *hop,
            refreshed: now,
            expires: now + wish.min(settings.max_expires),
            agent: headers.get("User-Agent").map(|agent| lex::trim(agent).to_string()),
            call_id: call_id.to_string(),
            cseq,
        };
        plan.after.push(binding.clone());
        plan.changes.push(if old.is_some() { Change::Refreshed(binding) } else { Change::Added(binding) });
    }
    while plan.after.len() > settings.contacts_max {
        // New ones stand behind old ones, and none of the request's own can be first: it has no more than the bound.
        plan.changes.push(Change::Removed(plan.after.remove(0)));
    }
    Ok(plan)
}

fn seconds_up(d: Duration) -> u64 {
    d.as_secs() + u64::from(d.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{Message, Transport};

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn after(seconds: u64) -> Time {
        NOW + Duration::from_secs(seconds)
    }

    fn hop(port: u16) -> Hop {
        Hop {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: format!("198.51.100.7:{port}").parse().unwrap(),
            connection: None,
        }
    }

    fn request(call_id: &str, cseq: u32, extra: &str) -> Request {
        let text = format!(
            "REGISTER sip:vaxel.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:anna@vaxel.example>;tag=1\r\n\
             To: <sip:anna@vaxel.example>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{extra}\r\n\r\n"
        )
        .replace("\r\n\r\n\r\n", "\r\n\r\n");
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    /// One registrar and a phone that counts its own CSeq.
    struct Desk {
        registrar: Registrar,
        cseq: u32,
    }

    impl Desk {
        fn new(settings: Settings) -> Desk {
            Desk { registrar: Registrar::new(settings), cseq: 0 }
        }

        fn send(&mut self, now: Time, extra: &str) -> (u16, String) {
            self.cseq += 1;
            self.send_as(now, "phone", self.cseq, extra)
        }

        fn send_as(&mut self, now: Time, call_id: &str, cseq: u32, extra: &str) -> (u16, String) {
            let (response, changes) = self.registrar.register(now, "anna", &request(call_id, cseq, extra), &hop(5060));
            let text = changes.iter().map(|change| match change {
                Change::Added(b) => format!("+{}", b.uri.user().unwrap()),
                Change::Refreshed(b) => format!("={}", b.uri.user().unwrap()),
                Change::Removed(b) => format!("-{}", b.uri.user().unwrap()),
            });
            (response.code, text.collect::<Vec<_>>().join(" "))
        }

        fn users(&self) -> String {
            self.registrar.lookup("anna").map(|b| b.uri.user().unwrap()).collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn binding_is_added_refreshed_and_removed() {
        let mut desk = Desk::new(Settings::default());
        assert_eq!(desk.send(NOW, ""), (200, "".into()));
        assert_eq!(desk.send(NOW, "Contact: <sip:a@10.0.0.1>;expires=600"), (200, "+a".into()));
        assert_eq!(desk.send(after(10), "Contact: <sip:a@10.0.0.1>;expires=600"), (200, "=a".into()));
        assert_eq!(desk.registrar.poll_timeout(), Some(after(610)));
        assert_eq!(desk.registrar.lookup("anna").next().unwrap().hop, hop(5060));
        assert_eq!(desk.send(after(20), "Contact: <sip:a@10.0.0.1>\r\nExpires: 0"), (200, "-a".into()));
        assert!(desk.registrar.is_empty() && !desk.registrar.is_registered("anna"));
        assert_eq!(desk.registrar.poll_timeout(), None);
    }

    #[test]
    fn answer_lists_all_bindings_with_their_remaining_seconds() {
        let mut desk = Desk::new(Settings::default());
        desk.send(NOW, "Contact: <sip:a@10.0.0.1>;q=0.5;expires=600;+sip.instance=\"<urn:uuid:1>\", <sip:b@10.0.0.2>");
        let (response, changes) = desk.registrar.register(after(90), "anna", &request("q", 1, ""), &hop(1));
        assert_eq!(changes, []);
        assert_eq!(
            response.headers.get_all("Contact").collect::<Vec<_>>(),
            ["<sip:b@10.0.0.2>;expires=3510", "<sip:a@10.0.0.1>;q=0.5;+sip.instance=\"<urn:uuid:1>\";expires=510"]
        );
    }

    #[test]
    fn new_address_of_the_same_instance_replaces_the_old_one() {
        let mut desk = Desk::new(Settings::default());
        let contact = |user: &str, instance: &str, reg_id: &str| {
            format!("Contact: <sip:{user}@10.0.0.1>;+sip.instance=\"<urn:uuid:{instance}>\"{reg_id}")
        };
        assert_eq!(desk.send(NOW, &contact("a", "AA", "")).1, "+a");
        assert_eq!(desk.send(NOW, &contact("b", "aa", "")).1, "=b");
        assert_eq!(desk.send(NOW, &contact("c", "bb", "")).1, "+c");
        assert_eq!(desk.send(NOW, &contact("c", "cc", ";reg-id=1")).1, "+c");
        assert_eq!(desk.send(NOW, &contact("d", "cc", ";reg-id=2")).1, "+d");
        assert_eq!(desk.registrar.len(), 4);
    }

    #[test]
    fn older_request_of_the_same_call_id_changes_nothing() {
        let mut desk = Desk::new(Settings::default());
        desk.send_as(NOW, "one", 5, "Contact: <sip:a@h>, <sip:b@h>");
        for cseq in [4, 5] {
            assert_eq!(desk.send_as(NOW, "one", cseq, "Contact: <sip:c@h>, <sip:a@h>;expires=0"), (500, "".into()));
            assert_eq!(desk.send_as(NOW, "one", cseq, "Contact: *\r\nExpires: 0"), (500, "".into()));
        }
        assert_eq!(desk.registrar.len(), 2);
        assert_eq!(desk.send_as(NOW, "another", 1, "Contact: <sip:a@h>;expires=0"), (200, "-a".into()));
        assert_eq!(desk.send_as(NOW, "one", 6, "Contact: *\r\nExpires: 0"), (200, "-b".into()));
    }

    #[test]
    fn one_request_may_name_a_contact_twice() {
        let mut desk = Desk::new(Settings::default());
        assert_eq!(desk.send(NOW, "Contact: <sip:a@h>, <sip:a@h>"), (200, "+a =a".into()));
    }

    #[test]
    fn star_must_be_alone_and_come_with_zero() {
        let mut desk = Desk::new(Settings::default());
        desk.send(NOW, "Contact: <sip:a@h>");
        for extra in ["Contact: *", "Contact: *\r\nExpires: 60"] {
            assert_eq!(desk.send(NOW, extra), (400, "".into()));
        }
        assert_eq!(desk.users(), "a");
    }

    #[test]
    fn wishes_are_held_between_the_bounds() {
        let mut desk = Desk::new(Settings::default());
        let (response, _) = desk.registrar.register(NOW, "anna", &request("x", 1, "m: <sip:a@h>;expires=59"), &hop(1));
        assert_eq!((response.code, response.headers.get("Min-Expires")), (423, Some("60")));
        for (wish, granted) in [("<sip:a@h>;expires=60", 60), ("<sip:a@h>;expires=86400", 3600), ("<sip:a@h>", 3600)] {
            desk.send(NOW, &format!("Contact: {wish}"));
            assert_eq!(desk.registrar.poll_timeout(), Some(after(granted)));
        }
        desk.send(NOW, "Contact: <sip:a@h>\r\nExpires: 120");
        assert_eq!(desk.registrar.poll_timeout(), Some(after(120)));
    }

    #[test]
    fn bindings_expire_in_their_order_and_not_before() {
        let mut desk = Desk::new(Settings::default());
        desk.send(NOW, "Contact: <sip:a@h>;expires=100, <sip:b@h>;expires=200");
        let other = request("other", 1, "Contact: <sip:c@h>;expires=150");
        desk.registrar.register(NOW, "bo", &other, &hop(1));
        let mut seen = Vec::new();
        while let Some(at) = desk.registrar.poll_timeout() {
            assert_eq!(desk.registrar.handle_timeout(at - Duration::from_micros(1)), []);
            seen.extend(desk.registrar.handle_timeout(at).iter().map(|b| (at, b.uri.user().unwrap().to_string())));
        }
        assert_eq!(seen, [(after(100), "a".into()), (after(150), "c".into()), (after(200), "b".into())]);
        assert!(desk.registrar.is_empty());
        desk.send(NOW, "Contact: <sip:a@h>;expires=100");
        assert_eq!(desk.send(after(100), "Contact: <sip:a@h>;expires=1"), (423, "-a".into()));
    }

    #[test]
    fn what_came_by_a_closed_connection_is_removed() {
        let mut registrar = Registrar::new(Settings::default());
        let tcp = |n| Hop { transport: Transport::Tcp, connection: Some(n), ..hop(1000) };
        registrar.register(NOW, "anna", &request("x", 1, "Contact: <sip:a@h>"), &tcp(1));
        registrar.register(NOW, "anna", &request("y", 1, "Contact: <sip:b@h>"), &tcp(2));
        let removed = registrar.remove_hop(&tcp(1));
        assert_eq!(removed.iter().map(|b| b.uri.user().unwrap()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(registrar.lookup("anna").count(), 1);
        assert_eq!(registrar.remove_hop(&tcp(1)), []);
    }

    #[test]
    fn bounds_hold_for_one_user_and_for_all() {
        let settings = Settings { contacts_max: 2, bindings_max: 3, ..Settings::default() };
        let mut desk = Desk::new(settings);
        for (contact, changes) in [("a", "+a"), ("b", "+b"), ("a", "=a"), ("c", "+c -b")] {
            assert_eq!(desk.send(NOW, &format!("Contact: <sip:{contact}@h>")), (200, changes.into()));
        }
        assert_eq!(desk.send(NOW, "Contact: <sip:d@h>, <sip:e@h>, <sip:f@h>"), (403, "".into()));
        let mut other = |user, n: u32, contact: &str| {
            let (response, changes) = desk.registrar.register(NOW, user, &request("z", n, contact), &hop(2));
            (response.code, changes.len(), response.headers.has("Retry-After"))
        };
        assert_eq!(other("bo", 1, "Contact: <sip:x@h>"), (200, 1, false));
        assert_eq!(other("cy", 1, "Contact: <sip:x@h>"), (503, 0, true));
        assert_eq!(other("bo", 2, "Contact: <sip:x@h>"), (200, 1, false));
    }
}

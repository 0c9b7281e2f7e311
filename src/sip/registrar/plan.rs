//! What a REGISTER would leave of one user's bindings, or why it is refused: nothing is changed here.

use super::binding::request_uri;
use super::{Binding, Change, PATH_MAX, Settings};
use crate::sip::endpoint::{Hop, Transport};
use crate::sip::headers::{BadHeader, NameAddr};
use crate::sip::lex;
use crate::sip::message::{Request, Response};
use crate::sip::uri::{Host, SipUri};
use crate::time::{Duration, Time};

/// When who finds the registrar full may try again.
const FULL: Duration = Duration::from_secs(60);

/// What a REGISTER would leave.
pub(super) struct Plan {
    pub after: Vec<Binding>,
    pub changes: Vec<Change>,
    /// Bindings that had to go for newer ones.
    pub displaced: u64,
    /// It was carried out by the rules of RFC 5626.
    pub is_outbound: bool,
}

/// Why it cannot be carried out.
pub(super) enum Refusal {
    Bad(&'static str),
    BadHeader(BadHeader),
    NoOutbound,
    TooMany,
    LongPath,
    TooBrief,
    OutOfOrder,
    Full,
}

impl Refusal {
    pub fn response(&self, request: &Request, settings: &Settings) -> Response {
        match self {
            Refusal::Bad(fault) => Response::to(request, 400, *fault),
            Refusal::BadHeader(bad) => Response::to(request, 400, &*bad.to_string()),
            Refusal::NoOutbound => Response::to(request, 439, "First Hop Lacks Outbound Support"),
            Refusal::TooMany => Response::to(request, 403, "Too Many Contacts"),
            Refusal::LongPath => Response::to(request, 400, "More Values Of Path Than Are Taken"),
            Refusal::TooBrief => {
                let mut response = Response::to(request, 423, None);
                response.headers.push("Min-Expires", seconds_up(settings.min_expires).to_string());
                response
            }
            Refusal::OutOfOrder => Response::to(request, 500, "CSeq Is Older Than The Last"),
            Refusal::Full => {
                let mut response = Response::to(request, 503, "Registrar Is Full");
                response.come_later(FULL, request.headers.call_id().unwrap_or_default());
                response
            }
        }
    }
}

/// What a REGISTER would leave: nothing is changed yet (RFC 3261 §10.3 steps 6 and 7).
pub(super) fn plan(
    settings: &Settings,
    now: Time,
    user: &str,
    before: &[Binding],
    request: &Request,
    hop: &Hop,
) -> Result<Plan, Refusal> {
    let headers = &request.headers;
    let call_id = headers.call_id().map_err(Refusal::BadHeader)?;
    let (cseq, _) = headers.cseq().map_err(Refusal::BadHeader)?;
    let is_older = |binding: &Binding| binding.call_id == call_id && cseq <= binding.cseq;
    if headers.items("Contact").any(|item| item == "*") {
        if !headers.contact_star() || headers.expires() != Some(0) {
            return Err(Refusal::Bad("Contact: * must be alone and come with Expires: 0"));
        }
        if before.iter().any(is_older) {
            return Err(Refusal::OutOfOrder);
        }
        return Ok(Plan {
            after: Vec::new(),
            changes: before.iter().cloned().map(Change::Removed).collect(),
            displaced: 0,
            is_outbound: false,
        });
    }
    let contacts = headers.contacts().map_err(Refusal::BadHeader)?;
    if contacts.len() > settings.contacts_max {
        return Err(Refusal::TooMany);
    }
    let path = path(request)?;
    let is_direct = path.is_empty() && headers.items("Via").count() == 1;
    let flows =
        contacts.iter().filter(|c| c.params.has("reg-id") && c.expires().or(headers.expires()) != Some(0)).count();
    if flows > 1 {
        return Err(Refusal::Bad("only one Contact may have a reg-id"));
    }
    let is_flow = |c: &NameAddr| c.params.has("reg-id") && c.params.has("+sip.instance");
    let is_outbound = flows == 1 && supports(request, "outbound") && contacts.iter().any(is_flow);
    // The edge proxy is the one that the phone speaks to: the last.
    if is_outbound && !is_direct && !path.last().is_some_and(|edge| keeps_flows(edge)) {
        return Err(Refusal::NoOutbound);
    }
    let hop = way_back(hop, &path);
    // We could not call it, or not as safely as it wants to be called (RFC 5630 §5.3). Through proxies the last way may be another.
    if contacts.iter().any(|contact| contact.uri.as_sip().is_none()) {
        return Err(Refusal::Bad("Contact must be a SIP URI"));
    }
    let is_secure = hop.transport.is_secure() || !is_direct;
    if contacts.iter().any(|contact| contact.uri.is_secure()) && !is_secure {
        return Err(Refusal::Bad("a sips: Contact needs TLS"));
    }
    let mut plan = Plan { after: before.to_vec(), changes: Vec::new(), displaced: 0, is_outbound };
    for mut contact in contacts {
        let wish = contact.expires().or(headers.expires());
        let wish = wish.map_or(settings.default_expires, |seconds| Duration::from_secs(seconds.into()));
        // §10.3: whoever is content with an hour or more is never told that it is too brief.
        if !wish.is_zero() && wish < settings.min_expires && wish < Duration::from_secs(3600) {
            return Err(Refusal::TooBrief);
        }
        contact.params.remove("expires");
        // Who takes the old address back after it has named the new one means the old one.
        let is_meant =
            |binding: &Binding| !wish.is_zero() || binding.has_uri(&contact.uri) || binding.call_id != call_id;
        let known = plan.after.iter().position(|binding| binding.is_named_by(&contact) && is_meant(binding));
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
            uri: request_uri(&contact.uri),
            contact,
            hop,
            path: path.clone(),
            is_direct,
            refreshed: now,
            expires: now + wish.min(settings.max_expires),
            agent: headers.get("User-Agent").map(|agent| lex::trim(agent).to_string()),
            call_id: call_id.to_string(),
            cseq,
        };
        plan.after.push(binding.clone());
        match old {
            Some(old) if old.name() == binding.name() => {
 plan.changes.push(Change::Refreshed(binding, old.uri));
 }
,
            // It has become a flow, is one no more, or writes its URI otherwise: who keeps bindings by name forgets the old one.
            old => {
                plan.changes.extend(old.map(Change::Removed));
                plan.changes.push(Change::Added(binding));
            }
        }
    }
    while plan.after.len() > settings.contacts_max {
        // New ones stand behind old ones, and none of the request's own can be first: it has no more than the bound.
        plan.changes.push(Change::Removed(plan.after.remove(0)));
        plan.displaced += 1;
    }
    Ok(plan)
}

/// The values of Path, nearest proxy first.
fn path(request: &Request) -> Result<Vec<String>, Refusal> {
    let path: Vec<String> = request.headers.items("Path").map(str::to_string).collect();
    if path.len() > PATH_MAX {
        return Err(Refusal::LongPath);
    }
    let bad = |fault| Refusal::BadHeader(BadHeader { name: "Path", fault });
    path.iter().try_for_each(|value| NameAddr::check(value)).map_err(bad)?;
    Ok(path)
}

/// Where requests to the binding go. A proxy that is reached by connections names in Path where it listens; that is
/// believed only of the machine that sent the REGISTER, or an account could have requests sent to anybody.
fn way_back(hop: &Hop, path: &[String]) -> Hop {
    if hop.transport.is_websocket() {
        return *hop;
    }
    let nearest = path.first().and_then(|value| NameAddr::parse(value).ok());
    match nearest.as_ref().and_then(|proxy| proxy.uri.as_sip()) {
        Some(SipUri { host: Host::Ip(ip), port, .. }) if *ip == hop.remote.ip() => {
            let default =
                if hop.transport == Transport::Udp { hop.remote.port() } else { hop.transport.default_port() };
            Hop { remote: (*ip, port.unwrap_or(default)).into(), connection: None, ..*hop }
        }
        _ => *hop,
    }
}

/// An edge proxy that keeps the connections of phones says so by `ob` (RFC 5626 §5.1).
fn keeps_flows(proxy: &str) -> bool {
    let proxy = NameAddr::parse(proxy).ok();
    proxy.as_ref().and_then(|proxy| proxy.uri.as_sip()).is_some_and(|uri| uri.params.has("ob"))
}

pub(super) fn supports(request: &Request, tag: &str) -> bool {
    request.headers.items("Supported").any(|known| known.eq_ignore_ascii_case(tag))
}

pub(super) fn seconds_up(d: Duration) -> u64 {
    d.as_secs() + u64::from(d.subsec_nanos() > 0)
}

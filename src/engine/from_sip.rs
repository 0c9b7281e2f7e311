//! Requests that begin something: who may, what they want, and what the others are told.

use super::calls::{Call, HOPS, Plan, Stage};
use super::identity::{Identity, Read, Reading};
use super::location::Location;
use super::{Engine, Output};
use crate::acd::estimate::Told;
use crate::ids::{AgentId, CallId, LegId};
use crate::record::{Caller, What};
use crate::sip::auth::Verdict;
use crate::sip::body::ACCEPT;
use crate::sip::{self, Headers, Hop, InviteId, Message, Method, Party, Request, Response, TransactionId, Uri, keys};
use crate::time::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What can be asked of us (RFC 3261 §20.5).
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, REGISTER";

/// Who sent a request.
pub(super) enum Sender {
    /// By its place in the settings.
    Trunk(usize),
    Agent(AgentId),
    /// Nobody we know (yet): answer with this.
    Stranger(Box<Response>),
}

/// So many at a time may be of one caller: the next has come round, by a carrier that leads the number back to us as a new call
/// and so counts no hops (RFC 3261 §16.3 and RFC 5393 find only loops of proxies).
const SAME_CALLS_SENT_ON_MAX: usize = 10;

impl Engine {
    /// Whoever shows credentials is heard only if they are right: until then nothing else is said about the request, by
    /// which a stranger could learn what we are or make us send more than it did.
    pub(super) fn on_message(&mut self, now: Time, hop: &Hop, message: Message) {
        if let Message::Request(request) = &message
            && !self.is_from_its_party(now, hop, request)
        {
            return;
        }
        if let Message::Request(request) = &message
            && self.auth.credentials(request).is_some()
            && !self.is_at_home(request, hop)
            && self.endpoint.begins(request)
        {
            match self.sender(now, request, hop) {
                Sender::Stranger(response) => {
                    if request.method == Method::Invite {
                        self.say_forbidden(now, &response);
                    }
                    return self.endpoint.refuse_stateless(hop, *response);
                }
                proved => self.proved = Some(proved),
            }
        }
        self.endpoint.handle_message(now, hop, message);
    }

    pub(super) fn on_sip(&mut self, now: Time, event: sip::Event) {
        match event {
            sip::Event::Invite { id, request, hop } => self.on_invite(now, id, &request, &hop),
            sip::Event::Request { id, request, hop } => self.on_request(now, id, &request, &hop),
            sip::Event::Response { id, result } => self.on_answer(now, id, result),
            of_a_leg => self.legs.handle_sip(now, of_a_leg, &mut self.endpoint),
        }
    }

    fn on_invite(&mut self, now: Time, id: InviteId, request: &Request, hop: &Hop) {
        let emergency = self.is_emergency(&self.number(&self.called(request), None));
        // Who takes the place of another in a call adds none.
        let replaces = request.headers.replaces();
        if !emergency && replaces.is_none() && (self.drain.is_some() || self.calls.len() >= self.settings.limits.calls)
        {
            let reason = if self.drain.is_some() { "draining" } else { "too_many_calls" };
            return self.refuse(now, id, 503, Headers::default(), reason);
        }
        let (by_trunk, caller_agent) = match self.sender(now, request, hop) {
            Sender::Trunk(trunk) => (Some(trunk), None),
            Sender::Agent(agent) if self.is_self(agent, request) => (None, Some(agent)),
            Sender::Agent(_) => return self.refuse(now, id, 403, Headers::default(), "forbidden"),
            Sender::Stranger(response) => {
                self.say_forbidden(now, &response);
                return self.endpoint.challenge(now, id, *response);
            }
        };
        let party = by_trunk.map(Party::Trunk).or(caller_agent.map(|agent| Party::Phone(agent.0)));
        party.into_iter().for_each(|party| self.endpoint.belongs(id, party));
        if let Some(replaces) = replaces {
            return self.on_replacing(now, id, request, hop, caller_agent, replaces);
        }
        let trunk: Arc<str> = by_trunk.map_or_else(|| "agent".into(), |trunk| self.trunks.name(trunk));
        let dialled = self.dialled(by_trunk, request);
        let plan = match self.plan_for(&dialled, by_trunk) {
            // Numbers of agents and codes are for those inside.
            Some(plan) if caller_agent.is_some() || matches!(plan, Plan::Flow(_)) => plan,
            // Whom a trunk would bring here is in need, and nobody here can help: the carrier must find another way.
            _ if self.is_emergency(&dialled) => {
                return self.refuse(now, id, 404, Headers::default(), "emergency_number");
            }
            _ => return self.refuse(now, id, 404, Headers::default(), "unknown_number"),
        };
        if let (Plan::Agent(callee), Some(caller)) = (&plan, caller_agent)
            && *callee == caller
        {
            return self.refuse(now, id, 486, Headers::default(), "own_number");
        }
        if let Plan::Agent(callee) = &plan
            && request.uri.is_secure()
            && self.is_only_insecure(*callee)
        {
            // RFC 5630 §5.3, §6.
            let mut headers = Headers::new();
            headers.push("Warning", format!("380 {} \"SIPS Not Allowed\"", sip::Host::Ip(hop.local.ip())));
            return self.refuse(now, id, 480, headers, "sips_not_allowed");
        }
        if let Some(at) = by_trunk.filter(|at| self.trunks.is_full(*at, &self.settings.trunks[*at])) {
            self.trunks.state_mut(at).counts.full += 1;
            return self.refuse(now, id, 503, Headers::default(), "trunk_full");
        }
        let Read { from, name, identity, caller, ignored } = self.who_calls(request, by_trunk, caller_agent);
        if by_trunk.is_some() && self.sent_on(&from, &dialled) >= SAME_CALLS_SENT_ON_MAX {
            return self.refuse(now, id, 482, Headers::default(), "loop");
        }
        let begun = match caller_agent.map(|agent| (agent, self.agents.begin(agent, emergency))) {
            Some((agent, None)) => {
                let agent = self.agents.seat(agent).name.clone();
                self.say(now, What::AgentFull { agent });
                return self.refuse(now, id, 486, Headers::default(), "agent_full");
            }
            begun => begun.and_then(|(_, begun)| begun),
        };
        let call = CallId(self.ids.next());
        let leg = LegId(self.ids.next());
        let group = caller_agent.and_then(|agent| self.group_of(agent)).unwrap_or(call);
        self.say(now, What::CallStarted { call, from: from.clone(), to: dialled.clone(), trunk: trunk.clone() });
        if caller != Caller::default() {
            self.say(now, What::CallerKnown { call, caller: Box::new(caller) });
        }
        let (location, unheeded) = if emergency { Location::of(request) } else { Default::default() };
        for (header, reason) in ignored.into_iter().chain(unheeded) {
            self.say(now, What::CallerHeaderIgnored { call, header: header.into(), reason: reason.name().into() });
        }
        self.leg_calls.insert(leg, call);
        self.calls.insert(
            call,
            Call {
                caller: leg,
                caller_agent,
                begun,
                caller_entry: None,
                licences: BTreeSet::new(),
                group,
                from,
                name,
                identity,
                location: Some(location).filter(|location| !location.is_empty()).map(Box::new),
                redirects: 0,
                redirected_by: None,
                heard: None,
                to: dialled,
                trunk,
                hops_left: request.headers.max_forwards().unwrap_or(HOPS).min(HOPS).saturating_sub(1),
                run: None,
                is_driven: false,
                stage: Stage::Arriving { plan, securely: request.uri.is_secure() },
                play: None,
                music_while_ringing: false,
                is_overdue: false,
                place: None,
                told: Told::default(),
                look: None,
                started: now,
                end: None,
                legs: BTreeSet::from([leg]),
                wake: None,
                served: None,
                agents_lost: 0,
                announcing: None,
                queued: None,
                keeps_place: false,
                calls_back: None,
                transfer: None,
                departing: Vec::new(),
                took_back: None,
                replacing: Vec::new(),
            },
        );
        if let Some(agent) = caller_agent {
            self.own_call_began(now, agent, call);
        }
        if let Some(trunk) = by_trunk {
            self.trunks.leg_began(leg, trunk);
            // The place that called, if it is one that we call; else the first that is called the same way.
            let known = self.trunks.state(trunk).targets.iter().map(|target| target.hop);
            let known = known.filter(|known| known.transport == hop.transport);
            let known = known.min_by_key(|known| known.remote.ip() != hop.remote.ip());
            self.endpoint.follow(id, known);
            if let Some(account) = &self.settings.trunks[trunk].account {
                let places = self.trunks.places(trunk, &self.settings.trunks[trunk]);
                self.endpoint.show(id, account.clone(), places);
            }
        }
        self.legs.incoming(group, leg, id, request, hop);
        self.schedule(call);
    }

    /// Calls of this caller for this number that a flow sent outside and nobody has answered. A caller without a number may
    /// be anybody.
    fn sent_on(&self, from: &str, to: &str) -> usize {
        if !from.contains(|c: char| c.is_ascii_digit()) {
            return 0;
        }
        let calls = self.hunts.legs().filter_map(|leg| self.calls.get(self.leg_calls.get(&leg)?));
        calls.filter(|call| call.caller_agent.is_none() && (&*call.from, &*call.to) == (from, to)).count()
    }

    fn who_calls(&self, request: &Request, by_trunk: Option<usize>, agent: Option<AgentId>) -> Read {
        let headers = &request.headers;
        if let Some(agent) = agent {
            let seat = self.agents.seat(agent);
            let identity = Identity::of_agent(&seat.number, headers);
            return Read { from: seat.number.clone(), name: seat.name.to_string(), identity, ..Read::default() };
        }
        let trusted = by_trunk.is_some_and(|trunk| self.settings.trunks[trunk].trusted);
        let keep_withheld = self.settings.identity.keep_withheld;
        Reading { headers, trusted, keep_withheld, number: &|written| self.number(written, by_trunk) }.read()
    }

    /// The group of the calls that the agent has a part in: a new one may be joined with them, so their legs must be on one
    /// media worker.
    fn group_of(&self, agent: AgentId) -> Option<CallId> {
        self.calls.get(&self.agents.seat(agent).a_call()?).map(|call| call.group)
    }

    fn say_forbidden(&mut self, now: Time, response: &Response) {
        if response.code == 403 {
            self.say(now, What::CallRefused { code: 403, reason: "forbidden".into() });
        }
    }

    pub(super) fn refuse(&mut self, now: Time, id: InviteId, code: u16, headers: Headers, reason: &str) {
        self.say(now, What::CallRefused { code, reason: reason.into() });
        self.endpoint.reject(now, id, code, headers);
    }

    fn on_request(&mut self, now: Time, id: TransactionId, request: &Request, hop: &Hop) {
        if self.is_at_home(request, hop) {
            let response = self.capable(request);
            return self.endpoint.respond(now, id, response);
        }
        let response = match (&request.method, self.sender(now, request, hop)) {
            (_, Sender::Stranger(response)) => *response,
            (Method::Register, Sender::Agent(agent)) => return self.on_register(now, id, agent, request, hop),
            (Method::Options, sender) => self.as_for_a_call(request, sender),
            (Method::Register, Sender::Trunk(_)) => Response::to(request, 403, None),
            _ => {
                let mut response = Response::to(request, 405, None);
                response.headers.push("Allow", ALLOW);
                response
            }
        };
        self.endpoint.respond(now, id, response);
    }

    fn on_register(&mut self, now: Time, id: TransactionId, agent: AgentId, request: &Request, hop: &Hop) {
        let name = self.agents.seat(agent).name.clone();
        let to = request.headers.to().ok().map(|to| to.uri);
        let Some(Uri::Sip(place)) = to else {
            // RFC 3261 §10.2.
            return self.endpoint.respond(now, id, Response::to(request, 400, "To Is No SIP URI"));
        };
        let user = place.user;
        if user.as_deref() != Some(&*name) || !self.is_self(agent, request) {
            // An account registers itself and nobody else (RFC 3261 §10.3 step 4).
            return self.endpoint.respond(now, id, Response::to(request, 403, None));
        }
        self.agents.seat_mut(agent).house = request.uri.as_sip().map(|uri| uri.host.clone());
        let (response, changes) = self.registrar.register(now, &name, request, hop);
        self.endpoint.respond(now, id, response);
        self.phones_changed(now, changes);
    }

    /// The answer to OPTIONS is as a call there would be answered (RFC 3261 §11.2): who asks before it sends calls is not sent into a wall.
    fn as_for_a_call(&self, request: &Request, sender: Sender) -> Response {
        let by_trunk = match sender {
            Sender::Trunk(trunk) => Some(trunk),
            Sender::Agent(_) | Sender::Stranger(_) => None,
        };
        let is_full = by_trunk.is_some_and(|at| self.trunks.is_full(at, &self.settings.trunks[at]));
        if is_full || self.drain.is_some() || self.calls.len() >= self.settings.limits.calls {
            let mut response = Response::to(request, 503, None);
            response.come_later(self.settings.sip.retry_after, request.headers.call_id().unwrap_or_default());
            return response;
        }
        // A name means the house: carriers ask for `ping` or what we write into Contact, and are to learn that we are there.
        let user = request.uri.user().unwrap_or_default();
        let account = by_trunk.and_then(|at| self.settings.trunks[at].account.as_ref());
        // So do phones that write its address there.
        let is_address = user.parse::<std::net::IpAddr>().is_ok();
        let is_house = is_address || keys(user).is_none() || account.is_some_and(|account| account.user == user);
        let is_known = || match self.plan_for(&self.dialled(by_trunk, request), by_trunk) {
            Some(Plan::Flow(_)) => true,
            Some(_) => by_trunk.is_none(),
            None => false,
        };
        if is_house || is_known() { self.capable(request) } else { Response::to(request, 404, None) }
    }

    /// What we can do.
    fn capable(&self, request: &Request) -> Response {
        let mut response = Response::to(request, 200, None);
        response.headers.push("Allow", ALLOW);
        response.headers.push("Accept", ACCEPT);
        response.headers.push("Accept-Encoding", "identity");
        if !self.settings.sip.supported.is_empty() {
            response.headers.push("Supported", self.settings.sip.supported.join(", "));
        }
        response
    }

    /// A registered phone asks whether we are there. What it may hear it knows, and a challenge would be asked for anew by
    /// each of its questions.
    fn is_at_home(&self, request: &Request, hop: &Hop) -> bool {
        request.method == Method::Options && self.registrar.is_registered_hop(hop)
    }

    fn sender(&mut self, now: Time, request: &Request, hop: &Hop) -> Sender {
        if let Some(proved) = self.proved.take() {
            return proved;
        }
        // A phone on the same machine or network as a trunk is still a phone: it registers, it answers challenges,
        // or it speaks from where a registered phone speaks.
        let signs = ["Authorization", "Proxy-Authorization"].iter().any(|name| request.headers.get(name).is_some());
        let is_phone = signs || request.method == Method::Register || self.registrar.is_registered_hop(hop);
        if !is_phone && let Some(trunk) = self.trunks.of_hop(hop, &self.settings.trunks) {
            return Sender::Trunk(trunk);
        }
        let (agents, trunks) = (&self.agents, &self.settings.trunks);
        let login = |user: &str| trunks.iter().position(|t| t.login.as_ref().is_some_and(|login| login.user == user));
        let password = |user: &str| {
            let of_trunk = || trunks[login(user)?].login.as_ref().map(|login| login.password.clone());
            agents.password(user).or_else(of_trunk)
        };
        let verdict = self.auth.check(now, hop.remote, request, password);
        // Credentials for another address, or with a nonce that is none of ours or was another's, may have been overheard or made up by
        // anybody: they say nothing about who sends them.
        if let Verdict::Accepted { user } | Verdict::Wrong { user, old_nonce: false } = &verdict {
            let is_right = matches!(verdict, Verdict::Accepted { .. });
            self.out.push_back(Output::Judged { from: hop.remote, account: user.clone(), is_right });
        }
        match verdict {
            Verdict::Accepted { user } => match (self.agents.named(&user), login(&user)) {
                (Some(agent), _) => Sender::Agent(agent),
                (None, Some(trunk)) => Sender::Trunk(trunk),
                (None, None) => Sender::Stranger(Box::new(Response::to(request, 403, None))),
            },
            Verdict::OtherUri { .. } => {
                let reason = "Credentials Are For Another Address";
                Sender::Stranger(Box::new(Response::to(request, 400, reason)))
            }
            Verdict::Challenge { stale } => {
                Sender::Stranger(Box::new(self.auth.challenge(now, hop.remote, request, stale)))
            }
            Verdict::Wrong { old_nonce, user } => {
                let response = match old_nonce {
                    true => self.auth.challenge(now, hop.remote, request, false),
                    false => Response::to(request, 403, None),
                };
                self.say(now, What::AuthenticationFailed { user, from: hop.remote.ip() });
                Sender::Stranger(Box::new(response))
            }
        }
    }

    /// From names the account itself, by its name or number, or hides who calls from those outside (RFC 3323 §4.1). What
    /// others are told comes from the account in any case.
    fn is_self(&self, agent: AgentId, request: &Request) -> bool {
        let seat = self.agents.seat(agent);
        let from = request.headers.from_().ok();
        let user = from.as_ref().and_then(|from| from.uri.user());
        user.is_some_and(|user| {
            user == &*seat.name || self.number(user, None) == seat.number || user.eq_ignore_ascii_case("anonymous")
        })
    }
}

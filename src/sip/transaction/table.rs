//! All live transactions: matching (RFC 3261 §17.1.3, §17.2.3), sending again, deadlines, and the way answers go.

use super::{ClientInvite, ClientNonInvite, Expiry, ServerInvite, ServerNonInvite, Timings};
use crate::sip::endpoint::{ClientId, Counters, Hop, InviteId, Transmit, Transport};
use crate::sip::headers::{Headers, Via};
use crate::sip::message::{Request, Response, reason_phrase};
use crate::sip::method::Method;
use crate::sip::schedule::Schedule;
use crate::sip::secrets::Secrets;
use crate::time::Time;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

/// The number in our branch; a CANCEL shares it with its INVITE (RFC 3261 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey {
    branch: u64,
    cancel: bool,
}

/// Keyed hash of what RFC 3261 §17.2.3 compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(pub u128);

/// Whose request a client transaction carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Invite(InviteId),
    Reinvite(InviteId),
    Info(InviteId),
    Bye(InviteId),
    Request(ClientId),
    /// Nobody waits for the answer: CANCEL, BYE of a fork.
    Nobody,
}

#[derive(Debug)]
enum ClientMachine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

#[derive(Debug)]
struct Client {
    machine: ClientMachine,
    hop: Hop,
    /// Kept of an INVITE, for its ACK and CANCEL; of others only what matching needs.
    request: Request,
    wire: Vec<u8>,
    owner: Owner,
    /// Our ACKs for 2xx, by the tag of the fork that sent it.
    acks: Vec<(String, Transmit)>,
    armed: Option<Time>,
}

#[derive(Debug)]
enum ServerMachine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

#[derive(Debug)]
struct Server {
    machine: ServerMachine,
    /// Where answers go (RFC 3261 §18.2.2, RFC 3581 §4).
    hop: Hop,
    /// Via, From, To with our tag, Call-ID, CSeq.
    base: Headers,
    record_route: Headers,
    tag: String,
    /// The usage that the INVITE began or is in.
    usage: Option<InviteId>,
    last: Vec<u8>,
    merged: Option<u128>,
    armed: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Client(ClientKey),
    Server(ServerKey),
}

/// What the table knows of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A retransmission; dealt with.
    Retransmission,
    /// The same request by another way (RFC 3261 §8.2.2.2).
    Merged(ServerKey),
    New(ServerKey),
}

/// A response that its transaction passes on.
#[derive(Debug)]
pub struct Passed {
    pub key: ClientKey,
    pub owner: Owner,
    /// The INVITE, if this refuses it.
    pub refused: Option<Request>,
}

#[derive(Debug)]
pub struct Table {
    timings: Timings,
    pub secrets: Secrets,
    pub counters: Counters,
    pub transmits: VecDeque<Transmit>,
    clients: HashMap<ClientKey, Client>,
    servers: HashMap<ServerKey, Server>,
    /// The server transactions of requests without To tag, by what RFC 3261 §8.2.2.2 compares.
    merged: HashMap<u128, ServerKey>,
    /// The client transactions by where they were sent.
    by_remote: HashMap<(Transport, SocketAddr), BTreeSet<ClientKey>>,
    schedule: Schedule<Alarm>,
}

impl Table {
    pub fn new(timings: Timings, secrets: Secrets) -> Table {
        Table {
            timings,
            secrets,
            counters: Counters::default(),
            transmits: VecDeque::new(),
            clients: HashMap::new(),
            servers: HashMap::new(),
            merged: HashMap::new(),
            by_remote: HashMap::new(),
            schedule: Schedule::new(),
        }
    }

    pub fn timings(&self) -> Timings {
        self.timings
    }

    pub fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// Entries of every table and index, to prove that nothing is left behind.
    pub fn entries(&self) -> usize {
        self.len() + self.merged.len() + self.by_remote.len() + self.schedule.len()
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.schedule.next()
    }

    /// Acts on every deadline up to `now` until a client transaction has timed out; says whose it was.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Owner> {
        while let Some(alarm) = self.schedule.due(now) {
            match alarm {
                Alarm::Server(key) => self.server_timeout(now, key),
                Alarm::Client(key) => {
                    if let Some(owner) = self.client_timeout(now, key) {
                        self.counters.timeouts += 1;
                        return Some(owner);
                    }
                }
            }
        }
        None
    }

    fn client_timeout(&mut self, now: Time, key: ClientKey) -> Option<Owner> {
        let client = self.clients.get_mut(&key).expect("the schedule names live transactions only");
        let expiry = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.handle_timeout(now),
            ClientMachine::NonInvite(machine) => machine.handle_timeout(now),
        };
        let owner = client.owner;
        match expiry {
            Some(Expiry::Resend) => {
                self.counters.retransmissions_sent += 1;
                self.transmits.push_back(Transmit { hop: client.hop, bytes: client.wire.clone() });
                self.arm_client(key);
                None
            }
            Some(Expiry::Ended) => {
                self.drop_client(key);
                None
            }
            Some(Expiry::TimedOut) => {
                self.drop_client(key);
                Some(owner)
            }
            None => {
                self.arm_client(key);
                None
            }
        }
    }

    fn server_timeout(&mut self, now: Time, key: ServerKey) {
        let server = self.servers.get_mut(&key).expect("the schedule names live transactions only");
        let expiry = match &mut server.machine {
            ServerMachine::Invite(machine) => machine.handle_timeout(now),
            ServerMachine::NonInvite(machine) => machine.handle_timeout(now),
        };
        match expiry {
            Some(Expiry::Resend) => self.resend_answer(key),
            Some(Expiry::Ended | Expiry::TimedOut) => return self.drop_server(key),
            None => {}
        }
        self.arm_server(key);
    }

    // Client side.

    /// Sends a request with a Via and a branch of its own.
    pub fn start_client(&mut self, now: Time, hop: Hop, request: Request, owner: Owner) -> ClientKey {
        let branch = self.secrets.next();
        self.start_with_branch(now, hop, request, owner, ClientKey { branch, cancel: false })
    }

    /// Sends a CANCEL for a pending INVITE, which is given 64·T1 to end (RFC 3261 §9.1).
    pub fn cancel(&mut self, now: Time, key: ClientKey, further: Headers) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        let ClientMachine::Invite(machine) = &mut client.machine else { return };
        machine.give_up_at(now + self.timings.patience());
        let mut cancel = Request::new(Method::Cancel, client.request.uri.clone());
        copy_for_ack(&client.request, &mut cancel, Method::Cancel);
        client.request.headers.copy("To", &mut cancel.headers);
        for header in further.iter() {
            cancel.headers.push(&header.name, header.value.clone());
        }
        let hop = client.hop;
        self.arm_client(key);
        self.start_with_branch(now, hop, cancel, Owner::Nobody, ClientKey { cancel: true, ..key });
    }

    fn start_with_branch(
        &mut self,
        now: Time,
        hop: Hop,
        mut request: Request,
        owner: Owner,
        key: ClientKey,
    ) -> ClientKey {
        request.headers.insert_first("Via", via(&hop, key.branch));
        let wire = request.to_bytes();
        self.counters.requests_sent[Counters::method_index(&request.method)] += 1;
        self.transmits.push_back(Transmit { hop, bytes: wire.clone() });
        let reliable = hop.transport.is_reliable();
        let machine = if request.method == Method::Invite {
            ClientMachine::Invite(ClientInvite::new(now, self.timings, reliable))
        } else {
            request.headers = Headers::new();
            ClientMachine::NonInvite(ClientNonInvite::new(now, self.timings, reliable))
        };
        request.body = Vec::new();
        let wire = if reliable { Vec::new() } else { wire };
        let client = Client { machine, hop, request, wire, owner, acks: Vec::new(), armed: None };
        self.clients.insert(key, client);
        self.by_remote.entry((hop.transport, hop.remote)).or_default().insert(key);
        self.arm_client(key);
        key
    }

    /// `None`: stray, or absorbed.
    pub fn receive_response(&mut self, now: Time, hop: &Hop, response: &Response) -> Option<Passed> {
        let class = usize::from(response.code / 100).clamp(1, 6) - 1;
        self.counters.responses_received[class] += 1;
        let Some((key, client)) = client_key(response).and_then(|key| self.clients.get_mut(&key).map(|c| (key, c)))
        else {
            self.counters.dropped += 1;
            return None;
        };
        // RFC 3261 §17.1.3 and §8.1.3.3: the method of CSeq must match, and no Via but ours may be there.
        if response.headers.cseq().map(|(_, method)| method).as_ref() != Ok(&client.request.method)
            || response.headers.items("Via").nth(1).is_some()
        {
            self.counters.dropped += 1;
            return None;
        }
        if client.hop.transport.is_reliable() {
            // What follows goes by the connection that the answer came by, also when it was opened for the request.
            client.hop.connection = hop.connection;
        }
        let owner = client.owner;
        let (pass, refused) = match &mut client.machine {
            ClientMachine::NonInvite(machine) => (machine.handle_response(now, response.code), None),
            ClientMachine::Invite(machine) => {
                use super::client_invite::Reaction;
                let reaction = machine.handle_response(now, response.code);
                if matches!(reaction, Reaction::Ack | Reaction::PassAndAck) {
                    let ack = refusal_ack(&client.request, response);
                    self.transmits.push_back(Transmit { hop: client.hop, bytes: ack.to_bytes() });
                    if reaction == Reaction::PassAndAck {
                        self.counters.requests_sent[Counters::method_index(&Method::Ack)] += 1;
                    } else {
                        self.counters.retransmissions_sent += 1;
                    }
                }
                let refused = (reaction == Reaction::PassAndAck).then(|| client.request.clone());
                (matches!(reaction, Reaction::Pass | Reaction::PassAndAck), refused)
            }
        };
        self.arm_client(key);
        pass.then_some(Passed { key, owner, refused })
    }

    /// The INVITE as it was sent, without its body.
    pub fn invite(&self, key: ClientKey) -> Option<&Request> {
        self.clients.get(&key).map(|client| &client.request)
    }

    /// Sends our ACK to the fork with this tag once more, if it was acknowledged before.
    pub fn acknowledge_again(&mut self, key: ClientKey, tag: &str) -> bool {
        let Some(client) = self.clients.get(&key) else { return false };
        let Some((_, ack)) = client.acks.iter().find(|(known, _)| known == tag) else { return false };
        self.transmits.push_back(ack.clone());
        self.counters.retransmissions_sent += 1;
        true
    }

    /// Sends the ACK of a 2xx, which is no transaction and has a branch of its own (RFC 3261 §13.2.2.4), and keeps it for
    /// when the 2xx comes again.
    pub fn acknowledge(&mut self, key: ClientKey, tag: &str, hop: Hop, mut ack: Request) {
        ack.headers.insert_first("Via", via(&hop, self.secrets.next()));
        let ack = Transmit { hop, bytes: ack.to_bytes() };
        self.transmits.push_back(ack.clone());
        self.counters.requests_sent[Counters::method_index(&Method::Ack)] += 1;
        if let Some(client) = self.clients.get_mut(&key) {
            client.acks.push((tag.to_string(), ack));
        }
    }

    /// Forks of this INVITE that were acknowledged.
    pub fn forks(&self, key: ClientKey) -> usize {
        self.clients.get(&key).map_or(0, |client| client.acks.len())
    }

    /// Without a final answer by then a pending INVITE, once provisionally answered, counts as timed out.
    pub fn give_up_at(&mut self, key: ClientKey, at: Time) {
        if let Some(Client { machine: ClientMachine::Invite(machine), .. }) = self.clients.get_mut(&key) {
            machine.give_up_at(at);
            self.arm_client(key);
        }
    }

    /// Ends every client transaction that waits for something from `hop` and returns whose they were. Server transactions
    /// run out by themselves.
    pub fn fail_hop(&mut self, hop: &Hop) -> Vec<Owner> {
        let Some(keys) = self.by_remote.get(&(hop.transport, hop.remote)) else { return Vec::new() };
        let waits = |client: &Client| {
            let same = client.hop.connection.is_none() || client.hop.connection == hop.connection;
            same && client.is_pending()
        };
        let failed: Vec<ClientKey> = keys.iter().copied().filter(|key| waits(&self.clients[key])).collect();
        let owners = failed.iter().map(|key| self.clients[key].owner).collect();
        for key in failed {
            self.drop_client(key);
        }
        owners
    }

    fn arm_client(&mut self, key: ClientKey) {
        let client = self.clients.get_mut(&key).expect("armed while it lives");
        let next = match &client.machine {
            ClientMachine::Invite(machine) => machine.next_timeout(),
            ClientMachine::NonInvite(machine) => machine.next_timeout(),
        };
        if next.is_none() && client.is_terminated() {
            return self.drop_client(key);
        }
        self.schedule.move_to(Alarm::Client(key), &mut client.armed, next);
    }

    fn drop_client(&mut self, key: ClientKey) {
        let Some(mut client) = self.clients.remove(&key) else { return };
        self.schedule.move_to(Alarm::Client(key), &mut client.armed, None);
        let remote = (client.hop.transport, client.hop.remote);
        if let Some(keys) = self.by_remote.get_mut(&remote) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_remote.remove(&remote);
            }
        }
    }

    // Server side.

    /// Looks a request other than ACK up; answers a retransmission.
    pub fn receive_request(&mut self, request: &Request, via: &Via) -> Known {
        let key = self.server_key(request, via, &request.method);
        if let Some(server) = self.servers.get(&key) {
            self.counters.retransmissions_received += 1;
            let again = match &server.machine {
                ServerMachine::Invite(machine) => machine.handle_retransmission(),
                ServerMachine::NonInvite(machine) => machine.handle_retransmission(),
            };
            if again {
                self.resend_answer(key);
            }
            return Known::Retransmission;
        }
        match self.merge_key(request) {
            Some(merge) if self.merged.contains_key(&merge) => Known::Merged(key),
            _ => Known::New(key),
        }
    }

    /// The server transaction of the INVITE that this CANCEL or ACK belongs to.
    pub fn invite_of(&self, request: &Request, via: &Via) -> Option<ServerKey> {
        let key = self.server_key(request, via, &Method::Invite);
        self.servers.contains_key(&key).then_some(key)
    }

    /// Whether the ACK is one for a 2xx, and so the usage's.
    pub fn receive_ack(&mut self, now: Time, key: ServerKey) -> bool {
        let Some(Server { machine: ServerMachine::Invite(machine), .. }) = self.servers.get_mut(&key) else {
            return false;
        };
        let for_user = machine.handle_ack(now);
        self.arm_server(key);
        for_user
    }

    /// `tag`: our To tag, if the request has none.
    pub fn start_server(&mut self, now: Time, key: ServerKey, hop: &Hop, via: &Via, request: &Request, tag: &str) {
        let reliable = hop.transport.is_reliable();
        let machine = if request.method == Method::Invite {
            ServerMachine::Invite(ServerInvite::new(self.timings, reliable))
        } else {
            ServerMachine::NonInvite(ServerNonInvite::new(now, self.timings, reliable))
        };
        let base = Response::to(request, 199, None);
        let mut record_route = Headers::new();
        if request.method == Method::Invite {
            request.headers.copy("Record-Route", &mut record_route);
        }
        let mut base = base.headers;
        base.remove("Record-Route");
        let merged = self.merge_key(request);
        if let Some(merge) = merged {
            self.merged.entry(merge).or_insert(key);
        }
        let server = Server {
            machine,
            hop: answer_hop(hop, via),
            base,
            record_route,
            tag: tag.to_string(),
            usage: None,
            last: Vec::new(),
            merged,
            armed: None,
        };
        self.servers.insert(key, server);
        self.arm_server(key);
    }

    /// Sends an answer, unless the transaction is gone or has had its final one. Via, From, To, Call-ID and CSeq come from
    /// the request, whatever `response` carries.
    pub fn respond(&mut self, now: Time, key: ServerKey, response: Response) -> bool {
        let Some(server) = self.servers.get_mut(&key) else { return false };
        let (allowed, is_invite) = match &mut server.machine {
            ServerMachine::Invite(machine) => (machine.respond(now, response.code), true),
            ServerMachine::NonInvite(machine) => (machine.respond(now, response.code), false),
        };
        if !allowed {
            return false;
        }
        let mut answer = Response { headers: server.base.clone(), ..response };
        if answer.reason.is_empty() {
            answer.reason = reason_phrase(answer.code).to_string();
        }
        if is_invite && (101..300).contains(&answer.code) {
            server.record_route.copy("Record-Route", &mut answer.headers);
        }
        for header in response.headers.iter().filter(|h| !is_base(&h.name)) {
            answer.headers.push(&header.name, header.value.clone());
        }
        if answer.code > 100 {
            answer.set_to_tag(&server.tag);
        }
        server.last = answer.to_bytes();
        self.transmits.push_back(Transmit { hop: server.hop, bytes: server.last.clone() });
        self.counters.responses_sent[usize::from(answer.code / 100).clamp(1, 6) - 1] += 1;
        self.arm_server(key);
        true
    }

    pub fn set_usage(&mut self, key: ServerKey, usage: InviteId) {
        if let Some(server) = self.servers.get_mut(&key) {
            server.usage = Some(usage);
        }
    }

    /// The usage that an INVITE belongs to.
    pub fn usage(&self, key: ServerKey) -> Option<InviteId> {
        self.servers.get(&key)?.usage
    }

    /// The last answer, ready to be sent again.
    pub fn last_answer(&self, key: ServerKey) -> Option<Transmit> {
        self.servers.get(&key).map(|server| Transmit { hop: server.hop, bytes: server.last.clone() })
    }

    /// The tag that answers to this request carry.
    pub fn tag(&self, key: ServerKey) -> Option<&str> {
        self.servers.get(&key).map(|server| server.tag.as_str())
    }

    fn resend_answer(&mut self, key: ServerKey) {
        if let Some(server) = self.servers.get(&key)
            && !server.last.is_empty()
        {
            self.counters.retransmissions_sent += 1;
            self.transmits.push_back(Transmit { hop: server.hop, bytes: server.last.clone() });
        }
    }

    fn arm_server(&mut self, key: ServerKey) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        let (next, terminated) = match &server.machine {
            ServerMachine::Invite(m) => (m.next_timeout(), m.state() == super::server_invite::State::Terminated),
            ServerMachine::NonInvite(m) => (m.next_timeout(), m.state() == super::server_non_invite::State::Terminated),
        };
        if terminated {
            return self.drop_server(key);
        }
        self.schedule.move_to(Alarm::Server(key), &mut server.armed, next);
    }

    fn drop_server(&mut self, key: ServerKey) {
        let Some(mut server) = self.servers.remove(&key) else { return };
        self.schedule.move_to(Alarm::Server(key), &mut server.armed, None);
        if let Some(merge) = server.merged
            && self.merged.get(&merge) == Some(&key)
        {
            self.merged.remove(&merge);
        }
    }

    fn server_key(&self, request: &Request, via: &Via, method: &Method) -> ServerKey {
        let sent_by = (&via.host, via.port);
        ServerKey(match via.magic_branch() {
            Some(branch) => self.secrets.key((branch, sent_by, method)),
            // An element older than RFC 3261: the request itself must tell (§17.2.3, second list).
            None => {
                let headers = &request.headers;
                let from = headers.from_().ok();
                let tag = from.as_ref().and_then(|from| from.tag());
                let number = headers.cseq().map_or(0, |(number, _)| number);
                self.secrets.key((headers.call_id().ok(), number, tag, via.branch(), sent_by, &request.uri, method))
            }
        })
    }

    fn merge_key(&self, request: &Request) -> Option<u128> {
        let headers = &request.headers;
        if request.method == Method::Cancel || headers.to().is_ok_and(|to| to.tag().is_some()) {
            return None;
        }
        let from = headers.from_().ok()?;
        Some(self.secrets.key((from.tag(), headers.call_id().ok()?, headers.cseq().ok()?)))
    }
}

impl Client {
    /// Without a final answer.
    fn is_pending(&self) -> bool {
        use super::{client_invite, client_non_invite};
        match &self.machine {
            ClientMachine::Invite(m) => {
                matches!(m.state(), client_invite::State::Calling | client_invite::State::Proceeding)
            }
            ClientMachine::NonInvite(m) => {
                matches!(m.state(), client_non_invite::State::Trying | client_non_invite::State::Proceeding)
            }
        }
    }

    fn is_terminated(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(m) => m.state() == super::client_invite::State::Terminated,
            ClientMachine::NonInvite(m) => m.state() == super::client_non_invite::State::Terminated,
        }
    }
}

const BRANCH: &str = "z9hG4bK";

/// Our Via: always with `rport` (RFC 3581 §3).
fn via(hop: &Hop, branch: u64) -> String {
    format!("SIP/2.0/{} {};branch={BRANCH}{branch:016x};rport", hop.transport.name(), hop.local)
}

/// RFC 3261 §13.2.2.4: the ACK of a 2xx to a re-INVITE, without Via; the route is that of the re-INVITE.
pub fn reinvite_ack(invite: &Request, response: &Response) -> Request {
    let contact = response.headers.contacts().ok().and_then(|contacts| contacts.into_iter().next());
    let mut ack = Request::new(Method::Ack, contact.map_or_else(|| invite.uri.clone(), |contact| contact.uri));
    copy_for_ack(invite, &mut ack, Method::Ack);
    response.headers.copy("To", &mut ack.headers);
    ack
}

fn client_key(response: &Response) -> Option<ClientKey> {
    let via = response.headers.via().ok()?;
    let branch = via.branch()?.strip_prefix(BRANCH)?;
    let branch = u64::from_str_radix(branch, 16).ok().filter(|_| branch.len() == 16)?;
    let (_, method) = response.headers.cseq().ok()?;
    Some(ClientKey { branch, cancel: method == Method::Cancel })
}

/// RFC 3261 §17.1.1.3: the ACK of a refusal has the branch of its INVITE.
fn refusal_ack(invite: &Request, response: &Response) -> Request {
    let mut ack = Request::new(Method::Ack, invite.uri.clone());
    if let Some(via) = invite.headers.get("Via") {
        ack.headers.push("Via", via);
    }
    copy_for_ack(invite, &mut ack, Method::Ack);
    response.headers.copy("To", &mut ack.headers);
    ack
}

/// What ACK and CANCEL have from their INVITE, but for Via and To (RFC 3261 §9.1, §17.1.1.3).
fn copy_for_ack(invite: &Request, to: &mut Request, method: Method) {
    to.headers.push("Max-Forwards", "70");
    for name in ["Route", "From", "Call-ID"] {
        invite.headers.copy(name, &mut to.headers);
    }
    let number = invite.headers.cseq().map_or(0, |(number, _)| number);
    to.headers.push("CSeq", format!("{number} {method}"));
}

fn is_base(name: &str) -> bool {
    ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"].iter().any(|base| base.eq_ignore_ascii_case(name))
}

/// Where the answer to a request goes: by the connection it came by, or for UDP to its source; without `rport`, to the
/// port of its sent-by (RFC 3261 §18.2.2, RFC 3581 §4).
pub fn answer_hop(hop: &Hop, via: &Via) -> Hop {
    let mut answer = *hop;
    if hop.transport == Transport::Udp && !via.has_rport() {
        answer.remote.set_port(via.port.unwrap_or(5060));
    }
    answer
}

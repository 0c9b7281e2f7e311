//! The client side of the table: requests of ours until nothing more can come back (RFC 3261 §17.1).

use super::large::DATAGRAM_MAX;
use super::{Alarm, Table};
use crate::sip::endpoint::{ClientId, Counters, Hop, InviteId, Transmit, Transport};
use crate::sip::headers::Headers;
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::transaction::client_invite::{self, Reaction};
use crate::sip::transaction::client_non_invite;
use crate::sip::transaction::{ClientInvite, ClientNonInvite, Expiry};
use crate::time::Time;
use std::net::SocketAddr;

/// The number in our branch; a CANCEL shares it with its INVITE (RFC 3261 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey {
    branch: u64,
    cancel: bool,
}

/// Whose request a client transaction carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Invite(InviteId),
    Reinvite(InviteId),
    Info(InviteId),
    /// The acknowledgement of a provisional answer.
    Prack(InviteId),
    /// An UPDATE that keeps the session alive.
    Refresh(InviteId),
    /// A REFER of ours.
    Refer(InviteId),
    Bye(InviteId),
    Cancel(InviteId),
    /// Whether a phone still rings.
    Ask(InviteId),
    Request(ClientId),
    /// Nobody waits for the answer: BYE of a fork.
    Nobody,
}

impl Owner {
    /// Its request may have to be written once more: it is kept whole.
    fn keeps(self) -> bool {
        matches!(self, Owner::Info(_) | Owner::Prack(_))
    }
}

#[derive(Debug)]
enum ClientMachine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

#[derive(Debug)]
pub(super) struct Client {
    machine: ClientMachine,
    hop: Hop,
    /// Kept of an INVITE, for its ACK and CANCEL; whole where its owner [keeps](Owner::keeps) it; of others only what matching needs.
    request: Request,
    wire: Vec<u8>,
    owner: Owner,
    /// As it goes by UDP if the peer takes no connection: it was too large to begin with that.
    datagram: Option<Transmit>,
    /// Nobody wants it to arrive any more: it does not begin anew.
    abandoned: bool,
    /// Its connection is lost, and its user was told so; it only waits for an answer by another.
    lost: bool,
    /// Its peer has gone elsewhere since it was sent: what comes by the old way comes late.
    moved: bool,
    /// Our ACKs for 2xx, by the tag of the fork that sent it.
    acks: Vec<(String, Transmit)>,
    armed: Option<Time>,
}

/// A response that its transaction passes on.
#[derive(Debug)]
pub struct Passed {
    pub key: ClientKey,
    pub owner: Owner,
    /// The INVITE, or the request that was kept whole, if this refuses it.
    pub refused: Option<Request>,
}

impl Table {
    pub(super) fn client_timeout(&mut self, now: Time, key: ClientKey) -> Option<(Owner, Request)> {
        let client = self.clients.get_mut(&key).expect("the schedule names live transactions only");
        let expiry = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.handle_timeout(now),
            ClientMachine::NonInvite(machine) => machine.handle_timeout(now),
        };
        match expiry {
            Some(Expiry::Resend) => {
                self.counters.retransmissions_sent += 1;
                self.transmits.push_back(Transmit::new(client.hop, client.wire.clone()));
                self.arm_client(key);
                None
            }
            Some(Expiry::Ended) => {
                self.drop_client(key);
                None
            }
            Some(Expiry::TimedOut) => {
                let client = self.drop_client(key).filter(|client| !client.lost)?;
                Some((client.owner, client.request))
            }
            None => {
                self.arm_client(key);
                None
            }
        }
    }

    /// Sends a request with a Via and a branch of its own.
    pub fn start_client(&mut self, now: Time, hop: Hop, request: Request, owner: Owner) -> ClientKey {
        let branch = self.secrets.next();
        self.start_with_branch(now, hop, request, owner, ClientKey { branch, cancel: false })
    }

    /// Its user has given up a request that nobody answered yet: if its connection fails, it is not sent by another way.
    pub fn abandon(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(&key) {
            client.abandoned = true;
        }
    }

    /// Sends a CANCEL for a pending INVITE, which is given 64·T1 to end (RFC 3261 §9.1). One that was sent before is forgotten.
    pub fn cancel(&mut self, now: Time, key: ClientKey, owner: Owner, further: Headers) {
        self.drop_client(ClientKey { cancel: true, ..key });
        let Some(client) = self.clients.get_mut(&key) else { return };
        let ClientMachine::Invite(machine) = &mut client.machine else { return };
        machine.give_up_at(now + self.timings.patience());
        let mut cancel = Request::new(Method::Cancel, client.request.uri.clone());
        // That of the INVITE, by whatever way this goes.
        client.request.headers.copy("Via", &mut cancel.headers);
        copy_for_ack(&client.request, &mut cancel, Method::Cancel);
        client.request.headers.copy("To", &mut cancel.headers);
        for header in further.iter() {
            cancel.headers.push(header.name, header.value);
        }
        let hop = client.hop;
        self.arm_client(key);
        self.start_with_branch(now, hop, cancel, owner, ClientKey { cancel: true, ..key });
    }

    fn start_with_branch(
        &mut self,
        now: Time,
        mut hop: Hop,
        mut request: Request,
        owner: Owner,
        key: ClientKey,
    ) -> ClientKey {
        if !key.cancel {
            request.headers.insert_first("Via", via(&hop, key.branch));
        }
        let mut wire = request.to_bytes();
        let mut datagram = None;
        if let Some(tcp) = self.large.way(now, &hop, &request, wire.len()) {
            datagram = Some(Transmit::new(hop, wire));
            hop = tcp;
            request.headers.remove_first_item("Via");
            request.headers.insert_first("Via", via(&hop, key.branch));
            wire = request.to_bytes();
            self.counters.large_by_tcp += 1;
        } else if hop.transport == Transport::Udp && wire.len() > DATAGRAM_MAX {
            self.counters.large_by_udp += 1;
        }
        self.counters.requests_sent[Counters::method_index(&request.method)] += 1;
        let reliable = hop.transport.is_reliable();
        // Copies take no more memory than they need, and they are what stays.
        let kept = if reliable { Vec::new() } else { wire.clone() };
        self.transmits.push_back(Transmit { is_trial: datagram.is_some(), ..Transmit::new(hop, wire) });
        let machine = if request.method == Method::Invite {
            request.headers = request.headers.clone();
            ClientMachine::Invite(ClientInvite::new(now, self.timings, reliable))
        } else {
            if !owner.keeps() {
                request.headers = Headers::new();
            }
            ClientMachine::NonInvite(ClientNonInvite::new(now, self.timings, reliable))
        };
        if !owner.keeps() {
            request.body = Vec::new();
        }
        let (acks, abandoned, lost, moved, armed) = (Vec::new(), false, false, false, None);
        let client = Client { machine, hop, request, wire: kept, owner, datagram, abandoned, lost, moved, acks, armed };
        self.clients.insert(key, Box::new(client));
        self.by_remote.entry((hop.transport, hop.remote)).or_default().insert(key);
        self.arm_client(key);
        key
    }

    /// `None`: stray, or absorbed.
    pub fn receive_response(&mut self, now: Time, hop: &Hop, response: &Response) -> Option<Passed> {
        let class = Counters::class_index(response.code);
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
            if client.lost && client.hop.gives_way_to(hop) {
                self.rehop(key, *hop);
            } else if !client.moved {
                client.hop.connection = hop.connection;
            }
        }
        let client = self.clients.get_mut(&key)?;
        client.datagram = None;
        let owner = client.owner;
        let (pass, refused) = match &mut client.machine {
            ClientMachine::NonInvite(machine) => {
                let is_refused = owner.keeps() && response.is_final() && !response.is_success();
                (machine.handle_response(now, response.code), is_refused.then(|| client.request.clone()))
            }
            ClientMachine::Invite(machine) => {
                let reaction = machine.handle_response(now, response.code);
                if matches!(reaction, Reaction::Ack | Reaction::PassAndAck) {
                    let ack = refusal_ack(&client.request, response);
                    self.transmits.push_back(Transmit::new(client.hop, ack.to_bytes()));
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

    /// Sends our ACK to the fork with this tag once more, if it was acknowledged before: also to where its 2xx came from again,
    /// if the ACK went elsewhere and may have found nobody.
    pub fn acknowledge_again(&mut self, key: ClientKey, tag: &str, hop: &Hop) -> bool {
        let Some(client) = self.clients.get(&key) else { return false };
        let Some((_, ack)) = client.acks.iter().find(|(known, _)| known == tag) else { return false };
        self.transmits.push_back(ack.clone());
        self.counters.retransmissions_sent += 1;
        if (ack.hop.transport, ack.hop.remote) != (hop.transport, hop.remote) && ack.hop.transport == hop.transport {
            self.transmits.push_back(Transmit::new(*hop, ack.bytes.clone()));
            self.counters.retransmissions_sent += 1;
        }
        true
    }

    /// Sends a request that waits for its answer also to where its peer was heard again, if it went elsewhere by UDP and may have found
    /// nobody.
    pub fn send_also(&mut self, key: ClientKey, hop: &Hop) {
        let Some(client) = self.clients.get(&key).filter(|client| client.is_pending()) else { return };
        if !client.wire.is_empty() && client.hop.transport == hop.transport && client.hop.remote != hop.remote {
            self.transmits.push_back(Transmit::new(*hop, client.wire.clone()));
            self.counters.retransmissions_sent += 1;
        }
    }

    /// Sends the ACK of a 2xx, which is no transaction and has a branch of its own (RFC 3261 §13.2.2.4), and keeps it for
    /// when the 2xx comes again.
    pub fn acknowledge(&mut self, key: ClientKey, tag: &str, hop: Hop, mut ack: Request) {
        ack.headers.insert_first("Via", via(&hop, self.secrets.next()));
        let ack = Transmit::new(hop, ack.to_bytes());
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

    /// The peer of this INVITE is there from now on: CANCEL and ACK go there, and its loss is over.
    pub fn goes_by(&mut self, key: ClientKey, hop: &Hop) {
        let Some(client) = self.clients.get_mut(&key).filter(|client| client.hop.transport.is_reliable()) else {
            return;
        };
        if std::mem::take(&mut client.lost)
            && let ClientMachine::Invite(machine) = &mut client.machine
        {
            machine.go_on();
        }
        client.moved = true;
        self.rehop(key, *hop);
        self.arm_client(key);
    }

    fn rehop(&mut self, key: ClientKey, hop: Hop) {
        if let Some(client) = self.clients.get_mut(&key) {
            let left = std::mem::replace(&mut client.hop, hop);
            self.unlist(key, &left);
            self.by_remote.entry((hop.transport, hop.remote)).or_default().insert(key);
        }
    }

    /// It does not wait there any more.
    fn unlist(&mut self, key: ClientKey, hop: &Hop) {
        let remote = (hop.transport, hop.remote);
        if let Some(keys) = self.by_remote.get_mut(&remote) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_remote.remove(&remote);
            }
        }
    }

    /// Whether this request waits for its final answer.
    pub fn is_pending(&self, key: ClientKey) -> bool {
        self.clients.get(&key).is_some_and(|client| client.is_pending())
    }

    /// Without a final answer by then a pending INVITE, once provisionally answered, counts as timed out.
    pub fn give_up_at(&mut self, key: ClientKey, at: Time) {
        if let Some(client) = self.clients.get_mut(&key)
            && let ClientMachine::Invite(machine) = &mut client.machine
        {
            machine.give_up_at(at);
            self.arm_client(key);
        }
    }

    /// Fails every client transaction that waits for something from `hop` and returns whose they were, with what was kept of their
    /// requests, but for those that can still go by UDP and do. Server transactions run out by themselves.
    pub fn fail_hop(&mut self, now: Time, hop: &Hop) -> Vec<(Owner, Request)> {
        let Some(keys) = self.by_remote.get(&(hop.transport, hop.remote)) else { return Vec::new() };
        let waits = |client: &Client| {
            let same = client.hop.connection.is_none() || client.hop.connection == hop.connection;
            same && client.is_pending() && !client.lost
        };
        let failed: Vec<ClientKey> = keys.iter().copied().filter(|key| waits(&self.clients[key])).collect();
        let failed: Vec<ClientKey> = failed.into_iter().filter(|key| !self.send_as_datagram(now, *key)).collect();
        failed.into_iter().filter_map(|key| self.lose_client(now, key)).collect()
    }

    /// A phone that rings may answer by its next connection: who talks there without a word of ours would wait for ever, so the
    /// transaction stays for the time of a CANCEL to acknowledge a 2xx (RFC 3261 §13.2.2.4), and has failed all the same.
    fn lose_client(&mut self, now: Time, key: ClientKey) -> Option<(Owner, Request)> {
        let client = self.clients.get_mut(&key)?;
        match &mut client.machine {
            ClientMachine::Invite(machine)
                if machine.state() == client_invite::State::Proceeding && matches!(client.owner, Owner::Invite(_)) =>
            {
                machine.give_up_at(now + self.timings.patience());
                client.lost = true;
                let lost = (client.owner, client.request.clone());
                self.arm_client(key);
                Some(lost)
            }
            _ => self.drop_client(key).map(|client| (client.owner, client.request)),
        }
    }

    /// A datagram with this branch did not reach `remote`. Ends its transaction and returns whose it was, if nothing has
    /// come back yet: whoever has answered is there, whatever is said about him.
    pub fn fail_datagram(&mut self, remote: SocketAddr, branch: u64) -> Option<(Owner, Request)> {
        let key = ClientKey { branch, cancel: false };
        let client = self.clients.get(&key)?;
        let is_it = (client.hop.transport, client.hop.remote) == (Transport::Udp, remote) && client.has_heard_nothing();
        is_it.then(|| self.drop_client(key))?.map(|client| (client.owner, client.request))
    }

    /// RFC 3261 §18.1.1: a large request whose connection was refused goes by UDP after all. False: this one cannot, or is to
    /// reach nobody any more.
    fn send_as_datagram(&mut self, now: Time, key: ClientKey) -> bool {
        let Some(client) = self.clients.get_mut(&key) else { return false };
        let Some(Transmit { hop, bytes, .. }) = client.datagram.take() else { return false };
        self.large.refused(now, hop.remote);
        if client.abandoned {
            return false;
        }
        client.wire = bytes.clone();
        match &mut client.machine {
            ClientMachine::Invite(machine) => {
                *machine = ClientInvite::new(now, self.timings, false);
                // For its ACK and CANCEL.
                client.request.headers.remove_first_item("Via");
                client.request.headers.insert_first("Via", via(&hop, key.branch));
            }
            ClientMachine::NonInvite(machine) => *machine = ClientNonInvite::new(now, self.timings, false),
        }
        self.counters.large_refused += 1;
        self.transmits.push_back(Transmit::new(hop, bytes));
        self.rehop(key, hop);
        self.arm_client(key);
        true
    }

    fn arm_client(&mut self, key: ClientKey) {
        let client = self.clients.get_mut(&key).expect("armed while it lives");
        let next = match &client.machine {
            ClientMachine::Invite(machine) => machine.next_timeout(),
            ClientMachine::NonInvite(machine) => machine.next_timeout(),
        };
        if next.is_none() && client.is_terminated() {
            self.drop_client(key);
            return;
        }
        self.schedule.move_to(Alarm::Client(key), &mut client.armed, next);
    }

    fn drop_client(&mut self, key: ClientKey) -> Option<Client> {
        let mut client = self.clients.remove(&key)?;
        self.schedule.move_to(Alarm::Client(key), &mut client.armed, None);
        self.unlist(key, &client.hop);
        Some(*client)
    }
}

impl Client {
    /// Without a final answer.
    fn is_pending(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(m) => {
                matches!(m.state(), client_invite::State::Calling | client_invite::State::Proceeding)
            }
            ClientMachine::NonInvite(m) => {
                matches!(m.state(), client_non_invite::State::Trying | client_non_invite::State::Proceeding)
            }
        }
    }

    fn has_heard_nothing(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(m) => m.state() == client_invite::State::Calling,
            ClientMachine::NonInvite(m) => m.state() == client_non_invite::State::Trying,
        }
    }

    fn is_terminated(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(m) => m.state() == client_invite::State::Terminated,
            ClientMachine::NonInvite(m) => m.state() == client_non_invite::State::Terminated,
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
    copy_credentials(invite, &mut ack);
    response.headers.copy("To", &mut ack.headers);
    ack
}

/// An ACK is never challenged; it shows what its INVITE showed (RFC 3261 §13.2.2.4, §22.1).
pub fn copy_credentials(invite: &Request, ack: &mut Request) {
    for name in ["Authorization", "Proxy-Authorization"] {
        invite.headers.copy(name, &mut ack.headers);
    }
}

/// The number in the branch of a request of ours, of which an ICMP message quotes the beginning; `None`: it cannot be seen
/// to be one. Nobody can guess that number, so who quotes it has seen the request (RFC 5927 §4.1 asks as much of TCP).
pub fn quoted_branch(quoted: &[u8]) -> Option<u64> {
    let mark = b";branch=z9hG4bK";
    let at = quoted.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let number = quoted.get(at..at + 16)?;
    u64::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()
}

fn client_key(response: &Response) -> Option<ClientKey> {
    let branch = response.headers.top_via().ok()?.branch()?.strip_prefix(BRANCH)?;
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

//! The server side of the table: requests of peers and our answers to them (RFC 3261 §17.2, §18.2.2).

use super::{Alarm, Table};
use crate::sip::endpoint::{Counters, Hop, InviteId, Transmit, Transport};
use crate::sip::headers::{Headers, TopVia};
use crate::sip::message::{COPIED, Request, Response, reason_phrase};
use crate::sip::method::Method;
use crate::sip::transaction::{Expiry, ServerInvite, ServerNonInvite};
use crate::sip::transaction::{server_invite, server_non_invite};
use crate::time::Time;
use std::net::SocketAddr;

/// Keyed hash of what RFC 3261 §17.2.3 compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(pub u128);

#[derive(Debug)]
enum ServerMachine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

#[derive(Debug)]
pub(super) struct Server {
    machine: ServerMachine,
    /// Where answers go (RFC 3261 §18.2.2, RFC 3581 §4).
    hop: Hop,
    /// Where they go if that connection is gone: to where the peer says that it takes connections.
    reopen: Option<SocketAddr>,
    /// Via, From, To with our tag, Call-ID, CSeq.
    base: Headers,
    record_route: Headers,
    tag: String,
    /// The usage that the INVITE began or is in.
    usage: Option<InviteId>,
    /// Whose phone called, once it was refused.
    pub(super) refused: Option<u64>,
    last: Vec<u8>,
    merged: Option<u128>,
    armed: Option<Time>,
}

impl Server {
    fn transmit(&self, bytes: Vec<u8>) -> Transmit {
        Transmit { reopen: self.reopen, ..Transmit::new(self.hop, bytes) }
    }
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

impl Table {
    pub(super) fn server_timeout(&mut self, now: Time, key: ServerKey) {
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

    /// Looks a request other than ACK up; answers a retransmission.
    pub fn receive_request(&mut self, request: &Request) -> Known {
        let key = self.server_key(request, &request.method);
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

    /// Whether the request is a retransmission.
    pub fn has_server(&self, request: &Request) -> bool {
        self.servers.contains_key(&self.server_key(request, &request.method))
    }

    /// The server transaction of the INVITE that this CANCEL or ACK belongs to.
    pub fn invite_of(&self, request: &Request) -> Option<ServerKey> {
        let key = self.server_key(request, &Method::Invite);
        self.servers.contains_key(&key).then_some(key)
    }

    /// Whether the ACK is one for a 2xx, and so the usage's.
    pub fn receive_ack(&mut self, now: Time, key: ServerKey) -> bool {
        let Some(server) = self.servers.get_mut(&key) else { return false };
        let ServerMachine::Invite(machine) = &mut server.machine else { return false };
        let for_user = machine.handle_ack(now);
        self.arm_server(key);
        for_user
    }

    /// `hop`: where answers go (see [`answer_hop`]). `tag`: our To tag, if the request has none.
    pub fn start_server(&mut self, now: Time, key: ServerKey, hop: Hop, request: &Request, tag: &str) {
        let reliable = hop.transport.is_reliable();
        let machine = if request.method == Method::Invite {
            ServerMachine::Invite(ServerInvite::new(self.timings, reliable))
        } else {
            ServerMachine::NonInvite(ServerNonInvite::new(now, self.timings, reliable))
        };
        let base = request.headers.only(&COPIED);
        let is_invite = request.method == Method::Invite;
        let record_route = if is_invite { request.headers.only(&["Record-Route"]) } else { Headers::new() };
        let merged = self.merge_key(request);
        if let Some(merge) = merged {
            self.merged.entry(merge).or_insert(key);
        }
        let server = Server {
            machine,
            hop,
            reopen: None,
            base,
            record_route,
            tag: tag.to_string(),
            usage: None,
            refused: None,
            last: Vec::new(),
            merged,
            armed: None,
        };
        self.servers.insert(key, Box::new(server));
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
        for header in response.headers.iter().filter(|h| !is_base(h.name)) {
            answer.headers.push(header.name, header.value);
        }
        if answer.code > 100 {
            answer.set_to_tag(&server.tag);
        }
        let bytes = answer.to_bytes();
        // The copy takes no more memory than it needs, and it is what stays.
        server.last = bytes.clone();
        self.transmits.push_back(server.transmit(bytes));
        self.counters.responses_sent[Counters::class_index(answer.code)] += 1;
        self.arm_server(key);
        true
    }

    /// If the connection by which the request came is gone, answers open one to the same machine, at the port of its sent-by (RFC 3261
    /// §18.2.2). For those we trust: a stranger behind a router could make us knock at others there.
    pub fn reopens(&mut self, key: ServerKey) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        let Hop { transport, remote, .. } = server.hop;
        if matches!(transport, Transport::Tcp | Transport::Tls)
            && let Ok(via) = server.base.top_via()
        {
            let port = via.port().unwrap_or(transport.default_port());
            server.reopen = Some(SocketAddr::new(remote.ip(), port));
        }
    }

    /// The peer is there now: answers go there, the last one once more, because it may have been lost with the connection.
    pub fn follow(&mut self, key: ServerKey, hop: &Hop) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        if server.hop.gives_way_to(hop) {
            server.hop = *hop;
            server.reopen = None;
            self.resend_answer(key);
        }
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
        self.servers.get(&key).map(|server| server.transmit(server.last.clone()))
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
            self.transmits.push_back(server.transmit(server.last.clone()));
        }
    }

    fn arm_server(&mut self, key: ServerKey) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        let (next, terminated) = match &server.machine {
            ServerMachine::Invite(m) => (m.next_timeout(), m.state() == server_invite::State::Terminated),
            ServerMachine::NonInvite(m) => (m.next_timeout(), m.state() == server_non_invite::State::Terminated),
        };
        if terminated {
            return self.drop_server(key);
        }
        self.schedule.move_to(Alarm::Server(key), &mut server.armed, next);
    }

    /// The 100 of this transaction is not sent if nobody has polled it yet.
    pub fn take_back_trying(&mut self, key: ServerKey) {
        let Some(server) = self.servers.get(&key) else { return };
        // It was one of the last to be written; the others need not be looked at.
        if server.last.starts_with(b"SIP/2.0 100 ")
            && let Some(at) = self.transmits.iter().rposition(|transmit| transmit.bytes == server.last)
        {
            self.transmits.remove(at);
            self.counters.responses_sent[Counters::class_index(100)] -= 1;
        }
    }

    /// Forgets it without a word.
    pub fn drop_server(&mut self, key: ServerKey) {
        let Some(mut server) = self.servers.remove(&key) else { return };
        self.schedule.move_to(Alarm::Server(key), &mut server.armed, None);
        if let Some(owner) = server.refused {
            self.refused.remove(&(owner, key));
        }
        if let Some(merge) = server.merged
            && self.merged.get(&merge) == Some(&key)
        {
            self.merged.remove(&merge);
        }
    }

    fn server_key(&self, request: &Request, method: &Method) -> ServerKey {
        let headers = &request.headers;
        let via = headers.top_via().ok();
        let sent_by = via.map(|via| (via.host(), via.port()));
        ServerKey(match via.and_then(|via| via.magic_branch()) {
            Some(branch) => self.secrets.key((branch, sent_by, method)),
            // An element older than RFC 3261: the request itself must tell (§17.2.3, second list).
            None => {
                let number = headers.cseq().map_or(0, |(number, _)| number);
                let branch = via.and_then(|via| via.branch());
                let dialog = (headers.call_id().ok(), headers.from_tag());
                self.secrets.key((dialog, number, branch, sent_by, &request.uri, method))
            }
        })
    }

    fn merge_key(&self, request: &Request) -> Option<u128> {
        let headers = &request.headers;
        if request.method == Method::Cancel || headers.to_tag().is_some() {
            return None;
        }
        Some(self.secrets.key((headers.from_tag(), headers.call_id().ok()?, headers.cseq().ok()?)))
    }
}

fn is_base(name: &str) -> bool {
    ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"].iter().any(|base| base.eq_ignore_ascii_case(name))
}

/// Where the answer to a request goes: by the connection it came by, or for UDP to its source; without `rport`, to the
/// port of its sent-by (RFC 3261 §18.2.2, RFC 3581 §4).
pub fn answer_hop(hop: &Hop, via: TopVia<'_>) -> Hop {
    let mut answer = *hop;
    if hop.transport == Transport::Udp && !via.has_rport() {
        answer.remote.set_port(via.port().unwrap_or(5060));
    }
    answer
}

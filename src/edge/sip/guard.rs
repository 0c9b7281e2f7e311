//! Stands before the engine's door: what strangers get is decided on the sockets' threads, and new calls are refused here
//! while the engine is late.

use super::Outside;
use crate::edge::door::Guest;
use crate::edge::metrics::SipFault;
use crate::engine::Input;
use crate::engine::settings::Network;
use crate::sip::gate::{Gate, Reason, Ruling};
use crate::sip::overload::Overload;
use crate::sip::{BadMessage, Fault, Hop, Message, Transmit, Transport};
use crate::time::Time;
use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

/// Shared by all sockets.
pub struct Guard {
    gate: Mutex<Gate>,
    overload: Mutex<Overload>,
    /// Where trunks send from.
    trusted: Vec<Network>,
    /// The names by which trunks are known in their certificates.
    certificates: Vec<String>,
    found: RwLock<Found>,
}

/// Whom we trust since we run.
#[derive(Default)]
struct Found {
    /// By the trunk's place: where DNS says that it is.
    located: BTreeMap<usize, Vec<IpAddr>>,
    /// Connections whose peers showed the certificate of a trunk.
    certified: HashSet<u64>,
}

/// What becomes of bytes that came in.
pub(super) enum Passage {
    Engine(Guest, Input),
    Answer(Transmit),
    Nothing,
    /// Nothing, and a stream that brought it is closed.
    Cut,
}

impl Guard {
    /// `trusted`: where trunks send from. `certificates`: the names by which trunks are known, in lower case.
    pub fn new(gate: Gate, overload: Overload, trusted: Vec<Network>, certificates: Vec<String>) -> Guard {
        let (gate, overload) = (Mutex::new(gate), Mutex::new(overload));
        Guard { gate, overload, trusted, certificates, found: RwLock::default() }
    }

    /// The trunk of this place sends from there, and nowhere else that was said before.
    pub fn locate(&self, trunk: usize, addresses: Vec<IpAddr>) {
        self.found.write().unwrap_or_else(PoisonError::into_inner).located.insert(trunk, addresses);
    }

    /// Those of a peer's names by which trunks are known. If there are any, whatever comes by this connection is a trunk's.
    pub(super) fn certify(&self, connection: u64, mut names: Vec<String>) -> Vec<String> {
        names.retain(|name| self.certificates.contains(name));
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            self.found.write().unwrap_or_else(PoisonError::into_inner).certified.insert(connection);
        }
        names
    }

    pub(super) fn connection_closed(&self, connection: u64) {
        self.found.write().unwrap_or_else(PoisonError::into_inner).certified.remove(&connection);
    }

    /// The engine has judged credentials of this account.
    pub fn judged(&self, now: Time, from: SocketAddr, account: &str, is_right: bool) {
        self.gate().judged(now, from, account, is_right);
    }

    /// We send there of our own accord.
    pub fn vouch(&self, now: Time, remote: SocketAddr) {
        self.gate().vouch(now, remote);
    }

    /// An operator named who speaks by this connection, by address or certificate, or the peer is known.
    pub(super) fn is_known(&self, now: Time, connection: u64, remote: SocketAddr) -> bool {
        self.is_trusted(remote.ip(), Some(connection)) || self.gate().is_known(now, remote)
    }

    fn is_trusted(&self, ip: IpAddr, connection: Option<u64>) -> bool {
        if self.trusted.iter().any(|net| net.contains(ip)) {
            return true;
        }
        let found = self.found.read().unwrap_or_else(PoisonError::into_inner);
        connection.is_some_and(|connection| found.certified.contains(&connection))
            || found.located.values().any(|addresses| addresses.contains(&ip.to_canonical()))
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outside {
    /// No datagram that comes from there now is worth reading.
    pub(super) fn is_shut(&self, remote: SocketAddr) -> bool {
        let guard = &self.guard;
        let is_shut =
            guard.gate().is_shut(self.clock.now(), Transport::Udp, remote) && !guard.is_trusted(remote.ip(), None);
        if is_shut {
            self.dropped(remote, Reason::TooMany);
        }
        is_shut
    }

    /// Something that is no SIP, but has its answer.
    pub(super) fn may_ask(&self, transport: Transport, remote: SocketAddr, connection: Option<u64>) -> bool {
        let is_trusted = self.guard.is_trusted(remote.ip(), connection);
        let ruling = self.guard.gate().judge_unread(self.clock.now(), transport, remote, is_trusted);
        match ruling {
            Ruling::Drop(reason) => {
                self.dropped(remote, reason);
                false
            }
            Ruling::Known | Ruling::Stranger | Ruling::Challenge { .. } => true,
        }
    }

    /// What was read of a datagram or a stream; `size`: its length on the wire.
    pub(super) fn receive(&self, hop: Hop, size: usize, read: Result<Message, BadMessage>) -> Passage {
        let (guard, now) = (&self.guard, self.clock.now());
        let is_trusted = guard.is_trusted(hop.remote.ip(), hop.connection);
        let message = match read {
            Ok(message) => message,
            Err(bad) => return self.receive_unread(hop, size, is_trusted, bad),
        };
        self.traffic.received(&message);
        self.tap.received(hop, &message);
        let ruling = guard.gate().judge(now, &hop, is_trusted, &message);
        let guest = match ruling {
            Ruling::Known => Guest::Known,
            Ruling::Stranger => Guest::Stranger,
            Ruling::Challenge { stale } => {
                let Message::Request(request) = &message else { return Passage::Nothing };
                let challenge = guard.gate().challenge(now, &hop, request, size, stale);
                return self.answer(challenge);
            }
            Ruling::Drop(reason) => return self.dropped(hop.remote, reason),
        };
        if let Message::Request(request) = &message {
            let is_late = self.door.is_late();
            let refusal = {
                let mut overload = guard.overload.lock().unwrap_or_else(PoisonError::into_inner);
                if overload.ends(request) {
                    return Passage::Nothing;
                }
                overload.refuses(now, is_late, guest == Guest::Known, &hop, request)
            };
            if refusal.is_some() {
                self.traffic.fault(SipFault::CallsOverload);
                if let Some(held_back) = self.overload.pass(now) {
                    tracing::warn!(held_back, "overload: new calls are refused");
                }
                return self.answer(refusal);
            }
        }
        Passage::Engine(guest, Input::Sip { hop, message: Box::new(message) })
    }

    fn receive_unread(&self, hop: Hop, size: usize, is_trusted: bool, bad: BadMessage) -> Passage {
        // A keep-alive.
        if *bad.fault() == Fault::Empty {
            return Passage::Nothing;
        }
        let now = self.clock.now();
        if bad.fault().is_of_size() {
            self.traffic.fault(SipFault::TooLarge);
            if let Some(held_back) = self.large.pass(now) {
                tracing::warn!(remote = %hop.remote, %bad, held_back, "a SIP message is too large");
            }
        } else {
            self.traffic.fault(SipFault::Malformed);
            tracing::debug!(remote = %hop.remote, %bad, "not a readable SIP message");
        }
        let ruling = self.guard.gate().judge_unread(now, hop.transport, hop.remote, is_trusted);
        match ruling {
            Ruling::Drop(reason) => self.dropped(hop.remote, reason),
            _ if *bad.fault() == Fault::NotSip => Passage::Nothing,
            Ruling::Known => Passage::Engine(Guest::Known, Input::Malformed { hop, bad: Box::new(bad) }),
            Ruling::Stranger | Ruling::Challenge { .. } if bad.response().is_none() => Passage::Nothing,
            Ruling::Stranger | Ruling::Challenge { .. } => {
                let answer = self.guard.gate().answer_unread(&hop, &bad, size);
                self.answer(answer)
            }
        }
    }

    fn answer(&self, answer: Option<Transmit>) -> Passage {
        if let Some(answer) = &answer {
            self.tap.sent(answer, |_| None);
        }
        answer.map_or_else(
            || {
                self.traffic.fault(SipFault::NoRoomToAnswer);
                Passage::Nothing
            },
            Passage::Answer,
        )
    }

    fn dropped(&self, remote: SocketAddr, reason: Reason) -> Passage {
        let fault = match reason {
            Reason::TooMany => SipFault::TooManyRequests,
            Reason::Guessing => SipFault::PasswordGuessing,
        };
        self.traffic.fault(fault);
        if let Some(held_back) = self.strangers.pass(self.clock.now()) {
            tracing::warn!(%remote, reason = fault.name(), held_back, "a stranger is not listened to");
        }
        Passage::Cut
    }
}

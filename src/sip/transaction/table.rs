//! All live transactions: matching (RFC 3261 §17.1.3, §17.2.3), sending again, deadlines, and the way answers go.

mod clients;
mod large;
mod refused;
mod servers;

pub use clients::{ClientKey, Owner, Passed, copy_credentials, quoted_branch, reinvite_ack};
pub use large::Large;
pub use servers::{Known, ServerKey, answer_hop};

use super::Timings;
use crate::sip::endpoint::{Counters, Transmit, Transport};
use crate::sip::message::Request;
use crate::sip::schedule::Schedule;
use crate::sip::secrets::{Keyed, Secrets};
use crate::time::Time;
use clients::Client;
use refused::Refused;
use servers::Server;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Client(ClientKey),
    Server(ServerKey),
}

#[derive(Debug)]
pub struct Table {
    timings: Timings,
    pub secrets: Secrets,
    pub counters: Counters,
    pub transmits: VecDeque<Transmit>,
    // Boxed, so that a map is small however many are in it, and a new one is in memory that was just used.
    clients: Keyed<ClientKey, Box<Client>>,
    servers: Keyed<ServerKey, Box<Server>>,
    /// The server transactions of requests without To tag, by what RFC 3261 §8.2.2.2 compares.
    merged: Keyed<u128, ServerKey>,
    /// Refusals that no ACK has come for, by the owners of the phones that called.
    refused: BTreeMap<(u64, ServerKey), Refused>,
    /// The client transactions by where they were sent.
    by_remote: HashMap<(Transport, SocketAddr), BTreeSet<ClientKey>>,
    schedule: Schedule<Alarm>,
    large: Large,
}

impl Table {
    pub fn new(timings: Timings, secrets: Secrets, large: Large) -> Table {
        Table {
            timings,
            secrets,
            counters: Counters::default(),
            transmits: VecDeque::new(),
            clients: Keyed::default(),
            servers: Keyed::default(),
            merged: Keyed::default(),
            refused: BTreeMap::new(),
            by_remote: HashMap::new(),
            schedule: Schedule::new(),
            large,
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
        self.len() + self.merged.len() + self.refused.len() + self.by_remote.len() + self.schedule.len()
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.schedule.next()
    }

    /// Acts on every deadline up to `now` until a client transaction has timed out; says whose it was, with what was kept of its
    /// request.
    pub fn handle_timeout(&mut self, now: Time) -> Option<(Owner, Request)> {
        while let Some(alarm) = self.schedule.due(now) {
            match alarm {
                Alarm::Server(key) => self.server_timeout(now, key),
                Alarm::Client(key) => {
                    if let Some(lost) = self.client_timeout(now, key) {
                        self.counters.timeouts += 1;
                        return Some(lost);
                    }
                }
            }
        }
        None
    }
}

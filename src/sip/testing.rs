//! Endpoints back to back over a simulated network, for tests: one seed, and time that jumps to the next wake-up.

use super::endpoint::{Endpoint, Event, Hop, Invitation, InviteId, Settings, Transmit, Transport};
use super::headers::Headers;
use super::message::Message;
use super::secrets::Secrets;
use super::uri::Uri;
use crate::time::{Duration, Time};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What the network does to datagrams; streams are only delayed.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Of 100 datagrams.
    pub lost: u64,
    /// Of 100 datagrams.
    pub doubled: u64,
    /// Shortest and longest delay; what is sent later may come earlier.
    pub delay: (Duration, Duration),
}

impl Weather {
    pub const CALM: Weather = Weather { lost: 0, doubled: 0, delay: (ms(10), ms(10)) };
    pub const ROUGH: Weather = Weather { lost: 15, doubled: 10, delay: (ms(1), ms(700)) };
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub struct Node {
    pub address: SocketAddr,
    pub endpoint: Endpoint,
    /// Events since they were last taken.
    pub events: Vec<Event>,
}

pub struct World {
    pub now: Time,
    pub transport: Transport,
    pub weather: Weather,
    pub nodes: Vec<Node>,
    chance: Secrets,
    /// Every message that was sent, first line and all, for assertions.
    pub sent: Vec<(Time, SocketAddr, Message)>,
    /// Messages that never arrive: a peer that is cut off.
    pub cut: bool,
    in_flight: BTreeMap<(Time, u64), Transmit>,
    sequence: u64,
}

impl World {
    /// Two endpoints, `a` (0) and `b` (1).
    pub fn new(seed: u64, transport: Transport, weather: Weather) -> World {
        let node = |n: u64| Node {
            address: format!("192.0.2.{}:5060", n + 1).parse().expect("an address"),
            endpoint: Endpoint::new(Settings::default(), (seed * 2 + n).into()),
            events: Vec::new(),
        };
        World {
            now: Time::from_secs(1_000_000),
            transport,
            weather,
            nodes: vec![node(0), node(1)],
            chance: Secrets::new((seed ^ 0x5eed).into()),
            sent: Vec::new(),
            cut: false,
            in_flight: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// The way from a node to the other one.
    pub fn hop(&self, from: usize) -> Hop {
        let (local, remote) = (self.nodes[from].address, self.nodes[1 - from].address);
        Hop { transport: self.transport, local, remote, connection: None }
    }

    pub fn invitation(&self, from: usize) -> Invitation {
        let hop = self.hop(from);
        Invitation {
            target: Uri::sip(Some("b"), hop.remote),
            hop,
            from: (Some("A".into()), Uri::sip(Some("a"), hop.local)),
            to: Uri::sip(Some("b"), hop.remote),
            contact_user: Some("a".into()),
            headers: Headers::new(),
            offer: b"offer".to_vec(),
            enclosed: Vec::new(),
            follows: false,
            answers_challenges: false,
        }
    }

    /// Lets a node do something now, and its messages leave.
    pub fn act<R>(&mut self, node: usize, verb: impl FnOnce(&mut Endpoint, Time) -> R) -> R {
        let result = verb(&mut self.nodes[node].endpoint, self.now);
        self.drain(node);
        result
    }

    pub fn take_events(&mut self, node: usize) -> Vec<Event> {
        std::mem::take(&mut self.nodes[node].events)
    }

    pub fn next_wake(&self) -> Option<Time> {
        let flights = self.in_flight.keys().next().map(|(at, _)| *at);
        self.nodes.iter().filter_map(|node| node.endpoint.poll_timeout()).chain(flights).min()
    }

    /// Jumps to the next wake-up, if it is not after `limit`, and does what is due there.
    pub fn step(&mut self, limit: Time) -> bool {
        let Some(at) = self.next_wake().filter(|at| *at <= limit) else {
            self.now = self.now.max(limit);
            return false;
        };
        self.now = self.now.max(at);
        while let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let transmit = entry.remove();
            self.deliver(transmit);
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                self.act(node, |endpoint, now| endpoint.handle_timeout(now));
                let next = self.nodes[node].endpoint.poll_timeout();
                assert!(next.is_none_or(|at| at > self.now), "a deadline that was acted on is still due");
            }
        }
        true
    }

    pub fn run_for(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
    }

    /// Until nothing moves and no timer runs; an hour must be enough.
    pub fn run_out(&mut self) {
        let limit = self.now + Duration::from_secs(3600);
        while self.step(limit) {}
        assert_eq!(self.next_wake(), None, "something never ends");
    }

    /// Proves that no table of any node holds anything.
    pub fn assert_empty(&self) {
        for node in &self.nodes {
            assert_eq!(node.endpoint.entries(), 0, "left behind at {}: {:?}", node.address, node.endpoint);
        }
    }

    /// How many requests of this method, or responses with this code, a node sent.
    pub fn count(&self, node: usize, what: &str) -> usize {
        self.sent
            .iter()
            .filter(|(_, from, message)| *from == self.nodes[node].address && named(message) == what)
            .count()
    }

    fn drain(&mut self, node: usize) {
        while let Some(transmit) = self.nodes[node].endpoint.poll_transmit() {
            self.send(transmit);
        }
        while let Some(event) = self.nodes[node].endpoint.poll_event() {
            self.nodes[node].events.push(event);
        }
    }

    fn send(&mut self, transmit: Transmit) {
        let message = Message::parse(&transmit.bytes).expect("what an endpoint writes can be read");
        self.sent.push((self.now, transmit.hop.local, message));
        if self.cut {
            return;
        }
        let (low, high) = self.weather.delay;
        if self.transport.is_reliable() {
            self.fly(transmit, low);
            return;
        }
        let copies = if self.percent(self.weather.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            if !self.percent(self.weather.lost) {
                let span = (high - low).as_micros() as u64 + 1;
                let delay = low + Duration::from_micros(self.chance.next() % span);
                self.fly(transmit.clone(), delay);
            }
        }
    }

    fn fly(&mut self, transmit: Transmit, delay: Duration) {
        self.sequence += 1;
        self.in_flight.insert((self.now + delay, self.sequence), transmit);
    }

    fn deliver(&mut self, transmit: Transmit) {
        let Some(node) = self.nodes.iter().position(|node| node.address == transmit.hop.remote) else { return };
        let connection = self.transport.is_reliable().then_some(1);
        let Hop { transport, local, remote, .. } = transmit.hop;
        let hop = Hop { transport, local: remote, remote: local, connection };
        let message = Message::parse(&transmit.bytes).expect("it was read when it was sent");
        self.act(node, |endpoint, now| endpoint.handle_message(now, &hop, message));
    }

    pub fn percent(&mut self, of_100: u64) -> bool {
        self.chance.next() % 100 < of_100
    }

    /// A random moment between now and then.
    pub fn within(&mut self, time: Duration) -> Time {
        self.now + Duration::from_micros(self.chance.next() % (time.as_micros() as u64 + 1))
    }
}

/// The method of a request; the code and the method of a response, for example `200 INVITE`.
pub fn named(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => {
            let method = response.headers.cseq().expect("a response has its CSeq").1;
            format!("{} {method}", response.code)
        }
    }
}

/// The id of the first new INVITE among the events.
pub fn invited(events: &[Event]) -> Option<InviteId> {
    events.iter().find_map(|event| match event {
        Event::Invite { id, .. } => Some(*id),
        _ => None,
    })
}

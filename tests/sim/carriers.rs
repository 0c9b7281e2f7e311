//! The real engine between an agent's phone and carriers, each a SIP endpoint with manners of its own, in virtual time.

use crate::{MORNING, settings};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use vaxel::acd::QueueSettings;
use vaxel::engine::{Engine, Input, Output, Settings, Target, Trunk};
use vaxel::media;
use vaxel::record::What;
use vaxel::sim::media::{FakeMedia, switchboard};
use vaxel::sip::transaction::quoted_branch;
use vaxel::sip::{
    self, Account, Authenticator, Endpoint, Event, Failure, Headers, Hop, Invitation, InviteId, Message, Method,
    Request, Response, Transmit, Transport, Uri, Verdict,
};
use vaxel::time::{Duration, Time};

/// The realm of every carrier that asks for a password, and what it wants to hear.
pub const REALM: &str = "carrier.example";
pub const USER: &str = "46850000";
pub const PASSWORD: &str = "between us";

/// What a carrier does with a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Manner {
    Answers,
    /// Rings, and refuses after two seconds.
    RingsThen(u16),
    /// With Retry-After in seconds, if there is one.
    Refuses(u16, Option<u32>),
    /// Says 183 with a description, and after two seconds this.
    EarlyThen(u16),
    /// Sends the call to these numbers (302), each with its `;q=` if it has one.
    Redirects(&'static str),
    /// Says 183 with a description before that.
    EarlyThenRedirects(&'static str),
    /// Says 100 and nothing else.
    Tries,
    /// Nothing arrives there.
    Silent,
    /// The network says so.
    Unreachable,
}

pub struct Peer {
    pub address: SocketAddr,
    pub endpoint: Endpoint,
    pub manner: Manner,
    /// Asks for the password above.
    pub auth: Option<Authenticator>,
    /// Answers to its own requests and INVITEs, latest last.
    pub heard: Vec<Result<u16, Failure>>,
    /// INVITEs that came, after any challenge, and what became of REGISTERs: for how long, or the code.
    pub invites: Vec<(Time, Request)>,
    pub registers: Vec<Result<u32, u16>>,
    /// Of those REGISTERs that were taken: the Contact.
    pub contacts: Vec<String>,
    pub options: usize,
    /// What it shows when it is asked for a password.
    account: Option<Account>,
    up: Option<InviteId>,
}

enum Item {
    Packet(Transmit),
    Media(media::Event),
    Refuse(usize, InviteId, u16),
}

pub struct House {
    pub now: Time,
    pub engine: Engine,
    media: FakeMedia,
    /// The agent's phone first.
    pub peers: Vec<Peer>,
    pub told: Vec<What>,
    /// How often the sound of two was joined.
    pub bridges: usize,
    /// How often music or a tone began that does not end by itself.
    pub repeats: usize,
    /// Ways that were kept open, and when.
    pub kept_open: Vec<(Time, Hop)>,
    /// What went where none of the peers is.
    pub astray: Vec<(Hop, Message)>,
    agenda: BTreeMap<(Time, u64), Item>,
    sequence: u64,
}

const DELAY: Duration = Duration::from_millis(5);

pub fn address(peer: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10 + u8::try_from(peer).expect("a few peers")], 5060))
}

pub fn hop(peer: usize) -> Hop {
    Hop { transport: Transport::Udp, local: switchboard(), remote: address(peer), connection: None }
}

pub fn target(peer: usize) -> Target {
    Target { hop: hop(peer), priority: 0, weight: 0 }
}

/// A trunk to the carrier of this place, that takes everything international.
pub fn trunk(peer: usize) -> Trunk {
    let targets = vec![target(peer)];
    Trunk { name: format!("carrier{peer}"), sends: true, targets, takes: vec!["+".into()], ..Trunk::default() }
}

pub fn account() -> Account {
    Account { user: USER.into(), password: PASSWORD.into(), realm: REALM.into() }
}

impl House {
    /// Carriers are counted from one.
    pub fn new(trunks: Vec<Trunk>, manners: &[Manner]) -> House {
        House::with(trunks, manners, |_| {})
    }

    pub fn with(trunks: Vec<Trunk>, manners: &[Manner], change: impl FnOnce(&mut Settings)) -> House {
        let mut settings = settings(2, QueueSettings::default());
        settings.trunks = trunks;
        change(&mut settings);
        let agent = Account { user: "agent0".into(), password: "secret0".into(), realm: settings.realm.clone() };
        let peer = |at: usize, manner: Manner, account| Peer {
            address: address(at),
            endpoint: Endpoint::new(sip::Settings::default(), 100 + at as u128),
            manner,
            auth: None,
            heard: Vec::new(),
            invites: Vec::new(),
            registers: Vec::new(),
            contacts: Vec::new(),
            options: 0,
            account,
            up: None,
        };
        let mut peers = vec![peer(0, Manner::Answers, Some(agent))];
        peers.extend(manners.iter().enumerate().map(|(at, manner)| peer(at + 1, manner.clone(), None)));
        let engine = Engine::new(settings, 7, MORNING);
        House {
            now: MORNING,
            engine,
            media: FakeMedia::default(),
            bridges: 0,
            repeats: 0,
            kept_open: Vec::new(),
            peers,
            told: Vec::new(),
            astray: Vec::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// The carrier wants a password from now on.
    pub fn asks_for_password(&mut self, peer: usize) {
        self.peers[peer].auth = Some(Authenticator::new(REALM, [9; 32], Duration::from_secs(300)));
    }

    pub fn shows(&mut self, peer: usize, account: Account) {
        self.peers[peer].account = Some(account);
    }

    /// A peer calls a number of the house.
    pub fn calls(&mut self, peer: usize, number: &str) {
        self.calls_at(peer, number, number);
    }

    pub fn calls_with(&mut self, peer: usize, number: &str, headers: Headers) {
        self.invites(peer, at_house(number), number, usual_caller(peer), headers, None);
    }

    /// By a TLS connection of the peer.
    pub fn calls_by(&mut self, connection: u64, peer: usize, number: &str) {
        self.invites(peer, at_house(number), number, usual_caller(peer), Headers::default(), Some(connection));
    }

    /// A peer calls a number by way of `user`, which its request is sent to.
    pub fn calls_at(&mut self, peer: usize, user: &str, number: &str) {
        self.invites(peer, at_house(user), number, usual_caller(peer), Headers::default(), None);
    }

    /// A peer calls a number of the house as somebody, with these headers.
    pub fn calls_from(&mut self, peer: usize, from: &str, number: &str, headers: Headers) {
        let from = Uri::sip(Some(from), address(peer));
        self.invites(peer, at_house(number), number, (Some("Karin".into()), from), headers, None);
    }

    /// An agent's phone calls this URI, by a TLS connection if that is `sips:`.
    pub fn agent_calls(&mut self, peer: usize, agent: &str, target: Uri) {
        let (number, connection) = (target.user().unwrap_or_default().to_owned(), target.is_secure().then_some(9));
        let caller = (None, Uri::sip(Some(agent), address(peer)));
        self.invites(peer, target, &number, caller, Headers::default(), connection);
    }

    fn invites(
        &mut self,
        peer: usize,
        target: Uri,
        number: &str,
        caller: (Option<String>, Uri),
        headers: Headers,
        connection: Option<u64>,
    ) {
        let transport = if connection.is_some() { Transport::Tls } else { Transport::Udp };
        let from = address(peer);
        let invitation = Invitation {
            target,
            hop: Hop { transport, local: from, remote: switchboard(), connection },
            from: caller,
            to: Uri::sip(Some(number), switchboard()),
            contact_user: None,
            headers,
            offer: sdp(from),
            enclosed: Vec::new(),
            follows: false,
            answers_challenges: true,
        };
        let now = self.now;
        self.peers[peer].up = Some(self.peers[peer].endpoint.invite(now, invitation));
        self.drain(peer);
    }

    /// A peer sends the other end of its call to this number, and says who does.
    pub fn transfers(&mut self, peer: usize, number: &str, by: &str) {
        self.transfers_to(peer, &at_house(number), by);
    }

    pub fn transfers_to(&mut self, peer: usize, to: &Uri, by: &str) {
        let (now, up) = (self.now, self.peers[peer].up.expect("it is in a call"));
        self.peers[peer].endpoint.refer(now, up, &format!("<{to}>"), &[("Referred-By", by)]);
        self.drain(peer);
    }

    pub fn hangs_up(&mut self, peer: usize) {
        let now = self.now;
        if let Some(up) = self.peers[peer].up {
            self.peers[peer].endpoint.cancel(now, up, None);
            self.peers[peer].endpoint.bye(now, up, None);
        }
        self.drain(peer);
    }

    pub fn drain_house(&mut self, limit: Duration) {
        let until = self.now + limit;
        self.tell(Input::Drain { until });
    }

    pub fn tell(&mut self, input: Input) {
        let now = self.now;
        self.engine.handle(now, input);
        self.drain_engine();
    }

    pub fn pass(&mut self, time: Duration) {
        let limit = self.now + time;
        loop {
            let wakes = self.peers.iter().filter_map(|peer| peer.endpoint.poll_timeout());
            let next = self.agenda.keys().next().map(|(at, _)| *at);
            let Some(at) = wakes.chain(self.engine.poll_timeout()).chain(next).min().filter(|at| *at <= limit) else {
                break;
            };
            self.now = self.now.max(at);
            while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let item = entry.remove();
                self.happens(item);
            }
            for peer in 0..self.peers.len() {
                let now = self.now;
                if self.peers[peer].endpoint.poll_timeout().is_some_and(|at| at <= now) {
                    self.peers[peer].endpoint.handle_timeout(now);
                    self.drain(peer);
                }
            }
            if self.engine.poll_timeout().is_some_and(|at| at <= self.now) {
                self.engine.handle_timeout(self.now);
                self.drain_engine();
            }
        }
        self.now = limit;
    }

    /// The last thing the peer heard of its call: the code.
    pub fn heard(&self, peer: usize) -> Option<u16> {
        self.peers[peer].heard.last().and_then(|heard| heard.as_ref().ok().copied())
    }

    /// The provisional answers among what the peer heard.
    pub fn early(&self, peer: usize) -> Vec<u16> {
        let heard = self.peers[peer].heard.iter().filter_map(|heard| heard.as_ref().ok().copied());
        heard.filter(|code| *code < 200).collect()
    }

    /// The flows that callers came to, one after the other.
    pub fn flows(&self) -> Vec<String> {
        let steps = self.told.iter().filter_map(|what| match what {
            What::Step { flow, step, .. } if **step == *"topics" => Some(flow.to_string()),
            _ => None,
        });
        steps.collect()
    }

    pub fn called(&self, peer: usize) -> usize {
        self.peers[peer].invites.len()
    }

    /// Everybody hangs up, and nothing may be remembered.
    pub fn over(mut self) {
        for peer in 0..self.peers.len() {
            self.hangs_up(peer);
        }
        self.pass(Duration::from_secs(120));
        let left: Vec<_> = self.engine.leftovers().into_iter().filter(|(table, _)| *table != "transactions").collect();
        assert_eq!(left, []);
    }

    fn happens(&mut self, item: Item) {
        let now = self.now;
        match item {
            Item::Media(event) if self.media.still_true(&event) => self.tell(Input::Media(event)),
            Item::Media(_) => {}
            Item::Refuse(peer, id, code) => {
                self.peers[peer].endpoint.reject(now, id, code, Headers::default());
                self.drain(peer);
            }
            Item::Packet(Transmit { hop, bytes, .. }) => {
                let message = Message::parse(&bytes).expect("what an endpoint writes can be read");
                let sent = hop;
                let hop = Hop { local: hop.remote, remote: hop.local, ..hop };
                if hop.local == switchboard() {
                    return self.tell(Input::Sip { hop, message: Box::new(message) });
                }
                let Some(peer) = self.peers.iter().position(|peer| peer.address == hop.local) else {
                    return self.astray.push((sent, message));
                };
                match self.peers[peer].manner {
                    Manner::Silent => {}
                    Manner::Unreachable => {
                        let failed = Hop { local: hop.remote, remote: hop.local, ..hop };
                        if hop.transport != Transport::Udp {
                            self.tell(Input::HopFailed { hop: failed });
                        } else if let Some(branch) = quoted_branch(&bytes) {
                            self.tell(Input::Undelivered { hop: failed, branch });
                        }
                    }
                    _ => {
                        self.peers[peer].endpoint.handle_message(now, &hop, message);
                        self.drain(peer);
                    }
                }
            }
        }
    }

    fn at(&mut self, at: Time, item: Item) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), item);
    }

    fn drain_engine(&mut self) {
        let now = self.now;
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Sip(transmit) => self.at(now + DELAY, Item::Packet(transmit)),
                Output::Media(command) => {
                    self.bridges += usize::from(matches!(command, media::Command::Bridge { .. }));
                    self.repeats += usize::from(matches!(command, media::Command::Play { repeat: true, .. }));
                    if let Some((at, event)) = self.media.command(now, command) {
                        self.at(at, Item::Media(event));
                    }
                }
                Output::Toll(_) | Output::Acd(_) | Output::Answer(_) => {}
                Output::Event(event) => self.told.push(event.what),
                Output::KeepOpen(hop) => self.kept_open.push((now, hop)),
                Output::Registration(_) | Output::Judged { .. } => {}
                Output::Drained => self.told.push(What::CallRefused { code: 0, reason: "drained".into() }),
            }
        }
    }

    fn drain(&mut self, peer: usize) {
        while let Some(event) = self.peers[peer].endpoint.poll_event() {
            self.peer_event(peer, event);
        }
        while let Some(transmit) = self.peers[peer].endpoint.poll_transmit() {
            self.at(self.now + DELAY, Item::Packet(transmit));
        }
    }

    fn peer_event(&mut self, at: usize, event: Event) {
        let now = self.now;
        let peer = &mut self.peers[at];
        match event {
            Event::Invite { id, request, hop } => {
                if let Some(challenge) = peer.challenge(now, hop.remote, &request) {
                    return peer.endpoint.challenge(now, id, challenge);
                }
                peer.invites.push((now, *request));
                peer.up = Some(id);
                match peer.manner {
                    Manner::Answers => {
                        peer.endpoint.ring(now, id, 180, Vec::new());
                        peer.endpoint.accept(now, id, sdp(peer.address));
                    }
                    Manner::RingsThen(code) => {
                        peer.endpoint.ring(now, id, 180, Vec::new());
                        self.at(now + Duration::from_secs(2), Item::Refuse(at, id, code));
                    }
                    Manner::Refuses(code, retry_after) => {
                        let mut headers = Headers::default();
                        if let Some(seconds) = retry_after {
                            headers.push("Retry-After", seconds.to_string());
                        }
                        peer.endpoint.reject(now, id, code, headers);
                    }
                    Manner::EarlyThen(code) => {
                        peer.endpoint.ring(now, id, 183, sdp(peer.address));
                        self.at(now + Duration::from_secs(2), Item::Refuse(at, id, code));
                    }
                    Manner::Redirects(to) | Manner::EarlyThenRedirects(to) => {
                        if matches!(peer.manner, Manner::EarlyThenRedirects(_)) {
                            peer.endpoint.ring(now, id, 183, sdp(peer.address));
                        }
                        let mut headers = Headers::default();
                        headers.push("Contact", format!("<sip:nobody@{}>;q=0.1", peer.address));
                        for place in to.split_whitespace() {
                            let (to, q) =
                                place.split_once(';').map_or((place, String::new()), |(to, q)| (to, format!(";{q}")));
                            let (scheme, to) = to.strip_prefix("sips:").map_or(("sip", to), |to| ("sips", to));
                            // Without a host: one of the switchboard's numbers.
                            let to = if to.contains('@') { to.to_owned() } else { format!("{to}@{}", switchboard()) };
                            headers.push("Contact", format!("<{scheme}:{to}>{q}"));
                        }
                        peer.endpoint.reject(now, id, 302, headers);
                    }
                    Manner::Tries | Manner::Silent | Manner::Unreachable => {}
                }
            }
            Event::Request { id, request, hop } => {
                let response = match (peer.challenge(now, hop.remote, &request), &request.method) {
                    (_, Method::Options) => {
                        peer.options += 1;
                        Response::to(&request, 200, None)
                    }
                    (Some(challenge), _) => {
                        peer.registers.push(Err(challenge.code));
                        challenge
                    }
                    (None, _) => {
                        let expires = request.headers.expires().unwrap_or(0);
                        peer.registers.push(Ok(expires));
                        peer.contacts.extend(request.headers.get("Contact").map(str::to_owned));
                        let mut response = Response::to(&request, 200, None);
                        response.headers.push("Expires", expires.to_string());
                        response
                    }
                };
                peer.endpoint.respond(now, id, response);
            }
            Event::Challenged { id, response } => {
                let account = peer.account.clone();
                if account.is_none_or(|account| peer.endpoint.log_in(now, id, &account).is_err()) {
                    peer.heard.push(Ok(response.code));
                    peer.endpoint.cancel(now, id, None);
                }
            }
            Event::Progress { code, .. } => peer.heard.push(Ok(code)),
            Event::Answered { response, .. } => peer.heard.push(Ok(response.code)),
            Event::Failed { failure: Failure::Response(response), .. } => {
                assert!(response.code != 503 || response.headers.retry_after().is_some(), "it says when to try again");
                peer.heard.push(Ok(response.code));
            }
            Event::Failed { failure: Failure::Cancelled, .. } => {}
            Event::Failed { failure, .. } => peer.heard.push(Err(failure)),
            _ => {}
        }
    }
}

fn at_house(user: &str) -> Uri {
    Uri::sip(Some(user), switchboard())
}

fn usual_caller(peer: usize) -> (Option<String>, Uri) {
    (None, Uri::sip(Some(if peer == 0 { "agent0" } else { "+46701" }), address(peer)))
}

impl Peer {
    fn challenge(&mut self, now: Time, from: SocketAddr, request: &Request) -> Option<Response> {
        let auth = self.auth.as_mut()?;
        match auth.check(now, from, request, |user| (user == USER).then(|| PASSWORD.to_owned())) {
            Verdict::Accepted { .. } => None,
            Verdict::Challenge { stale } => Some(auth.challenge(now, from, request, stale)),
            Verdict::OtherUri { .. } => Some(Response::to(request, 400, None)),
            Verdict::Wrong { .. } => Some(Response::to(request, 403, None)),
        }
    }
}

fn sdp(at: SocketAddr) -> Vec<u8> {
    let ip = at.ip();
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n").into_bytes()
}

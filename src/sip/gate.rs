//! Who may disturb the switchboard, judged before it hears of a message.
//!
//! Peers are *known* (they answered a challenge rightly, or we sent them a request), *trusted* (an operator named their
//! address: trunks), or strangers. Known and trusted ones pass. A stranger's request without credentials of ours is challenged
//! here, without state and without the switchboard; what must be looked at there (credentials, requests inside dialogs,
//! CANCEL, ACK, responses) passes at a limited rate per source.
//!
//! Whoever guesses passwords is not listened to for a while, be it a stranger or somebody who has an account and guesses
//! that of a colleague: the account from that source, not the source as a whole, so a phone beside the guesser behind the
//! same NAT is heard. A phone of that very account is heard there too, all the time if it proved the account where it sends
//! from, and otherwise once in each pause if it has not been wrong itself; the guesser's going on takes that from nobody
//! but those who come after it. Only credentials that answer a challenge which went to that very source count at all, so over
//! UDP nobody guesses in another's name.
//!
//! All strangers together are limited as well, so that a flood from many sources costs little more than reading who sent it;
//! while it lasts, new phones have to ask more than once. Datagrams and streams are counted apart in both limits: anybody can write
//! any sender on a datagram, and must not spend with that what those have who proved by a handshake where they are.
//!
//! Every table is bounded. At its bound the half that was not used for longest is forgotten: a flood from many sources
//! makes the gate forget guesses sooner, and phones be strangers for one request, no more.

use super::auth::Authenticator;
use super::digest::Credentials;
use super::endpoint::{Hop, Transmit, Transport};
use super::message::{Message, Request, reason_phrase};
use super::method::Method;
use super::parse::BadMessage;
use super::recent::Recent;
use crate::time::{Duration, Time};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An answer to a stranger over UDP is at most this many times as long as what it answers, or our answers would be a
/// weapon against whoever the sender pretends to be.
pub const AMPLIFICATION_MAX: usize = 3;
/// Sources of strangers that are remembered.
pub const SOURCES_MAX: usize = 16_384;
/// Known peers that are remembered.
pub const KNOWN_MAX: usize = 65_536;
/// Accounts whose wrong passwords are counted for one source; at the bound no further account is listened to from there,
/// unless an operator named the source.
pub const ACCOUNTS_MAX: usize = 32;
const SECOND: Duration = Duration::from_secs(1);
/// How long a peer stays known after it was last heard of rightly.
pub const KNOWN_FOR: Duration = Duration::from_secs(4 * 3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Requests per second of one source (an IPv4 address, an IPv6 /64) while it is strange, by UDP and as many by streams; at least 1.
    pub rate: u32,
    /// How many of them may come at once; at least 1.
    pub burst: u32,
    /// Requests per second of all strangers together, and as many at once, by UDP and as many by streams; at least 1.
    pub rate_of_all: u32,
    /// Wrong passwords for one account from one source; then it is not listened to. At least 1.
    pub guesses: u32,
    /// For how long, from the last wrong password on.
    pub pause: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { rate: 100, burst: 1000, rate_of_all: 1000, guesses: 5, pause: Duration::from_secs(60) }
    }
}

/// What is done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// To the switchboard, before all strangers.
    Known,
    /// To the switchboard, when it has time.
    Stranger,
    /// Answered here by [`Gate::challenge`].
    Challenge { stale: bool },
    /// No answer.
    Drop(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The source sends too much.
    TooMany,
    /// The source guesses the password of this account.
    Guessing,
}

/// See the module's documentation.
pub struct Gate {
    settings: Settings,
    /// For challenges and for telling our nonces; which counts were used is the switchboard's business.
    auth: Authenticator,
    known: Recent<SocketAddr, Time>,
    /// Until when each peer is known to have an account, which is a keyed hash. Credentials for others are guesses.
    proved: Recent<(SocketAddr, u64), Time>,
    sources: Recent<IpAddr, Source>,
    /// As [`Source::paid_until`], for all strangers together.
    all_paid_until: [Time; WAYS],
    /// For [`Guess`] and `proved`: strangers choose those names, and how long they are.
    keys: RandomState,
}

/// Kinds of ways that are counted apart.
const WAYS: usize = 2;

/// The place of a transport among what is counted apart.
fn way(transport: Transport) -> usize {
    usize::from(transport != Transport::Udp)
}

#[derive(Clone, Debug)]
struct Source {
    /// When all that came by each [`way`] would have come at the rate allowed (the virtual scheduling of a token bucket).
    paid_until: [Time; WAYS],
    guesses: Vec<Guess>,
}

/// Nothing of it is as long as a stranger likes.
#[derive(Clone, Copy, Debug)]
struct Guess {
    /// A keyed hash of its name.
    account: u64,
    /// Wrong passwords since it was last heard.
    wrong: u32,
    /// Credentials that are with the switchboard and not judged.
    pending: u32,
    last: Time,
    /// A keyed hash of the peer that was wrong last.
    by: u64,
    /// Another peer was let through although `wrong` is at its bound.
    spared: bool,
}

/// Accounts of one source that are remembered; for a further one the oldest is forgotten.
const PENDING_MAX: usize = 256;
/// Credentials of which nothing was heard for so long were never judged: what brought them was a retransmission.
const PENDING_FOR: Duration = Duration::from_secs(1);

impl Source {
    fn new(now: Time) -> Source {
        Source { paid_until: [now; WAYS], guesses: Vec::new() }
    }

    /// Makes room: what says least about guessing goes first.
    fn forget_oldest(&mut self) {
        if let Some((oldest, _)) =
            self.guesses.iter().enumerate().min_by_key(|(_, guess)| (guess.wrong, guess.pending, guess.last))
        {
            self.guesses.swap_remove(oldest);
        }
    }
}

impl Guess {
    fn new(account: u64, last: Time, by: u64) -> Guess {
        Guess { account, wrong: 0, pending: 0, last, by, spared: false }
    }

    fn is_over(&mut self, now: Time, pause: Duration) -> bool {
        if now >= self.last + PENDING_FOR {
            self.pending = 0;
        }
        self.pending == 0 && (self.wrong == 0 || now >= self.last + pause)
    }
}

impl Gate {
    /// `auth`: of the same realm and key as the one that judges credentials.
    pub fn new(settings: Settings, auth: Authenticator) -> Gate {
        Gate {
            settings,
            auth,
            known: Recent::new(KNOWN_MAX),
            proved: Recent::new(KNOWN_MAX),
            sources: Recent::new(SOURCES_MAX),
            all_paid_until: [Time::EPOCH; WAYS],
            keys: RandomState::new(),
        }
    }

    /// Whatever comes from there by this transport would be dropped: it need not even be read.
    pub fn is_shut(&mut self, now: Time, transport: Transport, remote: SocketAddr) -> bool {
        let (tolerance, way) = (self.tolerance(), way(transport));
        !self.is_known(now, remote)
            && (self.all_paid_until[way] > now + SECOND
                || self.sources.get(&source(remote)).is_some_and(|source| source.paid_until[way] > now + tolerance))
    }

    /// Judges a message that came by `hop`; `is_trusted`: from an address that the operator named.
    pub fn judge(&mut self, now: Time, hop: &Hop, is_trusted: bool, message: &Message) -> Ruling {
        let is_known = self.is_known(now, hop.remote);
        let request = match message {
            Message::Request(request) => request,
            Message::Response(_) if is_trusted || is_known => return Ruling::Known,
            Message::Response(_) => return self.passes(now, hop.transport, hop.remote),
        };
        if is_known {
            return self.judge_known(now, hop.remote, is_trusted, request);
        }
        let signs = request.headers.has("Authorization") || request.method == Method::Register;
        if is_trusted && !signs {
            return Ruling::Known;
        }
        if !is_trusted && let Ruling::Drop(reason) = self.passes(now, hop.transport, hop.remote) {
            return Ruling::Drop(reason);
        }
        if !request.begins() {
            return Ruling::Stranger;
        }
        match self.auth.credentials(request) {
            None => Ruling::Challenge { stale: false },
            Some(credentials) => self.judge_credentials(now, hop.remote, is_trusted, &credentials),
        }
    }

    /// Whoever is known may ask what it likes, but not guess what others have.
    fn judge_known(&mut self, now: Time, remote: SocketAddr, is_trusted: bool, request: &Request) -> Ruling {
        if !request.begins() {
            return Ruling::Known;
        }
        let Some(credentials) = self.auth.credentials(request) else { return Ruling::Known };
        match self.judge_credentials(now, remote, is_trusted, &credentials) {
            Ruling::Stranger => Ruling::Known,
            other => other,
        }
    }

    /// Judges what could not be read, where `Stranger` stands for an answer by [`Gate::answer_unread`], and what is no SIP.
    pub fn judge_unread(&mut self, now: Time, transport: Transport, remote: SocketAddr, is_trusted: bool) -> Ruling {
        if is_trusted || self.is_known(now, remote) { Ruling::Known } else { self.passes(now, transport, remote) }
    }

    fn judge_credentials(
        &mut self,
        now: Time,
        remote: SocketAddr,
        is_trusted: bool,
        credentials: &Credentials,
    ) -> Ruling {
        if !self.auth.is_fresh(now, remote, &credentials.nonce) {
            // Without a password nobody here can tell whether it is right; who has the right one tries again. Nor does it count:
            // whoever wrote that sender may never have heard our challenge there.
            return Ruling::Challenge { stale: true };
        }
        let (allowed, pause) = (self.settings.guesses, self.settings.pause);
        let (account, by) = (self.keys.hash_one(&*credentials.user), self.keys.hash_one(remote));
        if self.has_proved(now, remote, account) {
            return Ruling::Stranger;
        }
        let source = self.sources.entry(source(remote), Source::new(now));
        source.guesses.retain_mut(|guess| !guess.is_over(now, pause));
        let wrong = source.guesses.iter().filter(|guess| guess.wrong > 0).count();
        let is_full = source.guesses.len() >= PENDING_MAX;
        match source.guesses.iter_mut().find(|guess| guess.account == account) {
            // As if all that are on their way were wrong: a burst is no way to more guesses.
            Some(guess) if guess.wrong + guess.pending >= allowed => {
                if guess.wrong < allowed || guess.spared || guess.by == by {
                    return Ruling::Drop(Reason::Guessing);
                }
                guess.spared = true;
            }
            Some(guess) => {
                guess.pending += 1;
                if guess.wrong == 0 {
                    guess.last = now;
                }
            }
            // Behind what an operator named, a proxy of ours perhaps, are many.
            None if wrong >= ACCOUNTS_MAX && !is_trusted => return Ruling::Drop(Reason::Guessing),
            None => {
                if is_full {
                    source.forget_oldest();
                }
                source.guesses.push(Guess { pending: 1, ..Guess::new(account, now, by) });
            }
        }
        Ruling::Stranger
    }

    /// The switchboard has judged credentials of `account` that came from there.
    pub fn judged(&mut self, now: Time, remote: SocketAddr, account: &str, is_right: bool) {
        let (account, by) = (self.keys.hash_one(account), self.keys.hash_one(remote));
        if is_right {
            if let Some(source) = self.sources.get(&source(remote)) {
                // Who mistyped and then was right is clear; who guesses beside it is not.
                source.guesses.retain(|guess| guess.account != account || (guess.wrong > 0 && guess.by != by));
                for guess in source.guesses.iter_mut().filter(|guess| guess.account == account) {
                    guess.pending = guess.pending.saturating_sub(1);
                }
            }
            return self.prove(now, remote, account);
        }
        let (allowed, pause) = (self.settings.guesses, self.settings.pause);
        let source = self.sources.entry(source(remote), Source::new(now));
        source.guesses.retain_mut(|guess| !guess.is_over(now, pause));
        let is_full = source.guesses.len() >= PENDING_MAX;
        match source.guesses.iter_mut().find(|guess| guess.account == account) {
            Some(guess) => {
                guess.wrong += 1;
                guess.pending = guess.pending.saturating_sub(1);
                (guess.last, guess.by) = (now, by);
                // Who has proved this very account need not guess it: over UDP anybody can write that sender.
                if guess.wrong >= allowed && !self.has_proved(now, remote, account) {
                    self.known.remove(&remote);
                }
            }
            None => {
                if is_full {
                    source.forget_oldest();
                }
                source.guesses.push(Guess { wrong: 1, ..Guess::new(account, now, by) });
            }
        }
    }

    /// Whether it showed the password of this account from this very address and port.
    fn has_proved(&mut self, now: Time, remote: SocketAddr, account: u64) -> bool {
        self.proved.get(&(remote, account)).is_some_and(|until| now < *until)
    }

    /// It has the password of this account.
    fn prove(&mut self, now: Time, remote: SocketAddr, account: u64) {
        self.vouch(now, remote);
        *self.proved.entry((remote, account), now) = now + KNOWN_FOR;
    }

    /// We have to do with this peer: it answered rightly, or we sent it a request.
    pub fn vouch(&mut self, now: Time, remote: SocketAddr) {
        *self.known.entry(remote, now) = now + KNOWN_FOR;
    }

    /// 401 to `request`, which was `size` bytes long, without any state kept of it (RFC 3261 §8.2.7). `None`: over UDP even the
    /// shortest challenge would be more than [`AMPLIFICATION_MAX`] times as long.
    pub fn challenge(&self, now: Time, hop: &Hop, request: &Request, size: usize, stale: bool) -> Option<Transmit> {
        let mut response = self.auth.challenge(now, hop.remote, request, stale);
        let hop = response.go_back(hop)?;
        response.set_stateless_tag();
        let fits = |bytes: &Vec<u8>| hop.transport != Transport::Udp || bytes.len() <= AMPLIFICATION_MAX * size;
        let bytes = Some(response.to_bytes()).filter(fits).or_else(|| {
            let challenges: Vec<String> = response.headers.get_all("WWW-Authenticate").map(str::to_owned).collect();
            // The last is what old phones know as well.
            response.headers.set("WWW-Authenticate", challenges.last()?.as_str());
            Some(response.to_compact_bytes()).filter(fits)
        })?;
        Some(Transmit::new(hop, bytes))
    }

    /// The answer to what could not be read, with the same bound; `None` also for what is never answered. What is wrong it says in
    /// the words of the RFCs: our own would tell scanners what we are.
    pub fn answer_unread(&self, hop: &Hop, bad: &BadMessage, size: usize) -> Option<Transmit> {
        let mut response = bad.response()?;
        response.reason = reason_phrase(response.code).to_owned();
        // Without a readable Via, to where it came from.
        let hop = response.go_back(hop).unwrap_or(*hop);
        let bytes = response.to_bytes();
        let fits = |bytes: &Vec<u8>| hop.transport != Transport::Udp || bytes.len() <= AMPLIFICATION_MAX * size;
        let bytes = Some(bytes).filter(fits).or_else(|| Some(response.to_compact_bytes()).filter(fits))?;
        Some(Transmit::new(hop, bytes))
    }

    /// One message more of a stranger.
    fn passes(&mut self, now: Time, transport: Transport, remote: SocketAddr) -> Ruling {
        let (tolerance, way) = (self.tolerance(), way(transport));
        let step = Duration::from_micros(1_000_000 / u64::from(self.settings.rate.clamp(1, 1_000_000)));
        let source = &mut self.sources.entry(source(remote), Source::new(now)).paid_until[way];
        let all = &mut self.all_paid_until[way];
        if *source > now + tolerance || *all > now + SECOND {
            return Ruling::Drop(Reason::TooMany);
        }
        let of_all = Duration::from_micros(1_000_000 / u64::from(self.settings.rate_of_all.clamp(1, 1_000_000)));
        *all = (*all).max(now) + of_all;
        *source = (*source).max(now) + step;
        Ruling::Stranger
    }

    /// How far a source may be ahead of its rate.
    fn tolerance(&self) -> Duration {
        let rate = u64::from(self.settings.rate.clamp(1, 1_000_000));
        Duration::from_micros(1_000_000 / rate * u64::from(self.settings.burst.max(1) - 1))
    }

    pub fn is_known(&mut self, now: Time, remote: SocketAddr) -> bool {
        self.known.get(&remote).is_some_and(|until| now < *until)
    }
}

/// What one customer of a network can send from: an IPv4 address, or a /64 of IPv6.
pub fn source(remote: SocketAddr) -> IpAddr {
    match remote.ip().to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests;

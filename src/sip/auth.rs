//! The server side of digest: who sent this request? (RFC 7616 §3.3–§3.5, RFC 3261 §22.2)
//!
//! Nonces are made of their time and a keyed hash, so asking costs no memory. Only credentials that were right are
//! remembered, in a bounded table, so that none of them can be used twice.
//!
//! A nonce is for the realm and the [`source`] that it was given to. Elsewhere it is as good as an old one: who has the password
//! and was moved by its router is asked again (`stale`), and who writes a false sender has nothing to answer with, so that it can
//! fill nobody's count of wrong passwords.

use super::digest::{Algorithm, Challenge, Credentials, hex};
use super::gate::source;
use super::message::{Request, Response};
use super::method::Method;
use super::uri::Uri;
use crate::time::{Duration, Time};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use subtle::ConstantTimeEq;

/// Nonces in use at once. At the bound the oldest is forgotten, and whoever holds one as old is asked again (`stale`).
pub const MAX_NONCES: usize = 16_384;

/// See [`Authenticator::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted {
        user: String,
    },
    /// No credentials for this realm, or none we understand, or (`stale`) right ones with a nonce that is used up, too old,
    /// or for another sender.
    /// Answer with [`Authenticator::challenge`].
    Challenge {
        stale: bool,
    },
    /// The password was right, but they were made for another address ([`Credentials::uri`]). Answer 400
    /// (RFC 7616 §3.4.6). They stay unused.
    OtherUri {
        user: String,
    },
    /// The user is unknown or the password wrong; the two look the same from outside. Answer 403, or a challenge for
    /// who may have mistyped; always a challenge if `old_nonce`, as whoever used it may have had no better one.
    Wrong {
        user: String,
        old_nonce: bool,
    },
}

pub struct Authenticator {
    realm: String,
    key: [u8; 32],
    nonce_lifetime: Duration,
    /// What is asked for, in this order; credentials by another are not looked at.
    algorithms: Vec<Algorithm>,
    /// By issue time and salt of the nonce: oldest first.
    used: BTreeMap<(Time, u32), Window>,
    /// Nonces issued before this were forgotten and count as used up.
    forgotten_before: Time,
}

impl Authenticator {
    /// `key` is secret and random; with the same key, nonces live on over a restart. Asks for SHA-256 and MD5.
    pub fn new(realm: impl Into<String>, key: [u8; 32], nonce_lifetime: Duration) -> Authenticator {
        Authenticator {
            realm: realm.into(),
            key,
            nonce_lifetime,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            used: BTreeMap::new(),
            forgotten_before: Time::EPOCH,
        }
    }

    /// Asks for these, best first, and takes no others.
    pub fn asking_for(mut self, algorithms: Vec<Algorithm>) -> Authenticator {
        self.algorithms = algorithms;
        self
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Judges the Authorization headers of `request`, which came `from` there. `password` gives that of a user, `None` for an unknown one.
    ///
    /// Each count of a nonce is accepted once. Without `qop` there is no count, so such a nonce is good for one request.
    /// The `uri` parameter must not name another user than the Request-URI. Some (SIPp) name none. Its host, port and
    /// parameters need not be the same, because phones behind proxies and balancers write the one they know; nor anything in
    /// a REGISTER, whose Request-URI says nothing of what it does.
    pub fn check(
        &mut self,
        now: Time,
        from: SocketAddr,
        request: &Request,
        password: impl Fn(&str) -> Option<String>,
    ) -> Verdict {
        let Some(credentials) = self.credentials(request) else {
            return Verdict::Challenge { stale: false };
        };
        // An unknown user costs the same work as a known one.
        let known = password(&credentials.user);
        let right = credentials.verify(known.as_deref().unwrap_or_default(), &request.method) && known.is_some();
        let issued = self.issued(now, source(from), &credentials.nonce);
        match issued {
            _ if !right => Verdict::Wrong { user: credentials.user, old_nonce: issued.is_none() },
            None => Verdict::Challenge { stale: true },
            Some(_) if !is_for(request, &credentials.uri) => Verdict::OtherUri { user: credentials.user },
            Some(id) => {
                let count = credentials.qop.map_or(1, |qop| qop.nc);
                if self.use_up(now, id, count) {
                    Verdict::Accepted { user: credentials.user }
                } else {
                    Verdict::Challenge { stale: true }
                }
            }
        }
    }

    /// The first credentials that answer a challenge of this realm by an algorithm that is asked for. Whether they are
    /// right is not looked at.
    pub fn credentials(&self, request: &Request) -> Option<Credentials> {
        let credentials = request.headers.get_all("Authorization").filter_map(Credentials::parse);
        let ours = |c: &Credentials| c.realm == self.realm && self.algorithms.contains(&c.algorithm);
        credentials.into_iter().find(ours)
    }

    /// This nonce is ours, for whoever sends `from` there, and not too old. How often it was used is not looked at.
    pub fn is_fresh(&self, now: Time, from: SocketAddr, nonce: &str) -> bool {
        self.issued(now, source(from), nonce).is_some()
    }

    /// 401 with a challenge for each algorithm, best first (RFC 8760 §2.4), good for who sent `request` `from` there. The To tag
    /// is the caller's matter.
    pub fn challenge(&self, now: Time, from: SocketAddr, request: &Request, stale: bool) -> Response {
        // The salt keeps apart those who ask in the same microsecond, and a retransmission gets the same nonce.
        let salt = self.keyed(&[b"salt", request.headers.get("Call-ID").unwrap_or_default().as_bytes()]);
        let salt = u32::from_be_bytes([salt[0], salt[1], salt[2], salt[3]]);
        let nonce = self.nonce(now, source(from), salt);
        let mut response = Response::to(request, 401, None);
        for &algorithm in &self.algorithms {
            let (realm, nonce) = (self.realm.clone(), nonce.clone());
            let challenge = Challenge { realm, nonce, opaque: None, algorithm, stale, qop: true };
            response.headers.push("WWW-Authenticate", challenge.to_string());
        }
        response
    }

    fn nonce(&self, issued: Time, source: IpAddr, salt: u32) -> String {
        let (at, source) = (issued.as_micros().to_be_bytes(), source.to_string());
        let mac = self.keyed(&[b"nonce", &at, &salt.to_be_bytes(), source.as_bytes(), self.realm.as_bytes()]);
        format!("{:016x}{salt:08x}{}", issued.as_micros(), hex(&mac[..16]))
    }

    /// When we made this nonce, and its salt; `None` if we did not, or for another, or it is too old.
    fn issued(&self, now: Time, source: IpAddr, nonce: &str) -> Option<(Time, u32)> {
        let issued = Time::from_micros(u64::from_str_radix(nonce.get(..16)?, 16).ok()?);
        let salt = u32::from_str_radix(nonce.get(16..24)?, 16).ok()?;
        let ours: bool = self.nonce(issued, source, salt).as_bytes().ct_eq(nonce.as_bytes()).into();
        let fresh = issued <= now && now < issued + self.nonce_lifetime && issued >= self.forgotten_before;
        (ours && fresh).then_some((issued, salt))
    }

    fn use_up(&mut self, now: Time, id: (Time, u32), count: u32) -> bool {
        while let Some(oldest) = self.used.first_entry()
            && oldest.key().0 + self.nonce_lifetime <= now
        {
            oldest.remove();
        }
        if self.used.len() >= MAX_NONCES
            && !self.used.contains_key(&id)
            && let Some(((oldest, _), _)) = self.used.pop_first()
        {
            self.forgotten_before = oldest + Duration::from_micros(1);
            self.used.retain(|(issued, _), _| *issued > oldest);
            if id.0 <= oldest {
                return false;
            }
        }
        self.used.entry(id).or_default().take(count)
    }

    /// HMAC-SHA-256 (RFC 2104) over the parts, each behind its length.
    fn keyed(&self, parts: &[&[u8]]) -> [u8; 32] {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().zip(self.key).for_each(|(b, k)| *b ^= k);
            block
        };
        let mut inner = Sha256::new_with_prefix(pad(0x36));
        for part in parts {
            inner.update((part.len() as u64).to_be_bytes());
            inner.update(part);
        }
        Sha256::new_with_prefix(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
    }
}

/// Whether credentials for `uri` are for what `request` asks; see [`Authenticator::check`].
fn is_for(request: &Request, uri: &str) -> bool {
    request.method == Method::Register
        || uri.parse::<Uri>().is_ok_and(|uri| uri.user().is_none() || uri.user() == request.uri.user())
}

/// Which counts of one nonce were used: the highest, and the 64 below it. Lower ones count as used.
#[derive(Default)]
struct Window {
    highest: u32,
    below: u64,
}

impl Window {
    /// True the first time for each count.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let step = count - self.highest;
            self.below = if step > 64 { 0 } else { self.below.checked_shl(step).unwrap_or(0) | 1 << (step - 1) };
            self.highest = count;
            return true;
        }
        let back = self.highest - count;
        if back == 0 || back > 64 || count == 0 {
            return false;
        }
        let bit = 1 << (back - 1);
        let free = self.below & bit == 0;
        self.below |= bit;
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Message;
    use crate::sip::digest::{self, Login};

    const START: Time = Time::from_secs(1_800_000_000);
    const LIFETIME: Duration = Duration::from_secs(300);

    fn authenticator() -> Authenticator {
        Authenticator::new("vaxel", [7; 32], LIFETIME)
    }

    fn home() -> SocketAddr {
        "198.51.100.7:5060".parse().unwrap()
    }

    fn register(call_id: &str) -> Request {
        let text = format!(
            "REGISTER sip:vaxel.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:anna@vaxel.example>;tag=1\r\n\
             To: <sip:anna@vaxel.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 REGISTER\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn passwords(user: &str) -> Option<String> {
        (user == "anna").then(|| "secret".to_string())
    }

    struct Phone {
        challenges: Vec<Challenge>,
    }

    impl Phone {
        fn ask(auth: &Authenticator, now: Time, call_id: &str) -> Phone {
            let response = auth.challenge(now, home(), &register(call_id), false);
            assert_eq!(response.code, 401);
            let challenges = response.headers.get_all("WWW-Authenticate");
            Phone { challenges: challenges.map(|c| Challenge::parse(c).unwrap()).collect() }
        }

        fn login(&self, algorithm: Algorithm, user: &str, password: &str, nc: u32) -> Request {
            let mut challenge = self.challenges.iter().find(|c| c.algorithm == algorithm).unwrap().clone();
            challenge.qop = nc > 0;
            let uri = "sip:vaxel.example";
            let login = Login { user, password, method: &Method::Register, uri, cnonce: "c", nc };
            let mut request = register("x");
            request.headers.push("Authorization", digest::answer(&challenge, &login));
            request
        }
    }

    fn accepted() -> Verdict {
        Verdict::Accepted { user: "anna".into() }
    }

    #[test]
    fn right_password_is_accepted_by_both_algorithms_and_sha_256_is_named_first() {
        let mut auth = authenticator();
        assert_eq!(auth.check(START, home(), &register("x"), passwords), Verdict::Challenge { stale: false });
        let phone = Phone::ask(&auth, START, "x");
        assert_eq!(phone.challenges[0].algorithm, Algorithm::Sha256);
        assert_eq!(
            auth.check(START, home(), &phone.login(Algorithm::Sha256, "anna", "secret", 1), passwords),
            accepted()
        );
        assert_eq!(auth.check(START, home(), &phone.login(Algorithm::Md5, "anna", "secret", 2), passwords), accepted());
    }

    #[test]
    fn an_algorithm_that_was_not_asked_for_is_not_looked_at() {
        let mut auth = authenticator().asking_for(vec![Algorithm::Sha256]);
        // The nonce is as good as any of this realm and key; only the algorithm is not.
        let phone = Phone::ask(&authenticator(), START, "1");
        let by_md5 = phone.login(Algorithm::Md5, "anna", "secret", 1);
        assert_eq!(auth.check(START, home(), &by_md5, passwords), Verdict::Challenge { stale: false });
        assert_eq!(
            auth.check(START, home(), &phone.login(Algorithm::Sha256, "anna", "secret", 2), passwords),
            accepted()
        );
        assert_eq!(auth.challenge(START, home(), &register("1"), false).headers.get_all("WWW-Authenticate").count(), 1);
    }

    #[test]
    fn wrong_password_and_unknown_user_look_the_same() {
        let mut auth = authenticator();
        let phone = Phone::ask(&auth, START, "x");
        for (user, password) in [("anna", "Secret"), ("bo", "secret"), ("bo", "")] {
            let verdict = auth.check(START, home(), &phone.login(Algorithm::Md5, user, password, 1), passwords);
            assert_eq!(verdict, Verdict::Wrong { user: user.into(), old_nonce: false });
        }
    }

    #[test]
    fn each_count_is_good_once_in_any_order() {
        let mut auth = authenticator();
        let phone = Phone::ask(&auth, START, "x");
        let mut check =
            |nc| auth.check(START, home(), &phone.login(Algorithm::Sha256, "anna", "secret", nc), passwords);
        for nc in [1, 3, 2, 70, 69, 200, 137] {
            assert_eq!(check(nc), accepted(), "{nc}");
        }
        for nc in [1, 2, 3, 70, 69, 200, 135, 137] {
            assert_eq!(check(nc), Verdict::Challenge { stale: true }, "{nc}");
        }
        assert_eq!(check(u32::MAX), accepted());
    }

    #[test]
    fn nonce_without_a_count_is_good_for_one_request() {
        let mut auth = authenticator();
        let phone = Phone::ask(&auth, START, "x");
        let request = phone.login(Algorithm::Md5, "anna", "secret", 0);
        assert_eq!(auth.check(START, home(), &request, passwords), accepted());
        assert_eq!(auth.check(START, home(), &request, passwords), Verdict::Challenge { stale: true });
    }

    #[test]
    fn old_future_and_foreign_nonces_are_stale_for_who_knows_the_password() {
        let mut auth = authenticator();
        let ask = |at| Phone::ask(&authenticator(), at, "x");
        let foreign = Phone::ask(&Authenticator::new("vaxel", [8; 32], LIFETIME), START, "x");
        for phone in [ask(START - LIFETIME), ask(START + Duration::from_secs(1)), foreign] {
            let verdict = auth.check(START, home(), &phone.login(Algorithm::Md5, "anna", "secret", 1), passwords);
            assert_eq!(verdict, Verdict::Challenge { stale: true });
            let verdict = auth.check(START, home(), &phone.login(Algorithm::Md5, "anna", "wrong", 1), passwords);
            assert_eq!(verdict, Verdict::Wrong { user: "anna".into(), old_nonce: true });
        }
        assert!(
            auth.challenge(START, home(), &register("x"), true)
                .headers
                .get("WWW-Authenticate")
                .unwrap()
                .contains("stale=true")
        );
    }

    #[test]
    fn a_nonce_is_for_the_source_that_it_was_given_to() {
        let mut auth = authenticator();
        let phone = Phone::ask(&auth, START, "x");
        let mut from = |at: &str, password, nc| {
            auth.check(START, at.parse().unwrap(), &phone.login(Algorithm::Md5, "anna", password, nc), passwords)
        };
        // Its router gave it another port, or another address; the second is asked again and loses nothing by it.
        assert_eq!(from("198.51.100.7:61000", "secret", 1), accepted());
        assert_eq!(from("198.51.100.8:5060", "secret", 2), Verdict::Challenge { stale: true });
        assert_eq!(from("[::ffff:198.51.100.7]:5060", "secret", 2), accepted());
        // A guess with it tells nobody that it was one.
        let wrong = Verdict::Wrong { user: "anna".into(), old_nonce: true };
        assert_eq!(from("198.51.100.8:5060", "wrong", 3), wrong);
        let v6 = |at: &str| -> SocketAddr { at.parse().unwrap() };
        let response = auth.challenge(START, v6("[2001:db8::1]:5060"), &register("6"), false);
        let challenge = Challenge::parse(response.headers.get("WWW-Authenticate").unwrap()).unwrap();
        assert!(
            auth.is_fresh(START, v6("[2001:db8::ffff:2]:9"), &challenge.nonce),
            "a phone changes its address in a /64"
        );
        assert!(!auth.is_fresh(START, v6("[2001:db8:0:1::1]:5060"), &challenge.nonce));
    }

    #[test]
    fn credentials_for_another_realm_are_passed_over() {
        let mut auth = authenticator();
        let elsewhere = Phone::ask(&Authenticator::new("elsewhere", [9; 32], LIFETIME), START, "x");
        let mut request = elsewhere.login(Algorithm::Md5, "anna", "secret", 1);
        assert_eq!(auth.check(START, home(), &request, passwords), Verdict::Challenge { stale: false });
        let own = Phone::ask(&auth, START, "x").login(Algorithm::Md5, "anna", "secret", 1);
        own.headers.copy("Authorization", &mut request.headers);
        assert_eq!(auth.check(START, home(), &request, passwords), accepted());
    }

    #[test]
    fn credentials_for_another_address_are_not_used_up() {
        let mut auth = authenticator();
        let phone = Phone::ask(&auth, START, "x");
        let mut invite = |nc, dialled: &str, signed_for: &str| {
            let login =
                Login { user: "anna", password: "secret", method: &Method::Invite, uri: signed_for, cnonce: "c", nc };
            let mut request = Request { method: Method::Invite, uri: dialled.parse().unwrap(), ..register("x") };
            request.headers.push("Authorization", digest::answer(&phone.challenges[0], &login));
            auth.check(START, home(), &request, passwords)
        };
        let other = Verdict::OtherUri { user: "anna".into() };
        assert_eq!(invite(1, "sip:+88212345@vaxel.example", "sip:201@vaxel.example"), other);
        assert_eq!(invite(1, "sip:201@vaxel.example", "nonsense"), other);
        assert_eq!(invite(1, "sip:201@192.0.2.1:5062;transport=tcp", "sip:201@vaxel.example"), accepted());
        assert_eq!(invite(2, "sip:%2B46@vaxel.example", "sip:+46@vaxel.example"), accepted());
        assert_eq!(invite(3, "sip:201@vaxel.example", "sip:192.0.2.1:5060"), accepted());
        // With a wrong password nothing is told of it.
        let login = Login { user: "anna", password: "?", method: &Method::Invite, uri: "sip:1@h", cnonce: "c", nc: 3 };
        let mut request = Request { method: Method::Invite, ..register("x") };
        request.headers.push("Authorization", digest::answer(&phone.challenges[0], &login));
        assert_eq!(
            auth.check(START, home(), &request, passwords),
            Verdict::Wrong { user: "anna".into(), old_nonce: false }
        );
    }

    #[test]
    fn forgotten_nonces_are_never_good_again() {
        let mut auth = authenticator();
        let first = Phone::ask(&auth, START, "first").login(Algorithm::Md5, "anna", "secret", 1);
        assert_eq!(auth.check(START, home(), &first, passwords), accepted());
        for n in 0..MAX_NONCES as u64 {
            assert!(auth.use_up(START, (START + Duration::from_micros(n + 1), 0), 1));
        }
        assert_eq!(auth.used.len(), MAX_NONCES);
        assert_eq!(auth.check(START, home(), &first, passwords), Verdict::Challenge { stale: true });
        let later = START + LIFETIME + Duration::from_secs(1);
        assert!(auth.use_up(later, (later, 0), 1));
        assert_eq!(auth.used.len(), 1);
    }
}

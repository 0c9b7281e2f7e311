//! Our password within one dialog with a carrier: its challenges are answered, and from the first on the password is shown without
//! being asked for again (RFC 3261 §22.3, RFC 7616 §3.4).

use super::account::{Account, CHALLENGES_MAX, Unanswered};
use super::digest::Challenge;
use super::endpoint::Hop;
use super::message::{Request, Response};
use super::network::Network;
use std::sync::Arc;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Showing {
    account: Arc<Account>,
    /// Where who gave us the account is.
    places: Vec<Network>,
    /// By the header that answers: one of a proxy and one of who is behind it, at most.
    held: Vec<Held>,
}

/// The challenge that holds for one of them.
#[derive(Clone, Debug)]
struct Held {
    header: &'static str,
    challenge: Challenge,
    /// Times that its nonce was used.
    uses: u32,
    /// Challenges that came since something was accepted.
    asked: u32,
}

impl Showing {
    pub fn new(account: Arc<Account>, places: Vec<Network>) -> Showing {
        Showing { account, places, held: Vec::new() }
    }

    /// Whether what is sent there goes to who gave us the account. A Contact or Route of the dialog may lead elsewhere: whoever is
    /// there could ask in our realm, which is no secret, and guess the password from what it is shown.
    pub fn is_for(&self, hop: &Hop) -> bool {
        self.places.iter().any(|place| place.contains(hop.remote.ip()))
    }

    /// The peer wants the password for a request that it got. Once that is answered whatever was shown with the request, for many
    /// nonces are good once only; then only if it says that the nonce was too old, and not without end.
    ///
    /// # Errors
    ///
    /// It gets no answer; the request stays refused.
    pub fn challenged(&mut self, response: &Response) -> Result<(), Unanswered> {
        let (header, challenge) = self.account.challenge(response)?;
        let Some(held) = self.held.iter_mut().find(|held| held.header == header) else {
            self.held.push(Held { header, challenge, uses: 0, asked: 1 });
            return Ok(());
        };
        if held.asked >= CHALLENGES_MAX || (held.asked > 0 && !challenge.stale) {
            self.settled();
            return Err(Unanswered::Rejected);
        }
        held.asked += 1;
        if held.challenge.nonce != challenge.nonce {
            held.uses = 0;
        }
        held.challenge = challenge;
        Ok(())
    }

    /// A request was answered with something else than a challenge, or nobody cares any more whether it is.
    pub fn settled(&mut self) {
        self.held.iter_mut().for_each(|held| held.asked = 0);
    }

    /// Shows the password with `request` to whoever asked for it before. `cnonce` gives what cannot be predicted.
    pub fn show(&mut self, request: &mut Request, mut cnonce: impl FnMut() -> u64) {
        for held in &mut self.held {
            held.uses += 1;
            let value = self.account.response(&held.challenge, request, held.uses, cnonce());
            request.headers.set(held.header, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Method;
    use crate::sip::digest::{Algorithm, Credentials};

    fn showing() -> Showing {
        Showing::new(
            Arc::new(Account { user: "vaxel".into(), password: "secret".into(), realm: "carrier".into() }),
            Vec::new(),
        )
    }

    fn asks(realm: &str, nonce: &str, stale: bool) -> Response {
        asks_in(407, "Proxy-Authenticate", realm, nonce, stale)
    }

    fn asks_in(code: u16, header: &str, realm: &str, nonce: &str, stale: bool) -> Response {
        let bye = Request::new(Method::Bye, "sip:1@192.0.2.9".parse().unwrap());
        let mut response = Response::to(&bye, code, None);
        let (realm, nonce) = (realm.to_owned(), nonce.to_owned());
        let challenge = Challenge { realm, nonce, opaque: None, algorithm: Algorithm::Md5, stale, qop: true };
        response.headers.push(header, challenge.to_string());
        response
    }

    /// Nonce and count that the next request shows.
    fn shown(showing: &mut Showing) -> Option<(String, u32)> {
        let mut bye = Request::new(Method::Bye, "sip:1@192.0.2.9".parse().unwrap());
        showing.show(&mut bye, || 7);
        let credentials = Credentials::parse(bye.headers.get("Proxy-Authorization")?).unwrap();
        assert!(credentials.verify("secret", &Method::Bye) && credentials.uri == "sip:1@192.0.2.9");
        Some((credentials.nonce.to_string(), credentials.qop?.nc))
    }

    #[test]
    fn each_use_of_a_nonce_counts_and_a_new_one_begins_anew() {
        let mut showing = showing();
        assert_eq!(shown(&mut showing), None, "nobody asked");
        showing.challenged(&asks("carrier", "a", false)).unwrap();
        assert_eq!(shown(&mut showing), Some(("a".into(), 1)));
        showing.settled();
        assert_eq!(shown(&mut showing), Some(("a".into(), 2)));
        showing.challenged(&asks("carrier", "b", false)).expect("a nonce may be good once only");
        assert_eq!(shown(&mut showing), Some(("b".into(), 1)));
    }

    #[test]
    fn a_password_that_is_wrong_is_shown_once_and_to_another_realm_never() {
        let mut showing = showing();
        assert_eq!(showing.challenged(&asks("thief", "a", false)), Err(Unanswered::OtherRealm("thief".into())));
        showing.challenged(&asks("carrier", "a", false)).unwrap();
        assert_eq!(showing.challenged(&asks("carrier", "b", false)), Err(Unanswered::Rejected));
        let answered = (0..10).take_while(|_| showing.challenged(&asks("carrier", "c", true)).is_ok()).count();
        assert_eq!(answered, CHALLENGES_MAX as usize, "whatever it says of its nonces");
    }

    #[test]
    fn a_proxy_and_who_is_behind_it_are_each_shown_the_password_for_their_own_nonce() {
        let mut showing = showing();
        showing.challenged(&asks("carrier", "proxy", false)).unwrap();
        let behind = asks_in(401, "WWW-Authenticate", "carrier", "behind", false);
        showing.challenged(&behind).expect("it has not been shown anything yet");
        let mut bye = Request::new(Method::Bye, "sip:1@192.0.2.9".parse().unwrap());
        showing.show(&mut bye, || 7);
        let nonce = |name: &str| Credentials::parse(bye.headers.get(name).unwrap()).unwrap().nonce.to_string();
        assert_eq!((nonce("Proxy-Authorization"), nonce("Authorization")), ("proxy".into(), "behind".into()));
        assert_eq!(showing.challenged(&behind), Err(Unanswered::Rejected));
    }
}

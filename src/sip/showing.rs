//! Our password within one dialog with a carrier: its challenges are answered, and from the first on the password is shown without
//! being asked for again (RFC 3261 §22.3, RFC 7616 §3.4).

use super::account::{Account, CHALLENGES_MAX, Unanswered};
use super::digest::Challenge;
use super::message::{Request, Response};
use std::sync::Arc;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Showing {
    account: Arc<Account>,
    /// The header that answers, and the challenge that holds.
    challenge: Option<(&'static str, Challenge)>,
    /// Times that its nonce was used.
    uses: u32,
    /// Challenges that came since something was accepted.
    asked: u32,
}

impl Showing {
    pub fn new(account: Arc<Account>) -> Showing {
        Showing { account, challenge: None, uses: 0, asked: 0 }
    }

    /// The peer wants the password for a request that it got. Once that is answered whatever was shown with the request, for many
    /// nonces are good once only; then only if it says that the nonce was too old, and not without end.
    ///
    /// # Errors
    ///
    /// It gets no answer; the request stays refused.
    pub fn challenged(&mut self, response: &Response) -> Result<(), Unanswered> {
        let (header, challenge) = self.account.challenge(response)?;
        if self.asked >= CHALLENGES_MAX || (self.asked > 0 && !challenge.stale) {
            self.asked = 0;
            return Err(Unanswered::Rejected);
        }
        self.asked += 1;
        if self.challenge.as_ref().is_none_or(|(_, held)| held.nonce != challenge.nonce) {
            self.uses = 0;
        }
        self.challenge = Some((header, challenge));
        Ok(())
    }

    /// A request was answered with something else than a challenge.
    pub fn accepted(&mut self) {
        self.asked = 0;
    }

    /// Shows the password with `request`, if it was ever asked for. `cnonce`: unpredictable.
    pub fn show(&mut self, request: &mut Request, cnonce: u64) {
        let Some((header, challenge)) = &self.challenge else { return };
        self.uses += 1;
        let value = self.account.response(challenge, request, self.uses, cnonce);
        request.headers.set(header, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Method;
    use crate::sip::digest::{Algorithm, Credentials};

    fn showing() -> Showing {
        Showing::new(Arc::new(Account { user: "vaxel".into(), password: "secret".into(), realm: "carrier".into() }))
    }

    fn asks(realm: &str, nonce: &str, stale: bool) -> Response {
        let bye = Request::new(Method::Bye, "sip:1@192.0.2.9".parse().unwrap());
        let mut response = Response::to(&bye, 407, None);
        let (realm, nonce) = (realm.to_owned(), nonce.to_owned());
        let challenge = Challenge { realm, nonce, opaque: None, algorithm: Algorithm::Md5, stale, qop: true };
        response.headers.push("Proxy-Authenticate", challenge.to_string());
        response
    }

    /// Nonce and count that the next request shows.
    fn shown(showing: &mut Showing) -> Option<(String, u32)> {
        let mut bye = Request::new(Method::Bye, "sip:1@192.0.2.9".parse().unwrap());
        showing.show(&mut bye, 7);
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
        showing.accepted();
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
}

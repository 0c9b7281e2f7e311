//! Our side of digest: what we are known by at a peer that asks for a password, and which challenges it answers.

use super::digest::{self, Challenge, Credentials, Login};
use super::headers::Headers;
use super::message::{Request, Response};
use std::fmt;

/// A user and password of ours, good for one realm.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    pub user: String,
    pub password: String,
    /// A challenge in any other realm is not answered: who asks in it is not who gave us the account.
    pub realm: String,
}

/// Shows no password.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It asks for what we have shown already: the password is wrong, or it asks without an end.
    Rejected,
    /// None of its challenges is in the account's realm; this is the first one's.
    OtherRealm(String),
    /// No challenge that can be read and answered.
    Unreadable,
}

/// Challenges to one request that are answered, whatever the peer says of its nonces. Two of them may be those of a proxy and of
/// who is behind it.
pub const CHALLENGES_MAX: u32 = 3;

impl Account {
    /// The header that answers `response`, a 401 or 407 to `request`: its name and value. `cnonce`: unpredictable.
    ///
    /// A challenge in our realm is answered once, and again only when it says that the nonce was too old. `answered`: challenges to
    /// this request, in whatever form it was sent before, that were answered already.
    pub fn answer(
        &self,
        request: &Request,
        response: &Response,
        answered: u32,
        cnonce: u64,
    ) -> Result<(&'static str, String), Unanswered> {
        let (name, challenge) = self.challenge(response)?;
        if answered >= CHALLENGES_MAX || (self.has_shown(&request.headers, name) && !challenge.stale) {
            return Err(Unanswered::Rejected);
        }
        Ok((name, self.response(&challenge, request, 1, cnonce)))
    }

    /// The challenge of `response` that is in our realm, and the header that answers it.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn challenge(&self, response: &Response) -> Result<(&'static str, Challenge), Unanswered> {
        let (asks, name) = match response.code {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return Err(Unanswered::Unreadable),
        };
        let mut challenges: Vec<Challenge> = response.headers.get_all(asks).filter_map(Challenge::parse).collect();
        match challenges.iter().position(|challenge| challenge.realm == self.realm) {
            Some(ours) => Ok((name, challenges.swap_remove(ours))),
            None => Err(match challenges.into_iter().next() {
                Some(other) => Unanswered::OtherRealm(other.realm),
                None => Unanswered::Unreadable,
            }),
        }
    }

    /// The value of the header that answers `challenge` for `request`. `nc`: how often its nonce was used, this time included.
    pub fn response(&self, challenge: &Challenge, request: &Request, nc: u32, cnonce: u64) -> String {
        let (uri, cnonce) = (request.uri.to_string(), format!("{cnonce:016x}"));
        let Account { user, password, .. } = self;
        digest::answer(challenge, &Login { user, password, method: &request.method, uri: &uri, cnonce: &cnonce, nc })
    }

    fn has_shown(&self, headers: &Headers, name: &str) -> bool {
        headers.get_all(name).filter_map(Credentials::parse).any(|shown| shown.realm == self.realm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Method;
    use crate::sip::digest::Algorithm;

    fn account() -> Account {
        Account { user: "vaxel".into(), password: "secret".into(), realm: "carrier".into() }
    }

    fn request() -> Request {
        let mut request = Request::new(Method::Invite, "sip:1@192.0.2.9".parse().unwrap());
        request.headers.push("CSeq", "1 INVITE");
        request
    }

    fn challenge(code: u16, name: &str, realms: &[&str], stale: bool) -> Response {
        let mut response = Response::to(&request(), code, None);
        for realm in realms {
            let (realm, nonce) = ((*realm).to_owned(), "n".to_owned());
            let challenge = Challenge { realm, nonce, opaque: None, algorithm: Algorithm::Md5, stale, qop: true };
            response.headers.push(name, challenge.to_string());
        }
        response
    }

    #[test]
    fn the_challenge_of_the_accounts_realm_is_answered_with_its_password() {
        for (code, asks, name) in
            [(401, "WWW-Authenticate", "Authorization"), (407, "Proxy-Authenticate", "Proxy-Authorization")]
        {
            let (header, value) =
                account().answer(&request(), &challenge(code, asks, &["other", "carrier"], false), 0, 7).unwrap();
            let credentials = Credentials::parse(&value).unwrap();
            assert_eq!(
                (header, credentials.realm.as_str(), credentials.uri.as_str()),
                (name, "carrier", "sip:1@192.0.2.9")
            );
            assert!(credentials.verify("secret", &Method::Invite));
            assert!(!credentials.verify("secret", &Method::Register));
        }
    }

    #[test]
    fn another_realm_gets_nothing() {
        let refused = account().answer(&request(), &challenge(407, "Proxy-Authenticate", &["thief"], false), 0, 7);
        assert_eq!(refused, Err(Unanswered::OtherRealm("thief".into())));
        let nothing = account().answer(&request(), &challenge(401, "Proxy-Authenticate", &["carrier"], false), 0, 7);
        assert_eq!(nothing, Err(Unanswered::Unreadable), "a 401 asks in WWW-Authenticate");
    }

    #[test]
    fn a_password_is_shown_again_only_for_a_new_nonce_and_not_without_end() {
        let mut request = request();
        let plain = challenge(401, "WWW-Authenticate", &["carrier"], false);
        let stale = challenge(401, "WWW-Authenticate", &["carrier"], true);
        let (name, value) = account().answer(&request, &plain, 0, 7).unwrap();
        request.headers.set(name, value);
        // However many requests there were before this one.
        for number in ["2 INVITE", "99 INVITE"] {
            request.headers.set("CSeq", number);
            assert_eq!(account().answer(&request, &plain, 1, 7), Err(Unanswered::Rejected));
            assert!(account().answer(&request, &stale, 1, 7).is_ok());
            assert!(account().answer(&request, &stale, CHALLENGES_MAX - 1, 7).is_ok());
            assert_eq!(account().answer(&request, &stale, CHALLENGES_MAX, 7), Err(Unanswered::Rejected));
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        assert!(!format!("{:?}", account()).contains("secret"));
    }
}

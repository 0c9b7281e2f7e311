//! Digest access authentication (RFC 7616, RFC 8760, RFC 3261 §22): its headers and its arithmetic, for both sides.
//!
//! MD5 and SHA-256; `qop=auth`, and none for peers from before it. Not understood, so neither asked for nor answered:
//! `-sess` algorithms, `auth-int`, `userhash`.

use super::headers::Headers;
use super::lex;
use super::method::Method;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use subtle::ConstantTimeEq;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Md5,
    Sha256,
}

/// WWW-Authenticate or Proxy-Authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub realm: String,
    pub nonce: String,
    pub opaque: Option<String>,
    pub algorithm: Algorithm,
    /// The credentials were right but the nonce too old: answer again with the same password.
    pub stale: bool,
    /// `auth` is offered; false: the peer is from before `qop`.
    pub qop: bool,
}

/// Authorization or Proxy-Authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub realm: String,
    pub nonce: String,
    /// The `uri` parameter, as it came.
    pub uri: String,
    pub algorithm: Algorithm,
    /// Hexadecimal digits.
    pub response: String,
    pub opaque: Option<String>,
    /// `None`: from before `qop`.
    pub qop: Option<Qop>,
}

/// What comes with `qop=auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qop {
    pub cnonce: String,
    /// How often this nonce was used, this time included.
    pub nc: u32,
}

/// Our side of an answer to a challenge.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    pub user: &'a str,
    pub password: &'a str,
    pub method: &'a Method,
    /// The Request-URI as it is written.
    pub uri: &'a str,
    /// Unpredictable, from our own seed.
    pub cnonce: &'a str,
    /// 1 for the first use of this nonce, then counting up.
    pub nc: u32,
}

/// The value of the Authorization (or Proxy-Authorization) header that answers `challenge`.
pub fn answer(challenge: &Challenge, login: &Login<'_>) -> String {
    let mut credentials = Credentials {
        user: login.user.to_string(),
        realm: challenge.realm.clone(),
        nonce: challenge.nonce.clone(),
        uri: login.uri.to_string(),
        algorithm: challenge.algorithm,
        response: String::new(),
        opaque: challenge.opaque.clone(),
        qop: challenge.qop.then(|| Qop { cnonce: login.cnonce.to_string(), nc: login.nc }),
    };
    credentials.response = credentials.expected(login.password, login.method);
    credentials.to_string()
}

/// The first challenge in these header lines that we can answer: servers name what they like best first (RFC 8760 §2.4).
pub fn first_usable(headers: &Headers, name: &str) -> Option<Challenge> {
    headers.get_all(name).find_map(Challenge::parse)
}

impl Algorithm {
    fn parse(name: Option<&str>) -> Option<Algorithm> {
        match name {
            None => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case("MD5") => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Some(Algorithm::Sha256),
            Some(_) => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into a string cannot fail");
        text
    })
}

impl Challenge {
    /// `None`: another scheme, an unknown algorithm, only `auth-int`, or no realm and nonce.
    pub fn parse(value: &str) -> Option<Challenge> {
        let params = AuthParams::parse(value)?;
        let qop = params.get("qop");
        if qop.as_deref().is_some_and(|qop| !qop.split(',').any(|q| lex::trim(q).eq_ignore_ascii_case("auth"))) {
            return None;
        }
        Some(Challenge {
            realm: params.get("realm")?,
            nonce: params.get("nonce")?,
            opaque: params.get("opaque"),
            algorithm: Algorithm::parse(params.get("algorithm").as_deref())?,
            stale: params.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            qop: qop.is_some(),
        })
    }
}

impl std::fmt::Display for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest realm=")?;
        lex::write_quoted(f, &self.realm)?;
        f.write_str(", nonce=")?;
        lex::write_quoted(f, &self.nonce)?;
        if let Some(opaque) = &self.opaque {
            f.write_str(", opaque=")?;
            lex::write_quoted(f, opaque)?;
        }
        write!(f, ", algorithm={}", self.algorithm.as_str())?;
        if self.qop {
            f.write_str(", qop=\"auth\"")?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        Ok(())
    }
}

impl Credentials {
    /// `None`: another scheme, an unknown algorithm, `auth-int`, or something missing.
    pub fn parse(value: &str) -> Option<Credentials> {
        let params = AuthParams::parse(value)?;
        let qop = match params.get("qop") {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let nc = params.get("nc").filter(|nc| nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit()))?;
                Some(Qop { cnonce: params.get("cnonce")?, nc: u32::from_str_radix(&nc, 16).ok()? })
            }
            Some(_) => return None,
        };
        Some(Credentials {
            user: params.get("username")?,
            realm: params.get("realm")?,
            nonce: params.get("nonce")?,
            uri: params.get("uri")?,
            algorithm: Algorithm::parse(params.get("algorithm").as_deref())?,
            response: params.get("response")?,
            opaque: params.get("opaque"),
            qop,
        })
    }

    /// Whether they were made with this password. Takes the same time wherever the difference is.
    pub fn verify(&self, password: &str, method: &Method) -> bool {
        let expected = self.expected(password, method);
        expected.as_bytes().ct_eq(self.response.to_ascii_lowercase().as_bytes()).into()
    }

    /// RFC 7616 §3.4.1.
    fn expected(&self, password: &str, method: &Method) -> String {
        let hash = |parts: &[&str]| self.algorithm.hash(parts);
        let secret = hash(&[&self.user, &self.realm, password]);
        let request = hash(&[method.as_str(), &self.uri]);
        match &self.qop {
            Some(Qop { cnonce, nc }) => hash(&[&secret, &self.nonce, &format!("{nc:08x}"), cnonce, "auth", &request]),
            None => hash(&[&secret, &self.nonce, &request]),
        }
    }
}

impl std::fmt::Display for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest username=")?;
        lex::write_quoted(f, &self.user)?;
        f.write_str(", realm=")?;
        lex::write_quoted(f, &self.realm)?;
        f.write_str(", nonce=")?;
        lex::write_quoted(f, &self.nonce)?;
        f.write_str(", uri=")?;
        lex::write_quoted(f, &self.uri)?;
        f.write_str(", response=")?;
        lex::write_quoted(f, &self.response)?;
        write!(f, ", algorithm={}", self.algorithm.as_str())?;
        if let Some(opaque) = &self.opaque {
            f.write_str(", opaque=")?;
            lex::write_quoted(f, opaque)?;
        }
        if let Some(Qop { cnonce, nc }) = &self.qop {
            f.write_str(", qop=auth, cnonce=")?;
            lex::write_quoted(f, cnonce)?;
            write!(f, ", nc={nc:08x}")?;
        }
        Ok(())
    }
}

/// `Digest name=value, name="value"` (RFC 7235 §2.1).
struct AuthParams<'a>(Vec<(&'a str, &'a str)>);

impl<'a> AuthParams<'a> {
    fn parse(value: &'a str) -> Option<AuthParams<'a>> {
        let (scheme, mut rest) = value.split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut params = Vec::with_capacity(10);
        while !lex::trim(rest).is_empty() {
            let end = lex::find_outside(rest, false, |b| b == b',').unwrap_or(rest.len());
            let param = lex::trim(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
            if !param.is_empty() {
                let (name, value) = param.split_once('=')?;
                params.push((lex::trim(name), lex::trim(value)));
            }
        }
        Some(AuthParams(params))
    }

    fn get(&self, name: &str) -> Option<String> {
        let value = self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?.1;
        match value.strip_prefix('"') {
            Some(inner) => Some(lex::unquote(inner.strip_suffix('"')?)),
            None => Some(value.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1, whose method and URI are those of HTTP.
    fn example(algorithm: &str, response: &str) -> String {
        format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    }

    #[test]
    fn published_examples_are_right() {
        let get = Method::Other("GET".into());
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let credentials = Credentials::parse(&example(algorithm, response)).unwrap();
            assert!(credentials.verify("Circle of Life", &get));
            assert!(!credentials.verify("Circle of life", &get));
            assert!(!credentials.verify("Circle of Life", &Method::Invite));
        }
        // The user and nonce of RFC 2617 §3.5 without qop; the response was computed with md5sum.
        let old = "Digest username=\"Mufasa\",realm=\"testrealm@host.com\",nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",\
                   uri=\"/dir/index.html\",response=\"670FD8C2DF070C60B045671B8B24FF02\"";
        assert!(Credentials::parse(old).unwrap().verify("Circle Of Life", &get));
    }

    #[test]
    fn our_answers_satisfy_our_own_check() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            for qop in [false, true] {
                let challenge = Challenge {
                    realm: "a \"quoted\" realm, really".into(),
                    nonce: "n\\1".into(),
                    opaque: Some("o".into()),
                    algorithm,
                    stale: true,
                    qop,
                };
                assert_eq!(Challenge::parse(&challenge.to_string()).as_ref(), Some(&challenge));
                let login = Login {
                    user: "anna",
                    password: "secret:ö",
                    method: &Method::Register,
                    uri: "sip:vaxel.example",
                    cnonce: "0a4f113b",
                    nc: 0x1f,
                };
                let credentials = Credentials::parse(&answer(&challenge, &login)).unwrap();
                assert_eq!(credentials.to_string(), answer(&challenge, &login));
                assert_eq!(credentials.qop.as_ref().map(|q| q.nc), qop.then_some(0x1f));
                assert!(credentials.verify("secret:ö", &Method::Register));
                assert!(!credentials.verify("secret", &Method::Register));
            }
        }
    }

    #[test]
    fn what_we_cannot_answer_is_passed_over() {
        let mut headers = Headers::new();
        for value in [
            "Basic realm=\"x\"",
            "Digest realm=\"x\", nonce=\"1\", algorithm=SHA-512-256",
            "Digest realm=\"x\", nonce=\"2\", algorithm=MD5-sess",
            "Digest realm=\"x\", nonce=\"3\", qop=\"auth-int\"",
            "Digest realm=\"x\"",
            "Digest",
            "DIGEST realm = \"x\" , , nonce=\"4\",qop=\"auth-int, auth\", algorithm=\"sha-256\", stale=TRUE, new=1",
            "Digest realm=\"x\", nonce=\"5\"",
        ] {
            headers.push("WWW-Authenticate", value);
        }
        let challenge = first_usable(&headers, "WWW-Authenticate").unwrap();
        assert_eq!((&*challenge.nonce, challenge.algorithm), ("4", Algorithm::Sha256));
        assert!(challenge.stale && challenge.qop);
    }

    #[test]
    fn credentials_with_a_broken_count_are_none() {
        let good = example("MD5", "8ca523f5e9506fed4657c9700eebdbec");
        for broken in ["nc=1", "nc=+0000001", "nc=0000000g", "x=1"] {
            assert_eq!(Credentials::parse(&good.replace("nc=00000001", broken)), None);
        }
    }
}

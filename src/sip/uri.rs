//! SIP, SIPS and TEL URIs (RFC 3261 §19.1, RFC 3966).

use super::lex;
use super::params::Params;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// RFC 3261 §25.1 `host`. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Name(String),
    Ip(IpAddr),
}

/// A `sip:`, `sips:` or `tel:` URI. Other schemes are kept in `Other`, as they came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uri {
    Sip(SipUri),
    /// The number with its plus, visual separators removed; values of parameters as they came.
    Tel {
        number: String,
        params: Params,
    },
    Other(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipUri {
    pub secure: bool,
    /// Unescaped.
    pub user: Option<String>,
    pub password: Option<String>,
    pub host: Host,
    pub port: Option<u16>,
    /// Names in lower case; values unescaped.
    pub params: Params,
    /// What stands behind `?` (RFC 3261 §19.1.1), unescaped.
    pub headers: Vec<(String, String)>,
}

/// Why a text is not a URI: what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadUri(pub &'static str);

impl SipUri {
    /// `sip:user@host` with nothing else.
    pub fn new(user: Option<&str>, host: Host, port: Option<u16>) -> SipUri {
        SipUri {
            secure: false,
            user: user.map(str::to_string),
            password: None,
            host,
            port,
            params: Params::default(),
            headers: Vec::new(),
        }
    }

    /// The first header behind `?` with this name, for example `Replaces`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

impl Uri {
    /// `sip:user@1.2.3.4:5060`.
    pub fn sip(user: Option<&str>, at: SocketAddr) -> Uri {
        Uri::Sip(SipUri::new(user, Host::Ip(at.ip()), Some(at.port())))
    }

    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Uri::Sip(sip) => Some(sip),
            _ => None,
        }
    }

    /// The user part of a SIP URI or the number of a TEL URI: what was dialled.
    pub fn user(&self) -> Option<&str> {
        match self {
            Uri::Sip(sip) => sip.user.as_deref(),
            Uri::Tel { number, .. } => Some(number),
            Uri::Other(_) => None,
        }
    }

    /// The scheme in lower case.
    pub fn scheme(&self) -> String {
        match self {
            Uri::Sip(sip) if sip.secure => "sips".into(),
            Uri::Sip(_) => "sip".into(),
            Uri::Tel { .. } => "tel".into(),
            Uri::Other(text) => text.split(':').next().unwrap_or_default().to_ascii_lowercase(),
        }
    }

    /// Whether both name the same resource by RFC 3261 §19.1.4 (RFC 3966 §4 for TEL): not transitive, and looser than `==`.
    pub fn equivalent(&self, other: &Uri) -> bool {
        // A parameter that stands there twice is against the rules; such a URI still equals itself.
        if self == other {
            return true;
        }
        match (self, other) {
            (Uri::Sip(a), Uri::Sip(b)) => {
                a.secure == b.secure
                    && a.user == b.user
                    && a.password == b.password
                    && a.host == b.host
                    && a.port == b.port
                    && params_agree(&a.params, &b.params)
                    && headers_agree(&a.headers, &b.headers)
            }
            (Uri::Tel { number: a, params: p }, Uri::Tel { number: b, params: q }) => {
                a.eq_ignore_ascii_case(b) && p.0.len() == q.0.len() && p.iter().all(|(n, v)| same_value(q, n, v))
            }
            (Uri::Other(a), Uri::Other(b)) => a == b,
            _ => false,
        }
    }
}

fn same_value(params: &Params, name: &str, value: Option<&str>) -> bool {
    params.has(name)
        && match (value, params.get(name)) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (None, None) => true,
            _ => false,
        }
}

/// Parameters in both must match; these must be in both or in none; others in one alone are ignored.
fn params_agree(a: &Params, b: &Params) -> bool {
    const MUST: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
    MUST.iter().all(|name| a.has(name) == b.has(name))
        && a.iter().all(|(name, value)| !b.has(name) || same_value(b, name, value))
}

fn headers_agree(a: &[(String, String)], b: &[(String, String)]) -> bool {
    a.len() == b.len() && a.iter().all(|(n, v)| b.iter().any(|(m, w)| n.eq_ignore_ascii_case(m) && v == w))
}

impl FromStr for Uri {
    type Err = BadUri;

    fn from_str(s: &str) -> Result<Uri, BadUri> {
        if s.bytes().any(|b| lex::is_space(b) || b.is_ascii_control()) {
            return Err(BadUri("white space in a URI"));
        }
        let (scheme, rest) = s.split_once(':').ok_or(BadUri("expected a scheme such as sip:"))?;
        if scheme.eq_ignore_ascii_case("sip") {
            parse_sip(false, rest).map(Uri::Sip)
        } else if scheme.eq_ignore_ascii_case("sips") {
            parse_sip(true, rest).map(Uri::Sip)
        } else if scheme.eq_ignore_ascii_case("tel") {
            parse_tel(rest)
        } else {
            let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
            if !scheme_ok {
                return Err(BadUri("expected a scheme such as sip:"));
            }
            if rest.is_empty() || rest.bytes().any(|b| matches!(b, b'<' | b'>' | b'"')) {
                return Err(BadUri("expected a URI after its scheme"));
            }
            Ok(Uri::Other(s.to_string()))
        }
    }
}

fn parse_sip(secure: bool, s: &str) -> Result<SipUri, BadUri> {
    if s.bytes().any(|b| matches!(b, b'<' | b'>' | b'"')) {
        return Err(BadUri("quote or angle bracket in a URI"));
    }
    // The user part may hold ';' and '?', and phones forget to escape '@' behind '?': so the first '@' ends it.
    let (userinfo, rest) = match s.split_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, s),
    };
    let escapes = |text: &str| lex::unescape(text).ok_or(BadUri("bad %-escape in a URI"));
    let (user, password) = match userinfo {
        None => (None, None),
        Some(userinfo) if userinfo.is_empty() || userinfo.starts_with(':') => {
            return Err(BadUri("expected a user before '@'"));
        }
        Some(userinfo) => match userinfo.split_once(':') {
            Some((user, password)) => (Some(escapes(user)?), Some(escapes(password)?)),
            None => (Some(escapes(userinfo)?), None),
        },
    };
    let (rest, headers) = match rest.split_once('?') {
        Some((rest, headers)) => (rest, Some(headers)),
        None => (rest, None),
    };
    let (hostport, params) = match rest.split_once(';') {
        Some((hostport, params)) => (hostport, Some(params)),
        None => (rest, None),
    };
    let (host, port) = parse_host_port(hostport)?;
    let mut uri = SipUri { secure, user, password, host, port, params: Params::default(), headers: Vec::new() };
    for param in params.into_iter().flat_map(|p| p.split(';')) {
        let (name, value) = match param.split_once('=') {
            Some((name, value)) => (name, Some(escapes(value)?)),
            None => (param, None),
        };
        if name.is_empty() {
            return Err(BadUri("expected the name of a URI parameter after ';'"));
        }
        uri.params.0.push((escapes(name)?.to_ascii_lowercase(), value));
    }
    for header in headers.into_iter().flat_map(|h| h.split('&')) {
        let (name, value) = header.split_once('=').ok_or(BadUri("expected name=value after '?' in a URI"))?;
        if name.is_empty() {
            return Err(BadUri("expected name=value after '?' in a URI"));
        }
        uri.headers.push((escapes(name)?, escapes(value)?));
    }
    Ok(uri)
}

fn parse_tel(s: &str) -> Result<Uri, BadUri> {
    let (number, params) = s.split_at(s.find(';').unwrap_or(s.len()));
    let number: String = number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    // RFC 3966 §3: a global number has digits only; a local one also hexadecimal digits, '*' and '#'.
    let allowed =
        |b: u8| b.is_ascii_digit() || (!number.starts_with('+') && (b.is_ascii_hexdigit() || b == b'*' || b == b'#'));
    if digits.is_empty() || !digits.bytes().all(allowed) {
        return Err(BadUri("expected a telephone number after tel:"));
    }
    Ok(Uri::Tel { number, params: Params::parse(params).map_err(BadUri)? })
}

/// `host [":" port]`; white space round the colon is allowed in Via and cannot occur in a URI.
pub(crate) fn parse_host_port(s: &str) -> Result<(Host, Option<u16>), BadUri> {
    let s = lex::trim(s);
    let (host, rest) = match s.strip_prefix('[') {
        Some(tail) => {
            let end = tail.find(']').ok_or(BadUri("expected ']' after an IPv6 address"))?;
            (Host::Ip(IpAddr::V6(parse_ipv6(&tail[..end])?)), &tail[end + 1..])
        }
        None => {
            let end = s.find(':').unwrap_or(s.len());
            (parse_name(lex::trim(&s[..end]))?, &s[end..])
        }
    };
    let rest = lex::trim(rest);
    if rest.is_empty() {
        return Ok((host, None));
    }
    let port = rest.strip_prefix(':').ok_or(BadUri("expected ':' and a port after the host"))?;
    match lex::number(lex::trim(port), 65_535) {
        Some(port) => Ok((host, Some(port as u16))),
        None => Err(BadUri("expected a port number from 0 to 65535 after the host")),
    }
}

fn parse_name(s: &str) -> Result<Host, BadUri> {
    if s.is_empty() {
        return Err(BadUri("expected a host"));
    }
    if let Ok(ip) = s.parse() {
        return Ok(Host::Ip(IpAddr::V4(ip)));
    }
    // The underscore is no host name by RFC 1123, but occurs in the names of real machines.
    if s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
        Ok(Host::Name(s.to_ascii_lowercase()))
    } else {
        Err(BadUri("expected a host name or address"))
    }
}

fn parse_ipv6(s: &str) -> Result<Ipv6Addr, BadUri> {
    // RFC 5118 §4.10: the grammar of RFC 3261 produced ":::" before an IPv4 part, so it is understood.
    let parsed = if s.contains(":::") { s.replacen(":::", "::", 1).parse() } else { s.parse() };
    parsed.map_err(|_| BadUri("expected an IPv6 address between '[' and ']'"))
}

impl FromStr for Host {
    type Err = BadUri;

    /// A name or an address; IPv6 with or without brackets (RFC 5118 §4.5 accepts both in `received`).
    fn from_str(s: &str) -> Result<Host, BadUri> {
        if let Ok(ip) = s.parse() {
            return Ok(Host::Ip(ip));
        }
        match parse_host_port(s)? {
            (host, None) => Ok(host),
            _ => Err(BadUri("expected a host without port")),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        Host::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            lex::write_escaped(f, user, b"&=+$,;?/")?;
            if let Some(password) = &self.password {
                f.write_str(":")?;
                lex::write_escaped(f, password, b"&=+$,")?;
            }
            f.write_str("@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        for (name, value) in self.params.iter() {
            f.write_str(";")?;
            lex::write_escaped(f, name, b"[]/:&+$")?;
            if let Some(value) = value {
                f.write_str("=")?;
                lex::write_escaped(f, value, b"[]/:&+$")?;
            }
        }
        for (at, (name, value)) in self.headers.iter().enumerate() {
            f.write_str(if at == 0 { "?" } else { "&" })?;
            lex::write_escaped(f, name, b"[]/?:+$")?;
            f.write_str("=")?;
            lex::write_escaped(f, value, b"[]/?:+$")?;
        }
        Ok(())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uri::Sip(sip) => sip.fmt(f),
            Uri::Tel { number, params } => write!(f, "tel:{number}{params}"),
            Uri::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (a, b): (Uri, Uri) = (a.parse().expect(a), b.parse().expect(b));
        assert_eq!(a.equivalent(&b), b.equivalent(&a));
        a.equivalent(&b)
    }

    #[test]
    fn same_resource_by_the_rules_of_rfc_3261() {
        for (a, b) in [
            ("sip:%61nna@Desk.Example;Transport=TCP", "sip:anna@desk.example;transport=tcp"),
            ("sip:anna@h", "sip:anna@h;newparam=5"),
            ("sip:anna@h;x=1;y=2", "sip:anna@h;y=2;z=3"),
            ("sip:h?Subject=a&Priority=b", "sip:h?priority=b&subject=a"),
            ("tel:+46-8-123", "tel:+46(8)123"),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:0db8:0::1]"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("sip:Anna@h", "sip:anna@h"),
            ("sip:anna@h", "sips:anna@h"),
            ("sip:anna@h", "sip:anna@h:5060"),
            ("sip:anna@h", "sip:anna@h;transport=udp"),
            ("sip:anna@h;x=1", "sip:anna@h;x=2"),
            ("sip:anna@h;lr", "sip:anna@h;lr=on"),
            ("sip:anna@h", "sip:anna@h?Subject=next"),
            ("sip:anna@h", "sip:h"),
            ("tel:+468123", "tel:468123"),
            ("tel:123;phone-context=a", "tel:123;phone-context=b"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}

//! SIP, SIPS and TEL URIs (RFC 3261 §19.1, RFC 3966).

use super::endpoint::Transport;
use super::lex;
use super::params::{self, Params};
use std::borrow::Cow;
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

/// The longest that is read as a number at all.
pub const KEYS_MAX: usize = 32;

/// What can be dialled on a telephone (digits, `*`, `#`, a `+` in front), without visual separators and parameters
/// (RFC 3966 §3, §5.1.1); `None`: that is a name, or longer than any number.
pub fn keys(written: &str) -> Option<Cow<'_, str>> {
    let is_key = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#');
    let number = written.split(';').next().unwrap_or_default();
    let separates = |c: char| matches!(c, '-' | '.' | '(' | ')' | ' ' | '\u{a0}');
    let number: Cow<str> = match number.contains(separates) {
        true => Cow::Owned(number.replace(separates, "")),
        false => Cow::Borrowed(number),
    };
    let rest = number.strip_prefix('+').unwrap_or(&number);
    (1..=KEYS_MAX).contains(&rest.len()).then_some(())?;
    rest.chars().all(is_key).then_some(number)
}

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

    /// Where it is, if its host is an address and not a name. No port, and port 0, at which nobody is, mean that of `transport`.
    pub fn address(&self, transport: Transport) -> Option<SocketAddr> {
        let Host::Ip(ip) = self.host else { return None };
        Some(SocketAddr::new(ip, self.port.filter(|port| *port > 0).unwrap_or(transport.default_port())))
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

    /// A `sips:` URI: every hop to it is to be TLS (RFC 3261 §19.1).
    pub fn is_secure(&self) -> bool {
        self.as_sip().is_some_and(|uri| uri.secure)
    }

    /// The user part of a SIP URI or the number of a TEL URI: what was dialled.
    pub fn user(&self) -> Option<&str> {
        match self {
            Uri::Sip(sip) => sip.user.as_deref(),
            Uri::Tel { number, .. } => Some(number),
            Uri::Other(_) => None,
        }
    }

    /// As [`Uri::user`], and with it what says where a telephone number belongs (RFC 3966 §5.1.5), as SIP URIs have it in their user.
    pub fn number(&self) -> Option<Cow<'_, str>> {
        match self {
            Uri::Tel { number, params } => Some(match params.get("phone-context") {
                Some(context) => format!("{number};phone-context={context}").into(),
                None => number.into(),
            }),
            _ => self.user().map(Cow::Borrowed),
        }
    }

    /// Somebody calls for help by the name of the service instead of a number: `urn:service:sos`, `urn:service:sos.police`
    /// (RFC 5031 §4.2).
    pub fn is_emergency_service(&self) -> bool {
        let Uri::Other(text) = self else { return false };
        let service = text.to_ascii_lowercase();
        let service = service.strip_prefix("urn:service:sos");
        service.is_some_and(|rest| rest.is_empty() || (rest.starts_with('.') && rest.len() > 1))
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

impl Uri {
    /// Refuses what reading a [`Uri`] from text refuses, and builds nothing.
    pub(crate) fn check(s: &str) -> Result<(), BadUri> {
        match split_scheme(s)? {
            (Scheme::Sip | Scheme::Sips, rest, kinds) => {
                let parts = split_sip(rest, kinds)?;
                parts.each_param(|_, _| Ok(()))?;
                parts.each_header(|_, _| Ok(()))
            }
            (Scheme::Tel, ..) => s.parse::<Uri>().map(drop),
            (Scheme::Other, ..) => Ok(()),
        }
    }
}

impl FromStr for Uri {
    type Err = BadUri;

    fn from_str(s: &str) -> Result<Uri, BadUri> {
        match split_scheme(s)? {
            (Scheme::Sip, rest, kinds) => split_sip(rest, kinds)?.build(false).map(Uri::Sip),
            (Scheme::Sips, rest, kinds) => split_sip(rest, kinds)?.build(true).map(Uri::Sip),
            (Scheme::Tel, rest, _) => parse_tel(rest),
            (Scheme::Other, ..) => Ok(Uri::Other(s.to_string())),
        }
    }
}

enum Scheme {
    Sip,
    Sips,
    Tel,
    Other,
}

/// Gives also the kinds of bytes that the URI holds.
fn split_scheme(s: &str) -> Result<(Scheme, &str, u16), BadUri> {
    let kinds = lex::kinds(s);
    if kinds & (lex::SPACE | lex::CONTROL) != 0 {
        return Err(BadUri("white space in a URI"));
    }
    let (scheme, rest) = split_at_first(s, b':');
    let rest = rest.ok_or(BadUri("expected a scheme such as sip:"))?;
    for (name, known) in [("sip", Scheme::Sip), ("sips", Scheme::Sips), ("tel", Scheme::Tel)] {
        if scheme.eq_ignore_ascii_case(name) {
            return Ok((known, rest, kinds));
        }
    }
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !scheme_ok {
        return Err(BadUri("expected a scheme such as sip:"));
    }
    if rest.is_empty() || rest.bytes().any(|b| matches!(b, b'<' | b'>' | b'"')) {
        return Err(BadUri("expected a URI after its scheme"));
    }
    Ok((Scheme::Other, rest, kinds))
}

/// The pieces of a SIP URI as they stand. User, password and host are checked, the rest when it is gone through.
struct SipParts<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: HostRef<'a>,
    port: Option<u16>,
    params: Option<&'a str>,
    headers: Option<&'a str>,
}

/// `kinds`: those of bytes that it may hold.
fn split_sip(s: &str, kinds: u16) -> Result<SipParts<'_>, BadUri> {
    if kinds & lex::QUOTE != 0 {
        return Err(BadUri("quote or angle bracket in a URI"));
    }
    // The user part may hold ';' and '?', and phones forget to escape '@' behind '?': so the first '@' ends it.
    let split = |s, kind, sign| if kinds & kind == 0 { (s, None) } else { split_at_first(s, sign) };
    let (user, password, rest) = match split(s, lex::AT, b'@') {
        (userinfo, Some(rest)) => {
            let (user, password) = split_at_first(userinfo, b':');
            (Some(user), password, rest)
        }
        (rest, None) => (None, None, rest),
    };
    if user == Some("") {
        return Err(BadUri("expected a user before '@'"));
    }
    if kinds & lex::PERCENT != 0 {
        user.iter().chain(&password).try_for_each(|text| check_escapes(text))?;
    }
    let (rest, headers) = split(rest, lex::QUESTION, b'?');
    let (hostport, params) = split(rest, lex::SEMICOLON, b';');
    let (host, port) = split_host_port(hostport)?;
    Ok(SipParts { user, password, host, port, params, headers })
}

fn split_at_first(s: &str, sign: u8) -> (&str, Option<&str>) {
    match lex::find(s, sign) {
        Some(at) => (&s[..at], Some(&s[at + 1..])),
        None => (s, None),
    }
}

impl<'a> SipParts<'a> {
    fn build(&self, secure: bool) -> Result<SipUri, BadUri> {
        let (mut found, mut headers) = (Vec::new(), Vec::new());
        self.each_param(|name, value| {
            found.push((params::name(&unescaped(name)?), value.map(unescaped).transpose()?));
            Ok(())
        })?;
        self.each_header(|name, value| {
            headers.push((unescaped(name)?, unescaped(value)?));
            Ok(())
        })?;
        Ok(SipUri {
            secure,
            user: self.user.map(unescaped).transpose()?,
            password: self.password.map(unescaped).transpose()?,
            host: self.host.to_host(),
            port: self.port,
            params: Params(found),
            headers,
        })
    }

    fn each_param(&self, mut each: impl FnMut(&'a str, Option<&'a str>) -> Result<(), BadUri>) -> Result<(), BadUri> {
        for param in self.params.into_iter().flat_map(|params| params.split(';')) {
            let (name, value) = split_at_first(param, b'=');
            if name.is_empty() {
                return Err(BadUri("expected the name of a URI parameter after ';'"));
            }
            check_escapes(param)?;
            each(name, value)?;
        }
        Ok(())
    }

    fn each_header(&self, mut each: impl FnMut(&'a str, &'a str) -> Result<(), BadUri>) -> Result<(), BadUri> {
        for header in self.headers.into_iter().flat_map(|headers| headers.split('&')) {
            let (name, value) = split_at_first(header, b'=');
            let value = value.filter(|_| !name.is_empty());
            let value = value.ok_or(BadUri("expected name=value after '?' in a URI"))?;
            check_escapes(name)?;
            check_escapes(value)?;
            each(name, value)?;
        }
        Ok(())
    }
}

const BAD_ESCAPE: BadUri = BadUri("bad %-escape in a URI");

fn unescaped(s: &str) -> Result<String, BadUri> {
    lex::unescape(s).ok_or(BAD_ESCAPE)
}

fn check_escapes(s: &str) -> Result<(), BadUri> {
    if lex::kinds(s) & lex::PERCENT == 0 || lex::unescape(s).is_some() { Ok(()) } else { Err(BAD_ESCAPE) }
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

/// A host that is not copied yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HostRef<'a> {
    Name(&'a str),
    Ip(IpAddr),
}

impl HostRef<'_> {
    pub(crate) fn to_host(self) -> Host {
        match self {
            HostRef::Name(name) => Host::Name(name.to_ascii_lowercase()),
            HostRef::Ip(ip) => Host::Ip(ip),
        }
    }
}

/// `host [":" port]`; white space round the colon is allowed in Via and cannot occur in a URI.
pub(crate) fn split_host_port(s: &str) -> Result<(HostRef<'_>, Option<u16>), BadUri> {
    let s = lex::trim(s);
    let (host, rest) = match s.strip_prefix('[') {
        Some(tail) => {
            let end = lex::find(tail, b']').ok_or(BadUri("expected ']' after an IPv6 address"))?;
            (HostRef::Ip(IpAddr::V6(parse_ipv6(&tail[..end])?)), lex::trim_start(&tail[end + 1..]))
        }
        None => {
            let (name, rest) = s.split_at(lex::len_without(s.as_bytes(), lex::NO_HOST));
            let rest = lex::trim_start(rest);
            let is_whole = rest.is_empty() || rest.starts_with(':');
            (host_of(name, is_whole)?, rest)
        }
    };
    if rest.is_empty() {
        return Ok((host, None));
    }
    let port = rest.strip_prefix(':').ok_or(BadUri("expected ':' and a port after the host"))?;
    match lex::number(lex::trim_start(port), 65_535) {
        Some(port) => Ok((host, Some(port as u16))),
        None => Err(BadUri("expected a port number from 0 to 65535 after the host")),
    }
}

/// `name` holds what a host name may hold; `is_whole`: and what follows does not belong to it.
fn host_of(name: &str, is_whole: bool) -> Result<HostRef<'_>, BadUri> {
    if !is_whole {
        return Err(BadUri("expected a host name or address"));
    }
    match name.as_bytes().first() {
        None => Err(BadUri("expected a host")),
        Some(b'0'..=b'9') => Ok(name.parse().map_or(HostRef::Name(name), |ip| HostRef::Ip(IpAddr::V4(ip)))),
        Some(_) => Ok(HostRef::Name(name)),
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
        match split_host_port(s)? {
            (host, None) => Ok(host.to_host()),
            _ => Err(BadUri("expected a host without port")),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        Host::Ip(ip)
    }
}

impl Host {
    /// As it is shown, into whatever takes text: a message that is written has no need of a formatter.
    fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => {
                let [first, others @ ..] = ip.octets();
                lex::write_number(f, first.into())?;
                others.into_iter().try_for_each(|octet| {
                    f.write_char('.')?;
                    lex::write_number(f, octet.into())
                })
            }
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl SipUri {
    fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            lex::write_escaped(f, user, b"&=+$,;?/")?;
            if let Some(password) = &self.password {
                f.write_char(':')?;
                lex::write_escaped(f, password, b"&=+$,")?;
            }
            f.write_char('@')?;
        }
        self.host.write(f)?;
        if let Some(port) = self.port {
            f.write_char(':')?;
            lex::write_number(f, port.into())?;
        }
        for (name, value) in self.params.iter() {
            f.write_char(';')?;
            lex::write_escaped(f, name, b"[]/:&+$")?;
            if let Some(value) = value {
                f.write_char('=')?;
                lex::write_escaped(f, value, b"[]/:&+$")?;
            }
        }
        for (at, (name, value)) in self.headers.iter().enumerate() {
            f.write_char(if at == 0 { '?' } else { '&' })?;
            lex::write_escaped(f, name, b"[]/?:+$")?;
            f.write_char('=')?;
            lex::write_escaped(f, value, b"[]/?:+$")?;
        }
        Ok(())
    }
}

impl Uri {
    /// As it is shown.
    pub(super) fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Uri::Sip(sip) => sip.write(f),
            Uri::Tel { number, params } => write!(f, "tel:{number}{params}"),
            Uri::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
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

//! Via (RFC 3261 §20.42, RFC 3581).

use super::BadHeader;
use crate::sip::endpoint::Transport;
use crate::sip::lex;
use crate::sip::params::{Params, ParamsRef};
use crate::sip::uri::{Host, HostRef, split_host_port};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, or any other token as it came: an open set.
    pub transport: Cow<'static, str>,
    /// `sent-by`.
    pub host: Host,
    pub port: Option<u16>,
    pub params: Params,
}

/// Every branch of an RFC 3261 element begins with this (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

impl Via {
    pub fn parse(s: &str) -> Result<Via, BadHeader> {
        TopVia::parse(s)?.to_via()
    }

    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// The branch, if it is unique in space and time as RFC 3261 §17.2.3 asks.
    pub fn magic_branch(&self) -> Option<&str> {
        magic(self.branch()?)
    }

    /// Where the request really came from, as its receiver noted (RFC 3261 §18.2.1).
    pub fn received(&self) -> Option<IpAddr> {
        match self.params.get("received")?.parse().ok()? {
            Host::Ip(ip) => Some(ip),
            Host::Name(_) => None,
        }
    }

    /// Asked for, with or without a value (RFC 3581 §3).
    pub fn has_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// The port the receiver noted (RFC 3581 §4).
    pub fn rport(&self) -> Option<u16> {
        lex::number(self.params.get("rport")?, 65_535).map(|port| port as u16)
    }
}

fn magic(branch: &str) -> Option<&str> {
    let cookie = branch.get(..MAGIC_COOKIE.len())?;
    (cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && branch.len() > MAGIC_COOKIE.len()).then_some(branch)
}

/// A Via where it stands in its message: what decides where requests and answers go, without a copy of anything.
#[derive(Clone, Copy, Debug)]
pub struct TopVia<'a> {
    pub(super) transport: &'a str,
    pub(super) host: HostRef<'a>,
    pub(super) port: Option<u16>,
    pub(super) params: ParamsRef<'a>,
    pub(super) branch: Option<&'a str>,
}

impl<'a> TopVia<'a> {
    /// Refuses what [`Via::parse`] refuses.
    pub fn parse(s: &'a str) -> Result<TopVia<'a>, BadHeader> {
        split(s).map_err(|fault| BadHeader { name: "Via", fault })
    }

    fn to_via(self) -> Result<Via, BadHeader> {
        let known = Transport::ALL.iter().map(|known| known.name()).find(|known| *known == self.transport);
        let transport = known.map_or_else(|| self.transport.to_owned().into(), Cow::Borrowed);
        Ok(Via { transport, host: self.host.to_host(), port: self.port, params: self.params.to_params() })
    }

    /// The host of `sent-by`, its name in lower case.
    pub fn host(&self) -> Host {
        self.host.to_host()
    }

    /// The port of `sent-by`.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    pub fn branch(&self) -> Option<&'a str> {
        self.branch
    }

    /// As [`Via::magic_branch`].
    pub fn magic_branch(&self) -> Option<&'a str> {
        magic(self.branch()?)
    }

    /// As [`Via::has_rport`].
    pub fn has_rport(&self) -> bool {
        self.params.has("rport")
    }
}

fn split(s: &str) -> Result<TopVia<'_>, &'static str> {
    const PROTOCOL: &str = "expected SIP/2.0/transport";
    let (name, rest) = s.split_at(lex::find(s, b'/').ok_or(PROTOCOL)?);
    let rest = &rest[1..];
    let (version, rest) = rest.split_at(lex::find(rest, b'/').ok_or(PROTOCOL)?);
    if !lex::trim(name).eq_ignore_ascii_case("SIP") || lex::trim(version) != "2.0" {
        return Err(PROTOCOL);
    }
    let rest = lex::trim(&rest[1..]);
    let length = rest.bytes().position(lex::is_space).ok_or("expected a host after the transport")?;
    let (transport, rest) = (&rest[..length], &rest[length + 1..]);
    if !lex::is_token(transport) {
        return Err("expected a transport");
    }
    let (sent_by, params) = rest.split_at(lex::find(rest, b';').unwrap_or(rest.len()));
    let (host, port) = split_host_port(sent_by).map_err(|bad| bad.0)?;
    let (params, branch) = ParamsRef::parse_and_get(params, "branch")?;
    Ok(TopVia { transport, host, port, params, branch })
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Message;

    #[test]
    fn read_and_written_again() {
        for (text, written) in [
            ("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1", None),
            (
                "sip / 2.0 / TCP\tSpindle.Example.com : 5080 ; branch = z9hG4bK9 ",
                Some("SIP/2.0/TCP spindle.example.com:5080;branch=z9hG4bK9"),
            ),
            ("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3", None),
            ("SIP/2.0/WSS x.invalid;keep;Branch=z9hG4bK2", Some("SIP/2.0/WSS x.invalid;keep;branch=z9hG4bK2")),
        ] {
            assert_eq!(Via::parse(text).unwrap().to_string(), written.unwrap_or(text));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ;branch=1",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP 192.0.2.15;branch",
            "SIP/3.0/UDP a;branch=z9hG4bK1",
            "SIP/2.0/UDP a:70000",
            "SIP/2.0/UDP 2001:db8::1;branch=z9hG4bK1",
            "SIP/2.0/U DP a;branch=z9hG4bK1",
        ] {
            let via = Via::parse(text);
            assert!(via.is_err() || via.is_ok_and(|v| v.branch().is_none()), "{text}");
        }
    }

    #[test]
    fn received_is_an_address_with_or_without_brackets() {
        for value in ["2001:db8::1", "[2001:db8::1]"] {
            let via = Via::parse(&format!("SIP/2.0/UDP a;received={value};rport=5062")).unwrap();
            assert_eq!(via.received(), Some("2001:db8::1".parse().unwrap()));
            assert_eq!(via.rport(), Some(5062));
        }
    }

    #[test]
    fn only_a_branch_with_the_cookie_and_more_is_unique() {
        let branch = |b: &str| Via::parse(&format!("SIP/2.0/UDP a;branch={b}")).unwrap().magic_branch().is_some();
        assert!(branch("z9hG4bKx") && branch("Z9HG4BKx"));
        assert!(!branch("z9hG4bK") && !branch("390skdjuw"));
    }

    #[test]
    fn one_in_which_nothing_stands_is_none() {
        let options = |via: &str| {
            let rest = "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
            Message::parse(format!("OPTIONS sip:a@h SIP/2.0\r\n{via}\r\n{rest}").as_bytes())
        };
        let mut read = options("Via:\r\nv: \r\n \r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1").expect("one that can be read");
        let headers = read.headers_mut();
        assert_eq!((headers.get_all("Via").count(), headers.top_via().unwrap().branch()), (1, Some("z9hG4bK1")));
        headers.remove_first_item("Via");
        assert!(!headers.has("Via"));
        assert_eq!(options("Via:").unwrap_err().to_string(), "Missing Via header");
    }
}

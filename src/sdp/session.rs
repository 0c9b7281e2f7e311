//! A session description as text (RFC 8866 §5, §9).
//!
//! Read with the tolerance that phones need: LF as line end, empty lines, spaces behind values, missing `s=` and `t=`, lines in any
//! order inside their section, unknown lines passed over. Lines that say nothing for offer and answer (`i= u= e= p= b=
//! r= z= k=`) are not kept.

use std::fmt;
use std::net::IpAddr;

/// Bytes of a description.
pub const MAX_BYTES: usize = 32 * 1024;
/// `m=` sections of a description.
pub const MAX_MEDIA: usize = 32;
/// Lines of a description.
pub const MAX_LINES: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub origin: Origin,
    pub name: String,
    pub connection: Option<Address>,
    /// Values of `t=`; never empty when read.
    pub times: Vec<String>,
    pub attributes: Vec<Attribute>,
    pub media: Vec<Media>,
}

/// `o=` (RFC 8866 §5.2). Numbers are kept as text: they may have more digits than any integer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub user: String,
    pub id: String,
    pub version: String,
    pub address: Address,
}

/// The address of `o=` and `c=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Ip(IpAddr),
    /// A host name.
    Name(String),
}

/// `a=name` or `a=name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    pub value: Option<String>,
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, …, as it came.
    pub kind: String,
    /// 0: refused or not wanted.
    pub port: u16,
    /// `RTP/AVP`, …, as it came.
    pub protocol: String,
    /// Payload numbers for RTP.
    pub formats: Vec<String>,
    pub connection: Option<Address>,
    pub attributes: Vec<Attribute>,
}

/// Where a description cannot be read, and what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}")]
pub struct BadSession {
    /// From 1.
    pub line: usize,
    pub expected: &'static str,
}

impl Session {
    pub fn parse(body: &[u8]) -> Result<Session, BadSession> {
        let fail = |line, expected| Err(BadSession { line, expected });
        if body.len() > MAX_BYTES {
            return fail(1, "a description of at most 32 KiB");
        }
        let text = String::from_utf8_lossy(body);
        let mut origin = None;
        let mut session = Session {
            origin: Origin {
                user: "-".into(),
                id: "0".into(),
                version: "0".into(),
                address: Address::Name("-".into()),
            },
            name: "-".into(),
            connection: None,
            times: Vec::new(),
            attributes: Vec::new(),
            media: Vec::new(),
        };
        let mut last = 0;
        for (at, line) in text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let number = at + 1;
            let is_first = last == 0;
            last = number;
            if number > MAX_LINES {
                return fail(number, "at most 1000 lines");
            }
            if line.trim().contains('\r') {
                return fail(number, "no carriage return inside");
            }
            let Some((kind, value)) = line.trim_start().split_once('=').filter(|(kind, _)| kind.len() == 1) else {
                return fail(number, "one letter and '='");
            };
            let value = value.trim();
            if is_first && (kind != "v" || value != "0") {
                return fail(number, "v=0");
            }
            let bad = |expected| BadSession { line: number, expected };
            match kind {
                "o" if session.media.is_empty() => origin = Some(parse_origin(value).map_err(bad)?),
                "s" if session.media.is_empty() => session.name = value.to_string(),
                "t" if session.media.is_empty() => session.times.push(value.to_string()),
                "c" => {
                    let address = parse_connection(value).map_err(bad)?;
                    match session.media.last_mut() {
                        // The first one counts; more of them are only for layers of multicast (RFC 8866 §5.7).
                        Some(media) => drop(media.connection.get_or_insert(address)),
                        None => drop(session.connection.get_or_insert(address)),
                    }
                }
                "a" => {
                    let attribute = match value.split_once(':') {
                        Some((name, value)) => Attribute::new(name.trim(), Some(value.trim())),
                        None => Attribute::new(value, None),
                    };
                    match session.media.last_mut() {
                        Some(media) => media.attributes.push(attribute),
                        None => session.attributes.push(attribute),
                    }
                }
                "m" if session.media.len() == MAX_MEDIA => return fail(number, "at most 32 m= lines"),
                "m" => session.media.push(parse_media(value).map_err(bad)?),
                _ => {}
            }
        }
        if last == 0 {
            return fail(1, "v=0");
        }
        match origin {
            Some(origin) => session.origin = origin,
            None => return fail(last, "an o= line before this"),
        }
        if session.times.is_empty() {
            session.times.push("0 0".into());
        }
        Ok(session)
    }
}

/// `o=user id version IN IP4 address`.
fn parse_origin(value: &str) -> Result<Origin, &'static str> {
    let mut words = value.split_ascii_whitespace().peekable();
    let mut word = |expected| words.next().ok_or(expected);
    let user = word("o=user session-id version IN IP4 address")?;
    let mut number = |expected| {
        word(expected)
            .and_then(|n| if n.bytes().all(|b| b.is_ascii_digit()) { Ok(n.to_string()) } else { Err(expected) })
    };
    let id = number("a number as session id in o=")?;
    let version = number("a number as session version in o=")?;
    let rest: Vec<&str> = words.collect();
    Ok(Origin { user: user.to_string(), id, version, address: parse_connection(&rest.join(" "))? })
}

/// `IN IP4 address[/ttl]`. The address says by itself of which kind it is, so a wrong `IP4` harms nobody.
fn parse_connection(value: &str) -> Result<Address, &'static str> {
    const EXPECTED: &str = "IN IP4 or IN IP6 and an address";
    let mut words = value.split_ascii_whitespace();
    let (net, kind, address) = (words.next(), words.next(), words.next());
    let address = address.ok_or(EXPECTED)?;
    if !net.is_some_and(|net| net.eq_ignore_ascii_case("IN"))
        || !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("IP4") || kind.eq_ignore_ascii_case("IP6"))
    {
        return Err(EXPECTED);
    }
    let address = address.split('/').next().unwrap_or(address);
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    Ok(match bare.parse() {
        Ok(ip) => Address::Ip(ip),
        Err(_) => Address::Name(address.to_string()),
    })
}

/// `audio 49170[/ports] RTP/AVP 0 8`.
fn parse_media(value: &str) -> Result<Media, &'static str> {
    let mut words = value.split_ascii_whitespace();
    let kind = words.next().ok_or("m=media port protocol formats")?.to_string();
    let port = words.next().and_then(|port| port.split('/').next()).filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let port = port.and_then(|port| port.parse().ok()).ok_or("a port from 0 to 65535 in m=")?;
    let protocol = words.next().ok_or("a protocol such as RTP/AVP in m=")?.to_string();
    let formats: Vec<String> = words.map(str::to_string).collect();
    if formats.is_empty() {
        return Err("at least one format in m=");
    }
    Ok(Media { kind, port, protocol, formats, connection: None, attributes: Vec::new() })
}

impl Attribute {
    pub fn new(name: &str, value: Option<&str>) -> Attribute {
        Attribute { name: name.to_string(), value: value.map(str::to_string) }
    }
}

impl Media {
    /// The value of the first attribute with this name; `""` for one without value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        find(&self.attributes, name)
    }

    /// What `a=rtpmap` says of a payload number: name, clock rate.
    pub fn rtpmap(&self, format: &str) -> Option<(&str, u32)> {
        self.attributes.iter().filter(|a| a.name.eq_ignore_ascii_case("rtpmap")).find_map(|a| {
            let (number, encoding) = a.value.as_deref()?.split_once([' ', '\t'])?;
            let mut parts = encoding.trim().split('/');
            let (name, rate) = (parts.next()?, parts.next()?.parse().ok()?);
            (number == format).then_some((name, rate))
        })
    }
}

impl Session {
    /// The attribute of the section, else of the session (RFC 8866 §5.13).
    pub fn attribute_for<'a>(&'a self, media: &'a Media, name: &str) -> Option<&'a str> {
        media.attribute(name).or_else(|| find(&self.attributes, name))
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name)).map(|a| a.value.as_deref().unwrap_or_default())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(IpAddr::V6(ip)) => write!(f, "IN IP6 {ip}"),
            Address::Ip(IpAddr::V4(ip)) => write!(f, "IN IP4 {ip}"),
            Address::Name(name) => write!(f, "IN IP4 {name}"),
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "a={}:{value}\r\n", self.name),
            None => write!(f, "a={}\r\n", self.name),
        }
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {} {} {}\r\n", self.kind, self.port, self.protocol, self.formats.join(" "))?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        self.attributes.iter().try_for_each(|attribute| attribute.fmt(f))
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { user, id, version, address } = &self.origin;
        let name = if self.name.is_empty() { "-" } else { &self.name };
        write!(f, "v=0\r\no={user} {id} {version} {address}\r\ns={name}\r\n")?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        self.times.iter().try_for_each(|time| write!(f, "t={time}\r\n"))?;
        self.attributes.iter().try_for_each(|attribute| attribute.fmt(f))?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PHONE: &str = "v=0\r\no=- 3904721 3904721 IN IP4 192.0.2.7\r\ns=A talk\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
        a=sendonly\r\nm=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000/1\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=ptime:20\r\nm=video 0 RTP/AVP 96\r\nc=IN IP6 2001:db8::7\r\n";

    #[test]
    fn read_and_written_again() {
        let session = Session::parse(PHONE.as_bytes()).unwrap();
        assert_eq!(session.to_string(), PHONE);
        let audio = &session.media[0];
        assert_eq!(audio.rtpmap("8"), Some(("PCMA", 8000)));
        assert_eq!(audio.rtpmap("0"), None);
        assert_eq!(session.attribute_for(audio, "sendonly"), Some(""));
        assert_eq!(session.attribute_for(audio, "ptime"), Some("20"));
    }

    #[test]
    fn sloppy_descriptions_are_understood() {
        let sloppy = "v=0\no=x 1 1 IN IP4 [2001:db8::1] \nb=AS:64\n \nc=IN IP4 2001:db8::1/127\nz\u{e9}=?\n";
        assert_eq!(Session::parse(sloppy.as_bytes()).unwrap_err().line, 6);
        let sloppy =
            sloppy.replace("z\u{e9}=?", "y=?\nm=audio 4000/2 RTP/AVP 0\nc=IN IP4 pc.example\na= rtpmap : 0 PCMU/8000");
        let session = Session::parse(sloppy.as_bytes()).unwrap();
        assert_eq!(session.connection, Some(Address::Ip("2001:db8::1".parse().unwrap())));
        assert_eq!(session.origin.address, session.connection.clone().unwrap());
        assert_eq!(session.times, ["0 0"]);
        assert_eq!(session.media[0].connection, Some(Address::Name("pc.example".into())));
        assert_eq!(session.media[0].rtpmap("0"), Some(("PCMU", 8000)));
    }

    #[test]
    fn errors_name_line_and_what_was_expected() {
        for (text, message) in [
            ("", "line 1: expected v=0"),
            ("v=1\n", "line 1: expected v=0"),
            ("v=0\n", "line 1: expected an o= line before this"),
            ("v=0\no=- x 1 IN IP4 1.2.3.4\n", "line 2: expected a number as session id in o="),
            ("v=0\no=- 1 1 IN IP5 1.2.3.4\n", "line 2: expected IN IP4 or IN IP6 and an address"),
            ("v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio 70000 RTP/AVP 0\n", "line 3: expected a port from 0 to 65535 in m="),
            ("v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio 7000 RTP/AVP\n", "line 3: expected at least one format in m="),
            ("v=0\no=- 1 1 IN IP4 1.2.3.4\nhello\n", "line 3: expected one letter and '='"),
        ] {
            assert_eq!(Session::parse(text.as_bytes()).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn bounds_hold() {
        let head = "v=0\no=- 1 1 IN IP4 1.2.3.4\n";
        let many = |line: &str, n| format!("{head}{}", line.repeat(n));
        assert_eq!(Session::parse(many("m=audio 1 RTP/AVP 0\n", 33).as_bytes()).unwrap_err().line, 35);
        assert_eq!(Session::parse(many("a=x\n", 999).as_bytes()).unwrap_err().line, 1001);
        assert!(Session::parse(many(&format!("a={}\n", "x".repeat(400)), 90).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _refused_or_not = Session::parse(&bytes);
        }

        #[test]
        fn damaged_description_is_refused_or_survives_being_written(at in 0..PHONE.len(), byte in any::<u8>(), cut in 0..PHONE.len()) {
            let mut bytes = PHONE.as_bytes().to_vec();
            bytes[at] = byte;
            bytes.truncate(PHONE.len() - cut / 8);
            if let Ok(session) = Session::parse(&bytes) {
                prop_assert_eq!(Session::parse(session.to_string().as_bytes()), Ok(session));
            }
        }
    }
}

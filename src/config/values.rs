//! The kinds of value a setting can have beyond numbers and text.

use crate::engine::identity::Passed;
use crate::engine::redirects::Redirects;
use crate::engine::settings::Network;
use crate::media::Ringback;
use crate::sip::locate::Destination;
use crate::sip::{Host, SipUri, Transport, Uri};
use crate::time::{Duration, Time, parse_duration};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Something that is not to be seen in logs or messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    /// The secret itself, for whoever must compute with it. Never print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Says that there is a secret and nothing of it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where calls to a trunk are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// `udp:192.0.2.1:5060`; also `sip:192.0.2.1`.
    At(Hop),
    /// `sip:carrier.example`, `tcp:carrier.example:5060`: where that is, DNS says.
    Named(Destination),
}

impl To {
    pub fn at(&self) -> Option<Hop> {
        if let To::At(hop) = self { Some(*hop) } else { None }
    }

    pub fn named(&self) -> Option<&Destination> {
        if let To::Named(destination) = self { Some(destination) } else { None }
    }

    /// `None`: DNS says which.
    pub fn transport(&self) -> Option<Transport> {
        match self {
            To::At(hop) => Some(hop.transport),
            To::Named(destination) => destination.transport,
        }
    }
}

impl FromStr for To {
    type Err = String;
    fn from_str(text: &str) -> Result<To, String> {
        let (scheme, place) = text.split_once(':').ok_or("there is no transport in it")?;
        let scheme = scheme.to_ascii_lowercase();
        let (transport, secure) = match scheme.as_str() {
            "sip" => (None, false),
            "sips" => (None, true),
            word => {
                let known = Transport::ALL.into_iter().find(|known| known.word() == word);
                let transport = known.ok_or_else(|| format!("`{word}` is no transport that vaxel speaks"))?;
                (Some(transport), transport.is_secure())
            }
        };
        // As a URI has it, and no more than that: parameters and users say nothing about where it is.
        let (host, port) = match format!("sip:{place}").parse() {
            Ok(Uri::Sip(uri)) if uri == SipUri::new(None, uri.host.clone(), uri.port) => (uri.host, uri.port),
            Ok(_) => return Err(format!("there is more than a host and a port in `{place}`")),
            Err(_) => return Err(format!("`{place}` is no address and no name")),
        };
        if port == Some(0) {
            return Err("nobody can be reached on port 0".into());
        }
        Ok(match host {
            Host::Ip(ip) => {
                let transport = transport.unwrap_or(if secure { Transport::Tls } else { Transport::Udp });
                let port = port.unwrap_or(transport.default_port());
                To::At(Hop { transport, address: SocketAddr::new(ip, port) })
            }
            Host::Name(host) => To::Named(Destination { host, port, transport, secure }),
        })
    }
}

/// A DNS server: an address, with a port if it is not 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsServer(pub SocketAddr);

impl FromStr for DnsServer {
    type Err = String;
    fn from_str(text: &str) -> Result<DnsServer, String> {
        let alone = text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53));
        alone.or_else(|_| text.parse()).map(DnsServer).map_err(|_| format!("`{text}` is no address"))
    }
}

/// The name that a certificate must have, in lower case. No address, and no `*`: such names stand for nobody in particular
/// (RFC 5922 §7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CertificateName(pub String);

impl FromStr for CertificateName {
    type Err = String;
    fn from_str(text: &str) -> Result<CertificateName, String> {
        match text.parse()? {
            Domain(Host::Name(name)) => Ok(CertificateName(name)),
            Domain(Host::Ip(_)) => Err(format!("`{text}` is an address")),
        }
    }
}

/// Where SIP is spoken: `udp:192.0.2.1:5060`, `tcp:[2001:db8::1]:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    pub transport: Transport,
    pub address: SocketAddr,
}

impl FromStr for Hop {
    type Err = String;
    fn from_str(text: &str) -> Result<Hop, String> {
        let (transport, address) = text.split_once(':').ok_or("there is no transport in it")?;
        let transport = transport.to_ascii_lowercase();
        let known = Transport::ALL.into_iter().find(|known| known.word() == transport);
        let transport = known.ok_or_else(|| format!("`{transport}` is no transport that vaxel speaks"))?;
        let address = address.parse().map_err(|_| format!("`{address}` is no address and port"))?;
        Ok(Hop { transport, address })
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.word(), self.address)
    }
}

/// A place to listen for SIP: a [`Hop`], and if the peers must be told another address than the one we bind (behind
/// NAT, in a container), that one: `udp:0.0.0.0:5060 as 203.0.113.7` or `… as 203.0.113.7:15060`.
///
/// Port 0 asks the system for a free port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    pub transport: Transport,
    pub address: SocketAddr,
    pub advertise: Option<SocketAddr>,
}

impl FromStr for Listen {
    type Err = String;
    fn from_str(text: &str) -> Result<Listen, String> {
        let (bind, shown) = match text.split_once(" as ") {
            Some((bind, shown)) => (bind.trim(), Some(shown.trim())),
            None => (text.trim(), None),
        };
        let Hop { transport, address } = bind.parse()?;
        let advertise = match shown {
            None => None,
            Some(shown) => {
                let with_port = shown.parse().ok();
                let alone = || shown.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, address.port()));
                let shown_address = with_port.or_else(alone).ok_or(format!("`{shown}` is no address"))?;
                if shown_address.ip().is_unspecified() {
                    return Err(format!("nobody can reach `{shown}`"));
                }
                if shown_address.is_ipv4() != address.is_ipv4() {
                    return Err(format!("`{shown}` is of another IP version than `{bind}`"));
                }
                Some(shown_address)
            }
        };
        Ok(Listen { transport, address, advertise })
    }
}

/// Whether who connects to us by TLS must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    #[default]
    Required,
    /// One that is shown must be good.
    Optional,
}

impl FromStr for ClientCertificate {
    type Err = String;
    fn from_str(text: &str) -> Result<ClientCertificate, String> {
        match text {
            "required" => Ok(ClientCertificate::Required),
            "optional" => Ok(ClientCertificate::Optional),
            _ => Err(String::new()),
        }
    }
}

/// A range of IP addresses: `203.0.113.10`, `203.0.113.0/24`, `2001:db8::/32`.
impl FromStr for Network {
    type Err = String;
    fn from_str(text: &str) -> Result<Network, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is no IP address"))?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => widest,
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|bits| *bits <= widest)
                .ok_or(format!("`/{prefix}` is no prefix length from 0 to {widest}"))?,
        };
        Ok(Network { address, prefix })
    }
}

impl FromStr for Redirects {
    type Err = String;
    fn from_str(text: &str) -> Result<Redirects, String> {
        match text {
            "none" => Ok(Redirects::None),
            "inside" => Ok(Redirects::Inside),
            "outside" => Ok(Redirects::Outside),
            _ => Err(String::new()),
        }
    }
}

impl FromStr for Passed {
    type Err = String;
    fn from_str(text: &str) -> Result<Passed, String> {
        Passed::ALL.into_iter().find(|passed| passed.header().eq_ignore_ascii_case(text)).ok_or(String::new())
    }
}

/// UDP ports for RTP and RTCP: `20000-29999`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(pub RangeInclusive<u16>);

impl FromStr for Ports {
    type Err = String;
    fn from_str(text: &str) -> Result<Ports, String> {
        let (low, high) = text.split_once('-').ok_or("there is no `-` in it")?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| format!("`{}` is no port", text.trim()));
        let (low, high) = (port(low)?, port(high)?);
        if low < 1024 {
            return Err(format!("{low} is below 1024, and those ports are reserved"));
        }
        // RTP takes the even port of a pair and RTCP the odd one above (RFC 3550 §11).
        let pairs = u32::from(high).div_ceil(2);
        if pairs <= u32::from(low).div_ceil(2) {
            return Err("there is no pair of an even port and the odd one above it in it".into());
        }
        Ok(Ports(low..=high))
    }
}

/// A length of time, or `none`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limit(pub Option<Duration>);

impl FromStr for Limit {
    type Err = String;
    fn from_str(text: &str) -> Result<Limit, String> {
        match text {
            "none" => Ok(Limit(None)),
            _ => parse_duration(text).map(|d| Limit(Some(d))).ok_or(String::new()),
        }
    }
}

/// A moment, or the beginning of a day in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment(pub Time);

impl FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Moment, String> {
        let day = || Some(text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp());
        let stamp = text.parse::<jiff::Timestamp>().ok().or_else(day).ok_or_else(String::new)?;
        let micros = u64::try_from(stamp.as_microsecond()).map_err(|_| "it is before 1970".to_owned())?;
        Ok(Moment(Time::from_micros(micros)))
    }
}

/// The name of a queue, agent or trunk: it becomes a SIP user, a metric label and part of file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name(pub String);

impl FromStr for Name {
    type Err = String;
    fn from_str(text: &str) -> Result<Name, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        match text.len() {
            1..=64 if text.chars().all(plain) => Ok(Name(text.to_owned())),
            _ => Err(String::new()),
        }
    }
}

/// What can be dialled on a telephone: digits, `*`, `#`, and a `+` in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dialled(pub String);

impl FromStr for Dialled {
    type Err = String;
    fn from_str(text: &str) -> Result<Dialled, String> {
        let keys = text.strip_prefix('+').unwrap_or(text);
        match keys.len() {
            1..=32 if keys.chars().all(|c| c.is_ascii_digit() || "*#".contains(c)) => Ok(Dialled(text.to_owned())),
            _ => Err(String::new()),
        }
    }
}

/// How numbers begin that a trunk takes: `00`, `+46`; a `+` alone is every international number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Beginning(pub String);

impl FromStr for Beginning {
    type Err = String;
    fn from_str(text: &str) -> Result<Beginning, String> {
        match text {
            "+" => Ok(Beginning(text.to_owned())),
            _ => text.parse().map(|Dialled(number)| Beginning(number)),
        }
    }
}

/// The name by which a carrier is called in SIP URIs; an address is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(pub Host);

impl FromStr for Domain {
    type Err = String;
    fn from_str(text: &str) -> Result<Domain, String> {
        match format!("sip:{text}").parse() {
            Ok(Uri::Sip(uri)) if uri == SipUri::new(None, uri.host.clone(), None) => Ok(Domain(uri.host)),
            _ => Err(format!("`{text}` is no host name")),
        }
    }
}

/// Tones and rhythm of a country's ringing: `425 1/4`, `440+480 2/4`, `400+450 0.4/0.2/0.4/2`.
impl FromStr for Ringback {
    type Err = String;
    fn from_str(text: &str) -> Result<Ringback, String> {
        const TONES: usize = 4;
        const PARTS: usize = 8;
        let (tones, rhythm) = text.trim().split_once(' ').ok_or("there is no rhythm after the tones")?;
        let tone = |text: &str| {
            let hertz = text.trim().parse().ok().filter(|hertz| (200..=3400).contains(hertz));
            hertz.ok_or(format!("`{text}` is no frequency from 200 to 3400 Hz, which telephones carry"))
        };
        let part = |text: &str| {
            let seconds = text.trim().parse().ok().filter(|seconds| (0.05..=10.0).contains(seconds));
            seconds.map(Duration::from_secs_f64).ok_or(format!("`{text}` is no number of seconds from 0.05 to 10"))
        };
        let frequencies = tones.split('+').map(tone).collect::<Result<Vec<u16>, _>>()?;
        let rhythm = rhythm.split('/').map(part).collect::<Result<Vec<_>, _>>()?;
        if frequencies.len() > TONES {
            return Err(format!("there are more than {TONES} tones"));
        }
        if rhythm.len() % 2 != 0 || rhythm.len() > PARTS {
            return Err(format!("each tone is followed by a silence, and there are up to {PARTS} of both"));
        }
        Ok(Ringback { frequencies, rhythm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }

    #[test]
    fn listens_are_read_with_and_without_another_address() {
        let plain: Listen = "udp:[::1]:5060".parse().unwrap();
        assert_eq!(plain.address, "[::1]:5060".parse().unwrap());
        assert_eq!(plain.advertise, None);
        let behind: Listen = "tcp:0.0.0.0:5060 as 203.0.113.7".parse().unwrap();
        assert_eq!(behind.advertise, Some("203.0.113.7:5060".parse().unwrap()));
        let moved: Listen = "udp:[::]:5060 as [2001:db8::1]:15060".parse().unwrap();
        assert_eq!(moved.advertise, Some("[2001:db8::1]:15060".parse().unwrap()));
        for wrong in ["127.0.0.1:5060", "sctp:127.0.0.1:5060", "udp:5060", "udp:localhost:5060", "udp:::1:5060"] {
            assert!(wrong.parse::<Listen>().is_err(), "{wrong}");
        }
        for wrong in ["udp:0.0.0.0:5060 as 0.0.0.0", "udp:0.0.0.0:5060 as ::1", "udp:0.0.0.0:5060 as example.org"] {
            assert!(wrong.parse::<Listen>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_trunk_is_at_an_address_or_where_dns_says() {
        let at = |transport, address: &str| To::At(Hop { transport, address: address.parse().unwrap() });
        for (text, to) in [
            ("udp:192.0.2.1:5060", at(Transport::Udp, "192.0.2.1:5060")),
            ("tcp:[2001:db8::1]:5070", at(Transport::Tcp, "[2001:db8::1]:5070")),
            ("sip:192.0.2.1", at(Transport::Udp, "192.0.2.1:5060")),
            ("sips:192.0.2.1", at(Transport::Tls, "192.0.2.1:5061")),
            ("TLS:192.0.2.1", at(Transport::Tls, "192.0.2.1:5061")),
        ] {
            assert_eq!(text.parse(), Ok(to), "{text}");
        }
        let named = |port, transport, secure| {
            To::Named(Destination { host: "carrier.example".into(), port, transport, secure })
        };
        for (text, to) in [
            ("sip:Carrier.example", named(None, None, false)),
            ("sips:carrier.example", named(None, None, true)),
            ("sip:carrier.example:5080", named(Some(5080), None, false)),
            ("tcp:carrier.example", named(None, Some(Transport::Tcp), false)),
            ("tls:carrier.example:5061", named(Some(5061), Some(Transport::Tls), true)),
        ] {
            assert_eq!(text.parse(), Ok(to), "{text}");
        }
        for wrong in [
            "carrier.example",
            "sctp:carrier.example",
            "sip:",
            "sip:user@carrier.example",
            "sip:carrier.example;transport=tcp",
            "sip:carrier.example:0",
            "sip:carrier.example:70000",
            "udp:192.0.2.1:x",
            "sip:carrier example",
        ] {
            assert!(wrong.parse::<To>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn dns_servers_and_names_of_certificates() {
        for (text, server) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
        ] {
            assert_eq!(text.parse(), Ok(DnsServer(server.parse().unwrap())), "{text}");
        }
        assert!("dns.example".parse::<DnsServer>().is_err());
        assert_eq!("SBC.carrier.example".parse(), Ok(CertificateName("sbc.carrier.example".into())));
        for wrong in ["192.0.2.1", "*.carrier.example", "sip:carrier.example", ""] {
            assert!(wrong.parse::<CertificateName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_are_read_with_and_without_a_prefix() {
        for (text, address, prefix) in [
            ("203.0.113.0/24", "203.0.113.0", 24),
            ("203.0.113.10", "203.0.113.10", 32),
            ("2001:db8::/33", "2001:db8::", 33),
            ("::1", "::1", 128),
            ("0.0.0.0/0", "0.0.0.0", 0),
        ] {
            assert_eq!(text.parse(), Ok(Network { address: address.parse().unwrap(), prefix }), "{text}");
        }
        for wrong in ["203.0.113.0/33", "203.0.113", "::/129", "", "203.0.113.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ringing_has_tones_and_a_rhythm() {
        assert_eq!("425 1/4".parse(), Ok(Ringback::default()));
        let seconds = |parts: &[f64]| parts.iter().map(|part| Duration::from_secs_f64(*part)).collect::<Vec<_>>();
        for (text, frequencies, rhythm) in [
            ("440+480 2/4", vec![440, 480], seconds(&[2.0, 4.0])),
            (" 400+450  0.4/0.2/0.4/2 ", vec![400, 450], seconds(&[0.4, 0.2, 0.4, 2.0])),
        ] {
            assert_eq!(text.parse(), Ok(Ringback { frequencies, rhythm }), "{text}");
        }
        for wrong in ["", "425", "425 1", "425 1/4/1", "20 1/4", "425 0/4", "425 1/400", "425 one/4", "4000 1/4"] {
            assert!(wrong.parse::<Ringback>().is_err(), "{wrong}");
        }
        assert!("425+425+425+425+425 1/4".parse::<Ringback>().unwrap_err().contains("more than 4 tones"));
    }

    #[test]
    fn port_ranges_hold_at_least_one_pair() {
        assert_eq!("20000-29999".parse(), Ok(Ports(20000..=29999)));
        assert_eq!("20000 - 20001".parse(), Ok(Ports(20000..=20001)));
        assert_eq!("65534-65535".parse(), Ok(Ports(65534..=65535)));
        for wrong in ["20000", "20000-20000", "20001-20002", "29999-20000", "80-90", "20000-70000", "a-b"] {
            assert!(wrong.parse::<Ports>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_what_a_telephone_can_dial() {
        for good in ["100", "+46701234567", "*1", "#9"] {
            assert!(good.parse::<Dialled>().is_ok(), "{good}");
        }
        for wrong in ["", "+", "10 0", "1+2", "abc", "111111111111111111111111111111111"] {
            assert!(wrong.parse::<Dialled>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_trunk_can_take_everything_international() {
        for good in ["+", "+46", "00", "0"] {
            assert_eq!(good.parse(), Ok(Beginning(good.to_owned())));
        }
        for wrong in ["", "++", "+ 46", "x"] {
            assert!(wrong.parse::<Beginning>().is_err(), "{wrong}");
        }
    }
}

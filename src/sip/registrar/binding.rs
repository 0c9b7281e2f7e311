//! One place where a user can be reached, and how it is kept from one run to the next.

use crate::sip::endpoint::{Hop, Transport};
use crate::sip::headers::NameAddr;
use crate::sip::uri::{Host, SipUri, Uri};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Of one binding among all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    pub user: String,
    /// Instance and flow (RFC 5626 §6), else the Contact URI.
    pub contact: String,
}

/// One place where a user can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub user: String,
    /// Request-URI of requests to it.
    pub uri: Uri,
    /// Contact as it came, without `expires`.
    pub contact: NameAddr,
    /// Where its REGISTER came from, and so where requests to it go.
    pub hop: Hop,
    /// Values of Route for requests to it, nearest proxy first.
    pub path: Vec<String>,
    /// No proxy stands between the phone and us.
    pub is_direct: bool,
    pub refreshed: Time,
    pub expires: Time,
    /// What the phone calls itself: its User-Agent header.
    pub agent: Option<String>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
}

impl Binding {
    /// `+sip.instance` without quotes, for example `<urn:uuid:…>`.
    pub fn instance(&self) -> Option<&str> {
        self.contact.params.get("+sip.instance")
    }

    /// One of several ways by which one phone may be reached (RFC 5626).
    pub fn is_flow(&self) -> bool {
        self.instance().is_some() && self.contact.params.has("reg-id")
    }

    /// Instance and number of the flow that it is (RFC 5626 §6); `None`: it is none.
    pub fn flow(&self) -> Option<String> {
        flow(&self.contact).map(|(instance, id)| format!("{instance} {id}"))
    }

    /// Both are flows of one phone.
    pub(super) fn is_beside(&self, other: &Binding) -> bool {
        let instances = self.instance().zip(other.instance());
        self.is_flow() && other.is_flow() && instances.is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
    }

    /// Preference in thousandths, 1000 if not given (RFC 3261 §20.10).
    pub fn q(&self) -> u16 {
        self.contact
            .params
            .get("q")
            .and_then(|q| q.parse::<f32>().ok())
            .map_or(1000, |q| (q.clamp(0.0, 1.0) * 1e3) as u16)
    }

    /// What tells it from the user's other bindings.
    pub fn name(&self) -> Name {
        Name { user: self.user.clone(), contact: self.flow().unwrap_or_else(|| self.uri.to_string()) }
    }

    /// By its flow; without one, by its URI (RFC 3261 §10.3 step 7).
    pub(super) fn is_named_by(&self, contact: &NameAddr) -> bool {
        match (flow(&self.contact), flow(contact)) {
            (Some(a), Some(b)) => a == b,
            _ => self.has_uri(&contact.uri),
        }
    }

    pub(super) fn has_uri(&self, contact: &Uri) -> bool {
        self.uri.equivalent(&request_uri(contact))
    }

    /// Between the phone and us something changes addresses: its datagrams do not come from where it says it is.
    pub fn is_behind_nat(&self) -> bool {
        let names = |uri: &SipUri| {
            uri.host == Host::Ip(self.hop.remote.ip()) && uri.port.unwrap_or(5060) == self.hop.remote.port()
        };
        self.is_direct && self.hop.transport == Transport::Udp && !self.uri.as_sip().is_some_and(names)
    }

    /// Nobody else reads what goes there: it is by TLS, and behind proxies the phone has said that it wants it so to its end.
    pub fn is_secure(&self) -> bool {
        self.hop.transport.is_secure() && (self.is_direct || self.uri.is_secure())
    }

    /// For the next run; `None`: it goes by a connection, which will not be there.
    pub fn save(&self) -> Option<Saved> {
        let by_connection = self.hop.connection.is_some();
        (!by_connection).then(|| Saved {
            user: self.user.clone(),
            contact: self.contact.to_string(),
            transport: self.hop.transport.name().to_string(),
            local: self.hop.local,
            remote: self.hop.remote,
            path: self.path.clone(),
            is_direct: self.is_direct,
            refreshed: self.refreshed.as_micros(),
            expires: self.expires.as_micros(),
            agent: self.agent.clone(),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
        })
    }
}

/// Instance and number of the flow that a Contact is (RFC 5626 §4.1); `None`: it is none. A phone with several lines has one instance.
fn flow(contact: &NameAddr) -> Option<(String, &str)> {
    Some((contact.params.get("+sip.instance")?.to_ascii_lowercase(), contact.params.get("reg-id")?))
}

/// A Contact as it stands in the Request-URI of what is sent to it: without what must not stand there (RFC 3261 §19.1.1, table 1).
pub(super) fn request_uri(contact: &Uri) -> Uri {
    let mut uri = contact.clone();
    if let Uri::Sip(sip) = &mut uri {
        sip.headers.clear();
        sip.params.remove("method");
    }
    uri
}

/// A binding as it is kept from one run to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    user: String,
    contact: String,
    transport: String,
    local: SocketAddr,
    remote: SocketAddr,
    path: Vec<String>,
    is_direct: bool,
    /// Microseconds since 1970, as `expires`.
    refreshed: u64,
    expires: u64,
    agent: Option<String>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
}

/// What was kept is not what we write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of a kept registration cannot be used: {value}")]
pub struct BadSaved {
    what: &'static str,
    value: String,
}

impl TryFrom<Saved> for Binding {
    type Error = BadSaved;

    fn try_from(saved: Saved) -> Result<Binding, BadSaved> {
        let bad = |what, value: &str| BadSaved { what, value: value.to_string() };
        let contact = NameAddr::parse(&saved.contact).map_err(|_| bad("the Contact", &saved.contact))?;
        let transport = Transport::named(&saved.transport).ok_or_else(|| bad("the transport", &saved.transport))?;
        Ok(Binding {
            uri: request_uri(&contact.uri),
            contact,
            hop: Hop { transport, local: saved.local, remote: saved.remote, connection: None },
            path: saved.path,
            is_direct: saved.is_direct,
            refreshed: Time::from_micros(saved.refreshed),
            expires: Time::from_micros(saved.expires),
            agent: saved.agent,
            call_id: saved.call_id,
            cseq: saved.cseq,
            user: saved.user,
        })
    }
}

//! The message model: start line, headers in their order, body. Typed headers are read on demand.

use std::net::IpAddr;

/// RFC 3261 §7.1. An open set: what we do not know is kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Info,
    Prack,
    Update,
    Refer,
    Notify,
    Subscribe,
    Message,
    Other(String),
}

/// RFC 3261 §25.1 `host`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Name(String),
    Ip(IpAddr),
}

/// A `sip:`, `sips:` or `tel:` URI (RFC 3261 §19.1, RFC 3966). Other schemes are kept in `Other`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uri {
    Sip(SipUri),
    /// The number with its plus, visual separators removed; parameters as they came.
    Tel {
        number: String,
        params: Vec<(String, Option<String>)>,
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
    /// Names in lower case; values unescaped, as they came.
    pub params: Vec<(String, Option<String>)>,
    /// What stands behind `?` (RFC 3261 §19.1.1), unescaped.
    pub headers: Vec<(String, String)>,
}

/// One header line: name in its long form as known from the RFCs (`v:` is read as `Via`), value unfolded and trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// All headers in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<Header>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub code: u16,
    pub reason: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Request(Request),
    Response(Response),
}

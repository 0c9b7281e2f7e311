//! Header lines in their order, and typed readings of them on demand. One typed header per file.

pub mod name;
pub mod name_addr;
pub mod reason;
pub mod replaces;
pub mod value;
pub mod via;

pub use name_addr::NameAddr;
pub use reason::Reason;
pub use replaces::Replaces;
pub use value::Value;
pub use via::Via;

use super::lex;
use super::method::Method;
use std::borrow::Cow;

/// One header line: name in its long form as known from the RFCs (`v:` is read as `Via`), value unfolded and trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: Cow<'static, str>,
    pub value: Value,
}

/// All headers in the order they came. Names are found in any case, by their long form.
///
/// There is never a `Content-Length` among them: it is the length of the body, read with it and written with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub(super) Vec<Header>);

/// A header that is missing or cannot be understood. Shown as, for example, `Bad Via header: expected a host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", if *.fault == MISSING { format!("Missing {name} header") } else { format!("Bad {name} header: {fault}") })]
pub struct BadHeader {
    pub name: &'static str,
    pub fault: &'static str,
}

const MISSING: &str = "missing";

impl BadHeader {
    pub(crate) fn missing(name: &'static str) -> BadHeader {
        BadHeader { name, fault: MISSING }
    }

    pub fn is_missing(&self) -> bool {
        self.fault == MISSING
    }
}

impl Headers {
    pub fn new() -> Headers {
        Headers::default()
    }

    /// The first header with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The values of all header lines with this name, in their order; lists are not split (see [`Headers::items`]).
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
    }

    /// The items of a comma list spread over any number of lines (RFC 3261 §7.3.1).
    pub fn items(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get_all(name).flat_map(lex::items)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds a line at the end. Line breaks in `value` become spaces, so no value can forge another header.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl Into<Value>) {
        self.0.extend(header(name.as_ref(), value.into()));
    }

    /// Adds a line before all others: the place of our Via and Route.
    pub fn insert_first(&mut self, name: impl AsRef<str>, value: impl Into<Value>) {
        if let Some(header) = header(name.as_ref(), value.into()) {
            self.0.insert(0, header);
        }
    }

    /// Replaces the first line with this name and removes the others; adds one at the end if there is none.
    pub fn set(&mut self, name: impl AsRef<str>, value: impl Into<Value>) {
        let name = name.as_ref();
        let Some(new) = header(name, value.into()) else { return };
        match self.0.iter().position(|h| h.name == new.name) {
            Some(at) => {
                let mut index = 0;
                self.0.retain(|h| {
                    index += 1;
                    index <= at + 1 || h.name != new.name
                });
                self.0[at] = new;
            }
            None => self.0.push(new),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|h| !h.name.eq_ignore_ascii_case(name));
    }

    /// Removes the topmost Via value, also when it shares its line with others (RFC 3261 §16.7 step 3).
    pub fn remove_first_item(&mut self, name: &str) {
        let Some(at) = self.0.iter().position(|h| h.name.eq_ignore_ascii_case(name)) else { return };
        match lex::find_outside(&self.0[at].value, true, |b| b == b',') {
            Some(comma) => self.0[at].value = lex::trim(&self.0[at].value[comma + 1..]).into(),
            None => drop(self.0.remove(at)),
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Header> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Copies all lines with this name to the end of `to`.
    pub fn copy(&self, name: &str, to: &mut Headers) {
        to.0.extend(self.0.iter().filter(|h| h.name.eq_ignore_ascii_case(name)).cloned());
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, BadHeader> {
        Via::parse(self.items("Via").next().ok_or(BadHeader::missing("Via"))?)
    }

    /// All Vias, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, BadHeader> {
        self.items("Via").map(Via::parse).collect()
    }

    pub fn from_(&self) -> Result<NameAddr, BadHeader> {
        self.address("From")
    }

    pub fn to(&self) -> Result<NameAddr, BadHeader> {
        self.address("To")
    }

    /// A header that holds exactly one address, for example `Refer-To`, `Referred-By`.
    pub fn address(&self, name: &'static str) -> Result<NameAddr, BadHeader> {
        NameAddr::parse(self.get(name).ok_or(BadHeader::missing(name))?).map_err(|fault| BadHeader { name, fault })
    }

    /// All addresses of a list header, for example `P-Asserted-Identity`.
    pub fn addresses(&self, name: &'static str) -> Result<Vec<NameAddr>, BadHeader> {
        self.items(name).map(|item| NameAddr::parse(item).map_err(|fault| BadHeader { name, fault })).collect()
    }

    pub fn call_id(&self) -> Result<&str, BadHeader> {
        self.get("Call-ID").filter(|id| !id.is_empty()).ok_or(BadHeader::missing("Call-ID"))
    }

    /// Number (at most 2^31 - 1, RFC 3261 §8.1.1.5) and method.
    pub fn cseq(&self) -> Result<(u32, Method), BadHeader> {
        let bad = |fault| BadHeader { name: "CSeq", fault };
        let value = self.get("CSeq").ok_or(BadHeader::missing("CSeq"))?;
        let (number, method) = value.split_once([' ', '\t']).ok_or(bad("expected a number and a method"))?;
        let number = lex::number(number, (1 << 31) - 1).ok_or(bad("expected a number below 2^31"))?;
        let method = Method::parse(lex::trim(method)).ok_or(bad("expected a method after the number"))?;
        Ok((number as u32, method))
    }

    /// The Contact addresses; empty if there is none, and for `*` (see [`Headers::contact_star`]).
    pub fn contacts(&self) -> Result<Vec<NameAddr>, BadHeader> {
        if self.contact_star() { Ok(Vec::new()) } else { self.addresses("Contact") }
    }

    /// `Contact: *` and nothing beside it (RFC 3261 §10.2.2).
    pub fn contact_star(&self) -> bool {
        let mut contacts = self.items("Contact");
        contacts.next() == Some("*") && contacts.next().is_none()
    }

    /// `None`: missing, or not a number from 0 to 255.
    pub fn max_forwards(&self) -> Option<u8> {
        lex::number(self.get("Max-Forwards")?, 255).map(|n| n as u8)
    }

    /// The Expires header in seconds; `None`: missing, or not a number below 2^32.
    pub fn expires(&self) -> Option<u32> {
        lex::number(self.get("Expires")?, u32::MAX.into()).map(|n| n as u32)
    }

    /// Retry-After as a length of time; `None`: missing, or no number of seconds (RFC 3261 §20.33).
    pub fn retry_after(&self) -> Option<crate::time::Duration> {
        let value = self.get("Retry-After")?;
        let seconds = value.split([';', '(', ' ', '\t']).next().unwrap_or_default();
        lex::number(seconds, u32::MAX.into()).map(crate::time::Duration::from_secs)
    }

    pub fn routes(&self) -> Result<Vec<NameAddr>, BadHeader> {
        self.addresses("Route")
    }

    pub fn record_routes(&self) -> Result<Vec<NameAddr>, BadHeader> {
        self.addresses("Record-Route")
    }

    /// Option tags.
    pub fn require(&self) -> impl Iterator<Item = &str> {
        self.items("Require")
    }

    pub fn supported(&self) -> impl Iterator<Item = &str> {
        self.items("Supported")
    }

    pub fn proxy_require(&self) -> impl Iterator<Item = &str> {
        self.items("Proxy-Require")
    }

    pub fn supports(&self, option: &str) -> bool {
        self.supported().any(|tag| tag.eq_ignore_ascii_case(option))
    }

    /// The media type without parameters, for example `application/sdp`, as it came.
    pub fn content_type(&self) -> Option<&str> {
        let value = self.get("Content-Type")?;
        Some(lex::trim(value.split(';').next().unwrap_or(value)))
    }

    /// Whether the body is of this media type (RFC 3261 §7.4.1: in any case).
    pub fn has_content(&self, media_type: &str) -> bool {
        self.content_type().is_some_and(|t| t.eq_ignore_ascii_case(media_type))
    }

    /// The dialog whose place an INVITE takes (RFC 3891 §3): `None` without the header, `Some(Err)` if there are several or
    /// it cannot be read.
    pub fn replaces(&self) -> Option<Result<Replaces, BadHeader>> {
        let mut all = self.get_all("Replaces");
        let first = all.next()?;
        let one = if all.next().is_none() { Replaces::parse(first) } else { None };
        Some(one.ok_or(BadHeader { name: "Replaces", fault: "expected one call-id with to-tag and from-tag" }))
    }

    /// The first Reason that can be read (RFC 3326).
    pub fn reason(&self) -> Option<Reason> {
        self.items("Reason").find_map(Reason::parse)
    }
}

fn header(name: &str, mut value: Value) -> Option<Header> {
    if value.contains(['\r', '\n']) {
        value = value.replace(['\r', '\n'], " ").into();
    }
    let name = name::canonical(name);
    (name != "Content-Length" && lex::is_token(&name)).then_some(Header { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(name, *value);
        }
        headers
    }

    #[test]
    fn set_replaces_the_first_and_removes_the_others() {
        let mut h = headers(&[("Subject", "a"), ("X-One", "1"), ("subject", "b"), ("X-Two", "2"), ("s", "c")]);
        h.set("SUBJECT", "new");
        let lines: Vec<_> = h.iter().map(|h| (&*h.name, &*h.value)).collect();
        assert_eq!(lines, [("Subject", "new"), ("X-One", "1"), ("X-Two", "2")]);
        h.set("Expires", "60");
        assert_eq!(h.expires(), Some(60));
        h.remove("x-one");
        assert_eq!(h.len(), 3);
    }

    #[test]
    fn a_value_cannot_forge_a_header() {
        let h = headers(&[("Subject", "hello\r\nVia: forged"), ("Bad Name", "x"), ("Content-Length", "7")]);
        assert_eq!(h.get("Subject"), Some("hello  Via: forged"));
        assert_eq!(h.len(), 1);
    }

    #[test]
    fn lists_are_split_outside_quotes_and_brackets() {
        let h = headers(&[("Route", r#""a,b" <sip:x,y@h;lr>, <sip:i>"#), ("Route", "<sip:j>")]);
        let users: Vec<_> = h.routes().unwrap().iter().map(|r| r.uri.to_string()).collect();
        assert_eq!(users, ["sip:x,y@h;lr", "sip:i", "sip:j"]);
    }

    #[test]
    fn the_topmost_item_is_removed_from_a_shared_line() {
        let mut h = headers(&[("Via", "SIP/2.0/UDP a;branch=1 , SIP/2.0/UDP b"), ("Via", "SIP/2.0/UDP c")]);
        h.remove_first_item("Via");
        assert_eq!(h.items("Via").collect::<Vec<_>>(), ["SIP/2.0/UDP b", "SIP/2.0/UDP c"]);
        h.remove_first_item("Via");
        assert_eq!(h.items("Via").collect::<Vec<_>>(), ["SIP/2.0/UDP c"]);
    }

    #[test]
    fn cseq_is_a_number_below_2_to_31_and_a_method() {
        let cseq = |value| headers(&[("CSeq", value)]).cseq().ok();
        assert_eq!(cseq("0009  INVITE"), Some((9, Method::Invite)));
        assert_eq!(cseq("2147483647 X-y"), Some((2_147_483_647, Method::Other("X-y".into()))));
        for bad in ["2147483648 INVITE", "-1 INVITE", "+1 INVITE", "1", "INVITE 1", "1 INVITE ACK", ""] {
            assert_eq!(cseq(bad), None, "{bad}");
        }
    }

    #[test]
    fn star_is_no_address_and_stands_alone() {
        assert!(headers(&[("m", "*")]).contact_star());
        assert_eq!(headers(&[("m", "*")]).contacts(), Ok(vec![]));
        assert!(headers(&[("m", "*, <sip:a>")]).contacts().is_err());
    }
}

//! `name-addr` / `addr-spec` with parameters: From, To, Contact, Route, Refer-To, … (RFC 3261 §20.10, §25.1).

use crate::sip::lex;
use crate::sip::params::{Params, ParamsRef};
use crate::sip::uri::{BadUri, Uri};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// Without quotes and escapes; `None` if there is none or it is empty.
    pub display: Option<String>,
    pub uri: Uri,
    /// The parameters of the header, not of the URI.
    pub params: Params,
}

impl NameAddr {
    pub fn new(display: Option<&str>, uri: Uri) -> NameAddr {
        let display = display.filter(|d| !d.is_empty()).map(str::to_string);
        NameAddr { display, uri, params: Params::default() }
    }

    pub fn with_tag(mut self, tag: &str) -> NameAddr {
        self.params.set("tag", Some(tag));
        self
    }

    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }

    /// The `expires` parameter of a Contact in seconds. What cannot be read counts as 3600 (RFC 3261 §20.10).
    pub fn expires(&self) -> Option<u32> {
        let value = self.params.get("expires")?;
        Some(lex::number(value, u32::MAX.into()).map_or(3600, |n| n as u32))
    }

    /// Reads exactly one address. The error says what was expected.
    pub fn parse(s: &str) -> Result<NameAddr, &'static str> {
        let Parts { display, uri, params } = split(s)?;
        let display = match display {
            Display::Quoted(inner) => lex::unquote(inner),
            Display::Plain(text) => text.to_string(),
        };
        Ok(NameAddr {
            display: Some(display).filter(|d| !d.is_empty()),
            uri: uri.parse().map_err(|bad: BadUri| bad.0)?,
            params: Params::parse(params)?,
        })
    }

    /// Refuses what [`NameAddr::parse`] refuses, and builds nothing.
    pub(crate) fn check(s: &str) -> Result<(), &'static str> {
        NameAddr::check_for_tag(s).map(drop)
    }

    /// As [`NameAddr::check`], and in the same walk the tag.
    pub(crate) fn check_for_tag(s: &str) -> Result<Option<&str>, &'static str> {
        let parts = split(s)?;
        Uri::check(parts.uri).map_err(|bad| bad.0)?;
        ParamsRef::parse_and_get(parts.params, "tag").map(|(_, tag)| tag)
    }
}

/// The tag of the address in `s`; `None`: it has none, or cannot be read.
pub(super) fn tag(s: &str) -> Option<&str> {
    ParamsRef::parse_and_get(split(s).ok()?.params, "tag").ok()?.1
}

struct Parts<'a> {
    display: Display<'a>,
    uri: &'a str,
    params: &'a str,
}

enum Display<'a> {
    /// Between the quotes.
    Quoted(&'a str),
    Plain(&'a str),
}

fn split(s: &str) -> Result<Parts<'_>, &'static str> {
    let s = lex::trim(s);
    let (display, rest) = if s.starts_with('"') {
        let len = lex::quoted_len(s).ok_or("quoted string without its end")?;
        let rest = lex::trim(&s[len..]);
        if !rest.starts_with('<') {
            return Err("expected '<' after a quoted display name");
        }
        (Display::Quoted(&s[1..len - 1]), rest)
    } else {
        // Display names that should have been quoted are common and harm nobody (RFC 4475 §3.1.2.15).
        match lex::find(s, b'<') {
            None => return split_bare(s),
            // It is one in a parameter: a display name cannot hold what goes before.
            Some(at) if lex::find(&s[..at], b';').is_some() => return split_bare(s),
            Some(at) if s[..at].contains(['"', ',']) => return Err("expected a display name or '<'"),
            Some(at) => (Display::Plain(lex::trim(&s[..at])), &s[at..]),
        }
    };
    let end = lex::search(rest.as_bytes(), b'>').ok_or("expected '>' after the URI")?;
    Ok(Parts { display, uri: &rest[1..end], params: &rest[end + 1..] })
}

/// An address without `<>`: parameters belong to the header, and what could be mistaken for a part of the URI is not
/// allowed (RFC 3261 §20.10).
fn split_bare(s: &str) -> Result<Parts<'_>, &'static str> {
    let (uri, params) = s.split_at(lex::find(s, b';').unwrap_or(s.len()));
    if uri.contains(['?', ',']) {
        return Err("expected '<' and '>' round a URI with '?' or ','");
    }
    Ok(Parts { display: Display::Plain(""), uri: lex::trim(uri), params })
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            lex::write_quoted(f, display)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written_again() {
        for (text, written) in [
            (
                r#""Quoted string \"\"" <sip:j@example.com> ; newparam = newvalue ; second ; q = 0.33"#,
                r#""Quoted string \"\"" <sip:j@example.com>;newparam=newvalue;second;q=0.33"#,
            ),
            ("sip:vivekg@chair.example.com ;   tag    = 1918181833n", "<sip:vivekg@chair.example.com>;tag=1918181833n"),
            ("Anna Berg<sip:anna@a>", r#""Anna Berg" <sip:anna@a>"#),
            (
                r#""a, <b>; c" <sip:x@h;lr?Replaces=1%3Bto-tag%3D2>"#,
                r#""a, <b>; c" <sip:x@h;lr?Replaces=1%3Bto-tag%3D2>"#,
            ),
            ("<tel:+46-70-123.45(67);phone-context=x>", "<tel:+46701234567;phone-context=x>"),
            (
                r#"<sip:a@[2001:db8::1]:5062>;+sip.instance="<urn:uuid:00>";reg-id=1"#,
                r#"<sip:a@[2001:db8::1]:5062>;+sip.instance="<urn:uuid:00>";reg-id=1"#,
            ),
            (
                r#"sip:a@192.0.2.7;+sip.instance="<urn:uuid:00>";reg-id=1"#,
                r#"<sip:a@192.0.2.7>;+sip.instance="<urn:uuid:00>";reg-id=1"#,
            ),
            (r#""" <sip:a@h>"#, "<sip:a@h>"),
            ("\"Jürgen 会\" <sip:%E4%BC%9A@h>", "\"Jürgen 会\" <sip:%E4%BC%9A@h>"),
        ] {
            assert_eq!(NameAddr::parse(text).expect(text).to_string(), written);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "sip:user@example.com?Route=%3Csip:x%3E",
            r#""Mr. J. User <sip:j.user@example.com>"#,
            "\"a\" sip:a@h",
            "<sip:a@h",
            "< sip:a@h>",
            "<sip:a@h> tag=1",
            "<sip:a@h>;tag=1, <sip:b@h>",
            "<sip:a@h>;=1",
            "<sip:a b@h>",
            "a;b <sip:a@h>",
            "sip:a@h;b <sip:a@h>",
            "a,b <sip:a@h>",
            "a\"b <sip:a@h>",
            "*",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn unreadable_expires_counts_as_an_hour() {
        let expires = |v: &str| NameAddr::parse(&format!("<sip:a>;expires={v}")).unwrap().expires();
        assert_eq!(expires("60"), Some(60));
        assert_eq!(expires("\"61\""), Some(61));
        assert_eq!(expires("soon"), Some(3600));
        assert_eq!(NameAddr::parse("<sip:a>").unwrap().expires(), None);
    }
}

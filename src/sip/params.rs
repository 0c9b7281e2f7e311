//! Parameters behind a semicolon: of header values (RFC 3261 §25.1 `generic-param`) and of URIs.

use super::lex;
use std::borrow::Cow;
use std::fmt;

/// Parameters in their order.
///
/// Names are in lower case. Values of URI parameters are unescaped; values of header parameters stand as they came,
/// quoted strings with their quotes, so that they are written again as they were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params(pub Vec<Param>);

/// Name and value. Names that the RFCs give cost no allocation.
pub type Param = (Cow<'static, str>, Option<String>);

/// Those of Via, addresses and URIs that nearly every message has.
const KNOWN: [&str; 9] = ["branch", "rport", "received", "tag", "lr", "transport", "expires", "ob", "user"];

/// In lower case.
pub(crate) fn name(name: &str) -> Cow<'static, str> {
    match KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_ascii_lowercase()),
    }
}

impl Params {
    /// The parameter's value without surrounding quotes; `None` if it is absent or has no value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name)?.1.as_deref().map(without_quotes)
    }

    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Adds the parameter or replaces its value. `value` is written as it is: quotes are the caller's matter.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_string);
        match self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(param) => param.1 = value,
            None => self.0.push((self::name(name), value)),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(n, v)| (&**n, v.as_deref()))
    }

    fn find(&self, name: &str) -> Option<&Param> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// Reads `;name=value;name…` with white space round every sign; `s` is empty or begins with a semicolon.
    pub(crate) fn parse(s: &str) -> Result<Params, &'static str> {
        ParamsRef::parse(s).map(ParamsRef::to_params)
    }
}

/// Parameters where they stand in a header value. They were checked, and are gone through when one is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParamsRef<'a>(&'a str);

impl<'a> ParamsRef<'a> {
    /// As [`Params::parse`]; copies nothing.
    pub fn parse(s: &'a str) -> Result<ParamsRef<'a>, &'static str> {
        ParamsRef::parse_and_get(s, "").map(|(params, _)| params)
    }

    /// As [`ParamsRef::parse`], and in the same walk what [`Params::get`] gives for this name.
    pub fn parse_and_get(s: &'a str, name: &str) -> Result<(ParamsRef<'a>, Option<&'a str>), &'static str> {
        let mut rest = lex::trim(s);
        let (params, mut found) = (ParamsRef(rest), None);
        while !rest.is_empty() {
            let (param, behind) = split_first(rest)?;
            if found.is_none() && param.0.eq_ignore_ascii_case(name) {
                found = Some(param.1);
            }
            rest = behind;
        }
        Ok((params, found.flatten().map(without_quotes)))
    }

    /// As they stand.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// What [`ParamsRef::as_str`] gave before.
    pub fn parsed_before(s: &'a str) -> ParamsRef<'a> {
        ParamsRef(s)
    }

    pub fn has(self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub fn to_params(self) -> Params {
        Params(self.iter().map(|(name, value)| (self::name(name), value.map(str::to_string))).collect())
    }

    fn find(self, name: &str) -> Option<ParamRef<'a>> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    fn iter(self) -> impl Iterator<Item = ParamRef<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (param, behind) = split_first(rest).ok()?;
            rest = behind;
            Some(param)
        })
    }
}

type ParamRef<'a> = (&'a str, Option<&'a str>);

/// The first parameter of `s`, which begins with its semicolon, and what follows it.
fn split_first(s: &str) -> Result<(ParamRef<'_>, &str), &'static str> {
    const NO_NAME: &str = "expected the name of a parameter after ';'";
    let bytes = s.as_bytes();
    if bytes.first() != Some(&b';') {
        return Err("expected ';' before a parameter");
    }
    let begin = lex::skip_spaces(bytes, 1);
    let end = begin + lex::len_without(&bytes[begin..], lex::NO_TOKEN);
    if begin == end {
        return Err(NO_NAME);
    }
    let (name, at) = (&s[begin..end], lex::skip_spaces(bytes, end));
    match bytes.get(at) {
        None | Some(b';') => Ok(((name, None), &s[at..])),
        Some(b'=') => {
            let s = &s[lex::skip_spaces(bytes, at + 1)..];
            let (value, rest) = s.split_at(value_len(s)?);
            Ok(((name, Some(value)), lex::trim_start(rest)))
        }
        Some(_) => Err(NO_NAME),
    }
}

/// A token, a host (colons and brackets of IPv6 included) or a quoted string; and, since peers write them, the signs
/// that cannot be mistaken for an end.
fn value_len(s: &str) -> Result<usize, &'static str> {
    if s.starts_with('"') {
        let length = lex::quoted_len(s).ok_or("quoted string without its end")?;
        return match lex::trim_start(&s[length..]).bytes().next() {
            None | Some(b';') => Ok(length),
            Some(_) => Err("expected ';' after a quoted parameter value"),
        };
    }
    const END: u16 = lex::SPACE | lex::CONTROL | lex::QUOTE | lex::COMMA | lex::SEMICOLON;
    let length = lex::len_without(s.as_bytes(), END);
    match (length, lex::trim_start(&s[length..]).bytes().next()) {
        (0, None | Some(b';')) => Err("expected the value of a parameter after '='"),
        (_, None | Some(b';')) => Ok(length),
        _ => Err("expected a token as value of a parameter"),
    }
}

fn without_quotes(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

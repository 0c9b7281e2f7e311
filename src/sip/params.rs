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
        let value = self.find(name)?.1.as_deref()?;
        Some(value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value))
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
        let mut params = Vec::new();
        Params::scan(s, |name, value| params.push((self::name(name), value.map(str::to_string))))?;
        Ok(Params(params))
    }

    /// Gives each parameter to `each`, as it stands; refuses what [`Params::parse`] refuses and allocates nothing.
    pub(crate) fn scan(s: &str, mut each: impl FnMut(&str, Option<&str>)) -> Result<(), &'static str> {
        let mut rest = lex::trim(s);
        while !rest.is_empty() {
            rest = rest.strip_prefix(';').ok_or("expected ';' before a parameter")?;
            let end = lex::find_outside(rest, false, |b| b == b';').unwrap_or(rest.len());
            let (param, tail) = rest.split_at(end);
            rest = tail;
            let (name, value) = match param.split_once('=') {
                Some((name, value)) => (lex::trim(name), Some(lex::trim(value))),
                None => (lex::trim(param), None),
            };
            if !lex::is_token(name) {
                return Err("expected the name of a parameter after ';'");
            }
            value.map_or(Ok(()), check_value)?;
            each(name, value);
        }
        Ok(())
    }
}

/// A token, a host (colons and brackets of IPv6 included) or a quoted string; and, since peers write them, the signs
/// that cannot be mistaken for an end.
fn check_value(value: &str) -> Result<(), &'static str> {
    if value.starts_with('"') {
        return match lex::quoted_len(value) {
            Some(len) if len == value.len() => Ok(()),
            Some(_) => Err("expected ';' after a quoted parameter value"),
            None => Err("quoted string without its end"),
        };
    }
    if value.is_empty() {
        return Err("expected the value of a parameter after '='");
    }
    if value.bytes().any(|b| lex::is_space(b) || matches!(b, b'"' | b',' | b'<' | b'>') || b.is_ascii_control()) {
        return Err("expected a token as value of a parameter");
    }
    Ok(())
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

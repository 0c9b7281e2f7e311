//! The smallest pieces of RFC 3261 §25.1: tokens, quoted strings, escapes, parameters, lists. No allocation where a
//! slice will do.

use std::fmt;

/// RFC 3261 §25.1 `token`.
pub(crate) const fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

pub(crate) fn is_token(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(is_token_byte)
}

/// Space or tab: what is left of LWS once lines are unfolded.
pub(crate) const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

pub(crate) fn trim(s: &str) -> &str {
    s.trim_matches([' ', '\t'])
}

/// A decimal number of digits only (`str::parse` would take a plus), at most `max`.
pub(crate) fn number(s: &str, max: u64) -> Option<u64> {
    if s.is_empty() || !s.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    s.parse().ok().filter(|&n| n <= max)
}

/// Position of the first byte that satisfies `stop` outside quoted strings and, with `angles`, outside `<…>`.
pub(crate) fn find_outside(s: &str, angles: bool, stop: impl Fn(u8) -> bool) -> Option<usize> {
    let (mut quoted, mut angled, mut escaped) = (false, false, false);
    for (at, b) in s.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            match b {
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if angled {
            angled = b != b'>';
        } else if stop(b) {
            return Some(at);
        } else if b == b'"' {
            quoted = true;
        } else if angles && b == b'<' {
            angled = true;
        }
    }
    None
}

/// The items of a comma list (RFC 3261 §7.3.1), trimmed; commas in quoted strings and `<…>` do not separate.
/// An empty value has no items; an empty item between commas is given as it is, so that its reader can refuse it.
pub(crate) fn items(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = (!trim(value).is_empty()).then_some(value);
    std::iter::from_fn(move || {
        let s = rest?;
        let item = match find_outside(s, true, |b| b == b',') {
            Some(at) => {
                rest = Some(&s[at + 1..]);
                &s[..at]
            }
            None => {
                rest = None;
                s
            }
        };
        Some(trim(item))
    })
}

/// `s` begins with a quote: the length of the quoted string with both quotes, or `None` if it never ends.
pub(crate) fn quoted_len(s: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, b) in s.bytes().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The text of a quoted string without its quotes, quoted pairs undone.
pub(crate) fn unquote(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    text
}

/// Writes `text` as a quoted string. Line breaks become spaces: they cannot be written (RFC 3261 §25.1 `quoted-pair`).
pub(crate) fn write_quoted(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '\r' | '\n' => f.write_char(' ')?,
            '"' | '\\' => {
                f.write_char('\\')?;
                f.write_char(c)?;
            }
            c if c.is_ascii_control() && c != '\t' => {
                f.write_char('\\')?;
                f.write_char(c)?;
            }
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// `%XX` undone (RFC 3986 §2.1). `None`: a broken escape, or bytes that are not UTF-8.
pub(crate) fn unescape(s: &str) -> Option<String> {
    if !s.contains('%') {
        return Some(s.to_string());
    }
    let mut bytes = Vec::with_capacity(s.len());
    let mut rest = s.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        if b == b'%' {
            let (high, low) = (rest.first()?, rest.get(1)?);
            bytes.push(hex(*high)? << 4 | hex(*low)?);
            rest = &rest[2..];
        } else {
            bytes.push(b);
        }
    }
    String::from_utf8(bytes).ok()
}

const fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

/// Writes `s` with every byte escaped that is neither `unreserved` (RFC 3261 §25.1) nor in `also`.
pub(crate) fn write_escaped(f: &mut impl fmt::Write, s: &str, also: &[u8]) -> fmt::Result {
    for &b in s.as_bytes() {
        if is_unreserved(b) || also.contains(&b) {
            f.write_char(char::from(b))?;
        } else {
            write!(f, "%{b:02X}")?;
        }
    }
    Ok(())
}

const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

//! The smallest pieces of RFC 3261 §25.1: tokens, quoted strings, escapes, parameters, lists. No allocation where a
//! slice will do.

use memchr::{memchr, memchr2};
use std::fmt;

/// Kinds of bytes; [`kinds`] tells which of them a text holds.
pub(crate) const NO_TOKEN: u16 = 1;
pub(crate) const NO_HOST: u16 = 1 << 1;
pub(crate) const SPACE: u16 = 1 << 2;
pub(crate) const CONTROL: u16 = 1 << 3;
/// A quote or an angle bracket.
pub(crate) const QUOTE: u16 = 1 << 4;
pub(crate) const PERCENT: u16 = 1 << 5;
pub(crate) const COMMA: u16 = 1 << 6;
pub(crate) const SEMICOLON: u16 = 1 << 7;
pub(crate) const QUESTION: u16 = 1 << 8;
pub(crate) const AT: u16 = 1 << 9;

static KINDS: [u16; 256] = {
    let mut kinds = [0; 256];
    let mut b = 0;
    while b < 256 {
        kinds[b] = kinds_of(b as u8);
        b += 1;
    }
    kinds
};

const fn kinds_of(b: u8) -> u16 {
    // The underscore is no host name by RFC 1123, but occurs in the names of real machines.
    let is_host = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let sign = match b {
        b' ' | b'\t' => SPACE,
        b'"' | b'<' | b'>' => QUOTE,
        b'%' => PERCENT,
        b',' => COMMA,
        b';' => SEMICOLON,
        b'?' => QUESTION,
        b'@' => AT,
        _ => 0,
    };
    sign | if is_token_byte(b) { 0 } else { NO_TOKEN }
        | if is_host { 0 } else { NO_HOST }
        | if b.is_ascii_control() { CONTROL } else { 0 }
}

/// The kinds of all bytes of `s` together: one look at each, whatever is asked afterwards.
#[inline]
pub(crate) fn kinds(s: &str) -> u16 {
    s.bytes().fold(0, |seen, b| seen | KINDS[usize::from(b)])
}

/// How many bytes stand before the first one of these kinds.
#[inline]
pub(crate) fn len_without(s: &[u8], kinds: u16) -> usize {
    s.iter().position(|b| KINDS[usize::from(*b)] & kinds != 0).unwrap_or(s.len())
}

/// RFC 3261 §25.1 `token`.
const fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

pub(crate) fn is_token(s: &str) -> bool {
    !s.is_empty() && kinds(s) & NO_TOKEN == 0
}

/// Space or tab: what is left of LWS once lines are unfolded.
pub(crate) const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

#[inline]
pub(crate) fn trim(s: &str) -> &str {
    let s = trim_start(s);
    let mut bytes = s.as_bytes();
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    &s[..bytes.len()]
}

#[inline]
pub(crate) fn trim_start(s: &str) -> &str {
    let mut bytes = s.as_bytes();
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    &s[s.len() - bytes.len()..]
}

/// Where `sign` first is: for texts of a few dozen bytes.
#[inline]
pub(crate) fn find(s: &str, sign: u8) -> Option<usize> {
    s.bytes().position(|b| b == sign)
}

/// A decimal number of digits only (`str::parse` would take a plus), at most `max`.
pub(crate) fn number(s: &str, max: u64) -> Option<u64> {
    let digits = |n: u64, b: u8| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit).filter(|n| *n <= max)
    };
    if s.is_empty() { None } else { s.bytes().try_fold(0, digits) }
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
        // Most values have no comma at all, and this is seen sooner.
        let comma = memchr(b',', s.as_bytes()).and_then(|_| find_outside(s, true, |b| b == b','));
        let item = match comma {
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
    let bytes = s.as_bytes();
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        // What stands behind the backslash, whatever it is, does not end it.
        at += 2;
    }
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
    if kinds(s) & PERCENT == 0 {
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
    let mut from = 0;
    while from < s.len() {
        let plain = |b: &u8| is_unreserved(*b) || also.contains(b);
        let length = s.as_bytes()[from..].iter().position(|b| !plain(b)).unwrap_or(s.len() - from);
        // What stands there is ASCII, so both ends are between characters; where nothing stands, they may not be.
        if length > 0 {
            f.write_str(&s[from..from + length])?;
        }
        from += length;
        if let Some(b) = s.as_bytes().get(from) {
            write!(f, "%{b:02X}")?;
            from += 1;
        }
    }
    Ok(())
}

const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

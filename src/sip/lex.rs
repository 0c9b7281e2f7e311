//! The smallest pieces of RFC 3261 §25.1: tokens, quoted strings, escapes, parameters, lists. No allocation where a
//! slice will do.

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
    &s[..trim_end(s.as_bytes()).len()]
}

#[inline]
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[inline]
pub(crate) fn trim_start(s: &str) -> &str {
    &s[skip_spaces(s.as_bytes(), 0)..]
}

/// Where `sign` first is: for texts of a few dozen bytes.
#[inline]
pub(crate) fn find(s: &str, sign: u8) -> Option<usize> {
    s.bytes().position(|b| b == sign)
}

/// As [`find`], for long texts in which it may well not be.
#[inline]
pub(crate) fn search(bytes: &[u8], sign: u8) -> Option<usize> {
    first(bytes, |b| b == sign, |block| zeros(block ^ all(sign)))
}

/// Where the first control character is.
#[inline]
pub(crate) fn search_control(bytes: &[u8]) -> Option<usize> {
    // A space taken away gives the top bit to what is less. What had it before is not ASCII.
    let below_space = |block: u128| block.wrapping_sub(all(b' ')) & !block & all(0x80);
    first(bytes, |b| b.is_ascii_control(), |block| below_space(block) | zeros(block ^ all(0x7f)))
}

/// Where the first byte is that `is` what is looked for, sixteen at a time. `marks` sets the top bit of this byte in a block
/// that has it, and of no byte before.
#[inline]
fn first(bytes: &[u8], is: impl Fn(u8) -> bool, marks: impl Fn(u128) -> u128) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<16>();
    for (at, block) in blocks.iter().enumerate() {
        // It does not stop at the first, so that the compiler can ask all of them at once.
        if block.iter().fold(false, |seen, b| seen | is(*b)) {
            let marks = marks(u128::from_le_bytes(*block));
            return Some(16 * at + marks.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|b| is(*b)).map(|at| 16 * blocks.len() + at)
}

/// Marks the first byte that is zero; behind it, perhaps others.
const fn zeros(block: u128) -> u128 {
    block.wrapping_sub(all(1)) & !block & all(0x80)
}

/// A block of this byte alone.
const fn all(b: u8) -> u128 {
    u128::from_le_bytes([b; 16])
}

/// Where, from `at` on, no white space is.
#[inline]
pub(crate) fn skip_spaces(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|b| is_space(*b)) {
        at += 1;
    }
    at
}

/// A decimal number of digits only (`str::parse` would take a plus), at most `max`.
pub(crate) fn number(s: &str, max: u64) -> Option<u64> {
    let digits = |n: u64, b: u8| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit).filter(|n| *n <= max)
    };
    if s.is_empty() { None } else { s.bytes().try_fold(0, digits) }
}

pub(crate) fn write_number(f: &mut impl fmt::Write, number: usize) -> fmt::Result {
    f.write_str(itoa::Buffer::new().format(number))
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
        let comma = search(s.as_bytes(), b',').and_then(|_| find_outside(s, true, |b| b == b','));
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
        let marks = |block| zeros(block ^ all(b'"')) | zeros(block ^ all(b'\\'));
        at += first(bytes.get(at..)?, |b| matches!(b, b'"' | b'\\'), marks)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_found_wherever_it_is_and_nothing_else_is() {
        for b in 0..=255 {
            for at in 0..40 {
                let mut bytes = [b'x'; 40];
                bytes[at] = b;
                // Beside it stands what a careless carry would mistake for it.
                for beside in [b, b.wrapping_sub(1), b.wrapping_add(1), b ^ 0x80] {
                    bytes[(at + 1) % 40] = beside;
                    let first = |is: &dyn Fn(u8) -> bool| bytes.iter().position(|b| is(*b));
                    assert_eq!(search(&bytes, b), first(&|found| found == b), "{bytes:?}");
                    assert_eq!(search_control(&bytes), first(&|found| found.is_ascii_control()), "{bytes:?}");
                }
            }
        }
        assert_eq!((search(b"", 0), search_control(b""), search_control(b"0123456\x7f")), (None, None, Some(7)));
    }

    #[test]
    fn a_quoted_string_ends_at_its_first_quote_that_is_not_behind_a_backslash() {
        for (text, length) in [
            (r#""""#, Some(2)),
            (r#""0123456789" and more""#, Some(12)),
            (r#""0123\"45678""#, Some(13)),
            (r#""0123\\\"45678\\""#, Some(17)),
            (r#""012345678\""#, None),
            (r#""012345678"#, None),
            (r#""012345678\"#, None),
        ] {
            assert_eq!(quoted_len(text), length, "{text}");
        }
    }
}

//! Header lines in their order, and typed readings of them on demand. One typed header per file.

pub(crate) mod name;
pub mod name_addr;
pub mod reason;
pub mod replaces;
mod seen;
pub mod via;

pub use name_addr::NameAddr;
pub use reason::Reason;
pub use replaces::Replaces;
pub(super) use seen::Seen;
pub use via::{TopVia, Via};

use super::lex;
use super::method::Method;
use name::Known;
use seen::SeenTag;
use std::fmt;

/// One header line: name in its long form as known from the RFCs (`v:` is read as `Via`), value unfolded and trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

/// All headers in the order they came. Names are found in any case.
///
/// There is never a `Content-Length` among them: it is the length of the body, read with it and written with it.
///
/// The lines are places in one text, which for a message that was read is its head: two allocations hold them all. What was
/// replaced or removed stays in the text until that is full, and is left out by `clone`, which takes as much memory as its
/// lines need.
#[derive(Default)]
pub struct Headers {
    text: String,
    lines: Vec<Line>,
    seen: Seen,
}

#[derive(Clone, Copy)]
struct Line {
    name: Name,
    value: Span,
}

impl Line {
    /// Bytes of the text that belong to it.
    fn used(&self) -> usize {
        let name = if let Name::Other(span) = self.name { span.length } else { 0 };
        name as usize + self.value.length as usize
    }
}

#[derive(Clone, Copy)]
enum Name {
    Known(Known),
    Other(Span),
}

/// A part of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    at: u32,
    length: u32,
}

impl Span {
    fn of(self, text: &str) -> &str {
        // The conversions widen.
        &text[self.at as usize..self.at as usize + self.length as usize]
    }
}

impl Span {
    #[inline]
    fn new(at: usize, length: usize) -> Span {
        let short = |n: usize| u32::try_from(n).expect("the lines of a message have no 4 GiB, and others do not stay");
        Span { at: short(at), length: short(length) }
    }
}

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

    /// No line yet, and memory for some: `bytes` of them altogether.
    pub(crate) fn with_capacity(lines: usize, bytes: usize) -> Headers {
        Headers { text: String::with_capacity(bytes), lines: Vec::with_capacity(lines), seen: Seen::default() }
    }

    /// Adds a line whose text is brought by [`Headers::push_text`], in which name and value are at these places, so long. Its
    /// name is a token, and its value has no line break.
    #[inline]
    pub(super) fn push_part(&mut self, known: Option<Known>, name: (usize, usize), value: (usize, usize)) {
        let name = known.map_or_else(|| Name::Other(Span::new(name.0, name.1)), Name::Known);
        self.lines.push(Line { name, value: Span::new(value.0, value.1) });
    }

    /// The text of all lines so far, with room for `more` bytes.
    pub(super) fn push_text(&mut self, text: &str, more: usize) {
        self.text.reserve_exact(text.len() + more);
        self.text.push_str(text);
    }

    /// The first header with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The values of all header lines with this name, in their order; lists are not split (see [`Headers::items`]).
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.lines_named(name).map(|line| line.value.of(&self.text))
    }

    /// The items of a comma list spread over any number of lines (RFC 3261 §7.3.1).
    pub fn items(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get_all(name).flat_map(lex::items)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn lines_named(&self, name: &str) -> impl Iterator<Item = &Line> {
        let known = Known::find(name.as_bytes());
        self.lines.iter().filter(move |line| self.is_named(line, known, name))
    }

    fn is_named(&self, line: &Line, known: Option<Known>, name: &str) -> bool {
        match (line.name, known) {
            (Name::Known(of_line), Some(known)) => of_line == known,
            (Name::Other(of_line), None) => of_line.of(&self.text).eq_ignore_ascii_case(name),
            _ => false,
        }
    }

    /// As [`Headers::get_all`].
    pub(crate) fn all(&self, name: Known) -> impl Iterator<Item = &str> {
        self.lines_known(name).map(|line| line.value.of(&self.text))
    }

    fn lines_known(&self, name: Known) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| matches!(line.name, Name::Known(known) if known == name))
    }

    /// Of the line with this index.
    pub(super) fn value(&self, line: usize) -> &str {
        self.lines[line].value.of(&self.text)
    }

    fn first(&self, name: Known) -> Option<&str> {
        self.all(name).next()
    }

    /// Adds a line at the end. Line breaks in `value` become spaces, so no value can forge another header.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        let line = self.keep(name.as_ref(), value.as_ref());
        self.lines.extend(line);
    }

    /// Adds a line before all others: the place of our Via and Route.
    pub fn insert_first(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        if let Some(line) = self.keep(name.as_ref(), value.as_ref()) {
            self.lines.insert(0, line);
        }
    }

    /// Replaces the first line with this name and removes the others; adds one at the end if there is none.
    pub fn set(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        let name = name.as_ref();
        let Some(line) = self.keep(name, value.as_ref()) else { return };
        match self.position(name) {
            Some(at) => {
                self.lines[at] = line;
                self.remove_from(at + 1, name);
            }
            None => self.lines.push(line),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.remove_from(0, name);
    }

    fn remove_from(&mut self, mut at: usize, name: &str) {
        let known = Known::find(name.as_bytes());
        while let Some(line) = self.lines.get(at) {
            if self.is_named(line, known, name) {
                self.lines.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Removes the topmost Via value, also when it shares its line with others (RFC 3261 §16.7 step 3).
    pub fn remove_first_item(&mut self, name: &str) {
        let Some(at) = self.position(name) else { return };
        let value = self.lines[at].value.of(&self.text);
        match lex::find_outside(value, true, |b| b == b',') {
            Some(comma) => {
                let rest = lex::trim(&value[comma + 1..]);
                let begin = self.lines[at].value.at as usize + (rest.as_ptr() as usize - value.as_ptr() as usize);
                self.lines[at].value = Span::new(begin, rest.len());
            }
            None => drop(self.lines.remove(at)),
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        let known = Known::find(name.as_bytes());
        self.lines.iter().position(|line| self.is_named(line, known, name))
    }

    /// Adds to the text; `None`: it cannot be a header line, or is the Content-Length.
    fn keep(&mut self, name: &str, value: &str) -> Option<Line> {
        self.make_room(name.len() + value.len());
        let name = match Known::find(name.as_bytes()) {
            Some(Known::CONTENT_LENGTH) => return None,
            Some(known) => Name::Known(known),
            None if lex::is_token(name) => Name::Other(self.keep_text(name)),
            None => return None,
        };
        let is_break = |c: char| matches!(c, '\r' | '\n');
        let value = match value.contains(is_break) {
            true => self.keep_text(&value.replace(is_break, " ")),
            false => self.keep_text(value),
        };
        Some(Line { name, value })
    }

    /// Before the text would grow: if most of it belongs to no line any more, it is written anew. What is replaced again and
    /// again stays small so.
    fn make_room(&mut self, more: usize) {
        if self.text.len() + more > self.text.capacity() && self.used() * 2 < self.text.len() {
            *self = self.clone();
        }
    }

    /// Bytes of the text that belong to lines.
    fn used(&self) -> usize {
        self.lines.iter().map(Line::used).sum()
    }

    fn keep_text(&mut self, text: &str) -> Span {
        let at = self.text.len();
        self.text.push_str(text);
        Span::new(at, text.len())
    }

    /// Writes all lines.
    pub(super) fn write(&self, out: &mut String) {
        for line in &self.lines {
            match line.name {
                Name::Known(known) => out.push_str(known.beginning()),
                Name::Other(span) => {
                    out.push_str(span.of(&self.text));
                    out.push_str(": ");
                }
            }
            out.push_str(line.value.of(&self.text));
            out.push_str("\r\n");
        }
    }

    /// Bytes of all lines, with a colon, a space and a line end each.
    pub(super) fn written_len(&self) -> usize {
        let name_len = |name| match name {
            Name::Known(known) => known.as_str().len(),
            Name::Other(span) => span.length as usize,
        };
        self.lines.iter().map(|line| name_len(line.name) + line.value.length as usize + 4).sum()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Header<'_>> + ExactSizeIterator {
        self.lines.iter().map(|line| self.header(line))
    }

    fn header(&self, line: &Line) -> Header<'_> {
        let name = match line.name {
            Name::Known(known) => known.as_str(),
            Name::Other(span) => span.of(&self.text),
        };
        Header { name, value: line.value.of(&self.text) }
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Copies all lines with this name to the end of `to`.
    pub fn copy(&self, name: &str, to: &mut Headers) {
        self.lines_named(name).for_each(|line| to.copy_line(self, line));
    }

    /// The lines with these names, name by name, in as much memory as they need.
    pub(crate) fn only(&self, names: &[&str]) -> Headers {
        let lines = || names.iter().flat_map(|name| self.lines_named(name));
        self.compact(lines)
    }

    fn compact<'a, L: Iterator<Item = &'a Line>>(&self, lines: impl Fn() -> L) -> Headers {
        let (count, bytes) = lines().fold((0, 0), |(count, bytes), line| (count + 1, bytes + line.used()));
        let mut copy = Headers::with_capacity(count, bytes);
        lines().for_each(|line| copy.copy_line(self, line));
        copy
    }

    fn copy_line(&mut self, of: &Headers, line: &Line) {
        let name = match line.name {
            Name::Known(known) => Name::Known(known),
            Name::Other(span) => Name::Other(self.keep_text(span.of(&of.text))),
        };
        let value = self.keep_text(line.value.of(&of.text));
        self.lines.push(Line { name, value });
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, BadHeader> {
        Via::parse(self.top_via_text()?)
    }

    /// The topmost Via as it stands: as [`Headers::via`], and copies nothing.
    pub fn top_via(&self) -> Result<TopVia<'_>, BadHeader> {
        let line = self.lines_known(Known::VIA).next().ok_or(BadHeader::missing("Via"))?;
        match self.seen.via.and_then(|seen| seen.of(line, &self.text)) {
            Some(via) => Ok(via),
            None => TopVia::parse(self.top_via_text()?),
        }
    }

    fn top_via_text(&self) -> Result<&str, BadHeader> {
        self.all(Known::VIA).flat_map(lex::items).next().ok_or(BadHeader::missing("Via"))
    }

    /// All Vias, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, BadHeader> {
        self.all(Known::VIA).flat_map(lex::items).map(Via::parse).collect()
    }

    pub fn from_(&self) -> Result<NameAddr, BadHeader> {
        self.address("From")
    }

    pub fn to(&self) -> Result<NameAddr, BadHeader> {
        self.address("To")
    }

    /// The tag in From; `None`: it has none, or cannot be read. Copies nothing.
    pub fn from_tag(&self) -> Option<&str> {
        self.tag(Known::FROM, self.seen.from)
    }

    /// The tag in To, as [`Headers::from_tag`].
    pub fn to_tag(&self) -> Option<&str> {
        self.tag(Known::TO, self.seen.to)
    }

    fn tag(&self, name: Known, seen: Option<SeenTag>) -> Option<&str> {
        let line = self.lines_known(name).next()?;
        match seen.and_then(|seen| seen.of(line, &self.text)) {
            Some(tag) => tag,
            None => name_addr::tag(line.value.of(&self.text)),
        }
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
        call_id(self.first(Known::CALL_ID))
    }

    /// Number (at most 2^31 - 1, RFC 3261 §8.1.1.5) and method.
    pub fn cseq(&self) -> Result<(u32, Method), BadHeader> {
        cseq(self.first(Known::CSEQ))
    }

    /// The Contact addresses; empty if there is none, and for `*` (see [`Headers::contact_star`]).
    pub fn contacts(&self) -> Result<Vec<NameAddr>, BadHeader> {
        if self.contact_star() { Ok(Vec::new()) } else { self.addresses("Contact") }
    }

    /// `Contact: *` and nothing beside it (RFC 3261 §10.2.2).
    pub fn contact_star(&self) -> bool {
        let mut contacts = self.all(Known::CONTACT).map(lex::trim).filter(|value| !value.is_empty());
        contacts.next() == Some("*") && contacts.next().is_none()
    }

    /// `None`: missing, or not a number from 0 to 255.
    pub fn max_forwards(&self) -> Option<u8> {
        max_forwards(self.first(Known::MAX_FORWARDS)?)
    }

    /// The Expires header in seconds; `None`: missing, or not a number below 2^32.
    pub fn expires(&self) -> Option<u32> {
        expires(self.first(Known::EXPIRES)?)
    }

    /// Retry-After as a length of time, 2^32 - 1 s at most; `None`: missing, or no number of seconds (RFC 3261 §20.33).
    pub fn retry_after(&self) -> Option<crate::time::Duration> {
        let value = self.get("Retry-After")?;
        let seconds = value.split([';', '(', ' ', '\t']).next().unwrap_or_default();
        let is_number = !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit());
        let most = u32::MAX.into();
        is_number.then(|| crate::time::Duration::from_secs(lex::number(seconds, most).unwrap_or(most)))
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

// The values of headers that are looked at more than once, by themselves.

pub(super) fn call_id(value: Option<&str>) -> Result<&str, BadHeader> {
    value.filter(|id| !id.is_empty()).ok_or(BadHeader::missing("Call-ID"))
}

pub(super) fn cseq(value: Option<&str>) -> Result<(u32, Method), BadHeader> {
    let bad = |fault| BadHeader { name: "CSeq", fault };
    let value = value.ok_or(BadHeader::missing("CSeq"))?;
    let space = value.bytes().position(lex::is_space).ok_or(bad("expected a number and a method"))?;
    let number = lex::number(&value[..space], (1 << 31) - 1).ok_or(bad("expected a number below 2^31"))?;
    let method = Method::parse(lex::trim(&value[space..])).ok_or(bad("expected a method after the number"))?;
    Ok((number as u32, method))
}

pub(super) fn max_forwards(value: &str) -> Option<u8> {
    lex::number(value, 255).map(|n| n as u8)
}

pub(super) fn expires(value: &str) -> Option<u32> {
    lex::number(value, u32::MAX.into()).map(|n| n as u32)
}

impl Clone for Headers {
    fn clone(&self) -> Headers {
        self.compact(|| self.lines.iter())
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Headers) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|header| (header.name, header.value))).finish()
    }
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
        let lines: Vec<_> = h.iter().map(|h| (h.name, h.value)).collect();
        assert_eq!(lines, [("Subject", "new"), ("X-One", "1"), ("X-Two", "2")]);
        h.set("Expires", "60");
        assert_eq!(h.expires(), Some(60));
        h.remove("x-one");
        assert_eq!(h.len(), 3);
    }

    #[test]
    fn a_clone_and_a_choice_hold_their_lines_and_no_more() {
        let mut h = headers(&[("Via", "a, b"), ("x-One", "1"), ("Subject", "old and long"), ("v", "c")]);
        h.set("Subject", "new");
        h.set("X-ONE", "2");
        h.remove_first_item("Via");
        assert_eq!(h.clone(), h);
        assert_eq!(h.clone().text, "bX-ONE2newc");
        let chosen = h.only(&["Subject", "Via", "To"]);
        assert_eq!(chosen, headers(&[("Subject", "new"), ("Via", "b"), ("Via", "c")]));
        assert_eq!((chosen.text.as_str(), chosen.lines.capacity(), chosen.text.capacity()), ("newbc", 3, 5));
        let mut copied = headers(&[("To", "x")]);
        h.copy("x-one", &mut copied);
        assert_eq!(copied, headers(&[("To", "x"), ("X-ONE", "2")]));
    }

    #[test]
    fn what_is_replaced_again_and_again_stays_small() {
        let mut h = headers(&[("Via", "SIP/2.0/UDP h"), ("X-One", "1"), ("To", "<sip:a@h>")]);
        for n in 0..100_000 {
            h.set("CSeq", format!("{n} REGISTER"));
            h.set("X-One", n.to_string());
            h.remove("Via");
            h.insert_first("Via", format!("SIP/2.0/UDP h;branch={n}"));
        }
        let lines: Vec<_> = h.iter().map(|h| (h.name, h.value)).collect();
        let via = "SIP/2.0/UDP h;branch=99999";
        assert_eq!(lines, [("Via", via), ("X-One", "99999"), ("To", "<sip:a@h>"), ("CSeq", "99999 REGISTER")]);
        assert!(h.text.capacity() < 500 && h.lines.capacity() < 10, "{}", h.text.capacity());
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
    fn however_long_a_retry_after_is_it_is_heeded() {
        let retry_after = |value| headers(&[("Retry-After", value)]).retry_after().map(|after| after.as_secs());
        for (value, seconds) in [("5;duration=60", 5), ("120 (lunch)", 120), ("99999999999999999999999", 4_294_967_295)]
        {
            assert_eq!(retry_after(value), Some(seconds), "{value}");
        }
        assert_eq!([retry_after(""), retry_after("soon"), retry_after("-1")], [None; 3]);
    }

    #[test]
    fn star_is_no_address_and_stands_alone() {
        assert!(headers(&[("m", "*")]).contact_star());
        assert_eq!(headers(&[("m", "*")]).contacts(), Ok(vec![]));
        assert!(headers(&[("m", "*, <sip:a>")]).contacts().is_err());
    }
}

//! What a body holds for us: the session description, alone or as a part of a multipart body, and where somebody in need is
//! (RFC 3261 §20.11, RFC 5621, RFC 2046 §5.1, RFC 6442).
//!
//! What we do not understand is left out if its sender says so (`handling=optional`); else the whole is not understood.

use super::headers::Headers;
use super::lex;
use super::message::{Message, Request, Response};
use memchr::{memchr, memmem};
use std::borrow::Cow;

/// The only media type of session descriptions.
pub const SDP: &str = "application/sdp";
/// Where somebody is (RFC 5491).
pub const LOCATION: &str = "application/pidf+xml";
/// What is said to who sent something else.
pub const ACCEPT: &str =
    "application/sdp, application/pidf+xml, multipart/mixed, multipart/related, multipart/alternative";

/// Parts of one body, those within parts counted too; a body of more is not understood.
pub const PARTS_MAX: usize = 16;
/// How deep multipart bodies may stand in each other; what is deeper is not understood.
pub const DEPTH_MAX: usize = 3;
/// The longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_MAX: usize = 70;

/// What was found in a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body<'a> {
    /// The first session description; empty: there is none.
    pub description: &'a [u8],
    /// Each a location.
    pub locations: Vec<Part<'a>>,
    /// Something in it had to be understood and was not: 415 (RFC 3261 §8.2.3).
    pub is_strange: bool,
}

/// A part of a multipart body, or a whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    content_type: Cow<'a, str>,
    disposition: Cow<'a, str>,
    /// The Content-ID with its angle brackets; empty: it has none. A header may refer to it as `cid:…` (RFC 2392).
    pub id: Cow<'a, str>,
    /// Not as it is: compressed, or written in other letters.
    is_encoded: bool,
    pub bytes: &'a [u8],
}

/// A part that was taken out of the message it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosed {
    /// With parameters.
    pub content_type: String,
    /// As in [`Part`].
    pub id: String,
    pub bytes: Vec<u8>,
}

impl<'a> Body<'a> {
    pub fn of(headers: &'a Headers, bytes: &'a [u8]) -> Body<'a> {
        let mut body = Body::default();
        if bytes.is_empty() {
            return body;
        }
        let value = |name| Cow::Borrowed(headers.get(name).unwrap_or_default());
        let whole = Part {
            // Who sends a body and does not say of which kind means the only one that everybody understands.
            content_type: headers.get("Content-Type").unwrap_or(SDP).into(),
            disposition: value("Content-Disposition"),
            id: value("Content-ID"),
            is_encoded: is_encoded(&value("Content-Encoding"), &["identity"]),
            bytes,
        };
        let is_optional = whole.is_optional();
        let mut left = PARTS_MAX;
        body.is_strange = !body.takes(whole, DEPTH_MAX, &mut left) && !is_optional;
        body
    }

    /// False: the part is not understood.
    fn takes(&mut self, part: Part<'a>, depth: usize, left: &mut usize) -> bool {
        let kind = part.kind();
        let is = |known: &str| kind.eq_ignore_ascii_case(known);
        let is_early = first(&part.disposition).eq_ignore_ascii_case("early-session");
        if part.is_encoded || is_early {
            return false;
        }
        if is(SDP) {
            if self.description.is_empty() {
                self.description = part.bytes;
            }
            return true;
        }
        if is(LOCATION) {
            self.locations.push(part);
            return true;
        }
        let is_multipart = kind.get(..10).is_some_and(|begin| begin.eq_ignore_ascii_case("multipart/"));
        let boundary = parameter(&part.content_type, "boundary").filter(|_| is_multipart && depth > 0);
        let Some(mut parts) = boundary.and_then(|boundary| parts(part.bytes, boundary)) else { return false };
        if parts.is_empty() || parts.len() > *left {
            return false;
        }
        *left -= parts.len();
        if is("multipart/alternative") {
            // The last one that is understood is the best (RFC 2046 §5.1.4).
            parts.into_iter().rev().any(|part| {
                let before = self.clone();
                let is_taken = self.takes(part, depth - 1, left);
                if !is_taken {
                    *self = before;
                }
                is_taken
            })
        } else if is("multipart/related") {
            // The others belong to the root, which says what they are for (RFC 2387 §3.2).
            let start = parameter(&part.content_type, "start");
            let root = start.and_then(|start| parts.iter().position(|part| part.id == start)).unwrap_or(0);
            let root = parts.swap_remove(root);
            self.locations.extend(
                parts.into_iter().filter(|part| !part.is_encoded && part.kind().eq_ignore_ascii_case(LOCATION)),
            );
            self.takes(root, depth - 1, left)
        } else {
            // Also after one that is not understood: in an answer, which nobody can refuse, the description counts.
            parts.into_iter().fold(true, |all, part| {
                let is_optional = part.is_optional();
                (self.takes(part, depth - 1, left) || is_optional) && all
            })
        }
    }
}

impl<'a> Part<'a> {
    /// `bytes`: header lines, an empty line, the content.
    fn parse(bytes: &'a [u8]) -> Part<'a> {
        let mut part = Part {
            // Within a multipart body (RFC 2046 §5.1).
            content_type: "text/plain".into(),
            disposition: "".into(),
            id: "".into(),
            is_encoded: false,
            bytes: &[],
        };
        let mut header = String::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (line, behind) = split_line(rest);
            if line.first().is_some_and(|b| lex::is_space(*b)) {
                header.push_str(&String::from_utf8_lossy(line));
            } else {
                part.has(&std::mem::replace(&mut header, String::from_utf8_lossy(line).into_owned()));
            }
            rest = behind;
            if line.is_empty() {
                part.bytes = rest;
                break;
            }
        }
        part.has(&header);
        part
    }

    /// One of its header lines, unfolded.
    fn has(&mut self, header: &str) {
        let Some((name, value)) = header.split_once(':') else { return };
        let (name, value) = (lex::trim(name), lex::trim(value));
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("Content-Type") {
            self.content_type = value.to_owned().into();
        } else if is("Content-Disposition") {
            self.disposition = value.to_owned().into();
        } else if is("Content-ID") {
            self.id = value.to_owned().into();
        } else if is("Content-Encoding") {
            self.is_encoded |= is_encoded(value, &["identity"]);
        } else if is("Content-Transfer-Encoding") {
            self.is_encoded |= is_encoded(value, &["binary", "8bit", "7bit"]);
        }
    }

    /// Media type without parameters.
    fn kind(&self) -> &str {
        first(&self.content_type)
    }

    /// Where nothing is said it must be understood (RFC 3261 §20.11), unless some header is to say what it is for (RFC 5621 §9.1).
    fn is_optional(&self) -> bool {
        let by_reference = first(&self.disposition).eq_ignore_ascii_case("by-reference");
        parameter(&self.disposition, "handling").map_or(by_reference, |how| how.eq_ignore_ascii_case("optional"))
    }

    pub fn enclosed(&self) -> Enclosed {
        Enclosed {
            content_type: self.content_type.clone().into_owned(),
            id: self.id.clone().into_owned(),
            bytes: self.bytes.to_vec(),
        }
    }
}

/// Content-Type and bytes of a body with this description, and behind it, where there are any, these parts.
pub fn compose(description: &[u8], enclosed: &[Enclosed]) -> (String, Vec<u8>) {
    if enclosed.is_empty() {
        return (SDP.to_owned(), description.to_vec());
    }
    let all = || enclosed.iter().map(|part| &*part.bytes).chain([description]);
    let is_free = |boundary: &String| all().all(|bytes| memmem::find(bytes, boundary.as_bytes()).is_none());
    let mut boundaries = (0u64..).map(|n| format!("--part{n}"));
    let boundary = boundaries.find(is_free).expect("the parts are finite");
    let mut body = format!("{boundary}\r\nContent-Type: {SDP}\r\n\r\n").into_bytes();
    body.extend_from_slice(description);
    for Enclosed { content_type, id, bytes } in enclosed {
        let id = if id.is_empty() { String::new() } else { format!("Content-ID: {id}\r\n") };
        let disposition = "Content-Disposition: by-reference;handling=optional\r\n";
        let head = format!("\r\n{boundary}\r\nContent-Type: {content_type}\r\n{id}{disposition}\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
    }
    body.extend_from_slice(format!("\r\n{boundary}--\r\n").as_bytes());
    (format!("multipart/mixed;boundary={}", &boundary[2..]), body)
}

impl Request {
    /// The session description in the body; empty: there is none.
    pub fn description(&self) -> &[u8] {
        Body::of(&self.headers, &self.body).description
    }
}

impl Response {
    /// As [`Request::description`]. Whatever else is in it: an answer cannot be refused.
    pub fn description(&self) -> &[u8] {
        Body::of(&self.headers, &self.body).description
    }

    /// From here on the description is the whole body.
    pub(super) fn keep_description(&mut self) {
        let description = self.description();
        if description.len() != self.body.len() {
            self.set_body(SDP, description.to_vec());
        }
    }
}

impl Message {
    /// As [`Request::description`].
    pub fn description(&self) -> &[u8] {
        Body::of(self.headers(), self.body()).description
    }
}

/// The parts between the lines that begin with this boundary; `None`: it is none, or there are too many. The last one may be cut off:
/// a body whose end is missing is read as far as it goes.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    if boundary.is_empty() || boundary.len() > BOUNDARY_MAX {
        return None;
    }
    let mut parts = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while at < body.len() {
        let (line, behind) = split_line(&body[at..]);
        let next = body.len() - behind.len();
        if let Some(is_last) = delimits(line, boundary) {
            parts.extend(begin.map(|begin| Part::parse(without_line_end(&body[begin..at]))));
            begin = (!is_last).then_some(next);
            if is_last {
                break;
            }
        }
        if parts.len() > PARTS_MAX {
            return None;
        }
        at = next;
    }
    parts.extend(begin.map(|begin| Part::parse(&body[begin..])));
    Some(parts)
}

/// Whether this line is the boundary; `Some(true)`: the last one.
fn delimits(line: &[u8], boundary: &str) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?;
    let is_padding = |rest: &[u8]| rest.iter().all(|b| lex::is_space(*b));
    match rest.strip_prefix(b"--") {
        Some(rest) if is_padding(rest) => Some(true),
        _ => is_padding(rest).then_some(false),
    }
}

/// The first line without its end, and what is behind.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'\n', bytes) {
        Some(at) => (bytes[..at].strip_suffix(b"\r").unwrap_or(&bytes[..at]), &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// The line end before a boundary belongs to the boundary.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn is_encoded(value: &str, plain: &[&str]) -> bool {
    !value.is_empty() && !plain.iter().any(|plain| value.eq_ignore_ascii_case(plain))
}

/// What stands before the parameters.
fn first(value: &str) -> &str {
    lex::trim(value.split(';').next().unwrap_or_default())
}

/// A parameter of a header value, without quotes.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = value;
    while let Some(at) = lex::find_outside(rest, false, |b| b == b';') {
        rest = &rest[at + 1..];
        let end = lex::find_outside(rest, false, |b| b == b';').unwrap_or(rest.len());
        if let Some((known, value)) = rest[..end].split_once('=')
            && lex::trim(known).eq_ignore_ascii_case(name)
        {
            let value = lex::trim(value);
            return Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\n";

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        lines.iter().for_each(|(name, value)| headers.push(name, *value));
        headers
    }

    /// Description, Content-IDs of the locations, and whether it is strange.
    fn read(lines: &[(&str, &str)], body: &str) -> (String, Vec<String>, bool) {
        let headers = headers(lines);
        let body = Body::of(&headers, body.as_bytes());
        let ids = body.locations.iter().map(|part| part.id.to_string()).collect();
        (String::from_utf8_lossy(body.description).into_owned(), ids, body.is_strange)
    }

    fn mixed(body: &str) -> (String, Vec<String>, bool) {
        read(&[("Content-Type", "multipart/mixed;boundary=b")], body)
    }

    const NOTHING: (String, Vec<String>, bool) = (String::new(), Vec::new(), false);

    fn only(description: &str) -> (String, Vec<String>, bool) {
        (description.to_owned(), Vec::new(), false)
    }

    fn strange(description: &str) -> (String, Vec<String>, bool) {
        (description.to_owned(), Vec::new(), true)
    }

    #[test]
    fn a_whole_body_is_a_description_or_strange_or_may_be_left_out() {
        let typed = |kind| [("Content-Type", kind)];
        assert_eq!(read(&[], ""), NOTHING);
        assert_eq!(read(&typed("text/plain"), ""), NOTHING);
        assert_eq!(read(&[], "v=0"), only("v=0"));
        assert_eq!(read(&typed("Application/SDP ; charset=utf-8"), "v=0"), only("v=0"));
        assert_eq!(read(&typed("text/plain"), "hello"), strange(""));
        let text = |disposition| read(&[("Content-Type", "text/plain"), ("Content-Disposition", disposition)], "hello");
        assert_eq!(text("render;handling=optional"), NOTHING);
        assert_eq!(text("render ; Handling = \"OPTIONAL\""), NOTHING);
        assert_eq!(text("render;handling=required"), strange(""));
        assert_eq!(text("render;filename=\"a;handling=optional\""), strange(""));
        assert_eq!(text("by-reference"), NOTHING);
        let sdp = |name, value| read(&[("Content-Type", SDP), (name, value)], "v=0");
        assert_eq!(sdp("Content-Disposition", "session;handling=optional"), only("v=0"));
        // RFC 3959: of another session than the one that is agreed on.
        assert_eq!(sdp("Content-Disposition", "early-session;handling=optional"), NOTHING);
        assert_eq!(sdp("Content-Disposition", "early-session"), strange(""));
        assert_eq!(sdp("Content-Encoding", "gzip"), strange(""));
        assert_eq!(sdp("Content-Encoding", "Identity"), only("v=0"));
    }

    #[test]
    fn of_a_mixed_body_the_description_counts_and_the_rest_if_it_must_be_understood() {
        const ISUP: &str = "--b\r\nContent-Type: application/isup;version=itu-t92+\r\nContent-Disposition: signal";
        const SESSION: &str = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n\r\n";
        let description = "v=0\r\ns=-\r\n";
        assert_eq!(
            mixed(&format!("{SESSION}{ISUP};handling=optional\r\n\r\n\0\r\n\u{1}\r\n--b--\r\n")),
            only(description)
        );
        assert_eq!(mixed(&format!("{ISUP};handling=optional\r\n\r\n\0\r\n{SESSION}--b--")), only(description));
        assert_eq!(
            mixed(&format!("{SESSION}{ISUP};\r\n\thandling=optional\r\n\r\n\0\r\n--b--\r\n")),
            only(description)
        );
        // RFC 3204: a carrier that wants its ISUP understood must find another way.
        assert_eq!(mixed(&format!("{SESSION}{ISUP}\r\n\r\n\0\r\n--b--\r\n")), strange(description));
        assert_eq!(mixed(&format!("{SESSION}{ISUP};handling=required\r\n\r\n\0\r\n--b--\r\n")), strange(description));
        assert_eq!(mixed("--b\r\n\r\nhello\r\n--b--\r\n"), strange(""));
        assert_eq!(mixed("--b\r\nContent-Disposition: render;handling=optional\r\n\r\nhello\r\n--b--\r\n"), NOTHING);
        let sent = "--b\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: ";
        assert_eq!(mixed(&format!("{sent}binary\r\n\r\nv=0\r\n--b--")), only("v=0"));
        assert_eq!(mixed(&format!("{sent}base64\r\n\r\ndj0w\r\n--b--")), strange(""));
    }

    #[test]
    fn a_location_is_understood_with_its_name_wherever_it_stands() {
        let session = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n";
        let place = "--b\r\nContent-Type: application/pidf+xml\r\nContent-ID: <a@b>\r\n\r\n<presence/>\r\n";
        let found = ("v=0".to_owned(), vec!["<a@b>".to_owned()], false);
        assert_eq!(mixed(&format!("{session}{place}--b--\r\n")), found);
        assert_eq!(mixed(&format!("{place}{session}--b--\r\n")), found);
        let kind = "multipart/related;type=\"application/sdp\";boundary=b";
        assert_eq!(read(&[("Content-Type", kind)], &format!("{session}{place}--b--\r\n")), found);
    }

    #[test]
    fn boundaries_are_lines_of_their_own_however_they_end() {
        // Line feeds alone, a preamble, an epilogue, padding, boundaries that begin alike, and an end that is missing.
        let part = "Content-Type: application/sdp\n\nv=0\n--bb\n x--b\n";
        for body in [
            format!("--b\n{part}\n--b--\n"),
            format!("before\r\n--b \t\r\n{part}\r\n--b-- \r\nbehind\r\n--b\r\n\r\nmore"),
            format!("--b\n{part}"),
        ] {
            assert_eq!(mixed(&body), only("v=0\n--bb\n x--b\n"), "{body:?}");
        }
        let quoted = [("Content-Type", "multipart/mixed; boundary=\"a b;c\"")];
        let whole = "--a b;c\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--a b;c--";
        assert_eq!(read(&quoted, whole), only("v=0"));
        for kind in [
            "multipart/mixed",
            "multipart/mixed;boundary=",
            "multipart/mixed;boundary=\"\"",
            "multipart/mixed;boundary=c",
        ] {
            assert_eq!(
                read(&[("Content-Type", kind)], "--b\r\nContent-Type: application/sdp\r\n\r\nv=0"),
                strange(""),
                "{kind}"
            );
        }
        for (length, expected) in [(BOUNDARY_MAX, only("v=0")), (BOUNDARY_MAX + 1, strange(""))] {
            let boundary = "x".repeat(length);
            let body = format!("--{boundary}\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--{boundary}--");
            assert_eq!(read(&[("Content-Type", &format!("multipart/mixed;boundary={boundary}"))], &body), expected);
        }
    }

    #[test]
    fn of_alternatives_the_last_that_is_understood_counts_and_of_related_parts_the_root() {
        let kind = |kind: &str, body: &str| read(&[("Content-Type", &format!("multipart/{kind};boundary=b"))], body);
        let part = |kind: &str, content: &str| {
            format!("--b\r\nContent-Type: {kind}\r\nContent-ID: <{content}>\r\n\r\n{content}\r\n")
        };
        let (old, new) = (part("application/sdp", "v=0"), part("application/sdp", "v=1"));
        let (other, html) = (part("application/sdpng", "<>"), part("text/html", "<b>"));
        assert_eq!(kind("alternative", &format!("{old}{new}{other}--b--")), only("v=1"));
        assert_eq!(kind("alternative", &format!("{other}{html}--b--")), strange(""));
        assert_eq!(kind("related", &format!("{old}{html}--b--")), only("v=0"));
        assert_eq!(kind("related;start=\"<v=1>\"", &format!("{html}{new}--b--")), only("v=1"));
        assert_eq!(kind("related", &format!("{html}{new}--b--")), strange(""));
        // What is no longer counted because something beside it was not understood.
        let within = format!(
            "--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n{}{}--c--\r\n",
            new.replace("--b", "--c"),
            html.replace("--b", "--c")
        );
        assert_eq!(kind("alternative", &format!("{old}{within}--b--")), only("v=0"));
        assert_eq!(kind("mixed", &format!("{within}--b--")), strange("v=1"));
    }

    #[test]
    fn bodies_deeper_or_of_more_parts_than_we_read_are_not_understood() {
        let nested = |depth: usize| {
            (0..depth).fold(("application/sdp".to_owned(), "v=0".to_owned()), |(kind, body), n| {
                (
                    format!("multipart/mixed;boundary=b{n}"),
                    format!("--b{n}\r\nContent-Type: {kind}\r\n\r\n{body}\r\n--b{n}--\r\n"),
                )
            })
        };
        for (depth, expected) in [(DEPTH_MAX, only("v=0")), (DEPTH_MAX + 1, strange(""))] {
            let (kind, body) = nested(depth);
            assert_eq!(read(&[("Content-Type", &kind)], &body), expected, "{depth}");
        }
        let optional = "--b\r\nContent-Disposition: render;handling=optional\r\n\r\nx\r\n";
        let many = |count: usize| {
            mixed(&format!("--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n{}--b--", optional.repeat(count)))
        };
        assert_eq!(many(PARTS_MAX - 1), only("v=0"));
        assert_eq!(many(PARTS_MAX), strange(""));
        assert_eq!(many(30_000 / optional.len()), strange(""));
    }

    #[test]
    fn what_is_composed_is_read_again() {
        let (kind, body) = compose(OURS, &[]);
        assert_eq!((kind.as_str(), body.as_slice()), (SDP, OURS));
        let place =
            |bytes: &[u8]| Enclosed { content_type: LOCATION.into(), id: "<a@b>".into(), bytes: bytes.to_vec() };
        let places = [place(b"<presence/>"), place(b"\r\n--part0--\r\n--part1\r\n"), place(b"")];
        let (kind, body) = compose(OURS, &places);
        let headers = headers(&[("Content-Type", &kind)]);
        let read = Body::of(&headers, &body);
        assert_eq!((read.description, read.is_strange), (OURS, false));
        assert_eq!(read.locations.iter().map(Part::enclosed).collect::<Vec<_>>(), places);
    }
}

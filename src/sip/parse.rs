//! Bytes into messages (RFC 3261 §7, with the tolerance and the strictness of RFC 4475 and RFC 5118).
//!
//! The reader never stops at a fault: it notes the first one and reads on, so that the answer can say what is wrong
//! and still carry the Via, From, To, Call-ID and CSeq of the request.
//!
//! Taken as meant: a bare LF as line end, empty lines before the start line, white space round the colon and at line
//! ends, folded lines, header text in Latin-1 instead of UTF-8, unquoted display names. Everything else that breaks
//! the grammar of the start line, of the framing, or of a header that decides where the message goes, is refused.

use super::headers::name::Known;
use super::headers::{self, BadHeader, Headers, NameAddr, Seen, TopVia};
use super::lex;
use super::message::{COPIED, Message, Request, Response};
use super::method::Method;
use super::uri::Uri;
use std::borrow::Cow;
use std::fmt;

/// Bytes of a whole message, on every transport.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Header lines of a message. The longest real ones (RFC 4475 §3.1.1.7) have under 50.
pub const MAX_LINES: usize = 200;
/// Bytes of one header value, unfolded, and of the Request-URI.
pub const MAX_VALUE: usize = 8 * 1024;

/// What is wrong with a message; shown as the reason phrase of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing but line breaks or zeros: a keep-alive (RFC 5626 §4.4.1) or a hole puncher.
    #[error("Empty message")]
    Empty,
    /// No SIP start line. Never answered: who sent it may not speak SIP at all.
    #[error("Not a SIP message")]
    NotSip,
    #[error("Version Not Supported")]
    Version,
    #[error("Bad start line: {0}")]
    StartLine(&'static str),
    #[error("Bad Request-URI: {0}")]
    RequestUri(&'static str),
    #[error("Request-URI Too Long")]
    RequestUriTooLong,
    #[error("Bad header line {0}: expected a name and a colon")]
    HeaderLine(usize),
    #[error("Header line {0} holds a control character")]
    Control(usize),
    #[error("Header line {0} is longer than 8 KiB")]
    LineTooLong(usize),
    #[error("More than 200 header lines")]
    TooManyLines,
    #[error("{0}")]
    Header(#[from] BadHeader),
    #[error("More than one {0} header")]
    Twice(&'static str),
    #[error("CSeq method is not the request's method")]
    CSeqMethod,
    #[error("Header lines do not end with an empty line")]
    NoEnd,
    #[error("Bad Content-Length")]
    ContentLength,
    #[error("Missing Content-Length header")]
    NoContentLength,
    #[error("Body is shorter than Content-Length")]
    ShortBody,
    #[error("Message Too Large")]
    TooLarge,
}

impl Fault {
    /// The response code for it.
    pub fn code(&self) -> u16 {
        match self {
            Fault::Version => 505,
            Fault::RequestUriTooLong => 414,
            Fault::TooLarge => 513,
            _ => 400,
        }
    }

    /// A bound on sizes was exceeded: [`MAX_MESSAGE`], [`MAX_LINES`] or [`MAX_VALUE`].
    pub fn is_of_size(&self) -> bool {
        use Fault::{LineTooLong, RequestUriTooLong, TooLarge, TooManyLines};
        matches!(self, RequestUriTooLong | LineTooLong(_) | TooManyLines | TooLarge)
    }
}

/// A message that must not be acted on, with what could be read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadMessage(Box<Bad>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bad {
    fault: Fault,
    is_request: bool,
    method: Option<Method>,
    headers: Headers,
}

impl BadMessage {
    /// The first fault found.
    pub fn fault(&self) -> &Fault {
        &self.0.fault
    }

    /// It began like a request.
    pub fn is_request(&self) -> bool {
        self.0.is_request
    }

    /// Of a request whose start line names one.
    pub fn method(&self) -> Option<&Method> {
        self.0.method.as_ref()
    }

    /// Every header line that could be told apart; none of them was checked.
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// The answer that says what is wrong: 400, 414, 505 or 513. `None` for responses, for an ACK, and for what is not SIP.
    ///
    /// The To tag is made of the message alone, so the answer to a retransmission is the same (RFC 3261 §8.2.7).
    pub fn response(&self) -> Option<Response> {
        let bad = &*self.0;
        if !bad.is_request || bad.method == Some(Method::Ack) {
            return None;
        }
        let reason = bad.fault.to_string();
        let headers = bad.headers.only(&COPIED);
        let mut response = Response { code: bad.fault.code(), reason, headers, body: Vec::new() };
        response.set_stateless_tag();
        Some(response)
    }
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fault.fmt(f)
    }
}

impl std::error::Error for BadMessage {}

impl Message {
    /// Reads one datagram (RFC 3261 §18.3): what follows the body is dropped; without Content-Length the body is the rest.
    pub fn parse(datagram: &[u8]) -> Result<Message, BadMessage> {
        let (mut head, used) = read_head(datagram);
        let rest = &datagram[used..];
        let body = match head.length {
            Length::Missing => rest,
            Length::Is(length) if length <= rest.len() => &rest[..length],
            Length::Is(_) => {
                head.note(Fault::ShortBody);
                rest
            }
            Length::Bad => rest,
        };
        if datagram.len() > MAX_MESSAGE {
            head.note(Fault::TooLarge);
        }
        head.finish(body.to_vec())
    }
}

/// Everything before the body.
#[derive(Debug)]
pub(super) struct Head {
    start: Option<Start>,
    is_request: bool,
    method: Option<Method>,
    headers: Headers,
    fault: Option<Fault>,
    pub(super) length: Length,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Missing,
    Is(usize),
    /// Not a number, or several.
    Bad,
}

#[derive(Debug)]
enum Start {
    Request(Method, Uri),
    Response(u16, String),
}

impl Head {
    /// Notes a fault unless there is one already.
    pub(super) fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// For a fault of the framing, which matters more than one inside.
    pub(super) fn replace_fault(&mut self, fault: Fault) {
        if self.is_sip() {
            self.fault = Some(fault);
        }
    }

    pub(super) fn is_sip(&self) -> bool {
        !matches!(self.fault, Some(Fault::NotSip | Fault::Empty))
    }

    pub(super) fn has_content_type(&self) -> bool {
        self.headers.has("Content-Type")
    }

    pub(super) fn finish(self, body: Vec<u8>) -> Result<Message, BadMessage> {
        let Head { start, is_request, method, headers, fault, .. } = self;
        match (fault, start) {
            (None, Some(Start::Request(method, uri))) => Ok(Message::Request(Request { method, uri, headers, body })),
            (None, Some(Start::Response(code, reason))) => {
                Ok(Message::Response(Response { code, reason, headers, body }))
            }
            (fault, _) => {
                let fault = fault.unwrap_or(Fault::NotSip);
                Err(BadMessage(Box::new(Bad { fault, is_request, method, headers })))
            }
        }
    }
}

/// Bytes beside the head for which there is room from the start: we write the topmost Via again.
const TEXT_MORE: usize = 128;

/// Reads start line and headers; gives also how many bytes they are, with the empty line. Never more than `MAX_LINES`
/// headers are kept.
pub(super) fn read_head(bytes: &[u8]) -> (Head, usize) {
    let mut head = Head {
        start: None,
        is_request: false,
        method: None,
        headers: Headers::new(),
        fault: None,
        length: Length::Missing,
    };
    let begin = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    if bytes[begin..].iter().all(|b| *b == 0) {
        head.note(Fault::Empty);
        return (head, bytes.len());
    }
    let Line { bytes: line, next: begin, .. } = next_line(bytes, begin);
    read_start(&mut head, &text(line));
    if head.fault == Some(Fault::NotSip) {
        return (head, bytes.len());
    }
    let bytes = &bytes[begin..];
    let mut lines = Lines::new();
    let mut used = lines.read(bytes);
    match std::str::from_utf8(&bytes[..used]) {
        Ok(text) if !lines.is_folded => lines.headers.push_text(text, TEXT_MORE),
        _ => {
            let (text, end) = straightened(bytes);
            lines = Lines::new();
            used = end;
            lines.read(text.as_bytes());
            lines.headers.push_text(&text, TEXT_MORE);
        }
    }
    head.headers = lines.headers;
    head.length = lines.length;
    if let Some(fault) = lines.fault {
        head.note(fault);
    }
    if head.fault.is_none() {
        match check(&head, &lines.found) {
            Ok(seen) => head.headers.set_seen(seen),
            Err(fault) => head.note(fault),
        }
    }
    (head, begin + used)
}

/// The header lines of a head.
struct Lines {
    /// Places in the bytes that were read; the text is put behind them later, when it is known to be one.
    headers: Headers,
    length: Length,
    found: Found,
    fault: Option<Fault>,
    /// A line is continued, and nothing of this may be used.
    is_folded: bool,
}

impl Lines {
    fn new() -> Lines {
        Lines {
            headers: Headers::with_capacity(16, 0),
            length: Length::Missing,
            found: Found::default(),
            fault: None,
            is_folded: false,
        }
    }

    /// Reads up to the empty line; says how many bytes that is, with the empty line.
    fn read(&mut self, bytes: &[u8]) -> usize {
        let (mut at, mut number) = (0, 0);
        while at < bytes.len() {
            let line = next_line(bytes, at);
            if line.bytes.is_empty() {
                return line.next;
            }
            number += 1;
            self.is_folded |= number > 1 && lex::is_space(line.bytes[0]);
            let result = if number > MAX_LINES { Err(Fault::TooManyLines) } else { self.take(at, &line, number) };
            if let Err(fault) = result {
                self.fault.get_or_insert(fault);
            }
            at = line.next;
        }
        self.fault.get_or_insert(Fault::NoEnd);
        at
    }

    /// `place`: where the line stands in the bytes.
    fn take(&mut self, place: usize, line: &Line, number: usize) -> Result<(), Fault> {
        let colon = line.bytes.iter().position(|b| *b == b':').ok_or(Fault::HeaderLine(number))?;
        // White space between name and colon is meant well.
        let name = lex::trim_end(&line.bytes[..colon]);
        let known = Known::find(name);
        if known.is_none() && (name.is_empty() || lex::len_without(name, lex::NO_TOKEN) < name.len()) {
            return Err(Fault::HeaderLine(number));
        }
        let begin = lex::skip_spaces(line.bytes, colon + 1);
        let value = lex::trim_end(&line.bytes[begin..]);
        if value.len() > MAX_VALUE {
            return Err(Fault::LineTooLong(number));
        }
        if line.has_control && has_stray_control(value) {
            return Err(Fault::Control(number));
        }
        // It says nothing, and what we note in the topmost Via must stand in that which counts.
        if known == Some(Known::VIA) && value.is_empty() {
            return Ok(());
        }
        if known == Some(Known::CONTENT_LENGTH) {
            return self.take_length(value);
        }
        self.headers.push_part(known, (place, name.len()), (place + begin, value.len()));
        if let Some(name) = known {
            self.found.note(name, self.headers.len() - 1);
        }
        Ok(())
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        let length = std::str::from_utf8(value).ok().and_then(|value| lex::number(value, u32::MAX.into()));
        match (self.length, length) {
            (Length::Missing, Some(length)) => {
                self.length = Length::Is(length as usize);
                Ok(())
            }
            _ => {
                self.length = Length::Bad;
                Err(Fault::ContentLength)
            }
        }
    }
}

struct Line<'a> {
    /// Without its end.
    bytes: &'a [u8],
    /// Where the next one begins.
    next: usize,
    /// Other than a tab.
    has_control: bool,
}

/// The line at `at`. Its end is a control character too, so one search finds both.
#[inline]
fn next_line(bytes: &[u8], at: usize) -> Line<'_> {
    let rest = &bytes[at..];
    let (mut length, mut has_control) = (0, false);
    while let Some(more) = lex::search_control(&rest[length..]) {
        length += more;
        let end = match rest[length..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [control, ..] => {
                has_control |= control != b'\t';
                length += 1;
                continue;
            }
            [] => break,
        };
        return Line { bytes: &rest[..length], next: at + length + end, has_control };
    }
    Line { bytes: rest, next: bytes.len(), has_control }
}

/// Header lines as they should have been written: none continued, and all in UTF-8. Ends where they end, and says where
/// that is in `bytes`.
fn straightened(bytes: &[u8]) -> (String, usize) {
    let (mut straight, mut at) = (String::new(), 0);
    while at < bytes.len() {
        let line = next_line(bytes, at);
        at = line.next;
        if line.bytes.is_empty() {
            straight.push_str("\r\n");
            break;
        }
        let mut whole = Cow::Borrowed(line.bytes);
        while bytes.get(at).is_some_and(|b| lex::is_space(*b)) {
            let more = next_line(bytes, at);
            at = more.next;
            let whole = whole.to_mut();
            whole.push(b' ');
            whole.extend_from_slice(lex::trim_end(&more.bytes[lex::skip_spaces(more.bytes, 0)..]));
        }
        straight.push_str(&text(&whole));
        straight.push_str("\r\n");
    }
    (straight, at)
}

/// UTF-8 as RFC 3261 §7 asks, or else Latin-1 as some exchanges still write names.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
    }
}

fn read_start(head: &mut Head, line: &str) {
    let result = match line.get(..4) {
        Some(sip) if sip.eq_ignore_ascii_case("SIP/") => read_status_line(line),
        _ => read_request_line(head, line),
    };
    match result {
        Ok(start) => head.start = Some(start),
        Err(fault) => head.note(fault),
    }
}

fn read_status_line(line: &str) -> Result<Start, Fault> {
    let mut parts = line.splitn(3, ' ');
    if !parts.next().is_some_and(|version| version.eq_ignore_ascii_case("SIP/2.0")) {
        return Err(Fault::Version);
    }
    let code = parts.next().filter(|code| code.len() == 3).and_then(|code| lex::number(code, 699));
    let Some(code) = code.filter(|code| *code >= 100) else {
        return Err(Fault::StartLine("expected a status code from 100 to 699"));
    };
    let reason = parts.next().unwrap_or_default();
    if reason.contains(|c: char| c.is_ascii_control() && c != '\t') {
        return Err(Fault::StartLine("control character in the reason phrase"));
    }
    Ok(Start::Response(code as u16, reason.to_string()))
}

fn read_request_line(head: &mut Head, line: &str) -> Result<Start, Fault> {
    let line = line.trim_end_matches([' ', '\t']);
    let (method, rest) = line.split_at(lex::find(line, b' ').ok_or(Fault::NotSip)?);
    let (uri, version) = rest[1..].rsplit_once(' ').ok_or(Fault::NotSip)?;
    if !version.get(..4).is_some_and(|sip| sip.eq_ignore_ascii_case("SIP/")) {
        return Err(Fault::NotSip);
    }
    let method = Method::parse(method).ok_or(Fault::NotSip)?;
    head.is_request = true;
    head.method = Some(method.clone());
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(Fault::Version);
    }
    if uri.len() > MAX_VALUE {
        return Err(Fault::RequestUriTooLong);
    }
    let uri = uri.parse().map_err(|bad: super::uri::BadUri| Fault::RequestUri(bad.0))?;
    Ok(Start::Request(method, uri))
}

/// A control character other than a tab; behind a backslash it is a quoted pair (RFC 3261 §25.1), but never a CR.
fn has_stray_control(value: &[u8]) -> bool {
    let mut is_escaped = false;
    value.iter().any(|&b| {
        let is_stray = b.is_ascii_control() && b != b'\t' && (!is_escaped || b == b'\r');
        is_escaped = b == b'\\' && !is_escaped;
        is_stray
    })
}

/// The rules for single headers and between them (RFC 3261 §8.1.1, §8.2, §20).
fn check(head: &Head, found: &Found) -> Result<Seen, Fault> {
    let headers = &head.headers;
    let first = |name| found.first(name).map(|at| headers.value(at));
    let mut seen = Seen::default();
    for name in [Known::FROM, Known::TO, Known::CALL_ID, Known::CSEQ, Known::MAX_FORWARDS, Known::EXPIRES] {
        if found.count(name) > 1 {
            return Err(Fault::Twice(name.as_str()));
        }
    }
    if headers.all(Known::VIA).all(|value| lex::trim(value).is_empty()) {
        return Err(BadHeader::missing("Via").into());
    }
    for value in headers.all(Known::VIA) {
        for via in lex::items(value) {
            let via = TopVia::parse(via)?;
            if seen.via.is_none() {
                seen.via = found.first(Known::VIA).map(|line| headers.see_via(line, via));
            }
        }
    }
    for (name, seen) in [(Known::FROM, &mut seen.from), (Known::TO, &mut seen.to)] {
        let line = found.first(name).ok_or(BadHeader::missing(name.as_str()))?;
        let bad = |fault| BadHeader { name: name.as_str(), fault };
        let tag = NameAddr::check_for_tag(headers.value(line)).map_err(bad)?;
        *seen = Some(headers.see_tag(line, tag));
    }
    if lex::kinds(headers::call_id(first(Known::CALL_ID))?) & lex::SPACE != 0 {
        return Err(BadHeader { name: "Call-ID", fault: "white space" }.into());
    }
    let (_, method) = headers::cseq(first(Known::CSEQ))?;
    if first(Known::MAX_FORWARDS).is_some_and(|value| headers::max_forwards(value).is_none()) {
        return Err(BadHeader { name: "Max-Forwards", fault: "expected a number from 0 to 255" }.into());
    }
    if first(Known::EXPIRES).is_some_and(|value| headers::expires(value).is_none()) {
        return Err(BadHeader { name: "Expires", fault: "expected a number below 2^32" }.into());
    }
    let Some(Start::Request(of_start_line, _)) = &head.start else { return Ok(seen) };
    if method != *of_start_line {
        return Err(Fault::CSeqMethod);
    }
    // A request with a wrong Contact or Route would make a dialog that nobody can reach.
    for name in [Known::CONTACT, Known::ROUTE, Known::RECORD_ROUTE] {
        if found.count(name) == 0 || name == Known::CONTACT && headers.contact_star() {
            continue;
        }
        for value in headers.all(name) {
            lex::items(value).try_for_each(|item| check_address(name, item))?;
        }
    }
    Ok(seen)
}

/// How often the names that have rules are there, and in which line first.
#[derive(Default)]
struct Found([(u8, u8); Known::RULED]);

impl Found {
    fn note(&mut self, name: Known, line: usize) {
        if let Some((count, first)) = self.0.get_mut(name.index()) {
            if *count == 0 {
                *first = u8::try_from(line).expect("there are no more than `MAX_LINES`");
            }
            *count += 1;
        }
    }

    fn count(&self, name: Known) -> u8 {
        self.0[name.index()].0
    }

    fn first(&self, name: Known) -> Option<usize> {
        let (count, line) = self.0[name.index()];
        (count > 0).then_some(usize::from(line))
    }
}

fn check_address(name: Known, address: &str) -> Result<(), Fault> {
    NameAddr::check(address).map_err(|fault| BadHeader { name: name.as_str(), fault }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:600@vaxel.example SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1;rport\r\n\
        Max-Forwards: 70\r\nf: \"Anna\" <sip:anna@vaxel.example>;tag=1\r\nt: <sip:600@vaxel.example>\r\ni: a@192.0.2.7\r\n\
        CSeq: 1 INVITE\r\nm: <sip:anna@192.0.2.7>\r\nc: application/sdp\r\nl: 4\r\n\r\nv=0\n and more";

    #[test]
    fn datagram_is_cut_to_its_content_length_and_written_again() {
        let Ok(Message::Request(invite)) = Message::parse(INVITE.as_bytes()) else { panic!("a valid INVITE") };
        assert_eq!(invite.method, Method::Invite);
        assert_eq!(invite.uri.user(), Some("600"));
        assert_eq!(invite.headers.from_().unwrap().display.as_deref(), Some("Anna"));
        assert_eq!(invite.body, b"v=0\n");
        let written = invite.to_bytes();
        assert!(written.ends_with(b"Content-Length: 4\r\n\r\nv=0\n"));
        assert_eq!(Message::parse(&written), Ok(Message::Request(invite)));
    }

    #[test]
    fn fault_is_named_in_an_answer_that_finds_its_way_back() {
        let bad = Message::parse(INVITE.replace("1 INVITE", "1 BYE").as_bytes()).unwrap_err();
        let response = bad.response().expect("a request is answered");
        assert_eq!((response.code, &*response.reason), (400, "CSeq method is not the request's method"));
        assert_eq!(response.headers.via().unwrap().branch(), Some("z9hG4bK1"));
        assert_eq!(response.headers.call_id(), Ok("a@192.0.2.7"));
        assert!(response.headers.to().unwrap().tag().is_some());
        assert_eq!(bad.response(), Some(response));
    }

    #[test]
    fn an_ack_a_response_and_noise_are_never_answered() {
        for text in [
            INVITE.replace("INVITE", "ACK").replace("m: <", "m: "),
            INVITE.replace("INVITE sip:600@vaxel.example SIP/2.0", "SIP/2.0 99 OK"),
            "GET / HTTP/1.1\r\n\r\n".to_string(),
            "\r\n\r\n".to_string(),
            "\0\0\0\0".to_string(),
        ] {
            assert_eq!(Message::parse(text.as_bytes()).unwrap_err().response(), None, "{text}");
        }
    }

    #[test]
    fn a_control_character_is_taken_only_as_a_tab_or_as_a_quoted_pair() {
        let with = |line: &str| Message::parse(INVITE.replace("CSeq:", &format!("{line}\r\nCSeq:")).as_bytes());
        for line in [
            "Subject: a\tb",
            "Subject:\ta \t",
            "Subject \t: a",
            "Subject: \"a\\\u{1}b\"",
            "Subject: \"\\\\\\\u{7f}\"",
            "X:",
        ] {
            assert!(with(line).is_ok(), "{line:?}");
        }
        let faults = [
            ("Subject: a\u{1}b", Fault::Control(6)),
            ("Subject: a\u{7f}", Fault::Control(6)),
            ("Subject: a long enough one with it in the middle \0 of what there is", Fault::Control(6)),
            ("Subject: a\rb", Fault::Control(6)),
            ("Subject: \u{c}a", Fault::Control(6)),
            ("Subject: a\u{c}", Fault::Control(6)),
            ("Subject: a\r", Fault::Control(6)),
            ("Subject: \"a\\\rb\"", Fault::Control(6)),
            // The backslash is itself behind one.
            ("Subject: \"a\\\\\u{1}b\"", Fault::Control(6)),
            ("Subject\u{c}: a", Fault::HeaderLine(6)),
            ("Sub\u{1}ject: a", Fault::HeaderLine(6)),
            (": a", Fault::HeaderLine(6)),
            ("Subject a", Fault::HeaderLine(6)),
            ("Sub ject: a", Fault::HeaderLine(6)),
        ];
        for (line, fault) in faults {
            assert_eq!(with(line).unwrap_err().fault(), &fault, "{line:?}");
        }
    }

    #[test]
    fn lines_end_with_a_line_feed_and_perhaps_a_return_before_it() {
        let bytes = b"one\r\ntwo\n\tthree\r\r\n\r\nfour\r";
        let mut lines = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let line = next_line(bytes, at);
            lines.push((line.bytes, line.has_control));
            at = line.next;
        }
        let expected: [(&[u8], bool); 5] =
            [(b"one", false), (b"two", false), (b"\tthree\r", true), (b"", false), (b"four\r", true)];
        assert_eq!(lines, expected);
    }
}

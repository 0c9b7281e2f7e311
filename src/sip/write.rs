//! Messages into bytes (RFC 3261 §7). Content-Length is always written, from the body.

use super::headers::Headers;
use super::lex;
use super::message::{Message, Request, Response};
use std::fmt::Write;

impl Message {
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

/// Of a start line and of `Content-Length`, if they are of the usual length.
const REST: usize = 160;

/// Room for all that will be written, or a little more.
fn room(headers: &Headers, body: &[u8]) -> String {
    String::with_capacity(REST + headers.written_len() + body.len())
}

impl Request {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = room(&self.headers, &self.body);
        out.push_str(self.method.as_str());
        out.push(' ');
        self.uri.write(&mut out).expect(INTO_STRING);
        out.push_str(" SIP/2.0\r\n");
        finish(out, &self.headers, &self.body)
    }
}

impl Response {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = room(&self.headers, &self.body);
        out.push_str("SIP/2.0 ");
        put_number(&mut out, self.code.into());
        out.push(' ');
        // A reason phrase comes from many places, so it must not be able to end the line.
        out.extend(self.reason.chars().map(|c| if c.is_ascii_control() && c != '\t' { ' ' } else { c }));
        out.push_str("\r\n");
        finish(out, &self.headers, &self.body)
    }

    /// As short as can be: without reason phrase, with the short names of headers (RFC 3261 §7.3.3).
    pub fn to_compact_bytes(&self) -> Vec<u8> {
        let mut out = String::with_capacity(512 + self.body.len());
        put(&mut out, format_args!("SIP/2.0 {} \r\n", self.code));
        for header in self.headers.iter() {
            let name = COMPACT.iter().find(|(long, _)| *long == header.name).map_or(header.name, |(_, short)| short);
            put(&mut out, format_args!("{name}:{}\r\n", header.value));
        }
        put(&mut out, format_args!("l:{}\r\n\r\n", self.body.len()));
        with_body(out, &self.body)
    }
}

const COMPACT: [(&str, &str); 5] = [("Via", "v"), ("From", "f"), ("To", "t"), ("Call-ID", "i"), ("Content-Type", "c")];

fn finish(mut out: String, headers: &Headers, body: &[u8]) -> Vec<u8> {
    headers.write(&mut out);
    out.push_str("Content-Length: ");
    put_number(&mut out, body.len());
    out.push_str("\r\n\r\n");
    with_body(out, body)
}

fn with_body(head: String, body: &[u8]) -> Vec<u8> {
    let mut out = head.into_bytes();
    out.extend_from_slice(body);
    out
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect(INTO_STRING);
}

fn put_number(out: &mut String, number: usize) {
    lex::write_number(out, number).expect(INTO_STRING);
}

const INTO_STRING: &str = "writing into a string cannot fail";

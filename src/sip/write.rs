//! Messages into bytes (RFC 3261 §7). Content-Length is always written, from the body.

use super::headers::Headers;
use super::message::{Message, Request, Response};
use std::io::Write;

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

/// What will be written, or a little more.
fn room(headers: &Headers, body: &[u8]) -> Vec<u8> {
    let lines = headers.iter().map(|header| header.name.len() + header.value.len() + 4).sum::<usize>();
    Vec::with_capacity(REST + lines + body.len())
}

impl Request {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = room(&self.headers, &self.body);
        put(&mut out, format_args!("{} {} SIP/2.0\r\n", self.method, self.uri));
        finish(out, &self.headers, &self.body)
    }
}

impl Response {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = room(&self.headers, &self.body);
        put(&mut out, format_args!("SIP/2.0 {} ", self.code));
        // A reason phrase comes from many places, so it must not be able to end the line.
        out.extend(self.reason.bytes().map(|b| if b.is_ascii_control() && b != b'\t' { b' ' } else { b }));
        out.extend_from_slice(b"\r\n");
        finish(out, &self.headers, &self.body)
    }

    /// As short as can be: without reason phrase, with the short names of headers (RFC 3261 §7.3.3).
    pub fn to_compact_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        put(&mut out, format_args!("SIP/2.0 {} \r\n", self.code));
        for header in self.headers.iter() {
            let name = COMPACT.iter().find(|(long, _)| *long == header.name).map_or(&*header.name, |(_, short)| short);
            put(&mut out, format_args!("{name}:{}\r\n", header.value));
        }
        put(&mut out, format_args!("l:{}\r\n\r\n", self.body.len()));
        out.extend_from_slice(&self.body);
        out
    }
}

const COMPACT: [(&str, &str); 5] = [("Via", "v"), ("From", "f"), ("To", "t"), ("Call-ID", "i"), ("Content-Type", "c")];

fn finish(mut out: Vec<u8>, headers: &Headers, body: &[u8]) -> Vec<u8> {
    for header in headers.iter() {
        out.extend_from_slice(header.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(header.value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    put(&mut out, format_args!("Content-Length: {}\r\n\r\n", body.len()));
    out.extend_from_slice(body);
    out
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing into a vector cannot fail");
}

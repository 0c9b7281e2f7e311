//! The message model: start line, headers in their order, body. Typed headers are read on demand from [`Headers`].

use super::endpoint::{Hop, note_source};
use super::headers::{Headers, NameAddr};
use super::method::Method;
use super::uri::Uri;
use crate::time::Duration;

/// What every answer has from its request (RFC 3261 §8.2.6.2).
pub(super) const COPIED: [&str; 5] = ["Via", "From", "To", "Call-ID", "CSeq"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Request(Request),
    Response(Response),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100–699.
    pub code: u16,
    pub reason: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Message {
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Message::Request(request) => &mut request.headers,
            Message::Response(response) => &mut response.headers,
        }
    }

    pub fn body(&self) -> &[u8] {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }

    pub fn body_mut(&mut self) -> &mut [u8] {
        match self {
            Message::Request(request) => &mut request.body,
            Message::Response(response) => &mut response.body,
        }
    }
}

impl Request {
    /// A request with no header and no body.
    pub fn new(method: Method, uri: Uri) -> Request {
        Request { method, uri, headers: Headers::new(), body: Vec::new() }
    }

    /// Whether it asks for something outside any dialog, for which it may have to show credentials.
    pub fn begins(&self) -> bool {
        self.headers.to_tag().is_none() && !matches!(self.method, Method::Ack | Method::Cancel)
    }

    /// Sets the body with its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set("Content-Type", content_type);
        self.body = body;
    }
}

impl Response {
    /// An answer to `request` with what RFC 3261 §8.2.6.2 says must be copied: Via, From, To, Call-ID, CSeq; for 100 also
    /// Timestamp (§8.2.6.1); for 101–299 to a request that can form a dialog also Record-Route (§12.1.1).
    ///
    /// `reason` is the standard phrase where it is `None`. The To tag is the caller's matter: see [`Response::set_to_tag`].
    pub fn to<'a>(request: &Request, code: u16, reason: impl Into<Option<&'a str>>) -> Response {
        let reason = reason.into().unwrap_or_else(|| reason_phrase(code)).to_string();
        let mut response = Response { code, reason, headers: request.headers.only(&COPIED), body: Vec::new() };
        if code == 100 {
            request.headers.copy("Timestamp", &mut response.headers);
        }
        let forms_dialog =
            matches!(request.method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify);
        if (101..300).contains(&code) && forms_dialog {
            request.headers.copy("Record-Route", &mut response.headers);
        }
        response
    }

    /// Adds our tag to To unless it has one or cannot be read.
    pub fn set_to_tag(&mut self, tag: &str) {
        if let Some(value) = self.headers.get("To")
            && NameAddr::check(value).is_ok()
            && self.headers.to_tag().is_none()
        {
            let value = format!("{value};tag={tag}");
            self.headers.set("To", value);
        }
    }

    /// Adds a To tag that is made of the message alone, so that the answer to a retransmission is the same
    /// (RFC 3261 §8.2.7).
    pub fn set_stateless_tag(&mut self) {
        let headers = &self.headers;
        // What we wrote into Via ourselves depends on nothing but where it came from.
        let seed = headers.get("Call-ID").into_iter().chain(headers.get("Via")).flat_map(str::bytes);
        let tag = format!("{:016x}", fnv1a(seed));
        self.set_to_tag(&tag);
    }

    /// Says when to try again (Retry-After, RFC 3261 §20.33): in `least`, which is a second at least, or up to half as much later, by
    /// the Call-ID, so that those who were refused in one moment do not all come back in one.
    pub(crate) fn come_later(&mut self, least: Duration, call_id: &str) {
        let least = least.as_secs().max(1);
        let seconds = least + fnv1a(call_id.bytes()) % (least / 2 + 1);
        self.headers.push("Retry-After", seconds.to_string());
    }

    /// Notes in the topmost Via where the request came from, and gives the way back; `None`: there is no readable Via.
    pub(super) fn go_back(&mut self, hop: &Hop) -> Option<Hop> {
        note_source(&mut self.headers, hop)
    }

    /// Sets the body with its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set("Content-Type", content_type);
        self.body = body;
    }

    pub fn is_provisional(&self) -> bool {
        self.code < 200
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    pub fn is_final(&self) -> bool {
        self.code >= 200
    }
}

/// The hash of Fowler, Noll and Vo: short, steady over versions, and here no secret.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// The phrase the RFCs give to a code (RFC 3261 §21 and the extensions); that of its class for unknown ones.
pub fn reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        437 => "Unsupported Credential",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match code / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_in_one_moment_does_not_come_back_in_one() {
        let wait = |least, call: u32| {
            let mut refusal = Response { code: 503, reason: String::new(), headers: Headers::new(), body: Vec::new() };
            refusal.come_later(Duration::from_secs(least), &format!("call{call}@192.0.2.9"));
            refusal.headers.retry_after().expect("it says when").as_secs()
        };
        let mut come = [0; 31];
        (0..3100).for_each(|call| come[usize::try_from(wait(60, call) - 60).unwrap()] += 1);
        assert!(come.iter().all(|&at_once| (50..200).contains(&at_once)), "{come:?}");
        assert_eq!(wait(60, 7), wait(60, 7), "a repeated request gets the same answer");
        assert!((0..99).all(|call| wait(0, call) == 1), "never at once");
    }
}

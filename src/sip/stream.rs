//! Messages out of a byte stream (RFC 3261 §18.3, RFC 5626 §4.4.1).

use super::lex;
use super::message::Message;
use super::parse::{BadMessage, Fault, Head, Length, MAX_MESSAGE, read_head};

/// What [`Framer::next`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
// It is handed on at once; a box would cost each message an allocation.
#[expect(clippy::large_enum_variant)]
pub enum Frame {
    Message(Message),
    /// Answer it with [`BadMessage::response`], then look at [`Framer::is_broken`].
    Bad(BadMessage),
    /// A double CRLF: answer it with one CRLF.
    Ping,
}

/// Cuts a TCP stream into messages.
///
/// Holds at most one message and what was pushed last. Where a fault leaves it unknown where the next message begins
/// (Content-Length missing although there is a body, not a number, or larger than the bound; no SIP at all; an endless
/// head) the framer is broken: it gives that one `Bad` and nothing more, and the connection must be closed.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are done with.
    start: usize,
    /// Bytes behind `start` in which no end of a head was found.
    scanned: usize,
    /// A head that was read and waits for its body, with the length of both parts.
    waiting: Option<(Head, usize, usize)>,
    broken: bool,
}

impl Framer {
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Takes what was read from the connection. Drain [`Framer::next`] after each push, so the buffer stays bounded.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing more can be read from this connection: close it.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// No message has begun that is not complete: the peer may close the connection without losing one. Line breaks that
    /// may be half a ping begin no message.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_none() && self.buffer[self.start..].iter().all(|b| matches!(b, b'\r' | b'\n'))
    }

    /// The peer takes too long: what is wrong with the message whose body does not come, if there is one. It was the last.
    pub fn cut_short(&mut self) -> Option<BadMessage> {
        let (head, ..) = self.waiting.take()?;
        match self.give_up_on(head, Fault::ShortBody) {
            Frame::Bad(bad) => Some(bad),
            Frame::Message(_) | Frame::Ping => None,
        }
    }

    /// Takes the single CRLF that answers a ping of ours (RFC 5626 §4.4.1), if one is the next thing there. To be asked right after
    /// [`Framer::push`] while an answer is awaited: at other times it is part of a ping of the peer.
    pub fn take_pong(&mut self) -> bool {
        if self.waiting.is_some() || self.broken {
            return false;
        }
        // Pairs are pings of the peer.
        let breaks = self.buffer[self.start..].chunks_exact(2).take_while(|pair| *pair == b"\r\n").count();
        let is_there = breaks % 2 == 1;
        self.start += if is_there { 2 } else { 0 };
        is_there
    }

    /// The next complete message or keep-alive; `None`: more bytes are needed, or the framer is broken.
    #[allow(clippy::should_implement_trait, reason = "after None more may come, which no iterator should do")]
    pub fn next(&mut self) -> Option<Frame> {
        if self.broken {
            return None;
        }
        if self.waiting.is_none() {
            if self.skip_line_breaks() {
                return Some(Frame::Ping);
            }
            let Some(end) = self.head_end() else {
                return (self.buffer.len() - self.start > MAX_MESSAGE).then(|| self.give_up(Fault::TooLarge));
            };
            let (mut head, used) = read_head(&self.buffer[self.start..self.start + end]);
            let body = match head.length {
                Length::Is(length) if used + length <= MAX_MESSAGE => length,
                Length::Is(_) => return Some(self.give_up_on(head, Fault::TooLarge)),
                // RFC 3261 §20.14 wants it on streams; without a Content-Type there is no body to be missed.
                Length::Missing if !head.has_content_type() && head.is_sip() => 0,
                Length::Missing => return Some(self.give_up_on(head, Fault::NoContentLength)),
                Length::Bad => return Some(self.give_up_on(head, Fault::ContentLength)),
            };
            if used > MAX_MESSAGE {
                head.note(Fault::TooLarge);
            }
            self.waiting = Some((head, used, body));
        }
        let (head, used, body) = self.waiting.take()?;
        let end = self.start + used + body;
        if self.buffer.len() < end {
            self.waiting = Some((head, used, body));
            return None;
        }
        let body = self.buffer[end - body..end].to_vec();
        self.start = end;
        self.scanned = 0;
        Some(match head.finish(body) {
            Ok(message) => Frame::Message(message),
            Err(bad) => Frame::Bad(bad),
        })
    }

    /// Skips line breaks between messages (RFC 3261 §7.5); true for the four bytes of a ping. One CRLF at the end of
    /// the buffer stays: it may be half of a ping.
    fn skip_line_breaks(&mut self) -> bool {
        loop {
            match &self.buffer[self.start..] {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.start += 4;
                    return true;
                }
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return false,
                [b'\r' | b'\n', ..] => self.start += 1,
                _ => return false,
            }
        }
    }

    /// Length of the head with its empty line.
    fn head_end(&mut self) -> Option<usize> {
        let bytes = &self.buffer[self.start..];
        let lone_break = bytes.iter().all(|b| matches!(b, b'\r' | b'\n'));
        if lone_break {
            return None;
        }
        // Three bytes back: the end may have been cut anywhere.
        let mut at = self.scanned.saturating_sub(3);
        while let Some(found) = lex::search(&bytes[at..], b'\n') {
            let next = at + found + 1;
            match &bytes[next..] {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                _ => at = next,
            }
        }
        self.scanned = bytes.len();
        None
    }

    fn give_up(&mut self, fault: Fault) -> Frame {
        let (head, _) = read_head(&self.buffer[self.start..]);
        self.give_up_on(head, fault)
    }

    fn give_up_on(&mut self, mut head: Head, fault: Fault) -> Frame {
        self.broken = true;
        self.buffer = Vec::new();
        self.start = 0;
        head.replace_fault(fault);
        match head.finish(Vec::new()) {
            Err(bad) => Frame::Bad(bad),
            Ok(message) => Frame::Message(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(body: &str, extra: &str) -> String {
        format!(
            "OPTIONS sip:a@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: x\r\nCSeq: 1 OPTIONS\r\n{extra}\r\n{body}"
        )
    }

    fn frames(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next()).collect()
    }

    fn kinds(frames: &[Frame]) -> String {
        frames
            .iter()
            .map(|frame| match frame {
                Frame::Message(message) => format!("[{}]", String::from_utf8_lossy(message.body())),
                Frame::Bad(bad) => format!("!{bad}!"),
                Frame::Ping => "ping".into(),
            })
            .collect()
    }

    #[test]
    fn the_answer_to_a_ping_is_told_from_a_ping() {
        for (bytes, is_pong, pings) in [
            (&b"\r\n"[..], true, 0),
            (b"\r\n\r\n", false, 1),
            (b"\r\n\r\n\r\n", true, 1),
            (b"\r", false, 0),
            (b"", false, 0),
            (b"\r\nOPTIONS sip:a@b SIP/2.0\r\n", true, 0),
            (b"OPTIONS sip:a@b SIP/2.0\r\n", false, 0),
        ] {
            let mut framer = Framer::new();
            framer.push(bytes);
            assert_eq!(framer.take_pong(), is_pong, "{bytes:?}");
            let found = std::iter::from_fn(|| framer.next()).filter(|frame| *frame == Frame::Ping).count();
            assert_eq!(found, pings, "{bytes:?}");
        }
    }

    #[test]
    fn stream_is_cut_the_same_however_it_arrives() {
        let stream = [
            "\r\n\r\n".to_string(),
            options("one", "l: 3\r\n"),
            options("", ""),
            "\r\n".into(),
            options("two\r\n\r\n", "Content-Length: 7\r\n"),
            "\r\n\r\n".into(),
        ]
        .concat();
        for step in [1, 2, 3, 7, 100, stream.len()] {
            let mut framer = Framer::new();
            let mut seen = Vec::new();
            for part in stream.as_bytes().chunks(step) {
                framer.push(part);
                seen.extend(frames(&mut framer));
            }
            assert_eq!(kinds(&seen), "ping[one][][two\r\n\r\n]ping", "in steps of {step}");
            assert!(framer.is_idle() && !framer.is_broken());
        }
    }

    #[test]
    fn bad_message_with_a_known_end_does_not_harm_the_next() {
        let mut framer = Framer::new();
        let bad = options("body", "l: 4\r\nMax-Forwards: many\r\n");
        framer.push(format!("{bad}{}", options("ok", "l: 2\r\n")).as_bytes());
        assert_eq!(kinds(&frames(&mut framer)), "!Bad Max-Forwards header: expected a number from 0 to 255![ok]");
        assert!(!framer.is_broken());
    }

    #[test]
    fn a_body_that_does_not_come_is_told_once_and_nothing_is_read_behind_it() {
        let mut framer = Framer::new();
        framer.push(options("ab", "l: 5\r\n").as_bytes());
        assert_eq!(framer.next(), None);
        assert_eq!(framer.cut_short().unwrap().to_string(), "Body is shorter than Content-Length");
        framer.push(options("", "l: 0\r\n").as_bytes());
        assert!(framer.is_broken() && framer.cut_short().is_none() && framer.next().is_none());
        // Half a head is nothing that could be answered.
        let mut framer = Framer::new();
        framer.push(b"OPTIONS sip:a@h SIP/2.0\r\n");
        assert!(framer.next().is_none() && framer.cut_short().is_none());
    }

    #[test]
    fn unknown_end_breaks_the_stream_with_an_answer() {
        for (extra, fault) in [
            ("l: -1\r\n", "Bad Content-Length"),
            ("l: 1\r\nl: 2\r\n", "Bad Content-Length"),
            ("l: 99999\r\n", "Message Too Large"),
            ("l: 18446744073709551617\r\n", "Bad Content-Length"),
            ("c: text/plain\r\n", "Missing Content-Length header"),
        ] {
            let mut framer = Framer::new();
            framer.push(options("", extra).as_bytes());
            let seen = frames(&mut framer);
            assert_eq!(kinds(&seen), format!("!{fault}!"));
            let [Frame::Bad(bad)] = &seen[..] else { panic!("one bad frame") };
            assert_eq!(bad.response().unwrap().headers.call_id(), Ok("x"));
            assert!(framer.is_broken());
            framer.push(options("", "").as_bytes());
            assert_eq!(framer.next(), None);
        }
    }

    #[test]
    fn half_a_ping_is_no_message_that_has_begun() {
        let mut framer = Framer::new();
        framer.push(b"\r\n");
        assert_eq!((framer.next(), framer.is_idle()), (None, true));
        // A body of line breaks that is not whole yet is one.
        framer.push(options("", "l: 6\r\n").as_bytes());
        framer.push(b"\r\n\r\n");
        assert_eq!((framer.next(), framer.is_idle()), (None, false));
        framer.push(b"\r\n");
        assert!(matches!(framer.next(), Some(Frame::Message(_))));
        assert!(framer.is_idle());
    }

    #[test]
    fn endless_head_and_other_protocols_break_the_stream() {
        let mut framer = Framer::new();
        framer.push(options("", "").trim_end().as_bytes());
        let mut pushed = 0;
        let frame = loop {
            framer.push(&[b'x'; 1000]);
            pushed += 1000;
            if let Some(frame) = framer.next() {
                break frame;
            }
        };
        assert!(pushed <= MAX_MESSAGE + 1000 && framer.is_broken());
        assert_eq!(kinds(&[frame]), "!Message Too Large!");

        let mut framer = Framer::new();
        framer.push(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let seen = frames(&mut framer);
        assert!(matches!(&seen[..], [Frame::Bad(bad)] if bad.response().is_none()));
        assert!(framer.is_broken());
    }
}

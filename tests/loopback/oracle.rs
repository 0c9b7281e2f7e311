//! Another reader than ours, rsip, on the very bytes that come from vaxel.

use vaxel::sip::stream::{Frame, Framer};
use vaxel::sip::vocabulary::unreadable;
use vaxel::sip::{BadMessage, Message};

/// rsip must see the same in a message as we do, except in what it is known not to read (there is one list of that:
/// [`unreadable`]). Returns whether it was asked: the answer to what is broken has its broken headers.
pub fn rsip_agrees(bytes: &[u8]) -> bool {
    let Ok(message) = Message::parse(bytes) else { return false };
    if unreadable(&message).is_some() {
        return false;
    }
    let text = || String::from_utf8_lossy(bytes).into_owned();
    let theirs = rsip::SipMessage::try_from(bytes).unwrap_or_else(|why| panic!("rsip: {why}\n{}", text()));
    let mut read = Message::try_from(&theirs).unwrap_or_else(|why| panic!("{why}\n{}", text()));
    // rsip keeps no phrase of codes that it names.
    if let (Message::Response(read), Message::Response(message)) = (&mut read, &message) {
        read.reason.clone_from(&message.reason);
    }
    assert_eq!(read, message);
    true
}

/// The messages of a stream, each shown to rsip as it came.
#[derive(Default)]
pub struct Stream {
    framer: Framer,
    raw: Vec<u8>,
    /// Messages that rsip has read as we do.
    pub agreed: usize,
}

impl Stream {
    pub fn push(&mut self, bytes: &[u8]) {
        self.framer.push(bytes);
        self.raw.extend_from_slice(bytes);
    }

    pub fn next(&mut self) -> Option<Result<Message, BadMessage>> {
        loop {
            let read = match self.framer.next()? {
                Frame::Ping => continue,
                Frame::Message(message) => Ok(message),
                Frame::Bad(bad) => Err(bad),
            };
            let bytes = self.cut();
            if read.is_ok() {
                self.agreed += usize::from(rsip_agrees(&bytes));
            }
            return Some(read);
        }
    }

    /// The bytes of the message that the framer gave last: vaxel always says how long its body is.
    fn cut(&mut self) -> Vec<u8> {
        let begin = self.raw.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(self.raw.len());
        self.raw.drain(..begin);
        let head = self.raw.windows(4).position(|four| four == b"\r\n\r\n").map_or(self.raw.len(), |at| at + 4);
        let text = String::from_utf8_lossy(&self.raw[..head]);
        let length = text.lines().rev().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
        let end = (head + length.expect("vaxel says how long it is")).min(self.raw.len());
        self.raw.drain(..end).collect()
    }
}

//! The messages of a call drawn as a ladder: a column for each party, an arrow for each message.

use super::capture::Captured;
use super::{Message, Method, Transport};
use std::collections::HashSet;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

/// Columns between two parties.
const WIDTH: usize = 28;
/// Where the first party stands, to the right of the time.
const FIRST: usize = 24;
/// Where vaxel stands: between the caller and everybody else.
const OURS: usize = 1;

/// Draws one message after the other, as they come.
#[derive(Debug, Default)]
pub struct Ladder {
    /// Whom vaxel speaks with, in the order they were seen; vaxel is not among them.
    peers: Vec<(Transport, SocketAddr)>,
    /// What was drawn, so that what is sent again can be told.
    drawn: HashSet<u64>,
}

impl Ladder {
    /// The lines for one more message, each with its line break: names first, if somebody new takes part.
    pub fn draw(&mut self, captured: &Captured) -> String {
        let peer = (captured.hop.transport, captured.hop.remote);
        let mut text = String::new();
        let at = match self.peers.iter().position(|known| *known == peer) {
            Some(at) => at,
            None => {
                self.peers.push(peer);
                self.names(&mut text);
                self.peers.len() - 1
            }
        };
        let mut hasher = DefaultHasher::new();
        (captured.is_received, peer.1, captured.message().to_bytes()).hash(&mut hasher);
        let again = if self.drawn.insert(hasher.finish()) { "" } else { "again " };
        let (head, tail) = label(captured.message());
        let line = self.arrow(at, captured.is_received, &format!("{again}{head}"), &tail);
        let time = captured.at.to_string();
        // Of `2026-11-23T09:00:00.000Z` the time of day.
        let time = time.get(11..23).unwrap_or(&time);
        writeln!(text, "{time:<12}{}", &line[12..]).expect("writing to memory cannot fail");
        text
    }

    /// Where a party's line stands: vaxel second, whoever came after the first peer to the right of it.
    fn column(&self, peer: usize) -> usize {
        let place = if peer < OURS { peer } else { peer + 1 };
        FIRST + place * WIDTH
    }

    fn names(&self, text: &mut String) {
        let mut line = String::new();
        let peers = self.peers.iter().map(|(transport, address)| format!("{} {address}", transport.word()));
        let mut named: Vec<(usize, String)> = peers.enumerate().map(|(i, name)| (self.column(i), name)).collect();
        named.push((FIRST + OURS * WIDTH, "vaxel".to_owned()));
        named.sort();
        for (column, name) in named {
            let start = column.saturating_sub(name.chars().count() / 2);
            let gap = start.saturating_sub(line.chars().count()).max(usize::from(!line.is_empty()));
            line.extend(std::iter::repeat_n(' ', gap));
            line += &name;
        }
        writeln!(text, "{line}").expect("writing to memory cannot fail");
    }

    /// The first twelve characters are ASCII blanks. Of a label that is too long the head is cut.
    fn arrow(&self, peer: usize, is_received: bool, head: &str, tail: &str) -> String {
        let ours = FIRST + OURS * WIDTH;
        let theirs = self.column(peer);
        let length = (FIRST + self.peers.len().max(OURS) * WIDTH).max(theirs) + 1;
        let mut line = vec![' '; length];
        for column in (0..self.peers.len()).map(|i| self.column(i)).chain([ours]) {
            line[column] = '│';
        }
        let (left, right) = (ours.min(theirs), ours.max(theirs));
        line[left + 1..right].fill('─');
        let to = if is_received { ours } else { theirs };
        if to == right {
            line[right - 1] = '▶';
        } else {
            line[left + 1] = '◀';
        }
        let room = right - left - 7;
        let mut label: Vec<char> = head.chars().collect();
        let room = room.saturating_sub(tail.chars().count());
        if label.len() > room {
            label.truncate(room.saturating_sub(1));
            label.push('…');
        }
        label.extend(tail.chars());
        let start = left + (right - left).div_ceil(2) - label.len().div_ceil(2);
        line[start - 1] = ' ';
        line[start..start + label.len()].copy_from_slice(&label);
        line[start + label.len()] = ' ';
        line.into_iter().collect::<String>().trim_end().to_owned()
    }
}

/// `INVITE 100` and ` +SDP`; `200 OK` and ` BYE`. An answer that does not say to what is one to an INVITE.
fn label(message: &Message) -> (String, String) {
    let sdp = if message.description().is_empty() { "" } else { " +SDP" };
    // A peer wrote it: nothing in it may move the cursor, or take the room of all else.
    let clean = |text: String| text.replace(|c: char| c.is_control(), "?");
    match message {
        Message::Request(request) => {
            let user = request.uri.user().filter(|_| request.method == Method::Invite);
            let user = user.map(|user| format!(" {user}")).unwrap_or_default();
            (clean(format!("{}{user}", request.method.as_str())), sdp.to_owned())
        }
        Message::Response(response) => {
            let method = response.headers.cseq().ok().map(|(_, method)| method).filter(|m| *m != Method::Invite);
            let of = method.map(|method| format!(" {:.10}", method.as_str())).unwrap_or_default();
            (clean(format!("{} {}", response.code, response.reason)), clean(format!("{of}{sdp}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Hop;
    use crate::time::Time;

    fn draw(ladder: &mut Ladder, remote: &str, is_received: bool, start: &str, method: &str, body: &str) -> String {
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nFrom: <sip:4711@a.example>;tag=1\r\n\
             To: <sip:100@b.example>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n{content}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        let (local, remote) = ("127.0.0.1:5060".parse().unwrap(), remote.parse().unwrap());
        let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
        ladder.draw(&Captured::new(Time::from_micros(1_500_000), hop, is_received, None, message))
    }

    #[test]
    fn a_queue_call_is_a_ladder_of_three() {
        let mut ladder = Ladder::default();
        let (caller, anna) = ("127.0.0.1:5070", "127.0.0.1:5080");
        let mut text = String::new();
        for (peer, is_received, start, method, body) in [
            (caller, true, "INVITE sip:100@127.0.0.1 SIP/2.0", "INVITE", "v=0"),
            (caller, false, "SIP/2.0 100 Trying", "INVITE", ""),
            (caller, false, "SIP/2.0 200 OK", "INVITE", "v=0"),
            (caller, false, "SIP/2.0 200 OK", "INVITE", "v=0"),
            (caller, true, "ACK sip:100@127.0.0.1 SIP/2.0", "ACK", ""),
            (anna, false, "INVITE sip:anna@127.0.0.1 SIP/2.0", "INVITE", "v=0"),
            (anna, true, "SIP/2.0 480 Temporarily Unavailable For A While", "INVITE", ""),
        ] {
            text += &draw(&mut ladder, peer, is_received, start, method, body);
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_peer_s_words_cannot_move_the_cursor() {
        let mut ladder = Ladder::default();
        let text = draw(&mut ladder, "[::1]:9", true, "SIP/2.0 200 \u{9b}2J\u{9b}0", "INVITE", "");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.contains("200 ?2J?0"), "{text}");
    }
}

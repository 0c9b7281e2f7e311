//! Where a leg's packets go and from where they are taken (symmetric RTP, RFC 4961, and no RTP from strangers).
//!
//! ```text
//!              first valid packet                    valid packet from the signalled address, within the window
//!  Waiting ──────────────────────▶ Latched(source) ────────────────────────────────▶ Latched(signalled)
//!     ▲                                  │                                                  │
//!     └──────────── aim at another address ◀────────────────────────────────────────────────┘
//! ```

use crate::time::{Duration, Time};
use std::net::SocketAddr;

/// Packets from where the peer was before are still heard, but do not latch, for this long: they were on their way.
const FORMER: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Latch {
    /// What the peer said.
    signalled: SocketAddr,
    since: Time,
    /// Where the peer's packets come from.
    source: Option<SocketAddr>,
    /// Where they came from before `signalled` was another.
    former: Option<SocketAddr>,
}

impl Latch {
    pub fn new(now: Time, signalled: SocketAddr) -> Latch {
        Latch { signalled, since: now, source: None, former: None }
    }

    /// The peer named its address, again or anew. The same as before changes nothing; another allows one new latch. Returns
    /// whether it is another.
    pub fn aim(&mut self, now: Time, signalled: SocketAddr) -> bool {
        let changed = signalled != self.signalled;
        if changed {
            *self = Latch { former: self.source.or(self.former), ..Latch::new(now, signalled) };
        }
        changed
    }

    /// Where to send: to the source once there is one, until then where the peer said. `None` if that is no place to send to.
    pub fn target(&self) -> Option<SocketAddr> {
        let target = self.source.unwrap_or(self.signalled);
        (target.port() != 0 && !target.ip().is_unspecified() && !target.ip().is_multicast()).then_some(target)
    }

    /// Where the peer's packets were found, if not where it said.
    pub fn found_elsewhere(&self) -> Option<SocketAddr> {
        self.source.filter(|source| *source != self.signalled)
    }

    /// Whether a packet from there is the peer's. Only a `valid` one (RTP, of an agreed payload) can latch.
    ///
    /// A peer behind NAT is found by its first packet: within the `window` anywhere, later only at the host it named. Should
    /// packets come from the very address it named, that outranks what was found elsewhere, as long as the window lasts: a
    /// stranger who is faster than the peer does not keep the leg.
    pub fn admits(&mut self, now: Time, from: SocketAddr, valid: bool, window: Duration) -> bool {
        if self.source == Some(from) {
            return true;
        }
        let within = now.since(self.since) <= window;
        let named = from == self.signalled;
        match self.source {
            Some(_) if named && valid && within => self.source = Some(from),
            Some(_) => return false,
            None if !valid => return named,
            None if self.former == Some(from) && !named && now.since(self.since) < FORMER => {}
            None if named || within || from.ip() == self.signalled.ip() => self.source = Some(from),
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn s(secs: u64) -> Time {
        Time::from_secs(1000 + secs)
    }

    #[test]
    fn the_first_valid_packet_decides_and_no_later_one() {
        let mut latch = Latch::new(s(0), at("192.168.1.5:4000"));
        assert_eq!(latch.target(), Some(at("192.168.1.5:4000")));
        assert!(!latch.admits(s(1), at("203.0.113.9:7"), false, WINDOW), "junk from elsewhere");
        assert!(latch.admits(s(1), at("203.0.113.1:9"), true, WINDOW));
        assert_eq!(latch.target(), Some(at("203.0.113.1:9")));
        assert_eq!(latch.found_elsewhere(), Some(at("203.0.113.1:9")));
        assert!(!latch.admits(s(1), at("203.0.113.9:7"), true, WINDOW));
        assert!(!latch.admits(s(1), at("203.0.113.1:8"), true, WINDOW), "same host, other port");
        assert!(latch.admits(s(99), at("203.0.113.1:9"), true, WINDOW));
    }

    #[test]
    fn after_the_window_only_the_host_that_was_named() {
        let mut latch = Latch::new(s(0), at("192.0.2.5:4000"));
        assert!(!latch.admits(s(11), at("203.0.113.1:9"), true, WINDOW));
        assert!(latch.admits(s(11), at("192.0.2.5:1024"), true, WINDOW));
        assert_eq!(latch.target(), Some(at("192.0.2.5:1024")));
    }

    #[test]
    fn the_named_address_takes_the_leg_back_from_a_faster_stranger_within_the_window() {
        let mut latch = Latch::new(s(0), at("192.0.2.5:4000"));
        assert!(latch.admits(s(0), at("203.0.113.9:7"), true, WINDOW));
        assert!(!latch.admits(s(1), at("192.0.2.5:4000"), false, WINDOW), "not by junk");
        assert!(latch.admits(s(1), at("192.0.2.5:4000"), true, WINDOW));
        assert!(!latch.admits(s(1), at("203.0.113.9:7"), true, WINDOW), "and for good");
        let mut late = Latch::new(s(0), at("192.0.2.5:4000"));
        assert!(late.admits(s(0), at("203.0.113.9:7"), true, WINDOW));
        assert!(!late.admits(s(11), at("192.0.2.5:4000"), true, WINDOW));
    }

    #[test]
    fn a_changed_address_allows_one_new_latch_and_an_unchanged_one_none() {
        let mut latch = Latch::new(s(0), at("192.0.2.5:4000"));
        assert!(latch.admits(s(0), at("203.0.113.1:9"), true, WINDOW));
        assert!(!latch.aim(s(20), at("192.0.2.5:4000")));
        assert!(!latch.admits(s(20), at("203.0.113.1:10"), true, WINDOW));
        assert!(latch.aim(s(30), at("192.0.2.6:5000")));
        assert_eq!(latch.target(), Some(at("192.0.2.6:5000")));
        assert!(latch.admits(s(30), at("203.0.113.1:9"), true, WINDOW), "on its way before the change");
        assert_eq!(latch.target(), Some(at("192.0.2.6:5000")), "but not latched");
        assert!(latch.admits(s(31), at("203.0.113.1:11"), true, WINDOW));
        assert!(!latch.admits(s(31), at("203.0.113.1:9"), true, WINDOW));
    }

    #[test]
    fn a_peer_that_only_renamed_itself_is_found_where_it_was() {
        let mut latch = Latch::new(s(0), at("192.168.1.5:4000"));
        assert!(latch.admits(s(0), at("203.0.113.1:9"), true, WINDOW));
        latch.aim(s(30), at("192.168.1.5:4002"));
        assert!(latch.admits(s(30), at("203.0.113.1:9"), true, WINDOW));
        assert!(latch.admits(s(32), at("203.0.113.1:9"), true, WINDOW));
        assert_eq!(latch.target(), Some(at("203.0.113.1:9")));
    }

    #[test]
    fn no_place_to_send_to() {
        for nowhere in ["0.0.0.0:4000", "192.0.2.5:0", "[::]:4000", "224.0.0.1:4000"] {
            let mut latch = Latch::new(s(0), at(nowhere));
            assert_eq!(latch.target(), None, "{nowhere}");
            assert!(latch.admits(s(0), at("203.0.113.1:9"), true, WINDOW));
            assert_eq!(latch.target(), Some(at("203.0.113.1:9")), "{nowhere}");
        }
    }
}

//! The INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §8.5).
//!
//! ```text
//!               300–699             ACK
//!  Proceeding ──────────▶ Completed ────▶ Confirmed ──I──▶ Terminated
//!   │ INVITE: resend 1xx   │ INVITE, G: resend      │ INVITE, ACK: absorbed
//!   │                      └H: timed out ──────────────────▶ Terminated
//!   └──2xx──▶ Accepted ──L─────────────────────────────────▶ Terminated
//!              INVITE: absorbed; ACK: to the user
//! ```
//!
//! A 2xx is resent by the INVITE usage, not here (RFC 6026 §7.1).

use super::{Expiry, Timings};
use crate::time::{Duration, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

#[derive(Clone, Debug)]
pub struct ServerInvite {
    timings: Timings,
    reliable: bool,
    state: State,
    /// Timer G and its interval.
    resend: Option<Time>,
    interval: Duration,
    /// Timer H, I or L.
    over: Option<Time>,
}

impl ServerInvite {
    pub fn new(timings: Timings, reliable: bool) -> ServerInvite {
        ServerInvite { timings, reliable, state: State::Proceeding, resend: None, interval: timings.t1, over: None }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// The same INVITE again: whether our last answer is sent again.
    pub fn handle_retransmission(&self) -> bool {
        matches!(self.state, State::Proceeding | State::Completed)
    }

    /// Our user answers: whether the answer may be sent.
    pub fn respond(&mut self, now: Time, code: u16) -> bool {
        match (self.state, code) {
            (State::Proceeding, ..200) => true,
            (State::Proceeding, 200..300) => {
                self.state = State::Accepted;
                self.over = Some(now + self.timings.patience());
                true
            }
            (State::Proceeding, _) => {
                self.state = State::Completed;
                self.resend = (!self.reliable).then_some(now + self.interval);
                self.over = Some(now + self.timings.patience());
                true
            }
            _ => false,
        }
    }

    /// An ACK with the branch of the INVITE: whether it is the user's, because peers exist that acknowledge a 2xx so.
    pub fn handle_ack(&mut self, now: Time) -> bool {
        if self.state == State::Completed {
            self.resend = None;
            self.state = if self.reliable { State::Terminated } else { State::Confirmed };
            self.over = (!self.reliable).then_some(now + self.timings.t4);
        }
        self.state == State::Accepted
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.resend.into_iter().chain(self.over).min()
    }

    /// Acts on one deadline up to `now`; call again until `None`.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Expiry> {
        if self.over.is_some_and(|at| at <= now) {
            let unacknowledged = self.state == State::Completed;
            self.state = State::Terminated;
            self.resend = None;
            self.over = None;
            return Some(if unacknowledged { Expiry::TimedOut } else { Expiry::Ended });
        }
        self.resend.filter(|at| *at <= now)?;
        self.interval = (self.interval * 2).min(self.timings.t2);
        self.resend = Some(now + self.interval);
        Some(Expiry::Resend)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ms, run};
    use super::*;

    fn new(reliable: bool) -> ServerInvite {
        ServerInvite::new(Timings::default(), reliable)
    }

    #[test]
    fn while_proceeding_nothing_is_timed_and_a_retransmission_gets_the_last_answer() {
        let mut tx = new(false);
        assert!(tx.respond(ms(0), 100) && tx.respond(ms(10), 180));
        assert!(tx.handle_retransmission());
        assert_eq!(tx.next_timeout(), None);
    }

    #[test]
    fn a_refusal_on_udp_is_resent_by_timer_g_until_timer_h() {
        let mut tx = new(false);
        assert!(tx.respond(ms(100), 486));
        assert!(tx.handle_retransmission());
        let seen = run(&mut tx);
        let resent = [600, 1600, 3600, 7600, 11_600, 15_600, 19_600, 23_600, 27_600, 31_600];
        assert_eq!(seen[..10], resent.map(|t| (t, Expiry::Resend)));
        assert_eq!(seen[10..], [(32_100, Expiry::TimedOut)]);
    }

    #[test]
    fn a_refusal_on_tcp_is_not_resent_but_waits_for_its_ack_until_timer_h() {
        let mut tx = new(true);
        assert!(tx.respond(ms(100), 486));
        assert_eq!(run(&mut tx), [(32_100, Expiry::TimedOut)]);
    }

    #[test]
    fn the_ack_of_a_refusal_is_absorbed_for_t4_on_udp() {
        let mut tx = new(false);
        tx.respond(ms(100), 486);
        assert!(!tx.handle_ack(ms(200)));
        assert_eq!(tx.state(), State::Confirmed);
        assert!(!tx.handle_ack(ms(300)) && !tx.handle_retransmission());
        assert_eq!(run(&mut tx), [(5_200, Expiry::Ended)]);
    }

    #[test]
    fn the_ack_of_a_refusal_ends_it_at_once_on_tcp() {
        let mut tx = new(true);
        tx.respond(ms(100), 486);
        assert!(!tx.handle_ack(ms(200)));
        assert_eq!((tx.state(), tx.next_timeout()), (State::Terminated, None));
    }

    #[test]
    fn after_a_2xx_it_absorbs_the_invite_and_passes_acks_until_timer_l() {
        for reliable in [false, true] {
            let mut tx = new(reliable);
            assert!(tx.respond(ms(100), 200));
            assert!(!tx.handle_retransmission());
            assert!(tx.handle_ack(ms(150)) && tx.handle_ack(ms(160)));
            assert_eq!(run(&mut tx), [(32_100, Expiry::Ended)]);
        }
    }

    #[test]
    fn only_one_final_answer_is_sent() {
        for first in [200, 486] {
            let mut tx = new(false);
            assert!(tx.respond(ms(0), first));
            for later in [180, 200, 487] {
                assert!(!tx.respond(ms(10), later), "{later} after {first}");
            }
        }
    }
}

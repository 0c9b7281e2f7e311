//! The non-INVITE server transaction (RFC 3261 §17.2.2).
//!
//! ```text
//!          1xx              200–699
//!  Trying ─────▶ Proceeding ───────▶ Completed ──J──▶ Terminated
//!   │ │           │ again: resend 1xx  ▲ again: resend
//!   │ └──200–699──┼────────────────────┘
//!   └─────────────┴─ our user says nothing: ─────────▶ Terminated
//! ```

use super::{Expiry, Timings};
use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Clone, Debug)]
pub struct ServerNonInvite {
    timings: Timings,
    reliable: bool,
    state: State,
    /// Timer J, or the end of our own user's time: the peer's Timer F has fired by then, and a late 408 would only do
    /// harm (RFC 4320 §4.2).
    over: Option<Time>,
}

impl ServerNonInvite {
    pub fn new(now: Time, timings: Timings, reliable: bool) -> ServerNonInvite {
        ServerNonInvite { timings, reliable, state: State::Trying, over: Some(now + timings.patience()) }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// The same request again: whether our last answer is sent again.
    pub fn handle_retransmission(&self) -> bool {
        matches!(self.state, State::Proceeding | State::Completed)
    }

    /// Our user answers: whether the answer may be sent.
    pub fn respond(&mut self, now: Time, code: u16) -> bool {
        if !matches!(self.state, State::Trying | State::Proceeding) {
            return false;
        }
        if code < 200 {
            self.state = State::Proceeding;
        } else {
            self.state = if self.reliable { State::Terminated } else { State::Completed };
            self.over = (!self.reliable).then_some(now + self.timings.patience());
        }
        true
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.over
    }

    /// Acts on one deadline up to `now`; call again until `None`.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Expiry> {
        self.over.filter(|at| *at <= now)?;
        let answered = self.state == State::Completed;
        self.state = State::Terminated;
        self.over = None;
        Some(if answered { Expiry::Ended } else { Expiry::TimedOut })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{T0, ms, run};
    use super::*;

    fn new(reliable: bool) -> ServerNonInvite {
        ServerNonInvite::new(T0, Timings::default(), reliable)
    }

    #[test]
    fn a_retransmission_is_dropped_before_an_answer_and_gets_the_last_one_after() {
        let mut tx = new(false);
        assert!(!tx.handle_retransmission());
        assert!(tx.respond(ms(10), 100));
        assert!(tx.handle_retransmission());
        assert!(tx.respond(ms(20), 200));
        assert!(tx.handle_retransmission());
        assert!(!tx.respond(ms(30), 500));
    }

    #[test]
    fn answered_on_udp_it_lives_until_timer_j() {
        let mut tx = new(false);
        tx.respond(ms(100), 200);
        assert_eq!(run(&mut tx), [(32_100, Expiry::Ended)]);
        assert!(!tx.handle_retransmission());
    }

    #[test]
    fn answered_on_tcp_it_ends_at_once() {
        let mut tx = new(true);
        tx.respond(ms(100), 200);
        assert_eq!((tx.state(), tx.next_timeout()), (State::Terminated, None));
    }

    #[test]
    fn unanswered_by_our_user_it_ends_after_64_t1() {
        for reliable in [false, true] {
            let mut tx = new(reliable);
            tx.respond(ms(100), 100);
            assert_eq!(run(&mut tx), [(32_000, Expiry::TimedOut)]);
            assert!(!tx.respond(ms(32_001), 200));
        }
    }
}

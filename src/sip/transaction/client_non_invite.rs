//! The non-INVITE client transaction (RFC 3261 §17.1.2).
//!
//! ```text
//!           1xx              200–699
//!  Trying ───────▶ Proceeding ───────▶ Completed ──K──▶ Terminated
//!   │ │ E: resend    │ E: resend          ▲
//!   │ └──────200–699─┼────────────────────┘
//!   └F: timed out    └F: timed out ───────────────────▶ Terminated
//! ```

use super::{Expiry, Timings};
use crate::time::{Duration, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Clone, Debug)]
pub struct ClientNonInvite {
    timings: Timings,
    reliable: bool,
    state: State,
    /// Timer E and its interval.
    resend: Option<Time>,
    interval: Duration,
    /// Timer F or K.
    over: Option<Time>,
}

impl ClientNonInvite {
    /// The request was sent at `now`.
    pub fn new(now: Time, timings: Timings, reliable: bool) -> ClientNonInvite {
        ClientNonInvite {
            timings,
            reliable,
            state: State::Trying,
            resend: (!reliable).then_some(now + timings.t1),
            interval: timings.t1,
            over: Some(now + timings.patience()),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the user sees it: every 1xx before the final answer, and the first final one.
    pub fn handle_response(&mut self, now: Time, code: u16) -> bool {
        match (self.state, code) {
            (State::Trying | State::Proceeding, ..200) => {
                self.state = State::Proceeding;
                true
            }
            (State::Trying | State::Proceeding, _) => {
                self.resend = None;
                self.state = if self.reliable { State::Terminated } else { State::Completed };
                self.over = (!self.reliable).then_some(now + self.timings.t4);
                true
            }
            _ => false,
        }
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.resend.into_iter().chain(self.over).min()
    }

    /// Acts on one deadline up to `now`; call again until `None`.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Expiry> {
        if self.over.is_some_and(|at| at <= now) {
            let answered = self.state == State::Completed;
            self.state = State::Terminated;
            self.resend = None;
            self.over = None;
            return Some(if answered { Expiry::Ended } else { Expiry::TimedOut });
        }
        self.resend.filter(|at| *at <= now)?;
        self.interval = match self.state {
            State::Proceeding => self.timings.t2,
            _ => (self.interval * 2).min(self.timings.t2),
        };
        self.resend = Some(now + self.interval);
        Some(Expiry::Resend)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{T0, ms, run};
    use super::*;

    fn new(reliable: bool) -> ClientNonInvite {
        ClientNonInvite::new(T0, Timings::default(), reliable)
    }

    #[test]
    fn unanswered_on_udp_is_resent_up_to_every_t2_and_times_out_after_64_t1() {
        let mut tx = new(false);
        let seen = run(&mut tx);
        let resent = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        assert_eq!(seen[..10], resent.map(|t| (t, Expiry::Resend)));
        assert_eq!(seen[10..], [(32_000, Expiry::TimedOut)]);
    }

    #[test]
    fn unanswered_on_tcp_is_not_resent_and_times_out_after_64_t1() {
        let mut tx = new(true);
        assert_eq!(run(&mut tx), [(32_000, Expiry::TimedOut)]);
    }

    #[test]
    fn after_a_provisional_answer_it_is_resent_every_t2_and_still_times_out() {
        let mut tx = new(false);
        assert!(tx.handle_response(ms(100), 100));
        let seen = run(&mut tx);
        let resent = [500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500];
        assert_eq!(seen[..8], resent.map(|t| (t, Expiry::Resend)));
        assert_eq!(seen[8..], [(32_000, Expiry::TimedOut)]);
    }

    #[test]
    fn answered_on_udp_it_absorbs_repetitions_for_t4() {
        let mut tx = new(false);
        assert!(tx.handle_response(ms(100), 200));
        assert!(!tx.handle_response(ms(200), 200));
        assert!(!tx.handle_response(ms(300), 100));
        assert_eq!(run(&mut tx), [(5_100, Expiry::Ended)]);
    }

    #[test]
    fn answered_on_tcp_it_ends_at_once() {
        let mut tx = new(true);
        assert!(tx.handle_response(ms(100), 404));
        assert_eq!((tx.state(), tx.next_timeout()), (State::Terminated, None));
    }
}

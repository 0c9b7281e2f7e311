//! The INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §8.4).
//!
//! ```text
//!            1xx              300–699 (ACK)
//!  Calling ───────▶ Proceeding ─────────────▶ Completed ──D──▶ Terminated
//!   │  │ A: resend     │  │ 1xx                 │ 300–699: ACK again
//!   │  └───────2xx─────┼──┼──▶ Accepted ──M────────────────────▶ Terminated
//!   └B: timed out      └─given up: timed out ──────────────────▶ Terminated
//! ```

use super::{Expiry, Timings};
use crate::time::{Duration, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

/// What a response asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The user sees it: every 1xx before the final answer, every 2xx.
    Pass,
    /// The user sees it, and this transaction acknowledges it: the first 300–699.
    PassAndAck,
    /// Only acknowledged again.
    Ack,
    Absorb,
}

#[derive(Clone, Debug)]
pub struct ClientInvite {
    timings: Timings,
    reliable: bool,
    state: State,
    /// Timer A and its interval.
    resend: Option<Time>,
    interval: Duration,
    /// Timer B, D or M, or the moment we give up.
    over: Option<Time>,
}

impl ClientInvite {
    /// The request was sent at `now`.
    pub fn new(now: Time, timings: Timings, reliable: bool) -> ClientInvite {
        ClientInvite {
            timings,
            reliable,
            state: State::Calling,
            resend: (!reliable).then_some(now + timings.t1),
            interval: timings.t1,
            over: Some(now + timings.patience()),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn handle_response(&mut self, now: Time, code: u16) -> Reaction {
        match (self.state, code) {
            (State::Calling, ..200) => {
                self.enter(State::Proceeding, None);
                Reaction::Pass
            }
            (State::Proceeding, ..200) => Reaction::Pass,
            (State::Calling | State::Proceeding, 200..300) => {
                self.enter(State::Accepted, Some(now + self.timings.patience()));
                Reaction::Pass
            }
            (State::Calling | State::Proceeding, _) => {
                if self.reliable {
                    self.enter(State::Terminated, None);
                } else {
                    self.enter(State::Completed, Some(now + self.timings.patience()));
                }
                Reaction::PassAndAck
            }
            (State::Accepted, 200..300) => Reaction::Pass,
            (State::Completed, 300..) => Reaction::Ack,
            _ => Reaction::Absorb,
        }
    }

    /// Without a final answer by then it counts as timed out. For after the first provisional answer, when Timer B no
    /// longer runs: a CANCEL was sent (RFC 3261 §9.1), or the user has a limit of its own. The earliest limit holds.
    pub fn give_up_at(&mut self, at: Time) {
        if self.state == State::Proceeding {
            self.over = Some(self.over.map_or(at, |over| over.min(at)));
        }
    }

    /// Takes such a limit back.
    pub fn go_on(&mut self) {
        if self.state == State::Proceeding {
            self.over = None;
        }
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.resend.into_iter().chain(self.over).min()
    }

    /// Acts on one deadline up to `now`; call again until `None`.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Expiry> {
        if self.over.is_some_and(|at| at <= now) {
            let answered = matches!(self.state, State::Completed | State::Accepted);
            self.enter(State::Terminated, None);
            return Some(if answered { Expiry::Ended } else { Expiry::TimedOut });
        }
        self.resend.filter(|at| *at <= now)?;
        // Timer A doubles without the limit of T2 (§17.1.1.2).
        self.interval *= 2;
        self.resend = Some(now + self.interval);
        Some(Expiry::Resend)
    }

    fn enter(&mut self, state: State, over: Option<Time>) {
        self.state = state;
        self.resend = None;
        self.over = over;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{T0, ms, run};
    use super::*;

    fn new(reliable: bool) -> ClientInvite {
        ClientInvite::new(T0, Timings::default(), reliable)
    }

    #[test]
    fn unanswered_on_udp_is_resent_at_doubling_intervals_and_times_out_after_64_t1() {
        let mut tx = new(false);
        let seen = run(&mut tx);
        let resent = [500, 1500, 3500, 7500, 15_500, 31_500];
        assert_eq!(seen[..6], resent.map(|t| (t, Expiry::Resend)));
        assert_eq!(seen[6..], [(32_000, Expiry::TimedOut)]);
        assert_eq!(tx.state(), State::Terminated);
    }

    #[test]
    fn unanswered_on_tcp_is_not_resent_and_times_out_after_64_t1() {
        let mut tx = new(true);
        assert_eq!(run(&mut tx), [(32_000, Expiry::TimedOut)]);
    }

    #[test]
    fn a_provisional_answer_stops_timers_a_and_b() {
        for reliable in [false, true] {
            let mut tx = new(reliable);
            assert_eq!(tx.handle_response(ms(100), 100), Reaction::Pass);
            assert_eq!(tx.state(), State::Proceeding);
            assert_eq!(tx.next_timeout(), None);
            assert_eq!(tx.handle_response(ms(90_000), 180), Reaction::Pass);
            assert_eq!(tx.next_timeout(), None);
        }
    }

    #[test]
    fn a_refusal_is_acknowledged_each_time_until_timer_d() {
        let mut tx = new(false);
        assert_eq!(tx.handle_response(ms(100), 486), Reaction::PassAndAck);
        assert_eq!(tx.handle_response(ms(600), 486), Reaction::Ack);
        assert_eq!(tx.handle_response(ms(601), 200), Reaction::Absorb);
        assert_eq!(tx.handle_response(ms(602), 180), Reaction::Absorb);
        assert_eq!(run(&mut tx), [(32_100, Expiry::Ended)]);
        assert_eq!(tx.handle_response(ms(33_000), 486), Reaction::Absorb);
    }

    #[test]
    fn on_tcp_a_refusal_ends_it_at_once() {
        let mut tx = new(true);
        tx.handle_response(ms(50), 180);
        assert_eq!(tx.handle_response(ms(100), 603), Reaction::PassAndAck);
        assert_eq!(tx.state(), State::Terminated);
        assert_eq!(tx.next_timeout(), None);
    }

    #[test]
    fn every_2xx_is_passed_until_timer_m_on_both_transports() {
        for reliable in [false, true] {
            let mut tx = new(reliable);
            assert_eq!(tx.handle_response(ms(100), 200), Reaction::Pass);
            assert_eq!(tx.handle_response(ms(600), 200), Reaction::Pass);
            assert_eq!(tx.handle_response(ms(700), 180), Reaction::Absorb);
            assert_eq!(tx.handle_response(ms(700), 500), Reaction::Absorb);
            assert_eq!(run(&mut tx), [(32_100, Expiry::Ended)]);
        }
    }

    #[test]
    fn giving_up_bounds_a_wait_without_final_answer_and_does_not_shorten_an_answered_one() {
        let mut tx = new(false);
        tx.handle_response(ms(100), 180);
        tx.give_up_at(ms(40_000));
        tx.give_up_at(ms(50_000));
        assert_eq!(tx.handle_response(ms(200), 183), Reaction::Pass);
        assert_eq!(run(&mut tx), [(40_000, Expiry::TimedOut)]);

        let mut tx = new(false);
        tx.handle_response(ms(100), 200);
        tx.give_up_at(ms(200));
        assert_eq!(tx.next_timeout(), Some(ms(32_100)));
    }
}

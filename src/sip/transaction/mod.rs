//! Transactions (RFC 3261 §17, RFC 6026): four machines of time and state alone, and the table that feeds them.
//!
//! A machine holds no message: it is told what came and says what to do. Deadlines that are noticed late are acted on
//! once, not once for each that was missed.

pub mod client_invite;
pub mod client_non_invite;
pub mod server_invite;
pub mod server_non_invite;
pub(in crate::sip) mod table;

pub use client_invite::ClientInvite;
pub use client_non_invite::ClientNonInvite;
pub use server_invite::ServerInvite;
pub use server_non_invite::ServerNonInvite;
pub use table::quoted_branch;

use crate::time::Duration;

/// The three times all others are made of (RFC 3261 §17.1.1.1, table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// Estimated round trip.
    pub t1: Duration,
    /// Longest interval between retransmissions.
    pub t2: Duration,
    /// How long a message can stay in the network.
    pub t4: Duration,
}

impl Timings {
    /// 64·T1: Timers B, D, F, H, J, L and M.
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }
}

impl Default for Timings {
    fn default() -> Timings {
        Timings { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

/// What a deadline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Send the last message again.
    Resend,
    /// Over, without what was waited for: a final answer, an ACK, or our own user's answer.
    TimedOut,
    /// Over as it should be: nothing more is absorbed.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::Expiry;
    use crate::time::{Duration, Time};

    pub const T0: Time = Time::from_secs(1_000);

    pub fn ms(millis: u64) -> Time {
        T0 + Duration::from_millis(millis)
    }

    /// What the four machines have in common.
    pub trait Machine {
        fn next_timeout(&self) -> Option<Time>;
        fn handle_timeout(&mut self, now: Time) -> Option<Expiry>;
    }

    /// Every deadline to the end, each at its exact moment, in milliseconds since `T0`.
    pub fn run<M: Machine>(machine: &mut M) -> Vec<(u64, Expiry)> {
        let mut seen = Vec::new();
        while let Some(at) = machine.next_timeout() {
            assert_eq!(machine.handle_timeout(at - Duration::from_micros(1)), None, "too early");
            while let Some(expiry) = machine.handle_timeout(at) {
                seen.push((at.since(T0).as_millis() as u64, expiry));
            }
        }
        seen
    }

    macro_rules! machine {
        ($name:ty) => {
            impl Machine for $name {
                fn next_timeout(&self) -> Option<Time> {
                    <$name>::next_timeout(self)
                }
                fn handle_timeout(&mut self, now: Time) -> Option<Expiry> {
                    <$name>::handle_timeout(self, now)
                }
            }
        };
    }
    machine!(super::ClientInvite);
    machine!(super::ClientNonInvite);
    machine!(super::ServerInvite);
    machine!(super::ServerNonInvite);
}

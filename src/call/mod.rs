//! Calls' legs: what state each is in and why it ended. Turns leg verbs into SIP and media commands.
//!
//! Knows `sip`, `sdp` and `media`; knows neither flows nor queues, nor who talks with whom and why.

mod described;
mod digits;
mod early;
mod legs;
mod redirect;
mod refer;

pub use legs::{Dial, Event, LegEnd, LegFailure, Legs};
pub use refer::Referral;

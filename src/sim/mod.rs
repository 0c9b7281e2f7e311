//! A day in the call centre: simulated callers, agents, network and clock round the real engine.
//!
//! Everything here is pure: one seed and a starting time decide the whole day, so every failure can be seen again.
//! [`Phone`] is also what the demonstration drives over real sockets.

pub mod chance;
pub mod check;
pub mod day;
mod fairness;
pub mod media;
pub mod phone;
pub mod witness;
pub mod world;

pub use day::{Day, Report};
pub use phone::{Phone, PhoneEvent, PhoneSettings};

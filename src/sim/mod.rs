//! A day in the call centre that never was: simulated callers, agents and clock round the real thing.
//!
//! There are two kinds of day, and they share nothing but [`chance`]. [`Day`] is for tests: phones and a network round the whole
//! switchboard, to find what breaks. [`forecast`] is for people who plan: callers and agents round the distributor alone, many
//! days a second, to say how long callers would wait.
//!
//! Everything here is pure: one seed and a starting time decide the whole day, so every failure can be seen again.
//! [`Phone`] is also what the demonstration drives over real sockets.

pub mod chance;
pub mod check;
mod choice;
pub mod day;
mod fairness;
pub mod faults;
pub mod forecast;
pub mod media;
pub mod phone;
pub mod witness;
pub mod world;

pub use day::{Day, Report};
pub use phone::{Phone, PhoneEvent, PhoneSettings};

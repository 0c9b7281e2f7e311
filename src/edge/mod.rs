//! The only room with I/O: sockets, media workers, HTTP, storage, the journal of the queues, clock, files, signals.

#![allow(clippy::disallowed_methods)]

pub mod clock;
pub mod control;
pub mod data;
pub mod demo;
mod door;
mod driver;
mod floor;
pub mod flows;
mod homer;
mod http;
mod journal;
pub mod log;
mod lookups;
pub mod media;
pub mod metrics;
mod moment;
pub mod output;
pub mod project;
pub mod recorded;
mod recorder;
mod reload;
pub mod report;
pub mod rewind;
pub mod service;
pub mod simulate;
pub mod sip;
pub mod softphone;
pub mod sounds;
pub mod store;
mod tap;
pub mod tasks;
#[cfg(test)]
mod testing;
mod throttle;
pub mod why;

pub use clock::Clock;
pub use reload::Source;
pub use service::{Service, serve};

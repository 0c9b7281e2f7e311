//! Media workers: threads that own the media sockets, each with the deck of its calls.

pub mod ports;
pub mod queue;

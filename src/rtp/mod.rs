//! RTP (RFC 3550), RTCP and telephone-event (RFC 4733) packets, read and written in place.
//!
//! Bytes and counters only: no socket, no clock, no samples.

pub mod event;
pub mod packet;
pub mod rtcp;
pub mod stats;

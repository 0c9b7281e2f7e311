//! vaxel: a call-centre telephony and queue engine.
//!
//! One program takes SIP calls, talks to the caller through flows, puts the caller in a line, finds the agent with the
//! right skills, connects the two, and tells in numbers how long people waited and why.
//!
//! # The map
//!
//! | room | what it knows |
//! | --- | --- |
//! | [`sip`] | messages, transactions, dialogs, registrar: RFC 3261 and its kin |
//! | [`sdp`] | session descriptions, offer and answer |
//! | [`stun`] | how a phone behind NAT asks where it is seen |
//! | [`rtp`] | packets of sound, digits and reports |
//! | [`audio`] | samples into samples |
//! | [`media`] | what each leg hears: prompts, music, digits, bridges |
//! | [`call`] | what state a call or leg is in, and why it ended |
//! | [`flow`] | what the caller is told next |
//! | [`acd`] | who gets the call, and when |
//! | [`record`] | what happened, and what is folded from it |
//! | [`engine`] | the switchboard: turns the events of one room into commands to another |
//! | [`config`] | what an operator can set |
//! | [`sim`] | callers, agents, network and clock for a day that never was |
//! | [`edge`] | sockets, clock, files, threads, HTTP: everything that is not a pure function |
//! | [`need`] | what an agent must be able to do for a contact, and how that is written; everybody may use it |
//! | [`hours`] | opening hours: a calendar, what it says of a moment, and when that changes; everybody may use it |
//! | [`ids`], [`time`] | names for things, and moments; everybody may use them |
//!
//! # Three rules
//!
//! 1. Only [`edge`] touches the world. Everything else is given `now` and data and gives back what to do, so a working
//!    day of 300 agents is a test that takes seconds.
//! 2. [`call`], [`flow`] and [`acd`] do not know each other. Only [`engine`] does, on one thread without locks.
//! 3. [`acd`] changes only through events that carry their own time: the same events give the same decisions.
//!
//! Which room may use which is written, with the reasons, in `tests/tidy.rs`, and kept by it.

#![forbid(unsafe_code)]
// They panic when nobody reads: `edge::output` and `edge::log` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod acd;
pub mod audio;
pub mod call;
pub mod config;
pub mod edge;
pub mod engine;
pub mod flow;
pub mod hours;
pub mod ids;
pub mod media;
pub mod need;
pub mod record;
pub mod rtp;
pub mod sdp;
pub mod sim;
pub mod sip;
pub mod stun;
pub mod time;

//! Automatic call distribution: who answers whom, and when.
//!
//! A fold: [`Acd`] changes only through [`AcdEvent`]s, which carry their own time. The same events in the same order
//! give the same state and the same decisions.

pub mod event;

pub use event::{AcdEvent, AgentSettings, AgentState, Change, Decision, Exit, Outcome, QueueSettings};

/// See the room's documentation.
pub struct Acd {}

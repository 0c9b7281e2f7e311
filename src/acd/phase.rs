//! An agent's state without its details.

use super::event::AgentState;
use serde::{Deserialize, Serialize};

/// What an agent's time is spent on, as metrics, records and the wallboard name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Offline,
    Ready,
    BackOff,
    Offered,
    Talking,
    Working,
    Busy,
    WrapUp,
    Paused,
    Probed,
    Resting,
    OffShift,
}

impl Phase {
    pub const ALL: [Phase; 12] = [
        Phase::Offline,
        Phase::Ready,
        Phase::BackOff,
        Phase::Offered,
        Phase::Talking,
        Phase::Working,
        Phase::Busy,
        Phase::WrapUp,
        Phase::Paused,
        Phase::Probed,
        Phase::Resting,
        Phase::OffShift,
    ];

    /// As it stands in labels and records.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Offline => "offline",
            Phase::Ready => "ready",
            Phase::BackOff => "back_off",
            Phase::Offered => "offered",
            Phase::Talking => "talking",
            Phase::Working => "working",
            Phase::Busy => "busy",
            Phase::WrapUp => "wrap_up",
            Phase::Paused => "paused",
            Phase::Probed => "probed",
            Phase::Resting => "resting",
            Phase::OffShift => "off_shift",
        }
    }
}

impl AgentState {
    pub fn phase(&self) -> Phase {
        match self {
            AgentState::Offline => Phase::Offline,
            AgentState::Ready => Phase::Ready,
            AgentState::BackOff { .. } => Phase::BackOff,
            AgentState::Offered { .. } => Phase::Offered,
            AgentState::Talking { .. } => Phase::Talking,
            AgentState::Working { .. } => Phase::Working,
            AgentState::Busy => Phase::Busy,
            AgentState::WrapUp { .. } => Phase::WrapUp,
            AgentState::Paused { .. } => Phase::Paused,
            AgentState::Probed { .. } => Phase::Probed,
            AgentState::Resting { .. } => Phase::Resting,
            AgentState::OffShift => Phase::OffShift,
        }
    }

    /// The name of its phase.
    pub fn label(&self) -> &'static str {
        self.phase().name()
    }
}

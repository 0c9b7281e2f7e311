//! One list of everything that happens ([`CallEvent`]) and what is folded from it: contact records, the board.
//!
//! States facts; never touches a metrics registry, a file or a socket.

pub mod board;
pub mod caller;
pub mod contact;
pub mod event;
pub mod task;

pub use board::Board;
pub use caller::Caller;
pub use contact::{Contact, Recorder};
pub use event::{
    AgentPhase, CallEvent, EndedBy, Estimate, EstimateAnswer, Fate, TalkDetail, TransferKind, TrunkNews, Unpromised,
    What,
};
pub use task::TaskNews;

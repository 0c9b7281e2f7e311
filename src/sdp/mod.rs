//! Session descriptions (RFC 8866) and the offer/answer model (RFC 3264) for audio.
//!
//! Text and decisions only: no socket, no clock, no call state. [`Session`] is what a description says, [`Negotiator`]
//! one leg's side of all its offers and answers.

pub mod negotiator;
pub mod refusal;
pub mod session;

pub use negotiator::{Answer, Capabilities, Negotiator};
pub use refusal::Refusal;
pub use session::{Address, Attribute, BadSession, Media, Origin, Session};

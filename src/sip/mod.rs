//! SIP as RFC 3261 writes it: messages, transactions, dialogs, the INVITE usage, registrar, digest.
//!
//! Bytes and states only. This room opens no socket, reads no clock and knows nothing of calls or queues: it is given
//! messages with the [`Hop`] they came by, and gives back messages with the hop they go to and [`Event`]s for its user.
//! A peer can make it refuse, never panic, and every table in it has a bound with a stated answer at the bound.

pub mod account;
pub mod auth;
pub mod body;
pub mod capture;
mod conceal;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod gate;
pub mod headers;
pub mod ladder;
mod lex;
pub mod locate;
pub mod message;
pub mod method;
pub mod network;
pub mod overload;
pub mod params;
pub mod parse;
pub mod party;
#[cfg(test)]
mod properties;
mod recent;
pub mod registrar;
pub mod registration;
pub mod reliable;
mod schedule;
mod secrets;
pub mod session_timer;
mod showing;
pub mod stream;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod torture;
pub mod transaction;
pub mod uri;
mod usage;
pub mod vocabulary;
mod whereabouts;
mod write;

pub use account::Account;
pub use auth::{Authenticator, Verdict};
pub use body::Body;
pub use endpoint::{
    ClientId, Counters, EndCause, Endpoint, Event, Failure, Hop, Invitation, InviteId, Settings, Standing,
    TransactionId, Transmit, Transport,
};
pub use headers::{BadHeader, Header, Headers, NameAddr, Reason, Replaces, TopVia, Via};
pub use message::{Message, Request, Response, reason_phrase};
pub use method::Method;
pub use network::Network;
pub use params::Params;
pub use parse::{BadMessage, Fault, MAX_MESSAGE};
pub use party::Party;
pub use registrar::{Binding, Change, Registrar};
pub use stream::{Frame, Framer};
pub use uri::{Host, KEYS_MAX, SipUri, Uri, keys};

//! Why an offer or answer is of no use to us.

use super::session::BadSession;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Bad session description: {0}")]
    Bad(#[from] BadSession),
    #[error("No audio")]
    NoAudio,
    #[error("Audio only over RTP/AVP")]
    Protocol,
    #[error("No common codec")]
    NoCodec,
    /// Multicast, broadcast, a host name, or missing.
    #[error("No usable address for audio")]
    Address,
    /// IPv6 where we have IPv4, or the other way round.
    #[error("Address of the other IP version")]
    AddressFamily,
    /// An answer with fewer or other streams than were offered, or without an offer of ours.
    #[error("Answer does not fit the offer")]
    Mismatch,
}

impl Refusal {
    /// The code of the response to an offer: 400 for what cannot be read, else 488.
    pub fn code(&self) -> u16 {
        match self {
            Refusal::Bad(_) => 400,
            _ => 488,
        }
    }

    /// The code of a Warning header (RFC 3261 §20.43).
    pub fn warning(&self) -> u16 {
        match self {
            Refusal::Protocol => 302,
            Refusal::NoAudio => 304,
            Refusal::NoCodec => 305,
            Refusal::Address | Refusal::AddressFamily => 301,
            Refusal::Bad(_) | Refusal::Mismatch => 399,
        }
    }
}

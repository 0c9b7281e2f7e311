//! The one front door of this room: transactions, dialogs and INVITE usages of one SIP element.
//!
//! Contract: after each `handle_*` or verb (`invite`, `accept`, …) drain [`Endpoint::poll_transmit`] and
//! [`Endpoint::poll_event`] until `None`, then call `handle_timeout` no later than [`Endpoint::poll_timeout`].

use super::message::{Message, Request, Response, Uri};
use crate::time::Time;
use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

/// The way a message came or goes: transport, our address as the peer must see it, the peer's address, and for
/// streams the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    pub transport: Transport,
    /// What we write into Via and Contact: the listener's advertised address.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Names the connection of a stream transport; `None` for UDP, and for a stream that is to be opened.
    pub connection: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Transmit {
    pub hop: Hop,
    pub bytes: Vec<u8>,
}

/// One INVITE usage (RFC 3261 §13–§15, RFC 5057): from the INVITE to the end of its dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(pub u64);

/// A server transaction that waits for our final answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

/// A new INVITE to be sent.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Request-URI.
    pub target: Uri,
    pub hop: Hop,
    /// Who calls, as shown on the display: display name and URI without tag.
    pub from: (Option<String>, Uri),
    pub to: Uri,
    /// Further headers, written as they are (Alert-Info, P-Asserted-Identity, …).
    pub headers: super::Headers,
    /// The SDP offer.
    pub offer: Vec<u8>,
}

/// Why a usage ended without our doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The peer sent BYE; the Reason header's text if it carried one.
    Bye { reason: Option<String> },
    /// The peer never acknowledged our 2xx (RFC 3261 §13.3.1.4).
    NoAck,
    /// A request inside the dialog was answered 408 or 481, or not at all (RFC 3261 §12.2.1.2).
    PeerGone,
}

/// Why an INVITE of ours found nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A final answer other than 2xx: 486, 603, 302, ….
    Response(Box<Response>),
    /// Timer B: no answer at all.
    Timeout,
    /// The transport said that it cannot reach the hop.
    Unreachable,
    /// We cancelled it and it is over now (487, or nothing within the time RFC 3261 §9.1 gives).
    Cancelled,
}

#[derive(Clone, Debug)]
pub enum Event {
    /// A new INVITE outside a dialog; 100 is already sent. Answer with `ring`, `accept`, `reject`, or `challenge` it.
    Invite { id: InviteId, request: Box<Request>, hop: Hop },
    /// The caller cancelled before an answer; 487 is already sent and the usage is gone.
    Cancelled { id: InviteId },
    /// The ACK for our 2xx; `body` is the answer of a late offer.
    Confirmed { id: InviteId, body: Vec<u8> },
    /// A provisional answer (101–199) to our INVITE.
    Progress { id: InviteId, code: u16, body: Vec<u8> },
    /// The first 2xx to our INVITE; ACK is already sent. Further forks were acknowledged and ended by BYE.
    Answered { id: InviteId, response: Box<Response> },
    /// Our INVITE is over without a dialog; the usage is gone.
    Failed { id: InviteId, failure: Failure },
    /// The peer's re-INVITE (or UPDATE with an offer). Answer with `answer_offer` or `refuse_offer`. `offer` is empty when the peer wants
    /// us to offer.
    Offered { id: InviteId, offer: Vec<u8> },
    /// The answer to our `reinvite`: the SDP, or the code of the refusal (491 was retried before it comes here).
    OfferAnswered { id: InviteId, result: Result<Vec<u8>, u16> },
    /// INFO inside the dialog, already answered 200.
    Info { id: InviteId, content_type: String, body: Vec<u8> },
    /// The usage ended; nothing more will be said of it.
    Ended { id: InviteId, cause: EndCause },
    /// A request outside any dialog that is not INVITE, ACK or CANCEL: answer it with `respond`.
    Request { id: TransactionId, request: Box<Request>, hop: Hop },
}

/// See the room's documentation.
pub struct Endpoint {
    _message: Option<Message>,
    _now: Time,
}

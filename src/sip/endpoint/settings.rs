//! What is set from outside.

use crate::sip::method::Method;
use crate::sip::reliable::RELIABLE;
use crate::sip::session_timer::{TIMER, Wish};
use crate::time::Duration;
use std::net::SocketAddr;

/// What an endpoint writes about itself, its timers and its bounds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `User-Agent` of requests and `Server` of 2xx responses; empty: neither is written.
    pub product: String,
    /// User part of our Contact where nothing else is known.
    pub contact_user: String,
    /// RFC 3261 §17.1.1.1: the estimated round trip, 500 ms.
    pub t1: Duration,
    /// The longest interval between retransmissions, 4 s.
    pub t2: Duration,
    /// How long a message can stay in the network, 5 s.
    pub t4: Duration,
    /// Our TCP listeners as peers know them, for requests that are too large for UDP; an unspecified address stands for every
    /// one. A peer that takes no connection gets them by UDP nevertheless.
    pub tcp: Vec<SocketAddr>,
    /// Methods that are passed on as [`Event::Request`](super::Event::Request) when they come outside a dialog; every other is answered 405.
    pub serves: Vec<Method>,
    /// Option tags that may stand in Require; every other is answered 420.
    pub supported: Vec<String>,
    /// Session timers that are asked for and accepted; `None`: none, whatever the peer wants (`timer` must not be among
    /// `supported` then).
    pub session: Option<Wish>,
    /// Transactions of both kinds that may live at a time. At the bound a new request outside a dialog is answered 503 with
    /// Retry-After and kept no state of; requests inside dialogs and CANCEL may use an eighth more. Our own new requests fail
    /// with [`Failure::Full`](super::Failure::Full).
    pub transactions_max: usize,
    /// INVITE usages that may live at a time; at the bound a new INVITE is answered 503 with Retry-After.
    pub usages_max: usize,
    /// How long a new INVITE waits for our user to accept or refuse it; then it is answered 480. Longer than anybody rings.
    pub unanswered_max: Duration,
    /// What a 503 of ours says in Retry-After at least; up to half as much more by the Call-ID. At least a second.
    pub retry_after: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            product: String::new(),
            contact_user: "vaxel".into(),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            tcp: Vec::new(),
            serves: vec![Method::Options, Method::Register],
            supported: vec![TIMER.into(), RELIABLE.into(), "replaces".into(), "norefersub".into()],
            session: Some(Wish::default()),
            transactions_max: 200_000,
            usages_max: 50_000,
            unanswered_max: Duration::from_secs(15 * 60),
            retry_after: Duration::from_secs(10),
        }
    }
}

//! The INVITE usage (RFC 3261 §13–§15, RFC 5057): what one call leg is in, seen from the signalling.
//!
//! ```text
//!  caller:  Calling ──2xx──▶ Answered          callee:  Incoming ──accept──▶ Answered (2xx resent until ACK)
//!            │  ▲ authorize   │ bye                        │ reject, CANCEL      │ bye before ACK
//!            ▼  │             ▼                            ▼                     ▼
//!          Challenged       Ending ──BYE answered──▶     gone                 Leaving ──ACK, 64·T1──▶ Ending
//!            Missed ──64·T1──▶ gone
//! ```
//!
//! Missed is where Calling leads when a phone is lost that may ring on. From each state a failure or the peer's BYE leads out at once; from Incoming also our user's silence.

use super::dialog::Dialog;
use super::endpoint::{Hop, Transmit};
use super::headers::Headers;
use super::message::{Request, Response};
use super::party::Party;
use super::reliable::Reliable;
use super::session_timer::SessionTimer;
use super::showing::Showing;
use super::transaction::table::{ClientKey, ServerKey};
use super::transaction::{Expiry, Timings};
use super::uri::Uri;
use super::whereabouts;
use crate::time::{Duration, Time};
use std::collections::VecDeque;

/// A provisional answer is repeated this often, so that no proxy gives the call up (RFC 3261 §13.3.1.1).
pub const RING_AGAIN: Duration = Duration::from_secs(60);
/// How often an offer that was answered 491 is sent again before the refusal is believed.
pub const GLARE_TRIES: u32 = 6;
/// So often an INVITE asks for a longer session: each proxy on its way may want more than the one before (RFC 4028 §7.3).
pub const LENGTHENED_MAX: u8 = 5;
/// How long the peer may take to answer a re-INVITE of ours: Timer C of a proxy (RFC 3261 §16.6).
pub const REINVITE_PATIENCE: Duration = Duration::from_secs(180);
/// Dialogs that one INVITE of ours may make by forking; what exceeds it is not acknowledged.
pub const FORKS_MAX: usize = 12;

/// INFOs that may wait for the ACK of our 2xx, or for the answer to the one before.
pub const INFOS_MAX: usize = 16;

#[derive(Debug)]
pub struct Usage {
    pub state: State,
    /// The confirmed dialog, or the callee's early one.
    pub dialog: Option<Dialog>,
    /// Keys under which the dialogs of this usage are found.
    pub dialog_keys: Vec<u128>,
    /// The Call-ID, if it is ours because we sent the INVITE (this decides the back-off of §14.1).
    pub own_call_id: Option<Box<str>>,
    /// The 2xx of ours that waits for its ACK.
    pub unacknowledged: Option<Unacknowledged>,
    /// INFOs, type and body, that wait for it, or for the answer to another one.
    pub infos: VecDeque<(String, Vec<u8>)>,
    /// An INFO waits for its answer.
    pub informs: bool,
    pub exchange: Exchange,
    pub wanted: Option<Wanted>,
    /// The INVITE requires that provisional answers are acknowledged (RFC 3262).
    pub reliable: Option<Box<Reliable>>,
    /// When the session must be refreshed, or is over (RFC 4028).
    pub session: Option<SessionTimer>,
    /// The longest Min-SE of any 422 of the peer.
    pub shortest: Duration,
    /// The peer's Allow names UPDATE.
    pub peer_updates: bool,
    /// We sent a REFER, so its NOTIFYs may come.
    pub refers: bool,
    /// The peer is a carrier, and its dialogs are sent to where it says it is ([`Dialog::follow`]); where it is known to be.
    pub follows: Option<Option<Hop>>,
    /// Whom its dialogs are with ([`super::Endpoint::belongs`]); `None`: nobody has said.
    pub party: Option<Party>,
    /// Wrong passwords that came for them from elsewhere.
    pub guesses: u32,
    /// What challenges inside the dialog are answered with; `None`: none is.
    pub showing: Option<Box<Showing>>,
    /// Where its phone was seen before it answered, and the Contact that was said there ([`super::Endpoint::moved`]).
    pub moved: Option<Box<(Uri, Hop)>>,
    /// The flow as which its phone was registered, if it has left the Contact that is known here ([`super::Endpoint::left`]).
    pub flow: Option<Box<str>>,
    /// The number of the last request of ours in the early dialog, where that is not kept.
    pub counted: u32,
    pub armed: Option<Time>,
}

#[derive(Debug)]
pub enum State {
    /// `asked`: those headers of the INVITE that its 2xx must heed.
    Incoming {
        server: ServerKey,
        number: u32,
        ringing: Option<Ringing>,
        asked: Headers,
        /// When it is given up.
        until: Time,
        /// The caller has said so itself (RFC 3261 §13.3.1), and it is not for longer than we would wait.
        expires: bool,
    },
    Calling(Calling),
    Challenged(Box<Challenged>),
    /// To its user our INVITE is over. The phone, which no way led to, may ring on, and is told once there is one.
    Missed {
        client: ClientKey,
        /// The peer's, in the early dialog; `None`: it is not known, or not by the phone any more.
        tag: Option<String>,
        reason: Option<String>,
        until: Time,
        told: bool,
    },
    Answered,
    Leaving {
        reason: Option<String>,
    },
    /// `reason`: what its BYE says, however often it is sent.
    Ending {
        reason: Option<String>,
        /// No way leads to the phone. Until then it may come back, and is told.
        missing_until: Option<Time>,
    },
}

#[derive(Debug)]
pub struct Ringing {
    pub response: Response,
    pub again: Time,
}

#[derive(Debug)]
pub struct Calling {
    pub client: ClientKey,
    pub hop: Hop,
    /// With what stands beside it in the body; needed again after a challenge or a 422.
    pub offer: Vec<u8>,
    pub answers_challenges: bool,
    /// Challenges to it that were answered.
    pub challenges: u32,
    /// It was sent again because the peer wants longer sessions (422).
    pub lengthened: u8,
    pub provisional: bool,
    /// The peer's tag in the early dialog that was last heard of.
    pub tag: Option<String>,
    pub cancel: Cancel,
    /// No way leads to the phone that rings. Until then it is waited for.
    pub missing_until: Option<Time>,
    /// The first descriptions that came in answers which nobody acknowledges, by the peer's tag: one that is not said again in the
    /// 2xx counts (RFC 3261 §13.2.1).
    pub previews: Vec<(String, Vec<u8>)>,
    /// Early dialogs in which we sent PRACKs: these, and no others, can ask something of us before the answer.
    pub early: Vec<Early>,
}

/// An early dialog of our INVITE (RFC 3261 §12.1.2).
#[derive(Debug)]
pub struct Early {
    /// The peer's.
    pub tag: String,
    /// Of the last provisional answer that was acknowledged.
    pub rseq: u32,
    pub dialog: Dialog,
    /// The description that came last, in an acknowledged answer or in an offer that we answered: the peer need not repeat it in its 2xx (RFC 3262 §5).
    pub described: Vec<u8>,
    /// It came in an offer: what it said before that means nothing any more, also if a later answer says it again (RFC 3261 §13.2.1).
    pub is_renewed: bool,
    /// Our PRACK that was sent last.
    pub prack: Option<ClientKey>,
}

impl Calling {
    pub fn new(client: ClientKey, hop: Hop, offer: Vec<u8>, answers_challenges: bool) -> Calling {
        Calling {
            client,
            hop,
            offer,
            answers_challenges,
            challenges: 0,
            lengthened: 0,
            provisional: false,
            tag: None,
            cancel: Cancel::No,
            missing_until: None,
            previews: Vec::new(),
            early: Vec::new(),
        }
    }

    /// An answer with this tag had this description.
    pub fn previewed(&mut self, peer: &str, description: &[u8]) {
        let is_new = self.previews.len() < FORKS_MAX && self.previews.iter().all(|(tag, _)| tag != peer);
        if is_new && !description.is_empty() {
            self.previews.push((peer.to_owned(), description.to_vec()));
        }
    }

    /// What the peer of this tag has described before its answer; empty: nothing.
    pub fn described(&self, peer: &str) -> &[u8] {
        let early = self.early.iter().find(|early| early.tag == peer).map(|early| &*early.described);
        let preview = || self.previews.iter().find(|(tag, _)| tag == peer).map(|(_, description)| &**description);
        early.filter(|description| !description.is_empty()).or_else(preview).unwrap_or_default()
    }

    /// The early dialog with the peer of this tag.
    pub fn early_with(&mut self, peer: &str) -> Option<&mut Early> {
        self.early.iter_mut().find(|early| early.tag == peer)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Cancel {
    No,
    /// CANCEL must wait for the first provisional answer (RFC 3261 §9.1).
    Wanted {
        reason: Option<String>,
    },
    Sent {
        reason: Option<String>,
    },
}

#[derive(Debug)]
pub struct Challenged {
    pub invite: Request,
    pub offer: Vec<u8>,
    pub hop: Hop,
    pub response: Response,
    pub until: Time,
    /// As in [`Calling`].
    pub challenges: u32,
    pub lengthened: u8,
}

/// The offer under way in the dialog (RFC 3264 allows one at a time).
#[derive(Debug)]
pub enum Exchange {
    Idle,
    /// Our re-INVITE.
    Sent(Sent),
    /// The peer's re-INVITE or UPDATE waits for our user's answer.
    Received {
        server: ServerKey,
        request: Box<Request>,
    },
}

#[derive(Debug)]
pub struct Sent {
    pub client: ClientKey,
    /// Needed again after a 491.
    pub offer: Vec<u8>,
    /// How often it was sent, this time included.
    pub tries: u32,
    /// When it is given up, once provisionally answered.
    pub until: Time,
}

/// An offer of ours that waits its turn.
#[derive(Debug)]
pub struct Wanted {
    pub offer: Vec<u8>,
    pub not_before: Time,
    pub tries: u32,
}

impl Usage {
    pub fn new(state: State, dialog: Option<Dialog>, own_call_id: Option<Box<str>>) -> Usage {
        Usage {
            state,
            dialog,
            dialog_keys: Vec::new(),
            own_call_id,
            unacknowledged: None,
            infos: VecDeque::new(),
            informs: false,
            exchange: Exchange::Idle,
            wanted: None,
            reliable: None,
            session: None,
            shortest: Duration::ZERO,
            peer_updates: false,
            refers: false,
            follows: None,
            party: None,
            guesses: 0,
            moved: None,
            flow: None,
            counted: 0,
            showing: None,
            armed: None,
        }
    }

    /// A dialog that belongs to this usage.
    pub fn of_this(&self, mut dialog: Dialog) -> Dialog {
        if let Some(known) = self.follows {
            dialog.follow(known);
        }
        dialog.counted(self.counted);
        if let Some((contact, hop)) = self.moved.as_deref() {
            dialog.moved(contact, hop, self.flow.is_some());
        }
        dialog
    }

    pub fn call_id(&self) -> Option<&str> {
        self.own_call_id.as_deref().or_else(|| self.dialog.as_ref().map(|dialog| dialog.id().0))
    }

    /// All dialogs, early ones too.
    pub fn dialogs_mut(&mut self) -> impl Iterator<Item = &mut Dialog> {
        let early = match &mut self.state {
            State::Calling(calling) => calling.early.as_mut_slice(),
            _ => &mut [],
        };
        self.dialog.iter_mut().chain(early.iter_mut().map(|early| &mut early.dialog))
    }

    /// The dialog with the peer of this tag: the only one, or of those that our INVITE made, while they are early, its own.
    pub fn dialog_with(&mut self, peer: &str) -> Option<&mut Dialog> {
        match &mut self.state {
            State::Calling(calling) => calling.early_with(peer).map(|early| &mut early.dialog),
            _ => self.dialog.as_mut(),
        }
    }

    /// Whether what comes by `hop` can be the peer's, as far as the dialogs tell. One that answered nothing yet is where it was called.
    pub fn is_with(&self, hop: &Hop) -> bool {
        match &self.state {
            State::Calling(calling) => {
                let early = |early: &Early| early.dialog.is_with(hop);
                whereabouts::is_from(&calling.hop, hop) || calling.early.iter().any(early)
            }
            _ => self.dialog.as_ref().is_none_or(|dialog| dialog.is_with(hop)),
        }
    }

    /// Whether an offer was answered before the INVITE was, so that the peer may make the next one (RFC 3311 §5.1).
    pub fn is_described_early(&mut self, peer: &str) -> bool {
        match &mut self.state {
            State::Incoming { .. } => self.reliable.as_ref().is_some_and(|reliable| reliable.is_described()),
            State::Calling(calling) if calling.cancel == Cancel::No => {
                calling.early_with(peer).is_some_and(|early| !early.described.is_empty())
            }
            _ => false,
        }
    }

    /// An offer of the peer's was answered with `ours` before the INVITE was: from now on these are the descriptions.
    pub fn described_early(&mut self, peer: &str, theirs: &[u8], ours: &[u8]) {
        match &mut self.state {
            State::Calling(calling) => {
                if let Some(early) = calling.early_with(peer) {
                    early.described = theirs.to_vec();
                    early.is_renewed = true;
                }
            }
            State::Incoming { .. } => {
                if let Some(accept) = self.reliable.as_mut().and_then(|reliable| reliable.accept.as_mut()) {
                    *accept = ours.to_vec();
                }
            }
            _ => {}
        }
    }

    /// Whether a re-INVITE of ours may be sent: no other INVITE is in progress either way (RFC 3261 §14.1).
    pub fn may_offer(&self) -> bool {
        matches!(self.state, State::Answered)
            && matches!(self.exchange, Exchange::Idle)
            && self.unacknowledged.is_none()
    }

    /// Whether an INFO of ours may be sent.
    pub fn may_inform(&self) -> bool {
        let is_known = self.unacknowledged.as_ref().is_none_or(|waiting| !waiting.first);
        matches!(self.state, State::Answered) && is_known && !self.informs
    }

    /// The peer's offer, if one waits for its answer; from here on nothing is under way.
    pub fn take_received(&mut self) -> Option<(ServerKey, Box<Request>)> {
        match std::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Received { server, request } => Some((server, request)),
            other => {
                self.exchange = other;
                None
            }
        }
    }

    /// Our offer, if one waits for its answer; from here on nothing is under way.
    pub fn take_sent(&mut self) -> Option<Sent> {
        match std::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Sent(sent) => Some(sent),
            other => {
                self.exchange = other;
                None
            }
        }
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let state = match &self.state {
            State::Incoming { ringing, until, .. } => {
                let again = ringing.as_ref().map(|ringing| ringing.again);
                let reliable = self.reliable.as_ref().and_then(|reliable| reliable.next_timeout());
                again.into_iter().chain(reliable).chain([*until]).min()
            }
            State::Challenged(challenged) => Some(challenged.until),
            State::Calling(calling) => calling.missing_until,
            State::Missed { until, .. } => Some(*until),
            State::Ending { missing_until, .. } => *missing_until,
            _ => None,
        };
        let offer = self.wanted.as_ref().filter(|_| self.may_offer()).map(|wanted| wanted.not_before);
        let session = self.session.filter(|_| matches!(self.state, State::Answered)).map(|session| session.due());
        let ack = self.unacknowledged.as_ref().map(Unacknowledged::next_timeout);
        state.into_iter().chain(offer).chain(session).chain(ack).min()
    }
}

/// A 2xx of ours, resent until its ACK comes, on every transport (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub struct Unacknowledged {
    /// The CSeq number that its ACK will carry.
    pub number: u32,
    /// It answers the first INVITE, not a re-INVITE.
    pub first: bool,
    answer: Transmit,
    interval: Duration,
    resend: Time,
    over: Time,
    timings: Timings,
}

impl Unacknowledged {
    /// The answer was sent at `now`.
    pub fn new(now: Time, number: u32, first: bool, answer: Transmit, timings: Timings) -> Unacknowledged {
        let (resend, over) = (now + timings.t1, now + timings.patience());
        Unacknowledged { number, first, answer, interval: timings.t1, resend, over, timings }
    }

    pub fn answer(&self) -> &Transmit {
        &self.answer
    }

    /// As [`Transmit::follow`].
    pub fn follow(&mut self, hop: &Hop) -> bool {
        self.answer.follow(hop)
    }

    pub fn next_timeout(&self) -> Time {
        self.resend.min(self.over)
    }

    pub fn handle_timeout(&mut self, now: Time) -> Option<Expiry> {
        if self.over <= now {
            return Some(Expiry::TimedOut);
        }
        if self.resend > now {
            return None;
        }
        self.interval = (self.interval * 2).min(self.timings.t2);
        self.resend = now + self.interval;
        Some(Expiry::Resend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::endpoint::Transport;

    #[test]
    fn a_2xx_is_resent_from_t1_up_to_every_t2_and_given_up_after_64_t1() {
        let at = "192.0.2.1:5060".parse().unwrap();
        let hop = Hop { transport: Transport::Tcp, local: at, remote: at, connection: Some(1) };
        let start = Time::from_secs(10);
        let answer = Transmit::new(hop, Vec::new());
        let mut waiting = Unacknowledged::new(start, 1, true, answer, Timings::default());
        let mut resent = Vec::new();
        loop {
            let at = waiting.next_timeout();
            assert_eq!(waiting.handle_timeout(at - Duration::from_micros(1)), None);
            match waiting.handle_timeout(at) {
                Some(Expiry::Resend) => resent.push(at.since(start).as_millis()),
                expiry => {
                    assert_eq!((expiry, at), (Some(Expiry::TimedOut), start + Duration::from_secs(32)));
                    break;
                }
            }
        }
        assert_eq!(resent, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    }
}

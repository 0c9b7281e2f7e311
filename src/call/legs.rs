//! All legs of all calls, and the verbs that move them.
//!
//! ```text
//!            incoming                                dial
//!               │ Open                                │ Open
//!           Incoming ── no port, bad offer ─┐     Opening ── no port ──┐
//!               │ Opened                    │         │ Opened         │
//!            Arrived ── cancel, reject ─────┤     Inviting ── refused ─┤
//!               │ answer                    │         │ 2xx            │
//!               └──────────────► Up ◄───────┼─────────┘                │
//!                                 │ bye     ▼                          │
//!                                 └────► Closing ◄─────────────────────┘
//!                                           │ media closed
//!                                         (gone)
//! ```
//!
//! Contract: after each `handle_*` or verb drain [`Legs::poll_media`] and [`Legs::poll_event`]. Every leg ends with
//! exactly one [`Event::Closed`].

use super::described::{is_held, warning};
use super::digits::{self, Way};
use super::redirect::elsewhere;
use super::refer::Referral;
use crate::ids::{CallId, LegId};
use crate::media::{self, Codec, Command, Direction, OpenFailure, PlayId, Quality, Sound};
use crate::sdp::{Answer, Capabilities, Negotiator, Refusal};
use crate::sip::account::{Account, Unanswered};
use crate::sip::body::Enclosed;
use crate::sip::endpoint::{EndCause, Failure, Invitation};
use crate::sip::{self, Endpoint, Headers, Hop, InviteId, Network, Party, Request, Uri};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

/// What we offer, best first.
const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// A leg to be rung.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Request-URI.
    pub target: Uri,
    /// The way there.
    pub hop: Hop,
    /// Shown on the display: name and URI.
    pub from: (Option<String>, Uri),
    pub to: Uri,
    pub headers: Headers,
    /// What goes with the offer, as in [`Invitation`].
    pub enclosed: Vec<Enclosed>,
    /// It is a carrier, and in the talk it is where it says it is.
    pub follows: bool,
    /// Who is called, as in [`Endpoint::belongs`].
    pub party: Party,
    /// What a challenge is answered with; `None`: none is answered.
    pub account: Option<Arc<Account>>,
    /// Where who gave us the account is: in the talk no other challenges are answered.
    pub places: Vec<Network>,
}

/// Why a leg that was up, or had arrived, is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegEnd {
    /// BYE, with the peer's Reason if it gave one.
    HungUp { reason: Option<String> },
    /// CANCEL before we answered.
    Cancelled,
    /// Our answer was never acknowledged, or the peer no longer knows the dialog.
    Lost,
    /// We neither answered nor refused it for so long that the endpoint did; answered 480.
    Forgotten,
    /// The session description cannot be served; answered 488.
    BadOffer(Refusal),
    /// No port or no room for its media; answered 503.
    NoMedia(OpenFailure),
}

/// Why a leg that we dialled was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegFailure {
    /// The final answer's code, if it is about who was called: no 3xx, no 5xx, nothing between us and the next machine.
    Refused(u16),
    /// It is to be tried at these places instead, the best first; 10 at most.
    Redirected(Vec<Uri>),
    /// The peer, or something on the way, cannot do it now (5xx).
    Unavailable {
        code: u16,
        retry_after: Option<Duration>,
    },
    /// Nobody answered the INVITE at all.
    Timeout,
    /// The hop cannot be reached.
    Unreachable,
    /// It answered with a session description that cannot be served.
    BadAnswer(Refusal),
    NoMedia(OpenFailure),
    /// A table of ours is at its bound.
    Full,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An incoming leg has a port and a usable offer; it waits for `ring`, `answer` or `hang_up`.
    Arrived {
        leg: LegId,
    },
    /// The phone that we dialled rings. Said once.
    Ringing {
        leg: LegId,
    },
    /// There is something to be heard from who we dialled, before any answer: a ringing tone, an announcement. Stands for
    /// `Ringing` too; may be said again.
    Early {
        leg: LegId,
    },
    /// Who we dialled asked for a password in this realm, for which the leg's account is not; `Failed` follows.
    OtherRealm {
        leg: LegId,
        realm: String,
    },
    /// Somebody answered the leg that we dialled; media is set up.
    Answered {
        leg: LegId,
    },
    /// The leg that we dialled is over without an answer.
    Failed {
        leg: LegId,
        failure: LegFailure,
    },
    /// A leg that had arrived or was up is over, not by us.
    Ended {
        leg: LegId,
        end: LegEnd,
    },
    Digit {
        leg: LegId,
        digit: char,
    },
    Played {
        leg: LegId,
        play: PlayId,
    },
    /// The peer put us on hold, or took us back.
    Held {
        leg: LegId,
    },
    Resumed {
        leg: LegId,
    },
    /// The peer wants the other party sent elsewhere. Answer at once, with `take_referral` or `refuse_referral`.
    Referred {
        leg: LegId,
        referral: Box<Referral>,
    },
    /// No audio came since then.
    Silent {
        leg: LegId,
        since: Time,
    },
    /// The last word about this leg.
    Closed {
        leg: LegId,
        quality: Quality,
    },
}

pub(super) enum State {
    /// Waits for its port.
    Incoming {
        offer: Vec<u8>,
    },
    /// Ready to be answered with this; `stream` is unknown while the caller has yet to answer our late offer.
    Arrived {
        body: Vec<u8>,
        stream: Option<media::Stream>,
        /// It hears something before the answer.
        early: bool,
    },
    /// Waits for its port, then dials.
    Opening(Box<Dial>),
    Inviting {
        rings: bool,
        account: Option<Arc<Account>>,
    },
    Up,
    Closing,
}

pub(super) struct Leg {
    pub(super) invite: Option<InviteId>,
    pub(super) state: State,
    /// From the moment its port is known.
    pub(super) sdp: Option<Negotiator>,
    pub(super) held: bool,
    /// Our address, as the peer knows it.
    pub(super) local: IpAddr,
    pub(super) presses: digits::Presses,
}

/// See the module's documentation.
#[derive(Default)]
pub struct Legs {
    pub(super) legs: BTreeMap<LegId, Leg>,
    pub(super) by_invite: BTreeMap<InviteId, LegId>,
    pub(super) media: VecDeque<Command>,
    pub(super) events: VecDeque<Event>,
    last_play: u64,
}

impl Legs {
    /// A new INVITE; `Arrived`, or `Ended` and `Closed`, follow. Legs of one `call` can be bridged with each other.
    pub fn incoming(&mut self, call: CallId, leg: LegId, invite: InviteId, request: &Request, hop: &Hop) {
        self.by_invite.insert(invite, leg);
        self.legs.insert(
            leg,
            Leg {
                invite: Some(invite),
                state: State::Incoming { offer: request.description().to_vec() },
                sdp: None,
                held: false,
                local: hop.local.ip(),
                presses: digits::Presses::default(),
            },
        );
        self.media.push_back(Command::Open { call, leg, local: hop.local.ip() });
    }

    /// Rings somebody; `Answered`, or `Failed` and `Closed`, follow.
    pub fn dial(&mut self, call: CallId, leg: LegId, dial: Dial) {
        let local = dial.hop.local.ip();
        let state = State::Opening(Box::new(dial));
        let presses = digits::Presses::default();
        self.legs.insert(leg, Leg { invite: None, state, sdp: None, held: false, local, presses });
        self.media.push_back(Command::Open { call, leg, local });
    }

    /// Answers an arrived leg; does nothing otherwise. True if it was answered by this.
    pub fn answer(&mut self, now: Time, leg: LegId, endpoint: &mut Endpoint) -> bool {
        let Some(l) = self.legs.get_mut(&leg) else { return false };
        let (State::Arrived { body, stream, .. }, Some(invite)) = (&mut l.state, l.invite) else { return false };
        endpoint.accept(now, invite, std::mem::take(body));
        if let Some(stream) = stream.take() {
            self.media.push_back(Command::Configure { leg, stream });
        }
        l.state = State::Up;
        true
    }

    /// Ends the leg, whatever its state: `code` answers a leg that was not answered yet, `reason` is the Reason
    /// header (RFC 3326) of CANCEL or BYE. No `Ended` or `Failed` follows, only `Closed`.
    pub fn hang_up(&mut self, now: Time, leg: LegId, code: u16, reason: Option<&str>, endpoint: &mut Endpoint) {
        let Some(l) = self.legs.get_mut(&leg) else { return };
        if let Some(invite) = l.invite {
            match l.state {
                State::Incoming { .. } | State::Arrived { .. } => {
                    endpoint.reject(now, invite, code, Headers::default())
                }
                State::Inviting { .. } => endpoint.cancel(now, invite, reason),
                State::Up => endpoint.bye(now, invite, reason),
                State::Opening(_) | State::Closing => {}
            }
        }
        self.close(leg);
    }

    /// Plays to a leg, replacing what plays. `Played` with the same id follows unless `repeat`.
    pub fn play(&mut self, leg: LegId, sounds: Vec<Sound>, repeat: bool) -> PlayId {
        self.last_play += 1;
        let play = PlayId(self.last_play);
        if self.legs.contains_key(&leg) {
            self.media.push_back(Command::Play { leg, play, sounds, repeat });
        }
        play
    }

    pub fn stop(&mut self, leg: LegId) {
        if self.legs.contains_key(&leg) {
            self.media.push_back(Command::Stop { leg });
        }
    }

    pub fn bridge(&mut self, a: LegId, b: LegId) {
        if self.legs.contains_key(&a) && self.legs.contains_key(&b) {
            self.media.push_back(Command::Bridge { a, b });
        }
    }

    pub fn unbridge(&mut self, a: LegId, b: LegId) {
        if self.legs.contains_key(&a) && self.legs.contains_key(&b) {
            self.media.push_back(Command::Unbridge { a, b });
        }
    }

    /// Whether the leg is answered and not over.
    pub fn is_up(&self, leg: LegId) -> bool {
        matches!(self.legs.get(&leg), Some(Leg { state: State::Up, .. }))
    }

    /// Whether anything at all was heard from who was dialled; true while nothing was sent.
    pub fn is_heard(&self, leg: LegId, endpoint: &Endpoint) -> bool {
        match self.legs.get(&leg) {
            Some(Leg { state: State::Inviting { .. }, invite: Some(invite), .. }) => endpoint.is_heard(*invite),
            _ => true,
        }
    }

    pub fn is_held(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|l| l.held)
    }

    /// Our address, as the peer of this leg knows it.
    pub fn local(&self, leg: LegId) -> Option<IpAddr> {
        self.legs.get(&leg).map(|leg| leg.local)
    }

    /// The leg of this usage.
    pub fn leg_of(&self, invite: InviteId) -> Option<LegId> {
        self.by_invite.get(&invite).copied()
    }

    pub fn len(&self) -> usize {
        self.legs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// What the endpoint says of an INVITE usage. Events of usages that are no leg's (any more) are ignored.
    pub fn handle_sip(&mut self, now: Time, event: sip::Event, endpoint: &mut Endpoint) {
        match event {
            sip::Event::Cancelled { id } => self.end(id, LegEnd::Cancelled),
            sip::Event::Ended { id, cause } => {
                let end = match cause {
                    EndCause::Bye { reason } => LegEnd::HungUp { reason },
                    EndCause::NoAck | EndCause::PeerGone | EndCause::Expired => LegEnd::Lost,
                    EndCause::Unanswered => LegEnd::Forgotten,
                };
                self.end(id, end);
            }
            sip::Event::Confirmed { id, body } => self.confirmed(now, id, &body, endpoint),
            sip::Event::Progress { id, code, body, .. } => self.progressed(id, code, &body),
            sip::Event::Answered { id, response } => self.answered(now, id, &response.body, endpoint),
            sip::Event::Failed { id, failure } => {
                let failure = match failure {
                    Failure::Response(response) if response.code / 100 == 5 || is_of_the_link(response.code) => {
                        let retry_after = response.headers.retry_after().filter(|_| response.code == 503);
                        LegFailure::Unavailable { code: response.code, retry_after }
                    }
                    Failure::Response(response) if response.code / 100 == 3 => {
                        LegFailure::Redirected(elsewhere(&response.headers))
                    }
                    Failure::Response(response) => LegFailure::Refused(response.code),
                    Failure::Timeout => LegFailure::Timeout,
                    Failure::Unreachable => LegFailure::Unreachable,
                    Failure::Full => LegFailure::Full,
                    Failure::Cancelled => LegFailure::Refused(487),
                };
                if let Some(leg) = self.by_invite.get(&id).copied() {
                    self.fail(leg, failure);
                }
            }
            sip::Event::Offered { id, offer } => self.offered(now, id, &offer, endpoint),
            sip::Event::OfferAnswered { id, result: Ok(answer) } => {
                if let Some((leg, Leg { sdp: Some(sdp), .. })) = self.of(id)
                    && let Ok(stream) = sdp.accept(&answer)
                {
                    self.agreed(leg, stream);
                }
            }
            sip::Event::RefreshDue { id } => self.refresh(now, id, endpoint),
            // A refused re-INVITE leaves the session as it was (RFC 3261 §14.1).
            sip::Event::OfferAnswered { id, result: Err(_) } => {
                if let Some((_, Leg { sdp: Some(sdp), .. })) = self.of(id) {
                    sdp.withdraw();
                }
            }
            // Answered in the same moment it came, so there is nothing to take back.
            sip::Event::OfferWithdrawn { .. } => {}
            sip::Event::Info { id, content_type, body } => {
                if let Some(leg) = self.by_invite.get(&id).copied()
                    && let Some(digit) = digits::from_info(&content_type, &body)
                {
                    self.pressed(now, leg, digit, Way::Info);
                }
            }
            sip::Event::Refer { id, refer, request } => self.referred(now, id, refer, &request, endpoint),
            // We refer nobody.
            sip::Event::ReferAnswered { .. } | sip::Event::ReferProgress { .. } => {}
            // Not of a leg: the switchboard reads these itself.
            sip::Event::Invite { .. } | sip::Event::Request { .. } | sip::Event::Response { .. } => {}
            sip::Event::Challenged { id, response } => self.challenged(now, id, response.code, endpoint),
        }
    }

    /// A key, unless it is known from the other way already.
    fn pressed(&mut self, now: Time, leg: LegId, digit: char, way: Way) {
        if self.legs.get_mut(&leg).is_some_and(|leg| leg.presses.is_new(now, digit, way)) {
            self.tell(leg, Event::Digit { leg, digit });
        }
    }

    pub fn handle_media(&mut self, now: Time, event: media::Event, endpoint: &mut Endpoint) {
        match event {
            media::Event::Opened { leg, rtp } => self.opened(now, leg, rtp, endpoint),
            media::Event::OpenFailed { leg, reason } => self.open_failed(now, leg, reason, endpoint),
            media::Event::Digit { leg, digit } => self.pressed(now, leg, digit, Way::Media),
            media::Event::Played { leg, play, .. } => self.tell(leg, Event::Played { leg, play }),
            media::Event::Silent { leg, since } => self.tell(leg, Event::Silent { leg, since }),
            media::Event::Closed { leg, quality } => self.closed(leg, quality),
        }
    }

    pub fn poll_media(&mut self) -> Option<Command> {
        self.media.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn of(&mut self, id: InviteId) -> Option<(LegId, &mut Leg)> {
        let leg = *self.by_invite.get(&id)?;
        self.legs.get_mut(&leg).map(|l| (leg, l))
    }

    /// Says `event` only while the leg is not over: what media still had to say then is of no interest.
    fn tell(&mut self, leg: LegId, event: Event) {
        if self.legs.get(&leg).is_some_and(|l| !matches!(l.state, State::Closing)) {
            self.events.push_back(event);
        }
    }

    fn opened(&mut self, now: Time, leg: LegId, rtp: std::net::SocketAddr, endpoint: &mut Endpoint) {
        let Some(l) = self.legs.get_mut(&leg) else { return };
        let sdp =
            l.sdp.insert(Negotiator::new(Capabilities { codecs: CODECS.to_vec(), digits: true, address: rtp }, leg.0));
        match std::mem::replace(&mut l.state, State::Closing) {
            State::Incoming { offer } if offer.is_empty() => {
                let body = sdp.offer(Direction::SendRecv);
                l.state = State::Arrived { body, stream: None, early: false };
                self.events.push_back(Event::Arrived { leg });
            }
            State::Incoming { offer } => match sdp.answer(&offer, Direction::SendRecv) {
                Ok(Answer { body, stream }) => {
                    l.held = is_held(stream.direction);
                    l.state = State::Arrived { body, stream: Some(stream), early: false };
                    self.events.push_back(Event::Arrived { leg });
                }
                Err(refusal) => {
                    l.state = State::Incoming { offer };
                    if let Some(invite) = l.invite {
                        endpoint.reject(now, invite, refusal.code(), warning(&refusal, l.local));
                    }
                    self.events.push_back(Event::Ended { leg, end: LegEnd::BadOffer(refusal) });
                    self.close(leg);
                }
            },
            State::Opening(dial) => {
                let Dial { target, hop, from, to, headers, enclosed, follows, party, account, places } = *dial;
                let offer = sdp.offer(Direction::SendRecv);
                let contact_user = account.as_ref().map(|account| account.user.clone());
                let (answers_challenges, shown) = (account.is_some(), account.clone());
                let invitation = Invitation {
                    target,
                    hop,
                    from,
                    to,
                    contact_user,
                    headers,
                    offer,
                    enclosed,
                    follows,
                    answers_challenges,
                };
                let id = endpoint.invite(now, invitation);
                if let Some(account) = shown {
                    endpoint.show(id, account, places);
                }
                endpoint.belongs(id, party);
                l.invite = Some(id);
                l.state = State::Inviting { rings: false, account };
                self.by_invite.insert(id, leg);
            }
            // Hung up meanwhile: `Close` is on its way.
            other => l.state = other,
        }
    }

    fn open_failed(&mut self, now: Time, leg: LegId, reason: OpenFailure, endpoint: &mut Endpoint) {
        let Some(l) = self.legs.get_mut(&leg) else { return };
        match l.state {
            State::Incoming { .. } => {
                if let Some(invite) = l.invite {
                    endpoint.reject(now, invite, 503, Headers::default());
                }
                self.events.push_back(Event::Ended { leg, end: LegEnd::NoMedia(reason) });
            }
            State::Opening(_) => {
                self.events.push_back(Event::Failed { leg, failure: LegFailure::NoMedia(reason) });
            }
            _ => {}
        }
        self.closed(leg, Quality::default());
    }

    /// The one we dialled asks for a password.
    fn challenged(&mut self, now: Time, id: InviteId, code: u16, endpoint: &mut Endpoint) {
        let Some((leg, Leg { state: State::Inviting { account: Some(account), .. }, .. })) = self.of(id) else {
            // Hung up meanwhile.
            return endpoint.cancel(now, id, None);
        };
        if let Err(why) = endpoint.log_in(now, id, account) {
            if let Unanswered::OtherRealm(realm) = why {
                self.events.push_back(Event::OtherRealm { leg, realm });
            }
            self.fail(leg, LegFailure::Unavailable { code, retry_after: None });
            endpoint.cancel(now, id, None);
        }
    }

    fn end(&mut self, id: InviteId, end: LegEnd) {
        if let Some((leg, l)) = self.of(id)
            && !matches!(l.state, State::Closing)
        {
            // A dialled leg can end before its 2xx only if the endpoint lost the dialog: to its owner it failed.
            let dialled = matches!(l.state, State::Inviting { .. });
            self.events.push_back(match dialled {
                true => Event::Failed { leg, failure: LegFailure::Unreachable },
                false => Event::Ended { leg, end },
            });
            self.close(leg);
        }
    }

    pub(super) fn fail(&mut self, leg: LegId, failure: LegFailure) {
        self.events.push_back(Event::Failed { leg, failure });
        self.close(leg);
    }

    /// SIP is done with this leg; ask media to close.
    fn close(&mut self, leg: LegId) {
        let Some(l) = self.legs.get_mut(&leg) else { return };
        if let Some(invite) = l.invite.take() {
            self.by_invite.remove(&invite);
        }
        if !matches!(l.state, State::Closing) {
            l.state = State::Closing;
            self.media.push_back(Command::Close { leg });
        }
    }

    fn closed(&mut self, leg: LegId, quality: Quality) {
        if let Some(l) = self.legs.remove(&leg) {
            if let Some(invite) = l.invite {
                self.by_invite.remove(&invite);
            }
            self.events.push_back(Event::Closed { leg, quality });
        }
    }
}

/// Whether an answer is about us and the next machine (a password, an extension, a form of writing), and not about who was called.
/// Who called has nothing to do with that, and some of these must not be said without a header that only that machine could write
/// (RFC 3261 table 2: WWW-Authenticate, Unsupported, Min-SE …).
fn is_of_the_link(code: u16) -> bool {
    matches!(code, 401 | 402 | 405..=407 | 413..=417 | 420..=424 | 428 | 429 | 436..=440 | 469 | 470 | 481 | 489 | 491 | 493 | 494)
}

#[cfg(test)]
mod tests;

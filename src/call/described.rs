//! What a leg and its peer agree on: descriptions that come with answers, re-INVITEs, UPDATEs and PRACKs (RFC 3264), and what media
//! makes of them.

use super::legs::{Event, Leg, LegEnd, LegFailure, Legs, State};
use crate::ids::LegId;
use crate::media::{self, Command, Direction};
use crate::sdp::{Answer, Refusal};
use crate::sip::{Endpoint, Headers, Host, InviteId};
use crate::time::Time;
use std::net::IpAddr;

impl Legs {
    pub(super) fn confirmed(&mut self, now: Time, id: InviteId, body: &[u8], endpoint: &mut Endpoint) {
        let Some((leg, Leg { sdp: Some(sdp), state, held, .. })) = self.of(id) else { return };
        if !sdp.is_offering() {
            return;
        }
        match (sdp.accept(body), state) {
            // Nobody has taken the call yet.
            (Ok(agreed), State::Arrived { stream, .. }) => {
                *held = is_held(agreed.direction);
                *stream = Some(agreed);
            }
            (Ok(stream), _) => self.agreed(leg, stream),
            (Err(refusal), _) => {
                self.events.push_back(Event::Ended { leg, end: LegEnd::BadOffer(refusal) });
                self.hang_up(now, leg, 488, Some("SIP;cause=488;text=\"Not Acceptable Here\""), endpoint);
            }
        }
    }

    pub(super) fn answered(&mut self, now: Time, id: InviteId, answer: &[u8], endpoint: &mut Endpoint) {
        let Some((leg, l)) = self.of(id) else { return };
        l.state = State::Up;
        let accepted = match &mut l.sdp {
            Some(sdp) => sdp.accept(answer),
            None => Err(Refusal::Mismatch),
        };
        match accepted {
            Ok(stream) => {
                l.held = is_held(stream.direction);
                self.media.push_back(Command::Configure { leg, stream });
                self.events.push_back(Event::Answered { leg });
            }
            Err(refusal) => {
                endpoint.bye(now, id, Some("SIP;cause=488;text=\"Not Acceptable Here\""));
                self.fail(leg, LegFailure::BadAnswer(refusal));
            }
        }
    }

    pub(super) fn progressed(&mut self, id: InviteId, code: u16, answer: &[u8]) {
        // It is sent on or waits in a line, or one of those it was sent to is out of it (RFC 6228): nobody is rung by that.
        if matches!(code, 181 | 182 | 199) && answer.is_empty() {
            return;
        }
        let Some((leg, l)) = self.of(id) else { return };
        let State::Inviting { rings, .. } = &mut l.state else { return };
        let first = !std::mem::replace(rings, true);
        let stream = l.sdp.as_ref().filter(|_| !answer.is_empty()).and_then(|sdp| sdp.preview(answer).ok());
        if !stream.is_some_and(|stream| self.heard_early(leg, stream)) && first {
            self.events.push_back(Event::Ringing { leg });
        }
    }

    /// Whom we dialled is heard before the answer, and told nothing: until somebody answers there is nobody to talk with. False:
    /// there is nothing to hear by this description.
    fn heard_early(&mut self, leg: LegId, stream: media::Stream) -> bool {
        let is_heard = matches!(stream.direction, Direction::SendRecv | Direction::RecvOnly);
        if is_heard {
            let stream = media::Stream { direction: Direction::RecvOnly, ..stream };
            self.media.push_back(Command::Configure { leg, stream });
            self.events.push_back(Event::Early { leg });
        }
        is_heard
    }

    /// A re-INVITE: hold, resume, new address or codec; or the wish that we offer. Before the answer an UPDATE, or a PRACK.
    pub(super) fn offered(&mut self, now: Time, id: InviteId, offer: &[u8], endpoint: &mut Endpoint) {
        let leg = self.by_invite.get(&id).copied();
        let found = leg.and_then(|leg| Some((leg, self.legs.get_mut(&leg)?)));
        let Some((leg, Leg { sdp: Some(sdp), state, held, local, .. })) = found else {
            endpoint.refuse_offer(now, id, 481, Headers::new());
            return;
        };
        if offer.is_empty() {
            let body = sdp.offer(Direction::SendRecv);
            endpoint.answer_offer(now, id, body);
            return;
        }
        match sdp.answer(offer, Direction::SendRecv) {
            Ok(Answer { body, stream }) => {
                match state {
                    State::Arrived { body: ours, stream: theirs, early } => {
                        *held = is_held(stream.direction);
                        // Empty: our late offer was made and answered, so the final answer says nothing more.
                        if !ours.is_empty() {
                            ours.clone_from(&body);
                        }
                        if *early {
                            self.media.push_back(Command::Configure { leg, stream: only_told(&stream) });
                        }
                        *theirs = Some(stream);
                    }
                    State::Inviting { .. } => drop(self.heard_early(leg, stream)),
                    _ => self.agreed(leg, stream),
                }
                endpoint.answer_offer(now, id, body);
                self.offer_again(now, id, endpoint);
            }
            Err(refusal) => endpoint.refuse_offer(now, id, refusal.code(), warning(&refusal, *local)),
        }
    }

    /// An offer of ours that waits while the peer makes one (RFC 3261 §14.1) describes what is over, so it is made anew.
    fn offer_again(&mut self, now: Time, id: InviteId, endpoint: &mut Endpoint) {
        if let Some((_, Leg { sdp: Some(sdp), state: State::Up, .. })) = self.of(id)
            && sdp.is_offering()
        {
            self.refresh(now, id, endpoint);
        }
    }

    /// Offers what is in force; who holds us goes on doing so.
    pub(super) fn refresh(&mut self, now: Time, id: InviteId, endpoint: &mut Endpoint) {
        if let Some((_, Leg { sdp: Some(sdp), .. })) = self.of(id) {
            let direction = sdp.stream().map_or(Direction::SendRecv, |stream| stream.direction);
            endpoint.reinvite(now, id, sdp.offer(direction));
        }
    }

    /// A stream was agreed on: media uses it, and who is on hold by it, or not any more, is told.
    pub(super) fn agreed(&mut self, leg: LegId, stream: media::Stream) {
        let Some(l) = self.legs.get_mut(&leg) else { return };
        let held = is_held(stream.direction);
        let was_held = std::mem::replace(&mut l.held, held);
        self.media.push_back(Command::Configure { leg, stream });
        match (was_held, held) {
            (false, true) => self.events.push_back(Event::Held { leg }),
            (true, false) => self.events.push_back(Event::Resumed { leg }),
            _ => {}
        }
    }
}

/// What a caller who is not answered yet may have of this stream: it is told something if it wants to hear it, and not listened to.
pub(super) fn only_told(stream: &media::Stream) -> media::Stream {
    let direction = if is_held(stream.direction) { Direction::Inactive } else { Direction::SendOnly };
    media::Stream { direction, ..stream.clone() }
}

/// The peer does not want to hear us.
pub(super) fn is_held(direction: Direction) -> bool {
    matches!(direction, Direction::RecvOnly | Direction::Inactive)
}

/// Why an offer is refused, for who reads it (RFC 3261 §20.43). `by`: our address.
pub(super) fn warning(refusal: &Refusal, by: IpAddr) -> Headers {
    let mut headers = Headers::new();
    let why = refusal.to_string().replace(['"', '\\'], "'");
    headers.push("Warning", format!("{} {} \"{why}\"", refusal.warning(), Host::Ip(by)));
    headers
}

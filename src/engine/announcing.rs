//! What an agent hears of a queue's caller, after the answer and before the two are connected.
//!
//! The caller waits in line meanwhile, with the queue's music, and keeps the place until the agent is accepted: whatever ends the
//! announcement otherwise leaves the caller next to be served.
//!
//! | what happens first | agent | caller |
//! |---|---|---|
//! | it was played, or lasts for [`ANNOUNCEMENT_MAX`] | talks | talks |
//! | the agent hangs up | has declined | to the next agent |
//! | the agent's phone is gone, or silent for too long | backs off | to the next agent |
//! | the caller hangs up, or leaves the line by key | free, hung up | as ever |
//! | the agent pauses, or calls somebody else | hears on; that comes after the talk | waits |
//! | another phone of the agent takes the call over | hears it there from the beginning | waits |

use super::Engine;
use super::settings::Said;
use crate::acd::{Change, Outcome};
use crate::flow::speech;
use crate::ids::{CallId, LegId, OfferId};
use crate::media::{PlayId, Sound};
use crate::time::{Duration, Time};

/// What is longer is cut off, and the two are connected.
pub const ANNOUNCEMENT_MAX: Duration = Duration::from_secs(15);

/// The distributor's own deadline is later than ours: it is for the case that ours is not heeded.
const BEYOND: Duration = Duration::from_secs(5);

/// An agent of this offer hears an announcement.
#[derive(Clone, Copy)]
pub(super) struct Announcing {
    offer: OfferId,
    leg: LegId,
    play: PlayId,
    pub until: Time,
}

impl Engine {
    /// The agent's phone has answered. False: its queue has nothing to be said.
    pub(super) fn announce(&mut self, now: Time, id: OfferId, leg: LegId) -> bool {
        let Some(offer) = self.offers.get(&id) else { return false };
        let Some(said) = self.settings.announcements.get(&*offer.queue) else { return false };
        let Some(call) = self.calls.get(&offer.call) else { return false };
        let waited = call.queued.as_ref().map_or(Duration::ZERO, |queued| now.since(queued.stands.since));
        let sounds = self.sounds(said, waited);
        if sounds.is_empty() {
            return false;
        }
        let (call, others) = (offer.call, offer.legs.clone());
        // Of the agent's phones this one has the call; so has one that takes its place, until the time that was set.
        for other in others.into_iter().filter(|other| *other != leg) {
            self.legs.hang_up(now, other, 487, Some(super::calls::ELSEWHERE), &mut self.endpoint);
        }
        let play = self.legs.play(leg, sounds, false);
        let Some((offer, call)) = self.offers.get_mut(&id).zip(self.calls.get_mut(&call)) else { return false };
        offer.legs = vec![leg];
        offer.answered = Some(leg);
        let until = call.announcing.filter(|before| before.offer == id).map_or(now + ANNOUNCEMENT_MAX, |a| a.until);
        call.announcing = Some(Announcing { offer: id, leg, play, until });
        let call = offer.call;
        self.acd_apply(now, Change::Answered { offer: id, until: until + BEYOND });
        self.schedule(call);
        true
    }

    fn sounds(&self, said: &[Said], waited: Duration) -> Vec<Sound> {
        let language = &self.settings.language;
        let minutes = u32::try_from(waited.as_secs() / 60).unwrap_or(u32::MAX);
        let names = said.iter().flat_map(|said| match said {
            Said::Prompt(name) => vec![name.clone()],
            // Who has waited for longer than can be said is announced without it.
            Said::Minutes => speech::number(language, minutes).unwrap_or_default(),
        });
        names.map(|name| Sound { name, language: language.clone() }).collect()
    }

    /// True: what was played to its end was an announcement, and the two are connected.
    pub(super) fn announced(&mut self, now: Time, id: CallId, leg: LegId, play: PlayId) -> bool {
        let announcing = self.calls.get(&id).and_then(|call| call.announcing);
        let Some(announcing) = announcing.filter(|heard| (heard.leg, heard.play) == (leg, play)) else { return false };
        self.acd_apply(now, Change::OfferEnded { offer: announcing.offer, outcome: Outcome::Accepted });
        true
    }

    pub(super) fn announcement_due(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(Announcing { offer, leg, .. }) = call.announcing.take_if(|announcing| announcing.until <= now) {
            self.legs.stop(leg);
            self.acd_apply(now, Change::OfferEnded { offer, outcome: Outcome::Accepted });
        }
    }

    /// The agent's leg is over before the announcement was. False: it heard none. `lost`: nobody hung up.
    pub(super) fn announced_in_vain(&mut self, now: Time, id: CallId, leg: LegId, lost: bool) -> bool {
        let announcing = self.calls.get(&id).and_then(|call| call.announcing);
        let Some(Announcing { offer, .. }) = announcing.filter(|heard| heard.leg == leg) else { return false };
        let outcome = if lost { Outcome::Unreachable } else { Outcome::Declined };
        self.acd_apply(now, Change::OfferEnded { offer, outcome });
        true
    }

    /// The offer is over, however.
    pub(super) fn announces_no_more(&mut self, id: CallId, offer: OfferId) {
        if let Some(call) = self.calls.get_mut(&id)
            && call.announcing.is_some_and(|announcing| announcing.offer == offer)
        {
            call.announcing = None;
            self.schedule(id);
        }
    }

    /// Another phone of the agent has taken this leg's place.
    pub(super) fn announces_elsewhere(&mut self, now: Time, id: OfferId, old: LegId) {
        if let Some(offer) = self.offers.get_mut(&id)
            && offer.answered == Some(old)
        {
            offer.answered = None;
            offer.legs.retain(|leg| *leg != old);
            self.legs.hang_up(now, old, 487, None, &mut self.endpoint);
        }
    }
}

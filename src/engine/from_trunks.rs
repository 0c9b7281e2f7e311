//! What carriers answer outside calls, and what is asked of them when it is time.

use super::Engine;
use super::trunks::Asked;
use crate::ids::LegId;
use crate::record::{TrunkNews, What};
use crate::sip::registration::{News, Step};
use crate::sip::{ClientId, Failure, Request, Response};
use crate::time::Time;

impl Engine {
    pub(super) fn trunks_due(&mut self, now: Time) {
        for trunk in 0..self.trunks.len() {
            let Some(registration) = &mut self.trunks.state_mut(trunk).registration else { continue };
            if registration.poll_timeout().is_some_and(|due| due <= now)
                && let Some(request) = registration.handle_timeout(now)
            {
                self.send_register(now, trunk, request);
            }
        }
    }

    /// We take no more calls: carriers are told to send them elsewhere.
    pub(super) fn leave_carriers(&mut self, now: Time) {
        for trunk in 0..self.trunks.len() {
            let registration = &mut self.trunks.state_mut(trunk).registration;
            if let Some(request) = registration.as_mut().and_then(|registration| registration.leave(now)) {
                self.send_register(now, trunk, request);
            }
        }
    }

    fn send_register(&mut self, now: Time, trunk: usize, request: Request) {
        // Only a trunk with a way to it has a registration.
        let Some(hop) = self.settings.trunks[trunk].hop else { return };
        let number = request.headers.cseq().map_or(0, |(number, _)| number);
        let client = self.endpoint.request(now, hop, request);
        self.trunks.ask(client, Asked::Register { trunk, number });
    }

    pub(super) fn on_answer(&mut self, now: Time, client: ClientId, result: Result<Box<Response>, Failure>) {
        match self.trunks.take_asked(client) {
            Some(Asked::Register { trunk, number }) => self.on_registration(now, trunk, number, result.ok().as_deref()),
            // A phone.
            None => self.on_ping_answer(now, client, result),
        }
    }

    fn on_registration(&mut self, now: Time, trunk: usize, number: u32, response: Option<&Response>) {
        let draw = self.endpoint.draw();
        let state = self.trunks.state_mut(trunk);
        let Some(registration) = &mut state.registration else { return };
        let challenge = response.filter(|response| matches!(response.code, 401 | 407));
        let answer = challenge
            .zip(registration.sent())
            .map(|(challenge, sent)| self.endpoint.credentials(registration.account(), sent, challenge));
        let Step { send, news } = registration.handle_answer(now, number, response, answer, draw);
        match news {
            None => {}
            Some(News::Registered { granted }) => self.trunk_news(now, trunk, TrunkNews::Registered { granted }),
            Some(News::Left) => self.trunk_news(now, trunk, TrunkNews::Unregistered),
            Some(News::Failed { code, realm, again }) => {
                state.counts.registrations_failed += 1;
                if let Some(realm) = realm {
                    state.counts.other_realm += 1;
                    self.trunk_news(now, trunk, TrunkNews::OtherRealm { realm });
                }
                self.trunk_news(now, trunk, TrunkNews::RegistrationFailed { code, again });
            }
        }
        if let Some(request) = send {
            self.send_register(now, trunk, request);
        }
    }

    /// A carrier asked for a password in a realm of somebody else.
    pub(super) fn on_other_realm(&mut self, now: Time, leg: LegId, realm: String) {
        let Some(trunk) = self.trunks.of_leg(leg) else { return };
        self.trunks.state_mut(trunk).counts.other_realm += 1;
        self.trunk_news(now, trunk, TrunkNews::OtherRealm { realm });
    }

    pub(super) fn trunk_news(&mut self, now: Time, trunk: usize, news: TrunkNews) {
        let trunk = self.trunks.name(trunk);
        self.say(now, What::Trunk { trunk, news });
    }
}

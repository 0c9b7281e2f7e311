//! What carriers answer outside calls, and what is asked of them when it is time.

use super::trunks::{self, Asked, Way};
use super::{Engine, Output};
use crate::ids::LegId;
use crate::record::{TrunkNews, What};
use crate::sip::registration::{News, Registration, Step};
use crate::sip::{ClientId, Failure, Hop, Method, Request, Response};
use crate::time::Time;

impl Engine {
    pub(super) fn trunks_due(&mut self, now: Time) {
        for trunk in 0..self.trunks.len() {
            self.probes_due(now, trunk);
            self.keep_ways_open(now, trunk);
            let is_due = |registration: &Registration| registration.poll_timeout().is_some_and(|due| due <= now);
            if !self.trunks.state(trunk).registration.as_ref().is_some_and(is_due) {
                continue;
            }
            let Some(hop) = self.registrar_of(now, trunk) else { continue };
            let place = trunks::registrar(&self.settings.trunks[trunk], &hop, &self.endpoint);
            let Some(registration) = &mut self.trunks.state_mut(trunk).registration else { continue };
            if let Some((domain, contact)) = place.filter(|_| !registration.is_leaving()) {
                registration.place(domain, contact);
            }
            if let Some(request) = registration.handle_timeout(now) {
                self.send_register(now, trunk, request, hop);
            }
        }
    }

    /// We take no more calls: carriers are told to send them elsewhere.
    pub(super) fn leave_carriers(&mut self, now: Time) {
        for trunk in 0..self.trunks.len() {
            let by = self.trunks.state(trunk).registers_by.or_else(|| self.registrar_of(now, trunk));
            let registration = &mut self.trunks.state_mut(trunk).registration;
            if let Some(request) = registration.as_mut().and_then(|registration| registration.leave(now))
                && let Some(hop) = by
            {
                self.send_register(now, trunk, request, hop);
            }
        }
    }

    /// The best place that is known to be good, or the first. Only a trunk with a way to it has a registration.
    fn registrar_of(&self, now: Time, trunk: usize) -> Option<Hop> {
        let targets = &self.trunks.state(trunk).targets;
        targets.iter().min_by_key(|target| (target.usable(now), target.priority)).map(|target| target.hop)
    }

    fn send_register(&mut self, now: Time, trunk: usize, request: Request, hop: Hop) {
        let number = request.headers.cseq().map_or(0, |(number, _)| number);
        let client = self.endpoint.request(now, hop, request);
        self.trunks.state_mut(trunk).registers_by = Some(hop);
        self.trunks.ask(client, Asked::Register { trunk, number, hop });
    }

    fn keep_ways_open(&mut self, now: Time, trunk: usize) {
        self.out.extend(self.trunks.keep_open(now, trunk).map(Output::KeepOpen));
    }

    fn probes_due(&mut self, now: Time, trunk: usize) {
        let Some(interval) = self.settings.trunks[trunk].probe else { return };
        for place in 0..self.trunks.state(trunk).targets.len() {
            let target = &mut self.trunks.state_mut(trunk).targets[place];
            if target.probe_at.is_none_or(|at| at > now) {
                continue;
            }
            let (hop, fell) = (target.hop, target.probe(now, interval));
            if fell {
                self.trunk_news(now, trunk, TrunkNews::Down { target: hop.remote });
            }
            let uri = self.settings.trunks[trunk].uri(None, hop.remote);
            let client = self.endpoint.request(now, hop, Request::new(Method::Options, uri));
            self.trunks.ask(client, Asked::Probe { trunk, hop });
        }
    }

    pub(super) fn on_answer(&mut self, now: Time, client: ClientId, result: Result<Box<Response>, Failure>) {
        match self.trunks.take_asked(client) {
            Some(Asked::Register { trunk, number, hop }) => {
                // Another place, if there is one, is asked the next time.
                if is_its_fault(&result) {
                    let way = Way { trunk, hop };
                    self.trunks.target_mut(way).into_iter().for_each(|target| target.failed(now, None));
                }
                self.on_registration(now, trunk, number, hop, result.ok().as_deref());
            }
            Some(Asked::Probe { trunk, hop }) => {
                // Whoever refuses OPTIONS is there; 408 and 5xx come from the way, or say that calls are not wanted.
                let alive = match &result {
                    Ok(response) => response.code != 408 && response.code / 100 != 5,
                    Err(Failure::Full) => return,
                    Err(_) => false,
                };
                let changed =
                    self.trunks.target_mut(Way { trunk, hop }).is_some_and(|target| target.probed(now, alive));
                if changed {
                    let target = hop.remote;
                    let news = if alive { TrunkNews::Up { target } } else { TrunkNews::Down { target } };
                    self.trunk_news(now, trunk, news);
                }
            }
            // A phone.
            None if self.on_probe_answer(now, client, &result) => {}
            None => self.on_ping_answer(now, client, result),
        }
    }

    fn on_registration(&mut self, now: Time, trunk: usize, number: u32, hop: Hop, response: Option<&Response>) {
        let draw = self.endpoint.draw();
        let state = self.trunks.state_mut(trunk);
        let Some(registration) = &mut state.registration else { return };
        let challenge = response.filter(|response| matches!(response.code, 401 | 407));
        let answer = challenge.zip(registration.sent()).map(|(challenge, sent)| {
            self.endpoint.credentials(registration.account(), sent, challenge, registration.challenges())
        });
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
            self.send_register(now, trunk, request, hop);
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

/// Whether the place that was asked is to blame for this answer, or for none.
fn is_its_fault(result: &Result<Box<Response>, Failure>) -> bool {
    match result {
        Ok(response) => response.code / 100 == 5,
        // We had no room to ask it.
        Err(Failure::Full) => false,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_to_blame_for_its_silence_and_its_5xx_and_not_for_our_limits() {
        let request = Request::new(Method::Register, "sip:carrier.example".parse().unwrap());
        let answers = |code| Ok(Box::new(Response::to(&request, code, None)));
        for blamed in [Err(Failure::Timeout), Err(Failure::Unreachable), answers(500), answers(503)] {
            assert!(is_its_fault(&blamed), "{blamed:?}");
        }
        for other in [Err(Failure::Full), answers(200), answers(401), answers(403), answers(423)] {
            assert!(!is_its_fault(&other), "{other:?}");
        }
    }
}

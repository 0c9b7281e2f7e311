//! Agents who have no phone because the service was down, as the reader would have it.

use super::*;

impl Model {
    /// Whether a phone that is known now is one that was lost, an hour ago at most.
    pub(super) fn is_found(&mut self, agent: AgentId) -> bool {
        let (now, never) = (self.now, self.wrong(Mistake::LostIsLogout));
        let for_ever = self.wrong(Mistake::LostForEver);
        let within = |since| now.since(since) <= Duration::from_secs(3600) || for_ever;
        self.person(agent).lost.is_some_and(within) && !never
    }

    pub(super) fn goes_on(&mut self, agent: AgentId) {
        let (trusts, not_asked) = (self.wrong(Mistake::LostForgetsDoubt), self.wrong(Mistake::LostIsNotAsked));
        let (back_off, calls) = (self.wrong(Mistake::LostForgetsBackOff), self.wrong(Mistake::LostForgetsCalls));
        let last = self.wrong(Mistake::LostLosesIdlePlace);
        let a = self.person(agent);
        (a.phone, a.lost) = (true, None);
        a.doubted &= !trusts;
        a.back_off = a.back_off.filter(|_| !back_off);
        a.calls = if calls { 0 } else { a.calls };
        if last {
            a.free = [false; 2];
        }
        if a.pause.is_none() && a.back_off.is_none() && !not_asked {
            self.ask_whether_there(agent);
        }
        if self.wrong(Mistake::LostForgetsRefusals) {
            self.forget_refusals_by(agent);
        }
    }
}

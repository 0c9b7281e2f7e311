//! What spares and checks people, as the reader would have it.

use super::*;

impl Model {
    pub(super) fn change_staff(&mut self, agent: AgentId, change: &Change) {
        let (twice, from_now) = (self.wrong(Mistake::WrapUpExtendedTwice), self.wrong(Mistake::WrapUpExtendedFromNow));
        let now = self.now;
        let a = self.person(agent);
        let more = a.settings.wrap_up_extension;
        match change {
            Change::ExtendWrapUp { .. } if (!a.extended || twice) && more > Duration::ZERO => {
                if let Some(until) = a.wrap_up {
                    a.wrap_up = Some(if from_now { now } else { until } + more);
                    a.extended = true;
                }
            }
            Change::ProbeEnded { reachable, .. } if a.probe.is_some() => self.answered_probe(agent, *reachable),
            _ => {}
        }
    }

    pub(super) fn doubt(&mut self, agent: AgentId) {
        let never = self.wrong(Mistake::NeverProbed);
        let a = self.person(agent);
        a.doubted = a.settings.probe && !never;
    }

    pub(super) fn ask_whether_there(&mut self, agent: AgentId) {
        let deadline = self.now + Duration::from_secs(5);
        let a = self.person(agent);
        if a.doubted && a.phone {
            a.probe = Some(deadline);
            self.decisions.push_back(Decision::Probe { agent, deadline });
        }
    }

    pub(super) fn answered_probe(&mut self, agent: AgentId, reachable: bool) {
        let until = self.now + self.back_off_time(agent);
        let (trusts, forgets) = (self.wrong(Mistake::FailedProbeTrusts), self.wrong(Mistake::ProbeForgetsBackOffs));
        let grows = !self.wrong(Mistake::FailedProbeNeverGrows);
        let a = self.person(agent);
        a.probe = None;
        if reachable {
            a.doubted = false;
            a.backed_off = if forgets { 0 } else { a.backed_off };
        } else {
            a.doubted = !trusts;
            a.back_off = Some(until);
            a.backed_off += i32::from(grows);
        }
    }
}

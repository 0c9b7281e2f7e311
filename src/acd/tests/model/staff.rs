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
            _ => {}
        }
    }
}

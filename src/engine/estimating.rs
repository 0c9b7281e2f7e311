//! How long it will take, as callers are told it.
//!
//! What was told bounds what is told after it for as long as the caller has not been served and has not walked away: also in the
//! queue to which the caller was moved by `overflow` or sent by a flow because the wait was too long. Nobody asked for that queue,
//! and whoever was told "three to five minutes" was told it by the same house. Who leaves the line by a key, or has talked with
//! somebody, begins anew; so does who calls again, also where the place in line was kept.

use super::Engine;
use super::calls::Stage;
use crate::acd::estimate::Told;
use crate::flow::Minutes;
use crate::ids::CallId;
use crate::record::{EstimateAnswer, What};
use crate::time::Time;

impl Engine {
    /// What the call's flow is to say now; `None`: nothing.
    pub(super) fn tell_estimate(&mut self, now: Time, id: CallId) -> Option<Minutes> {
        let call = self.calls.get_mut(&id)?;
        let Stage::Waiting { entry } = call.stage else { return None };
        let queue = self.acd.entry(entry)?.queue;
        let queue = self.queues[&queue].name.clone();
        let estimate = self.acd.expected_wait(entry, now);
        let said = estimate.map(|estimate| call.told.say_news(estimate));
        let answer = match said {
            None => EstimateAnswer::Unsure,
            Some(None) => EstimateAnswer::Unchanged,
            Some(Some(said)) => EstimateAnswer::Told(said),
        };
        self.say(now, What::EstimateAsked { call: id, entry, queue, answer });
        said.flatten().map(|said| Minutes { from: said.from_minutes, to: said.to_minutes })
    }

    /// The caller has been served, or walked away: what was told binds nobody any more.
    pub(super) fn tells_anew(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.told = Told::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::acd::estimate::STEPS;
    use crate::flow::speech::MINUTES;

    #[test]
    fn every_estimate_can_be_said() {
        assert_eq!(STEPS[0], 0);
        assert_eq!(STEPS[1..], MINUTES);
    }
}

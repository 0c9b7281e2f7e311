//! Callers whom a flow leaves unanswered while they wait or are sent on: what their side is told meanwhile, and how long that may
//! last.
//!
//! 182 tells the place in line, 181 that the call is sent on (RFC 3261 §21.1.3, §21.1.4). For records and for the line
//! these callers are like all others; their CANCEL is a caller who hangs up.

use super::Engine;
use super::calls::Stage;
use crate::flow::Input as FlowInput;
use crate::ids::CallId;
use crate::record::What;
use crate::time::Time;

impl Engine {
    /// The caller waits for the answer to the INVITE.
    fn is_unanswered(&self, id: CallId) -> bool {
        self.calls.get(&id).is_some_and(|call| call.end.is_none() && self.legs.is_waiting(call.caller))
    }

    /// When an unanswered call has to be looked at because of that.
    pub(super) fn unanswered_until(&self, id: CallId) -> Option<Time> {
        let call = self.calls.get(&id)?;
        if call.run.is_none() || !self.is_unanswered(id) {
            return None;
        }
        let limit = (!call.is_overdue).then(|| call.started + self.settings.limits.answer_within);
        let look = call.look.filter(|_| matches!(call.stage, Stage::Waiting { .. }));
        limit.into_iter().chain(look).min()
    }

    /// Does what is due of that: the flow answers or goes elsewhere, the place in line is told.
    pub(super) fn unanswered_due(&mut self, now: Time, id: CallId) {
        if self.unanswered_until(id).is_none_or(|due| due > now) {
            return;
        }
        let limit = self.settings.limits.answer_within;
        if let Some(call) = self.calls.get_mut(&id)
            && !call.is_overdue
            && call.started + limit <= now
        {
            call.is_overdue = true;
            self.say(now, What::AnswerOverdue { call: id });
            self.tell_flow(now, id, FlowInput::AnswerDue);
        }
        self.tell_place(now, id);
    }

    /// Tells a caller who waits unanswered the place in line, if it is another than the one told last; looked at again after
    /// `place_told_every`.
    pub(super) fn tell_place(&mut self, now: Time, id: CallId) {
        let every = self.settings.limits.place_told_every;
        if every.is_zero() || !self.is_unanswered(id) {
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Stage::Waiting { entry } = call.stage else { return };
        if call.look.is_some_and(|look| look > now) {
            return;
        }
        call.look = Some(now + every);
        // `None`: refused in this very moment.
        let Some(place) = self.acd.position(entry) else { return };
        if call.place.replace(place) != Some(place) {
            let caller = call.caller;
            self.legs.progress(now, caller, 182, &format!("Queued, number {place} in line"), &mut self.endpoint);
        }
    }

    /// Tells an unanswered caller that the call goes to somebody else than was dialled. Who hears us already hears ringing.
    pub(super) fn tell_forwarded(&mut self, now: Time, id: CallId) {
        if !self.is_unanswered(id) {
            return;
        }
        let Some(call) = self.calls.get(&id) else { return };
        let (caller, silent) = (call.caller, call.run.is_some() && !call.music_while_ringing);
        self.legs.progress(now, caller, 181, "", &mut self.endpoint);
        if silent && self.legs.hears(caller) {
            self.play_ringback(id);
        }
    }
}

//! What goes on in the talks that queues gave agents, as the distributor is told: held, or left for another call.

use super::Engine;
use super::calls::Stage;
use crate::acd::{AgentState, Change, TalkDetail};
use crate::ids::{AgentId, CallId, EntryId, LegId};
use crate::time::Time;

impl Engine {
    /// Tells what goes on in the talk of this agent, if they are in one and it is not what was told.
    ///
    /// To be called after anything that may change it: a hold, a call of their own that begins or ends, a transfer.
    pub(super) fn tell_talk(&mut self, now: Time, agent: AgentId) {
        let Some(&AgentState::Talking { entry, detail: told }) = self.acd.agent_state(agent) else { return };
        let seat = self.agents.seat(agent);
        let Some(leg) = seat.queue_call.and_then(|call| self.leg_of_talk(call, agent, entry)) else { return };
        let detail = match (seat.is_on_own_call(), self.legs.is_held(leg)) {
            (true, _) => TalkDetail::Consulting,
            (false, true) => TalkDetail::Held,
            (false, false) => TalkDetail::Speaking,
        };
        if detail != told {
            self.acd_apply(now, Change::Talk { entry, detail });
        }
    }

    /// The agent's leg in the talk that this entry brought; `None` once they are out of it and have only to hang up.
    fn leg_of_talk(&self, call: CallId, agent: AgentId, entry: EntryId) -> Option<LegId> {
        let call = self.calls.get(&call)?;
        match &call.stage {
            Stage::Talking(talk) if (talk.agent, talk.entry) == (Some(agent), Some(entry)) => Some(talk.leg),
            _ if (call.caller_agent, call.caller_entry) == (Some(agent), Some(entry)) => Some(call.caller),
            _ => None,
        }
    }

    /// As [`Engine::tell_talk`], for whichever agents are in this call.
    pub(super) fn tell_talks_of(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let with = if let Stage::Talking(talk) = &call.stage { talk.agent } else { None };
        for agent in [call.caller_agent, with].into_iter().flatten() {
            self.tell_talk(now, agent);
        }
    }
}

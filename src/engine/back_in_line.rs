//! Callers whose agent's line broke: they are on the line still, and wait again, for that agent first.

use super::Engine;
use super::calls::{Queued, Stage};
use super::in_line::InLine;
use crate::acd::{Prefer, Who};
use crate::flow::Input as FlowInput;
use crate::ids::{AgentId, CallId};
use crate::record::What;
use crate::time::{Duration, Time};

/// So often in one call. A phone that answers and is never heard again would else have its caller for ever.
const MOST: u8 = 3;

/// What a talk that is about to end leaves to its caller.
pub(super) struct Waited {
    queued: Queued,
    agent: AgentId,
    /// For the talk.
    waited: Duration,
}

impl Engine {
    /// `None`: no queue had given this agent the caller.
    pub(super) fn waited_for_talk(&self, id: CallId) -> Option<Waited> {
        let call = self.calls.get(&id).filter(|call| call.run.is_some())?;
        let Stage::Talking(talk) = &call.stage else { return None };
        let (Some(agent), Some(_), Some(queued)) = (talk.agent, talk.entry, call.queued.clone()) else { return None };
        let waited = talk.since.since(queued.stands.since);
        Some(Waited { queued, agent, waited })
    }

    /// As who hung up and called again: from where they had waited, and for the agent first. Whether they do.
    pub(super) fn back_in_line(&mut self, now: Time, id: CallId, Waited { queued, agent, waited }: Waited) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        if call.agents_lost == MOST {
            self.say(now, What::AgentsLost { call: id, times: MOST + 1 });
            return false;
        }
        call.served = None;
        call.agents_lost += 1;
        self.tell_flow(now, id, FlowInput::BackInLine);
        // A caller who cannot be told from others is not known again by the distributor.
        let nobody_knows = self.known_as(id).is_empty();
        let queue = self.queue_ids.get(&queued.request.queue).copied();
        let wait = queue.map_or(Duration::ZERO, |queue| self.acd.reconnect_wait(queue));
        let first = nobody_knows.then_some(Prefer { who: Who::Agent(agent), wait });
        // They had been answered: the longest wait begins anew.
        let stands = InLine { since: now - waited, away: waited, ..queued.stands };
        self.enqueue_for(now, id, queued.request, stands, first);
        self.schedule(id);
        true
    }
}

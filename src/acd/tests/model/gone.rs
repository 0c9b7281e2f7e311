//! Queues and agents that are there no more, as the reader would have it.

use super::*;

impl Model {
    pub(super) fn queue_gone(&mut self, queue: QueueId) {
        let mut entries: Vec<EntryId> = self.callers.iter().filter(|c| c.queue == queue).map(|c| c.id).collect();
        entries.sort();
        for entry in entries {
            if self.caller(entry).is_some_and(|caller| caller.is_promise()) {
                self.leave_as(entry, Exit::QueueClosed);
                continue;
            }
            let ringing = self.rung_for(entry);
            for agent in &ringing {
                self.take_apart(*agent, Outcome::CallerGone);
            }
            if self.wrong(Mistake::GoneQueueSendsAllAway) {
                self.exit(entry, Exit::QueueClosed);
            } else {
                self.turn_away(entry, Obstacle::Gone);
            }
            self.tell_states(&ringing);
        }
        self.queues.retain(|(id, _)| *id != queue);
        self.doors.remove(&queue);
        self.last_rung.remove(&queue);
    }

    pub(super) fn agent_gone(&mut self, agent: AgentId) {
        let Some(a) = self.agents.iter().find(|a| a.id == agent) else { return };
        let talks: Vec<EntryId> = a.talk.into_iter().chain(a.tasks.iter().copied()).collect();
        for entry in talks {
            self.change(&Change::TalkEnded { entry, broke: !self.wrong(Mistake::GoneAgentHangsUp) });
        }
        self.change_person(agent, &Change::LoggedOut { agent, down: false });
        self.forget_refusals_by(agent);
        self.tell_states(&[]);
        self.notes_are_written(agent);
        if !self.wrong(Mistake::GoneAgentKeepsPause) || self.person(agent).pause.is_none() {
            self.agents.retain(|a| a.id != agent);
        }
    }
}

//! The state as somebody looks at it who does not know it: all that there is, by name.

use super::Acd;
use super::entry::Stands;
use super::event::{AgentState, Arrival, Kind, Prefer, Who};
use super::queue::Hours;
use super::settings::{AgentSettings, QueueSettings};
use crate::ids::{AgentId, EntryId, QueueId};
use crate::time::Time;

/// An agent as they are.
#[derive(Clone, Copy, Debug)]
pub struct AgentView<'a> {
    pub id: AgentId,
    pub name: &'a str,
    pub state: &'a AgentState,
    /// Since when the state is this one.
    pub since: Option<Time>,
}

/// An entry that waits.
#[derive(Clone, Debug)]
pub struct EntryView<'a> {
    pub queue: QueueId,
    /// As it is now: another queue than it came to has added licences, and its priority may have been changed.
    pub arrival: &'a Arrival,
    pub kind: Kind,
    pub since: Time,
    /// What it is called elsewhere.
    pub reference: &'a str,
    /// Those who are rung for it.
    pub rung: Vec<AgentId>,
    /// It is in no line for now: a promise that is not to be kept yet, or whose queue is closed.
    pub sleeps: bool,
    /// For whom it is kept at first, one after the other.
    pub prefer: &'a [Prefer],
    /// For whom of those now.
    pub kept_for: Option<&'a Who>,
}

impl Acd {
    /// When the agent's shift ends or has ended, if that is known.
    pub fn shift_ends(&self, agent: AgentId) -> Option<Time> {
        self.agents.get(&agent)?.shift_ends
    }

    /// Whether the queue is open, and until when if that is known; `None` if there is no such queue.
    pub fn hours(&self, queue: QueueId) -> Option<Hours> {
        self.queues.get(&queue).map(|queue| queue.hours)
    }

    /// Of the last event.
    pub fn now(&self) -> Time {
        self.now
    }

    /// By id.
    pub fn queues(&self) -> impl Iterator<Item = (QueueId, &QueueSettings)> {
        self.queues.iter().map(|(id, queue)| (*id, &queue.settings))
    }

    pub fn queue_settings(&self, queue: QueueId) -> Option<&QueueSettings> {
        self.queues.get(&queue).map(|queue| &queue.settings)
    }

    /// By id.
    pub fn agents(&self) -> impl Iterator<Item = AgentView<'_>> {
        self.agents.keys().filter_map(|id| self.agent(*id))
    }

    /// `None` if there is no such agent.
    pub fn agent(&self, id: AgentId) -> Option<AgentView<'_>> {
        let agent = self.agents.get(&id)?;
        Some(AgentView { id, name: &agent.name, state: &agent.state, since: self.truth.agent_since(id) })
    }

    /// As they were told last. A copy: agents share what they have in common.
    pub fn agent_settings(&self, id: AgentId) -> Option<AgentSettings> {
        self.agents.get(&id).map(|agent| agent.whole_settings())
    }

    /// `None` if it does not wait.
    pub fn entry(&self, entry: EntryId) -> Option<EntryView<'_>> {
        let entry = self.entries.get(&entry)?;
        let rung = match &entry.stands {
            Stands::Offered(agents) => agents.clone(),
            Stands::InLine(_) | Stands::Asleep | Stands::Nowhere => Vec::new(),
        };
        Some(EntryView {
            queue: entry.queue(),
            arrival: &entry.arrival,
            kind: entry.kind(),
            since: entry.since(),
            reference: &entry.arrival.reference,
            prefer: &entry.arrival.prefer,
            kept_for: entry.kept_for(),
            rung,
            sleeps: entry.stands == Stands::Asleep,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::{AcdEvent, Change, QueueSettings};

    #[test]
    fn agents_are_shown_with_their_state_and_since_when() {
        let anna = AgentId(3);
        let mut acd = Acd::new(0);
        let settings = AgentSettings { name: "anna".into(), ..AgentSettings::default() };
        let pause = |reason: &str| Change::Pause { agent: anna, reason: reason.into() };
        let seen = |acd: &Acd| acd.agent(anna).map(|agent| (agent.state.label(), agent.since.map(Time::as_secs)));
        for (second, change, state, since) in [
            (1, Change::Agent { id: anna, settings }, "offline", None),
            (2, Change::LoggedIn { agent: anna }, "ready", Some(2)),
            (3, pause("lunch"), "paused", Some(3)),
            (4, pause("lunch"), "paused", Some(3)),
            (5, pause("notes"), "paused", Some(5)),
            (6, Change::Resume { agent: anna }, "ready", Some(6)),
            (86_407, pause("notes"), "paused", Some(86_407)),
            (186_408, Change::Tick, "paused", Some(86_407)),
        ] {
            acd.apply(&AcdEvent { at: Time::from_secs(second), change });
            assert_eq!(seen(&acd), Some((state, since)), "at {second}");
        }
        assert_eq!((acd.agents().count(), acd.agent(AgentId(0)).is_none()), (1, true));
        let settings = QueueSettings { name: "sales".into(), ..QueueSettings::default() };
        acd.apply(&AcdEvent { at: Time::EPOCH, change: Change::Queue { id: QueueId(2), settings } });
        assert_eq!(acd.queues().map(|(id, queue)| (id.0, queue.name.as_str())).collect::<Vec<_>>(), [(2, "sales")]);
        assert_eq!(acd.queue_settings(QueueId(2)).map(|queue| queue.max_waiting), Some(1000));
    }
}

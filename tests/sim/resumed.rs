//! A run that goes on where another ended.

use crate::{MORNING, settings};
use vaxel::acd::{Acd, AcdEvent, AgentSettings, Change, QueueSettings};
use vaxel::engine::{Engine, Output};
use vaxel::ids::{AgentId, QueueId};

fn queue(id: u32, name: &str) -> Change {
    Change::Queue { id: QueueId(id), settings: QueueSettings { name: name.into(), ..QueueSettings::default() } }
}

fn agent(id: u32, name: &str) -> Change {
    Change::Agent { id: AgentId(id), settings: AgentSettings { name: name.into(), ..AgentSettings::default() } }
}

#[test]
fn agents_and_queues_are_known_by_name_whatever_their_order_in_the_settings() {
    let mut before = Acd::new(1);
    for change in [queue(4, "away"), agent(9, "agent1"), agent(2, "away")] {
        before.apply(&AcdEvent { at: MORNING, change });
    }
    let mut settings = settings(2, QueueSettings::default());
    settings.queues.push(QueueSettings { name: "away".into(), ..QueueSettings::default() });
    let names: Vec<_> = settings.queues.iter().map(|queue| queue.name.clone()).filter(|name| name != "away").collect();
    let mut folded = before.clone();
    let mut engine = Engine::resume(settings, 1, MORNING, before);
    let agents: Vec<_> = engine.acd().agents().map(|agent| (agent.id.0, agent.settings.name.clone())).collect();
    assert_eq!(agents, [(2, "away".into()), (9, "agent1".into()), (10, "agent0".into())]);
    let queues: Vec<_> = engine.acd().queues().map(|(id, queue)| (id.0, queue.name.clone())).collect();
    let expected: Vec<_> = [(4, "away".to_owned())].into_iter().chain((5..).zip(names)).collect();
    assert_eq!(queues, expected);
    while let Some(output) = engine.poll_output() {
        if let Output::Acd(event) = output {
            folded.apply(&event);
            while folded.poll_decision().is_some() {}
        }
    }
    assert!(folded == *engine.acd(), "what it tells gives what it has");
}

//! A run that goes on where another ended.

use crate::{MORNING, settings};
use std::collections::BTreeMap;
use vaxel::acd::{
    Acd, AcdEvent, AgentSettings, AgentState, Arrival, Change, Exit, Kind, Outcome, Prefer, QueueSettings, Who,
};
use vaxel::engine::{Engine, Input, Output, Reload};
use vaxel::ids::{AgentId, EntryId, OfferId, QueueId};
use vaxel::time::Duration;

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
    let mut written = settings.clone();
    let mut engine = Engine::resume(settings, 1, MORNING, before);
    let agents: Vec<_> = engine.acd().agents().map(|agent| (agent.id.0, agent.name.to_owned())).collect();
    assert_eq!(agents, [(9, "agent1".into()), (10, "agent0".into())]);
    let gone: Vec<_> = engine.acd().gone_agents().map(|(id, name)| (id.0, name.to_owned())).collect();
    assert_eq!(gone, [(2, "away".into())]);
    let queues: Vec<_> = engine.acd().queues().map(|(id, queue)| (id.0, queue.name.clone())).collect();
    let expected: Vec<_> = [(4, "away".to_owned())].into_iter().chain((5..).zip(names)).collect();
    assert_eq!(queues, expected);
    while let Some(output) = engine.poll_output() {
        if let Output::Acd(noted) = output {
            folded.apply(&noted.event);
            while folded.poll_decision().is_some() {}
        }
    }
    assert!(folded == *engine.acd(), "what it tells gives what it has");
    // They stand as the settings say, whoever was there first.
    let places = |engine: &Engine| {
        let of = |agent| engine.acd().agent_settings(agent).map(|settings| settings.place);
        engine.acd().agents().filter_map(|agent| of(agent.id)).collect::<Vec<_>>()
    };
    assert_eq!(places(&engine), [1, 0]);
    written.agents.reverse();
    engine.handle(MORNING, Input::Reload(Box::new(Reload::of(written))));
    assert_eq!(places(&engine), [0, 1]);
}

fn arrive(entry: u64) -> Change {
    by(entry, &format!("+467012345{entry}"))
}

fn by(entry: u64, caller: &str) -> Change {
    let arrival = Arrival { since: MORNING + Duration::from_secs(entry), caller: caller.into(), ..Arrival::default() };
    Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) }
}

#[test]
fn who_was_on_the_line_is_not_any_more_and_who_was_paused_still_is() {
    let mut before = Acd::new(0);
    let mut at = MORNING;
    let paused = Change::Pause { agent: AgentId(0), reason: "lunch".into() };
    let login = |id| Change::LoggedIn { agent: AgentId(id) };
    let changes = [queue(0, "sales"), agent(0, "agent0"), agent(1, "agent1"), agent(2, "agent2"), agent(3, "agent3")];
    let accepted = Change::OfferEnded { offer: OfferId(1), outcome: Outcome::Accepted };
    // One talks, one is rung, one is paused, one is on a call of their own; two callers wait for them.
    let history = [login(0), paused, login(1), arrive(1), accepted, login(2), arrive(2), login(3)].into_iter().chain([
        Change::Busy { agent: AgentId(3) },
        arrive(3),
        arrive(4),
    ]);
    for change in changes.into_iter().chain(history) {
        at += Duration::from_secs(1);
        before.apply(&AcdEvent { at, change });
        while before.poll_decision().is_some() {}
    }
    assert_eq!((before.waiting(QueueId(0)), before.now()), (3, at));
    assert!(matches!(before.agent_state(AgentId(2)), Some(AgentState::Offered { .. })));

    let later = at + Duration::from_secs(3600);
    let mut settings = settings(4, QueueSettings::default());
    settings.estimate.samples_min += 1;
    let mut engine = Engine::resume(settings, 1, later, before.clone());
    let mut exits = BTreeMap::new();
    while let Some(output) = engine.poll_output() {
        if let Output::Acd(noted) = output {
            let is_left = matches!(noted.event.change, Change::Leave { .. });
            assert!(!is_left || noted.event.at == at, "they were lost when the run ended, and not now");
            before.apply(&noted.event);
            while let Some(decision) = before.poll_decision() {
                match decision {
                    vaxel::acd::Decision::Exit { entry, exit, .. } => drop(exits.insert(entry.0, exit)),
                    vaxel::acd::Decision::Offer { .. } => panic!("nobody is rung"),
                    _ => {}
                }
            }
        }
    }
    assert!(before == *engine.acd());
    assert_eq!(exits, [2, 3, 4].map(|entry| (entry, Exit::SystemFault)).into());
    let acd = engine.acd();
    assert!(acd.agents().all(|agent| *agent.state == AgentState::Offline));
    assert!(acd.tables().iter().all(|(_, size)| *size == 0), "{:?}", acd.tables());
    // As soon as their phones are there.
    let mut known = acd.clone();
    for id in 0..4 {
        known.apply(&AcdEvent { at: later, change: login(id) });
    }
    let paused = AgentState::Paused { reason: "lunch".into(), until: None };
    let states: Vec<_> = known.agents().map(|agent| agent.state.clone()).collect();
    assert_eq!(states, [paused, AgentState::Ready, AgentState::Ready, AgentState::Ready]);
    // Who waited stands where they stood, and who talked goes back to the same agent.
    for (entry, caller) in [(5_000, "+4670123453"), (5_001, "+4670123451")] {
        known.apply(&AcdEvent { at: later, change: by(entry, caller) });
    }
    assert_eq!(known.entry(EntryId(5_000)).expect("it waits").since, MORNING + Duration::from_secs(3));
    let back = known.entry(EntryId(5_001)).expect("it waits");
    let wait = QueueSettings::default().reconnect_wait;
    assert_eq!(back.prefer, [Prefer { who: Who::Agent(AgentId(1)), wait }]);
}

#[test]
fn what_waits_with_nobody_on_the_line_is_known_again() {
    let mut before = Acd::new(0);
    let task = |entry: u64, queue: u32| {
        let arrival = Arrival { queue: QueueId(queue), kind: Kind::Task, since: MORNING, ..Arrival::default() };
        Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) }
    };
    // One of the two queues is not in the settings any more.
    for change in [queue(0, "sales"), queue(1, "gone"), agent(0, "agent0"), task(70, 1), task(80, 0)] {
        before.apply(&AcdEvent { at: MORNING, change });
        while before.poll_decision().is_some() {}
    }
    let engine = Engine::resume(settings(1, QueueSettings::default()), 1, MORNING, before);
    // Who waited in that one has left.
    assert_eq!(engine.leftovers(), [("entries", 1), ("tasks", 1), ("acd entries", 1), ("acd lines", 1)]);
}

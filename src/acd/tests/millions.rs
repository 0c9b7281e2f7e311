//! Many long histories with everything in them, watched from outside: what must always hold, held millions of times.

use super::histories::{Play, close};
use super::proof::steps;
use super::*;

/// Some two and a half million events in all.
const HISTORIES: u64 = 64;
const STEPS: usize = 20_000;

/// Priorities, skills, licences, queues, weights and strategies change all the time while entries wait and agents are rung.
#[test]
fn millions_of_events_with_everything_changing_break_no_rule() {
    let mut events = 0;
    let mut changes = BTreeMap::<&str, u64>::new();
    let mut rung = 0;
    for seed in 0..HISTORIES {
        let mut play = Play::new(Acd::with_settings(seed, truth::Settings::default(), super::model::queues::hasty()));
        play.open(seed as u8).expect("the rules hold");
        for step in steps(1_000 + seed).take(STEPS) {
            play.step(step).unwrap_or_else(|wrong| panic!("history {seed}: {wrong}"));
            // They are not asked for again, and would fill the memory.
            for event in play.events.drain(..) {
                events += 1;
                let change = match event.change {
                    Change::Priority { .. } => "priority",
                    Change::Agent { .. } => "agent",
                    Change::Queue { .. } => "queue",
                    _ => "other",
                };
                *changes.entry(change).or_default() += 1;
            }
            rung += play.decisions.drain(..).flatten().filter(|d| matches!(d, Decision::Offer { .. })).count();
        }
        close(&mut play).expect("nothing is left");
    }
    println!("{events} events ({changes:?}), {rung} offers");
    assert!(events > 2_000_000 && rung > 100_000, "{events} events, {rung} offers");
    assert!(changes.values().all(|n| *n > 10_000), "{changes:?}");
}

//! What holds for whole days.

mod days;
mod theory;

use super::*;
use crate::acd::{AgentSettings, QueueSettings};
use crate::ids::QueueId;
use crate::need::Need;
use crate::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// One queue that turns nobody away, `agents` who answer at once and write nothing, round the clock; calls come until
/// `closes`, and all are answered whose patience lasts.
pub fn plain(agents: u32, per_hour: f64, talk: &str, patience: &str, closes: Duration) -> Plan {
    Plan {
        opens: Duration::ZERO,
        closes,
        interval: HOUR,
        at_closing: AtClosing::Serve,
        queues: vec![QueueSettings {
            name: "line".into(),
            max_waiting: u32::MAX,
            short_abandon: Duration::ZERO,
            service_level: Duration::from_secs(20),
            ..QueueSettings::default()
        }],
        hours: Vec::new(),
        groups: vec![Group {
            name: "desk".into(),
            agents,
            settings: AgentSettings { wrap_up: Duration::ZERO, ..AgentSettings::default() },
            to: closes + 6 * HOUR,
            ..Group::default()
        }],
        calls: vec![Calls {
            queue: QueueId(0),
            needs: Need::default(),
            attributes: Default::default(),
            priority: 0,
            arrivals: Arrivals::Poisson,
            rates: vec![Rate { from: Duration::ZERO, to: closes, calls: per_hour * closes.as_secs_f64() / 3600.0 }],
            talk: talk.parse().unwrap(),
            notes: None,
            patience: patience.parse().unwrap(),
        }],
    }
}

fn report(plan: &Plan, seeds: u64) -> Report {
    let days: Vec<Outcomes> = (1..=seeds).map(|seed| Run::new(plan, seed).finish()).collect();
    Report::of(plan, 1, &days)
}

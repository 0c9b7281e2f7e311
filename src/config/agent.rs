//! One `[[agents]]`, and what `[every_agent]` says for those who say nothing else.

use super::hours::hours;
use super::read::Table;
use super::values::{Dialled, Name};
use super::{Agent, CALLS, Secret, queue, trunk};
use crate::acd::{AgentSettings, OccupancyCap, RestRule};
use crate::engine::settings::{CALLS_OF_AGENT, Caps};
use crate::time::Duration;
use std::io;
use std::path::Path;

const DAY: Duration = Duration::from_secs(86_400);

/// What holds for every agent who does not say otherwise.
pub(super) struct EveryAgent {
    settings: AgentSettings,
    out: Caps,
    calls: u32,
    auto_answer: bool,
}

pub(super) fn every_agent(table: &Table) -> EveryAgent {
    EveryAgent {
        settings: settings(table, &AgentSettings::default()),
        out: trunk::caps(table).unwrap_or_default(),
        calls: table.within("calls", CALLS).unwrap_or(CALLS_OF_AGENT),
        auto_answer: table.optional("auto_answer").unwrap_or(false),
    }
}

pub(super) fn agent(table: &Table, every: &EveryAgent, read: &dyn Fn(&Path) -> io::Result<String>) -> Agent {
    let (skills, skills_valid) = queue::skills(table);
    Agent {
        settings: AgentSettings {
            name: table.get::<Name>("name").0,
            skills,
            skills_valid,
            licences: queue::licences(table),
            teams: table.list::<Name>("teams").into_iter().map(|team| team.0).collect(),
            ..settings(table, &every.settings)
        },
        number: table.optional::<Dialled>("number").map(|number| number.0),
        password: password(table, read),
        out: trunk::caps(table).unwrap_or_else(|| every.out.clone()),
        calls: table.within("calls", CALLS).unwrap_or(every.calls),
        auto_answer: table.optional("auto_answer").unwrap_or(every.auto_answer),
        shift: hours(table, "shift"),
        queues: table.list::<Name>("queues").into_iter().map(|queue| queue.0).collect(),
    }
}

/// What an agent and `[every_agent]` have in common.
pub(super) fn settings(table: &Table, defaults: &AgentSettings) -> AgentSettings {
    let time = |key, low, default: Duration| {
        table.within(key, Duration::from_secs(low)..=Duration::from_secs(86_400)).unwrap_or(default)
    };
    AgentSettings {
        tasks: table.within("tasks", 0..=1_000).unwrap_or(defaults.tasks),
        calls_during_tasks: table.optional("calls_during_tasks").unwrap_or(defaults.calls_during_tasks),
        ring_time: time("ring_time", 1, defaults.ring_time),
        shift_margin: time("shift_margin", 0, defaults.shift_margin),
        wrap_up: time("wrap_up", 0, defaults.wrap_up),
        wrap_up_extension: time("wrap_up_extension", 0, defaults.wrap_up_extension),
        rona_pause: time("rona_pause", 0, defaults.rona_pause),
        back_off: time("back_off", 0, defaults.back_off),
        back_off_max: time("back_off_max", 0, defaults.back_off_max),
        rests: if table.has("rests") { rests(table) } else { defaults.rests.clone() },
        occupancy_cap: if table.has("occupancy_cap") { cap(table) } else { defaults.occupancy_cap.clone() },
        probe: table.optional("probe").unwrap_or(defaults.probe),
        ..defaults.clone()
    }
}

fn rests(table: &Table) -> Vec<RestRule> {
    let rules = table.tables("rests").into_iter().map(|rule| {
        let attribute = rule.texts("attribute").unwrap_or_default();
        let read = RestRule {
            longer_than: rule.within("longer_than", Duration::ZERO..=DAY).unwrap_or_default(),
            attribute: attribute.into_iter().collect(),
            queue: rule.optional::<Name>("queue").map(|queue| queue.0),
            rest: rule.within("rest", Duration::from_secs(1)..=DAY).unwrap_or_default(),
        };
        if !rule.has("rest") {
            rule.wrong("rest", "a rule without `rest` changes nothing".into(), r#"add `rest = "2m"`"#.into());
        }
        rule.finish();
        read
    });
    rules.collect()
}

fn cap(table: &Table) -> Option<Box<OccupancyCap>> {
    let cap = table.table("occupancy_cap");
    let share = cap.within("share", 0.001..=0.999).unwrap_or(0.85);
    let read = OccupancyCap {
        share: (share * 1_000.0).round() as u32,
        burst: cap.within("burst", Duration::ZERO..=DAY).unwrap_or(Duration::from_secs(600)),
        longest_rest: cap.within("longest_rest", Duration::from_secs(1)..=DAY).unwrap_or(Duration::from_secs(300)),
    };
    cap.finish();
    Some(Box::new(read))
}

/// Written itself, or as the name of a file of one line.
pub(super) fn password(agent: &Table, read: &dyn Fn(&Path) -> io::Result<String>) -> Option<Secret> {
    let written: Option<String> = agent.optional("password");
    let file = agent.path("password_file");
    match (written, file) {
        (Some(_), Some(_)) => {
            let help = "keep one of them".into();
            agent.wrong("password_file", "there is a `password` and a `password_file`".into(), help);
            None
        }
        (Some(password), None) => Some(Secret::new(password)),
        (None, None) => None,
        (None, Some(path)) => match read(&path).map(|text| text.trim_end_matches(['\r', '\n']).to_owned()) {
            Ok(text) if !text.is_empty() && !text.contains('\n') => Some(Secret::new(text)),
            Ok(_) => {
                let message = format!("{} does not hold one line with a password", path.display());
                agent.wrong("password_file", message, "write the password into it, and nothing else".into());
                None
            }
            Err(e) => {
                let message = format!("{} cannot be read: {e}", path.display());
                agent.wrong("password_file", message, "make it, readable for the user that vaxel runs as".into());
                None
            }
        },
    }
}

//! The settings read again while calls are up: what of them can be taken at once goes to the engine, and the operator hears what
//! that was and what waits for the next start.

use super::door::Door;
use crate::acd::{AgentSettings, QueueSettings};
use crate::config::{Config, Given, Loaded, Problem};
use crate::engine::{Agent, Input, Reload, Settings};
use crate::ids::QueueId;
use crate::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Reads the settings from where those came from with which the service was started.
pub type Source = Box<dyn Fn() -> Result<Loaded, Vec<Problem>> + Send + Sync>;

pub(super) struct Reloader {
    source: Source,
    door: Door,
    started: Settings,
    /// Why agents may pause.
    reasons: BTreeMap<String, Option<Duration>>,
    /// Those that were taken last.
    last: Mutex<Settings>,
}

impl Reloader {
    pub fn new(source: Source, started: &Config, door: Door) -> Reloader {
        let reasons = started.reasons();
        let started = started.engine(Given::default());
        Reloader { source, door, reasons, last: Mutex::new(started.clone()), started }
    }

    /// Takes what can be taken of the settings as they are written now; says what that was. Reads files.
    ///
    /// # Errors
    ///
    /// The settings are wrong, and nothing was changed: everything that is. Or the engine is gone.
    pub fn reload(&self) -> Result<String, String> {
        // One at a time. Who panicked here left what holds as it was.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Loaded { config, warnings } = (self.source)().map_err(|problems| {
            tracing::error!(
                problems = problems.len(),
                "the settings were read again and are wrong; nothing is changed"
            );
            said(&problems) + "the settings are wrong, and nothing is changed"
        })?;
        let written = config.engine(Given::default());
        let mut found = Found::compare(&self.started, &last, &written);
        if config.reasons() != self.reasons {
            found.later.push("[[pause_reasons]]".to_owned());
        }
        let reload = Box::new(Reload::of(written.clone()));
        self.door.tell(Input::Reload(reload)).map_err(|_| "vaxel is about to end".to_owned())?;
        *last = written;
        let Found { queues, agents, later } = &found;
        tracing::info!(?queues, ?agents, ?later, "the settings were read again");
        Ok(said(&warnings) + &found.text())
    }
}

fn said(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// What is otherwise than before.
#[derive(Debug, Default, PartialEq)]
struct Found {
    /// Names of those that are served, or work, otherwise from now on.
    queues: Vec<String>,
    agents: Vec<String>,
    /// What waits for the next start.
    later: Vec<String>,
}

impl Found {
    fn compare(started: &Settings, last: &Settings, written: &Settings) -> Found {
        let mut found = Found::default();
        for queue in &started.queues {
            let name = &queue.name;
            match written.queues.iter().find(|queue| queue.name == *name) {
                None => found.later.push(format!("there is no queue `{name}` any more")),
                Some(now) if now.service_level != queue.service_level => {
                    found.later.push(format!("`service_level` of queue `{name}`"));
                }
                Some(_) => {}
            }
            if line(written, name).is_some_and(|line_now| Some(line_now) != line(last, name)) {
                found.queues.push(name.clone());
            }
        }
        for agent in &started.agents {
            let name = &agent.settings.name;
            match desk(written, name).map(|(agent, _)| agent) {
                None => found.later.push(format!("there is no agent `{name}` any more")),
                Some(now) => {
                    let (number, password) = (now.number != agent.number, now.password != agent.password);
                    let one = |is: bool, what: &str| is.then(|| format!("`{what}` of agent `{name}`"));
                    found.later.extend([one(number, "number"), one(password, "password")].into_iter().flatten());
                }
            }
            let there = |settings| desk(settings, name).map(|(agent, queues)| (plain(agent), queues));
            if there(written).is_some_and(|desk_now| Some(desk_now) != there(last)) {
                found.agents.push(name.clone());
            }
        }
        if in_order(written, last) != in_order(last, written) {
            found.agents.push("their order".to_owned());
        }
        let (queues, agents) = (names_of_queues(started), names_of_agents(started));
        let new = names_of_queues(written).into_iter().filter(|name| !queues.contains(name));
        found.later.extend(new.map(|name| format!("the new queue `{name}`")));
        let new = names_of_agents(written).into_iter().filter(|name| !agents.contains(name));
        found.later.extend(new.map(|name| format!("the new agent `{name}`")));
        let others = [
            (started.numbers != written.numbers, "[[numbers]]"),
            (started.trunks != written.trunks, "[[trunks]]"),
            (started.codes != written.codes, "[codes]"),
            (started.limits != written.limits, "[limits]"),
            (started.emergency != written.emergency, "[emergency]"),
            (started.estimate != written.estimate, "[estimate]"),
        ];
        found.later.extend(others.into_iter().filter(|(is, _)| *is).map(|(_, what)| what.to_owned()));
        found
    }

    fn text(&self) -> String {
        let names = |what: &str, names: &[String]| match names {
            [] => format!("{what}: as before\n"),
            names => format!("{what}: {} otherwise from now on\n", names.join(", ")),
        };
        let later: String = self.later.iter().map(|what| format!("at the next start: {what}\n")).collect();
        names("queues", &self.queues) + &names("agents", &self.agents) + &later
    }
}

fn names_of_queues(settings: &Settings) -> BTreeSet<&str> {
    settings.queues.iter().map(|queue| queue.name.as_str()).collect()
}

fn names_of_agents(settings: &Settings) -> BTreeSet<&str> {
    settings.agents.iter().map(|agent| agent.settings.name.as_str()).collect()
}

/// Names of agents in the order of the list, those who are in the other as well.
fn in_order<'s>(settings: &'s Settings, other: &Settings) -> Vec<&'s str> {
    let there = names_of_agents(other);
    settings.agents.iter().map(|agent| agent.settings.name.as_str()).filter(|name| there.contains(name)).collect()
}

/// What can be changed of a queue; others by their names and not by their places.
fn line<'s>(settings: &'s Settings, name: &str) -> Option<impl PartialEq + use<'s>> {
    let queue = settings.queues.iter().find(|queue| queue.name == name)?;
    let overflow = queue.overflow.iter();
    let overflow: Vec<_> = overflow.map(|way| (queue_at(settings, way.to), way.when, &way.only)).collect();
    let rest = QueueSettings { overflow: Vec::new(), service_level: Duration::ZERO, ..queue.clone() };
    Some((rest, overflow, settings.hours.get(name), settings.announcements.get(name)))
}

fn desk<'s>(settings: &'s Settings, name: &str) -> Option<(&'s Agent, Vec<Option<&'s str>>)> {
    let agent = settings.agents.iter().find(|agent| agent.settings.name == name)?;
    let mut queues: Vec<_> = agent.settings.queues.iter().map(|queue| queue_at(settings, *queue)).collect();
    queues.sort_unstable();
    Some((agent, queues))
}

/// What can be changed of an agent, without the places of queues.
fn plain(agent: &Agent) -> Agent {
    let settings = AgentSettings { queues: Default::default(), ..agent.settings.clone() };
    Agent { settings, number: String::new(), password: String::new(), ..agent.clone() }
}

fn queue_at(settings: &Settings, place: QueueId) -> Option<&str> {
    settings.queues.get(place.0 as usize).map(|queue| queue.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SETTINGS: &str = r#"
        [[numbers]]
        number = "100"
        flow = "main"
        [[queues]]
        name = "sales"
        [[queues]]
        name = "night"
        [[agents]]
        name = "anna"
        number = "201"
        password = "secret"
        [[agents]]
        name = "bo"
        number = "202"
    "#;

    fn settings(text: &str) -> Settings {
        let loaded = crate::config::load(Some(Path::new("a.toml")), [], &|_| Ok(text.to_owned()));
        loaded.unwrap_or_else(|problems| panic!("{}", problems[0])).config.engine(Given::default())
    }

    /// What is found when this is written instead of that.
    fn found(changes: &[(&str, &str)]) -> Found {
        let mut text = SETTINGS.to_owned();
        for (old, new) in changes {
            assert!(text.contains(old), "{old}");
            text = text.replacen(old, new, 1);
        }
        let before = settings(SETTINGS);
        Found::compare(&before, &before, &settings(&text))
    }

    #[test]
    fn what_is_otherwise_is_named_and_what_waits_too() {
        assert_eq!(found(&[]), Found::default());
        let overflow = "name = \"sales\"\noverflow = [{ to = \"night\", after = \"1m\" }]";
        let changed =
            found(&[("name = \"sales\"", overflow), ("number = \"202\"", "number = \"202\"\nwrap_up = \"1m\"")]);
        assert_eq!((changed.queues, changed.agents, changed.later), (vec!["sales".into()], vec!["bo".into()], vec![]));

        let hours =
            "name = \"night\"\nservice_level = \"7s\"\nhours = { zone = \"UTC\", week = { mon = \"20:00-24:00\" } }";
        let changed = found(&[("name = \"night\"", hours), ("number = \"100\"", "number = \"101\"")]);
        assert_eq!((changed.queues, changed.agents), (vec!["night".into()], vec![]));
        assert_eq!(changed.later, ["`service_level` of queue `night`", "[[numbers]]"]);

        let changed = found(&[("\"secret\"", "\"other\""), ("\"201\"", "\"209\""), ("\"bo\"", "\"carl\"")]);
        assert_eq!((changed.queues, changed.agents), (vec![], vec![]));
        let later = [
            "`number` of agent `anna`",
            "`password` of agent `anna`",
            "there is no agent `bo` any more",
            "the new agent `carl`",
        ];
        assert_eq!(changed.later, later);
    }

    #[test]
    fn another_order_of_agents_is_named_and_a_new_one_among_them_is_none() {
        let new = "[[agents]]\nname = \"carl\"\nnumber = \"203\"\n[[agents]]\n        name = \"anna\"";
        let changed = found(&[("[[agents]]\n        name = \"anna\"", new)]);
        assert_eq!((changed.agents, changed.later), (vec![], vec!["the new agent `carl`".into()]));
        let anna = "[[agents]]\n        name = \"anna\"\n        number = \"201\"\n        password = \"secret\"\n";
        let text = SETTINGS.replace(anna, "") + anna;
        assert_ne!(text, SETTINGS);
        let before = settings(SETTINGS);
        let changed = Found::compare(&before, &before, &settings(&text));
        assert_eq!((changed.agents, changed.later), (vec!["their order".into()], vec![]));
    }

    #[test]
    fn another_order_of_queues_in_the_file_changes_nothing() {
        let members = "number = \"202\"\nqueues = [\"night\"]";
        let overflow = "name = \"sales\"\noverflow = [{ to = \"night\", after = \"1m\" }]";
        let (sales, night) =
            (format!("[[queues]]\n{overflow}\n"), "[[queues]]\nname = \"night\"\nmembers_only = true\n");
        let rest = SETTINGS.replace("[[queues]]\n        name = \"sales\"", "").replace("number = \"202\"", members);
        let rest = rest.replace("[[queues]]\n        name = \"night\"", "");
        let one = settings(&format!("{rest}\n{sales}{night}"));
        let other = settings(&format!("{rest}\n{night}{sales}"));
        assert_eq!(Found::compare(&one, &one, &other), Found::default());
    }
}

//! `vaxel task`: what is shown of tasks, and how they are named on the command line.

use super::control;
use super::floor::TaskName;
use super::moment;
use crate::engine::tasks::{Listed, ListedState};
use crate::ids::{CallId, EntryId};
use crate::need::Need;
use crate::time::{Duration, Time, parse_duration};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A task for other programs. Fields are added, never renamed.
#[derive(Serialize)]
struct Shown {
    id: String,
    queue: String,
    reference: String,
    attributes: BTreeMap<String, String>,
    /// RFC 3339: when its waiting began.
    filed: String,
    /// `waiting`, `offered` or `in_hand`.
    state: &'static str,
    position: Option<u32>,
    /// Who works on it.
    agent: Option<String>,
    /// When that was accepted.
    since: Option<String>,
    offered_to: Vec<OfferedTo>,
}

#[derive(Serialize)]
struct OfferedTo {
    agent: String,
    /// When it goes to the next.
    until: String,
}

/// What `vaxel task list` prints. `folder`: the data folder.
///
/// # Errors
///
/// No service runs.
pub fn list(folder: &Path, json: bool, now: Time) -> anyhow::Result<String> {
    let tasks = control::tasks(folder)?;
    let zone = TimeZone::system();
    if json {
        let shown: Vec<Shown> = tasks.into_iter().map(|task| Shown::of(task, &zone)).collect();
        return Ok(serde_json::to_string_pretty(&shown).expect("it has texts for keys") + "\n");
    }
    Ok(table(&tasks, now, &zone))
}

impl Shown {
    fn of(task: Listed, zone: &TimeZone) -> Shown {
        let show = |at| moment::show_with_offset(at, zone);
        let id = TaskName(task.id).to_string();
        let Listed { queue, reference, attributes, filed, state, .. } = task;
        let (state, position, agent, since, offered_to) = match state {
            ListedState::Waiting { position } => ("waiting", Some(position), None, None, Vec::new()),
            ListedState::Offered { to } => {
                let to = to.into_iter().map(|(agent, until)| OfferedTo { agent, until: show(until) });
                ("offered", None, None, None, to.collect())
            }
            ListedState::InHand { agent, since } => ("in_hand", None, Some(agent), Some(show(since)), Vec::new()),
        };
        Shown { id, queue, reference, attributes, filed: show(filed), state, position, agent, since, offered_to }
    }
}

/// For people.
fn table(tasks: &[Listed], now: Time, zone: &TimeZone) -> String {
    if tasks.is_empty() {
        return "no task waits, and nobody works on one\n".to_owned();
    }
    let row = |task: &Listed| {
        let (state, since, agent) = match &task.state {
            ListedState::Waiting { position } => (format!("waiting, number {position}"), task.filed, "-".to_owned()),
            ListedState::Offered { to } => {
                let names: Vec<&str> = to.iter().map(|(agent, _)| agent.as_str()).collect();
                ("offered".to_owned(), task.filed, names.join(", "))
            }
            ListedState::InHand { agent, since } => ("in hand".to_owned(), *since, agent.clone()),
        };
        let since = format!("{} ({})", moment::show_near(since, now, zone), moment::show_length(now.since(since)));
        [TaskName(task.id).to_string(), task.queue.clone(), task.reference.clone(), state, since, agent]
    };
    let head = ["id", "queue", "reference", "state", "since", "agent"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(tasks.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(text, "{}", line.trim_end()).expect("writing to memory cannot fail");
    }
    text
}

/// The id of a call or a task as it is shown.
///
/// # Errors
///
/// It is none.
pub fn contact(text: &str) -> Result<CallId, String> {
    let number = ["call-", "task-", "entry-"].into_iter().find_map(|prefix| text.strip_prefix(prefix));
    let number = number.and_then(|number| number.parse().ok());
    number.map(CallId).ok_or_else(|| {
        format!("`{text}` is no id of a call, task or entry, as call-1795424400123456; `vaxel rewind` and `vaxel why` show them")
    })
}

/// A task's id as it is shown; the number alone will do.
///
/// # Errors
///
/// It is none.
pub fn id(text: &str) -> Result<EntryId, String> {
    let number = text.strip_prefix("task-").unwrap_or(text);
    number.parse().map(EntryId).map_err(|_| format!("a task's id looks like task-1795424400123456, not `{text}`"))
}

/// `topic=invoice`
///
/// # Errors
///
/// There is no name or no `=`.
pub fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` should be NAME=VALUE, as in topic=invoice")),
    }
}

/// `anna`, or `anna@15m`: kept for her for so long, otherwise for [`PREFER`].
///
/// # Errors
///
/// The time is none.
pub fn prefer(text: &str) -> Result<(String, Duration), String> {
    match text.split_once('@') {
        None => Ok((text.to_owned(), PREFER)),
        Some((agent, time)) => Ok((agent.to_owned(), length(time)?)),
    }
}

/// So long a task is kept for who is preferred, if nothing else is said.
pub const PREFER: Duration = Duration::from_secs(3600);

/// # Errors
///
/// It is no length of time.
pub fn length(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("`{text}` is no length of time; write it as 90s, 15m or 2h30m"))
}

/// When something was, as `14:05` (today) or with a date.
///
/// # Errors
///
/// It is no moment.
pub fn at(text: &str, now: Time) -> anyhow::Result<Time> {
    moment::read(text, now, &TimeZone::system())
}

/// # Errors
///
/// It cannot be read; says where and why.
pub fn need(text: &str) -> Result<Need, String> {
    Need::parse(text).map(|(need, _)| need).map_err(|error| match &error.help {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: u64, state: ListedState) -> Listed {
        Listed {
            id: EntryId(id),
            queue: "mail".into(),
            reference: format!("ticket {id}"),
            attributes: BTreeMap::from([("topic".into(), "invoice".into())]),
            filed: Time::from_secs(1_000),
            state,
        }
    }

    #[test]
    fn the_table_shows_where_each_task_is() {
        let until = Time::from_secs(4_620);
        let tasks = [
            listed(7, ListedState::Offered { to: vec![("anna".into(), until), ("bo".into(), until)] }),
            listed(8, ListedState::Waiting { position: 1 }),
            listed(6, ListedState::InHand { agent: "bo".into(), since: Time::from_secs(4_000) }),
        ];
        let zone = TimeZone::UTC;
        let table = table(&tasks, Time::from_secs(4_600), &zone);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "id      queue  reference  state              since           agent",
                "task-7  mail   ticket 7   offered            00:16:40 (1h)   anna, bo",
                "task-8  mail   ticket 8   waiting, number 1  00:16:40 (1h)   -",
                "task-6  mail   ticket 6   in hand            01:06:40 (10m)  bo",
            ]
        );
        let json: Vec<_> =
            tasks.into_iter().map(|task| serde_json::to_value(Shown::of(task, &zone)).expect("JSON")).collect();
        assert_eq!((&json[0]["state"], &json[0]["offered_to"][1]["agent"]), (&"offered".into(), &"bo".into()));
        assert_eq!((&json[1]["position"], &json[2]["agent"]), (&1.into(), &"bo".into()));
        assert_eq!(super::table(&[], until, &zone), "no task waits, and nobody works on one\n");
    }

    #[test]
    fn arguments_are_read_or_said_to_be_wrong() {
        assert_eq!((id("task-7"), id("7")), (Ok(EntryId(7)), Ok(EntryId(7))));
        assert!(id("call-7").unwrap_err().contains("task-"));
        for text in ["call-7", "task-7", "entry-7"] {
            assert_eq!(contact(text), Ok(CallId(7)));
        }
        assert!(contact("7").unwrap_err().contains("`vaxel why`") && contact("offer-7").is_err());
        assert_eq!(attribute("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(attribute("=b").is_err() && attribute("a").unwrap_err().contains("topic=invoice"));
        assert_eq!(prefer("anna"), Ok(("anna".into(), PREFER)));
        assert_eq!(prefer("anna@15m"), Ok(("anna".into(), Duration::from_secs(900))));
        assert!(prefer("anna@soon").unwrap_err().contains("`soon`"));
        assert!(need("sales >=").unwrap_err().contains("at character"));
    }
}

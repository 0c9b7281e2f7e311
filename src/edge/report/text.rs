//! A report as people read it.

use super::figures::{Callers, Group, Interval, Queue, Report, Spent};
use crate::acd::Phase;
use crate::acd::truth::ServiceLevel;
use crate::sim::forecast::{Cell, aligned};
use crate::time::{Duration, show_duration};
use std::fmt::Write as _;

/// There is nothing that it could be a figure of.
const NOTHING: &str = "–";

/// Lines fit into 110 columns, unless names or numbers are very long.
pub fn text(report: &Report) -> String {
    let mut text = format!(
        "{} to {}; the journal begins {}\n",
        day(&report.from),
        day(&report.until),
        day(&report.journal_begins)
    );
    for doubt in &report.doubts {
        writeln!(text, "(!) {doubt}").expect("writing to memory cannot fail");
    }
    let mut rows: Vec<_> = report.queues.iter().map(|queue| (queue.name.clone(), &queue.calls.total)).collect();
    if rows.len() > 1 {
        rows.push(("all".to_owned(), &report.all));
    }
    text += &format!("\ncallers\n{}", callers("in time", &rows));
    let how = "who hung up left out (without) or as good as answered (with)";
    text += &format!("\nservice levels, in %: {how}\n{}", service_levels(report));
    let dated = report.from.get(..10) != last(report).and_then(|last| last.get(..10));
    for queue in &report.queues {
        let level = level(queue);
        if queue.calls.total.offered > 0 || queue.calls.total.promises.is_some() {
            text += &format!("\nqueue {}\n{}", queue.name, group(&level, &queue.calls, dated));
        }
        if let Some(tasks) = &queue.tasks {
            text += &format!("\nqueue {}, tasks\n{}", queue.name, group(&level, tasks, dated));
        }
    }
    if !report.agents.each.is_empty() {
        let mut rows: Vec<_> = report.agents.all.intervals.iter().map(|at| (begin(at, dated), &at.row)).collect();
        rows.push(("sum".to_owned(), &report.agents.all.total));
        text += &format!("\nagents\n{}", spent(&rows));
        let rows: Vec<_> = report.agents.each.iter().map(|agent| (agent.name.clone(), &agent.spent)).collect();
        text += &format!("\n{}", spent(&rows));
    }
    text
}

/// Where the last interval begins of which there are figures.
fn last(report: &Report) -> Option<&str> {
    let of_queues =
        report.queues.iter().filter_map(|queue| queue.calls.intervals.last().map(|last| last.from.as_str()));
    let of_agents = report.agents.all.intervals.last().map(|last| last.from.as_str());
    of_queues.chain(of_agents).max()
}

/// `2026-11-23 09:00` of what is RFC 3339.
fn day(at: &str) -> String {
    at.get(..16).unwrap_or(at).replace('T', " ")
}

/// When it begins; with the date where there are several.
fn begin<T>(interval: &Interval<T>, dated: bool) -> String {
    day(&interval.from).split_off(if dated { 5 } else { 11 })
}

fn level(queue: &Queue) -> String {
    match queue.service_level_seconds {
        Some(seconds) => format!("in {}", show_duration(Duration::from_secs_f64(seconds))),
        None => "in time".to_owned(),
    }
}

/// The intervals, their sum, and what of it has no column.
fn group(level: &str, group: &Group<Callers>, dated: bool) -> String {
    let mut rows: Vec<_> = group.intervals.iter().map(|interval| (begin(interval, dated), &interval.row)).collect();
    rows.push(("sum".to_owned(), &group.total));
    let mut text = callers(level, &rows);
    let Callers { waiting, in_hand, promises, .. } = &group.total;
    let others: Vec<String> = group.total.others().map(|(exit, count)| format!("{} {count}", word(exit))).collect();
    let mut line = |what: String| writeln!(text, "{what}").expect("writing to memory cannot fail");
    if !others.is_empty() {
        line(format!("others: {}", others.join(", ")));
    }
    if *waiting + *in_hand > 0 {
        line(format!("not final: {waiting} still waiting, {in_hand} still in talk or wrap-up"));
    }
    if let Some(promises) = promises {
        let broken = promises.timed_out + promises.not_reached + promises.refused + promises.withdrawn;
        let (made, kept, open) = (promises.made, promises.kept, promises.open);
        line(format!("to be called back: {made}, of which {kept} were, {broken} will not be, {open} are waiting"));
    }
    text
}

fn word(exit: crate::acd::Exit) -> String {
    serde_json::to_value(exit).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn number(value: Option<f64>, factor: f64) -> Cell {
    let Some(value) = value.map(|value| value * factor) else { return NOTHING.to_owned().into() };
    let digits = usize::from(value.abs() < 99.95);
    format!("{value:.digits$}").into()
}

fn count(count: u64) -> Cell {
    count.to_string().into()
}

fn callers(level: &str, rows: &[(String, &Callers)]) -> String {
    let head = [
        "offered", "answered", level, "hung up", "", "short", "others", "wait", "longest", "AHT", "talk", "hold",
        "wrap-up",
    ];
    let unit = ["", "", "%", "", "%", "", "", "s", "s", "s", "s", "s", "s"];
    let cells = |row: &Callers| {
        [
            count(row.offered),
            count(row.answered),
            number(row.service_levels[&ServiceLevel::AbandonsAgainst], 100.0),
            count(row.abandoned),
            number(row.abandoned_share, 100.0),
            count(row.short_abandoned),
            count(row.others().map(|(_, count)| count).sum()),
            number(row.wait_seconds, 1.0),
            number(row.wait_longest_seconds, 1.0),
            number(row.handling_seconds, 1.0),
            number(row.talk_seconds, 1.0),
            number(row.hold_seconds, 1.0),
            number(row.wrap_up_seconds, 1.0),
        ]
    };
    let rows: Vec<_> = rows.iter().map(|(name, row)| (name.clone(), cells(row))).collect();
    aligned(&head, &unit, &rows)
}

/// The six formulas, named as the recording rules are: by what is done with those who hung up, soon (short) or in time.
fn service_levels(report: &Report) -> String {
    let head = ["of all", "without", "without", "of", "with", "with"];
    let unit = ["", "short", "in time", "answered", "in time", "short"];
    let cells = |row: &Callers| ServiceLevel::ALL.map(|formula| number(row.service_levels[&formula], 100.0));
    let mut rows: Vec<_> = report
        .queues
        .iter()
        .map(|queue| (format!("{} {}", queue.name, level(queue)), cells(&queue.calls.total)))
        .collect();
    if rows.len() > 1 {
        rows.push(("all".to_owned(), cells(&report.all)));
    }
    aligned(&head, &unit, &rows)
}

/// What has no column of its own: calls of their own, rests, and the time in which a phone was left alone or asked whether it is there.
const ELSEWHERE: [Phase; 4] = [Phase::Busy, Phase::Resting, Phase::BackOff, Phase::Probed];

fn spent(rows: &[(String, &Spent)]) -> String {
    let head = [
        "logged in",
        "occupied",
        "ready",
        "rung",
        "talk",
        "tasks",
        "wrap-up",
        "paused",
        "other",
        "calls",
        "declined",
        "missed",
    ];
    let unit = ["min", "%", "min", "min", "min", "min", "min", "min", "min", "", "", ""];
    let minutes = |seconds: f64| number(Some(seconds), 1.0 / 60.0);
    let cells = |row: &Spent| {
        let of = |phase| minutes(row.seconds(phase));
        [
            minutes(row.logged_in_seconds),
            number(row.occupancy, 100.0),
            of(Phase::Ready),
            of(Phase::Offered),
            of(Phase::Talking),
            of(Phase::Working),
            of(Phase::WrapUp),
            of(Phase::Paused),
            minutes(ELSEWHERE.map(|phase| row.seconds(phase)).iter().sum()),
            count(row.calls),
            count(row.declined),
            count(row.no_answer),
        ]
    };
    let rows: Vec<_> = rows.iter().map(|(name, row)| (name.clone(), cells(row))).collect();
    aligned(&head, &unit, &rows)
}

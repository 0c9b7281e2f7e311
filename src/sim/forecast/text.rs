//! A report as people read it: tables, and a picture of the waits.

use super::estimate::Estimate;
use super::more::{Comparison, Differences};
use super::recorded::LeftOut;
use super::report::{GroupReport, QueueReport, QueueRow, Report};
use super::table::{Cell, aligned};
use crate::time::{Duration, show_duration};
use std::fmt;

/// Lines fit into this many columns, unless numbers or names are very long.
const WIDTH: usize = 100;
/// Groups side by side.
const GROUPS: usize = 4;
/// Lines of the picture.
const HEIGHT: usize = 6;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = if self.seeds == 1 { "one day".to_owned() } else { format!("{} days", self.seeds) };
        writeln!(f, "{days} from {} to {}, {} calls", self.opens, self.closes, self.calls)?;
        if self.seeds > 1 {
            writeln!(f, "± 95 % confidence of the mean (Student's t over days); days differ more than that")?;
        }
        f.write_str(&left_out(self))?;
        for queue in &self.queues {
            write!(f, "\n{}{}", table(queue), picture(queue))?;
        }
        for groups in self.groups.chunks(GROUPS) {
            write!(f, "\n{}", occupancy(groups))?;
        }
        Ok(())
    }
}

/// What is planned, what it becomes, and the difference with its band.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { opens, closes, seeds, .. } = &self.planned;
        let days = if *seeds == 1 { "one day".to_owned() } else { format!("{seeds} days") };
        writeln!(f, "{days} from {opens} to {closes}: as planned > with other people, the difference")?;
        if *seeds > 1 {
            writeln!(f, "± 95 % confidence of the mean difference (Student's t over days with the same callers)")?;
        }
        f.write_str(&left_out(&self.planned))?;
        for ((planned, changed), queue) in self.planned.queues.iter().zip(&self.changed.queues).zip(&self.queues) {
            let rows = planned.intervals.iter().zip(&changed.intervals).zip(&queue.intervals);
            let mut rows: Vec<(String, [Cell; 6])> = rows
                .map(|((planned, changed), both)| {
                    (both.from.clone(), differences(&planned.row, &changed.row, &both.row))
                })
                .collect();
            rows.push(("day".into(), differences(&planned.day, &changed.day, &queue.day)));
            let level = show_duration(Duration::from_secs_f64(planned.service_level_seconds));
            let head = ["", &format!("in {level}"), "", "wait", "", "hung up"];
            write!(f, "\nqueue {}\n{}", queue.name, aligned(&head, &["", "%", "", "s", "", "%"], &rows))?;
        }
        Ok(())
    }
}

/// A line, if there is something to say.
fn left_out(report: &Report) -> String {
    let Some(LeftOut { tasks, callbacks }) = report.left_out else { return String::new() };
    let some = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    };
    let callbacks = some(callbacks, "promise to call back", "promises to call back");
    let what: Vec<String> = some(tasks, "task", "tasks").into_iter().chain(callbacks).collect();
    if what.is_empty() {
        return String::new();
    }
    format!("{} left out: only callers come again\n", what.join(" and "))
}

fn differences(planned: &QueueRow, changed: &QueueRow, both: &Differences) -> [Cell; 6] {
    let pair = |a: Option<Estimate>, b: Option<Estimate>, factor: f64| {
        let mean = format!("{} > {}", cell(a, factor).mean, cell(b, factor).mean);
        Cell { mean, band: String::new() }
    };
    let signed = |difference: Option<Estimate>, factor: f64| {
        let is_less = difference.is_some_and(|difference| difference.mean < 0.0);
        let Cell { mean, band } = cell(difference, factor);
        Cell { mean: if is_less || difference.is_none() { mean } else { format!("+{mean}") }, band }
    };
    [
        pair(planned.service_level, changed.service_level, 100.0),
        signed(both.service_level, 100.0),
        pair(planned.wait_seconds, changed.wait_seconds, 1.0),
        signed(both.wait_seconds, 1.0),
        pair(planned.abandoned_share, changed.abandoned_share, 100.0),
        signed(both.abandoned_share, 100.0),
    ]
}

fn cell(estimate: Option<Estimate>, factor: f64) -> Cell {
    let Some(estimate) = estimate else { return Cell { mean: "-".into(), band: String::new() } };
    let band = estimate.plus_minus().map(|half| half * factor);
    let mean = estimate.mean * factor;
    let digits = usize::from(mean.abs().max(band.unwrap_or(0.0)) < 99.95);
    Cell { mean: format!("{mean:.digits$}"), band: band.map_or(String::new(), |half| format!("±{half:.digits$}")) }
}

fn table(queue: &QueueReport) -> String {
    let level = show_duration(Duration::from_secs_f64(queue.service_level_seconds));
    let head = ["calls", "answered", &format!("in {level}"), "wait", "90 %", "longest", "hung up", "others"];
    let unit = ["", "", "%", "s", "s", "s", "%", ""];
    let cells = |row: &QueueRow| {
        // The sum of nothing is minus zero.
        let others: f64 = 0.0 + row.others().map(|(_, estimate)| estimate.mean).sum::<f64>();
        [
            cell(row.offered, 1.0),
            cell(row.answered, 1.0),
            cell(row.service_level, 100.0),
            cell(row.wait_seconds, 1.0),
            cell(row.wait_p90_seconds, 1.0),
            cell(row.wait_longest_seconds, 1.0),
            cell(row.abandoned_share, 100.0),
            Cell { mean: format!("{others:.1}"), band: String::new() },
        ]
    };
    let mut rows: Vec<(String, [Cell; 8])> = Vec::new();
    rows.extend(queue.intervals.iter().map(|interval| (interval.from.clone(), cells(&interval.row))));
    rows.push(("day".into(), cells(&queue.day)));
    let mut text = format!("queue {}\n", queue.name);
    text += &aligned(&head, &unit, &rows);
    let others: Vec<String> = queue
        .day
        .others()
        .map(|(exit, estimate)| {
            let Cell { mean, band } = cell(Some(*estimate), 1.0);
            format!("{} {mean} {band}", word(exit)).trim_end().to_owned()
        })
        .collect();
    if !others.is_empty() {
        text += &format!("others: {}\n", others.join(", "));
    }
    text
}

fn word(exit: crate::acd::Exit) -> String {
    serde_json::to_value(exit).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Mean waits (solid) and what nine of ten did not exceed (shaded) over the day; nothing if nobody waited.
fn picture(queue: &QueueReport) -> String {
    let mean = |estimate: Option<Estimate>| estimate.map_or(0.0, |estimate| estimate.mean);
    let waits = queue.intervals.iter().map(|i| (mean(i.row.wait_seconds), mean(i.row.wait_p90_seconds)));
    let waits: Vec<(f64, f64)> = waits.collect();
    let highest = waits.iter().map(|(wait, p90)| wait.max(*p90)).fold(0.0, f64::max);
    if highest < 0.5 {
        return String::new();
    }
    let top = nice(highest);
    let label = show_duration(Duration::from_secs_f64(top));
    let margin = label.len().max(2);
    // Intervals that do not fit are drawn together, the highest for all.
    let room = WIDTH - margin - 3;
    let together = waits.len().div_ceil(room);
    let drawn: Vec<(f64, f64)> = waits
        .chunks(together)
        .map(|c| c.iter().fold((0.0, 0.0), |a: (f64, f64), b| (a.0.max(b.0), a.1.max(b.1))))
        .collect();
    let wide = (room / drawn.len()).clamp(1, 4);
    let bar = |(wait, p90): &(f64, f64), line: usize| {
        let (wait, p90) = (wait / top * HEIGHT as f64 - line as f64, p90 / top * HEIGHT as f64 - line as f64);
        let eighths = (wait * 8.0).round().clamp(0.0, 8.0) as usize;
        match eighths {
            0 if p90 >= 0.5 => '░',
            eighths => [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][eighths],
        }
    };
    let mut text = "wait: █ mean, ░ nine of ten\n".to_owned();
    for line in (0..HEIGHT).rev() {
        let label = if line + 1 == HEIGHT { label.as_str() } else { "" };
        let bars: String = drawn
            .iter()
            .map(|one| {
                let bars = bar(one, line).to_string().repeat(wide.max(2) - 1);
                if wide > 1 { bars + " " } else { bars }
            })
            .collect();
        text += format!("{label:>margin$} ┤{bars}").trim_end();
        text.push('\n');
    }
    text += &format!("{:>margin$} └{}\n", "0s", axis(queue, together, wide, drawn.len()));
    text
}

/// The times at which columns begin, as many as there is room for.
fn axis(queue: &QueueReport, together: usize, wide: usize, columns: usize) -> String {
    let mut axis = String::new();
    let mut length = 0;
    for column in 0..columns {
        let at = column * wide;
        let label = &queue.intervals[column * together].from;
        if at >= length && (length == 0 || at > length) {
            axis += &"─".repeat(at - length);
            axis += label;
            length = at + label.len();
        }
    }
    axis + &"─".repeat((columns * wide).saturating_sub(length))
}

/// A round number of seconds that is not below.
fn nice(seconds: f64) -> f64 {
    const ROUND: [u32; 18] = [1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 600, 1200, 1800, 3600];
    ROUND
        .into_iter()
        .map(f64::from)
        .find(|round| *round >= seconds)
        .unwrap_or_else(|| (seconds / 3600.0).ceil() * 3600.0)
}

fn occupancy(groups: &[GroupReport]) -> String {
    let Some(first) = groups.first() else { return String::new() };
    const NO: Cell = Cell { mean: String::new(), band: String::new() };
    let mut head = [""; 2 * GROUPS];
    let mut unit = [""; 2 * GROUPS];
    let names: Vec<String> = groups.iter().map(|group| group.name.chars().take(16).collect()).collect();
    for (i, name) in names.iter().enumerate() {
        (head[2 * i + 1], unit[2 * i], unit[2 * i + 1]) = (name, "agents", "occupied %");
    }
    let mut rows: Vec<(String, [Cell; 2 * GROUPS])> = Vec::new();
    for (i, interval) in first.intervals.iter().enumerate() {
        let mut cells = [NO; 2 * GROUPS];
        for (g, group) in groups.iter().enumerate() {
            let row = &group.intervals[i].row;
            let there = row.staffed_hours.map_or(0.0, |hours| hours.mean * 3600.0 / interval.seconds);
            cells[2 * g] = Cell { mean: format!("{there:.1}"), band: String::new() };
            cells[2 * g + 1] = cell(row.occupancy, 100.0);
        }
        rows.push((interval.from.clone(), cells));
    }
    let mut cells = [NO; 2 * GROUPS];
    for (g, group) in groups.iter().enumerate() {
        let hours = group.day.staffed_hours.map_or(0.0, |hours| hours.mean);
        cells[2 * g] = Cell { mean: format!("{hours:.1} h"), band: String::new() };
        cells[2 * g + 1] = cell(group.day.occupancy, 100.0);
    }
    rows.push(("day".into(), cells));
    format!("agents\n{}", aligned(&head, &unit, &rows))
}

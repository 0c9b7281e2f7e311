//! `vaxel simulate`: many days on all cores, and how far they are.

use super::output::complain;
use crate::acd::QueueSettings;
use crate::config::{Problem, load_day};
use crate::sim::forecast::{Caller, Comparison, LeftOut, More, Outcomes, Plan, Recording, Report, Run, draw};
use crate::time::{Duration, Time};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

/// How often the bar is drawn anew, and how often a line is written where there is no terminal.
const BAR_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(5);
const BAR_WIDTH: usize = 30;

#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Whose callers come beside those of the plan, and when the day began on which they did.
    pub recorded: Option<(&'a Recording, Time)>,
    /// One day from each.
    pub seeds: u64,
    pub first_seed: u64,
    /// `None`: as many as there are cores.
    pub threads: Option<NonZero<usize>>,
}

/// Reads a day; with the queues of a recording, if its callers come.
///
/// # Errors
///
/// As [`load_day`].
pub fn plan(file: &Path, recorded: Option<&[QueueSettings]>) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    load_day(file, &|path| fs::read_to_string(path), recorded)
}

/// Plays the days and says on standard error how far it is. The report depends on plan and seeds alone, not on threads.
pub fn run(plan: &Plan, options: &Options<'_>) -> Report {
    let left_out = left_out(plan, options);
    Report { left_out, ..Report::of(plan, options.first_seed, &days(plan, options)) }
}

/// The plan beside the same with more people, or fewer.
///
/// # Errors
///
/// As [`More::of`].
pub fn compare(plan: &Plan, more: &[More], options: &Options<'_>) -> anyhow::Result<Comparison> {
    let mut changed = plan.clone();
    for more in more {
        changed = more.of(&changed).map_err(|problem| anyhow::anyhow!("--more {more}: {problem}"))?;
    }
    let (before, after) = (days(plan, options), days(&changed, options));
    let mut comparison = Comparison::of(options.first_seed, (plan, &before), (&changed, &after));
    let left_out = left_out(plan, options);
    (comparison.planned.left_out, comparison.changed.left_out) = (left_out, left_out);
    Ok(comparison)
}

fn days(plan: &Plan, options: &Options<'_>) -> Vec<Outcomes> {
    let began = Instant::now();
    let steps = plan.intervals() as u64 + 1;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = options.threads.map_or(cores, NonZero::get);
    let threads = threads.min(usize::try_from(options.seeds).unwrap_or(usize::MAX)).max(1);
    let next = AtomicU64::new(0);
    let days: Mutex<Vec<(u64, Outcomes)>> = Mutex::default();
    let (told, news) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let told = told.clone();
            let (next, days) = (&next, &days);
            scope.spawn(move || {
                loop {
                    let day = next.fetch_add(1, Ordering::Relaxed);
                    if day >= options.seeds {
                        return;
                    }
                    let seed = options.first_seed.wrapping_add(day);
                    let outcomes = play(plan, seed, callers(plan, seed, options), &told);
                    days.lock().expect("no thread dies while it holds the days").push((day, outcomes));
                }
            });
        }
        drop(told);
        Progress { began, days: options.seeds, steps_of_a_day: steps }.show(&news);
    });
    let mut days = days.into_inner().expect("all threads are done");
    days.sort_by_key(|(day, _)| *day);
    let days: Vec<Outcomes> = days.into_iter().map(|(_, outcomes)| outcomes).collect();
    let decisions: u64 = days.iter().map(|day| day.decisions).sum();
    let seconds = began.elapsed().as_secs_f64();
    let calls: u64 = days.iter().map(|day| day.calls).sum();
    let rate = calls as f64 / seconds.max(1e-6);
    let (number, cores) = (in_days(days.len() as u64), if threads == 1 { "thread" } else { "threads" });
    complain(format_args!(
        "{number}, {calls} calls, {decisions} decisions in {seconds:.1} s on {threads} {cores}: {rate:.0} calls/s",
    ));
    days
}

fn left_out(plan: &Plan, options: &Options<'_>) -> Option<LeftOut> {
    options.recorded.map(|(recording, midnight)| recording.left_out(plan, midnight))
}

fn callers(plan: &Plan, seed: u64, options: &Options<'_>) -> Vec<Caller> {
    let mut callers = draw(plan, seed);
    if let Some((recording, midnight)) = options.recorded {
        callers.extend(recording.callers(plan, midnight, seed));
        callers.sort_by_key(|caller| caller.at);
    }
    callers
}

/// One day, told of by the interval; nobody may listen any more.
fn play(plan: &Plan, seed: u64, callers: Vec<Caller>, told: &Sender<()>) -> Outcomes {
    let mut run = Run::with_callers(plan, seed, callers);
    for interval in 0..plan.intervals() {
        run.advance(plan.interval(interval).1);
        told.send(()).ok();
    }
    let outcomes = run.finish();
    told.send(()).ok();
    outcomes
}

struct Progress {
    began: Instant,
    days: u64,
    steps_of_a_day: u64,
}

impl Progress {
    /// Until all who could tell something have gone.
    fn show(&self, news: &Receiver<()>) {
        let is_terminal = io::stderr().is_terminal();
        let every = if is_terminal { BAR_EVERY } else { LINE_EVERY };
        let (mut steps, mut shown) = (0u64, self.began);
        while news.recv().is_ok() {
            steps += 1;
            let now = Instant::now();
            if now.duration_since(shown) >= every {
                shown = now;
                let (done, line) = self.line(steps, now.duration_since(self.began));
                if is_terminal { redraw(&format!("{} {line}", bar(done))) } else { complain(line) }
            }
        }
        if is_terminal {
            redraw("");
        }
    }

    /// The share that is done, and how that is said.
    fn line(&self, steps: u64, passed: Duration) -> (f64, String) {
        let all = self.days * self.steps_of_a_day;
        let done = steps as f64 / all as f64;
        let left = passed.as_secs_f64() * (1.0 - done) / done.max(1e-9);
        let (minutes, seconds) = (left as u64 / 60, left as u64 % 60);
        let days = steps / self.steps_of_a_day;
        (done, format!("{:.0} %, {days} of {}, {minutes}:{seconds:02} left", done * 100.0, in_days(self.days)))
    }
}

fn in_days(days: u64) -> String {
    if days == 1 { "1 day".into() } else { format!("{days} days") }
}

fn bar(done: f64) -> String {
    let filled = ((done * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
    "█".repeat(filled) + &"░".repeat(BAR_WIDTH - filled)
}

/// In place of what stood in this line of the terminal.
fn redraw(line: &str) {
    // What cannot be shown there can be shown nowhere.
    drop(io::stderr().write_all(format!("\r\x1b[2K{line}").as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DAY;

    #[test]
    fn threads_change_nothing() {
        let (plan, _) = load_day(Path::new("day.toml"), &|_| Ok(DAY.to_owned()), None).expect("a good day");
        let with =
            |threads| run(&plan, &Options { recorded: None, seeds: 5, first_seed: 3, threads: NonZero::new(threads) });
        assert_eq!(with(1), with(4));
    }

    #[test]
    fn a_line_tells_days_and_time_left() {
        let progress = Progress { began: Instant::now(), days: 20, steps_of_a_day: 10 };
        let (done, line) = progress.line(50, Duration::from_secs(30));
        assert_eq!(line, "25 %, 5 of 20 days, 1:30 left");
        assert_eq!(bar(done), "███████░░░░░░░░░░░░░░░░░░░░░░░");
        let (done, line) = progress.line(200, Duration::from_secs(30));
        assert_eq!((line.as_str(), bar(done)), ("100 %, 20 of 20 days, 0:00 left", "█".repeat(30)));
        assert_eq!(Progress { days: 1, ..progress }.line(5, Duration::from_secs(1)).1, "50 %, 0 of 1 day, 0:01 left");
    }
}

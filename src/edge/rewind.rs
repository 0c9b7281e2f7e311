//! `vaxel rewind`: the queues as they stood at a moment, folded from the journal. Only reads; the service may be running.

use super::floor::TaskName;
use super::journal::{self, Damage, End, Lost, Replay, doubt};
use super::{control, moment, why};
use crate::acd::{
    Acd, AcdEvent, AgentState, AgentView, Change, Kind, Phase, QueueSettings, TalkDetail, TaskStands, TaskView,
};
use crate::ids::{AgentId, QueueId};
use crate::time::{Duration, Time};
use anyhow::{Context, bail};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The queues at a moment.
#[derive(Debug, PartialEq, Serialize)]
pub struct Stood {
    /// RFC 3339.
    pub at: String,
    /// Of the last event before.
    pub last_event: Option<String>,
    /// Why it may not be as it was.
    pub doubts: Vec<String>,
    pub queues: Vec<Queue>,
    pub tasks_in_hand: Vec<InHand>,
    pub agents: Vec<Agent>,
}

/// A task that an agent worked on.
#[derive(Debug, PartialEq, Serialize)]
pub struct InHand {
    pub task: String,
    pub queue: String,
    pub reference: String,
    pub agent: String,
    pub since: String,
    pub worked_seconds: f64,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Queue {
    pub name: String,
    /// Callers on the line, of whom the longest wait is.
    pub waiting: usize,
    pub tasks: usize,
    /// Those who are to be called back.
    pub callbacks: u32,
    pub longest_wait_seconds: Option<f64>,
    /// Next to be served first.
    pub entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Entry {
    pub entry: String,
    /// `call` or `task`.
    pub kind: Kind,
    /// The call's id; what a task is called where it came from.
    pub reference: String,
    /// As callers are told; several may have the same where agents can do different things. Those that sleep have none.
    pub position: Option<u32>,
    pub waits_seconds: f64,
    pub needs: String,
    /// Agents whose phones ring for it.
    pub rung: Vec<String>,
    /// Nobody is on the line.
    pub is_called_back: bool,
    /// And not yet, or not while the queue is closed.
    pub sleeps: bool,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Agent {
    pub name: String,
    pub state: &'static str,
    /// Of a talk: `speaking`, `held` or `consulting`.
    pub detail: Option<&'static str>,
    /// Of a pause.
    pub reason: Option<String>,
    pub since: Option<String>,
    pub until: Option<String>,
}

/// What `vaxel rewind --at at` prints. `folder`: the data folder; `at` as people write it.
///
/// # Errors
///
/// `at` is no moment, or none that the journal knows of; a file cannot be read.
pub fn rewind(folder: &Path, at: &str, now: Time, json: bool) -> anyhow::Result<String> {
    let zone = TimeZone::system();
    let at = moment::read(at, now, &zone)?;
    if at > now {
        bail!("{} is still to come", moment::show(at, &zone));
    }
    let stood = fold(folder, at, control::is_answered(folder), &zone)?;
    if json {
        return Ok(serde_json::to_string_pretty(&stood).expect("it has texts for keys") + "\n");
    }
    Ok(text(&stood))
}

/// The state at this moment. `runs`: a service runs now.
fn fold(folder: &Path, at: Time, runs: bool, zone: &TimeZone) -> anyhow::Result<Stood> {
    let folder = journal::folder(folder);
    let named = || format!("cannot read the journal in {}", folder.display());
    let mut doubts = Vec::new();
    let replay = Replay::<Acd>::open(&folder, at, |named, damage| doubts.push(doubt::snapshot(named.name(), damage)));
    let Some(mut replay) = replay.with_context(named)? else {
        match journal::begin(&folder).with_context(named)? {
            Some(begin) => bail!("the journal in {} begins at {}", folder.display(), moment::show(begin, zone)),
            None => return Err(journal::none(&folder)),
        }
    };
    let mut known = Known { until: replay.begun(), beat: None, ended: None };
    let (mut last, mut went_on) = (None, false);
    while let Some(noted) = replay.next().with_context(named)? {
        let event = &noted.event;
        if event.at > at || replay.begun() > at {
            went_on = true;
            match event.change {
                // The next run, which began after that.
                Change::WasDown { since } if since < at => known.ended = Some(Ended::Run { since, again: event.at }),
                // What it ends of the one before.
                _ if event.at <= at => continue,
                _ => {}
            }
            break;
        }
        last = Some(event.at);
        (known.until, known.beat) = (known.until.max(event.at).max(replay.begun()), replay.beat());
        replay.apply(&noted);
    }
    match replay.end() {
        // The running service is about to write the rest.
        None | Some(End::Whole | End::Damaged { damage: Damage::Torn, .. }) => {}
        // Of what came later.
        Some(End::Damaged { file, .. }) if file.made > at => {}
        Some(End::Gap { lost: Some(lost), .. }) if lost.since > at => went_on = true,
        Some(End::Gap { lost: Some(lost), file, .. }) => {
            known.ended = Some(Ended::Writing { lost: *lost, again: file.made });
        }
        Some(end) => doubts.push(format!("{end}; shown is what was known before")),
    }
    for vaxel in replay.others() {
        doubts.push(doubt::other(vaxel));
    }
    doubts.extend(replay.otherwise().map(ToString::to_string));
    let at = match known.doubt(at, replay.state.poll_timeout(), runs, went_on, zone) {
        None => at,
        Some((doubt, stood)) => {
            doubts.push(doubt);
            stood
        }
    };
    // Deadlines that had passed by then.
    replay.state.apply(&AcdEvent { at, change: Change::Tick });
    while replay.state.poll_decision().is_some() {}
    Ok(Stood::of(&replay.state, at, last, doubts, zone))
}

/// How long something is known.
struct Known {
    /// Something was written then.
    until: Time,
    /// And so often at least from then on, had the service run.
    beat: Option<Duration>,
    ended: Option<Ended>,
}

/// Why nothing is known of a time.
enum Ended {
    /// A run ended, and the next began.
    Run { since: Time, again: Time },
    /// The disk did not take what happened, and then it did.
    Writing { lost: Lost, again: Time },
}

impl Known {
    /// Why it may have stood otherwise at this moment, and the moment before of which it is known. `due`: the next deadline; `went_on`:
    /// something was written later.
    fn doubt(&self, at: Time, due: Option<Time>, runs: bool, went_on: bool, zone: &TimeZone) -> Option<(String, Time)> {
        let show = |at| moment::show(at, zone);
        let overdue = due.filter(|due| *due + why::ALIVE < at).map(|due| due - Duration::from_micros(1));
        let silent = self.beat.is_some_and(|beat| self.until + beat + why::ALIVE < at) && !went_on;
        match self.ended {
            Some(Ended::Run { since, again }) => {
                let since = since.max(self.until);
                Some((format!("{}; shown is how it stood at {}", doubt::down(since, again, show), show(since)), since))
            }
            Some(Ended::Writing { lost, again }) => {
                let doubt = format!("{}; shown is how it stood before", doubt::lost(lost, again, show));
                Some((doubt, lost.since - Duration::from_micros(1)))
            }
            None if overdue.is_some() || silent => {
                let what = if went_on { "vaxel did not run then, or could not write" } else { doubt::silent(runs) };
                let stood = overdue.unwrap_or(at).min(if silent { self.until } else { at });
                Some((format!("{what}; shown is how it was before, at {}", show(stood)), stood))
            }
            None if !runs && !went_on => {
                Some((format!("{}; shown is the last that was written before", doubt::silent(runs)), self.until))
            }
            None => None,
        }
    }
}

impl Stood {
    /// `acd` as of `at`.
    fn of(acd: &Acd, at: Time, last: Option<Time>, doubts: Vec<String>, zone: &TimeZone) -> Stood {
        let show = |at| moment::show_with_offset(at, zone);
        let names: BTreeMap<AgentId, &str> = acd.agents().map(|agent| (agent.id, agent.name)).collect();
        let entry = |id| {
            let entry = acd.entry(id)?;
            Some(Entry {
                entry: if entry.kind == Kind::Task { TaskName(id).to_string() } else { id.to_string() },
                kind: entry.kind,
                reference: entry.reference.to_owned(),
                position: if entry.sleeps { None } else { acd.position(id) },
                waits_seconds: at.since(entry.since).as_secs_f64(),
                needs: acd.needs(id).map(why::show).unwrap_or_default(),
                rung: entry.rung.iter().map(|agent| names[agent].to_owned()).collect(),
                is_called_back: acd.callback(id).is_some(),
                sleeps: entry.sleeps,
            })
        };
        let queue = |(id, settings): (QueueId, &QueueSettings)| {
            let entries: Vec<Entry> = acd.entries(id).into_iter().filter_map(entry).collect();
            let on_the_line = || entries.iter().filter(|entry| entry.kind == Kind::Call && !entry.is_called_back);
            Queue {
                name: settings.name.clone(),
                waiting: on_the_line().count(),
                tasks: entries.iter().filter(|entry| entry.kind == Kind::Task).count(),
                callbacks: acd.callbacks(id),
                longest_wait_seconds: on_the_line().map(|entry| entry.waits_seconds).max_by(f64::total_cmp),
                entries,
            }
        };
        let agent = |agent: AgentView<'_>| {
            let (reason, until) = match agent.state {
                AgentState::Paused { reason, until } => (Some(reason.clone()), *until),
                AgentState::WrapUp { until } | AgentState::BackOff { until } | AgentState::Probed { until } => {
                    (None, Some(*until))
                }
                AgentState::Resting { until, reason } => (Some(reason.name().to_owned()), Some(*until)),
                AgentState::Offered { deadline, .. } => (None, Some(*deadline)),
                _ => (None, None),
            };
            let detail = if let AgentState::Talking { detail, .. } = agent.state { Some(detail.name()) } else { None };
            Agent {
                detail,
                name: agent.name.to_owned(),
                state: agent.state.label(),
                reason,
                since: agent.since.map(show),
                until: until.map(show),
            }
        };
        let in_hand = |task: TaskView<'_>| {
            let TaskStands::InHand { agent, since } = task.stands else { return None };
            Some(InHand {
                task: TaskName(task.id).to_string(),
                queue: acd.queue_settings(task.queue).map_or_else(String::new, |queue| queue.name.clone()),
                reference: task.reference.to_owned(),
                agent: names[&agent].to_owned(),
                since: show(since),
                worked_seconds: at.since(since).as_secs_f64(),
            })
        };
        Stood {
            tasks_in_hand: acd.tasks().filter_map(in_hand).collect(),
            at: show(at),
            last_event: last.map(show),
            doubts,
            queues: acd.queues().map(queue).collect(),
            agents: acd.agents().map(agent).collect(),
        }
    }
}

/// How many wait beside those on the line.
fn beside(queue: &Queue) -> String {
    let tasks = match queue.tasks {
        0 => String::new(),
        1 => ", 1 task".into(),
        tasks => format!(", {tasks} tasks"),
    };
    let promised = match queue.callbacks {
        0 => String::new(),
        callbacks => format!(", {callbacks} to be called back"),
    };
    tasks + &promised
}

/// For people. `at` is when it stood so.
fn text(stood: &Stood) -> String {
    let mut text = format!("{}\n", stood.at);
    let length = |seconds: f64| moment::show_length(Duration::from_secs_f64(seconds));
    let mut line = |parts: std::fmt::Arguments| writeln!(text, "{parts}").expect("writing to memory cannot fail");
    for doubt in &stood.doubts {
        line(format_args!("(!) {doubt}"));
    }
    for queue in &stood.queues {
        line(format_args!(""));
        match queue.longest_wait_seconds {
            None => line(format_args!("{}: nobody waits{}", queue.name, beside(queue))),
            Some(longest) => {
                let (waiting, beside) = (queue.waiting, beside(queue));
                line(format_args!("{}: {waiting} waiting, the longest {}{beside}", queue.name, length(longest)));
            }
        }
        for entry in &queue.entries {
            let place = entry.position.map_or_else(|| "-".into(), |position| position.to_string());
            let needs = if entry.needs.is_empty() { String::new() } else { format!("  needs {}", entry.needs) };
            let rung = if entry.rung.is_empty() { String::new() } else { format!("  rings {}", entry.rung.join(", ")) };
            let waits = length(entry.waits_seconds);
            let back = match (entry.is_called_back, entry.sleeps) {
                (false, _) => "",
                (true, false) => "  to be called back",
                (true, true) => "  to be called back, not yet",
            };
            line(format_args!("  {place:>3}  {waits:>8}  {}  {}{back}{needs}{rung}", entry.entry, entry.reference));
        }
    }
    if !stood.tasks_in_hand.is_empty() {
        line(format_args!("\ntasks in hand"));
    }
    for task in &stood.tasks_in_hand {
        let InHand { task: id, queue, reference, agent, .. } = task;
        line(format_args!("  {:>8}  {id}  {reference}  of {queue}, by {agent}", length(task.worked_seconds)));
    }
    line(format_args!("\nagents"));
    let width = stood.agents.iter().map(|agent| agent.name.chars().count()).max().unwrap_or(0);
    let time = |at: &Option<String>| at.as_ref().and_then(|at| at.get(11..19)).map(str::to_owned);
    let mut agents: Vec<&Agent> = stood.agents.iter().collect();
    // Who is not there comes last.
    let order =
        |agent: &Agent| (agent.state == "offline", Phase::ALL.iter().position(|phase| phase.name() == agent.state));
    agents.sort_by_key(|agent| (order(agent), &agent.name));
    for agent in agents {
        let mut about = String::new();
        if let Some(detail) = agent.detail.filter(|detail| *detail != TalkDetail::Speaking.name()) {
            about += &format!(": {detail}");
        }
        if let Some(reason) = &agent.reason {
            about += &format!(": {reason}");
        }
        if let Some(since) = time(&agent.since) {
            about += &format!(", since {since}");
        }
        if let Some(until) = time(&agent.until) {
            about += &format!(", until {until}");
        }
        line(format_args!("  {:width$}  {}{about}", agent.name, agent.state));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::{Arrival, Callback, Exit};
    use crate::edge::journal::testing::{ANNA, ENTRY, SALES, arrive, at, day, run, write};
    use crate::edge::testing::Folder;
    use crate::ids::EntryId;

    fn stood(seconds: u64) -> anyhow::Result<Stood> {
        let folder = Folder::new();
        write(folder.path(), day());
        fold(folder.path(), at(seconds), true, &TimeZone::UTC)
    }

    #[test]
    fn the_queues_are_shown_as_they_stood_then() {
        let shown = text(&stood(50).unwrap());
        let expected = "\
2026-11-23T09:00:50+00:00

sales: 1 waiting, the longest 40s
    1       40s  entry-70    needs sales  rings anna

agents
  bo       ready, since 09:00:02
  anna     offered, since 09:00:40, until 09:01:00
  cecilia  paused: lunch, since 09:00:04
  dan      offline
";
        assert_eq!(shown, expected, "\n{shown}");
        let shown = text(&stood(76).unwrap());
        assert!(shown.contains("sales: nobody waits\n"), "{shown}");
        assert!(shown.contains("  anna     paused: no answer, since 09:01:00, until 09:02:00\n"), "{shown}");
        assert!(shown.contains("  cecilia  talking, since 09:01:15\n"), "{shown}");
    }

    #[test]
    fn tasks_and_promises_are_told_apart_from_who_is_on_the_line() {
        let arrive = |entry, at_second, more: fn(&mut Arrival)| {
            let mut arrival = Arrival { queue: SALES, since: at(at_second), ..Arrival::default() };
            more(&mut arrival);
            (13, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
        };
        let task = |arrival: &mut Arrival| arrival.kind = Kind::Task;
        let promise = |arrival: &mut Arrival| {
            let number = "+46701234567".to_owned();
            arrival.callback = Some(Box::new(Callback { number, not_before: at(3600), ..Callback::default() }));
        };
        let anew = [arrive(71, 1, task), arrive(72, 2, task), arrive(73, 12, promise)];
        let events: Vec<(u64, Change)> =
            day().into_iter().take_while(|(second, _)| *second <= 10).chain(anew).collect();
        let folder = Folder::new();
        run(folder.path(), 0, events, |_| false);
        let stood = fold(folder.path(), at(15), true, &TimeZone::UTC).unwrap();
        let shown = text(&stood);
        let expected = "\
sales: 1 waiting, the longest 5s, 2 tasks, 1 to be called back
    1       14s  task-71    needs sales
    2       13s  task-72    needs sales
    3        5s  entry-70    needs sales
    -        3s  entry-73    to be called back, not yet  needs sales
";
        assert!(shown.contains(expected), "{shown}");
        let queue = &stood.queues[0];
        assert_eq!((queue.waiting, queue.tasks, queue.callbacks, queue.longest_wait_seconds), (1, 2, 1, Some(5.0)));
    }

    #[test]
    fn programs_are_told_the_same() {
        let json = serde_json::to_value(stood(50).unwrap()).unwrap();
        assert_eq!(json["at"], "2026-11-23T09:00:50+00:00");
        assert_eq!(json["last_event"], "2026-11-23T09:00:40+00:00");
        let entry = &json["queues"][0]["entries"][0];
        assert_eq!(
            (&entry["position"], &entry["waits_seconds"], &entry["rung"][0]),
            (&1.into(), &40.0.into(), &"anna".into())
        );
        assert_eq!(json["agents"][2]["reason"], "lunch");
        assert_eq!(json["agents"][3]["since"], serde_json::Value::Null);
    }

    #[test]
    fn when_nobody_wrote_that_is_said() {
        // Anna's pause should have ended at 120 s.
        let late = stood(200).unwrap();
        assert!(late.doubts[0].contains("vaxel runs and does not write"), "{:?}", late.doubts);
        assert_eq!(late.agents[0].state, "paused");
        assert_eq!(stood(121).unwrap().agents[0].state, "probed");
        let error = fold(Folder::new().path(), at(0), true, &TimeZone::UTC).unwrap_err().to_string();
        assert!(error.contains("there is no journal"), "{error}");
        let folder = Folder::new();
        write(folder.path(), day());
        let error = fold(folder.path(), Time::from_secs(1), true, &TimeZone::UTC).unwrap_err().to_string();
        assert!(error.contains("begins at 2026-11-23 09:00:00"), "{error}");
        let error = rewind(folder.path(), "2999-01-01T00:00:00Z", at(0), false).unwrap_err().to_string();
        assert!(error.contains("still to come"), "{error}");
    }

    /// The first 50 seconds of the day, with nothing for some time at the end but that the service is there.
    fn begun() -> Vec<(u64, Change)> {
        let ticks = [45, 50].map(|second| (second, Change::Tick));
        day().into_iter().take_while(|(second, _)| *second <= 40).chain(ticks).collect()
    }

    #[test]
    fn between_two_runs_nothing_is_said_of_then() {
        let folder = Folder::new();
        run(folder.path(), 0, begun(), |_| false);
        let of_before = Change::Leave { entry: ENTRY, exit: Exit::SystemFault };
        run(
            folder.path(),
            200,
            [(50, of_before), (200, Change::WasDown { since: at(50) }), (204, Change::Tick)],
            |_| false,
        );
        let stood = |second| fold(folder.path(), at(second), true, &TimeZone::UTC).unwrap();
        for second in [51, 55, 59, 199] {
            let stood = stood(second);
            let doubt = "no vaxel ran from 2026-11-23 09:00:50 at the earliest to 2026-11-23 09:03:20; shown is how it stood at 2026-11-23 09:00:50";
            assert_eq!(stood.doubts, [doubt], "at {second}");
            assert_eq!((stood.at.as_str(), stood.queues[0].waiting), ("2026-11-23T09:00:50+00:00", 1));
        }
        for (second, waiting) in [(48, 1), (50, 1), (200, 0), (204, 0), (210, 0)] {
            let stood = stood(second);
            assert_eq!((stood.doubts.len(), stood.queues[0].waiting), (0, waiting), "at {second}");
        }
        assert!(stood(215).doubts[0].starts_with("vaxel runs and does not write"));
    }

    #[test]
    fn a_service_that_does_not_write_is_not_taken_for_an_idle_one() {
        let folder = Folder::new();
        let idle = begun().into_iter().filter(|(_, change)| *change != arrive());
        run(folder.path(), 0, idle, |_| false);
        let stood = |second, runs| fold(folder.path(), at(second), runs, &TimeZone::UTC).unwrap();
        assert!(stood(59, true).doubts.is_empty());
        let doubt = stood(61, true).doubts.remove(0);
        assert_eq!(doubt, "vaxel runs and does not write; shown is how it was before, at 2026-11-23 09:00:50");
        assert!(stood(61, false).doubts[0].starts_with("no vaxel runs now"));
    }

    #[test]
    fn a_time_of_which_the_disk_did_not_take_the_events_is_named_with_their_number() {
        let folder = Folder::new();
        let lunch = |at| (at, Change::Pause { agent: ANNA, reason: "lunch".into() });
        let ticks = |seconds: std::ops::RangeInclusive<u64>| seconds.map(|second| (second, Change::Tick));
        let events = begun().into_iter().chain([lunch(52)]).chain(ticks(53..=59)).chain(ticks(91..=95));
        run(folder.path(), 0, events, |second| (52..=80).contains(&second));
        let stood = |second| fold(folder.path(), at(second), true, &TimeZone::UTC).unwrap();
        for second in [52, 60, 90] {
            let stood = stood(second);
            assert_eq!(stood.doubts.len(), 1, "{:?}", stood.doubts);
            // The pause, seven beats, and the end of a refusal.
            let doubt = &stood.doubts[0];
            assert!(doubt.starts_with("the disk did not take the 9 events from 2026-11-23 09:00:52 to "), "{doubt}");
            assert_eq!(stood.agents[0].state, "offered");
        }
        assert!(stood(51).doubts.is_empty());
        let after = stood(95);
        assert_eq!((after.doubts.len(), after.agents[0].state), (0, "paused"));
    }
}

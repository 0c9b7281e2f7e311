//! What became of one contact, folded from the journal.

use super::reasons::{self, Reason, Shown, name};
use super::watched::Watched;
use super::{ALIVE, Agents, Look, left, show};
use crate::acd::{
    Acd, AcdEvent, Change, Decision, Exit, Hours, Kind, Noted, Outcome, Prefer, QueueSettings, TaskStands, Who,
};
use crate::edge::journal::{self, End, Lost, Replay};
use crate::edge::moment;
use crate::ids::{AgentId, EntryId, QueueId};
use crate::time::{Duration, Time};
use anyhow::{Context, bail};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A time line.
#[derive(Debug, Serialize)]
pub struct Told {
    /// The call, entry or task.
    id: String,
    lines: Vec<Line>,
    /// Why it may not be as it was.
    doubts: Vec<String>,
    /// Of the one agent who was asked about: how long they had which reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Watched>,
}

#[derive(Debug, Serialize)]
struct Line {
    /// RFC 3339.
    at: String,
    #[serde(skip)]
    shown: String,
    what: String,
    /// Why each agent has it or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    agents: Vec<Reason>,
}

impl Told {
    /// Of one that is not known.
    pub fn unknown(error: &anyhow::Error) -> Told {
        Told { id: format!("{error:#}"), lines: Vec::new(), doubts: Vec::new(), agent: None }
    }

    /// For people.
    pub fn text(&self, agents: Agents) -> String {
        let mut text = format!("{}\n", self.id);
        let one = matches!(agents, Agents::One(_));
        for line in &self.lines {
            writeln!(text, "{}  {}", line.shown, line.what).expect("writing to memory cannot fail");
            if !one && !line.agents.is_empty() {
                text += &reasons::table(&line.agents, agents == Agents::All);
            }
        }
        if let Some(watched) = &self.agent {
            text += &watched.text();
        }
        for doubt in &self.doubts {
            writeln!(text, "(!) {doubt}").expect("writing to memory cannot fail");
        }
        text
    }
}

/// Of these entries.
///
/// # Errors
///
/// The journal does not know them, or the agent who is asked about; it cannot be read.
pub fn story(look: Look, of: &str, entries: &[EntryId]) -> anyhow::Result<Told> {
    let Look { runs, now, zone, .. } = look;
    let folder = journal::folder(look.folder);
    let named = || format!("cannot read the journal in {}", folder.display());
    let is_it = |noted: &Noted| matches!(&noted.event.change, Change::Arrive { entry, .. } if entries.contains(entry));
    let arrivals: Vec<Noted> = journal::search::<Acd>(&folder, b"\"Arrive\"", is_it).with_context(named)?;
    let Some(first) = arrivals.iter().map(|noted| noted.event.at).min() else {
        match journal::begin(&folder).with_context(named)? {
            Some(begin) => bail!(
                "{of} joined no queue since {}, when the journal in {} begins",
                moment::show(begin, zone),
                folder.display()
            ),
            None => bail!("there is no journal in {}; `--config FILE` names other settings", folder.display()),
        }
    };
    // What was made then may have it already.
    let before = first - Duration::from_micros(1);
    let replay = Replay::<Acd>::open(&folder, before, |_, _| ()).with_context(named)?;
    let mut replay = replay.with_context(|| {
        format!(
            "{of} arrived at {}, and no good snapshot from before is in {}",
            moment::show(first, zone),
            folder.display()
        )
    })?;
    let mut story = Story {
        entries: BTreeMap::new(),
        promises: BTreeSet::new(),
        tasks: BTreeSet::new(),
        in_hand: BTreeMap::new(),
        lost: None,
        to_come: arrivals.len(),
        watched: if let Agents::One(agent) = look.agents { Some(Watched::new(agent)) } else { None },
        look,
        told: Told { id: of.to_owned(), lines: Vec::new(), doubts: Vec::new(), agent: None },
    };
    let mut last = first;
    loop {
        while let Some(noted) = replay.next().with_context(named)? {
            let event = &noted.event;
            step(&mut replay.state, event.at, &mut story);
            story.remembers(&replay.state);
            replay.state.apply(event);
            replay.compare(&noted);
            last = event.at;
            if is_it(&noted) {
                story.arrives(&replay.state, event);
            }
            story.is_moved(&replay.state, event);
            story.forgets(&replay.state, event.at);
            story.observe(&mut replay.state, event.at);
            if let Change::WasDown { since } = event.change {
                story.was_down(since, event.at);
            }
            // What follows in the same instant may say why they were lost.
            if story.is_over() && story.lost.is_none_or(|lost| lost < event.at) {
                return story.end(&replay, event.at);
            }
        }
        let end = replay.end().cloned();
        if !replay.jump().with_context(named)? {
            if let Some(end @ (End::Gap { .. } | End::Damaged { .. })) = end {
                story.breaks_off(last, &end, "");
            }
            break;
        }
        if let Some(end) = end {
            story.breaks_off(last, &end, "; a later snapshot goes on");
        }
        story.look_again(&replay.state, last);
    }
    if story.is_over() {
        return story.end(&replay, last);
    }
    let written = last.max(replay.begun());
    let is_alive = runs
        && replay.beat().is_none_or(|beat| written + beat + ALIVE > now)
        && replay.state.poll_timeout().is_none_or(|due| due + ALIVE > now);
    let until = if is_alive { now } else { last };
    step(&mut replay.state, until, &mut story);
    if !is_alive {
        let why = if runs { "vaxel runs and cannot write" } else { "no vaxel runs" };
        story.line(last, &format!("(!) nothing was written after this: {why}"));
    }
    story.waits(&replay.state, until);
    story.end(&replay, until)
}

/// Acts on the deadlines up to `until`, each at its own time and before what else happened then, so that each is told of as it
/// was.
fn step(acd: &mut Acd, until: Time, story: &mut Story) {
    while let Some(due) = acd.poll_timeout().filter(|due| *due <= until) {
        acd.apply(&AcdEvent { at: due, change: Change::Tick });
        story.observe(acd, due);
    }
}

struct Story<'a> {
    /// Those that have arrived; false: left, or, of a task, done.
    entries: BTreeMap<EntryId, bool>,
    /// Those of them that are promises to call back.
    promises: BTreeSet<EntryId>,
    /// Which of them are tasks.
    tasks: BTreeSet<EntryId>,
    /// Tasks that were worked on before the event, by whom and since when.
    in_hand: BTreeMap<EntryId, (AgentId, Time)>,
    /// When the last of them was lost by a fault of the system.
    lost: Option<Time>,
    /// Arrivals that are not yet told.
    to_come: usize,
    /// The one agent who is asked about.
    watched: Option<Watched>,
    look: Look<'a>,
    told: Told,
}

impl Story<'_> {
    fn shown(&self) -> Shown<'_> {
        Shown { now: self.look.now, zone: self.look.zone }
    }

    fn line(&mut self, at: Time, what: &str) {
        let (shown, what) = (self.shown().at(at), what.to_owned());
        let at = moment::show_with_offset(at, self.look.zone);
        self.told.lines.push(Line { at, shown, what, agents: Vec::new() });
    }

    /// With other versions of the program that wrote this, and what was decided otherwise.
    fn end(mut self, replay: &Replay<Acd>, at: Time) -> anyhow::Result<Told> {
        let others = replay
            .others()
            .map(|vaxel| format!("vaxel {vaxel} wrote this, which may have decided otherwise than this one"));
        self.told.doubts = others.chain(replay.otherwise().map(ToString::to_string)).collect();
        if let Some(mut watched) = self.watched.take() {
            watched.end(at);
            watched.must_be_known(&replay.state)?;
            self.told.agent = Some(watched);
        }
        Ok(self.told)
    }

    /// A run ended, and another began.
    fn was_down(&mut self, since: Time, again: Time) {
        if self.lost == Some(since) || self.entries.values().any(|waits| *waits) {
            let (from, to) = (self.shown().at(since), self.shown().at(again));
            self.line(since, &format!("(!) no vaxel ran from {from} to {to}"));
        }
    }

    /// Not all that happened then is there.
    fn breaks_off(&mut self, last: Time, end: &End, then: &str) {
        match end {
            End::Gap { lost: Some(Lost { events, since }), file, .. } => {
                let (from, to) = (self.shown().at(*since), self.shown().at(file.made));
                let what = format!("(!) the disk did not take the {events} events from {from} to {to}{then}");
                self.line(*since, &what);
            }
            end => self.line(last, &format!("(!) {end}{then}")),
        }
    }

    fn is_over(&self) -> bool {
        self.to_come == 0 && !self.entries.is_empty() && self.entries.values().all(|waits| !waits)
    }

    fn is_moved(&mut self, acd: &Acd, event: &AcdEvent) {
        if let Change::Priority { entry, priority } = &event.change
            && self.entries.get(entry) == Some(&true)
        {
            let place = acd.position(*entry).map(|place| format!(", number {place} in line")).unwrap_or_default();
            self.line(event.at, &format!("has priority {priority} from now on{place}"));
        }
    }

    fn arrives(&mut self, acd: &Acd, event: &AcdEvent) {
        let Change::Arrive { entry, arrival } = &event.change else { return };
        self.to_come = self.to_come.saturating_sub(1);
        self.entries.insert(*entry, true);
        if arrival.kind == Kind::Task {
            self.tasks.insert(*entry);
        }
        let queue = acd.queue_settings(arrival.queue).map_or("an unknown queue", |settings| settings.name.as_str());
        self.promises.extend(arrival.callback.as_ref().map(|_| *entry));
        if acd.entry(*entry).is_some_and(|waits| waits.queue != arrival.queue) {
            // What is known of it now is of the queue where it went on to, which is told next.
            let obstacle = obstacle(acd, arrival.queue);
            return self.line(event.at, &format!("comes to {queue} as {entry}, which does not take it: {obstacle}"));
        }
        let joins = if arrival.callback.is_some() { "is to be called back by" } else { "joins" };
        let mut what = format!("{joins} {queue} as {entry}");
        let needs = show(acd.needs(*entry).unwrap_or(&arrival.need));
        if !needs.is_empty() {
            what += &format!(", needs {needs}");
        }
        if let Some(position) = acd.position(*entry) {
            what += &format!(", number {position} in line");
        }
        let since = acd.entry(*entry).map_or(arrival.since, |waits| waits.since);
        if since < arrival.since.min(event.at) {
            what += ", back in the place that was kept";
        }
        let waited = event.at.since(since);
        if waited >= Duration::from_secs(1) {
            what += &format!(", having waited {} before", moment::show_length(waited));
        }
        let prefer = acd.entry(*entry).map_or(&[][..], |waits| waits.prefer);
        if prefer.len() > arrival.prefer.len()
            && let Some(Prefer { who: Who::Agent(agent), wait }) = prefer.first()
        {
            let wait = moment::show_length(*wait);
            what += &format!(", after a talk that broke kept for {} for {wait}", name(acd, *agent));
        }
        self.line(event.at, &what);
        // Who is rung at once is told with that.
        if acd.entry(*entry).is_some_and(|entry| entry.rung.is_empty()) {
            self.reasons(acd, *entry);
        }
    }

    fn remembers(&mut self, acd: &Acd) {
        let in_hand = |entry: &EntryId| match acd.task(*entry)?.stands {
            TaskStands::InHand { agent, since } => Some((*entry, (agent, since))),
            TaskStands::InLine { .. } | TaskStands::Offered(_) => None,
        };
        self.in_hand = self.tasks.iter().filter_map(in_hand).collect();
    }

    /// Tells of tasks that are done by now.
    fn forgets(&mut self, acd: &Acd, at: Time) {
        for (entry, (agent, since)) in std::mem::take(&mut self.in_hand) {
            if acd.task(entry).is_none() {
                self.entries.insert(entry, false);
                let worked = moment::show_length(at.since(since));
                self.line(at, &format!("{} has done it, after {worked}", name(acd, agent)));
            }
        }
    }

    /// Tells what follows for these entries.
    fn observe(&mut self, acd: &mut Acd, at: Time) {
        let mut to_explain = BTreeSet::new();
        let mut lines = Vec::new();
        while let Some(decision) = acd.poll_decision() {
            match decision {
                Decision::Offer { entry, agent, .. } if self.entries.contains_key(&entry) => {
                    to_explain.insert(entry);
                    let agent = name(acd, agent);
                    let is_task = self.tasks.contains(&entry);
                    lines.push(if is_task { format!("is offered to {agent}") } else { format!("rings {agent}") });
                }
                Decision::OfferEnded { entry, agent, outcome, .. } if self.entries.contains_key(&entry) => {
                    let agent = name(acd, agent);
                    let is_task = self.tasks.contains(&entry);
                    lines.push(if is_task { offer_ended(&agent, outcome) } else { ended(&agent, outcome) });
                }
                Decision::Exit { entry, waited, to: Some(to), .. } if self.entries.contains_key(&entry) => {
                    let to = acd.queue_settings(to).map_or("an unknown queue", |settings| settings.name.as_str());
                    let mut line = format!("goes on to {to} after {}", moment::show_length(waited));
                    let needs = acd.needs(entry).map(show).unwrap_or_default();
                    if !needs.is_empty() {
                        line += &format!(", needs {needs}");
                    }
                    if let Some(position) = acd.position(entry) {
                        line += &format!(", number {position} in line");
                    }
                    to_explain.insert(entry);
                    lines.push(line);
                }
                Decision::NotReached { entry, again, .. } if self.entries.contains_key(&entry) => {
                    lines.push(match again {
                        Some(again) => {
                            let at = self.shown().at(again);
                            format!("was called back in vain, and not again before {at}")
                        }
                        None => "was called back in vain, and is called no more".to_owned(),
                    });
                }
                Decision::Exit { entry, exit, waited, .. } if self.entries.contains_key(&entry) => {
                    let is_task = self.tasks.contains(&entry);
                    self.entries.insert(entry, is_task && exit == Exit::Answered);
                    if exit == Exit::SystemFault {
                        self.lost = Some(at);
                    }
                    let what = match exit {
                        Exit::Answered if is_task => "accepted",
                        Exit::LeftByKey if is_task => "withdrawn",
                        exit => left(exit),
                    };
                    lines.push(format!("{what} after {}", moment::show_length(waited)));
                }
                _ => {}
            }
        }
        // A promise is over when its number has answered, and not when an agent has.
        for (entry, waits) in self.entries.iter_mut().filter(|(entry, _)| self.promises.contains(entry)) {
            *waits |= acd.callback(*entry).is_some();
            *waits &= acd.entry(*entry).is_some() || acd.callback(*entry).is_some();
        }
        lines.into_iter().for_each(|line| self.line(at, &line));
        to_explain.into_iter().for_each(|entry| self.reasons(acd, entry));
        self.watch(acd, at);
    }

    /// Why each agent has it or not; with the line before. Of one agent it is told when it changes.
    fn reasons(&mut self, acd: &Acd, entry: EntryId) {
        if self.watched.is_some() {
            return;
        }
        let shown = self.shown();
        let reasons = acd.explain(entry);
        let reasons = reasons.iter().map(|(agent, why)| Reason::of(acd, entry, *agent, why, shown)).collect();
        if let Some(line) = self.told.lines.last_mut() {
            line.agents = reasons;
        }
    }

    /// Tells what has changed for the one agent.
    fn watch(&mut self, acd: &Acd, at: Time) {
        let Some(mut watched) = self.watched.take() else { return };
        for entry in self.entries.keys().copied().collect::<Vec<_>>() {
            if let Some(reason) = watched.look(acd, entry, at, self.shown()) {
                self.line(at, &reason.said());
                self.told.lines.last_mut().expect("it was put there").agents.push(reason);
            }
        }
        self.watched = Some(watched);
    }

    /// After a jump: what became of them is not known.
    fn look_again(&mut self, acd: &Acd, at: Time) {
        let gone: Vec<_> = self.entries.iter().filter(|(entry, waits)| **waits && !is_known(acd, **entry)).collect();
        let gone: Vec<EntryId> = gone.into_iter().map(|(entry, _)| *entry).collect();
        for entry in gone {
            self.entries.insert(entry, false);
            self.line(at, &format!("{entry} is not in line any more; how it left is not known"));
        }
    }

    /// Of those that are still there.
    fn waits(&mut self, acd: &Acd, at: Time) {
        let waiting: Vec<EntryId> = self.entries.iter().filter(|(_, waits)| **waits).map(|(entry, _)| *entry).collect();
        for entry in waiting {
            if let Some(TaskStands::InHand { agent, since }) = acd.task(entry).map(|task| task.stands) {
                let worked = moment::show_length(at.since(since));
                self.line(at, &format!("{} still works on it, for {worked}", name(acd, agent)));
            }
            let Some(waiting) = acd.entry(entry) else { continue };
            let place = acd.position(entry).map_or(String::new(), |position| format!(", number {position} in line"));
            let waited = moment::show_length(at.since(waiting.since));
            self.line(at, &format!("still waits, for {waited}{place}"));
            self.reasons(acd, entry);
        }
    }
}

fn ended(agent: &str, outcome: Outcome) -> String {
    match outcome {
        Outcome::Accepted => format!("{agent} answers"),
        Outcome::Declined => format!("{agent} declines"),
        Outcome::Busy => format!("{agent} is busy"),
        Outcome::NoAnswer => format!("{agent} does not answer"),
        Outcome::Unreachable => format!("{agent} cannot be reached"),
        Outcome::CallerGone => format!("{agent} is not rung any more: the caller has left"),
        Outcome::AnsweredElsewhere => format!("{agent} is not rung any more: another was first"),
        Outcome::Withdrawn => format!("{agent} is not rung any more: a licence for it has run out"),
    }
}

/// What kept an entry out of this queue just now.
fn obstacle(acd: &Acd, queue: QueueId) -> &'static str {
    let is_full = |settings: &QueueSettings| acd.waiting(queue) >= settings.max_waiting;
    match acd.hours(queue) {
        Some(Hours::Closed { .. }) => "it is closed",
        _ if acd.queue_settings(queue).is_some_and(is_full) => "it is full",
        _ => "nobody is there for it, it would wait too long, or the queue is about to close",
    }
}

/// Of an offer of a task.
fn offer_ended(agent: &str, outcome: Outcome) -> String {
    match outcome {
        Outcome::Accepted => format!("{agent} accepts"),
        Outcome::NoAnswer => format!("{agent} does not accept in time"),
        Outcome::Unreachable => format!("{agent} is not there any more"),
        Outcome::CallerGone => format!("{agent} is not offered it any more: it was withdrawn"),
        Outcome::AnsweredElsewhere => format!("{agent} is not offered it any more: another was first"),
        Outcome::Withdrawn => format!("{agent} is not offered it any more: a licence for it has run out"),
        outcome @ (Outcome::Declined | Outcome::Busy) => ended(agent, outcome),
    }
}

fn is_known(acd: &Acd, entry: EntryId) -> bool {
    acd.entry(entry).is_some() || acd.task(entry).is_some()
}

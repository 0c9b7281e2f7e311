//! What became of one contact, folded from the journal.

use super::reasons::{self, Reason, Shown, name};
use super::watched::Watched;
use super::{ALIVE, Agents, Look, show, words};
use crate::acd::{Acd, AcdEvent, Arrival, Change, Decision, Exit, Kind, Noted, Obstacle, Prefer, TaskStands, Who};
use crate::edge::journal::{self, End, Replay, doubt};
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
    moment: Time,
    #[serde(skip)]
    shown: String,
    what: String,
    /// Why each agent has it or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    agents: Vec<Reason>,
}

impl Told {
    /// Nothing yet.
    pub fn of(id: &str) -> Told {
        Told { id: id.to_owned(), lines: Vec::new(), doubts: Vec::new(), agent: None }
    }

    /// Of one that is not known.
    pub fn unknown(error: &anyhow::Error) -> Told {
        Told::of(&format!("{error:#}"))
    }

    /// With what else is known to have happened, each at its time and before what followed then.
    pub fn with(mut self, others: impl IntoIterator<Item = (Time, String)>, look: Look) -> Told {
        let shown = Shown { now: look.now, zone: look.zone };
        for (moment, what) in others {
            let place = self.lines.iter().position(|line| line.moment >= moment).unwrap_or(self.lines.len());
            let at = moment::show_with_offset(moment, look.zone);
            self.lines.insert(place, Line { at, moment, shown: shown.at(moment), what, agents: Vec::new() });
        }
        self
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
    let is_it = |noted: &Noted| entries.iter().any(|entry| is_arrival_of(noted, *entry));
    let arrivals: Vec<Noted> = journal::search::<Acd>(&folder, b"\"Arrive\"", is_it).with_context(named)?;
    let Some(first) = arrivals.iter().map(|noted| noted.event.at).min() else {
        match journal::begin(&folder).with_context(named)? {
            Some(begin) => bail!(
                "{of} is not in the journal in {}, which begins at {}{}",
                folder.display(),
                moment::show(begin, zone),
                not_yet(runs)
            ),
            None => return Err(journal::none(&folder)),
        }
    };
    let came = |entry: &EntryId| arrivals.iter().any(|noted| is_arrival_of(noted, *entry));
    let missing = entries.iter().filter(|entry| !came(entry));
    let missing = missing.map(|entry| format!("{entry} is not in the journal{}", not_yet(runs))).collect();
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
        arrivals: BTreeMap::new(),
        not_taken: None,
        promises: BTreeSet::new(),
        tasks: BTreeSet::new(),
        in_hand: BTreeMap::new(),
        lost: None,
        to_come: arrivals.len(),
        watched: if let Agents::One(agent) = look.agents { Some(Watched::new(agent)) } else { None },
        look,
        told: Told { doubts: missing, ..Told::of(of) },
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
            let decisions = decided(&mut replay.state);
            if is_it(&noted) {
                story.arrives(&replay.state, event, &decisions);
            }
            story.is_moved(&replay.state, event);
            story.is_reached(&replay.state, event);
            story.forgets(&replay.state, event.at);
            story.observe(&replay.state, event.at, decisions);
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
        story.line(last, &format!("(!) nothing was written after this: {}", doubt::silent(runs)));
    }
    story.waits(&replay.state, until);
    story.end(&replay, until)
}

/// Acts on the deadlines up to `until`, each at its own time and before what else happened then, so that each is told of as it
/// was.
fn step(acd: &mut Acd, until: Time, story: &mut Story) {
    while let Some(due) = acd.poll_timeout().filter(|due| *due <= until) {
        acd.apply(&AcdEvent { at: due, change: Change::Tick });
        let decisions = decided(acd);
        story.observe(acd, due, decisions);
    }
}

fn decided(acd: &mut Acd) -> Vec<Decision> {
    std::iter::from_fn(|| acd.poll_decision()).collect()
}

struct Story<'a> {
    /// Those that have arrived; false: left, or, of a task, done.
    entries: BTreeMap<EntryId, bool>,
    /// Those of them that may still leave a queue, as they are.
    arrivals: BTreeMap<EntryId, Arrival>,
    /// The one of them that has just come to this queue, which did not take it.
    not_taken: Option<(EntryId, QueueId)>,
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
        self.line_of(at, what, Vec::new());
    }

    fn line_of(&mut self, at: Time, what: &str, agents: Vec<Reason>) {
        let (moment, shown, what) = (at, self.shown().at(at), what.to_owned());
        let at = moment::show_with_offset(at, self.look.zone);
        self.told.lines.push(Line { at, moment, shown, what, agents });
    }

    /// With other versions of the program that wrote this, and what was decided otherwise.
    fn end(mut self, replay: &Replay<Acd>, at: Time) -> anyhow::Result<Told> {
        let others = replay.others().map(doubt::other);
        self.told.doubts.extend(others.chain(replay.otherwise().map(ToString::to_string)));
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
            let down = doubt::down(since, again, |at| self.shown().at(at));
            self.line(since, &format!("(!) {down}"));
        }
    }

    /// Not all that happened then is there.
    fn breaks_off(&mut self, last: Time, end: &End, then: &str) {
        match end {
            End::Gap { lost: Some(lost), file, .. } => {
                let what = doubt::lost(*lost, file.made, |at| self.shown().at(at));
                self.line(lost.since, &format!("(!) {what}{then}"));
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
            let is_in_line = acd.entry(*entry).is_some_and(|entry| !entry.sleeps);
            let place = acd.position(*entry).filter(|_| is_in_line);
            let place = place.map(|place| format!(", number {place} in line")).unwrap_or_default();
            self.line(event.at, &format!("has priority {priority} from now on{place}"));
        }
    }

    /// Who was to be called back has answered.
    fn is_reached(&mut self, acd: &Acd, event: &AcdEvent) {
        if let Change::Reached { entry } = &event.change
            && self.entries.get(entry) == Some(&true)
            && self.promises.contains(entry)
            && acd.callback(*entry).is_none()
        {
            self.line(event.at, "the number answers");
        }
    }

    /// `decisions`: what followed from it.
    fn arrives(&mut self, acd: &Acd, event: &AcdEvent, decisions: &[Decision]) {
        let Change::Arrive { entry, arrival } = &event.change else { return };
        self.to_come = self.to_come.saturating_sub(1);
        self.entries.insert(*entry, true);
        if arrival.kind == Kind::Task {
            self.tasks.insert(*entry);
        }
        let queue = acd.queue_settings(arrival.queue).map_or("an unknown queue", |settings| settings.name.as_str());
        self.promises.extend(arrival.callback.as_ref().map(|_| *entry));
        self.arrivals.insert(*entry, (**arrival).clone());
        let not_taken = decisions.iter().find_map(|decision| match decision {
            Decision::Exit { entry: of, queue, obstacle, waited, .. } if (*of, *queue) == (*entry, arrival.queue) => {
                obstacle.map(|obstacle| (obstacle, *waited))
            }
            _ => None,
        });
        if let Some((obstacle, waited)) = not_taken {
            // What is known of it now is of the queue where it went on to, if any, which is told next.
            self.not_taken = Some((*entry, arrival.queue));
            let why = words::obstacle(obstacle, self.shown());
            let what = match arrival.callback {
                None => format!("comes to {queue} as {entry}, which does not take it: {why}"),
                Some(_) => format!("is not called back by {queue}, as {entry}: {why}"),
            };
            let reasons = self.turned_away(acd, (*entry, arrival.queue), waited, obstacle);
            return self.line_of_all(event.at, &what, reasons);
        }
        let since = acd.entry(*entry).map_or(arrival.since, |waits| waits.since);
        let is_back = since < arrival.since.min(event.at);
        let goes_on = |decision: &Decision| match decision {
            Decision::Exit { entry: of, queue, to: Some(_), .. } => (*of, *queue) == (*entry, arrival.queue),
            _ => false,
        };
        if decisions.iter().any(goes_on) {
            let kept = if is_back { ", to the place that was kept" } else { "" };
            return self.line(event.at, &format!("comes to {queue} as {entry}, and goes on at once{kept}"));
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
        if is_back {
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
    fn observe(&mut self, acd: &Acd, at: Time, decisions: Vec<Decision>) {
        let mut to_explain = BTreeSet::new();
        let not_taken = self.not_taken.take();
        for decision in decisions {
            match decision {
                Decision::Offer { entry, agent, .. } if self.entries.contains_key(&entry) => {
                    to_explain.insert(entry);
                    let agent = name(acd, agent);
                    let is_task = self.tasks.contains(&entry);
                    let verb = if is_task { "is offered to" } else { "rings" };
                    self.line(at, &format!("{verb} {agent}"));
                }
                Decision::OfferEnded { entry, agent, outcome, .. } if self.entries.contains_key(&entry) => {
                    let agent = name(acd, agent);
                    let what = match (self.tasks.contains(&entry), self.promises.contains(&entry)) {
                        (true, _) => words::offer_of_task_ended(&agent, outcome),
                        (false, true) => words::offer_of_promise_ended(&agent, outcome),
                        (false, false) => words::offer_ended(&agent, outcome),
                    };
                    self.line(at, &what);
                }
                Decision::Exit { entry, queue, waited, to: Some(to), obstacle, .. }
                    if self.entries.contains_key(&entry) =>
                {
                    if let Some(obstacle) = obstacle.filter(|_| not_taken != Some((entry, queue))) {
                        let reasons = self.turned_away(acd, (entry, queue), waited, obstacle);
                        let what = format!("cannot stay: {}", words::obstacle(obstacle, self.shown()));
                        self.line_of_all(at, &what, reasons);
                    }
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
                    self.line(at, &line);
                }
                Decision::NotReached { entry, again, .. } if self.entries.contains_key(&entry) => {
                    let what = match again {
                        Some(again) if again > at => {
                            format!("was not reached, and is not called again before {}", self.shown().at(again))
                        }
                        Some(_) => "was not reached, and waits on in its place".to_owned(),
                        None => "was not reached, and is called no more".to_owned(),
                    };
                    self.line(at, &what);
                }
                Decision::Exit { entry, queue, exit, waited, obstacle, .. } if self.entries.contains_key(&entry) => {
                    let is_task = self.tasks.contains(&entry);
                    self.entries.insert(entry, is_task && exit == Exit::Answered);
                    if exit == Exit::SystemFault {
                        self.lost = Some(at);
                    }
                    if not_taken == Some((entry, queue)) {
                        continue;
                    }
                    let length = moment::show_length(waited);
                    if let Some(obstacle) = obstacle {
                        let why = words::obstacle(obstacle, self.shown());
                        let reasons = self.turned_away(acd, (entry, queue), waited, obstacle);
                        self.line_of_all(at, &format!("was sent on after {length}: {why}"), reasons);
                        continue;
                    }
                    let what = match (is_task, self.promises.contains(&entry)) {
                        (true, _) => words::task_left(exit),
                        (false, true) => words::promise_left(exit),
                        (false, false) => words::left(exit),
                    };
                    self.line(at, &format!("{what} after {length}"));
                }
                _ => {}
            }
        }
        // A promise is over when its number has answered, and not when an agent has.
        for (entry, waits) in self.entries.iter_mut().filter(|(entry, _)| self.promises.contains(entry)) {
            *waits |= acd.callback(*entry).is_some();
            *waits &= acd.entry(*entry).is_some() || acd.callback(*entry).is_some();
        }
        to_explain.into_iter().for_each(|entry| self.reasons(acd, entry));
        self.watch(acd, at);
        let known = self.arrivals.iter_mut().filter_map(|(entry, known)| Some((known, acd.entry(*entry)?.arrival)));
        known.filter(|(known, now)| *known != *now).for_each(|(known, now)| known.clone_from(now));
    }

    /// Why no agent could have had it, who left this queue or was not taken by it, after so long; where it was for want of agents.
    fn turned_away(
        &self,
        acd: &Acd,
        (entry, queue): (EntryId, QueueId),
        waited: Duration,
        obstacle: Obstacle,
    ) -> Vec<Reason> {
        let Some(arrival) = self.arrivals.get(&entry).filter(|_| obstacle.is_want_of_agents()) else {
            return Vec::new();
        };
        let arrival = Arrival { queue, since: acd.now() - waited, ..arrival.clone() };
        let reasons = acd.explain_turned_away(entry, &arrival);
        reasons.iter().map(|(agent, why)| Reason::of(acd, entry, *agent, why, self.shown())).collect()
    }

    /// With the reasons of all agents; or of the one who is asked about, whose reason is said beneath.
    fn line_of_all(&mut self, at: Time, what: &str, reasons: Vec<Reason>) {
        let Some(watched) = &self.watched else { return self.line_of(at, what, reasons) };
        let theirs = reasons.into_iter().find(|reason| watched.is(&reason.agent));
        self.line(at, what);
        if let Some(reason) = theirs {
            self.line_of(at, &reason.said(), vec![reason]);
        }
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
                self.line_of(at, &reason.said(), vec![reason]);
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
            if acd.is_being_dialled(entry) {
                self.line(at, "the number is being called");
            }
            let Some(waiting) = acd.entry(entry) else { continue };
            let place = acd.position(entry).map_or(String::new(), |position| format!(", number {position} in line"));
            let waited = moment::show_length(at.since(waiting.since));
            let waits = if self.promises.contains(&entry) { "still waits to be called back" } else { "still waits" };
            self.line(at, &format!("{waits}, for {waited}{place}"));
            self.reasons(acd, entry);
        }
    }
}

fn is_arrival_of(noted: &Noted, of: EntryId) -> bool {
    matches!(&noted.event.change, Change::Arrive { entry, .. } if *entry == of)
}

/// Why what is not written may have been all the same.
pub(super) fn not_yet(runs: bool) -> &'static str {
    if runs { "; what happened in the last second may not be written yet" } else { "" }
}

fn is_known(acd: &Acd, entry: EntryId) -> bool {
    acd.entry(entry).is_some() || acd.task(entry).is_some()
}

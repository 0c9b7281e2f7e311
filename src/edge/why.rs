//! `vaxel why`: how one contact came through the queues, and why it waited. Folded from the journal; only reads.

use super::journal::{self, End, Replay};
use super::store::{self, Asked, Call};
use super::{control, moment};
use crate::acd::{
    Acd, AcdEvent, Change, Decision, Exit, Kind, Noted, Outcome, Prefer, RestReason, TaskStands, Who, WhyNot,
};
use crate::ids::{AgentId, CallId, EntryId};
use crate::need::Need;
use crate::time::{Duration, Time};
use anyhow::{Context, bail};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// Names of agents with the same reason are told up to so many.
const NAMES_MAX: usize = 4;

/// A service that runs acts on each deadline, and writes that it did; if it has not for so long, it does not run.
pub(super) const ALIVE: Duration = Duration::from_secs(5);

/// Calls of one number are listed up to so many.
const CALLS_MAX: usize = 20;

/// What `vaxel why who` prints. `folder`: the data folder; `who`: a call's or entry's id, or a caller's number. Of a number's calls
/// those that are up are told, else the last; with `last`, so many of them. The others are named beneath.
///
/// # Errors
///
/// Nothing is known of it; a file cannot be read.
pub fn why(folder: &Path, who: &str, last: Option<usize>, now: Time) -> anyhow::Result<String> {
    let zone = TimeZone::system();
    let runs = control::is_answered(folder);
    let number = |prefix: &str| who.strip_prefix(prefix).and_then(|number| number.parse().ok());
    let (entry, call) = (number("entry-").or_else(|| number("task-")), number("call-"));
    if last.is_some() && (entry.is_some() || call.is_some()) {
        bail!("`--last` is for the calls of a number; {who} is one");
    }
    if let Some(entry) = entry {
        return story(folder, who, &[EntryId(entry)], runs, now, &zone);
    }
    if let Some(call) = call {
        let found = store::contacts(folder, Asked::Call(CallId(call)), 1)?;
        let missing = || format!("no contact record has {who}; what was heard in the last second may not be there yet");
        return told(folder, found.calls.first().with_context(missing)?, runs, now, &zone);
    }
    let found = store::contacts(folder, Asked::From(who), last.unwrap_or(0).max(CALLS_MAX))?;
    let up = found.calls.iter().filter(|call| call.is_up).count();
    let (first, others) = found.calls.split_at(last.unwrap_or(up.max(1)).min(found.calls.len()));
    let mut text = match first {
        [] => {
            bail!("no contact record has a call from {who}; a call's id is in the log, as `call-…`, and serves as well")
        }
        [call] if others.is_empty() => return told(folder, call, runs, now, &zone),
        // What is not known of one says nothing of the others.
        calls => calls.iter().fold(String::new(), |text, call| {
            let gap = if text.is_empty() { "" } else { "\n" };
            text + gap + &told(folder, call, runs, now, &zone).unwrap_or_else(|error| format!("{error:#}\n"))
        }),
    };
    if !others.is_empty() {
        text += &format!("\nOther calls from {who}{}:\n", if found.more { ", the latest" } else { "" });
        others.iter().for_each(|call| text += &format!("  {}\n", listed(call, now, &zone)));
        let all = found.calls.len();
        text +=
            &format!("`vaxel why call-…` tells of one of them, `vaxel why --last {all} {who}` of the last {all}.\n");
    }
    Ok(text)
}

/// One call.
fn told(folder: &Path, call: &Call, runs: bool, now: Time, zone: &TimeZone) -> anyhow::Result<String> {
    let contact = &call.contact;
    let waits = contact.waits.iter().map(|wait| wait.entry);
    let promised = contact.promised.iter().map(|promised| promised.entry);
    let calls_back = contact.calls_back.iter().map(|calls_back| calls_back.entry);
    let entries: Vec<EntryId> = waits.chain(promised).chain(calls_back).collect();
    if entries.is_empty() {
        bail!("{} from {} to {} was in no queue", contact.id, contact.from, contact.to);
    }
    story(folder, &contact.id.to_string(), &entries, runs, now, zone)
}

/// When it came, which queues it was in, and how it left them.
fn listed(call: &Call, now: Time, zone: &TimeZone) -> String {
    let Call { contact, is_up } = call;
    let waits = contact.waits.iter().map(|wait| match wait.exit {
        Some(exit) => {
            format!(
                "{}: {} after {}",
                wait.queue,
                left(exit),
                moment::show_length(Duration::from_millis(wait.waited_ms))
            )
        }
        None => format!("{}: waits", wait.queue),
    });
    let waits = waits.collect::<Vec<_>>().join(", ");
    let waits = if waits.is_empty() { "was in no queue" } else { &waits };
    let up = if *is_up { ", is up" } else { "" };
    format!("{}  {}  {waits}{up}", moment::show_near(contact.started, now, zone), contact.id)
}

/// Of these entries.
fn story(
    folder: &Path,
    of: &str,
    entries: &[EntryId],
    runs: bool,
    now: Time,
    zone: &TimeZone,
) -> anyhow::Result<String> {
    let folder = journal::folder(folder);
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
        to_come: arrivals.len(),
        now,
        zone,
        text: format!("{of}\n"),
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
            if story.is_over() {
                story.doubt(&replay);
                return Ok(story.text);
            }
        }
        let end = replay.end().cloned();
        if !replay.jump().with_context(named)? {
            if let Some(end @ (End::Gap { .. } | End::Damaged { .. })) = end {
                story.line(last, &format!("(!) {end}"));
            }
            break;
        }
        if let Some(end) = end {
            story.line(last, &format!("(!) {end}; a later snapshot goes on"));
        }
        story.look_again(&replay.state, last);
    }
    let is_alive = runs && replay.state.poll_timeout().is_none_or(|due| due + ALIVE > now);
    let until = if is_alive { now } else { last };
    step(&mut replay.state, until, &mut story);
    story.doubt(&replay);
    if !is_alive {
        story.line(last, "(!) nothing was written after this: vaxel does not run, or cannot write");
    }
    story.waits(&replay.state, until);
    Ok(story.text)
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
    /// Arrivals that are not yet told.
    to_come: usize,
    now: Time,
    zone: &'a TimeZone,
    text: String,
}

impl Story<'_> {
    fn line(&mut self, at: Time, what: &str) {
        let at = moment::show_near(at, self.now, self.zone);
        writeln!(self.text, "{at}  {what}").expect("writing to memory cannot fail");
    }

    /// Other versions of the program that wrote this, and what was decided otherwise.
    fn doubt(&mut self, replay: &Replay<Acd>) {
        let others = replay
            .others()
            .map(|vaxel| format!("vaxel {vaxel} wrote this, which may have decided otherwise than this one"));
        for doubt in others.chain(replay.otherwise().map(ToString::to_string)) {
            writeln!(self.text, "(!) {doubt}").expect("writing to memory cannot fail");
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
                            let at = moment::show_near(again, self.now, self.zone);
                            format!("was called back in vain, and not again before {at}")
                        }
                        None => "was called back in vain, and is called no more".to_owned(),
                    });
                }
                Decision::Exit { entry, exit, waited, .. } if self.entries.contains_key(&entry) => {
                    let is_task = self.tasks.contains(&entry);
                    self.entries.insert(entry, is_task && exit == Exit::Answered);
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
    }

    /// Why each agent has it or not.
    fn reasons(&mut self, acd: &Acd, entry: EntryId) {
        let reasons = acd.explain(entry);
        if reasons.is_empty() {
            return;
        }
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (agent, reason) in &reasons {
            groups.entry(words(reason)).or_default().push(name(acd, *agent));
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(words, agents)| (std::cmp::Reverse(agents.len()), words.clone()));
        writeln!(self.text, "          {} agents:", reasons.len()).expect("writing to memory cannot fail");
        for (words, agents) in groups {
            let names = if agents.len() > NAMES_MAX { String::new() } else { format!(": {}", agents.join(", ")) };
            writeln!(self.text, "            {:>5} {words}{names}", agents.len())
                .expect("writing to memory cannot fail");
        }
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

/// Empty if nothing is needed.
pub(super) fn show(needs: &Need) -> String {
    String::from(needs.clone())
}

fn name(acd: &Acd, agent: AgentId) -> String {
    acd.agent(agent).map_or_else(|| agent.to_string(), |agent| agent.settings.name.clone())
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

fn left(exit: Exit) -> &'static str {
    match exit {
        Exit::Answered => "answered",
        Exit::Abandoned => "hung up",
        Exit::ShortAbandoned => "hung up at once,",
        Exit::Overflowed => "went elsewhere (overflow)",
        Exit::TimedOut => "reached the longest wait,",
        Exit::Callback => "is called back; left",
        Exit::LeftByKey => "left by a key",
        Exit::Transferred => "was transferred",
        Exit::QueueClosed => "was sent on: the queue closed,",
        Exit::NoAgents => "was sent on: nobody logged in could serve it,",
        Exit::RefusedFull => "was sent on: the queue was full,",
        Exit::SystemFault => "was lost by a fault of the system",
    }
}

/// A reason without what differs from agent to agent.
fn words(reason: &WhyNot) -> String {
    match reason {
        WhyNot::NotSkilled { skill, until } => format!("lack {skill}{}", relaxed(*until)),
        WhyNot::LevelTooLow { skill, needs, until, .. } => format!("below {needs} in {skill}{}", relaxed(*until)),
        WhyNot::UnwantedSkill { skill, until } => format!("have {skill}, which is not wanted{}", relaxed(*until)),
        WhyNot::NobodyCan { until } => format!("asked for what nobody can{}", relaxed(*until)),
        WhyNot::NotMember => "not members of the queue".into(),
        WhyNot::NoLicence { kind, jurisdiction } => format!("without a licence: {kind} for {jurisdiction}"),
        WhyNot::LicenceNotValid { kind, jurisdiction, .. } => {
            format!("with a licence that does not count now: {kind} for {jurisdiction}")
        }
        WhyNot::Working { .. } => "on as many tasks as they can have".into(),
        WhyNot::KeptForOther { .. } => "passed over for now: it is kept for another".into(),
        WhyNot::Offline => "offline".into(),
        WhyNot::Paused { reason, .. } => format!("paused ({reason})"),
        WhyNot::WrapUp { .. } => "in wrap-up".into(),
        WhyNot::RingingOther { .. } => "rung for another".into(),
        WhyNot::Ringing { .. } => "rung for this one".into(),
        WhyNot::Talking { .. } => "talking".into(),
        WhyNot::Busy => "on a call of their own".into(),
        WhyNot::BackOff { .. } => "not rung for a while: busy or not to be reached before".into(),
        WhyNot::Resting { reason: RestReason::Call, .. } => "resting after a call".into(),
        WhyNot::Resting { reason: RestReason::Occupancy, .. } => {
            "resting: they were occupied for too much of the time".into()
        }
        WhyNot::OffShift => "their shift is over, or nearly".into(),
        WhyNot::Probed { .. } => "asked whether their phone is there: it did not answer before".into(),
        WhyNot::Refused { .. } => "refused this one".into(),
        WhyNot::NotYet { until: Some(_) } => "free, but the number was called in vain lately".into(),
        WhyNot::NotYet { until: None } => "free, but the queue is closed: nobody is called back".into(),
        WhyNot::RankedLower => "free, and another was before them".into(),
    }
}

fn relaxed(until: Option<Time>) -> &'static str {
    if until.is_some() { ", for now" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::{Arrival, Overflow, QueueSettings, When};
    use crate::edge::journal::testing::{NINE, arrive, at, day, write};
    use crate::edge::testing::Folder;
    use crate::ids::{OfferId, QueueId};
    use crate::need::Attributes;

    fn told(of: &str, now: Time, events: impl IntoIterator<Item = (u64, Change)>) -> anyhow::Result<String> {
        let folder = Folder::new();
        write(folder.path(), events);
        story(
            folder.path(),
            of,
            &[of.strip_prefix("entry-").unwrap().parse().map(EntryId).unwrap()],
            true,
            now,
            &TimeZone::UTC,
        )
    }

    #[test]
    fn a_contact_is_told_from_its_arrival_to_its_end() {
        let text = told("entry-70", at(90), day()).unwrap();
        let expected = "\
entry-70
09:00:10  joins sales as entry-70, needs sales, number 1 in line
          4 agents:
                1 lack sales: bo
                1 offline: dan
                1 on a call of their own: anna
                1 paused (lunch): cecilia
09:00:40  rings anna
          4 agents:
                1 lack sales: bo
                1 offline: dan
                1 paused (lunch): cecilia
                1 rung for this one: anna
09:01:00  anna does not answer
09:01:10  rings cecilia
          4 agents:
                1 lack sales: bo
                1 offline: dan
                1 paused (no answer): anna
                1 rung for this one: cecilia
09:01:15  cecilia answers
09:01:15  answered after 1m5s
";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn who_still_waits_is_told_why_up_to_now_and_the_reasons_are_as_many_as_the_agents() {
        let begun = || day().into_iter().take_while(|(seconds, _)| *seconds < 70);
        let text = told("entry-70", at(64), begun()).unwrap();
        let end = "\
09:01:00  anna does not answer
09:01:04  still waits, for 54s, number 1 in line
          4 agents:
                1 lack sales: bo
                1 offline: dan
                1 paused (lunch): cecilia
                1 paused (no answer): anna
";
        assert!(text.ends_with(end), "{text}");
        // Anna's pause would have ended long ago, if anything had.
        let text = told("entry-70", at(3600), begun()).unwrap();
        assert!(text.contains("09:00:40  (!) nothing was written after this"), "{text}");
        assert!(text.contains("09:00:40  still waits, for 30s"), "{text}");
    }

    #[test]
    fn who_goes_on_to_another_queue_is_told_with_the_reasons_there() {
        let overflow = Overflow { to: QueueId(1), when: When::After(Duration::from_secs(20)), only: Attributes::new() };
        let mut events = day();
        if let (_, Change::Queue { settings, .. }) = &mut events[0] {
            settings.overflow.push(overflow);
        }
        let settings = QueueSettings { name: "helpers".into(), members_only: true, ..QueueSettings::default() };
        events.insert(1, (0, Change::Queue { id: QueueId(1), settings }));
        let begun = events.into_iter().take_while(|(seconds, _)| *seconds < 40).chain([(31, Change::Tick)]);
        let text = told("entry-70", at(33), begun).unwrap();
        let expected = "\
09:00:30  goes on to helpers after 20s, number 1 in line
          4 agents:
                4 not members of the queue: anna, bo, cecilia, dan
09:00:33  still waits, for 23s";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn who_has_the_old_place_back_is_told_so() {
        let caller = |at_second, entry| {
            let arrival = Arrival { caller: "+46701234567".into(), since: at(at_second), ..Arrival::default() };
            (at_second, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
        };
        let queue = QueueSettings { name: "sales".into(), ..QueueSettings::default() };
        let told = told(
            "entry-2",
            at(70),
            [
                (0, Change::Queue { id: QueueId(0), settings: queue }),
                caller(10, 1),
                (50, Change::Leave { entry: EntryId(1), exit: Exit::SystemFault }),
                caller(60, 2),
            ],
        );
        let expected =
            "joins sales as entry-2, number 1 in line, back in the place that was kept, having waited 50s before";
        assert!(told.as_ref().is_ok_and(|told| told.contains(expected)), "{told:?}");
    }

    #[test]
    fn a_task_is_told_until_it_is_done() {
        let arrival = Arrival { kind: Kind::Task, since: at(30), ..Arrival::default() };
        let task = (30, Change::Arrive { entry: EntryId(71), arrival: Box::new(arrival) });
        let until = |second: u64| day().into_iter().filter(move |(at, change)| *at < second && *change != arrive());
        let accept = |at, offer| (at, Change::OfferEnded { offer: OfferId(offer), outcome: Outcome::Accepted });
        let begun = || {
            until(60).take_while(|(at, _)| *at < 30).chain([task.clone()]).chain(until(60).filter(|(at, _)| *at >= 30))
        };
        let events = |more: Vec<(u64, Change)>| begun().chain([accept(50, 1)]).chain(more);
        let story = told("entry-71", at(100), events(vec![])).unwrap();
        for part in [
            "joins sales as entry-71",
            "is offered to anna",
            "anna accepts",
            "accepted after 20s",
            "anna still works on it, for ",
        ] {
            assert!(story.contains(part), "{part} is not in {story}");
        }
        let done = Change::TalkEnded { entry: EntryId(71), broke: false };
        let story = told("entry-71", at(100), events(vec![(80, done)])).unwrap();
        assert!(story.ends_with("09:01:20  anna has done it, after 30s\n"), "{story}");
    }

    #[test]
    fn who_goes_back_to_the_agent_of_a_talk_that_broke_is_told_so() {
        let again = |second, entry| {
            let arrival = Arrival { caller: "+46701234567".into(), since: at(second), ..Arrival::default() };
            (second, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
        };
        let broke = [(76, Change::TalkEnded { entry: EntryId(71), broke: true }), again(100, 72)];
        let mut events: Vec<_> = day().into_iter().filter(|(_, change)| *change != arrive()).collect();
        events.insert(events.len() - 2, again(30, 71));
        let told = told("entry-72", at(101), events.into_iter().chain(broke));
        let expected = "after a talk that broke kept for cecilia for 30s";
        assert!(told.as_ref().is_ok_and(|told| told.contains(expected)), "{told:?}");
    }

    #[test]
    fn many_agents_with_one_reason_are_a_number() {
        let more = (10..20).map(|id| {
            let settings = crate::acd::AgentSettings { name: format!("agent{id}"), ..Default::default() };
            (6, Change::Agent { id: AgentId(id), settings })
        });
        let mut events = day();
        events.splice(10..10, more);
        let text = told("entry-70", at(90), events).unwrap();
        assert!(text.contains("          14 agents:\n               11 lack sales\n"), "{text}");
    }

    #[test]
    fn who_is_not_known_is_said_with_what_is() {
        let error = told("entry-71", at(90), day()).unwrap_err().to_string();
        assert!(error.contains("entry-71 joined no queue since 2026-11-23 09:00:00"), "{error}");
        let folder = Folder::new();
        let error = why(folder.path(), "entry-1", None, at(0)).unwrap_err().to_string();
        assert!(error.contains("there is no journal") && error.contains("--config"), "{error}");
        let error = format!("{:#}", why(folder.path(), "+46701234567", None, at(0)).unwrap_err());
        assert!(error.contains("vaxel.db"), "{error}");
        assert_eq!(at(0).as_secs(), NINE);
    }
}

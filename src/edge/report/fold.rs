//! What the journal knows of a time.
//!
//! Every event of it is folded once, one after the other, for the time of agents, which the distributor keeps by the day alone. What became
//! of the callers is read from it later: from the snapshot that stands next to the last moment at which they are still kept apart.

use super::asked::Span;
use crate::acd::truth::{Counts, Figures, Truth};
use crate::acd::{Acd, Change, Noted};
use crate::edge::journal::{Damage, End, Replay, doubt};
use crate::edge::{moment, why};
use crate::ids::{AgentId, QueueId};
use crate::time::{Duration, Time};
use anyhow::bail;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What is known of a span. Queues and agents by name: who was taken out of the settings and is there again is the same.
#[derive(Debug, Default)]
pub struct Known {
    /// When the journal begins.
    pub begin: Time,
    /// Up to here it is known.
    pub until: Time,
    /// Where the intervals begin, and after them where the last ends.
    pub bounds: Vec<Time>,
    /// Why it may not be as it was.
    pub doubts: Vec<String>,
    pub queues: BTreeMap<String, Queue>,
    /// Of all agents up to each of `bounds`, as far back as they are known.
    pub at_bounds: Vec<Figures>,
    /// Of each agent in the whole span.
    pub agents: BTreeMap<String, Figures>,
}

/// Of one queue.
#[derive(Debug, Default)]
pub struct Queue {
    /// As the settings have it last. `None`: they do not.
    pub service_level: Option<Duration>,
    /// By interval.
    pub calls: BTreeMap<usize, Counts>,
    pub tasks: BTreeMap<usize, Counts>,
}

impl Known {
    /// # Errors
    ///
    /// There is no such queue.
    pub fn keep_only(&mut self, queue: &str) -> anyhow::Result<()> {
        match self.queues.remove_entry(queue) {
            Some((name, of_queue)) => self.queues = [(name, of_queue)].into(),
            None => {
                let names: Vec<&str> = self.queues.keys().map(String::as_str).collect();
                bail!("there was no queue `{queue}` then; there was: {}", names.join(", "));
            }
        }
        Ok(())
    }
}

/// `begin`: when the journal does; before the end of the span. `runs`: a service runs now.
pub fn fold(folder: &Path, span: &Span, begin: Time, runs: bool, zone: &TimeZone) -> io::Result<Known> {
    let mut known = Known { begin, until: span.to, bounds: span.bounds(zone), ..Known::default() };
    if begin > span.from {
        let begin = moment::show(begin, zone);
        known.doubts.push(format!("the journal begins at {begin}: of what was before, not everything is known"));
    }
    agents(folder, span, runs, zone, &mut known)?;
    callers(folder, span, zone, &mut known)?;
    Ok(known)
}

/// The time of agents; also until when anything is known, and the doubts.
fn agents(folder: &Path, span: &Span, runs: bool, zone: &TimeZone, known: &mut Known) -> io::Result<()> {
    let mut doubts = std::mem::take(&mut known.doubts);
    let begin = span.from.max(known.begin);
    let opened = Replay::<Acd>::open(folder, begin, |named, damage| {
        doubts.push(doubt::snapshot(named.name(), damage));
    })?;
    let mut replay = opened;
    // Before the end of some interval there is one that is good.
    for bound in known.bounds.iter().filter(|bound| **bound > begin) {
        if replay.is_some() {
            break;
        }
        replay = Replay::<Acd>::open(folder, *bound, |_, _| ())?;
        doubts.extend(replay.as_ref().map(|later| {
            let begun = moment::show_near(later.begun(), span.from, zone);
            format!("of the time of agents before {begun} nothing is known")
        }));
    }
    let Some(replay) = replay.as_mut() else {
        doubts.push("no snapshot of the queues can be used; the time of agents is not known".to_owned());
        known.doubts = doubts;
        return Ok(());
    };
    let mut marks = Marks { bounds: &known.bounds, figures: Vec::new(), first: BTreeMap::new() };
    let mut last = replay.state.now();
    let (mut unread, mut down) = (Vec::new(), Vec::new());
    let went_on = read_to(replay, span.to, zone, &mut unread, |acd, noted| {
        let at = noted.event.at;
        if let Change::WasDown { since } = noted.event.change
            && since < span.to
            // Before its first start nothing is missed.
            && since > Time::EPOCH
        {
            down.push(doubt::down(since, at, |at| moment::show_near(at, span.from, zone)));
        }
        if at <= span.to {
            marks.pass(acd, at);
            last = last.max(at);
        }
    })?;
    doubts.extend(down.into_iter().chain(unread));
    for vaxel in replay.others() {
        doubts.push(doubt::other(vaxel));
    }
    doubts.extend(replay.otherwise().map(ToString::to_string));
    let is_overdue = replay.state.poll_timeout().is_some_and(|due| due + why::ALIVE < span.to);
    let is_silent = replay.beat().is_some_and(|beat| last + beat + why::ALIVE < span.to);
    if !went_on && (!runs || is_overdue || is_silent) && last < span.to {
        let shown = moment::show_near(last, span.from, zone);
        let why = doubt::silent(runs);
        doubts.push(format!("{why}; shown is what was known until {shown}"));
        known.until = last.max(span.from);
    }
    let until = known.until;
    marks.end(&replay.state, until);
    let Marks { figures, first, .. } = marks;
    known.at_bounds = figures;
    let nothing = Figures::default();
    for (id, name) in names_of_agents(&replay.state) {
        let lifetime = replay.state.truth().agent_lifetime(id, until);
        let since = lifetime.since(first.get(&id).unwrap_or(&nothing));
        known.agents.entry(name.to_owned()).or_default().add(&since);
    }
    known.doubts = doubts;
    Ok(())
}

/// Folds what happened up to `to`, and gaps only up to it. `each` hears of each event before it is folded, and of the first that happened
/// later: whether there is one is the answer.
fn read_to(
    replay: &mut Replay<Acd>,
    to: Time,
    zone: &TimeZone,
    doubts: &mut Vec<String>,
    mut each: impl FnMut(&Acd, &Noted),
) -> io::Result<bool> {
    loop {
        while let Some(noted) = replay.next()? {
            each(&replay.state, &noted);
            if noted.event.at > to {
                return Ok(true);
            }
            replay.apply(&noted);
        }
        let end = replay.end().cloned();
        let before = replay.state.clone();
        let (goes_on, too_late) = (replay.jump()?, replay.state.now() > to);
        if goes_on && too_late {
            replay.state = before;
        }
        match end {
            // The running service is about to write the rest.
            None | Some(End::Whole | End::Damaged { damage: Damage::Torn, .. }) if !goes_on => return Ok(false),
            None => return Ok(goes_on),
            Some(end) if goes_on && !too_late => {
                doubts.push(format!("{}; the next snapshot goes on", missing(&end, zone)))
            }
            // Of what came later.
            Some(End::Gap { lost: Some(lost), .. }) if lost.since > to => return Ok(true),
            Some(end) => {
                doubts.push(format!("{}; shown is what was known before", missing(&end, zone)));
                return Ok(goes_on);
            }
        }
    }
}

/// What nothing is known of.
fn missing(end: &End, zone: &TimeZone) -> String {
    match end {
        End::Gap { lost: Some(lost), file, .. } => doubt::lost(*lost, file.made, |at| moment::show(at, zone)),
        end => end.to_string(),
    }
}

fn names_of_agents(acd: &Acd) -> impl Iterator<Item = (AgentId, &str)> {
    acd.agents().map(|agent| (agent.id, agent.name)).chain(acd.gone_agents())
}

/// The figures of agents where intervals begin and end.
struct Marks<'a> {
    bounds: &'a [Time],
    /// Of all of them together, at the first of `bounds`.
    figures: Vec<Figures>,
    /// Of each at the first bound.
    first: BTreeMap<AgentId, Figures>,
}

impl Marks<'_> {
    /// It stood so up to `at`.
    fn pass(&mut self, acd: &Acd, at: Time) {
        while let Some(bound) = self.bounds.get(self.figures.len()).filter(|bound| **bound <= at) {
            self.mark(acd, *bound);
        }
    }

    /// It is known no longer than up to `until`.
    fn end(&mut self, acd: &Acd, until: Time) {
        while let Some(bound) = self.bounds.get(self.figures.len()) {
            self.mark(acd, until.min(*bound));
        }
    }

    fn mark(&mut self, acd: &Acd, at: Time) {
        let mut all = Figures::default();
        for (id, _) in names_of_agents(acd) {
            let lifetime = acd.truth().agent_lifetime(id, at);
            all.add(&lifetime);
            if self.figures.is_empty() {
                self.first.insert(id, lifetime);
            }
        }
        self.figures.push(all);
    }
}

/// What became of those who came in the span, by interval.
fn callers(folder: &Path, span: &Span, zone: &TimeZone, known: &mut Known) -> io::Result<()> {
    let settings = crate::acd::truth::Settings::default();
    // Those who came in a part are read before any of them is summed up with older ones.
    let kept = settings.interval * settings.intervals_kept;
    let part = kept / 2;
    let mut from = span.from;
    while from < known.until.max(span.from + Duration::from_micros(1)) {
        let to = (from + part).min(span.to);
        let late = from + kept - Duration::from_micros(1);
        if let Some(mut replay) = Replay::<Acd>::open(folder, late.min(span.now), |_, _| ())? {
            read_to(&mut replay, late, zone, &mut Vec::new(), |_, _| ())?;
            known.count(&replay.state, from, to);
        }
        from = to;
    }
    Ok(())
}

impl Known {
    /// What is known of those who came from `from` on and before `to`.
    fn count(&mut self, acd: &Acd, from: Time, to: Time) {
        let names = acd.queues().map(|(id, settings)| (id, settings.name.as_str(), Some(settings.service_level)));
        let gone = acd.gone_queues().map(|(id, name)| (id, name, None));
        let Known { bounds, queues, .. } = self;
        for (id, name, service_level) in names.chain(gone) {
            let queue = queues.entry(name.to_owned()).or_default();
            queue.service_level = service_level.or(queue.service_level);
            let mut add = |truth: &Truth, into: fn(&mut Queue) -> &mut BTreeMap<usize, Counts>| {
                for (index, counts) in by_interval(truth, id, bounds, from, to) {
                    into(queue).entry(index).or_default().add(&counts);
                }
            };
            add(acd.truth(), |queue| &mut queue.calls);
            add(acd.truth_of_tasks(), |queue| &mut queue.tasks);
        }
    }
}

/// Those who came in the part, each interval with its place among `bounds`.
fn by_interval<'a>(
    truth: &'a Truth,
    queue: QueueId,
    bounds: &'a [Time],
    from: Time,
    to: Time,
) -> impl Iterator<Item = (usize, Counts)> + 'a {
    let within = truth.intervals(queue).filter(move |interval| (from..to).contains(&interval.begin));
    within.map(|interval| (bounds.partition_point(|bound| *bound <= interval.begin).saturating_sub(1), interval.counts))
}

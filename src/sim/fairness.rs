//! Who waits and who could serve them, reckoned from what was told and nothing else: a second opinion on the order in
//! which agents are rung.

use super::check::{Broken, Promise};
use crate::acd::{AgentSettings, Outcome, QueueSettings, Skills};
use crate::ids::EntryId;
use crate::need::Need;
use crate::record::AgentPhase;
use crate::time::{Duration, Time};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Cost: an offer looks at the first few of each line, a settled moment at each line and each set of skills; what an
/// agent has refused is looked past.
#[derive(Default)]
pub struct Fairness {
    queues: BTreeMap<Arc<str>, QueueSettings>,
    /// Each set of skills that somebody has, and who of them is ready.
    classes: Vec<(Skills, BTreeSet<Arc<str>>)>,
    class_of: BTreeMap<Arc<str>, usize>,
    entries: BTreeMap<EntryId, Standing>,
    /// Entries for which nobody is rung.
    lines: BTreeMap<Line, BTreeSet<Place>>,
}

/// What the entries of one line have in common; they keep their order for ever, because their scores rise alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    queue: Arc<str>,
    needs: Need,
}

/// Score at time 0 in millionths of a millionth of a point; arrival; entry. The smaller is served first.
type Place = (Reverse<i128>, Time, EntryId);

struct Standing {
    line: Line,
    place: Place,
    /// Until when an agent who refused it may be spared it.
    refused: BTreeMap<Arc<str>, Time>,
}

impl Fairness {
    pub fn new<'a>(
        queues: impl IntoIterator<Item = &'a QueueSettings>,
        agents: impl IntoIterator<Item = &'a AgentSettings>,
    ) -> Fairness {
        let queues = queues.into_iter().map(|queue| (queue.name.as_str().into(), queue.clone())).collect();
        let mut fairness = Fairness { queues, ..Fairness::default() };
        for agent in agents {
            let classes = &mut fairness.classes;
            let class = classes.iter().position(|(skills, _)| *skills == agent.skills).unwrap_or(classes.len());
            if class == classes.len() {
                classes.push((agent.skills.clone(), BTreeSet::new()));
            }
            fairness.class_of.insert(agent.name.as_str().into(), class);
        }
        fairness
    }

    /// `needs`: everything that the entry needs, its queue's needs included.
    pub fn arrives(&mut self, now: Time, entry: EntryId, queue: &Arc<str>, priority: i32, needs: Need) {
        let Some(settings) = self.queues.get(queue) else { return };
        let points = i128::from(settings.priority) + i128::from(priority);
        let head_start = points * 1_000_000_000_000 - rate(settings) * i128::from(now.as_micros());
        let line = Line { queue: queue.clone(), needs };
        let place = (Reverse(head_start), now, entry);
        self.lines.entry(line.clone()).or_default().insert(place);
        self.entries.insert(entry, Standing { line, place, refused: BTreeMap::new() });
    }

    pub fn leaves(&mut self, entry: EntryId) {
        self.steps_out(entry);
        self.entries.remove(&entry);
    }

    pub fn is_in(&mut self, agent: &Arc<str>, phase: AgentPhase) {
        let Some(class) = self.class_of.get(agent) else { return };
        let ready = &mut self.classes[*class].1;
        if phase == AgentPhase::Ready {
            ready.insert(agent.clone());
        } else {
            ready.remove(agent);
        }
    }

    /// An agent is rung for an entry. Those who came in this very instant may have come after the decision.
    ///
    /// # Errors
    ///
    /// The agent is not ready or lacks a skill, or somebody who came before is passed over.
    pub fn rings(&mut self, now: Time, agent: &Arc<str>, entry: EntryId) -> Result<(), Broken> {
        let class = self.class_of.get(agent).map(|class| &self.classes[*class]);
        let Some((skills, _)) = class.filter(|(_, ready)| ready.contains(agent)) else {
            return Promise::OffersGoToTheReady.broken(format!("{agent} is rung for {entry}, but is not ready"));
        };
        let Some(standing) = self.entries.get(&entry) else { return Ok(()) };
        if !suffice(skills, &standing.line.needs) {
            return Promise::OffersGoToTheSkilled.broken(format!("{agent} lacks what {entry} needs"));
        }
        let score = |line: &Line, place: &Place| {
            let rate = self.queues.get(&line.queue).map_or(0, rate);
            (Reverse(place.0.0 + rate * i128::from(now.as_micros())), place.1, place.2)
        };
        let own = score(&standing.line, &standing.place);
        for (line, places) in self.lines.iter().filter(|(line, _)| suffice(skills, &line.needs)) {
            let first = places.iter().find(|(_, since, other)| *since < now && !self.spared(now, agent, *other));
            if let Some(first) = first.filter(|first| score(line, first) < own) {
                return Promise::NobodyIsOvertaken.broken(format!("{entry} overtakes {} at {agent}", first.2));
            }
        }
        self.steps_out(entry);
        Ok(())
    }

    /// `others` are still rung for it.
    pub fn stops_ringing(&mut self, now: Time, agent: &Arc<str>, entry: EntryId, outcome: Outcome, others: usize) {
        let Some(standing) = self.entries.get_mut(&entry) else { return };
        if matches!(outcome, Outcome::Declined | Outcome::NoAnswer) {
            let spared = self.queues.get(&standing.line.queue).map_or(Duration::ZERO, |queue| queue.retry_same_agent);
            standing.refused.insert(agent.clone(), now + spared.max(Duration::from_secs(1)));
        }
        if outcome != Outcome::Accepted && outcome != Outcome::AnsweredElsewhere && others == 0 {
            self.lines.entry(standing.line.clone()).or_default().insert(standing.place);
        }
    }

    /// When all that followed from the last input is done.
    ///
    /// # Errors
    ///
    /// Somebody is ready and somebody waits for whom they could be rung.
    pub fn nobody_idles(&self, now: Time) -> Result<(), Broken> {
        for (line, places) in &self.lines {
            let able = self.classes.iter().filter(|(skills, _)| suffice(skills, &line.needs));
            for agent in able.flat_map(|(_, ready)| ready) {
                if let Some((_, _, entry)) = places.iter().find(|(_, _, entry)| !self.spared(now, agent, *entry)) {
                    return Promise::NobodyIdles.broken(format!("{agent} is ready while {entry} waits"));
                }
            }
        }
        Ok(())
    }

    /// In the instant itself a refusal may or may not be over: the clock is looked at after what comes by the network.
    fn spared(&self, now: Time, agent: &Arc<str>, entry: EntryId) -> bool {
        let refused = self.entries.get(&entry).and_then(|standing| standing.refused.get(agent));
        refused.is_some_and(|until| now <= *until)
    }

    fn steps_out(&mut self, entry: EntryId) {
        let Some(standing) = self.entries.get(&entry) else { return };
        if let Some(places) = self.lines.get_mut(&standing.line) {
            places.remove(&standing.place);
            if places.is_empty() {
                self.lines.remove(&standing.line);
            }
        }
    }
}

fn suffice(skills: &Skills, needs: &Need) -> bool {
    needs.skills.is_met(&|skill: &str| skills.get(skill).copied().unwrap_or(0))
}

/// Millionths of a point per second, which are millionths of a millionth per microsecond.
fn rate(queue: &QueueSettings) -> i128 {
    (queue.ageing * 1e6).round() as i128
}

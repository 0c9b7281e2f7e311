//! Who waits and who could serve them, reckoned from what was told and nothing else: a second opinion on who is rung for whom.
//!
//! Where two things happen in one instant, what is decided between them may go either way; only what holds both just before and
//! now is asked for.

use super::check::{Broken, Promise};
use super::choice::{Candidate, preferred_by};
use crate::acd::{AgentSettings, Arrival, Change, Outcome, Prefer, QueueSettings, Relax, Rule, Skills, Strategy, Who};
use crate::ids::{AgentId, EntryId, QueueId};
use crate::need::{Licence, Need, Word};
use crate::record::AgentPhase;
use crate::time::{Duration, Time};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Cost: an offer looks at the first few of each line and at who is ready, a settled moment at each line and each set of abilities;
/// what an agent has refused is looked past.
#[derive(Default)]
pub struct Fairness {
    queues: BTreeMap<Arc<str>, Queue>,
    queue_names: BTreeMap<QueueId, Arc<str>>,
    agents: BTreeMap<Arc<str>, Agent>,
    agent_names: BTreeMap<AgentId, Arc<str>>,
    /// Each set of abilities that somebody has, and who of them is ready.
    classes: Vec<(AgentSettings, BTreeSet<Arc<str>>)>,
    entries: BTreeMap<EntryId, Standing>,
    /// Those that have left a queue for another.
    on_the_way: BTreeMap<EntryId, Standing>,
    /// Entries for which nobody is rung.
    lines: BTreeMap<Line, BTreeSet<Place>>,
    /// When entries need less.
    relaxes: BTreeSet<(Time, EntryId)>,
    /// Rung in this instant where all are rung: how many must be, at the least, and how many are.
    all_rung: BTreeMap<EntryId, (usize, usize)>,
}

struct Queue {
    id: QueueId,
    settings: QueueSettings,
    last_rung: Option<AgentId>,
}

struct Agent {
    /// In the list of all.
    place: (u32, AgentId),
    class: usize,
    phase: AgentPhase,
    idle_since: Time,
    /// What ended last leaves the agent's place among the idle.
    keeps_place: bool,
    calls: u64,
    /// When they were last in a phase in which one may be about to go: since then they were ready, rung or talking.
    steady_since: Time,
}

/// What the entries of one line have in common; they keep their order for ever, because their scores rise alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    queue: Arc<str>,
    needs: Need,
    /// One who would rather have somebody stands alone.
    only: Option<EntryId>,
}

/// Score at time 0 in millionths of a millionth of a point; arrival; entry. The smaller is served first.
type Place = (Reverse<i128>, Time, EntryId);

struct Standing {
    line: Line,
    place: Place,
    arrival: Arrival,
    joined: Time,
    /// When it needs less, and what.
    relaxes: Option<(Time, Need)>,
    /// Until when an agent who refused it may be spared it.
    refused: BTreeMap<Arc<str>, Time>,
}

impl Fairness {
    pub fn new(queues: &[QueueSettings], agents: &[AgentSettings]) -> Fairness {
        let mut fairness = Fairness::default();
        for (id, settings) in (0..).map(QueueId).zip(queues) {
            fairness.has_queue(id, settings);
        }
        for (id, settings) in (0..).map(AgentId).zip(agents) {
            fairness.has_agent(id, settings);
        }
        fairness
    }

    /// What the distributor is told.
    pub fn told(&mut self, now: Time, change: &Change) {
        match change {
            Change::Queue { id, settings } => self.has_queue(*id, settings),
            Change::Agent { id, settings } => self.has_agent(*id, settings),
            Change::Arrive { entry, arrival } => self.arrives(now, *entry, arrival),
            Change::Priority { entry, priority } => {
                if let Some(standing) = self.entries.get_mut(entry) {
                    standing.arrival.priority = *priority;
                    self.stands_anew(now, *entry);
                }
            }
            _ => {}
        }
    }

    fn has_queue(&mut self, id: QueueId, settings: &QueueSettings) {
        let name: Arc<str> = settings.name.as_str().into();
        let last_rung = self.queues.get(&name).and_then(|queue| queue.last_rung);
        self.queue_names.insert(id, name.clone());
        self.queues.insert(name, Queue { id, settings: settings.clone(), last_rung });
    }

    fn has_agent(&mut self, id: AgentId, settings: &AgentSettings) {
        let name: Arc<str> = settings.name.as_str().into();
        let abilities = AgentSettings {
            skills: settings.skills.clone(),
            skills_valid: settings.skills_valid.clone(),
            licences: settings.licences.clone(),
            teams: settings.teams.clone(),
            queues: settings.queues.clone(),
            ..AgentSettings::default()
        };
        let class = self.classes.iter().position(|(known, _)| *known == abilities).unwrap_or(self.classes.len());
        if class == self.classes.len() {
            self.classes.push((abilities, BTreeSet::new()));
        }
        self.agent_names.insert(id, name.clone());
        let new = Agent {
            place: (settings.place, id),
            class,
            phase: AgentPhase::Offline,
            idle_since: Time::EPOCH,
            keeps_place: false,
            calls: 0,
            steady_since: Time::NEVER,
        };
        let agent = self.agents.entry(name.clone()).or_insert(new);
        agent.place = (settings.place, id);
        let before = std::mem::replace(&mut agent.class, class);
        if self.classes[before].1.remove(&name) {
            self.classes[class].1.insert(name);
        }
    }

    fn arrives(&mut self, now: Time, entry: EntryId, arrival: &Arrival) {
        let Some(queue) = self.queue_names.get(&arrival.queue) else { return };
        let line = Line { queue: queue.clone(), needs: Need::default(), only: None };
        let place = (Reverse(0), now, entry);
        let arrival = Arrival { since: arrival.since.min(now), ..arrival.clone() };
        let standing = Standing { line, place, arrival, joined: now, relaxes: None, refused: BTreeMap::new() };
        self.entries.insert(entry, standing);
        self.finds_place(now, entry);
        self.steps_in(entry);
    }

    /// It stands as if it had come then, and is kept for these from now on.
    pub fn is_known_again(&mut self, now: Time, entry: EntryId, since: Time, prefer: &[Prefer]) {
        let Some(standing) = self.entries.get_mut(&entry) else { return };
        let is_kept_anew = standing.arrival.prefer != prefer;
        if !is_kept_anew && standing.arrival.since == since {
            return;
        }
        let waits = self.steps_out(entry);
        let standing = self.entries.get_mut(&entry).expect("looked at just now");
        standing.arrival.since = since;
        if is_kept_anew {
            (standing.arrival.prefer, standing.joined) = (prefer.to_vec(), now);
        }
        self.finds_place(now, entry);
        if waits {
            self.steps_in(entry);
        }
    }

    fn stands_anew(&mut self, now: Time, entry: EntryId) {
        let waits = self.steps_out(entry);
        self.finds_place(now, entry);
        if waits {
            self.steps_in(entry);
        }
    }

    /// By its own wishes, those of its queue, and the time.
    fn finds_place(&mut self, now: Time, entry: EntryId) {
        let Some(standing) = self.entries.get_mut(&entry) else { return };
        let Some(queue) = self.queues.get(&standing.line.queue) else { return };
        let arrival = &standing.arrival;
        let of_rules: i128 = rules(&queue.settings, arrival).map(|rule| i128::from(rule.priority)).sum();
        let points = i128::from(queue.settings.priority) + i128::from(arrival.priority) + of_rules;
        let head_start = points * 1_000_000_000_000 - rate(&queue.settings) * i128::from(arrival.since.as_micros());
        standing.place = (Reverse(head_start), arrival.since, entry);
        let steps = queue.settings.relax.iter().chain(&arrival.relax);
        let next = steps.map(|step| arrival.since + step.after).filter(|at| *at > now).min();
        let relaxes = next.map(|at| (at, needs(&queue.settings, arrival, at)));
        let only = (!arrival.prefer.is_empty()).then_some(entry);
        standing.line = Line { needs: needs(&queue.settings, arrival, now), only, ..standing.line.clone() };
        if let Some((at, _)) = std::mem::replace(&mut standing.relaxes, relaxes) {
            self.relaxes.remove(&(at, entry));
        }
        self.relaxes.extend(next.map(|at| (at, entry)));
    }

    /// Those who need less from before now on stand where they then stand.
    fn relax(&mut self, now: Time) {
        while let Some(&(at, entry)) = self.relaxes.first()
            && at < now
        {
            self.stands_anew(at, entry);
        }
    }

    /// `goes_on`: to another queue, which [`Fairness::joins`] tells.
    pub fn leaves(&mut self, entry: EntryId, goes_on: bool) {
        self.steps_out(entry);
        let Some(mut standing) = self.entries.remove(&entry) else { return };
        if let Some((at, _)) = standing.relaxes.take() {
            self.relaxes.remove(&(at, entry));
        }
        if goes_on {
            self.on_the_way.insert(entry, standing);
        }
    }

    /// An entry is in a queue. Who comes from another keeps the time waited, what it asks for itself, and who refused it.
    pub fn joins(&mut self, now: Time, entry: EntryId, queue: &Arc<str>) {
        let Some(mut standing) = self.on_the_way.remove(&entry) else { return };
        standing.line.queue = queue.clone();
        standing.joined = now;
        self.entries.insert(entry, standing);
        self.finds_place(now, entry);
        self.steps_in(entry);
    }

    pub fn is_in(&mut self, now: Time, agent: &Arc<str>, phase: AgentPhase) {
        let Some(a) = self.agents.get_mut(agent) else { return };
        let ready = &mut self.classes[a.class].1;
        if phase == AgentPhase::Ready {
            ready.insert(agent.clone());
            if !std::mem::take(&mut a.keeps_place) {
                a.idle_since = now;
            }
        } else {
            ready.remove(agent);
        }
        if a.phase == AgentPhase::Offline {
            a.calls = 0;
        }
        if !matches!(phase, AgentPhase::Ready | AgentPhase::Offered | AgentPhase::Talking) {
            a.steady_since = Time::NEVER;
        } else if a.steady_since == Time::NEVER {
            a.steady_since = now;
        }
        a.phase = phase;
    }

    /// An agent is rung for an entry. Those who came in this very instant may have come after the decision.
    ///
    /// # Errors
    ///
    /// The agent is not ready or may not serve it, somebody who came before is passed over, or another agent goes first.
    pub fn rings(&mut self, now: Time, agent: &Arc<str>, entry: EntryId) -> Result<(), Broken> {
        self.relax(now);
        // Who works on tasks may have room for a call; how much, and since when, is not known here.
        if self.agents.get(agent).is_some_and(|a| a.phase == AgentPhase::Working) {
            self.steps_out(entry);
            return Ok(());
        }
        let Some(a) = self.agents.get(agent).filter(|a| self.classes[a.class].1.contains(agent)) else {
            return Promise::OffersGoToTheReady.broken(format!("{agent} is rung for {entry}, but is not ready"));
        };
        let id = a.place.1;
        let Some(standing) = self.entries.get(&entry) else { return Ok(()) };
        let Some(queue) = self.queues.get(&standing.line.queue) else { return Ok(()) };
        let less = standing.relaxes.as_ref().filter(|(at, _)| *at <= now).map(|(_, needs)| needs);
        let able = [just_before(now), now].into_iter().any(|at| {
            std::iter::once(&standing.line.needs).chain(less).any(|needs| self.can(a.class, needs, queue, at))
        });
        Promise::OffersGoToTheSkilled.holds(able, || format!("{agent} may not serve {entry}"))?;
        self.nobody_is_overtaken(now, agent, entry, standing)?;
        self.goes_first(now, agent, entry, standing)?;
        if queue.settings.strategy == Strategy::RingAll && standing.arrival.prefer.is_empty() {
            let most = queue.settings.ring_all_max.max(1) as usize;
            let all = self.candidates(now, standing).count().min(most);
            self.all_rung.entry(entry).or_insert((all, 0)).1 += 1;
        }
        if let Some(queue) = self.queues.get_mut(&self.entries[&entry].line.queue) {
            queue.last_rung = Some(id);
        }
        self.steps_out(entry);
        Ok(())
    }

    fn nobody_is_overtaken(
        &self,
        now: Time,
        agent: &Arc<str>,
        entry: EntryId,
        standing: &Standing,
    ) -> Result<(), Broken> {
        let class = self.agents[agent].class;
        // Score, then weighted wait, then arrival.
        let order = |line: &Line, (head_start, since, entry): &Place| {
            let (rate, weight) = self
                .queues
                .get(&line.queue)
                .map_or((0, 1), |queue| (rate(&queue.settings), u128::from(queue.settings.weight.clamp(1, 1_000))));
            let score = head_start.0 + rate * i128::from(now.as_micros());
            (Reverse(score), Reverse(weight * now.since(*since).as_micros()), *since, *entry)
        };
        let own = order(&standing.line, &standing.place);
        for (line, places) in &self.lines {
            let waits = |(_, _, other): &&Place| {
                let other_standing = &self.entries[other];
                *other != entry
                    && other_standing.joined < now
                    && !self.spared(now, agent, *other)
                    && !may_be_kept(now, other_standing)
            };
            // The line's own order is not that of the weighted wait, but for one rate and weight the two are the same.
            let Some(first) = places.iter().find(waits).filter(|first| order(line, first) < own) else { continue };
            if self.can_surely(now, class, line) {
                return Promise::NobodyIsOvertaken.broken(format!("{entry} overtakes {} at {agent}", first.2));
            }
        }
        Ok(())
    }

    /// Nobody else who is ready is preferred by the entry or its queue, and nobody who is not is waited for.
    fn goes_first(&self, now: Time, agent: &Arc<str>, entry: EntryId, standing: &Standing) -> Result<(), Broken> {
        let named: Vec<&Arc<str>> =
            standing.arrival.prefer.iter().filter_map(|prefer| self.named(&prefer.who)).collect();
        let place = |name: &Arc<str>| named.iter().position(|other| *other == name);
        for name in named.iter().take(place(agent).unwrap_or(named.len())) {
            let is_ready = self.candidates(now, standing).any(|candidate| candidate.name == *name);
            // It may be the turn of another of those it would rather have.
            let kept_for_others = may_be_kept(now, standing) && standing.arrival.prefer.len() > 1;
            Promise::ThePreferredGoFirst.holds(!is_ready || kept_for_others, || {
                format!("{agent} is rung for {entry}, which would rather have {name}, who is ready")
            })?;
        }
        if !standing.arrival.prefer.is_empty() {
            let kept = self.kept_for(now, standing).filter(|name| *name != agent);
            return Promise::ThePreferredGoFirst
                .holds(kept.is_none(), || format!("{agent} is rung for {entry}, which is kept for {kept:?}"));
        }
        let queue = &self.queues[&standing.line.queue];
        let candidates: Vec<Candidate> = self.candidates(now, standing).collect();
        let Some(rung) = candidates.iter().find(|candidate| candidate.name == agent) else { return Ok(()) };
        let last = queue.last_rung.and_then(|last| Some(self.agents[self.agent_names.get(&last)?].place));
        match candidates.iter().find(|other| preferred_by(&queue.settings, last, other, rung)) {
            Some(other) => Promise::TheStrategyChooses.broken(format!(
                "{agent} is rung for {entry} and not {}, by {:?}",
                other.name, queue.settings.strategy
            )),
            None => Ok(()),
        }
    }

    /// Everybody who is ready and surely may be rung for it.
    fn candidates<'a>(&'a self, now: Time, standing: &'a Standing) -> impl Iterator<Item = Candidate<'a>> {
        let (_, _, entry) = standing.place;
        let able = self
            .classes
            .iter()
            .enumerate()
            .filter(move |(class, (_, ready))| !ready.is_empty() && self.can_surely(now, *class, &standing.line));
        able.flat_map(move |(_, (abilities, ready))| {
            let level = |skill: &str| level(abilities, skill, now);
            let fit = standing.line.needs.skills.fit(&level);
            let spared = move |name: &&Arc<str>| !self.spared(now, name, entry);
            ready.iter().filter(spared).map(move |name| {
                let Agent { place, idle_since, calls, .. } = self.agents[name];
                Candidate { name, place, fit, idle_since, calls }
            })
        })
    }

    fn named(&self, who: &Who) -> Option<&Arc<str>> {
        match who {
            Who::Agent(id) => self.agent_names.get(id),
            Who::Team(_) => None,
        }
    }

    /// For whom the entry is kept beyond doubt: the first who was named, who can serve it, has not refused it, and was ready, rung or
    /// talking all the time.
    fn kept_for(&self, now: Time, standing: &Standing) -> Option<&Arc<str>> {
        let first = standing.arrival.prefer.first().filter(|first| now < standing.joined + first.wait)?;
        let name = self.named(&first.who)?;
        let agent = self.agents.get(name)?;
        let abilities = &self.classes[agent.class].0;
        let is_steady = agent.steady_since < standing.joined
            && abilities.skills_valid.is_empty()
            && standing.line.needs.licences.is_empty()
            && !standing.refused.contains_key(name)
            && self.can_surely(now, agent.class, &standing.line);
        is_steady.then_some(name)
    }

    /// `others` are still rung for it.
    pub fn stops_ringing(&mut self, now: Time, agent: &Arc<str>, entry: EntryId, outcome: Outcome, others: usize) {
        if let Some(a) = self.agents.get_mut(agent) {
            a.keeps_place = matches!(outcome, Outcome::CallerGone | Outcome::AnsweredElsewhere | Outcome::Withdrawn);
            a.calls += u64::from(outcome == Outcome::Accepted);
        }
        let Some(standing) = self.entries.get_mut(&entry) else { return };
        if matches!(outcome, Outcome::Declined | Outcome::NoAnswer) {
            let queue = self.queues.get(&standing.line.queue);
            let spared = queue.map_or(Duration::ZERO, |queue| queue.settings.retry_same_agent);
            standing.refused.insert(agent.clone(), now + spared.max(Duration::from_secs(1)));
        }
        if outcome != Outcome::Accepted && outcome != Outcome::AnsweredElsewhere && others == 0 {
            self.steps_in(entry);
        }
    }

    /// When all that followed from the last input is done.
    ///
    /// # Errors
    ///
    /// Somebody is ready and somebody waits for whom they could be rung, or not all are rung where all should be.
    pub fn nobody_idles(&mut self, now: Time) -> Result<(), Broken> {
        self.relax(now);
        for (entry, (least, rung)) in std::mem::take(&mut self.all_rung) {
            Promise::TheStrategyChooses
                .holds(rung >= least, || format!("{rung} agents are rung for {entry}, and {least} were ready"))?;
        }
        if self.classes.iter().all(|(_, ready)| ready.is_empty()) {
            return Ok(());
        }
        for (line, places) in &self.lines {
            for (class, (_, ready)) in self.classes.iter().enumerate() {
                if ready.is_empty() || !self.can_surely(now, class, line) {
                    continue;
                }
                for agent in ready {
                    let waits = |(_, _, entry): &&Place| {
                        let standing = &self.entries[entry];
                        let is_theirs = self.kept_for(now, standing) == Some(agent);
                        !self.spared(now, agent, *entry) && (!may_be_kept(now, standing) || is_theirs)
                    };
                    if let Some((_, _, entry)) = places.iter().find(waits) {
                        return Promise::NobodyIdles.broken(format!("{agent} is ready while {entry} waits"));
                    }
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

    fn can_surely(&self, now: Time, class: usize, line: &Line) -> bool {
        let Some(queue) = self.queues.get(&line.queue) else { return false };
        self.can(class, &line.needs, queue, now) && self.can(class, &line.needs, queue, just_before(now))
    }

    fn can(&self, class: usize, needs: &Need, queue: &Queue, at: Time) -> bool {
        let abilities = &self.classes[class].0;
        let holds = |licence: &Licence| {
            abilities.licences.iter().any(|held| {
                let jurisdiction = licence.jurisdiction == Word::Is(held.jurisdiction.clone());
                held.kind == licence.kind && jurisdiction && held.valid.has(at)
            })
        };
        (!queue.settings.members_only || abilities.queues.contains(&queue.id))
            && needs.licences.iter().all(holds)
            && needs.skills.is_met(&|skill: &str| level(abilities, skill, at))
    }

    fn steps_in(&mut self, entry: EntryId) {
        let Some(standing) = self.entries.get(&entry) else { return };
        self.lines.entry(standing.line.clone()).or_default().insert(standing.place);
    }

    /// Whether it was in line.
    fn steps_out(&mut self, entry: EntryId) -> bool {
        let Some(standing) = self.entries.get(&entry) else { return false };
        let Some(places) = self.lines.get_mut(&standing.line) else { return false };
        let was = places.remove(&standing.place);
        if places.is_empty() {
            self.lines.remove(&standing.line);
        }
        was
    }
}

/// Everything that an entry needs then: of its queue and by itself, relaxed by the last step that is due, and by the queue's rules.
/// Licences stay.
fn needs(queue: &QueueSettings, arrival: &Arrival, at: Time) -> Need {
    let relaxed = |need: &Need, steps: &[Relax]| {
        let due = steps.iter().filter(|step| arrival.since + step.after <= at);
        let mut relaxed = need.clone();
        if let Some(step) = due.max_by_key(|step| step.after) {
            relaxed.skills = step.need.skills.clone();
            relaxed.licences.extend(step.need.licences.iter().cloned());
        }
        relaxed.resolved(&arrival.attributes)
    };
    let of_both = relaxed(&queue.needs, &queue.relax).and(&relaxed(&arrival.need, &arrival.relax));
    rules(queue, arrival).fold(of_both, |needs, rule| needs.and(&rule.needs.resolved(&arrival.attributes)))
}

/// The queue's rules that apply to it.
fn rules<'a>(queue: &'a QueueSettings, arrival: &'a Arrival) -> impl Iterator<Item = &'a Rule> {
    let known = &arrival.attributes;
    let applies = |rule: &&Rule| rule.when.iter().all(|(name, value)| known.get(name) == Some(value));
    queue.rules.iter().filter(applies)
}

/// It may still be kept for somebody.
fn may_be_kept(now: Time, standing: &Standing) -> bool {
    let longest: Duration = standing.arrival.prefer.iter().map(|prefer| prefer.wait).sum();
    now <= standing.joined + longest && !longest.is_zero()
}

fn level(abilities: &AgentSettings, skill: &str, at: Time) -> u8 {
    let skills: &Skills = &abilities.skills;
    let is_valid = abilities.skills_valid.get(skill).is_none_or(|valid| valid.has(at));
    if is_valid { skills.get(skill).copied().unwrap_or(0) } else { 0 }
}

/// The clock is looked at after what comes by the network: what begins or ends now may not have done so yet.
fn just_before(now: Time) -> Time {
    now - Duration::from_micros(1)
}

/// Millionths of a point per second, which are millionths of a millionth per microsecond.
fn rate(queue: &QueueSettings) -> i128 {
    (queue.ageing.clamp(0.0, 1e6) * 1e6).round() as i128 * i128::from(queue.weight.clamp(1, 1_000))
}

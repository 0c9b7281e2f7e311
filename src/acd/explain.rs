//! Why an entry is not with an agent: one reason for each, of a closed set.

use super::Acd;
use super::ability::{Requirement, Unable};
use super::agent::{Agent, Task};
use super::entry::{Entry, Stands};
use super::event::{AgentState, Arrival, Kind, Who};
use super::line::Refused;
use super::settings::{RestReason, Validity};
use crate::ids::{AgentId, EntryId, OfferId};
use crate::need::{Lack, Word};
use crate::time::Time;
use std::collections::BTreeSet;

/// Why an agent does not have an entry now. Where several hold, the first of these is told: their phone rings for
/// it; what they cannot do; their state; a refusal; whom the entry is kept for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// The agent lacks this skill altogether. `until`: when the need will be relaxed so far that they can serve it, if it will.
    NotSkilled {
        skill: String,
        until: Option<Time>,
    },
    LevelTooLow {
        skill: String,
        has: u8,
        needs: u8,
        until: Option<Time>,
    },
    /// The need asks for somebody without this skill, or not so good at it.
    UnwantedSkill {
        skill: String,
        until: Option<Time>,
    },
    /// The need asks for what nobody can have.
    NobodyCan {
        until: Option<Time>,
    },
    /// The queue is for members only.
    NotMember,
    /// The agent does not hold this licence.
    NoLicence {
        kind: String,
        jurisdiction: String,
    },
    /// They hold it, but it does not count now.
    LicenceNotValid {
        kind: String,
        jurisdiction: String,
        valid: Validity,
    },
    Offline,
    Paused {
        reason: String,
        until: Option<Time>,
    },
    WrapUp {
        until: Time,
    },
    /// The agent's phone rings for another entry.
    RingingOther {
        entry: EntryId,
    },
    /// The agent's phone rings for this entry.
    Ringing {
        offer: OfferId,
        deadline: Time,
    },
    Talking {
        entry: EntryId,
    },
    /// On as many tasks as they can have.
    Working {
        tasks: u32,
    },
    /// On tasks, and offered no calls meanwhile.
    NoCallsDuringTasks {
        tasks: u32,
    },
    /// On tasks, and offered no calls meanwhile, so no further task either before this call that waits for them.
    BehindCall {
        entry: EntryId,
    },
    /// On tasks, and offered nothing more until these are done: they were occupied for too much of the time, and rest then.
    RestsNext {
        tasks: u32,
    },
    /// On a call that no queue gave them.
    Busy,
    BackOff {
        until: Time,
    },
    /// Their shift is over, or so nearly that nothing is offered any more.
    OffShift {
        ends: Option<Time>,
    },
    /// Spared for a while.
    Resting {
        until: Time,
        reason: RestReason,
    },
    /// Their phone did not answer lately and is asked whether it is there.
    Probed {
        until: Time,
    },
    /// The agent declined or did not answer this entry, and it does not come back to them before then, as things stand
    /// now.
    Refused {
        until: Time,
    },
    /// It is kept for somebody else for that long.
    KeptForOther {
        until: Time,
    },
    /// It is a promise to call back, and is offered to nobody for now: its queue is closed, or the number is not dialled before `until`:
    /// it was in vain, or who asked for it has to hang up first.
    NotYet {
        until: Option<Time>,
    },
    /// The agent could take it, but another came first and is rung for it.
    RankedLower,
}

impl Acd {
    /// Why the offer went to its agent and to nobody else: the reasons of its entry, for each agent; `None` if it does not ring.
    pub fn explain_offer(&self, offer: OfferId) -> Option<Vec<(AgentId, WhyNot)>> {
        match self.agents[self.offers.get(&offer)?].task {
            Task::Offered { entry, .. } => Some(self.explain(entry)),
            Task::Talking { .. } | Task::None => None,
        }
    }

    /// Why the entry is not with each of the agents, by agent; empty if it does not wait. Costs a look at every agent.
    pub fn explain(&self, entry: EntryId) -> Vec<(AgentId, WhyNot)> {
        let Some(entry) = self.entries.get(&entry) else { return Vec::new() };
        let nobody_else = self.nobody_else_left(&self.line_of(entry));
        let asked = Asked::of(self, entry);
        self.agents.iter().map(|(id, agent)| (*id, self.why_not(*id, agent, entry, &asked, nobody_else))).collect()
    }

    /// Why none of the agents could have a contact whom its queue did not let in, or let go, for want of agents: as if it came now.
    /// Empty if there is no such queue. Costs a look at every agent.
    pub fn explain_turned_away(&self, entry: EntryId, arrival: &Arrival) -> Vec<(AgentId, WhyNot)> {
        if !self.queues.contains_key(&arrival.queue) {
            return Vec::new();
        }
        let entry = Entry::new(entry, arrival.clone(), self.now);
        let asked = Asked::of(self, &entry);
        self.agents.iter().map(|(id, agent)| (*id, self.why_not(*id, agent, &entry, &asked, false))).collect()
    }

    /// As [`Acd::explain`], of this agent alone; `None` if the entry does not wait, or there is no such agent.
    pub fn explain_of(&self, entry: EntryId, agent: AgentId) -> Option<WhyNot> {
        let (entry, by) = (self.entries.get(&entry)?, self.agents.get(&agent)?);
        let nobody_else = self.nobody_else_left(&self.line_of(entry));
        Some(self.why_not(agent, by, entry, &Asked::of(self, entry), nobody_else))
    }

    fn why_not(&self, id: AgentId, agent: &Agent, entry: &Entry, asked: &Asked, nobody_else: bool) -> WhyNot {
        let rings_for = match agent.task {
            Task::Offered { offer, entry: rung, deadline, .. } if rung == entry.place.entry => {
                return WhyNot::Ringing { offer, deadline };
            }
            Task::Offered { entry: rung, .. } => Some(rung),
            Task::Talking { .. } | Task::None => None,
        };
        if let Some(unable) = self.pools.pool(agent.pool).abilities.unable(&asked.of_everybody) {
            return self.why_unable(agent, unable, asked);
        }
        if let Some(entry) = rings_for {
            return WhyNot::RingingOther { entry };
        }
        match &agent.state {
            AgentState::Offline => WhyNot::Offline,
            AgentState::OffShift => WhyNot::OffShift { ends: agent.shift_ends },
            AgentState::Paused { reason, until } => WhyNot::Paused { reason: reason.clone(), until: *until },
            AgentState::WrapUp { until } => WhyNot::WrapUp { until: *until },
            AgentState::Talking { entry, .. } => WhyNot::Talking { entry: *entry },
            AgentState::Busy => WhyNot::Busy,
            AgentState::BackOff { until } => WhyNot::BackOff { until: *until },
            AgentState::Resting { until, reason } => WhyNot::Resting { until: *until, reason: *reason },
            AgentState::Probed { until } => WhyNot::Probed { until: *until },
            AgentState::Working { tasks } if agent.rests_next() => WhyNot::RestsNext { tasks: *tasks },
            AgentState::Working { tasks } if entry.kind() == Kind::Call && agent.no_calls_for_now() => {
                WhyNot::NoCallsDuringTasks { tasks: *tasks }
            }
            AgentState::Working { tasks } if !agent.may_be_offered(entry.kind()) => WhyNot::Working { tasks: *tasks },
            AgentState::Ready if !agent.may_be_offered(entry.kind()) => WhyNot::Working { tasks: 0 },
            // An offered agent has been told of above.
            AgentState::Ready | AgentState::Working { .. } | AgentState::Offered { .. } => {
                match entry.refusals.get(&id) {
                    Some(refusal) if !nobody_else => WhyNot::Refused { until: refusal.until },
                    Some(refusal) if refusal.phase == Refused::JustNow => WhyNot::Refused { until: refusal.just_now },
                    _ if !self.is_kept_for(entry, id, agent) => WhyNot::KeptForOther { until: entry.kept.until },
                    _ if entry.stands == Stands::Asleep => WhyNot::NotYet { until: entry.wakes(self.now) },
                    _ => match self.call_before(id, entry.kind(), entry.place.at(self.line_of(entry).rate, self.now)) {
                        Some(call) => WhyNot::BehindCall { entry: call },
                        None => WhyNot::RankedLower,
                    },
                }
            }
        }
    }

    fn is_kept_for(&self, entry: &Entry, id: AgentId, agent: &Agent) -> bool {
        match entry.kept_for() {
            None => true,
            Some(Who::Agent(other)) => *other == id,
            Some(Who::Team(team)) => self.pools.pool(agent.pool).abilities.teams.contains(team),
        }
    }

    fn why_unable(&self, agent: &Agent, unable: Unable, asked: &Asked) -> WhyNot {
        let abilities = &self.pools.pool(agent.pool).abilities;
        let relaxed = || asked.later.iter().find(|(_, later)| abilities.suffice(later)).map(|(at, _)| *at);
        match unable {
            // What everybody must have names no team.
            Unable::NoMember | Unable::OtherTeam => WhyNot::NotMember,
            Unable::Licence(licence) => {
                let (kind, Word::Is(jurisdiction) | Word::Of(jurisdiction)) = (licence.kind, licence.jurisdiction);
                let mut held = agent.licences();
                match held.find(|(held, _)| (&held.kind, &held.jurisdiction) == (&kind, &jurisdiction)) {
                    Some((_, valid)) => WhyNot::LicenceNotValid { kind, jurisdiction, valid },
                    None => WhyNot::NoLicence { kind, jurisdiction },
                }
            }
            Unable::Lacks(Lack::Level { skill, has: 0, .. }) => WhyNot::NotSkilled { skill, until: relaxed() },
            Unable::Lacks(Lack::Level { skill, has, needs }) => {
                WhyNot::LevelTooLow { skill, has, needs, until: relaxed() }
            }
            Unable::Lacks(Lack::Unwanted { skill }) => WhyNot::UnwantedSkill { skill, until: relaxed() },
            Unable::Lacks(Lack::Unmeetable) => WhyNot::NobodyCan { until: relaxed() },
        }
    }
}

impl WhyNot {
    /// As it stands in what other programs read.
    pub fn name(&self) -> &'static str {
        match self {
            WhyNot::NotSkilled { .. } => "not_skilled",
            WhyNot::LevelTooLow { .. } => "level_too_low",
            WhyNot::UnwantedSkill { .. } => "unwanted_skill",
            WhyNot::NobodyCan { .. } => "nobody_can",
            WhyNot::NotMember => "not_member",
            WhyNot::NoLicence { .. } => "no_licence",
            WhyNot::LicenceNotValid { .. } => "licence_not_valid",
            WhyNot::Offline => "offline",
            WhyNot::Paused { .. } => "paused",
            WhyNot::WrapUp { .. } => "wrap_up",
            WhyNot::RingingOther { .. } => "ringing_other",
            WhyNot::Ringing { .. } => "ringing",
            WhyNot::Talking { .. } => "talking",
            WhyNot::Working { .. } => "working",
            WhyNot::NoCallsDuringTasks { .. } => "no_calls_during_tasks",
            WhyNot::BehindCall { .. } => "behind_call",
            WhyNot::RestsNext { .. } => "rests_next",
            WhyNot::Busy => "busy",
            WhyNot::BackOff { .. } => "back_off",
            WhyNot::OffShift { .. } => "off_shift",
            WhyNot::Resting { .. } => "resting",
            WhyNot::Probed { .. } => "probed",
            WhyNot::Refused { .. } => "refused",
            WhyNot::KeptForOther { .. } => "kept_for_other",
            WhyNot::NotYet { .. } => "not_yet",
            WhyNot::RankedLower => "ranked_lower",
        }
    }
}

/// What an entry asks of everybody, now and at each of its steps to come.
struct Asked {
    of_everybody: Requirement,
    later: Vec<(Time, Requirement)>,
}

impl Asked {
    fn of(acd: &Acd, entry: &Entry) -> Asked {
        let queue = &acd.queues[&entry.queue()];
        let at = |at: Time| {
            let plain = || acd.lines.need(queue.plain).requirement.clone();
            acd.requirement(entry, entry.queue(), None, at).unwrap_or_else(plain)
        };
        let steps = entry.arrival.relax.iter().chain(&queue.settings.relax).map(|step| entry.since() + step.after);
        let steps: BTreeSet<Time> = steps.filter(|at| *at > acd.now).collect();
        Asked { of_everybody: at(acd.now), later: steps.into_iter().map(|step| (step, at(step))).collect() }
    }
}

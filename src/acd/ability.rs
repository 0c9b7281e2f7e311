//! What agents can do and what entries need, and whether the one is enough for the other.

use super::settings::{AgentSettings, Skills};
use crate::ids::QueueId;
use crate::need::{Expr, Lack, Licence, Need, Word};
use crate::time::Time;
use std::collections::BTreeSet;

/// Everything about an agent that decides whom they may serve, as of one moment. Agents with the same are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Abilities {
    /// Without level 0, which says nothing.
    pub skills: Skills,
    pub licences: BTreeSet<Licence>,
    pub teams: BTreeSet<String>,
    /// Queues for members only that the agent is a member of.
    pub queues: BTreeSet<QueueId>,
}

/// Everything that an agent must have for an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// Without names of attributes.
    pub need: Need,
    pub team: Option<String>,
    /// Where the entry's queue is for members only.
    pub queue: Option<QueueId>,
}

/// Something that an agent has, by which those who may serve an entry are found without looking at all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clue {
    Skill(String),
    Licence(Licence),
    Team(String),
    Queue(QueueId),
}

/// Why somebody may not serve an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unable {
    NoMember,
    Licence(Licence),
    Lacks(Lack),
    /// The entry is kept for a team for now.
    OtherTeam,
}

impl Abilities {
    /// Those of an agent at this moment, and when the next of them begins or ends.
    pub fn of(settings: &AgentSettings, now: Time) -> (Abilities, Option<Time>) {
        let valid = |skill: &String| settings.skills_valid.get(skill).is_none_or(|valid| valid.has(now));
        let skills = settings.skills.iter().filter(|(skill, level)| **level > 0 && valid(skill));
        let licences = settings.licences.iter().filter(|licence| licence.valid.has(now));
        let licences = licences.map(|licence| Licence {
            kind: licence.kind.clone(),
            jurisdiction: Word::Is(licence.jurisdiction.clone()),
        });
        let abilities = Abilities {
            skills: skills.map(|(skill, level)| (skill.clone(), *level)).collect(),
            licences: licences.collect(),
            teams: settings.teams.clone(),
            queues: settings.queues.clone(),
        };
        let valid = settings.skills_valid.values().chain(settings.licences.iter().map(|licence| &licence.valid));
        let next = valid.flat_map(|valid| [valid.from, valid.to]).flatten().filter(|at| *at > now).min();
        (abilities, next)
    }

    pub fn level(&self, skill: &str) -> u8 {
        self.skills.get(skill).copied().unwrap_or(0)
    }

    pub fn suffice(&self, requirement: &Requirement) -> bool {
        requirement.queue.is_none_or(|queue| self.queues.contains(&queue))
            && requirement.need.licences.is_subset(&self.licences)
            && requirement.need.skills.is_met(&|skill: &str| self.level(skill))
            && requirement.team.as_ref().is_none_or(|team| self.teams.contains(team))
    }

    /// The first reason why they do not suffice, `None` if they do.
    pub fn unable(&self, requirement: &Requirement) -> Option<Unable> {
        if requirement.queue.is_some_and(|queue| !self.queues.contains(&queue)) {
            return Some(Unable::NoMember);
        }
        if let Some(licence) = requirement.need.licences.difference(&self.licences).next() {
            return Some(Unable::Licence(licence.clone()));
        }
        let lack = requirement.need.skills.lack(&|skill: &str| self.level(skill)).map(Unable::Lacks);
        lack.or_else(|| (!self.suffice(requirement)).then_some(Unable::OtherTeam))
    }

    pub fn clues(&self) -> impl Iterator<Item = Clue> + '_ {
        let skills = self.skills.keys().cloned().map(Clue::Skill);
        let licences = self.licences.iter().cloned().map(Clue::Licence);
        let teams = self.teams.iter().cloned().map(Clue::Team);
        skills.chain(licences).chain(teams).chain(self.queues.iter().copied().map(Clue::Queue))
    }
}

impl Requirement {
    /// A few clues of which everybody who meets it has one at least; `None`: one may meet it without any.
    pub fn clues(&self) -> Option<Vec<Clue>> {
        if let Some(queue) = self.queue {
            return Some(vec![Clue::Queue(queue)]);
        }
        if let Some(licence) = self.need.licences.first() {
            return Some(vec![Clue::Licence(licence.clone())]);
        }
        if let Some(team) = &self.team {
            return Some(vec![Clue::Team(team.clone())]);
        }
        let skills = Expr::clues(&self.need.skills)?;
        Some(skills.into_iter().map(|skill| Clue::Skill(skill.to_owned())).collect())
    }
}

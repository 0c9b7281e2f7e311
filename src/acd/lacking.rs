//! What is wanting where no agent can meet a need, at any time, unless the settings change.

use super::Acd;
use super::ability::Requirement;
use super::settings::AgentSettings;
use crate::ids::QueueId;
use crate::need::{Licence, Need, Skill};
use std::collections::BTreeSet;

/// The first thing that nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// `known`: the skills that there are.
    Skill {
        name: String,
        known: BTreeSet<String>,
    },
    /// The skill is there, but not as good.
    Level {
        name: String,
        least: u8,
    },
    Licence(Licence),
    /// Somebody has each, and nobody all of it.
    Together,
}

impl Lacking {
    /// Of a need that none of these agents meets.
    pub fn among<'a>(needs: &Need, agents: impl Iterator<Item = &'a AgentSettings> + Clone) -> Lacking {
        let best = |name: &str| agents.clone().filter_map(|agent| agent.skills.get(name)).max().copied();
        let named = needs.skills.skills().filter_map(|(skill, least)| match skill {
            Skill::Named(name) => Some((name, least)),
            Skill::By { .. } => None,
        });
        for (name, least) in named {
            match best(name) {
                Some(level) if level >= least => {}
                Some(_) => return Lacking::Level { name: name.clone(), least },
                None => {
                    let known = agents.flat_map(|agent| agent.skills.keys().cloned()).collect();
                    return Lacking::Skill { name: name.clone(), known };
                }
            }
        }
        let held = |licence: &Licence| agents.clone().any(|agent| agent.holds(licence));
        match needs.licences.iter().find(|licence| !held(licence)) {
            Some(licence) => Lacking::Licence(licence.clone()),
            None => Lacking::Together,
        }
    }
}

impl Acd {
    /// What is wanting for this need, in which no attributes are named. `None`: some agent can meet it, now or when more of what they
    /// have is valid.
    pub fn lacking(&self, need: &Need) -> Option<Lacking> {
        let requirement = Requirement { need: need.clone(), ..Requirement::default() };
        let agents = || self.agents.values().map(|agent| &*agent.settings);
        let could = |agent: &AgentSettings| agent.could_serve(QueueId(0), false, need);
        if !self.pools.able(&requirement).is_empty() || agents().any(could) {
            return None;
        }
        Some(Lacking::among(need, agents()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::{AcdEvent, Change, HeldLicence, Skills, Validity};
    use crate::ids::AgentId;
    use crate::need::Word;
    use crate::time::Time;

    #[test]
    fn what_nobody_has_is_known_and_what_somebody_will_have_is_not_wanting() {
        let mut acd = Acd::new(0);
        let later = Validity { from: Some(Time::from_secs(100)), to: None };
        let bank = |jurisdiction: &str| HeldLicence {
            kind: "bank".into(),
            jurisdiction: jurisdiction.into(),
            valid: Validity::default(),
        };
        let anna = AgentSettings {
            skills: Skills::from([("sales".to_owned(), 5), ("night".to_owned(), 3)]),
            skills_valid: [("night".to_owned(), later)].into(),
            ..AgentSettings::default()
        };
        let bo = AgentSettings {
            skills: Skills::from([("support".to_owned(), 5)]),
            licences: vec![bank("SE")],
            ..AgentSettings::default()
        };
        for (id, settings) in [(0, anna), (1, bo)] {
            let change = Change::Agent { id: AgentId(id), settings };
            acd.apply(&AcdEvent { at: Time::from_secs(1), change });
        }
        let known: BTreeSet<String> = ["night", "sales", "support"].map(str::to_owned).into();
        let skill = |name: &str| Some(Lacking::Skill { name: name.into(), known: known.clone() });
        let licence = Licence { kind: "bank".into(), jurisdiction: Word::Is("NO".into()) };
        for (need, lacking) in [
            ("sales >= 5", None),
            ("night", None),
            ("sale or support", None),
            ("licence(bank, \"SE\")", None),
            ("sale >= 2", skill("sale")),
            ("sales and sale", skill("sale")),
            ("sales >= 6", Some(Lacking::Level { name: "sales".into(), least: 6 })),
            ("licence(bank, \"NO\")", Some(Lacking::Licence(licence))),
            ("sales and support", Some(Lacking::Together)),
            ("not sales and not support", Some(Lacking::Together)),
        ] {
            assert_eq!(acd.lacking(&Need::parse(need).unwrap().0), lacking, "{need}");
        }
    }
}

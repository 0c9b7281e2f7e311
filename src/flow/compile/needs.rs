//! What a flow asks of agents, checked against the skills that there are.

use super::Compiler;
use crate::flow::expr::Read;
use crate::flow::nodes::queue::Level;
use crate::flow::yaml::{At, Ordered, Span};
use crate::need::{Mention, Named, Need};
use std::collections::BTreeMap;

impl Compiler<'_> {
    pub fn need(&mut self, source: &str, at: Span) -> Need {
        match Need::parse(source) {
            Ok((need, mentions)) => {
                for Mention { name, start } in &mentions {
                    let at = self.inside(source, at, *start, name.text().chars().count());
                    match name {
                        Named::Skill(name) => self.skill(name, at),
                        Named::Family { family, attribute } if attribute == "language" => {
                            for language in self.languages.clone() {
                                self.skill(&format!("{family}_{language}"), at);
                            }
                        }
                        Named::Family { family, .. } => self.skill_family(family, at),
                        // The language is always known.
                        Named::Attribute(name) if name == "language" => {}
                        Named::Attribute(name) => self.reads.push(Read { name: name.clone(), at }),
                    }
                }
                need
            }
            Err(error) => {
                let at = self.inside(source, at, error.start, error.length);
                self.problem(at, error.message, error.help);
                Need::default()
            }
        }
    }

    pub fn need_of_skills(&mut self, skills: &Ordered<At<Level>>) -> Need {
        let mut levels = BTreeMap::new();
        for (name, level) in &skills.0 {
            self.skill(name, name.at);
            let wanted = level.value.0;
            if !(1..=10).contains(&wanted) {
                self.problem(level.at, "a level is a number from 1 to 10".into(), None);
            }
            levels.insert(name.value.clone(), wanted.clamp(1, 10) as u8);
        }
        Need::of_levels(&levels)
    }

    /// `topic(topic)` is one of the skills that begin with `topic_`.
    fn skill_family(&mut self, family: &str, at: Span) {
        let begins = format!("{family}_");
        if !self.world.skills.iter().any(|skill| skill.starts_with(&begins)) {
            self.problem(at, format!("there is no skill that begins with `{begins}`"), None);
        }
    }
}

//! `announce_to_agent` of a queue or `[every_queue]`: what agents hear before they are connected with a caller.

use super::read::{Setting, Table};
use super::values::Name;
use super::{Config, Place, Problem, nearest};
use crate::engine::settings::Said;
use crate::flow::speech;
use std::collections::BTreeSet;
use std::str::FromStr;

/// What agents hear of a queue's callers. Whether its prompts exist is [`Config::check_announcements`]'s business.
#[derive(Clone, Debug)]
pub struct Announcement {
    pub parts: Vec<Said>,
    place: Place,
}

/// `None`: nothing is written, which is not the same as an empty list.
pub(super) fn announcement(table: &Table) -> Option<Announcement> {
    let parts: Vec<Part> = table.list(ANNOUNCEMENT);
    let is_written = table.has(ANNOUNCEMENT);
    is_written.then(|| Announcement {
        parts: parts.into_iter().map(|part| part.0).collect(),
        place: table.place(ANNOUNCEMENT),
    })
}

const ANNOUNCEMENT: &str = "announce_to_agent";

/// A part of an announcement.
struct Part(Said);

impl FromStr for Part {
    type Err = String;
    fn from_str(text: &str) -> Result<Part, String> {
        let is_name = |name: &str| name.parse::<Name>().is_ok();
        match text {
            "{minutes}" => Ok(Part(Said::Minutes)),
            name if name.split('/').all(is_name) => Ok(Part(Said::Prompt(name.to_owned()))),
            _ => Err(String::new()),
        }
    }
}

impl Setting for Part {
    const EXPECTED: &'static str = r#"the name of a prompt, or "{minutes}" for the minutes that the caller has waited"#;
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl Config {
    /// The problems of announcements to agents that name a prompt that is none of `prompts`, which are those of the language that agents
    /// are spoken to in.
    pub fn check_announcements<'a>(&self, prompts: impl IntoIterator<Item = &'a str>) -> Vec<Problem> {
        let prompts: BTreeSet<&str> = prompts.into_iter().collect();
        let language = &self.sounds.language;
        // One of [every_queue] is wrong once.
        let mut seen = BTreeSet::new();
        let parts = self.announcements.values().flat_map(|said| said.parts.iter().map(|part| (part, &said.place)));
        let wrong = parts.filter_map(|(part, place)| {
            let words = match part {
                Said::Prompt(name) => vec![name.clone()],
                Said::Minutes => speech::words(language).unwrap_or_else(|| vec!["number/0".into()]),
            };
            let missing = words.into_iter().find(|name| !prompts.contains(name.as_str()))?;
            if !seen.insert((place.clone(), missing.clone())) {
                return None;
            }
            let problem = Problem::error(place.clone(), format!("there is no prompt `{missing}` in `{language}`"));
            Some(match nearest(&missing, prompts.iter().copied()) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(format!("record {language}/{missing}.wav in the folder of [sounds]")),
            })
        });
        wrong.collect()
    }
}

//! `[[pause_reasons]]`: why agents pause.

use super::cross::Check;
use super::read::Table;
use super::source::At;
use super::values::Name;
use super::{Config, Problem, each, nearest};
use crate::time::Duration;
use std::collections::BTreeMap;

/// A reason that may be given.
#[derive(Clone, Debug)]
pub struct PauseReason {
    pub name: String,
    /// A pause for longer is counted as too long; it goes on.
    pub longest: Option<Duration>,
}

pub(super) fn reasons(top: &Table) -> Vec<PauseReason> {
    each(top, "pause_reasons", |table| PauseReason {
        name: table.get::<Name>("name").0,
        longest: table.within("longest", Duration::from_secs(1)..=Duration::from_secs(86_400)),
    })
}

impl Config {
    /// The reasons for which agents may pause, and how long at the longest: those that are listed or, if none is, those of the codes.
    pub fn reasons(&self) -> BTreeMap<String, Option<Duration>> {
        let listed = self.pause_reasons.iter().map(|reason| (reason.name.clone(), reason.longest));
        let of_codes = self.codes.pauses.values().filter(|_| self.pause_reasons.is_empty());
        listed.chain(of_codes.map(|reason| (reason.clone(), None))).collect()
    }
}

impl Check<'_> {
    /// A code pauses for a reason that there is.
    pub(super) fn pauses(&self) {
        let listed = self.config.pause_reasons.iter().map(|reason| reason.name.as_str());
        self.names("pause_reasons", listed.clone());
        let listed: Vec<&str> = listed.collect();
        for (code, reason) in &self.config.codes.pauses {
            if listed.is_empty() || listed.contains(&reason.as_str()) {
                continue;
            }
            let at = At::default().key("codes").key("pauses").key(code);
            let problem = match self.top.reader.sources.is_written(&at) {
                true => {
                    let place = self.top.reader.sources.value(&at);
                    Problem::error(place, format!("there is no pause reason `{reason}`"))
                }
                // The code is vaxel's own: what is missing is missing in the list.
                false => {
                    let what = format!("there is no pause reason `{reason}`, for which the code {code} pauses");
                    Problem::error(self.place("pause_reasons", 0, "name"), what)
                }
            };
            self.top.reader.note(match nearest(reason, listed.iter().copied()) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(format!(
                    "let `{code}` of `pauses` in [codes] be for one of {}, or add `{reason}` to [[pause_reasons]]",
                    listed.join(", ")
                )),
            });
        }
    }
}

//! What an operator does for agents of the running service: pauses, and what ends them (`vaxel agent`), and what is read again of
//! the settings (`vaxel reload`).

use super::door::Door;
use super::reload::Reloader;
use crate::engine::{AgentAct, Input};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The agents, and for what they may pause.
pub struct Floor {
    pub agents: BTreeSet<String>,
    pub reasons: BTreeSet<String>,
    pub door: Door,
    /// `None`: nobody knows where the settings came from.
    pub reloader: Option<Arc<Reloader>>,
}

/// What is to be done for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    pub agent: String,
    pub act: AgentAct,
}

impl Floor {
    /// Reads the settings again; see [`Reloader::reload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reload(&self) -> Result<String, String> {
        let reloader = self.reloader.as_ref().ok_or("this vaxel was started without a settings file to read again")?;
        reloader.reload()
    }

    /// What was done, in words for who wished it.
    ///
    /// # Errors
    ///
    /// There is no such agent or reason, or no engine; says which there are.
    pub fn grant(&self, wish: Wish) -> Result<String, String> {
        let Wish { agent, act } = wish;
        if !self.agents.contains(&agent) {
            return Err(format!("there is no agent `{agent}`; there are {}", list(&self.agents)));
        }
        if let AgentAct::Pause(reason) = &act
            && !self.reasons.contains(reason)
        {
            return Err(format!("there is no pause reason `{reason}`; there are {}", list(&self.reasons)));
        }
        let done = match &act {
            AgentAct::Pause(reason) => {
                format!("{agent} is paused: {reason} (after the talk and its notes, if there is one)")
            }
            AgentAct::Resume => format!("{agent} is not paused any more"),
            AgentAct::EndWrapUp => format!("{agent} has finished the notes"),
        };
        tracing::info!(agent, ?act, "an operator speaks for an agent");
        match self.door.tell(Input::Agent { agent, act }) {
            Ok(()) => Ok(done),
            Err(_) => Err("vaxel is about to end".to_owned()),
        }
    }
}

fn list(names: &BTreeSet<String>) -> String {
    let some: Vec<&str> = names.iter().take(SHOWN_MAX).map(String::as_str).collect();
    let more = if names.len() > SHOWN_MAX { format!(" and {} more", names.len() - SHOWN_MAX) } else { String::new() };
    if some.is_empty() { "none".to_owned() } else { some.join(", ") + &more }
}

/// Of a thousand agents nobody reads all.
const SHOWN_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Clock;
    use crate::edge::door::door;

    #[test]
    fn an_unknown_agent_or_reason_is_answered_with_those_there_are() {
        let (door, entrance) = door(Clock::start(), 4);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let floor = Floor { agents: names(&["anna", "bo"]), reasons: names(&["break", "lunch"]), door, reloader: None };
        let wish = |agent: &str, act| floor.grant(Wish { agent: agent.to_owned(), act });
        let pause = |reason: &str| AgentAct::Pause(reason.to_owned());
        assert_eq!(wish("ann", pause("lunch")).unwrap_err(), "there is no agent `ann`; there are anna, bo");
        let refused = wish("anna", pause("golf")).unwrap_err();
        assert_eq!(refused, "there is no pause reason `golf`; there are break, lunch");
        assert!(wish("anna", pause("lunch")).unwrap().starts_with("anna is paused: lunch"));
        let Input::Agent { agent, act } = entrance.input() else { panic!("the engine was not told") };
        assert_eq!((agent.as_str(), act), ("anna", pause("lunch")));
        assert!(floor.reload().is_err());
        assert!(wish("bo", AgentAct::Resume).is_ok() && wish("bo", AgentAct::EndWrapUp).is_ok());
        drop(entrance);
        assert!(wish("bo", AgentAct::Resume).is_err());
    }

    #[test]
    fn not_all_of_a_thousand_are_shown() {
        let names = (0..1000).map(|n| format!("a{n:03}")).collect();
        assert!(list(&names).ends_with("a019 and 980 more") && list(&BTreeSet::new()) == "none");
    }
}

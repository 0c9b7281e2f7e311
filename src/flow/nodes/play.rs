//! `play`: says something, then goes on.

use super::{Event, Kind, StepId, Turn, Way};
use crate::flow::compile::{Compiler, Item};
use crate::flow::model::{self, Sayings};
use crate::flow::run::Walk;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Play")]
pub struct File {
    /// What is said, one after the other.
    pub prompt: Sayings,
    /// Whether a key cuts it short (default true). The key is kept for the next question either way.
    pub barge_in: Option<bool>,
    /// The step after it.
    pub next: Option<model::Way>,
}

#[derive(Debug)]
pub struct Play {
    prompt: Vec<Item>,
    barge_in: bool,
    next: StepId,
}

impl Kind for Play {
    type File = File;
    type State = ();

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Play {
        Play {
            prompt: compiler.sayings(&file.prompt),
            barge_in: file.barge_in.unwrap_or(true),
            next: compiler.next(&file.next, after),
        }
    }

    fn ways(&self) -> Vec<Way> {
        vec![Way { label: String::new(), to: self.next, paused: false, sets: Vec::new() }]
    }

    fn enter(&self, (): &mut (), walk: &mut Walk) -> Turn {
        if walk.play(self.prompt.iter()) { Turn::Wait } else { Turn::at_once(self.next) }
    }

    fn handle(&self, (): &mut (), walk: &mut Walk, event: Event) -> Turn {
        match event {
            Event::Played => Turn::at_once(self.next),
            Event::Digit if self.barge_in => {
                walk.stop();
                Turn::at_once(self.next)
            }
            _ => Turn::Wait,
        }
    }
}

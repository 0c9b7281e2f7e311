//! `goto`: goes on somewhere else, also in another flow.

use super::{Kind, StepId, Turn, Way};
use crate::flow::compile::Compiler;
use crate::flow::model::text_or;
use crate::flow::run::Walk;
use crate::flow::yaml::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Variables and language stay as they are.
pub type File = At<NameOrPlace>;

/// The name of a step, or the longer form.
#[derive(Clone, Debug)]
pub enum NameOrPlace {
    Name(String),
    Place(Place),
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[schemars(rename = "Goto")]
pub enum Place {
    /// A step of this flow.
    Step(At<String>),
    /// Another flow, from its start.
    Flow(At<String>),
}

#[derive(Debug)]
pub enum Goto {
    Step(StepId),
    Flow(String),
}

text_or!(NameOrPlace, Name, Place(Place), "the name of a step, or `{ flow: name }` for the start of another flow");

impl Kind for Goto {
    type File = File;
    type State = ();

    fn compile(file: &File, compiler: &mut Compiler, _after: Option<StepId>) -> Goto {
        match &file.value {
            NameOrPlace::Name(name) => Goto::Step(compiler.step(name, file.at)),
            NameOrPlace::Place(Place::Step(name)) => Goto::Step(compiler.step(name, name.at)),
            NameOrPlace::Place(Place::Flow(name)) => Goto::Flow(compiler.flow(name)),
        }
    }

    fn ways(&self) -> Vec<Way> {
        match self {
            Goto::Step(to) => vec![Way { label: String::new(), to: *to, paused: false, sets: Vec::new() }],
            Goto::Flow(_) => Vec::new(),
        }
    }

    fn enter(&self, (): &mut (), _walk: &mut Walk) -> Turn {
        match self {
            Goto::Step(to) => Turn::at_once(*to),
            Goto::Flow(name) => Turn::Flow(name.clone()),
        }
    }
}

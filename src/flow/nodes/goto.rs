//! `goto`: goes on somewhere else, also in another flow.

use super::{Kind, StepId, Turn, Way};
use crate::flow::compile::Compiler;
use crate::flow::model::text_or;
use crate::flow::walk::Walk;
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

#[cfg(test)]
mod tests {
    use crate::flow::phone::{self, Phone, problems};
    use crate::flow::{compile, link};

    #[test]
    fn goes_to_steps_by_either_form() {
        let mut phone =
            Phone::call("a: { goto: b }\nb: { goto: { step: c } }\nc: { play: { prompt: c, next: hangup } }");
        assert_eq!(phone.sees(), ":a, :b, :c, answer, say c");
    }

    #[test]
    fn another_flow_begins_with_what_is_known() {
        let first =
            phone::flow(&phone::text("a: { set: { x: 1, language: sv, next: b } }\nb: { goto: { flow: other } }"));
        let other = "flow: other\nlanguages: [en]\nstart: z\nvariables: { x: 7, y: 8 }\nsteps:\n  z: { queue: { name: sales, failed: hangup } }\n";
        let flows = link([first, phone::flow(other)]).expect("two names");
        assert_eq!(
            Phone::ring(flows["t"].clone()).sees(),
            ":a, :b, :z, answer, queue sales 0 anybody None en {\"x\": \"1\", \"y\": \"8\"}"
        );
    }

    #[test]
    fn flows_that_send_the_caller_round_are_given_up() {
        let first = phone::flow(&phone::text("a: { goto: { flow: other } }"));
        let other = phone::flow("flow: other\nlanguages: [en]\nstart: z\nsteps:\n  z: { goto: { flow: t } }\n");
        let flows = link([first, other]).expect("two names");
        let mut phone = Phone::ring(flows["t"].clone());
        let seen = phone.sees();
        assert!(seen.ends_with("100 steps went by without waiting for the caller, reject 500"), "{seen}");
        assert_eq!(phone.press("1") + &phone.played() + &phone.wait(1e4), "");
    }

    #[test]
    fn a_flow_that_is_gone_is_a_fault() {
        let mut phone = Phone::call("a: { goto: { flow: other } }");
        assert_eq!(phone.sees(), ":a, fault in a: there is no flow `other` any more, reject 500");
    }

    #[test]
    fn places_are_checked() {
        assert_eq!(problems("a: { goto: { flow: othre } }"), [(1, 20, "there is no flow `othre`".to_string())]);
        assert_eq!(problems("a: { goto: bb }"), [(1, 12, "there is no step `bb`".to_string())]);
        let found = problems("a: { goto: b }\nb: { set: { x: 1, next: c } }\nc: { play: { prompt: c, next: a } }");
        assert_eq!(found, [(1, 1, "this goes round without ever asking the caller: a → b → c → a".to_string())]);
    }

    #[test]
    fn a_flow_may_lead_to_its_own_start() {
        assert!(compile("t.yaml", &phone::text("a: { goto: { flow: t } }"), &phone::world()).is_ok());
    }
}

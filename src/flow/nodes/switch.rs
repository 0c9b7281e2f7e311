//! `switch`: goes on by what is known.

use super::{Kind, StepId, Turn, Way};
use crate::flow::compile::Compiler;
use crate::flow::expr::Expr;
use crate::flow::model;
use crate::flow::walk::Walk;
use crate::flow::yaml::At;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Switch")]
pub struct File {
    /// Looked at from the top; the first that holds is taken.
    pub cases: At<Vec<CaseFile>>,
    /// Where it goes on when none holds.
    #[serde(rename = "else")]
    pub otherwise: model::Way,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Case")]
pub struct CaseFile {
    /// An expression that is true or false.
    pub when: At<String>,
    pub next: model::Way,
}

#[derive(Debug)]
pub struct Switch {
    cases: Vec<(Expr, StepId)>,
    otherwise: StepId,
}

impl Kind for Switch {
    type File = File;
    type State = ();

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Switch {
        if file.cases.is_empty() {
            compiler.problem(file.cases.at, "a switch needs cases".into(), None);
        }
        let mut cases = Vec::new();
        for case in &file.cases.value {
            let to = compiler.way(&case.next, after);
            cases.extend(compiler.expr(&case.when).map(|expr| (expr, to)));
        }
        Switch { cases, otherwise: compiler.way(&file.otherwise, after) }
    }

    fn ways(&self) -> Vec<Way> {
        let way = |label: String, to| Way { label, to, paused: false, sets: Vec::new() };
        let mut ways: Vec<Way> = self.cases.iter().map(|(expr, to)| way(expr.to_string(), *to)).collect();
        ways.push(way("else".into(), self.otherwise));
        ways
    }

    fn enter(&self, (): &mut (), walk: &mut Walk) -> Turn {
        for (expr, to) in &self.cases {
            match expr.holds(&walk.scope) {
                Ok(true) => return Turn::at_once(*to),
                Ok(false) => {}
                // A case that cannot be judged does not hold.
                Err(reason) => walk.fault(reason),
            }
        }
        Turn::at_once(self.otherwise)
    }
}

#[cfg(test)]
mod tests {
    use crate::flow::phone::{Phone, problems};

    #[test]
    fn first_case_that_holds_is_taken() {
        let steps = "a: { switch: { cases: [{ when: 'call.to == \"1\"', next: hangup }, { when: 'call.from.startsWith(\"+46\")', next: b }, { when: 'true', next: hangup }], else: hangup } }\nb: { play: { prompt: b, next: hangup } }";
        assert_eq!(Phone::call(steps).sees(), ":a, :b, answer, say b");
    }

    #[test]
    fn a_case_that_cannot_be_judged_does_not_hold() {
        let steps = "a: { switch: { cases: [{ when: 'call.to', next: hangup }], else: b } }\nb: { play: { prompt: b, next: hangup } }";
        assert_eq!(
            Phone::call(steps).sees(),
            ":a, fault in a: `call.to` gives 100, neither true nor false, :b, answer, say b"
        );
    }

    #[test]
    fn variables_must_be_set_on_every_way() {
        let menu = "a: { menu: { keys: { '1': b, '2': c }, failed: hangup } }\nb: { set: { tier: gold, next: c } }\n";
        let found = problems(&format!(
            "{menu}c: {{ switch: {{ cases: [{{ when: \"tier == 'gold'\", next: hangup }}], else: hangup }} }}"
        ));
        assert_eq!(found, [(3, 33, "`tier` may not be set here".to_string())]);
        let found = problems(&format!(
            "{menu}c: {{ switch: {{ cases: [{{ when: \"true && teir == 'gold'\", next: hangup }}], else: hangup }} }}"
        ));
        assert_eq!(found, [(3, 41, "no step sets `teir`".to_string())]);
    }

    #[test]
    fn else_cannot_be_left_out() {
        let found = problems("a: { switch: { cases: [{ when: 'true', next: hangup }] } }");
        assert_eq!(found[0].2, "`else` is missing here");
    }
}

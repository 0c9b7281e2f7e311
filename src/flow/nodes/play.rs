//! `play`: says something, then goes on.

use super::{Event, Kind, StepId, Turn, Way};
use crate::flow::compile::{Compiler, Item};
use crate::flow::model::{self, Sayings};
use crate::flow::walk::Walk;
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
    /// Whether a call that is not answered yet is answered for it (default true); otherwise it is heard before the answer.
    pub answer: Option<bool>,
    /// The step after it.
    pub next: Option<model::Way>,
}

#[derive(Debug)]
pub struct Play {
    prompt: Vec<Item>,
    barge_in: bool,
    answer: bool,
    next: StepId,
}

impl Kind for Play {
    type File = File;
    type State = ();

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Play {
        Play {
            prompt: compiler.sayings(&file.prompt),
            barge_in: file.barge_in.unwrap_or(true),
            answer: file.answer.unwrap_or(true),
            next: compiler.next(&file.next, after),
        }
    }

    fn ways(&self) -> Vec<Way> {
        vec![Way { label: String::new(), to: self.next, paused: false, sets: Vec::new() }]
    }

    fn enter(&self, (): &mut (), walk: &mut Walk) -> Turn {
        if !self.answer {
            walk.takes(false);
        }
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

#[cfg(test)]
mod tests {
    use crate::flow::compile;
    use crate::flow::phone::{self, Phone, problems};
    use crate::flow::run::Input;

    #[test]
    fn plays_then_goes_on() {
        let mut phone =
            Phone::call("a: { play: { prompt: [a, b], next: c } }\nc: { play: { prompt: c, next: hangup } }");
        assert_eq!(phone.sees(), ":a, answer, say a b");
        assert_eq!(phone.played(), ":c, say c");
        assert_eq!(phone.played(), "hangup");
        assert_eq!(phone.played(), "");
    }

    #[test]
    fn key_cuts_it_and_is_kept_for_the_next_question() {
        let steps =
            "a: { play: { prompt: a, next: b } }\nb: { menu: { prompt: b, keys: { '1': hangup }, failed: hangup } }";
        let mut phone = Phone::call(steps);
        phone.sees();
        assert_eq!(phone.press("1"), "stop, :b, hangup");
    }

    #[test]
    fn what_must_be_heard_is_not_cut() {
        let steps = "a: { play: { prompt: a, barge_in: false, next: b } }\nb: { menu: { prompt: b, keys: { '1': hangup }, failed: hangup } }";
        let mut phone = Phone::call(steps);
        phone.sees();
        assert_eq!(phone.press("1"), "");
        assert_eq!(phone.played(), ":b, hangup");
    }

    #[test]
    fn a_report_that_never_comes_is_not_waited_for() {
        let mut phone = Phone::call("a: { play: { prompt: a, next: hangup } }");
        phone.sees();
        assert_eq!(phone.wait(299.0), "");
        assert_eq!(phone.wait(2.0), "hangup");
    }

    #[test]
    fn what_is_said_before_the_answer_is_heard_without_one() {
        let steps = "a: { play: { prompt: a, answer: false, next: b } }\nb: { play: { prompt: b, next: c } }
c: { play: { prompt: c, answer: false, next: hangup } }";
        let mut phone = Phone::call(steps);
        assert_eq!(phone.sees(), ":a, hear early, say a");
        assert_eq!(phone.played(), ":b, answer, say b");
        assert_eq!(phone.played(), ":c, say c", "it is answered already");
        assert_eq!(phone.played(), "hangup");
        let mut phone =
            Phone::call("a: { play: { prompt: a, answer: false, next: b } }\nb: { hangup: { code: busy } }");
        phone.sees();
        assert_eq!(phone.played(), ":b, reject 486");
    }

    #[test]
    fn a_call_that_was_left_unanswered_for_too_long_is_answered_in_the_middle_of_a_word() {
        let mut phone = Phone::call(
            "a: { play: { prompt: a, answer: false, next: b } }\nb: { play: { prompt: b, answer: false, next: hangup } }",
        );
        phone.sees();
        assert_eq!(phone.gets(Input::AnswerDue), "answer");
        assert_eq!(phone.gets(Input::AnswerDue), "");
        assert_eq!(phone.played(), ":b, say b");
        assert_eq!(phone.played(), "hangup");
    }

    #[test]
    fn numbers_and_digits_are_spoken() {
        let steps = "a: { set: { n: 305, m: 12345, next: b } }\nb:\n  play:\n    prompt: [a, { number: n }, { digits: 'string(n)' }, { number: m }, { prompt: b, language: sv }]\n    next: hangup";
        let mut phone = Phone::call(steps);
        assert_eq!(
            phone.sees(),
            ":a, :b, answer, say a number/300 number/and number/5 number/3 number/0 number/5 number/1 number/2 number/3 number/4 number/5 b@sv"
        );
    }

    #[test]
    fn prompts_and_ways_must_exist() {
        assert_eq!(
            problems(
                "a: { play: { prompt: [a, only-en, nosuch], next: bb } }\nb: { play: { prompt: b, next: hangup } }"
            ),
            [
                (1, 26, "prompt `only-en` is missing in sv".to_string()),
                (1, 35, "there is no prompt `nosuch` in en, sv".to_string()),
                (1, 50, "there is no step `bb`".to_string()),
            ]
        );
        let text = phone::text("a: { play: { prompt: [a, { number: 1 }], next: hangup } }").replace("[en, sv]", "[xx]");
        let found = compile("t.yaml", &text, &phone::world()).unwrap_err();
        let found: Vec<_> = found.iter().map(|p| (p.line, p.message.as_str())).collect();
        assert_eq!(found, [(2, "there are no prompts in `xx`")], "one mistake, one complaint");
        let text = phone::text("a: { play: { prompt: { prompt: a, language: xx }, next: hangup } }");
        let found = compile("t.yaml", &text, &phone::world()).unwrap_err();
        assert_eq!(found[0].message, "there is no prompt `a` in xx");
        assert_eq!(found[0].help.as_deref(), Some("expected sounds/xx/a.wav"), "not the same name once more");
        assert_eq!(problems("a: { play: { prompt: a } }"), [(1, 1, "this step leads nowhere".to_string())]);
    }
}

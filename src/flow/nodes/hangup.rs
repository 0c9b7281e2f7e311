//! `hangup`: ends the call; before it was answered, refuses it.

use super::{Event, Kind, StepId, Turn, Way};
use crate::flow::compile::{Compiler, Item};
use crate::flow::model::{Sayings, TextOrNumber};
use crate::flow::run::Action;
use crate::flow::walk::Walk;
use crate::flow::yaml::At;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hangup")]
pub struct File {
    /// Said first.
    #[serde(default)]
    pub prompt: Sayings,
    /// How the call is refused if it was not answered yet: `busy` (486), `unavailable` (480), `not_found` (404),
    /// `declined` (603, the default), or any SIP code from 400 to 699.
    #[schemars(with = "Option<TextOrNumber>")]
    pub code: Option<At<String>>,
    /// Whether a call that is not answered yet is answered for the prompt (default true); otherwise it is heard, and then the call
    /// is refused.
    pub answer: Option<bool>,
}

#[derive(Debug)]
pub struct Hangup {
    prompt: Vec<Item>,
    code: u16,
    answer: bool,
}

const DECLINED: u16 = 603;
const CODES: [(&str, u16); 4] = [("busy", 486), ("unavailable", 480), ("not_found", 404), ("declined", DECLINED)];

impl Kind for Hangup {
    type File = File;
    type State = ();

    fn compile(file: &File, compiler: &mut Compiler, _after: Option<StepId>) -> Hangup {
        let code = file.code.as_ref().map_or(Some(DECLINED), |code| self::code(code));
        if let (Some(written), None) = (&file.code, code) {
            let names = CODES.map(|(name, _)| format!("`{name}`")).join(", ");
            let help = format!("{names}, or a SIP code from 400 to 699");
            compiler.problem(written.at, format!("a call cannot be refused with `{}`", **written), Some(help));
        }
        let answer = file.answer.unwrap_or(true);
        if let (Some(written), false, true) = (&file.code, file.prompt.0.is_empty(), answer) {
            let help =
                "say `answer: false`, or leave out `code` (it counts only before the call is answered) or `prompt`"
                    .into();
            compiler.problem(written.at, "a call that hears a prompt is answered, not refused".into(), Some(help));
        }
        Hangup { prompt: compiler.sayings(&file.prompt), code: code.unwrap_or(DECLINED), answer }
    }

    fn ways(&self) -> Vec<Way> {
        Vec::new()
    }

    fn enter(&self, (): &mut (), walk: &mut Walk) -> Turn {
        if !self.answer {
            walk.takes(false);
        }
        if walk.play(self.prompt.iter()) {
            return Turn::Wait;
        }
        self.end(walk)
    }

    fn handle(&self, (): &mut (), walk: &mut Walk, event: Event) -> Turn {
        if event != Event::Played {
            return Turn::Wait;
        }
        self.end(walk)
    }
}

impl Hangup {
    /// Says nothing.
    pub fn plain() -> Hangup {
        Hangup { prompt: Vec::new(), code: DECLINED, answer: true }
    }

    fn end(&self, walk: &mut Walk) -> Turn {
        walk.act(if walk.is_answered() { Action::Hangup } else { Action::Reject { code: self.code } });
        Turn::Over
    }
}

fn code(text: &str) -> Option<u16> {
    let named = CODES.iter().find(|(name, _)| *name == text).map(|(_, code)| *code);
    named.or_else(|| text.parse().ok().filter(|code| (400..=699).contains(code)))
}

#[cfg(test)]
mod tests {
    use crate::flow::phone::{Phone, problems};
    use crate::flow::run::Input;

    #[test]
    fn refuses_before_and_hangs_up_after_the_answer() {
        assert_eq!(Phone::call("a: { hangup: { code: busy } }").sees(), ":a, reject 486");
        assert_eq!(Phone::call("a: { hangup: { code: 404 } }").sees(), ":a, reject 404");
        assert_eq!(Phone::call("a: { hangup: }").sees(), ":a, reject 603");
        assert_eq!(Phone::call("a: hangup").sees(), ":a, reject 603");
        let mut phone = Phone::call("a: { play: { prompt: a, next: b } }\nb: { hangup: { code: busy } }");
        phone.sees();
        assert_eq!(phone.played(), ":b, hangup");
    }

    #[test]
    fn last_words_are_heard_to_the_end_and_nothing_follows() {
        let mut phone = Phone::call("a: { hangup: { prompt: [a, b] } }");
        assert_eq!(phone.sees(), ":a, answer, say a b");
        assert_eq!(phone.press("1"), "");
        assert_eq!(phone.played(), "hangup");
        assert_eq!(phone.press("1") + &phone.played() + &phone.wait(1e4), "");
        assert_eq!(phone.run.poll_timeout(), None);
    }

    #[test]
    fn a_call_may_hear_why_it_is_refused_without_being_answered() {
        let mut phone = Phone::call("a: { hangup: { prompt: a, answer: false, code: unavailable } }");
        assert_eq!(phone.sees(), ":a, hear early, say a");
        assert_eq!(phone.played(), "reject 480");
        let mut phone = Phone::call("a: { hangup: { prompt: a, answer: false } }");
        phone.sees();
        assert_eq!(phone.gets(Input::AnswerDue), "answer", "whatever the prompt is long");
        assert_eq!(phone.played(), "hangup");
    }

    #[test]
    fn codes_are_checked() {
        assert_eq!(
            problems("a: { hangup: { code: bsy } }"),
            [(1, 22, "a call cannot be refused with `bsy`".to_string())]
        );
        assert_eq!(problems("a: { hangup: { code: 200 } }").len(), 1);
        assert_eq!(problems("a: { hangup: { code: busy, prompt: a } }").len(), 1);
    }
}

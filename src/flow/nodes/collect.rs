//! `collect`: asks for a number of digits and keeps them in a variable, as text.
//!
//! `*` starts over. The end key may also be pressed when the last possible digit has come; it is then passed over.

use super::menu::{Asking, Mistake, State};
use super::{Event, Kind, StepId, Turn, Way, first_of};
use crate::flow::compile::{Compiler, Item};
use crate::flow::expr::Value;
use crate::flow::model::{self, Sayings, TextOrNumber};
use crate::flow::walk::Walk;
use crate::flow::yaml::{At, Length};
use crate::time::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Collect")]
pub struct File {
    /// What is said; said again after a mistake.
    #[serde(default)]
    pub prompt: Sayings,
    /// How many: `6`, or fewest and most: `4..8`. At most 32.
    #[schemars(with = "TextOrNumber")]
    pub digits: At<String>,
    /// The key that ends the input: `#` (default), `*`, or `none`.
    pub end_key: Option<At<String>>,
    /// The variable that holds the digits on the way `next`.
    pub into: At<String>,
    /// How long the caller may think after the prompt (default 8s).
    pub timeout: Option<Length>,
    /// How long between two digits (default 4s); then what was typed counts.
    pub between: Option<Length>,
    /// How often it is asked altogether (default 3).
    #[schemars(with = "Option<u8>", range(min = 1, max = 10))]
    pub tries: Option<At<i64>>,
    /// Whether a key cuts the prompt short (default true).
    pub barge_in: Option<bool>,
    /// Said before asking again when there were too few digits.
    #[serde(default)]
    pub invalid_prompt: Sayings,
    /// Said before asking again when none came.
    #[serde(default)]
    pub no_input_prompt: Sayings,
    /// Where the caller goes with the digits.
    pub next: Option<model::Way>,
    /// Where the caller goes when the tries are used up.
    pub failed: Option<model::Way>,
    /// The same, when the last mistake was to type nothing.
    pub no_input: Option<model::Way>,
    /// The same, when the last mistake was to type too few.
    pub invalid: Option<model::Way>,
}

#[derive(Debug)]
pub struct Collect {
    prompt: Vec<Item>,
    fewest: usize,
    most: usize,
    end_key: Option<char>,
    into: String,
    asking: Asking,
    next: StepId,
}

const MOST_DIGITS: usize = 32;

impl Kind for Collect {
    type File = File;
    type State = State;

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Collect {
        let (fewest, most) = range(&file.digits).unwrap_or_else(|| {
            let help = format!("`6` or `4..8`, at least 1 and at most {MOST_DIGITS}");
            compiler.problem(file.digits.at, format!("`{}` is no number of digits", *file.digits), Some(help));
            (1, MOST_DIGITS)
        });
        let end_key = match file.end_key.as_ref().map(|key| key.as_str()) {
            None | Some("#") => Some('#'),
            Some("*") => Some('*'),
            Some("none") => None,
            Some(other) => {
                let at = file.end_key.as_ref().map_or(file.digits.at, |key| key.at);
                compiler.problem(at, format!("`{other}` cannot end the input"), Some("`#`, `*` or `none`".into()));
                None
            }
        };
        let failed = file.failed.as_ref().map(|way| compiler.way(way, after));
        let no_input = file.no_input.as_ref().map(|way| compiler.way(way, after));
        let invalid = file.invalid.as_ref().map(|way| compiler.way(way, after));
        let names = "`failed`, or `no_input` and `invalid`";
        Collect {
            prompt: compiler.sayings(&file.prompt),
            fewest,
            most,
            end_key,
            into: compiler.variable(&file.into),
            asking: Asking {
                timeout: file.timeout.map_or(Duration::from_secs(8), |l| l.0),
                between: file.between.map_or(Duration::from_secs(4), |l| l.0),
                tries: compiler.tries(&file.tries),
                barge_in: file.barge_in.unwrap_or(true),
                invalid_prompt: compiler.sayings(&file.invalid_prompt),
                no_input_prompt: compiler.sayings(&file.no_input_prompt),
                no_input: first_of([no_input, failed, invalid, None], compiler, "too few digits come", names),
                invalid: [invalid, failed, no_input].into_iter().flatten().next().unwrap_or(compiler.hangup()),
            },
            next: compiler.next(&file.next, after),
        }
    }

    fn ways(&self) -> Vec<Way> {
        let next = Way { label: "digits".into(), to: self.next, paused: true, sets: vec![self.into.clone()] };
        let mut ways = vec![next];
        ways.extend(self.asking.ways());
        ways
    }

    fn listens(&self) -> bool {
        true
    }

    fn enter(&self, state: &mut State, walk: &mut Walk) -> Turn {
        self.ask(state, walk, &[])
    }

    fn handle(&self, state: &mut State, walk: &mut Walk, event: Event) -> Turn {
        match event {
            Event::Digit if walk.is_playing() && !self.asking.barge_in => Turn::Wait,
            Event::Digit => {
                walk.stop();
                self.take(state, walk)
            }
            Event::Played if walk.has_digits() => self.take(state, walk),
            Event::Played => walk.wait(self.asking.timeout),
            Event::Timeout => self.end(state, walk),
            Event::Other(_) => Turn::Wait,
        }
    }
}

impl Collect {
    fn ask(&self, state: &mut State, walk: &mut Walk, before: &[Item]) -> Turn {
        state.typed.clear();
        if walk.has_digits() {
            self.take(state, walk)
        } else if walk.play(before.iter().chain(&self.prompt)) {
            Turn::Wait
        } else {
            walk.wait(self.asking.timeout)
        }
    }

    fn take(&self, state: &mut State, walk: &mut Walk) -> Turn {
        while let Some(digit) = walk.take_digit() {
            if Some(digit) == self.end_key {
                return self.end(state, walk);
            } else if digit.is_ascii_digit() {
                state.typed.push(digit);
            } else if digit == '*' {
                state.typed.clear();
            }
            if state.typed.len() == self.most {
                if let Some(key) = self.end_key {
                    walk.pass_over(key, self.asking.between);
                }
                return self.end(state, walk);
            }
        }
        walk.wait(if state.typed.is_empty() { self.asking.timeout } else { self.asking.between })
    }

    fn end(&self, state: &mut State, walk: &mut Walk) -> Turn {
        let typed = std::mem::take(&mut state.typed);
        if typed.len() >= self.fewest {
            walk.scope.variables.insert(self.into.clone(), Value::Text(typed));
            return Turn::paused(self.next);
        }
        let mistake = if typed.is_empty() { Mistake::Nothing } else { Mistake::Wrong };
        match self.asking.mistake(state, walk, mistake) {
            Ok(before) => self.ask(state, walk, before),
            Err(to) => Turn::paused(to),
        }
    }
}

fn range(text: &str) -> Option<(usize, usize)> {
    let (fewest, most) = text.split_once("..").unwrap_or((text, text));
    let (fewest, most) = (fewest.trim().parse().ok()?, most.trim().parse().ok()?);
    (1 <= fewest && fewest <= most && most <= MOST_DIGITS).then_some((fewest, most))
}

#[cfg(test)]
mod tests {
    use crate::flow::phone::{Phone, problems};

    const COLLECT: &str = "a:
  collect:
    prompt: a
    digits: 4..6
    into: account
    tries: 2
    invalid_prompt: b
    no_input_prompt: c
    next: got
    failed: wrong
got: { play: { prompt: { digits: account }, next: more } }
more: { menu: { keys: { '#': hangup, '5': hangup }, failed: hangup } }
wrong: { play: { prompt: d, next: hangup } }";

    fn asked() -> Phone {
        let mut phone = Phone::call(COLLECT);
        assert_eq!(phone.sees(), ":a, answer, say a");
        phone
    }

    #[test]
    fn end_key_ends_the_input() {
        assert_eq!(asked().press("4711#"), "stop, :got, say number/4 number/7 number/1 number/1");
    }

    #[test]
    fn a_pause_ends_it_too() {
        let mut phone = asked();
        assert_eq!(phone.press("47"), "stop");
        assert_eq!(phone.wait(3.9), "");
        assert_eq!(phone.press("11"), "");
        assert_eq!(phone.wait(4.1), ":got, say number/4 number/7 number/1 number/1");
    }

    #[test]
    fn the_last_digit_ends_it_and_an_end_key_after_it_is_passed_over() {
        let mut phone = asked();
        assert_eq!(phone.press("123456").len(), "stop, :got, say ".len() + "number/1 ".len() * 6 - 1);
        assert_eq!(phone.press("#"), "", "of the number, not of the menu to come");
        assert_eq!(phone.press("#"), "stop, :more, hangup");

        let mut phone = asked();
        phone.press("123456");
        phone.wait(4.1);
        assert_eq!(phone.press("#"), "stop, :more, hangup", "much later it is meant");
    }

    #[test]
    fn too_few_and_none_are_explained_then_lead_on() {
        let mut phone = asked();
        assert_eq!(phone.press("12#"), "stop, say b a");
        phone.played();
        assert_eq!(phone.wait(8.1), ":wrong, say d");
        let mut phone = asked();
        assert_eq!(phone.press("#"), "stop, say c a");
        assert_eq!(phone.press("123"), "stop");
        assert_eq!(phone.wait(4.1), ":wrong, say d");
    }

    #[test]
    fn star_starts_over() {
        assert_eq!(asked().press("99*4711#"), "stop, :got, say number/4 number/7 number/1 number/1");
    }

    #[test]
    fn settings_are_checked() {
        assert_eq!(
            problems("a: { collect: { digits: 8..4, end_key: x, into: 'next', next: hangup } }"),
            [
                (1, 1, "there is no way on when too few digits come".to_string()),
                (1, 25, "`8..4` is no number of digits".to_string()),
                (1, 40, "`x` cannot end the input".to_string()),
                (1, 49, "`next` has a meaning of its own here".to_string()),
            ]
        );
    }
}

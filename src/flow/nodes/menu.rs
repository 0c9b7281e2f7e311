//! `menu`: asks for one of several keys.

use super::{Event, Kind, StepId, Turn, Way, first_of};
use crate::flow::compile::{Compiler, Item};
use crate::flow::model::{self, Sayings};
use crate::flow::walk::Walk;
use crate::flow::yaml::{At, Length, Ordered};
use crate::time::Duration;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Menu")]
pub struct File {
    /// What is said; said again after a mistake.
    #[serde(default)]
    pub prompt: Sayings,
    /// Key or keys (`0`–`9`, `*`, `#`) → where they lead. A step in place goes on with `next`.
    pub keys: At<Ordered<model::Way>>,
    /// How long the caller may think after the prompt (default 5s).
    pub timeout: Option<Length>,
    /// How long between two keys, where there are keys of more than one (default 2s).
    pub between: Option<Length>,
    /// How often it is asked altogether (default 3).
    #[schemars(with = "Option<u8>", range(min = 1, max = 10))]
    pub tries: Option<At<i64>>,
    /// Whether a key cuts the prompt short (default true).
    pub barge_in: Option<bool>,
    /// Said before asking again when the key leads nowhere.
    #[serde(default)]
    pub invalid_prompt: Sayings,
    /// Said before asking again when no key came.
    #[serde(default)]
    pub no_input_prompt: Sayings,
    /// Where steps in place go on, and the caller too when the tries are used up and no other way is named.
    pub next: Option<model::Way>,
    /// Where the caller goes when the tries are used up.
    pub failed: Option<model::Way>,
    /// The same, when the last mistake was to press nothing.
    pub no_input: Option<model::Way>,
    /// The same, when the last mistake was a key that leads nowhere.
    pub invalid: Option<model::Way>,
}

#[derive(Debug)]
pub struct Menu {
    prompt: Vec<Item>,
    keys: BTreeMap<String, StepId>,
    asking: Asking,
}

/// What `menu` and `collect` have in common: how they ask, and what becomes of mistakes.
#[derive(Debug)]
pub(super) struct Asking {
    pub timeout: Duration,
    pub between: Duration,
    pub tries: u8,
    pub barge_in: bool,
    pub invalid_prompt: Vec<Item>,
    pub no_input_prompt: Vec<Item>,
    pub invalid: StepId,
    pub no_input: StepId,
}

#[derive(Debug, Default)]
pub struct State {
    pub(super) mistakes: u8,
    pub(super) typed: String,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    Nothing,
    Wrong,
}

/// Longest key of a menu.
const LONGEST_KEY: usize = 8;

impl Kind for Menu {
    type File = File;
    type State = State;

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Menu {
        let next = file.next.as_ref().map(|way| compiler.way(way, None)).or(after);
        let mut keys = BTreeMap::new();
        if file.keys.0.is_empty() {
            compiler.problem(file.keys.at, "a menu needs keys".into(), None);
        }
        for (key, way) in &file.keys.0 {
            let to = compiler.way(way, next);
            if !is_key(key) {
                compiler.problem(
                    key.at,
                    format!("`{}` cannot be pressed on a telephone", **key),
                    Some(format!("one to {LONGEST_KEY} of 0–9, * and #")),
                );
            }
            keys.insert(key.value.clone(), to);
        }
        if file.between.is_none() {
            for (key, _) in &file.keys.0 {
                let longer = |other: &&String| other.len() > key.len() && other.starts_with(key.as_str());
                if let Some(longer) = keys.keys().find(longer) {
                    compiler.problem(
                        key.at,
                        format!("key `{}` is also how key `{longer}` begins: one shadows the other", **key),
                        Some("choose other keys, or set `between: 2s` and let who presses the short one wait".into()),
                    );
                }
            }
        }
        let tries = compiler.tries(&file.tries);
        let failed = file.failed.as_ref().map(|way| compiler.way(way, None));
        let no_input = file.no_input.as_ref().map(|way| compiler.way(way, None));
        let invalid = file.invalid.as_ref().map(|way| compiler.way(way, None));
        let names = "`no_input`, `invalid`, `failed` or `next`";
        Menu {
            prompt: compiler.sayings(&file.prompt),
            keys,
            asking: Asking {
                timeout: file.timeout.map_or(Duration::from_secs(5), |l| l.0),
                between: file.between.map_or(Duration::from_secs(2), |l| l.0),
                tries,
                barge_in: file.barge_in.unwrap_or(true),
                invalid_prompt: compiler.sayings(&file.invalid_prompt),
                no_input_prompt: compiler.sayings(&file.no_input_prompt),
                no_input: first_of([no_input, failed, invalid, next], compiler, "no key is pressed", names),
                invalid: {
                    let ways = [invalid, failed, no_input, next];
                    ways.into_iter().flatten().next().unwrap_or(compiler.hangup())
                },
            },
        }
    }

    fn ways(&self) -> Vec<Way> {
        let way = |label: &str, to| Way { label: label.into(), to, paused: true, sets: Vec::new() };
        let mut ways: Vec<Way> = self.keys.iter().map(|(key, to)| way(key, *to)).collect();
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
            Event::Timeout if state.typed.is_empty() => self.mistake(state, walk, Mistake::Nothing),
            Event::Timeout => self.choose(state, walk),
            Event::Other(_) => Turn::Wait,
        }
    }
}

impl Menu {
    fn ask(&self, state: &mut State, walk: &mut Walk, before: &[Item]) -> Turn {
        state.typed.clear();
        if walk.has_digits() {
            // Typed ahead: who knows the menu need not hear it.
            self.take(state, walk)
        } else if walk.play(before.iter().chain(&self.prompt)) {
            Turn::Wait
        } else {
            walk.wait(self.asking.timeout)
        }
    }

    /// Takes keys until it is clear which way is meant, or more may come.
    fn take(&self, state: &mut State, walk: &mut Walk) -> Turn {
        while let Some(digit) = walk.take_digit() {
            state.typed.push(digit);
            let more = |key: &String| key.len() > state.typed.len() && key.starts_with(&state.typed);
            if !self.keys.keys().any(more) {
                return self.choose(state, walk);
            }
        }
        walk.wait(self.asking.between)
    }

    /// The longest key that was typed; what was typed after it is for the next question.
    fn choose(&self, state: &mut State, walk: &mut Walk) -> Turn {
        let typed = std::mem::take(&mut state.typed);
        for end in (1..=typed.len()).rev() {
            if let Some(to) = self.keys.get(&typed[..end]) {
                walk.put_back(&typed[end..]);
                return Turn::paused(*to);
            }
        }
        self.mistake(state, walk, Mistake::Wrong)
    }

    fn mistake(&self, state: &mut State, walk: &mut Walk, mistake: Mistake) -> Turn {
        match self.asking.mistake(state, walk, mistake) {
            Ok(before) => self.ask(state, walk, before),
            Err(to) => Turn::paused(to),
        }
    }
}

impl Asking {
    /// What to say before asking again, or where to go because the tries are used up.
    pub(super) fn mistake(&self, state: &mut State, walk: &mut Walk, mistake: Mistake) -> Result<&[Item], StepId> {
        // What was typed after a mistake was meant for another question.
        walk.flush();
        state.mistakes += 1;
        match (state.mistakes >= self.tries, mistake) {
            (true, Mistake::Nothing) => Err(self.no_input),
            (true, Mistake::Wrong) => Err(self.invalid),
            (false, Mistake::Nothing) => Ok(&self.no_input_prompt),
            (false, Mistake::Wrong) => Ok(&self.invalid_prompt),
        }
    }

    pub(super) fn ways(&self) -> Vec<Way> {
        let way = |label: &str, to| Way { label: label.into(), to, paused: true, sets: Vec::new() };
        if self.no_input == self.invalid {
            vec![way("failed", self.invalid)]
        } else {
            vec![way("no input", self.no_input), way("invalid", self.invalid)]
        }
    }
}

fn is_key(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'*' | b'#'))
}

#[cfg(test)]
mod tests {
    use crate::flow::phone::{Phone, problems};

    const MENU: &str = "a:
  menu:
    prompt: a
    keys: { '1': one, '12': twelve, '2': two }
    between: 2s
    tries: 2
    invalid_prompt: b
    no_input_prompt: c
    no_input: nothing
    invalid: wrong
one: { play: { prompt: d, next: hangup } }
two: { play: { prompt: d, next: hangup } }
twelve: { play: { prompt: d, next: hangup } }
nothing: { play: { prompt: d, next: hangup } }
wrong: { play: { prompt: d, next: hangup } }";

    fn asked() -> Phone {
        let mut phone = Phone::call(MENU);
        assert_eq!(phone.sees(), ":a, answer, say a");
        phone
    }

    #[test]
    fn key_cuts_the_prompt_and_counts() {
        assert_eq!(asked().press("2"), "stop, :two, say d");
    }

    #[test]
    fn longest_key_wins_and_the_short_one_waits() {
        assert_eq!(asked().press("12"), "stop, :twelve, say d");
        let mut phone = asked();
        assert_eq!(phone.press("1"), "stop");
        assert_eq!(phone.wait(1.9), "");
        assert_eq!(phone.wait(0.2), ":one, say d");
    }

    #[test]
    fn keys_after_the_longest_match_are_for_the_next_question() {
        let mut phone = Phone::call(
            "a: { menu: { keys: { '1': b, '12': hangup }, between: 2s, failed: hangup } }\nb: { menu: { keys: { '3': c }, failed: hangup } }\nc: { play: { prompt: c, next: hangup } }",
        );
        phone.sees();
        assert_eq!(phone.press("13"), ":b, :c, answer, say c");
    }

    #[test]
    fn mistakes_are_explained_then_lead_on() {
        let mut phone = asked();
        phone.played();
        assert_eq!(phone.wait(4.9), "");
        assert_eq!(phone.wait(0.2), "say c a");
        phone.played();
        assert_eq!(phone.wait(5.1), ":nothing, say d");

        let mut phone = asked();
        assert_eq!(phone.press("9"), "stop, say b a");
        assert_eq!(phone.press("#"), "stop, :wrong, say d");
    }

    #[test]
    fn keys_typed_after_a_mistake_are_forgotten() {
        let mut phone = Phone::call(
            "a: { play: { prompt: a, barge_in: false, next: b } }\nb: { menu: { prompt: b, keys: { '1': hangup }, failed: hangup } }",
        );
        phone.sees();
        phone.press("91");
        assert_eq!(phone.played(), ":b, say b", "9 is a mistake, and the 1 behind it was meant for something else");
        assert_eq!(phone.press("1"), "stop, hangup");
    }

    #[test]
    fn what_must_be_heard_is_heard_before_the_key_counts() {
        let mut phone =
            Phone::call("a: { menu: { prompt: a, barge_in: false, keys: { '1': hangup }, failed: hangup } }");
        phone.sees();
        assert_eq!(phone.press("1"), "");
        assert_eq!(phone.played(), "hangup");
    }

    #[test]
    fn late_report_of_a_prompt_that_was_cut_is_not_taken_for_another() {
        let mut phone = asked();
        phone.press("1");
        assert_eq!(phone.played(), "");
        assert_eq!(phone.wait(2.0), ":one, say d");
    }

    #[test]
    fn steps_in_place_go_on_with_next() {
        let mut phone = Phone::call(
            "a: { menu: { keys: { '1': { set: { language: sv } }, '2': { set: { language: en, next: hangup } } }, next: b } }\nb: { play: { prompt: b, next: hangup } }",
        );
        phone.sees();
        assert_eq!(phone.press("1"), ":b, answer, say b@sv");
    }

    #[test]
    fn without_tries_left_next_is_the_last_resort() {
        let mut phone = Phone::call(
            "a: { menu: { tries: 1, keys: { '1': { goto: b } }, next: b } }\nb: { play: { prompt: b, next: hangup } }",
        );
        phone.sees();
        assert_eq!(phone.wait(6.0), ":b, answer, say b");
    }

    #[test]
    fn at_most_32_keys_are_kept() {
        let mut phone = Phone::call(
            "a: { play: { prompt: a, barge_in: false, next: b } }\nb: { collect: { digits: '32', into: x, tries: 1, next: c, failed: hangup } }\nc: { collect: { digits: '1', into: y, tries: 1, next: hangup, failed: hangup } }",
        );
        phone.sees();
        phone.press(&"7".repeat(100));
        assert_eq!(phone.played(), ":b, :c", "nothing was left for the second question");
    }

    #[test]
    fn shadows_ways_and_keys_are_checked() {
        assert_eq!(
            problems("a: { menu: { keys: { '1': hangup, '12': hangup, '1x': hangup } } }"),
            [
                (1, 1, "there is no way on when no key is pressed".to_string()),
                (1, 22, "key `1` is also how key `12` begins: one shadows the other".to_string()),
                (1, 49, "`1x` cannot be pressed on a telephone".to_string()),
            ]
        );
        assert_eq!(
            problems("a: { menu: { keys: {}, tries: 0, failed: hangup } }"),
            [(1, 20, "a menu needs keys".to_string()), (1, 31, "something is asked one to ten times".to_string())]
        );
    }
}

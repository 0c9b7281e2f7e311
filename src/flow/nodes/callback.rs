//! `callback`: promises to call the caller back, who keeps the place in line and can hang up.

use super::{Event, Kind, StepId, Turn, Way};
use crate::flow::compile::Compiler;
use crate::flow::expr::{Scope, Text};
use crate::flow::model::{self, TextOrNumber};
use crate::flow::run::{Action, Input};
use crate::flow::walk::Walk;
use crate::flow::yaml::At;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Callback")]
pub struct File {
    /// The number that is called, as text that may hold expressions in `{{ braces }}` (default: the caller's own).
    #[schemars(with = "Option<TextOrNumber>")]
    pub number: Option<At<String>>,
    /// The queue whose agents call (default: the one in which the caller was last, or which did not take them).
    pub queue: Option<At<String>>,
    /// Where the caller goes when it is promised (default: the call ends).
    pub next: Option<model::Way>,
    /// Where the caller goes when it cannot be: the number may not be called, too many wait to be called back, or the number is to be
    /// called by another queue. A place in line that was left for it is given back by the queue.
    pub failed: Option<model::Way>,
}

#[derive(Debug)]
pub struct Callback {
    number: Option<Text>,
    queue: Option<String>,
    next: StepId,
    failed: StepId,
}

/// Which number is to be called back, and by which queue (`None`: the one in which the caller was last).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackWish {
    pub number: String,
    pub queue: Option<String>,
}

impl Kind for Callback {
    type File = File;
    type State = ();

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Callback {
        if let Some(queue) = &file.queue {
            compiler.queue(queue);
        }
        let failed = file.failed.as_ref().map(|way| compiler.way(way, after));
        let hangup = compiler.hangup();
        Callback {
            number: file.number.as_ref().and_then(|number| compiler.text(number)),
            queue: file.queue.as_ref().map(|queue| queue.value.clone()),
            next: file.next.as_ref().map(|way| compiler.way(way, after)).or(after).unwrap_or(hangup),
            failed: super::first_of([failed, None, None, None], compiler, "nobody can be called back", "`failed`"),
        }
    }

    fn ways(&self) -> Vec<Way> {
        let way = |label: &str, to| Way { label: label.into(), to, paused: false, sets: Vec::new() };
        vec![way("promised", self.next), way("failed", self.failed)]
    }

    fn enter(&self, (): &mut (), walk: &mut Walk) -> Turn {
        let CallbackWish { number, queue } = match self.wish(&walk.scope) {
            Ok(wish) => wish,
            Err(reason) => {
                walk.fault(reason);
                return Turn::at_once(self.failed);
            }
        };
        let language = walk.scope.language.clone();
        walk.act(Action::CallBack { number, queue, language });
        Turn::Wait
    }

    fn handle(&self, (): &mut (), _: &mut Walk, event: Event) -> Turn {
        match event {
            Event::Other(Input::Promised(is_promised)) => {
                Turn::at_once(if is_promised { self.next } else { self.failed })
            }
            _ => Turn::Wait,
        }
    }
}

impl Callback {
    /// What is asked for; or why its number cannot be told.
    pub fn wish(&self, scope: &Scope) -> Result<CallbackWish, String> {
        let number = match &self.number {
            None => scope.facts.from.clone(),
            Some(number) => number.text(scope)?.trim().to_owned(),
        };
        Ok(CallbackWish { number, queue: self.queue.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::CallbackWish;
    use crate::flow::phone::{Phone, problems};
    use crate::flow::run::{Input, QueueResult};

    const WAITS: &str = "a: { queue: { name: support, while_waiting: { keys: { '1': b, '2': c } }, failed: hangup } }
b: { callback: { next: d, failed: e } }
c: { menu: { prompt: b, keys: { '1': b }, failed: hangup } }
d: { play: { prompt: d, next: hangup } }
e: { play: { prompt: e, next: a } }";

    #[test]
    fn who_is_promised_it_hears_so_and_who_is_not_goes_where_the_flow_says() {
        for (is_promised, told) in [(true, ":d, say d"), (false, ":e, say e")] {
            let mut phone = Phone::call(WAITS);
            phone.sees();
            assert_eq!(phone.press("1"), "leave");
            let wish = CallbackWish { number: "+46701234567".into(), queue: None };
            assert_eq!(phone.run.leaves_for_callback(), Some(wish));
            assert_eq!(phone.gets(Input::Queue(QueueResult::Left)), ":b, call back +46701234567");
            assert_eq!(phone.gets(Input::Promised(is_promised)), told);
        }
    }

    /// Who is asked something first has left the line by a key.
    #[test]
    fn a_key_that_leads_elsewhere_first_is_no_callback_yet() {
        let mut phone = Phone::call(WAITS);
        phone.sees();
        assert_eq!(phone.press("2"), "leave");
        assert_eq!(phone.run.leaves_for_callback(), None);
    }

    #[test]
    fn the_number_may_be_another_and_so_may_the_queue() {
        let mut phone =
            Phone::call("a: { callback: { number: '{{ call.to }}9', queue: support, next: hangup, failed: hangup } }");
        assert_eq!(phone.sees(), ":a, call back 1009 by support");
    }

    #[test]
    fn queues_and_ways_are_checked() {
        let problems = problems("a: { callback: { queue: suport } }");
        let messages: Vec<&str> = problems.iter().map(|(.., message)| message.as_str()).collect();
        assert!(messages.iter().any(|message| message.contains("suport")), "{messages:?}");
        assert!(messages.contains(&"there is no way on when nobody can be called back"), "{messages:?}");
    }
}

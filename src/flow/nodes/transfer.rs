//! `transfer`: connects the caller with someone outside the queues.

use super::{Event, Kind, StepId, Turn, Way, first_of};
use crate::flow::compile::Compiler;
use crate::flow::expr::Text;
use crate::flow::model::{self, TextOrNumber};
use crate::flow::run::{Action, Input, Target};
use crate::flow::walk::Walk;
use crate::flow::yaml::{At, Length};
use crate::time::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Transfer")]
pub struct File {
    /// A number, as text that may hold expressions in `{{ braces }}`.
    #[schemars(with = "Option<TextOrNumber>")]
    pub to: Option<At<String>>,
    /// An agent by name, instead of `to`.
    pub agent: Option<At<String>>,
    /// How long it rings (default 25s).
    pub ring: Option<Length>,
    /// Whether a call that is not answered yet is answered before it rings (default true); otherwise when the other answers.
    pub answer: Option<bool>,
    /// The music heard while it rings (default: the ringing tone, or what the other side lets the caller hear).
    pub music: Option<At<String>>,
    /// Where the caller goes when the other has hung up first (default: the call ends).
    pub next: Option<model::Way>,
    /// Where the caller goes when it did not come about.
    pub failed: Option<model::Way>,
    /// The same, when the line was busy.
    pub busy: Option<model::Way>,
    /// The same, when nobody answered.
    pub no_answer: Option<model::Way>,
}

#[derive(Debug)]
pub struct Transfer {
    to: Option<Text>,
    is_agent: bool,
    ring: Duration,
    answer: bool,
    music: Option<String>,
    next: StepId,
    failed: StepId,
    busy: StepId,
    no_answer: StepId,
}

impl Kind for Transfer {
    type File = File;
    type State = ();

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Transfer {
        let to = match (&file.to, &file.agent) {
            (Some(to), None) => {
                let text = compiler.text(to);
                if let Some(number) = text.as_ref().and_then(Text::literal) {
                    compiler.number(number.trim(), to.at);
                }
                text
            }
            (None, Some(agent)) => {
                let text = compiler.text(agent);
                if let Some(name) = text.as_ref().and_then(Text::literal) {
                    compiler.agent(name, agent.at);
                }
                text
            }
            (Some(_), Some(agent)) => {
                compiler.problem(agent.at, "a transfer goes to a number or to an agent, not to both".into(), None);
                None
            }
            (None, None) => {
                compiler.problem_here("a transfer needs a number or an agent".into(), Some("`to` or `agent`".into()));
                None
            }
        };
        let failed = file.failed.as_ref().map(|way| compiler.way(way, after));
        let busy = file.busy.as_ref().map(|way| compiler.way(way, after));
        let no_answer = file.no_answer.as_ref().map(|way| compiler.way(way, after));
        let hangup = compiler.hangup();
        let failed = first_of([failed, no_answer, busy, None], compiler, "the transfer fails", "`failed`");
        Transfer {
            to,
            is_agent: file.agent.is_some(),
            ring: file.ring.map_or(Duration::from_secs(25), |l| l.0),
            answer: file.answer.unwrap_or(true),
            music: file.music.as_ref().map(|name| compiler.music(name)),
            next: file.next.as_ref().map(|way| compiler.way(way, after)).or(after).unwrap_or(hangup),
            failed,
            busy: busy.unwrap_or(failed),
            no_answer: no_answer.unwrap_or(failed),
        }
    }

    fn ways(&self) -> Vec<Way> {
        let way = |label: &str, to, paused| Way { label: label.into(), to, paused, sets: Vec::new() };
        let mut ways = vec![way("ended", self.next, true), way("failed", self.failed, false)];
        if self.busy != self.failed {
            ways.push(way("busy", self.busy, false));
        }
        if self.no_answer != self.failed {
            ways.push(way("no answer", self.no_answer, true));
        }
        ways
    }

    fn enter(&self, (): &mut (), walk: &mut Walk) -> Turn {
        walk.flush();
        let to = match self.to.as_ref().map(|text| text.text(&walk.scope)) {
            Some(Ok(to)) if !to.trim().is_empty() => to.trim().to_string(),
            Some(Err(reason)) => {
                walk.fault(reason);
                return Turn::at_once(self.failed);
            }
            _ => {
                walk.fault("there is nobody to transfer to: the text is empty".into());
                return Turn::at_once(self.failed);
            }
        };
        walk.takes(self.answer);
        match &self.music {
            Some(music) => walk.music(music),
            None if walk.is_left_unanswered() => walk.rings(true),
            None => walk.ringback(),
        }
        let to = if self.is_agent { Target::Agent(to) } else { Target::Number(to) };
        walk.act(Action::Transfer { to, ring: self.ring, music: self.music.is_some() });
        Turn::Wait
    }

    fn handle(&self, (): &mut (), walk: &mut Walk, event: Event) -> Turn {
        match event {
            Event::Digit => {
                walk.flush();
                Turn::Wait
            }
            Event::Other(Input::Connected) => {
                walk.connected();
                Turn::Wait
            }
            Event::Other(Input::TransferEnded) => Turn::paused(self.next),
            Event::Other(Input::TransferFailed(486 | 600)) => Turn::at_once(self.busy),
            Event::Other(Input::TransferFailed(408 | 480)) => {
                Turn::Go { to: self.no_answer, paused: self.no_answer != self.failed }
            }
            Event::Other(Input::TransferFailed(_)) => Turn::at_once(self.failed),
            _ => Turn::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::flow::phone::{Phone, problems};
    use crate::flow::run::Input;

    const TRANSFER: &str =
        "a: { transfer: { to: '{{ call.to }}9', music: calm, next: b, failed: c, busy: d, no_answer: e } }
b: { play: { prompt: b, next: hangup } }
c: { play: { prompt: c, next: hangup } }
d: { play: { prompt: d, next: hangup } }
e: { play: { prompt: e, next: hangup } }";

    fn ringing() -> Phone {
        let mut phone = Phone::call(TRANSFER);
        assert_eq!(phone.sees(), ":a, answer, repeat music/calm@, transfer to 1009 for 25s");
        phone
    }

    #[test]
    fn goes_on_when_the_other_has_hung_up() {
        let mut phone = ringing();
        assert_eq!(phone.gets(Input::Connected), "stop");
        assert_eq!(phone.press("123"), "", "keys are for the other side");
        assert_eq!(phone.gets(Input::TransferEnded), ":b, say b");
    }

    #[test]
    fn each_refusal_has_its_way() {
        for (code, expected) in [(486, ":d"), (600, ":d"), (408, ":e"), (480, ":e"), (404, ":c"), (603, ":c")] {
            let seen = ringing().gets(Input::TransferFailed(code));
            assert!(seen.starts_with(&format!("stop, {expected}, ")), "{code}: {seen}");
        }
    }

    #[test]
    fn agents_are_rung_by_name() {
        let mut phone = Phone::call("a: { transfer: { agent: anna, ring: 10s, failed: hangup } }");
        assert_eq!(phone.sees(), ":a, answer, repeat tone/ringback@, transfer to agent anna for 10s");
        assert_eq!(phone.gets(Input::Connected), "stop");
        assert_eq!(phone.gets(Input::TransferEnded), "hangup");
    }

    #[test]
    fn a_call_may_stay_unanswered_until_the_other_answers() {
        let mut phone =
            Phone::call("a: { transfer: { to: '0701', answer: false, failed: b } }\nb: { hangup: { code: busy } }");
        assert_eq!(phone.sees(), ":a, transfer to 0701 for 25s");
        assert_eq!(phone.gets(Input::Connected), "answer, stop");
        assert_eq!(phone.gets(Input::TransferEnded), "hangup");
        let steps =
            "a: { transfer: { to: '0701', answer: false, music: calm, failed: b } }\nb: { hangup: { code: busy } }";
        let mut phone = Phone::call(steps);
        assert_eq!(phone.sees(), ":a, hear early, repeat music/calm@, transfer to 0701 for 25s");
        assert_eq!(phone.gets(Input::TransferFailed(486)), "stop, :b, reject 486");
    }

    #[test]
    fn who_hears_the_own_phone_ring_hears_our_tone_when_the_call_had_to_be_answered() {
        let mut phone = Phone::call("a: { transfer: { to: '0701', answer: false, failed: hangup } }");
        phone.sees();
        assert_eq!(phone.gets(Input::AnswerDue), "answer, repeat tone/ringback@");
        assert_eq!(phone.gets(Input::Connected), "stop");
    }

    #[test]
    fn nobody_to_ring_is_a_fault_and_fails() {
        let mut phone = Phone::call(
            "a: { transfer: { to: '{{ call.name }}', failed: b } }\nb: { play: { prompt: b, next: hangup } }",
        );
        assert_eq!(
            phone.sees(),
            ":a, fault in a: there is nobody to transfer to: the text is empty, :b, answer, say b"
        );
    }

    #[test]
    fn targets_and_ways_are_checked() {
        assert_eq!(
            problems("a: { transfer: { agent: ana, failed: hangup } }"),
            [(1, 25, "there is no agent `ana`".to_string())]
        );
        for (to, message) in [
            ("''", "there is nobody to transfer to: the text is empty"),
            ("' '", "there is nobody to transfer to: the text is empty"),
            ("zz zz", "`zz zz` cannot be dialled"),
            ("ana", "`ana` cannot be dialled"),
            ("'+'", "`+` cannot be dialled"),
            ("0701 23", "`0701 23` cannot be dialled"),
            ("'+461'", "`+461` is no international number"),
            ("'+0701234567'", "`+0701234567` is no international number"),
            ("999", "nobody has the number 999, and no trunk takes it"),
        ] {
            let found = problems(&format!("a: {{ transfer: {{ to: {to}, failed: hangup }} }}"));
            assert_eq!(found, [(1, 22, message.to_string())], "{to}");
        }
        for to in ["'0701234567'", "0701234567", "'+46701234567'", "100", "anna", "'9{{ call.from }}'"] {
            Phone::call(&format!("a: {{ transfer: {{ to: {to}, failed: hangup }} }}"));
        }
        let found = problems("a: { transfer: {} }");
        assert_eq!(found.len(), 2, "{found:?}");
        let again = problems("a: { transfer: { to: '1', failed: a } }");
        assert_eq!(again, [(1, 1, "this goes round without ever asking the caller: a → a".to_string())]);
    }
}

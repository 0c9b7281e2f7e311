//! `transfer`: connects the caller with someone outside the queues.

use super::{Event, Kind, StepId, Turn, Way, first_of};
use crate::flow::compile::Compiler;
use crate::flow::expr::Text;
use crate::flow::model;
use crate::flow::run::{Action, Input, Target, Walk};
use crate::flow::yaml::{At, Length};
use crate::time::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Transfer")]
pub struct File {
    /// A number, as text that may hold expressions in `{{ braces }}`.
    pub to: Option<At<String>>,
    /// An agent by name, instead of `to`.
    pub agent: Option<At<String>>,
    /// How long it rings (default 25s).
    pub ring: Option<Length>,
    /// The music heard while it rings.
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
            (Some(to), None) => compiler.text(to),
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
        walk.answer();
        match &self.music {
            Some(music) => walk.music(music),
            None => walk.stop(),
        }
        let to = if self.is_agent { Target::Agent(to) } else { Target::Number(to) };
        walk.act(Action::Transfer { to, ring: self.ring });
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

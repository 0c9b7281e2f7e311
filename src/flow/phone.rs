//! A caller for tests: does one thing at a time and sees what the flow asked for, in few words.

use super::run::{Action, Facts, Input, Prompt, Run, Target};
use super::{Flow, Problem, World, compile};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub struct Phone {
    pub run: Run,
    pub now: Time,
}

/// Prompts `a` to `f` and all words of numbers and waits in English and Swedish; `only-en` in English alone.
pub fn world() -> World {
    let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|n| n.to_string()).collect() };
    let mut prompts = BTreeMap::new();
    for language in ["en", "sv", "fi"] {
        let mut all = names(&["a", "b", "c", "d", "e", "f", "you-are-next", "you-are-number", "you-are-over-number"]);
        all.extend(super::speech::words(language).unwrap_or_default());
        all.extend(super::speech::wait_words(language).unwrap_or_default());
        all.extend(super::speech::WAIT.map(str::to_owned));
        prompts.insert(language.to_string(), all);
    }
    prompts.get_mut("en").expect("just put in").insert("only-en".into());
    World {
        queues: names(&["sales", "support"]),
        skills: names(&["support", "lang_en", "lang_sv"]),
        agents: names(&["anna"]),
        teams: names(&["north"]),
        numbers: names(&["1", "100"]),
        outside: names(&["0", "+"]),
        prompts,
        music: names(&["calm"]),
        flows: names(&["t", "other"]),
    }
}

/// A flow in English and Swedish that begins at `a` and has these steps.
pub fn text(steps: &str) -> String {
    let steps: String = steps.lines().map(|line| format!("  {line}\n")).collect();
    format!("flow: t\nlanguages: [en, sv]\nstart: a\nsteps:\n{steps}")
}

pub fn flow(text: &str) -> Flow {
    compile("t.yaml", text, &world()).unwrap_or_else(|problems| {
        let problems: String = problems.iter().map(|p| format!("{p}\n")).collect();
        panic!("{problems}\n{text}")
    })
}

/// What is wrong with a flow of these steps: line (1 = the first of the steps), column, message.
pub fn problems(steps: &str) -> Vec<(u32, u32, String)> {
    let problems = compile("t.yaml", &text(steps), &world()).expect_err("something is wrong with it");
    problems.into_iter().map(|Problem { line, column, message, .. }| (line - 4, column - 2, message)).collect()
}

impl Phone {
    pub fn call(steps: &str) -> Phone {
        Phone::ring(Arc::new(flow(&text(steps))))
    }

    pub fn ring(flow: Arc<Flow>) -> Phone {
        let now = Time::from_secs(1_767_787_200);
        let facts = Facts { from: "+46701234567".into(), to: "100".into(), ..Facts::default() };
        Phone { run: Run::new(flow, facts, now), now }
    }

    /// What the flow asked for since the last look.
    pub fn sees(&mut self) -> String {
        let mut seen = Vec::new();
        while let Some(action) = self.run.poll_action() {
            seen.push(words(action));
        }
        seen.join(", ")
    }

    /// Something happens, half a second later.
    pub fn gets(&mut self, input: Input) -> String {
        self.now += Duration::from_millis(500);
        self.run.handle(self.now, input);
        self.sees()
    }

    pub fn press(&mut self, keys: &str) -> String {
        for key in keys.chars() {
            self.run.handle(self.now, Input::Digit(key));
        }
        self.sees()
    }

    pub fn played(&mut self) -> String {
        self.gets(Input::Played)
    }

    /// Time goes by, and nothing else.
    pub fn wait(&mut self, seconds: f64) -> String {
        let end = self.now + Duration::from_secs_f64(seconds);
        while let Some(at) = self.run.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.run.handle_timeout(at);
        }
        self.now = end;
        self.sees()
    }
}

fn words(action: Action) -> String {
    let names = |prompts: Vec<Prompt>| {
        let name = |p: Prompt| if p.language == "en" { p.name } else { format!("{}@{}", p.name, p.language) };
        prompts.into_iter().map(name).collect::<Vec<_>>().join(" ")
    };
    match action {
        Action::Answer => "answer".into(),
        Action::HearEarly => "hear early".into(),
        Action::Ring => "ring".into(),
        Action::Reject { code } => format!("reject {code}"),
        Action::Step { step, .. } => format!(":{step}"),
        Action::Play { prompts, repeat: false } => format!("say {}", names(prompts)),
        Action::Play { prompts, repeat: true } => format!("repeat {}", names(prompts)),
        Action::Stop => "stop".into(),
        Action::Enqueue(r) => {
            let relax: String = r.relax.iter().map(|(after, need)| format!(" after {after:?} {need}")).collect();
            let prefer: String = r.prefer.iter().map(|(who, wait)| format!(" for {who:?} {wait:?}")).collect();
            let asked = format!("{}{relax}{prefer}", r.need);
            format!("queue {} {} {asked} {:?} {} {:?}", r.queue, r.priority, r.max_wait, r.language, r.attributes)
        }
        Action::AskPosition => "ask".into(),
        Action::AskEstimate => "ask how long".into(),
        Action::LeaveQueue { too_long: false } => "leave".into(),
        Action::LeaveQueue { too_long: true } => "leave late".into(),
        Action::CallBack { number, queue: None, .. } => format!("call back {number}"),
        Action::CallBack { number, queue: Some(queue), .. } => format!("call back {number} by {queue}"),
        Action::Transfer { to: Target::Number(to), ring, .. } => format!("transfer to {to} for {ring:?}"),
        Action::Transfer { to: Target::Agent(to), ring, .. } => format!("transfer to agent {to} for {ring:?}"),
        Action::Fault { step, reason, .. } => format!("fault in {step}: {reason}"),
        Action::Hangup => "hangup".into(),
    }
}

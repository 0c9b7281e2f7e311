//! Calls that a flow file carries, played through without a phone: time, keys and what the queue does are written
//! down, and so is what must come of it.

use super::Flow;
use super::compile::Compiler;
use super::model::{Literal, TextOrNumber, text_or};
use super::problem::Problem;
use super::run::{ANSWER_WITHIN, Action, Facts, Input, Minutes, QueueRequest, QueueResult, Run, Target};
use super::speech;
use super::yaml::{At, Length, Many, Ordered, Span};
use crate::need::Need;
use crate::time::{Duration, Time};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// One call: what happens, and what must come of it. What is not said is not looked at.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Test")]
pub struct TestFile {
    /// What holds.
    pub name: At<String>,
    /// When the call comes, such as `2026-11-23T10:00+01:00` (default: 2026-01-07T12:00Z, a Wednesday).
    pub at: Option<At<String>>,
    /// The caller's number.
    #[serde(default)]
    #[schemars(with = "TextOrNumber")]
    pub from: String,
    /// The number that was dialled.
    #[serde(default)]
    #[schemars(with = "TextOrNumber")]
    pub to: String,
    /// The keys, a group for each question, with spaces between. A group is typed while the question is asked; `-` says
    /// nothing until the time is over.
    #[schemars(with = "Option<TextOrNumber>")]
    pub keys: Option<At<String>>,
    /// What becomes of the caller in each queue they come to (default `served`).
    #[serde(default)]
    pub queue: Many<At<QueueScript>>,
    /// What becomes of each transfer: `answered` (default), `busy`, `no_answer`, or a SIP code.
    #[serde(default)]
    #[schemars(with = "Many<TextOrNumber>")]
    pub transfer: Many<At<String>>,
    /// What becomes of each wish to be called back: `promised` (default) or `failed`.
    #[serde(default)]
    pub callback: Many<At<String>>,
    /// All steps the caller comes through, in order; those of another flow as `flow/step`.
    pub expect: Option<At<Vec<At<String>>>>,
    /// How the caller stood in each queue.
    #[serde(default)]
    pub queued: Many<At<QueuedFile>>,
    /// Where the caller was last transferred to: a number or an agent.
    #[schemars(with = "Option<TextOrNumber>")]
    pub transferred: Option<At<String>>,
    /// The number that was promised to be called back last.
    #[schemars(with = "Option<TextOrNumber>")]
    pub called_back: Option<At<String>>,
    /// Prompts that were begun, in this order, perhaps with others between them.
    #[serde(default)]
    pub hears: Many<At<String>>,
    /// How it ends: `hangup`, `reject`, a SIP code (rejected with it), or `waiting`.
    #[schemars(with = "Option<TextOrNumber>")]
    pub ends: Option<At<String>>,
    /// Whether the call was answered at any time.
    pub answered: Option<At<bool>>,
    /// The language at the end.
    pub language: Option<At<String>>,
    /// Variables at the end.
    #[serde(default)]
    pub variables: Ordered<At<Literal>>,
}

/// What becomes of a caller in a queue.
#[derive(Clone, Debug)]
pub enum QueueScript {
    Outcome(String),
    Longer(LongerScript),
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "QueueOutcome")]
pub struct LongerScript {
    /// `served`, `timed_out`, `no_agents`, `full`, `closed`, or `waiting`: the test ends there.
    pub outcome: At<String>,
    /// After how long (default 1s).
    pub after: Option<Length>,
    /// The place in line (default 1).
    pub position: Option<u32>,
    /// How many minutes it will probably take: `2..4`, `0..1` for less than one, `90..` for more than 90 (default: not known).
    pub estimate: Option<At<String>>,
}

text_or!(
    QueueScript,
    Outcome,
    Longer(LongerScript),
    "`served`, `timed_out`, `no_agents`, `full`, `closed`, `waiting`, or `{ outcome: …, after: … }`"
);

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Queued")]
pub struct QueuedFile {
    pub name: Option<At<String>>,
    pub priority: Option<At<i32>>,
    /// The whole need, the language and other attributes filled in: `support >= 3 and lang_sv`, or skill → level.
    pub need: Option<At<QueuedNeed>>,
    pub language: Option<At<String>>,
}

/// A need, as an expression or as skill → level.
#[derive(Clone, Debug)]
pub enum QueuedNeed {
    Expr(String),
    Skills(Ordered<u8>),
}

text_or!(QueuedNeed, Expr, Skills(Ordered<u8>), "a need such as `support >= 3 and lang_sv`, or skill → level");

/// A test that can be run.
#[derive(Debug)]
pub struct Test {
    file: TestFile,
    at: Time,
    keys: Vec<String>,
    queue: Vec<Waiting>,
    transfer: Vec<Option<u16>>,
    callback: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// `None`: for ever.
    outcome: Option<QueueResult>,
    after: Duration,
    position: u32,
    estimate: Option<Minutes>,
}

/// How one test went.
#[derive(Debug)]
pub struct TestResult {
    pub name: String,
    pub file: String,
    pub line: u32,
    /// Empty: it holds. Each says what was expected, where, and what came instead.
    pub failures: Vec<Problem>,
}

/// Runs all tests of a flow, in order.
pub fn run(flow: &Arc<Flow>) -> Vec<TestResult> {
    flow.graph().tests.iter().map(|test| test.run(flow)).collect()
}

const SERVED: Waiting =
    Waiting { outcome: Some(QueueResult::Served), after: Duration::from_secs(1), position: 1, estimate: None };
/// Longer than any call a test can mean.
const MOST_TURNS: usize = 5000;

impl Test {
    pub fn compile(file: &TestFile, compiler: &mut Compiler) -> Test {
        let at = match &file.at {
            None => Time::from_secs(1_767_787_200),
            Some(text) => moment(text).unwrap_or_else(|| {
                let help = Some("such as `2026-11-23T10:00+01:00` or `2026-11-23T09:00Z`".into());
                compiler.problem(text.at, format!("`{}` is no moment", **text), help);
                Time::EPOCH
            }),
        };
        let mut keys = Vec::new();
        if let Some(text) = &file.keys {
            for group in text.split_whitespace() {
                let good = group == "-" || group.chars().all(|c| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D'));
                if !good {
                    let help = Some("0–9, * and #, in groups, or `-` for silence".into());
                    compiler.problem(text.at, format!("`{group}` cannot be pressed on a telephone"), help);
                }
                keys.push(group.to_string());
            }
        }
        let mut queue = Vec::new();
        for script in &file.queue.0 {
            let (outcome, at, after, position, estimate) = match &script.value {
                QueueScript::Outcome(outcome) => (outcome, script.at, None, None, None),
                QueueScript::Longer(l) => (&l.outcome.value, l.outcome.at, l.after, l.position, l.estimate.as_ref()),
            };
            let outcome = match outcome.as_str() {
                "served" => Some(QueueResult::Served),
                "timed_out" => Some(QueueResult::TimedOut),
                "no_agents" => Some(QueueResult::NoAgents),
                "full" => Some(QueueResult::Full),
                "closed" => Some(QueueResult::Closed),
                "waiting" => None,
                other => {
                    let help = Some("`served`, `timed_out`, `no_agents`, `full`, `closed` or `waiting`".into());
                    compiler.problem(at, format!("a queue has no outcome `{other}`"), help);
                    None
                }
            };
            let after = after.map_or(SERVED.after, |l| l.0);
            let estimate = estimate.and_then(|text| {
                let range = minutes(text);
                if range.is_none() {
                    let minutes = speech::MINUTES.map(|minutes| minutes.to_string()).join(", ");
                    let help = Some(format!("such as `2..4`, `0..1` or `90..`, of {minutes}"));
                    compiler.problem(text.at, format!("`{}` is no wait that can be said", **text), help);
                }
                range
            });
            queue.push(Waiting { outcome, after, position: position.unwrap_or(1), estimate });
        }
        let mut transfer = Vec::new();
        for script in &file.transfer.0 {
            transfer.push(match script.as_str() {
                "answered" => None,
                "busy" => Some(486),
                "no_answer" => Some(408),
                other => Some(other.parse().unwrap_or_else(|_| {
                    let help = Some("`answered`, `busy`, `no_answer` or a SIP code".into());
                    compiler.problem(script.at, format!("a transfer has no outcome `{other}`"), help);
                    500
                })),
            });
        }
        let mut callback = Vec::new();
        for script in &file.callback.0 {
            if !matches!(script.as_str(), "promised" | "failed") {
                let help = Some("`promised` or `failed`".into());
                compiler.problem(script.at, format!("a callback has no outcome `{}`", **script), help);
            }
            callback.push(script.as_str() == "promised");
        }
        for step in file.expect.iter().flat_map(|steps| &steps.value) {
            compiler.walked(step);
        }
        if let Some(ends) = &file.ends {
            let good = matches!(ends.as_str(), "hangup" | "reject" | "waiting") || ends.parse::<u16>().is_ok();
            if !good {
                let help = Some("`hangup`, `reject`, a SIP code or `waiting`".into());
                compiler.problem(ends.at, format!("a call does not end by `{}`", **ends), help);
            }
        }
        Test { file: file.clone(), at, keys, queue, transfer, callback }
    }

    fn run(&self, flow: &Arc<Flow>) -> TestResult {
        let facts = Facts { from: self.file.from.clone(), to: self.file.to.clone(), ..Facts::default() };
        let mut call = Call {
            run: Run::new(flow.clone(), facts, self.at),
            now: self.at,
            answer_due: Some(self.at + ANSWER_WITHIN),
            keys: self.keys.iter().cloned().collect(),
            queue: self.queue.iter().copied().collect(),
            transfer: self.transfer.iter().copied().collect(),
            callback: self.callback.iter().copied().collect(),
            waiting: None,
            silent: false,
            seen: Seen::default(),
        };
        call.play_through(flow.name());
        let graph = flow.graph();
        let mut failures = Vec::new();
        self.compare(&call, |at, expected, got| {
            let message = format!("expected {expected}");
            failures.push(Problem::new(&graph.file, &graph.text, at, message, Some(format!("got {got}"))));
        });
        TestResult {
            name: self.file.name.value.clone(),
            file: graph.file.clone(),
            line: self.file.name.at.line,
            failures,
        }
    }

    fn compare(&self, call: &Call, mut differs: impl FnMut(Span, String, String)) {
        let (file, seen) = (&self.file, &call.seen);
        for fault in &seen.faults {
            differs(file.name.at, "a flow that works".into(), fault.clone());
        }
        if let Some(steps) = &file.expect {
            let expected: Vec<&str> = steps.iter().map(|s| s.as_str()).collect();
            if expected != seen.steps {
                let first = steps.iter().zip(&seen.steps).find(|(e, got)| e.as_str() != got.as_str());
                let at = first.map_or(steps.at, |(e, _)| e.at);
                differs(at, format!("the steps {}", expected.join(", ")), seen.steps.join(", "));
            }
        }
        for (index, expected) in file.queued.0.iter().enumerate() {
            match seen.queued.get(index) {
                Some(got) => compare_queued(expected, got, &mut differs),
                None => differs(expected.at, "to be queued".into(), "no queue".into()),
            }
        }
        if let Some(expected) = &file.transferred
            && seen.transferred.as_ref() != Some(&expected.value)
        {
            let got = seen.transferred.clone().unwrap_or_else(|| "no transfer".into());
            differs(expected.at, format!("a transfer to {}", **expected), got);
        }
        if let Some(expected) = &file.called_back
            && seen.called_back.as_ref() != Some(&expected.value)
        {
            let got = seen.called_back.clone().unwrap_or_else(|| "no promise".into());
            differs(expected.at, format!("a promise to call {}", **expected), got);
        }
        let mut heard = seen.heard.iter();
        if let Some(missed) = file.hears.0.iter().find(|prompt| !heard.any(|h| *h == prompt.value)) {
            differs(missed.at, format!("to hear {} here", **missed), seen.heard.join(", "));
        }
        if let Some(expected) = &file.ends {
            let got = seen.ends.as_deref().unwrap_or("waiting");
            let same = got == expected.as_str() || (expected.as_str() == "reject" && got.parse::<u16>().is_ok());
            if !same {
                differs(expected.at, format!("the call to end by {}", **expected), got.into());
            }
        }
        if let Some(expected) = file.answered.as_ref().filter(|expected| ***expected != seen.answered) {
            let words = |answered| if answered { "the call to be answered" } else { "the call to stay unanswered" };
            differs(expected.at, words(**expected).into(), words(seen.answered).into());
        }
        let scope = call.run.scope();
        if let Some(expected) = &file.language
            && **expected != scope.language
        {
            differs(expected.at, format!("language {}", **expected), scope.language.clone());
        }
        for (name, expected) in &file.variables.0 {
            let wanted = match &expected.value {
                Literal::Text(text) => text.clone(),
                Literal::Int(i) => i.to_string(),
                Literal::Float(x) => x.to_string(),
                Literal::Bool(b) => b.to_string(),
            };
            let got = scope.variables.get(&name.value).map(ToString::to_string);
            if got.as_ref() != Some(&wanted) {
                differs(expected.at, format!("{} = {wanted}", **name), got.unwrap_or_else(|| "nothing".into()));
            }
        }
    }
}

fn compare_queued(expected: &QueuedFile, got: &QueueRequest, differs: &mut impl FnMut(Span, String, String)) {
    if let Some(name) = expected.name.as_ref().filter(|name| ***name != got.queue) {
        differs(name.at, format!("queue {}", **name), got.queue.clone());
    }
    if let Some(priority) = expected.priority.as_ref().filter(|priority| ***priority != got.priority) {
        differs(priority.at, format!("priority {}", **priority), got.priority.to_string());
    }
    if let Some(need) = &expected.need {
        let wanted = match &need.value {
            QueuedNeed::Skills(skills) => {
                let levels: BTreeMap<String, u8> =
                    skills.0.iter().map(|(skill, level)| (skill.value.clone(), *level)).collect();
                Ok(Need::of_levels(&levels))
            }
            QueuedNeed::Expr(text) => Need::parse(text).map(|(need, _)| need),
        };
        match wanted {
            Ok(wanted) if wanted == got.need => {}
            Ok(wanted) => differs(need.at, format!("the need `{wanted}`"), format!("`{}`", got.need)),
            Err(error) => differs(need.at, format!("a need, but {error}"), format!("`{}`", got.need)),
        }
    }
    if let Some(language) = expected.language.as_ref().filter(|language| ***language != got.language) {
        differs(language.at, format!("language {}", **language), got.language.clone());
    }
}

/// A scripted caller, with the world around them.
struct Call {
    run: Run,
    now: Time,
    /// When a call that is left unanswered has to be answered; `None`: that was said.
    answer_due: Option<Time>,
    keys: VecDeque<String>,
    queue: VecDeque<Waiting>,
    transfer: VecDeque<Option<u16>>,
    callback: VecDeque<bool>,
    /// In a queue since then.
    waiting: Option<(Time, Waiting)>,
    /// Saying nothing until the time is over.
    silent: bool,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    steps: Vec<String>,
    heard: Vec<String>,
    queued: Vec<QueueRequest>,
    transferred: Option<String>,
    called_back: Option<String>,
    faults: Vec<String>,
    answered: bool,
    ends: Option<String>,
}

impl Call {
    fn play_through(&mut self, flow: &str) {
        for _ in 0..MOST_TURNS {
            while let Some(action) = self.run.poll_action() {
                if let Some(input) = self.see(flow, action) {
                    self.later(1000);
                    self.run.handle(self.now, input);
                }
            }
            if self.run.is_over() || !self.turn() {
                return;
            }
        }
        self.seen.faults.push("a call without end".into());
    }

    /// Notes what the flow does; gives what the world answers at once.
    fn see(&mut self, flow: &str, action: Action) -> Option<Input> {
        match action {
            Action::Step { flow: of, step } if of == flow => self.seen.steps.push(step),
            Action::Step { flow: of, step } => self.seen.steps.push(format!("{of}/{step}")),
            Action::Play { prompts, repeat: false } => self.seen.heard.extend(prompts.into_iter().map(|p| p.name)),
            Action::Answer => self.seen.answered = true,
            Action::Play { .. } | Action::Stop | Action::HearEarly | Action::Ring => {}
            Action::Reject { code } => self.seen.ends = Some(code.to_string()),
            Action::Hangup => self.seen.ends = Some("hangup".into()),
            Action::Fault { step, reason, .. } => self.seen.faults.push(format!("{step}: {reason}")),
            Action::Enqueue(request) => {
                self.seen.queued.push(request);
                self.waiting = Some((self.now, self.queue.pop_front().unwrap_or(SERVED)));
            }
            Action::AskPosition => {
                return Some(Input::Position(self.waiting.map(|(_, waiting)| waiting.position)));
            }
            Action::AskEstimate => {
                // The same is told once.
                return Some(Input::Estimate(self.waiting.as_mut().and_then(|(_, waiting)| waiting.estimate.take())));
            }
            Action::LeaveQueue { too_long } => {
                self.waiting = None;
                let result = if too_long { QueueResult::TimedOut } else { QueueResult::Left };
                return Some(Input::Queue(result));
            }
            Action::CallBack { number, .. } => {
                let is_promised = self.callback.pop_front().unwrap_or(true);
                self.seen.called_back = Some(number).filter(|_| is_promised);
                return Some(Input::Promised(is_promised));
            }
            Action::Transfer { to, .. } => {
                let (Target::Number(to) | Target::Agent(to)) = to;
                self.seen.transferred = Some(to);
                if let Some(code) = self.transfer.pop_front().flatten() {
                    return Some(Input::TransferFailed(code));
                }
                self.later(5000);
                self.run.handle(self.now, Input::Connected);
                return Some(Input::TransferEnded);
            }
        }
        None
    }

    /// Lets one thing happen; false when nothing more can.
    fn turn(&mut self) -> bool {
        if self.run.listens()
            && !self.silent
            && let Some(group) = self.keys.pop_front()
        {
            if group == "-" {
                self.silent = true;
                return true;
            }
            self.later(1000);
            for key in group.chars() {
                self.later(200);
                self.run.handle(self.now, Input::Digit(key));
            }
            return true;
        }
        let timeout = self.run.poll_timeout();
        let ends = self.waiting.and_then(|(since, waiting)| waiting.outcome.map(|_| since + waiting.after));
        if let Some(due) = self.answer_due.filter(|_| !self.seen.answered)
            && (due <= self.now || !self.run.is_playing())
            && [timeout, ends].into_iter().flatten().all(|next| due <= next)
        {
            self.now = self.now.max(due);
            self.answer_due = None;
            self.run.handle(self.now, Input::AnswerDue);
            return true;
        }
        if self.run.is_playing() {
            self.later(2000);
            self.run.handle(self.now, Input::Played);
            return true;
        }
        if let Some((since, waiting)) = self.waiting {
            let end = since + waiting.after;
            if waiting.outcome.is_none() && timeout.is_none_or(|at| at > end) {
                return false;
            }
            if let Some(outcome) = waiting.outcome.filter(|_| timeout.is_none_or(|at| at > end)) {
                self.now = self.now.max(end);
                self.waiting = None;
                if outcome == QueueResult::Served {
                    self.run.handle(self.now, Input::Connected);
                    self.later(30_000);
                }
                self.run.handle(self.now, Input::Queue(outcome));
                return true;
            }
        }
        let Some(at) = timeout else { return false };
        self.now = self.now.max(at);
        self.silent = false;
        self.run.handle_timeout(self.now);
        true
    }

    fn later(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

/// `2..4`, or `90..` without an end; `None` if there are no words for it.
fn minutes(text: &str) -> Option<Minutes> {
    let (from, to) = text.split_once("..")?;
    let to = if to.is_empty() { None } else { Some(to.parse().ok()?) };
    let minutes = Minutes { from: from.parse().ok()?, to };
    speech::wait(speech::LANGUAGES[0], minutes.from, minutes.to).map(|_| minutes)
}

/// `2026-11-23T10:00+01:00`, with or without seconds.
fn moment(text: &str) -> Option<Time> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(stamp.as_microsecond()).ok().map(Time::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::phone;

    fn results(tests: &str) -> Vec<TestResult> {
        let steps = "a: { menu: { prompt: a, keys: { '1': q, '2': t }, tries: 2, no_input_prompt: b, failed: hangup } }
q: { queue: { name: sales, priority: 3, need: support >= 2, while_waiting: { announce: { prompts: c, position: true, estimate: true, first: 10s } }, next: b, timed_out: hangup, full: f } }
t: { transfer: { to: '0701', failed: f } }
b: { collect: { prompt: d, digits: 2, into: x, next: hangup, failed: hangup } }
f: { hangup: { prompt: f } }";
        let text = format!("{}tests:\n{tests}", phone::text(steps));
        run(&Arc::new(phone::flow(&text)))
    }

    #[test]
    fn what_holds_passes() {
        let results = results(
            "  - { name: talk, keys: '1 42', queue: { outcome: served, after: 25s, position: 4 }, expect: [a, q, b], hears: [a, c, you-are-number, number/4, d], queued: { name: sales, priority: 3, need: { support: 2 }, language: en }, variables: { x: '42' }, language: en, ends: hangup }
  - { name: long, keys: '1 42', queue: { outcome: served, after: 2m, estimate: 2..4 }, hears: [a, c, you-will-wait, minutes/from-2, minutes/4, you-are-next, c, d] }
  - { name: longer, keys: '1 42', queue: { outcome: served, after: 25s, estimate: '90..' }, hears: [a, c, you-will-wait-more-than, minutes/90, you-are-next, d] }
  - { name: full, keys: '1', queue: full, expect: [a, q, f], hears: f }
  - { name: silence, keys: '- 1', queue: waiting, expect: [a, q], hears: [a, b, a], ends: waiting }
  - { name: never, expect: [a], ends: hangup }
  - { name: transfer, keys: '2', transferred: '0701', expect: [a, t], ends: hangup }
  - { name: busy, keys: '2', transfer: busy, expect: [a, t, f], answered: true }
",
        );
        for result in results {
            let failures: String = result.failures.iter().map(|f| f.to_string()).collect();
            assert!(failures.is_empty(), "{}:\n{failures}", result.name);
        }
    }

    #[test]
    fn a_call_is_answered_by_the_agent_or_when_it_has_to_be_or_never() {
        let steps = "a: { queue: { name: sales, answer: false, next: hangup, timed_out: b } }
b: { queue: { name: support, answer: false, next: hangup, unanswered: c, failed: c } }
c: { hangup: { prompt: c, answer: false, code: busy } }";
        let tests = "  - { name: talk, queue: { outcome: served, after: 60s }, answered: true, ends: hangup }
  - { name: full, queue: [full, full], expect: [a, b, c], hears: c, answered: false, ends: '486' }
  - { name: late, queue: { outcome: waiting }, expect: [a], answered: true, ends: waiting }
  - { name: later, queue: [{ outcome: timed_out, after: 100s }, { outcome: waiting }], expect: [a, b, c], answered: true, ends: hangup }
";
        let flow = phone::flow(&format!("{}tests:\n{tests}", phone::text(steps)));
        for result in run(&Arc::new(flow)) {
            let failures: String = result.failures.iter().map(|f| f.to_string()).collect();
            assert!(failures.is_empty(), "{}:\n{failures}", result.name);
        }
    }

    #[test]
    fn what_fails_tells_expected_and_got_with_its_place() {
        let results = results(
            "  - name: wrong
    keys: '2'
    expect: [a, q]
    queued: { name: sales }
    transferred: '0702'
    hears: [b]
    ends: '486'
    answered: false
    language: sv
    variables: { x: '1' }
  - { name: more, keys: '1', queued: { name: support, priority: 4, need: { support: 3 }, language: sv } }
",
        );
        let told: Vec<(u32, String)> = results
            .iter()
            .flat_map(|r| &r.failures)
            .map(|f| (f.line, format!("{}; {}", f.message, f.help.as_deref().unwrap_or_default())))
            .collect();
        let expected = [
            (13, "expected the steps a, q; got a, t"),
            (14, "expected to be queued; got no queue"),
            (15, "expected a transfer to 0702; got 0701"),
            (16, "expected to hear b here; got a"),
            (17, "expected the call to end by 486; got hangup"),
            (18, "expected the call to stay unanswered; got the call to be answered"),
            (19, "expected language sv; got en"),
            (20, "expected x = 1; got nothing"),
            (21, "expected queue support; got sales"),
            (21, "expected priority 4; got 3"),
            (21, "expected the need `support >= 3`; got `support >= 2`"),
            (21, "expected language sv; got en"),
        ];
        assert_eq!(told, expected.map(|(line, text)| (line, text.to_string())));
        assert_eq!((results[0].name.as_str(), results[0].file.as_str(), results[0].line), ("wrong", "t.yaml", 11));
    }
}

//! The interpreter: one [`Run`] walks one flow for one caller.
//!
//! Contract: after `Run::new` and after each `handle`/`handle_timeout` drain [`Run::poll_action`], then call
//! `handle_timeout` no later than [`Run::poll_timeout`]. When the caller hangs up, drop the run.
//!
//! A run always ends: after [`Action::Hangup`] or [`Action::Reject`] nothing more comes out of it, and a flow that goes
//! round without waiting is given up, with an [`Action::Fault`] that says so.

use super::Flow;
use super::compile::Graph;
use super::expr::Scope;
use super::nodes::callback::CallbackWish;
use super::nodes::queue::Queue;
use super::nodes::{Event, State, Step, StepId, Turn};
use super::walk::Walk;
use crate::need::Need;
use crate::time::{Duration, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of the call when the flow starts; readable in expressions as `call.from`, `call.to`, ….
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The caller's number or user name, as trusted.
    pub from: String,
    /// The number that was dialled.
    pub to: String,
    /// The caller's display name.
    pub name: String,
    /// The trunk or `agent` the call came by.
    pub trunk: String,
    /// The number that sent the call here last; empty: none did.
    pub diverted_from: String,
    /// What the caller's side sent along (RFC 7433), as it came; empty: nothing.
    pub user_to_user: String,
    /// The call was answered before the flow began. Not for expressions.
    pub is_answered: bool,
}

/// One sound to be played: a prompt by name and the language it is wanted in. Music is `music/` and its name, and its
/// language is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub name: String,
    pub language: String,
}

/// Place the caller in a line.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRequest {
    pub queue: String,
    /// What an agent must be able to do, in addition to what the queue itself needs.
    pub need: Need,
    /// What is enough instead for who has waited so long.
    pub relax: Vec<(Duration, Need)>,
    /// Whom the caller is kept for at first, one after the other, for so long each.
    pub prefer: Vec<(Preferred, Duration)>,
    /// Higher is served sooner.
    pub priority: i32,
    /// `None`: the queue's own limit.
    pub max_wait: Option<Duration>,
    pub language: String,
    /// The flow's variables that the agent should see.
    pub attributes: BTreeMap<String, String>,
}

/// Somebody by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preferred {
    Agent(String),
    Team(String),
    /// Who talked with this caller last, if it is not longer ago.
    LastAgent {
        within: Duration,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A number as configured (a flow's number, an agent's number or one that a trunk takes).
    Number(String),
    /// An agent by name.
    Agent(String),
}

/// How the caller left the line; the queue step names a way on for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueResult {
    /// An agent talked with the caller and hung up first.
    Served,
    TimedOut,
    NoAgents,
    Full,
    Closed,
    /// The caller pressed a key that leads out (the answer to `LeaveQueue`).
    Left,
}

/// How long a caller will probably wait. From 0: less than `to`; without an end: more than `from`. Of
/// [`speech::MINUTES`](super::speech::MINUTES), or it cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minutes {
    pub from: u32,
    pub to: Option<u32>,
}

/// From the switchboard to the flow.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Digit(char),
    /// What the last `Play` asked for was heard to the end (or could not be played).
    Played,
    /// The answer to `AskPosition`: 1 = next; `None` = not waiting any more.
    Position(Option<u32>),
    /// The answer to `AskEstimate`; `None`: nothing is to be said.
    Estimate(Option<Minutes>),
    /// An agent answered: be quiet until `Queue(Served)` or `BackInLine`.
    Connected,
    /// The agent's line broke, and the caller waits again.
    BackInLine,
    Queue(QueueResult),
    /// Whether the caller is called back (the answer to `CallBack`).
    Promised(bool),
    /// The transfer was not answered; SIP code of the refusal, 408 for silence.
    TransferFailed(u16),
    /// The transfer's far end hung up first.
    TransferEnded,
    /// The caller was left unanswered for as long as may be: the step says where to, or the call is answered.
    AnswerDue,
}

/// From the flow to the switchboard.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Take the call (200 OK). Said once, before anything that needs sound, but for what follows `HearEarly`.
    Answer,
    /// Let the caller hear what is played though the call is not answered (183). May be said again.
    HearEarly,
    /// Let the unanswered caller know that it rings (180), or hear it.
    Ring,
    /// Refuse the call before it was answered, with a SIP code 400–699. Nothing follows.
    Reject {
        code: u16,
    },
    /// A step begins: for the record.
    Step {
        flow: String,
        step: String,
    },
    /// Play these one after the other, replacing what plays now; `Input::Played` follows unless `repeat`.
    Play {
        prompts: Vec<Prompt>,
        repeat: bool,
    },
    /// Be silent.
    Stop,
    Enqueue(QueueRequest),
    /// Tell `Input::Position`.
    AskPosition,
    /// Tell `Input::Estimate`: it will be said.
    AskEstimate,
    /// The caller is to leave the line; `Input::Queue(Left)`, or `Input::Queue(TimedOut)` if the wait was too long, follows unless
    /// an agent was faster.
    LeaveQueue {
        too_long: bool,
    },
    /// Promise that this number is called when it is the caller's turn in that queue, or in the one where they were last;
    /// `Input::Promised` follows.
    CallBack {
        number: String,
        queue: Option<String>,
        language: String,
    },
    /// Connect the caller with someone outside the queues; `Connected`, then `TransferEnded`, or `TransferFailed` follows.
    Transfer {
        to: Target,
        ring: Duration,
        /// The flow plays music meanwhile; otherwise who is rung may be heard before the answer.
        music: bool,
    },
    /// The flow itself went wrong (an expression failed, it went round without waiting): for the record and the log.
    /// What the flow does about it follows as ordinary actions.
    Fault {
        flow: String,
        step: String,
        reason: String,
    },
    /// End the call. Nothing follows.
    Hangup,
}

/// Name of the ringing tone, as a [`Prompt`] without language: what is heard while a transfer rings and no music plays.
pub const RINGBACK: &str = "tone/ringback";

/// One caller's walk through a flow. See the module's documentation.
#[derive(Debug)]
pub struct Run {
    flow: Arc<Flow>,
    graph: Arc<Graph>,
    /// Where the caller is, and what that step remembers of them.
    here: StepId,
    state: State,
    walk: Walk,
    is_over: bool,
    /// Steps entered since time passed or the caller did something.
    hops: u32,
    /// Steps entered altogether.
    steps: u32,
}

/// How long a call may be left unanswered unless the settings say otherwise. Carriers give up a call that rings for three minutes.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(150);
/// Steps without a pause after which a run is taken to go round for ever.
const MOST_HOPS: u32 = 100;
/// Steps of one call after which nobody can be listening any more.
const MOST_STEPS: u32 = 1000;
impl Run {
    /// Begins at the flow's first step; what it wants is there to be polled at once.
    pub fn new(flow: Arc<Flow>, facts: Facts, now: Time) -> Run {
        Run::begin(flow, facts, now, (0, 0))
    }

    /// Begins a flow that this one transferred the caller to. Variables and language do not go along, but the steps already
    /// taken count: flows that transfer to each other without end are given up as one that goes round by itself.
    pub fn hand_over(&self, flow: Arc<Flow>, facts: Facts, now: Time) -> Run {
        Run::begin(flow, facts, now, (self.hops, self.steps))
    }

    fn begin(flow: Arc<Flow>, facts: Facts, now: Time, (hops, steps): (u32, u32)) -> Run {
        let graph = flow.graph().clone();
        let language = graph.languages.first().cloned().unwrap_or_default();
        let scope = Scope { facts, language, variables: graph.variables.clone() };
        let walk = Walk::new(now, scope, &graph.name);
        let start = graph.start;
        let mut run = Run { flow, graph, here: start, state: State::Play(()), walk, is_over: false, hops, steps };
        run.go(Turn::at_once(start));
        run
    }

    /// Where the caller is: flow and step.
    pub fn place(&self) -> (&str, &str) {
        (&self.graph.name, &self.graph.steps[self.here.0].host)
    }

    /// What happened to the caller. Ignored when the run is over or does not wait for it.
    pub fn handle(&mut self, now: Time, input: Input) {
        if self.is_over {
            return;
        }
        self.walk.now = now;
        let event = match input {
            Input::Digit(digit) => match self.walk.hear(digit) {
                true => Event::Digit,
                false => return,
            },
            Input::Played if self.walk.is_playing() => self.walk.played(),
            Input::Played => return,
            Input::AnswerDue if self.walk.is_answered() => return,
            Input::AnswerDue => {
                let graph = self.graph.clone();
                let turn = graph.steps[self.here.0].step.answer_due(&mut self.state, &mut self.walk);
                return self.go(turn);
            }
            other => Event::Other(other),
        };
        self.turn(event);
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.is_over || self.walk.deadline().is_none_or(|at| at > now) {
            return;
        }
        self.walk.now = now;
        let event = self.walk.due();
        self.turn(event);
    }

    /// Another caller stands in the place of the one it began with.
    pub fn is_about(&mut self, facts: Facts) {
        if facts.is_answered {
            self.walk.was_answered();
        }
        self.walk.scope.facts = facts;
    }

    pub fn poll_action(&mut self) -> Option<Action> {
        self.walk.next_action()
    }

    /// When `handle_timeout` wants to be called; `None`: only an input can move this run.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.walk.deadline()
    }

    /// Whether a key pressed now is looked at by the present step.
    pub(super) fn listens(&self) -> bool {
        !self.is_over && !self.walk.is_connected() && self.graph.steps[self.here.0].step.listens()
    }

    /// Whether prompts play whose `Played` is awaited.
    pub(super) fn is_playing(&self) -> bool {
        self.walk.is_playing()
    }

    /// What the caller asks for who leaves the line by a key that leads to a `callback` at once.
    pub fn leaves_for_callback(&self) -> Option<CallbackWish> {
        let leads = match &self.state {
            State::Queue(state) => Queue::leads(state),
            _ => None,
        };
        match &self.graph.steps[leads?.0].step {
            // What is wrong with its number is told when it comes to it.
            Step::Callback(callback) => callback.wish(&self.walk.scope).ok(),
            _ => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.walk.scope
    }

    fn turn(&mut self, event: Event) {
        let graph = self.graph.clone();
        let turn = graph.steps[self.here.0].step.handle(&mut self.state, &mut self.walk, event);
        self.go(turn);
    }

    /// Goes on until a step waits or the call is over.
    fn go(&mut self, mut turn: Turn) {
        loop {
            let (to, paused) = match turn {
                Turn::Wait => return,
                Turn::Over => return self.end(),
                Turn::Go { to, paused } => (to, paused),
                Turn::Flow(name) => match self.flow.other(&name) {
                    Some(graph) => (self.change(graph.clone()), false),
                    None => {
                        self.walk.fault(format!("there is no flow `{name}` any more"));
                        return self.give_up();
                    }
                },
            };
            self.hops = if paused { 0 } else { self.hops + 1 };
            self.steps += 1;
            if self.hops > MOST_HOPS {
                self.walk.fault(format!("{MOST_HOPS} steps went by without waiting for the caller"));
                return self.give_up();
            }
            if self.steps > MOST_STEPS {
                self.walk.fault(format!("{MOST_STEPS} steps went by in one call"));
                return self.give_up();
            }
            let graph = self.graph.clone();
            let node = &graph.steps[to.0];
            self.here = to;
            self.walk.leave();
            self.walk.is_in(&graph.name, &node.host);
            if let Some(step) = &node.name {
                self.walk.act(Action::Step { flow: graph.name.clone(), step: step.clone() });
            }
            (self.state, turn) = node.step.enter(&mut self.walk);
        }
    }

    /// Into another flow: variables stay, its own are added, and the language stays if it is spoken there.
    fn change(&mut self, graph: Arc<Graph>) -> StepId {
        for (name, value) in &graph.variables {
            self.walk.scope.variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if let (false, Some(first)) = (graph.languages.contains(&self.walk.scope.language), graph.languages.first()) {
            self.walk.scope.language.clone_from(first);
        }
        self.graph = graph;
        self.graph.start
    }

    fn give_up(&mut self) {
        self.walk.act(if self.walk.is_answered() { Action::Hangup } else { Action::Reject { code: 500 } });
        self.end();
    }

    fn end(&mut self) {
        self.is_over = true;
        self.walk.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Facts, World, compile, link, phone};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::sync::LazyLock;

    /// Every kind of step, with ways back to nearly everywhere.
    const EVERYTHING: &str = "a: { play: { prompt: a, barge_in: false, next: b } }
b: { menu: { prompt: b, between: 1s, keys: { '1': c, '12': q, '2': { set: { language: sv } }, '3': t, '4': g, '*': e }, failed: f, next: c } }
c: { collect: { prompt: [c, { number: n }], digits: 2..4, into: x, tries: 2, next: s, failed: b } }
s: { switch: { cases: [{ when: 'x == \"11\"', next: q }, { when: 'x > 3', next: e }], else: n } }
n: { set: { n: '{{ n + 1 }}', m: '{{ call.from }}{{ language }}', next: q } }
p: { play: { prompt: c, answer: false, next: w } }
w:
  queue:
    name: support
    answer: false
    while_waiting: { announce: { prompts: a, position: true, first: 1s, every: 5s }, keys: { '1': u } }
    next: t
    unanswered: u
    failed: u
u: { transfer: { to: '{{ call.to }}', answer: false, next: q, failed: v } }
v: { switch: { cases: [{ when: 'n > 1', next: x }], else: a } }
x: { hangup: { prompt: f, answer: false, code: busy } }
q:
  queue:
    name: sales
    priority: n
    while_waiting:
      music: calm
      announce: { prompts: [d, { digits: n }], position: true, estimate: true, first: 1s, every: 5s }
      keys: { '1': b, '#': c, '2': k }
    next: b
    failed: e
t: { transfer: { to: '{{ call.to }}', ring: 5s, next: b, failed: e } }
g: { goto: { flow: other } }
k: { callback: { number: '{{ n }}', next: f, failed: q } }
f: { hangup: { prompt: f } }
e: { menu: { prompt: e, tries: 1, keys: { '1': b, '2': hangup, '3': p }, no_input: b, invalid: f } }";

    const OTHER: &str = "flow: other
languages: [sv]
start: z
steps:
  z: { play: { prompt: a, next: y } }
  y: { menu: { keys: { '1': { goto: { flow: t } } }, failed: { goto: { flow: other } } } }
";

    static FLOWS: LazyLock<Vec<Arc<Flow>>> = LazyLock::new(|| {
        let everything = phone::text(EVERYTHING).replace("steps:", "variables: { n: 1 }\nsteps:");
        let unanswered = everything.replace("flow: t\n", "flow: unanswered\n").replace("start: a", "start: p");
        let linked = link([phone::flow(&everything), phone::flow(OTHER), phone::flow(&unanswered)]).expect("two names");
        let mut flows: Vec<Arc<Flow>> = linked.into_values().collect();
        let mut world = World {
            queues: ["sales", "support"].map(String::from).into(),
            music: BTreeSet::from(["calm".to_string()]),
            ..World::default()
        };
        for line in include_str!("../../sounds/prompts.tsv").lines().skip(1) {
            let mut columns = line.split('\t').map(String::from);
            let (name, language) = (columns.next().expect("a name"), columns.next().expect("a language"));
            world.prompts.entry(language).or_default().insert(name);
        }
        for text in [include_str!("../../ivr-flows/main.yaml"), include_str!("../../ivr-flows/sales.yaml")] {
            flows.push(Arc::new(compile("sample", text, &world).expect("the shipped flows compile")));
        }
        flows
    });

    fn input() -> impl Strategy<Value = Option<Input>> {
        use QueueResult::*;
        let result = prop::sample::select(vec![Served, TimedOut, NoAgents, Full, Closed, Left]);
        let digit = prop::sample::select("0123456789*#ABCD".chars().collect::<Vec<_>>());
        prop_oneof![
            4 => digit.prop_map(|d| Some(Input::Digit(d))),
            4 => Just(Some(Input::Played)),
            // Time goes by.
            3 => Just(None),
            1 => prop::option::of(0u32..50).prop_map(|p| Some(Input::Position(p))),
            1 => prop::option::of((0u32..10, prop::option::of(0u32..10)))
                .prop_map(|range| Some(Input::Estimate(range.map(|(from, to)| Minutes { from, to })))),
            1 => Just(Some(Input::Connected)),
            1 => Just(Some(Input::BackInLine)),
            2 => result.prop_map(|r| Some(Input::Queue(r))),
            1 => (400u16..700).prop_map(|c| Some(Input::TransferFailed(c))),
            1 => Just(Some(Input::TransferEnded)),
            2 => any::<bool>().prop_map(|promised| Some(Input::Promised(promised))),
            1 => Just(Some(Input::AnswerDue)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        /// Whatever happens, in whatever order: no panic, a bounded number of actions for each thing that happens, one
        /// answer before any sound, a last word and nothing after it, and a wake-up never in the past.
        #[test]
        fn whatever_happens_a_run_keeps_its_word(
            which in 0usize..5,
            events in prop::collection::vec((input(), 0u64..20_000), 0..300),
        ) {
            let mut now = Time::from_secs(1_767_787_200);
            let mut run = Run::new(FLOWS[which].clone(), Facts::default(), now);
            let (mut answered, mut early, mut over, mut enqueued) = (false, false, false, 0u32);
            for (event, millis) in std::iter::once((None, 0)).chain(events) {
                now += Duration::from_millis(millis);
                match event {
                    Some(input) => run.handle(now, input),
                    None => run.handle_timeout(now),
                }
                let mut count = 0;
                while let Some(action) = run.poll_action() {
                    count += 1;
                    prop_assert!(!over, "{action:?} after the end");
                    match action {
                        Action::Answer => {
                            prop_assert!(!answered);
                            answered = true;
                        }
                        Action::Play { prompts, .. } => {
                            prop_assert!((answered || early) && !prompts.is_empty());
                        }
                        Action::Enqueue(_) => enqueued += 1,
                        Action::HearEarly => {
                            prop_assert!(!answered);
                            early = true;
                        }
                        Action::Ring => prop_assert!(!answered),
                        Action::AskPosition | Action::AskEstimate | Action::LeaveQueue { .. } => prop_assert!(enqueued > 0),
                        Action::Reject { code } => {
                            prop_assert!(!answered && (400..700).contains(&code));
                            over = true;
                        }
                        Action::Hangup => {
                            prop_assert!(answered);
                            over = true;
                        }
                        Action::Step { .. }
                        | Action::Stop
                        | Action::CallBack { .. }
                        | Action::Transfer { .. }
                        | Action::Fault { .. } => {}
                    }
                }
                // A step does at most a handful of things; those without a pause are bounded.
                prop_assert!(count <= 600, "{count} actions at once");
                if over {
                    prop_assert_eq!(run.poll_timeout(), None);
                }
                if let Some(at) = run.poll_timeout().filter(|at| *at <= now) {
                    run.handle_timeout(now);
                    prop_assert!(run.poll_timeout() != Some(at), "a deadline that was acted on is gone");
                }
            }
        }
    }

    #[test]
    fn a_call_nobody_listens_to_ends() {
        let mut phone =
            phone::Phone::call("a: { menu: { prompt: a, tries: 1, timeout: 1s, keys: { '1': hangup }, failed: a } }");
        for _ in 0..1200 {
            let seen = phone.played() + &phone.wait(1.1);
            if seen.contains("hangup") {
                assert!(seen.contains("1000 steps went by in one call"), "{seen}");
                assert_eq!(phone.press("1") + &phone.played() + &phone.wait(60.0), "", "nothing after the last word");
                return;
            }
        }
        panic!("still talking");
    }

    #[test]
    fn runs_can_move_between_threads() {
        fn sent<T: Send>() {}
        fn shared<T: Send + Sync>() {}
        sent::<Run>();
        shared::<Flow>();
    }
}

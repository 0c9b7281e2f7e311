//! The kinds of step, one per file.
//!
//! A new kind is a new file with its settings (`File`), what they compile to, and a [`Kind`] that says which ways lead
//! on and what happens when a caller is there; then one line in the list below.

pub mod callback;
pub mod collect;
pub mod goto;
pub mod hangup;
pub mod hours;
pub mod menu;
pub mod play;
pub mod queue;
pub mod set;
pub mod switch;
pub mod transfer;

use super::compile::Compiler;
use super::run::Input;
use super::walk::Walk;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;

/// A step's place in its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId(pub usize);

/// A way from one step to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// When it is taken, in a word or two.
    pub label: String,
    pub to: StepId,
    /// Whether time has passed, or the caller has done something, when it is taken.
    pub paused: bool,
    /// The variables that are surely set when it is taken.
    pub sets: Vec<String>,
}

/// What a step wants after it was entered or heard something.
#[derive(Debug, PartialEq)]
pub enum Turn {
    /// Stay.
    Wait,
    /// On to another step. `paused` as in [`Way`].
    Go { to: StepId, paused: bool },
    /// On to the start of another flow.
    Flow(String),
    /// The call is over; the step has said so.
    Over,
}

impl Turn {
    pub fn at_once(to: StepId) -> Turn {
        Turn::Go { to, paused: false }
    }

    pub fn paused(to: StepId) -> Turn {
        Turn::Go { to, paused: true }
    }
}

/// What reaches a step while a caller is there.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A key was pressed; it waits in the walk.
    Digit,
    /// What the step had said was heard to the end.
    Played,
    /// The time it asked for is over.
    Timeout,
    /// Anything else, as the switchboard said it.
    Other(Input),
}

pub trait Kind: Sized + fmt::Debug + Send + Sync {
    /// Its settings as written.
    type File;
    /// What it remembers of one caller while they are there.
    type State: Default + fmt::Debug + Send;

    /// `after`: where it goes on when it does not say so itself (a step written in place).
    fn compile(file: &Self::File, compiler: &mut Compiler, after: Option<StepId>) -> Self;
    fn ways(&self) -> Vec<Way>;
    /// Whether a key pressed now means something to it.
    fn listens(&self) -> bool {
        false
    }
    fn enter(&self, state: &mut Self::State, walk: &mut Walk) -> Turn;
    fn handle(&self, _state: &mut Self::State, _walk: &mut Walk, _event: Event) -> Turn {
        Turn::Wait
    }
    /// The call was left unanswered for as long as may be.
    fn answer_due(&self, _state: &mut Self::State, walk: &mut Walk) -> Turn {
        walk.answer_overdue();
        Turn::Wait
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $Kind:ident in $module:ident, $verb:literal;)*) => {
        /// One verb with its settings.
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[schemars(rename = "Step")]
        #[expect(clippy::large_enum_variant, reason = "read once, and not kept")]
        pub enum StepFile {
            $($(#[$doc])* #[serde(rename = $verb)] $Kind($module::File),)*
        }

        /// A compiled step.
        #[derive(Debug)]
        pub enum Step {
            $($Kind($module::$Kind),)*
        }

        /// What a step remembers of one caller.
        #[derive(Debug)]
        pub enum State {
            $($Kind(<$module::$Kind as Kind>::State),)*
        }

        impl StepFile {
            pub fn compile(&self, compiler: &mut Compiler, after: Option<StepId>) -> Step {
                match self {
                    $(StepFile::$Kind(file) => Step::$Kind(<$module::$Kind as Kind>::compile(file, compiler, after)),)*
                }
            }
        }

        impl Step {
            pub fn verb(&self) -> &'static str {
                match self {
                    $(Step::$Kind(_) => $verb,)*
                }
            }

            pub fn ways(&self) -> Vec<Way> {
                match self {
                    $(Step::$Kind(step) => step.ways(),)*
                }
            }

            /// What a picture says of it beside its verb.
            pub fn detail(&self) -> String {
                match self {
                    Step::Set(step) => step.detail(),
                    Step::Queue(step) => step.detail(),
                    _ => String::new(),
                }
            }

            /// The other flow it leads to, if it does.
            pub fn leads_to_flow(&self) -> Option<&str> {
                match self {
                    Step::Goto(goto::Goto::Flow(name)) => Some(name),
                    _ => None,
                }
            }

            pub fn listens(&self) -> bool {
                match self {
                    $(Step::$Kind(step) => step.listens(),)*
                }
            }

            pub fn enter(&self, walk: &mut Walk) -> (State, Turn) {
                match self {
                    $(Step::$Kind(step) => {
                        let mut state = Default::default();
                        let turn = step.enter(&mut state, walk);
                        (State::$Kind(state), turn)
                    })*
                }
            }

            pub fn answer_due(&self, state: &mut State, walk: &mut Walk) -> Turn {
                match (self, state) {
                    $((Step::$Kind(step), State::$Kind(state)) => step.answer_due(state, walk),)*
                    _ => unreachable!("a state is made by entering the step it belongs to"),
                }
            }

            pub fn handle(&self, state: &mut State, walk: &mut Walk, event: Event) -> Turn {
                match (self, state) {
                    $((Step::$Kind(step), State::$Kind(state)) => step.handle(state, walk, event),)*
                    _ => unreachable!("a state is made by entering the step it belongs to"),
                }
            }
        }
    };
}

kinds! {
    /// Says something, then goes on.
    Play in play, "play";
    /// Asks for one of several keys.
    Menu in menu, "menu";
    /// Asks for a number of digits.
    Collect in collect, "collect";
    /// Sets variables, or the language.
    Set in set, "set";
    /// Goes on by what is known.
    Switch in switch, "switch";
    /// Goes on by opening hours.
    Hours in hours, "hours";
    /// Places the caller in a line until an agent answers.
    Queue in queue, "queue";
    /// Connects the caller with someone outside the queues.
    Transfer in transfer, "transfer";
    /// Promises to call the caller back, who keeps the place in line.
    Callback in callback, "callback";
    /// Ends the call.
    Hangup in hangup, "hangup";
    /// Goes on somewhere else, also in another flow.
    Goto in goto, "goto";
}

/// The last way that is named, for settings of which one is enough; complains when none is.
fn first_of(ways: [Option<StepId>; 4], compiler: &mut Compiler, when: &str, names: &str) -> StepId {
    ways.into_iter().flatten().next().unwrap_or_else(|| {
        compiler.problem_here(format!("there is no way on when {when}"), Some(format!("name a step with {names}")));
        compiler.hangup()
    })
}

//! IVR flows: YAML files compiled into graphs of steps, and the interpreter that walks one for one caller.
//!
//! Knows nobody: it says what the caller should hear and what should happen next, and is told what happened.

pub mod calendar;
pub mod expr;
pub mod need;
pub mod problem;
pub mod run;
pub mod speech;
pub mod yaml;

pub use run::{Action, Facts, Input, Prompt, QueueRequest, QueueResult, Run, Target};

/// A compiled flow, ready to be walked by any number of [`Run`]s.
#[derive(Debug)]
pub struct Flow {
    name: String,
}

impl Flow {
    /// The name by which numbers and other flows refer to it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

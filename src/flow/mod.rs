//! IVR flows: YAML files compiled into graphs of steps, and the interpreter that walks one for one caller.
//!
//! Knows nobody: it says what the caller should hear and what should happen next, and is told what happened.

pub mod run;

pub use run::{Action, Facts, Input, QueueRequest, Run, Target};

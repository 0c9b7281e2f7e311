//! IVR flows: YAML files compiled into graphs of steps, and the interpreter that walks one for one caller.
//!
//! Knows nobody: it says what the caller should hear and what should happen next, and is told what happened.
//!
//! ```text
//! file ── tree, yaml, model ──▶ shapes ── compile ──▶ Graph ── check ──▶ Flow ── Run ──▶ Actions
//! ```

pub mod calendar;
mod check;
pub mod compile;
pub mod expr;
pub mod graph;
pub mod model;
pub mod nodes;
#[cfg(test)]
mod phone;
pub mod problem;
pub mod run;
pub mod speech;
pub mod test;
mod tree;
pub mod walk;
mod wording;
pub mod yaml;

pub use compile::compile;
pub use graph::graph;
pub use model::schema;
pub use nodes::callback::CallbackWish;
pub use problem::Problem;
pub use run::{
    ANSWER_WITHIN, Action, Facts, Input, Minutes, Preferred, Prompt, QueueRequest, QueueResult, RINGBACK, Run, Target,
};

use compile::Graph;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a flow may refer to. Names that are not here are errors in the flow.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub queues: BTreeSet<String>,
    /// Every skill that some agent has or some queue needs.
    pub skills: BTreeSet<String>,
    pub agents: BTreeSet<String>,
    /// Every team that some agent is of.
    pub teams: BTreeSet<String>,
    /// Numbers that flows and agents have.
    pub numbers: BTreeSet<String>,
    /// How numbers begin that some trunk takes.
    pub outside: BTreeSet<String>,
    /// Language → prompts recorded in it, such as `welcome` and `number/7`.
    pub prompts: BTreeMap<String, BTreeSet<String>>,
    /// Pieces of music, such as `calm` for `sounds/music/calm.wav`.
    pub music: BTreeSet<String>,
    /// Names of all flows, so that one can lead to another.
    pub flows: BTreeSet<String>,
}

/// A compiled flow, ready to be walked by any number of [`Run`]s, with all flows it can lead to.
#[derive(Clone, Debug)]
pub struct Flow {
    graph: Arc<Graph>,
    book: Arc<BTreeMap<String, Arc<Graph>>>,
}

impl Flow {
    fn alone(graph: Graph) -> Flow {
        let graph = Arc::new(graph);
        Flow { book: Arc::new(BTreeMap::from([(graph.name.clone(), graph.clone())])), graph }
    }

    /// The name by which numbers and other flows refer to it.
    pub fn name(&self) -> &str {
        &self.graph.name
    }

    /// The file and the lines of the steps that promise to call back.
    pub fn calls_back(&self) -> impl Iterator<Item = (&str, u32)> {
        let callbacks = self.graph.steps.iter().filter(|node| matches!(node.step, nodes::Step::Callback(_)));
        callbacks.map(|node| (self.graph.file.as_str(), node.at.line))
    }

    fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    fn other(&self, name: &str) -> Option<&Arc<Graph>> {
        self.book.get(name)
    }
}

/// Puts flows together, so that they can lead to each other.
///
/// Runs of an older set keep walking in it, so flows can be replaced while callers are in them.
///
/// # Errors
///
/// Each flow that has the name of one before it.
pub fn link(flows: impl IntoIterator<Item = Flow>) -> Result<BTreeMap<String, Arc<Flow>>, Vec<Problem>> {
    let mut graphs: BTreeMap<String, Arc<Graph>> = BTreeMap::new();
    let mut problems = Vec::new();
    for Flow { graph, .. } in flows {
        match graphs.entry(graph.name.clone()) {
            Entry::Vacant(free) => _ = free.insert(graph),
            Entry::Occupied(first) => {
                let message = format!("`{}` is the name of the flow in {} already", graph.name, first.get().file);
                let help = Some("numbers and other flows lead to it by its name: give one of the two another".into());
                problems.push(Problem::new(&graph.file, &graph.text, graph.named_at, message, help));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let book = Arc::new(graphs);
    let flow = |graph: &Arc<Graph>| Arc::new(Flow { graph: graph.clone(), book: book.clone() });
    Ok(book.iter().map(|(name, graph)| (name.clone(), flow(graph))).collect())
}

/// The name of the flow in a file, and nothing else of it: for a [`World`] that knows all flows before any is compiled.
///
/// `None` if the file cannot be read that far; compiling it tells why.
pub fn name_of(text: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Name {
        flow: String,
    }
    yaml::read::<Name>(text).0.map(|name| name.flow)
}

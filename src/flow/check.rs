//! What is wrong with a flow as a whole: steps nobody reaches, loops nobody leaves, variables read before they are set.

use super::compile::Graph;
use super::nodes::StepId;
use super::problem::suggest;
use super::yaml::Span;
use std::collections::{BTreeSet, VecDeque};

type Complaint = (Span, String, Option<String>);

/// `set_somewhere`: every variable that any step sets, for telling a typing error from a way that was forgotten.
pub fn check(graph: &Graph, set_somewhere: &BTreeSet<String>) -> Vec<Complaint> {
    let reached = reached(graph);
    let mut complaints = unreachable(graph, &reached);
    complaints.extend(endless(graph, &reached));
    complaints.extend(unset(graph, &reached, set_somewhere));
    complaints
}

/// For each step, the one from which it was first reached; the start is its own.
fn reached(graph: &Graph) -> Vec<Option<StepId>> {
    let mut from = vec![None; graph.steps.len()];
    from[graph.start.0] = Some(graph.start);
    let mut next = VecDeque::from([graph.start]);
    while let Some(id) = next.pop_front() {
        for way in graph.steps[id.0].step.ways() {
            if from[way.to.0].is_none() {
                from[way.to.0] = Some(id);
                next.push_back(way.to);
            }
        }
    }
    from
}

fn unreachable(graph: &Graph, reached: &[Option<StepId>]) -> Vec<Complaint> {
    let nodes = graph.steps.iter().zip(reached);
    let lost = nodes.filter(|(node, from)| from.is_none() && node.name.is_some());
    lost.map(|(node, _)| {
        let message = format!("nothing leads to step `{}`", node.host);
        (node.at, message, Some("lead a `next` or a key to it, or take it out".into()))
    })
    .collect()
}

/// Loops in which neither time passes nor the caller is asked anything. One complaint for each knot of them.
fn endless(graph: &Graph, reached: &[Option<StepId>]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut told = vec![false; graph.steps.len()];
    for start in (0..graph.steps.len()).filter(|i| reached[*i].is_some()) {
        if told[start] {
            continue;
        }
        if let Some(path) = way_back(graph, StepId(start)) {
            path.iter().for_each(|id| told[id.0] = true);
            let mut names: Vec<&str> = path.iter().map(|id| graph.steps[id.0].host.as_str()).collect();
            names.push(names[0]);
            names.dedup();
            let node = &graph.steps[start];
            let way = if names.len() > 1 { names.join(" → ") } else { format!("{0} → {0}", names[0]) };
            let message = format!("this goes round without ever asking the caller: {way}");
            let help = "put a `menu` or `collect` into the round, or lead one way out of it".to_string();
            complaints.push((node.at, message, Some(help)));
        }
    }
    complaints
}

/// The shortest way from a step back to itself over ways that take no time.
fn way_back(graph: &Graph, start: StepId) -> Option<Vec<StepId>> {
    let mut from = vec![None; graph.steps.len()];
    let mut next = VecDeque::from([start]);
    while let Some(id) = next.pop_front() {
        for way in graph.steps[id.0].step.ways().into_iter().filter(|way| !way.paused) {
            if way.to == start {
                let mut path = vec![id];
                while let Some(before) = from[path[path.len() - 1].0] {
                    path.push(before);
                }
                path.reverse();
                return Some(path);
            }
            if from[way.to.0].is_none() {
                from[way.to.0] = Some(id);
                next.push_back(way.to);
            }
        }
    }
    None
}

/// Variables that some way to their reader does not set.
fn unset(graph: &Graph, reached: &[Option<StepId>], set_somewhere: &BTreeSet<String>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let wanted: BTreeSet<&str> = graph.steps.iter().flat_map(|n| &n.reads).map(|r| r.name.as_str()).collect();
    for name in wanted {
        if name == "language" || graph.variables.contains_key(name) {
            continue;
        }
        // Steps that can be entered while it is not set, and from where.
        let mut bare: Vec<Option<StepId>> = vec![None; graph.steps.len()];
        bare[graph.start.0] = Some(graph.start);
        let mut next = VecDeque::from([graph.start]);
        while let Some(id) = next.pop_front() {
            for way in graph.steps[id.0].step.ways() {
                if bare[way.to.0].is_none() && !way.sets.iter().any(|set| set == name) {
                    bare[way.to.0] = Some(id);
                    next.push_back(way.to);
                }
            }
        }
        for (index, node) in graph.steps.iter().enumerate() {
            if bare[index].is_none() || reached[index].is_none() {
                continue;
            }
            for read in node.reads.iter().filter(|read| read.name == name) {
                let (message, help) = if set_somewhere.contains(name) {
                    let way = walked(graph, &bare, StepId(index));
                    (
                        format!("`{name}` may not be set here"),
                        Some(format!("not by way of {way}; give it a value in `variables:` or on that way")),
                    )
                } else {
                    let known = set_somewhere.iter().map(String::as_str).chain(["call", "language"]);
                    let known: Vec<&str> = known.collect();
                    (format!("no step sets `{name}`"), suggest(name, known.iter().copied()))
                };
                complaints.push((read.at, message, help));
            }
        }
    }
    complaints
}

/// The way from the start, by names.
fn walked(graph: &Graph, from: &[Option<StepId>], to: StepId) -> String {
    let mut names = vec![graph.steps[to.0].host.as_str()];
    let mut id = to;
    while id != graph.start {
        id = from[id.0].expect("each step of the way was reached from one before it");
        names.push(graph.steps[id.0].host.as_str());
    }
    names.dedup();
    names.reverse();
    names.join(" → ")
}

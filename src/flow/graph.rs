//! A flow as a picture.

use super::Flow;
use super::nodes::StepId;
use std::fmt::Write;

/// A flow as a Mermaid flowchart: steps with their verbs, ways with when they are taken.
pub fn graph(flow: &Flow) -> String {
    let graph = flow.graph();
    let mut reached = vec![false; graph.steps.len()];
    let mut stack = vec![graph.start];
    while let Some(StepId(id)) = stack.pop() {
        if !std::mem::replace(&mut reached[id], true) {
            stack.extend(graph.steps[id].step.ways().into_iter().map(|way| way.to));
        }
    }
    let mut text = String::from("flowchart TD\n");
    let mut line = |args: std::fmt::Arguments| {
        writeln!(text, "  {args}").expect("writing to a string cannot fail");
    };
    line(format_args!("start([{}]) --> s{}", quoted(&graph.name), graph.start.0));
    for (id, node) in graph.steps.iter().enumerate().filter(|(id, _)| reached[*id]) {
        let verb = node.step.verb();
        let label = match &node.name {
            Some(name) if name == verb => quoted(name),
            Some(name) => quoted(format!("{name}\n{verb} {}", node.step.detail()).trim_end()),
            None => quoted(format!("{verb} {}", node.step.detail()).trim_end()),
        };
        match verb {
            "hangup" => line(format_args!("s{id}([{label}])")),
            "menu" | "collect" => line(format_args!("s{id}[/{label}/]")),
            "switch" | "hours" => line(format_args!("s{id}{{{label}}}")),
            "queue" | "transfer" => line(format_args!("s{id}[[{label}]]")),
            _ => line(format_args!("s{id}[{label}]")),
        }
        if let Some(name) = node.step.leads_to_flow() {
            line(format_args!("s{id} --> f{id}([{}])", quoted(name)));
        }
        // Several ways to one step are one arrow.
        let mut arrows: Vec<(StepId, String)> = Vec::new();
        for way in node.step.ways() {
            match arrows.iter_mut().find(|(to, _)| *to == way.to) {
                Some((_, label)) => *label = format!("{label}, {}", way.label),
                None => arrows.push((way.to, way.label)),
            }
        }
        for (StepId(to), label) in arrows {
            match label.is_empty() {
                true => line(format_args!("s{id} --> s{to}")),
                false => line(format_args!("s{id} -->|{}| s{to}", quoted(&label))),
            }
        }
    }
    text
}

fn quoted(text: &str) -> String {
    let text = text.replace('&', "#amp;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;");
    format!("\"{}\"", text.replace('\n', "<br>"))
}

#[cfg(test)]
mod tests {
    use crate::flow::phone;

    #[test]
    fn steps_and_ways_are_drawn() {
        let steps = "a: { switch: { cases: [{ when: 'call.to == \"1\"', next: b }], else: c } }\nb: { menu: { keys: { '1': c, '2': c }, failed: hangup } }\nc: { goto: { flow: other } }";
        let expected = "flowchart TD
  start([\"t\"]) --> s0
  s0{\"a<br>switch\"}
  s0 -->|\"call.to == #quot;1#quot;\"| s1
  s0 -->|\"else\"| s2
  s1[/\"b<br>menu\"/]
  s1 -->|\"1, 2\"| s2
  s1 -->|\"failed\"| s3
  s2[\"c<br>goto\"]
  s2 --> f2([\"other\"])
  s3([\"hangup\"])
";
        assert_eq!(super::graph(&phone::flow(&phone::text(steps))), expected);
    }
}

//! From a file to a graph of steps: every name is looked up, every expression compiled, every complaint placed.

mod needs;

use super::check;
use super::expr::{Expr, ExprError, Read, Text, Value};
use super::model::{FlowFile, Literal, Next, Saying, Sayings, Way};
use super::nodes::{Step, StepFile, StepId, hangup};
use super::problem::{Problem, nearest, suggest};
use super::speech;
use super::test::Test;
use super::yaml::{self, At, Span};
use super::{Flow, World};
use crate::hours::Calendar;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One compiled flow.
#[derive(Debug)]
pub struct Graph {
    pub name: String,
    /// Where the file says so.
    pub named_at: Span,
    /// As given to [`compile`].
    pub file: String,
    pub languages: Vec<String>,
    pub start: StepId,
    pub steps: Vec<Node>,
    /// What variables hold at the start.
    pub variables: BTreeMap<String, Value>,
    pub tests: Vec<Test>,
    /// The file itself, for failing tests to point into.
    pub text: String,
}

#[derive(Debug)]
pub struct Node {
    /// `None`: written in place, or the built-in `hangup`.
    pub name: Option<String>,
    /// The name of the step it was written in, or its own.
    pub host: String,
    pub at: Span,
    pub step: Step,
    /// The variables it reads.
    pub reads: Vec<Read>,
}

/// One thing that is said.
#[derive(Debug)]
pub enum Item {
    /// In the caller's language, or always in this one.
    Prompt(String, Option<String>),
    Number(Expr),
    Digits(Expr),
}

/// The step that is always there, unless a file has its own of that name.
pub const HANGUP: &str = "hangup";

/// Longest flow in steps, those written in place included.
const MOST_STEPS: usize = 1000;

/// Compiles the text of one flow file, or tells everything that is wrong with it.
///
/// `file` is only for messages. Flows that lead to others still have to be put together by [`super::link`].
pub fn compile(file: &str, text: &str, world: &World) -> Result<Flow, Vec<Problem>> {
    let (read, bad) = yaml::read::<FlowFile>(text);
    let mut problems: Vec<Problem> = Vec::new();
    for bad in bad {
        problems.push(Problem::new(file, text, bad.at.unwrap_or(FIRST), bad.message, bad.help));
    }
    let shape_is_good = problems.is_empty();
    let Some(read) = read else { return Err(problems) };
    let mut compiler = Compiler::new(file, text, world, &read, problems);
    let graph = compiler.compile(&read);
    if shape_is_good && !compiler.is_lost {
        for (at, message, help) in check::check(&graph, &compiler.set_somewhere) {
            compiler.problem(at, message, help);
        }
    }
    let mut problems = compiler.problems;
    if problems.is_empty() {
        return Ok(Flow::alone(graph));
    }
    problems.sort_by_key(|p| (p.line, p.column));
    problems.dedup();
    Err(problems)
}

const FIRST: Span = Span { line: 1, column: 1, length: 1 };

/// What steps are compiled with.
#[derive(Debug)]
pub struct Compiler<'a> {
    file: &'a str,
    text: &'a str,
    world: &'a World,
    languages: Vec<String>,
    names: BTreeMap<String, StepId>,
    /// `None`: there is one of that name, but it is wrong.
    calendars: BTreeMap<String, Option<Arc<Calendar>>>,
    steps: Vec<Option<Node>>,
    hangup: StepId,
    problems: Vec<Problem>,
    /// Of the step being compiled.
    reads: Vec<Read>,
    host: String,
    at: Span,
    set_somewhere: BTreeSet<String>,
    /// Some way leads nowhere, so that complaints about ways would be beside the point.
    is_lost: bool,
    is_too_long: bool,
}

impl<'a> Compiler<'a> {
    fn new(file: &'a str, text: &'a str, world: &'a World, read: &FlowFile, problems: Vec<Problem>) -> Compiler<'a> {
        let languages: Vec<String> = read.languages.iter().map(|l| l.value.clone()).collect();
        let mut names = BTreeMap::new();
        for (index, (name, _)) in read.steps.0.iter().enumerate() {
            names.insert(name.value.clone(), StepId(index));
        }
        let mut steps: Vec<Option<Node>> = read.steps.0.iter().map(|_| None).collect();
        let hangup = *names.entry(HANGUP.to_string()).or_insert_with(|| {
            steps.push(None);
            StepId(steps.len() - 1)
        });
        Compiler {
            file,
            text,
            world,
            languages,
            names,
            calendars: BTreeMap::new(),
            steps,
            hangup,
            problems,
            reads: Vec::new(),
            host: String::new(),
            at: FIRST,
            set_somewhere: BTreeSet::new(),
            is_lost: false,
            is_too_long: false,
        }
    }

    fn compile(&mut self, read: &FlowFile) -> Graph {
        self.check_head(read);
        for (name, calendar) in &read.calendars.0 {
            let compiled =
                calendar.0.as_ref().and_then(|file| file.compile(|at, message, help| self.problem(at, message, help)));
            self.calendars.insert(name.value.clone(), compiled.map(Arc::new));
        }
        let mut variables = BTreeMap::new();
        for (name, value) in &read.variables.0 {
            let value = match &value.value {
                Literal::Text(text) => Value::Text(text.clone()),
                Literal::Int(i) => Value::Int(*i),
                Literal::Float(x) => Value::Float(*x),
                Literal::Bool(b) => Value::Bool(*b),
            };
            variables.insert(self.variable(name), value);
        }
        if read.steps.0.is_empty() {
            self.problem(read.start.at, "a flow needs steps".into(), None);
        }
        if let Some((name, _)) = read.steps.0.get(MOST_STEPS) {
            self.too_many_steps(name.at);
        }
        for (index, (name, step)) in read.steps.0.iter().enumerate() {
            self.host = name.value.clone();
            if let Some(step) = &step.0 {
                let node = self.node(Some(name.value.clone()), name.at, step, None);
                self.steps[index] = Some(node);
            }
        }
        let start = self.step(&read.start, read.start.at);
        let tests = read.tests.iter().filter_map(|kept| kept.0.as_ref());
        let tests = tests.map(|test| Test::compile(test, self)).collect();
        let steps = std::mem::take(&mut self.steps).into_iter().map(|node| {
            node.unwrap_or_else(|| {
                // The built-in step, or one that could not be read and was reported.
                let step = Step::Hangup(hangup::Hangup::plain());
                Node { name: None, host: HANGUP.into(), at: FIRST, step, reads: Vec::new() }
            })
        });
        Graph {
            name: read.flow.value.clone(),
            named_at: read.flow.at,
            file: self.file.to_string(),
            languages: self.languages.clone(),
            start,
            steps: steps.collect(),
            variables,
            tests,
            text: self.text.to_string(),
        }
    }

    fn check_head(&mut self, read: &FlowFile) {
        for (at, name) in std::iter::once((read.flow.at, &read.flow.value))
            .chain(read.steps.0.iter().map(|(name, _)| (name.at, &name.value)))
        {
            if !is_name(name) {
                let help = Some("letters, digits, `-` and `_`, at most 64".into());
                self.problem(at, format!("`{name}` cannot be a name"), help);
            }
        }
        if read.languages.is_empty() {
            self.problem(read.languages.at, "a flow needs a language".into(), Some("such as `languages: [en]`".into()));
        }
        for (index, language) in read.languages.iter().enumerate() {
            if read.languages[..index].iter().any(|l| l.value == language.value) {
                self.problem(language.at, format!("`{}` is named twice", **language), None);
            } else if !self.world.prompts.contains_key(&language.value) {
                let known: Vec<&str> = self.world.prompts.keys().map(String::as_str).collect();
                let help = suggest(language, known.iter().copied());
                self.problem(language.at, format!("there are no prompts in `{}`", **language), help);
            }
        }
    }

    fn node(&mut self, name: Option<String>, at: Span, step: &StepFile, after: Option<StepId>) -> Node {
        let outer_reads = std::mem::take(&mut self.reads);
        let outer_at = std::mem::replace(&mut self.at, at);
        let step = step.compile(self, after);
        self.at = outer_at;
        let reads = std::mem::replace(&mut self.reads, outer_reads);
        Node { name, host: self.host.clone(), at, step, reads }
    }

    // --- complaints ---

    pub fn problem(&mut self, at: Span, message: String, help: Option<String>) {
        self.problems.push(Problem::new(self.file, self.text, at, message, help));
    }

    /// About the step as a whole.
    pub fn problem_here(&mut self, message: String, help: Option<String>) {
        self.problem(self.at, message, help);
    }

    fn unknown<'n>(&mut self, at: Span, what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let help = suggest(name, known.iter().copied());
        self.problem(at, format!("there is no {what} `{name}`"), help);
    }

    /// Said once, where the first of those stands that are too many.
    fn too_many_steps(&mut self, at: Span) {
        if !std::mem::replace(&mut self.is_too_long, true) {
            self.problem(at, format!("a flow has at most {MOST_STEPS} steps"), None);
        }
        self.is_lost = true;
    }

    // --- ways ---

    /// The step of that name.
    pub fn step(&mut self, name: &str, at: Span) -> StepId {
        if let Some(id) = self.names.get(name) {
            return *id;
        }
        let known: Vec<String> = self.names.keys().cloned().collect();
        self.unknown(at, "step", name, known.iter().map(String::as_str));
        self.is_lost = true;
        self.hangup
    }

    /// A step by name, or written in place: then it goes on to `after` unless it says otherwise.
    pub fn way(&mut self, way: &Way, after: Option<StepId>) -> StepId {
        match &way.value {
            Next::Step(name) => self.step(name, way.at),
            Next::Inline(step) => {
                if self.steps.len() >= MOST_STEPS {
                    self.too_many_steps(way.at);
                    return self.hangup;
                }
                let id = StepId(self.steps.len());
                self.steps.push(None);
                let node = self.node(None, way.at, step, after);
                self.steps[id.0] = Some(node);
                id
            }
        }
    }

    /// The `next` that a step cannot do without.
    pub fn next(&mut self, next: &Option<Way>, after: Option<StepId>) -> StepId {
        match (next, after) {
            (Some(way), _) => self.way(way, after),
            (None, Some(after)) => after,
            (None, None) => {
                let help = "say `next: …`; `next: hangup` ends the call".to_string();
                self.problem_here("this step leads nowhere".into(), Some(help));
                self.is_lost = true;
                self.hangup
            }
        }
    }

    pub fn hangup(&self) -> StepId {
        self.hangup
    }

    // --- names ---

    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    pub fn language(&mut self, language: &str, at: Span) {
        if !self.languages.iter().any(|l| l == language) {
            let known = self.languages.clone();
            let help = suggest(language, known.iter().map(String::as_str));
            self.problem(at, format!("`{language}` is no language of this flow"), help);
        }
    }

    pub fn flow(&mut self, name: &At<String>) -> String {
        if !self.world.flows.contains(&name.value) {
            let world = self.world;
            self.unknown(name.at, "flow", name, world.flows.iter().map(String::as_str));
        }
        name.value.clone()
    }

    pub fn queue(&mut self, name: &At<String>) {
        if !self.world.queues.contains(&name.value) {
            let world = self.world;
            self.unknown(name.at, "queue", name, world.queues.iter().map(String::as_str));
        }
    }

    pub fn agent(&mut self, name: &str, at: Span) {
        if !self.world.agents.contains(name) {
            let world = self.world;
            self.unknown(at, "agent", name, world.agents.iter().map(String::as_str));
        }
    }

    pub fn team(&mut self, name: &At<String>) {
        if !self.world.teams.contains(&name.value) {
            let world = self.world;
            self.unknown(name.at, "team", name, world.teams.iter().map(String::as_str));
        }
    }

    /// Somebody who is reached by dialling: a flow, an agent (also by name), or whoever a trunk leads to.
    pub fn number(&mut self, number: &str, at: Span) {
        let world = self.world;
        let keys = number.strip_prefix('+').unwrap_or(number);
        if number.is_empty() {
            let help = Some("give a number, or an agent: `agent: name`".into());
            self.problem(at, "there is nobody to transfer to: the text is empty".into(), help);
        } else if world.agents.contains(number) || world.numbers.contains(number) {
            // Somebody has it.
        } else if keys.is_empty() || !keys.chars().all(|c| c.is_ascii_digit() || "*#".contains(c)) {
            let near = nearest(number, world.agents.iter().map(String::as_str));
            let help = match near {
                Some(agent) => format!("did you mean the agent `{agent}`?"),
                None => "digits, `*` and `#`, with a `+` in front if need be; no spaces".into(),
            };
            self.problem(at, format!("`{number}` cannot be dialled"), Some(help));
        } else if number.starts_with('+') && !is_e164(keys) {
            let help = Some("7 to 15 digits after the plus, the first of them no zero".into());
            self.problem(at, format!("`{number}` is no international number"), help);
        } else if !world.outside.iter().any(|beginning| number.starts_with(beginning.as_str())) {
            let help =
                Some("the settings say who has which number, and in `takes` of [[trunks]] what goes outside".into());
            self.problem(at, format!("nobody has the number {number}, and no trunk takes it"), help);
        }
    }

    pub fn music(&mut self, name: &At<String>) -> String {
        if !self.world.music.contains(&name.value) {
            let world = self.world;
            self.unknown(name.at, "music", name, world.music.iter().map(String::as_str));
        }
        name.value.clone()
    }

    pub fn calendar(&mut self, name: &At<String>) -> Option<Arc<Calendar>> {
        match self.calendars.get(&name.value) {
            Some(calendar) => calendar.clone(),
            None => {
                let known: Vec<String> = self.calendars.keys().cloned().collect();
                self.unknown(name.at, "calendar", name, known.iter().map(String::as_str));
                None
            }
        }
    }

    fn skill(&mut self, name: &str, at: Span) {
        if !self.world.skills.contains(name) {
            let world = self.world;
            self.unknown(at, "skill", name, world.skills.iter().map(String::as_str));
        }
    }

    /// A name that can be given to a variable.
    pub fn variable(&mut self, name: &At<String>) -> String {
        const TAKEN: [&str; 7] = ["call", "language", "next", "true", "false", "null", "in"];
        let identifier = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if TAKEN.contains(&name.as_str()) {
            self.problem(name.at, format!("`{}` has a meaning of its own here", **name), None);
        } else if !identifier {
            let help = Some("a letter or `_`, then letters, digits and `_`".into());
            self.problem(name.at, format!("`{}` cannot be the name of a variable", **name), help);
        }
        self.set_somewhere.insert(name.value.clone());
        name.value.clone()
    }

    pub fn tries(&mut self, tries: &Option<At<i64>>) -> u8 {
        match tries {
            None => 3,
            Some(tries) if (1..=10).contains(&tries.value) => tries.value as u8,
            Some(tries) => {
                self.problem(tries.at, "something is asked one to ten times".into(), None);
                1
            }
        }
    }

    // --- sound ---

    pub fn sayings(&mut self, sayings: &Sayings) -> Vec<Item> {
        let mut items = Vec::new();
        for saying in &sayings.0 {
            items.extend(self.saying(saying));
        }
        items
    }

    fn saying(&mut self, saying: &At<Saying>) -> Option<Item> {
        let special = match &saying.value {
            Saying::Prompt(name) => {
                self.prompt(name, saying.at);
                return Some(Item::Prompt(name.clone(), None));
            }
            Saying::Special(special) => special,
        };
        match (&special.prompt, &special.number, &special.digits) {
            (Some(name), None, None) => {
                let language = special.language.as_ref().map(|l| l.value.clone());
                match &language {
                    Some(language) => self.prompt_in(name, name.at, std::slice::from_ref(language)),
                    None => self.prompt(name, name.at),
                }
                Some(Item::Prompt(name.value.clone(), language))
            }
            (None, Some(number), None) => {
                self.spoken_numbers(number.at);
                self.expr(number).map(Item::Number)
            }
            (None, None, Some(digits)) => {
                self.spoken_numbers(digits.at);
                self.expr(digits).map(Item::Digits)
            }
            _ => {
                let help = Some("one of `prompt`, `number` and `digits`".into());
                self.problem(saying.at, "it is not clear what is to be said".into(), help);
                None
            }
        }
    }

    /// Complains unless the prompt is recorded in every language of the flow.
    pub fn prompt(&mut self, name: &str, at: Span) {
        let languages = self.languages.clone();
        self.prompt_in(name, at, &languages);
    }

    fn prompt_in(&mut self, name: &str, at: Span, languages: &[String]) {
        let world = self.world;
        let has = |language: &&String| world.prompts.get(*language).is_some_and(|names| names.contains(name));
        // A language of the flow in which nothing is recorded was told where it is named.
        let told = |l: &&String| self.languages.contains(l) && !world.prompts.contains_key(*l);
        let languages: Vec<&String> = languages.iter().filter(|l| !told(l)).collect();
        let missing: Vec<&str> = languages.iter().filter(|l| !has(l)).map(|l| l.as_str()).collect();
        if missing.is_empty() {
            return;
        }
        if missing.len() == languages.len() {
            // Recorded in another language it is no misspelt name, and the nearest would be itself.
            let recorded = world.prompts.values().any(|names| names.contains(name));
            let known: BTreeSet<&str> = world.prompts.values().flatten().map(String::as_str).collect();
            let help = nearest(name, known).filter(|_| !recorded).map(|near| format!("did you mean `{near}`?"));
            let help = help.or_else(|| Some(format!("expected sounds/{}/{name}.wav", missing[0])));
            self.problem(at, format!("there is no prompt `{name}` in {}", missing.join(", ")), help);
        } else {
            let help = Some(format!("expected sounds/{}/{name}.wav", missing[0]));
            self.problem(at, format!("prompt `{name}` is missing in {}", missing.join(", ")), help);
        }
    }

    /// Complains unless numbers can be spoken in every language of the flow.
    pub fn spoken_numbers(&mut self, at: Span) {
        self.spoken(at, "numbers", "number", speech::words);
    }

    pub fn spoken_waits(&mut self, at: Span) {
        self.spoken(at, "minutes", "minutes", speech::wait_words);
    }

    /// Words of a grammar that stand in this folder of each language.
    fn spoken(&mut self, at: Span, what: &str, folder: &str, words: fn(&str) -> Option<Vec<String>>) {
        for language in self.languages.clone() {
            if !self.world.prompts.contains_key(&language) {
                // That was told where the language is named.
                continue;
            }
            let Some(words) = words(&language) else {
                let help = Some(format!("{what} are spoken in {}", speech::LANGUAGES.join(", ")));
                self.problem(at, format!("there is no grammar for spoken {what} in `{language}`"), help);
                continue;
            };
            let recorded = self.world.prompts.get(&language);
            let missing = words.iter().filter(|word| !recorded.is_some_and(|r| r.contains(*word))).count();
            if missing > 0 {
                let help = Some(format!("they are sounds/{language}/{folder}/….wav"));
                self.problem(at, format!("{missing} of the {folder} words in `{language}` are not recorded"), help);
            }
        }
    }

    // --- expressions ---

    pub fn expr(&mut self, source: &At<String>) -> Option<Expr> {
        match Expr::parse(source) {
            Ok(expr) => {
                let reads = expr.reads().iter().map(|(name, start)| (name.as_str(), *start));
                self.note_reads(source, reads);
                Some(expr)
            }
            Err(errors) => self.expr_errors(source, errors),
        }
    }

    /// A text with expressions in braces.
    pub fn text(&mut self, source: &At<String>) -> Option<Text> {
        match Text::parse(source) {
            Ok(text) => {
                self.note_reads(source, text.reads());
                Some(text)
            }
            Err(errors) => self.expr_errors(source, errors),
        }
    }

    fn note_reads<'n>(&mut self, source: &At<String>, reads: impl Iterator<Item = (&'n str, usize)>) {
        for (name, start) in reads {
            let at = self.inside(&source.value, source.at, start, name.chars().count());
            self.reads.push(Read { name: name.to_string(), at });
        }
    }

    fn expr_errors<T>(&mut self, source: &At<String>, errors: Vec<ExprError>) -> Option<T> {
        for error in errors {
            let at = self.inside(&source.value, source.at, error.start, error.length);
            self.problem(at, error.message, error.help);
        }
        None
    }

    /// How many reads this step has made so far, for [`Self::forget_reads`].
    pub fn reads_so_far(&self) -> usize {
        self.reads.len()
    }

    /// Takes back those reads made since `known` that the step itself has provided for.
    pub fn forget_reads(&mut self, known: usize, provided: impl Fn(&str) -> bool) {
        let since = self.reads.split_off(known);
        self.reads.extend(since.into_iter().filter(|read| !provided(&read.name)));
    }

    /// The place of a part of a text: exact where the file holds the text as it is, else where the text begins.
    fn inside(&self, value: &str, at: Span, start: usize, length: usize) -> Span {
        let line = self.text.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or_default();
        let here = line.char_indices().nth(at.column.saturating_sub(1) as usize).map_or("", |(byte, _)| &line[byte..]);
        let quote = u32::from(here.starts_with(['"', '\'']));
        if here[quote as usize..].starts_with(value) {
            Span { line: at.line, column: at.column + quote + start as u32, length: length.max(1) as u32 }
        } else {
            at
        }
    }

    // --- tests ---

    /// Whether a test can expect this: a step of this flow, or `flow/step`.
    pub fn walked(&mut self, name: &At<String>) {
        match name.split_once('/') {
            None => {
                self.step(name, name.at);
            }
            Some((flow, _)) => {
                let flow = At { value: flow.to_string(), at: name.at };
                self.flow(&flow);
            }
        }
    }
}

/// What the switchboard dials behind a plus (E.164).
fn is_e164(digits: &str) -> bool {
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

/// What a flow or step can be called.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count()) && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::phone::{self, problems};

    #[test]
    fn everything_wrong_in_a_file_is_told_at_once() {
        let text = "flow: my flow
languages: [en, xx]
start: strat
variables: { in: 1 }
calendars:
  office: { zone: Nowhere, week: { mon-fri: 8-17 } }
steps:
  start: { play: { prompt: [a, zz], nxet: b } }
  b: { pley: { prompt: a } }
  c: { queue: { name: q, failed: d } }
  d: { hours: { calendar: office, open: c, closed: x } }
tests:
  - { name: one, keys: 12x, expect: [start, y], queue: serfed, ends: bang }
";
        let problems = compile("t.yaml", text, &phone::world()).expect_err("much is wrong");
        let messages: Vec<(u32, &str)> = problems.iter().map(|p| (p.line, p.message.as_str())).collect();
        let expected = [
            (1, "`my flow` cannot be a name"),
            (2, "there are no prompts in `xx`"),
            (3, "there is no step `strat`"),
            (4, "`in` has a meaning of its own here"),
            (6, "there is no time zone `Nowhere`"),
            (6, "`8-17` is no window of hours"),
            (8, "this step leads nowhere"),
            (8, "there is no prompt `zz` in en"),
            (8, "unknown setting `nxet`"),
            (9, "there is no `pley` here"),
            (10, "there is no queue `q`"),
            (11, "there is no step `x`"),
            (13, "`12x` cannot be pressed on a telephone"),
            (13, "there is no step `y`"),
            (13, "a queue has no outcome `serfed`"),
            (13, "a call does not end by `bang`"),
        ];
        assert_eq!(messages, expected, "{problems:#?}");
        let shown = problems[14].to_string();
        assert!(shown.contains("--> t.yaml:13:"), "{shown}");
    }

    #[test]
    fn unknown_steps_suggest_the_nearest() {
        let problems = compile("t.yaml", &phone::text("a: { plya: { prompt: a } }"), &phone::world()).expect_err("one");
        assert_eq!(
            problems[0].to_string(),
            "error: there is no `plya` here\n --> t.yaml:5:8\n  |\n5 |   a: { plya: { prompt: a } }\n  |        ^^^^\n  = help: did you mean `play`?\n"
        );
        let http = compile("t.yaml", &phone::text("a: { http: { get: a } }"), &phone::world()).expect_err("one");
        assert!(http[0].help.as_ref().is_some_and(|help| help.contains("menu")), "{http:?}");
    }

    #[test]
    fn steps_nobody_reaches_are_told() {
        let found =
            problems("a: { play: { prompt: a, next: hangup } }\nb: { play: { prompt: b, next: c } }\nc: { goto: a }");
        let messages: Vec<(u32, &str)> = found.iter().map(|(line, _, message)| (*line, message.as_str())).collect();
        assert_eq!(messages, [(2, "nothing leads to step `b`"), (3, "nothing leads to step `c`")]);
    }

    #[test]
    fn the_way_on_which_a_variable_is_not_set_is_named() {
        let steps = "a: { menu: { keys: { '1': b, '2': c }, failed: hangup } }
b: { collect: { digits: 4, into: pin, next: d, failed: e } }
c: { set: { pin: '0000', next: d } }
d: { play: { prompt: { digits: pin }, next: hangup } }
e: { play: { prompt: a, next: d } }";
        let problems = compile("t.yaml", &phone::text(steps), &phone::world()).expect_err("one way lacks it");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!((problems[0].line, problems[0].column, problems[0].length), (8, 34, 3));
        assert!(problems[0].help.as_ref().is_some_and(|help| help.contains("a → b → e → d")), "{problems:?}");
    }

    #[test]
    fn spoken_numbers_need_a_grammar() {
        let text =
            phone::text("a: { play: { prompt: { number: '7' }, next: hangup } }").replace("[en, sv]", "[en, fi]");
        let problems = compile("t.yaml", &text, &phone::world()).expect_err("no Finnish grammar");
        assert_eq!(problems[0].message, "there is no grammar for spoken numbers in `fi`");
    }

    #[test]
    fn own_hangup_replaces_the_one_that_is_always_there() {
        let mut phone = phone::Phone::call("a: { goto: hangup }\nhangup: { hangup: { code: busy } }");
        assert_eq!(phone.sees(), ":a, :hangup, reject 486");
    }

    #[test]
    fn hostile_files_are_refused_not_followed() {
        let deep = format!("flow: t\nlanguages: [en]\nstart: a\nsteps: {}{}", "{ a: ".repeat(3000), "}".repeat(3000));
        let wide = "x".repeat(2 << 20);
        for text in ["", "[]", "flow", "\0", "a: *b", "%", "- - -", "{", deep.as_str(), wide.as_str()] {
            assert!(compile("t.yaml", text, &phone::world()).is_err());
        }
        let nested = format!(
            "a: {{ menu: {{ failed: hangup, keys: {{ '1': {}hangup{} }} }} }}",
            "{ menu: { failed: hangup, keys: { '1': ".repeat(7),
            " } } }".repeat(7)
        );
        assert!(compile("t.yaml", &phone::text(&nested), &phone::world()).is_ok(), "steps in steps, within reason");
        let named = |n: usize| -> String {
            (0..n).map(|at| format!("  s{at}: {{ play: {{ prompt: a, next: s{} }} }}\n", at + 1)).collect()
        };
        let flow = |n: usize| {
            let head = "flow: t\nlanguages: [en]\nstart: s0\nsteps:\n";
            compile("t.yaml", &format!("{head}{}  s{n}: {{ hangup: {{}} }}\n", named(n)), &phone::world())
        };
        assert_eq!(flow(MOST_STEPS - 1).err(), None);
        let Err(problems) = flow(MOST_STEPS) else { panic!("one too many") };
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().contains("at most 1000 steps"), "{}", problems[0]);
    }
}

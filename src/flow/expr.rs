//! Expressions (CEL) and texts with expressions in `{{ braces }}`, compiled once, evaluated in bounded time.
//!
//! There are no loops in the language we let in: the comprehension macros are not installed, so an evaluation visits
//! each node of the expression at most once. Nothing undefined is ever taken for an empty text.

use super::problem::suggest;
use super::run::Facts;
use super::yaml::Span;
use cel::common::ast::{Expr as Ast, IdedExpr};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, Program};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Longest source of one expression, and longest text a variable can hold, in bytes.
pub const LONGEST: usize = 1000;

/// What is known of the call: `call.from` and so on.
pub const FACTS: [&str; 6] = ["from", "to", "name", "trunk", "diverted_from", "user_to_user"];

/// Everything that can be called. Operators have names too, but those begin with `_`, `@`, `!` or `-`.
const FUNCTIONS: [&str; 8] = ["contains", "double", "endsWith", "int", "matches", "size", "startsWith", "string"];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));

/// What a variable can hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

/// What expressions can see.
#[derive(Clone, Debug)]
pub struct Scope {
    pub facts: Facts,
    pub language: String,
    pub variables: BTreeMap<String, Value>,
}

/// A variable that an expression reads, and where it says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub name: String,
    pub at: Span,
}

/// What is wrong with an expression. Places count in characters from the start of its source.
#[derive(Clone, Debug, PartialEq)]
pub struct ExprError {
    pub start: usize,
    pub length: usize,
    pub message: String,
    pub help: Option<String>,
}

pub struct Expr {
    source: String,
    program: Program,
    reads: Vec<(String, usize)>,
}

/// A text with expressions in it.
#[derive(Debug)]
pub struct Text {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Plain(String),
    /// The expression and where it begins, in characters from the start of the text.
    Expr(Expr, usize),
}

impl Expr {
    pub fn parse(source: &str) -> Result<Expr, Vec<ExprError>> {
        let whole = source.chars().count();
        let error = |start, length, message: String, help| vec![ExprError { start, length, message, help }];
        if source.trim().is_empty() {
            return Err(error(0, 1, "an expression is missing here".into(), None));
        }
        if source.len() > LONGEST {
            return Err(error(0, whole, format!("an expression is at most {LONGEST} bytes long"), None));
        }
        let program = ENV.compile(source).map_err(|errors| {
            let mut all: Vec<ExprError> = errors.errors.iter().map(|e| ExprError::of_parser(e, source)).collect();
            // One slip makes the parser stumble several times; the first is the one to mend.
            all.truncate(1);
            all
        })?;
        let mut walk = Walk { program: &program, source, reads: Vec::new(), errors: Vec::new() };
        walk.visit(program.expression());
        let Walk { reads, errors, .. } = walk;
        if errors.is_empty() { Ok(Expr { source: source.to_string(), program, reads }) } else { Err(errors) }
    }

    /// The variables it reads, with the character of the source where each is named.
    pub fn reads(&self) -> &[(String, usize)] {
        &self.reads
    }

    /// The error says in one line what went wrong, for the log.
    pub fn value(&self, scope: &Scope) -> Result<Value, String> {
        let mut context = Context::with_env(ENV.clone());
        context.set_variable_resolver(scope);
        let value = self.program.execute(&context).map_err(|e| format!("`{}`: {e}", self.source))?;
        match value {
            cel::Value::String(text) if text.len() <= LONGEST => Ok(Value::Text(text.to_string())),
            cel::Value::String(_) => Err(format!("`{}` gives a text longer than {LONGEST} bytes", self.source)),
            cel::Value::Int(i) => Ok(Value::Int(i)),
            cel::Value::UInt(u) => Ok(i64::try_from(u).map_or(Value::Float(u as f64), Value::Int)),
            cel::Value::Float(x) => Ok(Value::Float(x)),
            cel::Value::Bool(b) => Ok(Value::Bool(b)),
            other => Err(format!("`{}` gives {:?}, which is neither text, number nor true/false", self.source, other)),
        }
    }

    /// Whether it holds; an error if it is neither true nor false.
    pub fn holds(&self, scope: &Scope) -> Result<bool, String> {
        match self.value(scope)? {
            Value::Bool(b) => Ok(b),
            other => Err(format!("`{}` gives {other}, neither true nor false", self.source)),
        }
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl ExprError {
    fn of_parser(error: &cel::ParseError, source: &str) -> ExprError {
        let (line, column) = error.pos;
        let before: usize =
            source.split_inclusive('\n').take((line - 1).max(0) as usize).map(|l| l.chars().count()).sum();
        let last = source.chars().count().saturating_sub(1);
        let start = (before + (column - 1).max(0) as usize).min(last);
        // The parser goes on to list every token it knows.
        let why = error.msg.trim_start_matches("Syntax error: ").split(" expecting ").next().unwrap_or_default();
        let why = why.replace(" '<EOF>'", ": the end").replace('\n', " ");
        let message = format!("this is no expression: {why}");
        ExprError { start, length: 1, message, help: None }
    }
}

/// Goes through a parsed expression once: collects what it reads, and what we do not let in.
struct Walk<'a> {
    program: &'a Program,
    source: &'a str,
    reads: Vec<(String, usize)>,
    errors: Vec<ExprError>,
}

impl Walk<'_> {
    fn start(&self, node: &IdedExpr) -> usize {
        let bytes = self.program.source_info().offset_for(node.id).map_or(0, |(start, _)| start as usize);
        self.source.char_indices().take_while(|(at, _)| *at < bytes).count()
    }

    fn error(&mut self, node: &IdedExpr, length: usize, message: String, help: Option<String>) {
        let start = self.start(node);
        self.errors.push(ExprError { start, length: length.max(1), message, help });
    }

    fn visit(&mut self, node: &IdedExpr) {
        match &node.expr {
            Ast::Literal(_) | Ast::Unspecified => {}
            Ast::Ident(name) if name == "call" => {
                self.error(node, 4, "`call` alone has no value".into(), suggest("", FACTS));
            }
            Ast::Ident(name) => self.reads.push((name.clone(), self.start(node))),
            Ast::Select(select) => match &select.operand.expr {
                Ast::Ident(root) if root == "call" => {
                    if !FACTS.contains(&select.field.as_str()) {
                        let message = format!("a call has no `{}`", select.field);
                        self.error(&select.operand, 5 + select.field.len(), message, suggest(&select.field, FACTS));
                    }
                }
                _ => {
                    self.visit(&select.operand);
                    self.error(node, 1, format!("nothing here has a part `{}`", select.field), None);
                }
            },
            Ast::Call(call) => {
                let operator = call.func_name.starts_with(['_', '@', '!', '-']);
                if !operator && !FUNCTIONS.contains(&call.func_name.as_str()) {
                    let message = format!("there is no function `{}`", call.func_name);
                    self.error(node, 1, message, suggest(&call.func_name, FUNCTIONS));
                }
                for part in call.target.as_deref().into_iter().chain(&call.args) {
                    self.visit(part);
                }
            }
            Ast::List(list) => list.elements.iter().for_each(|element| self.visit(element)),
            Ast::Map(_) | Ast::Struct(_) | Ast::Comprehension(_) => {
                self.error(node, 1, "maps and loops are not understood here".into(), None);
            }
        }
    }
}

impl VariableResolver for Scope {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let value = match name {
            "language" => cel::Value::from(self.language.as_str()),
            "call" => {
                let facts = &self.facts;
                let map = [
                    ("from", facts.from.as_str()),
                    ("to", facts.to.as_str()),
                    ("name", facts.name.as_str()),
                    ("trunk", facts.trunk.as_str()),
                    ("diverted_from", facts.diverted_from.as_str()),
                    ("user_to_user", facts.user_to_user.as_str()),
                ];
                cel::Value::from(std::collections::HashMap::from(map.map(|(k, v)| (k, v.to_string()))))
            }
            _ => match self.variables.get(name)? {
                Value::Text(text) => cel::Value::from(text.as_str()),
                Value::Int(i) => cel::Value::Int(*i),
                Value::Float(x) => cel::Value::Float(*x),
                Value::Bool(b) => cel::Value::Bool(*b),
            },
        };
        value.try_into().ok().map(CowVal::Owned)
    }
}

impl Text {
    pub fn parse(source: &str) -> Result<Text, Vec<ExprError>> {
        let mut pieces = Vec::new();
        let mut errors = Vec::new();
        let mut rest = source;
        let mut before = 0; // characters
        while let Some(open) = rest.find("{{") {
            if open > 0 {
                pieces.push(Piece::Plain(rest[..open].to_string()));
            }
            before += rest[..open].chars().count();
            let inner = &rest[open + 2..];
            let Some(close) = inner.find("}}") else {
                errors.push(ExprError {
                    start: before,
                    length: 2,
                    message: "`{{` without its `}}`".into(),
                    help: None,
                });
                rest = "";
                break;
            };
            let inside = &inner[..close];
            let trimmed = inside.trim_start();
            let start = before + 2 + inside[..inside.len() - trimmed.len()].chars().count();
            match Expr::parse(trimmed.trim_end()) {
                Ok(expr) => pieces.push(Piece::Expr(expr, start)),
                Err(inner) => errors.extend(inner.into_iter().map(|e| ExprError { start: e.start + start, ..e })),
            }
            before += 4 + inside.chars().count();
            rest = &inner[close + 2..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Plain(rest.to_string()));
        }
        if errors.is_empty() { Ok(Text { pieces }) } else { Err(errors) }
    }

    /// The text itself, if nothing in it has to be evaluated.
    pub fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// The variables it reads, with the character of the text where each is named.
    pub fn reads(&self) -> impl Iterator<Item = (&str, usize)> {
        self.pieces.iter().flat_map(|piece| {
            let (reads, start) = match piece {
                Piece::Plain(_) => (&[][..], 0),
                Piece::Expr(expr, start) => (expr.reads(), *start),
            };
            reads.iter().map(move |(name, at)| (name.as_str(), at + start))
        })
    }

    /// A text that is one expression and nothing else keeps that expression's kind; any other gives text.
    pub fn value(&self, scope: &Scope) -> Result<Value, String> {
        match self.pieces.as_slice() {
            [Piece::Expr(expr, _)] => expr.value(scope),
            _ => self.text(scope).map(Value::Text),
        }
    }

    pub fn text(&self, scope: &Scope) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Plain(plain) => text.push_str(plain),
                Piece::Expr(expr, _) => text.push_str(&expr.value(scope)?.to_string()),
            }
        }
        if text.len() > LONGEST { Err(format!("a text is longer than {LONGEST} bytes")) } else { Ok(text) }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(x) => write!(f, "{x}"),
            Value::Bool(b) => write!(f, "{b}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            facts: Facts { from: "+46701234567".into(), to: "100".into(), ..Facts::default() },
            language: "sv".into(),
            variables: [("account", Value::Text("4711".into())), ("tries", Value::Int(2)), ("vip", Value::Bool(true))]
                .map(|(k, v)| (k.to_string(), v))
                .into(),
        }
    }

    fn value(source: &str) -> Result<Value, String> {
        Expr::parse(source).expect("parses").value(&scope())
    }

    #[test]
    fn expressions_see_the_call_the_language_and_variables() {
        assert_eq!(value("call.from.startsWith(\"+46\") && vip"), Ok(Value::Bool(true)));
        assert_eq!(value("account + \"-\" + language"), Ok(Value::Text("4711-sv".into())));
        assert_eq!(value("tries * 10 + 1"), Ok(Value::Int(21)));
        assert_eq!(value("language in [\"sv\", \"nb\"]"), Ok(Value::Bool(true)));
        assert_eq!(value("vip ? 1 : 2"), Ok(Value::Int(1)));
        assert_eq!(value("account.matches(\"^47\")"), Ok(Value::Bool(true)));
    }

    #[test]
    fn undefined_and_mismatched_are_errors_not_values() {
        assert!(value("nothing == \"\"").is_err());
        assert!(value("account > 3").is_err());
        assert!(value("[1, 2]").is_err());
        assert!(Expr::parse("account").expect("parses").holds(&scope()).is_err());
        assert!(value("tries / 0").is_err());
    }

    #[test]
    fn reads_are_told_with_their_place() {
        let expr = Expr::parse("call.to == \"å\" && account == other").expect("parses");
        assert_eq!(expr.reads(), [("account".to_string(), 18), ("other".to_string(), 29)]);
    }

    #[test]
    fn what_is_not_let_in_is_told_with_its_place() {
        let errors = |source: &str| Expr::parse(source).expect_err(source);
        assert_eq!(errors("vip && call.form == \"1\"")[0].start, 7);
        assert_eq!(errors("call.form")[0].help.as_deref(), Some("did you mean `from`?"));
        assert!(errors("[1].all(x, x > 0)")[0].message.contains("no function `all`"));
        assert!(errors("a ==")[0].message.contains("no expression"));
        assert_eq!(errors("vip && )")[0].start, 7);
        assert_eq!(errors("\"å\" && )")[0].start, 7);
        assert!(errors("{1: 2}")[0].message.contains("maps"));
        assert!(errors(&"1+".repeat(600))[0].message.contains("at most"));
        assert_eq!(errors("  ").len(), 1);
    }

    #[test]
    fn texts_keep_the_kind_of_a_lone_expression() {
        let text = |source: &str| Text::parse(source).expect("parses").value(&scope());
        assert_eq!(text("{{ tries + 1 }}"), Ok(Value::Int(3)));
        assert_eq!(text("no {{ account }}, try {{tries}}"), Ok(Value::Text("no 4711, try 2".into())));
        assert_eq!(text("plain"), Ok(Value::Text("plain".into())));
        assert_eq!(Text::parse("plain").expect("parses").literal(), Some("plain"));
        assert!(text("{{ missing }}").is_err());
    }

    #[test]
    fn texts_know_where_their_parts_are() {
        let text = Text::parse("å {{  account }} {{b}}").expect("parses");
        assert_eq!(text.reads().collect::<Vec<_>>(), [("account", 6), ("b", 19)]);
        assert_eq!(Text::parse("å {{ b").expect_err("open")[0].start, 2);
        assert_eq!(Text::parse("å {{ b + }}").expect_err("bad")[0].start, 7);
    }

    #[test]
    fn texts_do_not_grow_without_bound() {
        let mut scope = scope();
        scope.variables.insert("x".into(), Value::Text("y".repeat(600)));
        assert!(Expr::parse("x + x").expect("parses").value(&scope).is_err());
        assert!(Text::parse("{{ x }}{{ x }}").expect("parses").text(&scope).is_err());
    }

    #[test]
    fn programs_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Expr>();
        shared::<Text>();
    }
}

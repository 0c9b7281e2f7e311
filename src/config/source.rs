//! The layers: built-in defaults, a file, the environment; and which of them a setting came from.

use super::environment::{self, Known};
use super::problem::{Place, Problem};
use config::{Config, Environment, File, FileFormat, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml_edit::{Document, Item};

/// One step from the top of the settings to a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Where in the settings a value stands: `agents[0].skills.sales`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub Vec<Step>);

impl At {
    pub fn key(&self, name: &str) -> At {
        At(self.0.iter().cloned().chain([Step::Key(name.to_owned())]).collect())
    }

    pub fn index(&self, index: usize) -> At {
        At(self.0.iter().cloned().chain([Step::Index(index)]).collect())
    }

    /// Its names with dots between them; `None` inside a list.
    pub fn path(&self) -> Option<String> {
        let name = |step: &Step| match step {
            Step::Key(name) => Some(name.clone()),
            Step::Index(_) => None,
        };
        self.0.iter().map(name).collect::<Option<Vec<String>>>().map(|names| names.join("."))
    }
}

/// The text of a settings file and the path it was read from.
pub(super) struct Sources {
    file: Option<(PathBuf, Document<String>)>,
    /// Dotted setting → the variable that sets it and its text.
    variables: BTreeMap<String, (String, String)>,
    /// Variables that are not ours as they are written, and would be if they were written a little otherwise.
    alike: Vec<String>,
}

impl Sources {
    /// Reads the file's syntax and picks the variables that are ours.
    pub fn new(
        file: Option<(&Path, String)>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Sources, Vec<Problem>> {
        let file = match file {
            Some((path, text)) => Some((path.to_owned(), parse(path, text).map_err(|problem| vec![*problem])?)),
            None => None,
        };
        let (mut variables, mut alike) = (BTreeMap::new(), Vec::new());
        for (name, text) in environment {
            if let Some(path) = environment::path(&name) {
                variables.insert(path, (name, text));
            } else if environment::is_alike(&name) {
                alike.push(name);
            }
        }
        Ok(Sources { file, variables, alike })
    }

    /// Takes the variables out that give no setting, and says what is wrong with them; and which were meant to give one.
    pub fn drop_strangers(&mut self, known: &Known) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.alike.iter().filter_map(|name| environment::meant(known, name)).collect();
        self.variables.retain(|path, (name, text)| {
            let problem = environment::stranger(known, path, name, text);
            let stays = problem.is_none();
            problems.extend(problem);
            stays
        });
        problems
    }

    /// All layers as one tree: `defaults` below, then the file, then the environment. `lists` names the settings that are
    /// lists of tables; a variable gives one as TOML: `VAXEL_NUMBERS='[{ number = "100", flow = "main" }]'`.
    pub fn layered(&self, defaults: &[&str], lists: &[&str]) -> Result<Value, Vec<Problem>> {
        let mut builder = Config::builder();
        for text in defaults {
            builder = builder.add_source(File::from_str(text, FileFormat::Toml));
        }
        if let Some((_, document)) = &self.file {
            builder = builder.add_source(File::from_str(document.raw(), FileFormat::Toml));
        }
        for (path, (name, _)) in &self.variables {
            let inside = |other: &str| other.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'));
            if let Some((_, (part, _))) = self.variables.iter().find(|(other, _)| inside(other)) {
                let problem = Problem::error(Place::Variable(name.clone()), format!("{part} sets a part of the same"));
                return Err(vec![problem.help(format!("take {name} away"))]);
            }
        }
        let mut plain = config::Map::new();
        for (path, (name, text)) in &self.variables {
            if lists.contains(&path.as_str()) {
                let toml = format!("{path} = {text}");
                parse(Path::new(name), toml.clone()).map_err(|problem| {
                    let message = format!("this is no TOML list: {}", problem.message);
                    let help = format!("write it as {name}='[{{ … }}, {{ … }}]'");
                    vec![Problem::error(Place::Variable(name.clone()), message).help(help)]
                })?;
                builder = builder.add_source(File::from_str(&toml, FileFormat::Toml));
            } else {
                plain.insert(name.clone(), text.clone());
            }
        }
        // `try_parsing` stays off: it would turn the number "0123" into 123.
        let environment = Environment::with_prefix("VAXEL").prefix_separator("_").separator("__").source(Some(plain));
        let layered = builder.add_source(environment).build();
        layered.map(|config| config.cache).map_err(|e| vec![Problem::error(self.whole(), e.to_string())])
    }

    /// The variable that sets `at` or something it is part of.
    pub fn variable(&self, at: &At) -> Option<&str> {
        let mut path = String::new();
        at.0.iter().find_map(|step| {
            let Step::Key(name) = step else { return None };
            if !path.is_empty() {
                path.push('.');
            }
            path += name;
            self.variables.get(&path).map(|(variable, _)| variable.as_str())
        })
    }

    /// Where the value of `at` was written; if it is not there, the nearest thing round it that is.
    pub fn value(&self, at: &At) -> Place {
        self.locate(at, |key, value| value.or(key))
    }

    /// Where the name of `at` was written.
    pub fn name(&self, at: &At) -> Place {
        self.locate(at, |key, value| key.or(value))
    }

    /// Whether `at` was set by the file or a variable, and not only by the defaults.
    pub fn is_written(&self, at: &At) -> bool {
        let in_file = self.file.as_ref().is_some_and(|(_, document)| walk(document.as_item(), at).is_some());
        in_file || self.variable(at).is_some()
    }

    /// The folder that relative paths written in the file start from; `None`: `at` was not set by the file.
    pub fn folder(&self, at: &At) -> Option<&Path> {
        if self.variable(at).is_some() {
            return None;
        }
        let (path, document) = self.file.as_ref()?;
        walk(document.as_item(), at)?;
        path.parent()
    }

    fn locate(
        &self,
        at: &At,
        pick: impl Fn(Option<Range<usize>>, Option<Range<usize>>) -> Option<Range<usize>>,
    ) -> Place {
        if let Some(name) = self.variable(at) {
            return Place::Variable(name.to_owned());
        }
        let Some((path, document)) = &self.file else { return Place::Settings };
        for length in (1..=at.0.len()).rev() {
            let span = walk(document.as_item(), &At(at.0[..length].to_vec())).and_then(|(key, value)| pick(key, value));
            if let Some(span) = span {
                return masked(Place::in_text(path, document.raw(), span));
            }
        }
        self.whole()
    }

    fn whole(&self) -> Place {
        self.file.as_ref().map_or(Place::Settings, |(path, _)| Place::File(path.clone()))
    }
}

/// Problems are printed into logs: what stands between quotes after `password =` is not shown with them.
fn masked(mut place: Place) -> Place {
    if let Place::Line { text, .. } = &mut place {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find("password").map(|at| at + "password".len()) {
            masked += &rest[..at];
            rest = &rest[at..];
            let value = rest.trim_start_matches(['"', '\'']).trim_start();
            let Some(value) = value.strip_prefix('=').map(str::trim_start) else { continue };
            let Some(quote) = value.chars().next().filter(|c| ['"', '\''].contains(c)) else { continue };
            masked += &rest[..rest.len() - value.len() + 1];
            let secret = &value[1..];
            let end = secret.find(quote).unwrap_or(secret.len());
            masked.extend(secret[..end].chars().map(|_| '*'));
            rest = &secret[end..];
        }
        masked += rest;
        *text = masked;
    }
    place
}

fn parse(path: &Path, text: String) -> Result<Document<String>, Box<Problem>> {
    Document::parse(text.clone()).map_err(|e| {
        let place = masked(Place::in_text(path, &text, e.span().unwrap_or(0..0)));
        let message = e.message().lines().collect::<Vec<_>>().join("; ");
        let help = match message.as_str() {
            "duplicate key" => "each setting and each [section] is written once: keep one of the two",
            _ => "expected `name = value`, one a line, below the [section] that it belongs to; texts stand in quotes",
        };
        Box::new(Problem::error(place, message).help(help))
    })
}

/// The spans of the name and of the value of `at`, if it is there.
#[expect(clippy::type_complexity, reason = "two optional spans, named by the only callers")]
fn walk(root: &Item, at: &At) -> Option<(Option<Range<usize>>, Option<Range<usize>>)> {
    enum Node<'a> {
        Item(&'a Item),
        Table(&'a toml_edit::Table),
        Value(&'a toml_edit::Value),
    }
    let mut node = Node::Item(root);
    let mut key = None;
    for step in &at.0 {
        node = match step {
            Step::Key(name) => {
                let (name, item) = match node {
                    Node::Item(item) => item.as_table_like()?.get_key_value(name)?,
                    Node::Table(table) => table.get_key_value(name)?,
                    Node::Value(value) => value.as_inline_table()?.get_key_value(name)?,
                };
                key = name.span();
                Node::Item(item)
            }
            Step::Index(index) => {
                key = None;
                match node {
                    Node::Item(Item::ArrayOfTables(tables)) => Node::Table(tables.get(*index)?),
                    Node::Item(Item::Value(value)) | Node::Value(value) => Node::Value(value.as_array()?.get(*index)?),
                    Node::Item(_) | Node::Table(_) => return None,
                }
            }
        };
    }
    let value = match node {
        Node::Item(item) => item.span(),
        Node::Table(table) => table.span(),
        Node::Value(value) => value.span(),
    };
    Some((key, value))
}

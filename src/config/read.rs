//! Reads the layered tree into typed settings and notes everything that is wrong with it, not only the first thing.
//!
//! Serde would stop at the first error and could not say where it stands; here each setting is asked for by name, so what
//! was never asked for is unknown.

use super::environment::Known;
use super::problem::{Place, Problem, nearest};
use super::source::{At, Sources};
use crate::engine::settings::Network;
use crate::need::Need;
use crate::sim::forecast::Lengths;
use crate::sip::digest::Algorithm;
use crate::time::{Duration, parse_duration, show_duration};
use config::{Value, ValueKind};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

/// The problems found so far, and where to look for their places.
pub(super) struct Reader<'a> {
    pub sources: &'a Sources,
    pub problems: RefCell<Vec<Problem>>,
    /// Every setting that was asked for outside lists.
    pub known: RefCell<Known>,
}

impl<'a> Reader<'a> {
    pub fn new(sources: &'a Sources) -> Reader<'a> {
        Reader { sources, problems: RefCell::default(), known: RefCell::default() }
    }

    pub fn note(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }
}

/// A kind of value that a setting can have.
pub(super) trait Setting: Sized {
    /// What belongs there, with an example: completes "expected …".
    const EXPECTED: &'static str;
    /// Whether a TOML file writes it in quotes.
    const QUOTED: bool = true;
    /// From a quoted text or an environment variable. The error says more than `EXPECTED` does, or nothing.
    fn from_text(text: &str) -> Result<Self, String>;
    /// From what a TOML file writes without quotes.
    fn from_bare(_: &ValueKind) -> Option<Self> {
        None
    }
    /// As an operator would write it.
    fn shown(&self) -> String {
        String::new()
    }
}

macro_rules! quoted {
    ($($type:ty: $expected:expr),* $(,)?) => {$(
        impl Setting for $type {
            const EXPECTED: &'static str = $expected;
            fn from_text(text: &str) -> Result<Self, String> {
                <$type>::from_str(text)
            }
        }
    )*};
}

quoted! {
    super::Listen: r#"transport, address and port such as "udp:192.0.2.1:5060""#,
    super::ClientCertificate: r#""required" or "optional""#,
    super::Every: r#""15m", "30m" or "1h""#,
    super::To: r#"a place such as "udp:192.0.2.1:5060" or a name such as "sip:carrier.example""#,
    super::values::DnsServer: r#"an address such as "192.0.2.53" or "127.0.0.1:5353""#,
    super::values::Hop: r#"one of `listen` in [sip], such as "udp:192.0.2.1:5060""#,
    super::values::CertificateName: r#"a name such as "sbc.carrier.example""#,
    Network: r#"an address or network such as "203.0.113.0/24""#,
    crate::media::Ringback: r#"tones in hertz and seconds of tone and silence, such as "425 1/4" or "440+480 2/4""#,
    super::Ports: r#"a range of ports such as "20000-29999""#,
    super::values::Limit: r#"a length of time such as "5m", or "none""#,
    super::values::Moment: r#"a moment such as "2027-01-01T00:00+01:00", or a day such as "2027-01-01" (from midnight UTC)"#,
    super::values::Name: "a name of up to 64 letters a-z, digits, `-`, `_` and `.`",
    super::values::Dialled: r#"a number as dialled, such as "100" or "+46701234567""#,
    super::numbers::Prefix: r#"up to 8 digits such as "00", or "none""#,
    super::numbers::CountryCode: r#"up to 3 digits such as "46", or "none""#,
    crate::engine::numbering::Bare: r#""unchanged", "national" or "international""#,
    crate::engine::redirects::Redirects: r#""none", "inside" or "outside""#,
    crate::engine::identity::Passed: r#""diversion", "history-info" or "user-to-user""#,
    crate::engine::numbering::Form: r#""e164", "digits", "international" or "national""#,
    crate::engine::directory::Pattern: r#"what is dialled, such as "100", "+46812345XX", "+4681234500-49" or "+46812345...""#,
    crate::sim::forecast::TimeOfDay: r#"a time of day such as "08:30""#,
    crate::sim::forecast::Lengths: Lengths::EXAMPLES,
    crate::sim::forecast::Arrivals: r#""poisson" or "even""#,
    crate::sim::forecast::AtClosing: r#""serve" or "send away""#,
    super::Domain: r#"the name of a carrier such as "sip.example.com""#,
    super::values::Beginning: r#"the beginning of a number, such as "00" or "+46"; "+" is every international one"#,
}

impl Setting for String {
    const EXPECTED: &'static str = "a text in quotes";
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".into()) } else { Ok(text.to_owned()) }
    }
}

impl Setting for Algorithm {
    const EXPECTED: &'static str = r#""SHA-256" or "MD5""#;
    fn from_text(text: &str) -> Result<Self, String> {
        [Algorithm::Sha256, Algorithm::Md5]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(String::new)
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = r#"an address and port such as "127.0.0.1:8080""#;
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| String::new())
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = r#"a length of time such as "20s", "5m" or "1h30m""#;
    fn from_text(text: &str) -> Result<Self, String> {
        parse_duration(text).ok_or_else(String::new)
    }
    fn shown(&self) -> String {
        show_duration(*self)
    }
}

impl Setting for jiff::civil::Date {
    const EXPECTED: &'static str = r#"a date such as "2026-11-23""#;
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| String::new())
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";
    const QUOTED: bool = false;
    fn from_text(text: &str) -> Result<Self, String> {
        text.to_ascii_lowercase().parse().map_err(|_| String::new())
    }
    fn from_bare(value: &ValueKind) -> Option<Self> {
        if let ValueKind::Boolean(value) = value { Some(*value) } else { None }
    }
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            const EXPECTED: &'static str = "a whole number";
            const QUOTED: bool = false;
            fn from_text(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| String::new())
            }
            fn from_bare(value: &ValueKind) -> Option<Self> {
                if let ValueKind::I64(value) = value { <$type>::try_from(*value).ok() } else { None }
            }
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole!(u8, u16, u32, i32, usize);

impl Setting for f64 {
    const EXPECTED: &'static str = "a number";
    const QUOTED: bool = false;
    fn from_text(text: &str) -> Result<Self, String> {
        text.trim().parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(String::new)
    }
    fn from_bare(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::Float(value) => Some(*value).filter(|value| value.is_finite()),
            ValueKind::I64(value) => Some(*value as f64),
            _ => None,
        }
    }
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// One table of settings.
pub(super) struct Table<'a> {
    pub reader: &'a Reader<'a>,
    pub at: At,
    values: BTreeMap<&'a str, &'a Value>,
    /// It is no table at all: what is missing in it need not be said.
    broken: bool,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    /// `value` as a table; noted and empty if it is something else.
    pub fn new(reader: &'a Reader<'a>, at: At, value: Option<&'a Value>) -> Table<'a> {
        let mut broken = false;
        let values = match value.map(|value| &value.kind) {
            Some(ValueKind::Table(table)) => table.iter().map(|(key, value)| (key.as_str(), value)).collect(),
            None => BTreeMap::new(),
            Some(other) => {
                let place = reader.sources.value(&at);
                let problem = Problem::error(place, format!("expected a table of settings, found {}", kind(other)));
                reader.note(match reader.sources.variable(&at) {
                    Some(name) => problem.help(format!("set one of its settings: {name}__SETTING")),
                    None => problem,
                });
                broken = true;
                BTreeMap::new()
            }
        };
        Table { reader, at, values, broken, asked: RefCell::default() }
    }

    fn ask(&self, key: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().push(key);
        self.values.get(key).copied().filter(|value| !matches!(value.kind, ValueKind::Nil))
    }

    /// A setting that must be there; its default stands in for one that is missing or wrong, once that is noted.
    pub fn get<T: Setting + Default>(&self, key: &'static str) -> T {
        if !self.values.contains_key(key) && !self.broken {
            let place = self.reader.sources.name(&self.at);
            self.reader
                .note(Problem::error(place, format!("`{key}` is missing")).help(format!("expected {}", T::EXPECTED)));
        }
        self.optional(key).unwrap_or_default()
    }

    /// A setting that may be absent. `None` also stands for a wrong one, which is noted.
    pub fn optional<T: Setting>(&self, key: &'static str) -> Option<T> {
        let value = self.ask(key)?;
        self.read(&self.at.key(key), key, value, T::EXPECTED)
    }

    /// As [`Table::optional`], and between these bounds.
    pub fn within<T: Setting + PartialOrd>(&self, key: &'static str, range: RangeInclusive<T>) -> Option<T> {
        let (low, high) = (range.start().shown(), range.end().shown());
        let expected = format!("{}, from {low} to {high}", T::EXPECTED);
        let value: T = self.read(&self.at.key(key), key, self.ask(key)?, &expected)?;
        if !range.contains(&value) {
            let message = format!("`{key}` is {}", value.shown());
            self.wrong(key, message, format!("it must be from {low} to {high}"));
            return None;
        }
        Some(value)
    }

    /// A list of settings of one kind. In a variable: separated by commas.
    pub fn list<T: Setting>(&self, key: &'static str) -> Vec<T> {
        let at = self.at.key(key);
        match self.ask(key).map(|value| &value.kind) {
            None => Vec::new(),
            Some(ValueKind::Array(values)) => values
                .iter()
                .enumerate()
                .filter_map(|(i, value)| self.read(&at.index(i), key, value, T::EXPECTED))
                .collect(),
            Some(ValueKind::String(text)) if self.reader.sources.variable(&at).is_some() => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.filter_map(|item| self.check(&at, key, T::from_text(item), T::EXPECTED)).collect()
            }
            Some(other) => {
                let message = format!("`{key}` must be a list, found {}", kind(other));
                self.wrong(key, message, format!("each item is {}", T::EXPECTED));
                Vec::new()
            }
        }
    }

    /// Whether `key` is written as a list of nothing.
    pub fn is_empty_list(&self, key: &str) -> bool {
        let by_variable = || self.reader.sources.variable(&self.at.key(key)).is_some();
        self.values.get(key).is_some_and(|value| match &value.kind {
            ValueKind::Array(values) => values.is_empty(),
            ValueKind::String(text) => by_variable() && text.split(',').all(|item| item.trim().is_empty()),
            _ => false,
        })
    }

    /// Whether `key` is written as a list.
    pub fn is_list(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|value| matches!(value.kind, ValueKind::Array(_)))
    }

    /// Names with a number each, such as `{ sales = 8, lang_sv = 10 }`.
    pub fn levels(&self, key: &'static str, range: RangeInclusive<u8>) -> BTreeMap<String, u8> {
        let bare = |(name, (level, table)): (String, (u8, Option<Table>))| {
            if let Some(table) = table {
                table.note(format!("the level of `{name}` is a table"), level_help(&range));
            }
            (name, level)
        };
        self.levels_with(key, range.clone()).into_iter().map(bare).collect()
    }

    /// The same, where instead of the number there may be a table with `level` and more, such as
    /// `{ lang_sv = { level = 10, to = "2027-01-01" } }`.
    pub fn levels_with(
        &self,
        key: &'static str,
        range: RangeInclusive<u8>,
    ) -> BTreeMap<String, (u8, Option<Table<'a>>)> {
        let at = self.at.key(key);
        let Some(value) = self.ask(key) else { return BTreeMap::new() };
        let ValueKind::Table(values) = &value.kind else {
            let message = format!("`{key}` must be a table, found {}", kind(&value.kind));
            self.wrong(key, message, "write it as { sales = 8, lang_sv = 10 }".into());
            return BTreeMap::new();
        };
        let mut levels = BTreeMap::new();
        for (name, value) in values {
            let at = at.key(name);
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
                let problem = Problem::error(self.reader.sources.name(&at), format!("`{name}` cannot name a skill"));
                self.reader.note(problem.help("use letters a-z, digits and `_`, and begin with a letter"));
            }
            if let ValueKind::Table(_) = value.kind {
                let table = Table::new(self.reader, at, Some(value));
                if let Some(level) = table.within("level", range.clone()) {
                    levels.insert(name.clone(), (level, Some(table)));
                } else if !table.has("level") {
                    table.note(format!("`{name}` has no level"), level_help(&range));
                }
                continue;
            }
            match u8::from_bare(&value.kind).filter(|level| range.contains(level)) {
                Some(level) => _ = levels.insert(name.clone(), (level, None)),
                None => {
                    let message = format!("the level of `{name}` is {}", kind(&value.kind));
                    let problem = Problem::error(self.reader.sources.value(&at), message);
                    self.reader.note(problem.help(level_help(&range)));
                }
            }
        }
        levels
    }

    /// A need as an expression, or as skills with their lowest levels.
    pub fn need(&self, key: &'static str) -> Option<Need> {
        let ValueKind::String(text) = &self.ask(key)?.kind else {
            return Some(Need::of_levels(&self.levels(key, 1..=10)));
        };
        match Need::parse(text) {
            Ok((need, _)) => Some(need),
            Err(error) => {
                let help = error.help.clone().unwrap_or_default();
                self.wrong(key, format!("`{key}` cannot be read: {error}"), help);
                None
            }
        }
    }

    /// Notes that something about this table is wrong.
    fn note(&self, message: String, help: String) {
        self.reader.note(Problem::error(self.reader.sources.value(&self.at), message).help(help));
    }

    /// Names with a text each, such as `{ "*2" = "break" }`; `None` if it is absent.
    pub fn texts(&self, key: &'static str) -> Option<BTreeMap<String, String>> {
        if let Some(path) = self.at.key(key).path() {
            self.reader.known.borrow_mut().insert(format!("{path}."));
        }
        let value = self.ask(key)?;
        let ValueKind::Table(values) = &value.kind else {
            let message = format!("`{key}` must be a table, found {}", kind(&value.kind));
            self.wrong(key, message, r#"write it as { "*2" = "break" }"#.into());
            return None;
        };
        let at = self.at.key(key);
        let read = |(name, value): (&String, &Value)| {
            Some((name.clone(), self.read(&at.key(name), name, value, String::EXPECTED)?))
        };
        Some(values.iter().filter_map(read).collect())
    }

    /// A file or folder. A relative one starts from the folder of the settings file if that names it.
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        let written: String = self.optional(key)?;
        let folder = self.reader.sources.folder(&self.at.key(key));
        Some(folder.map_or_else(|| PathBuf::from(&written), |folder| folder.join(&written)))
    }

    /// A table inside this one.
    pub fn table(&self, key: &'static str) -> Table<'a> {
        Table::new(self.reader, self.at.key(key), self.ask(key))
    }

    /// A list of tables inside this one, `[[key]]` in a file.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let at = self.at.key(key);
        match self.ask(key).map(|value| &value.kind) {
            None => Vec::new(),
            Some(ValueKind::Array(values)) => {
                values.iter().enumerate().map(|(i, value)| Table::new(self.reader, at.index(i), Some(value))).collect()
            }
            Some(other) => {
                let message = format!("`{key}` must be a list of tables, found {}", kind(other));
                self.wrong(key, message, format!("begin each with [[{key}]]"));
                Vec::new()
            }
        }
    }

    /// Notes that `key` of this table is wrong.
    pub fn wrong(&self, key: &str, message: String, help: String) {
        self.reader.note(Problem::error(self.place(key), message).help(help));
    }

    /// Whether anything says what `key` is.
    pub fn has(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|value| !matches!(value.kind, ValueKind::Nil))
    }

    /// Whether the file or a variable says what `key` is, not only the built-in defaults.
    pub fn is_written(&self, key: &str) -> bool {
        self.reader.sources.is_written(&self.at.key(key))
    }

    /// Where the value of `key` stands.
    pub fn place(&self, key: &str) -> Place {
        self.reader.sources.value(&self.at.key(key))
    }

    /// Notes what was written but never asked for.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        if let Some(path) = self.at.path() {
            let inside = asked.iter().map(|key| if path.is_empty() { (*key).into() } else { format!("{path}.{key}") });
            self.reader.known.borrow_mut().extend(inside);
        }
        for key in self.values.keys().filter(|key| !asked.contains(key)) {
            let place = self.reader.sources.name(&self.at.key(key));
            let problem = Problem::error(place, format!("unknown setting `{key}`"));
            self.reader.note(match nearest(key, asked.iter().copied()) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(format!("known here: `{}`", asked.join("`, `"))),
            });
        }
    }

    fn read<T: Setting>(&self, at: &At, key: &str, value: &Value, expected: &str) -> Option<T> {
        let from_variable = self.reader.sources.variable(at).is_some();
        match &value.kind {
            ValueKind::String(text) if T::QUOTED || from_variable => self.check(at, key, T::from_text(text), expected),
            other => T::from_bare(other).or_else(|| {
                let message = format!("`{key}` must be {expected}, found {}", kind(other));
                self.reader.note(Problem::error(self.reader.sources.value(at), message));
                None
            }),
        }
    }

    fn check<T>(&self, at: &At, key: &str, result: Result<T, String>, expected: &str) -> Option<T> {
        let detail = match result {
            Ok(value) => return Some(value),
            Err(detail) => detail,
        };
        let place = self.reader.sources.value(at);
        self.reader.note(match detail.as_str() {
            "" => Problem::error(place, format!("`{key}` must be {expected}")),
            detail => Problem::error(place, format!("`{key}` is wrong: {detail}")).help(format!("expected {expected}")),
        });
        None
    }
}

fn level_help(range: &RangeInclusive<u8>) -> String {
    format!("it must be a whole number from {} to {}", range.start(), range.end())
}

/// What was found, in the operator's words.
fn kind(value: &ValueKind) -> String {
    fn bare(value: impl Display) -> String {
        value.to_string()
    }
    match value {
        ValueKind::Nil => "nothing".into(),
        ValueKind::Boolean(value) => bare(value),
        ValueKind::I64(value) => bare(value),
        ValueKind::I128(value) => bare(value),
        ValueKind::U64(value) => bare(value),
        ValueKind::U128(value) => bare(value),
        ValueKind::Float(value) => bare(value),
        ValueKind::String(_) => "a text in quotes".into(),
        ValueKind::Table(_) => "a table".into(),
        ValueKind::Array(_) => "a list".into(),
    }
}

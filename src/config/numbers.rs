//! How numbers are written, which are ours, and whether each means one thing.

use super::cross::Check;
use super::problem::{Place, Problem, nearest};
use super::read::Table;
use super::source::At;
use super::values::Dialled;
use super::{Codes, Number};
use crate::engine::directory::{self, Pattern};
use crate::engine::numbering::{Bare, Dialect, Form, Numbering};
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// Digits in front of a number; `none` is none at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix(pub String);

impl FromStr for Prefix {
    type Err = String;
    fn from_str(text: &str) -> Result<Prefix, String> {
        match text {
            "none" => Ok(Prefix(String::new())),
            _ if (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Prefix(text.to_owned()))
            }
            _ => Err(String::new()),
        }
    }
}

/// As ITU-T E.164 gives them; `none`: it is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CountryCode(pub String);

impl FromStr for CountryCode {
    type Err = String;
    fn from_str(text: &str) -> Result<CountryCode, String> {
        let is_code = text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        match text {
            "none" => Ok(CountryCode::default()),
            "" => Err(String::new()),
            _ if is_code => Ok(CountryCode(text.to_owned())),
            _ => Err(String::new()),
        }
    }
}

impl FromStr for Bare {
    type Err = String;
    fn from_str(text: &str) -> Result<Bare, String> {
        match text {
            "unchanged" => Ok(Bare::Unchanged),
            "national" => Ok(Bare::National),
            "international" => Ok(Bare::International),
            _ => Err(String::new()),
        }
    }
}

impl FromStr for Form {
    type Err = String;
    fn from_str(text: &str) -> Result<Form, String> {
        match text {
            "e164" => Ok(Form::E164),
            "digits" => Ok(Form::Digits),
            "international" => Ok(Form::International),
            "national" => Ok(Form::National),
            _ => Err(String::new()),
        }
    }
}

impl Default for Pattern {
    fn default() -> Pattern {
        Pattern::One(String::new())
    }
}

/// What `table` does not say is as in `others`.
pub(super) fn numbering(table: &Table, others: &Numbering) -> Numbering {
    let prefix = |key, other: &String| table.optional::<Prefix>(key).map_or_else(|| other.clone(), |prefix| prefix.0);
    let code = table.optional::<CountryCode>("country_code");
    let numbering = Numbering {
        country_code: code.map_or_else(|| others.country_code.clone(), |code| code.0),
        national_prefix: prefix("national_prefix", &others.national_prefix),
        international_prefix: prefix("international_prefix", &others.international_prefix),
        bare: table.optional("bare").unwrap_or(others.bare),
    };
    if numbering.bare == Bare::National && numbering.country_code.is_empty() {
        no_country(table, "bare", "bare numbers are of our country");
    }
    numbering
}

fn no_country(table: &Table, key: &str, what: &str) {
    let help = r#"add `country_code`, such as "46", to [numbering]"#.into();
    table.wrong(key, format!("{what}, but the settings do not say which that is"), help);
}

/// How a trunk writes numbers.
pub(super) fn dialect(trunk: &Table, house: &Numbering) -> Dialect {
    let own = trunk.table("numbering");
    let written = trunk.has("numbering").then(|| numbering(&own, house));
    if written.is_some() {
        own.finish();
    }
    let key = |key| trunk.optional::<Dialled>(key).map(|dialled| dialled.0).unwrap_or_default();
    let dialect = Dialect {
        form: trunk.optional("writes").unwrap_or_default(),
        strip: key("strip"),
        add: key("add"),
        numbering: written,
    };
    let country = &dialect.numbering.as_ref().unwrap_or(house).country_code;
    if dialect.form == Form::National && country.is_empty() {
        no_country(trunk, "writes", "national numbers are those of our country");
    }
    dialect
}

pub(super) fn number(table: &Table) -> Number {
    Number {
        number: table.get("number"),
        flow: table.get("flow"),
        trunk: table.optional("trunk"),
        place: table.place("flow"),
    }
}

impl Check<'_> {
    /// Whatever can be dialled means one thing, in whatever way it is written.
    pub(super) fn numbers(&self) {
        let config = self.config;
        let mut seen = BTreeMap::new();
        let Codes { ready, wrap_up_done, wrap_up_more, pauses } = &config.codes;
        let codes = At::default().key("codes");
        for (key, code) in [("ready", ready), ("wrap_up_done", wrap_up_done), ("wrap_up_more", wrap_up_more)] {
            if let Some(code) = code {
                self.once(&mut seen, code.clone(), self.top.reader.sources.value(&codes.key(key)));
            }
        }
        for code in pauses.keys() {
            self.once(&mut seen, code.clone(), self.top.reader.sources.name(&codes.key("pauses").key(code)));
        }
        let emergency = At::default().key("emergency").key("numbers");
        for (i, number) in config.emergency.numbers.iter().enumerate() {
            self.once(&mut seen, number.clone(), self.top.reader.sources.value(&emergency.index(i)));
        }
        let emergencies = seen.clone();
        self.flows_of(None, &mut seen);
        for (i, agent) in config.agents.iter().enumerate() {
            if let Some(number) = &agent.number {
                self.once(&mut seen, config.numbering.inner(number), self.place("agents", i, "number"));
            }
        }
        // By a trunk nobody dials colleagues and codes.
        let trunks: BTreeSet<&str> = config.numbers.iter().filter_map(|number| number.trunk.as_deref()).collect();
        for trunk in trunks {
            self.flows_of(Some(trunk), &mut emergencies.clone());
        }
        if config.numbers.is_empty() {
            let place = self.top.reader.sources.value(&At::default().key("numbers"));
            let problem = Problem::warning(place, "there are no numbers, so no caller reaches a flow");
            self.top.reader.note(problem.help("add [[numbers]] with `number` and `flow`"));
        }
        self.numbers_of_unknown_trunks();
    }

    /// Those of all trunks, or of one.
    fn flows_of(&self, trunk: Option<&str>, seen: &mut BTreeMap<String, Place>) {
        let theirs = self.config.numbers.iter().enumerate().filter(|(_, number)| number.trunk.as_deref() == trunk);
        let mut patterns = Vec::new();
        for (i, number) in theirs.filter(|(_, number)| number.number != Pattern::default()) {
            match number.number.inner(&self.config.numbering) {
                Pattern::One(number) => self.once(seen, number, self.place("numbers", i, "number")),
                pattern => patterns.push((i, pattern)),
            }
        }
        let (places, patterns): (Vec<usize>, Vec<Pattern>) = patterns.into_iter().unzip();
        if let Some((first, second)) = directory::clash(&patterns) {
            let place = |at: usize| self.place("numbers", places[at], "number");
            let message = format!("`{}` and `{}` have numbers in common", patterns[second], patterns[first]);
            let problem = Problem::error(place(second), message);
            let where_first = match place(first) {
                Place::Line { file, line, .. } => format!("the other is at {}:{line}; ", file.display()),
                Place::Variable(name) => format!("the other is in {name}; "),
                Place::File(_) | Place::Settings => String::new(),
            };
            let help = format!("{where_first}of ranges that overlap, one must be inside the other");
            self.top.reader.note(problem.help(help));
        }
    }

    fn numbers_of_unknown_trunks(&self) {
        let known = || self.config.trunks.iter().map(|trunk| trunk.name.as_str());
        for (i, number) in self.config.numbers.iter().enumerate() {
            if let Some(trunk) = number.trunk.as_deref().filter(|trunk| !known().any(|name| name == *trunk)) {
                let problem = Problem::error(self.place("numbers", i, "trunk"), format!("there is no trunk `{trunk}`"));
                self.top.reader.note(match nearest(trunk, known()) {
                    Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                    None => problem.help(r#"name one of [[trunks]]; "agent" and all trunks: leave it out"#),
                });
            }
        }
    }
}

//! One thing wrong with what the operator wrote, shown so that it can be mended without looking elsewhere.

use crate::acd::Lacking;
use crate::flow::problem::{Excerpt, shortened};
use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing starts until it is mended.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

/// Where the operator has to look.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Line and column count from 1, column and length in characters; `text` is the whole line.
    Line { file: PathBuf, line: usize, column: usize, length: usize, text: String },
    /// An environment variable.
    Variable(String),
    /// A file as a whole: it is missing, or cannot be read.
    File(PathBuf),
    /// The settings as a whole, wherever they came from.
    Settings,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// What is wrong; one line, no full stop.
    pub message: String,
    pub place: Place,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    pub fn error(place: Place, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Error, message: message.into(), place, help: None }
    }

    pub fn warning(place: Place, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(place, message) }
    }

    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Place {
    /// The place of the bytes `span` in `text`, which was read from `file`. A span over several lines is cut at the
    /// end of the first.
    pub fn in_text(file: impl Into<PathBuf>, text: &str, span: std::ops::Range<usize>) -> Place {
        let start = text.floor_char_boundary(span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_text = text[line_start..].lines().next().unwrap_or("");
        let end = text.ceil_char_boundary(span.end).clamp(start, line_start + line_text.len().max(start - line_start));
        Place::Line {
            file: file.into(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            length: text[start..end].chars().count().max(1),
            text: line_text.to_owned(),
        }
    }
}

/// As compilers show it: what, where, the line itself with the place underlined, and what to do.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}: {}", shortened(&self.message))?;
        let margin = match &self.place {
            Place::Line { file, line, column, length, text } => {
                let number = line.to_string();
                let margin = " ".repeat(number.len());
                writeln!(f, "{margin}--> {}:{line}:{column}", file.display())?;
                writeln!(f, "{margin} |")?;
                let part = Excerpt::of(text, *column, *length);
                writeln!(f, "{number} | {}", part.text.replace('\t', " "))?;
                writeln!(f, "{margin} | {}{}", " ".repeat(part.column - 1), "^".repeat(part.length))?;
                margin
            }
            Place::Variable(name) => {
                writeln!(f, " --> environment variable {}", shortened(name))?;
                " ".into()
            }
            Place::File(file) => {
                writeln!(f, " --> {}", shortened(&file.to_string_lossy()))?;
                " ".into()
            }
            Place::Settings => " ".into(),
        };
        match &self.help {
            Some(help) => writeln!(f, "{margin} = help: {}", shortened(help)),
            None => Ok(()),
        }
    }
}

/// The name of `known` that was most likely meant by `name`, if one is near enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        // A third of the letters may be wrong: more is another word.
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(3)) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What is wanting for a need that nobody meets, and what was probably meant.
pub fn nobody_has(lacking: &Lacking) -> String {
    match lacking {
        Lacking::Skill { name, known } => match nearest(name, known.iter().map(String::as_str)) {
            Some(meant) => format!("nobody has `{name}`; did you mean `{meant}`?"),
            None => format!("nobody has `{name}`"),
        },
        Lacking::Level { name, least } => format!("nobody has `{name}` at {least} or better"),
        Lacking::Licence(licence) => format!("nobody holds a {licence}"),
        Lacking::Together => "each skill is there, but nobody has them all".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_with_line_column_and_underline() {
        let text = "[sip]\nrelm = \"växel\"\n";
        let problem = Problem::error(Place::in_text("vaxel.toml", text, 6..10), "unknown setting `relm`")
            .help("did you mean `realm`?");
        assert_eq!(
            problem.to_string(),
            "error: unknown setting `relm`\n --> vaxel.toml:2:1\n  |\n2 | relm = \"växel\"\n  | ^^^^\n  = help: did you mean `realm`?\n"
        );
    }

    #[test]
    fn a_value_without_end_is_not_shown_whole() {
        let text = format!("[sip]\nrealm = \"{}\"\n", "x".repeat(2_000_000));
        let value = &text[14..text.len() - 1];
        let place = Place::in_text("vaxel.toml", &text, 14..14 + value.len());
        let shown = Problem::error(place, format!("`realm` is {value}, which is too long")).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(shown.len() < 1_000, "{}", shown.len());
        assert!(
            lines[0].starts_with("error: `realm` is \"xxx") && lines[0].ends_with("xxx\", which is too long"),
            "{shown}"
        );
        assert!(lines[3].starts_with("2 | realm = \"xxx") && lines[3].ends_with("xxx…"), "{shown}");
        assert!(lines[4].starts_with("  |         ^^^"), "{shown}");
        for place in [Place::File(PathBuf::from(value)), Place::Variable(value.to_owned())] {
            let shown = Problem::error(place, "it cannot be read").help(value).to_string();
            assert!(shown.len() < 1_000, "{}", shown.len());
        }
    }

    #[test]
    fn columns_count_characters_and_spans_end_with_their_line() {
        let text = "name = 'å' # ä\nb = 1";
        let Place::Line { line, column, length, .. } = Place::in_text("f", text, 13..22) else { panic!() };
        assert_eq!((line, column, length), (1, 13, 2));
        let Place::Line { line, column, length, .. } = Place::in_text("f", "", 0..0) else { panic!() };
        assert_eq!((line, column, length), (1, 1, 1));
        let Place::Line { line, column, .. } = Place::in_text("f", "a\n", 2..2) else { panic!() };
        assert_eq!((line, column), (2, 1));
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["listen", "realm", "ports"];
        assert_eq!(nearest("relm", known), Some("realm"));
        assert_eq!(nearest("Lsiten", known), Some("listen"));
        assert_eq!(nearest("colour", known), None);
    }
}

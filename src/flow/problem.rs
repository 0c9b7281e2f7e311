//! What is wrong in a flow file, and where, in a shape a person can act on.

use super::yaml::Span;
use std::fmt;

/// One thing the author of a file must mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// How many characters are meant, at least 1, within the line.
    pub length: u32,
    pub message: String,
    /// What was expected, or what to do.
    pub help: Option<String>,
    /// The line of the file, as it stands there.
    pub source: String,
}

impl Problem {
    /// `text`: the whole file, from which the line is taken.
    pub(super) fn new(file: &str, text: &str, at: Span, message: String, help: Option<String>) -> Problem {
        let source = text.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or_default().to_string();
        let left = (source.chars().count() as u32 + 1).saturating_sub(at.column).max(1);
        let length = at.length.clamp(1, left);
        Problem { file: file.to_string(), line: at.line, column: at.column, length, message, help, source }
    }
}

/// As rustc writes it: the message, where, the line with the place underlined, and the help under it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "error: {}", self.message)?;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", self.source)?;
        // Tabs are kept, so that the caret stands under the place whatever width they are shown with.
        let before = (self.column as usize).saturating_sub(1);
        let pad: String = self.source.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{gutter} | {pad}{}", "^".repeat(self.length as usize))?;
        if let Some(help) = &self.help {
            writeln!(f, "{gutter} = help: {help}")?;
        }
        Ok(())
    }
}

/// The known name nearest to a misspelt one, if any is near enough to be meant.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match wrong.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// "did you mean `x`?" or the list of what there is.
pub(super) fn suggest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    const SHOWN: usize = 12;
    if let Some(name) = nearest(wrong, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let all: Vec<&str> = known.into_iter().collect();
    match all.len() {
        0 => None,
        n if n <= SHOWN => Some(format!("there is: {}", all.join(", "))),
        n => Some(format!("there is: {}, and {} more", all[..SHOWN].join(", "), n - SHOWN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered_with_the_line_and_a_caret_under_the_place() {
        let at = Span { line: 2, column: 7, length: 4 };
        let text = "steps:\n\tnext: åäöx\n";
        let problem = Problem::new("a.yaml", text, at, "there is no step `åäöx`".into(), Some("try `b`".into()));
        assert_eq!(
            problem.to_string(),
            "error: there is no step `åäöx`\n --> a.yaml:2:7\n  |\n2 | \tnext: åäöx\n  | \t     ^^^^\n  = help: try `b`\n"
        );
    }

    #[test]
    fn underline_stays_within_its_line() {
        let problem = Problem::new("a.yaml", "abc", Span { line: 1, column: 3, length: 50 }, "x".into(), None);
        assert_eq!(problem.length, 1);
        let beyond = Problem::new("a.yaml", "abc", Span { line: 9, column: 3, length: 5 }, "x".into(), None);
        assert_eq!((beyond.source.as_str(), beyond.length), ("", 1));
    }

    #[test]
    fn suggests_what_is_near_and_else_lists() {
        assert_eq!(suggest("languge", ["language", "topic"]).as_deref(), Some("did you mean `language`?"));
        assert_eq!(suggest("xyz", ["language", "topic"]).as_deref(), Some("there is: language, topic"));
        assert_eq!(suggest("xyz", []), None);
    }
}

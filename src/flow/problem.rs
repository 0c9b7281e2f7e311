//! What is wrong in a flow file, and where, in a shape a person can act on.

use super::yaml::Span;
use std::borrow::Cow;
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
        let part = Excerpt::of(&self.source, self.column as usize, self.length as usize);
        writeln!(f, "error: {}", shortened(&self.message))?;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", part.text)?;
        // Tabs are kept, so that the caret stands under the place whatever width they are shown with.
        let before = part.column.saturating_sub(1);
        let pad: String = part.text.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{gutter} | {pad}{}", "^".repeat(part.length))?;
        if let Some(help) = &self.help {
            writeln!(f, "{gutter} = help: {}", shortened(help))?;
        }
        Ok(())
    }
}

/// Characters of a line that are shown; of a longer one the part around what is wrong.
pub const LINE_MAX: usize = 200;

/// Characters of what is said of it, with the value that is wrong; of more, the beginning and the end.
pub const MESSAGE_MAX: usize = 400;

/// What of a line is shown.
pub struct Excerpt {
    pub text: String,
    /// From 1, where in `text` the wrong part begins.
    pub column: usize,
    pub length: usize,
}

impl Excerpt {
    /// `column`: from 1; both count characters.
    pub fn of(line: &str, column: usize, length: usize) -> Excerpt {
        let all = line.chars().count();
        if all <= LINE_MAX {
            return Excerpt { text: line.to_owned(), column, length };
        }
        let begin = column.saturating_sub(1 + LINE_MAX / 4).min(all - LINE_MAX);
        let mut text: String = line.chars().skip(begin).take(LINE_MAX).collect();
        let mut column = column.saturating_sub(begin).max(1);
        if begin + LINE_MAX < all {
            text.push('…');
        }
        if begin > 0 {
            text.insert(0, '…');
            column += 1;
        }
        let length = length.min((text.chars().count() + 1).saturating_sub(column)).max(1);
        Excerpt { text, column, length }
    }
}

/// At most [`MESSAGE_MAX`] characters, one more where something was left out.
pub fn shortened(message: &str) -> Cow<'_, str> {
    let all = message.chars().count();
    if all <= MESSAGE_MAX {
        return Cow::Borrowed(message);
    }
    let (first, last) = (MESSAGE_MAX * 3 / 4, MESSAGE_MAX / 4);
    let begin: String = message.chars().take(first).collect();
    let end: String = message.chars().skip(all - last).collect();
    Cow::Owned(format!("{begin}…{end}"))
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

    #[test]
    fn of_a_line_or_a_value_without_end_the_part_that_is_wrong_is_shown() {
        let long = "x".repeat(2_000_000);
        for (before, after) in [("", long.as_str()), (&long, ""), (&long, &long), (&long[..60], &long[..100])] {
            let line = format!("{before}WRONG{after}");
            let column = before.len() as u32 + 1;
            let at = Span { line: 1, column, length: 5 };
            let message = format!("`{line}` is wrong");
            let shown = Problem::new("a.yaml", &line, at, message, Some(line.clone())).to_string();
            assert!(shown.chars().count() < LINE_MAX * 2 + MESSAGE_MAX * 2 + 100, "{}", shown.len());
            let lines: Vec<&str> = shown.lines().collect();
            let caret = lines[4].chars().take_while(|c| *c != '^').count();
            let marked: String = lines[3].chars().skip(caret).take(5).collect();
            assert_eq!((marked.as_str(), lines[4].trim_start_matches(['|', ' '])), ("WRONG", "^^^^^"));
            assert!(shown.starts_with("error: `") && lines[0].ends_with("` is wrong"), "{shown}");
        }
        let all = "y".repeat(500);
        let wrong = Excerpt::of(&all, 1, 500);
        assert_eq!((wrong.text.chars().count(), wrong.column, wrong.length), (LINE_MAX + 1, 1, LINE_MAX + 1));
        assert_eq!(shortened(&all[..MESSAGE_MAX]), all[..MESSAGE_MAX]);
        assert_eq!(shortened(&all).chars().count(), MESSAGE_MAX + 1);
    }
}

//! How a need is written.
//!
//! ```text
//! need    = part { "or" part }
//! part    = single { "and" single }
//! single  = "not" single | "(" need ")" | "anybody" | "nobody" | skill [ sign level ] | licence
//! skill   = name | name "(" attribute ")"
//! licence = "licence" "(" name "," ( attribute | "\"" name "\"" ) ")"
//! sign    = ">=" | ">" | "<=" | "<" | "=="
//! ```
//!
//! `&&`, `||`, `!` and `=` are read too. A level is a number from 1 to 10. A licence stands only beside what is needed in any
//! case: a need that could be met without it would let somebody serve without it.

use super::{Expr, LEVEL_MAX, Licence, Need, Skill, Word};
use std::collections::BTreeSet;
use std::fmt;

/// Characters of a need. One more is an error.
pub const SOURCE_MAX: usize = 1_000;

/// Brackets and `not` within each other. One more is an error.
const DEPTH_MAX: usize = 20;

/// What is wrong with a need, and where: both in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeedError {
    pub start: usize,
    pub length: usize,
    pub message: String,
    pub help: Option<String>,
}

impl fmt::Display for NeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at character {}", self.message, self.start + 1)
    }
}

impl std::error::Error for NeedError {}

/// Where a need names something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    pub name: Named,
    /// In characters from the start of the source.
    pub start: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Skill(String),
    /// The skills that begin so; the attribute is mentioned too.
    Family {
        family: String,
        attribute: String,
    },
    Attribute(String),
}

impl Named {
    /// As it stands there.
    pub fn text(&self) -> &str {
        match self {
            Named::Skill(name) | Named::Family { family: name, .. } | Named::Attribute(name) => name,
        }
    }
}

pub(super) fn need(source: &str) -> Result<(Need, Vec<Mention>), NeedError> {
    let end = source.chars().count();
    if end > SOURCE_MAX {
        return Err(error(SOURCE_MAX, 1, format!("a need has at most {SOURCE_MAX} characters")));
    }
    let mut reader =
        Reader { tokens: tokens(source)?, at: 0, end, depth: 0, mentions: Vec::new(), licences: Vec::new() };
    let skills = reader.need(true)?;
    if let Some(token) = reader.peek() {
        let expected =
            if token.text == ")" { "there is no bracket that this one closes" } else { "expected `and` or `or`" };
        return Err(token.error(expected));
    }
    let licences: BTreeSet<Licence> = reader.licences.into_iter().collect();
    Ok((Need { licences, skills }, reader.mentions))
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    end: usize,
    depth: usize,
    mentions: Vec<Mention>,
    licences: Vec<Licence>,
}

#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    start: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    /// Without its quotation marks.
    Quoted,
    Sign,
}

impl Token<'_> {
    fn error(&self, message: &str) -> NeedError {
        error(self.start, self.text.chars().count(), message.into())
    }
}

fn error(start: usize, length: usize, message: String) -> NeedError {
    let help = Some("a need reads like `support >= 3 and (lang(language) or lang_en >= 5)`".into());
    NeedError { start, length: length.max(1), message, help }
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn is(&self, texts: &[&str]) -> bool {
        self.peek().is_some_and(|token| token.kind != Kind::Quoted && texts.contains(&token.text))
    }

    fn take(&mut self, texts: &[&str]) -> bool {
        let found = self.is(texts);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, text: &str, message: &str) -> Result<(), NeedError> {
        if self.take(&[text]) { Ok(()) } else { Err(self.wrong(message)) }
    }

    /// What stands here is not what was expected.
    fn wrong(&self, message: &str) -> NeedError {
        self.peek().map_or_else(|| error(self.end, 1, message.into()), |token| token.error(message))
    }

    /// `in_any_case`: nothing else can stand in for what is read here.
    fn need(&mut self, in_any_case: bool) -> Result<Expr, NeedError> {
        // Whether an `or` follows is known only behind the first part, where a licence of it would be found.
        let licences = self.licences.len();
        let start = self.at;
        let first = self.part(in_any_case)?;
        if !self.is(&["or", "||"]) {
            return Ok(first);
        }
        if self.licences.len() > licences {
            self.at = start;
            self.part(false)?;
        }
        let mut parts = vec![first];
        while self.take(&["or", "||"]) {
            parts.push(self.part(false)?);
        }
        Ok(Expr::one(parts))
    }

    fn part(&mut self, in_any_case: bool) -> Result<Expr, NeedError> {
        let mut parts = vec![self.single(in_any_case)?];
        while self.take(&["and", "&&"]) {
            parts.push(self.single(in_any_case)?);
        }
        Ok(Expr::all(parts))
    }

    fn single(&mut self, in_any_case: bool) -> Result<Expr, NeedError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong(&format!("this is more than {DEPTH_MAX} deep in brackets")));
        }
        let expr = if self.take(&["not", "!"]) {
            Expr::not(self.single(false)?)
        } else if self.take(&["("]) {
            let expr = self.need(in_any_case)?;
            self.expect(")", "expected `)`, `and` or `or`")?;
            expr
        } else if self.take(&["anybody"]) {
            Expr::Anybody
        } else if self.take(&["nobody"]) {
            Expr::Nobody
        } else if self.is(&["licence"]) {
            self.licence(in_any_case)?
        } else {
            self.skill()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn name(&mut self, what: &str) -> Result<Token<'a>, NeedError> {
        let reserved = ["and", "or", "not", "licence", "anybody", "nobody"];
        let plain = |token: &Token| {
            let begins = token.text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            token.kind == Kind::Word && begins && !reserved.contains(&token.text)
        };
        let token = self.peek().filter(plain).ok_or_else(|| self.wrong(&format!("expected the name of {what}")))?;
        self.at += 1;
        Ok(token)
    }

    fn attribute(&mut self, what: &str) -> Result<String, NeedError> {
        let token = self.name(what)?;
        self.mentions.push(Mention { name: Named::Attribute(token.text.to_owned()), start: token.start });
        Ok(token.text.to_owned())
    }

    fn licence(&mut self, in_any_case: bool) -> Result<Expr, NeedError> {
        let token = self.peek().expect("seen just now");
        if !in_any_case {
            return Err(token.error("a licence is needed in any case: join it to the rest with `and`"));
        }
        self.at += 1;
        self.expect("(", "expected `(`, a kind, a jurisdiction and `)`")?;
        let kind = self.name("a kind of licence")?.text.to_owned();
        self.expect(",", "expected `,` and a jurisdiction")?;
        let jurisdiction = match self.peek() {
            Some(token) if token.kind == Kind::Quoted && !token.text.is_empty() => {
                self.at += 1;
                Word::Is(token.text.to_owned())
            }
            _ => Word::Of(self.attribute("an attribute, or a jurisdiction in quotation marks")?),
        };
        self.expect(")", "expected `)`")?;
        self.licences.push(Licence { kind, jurisdiction });
        Ok(Expr::Anybody)
    }

    fn skill(&mut self) -> Result<Expr, NeedError> {
        let name = self.name("a skill")?;
        let skill = if self.take(&["("]) {
            let attribute = self.attribute("an attribute of the contact")?;
            self.expect(")", "expected `)`")?;
            Skill::By { family: name.text.to_owned(), attribute }
        } else {
            Skill::Named(name.text.to_owned())
        };
        let named = match skill.clone() {
            Skill::Named(name) => Named::Skill(name),
            Skill::By { family, attribute } => Named::Family { family, attribute },
        };
        self.mentions.push(Mention { name: named, start: name.start });
        let Some(sign) = self.peek().filter(|token| token.kind == Kind::Sign && is_comparison(token.text)) else {
            return Ok(Expr::skill(skill, 1));
        };
        self.at += 1;
        let wrong = || self.wrong(&format!("a level is a number from 1 to {LEVEL_MAX}"));
        let token = self.peek().filter(|token| token.kind == Kind::Word).ok_or_else(wrong)?;
        let level = token.text.parse().ok().filter(|level| (1..=LEVEL_MAX).contains(level)).ok_or_else(wrong)?;
        self.at += 1;
        let level = i64::from(level);
        let at_least = |level| Expr::skill(skill.clone(), level);
        Ok(match sign.text {
            ">=" => at_least(level),
            ">" => at_least(level + 1),
            "<=" => Expr::not(at_least(level + 1)),
            "<" => Expr::not(at_least(level)),
            _ => Expr::all([at_least(level), Expr::not(at_least(level + 1))]),
        })
    }
}

fn is_comparison(sign: &str) -> bool {
    matches!(sign, ">=" | ">" | "<=" | "<" | "==" | "=")
}

/// Words, signs and quoted texts, with the character at which each begins.
fn tokens(source: &str) -> Result<Vec<Token<'_>>, NeedError> {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let sign = |c: char| matches!(c, '>' | '<' | '=' | '&' | '|');
    let mut tokens = Vec::new();
    let mut chars = source.char_indices().enumerate().peekable();
    while let Some((at, (start, c))) = chars.next() {
        let mut end = start + c.len_utf8();
        if c == '"' {
            let closing = chars.by_ref().find(|(_, (_, c))| *c == '"');
            let Some((_, (close, _))) = closing else {
                return Err(error(at, 1, "these quotation marks are never closed".into()));
            };
            tokens.push(Token { text: &source[end..close], start: at, kind: Kind::Quoted });
            continue;
        }
        let (kind, more): (Kind, &dyn Fn(char) -> bool) = match c {
            _ if c.is_whitespace() => continue,
            '(' | ')' | ',' | '!' => (Kind::Sign, &|_| false),
            _ if word(c) => (Kind::Word, &word),
            _ if sign(c) => (Kind::Sign, &sign),
            _ => return Err(error(at, 1, format!("`{c}` has no meaning in a need"))),
        };
        while let Some((_, (next, c))) = chars.next_if(|(_, (_, c))| more(*c)) {
            end = next + c.len_utf8();
        }
        tokens.push(Token { text: &source[start..end], start: at, kind });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mentions_stand_at_their_place() {
        let (_, mentions) = need("support >= 3 and (lang(language) || sälj-x>=10)").expect("good");
        let found: Vec<(&str, usize)> = mentions.iter().map(|m| (m.name.text(), m.start)).collect();
        assert_eq!(found, [("support", 0), ("language", 23), ("lang", 18), ("sälj-x", 36)]);
    }

    #[test]
    fn errors_stand_at_their_place() {
        let deep = "(".repeat(30) + "a";
        let table = [
            ("", 0, "expected the name of a skill"),
            ("support >= 11", 11, "from 1 to 10"),
            ("support >= 0", 11, "from 1 to 10"),
            ("support >=", 10, "from 1 to 10"),
            ("support => 3", 8, "expected `and` or `or`"),
            ("å or 3", 5, "expected the name of a skill"),
            ("å b", 2, "expected `and` or `or`"),
            ("å and", 5, "expected the name of a skill"),
            ("å and or", 6, "expected the name of a skill"),
            ("(å", 2, "expected `)`"),
            ("å)", 1, "no bracket that this one closes"),
            ("å ? b", 2, "`?` has no meaning"),
            ("lang(", 5, "an attribute of the contact"),
            ("lang(language", 13, "expected `)`"),
            ("licence(x)", 9, "expected `,` and a jurisdiction"),
            ("licence(x, SE", 13, "expected `)`"),
            ("licence(x, \"SE)", 11, "never closed"),
            ("licence(x, \"\")", 11, "a jurisdiction in quotation marks"),
            ("a or licence(x, y)", 5, "in any case"),
            ("licence(x, y) or a", 0, "in any case"),
            ("not licence(x, y)", 4, "in any case"),
            ("a and (b or (c and licence(x, y)))", 19, "in any case"),
            (deep.as_str(), 20, "more than 20 deep"),
        ];
        for (source, start, message) in table {
            let found = need(source).expect_err(source);
            assert_eq!(found.start, start, "{source}: {}", found.message);
            assert!(found.message.contains(message), "{source}: {}", found.message);
        }
        let long = "a and ".repeat(200) + "a";
        assert!(need(&long).expect_err("too long").message.contains("1000 characters"));
    }

    #[test]
    fn licences_stand_where_everything_is_needed() {
        let (read, _) = need("licence(bank, \"SE\") and (a or b) and (licence(insurance, state) and c)").expect("good");
        assert_eq!(read.to_string(), "licence(bank, \"SE\") and licence(insurance, state) and c and (a or b)");
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_is_read_with_a_panic(source in "[a-c ()<>=&|!,\"0-9notrdlice]{0,60}") {
            if let Ok((read, _)) = need(&source) {
                prop_assert_eq!(need(&read.to_string()).map(|(again, _)| again), Ok(read));
            }
        }
    }
}

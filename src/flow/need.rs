//! What an agent must be able to do for a caller: `support >= 3 and lang(language)`.
//!
//! ```text
//! need  = part { "and" part }
//! part  = skill [ ">=" level ]
//! skill = name | "lang(language)"
//! ```
//!
//! A level is 1–10 and 1 when left out. `lang(language)` is the skill `lang_` and the caller's language.

use super::expr::ExprError;
use std::collections::BTreeMap;

/// All of these, each at least at its level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Need {
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub skill: Skill,
    pub level: u8,
    /// In characters from the start of the source.
    pub start: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Skill {
    Named(String),
    /// That of speaking the caller's language.
    Language,
}

impl Need {
    pub fn parse(source: &str) -> Result<Need, ExprError> {
        let tokens = tokens(source)?;
        let end = source.chars().count();
        let error = |start: usize, length: usize, message: &str| ExprError {
            start,
            length: length.max(1),
            message: message.into(),
            help: Some("a need reads like `support >= 3 and lang(language)`".into()),
        };
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = tokens.as_slice();
        loop {
            let (skill, start) = match rest {
                [("lang", at), ("(", _), ("language", _), (")", _), tail @ ..] => {
                    rest = tail;
                    (Skill::Language, *at)
                }
                [("lang", at), ("(", _), ..] => return Err(error(*at, 4, "only `lang(language)` is known")),
                [(name, at), tail @ ..] if is_name(name) => {
                    rest = tail;
                    (Skill::Named(name.to_string()), *at)
                }
                [(other, at), ..] => return Err(error(*at, other.len(), "expected the name of a skill")),
                [] => return Err(error(end, 1, "expected the name of a skill")),
            };
            let level = match rest {
                [(">=", _), (level, at), tail @ ..] => {
                    rest = tail;
                    let wrong = || error(*at, level.len(), "a level is a number from 1 to 10");
                    level.parse().ok().filter(|l| (1..=10).contains(l)).ok_or_else(wrong)?
                }
                [(">=", at)] => return Err(error(*at, 2, "expected a level from 1 to 10 after this")),
                [(other @ (">" | "<" | "<=" | "==" | "="), at), ..] => {
                    return Err(error(*at, other.len(), "a skill is wanted at a level or better: `>=`"));
                }
                _ => 1,
            };
            if parts.iter().any(|p| p.skill == skill) {
                return Err(error(start, 1, "this skill is wanted twice"));
            }
            parts.push(Part { skill, level, start });
            match rest {
                [] => return Ok(Need { parts }),
                [("and" | "&&", _), tail @ ..] => rest = tail,
                [("or" | "||", at), ..] => return Err(error(*at, 2, "a need knows `and`, not `or`")),
                [(other, at), ..] => return Err(error(*at, other.len(), "expected `and`")),
            }
        }
    }

    pub fn of_language(&self, language: &str) -> BTreeMap<String, u8> {
        self.parts.iter().map(|part| (part.skill.name(language), part.level)).collect()
    }
}

impl Skill {
    pub fn name(&self, language: &str) -> String {
        match self {
            Skill::Named(name) => name.clone(),
            Skill::Language => format!("lang_{language}"),
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_') && !matches!(token, "and" | "or" | "not")
}

/// Words and signs with the character at which each begins.
fn tokens(source: &str) -> Result<Vec<(&str, usize)>, ExprError> {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let sign = |c: char| matches!(c, '>' | '<' | '=' | '&' | '|');
    let mut tokens = Vec::new();
    let mut chars = source.char_indices().enumerate().peekable();
    while let Some((at, (start, c))) = chars.next() {
        let mut end = start + c.len_utf8();
        let kind: &dyn Fn(char) -> bool = match c {
            _ if c.is_whitespace() => continue,
            '(' | ')' => &|_| false,
            _ if word(c) => &word,
            _ if sign(c) => &sign,
            _ => {
                let message = format!("`{c}` has no meaning in a need");
                return Err(ExprError { start: at, length: 1, message, help: None });
            }
        };
        while let Some((_, (next, c))) = chars.next_if(|(_, (_, c))| kind(*c)) {
            end = next + c.len_utf8();
        }
        tokens.push((&source[start..end], at));
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skills_with_and_without_levels() {
        let need = Need::parse("support >= 3 and lang(language) && sälj-x>=10").expect("good");
        let wanted =
            BTreeMap::from([("support".to_string(), 3), ("lang_sv".to_string(), 1), ("sälj-x".to_string(), 10)]);
        assert_eq!(need.of_language("sv"), wanted);
    }

    #[test]
    fn errors_stand_at_their_place() {
        let table = [
            ("", 0, "name of a skill"),
            ("support >= 11", 11, "1 to 10"),
            ("support >= 0", 11, "1 to 10"),
            ("support > 3", 8, "`>=`"),
            ("support >=", 8, "after this"),
            ("å or b", 2, "not `or`"),
            ("a b", 2, "expected `and`"),
            ("a and", 5, "name of a skill"),
            ("a and and", 6, "name of a skill"),
            ("a and a", 6, "twice"),
            ("lang(sv)", 0, "lang(language)"),
            ("a ? b", 2, "no meaning"),
            ("3 >= a", 0, "name of a skill"),
        ];
        for (source, start, message) in table {
            let error = Need::parse(source).expect_err(source);
            assert_eq!(error.start, start, "{source}: {error:?}");
            assert!(error.message.contains(message), "{source}: {error:?}");
        }
    }
}

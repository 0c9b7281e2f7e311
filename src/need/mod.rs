//! What an agent must be able to do for a contact: `sales >= 3 and (lang_sv or lang_en >= 5)`.
//!
//! Words that flows, settings and the distributor share, as [`crate::ids`] and [`crate::time`] are: how a need is written
//! (`parse`), and what it means. Knows no agent and no contact.
//!
//! A [`Need`] has two parts. The *skills* are a boolean expression over levels, which a queue or a flow may relax while the
//! contact waits. The *licences* are what the law asks for: they are needed in any case, so they stand only where everything
//! else is needed too (`and`), and nothing relaxes them.

mod few;
mod parse;

pub use few::Few;
pub use parse::{Mention, Named, NeedError, SOURCE_MAX};

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The best level there is; the lowest is 1.
pub const LEVEL_MAX: u8 = 10;

/// What is known of a contact by name: language, topic, tier.
pub type Attributes = Few<String>;

/// What an agent must be able to do for a contact. The default asks for nothing.
///
/// Always in one form, whatever was written: two needs that differ only in order, brackets or repetition are equal.
/// Serialised as it is written; the need that asks for nothing is an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Need {
    pub licences: BTreeSet<Licence>,
    pub skills: Expr,
}

/// A permission to serve contacts of a kind in a jurisdiction, both as the operator names them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Licence {
    pub kind: String,
    pub jurisdiction: Word,
}

/// A name that is known when the need is written, or when the contact is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Word {
    Is(String),
    /// The value of this attribute of the contact.
    Of(String),
}

/// A boolean expression over skills. Made by [`Expr::all`], [`Expr::one`] and [`Expr::not`], which keep it in one form.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expr {
    #[default]
    Anybody,
    Nobody,
    /// This skill at this level (1–10) or better.
    Skill(Skill, u8),
    Not(Box<Expr>),
    /// Two or more, sorted, none of them `All`, `Anybody` or `Nobody`.
    All(Vec<Expr>),
    /// Two or more, sorted, none of them `One`, `Anybody` or `Nobody`.
    One(Vec<Expr>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skill {
    Named(String),
    /// `lang(language)`: the skill `lang_` and the value of the contact's attribute.
    By {
        family: String,
        attribute: String,
    },
}

/// Why somebody does not meet a need: the first part of it that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// `has` is 0 where the skill is lacked altogether.
    Level { skill: String, has: u8, needs: u8 },
    /// The skill is one that must not be had, or not so well.
    Unwanted { skill: String },
    /// Nobody can meet it.
    Unmeetable,
}

impl Need {
    /// Reads what [`fmt::Display`] writes, and what operators write.
    ///
    /// # Errors
    ///
    /// What is wrong, where, and what was expected.
    pub fn parse(source: &str) -> Result<(Need, Vec<Mention>), NeedError> {
        parse::need(source)
    }

    /// All these skills, each at its level or better; level 0 asks for nothing.
    pub fn of_levels<'a>(levels: impl IntoIterator<Item = (&'a String, &'a u8)>) -> Need {
        let skill = |(name, level): (&String, &u8)| Expr::skill(Skill::Named(name.clone()), i64::from(*level));
        Need { licences: BTreeSet::new(), skills: Expr::all(levels.into_iter().map(skill)) }
    }

    /// Whether it asks for nothing.
    pub fn is_none(&self) -> bool {
        self.licences.is_empty() && self.skills == Expr::Anybody
    }

    /// Both this and that.
    pub fn and(&self, other: &Need) -> Need {
        let licences = self.licences.union(&other.licences).cloned().collect();
        Need { licences, skills: Expr::all([self.skills.clone(), other.skills.clone()]) }
    }

    /// With the attributes of a contact for the names of them. Of a skill by an attribute that is not known nothing is asked;
    /// a licence for a jurisdiction that is not known nobody has.
    pub fn resolved(&self, attributes: &Attributes) -> Need {
        if !self.has_names() {
            return self.clone();
        }
        let skills = self.skills.resolved(attributes);
        let mut need = Need { licences: BTreeSet::new(), skills };
        for licence in &self.licences {
            match &licence.jurisdiction {
                Word::Is(_) => _ = need.licences.insert(licence.clone()),
                Word::Of(attribute) => match attributes.get(attribute) {
                    Some(value) => {
                        let jurisdiction = Word::Is(value.clone());
                        need.licences.insert(Licence { kind: licence.kind.clone(), jurisdiction });
                    }
                    None => {
                        // Kept, so that it is asked for wherever this need goes.
                        need.licences.insert(licence.clone());
                        need.skills = Expr::Nobody;
                    }
                },
            }
        }
        need
    }

    /// Whether it names attributes of a contact.
    pub fn has_names(&self) -> bool {
        self.licences.iter().any(|licence| matches!(licence.jurisdiction, Word::Of(_))) || self.skills.has_names()
    }
}

impl Expr {
    /// This skill at this level or better.
    pub fn skill(skill: Skill, at_least: i64) -> Expr {
        match u8::try_from(at_least.max(0)) {
            Ok(0) => Expr::Anybody,
            Ok(level) if level <= LEVEL_MAX => Expr::Skill(skill, level),
            _ => Expr::Nobody,
        }
    }

    pub fn all(parts: impl IntoIterator<Item = Expr>) -> Expr {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Expr::Anybody => {}
                Expr::Nobody => return Expr::Nobody,
                Expr::All(parts) => kept.extend(parts),
                part => kept.push(part),
            }
        }
        join(kept, |level, other| level < other, Expr::All, Expr::Anybody)
    }

    pub fn one(parts: impl IntoIterator<Item = Expr>) -> Expr {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Expr::Nobody => {}
                Expr::Anybody => return Expr::Anybody,
                Expr::One(parts) => kept.extend(parts),
                part => kept.push(part),
            }
        }
        join(kept, |level, other| level > other, Expr::One, Expr::Nobody)
    }

    #[expect(clippy::should_implement_trait, reason = "beside `all` and `one`")]
    pub fn not(part: Expr) -> Expr {
        match part {
            Expr::Anybody => Expr::Nobody,
            Expr::Nobody => Expr::Anybody,
            Expr::Not(part) => *part,
            part => Expr::Not(Box::new(part)),
        }
    }

    /// Whether somebody with these levels meets it; `level` gives 0 for a skill that is lacked.
    pub fn is_met(&self, level: &impl Fn(&str) -> u8) -> bool {
        match self {
            Expr::Anybody => true,
            Expr::Nobody => false,
            Expr::Skill(skill, needs) => skill.level(level) >= *needs,
            Expr::Not(part) => !part.is_met(level),
            Expr::All(parts) => parts.iter().all(|part| part.is_met(level)),
            Expr::One(parts) => parts.iter().any(|part| part.is_met(level)),
        }
    }

    /// What somebody with these levels lacks; `None` if they meet it. Of several ways, what lacks on the first.
    pub fn lack(&self, level: &impl Fn(&str) -> u8) -> Option<Lack> {
        if self.is_met(level) {
            return None;
        }
        match self {
            Expr::Skill(skill, needs) => {
                Some(Lack::Level { skill: skill.to_string(), has: skill.level(level), needs: *needs })
            }
            Expr::All(parts) => parts.iter().find_map(|part| part.lack(level)),
            Expr::One(parts) => parts.first().and_then(|part| part.lack(level)),
            Expr::Not(part) => Some(match part.skills().next() {
                Some((skill, _)) => Lack::Unwanted { skill: skill.to_string() },
                None => Lack::Unmeetable,
            }),
            Expr::Anybody | Expr::Nobody => Some(Lack::Unmeetable),
        }
    }

    /// How well somebody with these levels is suited: the sum of their levels of all skills that it names as wanted.
    pub fn fit(&self, level: &impl Fn(&str) -> u8) -> u32 {
        match self {
            Expr::Anybody | Expr::Nobody | Expr::Not(_) => 0,
            Expr::Skill(skill, _) => u32::from(skill.level(level)),
            Expr::All(parts) | Expr::One(parts) => parts.iter().map(|part| part.fit(level)).sum(),
        }
    }

    /// The fewest skills of which everybody who meets it has one at least; `None`: one may meet it with none.
    pub fn clues(&self) -> Option<Vec<&str>> {
        match self {
            Expr::Skill(Skill::Named(name), _) => Some(vec![name]),
            Expr::Nobody => Some(Vec::new()),
            Expr::Anybody | Expr::Not(_) | Expr::Skill(Skill::By { .. }, _) => None,
            Expr::All(parts) => parts.iter().filter_map(Expr::clues).min_by_key(Vec::len),
            Expr::One(parts) => {
                let parts: Option<Vec<Vec<&str>>> = parts.iter().map(Expr::clues).collect();
                parts.map(|parts| parts.concat())
            }
        }
    }

    /// The skills it names with their levels, wanted or not, in no certain order.
    pub fn skills(&self) -> Box<dyn Iterator<Item = (&Skill, u8)> + '_> {
        match self {
            Expr::Anybody | Expr::Nobody => Box::new(std::iter::empty()),
            Expr::Skill(skill, level) => Box::new(std::iter::once((skill, *level))),
            Expr::Not(part) => part.skills(),
            Expr::All(parts) | Expr::One(parts) => Box::new(parts.iter().flat_map(Expr::skills)),
        }
    }

    fn resolved(&self, attributes: &Attributes) -> Expr {
        match self {
            Expr::Anybody | Expr::Nobody => self.clone(),
            Expr::Skill(Skill::Named(_), _) => self.clone(),
            Expr::Skill(Skill::By { family, attribute }, level) => match attributes.get(attribute) {
                Some(value) => Expr::Skill(Skill::Named(format!("{family}_{value}")), *level),
                None => Expr::Anybody,
            },
            Expr::Not(part) => Expr::not(part.resolved(attributes)),
            Expr::All(parts) => Expr::all(parts.iter().map(|part| part.resolved(attributes))),
            Expr::One(parts) => Expr::one(parts.iter().map(|part| part.resolved(attributes))),
        }
    }

    fn has_names(&self) -> bool {
        self.skills().any(|(skill, _)| matches!(skill, Skill::By { .. }))
    }
}

/// Sorted, each part once, and of two levels of one skill only the one that the other does not make needless.
fn join(mut parts: Vec<Expr>, is_needless: fn(u8, u8) -> bool, whole: fn(Vec<Expr>) -> Expr, none: Expr) -> Expr {
    parts.sort_unstable();
    parts.dedup();
    let levels: Vec<(Skill, u8)> = parts.iter().filter_map(Expr::as_skill).collect();
    let others = |skill: &Skill, level: u8| levels.iter().any(|(other, at)| other == skill && is_needless(level, *at));
    parts.retain(|part| part.as_skill().is_none_or(|(skill, level)| !others(&skill, level)));
    match parts.len() {
        0 => none,
        1 => parts.remove(0),
        _ => whole(parts),
    }
}

impl Expr {
    fn as_skill(&self) -> Option<(Skill, u8)> {
        match self {
            Expr::Skill(skill, level) => Some((skill.clone(), *level)),
            _ => None,
        }
    }
}

impl Skill {
    fn level(&self, level: &impl Fn(&str) -> u8) -> u8 {
        match self {
            Skill::Named(name) => level(name),
            Skill::By { .. } => 0,
        }
    }
}

impl fmt::Display for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skill::Named(name) => f.write_str(name),
            Skill::By { family, attribute } => write!(f, "{family}({attribute})"),
        }
    }
}

impl fmt::Display for Licence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.jurisdiction {
            Word::Is(name) => write!(f, "licence({}, \"{name}\")", self.kind),
            Word::Of(attribute) => write!(f, "licence({}, {attribute})", self.kind),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Expr], word: &str| {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                match part {
                    Expr::All(_) | Expr::One(_) => write!(f, "({part})")?,
                    _ => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Expr::Anybody => f.write_str("anybody"),
            Expr::Nobody => f.write_str("nobody"),
            Expr::Skill(skill, 1) => write!(f, "{skill}"),
            Expr::Skill(skill, level) => write!(f, "{skill} >= {level}"),
            Expr::Not(part) if matches!(**part, Expr::Skill(_, 1)) => write!(f, "not {part}"),
            Expr::Not(part) => write!(f, "not ({part})"),
            Expr::All(parts) => list(f, parts, "and"),
            Expr::One(parts) => list(f, parts, "or"),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, licence) in self.licences.iter().enumerate() {
            write!(f, "{}{licence}", if i > 0 { " and " } else { "" })?;
        }
        match &self.skills {
            Expr::Anybody if !self.licences.is_empty() => Ok(()),
            skills if self.licences.is_empty() => write!(f, "{skills}"),
            skills @ Expr::One(_) => write!(f, " and ({skills})"),
            skills => write!(f, " and {skills}"),
        }
    }
}

impl From<Need> for String {
    fn from(need: Need) -> String {
        if need.is_none() { String::new() } else { need.to_string() }
    }
}

impl TryFrom<String> for Need {
    type Error = NeedError;
    fn try_from(source: String) -> Result<Need, NeedError> {
        if source.is_empty() { Ok(Need::default()) } else { Need::parse(&source).map(|(need, _)| need) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn need(source: &str) -> Need {
        Need::parse(source).expect(source).0
    }

    fn met(source: &str, has: &[(&str, u8)]) -> bool {
        need(source).skills.is_met(&|name: &str| has.iter().find(|(skill, _)| *skill == name).map_or(0, |(_, l)| *l))
    }

    #[test]
    fn levels_and_words_mean_what_they_say() {
        let both = [("sales", 3), ("lang_sv", 10)];
        for (source, expected) in [
            ("sales", true),
            ("sales >= 3", true),
            ("sales > 3", false),
            ("sales == 3", true),
            ("sales < 4 and sales <= 3", true),
            ("sales >= 4 or lang_sv", true),
            ("sales >= 4 or lang_en", false),
            ("not trainee", true),
            ("not sales", false),
            ("not (sales and lang_en)", true),
            ("sales and (lang_en >= 5 or lang_sv)", true),
            ("anybody", true),
            ("nobody", false),
        ] {
            assert_eq!(met(source, &both), expected, "{source}");
        }
    }

    #[test]
    fn the_same_need_written_otherwise_is_the_same() {
        for (one, other) in [
            ("a and b", "b and (a and a)"),
            ("a >= 3 and a >= 5 and a", "a >= 5"),
            ("a >= 3 or a >= 5", "a >= 3"),
            ("not not a", "a"),
            ("a and anybody", "a"),
            ("a or nobody", "a"),
            ("a > 9 and b", "b and a >= 10"),
            ("a < 1", "not a"),
        ] {
            assert_eq!(need(one), need(other), "{one}");
        }
        assert_eq!(need("a and nobody").skills, Expr::Nobody);
        assert_eq!(need("a > 10 or b"), need("b"), "no level is above ten");
    }

    #[test]
    fn attributes_of_the_contact_complete_it() {
        let attributes = Attributes::from([("language".into(), "sv".into()), ("state".into(), "NY".into())]);
        let resolved = |source: &str| need(source).resolved(&attributes).to_string();
        assert_eq!(resolved("lang(language) >= 3 and sales"), "lang_sv >= 3 and sales");
        assert_eq!(resolved("topic(topic) and sales"), "sales", "of what is not known nothing is asked");
        assert_eq!(resolved("licence(insurance, state)"), "licence(insurance, \"NY\")");
        let unknown = resolved("licence(insurance, country) and sales");
        assert_eq!(unknown, "licence(insurance, country) and nobody", "a licence fails closed, wherever it goes");
    }

    #[test]
    fn what_lacks_is_named() {
        let lack = |source: &str| need(source).skills.lack(&|name: &str| u8::from(name == "sales") * 3);
        let level = |skill: &str, has, needs| Some(Lack::Level { skill: skill.into(), has, needs });
        assert_eq!(lack("sales >= 3"), None);
        assert_eq!(lack("sales >= 5 and other"), level("other", 0, 1));
        assert_eq!(lack("sales >= 5"), level("sales", 3, 5));
        assert_eq!(lack("lang_sv or lang_en"), level("lang_en", 0, 1));
        assert_eq!(lack("not sales"), Some(Lack::Unwanted { skill: "sales".into() }));
        assert_eq!(lack("nobody"), Some(Lack::Unmeetable));
    }

    #[test]
    fn who_is_suited_has_one_of_the_clues() {
        let clues = |source: &str| need(source).skills.clues().map(|clues| clues.join(" "));
        assert_eq!(clues("a and (b or c)").as_deref(), Some("a"));
        assert_eq!(clues("b or c").as_deref(), Some("b c"));
        assert_eq!(clues("a or not b"), None);
        assert_eq!(clues("nobody").as_deref(), Some(""));
        assert_eq!(clues("anybody"), None);
    }

    fn exprs() -> impl Strategy<Value = Expr> {
        let skill = |(name, level): (usize, i64)| Expr::skill(Skill::Named(["x", "y", "z"][name].into()), level);
        let leaf = (0usize..3, 0i64..12).prop_map(skill);
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(Expr::not),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Expr::all),
                prop::collection::vec(inner, 0..4).prop_map(Expr::one),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(skills in exprs(), licences in prop::collection::btree_set("k[a-z]{1,3}", 0..3)) {
            let licence = |kind| Licence { kind, jurisdiction: Word::Is("SE".into()) };
            let need = Need { skills, licences: licences.into_iter().map(licence).collect() };
            let json = serde_json::to_string(&need).expect("plain");
            prop_assert_eq!(&serde_json::from_str::<Need>(&json).expect("written just now"), &need, "{}", json);
        }

        #[test]
        fn forms_mean_the_same_as_their_parts(parts in prop::collection::vec(exprs(), 0..4), levels in [0u8..=10, 0..=10, 0..=10]) {
            let level = |name: &str| levels[name.bytes().next().map_or(0, |b| usize::from(b - b'x'))];
            let met: Vec<bool> = parts.iter().map(|part| part.is_met(&level)).collect();
            prop_assert_eq!(Expr::all(parts.clone()).is_met(&level), met.iter().all(|met| *met));
            prop_assert_eq!(Expr::one(parts.clone()).is_met(&level), met.iter().any(|met| *met));
            for part in &parts {
                prop_assert_eq!(Expr::not(part.clone()).is_met(&level), !part.is_met(&level));
                prop_assert_eq!(part.lack(&level).is_none(), part.is_met(&level));
                if let Some(clues) = part.clues().filter(|_| part.is_met(&level)) {
                    prop_assert!(clues.iter().any(|clue| level(clue) > 0), "{} by {:?}", part, clues);
                }
            }
        }
    }
}

//! What the shapes of a flow file are built from: values with their places, mappings in order, parts whose errors do
//! not spoil the rest. They are read by [`read`] and by nothing else.

use super::tree::{AT, KEPT, MANY};
pub use super::tree::{Bad, TEXT_OR, read};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    pub length: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug, Default)]
pub struct At<T> {
    pub value: T,
    pub at: Span,
}

impl<T> Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A mapping whose order is kept and whose keys have places.
#[derive(Clone, Debug)]
pub struct Ordered<T>(pub Vec<(At<String>, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered(Vec::new())
    }
}

/// A part whose errors do not spoil the rest of the file: `None` if it could not be read, and then it was reported.
#[derive(Clone, Debug)]
pub struct Kept<T>(pub Option<T>);

/// One, or a list of them.
#[derive(Clone, Debug)]
pub struct Many<T>(pub Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Many(Vec::new())
    }
}

/// A length of time, written `500ms`, `5s`, `2m`, `1h` or `1m30s`; at most a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub Duration);

/// How long ago something may have been, written as a [`Length`]; at most 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(pub Duration);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct AtVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for AtVisitor<T> {
            type Value = At<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<At<T>, A::Error> {
                let mut number = || seq.next_element::<u32>().map(Option::unwrap_or_default);
                let at = Span { line: number()?, column: number()?, length: number()? };
                let value = seq.next_element()?.ok_or_else(|| de::Error::custom("no value"))?;
                Ok(At { value, at })
            }
        }
        d.deserialize_newtype_struct(AT, AtVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct OrderedVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OrderedVisitor<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("names with what they stand for")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        d.deserialize_map(OrderedVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Kept<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct KeptVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for KeptVisitor<T> {
            type Value = Kept<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<Kept<T>, D::Error> {
                // The error was told by the deserializer, which was asked to keep it.
                Ok(Kept(T::deserialize(d).ok()))
            }
        }
        d.deserialize_newtype_struct(KEPT, KeptVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct ManyVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
            type Value = Many<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("one, or a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Many<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Many(list))
            }
        }
        d.deserialize_newtype_struct(MANY, ManyVisitor(PhantomData))
    }
}

impl Length {
    /// The words of the documentation, or what is wrong with them.
    pub fn parse(text: &str) -> Result<Length, &'static str> {
        const EXPECTED: &str = "a length of time such as `5s`, `500ms`, `2m` or `1m30s`, at most 24h";
        Length::up_to(86_400, text).ok_or(EXPECTED)
    }

    /// At most so many seconds.
    fn up_to(most: u64, text: &str) -> Option<Length> {
        let mut rest = text;
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let number: u32 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = match &rest[..end] {
                "ms" => Duration::from_millis(1),
                "s" => Duration::from_secs(1),
                "m" => Duration::from_secs(60),
                "h" => Duration::from_secs(3600),
                _ => return None,
            };
            total = total.saturating_add(unit.saturating_mul(number));
            rest = &rest[end..];
        }
        (total <= Duration::from_secs(most)).then_some(Length(total))
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let Length(age) = Length::up_to(720 * 3600, &text).ok_or_else(|| {
            let expected = "a length of time such as `90m` or `48h`, at most 720h";
            de::Error::custom(format!("expected {expected}, found `{text}`"))
        })?;
        Ok(Age(age))
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Length::parse(&text).map_err(|expected| de::Error::custom(format!("expected {expected}, found `{text}`")))
    }
}

// --- their schemas ---

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Kept<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Ordered<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Ordered_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Many_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl JsonSchema for Age {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Age".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Length::json_schema(generator)
    }
}

impl JsonSchema for Length {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        name: At<String>,
        steps: Ordered<Kept<Step>>,
        #[serde(default)]
        tags: Many<At<String>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Step {
        Play(Play),
        #[expect(dead_code, reason = "read, never looked at")]
        Wait(Wait),
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Play {
        prompt: At<String>,
        next: Option<At<String>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, never looked at")]
    struct Wait {
        #[serde(rename = "for")]
        length: Length,
        #[serde(default)]
        times: u8,
    }

    fn places(bad: &[Bad]) -> Vec<(u32, u32, &str)> {
        bad.iter()
            .map(|b| b.at.map_or((0, 0), |at| (at.line, at.column)))
            .zip(bad)
            .map(|((l, c), b)| (l, c, b.message.as_str()))
            .collect()
    }

    #[test]
    fn every_value_knows_its_place() {
        let (file, bad) = read::<File>(
            "name: x\ntags: [a, 'bä', 0700, true]\nsteps:\n  one: { play: { prompt: \"hej\", next: two } }\n",
        );
        assert_eq!(bad, []);
        let file = file.expect("nothing was bad");
        assert_eq!(file.name.at, Span { line: 1, column: 7, length: 1 });
        let tags: Vec<_> = file.tags.0.iter().map(|t| (t.value.as_str(), t.at.column, t.at.length)).collect();
        assert_eq!(tags, [("a", 8, 1), ("bä", 11, 4), ("0700", 17, 4), ("true", 23, 4)]);
        let (name, Kept(Some(Step::Play(play)))) = &file.steps.0[0] else { panic!("{:?}", file.steps) };
        assert_eq!((name.value.as_str(), name.at.line, name.at.column), ("one", 4, 3));
        assert_eq!(play.prompt.at, Span { line: 4, column: 26, length: 5 });
        assert_eq!(play.next.as_ref().map(|n| n.at.column), Some(39));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = "name: x\nnmae: y\nsteps:\n  a: { plya: { prompt: x } }\n  b: { play: { pormpt: x, netx: b } }\n  c: { wait: { for: 5 parsecs } }\n  d: { wait: { for: 5s, times: many } }\n  e: { play: { prompt: x }, wait: { for: 1s } }\n  f: 7\n  g: play\n";
        let (file, bad) = read::<File>(text);
        assert!(file.is_some());
        let expected = [
            (2, 1, "unknown setting `nmae`"),
            (4, 8, "there is no `plya` here"),
            (5, 14, "`prompt` is missing here"),
            (5, 16, "unknown setting `pormpt`"),
            (5, 27, "unknown setting `netx`"),
        ];
        let found = places(&bad);
        for e in expected {
            assert!(found.iter().any(|f| f.0 == e.0 && f.2 == e.2), "{e:?} in {found:#?}");
        }
        for line in 6..=10 {
            assert!(found.iter().any(|f| f.0 == line), "line {line} in {found:#?}");
        }
        let help = |message: &str| bad.iter().find(|b| b.message == message).and_then(|b| b.help.clone());
        assert_eq!(help("there is no `plya` here").as_deref(), Some("did you mean `play`?"));
    }

    #[test]
    fn broken_yaml_and_duplicate_keys_have_a_place() {
        let (_, bad) = read::<File>("name: x\nname: y\nsteps: {}\n");
        assert_eq!(bad[0].at.map(|a| a.line), Some(2), "{bad:?}");
        let (_, bad) = read::<File>("name: [x\nsteps: {}\n");
        assert!(bad[0].at.is_some(), "{bad:?}");
        let (_, bad) = read::<File>("");
        assert_eq!(bad.len(), 1, "{bad:?}");
    }

    #[test]
    fn alias_bombs_are_stopped() {
        let mut text = String::from("name: x\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        let (file, bad) = read::<File>(&text);
        assert!(file.is_none() && !bad.is_empty());
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(Length::parse("1m30s"), Ok(Length(Duration::from_secs(90))));
        assert_eq!(Length::parse("500ms"), Ok(Length(Duration::from_millis(500))));
        for wrong in ["", "5", "s", "5 s", "-5s", "25h", "99999999999s", "5ß"] {
            assert!(Length::parse(wrong).is_err(), "{wrong}");
        }
    }
}

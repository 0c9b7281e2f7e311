//! A flow file as it is written: the shapes that steps share. Each step's own settings are in its file in `nodes/`.

use super::calendar::CalendarFile;
use super::nodes::StepFile;
use super::test::TestFile;
use super::yaml::{At, Kept, Many, Ordered};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A flow: what a caller hears and where they are led, as a graph of named steps.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Flow")]
pub struct FlowFile {
    /// Its name, by which numbers and other flows refer to it.
    pub flow: At<String>,
    /// What it is for, for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Languages it can speak; it begins in the first.
    pub languages: At<Vec<At<String>>>,
    /// The first step.
    pub start: At<String>,
    /// Variables and what they hold at the start, unless a flow that led here has set them.
    #[serde(default)]
    pub variables: Ordered<At<Literal>>,
    /// Opening hours by name, for `hours` steps.
    #[serde(default)]
    pub calendars: Ordered<Kept<CalendarFile>>,
    /// The steps by name. Each is one verb with its settings.
    pub steps: Ordered<Kept<StepFile>>,
    /// Calls that are played through without a phone by `vaxel check`.
    #[serde(default)]
    pub tests: Vec<Kept<TestFile>>,
}

/// A text, a number, or true/false.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

/// Where it goes on: the name of a step, or a step written in place.
#[derive(Clone, Debug)]
pub enum Next {
    Step(String),
    Inline(Box<StepFile>),
}

pub type Way = At<Next>;

/// What is said: a prompt, or something spoken from recorded words.
#[derive(Clone, Debug)]
pub enum Saying {
    Prompt(String),
    Special(SpecialSaying),
}

/// Exactly one of `prompt`, `number` and `digits`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpecialSaying {
    /// A prompt by name, with `language` when it is not to be the caller's.
    pub prompt: Option<At<String>>,
    pub language: Option<At<String>>,
    /// An expression whose value is spoken as a number, 0 to 999.
    pub number: Option<At<String>>,
    /// An expression whose digits are spoken one by one.
    pub digits: Option<At<String>>,
}

pub type Sayings = Many<At<Saying>>;

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct LiteralVisitor;
        impl Visitor<'_> for LiteralVisitor {
            type Value = Literal;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text, a number or true/false")
            }
            fn visit_str<E>(self, v: &str) -> Result<Literal, E> {
                Ok(Literal::Text(v.to_string()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Literal, E> {
                Ok(Literal::Int(v))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Literal, E> {
                Ok(Literal::Float(v))
            }
            fn visit_bool<E>(self, v: bool) -> Result<Literal, E> {
                Ok(Literal::Bool(v))
            }
        }
        d.deserialize_any(LiteralVisitor)
    }
}

/// An enum that is read from a text, or from anything else as the type of its other variant.
macro_rules! text_or {
    ($type:ident, $text:ident, $other:ident($inner:ty), $expected:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct TextOr;
                impl<'de> serde::de::Visitor<'de> for TextOr {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<$type, E> {
                        Ok($type::$text(v.to_string()))
                    }
                    fn visit_newtype_struct<D: serde::Deserializer<'de>>(self, d: D) -> Result<$type, D::Error> {
                        Ok($type::$other(<$inner as serde::Deserialize>::deserialize(d)?.into()))
                    }
                }
                d.deserialize_newtype_struct(crate::flow::yaml::TEXT_OR, TextOr)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": $expected,
                    "anyOf": [{ "type": "string" }, generator.subschema_for::<$inner>()],
                })
            }
        }
    };
}

pub(super) use text_or;

text_or!(Next, Step, Inline(StepFile), "the name of a step, or a step in place");
text_or!(Saying, Prompt, Special(SpecialSaying), "the name of a prompt, or `{ number: … }` or `{ digits: … }`");

impl JsonSchema for Literal {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Literal".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// For schemas: a text that may be written as a plain number.
#[derive(Debug)]
pub struct TextOrNumber;

impl JsonSchema for TextOrNumber {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "TextOrNumber".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// The JSON Schema of a flow file, as `ivr-flows/flow.schema.json` holds it: two spaces, one line break at the end.
pub fn schema() -> String {
    let schema = schemars::schema_for!(FlowFile);
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"  ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, format);
    schema.serialize(&mut serializer).expect("a schema is plain JSON");
    text.push(b'\n');
    String::from_utf8(text).expect("serde_json writes UTF-8")
}

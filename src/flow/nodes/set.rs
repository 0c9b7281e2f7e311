//! `set`: gives variables their values, and changes the language.

use super::{Kind, StepId, Turn, Way};
use crate::flow::compile::Compiler;
use crate::flow::expr::{Text, Value};
use crate::flow::model::{self, Literal};
use crate::flow::walk::Walk;
use crate::flow::yaml::At;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Variable → value; `next` is where it goes on.
#[derive(Clone, Debug)]
pub struct File {
    pub values: Vec<(At<String>, At<Literal>)>,
    pub next: Option<model::Way>,
}

#[derive(Debug)]
pub struct Set {
    values: Vec<(String, To)>,
    next: StepId,
    languages: Vec<String>,
}

#[derive(Debug)]
enum To {
    Value(Value),
    Text(Text),
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct SetVisitor;
        impl<'de> Visitor<'de> for SetVisitor {
            type Value = File;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("variables with their values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
                let mut file = File { values: Vec::new(), next: None };
                while let Some(key) = map.next_key::<At<String>>()? {
                    if *key == "next" {
                        file.next = Some(map.next_value()?);
                    } else {
                        file.values.push((key, map.next_value()?));
                    }
                }
                if file.values.is_empty() {
                    return Err(de::Error::custom(
                        "nothing is set here\nsuch as `set: { language: sv, next: topics }`",
                    ));
                }
                Ok(file)
            }
        }
        d.deserialize_map(SetVisitor)
    }
}

impl JsonSchema for File {
    fn schema_name() -> Cow<'static, str> {
        "Set".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Variable → value: a number, true/false, or a text with expressions in `{{ braces }}`. `language` is the language spoken; `next` is where it goes on.",
            "type": "object",
            "properties": { "next": generator.subschema_for::<model::Next>() },
            "additionalProperties": generator.subschema_for::<Literal>(),
        })
    }
}

impl Kind for Set {
    type File = File;
    type State = ();

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Set {
        let mut values = Vec::new();
        for (name, value) in &file.values {
            let known = compiler.reads_so_far();
            let to = match &value.value {
                Literal::Text(text) => {
                    let text = At { value: text.clone(), at: value.at };
                    match compiler.text(&text) {
                        Some(parsed) => match parsed.literal() {
                            Some(literal) => To::Value(Value::Text(literal.to_string())),
                            None => To::Text(parsed),
                        },
                        None => continue,
                    }
                }
                Literal::Int(i) => To::Value(Value::Int(*i)),
                Literal::Float(x) => To::Value(Value::Float(*x)),
                Literal::Bool(b) => To::Value(Value::Bool(*b)),
            };
            // What an earlier line of this step has set can be read by a later one.
            compiler.forget_reads(known, |read| values.iter().any(|(set, _): &(String, To)| set == read));
            if **name == "language" {
                if let To::Value(value) = &to {
                    compiler.language(&value.to_string(), file.values_at(name));
                }
                values.push(("language".to_string(), to));
            } else {
                values.push((compiler.variable(name), to));
            }
        }
        Set { values, next: compiler.next(&file.next, after), languages: compiler.languages().to_vec() }
    }

    fn ways(&self) -> Vec<Way> {
        let sets = self.values.iter().map(|(name, _)| name.clone()).collect();
        vec![Way { label: String::new(), to: self.next, paused: false, sets }]
    }

    fn enter(&self, (): &mut (), walk: &mut Walk) -> Turn {
        for (name, to) in &self.values {
            let value = match to {
                To::Value(value) => Ok(value.clone()),
                To::Text(text) => text.value(&walk.scope),
            };
            match value {
                Ok(value) if name == "language" => {
                    let language = value.to_string();
                    if self.languages.contains(&language) {
                        walk.scope.language = language;
                    } else {
                        walk.fault(format!("`{language}` is no language of this flow"));
                    }
                }
                Ok(value) => {
                    walk.scope.variables.insert(name.clone(), value);
                }
                Err(reason) => walk.fault(reason),
            }
        }
        Turn::at_once(self.next)
    }
}

impl Set {
    /// What is set, in one line.
    pub fn detail(&self) -> String {
        let one = |(name, to): &(String, To)| match to {
            To::Value(value) => format!("{name}: {value}"),
            To::Text(_) => format!("{name}: …"),
        };
        self.values.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

impl File {
    fn values_at(&self, name: &At<String>) -> crate::flow::yaml::Span {
        self.values.iter().find(|(key, _)| key.at == name.at).map_or(name.at, |(_, value)| value.at)
    }
}

#[cfg(test)]
mod tests {
    use crate::flow::phone::{Phone, problems};

    #[test]
    fn values_are_set_in_order_and_the_language_too() {
        let mut phone = Phone::call(
            "a: { set: { x: 1, y: '{{ x + 1 }}', z: 'from {{ call.from }}', language: sv, next: b } }\nb: { queue: { name: sales, failed: hangup } }",
        );
        assert_eq!(
            phone.sees(),
            ":a, :b, answer, queue sales 0 anybody None sv {\"x\": \"1\", \"y\": \"2\", \"z\": \"from +46701234567\"}"
        );
    }

    #[test]
    fn what_fails_is_recorded_and_passed_over() {
        let mut phone = Phone::call(
            "a: { set: { x: '{{ 1 / 0 }}', language: '{{ call.name }}', next: b } }\nb: { play: { prompt: a, next: hangup } }",
        );
        let seen = phone.sees();
        assert!(seen.starts_with(":a, fault in a: `1 / 0`: "), "{seen}");
        assert!(seen.ends_with("fault in a: `` is no language of this flow, :b, answer, say a"), "{seen}");
    }

    #[test]
    fn languages_names_and_expressions_are_checked() {
        assert_eq!(
            problems("a: { set: { language: se, call: 1, x-y: 2, z: 'é {{ 1 + }}', next: hangup } }\n"),
            [
                (1, 23, "`se` is no language of this flow".to_string()),
                (1, 27, "`call` has a meaning of its own here".to_string()),
                (1, 36, "`x-y` cannot be the name of a variable".to_string()),
                (1, 55, "this is no expression: mismatched input: the end".to_string()),
            ]
        );
        assert_eq!(problems("a: { set: { next: hangup } }"), [(1, 11, "nothing is set here".to_string())]);
    }
}

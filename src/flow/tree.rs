//! YAML as a tree with positions, and a deserializer that reads parts of it into types.
//!
//! Reading in two goes lets every wrong part of a file be reported at once, each with its place, where a plain
//! deserializer stops at the first. Duplicate keys and alias bombs are stopped by the parser below.

use super::wording;
use super::yaml::Span;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_saphyr::Spanned;
use std::cell::RefCell;
use std::fmt;

/// What is wrong with a part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    pub at: Option<Span>,
    pub message: String,
    pub help: Option<String>,
}

/// Reads `text` into `T`: what could be read, and everything that is wrong, in the order of the file.
///
/// Nothing is wrong exactly when the list is empty, and then there is a value.
pub fn read<T: for<'de> Deserialize<'de>>(text: &str) -> (Option<T>, Vec<Bad>) {
    const LONGEST: usize = 1 << 20;
    if text.len() > LONGEST {
        return (None, vec![Bad::new("the file is longer than 1 MiB")]);
    }
    // Deep enough for any flow a person writes, and far from the end of a small stack.
    let options = serde_saphyr::options! { with_snippet: false, budget: serde_saphyr::budget! { max_depth: 32 } };
    let tree: Spanned<Raw> = match serde_saphyr::from_str_with_options(text, options) {
        Ok(tree) => tree,
        Err(error) => return (None, vec![Bad::of_parser(&error)]),
    };
    let tree = Node::new(tree, text);
    let sink = RefCell::new(Vec::new());
    let result = T::deserialize(De { node: &tree, sink: &sink, keep: false });
    let mut bad = sink.into_inner();
    let value = result.map_err(|error| bad.push(error)).ok();
    bad.sort_by_key(|b| b.at.map(|at| (at.line, at.column)));
    bad.dedup();
    (value, bad)
}

/// Newtypes of these names are read in a way of their own; the wrapper types in `yaml` ask for them.
pub(super) const AT: &str = "vaxel::At";
pub(super) const KEPT: &str = "vaxel::Kept";
pub(super) const MANY: &str = "vaxel::Many";

impl Bad {
    fn new(message: impl Into<String>) -> Bad {
        Bad { at: None, message: message.into(), help: None }
    }

    fn of_parser(error: &serde_saphyr::Error) -> Bad {
        let at = error.location().map(|l| Span { line: l.line() as u32, column: l.column() as u32, length: 1 });
        let (message, help) = wording::of_parser(error);
        Bad { at, message, help }
    }
}

// --- the tree ---

/// What the parser hands over; becomes a [`Node`].
enum Raw {
    Scalar(Scalar),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

struct Node {
    at: Span,
    kind: Kind,
}

enum Kind {
    /// The text is the scalar as the file has it, so that a plain `0700` can still be read as text.
    Scalar(Scalar, String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Raw, D::Error> {
        struct RawVisitor;
        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("YAML")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Scalar(Scalar::Null))
            }
            fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
                Ok(Raw::Scalar(Scalar::Bool(v)))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
                Ok(Raw::Scalar(Scalar::Int(v)))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
                Ok(Raw::Scalar(i64::try_from(v).map_or(Scalar::Float(v as f64), Scalar::Int)))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
                Ok(Raw::Scalar(Scalar::Float(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
                Ok(Raw::Scalar(Scalar::Text(v.to_string())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Raw::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }
        d.deserialize_any(RawVisitor)
    }
}

impl Node {
    fn new(raw: Spanned<Raw>, text: &str) -> Node {
        let place = raw.referenced;
        let span = raw.defined.span();
        // Byte offsets tell what the author really wrote; an alias shows the text it stands for.
        let written = span.byte_offset().zip(span.byte_len()).and_then(|(start, len)| {
            let (start, len) = (usize::try_from(start).ok()?, usize::try_from(len).ok()?);
            text.get(start..start.checked_add(len)?)
        });
        let written = written.unwrap_or_default().trim_end();
        let length = written.lines().next().map_or(1, |line| line.chars().count().max(1));
        let mut at = Span { line: place.line() as u32, column: place.column() as u32, length: length as u32 };
        let kind = match raw.value {
            Raw::Scalar(scalar) => Kind::Scalar(scalar, written.to_string()),
            Raw::List(items) => Kind::List(items.into_iter().map(|item| Node::new(item, text)).collect()),
            Raw::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let (referenced, defined) = (key.referenced, key.defined);
                        let key = Spanned { value: Raw::Scalar(Scalar::Text(key.value)), referenced, defined };
                        (Node::new(key, text), Node::new(value, text))
                    })
                    .collect(),
            ),
        };
        if !matches!(kind, Kind::Scalar(..)) {
            at.length = 1;
        }
        Node { at, kind }
    }

    fn unexpected(&self) -> de::Unexpected<'_> {
        match &self.kind {
            Kind::Scalar(Scalar::Null, _) => de::Unexpected::Other("nothing"),
            Kind::Scalar(Scalar::Bool(b), _) => de::Unexpected::Bool(*b),
            Kind::Scalar(Scalar::Int(i), _) => de::Unexpected::Signed(*i),
            Kind::Scalar(Scalar::Float(x), _) => de::Unexpected::Float(*x),
            Kind::Scalar(Scalar::Text(s), _) => de::Unexpected::Str(s),
            Kind::List(_) => de::Unexpected::Other("a list"),
            Kind::Map(_) => de::Unexpected::Other("settings"),
        }
    }
}

// --- from the tree into types ---

impl de::Error for Bad {
    fn custom<T: fmt::Display>(message: T) -> Bad {
        // A help may follow after a line break: serde's errors are one text.
        let message = message.to_string();
        match message.split_once('\n') {
            Some((message, help)) => Bad { at: None, message: message.into(), help: Some(help.into()) },
            None => Bad::new(message),
        }
    }

    fn invalid_type(got: de::Unexpected, expected: &dyn de::Expected) -> Bad {
        Bad::new(format!("expected {}, found {}", wording::expected(&expected.to_string()), wording::found(got)))
    }

    fn invalid_value(got: de::Unexpected, expected: &dyn de::Expected) -> Bad {
        Self::invalid_type(got, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Bad {
        Bad {
            at: None,
            message: format!("there is no `{variant}` here"),
            help: super::problem::suggest(variant, expected.iter().copied()),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Bad {
        Bad {
            at: None,
            message: format!("unknown setting `{field}`"),
            help: super::problem::suggest(field, expected.iter().copied()),
        }
    }

    fn missing_field(field: &'static str) -> Bad {
        Bad::new(format!("`{field}` is missing here"))
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Bad {}

/// A newtype of this name takes a string by `visit_str` and anything else by `visit_newtype_struct`.
pub const TEXT_OR: &str = "vaxel::TextOr";

#[derive(Clone, Copy)]
struct De<'a> {
    node: &'a Node,
    sink: &'a RefCell<Vec<Bad>>,
    /// Errors of this very node are reported here, because who asked will go on without it.
    keep: bool,
}

impl<'a> De<'a> {
    fn of(self, node: &'a Node) -> De<'a> {
        De { node, sink: self.sink, keep: false }
    }

    fn finish<T>(self, result: Result<T, Bad>) -> Result<T, Bad> {
        result.map_err(|mut bad| {
            bad.at.get_or_insert(self.node.at);
            if self.keep {
                self.sink.borrow_mut().push(bad.clone());
            }
            bad
        })
    }

    /// What `seed` says of a value that it has read stands where the value does.
    fn read<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Bad> {
        self.finish(seed.deserialize(self))
    }

    fn wrong<T>(self, expected: &dyn de::Expected) -> Result<T, Bad> {
        self.finish(Err(de::Error::invalid_type(self.node.unexpected(), expected)))
    }

    fn entries(self, expected: &dyn de::Expected) -> Result<&'a [(Node, Node)], Bad> {
        match &self.node.kind {
            Kind::Map(entries) => Ok(entries),
            Kind::Scalar(Scalar::Null, _) => Ok(&[]),
            _ => self.wrong(expected),
        }
    }
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = Bad;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        let result = match &self.node.kind {
            Kind::Scalar(Scalar::Null, _) => visitor.visit_unit(),
            Kind::Scalar(Scalar::Bool(b), _) => visitor.visit_bool(*b),
            Kind::Scalar(Scalar::Int(i), _) => visitor.visit_i64(*i),
            Kind::Scalar(Scalar::Float(x), _) => visitor.visit_f64(*x),
            Kind::Scalar(Scalar::Text(s), _) => visitor.visit_str(s),
            Kind::List(_) => return self.deserialize_seq(visitor),
            Kind::Map(_) => return self.deserialize_map(visitor),
        };
        self.finish(result)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        let result = match &self.node.kind {
            Kind::Scalar(Scalar::Text(s), _) => visitor.visit_str(s),
            Kind::Scalar(Scalar::Int(_) | Scalar::Float(_) | Scalar::Bool(_), written) => visitor.visit_str(written),
            _ => return self.wrong(&"a text"),
        };
        self.finish(result)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        match self.node.kind {
            Kind::Scalar(Scalar::Null, _) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        match &self.node.kind {
            Kind::List(items) => self.finish(visitor.visit_seq(Items { de: self, items: items.iter() })),
            _ => self.wrong(&"a list"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        let entries = self.entries(&visitor)?;
        self.finish(visitor.visit_map(Entries { de: self, entries: entries.iter(), value: None, fields: None }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Bad> {
        let entries = self.entries(&visitor)?;
        self.finish(visitor.visit_map(Entries { de: self, entries: entries.iter(), value: None, fields: Some(fields) }))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Bad> {
        match name {
            AT => self.finish(visitor.visit_seq(Place { de: self, next: 0 })),
            KEPT => visitor.visit_newtype_struct(De { keep: true, ..self }),
            MANY => match &self.node.kind {
                Kind::List(_) => self.deserialize_seq(visitor),
                _ => self.finish(visitor.visit_seq(Items { de: self, items: std::slice::from_ref(self.node).iter() })),
            },
            TEXT_OR => match &self.node.kind {
                Kind::Scalar(Scalar::Null, _) => self.wrong(&visitor),
                Kind::Scalar(..) => self.deserialize_str(visitor),
                _ => self.finish(visitor.visit_newtype_struct(De { keep: false, ..self })),
            },
            _ => self.finish(visitor.visit_newtype_struct(De { keep: false, ..self })),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Bad> {
        let result = match &self.node.kind {
            Kind::Scalar(Scalar::Text(_), _) => visitor.visit_enum(Variant { de: self, key: self.node, value: None }),
            Kind::Map(entries) => match entries.as_slice() {
                [(key, value)] => visitor.visit_enum(Variant { de: self, key, value: Some(value) }),
                [] => Err(Bad::new(format!("nothing is said here; it can be: {}", variants.join(", ")))),
                [_, (second, _), ..] => Err(Bad {
                    at: Some(second.at),
                    message: "only one of these can stand here".into(),
                    help: Some(format!("one of: {}; its settings stand one level deeper", variants.join(", "))),
                }),
            },
            _ => return self.wrong(&visitor),
        };
        self.finish(result)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        ignored_any
    }
}

struct Items<'a> {
    de: De<'a>,
    items: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Bad;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Bad> {
        self.items.next().map(|node| self.de.of(node).read(seed)).transpose()
    }
}

/// The parts of an [`At`](super::yaml::At): line, column, length, value.
struct Place<'a> {
    de: De<'a>,
    next: u8,
}

impl<'de> SeqAccess<'de> for Place<'_> {
    type Error = Bad;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Bad> {
        use de::IntoDeserializer;
        let at = self.de.node.at;
        self.next += 1;
        match self.next {
            1 => seed.deserialize(at.line.into_deserializer()),
            2 => seed.deserialize(at.column.into_deserializer()),
            3 => seed.deserialize(at.length.into_deserializer()),
            4 => seed.deserialize(De { keep: false, ..self.de }),
            _ => return Ok(None),
        }
        .map(Some)
    }
}

struct Entries<'a> {
    de: De<'a>,
    entries: std::slice::Iter<'a, (Node, Node)>,
    value: Option<&'a Node>,
    /// Names of a struct's fields: others are reported, then passed over, so that the rest is looked at too.
    fields: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Bad;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Bad> {
        for (key, value) in self.entries.by_ref() {
            if let (Some(fields), Kind::Scalar(Scalar::Text(name), _)) = (self.fields, &key.kind)
                && !fields.contains(&name.as_str())
            {
                let bad: Bad = de::Error::unknown_field(name, fields);
                self.de.sink.borrow_mut().push(Bad { at: Some(key.at), ..bad });
                continue;
            }
            self.value = Some(value);
            return seed.deserialize(self.de.of(key)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Bad> {
        let node = self.value.take().expect("serde asks for a value after its key");
        self.de.of(node).read(seed)
    }
}

struct Variant<'a> {
    de: De<'a>,
    key: &'a Node,
    value: Option<&'a Node>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Bad;
    type Variant = Self;
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Bad> {
        Ok((seed.deserialize(self.de.of(self.key))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Bad;

    fn unit_variant(self) -> Result<(), Bad> {
        match self.value {
            None => Ok(()),
            Some(value) => self.de.of(value).wrong(&"nothing"),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Bad> {
        match self.value {
            Some(value) => self.de.of(value).read(seed),
            // A verb alone: all its settings have defaults, or the missing one is named.
            None => {
                let nothing = Node { at: self.key.at, kind: Kind::Map(Vec::new()) };
                seed.deserialize(De { node: &nothing, sink: self.de.sink, keep: false })
            }
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Bad> {
        self.de.wrong(&visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Bad> {
        match self.value {
            Some(value) => self.de.of(value).deserialize_struct("", fields, visitor),
            None => self.de.wrong(&visitor),
        }
    }
}

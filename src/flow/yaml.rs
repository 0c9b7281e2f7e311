//! YAML with positions: a file is read into a tree first, then each part of the tree into its type.
//!
//! Reading in two goes lets every wrong part of a file be reported at once, each with its place, where a plain
//! deserializer stops at the first. Duplicate keys and alias bombs are stopped by the parser below.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_saphyr::Spanned;
use std::borrow::Cow;
use std::cell::RefCell;
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

impl Bad {
    fn new(message: impl Into<String>) -> Bad {
        Bad { at: None, message: message.into(), help: None }
    }

    fn of_parser(error: &serde_saphyr::Error) -> Bad {
        let at = error.location().map(|l| Span { line: l.line() as u32, column: l.column() as u32, length: 1 });
        // The parser ends its message with the place, which we show in our own way.
        let message = error.without_snippet().to_string();
        let message = message.split(" at line ").next().unwrap_or_default().trim_end_matches([',', ':']).to_string();
        Bad { at, message, help: None }
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
        let got = match got {
            de::Unexpected::Other(what) => what.to_string(),
            other => other.to_string(),
        };
        Bad::new(format!("expected {expected}, found {got}"))
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

const AT: &str = "vaxel::At";
const KEPT: &str = "vaxel::Kept";
const MANY: &str = "vaxel::Many";
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
        self.items.next().map(|node| seed.deserialize(self.de.of(node))).transpose()
    }
}

/// The parts of an [`At`]: line, column, length, value.
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
        seed.deserialize(self.de.of(node))
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
            Some(value) => seed.deserialize(self.de.of(value)),
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

// --- the wrapper types ---

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
        let mut rest = text;
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return Err(EXPECTED);
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(EXPECTED)?;
            let number: u32 = rest[..digits].parse().map_err(|_| EXPECTED)?;
            rest = &rest[digits..];
            let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = match &rest[..end] {
                "ms" => Duration::from_millis(1),
                "s" => Duration::from_secs(1),
                "m" => Duration::from_secs(60),
                "h" => Duration::from_secs(3600),
                _ => return Err(EXPECTED),
            };
            total = total.saturating_add(unit.saturating_mul(number));
            rest = &rest[end..];
        }
        if total > Duration::from_secs(86_400) { Err(EXPECTED) } else { Ok(Length(total)) }
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

//! The value of a header line: a text of its own, or a piece of the message that it came in.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A text that is read as a `str`. All values of a message that was read share one copy of its head, so that reading costs
/// one allocation for all of them; as long as one value lives, that copy does.
#[derive(Clone)]
pub struct Value(Kind);

#[derive(Clone)]
enum Kind {
    Own(String),
    /// The bytes from `at` on, on the border of a character both ends.
    Piece {
        of: Arc<str>,
        at: u32,
        length: u32,
    },
}

impl Value {
    /// `None`: there is no such piece.
    pub(crate) fn piece(of: &Arc<str>, range: Range<usize>) -> Option<Value> {
        of.get(range.clone())?;
        let (at, length) = (range.start.try_into().ok()?, range.len().try_into().ok()?);
        Some(Value(Kind::Piece { of: of.clone(), at, length }))
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kind::Own(text) => text,
            // Checked when it was made; the conversion widens.
            Kind::Piece { of, at, length } => &of[*at as usize..*at as usize + *length as usize],
        }
    }
}

impl Deref for Value {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value(Kind::Own(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value(Kind::Own(text.to_owned()))
    }
}

impl From<Cow<'_, str>> for Value {
    fn from(text: Cow<'_, str>) -> Value {
        Value(Kind::Own(text.into_owned()))
    }
}

impl From<Value> for String {
    fn from(value: Value) -> String {
        match value.0 {
            Kind::Own(text) => text,
            Kind::Piece { .. } => value.as_str().to_owned(),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_a_text_and_ends_where_characters_end() {
        let head: Arc<str> = "To: <sip:å@b>".into();
        let piece = Value::piece(&head, 4..head.len()).unwrap();
        assert_eq!(piece, Value::from("<sip:å@b>"));
        assert_eq!(String::from(piece.clone()), piece.to_string());
        assert!(Value::piece(&head, 0..10).is_none() && Value::piece(&head, 4..99).is_none(), "å has two bytes");
        drop(head);
        assert!(piece.ends_with("@b>"));
    }
}

//! A few values by name: a sorted list, which takes a quarter of the memory that a tree of one node takes.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

/// Values by name, in the order of the names. Adding one moves those behind it, so it is for dozens and not for thousands.
///
/// Serialised as a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Few<V>(Vec<(String, V)>);

impl<V> Few<V> {
    pub const fn new() -> Few<V> {
        Few(Vec::new())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&V> {
        self.place(name).ok().map(|place| &self.0[place].1)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.place(name).ok().map(|place| &mut self.0[place].1)
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Gives what was there under this name before.
    pub fn insert(&mut self, name: String, value: V) -> Option<V> {
        match self.place(&name) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                // No room is kept for more than there is.
                self.0.reserve_exact(1);
                self.0.insert(place, (name, value));
                None
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &V)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

impl<V> Default for Few<V> {
    fn default() -> Few<V> {
        Few::new()
    }
}

/// Of two with one name the latter.
impl<V> FromIterator<(String, V)> for Few<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(items: I) -> Few<V> {
        let mut few = Few::new();
        for (name, value) in items {
            few.insert(name, value);
        }
        few
    }
}

impl<V, const N: usize> From<[(String, V); N]> for Few<V> {
    fn from(items: [(String, V); N]) -> Few<V> {
        items.into_iter().collect()
    }
}

/// Panics if there is nothing under this name.
impl<V> Index<&str> for Few<V> {
    type Output = V;

    fn index(&self, name: &str) -> &V {
        self.get(name).expect("something of this name")
    }
}

impl<V> IntoIterator for Few<V> {
    type Item = (String, V);
    type IntoIter = std::vec::IntoIter<(String, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, V> IntoIterator for &'a Few<V> {
    type Item = (&'a String, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (String, V)>, fn(&'a (String, V)) -> (&'a String, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl<V: Serialize> Serialize for Few<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Few<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Few<V>, D::Error> {
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

struct Reader<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Reader<V> {
    type Value = Few<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Few<V>, A::Error> {
        let mut few = Few::new();
        while let Some((name, value)) = map.next_entry()? {
            few.insert(name, value);
        }
        Ok(few)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_behaves_and_is_written_as_a_map(steps in prop::collection::vec(("[a-e]{0,2}", 0u8..9), 0..40)) {
            let (mut few, mut map) = (Few::new(), BTreeMap::new());
            for (name, value) in steps {
                prop_assert_eq!(few.get(&name), map.get(&name));
                prop_assert_eq!(few.get_mut(&name), map.get_mut(&name));
                prop_assert_eq!(few.contains_key(&name), map.contains_key(&name));
                prop_assert_eq!(few.insert(name.clone(), value), map.insert(name.clone(), value));
                prop_assert_eq!(few[&name], value);
                prop_assert_eq!((few.len(), few.is_empty()), (map.len(), map.is_empty()));
            }
            prop_assert!(few.iter().eq(&map) && few.keys().eq(map.keys()) && few.values().eq(map.values()));
            let text = serde_json::to_string(&map).expect("plain data");
            prop_assert_eq!(&serde_json::to_string(&few).expect("plain data"), &text);
            prop_assert_eq!(&serde_json::from_str::<Few<u8>>(&text).expect("as written"), &few);
            prop_assert!(few.into_iter().eq(map));
        }
    }
}

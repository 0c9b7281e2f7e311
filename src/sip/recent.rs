//! What was seen lately, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;

/// A bounded map that forgets what was not used for longest, in constant time: two halves, of which the older is thrown
/// away when the younger is full.
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq + Copy, V> Recent<K, V> {
    /// Of at most `max` entries.
    pub fn new(max: usize) -> Recent<K, V> {
        Recent { young: HashMap::new(), old: HashMap::new(), half: max / 2 }
    }

    /// Using it keeps it.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.insert(*key, value);
        }
        self.young.get_mut(key)
    }

    pub fn entry(&mut self, key: K, new: V) -> &mut V {
        if self.get(&key).is_none() {
            self.insert(key, new);
        }
        self.young.get_mut(&key).expect("it is there or was put there")
    }

    pub fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

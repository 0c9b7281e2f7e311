//! What is remembered of callers who are gone, for when they come again: each fact for a while, and of all so many.

use crate::ids::EntryId;
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Facts about callers, each of one entry of theirs.
///
/// At most so many; one more, and the one goes that would be forgotten first, which is counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory<T> {
    most: usize,
    facts: BTreeMap<Key, (Time, T)>,
    by_end: BTreeSet<(Time, Key)>,
    crowded_out: u64,
}

/// A caller, and the entry by which they are known.
type Key = (Arc<str>, EntryId);

/// As it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered<T> {
    caller: Arc<str>,
    entry: EntryId,
    until: Time,
    fact: T,
}

impl<T: Clone> Memory<T> {
    pub fn new(most: usize) -> Memory<T> {
        Memory { most, facts: BTreeMap::new(), by_end: BTreeSet::new(), crowded_out: 0 }
    }

    /// Nothing happens if `until` is over already.
    pub fn remember(&mut self, now: Time, caller: &str, entry: EntryId, until: Time, fact: T) {
        while self.by_end.first().is_some_and(|(end, _)| *end <= now) {
            self.forget_first();
        }
        if until <= now {
            return;
        }
        self.forget(caller, entry);
        let key: Key = (caller.into(), entry);
        self.by_end.insert((until, key.clone()));
        self.facts.insert(key, (until, fact));
        if self.facts.len() > self.most {
            self.forget_first();
            self.crowded_out += 1;
        }
    }

    /// What is remembered of a caller, by entry.
    pub fn of(&self, now: Time, caller: &str) -> impl Iterator<Item = (EntryId, &T)> {
        let first: Key = (caller.into(), EntryId(0));
        let last: Key = (first.0.clone(), EntryId(u64::MAX));
        let facts = self.facts.range(first..=last).filter(move |(_, (until, _))| now < *until);
        facts.map(|((_, entry), (_, fact))| (*entry, fact))
    }

    pub fn forget(&mut self, caller: &str, entry: EntryId) {
        let key: Key = (caller.into(), entry);
        if let Some((until, _)) = self.facts.remove(&key) {
            self.by_end.remove(&(until, key));
        }
    }

    /// What is not forgotten by `from` is kept so much longer.
    pub fn prolong(&mut self, from: Time, by: Duration) {
        for (until, _) in self.facts.values_mut().filter(|(until, _)| *until > from) {
            *until += by;
        }
        self.by_end = self.facts.iter().map(|(key, (until, _))| (*until, key.clone())).collect();
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.by_end.pop_first() {
            self.facts.remove(&key);
        }
    }

    /// Facts that went before their time, because there were too many.
    pub fn crowded_out(&self) -> u64 {
        self.crowded_out
    }

    pub fn kept(&self) -> Vec<Remembered<T>> {
        let kept = |((caller, entry), (until, fact)): (&Key, &(Time, T))| Remembered {
            caller: caller.clone(),
            entry: *entry,
            until: *until,
            fact: fact.clone(),
        };
        self.facts.iter().map(kept).collect()
    }

    pub fn restored(most: usize, kept: Vec<Remembered<T>>, crowded_out: u64) -> Memory<T> {
        let mut memory = Memory { crowded_out, ..Memory::new(most) };
        for Remembered { caller, entry, until, fact } in kept {
            memory.remember(Time::EPOCH, &caller, entry, until, fact);
        }
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    fn of(memory: &Memory<char>, now: u64, caller: &str) -> String {
        memory.of(at(now), caller).map(|(_, fact)| *fact).collect()
    }

    #[test]
    fn a_fact_is_remembered_until_its_time_and_forgotten_by_entry() {
        let mut memory = Memory::new(10);
        memory.remember(at(1), "anna", EntryId(1), at(5), 'a');
        memory.remember(at(1), "anna", EntryId(2), at(7), 'b');
        memory.remember(at(1), "annabel", EntryId(3), at(9), 'c');
        memory.remember(at(1), "bo", EntryId(4), at(1), 'd');
        assert_eq!(
            [(4, "ab"), (5, "b"), (7, "")].map(|(now, told)| (of(&memory, now, "anna"), told)),
            [("ab".to_owned(), "ab"), ("b".to_owned(), "b"), (String::new(), "")]
        );
        assert_eq!((of(&memory, 8, "annabel"), of(&memory, 1, "bo")), ("c".to_owned(), String::new()));
        memory.forget("anna", EntryId(1));
        assert_eq!(of(&memory, 1, "anna"), "b");
        // Those whose time is over take no room.
        memory.remember(at(8), "anna", EntryId(5), at(20), 'e');
        assert_eq!((memory.kept().len(), memory.crowded_out()), (2, 0));
    }

    #[test]
    fn what_is_not_over_by_then_is_kept_longer() {
        let mut memory = Memory::new(10);
        memory.remember(at(1), "anna", EntryId(1), at(5), 'a');
        memory.remember(at(1), "anna", EntryId(2), at(6), 'b');
        memory.prolong(at(5), Duration::from_secs(10));
        assert_eq!((of(&memory, 15, "anna"), of(&memory, 16, "anna")), ("b".to_owned(), String::new()));
        memory.remember(at(15), "bo", EntryId(3), at(20), 'c');
        assert_eq!(memory.kept().len(), 2);
    }

    #[test]
    fn of_too_many_the_one_goes_that_would_be_forgotten_first() {
        let mut memory = Memory::new(2);
        for (entry, until, fact) in [(1, 30, 'a'), (2, 10, 'b'), (3, 20, 'c')] {
            memory.remember(at(1), "anna", EntryId(entry), at(until), fact);
        }
        assert_eq!((of(&memory, 1, "anna").as_str(), memory.crowded_out()), ("ac", 1));
        // The same entry once more is not one more.
        memory.remember(at(2), "anna", EntryId(3), at(40), 'd');
        assert_eq!((of(&memory, 2, "anna").as_str(), memory.crowded_out()), ("ad", 1));
        assert_eq!(Memory::restored(2, memory.kept(), 1), memory);
    }
}

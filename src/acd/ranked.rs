//! An ordered set that knows how many of its items come before another: the place in a line.
//!
//! Chunks of sorted items: adding, removing and ranking touch one chunk and the lengths of the others, which at ten
//! thousand items are about a hundred and fifty additions.

/// A chunk of twice as many items is cut in two; two neighbours of as many together become one.
const CHUNK: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranked<T> {
    /// None is empty; each is sorted and lies before the next.
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Ranked { chunks: Vec::new() }
    }
}

impl<T: Ord + Copy> Ranked<T> {
    pub fn of(item: T) -> Ranked<T> {
        Ranked { chunks: vec![vec![item]] }
    }

    pub fn first(&self) -> Option<T> {
        self.chunks.first().map(|chunk| chunk[0])
    }

    /// Adds `item`; nothing happens if it is in already.
    pub fn insert(&mut self, item: T) {
        let Some(last) = self.chunks.len().checked_sub(1) else {
            *self = Ranked::of(item);
            return;
        };
        let index = self.chunk_of(item).min(last);
        let chunk = &mut self.chunks[index];
        if let Err(place) = chunk.binary_search(&item) {
            chunk.insert(place, item);
            if chunk.len() > 2 * CHUNK {
                let tail = chunk.split_off(CHUNK);
                chunk.shrink_to_fit();
                self.chunks.insert(index + 1, tail);
            }
        }
    }

    /// Takes `item` out; nothing happens if it is not in.
    pub fn remove(&mut self, item: T) {
        let index = self.chunk_of(item);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let Ok(place) = chunk.binary_search(&item) else { return };
        chunk.remove(place);
        if chunk.is_empty() {
            self.chunks.remove(index);
        } else {
            self.join_with_next(index);
            if let Some(previous) = index.checked_sub(1) {
                self.join_with_next(previous);
            }
        }
    }

    fn join_with_next(&mut self, index: usize) {
        if index + 1 < self.chunks.len() && self.chunks[index].len() + self.chunks[index + 1].len() <= CHUNK {
            let next = self.chunks.remove(index + 1);
            self.chunks[index].extend(next);
        }
    }

    /// How many items are smaller than `item`, whether it is in or not.
    pub fn rank(&self, item: T) -> usize {
        let index = self.chunk_of(item);
        let before: usize = self.chunks[..index].iter().map(Vec::len).sum();
        before + self.chunks.get(index).map_or(0, |chunk| chunk.partition_point(|other| *other < item))
    }

    /// The item that has so many before it.
    pub fn nth(&self, mut before: usize) -> Option<T> {
        for chunk in &self.chunks {
            if let Some(item) = chunk.get(before) {
                return Some(*item);
            }
            before -= chunk.len();
        }
        None
    }

    pub fn has(&self, item: T) -> bool {
        self.chunks.get(self.chunk_of(item)).is_some_and(|chunk| chunk.binary_search(&item).is_ok())
    }

    pub fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The items, ascending.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.chunks.iter().flatten().copied()
    }

    /// The first chunk that does not end before `item`.
    fn chunk_of(&self, item: T) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().expect("no chunk is empty") < &item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranks_as_a_plain_set_counts(steps in prop::collection::vec((any::<bool>(), 0u16..600), 0..3000)) {
            let (mut ranked, mut plain) = (Ranked::default(), BTreeSet::new());
            for (add, item) in steps {
                if add {
                    ranked.insert(item);
                    plain.insert(item);
                } else {
                    ranked.remove(item);
                    plain.remove(&item);
                }
                prop_assert_eq!(ranked.rank(item), plain.range(..item).count());
                prop_assert_eq!(ranked.is_empty(), plain.is_empty());
                prop_assert_eq!((ranked.len(), ranked.first()), (plain.len(), plain.first().copied()));
                prop_assert_eq!(ranked.has(item), plain.contains(&item));
                prop_assert_eq!(ranked.nth(usize::from(item) / 9), plain.iter().nth(usize::from(item) / 9).copied());
            }
            prop_assert!(ranked.iter().eq(plain));
        }
    }

    #[test]
    fn thinned_out_it_has_few_chunks() {
        let mut ranked = Ranked::default();
        (0..10_000).for_each(|i| ranked.insert(i));
        (0..10_000).filter(|i| i % 100 != 0).for_each(|i| ranked.remove(i));
        assert!(ranked.iter().eq((0..100).map(|i| i * 100)));
        assert!(ranked.chunks.len() <= 4, "{} chunks", ranked.chunks.len());
    }
}

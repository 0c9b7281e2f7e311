//! A set of small numbers, most of them close together: which pools can serve a need, which have somebody idle.

/// Words of 64 numbers, only those that are not empty, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits(Vec<(u32, u64)>);

impl Bits {
    pub fn set(&mut self, index: usize, on: bool) {
        let (word, mask) = place(index);
        match self.0.binary_search_by_key(&word, |(word, _)| *word) {
            Ok(at) if on => self.0[at].1 |= mask,
            Ok(at) => {
                self.0[at].1 &= !mask;
                if self.0[at].1 == 0 {
                    self.0.remove(at);
                }
            }
            Err(at) if on => self.0.insert(at, (word, mask)),
            Err(_) => {}
        }
    }

    pub fn has(&self, index: usize) -> bool {
        let (word, mask) = place(index);
        self.0.binary_search_by_key(&word, |(word, _)| *word).is_ok_and(|at| self.0[at].1 & mask != 0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some number is in both.
    pub fn meets(&self, other: &Bits) -> bool {
        self.common(other).next().is_some()
    }

    /// The numbers in both, ascending.
    pub fn common<'a>(&'a self, other: &'a Bits) -> impl Iterator<Item = usize> + 'a {
        // Walks along the shorter and seeks in the longer.
        let (short, long) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        let mut rest = long.0.as_slice();
        short.0.iter().flat_map(move |(word, bits)| {
            rest = &rest[rest.partition_point(|(other, _)| other < word)..];
            let both = rest.first().filter(|(other, _)| other == word).map_or(0, |(_, other)| bits & other);
            ones(*word, both)
        })
    }

    /// The numbers in it, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().flat_map(|(word, bits)| ones(*word, *bits))
    }
}

fn place(index: usize) -> (u32, u64) {
    let word = u32::try_from(index / 64).expect("numbers of a set are small");
    (word, 1 << (index % 64))
}

fn ones(word: u32, mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (bits != 0).then(|| {
            let lowest = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            word as usize * 64 + lowest
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_set(
            a in prop::collection::btree_set(0usize..400, 0..20),
            b in prop::collection::btree_set(0usize..400, 0..20),
        ) {
            let bits = |set: &BTreeSet<usize>| {
                let mut bits = Bits::default();
                (0..400).for_each(|i| bits.set(i, true));
                (0..400).for_each(|i| bits.set(i, set.contains(&i)));
                bits
            };
            let (x, y) = (bits(&a), bits(&b));
            prop_assert!(x.iter().eq(a.iter().copied()));
            prop_assert!(x.common(&y).eq(a.intersection(&b).copied()));
            prop_assert_eq!(x.meets(&y), !a.is_disjoint(&b));
            prop_assert_eq!(x.is_empty(), a.is_empty());
            prop_assert!((0..500).all(|i| x.has(i) == a.contains(&i)));
        }
    }
}

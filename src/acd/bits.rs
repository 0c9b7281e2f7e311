//! A set of small numbers, one bit each: which pools can serve a need, which have somebody idle.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits(Vec<u64>);

impl Bits {
    pub fn set(&mut self, index: usize, on: bool) {
        let word = index / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let mask = 1 << (index % 64);
        if on {
            self.0[word] |= mask;
        } else {
            self.0[word] &= !mask;
        }
    }

    pub fn has(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether some number is in both.
    pub fn meets(&self, other: &Bits) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// The numbers in both, ascending.
    pub fn common<'a>(&'a self, other: &'a Bits) -> impl Iterator<Item = usize> + 'a {
        self.0.iter().zip(&other.0).enumerate().flat_map(|(word, (a, b))| ones(word, a & b))
    }

    /// The numbers in it, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| ones(word, *bits))
    }
}

fn ones(word: usize, mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (bits != 0).then(|| {
            let lowest = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            word * 64 + lowest
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
            a in prop::collection::btree_set(0usize..200, 0..20),
            b in prop::collection::btree_set(0usize..200, 0..20),
        ) {
            let bits = |set: &BTreeSet<usize>| {
                let mut bits = Bits::default();
                (0..200).for_each(|i| bits.set(i, true));
                (0..200).for_each(|i| bits.set(i, set.contains(&i)));
                bits
            };
            let (x, y) = (bits(&a), bits(&b));
            prop_assert!(x.iter().eq(a.iter().copied()));
            prop_assert!(x.common(&y).eq(a.intersection(&b).copied()));
            prop_assert_eq!(x.meets(&y), !a.is_disjoint(&b));
            prop_assert_eq!(x.is_empty(), a.is_empty());
            prop_assert!((0..300).all(|i| x.has(i) == a.contains(&i)));
        }
    }
}

//! Unguessable names and keys from one seed: branches, tags, Call-IDs, back-off times, table keys.
//!
//! Peers see branches and tags, so one must not lead to the next: they are SHA-256 of the seed and a counter.

use crate::time::Duration;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasherDefault, Hash, Hasher};

#[derive(Clone, Debug)]
pub(super) struct Secrets {
    seed: u128,
    counter: u64,
    ready: Vec<u64>,
}

impl Secrets {
    /// As hard to guess as `seed` is: who has seen one branch could try every seed of 64 bits.
    pub fn new(seed: u128) -> Secrets {
        Secrets { seed, counter: 0, ready: Vec::new() }
    }

    pub fn next(&mut self) -> u64 {
        if let Some(number) = self.ready.pop() {
            return number;
        }
        self.counter += 1;
        let digest =
            Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(self.counter.to_le_bytes()).finalize();
        let numbers = digest.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().expect("chunks of eight")));
        self.ready.extend(numbers);
        self.ready.pop().expect("a digest holds four numbers")
    }

    /// A tag (RFC 3261 §19.3).
    pub fn tag(&mut self) -> String {
        format!("{:016x}", self.next())
    }

    pub fn call_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }

    /// A multiple of 10 ms from `low` to `high`, both included (RFC 3261 §14.1).
    pub fn back_off(&mut self, low: Duration, high: Duration) -> Duration {
        let steps = high.saturating_sub(low).as_millis() as u64 / 10;
        low + Duration::from_millis(10 * (self.next() % (steps + 1)))
    }

    /// A table key that a peer cannot steer into a collision: it does not know the seed.
    pub fn key(&self, parts: impl Hash) -> u128 {
        let half = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            (self.seed, salt, &parts).hash(&mut hasher);
            hasher.finish()
        };
        u128::from(half(1)) << 64 | u128::from(half(2))
    }
}

/// A map by keys that nobody can choose, those of [`Secrets::key`] and [`Secrets::next`]: they are not hashed once more.
pub(super) type Keyed<K, V> = HashMap<K, V, BuildHasherDefault<AsItIs>>;

/// The hash of a key that is one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    /// What stands beside the key, such as a flag.
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*b);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 ^= key;
    }

    fn write_u128(&mut self, key: u128) {
        self.0 ^= key as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_without_repetition() {
        let (mut a, mut b, mut c) = (Secrets::new(7), Secrets::new(7), Secrets::new(8));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let next = a.next();
            assert_eq!(next, b.next());
            assert_ne!(next, c.next());
            assert!(seen.insert(next));
        }
    }

    #[test]
    fn every_bit_of_the_seed_counts() {
        let first = |seed| (Secrets::new(seed).next(), Secrets::new(seed).key("a"));
        let (plain, plain_key) = first(7);
        for bit in 0..128 {
            let (other, other_key) = first(7 ^ (1 << bit));
            assert!(other != plain && other_key != plain_key, "bit {bit}");
        }
    }

    #[test]
    fn back_off_covers_its_range_in_steps_of_10_ms() {
        let (low, high) = (Duration::from_millis(2100), Duration::from_millis(4000));
        let mut secrets = Secrets::new(1);
        let drawn: Vec<_> = (0..20_000).map(|_| secrets.back_off(low, high)).collect();
        assert!(drawn.iter().all(|d| d.as_millis() % 10 == 0));
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&low), Some(&high)));
    }
}

//! Timers in steps of one millisecond: set, moved and taken back at a cost that does not depend on their number.
//!
//! A wheel of lists, one for each millisecond of the next four seconds; a timer further away waits in its list while the
//! wheel turns past it. Each key has one timer and its own place in memory, so nothing is allocated but for new keys.

use crate::time::{Duration, Time};

/// Milliseconds of one turn; a power of two.
const SPAN: usize = 4096;
const NONE: u32 = u32::MAX;

pub struct Wheel {
    nodes: Vec<Node>,
    heads: Vec<u32>,
    /// One bit for each list that is not empty.
    occupied: Vec<u64>,
    /// The millisecond that is looked at; all timers due before it have fired.
    at: u64,
    armed: usize,
}

#[derive(Clone, Copy)]
struct Node {
    /// Millisecond since the epoch; `None`: not armed.
    due: Option<u64>,
    before: u32,
    after: u32,
}

impl Wheel {
    pub fn new() -> Wheel {
        Wheel { nodes: Vec::new(), heads: vec![NONE; SPAN], occupied: vec![0; SPAN / 64], at: 0, armed: 0 }
    }

    /// Sets the timer of `key`, wherever it stood before. It fires at `due`, rounded up to the millisecond, at the earliest.
    ///
    /// A timer that fires and is set again while the wheel is emptied must move forward, or the emptying never ends.
    pub fn arm(&mut self, now: Time, key: u32, due: Time) {
        self.cancel(key);
        if self.armed == 0 {
            self.at = millis_down(now);
        }
        // What should have fired already fires next.
        let due = due.as_micros().div_ceil(1000).max(self.at);
        let list = due as usize % SPAN;
        if self.nodes.len() <= key as usize {
            self.nodes.resize(key as usize + 1, Node { due: None, before: NONE, after: NONE });
        }
        let head = std::mem::replace(&mut self.heads[list], key);
        self.nodes[key as usize] = Node { due: Some(due), before: NONE, after: head };
        if head != NONE {
            self.nodes[head as usize].before = key;
        }
        self.occupied[list / 64] |= 1 << (list % 64);
        self.armed += 1;
    }

    pub fn cancel(&mut self, key: u32) {
        let Some(node) = self.nodes.get_mut(key as usize) else { return };
        let Some(due) = node.due.take() else { return };
        let Node { before, after, .. } = *node;
        let list = due as usize % SPAN;
        if before == NONE {
            self.heads[list] = after;
        } else {
            self.nodes[before as usize].after = after;
        }
        if after != NONE {
            self.nodes[after as usize].before = before;
        }
        if self.heads[list] == NONE {
            self.occupied[list / 64] &= !(1 << (list % 64));
        }
        self.armed -= 1;
    }

    pub fn is_armed(&self, key: u32) -> bool {
        self.nodes.get(key as usize).is_some_and(|node| node.due.is_some())
    }

    /// Takes one timer that is due, with the moment it was due; the earliest millisecond first.
    pub fn pop(&mut self, now: Time) -> Option<(u32, Time)> {
        let now = millis_down(now);
        loop {
            let step = self.next_list()?;
            if self.at + step > now {
                // Nothing is due; what is set from here on may still be due at `now`.
                self.at = self.at.max(now);
                return None;
            }
            self.at += step;
            let mut key = self.heads[self.at as usize % SPAN];
            while key != NONE {
                let Node { due, after, .. } = self.nodes[key as usize];
                if let Some(due) = due.filter(|due| *due <= self.at) {
                    self.cancel(key);
                    return Some((key, Time::from_micros(due * 1000)));
                }
                key = after;
            }
            // All timers of this list are for a later turn.
            self.at += 1;
        }
    }

    /// When [`Wheel::pop`] may next have something; never later than the first timer.
    pub fn next(&self) -> Option<Time> {
        let step = self.next_list()?;
        Some(Time::EPOCH + Duration::from_millis(self.at + step))
    }

    /// Milliseconds from `at` to the next list that is not empty.
    fn next_list(&self) -> Option<u64> {
        if self.armed == 0 {
            return None;
        }
        let start = self.at as usize % SPAN;
        let words = SPAN / 64;
        // The first word is looked at twice: from `start` on, and at the end of the turn up to `start`.
        for turn in 0..=words {
            let word = (start / 64 + turn) % words;
            let mask = match turn {
                0 => u64::MAX << (start % 64),
                _ if turn == words => !(u64::MAX << (start % 64)),
                _ => u64::MAX,
            };
            let bits = self.occupied[word] & mask;
            if bits != 0 {
                let list = word * 64 + bits.trailing_zeros() as usize;
                return Some(((list + SPAN - start) % SPAN) as u64);
            }
        }
        None
    }
}

fn millis_down(now: Time) -> u64 {
    now.as_micros() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn ms(millis: u64) -> Time {
        Time::from_micros(1_795_424_400_000_000 + millis * 1000)
    }

    fn fired(wheel: &mut Wheel, now: Time) -> Vec<u32> {
        std::iter::from_fn(|| wheel.pop(now)).map(|(key, _)| key).collect()
    }

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut wheel = Wheel::new();
        for (key, at) in [(0, 50), (1, 20), (2, 9000), (3, 20 + 4096)] {
            wheel.arm(ms(0), key, ms(at));
        }
        assert_eq!(wheel.next(), Some(ms(20)));
        assert!(fired(&mut wheel, ms(19)).is_empty());
        assert_eq!(wheel.pop(ms(60)), Some((1, ms(20))));
        assert_eq!(fired(&mut wheel, ms(60)), [0]);
        assert!(fired(&mut wheel, ms(4115)).is_empty());
        assert_eq!(fired(&mut wheel, ms(20_000)), [3, 2]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_fraction_of_a_millisecond_is_rounded_up() {
        let mut wheel = Wheel::new();
        wheel.arm(ms(0), 0, ms(5) + Duration::from_micros(1));
        assert!(fired(&mut wheel, ms(5) + Duration::from_micros(999)).is_empty());
        assert_eq!(fired(&mut wheel, ms(6)), [0]);
    }

    #[test]
    fn a_timer_of_the_past_fires_next_and_a_moved_one_only_at_its_new_place() {
        let mut wheel = Wheel::new();
        wheel.arm(ms(100), 0, ms(10));
        wheel.arm(ms(100), 1, ms(110));
        wheel.arm(ms(100), 1, ms(130));
        wheel.arm(ms(100), 2, ms(120));
        wheel.cancel(2);
        wheel.cancel(7);
        assert_eq!(fired(&mut wheel, ms(100)), [0]);
        assert!(fired(&mut wheel, ms(129)).is_empty());
        assert_eq!(fired(&mut wheel, ms(130)), [1]);
    }

    proptest! {
        /// Against a plain map: the same timers have fired whenever one looks, none early, and `next` is never late.
        #[test]
        fn behaves_like_a_sorted_map(steps in proptest::collection::vec((0u32..20, 1u64..10_000, 0u64..3000), 1..200)) {
            let mut wheel = Wheel::new();
            let mut model = BTreeMap::new();
            let mut now = 0;
            for (key, ahead, pass) in steps {
                if ahead < 1000 && key % 3 == 0 {
                    wheel.cancel(key);
                    model.remove(&key);
                } else {
                    wheel.arm(ms(now), key, ms(now + ahead));
                    model.insert(key, now + ahead);
                }
                let first = model.values().min().copied();
                prop_assert_eq!(wheel.next().is_some(), first.is_some());
                if let (Some(next), Some(first)) = (wheel.next(), first) {
                    prop_assert!(next <= ms(first.max(now)));
                }
                now += pass;
                let mut expected: Vec<u32> = model.iter().filter(|(_, due)| **due <= now).map(|(key, _)| *key).collect();
                model.retain(|_, due| *due > now);
                let mut got = fired(&mut wheel, ms(now));
                got.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(got, expected);
            }
        }
    }
}

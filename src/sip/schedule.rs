//! Deadlines of many owners, at most one for each.

use crate::time::Time;
use std::collections::BTreeSet;

/// Holds exactly the deadlines that are armed: nothing stale, so its size is bounded by the number of owners.
#[derive(Clone, Debug)]
pub(super) struct Schedule<K> {
    due: BTreeSet<(Time, K)>,
}

impl<K: Ord + Copy> Schedule<K> {
    pub fn new() -> Schedule<K> {
        Schedule { due: BTreeSet::new() }
    }

    /// Moves the owner's deadline from `armed`, where the owner keeps it, to `to`.
    pub fn move_to(&mut self, owner: K, armed: &mut Option<Time>, to: Option<Time>) {
        if *armed == to {
            return;
        }
        if let Some(at) = armed.take() {
            self.due.remove(&(at, owner));
        }
        if let Some(at) = to {
            self.due.insert((at, owner));
        }
        *armed = to;
    }

    pub fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The owner of the earliest deadline up to `now`; the deadline stays armed until it is moved.
    pub fn due(&self, now: Time) -> Option<K> {
        self.due.first().filter(|(at, _)| *at <= now).map(|(_, owner)| *owner)
    }

    pub fn len(&self) -> usize {
        self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_owner_has_one_deadline_and_the_earliest_comes_first() {
        let mut schedule = Schedule::new();
        let (mut a, mut b) = (None, None);
        schedule.move_to('a', &mut a, Some(Time::from_secs(5)));
        schedule.move_to('b', &mut b, Some(Time::from_secs(3)));
        assert_eq!((schedule.next(), schedule.len()), (Some(Time::from_secs(3)), 2));
        schedule.move_to('a', &mut a, Some(Time::from_secs(1)));
        assert_eq!((schedule.due(Time::from_secs(1)), schedule.len()), (Some('a'), 2));
        schedule.move_to('a', &mut a, None);
        assert_eq!(schedule.due(Time::from_secs(2)), None);
        assert_eq!((schedule.due(Time::from_secs(3)), schedule.len()), (Some('b'), 1));
    }
}

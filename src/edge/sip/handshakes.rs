//! Which handshakes (TLS, WebSocket) are under way, and which one makes room when there are too many.
//!
//! A place is held while the peer is waited for, so whoever says half a thing holds one for nothing. Where all are taken, the
//! source that holds most loses its oldest: a few sources that take all they can keep nobody else out. Among its own a source
//! loses one only after `turn`: an office whose power came back would otherwise work against itself.

use super::stream::StreamLimits;
use crate::time::Time;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

pub(super) struct Handshakes {
    limits: StreamLimits,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    next: u64,
    len: usize,
    /// Never empty for a source that is named; the oldest first.
    by_source: HashMap<IpAddr, BTreeMap<u64, Seat>>,
}

struct Seat {
    since: Time,
    /// Dropped when the place is given to another.
    _held: oneshot::Sender<()>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Total,
    FromOne,
}

/// A place for one handshake, until it is dropped.
pub(super) struct Turn<'a> {
    handshakes: &'a Handshakes,
    source: IpAddr,
    id: u64,
    /// Whether the place is still its own.
    pub held: oneshot::Receiver<()>,
}

impl Handshakes {
    pub fn new(limits: StreamLimits) -> Handshakes {
        Handshakes { limits, under_way: Mutex::default() }
    }

    /// A place for one more with `source`; another one's [`Turn::held`] may end for it.
    pub fn begin(&self, now: Time, source: IpAddr) -> Result<Turn<'_>, Full> {
        let mut under_way = self.under_way();
        let own = under_way.by_source.get(&source).map_or(0, BTreeMap::len);
        if own >= self.limits.handshakes_per_source {
            under_way.make_room_among(source, now, &self.limits).ok_or(Full::FromOne)?;
        } else if under_way.len >= self.limits.handshakes {
            let most = under_way.holds_most();
            // Who holds as many as anybody takes from nobody but itself.
            match most.filter(|(_, held)| *held > own) {
                Some((most, _)) => under_way.remove_oldest(most),
                None => under_way.make_room_among(source, now, &self.limits).ok_or(Full::Total)?,
            }
        }
        let id = under_way.next;
        under_way.next += 1;
        under_way.len += 1;
        let (sender, held) = oneshot::channel();
        under_way.by_source.entry(source).or_default().insert(id, Seat { since: now, _held: sender });
        Ok(Turn { handshakes: self, source, id, held })
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// The source with the most places, and how many; of equals the one whose oldest is the oldest.
    fn holds_most(&self) -> Option<(IpAddr, usize)> {
        let oldest = |seats: &BTreeMap<u64, Seat>| seats.first_key_value().map(|(id, _)| std::cmp::Reverse(*id));
        let most = self.by_source.iter().max_by_key(|(_, seats)| (seats.len(), oldest(seats)));
        most.map(|(source, seats)| (*source, seats.len()))
    }

    /// Takes the oldest place of `source` if its peer had time enough.
    fn make_room_among(&mut self, source: IpAddr, now: Time, limits: &StreamLimits) -> Option<()> {
        let (_, oldest) = self.by_source.get(&source)?.first_key_value()?;
        (oldest.since + limits.handshake_turn <= now).then(|| self.remove_oldest(source))
    }

    fn remove_oldest(&mut self, source: IpAddr) {
        let oldest = self.by_source.get(&source).and_then(|seats| seats.keys().next().copied());
        if let Some(id) = oldest {
            self.remove(source, id);
        }
    }

    fn remove(&mut self, source: IpAddr, id: u64) {
        let Some(seats) = self.by_source.get_mut(&source) else { return };
        self.len -= usize::from(seats.remove(&id).is_some());
        if seats.is_empty() {
            self.by_source.remove(&source);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.handshakes.under_way().remove(self.source, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    const NOW: Time = Time::from_secs(1_000_000);
    const TURN: Duration = Duration::from_secs(1);

    fn handshakes(handshakes: usize, handshakes_per_source: usize) -> Handshakes {
        let limits =
            StreamLimits { handshakes, handshakes_per_source, handshake_turn: TURN, ..StreamLimits::default() };
        Handshakes::new(limits)
    }

    fn host(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn is_held(turn: &mut Turn) -> bool {
        turn.held.try_recv() == Err(oneshot::error::TryRecvError::Empty)
    }

    fn full(begun: Result<Turn, Full>) -> Option<Full> {
        begun.err()
    }

    #[test]
    fn sources_that_hold_all_places_make_room_for_whoever_has_none() {
        let all = handshakes(6, 4);
        let mut crowd: Vec<_> = [1, 2, 1, 2, 1, 2].map(|n| all.begin(NOW, host(n)).ok().unwrap()).into();
        let mut phone = all.begin(NOW, host(7)).ok().unwrap();
        assert!(!is_held(&mut crowd[0]), "of two that hold as many, the older");
        let mut other = all.begin(NOW, host(8)).ok().unwrap();
        assert!(!is_held(&mut crowd[1]), "who holds most now");
        // However often they come again, they take from themselves, and only what had its time.
        for n in [1, 2, 1, 2, 1, 2] {
            assert_eq!(full(all.begin(NOW, host(n))), Some(Full::Total));
        }
        for n in [1, 2, 1, 2, 1, 2] {
            crowd.extend(all.begin(NOW + TURN, host(n)));
        }
        assert!(is_held(&mut phone) && is_held(&mut other));
        let held: Vec<bool> = crowd.iter_mut().map(is_held).collect();
        assert_eq!(held, [[false; 6].as_slice(), &[true; 4]].concat(), "the four that were left went to four others");
    }

    #[test]
    fn one_source_makes_room_for_its_own_once_they_had_their_time() {
        let all = handshakes(9, 2);
        let mut first = all.begin(NOW, host(1)).ok().unwrap();
        let mut second = all.begin(NOW + TURN / 2, host(1)).ok().unwrap();
        let late = NOW + TURN - Duration::from_millis(1);
        assert_eq!(full(all.begin(late, host(1))), Some(Full::FromOne));
        let mut third = all.begin(NOW + TURN, host(1)).ok().unwrap();
        assert_eq!([&mut first, &mut second, &mut third].map(is_held), [false, true, true]);
        assert_eq!(full(all.begin(NOW + TURN, host(1))), Some(Full::FromOne));
    }

    #[test]
    fn who_ends_leaves_nothing_behind_also_after_the_place_went_to_another() {
        let all = handshakes(1, 1);
        let first = all.begin(NOW, host(1)).ok().unwrap();
        let second = all.begin(NOW + TURN, host(1)).ok().unwrap();
        drop(first);
        assert_eq!(full(all.begin(NOW + TURN, host(1))), Some(Full::FromOne), "the second has it");
        drop(second);
        let left = all.under_way();
        assert_eq!((left.len, left.by_source.len()), (0, 0));
    }
}

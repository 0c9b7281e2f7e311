//! Which stream connections are open, to whom, and what waits to be written to each.

use super::stream::StreamLimits;
use crate::sip::{Hop, Transport, gate};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// At most `limits.total` connections, at most `limits.per_source` of them from one source ([`gate::source`]). At either bound the
/// stranger who came first makes room: whoever opens thousands of connections loses them, and keeps nobody out.
#[derive(Debug)]
pub(super) struct Table {
    limits: StreamLimits,
    next: u64,
    open: HashMap<u64, Entry>,
    /// The newest connection to each peer that may be used by who does not name it.
    by_remote: HashMap<(Transport, SocketAddr), u64>,
    by_source: HashMap<IpAddr, Source>,
    /// Connections that came in and whose peers were strangers when they were last looked at; the oldest first.
    strangers: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Source {
    open: usize,
    /// As [`Table::strangers`].
    strangers: BTreeSet<u64>,
}

#[derive(Debug)]
struct Entry {
    transport: Transport,
    remote: SocketAddr,
    writes: mpsc::Sender<Vec<u8>>,
    is_told: Arc<AtomicBool>,
}

/// Who a new connection is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// We open it.
    Ours,
    /// They opened it, and may be anybody. `findable`: it is also used for what names the peer alone.
    Theirs { findable: bool },
}

/// A place in the table, and what is written to it. When the table gives it to another, `writes` ends.
#[derive(Debug)]
pub(super) struct Place {
    pub id: u64,
    pub writes: mpsc::Receiver<Vec<u8>>,
    /// The engine knows of this connection, so its end must be told.
    pub is_told: Arc<AtomicBool>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Total,
    FromOne,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotWritten {
    /// There is no such connection, or none to this peer.
    Unknown,
    /// It does not read what we write; it is forgotten now, which ends its task.
    Stuck,
}

impl Table {
    pub fn new(limits: StreamLimits) -> Table {
        let (open, by_remote, by_source) = (HashMap::new(), HashMap::new(), HashMap::new());
        Table { limits, next: 1, open, by_remote, by_source, strangers: BTreeSet::new() }
    }

    /// A new connection with `remote`. Ids are not used twice. `is_known` tells strangers from others; the second value: who had
    /// to make room.
    pub fn add(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        origin: Origin,
        is_known: impl Fn(u64, SocketAddr) -> bool,
    ) -> Result<(Place, Option<SocketAddr>), Full> {
        let source = gate::source(remote);
        let mut gone = None;
        if self.by_source.get(&source).is_some_and(|from_one| from_one.open >= self.limits.per_source) {
            gone = Some(self.make_room(Some(source), &is_known).ok_or(Full::FromOne)?);
        }
        if self.open.len() >= self.limits.total {
            gone = Some(self.make_room(None, &is_known).ok_or(Full::Total)?);
        }
        let id = self.next;
        self.next += 1;
        let (sender, writes) = mpsc::channel(self.limits.queued.max(1));
        let is_told = Arc::new(AtomicBool::new(origin == Origin::Ours));
        self.open.insert(id, Entry { transport, remote, writes: sender, is_told: is_told.clone() });
        let from_one = self.by_source.entry(source).or_default();
        from_one.open += 1;
        if origin != Origin::Ours {
            from_one.strangers.insert(id);
            self.strangers.insert(id);
        }
        if matches!(origin, Origin::Ours | Origin::Theirs { findable: true }) {
            self.by_remote.insert((transport, remote), id);
        }
        Ok((Place { id, writes, is_told }, gone))
    }

    /// Removes the oldest connection, of `source` if it is given, whose peer is a stranger still; `None`: there is none.
    fn make_room(&mut self, source: Option<IpAddr>, is_known: &impl Fn(u64, SocketAddr) -> bool) -> Option<SocketAddr> {
        loop {
            let strangers = match source {
                Some(source) => &self.by_source.get(&source)?.strangers,
                None => &self.strangers,
            };
            let id = *strangers.first()?;
            let remote = self.open.get(&id)?.remote;
            if !is_known(id, remote) {
                self.remove(id);
                return Some(remote);
            }
            // From now on it is left alone.
            self.is_no_stranger(id, remote);
        }
    }

    fn is_no_stranger(&mut self, id: u64, remote: SocketAddr) {
        self.strangers.remove(&id);
        if let Some(source) = self.by_source.get_mut(&gate::source(remote)) {
            source.strangers.remove(&id);
        }
    }

    /// The engine has to do with the connection that `hop` names, or with the newest one to its peer.
    pub fn engine_knows(&self, hop: &Hop) {
        if let Some(entry) = self.find(hop).and_then(|id| self.open.get(&id)) {
            entry.is_told.store(true, Ordering::Relaxed);
        }
    }

    fn find(&self, hop: &Hop) -> Option<u64> {
        hop.connection.or_else(|| self.by_remote.get(&(hop.transport, hop.remote)).copied())
    }

    pub fn remove(&mut self, id: u64) {
        let Some(entry) = self.open.remove(&id) else { return };
        self.is_no_stranger(id, entry.remote);
        let peer = (entry.transport, entry.remote);
        if self.by_remote.get(&peer) == Some(&id) {
            self.by_remote.remove(&peer);
        }
        let source = gate::source(entry.remote);
        if let Some(from_one) = self.by_source.get_mut(&source) {
            from_one.open -= 1;
            if from_one.open == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    /// Puts bytes into the queue of the connection that `hop` names, or of the newest one to its peer.
    pub fn write(&mut self, hop: &Hop, bytes: Vec<u8>) -> Result<(), (NotWritten, Vec<u8>)> {
        let Some((id, entry)) = self.find(hop).and_then(|id| self.open.get(&id).map(|entry| (id, entry))) else {
            return Err((NotWritten::Unknown, bytes));
        };
        match entry.writes.try_send(bytes) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(bytes)) => {
                self.remove(id);
                Err((NotWritten::Stuck, bytes))
            }
            // Its task is over and about to say so itself.
            Err(mpsc::error::TrySendError::Closed(bytes)) => Err((NotWritten::Unknown, bytes)),
        }
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(total: usize, per_source: usize) -> Table {
        Table::new(StreamLimits { total, per_source, queued: 2, ..StreamLimits::default() })
    }

    /// With somebody who is known.
    fn add(table: &mut Table, remote: SocketAddr) -> Result<Place, Full> {
        let origin = Origin::Theirs { findable: true };
        table.add(Transport::Tcp, remote, origin, |_, _| true).map(|(place, gone)| {
            assert_eq!(gone, None);
            place
        })
    }

    fn peer(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    fn hop(remote: SocketAddr, connection: Option<u64>) -> Hop {
        Hop { transport: Transport::Tcp, local: peer(1, 5060), remote, connection }
    }

    #[test]
    fn bounds_hold_and_removal_makes_room() {
        let mut table = table(3, 2);
        let first = add(&mut table, peer(7, 1)).unwrap();
        let _second = add(&mut table, peer(7, 2)).unwrap();
        assert_eq!(add(&mut table, peer(7, 3)).err(), Some(Full::FromOne));
        let _third = add(&mut table, peer(8, 1)).unwrap();
        assert_eq!(add(&mut table, peer(9, 1)).err(), Some(Full::Total));
        table.remove(first.id);
        table.remove(first.id);
        let again = add(&mut table, peer(7, 3)).unwrap();
        assert_ne!(again.id, first.id);
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn nothing_is_left_when_all_are_gone() {
        let mut table = table(10, 10);
        let places: Vec<_> = (0..5).map(|n| add(&mut table, peer(n % 2, 1)).unwrap()).collect();
        for place in places {
            table.remove(place.id);
        }
        assert_eq!((table.open.len(), table.by_remote.len(), table.by_source.len()), (0, 0, 0));
        assert_eq!(table.strangers.len(), 0);
    }

    #[test]
    fn the_stranger_who_came_first_makes_room_and_who_became_known_does_not() {
        let mut table = table(4, 3);
        let phone = peer(7, 5060);
        // Known by what it showed, wherever it is: the guard knows it by the connection.
        const TRUNKS: u64 = 9;
        let comes = |table: &mut Table, remote, known: &[SocketAddr]| {
            let origin = Origin::Theirs { findable: false };
            table.add(Transport::Tcp, remote, origin, |id, remote| id == TRUNKS || known.contains(&remote))
        };
        let (mut first, gone) = comes(&mut table, phone, &[]).unwrap();
        assert_eq!(gone, None);
        let (mut second, _) = comes(&mut table, peer(9, 1), &[]).unwrap();
        for port in 2..4 {
            assert!(matches!(comes(&mut table, peer(9, port), &[]), Ok((_, None))));
        }
        // A fourth of one source takes the place of its first, although there is somebody older.
        assert_eq!(comes(&mut table, peer(9, 4), &[]).unwrap().1, Some(peer(9, 1)));
        assert_eq!(second.writes.try_recv(), Err(mpsc::error::TryRecvError::Disconnected), "it is told so");
        // The phone has become known meanwhile; and stays so, even if nobody remembers.
        assert_eq!(comes(&mut table, peer(8, 1), &[phone]).unwrap().1, Some(peer(9, 2)));
        for (port, gone) in [(2, peer(9, 3)), (3, peer(9, 4)), (4, peer(8, 1)), (5, peer(8, 2))] {
            assert_eq!(comes(&mut table, peer(8, port), &[]).unwrap().1, Some(gone));
        }
        assert_eq!(first.writes.try_recv(), Err(mpsc::error::TryRecvError::Empty));
        // We may need one ourselves; ours is nobody's to take.
        let (_ours, gone) = table.add(Transport::Tcp, peer(6, 1), Origin::Ours, |_, _| false).unwrap();
        assert_eq!(gone, Some(peer(8, 3)));
        assert_eq!(comes(&mut table, peer(5, 1), &[peer(8, 5)]).err(), Some(Full::Total));
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn the_end_of_a_connection_is_told_once_the_engine_knows_of_it() {
        let mut table = table(4, 4);
        let told = |place: &Place| place.is_told.load(Ordering::Relaxed);
        let place = add(&mut table, peer(7, 1)).unwrap();
        table.write(&hop(peer(7, 1), Some(place.id)), b"an answer that needs no engine".to_vec()).unwrap();
        assert!(!told(&place));
        table.engine_knows(&hop(peer(7, 1), None));
        assert!(told(&place));
        assert!(told(&table.add(Transport::Tcp, peer(6, 1), Origin::Ours, |_, _| false).unwrap().0));
    }

    #[test]
    fn a_peer_is_reached_by_its_newest_connection_or_by_the_one_named() {
        let mut table = table(10, 10);
        let mut old = add(&mut table, peer(7, 1)).unwrap();
        let mut new = add(&mut table, peer(7, 1)).unwrap();
        table.write(&hop(peer(7, 1), None), b"to the newest".to_vec()).unwrap();
        table.write(&hop(peer(7, 1), Some(old.id)), b"to the old".to_vec()).unwrap();
        assert_eq!(new.writes.try_recv().unwrap(), b"to the newest");
        assert_eq!(old.writes.try_recv().unwrap(), b"to the old");
        // The old one's end does not hide the new one.
        table.remove(old.id);
        table.write(&hop(peer(7, 1), None), b"again".to_vec()).unwrap();
        assert_eq!(table.write(&hop(peer(7, 1), Some(old.id)), vec![]), Err((NotWritten::Unknown, vec![])));
        assert_eq!(table.write(&hop(peer(7, 2), None), vec![]), Err((NotWritten::Unknown, vec![])));
    }

    #[test]
    fn a_peer_that_does_not_read_is_forgotten() {
        let mut table = table(10, 10);
        let mut place = add(&mut table, peer(7, 1)).unwrap();
        let to = hop(peer(7, 1), Some(place.id));
        table.write(&to, vec![1]).unwrap();
        table.write(&to, vec![2]).unwrap();
        assert_eq!(table.write(&to, vec![3]), Err((NotWritten::Stuck, vec![3])));
        assert_eq!(table.len(), 0);
        // Its task still writes what was taken, then sees that the queue has ended.
        assert_eq!(place.writes.try_recv().unwrap(), [1]);
        assert_eq!(place.writes.try_recv().unwrap(), [2]);
        assert_eq!(place.writes.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}

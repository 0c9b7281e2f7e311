//! Which stream connections are open, to whom, and what waits to be written to each.

use super::stream::StreamLimits;
use crate::sip::{Hop, Transport};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use tokio::sync::mpsc;

/// At most `limits.total` connections, at most `limits.per_source` of them from one address.
#[derive(Debug)]
pub(super) struct Table {
    limits: StreamLimits,
    next: u64,
    open: HashMap<u64, Entry>,
    /// The newest connection to each peer that may be used by who does not name it.
    by_remote: HashMap<(Transport, SocketAddr), u64>,
    by_source: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Entry {
    transport: Transport,
    remote: SocketAddr,
    writes: mpsc::Sender<Vec<u8>>,
}

/// A place in the table, and what is written to it.
#[derive(Debug)]
pub(super) struct Place {
    pub id: u64,
    pub writes: mpsc::Receiver<Vec<u8>>,
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
        Table { limits, next: 1, open: HashMap::new(), by_remote: HashMap::new(), by_source: HashMap::new() }
    }

    /// A new connection with `remote`. Ids are not used twice. `findable`: also used for what names the peer alone.
    pub fn add(&mut self, transport: Transport, remote: SocketAddr, findable: bool) -> Result<Place, Full> {
        if self.open.len() >= self.limits.total {
            return Err(Full::Total);
        }
        let from_one = self.by_source.entry(remote.ip()).or_default();
        if *from_one >= self.limits.per_source {
            return Err(Full::FromOne);
        }
        *from_one += 1;
        let id = self.next;
        self.next += 1;
        let (sender, writes) = mpsc::channel(self.limits.queued.max(1));
        self.open.insert(id, Entry { transport, remote, writes: sender });
        if findable {
            self.by_remote.insert((transport, remote), id);
        }
        Ok(Place { id, writes })
    }

    pub fn remove(&mut self, id: u64) {
        let Some(entry) = self.open.remove(&id) else { return };
        let peer = (entry.transport, entry.remote);
        if self.by_remote.get(&peer) == Some(&id) {
            self.by_remote.remove(&peer);
        }
        if let Some(from_one) = self.by_source.get_mut(&entry.remote.ip()) {
            *from_one -= 1;
            if *from_one == 0 {
                self.by_source.remove(&entry.remote.ip());
            }
        }
    }

    /// Puts bytes into the queue of the connection that `hop` names, or of the newest one to its peer.
    pub fn write(&mut self, hop: &Hop, bytes: Vec<u8>) -> Result<(), (NotWritten, Vec<u8>)> {
        let id = hop.connection.or_else(|| self.by_remote.get(&(hop.transport, hop.remote)).copied());
        let Some((id, entry)) = id.and_then(|id| self.open.get(&id).map(|entry| (id, entry))) else {
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

    fn peer(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    fn hop(remote: SocketAddr, connection: Option<u64>) -> Hop {
        Hop { transport: Transport::Tcp, local: peer(1, 5060), remote, connection }
    }

    #[test]
    fn bounds_hold_and_removal_makes_room() {
        let mut table = table(3, 2);
        let first = table.add(Transport::Tcp, peer(7, 1), true).unwrap();
        let _second = table.add(Transport::Tcp, peer(7, 2), true).unwrap();
        assert_eq!(table.add(Transport::Tcp, peer(7, 3), true).err(), Some(Full::FromOne));
        let _third = table.add(Transport::Tcp, peer(8, 1), true).unwrap();
        assert_eq!(table.add(Transport::Tcp, peer(9, 1), true).err(), Some(Full::Total));
        table.remove(first.id);
        table.remove(first.id);
        let again = table.add(Transport::Tcp, peer(7, 3), true).unwrap();
        assert_ne!(again.id, first.id);
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn nothing_is_left_when_all_are_gone() {
        let mut table = table(10, 10);
        let places: Vec<_> = (0..5).map(|n| table.add(Transport::Tcp, peer(n % 2, 1), true).unwrap()).collect();
        for place in places {
            table.remove(place.id);
        }
        assert_eq!((table.open.len(), table.by_remote.len(), table.by_source.len()), (0, 0, 0));
    }

    #[test]
    fn a_peer_is_reached_by_its_newest_connection_or_by_the_one_named() {
        let mut table = table(10, 10);
        let mut old = table.add(Transport::Tcp, peer(7, 1), true).unwrap();
        let mut new = table.add(Transport::Tcp, peer(7, 1), true).unwrap();
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
        let mut place = table.add(Transport::Tcp, peer(7, 1), true).unwrap();
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

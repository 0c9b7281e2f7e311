//! One handshake among those of its source, so that none has all of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Given back when it is dropped.
pub struct Share<'a> {
    shares: &'a Mutex<HashMap<IpAddr, usize>>,
    source: IpAddr,
}

impl Share<'_> {
    pub fn take(shares: &Mutex<HashMap<IpAddr, usize>>, source: IpAddr, max: usize) -> Option<Share<'_>> {
        let mut of = shares.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = of.get(&source).copied().unwrap_or(0);
        (taken < max).then(|| {
            of.insert(source, taken + 1);
            Share { shares, source }
        })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut of = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut taken) = of.entry(self.source) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

//! When which phone behind NAT is asked whether it is there.

use super::{Binding, Name};
use crate::sip::endpoint::Hop;
use crate::sip::uri::Uri;
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, BTreeSet};

/// An OPTIONS that is to be sent to a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    pub name: Name,
    pub uri: Uri,
    pub hop: Hop,
    pub asked: Time,
}

/// How often phones were asked, answered, and were found to be gone, since the registrar was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub sent: u64,
    pub answered: u64,
    pub lost: u64,
}

#[derive(Debug)]
pub(super) struct Pings {
    every: Duration,
    phones: BTreeMap<Name, Phone>,
    due: BTreeSet<(Time, Name)>,
}

#[derive(Debug, Default)]
struct Phone {
    /// `None`: it was asked, and the answer is waited for.
    due: Option<Time>,
    /// Ever.
    has_answered: bool,
}

impl Pings {
    pub fn new(every: Duration) -> Pings {
        Pings { every, phones: BTreeMap::new(), due: BTreeSet::new() }
    }

    pub fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The binding is new or has changed; its phone is asked from now on, if it needs that.
    pub fn watch(&mut self, now: Time, binding: &Binding) {
        let name = binding.name();
        if self.every.is_zero() || !binding.is_behind_nat() {
            self.forget(&name);
            return;
        }
        self.phones.entry(name.clone()).or_default();
        let is_restored = binding.refreshed < now;
        let due = now + if is_restored { spread(&name, self.every) } else { self.every };
        self.set(&name, Some(due));
    }

    pub fn forget(&mut self, name: &Name) {
        self.set(name, None);
        self.phones.remove(name);
    }

    /// One that is due. It is not again before [`Pings::answered`] or [`Pings::again`].
    pub fn take(&mut self, now: Time) -> Option<Name> {
        let (_, name) = self.due.first().filter(|(at, _)| *at <= now)?.clone();
        self.set(&name, None);
        Some(name)
    }

    pub fn has_answered(&self, name: &Name) -> bool {
        self.phones.get(name).is_some_and(|phone| phone.has_answered)
    }

    pub fn answered(&mut self, now: Time, name: &Name) {
        if let Some(phone) = self.phones.get_mut(name) {
            phone.has_answered = true;
            self.again(now, name);
        }
    }

    pub fn again(&mut self, now: Time, name: &Name) {
        self.set(name, Some(now + self.every));
    }

    /// Nothing for a phone that is not watched.
    fn set(&mut self, name: &Name, due: Option<Time>) {
        let Some(phone) = self.phones.get_mut(name) else { return };
        if let Some(old) = std::mem::replace(&mut phone.due, due) {
            self.due.remove(&(old, name.clone()));
        }
        if let Some(at) = due {
            self.due.insert((at, name.clone()));
        }
    }
}

/// Somewhere from zero to `every`, the same each time: after a restart not all phones are asked in one moment.
fn spread(name: &Name, every: Duration) -> Duration {
    let sum =
        name.user.bytes().chain(name.contact.bytes()).fold(0_u32, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    every * (sum % 1000) / 1000
}

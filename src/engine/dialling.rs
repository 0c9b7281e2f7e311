//! What a number means that somebody dialled, or that stands in a flow or a transfer.

use super::Engine;
use super::calls::Plan;
use super::directory::Directory;
use super::settings::Settings;
use crate::sip::{Request, keys};
use std::borrow::Cow;
use std::collections::HashMap;

/// The flows of all numbers.
pub(super) struct Numbers {
    ours: Directory<String>,
    /// Of the trunks that have numbers of their own, by their places.
    by_trunk: HashMap<usize, Directory<String>>,
}

impl Numbers {
    /// `settings`: with all numbers in one form.
    pub fn new(settings: &Settings) -> Numbers {
        let of = |trunk: Option<&str>| {
            let theirs = settings.numbers.iter().filter(|number| number.trunk.as_deref() == trunk);
            Directory::new(theirs.map(|number| (number.number.clone(), number.flow.clone())))
        };
        let trunks = settings.trunks.iter().enumerate();
        let with_own = trunks.filter(|(_, t)| settings.numbers.iter().any(|n| n.trunk.as_ref() == Some(&t.name)));
        Numbers { ours: of(None), by_trunk: with_own.map(|(at, trunk)| (at, of(Some(&trunk.name)))).collect() }
    }

    fn of(&self, trunk: Option<usize>) -> Option<&Directory<String>> {
        self.by_trunk.get(&trunk?)
    }
}

impl Engine {
    /// A number in the form in which numbers are compared. `by_trunk`: where it came from, by its place; `None`: from inside.
    pub(super) fn number(&self, written: &str, by_trunk: Option<usize>) -> String {
        let house = &self.settings.numbering;
        // Never rewritten, wherever it stands.
        if let Some(keys) = keys(written)
            && self.is_emergency(&keys)
        {
            return keys.into_owned();
        }
        match by_trunk {
            // An agent's name may look like a number.
            None if self.agents.named(written).is_some() => written.to_owned(),
            None => house.inner(written),
            Some(trunk) => self.settings.trunks[trunk].dialect.inner(house, written),
        }
    }

    /// Whom a request names as it is written: a number or a name. Who calls for help by the name of the service calls the first
    /// number for emergencies.
    pub(super) fn called<'a>(&'a self, request: &'a Request) -> Cow<'a, str> {
        match request.uri.is_emergency_service() {
            true => self.settings.emergency.first().map_or("", String::as_str).into(),
            false => request.uri.number().unwrap_or_default(),
        }
    }

    /// The number that is called. A carrier at which we register calls our Contact, and names the number in To.
    pub(super) fn dialled(&self, by_trunk: Option<usize>, request: &Request) -> String {
        let dialled = self.called(request);
        let account = by_trunk.and_then(|trunk| self.settings.trunks[trunk].account.as_ref());
        let to = request.headers.to().ok().filter(|_| account.is_some_and(|account| account.user == dialled));
        let to = to.as_ref().and_then(|to| to.uri.number());
        self.number(&to.unwrap_or(dialled), by_trunk)
    }

    /// What a number in its one form stands for. `by_trunk`: as in [`Engine::number`].
    pub(super) fn plan_for(&self, number: &str, by_trunk: Option<usize>) -> Option<Plan> {
        let codes = &self.settings.codes;
        let (ours, theirs) = (&self.numbers.ours, self.numbers.of(by_trunk));
        // Nobody outside dials colleagues and codes.
        let inside = by_trunk.is_none();
        let outside = || (!self.takers(number).is_empty()).then(|| Plan::Outside { number: number.to_owned() });
        if number.is_empty() {
            None
        } else if self.is_emergency(number) {
            outside()
        } else if let Some(flow) = theirs.and_then(|theirs| theirs.one(number).or_else(|| theirs.among(number))) {
            Some(Plan::Flow(flow.clone()))
        } else if let Some(flow) = ours.one(number) {
            Some(Plan::Flow(flow.clone()))
        } else if inside && let Some(agent) = self.agents.numbered(number).or_else(|| self.agents.named(number)) {
            Some(Plan::Agent(agent))
        } else if inside && number == codes.ready {
            Some(Plan::Ready)
        } else if inside && let Some(reason) = codes.pauses.get(number) {
            Some(Plan::Pause(reason.clone()))
        } else if inside && number == codes.wrap_up_done {
            Some(Plan::EndWrapUp)
        } else if inside && number == codes.wrap_up_more {
            Some(Plan::ExtendWrapUp)
        } else if let Some(flow) = ours.among(number) {
            Some(Plan::Flow(flow.clone()))
        } else {
            // Whoever is not taken by a trunk goes nowhere.
            outside()
        }
    }
}

//! What callers and agents saw, by the clock on their own wall, and whether contact records tell the same.

use super::check::{Broken, Promise};
use super::phone::PhoneEvent;
use super::world::Act;
use crate::acd::{Exit, Outcome};
use crate::record::Contact;
use crate::time::{Duration, Time};
use std::collections::BTreeMap;

/// People's memories of one day.
pub struct Witness {
    slack: Duration,
    sees_all: bool,
    /// The number that callers may be sent to, where nobody remembers anything.
    outside: Option<String>,
    /// By the number they call from; each calls once.
    callers: BTreeMap<String, Caller>,
    /// For whom each agent's phone rang last: the caller, and which of their rings it is.
    desks: BTreeMap<String, (String, usize)>,
}

#[derive(Default)]
struct Caller {
    connected: Option<Time>,
    ended: Option<Time>,
    hung_up: Option<Time>,
    keys: Vec<Time>,
    rings: Vec<Ring>,
}

/// A phone that rang for a caller.
struct Ring {
    agent: String,
    began: Time,
    ended: Option<Time>,
    answered: Option<Time>,
    talked_until: Option<Time>,
    /// The phone lost its power meanwhile: what was done with it since, nobody else heard of.
    unplugged: bool,
    /// The caller was to be sent elsewhere: the talk is over before the phone is, or goes on anew.
    transferred: bool,
}

impl Witness {
    /// `slack`: for the ways between people and the switchboard, there and back. `sees_all`: nothing is lost on the way
    /// and no phone is out of order or in use, so that nothing may be in the records that nobody saw.
    pub fn new(slack: Duration, sees_all: bool, outside: Option<String>) -> Witness {
        Witness { slack, sees_all, outside, callers: BTreeMap::new(), desks: BTreeMap::new() }
    }

    pub fn caller_does(&mut self, now: Time, number: &str, act: &Act) {
        if let Act::Call(_) = act {
            self.callers.insert(number.to_owned(), Caller::default());
        }
        let Some(caller) = self.callers.get_mut(number).filter(|caller| caller.ended.is_none()) else { return };
        match act {
            Act::Key(_) | Act::Info(_) if caller.connected.is_some() => caller.keys.push(now),
            Act::HangUp => (caller.ended, caller.hung_up) = (Some(now), Some(now)),
            _ => {}
        }
    }

    pub fn caller_sees(&mut self, now: Time, number: &str, event: &PhoneEvent) {
        let Some(caller) = self.callers.get_mut(number) else { return };
        match event {
            PhoneEvent::Connected { .. } => {
                caller.connected.get_or_insert(now);
            }
            PhoneEvent::Ended | PhoneEvent::Failed { .. } => {
                caller.ended.get_or_insert(now);
            }
            _ => {}
        }
    }

    pub fn agent_does(&mut self, now: Time, agent: &str, act: &Act) {
        if *act == Act::Unplug
            && let Some(ring) = self.ring_at(agent)
        {
            ring.unplugged = true;
        }
        if matches!(act, Act::Transfer(_))
            && let Some(ring) = self.ring_at(agent)
        {
            ring.transferred = true;
        }
        let rings = self.ring_at(agent).is_some_and(|ring| ring.ended.is_none());
        // Who meant to decline may have been too late for that: the caller gone, the next one answered.
        if *act == Act::HangUp || rings && matches!(act, Act::Decline(_)) {
            self.over(now, agent);
        }
    }

    pub fn agent_sees(&mut self, now: Time, agent: &str, event: &PhoneEvent) {
        match event {
            PhoneEvent::Rings { from } => {
                // The display shows the queue and the caller; a colleague's shows the colleague.
                let number = from.rsplit(": ").next().unwrap_or_default();
                let Some(caller) = self.callers.get_mut(number) else { return };
                self.desks.insert(agent.to_owned(), (number.to_owned(), caller.rings.len()));
                let agent = agent.to_owned();
                caller.rings.push(Ring {
                    agent,
                    began: now,
                    ended: None,
                    answered: None,
                    talked_until: None,
                    unplugged: false,
                    transferred: false,
                });
            }
            PhoneEvent::Connected { .. } => {
                if let Some(ring) = self.ring_at(agent).filter(|ring| ring.ended.is_none()) {
                    (ring.ended, ring.answered) = (Some(now), Some(now));
                }
            }
            PhoneEvent::StoppedRinging | PhoneEvent::Ended => self.over(now, agent),
            _ => {}
        }
    }

    fn ring_at(&mut self, agent: &str) -> Option<&mut Ring> {
        let (number, index) = self.desks.get(agent)?;
        self.callers.get_mut(number)?.rings.get_mut(*index)
    }

    fn over(&mut self, now: Time, agent: &str) {
        if let Some(ring) = self.ring_at(agent) {
            ring.ended.get_or_insert(now);
            if ring.answered.is_some() {
                ring.talked_until.get_or_insert(now);
            }
            self.desks.remove(agent);
        }
    }

    /// Whether these are the records of this day.
    ///
    /// # Errors
    ///
    /// A caller who was answered has no record or two, or a record tells what those who were there saw otherwise.
    pub fn agrees_with(&self, records: &[Contact]) -> Result<(), Broken> {
        let mut told: BTreeMap<&str, u32> = BTreeMap::new();
        for record in records {
            if let Some(caller) = self.callers.get(&record.from) {
                *told.entry(&record.from).or_default() += 1;
                self.agrees(record, caller)?;
            }
        }
        for (number, caller) in &self.callers {
            let records = told.get(number.as_str()).copied().unwrap_or(0);
            let expected = if caller.connected.is_some() { 1..=1 } else { 0..=1 };
            Promise::OneRecordPerCall
                .holds(expected.contains(&records), || format!("{records} records of the call of {number}"))?;
        }
        Ok(())
    }

    fn agrees(&self, record: &Contact, caller: &Caller) -> Result<(), Broken> {
        let says = |what: &str, holds: bool| {
            Promise::RecordsAreTrue.holds(holds, || {
                let Caller { connected, ended, hung_up, keys, rings } = caller;
                let rings: Vec<String> = rings.iter().map(Ring::told).collect();
                format!(
                    "{what} of {record:?}; the caller was connected {connected:?}, ended {ended:?}, hung up {hung_up:?}, \
                     pressed keys {keys:?}, and was offered to {rings:?}"
                )
            })
        };
        says("answered", self.same(record.answered, caller.connected))?;
        says("ended", caller.connected.is_none() || self.same(Some(record.ended), caller.ended))?;

        says("the number of offers", !self.sees_all || record.offers.len() == caller.rings.len())?;
        for (n, offer) in record.offers.iter().enumerate() {
            let ring = caller.rings.iter().find(|ring| ring.agent == *offer.agent && self.near(ring.began, offer.at));
            let rang = Duration::from_millis(offer.rang_ms);
            let accepted = offer.outcome == Some(Outcome::Accepted);
            let holds = match ring {
                Some(ring) if self.sees_all => {
                    self.same(ring.ended, Some(offer.at + rang)) && ring.answered.is_some() == accepted
                }
                Some(ring) => !accepted || ring.unplugged || self.same(ring.answered, Some(offer.at + rang)),
                // An INVITE that came late to a phone, or never.
                None => !self.sees_all,
            };
            says(&format!("offer {n}"), holds)?;
        }
        let answered = caller.rings.iter().filter(|ring| ring.answered.is_some());
        says("the number of talks", !self.sees_all || record.talks.len() == answered.clone().count())?;
        for (n, talk) in record.talks.iter().enumerate() {
            let by = |ring: &&Ring| ring.agent == *talk.with;
            let until = talk.at + Duration::from_millis(talk.talked_ms);
            let holds = match answered.clone().filter(by).find(|ring| self.same(ring.answered, Some(talk.at))) {
                Some(ring) => ring.unplugged || ring.transferred || self.same(ring.talked_until, Some(until)),
                // Back from a transfer that found nobody, or with a number outside.
                None => {
                    answered.clone().filter(by).any(|ring| ring.transferred)
                        || self.outside.as_deref() == Some(&*talk.with)
                }
            };
            says(&format!("talk {n}"), holds)?;
        }
        for (n, wait) in record.waits.iter().enumerate() {
            let pressed = |at: Time| caller.keys.iter().any(|key| self.near(*key, at));
            let until = wait.since + Duration::from_millis(wait.waited_ms);
            let ended_so = match wait.exit {
                Some(Exit::Answered) => answered.clone().any(|ring| self.same(ring.answered, Some(until))),
                Some(Exit::Abandoned | Exit::ShortAbandoned) => self.same(caller.hung_up, Some(until)),
                Some(Exit::LeftByKey) => pressed(until),
                // Decided by the switchboard: people see only what follows.
                _ => true,
            };
            // Back in line without a key: nobody took the caller whom an agent wanted to send on, or the agent's phone is dead.
            let lost = |ring: &Ring| ring.unplugged || !self.sees_all && n > 0;
            let came_back = caller.rings.iter().any(|ring| ring.transferred || lost(ring));
            says(&format!("wait {n}"), (pressed(wait.since) || came_back) && ended_so)?;
        }
        Ok(())
    }

    fn near(&self, a: Time, b: Time) -> bool {
        a.since(b).max(b.since(a)) <= self.slack
    }

    /// Two memories of one moment. What one of them does not know, nobody may miss who sees all.
    fn same(&self, a: Option<Time>, b: Option<Time>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => self.near(a, b),
            (None, None) => true,
            _ => !self.sees_all,
        }
    }
}

impl Ring {
    fn told(&self) -> String {
        let Ring { agent, began, ended, answered, talked_until, .. } = self;
        format!("{agent} from {began} to {ended:?}, answered {answered:?}, talked until {talked_until:?}")
    }
}

//! Those who are to be called back: who may be promised it, and how it is done.
//!
//! ```text
//!  the flow asks          an agent is offered it      the phone answers       the number answers
//!  ─────────────▶ waits ─────────────────────▶ rings ──────────────────▶ dials ──────────────────▶ talk
//!                   ▲   a call begins, ours      │ nobody takes it         │ busy, no answer, no way,
//!                   └────────────────────────────┘ the call is over        │ or the agent hangs up
//!                   └──────────────────────────────────────────────────────┘ after `callback_retry`
//! ```
//!
//! Each time that agents are rung for a promise is a call of its own, and a record. In it the agent stands where a caller stands who
//! dials from a phone, so whatever can be done with such a call can be done with this one. While nobody is rung there is no call: the
//! promise is with the distributor alone, which keeps it over a restart.

use super::calls::{Call, ELSEWHERE, HOPS, Plan, Stage};
use super::from_flow::known_by;
use super::identity::Identity;
use super::in_line::InLine;
use super::{Engine, Queue};
use crate::acd::estimate::Told;
use crate::acd::{Arrival, Callback, Change, Exit, Obstacle, Outcome, Relax};
use crate::flow::{Input as FlowInput, QueueRequest};
use crate::ids::{AgentId, CallId, EntryId, LegId, QueueId};
use crate::record::{EndedBy, Fate, Unpromised, What};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The name that stands in place of a trunk's for calls that were promised.
pub const BY: &str = "callback";

/// Nobody is called sooner than so long after they asked for it: they hear that it is promised, and hang up.
const HANGS_UP_WITHIN: Duration = Duration::from_secs(15);

/// Numbers of which it is known how often a promise was made to them today; of one more nothing is known.
const NUMBERS_MAX: usize = 10_000;

/// Since the Unix epoch.
fn day(now: Time) -> u64 {
    now.as_secs() / 86_400
}

/// A wish to be called back that is granted.
#[derive(Debug)]
pub(super) enum Granted {
    /// The queue has promised it to the number before.
    Stands,
    Anew {
        queue: QueueId,
        number: String,
    },
}

/// What is known of promises here; the rest is with the distributor.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// Those that stand, and the number that who is called is shown.
    open: BTreeMap<EntryId, Promise>,
    /// Of a day (UTC): how many were made to each number.
    day: u64,
    made: BTreeMap<String, u32>,
}

#[derive(Clone, Debug)]
struct Promise {
    queue: Arc<str>,
    number: String,
    shows: String,
}

impl Promises {
    pub fn len(&self) -> usize {
        self.open.len()
    }

    fn may_be_made(&self, now: Time, number: &str, most: u32) -> bool {
        let of_today = self.made.get(number).filter(|_| self.day == day(now));
        // Of one who is too many to be remembered nothing is known.
        let forgets = self.day == day(now) && of_today.is_none() && self.made.len() >= NUMBERS_MAX;
        forgets || of_today.copied().unwrap_or(0) < most
    }

    fn is_made(&mut self, now: Time, number: &str) {
        if self.day != day(now) {
            (self.day, self.made) = (day(now), BTreeMap::new());
        }
        if self.made.len() < NUMBERS_MAX || self.made.contains_key(number) {
            let made = self.made.entry(number.to_owned()).or_default();
            *made = made.saturating_add(1);
        }
    }
}

/// What the call of a promise is about, until the number has answered.
#[derive(Clone, Debug)]
pub(super) struct CallsBack {
    pub entry: EntryId,
    number: String,
    shows: String,
}

impl Engine {
    /// The flow of this call wants that its caller is called back.
    pub(super) fn call_back(&mut self, now: Time, id: CallId, number: &str, queue: Option<&str>, language: String) {
        let promised = self.may_promise(now, id, number, queue).and_then(|granted| match granted {
            Granted::Stands => Ok(()),
            Granted::Anew { queue: of, number } => self.promise(now, id, (of, number), queue, language),
        });
        if let Err(why) = promised {
            self.is_not_promised(now, id, number, queue, why);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        // Who was promised nothing may go back to the line.
        call.keeps_place = promised.is_err();
        if let Some(run) = &mut call.run {
            run.handle(now, FlowInput::Promised(promised.is_ok()));
        }
    }

    /// Whether it would be promised now. Nothing is changed by it.
    pub(super) fn may_promise(
        &self,
        now: Time,
        id: CallId,
        number: &str,
        queue: Option<&str>,
    ) -> Result<Granted, Unpromised> {
        let call = self.calls.get(&id).ok_or(Unpromised::NoQueue)?;
        let number = self.number(number, None);
        self.may_be_called_back(call, &number)?;
        let queue = self.would_call(call, queue).and_then(|queue| self.queue_ids.get(queue));
        let queue = *queue.ok_or(Unpromised::NoQueue)?;
        if let Some(stands) = self.acd.callback_to(&number) {
            // It is promised already, and they are called once.
            let is_here = self.acd.entry(stands).is_some_and(|waits| waits.queue == queue);
            return if is_here { Ok(Granted::Stands) } else { Err(Unpromised::PromisedAlready) };
        }
        if let Some(obstacle) = self.acd.callback_obstacle(queue, &number) {
            return Err(match obstacle {
                Obstacle::Full { .. } => Unpromised::QueueFull,
                Obstacle::Promised => Unpromised::PromisedAlready,
                Obstacle::NoNumber => Unpromised::NumberWithheld,
                _ => Unpromised::NoQueue,
            });
        }
        if !self.promises.may_be_made(now, &number, self.settings.limits.callbacks_per_number) {
            return Err(Unpromised::TooOften);
        }
        Ok(Granted::Anew { queue, number })
    }

    /// The queue whose agents would call, who asks for `queue`.
    fn would_call<'a>(&self, call: &'a Call, queue: Option<&'a str>) -> Option<&'a str> {
        queue.or_else(|| call.queued.as_ref().map(|queued| queued.request.queue.as_str()))
    }

    /// `queue`: as the flow asked for it.
    fn promise(
        &mut self,
        now: Time,
        id: CallId,
        (of, number): (QueueId, String),
        queue: Option<&str>,
        language: String,
    ) -> Result<(), Unpromised> {
        let call = self.calls.get(&id).ok_or(Unpromised::NoQueue)?;
        let (caller, shows) = (call.from.clone(), call.to.clone());
        let queued = call.queued.clone().filter(|queued| queue.is_none_or(|queue| self.was_in(queued, queue)));
        let licences = call.licences.clone();
        let (mut request, stands) = match (queued, queue) {
            (Some(queued), None) => (queued.request, queued.stands),
            (Some(queued), Some(queue)) => self.back_to(queued, queue),
            (None, queue) => {
                let queue = queue.unwrap_or_default().to_owned();
                let (need, relax, prefer) = Default::default();
                let (priority, max_wait, attributes) = Default::default();
                (
                    QueueRequest { queue, need, relax, prefer, priority, max_wait, language, attributes },
                    InLine::new(now),
                )
            }
        };
        request.need.licences.extend(licences);
        let prefer = self.preferences(now, id, request.prefer, &caller);
        let entry = EntryId(self.ids.next());
        let mut attributes = request.attributes;
        attributes.insert("language".to_owned(), request.language);
        let not_before = now + HANGS_UP_WITHIN;
        let callback = Callback { number: number.clone(), shows: shows.clone(), not_before, ..Callback::default() };
        let InLine { since, away, been, priority, .. } = stands;
        let arrival = Arrival {
            queue: of,
            need: request.need,
            relax: request.relax.into_iter().map(|(after, need)| Relax { after, need }).collect(),
            prefer,
            priority: priority.unwrap_or(request.priority),
            since,
            away,
            been,
            attributes: attributes.into_iter().collect(),
            reference: id.to_string(),
            caller: number.clone(),
            callback: Some(Box::new(callback)),
            ..Arrival::default()
        };
        let name = self.queues[&of].name.clone();
        self.promises.open.insert(entry, Promise { queue: name.clone(), number: number.clone(), shows });
        self.acd_apply(now, Change::Arrive { entry, arrival: Box::new(arrival) });
        if self.acd.callback(entry).is_none() {
            self.promises.open.remove(&entry);
            return Err(Unpromised::QueueFull);
        }
        self.promises.is_made(now, &number);
        self.say(now, What::Promised { call: Some(id), entry, queue: name, number, since });
        Ok(())
    }

    fn is_not_promised(&mut self, now: Time, id: CallId, number: &str, queue: Option<&str>, why: Unpromised) {
        let Some(call) = self.calls.get(&id) else { return };
        let of: Arc<str> = self.would_call(call, queue).unwrap_or_default().into();
        if of.is_empty() {
            let (flow, step) = call.run.as_ref().map_or(("", ""), |run| run.place());
            let (flow, step) = (flow.into(), step.into());
            let reason = "the caller was in no queue, and `callback` names none".to_owned();
            self.say(now, What::FlowFault { call: id, flow, step, reason });
        }
        self.say(now, What::NotPromised { call: id, queue: of, number: self.number(number, None), why });
    }

    /// The number is one that a trunk takes and may carry, and the caller's own if the settings allow no others: nobody is to make us
    /// call at our cost where they like.
    fn may_be_called_back(&self, call: &Call, number: &str) -> Result<(), Unpromised> {
        let is_their_own = number == call.from;
        let is_known = call.caller_agent.is_some() || !call.identity.withheld && !known_by(&call.from).is_empty();
        let others = &self.settings.limits.callback_numbers;
        let is_allowed = is_their_own && is_known && call.caller_agent.is_none()
            || others.iter().any(|beginning| number.starts_with(beginning.as_str()));
        if !is_allowed {
            let is_withheld = is_their_own && !is_known || number.is_empty();
            return Err(if is_withheld { Unpromised::NumberWithheld } else { Unpromised::NumberNotAllowed });
        }
        if self.is_emergency(number) {
            return Err(Unpromised::Emergency);
        }
        let leads_out = self.plan_for(number, None) == Some(Plan::Outside { number: number.to_owned() })
            && self.takers(number).iter().any(|(_, trunk)| trunk.out.allows(number));
        if leads_out { Ok(()) } else { Err(Unpromised::NoWayOut) }
    }

    /// What an earlier run promised holds.
    pub(super) fn restore_promises(&mut self, now: Time) {
        let ids: Vec<(EntryId, QueueId)> = self.acd.all_callbacks().collect();
        for (entry, queue) in ids {
            let Some(Callback { number, shows, .. }) = self.acd.callback(entry).cloned() else { continue };
            let since = self.acd.entry(entry).map_or(now, |waits| waits.since);
            let name: Arc<str> = self.queues.get(&queue).map_or_else(|| "".into(), |queue: &Queue| queue.name.clone());
            self.promises.open.insert(entry, Promise { queue: name.clone(), number: number.clone(), shows });
            self.say(now, What::Promised { call: None, entry, queue: name, number, since });
        }
    }

    pub(super) fn is_promise(&self, entry: EntryId) -> bool {
        self.promises.open.contains_key(&entry)
    }

    /// An agent is to be rung for a promise: the call in which that is done, and what their phones show. `None`: not now.
    pub(super) fn call_for_promise(&mut self, now: Time, entry: EntryId) -> Option<(CallId, String)> {
        // Who goes makes no new calls; the next run knows of it.
        if self.drain.is_some() {
            return None;
        }
        let Promise { queue, number, shows } = self.promises.open.get(&entry)?.clone();
        let display = format!("{queue}: {BY} {number}");
        if let Some(call) = self.entries.get(&entry) {
            return Some((*call, display));
        }
        let tries = self.acd.callback(entry)?.tries;
        let since = self.acd.entry(entry)?.since;
        let (id, caller) = (CallId(self.ids.next()), LegId(self.ids.next()));
        let trunk: Arc<str> = BY.into();
        let (from, to) = (shows.clone(), number.clone());
        self.say(now, What::CallStarted { call: id, from, to, trunk: trunk.clone() });
        self.say(now, What::CallsBack { call: id, entry, queue, number: number.clone(), since, tries });
        let calls_back = Some(Box::new(CallsBack { entry, number: number.clone(), shows }));
        self.entries.insert(entry, id);
        self.calls.insert(
            id,
            Call {
                // No leg has it: nobody is there before an agent is.
                caller,
                caller_agent: None,
                begun: None,
                caller_entry: None,
                licences: BTreeSet::new(),
                group: id,
                // What the agents' phones show.
                from: number.clone(),
                name: String::new(),
                identity: Identity::default(),
                location: None,
                redirects: 0,
                redirected_by: None,
                heard: None,
                to: number,
                trunk,
                hops_left: HOPS,
                run: None,
                is_driven: false,
                stage: Stage::Ending,
                play: None,
                music_while_ringing: false,
                is_overdue: false,
                place: None,
                look: None,
                told: Told::default(),
                started: now,
                end: None,
                legs: BTreeSet::new(),
                wake: None,
                served: None,
                agents_lost: 0,
                announcing: None,
                queued: None,
                keeps_place: false,
                calls_back,
                transfer: None,
                departing: Vec::new(),
                took_back: None,
                replacing: Vec::new(),
            },
        );
        self.schedule(id);
        Some((id, display))
    }

    /// No agent is rung any more in the call for a promise, and none has taken it.
    pub(super) fn nobody_took_it(&mut self, now: Time, id: CallId, entry: EntryId) {
        if !self.is_promise(entry) || self.offers.values().any(|offer| offer.call == id) {
            return;
        }
        if self.calls.get(&id).is_some_and(|call| call.calls_back.is_some()) {
            self.entries.remove(&entry);
            self.end_call(now, id, EndedBy::System, "no agent took it");
        }
    }

    /// The agent whose leg this is has a promise: calls the number. False: it is no promise.
    pub(super) fn dial_promised(
        &mut self,
        now: Time,
        id: CallId,
        (leg, agent): (LegId, AgentId),
        entry: EntryId,
        legs: &[LegId],
    ) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let Some(CallsBack { number, shows, .. }) = call.calls_back.as_deref().cloned() else { return false };
        (call.caller, call.caller_agent, call.caller_entry) = (leg, Some(agent), Some(entry));
        // What who is called is shown.
        call.from = shows;
        call.stage = Stage::Flow;
        for other in legs.iter().filter(|other| **other != leg) {
            self.legs.hang_up(now, *other, 487, Some(ELSEWHERE), &mut self.endpoint);
        }
        self.entries.remove(&entry);
        self.say(now, What::CallAnswered { call: id });
        self.play_ringback(id);
        self.ring_directly(now, id, Plan::Outside { number }, self.settings.limits.ring_time, false);
        true
    }

    /// The number that was promised a call has answered.
    pub(super) fn promise_reached(&mut self, now: Time, id: CallId) {
        let Some(CallsBack { entry, .. }) = self.calls.get_mut(&id).and_then(|call| call.calls_back.take()).map(|c| *c)
        else {
            return;
        };
        self.acd_apply(now, Change::Reached { entry });
        self.promise_over(now, entry, Fate::Kept);
    }

    /// The call ends. Agents whose phones still ring for a promise are rung no more.
    pub(super) fn promise_rings_no_more(&mut self, now: Time, id: CallId) {
        if self.calls.get(&id).is_none_or(|call| call.calls_back.is_none()) {
            return;
        }
        let ringing = self.offers.iter().filter(|(_, offer)| offer.call == id).map(|(offer, _)| *offer);
        for offer in ringing.collect::<Vec<_>>() {
            self.acd_apply(now, Change::OfferEnded { offer, outcome: Outcome::Busy });
        }
    }

    /// Nobody answered there. False: it was no promise.
    pub(super) fn promised_in_vain(&mut self, now: Time, id: CallId, code: u16) -> bool {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.calls_back.is_some()) else { return false };
        let (agent, entry) = (call.caller_agent.take(), call.caller_entry.take());
        self.untie(now, id, agent, entry, false);
        self.end_call(now, id, EndedBy::System, &format!("who was to be called back did not answer ({code})"));
        true
    }

    /// `again`: it waits again.
    pub(super) fn on_not_reached(&mut self, now: Time, entry: EntryId, again: Option<Time>) {
        let Some(promise) = self.promises.open.get(&entry) else { return };
        match again {
            Some(again) => {
                let queue = promise.queue.clone();
                self.say(now, What::PromisedAgain { entry, queue, again });
            }
            // Who came by themselves while they were called is told of by the same word.
            None => self.promise_over(now, entry, Fate::NotReached),
        }
    }

    /// A promise is in line no more.
    pub(super) fn promise_left(&mut self, now: Time, entry: EntryId, exit: Exit) {
        match exit {
            Exit::Answered => {}
            Exit::TimedOut => self.promise_over(now, entry, Fate::TimedOut),
            _ => self.promise_over(now, entry, Fate::Withdrawn),
        }
    }

    fn promise_over(&mut self, now: Time, entry: EntryId, fate: Fate) {
        if let Some(Promise { queue, .. }) = self.promises.open.remove(&entry) {
            self.say(now, What::PromiseOver { entry, queue, fate });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_promised_a_call_so_often_a_day() {
        let mut promises = Promises::default();
        let at = |hours: u64| Time::from_secs(20_000 * 86_400 + hours * 3600);
        let make = |promises: &mut Promises, now, number: &str| {
            let may_be = promises.may_be_made(now, number, 2);
            if may_be {
                promises.is_made(now, number);
            }
            may_be
        };
        let made: Vec<bool> = (0..4).map(|hour| make(&mut promises, at(hour), "+46701")).collect();
        assert_eq!(made, [true, true, false, false]);
        assert!(make(&mut promises, at(4), "+46702"), "another has its own");
        assert!(!make(&mut promises, at(23), "+46701"));
        assert!(make(&mut promises, at(24), "+46701"), "a new day");
        assert!(!promises.may_be_made(at(24), "+46704", 0), "where none is allowed the first is too many");
        // What is too much to remember is not counted.
        for number in 0..NUMBERS_MAX {
            make(&mut promises, at(24), &number.to_string());
        }
        assert!((0..9).all(|_| make(&mut promises, at(24), "+46703")));
        assert_eq!(promises.made.len(), NUMBERS_MAX);
    }
}

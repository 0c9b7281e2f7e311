//! A call from the INVITE that made it to the end of its last leg.

use super::Engine;
use super::agents::Begun;
use super::announcing::Announcing;
use super::callbacks::CallsBack;
use super::identity::Identity;
use super::in_line::InLine;
use super::location::Location;
use super::outbound::Attempt;
use super::search::Search;
use super::transfers::{Departing, TookBack, Transfer};
use super::trunks::Way;
use crate::acd::estimate::Told;
use crate::acd::{Change, Exit, Outcome};
use crate::call::Dial;
use crate::flow::{Input as FlowInput, QueueRequest, Run};
use crate::ids::{AgentId, CallId, EntryId, LegId};
use crate::media::PlayId;
use crate::need::Licence;
use crate::record::{EndedBy, What};
use crate::sip::{Headers, Party, Uri};
use crate::time::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Max-Forwards of a call that says nothing about it, and what one that says more is taken for (RFC 3261 §8.1.1.6).
pub(super) const HOPS: u8 = 70;

/// What a CANCEL says when somebody else took the call (RFC 3326 §2).
pub(super) const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

pub(super) struct Call {
    pub caller: LegId,
    /// The agent who called, if it is no trunk.
    pub caller_agent: Option<AgentId>,
    /// Whose call it counts as, until it is over.
    pub begun: Option<Begun>,
    /// The entry by which that agent came into the call before the call became theirs by a transfer.
    pub caller_entry: Option<EntryId>,
    /// What all must hold who serve the caller from now on: an agent who had to hold it has transferred them.
    pub licences: BTreeSet<Licence>,
    /// Legs of calls of one group can be bridged with each other: the calls of an agent who may join them.
    pub group: CallId,
    pub from: String,
    /// The display name the caller sent.
    pub name: String,
    pub identity: Identity,
    /// Where an emergency is.
    pub location: Option<Box<Location>>,
    /// To how many places it was sent, by who was called, until it came into its flow; and the agent whose phone sent it where it
    /// rings.
    pub redirects: u8,
    pub redirected_by: Option<AgentId>,
    /// The leg whose sound the caller hears before anybody has answered.
    pub heard: Option<LegId>,
    pub to: String,
    /// The trunk's name, or `agent`.
    pub trunk: Arc<str>,
    /// Max-Forwards of whatever is placed because of this call: one less than it had itself, so that a loop by way of others
    /// comes to its end here or there (RFC 3261 §16.6 step 3).
    pub hops_left: u8,
    pub run: Option<Run>,
    /// What its flow asks for is being done.
    pub is_driven: bool,
    pub stage: Stage,
    /// What the flow is waiting to hear played.
    pub play: Option<PlayId>,
    /// The flow plays music while it transfers the caller.
    pub music_while_ringing: bool,
    /// It was left unanswered for as long as may be.
    pub is_overdue: bool,
    /// The place in line that an unanswered caller was told last, and when it is looked at again.
    pub place: Option<u32>,
    pub look: Option<Time>,
    /// How long it takes, as told so far.
    pub told: Told,
    pub started: Time,
    /// `Some` once the call is ending: who ended it and why.
    pub end: Option<(EndedBy, String)>,
    /// Legs whose media is not closed yet.
    pub legs: BTreeSet<LegId>,
    /// The call's place in `Engine::wakes`.
    pub wake: Option<Time>,
    /// How the flow got the caller connected; `None`: it did not.
    pub served: Option<Served>,
    /// How often an agent's line broke.
    pub agents_lost: u8,
    /// An agent was found, and hears something first.
    pub announcing: Option<Announcing>,
    /// The last line that the caller joined.
    pub queued: Option<Queued>,
    /// They have left that line to be called back, and were not promised it: where they go back there, they stand where they stood.
    pub keeps_place: bool,
    /// A number is to be called that was promised it, and has not answered yet.
    pub calls_back: Option<Box<CallsBack>>,
    pub transfer: Option<Box<Transfer>>,
    pub departing: Vec<Departing>,
    pub took_back: Option<TookBack>,
    /// Legs that are about to take another's place.
    pub replacing: Vec<(LegId, LegId)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    ByQueue,
    ByTransfer,
}

/// What the caller waits for, or did.
#[derive(Clone)]
pub(super) struct Queued {
    /// As the flow asked for it; but of the queue where the caller is now, with the licences that other queues asked for.
    pub request: QueueRequest,
    pub stands: InLine,
}

/// Where the caller is.
pub(super) enum Stage {
    /// The leg waits for its port and the check of its offer.
    Arriving {
        plan: Plan,
        /// By a `sips:` URI.
        securely: bool,
    },
    /// The flow speaks with the caller.
    Flow,
    Waiting {
        entry: EntryId,
    },
    /// Somebody outside the queues is being rung.
    Ringing {
        legs: Vec<LegId>,
        /// `None`: a number outside.
        callee: Option<AgentId>,
        with: Arc<str>,
        deadline: Time,
        /// By a `sips:` URI.
        securely: bool,
        search: Box<Search>,
    },
    Talking(Talk),
    /// The agent who dialled a code hears that it worked.
    Notice,
    Ending,
}

pub(super) struct Talk {
    pub leg: LegId,
    /// `None`: a party outside.
    pub agent: Option<AgentId>,
    /// The agent's name or the number that was dialled.
    pub with: Arc<str>,
    /// The entry that brought the two together; `None` for direct calls.
    pub entry: Option<EntryId>,
    pub since: Time,
}

/// What a new call is for; decided from the number before anything else happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    Flow(String),
    Agent(AgentId),
    /// A number outside that some trunk takes.
    Outside {
        number: String,
    },
    Ready,
    Pause(String),
    EndWrapUp,
    ExtendWrapUp,
}

pub(super) struct Offer {
    pub call: CallId,
    pub agent: AgentId,
    pub queue: Arc<str>,
    pub entry: EntryId,
    pub made: Time,
    /// The agent's phones that ring.
    pub legs: Vec<LegId>,
    pub answered: Option<LegId>,
    /// How the phones that gave up gave up: the one that tells most.
    pub outcome: Outcome,
}

impl Engine {
    /// Looks at a call because time has come: the flow's timer, the ringing's or the call's own limit.
    pub(super) fn call_due(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.wake = None;
        if call.started + self.settings.limits.call_duration <= now {
            return self.end_call(now, id, EndedBy::System, "the longest allowed duration");
        }
        self.departures_due(now, id);
        self.unanswered_due(now, id);
        self.announcement_due(now, id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Stage::Ringing { deadline, .. } = call.stage
            && deadline <= now
        {
            self.ringing_failed(now, id, 408);
        } else if let Some(run) = &mut call.run
            && run.poll_timeout().is_some_and(|due| due <= now)
        {
            run.handle_timeout(now);
            self.drive(now, id);
        }
        self.schedule(id);
    }

    /// Keeps the call's place in the list of wake-ups true; to be called after anything that may change it.
    pub(super) fn schedule(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let ringing = match call.stage {
            Stage::Ringing { deadline, .. } => Some(deadline),
            _ => None,
        };
        let limit = call.end.is_none().then_some(call.started + self.settings.limits.call_duration);
        let departs = call.departing.iter().map(|departing| departing.until).min();
        let flow = call.run.as_ref().and_then(Run::poll_timeout);
        let announced = call.announcing.map(|announcing| announcing.until);
        let unanswered = self.unanswered_until(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let wake = [ringing, limit, departs, flow, unanswered, announced].into_iter().flatten().min();
        if wake != call.wake {
            if let Some(old) = call.wake {
                self.wakes.remove(&(old, id));
            }
            if let Some(new) = wake {
                self.wakes.insert((new, id));
            }
            call.wake = wake;
        }
    }

    /// Tells the call's flow something, and does what it asks for.
    pub(super) fn tell_flow(&mut self, now: Time, id: CallId, input: FlowInput) {
        if let Some(run) = self.calls.get_mut(&id).and_then(|call| call.run.as_mut()) {
            run.handle(now, input);
            self.drive(now, id);
        }
    }

    /// Rings every phone of an agent on behalf of a call; the legs are part of the call. Empty: no phone is registered, or, `securely`,
    /// none that a `sips:` URI may reach.
    pub(super) fn ring_agent(
        &mut self,
        now: Time,
        call: CallId,
        agent: AgentId,
        display: String,
        headers: Headers,
        securely: bool,
    ) -> Vec<LegId> {
        let name = &self.agents.seat(agent).name;
        let phones: Vec<_> = self.registrar.phones(name, securely).cloned().collect();
        let mut legs = Vec::with_capacity(phones.len());
        for phone in phones {
            let (display, headers) = (display.clone(), headers.clone());
            let attempt = Attempt { phone, display, headers, securely, rings: false };
            legs.extend(self.ring_phone(now, call, attempt));
        }
        legs
    }

    /// Rings one phone of an agent; the leg is part of the call.
    pub(super) fn ring_phone(&mut self, now: Time, call_id: CallId, attempt: Attempt) -> Option<LegId> {
        let call = self.calls.get(&call_id)?;
        let Attempt { phone, display, headers, .. } = &attempt;
        let (mut headers, hop) = (headers.clone(), phone.hop);
        phone.path.iter().for_each(|proxy| headers.push("Route", proxy));
        let from = self.shown_to_agent(call, display.clone(), &hop, &mut headers);
        let (target, to) = (phone.uri.clone(), Uri::sip(Some(&phone.user), hop.local));
        let party = Party::Phone(self.agents.named(&phone.user)?.0);
        let leg = LegId(self.ids.next());
        if phone.is_flow() || hop.connection.is_some() {
            self.attempts.began(now, leg, attempt);
        }
        let (account, places, enclosed) = (None, Vec::new(), Vec::new());
        let dial = Dial { target, hop, from, to, headers, enclosed, follows: false, party, account, places };
        self.dial(call_id, leg, dial);
        Some(leg)
    }

    /// Rings a number outside by this way.
    pub(super) fn ring_outside(&mut self, call_id: CallId, way: Way, number: &str) -> Option<LegId> {
        let mut headers = Headers::default();
        let call = self.calls.get(&call_id)?;
        let trunk = self.settings.trunks.get(way.trunk)?;
        let hop = way.hop;
        let emergency = self.is_emergency(number);
        // Who is in need is connected by the number that everybody knows.
        let dialled = match emergency {
            true => number.to_owned(),
            false => trunk.dialect.outer(&self.settings.numbering, number),
        };
        let target = trunk.uri(Some(&dialled), hop.remote);
        let from = self.shown_outside(call, trunk, &hop, emergency, &mut headers);
        let account = trunk.account.clone();
        let mut enclosed = Vec::new();
        if let Some(location) = call.location.as_ref().filter(|_| emergency) {
            location.headers.iter().for_each(|header| headers.push(header.name, header.value));
            enclosed.clone_from(&location.enclosed);
        }
        let (party, places) = (Party::Trunk(way.trunk), self.trunks.places(way.trunk, trunk));
        let to = target.clone();
        let dial = Dial { target, hop, from, to, headers, enclosed, follows: true, party, account, places };
        let leg = LegId(self.ids.next());
        self.trunks.leg_began(leg, way.trunk);
        self.trunks.state_mut(way.trunk).counts.calls_out += 1;
        self.dial(call_id, leg, dial);
        Some(leg)
    }

    fn dial(&mut self, id: CallId, leg: LegId, mut dial: Dial) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        dial.headers.push("Max-Forwards", call.hops_left.to_string());
        call.legs.insert(leg);
        self.leg_calls.insert(leg, id);
        self.legs.dial(call.group, leg, dial);
    }

    /// Nobody answered the direct call or transfer, and nobody else is tried: the flow goes on, or the caller is told.
    pub(super) fn nobody_answered(&mut self, now: Time, id: CallId, code: u16) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (caller, is_transfer, has_flow) = (call.caller, call.transfer.is_some(), call.run.is_some());
        // What is called next is not called because of a phone.
        call.redirected_by = None;
        if self.promised_in_vain(now, id, code) {
            return;
        }
        if is_transfer {
            self.transfer_failed(now, id, code);
        } else if has_flow {
            self.tell_flow(now, id, FlowInput::TransferFailed(code));
        } else {
            self.legs.hang_up(now, caller, code, None, &mut self.endpoint);
            self.end_call(now, id, EndedBy::System, "nobody answered");
        }
    }

    /// Caller and `leg` hear each other from now on. Other phones that still ring are told that it was taken.
    pub(super) fn connect(&mut self, now: Time, id: CallId, talk: Talk, others: &[LegId]) {
        for other in others.iter().filter(|l| **l != talk.leg) {
            self.legs.hang_up(now, *other, 487, Some(ELSEWHERE), &mut self.endpoint);
        }
        let (leg, with) = (talk.leg, talk.with.clone());
        let Some(call) = self.calls.get_mut(&id) else { return };
        let caller = call.caller;
        // A flow whose caller was transferred knows them as connected already.
        let is_transfer = call.transfer.is_some();
        if !is_transfer {
            let served = if talk.entry.is_some() { Served::ByQueue } else { Served::ByTransfer };
            call.served = call.run.is_some().then_some(served);
        }
        call.stage = Stage::Talking(talk);
        call.told = Told::default();
        (call.redirects, call.redirected_by, call.heard) = (0, None, None);
        call.play = None;
        if !is_transfer {
            self.tell_flow(now, id, FlowInput::Connected);
        }
        self.answer_caller(now, id);
        self.legs.bridge(caller, leg);
        self.say(now, What::Connected { call: id, leg, with });
        self.transfer_over(now, id, 200);
        self.heed_holds(now, id);
        self.schedule(id);
    }

    pub(super) fn answer_caller(&mut self, now: Time, id: CallId) {
        if let Some(call) = self.calls.get(&id)
            && self.legs.answer(now, call.caller, &mut self.endpoint)
        {
            self.say(now, What::CallAnswered { call: id });
        }
    }

    /// The talk is over (its leg may still be up). `broke`: nobody hung up. Returns whether there was one.
    pub(super) fn disconnect(&mut self, now: Time, id: CallId, broke: bool) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        if !matches!(call.stage, Stage::Talking(_)) {
            return false;
        }
        let Stage::Talking(talk) = std::mem::replace(&mut call.stage, Stage::Flow) else { return false };
        let caller = call.caller;
        let talked = now.since(talk.since);
        self.legs.unbridge(caller, talk.leg);
        if self.legs.is_held(talk.leg) {
            // The music of who is not there any more.
            self.legs.stop(caller);
        }
        self.say(now, What::Disconnected { call: id, leg: talk.leg, with: talk.with, talked });
        self.legs.hang_up(now, talk.leg, 487, None, &mut self.endpoint);
        self.untie(now, id, talk.agent, talk.entry, broke);
        true
    }

    /// Ends everything this call still has; `CallEnded` follows when its last leg's media is closed.
    pub(super) fn end_call(&mut self, now: Time, id: CallId, by: EndedBy, cause: &str) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.end.is_some() {
            return;
        }
        call.end = Some((by, cause.to_owned()));
        call.run = None;
        let caller = call.caller;
        let (caller_agent, caller_entry) = (call.caller_agent, call.caller_entry);
        let broke = by == EndedBy::System;
        self.promise_rings_no_more(now, id);
        self.disconnect(now, id, broke);
        self.end_departures(now, id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        match std::mem::replace(&mut call.stage, Stage::Ending) {
            Stage::Waiting { entry } => {
                let exit = if by == EndedBy::System { Exit::SystemFault } else { Exit::Abandoned };
                self.acd_apply(now, Change::Leave { entry, exit });
            }
            Stage::Ringing { legs, callee, .. } => {
                for leg in legs {
                    self.legs.hang_up(now, leg, 487, None, &mut self.endpoint);
                }
                self.own_call_over(now, callee, id);
            }
            _ => {}
        }
        self.legs.hang_up(now, caller, 480, None, &mut self.endpoint);
        self.untie(now, id, caller_agent, caller_entry, broke);
        self.schedule(id);
        self.forget_if_over(now, id);
    }

    /// The last word about a call whose last leg is closed.
    pub(super) fn forget_if_over(&mut self, now: Time, id: CallId) {
        let over = self.calls.get(&id).is_some_and(|c| c.end.is_some() && c.legs.is_empty());
        if over && let Some(call) = self.calls.remove(&id) {
            if let Some(wake) = call.wake {
                self.wakes.remove(&(wake, id));
            }
            if let Some(begun) = call.begun {
                self.agents.is_over(begun);
            }
            if let Some((by, cause)) = call.end {
                self.say(now, What::CallEnded { call: id, by, cause });
            }
        }
    }

    pub(super) fn own_call_began(&mut self, now: Time, agent: AgentId, id: CallId) {
        let seat = self.agents.seat_mut(agent);
        if seat.own_calls.insert(id) && seat.own_calls.len() == 1 {
            self.acd_apply(now, Change::Busy { agent });
            self.tell_talk(now, agent);
        }
    }

    /// `None`: the party was no agent.
    pub(super) fn own_call_over(&mut self, now: Time, agent: Option<AgentId>, id: CallId) {
        let Some(agent) = agent else { return };
        if let Some(begun) = self.calls.get_mut(&id).and_then(|call| call.begun.as_mut()) {
            self.agents.left(agent, begun);
        }
        let seat = self.agents.seat_mut(agent);
        if seat.own_calls.remove(&id) && seat.own_calls.is_empty() {
            self.acd_apply(now, Change::Free { agent });
            self.tell_talk(now, agent);
        }
    }
}

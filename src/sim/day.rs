//! A working day: agents who come, work and go, callers who come, wait, talk or give up.

use super::check::Broken;
use super::check::Sums;
use super::phone::PhoneEvent;
use super::witness::Witness;
use super::world::{Act, Happening, Network, PhoneId, World};
use crate::acd::{Noted, Outcome};
use crate::engine::{Input, Settings};
use crate::ids::CallId;
use crate::record::{AgentPhase, Contact, What};
use crate::time::{Duration, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the people of this day are like. Shares are of all calls or offers.
#[derive(Clone)]
pub struct Day {
    /// The switchboard; its agents are the ones who work today.
    pub settings: Settings,
    pub network: Network,
    pub start: Time,
    /// How long calls come in; what runs then is ended by the people.
    pub length: Duration,
    /// Mean time between callers, at the start and (changing evenly) at the end.
    pub between_calls: (Duration, Duration),
    /// The change is all at once, half-way through.
    pub at_once: bool,
    /// What callers dial, drawn evenly.
    pub numbers: Vec<String>,
    /// A number outside that the settings have a trunk for: who has it is at [`OUTSIDE`], and answers.
    pub outside: Option<String>,
    /// Keys that a caller presses, one by one, drawn evenly; empty: none. Who joins a line does so by a key.
    pub keys: Vec<String>,
    /// Mean patience of a caller, exponential, from being answered by the menu.
    pub patience: Duration,
    /// Mean talk time, exponential.
    pub talk: Duration,
    /// Share of talks that the caller ends.
    pub caller_ends: f64,
    pub habits: Habits,
}

/// What agents do when they are rung, and in between.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Seconds until the phone is picked up.
    pub answer_after: (Duration, Duration),
    pub declines: f64,
    pub says_busy: f64,
    /// Lets it ring.
    pub ignores: f64,
    /// Pulls the plug when rung, and puts it back after two minutes.
    pub unplugs: f64,
    /// Puts the caller on hold once during the talk.
    pub holds: f64,
    /// After a talk, dials a code for a pause, and another one five minutes later.
    pub pauses: f64,
    /// After a talk, calls a colleague.
    pub calls_colleague: f64,
    /// After a talk, calls the number outside, if there is one.
    pub calls_out: f64,
    /// Sends the other end of a talk to a colleague, a number of the house or the one outside, and hangs up half the time
    /// before that has come about.
    pub transfers: f64,
    /// After a talk, sets the phone to "do not disturb" for five minutes, and says so to nobody.
    pub hides: f64,
}

impl Habits {
    pub const DILIGENT: Habits = Habits {
        answer_after: (Duration::from_secs(1), Duration::from_secs(6)),
        declines: 0.0,
        says_busy: 0.0,
        ignores: 0.0,
        unplugs: 0.0,
        holds: 0.0,
        pauses: 0.0,
        calls_colleague: 0.0,
        calls_out: 0.0,
        transfers: 0.0,
        hides: 0.0,
    };
    pub const HUMAN: Habits = Habits {
        answer_after: (Duration::from_secs(1), Duration::from_secs(8)),
        declines: 0.04,
        says_busy: 0.02,
        ignores: 0.04,
        unplugs: 0.01,
        holds: 0.1,
        pauses: 0.05,
        calls_colleague: 0.03,
        calls_out: 0.03,
        transfers: 0.05,
        hides: 0.02,
    };
}

/// How the day went.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub calls: u64,
    pub queues: BTreeMap<Arc<str>, Sums>,
    pub offers: BTreeMap<Outcome, u64>,
    /// Inputs and timer runs of the engine.
    pub steps: u64,
    /// An agent's phone got a call while it was in use. Only a network that loses BYEs, or a person who dials in the very
    /// moment of an offer, excuses it.
    pub rung_while_busy: u64,
    /// How often phones refused by themselves, and the shortest time between two refusals of one phone.
    pub called_in_vain: u64,
    pub in_vain_again_after: Option<Duration>,
    /// Talks in which the two phones, not only the switchboard, agreed that they were connected.
    pub talks: u64,
    /// Transfers, by how each ended.
    pub transfers: BTreeMap<u16, u64>,
    /// Calls of agents to the number outside that were answered.
    pub calls_out: u64,
}

/// A caller on the way through the call.
struct Caller {
    keys: Vec<char>,
    call: Option<CallId>,
    answered: bool,
}

struct Worker {
    name: String,
    number: String,
    called_in_vain: Option<Time>,
}

/// A day that is over, and kept its promises while it ran.
pub struct Played {
    pub report: Report,
    /// One for each call.
    pub contacts: Vec<Contact>,
    /// What a journal of the queues would have kept.
    pub noted: Vec<Noted>,
    witness: Witness,
}

impl Played {
    /// Compares the contact records with what people saw.
    ///
    /// # Errors
    ///
    /// They do not tell the same.
    pub fn records_are_true(&self) -> Result<(), Broken> {
        self.witness.agrees_with(&self.contacts)
    }
}

/// On networks that lose packets: for what is sent again after half a second, one and two.
const RESENT: Duration = Duration::from_secs(8);

/// The phone of the number outside.
pub const OUTSIDE: PhoneId = PhoneId(99_999);

const NEXT_CALLER: u64 = 0;
/// Notes above this are callers who look at their watch.
const PATIENCE: u64 = 1 << 32;

impl Day {
    /// Plays the day; panics with the moment and the story if anything that must hold does not.
    pub fn run(&self, seed: u64) -> Report {
        let played = self.play(seed);
        if let Err(broken) = played.records_are_true() {
            panic!("seed {seed}: {broken}");
        }
        played.report
    }

    /// As [`Day::run`], without the look at whether the records are true.
    pub fn play(&self, seed: u64) -> Played {
        let mut world = World::new(self.settings.clone(), self.network, seed, self.start);
        let mut workers: BTreeMap<PhoneId, Worker> = BTreeMap::new();
        let mut by_name: BTreeMap<String, PhoneId> = BTreeMap::new();
        if self.outside.is_some() {
            world.add_phone(OUTSIDE, "outside", None);
        }
        // As often on a long day as on a short one.
        let expires = (self.length / 10).max(Duration::from_secs(300));
        for (index, agent) in self.settings.agents.iter().enumerate() {
            let id = PhoneId(u32::try_from(index).expect("fewer agents than phones"));
            world.add_phone(id, &agent.settings.name, Some(&agent.password));
            let within = world.chance().between(Duration::ZERO, Duration::from_secs(10));
            world.act_in(within, id, Act::Register { expires });
            by_name.insert(agent.settings.name.clone(), id);
            let (name, number) = (agent.settings.name.clone(), agent.number.clone());
            workers.insert(id, Worker { name, number, called_in_vain: None });
        }
        let Network { delay_max, loss, .. } = self.network;
        let Habits { unplugs, pauses, calls_colleague, calls_out, transfers, hides, .. } = self.habits;
        // Where every packet arrives, and every phone is there and not in use when it is rung, people see everything.
        let sees_all = loss == 0.0 && [unplugs, pauses, calls_colleague, calls_out, transfers, hides] == [0.0; 6];
        let slack = if loss == 0.0 { delay_max * 2 + Duration::from_millis(1) } else { RESENT };
        let mut day = Running {
            day: self,
            witness: Witness::new(slack, sees_all, self.outside.clone()),
            end: self.start + self.length,
            workers,
            by_name,
            callers: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_phone: 100_000,
            rung_while_busy: 0,
            called_in_vain: 0,
            in_vain_again_after: None,
            talks: 0,
            transfers: BTreeMap::new(),
            calls_out: 0,
        };
        world.note_in(Duration::from_secs(15), NEXT_CALLER);
        while let Some(happening) = world.next(day.end) {
            day.handle(&mut world, happening);
        }
        // Closing time: no new callers; who is in a call finishes it, then everybody goes home.
        let last = day.end + Duration::from_secs(4 * 3600);
        while !world.is_quiet() {
            let until = (world.now() + Duration::from_secs(60)).min(last);
            while let Some(happening) = world.next(until) {
                day.handle(&mut world, happening);
            }
            assert!(world.now() < last, "calls that do not end, seed {seed}: {}", world.unfinished());
        }
        for id in day.workers.keys() {
            world.act_in(Duration::ZERO, *id, Act::Plug);
            world.act_in(Duration::from_millis(1), *id, Act::Unregister);
        }
        let until = world.now() + Duration::from_secs(60);
        world.input(Input::Drain { until });
        // What people had still in mind (the end of a break, a call to a colleague) comes to nothing now.
        let last = world.now() + Duration::from_secs(900);
        while let Some(happening) = world.next(last) {
            day.handle(&mut world, happening);
        }
        world.must_be_over();
        let report = Report {
            calls: world.checker.calls_ended,
            queues: world.checker.sums.clone(),
            offers: world.checker.offers.clone(),
            steps: world.steps,
            rung_while_busy: day.rung_while_busy,
            called_in_vain: day.called_in_vain,
            in_vain_again_after: day.in_vain_again_after,
            talks: day.talks,
            transfers: day.transfers,
            calls_out: day.calls_out,
        };
        let contacts = std::mem::take(&mut world.checker.contacts);
        Played { report, contacts, noted: world.noted, witness: day.witness }
    }
}

struct Running<'a> {
    day: &'a Day,
    witness: Witness,
    end: Time,
    workers: BTreeMap<PhoneId, Worker>,
    by_name: BTreeMap<String, PhoneId>,
    callers: BTreeMap<PhoneId, Caller>,
    /// Callers by the number they call from, which the switchboard repeats.
    calls: BTreeMap<CallId, PhoneId>,
    next_phone: u32,
    rung_while_busy: u64,
    called_in_vain: u64,
    in_vain_again_after: Option<Duration>,
    talks: u64,
    transfers: BTreeMap<u16, u64>,
    calls_out: u64,
}

impl Running<'_> {
    fn handle(&mut self, world: &mut World, happening: Happening) {
        match happening {
            Happening::Note(NEXT_CALLER) => self.next_caller(world),
            Happening::Note(note) => self.out_of_patience(world, note),
            Happening::Phone(OUTSIDE, event) => self.outside(world, &event),
            Happening::Did(OUTSIDE, _) => {}
            Happening::Phone(id, event) => match self.workers.get(&id) {
                Some(worker) => {
                    self.witness.agent_sees(world.now(), &worker.name, &event);
                    self.at_work(world, id, &event);
                }
                None => {
                    self.witness.caller_sees(world.now(), &caller_number(id), &event);
                    self.on_the_line(world, id, &event);
                }
            },
            Happening::Did(id, act) => match self.workers.get(&id) {
                Some(worker) => self.witness.agent_does(world.now(), &worker.name, &act),
                None => self.witness.caller_does(world.now(), &caller_number(id), &act),
            },
            Happening::Event(event) => self.told(world, &event.what),
        }
    }

    fn next_caller(&mut self, world: &mut World) {
        let day = self.day;
        if world.now() >= self.end {
            return;
        }
        let passed = world.now().since(day.start).as_secs_f64() / day.length.as_secs_f64().max(1.0);
        let passed = if day.at_once { f64::from(u8::from(passed >= 0.5)) } else { passed };
        let (first, last) = day.between_calls;
        let mean = Duration::from_secs_f64(first.as_secs_f64() * (1.0 - passed) + last.as_secs_f64() * passed);
        let gap = world.chance().exponential(mean);
        world.note_in(gap, NEXT_CALLER);
        let id = PhoneId(self.next_phone);
        self.next_phone += 1;
        let number = pick(world, &day.numbers);
        let keys = pick(world, &day.keys);
        world.add_phone(id, &caller_number(id), None);
        let keys = keys.chars().rev().collect();
        self.callers.insert(id, Caller { keys, call: None, answered: false });
        world.act_in(Duration::ZERO, id, Act::Call(number));
        let patience = Duration::from_secs(3) + world.chance().exponential(day.patience);
        world.note_in(patience, PATIENCE + u64::from(id.0));
    }

    /// A caller who still waits hangs up; who talks with somebody has forgotten the time.
    fn out_of_patience(&mut self, world: &mut World, note: u64) {
        let id = PhoneId(u32::try_from(note - PATIENCE).expect("made from a phone's id"));
        if self.callers.get(&id).is_some_and(|caller| !caller.answered) {
            world.act_in(Duration::ZERO, id, Act::HangUp);
        } else {
            world.drop_phone_if_done(id);
        }
    }

    fn on_the_line(&mut self, world: &mut World, id: PhoneId, event: &PhoneEvent) {
        let Some(caller) = self.callers.get_mut(&id) else { return };
        match event {
            PhoneEvent::Connected { .. } => {
                let mut wait = Duration::ZERO;
                while let Some(key) = caller.keys.pop() {
                    wait += world.chance().between(Duration::from_secs(2), Duration::from_secs(7));
                    let act = if world.chance().happens(0.5) { Act::Key(key) } else { Act::Info(key) };
                    world.act_in(wait, id, act);
                }
            }
            PhoneEvent::Ended | PhoneEvent::Failed { .. } => {
                self.callers.remove(&id);
            }
            _ => {}
        }
    }

    fn outside(&mut self, world: &mut World, event: &PhoneEvent) {
        match event {
            PhoneEvent::Rings { .. } => {
                let after = world.chance().between(Duration::from_secs(1), Duration::from_secs(6));
                world.act_in(after, OUTSIDE, Act::Answer);
            }
            PhoneEvent::Connected { .. } => {
                let talk = world.chance().exponential(Duration::from_secs(20));
                world.act_in(talk, OUTSIDE, Act::HangUp);
            }
            _ => {}
        }
    }

    /// In the talk that has just begun, an agent thinks of somebody who knows better.
    fn transfers(&self, world: &mut World, id: PhoneId) {
        if !world.chance().happens(self.day.habits.transfers) {
            return;
        }
        let mut others: Vec<String> = self.workers.values().map(|w| w.number.clone()).collect();
        others.extend(self.day.numbers.iter().cloned());
        others.extend(self.day.outside.clone());
        let number = pick(world, &others);
        let after = world.chance().between(Duration::from_secs(3), Duration::from_secs(30));
        world.act_in(after, id, Act::Transfer(number));
        if world.chance().happens(0.5) {
            let soon = world.chance().between(Duration::ZERO, Duration::from_secs(3));
            world.act_in(after + soon, id, Act::HangUp);
        }
    }

    fn at_work(&mut self, world: &mut World, id: PhoneId, event: &PhoneEvent) {
        match event {
            PhoneEvent::Rings { .. } => {
                let h = self.day.habits;
                let (low, high) = h.answer_after;
                let after = world.chance().between(low, high);
                let mut mood = world.chance().unit();
                let mut falls = |share: f64| {
                    mood -= share;
                    mood < 0.0
                };
                let act = if falls(h.declines) {
                    Some(Act::Decline(603))
                } else if falls(h.says_busy) {
                    Some(Act::Decline(486))
                } else if falls(h.ignores) {
                    None
                } else if falls(h.unplugs) {
                    world.act_in(after, id, Act::Unplug);
                    world.act_in(after + Duration::from_secs(120), id, Act::Plug);
                    // It missed the CANCEL, or a BYE: a phone that was without power knows of no call.
                    world.act_in(after + Duration::from_secs(120), id, Act::HangUp);
                    None
                } else {
                    Some(Act::Answer)
                };
                if let Some(act) = act {
                    world.act_in(after, id, act);
                }
            }
            PhoneEvent::CalledWhileBusy => self.rung_while_busy += 1,
            PhoneEvent::CalledInVain => {
                self.called_in_vain += 1;
                let now = world.now();
                let before = self.workers.get_mut(&id).and_then(|worker| worker.called_in_vain.replace(now));
                let after = before.map(|before| now.since(before));
                self.in_vain_again_after = self.in_vain_again_after.into_iter().chain(after).min();
            }
            PhoneEvent::Connected { .. } => {
                if world.chance().happens(self.day.habits.holds) {
                    world.act_in(Duration::from_secs(5), id, Act::Hold(true));
                    world.act_in(Duration::from_secs(15), id, Act::Hold(false));
                }
                self.transfers(world, id);
            }
            _ => {}
        }
    }

    fn told(&mut self, world: &mut World, what: &What) {
        match what {
            What::CallStarted { call, from, .. } => {
                if let Some(id) = from.strip_prefix("+4670").and_then(|n| n.parse().ok()).map(PhoneId)
                    && let Some(caller) = self.callers.get_mut(&id)
                {
                    caller.call = Some(*call);
                    self.calls.insert(*call, id);
                }
            }
            What::TransferEnded { code, .. } | What::TransferRefused { code, .. } => {
                *self.transfers.entry(*code).or_default() += 1;
            }
            What::Connected { call, with, .. } => {
                let is_out = self.day.outside.as_deref() == Some(&**with) && !self.calls.contains_key(call);
                self.calls_out += u64::from(is_out);
                let (Some(caller), Some(agent)) = (self.calls.get(call), self.by_name.get(&**with)) else { return };
                let both = [*caller, *agent].iter().all(|id| world.phone(*id).is_some_and(super::Phone::is_talking));
                self.talks += u64::from(both);
                let talk = world.chance().exponential(self.day.talk);
                let ends = if world.chance().happens(self.day.caller_ends) { *caller } else { *agent };
                if let Some(c) = self.callers.get_mut(caller) {
                    c.answered = true;
                }
                world.act_in(talk, ends, Act::HangUp);
            }
            What::Agent { agent, phase: AgentPhase::WrapUp, .. } => {
                if let Some(&id) = self.by_name.get(&**agent) {
                    self.after_talk(world, id);
                }
            }
            What::CallEnded { call, .. } => {
                if let Some(id) = self.calls.remove(call) {
                    self.callers.remove(&id);
                    world.note_in(Duration::from_secs(64), PATIENCE + u64::from(id.0));
                }
            }
            _ => {}
        }
    }

    fn after_talk(&mut self, world: &mut World, id: PhoneId) {
        let h = self.day.habits;
        let soon = Duration::from_secs(2);
        if world.chance().happens(h.pauses) {
            let codes = &self.day.settings.codes;
            if let Some(code) = codes.pauses.keys().next() {
                world.act_in(soon, id, Act::Call(code.clone()));
                world.act_in(soon + Duration::from_secs(300), id, Act::Call(codes.ready.clone()));
            }
        } else if world.chance().happens(h.calls_colleague) {
            let colleagues: Vec<String> = self.workers.values().map(|w| w.number.clone()).collect();
            let number = pick(world, &colleagues);
            world.act_in(soon, id, Act::Call(number));
            world.act_in(soon + Duration::from_secs(20), id, Act::HangUp);
        } else if let Some(number) = &self.day.outside
            && world.chance().happens(h.calls_out)
        {
            world.act_in(soon, id, Act::Call(number.clone()));
            world.act_in(soon + Duration::from_secs(20), id, Act::HangUp);
        } else if world.chance().happens(h.hides) {
            world.act_in(soon, id, Act::DoNotDisturb(true));
            world.act_in(soon + Duration::from_secs(300), id, Act::DoNotDisturb(false));
        }
    }
}

fn caller_number(id: PhoneId) -> String {
    format!("+4670{:07}", id.0)
}

fn pick(world: &mut World, from: &[String]) -> String {
    match from.len() {
        0 => String::new(),
        n => from[world.chance().below(n)].clone(),
    }
}

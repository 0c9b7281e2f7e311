//! The real engine among simulated phones on a network that loses, doubles and delays, in virtual time.

use super::chance::Chance;
use super::check::{Broken, Checker};
use super::faults::Faults;
use super::media::{FakeMedia, SILENCE, switchboard};
use super::phone::{Phone, PhoneEvent, PhoneSettings};
use crate::acd::{Acd, Noted};
use crate::engine::{Answer, Engine, Input, Output, Refusal, Settings};
use crate::ids::LegId;
use crate::media;
use crate::record::CallEvent;
use crate::sip::{Hop, Message, Transport};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// What the network does to each packet.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    pub delay_min: Duration,
    pub delay_max: Duration,
    /// Share of packets that never arrive.
    pub loss: f64,
    /// Share of packets that arrive twice.
    pub duplication: f64,
}

impl Network {
    pub const PERFECT: Network = Network {
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(1),
        loss: 0.0,
        duplication: 0.0,
    };
    pub const LOSSY: Network = Network {
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(80),
        loss: 0.03,
        duplication: 0.02,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneId(pub u32);

/// What a person does with a phone.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Register {
        expires: Duration,
    },
    Unregister,
    Call(String),
    Answer,
    Decline(u16),
    HangUp,
    Hold(bool),
    /// Sends the other end of the call to this number.
    Transfer(String),
    /// Sends it to the other end of the call that another phone of the account has.
    TransferTo(PhoneId),
    /// Takes the place of another phone of the account in its call.
    TakeOver(PhoneId),
    /// A key, as RFC 4733 would bring it.
    Key(char),
    /// A key by SIP INFO.
    Info(char),
    /// The phone refuses by itself, or no more.
    DoNotDisturb(bool),
    /// The phone hears and says nothing any more.
    Unplug,
    Plug,
}

/// What the world tells the day that runs in it.
#[derive(Debug)]
pub enum Happening {
    Phone(PhoneId, PhoneEvent),
    /// Somebody did this with a phone; what came of it follows.
    Did(PhoneId, Act),
    Event(CallEvent),
    /// A note that the day left for itself.
    Note(u64),
}

enum Item {
    ToEngine(PhoneId, Vec<u8>),
    ToPhone(PhoneId, Vec<u8>),
    EngineWake,
    PhoneWake(PhoneId),
    Media(media::Event),
    Act(PhoneId, Act),
    /// A phone without power is silent on this leg.
    Silence(PhoneId, LegId),
    Note(u64),
}

struct Desk {
    phone: Phone,
    /// The soonest `PhoneWake` on the agenda.
    wake: Option<Time>,
    plugged: bool,
    /// Where the switchboard wants our sound, while in a call.
    remote_rtp: Option<SocketAddr>,
}

pub struct World {
    now: Time,
    pub engine: Engine,
    pub media: FakeMedia,
    pub checker: Checker,
    network: Network,
    seed: u64,
    chance: Chance,
    phones: BTreeMap<PhoneId, Desk>,
    agenda: BTreeMap<(Time, u64), Item>,
    sequence: u64,
    /// The soonest `EngineWake` on the agenda.
    engine_wake: Option<Time>,
    happenings: VecDeque<Happening>,
    /// What a journal of the queues would have kept, and what is folded from it.
    pub noted: Vec<Noted>,
    folded: Acd,
    /// To wishes, in order.
    pub answers: Vec<Result<Answer, Refusal>>,
    /// Inputs given to the engine.
    pub steps: u64,
    /// What becomes of each message from now on, instead of what the network does to it by chance.
    pub faults: Option<Faults>,
}

impl World {
    pub fn new(settings: Settings, network: Network, seed: u64, start: Time) -> World {
        let mut chance = Chance::new(seed);
        let agents: Vec<_> = settings.agents.iter().map(|agent| agent.settings.clone()).collect();
        let checker = Checker::new(start, &settings.queues, &agents);
        let engine = Engine::new(settings, chance.bits().into(), start);
        let mut world = World {
            now: start,
            engine,
            media: FakeMedia::default(),
            checker,
            network,
            seed,
            chance,
            phones: BTreeMap::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
            engine_wake: None,
            happenings: VecDeque::new(),
            noted: Vec::new(),
            folded: Acd::new(start.as_micros()),
            answers: Vec::new(),
            steps: 0,
            faults: None,
        };
        world.drain_engine();
        world
    }

    pub fn now(&self) -> Time {
        self.now
    }

    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// The address a phone has here.
    pub fn address(id: PhoneId, port: u16) -> SocketAddr {
        let [_, a, b, c] = id.0.to_be_bytes();
        SocketAddr::new(IpAddr::from([11 + a, b, c, 1]), port)
    }

    pub fn add_phone(&mut self, id: PhoneId, user: &str, password: Option<&str>) {
        self.add_phone_at(World::address(id, 5060), id, user, password);
    }

    /// One whose own address is not the one that others see.
    pub fn add_phone_behind_nat(&mut self, id: PhoneId, user: &str, password: Option<&str>) {
        self.add_phone_at(SocketAddr::from(([192, 168, 0, 7], 5060)), id, user, password);
    }

    fn add_phone_at(&mut self, local: SocketAddr, id: PhoneId, user: &str, password: Option<&str>) {
        let settings = PhoneSettings {
            transport: Transport::Udp,
            local,
            server: switchboard(),
            rtp: World::address(id, 4000),
            user: user.to_owned(),
            password: password.map(str::to_owned),
        };
        let phone = Phone::new(settings, self.chance.bits());
        self.phones.insert(id, Desk { phone, wake: None, plugged: true, remote_rtp: None });
    }

    pub fn phone(&self, id: PhoneId) -> Option<&Phone> {
        self.phones.get(&id).map(|desk| &desk.phone)
    }

    pub fn phones(&self) -> impl Iterator<Item = (PhoneId, &Phone)> {
        self.phones.iter().map(|(id, desk)| (*id, &desk.phone))
    }

    /// Takes away phones that have nothing to remember, so that a day of callers does not pile up.
    pub fn drop_phone_if_done(&mut self, id: PhoneId) -> bool {
        let done = self.phones.get(&id).is_some_and(|desk| desk.phone.is_idle() && desk.phone.is_forgetful());
        if done {
            self.phones.remove(&id);
        }
        done
    }

    pub fn act_in(&mut self, delay: Duration, id: PhoneId, act: Act) {
        self.at(self.now + delay, Item::Act(id, act));
    }

    /// Leaves a note that comes back as [`Happening::Note`].
    pub fn note_in(&mut self, delay: Duration, note: u64) {
        self.at(self.now + delay, Item::Note(note));
    }

    pub fn input(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        self.drain_engine();
    }

    /// The next thing that happens, if anything is still to come before `until`.
    pub fn next(&mut self, until: Time) -> Option<Happening> {
        loop {
            if let Some(happening) = self.happenings.pop_front() {
                return Some(happening);
            }
            let (&(at, _), _) = self.agenda.first_key_value()?;
            if at > until {
                self.now = until;
                return None;
            }
            let (_, item) = self.agenda.pop_first()?;
            self.now = at;
            self.step(item);
        }
    }

    fn step(&mut self, item: Item) {
        match item {
            Item::ToEngine(id, bytes) => {
                let hop = Hop {
                    transport: Transport::Udp,
                    local: switchboard(),
                    remote: World::address(id, 5060),
                    connection: None,
                };
                let input = match Message::parse(&bytes) {
                    Ok(message) => Input::Sip { hop, message: Box::new(message) },
                    Err(bad) => {
                        panic!("a phone sent what cannot be read: {bad:?}\n{}", String::from_utf8_lossy(&bytes))
                    }
                };
                self.engine.handle(self.now, input);
                self.drain_engine();
            }
            Item::EngineWake => {
                // A later one that was overtaken by a sooner one is void.
                if self.engine_wake != Some(self.now) {
                    return;
                }
                self.engine_wake = None;
                if self.engine.poll_timeout().is_some_and(|due| due <= self.now) {
                    self.engine.handle_timeout(self.now);
                }
                self.drain_engine();
            }
            Item::Media(event) => {
                if self.media.still_true(&event) {
                    self.engine.handle(self.now, Input::Media(event));
                    self.drain_engine();
                }
            }
            Item::ToPhone(id, bytes) => {
                let Some(desk) = self.phones.get_mut(&id) else { return };
                if desk.plugged {
                    let hop = Hop {
                        transport: Transport::Udp,
                        local: desk.phone.settings().local,
                        remote: switchboard(),
                        connection: None,
                    };
                    let message = Message::parse(&bytes);
                    let message =
                        message.unwrap_or_else(|bad| panic!("we sent: {bad:?}\n{}", String::from_utf8_lossy(&bytes)));
                    desk.phone.handle(self.now, &hop, message);
                }
                self.drain_phone(id);
            }
            Item::PhoneWake(id) => {
                let Some(desk) = self.phones.get_mut(&id) else { return };
                if desk.wake != Some(self.now) {
                    return;
                }
                desk.wake = None;
                if desk.phone.poll_timeout().is_some_and(|due| due <= self.now) {
                    desk.phone.handle_timeout(self.now);
                }
                self.drain_phone(id);
            }
            Item::Act(id, act) => self.act(id, act),
            Item::Silence(id, leg) => {
                let silent = self.phones.get(&id).is_some_and(|desk| !desk.plugged);
                if silent && self.media.is_open(leg) {
                    let since = self.now - SILENCE;
                    self.input(Input::Media(media::Event::Silent { leg, since }));
                }
            }
            Item::Note(note) => self.happenings.push_back(Happening::Note(note)),
        }
    }

    fn act(&mut self, id: PhoneId, act: Act) {
        let now = self.now;
        let dialog = match &act {
            Act::TransferTo(other) | Act::TakeOver(other) => {
                self.phones.get(other).and_then(|desk| desk.phone.dialog())
            }
            _ => None,
        };
        let Some(desk) = self.phones.get_mut(&id) else { return };
        self.happenings.push_back(Happening::Did(id, act.clone()));
        match act {
            Act::Register { expires } => desk.phone.register(now, expires),
            Act::Unregister => desk.phone.unregister(now),
            Act::Call(number) => desk.phone.call(now, &number),
            Act::Answer => desk.phone.answer(now),
            Act::Decline(code) => desk.phone.decline(now, code),
            Act::HangUp => desk.phone.hang_up(now),
            Act::Hold(held) => desk.phone.hold(now, held),
            Act::Transfer(number) => desk.phone.transfer(now, &number),
            Act::TransferTo(_) => dialog.iter().for_each(|dialog| desk.phone.transfer_to(now, dialog)),
            Act::TakeOver(_) => dialog.iter().for_each(|dialog| desk.phone.take_over(now, dialog)),
            Act::Info(key) => desk.phone.press(now, key),
            Act::DoNotDisturb(on) => desk.phone.do_not_disturb(on),
            Act::Unplug => {
                desk.plugged = false;
                if desk.phone.is_talking()
                    && let Some(leg) = desk.remote_rtp.and_then(|address| self.media.leg_at(address))
                {
                    self.at(now + SILENCE, Item::Silence(id, leg));
                }
            }
            Act::Plug => desk.plugged = true,
            Act::Key(digit) => {
                if desk.phone.is_talking()
                    && let Some(leg) = desk.remote_rtp.and_then(|address| self.media.leg_at(address))
                {
                    return self.input(Input::Media(media::Event::Digit { leg, digit }));
                }
            }
        }
        self.drain_phone(id);
    }

    fn drain_engine(&mut self) {
        self.steps += 1;
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Sip(transmit) => {
                    let id = phone_at(transmit.hop.remote);
                    let arrivals = self.arrivals(Some(id), &transmit.bytes);
                    for at in arrivals.into_iter().flatten() {
                        self.at(at, Item::ToPhone(id, transmit.bytes.clone()));
                    }
                }
                Output::Media(command) => {
                    if let Some((at, event)) = self.media.command(self.now, command) {
                        self.at(at, Item::Media(event));
                    }
                }
                // For the next run, of which there is none.
                Output::Registration(_) | Output::Toll(_) => {}
                Output::Answer(answer) => self.answers.push(answer),
                Output::Acd(noted) => {
                    self.fold(&noted);
                    let kept = self.checker.distributor_told(&noted.event);
                    self.must(kept);
                    self.checker.knows_again(&noted.event, self.engine.acd());
                    self.noted.push(*noted);
                }
                // Nobody guards this network.
                Output::Judged { .. } | Output::KeepOpen(_) => {}
                Output::Event(event) => {
                    let kept = self.checker.handle(&event);
                    self.must(kept);
                    self.happenings.push_back(Happening::Event(event));
                }
                Output::Drained => {}
            }
        }
        let kept = self.checker.settled(self.now, self.engine.acd(), self.engine.calls());
        self.must(kept);
        if let Some(due) = self.engine.poll_timeout().map(|due| due.max(self.now))
            && self.engine_wake.is_none_or(|set| due < set)
        {
            self.engine_wake = Some(due);
            self.at(due, Item::EngineWake);
        }
    }

    /// # Panics
    ///
    /// A promise is broken; the message has the moment and the seed.
    pub fn must(&self, kept: Result<(), Broken>) {
        if let Err(broken) = kept {
            panic!("{}, seed {}: {broken}", self.now, self.seed);
        }
    }

    /// As a journal does, by way of the disk.
    fn fold(&mut self, noted: &Noted) {
        let kept = serde_json::to_string(noted).expect("it can be kept");
        let kept: Noted = serde_json::from_str(&kept).expect("what was kept can be read");
        self.folded.apply(&kept.event);
        while self.folded.poll_decision().is_some() {}
        let seed = self.seed;
        assert!(
            kept.digest.is_some() && kept.digest == self.folded.digest(),
            "seed {seed}: decided otherwise: {kept:?}"
        );
    }

    /// Nobody may be in a call any more, and nothing of one remembered; and the queues are what a restart would make of them.
    ///
    /// # Panics
    ///
    /// Something is left, or the records do not add up.
    pub fn must_be_over(&self) {
        assert!(self.folded == *self.engine.acd(), "seed {}: the journal does not give the state", self.seed);
        self.must(self.checker.at_the_end(&self.engine.leftovers(), self.media.open_legs()));
    }

    fn drain_phone(&mut self, id: PhoneId) {
        let Some(desk) = self.phones.get_mut(&id) else { return };
        let plugged = desk.plugged;
        let mut sent = Vec::new();
        while let Some(transmit) = desk.phone.poll_transmit() {
            if plugged {
                sent.push(transmit.bytes);
            }
        }
        while let Some(event) = desk.phone.poll_event() {
            match &event {
                PhoneEvent::Connected { stream } | PhoneEvent::Changed { stream } => {
                    desk.remote_rtp = Some(stream.remote);
                }
                _ => {}
            }
            self.happenings.push_back(Happening::Phone(id, event));
        }
        let now = self.now;
        let due =
            desk.phone.poll_timeout().map(|due| due.max(now)).filter(|due| desk.wake.is_none_or(|set| *due < set));
        if due.is_some() {
            desk.wake = due;
        }
        for bytes in sent {
            let arrivals = self.arrivals(None, &bytes);
            for at in arrivals.into_iter().flatten() {
                self.at(at, Item::ToEngine(id, bytes.clone()));
            }
        }
        if let Some(due) = due {
            self.at(due, Item::PhoneWake(id));
        }
    }

    /// When a packet that is sent now arrives: never, once or twice. `to`: the phone; `None`: the switchboard.
    fn arrivals(&mut self, to: Option<PhoneId>, bytes: &[u8]) -> [Option<Time>; 2] {
        let Network { delay_min, delay_max, loss, duplication } = self.network;
        if let Some(faults) = &mut self.faults {
            let later = faults.strike(self.now, to, bytes);
            return later.map(|later| later.map(|later| self.now + delay_min + later));
        }
        let first = (!self.chance.happens(loss)).then(|| self.now + self.chance.between(delay_min, delay_max));
        let second = self.chance.happens(duplication).then(|| self.now + self.chance.between(delay_min, delay_max));
        [first, second]
    }

    fn at(&mut self, at: Time, item: Item) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), item);
    }

    /// Who keeps the world from being quiet.
    pub fn unfinished(&self) -> String {
        let busy: Vec<_> = self.phones.iter().filter(|(_, desk)| !desk.phone.is_idle()).collect();
        let phones =
            busy.iter().map(|(id, desk)| format!("phone {} ({})", id.0, desk.phone.doing())).collect::<Vec<_>>();
        format!("engine {:?}, {}", self.engine.leftovers(), phones.join(", "))
    }

    /// Messages that are on their way: to whom, and what.
    pub fn on_the_way(&self) -> impl Iterator<Item = (Option<PhoneId>, &[u8])> {
        self.agenda.values().filter_map(|item| match item {
            Item::ToEngine(_, bytes) => Some((None, &bytes[..])),
            Item::ToPhone(id, bytes) => Some((Some(*id), &bytes[..])),
            _ => None,
        })
    }

    /// Who hears this phone, and is heard by it, by way of the switchboard.
    pub fn talks_with(&self, id: PhoneId) -> Option<PhoneId> {
        let leg = |desk: &Desk| self.media.leg_at(desk.remote_rtp.filter(|_| desk.phone.is_talking())?);
        let partner = self.media.partner(leg(self.phones.get(&id)?)?)?;
        self.phones.iter().find(|(_, desk)| leg(desk) == Some(partner)).map(|(id, _)| *id)
    }

    /// Nobody is in a call, neither by the switchboard nor by any phone.
    pub fn is_quiet(&self) -> bool {
        self.engine.calls() == 0 && self.phones.values().all(|desk| desk.phone.is_idle())
    }
}

fn phone_at(address: SocketAddr) -> PhoneId {
    match address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            PhoneId(u32::from_be_bytes([0, a.wrapping_sub(11), b, c]))
        }
        IpAddr::V6(_) => unreachable!("all phones here have IPv4 addresses"),
    }
}

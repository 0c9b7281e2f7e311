//! The switchboard: one thread, three verbs. Turns the events of one room into commands to another.
//!
//! It owns every call, queue and agent. `call`, `flow` and `acd` do not know each other; only here do the events of
//! one become commands to another. No clock, no socket, no lock. What is wished from elsewhere than phones (`wishes`) is an input with one
//! answer: agents' states, and `tasks`, for which no phone rings.
//!
//! Contract: after each `handle` and `handle_timeout` drain [`Engine::poll_output`] until `None`, then call
//! `handle_timeout` no later than [`Engine::poll_timeout`].

mod agents;
pub mod announcing;
mod back_in_line;
pub mod callbacks;
mod calls;
mod dialling;
pub mod directory;
mod estimating;
pub mod figures;
mod from_acd;
mod from_call;
mod from_flow;
mod from_sip;
mod from_trunks;
mod hours;
mod hunt;
pub mod identity;
mod in_line;
mod location;
pub mod numbering;
mod outbound;
mod phones;
mod probes;
pub mod redirects;
pub mod reload;
mod replaces;
mod restarted;
mod search;
pub mod settings;

mod strays;
mod talk;
pub mod tasks;
pub mod tolls;
mod transfers;
mod tried;
pub mod trunks;
mod unanswered;
mod wishes;

pub use agents::AgentAct;
pub use figures::QueueFigures;
pub use reload::Reload;
pub use settings::{Agent, Caps, Codes, Limits, Login, Network, Number, Said, Settings, Target, Trunk};
pub use wishes::{Answer, Refusal, Wish};

use crate::acd::{Acd, AcdEvent, Change, Noted};
use crate::call::Legs;
use crate::ids::{AgentId, CallId, EntryId, IdSource, LegId, OfferId, QueueId};
use crate::media;
use crate::record::{CallEvent, What};
use crate::sip::auth::Authenticator;
use crate::sip::registrar::{self, Binding, Registrar};
use crate::sip::{BadMessage, ClientId, Endpoint, Hop, Message, Transmit, Transport};
use crate::time::{Duration, Time};
use agents::Agents;
use callbacks::Promises;
use calls::{Call, Offer};
use dialling::Numbers;
use hours::Timetable;
use hunt::Hunt;
use outbound::Attempt;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use tasks::Tasks;
use tolls::Tolls;
use tried::Tried;
use trunks::Trunks;

/// What the switchboard is told.
#[derive(Debug)]
pub enum Input {
    /// A message that could be read.
    Sip {
        hop: Hop,
        message: Box<Message>,
    },
    /// One that could not; answered 400 where it names enough to be answered.
    Malformed {
        hop: Hop,
        bad: Box<BadMessage>,
    },
    /// Nothing can be sent this way: connection lost or refused.
    HopFailed {
        hop: Hop,
    },
    /// A datagram found nobody, by what ICMP or the system says: the request of ours that has this number in its branch.
    Undelivered {
        hop: Hop,
        branch: u64,
    },
    Media(media::Event),
    /// Who is at the other end of this connection has a certificate with these names, in lower case, from an authority that
    /// the operator believes. Before anything else that comes by it; [`Input::HopFailed`] ends it.
    Certified {
        connection: u64,
        names: Vec<String>,
    },
    /// Where the trunk of this place in the settings is to be found from now on; never empty.
    Targets {
        trunk: usize,
        targets: Vec<Target>,
    },
    /// Queues and agents are otherwise from now on.
    Reload(Box<Reload>),
    /// Somebody wishes something by another way than a phone. One [`Output::Answer`] follows before the next input.
    Wish(Wish),
    /// Take no new calls from now on, and take registrations at carriers back; end what still runs at `until` (a later one replaces it). `Output::Drained` follows
    /// when no call and no registration is left.
    Drain {
        until: Time,
    },
}

/// What it wants done. In order.
#[derive(Debug)]
pub enum Output {
    Sip(Transmit),
    Media(media::Command),
    Event(CallEvent),
    /// Who can be reached where: to be kept for [`Engine::restore`] in the next run.
    Registration(Box<registrar::Change>),
    /// Something of a cap was used up: to be kept for [`Engine::restore_tolls`] in the next run.
    Toll(Box<tolls::Toll>),
    /// What the distributor was told. All of these, in order, make the state that [`Engine::acd`] has when they were polled, and the
    /// same decisions, of which the digest is with each.
    Acd(Box<Noted>),
    /// To the wish that was put in.
    Answer(Result<Answer, Refusal>),
    /// Credentials of this account that came from there were judged: whoever guards the sockets wants to know.
    Judged {
        from: SocketAddr,
        account: String,
        is_right: bool,
    },
    /// Something without meaning is to be sent there, so that routers between keep the way open.
    KeepOpen(Hop),
    /// Said once after `Input::Drain`, when the last call is over.
    Drained,
}

/// How long a digest nonce is good; afterwards the phone is told that it is stale and tries again by itself.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// See the room's documentation.
pub struct Engine {
    settings: Settings,
    endpoint: Endpoint,
    registrar: Registrar,
    auth: Authenticator,
    /// Who sent the request that is being handled, if its credentials were right: they are good only once.
    proved: Option<from_sip::Sender>,
    /// Phones that were asked whether they are there.
    pings: HashMap<ClientId, registrar::Ping>,
    /// Phones of agents who are doubted, that were asked whether they are there.
    probes: BTreeMap<ClientId, AgentId>,
    legs: Legs,
    acd: Acd,
    agents: Agents,
    trunks: Trunks,
    /// Calls out that go on, by the leg that is tried.
    hunts: Tried<Hunt>,
    /// The phones that are rung and may be reached by another way.
    attempts: Tried<Attempt>,
    /// Agents without a phone who are there because one of theirs rings and is waited for.
    awaited: BTreeSet<AgentId>,
    tolls: Tolls,
    promises: Promises,
    numbers: Numbers,
    queues: BTreeMap<QueueId, Queue>,
    timetable: Timetable,
    queue_ids: BTreeMap<String, QueueId>,
    calls: BTreeMap<CallId, Call>,
    leg_calls: BTreeMap<LegId, CallId>,
    /// Which offer an agent's leg rings (or rang) for.
    leg_offers: BTreeMap<LegId, OfferId>,
    entries: BTreeMap<EntryId, CallId>,
    tasks: Tasks,
    offers: BTreeMap<OfferId, Offer>,
    /// When each call wants to be looked at, soonest first; one place per call, kept in `Call::wake`.
    wakes: BTreeSet<(Time, CallId)>,
    ids: IdSource,
    out: VecDeque<Output>,
    drain: Option<Drain>,
}

/// Numbers for these names, in their order: those by which they are known, else new ones.
fn ids<'n>(known: Vec<(&'n str, u32)>, names: impl Iterator<Item = &'n str>) -> Vec<u32> {
    let mut free = known.iter().map(|(_, id)| *id + 1).max().unwrap_or(0);
    let known: BTreeMap<&str, u32> = known.into_iter().collect();
    let mut id = |name| {
        known.get(name).copied().unwrap_or_else(|| {
            free += 1;
            free - 1
        })
    };
    names.map(&mut id).collect()
}

struct Queue {
    name: Arc<str>,
    service_level: Duration,
}

#[derive(Clone, Copy)]
struct Drain {
    /// When what still runs is ended; `None` once that was done.
    until: Option<Time>,
    told: bool,
}

impl Engine {
    /// All randomness (branches, tags, Call-IDs) comes from `seed`, and nothing else of it is ever shown.
    pub fn new(settings: Settings, seed: u128, now: Time) -> Engine {
        Engine::resume(settings, seed, now, Acd::new(now.as_micros()))
    }

    /// As [`Engine::new`], with the queues as they were when an earlier run ended.
    pub fn resume(settings: Settings, seed: u128, now: Time, acd: Acd) -> Engine {
        let settings = settings.in_one_form();
        let mut endpoint = Endpoint::new(settings.sip.clone(), seed);
        let known = acd.agents().map(|agent| (agent.name, agent.id.0));
        let known: Vec<_> = known.chain(acd.gone_agents().map(|(id, name)| (name, id.0))).collect();
        let names = settings.agents.iter().map(|agent| agent.settings.name.as_str());
        let agent_ids: Vec<AgentId> = ids(known, names).into_iter().map(AgentId).collect();
        let known = acd.queues().map(|(id, queue)| (queue.name.as_str(), id.0));
        let known: Vec<_> = known.chain(acd.gone_queues().map(|(id, name)| (name, id.0))).collect();
        let queue_ids = ids(known, settings.queues.iter().map(|queue| queue.name.as_str()));
        let mut engine = Engine {
            trunks: Trunks::new(now, &settings.trunks, settings.registrar.keep_alive, &mut endpoint),
            hunts: Tried::default(),
            attempts: Tried::default(),
            awaited: BTreeSet::new(),
            tolls: Tolls::default(),
            promises: Promises::default(),
            endpoint,
            registrar: Registrar::new(settings.registrar),
            auth: Authenticator::new(&settings.realm, settings.auth_key, NONCE_LIFETIME)
                .asking_for(settings.digest.clone()),
            proved: None,
            pings: HashMap::new(),
            probes: BTreeMap::new(),
            legs: Legs::default(),
            acd,
            agents: Agents::new(agent_ids.iter().copied().zip(&settings.agents)),
            numbers: Numbers::new(&settings),
            queues: BTreeMap::new(),
            timetable: Timetable::default(),
            queue_ids: BTreeMap::new(),
            calls: BTreeMap::new(),
            leg_calls: BTreeMap::new(),
            leg_offers: BTreeMap::new(),
            entries: BTreeMap::new(),
            tasks: Tasks::default(),
            offers: BTreeMap::new(),
            wakes: BTreeSet::new(),
            ids: IdSource::new(now),
            out: VecDeque::new(),
            drain: None,
            settings,
        };
        // Some still wait in queues that the settings do not name any more, and leave them below.
        let of_before = engine
            .acd
            .queues()
            .map(|(id, queue)| (id, Queue { name: queue.name.as_str().into(), service_level: queue.service_level }));
        engine.queues = of_before.collect();
        engine.know_tasks(now);
        engine.end_what_was_up(now);
        if *engine.acd.estimates().settings() != engine.settings.estimate {
            engine.acd_apply(now, Change::Estimate { settings: engine.settings.estimate.clone() });
        }
        // In the settings a queue is named by its place.
        let place_of: Vec<_> = queue_ids.iter().copied().map(QueueId).map(Some).collect();
        for (id, queue) in queue_ids.iter().copied().map(QueueId).zip(engine.settings.queues.clone()) {
            let told = Queue { name: queue.name.as_str().into(), service_level: queue.service_level };
            engine.queues.insert(id, told);
            engine.queue_ids.insert(queue.name.clone(), id);
            engine.set_queue(now, id, queue, &place_of);
        }
        engine.open_queues(now);
        for (id, agent) in agent_ids.into_iter().zip(engine.settings.agents.clone()) {
            engine.set_agent(now, id, agent, &place_of);
        }
        engine.restore_promises(now);
        engine.leave_out_who_is_gone(now);
        engine.settle(now);
        engine
    }

    /// Takes registrations of an earlier run, before anything else: who is still an agent is logged in.
    pub fn restore(&mut self, now: Time, bindings: Vec<Binding>) {
        self.restore_phones(now, bindings);
        self.settle(now);
    }

    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Sip { hop, message } => self.on_message(now, &hop, *message),
            Input::Malformed { hop, bad } => self.endpoint.handle_malformed(now, &hop, &bad),
            Input::HopFailed { hop } => {
                self.trunks.way_lost(now, &hop);
                self.endpoint.handle_hop_failed(now, &hop);
                // One datagram that was refused says little about a phone; a lost connection says it is gone.
                if hop.transport != Transport::Udp {
                    self.connection_lost(now, &hop);
                }
            }
            Input::Undelivered { hop, branch } => self.endpoint.handle_undelivered(now, &hop, branch),
            Input::Certified { connection, names } => self.trunks.certify(connection, &names, &self.settings.trunks),
            Input::Media(event) => self.legs.handle_media(now, event, &mut self.endpoint),
            Input::Targets { trunk, targets } => {
                if let Some(settings) = self.settings.trunks.get(trunk).filter(|_| !targets.is_empty()) {
                    self.trunks.set_targets(now, trunk, settings, &targets, &mut self.endpoint);
                    if self.drain.is_some() {
                        self.leave_carriers(now);
                    }
                }
            }
            Input::Reload(reload) => self.reload(now, *reload),
            Input::Wish(wish) => self.on_wish(now, wish),
            Input::Drain { until } => {
                let drain = self.drain.get_or_insert(Drain { until: None, told: false });
                drain.until = Some(until);
                self.leave_carriers(now);
            }
        }
        self.settle(now);
        // The endpoint itself has refused what he asked.
        self.proved = None;
    }

    pub fn handle_timeout(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
        self.trunks_due(now);
        self.hunts_due(now);
        self.attempts_due(now);
        self.tolls_due(now);
        let gone = self.registrar.handle_timeout(now);
        self.phones_gone(now, gone);
        self.ping_phones(now);
        if self.acd.poll_timeout().is_some_and(|due| due <= now) {
            self.acd_apply(now, Change::Tick);
        }
        self.hours_due(now);
        while let Some(&(due, id)) = self.wakes.first()
            && due <= now
        {
            self.wakes.remove(&(due, id));
            self.call_due(now, id);
        }
        if let Some(drain) = &mut self.drain
            && drain.until.is_some_and(|until| until <= now)
        {
            drain.until = None;
            for id in self.calls.keys().copied().collect::<Vec<_>>() {
                self.end_call(now, id, crate::record::EndedBy::System, "the service is stopping");
            }
        }
        self.settle(now);
    }

    /// Nothing has happened, and this time has come: who looks back knows that the service was there.
    pub fn pass_time(&mut self, now: Time) {
        self.acd_apply(now, Change::Tick);
        self.settle(now);
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When `handle_timeout` must be called at the latest; `None`: nothing is waited for.
    pub fn poll_timeout(&self) -> Option<Time> {
        let drain = self.drain.filter(|d| !d.told).and_then(|d| d.until);
        [
            self.endpoint.poll_timeout(),
            self.registrar.poll_timeout(),
            self.acd.poll_timeout(),
            self.timetable.next(),
            self.trunks.poll_timeout(),
            self.hunts.poll_timeout(),
            self.attempts.poll_timeout(),
            self.tolls.poll_timeout(),
            self.wakes.first().map(|&(due, _)| due),
            drain,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Calls that are not over.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// The call to which the dialog of this Call-ID belongs. Looks at every dialog: for somebody who watches.
    pub fn call_with(&self, call_id: &str) -> Option<CallId> {
        let leg = self.legs.leg_of(self.endpoint.usage_with(call_id)?)?;
        self.leg_calls.get(&leg).copied()
    }

    /// What `sip` counted since the start.
    pub fn sip_counters(&self) -> &crate::sip::endpoint::Counters {
        self.endpoint.counters()
    }

    /// How often the registrar asked phones behind NAT whether they are there, and how often it had no room.
    pub fn phones_figures(&self) -> (&registrar::Asked, &registrar::Limited) {
        (self.registrar.asked(), self.registrar.limited())
    }

    /// Transactions and INVITE usages that live.
    pub fn sip_load(&self) -> (usize, usize) {
        (self.endpoint.transactions(), self.endpoint.usages())
    }

    /// How each trunk does, by its name, in the order of the settings.
    pub fn trunk_figures(&self, now: Time) -> impl Iterator<Item = (&Arc<str>, trunks::Figures)> {
        self.trunks.figures(now)
    }

    /// Read access for invariants, explanations and figures.
    pub fn acd(&self) -> &Acd {
        &self.acd
    }

    /// Names every table that still holds something; empty when nothing is going on. For tests that hunt leaks.
    pub fn leftovers(&self) -> Vec<(&'static str, usize)> {
        [
            ("calls", self.calls.len()),
            ("legs", self.legs.len()),
            ("leg_calls", self.leg_calls.len()),
            ("leg_offers", self.leg_offers.len()),
            ("entries", self.entries.len()),
            ("offers", self.offers.len()),
            ("tasks", self.tasks.len()),
            ("offers of tasks", self.tasks.offers()),
            ("agents in calls", self.agents.in_calls()),
            ("calls begun by agents", self.agents.begun()),
            ("wakes", self.wakes.len()),
            ("pings", self.pings.len()),
            ("probes", self.probes.len()),
            ("hunts", self.hunts.len()),
            ("attempts", self.attempts.len()),
            ("awaited", self.awaited.len()),
            ("tolls", self.tolls.len()),
            ("promises", self.promises.len()),
            ("INVITE usages", self.endpoint.usages()),
            ("transactions", self.endpoint.transactions()),
        ]
        .into_iter()
        .chain(self.trunks.tables())
        .chain(self.acd.tables())
        .filter(|(_, n)| *n > 0)
        .collect()
    }

    /// Carries events from room to room until none has anything to say.
    fn settle(&mut self, now: Time) {
        loop {
            if let Some(event) = self.endpoint.poll_event() {
                self.on_sip(now, event);
            } else if let Some(event) = self.legs.poll_event() {
                self.on_leg(now, event);
            } else if let Some(decision) = self.acd.poll_decision() {
                self.on_decision(now, decision);
            } else if !self.wait_no_more(now) {
                break;
            }
            self.flush();
        }
        self.flush();
        if let Some(drain) = &mut self.drain
            && !drain.told
            && self.calls.is_empty()
            && self.trunks.is_gone()
        {
            drain.told = true;
            self.out.push_back(Output::Drained);
        }
    }

    fn flush(&mut self) {
        while let Some(command) = self.legs.poll_media() {
            self.out.push_back(Output::Media(command));
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.out.push_back(Output::Sip(transmit));
        }
        self.tell_tolls();
    }

    fn say(&mut self, at: Time, what: What) {
        self.out.push_back(Output::Event(CallEvent { at, what }));
    }

    fn acd_apply(&mut self, at: Time, change: Change) {
        self.note_how_it_stands(&change);
        let event = AcdEvent { at, change };
        self.acd.apply(&event);
        self.out.push_back(Output::Acd(Box::new(Noted { event, digest: self.acd.digest() })));
    }
}

//! Asks DNS where the trunks are whose `to` is a name, and tells the switchboard.
//!
//! Thin: what is asked, when, and what follows from the answers is decided in [`crate::sip::locate`]. The engine's thread never
//! waits for any of it.

use super::Clock;
use super::door::{Door, Refused};
use super::metrics::Lookups;
use super::sip::Sip;
use super::store::{Keeper, Kept};
use super::throttle::Throttle;
use crate::config::{self, Config};
use crate::engine::{Input, Target};
use crate::sip::Transport;
use crate::sip::locate::{Answer, Destination, Fault, Located, Locator, Lookup, Place, Question, Record, Turn};
use crate::time::{Duration, Time};
use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::runtime::Handle;

/// How long one question may take, with all its repetitions and servers.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a server may take, and how often each is asked.
const SERVER_PATIENCE: Duration = Duration::from_millis(1500);
const ATTEMPTS: usize = 2;
/// An answer that says what the last one said is written down this often.
const KEEP: Duration = Duration::from_secs(600);
/// While a trunk is not found, the log says so this often.
const REMIND: Duration = Duration::from_secs(600);

/// Who is told what was found.
#[derive(Clone)]
pub(super) struct World {
    pub sip: Arc<Sip>,
    pub door: Door,
    pub clock: Clock,
    pub metrics: Lookups,
    pub keeper: Keeper,
}

/// The trunks that DNS is asked for, with their places in the settings.
pub(super) fn named(config: &Config) -> impl Iterator<Item = (usize, &config::Trunk, &Destination)> {
    let trunks = config.trunks.iter().enumerate();
    trunks.filter_map(|(at, trunk)| Some((at, trunk, trunk.to.as_ref()?.named()?)))
}

/// Begins to ask, for as long as the runtime lives. `kept`: what was said in the last run; it holds until DNS says something.
pub(super) fn start(config: &Config, runtime: &Handle, world: &World, kept: &[Kept]) {
    for (at, trunk, to) in named(config) {
        let asked = name(to);
        let before = kept.iter().find(|kept| kept.trunk == trunk.name && kept.to == asked).cloned();
        let follower = Follower {
            at,
            trunk: trunk.name.clone(),
            calls: trunk.from_dns,
            certificate: trunk.domain.as_ref().map_or_else(|| to.host.clone(), |domain| domain.0.to_string()),
            by: trunk.by.map(|by| by.address),
            asked,
            places: before.as_ref().map(|before| before.places.clone()).unwrap_or_default(),
            before: before.map(|before| before.since),
            kept: Throttle::new(KEEP),
            told: Vec::new(),
            reminder: Throttle::new(REMIND),
            world: world.clone(),
        };
        runtime.spawn(follower.follow(to.clone(), config.dns.servers.clone()));
    }
}

/// As it is written in settings.
fn name(to: &Destination) -> String {
    let scheme = if to.secure { "sips" } else { to.transport.map_or("sip", Transport::word) };
    let port = to.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}:{}{port}", to.host)
}

/// One trunk.
struct Follower {
    at: usize,
    trunk: String,
    /// It calls us from there.
    calls: bool,
    /// What its certificate must have.
    certificate: String,
    /// The listener that the operator wants it to be reached by.
    by: Option<SocketAddr>,
    /// What DNS is asked for.
    asked: String,
    /// Since when the places of the last run are known, until there is an answer.
    before: Option<Time>,
    /// Of what is written down.
    kept: Throttle,
    /// What DNS says, and what of it the engine knows.
    places: Vec<Place>,
    told: Vec<Target>,
    reminder: Throttle,
    world: World,
}

impl Follower {
    async fn follow(mut self, to: Destination, servers: Vec<SocketAddr>) {
        let mut locator = Locator::new(to, self.world.sip.reach());
        let mut answers = Vec::new();
        // Somebody may call before the first answer is there.
        self.tell(false);
        // New for each lookup: the system's servers may have changed.
        let mut asked = None;
        loop {
            match locator.turn(self.world.clock.now(), std::mem::take(&mut answers)) {
                Turn::Ask(questions) => {
                    let resolver = asked.get_or_insert_with(|| resolver(&servers));
                    answers = join_all(questions.into_iter().map(|question| ask(resolver, question))).await;
                }
                Turn::Rest { until, lookup } => {
                    asked = None;
                    self.heard(lookup);
                    tokio::time::sleep(self.world.clock.until(until)).await;
                }
            }
        }
    }

    fn heard(&mut self, mut lookup: Lookup) {
        lookup.since = lookup.since.or(self.before);
        let Follower { trunk, world, .. } = &*self;
        world.metrics.ended(trunk, &lookup);
        let result = lookup.result.name();
        let is_good = matches!(lookup.result, Located::Found | Located::Cut);
        match lookup.result {
            Located::Found => self.reminder = Throttle::new(REMIND),
            _ if self.reminder.pass(world.clock.now()).is_none() => {}
            Located::Cut => tracing::warn!(trunk, "DNS has more places for the trunk than are looked at"),
            Located::Nothing | Located::Failed(_) => {
                let age = lookup.since.map(|since| world.clock.now().since(since).as_secs());
                match age {
                    Some(_) if lookup.moved.is_some() => {
                        tracing::warn!(trunk, result, "DNS says only in part where the trunk is; the calls go there");
                    }
                    Some(age) => {
                        tracing::warn!(trunk, result, age, "DNS does not say where the trunk is; it stays where it was")
                    }
                    None => tracing::warn!(trunk, result, "DNS does not say where the trunk is; no call goes there"),
                }
            }
        }
        let has_moved = lookup.moved.is_some();
        if let Some(places) = lookup.moved {
            self.places = places;
        }
        if is_good || has_moved {
            self.before = None;
            let is_due = self.kept.pass(self.world.clock.now()).is_some();
            if let Some(since) = lookup.since.filter(|_| has_moved || is_due) {
                let (trunk, to) = (self.trunk.clone(), self.asked.clone());
                self.world.keeper.keep(Kept { trunk, to, places: self.places.clone(), since });
            }
        }
        self.tell(is_good);
    }

    /// Routes may come and go as well, so this is looked at after each lookup.
    fn tell(&mut self, is_good: bool) {
        let Follower { trunk, world, by, .. } = &*self;
        let targets: Vec<Target> = self
            .places
            .iter()
            .filter_map(|place| {
                let hop = world.sip.towards(place.transport, place.address, *by)?;
                Some(Target { hop, priority: place.priority, weight: place.weight })
            })
            .collect();
        if targets.is_empty() && !self.places.is_empty() && is_good && self.told.is_empty() {
            tracing::warn!(trunk, "nothing leads to where DNS says that the trunk is");
        }
        // Rather places that may be reached again than none.
        if targets.is_empty() || targets == self.told {
            return;
        }
        let at: Vec<String> = targets.iter().map(|t| format!("{}:{}", t.hop.transport.word(), t.hop.remote)).collect();
        match self.before {
            Some(_) => {
                tracing::info!(trunk, at = at.join(", "), "the trunk is taken to be where DNS last said that it is")
            }
            None => tracing::info!(trunk, at = at.join(", "), "DNS says where the trunk is"),
        }
        let hops: Vec<_> = targets.iter().map(|target| target.hop).collect();
        // Before anything is sent there.
        world.sip.locate(self.at, &hops, self.calls, &self.certificate);
        match world.door.tell(Input::Targets { trunk: self.at, targets: targets.clone() }) {
            // Without an engine nobody waits for it.
            Ok(()) | Err(Refused::Gone | Refused::Full) => {}
        }
        self.told = targets;
    }
}

/// Asks these servers, or else those of the system as they are now.
fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, Fault> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio().map_err(|_| Fault::NoServer)?
    } else {
        let servers = servers.iter().map(|server| {
            let [mut udp, mut tcp] = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            (udp.port, tcp.port) = (server.port(), server.port());
            NameServerConfig::new(server.ip(), true, vec![udp, tcp])
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.timeout = SERVER_PATIENCE;
    options.attempts = ATTEMPTS;
    // How long answers are good is known elsewhere.
    options.cache_size = 0;
    builder.build().map_err(|_| Fault::NoServer)
}

async fn ask(resolver: &Result<TokioResolver, Fault>, question: Question) -> (Question, Result<Answer, Fault>) {
    let answer = match resolver {
        Err(fault) => Err(*fault),
        Ok(resolver) => {
            tokio::time::timeout(PATIENCE, answer(resolver, &question)).await.unwrap_or(Err(Fault::Timeout))
        }
    };
    (question, answer)
}

async fn answer(resolver: &TokioResolver, question: &Question) -> Result<Answer, Fault> {
    let (name, kind) = match question {
        Question::Naptr(name) => (name, RecordType::NAPTR),
        Question::Srv(name) => (name, RecordType::SRV),
        Question::A(name) => (name, RecordType::A),
        Question::Aaaa(name) => (name, RecordType::AAAA),
    };
    // Absolute: what a machine's own domain would make of it is somebody else.
    let name = Name::from_ascii(format!("{name}.")).map_err(|_| Fault::BadAnswer)?;
    let seconds = |ttl: u32| Duration::from_secs(ttl.into());
    match resolver.lookup(name, kind).await {
        Ok(lookup) => {
            // Also of the names that the name stands for.
            let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
            let records = lookup.answers().iter().filter(|record| record.record_type() == kind);
            Ok(Answer { records: records.filter_map(|record| read(&record.data)).collect(), ttl: seconds(ttl) })
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            Ok(Answer { records: Vec::new(), ttl: seconds(none.negative_ttl.unwrap_or(0)) })
        }
        Err(error) => Err(fault(&error)),
    }
}

fn read(data: &RData) -> Option<Record> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match data {
        RData::NAPTR(naptr) => Some(Record::Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            replacement: plain(&naptr.replacement),
        }),
        RData::SRV(srv) => {
            Some(Record::Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: plain(&srv.target) })
        }
        RData::A(a) => Some(Record::Address(a.0.into())).filter(is_somebody),
        RData::AAAA(aaaa) => Some(Record::Address(aaaa.0.into())).filter(is_somebody),
        _ => None,
    }
}

/// Not everybody, and not nobody.
fn is_somebody(record: &Record) -> bool {
    match record {
        Record::Address(IpAddr::V4(ip)) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        Record::Address(IpAddr::V6(ip)) => !ip.is_unspecified() && !ip.is_multicast(),
        Record::Naptr { .. } | Record::Srv { .. } => true,
    }
}

/// In lower case and without the dot at the end; the root is empty.
fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

fn fault(error: &NetError) -> Fault {
    match error {
        NetError::Timeout => Fault::Timeout,
        NetError::NoConnections | NetError::Io(_) | NetError::Busy => Fault::Unreachable,
        NetError::Dns(_) => Fault::ServerFailed,
        _ => Fault::BadAnswer,
    }
}

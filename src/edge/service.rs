//! The whole program running: sockets, engine, media, records, metrics; from its start to its end.

use super::Clock;
use super::data::{Account, Folder};
use super::door::{Door, door};
use super::driver::{Driver, Homes};
use super::floor::Floor;
use super::homer::Homer;
use super::journal::{self, BEAT, Keep, Writer};
use super::media::{self, Workers};
use super::metrics::{Metrics, Names};
use super::recorder::Teller;
use super::reload::{Reloader, Source};
use super::sip::{Guard, Listen, Outside, Sip, StreamLimits, StreamSettings, Tls, TlsSettings};
use super::store::{self, Store};
use super::tap::Tap;
use super::{control, flows, http, log, lookups, recorder, sounds};
use crate::acd::Acd;
use crate::config::{self, Config, Given, To};
use crate::engine::{Engine, Input, NONCE_LIFETIME, Network, Target};
use crate::flow::RINGBACK;
use crate::ids::EntryId;
use crate::media::Sound;
use crate::record::{Board, Recorder};
use crate::sip::gate::Gate;
use crate::sip::overload::Overload;
use crate::sip::{Authenticator, Transport};
use crate::time::{Duration, Time};
use anyhow::{Context, bail};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Transports by which peers can be called that have not called us.
const DIALLED: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// SIP messages that may wait for the engine; it takes some hundred thousand in a second.
const DOOR_PLACES: usize = 4096;

/// After the last call: for answers to what peers say about its end.
const LINGER: Duration = Duration::from_millis(500);

/// Connections that we opened are pinged four times as seldom as ways by UDP, but this often at least (RFC 5626 §4.4.1).
const PING_MAX: Duration = Duration::from_secs(120);

/// For the disk to take the last records, and the end of the journal.
const FLUSH: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(1);

/// A running service. Not to be made, waited for or dropped on a thread of an async runtime.
///
/// Dropping it ends it at once, calls included; [`Service::drain`] and [`Service::wait`] end it in good order.
pub struct Service {
    runtime: Option<Runtime>,
    door: Door,
    sip: Arc<Sip>,
    http: SocketAddr,
    metrics: Arc<Metrics>,
    clock: Clock,
    draining: Arc<AtomicBool>,
    drain_limit: Duration,
    drained: watch::Receiver<bool>,
    engine: Option<JoinHandle<()>>,
    recorder: Option<JoinHandle<Store>>,
    journal: Option<JoinHandle<()>>,
    accounts: Vec<Account>,
    /// Number and flow.
    numbers: Vec<(String, String)>,
    folder: Folder,
    reloader: Option<Arc<Reloader>>,
}

impl Service {
    /// Starts everything; when it returns, calls are taken.
    ///
    /// # Errors
    ///
    /// What cannot be had (data folder, sockets, threads) or is wrong (flows, sounds), said for the operator.
    pub fn start(config: &Config) -> anyhow::Result<Service> {
        Service::start_from(config, None)
    }

    /// As [`Service::start`], with settings that `source` reads again when an operator asks for it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn start_from(config: &Config, source: Option<Source>) -> anyhow::Result<Service> {
        let clock = Clock::start();
        let folder = Folder::open(&config.data.folder)?;
        let agents = config.agents.iter().map(|agent| (agent.settings.name.as_str(), agent.password.as_ref()));
        let accounts = folder.accounts(agents)?;
        let (mut library, report) = sounds::load(config.sounds.folder.as_deref())?;
        let ringback = Sound { name: RINGBACK.to_owned(), language: String::new() };
        library.insert(ringback, &config.sounds.ringback.samples());
        let flows = match flows::compile(&flows::read(config.flows.folder.as_deref())?, config, &report) {
            Ok(flows) => flows,
            Err(problems) => bail!(said(&problems)),
        };
        let unknown = config.check_flows(flows.keys().map(String::as_str));
        if !unknown.is_empty() {
            bail!(said(&unknown));
        }

        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("io").enable_all().build()?;
        let metrics = Arc::new(Metrics::new(clock, &names(config)));
        let (door, entrance) = door(clock, DOOR_PLACES);
        let mut store = runtime.block_on(Store::open(folder.path(), clock, metrics.store.clone()))?;
        let listen = |listen: &config::Listen| Listen {
            transport: listen.transport,
            bind: listen.address,
            advertise: listen.advertise,
            is_needed: !config.sip.listen_is_built_in,
        };
        let listen: Vec<_> = config.sip.listen.iter().map(listen).collect();
        let traffic = metrics.traffic.clone();
        let tls = Arc::new(Tls::load(TlsSettings::of(config), metrics.certificates.clone())?);
        // Routers forget UDP much sooner than connections.
        let ping = Some(config.sip.keep_alive * 4).filter(|ping| !ping.is_zero()).map(|ping| ping.min(PING_MAX));
        let limits = StreamLimits { loss: config.sip.connection_loss, ping, ..StreamLimits::default() };
        let streams = StreamSettings { limits, tls, origins: config.sip.websocket.origins.clone() };
        let auth_key = random()?;
        let tap = Tap::new(clock, metrics.capture.clone());
        let outside = Outside::new(door.clone(), traffic, clock, guard(config, auth_key), tap.clone());
        let sip = Sip::start(&listen, streams, runtime.handle(), outside)?;
        let sip = Arc::new(sip);
        let draining = Arc::new(AtomicBool::new(false));
        let started = Arc::new(AtomicBool::new(false));
        let sources = http::Sources {
            metrics: metrics.clone(),
            door: door.clone(),
            started: started.clone(),
            draining: draining.clone(),
        };
        let http = runtime.block_on(http::start(config.http.listen, sources))?;

        let given = Given {
            auth_key,
            flows,
            passwords: accounts.iter().map(|a| (a.agent.clone(), a.password.expose().to_owned())).collect(),
            tcp: sip.told(Transport::Tcp).collect(),
            targets: trunk_targets(config, &sip)?,
        };
        let queues = journal::recover(&journal::folder(folder.path()))
            .with_context(|| format!("cannot read the journal in {}", journal::folder(folder.path()).display()))?;
        metrics.journal.otherwise.inc_by(queues.otherwise);
        let acd = queues.state.filter(|acd| is_of_the_past(acd, clock.now()));
        let acd = acd.unwrap_or_else(|| Acd::new(clock.now().as_micros()));
        let keep = Keep { time: config.data.journal_keep, bytes: u64::from(config.data.journal_megabytes) << 20 };
        let disk = journal::Folder::new(journal::folder(folder.path()));
        let writer = Writer::new(acd.clone(), queues.seq, disk, keep, metrics.journal.clone()).beating(BEAT);
        let (tells, hears) = journal::start(queues.seq, journal::EVENTS_MAX, metrics.journal.clone());
        let (tasks, lost): (Vec<_>, Vec<_>) =
            store.tasks().into_iter().partition(|task| acd.task(EntryId(task.id.0)).is_some());
        lost.into_iter().for_each(|mut task| {
            task.lose_task();
            store.keep(task);
        });
        let mut engine = Engine::resume(config.engine(given), u128::from_be_bytes(random()?), clock.now(), acd);
        let registrations = store.registrations();
        registrations.iter().for_each(|binding| sip.vouch(binding.hop.remote));
        engine.restore(clock.now(), registrations);
        engine.restore_tolls(store.tolls());
        let settings = media::Settings {
            workers: config.media.workers.unwrap_or(0),
            ports: media::PortRange { first: *config.media.ports.0.start(), last: *config.media.ports.0.end() },
            media: config.media(),
            ..media::Settings::default()
        };
        let tell = {
            let door = door.clone();
            move |event| door.try_media(event)
        };
        let workers =
            Workers::start(&settings, Arc::new(library), clock, tell).context("cannot start the media workers")?;
        let (teller, happened) = Teller::new(&metrics, recorder::EVENTS_MAX);
        let (drained_tx, drained) = watch::channel(false);
        let homes = Homes::new(listen.iter().filter_map(|l| Some((l.advertise?.ip(), l.bind.ip()))));
        let driver = Driver {
            engine,
            entrance,
            sip: sip.clone(),
            tap: tap.clone(),
            workers,
            homes,
            teller,
            journal: tells,
            told: clock.now(),
            metrics: metrics.clone(),
            clock,
            drained: drained_tx,
            reply: None,
        };
        let engine = vital("engine", move || driver.run())?;
        let (sockets, door_) = (sip.clone(), door.clone());
        let keeper = store.keeper();
        let world = lookups::World { sip: sockets, door: door_, clock, metrics: metrics.lookups.clone(), keeper };
        lookups::start(config, runtime.handle(), &world, &store.places());
        let recorder = {
            let metrics = metrics.clone();
            vital("recorder", move || recorder::run(&happened, &metrics, store, Recorder::knowing(tasks)))?
        };
        let journal = vital("journal", move || journal::run(&hears, writer, clock))?;
        let config::Capture { server, agent, on } = config.capture;
        let homer = Arc::new(Homer::new(tap.clone(), server, agent, runtime.handle().clone()));
        // Calls need no capture server: the network towards it may not be up yet.
        if let Err(error) = homer.switch(on && server.is_some()) {
            tracing::warn!(
                error = format!("{error:#}"),
                "the capture server gets nothing; `vaxel capture on` tries again"
            );
        }
        let reloader = source.map(|source| Arc::new(Reloader::new(source, config, door.clone())));
        let floor =
            Floor { reasons: config.reasons().into_keys().collect(), door: door.clone(), reloader: reloader.clone() };
        control::listen(folder.path(), tap, homer, floor, runtime.handle());
        started.store(true, Ordering::Relaxed);
        Ok(Service {
            runtime: Some(runtime),
            door,
            sip,
            http,
            metrics,
            clock,
            draining,
            drain_limit: config.limits.drain,
            drained,
            engine: Some(engine),
            recorder: Some(recorder),
            journal: Some(journal),
            accounts,
            numbers: config.numbers.iter().map(|n| (n.number.to_string(), n.flow.clone())).collect(),
            folder,
            reloader,
        })
    }

    /// Where SIP is spoken, in the order of the settings, with the ports that the system chose.
    pub fn sip(&self) -> &[(Transport, SocketAddr)] {
        self.sip.bound()
    }

    /// Where metrics and health are.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Who may register, with which password.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The database of contact records.
    pub fn records(&self) -> PathBuf {
        store::file(self.folder.path())
    }

    /// What is shown now.
    pub fn board(&self) -> Board {
        self.metrics.board()
    }

    /// From now on no new call is taken; those that run are ended at the limit of the settings.
    pub fn drain(&self) {
        if self.draining.swap(true, Ordering::Relaxed) {
            return;
        }
        let until = self.clock.now() + self.drain_limit;
        if self.door.tell(Input::Drain { until }).is_err() {
            tracing::warn!("there is no engine left to drain");
        }
    }

    /// Waits for the last call after [`Service::drain`], then ends everything.
    pub fn wait(mut self) {
        let mut drained = self.drained.clone();
        self.runtime().block_on(async move {
            // An error: the engine is gone, which is an end as well.
            if drained.wait_for(|drained| *drained).await.is_ok() {
                tokio::time::sleep(LINGER).await;
            }
        });
        self.stop();
    }

    /// What an operator wants to know at the start, in a few lines. Passwords that were made up are in it only when
    /// `show_passwords`.
    pub fn announcement(&self, show_passwords: bool) -> String {
        let mut text = format!("vaxel {} takes calls.\n", env!("CARGO_PKG_VERSION"));
        let mut line = |what: &str, rest: String| {
            writeln!(text, "  {what:<9} {rest}").expect("writing to memory cannot fail");
        };
        for (n, (transport, address)) in self.sip().iter().enumerate() {
            line(if n == 0 { "SIP" } else { "" }, format!("{} {address}", transport.word()));
        }
        for (n, (number, flow)) in self.numbers.iter().enumerate() {
            line(if n == 0 { "dial" } else { "" }, format!("{number} (flow {flow})"));
        }
        for (n, account) in self.accounts.iter().enumerate() {
            let password = match (account.made_up, show_passwords) {
                (true, true) => account.password.expose().to_owned(),
                (true, false) => format!("in {}", self.folder.path().join("agents.toml").display()),
                (false, _) => "as in the settings".into(),
            };
            line(if n == 0 { "agents" } else { "" }, format!("{}, password {password}", account.agent));
        }
        line("metrics", format!("http://{}/metrics", self.http));
        line("records", self.records().display().to_string());
        text
    }

    /// Runs until SIGTERM or SIGINT, which drains; a second one ends at once. SIGHUP reads certificates and settings again. `ready` is called when signals are heard,
    /// not before: whoever reads what it says may send one at once.
    ///
    /// # Errors
    ///
    /// The system does not let us hear signals.
    pub fn run_until_told(self, ready: impl FnOnce(&Service)) -> anyhow::Result<()> {
        let ended = self.runtime().block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut hangup = signal(SignalKind::hangup())?;
            ready(&self);
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    Some(()) = hangup.recv() => self.read_again(),
                }
            }
            tracing::info!("no new calls are taken; waiting for those that run (a second signal ends them)");
            self.drain();
            let mut drained = self.drained.clone();
            let in_order = tokio::select! {
                _ = drained.wait_for(|drained| *drained) => true,
                _ = terminate.recv() => false,
                _ = interrupt.recv() => false,
            };
            Ok::<_, std::io::Error>(in_order)
        });
        match ended {
            Ok(true) => self.wait(),
            Ok(false) => {
                tracing::warn!("ended at once by a second signal");
                drop(self);
            }
            Err(error) => return Err(error).context("cannot wait for signals"),
        }
        Ok(())
    }

    /// Certificates and settings. What is wrong with them is in the log.
    fn read_again(&self) {
        self.sip.reload_certificates();
        if let Some(reloader) = self.reloader.clone() {
            self.runtime().spawn_blocking(move || {
                if let Err(why) = reloader.reload() {
                    tracing::error!(%why, "nothing of the settings is taken");
                }
            });
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("taken only at the end")
    }

    /// Ends everything in order: engine, recorder, records, sockets.
    fn stop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        self.draining.store(true, Ordering::Relaxed);
        // An error: the engine is gone already.
        if self.door.stop().is_err() {
            tracing::debug!("the engine had ended before");
        }
        if let Some(engine) = self.engine.take()
            && engine.join().is_err()
        {
            tracing::error!("the engine failed");
        }
        // The engine's end is the journal's and the recorder's.
        if let Some(journal) = self.journal.take() {
            let limit = Instant::now() + FLUSH;
            while !journal.is_finished() && Instant::now() < limit {
                std::thread::sleep(POLL);
            }
            if !journal.is_finished() {
                tracing::warn!("the disk did not take the end of the journal in time");
            } else if journal.join().is_err() {
                tracing::error!("the journal failed");
            }
        }
        match self.recorder.take().map(JoinHandle::join) {
            Some(Ok(store)) => runtime.block_on(store.close(FLUSH)),
            Some(Err(_)) => tracing::error!("the recorder failed"),
            None => {}
        }
        runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs the service until it is told to end: SIGTERM or SIGINT drains it, a second one ends it at once. Where it
/// listens and who may register is printed to standard output, and `source` reads the settings again when that is asked for; passwords that were made up only when `show_passwords`.
///
/// A panic anywhere ends the process: a supervisor starts a whole one sooner than somebody notices half a one.
///
/// # Errors
///
/// As [`Service::start`].
pub fn serve(config: &Config, source: Source, show_passwords: bool) -> anyhow::Result<()> {
    std::panic::set_hook(Box::new(|panic| {
        // Said on the way of the log: the usual hook would wait for a reader of standard error that has stopped.
        let thread = std::thread::current();
        let backtrace = Backtrace::capture();
        let backtrace =
            if backtrace.status() == BacktraceStatus::Captured { backtrace.to_string() } else { String::new() };
        log::say(&format!("thread '{}' {panic}\n{backtrace}", thread.name().unwrap_or("unnamed")));
        fail("a part of vaxel failed (see above)");
    }));
    let service = Service::start_from(config, Some(source))?;
    service.run_until_told(|service| {
        // Who started us may not read at all.
        if let Err(error) = std::io::stdout().write_all(service.announcement(show_passwords).as_bytes()) {
            tracing::warn!(%error, "the start could not be announced");
        }
    })
}

/// So much the clock may have been set back since the last run.
const SET_BACK_MAX: Duration = Duration::from_secs(60);

/// Or nothing would be due in the queues until the clock is there again: a machine may start without knowing the time.
fn is_of_the_past(acd: &Acd, now: Time) -> bool {
    let is_past = acd.now() <= now + SET_BACK_MAX;
    if !is_past {
        let (last_run, now) = (acd.now(), now);
        tracing::error!(%last_run, %now, "the clock was set back; how the queues stood is not taken over");
    }
    is_past
}

/// A thread without which the process must not go on.
fn vital<T: Send + 'static>(
    name: &'static str,
    run: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    struct Guard(&'static str);
    impl Drop for Guard {
        fn drop(&mut self) {
            if std::thread::panicking() {
                fail(&format!("the {} failed (see above)", self.0));
            }
        }
    }
    let guarded = move || {
        let _guard = Guard(name);
        run()
    };
    std::thread::Builder::new().name(name.into()).spawn(guarded).with_context(|| format!("cannot start the {name}"))
}

fn fail(what: &str) -> ! {
    // Nothing here may panic, nor wait for a reader: a thread may be unwinding, and nobody may be reading.
    log::say(&format!("vaxel: {what}; the process ends, because half a service is worse than none"));
    log::flush();
    std::process::exit(70);
}

fn names(config: &Config) -> Names {
    Names {
        queues: config.queues.iter().map(|queue| (queue.name.clone(), queue.service_level)).collect(),
        agents: config.agents.iter().map(|agent| agent.settings.name.clone()).collect(),
        trunks: config.trunks.iter().map(|trunk| trunk.name.clone()).collect(),
        pauses: config.reasons().into_iter().collect(),
        named: lookups::named(config).map(|(_, trunk, _)| trunk.name.clone()).collect(),
    }
}

/// What strangers get, and what new calls get while the engine is late.
fn guard(config: &Config, auth_key: [u8; 32]) -> Guard {
    let auth = Authenticator::new(&config.sip.realm, auth_key, NONCE_LIFETIME).asking_for(config.sip.digest.clone());
    let from = config.trunks.iter().flat_map(|trunk| trunk.from.iter().copied());
    // A carrier calls from where we are registered.
    let registered = config.trunks.iter().filter(|trunk| trunk.register.is_some());
    let registered = registered.filter_map(|trunk| Some(trunk.to.as_ref()?.at()?.address.ip()));
    let registered = registered.map(Network::of);
    let certificates = config.trunks.iter().filter_map(|trunk| trunk.certificate.clone()).collect();
    let overload = Overload::new(config.limits.retry_after, config.emergency.numbers.clone());
    Guard::new(Gate::new(config.gate(), auth), overload, from.chain(registered).collect(), certificates)
}

/// The way to each trunk that calls are sent to and whose address is known.
///
/// # Errors
///
/// One that nothing leads to, known or not.
fn trunk_targets(config: &Config, sip: &Sip) -> anyhow::Result<BTreeMap<String, Vec<Target>>> {
    let mut targets = BTreeMap::new();
    for trunk in &config.trunks {
        let nowhere = |transport: &str, to: &dyn std::fmt::Display| {
            format!("trunk {}: vaxel listens nowhere from where {transport} reaches {to}", trunk.name)
        };
        match &trunk.to {
            None => {}
            Some(To::At(to)) => {
                let hop = sip.towards(to.transport, to.address, trunk.by.map(|by| by.address));
                let hop = hop.with_context(|| nowhere(to.transport.word(), &to.address))?;
                targets.insert(trunk.name.clone(), vec![Target { hop, priority: 0, weight: 0 }]);
            }
            Some(To::Named(to)) => {
                let asked = if to.secure { Some(Transport::Tls) } else { to.transport };
                let heard = |transport: Transport| sip.told(transport).next().is_some();
                if !asked.map_or_else(|| DIALLED.into_iter().any(heard), heard) {
                    bail!(nowhere(asked.map_or("any transport", Transport::word), &to.host));
                }
            }
        }
    }
    Ok(targets)
}

fn said<T: ToString>(problems: &[T]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system gives no randomness")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn queues_of_a_day_to_come_are_not_taken_over() {
        let mut acd = Acd::new(0);
        acd.apply(&crate::acd::AcdEvent { at: Time::from_secs(1000), change: crate::acd::Change::Tick });
        assert!(is_of_the_past(&acd, Time::from_secs(1000)) && is_of_the_past(&acd, Time::from_secs(940)));
        assert!(!is_of_the_past(&acd, Time::from_secs(939)));
    }

    /// Set for the process that has to fail.
    const FAIL: &str = "VAXEL_TEST_FAILING_THREAD";

    #[test]
    fn a_vital_thread_that_fails_ends_the_process() {
        if std::env::var_os(FAIL).is_some() {
            let thread = vital("engine", || panic!("on purpose")).unwrap();
            panic!("the process lives on: {:?}", thread.join().map(|()| "no panic"));
        }
        let this = "edge::service::tests::a_vital_thread_that_fails_ends_the_process";
        let mut again = Command::new(std::env::current_exe().unwrap());
        let output = again.args(["--exact", this, "--nocapture"]).env(FAIL, "1").output().unwrap();
        assert_eq!(output.status.code(), Some(70));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("on purpose") && said.contains("vaxel: the engine failed"), "{said}");
    }
}

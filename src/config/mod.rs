//! Settings: built-in defaults, then a TOML file, then `VAXEL_…` from the environment.
//!
//! [`load`] says everything that is wrong at once, each with file, line and column (or the variable's name) and what
//! was expected. This room knows the settings structs of the other rooms and fills them; nobody but `edge` and `main`
//! knows this room. It opens no file: the text of files is asked for through a function.

mod agent;
mod announcement;
mod cross;
mod data;
mod day;
mod environment;
mod estimate;
mod fill;
mod hours;
mod numbers;
mod pauses;
mod problem;
mod queue;
mod read;
mod report;
mod source;
mod starter;
mod trunk;
mod values;

pub use announcement::Announcement;
pub use data::Data;
pub use day::{DAY, load_day};
pub use fill::Given;
pub use pauses::PauseReason;
pub use problem::{Place, Problem, Severity, nearest, nobody_has};
pub use report::{Every, Report};
pub use starter::starter;
pub use values::{ClientCertificate, Domain, Hop, Listen, Ports, Secret, To};

use crate::acd::{AgentSettings, QueueSettings};
use crate::engine::directory::Pattern;
use crate::engine::identity::{self, Passed};
use crate::engine::numbering::{Dialect, Numbering};
use crate::engine::redirects::Redirects;
use crate::engine::settings::{Caps, Network};
use crate::hours::Calendar;
use crate::ids::QueueId;
use crate::media::Ringback;
use crate::sip::digest::Algorithm;
use crate::time::Duration;
use environment::Known;
use read::{Reader, Table};
use source::{At, Sources};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use values::{Beginning, Dialled, DnsServer};

/// Every setting that has a built-in value, explained.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Numbers, queues and agents to begin with: used when there is no file, and written by `init`.
pub const SAMPLE: &str = include_str!("sample.toml");

/// Settings that are lists of tables.
const LISTS: [&str; 5] = ["numbers", "queues", "agents", "trunks", "pause_reasons"];

/// At a time, of the service, an agent or a trunk.
const CALLS: std::ops::RangeInclusive<u32> = 1..=1_000_000;

/// Everything an operator can set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub sip: Sip,
    pub media: Media,
    pub dns: Dns,
    pub http: Http,
    pub capture: Capture,
    pub data: Data,
    pub report: Report,
    pub flows: Flows,
    pub sounds: Sounds,
    pub limits: Limits,
    pub log: Log,
    pub codes: Codes,
    /// Why agents may pause; empty: for the reasons of the codes. No name twice.
    pub pause_reasons: Vec<PauseReason>,
    pub emergency: Emergency,
    /// How numbers are dialled in the house.
    pub numbering: Numbering,
    /// What is done with what is known of callers.
    pub identity: identity::Settings,
    /// What callers dial; no number twice, also not as an agent's number or a code.
    pub numbers: Vec<Number>,
    /// Their order gives the `QueueId`s. No name twice.
    pub queues: Vec<QueueSettings>,
    /// What their agents hear before they are connected with a caller, by queue.
    pub announcements: BTreeMap<String, Announcement>,
    /// When callers are told how long it takes, and queues heed it.
    pub estimate: crate::acd::estimate::Settings,
    /// When those of these names are open; the others always are.
    pub hours: BTreeMap<String, Calendar>,
    /// Their order gives the `AgentId`s. No name twice.
    pub agents: Vec<Agent>,
    pub trunks: Vec<Trunk>,
}

#[derive(Clone, Debug)]
pub struct Sip {
    /// At least one; no address and transport twice (port 0 aside).
    pub listen: Vec<Listen>,
    /// Nobody wrote them: those whose address this machine does not have may be left out.
    pub listen_is_built_in: bool,
    /// Digest realm.
    pub realm: String,
    /// Best first, at least one.
    pub digest: Vec<Algorithm>,
    /// Shortest and longest time for which a phone may register.
    pub registration_min: Duration,
    pub registration_max: Duration,
    /// How often a phone behind NAT is asked whether it is there; zero: never.
    pub keep_alive: Duration,
    /// Where who is called may send a call.
    pub redirects: Redirects,
    /// After this a peer that is silent is gone, where the transport can tell; 2 s – 2 min.
    pub connection_loss: Duration,
    pub tls: Tls,
    pub websocket: WebSocket,
}

#[derive(Clone, Debug, Default)]
pub struct WebSocket {
    /// From where pages may connect; empty: from anywhere.
    pub origins: Vec<String>,
}

/// PEM files that could be read. Whether they hold what they should is known to whoever uses them.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// There with `key` or not at all; there when `listen` has a transport that needs it.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Authorities of those we connect to; `None`: those that browsers trust.
    pub ca: Option<PathBuf>,
    /// Authorities of those who connect to us; `None`: they are not asked for a certificate.
    pub client_ca: Option<PathBuf>,
    pub client_certificate: ClientCertificate,
}

#[derive(Clone, Debug)]
pub struct Media {
    pub ports: Ports,
    /// Worker threads; `None`: one per core.
    pub workers: Option<usize>,
    /// A leg without RTP for this long is dead; 5 s – 1 h.
    pub silence_limit: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Dns {
    /// Who is asked where a trunk is; empty: those of the system.
    pub servers: Vec<SocketAddr>,
}

#[derive(Clone, Debug)]
pub struct Http {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug)]
pub struct Flows {
    /// `None`: the flows inside the program.
    pub folder: Option<PathBuf>,
}

/// SIP messages for a capture server.
#[derive(Clone, Copy, Debug)]
pub struct Capture {
    pub server: Option<SocketAddr>,
    /// From the start on, if there is a server.
    pub on: bool,
    /// The number by which the server knows this vaxel.
    pub agent: u32,
}

#[derive(Clone, Debug)]
pub struct Sounds {
    /// Looked into before the sounds inside the program; `None`: only those.
    pub folder: Option<PathBuf>,
    /// Of what is said to agents.
    pub language: String,
    /// What a held party hears: a name below `music/`. Whether it exists is [`Config::check_music`]'s business.
    pub hold_music: String,
    /// What a caller hears while a transfer rings.
    pub ringback: Ringback,
    /// Where `hold_music` was written.
    place: Place,
}

#[derive(Clone, Debug)]
pub struct Limits {
    /// Calls at once; at least 1.
    pub calls: u32,
    pub call_duration: Duration,
    /// How long the phone of a directly dialled agent rings.
    pub ring_time: Duration,
    /// A phone that refuses sooner does so by itself; up to 10 s.
    pub instant_refusal: Duration,
    /// How long a flow may leave its caller unanswered; 5 s to 10 min.
    pub answer_within: Duration,
    pub place_told_every: Duration,
    pub callbacks_per_number: u32,
    /// Beginnings.
    pub callback_numbers: Vec<String>,
    /// How long talks may go on after SIGTERM.
    pub drain: Duration,
    /// Said in 503 answers; whole seconds, at least 1.
    pub retry_after: Duration,
    /// Requests per second, and at once, that one address may send while nobody knows who it is; at least 1.
    pub strangers: u32,
    pub strangers_burst: u32,
    /// Requests per second of all such addresses together; at least 1.
    pub strangers_total: u32,
    /// Wrong passwords for one account from one address until it is not listened to, and for how long.
    pub wrong_passwords: u32,
    pub wrong_password_pause: Duration,
}

#[derive(Clone, Debug)]
pub struct Log {
    /// As `tracing_subscriber::EnvFilter` reads it; whether it can is the business of whoever has that.
    pub filter: String,
    /// Where `filter` was written.
    place: Place,
}

impl Log {
    /// The problem of a filter with which this is wrong.
    pub fn problem(&self, wrong: &str) -> Problem {
        let problem = Problem::error(self.place.clone(), format!("`filter` is wrong: {wrong}"));
        problem.help(r#"write a level, and others for single rooms: "info" or "info,vaxel::sip=debug""#)
    }
}

#[derive(Clone, Debug)]
pub struct Emergency {
    /// No number, agent or code has one of them.
    pub numbers: Vec<String>,
    /// Flows may transfer callers there.
    pub by_flow: bool,
}

/// What an agent dials to change state; `None`: no such code.
#[derive(Clone, Debug)]
pub struct Codes {
    pub ready: Option<String>,
    pub wrap_up_done: Option<String>,
    pub wrap_up_more: Option<String>,
    /// Code → reason of the pause that it begins.
    pub pauses: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Number {
    /// As it was written.
    pub number: Pattern,
    /// Name of the flow that answers. Whether it exists is [`Config::check_flows`]'s business.
    pub flow: String,
    /// Only for calls by the trunk of this name, which exists.
    pub trunk: Option<String>,
    /// Where `flow` was written.
    place: Place,
}

#[derive(Clone, Debug)]
pub struct Agent {
    /// What the ACD has to know; `settings.name` is the SIP user as well.
    pub settings: AgentSettings,
    /// What colleagues dial.
    pub number: Option<String>,
    /// `None`: to be made up and kept in the data folder.
    pub password: Option<Secret>,
    /// What the agent may call outside.
    pub out: Caps,
    /// Calls at a time that the account may have begun; at least 1.
    pub calls: u32,
    /// The phone is asked to answer what queues offer by itself.
    pub auto_answer: bool,
    /// When they work; `None`: whenever their phone is there.
    pub shift: Option<Calendar>,
    /// Names of queues for members only that the agent serves.
    pub queues: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Trunk {
    pub name: String,
    /// Calls from these addresses are this trunk's; no address is in two trunks.
    pub from: Vec<Network>,
    /// So are calls from the addresses that DNS has for the name in `to`.
    pub from_dns: bool,
    /// Calls by TLS from whom one of our authorities calls so are its, if `from` has them or is empty. Lower case; no other trunk's.
    pub certificate: Option<String>,
    /// Who shows this is this trunk as well; no agent has that name.
    pub login: Option<Login>,
    /// Where our calls to it are sent; `None`: it only brings calls.
    pub to: Option<To>,
    /// The listener that it is called by, one of [`Sip::listen`]; `None`: the one at the address that this machine sends from.
    pub by: Option<Hop>,
    /// Beginnings of the numbers that are sent there, longest first; `+` alone is every international one.
    pub takes: Vec<String>,
    /// Lowest first among those that take a number.
    pub priority: u16,
    /// How often it is first among those of its priority.
    pub weight: u16,
    /// At a time, both ways; at least 1. `None`: no limit.
    pub calls: Option<u32>,
    /// Out; from 0.1 to 1000. `None`: no limit.
    pub calls_per_second: Option<f64>,
    /// What goes out by it, whoever calls.
    pub out: Caps,
    /// Emergency numbers go out by it.
    pub emergency: bool,
    /// From 5 s to 1 h; `None`: it is not probed.
    pub probe: Option<Duration>,
    /// The carrier's name, if it wants one: that in `to`, unless another is written. By TLS its certificate must have it.
    pub domain: Option<Domain>,
    /// What its challenges are answered with.
    pub account: Option<Account>,
    /// For how long we register there; only with `to` and an account.
    pub register: Option<Duration>,
    /// How it writes numbers, and how it wants them.
    pub dialect: Dialect,
    /// What it asserts of callers is believed, and it is told what we know of them.
    pub trusted: bool,
    /// What callers brought along that it is passed on.
    pub passes: Vec<Passed>,
    /// What calls out show there; `None`: the caller's own number.
    pub shows: Option<String>,
    /// Only with `shows`: callers from outside keep their own number.
    pub shows_callers: bool,
}

/// What a trunk shows us.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: Secret,
}

/// What we show a carrier.
#[derive(Clone, Debug)]
pub struct Account {
    pub user: String,
    pub password: Secret,
    /// Challenges in other realms are not answered.
    pub realm: String,
}

/// What [`load`] gives when nothing stands in the way.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Problem>,
}

/// Reads the settings: built-in ones, those of `file`, those of `environment` (all variables; the ones that begin with
/// `VAXEL_` are taken, and one that gives no setting is an error unless a container platform sets such). Without a file the sample stands in for it: two queues, two agents, one number, on loopback.
///
/// `read` gives the text of a file: of `file` itself and of password files.
///
/// # Errors
///
/// Everything that is wrong, errors and warnings, in the order of the file.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Loaded, Vec<Problem>> {
    let text = match file {
        None => None,
        Some(path) => match read(path) {
            Ok(text) => Some((path, text)),
            Err(e) => {
                let problem = Problem::error(Place::File(path.to_owned()), format!("the settings cannot be read: {e}"));
                return Err(vec![problem.help("`vaxel init DIR` writes settings to begin with")]);
            }
        },
    };
    let mut sources = Sources::new(text, environment)?;
    let strangers = sources.drop_strangers(&known_settings());
    let layers = if file.is_none() { &[DEFAULTS, SAMPLE][..] } else { &[DEFAULTS] };
    let tree = match sources.layered(layers, &LISTS) {
        Ok(tree) => tree,
        Err(problems) => return Err(strangers.into_iter().chain(problems).collect()),
    };
    let reader = Reader::new(&sources);
    let top = Table::new(&reader, At::default(), Some(&tree));
    let mut config = Config::read(&top, read);
    config.number_members();
    cross::check(&config, &top);
    top.finish();
    let mut problems = reader.problems.into_inner();
    problems.extend(strangers);
    problems.sort_by(|a, b| (&a.place, a.severity).cmp(&(&b.place, b.severity)));
    if problems.iter().any(Problem::is_error) { Err(problems) } else { Ok(Loaded { config, warnings: problems }) }
}

/// What a variable can set: whatever is asked for when the built-in settings alone are read.
fn known_settings() -> Known {
    let sources = Sources::new(None, []).expect("there is nothing that could be wrong");
    let tree = sources.layered(&[DEFAULTS], &LISTS).expect("the built-in settings are TOML");
    let reader = Reader::new(&sources);
    let top = Table::new(&reader, At::default(), Some(&tree));
    Config::read(&top, &|_| Err(io::ErrorKind::NotFound.into()));
    top.finish();
    reader.known.into_inner()
}

impl Config {
    /// The problems of numbers whose flow is none of `flows`.
    pub fn check_flows<'a>(&self, flows: impl IntoIterator<Item = &'a str> + Clone) -> Vec<Problem> {
        let unknown = self.numbers.iter().filter(|number| !flows.clone().into_iter().any(|flow| flow == number.flow));
        unknown
            .map(|number| {
                let problem = Problem::error(number.place.clone(), format!("there is no flow `{}`", number.flow));
                match nearest(&number.flow, flows.clone()) {
                    Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                    None => problem
                        .help(format!("known flows: {}", flows.clone().into_iter().collect::<Vec<_>>().join(", "))),
                }
            })
            .collect()
    }

    /// The problem of hold music that is none of `music`.
    pub fn check_music<'a>(&self, music: impl IntoIterator<Item = &'a str>) -> Option<Problem> {
        let Sounds { hold_music, place, .. } = &self.sounds;
        let music: Vec<&str> = music.into_iter().collect();
        if music.contains(&hold_music.as_str()) {
            return None;
        }
        let problem = Problem::error(place.clone(), format!("there is no music `{hold_music}`"));
        Some(match nearest(hold_music, music.iter().copied()) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help(format!("known music: {}", music.join(", "))),
        })
    }

    fn read(top: &Table, read: &dyn Fn(&Path) -> io::Result<String>) -> Config {
        let every_queue = top.table("every_queue");
        let every_agent = top.table("every_agent");
        let queue_defaults = queue::settings(&every_queue, &QueueSettings::default());
        let agent_defaults = agent::every_agent(&every_agent);
        let said_by_every = announcement::announcement(&every_queue);
        every_queue.finish();
        every_agent.finish();
        let (mut queues, mut hours, mut announcements) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for queue in queue::queues(top, &queue_defaults, said_by_every.as_ref()) {
            let name = &queue.settings.name;
            hours.extend(queue.hours.map(|calendar| (name.clone(), calendar)));
            announcements.extend(queue.said.map(|said| (name.clone(), said)));
            queues.push(queue.settings);
        }
        let numbering = section(top, "numbering", |table| numbers::numbering(table, &Numbering::default()));
        Config {
            sip: section(top, "sip", |sip| Sip {
                listen: sip.list("listen"),
                listen_is_built_in: !sip.is_written("listen"),
                realm: sip.get("realm"),
                digest: sip.list("digest"),
                registration_min: seconds(sip, "registration_min", 1, 86_400),
                registration_max: seconds(sip, "registration_max", 1, 7 * 86_400),
                keep_alive: seconds(sip, "keep_alive", 0, 600),
                redirects: sip.optional("redirects").unwrap_or_default(),
                connection_loss: seconds(sip, "connection_loss", 2, 120),
                websocket: section(sip, "websocket", |websocket| WebSocket { origins: origins(websocket) }),
                tls: section(sip, "tls", |tls| Tls {
                    certificate: pem(tls, "certificate", read),
                    key: pem(tls, "key", read),
                    ca: pem(tls, "ca", read),
                    client_ca: pem(tls, "client_ca", read),
                    client_certificate: tls.optional("client_certificate").unwrap_or_default(),
                }),
            }),
            media: section(top, "media", |media| Media {
                ports: media.optional("ports").unwrap_or(Ports(20_000..=29_999)),
                workers: media.within("workers", 0..=256).filter(|workers| *workers > 0),
                silence_limit: seconds(media, "silence_limit", 5, 3600),
            }),
            dns: section(top, "dns", |dns| Dns {
                servers: dns.list::<DnsServer>("servers").into_iter().map(|server| server.0).collect(),
            }),
            http: section(top, "http", |http| Http {
                listen: http.optional("listen").unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            }),
            capture: section(top, "capture", |capture| Capture {
                server: capture.optional("server"),
                on: capture.get("on"),
                agent: capture.get("agent"),
            }),
            data: section(top, "data", data::settings),
            report: section(top, "report", |report| Report {
                interval: report.optional("interval").unwrap_or_default(),
            }),
            flows: section(top, "flows", |flows| Flows { folder: flows.path("folder") }),
            sounds: section(top, "sounds", |sounds| Sounds {
                folder: sounds.path("folder"),
                language: sounds.get("language"),
                hold_music: sounds.get("hold_music"),
                ringback: sounds.optional("ringback").unwrap_or_default(),
                place: sounds.place("hold_music"),
            }),
            limits: section(top, "limits", |limits| Limits {
                calls: limits.within("calls", CALLS).unwrap_or(1),
                call_duration: seconds(limits, "call_duration", 60, 7 * 86_400),
                ring_time: seconds(limits, "ring_time", 5, 600),
                instant_refusal: seconds(limits, "instant_refusal", 0, 10),
                answer_within: seconds(limits, "answer_within", 5, 600),
                place_told_every: seconds(limits, "place_told_every", 0, 600),
                callbacks_per_number: limits.within("callbacks_per_number", 0..=1000).unwrap_or(0),
                callback_numbers: limits.list::<Beginning>("callback_numbers").into_iter().map(|it| it.0).collect(),
                drain: seconds(limits, "drain", 0, 86_400),
                retry_after: seconds(limits, "retry_after", 1, 3600),
                strangers: limits.within("strangers", 1..=100_000).unwrap_or(1),
                strangers_burst: limits.within("strangers_burst", 1..=1_000_000).unwrap_or(1),
                strangers_total: limits.within("strangers_total", 1..=1_000_000).unwrap_or(1),
                wrong_passwords: limits.within("wrong_passwords", 1..=1000).unwrap_or(1),
                wrong_password_pause: seconds(limits, "wrong_password_pause", 1, 86_400),
            }),
            log: section(top, "log", |log| Log { filter: log.get("filter"), place: log.place("filter") }),
            codes: section(top, "codes", |codes| Codes {
                ready: code(codes, "ready"),
                wrap_up_done: code(codes, "wrap_up_done"),
                wrap_up_more: code(codes, "wrap_up_more"),
                pauses: pauses(codes),
            }),
            pause_reasons: pauses::reasons(top),
            emergency: section(top, "emergency", |emergency| Emergency {
                numbers: emergency.list::<Dialled>("numbers").into_iter().map(|number| number.0).collect(),
                by_flow: emergency.get("by_flow"),
            }),
            numbers: each(top, "numbers", numbers::number),
            queues,
            announcements,
            estimate: section(top, "estimate", estimate::settings),
            hours,
            agents: each(top, "agents", |table| agent::agent(table, &agent_defaults, read)),
            trunks: each(top, "trunks", |table| trunk::trunk(table, &numbering, read)),
            identity: section(top, "identity", |identity| identity::Settings {
                to_agents: identity.list("to_agents"),
                keep_withheld: identity.get("keep_withheld"),
            }),
            numbering,
        }
    }
}

impl Config {
    /// Agents' queues by their places in the list, which are their numbers everywhere else.
    fn number_members(&mut self) {
        let ids: BTreeMap<&str, u32> = self.queues.iter().map(|queue| queue.name.as_str()).zip(0..).collect();
        for agent in &mut self.agents {
            let known = agent.queues.iter().filter_map(|name| ids.get(name.as_str()));
            agent.settings.queues = known.map(|id| QueueId(*id)).collect();
        }
    }
}

/// One section, read to its end.
fn section<T>(top: &Table, key: &'static str, read: impl Fn(&Table) -> T) -> T {
    let table = top.table(key);
    let section = read(&table);
    table.finish();
    section
}

/// A list of tables, each read to its end.
fn each<T>(top: &Table, key: &'static str, read: impl Fn(&Table) -> T) -> Vec<T> {
    let tables = top.tables(key);
    let read_one = |table: Table| {
        let item = read(&table);
        table.finish();
        item
    };
    tables.into_iter().map(read_one).collect()
}

/// A length of time between two numbers of seconds.
fn seconds(table: &Table, key: &'static str, low: u64, high: u64) -> Duration {
    table.within(key, Duration::from_secs(low)..=Duration::from_secs(high)).unwrap_or_default()
}

fn code(codes: &Table, key: &'static str) -> Option<String> {
    let text: String = codes.optional(key)?;
    match text.parse() {
        _ if text == "none" => None,
        Ok(Dialled(code)) => Some(code),
        Err(_) => {
            codes.wrong(key, format!("`{text}` cannot be dialled"), r#"a code such as "*1", or "none""#.into());
            None
        }
    }
}

fn pauses(codes: &Table) -> BTreeMap<String, String> {
    let Some(written) = codes.texts("pauses") else { return [("*2".into(), "break".into())].into() };
    for code in written.keys().filter(|code| code.parse::<Dialled>().is_err()) {
        codes.wrong("pauses", format!("`{code}` cannot be dialled"), r#"write it as { "*2" = "break" }"#.into());
    }
    written
}

/// As browsers name them: scheme, host, and a port where it is not the usual one.
fn origins(websocket: &Table) -> Vec<String> {
    let origins: Vec<String> = websocket.list("origins");
    let is_origin = |origin: &str| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| !host.is_empty() && !host.contains('/'))
    };
    for origin in origins.iter().filter(|origin| !is_origin(origin)) {
        let help = r#"write it as browsers do, such as "https://desk.example""#.into();
        websocket.wrong("origins", format!("`{origin}` is no origin"), help);
    }
    origins
}

/// A PEM file that can be read.
fn pem(table: &Table, key: &'static str, read: &dyn Fn(&Path) -> io::Result<String>) -> Option<PathBuf> {
    let file = table.path(key)?;
    match read(&file) {
        Ok(text) if text.contains("-----BEGIN ") => return Some(file),
        Ok(_) => {
            let message = format!("{} is no PEM file", file.display());
            table.wrong(key, message, "it must have a line that begins with -----BEGIN".into());
        }
        Err(e) => {
            let message = format!("{} cannot be read: {e}", file.display());
            table.wrong(key, message, "name a PEM file that the user that vaxel runs as can read".into());
        }
    }
    None
}

#[cfg(test)]
mod tests;

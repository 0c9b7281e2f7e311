//! Everything the switchboard knows from the start. `config` fills it.

use super::directory::Pattern;
use super::identity::{self, Passed};
use super::numbering::{Dialect, Numbering};
use super::redirects::Redirects;
use crate::acd::{AgentSettings, QueueSettings};
use crate::flow::Flow;
use crate::hours::Calendar;
pub use crate::sip::Network;

use crate::sip;
use crate::time::Duration;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Numbers that can be dialled from a trunk or by an agent, and the flow that answers them.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    pub number: Pattern,
    pub flow: String,
    /// Only for calls that come by the trunk of this name; they go before all others there.
    pub trunk: Option<String>,
}

/// What may be called out, by an agent or by way of a trunk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caps {
    /// Beginnings of numbers that may be called; empty: all that are not denied.
    pub allowed: Vec<String>,
    pub denied: Vec<String>,
    /// At a time.
    pub calls: Option<u32>,
    /// In any hour.
    pub calls_per_hour: Option<u32>,
    /// Of talk, in a day of UTC.
    pub minutes_per_day: Option<u32>,
}

/// [`Agent::calls`] where nobody says otherwise: people have two or three.
pub const CALLS_OF_AGENT: u32 = 10;

#[derive(Clone, PartialEq)]
pub struct Agent {
    pub settings: AgentSettings,
    /// What the agent may call outside.
    pub out: Caps,
    /// Calls at a time that the account may have begun, wherever they go; one more is refused with 486.
    pub calls: u32,
    /// The phone is asked to answer what queues offer by itself.
    pub auto_answer: bool,
    /// When they work; `None`: whenever their phone is there.
    pub shift: Option<Calendar>,
    /// What other agents dial to reach this one.
    pub number: String,
    /// Digest password of the account, whose user name is the agent's name.
    pub password: String,
}

/// Shows no password.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("settings", &self.settings).field("number", &self.number).finish_non_exhaustive()
    }
}

/// A carrier's link, known by where it sends from, or by a password.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trunk {
    pub name: String,
    /// Calls from there come in.
    pub from: Vec<Network>,
    /// Who shows this user and password comes in as well, wherever from.
    pub login: Option<Login>,
    /// Who shows a certificate with this name comes in, from `from` if that says something. In lower case; of one trunk only.
    pub certificate: Option<String>,
    /// Calls from where calls are sent to come in as well.
    pub from_targets: bool,
    /// Calls out can be sent to it. Where, `targets` says, or [`Input::Targets`](super::Input::Targets) will.
    pub sends: bool,
    pub targets: Vec<Target>,
    /// Of trunks that name an equally long beginning the one with the lowest is tried first.
    pub priority: u16,
    /// Of those with one priority this says how often each is the first.
    pub weight: u16,
    /// Calls that it carries at a time, both ways; one more is sent elsewhere or refused with 503. `None`: no limit.
    pub calls: Option<u32>,
    /// Calls that are sent to it in a second; above 0. `None`: no limit.
    pub calls_per_second: Option<f64>,
    /// What goes out by it, whoever calls.
    pub out: Caps,
    /// Emergency numbers go out by it, whatever it takes otherwise and whatever its limits are.
    pub emergency: bool,
    /// How often OPTIONS asks whether it is there; `None`: never.
    pub probe: Option<Duration>,
    /// The carrier's name in what we ask of it; `None`: its address stands there.
    pub domain: Option<sip::Host>,
    /// Beginnings of the numbers that this trunk takes.
    pub takes: Vec<String>,
    /// How it writes numbers, and how it wants them.
    pub dialect: Dialect,
    /// What it asserts of callers is believed, and it is told what we know of them (the trust domain of RFC 3325).
    pub trusted: bool,
    /// What callers brought along that it is passed on.
    pub passes: Vec<Passed>,
    /// The number that calls out show there; `None`: the caller's own.
    pub shows: Option<String>,
    /// Who called us from outside is shown with the own number all the same.
    pub shows_callers: bool,
    /// What the carrier's challenges are answered with.
    pub account: Option<Arc<sip::Account>>,
    /// For how long we register at the carrier, again and again; `None`: we do not. Needs an account.
    pub register: Option<Duration>,
}

impl Trunk {
    /// `user` at the carrier.
    pub fn uri(&self, user: Option<&str>, remote: SocketAddr) -> sip::Uri {
        match &self.domain {
            Some(domain) => sip::Uri::Sip(sip::SipUri::new(user, domain.clone(), None)),
            None => sip::Uri::sip(user, remote),
        }
    }
}

/// One place of a trunk, as DNS SRV ranks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub hop: sip::Hop,
    pub priority: u16,
    /// Several addresses of one server share what is its.
    pub weight: u32,
}

/// What a trunk shows us.
#[derive(Clone, PartialEq)]
pub struct Login {
    /// No agent's name.
    pub user: String,
    pub password: String,
}

/// Shows no password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What an agent dials to say something about the own state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Codes {
    /// Ends a pause. Empty: not in use.
    pub ready: String,
    /// Code → reason of the pause it begins.
    pub pauses: BTreeMap<String, String>,
    /// Ends wrap-up early. Empty: not in use.
    pub wrap_up_done: String,
    /// Makes wrap-up longer. Empty: not in use.
    pub wrap_up_more: String,
}

/// A part of what an agent hears of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// In the language of what is said to agents.
    Prompt(String),
    /// How many whole minutes the caller has waited.
    Minutes,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Calls at once; one more gets 503 with Retry-After.
    pub calls: usize,
    /// The longest a call may last, from INVITE to the end.
    pub call_duration: Duration,
    /// How long the phone of a directly dialled agent rings.
    pub ring_time: Duration,
    /// A phone that refuses an offer sooner than any person could does so by itself (do not disturb): the offer ends as
    /// `Busy`, not as `Declined`, and the agent's other phones ring on. Zero: every refusal is a person's.
    pub instant_refusal: Duration,
    /// How long a flow may leave its caller unanswered, from the INVITE on.
    pub answer_within: Duration,
    /// A caller who waits unanswered is told the place in line (182) when it is another, at most so often; zero: never.
    pub place_told_every: Duration,
    /// Promises to call one number back in a day (UTC), as far as this run knows.
    pub callbacks_per_number: u32,
    /// How numbers begin that are called back though they are not the caller's own.
    pub callback_numbers: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            calls: 2000,
            call_duration: Duration::from_secs(4 * 3600),
            ring_time: Duration::from_secs(30),
            instant_refusal: Duration::from_secs(1),
            answer_within: crate::flow::ANSWER_WITHIN,
            place_told_every: Duration::from_secs(10),
            callbacks_per_number: 3,
            callback_numbers: Vec::new(),
        }
    }
}

#[derive(Clone)]
pub struct Settings {
    pub realm: String,
    /// Digest algorithms that phones are asked for, best first.
    pub digest: Vec<sip::digest::Algorithm>,
    /// Makes digest nonces ours; new at each start.
    pub auth_key: [u8; 32],
    pub sip: sip::endpoint::Settings,
    pub registrar: sip::registrar::Settings,
    pub flows: BTreeMap<String, Arc<Flow>>,
    /// How numbers are dialled in the house.
    pub numbering: Numbering,
    /// As they were written; what numbers are compared with is `in_one_form`.
    pub numbers: Vec<Number>,
    pub identity: identity::Settings,
    pub redirects: Redirects,
    pub queues: Vec<QueueSettings>,
    /// When those of these names are open; the others always are.
    pub hours: BTreeMap<String, Calendar>,
    /// When it is known well enough how long callers will wait.
    pub estimate: crate::acd::estimate::Settings,
    pub agents: Vec<Agent>,
    pub trunks: Vec<Trunk>,
    /// Numbers for emergencies: agents reach them at once, and nobody else is connected to them.
    pub emergency: Vec<String>,
    /// A flow may transfer its caller to one of them too, which no cap limits.
    pub emergency_by_flow: bool,
    pub codes: Codes,
    pub limits: Limits,
    /// By queue: what its agents hear before they are connected with a caller. Those that are not in it say nothing.
    pub announcements: BTreeMap<String, Vec<Said>>,
    /// Language of what is said to agents.
    pub language: String,
    /// What a held party hears.
    pub hold_music: String,
}

impl Settings {
    /// All numbers and beginnings of numbers in the form in which they are compared, and agents with their places in the list.
    pub(super) fn in_one_form(mut self) -> Settings {
        let numbering = &self.numbering;
        let beginnings = |list: &mut Vec<String>| {
            list.iter_mut().for_each(|beginning| *beginning = numbering.beginning(beginning));
        };
        beginnings(&mut self.limits.callback_numbers);
        for number in &mut self.numbers {
            number.number = number.number.inner(numbering);
        }
        for (place, agent) in (0..).zip(&mut self.agents) {
            agent.settings.place = place;
            agent.number = numbering.inner(&agent.number);
            beginnings(&mut agent.out.allowed);
            beginnings(&mut agent.out.denied);
        }
        for trunk in &mut self.trunks {
            trunk.shows = trunk.shows.as_deref().map(|number| numbering.inner(number));
            beginnings(&mut trunk.takes);
            beginnings(&mut trunk.out.allowed);
            beginnings(&mut trunk.out.denied);
        }
        self
    }
}

//! What no setting can be wrong about alone: names given twice, needs that nobody meets.

use super::problem::{Place, Problem, nearest, nobody_has};
use super::read::Table;
use super::source::At;
use super::{Agent, Config, Secret, Trunk};
use crate::acd::{AgentSettings, Lacking};
use crate::engine::settings::Network;
use crate::ids::QueueId;
use crate::need::{Attributes, Need, Word};
use crate::sip::Transport;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;

/// Notes everything that does not fit together.
pub(super) fn check(config: &Config, top: &Table) {
    let check = Check { config, top };
    check.listens();
    check.certificates();
    check.registrations();
    check.names("queues", config.queues.iter().map(|queue| queue.name.as_str()));
    check.names("agents", config.agents.iter().map(|agent| agent.settings.name.as_str()));
    check.logins();
    check.names("trunks", config.trunks.iter().map(|trunk| trunk.name.as_str()));
    check.numbers();
    check.trunks();
    check.emergencies();
    check.skills();
    check.members();
    check.passwords();
    check.pauses();
}

pub(super) struct Check<'a> {
    pub config: &'a Config,
    pub top: &'a Table<'a>,
}

impl Check<'_> {
    pub fn place(&self, list: &str, index: usize, key: &str) -> Place {
        self.top.reader.sources.value(&At::default().key(list).index(index).key(key))
    }

    /// One of these is written there, and something of the settings is wrong: what is missing may be only that.
    fn is_wrong(&self, list: &str, index: usize, keys: &[&str]) -> bool {
        let at = At::default().key(list).index(index);
        let is_written = |key: &&str| self.top.reader.sources.is_written(&at.key(key));
        keys.iter().any(is_written) && self.top.reader.problems.borrow().iter().any(Problem::is_error)
    }

    fn listens(&self) {
        let listen = &self.config.sip.listen;
        let at = At::default().key("sip").key("listen");
        if listen.is_empty() && self.top.reader.problems.borrow().is_empty() {
            let problem = Problem::error(self.top.reader.sources.value(&at), "vaxel would listen nowhere");
            self.top.reader.note(problem.help(r#"name at least one place, such as "udp:127.0.0.1:5060""#));
        }
        for (i, one) in listen.iter().enumerate().filter(|(_, one)| one.address.port() != 0) {
            if listen[..i].iter().any(|other| (other.transport, other.address) == (one.transport, one.address)) {
                let place = self.top.reader.sources.value(&at.index(i));
                self.top.reader.note(Problem::error(place, "vaxel would listen there twice"));
            }
        }
    }

    fn certificates(&self) {
        let tls = &self.config.sip.tls;
        let at = At::default().key("sip");
        let place = |at: &At| self.top.reader.sources.value(at);
        let is_written = |key| self.top.reader.sources.is_written(&at.key("tls").key(key));
        for (key, other) in [("certificate", "key"), ("key", "certificate")] {
            if is_written(key) && !is_written(other) {
                let problem =
                    Problem::error(place(&at.key("tls").key(key)), format!("`{key}` is there without `{other}`"));
                self.top.reader.note(problem.help("each is the half of the other: name both files"));
            }
        }
        if is_written("client_certificate") && !is_written("client_ca") {
            let place = place(&at.key("tls").key("client_certificate"));
            let problem = Problem::error(place, "nobody is named who could vouch for the certificates of clients");
            self.top.reader.note(problem.help("name a file with authorities as `client_ca`"));
        }
        if tls.certificate.is_some() || is_written("certificate") || is_written("key") {
            return;
        }
        let secure = |listen: &super::Listen| listen.transport.is_secure();
        if let Some(i) = self.config.sip.listen.iter().position(secure) {
            let transport = self.config.sip.listen[i].transport.word();
            let place = place(&at.key("listen").index(i));
            let problem = Problem::error(place, format!("{transport} needs a certificate"));
            self.top.reader.note(problem.help("name `certificate` and `key` in [sip.tls]"));
        }
    }

    fn registrations(&self) {
        let sip = &self.config.sip;
        if sip.digest.is_empty() && self.top.reader.problems.borrow().is_empty() {
            let place = self.top.reader.sources.value(&At::default().key("sip").key("digest"));
            let problem = Problem::error(place, "nobody could show a password");
            self.top.reader.note(problem.help(r#"name at least one: "SHA-256", "MD5""#));
        }
        if sip.registration_min > sip.registration_max {
            let place = self.top.reader.sources.value(&At::default().key("sip").key("registration_min"));
            self.top.reader.note(Problem::error(place, "the shortest registration is longer than the longest"));
        }
    }

    pub fn names<'n>(&self, list: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen = BTreeMap::new();
        for (i, name) in names.enumerate().filter(|(_, name)| !name.is_empty()) {
            let place = self.place(list, i, "name");
            self.once(&mut seen, name, place);
        }
    }

    /// Who shows a password is one agent or one trunk.
    fn logins(&self) {
        let agents = self.config.agents.iter().enumerate();
        let mut seen: BTreeMap<_, _> =
            agents.map(|(i, agent)| (agent.settings.name.as_str(), self.place("agents", i, "name"))).collect();
        for (i, trunk) in self.config.trunks.iter().enumerate() {
            if let Some(login) = &trunk.login {
                let at = At::default().key("trunks").index(i).key("login");
                self.once(&mut seen, &login.user, self.top.reader.sources.value(&at.key("user")));
                self.short_password(&login.password, &login.user, &at);
            }
        }
    }

    fn short_password(&self, password: &Secret, user: &str, at: &At) {
        if password.expose().chars().count() < 8 {
            let place = self.top.reader.sources.value(&at.key("password"));
            let problem = Problem::warning(place, format!("the password of `{user}` is short"));
            self.top.reader.note(problem.help("take at least 8 characters"));
        }
    }

    /// Notes a name that was seen before.
    pub fn once<N: Ord + Display>(&self, seen: &mut BTreeMap<N, Place>, name: N, place: Place) {
        match seen.entry(name) {
            Entry::Vacant(free) => _ = free.insert(place),
            Entry::Occupied(first) => {
                let problem = Problem::error(place, format!("`{}` is there twice", first.key()));
                self.top.reader.note(match first.get() {
                    Place::Line { file, line, .. } => problem.help(format!("first at {}:{line}", file.display())),
                    Place::Variable(name) => problem.help(format!("first in {name}")),
                    Place::File(_) | Place::Settings => problem,
                });
            }
        }
    }

    /// Who is in need must not find out that nobody thought of it.
    fn emergencies(&self) {
        let trunks = &self.config.trunks;
        if let Some(first) = trunks.iter().position(|trunk| trunk.to.is_some())
            && !trunks.iter().any(|trunk| trunk.emergency && trunk.to.is_some())
            && let Some(number) = self.config.emergency.numbers.first()
        {
            let problem = Problem::warning(
                self.place("trunks", first, "to"),
                format!("an agent who dials {number} reaches nobody"),
            );
            self.top.reader.note(problem.help("write `emergency = true` into the trunk that such calls go out by"));
        }
    }

    fn trunks(&self) {
        let ours = |i: usize| self.config.trunks[i].from.iter().map(move |network| (i, network));
        for (i, trunk) in self.config.trunks.iter().enumerate() {
            let place = self.place("trunks", i, "from");
            if trunk.from.iter().any(|network| network.prefix == 0) {
                let problem = Problem::warning(place.clone(), format!("everyone is trunk `{}`", trunk.name));
                self.top.reader.note(problem.help("name the carrier's own addresses: others could call through vaxel"));
            }
            for network in &trunk.from {
                if let Some((other, theirs)) = (0..i).flat_map(ours).find(|(_, theirs)| overlap(theirs, network)) {
                    let other = &self.config.trunks[other].name;
                    let [network, theirs] = [network, theirs].map(|n| format!("{}/{}", n.address, n.prefix));
                    let message = format!("{network} overlaps {theirs} of trunk `{other}`");
                    let help = "an address can belong to one trunk only";
                    self.top.reader.note(Problem::error(place.clone(), message).help(help));
                }
            }
            // What a place's certificate must name is known by its address.
            let at = |trunk: &Trunk| trunk.to.as_ref()?.at().filter(|at| at.transport.is_secure());
            let same_place = |other: &&Trunk| at(other) == at(trunk) && other.domain != trunk.domain;
            if at(trunk).is_some()
                && let Some(other) = self.config.trunks[..i].iter().find(same_place)
            {
                let place = self.place("trunks", i, if trunk.domain.is_some() { "domain" } else { "to" });
                let message = format!("trunk `{}` is at the same place, by another name", other.name);
                let help = "one address shows one certificate: give both the same `domain`";
                self.top.reader.note(Problem::error(place, message).help(help));
            }
            self.called_by(i, trunk);
            self.known_by(i, trunk);
            let (certificate, login) = (trunk.certificate.is_some(), trunk.login.is_some());
            let is_nothing = trunk.from.is_empty() && trunk.to.is_none() && !login && !certificate;
            if is_nothing && !self.is_wrong("trunks", i, &["from", "to", "login", "certificate"]) {
                let problem = Problem::warning(place, format!("trunk `{}` neither brings nor takes calls", trunk.name));
                self.top.reader.note(problem.help("add `from`, or `to` and `takes`"));
            }
        }
    }

    /// The listener that a trunk is called by is one that there is, and one that leads there.
    fn called_by(&self, i: usize, trunk: &Trunk) {
        let Some(by) = trunk.by else { return };
        let error = |message: String, help: String| {
            self.top.reader.note(Problem::error(self.place("trunks", i, "by"), message).help(help));
        };
        let listen = &self.config.sip.listen;
        if !listen.iter().any(|one| (one.transport, one.address) == (by.transport, by.address)) {
            let known: Vec<String> = listen
                .iter()
                .filter(|one| !one.transport.is_websocket())
                .map(|one| format!("\"{}:{}\"", one.transport.word(), one.address))
                .collect();
            let help = format!("take one of `listen` in [sip]: {}", known.join(", "));
            return error(format!("vaxel does not listen at {by}"), help);
        }
        let Some(to) = &trunk.to else {
            return error("no call goes there, because `to` is missing".into(), "leave it out, or add `to`".into());
        };
        if to.transport().is_some_and(|transport| transport != by.transport) {
            let help = "name a listener of the transport in `to`".into();
            error(format!("the trunk is not called by {}", by.transport.word()), help);
        } else if to.at().is_some_and(|at| at.address.is_ipv4() != by.address.is_ipv4()) {
            let help = "name a listener of the IP version of `to`".into();
            error(format!("{by} does not lead there"), help);
        }
    }

    /// What a trunk's own calls are known by.
    fn known_by(&self, i: usize, trunk: &Trunk) {
        let is_named = trunk.to.as_ref().is_some_and(|to| to.named().is_some());
        let is_known = !trunk.from.is_empty() || trunk.from_dns || trunk.certificate.is_some() || trunk.login.is_some();
        if trunk.register.is_some() && is_named && !is_known {
            let message = format!("calls that trunk `{}` brings are a stranger's", trunk.name);
            let problem = Problem::warning(self.place("trunks", i, "to"), message);
            self.top.reader.note(
                problem.help(
                    "name the carrier's addresses in `from`; or `from_dns = true`: whatever address DNS has for it",
                ),
            );
        }
        let Some(certificate) = &trunk.certificate else { return };
        let place = || self.place("trunks", i, "certificate");
        if self.config.trunks[..i].iter().any(|other| other.certificate.as_ref() == Some(certificate)) {
            let problem = Problem::error(place(), format!("`{certificate}` is the certificate of another trunk"));
            self.top.reader.note(problem.help("a certificate can be one trunk's only"));
        }
        if !self.top.reader.sources.is_written(&At::default().key("sip").key("tls").key("client_ca")) {
            let problem = Problem::error(place(), "nobody is named who could vouch for the certificates of clients");
            self.top.reader.note(problem.help("name a file with authorities as `client_ca` in [sip.tls]"));
        }
        if !self.config.sip.listen.iter().any(|listen| listen.transport == Transport::Tls) {
            let problem =
                Problem::warning(place(), "nobody can show a certificate, because vaxel does not listen for TLS");
            self.top.reader.note(problem.help(r#"add "tls:…" to `listen` in [sip]"#));
        }
    }

    /// A need that no agent meets lets callers wait for nobody.
    fn skills(&self) {
        let agents = &self.config.agents;
        for (i, queue) in self.config.queues.iter().enumerate().filter(|(_, queue)| !queue.name.is_empty()) {
            // What depends on the contact may be met.
            let needs = queue.needs.resolved(&Attributes::new());
            let may_serve = |agent: &Agent| {
                queue.needs_in_time().any(|needs| {
                    let needs = needs.resolved(&licensed_for(&agent.settings, &needs));
                    agent.settings.could_serve(QueueId(i as u32), queue.members_only, &needs)
                })
            };
            if agents.iter().any(may_serve) {
                continue;
            }
            let place =
                if queue.needs.is_none() { self.place("queues", i, "name") } else { self.place("queues", i, "needs") };
            let problem = Problem::warning(place, format!("no agent can answer queue `{}`", queue.name));
            let members = agents.iter().any(|agent| agent.settings.queues.contains(&QueueId(i as u32)));
            let help = if agents.is_empty() {
                "there are no agents; add [[agents]] with `name` and `skills`".to_owned()
            } else if queue.members_only && !members {
                format!("it is for members only; give some agents `queues = [\"{}\"]`", queue.name)
            } else {
                nobody_has(&Lacking::among(&needs, agents.iter().map(|agent| &agent.settings)))
            };
            self.top.reader.note(problem.help(help));
        }
    }

    fn members(&self) {
        let queues = &self.config.queues;
        for (i, agent) in self.config.agents.iter().enumerate() {
            let named = agent.settings.rests.iter().filter_map(|rule| rule.queue.as_ref());
            for name in named.filter(|name| !queues.iter().any(|queue| queue.name == **name)) {
                let message = format!("`rests` name a queue `{name}`, which is not there");
                let problem = Problem::error(self.place("agents", i, "name"), message);
                self.top.reader.note(problem.help("name one of [[queues]], here and in [every_agent]"));
            }
        }
        for (i, agent) in self.config.agents.iter().enumerate() {
            for (j, name) in agent.queues.iter().enumerate() {
                let at = At::default().key("agents").index(i).key("queues").index(j);
                let place = self.top.reader.sources.value(&at);
                let found = queues.iter().find(|queue| queue.name == *name);
                self.top.reader.note(match found {
                    Some(queue) if queue.members_only => continue,
                    Some(_) => Problem::warning(place, format!("queue `{name}` is not for members only")).help(
                        "everybody with the skills serves it; add `members_only = true` to the queue to change that",
                    ),
                    None => match nearest(name, queues.iter().map(|queue| queue.name.as_str())) {
                        Some(meant) => Problem::error(place, format!("there is no queue `{name}`"))
                            .help(format!("did you mean `{meant}`?")),
                        None => Problem::error(place, format!("there is no queue `{name}`")),
                    },
                });
            }
        }
    }

    /// Passwords of phones are guessed all day long wherever SIP is reachable.
    fn passwords(&self) {
        for (i, agent) in self.config.agents.iter().enumerate() {
            if agent.password.as_ref().is_some_and(|password| password.expose().chars().count() < 8) {
                let problem = Problem::warning(
                    self.place("agents", i, "password"),
                    format!("the password of `{}` is short", agent.settings.name),
                );
                self.top.reader.note(problem.help("take at least 8 characters, or leave it out: vaxel makes one up"));
            }
        }
    }
}

/// Whether some address is in both.
fn overlap(one: &Network, other: &Network) -> bool {
    one.contains(other.address) || other.contains(one.address)
}
/// Of a contact whose licences, where they depend on it, this agent holds.
fn licensed_for(agent: &AgentSettings, needs: &Need) -> Attributes {
    let mut attributes = Attributes::new();
    for licence in &needs.licences {
        let held = agent.licences.iter().find(|held| held.kind == licence.kind);
        if let (Word::Of(name), Some(held)) = (&licence.jurisdiction, held) {
            attributes.insert(name.clone(), held.jurisdiction.clone());
        }
    }
    attributes
}

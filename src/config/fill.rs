//! What an operator wrote, as the settings of the rooms that act on it.

use super::{Config, To};
use crate::acd::QueueSettings;
use crate::engine::settings::{Agent, Codes, Limits, Login, Number, Settings, Target, Trunk};
use crate::flow::Flow;
use crate::{media, sip};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Legs that one call may have at a time, for the bounds of tables: the caller, an agent, and a transfer or two.
const LEGS_PER_CALL: usize = 4;

/// What the switchboard needs beyond what an operator writes.
#[derive(Clone, Default)]
pub struct Given {
    /// Makes digest nonces ours; new at each start.
    pub auth_key: [u8; 32],
    /// Compiled, by name.
    pub flows: BTreeMap<String, Arc<Flow>>,
    /// Passwords that were made up, by the name of the agent. An agent with neither this nor a written one cannot
    /// register.
    pub passwords: BTreeMap<String, String>,
    /// Where SIP is heard by TCP, as peers are told.
    pub tcp: Vec<SocketAddr>,
    /// The ways to each trunk that calls are sent to, by its name.
    pub targets: BTreeMap<String, Vec<Target>>,
}

impl Config {
    pub fn engine(&self, given: Given) -> Settings {
        let calls = self.limits.calls as usize;
        let agents = self.agents.iter().map(|agent| {
            let written = agent.password.as_ref().map(|password| password.expose().to_owned());
            let made_up = || given.passwords.get(&agent.settings.name).cloned();
            Agent {
                settings: agent.settings.clone(),
                out: agent.out.clone(),
                calls: agent.calls,
                auto_answer: agent.auto_answer,
                shift: agent.shift.clone(),
                number: agent.number.clone().unwrap_or_default(),
                password: written.or_else(made_up).unwrap_or_default(),
            }
        });
        let trunks = self.trunks.iter().map(|trunk| Trunk {
            name: trunk.name.clone(),
            from: trunk.from.clone(),
            login: trunk
                .login
                .as_ref()
                .map(|login| Login { user: login.user.clone(), password: login.password.expose().to_owned() }),
            certificate: trunk.certificate.clone(),
            // Where we are registered knows us, and calls come from there; but what DNS says is proof of nothing, unless the
            // operator wants it to be.
            from_targets: match &trunk.to {
                Some(To::Named(_)) => trunk.from_dns,
                Some(To::At(_)) => trunk.register.is_some(),
                None => false,
            },
            sends: trunk.to.is_some(),
            targets: given.targets.get(&trunk.name).cloned().unwrap_or_default(),
            priority: trunk.priority,
            weight: trunk.weight,
            calls: trunk.calls,
            calls_per_second: trunk.calls_per_second,
            out: trunk.out.clone(),
            emergency: trunk.emergency,
            probe: trunk.probe,
            domain: trunk.domain.clone().map(|domain| domain.0),
            takes: trunk.takes.clone(),
            account: trunk.account.as_ref().map(|account| {
                Arc::new(sip::Account {
                    user: account.user.clone(),
                    password: account.password.expose().to_owned(),
                    realm: account.realm.clone(),
                })
            }),
            register: trunk.register,
            dialect: trunk.dialect.clone(),
            trusted: trunk.trusted,
            passes: trunk.passes.clone(),
            shows: trunk.shows.clone(),
            shows_callers: trunk.shows_callers,
        });
        let numbers = self.numbers.iter().map(|n| Number {
            number: n.number.clone(),
            flow: n.flow.clone(),
            trunk: n.trunk.clone(),
        });
        Settings {
            realm: self.sip.realm.clone(),
            digest: self.sip.digest.clone(),
            auth_key: given.auth_key,
            sip: sip::endpoint::Settings {
                tcp: given.tcp.clone(),
                product: concat!("vaxel/", env!("CARGO_PKG_VERSION")).into(),
                usages_max: LEGS_PER_CALL * calls.max(250),
                retry_after: self.limits.retry_after,
                ..sip::endpoint::Settings::default()
            },
            registrar: sip::registrar::Settings {
                min_expires: self.sip.registration_min,
                max_expires: self.sip.registration_max,
                default_expires: self.sip.registration_max,
                keep_alive: self.sip.keep_alive,
                ..sip::registrar::Settings::default()
            },
            numbering: self.numbering.clone(),
            identity: self.identity.clone(),
            redirects: self.sip.redirects,
            numbers: numbers.collect(),
            queues: self.queues.clone(),
            hours: self.hours.clone(),
            estimate: self.estimate.clone(),
            agents: agents.collect(),
            trunks: trunks.collect(),
            emergency: self.emergency.numbers.clone(),
            emergency_by_flow: self.emergency.by_flow,
            codes: Codes {
                ready: self.codes.ready.clone().unwrap_or_default(),
                pauses: self.codes.pauses.clone(),
                wrap_up_done: self.codes.wrap_up_done.clone().unwrap_or_default(),
                wrap_up_more: self.codes.wrap_up_more.clone().unwrap_or_default(),
            },
            limits: Limits {
                calls,
                call_duration: self.limits.call_duration,
                ring_time: self.limits.ring_time,
                instant_refusal: self.limits.instant_refusal,
                answer_within: self.limits.answer_within,
                place_told_every: self.limits.place_told_every,
                callbacks_per_number: self.limits.callbacks_per_number,
                callback_numbers: self.limits.callback_numbers.clone(),
            },
            announcements: self.announcements.iter().map(|(queue, said)| (queue.clone(), said.parts.clone())).collect(),
            language: self.sounds.language.clone(),
            hold_music: self.sounds.hold_music.clone(),
            flows: given.flows,
        }
    }

    /// For the sockets, about strangers.
    pub fn gate(&self) -> sip::gate::Settings {
        sip::gate::Settings {
            rate: self.limits.strangers,
            burst: self.limits.strangers_burst,
            rate_of_all: self.limits.strangers_total,
            guesses: self.limits.wrong_passwords,
            pause: self.limits.wrong_password_pause,
        }
    }

    /// For each media worker.
    pub fn media(&self) -> media::Settings {
        let defaults = media::Settings::default();
        let legs = u32::try_from(LEGS_PER_CALL).unwrap_or(4).saturating_mul(self.limits.calls);
        media::Settings { silence_limit: self.media.silence_limit, legs_max: legs.max(defaults.legs_max), ..defaults }
    }

    /// The names of all skills that some agent has.
    pub fn skills(&self) -> impl Iterator<Item = &str> {
        self.agents.iter().flat_map(|agent| agent.settings.skills.keys().map(String::as_str))
    }

    /// Each queue with its service level, for the bounds of histograms.
    pub fn service_levels(&self) -> impl Iterator<Item = (&str, crate::time::Duration)> {
        self.queues.iter().map(|QueueSettings { name, service_level, .. }| (name.as_str(), *service_level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use crate::time::Duration;
    use std::path::Path;

    fn config(text: &str) -> Config {
        load(Some(Path::new("vaxel.toml")), [], &|_| Ok(text.to_owned())).unwrap().config
    }

    #[test]
    fn the_switchboard_gets_what_was_written() {
        let config = config(
            r#"
            [sip]
            realm = "example"
            registration_max = "10m"
            [sounds]
            language = "sv"
            [limits]
            calls = 7
            retry_after = "9s"
            [codes]
            ready = "none"
            [[numbers]]
            number = "100"
            flow = "main"
            [[agents]]
            name = "anna"
            number = "201"
            password = "correct horse"
            [[agents]]
            name = "bo"
            [[trunks]]
            name = "carrier"
            from = ["203.0.113.0/24"]
            to = "udp:203.0.113.1:5060"
            takes = ["0"]
            "#,
        );
        let hop = sip::Hop {
            transport: sip::Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: config.trunks[0].to.as_ref().unwrap().at().unwrap().address,
            connection: None,
        };
        let engine = config.engine(Given {
            auth_key: [7; 32],
            passwords: [("bo", "made up"), ("anna", "not this one")].map(|(n, p)| (n.to_owned(), p.to_owned())).into(),
            targets: [("carrier".to_owned(), vec![Target { hop, priority: 0, weight: 0 }])].into(),
            ..Given::default()
        });
        assert_eq!((engine.realm.as_str(), engine.auth_key), ("example", [7; 32]));
        assert_eq!(engine.registrar.max_expires, Duration::from_secs(600));
        assert_eq!((engine.language.as_str(), engine.hold_music.as_str()), ("sv", "calm"));
        assert_eq!((engine.limits.calls, engine.sip.retry_after), (7, Duration::from_secs(9)));
        assert_eq!((engine.codes.ready.as_str(), engine.codes.wrap_up_done.as_str()), ("", "*3"));
        let agents: Vec<_> = engine.agents.iter().map(|a| (a.number.as_str(), a.password.as_str())).collect();
        assert_eq!(agents, [("201", "correct horse"), ("", "made up")]);
        assert_eq!(engine.trunks[0].targets[0].hop, hop);
        assert!(engine.trunks[0].from[0].contains("203.0.113.9".parse().unwrap()));
    }

    #[test]
    fn built_in_limits_are_those_of_the_switchboard_and_the_media_room() {
        let config = config("numbers = []");
        let (ours, theirs) = (config.engine(Given::default()).limits, Limits::default());
        assert_eq!((ours.call_duration, ours.ring_time), (theirs.call_duration, theirs.ring_time));
        assert_eq!(ours.instant_refusal, theirs.instant_refusal);
        assert_eq!(ours.answer_within, theirs.answer_within);
        assert_eq!(ours.place_told_every, theirs.place_told_every);
        assert_eq!(
            config.engine(Given::default()).registrar.keep_alive,
            sip::registrar::Settings::default().keep_alive
        );
        assert_eq!(config.media(), media::Settings::default());
    }
}

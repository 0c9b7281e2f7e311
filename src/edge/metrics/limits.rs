//! How often bounds of SIP were reached that show nowhere else.

use super::register;
use crate::sip::Counters;
use crate::sip::registrar::Limited;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use std::sync::{Mutex, PoisonError};

pub struct Limits {
    counters: [IntCounter; NAMES.len()],
    last: Mutex<[u64; NAMES.len()]>,
}

/// `full_table` is `vaxel_sip_refused_full_total` too; here it is for the log.
const NAMES: [&str; 7] =
    ["registrations", "contacts", "contacts_at_once", "path", "forks", "keys_by_info", "full_table"];

impl Limits {
    pub(super) fn new(registry: &Registry) -> Limits {
        let all = Opts::new(
            "vaxel_sip_limits_reached_total",
            "How often a bound was reached: `registrations` in all, `contacts` of one agent, `contacts_at_once` and `path` in one REGISTER, `forks` of a call of ours, `keys_by_info` that wait for an ACK or for the one before, `full_table` of transactions or calls.",
        );
        let all = register(registry, IntCounterVec::new(all, &["limit"]).expect("a valid name"));
        Limits { counters: NAMES.map(|name| all.with_label_values(&[name])), last: Mutex::default() }
    }

    /// The counts now, which only grow; gives the names of those that have grown.
    pub fn update(&self, registrar: &Limited, endpoint: &Counters) -> Vec<&'static str> {
        let now = [
            registrar.registrations,
            registrar.contacts,
            registrar.contacts_at_once,
            registrar.path,
            endpoint.forks_ignored,
            endpoint.infos_lost,
            endpoint.refused_full,
        ];
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut grown = Vec::new();
        for (at, name) in NAMES.into_iter().enumerate() {
            let more = now[at].saturating_sub(last[at]);
            self.counters[at].inc_by(more);
            if more > 0 {
                grown.push(name);
            }
        }
        *last = now;
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use super::*;
    use crate::edge::Clock;

    #[test]
    fn each_limit_has_its_count_and_is_named_when_it_was_reached_again() {
        let metrics = Metrics::new(Clock::start(), &Names::default());
        let registrar = Limited { registrations: 1, contacts: 2, contacts_at_once: 3, path: 4 };
        let endpoint = Counters { forks_ignored: 5, infos_lost: 6, refused_full: 7, ..Counters::default() };
        assert_eq!(metrics.limits.update(&registrar, &endpoint), NAMES);
        assert_eq!(metrics.limits.update(&registrar, &endpoint), [""; 0]);
        let again = Limited { path: 5, ..registrar };
        assert_eq!(metrics.limits.update(&again, &endpoint), ["path"]);
        let seen = scrape(&metrics);
        let counts = NAMES.map(|name| seen[&format!("vaxel_sip_limits_reached_total{{limit=\"{name}\"}}")]);
        assert_eq!(counts, [1.0, 2.0, 3.0, 5.0, 5.0, 6.0, 7.0]);
    }
}

//! Trunks in numbers, as the engine keeps them.

use super::register;
use crate::engine::trunks::{Counts, Figures};
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Brings what the engine has counted since the last look to the registry.
pub struct Trunks {
    last: Mutex<HashMap<Arc<str>, Counts>>,
    registered: IntGaugeVec,
    registrations_failed: IntCounterVec,
    legs: IntGaugeVec,
    calls_out: IntCounterVec,
    other_realm: IntCounterVec,
    failed: IntCounterVec,
    full: IntCounterVec,
    targets: IntGaugeVec,
    targets_usable: IntGaugeVec,
}

impl Trunks {
    pub(super) fn new(registry: &Registry, names: &[String]) -> Trunks {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["trunk"]).expect("a valid name");
            for trunk in names {
                gauge.with_label_values(&[trunk]);
            }
            register(registry, gauge)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["trunk"]).expect("a valid name");
            for trunk in names {
                counter.with_label_values(&[trunk]);
            }
            register(registry, counter)
        };
        Trunks {
            last: Mutex::default(),
            registered: gauge("vaxel_trunk_registered", "1: the carrier knows us; only of trunks that register."),
            registrations_failed: counter(
                "vaxel_trunk_registrations_failed_total",
                "REGISTERs that the carrier refused or did not answer.",
            ),
            legs: gauge("vaxel_trunk_calls", "Calls that the trunk carries now, both ways."),
            calls_out: counter("vaxel_trunk_calls_out_total", "INVITEs sent to the carrier for new calls."),
            other_realm: counter(
                "vaxel_trunk_foreign_challenges_total",
                "Times the carrier asked for a password in a realm that the trunk's account is not for.",
            ),
            failed: counter(
                "vaxel_trunk_failures_total",
                "Calls out that failed there before anybody was rung: 5xx, silence, out of reach.",
            ),
            full: counter("vaxel_trunk_full_total", "Calls, both ways, that the trunk's own limits did not allow."),
            targets: gauge("vaxel_trunk_targets", "Places of the carrier that are known."),
            targets_usable: gauge("vaxel_trunk_targets_usable", "Those of them that calls may be sent to now."),
        }
    }

    pub fn update<'a>(&self, figures: impl Iterator<Item = (&'a Arc<str>, Figures)>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        for (trunk, Figures { registered, legs, targets, targets_usable, counts }) in figures {
            let label = [&**trunk];
            match registered {
                Some(registered) => self.registered.with_label_values(&label).set(registered.into()),
                // An error: it was taken away before.
                None => drop(self.registered.remove_label_values(&label)),
            }
            for (gauge, now) in [(&self.legs, legs), (&self.targets, targets), (&self.targets_usable, targets_usable)] {
                gauge.with_label_values(&label).set(i64::try_from(now).unwrap_or(i64::MAX));
            }
            let before = last.insert(trunk.clone(), counts).unwrap_or_default();
            for (counter, now, before) in [
                (&self.registrations_failed, counts.registrations_failed, before.registrations_failed),
                (&self.calls_out, counts.calls_out, before.calls_out),
                (&self.other_realm, counts.other_realm, before.other_realm),
                (&self.failed, counts.failed, before.failed),
                (&self.full, counts.full, before.full),
            ] {
                counter.with_label_values(&label).inc_by(now.saturating_sub(before));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use super::*;
    use crate::edge::Clock;

    #[test]
    fn counters_grow_by_what_is_new_and_only_who_registers_is_registered_or_not() {
        let names = Names { trunks: vec!["a".into(), "b".into()], ..Names::default() };
        let metrics = Metrics::new(Clock::start(), &names);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let figures = |calls_out, registered| Figures {
            registered,
            legs: 2,
            counts: Counts { calls_out, ..Counts::default() },
            ..Figures::default()
        };
        metrics.trunks.update([(&a, figures(3, Some(false))), (&b, figures(0, None))].into_iter());
        metrics.trunks.update([(&a, figures(5, Some(true))), (&b, figures(0, None))].into_iter());
        let seen = scrape(&metrics);
        assert_eq!(seen[r#"vaxel_trunk_calls_out_total{trunk="a"}"#], 5.0);
        assert_eq!(seen[r#"vaxel_trunk_calls_out_total{trunk="b"}"#], 0.0);
        assert_eq!(seen[r#"vaxel_trunk_registered{trunk="a"}"#], 1.0);
        assert_eq!(seen.get(r#"vaxel_trunk_registered{trunk="b"}"#), None);
        assert_eq!(seen[r#"vaxel_trunk_calls{trunk="b"}"#], 2.0);
    }
}

//! What DNS said about trunks, in numbers.

use super::register;
use crate::sip::locate::{Located, Lookup};
use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};

#[derive(Clone)]
pub struct Lookups {
    ended: IntCounterVec,
    /// Without a child until there is an answer.
    located: GaugeVec,
}

impl Lookups {
    pub(super) fn new(registry: &Registry, trunks: &[String]) -> Lookups {
        let ended = Opts::new(
            "vaxel_trunk_lookups_total",
            "Times DNS was asked where the trunk is, by what came of it; all but `found` and `cut` change nothing.",
        );
        let located = Opts::new(
            "vaxel_trunk_located_timestamp_seconds",
            "When DNS said what calls go by now, since the Unix epoch; of several answers, the oldest.",
        );
        let ended = IntCounterVec::new(ended, &["trunk", "result"]).expect("a valid name");
        for trunk in trunks {
            for result in Located::names() {
                ended.with_label_values(&[trunk.as_str(), result]);
            }
        }
        let located = GaugeVec::new(located, &["trunk"]).expect("a valid name");
        Lookups { ended: register(registry, ended), located: register(registry, located) }
    }

    pub fn ended(&self, trunk: &str, lookup: &Lookup) {
        self.ended.with_label_values(&[trunk, lookup.result.name()]).inc();
        if let Some(since) = lookup.since {
            self.located.with_label_values(&[trunk]).set(since.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use super::*;
    use crate::edge::Clock;
    use crate::sip::locate::Fault;
    use crate::time::Time;

    #[test]
    fn an_answer_has_its_age_and_what_was_never_there_has_none() {
        let names = Names { named: vec!["a".into(), "b".into()], ..Names::default() };
        let metrics = Metrics::new(Clock::start(), &names);
        let lookup = |result, since| Lookup { result, moved: None, since };
        metrics.lookups.ended("a", &lookup(Located::Found, Some(Time::from_secs(100))));
        metrics.lookups.ended("a", &lookup(Located::Failed(Fault::Timeout), Some(Time::from_secs(100))));
        metrics.lookups.ended("b", &lookup(Located::Nothing, None));
        let seen = scrape(&metrics);
        assert_eq!(seen[r#"vaxel_trunk_lookups_total{result="timeout",trunk="a"}"#], 1.0);
        assert_eq!(seen[r#"vaxel_trunk_lookups_total{result="found",trunk="b"}"#], 0.0);
        assert_eq!(seen[r#"vaxel_trunk_located_timestamp_seconds{trunk="a"}"#], 100.0);
        assert_eq!(seen.get(r#"vaxel_trunk_located_timestamp_seconds{trunk="b"}"#), None);
    }
}

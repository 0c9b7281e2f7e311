//! How often something was forgotten of callers because others were to be remembered.

use super::register;
use prometheus::{IntCounterVec, Opts, Registry};
use std::sync::{Mutex, PoisonError};

pub struct Memory {
    forgotten: IntCounterVec,
    /// `None`: not looked yet. What earlier runs counted is theirs.
    last: Mutex<Option<Forgotten>>,
}

/// The names of [`Forgotten`].
const WHAT: [&str; 3] = ["place", "broken_talk", "last_talk"];

/// What was forgotten, and how often so far.
type Forgotten = [(&'static str, u64); 3];

impl Memory {
    pub(super) fn new(registry: &Registry) -> Memory {
        let forgotten = Opts::new(
            "vaxel_callers_forgotten_total",
            "Callers of whom something was forgotten before its time because there were too many: the `place` they lost, the `broken_talk` whose agent was kept for them, the `last_talk`.",
        );
        let forgotten = register(registry, IntCounterVec::new(forgotten, &["what"]).expect("a valid name"));
        // Nothing so far is a figure, too.
        WHAT.iter().for_each(|what| drop(forgotten.with_label_values(&[what])));
        Memory { forgotten, last: Mutex::default() }
    }

    /// The counts now, which only grow.
    pub fn update(&self, now: Forgotten) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        for ((what, count), (_, before)) in now.into_iter().zip(last.unwrap_or(now)) {
            self.forgotten.with_label_values(&[what]).inc_by(count.saturating_sub(before));
        }
        *last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use super::WHAT;
    use crate::edge::Clock;

    #[test]
    fn what_is_forgotten_from_the_start_on_is_counted() {
        let metrics = Metrics::new(Clock::start(), &Names::default());
        assert_eq!(crate::acd::Acd::new(0).callers_forgotten().map(|(what, _)| what), WHAT);
        let counted = |what: &str| scrape(&metrics)[&format!("vaxel_callers_forgotten_total{{what=\"{what}\"}}")];
        assert_eq!(WHAT.map(counted), [0.0, 0.0, 0.0], "there before anything is said");
        metrics.memory.update([("place", 7), ("broken_talk", 0), ("last_talk", 2)]);
        assert_eq!(["place", "broken_talk", "last_talk"].map(counted), [0.0, 0.0, 0.0]);
        metrics.memory.update([("place", 9), ("broken_talk", 1), ("last_talk", 2)]);
        assert_eq!(["place", "broken_talk", "last_talk"].map(counted), [2.0, 1.0, 0.0]);
    }
}

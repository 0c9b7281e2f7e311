//! One place of a carrier that calls are sent to, and whether it is any good.
//!
//! ```text
//!        5xx, silence, unreachable            as many probes missed
//!   Up ─────────────────────────▶ Suspect ─────────────────────────▶ Down
//!    │  503 with Retry-After         │ its time, a call, a probe       │ a probe is answered
//!    └────────────▶ Resting ─────────┴────────────▶ Up ◀───────────────┘
//! ```
//!
//! A suspect is tried after all others; one that rests or is down is not tried.

use super::super::settings;
use crate::sip::Hop;
use crate::time::{Duration, Time};

/// How long one that failed a call stays behind the others.
pub const SUSPECT: Duration = Duration::from_secs(30);
/// The longest Retry-After that is honoured.
pub const REST_MAX: Duration = Duration::from_secs(3600);
/// Probes in a row that are missed before a target is down.
pub const MISSES_MAX: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Up,
    Suspect { until: Time },
    Resting { until: Time },
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usable {
    Now,
    /// If there is nothing else.
    Last,
    No,
}

#[derive(Clone, Debug)]
pub struct Target {
    pub hop: Hop,
    pub priority: u16,
    pub weight: u32,
    health: Health,
    /// Probes in a row that nobody answered.
    misses: u32,
    /// `None`: it is not probed.
    pub probe_at: Option<Time>,
    /// A probe waits for its answer.
    is_asked: bool,
    /// When something is sent so that routers between us keep the way open; `None`: never.
    pub keep_at: Option<Time>,
}

impl Target {
    /// `probe_at`: when it is to be probed first.
    pub fn new(settings: settings::Target, probe_at: Option<Time>) -> Target {
        let settings::Target { hop, priority, weight } = settings;
        Target { hop, priority, weight, health: Health::Up, misses: 0, probe_at, is_asked: false, keep_at: None }
    }

    /// The way there is to be kept open.
    pub fn kept_open(self, keep_at: Option<Time>) -> Target {
        Target { keep_at, ..self }
    }

    /// The same place with another rank.
    pub fn ranked(self, priority: u16, weight: u32) -> Target {
        Target { priority, weight, ..self }
    }

    pub fn usable(&self, now: Time) -> Usable {
        match self.health {
            Health::Suspect { until } if until > now => Usable::Last,
            Health::Resting { until } if until > now => Usable::No,
            Health::Down => Usable::No,
            Health::Up | Health::Suspect { .. } | Health::Resting { .. } => Usable::Now,
        }
    }

    /// A call failed there before anybody was rung. `retry_after`: of a 503.
    pub fn failed(&mut self, now: Time, retry_after: Option<Duration>) {
        let rest = retry_after.filter(|rest| !rest.is_zero()).map(|rest| now + rest.min(REST_MAX));
        self.health = match (self.health, rest) {
            (Health::Down, _) => Health::Down,
            // What calls that were sent before it asked for a rest come to does not shorten it.
            (Health::Resting { until }, rest) if until > now => {
                Health::Resting { until: until.max(rest.unwrap_or(until)) }
            }
            (_, Some(until)) => Health::Resting { until },
            (_, None) => Health::Suspect { until: now + SUSPECT },
        };
    }

    /// It took a call; one that was sent before it asked for a rest, if it rests.
    pub fn took(&mut self, now: Time) {
        self.misses = 0;
        if !matches!(self.health, Health::Resting { until } if until > now) {
            self.health = Health::Up;
        }
    }

    /// It is time for a probe, and the last one, if it was not answered by now, is missed. True: it is down by that.
    pub fn probe(&mut self, now: Time, interval: Duration) -> bool {
        let missed = std::mem::replace(&mut self.is_asked, true);
        self.probe_at = Some(now + interval);
        missed && self.miss()
    }

    /// The answer to a probe. True: it is up or down by that, and was not before.
    pub fn probed(&mut self, now: Time, alive: bool) -> bool {
        // What comes for a probe that counts as missed already counts for the one that follows.
        self.is_asked = false;
        if !alive {
            return self.miss();
        }
        self.misses = 0;
        let was_down = self.health == Health::Down;
        if was_down || matches!(self.health, Health::Suspect { until } if until <= now) {
            self.health = Health::Up;
        }
        was_down
    }

    fn miss(&mut self) -> bool {
        self.misses = self.misses.saturating_add(1);
        let falls = self.misses >= MISSES_MAX && self.health != Health::Down;
        if falls {
            self.health = Health::Down;
        }
        falls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    const NOW: Time = Time::from_secs(1000);
    const INTERVAL: Duration = Duration::from_secs(10);

    fn target() -> Target {
        let at = "192.0.2.1:5060".parse().unwrap();
        let hop = Hop { transport: Transport::Udp, local: at, remote: at, connection: None };
        Target::new(settings::Target { hop, priority: 0, weight: 0 }, Some(NOW))
    }

    fn at(seconds: u64) -> Time {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn retry_after_is_a_rest_and_other_failures_only_a_place_at_the_end() {
        let mut target = target();
        target.failed(NOW, None);
        assert_eq!((target.usable(at(29)), target.usable(at(30))), (Usable::Last, Usable::Now));
        target.failed(NOW, Some(Duration::from_secs(5)));
        assert_eq!((target.usable(at(4)), target.usable(at(5))), (Usable::No, Usable::Now));
        target.failed(NOW, Some(Duration::from_secs(1_000_000)));
        assert_eq!(target.usable(NOW + REST_MAX), Usable::Now, "nobody sends us away for days");
        let mut target = self::target();
        target.failed(NOW, None);
        target.took(NOW);
        assert_eq!(target.usable(NOW), Usable::Now);
    }

    #[test]
    fn a_rest_is_not_cut_short_by_what_earlier_calls_come_to() {
        let mut target = target();
        target.failed(NOW, Some(Duration::from_secs(300)));
        target.failed(at(1), None);
        target.failed(at(2), Some(Duration::from_secs(5)));
        target.took(at(3));
        assert_eq!((target.usable(at(299)), target.usable(at(300))), (Usable::No, Usable::Now));
        target.failed(at(300), None);
        target.took(at(301));
        assert_eq!(target.usable(at(301)), Usable::Now);
    }

    #[test]
    fn three_missed_probes_are_down_and_one_answer_is_up_again() {
        let mut target = target();
        let fell: Vec<bool> = (0..5).map(|n| target.probe(at(n * 10), INTERVAL)).collect();
        assert_eq!(fell, [false, false, false, true, false]);
        assert_eq!((target.usable(at(40)), target.probe_at), (Usable::No, Some(at(50))));
        target.failed(at(41), None);
        assert_eq!(target.usable(at(1000)), Usable::No, "a call does not raise it");
        assert!(target.probed(at(42), true));
        assert_eq!(target.usable(at(42)), Usable::Now);
        assert!(!target.probe(at(50), INTERVAL), "an answered probe is not missed");
        assert!(!target.probed(at(51), false));
    }

    #[test]
    fn an_answer_between_begins_the_count_anew() {
        let mut target = target();
        for n in 0..20 {
            assert!(!target.probe(at(n * 10), INTERVAL));
            if n % 3 == 2 {
                assert!(!target.probed(at(n * 10 + 1), true));
            }
        }
    }
}

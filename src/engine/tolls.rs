//! What may be called out, by whom, how often and for how long: an account that was stolen must not cost a fortune.
//!
//! Checked before a call goes out; a talk that is up is not cut.

use super::settings::Caps;
use crate::ids::{AgentId, LegId};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, VecDeque};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: u64 = 86_400;

/// Which of the caps does not allow a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cap {
    Destination,
    Calls,
    CallsPerHour,
    MinutesPerDay,
}

impl Cap {
    /// A label of `vaxel_calls_out_refused_total`.
    pub fn name(self) -> &'static str {
        match self {
            Cap::Destination => "destination",
            Cap::Calls => "calls",
            Cap::CallsPerHour => "calls_per_hour",
            Cap::MinutesPerDay => "minutes_per_day",
        }
    }
}

impl Caps {
    /// Whether the longest beginning that is named for this number is an allowed one. Of the same length `denied` counts; a
    /// number that nothing is named for may be called unless `allowed` names others.
    pub fn allows(&self, number: &str) -> bool {
        let longest = |list: &[String]| list.iter().filter(|b| number.starts_with(b.as_str())).map(String::len).max();
        match (longest(&self.allowed), longest(&self.denied)) {
            (Some(allowed), Some(denied)) => allowed > denied,
            (allowed, None) => allowed.is_some() || self.allowed.is_empty(),
            (None, Some(_)) => false,
        }
    }
}

/// What one agent or trunk has used up.
#[derive(Clone, Debug, Default)]
struct Meter {
    /// When calls were made, the last hour's; no more than its cap allows.
    made: VecDeque<Time>,
    /// Legs that are not over, each with when it was answered.
    live: BTreeMap<LegId, Option<Time>>,
    /// The day (UTC) that `talked` is of.
    day: u64,
    talked: Duration,
}

impl Meter {
    /// `is_new`: the call is not counted yet.
    fn check(&mut self, now: Time, caps: &Caps, number: &str, is_new: bool) -> Result<(), Cap> {
        if !caps.allows(number) {
            return Err(Cap::Destination);
        }
        if caps.calls.is_some_and(|calls| self.live.len() >= calls as usize) {
            return Err(Cap::Calls);
        }
        self.forget(now);
        if is_new && caps.calls_per_hour.is_some_and(|calls| self.made.len() >= calls as usize) {
            return Err(Cap::CallsPerHour);
        }
        let minutes = caps.minutes_per_day.map(|minutes| Duration::from_secs(60) * minutes);
        if minutes.is_some_and(|most| self.talked_today(now) >= most) {
            return Err(Cap::MinutesPerDay);
        }
        Ok(())
    }

    fn forget(&mut self, now: Time) {
        while self.made.front().is_some_and(|at| *at + HOUR <= now) {
            self.made.pop_front();
        }
    }

    /// A call that was checked is made.
    fn made(&mut self, now: Time, caps: &Caps) {
        // Only what a cap will look at is kept.
        if caps.calls_per_hour.is_some() {
            self.made.push_back(now);
        }
    }

    fn talked_today(&self, now: Time) -> Duration {
        let (day, midnight) = day_of(now);
        let before = if self.day == day { self.talked } else { Duration::ZERO };
        self.live.values().flatten().fold(before, |sum, since| sum + now.since((*since).max(midnight)))
    }

    fn ended(&mut self, now: Time, leg: LegId) {
        if let Some(since) = self.live.remove(&leg).flatten() {
            let (day, midnight) = day_of(now);
            if self.day != day {
                (self.day, self.talked) = (day, Duration::ZERO);
            }
            self.talked += now.since(since.max(midnight));
        }
    }
}

/// The day's number since the epoch, and when it began (UTC).
fn day_of(now: Time) -> (u64, Time) {
    let day = now.as_secs() / DAY;
    (day, Time::from_secs(day * DAY))
}

/// The meters of all agents and trunks.
#[derive(Debug, Default)]
pub(super) struct Tolls {
    agents: BTreeMap<AgentId, Meter>,
    trunks: BTreeMap<usize, Meter>,
    legs: BTreeMap<LegId, (Option<AgentId>, usize)>,
}

impl Tolls {
    pub fn check_agent(&mut self, now: Time, agent: AgentId, caps: &Caps, number: &str) -> Result<(), Cap> {
        self.agents.entry(agent).or_default().check(now, caps, number, true)
    }

    /// `is_new`: the trunk has not counted this call yet.
    pub fn check_trunk(&mut self, now: Time, trunk: usize, caps: &Caps, number: &str, is_new: bool) -> Result<(), Cap> {
        self.trunks.entry(trunk).or_default().check(now, caps, number, is_new)
    }

    /// Once for each call of an agent, however many trunks it is tried by.
    pub fn agent_called(&mut self, now: Time, agent: AgentId, caps: &Caps) {
        self.agents.entry(agent).or_default().made(now, caps);
    }

    /// Once for each call that this trunk takes, at however many of its places it is tried.
    pub fn trunk_called(&mut self, now: Time, trunk: usize, caps: &Caps) {
        self.trunks.entry(trunk).or_default().made(now, caps);
    }

    /// A leg goes out by this trunk, for this agent if it is one's.
    pub fn began(&mut self, leg: LegId, agent: Option<AgentId>, trunk: usize) {
        self.trunks.entry(trunk).or_default().live.insert(leg, None);
        if let Some(agent) = agent {
            self.agents.entry(agent).or_default().live.insert(leg, None);
        }
        self.legs.insert(leg, (agent, trunk));
    }

    pub fn answered(&mut self, now: Time, leg: LegId) {
        for meter in self.meters(leg) {
            if let Some(since) = meter.live.get_mut(&leg) {
                since.get_or_insert(now);
            }
        }
    }

    pub fn ended(&mut self, now: Time, leg: LegId) {
        for meter in self.meters(leg) {
            meter.ended(now, leg);
        }
        self.legs.remove(&leg);
    }

    pub fn len(&self) -> usize {
        self.legs.len()
    }

    fn meters(&mut self, leg: LegId) -> impl Iterator<Item = &mut Meter> {
        let of = self.legs.get(&leg).copied();
        let agent = of.and_then(|(agent, _)| self.agents.get_mut(&agent?));
        let trunk = of.and_then(|(_, trunk)| self.trunks.get_mut(&trunk));
        agent.into_iter().chain(trunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: Time = Time::from_secs(20_000 * DAY + DAY / 2);
    const ANNA: AgentId = AgentId(0);

    fn caps(change: impl FnOnce(&mut Caps)) -> Caps {
        let mut caps = Caps::default();
        change(&mut caps);
        caps
    }

    fn list(beginnings: &[&str]) -> Vec<String> {
        beginnings.iter().map(|b| (*b).to_owned()).collect()
    }

    #[test]
    fn the_longest_beginning_decides_and_of_equals_the_denied_one() {
        let rule = caps(|c| (c.allowed, c.denied) = (list(&["+46", "+47"]), list(&["+46900", "+47"])));
        for (number, may) in [("+468", true), ("+46900123", false), ("+4712", false), ("+1", false)] {
            assert_eq!(rule.allows(number), may, "{number}");
        }
        let denied = caps(|c| c.denied = list(&["+"]));
        assert!(Caps::default().allows("+882") && !denied.allows("+882") && denied.allows("08"));
    }

    #[test]
    fn minutes_are_those_of_the_day_and_count_while_the_talk_goes_on() {
        let limit = caps(|c| c.minutes_per_day = Some(10));
        let mut tolls = Tolls::default();
        let minutes = |n: u32| NOON + Duration::from_secs(60) * n;
        tolls.began(LegId(1), Some(ANNA), 0);
        assert_eq!(tolls.check_agent(minutes(60), ANNA, &limit, "+1"), Ok(()), "ringing costs nothing");
        tolls.answered(minutes(60), LegId(1));
        assert_eq!(tolls.check_agent(minutes(69), ANNA, &limit, "+1"), Ok(()));
        assert_eq!(tolls.check_trunk(minutes(70), 0, &limit, "+1", true), Err(Cap::MinutesPerDay));
        tolls.ended(minutes(70), LegId(1));
        assert_eq!(tolls.check_agent(minutes(700), ANNA, &limit, "+1"), Err(Cap::MinutesPerDay));
        assert_eq!(tolls.check_agent(minutes(720), ANNA, &limit, "+1"), Ok(()), "a new day");
        assert_eq!(tolls.len(), 0);
    }

    proptest! {
        #[test]
        fn no_hour_has_more_calls_and_no_moment_more_legs_than_allowed(
            steps in prop::collection::vec((0u64..600, 1u64..3000), 1..200),
            per_hour in 1u32..20,
            at_once in 1u32..5,
        ) {
            let limit = caps(|c| (c.calls_per_hour, c.calls) = (Some(per_hour), Some(at_once)));
            let (mut tolls, mut now) = (Tolls::default(), NOON);
            let (mut made, mut ends): (Vec<Time>, Vec<(Time, LegId)>) = (Vec::new(), Vec::new());
            for (n, (gap, length)) in steps.into_iter().enumerate() {
                now += Duration::from_secs(gap);
                let (over, on): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(end, _)| *end <= now);
                over.into_iter().for_each(|(end, leg)| tolls.ended(end, leg));
                ends = on;
                if tolls.check_agent(now, ANNA, &limit, "+1").is_ok() {
                    let leg = LegId(n as u64);
                    tolls.agent_called(now, ANNA, &limit);
                    tolls.began(leg, Some(ANNA), 0);
                    made.push(now);
                    ends.push((now + Duration::from_secs(length), leg));
                }
                prop_assert!(ends.len() <= at_once as usize);
                let hour = made.iter().filter(|at| **at + HOUR > now).count();
                prop_assert!(hour <= per_hour as usize);
            }
        }
    }
}

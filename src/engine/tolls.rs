//! What may be called out, by whom, how often and for how long: an account that was stolen must not cost a fortune.
//!
//! Checked before a call goes out. When the minutes of a day are used up, talks that are up end as well: calls that begin at once
//! would otherwise use as many times the minutes. Calls for help go on.
//!
//! What is used up is told, so that it can be kept and counted again at the next start.

use super::agents::Agents;
use super::calls::Call;
use super::settings::{Caps, Settings};
use super::{Engine, Output};
use crate::ids::{AgentId, CallId, LegId};
use crate::record::{EndedBy, What};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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

/// Whose caps count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Payer {
    Agent(AgentId),
    Trunk(usize),
}

/// Something of a cap was used up: to be kept for [`Engine::restore_tolls`] in the next run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toll {
    /// An agent or a trunk, by name: also by another start the same.
    pub payer: String,
    pub used: Used,
}

/// Only what a cap will look at is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Used {
    /// A call, which counts for an hour.
    Call { call: CallId, at: Time },
    /// A talk that is up.
    Talk { leg: LegId, since: Time },
    /// It is over; since `midnight` (UTC) the payer has talked for so long, with all talks that are over.
    Talked { leg: LegId, since: Time, midnight: Time, sum: Duration },
}

/// What a payer had used up when the last run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub payer: String,
    /// When calls were made; in order.
    pub calls: Vec<Time>,
    pub midnight: Time,
    /// Since then.
    pub talked: Duration,
}

/// What one agent or trunk has used up.
#[derive(Clone, Debug, Default)]
struct Meter {
    /// When calls were made, the last hour's; no more than its cap allows.
    made: VecDeque<Time>,
    /// Legs that are not over.
    live: BTreeMap<LegId, Live>,
    /// The day (UTC) that `talked` is of.
    day: u64,
    talked: Duration,
    /// The talk that a day may have.
    most: Option<Duration>,
    /// When it will be used up; then there is a place in [`Tolls::dues`].
    due: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Live {
    /// When it was answered.
    since: Option<Time>,
    /// It ends when the minutes are used up.
    may_be_cut: bool,
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
        if caps.talk_per_day().is_some_and(|most| self.talked_today(now) >= most) {
            return Err(Cap::MinutesPerDay);
        }
        Ok(())
    }

    fn forget(&mut self, now: Time) {
        while self.made.front().is_some_and(|at| *at + HOUR <= now) {
            self.made.pop_front();
        }
    }

    fn talks(&self) -> impl Iterator<Item = Time> {
        self.live.values().filter_map(|live| live.since)
    }

    fn talked_today(&self, now: Time) -> Duration {
        let (day, midnight) = day_of(now);
        let before = if self.day == day { self.talked } else { Duration::ZERO };
        self.talks().fold(before, |sum, since| sum + now.since(since.max(midnight)))
    }

    /// When the minutes are used up if nothing changes, or the day is over; `None`: nothing would end by that.
    fn full_at(&self, now: Time) -> Option<Time> {
        let most = self.most.filter(|_| self.live.values().any(|live| live.since.is_some() && live.may_be_cut))?;
        let left = most.saturating_sub(self.talked_today(now)).as_micros();
        let each = u64::try_from(left.div_ceil(self.talks().count().max(1) as u128)).unwrap_or(u64::MAX);
        let (_, midnight) = day_of(now);
        Some((now + Duration::from_micros(each)).min(midnight + Duration::from_secs(DAY)))
    }

    /// The leg is over; what that says about the day if it was answered.
    fn ended(&mut self, now: Time, leg: LegId) -> Option<Used> {
        let since = self.live.remove(&leg)?.since?;
        let (day, midnight) = day_of(now);
        if self.day != day {
            (self.day, self.talked) = (day, Duration::ZERO);
        }
        self.talked += now.since(since.max(midnight));
        self.most.map(|_| Used::Talked { leg, since, midnight, sum: self.talked })
    }
}

impl Caps {
    fn talk_per_day(&self) -> Option<Duration> {
        self.minutes_per_day.map(|minutes| Duration::from_secs(60) * minutes)
    }
}

/// The day's number since the epoch, and when it began (UTC).
fn day_of(now: Time) -> (u64, Time) {
    let day = now.as_secs() / DAY;
    (day, Time::from_secs(day * DAY))
}

/// When the day (UTC) began that has this moment.
pub fn midnight(now: Time) -> Time {
    day_of(now).1
}

/// The meters of all agents and trunks.
#[derive(Debug, Default)]
pub(super) struct Tolls {
    meters: BTreeMap<Payer, Meter>,
    legs: BTreeMap<LegId, Vec<Payer>>,
    /// Those of `legs` that nobody's minutes end: somebody calls for help.
    for_help: BTreeSet<LegId>,
    /// Of meters that are filling, when they will be full.
    dues: BTreeSet<(Time, Payer)>,
    news: VecDeque<(Payer, Used)>,
}

impl Tolls {
    /// `is_new`: the payer has not counted this call yet.
    pub fn check(&mut self, now: Time, payer: Payer, caps: &Caps, number: &str, is_new: bool) -> Result<(), Cap> {
        self.meters.entry(payer).or_default().check(now, caps, number, is_new)
    }

    /// Once for each call of an agent, however many trunks it is tried by, and once for each that a trunk takes, at however many of
    /// its places it is tried. It was checked.
    pub fn called(&mut self, now: Time, payer: Payer, caps: &Caps, call: CallId) {
        // Only what a cap will look at is kept.
        if caps.calls_per_hour.is_some() {
            self.meters.entry(payer).or_default().made.push_back(now);
            self.news.push_back((payer, Used::Call { call, at: now }));
        }
    }

    /// A leg goes out, for these. `may_be_cut`: it ends when the minutes of one of them are used up.
    pub fn began<'a>(&mut self, leg: LegId, payers: impl Iterator<Item = (Payer, &'a Caps)>, may_be_cut: bool) {
        if !may_be_cut {
            self.for_help.insert(leg);
        }
        for (payer, caps) in payers {
            let meter = self.meters.entry(payer).or_default();
            meter.most = caps.talk_per_day();
            meter.live.insert(leg, Live { since: None, may_be_cut });
            self.legs.entry(leg).or_default().push(payer);
        }
    }

    pub fn answered(&mut self, now: Time, leg: LegId) {
        for payer in self.legs.get(&leg).cloned().unwrap_or_default() {
            let Some(meter) = self.meters.get_mut(&payer) else { continue };
            if let Some(live) = meter.live.get_mut(&leg).filter(|live| live.since.is_none()) {
                live.since = Some(now);
                self.news.extend(meter.most.map(|_| (payer, Used::Talk { leg, since: now })));
            }
            self.expect(now, payer);
        }
    }

    pub fn ended(&mut self, now: Time, leg: LegId) {
        self.for_help.remove(&leg);
        for payer in self.legs.remove(&leg).unwrap_or_default() {
            let used = self.meters.get_mut(&payer).and_then(|meter| meter.ended(now, leg));
            self.news.extend(used.map(|used| (payer, used)));
            self.expect(now, payer);
        }
    }

    /// Something changed that decides when this meter is full.
    fn expect(&mut self, now: Time, payer: Payer) {
        let Some(meter) = self.meters.get_mut(&payer) else { return };
        let due = meter.full_at(now);
        if let Some(before) = std::mem::replace(&mut meter.due, due) {
            self.dues.remove(&(before, payer));
        }
        self.dues.extend(due.map(|due| (due, payer)));
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// Legs that are to end now because the minutes of this payer are used up; each is given once.
    pub fn take_full(&mut self, now: Time) -> Vec<(Payer, LegId)> {
        let mut full = Vec::new();
        while let Some(&(due, payer)) = self.dues.first()
            && due <= now
        {
            if let Some(meter) = self.meters.get_mut(&payer)
                && meter.most.is_some_and(|most| meter.talked_today(now) >= most)
            {
                for (leg, live) in meter.live.iter_mut().filter(|(_, live)| live.since.is_some() && live.may_be_cut) {
                    live.may_be_cut = false;
                    full.push((payer, *leg));
                }
            }
            self.expect(now, payer);
        }
        full
    }

    /// What was used up before the start.
    pub fn restore(&mut self, payer: Payer, caps: &Caps, spent: Spent) {
        let meter = self.meters.entry(payer).or_default();
        if caps.calls_per_hour.is_some() {
            meter.made = spent.calls.into();
        }
        (meter.day, meter.talked) = (day_of(spent.midnight).0, spent.talked);
    }

    pub fn len(&self) -> usize {
        self.legs.len() + self.dues.len()
    }
}

fn caps<'a>(settings: &'a Settings, agents: &'a Agents, payer: Payer) -> &'a Caps {
    match payer {
        Payer::Agent(agent) => &agents.seat(agent).out,
        Payer::Trunk(trunk) => &settings.trunks[trunk].out,
    }
}

impl Engine {
    fn payer_name(&self, payer: Payer) -> String {
        match payer {
            Payer::Agent(agent) => format!("agent {}", self.agents.seat(agent).name),
            Payer::Trunk(trunk) => format!("trunk {}", self.settings.trunks[trunk].name),
        }
    }

    /// Takes what an earlier run has used up of the caps, before anything else. Whom the settings do not name any more is left out.
    pub fn restore_tolls(&mut self, spent: Vec<Spent>) {
        let agents = self.agents.ids().map(Payer::Agent);
        let payers: Vec<Payer> = agents.chain((0..self.settings.trunks.len()).map(Payer::Trunk)).collect();
        let mut named: BTreeMap<_, _> = payers.into_iter().map(|p| (self.payer_name(p), p)).collect();
        for spent in spent {
            if let Some(payer) = named.remove(&spent.payer) {
                self.tolls.restore(payer, caps(&self.settings, &self.agents, payer), spent);
            }
        }
    }

    /// Whose caps count for a call by this trunk.
    pub(super) fn toll_began(&mut self, leg: LegId, agent: Option<AgentId>, trunk: usize, may_be_cut: bool) {
        let payers = agent.map(Payer::Agent).into_iter().chain([Payer::Trunk(trunk)]);
        self.tolls.began(leg, payers.map(|payer| (payer, caps(&self.settings, &self.agents, payer))), may_be_cut);
    }

    /// Ends the talks whose payers have no minutes left.
    pub(super) fn tolls_due(&mut self, now: Time) {
        for (payer, leg) in self.tolls.take_full(now) {
            let Some(call) = self.leg_calls.get(&leg).copied() else { continue };
            // Of several legs the first ends the call; and who was joined with a call for help is heard as that is.
            let may_end = |call: &Call| call.end.is_none() && self.tolls.for_help.is_disjoint(&call.legs);
            if !self.calls.get(&call).is_some_and(may_end) {
                continue;
            }
            self.say(now, What::OutOfMinutes { call, payer: self.payer_name(payer).into() });
            self.end_call(now, call, EndedBy::System, "the minutes of the day are used up");
        }
    }

    pub(super) fn tell_tolls(&mut self) {
        while let Some((payer, used)) = self.tolls.news.pop_front() {
            let payer = self.payer_name(payer);
            self.out.push_back(Output::Toll(Box::new(Toll { payer, used })));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: Time = Time::from_secs(20_000 * DAY + DAY / 2);
    const ANNA: Payer = Payer::Agent(AgentId(0));
    const TRUNK: Payer = Payer::Trunk(0);

    fn began(tolls: &mut Tolls, leg: u64, payers: &[(Payer, &Caps)]) {
        tolls.began(LegId(leg), payers.iter().copied(), true);
    }

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
        began(&mut tolls, 1, &[(ANNA, &limit), (TRUNK, &limit)]);
        assert_eq!(tolls.check(minutes(60), ANNA, &limit, "+1", true), Ok(()), "ringing costs nothing");
        tolls.answered(minutes(60), LegId(1));
        assert_eq!(tolls.check(minutes(69), ANNA, &limit, "+1", true), Ok(()));
        assert_eq!(tolls.check(minutes(70), TRUNK, &limit, "+1", true), Err(Cap::MinutesPerDay));
        tolls.ended(minutes(70), LegId(1));
        assert_eq!(tolls.check(minutes(700), ANNA, &limit, "+1", true), Err(Cap::MinutesPerDay));
        assert_eq!(tolls.check(minutes(720), ANNA, &limit, "+1", true), Ok(()), "a new day");
        assert_eq!(tolls.len(), 0);
    }

    #[test]
    fn talks_end_together_when_the_minutes_are_used_up_and_a_new_day_has_new_ones() {
        let limit = caps(|c| c.minutes_per_day = Some(3));
        let mut tolls = Tolls::default();
        let minute = |n: u64| Time::from_secs(20_001 * DAY - 600 + 60 * n);
        for leg in 1..=3 {
            tolls.began(LegId(leg), [(ANNA, &limit)].into_iter(), leg != 3);
            tolls.answered(minute(0), LegId(leg));
        }
        assert_eq!(tolls.poll_timeout(), Some(minute(1)));
        assert_eq!(tolls.take_full(minute(1) - Duration::from_micros(1)), []);
        assert_eq!(tolls.take_full(minute(1)), [(ANNA, LegId(1)), (ANNA, LegId(2))], "the third calls for help");
        assert_eq!((tolls.take_full(minute(2)), tolls.poll_timeout()), (vec![], None), "each once");
        (1..=3).for_each(|leg| tolls.ended(minute(2), LegId(leg)));
        assert_eq!(tolls.len(), 0);
        // Who was let in in time, and talks over midnight: what is left of one day, then the next day's.
        let longer = caps(|c| c.minutes_per_day = Some(6 + 9));
        began(&mut tolls, 4, &[(ANNA, &longer)]);
        tolls.answered(minute(2), LegId(4));
        assert_eq!(tolls.poll_timeout(), Some(minute(10)), "midnight comes first");
        assert_eq!((tolls.take_full(minute(10)), tolls.poll_timeout()), (vec![], Some(minute(25))));
        assert_eq!(tolls.take_full(minute(25)), [(ANNA, LegId(4))]);
    }

    /// As a store would: what was told, read at `now`, when nothing else is known to have happened.
    fn kept(tolls: &mut Tolls) -> Vec<Used> {
        tolls.news.drain(..).map(|(payer, used)| if payer == ANNA { used } else { panic!("{payer:?}") }).collect()
    }

    #[test]
    fn what_is_used_up_is_told_and_holds_in_the_next_run() {
        let limit = caps(|c| (c.calls_per_hour, c.minutes_per_day) = (Some(2), Some(10)));
        let minutes = |n: u32| NOON + Duration::from_secs(60) * n;
        let mut tolls = Tolls::default();
        tolls.called(minutes(0), ANNA, &limit, CallId(7));
        began(&mut tolls, 1, &[(ANNA, &limit), (TRUNK, &Caps::default())]);
        tolls.called(minutes(0), TRUNK, &Caps::default(), CallId(7));
        tolls.answered(minutes(1), LegId(1));
        tolls.ended(minutes(4), LegId(1));
        let (leg, since, sum) = (LegId(1), minutes(1), Duration::from_secs(180));
        let midnight = midnight(NOON);
        assert_eq!(
            kept(&mut tolls),
            [
                Used::Call { call: CallId(7), at: minutes(0) },
                Used::Talk { leg, since },
                Used::Talked { leg, since, midnight, sum }
            ],
            "what no cap looks at is not told"
        );
        let spent = Spent { payer: "agent anna".into(), calls: vec![minutes(0)], midnight, talked: sum };
        let mut next = Tolls::default();
        next.restore(ANNA, &limit, spent);
        assert_eq!(next.check(minutes(5), ANNA, &limit, "+1", true), Ok(()));
        next.called(minutes(5), ANNA, &limit, CallId(8));
        assert_eq!(next.check(minutes(6), ANNA, &limit, "+1", true), Err(Cap::CallsPerHour));
        assert_eq!(next.check(minutes(60), ANNA, &limit, "+1", true), Ok(()), "the first was an hour ago");
        began(&mut next, 2, &[(ANNA, &limit)]);
        next.answered(minutes(6), LegId(2));
        assert_eq!(next.poll_timeout(), Some(minutes(13)), "seven of ten minutes are left");
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
                if tolls.check(now, ANNA, &limit, "+1", true).is_ok() {
                    let leg = LegId(n as u64);
                    tolls.called(now, ANNA, &limit, CallId(leg.0));
                    began(&mut tolls, leg.0, &[(ANNA, &limit)]);
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

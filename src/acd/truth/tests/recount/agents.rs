//! What each agent did: their day as a list of stretches, of which the parts within some time are added up.

use super::*;
use crate::acd::TalkDetail;
use crate::acd::event::Outcome;
use crate::acd::truth::tests::page::{DAYS, Person, Worked};

/// What an agent is in.
#[derive(Clone, PartialEq)]
struct In {
    phase: Phase,
    detail: TalkDetail,
    /// Of a pause.
    reason: String,
}

impl In {
    fn of(state: &AgentState) -> In {
        let detail = if let AgentState::Talking { detail, .. } = state { *detail } else { TalkDetail::Speaking };
        let reason = if let AgentState::Paused { reason, .. } = state { reason.clone() } else { String::new() };
        In { phase: state.phase(), detail, reason }
    }

    fn just(phase: Phase) -> In {
        In { phase, detail: TalkDetail::Speaking, reason: String::new() }
    }

    /// It is no other pause and no other phase, whatever goes on in a talk.
    fn same(&self, other: &In) -> bool {
        (self.phase, &self.reason) == (other.phase, &other.reason)
    }
}

struct Stretch {
    from: Time,
    to: Time,
    what: In,
}

/// A talk that is over and whose wrap-up is not: where it began and ended, and the first stretch after it.
struct Finishing {
    began: usize,
    ended: usize,
    after: usize,
}

pub struct Life {
    /// One after the other, up to the last word about the agent.
    written: Vec<Stretch>,
    /// What they are in since then.
    on: Stretch,
    /// `None` if they were never in anything.
    since: Option<Time>,
    /// What they were in when the service was lost, and since when.
    lost: Option<(In, Time)>,
    calls: Vec<Time>,
    offers: Vec<(Time, Outcome)>,
    finishing: Option<Finishing>,
    /// Where talks began and ended, and how much wrap-up followed.
    pub done: Vec<(usize, usize, u64)>,
}

impl Life {
    /// What they are in, up to now, is written down as this.
    fn write(&mut self, now: Time, what: In) {
        if self.since.is_some() {
            self.written.push(Stretch { from: self.on.from, to: now, what });
        }
        self.on.from = now;
    }

    fn write_on(&mut self, now: Time) {
        self.write(now, self.on.what.clone());
    }

    fn parts(&self, now: Time) -> impl Iterator<Item = Stretch> + '_ {
        let written = self.written.iter().map(|part| Stretch { from: part.from, to: part.to, what: part.what.clone() });
        written.chain([Stretch { from: self.on.from, to: now, what: self.on.what.clone() }])
    }
}

impl Recount<'_> {
    /// Everything that is known of an agent.
    pub(super) fn life(&self, agent: AgentId, told: &[(Time, Told)]) -> Life {
        let on = Stretch { from: Time::EPOCH, to: Time::EPOCH, what: In::just(Phase::Offline) };
        let (calls, offers, done) = (Vec::new(), Vec::new(), Vec::new());
        let mut life = Life { written: Vec::new(), on, since: None, lost: None, calls, offers, finishing: None, done };
        for (index, (now, word)) in told.iter().enumerate() {
            match word {
                Told::Is { agent: of, state } if *of == agent => self.is(&mut life, *now, In::of(state)),
                Told::Lost { agent: of, wraps_up } if *of == agent => self.is_lost(&mut life, *now, *wraps_up),
                Told::WrapsUpNoMore { agent: of } if *of == agent => self.wraps_up_no_more(&mut life, *now),
                Told::BeginsAnew { agent: of } if *of == agent && !self.wrong(Mistake::NothingBeginsAnew) => {
                    life.lost = None;
                }
                Told::TalkBegan { agent: of, .. } if *of == agent => {
                    life.write_on(*now);
                    if !self.wrong(Mistake::CallsCountWhenOver) {
                        life.calls.push(*now);
                    }
                }
                Told::Offer { agent: of, outcome } if *of == agent => {
                    life.write_on(*now);
                    life.offers.push((*now, *outcome));
                }
                Told::TalkEnded { .. } => {
                    let began = begin_of_talk(told, index);
                    let began =
                        began.filter(|b| matches!(told[*b].1, Told::TalkBegan { agent: of, .. } if of == agent));
                    let Some(began) = began else { continue };
                    life.write_on(*now);
                    if self.wrong(Mistake::CallsCountWhenOver) {
                        life.calls.push(*now);
                    }
                    self.finish(&mut life);
                    life.finishing = Some(Finishing { began, ended: index, after: life.written.len() });
                    if self.wrong(Mistake::HandledWithoutWrapUp) {
                        self.finish(&mut life);
                    }
                }
                _ => {}
            }
        }
        life
    }

    /// The contact whose talk was the last is done with.
    fn finish(&self, life: &mut Life) {
        let Some(Finishing { began, ended, after }) = life.finishing.take() else { return };
        let wrap_up = |part: &&Stretch| match part.what.phase {
            Phase::WrapUp => true,
            Phase::Busy => self.wrong(Mistake::OwnCallIsWrapUp),
            _ => false,
        };
        let after = life.written[after..].iter().filter(wrap_up);
        let sum = match self.mistake {
            Some(Mistake::FirstWrapUpOnly) => after.take(1).map(|part| micros(part.to.since(part.from))).sum(),
            _ => after.map(|part| micros(part.to.since(part.from))).sum(),
        };
        life.done.push((began, ended, sum));
    }

    fn is(&self, life: &mut Life, now: Time, what: In) {
        match life.lost.take() {
            Some((was, since)) if self.goes_on(&was, &what) => {
                life.write(now, was.clone());
                (life.on.what, life.since) = (was, Some(since));
            }
            _ => life.write_on(now),
        }
        let same = match self.mistake {
            Some(Mistake::DetailBeginsAnew) => life.on.what == what,
            Some(Mistake::OtherPauseIsTheSame) => life.on.what.phase == what.phase,
            _ => life.on.what.same(&what),
        };
        if !same {
            life.since = Some(now);
        }
        let keeps = match what.phase {
            Phase::WrapUp => true,
            Phase::Busy => !self.wrong(Mistake::OwnCallEndsWrapUp),
            Phase::Paused => self.wrong(Mistake::PauseEndsNoWrapUp),
            _ => false,
        };
        let first = life.on.what.phase == Phase::Paused && what.phase == Phase::Paused;
        let reason =
            if first && self.wrong(Mistake::FirstReasonStays) { life.on.what.reason.clone() } else { what.reason };
        life.on.what = In { reason, ..what };
        if !keeps {
            self.finish(life);
        }
    }

    fn goes_on(&self, was: &In, what: &In) -> bool {
        match self.mistake {
            Some(Mistake::LostIsOffline) => false,
            Some(Mistake::LostGoesOnAnyhow) => true,
            Some(Mistake::LostInAnyPause) => was.phase == what.phase,
            _ => was.same(what),
        }
    }

    fn is_lost(&self, life: &mut Life, now: Time, wraps_up: bool) {
        life.write_on(now);
        let was = std::mem::replace(&mut life.on.what, In::just(Phase::Offline));
        let since = life.since.replace(now);
        let since = since.filter(|_| !self.wrong(Mistake::WhoIsFoundBeginsAnew)).unwrap_or(now);
        life.lost = match was.phase {
            Phase::Paused => Some((was, since)),
            Phase::WrapUp if wraps_up => Some((was, since)),
            _ if wraps_up && !self.wrong(Mistake::LostOwnCallLosesWrapUp) => Some((In::just(Phase::WrapUp), now)),
            _ if self.wrong(Mistake::LostInEverything) => Some((was, since)),
            _ => None,
        };
        if !wraps_up || self.wrong(Mistake::LostEndsWrapUp) {
            self.finish(life);
        }
    }

    fn wraps_up_no_more(&self, life: &mut Life, now: Time) {
        if life.lost.as_ref().is_none_or(|(was, _)| was.phase != Phase::WrapUp) {
            return;
        }
        life.lost = None;
        if !self.wrong(Mistake::LostWrapUpIsNotCounted) {
            life.write(now, In::just(Phase::WrapUp));
        }
        if !self.wrong(Mistake::LostWrapUpIsNeverOver) {
            self.finish(life);
        }
    }

    pub(super) fn person(&self, life: &Life, agent: AgentId, told: &[(Time, Told)]) -> Person {
        let now = told.last().expect("a question").0;
        let lifetime = self.lifetime(life, now);
        let earlier = told[..told.len() - 1].iter().rposition(|(_, word)| matches!(word, Told::Asked));
        let before = earlier.map(|index| self.lifetime(&self.life(agent, &told[..=index]), told[index].0));
        let since = match &life.lost {
            Some((_, since)) if self.wrong(Mistake::LostSinceBefore) => Some(*since),
            _ => life.since,
        };
        let days = (0..DAYS).map(|ago| self.kept_day(life, now, ago)).collect();
        Person { since, days, news: self.news(&lifetime, before.unwrap_or_default()), lifetime }
    }

    /// Empty for a day that is not kept.
    fn kept_day(&self, life: &Life, now: Time, ago: u64) -> Worked {
        let mut kept = u64::from(self.settings.days_kept);
        if !self.wrong(Mistake::NoDayKeptForNone) {
            kept = kept.max(1);
        }
        kept += u64::from(self.wrong(Mistake::DayTooMany));
        if ago < kept { self.day(life, now, ago) } else { Worked::default() }
    }

    /// When the day of a moment begins, in microseconds since the epoch; the first may begin before that.
    fn begin_of_day(&self, at: Time) -> i128 {
        let begins = match self.mistake {
            Some(Mistake::DaysBeginAtMidnight) => 0,
            Some(Mistake::DaysBeginBeforeMidnight) => -(micros(self.settings.day_begins) as i128),
            _ => micros(self.settings.day_begins) as i128,
        };
        let at = i128::from(at.as_micros());
        at - (at - begins).rem_euclid(LONG)
    }

    pub(super) fn day(&self, life: &Life, now: Time, ago: u64) -> Worked {
        let begin = self.begin_of_day(now) - i128::from(ago) * LONG;
        self.within(life, now, begin..begin + LONG)
    }

    fn lifetime(&self, life: &Life, now: Time) -> Worked {
        let mut lifetime = self.within(life, now, 0..i128::MAX);
        if self.wrong(Mistake::OlderDaysForgotten) {
            lifetime = self.sum(&(0..DAYS).map(|ago| self.kept_day(life, now, ago)).collect::<Vec<_>>());
        }
        // The reasons of each day are few, and so are those of all days, one after the other; the present comes last.
        let mut reasons = Vec::new();
        let first = life.written.first().map_or(Time::EPOCH, |part| part.from);
        let mut begin = self.begin_of_day(first);
        while begin <= i128::from(now.as_micros()) {
            let day = begin..begin + LONG;
            let written = life.written.iter().map(|part| (&part.what, overlap(part, &day)));
            self.pauses(written).into_iter().for_each(|(reason, more)| self.pause(&mut reasons, &reason, more));
            begin += LONG;
        }
        let on = Stretch { from: life.on.from, to: now, what: life.on.what.clone() };
        if on.what.phase == Phase::Paused {
            self.pause(&mut reasons, &on.what.reason, overlap(&on, &(0..i128::MAX)));
        }
        if !self.wrong(Mistake::OlderDaysForgotten) {
            lifetime.paused = durations(reasons);
        }
        lifetime
    }

    /// What was done in some time.
    fn within(&self, life: &Life, now: Time, time: std::ops::Range<i128>) -> Worked {
        let is_within = |at: Time| time.contains(&i128::from(at.as_micros()));
        let many = |which: fn(Outcome) -> bool| {
            life.offers.iter().filter(|(at, outcome)| is_within(*at) && which(*outcome)).count() as u64
        };
        let calls = life.calls.iter().filter(|at| is_within(**at)).count() as u64;
        let mut offers = [
            calls,
            many(|outcome| outcome == Outcome::Declined),
            many(|outcome| outcome == Outcome::NoAnswer),
            many(|outcome| matches!(outcome, Outcome::Busy | Outcome::Unreachable)),
            many(|outcome| outcome == Outcome::CallerGone),
            0,
        ];
        match self.mistake {
            Some(Mistake::BusyIsDeclined) => offers[1] += many(|outcome| outcome == Outcome::Busy),
            Some(Mistake::UnreachableIsNoAnswer) => offers[2] += many(|outcome| outcome == Outcome::Unreachable),
            Some(Mistake::WithdrawnCounts) => offers[3] += many(|outcome| outcome == Outcome::Withdrawn),
            Some(Mistake::AnsweredElsewhereCounts) => {
                offers[2] += many(|outcome| outcome == Outcome::AnsweredElsewhere);
            }
            Some(Mistake::CallerGoneIsNoAnswer) => offers[2] += std::mem::take(&mut offers[4]),
            _ => {}
        }
        offers[5] = offers[..5].iter().sum();
        if self.wrong(Mistake::AcceptedIsOneMore) {
            offers[5] += many(|outcome| outcome == Outcome::Accepted);
        }

        let overlap = |part: &Stretch| match self.mistake {
            Some(Mistake::DayNotCut) if is_within(part.from) => micros(part.to.since(part.from)),
            Some(Mistake::DayNotCut) => 0,
            Some(Mistake::DayCutWhenWritten) if part.to == now && part.from == life.on.from => {
                if is_within(now) {
                    micros(part.to.since(part.from))
                } else {
                    0
                }
            }
            _ => overlap(part, &time),
        };
        let mut parts: Vec<(In, u64)> = life.parts(now).map(|part| (part.what.clone(), overlap(&part))).collect();
        if self.wrong(Mistake::PresentForgotten) {
            parts.pop();
        }
        let spent = |phase: Phase| parts.iter().filter(|(what, _)| what.phase == phase).map(|(_, spent)| *spent).sum();
        let mut spent: [u64; Phase::ALL.len()] = Phase::ALL.map(spent);
        if !self.wrong(Mistake::OfflineIsSpent) {
            spent[0] = 0;
        }
        if !self.wrong(Mistake::OffShiftIsSpent) {
            spent[Phase::ALL.len() - 1] = 0;
        }
        let talking = |detail| {
            let so = |(what, _): &&(In, u64)| what.phase == Phase::Talking && what.detail == detail;
            parts.iter().filter(so).map(|(_, spent)| *spent).sum::<u64>()
        };
        let mut talking = TalkDetail::ALL.map(talking);
        match self.mistake {
            Some(Mistake::HeldIsSpeaking) => talking[0] += talking[1],
            Some(Mistake::ConsultingIsHeld) => talking[1] += std::mem::take(&mut talking[2]),
            _ => {}
        }
        let paused = durations(self.pauses(parts.iter().map(|(what, spent)| (what, *spent))));
        self.worked(offers, spent, talking, paused)
    }

    fn worked(
        &self,
        offers: [u64; 6],
        spent: [u64; Phase::ALL.len()],
        talking: [u64; 3],
        paused: Vec<(String, Duration)>,
    ) -> Worked {
        let sum = |phases: &[Phase]| {
            let of = |phase: &Phase| Phase::ALL.iter().zip(spent).find(|(one, _)| *one == phase).map_or(0, |(_, n)| n);
            phases.iter().map(of).sum::<u64>()
        };
        let work = match self.mistake {
            Some(Mistake::WrapUpIsNoWork) => sum(&[Phase::Offered, Phase::Talking, Phase::Working]),
            Some(Mistake::RingingIsNoWork) => sum(&[Phase::Talking, Phase::Working, Phase::WrapUp]),
            Some(Mistake::TasksAreNoWork) => sum(&[Phase::Offered, Phase::Talking, Phase::WrapUp]),
            _ => sum(&[Phase::Offered, Phase::Talking, Phase::Working, Phase::WrapUp]),
        };
        let (mut occupied, mut there) = (work, work + sum(&[Phase::Ready]));
        match self.mistake {
            Some(Mistake::OwnCallsOccupy) => {
                (occupied, there) = (occupied + sum(&[Phase::Busy]), there + sum(&[Phase::Busy]))
            }
            Some(Mistake::PausesAreThere) => there += sum(&[Phase::Paused]),
            Some(Mistake::BackOffIsThere) => there += sum(&[Phase::BackOff]),
            _ => {}
        }
        let logged_in: u64 = spent.iter().sum();
        let mut used = work + sum(&[Phase::Busy]);
        if self.wrong(Mistake::OwnCallsAreNotUse) {
            used = work;
        }
        let paid = if self.wrong(Mistake::PausesAreNotPaid) { logged_in - sum(&[Phase::Paused]) } else { logged_in };
        let share = |above: u64, below: u64| (below > 0).then(|| above as f64 / below as f64);
        Worked {
            offers,
            spent: spent.map(Duration::from_micros),
            talking: talking.map(Duration::from_micros),
            paused,
            logged_in: Duration::from_micros(logged_in),
            occupancy: share(occupied, there),
            utilisation: share(used, paid),
        }
    }

    fn pauses<'p>(&self, parts: impl Iterator<Item = (&'p In, u64)>) -> Vec<(String, u64)> {
        let mut reasons = Vec::new();
        for (what, spent) in parts.filter(|(what, _)| what.phase == Phase::Paused) {
            self.pause(&mut reasons, &what.reason, spent);
        }
        reasons.sort();
        reasons
    }

    /// The first so many reasons have a sum each, the others one.
    fn pause(&self, reasons: &mut Vec<(String, u64)>, reason: &str, more: u64) {
        if more == 0 {
            return;
        }
        let reason = if self.wrong(Mistake::ReasonsForgotten) { "" } else { reason };
        let most = match self.mistake {
            Some(Mistake::ReasonsWithoutEnd) => usize::MAX,
            Some(Mistake::ReasonTooFew) => REASONS_MAX - 1,
            _ => REASONS_MAX,
        };
        let known = reasons.iter().any(|(name, _)| name == reason);
        let reason = if known || reasons.len() < most { reason } else { OTHER };
        match reasons.iter_mut().find(|(name, _)| name == reason) {
            Some((_, sum)) => *sum += more,
            None => reasons.push((reason.to_owned(), more)),
        }
    }

    /// Of several agents, or of several days.
    pub(super) fn sum(&self, all: &[Worked]) -> Worked {
        let micros = |of: &dyn Fn(&Worked) -> Duration| all.iter().map(|one| micros(of(one))).sum::<u64>();
        let mut reasons = Vec::new();
        for (reason, spent) in all.iter().flat_map(|one| &one.paused) {
            self.pause(&mut reasons, reason, super::micros(*spent));
        }
        self.worked(
            std::array::from_fn(|which| all.iter().map(|one| one.offers[which]).sum()),
            std::array::from_fn(|which| micros(&|one| one.spent[which])),
            std::array::from_fn(|which| micros(&|one| one.talking[which])),
            durations(reasons),
        )
    }

    fn news(&self, all: &Worked, before: Worked) -> Worked {
        if self.wrong(Mistake::OldNews) {
            return all.clone();
        }
        let less = |all: Duration, before: Duration| micros(all.saturating_sub(before));
        let of =
            |reason: &str| before.paused.iter().find(|(name, _)| name == reason).map_or(Duration::ZERO, |(_, n)| *n);
        let reasons = all.paused.iter().map(|(reason, spent)| (reason.clone(), less(*spent, of(reason))));
        let reasons = if self.wrong(Mistake::OldNewsOfPauses) { Vec::new() } else { reasons.collect() };
        self.worked(
            std::array::from_fn(|which| all.offers[which].saturating_sub(before.offers[which])),
            std::array::from_fn(|which| less(all.spent[which], before.spent[which])),
            std::array::from_fn(|which| less(all.talking[which], before.talking[which])),
            durations(reasons),
        )
    }
}

/// 24 hours.
const LONG: i128 = 86_400_000_000;

/// Microseconds of a stretch within some time.
fn overlap(part: &Stretch, time: &std::ops::Range<i128>) -> u64 {
    let (from, to) = (i128::from(part.from.as_micros()), i128::from(part.to.as_micros()));
    u64::try_from(to.min(time.end) - from.max(time.start)).unwrap_or(0)
}

/// By name; those of no time are left out.
fn durations(mut reasons: Vec<(String, u64)>) -> Vec<(String, Duration)> {
    reasons.sort();
    let some = reasons.into_iter().filter(|(_, spent)| *spent > 0);
    some.map(|(reason, spent)| (reason, Duration::from_micros(spent))).collect()
}

//! What is counted of one day: of queues by the interval in which the caller arrived, of groups by the interval in which the
//! time was spent.
//!
//! What the distributor counts itself ([`truth`]) is taken from it. Here is what it does not keep, because
//! no service needs it by the interval: every single wait, and the time of agents.

use super::plan::Plan;
use crate::acd::truth::{self, Counts, ServiceLevel, Truth};
use crate::acd::{AgentState, Exit, Phase};
use crate::ids::QueueId;
use crate::time::{Duration, Time};

/// Counts while a day goes on.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    opens: Time,
    closes: Time,
    interval: u64,
    intervals: usize,
    /// Of each queue: the intervals.
    queues: Vec<Vec<Waits>>,
    /// Of each group: the intervals, and all the time there is, also before and after them.
    groups: Vec<Vec<Spent>>,
    agents: Vec<At>,
}

/// Waits of the callers of one queue and interval.
#[derive(Clone, Debug, Default)]
struct Waits {
    /// Answered, and not at once.
    late: u64,
    /// Of all who are gone.
    micros: u64,
    micros_max: u64,
    /// Of the answered, in milliseconds.
    answered: Vec<u32>,
}

/// Seconds that agents of a group spent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub idle: f64,
    /// Rung, talking or wrapping up.
    pub occupied: f64,
    /// Logged in and not to be rung: breaks, unanswered calls, calls of their own.
    pub away: f64,
}

#[derive(Clone, Copy, Debug)]
struct At {
    group: usize,
    doing: Doing,
    since: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Gone,
    Idle,
    Occupied,
    Away,
}

/// What one day had of one queue, in one interval or on the whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueNumbers {
    pub counts: Counts,
    /// Answered after a wait.
    pub answered_late: u64,
    /// By all callers, however they left.
    pub waited_micros: u64,
    /// The longest wait, answered or not.
    pub waited_micros_max: u64,
    /// Nine of ten answered callers waited no longer; to the millisecond. `None`: nobody was answered.
    pub wait_p90: Option<Duration>,
}

impl Tally {
    /// How the distributor has to count for this plan.
    pub fn truth(plan: &Plan) -> truth::Settings {
        let intervals_kept = u32::try_from(plan.intervals()).unwrap_or(u32::MAX);
        truth::Settings { interval: plan.interval, intervals_kept, ..truth::Settings::default() }
    }

    /// `groups`: that of each agent.
    pub fn new(plan: &Plan, groups: impl Iterator<Item = usize>) -> Tally {
        let (midnight, intervals) = (plan.midnight(), plan.intervals());
        Tally {
            opens: midnight + plan.opens,
            closes: midnight + plan.closes,
            interval: micros(plan.interval).max(1),
            intervals,
            queues: plan.queues.iter().map(|_| vec![Waits::default(); intervals]).collect(),
            groups: plan.groups.iter().map(|_| vec![Spent::default(); intervals + 1]).collect(),
            agents: groups.map(|group| At { group, doing: Doing::Gone, since: midnight }).collect(),
        }
    }

    fn index(&self, arrived: Time) -> usize {
        let last = self.intervals - 1;
        usize::try_from(micros(arrived.since(self.opens)) / self.interval).unwrap_or(last).min(last)
    }

    pub fn left(&mut self, queue: QueueId, arrived: Time, exit: Exit, waited: Duration) {
        let index = self.index(arrived);
        let waits = &mut self.queues[queue.0 as usize][index];
        let wait = micros(waited);
        waits.micros += wait;
        waits.micros_max = waits.micros_max.max(wait);
        if exit == Exit::Answered {
            waits.late += u64::from(wait > 0);
            waits.answered.push(u32::try_from(waited.as_millis()).unwrap_or(u32::MAX));
        }
    }

    pub fn agent(&mut self, index: usize, state: &AgentState, now: Time) {
        // As `Figures::occupancy` has it.
        let doing = match state.phase() {
            Phase::Offline | Phase::OffShift => Doing::Gone,
            Phase::Ready => Doing::Idle,
            Phase::Offered | Phase::Talking | Phase::Working | Phase::WrapUp => Doing::Occupied,
            Phase::BackOff | Phase::Probed | Phase::Resting | Phase::Busy | Phase::Paused => Doing::Away,
        };
        let at = &mut self.agents[index];
        if at.doing != doing {
            let before = std::mem::replace(at, At { group: at.group, doing, since: now });
            self.spend(before, now);
        }
    }

    fn spend(&mut self, At { group, doing, since }: At, until: Time) {
        if doing == Doing::Gone {
            return;
        }
        let group = &mut self.groups[group];
        group[self.intervals].add(doing, micros(until.since(since)));
        let (mut from, until) = (since.max(self.opens), until.min(self.closes));
        while from < until {
            let index = from.since(self.opens).as_micros() as u64 / self.interval;
            let Some(spent) = usize::try_from(index).ok().filter(|index| *index < self.intervals) else { break };
            let end = (self.opens + Duration::from_micros((index + 1) * self.interval)).min(until);
            group[spent].add(doing, micros(end.since(from)));
            from = end;
        }
    }

    /// The day is over: what each queue had by interval and then on the whole, and what each group spent so.
    pub fn finish(mut self, now: Time, truth: &Truth) -> (Vec<Vec<QueueNumbers>>, Vec<Vec<Spent>>) {
        for at in self.agents.clone() {
            self.spend(at, now);
        }
        let mut counts = vec![vec![Counts::default(); self.intervals]; self.queues.len()];
        for (queue, counts) in (0..).map(QueueId).zip(&mut counts) {
            truth.intervals(queue).for_each(|interval| counts[self.index(interval.begin)].add(&interval.counts));
        }
        let queues = self.queues.into_iter().zip(counts).map(|(waits, counts)| {
            let (mut all, mut total) = (Waits::default(), Counts::default());
            waits.iter().for_each(|waits| all.add(waits));
            counts.iter().for_each(|counts| total.add(counts));
            let each = waits.into_iter().zip(counts).chain([(all, total)]);
            each.map(|(waits, counts)| waits.numbers(counts)).collect()
        });
        (queues.collect(), self.groups)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Spent {
    fn add(&mut self, doing: Doing, micros: u64) {
        let seconds = micros as f64 / 1e6;
        match doing {
            Doing::Gone => {}
            Doing::Idle => self.idle += seconds,
            Doing::Occupied => self.occupied += seconds,
            Doing::Away => self.away += seconds,
        }
    }

    /// Seconds in which agents were there for callers.
    pub fn staffed(&self) -> f64 {
        self.idle + self.occupied
    }
}

impl Waits {
    fn add(&mut self, other: &Waits) {
        self.late += other.late;
        self.micros += other.micros;
        self.micros_max = self.micros_max.max(other.micros_max);
        self.answered.extend(&other.answered);
    }

    fn numbers(mut self, counts: Counts) -> QueueNumbers {
        let p90 = quantile(&mut self.answered, 0.9);
        QueueNumbers {
            counts,
            answered_late: self.late,
            waited_micros: self.micros,
            waited_micros_max: self.micros_max,
            wait_p90: p90.map(|millis| Duration::from_millis(u64::from(millis))),
        }
    }
}

/// The smallest value that a share of at least `share` of all is not above (Hyndman and Fan, 1996, definition 1).
fn quantile(values: &mut [u32], share: f64) -> Option<u32> {
    let rank = (values.len() as f64 * share).ceil() as usize;
    let index = rank.clamp(1, values.len().max(1)) - 1;
    (!values.is_empty()).then(|| *values.select_nth_unstable(index).1)
}

/// Sums and what they are shares or means of, for the figures that [`Counts`] has of one day alone.
impl QueueNumbers {
    /// As [`ServiceLevel::of`].
    pub fn service_level(&self, formula: ServiceLevel) -> (f64, f64) {
        let (above, below) = formula.fraction(&self.counts);
        (above as f64, below as f64)
    }

    /// As [`Counts::abandon_rate`].
    pub fn abandon_rate(&self) -> (f64, f64) {
        (self.counts.abandoned() as f64, self.counts.exits.total() as f64)
    }

    /// As [`Counts::average_speed_of_answer`], in seconds.
    pub fn speed_of_answer(&self) -> (f64, f64) {
        (seconds(self.counts.answered_wait_micros), self.counts.answered() as f64)
    }

    /// As [`Counts::average_handling_time`], in seconds.
    pub fn handling_time(&self) -> (f64, f64) {
        let Counts { talk_micros, hold_micros, wrap_up_micros, handled, .. } = self.counts;
        (seconds(talk_micros + hold_micros + wrap_up_micros), handled as f64)
    }

    /// Mean wait of all who came, in seconds.
    pub fn wait_all(&self) -> (f64, f64) {
        (seconds(self.waited_micros), self.counts.offered as f64)
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::QueueSettings;
    use crate::sim::forecast::{AtClosing, Group};

    const MINUTE: Duration = Duration::from_secs(60);

    fn plan() -> Plan {
        Plan {
            opens: 10 * MINUTE,
            closes: 37 * MINUTE,
            interval: 10 * MINUTE,
            at_closing: AtClosing::Serve,
            queues: vec![QueueSettings::default()],
            hours: Vec::new(),
            groups: vec![Group::default()],
            calls: Vec::new(),
        }
    }

    fn tally() -> Tally {
        Tally::new(&plan(), [0].into_iter())
    }

    fn at(minutes: u32) -> Time {
        plan().midnight() + MINUTE * minutes
    }

    /// By hand: of three who came in the second interval, one was answered after 20 s (in time), one after 50 s, one hung up after
    /// 40 s; in the third one hung up after a second.
    #[test]
    fn callers_count_in_the_interval_in_which_they_came() {
        let mut tally = tally();
        let mut truth = Truth::new(Tally::truth(&plan()));
        for (minute, exit, seconds) in [
            (29, Exit::Answered, 20),
            (29, Exit::Answered, 50),
            (29, Exit::Abandoned, 40),
            (30, Exit::ShortAbandoned, 1),
        ] {
            let waited = Duration::from_secs(seconds);
            truth.arrived(at(minute), QueueId(0));
            truth.exited(QueueId(0), at(minute), exit, waited, Duration::from_secs(20));
            tally.left(QueueId(0), at(minute), exit, waited);
        }
        let (queues, _) = tally.finish(at(60), &truth);
        let [first, second, third, day] = &queues[0][..] else { panic!("three intervals and the day") };
        assert_eq!(first, &QueueNumbers::default());
        assert_eq!((second.counts.offered, second.counts.answered(), second.counts.abandoned()), (3, 2, 1));
        assert_eq!((second.counts.answered_in_level, second.answered_late), (1, 2));
        assert_eq!((second.wait_all(), second.wait_p90), ((110.0, 3.0), Some(Duration::from_secs(50))));
        let share = |(above, below): (f64, f64)| Some(above / below);
        assert_eq!(share(second.abandon_rate()), second.counts.abandon_rate());
        for formula in ServiceLevel::ALL {
            assert_eq!(share(second.service_level(formula)), formula.of(&second.counts));
        }
        let asa = second.counts.average_speed_of_answer().map(|asa| asa.as_secs_f64());
        assert_eq!(share(second.speed_of_answer()), asa);
        assert_eq!((third.counts.offered, third.wait_p90, third.waited_micros_max), (1, None, 1_000_000));
        assert_eq!((day.counts.offered, day.counts.exits.total(), day.answered_late), (4, 4, 2));
        assert_eq!((day.waited_micros, day.waited_micros_max), (111_000_000, 50_000_000));
    }

    #[test]
    fn nine_of_ten_wait_no_longer_than_the_quantile() {
        for (count, expected) in [(1, 1), (9, 9), (10, 9), (11, 10), (100, 90)] {
            let mut values: Vec<u32> = (1..=count).rev().collect();
            assert_eq!(quantile(&mut values, 0.9), Some(expected), "of {count}");
        }
        assert_eq!(quantile(&mut [], 0.9), None);
    }

    #[test]
    fn time_counts_in_the_intervals_in_which_it_was_spent() {
        let mut tally = tally();
        tally.agent(0, &AgentState::Ready, at(5));
        tally.agent(0, &AgentState::WrapUp { until: at(99) }, at(15));
        tally.agent(0, &AgentState::Paused { reason: "lunch".into(), until: None }, at(33));
        tally.agent(0, &AgentState::Ready, at(34));
        tally.agent(0, &AgentState::Offline, at(50));
        let (_, groups) = tally.finish(at(60), &Truth::default());
        let minutes = |spent: &Spent| [spent.idle, spent.occupied, spent.away].map(|seconds| seconds / 60.0);
        assert_eq!(
            groups[0].iter().map(minutes).collect::<Vec<_>>(),
            [[5.0, 5.0, 0.0], [0.0, 10.0, 0.0], [3.0, 3.0, 1.0], [26.0, 18.0, 1.0]]
        );
    }
}

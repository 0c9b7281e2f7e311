//! The callers of one day, drawn before it begins: whatever the agents then do, the same seed brings the same callers with the
//! same patience. So two plans differ by what they change, and not by luck (common random numbers).

use super::plan::{Arrivals, Calls, Plan};
use crate::acd::{Change, Exit};
use crate::ids::QueueId;
use crate::sim::chance::Chance;
use crate::time::{Duration, Time};

/// Who calls. The index in the list of the day, plus one, is the `EntryId`.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    pub at: Time,
    /// Index in [`Plan::calls`].
    pub calls: u32,
    pub queue: QueueId,
    /// `None`: the caller talks as long as the day lasts, and beyond.
    pub talk: Option<Duration>,
    /// `None`: the agent takes all the time for wrap-up.
    pub notes: Option<Duration>,
    /// `None`: the caller never hangs up while waiting.
    pub patience: Option<Duration>,
    /// How they leave when their patience is over.
    pub leaves: Exit,
    /// Of a caller who really was: when they came, and how the distributor was told.
    pub recorded: Option<Box<(Time, Change)>>,
}

/// Independent chances from one seed. A new use gets a new number.
pub(super) fn stream(seed: u64, use_of_it: u64, number: u64) -> Chance {
    let mut outer = Chance::new(seed);
    let mut inner = Chance::new(outer.bits() ^ (use_of_it << 32) ^ number);
    Chance::new(inner.bits())
}

/// All callers of a day in the order of their arrival; of the same microsecond, as the plan lists them.
pub fn draw(plan: &Plan, seed: u64) -> Vec<Caller> {
    let midnight = plan.midnight();
    let mut callers = Vec::with_capacity(plan.calls_expected() as usize);
    for (i, calls) in (0u32..).zip(&plan.calls) {
        // Each matter has its own chances: other talks bring no other arrivals.
        let [mut arrivals, mut talk, mut notes, mut patience] =
            [0, 1, 2, 3].map(|use_of_it| stream(seed, use_of_it, u64::from(i)));
        let caller = |at: Duration| Caller {
            at: midnight + at,
            calls: i,
            queue: calls.queue,
            talk: calls.talk.draw(&mut talk),
            notes: calls.notes.as_ref().and_then(|notes_of| notes_of.draw(&mut notes)),
            patience: calls.patience.draw(&mut patience),
            leaves: Exit::Abandoned,
            recorded: None,
        };
        callers.extend(arrivals_of(calls, &mut arrivals).into_iter().map(caller));
    }
    callers.sort_by_key(|caller| caller.at);
    callers
}

fn arrivals_of(calls: &Calls, chance: &mut Chance) -> Vec<Duration> {
    let mut arrivals = Vec::new();
    // Of even arrivals: what is left of the rate before. The first comes after half the distance.
    let mut due = 0.5;
    for rate in calls.rates.iter().filter(|rate| rate.calls > 0.0 && rate.to > rate.from) {
        let length = rate.to - rate.from;
        match calls.arrivals {
            // Exponential gaps; what is left of one at the end of a rate says nothing about the next.
            Arrivals::Poisson => {
                let gap = length.div_f64(rate.calls);
                let mut at = chance.exponential(gap);
                while at < length {
                    arrivals.push(rate.from + at);
                    at += chance.exponential(gap);
                }
            }
            Arrivals::Even => {
                let mut count = 1.0 - due;
                while count < rate.calls {
                    arrivals.push(rate.from + length.mul_f64(count / rate.calls));
                    count += 1.0;
                }
                due = 1.0 - (count - rate.calls);
            }
        }
    }
    arrivals
}

#[cfg(test)]
mod tests {
    use super::super::lengths::Lengths;
    use super::super::plan::Rate;
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn calls(arrivals: Arrivals, per_hour: &[f64]) -> Calls {
        let rate = |(hour, calls): (u32, &f64)| Rate { from: HOUR * hour, to: HOUR * (hour + 1), calls: *calls };
        Calls {
            queue: QueueId(0),
            needs: Default::default(),
            attributes: Default::default(),
            priority: 0,
            arrivals,
            rates: (8..).zip(per_hour).map(rate).collect(),
            talk: Lengths::Exponential(Duration::from_secs(180)),
            notes: None,
            patience: Lengths::Exponential(Duration::from_secs(60)),
        }
    }

    fn in_hour(arrivals: &[Duration], hour: u32) -> usize {
        arrivals.iter().filter(|at| (HOUR * hour..HOUR * (hour + 1)).contains(*at)).count()
    }

    #[test]
    fn even_arrivals_are_exactly_as_many_as_expected_also_over_broken_rates() {
        let arrivals = arrivals_of(&calls(Arrivals::Even, &[60.0, 0.5, 0.5, 2.0, 0.0, 1.0]), &mut Chance::new(1));
        assert_eq!(arrivals.len(), 64);
        assert_eq!(in_hour(&arrivals, 8), 60);
        assert_eq!(in_hour(&arrivals, 9) + in_hour(&arrivals, 10), 1);
        assert_eq!((in_hour(&arrivals, 11), in_hour(&arrivals, 12), in_hour(&arrivals, 13)), (2, 0, 1));
        assert_eq!(arrivals[..2], [HOUR * 8 + Duration::from_secs(30), HOUR * 8 + Duration::from_secs(90)]);
        assert!(arrivals.is_sorted());
    }

    /// Of a Poisson process the mean and the variance of counts are the same.
    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread() {
        let calls = calls(Arrivals::Poisson, &[40.0, 0.0, 10.0]);
        let days: Vec<_> = (0..2000).map(|seed| arrivals_of(&calls, &mut stream(seed, 0, 0))).collect();
        for (hour, rate) in [(8, 40.0), (10, 10.0)] {
            let counts = days.iter().map(|day| in_hour(day, hour) as f64);
            let mean = counts.clone().sum::<f64>() / 2000.0;
            let variance = counts.map(|count| (count - mean).powi(2)).sum::<f64>() / 1999.0;
            assert!((mean - rate).abs() < 0.02 * rate, "{hour}: {mean}");
            assert!((variance - rate).abs() < 0.12 * rate, "{hour}: {variance}");
        }
        assert!(days.iter().all(|day| in_hour(day, 9) == 0));
    }

    #[test]
    fn the_same_seed_brings_the_same_callers_and_other_talks_bring_no_others() {
        let plan = Plan {
            opens: HOUR * 8,
            closes: HOUR * 9,
            interval: HOUR,
            at_closing: Default::default(),
            queues: vec![Default::default()],
            hours: Vec::new(),
            groups: Vec::new(),
            calls: vec![calls(Arrivals::Poisson, &[100.0]), calls(Arrivals::Poisson, &[100.0])],
        };
        let callers = draw(&plan, 7);
        assert_eq!(callers, draw(&plan, 7));
        assert_ne!(callers, draw(&plan, 8));
        assert!(callers.is_sorted_by_key(|caller| caller.at));
        let mut other = plan.clone();
        other.calls[0].talk = Lengths::Lognormal { mean: HOUR, deviation: HOUR };
        let others = draw(&other, 7);
        let who = |callers: &[Caller]| callers.iter().map(|c| (c.at, c.calls, c.patience)).collect::<Vec<_>>();
        assert_eq!(who(&callers), who(&others));
        assert_ne!(callers, others);
    }
}

//! The distributor against queueing theory: what is known exactly has to come out.

use super::super::callers;
use super::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// M/M/n without impatience: Erlang's second formula.
struct ErlangC {
    agents: f64,
    load: f64,
    talk: f64,
    /// Chance to wait at all.
    waits: f64,
}

impl ErlangC {
    /// `load` in erlang, `talk` in seconds. By the recursion of the inverse of Erlang's first formula, which is stable for
    /// any number of agents (Jagerman, "Some properties of the Erlang loss function", 1974).
    fn new(agents: u32, load: f64, talk: f64) -> ErlangC {
        let inverse = (1..=agents).fold(1.0, |inverse, n| 1.0 + inverse * f64::from(n) / load);
        let (blocked, agents) = (1.0 / inverse, f64::from(agents));
        let waits = blocked / (1.0 - load / agents * (1.0 - blocked));
        ErlangC { agents, load, talk, waits }
    }

    fn mean_wait(&self) -> f64 {
        self.waits * self.talk / (self.agents - self.load)
    }

    fn service_level(&self, seconds: f64) -> f64 {
        1.0 - self.waits * (-(self.agents - self.load) * seconds / self.talk).exp()
    }
}

/// M/M/n+M: Palm 1943, here as Garnett, Mandelbaum and Reiman, "Designing a call center with impatient customers", 2002.
struct ErlangA {
    abandon: f64,
    mean_wait: f64,
}

impl ErlangA {
    /// From the balance of the birth and death process outwards from the state in which all agents talk and nobody waits.
    fn new(agents: u32, load: f64, talk: f64, patience: f64) -> ErlangA {
        let (arrival, service, leaving) = (load / talk, 1.0 / talk, 1.0 / patience);
        let below: f64 = (1..=agents)
            .rev()
            .scan(1.0, |p, k| {
                *p *= f64::from(k) * service / arrival;
                Some(*p)
            })
            .sum();
        let (mut p, mut total, mut waiting) = (1.0, 1.0 + below, 0.0);
        for j in 1..1_000_000 {
            p *= arrival / (f64::from(agents) * service + f64::from(j) * leaving);
            total += p;
            waiting += f64::from(j) * p;
            if p < 1e-18 * total {
                break;
            }
        }
        // By Little's law; who waits leaves at the rate of impatience.
        let mean_wait = waiting / total / arrival;
        ErlangA { abandon: mean_wait * leaving, mean_wait }
    }
}

/// The formulas are those of the books: 10 agents with 8 erlang, and the case of 100 with 95; without impatience one is the other.
#[test]
fn the_formulas_give_textbook_values() {
    let small = ErlangC::new(10, 8.0, 180.0);
    assert!((small.waits - 0.4092).abs() < 1e-4 && (small.mean_wait() - 36.83).abs() < 0.01, "{}", small.waits);
    let large = ErlangC::new(100, 95.0, 180.0);
    assert!((large.waits - 0.5065).abs() < 1e-3, "{}", large.waits);
    let patient = ErlangA::new(10, 8.0, 180.0, 1e9);
    assert!((patient.mean_wait / small.mean_wait() - 1.0).abs() < 1e-4);
    // One agent, one erlang, patience as long as talks: the number in the system is Poisson's with mean 1, so 1/e are
    // without work, and as many calls are lost.
    let even = ErlangA::new(1, 1.0, 60.0, 60.0);
    assert!((even.abandon - (-1f64).exp()).abs() < 1e-9, "{}", even.abandon);
}

/// What the recursion gives for one interval, or for many.
#[derive(Clone, Copy, Default)]
struct Exact {
    calls: u64,
    late: u64,
    in_level: u64,
    micros: u64,
    longest: u64,
}

impl Exact {
    fn add(&mut self, other: Exact) {
        self.calls += other.calls;
        self.late += other.late;
        self.in_level += other.in_level;
        self.micros += other.micros;
        self.longest = self.longest.max(other.longest);
    }
}

/// The wait of every caller of a first come, first served line with patient callers, exactly (Kiefer and Wolfowitz, "On the
/// theory of queues with many servers", 1955); by interval of arrival.
fn recursion(plan: &Plan, seed: u64) -> Vec<Exact> {
    let mut free: BinaryHeap<Reverse<u64>> = (0..plan.groups[0].agents).map(|_| Reverse(0)).collect();
    let mut intervals = vec![Exact::default(); plan.intervals()];
    let (midnight, interval) = (plan.midnight().as_micros(), plan.interval.as_micros() as u64);
    let level = plan.queues[0].service_level.as_micros() as u64;
    for caller in callers::draw(plan, seed) {
        let at = caller.at.as_micros() - midnight;
        let mut first = free.peek_mut().expect("there are agents");
        let wait = first.0.saturating_sub(at);
        first.0 = at + wait + caller.talk.expect("talks end").as_micros() as u64;
        drop(first);
        intervals[(at / interval) as usize].add(Exact {
            calls: 1,
            late: u64::from(wait > 0),
            in_level: u64::from(wait <= level),
            micros: wait,
            longest: wait,
        });
    }
    intervals
}

/// One day of the distributor has the waits of the recursion, to the microsecond in every interval.
fn assert_exact(plan: &Plan, seed: u64) {
    let outcomes = Run::new(plan, seed).finish();
    for (numbers, exact) in outcomes.queues[0].iter().zip(&recursion(plan, seed)) {
        let counts = &numbers.counts;
        assert_eq!((counts.answered(), counts.offered), (exact.calls, exact.calls));
        assert_eq!((numbers.answered_late, counts.answered_in_level), (exact.late, exact.in_level));
        assert_eq!((numbers.waited_micros, numbers.waited_micros_max), (exact.micros, exact.longest));
    }
}

fn within(what: &str, measured: f64, exact: f64, share: f64) {
    let off = measured / exact - 1.0;
    eprintln!("{what}: {measured:.4} against {exact:.4}, {:+.2} %", off * 100.0);
    assert!(off.abs() <= share, "{what}: {measured} against {exact}, {:+.2} %", off * 100.0);
}

/// Waits at a busy desk hang together for so long that the mean of a million of them may still be off by two per cent. So a few
/// days of the distributor are shown to be those of the recursion, caller by caller, and the recursion, which is quicker,
/// is followed for as long as it takes: the same as following the distributor (a control variate with correlation one).
fn check_erlang_c(agents: u32, load: f64, days: u64) {
    let talk = 30.0;
    let plan = plain(agents, load * 3600.0 / talk, "exponential 30s", "never", 24 * HOUR);
    (1..=2).for_each(|seed| assert_exact(&plan, seed));
    let mut sum = Exact::default();
    for seed in 1..=days {
        // In the first hour the desk fills.
        recursion(&plan, seed).into_iter().skip(1).for_each(|interval| sum.add(interval));
    }
    let (exact, n) = (ErlangC::new(agents, load, talk), sum.calls as f64);
    within("P(wait > 0)", sum.late as f64 / n, exact.waits, 0.02);
    within("mean wait", sum.micros as f64 / 1e6 / n, exact.mean_wait(), 0.02);
    within("service level", sum.in_level as f64 / n, exact.service_level(20.0), 0.02);
}

#[test]
fn a_small_desk_is_within_two_per_cent_of_erlang_c() {
    check_erlang_c(10, 8.0, 400);
}

#[test]
fn a_middle_desk_is_within_two_per_cent_of_erlang_c() {
    check_erlang_c(30, 25.0, 150);
}

fn check_erlang_a(agents: u32, load: f64, patience: f64, seeds: u64) {
    let talk = 180.0;
    let (per_hour, patient) = (load * 3600.0 / talk, format!("exponential {patience}s"));
    let plan = plain(agents, per_hour, "exponential 180s", &patient, 48 * HOUR);
    let exact = ErlangA::new(agents, load, talk, patience);
    let (mut calls, mut abandoned, mut micros) = (0, 0, 0);
    for seed in 1..=seeds {
        // In the first hour the desk fills.
        for numbers in &Run::new(&plan, seed).finish().queues[0][1..plan.intervals()] {
            calls += numbers.counts.offered;
            abandoned += numbers.counts.abandoned();
            micros += numbers.waited_micros;
        }
    }
    let n = calls as f64;
    within("share who hang up", abandoned as f64 / n, exact.abandon, 0.03);
    within("mean wait", micros as f64 / 1e6 / n, exact.mean_wait, 0.03);
}

#[test]
fn a_desk_with_impatient_callers_is_within_three_per_cent_of_erlang_a() {
    check_erlang_a(10, 10.0, 120.0, 80);
}

/// More calls than agents can answer: only impatience keeps the line short.
#[test]
fn an_overloaded_desk_is_within_three_per_cent_of_erlang_a() {
    check_erlang_a(50, 60.0, 180.0, 10);
}

#[test]
fn every_wait_is_that_of_the_exact_recursion() {
    for (agents, load, talk) in
        [(1, 0.7, "exponential 30s"), (10, 8.0, "lognormal 3m 4m"), (100, 95.0, "exponential 3m")]
    {
        let mean = talk.parse::<Lengths>().unwrap().mean().unwrap().as_secs_f64();
        let mut plan = plain(agents, load * 3600.0 / mean, talk, "never", 24 * HOUR);
        plan.interval = MINUTE;
        let late: u64 = recursion(&plan, 1).iter().map(|exact| exact.late).sum();
        assert!(late > 100, "somebody has to wait");
        assert_exact(&plan, 1);
    }
}

//! Days of all kinds: nobody is lost, breaks are taken, one seed is one day.

use super::*;
use crate::acd::truth::Counts;
use crate::acd::{Exit, InVain, Overflow, Rule, Skills, When};
use crate::need::Attributes;
use proptest::prelude::*;

fn counts(plan: &Plan) -> Counts {
    Run::new(plan, 1).finish().queues[0].last().unwrap().counts
}

#[test]
fn one_seed_is_one_report_and_another_seed_another() {
    let plan = plain(5, 100.0, "lognormal 3m 2m", "exponential 1m", 3 * HOUR);
    assert_eq!(report(&plan, 3), report(&plan, 3));
    let json = |plan| serde_json::to_string(&report(plan, 3)).unwrap();
    assert_eq!(json(&plan), json(&plan));
    assert_ne!(Run::new(&plan, 1).finish(), Run::new(&plan, 2).finish());
}

#[test]
fn a_day_is_the_same_in_any_steps() {
    let plan = plain(5, 100.0, "exponential 3m", "exponential 1m", 3 * HOUR);
    let mut run = Run::new(&plan, 1);
    let mut at = Duration::ZERO;
    while !run.is_over() {
        at += Duration::from_secs(7);
        run.advance(at);
    }
    assert_eq!(run.finish(), Run::new(&plan, 1).finish());
}

/// In expectation; with the same callers even nearly always, for only who serves whom changes.
#[test]
fn more_agents_answer_more_calls_in_time() {
    let levels: Vec<f64> = (8..=13)
        .map(|agents| {
            let report = report(&plain(agents, 180.0, "exponential 3m", "exponential 2m", 8 * HOUR), 10);
            report.queues[0].day.service_level.unwrap().mean
        })
        .collect();
    assert!(levels.is_sorted() && levels[5] > levels[0] + 0.3, "{levels:?}");
}

#[test]
fn short_notes_end_the_wrap_up_and_long_ones_are_cut() {
    for (notes, wrap_up, occupied) in [("30s", 60, 0.75), ("90s", 60, 1.0), ("0s", 60, 0.5), ("30s", 15, 0.625)] {
        let mut plan = plain(1, 30.0, "60s", "never", 10 * HOUR);
        plan.groups[0].settings.wrap_up = Duration::from_secs(wrap_up);
        plan.calls[0].arrivals = Arrivals::Even;
        plan.calls[0].notes = Some(notes.parse().unwrap());
        let outcomes = Run::new(&plan, 1).finish();
        assert_eq!(outcomes.queues[0].last().unwrap().counts.answered(), 300);
        let spent = outcomes.groups[0][5];
        let measured = spent.occupied / spent.staffed();
        assert!((measured - occupied).abs() < 1e-9, "{notes} of {wrap_up}: {measured}");
    }
}

/// Three agents, no calls: half an hour each, one after the other over one hour.
#[test]
fn breaks_are_taken_in_turn_and_in_full() {
    let mut plan = plain(3, 0.0, "60s", "never", 4 * HOUR);
    plan.interval = 30 * MINUTE;
    plan.groups[0].breaks = vec![Break { at: HOUR, length: 30 * MINUTE, spread: HOUR }];
    let outcomes = Run::new(&plan, 1).finish();
    let away: Vec<f64> = outcomes.groups[0].iter().map(|spent| spent.away / 60.0).collect();
    assert_eq!(away, [0.0, 0.0, 30.0, 30.0, 30.0, 0.0, 0.0, 0.0, 90.0]);
}

#[test]
fn a_break_begins_after_the_talk_and_lasts_as_long_as_it_should() {
    let mut plan = plain(1, 1.0, "40m", "never", HOUR);
    plan.calls[0].arrivals = Arrivals::Even;
    plan.interval = HOUR;
    plan.groups[0].breaks = vec![Break { at: HOUR, length: 15 * MINUTE, spread: Duration::ZERO }];
    plan.groups[0].to = 2 * HOUR;
    // Called at 0:30, talks until 1:10, is away until 1:25.
    let spent = Run::new(&plan, 1).finish().groups[0][1];
    assert_eq!([spent.occupied, spent.away, spent.idle].map(|seconds| seconds / 60.0), [40.0, 15.0, 65.0]);
}

#[test]
fn who_declines_or_does_not_answer_leaves_the_caller_to_others() {
    let mut plan = plain(2, 60.0, "20s", "never", 4 * HOUR);
    plan.groups[0].declines = 0.2;
    plan.groups[0].misses = 0.2;
    plan.groups[0].answers_after = "3s".parse().unwrap();
    let counts = counts(&plan);
    assert_eq!(counts.answered(), counts.offered);
    assert!(counts.average_speed_of_answer().unwrap() > Duration::from_secs(3));
    assert!(Run::new(&plan, 1).finish().groups[0][4].away > 60.0, "who does not answer is paused");
}

#[test]
fn at_closing_who_waits_is_served_or_sent_away() {
    let mut plan = plain(1, 60.0, "2m", "never", HOUR);
    plan.calls[0].arrivals = Arrivals::Even;
    assert_eq!(counts(&plan).answered(), 60);
    plan.groups[0].to = HOUR + HOUR / 2;
    let served = counts(&plan);
    assert_eq!((served.answered(), served.exits.of(Exit::QueueClosed)), (45, 15));
    plan.at_closing = AtClosing::SendAway;
    let closed = counts(&plan);
    assert_eq!((closed.answered(), closed.exits.of(Exit::QueueClosed)), (30, 30));
}

/// Calls come at 0:15, 0:45, 1:15, … until 8:00; the queue is open from 1:00 to 3:00 and from 4:00 to 6:00. One agent talks for an
/// hour, so that callers are still served when the queue is closed.
#[test]
fn a_queue_takes_callers_while_it_is_open_and_lets_go_who_waits_after_closing() {
    let at = |hours: u32| HOUR * hours;
    let mut plan = plain(1, 2.0, "1h", "never", 8 * HOUR);
    plan.calls[0].arrivals = Arrivals::Even;
    plan.hours = vec![Some(vec![(at(1), at(3)), (at(4), at(6))])];
    let closed = |plan: &Plan| {
        let counts = counts(plan);
        (counts.offered, counts.answered(), counts.exits.of(Exit::QueueClosed))
    };
    // They are served at 1:15, 2:15, 3:15, 4:15 (who came at 2:45) and then from 5:15 (who came at 4:15) to 9:15.
    assert_eq!(closed(&plan), (16, 8, 8));
    // By intervals: nobody is let in in the first hour, in the fourth, and from the seventh on.
    let outcomes = Run::new(&plan, 1).finish();
    let refused = outcomes.queues[0].iter().map(|interval| interval.counts.exits.of(Exit::QueueClosed));
    assert_eq!(refused.collect::<Vec<_>>(), [2, 0, 0, 2, 0, 0, 2, 2, 8]);
    assert!(report(&plan, 1).to_string().contains("others: queue_closed 8.0"), "{}", report(&plan, 1));
    // Half an hour after closing who waits goes: at 3:30 only 2:45 does, for 2:15 was taken at 3:15; at 6:30 only 5:45.
    plan.queues[0].after_closing = Some(HOUR / 2);
    assert_eq!(closed(&plan), (16, 6, 10));
    // Nobody joins in the last half hour: not 2:45 and not 5:45.
    plan.queues[0].after_closing = None;
    plan.queues[0].last_call = HOUR / 2;
    assert_eq!(closed(&plan), (16, 6, 10));
}

/// Of even calls from two kinds of callers the rule puts the second before all others.
#[test]
fn rules_know_callers_by_their_attributes() {
    let mut plan = plain(1, 60.0, "90s", "never", HOUR);
    plan.calls[0].arrivals = Arrivals::Even;
    let gold = Attributes::from([("tier".to_owned(), "gold".to_owned())]);
    let few = Rate { calls: 6.0, ..plan.calls[0].rates[0] };
    plan.calls.push(Calls { attributes: gold.clone(), rates: vec![few], ..plan.calls[0].clone() });
    plan.queues.push(QueueSettings { name: "gold".into(), ..plan.queues[0].clone() });
    plan.queues[0].rules = vec![Rule { when: gold.clone(), max_wait: Some(Duration::ZERO), ..Rule::default() }];
    let timed_out = |plan: &Plan| counts(plan).exits.of(Exit::TimedOut);
    assert_eq!(timed_out(&plan), 6, "none of the six finds the agent free");
    plan.queues[0].overflow = vec![Overflow { to: QueueId(1), when: When::After(Duration::ZERO), only: gold }];
    let outcomes = Run::new(&plan, 1).finish();
    let went = outcomes.queues.iter().map(|queue| queue.last().unwrap().counts.offered).collect::<Vec<_>>();
    assert_eq!(went, [66, 6]);
}

fn lengths() -> impl Strategy<Value = Lengths> {
    prop_oneof![
        (0u64..400).prop_map(|s| Lengths::Constant(Duration::from_secs(s))),
        (1u64..400).prop_map(|s| Lengths::Exponential(Duration::from_secs(s))),
        (1u64..400)
            .prop_map(|s| Lengths::Lognormal { mean: Duration::from_secs(s), deviation: Duration::from_secs(s) }),
        (1u64..400).prop_map(|s| Lengths::OneOf(vec![Duration::from_secs(s), Duration::ZERO])),
    ]
}

prop_compose! {
    fn group()(
        agents in 1u32..6,
        skill in 0u8..3,
        from in 0u64..120,
        length in 1u64..400,
        break_at in 0u64..300,
        spread in 0u64..60,
        answers_after in lengths(),
        declines in 0.0..0.4,
        misses in 0.0..0.4,
    ) -> Group {
        Group {
            name: "group".into(),
            agents,
            settings: AgentSettings { skills: Skills::from([("a".into(), skill)]), ..AgentSettings::default() },
            from: MINUTE * from as u32,
            to: MINUTE * (from + length) as u32,
            breaks: vec![Break { at: MINUTE * break_at as u32, length: 20 * MINUTE, spread: MINUTE * spread as u32 }],
            answers_after,
            declines,
            misses,
        }
    }
}

prop_compose! {
    fn calls()(
        queue in 0u32..2,
        level in 0u8..3,
        priority in 0i32..3,
        even in any::<bool>(),
        rates in prop::collection::vec(0.0..60.0, 4),
        talk in lengths(),
        notes in prop::option::of(lengths()),
        patience in prop_oneof![Just(Lengths::Never), lengths()],
    ) -> Calls {
        let rate = |(hour, calls)| Rate { from: HOUR * hour, to: HOUR * (hour + 1), calls };
        Calls {
            queue: QueueId(queue),
            needs: Need::of_levels(&Skills::from([("a".into(), level)])),
            attributes: Default::default(),
            priority,
            arrivals: if even { Arrivals::Even } else { Arrivals::Poisson },
            rates: (0..).zip(rates).map(rate).collect(),
            talk,
            notes,
            patience,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever the day: offered = exits for every queue and interval, intervals add up to the day, and nobody works more
    /// than the shift and the talk that it ends in.
    #[test]
    fn whoever_came_has_left_when_the_day_is_over(
        groups in prop::collection::vec(group(), 1..4),
        calls in prop::collection::vec(calls(), 1..4),
        send_away in any::<bool>(),
        leave in any::<bool>(),
        max_wait in prop::option::of(10u64..600),
        seed in any::<u64>(),
    ) {
        let queue = QueueSettings {
            max_wait: max_wait.map(Duration::from_secs),
            max_waiting: 20,
            join_unless: InVain { no_agents: leave, ..InVain::default() },
            leave_when: InVain { no_agents: leave, ..InVain::default() },
            ..QueueSettings::default()
        };
        let plan = Plan {
            groups,
            calls,
            queues: vec![queue, QueueSettings { ageing: 0.5, ..QueueSettings::default() }],
            hours: Vec::new(),
            at_closing: if send_away { AtClosing::SendAway } else { AtClosing::Serve },
            interval: 25 * MINUTE,
            ..plain(1, 0.0, "0s", "never", 4 * HOUR)
        };
        let outcomes = Run::new(&plan, seed).finish();
        let mut calls = 0;
        for rows in &outcomes.queues {
            let (day, intervals) = rows.split_last().unwrap();
            prop_assert!(rows.iter().all(|numbers| numbers.counts.offered == numbers.counts.exits.total()));
            prop_assert_eq!(intervals.iter().map(|numbers| numbers.counts.offered).sum::<u64>(), day.counts.offered);
            prop_assert_eq!(intervals.iter().map(|numbers| numbers.waited_micros).sum::<u64>(), day.waited_micros);
            calls += day.counts.offered;
        }
        prop_assert_eq!(calls, outcomes.calls);
        for (group, spent) in plan.groups.iter().zip(&outcomes.groups) {
            let there = spent[plan.intervals()].staffed() + spent[plan.intervals()].away;
            let shifts = (group.to - group.from).as_secs_f64() * f64::from(group.agents);
            prop_assert!(there >= shifts - 1.0, "{} of {}", there, shifts);
        }
        prop_assert_eq!(&outcomes, &Run::new(&plan, seed).finish());
    }
}

/// Seen by people, so read in review: `INSTA_UPDATE=always cargo test --lib sim::forecast`.
#[test]
fn a_report_is_read_at_a_glance() {
    let mut plan = plain(5, 90.0, "exponential 3m", "exponential 2m", 4 * HOUR);
    plan.opens = HOUR;
    plan.interval = 70 * MINUTE;
    plan.calls[0].rates[0].from = HOUR;
    plan.at_closing = AtClosing::SendAway;
    plan.queues.push(QueueSettings { name: "quiet".into(), ..QueueSettings::default() });
    let text = report(&plan, 8).to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!(text);
}

/// Programs read it, so its names stay. Nothing in this day is left to chance, and so to the machine's logarithms.
#[test]
fn a_report_has_the_names_that_programs_know() {
    let mut plan = plain(1, 60.0, "70s", "40s", HOUR);
    plan.interval = 40 * MINUTE;
    plan.calls[0].arrivals = Arrivals::Even;
    insta::assert_snapshot!(serde_json::to_string_pretty(&report(&plan, 2)).unwrap());
}

/// Many intervals and large numbers stay within the columns.
#[test]
fn a_large_day_fits_into_a_hundred_columns() {
    let mut plan = plain(1000, 40_000.0, "exponential 85s", "exponential 2m", 3 * HOUR);
    plan.interval = MINUTE;
    let text = report(&plan, 2).to_string();
    let longest = text.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(longest.chars().count() <= 100, "{longest}");
}

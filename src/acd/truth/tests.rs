//! A little day worked through on paper, and random days (`days`) against a plain recount (`recount`).

mod days;
mod page;
mod recount;

use self::days::Day;
use self::page::Page;
use self::recount::{Mistake, Recount};
use super::*;
use crate::acd::phase::Phase;
use crate::acd::tests::proof::{differences, each_is_found, steps};
use crate::ids::OfferId;
use proptest::prelude::*;

/// Monday, 2026-11-23, 09:00 UTC.
const NINE: u64 = 1_795_424_400;
const SALES: QueueId = QueueId(1);
const ANNA: AgentId = AgentId(1);
const LEVEL: Duration = Duration::from_secs(20);

/// So many seconds after nine.
fn at(secs: u64) -> Time {
    Time::from_secs(NINE + secs)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn ready() -> AgentState {
    AgentState::Ready
}

fn wrap_up() -> AgentState {
    AgentState::WrapUp { until: Time::NEVER }
}

fn talking(entry: u64) -> AgentState {
    AgentState::Talking { entry: EntryId(entry), detail: crate::acd::TalkDetail::Speaking }
}

fn offered() -> AgentState {
    AgentState::Offered { offer: OfferId(0), deadline: Time::NEVER }
}

fn paused(reason: &str) -> AgentState {
    AgentState::Paused { reason: reason.to_owned(), until: None }
}

/// One caller of the little day: when they came, how they left, after how long.
struct Caller {
    came: u64,
    exit: Exit,
    waited: u64,
    /// Talk, hold within it, and wrap-up.
    then: Option<(u64, u64, u64)>,
}

fn caller(came: u64, exit: Exit, waited: u64, then: Option<(u64, u64, u64)>) -> Caller {
    Caller { came, exit, waited, then }
}

/// The service level is 20 s and a short abandon less than 5 s.
///
/// | came | left after | exit | in level | talk | hold | wrap-up |
/// |---|---|---|---|---|---|---|
/// | 09:00:00 | 10 s | answered | yes | 100 s | 20 s | 30 s |
/// | 09:01:00 | 20 s | answered | yes | 60 s | | |
/// | 09:02:00 | 50 s | answered | no | 100 s | | 20 s |
/// | 09:03:00 | 3 s | short abandoned | yes | | | |
/// | 09:04:00 | 15 s | abandoned | yes | | | |
/// | 09:05:00 | 60 s | abandoned | no | | | |
/// | 09:06:00 | 10 s | overflowed | yes | | | |
/// | 09:07:00 | 90 s | overflowed | no | | | |
/// | 09:08:00 | 120 s | timed out | | | | |
/// | 09:14:50 | 100 s | answered | no | 40 s | | 20 s |
/// | 09:14:55 | 15 s | callback | yes | | | |
/// | 09:15:10 | 5 s | answered | yes | 15 s, and goes on | | |
/// | 09:16:00 | | waits | | | | |
fn little_day() -> Truth {
    let callers = [
        caller(0, Exit::Answered, 10, Some((120, 20, 30))),
        caller(60, Exit::Answered, 20, Some((60, 0, 0))),
        caller(120, Exit::Answered, 50, Some((100, 0, 20))),
        caller(180, Exit::ShortAbandoned, 3, None),
        caller(240, Exit::Abandoned, 15, None),
        caller(300, Exit::Abandoned, 60, None),
        caller(360, Exit::Overflowed, 10, None),
        caller(420, Exit::Overflowed, 90, None),
        caller(480, Exit::TimedOut, 120, None),
        caller(890, Exit::Answered, 100, Some((40, 0, 20))),
        caller(895, Exit::Callback, 15, None),
        caller(910, Exit::Answered, 5, Some((1_000_000, 0, 0))),
        caller(960, Exit::SystemFault, 1_000_000, None),
    ];
    // What happens, in the order of time; each caller has an agent of their own.
    let mut events: Vec<(u64, usize, u8)> = Vec::new();
    for (who, caller) in callers.iter().enumerate() {
        events.push((caller.came, who, 0));
        events.push((caller.came + caller.waited, who, 1));
        if let Some((talk, hold, wrap_up)) = caller.then {
            let began = caller.came + caller.waited;
            events.push((began + 5, who, 2));
            events.push((began + 5 + hold, who, 3));
            events.push((began + talk, who, 4));
            events.push((began + talk + wrap_up, who, 5));
        }
    }
    events.sort_unstable_by_key(|(when, who, what)| (*when, *what, *who));
    let mut truth = Truth::default();
    for (when, who, what) in events.into_iter().filter(|(when, ..)| *when < 1_500) {
        let caller = &callers[who];
        let (now, came) = (at(when), at(caller.came));
        let (entry, agent) = (EntryId(who as u64), AgentId(who as u32));
        match what {
            0 => truth.arrived(now, SALES),
            1 => {
                truth.exited(SALES, came, caller.exit, secs(caller.waited), LEVEL);
                if caller.then.is_some() {
                    truth.talk_began(now, entry, agent, SALES, came, false);
                    truth.agent_is(now, agent, &talking(entry.0));
                }
            }
            2 | 3 => truth.held(now, entry, what == 2),
            4 => {
                truth.talk_ended(now, entry);
                truth.agent_is(now, agent, &wrap_up());
            }
            _ => truth.agent_is(now, agent, &ready()),
        }
        assert_eq!(truth.imbalance(), None);
    }
    truth
}

#[test]
fn the_little_day_comes_out_as_on_paper() {
    let truth = little_day();
    let [first, second] = truth.intervals(SALES).collect::<Vec<_>>()[..] else { panic!("two quarters") };
    assert_eq!((first.begin, second.begin), (at(0), at(900)));

    // Who came in the first quarter: 11, all gone, also who left it in the second.
    let counts = &first.counts;
    assert_eq!((counts.offered, counts.waiting, counts.exits.total()), (11, 0, 11));
    let exits: Vec<(Exit, u64)> = counts.exits.iter().collect();
    assert_eq!(
        exits,
        [
            (Exit::Answered, 4),
            (Exit::Abandoned, 2),
            (Exit::ShortAbandoned, 1),
            (Exit::Overflowed, 2),
            (Exit::TimedOut, 1),
            (Exit::Callback, 1),
        ]
    );
    // Abandons: 3 of 11; without the short one 2 of 10. Their waits: 3 + 15 + 60 = 78 s, by 3: 26 s.
    assert_eq!(counts.abandon_rate(), Some(3.0 / 11.0));
    assert_eq!(counts.abandon_rate_without_short(), Some(0.2));
    assert_eq!(counts.average_time_to_abandon(), Some(secs(26)));
    // 10 + 20 + 50 + 100 = 180 s, by 4: 45 s. The 120 s of the timed out are neither an answer nor an abandon.
    assert_eq!(counts.average_speed_of_answer(), Some(secs(45)));
    assert_eq!(counts.longest_wait(), secs(100));
    // (100 + 20 + 30) + 60 + (100 + 20) + (40 + 20) = 390 s, by 4: 97.5 s.
    assert_eq!((counts.handled, counts.in_hand), (4, 0));
    assert_eq!((counts.talk_micros, counts.hold_micros, counts.wrap_up_micros), (300_000_000, 20_000_000, 70_000_000));
    assert_eq!(counts.average_handling_time(), Some(Duration::from_millis(97_500)));

    // The second quarter: one talks, one waits.
    let counts = &second.counts;
    assert_eq!((counts.offered, counts.waiting, counts.answered(), counts.in_hand), (2, 1, 1, 1));
    assert_eq!(counts.average_handling_time(), None);

    // The day: 13 came, 12 left; longest wait as before; (180 + 5) s by 5: 37 s.
    let day = truth.total(SALES);
    assert_eq!((day.offered, day.waiting, day.exits.total()), (13, 1, 12));
    assert_eq!(day.average_speed_of_answer(), Some(secs(37)));
    assert_eq!(truth.between(SALES, at(0), at(1_800)), day);
    assert_eq!(truth.between(SALES, at(1), at(900)), Counts::default());
}

#[test]
fn the_six_service_levels_differ_by_whom_they_leave_out() {
    // First quarter: answered in level 2 (10 s, 20 s) of 4. Abandoned in level 2 (3 s, 15 s) of 3, short 1. Moved on in
    // level 2 (overflow after 10 s, callback after 15 s), so 9 of 11 are due.
    let truth = little_day();
    let counts = truth.intervals(SALES).next().expect("the first quarter").counts;
    let fractions = ServiceLevel::ALL.map(|formula| formula.fraction(&counts));
    assert_eq!(fractions, [(2, 9), (2, 8), (2, 7), (2, 4), (4, 9), (3, 9)]);
    assert_eq!(ServiceLevel::AbandonsAgainst.of(&counts), Some(2.0 / 9.0));
    assert_eq!(ServiceLevel::AnsweredOnly.of(&counts), Some(0.5));
}

#[test]
fn the_example_of_icmi_gives_icmis_five_answers() {
    // Queue Tip "Service Level Calculations": 1,000 answered, 860 of them in level; 60 abandoned, 20 of them in level
    // and 10 of those soon. By formula 1 to 5: 83 %, 86 %, 81 %, 83 %, 82 %.
    let mut counts = Counts { answered_in_level: 860, abandoned_in_level: 20, ..Counts::default() };
    counts.exits.add(Exit::Answered, 1_000);
    counts.exits.add(Exit::Abandoned, 50);
    counts.exits.add(Exit::ShortAbandoned, 10);
    let percent = |formula: ServiceLevel| (formula.of(&counts).expect("somebody came") * 100.0).round() as u32;
    assert_eq!(percent(ServiceLevel::AbandonsInLevelFor), 83);
    assert_eq!(percent(ServiceLevel::AnsweredOnly), 86);
    assert_eq!(percent(ServiceLevel::AbandonsAgainst), 81);
    assert_eq!(percent(ServiceLevel::AbandonsInLevelIgnored), 83);
    assert_eq!(percent(ServiceLevel::ShortAbandonsFor), 82);
    assert_eq!(ServiceLevel::ShortAbandonsIgnored.fraction(&counts), (860, 1_050));
}

#[test]
fn each_exit_has_its_place_in_the_service_levels() {
    use ServiceLevel::*;
    for exit in Exit::ALL {
        for (waited, in_level) in [(20, true), (21, false)] {
            let mut truth = Truth::default();
            truth.arrived(at(0), SALES);
            truth.exited(SALES, at(0), exit, secs(waited), LEVEL);
            let counts = truth.total(SALES);
            let against = AbandonsAgainst.fraction(&counts);
            let ignored = AbandonsInLevelIgnored.fraction(&counts);
            let short = ShortAbandonsIgnored.fraction(&counts);
            let expected = match (Kind::of(exit), in_level) {
                (Kind::Answered, true) => [(1, 1); 3],
                (Kind::Answered | Kind::LetDown, _) => [(0, 1); 3],
                (Kind::Moved, in_level) => [(0, u64::from(!in_level)); 3],
                (Kind::Abandoned, _) => [(0, 1), (0, u64::from(!in_level)), (0, u64::from(exit == Exit::Abandoned))],
            };
            assert_eq!([against, ignored, short], expected, "{exit:?} after {waited} s");
        }
    }
}

#[test]
fn where_nobody_counts_there_is_no_figure() {
    let counts = Counts::default();
    assert!(ServiceLevel::ALL.iter().all(|formula| formula.of(&counts).is_none()));
    assert_eq!((counts.abandon_rate(), counts.average_speed_of_answer()), (None, None));
    assert_eq!((counts.average_handling_time(), counts.average_time_to_abandon()), (None, None));
    let figures = Truth::default().agent(ANNA, at(0), 0);
    assert_eq!((figures.occupancy(), figures.utilisation()), (None, None));
}

/// Anna's morning:
///
/// | from | state | | from | state |
/// |---|---|---|---|---|
/// | 08:00:00 | ready | | 08:21:20 | ready |
/// | 08:10:00 | offered | | 08:30:00 | paused: lunch |
/// | 08:10:10 | talking | | 09:00:00 | ready |
/// | 08:13:10 | wrap-up | | 09:05:00 | a call of her own |
/// | 08:13:40 | ready | | 09:10:00 | ready |
/// | 08:20:00 | offered | | 09:20:00 | offline |
/// | 08:20:20 | paused: no answer | | | |
fn annas_morning() -> Truth {
    let mut truth = Truth::default();
    let clock = |hour: u64, minute: u64, second: u64| at(hour * 3_600 + minute * 60 + second) - secs(9 * 3_600);
    let is = |truth: &mut Truth, when: Time, state: AgentState| truth.agent_is(when, ANNA, &state);
    is(&mut truth, clock(8, 0, 0), ready());
    truth.arrived(clock(8, 10, 0), SALES);
    is(&mut truth, clock(8, 10, 0), offered());
    truth.offer_ended(clock(8, 10, 10), ANNA, Outcome::Accepted);
    truth.exited(SALES, clock(8, 10, 0), Exit::Answered, secs(10), LEVEL);
    truth.talk_began(clock(8, 10, 10), EntryId(1), ANNA, SALES, clock(8, 10, 0), false);
    is(&mut truth, clock(8, 10, 10), talking(1));
    truth.talk_ended(clock(8, 13, 10), EntryId(1));
    is(&mut truth, clock(8, 13, 10), wrap_up());
    is(&mut truth, clock(8, 13, 40), ready());
    is(&mut truth, clock(8, 20, 0), offered());
    truth.offer_ended(clock(8, 20, 20), ANNA, Outcome::NoAnswer);
    is(&mut truth, clock(8, 20, 20), paused("no answer"));
    is(&mut truth, clock(8, 21, 20), ready());
    is(&mut truth, clock(8, 30, 0), paused("lunch"));
    is(&mut truth, clock(9, 0, 0), ready());
    is(&mut truth, clock(9, 5, 0), AgentState::Busy);
    is(&mut truth, clock(9, 10, 0), ready());
    is(&mut truth, clock(9, 20, 0), AgentState::Offline);
    truth
}

#[test]
fn an_agents_morning_comes_out_as_on_paper() {
    let truth = annas_morning();
    let anna = truth.agent(ANNA, at(1_800), 0);
    assert_eq!((anna.calls, anna.no_answer, anna.declined, anna.offers()), (1, 1, 0, 2));
    // Ready 10:00 + 6:20 + 8:40 + 5:00 + 10:00 = 40:00; ringing 0:10 + 0:20.
    let spent = |phase| anna.spent(phase).as_secs();
    assert_eq!((spent(Phase::Ready), spent(Phase::Offered)), (2_400, 30));
    assert_eq!((spent(Phase::Talking), spent(Phase::WrapUp), spent(Phase::Busy)), (180, 30, 300));
    assert_eq!(spent(Phase::Paused), 1_860);
    assert_eq!(anna.paused().collect::<Vec<_>>(), [("lunch", secs(1_800)), ("no answer", secs(60))]);
    assert_eq!(anna.logged_in(), secs(80 * 60));
    // Work 30 + 180 + 30 = 240 s. Occupancy 240 of 240 + 2,400; utilisation (240 + 300) of 4,800.
    assert_eq!(anna.occupancy(), Some(240.0 / 2_640.0));
    assert_eq!(anna.utilisation(), Some(540.0 / 4_800.0));
    assert_eq!(truth.agent_lifetime(ANNA, at(1_800)), anna);
}

#[test]
fn a_state_that_is_on_counts_as_far_as_it_has_gone() {
    let mut truth = Truth::default();
    truth.agent_is(at(0), ANNA, &ready());
    truth.agent_is(at(60), ANNA, &paused("lunch"));
    let anna = truth.agent(ANNA, at(100), 0);
    assert_eq!((anna.spent(Phase::Ready), anna.spent(Phase::Paused)), (secs(60), secs(40)));
    assert_eq!(anna.paused().next(), Some(("lunch", secs(40))));
}

#[test]
fn what_goes_on_past_midnight_is_cut_there() {
    // The day begins at 23:00 UTC: midnight in Stockholm in winter. Ready from 22:30, talking from 22:50, until 23:20.
    let mut truth = Truth::new(Settings { day_begins: secs(23 * 3_600), ..Settings::default() });
    let clock = |hour: u64, minute: u64| at(hour * 3_600 + minute * 60) - secs(9 * 3_600);
    truth.agent_is(clock(22, 30), ANNA, &ready());
    truth.talk_began(clock(22, 50), EntryId(1), ANNA, SALES, clock(22, 50), false);
    truth.agent_is(clock(22, 50), ANNA, &talking(1));
    // Asked while it goes on, and after something else was counted in the new day.
    let asked = |truth: &Truth, ago| {
        let anna = truth.agent(ANNA, clock(23, 20), ago);
        (anna.spent(Phase::Ready).as_secs() / 60, anna.spent(Phase::Talking).as_secs() / 60, anna.calls)
    };
    assert_eq!((asked(&truth, 0), asked(&truth, 1)), ((0, 20, 0), (20, 10, 1)));
    truth.offer_ended(clock(23, 20), ANNA, Outcome::Declined);
    assert_eq!((asked(&truth, 0), asked(&truth, 1)), ((0, 20, 0), (20, 10, 1)));
    assert_eq!(truth.agent(ANNA, clock(23, 20), 0).declined, 1);
}

#[test]
fn days_that_are_not_kept_live_on_in_the_sum() {
    let mut truth = Truth::default();
    for day in 0..5 {
        truth.agent_is(at(day * 86_400), ANNA, &paused(&format!("reason {day}")));
        truth.agent_is(at(day * 86_400 + 600), ANNA, &AgentState::Offline);
    }
    let now = at(4 * 86_400 + 700);
    let minutes = |days_ago| truth.agent(ANNA, now, days_ago).logged_in().as_secs() / 60;
    assert_eq!([0, 1, 2].map(minutes), [10, 10, 0]);
    let sum = truth.agent_lifetime(ANNA, now);
    assert_eq!((sum.logged_in(), sum.paused().count()), (secs(3_000), 5));
}

#[test]
fn the_first_pause_reasons_have_a_sum_each_and_the_rest_one() {
    let mut truth = Truth::default();
    for second in 0..100 {
        truth.agent_is(at(second), ANNA, &paused(&format!("{second:03}")));
    }
    let anna = truth.agent(ANNA, at(100), 0);
    assert_eq!(anna.paused().count(), REASONS_MAX + 1);
    assert_eq!(anna.paused().last(), Some((OTHER, secs(100 - REASONS_MAX as u64))));
}

#[test]
fn a_call_of_ones_own_does_not_end_the_wrap_up_and_a_pause_does() {
    let mut truth = Truth::default();
    truth.arrived(at(0), SALES);
    truth.exited(SALES, at(0), Exit::Answered, secs(0), LEVEL);
    truth.talk_began(at(0), EntryId(1), ANNA, SALES, at(0), false);
    truth.agent_is(at(0), ANNA, &talking(1));
    truth.talk_ended(at(10), EntryId(1));
    truth.agent_is(at(10), ANNA, &wrap_up());
    truth.agent_is(at(20), ANNA, &AgentState::Busy);
    truth.agent_is(at(50), ANNA, &wrap_up());
    assert_eq!(truth.total(SALES).in_hand, 1);
    truth.agent_is(at(55), ANNA, &paused("tea"));
    let counts = truth.total(SALES);
    assert_eq!((counts.handled, counts.wrap_up_micros), (1, 15_000_000));
}

#[test]
fn old_intervals_are_summed_and_who_came_in_them_still_exits() {
    let mut truth = Truth::new(Settings { intervals_kept: 2, ..Settings::default() });
    truth.arrived(at(0), SALES);
    truth.arrived(at(900), SALES);
    truth.arrived(at(1_800), SALES);
    let begins: Vec<Time> = truth.intervals(SALES).map(|interval| interval.begin).collect();
    assert_eq!(begins, [at(900), at(1_800)]);
    assert_eq!(truth.older(SALES).waiting, 1);
    truth.exited(SALES, at(0), Exit::Abandoned, secs(1_800), LEVEL);
    let older = truth.older(SALES);
    assert_eq!((older.offered, older.waiting, older.abandoned()), (1, 0, 1));
    assert_eq!(truth.imbalance(), None);
    // Intervals without arrivals take no place, and push out by the clock all the same.
    truth.arrived(at(100_000), SALES);
    assert_eq!((truth.intervals(SALES).count(), truth.older(SALES).offered), (1, 3));
}

#[test]
fn what_does_not_add_up_is_named() {
    let good = little_day();
    let begin = at(900);
    let breaks = |break_it: fn(&mut Book)| {
        let mut truth = good.clone();
        break_it(truth.queues.get_mut(&SALES).expect("it is there"));
        truth.imbalance().expect("broken").to_string()
    };
    let interval = format!("queue-1, interval of {begin}: not so: ");
    assert_eq!(breaks(|book| book.intervals[1].counts.offered += 1), format!("{interval}offered = exits + waiting"));
    assert_eq!(breaks(|book| book.intervals[1].counts.handled += 1), format!("{interval}answered = handled + in hand"));
    assert_eq!(breaks(|book| book.older.waiting += 1), "queue-1, older intervals: not so: offered = exits + waiting");
    let sums = "queue-1, total: not so: the intervals and the older make up the total";
    assert_eq!(breaks(|book| book.total.talk_micros += 1), sums);
    let in_level: [fn(&mut Book); 3] = [
        |book| book.total.answered_in_level += 100,
        |book| book.total.abandoned_in_level += 100,
        |book| book.total.moved_in_level += 100,
    ];
    for break_it in in_level {
        assert!(breaks(break_it).contains("in level"));
    }
}

#[test]
fn what_is_written_is_read_back() {
    for truth in [little_day(), annas_morning()] {
        let text = serde_json::to_string(&truth).expect("plain data");
        assert_eq!(serde_json::from_str::<Truth>(&text).expect("as written"), truth);
    }
}

/// The counts of a day, and every figure at each question with what was told up to it.
fn counted(day: &Day) -> (Truth, Vec<(usize, Page)>) {
    let mut truth = Truth::new(day.settings.clone());
    let (mut pages, mut before) = (Vec::new(), Vec::new());
    for (index, (now, told)) in day.told.iter().enumerate() {
        told.to(&mut truth, *now);
        if matches!(told, days::Told::Asked) {
            pages.push((index + 1, page::of_truth(&truth, *now, &mut before)));
        }
    }
    (truth, pages)
}

/// Whether the random days that agree with the recount would find a mistake, each by itself.
#[test]
fn every_mistake_makes_a_day_that_differs() {
    let days: Vec<Day> = (0..60).map(|seed| Day::of(steps(seed).take(300))).collect();
    let pages: Vec<_> = days.iter().map(|day| counted(day).1).collect();
    each_is_found(Mistake::ALL, |mistake| {
        days.iter().zip(&pages).any(|(day, pages)| {
            let recount = Recount { settings: &day.settings, mistake };
            pages.iter().any(|(told, page)| recount.page(&day.told[..*told]) != *page)
        })
    });
}

proptest! {
    #[test]
    fn a_random_day_is_counted_as_it_is_recounted(steps in prop::collection::vec(any::<[u8; 4]>(), 0..300)) {
        let day = Day::of(steps);
        let (truth, pages) = counted(&day);
        let recount = Recount { settings: &day.settings, mistake: None };
        for (told, page) in pages {
            let differ = differences(&page, &recount.page(&day.told[..told]));
            prop_assert!(differ.is_empty(), "{differ}after {:#?}", &day.told[..told]);
        }
        let text = serde_json::to_string(&truth).expect("plain data");
        prop_assert_eq!(serde_json::from_str::<Truth>(&text).expect("as written"), truth);
    }

    /// Whatever happens, the laws hold, and no total goes down.
    #[test]
    fn every_word_of_a_random_day_leaves_it_balanced(steps in prop::collection::vec(any::<[u8; 4]>(), 0..200)) {
        let day = Day::of(steps);
        let mut truth = Truth::new(day.settings);
        let mut before = BTreeMap::<QueueId, Counts>::new();
        for (now, told) in day.told {
            told.to(&mut truth, now);
            prop_assert_eq!(truth.imbalance(), None);
            for queue in truth.queues() {
                let (total, was) = (truth.total(queue), before.get(&queue).copied().unwrap_or_default());
                prop_assert!(total.offered >= was.offered && total.handled >= was.handled);
                prop_assert!(Exit::ALL.iter().all(|exit| total.exits.of(*exit) >= was.exits.of(*exit)));
                before.insert(queue, total);
            }
        }
    }

    /// Whatever an agent does, each moment of the time logged in is spent on one thing and in one day.
    #[test]
    fn an_agents_time_is_spent_once(steps in prop::collection::vec((0u64..50_000, 0usize..5), 1..40)) {
        let states = [ready(), paused("tea"), AgentState::Busy, AgentState::Offline, wrap_up()];
        let mut truth = Truth::new(Settings { days_kept: 100, ..Settings::default() });
        let (mut now, mut logged_in, mut on) = (at(0), Duration::ZERO, false);
        for (seconds, state) in steps {
            now += secs(seconds);
            logged_in += secs(if on { seconds } else { 0 });
            on = state != 3;
            truth.agent_is(now, ANNA, &states[state]);
            let days: Vec<Figures> = (0..50).map(|ago| truth.agent(ANNA, now, ago)).collect();
            prop_assert!(days.iter().all(|day| day.logged_in() <= secs(86_400)));
            prop_assert!(days.iter().all(|day| day.paused().map(|(_, spent)| spent).sum::<Duration>() == day.spent(Phase::Paused)));
            prop_assert_eq!(days.iter().map(Figures::logged_in).sum::<Duration>(), logged_in);
            prop_assert_eq!(truth.agent_lifetime(ANNA, now).logged_in(), logged_in);
        }
    }
}

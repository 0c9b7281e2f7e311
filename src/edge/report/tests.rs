//! Figures worked out by hand, of journals as the service writes them.

use super::*;
use crate::acd::{Acd, AgentSettings, Arrival, Change, Exit, Kind, Outcome, QueueSettings};
use crate::config::{Every, Given, load};
use crate::edge::journal::testing::{ANNA, NINE, SALES, at, day, run, stream, write};
use crate::edge::testing::Folder;
use crate::engine::Settings;
use crate::flow;
use crate::ids::{EntryId, OfferId};
use crate::record::contact::Wait;
use crate::sim::day::{Day, Habits};
use crate::sim::world::Network;
use crate::time::Duration;
use jiff::civil::date;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn today(every: Every) -> Asked<'static> {
    Asked { every, ..Asked::default() }
}

/// A caller each hour from nine on, who waits 10 s, talks 60 s and is noted down for 10 s, all by anna; and one who hangs up after 2 s at
/// a quarter past.
fn hours(count: u64) -> Vec<(u64, Change)> {
    let queue = QueueSettings { name: "sales".into(), ..QueueSettings::default() };
    let settings = AgentSettings { name: "anna".into(), wrap_up: Duration::from_secs(10), ..AgentSettings::default() };
    let arrive = |seconds, entry| {
        let arrival = Arrival { queue: SALES, since: at(seconds), ..Arrival::default() };
        (seconds, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
    };
    let mut events = vec![
        (0, Change::Queue { id: SALES, settings: queue }),
        (0, Change::Agent { id: ANNA, settings }),
        (0, Change::LoggedIn { agent: ANNA }),
    ];
    for hour in 0..count {
        let (begin, offer, entry) = (hour * HOUR, 2 * hour + 1, 2 * hour + 1);
        events.extend([
            arrive(begin, entry),
            (begin + 10, Change::OfferEnded { offer: OfferId(offer), outcome: Outcome::Accepted }),
            (begin + 70, Change::TalkEnded { entry: EntryId(entry), broke: false }),
            arrive(begin + 900, entry + 1),
            (begin + 902, Change::Leave { entry: EntryId(entry + 1), exit: Exit::Abandoned }),
        ]);
    }
    events
}

fn of_hours(count: u64, asked: &Asked<'_>, now: u64) -> anyhow::Result<Report> {
    let folder = Folder::new();
    write(folder.path(), hours(count));
    of(folder.path(), asked, true, at(now), &TimeZone::UTC)
}

/// By hand, at 76 s: anna was ready 4 s (until she called somebody) and rung 20 s; cecilia ready 1 s, rung 5 s and talked 1 s; bo was ready
/// 74 s. So 26 s of 105 were occupied.
#[test]
fn a_day_is_told_by_queue_interval_and_agent() {
    let folder = Folder::new();
    write(folder.path(), day());
    let report = of(folder.path(), &today(Every::Quarter), true, at(76), &TimeZone::UTC).unwrap();
    let shown = text::text(&report);
    let expected = "\
2026-11-23 00:00 to 2026-11-23 09:01; the journal begins 2026-11-23 09:00
(!) the journal begins at 2026-11-23 09:00:00: of what was before, not everything is known

callers
       offered  answered  in time  hung up       short  others  wait  longest  AHT  talk  hold  wrap-up
                                %             %                    s        s    s     s     s        s
sales        1         1      0.0        0  0.0      0       0  65.0     65.0    –     –     –        –

service levels, in %: who hung up left out (without) or as good as answered (with)
              of all  without  without        of     with   with
                        short  in time  answered  in time  short
sales in 20s     0.0      0.0      0.0       0.0      0.0    0.0

queue sales
       offered  answered  in 20s  hung up       short  others  wait  longest  AHT  talk  hold  wrap-up
                               %             %                    s        s    s     s     s        s
09:00        1         1     0.0        0  0.0      0       0  65.0     65.0    –     –     –        –
sum          1         1     0.0        0  0.0      0       0  65.0     65.0    –     –     –        –
not final: 0 still waiting, 1 still in talk or wrap-up

agents
       logged in  occupied  ready  rung  talk  tasks  wrap-up  paused  other  calls  declined  missed
             min         %    min   min   min    min      min     min    min
09:00        3.7      24.8    1.3   0.4   0.0    0.0      0.0     1.4    0.6      1         0       1
sum          3.7      24.8    1.3   0.4   0.0    0.0      0.0     1.4    0.6      1         0       1

         logged in  occupied  ready  rung  talk  tasks  wrap-up  paused  other  calls  declined  missed
               min         %    min   min   min    min      min     min    min
anna           1.2      83.3    0.1   0.3   0.0    0.0      0.0     0.3    0.6      0         0       1
bo             1.2       0.0    1.2   0.0   0.0    0.0      0.0     0.0    0.0      0         0       0
cecilia        1.2      85.7    0.0   0.1   0.0    0.0      0.0     1.1    0.0      1         0       0
";
    assert_eq!(shown, expected, "\n{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 110), "{shown}");
    assert_eq!(report.agents.each[2].paused_seconds, [("lunch".to_owned(), 66.0)].into());
}

#[test]
fn callers_count_when_they_came_and_agents_time_when_it_was_spent() {
    let asked = Asked { day: Some(date(2026, 11, 24)), ..today(Every::Hour) };
    let report = of_hours(100, &asked, 100 * HOUR).unwrap();
    assert_eq!(report.doubts, [""; 0]);
    let sales = &report.queues[0].calls;
    assert_eq!((sales.total.offered, sales.total.answered, sales.total.short_abandoned), (48, 24, 24));
    assert_eq!((sales.total.waiting, sales.total.in_hand, sales.intervals.len()), (0, 0, 24));
    for interval in &sales.intervals {
        let row = &interval.row;
        assert_eq!((row.offered, row.wait_seconds, row.handling_seconds), (2, Some(10.0), Some(70.0)), "{interval:?}");
        assert_eq!((row.talk_seconds, row.hold_seconds, row.wrap_up_seconds), (Some(60.0), Some(0.0), Some(10.0)));
    }
    // Rung 10 s and 2 s, talking 60 s and wrapping up 10 s in each hour.
    let occupancy = |spent: &Spent| (spent.occupancy.unwrap() * 3600.0).round();
    let anna = &report.agents.each[0];
    assert_eq!((anna.spent.calls, anna.spent.logged_in_seconds, occupancy(&anna.spent)), (24, DAY as f64, 82.0));
    assert_eq!(report.agents.all.intervals.len(), 24);
    assert!(report.agents.all.intervals.iter().all(|interval| occupancy(&interval.row) == 82.0), "{report:?}");
    assert_eq!(report.agents.all.total.occupancy, anna.spent.occupancy);
}

#[test]
fn several_days_are_the_sum_of_each() {
    let (from, to) = ("2026-11-23T00:00", "2026-11-28T00:00");
    let asked = Asked { from: Some(from), to: Some(to), ..today(Every::HalfHour) };
    let report = of_hours(100, &asked, 200 * HOUR).unwrap();
    assert_eq!((report.all.offered, report.all.answered), (200, 100));
    assert_eq!(report.queues[0].calls.intervals.iter().map(|interval| interval.row.offered).sum::<u64>(), 200);
    assert_eq!(report.agents.all.total.calls, 100);
    assert_eq!(report.doubts.len(), 1, "{:?}", report.doubts);
    assert!(report.doubts[0].starts_with("the journal begins at 2026-11-23 09:00:00"), "{:?}", report.doubts);
}

/// Five of the six formulas need somebody below the line.
#[test]
fn what_nobody_had_is_no_figure() {
    let asked = Asked { from: Some("09:15"), to: Some("09:30"), ..today(Every::Quarter) };
    let json = serde_json::to_value(of_hours(1, &asked, HOUR).unwrap()).unwrap();
    let calls = &json["queues"][0]["calls"]["total"];
    for figure in ["wait_seconds", "handling_seconds", "talk_seconds", "hold_seconds", "wrap_up_seconds"] {
        assert!(calls[figure].is_null(), "{figure}: {calls}");
    }
    assert_eq!((&calls["abandoned_share"], &calls["abandoned_share_without_short"]), (&1.0.into(), &().into()));
    let levels = &calls["service_levels"];
    assert_eq!((&levels["abandons_against"], &levels["short_abandons_ignored"]), (&0.0.into(), &().into()));
    assert_eq!((&levels["answered_only"], &levels["short_abandons_for"]), (&().into(), &1.0.into()));
    let asked = Asked { from: Some("09:30"), to: Some("09:45"), ..today(Every::Quarter) };
    let report = of_hours(1, &asked, HOUR).unwrap();
    let text = text::text(&report);
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let sales: Vec<_> = text.lines().filter(|line| line.starts_with("sales ")).map(cells).collect();
    assert_eq!(sales[0], ["sales", "0", "0", "–", "0", "–", "0", "0", "–", "–", "–", "–", "–", "–"], "{text}");
    assert_eq!(sales[1], ["sales", "in", "20s", "–", "–", "–", "–", "–", "–"], "{text}");
    assert!(!text.contains("queue sales"), "{text}");
}

#[test]
fn what_is_damaged_is_said_and_the_next_snapshot_goes_on() {
    let folder = Folder::new();
    write(folder.path(), hours(30));
    let files = std::fs::read_dir(journal::folder(folder.path())).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "events")).collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[4]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segments[4], bytes).unwrap();
    let asked = Asked { day: Some(date(2026, 11, 23)), ..today(Every::Hour) };
    let report = of(folder.path(), &asked, true, at(30 * HOUR), &TimeZone::UTC).unwrap();
    assert_eq!(report.doubts.len(), 2, "{:?}", report.doubts);
    assert!(report.doubts[1].contains("is damaged at byte") && report.doubts[1].ends_with("the next snapshot goes on"));
    // Until midnight, what was in the gap included.
    assert_eq!((report.all.offered, report.agents.all.total.calls), (30, 15));
    assert_eq!(report.agents.each[0].spent.logged_in_seconds, 15.0 * HOUR as f64);
}

/// Whoever is rung beside it, and however long it may wait: a task is in no figure of callers.
#[test]
fn tasks_are_told_apart() {
    let settings = AgentSettings { name: "anna".into(), tasks: 1, ..AgentSettings::default() };
    let arrival = Arrival { queue: SALES, since: at(10), kind: Kind::Task, ..Arrival::default() };
    let mut events = hours(0);
    events.extend([
        (1, Change::Agent { id: ANNA, settings }),
        (10, Change::Arrive { entry: EntryId(1), arrival: Box::new(arrival) }),
        (25, Change::OfferEnded { offer: OfferId(1), outcome: Outcome::Accepted }),
        (325, Change::TalkEnded { entry: EntryId(1), broke: false }),
        (400, Change::Tick),
    ]);
    let folder = Folder::new();
    write(folder.path(), events);
    let report = of(folder.path(), &today(Every::Quarter), true, at(400), &TimeZone::UTC).unwrap();
    let sales = &report.queues[0];
    let tasks = &sales.tasks.as_ref().unwrap().total;
    assert_eq!((sales.calls.total.offered, report.all.offered), (0, 0));
    assert_eq!((tasks.offered, tasks.answered_in_level, tasks.handled), (1, 1, 1));
    assert_eq!((tasks.wait_seconds, tasks.handling_seconds), (Some(15.0), Some(300.0)));
    assert_eq!(report.agents.each[0].spent.spent_seconds["working"], 300.0);
    let text = text::text(&report);
    assert!(text.contains("\nqueue sales, tasks\n") && !text.contains("\nqueue sales\n"), "{text}");
}

/// Of the first snapshot nothing can be used.
#[test]
fn what_was_before_the_first_good_snapshot_is_not_made_up() {
    let folder = Folder::new();
    write(folder.path(), hours(3));
    let files = std::fs::read_dir(journal::folder(folder.path())).unwrap().map(|file| file.unwrap().path());
    let first = files.filter(|path| path.extension().is_some_and(|end| end == "snapshot")).min().unwrap();
    std::fs::write(first, "no snapshot\n").unwrap();
    let asked = Asked { from: Some("09:00"), to: Some("11:00"), ..today(Every::Hour) };
    let report = of(folder.path(), &asked, true, at(2 * HOUR + 902), &TimeZone::UTC).unwrap();
    assert!(report.doubts[0].contains("cannot be used"), "{:?}", report.doubts);
    assert_eq!(report.doubts[1], "of the time of agents before 10:00:00 nothing is known", "{:?}", report.doubts);
    // Callers are known from the snapshots after it; the time of agents from there on.
    assert_eq!((report.all.offered, report.agents.all.total.logged_in_seconds), (4, HOUR as f64));
}

#[test]
fn when_vaxel_did_not_run_is_said() {
    let mut events = hours(2);
    let end = HOUR + 902;
    events.push((end, Change::LoggedOut { agent: ANNA, down: true }));
    events.push((20 * HOUR, Change::WasDown { since: at(end) }));
    let folder = Folder::new();
    write(folder.path(), events);
    let asked = Asked { day: Some(date(2026, 11, 23)), ..today(Every::Hour) };
    let report = of(folder.path(), &asked, true, at(20 * HOUR), &TimeZone::UTC).unwrap();
    assert_eq!(report.doubts[1], "no vaxel ran from 10:15:02 at the earliest to 2026-11-24 05:00:00");
    assert_eq!(report.agents.each[0].spent.logged_in_seconds, end as f64);
    let folder = Folder::new();
    write(folder.path(), hours(2));
    let report = of(folder.path(), &today(Every::Hour), false, at(5 * HOUR), &TimeZone::UTC).unwrap();
    assert_eq!(report.doubts[1], "no vaxel runs now; shown is what was known until 10:15:02");
    assert_eq!(report.until, "2026-11-23T10:15:02+00:00");
    assert_eq!(report.agents.each[0].spent.logged_in_seconds, end as f64);
}

#[test]
fn what_cannot_be_told_says_what_to_do() {
    let error = |asked: Asked<'_>| of_hours(3, &asked, 3 * HOUR).unwrap_err().to_string();
    let day = |day: i8| Asked { day: Some(date(2026, 11, day)), ..Asked::default() };
    let span = |from, to| Asked { from: Some(from), to: Some(to), ..Asked::default() };
    for (asked, part) in [
        (day(24), "2026-11-24 00:00:00 is still to come"),
        (day(22), "begins at 2026-11-23 09:00:00; ask for a later time"),
        (span("10:00", "09:00"), "2026-11-23 10:00:00 is not before 2026-11-23 09:00:00"),
        (span("09:00", "soon"), "`soon` is no time; write it as"),
        (span("09:07", "11:00"), "instead of 2026-11-23 09:07:00 write 2026-11-23 09:00:00 or 2026-11-23 09:15:00"),
        (span("2026-10-01", "2026-11-02T00:00:01"), "is more than 32 days; ask for less at once"),
        (Asked { queue: Some("slaes"), ..Asked::default() }, "no queue `slaes` then; there was: sales"),
    ] {
        let error = error(asked);
        assert!(error.contains(part), "{asked:?}: {error}");
    }
    assert!(of_hours(3, &span("2026-10-23", "2026-11-24"), 3 * HOUR).is_ok(), "so long is not too long");
    let folder = Folder::new();
    let none = of(folder.path(), &Asked::default(), true, at(HOUR), &TimeZone::UTC).unwrap_err().to_string();
    assert!(none.contains("there is no journal in"), "{none}");
}

/// Intervals are those of the clock, wherever the first begins, and there is no time that is in none or in two.
#[test]
fn intervals_follow_the_clock() {
    let zone = TimeZone::get("Asia/Kolkata").unwrap();
    let asked = Asked { from: Some("09:15"), to: Some("12:00"), ..today(Every::Hour) };
    let now = Time::from_secs(NINE) + Duration::from_secs(6 * HOUR);
    let bounds = asked.span(now, &zone).unwrap().bounds(&zone);
    let shown: Vec<String> = bounds.iter().map(|at| crate::edge::moment::show(*at, &zone)[11..16].to_owned()).collect();
    assert_eq!(shown, ["09:15", "10:00", "11:00", "12:00"]);
    let stockholm = TimeZone::get("Europe/Stockholm").unwrap();
    for (day, hours) in [(date(2026, 10, 25), 25), (date(2026, 3, 29), 23)] {
        let asked = Asked { day: Some(day), ..today(Every::Hour) };
        let bounds = asked.span(now, &stockholm).unwrap().bounds(&stockholm);
        assert_eq!(bounds.len() - 1, hours);
        assert!(bounds.windows(2).all(|pair| pair[1].since(pair[0]) == Duration::from_secs(HOUR)));
    }
}

/// The counts of callers that the disk did not take are in the next snapshot.
#[test]
fn when_the_disk_took_nothing_is_said_and_who_came_then_is_counted() {
    let folder = Folder::new();
    run(folder.path(), 0, hours(6), |second| (2 * HOUR..2 * HOUR + 800).contains(&second));
    let asked = Asked { from: Some("09:00"), to: Some("14:00"), ..today(Every::Hour) };
    let report = of(folder.path(), &asked, true, at(5 * HOUR + 902), &TimeZone::UTC).unwrap();
    assert_eq!(report.doubts.len(), 1, "{:?}", report.doubts);
    assert!(report.doubts[0].starts_with("the disk did not take the "), "{:?}", report.doubts);
    assert!(report.doubts[0].ends_with("; the next snapshot goes on"), "{:?}", report.doubts);
    assert_eq!((report.all.offered, report.all.answered, report.agents.all.total.calls), (10, 5, 5));
}

/// Half an hour of the whole switchboard, with phones that lose messages, transfers and impatient callers: what the journal has of it, the
/// report, and the contact records are the same people.
#[test]
fn a_day_of_the_switchboard_is_told_as_its_records_have_it() {
    let played = half_hour().play(7);
    let folder = Folder::new();
    // As a service that began then.
    let acd = Acd::new(at(0).as_micros());
    stream(folder.path(), acd, |tell| played.noted.iter().cloned().for_each(tell));
    let report = of(folder.path(), &today(Every::Quarter), true, at(HOUR), &TimeZone::UTC).unwrap();
    let waits = || played.contacts.iter().flat_map(|contact| &contact.waits);
    assert!(waits().count() > 50, "{}", waits().count());
    for name in ["sales", "support"] {
        let queue = report.queues.iter().find(|queue| queue.name == name).unwrap();
        let of_queue = |from: u64, to: u64| {
            let arrived = move |wait: &&Wait| (at(from)..at(to)).contains(&wait.since);
            waits().filter(|wait| &*wait.queue == name).filter(arrived)
        };
        let compare = |row: &Callers, from: u64, to: u64| {
            assert_eq!(row.offered, of_queue(from, to).count() as u64, "{name} from {from}");
            let mut exits: BTreeMap<Exit, u64> = BTreeMap::new();
            of_queue(from, to).for_each(|wait| *exits.entry(wait.exit.expect("all are over")).or_default() += 1);
            assert_eq!(row.exits, exits, "{name} from {from}");
            let answered = || of_queue(from, to).filter(|wait| wait.exit == Some(Exit::Answered));
            assert_eq!(row.answered_in_level, answered().filter(|wait| wait.in_service_level).count() as u64);
            let waited: u64 = answered().map(|wait| wait.counts_ms()).sum();
            let mean = row.wait_seconds.unwrap_or(0.0) * answered().count() as f64;
            assert!(
                (mean - waited as f64 / 1e3).abs() < 1e-3 * answered().count().max(1) as f64,
                "{name}: {mean} {waited}"
            );
        };
        assert!(queue.calls.intervals.len() >= 2 && queue.calls.total.exits.len() >= 3, "{queue:?}");
        compare(&queue.calls.total, 0, DAY);
        for (index, interval) in queue.calls.intervals.iter().enumerate() {
            let begin = 900 * index as u64;
            compare(&interval.row, begin, begin + 900);
        }
    }
    let accepted = played.report.offers[&Outcome::Accepted];
    assert_eq!((report.agents.all.total.calls, report.all.answered), (accepted, accepted));
}

fn settings() -> Settings {
    let text = r#"
        [[numbers]]
        number = "100"
        flow = "main"
        [every_queue]
        max_wait = "2m"
        [[queues]]
        name = "sales"
        needs = { sales = 1 }
        [[queues]]
        name = "support"
        [[agents]]
        name = "anna"
        number = "201"
        password = "one"
        skills = { sales = 5 }
        [[agents]]
        name = "bo"
        number = "202"
        password = "two"
        [[agents]]
        name = "cecilia"
        number = "203"
        password = "three"
        skills = { sales = 2 }
        [[trunks]]
        name = "carrier"
        from = ["0.0.0.0/0"]
    "#;
    let loaded = load(Some(Path::new("test.toml")), [], &|_| Ok(text.to_owned()));
    let config = loaded.unwrap_or_else(|problems| panic!("{}", problems[0])).config;
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    let world = flow::World {
        queues: set(&["sales", "support"]),
        prompts: [("en".to_owned(), set(&["topics"]))].into(),
        music: set(&["calm"]),
        flows: set(&["main"]),
        ..flow::World::default()
    };
    let flow = flow::compile("main.yaml", FLOW, &world);
    let flow = flow.unwrap_or_else(|problems| panic!("{}", problems[0]));
    config.engine(Given { flows: [("main".to_owned(), Arc::new(flow))].into(), ..Given::default() })
}

const FLOW: &str = r#"
flow: main
languages: [en]
start: topics
steps:
  topics: { menu: { prompt: topics, keys: { "1": sales, "2": support }, timeout: 5s, tries: 2, next: end } }
  sales: { queue: { name: sales, while_waiting: { music: calm }, next: end, timed_out: end, no_agents: end, full: end, closed: end } }
  support: { queue: { name: support, while_waiting: { music: calm }, next: end, timed_out: end, no_agents: end, full: end, closed: end } }
  end: { hangup: {} }
"#;

fn half_hour() -> Day {
    Day {
        settings: settings(),
        network: Network::LOSSY,
        start: at(0),
        length: Duration::from_secs(1800),
        between_calls: (Duration::from_secs(20), Duration::from_secs(10)),
        at_once: false,
        numbers: vec!["100".into()],
        outside: None,
        keys: ["1", "2"].map(str::to_owned).to_vec(),
        patience: Duration::from_secs(90),
        talk: Duration::from_secs(60),
        caller_ends: 0.6,
        habits: Habits::HUMAN,
    }
}

//! The figures of the day, beside the running service, and after `kill -9`.

use crate::HERE;
use crate::house::{self, PATIENCE, carrier};
use crate::person::{Person, until};
use crate::program::Program;
use rustix::process::Signal;
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::Udp;

const MORE: &str = "[codes]\nready = \"*1\"\npauses = { \"*2\" = \"break\" }\n";

/// So long before and after this moment, as it is asked for: no midnight lies between a test's beginning and its report.
fn around() -> [String; 2] {
    const QUARTER: u64 = 900;
    let now = vaxel::edge::Clock::start().now().as_secs();
    [now - now % QUARTER - QUARTER, now + 86_400].map(|secs| vaxel::time::Time::from_secs(secs).to_string())
}

/// What is reported, once this is so.
fn reported(program: &Program, people: &mut [&mut Person], is_so: impl Fn(&Value) -> bool) -> Value {
    let [from, to] = around();
    let began = Instant::now();
    loop {
        let answer = program.command(&["report", "--json", "--from", &from, "--to", &to]);
        let report: Value = serde_json::from_str(&answer.expect("a journal")).expect("JSON");
        if is_so(&report) {
            return report;
        }
        assert!(began.elapsed() < PATIENCE, "not so: {report:#}");
        people.iter_mut().for_each(|person| person.turn());
    }
}

pub fn sales(report: &Value) -> &Value {
    let queues = report["queues"].as_array().expect("a list");
    &queues.iter().find(|queue| queue["name"] == "sales").expect("it is one")["calls"]["total"]
}

fn calls(program: &Program, from: &str) -> Person {
    let mut caller = Person::new(Udp, carrier(true), program.sip, from, None);
    caller.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    caller
}

fn anna(program: &Program) -> Person {
    let passwords = std::fs::read_to_string(program.data().join("agents.toml")).expect("passwords were made up");
    let password = passwords.lines().find_map(|line| line.strip_prefix("anna = ")).expect("one for anna");
    let mut anna = Person::new(Udp, HERE, program.sip, "anna", Some(password.trim_matches('"').to_owned()));
    anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Registered);
    anna
}

/// What metrics and the report both count is the same.
fn agrees(program: &Program, report: &Value) {
    let metrics = house::metrics(program.http);
    let figures = sales(report);
    let counted = |series: &str| metrics.get(series).copied().unwrap_or(0.0);
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    assert_eq!(number(&figures["offered"]), counted(r#"vaxel_queue_entries_total{queue="sales"}"#));
    for exit in vaxel::acd::Exit::ALL {
        let exit = serde_json::to_value(exit).expect("a word");
        let exit = exit.as_str().expect("a word");
        let series = format!(r#"vaxel_queue_exits_total{{exit="{exit}",queue="sales"}}"#);
        assert_eq!(number(&figures["exits"][exit]), counted(&series), "{exit}");
    }
    let in_level = counted(r#"vaxel_queue_answered_in_service_level_total{queue="sales"}"#);
    assert_eq!(number(&figures["answered_in_level"]), in_level);
    let handled = counted(r#"vaxel_queue_handled_total{queue="sales"}"#);
    assert_eq!(number(&figures["handled"]), handled);
    for part in ["talk", "hold", "wrap_up"] {
        let sum = counted(&format!(r#"vaxel_queue_{part}_seconds_total{{queue="sales"}}"#));
        let mean = number(&figures[format!("{part}_seconds")]);
        assert!((mean * handled - sum).abs() < 1e-3, "{part}: {mean} s of each, {sum} s of all");
    }
}

#[test]
fn the_day_is_told_as_metrics_count_it_and_is_still_known_after_a_kill() {
    let program = Program::start_with(Stdio::inherit(), "warn", MORE);
    let mut anna = anna(&program);
    anna.does(|phone, now| phone.call(now, "*2"));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Ended);
    let mut gives_up = calls(&program, "+46701234567");
    reported(&program, &mut [&mut gives_up], |report| sales(report)["waiting"] == 1);
    gives_up.does(|phone, now| phone.hang_up(now));
    reported(&program, &mut [&mut gives_up, &mut anna], |report| sales(report)["short_abandoned"] == 1);

    let mut talks = calls(&program, "+46701234568");
    anna.does(|phone, now| phone.call(now, "*1"));
    until(&mut [&mut anna, &mut talks], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    anna.does(|phone, now| phone.answer(now));
    let report = reported(&program, &mut [&mut anna, &mut talks], |report| sales(report)["in_hand"] == 1);
    assert!(sales(&report)["handling_seconds"].is_null(), "nobody was handled yet: {report:#}");
    talks.does(|phone, now| phone.hang_up(now));
    let report = reported(&program, &mut [&mut anna, &mut talks], |report| sales(report)["handled"] == 1);
    let figures = sales(&report);
    assert_eq!((&figures["offered"], &figures["waiting"], &figures["in_hand"]), (&2.into(), &0.into(), &0.into()));
    let levels = &figures["service_levels"];
    assert_eq!((&levels["abandons_against"], &levels["short_abandons_ignored"]), (&0.5.into(), &1.0.into()));
    assert_eq!(report["agents"]["each"][0]["name"], "anna");
    assert!(report["agents"]["total"]["occupancy"].as_f64().is_some_and(|share| share > 0.0), "{report:#}");
    agrees(&program, &report);

    // Somebody waits when it is killed.
    anna.does(|phone, now| phone.call(now, "*2"));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Ended);
    let mut lost = calls(&program, "+46701234569");
    reported(&program, &mut [&mut lost], |report| sales(report)["waiting"] == 1);
    let program = program.killed_and_started_again(Stdio::inherit());
    let after = reported(&program, &mut [], |report| sales(report)["exits"]["system_fault"] == 1);
    let now = sales(&after);
    assert_eq!(now["offered"], 3);
    let same = [
        "answered",
        "answered_in_level",
        "short_abandoned",
        "handled",
        "talk_seconds",
        "wait_seconds",
        "wrap_up_seconds",
    ];
    same.iter().for_each(|figure| assert_eq!(now[figure], figures[figure], "{figure}"));
    let said = after["doubts"].to_string();
    assert!(said.contains("no vaxel ran from "), "{said}");

    let text = program.command(&["report", "--queue", "sales", "--from", &around()[0], "--to", &around()[1]]);
    let text = text.expect("a journal");
    assert!(text.contains("\nqueue sales\n") && text.contains("others: system_fault 1"), "{text}");
    assert!(!text.contains("support"), "{text}");
}

#[test]
fn a_service_that_is_down_is_reported_of_and_that_is_said() {
    let mut program = Program::start_with(Stdio::inherit(), "warn", MORE);
    let mut caller = calls(&program, "+46701234567");
    reported(&program, &mut [&mut caller], |report| sales(report)["offered"] == 1);
    caller.does(|phone, now| phone.hang_up(now));
    reported(&program, &mut [&mut caller], |report| sales(report)["short_abandoned"] == 1);
    program.signal(Signal::TERM);
    program.end(|| caller.turn());
    let report = reported(&program, &mut [], |_| true);
    assert_eq!(sales(&report)["offered"], 1);
    let said = report["doubts"].to_string();
    assert!(said.contains("no vaxel runs now; shown is what was known until "), "{said}");
}

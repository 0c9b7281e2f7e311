//! Tasks on the command line of the real program, and after `kill -9`.

use crate::HERE;
use crate::house::{self, PATIENCE};
use crate::person::{Person, until};
use crate::program::Program;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vaxel::edge::store;
use vaxel::ids::CallId;
use vaxel::record::Contact;
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::Udp;

/// What agents may pause for.
const MORE: &str = "[codes]\npauses = { \"*2\" = \"break\" }\n";

fn register(program: &Program, name: &str) -> Person {
    let passwords = std::fs::read_to_string(program.data().join("agents.toml")).expect("passwords were made up");
    let mark = format!("{name} = ");
    let line = passwords.lines().find_map(|line| line.strip_prefix(&mark)).expect("one for them");
    let mut person = Person::new(Udp, HERE, program.sip, name, Some(line.trim_matches('"').to_owned()));
    person.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [&mut person], 0, |event| *event == PhoneEvent::Registered);
    person
}

/// Asks until the answer has all of these in it.
fn shown(program: &Program, people: &mut [&mut Person], arguments: &[&str], wanted: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let answer = program.command(arguments);
        let text = answer.clone().unwrap_or_default();
        if wanted.iter().all(|part| text.contains(part)) {
            return text;
        }
        assert!(began.elapsed() < PATIENCE, "{wanted:?} is not in {answer:?}");
        people.iter_mut().for_each(|person| person.turn());
    }
}

fn add(program: &Program, reference: &str) -> String {
    let said =
        program.command(&["task", "add", "sales", reference, "--attribute", "topic=invoice"]).expect("it is filed");
    let id = said.trim().to_owned();
    assert!(id.starts_with("task-") && !id.contains('\n'), "{said}");
    id
}

/// The record of a task, as soon as it is so.
fn recorded(program: &Program, task: &str, is_so: impl Fn(&Contact) -> bool) -> Contact {
    let id = CallId(task["task-".len()..].parse().expect("a number"));
    let began = Instant::now();
    loop {
        let found = store::contacts(&program.data(), store::Asked::Call(id), 1).expect("it can be read");
        match found.calls.into_iter().next().map(|call| call.contact) {
            Some(record) if is_so(&record) => return record,
            other => assert!(began.elapsed() < PATIENCE, "{other:?}"),
        }
    }
}

#[test]
fn killed_it_knows_every_task_where_it_was() {
    let program = Program::start_with(Stdio::inherit(), "warn", MORE);
    let mut anna = register(&program, "anna");
    let worked_on = add(&program, "mail 1");
    shown(&program, &mut [&mut anna], &["task", "list"], &["offered", "anna"]);
    let error = program.command(&["task", "accept", "bjorn", &worked_on]).expect_err("it is not offered to him");
    assert!(error.contains("not offered to bjorn, who is offline, but to anna"), "{error}");
    program.command(&["task", "accept", "anna", &worked_on]).expect("it is offered to her");
    program.command(&["agent", "anna", "pause", "break"]).expect("she may");
    // Answered: so it is known after the kill that follows at once.
    let waits = add(&program, "mail 2");
    let error = program.command(&["task", "add", "sales", "mail 2"]).expect_err("it is there");
    assert!(error.contains(&waits) && error.contains("is not done"), "{error}");
    let done = program.command(&["priority", &waits, "5"]).expect("it waits");
    assert_eq!(done, "it waits with priority 5 from now on\n");

    let program = program.killed_and_started_again(Stdio::inherit());
    let list = shown(&program, &mut [&mut anna], &["task", "list"], &["in hand", "waiting, number 1"]);
    let of = |id: &str| list.lines().find(|line| line.starts_with(id)).unwrap_or_default().to_owned();
    assert!(of(&worked_on).contains("mail 1") && of(&worked_on).ends_with("anna"), "{list}");
    assert!(of(&waits).contains("mail 2") && of(&waits).contains("waiting"), "{list}");
    let json: serde_json::Value =
        serde_json::from_str(&program.command(&["task", "list", "--json"]).expect("a list")).expect("JSON");
    assert_eq!((&json[0]["reference"], &json[0]["attributes"]["topic"]), (&"mail 2".into(), &"invoice".into()));
    let error = program.command(&["task", "add", "sales", "mail 1"]).expect_err("she works on it");
    assert!(error.contains(&worked_on), "{error}");
    program.command(&["task", "done", &worked_on]).expect("she has it");
    program.command(&["agent", "anna", "resume"]).expect("she is paused");
    shown(&program, &mut [&mut anna], &["task", "list"], &["offered", "anna"]);

    // Killed while it is offered: it is offered again. Records of what is up are a moment behind.
    recorded(&program, &waits, |record| !record.offers.is_empty());
    let program = program.killed_and_started_again(Stdio::inherit());
    shown(&program, &mut [&mut anna], &["task", "list"], &[&waits, "offered", "anna"]);
    program.command(&["task", "decline", "anna", &waits]).expect("it is offered to her");
    let told = shown(&program, &mut [&mut anna], &["why", &waits], &["anna declines"]);
    for part in ["joins sales", "has priority 5 from now on", "is offered to anna", "still waits"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    program.command(&["task", "withdraw", &waits]).expect("it waits");
    assert_eq!(program.command(&["task", "list"]).expect("a list"), "no task waits, and nobody works on one\n");
    let error = program.command(&["task", "done", &waits]).expect_err("it is gone");
    assert!(error.contains(&format!("there is no {waits}")), "{error}");
    let metrics = house::metrics(program.http);
    assert_eq!(metrics["vaxel_task_exits_total{exit=\"left_by_key\",queue=\"sales\"}"], 1.0);
    assert_eq!(metrics["vaxel_queue_exits_total{exit=\"left_by_key\",queue=\"sales\"}"], 0.0, "no caller left");
    // The record goes over three runs.
    let record = recorded(&program, &waits, |record| record.cause == "withdrawn");
    assert!(record.offers.len() >= 2 && record.waits.len() == 1, "{record:?}");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let program = Program::start_with(Stdio::inherit(), "warn", MORE);
    for (arguments, wanted) in [
        (&["task", "add", "sale", "x"][..], "there is no queue `sale`; there are"),
        (&["task", "add", "sales", ""], "the reference is empty"),
        (&["task", "add", "sales", "x", "--need", "sales >="], "at character"),
        (&["task", "add", "sales", "x", "--attribute", "topic"], "should be NAME=VALUE"),
        (&["task", "add", "sales", "x", "--max-wait", "2"], "write it as 90s, 15m or 2h30m"),
        (&["task", "add", "sales", "x", "--prefer", "nobody"], "there is no agent `nobody`; there are anna, bjorn"),
        (&["task", "accept", "anna", "call-7"], "a task's id looks like task-"),
        (&["task", "done", "task-7"], "there is no task-7, or it is done"),
        (&["agent", "anna", "more"], "not in a wrap-up"),
    ] {
        let error = program.command(arguments).expect_err("it is refused");
        assert!(error.contains(wanted), "{arguments:?}: {error}");
    }
    let warned = program.command_warns(&["task", "add", "sales", "mail 3", "--need", "slaes >= 2"]);
    assert!(warned.starts_with("warning: no agent can take task-"), "{warned}");
    assert!(
        warned.contains(": nobody has `slaes`; did you mean `sales`?\n  = help: it waits until one can"),
        "{warned}"
    );
    let id = warned.split([' ', ':']).find(|word| word.starts_with("task-")).expect("its id");
    program.command(&["task", "withdraw", id]).expect("it waits");
    assert_eq!(program.command_warns(&["task", "add", "sales", "mail 4", "--need", "sales"]), "");
}

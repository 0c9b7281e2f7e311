//! The queues on disk: looked at beside the running service, and known again by the next one.

use crate::HERE;
use crate::house::{self, PATIENCE, carrier};
use crate::person::{Person, until};
use crate::program::Program;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::Udp;

/// How soon the service takes calls again.
pub const SOON: Duration = Duration::from_secs(5);

pub const CODES: &str = "[codes]\nready = \"*1\"\npauses = { \"*2\" = \"break\" }\n";

/// Asks until the answer has all of these in it; meanwhile the phones are served.
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

/// This moment, as it is asked for.
fn now() -> String {
    vaxel::edge::Clock::start().now().to_string()
}

/// How it stands, once that has all of these in it.
pub fn stands(program: &Program, people: &mut [&mut Person], wanted: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let stood = program.command(&["rewind", "--at", &now()]).unwrap_or_default();
        if wanted.iter().all(|part| stood.contains(part)) {
            return stood;
        }
        assert!(began.elapsed() < PATIENCE, "{wanted:?} is not in {stood}");
        people.iter_mut().for_each(|person| person.turn());
    }
}

pub fn anna(program: &Program) -> Person {
    let folder = program.data();
    let passwords = std::fs::read_to_string(folder.join("agents.toml")).expect("passwords were made up");
    let line = passwords.lines().find_map(|line| line.strip_prefix("anna = ")).expect("one for anna");
    let mut anna = Person::new(Udp, HERE, program.sip, "anna", Some(line.trim_matches('"').to_owned()));
    anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Registered);
    anna
}

pub fn bjorn(program: &Program) -> Person {
    let mut bjorn = Person::new(Udp, HERE, program.sip, "bjorn", Some("correct horse".into()));
    bjorn.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [&mut bjorn], 0, |event| *event == PhoneEvent::Registered);
    bjorn
}

/// Anna has paused, and a caller waits for her.
fn somebody_waits() -> (Program, Person, Person) {
    let program = Program::start_with(Stdio::inherit(), "warn", CODES);
    let mut anna = anna(&program);
    anna.does(|phone, now| phone.call(now, "*2"));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Ended);
    let mut caller = Person::new(Udp, carrier(true), program.sip, "+46701234567", None);
    caller.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    (program, anna, caller)
}

#[test]
fn the_running_service_can_be_asked_how_it_stood_and_why_somebody_waits() {
    let before = now();
    let (program, _anna, mut caller) = somebody_waits();
    let wanted = ["sales: 1 waiting", "anna   paused: break, since ", "bjorn  offline", "needs sales"];
    stands(&program, &mut [&mut caller], &wanted);
    let told = shown(&program, &mut [&mut caller], &["why", "0701234567"], &["joins sales", "still waits"]);
    for part in ["2 agents:", "1 paused (break): anna", "1 lack sales: bjorn"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let call = told.lines().next().expect("the call");
    assert!(call.starts_with("call-"), "{told}");
    let of_anna = program.command(&["why", call, "--agent", "anna"]).expect("she is an agent");
    assert!(of_anna.contains("anna is paused (break), since ") && !of_anna.contains("bjorn"), "{of_anna}");
    let error = program.command(&["why", call, "--agent", "ana"]).expect_err("she is not");
    assert!(error.contains("there was no agent `ana` then; there were anna, bjorn"), "{error}");
    let all = program.command(&["why", call, "--all"]).expect("it waits");
    assert!(all.contains("1 lack sales\n                    bjorn\n"), "{all}");
    caller.does(|phone, now| phone.hang_up(now));
    shown(&program, &mut [&mut caller], &["why", call], &["hung up"]);

    let json: serde_json::Value =
        serde_json::from_str(&program.command(&["rewind", "--json", "--at", &now()]).expect("a journal"))
            .expect("JSON");
    assert_eq!((&json["queues"][0]["name"], &json["queues"][0]["waiting"]), (&"sales".into(), &0.into()));
    let error = program.command(&["rewind", "--at", &before]).expect_err("there was none yet");
    assert!(error.contains("begins at"), "{error}");
    let error = program.command(&["why", "+4699999"]).expect_err("nobody called");
    assert!(error.contains("no contact record has a call from +4699999"), "{error}");
    let error = program.command(&["why", "bjorn"]).expect_err("he dialled nothing");
    let part = "no contact record has a call that bjorn dialled; `vaxel why --agent bjorn CALL` tells";
    assert!(error.contains(part), "{error}");
    // What has no caller's number is a task.
    program.command(&["task", "add", "sales", "mail 4711"]).expect("it is filed");
    shown(&program, &mut [], &["task", "list"], &["mail 4711"]);
    for nobody in ["", " "] {
        let error = program.command(&["why", nobody]).expect_err("it is not said who");
        assert!(error.contains("it is not said who: a call's id (`call-…`"), "{error}");
    }
}

#[test]
fn killed_it_knows_its_queues_again() {
    let (program, mut anna, mut caller) = somebody_waits();
    let told = shown(&program, &mut [&mut caller], &["why", "0701234567"], &["still waits, for "]);
    let call = told.lines().next().expect("the call").to_owned();
    // Somebody comes and goes when the caller has waited for more than a second, so that it is known that they had.
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(1_100) {
        caller.turn();
    }
    let mut other = Person::new(Udp, carrier(true), program.sip, "+46701234569", None);
    other.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut other, &mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    stands(&program, &mut [&mut other, &mut caller], &["sales: 2 waiting"]);
    other.does(|phone, now| phone.hang_up(now));
    stands(&program, &mut [&mut other, &mut caller], &["sales: 1 waiting"]);
    let waiting = now();

    let killed = Instant::now();
    let program = program.killed_and_started_again(Stdio::inherit());
    assert_eq!(house::get(program.http, "/readyz").0, 200);
    let back = killed.elapsed();
    assert!(back < SOON, "it took {back:?} to be back");
    drop(caller);

    // Her phone said nothing since.
    let wanted = ["sales: nobody waits", "anna   paused: break, since ", "bjorn  offline"];
    stands(&program, &mut [], &wanted);
    // Of the run before, as it was then.
    let stood = program.command(&["rewind", "--at", &waiting]).expect("a journal");
    assert!(stood.contains("sales: 1 waiting"), "{stood}");
    shown(&program, &mut [], &["why", &call], &["was lost by a fault of the system"]);
    assert_eq!(house::metrics(program.http)["vaxel_agents{state=\"paused\"}"], 1.0);
    let mut next = Person::new(Udp, carrier(true), program.sip, "+46701234568", None);
    next.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut next, &mut anna], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    shown(&program, &mut [&mut next], &["why", "+46701234568"], &["1 paused (break): anna"]);
    // Who was lost stands before who came after them.
    let mut again = Person::new(Udp, carrier(true), program.sip, "+46701234567", None);
    again.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut again, &mut anna, &mut next], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    let back = ["number 1 in line, back in the place that was kept, having waited "];
    shown(&program, &mut [&mut again, &mut next], &["why", "+46701234567"], &back);
    again.does(|phone, now| phone.hang_up(now));
    shown(&program, &mut [&mut again, &mut next], &["why", "+46701234567"], &["hung up"]);
    anna.does(|phone, now| phone.call(now, "*1"));
    until(&mut [&mut anna, &mut next], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    anna.does(|phone, now| phone.answer(now));
    let told = shown(&program, &mut [&mut anna, &mut next], &["why", "+46701234568"], &["anna answers"]);
    assert_eq!(explained(&told), 2, "at the arrival and at the ring: {told}");

    // The call that was lost is told of with the other one of its caller.
    let told = program.command(&["why", "+46701234567"]).expect("the last");
    assert!(!told.starts_with(&call) && told.contains("Other calls from +46701234567:\n"), "{told}");
    let listed = told.lines().find(|line| line.contains(&call)).expect("it is named");
    assert!(listed.contains("sales: was lost by a fault of the system after "), "{listed}");
    let told = program.command(&["why", "--last", "2", "+46701234567"]).expect("both");
    assert!(told.contains("hung up") && told.contains(&format!("\n\n{call}\n")), "{told}");
    assert!(!told.contains("Other calls"), "{told}");
    let error = program.command(&["why", "--last", "2", &call]).expect_err("it is one");
    assert!(error.contains("is for the calls of a number"), "{error}");
}

/// Of a run with other settings than the one before.
#[test]
fn queues_and_agents_that_the_settings_have_no_more_are_nowhere_until_they_come_back() {
    const BJORN: &str = "[[agents]]\n    name = \"bjorn\"";
    let (program, anna, mut caller) = somebody_waits();
    stands(&program, &mut [&mut caller], &["sales: 1 waiting", "support: nobody waits", "bjorn  offline"]);
    caller.does(|phone, now| phone.hang_up(now));
    stands(&program, &mut [&mut caller], &["sales: nobody waits"]);

    // A queue has another name, and another is not there any more; nor is an agent.
    let without = |text: String| {
        let text = text.replace("name = \"support\"", "name = \"helpers\"");
        let (before, agent) = text.split_once(BJORN).expect("he is there");
        let rest = agent.split_once("[[trunks]]").expect("behind him").1;
        format!("{before}[[trunks]]{rest}")
    };
    let program = program.killed_and_started_with(Stdio::inherit(), &without);
    let stood = stands(&program, &mut [], &["sales: nobody waits", "helpers: nobody waits", "anna  paused: break"]);
    assert!(!stood.contains("support") && !stood.contains("bjorn"), "{stood}");
    let metrics = house::metrics(program.http);
    assert_eq!(metrics["vaxel_agents{state=\"offline\"}"] + metrics["vaxel_agents{state=\"paused\"}"], 1.0);
    let mut next = Person::new(Udp, carrier(true), program.sip, "+46701234568", None);
    next.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut next], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    let told = shown(&program, &mut [&mut next], &["why", "+46701234568"], &["still waits"]);
    assert!(told.contains("1 agent:") && !told.contains("bjorn"), "{told}");
    next.does(|phone, now| phone.hang_up(now));
    stands(&program, &mut [&mut next], &["sales: nobody waits"]);

    // As they were at first.
    let again = |text: String| {
        let bjorn = format!("{BJORN}\n    number = \"202\"\n    password = \"correct horse\"\n    [[trunks]]");
        text.replace("name = \"helpers\"", "name = \"support\"").replace("[[trunks]]", &bjorn)
    };
    let program = program.killed_and_started_with(Stdio::inherit(), &again);
    let wanted = ["sales: nobody waits", "support: nobody waits", "anna   paused: break", "bjorn  offline"];
    let stood = stands(&program, &mut [], &wanted);
    assert!(!stood.contains("helpers"), "{stood}");
    drop(anna);
}

/// She does not answer, or says that she is busy, and the service is killed in what follows; what was shown of her then.
fn killed_after(does: impl FnOnce(&mut Person), then: &str) -> (Program, Person, String) {
    let settings = "[every_agent]\nring_time = \"1s\"\nrona_pause = \"2s\"\nback_off = \"5m\"\nback_off_max = \"5m\"\n";
    let program = Program::start_with(Stdio::inherit(), "warn", settings);
    let mut anna = anna(&program);
    does(&mut anna);
    let mut caller = Person::new(Udp, carrier(true), program.sip, "+46701234567", None);
    caller.does(|phone, now| phone.call(now, "300"));
    let stood = stands(&program, &mut [&mut caller, &mut anna], &[then]);
    (program.killed_and_started_again(Stdio::inherit()), anna, of_anna(&stood))
}

fn of_anna(stood: &str) -> String {
    stood.lines().find(|line| line.trim().starts_with("anna ")).expect("she is an agent").to_owned()
}

#[test]
fn a_phone_that_nobody_answered_is_asked_before_the_next_run_rings_it() {
    let (program, mut anna, _) = killed_after(|_| {}, "anna   paused: no answer");
    // As long as her phone says nothing.
    stands(&program, &mut [], &["anna   probed"]);
    let mut caller = Person::new(Udp, carrier(true), program.sip, "+46701234568", None);
    caller.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    stands(&program, &mut [&mut caller], &["sales: 1 waiting", "anna   probed"]);
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::StoppedRinging));
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
}

#[test]
fn a_back_off_goes_on_in_the_next_run() {
    let (program, mut anna, before) = killed_after(|anna| anna.phone.do_not_disturb(true), "anna   back_off");
    let stood = stands(&program, &mut [&mut anna], &["anna   back_off"]);
    let ends = |line: &str| line.split_once(", until ").expect("it ends").1.to_owned();
    assert_eq!(ends(&of_anna(&stood)), ends(&before));
}

#[test]
fn a_pause_is_as_long_as_it_is_also_in_the_next_run() {
    let settings = format!("{CODES}[[pause_reasons]]\nname = \"break\"\nlongest = \"3s\"\n");
    let program = Program::start_with(Stdio::inherit(), "warn", &settings);
    let mut anna = anna(&program);
    anna.does(|phone, now| phone.call(now, "*2"));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Ended);
    let shown = |program: &Program, wanted: &str| {
        let began = Instant::now();
        loop {
            let metrics = house::metrics(program.http);
            if metrics[wanted] == 1.0 {
                return metrics;
            }
            assert!(began.elapsed() < PATIENCE, "{wanted}");
        }
    };
    let too_long = "vaxel_agents_paused_too_long{reason=\"break\"}";
    shown(&program, too_long);
    let before = of_anna(&stands(&program, &mut [], &["anna   paused: break, since "]));
    let program = program.killed_and_started_again(Stdio::inherit());
    assert_eq!(shown(&program, "vaxel_agents{state=\"paused\"}")[too_long], 1.0);
    assert_eq!(of_anna(&stands(&program, &mut [], &["anna   paused: break, since "])), before);
}

/// How often the agents' reasons are told; each time they are as many as the agents.
fn explained(told: &str) -> usize {
    let lines: Vec<&str> = told.lines().map(str::trim).collect();
    let agents = |line: &str| line.strip_suffix(" agents:")?.parse::<usize>().ok();
    let begins: Vec<usize> = (0..lines.len()).filter(|line| agents(lines[*line]).is_some()).collect();
    for begin in &begins {
        let counts = lines[begin + 1..].iter().map_while(|line| line.split_once(' ')?.0.parse::<usize>().ok());
        assert_eq!(Some(counts.sum()), agents(lines[*begin]), "{told}");
    }
    let rings = lines.iter().zip(&lines[1..]).filter(|(line, _)| line.contains("  rings "));
    rings.for_each(|(_, next)| assert!(agents(next).is_some(), "a ring without its reasons: {told}"));
    begins.len()
}

#[test]
fn settings_are_read_again_while_somebody_waits() {
    let (program, _anna, mut caller) = somebody_waits();
    let mut bjorn = bjorn(&program);

    program.rewrites(|text| text.replace("needs = { sales = 1 }", "needs = { sales = 11 }"));
    let wrong = program.command(&["reload"]).expect_err("a level of 11");
    assert!(wrong.contains("vaxel.toml:") && wrong.contains("11"), "{wrong}");

    let learned = "password = \"correct horse\"\n    skills = { sales = 3 }";
    program.rewrites(|text| {
        let text = text.replace("needs = { sales = 11 }", "needs = { sales = 2 }");
        text.replace("password = \"correct horse\"", learned) + "\n[[agents]]\nname = \"carl\"\nnumber = \"203\"\n"
    });
    let told = program.command(&["reload"]).expect("it is taken");
    let wanted = "queues: sales otherwise from now on\nagents: bjorn otherwise from now on\nat the next start: the new agent `carl`\n";
    assert!(told.ends_with(wanted), "{told}");
    until(&mut [&mut bjorn, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    bjorn.does(|phone, now| phone.answer(now));
    until(&mut [&mut bjorn, &mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));

    // By a signal as well; what became of it is seen by who asks.
    program.rewrites(|text| text.replace("needs = { sales = 2 }", "needs = { support = 1 }"));
    program.signal(Signal::HUP);
    shown(
        &program,
        &mut [&mut bjorn, &mut caller],
        &["reload"],
        &["queues: as before\nagents: as before\nat the next start"],
    );
    bjorn.does(|phone, now| phone.hang_up(now));
    caller.does(|phone, now| phone.hang_up(now));
    let mut next = Person::new(Udp, carrier(true), program.sip, "+46701234568", None);
    next.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut next], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    shown(&program, &mut [&mut next], &["why", "0701234568"], &["lack support: anna, bjorn"]);
}

#[test]
fn who_is_first_in_the_list_is_rung_first_also_when_it_is_turned_round() {
    let program = Program::start_with(Stdio::inherit(), "warn", "");
    let (mut anna, mut bjorn) = (anna(&program), bjorn(&program));
    program.rewrites(|text| {
        let text = text.replace("needs = { sales = 1 }", "needs = { sales = 1 }\nstrategy = \"linear\"");
        text.replace("number = \"202\"", "number = \"202\"\nskills = { sales = 1 }")
    });
    program.command(&["reload"]).expect("it is taken");
    let calls = |program: &Program, number: &str| {
        let mut caller = Person::new(Udp, carrier(true), program.sip, number, None);
        caller.does(|phone, now| phone.call(now, "300"));
        caller
    };
    let rings = |event: &PhoneEvent| matches!(event, PhoneEvent::Rings { .. });
    let mut caller = calls(&program, "+46701234567");
    until(&mut [&mut anna, &mut bjorn, &mut caller], 0, rings);
    caller.does(|phone, now| phone.hang_up(now));
    until(&mut [&mut anna, &mut bjorn, &mut caller], 0, |event| *event == PhoneEvent::StoppedRinging);

    let turned = |text: String| {
        let (before, agents) = text.split_once("[[agents]]").expect("anna");
        let (anna, rest) = agents.split_once("[[agents]]").expect("bjorn");
        let (bjorn, after) = rest.split_once("[[trunks]]").expect("the trunk");
        format!("{before}[[agents]]{bjorn}[[agents]]{anna}[[trunks]]{after}")
    };
    program.rewrites(turned);
    let told = program.command(&["reload"]).expect("it is taken");
    assert!(told.contains("agents: their order otherwise from now on"), "{told}");
    let mut caller = calls(&program, "+46701234568");
    until(&mut [&mut bjorn, &mut anna, &mut caller], 0, rings);
    caller.does(|phone, now| phone.hang_up(now));
    until(&mut [&mut bjorn, &mut anna, &mut caller], 0, |event| *event == PhoneEvent::StoppedRinging);

    // And once more, by a start.
    let program = program.killed_and_started_with(Stdio::inherit(), &turned);
    drop(caller);
    let mut caller = calls(&program, "+46701234569");
    until(&mut [&mut anna, &mut bjorn, &mut caller], 0, rings);
}

#[test]
fn the_priority_of_who_waits_can_be_changed() {
    let (program, _anna, mut caller) = somebody_waits();
    let mut second = Person::new(Udp, carrier(true), program.sip, "+46701234568", None);
    second.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut second, &mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    let people = &mut [&mut second, &mut caller];
    let told = shown(&program, people, &["why", "0701234568"], &["number 2 in line"]);
    let call = told.lines().next().expect("the call");
    let done = program.command(&["priority", call, "5"]).expect("it waits");
    assert_eq!(done, "it waits with priority 5 from now on\n");
    shown(&program, people, &["why", call], &["has priority 5 from now on, number 1 in line"]);
    for (id, wanted) in [("call-7", "no call-7, task-7 or entry-7 waits"), ("anna", "no id of a call, task or entry")] {
        let error = program.command(&["priority", id, "5"]).expect_err("it is refused");
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn of_a_service_that_is_dead_nothing_is_said_of_now() {
    let (mut program, _anna, mut caller) = somebody_waits();
    let told = shown(&program, &mut [&mut caller], &["why", "0701234567"], &["still waits"]);
    assert!(!told.contains("(!)"), "{told}");
    program.signal(Signal::KILL);
    program.process.wait().expect("it was killed");
    let told = program.command(&["why", "0701234567"]).expect("a journal");
    assert!(told.contains("(!) nothing was written after this"), "{told}");
    let between = now();
    let stood = program.command(&["rewind", "--at", &between]).expect("a journal");
    assert!(stood.contains("no vaxel runs now"), "{stood}");
    // And when one runs again.
    let program = program.killed_and_started_again(Stdio::inherit());
    let stood = stands(&program, &mut [], &["sales: nobody waits"]);
    assert!(!stood.contains("(!)"), "{stood}");
    let stood = program.command(&["rewind", "--at", &between]).expect("a journal");
    assert!(stood.contains("(!) no vaxel ran from ") && stood.contains("sales: 1 waiting"), "{stood}");
    let told = shown(&program, &mut [], &["why", "0701234567"], &["was lost by a fault of the system"]);
    assert!(told.contains("(!) no vaxel ran from "), "{told}");
    // Nothing happens, and that is written, too.
    let last = |program: &Program| {
        let stood = program.command(&["rewind", "--json", "--at", &now()]).expect("a journal");
        serde_json::from_str::<serde_json::Value>(&stood).expect("JSON")["last_event"].clone()
    };
    let (began, first) = (Instant::now(), last(&program));
    while last(&program) == first {
        assert!(began.elapsed() < PATIENCE, "an idle service is not told from a dead one");
    }
}

/// Every file of the data folder, and what is in it.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("a name");
            match entry.file_type().expect("a kind") {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => drop(files.insert(entry.path(), std::fs::read(entry.path()).expect("bytes"))),
                // The door of a service.
                _ => drop(files.insert(entry.path(), Vec::new())),
            }
        }
    }
    files
}

#[test]
fn who_only_looks_changes_nothing_in_the_data_folder_and_needs_no_right_to() {
    let (mut program, anna, mut caller) = somebody_waits();
    shown(&program, &mut [&mut caller], &["why", "0701234567"], &["still waits"]);
    let waited = now();
    let looks = |program: &Program| {
        let data = program.data();
        let (data, before) = (data.to_str().expect("plain letters"), content(&data));
        for (arguments, wanted) in [
            (&["why", "0701234567"][..], "joins sales"),
            (&["rewind", "--at", &waited], "sales: 1 waiting"),
            (&["report"], "sales"),
            (&["simulate", "--journal", data], "events"),
            (&["check"], "good"),
        ] {
            let said = program.command(arguments).expect("it reads");
            assert!(said.contains(wanted), "{arguments:?}: {said}");
            if let Some(same) = program.command_that_may_not_write(arguments) {
                let same = same.expect("it reads");
                assert!(same.contains(wanted), "{arguments:?}: {same}");
            }
        }
        assert!(content(Path::new(data)) == before, "{:?}", content(Path::new(data)).keys());
    };
    program.signal(Signal::KILL);
    program.process.wait().expect("it was killed");
    assert!(program.data().join("vaxel.db-wal").exists());
    looks(&program);
    // And after an end that was told.
    drop((anna, caller));
    let mut program = program.killed_and_started_again(Stdio::inherit());
    program.signal(Signal::TERM);
    assert_eq!(program.end(|| ()), Some(0));
    assert!(!program.data().join("vaxel.db-wal").exists());
    looks(&program);
}

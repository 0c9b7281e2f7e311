//! A caller who has hung up is called back, though the program was killed meanwhile.

use crate::HERE;
use crate::contact::{accept, bind, next_request};
use crate::house::{self, Folder, carrier};
use crate::person::{Person, until};
use crate::program::Program;
use std::process::Stdio;
use std::time::Duration;
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::Udp;

const FLOW: &str = "
flow: sales
languages: [en]
start: line
steps:
  line: { queue: { name: sales, while_waiting: { music: calm, keys: { '1': back } }, failed: sorry } }
  back: { callback: { next: promised, failed: sorry } }
  promised: { hangup: { prompt: we-call-you-back } }
  sorry: { hangup: { prompt: nobody-free } }
";

/// Asks until all of these are in the answer.
fn said(program: &Program, arguments: &[&str], wanted: &[&str]) {
    let answer = || program.command(arguments).unwrap_or_default();
    let has_all = || wanted.iter().all(|part| answer().contains(part));
    house::soon(&format!("{wanted:?}"), has_all, || ());
}

#[test]
fn a_promise_to_call_back_is_kept_by_the_next_run_after_a_kill() {
    let flows = Folder::new();
    std::fs::write(flows.0.join("sales.yaml"), FLOW).expect("a flow is written");
    let far = bind([127, 0, 0, 91]);
    let far_at = far.local_addr().expect("a bound socket");
    let more = format!(
        "[flows]\nfolder = \"{}\"\n[[trunks]]\nname = \"far\"\nto = \"udp:{far_at}\"\ntakes = [\"+\"]\n",
        flows.0.display(),
    );
    let program = Program::start_with(Stdio::inherit(), "warn", &more);
    let mut caller = Person::new(Udp, carrier(true), program.sip, "+46701234567", None);
    caller.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    caller.does(|phone, now| phone.press(now, '1'));
    let waiting = "vaxel_callbacks_waiting{queue=\"sales\"}";
    let promised = || house::metrics(program.http).get(waiting) == Some(&1.0);
    house::soon("the promise", promised, || caller.turn());
    caller.does(|phone, now| phone.hang_up(now));
    let now = || vaxel::edge::Clock::start().now().to_string();
    caller.turn();
    said(&program, &["why", "+46701234567"], &["is to be called back by sales"]);
    let stood = ["sales: nobody waits, 1 to be called back", "to be called back, not yet  needs sales"];
    said(&program, &["rewind", "--at", &now()], &stood);
    let told = program.command(&["why", "+46701234567"]).expect("a call");
    let id = |before: &str| told.split_once(before).and_then(|(_, rest)| rest.split(',').next()).expect("an id");
    let (entry, promise) = (id("joins sales as "), id("is to be called back by sales as "));
    let call = told.lines().next().expect("the call");
    for gone in [call, entry] {
        let error = program.command(&["priority", gone, "9"]).expect_err("the caller has hung up");
        assert!(error.contains("of who is to be called back that of the entry"), "{error}");
    }
    assert_eq!(
        program.command(&["priority", promise, "9"]).expect("it is promised"),
        "it waits with priority 9 from now on\n"
    );
    said(&program, &["why", "+46701234567"], &["has priority 9 from now on"]);
    let program = program.killed_and_started_again(Stdio::inherit());
    house::soon("what was promised", || house::metrics(program.http).get(waiting) == Some(&1.0), || ());

    let passwords = std::fs::read_to_string(program.data().join("agents.toml")).expect("passwords were made up");
    let line = passwords.lines().find_map(|line| line.strip_prefix("anna = ")).expect("one for anna");
    let mut anna = Person::new(Udp, HERE, program.sip, "anna", Some(line.trim_matches('"').to_owned()));
    anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    let rings = until(&mut [&mut anna], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    assert_eq!(rings, PhoneEvent::Rings { from: "sales: callback +46701234567".into() });
    anna.does(|phone, now| phone.answer(now));
    let (invite, from) = next_request(&far, "INVITE", &mut anna);
    assert!(invite.starts_with(&format!("INVITE sip:+46701234567@{far_at}")), "{invite}");
    assert!(invite.contains("<sip:300@"), "the number that was called is shown: {invite}");
    accept(&far, &invite, from, far_at);
    next_request(&far, "ACK", &mut anna);
    let kept = "vaxel_callbacks_total{outcome=\"kept\",queue=\"sales\"}";
    house::soon("the talk", || house::metrics(program.http).get(kept) == Some(&1.0), || anna.turn());
    said(
        &program,
        &["why", "+46701234567"],
        &[
            "is to be called back by sales",
            "rings anna",
            "anna answers",
            "the number is called now, after",
            "the number answers",
        ],
    );
    anna.does(|phone, now| phone.hang_up(now));
    let (bye, from) = next_request(&far, "BYE", &mut anna);
    accept(&far, &bye, from, far_at);
}

//! A disk that takes seconds for whatever it is asked: the journal and the records wait for it, and nobody who calls.

use crate::house::carrier;
use crate::person::{Person, until};
use crate::program::Program;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::Udp;

/// How long the disk takes each time.
const STALL: Duration = Duration::from_secs(3);

/// Within this a call is answered: far less than the disk takes, and enough for a machine that runs other tests beside.
const SOON: Duration = Duration::from_secs(1);

#[test]
fn call_set_up_never_waits_for_the_disk() {
    let program = Program::start(Stdio::inherit(), "error");
    let trace = program.data().join("strace.txt");
    let delay = STALL.as_micros().to_string();
    let program = program.killed_and_started_on_a_slow_disk(Stdio::inherit(), &delay, &trace);
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    let mut calls = 0;
    // Both who writes what happens in the queues and who writes the records of calls have been held up.
    let held_up = |call: &str| {
        let seen = std::fs::read_to_string(&trace).unwrap_or_default();
        seen.lines().filter(|line| line.contains(call) && line.contains("DELAYED")).count()
    };
    while held_up("fdatasync") < 2 || held_up("pwrite64") < 1 {
        assert!(began.elapsed() < 20 * STALL, "nothing is delayed after {calls} calls");
        let mut caller = Person::new(Udp, carrier(true), program.sip, &format!("+467012{calls:05}"), None);
        let called = Instant::now();
        caller.does(|phone, now| phone.call(now, "300"));
        until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
        longest = longest.max(called.elapsed());
        caller.does(|phone, now| phone.hang_up(now));
        calls += 1;
    }
    println!("{calls} calls in {:?}, answered within {longest:?}", began.elapsed());
    assert!(longest < SOON, "a caller waited {longest:?} for an answer");
}

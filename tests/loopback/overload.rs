//! What new calls are told while the engine is late or a limit is reached, and how soon; and that a talk that is up notices nothing.
//!
//! The engine is made late by stopping its thread, as a debugger does, and nothing else. An answer is measured from the caller's
//! side. This machine may have other things to do at any moment, so several calls are measured one after the other by UDP and TCP,
//! the slowest of them counts, and of several such tries the best.

use crate::asker::{Ask, Asker};
use crate::flood::{MORE, Over, silence, talk};
use crate::house::{House, PATIENCE, carrier, metrics};
use crate::person::{Person, until};
use crate::program::Program;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use vaxel::audio::measure;
use vaxel::edge::softphone::Do;
use vaxel::sim::PhoneEvent;
use vaxel::sip::Response;
use vaxel::sip::Transport::{Tcp, Udp};

/// In milliseconds.
const BOUND: f64 = 50.0;
const TRIES: usize = 20;
const CALLS: usize = 10;

/// The answer to a new call, and after how many milliseconds it came.
fn calls(caller: &mut Asker, to: &str) -> (Response, f64) {
    let text = caller.write(&Ask::new("INVITE", to, "+46701"));
    let began = Instant::now();
    let response = caller.ask(&text);
    (response, began.elapsed().as_secs_f64() * 1e3)
}

/// Milliseconds to the slowest of some refusals, one after the other and by each way; of several tries the best.
fn slowest_refusal(callers: &mut [Asker]) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        let times = (0..CALLS).flat_map(|_| {
            let refused = |caller: &mut Asker| {
                let (response, millis) = calls(caller, "sip:300@vaxel");
                let again = response.headers.get("Retry-After").and_then(|after| after.parse::<u32>().ok());
                assert!(response.code == 503 && again.is_some_and(|after| after > 0), "{response:?}");
                millis
            };
            callers.iter_mut().map(refused).collect::<Vec<_>>()
        });
        best = times.fold(0.0, f64::max).min(best);
        if best < BOUND {
            break;
        }
    }
    best
}

/// The engine's thread, and no other of the program, stands still until this is dropped (by the thread that made it).
struct Stopped(Pid);

impl Stopped {
    fn engine(program: &Program) -> Stopped {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", program.process.id())).expect("it lives");
        let named = |path: &std::path::Path| std::fs::read_to_string(path.join("comm")).is_ok_and(|n| n == "engine\n");
        let path = tasks.map(|task| task.expect("a thread").path()).find(|path| named(path)).expect("it has an engine");
        let id = path.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a number");
        let thread = Pid::from_raw(id);
        ptrace::seize(thread, ptrace::Options::empty()).expect("it is a child's");
        ptrace::interrupt(thread).expect("it runs");
        waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stops");
        Stopped(thread)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        ptrace::detach(self.0, None).expect("it is stopped");
    }
}

#[test]
fn while_the_engine_is_late_new_calls_are_told_so_at_once_and_a_talk_goes_on() {
    let program = Program::start_with(Stdio::inherit(), "error", MORE);
    let (bjorn, carla) = talk(&program);
    let carrier = |transport, server| Asker::new(transport, carrier(true), server);
    let mut callers = [carrier(Udp, program.sip), carrier(Tcp, program.tcp)];
    let started = Instant::now();
    while calls(&mut callers[0], "sip:998@vaxel").0.code != 404 {
        assert!(started.elapsed() < PATIENCE, "it is late without being held");
    }
    let heard_before = bjorn.heard().len();
    let (began, stop) = (Instant::now(), AtomicBool::new(false));
    let stopped = Stopped::engine(&program);
    let (slowest, refused, silence) = std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let over = Over(&stop);
            // Those that come before it is known to be late are answered when it goes on.
            let mut first = carrier(Udp, program.sip);
            let is_told = |first: &mut Asker| {
                let text = first.write(&Ask::new("INVITE", "sip:998@vaxel", "+46701"));
                first.send(text.as_bytes());
                first.next(Duration::from_millis(100)).is_some()
            };
            while !is_told(&mut first) {
                assert!(began.elapsed() < PATIENCE, "nobody is told that it is late");
            }
            let slowest = slowest_refusal(&mut callers);
            // As long as a gap in the talk would take to be noticed among its packets.
            while began.elapsed() < Duration::from_secs(3) {
                assert_eq!(calls(&mut callers[0], "sip:300@vaxel").0.code, 503);
            }
            let refused = metrics(program.http)[r#"vaxel_sip_errors_total{reason="calls_overload"}"#];
            drop(over);
            (slowest, refused)
        });
        let silence = silence(&bjorn, &stop);
        let (slowest, refused) = calling.join().expect("all are told");
        (slowest, refused, silence)
    });
    let talked = began.elapsed();
    drop(stopped);
    let heard = bjorn.heard();
    let percent = 100.0 * (heard.len() - heard_before) as f64 / (talked.as_secs_f64() * 8000.0);
    let longest = measure::longest_tone_millis(&heard[heard_before..], 1000.0, -30.0, 8000);
    println!(
        "late for {} ms: the slowest of {} refusals took {slowest:.1} ms; talk: {percent:.1} % of the sound came, longest stretch \
         without a gap {longest} ms, nothing heard for {silence:.0} ms at most",
        talked.as_millis(),
        2 * CALLS
    );
    assert!(slowest < BOUND, "{slowest} ms");
    assert!(refused >= (2 * CALLS) as f64);
    assert!(percent > 80.0 && u128::from(longest) * 2 > talked.as_millis(), "the talk has gaps");
    // It is itself again: calls are taken, and the talk is ended by who talks.
    while calls(&mut callers[1], "sip:998@vaxel").0.code != 404 {
        assert!(began.elapsed() < talked + PATIENCE, "it is late for ever");
    }
    bjorn.act(Do::HangUp);
    carla.until("the end", PATIENCE, |event| *event == PhoneEvent::Ended).expect("it is said");
}

#[test]
fn at_a_limit_of_calls_a_new_one_is_told_so_at_once_and_those_that_are_up_stay() {
    let house = House::with("\n[limits]\ncalls = 2\n[[trunks]]\nname = \"small\"\nfrom = [\"127.0.0.9\"]\ncalls = 1\n");
    let small = [127, 0, 0, 9].into();
    let in_line = |home| {
        let mut caller = Person::new(Udp, home, house.sip(Udp, true), "+46701234567", None);
        caller.does(|phone, now| phone.call(now, "300"));
        until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
        caller
    };
    let askers = |home| [Udp, Tcp].map(|transport| Asker::new(transport, home, house.sip(transport, true)));
    let mut first = in_line(small);
    let by_trunk = slowest_refusal(&mut askers(small));
    let mut second = in_line(carrier(true));
    let in_all = slowest_refusal(&mut askers(carrier(true)));
    println!("the slowest of {} refusals took {by_trunk:.1} ms (trunk), {in_all:.1} ms (all)", 2 * CALLS);
    assert!(by_trunk < BOUND && in_all < BOUND, "{by_trunk} ms, {in_all} ms");
    for reason in ["trunk_full", "too_many_calls"] {
        let series = format!("vaxel_calls_refused_total{{reason=\"{reason}\"}}");
        house.wait_until(&series, |refused| refused >= 1.0, || std::thread::sleep(Duration::from_millis(20)));
    }
    for person in [&mut first, &mut second] {
        assert!(person.phone.is_talking());
        person.does(|phone, now| phone.hang_up(now));
    }
    house.wait_until(
        "vaxel_calls",
        |calls| calls == 0.0,
        || [&mut first, &mut second].into_iter().for_each(Person::turn),
    );
}

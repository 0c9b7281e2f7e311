//! The program whose log goes to nobody: it takes calls all the same.

use crate::house::{self, PATIENCE, carrier};
use crate::person::connect;
use crate::program::Program;
use crate::{caller_in_line, exchange, request};
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use vaxel::sip::Transport::{Tcp, Udp};

const LOST: &str = "vaxel_log_lines_lost_total";

/// From its beginning to its end.
fn takes_a_call(program: &mut Program) {
    let options = exchange(Udp, carrier(true), program.sip, request("OPTIONS", Udp).as_bytes());
    assert!(options.starts_with("SIP/2.0 200 "), "{options}");
    let ended = |program: &Program| house::metrics(program.http)[r#"vaxel_calls_ended_total{by="caller"}"#];
    let before = ended(program);
    let mut caller = caller_in_line(program.sip);
    caller.does(|phone, now| phone.hang_up(now));
    let began = Instant::now();
    while ended(program) == before {
        assert!(began.elapsed() < PATIENCE, "the call does not end");
        caller.turn();
    }
    assert_eq!(house::get(program.http, "/readyz").0, 200);
    assert!(program.process.try_wait().expect("it can be asked").is_none(), "it has ended");
}

fn lost(program: &Program) -> f64 {
    house::metrics(program.http)[LOST]
}

fn ends(mut program: Program) {
    program.signal(Signal::TERM);
    assert_eq!(program.end(|| std::thread::sleep(Duration::from_millis(5))), Some(0));
}

/// Each INVITE for a number that is not there is a line in the log.
fn wait_for_losses(program: &Program) {
    let mut stream = connect(carrier(true), program.tcp);
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let began = Instant::now();
    while lost(program) == 0.0 {
        assert!(began.elapsed() < 3 * PATIENCE, "no line is lost");
        let mut answers = String::new();
        for _ in 0..100 {
            stream.write_all(request("INVITE", Tcp).replace("300", "999").as_bytes()).expect("it is taken");
        }
        while answers.matches("SIP/2.0 404 ").count() < 100 {
            let mut buffer = [0; 65536];
            let length = stream.read(&mut buffer).expect("answers come");
            assert!(length > 0, "the connection is lost");
            answers += &String::from_utf8_lossy(&buffer[..length]);
        }
    }
}

#[test]
fn a_log_whose_reader_is_gone_costs_lines_and_no_call() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut program = Program::start(writer, "info");
    takes_a_call(&mut program);
    assert_eq!(lost(&program), 0.0);
    drop(reader);
    takes_a_call(&mut program);
    wait_for_losses(&program);
    takes_a_call(&mut program);
    ends(program);
}

#[test]
fn a_log_on_a_full_disk_costs_lines_and_no_call() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut program = Program::start(full, "info");
    takes_a_call(&mut program);
    wait_for_losses(&program);
    takes_a_call(&mut program);
    ends(program);
}

#[test]
fn a_log_that_nobody_reads_costs_lines_and_no_call() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut program = Program::start(writer, "trace");
    takes_a_call(&mut program);
    wait_for_losses(&program);
    takes_a_call(&mut program);
    ends(program);
    drop(reader);
}

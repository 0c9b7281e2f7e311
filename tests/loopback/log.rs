//! The program whose log goes to nobody: it takes calls all the same.

use crate::contact::{answer, bind, next_call};
use crate::house::{self, Folder, PATIENCE, carrier};
use crate::large::FLOW;
use crate::person::connect;
use crate::program::Program;
use crate::{caller_in_line, exchange, request};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Message, client};
use vaxel::sip::Transport::{Tcp, Udp};

const LOST: &str = "vaxel_log_lines_lost_total";

/// From its beginning to its end.
fn takes_a_call(program: &mut Program) {
    let asked = Instant::now();
    loop {
        let options = exchange(Udp, carrier(true), program.sip, request("OPTIONS", Udp).as_bytes());
        if options.starts_with("SIP/2.0 200 ") {
            break;
        }
        // A machine with too much else to do is late for a while, and says so to everybody.
        assert!(options.starts_with("SIP/2.0 503 ") && asked.elapsed() < PATIENCE, "{options}");
    }
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
        // Those that the engine is late for are refused for that.
        while answers.matches("SIP/2.0 404 ").count() + answers.matches("SIP/2.0 503 ").count() < 100 {
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

#[test]
fn messages_by_websocket_are_not_in_the_log_at_any_level() {
    let log = Folder::new();
    let said = log.0.join("log");
    let program = Program::start(std::fs::File::create(&said).expect("a file"), "trace,tungstenite=trace");
    let mut upgrade = format!("ws://{}/", program.ws).into_client_request().expect("an address");
    upgrade.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
    let stream = connect(carrier(true), program.ws);
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let (mut page, _) = client(upgrade, stream).expect("it is let in");
    let line = "x\n2026-01-01T00:00:00.000000Z  WARN vaxel: forged\n";
    let more = format!("Authorization: Digest response=\"s3cret\"\r\nContent-Length: {}\r\n\r\n{line}", line.len());
    let options = request("OPTIONS", Tcp).replace("/TCP", "/WS").replace("Content-Length: 0\r\n\r\n", &more);
    page.send(Message::text(options)).expect("it is taken");
    let answer = page.read().expect("an answer comes").into_data();
    assert!(answer.starts_with(b"SIP/2.0 "), "{answer:?}");
    ends(program);
    let said = std::fs::read_to_string(&said).expect("text");
    assert!(!said.contains("s3cret") && !said.contains("forged") && said.contains(" INFO vaxel"), "{said}");
}

/// Twice a carrier sends a call to these places: the one line of the log that says so. `result`: how that is counted.
fn said_of(contacts: &str, result: &str, words: &str) -> String {
    let (flows, log) = (Folder::new(), Folder::new());
    std::fs::write(flows.0.join("sales.yaml"), FLOW).expect("a flow is written");
    let far = bind([127, 0, 0, 94]);
    // Colleagues without a phone.
    let colleagues: String = (1..=5).map(|n| format!("[[agents]]\nname = \"away{n}\"\nnumber = \"80{n}\"\n")).collect();
    let more = format!(
        "[flows]\nfolder = \"{}\"\n[[trunks]]\nname = \"far\"\nto = \"udp:{}\"\ntakes = [\"+\"]\n{colleagues}",
        flows.0.display(),
        far.local_addr().expect("a bound socket")
    );
    let said = log.0.join("log");
    let program = Program::start_with(std::fs::File::create(&said).expect("a file"), "warn", &more);
    let counted =
        |program: &Program| house::metrics(program.http)[&*format!("vaxel_redirects_total{{result=\"{result}\"}}")];
    let mut seen = BTreeSet::new();
    for n in 1..=2 {
        let mut caller = caller_in_line(program.sip);
        let (invite, from) = next_call(&far, &mut caller, &mut seen);
        answer(&far, &invite, from, "302 Moved Temporarily", &format!("Contact: {contacts}\r\n"), "");
        let began = Instant::now();
        while counted(&program) < f64::from(n) {
            assert!(began.elapsed() < PATIENCE, "it is not counted");
            caller.turn();
        }
    }
    ends(program);
    let said = std::fs::read_to_string(&said).expect("text");
    let lines: Vec<_> = said.lines().filter(|line| line.contains(words)).collect();
    let [line] = lines[..] else { panic!("one line for two calls:\n{said}") };
    line.to_owned()
}

#[test]
fn a_call_that_a_carrier_sends_to_a_strange_place_is_said_once_a_minute() {
    let line = said_of("<sip:thief@192.0.2.99>", "refused", "neither ours nor a trunk's");
    assert!(line.contains("192.0.2.99") && !line.contains("thief"), "{line}");
}

#[test]
fn a_call_that_a_carrier_sends_to_more_places_than_are_tried_is_said_once_a_minute() {
    let places = [801, 802, 803, 804, 805].map(|number| format!("<sip:{number}@127.0.0.1>"));
    let line = said_of(&places.join(", "), "cut", "more places than are tried");
    assert!(line.contains("left=2") && line.contains(" WARN "), "{line}");
}

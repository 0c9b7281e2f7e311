//! The whole process stands still: a machine that is moved, or a debugger.

use crate::contact::{accept, bind, gets, next_request};
use crate::house::{Folder, carrier};
use crate::large::FLOW;
use crate::person::{Person, until};
use crate::program::Program;
use rustix::process::Signal;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::Udp;

/// A carrier that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(4);

#[test]
fn what_was_answered_during_a_pause_is_read_before_anybody_is_given_up() {
    let flows = Folder::new();
    std::fs::write(flows.0.join("sales.yaml"), FLOW).expect("a flow is written");
    let (far, other) = (bind([127, 0, 0, 93]), bind([127, 0, 0, 94]));
    let trunk = |socket: &std::net::UdpSocket, priority: u8| {
        let at = socket.local_addr().expect("a bound socket");
        format!("[[trunks]]\nname = \"out{priority}\"\nto = \"udp:{at}\"\ntakes = [\"+\"]\npriority = {priority}\n")
    };
    let more = format!("\n[flows]\nfolder = \"{}\"\n{}{}", flows.0.display(), trunk(&far, 1), trunk(&other, 2));
    let program = Program::start_with(Stdio::null(), "error", &more);
    let mut caller = Person::new(Udp, carrier(true), program.sip, "+46701234567", None);
    caller.does(|phone, now| phone.call(now, "300"));
    let (invite, from) = next_request(&far, "INVITE", &mut caller);
    program.signal(Signal::STOP);
    // Before its answer stand others, so that who looks at the clock first sees only them.
    for n in 0..40 {
        let at = far.local_addr().expect("a bound socket");
        let options = format!(
            "OPTIONS sip:vaxel SIP/2.0\r\nVia: SIP/2.0/UDP {at};rport;branch=z9hG4bKp{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:far@{at}>;tag=1\r\nTo: <sip:vaxel>\r\nCall-ID: p{n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        far.send_to(options.as_bytes(), program.sip).expect("loopback takes it");
    }
    accept(&far, &invite, from, far.local_addr().expect("a bound socket"));
    let began = Instant::now();
    while began.elapsed() < SILENCE + Duration::from_secs(1) {
        caller.turn();
    }
    program.signal(Signal::CONT);
    next_request(&far, "ACK", &mut caller);
    until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    assert!(!gets(&other, "INVITE"), "nobody else is rung");
    assert!(!gets(&far, "BYE"), "and the call is up");
}

//! Trunks by TCP and TLS: what holds by UDP holds there.

use crate::baresip::{Baresip, Options};
use crate::carriers::END;
use crate::script::{Offer, Script};
use crate::server::{Folder, free_port};
use crate::sipp::{Play, Sipp, Way, when};
use crate::sound::{Ear, Sound};
use crate::tunnel::Tunnel;
use crate::{ANNA, CALLER, SOON, agent, list, secure};
use std::net::{SocketAddr, TcpListener};

/// A call out by `transport`, past a carrier that is silent and one that refuses, to the third.
fn goes_past_carriers_that_fail(transport: &str) {
    let folder = Folder::new(&format!("failover-{transport}"));
    secure::certify(&folder);
    // Connections to it are taken, and nothing is said.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = (silent.local_addr().expect("a bound socket"), silent);
    let [refuses, takes] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let tunnels: Vec<Tunnel> = match transport {
        "tls" => [silent.0, refuses, takes].map(|to| Tunnel::to(&folder, to)).into(),
        _ => Vec::new(),
    };
    let place = |n: usize, plain: SocketAddr| tunnels.get(n).map_or(plain, |tunnel| tunnel.at);
    let trunk = |n: usize, name: &str, plain: SocketAddr| {
        let to = place(n, plain);
        format!("{{ name = \"{name}\", to = \"{transport}:{to}\", takes = [\"+\"], priority = {n} }}", n = n + 1)
    };
    let all = [trunk(0, "silent", silent.0), trunk(1, "refuses", refuses), trunk(2, "takes", takes)];
    let trunks = format!("[{}]", all.join(", "));
    let more = [("VAXEL_TRUNKS", trunks.as_str()), ("VAXEL_SIP__TLS__CA", "ca.pem")];
    let (server, _) = secure::start_with(&folder, transport, &more);

    let refusing = Script::new("refuses", "nobody")
        .gets_request("INVITE")
        .answers_saying("503 Service Unavailable", "Retry-After: 600\n")
        .gets_request("ACK");
    let taking = |sound: &Sound| {
        Script::new("+4687000", "nobody")
            .gets_request("INVITE")
            .answers_early("180 Ringing")
            .accepts(Offer::at(sound.port()))
            .gets_request("ACK")
            .waits_for_bye()
    };
    let play = |name, home| Play { name, server: server.sip, home, tcp: true };
    let refusing = Sipp::play(&folder, &play("refuses", refuses), &refusing);
    let sound = Sound::new(CALLER);
    let taken = Sipp::play(&folder, &play("takes", takes), &taking(&sound));
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let dialled = std::time::Instant::now();
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    assert!(dialled.elapsed().as_secs() >= 4, "{:?}", dialled.elapsed());
    sound.wait_for_tone(ANNA, 1000);
    anna.command("hangup");
    refusing.finish(END);
    taken.finish(END);
    let (refused, came) =
        (when(&folder, "refuses", Way::Sent, "SIP/2.0 503 "), when(&folder, "takes", Way::Received, "INVITE "));
    let after = came[0] - refused[0];
    // Silence would have taken four seconds; that it takes less than one is asserted where no tunnel is on the way.
    assert!(after < 3.0, "{after} s from the refusal to the next carrier");
    for (trunk, failures) in [("silent", 1.0), ("refuses", 1.0), ("takes", 0.0)] {
        server.wait_for_metric(&format!("vaxel_trunk_failures_total{{trunk=\"{trunk}\"}}"), failures, SOON);
        server.wait_for_metric(&format!("vaxel_trunk_calls{{trunk=\"{trunk}\"}}"), 0.0, SOON);
        // Who asked for a rest has it, and who was silent is the last.
        let usable = format!("vaxel_trunk_targets_usable{{trunk=\"{trunk}\"}}");
        assert_eq!(server.metric(&usable), Some(if trunk == "refuses" { 0.0 } else { 1.0 }), "{trunk}");
    }
    let again = Sipp::play(&folder, &play("takes-again", takes), &taking(&sound));
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.command("hangup");
    again.finish(END);
    assert_eq!(server.metric("vaxel_trunk_failures_total{trunk=\"silent\"}"), Some(1.0), "nobody waits for it again");
}

#[test]
fn a_call_out_by_tcp_goes_past_carriers_that_fail() {
    goes_past_carriers_that_fail("tcp");
}

#[test]
fn a_call_out_by_tls_goes_past_carriers_that_fail() {
    goes_past_carriers_that_fail("tls");
}

/// Another exchange, which has no address of its own, calls by `transport` and says its password; and one that does not know it.
fn comes_in_by_password(transport: &str) {
    let folder = Folder::new(&format!("login-{transport}"));
    secure::certify(&folder);
    let trunks = "[{ name = \"branch\", login = { user = \"branch\", password = \"between-us\" } }]";
    let (server, at) = secure::start_with(&folder, transport, &[("VAXEL_TRUNKS", trunks)]);
    let at = if transport == "udp" { server.sip } else { at };
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let exchange = |password| {
        let options = Options { user: "branch", password, answers: "manual", tone: Some(CALLER), transport };
        Baresip::start_unregistered(&folder, at, &options)
    };
    let mut wrong = exchange("guessed");
    wrong.dial("101");
    wrong.wait_for("CALL_CLOSED", SOON);
    assert_eq!(server.metric("vaxel_calls_total{trunk=\"branch\"}").unwrap_or_default(), 0.0);
    drop(wrong);
    let mut branch = exchange("between-us");
    branch.dial("101");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.wait_for_tone(CALLER, 1000);
    branch.wait_for_tone(ANNA, 1000);
    branch.command("hangup");
    anna.wait_for("CALL_CLOSED", SOON);
    let record = &server.contacts(1)[0];
    assert_eq!((&record["trunk"], &list(record, "talks")[0]["with"]), (&"branch".into(), &"anna".into()), "{record}");
}

#[test]
fn another_exchange_comes_in_by_its_password_by_udp() {
    comes_in_by_password("udp");
}

#[test]
fn another_exchange_comes_in_by_its_password_by_tcp() {
    comes_in_by_password("tcp");
}

#[test]
fn another_exchange_comes_in_by_its_password_by_tls() {
    comes_in_by_password("tls");
}

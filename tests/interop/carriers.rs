//! Carriers: SIPp that answers, refuses or says nothing, and Kamailio, which asks for passwords and stays in the path.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound};
use crate::{ANNA, CALLER, SOON, agent, list};
use rustix::process::Signal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const END: Duration = Duration::from_secs(30);
/// Where the world outside the carrier is.
pub const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// Answers one call, and waits until the other side hangs up.
pub fn answers(folder: &Folder, name: &str, home: SocketAddr, server: SocketAddr, sound: &Sound) -> Sipp {
    let script = Script::new("+4687000", "nobody")
        .gets_request("INVITE")
        .answers_early("180 Ringing")
        .accepts(Offer::at(sound.port()))
        .gets_request("ACK")
        .waits_for_bye();
    Sipp::play(folder, &Play { name, server, home, tcp: false }, &script)
}

/// Refuses one call with 503.
pub fn refuses_one(folder: &Folder, home: SocketAddr, server: SocketAddr) -> Sipp {
    let script = Script::new("refuses", "nobody")
        .gets_request("INVITE")
        .answers_early("503 Service Unavailable")
        .gets_request("ACK");
    Sipp::play(folder, &Play { name: "refuses", server, home, tcp: false }, &script)
}

#[test]
fn a_call_out_goes_past_a_silent_and_a_refusing_carrier_to_the_one_that_takes_it() {
    let folder = Folder::new("failover");
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let (refuses, takes) = (local(free_port()), local(free_port()));
    let trunk = |name: &str, to: SocketAddr, priority: u8| {
        format!("{{ name = \"{name}\", to = \"udp:{to}\", takes = [\"+\"], priority = {priority} }}")
    };
    let silent_at = silent.local_addr().expect("a bound socket");
    let trunks =
        format!("[{}, {}, {}]", trunk("silent", silent_at, 1), trunk("refuses", refuses, 2), trunk("takes", takes, 3));
    let server = Server::start_with(&folder, &[("VAXEL_TRUNKS", &trunks)]);
    let refusing = refuses_one(&folder, refuses, server.sip);
    let sound = Sound::new(CALLER);
    let taking = answers(&folder, "takes", takes, server.sip, &sound);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");

    let dialled = Instant::now();
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    let after = dialled.elapsed();
    // Four seconds for the silent one, and nothing that could be noticed for the other.
    assert!((4..7).contains(&after.as_secs()), "{after:?}");
    sound.wait_for_tone(ANNA, 1000);
    refusing.finish(END);
    anna.command("hangup");
    taking.finish(END);
    for (trunk, failures) in [("silent", 1.0), ("refuses", 1.0), ("takes", 0.0)] {
        server.wait_for_metric(&format!("vaxel_trunk_failures_total{{trunk=\"{trunk}\"}}"), failures, SOON);
        server.wait_for_metric(&format!("vaxel_trunk_calls{{trunk=\"{trunk}\"}}"), 0.0, SOON);
    }
    assert_eq!(list(&server.contacts(1)[0], "talks")[0]["with"], "+4687000");

    // Those that failed are last for a while, so that the next caller does not wait for them.
    let taking = answers(&folder, "takes-again", takes, server.sip, &sound);
    let dialled = Instant::now();
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    assert!(dialled.elapsed() < Duration::from_secs(3));
    anna.command("hangup");
    taking.finish(END);
}

/// Kamailio with settings of this project.
pub struct Kamailio(Child);

impl Kamailio {
    /// A carrier's edge.
    fn edge(folder: &Folder, at: SocketAddr, outside: SocketAddr) -> Kamailio {
        let defines = [format!("LISTEN=udp:{at}"), format!("OUTSIDE=\"sip:{outside}\"")];
        Kamailio::start(folder, "tests/interop/carrier.cfg", &defines)
    }

    /// `settings`: a file, from the root of the project.
    pub fn start(folder: &Folder, settings: &str, defines: &[String]) -> Kamailio {
        let log = std::fs::File::create(folder.path().join("kamailio.log")).expect("a log");
        let modules = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
            .map(|lib| format!("{lib}/kamailio/modules/"));
        let modules = modules.iter().find(|path| std::path::Path::new(path).exists());
        let modules = modules.expect("Kamailio is not installed: tests/run installs it (Debian: kamailio)");
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-M", "4", "-m", "32"])
            .args(["-f", &format!("{}/{settings}", env!("CARGO_MANIFEST_DIR"))])
            .args(defines.iter().flat_map(|define| ["-A", define]))
            .args(["-A", &format!("MODULES=\"{modules}\"")])
            .args(["-w", &folder.path().to_string_lossy()])
            .args(["-Y", &folder.path().to_string_lossy()])
            .args(["-P", &folder.path().join("kamailio.pid").to_string_lossy()])
            // With its children.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .spawn()
            .expect("Kamailio is not installed: tests/run installs it (Debian: kamailio)");
        Kamailio(child)
    }
}

impl Kamailio {
    /// From now on it does nothing at all, as a machine that lost its power.
    pub fn freeze(&self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process_group(pid, Signal::STOP).expect("it runs");
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // It ends its own children, if it is asked and can hear.
        let pid = rustix::process::Pid::from_child(&self.0);
        let asked = rustix::process::kill_process(pid, Signal::TERM);
        if asked.and(rustix::process::kill_process_group(pid, Signal::CONT)).is_err() {
            eprintln!("Kamailio had ended before");
        }
        drop(self.0.wait());
    }
}

#[test]
fn kamailio_registers_us_asks_for_the_password_and_stays_in_the_path_both_ways() {
    let folder = Folder::new("kamailio");
    let (edge, outside) = (SocketAddr::from(([127, 0, 0, 1], free_port())), SocketAddr::new(OUTSIDE, free_port()));
    let _kamailio = Kamailio::edge(&folder, edge, outside);
    let trunks = format!(
        "[{{ name = \"carrier\", to = \"udp:{edge}\", takes = [\"+\"], domain = \"carrier.example\", register = \"1m\", \
         probe = \"5s\", account = {{ user = \"46850000\", password = \"between us\", realm = \"carrier.example\" }} }}]"
    );
    let mut server = Server::start_with(&folder, &[("VAXEL_TRUNKS", &trunks)]);
    server.wait_for_metric("vaxel_trunk_registered{trunk=\"carrier\"}", 1.0, END);

    // Out: with the password, and by the edge until the end.
    let sound = Sound::with(CALLER, vaxel::media::Codec::Pcmu, OUTSIDE);
    let callee = answers(&folder, "callee", outside, edge, &sound);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 1000);
    anna.command("hangup");
    callee.finish(END);

    // In: the edge finds our registration; the number is in To.
    let play = Play { name: "caller", server: edge, home: outside, tcp: false };
    let calls = Script::new("+46701234567", "100").routed().talks(Offer::at(sound.port()));
    let mut caller = Sipp::play(&folder, &play, &calls);
    caller.wait_until("talk", SOON);
    server.wait_for_metric("vaxel_trunk_calls{trunk=\"carrier\"}", 1.0, SOON);
    caller.go_on();
    caller.finish(END);
    let records = server.contacts(2);
    assert_eq!((&records[1]["trunk"], &records[1]["to"]), (&"carrier".into(), &"100".into()));
    assert_eq!(server.metric("vaxel_trunk_registrations_failed_total{trunk=\"carrier\"}"), Some(0.0));
    assert_eq!(server.metric("vaxel_trunk_targets_usable{trunk=\"carrier\"}"), Some(1.0));

    // And a house that closes is no longer called.
    drop(anna);
    server.terminate();
    assert_eq!(server.exit_code(Duration::from_secs(20)), Some(0));
    let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    assert!(log.contains("no longer registered at the carrier") && !log.contains("between us"), "{log}");
    let late = Script::new("+46701234567", "100").invites(Offer::at(9)).gets(404).acknowledges_refusal();
    let late = Sipp::play(&folder, &Play { name: "late", server: edge, home: outside, tcp: false }, &late);
    late.finish(END);
}

#[test]
fn an_edge_that_forks_to_us_twice_brings_one_call() {
    let folder = Folder::new("forks");
    let (edge, outside) = (SocketAddr::from(([127, 0, 0, 1], free_port())), SocketAddr::new(OUTSIDE, free_port()));
    let _kamailio = Kamailio::edge(&folder, edge, outside);
    let trunks = format!(
        "[{{ name = \"carrier\", to = \"udp:{edge}\", takes = [\"+\"], domain = \"carrier.example\", register = \"1m\", \
         account = {{ user = \"46850000\", password = \"between us\", realm = \"carrier.example\" }} }}]"
    );
    let server = Server::start_with(&folder, &[("VAXEL_TRUNKS", &trunks)]);
    server.wait_for_metric("vaxel_trunk_registered{trunk=\"carrier\"}", 1.0, END);
    let refused = || server.metric("vaxel_sip_messages_total{direction=\"sent\",kind=\"4xx\"}").expect("a count");
    let before = refused();
    // The edge sends what this caller sends by two branches, both to us.
    let play = Play { name: "twice", server: edge, home: outside, tcp: false };
    let calls = Script::new("twice", "100").routed().talks(Offer::at(9));
    let mut caller = Sipp::play(&folder, &play, &calls);
    caller.wait_until("talk", SOON);
    assert_eq!(refused(), before + 1.0, "the other branch is told 482");
    caller.go_on();
    caller.finish(END);
    assert_eq!(server.contacts(1).len(), 1);
    assert_eq!(server.metric("vaxel_calls_total{trunk=\"carrier\"}"), Some(1.0));
}

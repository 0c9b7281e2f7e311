//! Carriers by name: dnsmasq is their DNS.

use crate::baresip::{Baresip, Options};
use crate::carriers::{END, answers, refuses_one};
use crate::certificates::certify;
use crate::server::{Folder, Server, free_port, wait_for};
use crate::sound::{Ear, Sound, tone_millis};
use crate::{ANNA, CALLER, SOON, agent};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Answers for the names below `test`, which it knows all, until it is dropped.
struct Dns(Child);

impl Dns {
    fn start(folder: &Folder, port: u16, records: &[String]) -> Dns {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.path().join("dns.log"));
        let log = log.expect("the log can be written");
        let child = Command::new("dnsmasq")
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file"])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/", "--log-facility=-"])
            .arg(format!("--port={port}"))
            .args(records)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .spawn()
            .expect("dnsmasq is not installed: tests/run installs it (Debian: dnsmasq-base)");
        wait_for("DNS", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
        Dns(child)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The carrier's service by UDP: servers at these ports, the first the most wanted.
fn zone(ports: &[u16]) -> Vec<String> {
    let mut records = vec![
        "--naptr-record=carrier.test,10,20,s,SIP+D2T,,_sip._tcp.carrier.test".to_owned(),
        "--naptr-record=carrier.test,10,10,s,SIP+D2U,,_sip._udp.carrier.test".to_owned(),
        "--srv-host=_sip._tcp.carrier.test,elsewhere.carrier.test,5060,1,0".to_owned(),
        "--host-record=sbc.carrier.test,127.0.0.1".to_owned(),
    ];
    let servers = ports.iter().enumerate();
    records.extend(servers.map(|(n, port)| format!("--srv-host=_sip._udp.carrier.test,sbc.carrier.test,{port},{n},0")));
    records
}

fn house(folder: &Folder, dns: u16) -> Server {
    let servers = format!("127.0.0.1:{dns}");
    let trunks = "[{ name = \"carrier\", to = \"sip:Carrier.test\", takes = [\"+\"] }]";
    Server::start_with(folder, &[("VAXEL_DNS__SERVERS", &servers), ("VAXEL_TRUNKS", trunks)])
}

const TARGETS: &str = "vaxel_trunk_targets{trunk=\"carrier\"}";

fn lookups(server: &Server, results: &[&str]) -> f64 {
    let count = |result| server.metric(&format!("vaxel_trunk_lookups_total{{result=\"{result}\",trunk=\"carrier\"}}"));
    results.iter().filter_map(count).sum()
}

#[test]
fn the_second_server_takes_over_from_a_silent_one_and_calls_go_out_when_dns_is_gone() {
    let folder = Folder::new("srv");
    let (silent, port) = (UdpSocket::bind("127.0.0.1:0").expect("a free port"), free_port());
    let (takes, first) = (SocketAddr::from(([127, 0, 0, 1], free_port())), silent.local_addr().expect("bound").port());
    let dns = Dns::start(&folder, port, &zone(&[first, takes.port()]));
    let server = house(&folder, port);
    server.wait_for_metric(TARGETS, 2.0, SOON);
    let sound = Sound::new(CALLER);
    let taking = answers(&folder, "takes", takes, server.sip, &sound);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let dialled = Instant::now();
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    assert!((4..7).contains(&dialled.elapsed().as_secs()), "{:?}", dialled.elapsed());
    sound.wait_for_tone(ANNA, 1000);
    anna.command("hangup");
    taking.finish(END);
    let mut packet = [0; 2000];
    let length = silent.recv(&mut packet).expect("it was called");
    let invite = String::from_utf8_lossy(&packet[..length]).into_owned();
    assert!(invite.starts_with("INVITE sip:+4687000@carrier.test SIP/2.0\r\n"), "by its name: {invite}");

    // The last answer stays, and its age can be seen.
    drop(dns);
    wait_for("DNS to be missed", END, || (lookups(&server, &["timeout", "unreachable"]) >= 1.0).then_some(()));
    let located = "vaxel_trunk_located_timestamp_seconds{trunk=\"carrier\"}";
    let since = server.metric(located).expect("an age");
    wait_for("DNS to be missed again", END, || (lookups(&server, &["timeout", "unreachable"]) >= 2.0).then_some(()));
    assert_eq!((server.metric(located), server.metric(TARGETS)), (Some(since), Some(2.0)));
    let taking = answers(&folder, "takes-again", takes, server.sip, &sound);
    anna.dial("+4687001");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.command("hangup");
    taking.finish(END);
    let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    assert!(log.contains("DNS does not say where the trunk is; it stays where it was"), "{log}");
}

#[test]
fn calls_go_out_after_a_restart_while_dns_is_gone() {
    let folder = Folder::new("dns-restart");
    let (port, takes) = (free_port(), SocketAddr::from(([127, 0, 0, 1], free_port())));
    let dns = Dns::start(&folder, port, &zone(&[takes.port()]));
    let mut server = house(&folder, port);
    server.wait_for_metric(TARGETS, 1.0, SOON);
    let located = "vaxel_trunk_located_timestamp_seconds{trunk=\"carrier\"}";
    let since = server.metric(located).expect("an age");
    server.terminate();
    assert_eq!(server.exit_code(Duration::from_secs(20)), Some(0));
    drop((server, dns));

    let server = house(&folder, port);
    server.wait_for_metric(TARGETS, 1.0, SOON);
    wait_for("DNS to be missed", END, || (lookups(&server, &["timeout", "unreachable"]) >= 1.0).then_some(()));
    assert_eq!((server.metric(located), server.metric(TARGETS)), (Some(since), Some(1.0)), "it is as old as it was");
    let sound = Sound::new(CALLER);
    let taking = answers(&folder, "takes", takes, server.sip, &sound);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.command("hangup");
    taking.finish(END);
    let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    assert!(log.contains("the trunk is taken to be where DNS last said that it is"), "{log}");
}

#[test]
fn a_server_that_refuses_is_left_at_once_and_a_carrier_that_moves_is_found_again() {
    let folder = Folder::new("moves");
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let (port, refuses, takes, moved) = (free_port(), local(free_port()), local(free_port()), local(free_port()));
    // Nobody answers at first: there is nothing to go by, and then there is.
    let server = house(&folder, port);
    wait_for("DNS to be missed", SOON, || (lookups(&server, &["timeout", "unreachable"]) >= 1.0).then_some(()));
    assert_eq!(server.metric(TARGETS), Some(0.0));
    let dns = Dns::start(&folder, port, &zone(&[refuses.port(), takes.port()]));
    server.wait_for_metric(TARGETS, 2.0, END);

    let refusing = refuses_one(&folder, refuses, server.sip);
    let sound = Sound::new(CALLER);
    let taking = answers(&folder, "takes", takes, server.sip, &sound);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let dialled = Instant::now();
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    assert!(dialled.elapsed() < Duration::from_secs(2), "{:?}", dialled.elapsed());
    refusing.finish(END);
    anna.command("hangup");
    taking.finish(END);

    drop(dns);
    let _dns = Dns::start(&folder, port, &zone(&[moved.port()]));
    server.wait_for_metric(TARGETS, 1.0, END);
    let taking = answers(&folder, "moved", moved, server.sip, &sound);
    anna.dial("+4687001");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.command("hangup");
    taking.finish(END);
}

#[test]
fn a_carrier_by_sips_is_called_by_tls_and_must_have_the_certificate_of_its_name() {
    let folder = Folder::new("sips");
    certify(&folder, "ca.pem", &["127.0.0.1", "carrier.test", "sbc.carrier.test"]);
    let (port, tls) = (free_port(), free_port());
    let number = "+4687000";
    let carrier = |server: &Server, certificate: &str| {
        let tone = Some(CALLER);
        let options = Options { user: number, password: "none", answers: "auto", tone, transport: "tls" };
        Baresip::start_certified(&folder, server.sip, &options, certificate)
    };
    let (udp, dns_at) = (free_port(), format!("127.0.0.1:{port}"));
    let listen = format!("udp:127.0.0.1:{udp},tls:127.0.0.1:{tls}");
    let variables = [
        ("VAXEL_SIP__LISTEN", listen.as_str()),
        ("VAXEL_SIP__TLS__CERTIFICATE", "127.0.0.1.pem"),
        ("VAXEL_SIP__TLS__KEY", "127.0.0.1.pem"),
        ("VAXEL_SIP__TLS__CA", "ca.pem"),
        ("VAXEL_DNS__SERVERS", &dns_at),
        ("VAXEL_TRUNKS", "[{ name = \"carrier\", to = \"sips:carrier.test\", takes = [\"+\"] }]"),
    ];
    let mut server = Server::start_with(&folder, &variables);
    server.sip.set_port(udp);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");

    // Whom DNS leads to has a good certificate, but not that of the carrier.
    let zone = |at: u16| {
        let srv = format!("--srv-host=_sips._tcp.carrier.test,sbc.carrier.test,{at},0,0");
        vec![srv, "--host-record=sbc.carrier.test,127.0.0.1".to_owned()]
    };
    let other = carrier(&server, "sbc.carrier.test.pem");
    let dns = Dns::start(&folder, port, &zone(other.tls));
    server.wait_for_metric(TARGETS, 1.0, END);
    anna.dial(number);
    server.wait_for_metric("vaxel_sip_errors_total{reason=\"untrusted_certificate\"}", 1.0, SOON);
    server.wait_for_metric("vaxel_trunk_failures_total{trunk=\"carrier\"}", 1.0, SOON);
    anna.wait_for("CALL_CLOSED", SOON);
    drop(other);

    let right = carrier(&server, "carrier.test.pem");
    drop(dns);
    let _dns = Dns::start(&folder, port, &zone(right.tls));
    let found = format!("tls:127.0.0.1:{}", right.tls);
    wait_for("the move to be seen", END, || {
        std::fs::read_to_string(folder.path().join("log")).ok()?.contains(&found).then_some(())
    });
    anna.dial(number);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    wait_for("both to hear each other", SOON, || {
        let (a, c) = (tone_millis(&anna.heard(), CALLER), tone_millis(&right.heard(), ANNA));
        (a >= 1000 && c >= 1000).then_some(())
    });
    anna.command("hangup");
    server.wait_for_metric("vaxel_trunk_calls{trunk=\"carrier\"}", 0.0, SOON);
}

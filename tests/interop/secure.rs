//! SIP over TLS with real programs: baresip, openssl.

use crate::baresip::{Baresip, Options};
use crate::server::{self, Folder, Server, free_port};
use crate::sound::Ear;
use crate::{ANNA, BJORN, SOON};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// Certificates for 127.0.0.1 and localhost from an authority of the test's own: `ca.pem`, `own.pem`, `own.key`.
pub fn certify(folder: &Folder) {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority of a test");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let params = CertificateParams::new(["127.0.0.1", "localhost"].map(String::from)).expect("names");
    let key = KeyPair::generate().expect("a key");
    let own = params.signed_by(&key, &ca).expect("a certificate");
    for (name, text) in [("ca.pem", ca.pem()), ("own.pem", own.pem()), ("own.key", key.serialize_pem())] {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    }
}

/// The service with listeners of UDP and of `transport` on free ports of 127.0.0.1; the address of the latter.
pub fn start(folder: &Folder, transport: &str) -> (Server, SocketAddr) {
    certify(folder);
    start_with(folder, transport, &[])
}

/// The same with these settings more, and with the certificates that are there.
pub fn start_with(folder: &Folder, transport: &str, more: &[(&str, &str)]) -> (Server, SocketAddr) {
    let [udp, port] = [free_port(), free_port()];
    let listen = format!("udp:127.0.0.1:{udp},{transport}:127.0.0.1:{port}");
    let ours = [
        ("VAXEL_SIP__LISTEN", listen.as_str()),
        ("VAXEL_SIP__TLS__CERTIFICATE", "own.pem"),
        ("VAXEL_SIP__TLS__KEY", "own.key"),
    ];
    let variables = [&ours[..], more].concat();
    let mut server = Server::start_with(folder, &variables);
    let [udp, of_transport] = [udp, port].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    server.sip = udp;
    (server, of_transport)
}

fn phone(folder: &Folder, server: SocketAddr, user: &str, answers: &str, tone: f64) -> Baresip {
    let password = format!("{user}-secret");
    let options = Options { user, password: &password, answers, tone: Some(tone), transport: "tls" };
    let phone = Baresip::start(folder, server, &options);
    phone.wait_until_registered();
    phone
}

#[test]
fn phones_register_call_and_talk_over_tls() {
    let folder = Folder::new("tls");
    let (server, tls) = start(&folder, "tls");
    let mut anna = phone(&folder, tls, "anna", "auto", ANNA);
    let mut bjorn = phone(&folder, tls, "bjorn", "manual", BJORN);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    server.wait_for_metric("vaxel_sip_connections", 2.0, SOON);
    bjorn.dial("201");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.wait_for_tone(BJORN, 1000);
    bjorn.wait_for_tone(ANNA, 1000);
    anna.command("hangup");
    bjorn.wait_for("CALL_CLOSED", SOON);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    assert_eq!(server.metric("vaxel_sip_connections"), Some(2.0), "nobody opened another connection");
    // A phone whose connection is lost is not rung any more.
    drop(anna);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
}

/// What OPTIONS is answered with, asked by a peer that believes `ca.pem` and nobody else; nothing if either does not believe the
/// other. `more`: what openssl is told beside that.
pub fn ask(folder: &Folder, tls: SocketAddr, more: &[&str]) -> String {
    let request = "OPTIONS sip:vaxel SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK1;rport\r\n\
        From: <sip:x@localhost>;tag=1\r\nTo: <sip:vaxel>\r\nCall-ID: openssl\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\
        Content-Length: 0\r\n\r\n";
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-connect", &tls.to_string(), "-quiet", "-verify_return_error"])
        .args(["-CAfile", "ca.pem", "-verify_ip", "127.0.0.1"])
        .args(more)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is not installed: tests/run installs it (Debian: openssl)");
    let mut input = openssl.stdin.take().expect("a pipe");
    // It may have ended because it does not believe us.
    drop(input.write_all(request.as_bytes()));
    let mut output = openssl.stdout.take().expect("a pipe");
    let mut answer = [0; 4096];
    let length = std::io::Read::read(&mut output, &mut answer).expect("openssl says what it hears");
    drop(openssl.kill());
    drop(openssl.wait());
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// The files are also looked at now and then, so there may have been more than this one reload.
fn reload(server: &mut Server, result: &str) {
    let count = format!("vaxel_tls_certificate_reloads_total{{result=\"{result}\"}}");
    let before = server.metric(&count);
    server.hang_up();
    server::wait_for(&count, SOON, || (server.metric(&count) > before).then_some(()));
}

#[test]
fn a_certificate_is_renewed_while_a_phone_is_connected() {
    let folder = Folder::new("renewed");
    let (mut server, tls) = start(&folder, "tls");
    let mut anna = phone(&folder, tls, "anna", "auto", ANNA);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    // Another authority, which only those know who come now.
    certify(&folder);
    reload(&mut server, "ok");
    assert!(ask(&folder, tls, &["-tls1_3"]).starts_with("SIP/2.0 200 OK\r\n"));
    // What cannot be used changes nothing.
    std::fs::write(folder.path().join("own.key"), "no key").expect("a file can be written");
    reload(&mut server, "failed");
    assert!(ask(&folder, tls, &["-tls1_3"]).starts_with("SIP/2.0 200 OK\r\n"));
    // The phone that was there has noticed nothing.
    assert_eq!(server.metric("vaxel_agents{state=\"ready\"}"), Some(1.0));
    anna.dial("*2");
    server.wait_for_metric("vaxel_agents{state=\"paused\"}", 1.0, SOON);
}

#[test]
fn openssl_believes_us_and_is_answered() {
    let folder = Folder::new("openssl");
    let (server, tls) = start(&folder, "tls");
    for version in ["-tls1_2", "-tls1_3"] {
        let answer = ask(&folder, tls, &[version]);
        // The trunk's address is this machine's.
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{version}: {answer}");
        assert!(answer.contains("Via: SIP/2.0/TLS 127.0.0.1:9"), "{answer}");
    }
    server.wait_for_metric("vaxel_sip_connections", 0.0, SOON);
    let end = server.metric("vaxel_tls_certificate_expiry_timestamp_seconds");
    assert!(end.is_some_and(|end| end > 1e9), "{end:?}");
}

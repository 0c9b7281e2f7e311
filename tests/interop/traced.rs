//! What operators see of SIP: the ladder of a call, and what a capture server (sngrep) makes of our packets.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port, wait_for};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound};
use crate::{ANNA, CALLER, DESK, SOON, agent};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use vaxel::media::Codec;

const END: Duration = Duration::from_secs(30);

pub fn vaxel(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn run(folder: &Folder, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = vaxel(folder, arguments).output().expect("vaxel starts");
    let stdout = String::from_utf8(stdout).expect("UTF-8");
    assert!(status.success(), "{stdout}{}", String::from_utf8_lossy(&stderr));
    stdout
}

/// `vaxel trace` that waits for its call already.
fn trace(folder: &Folder, arguments: &[&str]) -> Child {
    let mut child = vaxel(folder, arguments).spawn().expect("vaxel starts");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("piped")).read_line(&mut line).expect("UTF-8");
    assert!(line.starts_with("waiting for a call"), "{line}");
    child
}

fn finish(child: Child) -> String {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The lines that show messages, without times, and without dashes and blanks round them.
fn steps(ladder: &str) -> Vec<String> {
    let arrows = ladder.lines().filter(|line| line.contains('│'));
    let words = arrows.map(|line| line[12..].replace(['│', '─', ' '], " "));
    words.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_ladder_of_one_call_shows_both_legs_and_no_credentials() {
    let folder = Folder::new("trace");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let whole = trace(&folder, &["trace", "101", "--messages"]);
    let short = trace(&folder, &["trace"]);
    // A colleague, who shows a password.
    let sound = Sound::with(CALLER, Codec::Pcmu, DESK);
    let script = Script::new("bjorn", "101")
        .invites_signed("bjorn-secret", Offer::at(sound.port()))
        .gets(200)
        .acknowledges()
        .waits_for_bye();
    let caller = Sipp::play(&folder, &Play::at(DESK, "signs", server.sip), &script);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 500);
    anna.command("hangup");
    caller.finish(END);

    let short = finish(short);
    let steps = steps(&short);
    let mut at = 0;
    for step in [
        "INVITE 101 +SDP ▶",
        "◀ 401 Unauthorized",
        "INVITE 101 +SDP ▶",
        "◀ 200 OK +SDP",
        "INVITE anna",
        "◀ 180 Ringing",
        "◀ 200 Answering +SDP",
        "ACK ▶",
        "◀ BYE",
        "◀ BYE",
    ] {
        let found = steps[at..].iter().position(|line| line.starts_with(step));
        at += 1 + found.unwrap_or_else(|| panic!("no `{step}` after line {at} of\n{short}"));
    }
    let names = short.lines().filter(|line| line.contains("vaxel")).collect::<Vec<_>>();
    assert_eq!(names.len(), 2, "the caller, then Anna too:\n{short}");
    assert!(names[1].contains("udp 127.0.0.2:") && names[1].contains("udp 127.0.0.1:"), "{short}");
    assert_eq!(steps.iter().filter(|step| step.contains("REGISTER") || step.contains("OPTIONS")).count(), 0, "{short}");

    let whole = finish(whole);
    assert!(whole.contains("    CSeq: ") && whole.contains("    m=audio ") && !whole.contains("response="), "{whole}");
    assert!(whole.contains("    INVITE sip:101@"), "{whole}");
    assert!(whole.contains("    Authorization: (not shown)"), "{whole}");
    assert_eq!(server.metric("vaxel_capture_lost_total{listener=\"trace\"}"), Some(0.0));
}

struct Sngrep(Child);

impl Drop for Sngrep {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_capture_server_gets_messages_while_capture_is_on_and_never_credentials() {
    let folder = Folder::new("homer");
    let (port, file) = (free_port(), folder.path().join("captured.pcap"));
    let mut sngrep = Command::new("sngrep");
    sngrep.args(["-N", "-q", "-L", &format!("udp:127.0.0.1:{port}"), "-O"]).arg(&file).current_dir(folder.path());
    let sngrep = sngrep.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let sngrep = Sngrep(sngrep.expect("sngrep starts"));
    wait_for("sngrep to listen", SOON, || std::net::UdpSocket::bind(("127.0.0.1", port)).err());

    let to = format!("127.0.0.1:{port}");
    let server = Server::start_with(&folder, &[("VAXEL_CAPTURE__SERVER", &to), ("VAXEL_CAPTURE__ON", "false")]);
    let told = |switch: &[&str]| run(&folder, &[&["capture"], switch].concat());
    assert_eq!(told(&[]), format!("capture off\n  server udp {to}\n  sent   0\n  lost   0\n"));
    assert!(told(&["on"]).starts_with("capture on\n"));
    assert_eq!(server.metric("vaxel_capture_on"), Some(1.0));
    // Registers with digest, so credentials pass.
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays", "101", &sound);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.command("hangup");
    caller.finish(END);
    assert!(told(&["off"]).starts_with("capture off\n"));
    assert_eq!(server.metric("vaxel_capture_on"), Some(0.0));
    let sent = server.metric("vaxel_capture_sent_total").expect("a counter");
    assert!(sent >= 14.0, "{sent}");
    assert_eq!(server.metric("vaxel_capture_lost_total{listener=\"server\"}"), Some(0.0));

    // Each message that was sent is in the file, as sngrep took it out of its packet.
    let seen = wait_for("all messages in sngrep's file", SOON, || {
        let seen = std::fs::read(&file).ok()?;
        let text = String::from_utf8_lossy(&seen).into_owned();
        (text.matches("Call-ID: ").count() as f64 >= sent).then_some(text)
    });
    for part in
        ["REGISTER sip:", "INVITE sip:101@", "INVITE sip:anna", "200 OK", "BYE sip:", "Authorization: (not shown)"]
    {
        assert!(seen.contains(part), "no {part}");
    }
    assert!(!seen.contains("response="), "credentials");
    drop(sngrep);
}

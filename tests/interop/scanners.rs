//! The programs that scan the Internet for telephones: SIPVicious and sipsak. They learn that somebody speaks SIP here, and
//! nothing more.

use crate::server::{Folder, Server};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Everything said; ended after a minute, as a scanner would be by its owner.
fn run(folder: &Folder, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    let output = command
        .args(["60", program])
        .args(arguments)
        .current_dir(folder.path())
        // SIPVicious keeps its sessions in the home folder.
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("tests/run installs it");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Nobody on this machine is a trunk.
fn server(folder: &Folder) -> Server {
    Server::start_with(folder, &[("VAXEL_TRUNKS", r#"[{ name = "local", from = ["192.0.2.9"] }]"#)])
}

#[test]
fn scanners_are_told_nothing() {
    let folder = Folder::new("svmap");
    let server = server(&folder);
    let port = server.sip.port().to_string();
    let said = run(&folder, "svmap", &["-p", &port, "127.0.0.1"]);
    assert!(!said.to_lowercase().contains("vaxel"), "{said}");
    let asked = server.metric(r#"vaxel_sip_messages_total{direction="received",kind="OPTIONS"}"#);
    assert!(asked >= Some(1.0), "it has asked");
    let said = run(&folder, "sipsak", &["-vv", "-s", &format!("sip:anna@127.0.0.1:{port}")]);
    assert!(said.contains("SIP/2.0 40"), "it is refused: {said}");
    let told =
        said.lines().any(|line| line.to_lowercase().starts_with("server") || line.to_lowercase().contains("vaxel"));
    assert!(!told, "{said}");
}

#[test]
fn extensions_that_are_there_look_like_those_that_are_not() {
    let folder = Folder::new("svwar");
    let server = server(&folder);
    let port = server.sip.port().to_string();
    std::fs::write(folder.path().join("names"), "anna\nbjorn\ncarla\n201\n999\n").expect("our own folder");
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let said = run(&folder, "svwar", &["--force", "-m", method, "-d", "names", "-p", &port, "127.0.0.1"]);
        assert!(said.contains("found nothing"), "{method}: {said}");
        let asked = server.metric(&format!(r#"vaxel_sip_messages_total{{direction="received",kind="{method}"}}"#));
        assert!(asked >= Some(1.0), "it has asked by {method}: {asked:?}\n{said}");
    }
}

#[test]
fn a_password_is_not_found_although_it_is_in_the_dictionary() {
    let folder = Folder::new("svcrack");
    let server = server(&folder);
    let port = server.sip.port().to_string();
    let mut words: Vec<String> = (0..200).map(|n| format!("guess{n}")).collect();
    words.push("anna-secret".into());
    std::fs::write(folder.path().join("words"), words.join("\n") + "\n").expect("our own folder");
    let began = Instant::now();
    let said = run(&folder, "svcrack", &["-u", "anna", "-d", "words", "-p", &port, "127.0.0.1"]);
    assert!(!said.contains("anna-secret"), "{said}");
    // It is cut after a handful; what it sends later is not looked at.
    let failures = server.metric("vaxel_sip_authentication_failures_total").expect("it is counted");
    let cut = server.metric(r#"vaxel_sip_errors_total{reason="password_guessing"}"#).expect("it is counted");
    let minutes = 1.0 + began.elapsed().as_secs_f64() / 60.0;
    assert!(
        (1.0..=5.0 * minutes.ceil()).contains(&failures) && cut > 0.0,
        "{failures} were looked at, {cut} were not\n{said}"
    );
    assert!(began.elapsed() < Duration::from_secs(90));
}

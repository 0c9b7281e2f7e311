//! Linphone, a softphone that shares no code with the others: `linphonec`, told what to do by lines on its standard input. It
//! plays a tone from a file and keeps what it hears in one.

use crate::baresip::write_tone;
use crate::secure;
use crate::server::{Folder, wait_for};
use crate::sipp::Sipp;
use crate::sound::{Ear, Sound};
use crate::{ANNA, BJORN, CALLER, SOON, agent, list};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const READY: &str = "vaxel_agents{state=\"ready\"}";

pub struct Linphone {
    child: Child,
    input: ChildStdin,
    said: mpsc::Receiver<String>,
    all: String,
    folder: PathBuf,
}

impl Linphone {
    /// Registers by `transport`, `udp`, `tcp` or `tls`; for that the authority is `ca.pem` in the test's folder. `sip`: further lines
    /// of that section of its settings.
    pub fn start(folder: &Folder, server: SocketAddr, user: &str, transport: &str, sip: &str, tone: f64) -> Linphone {
        let folder = folder.path().join(user);
        // Its home: without this folder it complains of its history.
        std::fs::create_dir_all(folder.join(".local/share/linphone")).expect("a folder for the phone");
        write_tone(&folder.join("tone.wav"), tone);
        // -1: any port.
        let [udp, tcp, tls] = ["udp", "tcp", "tls"].map(|name| if name == transport { -1 } else { 0 });
        // It finds no addresses in certificates, only names.
        let host = if transport == "tls" { "localhost".to_owned() } else { server.ip().to_string() };
        let proxy = format!("<sip:{host}:{};transport={transport}>", server.port());
        let settings = format!(
            "[sip]\nsip_port={udp}\nsip_tcp_port={tcp}\nsip_tls_port={tls}\nroot_ca=../ca.pem\nbind_address={home}\nuse_ipv6=0\nguess_hostname=0\n\
             contact=sip:{user}@{home}\ndefault_proxy=0\n{sip}\n\
             [proxy_0]\nreg_proxy={proxy}\nreg_route={proxy}\nreg_identity=sip:{user}@{server}\nreg_expires=60\n\
             reg_sendregister=1\npublish=0\n\
             [auth_info_0]\nusername={user}\npasswd={user}-secret\n\
             [rtp]\naudio_rtp_port=-1\n\
             [net]\ndns_srv_enabled=0\n",
            home = server.ip()
        );
        std::fs::write(folder.join("settings"), settings).expect("settings can be written");
        let mut child = Command::new("linphonec")
            .args(["-c", "settings", "-d", "6", "-l", "log"])
            .current_dir(&folder)
            .env("HOME", &folder)
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Linphone is not installed: tests/run installs it (Debian: linphone-cli)");
        let input = child.stdin.take().expect("it was piped");
        let mut output = child.stdout.take().expect("it was piped");
        let (tell, said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut piece) {
                if tell.send(String::from_utf8_lossy(&piece[..n]).into_owned()).is_err() {
                    break;
                }
            }
        });
        let mut phone = Linphone { child, input, said, all: String::new(), folder };
        phone.does("soundcard use files");
        phone.wait_for("Using wav files");
        phone.does(&format!("play {}", phone.folder.join("tone.wav").display()));
        phone.does(&format!("record {}", phone.folder.join("heard.wav").display()));
        phone
    }

    /// Gives a command of linphonec: `call URI`, `answer`, `pause`, `resume`, `transfer URI`, `terminate`.
    pub fn does(&mut self, what: &str) {
        writeln!(self.input, "{what}").expect("Linphone listens");
    }

    /// Waits until it says this, after what was waited for before.
    pub fn wait_for(&mut self, text: &str) {
        let end = wait_for(&format!("\"{text}\" of Linphone"), SOON, || {
            self.all.extend(self.said.try_iter());
            self.all.find(text).map(|at| at + text.len())
        });
        self.all.drain(..end);
    }

    /// Waits until a message with this line has come or gone.
    pub fn has_logged(&self, line: &str) {
        wait_for(&format!("\"{line}\" in Linphone's log"), SOON, || {
            let log = std::fs::read(self.folder.join("log")).ok()?;
            String::from_utf8_lossy(&log).lines().any(|logged| logged.starts_with(line)).then_some(())
        });
    }
}

impl Ear for Linphone {
    /// Nothing is added while it holds.
    fn heard(&self) -> Vec<i16> {
        let bytes = std::fs::read(self.folder.join("heard.wav")).unwrap_or_default();
        bytes.get(44..).unwrap_or_default().chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            self.all.extend(self.said.try_iter());
            eprintln!("--- linphonec in {} said\n{}", self.folder.display(), self.all);
        }
    }
}

#[test]
fn linphone_answers_holds_resumes_and_sends_the_caller_to_a_colleague_asked_or_not() {
    let folder = Folder::new("linphone");
    let (server, tls) = secure::start(&folder, "tls");
    let mut bjorn = Linphone::start(&folder, tls, "bjorn", "tls", "", BJORN);
    server.wait_for_metric(READY, 1.0, SOON);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric(READY, 2.0, SOON);
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays", "101", &sound);
    bjorn.wait_for("Receiving new incoming call from \"sales: Test Caller\"");
    bjorn.does("answer");
    bjorn.wait_for("Media streams established");
    sound.wait_for_tone(BJORN, 1000);
    bjorn.wait_for_tone(CALLER, 1000);

    // It plays its own file to whom it holds; the caller hears our music all the same.
    let held = sound.now();
    bjorn.does("pause");
    bjorn.wait_for("is now paused");
    sound.wait_for_music_since(held, 1500, &[BJORN]);
    bjorn.does(&format!("call sip:201@{tls}"));
    bjorn.wait_for("Media streams established");
    anna.wait_for_tone(BJORN, 500);
    bjorn.does("transfer 1 --to-call 2");
    bjorn.wait_for("Call 1 with");
    anna.wait_for_tone(CALLER, 1000);
    sound.wait_for_tone(ANNA, 1000);

    server.wait_for_metric(READY, 1.0, SOON);
    anna.transfer(&format!("sip:202@{}", server.sip));
    bjorn.wait_for("Receiving new incoming call");
    let again = (sound.now(), bjorn.now());
    bjorn.does("answer");
    bjorn.wait_for("Media streams established");
    sound.wait_for_tone_since(again.0, BJORN, 500);
    bjorn.does("pause");
    bjorn.wait_for("is now paused");
    let resumed = sound.now();
    bjorn.does("resume");
    bjorn.wait_for("Media streams established");
    sound.wait_for_tone_since(resumed, BJORN, 1000);
    bjorn.wait_for_tone_since(again.1, CALLER, 1000);

    server.wait_for_metric(READY, 1.0, SOON);
    let sent_on = sound.now();
    bjorn.does(&format!("transfer sip:201@{tls}"));
    bjorn.wait_for("has been transfered");
    bjorn.wait_for("ended");
    sound.wait_for_tone_since(sent_on, ANNA, 1000);
    anna.command("hangup");
    caller.finish(Duration::from_secs(30));
    let records = server.contacts(2);
    let record = records.iter().find(|record| record["from"] == "+46701234567").expect("the caller's record");
    let names: Vec<_> = list(record, "talks").iter().filter_map(|talk| talk["with"].as_str()).collect();
    assert_eq!(names, ["bjorn", "anna", "bjorn", "anna"], "{record}");
    let resumed: Vec<_> = list(record, "holds").iter().map(|hold| hold["resumed"].is_u64()).collect();
    assert_eq!(resumed, [false, true], "{record}");
    let sent_on = |n: usize| {
        let segment = &list(record, "segments")[n];
        (segment["kind"].as_str(), segment["by"].as_str(), segment["code"].as_u64())
    };
    assert_eq!(sent_on(1), (Some("attended"), Some("bjorn"), Some(200)));
    assert_eq!(sent_on(2), (Some("blind"), Some("anna"), Some(200)));
    assert_eq!(sent_on(3), (Some("blind"), Some("bjorn"), Some(200)));
    server.wait_for_metric(READY, 2.0, SOON);
    assert_eq!(server.metric("vaxel_sip_connections"), Some(1.0), "nobody opened another connection");
}

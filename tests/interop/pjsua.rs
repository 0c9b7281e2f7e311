//! pjsua2 as an agent: what most softphones and desk phones are built on. Can transfer to its own other call.

use crate::SOON;
use crate::baresip::write_tone;
use crate::server::{Folder, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;

pub struct Pjsua {
    child: Child,
    input: ChildStdin,
    said: mpsc::Receiver<String>,
    all: Vec<String>,
}

impl Pjsua {
    pub fn start(folder: &Folder, server: SocketAddr, user: &str, password: &str, tone: f64) -> Pjsua {
        Pjsua::run(folder, server, user, password, tone, &[])
    }

    /// One that wants provisional answers acknowledged, and sessions refreshed every 45 seconds.
    pub fn start_strict(folder: &Folder, server: SocketAddr, user: &str, password: &str, tone: f64) -> Pjsua {
        Pjsua::run(folder, server, user, password, tone, &["strict"])
    }

    /// One that keeps a flow to each of these edge proxies.
    pub fn start_by(folder: &Folder, server: SocketAddr, user: &str, edges: &[SocketAddr], tone: f64) -> Pjsua {
        let manners: Vec<String> =
            ["by".to_owned()].into_iter().chain(edges.iter().map(SocketAddr::to_string)).collect();
        let manners: Vec<&str> = manners.iter().map(String::as_str).collect();
        Pjsua::run(folder, server, user, &format!("{user}-secret"), tone, &manners)
    }

    fn run(folder: &Folder, server: SocketAddr, user: &str, password: &str, tone: f64, manners: &[&str]) -> Pjsua {
        let root = env!("CARGO_MANIFEST_DIR");
        let wav = folder.path().join(format!("{user}.wav"));
        write_tone(&wav, tone);
        let mut child = Command::new(format!("{root}/target/phones/bin/python3"))
            .arg(format!("{root}/tests/interop/pjsua.py"))
            .args([user, password, &server.to_string()])
            .arg(wav)
            .arg(folder.path().join(format!("{user}.log")))
            .args(manners)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("pjsua2 is not installed: tests/run installs it (PyPI: pjsua2-python, in target/phones)");
        let input = child.stdin.take().expect("it was piped");
        let output = BufReader::new(child.stdout.take().expect("it was piped"));
        let (tell, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        let mut phone = Pjsua { child, input, said, all: Vec::new() };
        phone.wait_for("registered 200");
        phone
    }

    pub fn does(&mut self, what: &str) {
        writeln!(self.input, "{what}").expect("pjsua2 listens");
    }

    /// Waits until it says a line that begins so.
    pub fn wait_for(&mut self, beginning: &str) {
        self.wait_for_times(beginning, 1);
    }

    /// Waits until it has said so many lines that begin so.
    pub fn wait_for_times(&mut self, beginning: &str, times: usize) {
        wait_for(&format!("{beginning} of pjsua2, {times} times"), SOON, || {
            (self.times(beginning) >= times).then_some(())
        });
    }

    /// How many lines that begin so it has said.
    pub fn times(&mut self, beginning: &str) -> usize {
        self.all.extend(self.said.try_iter());
        self.all.iter().filter(|line| line.starts_with(beginning)).count()
    }
}

impl Drop for Pjsua {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- pjsua2 said\n{}", self.all.join("\n"));
        }
    }
}

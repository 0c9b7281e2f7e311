//! `vaxel serve` in a process of its own, as a system starts it.

use crate::house::{self, Folder, PATIENCE};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

/// From its first words to its end.
pub struct Program {
    pub process: Child,
    pub sip: SocketAddr,
    pub tcp: SocketAddr,
    pub ws: SocketAddr,
    pub http: SocketAddr,
    /// Held open: who started it may still want to read.
    _said: BufReader<ChildStdout>,
    _folder: Folder,
}

impl Program {
    /// `log`: where its standard error goes.
    pub fn start(log: impl Into<Stdio>, filter: &str) -> Program {
        Program::start_with(log, filter, "")
    }

    /// `more`: settings beside those of every test.
    pub fn start_with(log: impl Into<Stdio>, filter: &str, more: &str) -> Program {
        let folder = Folder::new();
        let settings = folder.0.join("vaxel.toml");
        let more = format!("\n[log]\nfilter = \"{filter}\"\n{more}");
        std::fs::write(&settings, house::settings_file(&folder.0, &more)).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
        command.arg("serve").arg("--config").arg(settings).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.stderr(log).spawn().expect("it starts");
        let mut said = String::new();
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped"));
        while !said.contains("  records ") {
            assert!(lines.read_line(&mut said).expect("text") > 0, "it ended too early:\n{said}");
        }
        let after = |mark: &str| {
            let rest = said.split_once(mark).expect("it is announced").1;
            rest.split(['\n', '/']).next().expect("an address").parse().expect("an address")
        };
        Program {
            sip: after("udp "),
            tcp: after("tcp "),
            ws: after("ws "),
            http: after("http://"),
            process,
            _said: lines,
            _folder: folder,
        }
    }

    /// What it has in memory.
    pub fn kilobytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it runs");
    }

    /// Exit code, once it has ended.
    pub fn end(&mut self, mut meanwhile: impl FnMut()) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("it can be asked") {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            meanwhile();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error: it has ended, as it should.
        if self.process.kill().is_ok() {
            self.process.wait().expect("it was killed");
        }
    }
}

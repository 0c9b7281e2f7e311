//! `vaxel serve` in a process of its own, as a system starts it.

use crate::house::{self, Folder, PATIENCE};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

/// From its first words to its end.
pub struct Program {
    pub process: Child,
    pub sip: SocketAddr,
    pub tcp: SocketAddr,
    pub ws: SocketAddr,
    pub http: SocketAddr,
    /// It sees the files that the process with this number sees; `None`: those of everybody.
    there: Option<u32>,
    /// Held open: who started it may still want to read.
    _said: BufReader<ChildStdout>,
    /// Taken when another goes on in it.
    folder: Option<Folder>,
}

impl Program {
    /// `log`: where its standard error goes.
    pub fn start(log: impl Into<Stdio>, filter: &str) -> Program {
        Program::start_with(log, filter, "")
    }

    /// `more`: settings beside those of every test.
    pub fn start_with(log: impl Into<Stdio>, filter: &str, more: &str) -> Program {
        Program::start_there(Folder::new(), None, log, filter, more)
    }

    /// In this folder, where the process with this number sees it.
    pub fn start_there(folder: Folder, there: Option<u32>, log: impl Into<Stdio>, filter: &str, more: &str) -> Program {
        let more = format!("\n[log]\nfilter = \"{filter}\"\n{more}");
        let text = house::settings_file(&folder.0, &more);
        std::fs::write(settings_in(&folder), text).expect("a file");
        Program::start_in(folder, there, log)
    }

    /// Kills it and starts it again on a disk that takes `delay` (as strace writes it) for what it is asked, from some time after the
    /// start on. What was delayed is noted in `trace`.
    pub fn killed_and_started_on_a_slow_disk(mut self, log: impl Into<Stdio>, delay: &str, trace: &Path) -> Program {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it was killed");
        let mut strace = Command::new("strace");
        // The tracer stays in the background: who is started is the program itself. Each thread counts its own calls.
        strace.args(["-D", "-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,pwrite64"]);
        for (call, from) in [("fdatasync", 1), ("fsync", 20), ("pwrite64", 100)] {
            strace.args(["-e", &format!("inject={call}:delay_enter={delay}:when={from}+")]);
        }
        strace.arg("-o").arg(trace).arg(env!("CARGO_BIN_EXE_vaxel"));
        Program::start_by(strace, self.folder.take().expect("taken only here"), log)
    }

    /// With the settings in that folder.
    fn start_in(folder: Folder, there: Option<u32>, log: impl Into<Stdio>) -> Program {
        let mut program = Program::start_by(vaxel(there), folder, log);
        program.there = there;
        program
    }

    fn start_by(mut command: Command, folder: Folder, log: impl Into<Stdio>) -> Program {
        let settings = settings_in(&folder);
        command.arg("serve").arg("--config").arg(settings).stdin(Stdio::null()).stdout(Stdio::piped());
        let process = command.stderr(log).spawn();
        let mut process =
            process.unwrap_or_else(|error| panic!("{command:?}: {error}; `tests/run --install` installs"));
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
            there: None,
            _said: lines,
            folder: Some(folder),
        }
    }

    /// Kills it (SIGKILL) and starts it again in the same folder; phones that speak UDP find it where it was.
    pub fn killed_and_started_again(self, log: impl Into<Stdio>) -> Program {
        self.killed_and_started_with(log, &|settings| settings)
    }

    /// The same, with what `change` makes of its settings.
    pub fn killed_and_started_with(mut self, log: impl Into<Stdio>, change: &dyn Fn(String) -> String) -> Program {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it was killed");
        let folder = self.folder.take().expect("taken only here");
        let file = settings_in(&folder);
        let text = std::fs::read_to_string(&file).expect("its settings");
        let text = text.replacen("udp:127.0.0.1:0", &format!("udp:{}", self.sip), 1);
        std::fs::write(&file, change(text)).expect("a file");
        Program::start_in(folder, self.there, log)
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        let folder = &self.folder.as_ref().expect("taken only at the end").0;
        seen_by(self.there, &folder.join("data"))
    }

    /// What another command of the program prints, with the settings of this one; `Err`: what it complains of.
    pub fn command(&self, arguments: &[&str]) -> Result<String, String> {
        self.said_by(vaxel(self.there), arguments)
    }

    /// The same where its data folder may be read and not written. `None`, which is said: this machine lets nobody mount one so.
    pub fn command_that_may_not_write(&self, arguments: &[&str]) -> Option<Result<String, String>> {
        let unshare = || {
            let mut unshare = Command::new("unshare");
            if !rustix::process::geteuid().is_root() {
                unshare.args(["--user", "--map-root-user"]);
            }
            let mount = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && ! touch \"$0/touched\" && exec \"$@\"";
            unshare.args(["--mount", "sh", "-c", mount]).arg(self.data()).stderr(Stdio::piped());
            unshare
        };
        if !unshare().arg("true").output().is_ok_and(|tried| tried.status.success()) {
            let untested =
                b"NOT TESTED: a data folder that may not be written (only root can mount one on this machine)\n";
            std::io::stderr().write_all(untested).expect("somebody listens");
            return None;
        }
        let mut command = unshare();
        command.arg(env!("CARGO_BIN_EXE_vaxel"));
        Some(self.said_by(command, arguments))
    }

    /// What it says on standard error, having done what it was asked.
    pub fn command_warns(&self, arguments: &[&str]) -> String {
        let mut command = vaxel(self.there);
        command.arg("--config").arg(settings_in(self.folder.as_ref().expect("taken only at the end"))).args(arguments);
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    fn said_by(&self, mut command: Command, arguments: &[&str]) -> Result<String, String> {
        command.arg("--config").arg(settings_in(self.folder.as_ref().expect("taken only at the end"))).args(arguments);
        let output = command.env("TZ", "UTC").output().expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Its settings are written otherwise from now on.
    pub fn rewrites(&self, change: impl FnOnce(String) -> String) {
        let file = settings_in(self.folder.as_ref().expect("taken only at the end"));
        let text = std::fs::read_to_string(&file).expect("its settings");
        std::fs::write(&file, change(text)).expect("a file");
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

/// The program, where that process sees its files.
fn vaxel(there: Option<u32>) -> Command {
    let program = env!("CARGO_BIN_EXE_vaxel");
    let Some(process) = there else { return Command::new(program) };
    let mut enter = Command::new("nsenter");
    enter.args(["--target", &process.to_string(), "--mount"]);
    if !rustix::process::geteuid().is_root() {
        enter.args(["--user", "--preserve-credentials"]);
    }
    enter.arg(program);
    enter
}

/// What that process sees there.
pub fn seen_by(process: Option<u32>, path: &Path) -> PathBuf {
    let root = process.map(|process| PathBuf::from(format!("/proc/{process}/root")));
    root.map_or_else(|| path.into(), |root| root.join(path.strip_prefix("/").expect("an absolute path")))
}

fn settings_in(folder: &Folder) -> PathBuf {
    folder.0.join("vaxel.toml")
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error: it has ended, as it should.
        if self.process.kill().is_ok() {
            self.process.wait().expect("it was killed");
        }
    }
}

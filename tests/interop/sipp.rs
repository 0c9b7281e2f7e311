//! SIPp as the caller: a scenario of ours does the SIP; the sound is that of a [`Sound`].

use crate::server::{Folder, free_port};
use crate::sound::Sound;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Starts `scenario` (a file of this folder) for one call to `number`.
pub struct Sipp {
    child: Child,
    folder: std::path::PathBuf,
    scenario: String,
}

impl Sipp {
    pub fn start(folder: &Folder, server: SocketAddr, scenario: &str, number: &str, sound: &Sound) -> Sipp {
        Sipp::start_for(folder, server, scenario, number, sound, Duration::ZERO)
    }

    /// `pause`: how long the scenario's caller waits before hanging up.
    pub fn start_for(
        folder: &Folder,
        server: SocketAddr,
        scenario: &str,
        number: &str,
        sound: &Sound,
        pause: Duration,
    ) -> Sipp {
        let file = format!("{}/tests/interop/{scenario}.xml", env!("CARGO_MANIFEST_DIR"));
        let log = std::fs::File::create(folder.path().join(format!("{scenario}.log"))).expect("a log");
        let child = Command::new("sipp")
            .arg(server.to_string())
            .args([
                "-sf",
                &file,
                "-s",
                number,
                "-m",
                "1",
                "-nostdin",
                "-i",
                "127.0.0.1",
                "-timeout",
                "60",
                "-timeout_error",
            ])
            .args(["-p", &free_port().to_string(), "-key", "rtp_port", &sound.port().to_string()])
            .args(["-d", &pause.as_millis().to_string()])
            .args(["-trace_err", "-error_file", &format!("{}/{scenario}.err", folder.path().display())])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .env("TERM", "dumb")
            .spawn()
            .expect("SIPp is not installed: tests/run installs it (Debian: sip-tester)");
        Sipp { child, folder: folder.path().to_owned(), scenario: scenario.to_owned() }
    }

    /// Waits for the end of the scenario, which must have gone as written.
    pub fn finish(mut self, limit: Duration) {
        let status =
            crate::server::wait_for("SIPp to finish", limit, || self.child.try_wait().expect("a process of ours"));
        assert!(status.success(), "SIPp's scenario {} failed: {status}\n{}", self.scenario, self.errors());
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.join(format!("{}.err", self.scenario))).unwrap_or_default()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- SIPp {}\n{}", self.scenario, self.errors());
        }
    }
}

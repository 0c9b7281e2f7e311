//! What supervisors see: the demonstration, and a real Prometheus that scrapes the real program by the files of
//! `deploy/`.

use crate::server::{Folder, Server, free_port, free_ports, wait_for};
use crate::sipp::Sipp;
use crate::sound::Sound;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vaxel::audio::measure;

#[test]
fn the_demonstration_shows_every_step_and_leaves_what_the_caller_heard() {
    let folder = Folder::new("demo");
    let rtp = free_ports(20);
    let output = Command::new(env!("CARGO_BIN_EXE_vaxel"))
        .args(["demo", "--wav", "heard.wav"])
        .current_dir(folder.path())
        .env("VAXEL_SIP__LISTEN", "udp:127.0.0.1:0,tcp:127.0.0.1:0")
        .env("VAXEL_HTTP__LISTEN", "127.0.0.1:0")
        .env("VAXEL_MEDIA__PORTS", format!("{rtp}-{}", rtp + 19))
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    for step in [
        "registered with digest",
        "dials 100",
        "hears the menu",
        "presses 1",
        "declines",
        "hears music while waiting",
        "answers",
        "hears the caller",
        "hangs up",
        "the call is over",
        "has written its contact record",
        "Everything happened as it should",
    ] {
        assert!(told.contains(step), "no \"{step}\" in\n{told}");
    }
    let wav = hound::WavReader::open(folder.path().join("heard.wav")).expect("a WAV");
    let heard: Vec<i16> = wav.into_samples().collect::<Result<_, _>>().expect("16-bit samples");
    // Which of the two agents is rung first is up to who was idle for longer.
    let tones = [550.0, 660.0].map(|tone| measure::longest_tone_millis(&heard, tone, -20.0, 8000));
    assert!(tones.iter().any(|millis| *millis >= 900), "{tones:?}");
}

struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// With the files of `deploy/prometheus`, only that the target is the test's and time is short.
    fn start(folder: &Folder, target: &str) -> Prometheus {
        let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus");
        let settings = std::fs::read_to_string(format!("{deploy}/prometheus.yml")).expect("deploy has it");
        assert!(settings.contains("127.0.0.1:8080") && settings.contains("interval: 15s"), "{settings}");
        let settings = settings.replace("127.0.0.1:8080", target).replace("interval: 15s", "interval: 1s");
        std::fs::write(folder.path().join("prometheus.yml"), settings).expect("settings can be written");
        std::fs::copy(format!("{deploy}/vaxel.rules.yml"), folder.path().join("vaxel.rules.yml")).expect("rules");
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("prometheus.log")).expect("a log"))
            .spawn()
            .expect("Prometheus is not installed: tests/run installs it (Debian: prometheus)");
        Prometheus { child, port }
    }

    fn get(&self, path: &str) -> Option<serde_json::Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// The value of an instant query with one series as its result.
    fn value(&self, query: &str) -> Option<f64> {
        let escaped: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
        self.get(&format!("/api/v1/query?query={escaped}"))?["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    fn wait_for_value(&self, query: &str, wanted: f64) {
        wait_for(&format!("Prometheus to see {query} = {wanted}"), Duration::from_secs(30), || {
            (self.value(query)? == wanted).then_some(())
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn prometheus_sees_the_call_of_the_demonstration() {
    let folder = Folder::new("demo-watched");
    let (http, rtp) = (free_port(), free_ports(20));
    let http = format!("127.0.0.1:{http}");
    // It is there first, so that it sees the call while it waits.
    let prometheus = Prometheus::start(&folder, &http);
    wait_for("Prometheus to be ready", Duration::from_secs(30), || {
        prometheus.get("/api/v1/targets")?["data"]["activeTargets"].as_array()?.first().map(|_| ())
    });
    let log = std::fs::File::create(folder.path().join("demo.log")).expect("a log");
    let demo = Command::new(env!("CARGO_BIN_EXE_vaxel"))
        .args(["demo", "--keep", "--wav", "heard.wav"])
        .current_dir(folder.path())
        .env("VAXEL_SIP__LISTEN", "udp:127.0.0.1:0,tcp:127.0.0.1:0")
        .env("VAXEL_HTTP__LISTEN", &http)
        .env("VAXEL_MEDIA__PORTS", format!("{rtp}-{}", rtp + 19))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log can be shared"))
        .stderr(log)
        .spawn()
        .expect("the program starts");
    let mut demo = Demo(demo);
    for (query, value) in [
        ("vaxel_queue_exits_total{queue=\"sales\",exit=\"answered\"}", 1.0),
        ("vaxel_queue_wait_seconds_count{queue=\"sales\",outcome=\"answered\"}", 1.0),
        ("max_over_time(vaxel_queue_waiting{queue=\"sales\"}[5m])", 1.0),
        ("vaxel_offers_total{queue=\"sales\",outcome=\"declined\"}", 1.0),
        ("vaxel_offers_total{queue=\"sales\",outcome=\"accepted\"}", 1.0),
        ("sum(vaxel_calls_total)", 1.0),
        ("vaxel_store_records_total", 1.0),
        ("vaxel_calls", 0.0),
    ] {
        prometheus.wait_for_value(query, value);
    }
    let pid = rustix::process::Pid::from_child(&demo.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a process of ours");
    let status =
        wait_for("the demonstration to end", Duration::from_secs(20), || demo.0.try_wait().expect("a process of ours"));
    assert!(status.success(), "{status}");
}

struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn prometheus_scrapes_what_happened_and_the_rules_of_deploy_hold() {
    let folder = Folder::new("prometheus");
    let server = Server::start(&folder);
    let prometheus = Prometheus::start(&folder, &server.http.to_string());
    prometheus.wait_for_value("vaxel_build_info", 1.0);
    prometheus.wait_for_value("vaxel_queue_exits_total{queue=\"sales\",exit=\"abandoned\"}", 0.0);
    let sound = Sound::new(440.0);
    let caller = Sipp::start_for(&folder, server.sip, "hangs_up_info", "100", &sound, Duration::from_secs(4));
    prometheus.wait_for_value("vaxel_queue_waiting{queue=\"sales\"}", 1.0);
    caller.finish(Duration::from_secs(30));
    prometheus.wait_for_value("vaxel_queue_exits_total{queue=\"sales\",exit=\"abandoned\"}", 1.0);
    prometheus.wait_for_value("vaxel_queue_waiting{queue=\"sales\"}", 0.0);
    prometheus.wait_for_value("vaxel_queue_wait_seconds_count{queue=\"sales\",outcome=\"abandoned\"}", 1.0);
    // Offered = exits + waiting, as Prometheus adds it up.
    prometheus.wait_for_value(
        "sum(vaxel_queue_entries_total) - sum(vaxel_queue_exits_total) - sum(vaxel_queue_waiting)",
        0.0,
    );
    let rules = prometheus.get("/api/v1/rules").expect("Prometheus answers");
    let rules =
        rules["data"]["groups"].as_array().expect("groups").iter().flat_map(|g| g["rules"].as_array()).flatten();
    let health: Vec<(&str, &str)> =
        rules.map(|r| (r["name"].as_str().unwrap_or_default(), r["health"].as_str().unwrap_or_default())).collect();
    assert!(health.len() >= 8, "{health:?}");
    assert!(health.iter().all(|(_, health)| *health == "ok" || *health == "unknown"), "{health:?}");
}

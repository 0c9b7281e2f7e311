//! The real program as a process of its own, with its own folder and free ports.

use crate::SOON;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Waits until `ready` gives something, with a limit; says what it waited for when it is reached.
pub fn wait_for<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The first of so many ports that no test was given yet. They are below those from which the system gives every socket one that
/// asks for none, so that nobody takes a port between its choice and the program it is for.
fn take_ports(n: u16) -> u16 {
    const PORTS: std::ops::Range<u16> = 10_000..32_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let room = PORTS.end - PORTS.start;
    // Another run beside this one begins elsewhere.
    let start = u16::try_from(std::process::id() % u32::from(room)).expect("it is less than `room`");
    let taken = TAKEN.fetch_add(n, Ordering::Relaxed) % room;
    let first =
        PORTS.start + u16::try_from((u32::from(start) + u32::from(taken)) % u32::from(room)).expect("less than `room`");
    if first + n > PORTS.end { PORTS.start } else { first }
}

/// A port that nobody uses at the moment, for UDP and TCP, IPv4 and IPv6 alike.
pub fn free_port() -> u16 {
    wait_for("a free port", Duration::from_secs(5), || {
        let port = take_ports(1);
        for home in ["127.0.0.1", "::1"] {
            UdpSocket::bind((home, port)).ok()?;
            TcpListener::bind((home, port)).ok()?;
        }
        Some(port)
    })
}

/// The first of `n` UDP ports in a row, even, that nobody uses at the moment.
pub fn free_ports(n: u16) -> u16 {
    wait_for("free ports in a row", Duration::from_secs(5), || {
        let first = take_ports(n + 1).next_multiple_of(2);
        let held: Vec<_> = (first..first + n).map(|port| UdpSocket::bind(("127.0.0.1", port))).collect();
        held.iter().all(Result::is_ok).then_some(first)
    })
}

/// A folder that is gone when the test was good, and stays to be looked at when it was not.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("vaxel-{test}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).expect("the temporary folder can be made");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("left to be looked at: {}", self.0.display());
        } else {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }
}

pub struct Server {
    child: Child,
    pub sip: SocketAddr,
    pub http: SocketAddr,
    folder: PathBuf,
}

/// What the tests' switchboard looks like: two agents with known passwords, one queue each, callers from this machine.
pub fn settings(sip: u16, http: u16, rtp: u16) -> String {
    format!(
        r#"
[sip]
listen = ["udp:127.0.0.1:{sip}", "tcp:127.0.0.1:{sip}", "udp:[::1]:{sip}", "tcp:[::1]:{sip}", "ws:127.0.0.2:{sip}"]
[http]
listen = "127.0.0.1:{http}"
[media]
ports = "{rtp}-{rtp_last}"
[data]
folder = "data"
[[numbers]]
number = "100"
flow = "main"
[[numbers]]
number = "101"
flow = "sales"
[[queues]]
name = "sales"
needs = {{ sales = 1 }}
short_abandon = "1s"
[[queues]]
name = "support"
needs = {{ support = 1 }}
[[agents]]
name = "anna"
number = "201"
skills = {{ sales = 5 }}
password = "anna-secret"
ring_time = "4s"
wrap_up = "1s"
[[agents]]
name = "bjorn"
number = "202"
skills = {{ sales = 5 }}
password = "bjorn-secret"
ring_time = "10s"
wrap_up = "1s"
[[trunks]]
name = "local"
from = ["127.0.0.1", "::1"]
"#,
        rtp_last = rtp + 39
    )
}

impl Server {
    /// Starts the program in `folder` and waits until it takes calls.
    pub fn start(folder: &Folder) -> Server {
        Server::start_with(folder, &[])
    }

    /// `more`: settings as variables.
    pub fn start_with(folder: &Folder, more: &[(&str, &str)]) -> Server {
        // Another test may take a port between the moment it was free and the moment it is needed.
        for _ in 0..5 {
            let (sip, http, rtp) = (free_port(), free_port(), free_ports(40));
            std::fs::write(folder.path().join("vaxel.toml"), settings(sip, http, rtp))
                .expect("settings can be written");
            if let Some(server) = Server::run(folder, sip, http, more) {
                return server;
            }
        }
        panic!("five times in a row a port was taken that had been free; see {}", folder.path().join("log").display());
    }

    /// Starts it again with the settings of before. `more`: as then.
    pub fn restart(folder: &Folder, sip: u16, http: u16, more: &[(&str, &str)]) -> Server {
        Server::run(folder, sip, http, more).expect("its ports are free, as those of the one before")
    }

    /// `None`: a port was taken meanwhile.
    fn run(folder: &Folder, sip: u16, http: u16, more: &[(&str, &str)]) -> Option<Server> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.path().join("log"));
        let log = log.expect("the log can be written");
        let child = Command::new(env!("CARGO_BIN_EXE_vaxel"))
            .args(["serve", "--config", "vaxel.toml"])
            .current_dir(folder.path())
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Server { child, sip: local(sip), http: local(http), folder: folder.path().to_owned() };
        let is_ready = wait_for("the service to take calls", Duration::from_secs(60), || {
            if server.child.try_wait().expect("it can be asked").is_some() {
                let log = std::fs::read_to_string(folder.path().join("log")).expect("the log can be read");
                assert!(log.contains("Address already in use"), "the service ended:\n{log}");
                return Some(false);
            }
            server.get("/readyz").filter(|answer| answer.starts_with("HTTP/1.1 200")).map(|_| true)
        });
        is_ready.then_some(server)
    }

    /// The whole HTTP answer, or `None` if there is none.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.http, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The value of one sample, by its exact name and labels: `vaxel_agents{state="ready"}`. `None` if it is not there.
    pub fn metric(&self, sample: &str) -> Option<f64> {
        let text = self.get("/metrics")?;
        text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.trim().parse().ok())
    }

    pub fn wait_for_metric(&self, sample: &str, value: f64, limit: Duration) {
        let mut last = None;
        let end = Instant::now() + limit;
        while Instant::now() < end {
            last = self.metric(sample);
            if last == Some(value) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("waited {limit:?} for {sample} {value}; it is {last:?}");
    }

    /// The contact records, oldest first, once there are `n`.
    pub fn contacts(&self, n: usize) -> Vec<serde_json::Value> {
        wait_for(&format!("{n} contact records"), SOON, || {
            let found = self.records("select record from contacts order by started, id");
            (found.len() >= n).then_some(found)
        })
    }

    /// What the disk knows of calls that are up, in the order in which they began.
    pub fn open_calls(&self) -> Vec<serde_json::Value> {
        self.records("select record from open_calls order by id")
    }

    fn records(&self, query: &'static str) -> Vec<serde_json::Value> {
        use sqlx::{Connection, Row, sqlite::SqliteConnectOptions, sqlite::SqliteConnection};
        let options = SqliteConnectOptions::new().filename(self.folder.join("data/vaxel.db")).read_only(true);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let Ok(mut db) = SqliteConnection::connect_with(&options).await else { return Vec::new() };
            let rows = sqlx::query(query).fetch_all(&mut db).await;
            rows.unwrap_or_default()
                .iter()
                .map(|row| serde_json::from_str(row.get::<&str, _>(0)).expect("a record is JSON"))
                .collect()
        })
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process of ours");
        self.child.wait().expect("a process of ours");
    }

    /// The process does nothing any more until `go_on`.
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    pub fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    pub fn terminate(&mut self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Tells it to read its certificates again.
    pub fn hang_up(&mut self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("a process of ours");
    }

    /// Waits for the process to end by itself.
    pub fn exit_code(&mut self, limit: Duration) -> Option<i32> {
        wait_for("the process to end", limit, || self.child.try_wait().expect("a process of ours")).code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking()
            && let Ok(log) = std::fs::read_to_string(self.folder.join("log"))
        {
            eprintln!("--- the service's log\n{log}");
        }
    }
}

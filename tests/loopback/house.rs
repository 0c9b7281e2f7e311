//! A service on loopback with ports that the system chose, and what a test asks it over HTTP and SQL.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vaxel::config::{self, Config};
use vaxel::edge::Service;
use vaxel::sip::Transport;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Two agents, one queue, and a trunk whose calls come from 127.0.0.2 and ::1.
const SETTINGS: &str = r#"
    [sip]
    listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0", "udp:[::1]:0", "tcp:[::1]:0", "ws:127.0.0.1:0"]
    keep_alive = "1s"
    [http]
    listen = "127.0.0.1:0"
    [data]
    folder = "FOLDER"
    [media]
    workers = 1
    [[numbers]]
    number = "300"
    flow = "sales"
    [[queues]]
    name = "sales"
    needs = { sales = 1 }
    service_level = "17s"
    [[queues]]
    name = "support"
    [[agents]]
    name = "anna"
    number = "201"
    skills = { sales = 8 }
    wrap_up = "0s"
    [[agents]]
    name = "bjorn"
    number = "202"
    password = "correct horse"
    [[trunks]]
    name = "carrier"
    from = ["127.0.0.2", "::1"]
"#;

pub struct House {
    service: Option<Service>,
    folder: Folder,
    /// Settings beside those of every test.
    more: String,
}

impl House {
    pub fn new() -> House {
        House::with("")
    }

    /// `more`: settings beside those of every test.
    pub fn with(more: &str) -> House {
        let folder = Folder::new();
        let service = Service::start(&settings(&folder.0, more)).expect("the service starts");
        House { service: Some(service), folder, more: more.into() }
    }

    /// `more`: a line of [sip].
    pub fn with_sip(more: &str) -> House {
        let folder = Folder::new();
        let text = settings_file(&folder.0, "").replace("[sip]", &format!("[sip]\n{more}"));
        let loaded = config::load(Some(Path::new("test.toml")), [], &|_| Ok(text.clone()));
        let config = loaded.unwrap_or_else(|problems| panic!("{}", problems[0])).config;
        let service = Service::start(&config).expect("the service starts");
        House { service: Some(service), folder, more: String::new() }
    }

    pub fn service(&self) -> &Service {
        self.service.as_ref().expect("taken only at the end")
    }

    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Where SIP is spoken this way.
    pub fn sip(&self, transport: Transport, ipv4: bool) -> SocketAddr {
        let fits = |(of, at): &&(Transport, SocketAddr)| *of == transport && at.is_ipv4() == ipv4;
        self.service().sip().iter().find(fits).expect("it listens there").1
    }

    pub fn password(&self, agent: &str) -> String {
        let account = self.service().accounts().iter().find(|account| account.agent == agent);
        account.expect("a configured agent").password.expose().to_owned()
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.service().http(), path)
    }

    /// All series with their values.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        metrics(self.service().http())
    }

    pub fn wait_for_metric(&self, series: &str, value: f64) {
        self.wait_until(series, |now| now == value, || std::thread::sleep(Duration::from_millis(20)));
    }

    /// Looks at a series again and again, doing something `meanwhile`.
    pub fn wait_until(&self, series: &str, wanted: impl Fn(f64) -> bool, mut meanwhile: impl FnMut()) {
        let began = Instant::now();
        loop {
            let value = self.metrics().get(series).copied();
            if value.is_some_and(&wanted) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{series} is still {value:?}");
            meanwhile();
        }
    }

    /// Takes no more calls and waits until all are over and everything is written.
    pub fn close(&mut self) {
        let service = self.service.take().expect("closed once");
        service.drain();
        service.wait();
    }

    /// Ends it in good order and starts it again on the same data, with new ports.
    pub fn restart(&mut self) {
        self.close();
        self.service = Some(Service::start(&settings(&self.folder.0, &self.more)).expect("the service starts again"));
    }

    /// The stored contact records, oldest first.
    pub fn records(&self) -> Vec<vaxel::record::Contact> {
        use sqlx::{Connection, Row};
        let file = vaxel::edge::store::file(&self.folder.0.join("data"));
        let read = async {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            let mut database = sqlx::SqliteConnection::connect_with(&options).await?;
            sqlx::query("SELECT record FROM contacts ORDER BY id").fetch_all(&mut database).await
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let rows = runtime.block_on(read).expect("the records can be read");
        rows.iter().map(|row| serde_json::from_str(row.get(0)).expect("a record")).collect()
    }
}

/// Waits until it is so, doing something `meanwhile`.
pub fn soon(what: &str, is_so: impl Fn() -> bool, mut meanwhile: impl FnMut()) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} does not come");
        meanwhile();
    }
}

/// Status and body.
pub fn get(server: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server).expect("HTTP is served");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("the request is taken");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer comes");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// All series with their values.
pub fn metrics(server: SocketAddr) -> BTreeMap<String, f64> {
    let (status, text) = get(server, "/metrics");
    assert_eq!(status, 200);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parts = lines.map(|line| line.rsplit_once(' ').expect("a series and its value"));
    parts.map(|(series, value)| (series.to_owned(), value.parse().expect("a number"))).collect()
}

/// The settings of every test, with its data in `folder`.
pub fn settings(folder: &Path, more: &str) -> Config {
    let text = settings_file(folder, more);
    let loaded = config::load(Some(Path::new("test.toml")), [], &|_| Ok(text.clone()));
    loaded.unwrap_or_else(|problems| panic!("{}", problems[0])).config
}

/// The same, as an operator writes them.
pub fn settings_file(folder: &Path, more: &str) -> String {
    let text = SETTINGS.replace("FOLDER", &folder.join("data").display().to_string()) + more;
    // Media ports that other tests of this machine do not use at the same time: each process has its own part.
    let first = 30_000 + (std::process::id() % 50) * 500;
    text.replace("[media]", &format!("[media]\nports = \"{first}-{}\"", first + 499))
}

/// Removed with everything in it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let mut name = [0; 8];
        getrandom::fill(&mut name).expect("the system has randomness");
        let path = std::env::temp_dir().join(format!("vaxel-loopback-{:016x}", u64::from_be_bytes(name)));
        std::fs::create_dir(&path).expect("a folder of a new name can be made");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

/// The trunk's address, from where calls are taken without a password.
pub fn carrier(ipv4: bool) -> IpAddr {
    if ipv4 { [127, 0, 0, 2].into() } else { std::net::Ipv6Addr::LOCALHOST.into() }
}

//! SIPp as a phone: a scenario of ours does the SIP; the sound is that of a [`Sound`].

use crate::SOON;
use crate::script::Script;
use crate::server::{Folder, free_port, wait_for};
use crate::sound::Sound;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A phone that does as a scenario says, for one call.
pub struct Sipp {
    child: Child,
    folder: PathBuf,
    scenario: String,
    /// How a script that waits is told to go on.
    steps: Option<Steps>,
}

/// How a script is played.
pub struct Play<'a> {
    /// Of its files; different for each of a test.
    pub name: &'a str,
    pub server: SocketAddr,
    /// Its own address, with its port.
    pub home: SocketAddr,
    pub tcp: bool,
}

impl Play<'_> {
    /// Over UDP, from the server's own address.
    pub fn new(name: &str, server: SocketAddr) -> Play<'_> {
        Play::at(server.ip(), name, server)
    }

    pub fn at(home: IpAddr, name: &str, server: SocketAddr) -> Play<'_> {
        Play { name, server, home: SocketAddr::new(home, free_port()), tcp: false }
    }
}

/// Whether a socket has this address, as the kernel tells: to bind one would keep SIPp from it.
fn is_bound(address: SocketAddr) -> bool {
    let wanted = match address.ip() {
        IpAddr::V4(ip) => format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()),
        IpAddr::V6(ip) => {
            let words: String = ip
                .octets()
                .chunks_exact(4)
                .map(|w| format!("{:08X}", u32::from_ne_bytes([w[0], w[1], w[2], w[3]])))
                .collect();
            format!("{words}:{:04X}", address.port())
        }
    };
    let table = |name| std::fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    ["udp", "tcp", "udp6", "tcp6"].iter().any(|name| {
        table(name).lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            // Of TCP only what listens: the address of a connection that is over is seen for a while yet.
            words.next() == Some(wanted.as_str()) && (name.starts_with("udp") || words.nth(1) == Some("0A"))
        })
    })
}

impl Sipp {
    pub fn start(folder: &Folder, server: SocketAddr, scenario: &str, number: &str, sound: &Sound) -> Sipp {
        Sipp::start_for(folder, server, scenario, number, sound, Duration::ZERO)
    }

    /// Plays `scenario`, a file of this folder: a call to `number`. `pause`: how long it waits before hanging up.
    pub fn start_for(
        folder: &Folder,
        server: SocketAddr,
        scenario: &str,
        number: &str,
        sound: &Sound,
        pause: Duration,
    ) -> Sipp {
        let file = format!("{}/tests/interop/{scenario}.xml", env!("CARGO_MANIFEST_DIR"));
        let (port, pause) = (sound.port().to_string(), pause.as_millis().to_string());
        let more = ["-s", number, "-key", "rtp_port", &port, "-d", &pause];
        Sipp::run(folder, &Play::new(scenario, server), &file, &more)
    }

    pub fn play(folder: &Folder, play: &Play, script: &Script) -> Sipp {
        let file = folder.path().join(format!("{}.xml", play.name));
        std::fs::write(&file, script.xml()).expect("a scenario can be written");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let steps = listener.local_addr().expect("a bound socket").to_string();
        let more: &[&str] = if script.waits() { &["-3pcc", &steps] } else { &[] };
        let mut sipp = Sipp::run(folder, play, &file.to_string_lossy(), more);
        if script.waits() {
            listener.set_nonblocking(true).expect("a socket option");
            let stream = wait_for("SIPp to connect", SOON, || listener.accept().ok()).0;
            sipp.steps = Some(Steps::new(stream));
        }
        if script.is_called() {
            wait_for(&format!("SIPp {} to listen", play.name), Duration::from_secs(30), || {
                let ended = sipp.child.try_wait().expect("a process of ours");
                assert!(ended.is_none(), "SIPp ended before it was called: {ended:?}\n{}", sipp.errors());
                is_bound(play.home).then_some(())
            });
        }
        sipp
    }

    fn run(folder: &Folder, play: &Play, file: &str, more: &[&str]) -> Sipp {
        let Play { name, server, home, tcp } = play;
        let log = std::fs::File::create(folder.path().join(format!("{name}.log"))).expect("a log");
        let errors = folder.path().join(format!("{name}.err"));
        let child = Command::new("sipp")
            .arg(server.to_string())
            .args(["-sf", file, "-m", "1", "-nostdin", "-timeout", "120", "-timeout_error"])
            .args(["-i", &home.ip().to_string(), "-p", &home.port().to_string(), "-t", if *tcp { "t1" } else { "u1" }])
            .args(["-trace_msg", "-message_file"])
            .arg(folder.path().join(format!("{name}.msg")))
            .arg("-trace_err")
            .arg("-error_file")
            .arg(errors)
            .args(more)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .env("TERM", "dumb")
            .spawn()
            .expect("SIPp is not installed: tests/run installs it (Debian: sip-tester)");
        Sipp { child, folder: folder.path().to_owned(), scenario: (*name).to_owned(), steps: None }
    }

    /// Waits until the script came to this place.
    pub fn wait_until(&mut self, place: &str, limit: Duration) {
        let steps = self.steps.as_mut().expect("a script that waits");
        wait_for(&format!("SIPp to come to \"{place}\""), limit, || {
            let ended = self.child.try_wait().expect("a process of ours");
            assert!(ended.is_none(), "SIPp ended before it came to \"{place}\": {ended:?}");
            steps.came_to(place).then_some(())
        });
    }

    /// Lets the script go on from where it waits.
    pub fn go_on(&mut self) {
        self.steps.as_mut().expect("a script that waits").go_on();
    }

    /// Waits for the end of the scenario, which must have gone as written.
    pub fn finish(mut self, limit: Duration) {
        let status = wait_for("SIPp to finish", limit, || self.child.try_wait().expect("a process of ours"));
        assert!(status.success(), "SIPp's scenario {} failed: {status}\n{}", self.scenario, self.errors());
    }

    /// Where the other end said that it wants to be spoken to.
    pub fn other_end(&self, host: IpAddr, limit: Duration) -> SocketAddr {
        let file = self.folder.join(format!("{}.msg", self.scenario));
        let port = wait_for("a description", limit, || {
            let text = std::fs::read_to_string(&file).ok()?;
            let (_, received) = text.split_once(" bytes :\n\nINVITE ").or_else(|| text.split_once("\nINVITE "))?;
            received.split_once("m=audio ")?.1.split_once(' ')?.0.parse().ok()
        });
        SocketAddr::new(host, port)
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.join(format!("{}.err", self.scenario))).unwrap_or_default()
    }
}

/// Which messages.
#[derive(Clone, Copy)]
pub enum Way {
    Sent,
    Received,
}

/// When SIPp `name` of this test sent or got messages that begin so: seconds since midnight.
pub fn when(folder: &Folder, name: &str, way: Way, beginning: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.path().join(format!("{name}.msg"))).expect("SIPp keeps its messages");
    let way = match way {
        Way::Sent => "message sent",
        Way::Received => "message received",
    };
    let seconds =
        |clock: &str| clock.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?));
    let logged = text.split("-----------------------------------------------").filter_map(|logged| {
        let (head, message) = logged.split_once("\n\n")?;
        let is_meant = head.contains(way) && message.trim_start().starts_with(beginning);
        let mut words = head.split_whitespace();
        // Also over midnight.
        let day: f64 = words.next()?.rsplit('-').next()?.parse().ok()?;
        seconds(words.next()?).map(|seconds| day * 86_400.0 + seconds).filter(|_| is_meant)
    });
    logged.collect()
}

/// The connection by which two SIPp tell each other to go on; here one of them is the test.
struct Steps {
    stream: TcpStream,
    said: String,
    call: String,
}

/// Ends each of its messages.
const ESCAPE: char = '\u{1b}';

impl Steps {
    fn new(stream: TcpStream) -> Steps {
        stream.set_nonblocking(false).expect("a socket option");
        stream.set_read_timeout(Some(Duration::from_millis(10))).expect("a socket option");
        Steps { stream, said: String::new(), call: String::new() }
    }

    fn came_to(&mut self, place: &str) -> bool {
        let mut piece = [0; 1024];
        if let Ok(n) = self.stream.read(&mut piece) {
            self.said.push_str(&String::from_utf8_lossy(&piece[..n]));
        }
        let Some((message, rest)) = self.said.split_once(ESCAPE) else { return false };
        let header = |name: &str| message.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::to_owned);
        let came_to = header("Place: ");
        assert_eq!(came_to.as_deref(), Some(place), "{message}");
        self.call = header("Call-ID: ").expect("a Call-ID");
        self.said = rest.to_owned();
        true
    }

    fn go_on(&mut self) {
        // In one piece: SIPp may take a part of a command for the whole of it.
        let command = format!("Call-ID: {}\r\n\r\n{ESCAPE}", self.call);
        self.stream.write_all(command.as_bytes()).expect("SIPp listens");
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

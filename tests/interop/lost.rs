//! A phone whose network breaks without a word, in a network of its own.

use crate::SOON;
use crate::server::{Folder, Server, free_port, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Registers over TCP with digest, says so, and keeps the connection open.
const PHONE: &str = r#"
import hashlib, re, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
connection = socket.create_connection((host, port))
here, mine = connection.getsockname()
def register(number, more):
    text = (f'REGISTER sip:{host} SIP/2.0\r\nVia: SIP/2.0/TCP {here}:{mine};branch=z9hG4bK{number};rport\r\n'
        'Max-Forwards: 70\r\nFrom: <sip:anna@vaxel>;tag=1\r\nTo: <sip:anna@vaxel>\r\nCall-ID: lost\r\n'
        f'CSeq: {number} REGISTER\r\nContact: <sip:anna@{here}:{mine};transport=tcp>\r\nExpires: 60\r\n'
        f'{more}Content-Length: 0\r\n\r\n')
    connection.sendall(text.encode())
    return connection.recv(4096).decode()
md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
challenge = register(1, '')
part = lambda name: re.search(name + '="([^"]*)"', challenge).group(1)
realm, nonce = part('realm'), part('nonce')
secret, asked = md5(f'anna:{realm}:anna-secret'), md5(f'REGISTER:sip:{host}')
proof = md5(f'{secret}:{nonce}:00000001:c:auth:{asked}')
answer = register(2, f'Authorization: Digest username="anna", realm="{realm}", nonce="{nonce}", uri="sip:{host}", '
    f'response="{proof}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"\r\n')
print(answer.split('\r\n')[0], flush=True)
sys.stdin.read()
"#;

/// A network beside ours, joined by a cable.
struct Network {
    name: String,
}

impl Network {
    fn new() -> Network {
        let name = format!("vx{}", std::process::id());
        let network = Network { name };
        let (name, cable) = (&network.name, network.cable());
        let here = Network::here();
        ip(&format!("netns add {name}"));
        ip(&format!("link add {cable} type veth peer name phone netns {name}"));
        ip(&format!("addr add {here}/30 dev {cable}"));
        ip(&format!("link set {cable} up"));
        ip(&format!("-n {name} addr add {}/30 dev phone", Network::there()));
        ip(&format!("-n {name} link set phone up"));
        network
    }

    fn cable(&self) -> String {
        format!("{}c", self.name)
    }

    /// Of a range for tests of networks (RFC 2544), a part of its own for each process.
    fn here() -> String {
        let id = std::process::id();
        format!("198.18.{}.{}", id / 64 % 256, id % 64 * 4 + 1)
    }

    fn there() -> String {
        let id = std::process::id();
        format!("198.18.{}.{}", id / 64 % 256, id % 64 * 4 + 2)
    }

    fn pull_the_plug(&self) {
        ip(&format!("-n {} link set phone down", self.name));
    }

    fn python(&self, script: &str, arguments: &[&str]) -> Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "python3", "-c", script]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ip and python3 are there: tests/run")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.cable()));
        ip(&format!("netns del {}", self.name));
    }
}

/// Runs this test again as the root of a user namespace, with networks and `/run` of its own. Where the machine does not allow
/// that, it says so where no test harness hides it.
fn in_a_namespace(test: &str) {
    const OWN: [&str; 4] = ["--user", "--map-root-user", "--net", "--mount"];
    let tried = Command::new("unshare").args(OWN).arg("true").stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        let said = format!("NOT TESTED: {test} (only root can make a network on this machine)\n");
        return std::io::stderr().write_all(said.as_bytes()).expect("stderr is there");
    }
    let prepare = "mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$0\" \"$@\"";
    let program = std::env::current_exe().expect("this program");
    let status =
        Command::new("unshare").args(OWN).args(["sh", "-c", prepare]).arg(program).args(["--exact", test]).status();
    assert!(status.is_ok_and(|status| status.success()), "{test} failed in a namespace of its own");
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip is there: tests/run installs it");
    assert!(status.success() || std::thread::panicking(), "ip {arguments}: {status}");
}

#[test]
fn an_agent_whose_network_broke_in_silence_is_missed_within_five_seconds() {
    if !rustix::process::geteuid().is_root() {
        return in_a_namespace("lost::an_agent_whose_network_broke_in_silence_is_missed_within_five_seconds");
    }
    let folder = Folder::new("lost");
    let network = Network::new();
    let port = free_port();
    let listen = format!("udp:127.0.0.1:{},tcp:{}:{port}", free_port(), Network::here());
    let server = Server::start_with(&folder, &[("VAXEL_SIP__LISTEN", &listen)]);
    let mut phone = network.python(PHONE, &[&Network::here(), &port.to_string()]);
    let mut said = String::new();
    BufReader::new(phone.stdout.take().expect("a pipe")).read_line(&mut said).expect("the phone says something");
    assert_eq!(said.trim(), "SIP/2.0 200 OK");
    let ready = "vaxel_agents{state=\"ready\"}";
    server.wait_for_metric(ready, 1.0, SOON);
    // At rest it is not missed.
    let rested = Instant::now();
    wait_for("longer than a loss takes", Duration::from_secs(10), || {
        assert_eq!(server.metric(ready), Some(1.0));
        (rested.elapsed() > Duration::from_secs(6)).then_some(())
    });
    network.pull_the_plug();
    let broken = Instant::now();
    server.wait_for_metric(ready, 0.0, SOON);
    assert!(broken.elapsed() < Duration::from_secs(5), "missed after {:?}", broken.elapsed());
    drop(phone.kill());
    drop(phone.wait());
}

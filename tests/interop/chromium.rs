//! A page in a real browser, headless, driven by the DevTools protocol.

use crate::server::{Folder, wait_for};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

pub struct Page {
    child: Child,
    tools: WebSocket<TcpStream>,
    last: u64,
}

impl Page {
    /// An empty page. Certificates are believed whoever signed them.
    pub fn open(folder: &Folder) -> Page {
        let own = folder.path().join("chromium");
        drop(std::fs::remove_dir_all(&own));
        let log = std::fs::File::create(folder.path().join("chromium.log")).expect("a log");
        let child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--ignore-certificate-errors", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", own.display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Its many processes are stopped together.
            .process_group(0)
            .spawn()
            .expect("chromium is not installed: tests/run installs it (Debian: chromium)");
        let port = wait_for("Chromium's port", Duration::from_secs(30), || {
            let text = std::fs::read_to_string(own.join("DevToolsActivePort")).ok()?;
            text.lines().next()?.parse::<u16>().ok()
        });
        let address = wait_for("Chromium's page", Duration::from_secs(30), || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            write!(stream, "GET /json/list HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
            let mut answer = Vec::new();
            let mut piece = [0; 4096];
            // It keeps the connection open, so the end is where the list is whole.
            let pages: Value = loop {
                let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
                answer.extend_from_slice(&piece[..length]);
                let text = String::from_utf8_lossy(&answer);
                if let Some(pages) = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()) {
                    break pages;
                }
            };
            let page = pages.as_array()?.iter().find(|page| page["type"] == "page")?;
            Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
        });
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("Chromium listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket option");
        let (tools, _) = client(&address, stream).expect("the DevTools protocol is a WebSocket");
        Page { child, tools, last: 0 }
    }

    /// The value of an expression; of a promise, what it comes to.
    pub fn eval(&mut self, expression: &str) -> Value {
        self.last += 1;
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let command = json!({ "id": self.last, "method": "Runtime.evaluate", "params": params });
        self.tools.send(Message::text(command.to_string())).expect("Chromium listens");
        loop {
            let Message::Text(text) = self.tools.read().expect("Chromium answers") else { continue };
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            if answer["id"] == self.last {
                assert!(answer["result"]["exceptionDetails"].is_null(), "{answer}");
                return answer["result"]["result"]["value"].clone();
            }
        }
    }

    /// All its processes stand still; their connections stay open.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    fn signal(&self, signal: Signal) {
        // It may have ended already.
        kill_process_group(Pid::from_child(&self.child), signal).unwrap_or_default();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        drop(self.child.wait());
    }
}

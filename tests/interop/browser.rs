//! Phones in a real browser. What their page notices is kept there in a list, `said`.

use crate::SOON;
use crate::chromium::Page;
use crate::secure::certify;
use crate::server::{Folder, Server, free_port, wait_for};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub const READY: &str = "vaxel_agents{state=\"ready\"}";

/// A service for pages: where they connect to it, and how it is started again.
pub struct House {
    pub server: Server,
    pub folder: Folder,
    pub url: String,
    variables: [(&'static str, String); 3],
}

impl House {
    /// `transport`: `ws` or `wss`. Other phones and callers reach it by UDP as ever.
    pub fn new(name: &str, transport: &str) -> House {
        let folder = Folder::new(name);
        certify(&folder);
        let (udp, port) = (free_port(), free_port());
        let listen = format!("udp:127.0.0.1:{udp},{transport}:127.0.0.1:{port}");
        let variables = [
            ("VAXEL_SIP__LISTEN", listen),
            ("VAXEL_SIP__TLS__CERTIFICATE", "own.pem".to_owned()),
            ("VAXEL_SIP__TLS__KEY", "own.key".to_owned()),
        ];
        let mut server = Server::start_with(&folder, &House::borrowed(&variables));
        server.sip = SocketAddr::from(([127, 0, 0, 1], udp));
        House { server, folder, url: format!("{transport}://127.0.0.1:{port}/sip"), variables }
    }

    /// As after a loss of power.
    pub fn kill_and_restart(&mut self, until_noticed: impl FnOnce()) {
        self.server.kill();
        until_noticed();
        let (sip, http) = (self.server.sip.port(), self.server.http.port());
        self.server = Server::restart(&self.folder, sip, http, &House::borrowed(&self.variables));
    }

    fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

/// A page with a phone.
pub struct Browser {
    page: Page,
    /// Where the list goes on after what was waited for before.
    heard: usize,
}

impl Browser {
    /// `library`: a file that `tests/run` made; `phone`: what makes a phone of it.
    pub fn open(folder: &Folder, library: &str, phone: &str) -> Browser {
        let file = format!("{}/target/npm/{library}", env!("CARGO_MANIFEST_DIR"));
        let library = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("no {file}: tests/run makes it"));
        let mut page = Page::open(folder);
        for script in [include_str!("page.js"), &library, phone] {
            page.eval(&format!("{script}; 0"));
        }
        Browser { page, heard: 0 }
    }

    pub fn eval(&mut self, expression: &str) -> Value {
        self.page.eval(expression)
    }

    /// Waits until it says something that begins so, after what was waited for before.
    pub fn wait_for(&mut self, beginning: &str) {
        let mut all = Value::Null;
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            all = self.page.eval("said");
            let said = all.as_array().into_iter().flatten().skip(self.heard).filter_map(Value::as_str);
            if let Some(at) = said.enumerate().find(|(_, text)| text.starts_with(beginning)).map(|(at, _)| at) {
                self.heard += at + 1;
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("waited for the page to say \"{beginning}\" after {} of {all}", self.heard);
    }

    /// The page stands still while its connection is open: only our pings tell, and soon enough.
    pub fn is_missed_when_frozen(&self, server: &Server) {
        server.wait_for_metric(READY, 1.0, SOON);
        self.page.freeze();
        let frozen = Instant::now();
        server.wait_for_metric(READY, 0.0, SOON);
        assert!(frozen.elapsed() < Duration::from_secs(5), "missed after {:?}", frozen.elapsed());
        wait_for("the loss to be counted", SOON, || {
            (server.metric("vaxel_sip_errors_total{reason=\"no_pong\"}") == Some(1.0)).then_some(())
        });
    }
}

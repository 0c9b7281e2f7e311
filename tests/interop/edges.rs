//! A phone behind edge proxies: Kamailio with `path` and `outbound` (RFC 3327, RFC 5626), and pjsua2, which keeps a flow to each of two.

use crate::carriers::{END, Kamailio};
use crate::pjsua::Pjsua;
use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound};
use crate::{BJORN, CALLER, SOON};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const READY: &str = "vaxel_agents{state=\"ready\"}";

/// An edge proxy at an address of its own.
struct Edge {
    folder: Folder,
    at: SocketAddr,
    vaxel: SocketAddr,
    kamailio: Option<Kamailio>,
}

impl Edge {
    fn start(name: &str, last: u8, vaxel: SocketAddr) -> Edge {
        let at = SocketAddr::from(([127, 0, 0, last], free_port()));
        let mut edge = Edge { folder: Folder::new(name), at, vaxel, kamailio: None };
        edge.restart();
        edge
    }

    /// Its connections are gone.
    fn restart(&mut self) {
        self.kamailio = None;
        let defines = [format!("LISTEN={}", self.at), format!("VAXEL=\"sip:{}\"", self.vaxel)];
        self.kamailio = Some(Kamailio::start(&self.folder, "tests/interop/edge.cfg", &defines));
        crate::server::wait_for("Kamailio to listen", SOON, || std::net::TcpStream::connect(self.at).ok());
    }
}

/// Bjorn's phone is registered by two edges, the second flow after the first.
fn house(name: &str) -> (Folder, Server, [Edge; 2], Pjsua) {
    let folder = Folder::new(name);
    let server = Server::start(&folder);
    let edges = [(1, 2), (2, 4)].map(|(n, last)| Edge::start(&format!("{name}-edge-{n}"), last, server.sip));
    let mut bjorn = Pjsua::start_by(&folder, server.sip, "bjorn", &edges.each_ref().map(|edge| edge.at), BJORN);
    bjorn.wait_for_times("registered 200", 2);
    server.wait_for_metric(READY, 1.0, SOON);
    (folder, server, edges, bjorn)
}

/// The queue connects a caller with Bjorn, whose phone is called by this edge; gives how long the caller waited for him.
fn is_connected_by(folder: &Folder, server: &Server, name: &str, edge: &Edge, bjorn: &mut Pjsua) -> Duration {
    server.wait_for_metric(READY, 1.0, SOON);
    let by = format!("called by {}", edge.at);
    let before = (bjorn.times("called by"), bjorn.times(&by));
    let sound = Sound::new(CALLER);
    let began = Instant::now();
    let caller = Script::new("+46701234567", "101").talks(Offer::at(sound.port()));
    let mut caller = Sipp::play(folder, &Play::new(name, server.sip), &caller);
    caller.wait_until("talk", END);
    bjorn.wait_for_times(&by, before.1 + 1);
    let waited = began.elapsed();
    sound.wait_for_tone(BJORN, 1000);
    // BYE goes the same way.
    caller.go_on();
    caller.finish(END);
    bjorn.wait_for(&format!("call {} DISCONNECTED", before.0));
    assert_eq!(bjorn.times("called by"), before.0 + 1, "one phone by two flows is rung once");
    waited
}

#[test]
fn a_phone_behind_edges_is_called_by_the_path_of_its_last_flow_and_by_the_other_when_that_edge_is_silent() {
    let (folder, server, edges, mut bjorn) = house("edges");
    is_connected_by(&folder, &server, "last", &edges[1], &mut bjorn);
    edges[1].kamailio.as_ref().expect("it runs").freeze();
    let lost = is_connected_by(&folder, &server, "silent", &edges[0], &mut bjorn);
    assert!(lost >= Duration::from_secs(4), "{lost:?}");
    let next = is_connected_by(&folder, &server, "next", &edges[0], &mut bjorn);
    assert!(next < lost, "nobody waits for the silent one again: {next:?}");
    assert_eq!(server.contacts(3).iter().filter(|record| record["waits"][0]["exit"] == "answered").count(), 3);
}

#[test]
fn a_flow_that_its_edge_has_lost_is_left_at_once_until_the_phone_registers_by_it_again() {
    let (folder, server, mut edges, mut bjorn) = house("flow-failed");
    edges[1].restart();
    is_connected_by(&folder, &server, "failed", &edges[0], &mut bjorn);
    let sent_on = std::fs::read_to_string(edges[1].folder.path().join("kamailio.log")).expect("a log");
    assert!(sent_on.contains("flow failed"), "it was asked: {sent_on}");
    bjorn.does("again 2");
    bjorn.wait_for_times("registered 200", 3);
    is_connected_by(&folder, &server, "again", &edges[1], &mut bjorn);
}

//! JsSIP in a real browser: registers, asks, leaves, comes again, and is missed.

use crate::SOON;
use crate::chromium::Page;
use crate::secure::certify;
use crate::server::{Folder, Server, free_port, wait_for};
use std::time::{Duration, Instant};

const READY: &str = "vaxel_agents{state=\"ready\"}";

/// What the page has heard of JsSIP is kept in `said`.
const PHONE: &str = r#"
    var said = [];
    var ua = new JsSIP.UA({
        sockets: [new JsSIP.WebSocketInterface('URL')], uri: 'sip:anna@127.0.0.1', password: 'anna-secret',
        register_expires: 60, connection_recovery_min_interval: 1, connection_recovery_max_interval: 1,
    });
    for (const event of ['connected', 'disconnected', 'registered', 'unregistered', 'registrationFailed'])
        ua.on(event, () => said.push(event));
    ua.start();
"#;

const ASK: &str = r#"new Promise(resolve => ua.sendOptions('sip:vaxel@127.0.0.1', null, { eventHandlers: {
    succeeded: event => resolve(event.response.status_code),
    failed: event => resolve(event.cause),
} }))"#;

fn until_said(page: &mut Page, times: usize, event: &str) {
    let count = format!("said.filter(event => event == '{event}').length");
    wait_for(&format!("{event}, {times} times"), Duration::from_secs(20), || {
        (page.eval(&count).as_u64() >= Some(times as u64)).then_some(())
    });
}

fn a_page_is_a_phone(transport: &str) {
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/target/npm/jssip.js");
    let library = std::fs::read_to_string(library).expect("JsSIP is not installed: tests/run installs it (npm: jssip)");
    let folder = Folder::new(transport);
    certify(&folder);
    let port = free_port();
    let listen = format!("udp:127.0.0.1:{},{transport}:127.0.0.1:{port}", free_port());
    let variables = [
        ("VAXEL_SIP__LISTEN", listen.as_str()),
        ("VAXEL_SIP__TLS__CERTIFICATE", "own.pem"),
        ("VAXEL_SIP__TLS__KEY", "own.key"),
    ];
    let mut server = Server::start_with(&folder, &variables);
    let mut page = Page::open(&folder);
    page.eval(&format!("{library}; 0"));
    page.eval(&format!("{}; 0", PHONE.replace("URL", &format!("{transport}://127.0.0.1:{port}/sip"))));
    until_said(&mut page, 1, "registered");
    server.wait_for_metric(READY, 1.0, SOON);
    assert_eq!(page.eval(ASK), 200, "the answer to OPTIONS");

    page.eval("ua.unregister(); 0");
    until_said(&mut page, 1, "unregistered");
    server.wait_for_metric(READY, 0.0, SOON);
    page.eval("ua.register(); 0");
    until_said(&mut page, 2, "registered");
    server.wait_for_metric(READY, 1.0, SOON);

    // The service goes away and comes again: the page finds back by itself.
    server.kill();
    until_said(&mut page, 1, "disconnected");
    let server = Server::restart(&folder, server.sip.port(), server.http.port(), &variables);
    until_said(&mut page, 3, "registered");
    server.wait_for_metric(READY, 1.0, SOON);

    // The page stands still while its connection is open: only our pings tell.
    page.freeze();
    let frozen = Instant::now();
    server.wait_for_metric(READY, 0.0, SOON);
    assert!(frozen.elapsed() < Duration::from_secs(5), "missed after {:?}", frozen.elapsed());
    assert_eq!(server.metric("vaxel_sip_errors_total{reason=\"no_pong\"}"), Some(1.0));
}

#[test]
fn jssip_in_a_browser_is_a_phone_over_websocket() {
    a_page_is_a_phone("ws");
}

#[test]
fn jssip_in_a_browser_is_a_phone_over_websocket_and_tls() {
    a_page_is_a_phone("wss");
}

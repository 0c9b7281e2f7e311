//! JsSIP in a real browser: registers, asks, leaves, comes again, and is missed.

use crate::SOON;
use crate::browser::{Browser, House, READY};

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

fn a_page_is_a_phone(transport: &str) {
    let mut house = House::new(&format!("jssip-{transport}"), transport);
    let mut page = Browser::open(&house.folder, "jssip.js", &PHONE.replace("URL", &house.url));
    page.wait_for("registered");
    house.server.wait_for_metric(READY, 1.0, SOON);
    assert_eq!(page.eval(ASK), 200, "the answer to OPTIONS");

    page.eval("ua.unregister(); 0");
    page.wait_for("unregistered");
    house.server.wait_for_metric(READY, 0.0, SOON);
    page.eval("ua.register(); 0");
    page.wait_for("registered");
    house.server.wait_for_metric(READY, 1.0, SOON);

    // The service goes away and comes again: the page finds back by itself.
    house.kill_and_restart(|| page.wait_for("disconnected"));
    page.wait_for("registered");
    page.is_missed_when_frozen(&house.server);
}

#[test]
fn jssip_in_a_browser_is_a_phone_over_websocket() {
    a_page_is_a_phone("ws");
}

#[test]
fn jssip_in_a_browser_is_a_phone_over_websocket_and_tls() {
    a_page_is_a_phone("wss");
}

//! JsSIP in a real browser: registers, asks, leaves, comes again, and is missed; takes a call and makes one. Signalling is JsSIP's
//! own; the sound is that of a [`Sound`], since there is no WebRTC yet.

use crate::browser::{Browser, House, READY};
use crate::server::wait_for;
use crate::sipp::Sipp;
use crate::sound::{Ear, Sound};
use crate::{BJORN, CALLER, SOON, list};
use std::time::Duration;

fn page(house: &House) -> Browser {
    let start = format!("var ua = phone('{}', 'bjorn')", house.url);
    let mut page = Browser::open(&house.folder, "jssip.js", &format!("{}{start}", include_str!("jssip.js")));
    page.wait_for("registered");
    house.server.wait_for_metric(READY, 1.0, SOON);
    page
}

fn a_page_is_a_phone(transport: &str) {
    let mut house = House::new(&format!("jssip-{transport}"), transport);
    let mut page = page(&house);
    assert_eq!(page.eval("asks(ua)"), 200, "the answer to OPTIONS");

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

#[test]
fn jssip_in_a_browser_takes_a_call_holds_by_invite_resumes_by_update_and_calls() {
    let house = House::new("jssip-calls", "wss");
    let mut bjorn = page(&house);
    let voice = Sound::new(BJORN);
    bjorn.eval(&format!("var sound = withoutWebRtc({}); 0", voice.port()));
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&house.folder, house.server.sip, "stays", "101", &sound);
    bjorn.wait_for("call from sales: Test Caller");
    // Neither speaks before it has heard something.
    sound.wait_for_sound();
    bjorn.eval("session.answer(sound); 0");
    bjorn.wait_for("confirmed");
    sound.wait_for_tone(BJORN, 1000);
    voice.wait_for_tone(CALLER, 1000);

    let held = sound.now();
    bjorn.eval("session.hold(); 0");
    bjorn.wait_for("described recvonly");
    sound.wait_for_music_since(held, 500, &[BJORN]);
    let resumed = (sound.now(), voice.now());
    bjorn.eval("session.unhold({ useUpdate: true }); 0");
    bjorn.wait_for("described sendrecv");
    sound.wait_for_tone_since(resumed.0, BJORN, 1000);
    voice.wait_for_tone_since(resumed.1, CALLER, 1000);
    let updates = house.server.metric("vaxel_sip_messages_total{direction=\"received\",kind=\"UPDATE\"}");
    assert_eq!(updates, Some(1.0));
    bjorn.eval("session.terminate(); 0");
    bjorn.wait_for("ended");
    caller.finish(Duration::from_secs(30));
    let record = &house.server.contacts(1)[0];
    let holds = list(record, "holds");
    assert!(holds.len() == 1 && holds[0]["resumed"].as_u64() > holds[0]["at"].as_u64(), "{record}");

    let before = voice.now();
    bjorn.eval("ua.call('sip:100@127.0.0.1', sound); 0");
    bjorn.wait_for("confirmed");
    wait_for("the menu to speak", SOON, || voice.speaks_since(before).then_some(()));
    bjorn.eval("session.terminate(); 0");
    bjorn.wait_for("ended");
    assert_eq!(house.server.contacts(2)[1]["ended_by"], "caller");
}

#[test]
fn jssip_whose_connection_breaks_while_it_rings_shows_one_call_that_can_be_answered() {
    let house = House::new("jssip-breaks", "wss");
    let mut bjorn = page(&house);
    let voice = Sound::new(BJORN);
    bjorn.eval(&format!("var sound = withoutWebRtc({}); 0", voice.port()));
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&house.folder, house.server.sip, "stays", "101", &sound);
    bjorn.wait_for("call from sales: Test Caller");
    sound.wait_for_sound();
    bjorn.eval("ua._transport.socket._ws.close(); 0");
    bjorn.wait_for("disconnected");
    bjorn.wait_for("registered");
    // Together with its connection JsSIP forgets the INVITE, so nobody could answer that, and it would not understand a CANCEL; but the
    // call it shows until it is told.
    bjorn.wait_for("ended");
    bjorn.wait_for("call from sales: Test Caller");
    bjorn.eval("session.answer(sound); 0");
    bjorn.wait_for("confirmed");
    sound.wait_for_tone(BJORN, 1000);
    voice.wait_for_tone(CALLER, 1000);
    bjorn.eval("session.terminate(); 0");
    bjorn.wait_for("ended");
    caller.finish(Duration::from_secs(30));
    let record = &house.server.contacts(1)[0];
    assert_eq!(list(record, "offers").len(), 1, "{record}");
}

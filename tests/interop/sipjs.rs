//! SIP.js in a real browser: takes a call from the queue, makes calls of its own, and is missed. Signalling is SIP.js's own; the
//! sound is that of a [`Sound`], since there is no WebRTC yet.

use crate::browser::{Browser, House, READY};
use crate::server::wait_for;
use crate::sipp::Sipp;
use crate::sound::{Ear, Sound};
use crate::{ANNA, BJORN, CALLER, SOON, agent, list, outcomes};
use std::time::Duration;

const END: Duration = Duration::from_secs(30);

/// A page of bjorn's. `extension`: how it takes provisional answers that are acknowledged, in SIP.js's words.
fn page(house: &House, sound: &Sound, extension: &str) -> Browser {
    let start = format!("var bjorn = phone('{}', 'bjorn', {}, '{extension}')", house.url, sound.port());
    let mut page = Browser::open(&house.folder, "sipjs.js", &format!("{}{start}", include_str!("sipjs.js")));
    page.eval("bjorn.start()");
    page.wait_for("Registered");
    house.server.wait_for_metric(READY, 1.0, SOON);
    page
}

#[test]
fn sipjs_in_a_browser_takes_a_call_of_the_queue_holds_it_hangs_up_and_is_missed() {
    let house = House::new("sipjs", "wss");
    let voice = Sound::new(BJORN);
    let mut bjorn = page(&house, &voice, "Supported");
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&house.folder, house.server.sip, "stays", "101", &sound);
    bjorn.wait_for("call 0 from sales: Test Caller");
    // Neither speaks before it has heard something.
    sound.wait_for_sound();
    bjorn.eval("bjorn.answer()");
    bjorn.wait_for("call 0 Established");
    sound.wait_for_tone(BJORN, 1000);
    voice.wait_for_tone(CALLER, 1000);

    let held = sound.now();
    bjorn.eval("bjorn.describe('sendonly', false)");
    bjorn.wait_for("described recvonly");
    sound.wait_for_music_since(held, 1500, &[BJORN]);
    // Without an offer of its own it takes ours.
    let resumed = (sound.now(), voice.now());
    bjorn.eval("bjorn.describe('sendrecv', true)");
    bjorn.wait_for("described sendrecv");
    sound.wait_for_tone_since(resumed.0, BJORN, 1000);
    voice.wait_for_tone_since(resumed.1, CALLER, 1000);

    bjorn.eval("bjorn.hangUp()");
    bjorn.wait_for("call 0 Terminated");
    caller.finish(END);
    let record = &house.server.contacts(1)[0];
    assert_eq!(outcomes(record), [("bjorn".into(), "accepted".into())]);
    let holds = list(record, "holds");
    assert!(holds.len() == 1 && holds[0]["resumed"].as_u64() > holds[0]["at"].as_u64(), "{record}");
    assert_eq!(list(record, "talks")[0]["with"], "bjorn");

    // It goes, without saying so in SIP.
    house.server.wait_for_metric(READY, 1.0, SOON);
    bjorn.eval("bjorn.leave()");
    house.server.wait_for_metric(READY, 0.0, SOON);
    bjorn.eval("bjorn.returns()");
    house.server.wait_for_metric(READY, 1.0, SOON);
    bjorn.is_missed_when_frozen(&house.server);
}

#[test]
fn sipjs_in_a_browser_calls_without_an_offer_and_sends_the_colleague_to_the_queue() {
    let house = House::new("sipjs-calls", "ws");
    let voice = Sound::new(BJORN);
    let mut bjorn = page(&house, &voice, "Required");
    let mut anna = agent(&house.folder, &house.server, "anna", "manual", "udp");
    house.server.wait_for_metric(READY, 2.0, SOON);
    bjorn.eval("bjorn.dial('201', { inviteWithoutSdp: true })");
    anna.wait_for("CALL_INCOMING", SOON);
    // Our offer comes with the first provisional answer that it acknowledges (RFC 3262 §5).
    bjorn.wait_for("described sendrecv");
    anna.command("accept");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    bjorn.wait_for("call 0 Established");
    anna.wait_for_tone(BJORN, 1000);
    voice.wait_for_tone(ANNA, 1000);

    bjorn.eval("bjorn.transfer('101')");
    bjorn.wait_for("told SIP/2.0 200");
    bjorn.wait_for("call 0 Terminated");
    // He is the only other one in that queue.
    bjorn.wait_for("call 1 from sales");
    bjorn.eval("bjorn.answer()");
    bjorn.wait_for("call 1 Established");
    let again = anna.now();
    anna.wait_for_tone_since(again, BJORN, 500);
    anna.command("hangup");
    bjorn.wait_for("call 1 BYE");

    // A flow answers without ringing: our offer comes with its 200, the answer to it with the ACK.
    let before = voice.now();
    bjorn.eval("bjorn.dial('100', { inviteWithoutSdp: true })");
    bjorn.wait_for("described sendrecv");
    bjorn.wait_for("call 2 Established");
    wait_for("the menu to speak", SOON, || voice.speaks_since(before).then_some(()));
    bjorn.eval("bjorn.hangUp()");
    bjorn.wait_for("call 2 Terminated");
    let records = house.server.contacts(2);
    let record = records.iter().find(|record| !list(record, "waits").is_empty()).expect("one that waited");
    assert_eq!(list(record, "waits")[0]["exit"], "answered", "{record}");
}

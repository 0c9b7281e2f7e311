//! What happens within a talk: hold, another address, another codec, IPv6.

use crate::baresip::{Baresip, Options};
use crate::server::{Folder, Server};
use crate::sipp::Sipp;
use crate::sound::{Ear, Sound};
use crate::{CALLER, SOON, list};
use std::time::Duration;

const END: Duration = Duration::from_secs(30);

#[test]
fn an_agent_holds_and_resumes_and_the_caller_hears_music_meanwhile() {
    let folder = Folder::new("hold");
    let server = Server::start(&folder);
    // What anna hears she repeats, so the caller hears whether she hears.
    let echo = Options { user: "anna", password: "anna-secret", answers: "auto", tone: None, transport: "udp" };
    let mut anna = Baresip::start(&folder, server.sip, &echo);
    anna.wait_until_registered();
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays", "101", &sound);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(CALLER, 1000);

    let held = sound.now();
    anna.command("hold");
    sound.wait_for_music_since(held, 2000, &[CALLER]);
    let resumed = sound.now();
    anna.resume();
    sound.wait_for_tone_since(resumed, CALLER, 1000);

    anna.command("hangup");
    caller.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!(list(record, "talks")[0]["with"], "anna");
    let holds = list(record, "holds");
    assert_eq!(holds.len(), 1, "{record}");
    assert!(holds[0]["resumed"].as_u64() > holds[0]["at"].as_u64(), "{record}");
}

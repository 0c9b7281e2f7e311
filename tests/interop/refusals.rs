//! Agents who do not want a call, each by the code that their phone says it with.

use crate::script::Script;
use crate::server::{Folder, Server};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound, tone_millis};
use crate::{ANNA, BJORN, CALLER, DESK, SOON, agent, list, outcomes};
use std::time::Duration;

const END: Duration = Duration::from_secs(30);
/// No phone that refuses by itself takes so long to do so.
const THINKS: usize = 1500;

#[test]
fn an_agent_whose_phone_says_busy_backs_off_and_the_next_one_is_rung() {
    let folder = Folder::new("busy");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "manual", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let mut bjorn = agent(&folder, &server, "bjorn", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays_info", "100", &sound);
    anna.wait_for("CALL_INCOMING", SOON);
    sound.wait_for_music_since(sound.now(), THINKS, &[ANNA, BJORN]);
    // That is 486 Busy Here: baresip knows no other way.
    anna.command("hangup");
    bjorn.wait_for("CALL_ESTABLISHED", SOON);
    server.wait_for_metric("vaxel_agents{state=\"back_off\"}", 1.0, SOON);
    sound.wait_for_tone(BJORN, 1000);
    bjorn.wait_for_tone(CALLER, 1000);
    bjorn.command("hangup");
    caller.finish(END);
    assert_eq!(anna.heard().len(), 0, "nobody was connected with anna");
    assert!(tone_millis(&sound.heard(), ANNA) < 500);
    let record = &server.contacts(1)[0];
    assert_eq!(outcomes(record), [("anna".into(), "busy".into()), ("bjorn".into(), "accepted".into())]);
}

#[test]
fn an_agent_who_declines_stays_ready_and_the_next_one_is_rung() {
    let folder = Folder::new("decline");
    let server = Server::start(&folder);
    let play = Play::at(DESK, "anna-registers", server.sip);
    let home = play.home;
    let register = Script::new("anna", "anna").registers_signed("anna-secret").gets(200);
    Sipp::play(&folder, &play, &register).finish(END);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let mut bjorn = agent(&folder, &server, "bjorn", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    let declines = Script::new("anna", "anna")
        .gets_and_keeps("INVITE")
        .answers_early("180 Ringing")
        .reaches("rings")
        .answers_kept("603 Decline")
        .gets_request("ACK");
    let mut anna = Sipp::play(&folder, &Play { name: "anna-declines", home, ..play }, &declines);
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays_info", "100", &sound);
    anna.wait_until("rings", SOON);
    sound.wait_for_music_since(sound.now(), THINKS, &[BJORN]);
    anna.go_on();
    anna.finish(END);
    bjorn.wait_for("CALL_ESTABLISHED", SOON);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    sound.wait_for_tone(BJORN, 1000);
    bjorn.wait_for_tone(CALLER, 1000);
    bjorn.command("hangup");
    caller.finish(END);
    let record = &server.contacts(1)[0];
    // Her phone named no port to be heard at, so that the record alone can say that she talked with nobody.
    assert_eq!(list(record, "talks").iter().map(|talk| &talk["with"]).collect::<Vec<_>>(), ["bjorn"]);
    assert_eq!(outcomes(record), [("anna".into(), "declined".into()), ("bjorn".into(), "accepted".into())]);
}

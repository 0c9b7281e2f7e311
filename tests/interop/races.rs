//! Messages that are lost or cross each other: the call is what both sides think it is, and nobody stays behind busy.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server, wait_for};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound};
use crate::{ANNA, BJORN, CALLER, DESK, SOON, agent, list};
use std::time::Duration;
use vaxel::media::Codec;

const END: Duration = Duration::from_secs(30);
const SENT_2XX: &str = "vaxel_sip_messages_total{direction=\"sent\",kind=\"2xx\"}";

/// Bjorn has a phone at a desk of its own, and is ready; scripts play it.
fn registers(folder: &Folder, server: &Server) -> Play<'static> {
    let play = Play::at(DESK, "registers", server.sip);
    let register = Script::new("bjorn", "bjorn").registers_signed("bjorn-secret").gets(200);
    Sipp::play(folder, &play, &register).finish(END);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    play
}

#[test]
fn an_answer_is_repeated_until_it_is_acknowledged_and_the_call_works() {
    let folder = Folder::new("lost-ack");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let sent = || server.metric(SENT_2XX).expect("it is counted from the start");
    let before = sent();
    let sound = Sound::new(CALLER);
    let script = Script::new("+46701234567", "101")
        .invites(Offer::at(sound.port()))
        .gets(200)
        .reaches("answered")
        .acknowledges()
        .reaches("acknowledged")
        .hangs_up()
        .gets(200);
    let mut caller = Sipp::play(&folder, &Play::new("forgets", server.sip), &script);
    caller.wait_until("answered", SOON);
    // The answer and two more: after half a second, and a second later (RFC 3261 §13.3.1.4).
    wait_for("the answer to be repeated", SOON, || (sent() >= before + 3.0).then_some(()));
    caller.go_on();
    caller.wait_until("acknowledged", SOON);
    let (repeated, talk) = (sent(), sound.now());
    // The next one would come two seconds after the last.
    sound.wait_for_tone_since(talk, ANNA, 3000);
    anna.wait_for_tone(CALLER, 1000);
    assert_eq!(sent(), repeated, "it is repeated no more");
    caller.go_on();
    caller.finish(END);
    anna.wait_for("CALL_CLOSED", SOON);
    let record = &server.contacts(1)[0];
    assert_eq!((&record["ended_by"], list(record, "talks").len()), (&"caller".into(), 1), "{record}");
}

#[test]
fn a_cancel_that_crosses_the_answer_changes_nothing() {
    let folder = Folder::new("late-cancel");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "manual", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let sound = Sound::with(BJORN, Codec::Pcmu, DESK);
    let script = Script::new("bjorn", "201")
        .invites_signed("bjorn-secret", Offer::at(sound.port()))
        .gets_ringing()
        .gets(200)
        // It was sent before the answer was seen.
        .cancels()
        .gets_at_once(200)
        .acknowledges()
        .reaches("talk")
        .hangs_up()
        .gets(200);
    let mut bjorn = Sipp::play(&folder, &Play::at(DESK, "cancels-late", server.sip), &script);
    anna.wait_for("CALL_INCOMING", SOON);
    anna.command("accept");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    bjorn.wait_until("talk", SOON);
    sound.wait_for_tone(ANNA, 1000);
    anna.wait_for_tone(BJORN, 1000);
    bjorn.go_on();
    bjorn.finish(END);
    anna.wait_for("CALL_CLOSED", SOON);
    let record = &server.contacts(1)[0];
    assert_eq!((&record["trunk"], &list(record, "talks")[0]["with"]), (&"agent".into(), &"anna".into()), "{record}");
    server.wait_for_metric("vaxel_calls", 0.0, SOON);
    server.wait_for_metric("vaxel_agents{state=\"busy\"}", 0.0, SOON);
}

#[test]
fn an_answer_that_crosses_our_cancel_waits_for_bye_and_nobody_is_left_busy() {
    let folder = Folder::new("late-answer");
    let server = Server::start(&folder);
    let sound = Sound::with(BJORN, Codec::Pcmu, DESK);
    let desk = registers(&folder, &server);
    let callee = Script::new("bjorn", "bjorn")
        .gets_and_keeps("INVITE")
        .answers_early("180 Ringing")
        .gets_request("CANCEL")
        .answers_early("200 OK")
        // The phone was picked up before the CANCEL came.
        .accepts_kept(Offer::at(sound.port()))
        .gets_request("ACK")
        .waits_for_bye();
    let callee = Sipp::play(&folder, &Play { name: "answers-late", ..desk }, &callee);
    let ear = Sound::with(ANNA, Codec::Pcmu, DESK);
    let caller = Script::new("anna", "202")
        .invites_signed("anna-secret", Offer::at(ear.port()))
        .gets_ringing()
        .cancels()
        .gets_at_once(200)
        .gets_at_once(487)
        .acknowledges_refusal();
    let caller = Sipp::play(&folder, &Play::at(DESK, "cancels", server.sip), &caller);
    caller.finish(END);
    callee.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!((&record["ended_by"], list(record, "talks").len()), (&"caller".into(), 0), "{record}");
    server.wait_for_metric("vaxel_calls", 0.0, SOON);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    server.wait_for_metric("vaxel_agents{state=\"busy\"}", 0.0, SOON);
}

#[test]
fn a_phone_that_described_itself_before_it_was_picked_up_need_not_do_so_again() {
    let folder = Folder::new("described-early");
    let server = Server::start(&folder);
    let phone = Sound::with(BJORN, Codec::Pcmu, DESK);
    let desk = registers(&folder, &server);
    let callee = Script::new("bjorn", "bjorn")
        .gets_and_keeps("INVITE")
        .describes_kept(Offer::at(phone.port()))
        .gets_request("PRACK")
        .answers("200 OK")
        .reaches("rings")
        .accepts_kept_as_described()
        .gets_request("ACK")
        .waits_for_bye();
    is_picked_up(&folder, &server, &callee, &Play { name: "describes", ..desk }, &phone);
    let record = &server.contacts(1)[0];
    assert_eq!((&record["ended_by"], list(record, "talks").len()), (&"caller".into(), 1), "{record}");
}

#[test]
fn a_phone_that_moves_before_it_is_picked_up_is_talked_with_where_it_is() {
    let folder = Folder::new("moves-early");
    let server = Server::start(&folder);
    let (first, phone) = (Sound::with(CALLER, Codec::Pcmu, DESK), Sound::with(BJORN, Codec::Pcmu, DESK));
    let desk = registers(&folder, &server);
    let callee = Script::new("bjorn", "bjorn")
        .gets_and_keeps("INVITE")
        .describes_kept(Offer::at(first.port()))
        .gets_request("PRACK")
        .answers("200 OK")
        .moves_before_it_answers(Offer::at(phone.port()))
        .reaches("rings")
        .accepts_kept_as_described()
        .gets_request("ACK")
        .waits_for_bye();
    is_picked_up(&folder, &server, &callee, &Play { name: "moves", ..desk }, &phone);
    assert_eq!(list(&server.contacts(1)[0], "talks").len(), 1);
}

/// The `callee` is called, picks up once the caller hears music, and the two talk; its sound is that of `phone`.
fn is_picked_up(folder: &Folder, server: &Server, callee: &Script, play: &Play, phone: &Sound) {
    let mut callee = Sipp::play(folder, play, callee);
    let sound = Sound::new(CALLER);
    let caller = Script::new("+46701234567", "101").talks(Offer::at(sound.port()));
    let mut caller = Sipp::play(folder, &Play::new("calls", server.sip), &caller);
    callee.wait_until("rings", SOON);
    // Neither speaks before it has heard something.
    sound.wait_for_music_since(0, 200, &[BJORN]);
    callee.go_on();
    caller.wait_until("talk", SOON);
    sound.wait_for_tone(BJORN, 1000);
    phone.wait_for_tone(CALLER, 1000);
    caller.go_on();
    caller.finish(END);
    callee.finish(END);
}

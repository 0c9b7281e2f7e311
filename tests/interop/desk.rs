//! What an agent's phone is asked and told around an offer.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound, tone_millis};
use crate::traced::{run, vaxel};
use crate::{ANNA, BJORN, CALLER, SOON, agent, list};
use std::net::SocketAddr;
use std::time::Duration;
use vaxel::audio::measure;
use vaxel::media::Codec;

const END: Duration = Duration::from_secs(30);

#[test]
fn a_phone_that_heeds_the_wish_answers_by_itself_and_a_colleague_makes_no_such_wish() {
    let folder = Folder::new("auto-answer");
    let server = Server::start_with(&folder, &[("VAXEL_EVERY_AGENT__AUTO_ANSWER", "true")]);
    let home = SocketAddr::from(([127, 0, 0, 2], free_port()));
    let play =
        |name, script: &Script| Sipp::play(&folder, &Play { name, server: server.sip, home, tcp: false }, script);
    let phone = Script::new("anna", "anna").registers_signed("anna-secret").gets(200);
    play("registers", &phone).finish(END);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let sound = Sound::with(BJORN, Codec::Pcmu, home.ip());
    let wishes = [
        ("Answer-Mode", "^ ?Auto"),
        ("Call-Info", "<[^>]+>;answer-after=0"),
        ("Alert-Info", "<[^>]+>;info=alert-autoanswer"),
    ];
    let answers = Script::new("anna", "nobody")
        .gets_request_saying("INVITE", &wishes)
        .accepts(Offer::at(sound.port()))
        .gets_request("ACK")
        .waits_for_bye();
    let anna = play("answers", &answers);
    let caller_sound = Sound::new(CALLER);
    let caller = Sipp::start_for(&folder, server.sip, "hangs_up_info", "101", &caller_sound, Duration::from_secs(4));
    sound.speaks_to(anna.other_end(server.sip.ip(), SOON));
    sound.wait_for_tone(CALLER, 1000);
    caller_sound.wait_for_tone(BJORN, 1000);
    caller.finish(END);
    anna.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!(list(record, "talks")[0]["with"], "anna");

    let none = wishes.map(|(name, _)| (name, ""));
    let refuses = Script::new("anna", "nobody")
        .gets_request_saying("INVITE", &none)
        .answers_early("486 Busy Here")
        .gets_request("ACK");
    let anna = play("refuses", &refuses);
    let mut bjorn = agent(&folder, &server, "bjorn", "manual", "udp");
    bjorn.dial("201");
    bjorn.wait_for("CALL_CLOSED", SOON);
    anna.finish(END);
}

#[test]
fn an_operator_pauses_an_agent_by_the_command_line_for_a_reason_that_there_is() {
    let folder = Folder::new("pauses");
    let server = Server::start(&folder);
    let _anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let told = run(&folder, &["agent", "anna", "pause", "break"]);
    assert!(told.starts_with("anna is paused: break"), "{told}");
    server.wait_for_metric("vaxel_agents_paused{reason=\"break\"}", 1.0, SOON);
    for (arguments, says) in [
        (["agent", "anna", "pause", "golf"].as_slice(), "there is no pause reason `golf`; there are break"),
        (&["agent", "ann", "resume"], "there is no agent `ann`; there are anna, bjorn"),
    ] {
        let output = vaxel(&folder, arguments).output().expect("vaxel starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(says), "{stderr}");
    }
    run(&folder, &["agent", "anna", "resume"]);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    server.wait_for_metric("vaxel_agents_paused{reason=\"break\"}", 0.0, SOON);
}

#[test]
fn an_agent_hears_who_comes_before_the_caller_is_heard() {
    let folder = Folder::new("announced");
    let server = Server::start_with(&folder, &[("VAXEL_EVERY_QUEUE__ANNOUNCE_TO_AGENT", "agent-ready, {minutes}")]);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays", "101", &sound);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    // Her words come first, and the caller hears music for so long.
    sound.wait_for_music_since(sound.now(), 500, &[ANNA]);
    sound.wait_for_tone(ANNA, 1000);
    anna.wait_for_tone(CALLER, 1000);
    let heard = anna.heard();
    let words = heard.chunks(8000).next().expect("a second");
    assert!(tone_millis(words, CALLER) < 100 && measure::loudness(words) > -45.0, "words, and not the caller");
    anna.command("hangup");
    caller.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!(list(record, "talks")[0]["with"], "anna");
}

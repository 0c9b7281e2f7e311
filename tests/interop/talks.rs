//! What happens within a talk: hold, another address, another codec, IPv6.

use crate::baresip::{Baresip, Options};
use crate::pjsua::Pjsua;
use crate::script::{Offer, Script};
use crate::server::{Folder, Server, wait_for};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound, tone_millis};
use crate::{ANNA, BJORN, CALLER, SOON, agent, list, outcomes};
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;
use vaxel::audio::dtmf::KeyListener;
use vaxel::media::Codec;

const END: Duration = Duration::from_secs(30);
/// What the caller speaks from another port.
const MOVED: f64 = 550.0;
/// A packet or two that were on their way.
const ON_THE_WAY: usize = 800;

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

#[test]
fn a_caller_moves_to_another_port_and_codec_and_asks_within_the_talk_and_both_hang_up_at_once() {
    let folder = Folder::new("move");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let old = Sound::new(CALLER);
    let new = Sound::with(MOVED, Codec::Pcma, server.sip.ip());
    let moved = Offer { codec: Codec::Pcma, ..Offer::at(new.port()) };
    let script = Script::new("+46701234567", "101")
        .invites(Offer::at(old.port()))
        .gets(200)
        .acknowledges()
        .reaches("talk")
        .asks_within("OPTIONS")
        .gets(200)
        .reinvites(Some(moved))
        .acknowledges()
        .reaches("moved")
        // Its own BYE was sent before the other's was seen.
        .gets_and_keeps("BYE")
        .hangs_up()
        .gets(200)
        .answers_kept("200 OK");
    let mut caller = Sipp::play(&folder, &Play::new("moves", server.sip), &script);
    caller.wait_until("talk", SOON);
    old.wait_for_tone(ANNA, 1000);
    anna.wait_for_tone(CALLER, 1000);
    let before = anna.now();
    caller.go_on();
    caller.wait_until("moved", SOON);

    new.wait_for_tone(ANNA, 1000);
    anna.wait_for_tone_since(before, MOVED, 1000);
    let (old_then, new_then, anna_then) = (old.now(), new.now(), anna.now());
    new.wait_for_tone_since(new_then, ANNA, 1000);
    anna.wait_for_tone_since(anna_then, MOVED, 1000);
    assert!(old.now() - old_then < ON_THE_WAY, "anna is still sent to the old port");
    // The old port speaks on, but is a stranger's now.
    assert_eq!(tone_millis(&anna.since(anna_then), CALLER), 0);
    assert!(server.metric("vaxel_rtp_foreign_packets_total") > Some(0.0));

    caller.go_on();
    anna.command("hangup");
    caller.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!((&record["ended_by"], &list(record, "talks")[0]["with"]), (&"flow".into(), &"anna".into()), "{record}");
    server.wait_for_metric("vaxel_calls", 0.0, SOON);
}

#[test]
fn who_knows_no_events_presses_keys_as_tones_and_hears_those_of_others_as_tones() {
    let folder = Folder::new("tones");
    let server = Server::start(&folder);
    let mut anna = Pjsua::start(&folder, server.sip, "anna", "anna-secret", ANNA);
    let sound = Sound::with(CALLER, Codec::Pcma, server.sip.ip());
    let offer = Offer { codec: Codec::Pcma, events: false, ..Offer::at(sound.port()) };
    let script = Script::new("+46701234567", "100").invites(offer).gets(200).acknowledges().reaches("menu");
    let script = script.hangs_up().gets(200);
    let mut caller = Sipp::play(&folder, &Play::new("tones", server.sip), &script);
    caller.wait_until("menu", SOON);
    sound.wait_for_voice();
    // Swedish, then sales; the tone that the phone speaks meanwhile is no key.
    sound.press_tones("921");
    anna.wait_for("call 0 CONFIRMED");
    sound.wait_for_tone(ANNA, 1000);

    let before = sound.now();
    anna.does("press 47#");
    let keys = |samples: Vec<i16>| -> String {
        let mut listener = KeyListener::default();
        samples.into_iter().filter_map(|sample| listener.hear(sample)).collect()
    };
    wait_for("the keys as tones", SOON, || (keys(sound.since(before)) == "47#").then_some(()));
    let after = sound.now();
    sound.wait_for_tone_since(after, ANNA, 1000);

    caller.go_on();
    caller.finish(END);
    let record = &server.contacts(1)[0];
    let steps: Vec<_> = list(record, "steps").iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, ["welcome", "topics", "languages", "topics", "sales"], "{record}");
}

#[test]
fn a_caller_holds_in_every_manner_and_is_not_taken_for_dead_meanwhile() {
    let folder = Folder::new("manners");
    let server = Server::start_with(&folder, &[("VAXEL_MEDIA__SILENCE_LIMIT", "5s")]);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let sound = Sound::new(CALLER);
    let talk = Offer::at(sound.port());
    let holds = [
        Offer { direction: "sendonly", ..talk },
        Offer { direction: "inactive", ..talk },
        Offer { zeros: true, ..talk },
    ];
    let mut script = Script::new("+46701234567", "101").invites(talk).gets(200).acknowledges().reaches("talk");
    for hold in holds {
        script = script.reinvites(Some(hold)).acknowledges().reaches("held");
        // The last one asks for an offer, and its answer says that the hold is over.
        script = match hold.zeros {
            false => script.reinvites(Some(talk)).acknowledges().reaches("talk"),
            true => script.reinvites(None).acknowledges_with(talk).reaches("talk"),
        };
    }
    let mut caller = Sipp::play(&folder, &Play::new("holds", server.sip), &script.hangs_up().gets(200));
    caller.wait_until("talk", SOON);
    for (n, _) in holds.iter().enumerate() {
        let talk = (sound.now(), anna.now());
        sound.wait_for_tone_since(talk.0, ANNA, 1000);
        anna.wait_for_tone_since(talk.1, CALLER, 1000);
        let held = anna.now();
        caller.go_on();
        caller.wait_until("held", SOON);
        sound.mute(true);
        // Once for longer than a phone may be silent that holds nobody.
        let (long, silence) = (if n == 0 { 5500 } else { 500 }, sound.now());
        anna.wait_for_music_since(held, long, &[CALLER]);
        assert!(sound.now() - silence < ON_THE_WAY, "who holds in this manner does not want to hear anything");
        sound.mute(false);
        caller.go_on();
        caller.wait_until("talk", SOON);
    }
    let talk = (sound.now(), anna.now());
    sound.wait_for_tone_since(talk.0, ANNA, 1000);
    anna.wait_for_tone_since(talk.1, CALLER, 1000);
    caller.go_on();
    caller.finish(END);
    anna.wait_for("CALL_CLOSED", SOON);
    let record = &server.contacts(1)[0];
    assert_eq!(record["ended_by"], "caller");
    assert_eq!(list(record, "holds").iter().filter(|hold| hold["resumed"].is_u64()).count(), 3, "{record}");
}

#[test]
fn a_caller_over_ipv6_and_tcp_talks_with_a_phone_over_ipv6_and_udp() {
    let folder = Folder::new("ipv6");
    let server = Server::start(&folder);
    let sip = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), server.sip.port());
    let options =
        Options { user: "anna", password: "anna-secret", answers: "auto", tone: Some(ANNA), transport: "udp" };
    let mut anna = Baresip::start(&folder, sip, &options);
    anna.wait_until_registered();
    let sound = Sound::with(CALLER, Codec::Pcmu, sip.ip());
    let script =
        Script::new("+46701234567", "101").invites(Offer::at(sound.port())).gets(200).acknowledges().waits_for_bye();
    let caller = Sipp::play(&folder, &Play { tcp: true, ..Play::new("ipv6", sip) }, &script);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 2000);
    anna.wait_for_tone(CALLER, 1500);
    anna.command("hangup");
    caller.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!(list(record, "talks")[0]["with"], "anna");
}

#[test]
fn an_agent_dials_the_queue_after_asking_whether_anybody_is_there() {
    let folder = Folder::new("inside");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let mut bjorn = agent(&folder, &server, "bjorn", "manual", "tcp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    // What phones send to keep their registration alive.
    let of_kind = |direction: &str, kind: &str| {
        server.metric(&format!("vaxel_sip_messages_total{{direction=\"{direction}\",kind=\"{kind}\"}}")).unwrap_or(0.0)
    };
    let before = (of_kind("sent", "2xx"), of_kind("sent", "4xx"));
    bjorn.ask_options(&format!("sip:{}", server.sip));
    wait_for("an answer to OPTIONS", SOON, || (of_kind("sent", "2xx") == before.0 + 1.0).then_some(()));
    assert_eq!((of_kind("received", "OPTIONS"), of_kind("sent", "4xx")), (1.0, before.1));

    bjorn.dial("101");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.wait_for_tone(BJORN, 1000);
    bjorn.wait_for_tone(ANNA, 1000);
    bjorn.command("hangup");
    anna.wait_for("CALL_CLOSED", SOON);
    let record = &server.contacts(1)[0];
    assert_eq!((&record["trunk"], &record["from"]), (&"agent".into(), &"202".into()), "{record}");
    assert_eq!(list(record, "waits")[0]["exit"], "answered");
    assert_eq!(outcomes(record), [("anna".into(), "accepted".into())]);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
}

/// The shortest that may be set.
const SILENCE: (&str, &str) = ("VAXEL_MEDIA__SILENCE_LIMIT", "5s");

#[test]
fn a_caller_whose_sound_stops_coming_is_taken_for_dead() {
    let folder = Folder::new("dead-caller");
    let server = Server::start_with(&folder, &[SILENCE]);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays", "101", &sound);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.wait_for_tone(CALLER, 500);
    sound.mute(true);
    anna.wait_for("CALL_CLOSED", Duration::from_secs(20));
    caller.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!(record["ended_by"], "system", "{record}");
    assert!(
        record["cause"].as_str().is_some_and(|cause| cause.starts_with("no audio from the caller for ")),
        "{record}"
    );
    assert_eq!(server.metric("vaxel_leg_silent_total"), Some(1.0));
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
}

#[test]
fn an_agent_whose_phone_dies_in_a_talk_does_not_keep_the_caller() {
    let folder = Folder::new("dead-agent");
    let server = Server::start_with(&folder, &[SILENCE]);
    let anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    // A colleague, whom no flow leads on.
    let mut bjorn = agent(&folder, &server, "bjorn", "auto", "udp");
    bjorn.dial("201");
    bjorn.wait_for("CALL_ESTABLISHED", SOON);
    bjorn.wait_for_tone(ANNA, 500);
    anna.freeze();
    bjorn.wait_for("CALL_CLOSED", Duration::from_secs(20));
    let record = &server.contacts(1)[0];
    assert_eq!(record["ended_by"], "system", "{record}");
    assert!(
        record["cause"].as_str().is_some_and(|cause| cause.starts_with("no audio from who was called for ")),
        "{record}"
    );
    assert_eq!(server.metric("vaxel_leg_silent_total"), Some(1.0));
}

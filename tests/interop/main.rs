//! The real program with real phones: SIPp calls, baresip answers. Each test asserts what was heard and recorded, not
//! only that SIP went through.

// Real programs on real sockets: this is a test at the edge.
#![allow(clippy::disallowed_methods)]

mod baresip;
mod browser;
mod carriers;
mod certificates;
mod challenges;
mod chromium;
mod desk;
mod dns;
mod edges;
mod elsewhere;
mod front;
mod glare;
mod identity;
mod jssip;
mod linphone;
mod loops;
mod lost;
mod pjsua;
mod races;
mod refusals;
mod restart;
mod scanners;
mod script;
mod secure;
mod server;
mod sessions;
mod sipjs;
mod sipp;
mod sound;
mod strangers;
mod streams;
mod talks;
mod traced;
mod transfers;
mod tunnel;
mod unanswered;
mod watched;

use baresip::{Baresip, Options};
use pjsua::Pjsua;
use serde_json::Value;
use server::{Folder, Server};
use sipp::Sipp;
use sound::{Ear, Sound, tone_millis};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use vaxel::audio::measure;

const CALLER: f64 = 440.0;
const ANNA: f64 = 660.0;
const BJORN: f64 = 880.0;
/// Where agents call from; from the trunk's address they would be taken for callers.
const DESK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const SOON: Duration = Duration::from_secs(20);

fn agent(folder: &Folder, server: &Server, user: &str, answers: &str, transport: &str) -> Baresip {
    let password = format!("{user}-secret");
    let tone = Some(if user == "anna" { ANNA } else { BJORN });
    let phone = Baresip::start(folder, server.sip, &Options { user, password: &password, answers, tone, transport });
    phone.wait_until_registered();
    phone
}

/// The entries `waits`, `offers` or `talks` of a record.
fn list<'a>(record: &'a Value, name: &str) -> &'a Vec<Value> {
    record[name].as_array().unwrap_or_else(|| panic!("no {name} in {record}"))
}

fn outcomes(record: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list(record, "offers").iter().map(|o| (text(&o["agent"]), text(&o["outcome"]))).collect()
}

#[test]
fn a_caller_presses_1_and_talks_with_an_agent_who_hangs_up_first() {
    let folder = Folder::new("talk");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays", "100", &sound);
    sound.wait_for_voice();
    sound.press('1');
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 2000);
    anna.command("hangup");
    caller.finish(Duration::from_secs(30));
    let heard = tone_millis(&anna.heard(), CALLER);
    assert!(heard >= 1500, "anna heard the caller for {heard} ms without a break");
    let record = &server.contacts(1)[0];
    assert_eq!(record["from"], "+46701234567");
    let steps: Vec<_> =
        list(record, "steps").iter().map(|step| (step["flow"].as_str(), step["step"].as_str())).collect();
    assert_eq!(steps, ["welcome", "topics", "sales", "thanks"].map(|step| (Some("main"), Some(step))));
    assert_eq!(list(record, "waits")[0]["queue"], "sales");
    assert_eq!(list(record, "waits")[0]["exit"], "answered");
    assert_eq!(outcomes(record), [("anna".into(), "accepted".into())]);
    assert_eq!(list(record, "talks")[0]["with"], "anna");
    server.wait_for_metric("vaxel_queue_exits_total{exit=\"answered\",queue=\"sales\"}", 1.0, SOON);
    server.wait_for_metric("vaxel_queue_waiting{queue=\"sales\"}", 0.0, SOON);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
}

#[test]
fn keys_of_another_makers_phone_choose_language_and_colleague() {
    let folder = Folder::new("keys");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let mut bjorn = Pjsua::start(&folder, server.sip, "bjorn", "bjorn-secret", BJORN);
    bjorn.does("dial 100");
    bjorn.wait_for("call 0 CONFIRMED");
    // By RFC 4733, pressed ahead, repeated digits among them: Swedish, then Anna's extension.
    bjorn.does("press 924201");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    anna.wait_for_tone(BJORN, 1000);
    anna.command("hangup");
    bjorn.wait_for("call 0 DISCONNECTED");
    let record = &server.contacts(1)[0];
    let steps: Vec<_> = list(record, "steps").iter().filter_map(|step| step["step"].as_str()).collect();
    let way = ["welcome", "topics", "languages", "topics", "extension", "whose-extension", "colleague", "thanks"];
    assert_eq!(steps, way, "{record}");
}

#[test]
fn a_key_by_sip_info_is_as_good_and_the_caller_may_hang_up_first() {
    let folder = Folder::new("info");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "tcp");
    let sound = Sound::new(CALLER);
    let caller = Sipp::start_for(&folder, server.sip, "hangs_up_info", "100", &sound, Duration::from_secs(6));
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 2000);
    caller.finish(Duration::from_secs(30));
    anna.wait_for("CALL_CLOSED", SOON);
    assert!(tone_millis(&anna.heard(), CALLER) >= 1500);
    let record = &server.contacts(1)[0];
    assert_eq!(record["ended_by"], "caller");
    assert_eq!(list(record, "waits")[0]["exit"], "answered");
}

#[test]
fn a_caller_who_gives_up_while_waiting_has_abandoned() {
    let folder = Folder::new("abandon");
    let server = Server::start(&folder);
    let sound = Sound::new(CALLER);
    let caller = Sipp::start_for(&folder, server.sip, "hangs_up_info", "100", &sound, Duration::from_secs(4));
    server.wait_for_metric("vaxel_queue_waiting{queue=\"sales\"}", 1.0, SOON);
    caller.finish(Duration::from_secs(30));
    let record = &server.contacts(1)[0];
    assert_eq!(list(record, "waits")[0]["exit"], "abandoned");
    assert_eq!(record["ended_by"], "caller");
    assert!(list(record, "offers").is_empty());
    server.wait_for_metric("vaxel_queue_exits_total{exit=\"abandoned\",queue=\"sales\"}", 1.0, SOON);
    server.wait_for_metric("vaxel_queue_waiting{queue=\"sales\"}", 0.0, SOON);
    assert!(measure::loudness(&sound.heard()[16_000..]) > -45.0, "menu and music were heard");
}

#[test]
fn a_caller_who_gives_up_during_the_offer_stops_the_agents_phone() {
    let folder = Folder::new("offer");
    let server = Server::start(&folder);
    let mut bjorn = agent(&folder, &server, "bjorn", "manual", "udp");
    let sound = Sound::new(CALLER);
    let caller = Sipp::start_for(&folder, server.sip, "hangs_up_info", "100", &sound, Duration::from_secs(3));
    bjorn.wait_for("CALL_INCOMING", SOON);
    sound.wait_for_music_since(sound.now(), 500, &[BJORN]);
    caller.finish(Duration::from_secs(30));
    bjorn.wait_for("CALL_CLOSED", SOON);
    assert_eq!(bjorn.heard().len(), 0, "nobody was connected with bjorn");
    assert!(tone_millis(&sound.heard(), BJORN) < 500, "and the caller with nobody");
    let record = &server.contacts(1)[0];
    assert_eq!(list(record, "waits")[0]["exit"], "abandoned");
    assert_eq!(outcomes(record), [("bjorn".into(), "caller_gone".into())]);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
}

#[test]
fn an_agent_who_does_not_answer_is_paused_and_the_next_one_is_rung() {
    let folder = Folder::new("rona");
    let server = Server::start(&folder);
    // Anna is idle for longer, so she is rung first, for four seconds.
    let mut anna = agent(&folder, &server, "anna", "manual", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let mut bjorn = agent(&folder, &server, "bjorn", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays_info", "100", &sound);
    anna.wait_for("CALL_INCOMING", SOON);
    bjorn.wait_for("CALL_ESTABLISHED", SOON);
    anna.wait_for("CALL_CLOSED", SOON);
    sound.wait_for_tone(BJORN, 1000);
    bjorn.wait_for_tone(CALLER, 1000);
    server.wait_for_metric("vaxel_agents{state=\"paused\"}", 1.0, SOON);
    bjorn.command("hangup");
    caller.finish(Duration::from_secs(30));
    assert_eq!(anna.heard().len(), 0, "nobody was connected with anna");
    assert!(tone_millis(&sound.heard(), ANNA) < 500);
    let record = &server.contacts(1)[0];
    assert_eq!(outcomes(record), [("anna".into(), "no_answer".into()), ("bjorn".into(), "accepted".into())]);
}

#[test]
fn a_stopping_service_lets_talks_end_and_refuses_new_calls() {
    let folder = Folder::new("drain");
    let mut server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays_info", "100", &sound);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 1000);
    server.terminate();
    let late = Sound::new(CALLER);
    server::wait_for("the service to stop taking calls", SOON, || {
        server.get("/readyz").filter(|answer| answer.starts_with("HTTP/1.1 503"))
    });
    Sipp::start(&folder, server.sip, "refused", "100", &late).finish(SOON);
    let before = sound.heard().len();
    sound.wait_for_tone(ANNA, 2000);
    assert!(sound.heard().len() > before, "the talk goes on");
    anna.command("hangup");
    caller.finish(Duration::from_secs(30));
    assert_eq!(server.exit_code(Duration::from_secs(20)), Some(0));
}

#[test]
fn agents_call_each_other() {
    let folder = Folder::new("colleagues");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let mut bjorn = agent(&folder, &server, "bjorn", "manual", "tcp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    bjorn.dial("201");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    server.wait_for_metric("vaxel_agents{state=\"busy\"}", 2.0, SOON);
    anna.wait_for_tone(BJORN, 1000);
    bjorn.wait_for_tone(ANNA, 1000);
    anna.command("hangup");
    bjorn.wait_for("CALL_CLOSED", SOON);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    assert_eq!(list(&server.contacts(1)[0], "talks")[0]["with"], "anna");
}

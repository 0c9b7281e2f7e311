//! Before and beside the answer: sound that comes before it, answers of several phones, and phones that send a call elsewhere.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound, tone_millis};
use crate::{ANNA, BJORN, CALLER, SOON, agent, list};
use std::net::SocketAddr;
use std::time::Duration;
use vaxel::media::Codec;

const END: Duration = Duration::from_secs(30);

/// A house with a carrier at an address of its own, that takes everything international.
fn house(name: &str) -> (Folder, Server, SocketAddr) {
    let folder = Folder::new(name);
    let carrier = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let trunks = format!("[{{ name = \"carrier\", to = \"udp:{carrier}\", takes = [\"+\"] }}]");
    let server = Server::start_with(&folder, &[("VAXEL_TRUNKS", &trunks)]);
    (folder, server, carrier)
}

/// Anna calls a number where something is said before the answer.
fn hears_early(folder: &Folder, server: &Server, dials: &str, home: SocketAddr, with: &str) {
    let sound = Sound::with(CALLER, Codec::Pcmu, home.ip());
    let script = Script::new("callee", "nobody")
        .gets_and_keeps("INVITE")
        .answers_kept_with("183 Session Progress", "b", Offer::at(sound.port()))
        .reaches("early")
        .accepts_kept(Offer::at(sound.port()))
        .gets_request("ACK")
        .waits_for_bye();
    let mut callee = Sipp::play(folder, &Play { name: "callee", server: server.sip, home, tcp: false }, &script);
    let mut anna = agent(folder, server, "anna", "auto", "udp");
    anna.dial(dials);
    callee.wait_until("early", SOON);
    sound.speaks_to(callee.other_end(server.sip.ip(), SOON));
    anna.wait_for("CALL_PROGRESS", SOON);
    anna.wait_for_tone(CALLER, 1000);
    assert_eq!(tone_millis(&sound.heard(), ANNA), 0, "nobody has answered yet");
    callee.go_on();
    anna.wait_for("CALL_ESTABLISHED", SOON);
    let answered = sound.now();
    sound.wait_for_tone_since(answered, ANNA, 1000);
    anna.command("hangup");
    callee.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!(list(record, "talks")[0]["with"], with);
}

#[test]
fn an_agent_hears_what_the_carrier_says_before_the_answer_and_is_not_heard() {
    let (folder, server, carrier) = house("early");
    hears_early(&folder, &server, "+4687000", carrier, "+4687000");
}

#[test]
fn an_agent_hears_what_a_colleagues_phone_says_before_the_answer() {
    let folder = Folder::new("early-colleague");
    let server = Server::start(&folder);
    let home = SocketAddr::from(([127, 0, 0, 2], free_port()));
    let script = Script::new("bjorn", "bjorn").registers_signed("bjorn-secret").gets(200);
    Sipp::play(&folder, &Play { name: "registers", server: server.sip, home, tcp: false }, &script).finish(END);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    hears_early(&folder, &server, "202", home, "bjorn");
}

#[test]
fn of_two_phones_that_answer_behind_a_proxy_one_is_kept_and_the_other_hung_up() {
    let (folder, server, carrier) = house("forks");
    let sound = Sound::new(CALLER);
    let (kept, other) = (Offer::at(sound.port()), Offer::at(9));
    let script = Script::new("+4687000", "nobody")
        .gets_and_keeps("INVITE")
        .answers_kept_with("200 OK", "first", kept)
        .gets_request("ACK")
        .answers_kept_with("200 OK", "second", other)
        .gets_request_saying("ACK", &[("To", "second")])
        .gets_request_saying("BYE", &[("To", "second")])
        .answers("200 OK")
        .reaches("one is left")
        .gets_request_saying("BYE", &[("To", "first")])
        .answers("200 OK");
    let mut callee =
        Sipp::play(&folder, &Play { name: "callee", server: server.sip, home: carrier, tcp: false }, &script);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    callee.wait_until("one is left", SOON);
    callee.go_on();
    let left = sound.now();
    sound.wait_for_tone_since(left, ANNA, 1000);
    anna.command("hangup");
    callee.finish(END);
    assert_eq!(list(&server.contacts(1)[0], "talks").len(), 1);
}

#[test]
fn a_carrier_that_sends_a_call_to_one_of_us_reaches_the_colleague() {
    let (folder, server, carrier) = house("redirect");
    // Its Contact is the colleague's number.
    let script =
        Script::new("202", "nobody").gets_request("INVITE").answers_early("302 Moved Temporarily").gets_request("ACK");
    let callee = Sipp::play(&folder, &Play { name: "callee", server: server.sip, home: carrier, tcp: false }, &script);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    let mut bjorn = agent(&folder, &server, "bjorn", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    anna.dial("+4687000");
    bjorn.wait_for("CALL_ESTABLISHED", SOON);
    callee.finish(END);
    bjorn.wait_for_tone(ANNA, 1000);
    anna.wait_for_tone(BJORN, 1000);
    anna.command("hangup");
    bjorn.wait_for("CALL_CLOSED", SOON);
    let record = &server.contacts(1)[0];
    let redirect = &list(record, "redirects")[0];
    assert_eq!((&redirect["by"], &redirect["to"]), (&"+4687000".into(), &"202".into()));
    assert_eq!(list(record, "talks")[0]["with"], "bjorn");
    server.wait_for_metric("vaxel_redirects_total{result=\"followed\"}", 1.0, SOON);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
}

#[test]
fn a_call_goes_from_a_busy_place_to_the_next_and_waits_for_the_other_phone() {
    let folder = Folder::new("places");
    let [norway, denmark, home] = [3, 4, 5].map(|host| SocketAddr::from(([127, 0, 0, host], free_port())));
    let trunk = |name: &str, at, takes| format!("{{ name = \"{name}\", to = \"udp:{at}\", takes = [\"{takes}\"] }}");
    let trunks = format!("[{}, {}]", trunk("norway", norway, "+47"), trunk("denmark", denmark, "+45"));
    let server = Server::start_with(&folder, &[("VAXEL_TRUNKS", &trunks), ("VAXEL_SIP__REDIRECTS", "outside")]);
    let play =
        |name, home, script: &Script| Sipp::play(&folder, &Play { name, server: server.sip, home, tcp: false }, script);
    // Of two phones of bjorn's one sends calls to Norway, and behind that to Denmark; or first to a place that is nobody's.
    let phone = Script::new("bjorn", "bjorn").registers_signed("bjorn-secret").gets(200);
    play("registers", home, &phone).finish(END);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    let mut bjorn = agent(&folder, &server, "bjorn", "manual", "udp");
    let place = |number: &str, q: &str| format!("Contact: <sip:{number}@{}>;q={q}\n", server.sip);
    let places = place("+4587000", "0.2") + &place("+4787000", "0.7") + &place("+999", "0.9");
    let sends_on = Script::new("bjorn", "nobody")
        .gets_request("INVITE")
        .answers_saying("302 Moved Temporarily", &places)
        .gets_request("ACK");
    let busy =
        Script::new("norway", "nobody").gets_request("INVITE").answers_early("486 Busy Here").gets_request("ACK");
    let sound = Sound::with(CALLER, Codec::Pcmu, denmark.ip());
    let answers = Script::new("denmark", "nobody")
        .gets_and_keeps("INVITE")
        .accepts_kept(Offer::at(sound.port()))
        .gets_request("ACK")
        .waits_for_bye();
    let phone = play("phone", home, &sends_on);
    let busy = play("norway", norway, &busy);
    let answers = play("denmark", denmark, &answers);
    anna.dial("202");
    bjorn.wait_for("CALL_INCOMING", SOON);
    phone.finish(END);
    // Its wish has been heard, and the other phone rings all the same.
    assert_eq!(server.metric("vaxel_redirects_total{result=\"followed\"}"), Some(0.0));
    bjorn.command("hangup");
    busy.finish(END);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.speaks_to(answers.other_end(server.sip.ip(), SOON));
    anna.wait_for_tone(CALLER, 1000);
    sound.wait_for_tone(ANNA, 1000);
    anna.command("hangup");
    answers.finish(END);
    let record = &server.contacts(1)[0];
    let went: Vec<_> = list(record, "redirects").iter().map(|r| (r["by"].clone(), r["to"].clone())).collect();
    assert_eq!(went, ["+4787000", "+4587000"].map(|to| ("bjorn".into(), to.into())));
    assert_eq!(list(record, "talks")[0]["with"], "+4587000");
    server.wait_for_metric("vaxel_redirects_total{result=\"followed\"}", 2.0, SOON);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
}

//! Kamailio as a carrier that asks for the password inside calls too.

use crate::carriers::{END, Kamailio, OUTSIDE};
use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound};
use crate::{ANNA, CALLER, SOON, agent};
use std::net::SocketAddr;
use std::time::Duration;
use vaxel::media::Codec;

/// The shortest session there is is refreshed after 45 seconds.
const REFRESH: Duration = Duration::from_secs(75);

/// The carrier's edge challenges what it gets from us, with nonces that are good `once` or more often. A call out is refreshed by
/// `refresh`, INVITE or UPDATE, and we hang up; then on one that came in.
fn is_shown_the_password(name: &str, refresh: &str, once: bool) {
    let folder = Folder::new(name);
    let (edge, outside) = (SocketAddr::from(([127, 0, 0, 1], free_port())), SocketAddr::new(OUTSIDE, free_port()));
    let define = if once { "ONCE" } else { "OFTEN" };
    let defines = [format!("LISTEN=udp:{edge}"), format!("OUTSIDE=\"sip:{outside}\""), "INSIDE".into(), define.into()];
    let _kamailio = Kamailio::start(&folder, "tests/interop/carrier.cfg", &defines);
    let trunks = format!(
        "[{{ name = \"carrier\", to = \"udp:{edge}\", takes = [\"+\"], domain = \"carrier.example\", register = \"1m\", \
         account = {{ user = \"46850000\", password = \"between us\", realm = \"carrier.example\" }} }}]"
    );
    let server = Server::start_with(&folder, &[("VAXEL_TRUNKS", &trunks)]);
    server.wait_for_metric("vaxel_trunk_registered{trunk=\"carrier\"}", 1.0, END);
    let asked = || {
        let log = std::fs::read_to_string(folder.path().join("kamailio.log")).expect("a log");
        ["INVITE", "UPDATE", "BYE"].map(|method| log.matches(&format!("inside: {method} challenged")).count())
    };

    let sound = Sound::with(CALLER, Codec::Pcmu, OUTSIDE);
    let offer = Offer::at(sound.port());
    let session = "Require: timer\nSession-Expires: 90;refresher=uac\n";
    let headers =
        if refresh == "UPDATE" { format!("{session}Allow: INVITE, ACK, BYE, UPDATE\n") } else { session.into() };
    // The password is for the edge, and for nobody behind it.
    let without = [("Proxy-Authorization", "")];
    let script = Script::new("+4687000", "nobody")
        .gets_request("INVITE")
        .answers_early("180 Ringing")
        .accepts_saying(&headers, offer)
        .gets_request("ACK")
        .gets_request_saying(refresh, &without);
    let script = match refresh {
        "UPDATE" => script.answers("200 OK"),
        _ => script.accepts_again(offer).gets_request("ACK"),
    };
    let script = script.reaches("refreshed").gets_request_saying("BYE", &without).answers("200 OK");
    let play = Play { name: "callee", server: edge, home: outside, tcp: false };
    let mut callee = Sipp::play(&folder, &play, &script);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 1000);
    callee.wait_until("refreshed", REFRESH);
    let before = sound.now();
    sound.wait_for_tone_since(before, ANNA, 1000);
    callee.go_on();
    anna.command("hangup");
    callee.finish(END);
    // Who has been asked once shows it unasked, where that is enough.
    let byes = usize::from(once);
    assert_eq!(asked(), if refresh == "UPDATE" { [0, 1, byes] } else { [1, 0, byes] });
    server.wait_for_metric("vaxel_trunk_calls{trunk=\"carrier\"}", 0.0, SOON);

    // In: the carrier's caller is hung up on with the password, too.
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let calls = Script::new("+46701234567", "101")
        .routed()
        .invites(offer)
        .gets(200)
        .acknowledges()
        .gets_request_saying("BYE", &without)
        .answers("200 OK");
    let caller = Sipp::play(&folder, &Play { name: "caller", server: edge, home: outside, tcp: false }, &calls);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    let before = sound.now();
    sound.wait_for_tone_since(before, ANNA, 500);
    anna.command("hangup");
    caller.finish(END);
    assert_eq!(asked()[2], byes + 1);
    server.wait_for_metric("vaxel_trunk_calls{trunk=\"carrier\"}", 0.0, SOON);
}

#[test]
fn a_carrier_that_challenges_a_reinvite_and_the_bye_anew_gets_the_password_each_time() {
    is_shown_the_password("challenges", "INVITE", true);
}

#[test]
fn a_carrier_that_challenges_an_update_is_shown_the_password_unasked_with_the_bye() {
    is_shown_the_password("challenges-once", "UPDATE", false);
}

//! Glare (RFC 3261 §14): two re-INVITEs that meet. Both are refused with 491, who refused ours hears from us again after the time that
//! the RFC gives each side, and the talk goes on. SIPp is the other side; what makes us send a re-INVITE is a session that we
//! refresh (RFC 4028) with a phone that takes no UPDATE.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port};
use crate::sipp::{Play, Sipp, Way, when};
use crate::sound::{Ear, Sound};
use crate::{ANNA, CALLER, SOON, agent, list};
use std::net::SocketAddr;
use std::time::Duration;

const END: Duration = Duration::from_secs(30);
/// The shortest session there is is refreshed after 45 seconds.
const REFRESH: Duration = Duration::from_secs(75);
/// A busy machine may read our re-INVITE so much later than it was sent.
const LATE: f64 = 2.0;

/// Seconds between the 491 that SIPp `name` gave our re-INVITE and the next one.
fn backed_off(folder: &Folder, name: &str) -> f64 {
    let refused = when(folder, name, Way::Sent, "SIP/2.0 491 ");
    let came = when(folder, name, Way::Received, "INVITE ");
    let [refused] = refused[..] else { panic!("one refusal: {refused:?}") };
    let after = came.iter().map(|came| came - refused).find(|after| *after > 0.0);
    after.unwrap_or_else(|| panic!("refused at {refused}, and none after that: {came:?}"))
}

#[test]
fn a_reinvite_that_meets_ours_is_told_491_and_ours_is_sent_again_within_two_seconds_where_the_caller_made_the_call_id()
{
    let folder = Folder::new("glare");
    let server = Server::start(&folder);
    let anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let sound = Sound::new(CALLER);
    let offer = Offer::at(sound.port());
    let script = Script::new("+46701234567", "101")
        .invites_with(&[("Supported", "timer"), ("Session-Expires", "90;refresher=uas")], offer)
        .gets(200)
        .acknowledges()
        .reaches("talk")
        .gets_and_keeps("INVITE")
        .answers_kept("100 Trying")
        // Its own was sent before ours was seen.
        .reinvites_in_vain(offer, 491)
        .answers_kept("491 Request Pending")
        .gets_request("ACK")
        .gets_request("INVITE")
        .accepts_again(offer)
        .gets_request("ACK")
        .reaches("refreshed")
        .hangs_up()
        .gets(200);
    let mut caller = Sipp::play(&folder, &Play::new("caller", server.sip), &script);
    caller.wait_until("talk", SOON);
    sound.wait_for_tone(ANNA, 1000);
    caller.go_on();
    caller.wait_until("refreshed", REFRESH);
    let waited = backed_off(&folder, "caller");
    assert!((0.0..2.0 + LATE).contains(&waited), "{waited} s");
    let (here, there) = (sound.now(), anna.now());
    sound.wait_for_tone_since(here, ANNA, 1000);
    anna.wait_for_tone_since(there, CALLER, 1000);
    caller.go_on();
    caller.finish(END);
    assert_eq!(list(&server.contacts(1)[0], "talks").len(), 1);
}

#[test]
fn a_reinvite_of_ours_that_is_told_491_is_sent_again_after_two_to_four_seconds_where_we_made_the_call_id() {
    let folder = Folder::new("glare-ours");
    let carrier = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let trunks = format!("[{{ name = \"carrier\", to = \"udp:{carrier}\", takes = [\"+\"] }}]");
    let server = Server::start_with(&folder, &[("VAXEL_TRUNKS", &trunks)]);
    let sound = Sound::new(CALLER);
    let offer = Offer::at(sound.port());
    let script = Script::new("+4687000", "nobody")
        .gets_request("INVITE")
        .answers_early("180 Ringing")
        .accepts_saying("Require: timer\nSession-Expires: 90;refresher=uac\n", offer)
        .gets_request("ACK")
        .gets_request("INVITE")
        .answers("491 Request Pending")
        .gets_request("ACK")
        .gets_request("INVITE")
        .accepts_again(offer)
        .gets_request("ACK")
        .reaches("refreshed")
        .waits_for_bye();
    let play = Play { name: "callee", server: server.sip, home: carrier, tcp: false };
    let mut callee = Sipp::play(&folder, &play, &script);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 1000);
    callee.wait_until("refreshed", REFRESH);
    let waited = backed_off(&folder, "callee");
    assert!((2.1..4.0 + LATE).contains(&waited), "{waited} s");
    callee.go_on();
    let (here, there) = (sound.now(), anna.now());
    sound.wait_for_tone_since(here, ANNA, 1000);
    anna.wait_for_tone_since(there, CALLER, 1000);
    anna.command("hangup");
    callee.finish(END);
    assert_eq!(list(&server.contacts(1)[0], "talks").len(), 1);
}

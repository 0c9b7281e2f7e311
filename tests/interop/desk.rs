//! What an agent's phone is asked and told around an offer.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound};
use crate::{BJORN, CALLER, SOON, agent, list};
use std::net::SocketAddr;
use std::time::Duration;
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

//! The Kamailio of `deploy/kamailio` between a carrier and vaxel.

use crate::carriers::{END, Kamailio, OUTSIDE, answers};
use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound};
use crate::{ANNA, CALLER, SOON, agent};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

#[test]
fn a_front_passes_carriers_to_a_vaxel_that_answers_and_hears_nobody_else() {
    let folder = Folder::new("front");
    let (front, carrier) = (SocketAddr::from(([127, 0, 0, 1], free_port())), SocketAddr::new(OUTSIDE, free_port()));
    let trunks = format!("[{{ name = \"carrier\", from = [\"127.0.0.1\"], to = \"udp:{front}\", takes = [\"+\"] }}]");
    let server = Server::start_with(&folder, &[("VAXEL_TRUNKS", &trunks)]);
    let write = |file: &str, text: String| std::fs::write(folder.path().join(file), text).expect("a file");
    write("carriers", format!("1 {OUTSIDE} 32 0\n"));
    // One of the two is not there.
    write("vaxel.list", format!("1 sip:127.0.0.1:{}\n1 sip:{}\n", free_port(), server.sip));
    let folder_define = format!("FOLDER=\"{}\"", folder.path().display());
    let defines = [format!("LISTEN=udp:{front}"), format!("CARRIER=\"sip:{carrier}\""), folder_define];
    let _kamailio = Kamailio::start(&folder, "deploy/kamailio/front.cfg", &defines);

    // Whoever is first, the call comes to the one that answers.
    let sound = Sound::with(CALLER, vaxel::media::Codec::Pcmu, OUTSIDE);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    for call in ["one", "two"] {
        let play = Play { name: call, server: front, home: carrier, tcp: false };
        let calls = Script::new("+46701234567", "101").routed().talks(Offer::at(sound.port()));
        let mut caller = Sipp::play(&folder, &play, &calls);
        caller.wait_until("talk", END);
        anna.wait_for("CALL_ESTABLISHED", SOON);
        sound.wait_for_tone(ANNA, 500);
        caller.go_on();
        caller.finish(END);
        anna.wait_for("CALL_CLOSED", SOON);
        server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    }

    // A stranger is not heard; what comes behind it is.
    let stranger = UdpSocket::bind("127.0.0.4:0").expect("a free port");
    let (at, from) = (front, stranger.local_addr().expect("a bound socket"));
    let invite = format!(
        "INVITE sip:101@{at} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:+46701@{from}>;tag=1\r\nTo: <sip:101@{at}>\r\nCall-ID: stranger\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:+46701@{from}>\r\nContent-Length: 0\r\n\r\n"
    );
    stranger.send_to(invite.as_bytes(), front).expect("a datagram");

    // Out, by the front to the carrier, and by it until the end.
    let taking = answers(&folder, "takes", carrier, front, &sound);
    anna.dial("+4687000");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 500);
    anna.command("hangup");
    taking.finish(END);
    stranger.set_nonblocking(true).expect("a socket option");
    assert_eq!(stranger.recv(&mut [0; 2000]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    assert_eq!(server.metric("vaxel_calls_total{trunk=\"carrier\"}"), Some(2.0));
}

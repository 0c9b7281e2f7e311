//! What a carrier's machine is told, and what of it is told on, as the RFCs have it.

use crate::contact::{bind, next_request, refuse};
use crate::house::{Folder, House, PATIENCE, carrier};
use crate::large::FLOW;
use crate::person::Person;
use crate::{exchange, request};
use std::fmt::Write;
use std::net::UdpSocket;
use std::time::Instant;
use vaxel::sip::Transport::{Tcp, Udp};

/// Describes one stream of sound by this protocol at this address.
fn described(transport: vaxel::sip::Transport, further: &str, protocol: &str, address: &str) -> String {
    let sdp =
        format!("v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc={address}\r\nt=0 0\r\nm=audio 4000 {protocol} 0\r\n");
    let length = format!("{further}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    request("INVITE", transport).replace("Content-Length: 0\r\n\r\n", &length)
}

const HERE: &str = "IN IP4 127.0.0.2";

/// Whoever calls is sent on to a number outside, which these carriers take in this order.
fn sends_on(carriers: &[&UdpSocket], more: &str) -> (House, Folder) {
    let flows = Folder::new();
    std::fs::write(flows.0.join("sales.yaml"), FLOW).expect("a flow is written");
    let mut settings = format!("\n[flows]\nfolder = \"{}\"\n", flows.0.display());
    for (n, socket) in carriers.iter().enumerate() {
        let at = socket.local_addr().expect("a bound socket");
        let trunk =
            format!("[[trunks]]\nname = \"out{n}\"\nto = \"udp:{at}\"\ntakes = [\"+\"]\npriority = {n}\n{more}\n");
        settings.write_str(&trunk).expect("a text grows");
    }
    (House::with(&settings), flows)
}

#[test]
fn an_invite_that_expires_is_given_up_with_487_and_nobody_is_rung_for_it_any_more() {
    let flows = Folder::new();
    let waits = "flow: sales\nlanguages: [en]\nstart: on\nsteps:\n  on:\n    \
                 queue: { name: sales, answer: false, failed: late }\n  late:\n    hangup: { answer: false, code: unavailable }\n";
    std::fs::write(flows.0.join("sales.yaml"), waits).expect("a flow is written");
    let house = House::with(&format!("\n[flows]\nfolder = \"{}\"\n", flows.0.display()));
    for transport in [Udp, Tcp] {
        let began = Instant::now();
        let invite = described(transport, "Expires: 2\r\n", "RTP/AVP", HERE);
        let answer = exchange(transport, carrier(true), house.sip(transport, true), invite.as_bytes());
        assert!(answer.starts_with("SIP/2.0 487 "), "{answer}");
        assert!(began.elapsed().as_millis() >= 1900, "{:?}", began.elapsed());
    }
    house.wait_for_metric(r#"vaxel_calls_ended_total{by="caller"}"#, 2.0);
    assert_eq!(house.metrics()[r#"vaxel_queue_waiting{queue="sales"}"#], 0.0);
}

#[test]
fn who_asks_by_options_is_told_what_a_call_there_would_be_told() {
    let house = House::new();
    let ask = |uri: &str| {
        let options = request("OPTIONS", Udp).replace("OPTIONS sip:300@vaxel", &format!("OPTIONS {uri}"));
        exchange(Udp, carrier(true), house.sip(Udp, true), options.as_bytes())
    };
    for uri in ["sip:300@vaxel", "sip:vaxel", "sip:vaxel@vaxel"] {
        let answer = ask(uri);
        assert!(answer.starts_with("SIP/2.0 200 "), "{uri}: {answer}");
        for header in ["Allow: INVITE, ", "Accept: application/sdp, ", "Accept-Encoding: identity", "Supported: "] {
            assert!(answer.contains(&format!("\r\n{header}")), "{header}: {answer}");
        }
    }
    // Agents' numbers are for those inside.
    for uri in ["sip:9999999@vaxel", "sip:201@vaxel", "sip:anna@vaxel", "sip:112@vaxel"] {
        let answer = ask(uri);
        assert!(answer.starts_with("SIP/2.0 404 "), "{uri}: {answer}");
    }
}

#[test]
fn who_cannot_be_talked_with_is_told_why() {
    let house = House::new();
    for (protocol, address, warning) in [
        ("RTP/SAVP", HERE, "302 127.0.0.1 "),
        ("RTP/AVP", "IN IP6 2001:db8::7", "301 127.0.0.1 "),
        ("RTP/AVP 18\r\na=x:", HERE, "305 127.0.0.1 "),
    ] {
        let invite = described(Udp, "", protocol, address);
        let answer = exchange(Udp, carrier(true), house.sip(Udp, true), invite.as_bytes());
        assert!(answer.starts_with("SIP/2.0 488 "), "{answer}");
        assert!(answer.contains(&format!("\r\nWarning: {warning}\"")), "{warning}: {answer}");
    }
}

#[test]
fn what_a_carrier_wants_of_us_is_not_what_our_caller_is_told() {
    let (first, second) = (bind([127, 0, 0, 90]), bind([127, 0, 0, 91]));
    let (house, _flows) = sends_on(&[&first, &second], "");
    let mut caller = Person::new(Udp, carrier(true), house.sip(Udp, true), "+46701234567", None);
    caller.does(|phone, now| phone.call(now, "300"));
    // No account of ours is for it: another carrier may do without.
    let (invite, from) = next_request(&first, "INVITE", &mut caller);
    refuse(&first, &invite, from, "401 Unauthorized");
    let (invite, from) = next_request(&second, "INVITE", &mut caller);
    refuse(&second, &invite, from, "420 Bad Extension");
    house.wait_until(r#"vaxel_calls_out_refused_total{reason="exhausted"}"#, |count| count == 1.0, || caller.turn());
}

#[test]
fn what_a_caller_wants_kept_private_a_trusted_carrier_is_told_with_it() {
    let far = bind([127, 0, 0, 92]);
    let (house, _flows) = sends_on(&[&far], "trusted = true\npasses = [\"history-info\"]");
    let server = house.sip(Udp, true);
    let socket = UdpSocket::bind((carrier(true), 0)).expect("a port");
    let invite =
        described(Udp, "Privacy: history;header\r\nHistory-Info: <sip:+468123@c>;index=1\r\n", "RTP/AVP", HERE);
    socket.send_to(invite.as_bytes(), server).expect("loopback takes it");
    far.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let mut buffer = [0; 8192];
    let (length, from) = far.recv_from(&mut buffer).expect("an INVITE comes");
    let invite = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(invite.contains("\r\nHistory-Info: <sip:+468123@c>;index=1\r\n"), "{invite}");
    assert!(invite.contains("\r\nPrivacy: history;header\r\n"), "{invite}");
    refuse(&far, &invite, from, "486 Busy Here");
}

//! What a carrier's machine is told, and what of it is told on, as the RFCs have it.

use crate::contact::{SDP, answer, bind, next_request, refuse};
use crate::house::{Folder, House, PATIENCE, carrier};
use crate::large::FLOW;
use crate::person::{Person, connect, until};
use crate::{exchange, request};
use std::fmt::Write;
use std::io::{Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};
use vaxel::sim::phone::PhoneEvent;
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

/// A house in whose line callers wait before the answer.
fn where_callers_wait_unanswered() -> (House, Folder) {
    let flows = Folder::new();
    let waits = "flow: sales\nlanguages: [en]\nstart: on\nsteps:\n  on:\n    \
                 queue: { name: sales, answer: false, failed: late }\n  late:\n    hangup: { answer: false, code: unavailable }\n";
    std::fs::write(flows.0.join("sales.yaml"), waits).expect("a flow is written");
    let house = House::with(&format!("\n[flows]\nfolder = \"{}\"\n", flows.0.display()));
    (house, flows)
}

#[test]
fn an_invite_that_expires_is_given_up_with_487_and_nobody_is_rung_for_it_any_more() {
    let (house, _flows) = where_callers_wait_unanswered();
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
    for uri in ["sip:300@vaxel", "sip:vaxel", "sip:vaxel@vaxel", "sip:ping@vaxel"] {
        let answer = ask(uri);
        assert!(answer.starts_with("SIP/2.0 200 "), "{uri}: {answer}");
        for header in ["Allow: INVITE, ", "Accept: application/sdp, ", "Accept-Encoding: identity", "Supported: "] {
            assert!(answer.contains(&format!("\r\n{header}")), "{header}: {answer}");
        }
    }
    let house = House::with("\n[[numbers]]\nnumber = \"+4681234500\"\nflow = \"sales\"\n");
    let ask = |uri: &str| {
        let options = request("OPTIONS", Udp).replace("OPTIONS sip:300@vaxel", &format!("OPTIONS {uri}"));
        exchange(Udp, carrier(true), house.sip(Udp, true), options.as_bytes())
    };
    for uri in ["tel:81234500;phone-context=+46", "sip:1234500;phone-context=+468@vaxel;user=phone"] {
        let answer = ask(uri);
        assert!(answer.starts_with("SIP/2.0 200 "), "{uri}: {answer}");
    }
    // Agents' numbers are for those inside.
    for uri in ["sip:9999999@vaxel", "sip:201@vaxel", "sip:112@vaxel"] {
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

#[test]
fn what_a_carrier_says_before_its_answer_is_told_as_it_is_meant_and_counts_if_the_answer_says_nothing() {
    let far = bind([127, 0, 0, 95]);
    let at = far.local_addr().expect("a bound socket");
    let trunk = format!("[[trunks]]\nname = \"out\"\nto = \"udp:{at}\"\ntakes = [\"+\"]\n");
    let house = House::with(&format!("\n{trunk}[every_agent]\nout = {{ allowed = [\"+\"] }}\n"));
    let server = house.sip(Udp, true);
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut anna = Person::new(Udp, home, server, "anna", Some(house.password("anna")));
    anna.does(|phone, now| phone.call(now, "+4790000000"));
    let (invite, from) = next_request(&far, "INVITE", &mut anna);
    let contact = format!("Contact: <sip:far@{at}>\r\n");
    answer(&far, &invite, from, "181 Call Is Being Forwarded", &contact, "");
    answer(&far, &invite, from, "182 Queued", &contact, "");
    answer(&far, &invite, from, "183 Session Progress", &contact, SDP);
    let is_news = |event: &PhoneEvent| {
        matches!(event, PhoneEvent::Ringing | PhoneEvent::Progress { .. } | PhoneEvent::Connected { .. })
    };
    let first = until(&mut [&mut anna], 0, is_news);
    assert!(matches!(first, PhoneEvent::Progress { code: 183, sound: true, .. }), "{first:?}");
    answer(&far, &invite, from, "200 OK", &contact, "");
    until(&mut [&mut anna], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    next_request(&far, "ACK", &mut anna);
}

#[test]
fn an_answer_whose_connection_is_gone_comes_to_where_the_carrier_takes_connections() {
    let (house, _flows) = where_callers_wait_unanswered();
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut anna = Person::new(Udp, home, house.sip(Udp, true), "anna", Some(house.password("anna")));
    anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Registered);
    let takes = TcpListener::bind((carrier(true), 0)).expect("a port");
    takes.set_nonblocking(true).expect("it need not wait");
    let at = takes.local_addr().expect("a bound socket");
    let mut calls = connect(carrier(true), house.sip(Tcp, true));
    let invite = described(Tcp, "", "RTP/AVP", HERE).replace("192.0.2.1:5060", &at.to_string());
    calls.write_all(invite.as_bytes()).expect("it is open");
    until(&mut [&mut anna], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    drop(calls);
    anna.does(|phone, now| phone.answer(now));
    let began = Instant::now();
    let mut stream = loop {
        anna.turn();
        match takes.accept() {
            Ok((stream, _)) => break stream,
            Err(_) => assert!(began.elapsed() < PATIENCE, "nobody connects"),
        }
    };
    stream.set_nonblocking(false).expect("it may wait");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).expect("the answer comes");
    let answer = String::from_utf8_lossy(&buffer[..length]);
    assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains("\r\nm=audio "), "{answer}");
}

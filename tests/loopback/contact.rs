//! Carriers that send from one machine and take at another: where requests inside a call go (RFC 3261 §12.2.1.1).

use crate::house::{Folder, House, PATIENCE, carrier};
use crate::large::FLOW;
use crate::oracle::rsip_agrees;
use crate::person::{Person, until};
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::Udp;

pub fn bind(ip: [u8; 4]) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from((ip, 0))).expect("a port");
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out can be set");
    socket
}

/// The next request of this method here, while the caller does what it has to.
pub fn next_request(socket: &UdpSocket, method: &str, caller: &mut Person) -> (String, SocketAddr) {
    let began = Instant::now();
    let mut buffer = [0; 8192];
    while began.elapsed() < PATIENCE {
        caller.turn();
        if let Ok((length, from)) = socket.recv_from(&mut buffer)
            && buffer.starts_with(method.as_bytes())
        {
            rsip_agrees(&buffer[..length]);
            return (String::from_utf8_lossy(&buffer[..length]).into_owned(), from);
        }
    }
    panic!("no {method} came");
}

/// The next call here: its INVITE, and not one of a call that was `seen`, sent again.
pub fn next_call(socket: &UdpSocket, caller: &mut Person, seen: &mut BTreeSet<String>) -> (String, SocketAddr) {
    loop {
        let (invite, from) = next_request(socket, "INVITE", caller);
        let call = invite.lines().find(|line| line.starts_with("Call-ID: ")).expect("a Call-ID").to_owned();
        if seen.insert(call) {
            return (invite, from);
        }
    }
}

/// Answers a request, for example with `486 Busy Here`. `more`: headers, each with its line end. `body`: a description, or nothing.
pub fn answer(socket: &UdpSocket, request: &str, to: SocketAddr, status: &str, more: &str, body: &str) {
    let kept = ["Via:", "From:", "Call-ID:", "CSeq:"];
    let mut answer = format!("SIP/2.0 {status}\r\n");
    for line in request.lines() {
        if kept.iter().any(|name| line.starts_with(name)) {
            answer += &format!("{line}\r\n");
        } else if line.starts_with("To:") {
            answer += &format!("{line}{}\r\n", if line.contains("tag=") { "" } else { ";tag=far" });
        }
    }
    let length = body.len();
    answer += &format!("{more}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}");
    socket.send_to(answer.as_bytes(), to).expect("loopback takes it");
}

/// What a carrier describes where nobody listens to it.
pub const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

/// 200 to a request, with this Contact.
pub fn accept(socket: &UdpSocket, request: &str, to: SocketAddr, contact: SocketAddr) {
    let body = if request.starts_with("INVITE") { SDP } else { "" };
    answer(socket, request, to, "200 OK", &format!("Contact: <sip:far@{contact}>\r\n"), body);
}

/// Refuses an INVITE, for example with `486 Busy Here`.
pub fn refuse(socket: &UdpSocket, invite: &str, to: SocketAddr, with: &str) {
    answer(socket, invite, to, with, "", "");
}

/// Whether one comes, in the time that a retransmission takes.
pub fn gets(socket: &UdpSocket, method: &str) -> bool {
    let began = Instant::now();
    let mut buffer = [0; 8192];
    let mut found = false;
    while began.elapsed() < Duration::from_millis(700) {
        found |= socket.recv_from(&mut buffer).is_ok() && buffer.starts_with(method.as_bytes());
    }
    found
}

#[test]
fn acknowledgement_and_bye_go_to_the_contact_of_a_carrier_and_back_to_it_if_nobody_is_there() {
    let flows = Folder::new();
    std::fs::write(flows.0.join("sales.yaml"), FLOW).expect("a flow is written");
    let (sends, takes) = (bind([127, 0, 0, 85]), bind([127, 0, 0, 86]));
    let at = |socket: &UdpSocket| socket.local_addr().expect("a bound socket");
    let more = format!(
        "\n[flows]\nfolder = \"{}\"\n[[trunks]]\nname = \"far\"\nto = \"udp:{}\"\ntakes = [\"+\"]\n",
        flows.0.display(),
        at(&sends)
    );
    let house = House::with(&more);
    let talk = |contact: SocketAddr| {
        let mut caller = Person::new(Udp, carrier(true), house.sip(Udp, true), "+46701234567", None);
        caller.does(|phone, now| phone.call(now, "300"));
        let (invite, from) = next_request(&sends, "INVITE", &mut caller);
        accept(&sends, &invite, from, contact);
        until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
        caller
    };
    let mut caller = talk(at(&takes));
    next_request(&takes, "ACK", &mut caller);
    caller.does(|phone, now| phone.hang_up(now));
    let (bye, from) = next_request(&takes, "BYE", &mut caller);
    assert!(bye.starts_with(&format!("BYE sip:far@{} ", at(&takes))), "{bye}");
    accept(&takes, &bye, from, at(&takes));
    assert!(!gets(&sends, "ACK") && !gets(&takes, "BYE"), "nothing where it is not said, and nothing twice");

    // A port that nobody has any more, as the system says at once.
    let gone = at(&bind([127, 0, 0, 87]));
    let mut caller = talk(gone);
    caller.does(|phone, now| phone.hang_up(now));
    let (bye, from) = next_request(&sends, "BYE", &mut caller);
    accept(&sends, &bye, from, gone);
}

#[test]
fn who_is_behind_a_contact_and_asks_for_the_carriers_password_gets_none() {
    let flows = Folder::new();
    std::fs::write(flows.0.join("sales.yaml"), FLOW).expect("a flow is written");
    let (sends, thief) = (bind([127, 0, 0, 83]), bind([127, 0, 0, 84]));
    let at = |socket: &UdpSocket| socket.local_addr().expect("a bound socket");
    let more = format!(
        "\n[flows]\nfolder = \"{}\"\n[[trunks]]\nname = \"far\"\nto = \"udp:{}\"\ntakes = [\"+\"]\n\
         account = {{ user = \"46850\", password = \"between us\", realm = \"r.example\" }}\n",
        flows.0.display(),
        at(&sends)
    );
    let house = House::with(&more);
    // The carrier itself is shown it.
    for (asks, contact, is_shown) in [(&sends, at(&sends), true), (&thief, at(&thief), false)] {
        let mut caller = Person::new(Udp, carrier(true), house.sip(Udp, true), "+46701234567", None);
        caller.does(|phone, now| phone.call(now, "300"));
        let (invite, from) = next_request(&sends, "INVITE", &mut caller);
        accept(&sends, &invite, from, contact);
        until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
        caller.does(|phone, now| phone.hang_up(now));
        let (bye, from) = next_request(asks, "BYE", &mut caller);
        assert!(!bye.contains("uthorization:"), "{bye}");
        let challenge = "Proxy-Authenticate: Digest realm=\"r.example\", nonce=\"chosen\"\r\n";
        answer(asks, &bye, from, "407 Proxy Authentication Required", challenge, "");
        if is_shown {
            let (bye, from) = next_request(asks, "BYE", &mut caller);
            assert!(bye.contains("Proxy-Authorization: Digest "), "{bye}");
            accept(asks, &bye, from, contact);
        } else {
            assert!(!gets(asks, "BYE"), "it is asked nothing more");
        }
    }
}

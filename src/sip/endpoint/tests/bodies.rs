//! Bodies that hold more than a session description, or something else (RFC 5621), in whatever brings them.

use super::refusals::{Peer, by_hand, codes, in_call, with};
use crate::sip::endpoint::{Event, Settings, Transport};
use crate::sip::message::{Message, Response};
use crate::sip::testing::{Weather, World};

const KIND: &str = "multipart/mixed;boundary=b";

/// A description and ISUP beside it.
fn isup(description: &str, handling: &str) -> Vec<u8> {
    let isup =
        format!("Content-Type: application/isup\r\nContent-Disposition: signal;handling={handling}\r\n\r\n\x01\x02");
    format!("--b\r\nContent-Type: application/sdp\r\n\r\n{description}\r\n--b\r\n{isup}\r\n--b--\r\n").into_bytes()
}

#[test]
fn what_need_not_be_understood_is_left_out_of_every_request() {
    let mut peer = Peer::new(Settings::default());
    let mut invite = by_hand("INVITE", 1, "1");
    invite.set_body(KIND, isup("v=1", "required"));
    assert_eq!(codes(&peer.receive(&invite)), [415]);
    let mut invite = with(by_hand("INVITE", 2, "2"), "Call-ID", "2");
    invite.set_body(KIND, isup("v=1", "optional"));
    assert_eq!(codes(&peer.receive(&invite)), [100]);
    let Some(Event::Invite { request, .. }) = peer.events.pop() else { panic!("no INVITE") };
    assert_eq!(request.description(), b"v=1");

    let (mut peer, id, to) = in_call();
    for (number, method) in [(11, "INVITE"), (12, "UPDATE")] {
        let mut offer = with(by_hand(method, number, &format!("r{number}")), "To", &to);
        offer.set_body(KIND, isup("v=1", "optional"));
        peer.receive(&offer);
        assert!(matches!(&peer.events[..], [Event::Offered { offer, .. }] if offer == b"v=1"), "{:?}", peer.events);
        peer.events.clear();
        peer.endpoint.answer_offer(peer.now, id, b"v=2".to_vec());
        peer.drain();
        assert_eq!(codes(&peer.responses()), [200]);
        peer.receive(&with(by_hand("ACK", number, &format!("a{number}")), "To", &to));
        // One that only keeps the session alive, and one of which we would have to understand more.
        let mut idle = with(by_hand("UPDATE", 20 + number, &format!("i{number}")), "To", &to);
        idle.headers.push("Content-Disposition", "render;handling=optional");
        idle.set_body("text/plain", b"hello".to_vec());
        assert_eq!(codes(&peer.receive(&idle)), [200]);
        idle = with(idle, "CSeq", &format!("{} UPDATE", 30 + number));
        idle = with(idle, "Via", &format!("SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bKj{number};rport"));
        assert_eq!(codes(&peer.receive(&with(idle, "Content-Disposition", "render"))), [415]);
        if number == 11 {
            (peer, _, _) = in_call();
        }
        assert_eq!(peer.events.len(), 0);
    }
}

#[test]
fn who_sends_nothing_that_we_must_understand_gets_our_offer_and_its_ack_is_read_the_same_way() {
    let mut peer = Peer::new(Settings::default());
    let mut invite = with(by_hand("INVITE", 1, "1"), "Content-Disposition", "render;handling=optional");
    invite.set_body("text/plain", b"hello".to_vec());
    peer.receive(&invite);
    let Some(Event::Invite { id, request, .. }) = peer.events.pop() else { panic!("no INVITE") };
    assert_eq!(request.description(), b"");
    peer.endpoint.accept(peer.now, id, b"our offer".to_vec());
    peer.drain();
    let to = peer.responses().pop().expect("200").headers.get("To").expect("a To").to_string();
    let mut ack = with(by_hand("ACK", 1, "ack"), "To", &to);
    ack.set_body(KIND, isup("v=1", "required"));
    peer.receive(&ack);
    assert!(matches!(&peer.events[..], [Event::Confirmed { body, .. }] if body == b"v=1"), "{:?}", peer.events);
}

#[test]
fn the_description_counts_in_every_answer_whatever_is_beside_it() {
    let mut peer = Peer::new(Settings::default());
    let mut invitation = World::new(1, Transport::Udp, Weather::CALM).invitation(0);
    invitation.hop = peer.hop;
    let id = peer.endpoint.invite(peer.now, invitation);
    let say = |peer: &mut Peer, code: u16, kind: &str, body: Vec<u8>| {
        let invite =
            peer.requests().into_iter().rfind(|request| request.method.as_str() == "INVITE").expect("an INVITE");
        let mut answer = Response::to(&invite, code, None);
        answer.set_to_tag("b");
        answer.headers.push("Contact", "<sip:b@198.51.100.7:40000>");
        answer.set_body(kind, body);
        let message = Message::parse(&Message::Response(answer).to_bytes()).expect("it can be read");
        peer.endpoint.handle_message(peer.now, &peer.hop, message);
        while let Some(event) = peer.endpoint.poll_event() {
            peer.events.push(event);
        }
        // What was taken out above is needed again.
        peer.answers.push(Message::Request(invite));
    };
    say(&mut peer, 183, KIND, isup("v=1", "required"));
    say(&mut peer, 183, "text/html", b"<b>ringing</b>".to_vec());
    say(&mut peer, 200, KIND, isup("v=2", "required"));
    let [Event::Progress { body: first, .. }, Event::Progress { body: second, .. }, Event::Answered { response, .. }] =
        &peer.events[..]
    else {
        panic!("{:?}", peer.events);
    };
    assert_eq!((first.as_slice(), second.as_slice(), response.body.as_slice()), (&b"v=1"[..], &b""[..], &b"v=2"[..]));
    assert!(response.headers.has_content("application/sdp"));
    peer.events.clear();
    peer.endpoint.reinvite(peer.now, id, b"v=3".to_vec());
    say(&mut peer, 200, KIND, isup("v=4", "optional"));
    assert!(
        matches!(&peer.events[..], [Event::OfferAnswered { result: Ok(body), .. }] if body == b"v=4"),
        "{:?}",
        peer.events
    );
}

#[test]
fn what_was_described_before_the_answer_counts_if_the_answer_says_nothing() {
    for (early, late, counts) in [
        (&[("b", "v=1"), ("c", "v=2"), ("b", "v=3")][..], "", "v=1"),
        (&[("b", "v=1")], "v=4", "v=4"),
        (&[("c", "v=2")], "", ""),
    ] {
        let mut peer = Peer::new(Settings::default());
        let mut invitation = World::new(1, Transport::Udp, Weather::CALM).invitation(0);
        invitation.hop = peer.hop;
        peer.endpoint.invite(peer.now, invitation);
        let invite = peer.requests().remove(0);
        let answers = early.iter().map(|(tag, body)| (183, *tag, *body)).chain([(200, "b", late)]);
        for (code, tag, body) in answers {
            let mut answer = Response::to(&invite, code, None);
            answer.set_to_tag(tag);
            answer.headers.push("Contact", "<sip:b@198.51.100.7:40000>");
            answer.set_body("application/sdp", body.into());
            peer.endpoint.handle_message(peer.now, &peer.hop, Message::Response(answer));
        }
        peer.drain();
        let Some(Event::Answered { response, .. }) = peer.events.pop() else { panic!("{:?}", peer.events) };
        assert_eq!(String::from_utf8_lossy(&response.body), counts);
    }
}

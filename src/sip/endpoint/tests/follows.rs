//! Requests inside a call of a carrier that says it is elsewhere (RFC 3261 §12.2.1.1), where nobody is.

use super::refusals::Peer;
use crate::sip::endpoint::{Event, InviteId, Settings};
use crate::sip::message::{Message, Request, Response};
use crate::sip::testing::{Weather, World, ms};
use crate::sip::{Method, Transport};
use std::net::SocketAddr;

const SAID: &str = "198.51.100.8:5070";

/// What was sent since the last look: methods and where to.
fn sent(peer: &mut Peer) -> Vec<(Method, SocketAddr, Request)> {
    peer.drain();
    let (messages, hops) = (std::mem::take(&mut peer.answers), std::mem::take(&mut peer.hops));
    let both = messages.into_iter().zip(hops);
    both.filter_map(|(message, hop)| match message {
        Message::Request(request) => Some((request.method.clone(), hop.remote, request)),
        Message::Response(_) => None,
    })
    .collect()
}

fn answer(peer: &mut Peer, request: &Request) {
    let mut ok = Response::to(request, 200, None);
    if ok.headers.to().is_ok_and(|to| to.tag().is_none()) {
        ok.set_to_tag("carrier");
    }
    ok.headers.push("Contact", format!("<sip:carrier@{SAID}>"));
    ok.headers.push("Allow", "INVITE, ACK, BYE, UPDATE");
    ok.headers.push("Require", "timer");
    ok.headers.push("Session-Expires", "100;refresher=uac");
    ok.set_body("application/sdp", b"answer".to_vec());
    let message = Message::parse(&Message::Response(ok).to_bytes()).unwrap();
    peer.endpoint.handle_message(peer.now, &peer.hop, message);
    peer.drain();
}

/// A call of ours that the carrier has answered.
fn called() -> (Peer, InviteId, SocketAddr) {
    let mut peer = Peer::new(Settings::default());
    let seen = peer.hop.remote;
    let mut invitation = World::new(1, Transport::Udp, Weather::CALM).invitation(0);
    (invitation.hop, invitation.follows) = (peer.hop, true);
    let id = peer.endpoint.invite(peer.now, invitation);
    let (_, to, invite) = sent(&mut peer).remove(0);
    assert_eq!(to, seen);
    answer(&mut peer, &invite);
    let acks = sent(&mut peer);
    assert_eq!((&acks[0].0, acks[0].1), (&Method::Ack, SAID.parse().unwrap()));
    peer.events.clear();
    (peer, id, seen)
}

/// Until this is sent to where the carrier is seen; meanwhile nothing may end the call.
fn goes_back(peer: &mut Peer, method: &Method, seen: SocketAddr) -> Request {
    for _ in 0..1400 {
        peer.now += ms(100);
        peer.endpoint.handle_timeout(peer.now);
        let found = sent(peer).into_iter().find(|(m, to, _)| m == method && *to == seen);
        assert!(!peer.events.iter().any(|event| matches!(event, Event::Ended { .. })), "the call goes on");
        if let Some((_, _, request)) = found {
            return request;
        }
    }
    panic!("{method} never went there");
}

#[test]
fn a_carrier_that_is_not_where_it_says_keeps_its_call() {
    let said: SocketAddr = SAID.parse().unwrap();
    let (mut peer, id, seen) = called();
    peer.endpoint.reinvite(peer.now, id, b"hold".to_vec());
    assert_eq!(sent(&mut peer)[0].1, said);
    let again = goes_back(&mut peer, &Method::Invite, seen);
    assert_eq!(again.body, b"hold");
    answer(&mut peer, &again);
    assert!(peer.events.iter().any(|event| matches!(event, Event::OfferAnswered { result: Ok(_), .. })));
    peer.endpoint.bye(peer.now, id, None);
    assert!(sent(&mut peer).iter().any(|(method, to, _)| *method == Method::Bye && *to == seen));

    let (mut peer, ..) = called();
    goes_back(&mut peer, &Method::Update, seen);
}

//! Requests inside a call of a carrier that says it is elsewhere (RFC 3261 §12.2.1.1), where nobody is.

use super::refusals::Peer;
use crate::sip::endpoint::{Event, Hop, InviteId, Settings};
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

/// A call of ours to a carrier.
fn calling() -> (Peer, InviteId, Request) {
    let mut peer = Peer::new(Settings::default());
    let mut invitation = World::new(1, Transport::Udp, Weather::CALM).invitation(0);
    (invitation.hop, invitation.follows) = (peer.hop, true);
    let id = peer.endpoint.invite(peer.now, invitation);
    let (_, to, invite) = sent(&mut peer).remove(0);
    assert_eq!(to, peer.hop.remote);
    (peer, id, invite)
}

/// One that the carrier has answered.
fn called() -> (Peer, InviteId, SocketAddr) {
    let (mut peer, id, invite) = calling();
    let seen = peer.hop.remote;
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

/// The system says that nobody takes anything where the carrier says that it is.
fn nobody_is_there(peer: &mut Peer) {
    let there = Hop { remote: SAID.parse().unwrap(), ..peer.hop };
    peer.endpoint.handle_hop_failed(peer.now, &there);
}

#[test]
fn an_info_that_found_nobody_is_sent_to_where_the_carrier_is_seen() {
    for by_silence in [false, true] {
        let (mut peer, id, seen) = called();
        peer.endpoint.info(peer.now, id, "application/dtmf-relay", b"Signal=5".to_vec());
        let (_, to, first) = sent(&mut peer).remove(0);
        assert_eq!(to, SAID.parse().unwrap());
        let again = if by_silence {
            goes_back(&mut peer, &Method::Info, seen)
        } else {
            nobody_is_there(&mut peer);
            let (_, to, again) = sent(&mut peer).remove(0);
            assert_eq!(to, seen);
            again
        };
        assert_eq!((&again.method, &again.body), (&Method::Info, &first.body));
        assert_eq!(again.headers.get("Content-Type"), Some("application/dtmf-relay"));
        assert!(again.headers.cseq().unwrap().0 > first.headers.cseq().unwrap().0);
        // And if nobody is there either, that is enough.
        let seen = peer.hop;
        peer.endpoint.handle_hop_failed(peer.now, &seen);
        assert!(sent(&mut peer).iter().all(|(method, ..)| *method != Method::Info));
    }
}

fn rings(peer: &mut Peer, invite: &Request) -> Vec<(Method, SocketAddr, Request)> {
    let mut rings = Response::to(invite, 183, None);
    rings.set_to_tag("carrier");
    rings.headers.push("Contact", format!("<sip:carrier@{SAID}>"));
    rings.headers.push("Require", "100rel");
    rings.headers.push("RSeq", "7");
    peer.endpoint.handle_message(peer.now, &peer.hop, Message::Response(rings));
    sent(peer)
}

#[test]
fn a_prack_that_may_have_found_nobody_goes_also_to_where_the_carrier_is_seen() {
    let (mut peer, _, invite) = calling();
    let (said, seen) = (SAID.parse().unwrap(), peer.hop.remote);
    let [(Method::Prack, to, first)] = &rings(&mut peer, &invite)[..] else { panic!("one PRACK") };
    assert_eq!(*to, said);
    // It rings on as if nobody had heard it.
    let [(Method::Prack, to, copy)] = &rings(&mut peer, &invite)[..] else { panic!("one PRACK") };
    assert_eq!((*to, copy), (seen, first), "the same one");
    let taken = Response::to(copy, 200, None);
    peer.endpoint.handle_message(peer.now, &peer.hop, Message::Response(taken));
    assert_eq!(rings(&mut peer, &invite).len(), 0, "what is acknowledged is acknowledged");
}

#[test]
fn a_prack_that_found_nobody_is_sent_to_where_the_carrier_is_seen_and_so_is_what_follows() {
    let (mut peer, _, invite) = calling();
    let seen = peer.hop.remote;
    let (.., first) = rings(&mut peer, &invite).remove(0);
    nobody_is_there(&mut peer);
    let [(Method::Prack, to, again)] = &sent(&mut peer)[..] else { panic!("one PRACK") };
    assert_eq!((*to, again.headers.get("RAck")), (seen, first.headers.get("RAck")));
    let number = |request: &Request| request.headers.cseq().unwrap().0;
    assert_eq!(number(again), number(&first) + 1);
    answer(&mut peer, &invite);
    assert!(sent(&mut peer).iter().any(|(method, to, _)| *method == Method::Ack && *to == seen));
}

#[test]
fn a_bye_says_why_wherever_it_is_sent() {
    let (mut peer, id, seen) = called();
    peer.endpoint.bye(peer.now, id, Some("Q.850;cause=16"));
    sent(&mut peer);
    nobody_is_there(&mut peer);
    let [(Method::Bye, to, bye)] = &sent(&mut peer)[..] else { panic!("one BYE") };
    assert_eq!((*to, bye.headers.get("Reason")), (seen, Some("Q.850;cause=16")));
}

//! A carrier that asks for the password inside a call too.

use super::refusals::Peer;
use crate::sip::account::Account;
use crate::sip::digest::{Algorithm, Challenge, Credentials};
use crate::sip::endpoint::{Event, InviteId, Settings};
use crate::sip::message::{Message, Request, Response};
use crate::sip::testing::{Weather, World};
use crate::sip::{Method, Transport};
use std::sync::Arc;

fn answer(peer: &mut Peer, request: &Request, code: u16, nonce: &str, realm: &str) {
    let mut response = Response::to(request, code, None);
    if response.headers.to().is_ok_and(|to| to.tag().is_none()) {
        response.set_to_tag("carrier");
    }
    match code {
        407 => {
            let (realm, nonce) = (realm.to_owned(), nonce.to_owned());
            let asks = Challenge { realm, nonce, opaque: None, algorithm: Algorithm::Md5, stale: false, qop: true };
            response.headers.push("Proxy-Authenticate", asks.to_string());
        }
        _ => {
            response.headers.push("Contact", "<sip:carrier@198.51.100.7:40000>");
            response.set_body("application/sdp", b"answer".to_vec());
        }
    }
    let message = Message::parse(&Message::Response(response).to_bytes()).unwrap();
    peer.endpoint.handle_message(peer.now, &peer.hop, message);
}

/// Nonce and count that a request shows.
fn shows(request: &Request) -> Option<(String, u32)> {
    let credentials = Credentials::parse(request.headers.get("Proxy-Authorization")?).unwrap();
    // An ACK shows what its INVITE showed.
    let of = if request.method == Method::Ack { &Method::Invite } else { &request.method };
    assert!(credentials.verify("secret", of));
    Some((credentials.nonce.to_string(), credentials.qop?.nc))
}

/// An answered call of ours to a carrier that gave us an account.
fn called() -> (Peer, InviteId) {
    let mut peer = Peer::new(Settings::default());
    let mut invitation = World::new(1, Transport::Udp, Weather::CALM).invitation(0);
    invitation.hop = peer.hop;
    let id = peer.endpoint.invite(peer.now, invitation);
    let account = Account { user: "vaxel".into(), password: "secret".into(), realm: "carrier".into() };
    peer.endpoint.show(id, Arc::new(account));
    let invite = peer.requests().remove(0);
    answer(&mut peer, &invite, 200, "", "");
    peer.requests();
    peer.events.clear();
    (peer, id)
}

fn number(request: &Request) -> u32 {
    request.headers.cseq().unwrap().0
}

#[test]
fn a_challenge_inside_the_call_is_answered_and_then_the_password_is_shown_unasked() {
    let (mut peer, id) = called();
    peer.endpoint.reinvite(peer.now, id, b"hold".to_vec());
    let first = peer.requests().remove(0);
    assert_eq!(shows(&first), None);
    answer(&mut peer, &first, 407, "a", "carrier");
    let [ack, again] = &peer.requests()[..] else { panic!("acknowledged, and asked again") };
    assert_eq!((&ack.method, &again.method, number(again)), (&Method::Ack, &Method::Invite, number(&first) + 1));
    assert_eq!((shows(again), &again.body[..]), (Some(("a".into(), 1)), &b"hold"[..]));
    answer(&mut peer, again, 200, "", "");
    assert_eq!(shows(&peer.requests()[0]), Some(("a".into(), 1)), "as its INVITE");
    assert!(matches!(peer.events[..], [Event::OfferAnswered { result: Ok(_), .. }]), "{:?}", peer.events);

    peer.endpoint.bye(peer.now, id, None);
    let bye = peer.requests().remove(0);
    assert_eq!(shows(&bye), Some(("a".into(), 2)));
    answer(&mut peer, &bye, 407, "b", "carrier");
    let again = peer.requests().remove(0);
    assert_eq!((&again.method, shows(&again)), (&Method::Bye, Some(("b".into(), 1))));
    answer(&mut peer, &again, 200, "", "");
    assert_eq!(peer.endpoint.usages(), 0);
}

#[test]
fn another_realm_gets_no_password_and_a_refused_one_is_not_shown_for_ever() {
    let (mut peer, id) = called();
    peer.endpoint.reinvite(peer.now, id, b"hold".to_vec());
    let first = peer.requests().remove(0);
    answer(&mut peer, &first, 407, "a", "thief");
    peer.requests();
    assert!(matches!(peer.events[..], [Event::OfferAnswered { result: Err(407), .. }]), "{:?}", peer.events);
    peer.requests();
    peer.endpoint.bye(peer.now, id, None);
    let mut byes = 0;
    while let Some(bye) = peer.requests().pop() {
        byes += 1;
        answer(&mut peer, &bye, 407, &format!("nonce{byes}"), "carrier");
    }
    assert_eq!((byes, peer.endpoint.usages()), (2, 0));
}

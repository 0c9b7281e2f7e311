//! A carrier that asks for the password inside a call too.

use super::refusals::Peer;
use crate::sip::account::Account;
use crate::sip::digest::{Algorithm, Challenge, Credentials};
use crate::sip::endpoint::{Event, InviteId, Settings};
use crate::sip::message::{Message, Request, Response};
use crate::sip::testing::{Weather, World};
use crate::sip::{Method, Network, Transport};
use crate::time::Duration;
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
        300.. => {}
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

/// A call of ours to a carrier that gave us an account.
fn calling() -> (Peer, InviteId, Request) {
    let mut peer = Peer::new(Settings::default());
    let mut invitation = World::new(1, Transport::Udp, Weather::CALM).invitation(0);
    (invitation.hop, invitation.follows) = (peer.hop, true);
    let id = peer.endpoint.invite(peer.now, invitation);
    let account = Account { user: "vaxel".into(), password: "secret".into(), realm: "carrier".into() };
    peer.endpoint.show(id, Arc::new(account), vec![Network::of(peer.hop.remote.ip())]);
    let invite = peer.requests().remove(0);
    (peer, id, invite)
}

/// One that is answered.
fn called() -> (Peer, InviteId) {
    called_with("")
}

/// The same; its 200 has these headers too.
fn called_with(headers: &str) -> (Peer, InviteId) {
    let (mut peer, id, invite) = calling();
    let mut ok = Response::to(&invite, 200, None);
    ok.set_to_tag("carrier");
    ok.headers.push("Contact", "<sip:carrier@198.51.100.7:40000>");
    for (name, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
        ok.headers.push(name, value);
    }
    ok.set_body("application/sdp", b"answer".to_vec());
    let ok = Message::parse(&Message::Response(ok).to_bytes()).unwrap();
    peer.endpoint.handle_message(peer.now, &peer.hop, ok);
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

    peer.endpoint.bye(peer.now, id, Some("Q.850;cause=16"));
    let bye = peer.requests().remove(0);
    assert_eq!(shows(&bye), Some(("a".into(), 2)));
    answer(&mut peer, &bye, 407, "b", "carrier");
    let again = peer.requests().remove(0);
    assert_eq!((&again.method, shows(&again)), (&Method::Bye, Some(("b".into(), 1))));
    assert_eq!(again.headers.get("Reason"), Some("Q.850;cause=16"));
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

fn progress(peer: &mut Peer, invite: &Request) {
    let mut rings = Response::to(invite, 183, None);
    rings.set_to_tag("carrier");
    rings.headers.push("Contact", "<sip:carrier@198.51.100.7:40000>");
    rings.headers.push("Require", "100rel");
    rings.headers.push("RSeq", "7");
    peer.endpoint.handle_message(peer.now, &peer.hop, Message::Response(rings));
}

#[test]
fn what_asks_for_nothing_new_is_shown_the_password_for_as_well() {
    let (mut peer, id, invite) = calling();
    progress(&mut peer, &invite);
    let prack = peer.requests().remove(0);
    answer(&mut peer, &prack, 407, "a", "carrier");
    let again = peer.requests().remove(0);
    assert_eq!((&again.method, shows(&again)), (&Method::Prack, Some(("a".into(), 1))));
    assert_eq!(again.headers.get("RAck"), prack.headers.get("RAck"));
    answer(&mut peer, &again, 200, "", "");
    answer(&mut peer, &invite, 200, "", "");
    peer.requests();

    peer.endpoint.info(peer.now, id, "application/dtmf-relay", b"Signal=5".to_vec());
    let info = peer.requests().remove(0);
    answer(&mut peer, &info, 407, "b", "carrier");
    let again = peer.requests().remove(0);
    assert_eq!((&again.method, shows(&again), &again.body), (&Method::Info, Some(("b".into(), 1)), &info.body));
    answer(&mut peer, &again, 407, "c", "carrier");
    assert_eq!(peer.requests().len(), 0, "the password was wrong");
}

#[test]
fn a_carrier_whose_answer_crossed_our_cancel_is_hung_up_on_with_the_password() {
    let (mut peer, id, invite) = calling();
    progress(&mut peer, &invite);
    peer.endpoint.cancel(peer.now, id, None);
    peer.requests();
    answer(&mut peer, &invite, 200, "", "");
    let bye = peer.requests().into_iter().find(|request| request.method == Method::Bye).expect("it is hung up");
    answer(&mut peer, &bye, 407, "a", "carrier");
    let again = peer.requests().remove(0);
    assert_eq!((&again.method, shows(&again)), (&Method::Bye, Some(("a".into(), 1))));
    answer(&mut peer, &again, 200, "", "");
    assert_eq!(peer.endpoint.usages(), 0);
    assert!(matches!(peer.events[..], [Event::Progress { .. }, Event::Failed { .. }]), "{:?}", peer.events);
}

#[test]
fn a_bye_has_its_own_tries() {
    let (mut peer, id) = called();
    peer.endpoint.reinvite(peer.now, id, b"hold".to_vec());
    let first = peer.requests().remove(0);
    answer(&mut peer, &first, 407, "a", "carrier");
    peer.requests();
    // Before the carrier has said anything more.
    peer.endpoint.bye(peer.now, id, None);
    let bye = peer.requests().remove(0);
    answer(&mut peer, &bye, 407, "b", "carrier");
    assert_eq!(shows(&peer.requests().remove(0)), Some(("b".into(), 1)));
}

#[test]
fn nothing_is_refreshed_any_more_once_we_have_hung_up() {
    for code in [405, 407, 503] {
        let (mut peer, id) = called_with("Allow: INVITE, ACK, BYE, UPDATE\r\nSession-Expires: 200;refresher=uac");
        peer.now += Duration::from_secs(100);
        peer.endpoint.handle_timeout(peer.now);
        let update = peer.requests().remove(0);
        assert_eq!(update.method, Method::Update);
        peer.endpoint.bye(peer.now, id, None);
        let bye = peer.requests().remove(0);
        answer(&mut peer, &update, code, "a", "carrier");
        assert_eq!(peer.requests(), [], "{code}");
        answer(&mut peer, &bye, 200, "", "");
        assert_eq!((peer.endpoint.usages(), &peer.events[..]), (0, &[][..]), "{code}");
    }
}

/// The peer's answer with a Contact to which requests inside the dialog go from then on.
fn moves(peer: &mut Peer, request: &Request, contact: &str) {
    let mut ok = Response::to(request, 200, None);
    if ok.headers.to().is_ok_and(|to| to.tag().is_none()) {
        ok.set_to_tag("carrier");
    }
    ok.headers.push("Contact", contact);
    ok.set_body("application/sdp", b"answer".to_vec());
    let message = Message::parse(&Message::Response(ok).to_bytes()).unwrap();
    peer.endpoint.handle_message(peer.now, &peer.hop, message);
    peer.requests();
    peer.hops.clear();
}

const THIEF: &str = "<sip:callee@198.51.100.66:5060>";

#[test]
fn who_is_reached_by_a_contact_and_is_not_the_carrier_is_shown_nothing() {
    let (mut peer, id, invite) = calling();
    moves(&mut peer, &invite, THIEF);
    peer.events.clear();
    peer.endpoint.reinvite(peer.now, id, b"hold".to_vec());
    let first = peer.requests().remove(0);
    assert_eq!(peer.hops[0].remote.ip().to_string(), "198.51.100.66");
    answer(&mut peer, &first, 407, "chosen", "carrier");
    assert!(peer.requests().iter().all(|request| request.method == Method::Ack && shows(request).is_none()));
    assert!(matches!(peer.events[..], [Event::OfferAnswered { result: Err(407), .. }]), "{:?}", peer.events);
    peer.endpoint.bye(peer.now, id, None);
    let bye = peer.requests().remove(0);
    assert_eq!(shows(&bye), None);
    answer(&mut peer, &bye, 407, "chosen", "carrier");
    assert_eq!((peer.requests().len(), peer.endpoint.usages()), (0, 0));
}

#[test]
fn what_the_carrier_was_shown_is_not_shown_where_the_call_moves_to() {
    let (mut peer, id) = called();
    peer.endpoint.reinvite(peer.now, id, b"hold".to_vec());
    let first = peer.requests().remove(0);
    answer(&mut peer, &first, 407, "a", "carrier");
    let again = peer.requests().remove(1);
    assert!(shows(&again).is_some());
    moves(&mut peer, &again, THIEF);
    peer.endpoint.bye(peer.now, id, None);
    let bye = peer.requests().remove(0);
    assert_eq!((peer.hops[0].remote.ip().to_string().as_str(), shows(&bye)), ("198.51.100.66", None));
}

#[test]
fn keys_go_one_after_the_other_and_each_is_heard_whatever_is_asked_of_them() {
    let (mut peer, id) = called();
    for key in 1..=3 {
        peer.endpoint.info(peer.now, id, "application/dtmf-relay", format!("Signal={key}").into_bytes());
    }
    let mut heard = Vec::new();
    while let [info] = &peer.requests()[..] {
        let code = if shows(info).is_some() { 200 } else { 407 };
        if code == 200 {
            heard.push(String::from_utf8(info.body.clone()).unwrap());
        }
        answer(&mut peer, info, code, "a", "carrier");
    }
    assert_eq!(heard, ["Signal=1", "Signal=2", "Signal=3"]);
}

//! Offers before the INVITE is answered, by UPDATE (RFC 3311) or in a PRACK (RFC 3262 §5).

use super::pracks::{forked, says};
use super::refusals::{Peer, by_hand};
use crate::sip::endpoint::{Event, InviteId, Settings};
use crate::sip::message::{Request, Response};

fn described(mut request: Request, offer: &str) -> Request {
    request.set_body("application/sdp", offer.as_bytes().to_vec());
    request
}

/// What we were offered last.
fn offered(peer: &mut Peer) -> (InviteId, Vec<u8>) {
    match peer.events.pop() {
        Some(Event::Offered { id, offer }) => (id, offer),
        other => panic!("{other:?}"),
    }
}

/// We answer the offer that came last with `ours`; gives the 200.
fn answers(peer: &mut Peer, ours: &str) -> Response {
    let (id, _) = offered(peer);
    peer.endpoint.answer_offer(peer.now, id, ours.as_bytes().to_vec());
    peer.drain();
    let [ok] = &peer.responses()[..] else { panic!("one answer") };
    assert_eq!((ok.code, &ok.body[..]), (200, ours.as_bytes()));
    assert!(ok.headers.get("Contact").is_some(), "whoever takes a target refresh says its own target (RFC 3311 §5.2)");
    ok.clone()
}

/// The phone `tag`, which our INVITE reached, asks for something.
fn asks(invite: &Request, method: &str, number: u32, tag: &str) -> Request {
    let mut request = by_hand(method, number, &format!("{tag}{number}"));
    request.headers.set("From", format!("<sip:100@192.0.2.1>;tag={tag}"));
    request.headers.set("To", invite.headers.get("From").unwrap());
    request.headers.set("Call-ID", invite.headers.get("Call-ID").unwrap());
    request.headers.set("Contact", format!("<sip:{tag}-{number}@10.0.0.9>"));
    request
}

fn codes(responses: &[Response]) -> Vec<u16> {
    responses.iter().map(|response| response.code).collect()
}

#[test]
fn a_phone_that_described_itself_may_change_that_before_it_answers() {
    let (mut peer, invite) = forked();
    assert_eq!(says(&mut peer, &invite, 183, "one", 7, "first"), ["PRACK"]);
    assert_eq!(says(&mut peer, &invite, 180, "two", 1, ""), ["PRACK"]);
    peer.receive(&described(asks(&invite, "UPDATE", 1, "one"), "second"));
    answers(&mut peer, "ours");
    let undescribed = peer.receive(&described(asks(&invite, "UPDATE", 1, "two"), "x"));
    assert_eq!(codes(&undescribed), [491], "our own offer is not answered there");
    let late = peer.receive(&described(asks(&invite, "UPDATE", 1, "one"), "x"));
    assert_eq!(late[0].code, 200, "the same once more is no new one");
    assert_eq!(says(&mut peer, &invite, 200, "one", 0, ""), ["ACK"]);
    let Some(Event::Answered { response, .. }) = peer.events.pop() else { panic!("{:?}", peer.events) };
    assert_eq!(response.body, b"second", "what it said last");
}

#[test]
fn a_target_refresh_before_the_answer_counts_unless_it_is_refused() {
    let (mut peer, invite) = forked();
    says(&mut peer, &invite, 183, "one", 7, "first");
    let mut short = asks(&invite, "UPDATE", 1, "one");
    short.headers.push("Supported", "timer");
    short.headers.push("Session-Expires", "30");
    assert_eq!(codes(&peer.receive(&short)), [422]);
    says(&mut peer, &invite, 183, "one", 8, "");
    let to = |peer: &mut Peer, tag: &str| {
        let ok = peer.receive(&asks(&invite, "UPDATE", 2, tag));
        (codes(&ok), ok.first().and_then(|ok| ok.headers.get("Contact").map(str::to_string)).is_some())
    };
    assert_eq!(to(&mut peer, "one"), (vec![200], true));
    let mut progress = Response::to(&invite, 183, None);
    progress.set_to_tag("one");
    progress.headers.push("Require", "100rel");
    progress.headers.push("RSeq", "9");
    peer.endpoint.handle_message(peer.now, &peer.hop, crate::sip::Message::Response(progress));
    let prack = peer.requests().remove(0);
    assert_eq!(prack.uri.to_string(), "sip:one-2@10.0.0.9", "not that of the refused one");
}

/// A caller who wants provisional answers acknowledged is told `early`; gives the usage and the PRACK it would send.
fn early() -> (Peer, InviteId, Request) {
    let mut peer = Peer::new(Settings::default());
    let mut invite = described(by_hand("INVITE", 1, "1"), "offer");
    invite.headers.push("Require", "100rel");
    peer.receive(&invite);
    let Some(Event::Invite { id, .. }) = peer.events.pop() else { panic!("it rings") };
    peer.endpoint.ring(peer.now, id, 183, b"early".to_vec());
    peer.drain();
    let progress = peer.responses().remove(0);
    let mut prack = by_hand("PRACK", 2, "2");
    prack.headers.set("To", progress.headers.get("To").unwrap());
    prack.headers.push("RAck", format!("{} 1 INVITE", progress.headers.get("RSeq").unwrap()));
    (peer, id, prack)
}

fn update(prack: &Request, number: u32, offer: &str) -> Request {
    let mut update = described(by_hand("UPDATE", number, &number.to_string()), offer);
    update.headers.set("To", prack.headers.get("To").unwrap());
    update
}

#[test]
fn a_caller_who_took_our_early_description_may_offer_another() {
    let (mut peer, _, prack) = early();
    let soon = peer.receive(&update(&prack, 2, "soon"));
    assert_eq!(codes(&soon), [500], "ours has not arrived");
    assert!(soon[0].headers.get("Retry-After").is_some());
    let mut prack = prack;
    prack.headers.set("CSeq", "3 PRACK");
    assert_eq!(codes(&peer.receive(&prack)), [200]);
    peer.receive(&update(&prack, 4, "third"));
    assert_eq!(codes(&peer.receive(&update(&prack, 5, "x"))), [500], "one at a time");
    answers(&mut peer, "ours");
}

#[test]
fn the_next_offer_may_come_in_the_prack_and_a_2xx_waits_for_its_answer() {
    let (mut peer, id, prack) = early();
    peer.endpoint.accept(peer.now, id, b"early".to_vec());
    assert!(peer.receive(&described(prack, "next")).is_empty());
    let (_, offer) = offered(&mut peer);
    assert_eq!(offer, b"next");
    peer.endpoint.answer_offer(peer.now, id, b"ours".to_vec());
    peer.drain();
    let said: Vec<_> =
        peer.responses().iter().map(|r| (r.code, r.headers.cseq().unwrap().1.to_string(), r.body.clone())).collect();
    let ours = b"ours".to_vec();
    assert_eq!(said, [(200, "PRACK".into(), ours.clone()), (200, "INVITE".into(), ours)]);
}

#[test]
fn a_prack_whose_offer_is_refused_is_a_prack_all_the_same() {
    let (mut peer, id, prack) = early();
    peer.endpoint.accept(peer.now, id, b"early".to_vec());
    peer.receive(&described(prack, "nonsense"));
    offered(&mut peer);
    peer.endpoint.refuse_offer(peer.now, id, 488, crate::sip::Headers::new());
    peer.drain();
    assert_eq!(codes(&peer.responses()), [488, 200]);
}

#[test]
fn a_prack_that_was_overtaken_is_a_prack_all_the_same() {
    let (mut peer, id, prack) = early();
    assert_eq!(codes(&peer.receive(&update(&prack, 3, "soon"))), [500], "what it answers has not arrived");
    assert_eq!(codes(&peer.receive(&prack)), [200], "it is for an answer that waits for it (RFC 3262 §3)");
    peer.endpoint.accept(peer.now, id, b"early".to_vec());
    peer.drain();
    assert_eq!(codes(&peer.responses()), [200]);
    assert_eq!(codes(&peer.receive(&by_old(&prack))), [500], "anything else that old is out of order");
}

fn by_old(prack: &Request) -> Request {
    let mut info = by_hand("INFO", 2, "old");
    info.headers.set("To", prack.headers.get("To").unwrap());
    info
}

#[test]
fn what_a_phone_said_before_it_moved_means_nothing_in_its_2xx() {
    for moves in [false, true] {
        let (mut peer, invite) = forked();
        says(&mut peer, &invite, 183, "one", 7, "first");
        if moves {
            peer.receive(&described(asks(&invite, "UPDATE", 1, "one"), "second"));
            answers(&mut peer, "ours");
            says(&mut peer, &invite, 180, "one", 8, "first");
            let Some(Event::Progress { code: 180, body, .. }) = peer.events.pop() else { panic!("it rings") };
            assert_eq!(body, b"");
        }
        let body = if moves { "first" } else { "another" };
        assert_eq!(says(&mut peer, &invite, 200, "one", 0, body), ["ACK"]);
        let Some(Event::Answered { response, .. }) = peer.events.pop() else { panic!("{:?}", peer.events) };
        assert_eq!(response.body, if moves { &b"second"[..] } else { b"another" });
    }
}

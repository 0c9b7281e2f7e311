//! Phones that are somewhere else from one moment to the next.

use super::refusals::Peer;
use crate::sip::endpoint::{Event, Hop, InviteId, Settings};
use crate::sip::message::{Message, Response};
use crate::sip::party::Party;
use crate::sip::testing::{Weather, World, ms};
use crate::sip::uri::Uri;
use crate::sip::{Method, Transport};

const ANNA: u32 = 7;

/// A page; where it is after it has come back.
fn here_and_there(transport: Transport) -> (Hop, Hop) {
    let local = "192.0.2.1:443".parse().unwrap();
    let here = Hop { transport, local, remote: "198.51.100.7:40000".parse().unwrap(), connection: Some(3) };
    (here, Hop { remote: "198.51.100.7:40001".parse().unwrap(), connection: Some(4), ..here })
}

fn contact() -> Uri {
    "sip:anna@page.invalid;transport=ws".parse().unwrap()
}

/// A call of ours to Anna's page; it is answered by `answers_by`, after something else.
fn talking(hop: Hop, answers_by: Hop, before: impl FnOnce(&mut Peer)) -> (Peer, InviteId) {
    let mut peer = Peer::new(Settings::default());
    peer.hop = hop;
    let mut invitation = World::new(1, hop.transport, Weather::CALM).invitation(0);
    (invitation.hop, invitation.target) = (hop, contact());
    let id = peer.endpoint.invite(peer.now, invitation);
    peer.endpoint.belongs(id, Party::Phone(ANNA));
    let invite = peer.requests().remove(0);
    before(&mut peer);
    let mut ok = Response::to(&invite, 200, None);
    ok.set_to_tag("anna");
    ok.headers.push("Contact", format!("<{}>", contact()));
    ok.set_body("application/sdp", b"answer".to_vec());
    peer.endpoint.handle_message(peer.now, &answers_by, Message::parse(&Message::Response(ok).to_bytes()).unwrap());
    peer.drain();
    assert!(peer.events.iter().any(|event| matches!(event, Event::Answered { .. })));
    (peer, id)
}

/// The hops of the BYEs since the last look.
fn byes(peer: &mut Peer) -> Vec<Hop> {
    peer.drain();
    let both = std::mem::take(&mut peer.answers).into_iter().zip(std::mem::take(&mut peer.hops));
    let is_bye = |message: &Message| matches!(message, Message::Request(request) if request.method == Method::Bye);
    both.filter(|(message, _)| is_bye(message)).map(|(_, hop)| hop).collect()
}

#[test]
fn an_answer_that_is_read_after_the_phone_has_moved_does_not_send_its_dialog_back() {
    for transport in [Transport::Wss, Transport::Tcp] {
        let (here, there) = here_and_there(transport);
        let (mut peer, id) = talking(here, here, |peer| {
            peer.endpoint.moved(peer.now, ANNA.into(), &contact(), &there);
            // Another phone of hers, and another's.
            peer.endpoint.moved(peer.now, ANNA.into(), &"sip:anna@192.0.2.77".parse().unwrap(), &here);
            peer.endpoint.moved(peer.now, 8, &contact(), &here);
        });
        byes(&mut peer);
        peer.endpoint.bye(peer.now, id, None);
        assert_eq!(byes(&mut peer), [there]);
    }
}

#[test]
fn a_bye_that_led_nowhere_is_sent_when_the_phone_is_back() {
    let (here, there) = here_and_there(Transport::Wss);
    let (mut peer, id) = talking(here, here, |_| {});
    byes(&mut peer);
    peer.endpoint.bye(peer.now, id, None);
    assert_eq!(byes(&mut peer), [here]);
    peer.endpoint.handle_hop_failed(peer.now, &here);
    assert_eq!(byes(&mut peer), []);
    peer.now += ms(31_900);
    peer.endpoint.handle_timeout(peer.now);
    peer.endpoint.moved(peer.now, ANNA.into(), &contact(), &there);
    assert_eq!(byes(&mut peer), [there]);
    // What it says again of itself changes nothing, and the end of its time is that of the second BYE.
    peer.endpoint.moved(peer.now, ANNA.into(), &contact(), &there);
    peer.now += ms(31_900);
    peer.endpoint.handle_timeout(peer.now);
    assert_eq!((byes(&mut peer), peer.endpoint.usages()), (vec![], 1));
    peer.now += ms(200);
    peer.endpoint.handle_timeout(peer.now);
    assert_eq!(peer.endpoint.usages(), 0);
}

#[test]
fn a_bye_under_way_follows_a_phone_that_moves() {
    let (here, there) = here_and_there(Transport::Wss);
    let (mut peer, id) = talking(here, here, |_| {});
    byes(&mut peer);
    peer.endpoint.bye(peer.now, id, None);
    assert_eq!(byes(&mut peer), [here]);
    peer.endpoint.moved(peer.now, ANNA.into(), &contact(), &there);
    assert_eq!(byes(&mut peer), [there]);
    peer.endpoint.handle_hop_failed(peer.now, &here);
    assert_eq!(peer.endpoint.usages(), 1, "the other one may yet be answered");
}

#[test]
fn a_phone_that_does_not_come_back_is_forgotten_and_a_carrier_at_once() {
    for (party, stays) in [(Party::Phone(ANNA), true), (Party::Trunk(0), false)] {
        let (here, _) = here_and_there(Transport::Wss);
        let (mut peer, id) = talking(here, here, |_| {});
        peer.endpoint.belongs(id, party);
        peer.endpoint.bye(peer.now, id, None);
        peer.endpoint.handle_hop_failed(peer.now, &here);
        assert_eq!(peer.endpoint.usages(), usize::from(stays));
        if stays {
            assert_eq!(peer.endpoint.poll_timeout(), Some(peer.now + ms(32_000)));
            peer.endpoint.handle_timeout(peer.now + ms(32_000));
            assert_eq!((peer.endpoint.usages(), byes(&mut peer).len()), (0, 1));
        }
    }
}

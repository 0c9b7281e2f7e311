//! Phones that are somewhere else from one moment to the next.

use super::refusals::{Peer, by_hand, codes, with};
use crate::sip::endpoint::{Event, Failure, Hop, InviteId, Settings};
use crate::sip::headers::Headers;
use crate::sip::message::{Message, Request, Response};
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
            peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
            // Another phone of hers, and another's.
            peer.endpoint.moved(peer.now, ANNA.into(), &"sip:anna@192.0.2.77".parse().unwrap(), None, &here);
            peer.endpoint.moved(peer.now, 8, &contact(), None, &here);
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
    peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
    assert_eq!(byes(&mut peer), [there]);
    // What it says again of itself changes nothing, and the end of its time is that of the second BYE.
    peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
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
    peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
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

/// The answers since the last look, and by which hops they went.
fn answers(peer: &mut Peer) -> Vec<(u16, Hop)> {
    peer.drain();
    let both = std::mem::take(&mut peer.answers).into_iter().zip(std::mem::take(&mut peer.hops));
    let code = |message| if let Message::Response(response) = message { Some(response.code) } else { None };
    both.filter_map(|(message, hop)| Some((code(message)?, hop))).collect()
}

/// A call of Anna's page to us.
fn called(hop: Hop, invite: impl FnOnce(Request) -> Request) -> (Peer, InviteId) {
    let mut peer = Peer::new(Settings::default());
    peer.hop = hop;
    let request = with(by_hand("INVITE", 1, "1"), "Contact", &format!("<{};ob>", contact()));
    peer.receive(&invite(request));
    let Some(Event::Invite { id, .. }) = peer.events.pop() else { panic!("an INVITE") };
    peer.endpoint.belongs(id, Party::Phone(ANNA));
    peer.answers.clear();
    peer.hops.clear();
    (peer, id)
}

/// Whatever is sent within ten seconds.
fn for_ten_seconds(peer: &mut Peer) -> Vec<(u16, Hop)> {
    for _ in 0..10 {
        peer.now += ms(1000);
        peer.endpoint.handle_timeout(peer.now);
    }
    answers(peer)
}

#[test]
fn a_call_of_a_phone_that_moves_is_answered_where_it_is() {
    for transport in [Transport::Wss, Transport::Tcp] {
        let (here, there) = here_and_there(transport);
        let (mut peer, id) = called(here, |invite| invite);
        peer.endpoint.ring(peer.now, id, 180, Vec::new());
        assert_eq!(answers(&mut peer), [(180, here)]);
        peer.endpoint.handle_hop_failed(peer.now, &here);
        peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
        assert_eq!(answers(&mut peer), [(180, there)], "it may have been lost");
        // What it says again of itself changes nothing, nor does another's phone.
        peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
        peer.endpoint.moved(peer.now, 8, &contact(), None, &here);
        assert_eq!(answers(&mut peer), []);
        peer.endpoint.accept(peer.now, id, b"answer".to_vec());
        assert_eq!(answers(&mut peer), [(200, there)]);
        let again = for_ten_seconds(&mut peer);
        assert!(again.len() > 2 && again.iter().all(|sent| *sent == (200, there)), "{again:?}");
        assert_acknowledged(peer, there);
    }
}

#[test]
fn an_answer_that_was_lost_is_sent_again_as_soon_as_the_phone_is_back() {
    for transport in [Transport::Wss, Transport::Tcp] {
        let (here, there) = here_and_there(transport);
        let (mut peer, id) = called(here, |invite| invite);
        peer.endpoint.handle_hop_failed(peer.now, &here);
        peer.endpoint.accept(peer.now, id, b"answer".to_vec());
        assert_eq!(answers(&mut peer), [(200, here)]);
        peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
        assert_eq!(answers(&mut peer), [(200, there)]);
        let again = for_ten_seconds(&mut peer);
        assert!(again.len() > 2 && again.iter().all(|sent| *sent == (200, there)), "{again:?}");
        assert_acknowledged(peer, there);
    }
}

/// The ACK by `hop` is taken, and with it the answer has found its way.
fn assert_acknowledged(mut peer: Peer, hop: Hop) {
    let to = "<sip:100@192.0.2.1>;tag=";
    let tag =
        peer.endpoint.usages.values().find_map(|usage| usage.dialog.as_ref().map(|dialog| dialog.id().1.to_owned()));
    peer.hop = hop;
    let ack = with(by_hand("ACK", 1, "2"), "To", &format!("{to}{}", tag.expect("a dialog")));
    assert_eq!(peer.endpoint.stray(&hop, &ack), None);
    assert_eq!(codes(&peer.receive(&ack)), [0; 0]);
    assert!(matches!(peer.events[..], [Event::Confirmed { .. }]), "{:?}", peer.events);
    assert_eq!(for_ten_seconds(&mut peer), []);
}

#[test]
fn what_must_be_acknowledged_before_the_answer_follows_and_datagrams_stay_where_they_came_from() {
    let (here, there) = here_and_there(Transport::Wss);
    let (mut peer, id) = called(here, |invite| with(invite, "Require", "100rel"));
    peer.endpoint.ring(peer.now, id, 183, b"early".to_vec());
    assert_eq!(answers(&mut peer), [(183, here)]);
    peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
    assert_eq!(answers(&mut peer), [(183, there)]);
    let again = for_ten_seconds(&mut peer);
    assert!(again.len() > 2 && again.iter().all(|sent| *sent == (183, there)), "{again:?}");

    let by_udp = Hop { transport: Transport::Udp, connection: None, ..here };
    let (mut peer, id) = called(by_udp, |invite| invite);
    peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
    peer.endpoint.accept(peer.now, id, b"answer".to_vec());
    assert_eq!(answers(&mut peer), [(200, by_udp)]);
}

/// The ways in which a call of a phone is refused.
type Refusal = fn(&mut Peer, InviteId) -> u16;

#[test]
fn a_refusal_that_was_lost_is_sent_again_where_the_phone_is_until_it_is_acknowledged() {
    let refusals: [Refusal; 3] = [
        |peer, id| {
            peer.endpoint.reject(peer.now, id, 486, Headers::new());
            486
        },
        |peer, _| {
            let cancel = Message::parse(&by_hand("CANCEL", 1, "1").to_bytes()).unwrap();
            peer.endpoint.handle_message(peer.now, &peer.hop.clone(), cancel);
            487
        },
        // Nobody has answered it.
        |peer, _| {
            peer.now += Settings::default().unanswered_max;
            peer.endpoint.handle_timeout(peer.now);
            480
        },
    ];
    let transports = [Transport::Wss, Transport::Tcp].into_iter();
    for (transport, refuse) in transports.flat_map(|transport| refusals.map(|refuse| (transport, refuse))) {
        let (here, there) = here_and_there(transport);
        let (mut peer, id) = called(here, |invite| invite);
        let code = refuse(&mut peer, id);
        assert!(answers(&mut peer).contains(&(code, here)));
        peer.endpoint.handle_hop_failed(peer.now, &here);
        peer.now += ms(31_900);
        peer.endpoint.handle_timeout(peer.now);
        // Another's phone, and another of hers.
        peer.endpoint.moved(peer.now, 8, &contact(), None, &there);
        peer.endpoint.moved(peer.now, ANNA.into(), &"sip:anna@192.0.2.77".parse().unwrap(), None, &there);
        assert_eq!(answers(&mut peer), []);
        peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
        assert_eq!(answers(&mut peer), [(code, there)]);
        peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &there);
        assert_eq!(answers(&mut peer), []);
        // From then on it is over: by the ACK, or by Timer H.
        if code == 486 {
            peer.hop = there;
            let _ = peer.receive(&by_hand("ACK", 1, "1"));
        } else {
            peer.endpoint.handle_timeout(peer.now + ms(200));
        }
        peer.endpoint.moved(peer.now, ANNA.into(), &contact(), None, &here);
        assert_eq!((answers(&mut peer), peer.endpoint.usages()), (vec![], 0));
        peer.endpoint.handle_timeout(peer.now + ms(40_000));
        assert_eq!(peer.endpoint.entries(), 0);
    }
}

#[test]
fn a_refusal_finds_the_flow_that_returns_with_another_contact() {
    let elsewhere: Uri = "sip:anna@198.51.100.7:40001;transport=tcp".parse().unwrap();
    let (here, there) = here_and_there(Transport::Tcp);
    let (mut peer, id) = called(here, |invite| invite);
    peer.endpoint.reject(peer.now, id, 603, Headers::new());
    assert_eq!(answers(&mut peer), [(603, here)]);
    peer.endpoint.left(ANNA.into(), &contact(), "urn:uuid:1 1");
    peer.endpoint.moved(peer.now, ANNA.into(), &elsewhere, Some("urn:uuid:1 2"), &there);
    assert_eq!(answers(&mut peer), []);
    peer.endpoint.moved(peer.now, ANNA.into(), &elsewhere, Some("urn:uuid:1 1"), &there);
    assert_eq!(answers(&mut peer), [(603, there)]);
}

#[test]
fn a_flow_that_returns_with_another_contact_has_its_dialogs() {
    let elsewhere: Uri = "sip:anna@198.51.100.7:40001;transport=tcp".parse().unwrap();
    let (here, there) = here_and_there(Transport::Tcp);
    for (flow, is_it) in [("urn:uuid:1 1", true), ("urn:uuid:1 2", false), ("urn:uuid:2 1", false)] {
        let (mut peer, id) = talking(here, here, |_| {});
        byes(&mut peer);
        // Another phone of hers, and another's.
        peer.endpoint.left(ANNA.into(), &"sip:anna@192.0.2.77".parse().unwrap(), "urn:uuid:2 1");
        peer.endpoint.left(8, &contact(), "urn:uuid:2 1");
        peer.endpoint.left(ANNA.into(), &contact(), "urn:uuid:1 1");
        peer.endpoint.moved(peer.now, 8, &elsewhere, Some(flow), &there);
        peer.endpoint.moved(peer.now, ANNA.into(), &elsewhere, None, &there);
        peer.endpoint.moved(peer.now, ANNA.into(), &elsewhere, Some(flow), &there);
        peer.endpoint.bye(peer.now, id, None);
        peer.drain();
        let (expected, to) = if is_it { (there, elsewhere.clone()) } else { (here, contact()) };
        assert_eq!(peer.hops, [expected], "{flow}");
        let [bye] = &peer.requests()[..] else { panic!("a BYE") };
        assert_eq!((&bye.method, &bye.uri), (&Method::Bye, &to), "{flow}");
    }
}

#[test]
fn an_answer_of_a_flow_that_has_moved_to_another_contact_does_not_send_its_dialog_back() {
    let elsewhere: Uri = "sip:anna@198.51.100.7:40001;transport=tcp".parse().unwrap();
    let (here, there) = here_and_there(Transport::Tcp);
    let (mut peer, id) = talking(here, here, |peer| {
        peer.endpoint.left(ANNA.into(), &contact(), "urn:uuid:1 1");
        peer.endpoint.moved(peer.now, ANNA.into(), &elsewhere, Some("urn:uuid:1 1"), &there);
    });
    byes(&mut peer);
    peer.endpoint.bye(peer.now, id, None);
    assert_eq!(byes(&mut peer), [there]);
}

#[test]
fn a_phone_that_answers_after_its_connection_was_lost_is_told_that_it_is_over() {
    let (here, there) = here_and_there(Transport::Wss);
    let mut peer = Peer::new(Settings::default());
    peer.hop = here;
    let mut invitation = World::new(1, here.transport, Weather::CALM).invitation(0);
    (invitation.hop, invitation.target) = (here, contact());
    let id = peer.endpoint.invite(peer.now, invitation);
    peer.endpoint.belongs(id, Party::Phone(ANNA));
    let invite = peer.requests().remove(0);
    let answer = |peer: &mut Peer, code, hop: &Hop| {
        let mut answer = Response::to(&invite, code, None);
        answer.set_to_tag("anna");
        answer.headers.push("Contact", format!("<{}>", contact()));
        let message = Message::parse(&Message::Response(answer).to_bytes()).unwrap();
        peer.hops.clear();
        peer.endpoint.handle_message(peer.now, hop, message);
        peer.drain();
        let hops = peer.hops.clone();
        (peer.requests().into_iter().map(|request| request.method).collect::<Vec<_>>(), hops)
    };
    assert_eq!(answer(&mut peer, 180, &here), (vec![], vec![]));
    peer.endpoint.handle_hop_failed(peer.now, &here);
    peer.drain();
    let is_failed = |event: &Event| matches!(event, Event::Failed { failure: Failure::Unreachable, .. });
    assert!(peer.events.pop().is_some_and(|event| is_failed(&event)) && peer.endpoint.usages() == 0);
    // It is said once.
    peer.endpoint.handle_hop_failed(peer.now, &here);
    peer.events.clear();
    peer.now += ms(20_000);
    peer.endpoint.handle_timeout(peer.now);
    assert_eq!(answer(&mut peer, 200, &there), (vec![Method::Ack, Method::Bye], vec![there, there]));
    assert_eq!(answer(&mut peer, 200, &there), (vec![Method::Ack], vec![there]));
    peer.endpoint.handle_timeout(peer.now + ms(40_000));
    peer.drain();
    assert!(peer.events.is_empty() && peer.endpoint.entries() == 0, "{:?}", peer.events);
}

#[test]
fn a_lost_invite_that_nobody_answers_is_forgotten() {
    let (here, _) = here_and_there(Transport::Wss);
    let mut peer = Peer::new(Settings::default());
    let mut invitation = World::new(1, here.transport, Weather::CALM).invitation(0);
    (invitation.hop, invitation.target) = (here, contact());
    peer.endpoint.invite(peer.now, invitation);
    let invite = peer.requests().remove(0);
    let ringing = Message::Response(Response::to(&invite, 180, None)).to_bytes();
    peer.endpoint.handle_message(peer.now, &here, Message::parse(&ringing).unwrap());
    peer.endpoint.handle_hop_failed(peer.now, &here);
    peer.drain();
    peer.events.clear();
    peer.endpoint.handle_timeout(peer.now + ms(32_000));
    peer.drain();
    assert!(peer.events.is_empty() && peer.endpoint.entries() == 0, "{:?}", peer.events);
    assert_eq!(peer.endpoint.counters().timeouts, 0, "it has failed already");
}

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
            peer.receive(&by_hand("ACK", 1, "1"));
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

/// Anna's page, which rings because of us.
struct Page {
    peer: Peer,
    id: InviteId,
    invite: Request,
    here: Hop,
    there: Hop,
}

/// How long it is waited for.
const WAITED: u64 = 4_000;

impl Page {
    /// It has said so much by now.
    fn new(transport: Transport, said: &[u16]) -> Page {
        let (here, there) = here_and_there(transport);
        let mut peer = Peer::new(Settings::default());
        peer.hop = here;
        let mut invitation = World::new(1, here.transport, Weather::CALM).invitation(0);
        (invitation.hop, invitation.target) = (here, contact());
        let id = peer.endpoint.invite(peer.now, invitation);
        peer.endpoint.belongs(id, Party::Phone(ANNA));
        let invite = peer.requests().remove(0);
        let mut page = Page { peer, id, invite, here, there };
        said.iter().for_each(|code| page.says(*code, &here));
        page.peer.events.clear();
        page.sent();
        page
    }

    /// Answers our INVITE.
    fn says(&mut self, code: u16, hop: &Hop) {
        let invite = self.invite.clone();
        self.answers(&invite, code, hop);
    }

    fn answers(&mut self, request: &Request, code: u16, hop: &Hop) {
        let mut answer = Response::to(request, code, None);
        if code > 100 {
            answer.set_to_tag("anna");
        }
        answer.headers.push("Contact", format!("<{}>", contact()));
        let message = Message::parse(&Message::Response(answer).to_bytes()).unwrap();
        self.peer.endpoint.handle_message(self.peer.now, hop, message);
    }

    /// What was sent since the last look, and by which way.
    fn sent(&mut self) -> Vec<(Request, Hop)> {
        self.peer.drain();
        let hops = std::mem::take(&mut self.peer.hops);
        self.peer.requests().into_iter().zip(hops).collect()
    }

    fn methods(&mut self) -> Vec<(Method, Hop)> {
        self.sent().into_iter().map(|(request, hop)| (request.method, hop)).collect()
    }

    fn is_lost(&mut self) {
        self.peer.endpoint.handle_hop_failed(self.peer.now, &self.here);
    }

    fn is_back(&mut self) {
        self.peer.endpoint.moved(self.peer.now, ANNA.into(), &contact(), None, &self.there);
    }

    fn passes(&mut self, millis: u64) {
        self.peer.now += ms(millis);
        self.peer.endpoint.handle_timeout(self.peer.now);
    }

    /// How the call has failed by now.
    fn failed(&mut self) -> Vec<Failure> {
        self.peer.drain();
        let events = std::mem::take(&mut self.peer.events).into_iter();
        events
            .filter_map(|event| if let Event::Failed { failure, .. } = event { Some(failure) } else { None })
            .collect()
    }

    fn awaited(&self) -> bool {
        self.peer.endpoint.awaits(ANNA.into())
    }

    fn over(mut self) {
        self.passes(100_000);
        self.passes(100_000);
        assert_eq!((self.failed(), self.peer.endpoint.entries()), (vec![], 0));
    }
}

#[test]
fn a_phone_that_is_back_in_time_rings_on_and_answers_by_its_new_connection() {
    for transport in [Transport::Tls, Transport::Tcp] {
        for is_lost_first in [true, false] {
            let mut page = Page::new(transport, &[100, 180]);
            let there = page.there;
            if is_lost_first {
                page.is_lost();
                page.passes(WAITED - 1);
                assert!(page.awaited());
            }
            page.is_back();
            assert!(!page.awaited());
            let asked = page.sent();
            let [(options, by)] = &asked[..] else { panic!("{asked:?}") };
            assert_eq!((&options.method, *by, options.headers.to_tag()), (&Method::Options, there, Some("anna")));
            assert_eq!(options.headers.call_id(), page.invite.headers.call_id());
            page.answers(options, 200, &there);
            // The loss of the old one is noticed later, and its last word is read even later.
            page.is_lost();
            page.says(180, &page.here.clone());
            page.passes(15_000);
            assert_eq!((page.failed(), page.methods()), (vec![], vec![]));
            page.says(200, &there);
            let ack = page.methods();
            assert_eq!(ack, [(Method::Ack, there)]);
            page.peer.drain();
            assert!(page.peer.events.iter().any(|event| matches!(event, Event::Answered { .. })));
            page.peer.endpoint.bye(page.peer.now, page.id, None);
            let [(bye, by)] = &page.sent()[..] else { panic!("a BYE") };
            // After the OPTIONS.
            assert_eq!((&bye.method, *by, bye.headers.cseq().unwrap().0), (&Method::Bye, there, 3));
            page.over();
        }
    }
}

#[test]
fn a_phone_may_answer_by_its_new_connection_before_it_registers() {
    for said in [&[200][..], &[180, 200]] {
        let mut page = Page::new(Transport::Wss, &[180]);
        let there = page.there;
        page.is_lost();
        page.passes(500);
        for code in said {
            page.says(*code, &there);
            assert!(!page.awaited());
        }
        assert_eq!((page.methods(), page.failed()), (vec![(Method::Ack, there)], vec![]));
        page.is_back();
        page.peer.endpoint.bye(page.peer.now, page.id, None);
        assert_eq!(page.methods(), [(Method::Bye, there)]);
        page.over();
    }
}

#[test]
fn a_phone_that_is_back_is_told_when_the_call_is_given_up() {
    let mut page = Page::new(Transport::Tcp, &[180]);
    let there = page.there;
    page.is_lost();
    page.is_back();
    page.sent();
    page.peer.endpoint.cancel(page.peer.now, page.id, Some("SIP;cause=200"));
    let [(cancel, by)] = &page.sent()[..] else { panic!("a CANCEL") };
    assert_eq!((&cancel.method, *by, cancel.headers.get("Reason")), (&Method::Cancel, there, Some("SIP;cause=200")));
    assert_eq!(cancel.headers.get("Via"), page.invite.headers.get("Via"));
    page.answers(cancel, 200, &there);
    page.says(487, &there);
    assert_eq!((page.failed(), page.methods()), (vec![Failure::Cancelled], vec![(Method::Ack, there)]));
    page.over();
}

#[test]
fn a_phone_that_has_forgotten_the_call_is_not_waited_for() {
    let mut page = Page::new(Transport::Tcp, &[180]);
    let there = page.there;
    page.is_lost();
    page.is_back();
    let options = page.sent().remove(0).0;
    page.answers(&options, 481, &there);
    assert_eq!((page.failed(), page.methods()), (vec![Failure::Unreachable], vec![(Method::Cancel, there)]));
    page.over();
}

#[test]
fn a_phone_that_is_not_back_in_time_has_failed_and_is_told_when_it_is_back() {
    // Given up while it is waited for, or before its loss was noticed; it rings without a word, or has been waited for in vain.
    for (said, gives_up, is_noticed_first, failure) in [
        (180, false, true, Failure::Unreachable),
        (100, false, true, Failure::Unreachable),
        (180, true, true, Failure::Cancelled),
        (180, true, false, Failure::Cancelled),
    ] {
        let mut page = Page::new(Transport::Wss, &[said]);
        let there = page.there;
        let give_up = |page: &mut Page| page.peer.endpoint.cancel(page.peer.now, page.id, Some("SIP;cause=200"));
        if is_noticed_first {
            page.is_lost();
        }
        if gives_up {
            give_up(&mut page);
        }
        if !is_noticed_first {
            page.is_lost();
        }
        page.passes(WAITED);
        assert_eq!((page.failed(), page.awaited()), (vec![failure], false));
        page.sent();
        // It is said once.
        page.is_lost();
        page.passes(27_000);
        assert_eq!((page.failed(), page.methods()), (vec![], vec![]));
        page.is_back();
        let told = page.sent();
        let (cancel, by) = &told[0];
        assert_eq!((&cancel.method, *by), (&Method::Cancel, there));
        assert_eq!(cancel.headers.get("Reason"), gives_up.then_some("SIP;cause=200"));
        // It may have forgotten the INVITE, but not the call.
        let byes: Vec<_> = told[1..].iter().map(|(bye, by)| (&bye.method, bye.headers.to_tag(), *by)).collect();
        assert_eq!(byes, [(&Method::Bye, Some("anna"), there)][..usize::from(said == 180)]);
        page.answers(cancel, 200, &there);
        page.says(487, &there);
        assert_eq!(page.methods(), [(Method::Ack, there)]);
        page.over();
    }
}

#[test]
fn what_rang_in_a_page_that_is_back_is_taken_back_by_all_means_and_has_failed() {
    for transport in [Transport::Wss, Transport::Ws] {
        for is_lost_first in [true, false] {
            let mut page = Page::new(transport, &[180]);
            let there = page.there;
            if is_lost_first {
                page.is_lost();
            }
            page.is_back();
            assert_eq!((page.failed(), page.awaited()), (vec![Failure::Unreachable], false));
            // `failed` drains as well.
            page.is_lost();
            page.peer.hops.clear();
            let methods: Vec<_> = page.peer.requests().into_iter().map(|request| request.method).collect();
            assert_eq!(methods, [Method::Cancel, Method::Bye]);
            page.is_back();
            page.says(200, &there);
            assert_eq!(page.methods()[1..], [(Method::Ack, there), (Method::Bye, there)]);
            page.over();
        }
    }
}

#[test]
fn a_phone_that_rang_on_and_has_forgotten_the_invite_is_ended_by_bye() {
    let mut page = Page::new(Transport::Tls, &[180]);
    let there = page.there;
    page.is_lost();
    page.is_back();
    page.sent();
    page.peer.endpoint.cancel(page.peer.now, page.id, None);
    let cancel = page.sent().remove(0).0;
    page.answers(&cancel, 481, &there);
    let [(bye, by)] = &page.sent()[..] else { panic!("a BYE") };
    assert_eq!((&bye.method, *by, bye.headers.to_tag()), (&Method::Bye, there, Some("anna")));
    page.passes(32_000);
    assert_eq!(page.failed(), [Failure::Cancelled]);
    page.over();
}

#[test]
fn a_phone_that_answers_what_it_was_missed_for_is_told_that_it_is_over() {
    let mut page = Page::new(Transport::Wss, &[180]);
    let there = page.there;
    page.is_lost();
    page.passes(WAITED);
    assert_eq!(page.failed(), [Failure::Unreachable]);
    page.passes(20_000);
    page.says(200, &there);
    assert_eq!(page.methods(), [(Method::Ack, there), (Method::Bye, there)]);
    page.says(200, &there);
    assert_eq!(page.methods(), [(Method::Ack, there)]);
    page.is_back();
    assert_eq!(page.methods(), []);
    page.over();
    // That it rings says that it is there.
    let mut page = Page::new(Transport::Wss, &[180]);
    page.is_lost();
    page.passes(WAITED);
    page.failed();
    for _ in 0..2 {
        page.says(180, &there);
    }
    assert_eq!(page.methods(), [(Method::Cancel, there), (Method::Bye, there)]);
    page.over();
}

#[test]
fn what_rings_goes_on_by_another_flow() {
    let (first, second) = ("urn:uuid:1 1", "sip:anna@198.51.100.7:40001;transport=tcp".parse().unwrap());
    let mut page = Page::new(Transport::Tcp, &[180]);
    let there = page.there;
    page.is_lost();
    page.peer.endpoint.left(ANNA.into(), &contact(), first);
    page.peer.endpoint.moved(page.peer.now, ANNA.into(), &second, Some("urn:uuid:1 3"), &there);
    assert!(page.awaited());
    page.peer.endpoint.moved(page.peer.now, ANNA.into(), &second, Some(first), &there);
    let [(options, by)] = &page.sent()[..] else { panic!("an OPTIONS") };
    assert_eq!((&options.method, &options.uri, *by), (&Method::Options, &second, there));
    // And back again.
    page.peer.endpoint.handle_hop_failed(page.peer.now, &there);
    assert!(page.awaited());
    let here = page.here;
    page.peer.endpoint.moved(page.peer.now, ANNA.into(), &contact(), Some(first), &here);
    assert_eq!(page.methods(), [(Method::Options, here)]);
    page.says(486, &here);
    assert!(matches!(page.failed()[..], [Failure::Response(_)]));
    assert_eq!(page.methods(), [(Method::Ack, here)]);
    page.over();
}

#[test]
fn only_a_phone_that_rings_itself_is_waited_for() {
    for (said, party, route) in [
        (&[][..], Party::Phone(ANNA), None),
        (&[180], Party::Trunk(0), None),
        (&[180], Party::Phone(ANNA), Some("<sip:198.51.100.7;lr;ob>")),
    ] {
        let mut page = Page::new(Transport::Wss, &[]);
        if route.is_some() {
            let mut invitation = World::new(1, page.here.transport, Weather::CALM).invitation(0);
            (invitation.hop, invitation.target) = (page.here, contact());
            route.into_iter().for_each(|route| invitation.headers.push("Route", route));
            page.peer.endpoint.cancel(page.peer.now, page.id, None);
            page.says(486, &page.here.clone());
            page.id = page.peer.endpoint.invite(page.peer.now, invitation);
            page.invite = page.peer.requests().pop().unwrap();
        }
        page.peer.endpoint.belongs(page.id, party);
        said.iter().for_each(|code| page.says(*code, &page.here.clone()));
        page.failed();
        page.is_lost();
        assert_eq!((page.failed(), page.awaited()), (vec![Failure::Unreachable], false));
        page.is_back();
        assert!(page.methods().iter().all(|(method, _)| *method == Method::Ack || *method == Method::Invite));
        page.over();
    }
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

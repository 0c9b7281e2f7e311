//! A peer that writes its requests by hand: what each is answered, and where the answer goes.

use crate::sip::endpoint::{Counters, Endpoint, Event, Hop, InviteId, Settings, Transport};
use crate::sip::headers::Headers;
use crate::sip::message::{Message, Request, Response};
use crate::sip::method::Method;
use crate::sip::testing::ms;
use crate::time::Time;

pub(super) struct Peer {
    pub now: Time,
    pub hop: Hop,
    pub endpoint: Endpoint,
    pub events: Vec<Event>,
    pub answers: Vec<Message>,
    pub hops: Vec<Hop>,
}

impl Peer {
    pub fn new(settings: Settings) -> Peer {
        Peer {
            now: Time::from_secs(100),
            hop: Hop {
                transport: Transport::Udp,
                local: "192.0.2.1:5060".parse().unwrap(),
                remote: "198.51.100.7:40000".parse().unwrap(),
                connection: None,
            },
            endpoint: Endpoint::new(settings, 1),
            events: Vec::new(),
            answers: Vec::new(),
            hops: Vec::new(),
        }
    }

    /// Our side gets this request; its answers and events are collected.
    pub fn receive(&mut self, request: &Request) -> Vec<Response> {
        let message = Message::parse(&request.to_bytes()).expect("a request by hand can be read");
        self.endpoint.handle_message(self.now, &self.hop, message);
        self.drain();
        self.responses()
    }

    pub fn drain(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.answers.push(Message::parse(&transmit.bytes).expect("what is written can be read"));
            self.hops.push(transmit.hop);
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.events.push(event);
        }
    }

    /// The responses since the last look.
    pub fn responses(&mut self) -> Vec<Response> {
        let taken = std::mem::take(&mut self.answers).into_iter();
        taken.filter_map(|m| if let Message::Response(response) = m { Some(response) } else { None }).collect()
    }

    /// The requests since the last look.
    pub fn requests(&mut self) -> Vec<Request> {
        self.drain();
        let taken = std::mem::take(&mut self.answers).into_iter();
        taken.filter_map(|m| if let Message::Request(request) = m { Some(request) } else { None }).collect()
    }
}

pub(super) fn by_hand(method: &str, number: u32, branch: &str) -> Request {
    let method = Method::parse(method).unwrap();
    let mut request = Request::new(method, "sip:100@192.0.2.1".parse().unwrap());
    for (name, value) in [
        ("Via", format!("SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK{branch};rport")),
        ("Max-Forwards", "70".into()),
        ("From", "<sip:anna@a.example>;tag=anna".into()),
        ("To", "<sip:100@192.0.2.1>".into()),
        ("Call-ID", "by-hand".into()),
        ("CSeq", format!("{number} {}", request.method)),
        ("Contact", "<sip:anna@10.0.0.5:5062>".into()),
    ] {
        request.headers.push(name, value);
    }
    request
}

pub(super) fn with(mut request: Request, name: &str, value: &str) -> Request {
    request.headers.set(name, value);
    request
}

pub(super) fn codes(responses: &[Response]) -> Vec<u16> {
    responses.iter().map(|response| response.code).collect()
}

#[test]
fn each_fault_has_its_answer_with_what_would_have_been_right() {
    let invite = || by_hand("INVITE", 1, "1");
    let mut text = invite();
    text.set_body("text/plain", b"hello".to_vec());
    let mut zipped = invite();
    zipped.set_body("application/sdp", b"v=0".to_vec());
    zipped.headers.push("Content-Encoding", "gzip");
    let mut http = invite();
    http.uri = "http://example.com".parse().unwrap();
    let mut silent = invite();
    silent.headers.remove("Contact");
    let allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, REGISTER";
    for (request, code, header) in [
        (by_hand("JUMP", 1, "1"), 405, Some(("Allow", allow))),
        (by_hand("SUBSCRIBE", 1, "1"), 405, Some(("Allow", allow))),
        (with(invite(), "Require", "timer, gruu, path"), 420, Some(("Unsupported", "gruu, path"))),
        (with(by_hand("OPTIONS", 1, "1"), "Require", "x"), 420, Some(("Unsupported", "x"))),
        (with(invite(), "Max-Forwards", "0"), 483, None),
        (http, 416, None),
        (text, 415, Some(("Accept", crate::sip::body::ACCEPT))),
        (zipped, 415, Some(("Accept-Encoding", "identity"))),
        (silent, 400, None),
        (with(invite(), "To", "<sip:100@192.0.2.1>;tag=gone"), 481, None),
        (with(by_hand("OPTIONS", 1, "1"), "To", "<sip:100@192.0.2.1>;tag=gone"), 481, None),
        (by_hand("BYE", 1, "1"), 481, None),
        (by_hand("INFO", 1, "1"), 481, None),
        (by_hand("UPDATE", 1, "1"), 481, None),
        (by_hand("CANCEL", 1, "1"), 481, None),
        (by_hand("NOTIFY", 1, "1"), 481, None),
    ] {
        let mut peer = Peer::new(Settings::default());
        let responses = peer.receive(&request);
        assert_eq!(codes(&responses), [code], "{request:?}");
        assert!(responses[0].headers.to().unwrap().tag().is_some(), "{code} has no To tag");
        if let Some((name, value)) = header {
            assert_eq!(responses[0].headers.get(name), Some(value), "{code}");
        }
        assert_eq!(peer.events.len(), 0, "{code}");
        assert_eq!(peer.endpoint.usages(), 0, "{code}");
        // Anybody can write what belongs to no dialog of ours.
        assert_eq!(peer.endpoint.transactions(), usize::from(code != 481), "{request:?}");
    }
}

#[test]
fn max_forwards_zero_may_end_here() {
    let mut peer = Peer::new(Settings::default());
    peer.receive(&with(by_hand("OPTIONS", 1, "1"), "Max-Forwards", "0"));
    assert!(matches!(peer.events[..], [Event::Request { .. }]));
}

#[test]
fn a_supported_option_may_be_required() {
    let mut peer = Peer::new(Settings { supported: vec!["timer".into()], ..Settings::default() });
    assert_eq!(codes(&peer.receive(&with(by_hand("INVITE", 1, "1"), "Require", "Timer"))), [100]);
}

#[test]
fn the_same_request_by_another_way_is_merged() {
    let mut peer = Peer::new(Settings::default());
    assert_eq!(codes(&peer.receive(&by_hand("INVITE", 1, "1"))), [100]);
    assert_eq!(codes(&peer.receive(&by_hand("INVITE", 1, "other"))), [482]);
    assert_eq!(peer.events.len(), 1);
    // The next number is another request.
    assert_eq!(codes(&peer.receive(&by_hand("INVITE", 2, "third"))), [100]);
}

#[test]
fn a_retransmission_gets_the_same_answer_and_is_told_once() {
    let mut peer = Peer::new(Settings::default());
    let options = by_hand("OPTIONS", 1, "1");
    assert_eq!(peer.receive(&options), []);
    assert_eq!(peer.receive(&options), []);
    let [Event::Request { id, .. }] = peer.events[..] else { panic!("{:?}", peer.events) };
    let mut answer = Response { code: 200, reason: String::new(), headers: Headers::new(), body: Vec::new() };
    answer.headers.push("Call-ID", "forged");
    answer.headers.push("X-Mine", "1");
    peer.endpoint.respond(peer.now, id, answer);
    peer.drain();
    let first = peer.responses();
    assert_eq!((first[0].reason.as_str(), first[0].headers.get("X-Mine")), ("OK", Some("1")));
    assert_eq!(first[0].headers.get_all("Call-ID").collect::<Vec<_>>(), ["by-hand"]);
    assert_eq!(peer.receive(&options), first);
    assert_eq!(peer.events.len(), 1);
    let counters = peer.endpoint.counters();
    assert_eq!((counters.retransmissions_received, counters.retransmissions_sent), (2, 1));
    assert_eq!(counters.requests_received[Counters::method_index(&Method::Options)], 3);
    assert_eq!(counters.responses_sent[1], 1);
}

#[test]
fn a_stray_ack_or_response_is_dropped_and_counted() {
    let mut peer = Peer::new(Settings::default());
    assert_eq!(peer.receive(&by_hand("ACK", 1, "1")), []);
    let stray = Response::to(&by_hand("INVITE", 1, "0123456789abcdef"), 200, None);
    peer.endpoint.handle_message(peer.now, &peer.hop, Message::Response(stray));
    peer.drain();
    assert_eq!((peer.answers.len(), peer.events.len(), peer.endpoint.counters().dropped), (0, 0, 2));
}

#[test]
fn answers_go_where_rport_or_sent_by_say_and_say_where_the_request_came_from() {
    for (via, goes_to, noted) in [
        (
            "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;rport",
            "198.51.100.7:40000",
            "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;rport=40000;received=198.51.100.7",
        ),
        (
            "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1",
            "198.51.100.7:5062",
            "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;received=198.51.100.7",
        ),
        (
            "SIP/2.0/UDP phone.example;branch=z9hG4bK1",
            "198.51.100.7:5060",
            "SIP/2.0/UDP phone.example;branch=z9hG4bK1;received=198.51.100.7",
        ),
        ("SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1", "198.51.100.7:5060", "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1"),
    ] {
        let mut peer = Peer::new(Settings::default());
        let mut request = by_hand("BYE", 1, "1");
        request.headers.set("Via", format!("{via}, SIP/2.0/UDP second"));
        let responses = peer.receive(&request);
        assert_eq!(responses[0].headers.items("Via").collect::<Vec<_>>(), [noted, "SIP/2.0/UDP second"]);
        assert_eq!(peer.hops[0].remote, goes_to.parse().unwrap(), "{via}");
    }
}

#[test]
fn on_a_stream_answers_go_back_by_its_connection() {
    let mut peer = Peer::new(Settings::default());
    peer.hop = Hop { transport: Transport::Tcp, connection: Some(9), ..peer.hop };
    peer.receive(&by_hand("BYE", 1, "1"));
    assert_eq!(peer.hops, [peer.hop]);
    assert_eq!(peer.endpoint.entries(), 0, "nothing is kept after an answer on a stream");
}

#[test]
fn our_contact_says_how_we_are_reached_and_is_sips_where_the_caller_wants_it() {
    let tcp = "<sip:100@192.0.2.1:5060;transport=tcp>";
    let cases = [
        (Transport::Udp, "sip:100@x", "<sip:a@h>", "", "<sip:100@192.0.2.1:5060>"),
        (Transport::Tcp, "sip:100@x", "<sip:a@h>", "", tcp),
        (Transport::Tls, "sip:100@x", "<sip:a@h>", "", "<sip:100@192.0.2.1:5060;transport=tls>"),
        (Transport::Tls, "sips:100@x", "<sip:a@h>", "", "<sips:100@192.0.2.1:5060>"),
        (Transport::Tls, "sip:100@x", "<sips:a@h>", "", "<sips:100@192.0.2.1:5060>"),
        (Transport::Tcp, "sip:100@x", "<sip:a@h>", "<sips:p;lr>", "<sips:100@192.0.2.1:5060;transport=tcp>"),
        (Transport::Tcp, "sip:100@x", "<sips:a@h>", "<sip:p;lr>", tcp),
    ];
    for (transport, dialled, contact, route, ours) in cases {
        let mut peer = Peer::new(Settings::default());
        peer.hop.transport = transport;
        let mut invite = by_hand("INVITE", 1, "1");
        invite.uri = dialled.parse().unwrap();
        invite.headers.set("Contact", contact);
        if !route.is_empty() {
            invite.headers.push("Record-Route", route);
        }
        peer.receive(&invite);
        let Some(Event::Invite { id, .. }) = peer.events.pop() else { panic!("no INVITE") };
        peer.endpoint.ring(peer.now, id, 180, Vec::new());
        peer.drain();
        assert_eq!(peer.responses()[0].headers.get("Contact"), Some(ours), "{dialled} {contact} {route}");
    }
}

/// Whether it is in the time that the settings name, or up to half as much later.
fn come_later(refusal: &Response) -> bool {
    let least = Settings::default().retry_after;
    refusal.headers.retry_after().is_some_and(|wait| (least..=least * 3 / 2).contains(&wait))
}

#[test]
fn a_full_table_refuses_new_requests_without_keeping_them_and_still_ends_calls() {
    let mut peer = Peer::new(Settings { transactions_max: 8, ..Settings::default() });
    peer.receive(&by_hand("INVITE", 1, "call"));
    let other = |n: u32| with(by_hand("OPTIONS", 1, &format!("o{n}")), "Call-ID", &format!("o{n}"));
    for n in 0..7 {
        assert_eq!(peer.receive(&other(n)), [], "{n}");
    }
    let refused = peer.receive(&other(7));
    assert_eq!((codes(&refused), come_later(&refused[0])), (vec![503], true));
    assert_eq!((peer.endpoint.transactions(), peer.endpoint.counters().refused_full), (8, 1));
    assert_eq!(codes(&peer.receive(&by_hand("CANCEL", 1, "call"))), [200, 487]);
}

#[test]
fn a_full_table_of_usages_refuses_the_next_call() {
    let mut peer = Peer::new(Settings { usages_max: 1, ..Settings::default() });
    assert_eq!(codes(&peer.receive(&by_hand("INVITE", 1, "1"))), [100]);
    let other = with(by_hand("INVITE", 1, "2"), "Call-ID", "other");
    let first = peer.receive(&other);
    assert_eq!((codes(&first), come_later(&first[0])), (vec![503], true));
    assert_eq!(peer.receive(&other), first, "the same answer, though nothing was kept");
    assert_eq!(peer.endpoint.transactions(), 1);
    assert_eq!(peer.endpoint.counters().refused_full, 2);
}

#[test]
fn what_cannot_be_read_is_answered_with_its_fault_and_keep_alives_are_not_counted() {
    let mut peer = Peer::new(Settings { product: "vaxel/test".into(), ..Settings::default() });
    let text = String::from_utf8(by_hand("OPTIONS", 1, "1").to_bytes()).unwrap();
    for (text, code) in [
        (text.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), Some(505)),
        (text.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"), Some(400)),
        ("hello".into(), None),
    ] {
        let bad = Message::parse(text.as_bytes()).unwrap_err();
        peer.endpoint.handle_malformed(peer.now, &peer.hop, &bad);
        peer.drain();
        let responses = peer.responses();
        assert_eq!(responses.first().map(|response| response.code), code, "{text}");
        if code.is_some() {
            assert_eq!(responses[0].headers.get("Server"), None, "who is refused learns nothing");
            assert_eq!(responses[0].headers.via().unwrap().received(), Some("198.51.100.7".parse().unwrap()));
        }
    }
    let ping = Message::parse(b"\r\n\r\n").unwrap_err();
    peer.endpoint.handle_malformed(peer.now, &peer.hop, &ping);
    assert_eq!(peer.endpoint.counters().malformed, 3);
    assert_eq!(peer.endpoint.entries(), 0);
}

/// A call from the peer that we accepted and the peer acknowledged.
pub(super) fn in_call() -> (Peer, InviteId, String) {
    let mut peer = Peer::new(Settings::default());
    peer.receive(&by_hand("INVITE", 10, "1"));
    let Some(Event::Invite { id, .. }) = peer.events.pop() else { panic!("no INVITE") };
    peer.endpoint.accept(peer.now, id, b"v=0".to_vec());
    peer.drain();
    let to = peer.responses()[0].headers.get("To").unwrap().to_string();
    peer.receive(&with(by_hand("ACK", 10, "ack"), "To", &to));
    assert!(matches!(peer.events.pop(), Some(Event::Confirmed { .. })));
    (peer, id, to)
}

#[test]
fn inside_a_dialog_options_and_info_are_answered_and_others_refused() {
    let (mut peer, id, to) = in_call();
    let inside = |method: &str, number: u32| with(by_hand(method, number, &format!("i{number}")), "To", &to);
    let options = peer.receive(&inside("OPTIONS", 11));
    assert!(options[0].code == 200 && options[0].headers.get("Allow").unwrap().contains("INFO"));
    let mut info = inside("INFO", 12);
    info.set_body("application/dtmf-relay", b"Signal=1".to_vec());
    assert_eq!(codes(&peer.receive(&info)), [200]);
    assert!(matches!(&peer.events[..],
        [Event::Info { id: seen, content_type, body }]
            if *seen == id && content_type == "application/dtmf-relay" && body == b"Signal=1"));
    assert_eq!(codes(&peer.receive(&inside("REFER", 13))), [400]);
    assert_eq!(codes(&peer.receive(&inside("PRACK", 14))), [481]);
    assert_eq!(codes(&peer.receive(&with(inside("INFO", 15), "Require", "x"))), [420]);
    assert_eq!(codes(&peer.receive(&inside("INFO", 9))), [500], "a lower number is out of order");
    assert_eq!(codes(&peer.receive(&inside("BYE", 16))), [200]);
    assert!(matches!(peer.events.pop(), Some(Event::Ended { .. })));
    assert_eq!(codes(&peer.receive(&inside("INFO", 17))), [481]);
}

#[test]
fn a_reinvite_refreshes_the_target_only_when_accepted_and_a_second_one_must_wait() {
    let (mut peer, id, to) = in_call();
    let offer = |number: u32, contact: &str| {
        let mut offer = with(by_hand("INVITE", number, &format!("r{number}")), "To", &to);
        offer.headers.set("Contact", contact);
        offer.set_body("application/sdp", b"v=1".to_vec());
        offer
    };
    assert_eq!(codes(&peer.receive(&offer(11, "<sip:refused@10.0.0.6>"))), [100]);
    let second = peer.receive(&offer(12, "<sip:second@10.0.0.6>"));
    assert_eq!(codes(&second), [500]);
    let wait: u32 = second[0].headers.get("Retry-After").unwrap().parse().unwrap();
    assert!(wait <= 10);
    peer.endpoint.refuse_offer(peer.now, id, 488, crate::sip::Headers::new());
    peer.drain();
    assert_eq!(codes(&peer.responses()), [488]);
    peer.receive(&with(by_hand("ACK", 11, "r11"), "To", &to));
    assert_eq!(codes(&peer.receive(&offer(13, "<sip:new@10.0.0.6:5064>"))), [100]);
    peer.endpoint.answer_offer(peer.now, id, b"v=2".to_vec());
    peer.drain();
    let ok = peer.responses();
    assert_eq!((ok[0].code, ok[0].body.as_slice()), (200, &b"v=2"[..]));
    peer.receive(&with(by_hand("ACK", 13, "ack13"), "To", &to));
    peer.endpoint.bye(peer.now, id, Some("SIP;cause=200;text=\"done\""));
    let bye = &peer.requests()[0];
    assert_eq!(bye.uri.to_string(), "sip:new@10.0.0.6:5064");
    assert_eq!(bye.headers.reason().unwrap().text.as_deref(), Some("done"));
    assert_eq!(peer.hops.last().unwrap().remote, peer.hop.remote, "BYE goes by the way the peer's messages come");
}

#[test]
fn an_update_with_an_offer_is_told_and_one_without_only_refreshes() {
    let (mut peer, id, to) = in_call();
    let mut update = with(by_hand("UPDATE", 11, "u1"), "To", &to);
    assert_eq!(codes(&peer.receive(&update)), [200]);
    assert_eq!(peer.events.len(), 0);
    update = with(by_hand("UPDATE", 12, "u2"), "To", &to);
    update.set_body("application/sdp", b"v=3".to_vec());
    assert_eq!(codes(&peer.receive(&update)), [0_u16; 0]);
    assert!(matches!(&peer.events[..], [Event::Offered { offer, .. }] if offer == b"v=3"));
    peer.endpoint.answer_offer(peer.now, id, b"v=4".to_vec());
    peer.drain();
    assert_eq!(codes(&peer.responses()), [200]);
    peer.now += ms(1_000);
    peer.endpoint.handle_timeout(peer.now);
    peer.drain();
    assert_eq!(codes(&peer.responses()), [0_u16; 0], "the 200 of an UPDATE waits for no ACK");
}

#[test]
fn a_cancelled_reinvite_withdraws_its_offer() {
    let (mut peer, id, to) = in_call();
    let mut offer = with(by_hand("INVITE", 11, "r"), "To", &to);
    offer.set_body("application/sdp", b"v=1".to_vec());
    peer.receive(&offer);
    peer.events.clear();
    assert_eq!(codes(&peer.receive(&with(by_hand("CANCEL", 11, "r"), "To", &to))), [200, 487]);
    assert!(matches!(peer.events[..], [Event::OfferWithdrawn { .. }]));
    peer.endpoint.answer_offer(peer.now, id, b"late".to_vec());
    peer.drain();
    assert_eq!(codes(&peer.responses()), [0_u16; 0]);
}

#[test]
fn the_caller_may_end_an_early_dialog_by_bye() {
    let mut peer = Peer::new(Settings::default());
    peer.receive(&by_hand("INVITE", 1, "1"));
    let Some(Event::Invite { id, .. }) = peer.events.pop() else { panic!("no INVITE") };
    peer.endpoint.ring(peer.now, id, 180, Vec::new());
    peer.drain();
    let to = peer.responses()[0].headers.get("To").unwrap().to_string();
    let responses = peer.receive(&with(by_hand("BYE", 2, "2"), "To", &to));
    assert_eq!(codes(&responses), [200, 487]);
    assert!(matches!(peer.events[..], [Event::Cancelled { .. }]));
    assert_eq!(peer.endpoint.usages(), 0);
}

#[test]
fn an_invite_without_offer_is_answered_with_ours_and_its_ack_brings_the_answer() {
    let mut peer = Peer::new(Settings::default());
    peer.receive(&by_hand("INVITE", 1, "1"));
    let Some(Event::Invite { id, .. }) = peer.events.pop() else { panic!("no INVITE") };
    peer.endpoint.accept(peer.now, id, b"our offer".to_vec());
    peer.drain();
    let ok = peer.responses();
    let to = ok[0].headers.get("To").unwrap().to_string();
    assert_eq!(ok[0].headers.get("Contact"), Some("<sip:100@192.0.2.1:5060>"));
    let mut ack = with(by_hand("ACK", 1, "ack"), "To", &to);
    ack.set_body("application/sdp", b"answer".to_vec());
    peer.receive(&ack);
    assert!(matches!(&peer.events[..], [Event::Confirmed { body, .. }] if body == b"answer"));
}

#[test]
fn a_caller_waits_as_long_as_its_invite_says_and_no_longer_than_we_let_it() {
    let longest = Settings::default().unanswered_max.as_secs();
    for (expires, gone_after, code) in [("5", 5, 487), ("0", 0, 487), ("4294967295", longest, 480)] {
        let mut peer = Peer::new(Settings::default());
        peer.receive(&with(by_hand("INVITE", 1, "1"), "Expires", expires));
        let Some(Event::Invite { id, .. }) = peer.events.pop() else { panic!("no INVITE") };
        peer.endpoint.ring(peer.now, id, 180, Vec::new());
        peer.drain();
        peer.responses();
        peer.now += ms(1_000 * gone_after).saturating_sub(ms(1));
        let early = peer.now;
        peer.endpoint.handle_timeout(early);
        peer.drain();
        let is_gone = |responses: &[Response]| responses.iter().any(|response| response.code == code);
        assert_eq!(is_gone(&peer.responses()), gone_after == 0, "{expires}");
        peer.now += ms(1);
        peer.endpoint.handle_timeout(peer.now);
        peer.drain();
        assert!(gone_after == 0 || is_gone(&peer.responses()), "{expires}");
        match code {
            487 => assert!(matches!(peer.events[..], [Event::Cancelled { .. }]), "{:?}", peer.events),
            _ => assert!(matches!(peer.events[..], [Event::Ended { .. }]), "{:?}", peer.events),
        }
        assert_eq!(peer.endpoint.usages(), 0);
    }
}

#[test]
fn ringing_is_repeated_each_minute_and_a_retransmitted_invite_gets_the_last_answer() {
    let mut peer = Peer::new(Settings::default());
    peer.receive(&by_hand("INVITE", 1, "1"));
    let Some(Event::Invite { id, .. }) = peer.events.pop() else { panic!("no INVITE") };
    peer.endpoint.ring(peer.now, id, 183, b"early".to_vec());
    peer.drain();
    let first = peer.responses();
    assert_eq!(peer.receive(&by_hand("INVITE", 1, "1")), first);
    for _ in 0..3 {
        let next = peer.endpoint.poll_timeout().unwrap();
        assert_eq!(next.since(peer.now), ms(60_000));
        peer.now = next;
        peer.endpoint.handle_timeout(next);
        peer.drain();
        assert_eq!(peer.responses(), first);
    }
}

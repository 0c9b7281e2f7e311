//! Session timers (RFC 4028) between whole endpoints, and with a peer that knows less than we do.

use crate::sip::endpoint::{EndCause, Endpoint, Event, Hop, InviteId, Settings, Transport};
use crate::sip::message::{Message, Request, Response};
use crate::sip::session_timer::Wish;
use crate::sip::testing::{Weather, World, invited, ms, named};
use crate::time::{Duration, Time};

const HOUR: Duration = Duration::from_secs(3600);

/// A talk between the two nodes, `a` the caller.
fn talk(mut world: World) -> (World, InviteId, InviteId) {
    let invitation = world.invitation(0);
    let a = world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.run_for(ms(100));
    let b = invited(&world.take_events(1)).expect("it rings");
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    world.run_for(ms(100));
    assert!(matches!(world.take_events(0)[..], [Event::Answered { .. }]));
    world.take_events(1);
    (world, a, b)
}

fn world() -> World {
    World::new(1, Transport::Udp, Weather::CALM)
}

#[test]
fn a_talk_is_refreshed_by_the_callee_as_long_as_it_lasts() {
    let (mut world, a, _) = talk(world());
    world.run_for(3 * HOUR + Duration::from_secs(1));
    assert_eq!((world.count(1, "UPDATE"), world.count(0, "200 UPDATE")), (12, 12));
    assert_eq!((world.count(0, "UPDATE"), world.take_events(0), world.take_events(1)), (0, vec![], vec![]));
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_talk_over_a_bad_network_is_refreshed_too() {
    let calm = World::new(7, Transport::Udp, Weather::CALM);
    let (mut world, a, _) = talk(calm);
    world.weather = Weather::ROUGH;
    world.run_for(10 * HOUR);
    assert_eq!((world.take_events(0), world.take_events(1)), (vec![], vec![]));
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_peer_that_is_cut_off_is_noticed_by_both() {
    let (mut world, a, b) = talk(world());
    let start = world.now;
    world.cut = true;
    world.run_for(HOUR);
    assert_eq!(world.take_events(1), [Event::Ended { id: b, cause: EndCause::PeerGone }]);
    assert_eq!(world.take_events(0), [Event::Ended { id: a, cause: EndCause::Expired }]);
    let (at, _, bye) =
        world.sent.iter().find(|(_, _, m)| named(m) == "BYE" && m.headers().has("Reason")).expect("a BYE");
    assert_eq!(bye.headers().get("Reason"), Some("SIP;cause=408;text=\"Session expired\""));
    assert!((1767..=1768).contains(&at.since(start).as_secs()), "{:?}", at.since(start));
    assert_eq!(world.nodes[0].endpoint.counters().sessions_expired, 1);
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_offer_refreshes_as_well() {
    let (mut world, a, b) = talk(world());
    world.run_for(Duration::from_secs(800));
    world.act(0, |endpoint, now| endpoint.reinvite(now, a, b"again".to_vec()));
    world.run_for(ms(100));
    world.act(1, |endpoint, now| endpoint.answer_offer(now, b, b"fine".to_vec()));
    world.run_for(Duration::from_secs(899));
    assert_eq!(world.count(0, "UPDATE") + world.count(1, "UPDATE"), 0, "the clock began anew");
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.count(0, "UPDATE") + world.count(1, "UPDATE"), 1);
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn who_wants_longer_sessions_gets_them() {
    let mut world = world();
    let wish = Wish { interval: 2 * HOUR, shortest: HOUR };
    world.nodes[1].endpoint = Endpoint::new(Settings { session: Some(wish), ..Settings::default() }, 5);
    let (mut world, a, b) = talk(world);
    assert_eq!((world.count(0, "INVITE"), world.count(1, "422 INVITE")), (2, 1));
    world.run_for(HOUR - Duration::from_secs(1800) + Duration::from_secs(2));
    assert_eq!(world.count(1, "UPDATE"), 1, "half of the hour that was agreed");
    // What was once demanded is said again in each request.
    world.act(0, |endpoint, now| endpoint.reinvite(now, a, b"again".to_vec()));
    let (_, _, last) = world.sent.last().expect("a re-INVITE");
    assert_eq!((named(last).as_str(), last.headers().get("Min-SE")), ("INVITE", Some("3600")));
    world.run_for(ms(100));
    world.act(1, |endpoint, now| endpoint.answer_offer(now, b, b"fine".to_vec()));
    world.run_for(ms(100));
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_cancelled_call_is_not_tried_again_for_longer_sessions() {
    let mut world = world();
    let wish = Wish { interval: 2 * HOUR, shortest: HOUR };
    world.nodes[1].endpoint = Endpoint::new(Settings { session: Some(wish), ..Settings::default() }, 5);
    let invitation = world.invitation(0);
    let a = world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.act(0, |endpoint, now| endpoint.cancel(now, a, None));
    world.run_out();
    assert_eq!(world.count(0, "INVITE"), 1);
    assert!(matches!(world.take_events(0)[..], [Event::Failed { .. }]));
    world.assert_empty();
}

#[test]
fn without_the_setting_nothing_is_said_of_timers() {
    let mut world = world();
    let settings = Settings { session: None, supported: Vec::new(), ..Settings::default() };
    world.nodes[1].endpoint = Endpoint::new(settings, 5);
    let (mut world, a, _) = talk(world);
    world.run_for(3 * HOUR);
    assert_eq!(world.count(0, "UPDATE") + world.count(1, "UPDATE"), 0);
    assert!(!world.sent.iter().any(|(_, _, m)| named(m) == "200 INVITE" && m.headers().has("Session-Expires")));
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

/// A phone that knows timers and no UPDATE, written by hand.
struct Plain {
    endpoint: Endpoint,
    now: Time,
}

impl Plain {
    fn says(&mut self, text: &str) -> Vec<Message> {
        let hop = Hop {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.9:5060".parse().unwrap(),
            connection: None,
        };
        let message = Message::parse(text.replace('\n', "\r\n").as_bytes()).expect("a message");
        self.endpoint.handle_message(self.now, &hop, message);
        self.hears()
    }

    fn hears(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.endpoint.poll_transmit()).map(|t| Message::parse(&t.bytes).unwrap()).collect()
    }

    fn requests(messages: Vec<Message>) -> Vec<Request> {
        let request = |message| match message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        };
        messages.into_iter().filter_map(request).collect()
    }
}

#[test]
fn a_peer_without_update_is_refreshed_by_reinvite() {
    let mut plain = Plain { endpoint: Endpoint::new(Settings::default(), 3), now: Time::from_secs(1000) };
    let head = "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKNAME\nFrom: <sip:p@192.0.2.9>;tag=p\nCall-ID: c\nContact: <sip:p@192.0.2.9>\n";
    plain.says(&format!(
        "INVITE sip:v@192.0.2.1 SIP/2.0\n{}To: <sip:v@192.0.2.1>\nCSeq: 1 INVITE\nSupported: timer\nAllow: INVITE, ACK, BYE\nSession-Expires: 200;refresher=uas\n\n",
        head.replace("NAME", "1")
    ));
    let id = invited(&std::iter::from_fn(|| plain.endpoint.poll_event()).collect::<Vec<_>>()).unwrap();
    plain.endpoint.accept(plain.now, id, b"answer".to_vec());
    let ok = plain.hears().pop().unwrap();
    assert_eq!(ok.headers().get("Session-Expires"), Some("200;refresher=uas"));
    let to = ok.headers().get("To").unwrap().to_string();
    plain.says(&format!("ACK sip:v@192.0.2.1 SIP/2.0\n{}To: {to}\nCSeq: 1 ACK\n\n", head.replace("NAME", "2")));
    while plain.endpoint.poll_event().is_some() {}

    plain.now += Duration::from_secs(100);
    plain.endpoint.handle_timeout(plain.now);
    assert_eq!(plain.endpoint.poll_event(), Some(Event::RefreshDue { id }));
    plain.endpoint.reinvite(plain.now, id, b"the same".to_vec());
    let [invite] = &Plain::requests(plain.hears())[..] else { panic!("one INVITE") };
    assert_eq!(invite.headers.get("Session-Expires"), Some("200;refresher=uac"));
    assert_eq!(invite.headers.get("Min-SE"), Some("90"));
}

/// A talk with a phone that takes these methods, whose session of 200 s we are to refresh: it is time, and the refresh was sent.
/// Gives it, and the headers that all requests of the phone have.
fn is_refreshed(allow: &str) -> (Plain, InviteId, Request, String) {
    let mut plain = Plain { endpoint: Endpoint::new(Settings::default(), 3), now: Time::from_secs(1000) };
    let head = "From: <sip:p@192.0.2.9>;tag=p\nCall-ID: c\nContact: <sip:p@192.0.2.9>\n";
    let via = |name: &str| format!("Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{name}\n");
    plain.says(&format!(
        "INVITE sip:v@192.0.2.1 SIP/2.0\n{}{head}To: <sip:v@192.0.2.1>\nCSeq: 1 INVITE\nSupported: timer\nAllow: {allow}\nSession-Expires: 200;refresher=uas\n\n",
        via("1")
    ));
    let id = invited(&std::iter::from_fn(|| plain.endpoint.poll_event()).collect::<Vec<_>>()).unwrap();
    plain.endpoint.accept(plain.now, id, b"answer".to_vec());
    let ok = plain.hears().pop().unwrap();
    let head = format!("{head}To: {}\n", ok.headers().get("To").unwrap());
    plain.says(&format!("ACK sip:v@192.0.2.1 SIP/2.0\n{}{head}CSeq: 1 ACK\n\n", via("2")));
    while plain.endpoint.poll_event().is_some() {}
    plain.passes(100);
    if let Some(Event::RefreshDue { id }) = plain.endpoint.poll_event() {
        plain.endpoint.reinvite(plain.now, id, b"the same".to_vec());
    }
    let refresh = Plain::requests(plain.hears()).remove(0);
    (plain, id, refresh, head)
}

impl Plain {
    fn passes(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            self.endpoint.handle_timeout(self.now);
        }
    }

    fn answers(&mut self, request: &Request, code: u16) {
        let response = Message::Response(Response::to(request, code, None)).to_bytes();
        self.says(&String::from_utf8(response).unwrap().replace("\r\n", "\n"));
    }
}

#[test]
fn a_refresh_that_is_refused_while_the_peer_takes_over_the_refreshing_ends_no_talk() {
    let (mut plain, id, refresh, head) = is_refreshed("INVITE, ACK, BYE, UPDATE");
    assert_eq!(refresh.method.as_str(), "UPDATE");
    // Its own crosses ours, and from here on it refreshes.
    plain.says(&format!(
        "UPDATE sip:v@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK3\n{head}CSeq: 2 UPDATE\nSupported: timer\nSession-Expires: 200;refresher=uac\n\n"
    ));
    plain.answers(&refresh, 491);
    plain.passes(100);
    assert_eq!(std::iter::from_fn(|| plain.endpoint.poll_event()).collect::<Vec<_>>(), [], "of {id:?}");
    assert_eq!(Plain::requests(plain.hears()), []);
}

#[test]
fn a_refresh_by_invite_that_is_refused_for_the_moment_is_tried_again_soon() {
    for code in [500, 503] {
        let (mut plain, id, refresh, _) = is_refreshed("INVITE, ACK, BYE");
        assert_eq!(refresh.method.as_str(), "INVITE");
        plain.answers(&refresh, code);
        assert_eq!(plain.endpoint.poll_event(), Some(Event::OfferAnswered { id, result: Err(code) }));
        plain.passes(5);
        assert_eq!(plain.endpoint.poll_event(), Some(Event::RefreshDue { id }), "{code}: not when the session is over");
    }
}

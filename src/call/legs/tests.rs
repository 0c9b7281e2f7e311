use super::*;
use crate::sip::{Message, Settings, Transport};

/// A phone that knows session timers and no UPDATE, as its bytes come.
struct Phone {
    now: Time,
    endpoint: Endpoint,
    legs: Legs,
}

const LEG: LegId = LegId(1);

fn hop() -> Hop {
    Hop {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "192.0.2.9:5060".parse().unwrap(),
        connection: None,
    }
}

impl Phone {
    fn says(&mut self, method: &str, number: u32, headers: &str, body: &str) {
        let text = format!(
            "{method} sip:v@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{method}{number}\r\n\
             From: <sip:p@192.0.2.9>;tag=p\r\nCall-ID: c\r\nCSeq: {number} {method}\r\nContact: <sip:p@192.0.2.9>\r\n{headers}\r\n\r\n{body}"
        );
        self.endpoint.handle_message(self.now, &hop(), Message::parse(text.as_bytes()).unwrap());
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                sip::Event::Invite { id, request, hop } => self.legs.incoming(CallId(1), LEG, id, &request, &hop),
                event => self.legs.handle_sip(self.now, event, &mut self.endpoint),
            }
        }
    }

    fn new() -> Phone {
        let (endpoint, legs) = (Endpoint::new(Settings::default(), 1), Legs::default());
        Phone { now: Time::from_secs(1000), endpoint, legs }
    }

    /// Our side has a port now.
    fn is_opened(&mut self) {
        let rtp = "192.0.2.1:20000".parse().unwrap();
        self.legs.handle_media(self.now, media::Event::Opened { leg: LEG, rtp }, &mut self.endpoint);
    }

    /// The last message that came for it.
    fn hears(&mut self) -> Message {
        self.hears_all().pop().expect("a message")
    }

    fn hears_all(&mut self) -> Vec<Message> {
        let messages = std::iter::from_fn(|| self.endpoint.poll_transmit());
        messages.map(|sent| Message::parse(&sent.bytes).unwrap()).collect()
    }
}

fn sdp(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n{direction}\r\n"
    )
}

#[test]
fn a_refreshed_session_stays_on_hold() {
    for (theirs, ours) in [("a=sendonly", "a=recvonly"), ("a=inactive", "a=inactive"), ("a=sendrecv", "a=sendrecv")] {
        let mut phone = Phone::new();
        let headers = "To: <sip:v@192.0.2.1>\r\nSupported: timer\r\nAllow: INVITE, ACK, BYE\r\n\
                       Session-Expires: 200;refresher=uas\r\nContent-Type: application/sdp";
        phone.says("INVITE", 1, headers, &sdp(theirs));
        phone.is_opened();
        assert!(phone.legs.answer(phone.now, LEG, &mut phone.endpoint));
        let to = phone.hears().headers().get("To").unwrap().to_owned();
        phone.says("ACK", 1, &format!("To: {to}"), "");
        phone.now += Duration::from_secs(100);
        phone.endpoint.handle_timeout(phone.now);
        phone.settle();
        let Message::Request(refresh) = phone.hears() else { panic!("no refresh") };
        assert_eq!(refresh.method, sip::Method::Invite);
        assert!(String::from_utf8(refresh.body).unwrap().contains(ours), "{theirs}");
    }
}

/// A call that describes nothing and wants provisional answers acknowledged, of which the first has come.
fn rings_with_an_offer() -> (Phone, Message) {
    let mut phone = Phone::new();
    phone.says("INVITE", 1, "To: <sip:v@192.0.2.1>\r\nRequire: 100rel", "");
    phone.is_opened();
    phone.legs.ring(phone.now, LEG, &mut phone.endpoint);
    let rings = phone.hears();
    (phone, rings)
}

fn prack(phone: &mut Phone, rings: &Message, body: &str) -> Vec<String> {
    let (to, rseq) = (rings.headers().get("To").unwrap(), rings.headers().get("RSeq").unwrap());
    let headers = format!("To: {to}\r\nRAck: {rseq} 1 INVITE\r\nContent-Type: application/sdp");
    phone.says("PRACK", 2, &headers, body);
    phone.hears_all().iter().map(crate::sip::testing::named).collect()
}

fn streams(phone: &mut Phone) -> Vec<media::Stream> {
    let streams = std::iter::from_fn(|| phone.legs.poll_media()).filter_map(|command| match command {
        Command::Configure { stream, .. } => Some(stream),
        _ => None,
    });
    streams.collect()
}

#[test]
fn a_late_offer_is_in_the_first_acknowledged_answer_and_nowhere_else() {
    for answered_first in [false, true] {
        let (mut phone, rings) = rings_with_an_offer();
        assert_eq!(
            (rings.headers().content_type(), rings.headers().get("Require")),
            (Some("application/sdp"), Some("100rel"))
        );
        if answered_first {
            assert!(phone.legs.answer(phone.now, LEG, &mut phone.endpoint));
            assert_eq!(phone.hears_all(), [], "the answer to the offer is waited for");
        }
        let heard = prack(&mut phone, &rings, &sdp("a=sendrecv"));
        assert_eq!(heard[0], "200 PRACK");
        if !answered_first {
            assert_eq!((heard.len(), streams(&mut phone)), (1, vec![]), "nobody has taken the call yet");
            // What rings on does not make another offer.
            phone.legs.ring(phone.now, LEG, &mut phone.endpoint);
            assert_eq!(phone.hears().headers().content_type(), None);
            let to = rings.headers().get("To").unwrap();
            phone.says("UPDATE", 3, &format!("To: {to}\r\nContent-Type: application/sdp"), &sdp("a=sendrecv"));
            assert_eq!(phone.hears().headers().content_type(), Some("application/sdp"));
            assert!(phone.legs.answer(phone.now, LEG, &mut phone.endpoint));
            let Message::Response(ok) = phone.hears() else { panic!("no answer") };
            assert_eq!((ok.code, ok.body.len()), (200, 0));
        } else {
            assert_eq!(heard[1..], ["200 INVITE"]);
        }
        let streams = streams(&mut phone);
        assert_eq!(streams.iter().map(|stream| stream.direction).collect::<Vec<_>>(), [Direction::SendRecv]);
        let to = rings.headers().get("To").unwrap();
        phone.says("ACK", 1, &format!("To: {to}"), "");
        assert!(phone.legs.is_up(LEG), "the ACK has nothing more to say");
    }
}

#[test]
fn who_does_not_answer_a_late_offer_where_it_was_made_is_not_called_back_to_it() {
    let (mut phone, rings) = rings_with_an_offer();
    assert_eq!(prack(&mut phone, &rings, ""), ["200 PRACK", "488 INVITE"]);
    let events: Vec<_> = std::iter::from_fn(|| phone.legs.poll_event()).collect();
    assert!(matches!(events[..], [Event::Arrived { .. }, Event::Ended { end: LegEnd::BadOffer(_), .. }]), "{events:?}");
}

#[test]
fn who_acknowledges_nothing_gets_a_late_offer_with_the_final_answer() {
    let mut phone = Phone::new();
    phone.says("INVITE", 1, "To: <sip:v@192.0.2.1>", "");
    phone.is_opened();
    phone.legs.ring(phone.now, LEG, &mut phone.endpoint);
    assert_eq!(phone.hears().headers().content_type(), None);
    assert!(phone.legs.answer(phone.now, LEG, &mut phone.endpoint));
    assert_eq!(phone.hears().headers().content_type(), Some("application/sdp"));
}

const ASKED: &str = "To: <sip:v@192.0.2.1>\r\nRequire: 100rel\r\nContent-Type: application/sdp";

fn at(port: u16, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 {port} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na={direction}\r\n"
    )
}

/// A phone calls with these headers and this body, and its port is open.
fn calls(headers: &str, body: &str) -> Phone {
    let mut phone = Phone::new();
    phone.says("INVITE", 1, headers, body);
    phone.is_opened();
    phone
}

/// Where media was told to send, and how, since it was asked last.
fn configured(phone: &mut Phone) -> Vec<(u16, Direction)> {
    streams(phone).iter().map(|stream| (stream.remote.port(), stream.direction)).collect()
}

#[test]
fn a_caller_who_moves_while_it_hears_something_early_is_answered_where_it_is() {
    let mut phone = calls(ASKED, &at(4000, "sendrecv"));
    assert!(phone.legs.hear_early(phone.now, LEG, &mut phone.endpoint));
    assert_eq!(configured(&mut phone), [(4000, Direction::SendOnly)]);
    let Message::Response(early) = phone.hears() else { panic!("no answer") };
    assert_eq!(early.code, 183);
    let to = format!("To: {}", early.headers.get("To").unwrap());
    phone.says("PRACK", 2, &format!("{to}\r\nRAck: {} 1 INVITE", early.headers.get("RSeq").unwrap()), "");
    phone.says("UPDATE", 3, &format!("{to}\r\nContent-Type: application/sdp"), &at(4002, "sendrecv"));
    let Message::Response(ok) = phone.hears() else { panic!("no answer") };
    assert_eq!((ok.code, configured(&mut phone)), (200, vec![(4002, Direction::SendOnly)]));
    assert!(phone.legs.answer(phone.now, LEG, &mut phone.endpoint));
    assert_eq!(configured(&mut phone), [(4002, Direction::SendRecv)]);
    let Message::Response(answered) = phone.hears() else { panic!("no answer") };
    assert_eq!((answered.code, answered.body), (200, ok.body), "the description it has");
    // On hold before anybody has answered, it is heard of as held.
    let mut phone = calls(ASKED, &at(4000, "sendrecv"));
    phone.legs.hear_early(phone.now, LEG, &mut phone.endpoint);
    let early = phone.hears();
    phone.says("PRACK", 2, &format!("{to}\r\nRAck: {} 1 INVITE", early.headers().get("RSeq").unwrap()), "");
    configured(&mut phone);
    phone.says("UPDATE", 3, &format!("{to}\r\nContent-Type: application/sdp"), &at(4000, "sendonly"));
    assert!(phone.legs.is_held(LEG));
    assert_eq!(configured(&mut phone), [(4000, Direction::Inactive)], "it does not want to hear anything");
}

#[test]
fn who_offers_nothing_answers_in_its_ack_or_is_let_go() {
    let described = format!("Content-Type: application/sdp\r\nContent-Length: {}", at(4000, "sendrecv").len());
    for (headers, body, goes_on) in
        [(&*described, at(4000, "sendrecv"), true), ("Content-Length: 0", String::new(), false)]
    {
        let mut phone = calls("To: <sip:v@192.0.2.1>\r\nContent-Length: 0", "");
        assert!(!phone.legs.hear_early(phone.now, LEG, &mut phone.endpoint), "it has nothing to hear with");
        assert!(phone.legs.answer(phone.now, LEG, &mut phone.endpoint));
        let ok = phone.hears();
        assert!(String::from_utf8_lossy(ok.body()).contains("m=audio 20000"), "our offer");
        phone.says("ACK", 1, &format!("To: {}\r\n{headers}", ok.headers().get("To").unwrap()), &body);
        assert_eq!(!configured(&mut phone).is_empty(), goes_on);
        let bye = std::iter::from_fn(|| phone.endpoint.poll_transmit()).any(|sent| sent.bytes.starts_with(b"BYE"));
        assert_eq!(bye, !goes_on);
    }
}

/// The number that the description in this message has in `o=`.
fn version(message: &Message) -> u64 {
    let body = String::from_utf8_lossy(message.body());
    let origin = body.lines().find(|line| line.starts_with("o=")).expect("a description");
    origin.split(' ').nth(2).and_then(|version| version.parse().ok()).expect("a version")
}

#[test]
fn an_offer_of_ours_that_waited_while_the_peer_made_one_is_made_anew() {
    let headers = "To: <sip:v@192.0.2.1>\r\nSupported: timer\r\nAllow: INVITE, ACK, BYE\r\n\
                   Session-Expires: 200;refresher=uas\r\nContent-Type: application/sdp";
    let mut phone = calls(headers, &at(4000, "sendrecv"));
    assert!(phone.legs.answer(phone.now, LEG, &mut phone.endpoint));
    let to = format!("To: {}", phone.hears().headers().get("To").unwrap());
    phone.says("ACK", 1, &to, "");
    phone.now += Duration::from_secs(100);
    phone.endpoint.handle_timeout(phone.now);
    phone.settle();
    let Message::Request(refresh) = phone.hears() else { panic!("no refresh") };
    // It holds in the same moment.
    let glare = sip::Message::Response(sip::Response::to(&refresh, 491, None)).to_bytes();
    phone.endpoint.handle_message(phone.now, &hop(), Message::parse(&glare).unwrap());
    phone.settle();
    phone.says("INVITE", 2, &format!("{to}\r\nContent-Type: application/sdp"), &at(4000, "sendonly"));
    let answer = phone.hears();
    phone.says("ACK", 2, &to, "");
    phone.hears_all();
    phone.now += Duration::from_secs(3);
    phone.endpoint.handle_timeout(phone.now);
    phone.settle();
    let again = phone.hears();
    assert!(matches!(&again, Message::Request(request) if request.method == sip::Method::Invite));
    assert!(version(&again) > version(&answer), "newer than what was said last");
    assert!(String::from_utf8_lossy(again.body()).contains("a=recvonly"), "it holds us still");
}

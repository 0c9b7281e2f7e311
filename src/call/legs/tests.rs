use super::*;
use crate::sip::{Message, Settings, Transport};

/// A phone that knows session timers and no UPDATE, as its bytes come.
struct Phone {
    now: Time,
    endpoint: Endpoint,
    legs: Legs,
}

const LEG: LegId = LegId(1);

impl Phone {
    fn says(&mut self, method: &str, number: u32, headers: &str, body: &str) {
        let text = format!(
            "{method} sip:v@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{method}{number}\r\n\
             From: <sip:p@192.0.2.9>;tag=p\r\nCall-ID: c\r\nCSeq: {number} {method}\r\nContact: <sip:p@192.0.2.9>\r\n{headers}\r\n\r\n{body}"
        );
        let hop = Hop {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.9:5060".parse().unwrap(),
            connection: None,
        };
        self.endpoint.handle_message(self.now, &hop, Message::parse(text.as_bytes()).unwrap());
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

    /// The last message that came for it.
    fn hears(&mut self) -> Message {
        let last = std::iter::from_fn(|| self.endpoint.poll_transmit()).last().expect("a message");
        Message::parse(&last.bytes).unwrap()
    }
}

#[test]
fn a_refreshed_session_stays_on_hold() {
    let sdp = |direction: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n{direction}\r\n"
        )
    };
    for (theirs, ours) in [("a=sendonly", "a=recvonly"), ("a=inactive", "a=inactive"), ("a=sendrecv", "a=sendrecv")] {
        let (endpoint, legs) = (Endpoint::new(Settings::default(), 1), Legs::default());
        let mut phone = Phone { now: Time::from_secs(1000), endpoint, legs };
        let headers = "To: <sip:v@192.0.2.1>\r\nSupported: timer\r\nAllow: INVITE, ACK, BYE\r\n\
                       Session-Expires: 200;refresher=uas\r\nContent-Type: application/sdp";
        phone.says("INVITE", 1, headers, &sdp(theirs));
        let rtp = "192.0.2.1:20000".parse().unwrap();
        phone.legs.handle_media(phone.now, media::Event::Opened { leg: LEG, rtp }, &mut phone.endpoint);
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

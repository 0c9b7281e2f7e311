//! What carriers put beside a session description (RFC 5621).

use crate::house::{House, carrier};
use crate::{exchange, request};
use vaxel::sip::Transport::{self, Tcp, Udp};

fn with_body(transport: Transport, further: &str, body: &str) -> String {
    let length = format!("{further}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    request("INVITE", transport).replace("Content-Length: 0\r\n\r\n", &length)
}

#[test]
fn a_carrier_that_sends_isup_or_a_text_with_its_call_is_answered_if_we_need_not_understand_that() {
    let house = House::new();
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let isup = |handling: &str| {
        format!(
            "--u\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--u\r\nContent-Type: application/isup;version=itu-t92+\r\n\
             Content-Disposition: signal;handling={handling}\r\n\r\n\x01\x11\x48\r\n--u--\r\n"
        )
    };
    const MIXED: &str = "Content-Type: multipart/mixed;boundary=u";
    const TEXT: &str = "Content-Type: text/plain\r\nContent-Disposition: render;handling=";
    for transport in [Udp, Tcp] {
        let say = |further: &str, body: &str| {
            let invite = with_body(transport, further, body);
            exchange(transport, carrier(true), house.sip(transport, true), invite.as_bytes())
        };
        let answer = say(MIXED, &isup("optional"));
        assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains("\r\nm=audio "), "{answer}");
        // A late offer: ours is in the answer.
        let answer = say(&format!("{TEXT}optional"), "hello");
        assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains("\r\nm=audio "), "{answer}");
        for answer in [say(MIXED, &isup("required")), say(&format!("{TEXT}required"), "hello")] {
            assert!(answer.starts_with("SIP/2.0 415 "), "{answer}");
            assert!(answer.contains("\r\nAccept: application/sdp, "), "{answer}");
        }
    }
}

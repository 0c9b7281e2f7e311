//! Messages that hurt: what RFC 4475 and RFC 5118 warn of, in messages of our own, with what becomes of each.

use super::{BadMessage, Fault, Host, Message, Method, Request, Response, Uri};

/// A sound INVITE; each test damages it or replaces a line.
const SOUND: &str = "INVITE sip:600@vaxel.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK77\r\n\
    Max-Forwards: 70\r\n\
    From: \"Anna\" <sip:anna@vaxel.example>;tag=17\r\n\
    To: <sip:600@vaxel.example>\r\n\
    Call-ID: 4711@192.0.2.7\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:anna@192.0.2.7>\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 5\r\n\
    \r\n\
    hello";

fn sound() -> Request {
    request(SOUND.as_bytes())
}

fn request(bytes: &[u8]) -> Request {
    match Message::parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?} from {}", String::from_utf8_lossy(bytes)),
    }
}

fn response(bytes: &[u8]) -> Response {
    match Message::parse(bytes) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?} from {}", String::from_utf8_lossy(bytes)),
    }
}

fn bad(bytes: &[u8]) -> BadMessage {
    match Message::parse(bytes) {
        Err(bad) => bad,
        Ok(message) => panic!("{message:?} from {}", String::from_utf8_lossy(bytes)),
    }
}

/// The sound INVITE with one piece replaced, which must be in it.
fn with(old: &str, new: &str) -> Vec<u8> {
    assert!(SOUND.contains(old), "{old}");
    SOUND.replacen(old, new, 1).into_bytes()
}

#[test]
fn folding_compact_forms_and_white_space_change_nothing() {
    let tortuous = "\r\n\r\nINVITE sip:600@vaxel.example SIP/2.0\r\n\
        t  :\r\n  sip:600@vaxel.example ;\r\n\ttag =\r\n  99\r\n\
        f :  \"Anna \\\\ \\\"B\\\"\"   <sip:anna@vaxel.example>\r\n ;\r\n  tag = 17 ; x\r\n\
        mAx-fORWARDS:   0070 \r\n\
        I: 4711@192.0.2.7\r\n\
        cseq: 0001\r\n   INVITE\r\n\
        v :  SIP  / 2.0\r\n /UDP\r\n    192.0.2.7;branch = z9hG4bK77 ,\r\n SIP / 2.0/ TCP  [2001:db8::9] : 5070\r\n\
        s:\r\n\
        X-Unknown: a\r\n\t b  ;;,,;; c   \r\n\
        Route:\r\n <sip:p1.example;lr;unknown=a%3Bb> , \"x, <y>\" <sip:p2.example;lr>\r\n\
        l:\r\n  5\r\n\r\nhellogarbage";
    let request = request(tortuous.as_bytes());
    let headers = &request.headers;
    assert_eq!(request.body, b"hello");
    assert_eq!(headers.max_forwards(), Some(70));
    assert_eq!(headers.cseq(), Ok((1, Method::Invite)));
    assert_eq!(headers.from_().unwrap().display.as_deref(), Some("Anna \\ \"B\""));
    assert_eq!((headers.from_().unwrap().tag(), headers.to().unwrap().tag()), (Some("17"), Some("99")));
    let vias = headers.vias().unwrap();
    assert_eq!((vias[0].branch(), &*vias[1].transport, vias[1].port), (Some("z9hG4bK77"), "TCP", Some(5070)));
    assert_eq!(headers.get("Subject"), Some(""));
    assert_eq!(headers.get("x-unknown"), Some("a b  ;;,,;; c"));
    let routes = headers.routes().unwrap();
    assert_eq!(routes[0].uri.as_sip().unwrap().params.get("unknown"), Some("a;b"));
    assert_eq!(routes[1].display.as_deref(), Some("x, <y>"));
}

#[test]
fn bare_line_feeds_end_lines_too() {
    let request = request(SOUND.replace("\r\n", "\n").as_bytes());
    assert_eq!(request, sound());
}

#[test]
fn open_sets_stay_open() {
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let bytes = SOUND.replace("INVITE", method).replace("SIP/2.0/UDP", "SIP/2.0/x-Carrier.Pigeon");
    let request = request(bytes.as_bytes());
    assert_eq!(request.method, Method::Other(method.into()));
    assert_eq!(request.headers.via().unwrap().transport, "x-Carrier.Pigeon");
    // Methods are told apart by case, so this is another one, not an INVITE.
    assert_eq!(self::request(SOUND.replace("INVITE", "invite").as_bytes()).method, Method::Other("invite".into()));
}

#[test]
fn request_uris_keep_their_meaning() {
    type Holds<'a> = &'a dyn Fn(&Uri) -> bool;
    let cases: [(&str, Holds); 12] = [
        ("SIPS:Anna@Vaxel.Example", &|u| u.scheme() == "sips" && u.to_string() == "sips:Anna@vaxel.example"),
        ("sip:%61%6E%6E%61@h", &|u| u.user() == Some("anna")),
        ("sip:null-%00-null@h", &|u| u.user() == Some("null-\0-null")),
        ("sip:sips%3Aanna%40h2@h", &|u| u.user() == Some("sips:anna@h2")),
        ("sip:anna;par=u%40h2;lr@h;transport=udp", &|u| u.user() == Some("anna;par=u@h2;lr")),
        ("sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@h", &|u| {
            u.as_sip().unwrap().password.as_deref() == Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
        }),
        ("sip:h?Route=%3Csip:x%3E&Replaces=a%40b", &|u| u.as_sip().unwrap().header("replaces") == Some("a@b")),
        ("sip:a@h?Replaces=1@h;to-tag=2", &|u| u.as_sip().unwrap().header("Replaces") == Some("1@h;to-tag=2")),
        ("tel:+46-8-(123).45", &|u| u.user() == Some("+46812345")),
        ("tel:*21#;phone-context=vaxel.example", &|u| u.user() == Some("*21#")),
        ("nobodyKnowsThisScheme:totallyopaquecontent", &|u| matches!(u, Uri::Other(_))),
        ("soap.beep://192.0.2.103:3002", &|u| u.scheme() == "soap.beep"),
    ];
    for (text, holds) in cases {
        let request = request(&with("sip:600@vaxel.example", text));
        assert!(holds(&request.uri), "{text}: {:?}", request.uri);
        assert_eq!(self::request(&request.to_bytes()).uri, request.uri, "{text}");
    }
}

#[test]
fn addresses_of_ipv6_are_understood_wherever_rfc_5118_has_them() {
    let uri = |text: &str| request(&with("sip:600@vaxel.example", text)).uri;
    let host = |text: &str| uri(text).as_sip().unwrap().clone();
    assert_eq!(host("sip:[2001:db8::10]").host, Host::Ip("2001:db8::10".parse().unwrap()));
    // §4.1: the port behind the bracket is a port, inside it is a part of the address.
    assert_eq!(host("sip:600@[2001:db8::10]:5070").port, Some(5070));
    assert_eq!(host("sip:600@[2001:db8::10:5070]").port, None);
    assert_eq!(host("sip:600@[::ffff:192.0.2.10]").host, Host::Ip("::ffff:192.0.2.10".parse().unwrap()));
    assert_eq!(host("sip:600@[2001:db8:::192.0.2.1]").host, Host::Ip("2001:db8::192.0.2.1".parse().unwrap()));
    for via in ["[2001:db8::9:1]:6050;received=2001:db8::9:255", "[2001:db8::9:1];received=[2001:db8::9:255]"] {
        let via = request(&with("192.0.2.7:5060", via)).headers.via().unwrap();
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
    }
    for text in
        ["sip:2001:db8::10", "sip:600@2001:db8::10", "sip:[2001:db8::10", "sip:[fe80::1%eth0]", "sip:[192.0.2.1]"]
    {
        assert!(matches!(bad(&with("sip:600@vaxel.example", text)).fault(), Fault::RequestUri(_)), "{text}");
    }
}

#[test]
fn what_an_rfc_2543_phone_sends_is_accepted() {
    let old = "INVITE sip:600@vaxel.example SIP/2.0\r\nVia: SIP/2.0/UDP iftgw.example\r\nFrom: <sip:+13035551111@h;user=phone>\r\n\
        To: sip:+16505552222@h;user=phone\r\nCall-ID: 1@h\r\nCSeq: 1 INVITE\r\n\r\nbody to the end";
    let request = request(old.as_bytes());
    assert_eq!(request.headers.via().unwrap().magic_branch(), None);
    assert_eq!(request.headers.from_().unwrap().tag(), None);
    assert_eq!(request.headers.to().unwrap().params.get("user"), Some("phone"));
    assert_eq!(request.body, b"body to the end");
}

#[test]
fn bodies_and_unknown_headers_are_exact_to_the_byte() {
    let body: Vec<u8> = (0..=255).collect();
    let mut bytes = with("Content-Length: 5", "Content-Length: 256\r\nX-Odd: \\\"\"unclosed, <;=\u{4f1a}\u{a0}");
    bytes.truncate(bytes.len() - 5);
    bytes.extend_from_slice(&body);
    let request = request(&bytes);
    assert_eq!(request.body, body);
    assert_eq!(request.headers.get("X-Odd"), Some("\\\"\"unclosed, <;=\u{4f1a}\u{a0}"));
    assert_eq!(self::request(&request.to_bytes()), request);
}

#[test]
fn names_in_latin_1_and_with_escaped_controls_are_read() {
    let mut bytes = with("Anna", "J@rgen");
    let at = bytes.iter().position(|b| *b == b'J').unwrap() + 1;
    bytes[at] = 0xfc;
    assert_eq!(request(&bytes).headers.from_().unwrap().display.as_deref(), Some("Jürgen"));
    let request = request(&with("Anna", "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f"));
    assert_eq!(request.headers.from_().unwrap().display.as_deref(), Some("BEL:\x07 NUL:\x00 DEL:\x7f"));
}

#[test]
fn headers_that_decide_nothing_may_be_nonsense() {
    for line in [
        "Date: Fri, 01 Jan 2010 16:00:00 EST",
        "Authorization: NoOneKnowsThisScheme opaque-data=here",
        "Warning: 1812 overture \"In Progress",
        "Reason: ;;;",
        "Require: , ,",
        "Subject: <sip:unclosed",
        "X:",
        "P-Asserted-Identity: \"x",
    ] {
        let request = request(&with("Content-Type", &format!("{line}\r\nContent-Type")));
        assert_eq!(request.headers.len(), sound().headers.len() + 1);
    }
}

#[test]
fn responses_are_read_with_any_reason() {
    let status = |line: &str| SOUND.replacen("INVITE sip:600@vaxel.example SIP/2.0", line, 1).into_bytes();
    for (line, code, reason) in [
        ("SIP/2.0 200 = 2**3 * 5**2 \u{d0bd}\u{d0be}", 200, "= 2**3 * 5**2 \u{d0bd}\u{d0be}"),
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 699", 699, ""),
        ("sip/2.0 180 Ringing", 180, "Ringing"),
    ] {
        let response = response(&status(line));
        assert_eq!((response.code, &*response.reason), (code, reason));
    }
    for line in [
        "SIP/2.0 4294967301 better not",
        "SIP/2.0 99 x",
        "SIP/2.0 700 x",
        "SIP/2.0  200 OK",
        "SIP/7.0 200 OK",
        "SIP/2.0 2x0",
    ] {
        assert_eq!(bad(&status(line)).response(), None, "{line}");
    }
    let overlarge = SOUND.replacen("INVITE sip:600@vaxel.example SIP/2.0", "SIP/2.0 503 Busy", 1);
    assert_eq!(bad(overlarge.replace("CSeq: 1", "CSeq: 9292394834772304023312").as_bytes()).response(), None);
}

#[test]
fn invalid_requests_are_answered_with_the_fault() {
    for (old, new, code, reason) in [
        // The start line.
        ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505, "Version Not Supported"),
        ("sip:600@vaxel.example ", "<sip:600@vaxel.example> ", 400, "Bad Request-URI: expected a scheme such as sip:"),
        ("sip:600@vaxel.example ", "sip:600@vaxel.example; lr ", 400, "Bad Request-URI: white space in a URI"),
        ("sip:600@vaxel.example ", " sip:600@vaxel.example ", 400, "Bad Request-URI: white space in a URI"),
        ("sip:600@vaxel.example ", "sip:600@vaxel.example  ", 400, "Bad Request-URI: white space in a URI"),
        ("sip:600@vaxel.example ", "sip:6%0@vaxel.example ", 400, "Bad Request-URI: bad %-escape in a URI"),
        ("sip:600@vaxel.example ", "sip:600@ ", 400, "Bad Request-URI: expected a host"),
        ("sip:600@vaxel.example ", "tel:+1-800-VAXEL ", 400, "Bad Request-URI: expected a telephone number after tel:"),
        ("sip:600@vaxel.example ", "600 ", 400, "Bad Request-URI: expected a scheme such as sip:"),
        // Headers that are missing, twice, or not what they should be.
        ("To: <sip:600@vaxel.example>\r\n", "", 400, "Missing To header"),
        ("From: \"Anna\" <sip:anna@vaxel.example>;tag=17\r\n", "", 400, "Missing From header"),
        ("Call-ID: 4711@192.0.2.7\r\n", "", 400, "Missing Call-ID header"),
        ("CSeq: 1 INVITE\r\n", "", 400, "Missing CSeq header"),
        ("Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK77\r\n", "", 400, "Missing Via header"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nCSeq: 2 INVITE", 400, "More than one CSeq header"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\ni: 4712@h", 400, "More than one Call-ID header"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nt: <sip:601@h>", 400, "More than one To header"),
        ("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 0", 400, "More than one Max-Forwards header"),
        (
            "To: <sip:600@vaxel.example>",
            "To: <sip:600@h>, <sip:601@h>",
            400,
            "Bad To header: expected ';' before a parameter",
        ),
        ("Call-ID: 4711@192.0.2.7", "Call-ID: 4711 192.0.2.7", 400, "Bad Call-ID header: white space"),
        ("Max-Forwards: 70", "Max-Forwards: 256", 400, "Bad Max-Forwards header: expected a number from 0 to 255"),
        ("Max-Forwards: 70", "Expires: 4294967296", 400, "Bad Expires header: expected a number below 2^32"),
        ("CSeq: 1 INVITE", "CSeq: 1 OPTIONS", 400, "CSeq method is not the request's method"),
        ("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE", 400, "Bad CSeq header: expected a number below 2^31"),
        ("CSeq: 1 INVITE", "CSeq: 36893488147419103232 INVITE", 400, "Bad CSeq header: expected a number below 2^31"),
        (";branch=z9hG4bK77", ";;,;,,", 400, "Bad Via header: expected the name of a parameter after ';'"),
        (
            "192.0.2.7:5060;",
            "192.0.2.7:port;",
            400,
            "Bad Via header: expected a port number from 0 to 65535 after the host",
        ),
        ("\"Anna\"", "\"Anna", 400, "Bad From header: quoted string without its end"),
        (
            "<sip:600@vaxel.example>\r\nCall",
            "sip:600@h?Subject=x\r\nCall",
            400,
            "Bad To header: expected '<' and '>' round a URI with '?' or ','",
        ),
        ("<sip:600@vaxel.example>\r\nCall", "< sip:600@h >\r\nCall", 400, "Bad To header: white space in a URI"),
        (
            "<sip:anna@192.0.2.7>",
            "sip:anna@h?Route=%3Csip:x%3E",
            400,
            "Bad Contact header: expected '<' and '>' round a URI with '?' or ','",
        ),
        ("<sip:anna@192.0.2.7>", "*, <sip:a@h>", 400, "Bad Contact header: expected a scheme such as sip:"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nRoute: <sip:a", 400, "Bad Route header: expected '>' after the URI"),
        // Framing.
        ("Content-Length: 5", "Content-Length: 9999", 400, "Body is shorter than Content-Length"),
        ("Content-Length: 5", "Content-Length: -5", 400, "Bad Content-Length"),
        ("Content-Length: 5", "Content-Length: +5", 400, "Bad Content-Length"),
        ("Content-Length: 5", "Content-Length: 5 5", 400, "Bad Content-Length"),
        ("Content-Length: 5", "Content-Length: 5\r\nl: 3", 400, "Bad Content-Length"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nno colon here", 400, "Bad header line 7: expected a name and a colon"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\n: no name", 400, "Bad header line 7: expected a name and a colon"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nBad Name: x", 400, "Bad header line 7: expected a name and a colon"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nX: a\x00b", 400, "Header line 7 holds a control character"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nX: a\rb", 400, "Header line 7 holds a control character"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nX: a\\\rb", 400, "Header line 7 holds a control character"),
        ("\r\n\r\nhello", "\r\n", 400, "Header lines do not end with an empty line"),
    ] {
        let bad = bad(&with(old, new));
        let response = bad.response().unwrap_or_else(|| panic!("no answer to {new}"));
        assert_eq!((response.code, &*response.reason), (code, reason), "{new}");
        let copied = |name: &str| bad.headers().get(name) == response.headers.get(name);
        assert!(copied("Via") && copied("From") && copied("Call-ID") && copied("CSeq"), "{new}");
        // The answer is a message that its receiver can read, unless what must be copied is what is broken.
        let broken_copy = reason.contains("Via")
            || reason.contains("From")
            || reason.contains("To header")
            || reason.contains("Call-ID")
            || reason.contains("CSeq header");
        assert!(broken_copy || Message::parse(&response.to_bytes()).is_ok(), "{reason}");
    }
}

#[test]
fn what_is_no_sip_is_never_answered() {
    for bytes in [
        &b""[..],
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"jaK",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"INVITE sip:a@h\r\n\r\n",
        b"IN\"VITE sip:a@h SIP/2.0\r\n\r\n",
        b"\x80\x60\x00\x01\x00\x00\x00\xa0\xde\xad\xbe\xef",
        b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl",
    ] {
        assert_eq!(bad(bytes).response(), None, "{bytes:?}");
    }
    assert_eq!(bad(b"\r\n\r\n").fault(), &Fault::Empty);
    assert_eq!(bad(SOUND.replace("INVITE", "ACK").replace("CSeq: 1", "CSeq: x").as_bytes()).response(), None);
}

#[test]
fn bounds_are_answered_too() {
    let line = |n: usize| with("CSeq", &format!("X-Long: {}\r\nCSeq", "y".repeat(n)));
    assert_eq!(request(&line(8192)).headers.get("X-Long").unwrap().len(), 8192);
    assert_eq!(bad(&line(8193)).fault(), &Fault::LineTooLong(6));
    let lines = |n: usize| with("CSeq", &format!("{}CSeq", "X: y\r\n".repeat(n)));
    assert_eq!(request(&lines(191)).headers.len(), 199);
    assert_eq!(bad(&lines(192)).response().unwrap().reason, "More than 200 header lines");
    let mut large = SOUND.as_bytes().to_vec();
    large.resize(64 * 1024 + 1, b'x');
    assert_eq!(bad(&large).response().unwrap().code, 513);
    large.pop();
    assert_eq!(request(&large), sound());
    let long_uri = format!("sip:{}@h", "6".repeat(8190));
    assert_eq!(bad(&with("sip:600@vaxel.example", &long_uri)).response().unwrap().code, 414);
}

//! The messages of RFC 4475 and RFC 5118, in words of our own, to the real program, with the answer that each gets.
//!
//! They come from a trunk, so that the answer is about the message and not about who sent it; what only an account may do is
//! signed. `404` is what a sound INVITE gets for a number that nobody has: it was read as meant. Each is followed by a
//! request that must be answered: nothing harms.

use crate::HERE;
use crate::asker::{Ask, Asker, fresh, signature};
use crate::house::{House, PATIENCE, carrier};
use std::fmt::Write as _;
use vaxel::sip::Transport::{self, Tcp, Udp};
use vaxel::sip::{Message, Response};

/// What is to come back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gets {
    Code(u16),
    /// It is a response that belongs to nothing, or cannot be answered.
    Nothing,
    /// Never as it should be: whoever is cut is told why.
    Closed,
    /// Neither an answer nor an end: never as it should be.
    Silence,
}
use Gets::{Closed, Code, Nothing, Silence};

struct Case {
    /// As the RFC names it.
    name: &'static str,
    bytes: Vec<u8>,
    udp: Gets,
    tcp: Gets,
    /// Sent by this agent, who answers the challenge for this address.
    signed: Option<(&'static str, &'static str)>,
}

/// Written short: `START | header | header || body`. `BRANCH` and `ID` become new each time, `PORT` is the sender's, and `VIA`
/// a plain Via.
fn text(short: &str) -> Vec<u8> {
    let (head, body) = short.split_once("||").unwrap_or((short, ""));
    let mut text: String = head
        .split('|')
        .map(|line| format!("{}\r\n", line.strip_prefix(' ').unwrap_or(line).trim_end_matches('\n')))
        .collect();
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

fn case(name: &'static str, udp: Gets, short: &str) -> Case {
    Case { name, bytes: text(short), udp, tcp: udp, signed: None }
}

impl Case {
    fn over_tcp(mut self, tcp: Gets) -> Case {
        self.tcp = tcp;
        self
    }

    /// With bytes in its body that are no text.
    fn binary(mut self) -> Case {
        let at = self.bytes.windows(6).position(|six| six == b"BINARY").expect("there is a place for them");
        self.bytes[at..at + 6].copy_from_slice(&[0x30, 0x82, 0x00, 0xff, 0xfe, 0x0a]);
        self
    }

    fn signed(self) -> Case {
        self.signed_by("anna", "sip:vaxel")
    }

    fn signed_by(mut self, agent: &'static str, uri: &'static str) -> Case {
        self.signed = Some((agent, uri));
        self
    }
}

/// What most of them have in common, without Via.
const REST: &str = "Max-Forwards: 70|From: <sip:caller@example.net>;tag=1|To: <sip:someone@vaxel>|Call-ID: ID|Contact: <sip:caller@example.net>";

fn with_rest(start: &str, method: &str, more: &str) -> String {
    format!(
        "{start}|Via: VIA|{REST}|CSeq: 1 {method}{}{more}",
        if more.is_empty() || more.starts_with("||") { "" } else { "|" }
    )
}

/// What an agent registers, with what answers its challenge.
fn register(uri: &str, contact: &str) -> String {
    format!(
        "REGISTER {uri} SIP/2.0|Via: VIA|Max-Forwards: 70|From: <sip:anna@vaxel>;tag=1|To: <sip:anna@vaxel>|Call-ID: ID|CSeq: 1 REGISTER|AUTH|Contact: {contact}|l: 0"
    )
}

fn sdp(connection: &str) -> String {
    format!("v=0\r\no=- 1 1 {connection}\r\ns=-\r\nc={connection}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n")
}

fn offer(connection: &str) -> String {
    let sdp = sdp(connection);
    format!("Content-Type: application/sdp|Content-Length: {}||{sdp}", sdp.len())
}

/// RFC 4475 §3.1.1: sound, however it looks.
fn sound() -> Vec<Case> {
    let long = |n: usize, word: &str| word.repeat(n);
    let mut long_vias = String::new();
    for n in 0..30 {
        write!(long_vias, "|V: SIP/2.0/TCP host{n}.example.com").expect("memory");
    }
    let tortuous = "INVITE sip:someone@vaxel;unknownparam SIP/2.0|TO :\r\n sip:someone@vaxel ;   tag    = 1918181833n\
        |from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\
        |MaX-fOrWaRdS: 0068|Call-ID: ID|Content-Length   : 150|cseq: 0009\r\n  INVITE|Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2:PORT;branch=BRANCH\
        |s :|NewFangledHeader:   newfangled value\r\n continued newfangled value|UnknownHeaderWithUnusualValue: ;;,,;;,;\
        |Content-Type: application/sdp|Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\
        |v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\
        |m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33||";
    // The To tag would put it into a dialog, of which there is none.
    let untagged = tortuous.replace(" ;   tag    = 1918181833n", "");
    let body = sdp("IN IP4 192.0.2.3");
    let untagged = untagged.replace(": 150", &format!(": {}", body.len()));
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let mut double = text(
        "REGISTER sip:vaxel SIP/2.0|Via: VIA|Max-Forwards: 70|From: <sip:caller@vaxel>;tag=1|To: <sip:caller@vaxel>|Call-ID: ID|CSeq: 1 REGISTER|Content-Length: 0",
    );
    double.extend(text(&with_rest("INVITE sip:joe@vaxel SIP/2.0", "INVITE", "Content-Length: 0")));
    vec![
        case("wsinv", Code(404), &format!("{untagged}{body}")),
        case(
            "intmeth",
            Code(405),
            &with_rest(
                &format!(
                    "{method} sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@vaxel SIP/2.0"
                ),
                method,
                "Content-Length: 0",
            ),
        ),
        case(
            "esc01",
            Code(404),
            &with_rest(
                "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
                "INVITE",
                &offer("IN IP4 192.0.2.1"),
            ),
        ),
        // An account registers itself only, so the user of To is not the RFC's.
        case(
            "escnull",
            Code(200),
            &register("sip:vaxel", "<sip:%00@host5.example.com>|Contact: <sip:%00%00@host5.example.com>|Contact: <sip:null-%00-null@host5.example.com>"),
        )
        .signed(),
        case("esc02", Code(405), &with_rest("RE%47IST%45R sip:vaxel SIP/2.0", "RE%47IST%45R", "Content-Length: 0")),
        case(
            "lwsdisp",
            Code(200),
            &with_rest("OPTIONS sip:user@vaxel SIP/2.0", "OPTIONS", "Content-Length: 0")
                .replace("From: <", "From: caller<"),
        ),
        case(
            "longreq",
            Code(404),
            &with_rest(
                "INVITE sip:user@vaxel SIP/2.0",
                "INVITE",
                &format!(
                    "Unknown-{}Header: unknown-{}-value; unknown-{}-parameter-name = unknown-{}-value{long_vias}|{}",
                    long(20, "Long"),
                    long(25, "long"),
                    long(25, "long"),
                    long(25, "long"),
                    offer("IN IP4 192.0.2.1"),
                ),
            )
            .replace(
                "Contact: <sip:caller",
                &format!(
                    "Contact: \"{}\" <sip:{}",
                    long(40, "I have a user name of extreme proportion "),
                    long(30, "amazinglylongcallername")
                ),
            ),
        ),
        Case { name: "dblreq", bytes: double, udp: Code(401), tcp: Code(401), signed: None },
        case(
            "semiuri",
            Code(200),
            &with_rest(
                "OPTIONS sip:user;par=u%40example.net@vaxel SIP/2.0",
                "OPTIONS",
                "Accept: application/sdp|Content-Length: 0",
            ),
        ),
        case(
            "transports",
            Code(200),
            &with_rest(
                "OPTIONS sip:user@vaxel SIP/2.0",
                "OPTIONS",
                "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKzzxdiwo34sw|Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj|Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en|Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee|l: 0",
            ),
        ),
        case(
            "mpart01",
            Code(405),
            &with_rest("MESSAGE sip:kumiko@vaxel SIP/2.0", "MESSAGE", &{
                let body = "--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\nBINARY\r\n--b--\r\n";
                format!("Content-Type: multipart/mixed;boundary=b|Content-Length: {}||{body}", body.len())
            }),
        )
        .binary(),
        case(
            "unreason",
            Nothing,
            &with_rest("SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}", "INVITE", "Content-Length: 0"),
        ),
        case("noreason", Nothing, &with_rest("SIP/2.0 100 ", "INVITE", "Content-Length: 0")),
    ]
}

/// RFC 4475 §3.1.2: broken.
fn broken() -> Vec<Case> {
    let options = |start: &str| with_rest(start, "OPTIONS", "l: 0");
    let invite = |start: &str| with_rest(start, "INVITE", &offer("IN IP4 192.0.2.1"));
    let plain = "INVITE sip:user@vaxel SIP/2.0";
    vec![
        case(
            "badinv01",
            Code(400),
            &invite(plain).replace("Via: VIA", "Via: VIA;;,;,,").replace("Contact: <", "Contact: \"\" <"),
        ),
        // Over a stream its end is waited for, as long as for any message.
        case("clerr", Code(400), &invite(plain).replace("Content-Length: ", "Content-Length: 9")),
        case("ncl", Code(400), &invite(plain).replace("Content-Length: ", "Content-Length: -")),
        case(
            "scalar02",
            Code(400),
            &with_rest("REGISTER sip:vaxel SIP/2.0", "REGISTER", "Expires: 10000000000000000000000|l: 0")
                .replace("CSeq: 1", "CSeq: 36893488147419103232")
                .replace("Max-Forwards: 70", "Max-Forwards: 300")
                .replace("example.net>|", "example.net>;expires=280297596632815|"),
        ),
        case(
            "scalarlg",
            Nothing,
            &with_rest(
                "SIP/2.0 503 Service Unavailable",
                "INVITE",
                "Retry-After: 949302838503028349304023988|Warning: 1812 overture \"In Progress\"|l: 0",
            )
            .replace("CSeq: 1", "CSeq: 9292394834772304023312"),
        ),
        case(
            "quotbal",
            Code(400),
            &invite(plain).replace("To: <sip:someone@vaxel>", "To: \"Mr. J. User <sip:someone@vaxel>"),
        ),
        case("ltgtruri", Code(400), &invite("INVITE <sip:user@vaxel> SIP/2.0")),
        case("lwsruri", Code(400), &invite("INVITE sip:user@vaxel; lr SIP/2.0")),
        case("lwsstart", Code(400), &invite("INVITE  sip:user@vaxel  SIP/2.0")),
        // §3.1.2.10: to be refused or taken as meant.
        case("trws", Code(200), &options("OPTIONS sip:user@vaxel SIP/2.0  ")),
        // §3.1.2.11: to be refused, or the headers in the URI to be ignored.
        case("escruri", Code(404), &invite("INVITE sip:user@vaxel?Route=%3Csip:example.com%3E SIP/2.0")),
        // §3.1.2.12: whoever does not need the date may ignore it.
        case("baddate", Code(404), &invite(plain).replace("Call-ID", "Date: Fri, 01 Jan 2010 16:00:00 EST|Call-ID")),
        case(
            "regbadct",
            Code(400),
            &with_rest("REGISTER sip:vaxel SIP/2.0", "REGISTER", "l: 0")
                .replace("<sip:caller@example.net>|CSeq", "sip:user@example.com?Route=%3Csip:sip.example.com%3E|CSeq"),
        ),
        case(
            "badaspec",
            Code(400),
            &options("OPTIONS sip:user@vaxel SIP/2.0")
                .replace("To: <sip:someone@vaxel>", "To: \"Watson, Thomas\" < sip:t.watson@vaxel >"),
        ),
        // §3.1.2.15: to be refused or taken as meant.
        case(
            "baddn",
            Code(400),
            &options("OPTIONS sip:user@vaxel SIP/2.0").replace("From: <", "From: Bell, Alexander <"),
        ),
        case("badvers", Code(505), &options("OPTIONS sip:user@vaxel SIP/7.0")),
        case(
            "mismatch01",
            Code(400),
            &options("OPTIONS sip:user@vaxel SIP/2.0").replace("CSeq: 1 OPTIONS", "CSeq: 8 INVITE"),
        ),
        case(
            "mismatch02",
            Code(400),
            &options("NEWMETHOD sip:user@vaxel SIP/2.0").replace("CSeq: 1 OPTIONS", "CSeq: 8 INVITE"),
        ),
        case("bigcode", Nothing, &with_rest("SIP/2.0 4294967301 better not break the receiver", "INVITE", "l: 0")),
    ]
}

/// RFC 4475 §3.2 to §3.4: well formed, and to be thought about.
fn doubtful() -> Vec<Case> {
    let options = |start: &str, more: &str| with_rest(start, "OPTIONS", &format!("{more}l: 0"));
    let user = "OPTIONS sip:user@vaxel SIP/2.0";
    let invite = "INVITE sip:user@vaxel SIP/2.0";
    vec![
        // Matched as RFC 2543 did.
        case("badbranch", Code(200), &options(user, "").replace("branch=BRANCH", "branch=z9hG4bK").replace("Via: VIA", "Via: SIP/2.0/UDP 192.0.2.1:PORT;rport;branch=z9hG4bK")),
        case("insuf", Code(400), "INVITE sip:user@vaxel SIP/2.0|Via: VIA|Max-Forwards: 70|CSeq: 193942 INVITE|Contact: <sip:caller@example.net>|l: 0"),
        case("unkscm", Code(416), &options("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", "")),
        case("novelsc", Code(416), &options("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", "")),
        // What is registered must be a SIP URI.
        case("unksm2", Code(400), &register("sip:vaxel", "<name:John_Smith>").replace("<sip:anna@vaxel>|Call-ID", "isbn:2983792873|Call-ID").replace("<sip:anna@vaxel>;tag=1", "<http://www.example.com>;tag=1")).signed(),
        case("bext01", Code(420), &options(user, "Require: nothingSupportsThis, nothingSupportsThisEither|Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis|")),
        case("invut", Code(415), &with_rest(invite, "INVITE", "Content-Type: application/unknownformat|Content-Length: 9||<audio/>\n")),
        case("regaut01", Code(401), &with_rest("REGISTER sip:vaxel SIP/2.0", "REGISTER", "Authorization: NoOneKnowsThisScheme opaque-data=here|l: 0")),
        case("multi01", Code(400), &with_rest(invite, "INVITE", "CSeq: 59 INVITE|Call-ID: more.than.one|To: <sip:other@vaxel>|From: <sip:other@example.net>;tag=3|Max-Forwards: 5|l: 0")),
        case("mcl01", Code(400), &with_rest(user, "OPTIONS", "Content-Length: 13|Content-Length: 5||There's no way to know")),
        // §3.3.10: its topmost Via is not ours.
        case("bcast", Nothing, &with_rest("SIP/2.0 200 OK", "INVITE", "l: 0").replace("Via: VIA", "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923|Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23")),
        // §3.3.11: only who passes on must look at it.
        case("zeromf", Code(200), &options(user, "").replace("Max-Forwards: 70", "Max-Forwards: 0")),
        case("cparam01", Code(200), &register("sip:vaxel", "sip:+19725552222@gw1.example.net;unknownparam")).signed(),
        case("cparam02", Code(200), &register("sip:vaxel", "<sip:+19725552222@gw1.example.net;unknownparam>")).signed(),
        case("regescrt", Code(200), &register("sip:vaxel", "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>")).signed(),
        case("sdp01", Code(406), &with_rest(invite, "INVITE", &format!("Accept: text/nobodyKnowsThis|{}", offer("IN IP4 192.0.2.1")))),
        // No branch, no tag, no Max-Forwards, no length: over a stream its end could not be known.
        case("inv2543", Code(404), &format!("INVITE sip:UserB@vaxel SIP/2.0|Via: SIP/2.0/UDP iftgw.example.com:PORT|From: <sip:+13035551111@ift.client.example.net;user=phone>|Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>|To: sip:+16505552222@ss1.example.net;user=phone|Call-ID: ID|CSeq: 1 INVITE|Contact: <sip:+13035551111@192.0.2.5>|Content-Type: application/sdp||{}", sdp("IN IP4 192.0.2.1"))).over_tcp(Code(400)),
    ]
}

/// RFC 5118 §4: addresses of IPv6 wherever one may stand.
fn ipv6() -> Vec<Case> {
    // An account has no more than five logins on their way to be judged, so these are not anna's.
    let register = |uri: &str| register(uri, "<sip:anna@[2001:db8::1]>").replace("anna@", "bjorn@");
    // A BYE for a dialog that is not.
    let bye = |more: &str| {
        with_rest("BYE sip:user@[2001:db8::10] SIP/2.0", "BYE", "l: 0")
            .replace("@vaxel>", "@vaxel>;tag=2")
            .replace("Via: VIA", &format!("Via: VIA{more}"))
    };
    let invite =
        |uri: &str, connection: &str| with_rest(&format!("INVITE {uri} SIP/2.0"), "INVITE", &offer(connection));
    let two = {
        let body = format!("{}m=video 9 RTP/AVP 31\r\nc=IN IP6 2001:db8::20\r\n", sdp("IN IP4 192.0.2.1"));
        format!("Content-Type: application/sdp|Content-Length: {}||{body}", body.len())
    };
    vec![
        case("ipv6-good", Code(200), &register("sip:[2001:db8::10]")).signed_by("bjorn", "sip:[2001:db8::10]"),
        case("ipv6-bad", Code(400), &register("sip:2001:db8::10")),
        case("port-ambiguous", Code(200), &register("sip:[2001:db8::10:5070]"))
            .signed_by("bjorn", "sip:[2001:db8::10:5070]"),
        case("port-unambiguous", Code(200), &register("sip:[2001:db8::10]:5070"))
            .signed_by("bjorn", "sip:[2001:db8::10]:5070"),
        case(
            "via-received-param-with-delim",
            Code(481),
            &bye("|Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111"),
        ),
        case(
            "via-received-param-no-delim",
            Code(481),
            &bye("|Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3"),
        ),
        case("ipv6-in-sdp", Code(404), &invite("sip:user@[2001:db8::10]", "IN IP6 2001:db8::20")),
        case(
            "mult-ip-in-header",
            Code(481),
            &bye(
                "|Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKas3|Via: SIP/2.0/TCP [2001:db8::9:0:1]:6050;branch=z9hG4bK2",
            ),
        ),
        case("mult-ip-in-sdp", Code(404), &with_rest("INVITE sip:user@[2001:db8::10] SIP/2.0", "INVITE", &two)),
        case("ipv4-mapped-ipv6", Code(404), &invite("sip:user@[::ffff:192.0.2.10]", "IN IP6 ::ffff:192.0.2.2")),
        case(
            "ipv6-bug-abnf-3-colons",
            Code(200),
            &with_rest("OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0", "OPTIONS", "l: 0"),
        ),
        case(
            "ipv6-correct-abnf-2-colons",
            Code(200),
            &with_rest("OPTIONS sip:user@[2001:db8::192.0.2.1] SIP/2.0", "OPTIONS", "l: 0"),
        ),
    ]
}

/// The bytes with everything filled in that differs from time to time.
fn filled(case: &Case, asker: &Asker, authorization: &str) -> Vec<u8> {
    let via = format!("SIP/2.0/{} 192.0.2.1:PORT;rport;branch=BRANCH", asker.transport.name());
    let port = asker.local.port().to_string();
    let mut bytes = case.bytes.clone();
    let id = fresh();
    for (mark, text) in [
        ("AUTH\r\n", authorization),
        ("VIA", &via),
        ("BRANCH", &format!("z9hG4bK{id}")),
        ("Call-ID: ID", &format!("Call-ID: {id}")),
        ("PORT", &port),
    ] {
        while let Some(at) = bytes.windows(mark.len()).position(|window| window == mark.as_bytes()) {
            bytes.splice(at..at + mark.len(), text.bytes());
        }
    }
    bytes
}

/// What comes back first.
fn first(asker: &mut Asker, control: &str) -> Gets {
    let is_control = |response: &Response| response.headers.get("Call-ID") == Some(control);
    loop {
        match asker.next(PATIENCE) {
            Some(Message::Response(response)) if is_control(&response) => return Nothing,
            Some(Message::Response(response)) if response.is_final() => return Code(response.code),
            Some(_) => {}
            None if asker.is_closed() => return Closed,
            None => return Silence,
        }
    }
}

fn play(house: &House, transport: Transport, case: &Case) -> Gets {
    let home = if case.signed.is_some() { HERE } else { carrier(true) };
    let mut asker = Asker::new(transport, home, house.sip(transport, true));
    let authorization = if let Some((agent, uri)) = case.signed {
        let ask = Ask::new("REGISTER", uri, agent);
        signature(&asker.challenge(&ask), &ask, agent, &house.password(agent), 1)
    } else {
        String::new()
    };
    asker.send(&filled(case, &asker, &authorization));
    let expected = if transport == Udp { case.udp } else { case.tcp };
    let options = asker.write(&Ask::new("OPTIONS", "sip:vaxel", "caller"));
    let id = crate::asker::read(&options).headers.call_id().expect("we wrote one").to_owned();
    // Where no answer is expected, that of another request shows that none came.
    if expected == Nothing {
        asker.send(options.as_bytes());
    }
    let got = first(&mut asker, &id);
    let mut control = Asker::new(transport, carrier(true), house.sip(transport, true));
    let text = control.write(&Ask::new("OPTIONS", "sip:vaxel", "caller"));
    assert_eq!(control.ask(&text).code, 200, "after {}", case.name);
    got
}

/// The codes of all final answers before the control's.
fn all(asker: &mut Asker, control: &str) -> Vec<u16> {
    std::iter::from_fn(|| match first(asker, control) {
        Code(code) => Some(code),
        Nothing => None,
        other => panic!("{other:?} before the control is answered"),
    })
    .collect()
}

#[test]
fn what_stands_behind_a_request_is_another_one_in_a_stream_and_nothing_in_a_datagram() {
    let house = House::new();
    let cases = sound();
    let double = cases.iter().find(|case| case.name == "dblreq").expect("it is there");
    for (transport, codes) in [(Udp, vec![401]), (Tcp, vec![401, 404])] {
        let mut asker = Asker::new(transport, carrier(true), house.sip(transport, true));
        asker.send(&filled(double, &asker, ""));
        let options = asker.write(&Ask::new("OPTIONS", "sip:vaxel", "caller"));
        asker.send(options.as_bytes());
        let id = crate::asker::read(&options).headers.call_id().expect("we wrote one").to_owned();
        assert_eq!(all(&mut asker, &id), codes, "{}", transport.name());
    }
}

#[test]
fn the_messages_of_rfc_4475_and_5118_are_answered_as_they_say() {
    let house = House::new();
    let of_4475: Vec<Case> = sound().into_iter().chain(broken()).chain(doubtful()).collect();
    let of_5118 = ipv6();
    assert_eq!((of_4475.len(), of_5118.len()), (49, 12));
    let cases: Vec<Case> = of_4475.into_iter().chain(of_5118).collect();
    let mut table = String::new();
    let mut others = 0;
    for transport in [Udp, Tcp] {
        // Half a message is waited for; the others need not wait for that.
        let results: Vec<Gets> = std::thread::scope(|scope| {
            let played: Vec<_> = cases.iter().map(|case| scope.spawn(|| play(&house, transport, case))).collect();
            played.into_iter().map(|thread| thread.join().expect("it survives")).collect()
        });
        for (case, got) in cases.iter().zip(results) {
            let expected = if transport == Udp { case.udp } else { case.tcp };
            let note = if got == expected { "" } else { "  <-- not as expected" };
            writeln!(table, "{:<5} {:<30} {got:?}{note}", transport.name(), case.name).expect("memory");
            others += usize::from(got != expected);
        }
    }
    println!("{table}");
    assert_eq!(others, 0, "{others} of {} are answered otherwise:\n{table}", 2 * cases.len());
    assert_eq!(house.get("/healthz").0, 200);
}

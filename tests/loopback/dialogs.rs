//! Whom a talk is with, and others who know its tags.

use crate::HERE;
use crate::asker::{Ask, Asker, fresh, read, signature};
use crate::contact::SDP;
use crate::house::{House, carrier};
use std::net::IpAddr;
use vaxel::sip::Transport::{self, Tcp, Udp};
use vaxel::sip::digest::Challenge;
use vaxel::sip::{Request, Response};

/// Where no router lets anybody in.
const CONTACT: &str = "<sip:anna@192.0.2.77:5060>;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\"";

/// A phone of anna's, written by hand.
struct Phone {
    asker: Asker,
    password: String,
}

impl Phone {
    fn new(house: &House, transport: Transport, home: IpAddr) -> Phone {
        let asker = Asker::new(transport, home, house.sip(transport, true));
        Phone { asker, password: house.password("anna") }
    }

    /// Is challenged and answers.
    fn signs(&mut self, method: &str, uri: &str, body: &str) -> (Request, Response) {
        let ask = Ask { to: if method == "REGISTER" { "anna" } else { "300" }, ..Ask::new(method, uri, "anna") };
        let challenge = self.asker.challenge(&ask);
        let more = signature(&challenge, &ask, "anna", &self.password, 1);
        let plain = self.asker.write(&Ask { more: &more, ..ask });
        let text = with_body(&plain, body).replace(&format!("<sip:anna@{}>", self.asker.local), CONTACT);
        (read(&text), self.asker.ask(&text))
    }

    fn registers(&mut self) {
        assert_eq!(self.signs("REGISTER", "sip:vaxel", "").1.code, 200);
    }

    fn calls(&mut self) -> Talk {
        let (invite, ok) = self.signs("INVITE", "sip:300@vaxel", SDP);
        assert_eq!(ok.code, 200, "{}", ok.reason);
        let talk = Talk::of(&ok);
        assert_eq!(invite.headers.get("Call-ID"), Some(talk.call_id.as_str()));
        let ack = talk.request(&self.asker, "ACK", 1, "");
        self.asker.send(ack.as_bytes());
        talk
    }
}

fn with_body(text: &str, body: &str) -> String {
    if body.is_empty() {
        return text.to_owned();
    }
    let head = text.strip_suffix("Content-Length: 0\r\n\r\n").expect("it has no body");
    format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

struct Talk {
    call_id: String,
    from: String,
    to: String,
}

impl Talk {
    fn of(ok: &Response) -> Talk {
        let of = |name: &str| ok.headers.get(name).expect("it is in every answer").to_owned();
        Talk { call_id: of("Call-ID"), from: of("From"), to: of("To") }
    }

    /// A request inside it, from whoever that is.
    fn request(&self, asker: &Asker, method: &str, number: u32, more: &str) -> String {
        let (via, at, branch) = (asker.transport.name(), asker.local, fresh());
        let Talk { call_id, from, to } = self;
        format!(
            "{method} sip:300@vaxel SIP/2.0\r\nVia: SIP/2.0/{via} {at};rport;branch=z9hG4bK{branch}\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\nContact: <sip:x@{at}>\r\n{more}\
             Content-Length: 0\r\n\r\n"
        )
    }
}

/// Anybody.
fn stranger(house: &House) -> Asker {
    Asker::new(Udp, [127, 0, 0, 99].into(), house.sip(Udp, true))
}

/// Asks each of these and gives the codes of their answers.
fn tries(talk: &Talk, thief: &mut Asker) -> Vec<u16> {
    let refer = "Refer-To: <sip:+46812340000@127.0.0.1>\r\n";
    let all = [("INVITE", ""), ("UPDATE", ""), ("REFER", refer), ("INFO", ""), ("BYE", "")];
    let texts = all.into_iter().enumerate();
    texts.map(|(n, (method, more))| thief.ask(&talk.request(thief, method, 2 + n as u32, more)).code).collect()
}

#[test]
fn who_knows_the_tags_of_a_talk_and_is_elsewhere_does_nothing_with_it() {
    let house = House::new();
    for transport in [Udp, Tcp] {
        let mut phone = Phone::new(&house, transport, HERE);
        phone.registers();
        let talk = phone.calls();
        let mut thief = stranger(&house);
        let before = house.metrics()["vaxel_sip_strayed_total"];
        assert_eq!(tries(&talk, &mut thief), [401; 5]);
        // By the phone's own address, if that speaks by a connection.
        let mut beside = Asker::new(Udp, HERE, house.sip(Udp, true));
        let bye = talk.request(&beside, "BYE", 9, "");
        let more = if transport == Tcp { 6.0 } else { 5.0 };
        if transport == Tcp {
            assert_eq!(beside.ask(&bye).code, 401);
        }
        house.wait_for_metric("vaxel_sip_strayed_total", before + more);
        // The talk goes on, and the phone itself is heard; by UDP also when its router has given it another port.
        let (asker, number) = (&mut phone.asker, 20);
        let options = talk.request(asker, "OPTIONS", number, "");
        assert_eq!(asker.ask(&options).code, 200);
        let asker = if transport == Udp { &mut beside } else { &mut phone.asker };
        let bye = talk.request(asker, "BYE", number + 1, "");
        assert_eq!(asker.ask(&bye).code, 200);
    }
}

#[test]
fn a_phone_in_another_network_is_heard_with_its_password_and_nobody_with_a_wrong_one() {
    let house = House::new();
    let mut phone = Phone::new(&house, Udp, HERE);
    phone.registers();
    let talk = phone.calls();
    let mut thief = stranger(&house);
    let sign = |asker: &mut Asker, user: &str, password: &str, number: u32| {
        let plain = talk.request(asker, "BYE", number, "");
        let challenge = Challenge::parse(asker.ask(&plain).headers.get("WWW-Authenticate").expect("it is asked"));
        let ask = Ask::new("BYE", "sip:300@vaxel", user);
        let line = signature(&challenge.expect("it can be read"), &ask, user, password, 1);
        let signed = talk.request(asker, "BYE", number + 1, &line);
        asker.ask(&signed).code
    };
    let colleague = house.password("bjorn");
    assert_eq!(sign(&mut thief, "bjorn", &colleague, 2), 401, "the talk is not his");
    for n in 0..3 {
        assert_eq!(sign(&mut thief, "anna", "wrong", 10 + 2 * n), 403);
    }
    assert_eq!(sign(&mut thief, "anna", &house.password("anna"), 20), 403, "whoever it is has guessed enough");
    let bye = talk.request(&phone.asker, "BYE", 30, "");
    assert_eq!(phone.asker.ask(&bye).code, 200);

    let talk = phone.calls();
    let mut elsewhere = Asker::new(Udp, [127, 0, 0, 98].into(), house.sip(Udp, true));
    let bye = talk.request(&elsewhere, "BYE", 2, "");
    let challenge = elsewhere.ask(&bye);
    let challenge = Challenge::parse(challenge.headers.get("WWW-Authenticate").expect("it is asked"));
    let ask = Ask::new("BYE", "sip:300@vaxel", "anna");
    let line = signature(&challenge.expect("it can be read"), &ask, "anna", &house.password("anna"), 1);
    let bye = talk.request(&elsewhere, "BYE", 3, &line);
    assert_eq!(elsewhere.ask(&bye).code, 200);
    house.wait_for_metric(r#"vaxel_calls_ended_total{by="caller"}"#, 2.0);
}

#[test]
fn a_call_of_a_trunk_is_heard_from_its_addresses_alone() {
    let house = House::new();
    let mut trunk = Asker::new(Udp, carrier(true), house.sip(Udp, true));
    let calls = |trunk: &mut Asker, more: &str| {
        let invite = trunk.write(&Ask { to: "300", more, ..Ask::new("INVITE", "sip:300@vaxel", "+46701234567") });
        let talk = Talk::of(&trunk.ask(&with_body(&invite, SDP)));
        let ack = talk.request(trunk, "ACK", 1, "");
        trunk.send(ack.as_bytes());
        talk
    };
    let talk = calls(&mut trunk, "");
    assert_eq!(tries(&talk, &mut stranger(&house)), [481; 5]);
    house.wait_for_metric("vaxel_sip_strayed_total", 5.0);
    // Another of its machines, by TCP.
    let mut other = Asker::new(Tcp, carrier(true), house.sip(Tcp, true));
    let bye = talk.request(&other, "BYE", 9, "");
    assert_eq!(other.ask(&bye).code, 200);
    // One whose proxies have names may have them anywhere.
    let talk = calls(&mut trunk, "Record-Route: <sip:edge.carrier.example;lr>\r\n");
    let mut anywhere = stranger(&house);
    let bye = talk.request(&anywhere, "BYE", 9, "");
    assert_eq!(anywhere.ask(&bye).code, 200);
}

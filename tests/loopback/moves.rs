//! Phones whose connections break and are replaced, while something rings.

use crate::asker::{Ask, Asker};
use crate::house::{House, PATIENCE};
use crate::person::{Person, until};
use crate::{HERE, caller_in_line};
use std::time::Duration;
use vaxel::sim::PhoneEvent;
use vaxel::sip::Transport::{self, Tcp, Udp};
use vaxel::sip::{Message, Method, Request, Response};

const OFFLINE: &str = r#"vaxel_agents{state="offline"}"#;
const INVITES: &str = r#"vaxel_sip_messages_total{direction="sent",kind="INVITE"}"#;
const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

/// How often an offer of the queue ended so.
fn offers(house: &House, outcome: &str) -> f64 {
    house.metrics().get(&format!("vaxel_offers_total{{outcome=\"{outcome}\",queue=\"sales\"}}")).copied().unwrap_or(0.0)
}

/// The phone of an agent who is there.
fn registered(house: &House, transport: Transport, agent: &str) -> Person {
    let mut phone = Person::new(transport, HERE, house.sip(transport, true), agent, Some(house.password(agent)));
    registers(&mut phone);
    phone
}

fn registers(phone: &mut Person) {
    phone.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [phone], 0, |event| *event == PhoneEvent::Registered);
}

#[test]
fn who_called_by_a_connection_that_broke_hears_the_refusal_by_the_next() {
    let house = House::new();
    let mut anna = registered(&house, Tcp, "anna");
    let mut bjorn = registered(&house, Udp, "bjorn");
    anna.does(|phone, now| phone.call(now, "202"));
    until(&mut [&mut anna, &mut bjorn], 0, |event| *event == PhoneEvent::Ringing);
    anna.moves();
    house.wait_until(OFFLINE, |offline| offline == 1.0, || bjorn.turn());
    bjorn.does(|phone, now| phone.decline(now, 486));
    house.wait_until(r#"vaxel_calls_ended_total{by="system"}"#, |ended| ended == 1.0, || bjorn.turn());
    anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [&mut anna, &mut bjorn], 0, |event| *event == PhoneEvent::Failed { code: 486 });
}

#[test]
fn a_phone_that_comes_back_while_it_rings_rings_on_as_the_same_call() {
    let house = House::new();
    let mut anna = registered(&house, Tcp, "anna");
    let mut caller = caller_in_line(house.sip(Udp, true));
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    anna.moves();
    registers(&mut anna);
    anna.does(|phone, now| phone.answer(now));
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    house.wait_for_metric(r#"vaxel_agents{state="talking"}"#, 1.0);
    assert_eq!((house.metrics()[INVITES], offers(&house, "accepted"), offers(&house, "unreachable")), (1.0, 1.0, 0.0));
    caller.does(|phone, now| phone.hang_up(now));
    until(&mut [&mut anna, &mut caller], 0, |event| *event == PhoneEvent::Ended);
}

#[test]
fn a_phone_that_comes_back_too_late_rings_no_more_and_is_rung_anew() {
    let house = House::new();
    let mut anna = registered(&house, Tcp, "anna");
    let mut caller = caller_in_line(house.sip(Udp, true));
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    anna.moves();
    house.wait_until(OFFLINE, |offline| offline == 2.0, || caller.turn());
    assert_eq!(offers(&house, "unreachable"), 1.0);
    registers(&mut anna);
    until(&mut [&mut anna, &mut caller], 0, |event| *event == PhoneEvent::StoppedRinging);
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    anna.does(|phone, now| phone.answer(now));
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
}

/// One of two flows of Anna's phone (RFC 5626).
struct Flow(Asker);

impl Flow {
    fn new(house: &House, number: u8) -> Flow {
        let mut wire = Asker::new(Tcp, HERE, house.sip(Tcp, true));
        let instance = "<urn:uuid:00000000-0000-1000-8000-000a95a0e128>";
        let more = format!(
            "Contact: <sip:anna@{};transport=tcp>;+sip.instance=\"{instance}\";reg-id={number}\r\nSupported: outbound\r\n",
            wire.local
        );
        let register = Ask { more: &more, ..Ask::new("REGISTER", "sip:vaxel", "anna") };
        assert_eq!(wire.sign(&register, "anna", &house.password("anna")).code, 200);
        Flow(wire)
    }

    fn gets(&mut self, method: Method) -> Request {
        match self.0.next(PATIENCE) {
            Some(Message::Request(request)) if request.method == method => request,
            other => panic!("{method} was to come, not {other:?}"),
        }
    }

    fn answers(&mut self, request: &Request, code: u16) {
        let mut answer = Response::to(request, code, None);
        answer.set_to_tag("anna");
        answer.headers.push("Contact", format!("<sip:anna@{};transport=tcp>", self.0.local));
        if (request.method.clone(), code) == (Method::Invite, 200) {
            answer.set_body("application/sdp", SDP.to_vec());
        }
        assert!(self.0.send(&answer.to_bytes()));
    }
}

#[test]
fn what_rings_by_a_flow_that_is_lost_goes_on_by_the_other_or_rings_anew_if_the_phone_knows_nothing_of_it() {
    for knows in [true, false] {
        let house = House::new();
        let (mut first, mut second) = (Flow::new(&house, 1), Flow::new(&house, 2));
        let mut caller = caller_in_line(house.sip(Udp, true));
        // By that which was registered last.
        let invite = second.gets(Method::Invite);
        second.answers(&invite, 180);
        house.wait_until(
            r#"vaxel_sip_messages_total{direction="received",kind="1xx"}"#,
            |some| some > 0.0,
            || caller.turn(),
        );
        drop(second);
        let options = first.gets(Method::Options);
        assert_eq!(options.headers.call_id(), invite.headers.call_id());
        first.answers(&options, if knows { 200 } else { 481 });
        let rings = if knows {
            invite
        } else {
            let cancel = first.gets(Method::Cancel);
            assert_eq!(cancel.headers.get("Via"), invite.headers.get("Via"));
            first.answers(&cancel, 481);
            let anew = first.gets(Method::Invite);
            assert_ne!(anew.headers.call_id(), invite.headers.call_id());
            anew
        };
        first.answers(&rings, 200);
        assert_eq!(first.gets(Method::Ack).headers.call_id(), rings.headers.call_id());
        house.wait_until(r#"vaxel_agents{state="talking"}"#, |talking| talking == 1.0, || caller.turn());
        assert_eq!((offers(&house, "accepted"), offers(&house, "unreachable")), (1.0, 0.0));
        caller.does(|phone, now| phone.hang_up(now));
        let bye = first.gets(Method::Bye);
        first.answers(&bye, 200);
    }
}

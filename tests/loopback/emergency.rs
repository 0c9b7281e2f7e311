//! Calls for help that name the service and no number (RFC 5031).

use crate::contact::{bind, next_call, next_request, refuse};
use crate::house::{House, carrier};
use crate::person::{Person, until};
use crate::{HERE, exchange, request};
use std::collections::BTreeSet;
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::Udp;
use vaxel::sip::body::{Enclosed, LOCATION};
use vaxel::sip::{Headers, Message};

#[test]
fn an_agent_who_calls_the_service_for_emergencies_reaches_it_and_a_trunk_is_refused_like_by_number() {
    let help = bind([127, 0, 0, 88]);
    let at = help.local_addr().expect("a bound socket");
    let house = House::with(&format!("\n[[trunks]]\nname = \"help\"\nto = \"udp:{at}\"\nemergency = true\n"));
    let server = house.sip(Udp, true);
    let by_trunk = |uri: &str| {
        let invite = request("INVITE", Udp).replace("INVITE sip:300@vaxel", &format!("INVITE {uri}"));
        exchange(Udp, carrier(true), server, invite.as_bytes())
    };
    for uri in ["urn:service:sos", "URN:Service:SOS.police"] {
        let answer = by_trunk(uri);
        assert!(answer.starts_with("SIP/2.0 404 "), "{uri}: {answer}");
    }
    house.wait_for_metric(r#"vaxel_calls_refused_total{reason="emergency_number"}"#, 2.0);
    for uri in ["urn:service:sosx", "urn:service:counseling", "urn:isbn:0"] {
        let answer = by_trunk(uri);
        assert!(answer.starts_with("SIP/2.0 416 "), "{uri}: {answer}");
    }
    let mut anna = Person::new(Udp, HERE, server, "anna", Some(house.password("anna")));
    anna.does(|phone, now| phone.call_to(now, "urn:service:sos.ambulance".parse().expect("a URI")));
    let (invite, _) = next_request(&help, "INVITE", &mut anna);
    assert!(invite.starts_with("INVITE sip:112@"), "{invite}");
}

#[test]
fn where_an_agent_is_goes_on_with_the_emergency_call_and_with_no_other() {
    let help = bind([127, 0, 0, 89]);
    let at = help.local_addr().expect("a bound socket");
    let more = format!("\n[[trunks]]\nname = \"help\"\nto = \"udp:{at}\"\nemergency = true\ntakes = [\"+\"]\n");
    let house = House::with(&format!("{more}\n[every_agent]\nout = {{ allowed = [\"+\"] }}\n"));
    let mut anna = Person::new(Udp, HERE, house.sip(Udp, true), "anna", Some(house.password("anna")));
    let xml = b"<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:anna@here\"/>";
    let place = Enclosed { content_type: LOCATION.into(), id: "<anna@here>".into(), bytes: xml.to_vec() };
    let mut seen = BTreeSet::new();
    for (uri, is_told) in [("urn:service:sos", true), ("sip:112@vaxel", true), ("sip:+46701234567@vaxel", false)] {
        let mut headers = Headers::new();
        headers.push("Geolocation", "<cid:anna@here>");
        headers.push("Geolocation-Routing", "no");
        let uri = uri.parse().expect("a URI");
        anna.does(|phone, now| phone.call_saying(now, uri, headers, vec![place.clone()]));
        let (invite, from) = next_call(&help, &mut anna, &mut seen);
        let message = Message::parse(invite.as_bytes()).expect("what vaxel writes can be read");
        assert!(message.description().starts_with(b"v=0\r\n"), "{invite}");
        let told = ["Geolocation: <cid:anna@here>", "Geolocation-Routing: no", "Content-ID: <anna@here>", "<presence "];
        for part in told {
            assert_eq!(invite.contains(part), is_told, "{part} in {invite}");
        }
        // A carrier that cannot read where she is gets her call without.
        let (invite, from) = if is_told {
            refuse(&help, &invite, from, "415 Unsupported Media Type");
            let (invite, from) = next_call(&help, &mut anna, &mut seen);
            assert!(!invite.contains("Geolocation") && invite.contains("\r\n\r\nv=0\r\n"), "{invite}");
            (invite, from)
        } else {
            (invite, from)
        };
        refuse(&help, &invite, from, "486 Busy Here");
        until(&mut [&mut anna], 0, |event| matches!(event, PhoneEvent::Failed { .. }));
    }
}

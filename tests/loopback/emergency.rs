//! Calls for help that name the service and no number (RFC 5031).

use crate::contact::{bind, next_request};
use crate::house::{House, carrier};
use crate::person::Person;
use crate::{HERE, exchange, request};
use vaxel::sip::Transport::Udp;

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

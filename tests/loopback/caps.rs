//! What agents and trunks have used up of their caps.

use crate::HERE;
use crate::contact::{bind, next_request};
use crate::house::House;
use crate::person::{Person, until};
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::Udp;
use vaxel::sip::{Message, Response};

#[test]
fn a_restart_gives_back_no_call_of_the_hour() {
    let carrier = bind([127, 0, 0, 89]);
    let mut house = House::with(&format!(
        "\n[[trunks]]\nname = \"out\"\nto = \"udp:{}\"\ntakes = [\"+\"]\n[every_agent]\nout = {{ calls_per_hour = 1 }}\n",
        carrier.local_addr().expect("a bound socket")
    ));
    let anna_calls = |house: &House| {
        let mut anna = Person::new(Udp, HERE, house.sip(Udp, true), "anna", Some(house.password("anna")));
        anna.does(|phone, now| phone.call(now, "+46701234567"));
        anna
    };
    let refused = |anna: &mut Person, with: u16| {
        until(&mut [anna], 0, |event| matches!(event, PhoneEvent::Failed { code } if *code == with));
    };
    let mut anna = anna_calls(&house);
    let (invite, from) = next_request(&carrier, "INVITE", &mut anna);
    let Ok(Message::Request(invite)) = Message::parse(invite.as_bytes()) else { panic!("{invite}") };
    let mut busy = Response::to(&invite, 486, None);
    busy.set_to_tag("far");
    carrier.send_to(&busy.to_bytes(), from).expect("loopback takes it");
    refused(&mut anna, 486);
    refused(&mut anna_calls(&house), 403);
    house.restart();
    refused(&mut anna_calls(&house), 403);
    house.wait_for_metric(r#"vaxel_calls_out_refused_total{reason="calls_per_hour"}"#, 1.0);
}

//! What agents and trunks have used up of their caps, and how many calls one account may have.

use crate::HERE;
use crate::contact::{bind, next_request};
use crate::house::{House, carrier};
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

#[test]
fn an_account_at_its_calls_is_busy_and_a_carrier_still_gets_in() {
    let house = House::with("\n[limits]\ncalls = 4\n[every_agent]\ncalls = 3\n");
    let password = house.password("bjorn");
    let calls = |user: &str, home, password: Option<String>| {
        let mut person = Person::new(Udp, home, house.sip(Udp, true), user, password);
        person.does(|phone, now| phone.call(now, "300"));
        person
    };
    let bjorn_calls = || calls("bjorn", HERE, Some(password.clone()));
    let answered = |event: &PhoneEvent| matches!(event, PhoneEvent::Connected { .. });
    let mut up: Vec<Person> = Vec::new();
    for _ in 0..3 {
        let mut bjorn = bjorn_calls();
        until(&mut [&mut bjorn], 0, answered);
        up.push(bjorn);
    }
    until(&mut [&mut bjorn_calls()], 0, |event| *event == PhoneEvent::Failed { code: 486 });
    house.wait_for_metric(r#"vaxel_calls_refused_total{reason="agent_full"}"#, 1.0);
    let mut caller = calls("+46701", carrier(true), None);
    until(&mut [&mut caller], 0, answered);
    caller.does(|phone, now| phone.hang_up(now));
    up[0].does(|phone, now| phone.hang_up(now));
    house.wait_until("vaxel_calls", |calls| calls == 2.0, || caller.turn());
    until(&mut [&mut bjorn_calls()], 0, answered);
}

//! Phones whose connections break and are replaced, while something rings.

use crate::HERE;
use crate::house::House;
use crate::person::{Person, until};
use std::time::Duration;
use vaxel::sim::PhoneEvent;
use vaxel::sip::Transport::{self, Tcp, Udp};

const OFFLINE: &str = r#"vaxel_agents{state="offline"}"#;

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

//! How long it takes: what a caller hears of it from the real program, what is scraped meanwhile, and what stands in the record.

use crate::HERE;
use crate::house::{Folder, House, carrier};
use crate::person::{Person, until};
use std::time::Duration;
use vaxel::sim::PhoneEvent;
use vaxel::sip::Transport::Udp;

const FLOW: &str = "flow: sales
languages: [en]
start: line
steps:
  line:
    queue:
      name: sales
      while_waiting: { music: calm, announce: { position: true, estimate: true, first: 1s, every: 60s } }
      failed: hangup
";

#[test]
fn what_a_caller_is_told_is_scraped_compared_with_the_wait_and_recorded() {
    let flows = Folder::new();
    std::fs::write(flows.0.join("sales.yaml"), FLOW).expect("a flow");
    let mut house = House::with(&format!("\n[flows]\nfolder = \"{}\"\n", flows.0.display()));
    let server = house.sip(Udp, true);
    let estimate = |house: &House| {
        let scraped = house.metrics();
        let of = |end| scraped.get(&format!(r#"vaxel_queue_estimate_{end}_seconds{{queue="sales"}}"#)).copied();
        (of("lower"), of("upper"))
    };
    assert_eq!(estimate(&house), (None, None), "nobody is there, and nothing is known");
    let mut anna = Person::new(Udp, HERE, server, "anna", Some(house.password("anna")));
    anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Registered);
    house.wait_for_metric(r#"vaxel_agents{state="ready"}"#, 1.0);
    assert_eq!(estimate(&house), (Some(0.0), Some(60.0)), "Anna is free");

    let mut caller = Person::new(Udp, carrier(true), server, "+46701234567", None);
    caller.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    let told = r#"vaxel_queue_estimates_total{answer="told",queue="sales"}"#;
    house.wait_until(
        told,
        |told| told == 1.0,
        || {
            caller.turn();
            anna.turn();
        },
    );
    assert_eq!(estimate(&house), (None, None), "nobody is free, and nothing is known of the line");
    anna.does(|phone, now| phone.answer(now));
    house.wait_for_metric(r#"vaxel_queue_told_total{queue="sales",result="right"}"#, 1.0);
    caller.does(|phone, now| phone.hang_up(now));
    until(&mut [&mut anna, &mut caller], 0, |event| *event == PhoneEvent::Ended);
    house.wait_for_metric(r#"vaxel_queue_handled_total{queue="sales"}"#, 1.0);
    let scraped = house.metrics();
    for (series, value) in [
        (r#"vaxel_queue_exits_in_service_level_total{exit="answered",queue="sales"}"#, 1.0),
        (r#"vaxel_queue_told_error_ratio_count{queue="sales"}"#, 1.0),
        (r#"vaxel_queue_estimates_total{answer="unsure",queue="support"}"#, 0.0),
        (r#"vaxel_queue_estimator_samples{estimator="head_of_line",queue="sales"}"#, 0.0),
        (r#"vaxel_queue_estimator_spoken{estimator="queue_length",queue="support"}"#, 0.0),
    ] {
        assert_eq!(scraped.get(series), Some(&value), "{series}");
    }
    assert!(scraped[r#"vaxel_queue_talk_seconds_total{queue="sales"}"#] > 0.0);
    house.close();
    let records = house.records();
    let [record] = &records[..] else { panic!("one call, one record") };
    let told: Vec<_> = record.waits[0].told.iter().map(|told| (told.from_minutes, told.to_minutes)).collect();
    assert_eq!(told, [(0, Some(1))]);
}

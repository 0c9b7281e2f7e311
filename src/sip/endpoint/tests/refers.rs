//! REFER and its NOTIFYs (RFC 3515), between whole endpoints; which dialog a Replaces names (RFC 3891).

use crate::sip::endpoint::{Event, InviteId, Standing, Transport};
use crate::sip::headers::Replaces;
use crate::sip::message::{Message, Response};
use crate::sip::testing::{Weather, World, invited, ms};

/// Node 0 calls node 1, which answers; gives both usages.
fn in_call(world: &mut World) -> (InviteId, InviteId) {
    let invitation = world.invitation(0);
    let a = world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.run_for(ms(30));
    let b = invited(&world.take_events(1)).expect("it rings");
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    world.run_for(ms(100));
    world.take_events(0);
    world.take_events(1);
    (a, b)
}

fn calm() -> World {
    World::new(1, Transport::Udp, Weather::CALM)
}

fn headers_of(world: &World, method: &str, header: &str) -> Vec<String> {
    let requests = world.sent.iter().filter_map(|(_, _, message)| match message {
        Message::Request(request) if request.method.as_str() == method => request.headers.get(header),
        _ => None,
    });
    requests.map(str::to_string).collect()
}

#[test]
fn a_referrer_is_told_step_by_step_and_the_call_goes_on() {
    let mut world = calm();
    let (a, b) = in_call(&mut world);
    world.act(1, |endpoint, now| endpoint.refer(now, b, "<sip:201@192.0.2.1>", &[("Referred-By", "<sip:b@h>")]));
    world.run_for(ms(30));
    let events = world.take_events(0);
    let [Event::Refer { id, refer, request }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((*id, request.headers.get("Referred-By")), (a, Some("<sip:b@h>")));
    let number = request.headers.cseq().unwrap().0;
    let refer = *refer;
    world.act(0, |endpoint, now| {
        endpoint.accept_refer(now, a, refer, true);
        for code in [100, 180, 486] {
            endpoint.notify_refer(now, a, number, code);
        }
    });
    world.run_for(ms(100));
    let told = world.take_events(1);
    let codes: Vec<u16> = told
        .iter()
        .map(|event| match event {
            Event::ReferAnswered { code, .. } | Event::ReferProgress { code, .. } => *code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [202, 100, 180, 486]);
    let states = headers_of(&world, "NOTIFY", "Subscription-State");
    assert_eq!(states, ["active;expires=300", "active;expires=300", "terminated;reason=noresource"]);
    assert!(headers_of(&world, "NOTIFY", "Event").iter().all(|event| *event == format!("refer;id={number}")));
    assert!(headers_of(&world, "NOTIFY", "Content-Type").iter().all(|t| t == "message/sipfrag;version=2.0"));
    assert_eq!(world.count(1, "200 NOTIFY"), 3);
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    // The subscription ends with the dialog.
    world.act(0, |endpoint, now| endpoint.notify_refer(now, a, number, 200));
    world.run_out();
    assert_eq!(world.count(0, "NOTIFY"), 3);
    world.assert_empty();
}

#[test]
fn who_wants_no_notify_is_told_that_there_will_be_none_and_a_refusal_is_only_an_answer() {
    let mut world = calm();
    let (a, b) = in_call(&mut world);
    world.act(1, |endpoint, now| endpoint.refer(now, b, "<sip:201@192.0.2.1>", &[("Refer-Sub", "false")]));
    world.run_for(ms(30));
    let Some(Event::Refer { refer, .. }) = world.take_events(0).pop() else { panic!("no REFER") };
    world.act(0, |endpoint, now| endpoint.accept_refer(now, a, refer, false));
    world.run_for(ms(30));
    let accepted = world.sent.iter().rev().find_map(|(_, _, message)| match message {
        Message::Response(response) if response.code == 202 => Some(response.headers.get("Refer-Sub")),
        _ => None,
    });
    assert_eq!(accepted, Some(Some("false")));
    assert!(matches!(world.take_events(1)[..], [Event::ReferAnswered { code: 202, .. }]));
    world.act(1, |endpoint, now| endpoint.refer(now, b, "<sip:nobody@192.0.2.1>", &[]));
    world.run_for(ms(30));
    let Some(Event::Refer { refer, request, .. }) = world.take_events(0).pop() else { panic!("no REFER") };
    world.act(0, |endpoint, now| endpoint.respond(now, refer, Response::to(&request, 404, None)));
    world.run_for(ms(30));
    assert!(matches!(world.take_events(1)[..], [Event::ReferAnswered { code: 404, .. }]));
    world.act(1, |endpoint, now| endpoint.bye(now, b, None));
    world.run_out();
    assert_eq!(world.count(0, "NOTIFY"), 0);
    world.assert_empty();
}

#[test]
fn notifies_that_nobody_asked_for_and_refers_without_one_target_are_refused() {
    let mut world = calm();
    let (a, b) = in_call(&mut world);
    world.act(0, |endpoint, now| endpoint.notify_refer(now, a, 1, 200));
    world.run_for(ms(50));
    assert_eq!(world.count(1, "481 NOTIFY"), 1);
    for targets in [&[("Refer-To", "<sip:2@h>")][..], &[]] {
        let to = if targets.is_empty() { "<>" } else { "<sip:1@h>" };
        world.act(1, |endpoint, now| endpoint.refer(now, b, to, targets));
        world.run_for(ms(50));
    }
    assert_eq!(world.count(0, "400 REFER"), 2);
    assert!(world.take_events(0).is_empty(), "the call goes on");
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_replaces_finds_its_dialog_and_how_far_it_is() {
    let mut world = calm();
    let invitation = world.invitation(0);
    let a = world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.run_for(ms(30));
    let b = invited(&world.take_events(1)).expect("it rings");
    world.act(1, |endpoint, now| endpoint.ring(now, b, 180, Vec::new()));
    world.run_for(ms(50));
    let by_caller = world.nodes[0].endpoint.dialog_name(a).expect("an early dialog has a name");
    let by_callee = world.nodes[1].endpoint.dialog_name(b).expect("an early dialog has a name");
    let turned = |r: &Replaces| Replaces { to_tag: r.from_tag.clone(), from_tag: r.to_tag.clone(), ..r.clone() };
    assert_eq!(by_caller, turned(&by_callee), "each names it as the other sees it");
    let standing = |world: &World| {
        let [first, second] =
            [(0, &by_callee), (1, &by_caller)].map(|(n, name)| world.nodes[n].endpoint.standing(name));
        (first, second)
    };
    assert_eq!(standing(&world), (Some((a, Standing::Rings)), Some((b, Standing::Early))));
    assert_eq!(world.nodes[0].endpoint.standing(&by_caller), None, "the tags are the wrong way round");
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    world.run_for(ms(50));
    assert_eq!(standing(&world), (Some((a, Standing::Confirmed)), Some((b, Standing::Confirmed))));
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    assert_eq!(standing(&world).0, Some((a, Standing::Over)));
    world.run_out();
    assert_eq!(standing(&world), (None, None));
    world.assert_empty();
}

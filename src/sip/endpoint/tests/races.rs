//! Messages that cross: each race by itself, at its exact moment.

use super::refusals::{Peer, by_hand};
use crate::sip::endpoint::{EndCause, Event, Failure, Hop, InviteId, Settings, Transport};
use crate::sip::headers::Headers;
use crate::sip::message::{Message, Request, Response};
use crate::sip::method::Method;
use crate::sip::testing::{Weather, World, invited, ms};
use crate::sip::transaction::quoted_branch;
use crate::sip::usage::{FORKS_MAX, INFOS_MAX};

/// `a` has called and `b` was told: the world, and both ids.
fn ringing(transport: Transport) -> (World, InviteId, InviteId) {
    let mut world = World::new(1, transport, Weather::CALM);
    let invitation = world.invitation(0);
    let a = world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.run_for(ms(100));
    let b = invited(&world.take_events(1)).expect("b is called");
    (world, a, b)
}

/// Both talk.
fn talking(transport: Transport) -> (World, InviteId, InviteId) {
    let (mut world, a, b) = ringing(transport);
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    world.run_for(ms(100));
    assert!(matches!(world.take_events(0)[..], [Event::Answered { .. }]));
    assert!(matches!(world.take_events(1)[..], [Event::Confirmed { .. }]));
    (world, a, b)
}

#[test]
fn a_cancel_waits_for_the_first_provisional_answer() {
    let mut world = World::new(1, Transport::Udp, Weather::CALM);
    let invitation = world.invitation(0);
    let a = world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.act(0, |endpoint, now| endpoint.cancel(now, a, Some("SIP;cause=200;text=\"Call completed elsewhere\"")));
    assert_eq!(world.count(0, "CANCEL"), 0);
    world.run_for(ms(100));
    assert!(matches!(world.take_events(1)[..], [Event::Invite { .. }, Event::Cancelled { .. }]));
    assert!(matches!(world.take_events(0)[..], [Event::Failed { failure: Failure::Cancelled, .. }]));
    let cancel = world.sent.iter().find_map(|(_, _, message)| match message {
        Message::Request(request) if request.method == Method::Cancel => Some(request),
        _ => None,
    });
    let reason = cancel.and_then(|cancel| cancel.headers.reason()).expect("the CANCEL says why");
    assert_eq!((reason.cause, reason.text.as_deref()), (Some(200), Some("Call completed elsewhere")));
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_invite_that_our_user_forgets_is_answered_480_in_the_end() {
    for (rings, transport) in [(false, Transport::Udp), (true, Transport::Udp), (true, Transport::Tcp)] {
        let (mut world, _, b) = ringing(transport);
        if rings {
            world.act(1, |endpoint, now| endpoint.ring(now, b, 180, Vec::new()));
        }
        let patience = Settings::default().unanswered_max;
        world.run_for(patience - ms(200));
        assert_eq!((world.take_events(1), world.count(1, "480 INVITE")), (Vec::new(), 0));
        world.run_for(ms(200));
        assert_eq!(world.take_events(1), [Event::Ended { id: b, cause: EndCause::Unanswered }]);
        let told = world.take_events(0).pop();
        assert!(
            matches!(&told, Some(Event::Failed { failure: Failure::Response(r), .. }) if r.code == 480),
            "{told:?}"
        );
        assert_eq!(world.nodes[1].endpoint.counters().unanswered, 1);
        // What our user says now comes too late.
        world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
        world.run_out();
        assert_eq!(world.count(1, "200 INVITE"), 0);
        world.assert_empty();
    }
}

#[test]
fn an_invite_that_nobody_answers_times_out_and_a_cancelled_one_as_cancelled() {
    for (cancelled, expected) in [(false, Failure::Timeout), (true, Failure::Cancelled)] {
        let mut world = World::new(1, Transport::Udp, Weather::CALM);
        world.cut = true;
        let (start, invitation) = (world.now, world.invitation(0));
        let a = world.act(0, |endpoint, now| endpoint.invite(now, invitation));
        if cancelled {
            world.act(0, |endpoint, now| endpoint.cancel(now, a, None));
        }
        world.run_for(ms(32_000));
        assert_eq!(world.now.since(start), ms(32_000));
        let events = world.take_events(0);
        assert!(matches!(&events[..], [Event::Failed { failure, .. }] if *failure == expected), "{events:?}");
        assert_eq!((world.count(0, "INVITE"), world.count(0, "CANCEL")), (7, 0));
        world.assert_empty();
    }
}

#[test]
fn a_cancel_that_is_never_answered_ends_after_64_t1() {
    let (mut world, a, _) = ringing(Transport::Udp);
    world.cut = true;
    world.act(0, |endpoint, now| endpoint.cancel(now, a, None));
    world.run_for(ms(31_999));
    assert_eq!(world.take_events(0), []);
    world.run_for(ms(1));
    assert!(matches!(world.take_events(0)[..], [Event::Failed { failure: Failure::Cancelled, .. }]));
}

#[test]
fn a_2xx_that_crosses_a_cancel_is_acknowledged_and_ended() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (mut world, a, b) = ringing(transport);
        world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
        world.act(0, |endpoint, now| endpoint.cancel(now, a, None));
        world.run_for(ms(100));
        assert!(matches!(world.take_events(0)[..], [Event::Failed { failure: Failure::Cancelled, .. }]));
        let events = world.take_events(1);
        let bye = EndCause::Bye { reason: None };
        assert!(matches!(&events[..], [Event::Confirmed { .. }, Event::Ended { cause, .. }] if *cause == bye));
        let sent = ["CANCEL", "ACK", "BYE"].map(|method| world.count(0, method));
        assert_eq!((sent, world.count(1, "200 CANCEL"), world.count(1, "487 INVITE")), ([1, 1, 1], 1, 0));
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_refusal_that_crosses_a_cancel_is_told_as_refusal() {
    let (mut world, a, b) = ringing(Transport::Udp);
    world.act(1, |endpoint, now| endpoint.reject(now, b, 486, Headers::new()));
    world.act(0, |endpoint, now| endpoint.cancel(now, a, None));
    world.run_out();
    let events = world.take_events(0);
    assert!(
        matches!(&events[..], [Event::Failed { failure: Failure::Response(response), .. }] if response.code == 486)
    );
    assert_eq!(world.take_events(1), []);
    world.assert_empty();
}

#[test]
fn an_answer_that_is_never_acknowledged_is_resent_and_ended_after_64_t1() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (mut world, _, b) = ringing(transport);
        world.cut = true;
        world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
        world.run_for(ms(31_999));
        assert_eq!((world.take_events(1), world.count(1, "200 INVITE")), (vec![], 11));
        world.run_for(ms(1));
        assert!(matches!(world.take_events(1)[..], [Event::Ended { cause: EndCause::NoAck, .. }]));
        assert_eq!(world.count(1, "BYE"), 1);
    }
}

#[test]
fn a_repeated_2xx_gets_the_same_ack_again_and_is_told_once() {
    let (mut world, _, b) = ringing(Transport::Udp);
    world.weather.delay = (ms(1200), ms(1200));
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    world.run_for(ms(5_000));
    let acks: Vec<_> = world
        .sent
        .iter()
        .filter(|(_, _, message)| matches!(message, Message::Request(request) if request.method == Method::Ack))
        .map(|(_, _, message)| message)
        .collect();
    assert_eq!((world.count(1, "200 INVITE"), acks.len()), (3, 3));
    assert!(acks.iter().all(|ack| *ack == acks[0]));
    assert_eq!((world.take_events(0).len(), world.take_events(1).len()), (1, 1));
}

#[test]
fn a_bye_before_the_ack_waits_for_it() {
    let (mut world, _, b) = ringing(Transport::Udp);
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    world.act(1, |endpoint, now| endpoint.bye(now, b, Some("Q.850;cause=16")));
    assert_eq!(world.count(1, "BYE"), 0);
    world.run_out();
    assert_eq!(world.count(1, "BYE"), 1);
    let events = world.take_events(0);
    assert!(matches!(&events[..], [Event::Answered { .. }, Event::Ended { cause: EndCause::Bye { .. }, .. }]));
    assert_eq!(world.take_events(1), [], "who hangs up is told nothing more");
    world.assert_empty();
}

#[test]
fn byes_that_cross_are_both_answered_200_and_told_to_nobody() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (mut world, a, b) = talking(transport);
        world.act(0, |endpoint, now| endpoint.bye(now, a, None));
        world.act(1, |endpoint, now| endpoint.bye(now, b, None));
        world.run_out();
        assert_eq!((world.count(0, "200 BYE"), world.count(1, "200 BYE")), (1, 1));
        assert_eq!((world.take_events(0), world.take_events(1)), (vec![], vec![]));
        world.assert_empty();
    }
}

#[test]
fn a_bye_that_crosses_a_reinvite_ends_the_call() {
    let (mut world, a, b) = talking(Transport::Udp);
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.act(1, |endpoint, now| endpoint.reinvite(now, b, b"offer".to_vec()));
    world.run_out();
    assert!(matches!(world.take_events(1)[..], [Event::Ended { cause: EndCause::Bye { .. }, .. }]));
    assert_eq!((world.take_events(0), world.count(0, "481 INVITE")), (vec![], 1));
    world.assert_empty();
}

#[test]
fn a_bye_while_the_peers_offer_waits_terminates_it() {
    let (mut world, a, b) = talking(Transport::Udp);
    world.act(1, |endpoint, now| endpoint.reinvite(now, b, b"offer".to_vec()));
    world.run_for(ms(50));
    assert!(matches!(world.take_events(0)[..], [Event::Offered { .. }]));
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    assert_eq!((world.count(0, "487 INVITE"), world.count(0, "BYE")), (1, 1));
    assert!(matches!(world.take_events(1).last(), Some(Event::Ended { .. })));
    world.assert_empty();
}

#[test]
fn offers_that_cross_are_refused_491_and_tried_again_the_callee_first() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (mut world, a, b) = talking(transport);
        world.act(0, |endpoint, now| endpoint.reinvite(now, a, b"offer a".to_vec()));
        world.act(1, |endpoint, now| endpoint.reinvite(now, b, b"offer b".to_vec()));
        let glare = world.now;
        let mut answered = Vec::new();
        while answered.len() < 2 && world.step(glare + ms(10_000)) {
            for (node, id) in [(0, a), (1, b)] {
                for event in world.take_events(node) {
                    match event {
                        Event::Offered { .. } => {
                            world.act(node, |endpoint, now| endpoint.answer_offer(now, id, b"yes".to_vec()));
                        }
                        Event::OfferAnswered { result, .. } => {
                            assert_eq!(result.as_deref(), Ok(&b"yes"[..]));
                            answered.push((node, world.now.since(glare)));
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        assert_eq!((world.count(0, "491 INVITE"), world.count(1, "491 INVITE")), (1, 1));
        let [(1, callee), (0, caller)] = answered[..] else { panic!("{answered:?}") };
        assert!(callee <= ms(2_100) && caller >= ms(2_100) && caller <= ms(4_100), "{answered:?}");
        world.act(0, |endpoint, now| endpoint.bye(now, a, None));
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn an_offer_waits_for_the_one_under_way_and_only_the_last_is_answered() {
    let (mut world, a, b) = talking(Transport::Udp);
    for offer in [&b"first"[..], b"second", b"third"] {
        world.act(0, |endpoint, now| endpoint.reinvite(now, a, offer.to_vec()));
    }
    let mut seen = Vec::new();
    for _ in 0..2 {
        world.run_for(ms(100));
        for event in world.take_events(1) {
            let Event::Offered { offer, .. } = event else { panic!("{event:?}") };
            world.act(1, |endpoint, now| endpoint.answer_offer(now, b, [b"to ", &offer[..]].concat()));
            seen.push(offer);
        }
    }
    world.run_for(ms(100));
    assert_eq!(seen, [&b"first"[..], b"third"]);
    let events = world.take_events(0);
    assert!(
        matches!(&events[..], [Event::OfferAnswered { result: Ok(body), .. }] if body == b"to third"),
        "{events:?}"
    );
}

#[test]
fn a_peer_that_no_longer_answers_an_info_is_gone() {
    let (mut world, a, _) = talking(Transport::Udp);
    world.cut = true;
    world.act(0, |endpoint, now| endpoint.info(now, a, "application/dtmf-relay", b"Signal=1".to_vec()));
    world.run_for(ms(32_000));
    assert!(matches!(world.take_events(0)[..], [Event::Ended { cause: EndCause::PeerGone, .. }]));
    assert_eq!(world.count(0, "BYE"), 1);
}

#[test]
fn keys_wait_for_the_acknowledgement_and_no_more_of_them_than_somebody_presses() {
    let mut world = World::new(1, Transport::Udp, Weather::CALM);
    let invitation = world.invitation(0);
    world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.run_for(ms(100));
    let b = invited(&world.take_events(1)).unwrap();
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    for _ in 0..INFOS_MAX + 3 {
        world.act(1, |endpoint, now| endpoint.info(now, b, "application/dtmf-relay", b"Signal=1".to_vec()));
    }
    assert_eq!(world.nodes[1].endpoint.counters().infos_lost, 3);
    world.run_for(ms(1000));
    assert_eq!(world.count(1, "INFO"), INFOS_MAX);
}

#[test]
fn a_hop_that_fails_fails_what_waits_for_it_and_nothing_else() {
    let mut world = World::new(1, Transport::Udp, Weather::CALM);
    world.cut = true;
    let invitation = world.invitation(0);
    world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    let (here, there) = (world.hop(0), world.hop(1));
    world.act(0, |endpoint, now| endpoint.handle_hop_failed(now, &there));
    assert_eq!(world.take_events(0), []);
    let options = Request::new(Method::Options, "sip:b".parse().unwrap());
    world.act(0, |endpoint, now| endpoint.request(now, here, options));
    world.act(0, |endpoint, now| endpoint.handle_hop_failed(now, &here));
    let events = world.take_events(0);
    let failed = |f: &Failure| *f == Failure::Unreachable;
    assert!(events.iter().any(|e| matches!(e, Event::Failed { failure, .. } if failed(failure))), "{events:?}");
    assert!(events.iter().any(|e| matches!(e, Event::Response { result: Err(f), .. } if failed(f))), "{events:?}");
    world.assert_empty();
}

/// What is sent next: how, the transport that Via names, and its branch.
fn sent(peer: &mut Peer) -> (Transport, String, String) {
    peer.drain();
    let request = peer.requests().pop().expect("a request");
    let via = request.headers.via().unwrap();
    (peer.hops.pop().expect("a hop").transport, via.transport.to_string(), via.branch().unwrap().to_owned())
}

fn sized(target: crate::sip::Uri, hop: Hop, length: usize) -> crate::sip::Invitation {
    crate::sip::Invitation {
        target: target.clone(),
        hop,
        from: (None, target.clone()),
        to: target,
        contact_user: None,
        headers: Headers::new(),
        offer: vec![b'x'; length],
        enclosed: Vec::new(),
        follows: false,
        answers_challenges: false,
    }
}

#[test]
fn a_large_invite_that_was_given_up_while_its_connection_was_opened_reaches_nobody() {
    let listens = "192.0.2.1:5070".parse().unwrap();
    let mut peer = Peer::new(Settings { tcp: vec![listens], ..Settings::default() });
    let (udp, now) = (peer.hop, peer.now);
    let target = crate::sip::Uri::sip(Some("anna"), udp.remote);
    let id = peer.endpoint.invite(now, sized(target.clone(), udp, 1300));
    let transmit = peer.endpoint.poll_transmit().unwrap();
    assert!(transmit.is_trial && transmit.hop.transport == Transport::Tcp);
    peer.endpoint.cancel(now, id, None);
    peer.endpoint.handle_hop_failed(now, &Hop { transport: Transport::Tcp, local: listens, ..udp });
    peer.drain();
    assert_eq!(peer.hops, []);
    assert!(matches!(peer.events[..], [Event::Failed { failure: Failure::Cancelled, .. }]), "{:?}", peer.events);
    assert_eq!(peer.endpoint.entries(), 0);
    // But it is known now that there is no way by TCP.
    peer.endpoint.invite(now, sized(target, udp, 1300));
    assert_eq!(sent(&mut peer).0, Transport::Udp);
}

#[test]
fn a_large_request_goes_by_tcp_and_by_udp_where_that_is_refused() {
    let listens = "192.0.2.1:5070".parse().unwrap();
    let mut peer = Peer::new(Settings { tcp: vec![listens], ..Settings::default() });
    let (udp, now) = (peer.hop, peer.now);
    let target = crate::sip::Uri::sip(Some("anna"), udp.remote);
    let invitation = |length| sized(target.clone(), udp, length);
    peer.endpoint.invite(now, invitation(500));
    assert_eq!(sent(&mut peer).0, Transport::Udp, "a small one");

    let id = peer.endpoint.invite(now, invitation(1300));
    let (transport, via, branch) = sent(&mut peer);
    assert_eq!((transport, via.as_str()), (Transport::Tcp, "TCP"));
    let tcp = Hop { transport: Transport::Tcp, local: listens, ..udp };
    peer.endpoint.handle_hop_failed(now, &tcp);
    assert_eq!(sent(&mut peer), (Transport::Udp, "UDP".into(), branch.clone()));
    assert!(peer.events.is_empty(), "{:?}", peer.events);
    // From here on as by UDP from the beginning: it is sent again, and answered.
    let later = now + ms(500);
    peer.endpoint.handle_timeout(later);
    let mut again = Vec::new();
    while let Some(transmit) = peer.endpoint.poll_transmit() {
        again.push((transmit.hop.transport, transmit.bytes.len() > 1300));
    }
    assert!(again.contains(&(Transport::Udp, true)), "{again:?}");
    // And nobody asks for a connection again, for a while.
    peer.endpoint.invite(later, invitation(1300));
    assert_eq!(sent(&mut peer).0, Transport::Udp);
    let much_later = later + ms(600_000);
    peer.endpoint.handle_timeout(much_later);
    peer.drain();
    assert!(peer.events.iter().any(|event| matches!(event, Event::Failed { id: of, .. } if *of == id)));
    peer.hops.clear();
    peer.endpoint.invite(much_later, invitation(1300));
    assert_eq!(sent(&mut peer).0, Transport::Tcp);
    // Lost by both: it has failed.
    peer.events.clear();
    peer.endpoint.handle_hop_failed(much_later, &tcp);
    peer.endpoint.handle_hop_failed(much_later, &udp);
    peer.drain();
    assert!(matches!(peer.events[..], [Event::Failed { failure: Failure::Unreachable, .. }]), "{:?}", peer.events);
    let counted = peer.endpoint.counters();
    assert_eq!((counted.large_by_tcp, counted.large_refused, counted.large_by_udp), (2, 2, 1));
}

#[test]
fn who_has_answered_is_there_whatever_icmp_says_and_a_guess_is_not_believed() {
    for rings in [false, true] {
        let mut world = World::new(1, Transport::Udp, Weather::CALM);
        world.cut = !rings;
        let invitation = world.invitation(0);
        world.act(0, |endpoint, now| endpoint.invite(now, invitation));
        let hop = world.hop(0);
        let Message::Request(invite) = world.sent[0].2.clone() else { panic!("an INVITE is sent") };
        let branch = quoted_branch(&invite.to_bytes()).expect("ours");
        world.run_for(ms(100));
        let elsewhere = Hop { remote: "10.9.9.9:5060".parse().unwrap(), ..hop };
        world.act(0, |endpoint, now| endpoint.handle_undelivered(now, &hop, branch ^ 1));
        world.act(0, |endpoint, now| endpoint.handle_undelivered(now, &elsewhere, branch));
        assert_eq!(world.take_events(0), []);
        world.act(0, |endpoint, now| endpoint.handle_undelivered(now, &hop, branch));
        let failed = matches!(world.take_events(0)[..], [Event::Failed { failure: Failure::Unreachable, .. }]);
        assert_eq!(failed, !rings);
    }
}

#[test]
fn a_lost_connection_ends_no_talk() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Wss] {
        let (mut world, a, _) = talking(transport);
        for node in [0, 1] {
            let hop = world.hop(node);
            world.act(node, |endpoint, now| endpoint.handle_hop_failed(now, &hop));
        }
        world.run_for(ms(60_000));
        assert_eq!(world.nodes.iter().map(|node| node.endpoint.usages()).sum::<usize>(), 2, "{transport:?}");
        assert!(!world.take_events(0).iter().any(|event| matches!(event, Event::Ended { .. })));
        world.act(0, |endpoint, now| endpoint.bye(now, a, None));
        world.run_for(ms(60_000));
        assert_eq!(world.nodes[0].endpoint.usages(), 0);
    }
}

#[test]
fn a_bye_on_a_lost_connection_is_tried_once_more_at_the_peers_own_address() {
    let mut peer = Peer::new(Settings::default());
    peer.hop = Hop { transport: Transport::Tcp, connection: Some(3), ..peer.hop };
    peer.receive(&by_hand("INVITE", 1, "1"));
    let Some(Event::Invite { id, .. }) = peer.events.pop() else { panic!("no INVITE") };
    peer.endpoint.accept(peer.now, id, b"v=0".to_vec());
    peer.drain();
    let to = peer.responses()[0].headers.get("To").unwrap().to_string();
    let mut ack = by_hand("ACK", 1, "ack");
    ack.headers.set("To", to);
    peer.receive(&ack);
    peer.endpoint.bye(peer.now, id, None);
    peer.drain();
    assert_eq!(peer.hops.pop(), Some(peer.hop));
    peer.endpoint.handle_hop_failed(peer.now, &peer.hop.clone());
    peer.drain();
    let other = peer.hops.pop().expect("a second BYE");
    assert_eq!((other.remote, other.connection), ("10.0.0.5:5062".parse().unwrap(), None));
    peer.endpoint.handle_hop_failed(peer.now, &other);
    peer.drain();
    // Nobody takes connections there, and its Contact asks for none.
    let by_udp = peer.hops.pop().expect("a third BYE");
    assert_eq!((by_udp.transport, by_udp.remote), (Transport::Udp, other.remote));
    peer.endpoint.handle_timeout(peer.now + ms(40_000));
    peer.drain();
    assert_eq!(peer.endpoint.usages(), 0);
}

#[test]
fn a_request_outside_a_dialog_is_completed_answered_or_timed_out() {
    let mut world = World::new(1, Transport::Udp, Weather::CALM);
    let hop = world.hop(0);
    let options = Request::new(Method::Options, "sip:b".parse().unwrap());
    let id = world.act(0, |endpoint, now| endpoint.request(now, hop, options.clone()));
    world.run_for(ms(20));
    let Some(Event::Request { id: server, request, .. }) = world.take_events(1).pop() else { panic!("no request") };
    assert_eq!(request.headers.cseq(), Ok((1, Method::Options)));
    world.act(1, |endpoint, now| endpoint.respond(now, server, Response::to(&request, 200, None)));
    world.run_for(ms(20));
    let events = world.take_events(0);
    assert!(matches!(&events[..], [Event::Response { id: of, result: Ok(r) }] if *of == id && r.code == 200));
    world.cut = true;
    world.act(0, |endpoint, now| endpoint.request(now, hop, options));
    world.run_out();
    assert!(matches!(world.take_events(0)[..], [Event::Response { result: Err(Failure::Timeout), .. }]));
    world.assert_empty();
}

#[test]
fn a_challenged_invite_is_sent_again_with_credentials_under_the_same_call_id() {
    let mut world = World::new(1, Transport::Udp, Weather::CALM);
    let mut invitation = world.invitation(0);
    invitation.answers_challenges = true;
    let a = world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.run_for(ms(50));
    let b = invited(&world.take_events(1)).expect("b is called");
    let mut challenge = Response::to(&by_hand("INVITE", 1, "1"), 401, None);
    challenge.headers.push("WWW-Authenticate", "Digest realm=\"x\", nonce=\"1\"");
    world.act(1, |endpoint, now| endpoint.challenge(now, b, challenge));
    world.run_for(ms(50));
    let events = world.take_events(0);
    assert!(matches!(&events[..], [Event::Challenged { response, .. }] if response.headers.has("WWW-Authenticate")));
    world.act(0, |endpoint, now| endpoint.authorize(now, a, "Authorization", "Digest username=\"a\"".into()));
    world.run_for(ms(50));
    let events = world.take_events(1);
    let [Event::Invite { id, request, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(request.headers.cseq(), Ok((2, Method::Invite)));
    assert_eq!(
        (request.headers.get("Authorization"), request.body.as_slice()),
        (Some("Digest username=\"a\""), &b"offer"[..])
    );
    assert_eq!(request.headers.items("Via").count(), 1);
    world.act(1, |endpoint, now| endpoint.accept(now, *id, b"answer".to_vec()));
    world.run_for(ms(50));
    assert!(matches!(world.take_events(0)[..], [Event::Answered { .. }]));
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_challenge_that_nobody_takes_up_fails_after_64_t1() {
    let mut world = World::new(1, Transport::Udp, Weather::CALM);
    let mut invitation = world.invitation(0);
    invitation.answers_challenges = true;
    world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.run_for(ms(50));
    let b = invited(&world.take_events(1)).expect("b is called");
    world.act(1, |endpoint, now| endpoint.reject(now, b, 407, Headers::new()));
    world.run_out();
    let events = world.take_events(0);
    let [Event::Challenged { .. }, Event::Failed { failure: Failure::Response(response), .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(response.code, 407);
    world.assert_empty();
}

#[test]
fn further_forks_that_answer_are_acknowledged_and_ended() {
    let mut peer = Peer::new(Settings::default());
    let world = World::new(1, Transport::Udp, Weather::CALM);
    let mut invitation = world.invitation(0);
    invitation.hop = peer.hop;
    let id = peer.endpoint.invite(peer.now, invitation);
    let invite = peer.requests().remove(0);
    let answer = |peer: &mut Peer, code: u16, tag: &str| {
        let mut response = Response::to(&invite, code, None);
        response.set_to_tag(tag);
        response.headers.push("Contact", format!("<sip:{tag}@10.0.0.9>"));
        let bytes = Message::Response(response).to_bytes();
        peer.endpoint.handle_message(peer.now, &peer.hop, Message::parse(&bytes).unwrap());
        peer.requests().into_iter().map(|r| (r.method.to_string(), r.uri.to_string())).collect::<Vec<_>>()
    };
    let line = |method: &str, tag: &str| (method.to_string(), format!("sip:{tag}@10.0.0.9"));
    assert_eq!(answer(&mut peer, 180, "one"), []);
    assert_eq!(answer(&mut peer, 180, "two"), []);
    assert_eq!(answer(&mut peer, 200, "two"), [line("ACK", "two")]);
    assert_eq!(answer(&mut peer, 200, "one"), [line("ACK", "one"), line("BYE", "one")]);
    assert_eq!(answer(&mut peer, 200, "one"), [line("ACK", "one")], "no second BYE");
    assert_eq!(answer(&mut peer, 200, "two"), [line("ACK", "two")]);
    let told: Vec<_> = peer.events.iter().map(|e| matches!(e, Event::Answered { id: of, .. } if *of == id)).collect();
    assert_eq!(told, [false, false, true]);
    // Beyond its bound a fork is neither acknowledged nor remembered; it gives up by itself (RFC 3261 §13.3.1.4).
    for n in 2..FORKS_MAX {
        let tag = format!("f{n}");
        assert_eq!(answer(&mut peer, 200, &tag), [line("ACK", &tag), line("BYE", &tag)]);
    }
    assert_eq!(answer(&mut peer, 200, "further"), []);
    assert_eq!(peer.endpoint.counters().forks_ignored, 1);
}

#[test]
fn what_a_full_endpoint_is_asked_to_send_fails_at_once() {
    let mut peer = Peer::new(Settings { transactions_max: 0, ..Settings::default() });
    let world = World::new(1, Transport::Udp, Weather::CALM);
    let invitation = world.invitation(0);
    peer.endpoint.invite(peer.now, invitation);
    peer.endpoint.request(peer.now, peer.hop, Request::new(Method::Options, "sip:b".parse().unwrap()));
    assert_eq!(peer.requests(), []);
    assert!(matches!(
        peer.events[..],
        [Event::Failed { failure: Failure::Full, .. }, Event::Response { result: Err(Failure::Full), .. }]
    ));
}

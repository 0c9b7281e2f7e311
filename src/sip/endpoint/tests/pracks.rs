//! Provisional answers that are acknowledged (RFC 3262), between whole endpoints.

use super::refusals::Peer;
use crate::sip::endpoint::{EndCause, Event, Hop, InviteId, Settings, Transport};
use crate::sip::message::{Message, Request, Response};
use crate::sip::testing::{Weather, World, invited, ms, named};

/// Node 0 calls and wants its provisional answers acknowledged; gives both usages.
fn rings(world: &mut World) -> (InviteId, InviteId) {
    let mut invitation = world.invitation(0);
    invitation.headers.push("Require", "100rel");
    let a = world.act(0, |endpoint, now| endpoint.invite(now, invitation));
    world.run_for(ms(30));
    let b = invited(&world.take_events(1)).expect("it rings");
    (a, b)
}

fn calm() -> World {
    World::new(1, Transport::Udp, Weather::CALM)
}

/// What both sent of these, in order.
fn order(world: &World, of: &[&str]) -> Vec<String> {
    world.sent.iter().map(|(_, _, message)| named(message)).filter(|name| of.contains(&name.as_str())).collect()
}

fn cseqs(world: &World, node: usize) -> Vec<String> {
    let from = world.nodes[node].address;
    let requests = world.sent.iter().filter(|(_, at, message)| *at == from && matches!(message, Message::Request(_)));
    requests.map(|(_, _, message)| message.headers().get("CSeq").unwrap().to_string()).collect()
}

#[test]
fn ringing_is_acknowledged_and_the_dialog_goes_on_counting() {
    let mut world = calm();
    let (a, b) = rings(&mut world);
    world.act(1, |endpoint, now| endpoint.ring(now, b, 180, Vec::new()));
    world.run_for(ms(100));
    let [Event::Progress { code: 180, .. }] = world.take_events(0)[..] else { panic!("it rings once") };
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    world.run_for(ms(100));
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    assert_eq!(cseqs(&world, 0), ["1 INVITE", "2 PRACK", "1 ACK", "3 BYE"]);
    assert_eq!(world.count(1, "200 PRACK"), 1);
    world.assert_empty();
}

#[test]
fn the_next_answer_waits_for_the_prack_and_a_2xx_for_that_of_a_description() {
    let mut world = calm();
    let (a, b) = rings(&mut world);
    world.act(1, |endpoint, now| endpoint.ring(now, b, 180, Vec::new()));
    world.act(1, |endpoint, now| endpoint.ring(now, b, 183, b"early".to_vec()));
    world.run_for(ms(25));
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    world.run_for(ms(200));
    let seen = order(&world, &["180 INVITE", "183 INVITE", "PRACK", "200 INVITE"]);
    assert_eq!(seen, ["180 INVITE", "PRACK", "183 INVITE", "PRACK", "200 INVITE"]);
    let events = world.take_events(0);
    assert!(matches!(&events[1], Event::Progress { code: 183, body, .. } if body == b"early"), "{events:?}");
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_description_that_waits_for_a_prack_is_not_lost_by_what_comes_after_it() {
    let mut world = calm();
    let (a, b) = rings(&mut world);
    world.act(1, |endpoint, now| endpoint.ring_saying(now, b, 182, "Queued, number 3 in line", Vec::new()));
    world.act(1, |endpoint, now| endpoint.ring(now, b, 183, b"early".to_vec()));
    world.act(1, |endpoint, now| endpoint.ring_saying(now, b, 182, "Queued, number 2 in line", Vec::new()));
    world.run_for(ms(200));
    let told: Vec<(u16, String, Vec<u8>)> = world
        .take_events(0)
        .into_iter()
        .filter_map(|event| match event {
            Event::Progress { code, reason, body, .. } => Some((code, reason, body)),
            _ => None,
        })
        .collect();
    let place = |place: u32| format!("Queued, number {place} in line");
    assert_eq!(told, [(182, place(3), Vec::new()), (182, place(2), b"early".to_vec())]);
    // It is repeated each minute as it was.
    world.run_for(ms(61_000));
    let events = world.take_events(0);
    assert!(matches!(&events[..], [Event::Progress { code: 182, reason, .. }] if *reason == place(2)), "{events:?}");
    world.act(0, |endpoint, now| endpoint.cancel(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_2xx_does_not_wait_where_nothing_was_described() {
    let mut world = calm();
    let (a, b) = rings(&mut world);
    world.act(1, |endpoint, now| endpoint.ring(now, b, 180, Vec::new()));
    world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
    world.run_for(ms(200));
    assert_eq!(order(&world, &["180 INVITE", "PRACK", "200 INVITE"])[..2], ["180 INVITE", "200 INVITE"]);
    assert_eq!(world.count(1, "200 PRACK"), 1, "a PRACK that crossed the 2xx is answered");
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn who_never_acknowledges_is_given_up() {
    let mut world = calm();
    let (a, b) = rings(&mut world);
    world.cut = true;
    world.act(1, |endpoint, now| endpoint.ring(now, b, 180, Vec::new()));
    world.run_for(ms(31_900));
    assert_eq!((world.count(1, "180 INVITE"), world.take_events(1)), (7, vec![]));
    world.run_for(ms(200));
    assert_eq!(world.take_events(1), [Event::Ended { id: b, cause: EndCause::NoAck }]);
    assert!(world.count(1, "504 INVITE") > 0);
    world.act(0, |endpoint, now| endpoint.cancel(now, a, None));
    world.run_out();
    world.assert_empty();
}

#[test]
fn over_a_bad_network_each_answer_is_told_once_and_in_order() {
    for seed in 0..60 {
        let mut world = World::new(seed, Transport::Udp, Weather::CALM);
        let (a, b) = rings(&mut world);
        world.weather = Weather::ROUGH;
        for code in [180, 181, 182] {
            world.act(1, |endpoint, now| endpoint.ring(now, b, code, Vec::new()));
            world.run_for(ms(12_000));
        }
        let told: Vec<u16> = world
            .take_events(0)
            .into_iter()
            .filter_map(|event| match event {
                Event::Progress { code, .. } => Some(code),
                _ => None,
            })
            .collect();
        assert_eq!(told, [180, 181, 182], "seed {seed}");
        world.act(1, |endpoint, now| endpoint.accept(now, b, b"answer".to_vec()));
        world.run_for(ms(40_000));
        world.act(0, |endpoint, now| endpoint.bye(now, a, None));
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_prack_for_nothing_is_refused() {
    let mut world = calm();
    let (_, b) = rings(&mut world);
    world.act(1, |endpoint, now| endpoint.ring(now, b, 180, Vec::new()));
    world.run_for(ms(100));
    let (_, _, prack) = world.sent.iter().find(|(_, _, message)| named(message) == "PRACK").expect("a PRACK").clone();
    for (rack, branch) in [("1 1 INVITE", "x"), ("nonsense", "y"), ("", "z")] {
        let mut again = prack.clone();
        let headers = again.headers_mut();
        headers.set("RAck", rack);
        headers.set("CSeq", "9 PRACK");
        headers.set("Via", format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}"));
        let hop = Hop { connection: None, ..world.hop(1) };
        world.act(1, |endpoint, now| endpoint.handle_message(now, &hop, again));
    }
    assert_eq!((world.count(1, "200 PRACK"), world.count(1, "481 PRACK")), (1, 3));
    world.act(1, |endpoint, now| endpoint.reject(now, b, 486, Default::default()));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_2xx_without_description_means_the_one_that_was_acknowledged() {
    let mut world = calm();
    let (a, b) = rings(&mut world);
    world.act(1, |endpoint, now| endpoint.ring(now, b, 183, b"early".to_vec()));
    world.act(1, |endpoint, now| endpoint.ring(now, b, 180, Vec::new()));
    world.run_for(ms(200));
    world.act(1, |endpoint, now| endpoint.accept(now, b, Vec::new()));
    world.run_for(ms(100));
    let events = world.take_events(0);
    let Some(Event::Answered { response, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!((response.headers.content_type(), &response.body[..]), (Some("application/sdp"), &b"early"[..]));
    world.act(0, |endpoint, now| endpoint.bye(now, a, None));
    world.run_out();
    world.assert_empty();
}

/// A call of ours to phones behind a forking proxy; gives our INVITE.
pub(super) fn forked() -> (Peer, Request) {
    let mut peer = Peer::new(Settings::default());
    let mut invitation = calm().invitation(0);
    invitation.hop = peer.hop;
    peer.endpoint.invite(peer.now, invitation);
    let invite = peer.requests().remove(0);
    (peer, invite)
}

/// The phone `tag` answers `invite`, provisionally with this RSeq; gives the methods that follow.
pub(super) fn says(peer: &mut Peer, invite: &Request, code: u16, tag: &str, rseq: u32, body: &str) -> Vec<String> {
    let mut response = Response::to(invite, code, None);
    response.set_to_tag(tag);
    response.headers.push("Contact", format!("<sip:{tag}@10.0.0.9>"));
    if code < 200 {
        response.headers.push("Require", "100rel");
        response.headers.push("RSeq", rseq.to_string());
    }
    if !body.is_empty() {
        response.set_body("application/sdp", body.as_bytes().to_vec());
    }
    let message = Message::parse(&Message::Response(response).to_bytes()).unwrap();
    peer.endpoint.handle_message(peer.now, &peer.hop, message);
    peer.requests().iter().map(|request| request.method.to_string()).collect()
}

#[test]
fn each_of_several_phones_has_its_own_description() {
    for (answers, means) in [("one", "of one"), ("two", "of two, changed"), ("three", "")] {
        let (mut peer, invite) = forked();
        let said = [("one", 7, "of one"), ("two", 7, "of two"), ("three", 1, ""), ("two", 8, "of two, changed")];
        for (tag, rseq, body) in said {
            assert_eq!(says(&mut peer, &invite, 183, tag, rseq, body), ["PRACK"], "{tag} {rseq}");
        }
        assert_eq!(says(&mut peer, &invite, 200, answers, 0, ""), ["ACK"]);
        let Some(Event::Answered { response, .. }) = peer.events.pop() else { panic!("{:?}", peer.events) };
        assert_eq!(response.body, means.as_bytes(), "{answers}");
    }
}

#[test]
fn a_phone_that_wanted_longer_sessions_counts_from_the_start_again() {
    let (mut peer, invite) = forked();
    assert_eq!(says(&mut peer, &invite, 180, "one", 7, ""), ["PRACK"]);
    let mut refusal = Response::to(&invite, 422, None);
    refusal.headers.push("Min-SE", "3600");
    peer.endpoint.handle_message(peer.now, &peer.hop, Message::Response(refusal));
    let invite = peer.requests().into_iter().find(|request| request.method.as_str() == "INVITE").expect("tried again");
    assert_eq!(says(&mut peer, &invite, 180, "one", 3, ""), ["PRACK"]);
}

#[test]
fn each_proxy_on_the_way_may_want_a_longer_session_than_the_one_before() {
    let (mut peer, mut invite) = forked();
    let mut asked = Vec::new();
    for shortest in [3600, 7200, 1800, 10_000, 10_001, 10_002] {
        let mut refusal = Response::to(&invite, 422, None);
        refusal.headers.push("Min-SE", shortest.to_string());
        peer.endpoint.handle_message(peer.now, &peer.hop, Message::Response(refusal));
        let again = peer.requests().into_iter().find(|request| request.method.as_str() == "INVITE");
        let Some(again) = again else { break };
        let said = |name| again.headers.get(name).and_then(|value| value.parse::<u32>().ok());
        asked.push((said("Session-Expires"), said("Min-SE")));
        invite = again;
    }
    let both = |seconds| (Some(seconds), Some(seconds));
    assert_eq!(asked, [3600, 7200, 7200, 10_000, 10_001].map(both), "the longest of all, and not for ever");
    peer.drain();
    assert!(matches!(peer.events.pop(), Some(Event::Failed { .. })), "{:?}", peer.events);
}

//! Transfers by agents' phones: who talks with whom afterwards, who is told what, and what the record says.

use crate::switchboard::{ANNA, BJORN, CALLER, Story, office};
use vaxel::acd::Exit;
use vaxel::engine::settings::Target;
use vaxel::engine::{Input, Output, Settings};
use vaxel::ids::LegId;
use vaxel::record::{AgentPhase, Contact, EndedBy, TransferKind, What};
use vaxel::sim::world::{Act, PhoneId, World};
use vaxel::sim::{Phone, PhoneEvent};
use vaxel::sip::{Hop, Transport};
use vaxel::time::Duration;

/// Anna's second line: her account, not registered, so it is never rung.
const LINE_2: PhoneId = PhoneId(2);
/// The carrier's side of calls out.
const OUTSIDE: PhoneId = PhoneId(51);
const SECOND_CALLER: PhoneId = PhoneId(52);

fn house() -> Settings {
    let mut settings = office();
    let remote = World::address(OUTSIDE, 5060);
    let local = vaxel::sim::media::switchboard();
    let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
    settings.trunks[0].sends = true;
    settings.trunks[0].targets = vec![Target { hop, priority: 0, weight: 1 }];
    settings.trunks[0].takes = vec!["+46".into()];
    settings.trunks[0].from.push(vaxel::engine::Network { address: World::address(SECOND_CALLER, 0).ip(), prefix: 32 });
    settings
}

/// Anna talks with a caller whom the queue gave her; Bjorn is free.
fn talking() -> Story {
    talking_in(house())
}

fn talking_in(house: Settings) -> Story {
    let mut story = Story::new(house);
    story.world.add_phone(LINE_2, "agent0", Some("secret0"));
    story.world.add_phone(OUTSIDE, "+468", None);
    story.world.add_phone(SECOND_CALLER, "+46702", None);
    story.register_both();
    for act in [Act::Call("100".into()), Act::Key('1')] {
        story.act(CALLER, act);
        story.pass(Duration::from_secs(1));
    }
    story.act(ANNA, Act::Answer);
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER));
    story
}

fn is_talking(story: &Story, id: PhoneId) -> bool {
    story.world.phone(id).is_some_and(Phone::is_talking)
}

fn told(story: &Story, id: PhoneId) -> Vec<u16> {
    let codes = story.phones.iter().filter_map(|(i, event)| match event {
        PhoneEvent::Transferring { code } if *i == id => Some(*code),
        _ => None,
    });
    codes.collect()
}

fn transfers(story: &Story) -> Vec<(TransferKind, u16)> {
    let ends = story.told.iter().filter_map(|what| match what {
        What::TransferEnded { kind, code, .. } | What::TransferRefused { kind, code, .. } => Some((*kind, *code)),
        _ => None,
    });
    ends.collect()
}

fn over(mut story: Story) -> Vec<Contact> {
    for id in [ANNA, BJORN, CALLER, SECOND_CALLER, LINE_2, OUTSIDE] {
        story.act(id, Act::HangUp);
    }
    for id in [LINE_2, OUTSIDE, SECOND_CALLER] {
        story.act(id, Act::Unplug);
    }
    story.pass(Duration::from_secs(60));
    let contacts = story.world.checker.contacts.clone();
    story.over();
    contacts
}

fn talks(contact: &Contact) -> Vec<&str> {
    contact.talks.iter().map(|talk| &*talk.with).collect()
}

fn segments(contact: &Contact) -> Vec<(&str, Option<&str>, Option<u16>)> {
    contact.segments.iter().map(|s| (s.to.as_str(), s.by.as_deref(), s.code)).collect()
}

#[test]
fn a_caller_is_sent_to_a_colleague_and_the_agent_goes_into_wrap_up() {
    let mut story = talking();
    story.act(ANNA, Act::Transfer("2001".into()));
    assert!(story.happened(BJORN, &PhoneEvent::Rings { from: "+46701".into() }), "{:?}", story.phones);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Talking), "her phone is still in use");
    assert_eq!(told(&story, ANNA), [202, 100, 180]);
    story.act(BJORN, Act::Answer);
    assert!(is_talking(&story, BJORN) && is_talking(&story, CALLER) && !is_talking(&story, ANNA));
    assert_eq!(told(&story, ANNA), [202, 100, 180, 200]);
    assert_eq!((story.phase("agent0"), story.phase("agent1")), (Some(AgentPhase::WrapUp), Some(AgentPhase::Busy)));
    story.act(BJORN, Act::HangUp);
    story.pass(Duration::from_secs(3));
    assert!(
        story.told.iter().any(|what| matches!(what, What::Step { step, .. } if **step == *"thanks")),
        "the flow goes on"
    );
    assert_eq!(story.phase("agent1"), Some(AgentPhase::Ready));
    let contacts = over(story);
    assert_eq!(contacts.len(), 1);
    assert_eq!(talks(&contacts[0]), ["agent0", "agent1"]);
    assert_eq!(segments(&contacts[0]), [("100", None, None), ("2001", Some("agent0"), Some(200))]);
    let ended: Vec<_> = contacts[0].segments.iter().map(|segment| segment.ended).collect();
    assert_eq!(ended, [Some(contacts[0].segments[1].at), Some(contacts[0].ended)]);
}

#[test]
fn whom_nobody_takes_the_agent_has_back() {
    let mut story = talking();
    story.act(ANNA, Act::Hold(true));
    story.act(ANNA, Act::Transfer("2001".into()));
    story.act(BJORN, Act::Decline(486));
    assert_eq!(told(&story, ANNA), [202, 100, 180, 486]);
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER));
    assert_eq!((story.phase("agent0"), story.phase("agent1")), (Some(AgentPhase::Talking), Some(AgentPhase::Ready)));
    story.act(ANNA, Act::Hold(false));
    // And again, to one who does not answer, and to one who is not there.
    story.act(ANNA, Act::Transfer("2001".into()));
    story.pass(Duration::from_secs(31));
    assert_eq!(told(&story, ANNA)[4..], [202, 100, 180, 408]);
    story.act(BJORN, Act::Unregister);
    story.act(ANNA, Act::Transfer("2001".into()));
    assert_eq!(told(&story, ANNA)[8..], [202, 100, 480]);
    story.pass(Duration::from_secs(2));
    story.act(ANNA, Act::HangUp);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::WrapUp));
    let contacts = over(story);
    assert_eq!(talks(&contacts[0]), ["agent0"; 4]);
    assert_eq!(segments(&contacts[0])[1..].iter().map(|s| s.2).collect::<Vec<_>>(), [Some(486), Some(408), Some(480)]);
}

#[test]
fn who_may_not_call_a_number_outside_transfers_nobody_there_either() {
    let mut house = house();
    house.agents[0].out.denied = vec!["+4687".into()];
    let mut story = talking_in(house);
    story.act(ANNA, Act::Transfer("+4687000000".into()));
    assert_eq!(told(&story, ANNA).last(), Some(&403));
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER), "the agent has the caller back");
    over(story);
}

#[test]
fn what_cannot_be_reached_is_refused_and_the_talk_goes_on() {
    let mut story = talking();
    for (number, code) in [("nobody", 404), ("*1", 404), ("2000", 403), ("agent0", 403)] {
        story.act(ANNA, Act::Transfer(number.into()));
        assert_eq!(told(&story, ANNA).last(), Some(&code), "{number}");
    }
    story.act(CALLER, Act::Transfer("2001".into()));
    assert_eq!(told(&story, CALLER), [403], "callers transfer nobody");
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER));
    assert!(transfers(&story).iter().all(|(kind, code)| *kind == TransferKind::Blind && *code >= 403));
    assert_eq!(over(story)[0].segments.len(), 1);
}

#[test]
fn who_hung_up_before_the_transfer_failed_does_not_lose_the_caller_who_is_next_in_the_queue() {
    let mut story = talking();
    for act in [Act::Call("100".into()), Act::Key('1')] {
        story.act(SECOND_CALLER, act);
        story.pass(Duration::from_secs(1));
    }
    story.act(ANNA, Act::Transfer("2001".into()));
    story.act(ANNA, Act::HangUp);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::WrapUp));
    story.act(BJORN, Act::Decline(603));
    assert!(is_talking(&story, CALLER), "the caller waits");
    // Wrap-up is over: of the two who wait, the one who came back is next.
    for _ in 0..60 {
        story.pass(Duration::from_secs(1));
        if story.phase("agent0") == Some(AgentPhase::Offered) {
            break;
        }
    }
    story.act(ANNA, Act::Answer);
    let rings = story.phones.iter().rev().find_map(|(id, event)| match event {
        PhoneEvent::Rings { from } if *id == ANNA => Some(from.clone()),
        _ => None,
    });
    assert_eq!(rings.as_deref(), Some("sales: +46701"));
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER));
    story.act(ANNA, Act::HangUp);
    let contacts = over(story);
    let first = contacts.iter().find(|contact| contact.from == "+46701").unwrap();
    assert_eq!(first.waits.iter().map(|wait| wait.exit).collect::<Vec<_>>(), [Some(Exit::Answered); 2]);
    assert_eq!(talks(first), ["agent0", "agent0"]);
}

#[test]
fn a_phone_that_hangs_up_because_its_transfer_failed_does_not_lose_the_caller_either() {
    let mut story = talking();
    story.act(ANNA, Act::Transfer("2001".into()));
    story.act(BJORN, Act::Decline(486));
    story.act(ANNA, Act::HangUp);
    assert!(is_talking(&story, CALLER));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::WrapUp));
    story.pass(Duration::from_secs(15));
    story.act(ANNA, Act::Answer);
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER), "after wrap-up the caller is offered again");
    story.act(ANNA, Act::HangUp);
    assert_eq!(over(story)[0].waits.len(), 2);
}

#[test]
fn a_phone_that_sends_its_calls_elsewhere_has_declined() {
    let mut story = Story::new(house());
    story.register_both();
    for act in [Act::Call("100".into()), Act::Key('1')] {
        story.act(CALLER, act);
        story.pass(Duration::from_secs(2));
    }
    story.act(ANNA, Act::Decline(302));
    let outcome = story.told.iter().find_map(|what| match what {
        What::OfferEnded { outcome, .. } => Some(*outcome),
        _ => None,
    });
    assert_eq!(outcome, Some(vaxel::acd::Outcome::Declined));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Ready));
    story.act(CALLER, Act::HangUp);
    story.over();
}

#[test]
fn a_caller_is_sent_to_a_number_outside_or_into_a_flow() {
    let mut story = talking();
    story.act(ANNA, Act::Transfer("+4687000000".into()));
    assert!(story.happened(OUTSIDE, &PhoneEvent::Rings { from: "+46701".into() }), "{:?}", story.phones);
    story.act(OUTSIDE, Act::Answer);
    assert!(is_talking(&story, OUTSIDE) && is_talking(&story, CALLER) && !is_talking(&story, ANNA));
    let contacts = over(story);
    assert_eq!(talks(&contacts[0]), ["agent0", "+4687000000"]);
    let mut story = talking();
    story.act(ANNA, Act::Transfer("100".into()));
    assert_eq!(told(&story, ANNA), [202, 100, 200], "the flow answers at once");
    assert!(!is_talking(&story, ANNA) && is_talking(&story, CALLER));
    story.act(CALLER, Act::Key('2'));
    story.pass(Duration::from_secs(2));
    story.act(BJORN, Act::Answer);
    assert!(is_talking(&story, BJORN));
    story.act(BJORN, Act::HangUp);
    let contacts = over(story);
    assert_eq!(contacts[0].waits.len(), 2);
    assert_eq!(segments(&contacts[0]), [("100", None, None), ("100", Some("agent0"), Some(200))]);
}

#[test]
fn an_agent_is_said_to_have_ended_the_call_only_where_it_was_one() {
    let mut story = Story::new(house());
    story.world.add_phone(OUTSIDE, "+468", None);
    story.register_both();
    // Bjorn hangs up, then whom Bjorn has sent Anna to, then whom Anna has dialled.
    for (dials, sends_on, hangs_up, by) in [
        ("2001", None, BJORN, EndedBy::Agent),
        ("2001", Some("+4687000000"), OUTSIDE, EndedBy::Called),
        ("+4687000000", None, OUTSIDE, EndedBy::Called),
    ] {
        story.act(ANNA, Act::Call(dials.into()));
        if let Some(number) = sends_on {
            story.act(BJORN, Act::Answer);
            story.act(BJORN, Act::Transfer(number.into()));
        }
        story.act(hangs_up, Act::Answer);
        assert!(is_talking(&story, ANNA) && is_talking(&story, hangs_up), "{dials} {sends_on:?}");
        story.told.clear();
        story.act(hangs_up, Act::HangUp);
        assert_eq!(story.ended_by(), Some(by), "{dials} {sends_on:?}");
        story.pass(Duration::from_secs(10));
    }
    story.act(OUTSIDE, Act::Unplug);
    let records: Vec<_> = story.world.checker.contacts.iter().map(|contact| contact.ended_by).collect();
    assert_eq!(records, [EndedBy::Agent, EndedBy::Called, EndedBy::Called]);
    story.over();
}

#[test]
fn a_caller_who_gives_up_ends_the_transfer_for_everybody() {
    let mut story = talking();
    story.act(ANNA, Act::Transfer("2001".into()));
    story.act(CALLER, Act::HangUp);
    assert!(story.happened(BJORN, &PhoneEvent::StoppedRinging) && story.happened(ANNA, &PhoneEvent::Ended));
    assert_eq!(transfers(&story), [(TransferKind::Blind, 487)]);
    assert_eq!((story.phase("agent0"), story.phase("agent1")), (Some(AgentPhase::WrapUp), Some(AgentPhase::Ready)));
    over(story);
}

#[test]
fn an_agent_asks_a_colleague_first_and_then_joins_the_two() {
    let mut story = talking();
    story.act(ANNA, Act::Hold(true));
    story.act(LINE_2, Act::Call("2001".into()));
    story.act(BJORN, Act::Answer);
    assert!(is_talking(&story, LINE_2) && is_talking(&story, BJORN));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Talking));
    story.act(ANNA, Act::TransferTo(LINE_2));
    assert_eq!(told(&story, ANNA), [202, 100, 200]);
    assert!(is_talking(&story, CALLER) && is_talking(&story, BJORN), "{:?}", story.phones);
    assert!(!is_talking(&story, ANNA) && !is_talking(&story, LINE_2));
    assert_eq!((story.phase("agent0"), story.phase("agent1")), (Some(AgentPhase::WrapUp), Some(AgentPhase::Busy)));
    assert_eq!(story.world.engine.calls(), 1);
    story.act(CALLER, Act::HangUp);
    assert!(story.happened(BJORN, &PhoneEvent::Ended));
    assert_eq!(story.phase("agent1"), Some(AgentPhase::Ready));
    let contacts = over(story);
    let caller = contacts.iter().find(|contact| contact.from == "+46701").unwrap();
    assert_eq!(segments(caller), [("100", None, None), ("agent1", Some("agent0"), Some(200))]);
    assert_eq!(talks(caller), ["agent0", "agent1"]);
    let consult = contacts.iter().find(|contact| contact.from != "+46701").unwrap();
    assert!(consult.cause.starts_with("became part of call"), "{}", consult.cause);
}

#[test]
fn from_the_consult_call_it_works_as_well_and_the_callers_call_stays() {
    let mut story = talking();
    story.act(LINE_2, Act::Call("+4687000000".into()));
    story.act(OUTSIDE, Act::Answer);
    story.act(LINE_2, Act::TransferTo(ANNA));
    assert_eq!(told(&story, LINE_2).first(), Some(&202));
    assert!(is_talking(&story, CALLER) && is_talking(&story, OUTSIDE));
    assert!(!is_talking(&story, ANNA) && !is_talking(&story, LINE_2));
    let contacts = over(story);
    let caller = contacts.iter().find(|contact| contact.from == "+46701").unwrap();
    assert_eq!(talks(caller), ["agent0", "+4687000000"]);
}

#[test]
fn a_colleague_who_only_rings_can_be_given_as_well() {
    let mut story = talking();
    story.act(LINE_2, Act::Call("2001".into()));
    // Its own dialog is early: the phone knows it from the 180.
    story.act(ANNA, Act::TransferTo(LINE_2));
    assert_eq!(told(&story, ANNA), [202, 100, 180]);
    story.act(BJORN, Act::Answer);
    assert!(is_talking(&story, CALLER) && is_talking(&story, BJORN));
    over(story);
}

#[test]
fn a_call_begun_while_a_transfer_rings_can_be_joined_once_the_transfer_has_failed() {
    let mut story = talking();
    story.act(ANNA, Act::Transfer("2001".into()));
    story.act(LINE_2, Act::Call("+4687000000".into()));
    story.act(OUTSIDE, Act::Answer);
    story.act(BJORN, Act::Decline(486));
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER), "she has the caller back");
    story.act(ANNA, Act::TransferTo(LINE_2));
    assert_eq!(told(&story, ANNA).last(), Some(&200));
    assert!(is_talking(&story, CALLER) && is_talking(&story, OUTSIDE));
    over(story);
}

#[test]
fn a_line_that_the_agent_waited_in_is_given_to_the_caller() {
    let mut story = talking();
    story.act(LINE_2, Act::Call("100".into()));
    story.pass(Duration::from_secs(1));
    story.act(LINE_2, Act::Info('2'));
    story.pass(Duration::from_secs(2));
    story.act(ANNA, Act::TransferTo(LINE_2));
    assert_eq!(told(&story, ANNA), [202, 100, 200], "{:?}", story.told);
    story.pass(Duration::from_secs(2));
    story.act(BJORN, Act::Answer);
    assert!(is_talking(&story, CALLER) && is_talking(&story, BJORN));
    let contacts = over(story);
    let caller = contacts.iter().find(|contact| contact.from == "+46701").unwrap();
    assert_eq!(caller.waits.iter().map(|wait| &*wait.queue).collect::<Vec<_>>(), ["sales", "support"]);
    let consult = contacts.iter().find(|contact| contact.from != "+46701").unwrap();
    assert_eq!(consult.waits[0].exit, Some(Exit::Transferred));
}

#[test]
fn somebody_elses_call_cannot_be_taken_or_given() {
    let mut story = talking();
    story.act(BJORN, Act::Call("+4687000000".into()));
    story.act(OUTSIDE, Act::Answer);
    story.act(ANNA, Act::TransferTo(BJORN));
    assert_eq!(told(&story, ANNA), [202, 100, 481]);
    assert!([ANNA, CALLER, BJORN, OUTSIDE].iter().all(|id| is_talking(&story, *id)));
    story.act(LINE_2, Act::TakeOver(BJORN));
    assert_eq!(story.failed(LINE_2), Some(403));
    over(story);
}

#[test]
fn another_phone_of_the_agent_takes_the_talk_over() {
    let mut story = talking();
    story.act(LINE_2, Act::TakeOver(ANNA));
    assert!(is_talking(&story, LINE_2) && is_talking(&story, CALLER) && !is_talking(&story, ANNA));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Talking));
    story.act(LINE_2, Act::HangUp);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::WrapUp));
    let contacts = over(story);
    assert_eq!(contacts.len(), 1);
    assert_eq!(talks(&contacts[0]), ["agent0", "agent0"]);
}

#[test]
fn a_talk_is_taken_over_also_when_no_more_calls_are_taken() {
    let mut house = house();
    house.limits.calls = 1;
    let mut story = talking_in(house);
    story.act(LINE_2, Act::TakeOver(ANNA));
    assert!(is_talking(&story, LINE_2) && !is_talking(&story, ANNA), "at the limit: {:?}", story.failed(LINE_2));
    let until = story.world.now() + Duration::from_secs(300);
    story.world.input(Input::Drain { until });
    story.act(ANNA, Act::TakeOver(LINE_2));
    assert!(is_talking(&story, ANNA) && !is_talking(&story, LINE_2), "draining: {:?}", story.failed(ANNA));
    over(story);
}

#[test]
fn a_call_that_only_waits_or_hears_a_flow_is_not_taken_over() {
    let mut story = talking();
    let connected = |story: &Story| {
        story.phones.iter().any(|(id, event)| *id == LINE_2 && matches!(event, PhoneEvent::Connected { .. }))
    };
    story.act(BJORN, Act::Unregister);
    story.world.add_phone(LINE_2, "agent1", Some("secret1"));
    story.act(BJORN, Act::Call("100".into()));
    for _ in 0..2 {
        story.act(LINE_2, Act::TakeOver(BJORN));
        assert_eq!(story.failed(LINE_2), Some(481));
        assert!(is_talking(&story, BJORN) && !connected(&story), "nobody is answered and then hung up");
        story.act(BJORN, Act::Info('2'));
        story.pass(Duration::from_secs(1));
    }
    over(story);
}

#[test]
fn another_phone_of_the_agent_answers_what_rings_on_the_first() {
    let mut story = talking();
    story.world.add_phone(LINE_2, "agent1", Some("secret1"));
    story.act(SECOND_CALLER, Act::Call("100".into()));
    story.act(SECOND_CALLER, Act::Info('2'));
    story.pass(Duration::from_secs(1));
    assert!(story.happened(BJORN, &PhoneEvent::Rings { from: "support: +46702".into() }), "{:?}", story.phones);
    story.act(LINE_2, Act::TakeOver(BJORN));
    assert!(is_talking(&story, LINE_2) && is_talking(&story, SECOND_CALLER), "{:?}", story.failed(LINE_2));
    assert!(story.happened(BJORN, &PhoneEvent::StoppedRinging) && !is_talking(&story, BJORN));
    assert_eq!(story.phase("agent1"), Some(AgentPhase::Talking));
    story.act(LINE_2, Act::HangUp);
    assert_eq!(story.phase("agent1"), Some(AgentPhase::WrapUp));
    // A colleague's call that rings is taken as well.
    story.pass(Duration::from_secs(30));
    story.act(CALLER, Act::HangUp);
    story.pass(Duration::from_secs(30));
    story.act(ANNA, Act::Call("2001".into()));
    story.act(LINE_2, Act::TakeOver(BJORN));
    assert!(is_talking(&story, LINE_2) && is_talking(&story, ANNA) && !is_talking(&story, BJORN));
    let contacts = over(story);
    let of = |from: &str| contacts.iter().find(|contact| contact.from == from).map(talks);
    assert_eq!((of("+46702"), of("2000")), (Some(vec!["agent1"]), Some(vec!["agent1"])));
}

#[test]
fn a_phone_that_does_not_hang_up_after_its_transfer_is_hung_up() {
    let mut story = talking();
    story.act(ANNA, Act::Transfer("2001".into()));
    story.act(ANNA, Act::Unplug);
    story.act(BJORN, Act::Answer);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Talking));
    story.pass(Duration::from_secs(4));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::WrapUp));
    assert!(is_talking(&story, BJORN) && is_talking(&story, CALLER));
    drop(std::iter::from_fn(|| story.world.engine.poll_output()).collect::<Vec<Output>>());
    over(story);
}

/// The leg of who was connected last.
fn connected(story: &Story) -> LegId {
    let legs = story.told.iter().rev().find_map(|what| match what {
        What::Connected { leg, .. } => Some(*leg),
        _ => None,
    });
    legs.expect("somebody was connected")
}

#[test]
fn who_has_transferred_holds_nobody_any_more() {
    let mut story = talking();
    story.act(ANNA, Act::Transfer("2001".into()));
    // Her phone learns late that it is done, and holds meanwhile.
    story.act(ANNA, Act::Unplug);
    story.act(BJORN, Act::Answer);
    let bjorn = connected(&story);
    assert!(story.world.media.partner(bjorn).is_some());
    story.world.act_in(Duration::ZERO, ANNA, Act::Plug);
    story.act(ANNA, Act::Hold(true));
    assert!(story.told.iter().any(|what| matches!(what, What::Held { .. })), "{:?}", story.told);
    assert!(story.world.media.partner(bjorn).is_some(), "the caller and Bjorn hear each other");
    story.pass(Duration::from_secs(5));
    assert!(is_talking(&story, BJORN) && is_talking(&story, CALLER) && !is_talking(&story, ANNA));
    over(story);
}

#[test]
fn who_gets_the_agents_place_in_line_during_an_announcement_hears_the_lines_music_after_it() {
    let mut house = house();
    house.hold_music = "hold".into();
    let mut story = talking_in(house);
    story.act(LINE_2, Act::Call("100".into()));
    story.pass(Duration::from_secs(1));
    story.act(LINE_2, Act::Info('1'));
    // The first announcement.
    story.pass(Duration::from_millis(15_200));
    let waiting = |story: &Story, name: &str| {
        let sounds = story.world.media.playing();
        sounds.iter().filter(|sound| sound.name == name).count()
    };
    assert_eq!((waiting(&story, "you-are-next"), waiting(&story, "music/calm")), (1, 0));
    story.act(ANNA, Act::TransferTo(LINE_2));
    assert_eq!(told(&story, ANNA), [202, 100, 200], "{:?}", story.told);
    assert_eq!((waiting(&story, "you-are-next"), waiting(&story, "music/calm")), (0, 1));
    over(story);
}

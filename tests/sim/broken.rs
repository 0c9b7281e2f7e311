//! Talks whose line broke at the agent's end.

use crate::desk::with_line;
use crate::switchboard::{ANNA, BJORN, CALLER, Story, office};
use vaxel::acd::Exit;
use vaxel::engine::Network;
use vaxel::ids::QueueId;
use vaxel::record::{EndedBy, What};
use vaxel::sim::PhoneEvent;
use vaxel::sim::world::{Act, PhoneId, World};
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Anna sells, and talks with the caller, who had waited for ten seconds; Björn sells, too, and comes later.
fn talks() -> Story {
    let mut settings = office();
    with_line(&mut settings);
    settings.agents[1].settings.skills.insert("sales".into(), 5);
    let mut story = Story::new(settings);
    story.act(CALLER, Act::Call("303".into()));
    story.pass(10 * SECOND);
    story.act(ANNA, Act::Register { expires: 3600 * SECOND });
    story.act(ANNA, Act::Answer);
    assert_eq!(exits(&story), [Exit::Answered]);
    story
}

fn exits(story: &Story) -> Vec<Exit> {
    let exit = |what: &What| if let What::Dequeued { exit, .. } = what { Some(*exit) } else { None };
    story.told.iter().filter_map(exit).collect()
}

fn offered(story: &Story) -> Vec<String> {
    let offered = |what: &What| if let What::Offered { agent, .. } = what { Some(agent.to_string()) } else { None };
    story.told.iter().filter_map(offered).collect()
}

/// The phone is silent until that is noticed.
fn breaks(story: &mut Story) {
    let before = story.told.len();
    story.act(ANNA, Act::Unplug);
    until(story, |story| story.told[before..].iter().any(|what| matches!(what, What::Disconnected { .. })));
}

/// It is there again, and known.
fn is_back(story: &mut Story) {
    story.act(ANNA, Act::Plug);
    story.act(ANNA, Act::Register { expires: 3600 * SECOND });
}

fn until(story: &mut Story, is_so: impl Fn(&Story) -> bool) {
    let begun = story.world.now();
    while !is_so(story) {
        assert!(story.world.now().since(begun) < 600 * SECOND, "it never was");
        story.pass(SECOND);
    }
}

fn since(story: &Story) -> Duration {
    let acd = &story.world.engine.acd();
    let entry = acd.entries(QueueId(0))[0];
    story.world.now().since(acd.entry(entry).expect("it waits").since)
}

fn over(mut story: Story) {
    for id in [CALLER, ANNA, BJORN] {
        story.act(id, Act::HangUp);
    }
    story.over();
}

#[test]
fn whose_agent_is_lost_waits_again_from_where_they_had_waited_and_goes_back_to_the_agent() {
    let mut story = talks();
    breaks(&mut story);
    assert!(!story.happened(CALLER, &PhoneEvent::Ended), "the caller is on the line");
    assert_eq!(since(&story).as_secs(), 10);
    story.act(BJORN, Act::Register { expires: 3600 * SECOND });
    is_back(&mut story);
    until(&mut story, |story| offered(story).len() == 2);
    assert_eq!(offered(&story), ["agent0", "agent0"], "and not to who is idle");
    story.act(ANNA, Act::Answer);
    assert_eq!(exits(&story), [Exit::Answered, Exit::Answered]);
    story.act(ANNA, Act::HangUp);
    assert_eq!(story.ended_by(), Some(EndedBy::Flow), "the flow goes on as after any talk");
    over(story);
}

#[test]
fn another_agent_serves_them_when_the_agent_stays_away() {
    let mut story = talks();
    story.act(BJORN, Act::Register { expires: 3600 * SECOND });
    breaks(&mut story);
    until(&mut story, |story| offered(story).last().is_some_and(|agent| agent == "agent1"));
    story.act(BJORN, Act::Answer);
    assert_eq!(exits(&story), [Exit::Answered, Exit::Answered]);
    is_back(&mut story);
    story.pass(60 * SECOND);
    over(story);
}

#[test]
fn they_may_hang_up_while_they_wait_again() {
    let mut story = talks();
    breaks(&mut story);
    story.pass(5 * SECOND);
    story.act(CALLER, Act::HangUp);
    assert_eq!(exits(&story), [Exit::Answered, Exit::Abandoned]);
    over(story);
}

#[test]
fn a_phone_that_is_lost_in_every_talk_does_not_have_its_caller_for_ever() {
    let mut story = talks();
    for again in 1..=3 {
        breaks(&mut story);
        assert!(!story.happened(CALLER, &PhoneEvent::Ended));
        is_back(&mut story);
        until(&mut story, |story| offered(story).len() == again + 1);
        story.act(ANNA, Act::Answer);
    }
    breaks(&mut story);
    until(&mut story, |story| story.happened(CALLER, &PhoneEvent::Ended));
    assert_eq!(exits(&story), [Exit::Answered; 4]);
    assert!(story.told.iter().any(|what| matches!(what, What::AgentsLost { times: 4, .. })));
    over(story);
}

#[test]
fn a_caller_without_a_number_goes_back_to_the_agent_too() {
    let mut settings = office();
    with_line(&mut settings);
    settings.agents[1].settings.skills.insert("sales".into(), 5);
    let nobody = PhoneId(70);
    settings.trunks[0].from.push(Network { address: World::address(nobody, 0).ip(), prefix: 32 });
    let mut story = Story::new(settings);
    story.world.add_phone(nobody, "anonymous", None);
    story.act(nobody, Act::Call("303".into()));
    story.act(ANNA, Act::Register { expires: 3600 * SECOND });
    story.act(ANNA, Act::Answer);
    story.act(BJORN, Act::Register { expires: 3600 * SECOND });
    breaks(&mut story);
    is_back(&mut story);
    until(&mut story, |story| offered(story).len() == 2);
    assert_eq!(offered(&story), ["agent0", "agent0"]);
    story.act(nobody, Act::HangUp);
    over(story);
}

#[test]
fn who_calls_again_before_the_line_is_known_to_be_gone_has_the_place_then() {
    let (other, again) = (PhoneId(70), PhoneId(71));
    let mut settings = office();
    with_line(&mut settings);
    for phone in [other, again] {
        settings.trunks[0].from.push(Network { address: World::address(phone, 0).ip(), prefix: 32 });
    }
    let mut story = Story::new(settings);
    story.world.add_phone(other, "+46702", None);
    story.world.add_phone(again, "+46701", None);
    for phone in [CALLER, other, again] {
        story.act(phone, Act::Call("303".into()));
        story.pass(10 * SECOND);
        story.act(CALLER, Act::Unplug);
    }
    let line = |story: &Story| story.world.engine.acd().entries(QueueId(0));
    let before = line(&story);
    until(&mut story, |story| !exits(story).is_empty());
    assert_eq!(exits(&story), [Exit::SystemFault]);
    assert_eq!(line(&story), [before[2], before[1]]);
    for phone in [other, again] {
        story.act(phone, Act::HangUp);
    }
    over(story);
}

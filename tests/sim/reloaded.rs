//! Queues and agents that are otherwise from now on, while people wait and talk.

use crate::desk::with_line;
use crate::switchboard::{ANNA, BJORN, CALLER, Story, office};
use std::collections::BTreeMap;
use vaxel::acd::{Overflow, Skills, When};
use vaxel::engine::{Agent, Input, Reload, Settings};
use vaxel::hours::Calendar;
use vaxel::ids::QueueId;
use vaxel::need::{Attributes, Need};
use vaxel::record::{AgentPhase, What};
use vaxel::sim::PhoneEvent;
use vaxel::sim::world::{Act, PhoneId};
use vaxel::time::Duration;

fn settings() -> Settings {
    let mut settings = office();
    with_line(&mut settings);
    settings
}

fn begun() -> Story {
    let mut story = Story::new(settings());
    story.register_both();
    story
}

fn reload(story: &mut Story, change: impl FnOnce(&mut Settings)) {
    let mut changed = settings();
    change(&mut changed);
    story.world.input(Input::Reload(Box::new(Reload::of(changed))));
    story.pass(Duration::from_millis(200));
}

fn rings(story: &Story, id: PhoneId) -> bool {
    story.phones.iter().any(|(i, event)| *i == id && matches!(event, PhoneEvent::Rings { .. }))
}

fn over(mut story: Story) {
    for id in [CALLER, ANNA, BJORN] {
        story.act(id, Act::HangUp);
    }
    story.over();
}

fn never_open() -> Calendar {
    Calendar::new("UTC").expect("a zone")
}

#[test]
fn who_learns_a_skill_is_rung_for_who_waits_and_who_loses_it_finishes_the_talk() {
    let mut story = begun();
    story.act(ANNA, Act::Call("2001".into()));
    story.act(BJORN, Act::Answer);
    story.act(BJORN, Act::HangUp);
    story.phones.clear();
    reload(&mut story, |settings| settings.agents[0].settings.skills = Skills::new());
    story.act(CALLER, Act::Call("303".into()));
    story.pass(Duration::from_secs(5));
    assert!(!rings(&story, ANNA) && !rings(&story, BJORN), "nobody sells");
    reload(&mut story, |settings| {
        settings.agents[0].settings.skills = Skills::new();
        settings.agents[1].settings.skills.insert("sales".into(), 5);
    });
    assert!(rings(&story, BJORN) && !rings(&story, ANNA));
    story.act(BJORN, Act::Answer);
    assert_eq!(story.phase("agent1"), Some(AgentPhase::Talking));
    reload(&mut story, |_| {});
    story.pass(Duration::from_secs(5));
    assert!(story.world.phone(CALLER).is_some_and(vaxel::sim::Phone::is_talking), "the talk goes on");
    story.act(CALLER, Act::HangUp);
    story.pass(Duration::from_secs(20));
    story.phones.clear();
    story.act(CALLER, Act::Call("303".into()));
    assert!(rings(&story, ANNA) && !rings(&story, BJORN));
    over(story);
}

#[test]
fn a_queue_has_other_hours_needs_and_ways_from_now_on_and_the_same_settings_change_nothing() {
    let mut story = begun();
    let told = story.told.len();
    let journalled = story.world.engine.acd().now();
    reload(&mut story, |_| {});
    assert_eq!((story.told.len(), story.world.engine.acd().now()), (told, journalled), "nothing is journalled");
    reload(&mut story, |settings| settings.hours = BTreeMap::from([("sales".into(), never_open())]));
    story.act(CALLER, Act::Call("303".into()));
    story.pass(Duration::from_secs(5));
    let exit = |story: &Story| {
        story.told.iter().rev().find_map(|what| match what {
            What::Dequeued { exit, .. } => Some(format!("{exit:?}")),
            _ => None,
        })
    };
    assert_eq!(exit(&story).as_deref(), Some("QueueClosed"));
    // Open again, but nobody suffices: on to support, which has come to stand first in the file.
    reload(&mut story, |settings| {
        settings.queues[0].needs = Need::parse("sales >= 10").expect("a need").0;
        let way = Overflow { to: QueueId(0), when: When::After(Duration::from_secs(1)), only: Attributes::new() };
        settings.queues[0].overflow = vec![way];
        settings.queues.reverse();
    });
    story.act(CALLER, Act::Call("303".into()));
    story.pass(Duration::from_secs(3));
    assert_eq!(exit(&story).as_deref(), Some("Overflowed"));
    assert!(rings(&story, BJORN));
    over(story);
}

#[test]
fn a_shift_ends_begins_and_is_forgotten_by_what_the_settings_say_now() {
    let mut story = begun();
    let shift = |calendar: Option<Calendar>| move |settings: &mut Settings| settings.agents[0].shift = calendar;
    reload(&mut story, shift(Some(never_open())));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::OffShift));
    reload(&mut story, shift(None));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Ready));
    over(story);
}

#[test]
fn names_that_nobody_has_and_numbers_and_passwords_wait_for_the_next_start() {
    let mut story = begun();
    reload(&mut story, |settings| {
        let mut queue = settings.queues[0].clone();
        queue.name = "night".into();
        settings.queues.push(queue);
        let mut carl = settings.agents[0].clone();
        carl.settings.name = "carl".into();
        carl.settings.queues = [QueueId(2)].into();
        carl.number = "2009".into();
        settings.agents.push(carl);
        let anna: &mut Agent = &mut settings.agents[0];
        (anna.number, anna.password) = ("2008".into(), "another".into());
        settings.agents.remove(1);
    });
    assert_eq!(story.world.engine.acd().queues().count(), 2);
    assert_eq!(story.world.engine.acd().agents().count(), 2);
    story.act(ANNA, Act::Call("2001".into()));
    assert!(rings(&story, BJORN), "who was taken out stays until then");
    over(story);
}

//! The life of a queue, with callers on the line: hours, and on to other queues.

use crate::switchboard::{ANNA, BJORN, CALLER, Story, office};
use crate::{MORNING, compiled};
use std::collections::BTreeMap;
use vaxel::acd::{Exit, KeepPlaceFor, Overflow, When};
use vaxel::engine::{Number, Settings};
use vaxel::hours::{Calendar, Window, weekdays};
use vaxel::ids::QueueId;
use vaxel::need::{Attributes, Need};
use vaxel::record::{AgentPhase, What};
use vaxel::sim::PhoneEvent;
use vaxel::sim::world::Act;
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The number 303 leads to sales.
const LINE: &str = "flow: line
languages: [en]
start: line
steps:
  line: { queue: { name: sales, while_waiting: { music: calm }, closed: late, no_agents: late, next: end, failed: end } }
  late: { play: { prompt: goodbye, next: end } }
  end: { hangup: {} }
";

fn line(change: impl FnOnce(&mut Settings)) -> Story {
    let mut settings = office();
    settings.flows.insert("line".into(), compiled("line", LINE));
    settings.numbers.push(Number { number: "303".parse().expect("a number"), flow: "line".into(), trunk: None });
    change(&mut settings);
    let mut story = Story::new(settings);
    story.register_both();
    story
}

/// Every queue that the caller was in, and how the caller left it.
fn way(story: &Story) -> Vec<(String, Exit)> {
    let exits = story.told.iter().filter_map(|what| match what {
        What::Dequeued { queue, exit, .. } => Some((queue.to_string(), *exit)),
        _ => None,
    });
    exits.collect()
}

fn over(mut story: Story) {
    for id in [CALLER, ANNA, BJORN] {
        story.act(id, Act::HangUp);
    }
    story.over();
}

/// Open for this hour, counted from the story's morning on.
fn office_hours(from: u64, to: u64) -> BTreeMap<String, Calendar> {
    let minute = |at: u64| format!("{:02}:{:02}", at / 60 % 24, at % 60);
    let begin = MORNING.as_secs() / 60 % 1440;
    let mut calendar = Calendar::new("UTC").expect("a zone");
    let window = format!("{}-{}", minute(begin + from), minute(begin + to));
    calendar.add_week(&weekdays("mon-sun").expect("days"), &[Window::parse(&window).expect("a window")]);
    BTreeMap::from([("sales".to_owned(), calendar)])
}

#[test]
fn a_queue_opens_and_closes_by_its_calendar_and_the_flow_goes_the_way_for_it() {
    let mut story = line(|settings| settings.hours = office_hours(2, 5));
    story.act(CALLER, Act::Call("303".into()));
    story.pass(30 * SECOND);
    assert_eq!(way(&story), [("sales".into(), Exit::QueueClosed)], "it opens in two minutes");
    story.pass(120 * SECOND);
    story.told.clear();
    story.act(CALLER, Act::Call("303".into()));
    story.act(ANNA, Act::Answer);
    assert_eq!(way(&story), [("sales".into(), Exit::Answered)]);
    story.act(CALLER, Act::HangUp);
    story.pass(180 * SECOND);
    story.told.clear();
    story.act(CALLER, Act::Call("303".into()));
    assert_eq!(way(&story), [("sales".into(), Exit::QueueClosed)]);
    over(story);
}

#[test]
fn who_waits_too_long_goes_on_to_another_queue_and_is_answered_there_with_the_whole_wait() {
    let mut story = line(|settings| {
        // Nobody has what sales needs; the queue of the second place takes over.
        settings.queues[0].needs = Need::parse("sales >= 10").expect("a need").0;
        let way = Overflow { to: QueueId(1), when: When::After(20 * SECOND), only: Attributes::new() };
        settings.queues[0].overflow = vec![way];
    });
    story.act(CALLER, Act::Call("303".into()));
    story.pass(15 * SECOND);
    assert_eq!(way(&story), []);
    story.pass(10 * SECOND);
    assert_eq!(way(&story), [("sales".into(), Exit::Overflowed)]);
    assert!(story.phones.iter().any(|(id, event)| *id == BJORN && matches!(event, PhoneEvent::Rings { .. })));
    story.act(BJORN, Act::Answer);
    assert_eq!(way(&story).last(), Some(&("support".to_owned(), Exit::Answered)));
    let waited = story.told.iter().rev().find_map(|what| match what {
        What::Dequeued { waited, .. } => Some(*waited),
        _ => None,
    });
    assert!(waited.is_some_and(|waited| waited > 25 * SECOND), "{waited:?}");
    assert!(story.world.phone(CALLER).is_some_and(vaxel::sim::Phone::is_talking));
    story.act(CALLER, Act::HangUp);
    let contact = story.world.checker.contacts.last().expect("a call ended").clone();
    let waits: Vec<_> = contact.waits.iter().map(|wait| (wait.queue.to_string(), wait.exit)).collect();
    assert_eq!(waits, [("sales".into(), Some(Exit::Overflowed)), ("support".into(), Some(Exit::Answered))]);
    over(story);
}

#[test]
fn who_had_gone_on_and_calls_again_stands_there_again_at_once() {
    let mut story = line(|settings| {
        settings.queues[0].needs = Need::parse("sales >= 10").expect("a need").0;
        let way = Overflow { to: QueueId(1), when: When::After(20 * SECOND), only: Attributes::new() };
        (settings.queues[0].overflow, settings.queues[1].keep_place_for) = (vec![way], KeepPlaceFor::All);
    });
    story.act(BJORN, Act::Call("*2".into()));
    story.act(BJORN, Act::HangUp);
    story.act(CALLER, Act::Call("303".into()));
    story.pass(30 * SECOND);
    story.act(CALLER, Act::HangUp);
    let way_in = ("sales".to_owned(), Exit::Overflowed);
    assert_eq!(way(&story), [way_in.clone(), ("support".to_owned(), Exit::Abandoned)]);
    story.told.clear();
    story.act(CALLER, Act::Call("303".into()));
    assert_eq!(way(&story), std::slice::from_ref(&way_in));
    story.act(BJORN, Act::Call("*1".into()));
    story.act(BJORN, Act::HangUp);
    story.act(BJORN, Act::Answer);
    assert_eq!(way(&story), [way_in, ("support".to_owned(), Exit::Answered)]);
    story.act(CALLER, Act::HangUp);
    let contact = story.world.checker.contacts.last().expect("a call ended").clone();
    assert!(contact.waits.iter().all(|wait| wait.before_ms >= 29_000), "it counts from before: {:?}", contact.waits);
    over(story);
}

#[test]
fn nothing_is_offered_after_the_end_of_a_shift_and_a_talk_goes_on() {
    let mut story = line(|settings| {
        settings.agents[0].shift = office_hours(0, 3).remove("sales");
        settings.agents[0].settings.shift_margin = 60 * SECOND;
        settings.queues[0].leave_when.no_agents = true;
    });
    story.act(CALLER, Act::Call("303".into()));
    story.act(ANNA, Act::Answer);
    story.pass(125 * SECOND);
    assert!(story.world.phone(CALLER).is_some_and(vaxel::sim::Phone::is_talking), "it goes on");
    story.act(CALLER, Act::HangUp);
    story.pass(15 * SECOND);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::OffShift));
    story.told.clear();
    story.act(CALLER, Act::Call("303".into()));
    assert_eq!(way(&story), [("sales".into(), Exit::NoAgents)]);
    over(story);
}

#[test]
fn where_all_are_paused_nobody_waits_if_the_queue_says_so() {
    let mut story = line(|settings| {
        settings.queues[0].join_unless.all_paused = true;
        settings.queues[0].leave_when.all_paused = true;
    });
    story.act(ANNA, Act::Call("*2".into()));
    story.act(ANNA, Act::HangUp);
    story.act(CALLER, Act::Call("303".into()));
    story.pass(10 * SECOND);
    assert_eq!(way(&story), [("sales".into(), Exit::NoAgents)]);
    over(story);
}

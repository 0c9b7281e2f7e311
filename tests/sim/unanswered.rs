//! Callers whom a flow leaves unanswered: what they are told, who answers them, and how long that lasts.

use crate::carriers::{House, Manner, address, trunk};
use crate::compiled;
use crate::switchboard::{ANNA, CALLER, Story, office};
use vaxel::acd::Exit;
use vaxel::engine::{Network, Number, Settings, Trunk};
use vaxel::record::{Contact, What};
use vaxel::sim::PhoneEvent;
use vaxel::sim::world::{Act, PhoneId, World};
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const SECOND_CALLER: PhoneId = PhoneId(52);

/// The number 303 leads into this step, which may lead to `late` and `forward`.
fn flow(step: &str) -> String {
    format!(
        "flow: line
languages: [en]
start: line
steps:
  line: {step}
  late: {{ hangup: {{ prompt: goodbye, answer: false, code: unavailable }} }}
"
    )
}

fn with_flow(settings: &mut Settings, step: &str) {
    let text = match step.contains("late") {
        true => flow(step),
        false => flow(step).replace("  late: { hangup: { prompt: goodbye, answer: false, code: unavailable } }\n", ""),
    };
    settings.flows.insert("line".into(), compiled("line", &text));
    settings.numbers.push(Number { number: "303".parse().expect("a number"), flow: "line".into(), trunk: None });
}

/// Anna, and two who can call, the first of whom has dialled 303.
fn dialled(step: &str, change: impl FnOnce(&mut Settings)) -> Story {
    let mut settings = office();
    settings.trunks[0].from.push(Network { address: World::address(SECOND_CALLER, 0).ip(), prefix: 32 });
    with_flow(&mut settings, step);
    change(&mut settings);
    let mut story = Story::new(settings);
    story.world.add_phone(SECOND_CALLER, "+46702", None);
    story.act(CALLER, Act::Call("303".into()));
    story
}

/// What a phone was told before the answer.
fn told(story: &Story, id: PhoneId) -> Vec<(u16, &str, bool)> {
    let told = story.phones.iter().filter_map(|(i, event)| match event {
        PhoneEvent::Ringing if *i == id => Some((180, "", false)),
        PhoneEvent::Progress { code, reason, sound } if *i == id => Some((*code, reason.as_str(), *sound)),
        _ => None,
    });
    told.collect()
}

fn over(mut story: Story) -> Vec<Contact> {
    for id in [CALLER, SECOND_CALLER, ANNA] {
        story.act(id, Act::HangUp);
    }
    story.act(SECOND_CALLER, Act::Unplug);
    story.pass(60 * SECOND);
    let contacts = story.world.checker.contacts.clone();
    story.over();
    contacts
}

fn exits(contacts: &[Contact]) -> Vec<Option<Exit>> {
    contacts.iter().flat_map(|contact| &contact.waits).map(|wait| wait.exit).collect()
}

fn is_talking(story: &Story, id: PhoneId) -> bool {
    story.world.phone(id).is_some_and(vaxel::sim::Phone::is_talking)
}

const RINGS: &str = "{ queue: { name: sales, answer: false, failed: late } }";
const MUSIC: &str = "{ queue: { name: sales, answer: false, while_waiting: { music: calm }, failed: late } }";

#[test]
fn who_waits_unanswered_is_told_so_and_is_answered_by_the_agent() {
    let mut story = dialled(RINGS, |_| {});
    assert_eq!(told(&story, CALLER), [(182, "Queued, number 1 in line", false), (180, "", false)]);
    story.pass(30 * SECOND);
    story.act(ANNA, Act::Register { expires: Duration::from_secs(300) });
    assert!(story.happened(ANNA, &PhoneEvent::Rings { from: "sales: +46701".into() }), "{:?}", story.phones);
    assert!(!is_talking(&story, CALLER));
    story.act(ANNA, Act::Answer);
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER));
    story.pass(5 * SECOND);
    let contacts = over(story);
    assert_eq!(exits(&contacts), [Some(Exit::Answered)]);
    // The wait counts from joining the line, like everybody's, though the answer came only then.
    let (contact, wait) = (&contacts[0], &contacts[0].waits[0]);
    assert!((30_000..31_000).contains(&wait.waited_ms), "{wait:?}");
    assert!(contact.answered.is_some_and(|answered| answered.since(contact.started) >= 30 * SECOND));
}

#[test]
fn music_is_heard_before_the_answer() {
    let mut story = dialled(MUSIC, |_| {});
    assert_eq!(told(&story, CALLER), [(182, "Queued, number 1 in line", false), (183, "Session Progress", true)]);
    story.act(ANNA, Act::Register { expires: Duration::from_secs(300) });
    story.act(ANNA, Act::Answer);
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER));
    assert_eq!(exits(&over(story)), [Some(Exit::Answered)]);
}

#[test]
fn a_new_place_in_line_is_told_and_not_too_often() {
    let mut story = dialled(RINGS, |_| {});
    story.act(SECOND_CALLER, Act::Call("303".into()));
    assert_eq!(told(&story, SECOND_CALLER)[0], (182, "Queued, number 2 in line", false));
    story.act(CALLER, Act::HangUp);
    story.pass(5 * SECOND);
    assert_eq!(told(&story, SECOND_CALLER).len(), 2, "it was told less than ten seconds ago");
    story.pass(6 * SECOND);
    assert_eq!(told(&story, SECOND_CALLER)[2..], [(182, "Queued, number 1 in line", false)]);
    story.pass(40 * SECOND);
    assert_eq!(told(&story, SECOND_CALLER).len(), 3, "nothing is new");
    assert_eq!(exits(&over(story)), [Some(Exit::ShortAbandoned), Some(Exit::Abandoned)], "CANCEL is hanging up");

    let silent = dialled(RINGS, |settings| settings.limits.place_told_every = Duration::ZERO);
    assert_eq!(told(&silent, CALLER), [(180, "", false)]);
    over(silent);
}

#[test]
fn who_is_left_unanswered_for_too_long_is_answered_and_keeps_the_place() {
    let mut story = dialled(MUSIC, |_| {});
    story.pass(149 * SECOND);
    assert!(!is_talking(&story, CALLER));
    story.pass(2 * SECOND);
    assert!(is_talking(&story, CALLER), "that is, answered");
    assert!(story.told.iter().any(|what| matches!(what, What::AnswerOverdue { .. })));
    story.act(ANNA, Act::Register { expires: Duration::from_secs(300) });
    story.act(ANNA, Act::Answer);
    assert!(is_talking(&story, ANNA));
    let contacts = over(story);
    assert_eq!(exits(&contacts), [Some(Exit::Answered)]);
    assert!(contacts[0].waits[0].waited_ms > 150_000);
}

#[test]
fn who_is_left_unanswered_for_too_long_goes_where_the_flow_says() {
    let step = "{ queue: { name: sales, answer: false, unanswered: late, failed: late } }";
    let mut story = dialled(step, |settings| settings.limits.answer_within = 20 * SECOND);
    story.pass(21 * SECOND);
    assert!(is_talking(&story, CALLER), "what comes then is said to a caller who is answered");
    story.pass(3 * SECOND);
    assert!(story.happened(CALLER, &PhoneEvent::Ended));
    assert_eq!(exits(&over(story)), [Some(Exit::Overflowed)]);
}

#[test]
fn who_waits_in_vain_hears_why_and_is_refused_without_an_answer() {
    let step = "{ queue: { name: sales, answer: false, max_wait: 10s, failed: late } }";
    let mut story = dialled(step, |_| {});
    story.pass(15 * SECOND);
    assert_eq!(told(&story, CALLER).last(), Some(&(183, "Session Progress", true)));
    assert_eq!(story.failed(CALLER), Some(480));
    let contacts = over(story);
    assert_eq!((exits(&contacts), contacts[0].answered), (vec![Some(Exit::TimedOut)], None));
}

#[test]
fn an_unanswered_caller_is_told_of_a_transfer_and_hears_that_it_rings() {
    let step = "{ transfer: { agent: agent0, answer: false, ring: 10s, failed: late } }";
    let mut story = dialled(step, |_| {});
    // Nobody is there.
    story.pass(5 * SECOND);
    assert_eq!(story.failed(CALLER), Some(480));
    story.act(ANNA, Act::Register { expires: Duration::from_secs(300) });
    story.phones.clear();
    story.act(CALLER, Act::Call("303".into()));
    assert_eq!(told(&story, CALLER), [(181, "Call Is Being Forwarded", false), (180, "", false)]);
    story.act(ANNA, Act::Answer);
    assert!(is_talking(&story, ANNA) && is_talking(&story, CALLER));
    over(story);
}

/// A house whose number 303 transfers to a carrier, which says 183 with a description; the agent's phone has called it.
fn transferred(step: &str, manner: Manner) -> House {
    let carrier =
        Trunk { takes: vec!["+".into()], from: vec![Network { address: address(1).ip(), prefix: 32 }], ..trunk(1) };
    let mut house = House::with(vec![carrier], &[manner], |settings| with_flow(settings, step));
    house.calls(0, "303");
    house.pass(SECOND);
    house
}

#[test]
fn what_the_far_end_of_a_transfer_says_before_its_answer_is_heard() {
    let unanswered = "{ transfer: { to: '+4790000000', answer: false, failed: late } }";
    let mut house = transferred(unanswered, Manner::EarlyThen(486));
    assert_eq!((house.bridges, house.early(0)), (1, vec![181, 183]));
    house.pass(5 * SECOND);
    assert_eq!(house.heard(0), Some(480), "then the flow goes on");

    let answered = "{ transfer: { to: '+4790000000', failed: late } }";
    let mut house = transferred(answered, Manner::EarlyThen(486));
    assert_eq!((house.bridges, house.early(0)), (1, Vec::new()), "who is answered already hears it, too");
    house.pass(5 * SECOND);
    assert_eq!(house.heard(0), Some(200));
    house.over();

    let music = "{ transfer: { to: '+4790000000', music: calm, answer: false, failed: late } }";
    let house = transferred(music, Manner::EarlyThen(486));
    assert_eq!((house.bridges, house.early(0)), (0, vec![183, 181]), "music that the flow names is better");
}

#[test]
fn who_is_answered_while_the_far_end_is_heard_goes_on_hearing_it() {
    let carrier = Trunk { takes: vec!["+".into()], ..trunk(1) };
    let step = "{ transfer: { to: '+4790000000', answer: false, failed: late } }";
    let mut house = House::with(vec![carrier], &[Manner::EarlyThen(486)], |settings| {
        with_flow(settings, step);
        settings.limits.answer_within = SECOND;
    });
    house.calls(0, "303");
    house.pass(SECOND / 2);
    let tones = house.repeats;
    house.pass(SECOND);
    assert_eq!((house.heard(0), house.bridges, house.repeats), (Some(200), 1, tones), "no ringing tone over it");
    house.over();
}

#[test]
fn the_place_in_another_line_is_told_though_it_is_the_same() {
    let step = "{ queue: { name: sales, answer: false, max_wait: 15s, timed_out: again, failed: again } }";
    let text =
        flow(step).replace("  late:", "  again: { queue: { name: support, answer: false, failed: late } }\n  late:");
    let mut story = dialled(RINGS, |settings| {
        settings.flows.insert("line".into(), compiled("line", &text));
    });
    story.pass(20 * SECOND);
    let places = told(&story, CALLER).iter().filter(|(code, ..)| *code == 182).count();
    assert_eq!(places, 2);
    over(story);
}

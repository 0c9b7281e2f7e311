//! What goes with a caller who waits again: the time, the way from queue to queue, a priority that was changed, and licences.

use crate::desk::with_line;
use crate::switchboard::{ANNA, BJORN, CALLER, Story, office};
use crate::{compiled, leads_out_to};
use vaxel::acd::{Arrival, Exit, HeldLicence, Overflow, QueueSettings, When};
use vaxel::engine::{Input, Settings, Wish};
use vaxel::ids::{EntryId, QueueId};
use vaxel::need::{Attributes, Need};
use vaxel::record::What;
use vaxel::sim::world::{Act, PhoneId};
use vaxel::time::Duration;

const CARLA: PhoneId = PhoneId(53);
const SECOND: Duration = Duration::from_secs(1);
const SALES: QueueId = QueueId(0);
const HELPERS: QueueId = QueueId(2);

const FLOW: &str = "
flow: main
languages: [en]
start: line
steps:
  line:
    queue:
      name: sales
      priority: 3
      need: sales >= 1 AND_LICENCE
      while_waiting: { music: calm, keys: { '1': back, '2': other, '3': named } }
      failed: goodbye
  back: { callback: { next: promised, failed: sorry } }
  named: { callback: { queue: sales, next: promised, failed: sorry } }
  other: { callback: { number: '+46709999999', next: promised, failed: sorry } }
  promised: { play: { prompt: thanks, next: end } }
  sorry: { play: { prompt: topics, next: line } }
  goodbye: { play: { prompt: goodbye, next: end } }
  end: { hangup: {} }
";

/// Carla's carrier is the way out to her, too. Who waits in sales for a minute goes on to helpers.
fn house(licence: &str) -> Settings {
    let mut settings = office();
    leads_out_to(&mut settings.trunks[0], CARLA);
    settings.flows.insert("main".to_owned(), compiled("main", &FLOW.replace("AND_LICENCE", licence)));
    let when = When::After(60 * SECOND);
    settings.queues[0].overflow.push(Overflow { to: HELPERS, when, only: Attributes::new() });
    settings.queues.push(QueueSettings { name: "helpers".into(), ..QueueSettings::default() });
    settings
}

/// Carla has waited for two minutes, the second of them in helpers.
fn in_helpers(licence: &str) -> Story {
    let mut story = Story::new(house(licence));
    story.world.add_phone(CARLA, "+46701234567", None);
    story.act(CARLA, Act::Call("100".into()));
    story.pass(120 * SECOND);
    assert_eq!(waits(&story, HELPERS).since(&story), 120);
    story
}

struct Waits(EntryId, Arrival);

impl Waits {
    /// Whole seconds.
    fn since(&self, story: &Story) -> u64 {
        story.world.now().since(self.1.since).as_secs()
    }
}

/// The only one in the queue.
fn waits(story: &Story, queue: QueueId) -> Waits {
    let acd = story.world.engine.acd();
    let entries = acd.entries(queue);
    assert_eq!(entries.len(), 1, "in {queue}");
    Waits(entries[0], acd.entry(entries[0]).expect("it waits").arrival.clone())
}

fn raise(story: &mut Story, priority: i32) {
    let entry = [SALES, HELPERS].into_iter().flat_map(|queue| story.world.engine.acd().entries(queue)).next();
    let of = |what: &What| matches!(what, What::Queued { entry: queued, .. } if Some(*queued) == entry);
    let queued = story.told.iter().find(|what| of(what)).expect("it was queued");
    let call = queued.call().expect("it is of a call");
    story.world.input(Input::Wish(Wish::Priority { contact: call, priority }));
    story.pass(SECOND);
}

fn exits(story: &Story) -> Vec<Exit> {
    let exit = |what: &What| if let What::Dequeued { exit, .. } = what { Some(*exit) } else { None };
    story.told.iter().filter_map(exit).collect()
}

fn until(story: &mut Story, is_so: impl Fn(&Story) -> bool) {
    let begun = story.world.now();
    while !is_so(story) {
        assert!(story.world.now().since(begun) < 600 * SECOND, "it never was");
        story.pass(SECOND);
    }
}

fn over(mut story: Story) {
    for id in [ANNA, BJORN, CALLER, CARLA] {
        story.act(id, Act::HangUp);
    }
    story.pass(2 * 86_400 * SECOND);
    story.over();
}

const BANK: &str = "and licence(bank, \"SE\")";

#[test]
fn a_promise_has_the_time_the_priority_and_the_licences_also_after_another_queue() {
    for (key, queue) in [('1', HELPERS), ('3', SALES)] {
        let mut story = in_helpers(BANK);
        raise(&mut story, 50);
        story.act(CARLA, Act::Key(key));
        story.act(CARLA, Act::HangUp);
        let promise = waits(&story, queue);
        assert!(promise.1.callback.is_some());
        assert_eq!((promise.since(&story), promise.1.priority), (121, 50), "by key {key}");
        let needs = story.world.engine.acd().needs(promise.0).expect("it waits").licences.clone();
        assert_eq!(needs, Need::parse("licence(bank, \"SE\")").expect("a need").0.licences);
        over(story);
    }
}

#[test]
fn who_is_promised_nothing_goes_back_to_where_they_stood() {
    let mut story = in_helpers("");
    raise(&mut story, 50);
    story.act(CARLA, Act::Key('2'));
    until(&mut story, |story| !story.world.engine.acd().entries(HELPERS).is_empty());
    let back = waits(&story, HELPERS);
    assert!(back.since(&story) > 120 && back.1.been == [SALES], "{:?}", back.1);
    assert_eq!(back.1.priority, 50);
    story.act(CARLA, Act::HangUp);
    over(story);
}

#[test]
fn who_was_promised_a_call_in_another_queue_and_comes_by_the_first_is_not_called_too() {
    let mut story = in_helpers("");
    story.act(CARLA, Act::Key('1'));
    story.act(CARLA, Act::HangUp);
    story.pass(60 * SECOND);
    story.act(CARLA, Act::Call("100".into()));
    story.pass(SECOND);
    let back = waits(&story, HELPERS);
    assert!(back.1.callback.is_none() && back.since(&story) >= 180, "{:?}", back.1);
    assert_eq!(story.world.engine.acd().callbacks(HELPERS), 0);
    story.act(CARLA, Act::HangUp);
    over(story);
}

/// Carla has waited for two minutes, talked with Anna, whose line broke, and waits again.
fn back_in_helpers(max_wait: Option<Duration>) -> Story {
    let mut settings = house("");
    settings.queues[2].max_wait = max_wait;
    settings.agents[0].settings.wrap_up = 60 * SECOND;
    let mut story = Story::new(settings);
    story.world.add_phone(CARLA, "+46701234567", None);
    story.act(CARLA, Act::Call("100".into()));
    story.pass(120 * SECOND);
    raise(&mut story, 50);
    story.act(ANNA, Act::Register { expires: 7200 * SECOND });
    story.act(ANNA, Act::Answer);
    assert_eq!(exits(&story), [Exit::Overflowed, Exit::Answered]);
    story.act(ANNA, Act::Unplug);
    until(&mut story, |story| !story.world.engine.acd().entries(HELPERS).is_empty());
    let back = waits(&story, HELPERS);
    assert_eq!((back.1.been.as_slice(), back.1.priority), ([SALES].as_slice(), 50));
    story
}

#[test]
fn after_a_talk_that_broke_the_longest_wait_begins_anew() {
    let mut story = back_in_helpers(Some(150 * SECOND));
    story.pass(140 * SECOND);
    assert_eq!(exits(&story), [Exit::Overflowed, Exit::Answered]);
    story.pass(20 * SECOND);
    assert_eq!(exits(&story), [Exit::Overflowed, Exit::Answered, Exit::TimedOut]);
    over(story);
}

#[test]
fn who_loses_the_agent_and_then_the_own_line_has_the_place_in_the_other_queue_still() {
    let mut story = back_in_helpers(None);
    story.act(CARLA, Act::Unplug);
    until(&mut story, |story| story.world.engine.acd().entries(HELPERS).is_empty());
    story.act(CARLA, Act::Plug);
    story.act(CARLA, Act::HangUp);
    story.act(CARLA, Act::Call("100".into()));
    story.pass(SECOND);
    let back = waits(&story, HELPERS);
    assert!(back.since(&story) > 150, "{} s", back.since(&story));
    assert_eq!(back.1.priority, 50);
    story.act(CARLA, Act::HangUp);
    over(story);
}

#[test]
fn who_is_transferred_by_an_agent_with_a_licence_is_offered_to_nobody_without_it() {
    let mut settings = house(BANK);
    with_line(&mut settings);
    let held = HeldLicence { kind: "bank".into(), jurisdiction: "SE".into(), valid: Default::default() };
    settings.agents[0].settings.licences = vec![held];
    settings.agents[1].settings.skills.insert("sales".into(), 5);
    let mut story = Story::new(settings);
    story.world.add_phone(CARLA, "+46701234567", None);
    story.act(ANNA, Act::Register { expires: 3600 * SECOND });
    story.act(CARLA, Act::Call("100".into()));
    story.act(ANNA, Act::Answer);
    story.pass(5 * SECOND);
    story.act(BJORN, Act::Register { expires: 3600 * SECOND });
    story.act(ANNA, Act::Transfer("303".into()));
    story.pass(20 * SECOND);
    let offered = |what: &What| if let What::Offered { agent, .. } = what { Some(agent.to_string()) } else { None };
    let offered: Vec<String> = story.told.iter().filter_map(offered).collect();
    assert_eq!(offered, ["agent0", "agent0"], "also of a line that asks for no licence");
    over(story);
}

#[test]
fn a_priority_that_was_changed_stays_with_who_waits_again_for_an_agent_whose_line_broke() {
    let mut settings = office();
    with_line(&mut settings);
    let mut story = Story::new(settings);
    story.act(CALLER, Act::Call("303".into()));
    story.pass(10 * SECOND);
    raise(&mut story, 50);
    story.act(ANNA, Act::Register { expires: 3600 * SECOND });
    story.act(ANNA, Act::Answer);
    story.act(ANNA, Act::Unplug);
    until(&mut story, |story| !story.world.engine.acd().entries(SALES).is_empty());
    assert_eq!(waits(&story, SALES).1.priority, 50);
    story.act(CALLER, Act::HangUp);
    over(story);
}

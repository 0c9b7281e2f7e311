//! Those who hang up and are called back: from the key to the talk, and whatever may come between.

use crate::switchboard::{ANNA, BJORN, Story, office};
use crate::{compiled, leads_out_to};
use vaxel::acd::truth::{Promises, ServiceLevel};
use vaxel::acd::{AgentState, Exit, Overflow, QueueSettings, When};
use vaxel::engine::{Engine, Settings};
use vaxel::ids::QueueId;
use vaxel::need::{Attributes, Need};
use vaxel::record::{Contact, EndedBy, Fate, Unpromised, What};
use vaxel::sim::world::{Act, PhoneId};
use vaxel::sim::{Phone, PhoneEvent};
use vaxel::time::Duration;

/// Who calls, and is called back.
const CARLA: PhoneId = PhoneId(53);
const NUMBER: &str = "+46701234567";
const SECOND: Duration = Duration::from_secs(1);
const SALES: QueueId = QueueId(0);

const FLOW: &str = "
flow: main
languages: [en]
start: line
steps:
  line:
    queue:
      name: sales
      while_waiting: { music: calm, keys: { '1': back, '2': other } }
      failed: goodbye
  back: { callback: { next: promised, failed: sorry } }
  other: { callback: { number: '+46709999999', next: promised, failed: sorry } }
  promised: { play: { prompt: thanks, next: end } }
  sorry: { play: { prompt: topics, next: line } }
  goodbye: { play: { prompt: goodbye, next: end } }
  end: { hangup: {} }
";

/// Carla's carrier is the way out to her, too.
fn house() -> Settings {
    let mut settings = office();
    leads_out_to(&mut settings.trunks[0], CARLA);
    settings.flows.insert("main".to_owned(), compiled("main", FLOW));
    settings
}

fn story(settings: Settings) -> Story {
    let mut story = Story::new(settings);
    story.world.add_phone(CARLA, NUMBER, None);
    story
}

fn registers(story: &mut Story, id: PhoneId) {
    story.act(id, Act::Register { expires: Duration::from_secs(7200) });
}

/// Carla waits for two minutes, is promised that she is called back, and hangs up.
fn promised_in(settings: Settings) -> Story {
    let mut story = story(settings);
    story.act(CARLA, Act::Call("100".into()));
    story.pass(120 * SECOND);
    story.act(CARLA, Act::Key('1'));
    story.act(CARLA, Act::HangUp);
    assert!(story.told.iter().any(|what| matches!(what, What::Promised { number, .. } if number == NUMBER)));
    story
}

fn promised() -> Story {
    promised_in(house())
}

/// Anna has answered and hears that Carla's phone rings.
fn is_called() -> Story {
    let mut story = promised();
    registers(&mut story, ANNA);
    story.pass(30 * SECOND);
    assert!(
        story.happened(ANNA, &PhoneEvent::Rings { from: format!("sales: callback {NUMBER}") }),
        "{:?}",
        story.phones
    );
    assert!(!is_rung(&story, CARLA), "nobody is called before there is an agent");
    story.act(ANNA, Act::Answer);
    assert!(is_rung(&story, CARLA), "{:?}", story.phones);
    story
}

fn is_rung(story: &Story, id: PhoneId) -> bool {
    story.phones.iter().any(|(i, event)| *i == id && matches!(event, PhoneEvent::Rings { .. }))
}

fn is_talking(story: &Story, id: PhoneId) -> bool {
    story.world.phone(id).is_some_and(Phone::is_talking)
}

fn fates(story: &Story) -> Vec<Fate> {
    let fate = |what: &What| if let What::PromiseOver { fate, .. } = what { Some(*fate) } else { None };
    story.told.iter().filter_map(fate).collect()
}

fn state(story: &Story, agent: u32) -> AgentState {
    story.world.engine.acd().agent_state(vaxel::ids::AgentId(agent)).expect("an agent").clone()
}

fn over(mut story: Story) -> Vec<Contact> {
    for id in [ANNA, BJORN, CARLA] {
        story.act(id, Act::HangUp);
    }
    story.act(CARLA, Act::Unplug);
    story.pass(2 * 86_400 * SECOND);
    let contacts = story.world.checker.contacts.clone();
    story.over();
    contacts
}

#[test]
fn who_hangs_up_is_called_when_an_agent_has_answered_and_the_two_talk() {
    let mut story = is_called();
    assert!(story.happened(CARLA, &PhoneEvent::Rings { from: "100".into() }), "the number that she had called");
    story.act(CARLA, Act::Answer);
    assert!(is_talking(&story, ANNA) && is_talking(&story, CARLA));
    assert!(matches!(state(&story, 0), AgentState::Talking { .. }));
    story.pass(60 * SECOND);
    story.act(CARLA, Act::HangUp);
    assert!(matches!(state(&story, 0), AgentState::WrapUp { .. }), "{:?}", state(&story, 0));
    assert_eq!(fates(&story), [Fate::Kept]);
    let of = story.world.engine.acd().truth().total(SALES);
    assert_eq!((of.offered, of.exits.of(Exit::Callback), of.promises.kept, of.promises.tries), (1, 1, 1, 1));
    let contacts = over(story);
    let [asked, called] = &contacts[..] else { panic!("{contacts:#?}") };
    let promise = asked.promised.as_ref().expect("it was promised");
    assert_eq!((promise.number.as_str(), &*promise.queue), (NUMBER, "sales"));
    assert_eq!(asked.waits[0].exit, Some(Exit::Callback));
    let calls_back = called.calls_back.as_ref().expect("it was kept");
    assert_eq!((calls_back.entry, calls_back.since, calls_back.tries), (promise.entry, asked.waits[0].since, 0));
    assert_eq!((called.to.as_str(), &*called.trunk, called.offers.len()), (NUMBER, "callback", 1));
    assert_eq!((called.talks.len(), called.talks[0].talked_ms / 1_000), (1, 60));
    assert_eq!((called.ended_by, called.cause.as_str()), (EndedBy::Called, "hung up"));
}

#[test]
fn who_is_busy_is_called_again_later_and_not_for_ever() {
    let mut story = is_called();
    for tries in 1..=3 {
        story.act(CARLA, Act::Decline(486));
        assert!(!is_talking(&story, ANNA));
        assert_eq!(story.world.engine.acd().callbacks(SALES), u32::from(tries < 3));
        if tries == 3 {
            break;
        }
        story.phones.clear();
        story.pass(590 * SECOND);
        assert!(!is_rung(&story, ANNA), "so soon");
        story.pass(15 * SECOND);
        assert!(is_rung(&story, ANNA));
        story.act(ANNA, Act::Answer);
        assert!(is_rung(&story, CARLA));
    }
    assert_eq!(fates(&story), [Fate::NotReached]);
    let contacts = over(story);
    let tries: Vec<u32> = contacts.iter().filter_map(|c| Some(c.calls_back.as_ref()?.tries)).collect();
    assert_eq!(tries, [0, 1, 2]);
}

#[test]
fn an_agent_who_hangs_up_before_the_answer_has_tried() {
    let mut story = is_called();
    story.act(ANNA, Act::HangUp);
    assert!(story.happened(CARLA, &PhoneEvent::StoppedRinging));
    assert!(matches!(state(&story, 0), AgentState::WrapUp { .. }));
    let again = |what: &What| matches!(what, What::PromisedAgain { .. });
    assert_eq!(story.told.iter().filter(|what| again(what)).count(), 1);
    story.act(ANNA, Act::Unregister);
    over(story);
}

#[test]
fn an_agent_who_declines_leaves_it_to_the_next() {
    let mut story = promised();
    registers(&mut story, ANNA);
    story.pass(30 * SECOND);
    story.act(ANNA, Act::Decline(603));
    registers(&mut story, BJORN);
    story.pass(15 * SECOND);
    assert_eq!(story.world.engine.acd().callbacks(SALES), 1, "Bjorn does not sell, and Anna is asked again");
    assert!(!is_rung(&story, CARLA));
    story.act(ANNA, Act::Answer);
    assert!(is_rung(&story, CARLA));
    story.act(CARLA, Act::Answer);
    assert_eq!(fates(&story), [Fate::Kept]);
    over(story);
}

#[test]
fn who_calls_before_has_the_place_back_and_is_called_no_more() {
    let mut story = promised();
    story.pass(60 * SECOND);
    story.act(CARLA, Act::Call("100".into()));
    story.pass(SECOND);
    let acd = story.world.engine.acd();
    assert_eq!((acd.callbacks(SALES), acd.waiting(SALES)), (0, 1));
    let waited = acd.longest_wait(SALES, story.world.now()).expect("she waits");
    assert!(waited > 180 * SECOND, "{waited:?}");
    assert_eq!(fates(&story), [Fate::Withdrawn]);
    registers(&mut story, ANNA);
    story.pass(SECOND);
    story.act(ANNA, Act::Answer);
    assert!(is_talking(&story, ANNA) && is_talking(&story, CARLA));
    over(story);
}

#[test]
fn nobody_has_another_number_called_where_the_settings_allow_none() {
    for (allowed, promised) in [(vec![], false), (vec!["+4670".to_owned()], true)] {
        let mut settings = house();
        settings.limits.callback_numbers = allowed;
        let mut story = story(settings);
        story.act(CARLA, Act::Call("100".into()));
        story.pass(60 * SECOND);
        story.act(CARLA, Act::Key('2'));
        story.pass(10 * SECOND);
        let acd = story.world.engine.acd();
        assert_eq!((acd.callbacks(SALES), acd.waiting(SALES)), (u32::from(promised), u32::from(!promised)));
        if !promised {
            let waited = acd.longest_wait(SALES, story.world.now()).expect("she is back in line");
            assert!(waited > 60 * SECOND, "and has the place still: {waited:?}");
        }
        over(story);
    }
}

/// Why she was not promised it, each time she asked, and by which queue.
fn refusals(story: &Story) -> Vec<(&str, Unpromised)> {
    let refusal = |what| match what {
        &What::NotPromised { ref queue, why, .. } => Some((&**queue, why)),
        _ => None,
    };
    story.told.iter().filter_map(refusal).collect()
}

/// She waits for so long, presses the key, and is heard to the end.
fn asks_in(settings: Settings, number: &str, waits: Duration, key: char) -> Story {
    let mut story = Story::new(settings);
    story.world.add_phone(CARLA, number, None);
    story.act(CARLA, Act::Call("100".into()));
    story.pass(waits);
    story.act(CARLA, Act::Key(key));
    story.pass(10 * SECOND);
    story
}

#[test]
fn who_asks_in_vain_has_left_by_key_and_goes_back_to_the_line_and_it_is_told_why() {
    type Forbid = fn(&mut Settings);
    let other = |settings: &mut Settings| settings.limits.callback_numbers = vec!["+46709999999".into()];
    let cases: [(Unpromised, &str, char, Forbid); 9] = [
        (Unpromised::NumberWithheld, "anonymous", '1', |_| ()),
        (Unpromised::NumberNotAllowed, NUMBER, '2', |_| ()),
        (Unpromised::Emergency, NUMBER, '1', |settings| settings.emergency = vec![NUMBER.into()]),
        (Unpromised::NoWayOut, NUMBER, '1', |settings| settings.trunks[0].out.denied = vec!["+46".into()]),
        (Unpromised::NoWayOut, NUMBER, '1', |settings| settings.trunks[0].sends = false),
        (Unpromised::NoWayOut, "1234567", '1', |settings| settings.trunks[0].out.allowed = vec!["+46".into()]),
        (Unpromised::QueueFull, NUMBER, '1', |settings| settings.queues[0].max_callbacks = 0),
        (Unpromised::TooOften, NUMBER, '1', |settings| settings.limits.callbacks_per_number = 0),
        (Unpromised::TooOften, NUMBER, '2', |settings| settings.limits.callbacks_per_number = 0),
    ];
    for (why, number, key, forbid) in cases {
        let mut settings = house();
        if (why, key) == (Unpromised::TooOften, '2') {
            other(&mut settings);
        }
        forbid(&mut settings);
        let story = asks_in(settings, number, 10 * SECOND, key);
        assert_eq!(refusals(&story), [("sales", why)], "{number} {key}");
        let acd = story.world.engine.acd();
        let of = acd.truth().total(SALES);
        assert_eq!((of.exits.of(Exit::LeftByKey), of.exits.total(), of.waiting), (1, 1, 1), "{why:?}");
        assert_eq!(of.promises, Promises::default(), "{why:?}");
        let waited = acd.longest_wait(SALES, story.world.now()).expect("she is back in line");
        assert!(waited > 10 * SECOND, "and has the place still: {waited:?}");
        let [contact] = &over(story)[..] else { panic!("{why:?}") };
        assert_eq!(contact.waits[0].exit, Some(Exit::LeftByKey), "{why:?}");
        let [wish] = &contact.not_promised[..] else { panic!("{contact:#?}") };
        assert_eq!((&*wish.queue, wish.why, contact.promised.is_some()), ("sales", why, false));
        let left = &contact.waits[0];
        assert_eq!(wish.at.since(left.since).as_millis(), u128::from(left.waited_ms), "the very moment");
    }
}

/// In level she counts where she went, which is the same line; after it the line that she left has failed her, too.
#[test]
fn who_asked_in_vain_counts_in_the_service_levels_as_who_left_by_key_does() {
    for (waits, due) in [(2, 0), (60, 1)] {
        let mut settings = house();
        settings.limits.callbacks_per_number = 0;
        let mut story = asks_in(settings, NUMBER, waits * SECOND, '1');
        let levels = |story: &Story| {
            ServiceLevel::ALL.map(|level| level.fraction(&story.world.engine.acd().truth().total(SALES)))
        };
        let below = |level| if level == ServiceLevel::AnsweredOnly { 0 } else { due };
        assert_eq!(levels(&story), ServiceLevel::ALL.map(|level| (0, below(level))), "{waits}");
        registers(&mut story, ANNA);
        story.pass(SECOND);
        story.act(ANNA, Act::Answer);
        let in_level = u64::from(due == 0);
        assert_eq!(levels(&story), ServiceLevel::ALL.map(|level| (in_level, below(level) + 1)), "{waits}");
        over(story);
    }
}

#[test]
fn of_two_promises_to_a_number_by_two_queues_the_second_is_refused_and_by_one_it_is_one() {
    let mut settings = house();
    let flow = FLOW.replace("keys: { '1': back", "keys: { '3': twice, '4': there, '1': back");
    let more = "\n  twice: { callback: { next: back, failed: sorry } }\n  there: { callback: { queue: support, next: back, failed: sorry } }\n  back:";
    let flow = flow.replace("\n  back:", more);
    settings.flows.insert("main".to_owned(), compiled("main", &flow));
    let story = asks_in(settings.clone(), NUMBER, 10 * SECOND, '3');
    assert_eq!(refusals(&story), []);
    let of = story.world.engine.acd().truth().total(SALES);
    assert_eq!((of.exits.of(Exit::Callback), of.promises.made, of.promises.open), (1, 1, 1));
    over(story);
    let story = asks_in(settings, NUMBER, 10 * SECOND, '4');
    assert_eq!(refusals(&story), [("sales", Unpromised::PromisedAlready)]);
    let of = story.world.engine.acd().truth().total(SALES);
    assert_eq!((of.exits.of(Exit::Callback), of.promises.made), (1, 0), "what she asked for at once was granted");
    over(story);
}

#[test]
fn who_asks_without_a_queue_is_refused_and_the_flow_is_at_fault() {
    let mut settings = house();
    settings.flows.insert("main".to_owned(), compiled("main", &FLOW.replace("start: line", "start: back")));
    let mut story = story(settings);
    story.act(CARLA, Act::Call("100".into()));
    story.pass(SECOND);
    assert_eq!(refusals(&story), [("", Unpromised::NoQueue)]);
    assert_eq!(story.told.iter().filter(|what| matches!(what, What::FlowFault { .. })).count(), 1);
    story.pass(10 * SECOND);
    assert_eq!(story.world.engine.acd().waiting(SALES), 1, "she goes where the flow says");
    over(story);
}

#[test]
fn a_promise_outlives_a_kill_as_it_was_also_while_its_number_is_called() {
    let waits = promised();
    let called = is_called();
    for (story, tries) in [(waits, 0), (called, 0)] {
        let before = story.world.engine.acd().clone();
        let entry = before.callback_to(NUMBER).expect("it stands");
        let later = story.world.now() + 3600 * SECOND;
        let engine = Engine::resume(house(), 1, later, before.clone());
        let acd = engine.acd();
        let callback = acd.callback(entry).expect("it stands");
        assert_eq!((acd.callback_to(NUMBER), callback.tries, callback.number.as_str()), (Some(entry), tries, NUMBER));
        assert_eq!(before.callback(entry).map(|callback| callback.until), Some(callback.until));
        let since = acd.entry(entry).expect("it waits").since;
        assert!(later.since(since) > 3720 * SECOND, "all the time counts");
        assert!(acd.agents().all(|agent| *agent.state == AgentState::Offline));
        assert_eq!(acd.truth().imbalance(), None);
    }
}

#[test]
fn a_queue_that_does_not_take_callers_may_promise_to_call_them() {
    let mut settings = house();
    settings.queues[0].join_unless.no_agents = true;
    let flow = FLOW.replace("      failed: goodbye\n", "      failed: unheard\n");
    let flow = flow.replace("  end:", "  unheard: { callback: { next: promised, failed: goodbye } }\n  end:");
    settings.flows.insert("main".to_owned(), compiled("main", &flow));
    let mut story = story(settings);
    story.act(CARLA, Act::Call("100".into()));
    story.pass(SECOND);
    assert_eq!(story.world.engine.acd().callbacks(SALES), 1);
    over(story);
}

#[test]
fn a_licence_that_the_first_queue_needs_is_needed_for_the_call_back_from_another() {
    let mut settings = house();
    let helpers = QueueId(u32::try_from(settings.queues.len()).expect("few"));
    let need = Need::parse("licence(bank, \"SE\")").expect("a need").0;
    settings.queues[0].needs = settings.queues[0].needs.and(&need);
    let when = When::After(Duration::from_secs(60));
    settings.queues[0].overflow.push(Overflow { to: helpers, when, only: Attributes::new() });
    settings.queues.push(QueueSettings { name: "helpers".into(), ..QueueSettings::default() });
    let story = promised_in(settings);
    let acd = story.world.engine.acd();
    let promises = acd.entries(helpers);
    assert_eq!(promises.len(), 1, "she waited there when it was promised");
    assert_eq!(acd.needs(promises[0]).map(|needs| &needs.licences), Some(&need.licences));
    over(story);
}

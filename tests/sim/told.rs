//! How long it takes, as callers hear it from the switchboard itself, and how long it took.

use crate::switchboard::{ANNA, BJORN, CALLER, Story, office};
use crate::{compiled, small_day};
use std::fmt::Write;
use vaxel::acd::estimate::{Estimate, STEPS};
use vaxel::acd::{Exit, Overflow, When};
use vaxel::engine::{Number, Settings};
use vaxel::ids::QueueId;
use vaxel::need::{Attributes, Need};
use vaxel::record::EstimateAnswer::{Told, Unchanged, Unsure};
use vaxel::record::{Contact, What};
use vaxel::sim::day::{Day, Habits};
use vaxel::sim::world::{Act, Network};
use vaxel::time::{Duration, Time};

const SECOND: Duration = Duration::from_secs(1);

/// The number 303 leads to sales, where callers hear the wait and the place after 8 s and every 20 s from then on.
const LINE: &str = "flow: line
languages: [en]
start: line
steps:
  line:
    queue:
      name: sales
      while_waiting:
        music: calm
        announce: { prompts: thanks, position: true, estimate: true, first: 8s, every: 20s }
        keys: { '5': line, '6': again }
      failed: again
  again:
    queue: { name: support, while_waiting: { announce: { estimate: true, first: 8s, every: 20s } }, failed: end }
  end: { hangup: {} }
";

fn with_line(mut settings: Settings) -> Settings {
    settings.flows.insert("line".into(), compiled("line", LINE));
    settings.numbers.push(Number { number: "303".parse().expect("a number"), flow: "line".into(), trunk: None });
    settings
}

fn line(change: impl FnOnce(&mut Settings)) -> Story {
    let mut settings = with_line(office());
    change(&mut settings);
    let mut story = Story::new(settings);
    story.register_both();
    story.act(CALLER, Act::Call("303".into()));
    story
}

fn playing(story: &Story) -> Vec<String> {
    story.world.media.playing().into_iter().map(|sound| sound.name.clone()).collect()
}

fn answers(story: &Story) -> Vec<vaxel::record::EstimateAnswer> {
    let answers = story.told.iter().filter_map(|what| match what {
        What::EstimateAsked { answer, .. } => Some(*answer),
        _ => None,
    });
    answers.collect()
}

fn over(mut story: Story) {
    story.act(CALLER, Act::HangUp);
    story.over();
}

#[test]
fn a_caller_hears_the_thanks_then_the_wait_then_the_place_and_the_record_says_what() {
    let mut story = line(|_| {});
    // Anna's phone rings meanwhile: less than a minute.
    story.pass(8 * SECOND);
    assert_eq!(playing(&story), ["thanks", "you-will-wait-less-than", "minutes/1", "you-are-next"]);
    assert_eq!(answers(&story), [Told(Estimate::SOON)]);
    story.act(CALLER, Act::HangUp);
    let contact = story.world.checker.contacts.last().expect("a call ended").clone();
    let [told] = &contact.waits[0].told[..] else { panic!("{contact:?}") };
    assert_eq!((told.from_minutes, told.to_minutes), (0, Some(1)));
    let after = told.at.since(contact.waits[0].since);
    assert!((8 * SECOND..9 * SECOND).contains(&after), "{after:?}");
    over(story);
}

#[test]
fn the_same_is_told_once_and_anew_to_who_has_left_the_line_by_a_key() {
    let mut story = line(|settings| settings.agents[0].settings.ring_time = 120 * SECOND);
    story.pass(40 * SECOND);
    assert_eq!(answers(&story), [Told(Estimate::SOON), Unchanged]);
    story.act(CALLER, Act::Key('5'));
    story.pass(10 * SECOND);
    assert_eq!(answers(&story), [Told(Estimate::SOON), Unchanged, Told(Estimate::SOON)]);
    over(story);
}

#[test]
fn who_was_sent_on_because_the_wait_was_too_long_is_not_told_the_same_again() {
    // Anna declines; in support Björn is rung.
    let mut story = line(|settings| settings.queues[0].max_wait = Some(15 * SECOND));
    story.pass(14 * SECOND);
    assert_eq!(answers(&story), [Told(Estimate::SOON)]);
    story.act(ANNA, Act::Decline(603));
    story.pass(16 * SECOND);
    assert_eq!(answers(&story), [Told(Estimate::SOON), Unchanged], "in the second line");
    story.act(BJORN, Act::Answer);
    over(story);
}

#[test]
fn in_the_queue_to_which_overflow_moved_the_caller_nothing_is_said_while_nothing_is_known_there() {
    let mut story = line(|settings| {
        settings.queues[0].needs = Need::parse("sales >= 10").expect("a need").0;
        settings.queues[1].needs = Need::parse("support >= 10").expect("a need").0;
        let way = Overflow { to: QueueId(1), when: When::After(5 * SECOND), only: Attributes::new() };
        settings.queues[0].overflow = vec![way];
    });
    story.pass(8 * SECOND);
    assert_eq!(playing(&story), ["thanks", "you-are-next"]);
    let queues = story.told.iter().filter_map(|what| match what {
        What::EstimateAsked { queue, answer, .. } => Some((queue.to_string(), *answer)),
        _ => None,
    });
    assert_eq!(queues.collect::<Vec<_>>(), [("support".to_owned(), Unsure)]);
    over(story);
}

/// That the journal knows of it is seen at the end: what is folded from it is as it is here.
#[test]
fn when_an_estimate_is_trusted_is_as_the_settings_say() {
    for percent in [30, 50] {
        let story = line(|settings| settings.estimate.error_percent_max = percent);
        assert_eq!(story.world.engine.acd().estimates().settings().error_percent_max, percent);
        over(story);
    }
}

/// Thirty agents for sales, of whom each call takes four minutes; callers with patience for ten; half-way through the day their number
/// grows by two fifths at once.
fn day() -> Day {
    let mut day = small_day(30, Habits::DILIGENT, Network::PERFECT);
    let settings = with_line(day.settings);
    day.settings = settings;
    day.settings.queues.iter_mut().for_each(|queue| (queue.max_waiting, queue.max_wait) = (10_000, None));
    for agent in &mut day.settings.agents {
        agent.settings.skills.insert("sales".to_owned(), 5);
        agent.settings.wrap_up = 30 * SECOND;
    }
    day.numbers = vec!["303".into()];
    day.keys = vec![String::new()];
    day.length = Duration::from_secs(8 * 3600);
    day.between_calls = (Duration::from_millis(9_730), Duration::from_millis(6_950));
    day.at_once = true;
    day.talk = 240 * SECOND;
    day.patience = 600 * SECOND;
    day
}

/// What one caller was told, and how long it took from then on; callers who gave up have no such time.
struct Heard {
    told: Estimate,
    left: Option<Duration>,
}

fn heard(contact: &Contact) -> Vec<Heard> {
    let answered = contact.waits.last().filter(|wait| wait.exit == Some(Exit::Answered));
    let end: Option<Time> = answered.map(|wait| wait.since + Duration::from_millis(wait.waited_ms));
    let told = contact.waits.iter().flat_map(|wait| &wait.told);
    told.map(|told| Heard {
        told: Estimate { from_minutes: told.from_minutes, to_minutes: told.to_minutes },
        left: end.map(|end| end.since(told.at)),
    })
    .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The whole switchboard, each caller's phone and each agent's: what is compared with the wait is what the record says the caller
/// heard first, eight seconds after joining the line.
#[test]
fn what_callers_hear_is_right_within_a_quarter_on_a_day_with_a_step_in_load_and_never_rises_by_more_than_a_step() {
    let step = |minutes: u32| STEPS.iter().position(|step| *step == minutes).expect("a step");
    let end = |told: &Estimate| told.to_minutes.map_or(STEPS.len(), step);
    let mut text = String::new();
    let mut days = Vec::new();
    for seed in 1..=3 {
        let played = day().play(seed);
        let (mut errors, mut within, mut rises, mut told, mut waited) = (Vec::new(), 0, 0, 0, 0);
        for contact in &played.contacts {
            let heard = heard(contact);
            for (index, later) in heard.iter().enumerate() {
                for before in &heard[..index] {
                    let from = step(later.told.from_minutes) > step(before.told.from_minutes) + 1;
                    assert!(
                        !from && end(&later.told) <= end(&before.told) + 1,
                        "{:?}, then {:?}",
                        before.told,
                        later.told
                    );
                }
                rises += usize::from(index > 0 && end(&later.told) > end(&heard[index - 1].told));
                assert!(index == 0 || later.told != heard[index - 1].told, "the same twice: {contact:?}");
            }
            told += heard.len();
            // Who has waited for half a minute when it is first said; whom it is worth saying to.
            let long = contact.waits.iter().any(|wait| wait.exit == Some(Exit::Answered) && wait.waited_ms >= 38_000);
            waited += usize::from(long);
            if let (true, Some(Heard { told, left: Some(left) })) = (long, heard.first()) {
                errors.push((told.midpoint().as_secs_f64() - left.as_secs_f64()).abs() / left.as_secs_f64());
                within += usize::from(told.covers(*left));
            }
        }
        let (n, error) = (errors.len(), median(errors));
        writeln!(
            text,
            "seed {seed}: {} calls, {waited} waited, {n} of them told, median error {:.1} %, {:.0} % in the range; {told} \
             sentences, {rises} of them a rise",
            played.contacts.len(),
            100.0 * error,
            100.0 * within as f64 / n as f64,
        )
        .expect("a string");
        days.push((n, waited, error, within));
    }
    println!("{text}");
    for (n, waited, error, within) in days {
        assert!(n > 200 && 4 * n > 3 * waited, "hardly anybody waited, or was told anything\n{text}");
        assert!(error <= 0.25, "too far from the truth\n{text}");
        assert!(2 * within > n, "less than half of the waits were in the range\n{text}");
    }
}

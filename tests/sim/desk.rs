//! What an agent's phone is asked and told around an offer.

use crate::carriers::{House, address, trunk};
use crate::switchboard::{ANNA, BJORN, CALLER, Story, office};
use crate::{compiled, identity};
use vaxel::acd::{Exit, Outcome};
use vaxel::engine::announcing::ANNOUNCEMENT_MAX;
use vaxel::engine::{AgentAct, Answer, Input, Network, Number, Refusal, Said, Settings, Trunk, Wish};
use vaxel::record::{AgentPhase, TalkDetail, What};
use vaxel::sim::PhoneEvent;
use vaxel::sim::world::{Act, PhoneId};
use vaxel::sip::Headers;
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Leads at once into the line of sales, which agent0 serves.
const LINE: &str = "flow: line
languages: [en]
start: line
steps:
  line: { queue: { name: sales, while_waiting: { music: calm }, failed: late } }
  late: { hangup: { prompt: goodbye } }
";

/// The number 303 leads into the line.
pub fn with_line(settings: &mut Settings) {
    settings.flows.insert("line".into(), compiled("line", LINE));
    settings.numbers.push(Number { number: "303".parse().expect("a number"), flow: "line".into(), trunk: None });
}

/// A trunk that calls come from, and the phone of agent0.
fn house(auto_answer: bool) -> House {
    let from = vec![Network { address: address(1).ip(), prefix: 32 }];
    let mut house = House::with(vec![Trunk { from, ..trunk(1) }], &[crate::carriers::Manner::Answers], |settings| {
        with_line(settings);
        settings.flows.insert("to-agent".into(), compiled("to-agent", identity::TO_AGENT));
        settings.numbers.push(Number {
            number: "302".parse().expect("a number"),
            flow: "to-agent".into(),
            trunk: None,
        });
        settings.agents[0].auto_answer = auto_answer;
    });
    house.is_registered(0);
    house
}

const WISHES: [&str; 3] = ["Answer-Mode", "Call-Info", "Alert-Info"];

fn wishes(house: &House) -> Vec<Vec<&str>> {
    let (_, invite) = house.peers[0].invites.last().expect("the phone was rung");
    WISHES.iter().map(|name| invite.headers.get_all(name).collect()).collect()
}

#[test]
fn a_phone_is_asked_to_answer_what_a_queue_offers_and_nothing_else() {
    for (auto_answer, number) in [(true, "303"), (false, "303"), (true, "302")] {
        let mut house = house(auto_answer);
        let mut headers = Headers::new();
        WISHES.iter().for_each(|name| headers.push(name, "<sip:eavesdropper.example>;answer-after=0"));
        house.calls_with(1, number, headers);
        house.pass(5 * SECOND);
        let offered = house.told.iter().any(|what| matches!(what, What::Offered { .. }));
        assert_eq!(offered, number == "303");
        if auto_answer && offered {
            let all = wishes(&house);
            let one = |at: usize| -> &str { all[at].as_slice().first().copied().unwrap_or_default() };
            assert!(all.iter().all(|values| values.len() == 1), "{all:?}");
            assert_eq!(one(0), "Auto");
            assert!(one(1).ends_with(">;answer-after=0") && one(2).contains(">;info=alert-autoanswer"), "{all:?}");
            assert!(!all.concat().concat().contains("eavesdropper"));
        } else {
            assert_eq!(wishes(&house).concat(), [""; 0], "what a caller wishes is nobody's order");
        }
        house.over();
    }
}

/// Both agents sell, and hear that a caller of sales comes and how long they waited; 4 s in all.
fn announced(change: impl FnOnce(&mut Settings)) -> Story {
    let mut settings = office();
    with_line(&mut settings);
    settings.agents[1].settings.skills.insert("sales".into(), 5);
    let said = vec![Said::Prompt("sales-caller".into()), Said::Minutes];
    settings.announcements.insert("sales".into(), said);
    change(&mut settings);
    let mut story = Story::new(settings);
    story.register_both();
    story
}

/// The caller waits, Anna's phone rings, and she answers.
fn answered(change: impl FnOnce(&mut Settings)) -> Story {
    let mut story = announced(change);
    story.act(CALLER, Act::Call("303".into()));
    assert!(rung(&story, ANNA));
    story.act(ANNA, Act::Answer);
    story
}

/// Everybody hangs up.
fn over(mut story: Story) {
    for id in [CALLER, ANNA, BJORN] {
        story.act(id, Act::HangUp);
    }
    story.over();
}

fn rung(story: &Story, id: PhoneId) -> bool {
    story.phones.iter().any(|(i, event)| *i == id && matches!(event, PhoneEvent::Rings { .. }))
}

fn talks(story: &Story) -> usize {
    story.told.iter().filter(|what| matches!(what, What::Connected { .. })).count()
}

fn outcomes(story: &Story) -> Vec<Outcome> {
    let outcomes = story.told.iter().filter_map(|what| match what {
        What::OfferEnded { outcome, .. } => Some(*outcome),
        _ => None,
    });
    outcomes.collect()
}

fn exit(story: &Story) -> Option<(Exit, u64)> {
    story.told.iter().find_map(|what| match what {
        What::Dequeued { exit, waited, .. } => Some((*exit, waited.as_secs())),
        _ => None,
    })
}

fn played(story: &Story) -> Vec<String> {
    story.world.media.playing().into_iter().map(|sound| sound.name.clone()).collect()
}

#[test]
fn an_agent_hears_who_comes_while_the_caller_hears_music_and_then_they_talk() {
    let mut story = answered(|_| {});
    let heard = played(&story);
    for sound in ["music/calm", "sales-caller", "number/0"] {
        assert!(heard.iter().any(|name| name == sound), "{heard:?}");
    }
    assert_eq!((talks(&story), exit(&story), outcomes(&story)), (0, None, vec![]), "the caller waits in line");
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Offered));
    story.pass(5 * SECOND);
    assert_eq!(
        (talks(&story), exit(&story), outcomes(&story)),
        (1, Some((Exit::Answered, 4)), vec![Outcome::Accepted])
    );
    assert_eq!(played(&story), [""; 0], "nothing but each other");
    story.act(ANNA, Act::HangUp);
    over(story);
}

#[test]
fn how_long_the_caller_has_waited_is_said_in_whole_minutes() {
    let mut story = announced(|_| {});
    story.act(ANNA, Act::Call("*2".into()));
    story.act(BJORN, Act::Call("*2".into()));
    story.pass(5 * SECOND);
    story.act(CALLER, Act::Call("303".into()));
    story.pass(130 * SECOND);
    story.act(ANNA, Act::Call("*1".into()));
    story.pass(5 * SECOND);
    story.act(ANNA, Act::Answer);
    assert!(played(&story).contains(&"number/2".into()), "{:?}", played(&story));
    over(story);
}

#[test]
fn an_agent_who_hangs_up_has_declined_and_the_caller_goes_to_the_next() {
    let mut story = answered(|_| {});
    story.act(ANNA, Act::HangUp);
    assert_eq!((outcomes(&story), exit(&story)), (vec![Outcome::Declined], None));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Ready));
    assert!(rung(&story, BJORN));
    story.act(BJORN, Act::Answer);
    story.pass(5 * SECOND);
    assert_eq!(exit(&story), Some((Exit::Answered, 4)));
    over(story);
}

#[test]
fn an_agent_who_pauses_meanwhile_does_so_after_the_talk() {
    let mut story = answered(|_| {});
    let second = PhoneId(60);
    story.world.add_phone(second, "agent0", Some("secret0"));
    story.act(second, Act::Register { expires: 300 * SECOND });
    story.act(second, Act::Call("*2".into()));
    assert_eq!((outcomes(&story), story.phase("agent0")), (vec![], Some(AgentPhase::Offered)));
    story.pass(5 * SECOND);
    assert_eq!(exit(&story), Some((Exit::Answered, 4)));
    story.act(ANNA, Act::HangUp);
    story.pass(60 * SECOND);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Paused));
    story.act(second, Act::HangUp);
    story.act(second, Act::Unplug);
    over(story);
}

#[test]
fn an_agent_whose_phone_is_lost_leaves_the_caller_to_the_next() {
    let mut story = answered(|_| {});
    story.act(ANNA, Act::Unregister);
    assert_eq!((outcomes(&story), exit(&story)), (vec![Outcome::Unreachable], None));
    assert!(story.happened(ANNA, &PhoneEvent::Ended), "who is not offered anything any more is hung up");
    assert!(rung(&story, BJORN));
    over(story);
}

#[test]
fn a_caller_who_hangs_up_or_leaves_by_key_sets_the_agent_free() {
    let mut story = answered(|_| {});
    story.act(CALLER, Act::HangUp);
    assert_eq!(outcomes(&story), [Outcome::CallerGone]);
    assert!(matches!(exit(&story), Some((Exit::ShortAbandoned, _))));
    assert!(story.happened(ANNA, &PhoneEvent::Ended));
    assert_eq!((story.phase("agent0"), talks(&story)), (Some(AgentPhase::Ready), 0));
    over(story);

    let mut story = announced(|_| {});
    story.act(CALLER, Act::Call("100".into()));
    story.act(CALLER, Act::Key('1'));
    story.act(ANNA, Act::Answer);
    story.act(CALLER, Act::Key('9'));
    assert_eq!(outcomes(&story), [Outcome::CallerGone]);
    assert!(matches!(exit(&story), Some((Exit::LeftByKey, _))));
    assert!(story.happened(ANNA, &PhoneEvent::Ended));
    story.act(CALLER, Act::HangUp);
    over(story);
}

#[test]
fn what_lasts_too_long_is_cut_off() {
    let mut story = answered(|settings| {
        settings.announcements.insert("sales".into(), vec![Said::Prompt("endless".into()); 60]);
    });
    story.pass(ANNOUNCEMENT_MAX - SECOND);
    assert_eq!(talks(&story), 0);
    story.pass(SECOND);
    assert_eq!((talks(&story), exit(&story)), (1, Some((Exit::Answered, 15))));
    assert!(!played(&story).contains(&"endless".into()));
    over(story);
}

#[test]
fn the_agents_other_phone_stops_ringing_with_the_answer_and_may_take_the_call_over() {
    let second = PhoneId(60);
    let mut story = announced(|_| {});
    story.world.add_phone(second, "agent0", Some("secret0"));
    story.act(second, Act::Register { expires: 300 * SECOND });
    story.act(CALLER, Act::Call("303".into()));
    assert!(rung(&story, ANNA) && rung(&story, second));
    story.act(ANNA, Act::Answer);
    assert!(story.happened(second, &PhoneEvent::StoppedRinging));
    assert_eq!((talks(&story), outcomes(&story)), (0, vec![]));
    // She hears it at another phone instead, from the beginning, and not for longer than it may last at all.
    story.act(second, Act::TakeOver(ANNA));
    assert!(story.happened(ANNA, &PhoneEvent::Ended));
    assert!(played(&story).contains(&"sales-caller".into()));
    story.pass(5 * SECOND);
    assert_eq!((talks(&story), exit(&story).map(|(exit, _)| exit)), (1, Some(Exit::Answered)));
    assert!(story.world.phone(second).is_some_and(vaxel::sim::Phone::is_talking));
    story.act(second, Act::HangUp);
    story.act(second, Act::Unplug);
    over(story);
}

#[test]
fn a_transfer_during_it_is_refused_and_a_hold_is_heeded_after_it() {
    let mut story = answered(|_| {});
    story.act(ANNA, Act::Transfer("2001".into()));
    assert!(story.happened(ANNA, &PhoneEvent::Transferring { code: 403 }));
    story.act(ANNA, Act::Hold(true));
    story.pass(5 * SECOND);
    assert_eq!(talks(&story), 1);
    assert_eq!(played(&story), ["music/calm"], "of the hold");
    over(story);
}

/// What was told last of a talk of Anna's.
fn detail(story: &Story) -> Option<TalkDetail> {
    story.told.iter().rev().find_map(|what| match what {
        What::Agent { agent, phase: AgentPhase::Talking, detail, .. } if **agent == *"agent0" => Some(*detail),
        _ => None,
    })?
}

#[test]
fn the_distributor_knows_when_an_agent_holds_the_caller_or_consults_a_colleague() {
    let second = PhoneId(60);
    let mut story = announced(|settings| settings.announcements.clear());
    story.world.add_phone(second, "agent0", Some("secret0"));
    story.act(CALLER, Act::Call("303".into()));
    story.act(ANNA, Act::Answer);
    assert_eq!(detail(&story), Some(TalkDetail::Speaking));
    story.pass(10 * SECOND);
    story.act(ANNA, Act::Hold(true));
    assert_eq!(detail(&story), Some(TalkDetail::Held));
    story.pass(5 * SECOND);
    // With another phone, because these have one call at a time.
    story.act(second, Act::Register { expires: 300 * SECOND });
    story.act(second, Act::Call("2001".into()));
    story.act(BJORN, Act::Answer);
    assert_eq!(detail(&story), Some(TalkDetail::Consulting));
    story.pass(7 * SECOND);
    story.act(BJORN, Act::HangUp);
    assert_eq!(detail(&story), Some(TalkDetail::Held));
    story.act(ANNA, Act::Hold(false));
    assert_eq!(detail(&story), Some(TalkDetail::Speaking));
    story.act(CALLER, Act::Hold(true));
    assert_eq!(detail(&story), Some(TalkDetail::Speaking), "it is the caller who holds");
    story.act(CALLER, Act::HangUp);
    let (now, anna) = (story.world.now(), vaxel::ids::AgentId(0));
    let figures = story.world.engine.acd().truth().agent(anna, now, 0);
    let spent = [TalkDetail::Held, TalkDetail::Consulting].map(|detail| figures.talking(detail).as_secs());
    assert_eq!(spent, [5, 7]);
    story.act(second, Act::Unplug);
    over(story);
}

#[test]
fn who_has_transferred_the_caller_holds_nobody_and_who_has_them_now_begins_anew() {
    let mut story = announced(|settings| settings.announcements.clear());
    story.act(CALLER, Act::Call("303".into()));
    story.act(ANNA, Act::Answer);
    story.act(ANNA, Act::Hold(true));
    story.act(ANNA, Act::Transfer("2001".into()));
    story.act(BJORN, Act::Decline(486));
    assert_eq!(detail(&story), Some(TalkDetail::Held), "the caller is with her again, and still held");
    story.act(ANNA, Act::Hold(false));
    story.act(ANNA, Act::Transfer("2001".into()));
    story.act(BJORN, Act::Answer);
    story.pass(5 * SECOND);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::WrapUp));
    over(story);
}

#[test]
fn an_operator_pauses_an_agent_and_brings_them_back() {
    let mut story = announced(|settings| {
        settings.announcements.clear();
        settings.agents[1].settings.wrap_up_extension = 30 * SECOND;
    });
    let speak = |story: &mut Story, agent: &str, act| {
        story.world.input(Input::Wish(Wish::Agent { agent: agent.into(), act }));
        story.pass(SECOND);
    };
    speak(&mut story, "nobody", AgentAct::Resume);
    let known = vec!["agent0".to_owned(), "agent1".to_owned()];
    assert_eq!(story.world.answers, [Err(Refusal::UnknownAgent { agent: "nobody".into(), known })]);
    speak(&mut story, "agent0", AgentAct::ExtendWrapUp);
    assert_eq!(story.world.answers[1], Err(Refusal::NoMoreWrapUp { agent: "agent0".into() }));
    speak(&mut story, "agent0", AgentAct::EndWrapUp);
    assert_eq!(story.world.answers[2], Err(Refusal::NoWrapUp { agent: "agent0".into() }));
    speak(&mut story, "agent0", AgentAct::Pause("lunch".into()));
    let reason = story.told.iter().find_map(|what| match what {
        What::Agent { phase: AgentPhase::Paused, reason, .. } => reason.clone(),
        _ => None,
    });
    assert_eq!(reason.as_deref(), Some("lunch"));
    story.act(CALLER, Act::Call("303".into()));
    assert!(!rung(&story, ANNA) && rung(&story, BJORN));
    speak(&mut story, "agent0", AgentAct::Resume);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Ready));
    story.act(BJORN, Act::Answer);
    story.act(BJORN, Act::HangUp);
    assert_eq!(story.phase("agent1"), Some(AgentPhase::WrapUp));
    speak(&mut story, "agent1", AgentAct::ExtendWrapUp);
    assert_eq!(story.world.answers.last(), Some(&Ok(Answer::Done)));
    speak(&mut story, "agent1", AgentAct::EndWrapUp);
    assert_eq!(story.phase("agent1"), Some(AgentPhase::Ready));
    over(story);
}

/// Anna alone sells, and is asked 5 s after a ring that she did not answer, which lasts as long.
fn doubted() -> Story {
    let mut settings = office();
    with_line(&mut settings);
    let anna = &mut settings.agents[0].settings;
    (anna.ring_time, anna.rona_pause) = (5 * SECOND, 5 * SECOND);
    (anna.back_off, anna.back_off_max) = (10 * SECOND, 10 * SECOND);
    let mut story = Story::new(settings);
    story.act(ANNA, Act::Register { expires: 300 * SECOND });
    story
}

fn offers(story: &Story) -> usize {
    story.told.iter().filter(|what| matches!(what, What::Offered { .. })).count()
}

#[test]
fn a_phone_that_lost_its_network_is_not_rung_again_before_it_answers_a_question() {
    let mut story = doubted();
    story.act(ANNA, Act::Unplug);
    story.act(CALLER, Act::Call("303".into()));
    story.pass(70 * SECOND);
    assert_eq!(offers(&story), 1);
    story.act(ANNA, Act::Plug);
    let seconds = (0..25).find(|_| {
        story.pass(SECOND);
        rung(&story, ANNA)
    });
    assert!(seconds.is_some() && offers(&story) == 2, "{:?}", story.phones);
    story.act(ANNA, Act::Answer);
    assert_eq!(talks(&story), 1);
    over(story);
}

#[test]
fn one_phone_of_several_that_answers_is_enough() {
    let second = PhoneId(60);
    let mut story = doubted();
    story.world.add_phone(second, "agent0", Some("secret0"));
    story.act(second, Act::Register { expires: 300 * SECOND });
    story.act(ANNA, Act::Unplug);
    story.act(CALLER, Act::Call("303".into()));
    story.pass(9 * SECOND);
    assert_eq!((offers(&story), story.phase("agent0")), (1, Some(AgentPhase::Paused)));
    // Not before the caller may come back to whom they were refused by.
    story.pass(8 * SECOND);
    assert_eq!((offers(&story), story.phase("agent0")), (2, Some(AgentPhase::Offered)));
    story.act(second, Act::Answer);
    assert_eq!(talks(&story), 1);
    story.act(second, Act::HangUp);
    story.act(second, Act::Unplug);
    over(story);
}

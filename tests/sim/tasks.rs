//! Tasks that other systems file, beside callers.

use crate::desk::with_line;
use crate::switchboard::{ANNA, CALLER, Story, office};
use std::collections::BTreeMap;
use vaxel::acd::{Acd, Exit, Lacking, Outcome};
use vaxel::engine::tasks::{ATTRIBUTES_MAX, Filing, ListedState, NAME_MAX, REFERENCE_MAX, TaskAct, VALUE_MAX};
use vaxel::engine::{Answer, Engine, Input, Output, Refusal, Settings, Wish};
use vaxel::ids::EntryId;
use vaxel::record::task::Work;
use vaxel::record::{AgentPhase, CallEvent, Contact, EndedBy, Recorder, TaskNews, What};
use vaxel::sim::PhoneEvent;
use vaxel::sim::world::Act;
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Anna sells; nobody else does. A task is offered for as long as a phone rings: 20 s.
fn desk(change: impl FnOnce(&mut Settings)) -> Story {
    let mut settings = office();
    with_line(&mut settings);
    change(&mut settings);
    let mut story = Story::new(settings);
    story.register_both();
    story
}

fn task(reference: &str) -> Filing {
    Filing { queue: "sales".into(), reference: reference.into(), ..Filing::default() }
}

fn wish(story: &mut Story, act: TaskAct) -> Result<Answer, Refusal> {
    let before = story.world.answers.len();
    story.world.input(Input::Wish(Wish::Task(act)));
    story.pass(Duration::from_millis(1));
    assert_eq!(story.world.answers.len(), before + 1, "each wish is answered once, at once");
    story.world.answers[before].clone()
}

fn file(story: &mut Story, filing: Filing) -> EntryId {
    match wish(story, TaskAct::File(Box::new(filing))) {
        Ok(Answer::Filed { task, .. }) => task,
        other => panic!("{other:?}"),
    }
}

fn accept(story: &mut Story, task: EntryId) -> Result<Answer, Refusal> {
    wish(story, TaskAct::Accept { agent: "agent0".into(), task })
}

/// References and states.
fn list(story: &mut Story) -> Vec<(String, ListedState)> {
    match wish(story, TaskAct::List) {
        Ok(Answer::Tasks(tasks)) => tasks.into_iter().map(|task| (task.reference, task.state)).collect(),
        other => panic!("{other:?}"),
    }
}

/// What was offered to whom, in order: references, and `call`.
fn offered(story: &Story) -> Vec<String> {
    let mut references = BTreeMap::new();
    let mut offered = Vec::new();
    for what in &story.told {
        match what {
            What::Task { entry, news: TaskNews::Filed(about), .. } => {
                drop(references.insert(*entry, about.reference.clone()))
            }
            What::Task { entry, news: TaskNews::Offered { agent, .. }, .. } => {
                offered.push(format!("{} to {agent}", references[entry]));
            }
            What::Offered { agent, .. } => offered.push(format!("call to {agent}")),
            _ => {}
        }
    }
    offered
}

fn records(story: &Story) -> Vec<Contact> {
    let mut recorder = Recorder::default();
    let at = story.world.now();
    story.told.iter().filter_map(|what| recorder.apply(&CallEvent { at, what: what.clone() })).collect()
}

#[test]
fn tasks_and_callers_wait_in_one_order_and_nobody_is_offered_a_task_during_a_call() {
    let mut story = desk(|settings| settings.agents[0].settings.wrap_up = Duration::ZERO);
    let first = file(&mut story, task("first"));
    story.act(CALLER, Act::Call("303".into()));
    let second = file(&mut story, task("second"));
    assert_eq!(offered(&story), ["first to agent0"]);
    assert!(!story.phones.iter().any(|(id, event)| *id == ANNA && matches!(event, PhoneEvent::Rings { .. })));
    assert_eq!(accept(&mut story, first), Ok(Answer::Done));
    story.pass(SECOND);
    // Her capacity for tasks is one, and calls are offered beside it: the caller is next in any case.
    assert_eq!(offered(&story), ["first to agent0", "call to agent0"]);
    story.act(ANNA, Act::Answer);
    assert_eq!(wish(&mut story, TaskAct::Done(first)), Ok(Answer::Done));
    story.pass(5 * SECOND);
    assert_eq!(offered(&story).len(), 2, "she talks");
    story.act(CALLER, Act::HangUp);
    story.pass(SECOND);
    assert_eq!(offered(&story), ["first to agent0", "call to agent0", "second to agent0"]);
    accept(&mut story, second).expect("it is offered to her");
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Working));
    let third = file(&mut story, task("third"));
    story.pass(60 * SECOND);
    assert_eq!(offered(&story).len(), 3, "one task at a time");
    for task in [second, third] {
        if task == third {
            accept(&mut story, third).expect("it is offered to her");
        }
        assert_eq!(wish(&mut story, TaskAct::Done(task)), Ok(Answer::Done));
    }
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Ready), "no wrap-up follows");
    assert_eq!(list(&mut story), []);
    story.pass(5 * SECOND);
    story.over();
}

#[test]
fn a_task_nobody_accepts_or_that_is_declined_waits_on_and_who_did_not_answer_pauses() {
    let mut story = desk(|settings| {
        settings.agents[1].settings.skills.insert("sales".into(), 5);
        settings.agents.iter_mut().for_each(|agent| agent.settings.probe = false);
    });
    let task = file(&mut story, task("mail"));
    let decline = |agent: &str| TaskAct::Decline { agent: agent.into(), task };
    let state = "ready";
    let to = vec!["agent0".to_owned()];
    assert_eq!(
        wish(&mut story, decline("agent1")),
        Err(Refusal::NotOffered { task, agent: "agent1".into(), state, to })
    );
    assert_eq!(wish(&mut story, decline("agent0")), Ok(Answer::Done));
    assert_eq!(offered(&story), ["mail to agent0", "mail to agent1"]);
    story.pass(30 * SECOND);
    assert_eq!(story.phase("agent1"), Some(AgentPhase::Paused), "as who lets a phone ring");
    let outcomes: Vec<Outcome> = story
        .told
        .iter()
        .filter_map(|what| match what {
            What::Task { news: TaskNews::OfferEnded { outcome, .. }, .. } => Some(*outcome),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes[..2], [Outcome::Declined, Outcome::NoAnswer]);
    assert_eq!(wish(&mut story, TaskAct::Withdraw(task)), Ok(Answer::Done));
    assert_eq!(wish(&mut story, TaskAct::Withdraw(task)), Err(Refusal::UnknownTask { task }));
    let record = &records(&story)[0];
    assert_eq!(
        (record.id.0, &*record.trunk, record.ended_by, &*record.cause),
        (task.0, "task", EndedBy::Caller, "withdrawn")
    );
    assert_eq!(record.waits[0].exit, Some(Exit::LeftByKey));
    assert_eq!(
        record.offers[..2].iter().map(|offer| offer.outcome).collect::<Vec<_>>(),
        [Some(outcomes[0]), Some(outcomes[1])]
    );
    story.over();
}

#[test]
fn what_cannot_be_filed_or_done_is_refused_and_changes_nothing() {
    let mut story = desk(|settings| {
        settings.queues.iter_mut().for_each(|queue| queue.max_waiting = 1);
        settings.agents[0].settings.tasks = 0;
    });
    let known = vec!["sales".to_owned(), "support".to_owned()];
    let refused =
        |story: &mut Story, filing: Filing| wish(story, TaskAct::File(Box::new(filing))).expect_err("it is refused");
    let unknown = Refusal::UnknownQueue { queue: "sale".into(), known };
    assert_eq!(refused(&mut story, Filing { queue: "sale".into(), ..task("x") }), unknown);
    let prefer = vec![("nobody".to_owned(), SECOND)];
    assert!(matches!(refused(&mut story, Filing { prefer, ..task("x") }), Refusal::UnknownAgent { .. }));
    let many = |n: usize| (0..n).map(|n| (format!("name{n}"), "value".to_owned())).collect::<BTreeMap<_, _>>();
    let one = |name: usize, value: usize| BTreeMap::from([("n".repeat(name), "v".repeat(value))]);
    for (filing, part) in [
        (task(""), "the reference is empty"),
        (task("a\nb"), "control character"),
        (task(&"r".repeat(REFERENCE_MAX + 1)), "128 is the most"),
        (Filing { attributes: many(ATTRIBUTES_MAX + 1), ..task("x") }, "17 attributes"),
        (Filing { attributes: one(NAME_MAX + 1, 1), ..task("x") }, "64 is the most"),
        (Filing { attributes: one(1, VALUE_MAX + 1), ..task("x") }, "256 is the most"),
    ] {
        let Refusal::BadFiling(said) = refused(&mut story, filing) else { panic!("another refusal") };
        assert!(said.contains(part), "{said}");
    }
    assert!(!story.told.iter().any(|what| matches!(what, What::Task { .. })), "nothing was filed");
    let attributes = many(ATTRIBUTES_MAX - 1).into_iter().chain(one(NAME_MAX, VALUE_MAX)).collect();
    let there = file(&mut story, Filing { attributes, ..task(&"r".repeat(REFERENCE_MAX)) });
    let again = refused(&mut story, task(&"r".repeat(REFERENCE_MAX)));
    assert!(matches!(again, Refusal::TaskThere { task, .. } if task == there));
    assert_eq!(refused(&mut story, task("x")), Refusal::NotTaken { queue: "sales".into(), exit: Exit::RefusedFull });
    assert_eq!(list(&mut story).len(), 1);
    let elsewhere = file(&mut story, Filing { queue: "support".into(), ..task(&"r".repeat(REFERENCE_MAX)) });
    assert_eq!(wish(&mut story, TaskAct::Done(there)), Err(Refusal::NotInHand { task: there }));
    let not_offered = accept(&mut story, there);
    assert!(matches!(not_offered, Err(Refusal::NotOffered { state: "ready", to, .. }) if to.is_empty()));
    wish(&mut story, TaskAct::Withdraw(there)).expect("it waits");
    wish(&mut story, TaskAct::Accept { agent: "agent1".into(), task: elsewhere }).expect("it is offered to him");
    let in_hand = Refusal::InHand { task: elsewhere, agent: "agent1".into() };
    assert_eq!(wish(&mut story, TaskAct::Withdraw(elsewhere)), Err(in_hand.clone()));
    assert_eq!(accept(&mut story, elsewhere), Err(in_hand));
    wish(&mut story, TaskAct::Done(elsewhere)).expect("he has it");
    assert_eq!(wish(&mut story, TaskAct::Done(elsewhere)), Err(Refusal::UnknownTask { task: elsewhere }));
    // Once it is over, the reference is free again.
    let next = file(&mut story, task(&"r".repeat(REFERENCE_MAX)));
    wish(&mut story, TaskAct::Withdraw(next)).expect("it waits");
    story.over();
}

#[test]
fn a_task_has_a_record_and_is_kept_for_who_is_preferred() {
    let mut story = desk(|settings| settings.agents[1].settings.skills.insert("sales".into(), 5).map_or((), drop));
    let attributes = BTreeMap::from([("topic".to_owned(), "invoice".to_owned())]);
    let prefer = vec![("agent1".to_owned(), 60 * SECOND)];
    let since = Some(story.world.now() - Duration::from_secs(100));
    let task = file(&mut story, Filing { attributes, prefer, since, ..task("ticket 17") });
    assert_eq!(offered(&story), ["ticket 17 to agent1"]);
    wish(&mut story, TaskAct::Accept { agent: "agent1".into(), task }).expect("it is offered to him");
    let accepted = story.world.now();
    story.pass(90 * SECOND);
    wish(&mut story, TaskAct::Done(task)).expect("he has it");
    let record = &records(&story)[0];
    let about = record.task.as_deref().expect("it is of a task");
    assert_eq!(
        (about.reference.as_str(), about.attributes.get("topic").map(String::as_str)),
        ("ticket 17", Some("invoice"))
    );
    let Some(Work { agent, worked_ms, .. }) = &about.work else { panic!("nobody worked on it") };
    assert_eq!((&**agent, record.served_by(), worked_ms / 1_000), ("agent1", Some("agent1"), 90));
    let wait = &record.waits[0];
    assert_eq!((&*wait.queue, wait.exit, wait.waited_ms / 1_000), ("sales", Some(Exit::Answered), 100));
    assert_eq!((record.ended_by, &*record.cause, &*record.to), (EndedBy::Agent, "done", "sales"));
    assert!(accepted < story.world.now());
    let json = serde_json::to_string(record).expect("JSON");
    assert_eq!(serde_json::from_str::<Contact>(&json).expect("it is read again"), *record);
    story.over();
}

#[test]
fn a_later_run_knows_every_task_where_it_was() {
    let mut story = desk(|settings| settings.agents[0].settings.tasks = 2);
    let worked_on = file(&mut story, task("worked on"));
    accept(&mut story, worked_on).expect("it is offered to her");
    let rung = file(&mut story, task("offered"));
    let waits = file(&mut story, task("waits"));
    let stood = |tasks: Vec<(String, ListedState)>| -> Vec<(String, &'static str)> {
        let state = |state| match state {
            ListedState::Waiting { .. } => "waits",
            ListedState::Offered { .. } => "offered",
            ListedState::InHand { .. } => "in hand",
        };
        tasks.into_iter().map(|(reference, stands)| (reference, state(stands))).collect()
    };
    let owned = |stood: &[(&str, &'static str)]| {
        stood.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect::<Vec<_>>()
    };
    let before = owned(&[("offered", "offered"), ("waits", "waits"), ("worked on", "in hand")]);
    assert_eq!(stood(list(&mut story)), before);

    let mut settings = office();
    settings.agents[0].settings.tasks = 2;
    let later = story.world.now() + 3_600 * SECOND;
    let text = serde_json::to_string(&story.world.engine.acd().snapshot()).expect("it can be kept");
    let acd = Acd::restore(serde_json::from_str(&text).expect("written just now")).expect("it was just so");
    let mut engine = Engine::resume(settings, 2, later, acd);
    let known = std::iter::from_fn(|| engine.poll_output()).filter_map(|output| match output {
        Output::Event(CallEvent { what: What::Task { entry, news: TaskNews::Known { by, .. }, .. }, .. }) => {
            Some((entry, by.map(|(agent, _)| agent.to_string())))
        }
        _ => None,
    });
    let known: Vec<_> = known.collect();
    assert_eq!(known, [(rung, None), (waits, None), (worked_on, Some("agent0".to_owned()))]);
    let mut ask = |act| {
        engine.handle(later, Input::Wish(Wish::Task(act)));
        let answers = std::iter::from_fn(|| engine.poll_output()).filter_map(|output| match output {
            Output::Answer(answer) => Some(answer),
            _ => None,
        });
        answers.last().expect("it is answered")
    };
    let Ok(Answer::Tasks(tasks)) = ask(TaskAct::List) else { panic!("no list") };
    let tasks = tasks.into_iter().map(|task| (task.reference, task.state)).collect();
    assert_eq!(stood(tasks), owned(&[("offered", "waits"), ("waits", "waits"), ("worked on", "in hand")]));
    for (reference, there) in [("waits", waits), ("worked on", worked_on)] {
        let again = ask(TaskAct::File(Box::new(task(reference))));
        assert!(matches!(again, Err(Refusal::TaskThere { task, .. }) if task == there));
    }
    for task in [rung, waits] {
        assert_eq!(ask(TaskAct::Withdraw(task)), Ok(Answer::Done));
    }
    assert_eq!(ask(TaskAct::Done(worked_on)), Ok(Answer::Done));
    assert_eq!(engine.leftovers(), []);

    for task in [waits, rung] {
        wish(&mut story, TaskAct::Withdraw(task)).expect("it waits here too");
    }
    wish(&mut story, TaskAct::Done(worked_on)).expect("she has it");
    story.over();
}

#[test]
fn what_an_agent_worked_on_who_is_none_any_more_is_over_and_that_is_said() {
    let mut story = desk(|settings| settings.queues.iter_mut().for_each(|queue| queue.needs = Default::default()));
    let work = file(&mut story, Filing { prefer: vec![("agent1".into(), 60 * SECOND)], ..task("worked on") });
    wish(&mut story, TaskAct::Accept { agent: "agent1".into(), task: work }).expect("it is offered to him");
    let kept = story.world.engine.acd().snapshot();
    let acd = Acd::restore(kept).expect("it was just so");
    let mut settings = office();
    settings.agents.truncate(1);
    let mut engine = Engine::resume(settings, 2, story.world.now(), acd);
    let mut recorder = Recorder::default();
    let record = std::iter::from_fn(|| engine.poll_output()).find_map(|output| match output {
        Output::Event(event) => recorder.apply(&event),
        _ => None,
    });
    assert_eq!(record.expect("it is over").cause, "who worked on it is no agent any more");
    std::iter::from_fn(|| engine.poll_output()).for_each(drop);
    assert_eq!(engine.leftovers(), []);
    wish(&mut story, TaskAct::Done(work)).expect("he has it here");
    story.over();
}

#[test]
fn a_task_that_nobody_can_take_is_filed_and_that_is_said() {
    let mut story = desk(|settings| settings.agents[0].settings.skills = [("sales".to_owned(), 5)].into());
    let mut lacks = |reference: &str, need: &str, topic: &str| {
        let need = vaxel::need::Need::parse(need).expect("a need").0;
        let attributes = [("topic".to_owned(), topic.to_owned())].into();
        match wish(&mut story, TaskAct::File(Box::new(Filing { need, attributes, ..task(reference) }))) {
            Ok(Answer::Filed { lacking, .. }) => lacking,
            other => panic!("{other:?}"),
        }
    };
    let skill = |name: &str| {
        let known = ["sales", "support"].map(str::to_owned).into();
        Some(Lacking::Skill { name: name.into(), known })
    };
    assert_eq!(lacks("1", "sale >= 2", "x"), skill("sale"));
    assert_eq!(lacks("2", "sales >= 6", "x"), Some(Lacking::Level { name: "sales".into(), least: 6 }));
    assert_eq!(lacks("3", "topic(topic)", "invoice"), skill("topic_invoice"));
    assert_eq!(lacks("4", "sales >= 5", "x"), None);
    assert_eq!(list(&mut story).len(), 4, "all wait");
}

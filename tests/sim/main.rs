//! Whole days in the call centre, in virtual time, from seeds. The promises of `vaxel::sim::check` are checked with each
//! event and after each step, and at the end of each day the contact records are compared with what callers and agents saw; a
//! failure names its seed.

mod broken;
mod callbacks;
mod carried;
mod carriers;
mod desk;
mod elsewhere;
mod estimate;
mod hunts;
mod identity;
mod moves;
mod numbers;
mod protocol;
mod queues;
mod records;
mod refusals;
mod registrations;
mod reloaded;
mod replayed;
mod resumed;
mod routing;
mod secure;
mod switchboard;
mod tasks;
mod told;
mod transfers;
mod trunks;
mod unanswered;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vaxel::acd::{AgentSettings, Exit, Outcome, QueueSettings, Skills};
use vaxel::engine::settings::CALLS_OF_AGENT;
use vaxel::engine::{Agent, Codes, Limits, Network as Net, Number, Settings, Target, Trunk};
use vaxel::flow::{self, Flow};
use vaxel::need::Need;
use vaxel::sim::day::{Day, Habits, OUTSIDE, Report};
use vaxel::sim::media::switchboard;
use vaxel::sim::world::{Network, PhoneId, World};
use vaxel::sip::digest::Algorithm;
use vaxel::sip::{Hop, Transport};
use vaxel::time::{Duration, Time};

/// Monday, 2026-11-23, 09:00 UTC.
const MORNING: Time = Time::from_secs(1_795_424_400);

const MENU: &str = r#"
flow: main
languages: [en]
start: topics
steps:
  topics:
    menu:
      prompt: topics
      keys: { "1": sales, "2": support }
      timeout: 5s
      tries: 2
      next: goodbye
  sales:
    queue:
      name: sales
      while_waiting: { music: calm, announce: { every: 30s, position: true }, keys: { "9": goodbye } }
      next: thanks
      timed_out: goodbye
      no_agents: goodbye
      full: goodbye
      closed: goodbye
  support:
    queue:
      name: support
      priority: 5
      need: { support: 3 }
      while_waiting: { music: calm }
      next: thanks
      timed_out: goodbye
      no_agents: goodbye
      full: goodbye
      closed: goodbye
  thanks:
    play: { prompt: thanks, next: goodbye }
  goodbye:
    play: { prompt: goodbye, next: end }
  end:
    hangup: {}
"#;

fn main_flow() -> Arc<Flow> {
    flow_named("main")
}

/// The same menu under another name.
fn flow_named(name: &str) -> Arc<Flow> {
    compiled(name, &MENU.replace("flow: main", &format!("flow: {name}")))
}

fn compiled(name: &str, text: &str) -> Arc<Flow> {
    let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let mut prompts = set(&["topics", "thanks", "goodbye", "you-are-next", "you-are-number", "you-are-over-number"]);
    prompts.extend(flow::speech::words("en").expect("English numbers have words"));
    prompts.extend(flow::speech::wait_words("en").expect("and so have minutes"));
    prompts.extend(flow::speech::WAIT.map(str::to_owned));
    let world = flow::World {
        queues: set(&["sales", "support"]),
        skills: set(&["sales", "support"]),
        prompts: BTreeMap::from([("en".to_owned(), prompts)]),
        music: set(&["calm"]),
        flows: set(&[name]),
        agents: set(&["agent0"]),
        outside: set(&["+"]),
        ..flow::World::default()
    };
    match flow::compile("flow.yaml", text, &world) {
        Ok(flow) => Arc::new(flow),
        Err(problems) => panic!("{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>()),
    }
}

/// Who has it is at [`vaxel::sim::day::OUTSIDE`].
const ABROAD: &str = "+4687000000";

/// Calls out by this trunk come to that phone, whose calls come by it.
fn leads_out_to(trunk: &mut Trunk, phone: PhoneId) {
    let remote = World::address(phone, 5060);
    let hop = Hop { transport: Transport::Udp, local: switchboard(), remote, connection: None };
    (trunk.sends, trunk.takes) = (true, vec!["+".into()]);
    trunk.targets = vec![Target { hop, priority: 0, weight: 1 }];
    trunk.from.push(Net { address: remote.ip(), prefix: 32 });
}

fn settings(agents: u32, queue: QueueSettings) -> Settings {
    let skills = |i: u32| match i % 3 {
        0 => Skills::from([("sales".to_owned(), 5)]),
        1 => Skills::from([("support".to_owned(), 4)]),
        _ => Skills::from([("sales".to_owned(), 2), ("support".to_owned(), 8)]),
    };
    let queue_for = |name: &str| QueueSettings {
        name: name.to_owned(),
        needs: Need::of_levels(&BTreeMap::from([(name.to_owned(), 1)])),
        ..queue.clone()
    };
    Settings {
        realm: "vaxel".into(),
        digest: vec![Algorithm::Sha256, Algorithm::Md5],
        auth_key: [7; 32],
        sip: Default::default(),
        registrar: Default::default(),
        flows: BTreeMap::from([("main".to_owned(), main_flow())]),
        numbering: Default::default(),
        identity: Default::default(),
        redirects: Default::default(),
        numbers: vec![Number { number: "100".parse().expect("a number"), flow: "main".into(), trunk: None }],
        queues: vec![queue_for("sales"), queue_for("support")],
        hours: BTreeMap::new(),
        estimate: Default::default(),
        agents: (0..agents)
            .map(|i| Agent {
                settings: AgentSettings { name: format!("agent{i}"), skills: skills(i), ..AgentSettings::default() },
                number: format!("{}", 2000 + i),
                password: format!("secret{i}"),
                out: Default::default(),
                calls: CALLS_OF_AGENT,
                auto_answer: false,
                shift: None,
            })
            .collect(),
        // Callers come from everywhere but the agents' addresses, which are told apart by their accounts.
        trunks: vec![Trunk {
            name: "carrier".into(),
            from: vec![Net { address: [0, 0, 0, 0].into(), prefix: 0 }],
            ..Trunk::default()
        }],
        emergency: vec!["112".into()],
        emergency_by_flow: false,
        codes: Codes {
            ready: "*1".into(),
            pauses: BTreeMap::from([("*2".to_owned(), "break".to_owned())]),
            wrap_up_done: "*3".into(),
            wrap_up_more: "*4".into(),
        },
        limits: Limits::default(),
        announcements: BTreeMap::new(),
        language: "en".into(),
        hold_music: "calm".into(),
    }
}

fn small_day(agents: u32, habits: Habits, network: Network) -> Day {
    let queue = QueueSettings { max_wait: Some(Duration::from_secs(120)), max_waiting: 9, ..QueueSettings::default() };
    let mut settings = settings(agents, queue);
    let remote = World::address(OUTSIDE, 5060);
    let hop = Hop { transport: Transport::Udp, local: switchboard(), remote, connection: None };
    let carrier = &mut settings.trunks[0];
    (carrier.sends, carrier.takes) = (true, vec!["+46".into()]);
    carrier.targets = vec![Target { hop, priority: 0, weight: 1 }];
    Day {
        settings,
        network,
        start: MORNING,
        length: Duration::from_secs(30 * 60),
        between_calls: (Duration::from_secs(20), Duration::from_secs(5)),
        at_once: false,
        numbers: vec!["100".into()],
        outside: Some(ABROAD.into()),
        keys: ["1", "2", "7 1", "", "19"].map(|keys| keys.replace(' ', "")).to_vec(),
        patience: Duration::from_secs(90),
        talk: Duration::from_secs(60),
        caller_ends: 0.6,
        habits,
    }
}

fn sum(report: &Report, exit: Exit) -> u64 {
    report.queues.values().map(|q| q.of(exit)).sum()
}

#[test]
fn two_hundred_half_hours_keep_every_promise() {
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    let mut exits: BTreeMap<Exit, u64> = BTreeMap::new();
    let mut transfers: BTreeMap<u16, u64> = BTreeMap::new();
    let mut calls_out = 0;
    for seed in 0..200 {
        let network = if seed % 2 == 0 { Network::LOSSY } else { Network::PERFECT };
        let agents = [3, 6, 12][seed as usize % 3];
        let report = small_day(agents, Habits::HUMAN, network).run(seed);
        assert!(report.calls > 50, "seed {seed}: {report:?}");
        for (outcome, n) in &report.offers {
            *outcomes.entry(*outcome).or_default() += n;
        }
        for (exit, n) in report.queues.values().flat_map(|q| &q.exits) {
            *exits.entry(*exit).or_default() += n;
        }
        for (code, n) in &report.transfers {
            *transfers.entry(*code).or_default() += n;
        }
        calls_out += report.calls_out;
    }
    // The days are worth something only if everything that can happen did happen.
    for outcome in [Outcome::Accepted, Outcome::Declined, Outcome::Busy, Outcome::NoAnswer, Outcome::CallerGone] {
        assert!(outcomes.contains_key(&outcome), "no offer ended as {outcome:?}: {outcomes:?}");
    }
    for exit in
        [Exit::Answered, Exit::Abandoned, Exit::ShortAbandoned, Exit::TimedOut, Exit::LeftByKey, Exit::RefusedFull]
    {
        assert!(exits.contains_key(&exit), "no entry left as {exit:?}: {exits:?}");
    }
    for code in [200, 408, 480, 486, 487, 603] {
        assert!(transfers.contains_key(&code), "no transfer ended with {code}: {transfers:?}");
    }
    assert!(calls_out > 20, "{calls_out}");
}

#[test]
fn on_a_perfect_network_no_phone_is_rung_while_it_is_in_use() {
    // Who dials in the very moment of an offer is rung while dialling, and an unplugged phone misses the end of a call;
    // nobody does either here.
    let habits =
        Habits { pauses: 0.0, calls_colleague: 0.0, calls_out: 0.0, transfers: 0.0, unplugs: 0.0, ..Habits::HUMAN };
    for seed in 0..20 {
        let report = small_day(8, habits, Network::PERFECT).run(seed);
        assert_eq!(report.rung_while_busy, 0, "seed {seed}");
        assert_eq!(report.talks, sum(&report, Exit::Answered), "seed {seed}: both phones agree on every talk");
    }
}

#[test]
fn a_phone_on_do_not_disturb_is_tried_again_only_after_its_back_off() {
    // A colleague who calls directly asks no back-off, and a code that ends a pause ends the back-off too.
    let habits = Habits { pauses: 0.0, calls_colleague: 0.0, transfers: 0.0, hides: 0.3, ..Habits::HUMAN };
    for seed in 0..10 {
        let report = small_day(6, habits, Network::PERFECT).run(seed);
        assert!(report.called_in_vain > 10, "seed {seed}: {report:?}");
        let again = report.in_vain_again_after.expect("some phone was tried twice");
        assert!(again >= Duration::from_secs(10), "seed {seed}: tried again after {again:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_day() {
    let day = small_day(6, Habits::HUMAN, Network::LOSSY);
    let first = day.run(42);
    assert_eq!(first, day.run(42));
    assert_ne!(first.steps, day.run(43).steps);
}

#[test]
fn a_working_day_of_three_hundred_agents() {
    let mut day = small_day(300, Habits::HUMAN, Network::LOSSY);
    day.settings.queues.iter_mut().for_each(|q| {
        q.max_waiting = 500;
        q.max_wait = Some(Duration::from_secs(600));
    });
    day.length = Duration::from_secs(9 * 3600);
    day.between_calls = (Duration::from_millis(1500), Duration::from_millis(1100));
    day.talk = Duration::from_secs(240);
    let report = day.run(1);
    println!("{} calls, {} steps of the engine, offers {:?}", report.calls, report.steps, report.offers);
    assert!(report.calls > 20_000);
    let queued: u64 = report.queues.values().map(|q| q.offered).sum();
    assert!(sum(&report, Exit::Answered) * 10 > queued * 7, "{report:?}");
}

//! The offer protocol between the switchboard and the phones, tried out: the real engine and its real SIP endpoint, on a network
//! whose faults are enumerated. For each story, every placement of one fault and of two faults (a message lost, late or twice) over
//! all messages that are sent because of it, those included that are sent only because of the first fault; and for what
//! people may do at the same moment, each order of the two, and every single fault on top.
//!
//! In every state of each: the promises of `vaxel::sim::check`. Once the messages have settled: who the switchboard says is in a
//! talk is in one by both phones, who rings is offered something, and everybody else is free. At the end of each, without
//! further faults: nobody is in a call, and nothing of one is remembered anywhere.

use crate::{MORNING, compiled, leads_out_to, settings};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use vaxel::acd::{AgentState, Exit, Outcome, QueueSettings, Strategy};
use vaxel::engine::{Said, Settings};
use vaxel::record::What;
use vaxel::sim::PhoneEvent;
use vaxel::sim::faults::{Fault, Faults, Omits};
use vaxel::sim::world::{Act, Happening, Network, PhoneId, World};
use vaxel::time::Duration;

const ANNA: PhoneId = PhoneId(0);
const BO: PhoneId = PhoneId(1);
const CAJSA: PhoneId = PhoneId(2);
const CALLER: PhoneId = PhoneId(50);

const SECOND: Duration = Duration::from_secs(1);

/// Between a phone and the switchboard, each way.
const WAY: Duration = Duration::from_millis(10);

const NETWORK: Network = Network { delay_min: WAY, delay_max: WAY, loss: 0.0, duplication: 0.0 };

/// Behind the next messages; behind its own retransmission; almost as long as anything stays in a network (RFC 3261 §17.1.1.1, T4).
const LATE: [Duration; 3] = [Duration::from_millis(25), Duration::from_millis(700), Duration::from_millis(4_500)];

const EACH: [Fault; 6] = [
    Fault::Lost,
    Fault::Late(LATE[0]),
    Fault::Late(LATE[1]),
    Fault::Late(LATE[2]),
    Fault::Twice(Duration::ZERO),
    Fault::Twice(LATE[2]),
];

/// Of which two may come together.
const PAIRED: [Fault; 3] = [Fault::Lost, Fault::Late(LATE[1]), Fault::Twice(LATE[2])];

/// How much sooner or later than the other one of two people does something: so that their messages cross everywhere.
const CROSSINGS: [i32; 9] = [-35, -25, -15, -5, 0, 5, 15, 25, 35];

#[derive(Clone, Copy, PartialEq)]
enum When {
    Start,
    /// The phone begins to ring.
    Rings(PhoneId),
    /// For the first time.
    Connected(PhoneId),
}

/// What people do.
struct Story {
    name: &'static str,
    settings: Settings,
    agents: Vec<PhoneId>,
    callers: Vec<PhoneId>,
    does: Vec<(When, Duration, PhoneId, Act)>,
    /// Who hangs up in the end.
    callers_end: bool,
    /// However the network is, callers and agents fare the same.
    is_certain: bool,
}

/// What became of everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Fate {
    exits: Vec<Exit>,
    offers: Vec<(String, Outcome)>,
    /// Once all had settled: caller and agent.
    talks: Vec<(PhoneId, PhoneId)>,
}

struct Told {
    fate: Fate,
    sent: usize,
    called_while_busy: u32,
    /// A phone was answered for an offer that was over.
    crossed: u32,
    connected: BTreeSet<PhoneId>,
}

const LINE: &str = "
flow: main
languages: [en]
start: line
steps:
  line:
    queue:
      name: sales
      answer: ANSWER
      while_waiting: { music: calm }
      next: end
      timed_out: end
      no_agents: end
      full: end
      closed: end
  end:
    hangup: {}
";

const BACK: &str = "
flow: main
languages: [en]
start: line
steps:
  line: { queue: { name: sales, while_waiting: { music: calm, keys: { '1': back } }, failed: end } }
  back: { callback: { next: end, failed: end } }
  end: { hangup: {} }
";

impl Story {
    /// So many agents, and callers who come a second apart to a line that the flow answers.
    fn new(name: &'static str, agents: u32, callers: u32, does: &[(When, Duration, PhoneId, Act)]) -> Story {
        let mut settings = settings(agents, QueueSettings::default());
        settings.flows.insert("main".into(), compiled("main", &LINE.replace("ANSWER", "true")));
        for agent in &mut settings.agents {
            agent.settings.skills = [("sales".to_owned(), 1)].into();
            agent.settings.wrap_up = Duration::ZERO;
            agent.settings.ring_time = 20 * SECOND;
        }
        let phones = |first: PhoneId, n: u32| (first.0..first.0 + n).map(PhoneId).collect::<Vec<_>>();
        let call = |(n, id): (u32, PhoneId)| (When::Start, n * SECOND, id, Act::Call("100".into()));
        let calls = (0..).zip(phones(CALLER, callers)).map(call);
        Story {
            name,
            settings,
            agents: phones(ANNA, agents),
            callers: phones(CALLER, callers),
            does: calls.chain(does.iter().cloned()).collect(),
            callers_end: false,
            is_certain: true,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Story {
        change(&mut self.settings);
        self
    }

    /// The agent's answer is what answers the caller.
    fn unanswered(self) -> Story {
        self.with(|s| _ = s.flows.insert("main".into(), compiled("main", &LINE.replace("ANSWER", "false"))))
    }

    fn callers_end(self) -> Story {
        Story { callers_end: true, ..self }
    }

    /// How it goes depends on the network.
    fn uncertain(self) -> Story {
        Story { is_certain: false, ..self }
    }

    fn world(&self) -> World {
        let mut world = World::new(self.settings.clone(), NETWORK, 1, MORNING);
        for (n, id) in self.agents.iter().enumerate() {
            world.add_phone(*id, &format!("agent{n}"), Some(&format!("secret{n}")));
            world.act_in(Duration::ZERO, *id, Act::Register { expires: Duration::from_secs(3_600) });
        }
        for id in &self.callers {
            world.add_phone(*id, &format!("+467012345{}", id.0), None);
        }
        let until = world.now() + SECOND;
        while world.next(until).is_some() {}
        world
    }

    /// What happens, with these faults.
    fn play(&self, seen: &mut Seen, faults: &[(usize, Fault)], omits: Option<Omits>) -> Result<Told, String> {
        let mut world = self.world();
        world.faults = Some(Faults::new(faults.iter().copied(), omits));
        let mut told =
            Told { fate: Fate::default(), sent: 0, called_while_busy: 0, crossed: 0, connected: BTreeSet::new() };
        let steps = world.steps;
        let played = catch_unwind(AssertUnwindSafe(|| self.go_through(&mut world, seen, &mut told)));
        seen.steps += world.steps - steps;
        seen.played += 1;
        seen.crossed += u64::from(told.crossed);
        let network = world.faults.as_ref().expect("it was put there");
        told.sent = network.sent();
        let wrong = match played {
            Ok(Ok(())) => return Ok(told),
            Ok(Err(wrong)) => wrong,
            Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
        };
        Err(format!("{}, {faults:?}: {wrong}\n{:?}\n{}", self.name, told.fate, network.story()))
    }

    fn go_through(&self, world: &mut World, seen: &mut Seen, told: &mut Told) -> Result<(), String> {
        for (_, after, id, act) in self.does.iter().filter(|(when, ..)| *when == When::Start) {
            world.act_in(*after, *id, act.clone());
        }
        self.pass(world, 60 * SECOND, seen, told);
        self.agrees(world)?;
        let talk = |id: &PhoneId| world.talks_with(*id).map(|agent| (*id, agent));
        told.fate.talks = self.callers.iter().filter_map(talk).collect();
        // Everybody hangs up, and who waited is served.
        for _ in 0..=self.callers.len() {
            for id in if self.callers_end { &self.callers } else { &self.agents } {
                if world.phone(*id).is_some_and(vaxel::sim::Phone::is_talking) {
                    world.act_in(Duration::ZERO, *id, Act::HangUp);
                }
            }
            self.pass(world, 45 * SECOND, seen, told);
            self.agrees(world)?;
        }
        for id in &self.callers {
            world.act_in(Duration::ZERO, *id, Act::HangUp);
        }
        self.pass(world, 75 * SECOND, seen, told);
        self.agrees(world)?;
        if !world.is_quiet() {
            return Err(format!("not over: {}", world.unfinished()));
        }
        world.must_be_over();
        match world.phones().find(|(_, phone)| !phone.is_forgetful()) {
            Some((id, _)) => Err(format!("phone {} remembers something", id.0)),
            None => Ok(()),
        }
    }

    fn pass(&self, world: &mut World, time: Duration, seen: &mut Seen, told: &mut Told) {
        let until = world.now() + time;
        while let Some(happening) = world.next(until) {
            seen.state(world);
            let when = match &happening {
                Happening::Phone(id, PhoneEvent::Rings { .. }) => When::Rings(*id),
                Happening::Phone(id, PhoneEvent::Connected { .. }) if told.connected.insert(*id) => {
                    When::Connected(*id)
                }
                Happening::Phone(_, PhoneEvent::CalledWhileBusy) => {
                    told.called_while_busy += 1;
                    continue;
                }
                Happening::Event(event) => {
                    match &event.what {
                        What::Dequeued { exit, .. } => told.fate.exits.push(*exit),
                        What::OfferEnded { agent, outcome, .. } => {
                            let n: u32 = agent.trim_start_matches("agent").parse().expect("agents are numbered");
                            let talks = world.phone(PhoneId(n)).is_some_and(vaxel::sim::Phone::is_talking);
                            told.crossed += u32::from(talks && *outcome != Outcome::Accepted);
                            told.fate.offers.push((agent.to_string(), *outcome));
                        }
                        _ => {}
                    }
                    continue;
                }
                _ => continue,
            };
            for (_, after, id, act) in self.does.iter().filter(|(w, ..)| *w == when) {
                world.act_in(*after, *id, act.clone());
            }
        }
    }

    /// Nothing is on its way: what the switchboard has and what the phones have is the same.
    fn agrees(&self, world: &World) -> Result<(), String> {
        for (n, agent) in world.engine.acd().agents().enumerate() {
            let id = PhoneId(u32::try_from(n).expect("few"));
            let doing = world.phone(id).map_or("gone", vaxel::sim::Phone::doing);
            let expected = match agent.state {
                AgentState::Talking { .. } => "talking",
                AgentState::Offered { .. } => "rung",
                AgentState::Busy => "talking",
                _ => "idle",
            };
            if doing != expected {
                return Err(format!("{} is {:?}, their phone {doing}", agent.name, agent.state));
            }
            if let AgentState::Talking { .. } = agent.state {
                let caller = world.talks_with(id);
                if caller.is_none_or(|caller| world.talks_with(caller) != Some(id)) {
                    return Err(format!("{} talks with nobody: {caller:?}", agent.name));
                }
            }
        }
        let up = self.callers.iter().filter(|id| world.phone(**id).is_some_and(|phone| !phone.is_idle())).count();
        if world.engine.calls() != up {
            return Err(format!("{} calls, and {up} callers on the phone", world.engine.calls()));
        }
        Ok(())
    }

    /// Every placement of at most two faults.
    fn every_two(&self, seen: &mut Seen) -> Result<(), String> {
        let usual = self.play(seen, &[], None)?;
        let same = |told: &Told, faults: &[(usize, Fault)]| match told.fate == usual.fate || !self.is_certain {
            true => Ok(()),
            false => Err(format!("{}, {faults:?}: {:?} and usually {:?}", self.name, told.fate, usual.fate)),
        };
        for first in 0..usual.sent {
            for fault in EACH {
                let one = (first, fault);
                let told = self.play(seen, &[one], None)?;
                same(&told, &[one])?;
                if !PAIRED.contains(&fault) {
                    continue;
                }
                for second in first + 1..told.sent {
                    for fault in PAIRED {
                        let two = [one, (second, fault)];
                        same(&self.play(seen, &two, None)?, &two)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Every placement of one fault, and none.
    fn every_one(&self, seen: &mut Seen, omits: Option<Omits>) -> Result<Told, String> {
        let usual = self.play(seen, &[], omits)?;
        for place in 0..usual.sent {
            for fault in EACH {
                let told = self.play(seen, &[(place, fault)], omits)?;
                if self.is_certain && told.fate != usual.fate {
                    return Err(format!("{}, {fault:?} at {place}: {:?} and {:?}", self.name, told.fate, usual.fate));
                }
            }
        }
        Ok(usual)
    }
}

/// What was looked at.
#[derive(Default)]
struct Seen {
    played: u64,
    /// Steps of the switchboard.
    steps: u64,
    /// Phones that were answered for an offer that was over.
    crossed: u64,
    /// What agents are in, what phones do, and which messages are on their way.
    states: HashSet<u64>,
}

impl Seen {
    fn state(&mut self, world: &World) {
        let mut state = DefaultHasher::new();
        for agent in world.engine.acd().agents() {
            agent.state.label().hash(&mut state);
        }
        for (id, phone) in world.phones() {
            (id, phone.doing()).hash(&mut state);
        }
        let line = |bytes: &[u8], begins: &[u8]| {
            bytes.split(|byte| *byte == b'\n').find(|line| line.starts_with(begins)).map(<[u8]>::to_vec)
        };
        let mut messages: Vec<_> =
            world.on_the_way().map(|(to, bytes)| (to, line(bytes, b""), line(bytes, b"CSeq:"))).collect();
        messages.sort();
        messages.hash(&mut state);
        self.states.insert(state.finish());
    }

    fn report(&self, what: &str) {
        let Seen { played, steps, states, .. } = self;
        println!("{what}: {played} schedules, {steps} steps of the switchboard, {} different states", states.len());
    }
}

/// Agents hear who comes, for a second.
fn told_first(settings: &mut Settings) {
    settings.announcements.insert("sales".into(), vec![Said::Prompt("sales-caller".into())]);
}

/// Who presses a key hangs up and is called back, once and by the carrier by which they came.
fn called_back(settings: &mut Settings) {
    settings.flows.insert("main".into(), compiled("main", BACK));
    settings.queues.iter_mut().for_each(|queue| queue.callback_tries = 1);
    leads_out_to(&mut settings.trunks[0], CALLER);
}

fn answers(id: PhoneId) -> (When, Duration, PhoneId, Act) {
    (When::Rings(id), 2 * SECOND, id, Act::Answer)
}

fn ring_all(settings: &mut Settings) {
    settings.queues.iter_mut().for_each(|queue| (queue.strategy, queue.ring_all_max) = (Strategy::RingAll, 3));
}

fn at(after: Duration, id: PhoneId, act: Act) -> (When, Duration, PhoneId, Act) {
    (When::Rings(ANNA), after, id, act)
}

/// Two seconds, and so many milliseconds more or less.
fn moved(by: i32) -> Duration {
    Duration::from_millis(u64::try_from(2_000 + by).expect("later than now"))
}

/// Stories of one caller that end the same way however the network is.
fn of_one_caller() -> Vec<Story> {
    let declines = at(2 * SECOND, ANNA, Act::Decline(603));
    let gives_up = (When::Start, 8 * SECOND, CALLER, Act::HangUp);
    let ring_time = |s: &mut Settings| s.agents.iter_mut().for_each(|a| a.settings.ring_time = 6 * SECOND);
    vec![
        Story::new("answered", 1, 1, &[answers(ANNA)]),
        Story::new("answered by who answers", 1, 1, &[answers(ANNA)]).unanswered().callers_end(),
        Story::new("declined, and answered by the next", 2, 1, &[declines, answers(BO)]),
        Story::new("not answered, and answered by the next", 2, 1, &[answers(BO)]).with(ring_time),
        Story::new("told who comes, and connected", 1, 1, &[answers(ANNA)]).with(told_first),
        Story::new("told who comes, and connected to who waits unanswered", 1, 1, &[answers(ANNA)])
            .unanswered()
            .with(told_first),
        Story::new("given up while it rings", 1, 1, std::slice::from_ref(&gives_up)),
        Story::new("given up unanswered", 1, 1, &[gives_up]).unanswered(),
    ]
}

/// Stories in which several are rung or wait.
fn of_many() -> Vec<Story> {
    let nobody_answers = (When::Start, 8 * SECOND, CALLER, Act::HangUp);
    vec![
        Story::new("one of two who are rung answers", 2, 1, &[answers(BO)]).with(ring_all).unanswered(),
        Story::new("none of two who are rung answers", 2, 1, &[nobody_answers]).with(ring_all).unanswered(),
        Story::new("two callers and one agent", 1, 2, &[answers(ANNA)]).unanswered().callers_end().uncertain(),
        Story::new("two callers and one agent who is told who comes", 1, 2, &[answers(ANNA)])
            .callers_end()
            .with(told_first)
            .uncertain(),
        Story::new("promised a call, and called", 1, 1, &promised(&[answers(CALLER)])).with(called_back).uncertain(),
        Story::new("two callers and two agents", 2, 2, &[answers(ANNA), answers(BO)]).unanswered().uncertain(),
    ]
}

/// The caller does not wait for the agent who is rung, who answers the next ring.
fn promised(then: &[(When, Duration, PhoneId, Act)]) -> Vec<(When, Duration, PhoneId, Act)> {
    let asks = (When::Start, SECOND, CALLER, Act::Key('1'));
    [&[asks, answers(ANNA)], then].concat()
}

/// Two people who do something at the same moment, give or take so many milliseconds.
fn at_once(by: i32) -> Vec<Story> {
    let now = 2 * SECOND;
    let gives_up = at(moved(by), CALLER, Act::HangUp);
    let pauses = |s: &mut Settings| s.codes.pauses = [("*2".to_owned(), "break".to_owned())].into();
    let hangs_up = (When::Connected(ANNA), now, ANNA, Act::HangUp);
    let too = (When::Connected(ANNA), moved(by), CALLER, Act::HangUp);
    let dials = (When::Connected(ANNA), moved(by + 40), ANNA, Act::Call("*2".into()));
    let soon = |id| (When::Connected(ANNA), moved(by - 1_000), id, Act::HangUp);
    let gives_back_up = (When::Rings(CALLER), moved(by), ANNA, Act::HangUp);
    let story = |name, agents, callers, does: &[_]| Story::new(name, agents, callers, does).uncertain();
    vec![
        story("answers as the caller gives up", 1, 1, &[at(now, ANNA, Act::Answer), gives_up.clone()]),
        story("answers as an unanswered caller gives up", 1, 1, &[at(now, ANNA, Act::Answer), gives_up.clone()])
            .unanswered(),
        story("declines as the caller gives up", 1, 1, &[at(now, ANNA, Act::Decline(603)), gives_up.clone()]),
        story("answers as the ring time ends", 2, 1, &[at(moved(by), ANNA, Act::Answer), answers(BO)])
            .with(|s| s.agents.iter_mut().for_each(|a| a.settings.ring_time = 2 * SECOND)),
        story("two of three answer", 3, 1, &[at(now, BO, Act::Answer), at(moved(by), CAJSA, Act::Answer)])
            .with(ring_all)
            .unanswered(),
        story("one of two answers as the caller gives up", 2, 1, &[at(now, BO, Act::Answer), gives_up]).with(ring_all),
        story(
            "answers as the phone says goodbye",
            1,
            1,
            &[at(now, ANNA, Act::Answer), at(moved(by), ANNA, Act::Unregister)],
        ),
        story("answers and hangs up", 1, 1, &[at(moved(-40), ANNA, Act::Answer), at(moved(by), ANNA, Act::HangUp)]),
        story("both hang up", 1, 1, &[answers(ANNA), hangs_up.clone(), too.clone()]),
        story("gives up as the agent has been told", 1, 1, &[answers(ANNA), soon(CALLER)]).with(told_first),
        story("hangs up as they have been told", 1, 1, &[answers(ANNA), soon(ANNA)]).with(told_first),
        story("both hang up while the agent is told", 1, 1, &[answers(ANNA), hangs_up.clone(), too])
            .with(|s| _ = s.announcements.insert("sales".into(), vec![Said::Prompt("sales-caller".into()); 3])),
        story("answers as the agent gives the callback up", 1, 1, &promised(&[answers(CALLER), gives_back_up]))
            .with(called_back),
        story("dials as the next caller comes", 1, 2, &[answers(ANNA), hangs_up, dials]).with(pauses),
    ]
}

fn two_faults_in(stories: Vec<Story>) {
    let mut seen = Seen::default();
    for story in stories {
        story.every_two(&mut seen).unwrap_or_else(|wrong| panic!("{wrong}"));
        seen.report(story.name);
    }
}

#[test]
fn two_faults_anywhere_change_nothing_for_one_caller() {
    two_faults_in(of_one_caller());
}

#[test]
fn two_faults_anywhere_leave_nobody_stuck_where_many_are_rung_or_wait() {
    two_faults_in(of_many());
}

#[test]
fn one_fault_anywhere_leaves_nobody_stuck_whoever_does_something_at_the_same_moment() {
    let mut seen = Seen::default();
    for by in CROSSINGS {
        for story in at_once(by) {
            let usual = story.every_one(&mut seen, None).unwrap_or_else(|wrong| panic!("{by} ms, {wrong}"));
            // Who dials as the next caller comes is in a call of their own.
            let is_excused = story.name.starts_with("dials");
            assert!(usual.called_while_busy == 0 || is_excused, "{by} ms, {}", story.name);
        }
    }
    seen.report("at the same moment");
    println!("{} phones were answered when the offer was over already", seen.crossed);
    assert!(seen.crossed > 100, "{}", seen.crossed);
}

/// Each promise is checked by something that sees when it is broken.
#[test]
fn a_worse_switchboard_is_found_out() {
    let crossing = "answers as an unanswered caller gives up";
    let worse: [(&str, &str, Omits); 9] = [
        ("no CANCEL", "", |text, _| text.starts_with("CANCEL ")),
        ("no second CANCEL", "", |text, before| text.starts_with("CANCEL ") && before > 0),
        ("no BYE", "", |text, _| text.starts_with("BYE ")),
        ("no BYE for a 200 that crosses a CANCEL", crossing, |text, _| text.starts_with("BYE ")),
        ("no second BYE", "", |text, before| text.starts_with("BYE ") && before > 0),
        ("no second INVITE", "", |text, before| text.starts_with("INVITE ") && before > 0),
        ("no second ACK", "", |text, before| text.starts_with("ACK ") && before > 0),
        ("no second 200", "", |text, before| text.starts_with("SIP/2.0 200 ") && before > 0),
        ("nothing twice", "", |_, before| before > 0),
    ];
    for (name, story, omits) in worse {
        let mut seen = Seen::default();
        let stories = of_one_caller().into_iter().chain(CROSSINGS.into_iter().flat_map(at_once));
        let mut stories = stories.filter(|told| told.name.starts_with(story));
        let found = stories.find_map(|story| story.every_one(&mut seen, Some(omits)).err());
        let found = found.unwrap_or_else(|| panic!("{name}: nothing is wrong in {} schedules", seen.played));
        println!("{name}: {}", found.lines().next().unwrap_or_default());
    }
}

//! Who is rung for whom, by the rules of queues and flows: by the real switchboard, at real phones.

use crate::{MORNING, compiled, settings, small_day};
use std::collections::BTreeMap;
use vaxel::acd::{HeldLicence, Outcome, QueueSettings, Relax, Strategy, Validity};
use vaxel::engine::Settings;
use vaxel::need::Need;
use vaxel::record::What;
use vaxel::sim::day::Habits;
use vaxel::sim::world::{Act, Happening, Network, PhoneId, World};
use vaxel::time::{Duration, Time};

const SECOND: Duration = Duration::from_secs(1);
const CALLER: PhoneId = PhoneId(50);
const OTHER: PhoneId = PhoneId(51);

/// A line that nobody leaves, with these wishes.
fn line(wishes: &str) -> String {
    let ways = "next: end, timed_out: end, no_agents: end, full: end, closed: end";
    format!(
        "flow: main\nlanguages: [en]\nstart: line\nsteps:\n  line:\n    queue: {{ name: sales, {wishes} {ways} }}\n  \
         end:\n    hangup: {{}}\n"
    )
}

struct Floor {
    world: World,
    told: Vec<(Time, What)>,
    /// CANCELs that phones were sent.
    cancels: BTreeMap<PhoneId, String>,
}

impl Floor {
    /// Agents of the settings come one after the other, a second apart.
    fn new(mut settings: Settings, wishes: &str) -> Floor {
        settings.flows.insert("main".into(), compiled("main", &line(wishes)));
        let network = Network { delay_min: SECOND / 100, delay_max: SECOND / 100, ..Network::PERFECT };
        let agents = settings.agents.len() as u32;
        let mut floor =
            Floor { world: World::new(settings, network, 1, MORNING), told: Vec::new(), cancels: BTreeMap::new() };
        for n in 0..agents {
            floor.world.add_phone(PhoneId(n), &format!("agent{n}"), Some(&format!("secret{n}")));
            floor.act(PhoneId(n), Act::Register { expires: 3_600 * SECOND });
        }
        for id in [CALLER, OTHER] {
            floor.world.add_phone(id, &format!("+4670{}", id.0), None);
        }
        floor
    }

    fn act(&mut self, id: PhoneId, act: Act) {
        self.world.act_in(Duration::ZERO, id, act);
        self.pass(SECOND);
    }

    fn pass(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while let Some(happening) = self.world.next(until) {
            for (to, bytes) in self.world.on_the_way() {
                let text = String::from_utf8_lossy(bytes);
                if let Some(to) = to.filter(|_| text.starts_with("CANCEL ")) {
                    self.cancels.insert(to, text.into_owned());
                }
            }
            if let Happening::Event(event) = happening {
                self.told.push((event.at, event.what));
            }
        }
    }

    /// Who was rung for the last caller, and how long after they joined.
    fn rung(&self) -> Vec<(String, Duration)> {
        let joined =
            self.told.iter().rposition(|(_, what)| matches!(what, What::Queued { .. })).expect("somebody waits");
        let (since, _) = self.told[joined];
        let rung = self.told[joined..].iter().filter_map(|(at, what)| match what {
            What::Offered { agent, .. } => Some((agent.to_string(), at.since(since))),
            _ => None,
        });
        rung.collect()
    }

    fn doing(&self, n: u32) -> &'static str {
        self.world.phone(PhoneId(n)).expect("it is there").doing()
    }
}

#[test]
fn of_all_who_are_rung_one_has_the_caller_and_the_others_are_told_that_it_was_answered_elsewhere() {
    let queue = QueueSettings { strategy: Strategy::RingAll, ring_all_max: 3, ..QueueSettings::default() };
    let mut settings = settings(4, queue);
    settings.agents.iter_mut().for_each(|agent| agent.settings.skills = [("sales".to_owned(), 1)].into());
    let mut floor = Floor::new(settings, "");
    floor.act(CALLER, Act::Call("100".into()));
    // The three who are idle longest, all at once.
    let rung: Vec<_> = floor.rung().into_iter().map(|(agent, after)| (agent, after.is_zero())).collect();
    assert_eq!(rung, ["agent0", "agent1", "agent2"].map(|name| (name.to_owned(), true)));
    assert_eq!([0, 1, 2, 3].map(|n| floor.doing(n)), ["rung", "rung", "rung", "idle"]);
    floor.act(PhoneId(1), Act::Answer);
    assert_eq!([0, 1, 2, 3].map(|n| floor.doing(n)), ["idle", "talking", "idle", "idle"]);
    assert_eq!(floor.cancels.keys().copied().collect::<Vec<_>>(), [PhoneId(0), PhoneId(2)]);
    for cancel in floor.cancels.values() {
        let reason = cancel.lines().find(|line| line.starts_with("Reason:"));
        assert_eq!(reason, Some(r#"Reason: SIP;cause=200;text="Call completed elsewhere""#));
    }
    let ended = floor.told.iter().filter_map(|(_, what)| match what {
        What::OfferEnded { agent, outcome, .. } => Some((agent.to_string(), *outcome)),
        _ => None,
    });
    let elsewhere = Outcome::AnsweredElsewhere;
    let expected = [("agent1", Outcome::Accepted), ("agent0", elsewhere), ("agent2", elsewhere)];
    assert_eq!(ended.collect::<Vec<_>>(), expected.map(|(name, outcome)| (name.to_owned(), outcome)));
    // Who lost is still the one who is idle longest.
    floor.act(OTHER, Act::Call("100".into()));
    assert_eq!(floor.rung()[0].0, "agent0");
}

#[test]
fn a_caller_who_gives_up_stops_all_phones_and_nobody_answered_elsewhere() {
    let queue = QueueSettings { strategy: Strategy::RingAll, ring_all_max: 3, ..QueueSettings::default() };
    let mut floor = Floor::new(settings(3, queue), "");
    floor.act(CALLER, Act::Call("100".into()));
    floor.act(CALLER, Act::HangUp);
    assert_eq!([0, 1, 2].map(|n| floor.doing(n)), ["idle"; 3]);
    assert!(!floor.cancels.is_empty() && floor.cancels.values().all(|cancel| !cancel.contains("\nReason:")));
}

#[test]
fn a_flow_keeps_its_caller_for_an_agent_and_then_needs_less() {
    // The first sells well, the second sells a little and is idle longer.
    let house = |wishes: &str| {
        let mut settings = settings(2, QueueSettings::default());
        for (agent, level) in settings.agents.iter_mut().zip([5, 2]) {
            agent.settings.skills = [("sales".to_owned(), level)].into();
        }
        let mut floor = Floor::new(settings, wishes);
        floor.act(PhoneId(0), Act::Unregister);
        floor.act(PhoneId(0), Act::Register { expires: 3_600 * SECOND });
        floor
    };
    let prefers = "prefer: [{ agent: agent0, for: 10s }],";
    for (wishes, first, after) in [
        ("", "agent1", 0),
        (prefers, "agent0", 10),
        ("need: { sales: 4 }, relax: [{ after: 20s, need: { sales: 1 } }],", "agent0", 20),
        (&format!("{prefers} need: {{ sales: 4 }}, relax: [{{ after: 15s, need: {{ sales: 1 }} }}],"), "agent0", 15),
    ] {
        let mut floor = house(wishes);
        floor.act(CALLER, Act::Call("100".into()));
        assert_eq!(floor.rung(), [(first.to_owned(), Duration::ZERO)], "{wishes}");
        let n = u32::from(first == "agent1");
        floor.act(PhoneId(n), Act::Answer);
        assert_eq!(floor.doing(n), "talking");
        // The other one is there all the time.
        floor.act(OTHER, Act::Call("100".into()));
        floor.pass(30 * SECOND);
        let second = ["agent1", "agent0"][n as usize];
        assert_eq!(floor.rung()[0], (second.to_owned(), after * SECOND), "{wishes}");
    }
}

const WISHES: &str = r#"
flow: main
languages: [en]
start: topics
steps:
  topics:
    menu:
      prompt: topics
      keys: { "1": sales, "2": support, "3": owner, "4": bank }
      timeout: 5s
      tries: 2
      next: end
  sales:
    queue: { name: sales, while_waiting: { keys: { "9": end } }, next: end, failed: end }
  support:
    queue: { name: support, priority: 1, need: { support: 6 }, relax: [{ after: 15s, need: { support: 1 } }], next: end, failed: end }
  owner:
    queue: { name: sales, prefer: [{ agent: agent0, for: 20s }], next: end, failed: end }
  bank:
    queue:
      name: sales
      need: 'sales >= 3 and licence(bank, "SE")'
      relax: [{ after: 10s, need: 'sales >= 1' }]
      next: end
      failed: end
  end:
    hangup: {}
"#;

#[test]
fn half_hours_with_every_strategy_and_wish_keep_every_promise() {
    use Strategy::*;
    let strategies = [LongestIdle, MostSkilled, LeastSkilled, FewestCalls, RoundRobin, Random, Linear, RingAll];
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    for (seed, strategy) in (0..16).zip(strategies.into_iter().cycle()) {
        let network = if seed < 8 { Network::LOSSY } else { Network::PERFECT };
        let mut day = small_day(7, Habits::HUMAN, network);
        day.settings.flows.insert("main".into(), compiled("main", WISHES));
        day.keys = ["1", "2", "3", "4", "19"].map(str::to_owned).to_vec();
        let [sales, support] = &mut day.settings.queues[..] else { panic!("two queues") };
        (sales.strategy, sales.ring_all_max, sales.weight, sales.ageing) = (strategy, 3, 2, 0.1);
        (support.strategy, support.ring_all_max, support.ageing) = (RingAll, 2, 0.1);
        let less = Need::parse("support >= 1").expect("a need").0;
        support.needs = Need::parse("support >= 5").expect("a need").0;
        support.relax = vec![Relax { after: Duration::from_secs(10), need: less }];
        let middle = Some(MORNING + Duration::from_secs(15 * 60));
        for (n, agent) in day.settings.agents.iter_mut().enumerate() {
            let valid = [(None, None), (middle, None), (None, middle)].map(|(from, to)| Validity { from, to })[n % 3];
            let licence = HeldLicence { kind: "bank".into(), jurisdiction: "SE".into(), valid };
            agent.settings.licences = if n % 4 == 3 { Vec::new() } else { vec![licence] };
            if n == 5 {
                agent.settings.skills_valid = [("sales".to_owned(), valid)].into();
            }
        }
        let report = day.run(seed);
        assert!(report.calls > 50, "seed {seed}: {report:?}");
        for (outcome, n) in &report.offers {
            *outcomes.entry(*outcome).or_default() += n;
        }
    }
    println!("{outcomes:?}");
    assert!(outcomes.get(&Outcome::AnsweredElsewhere).is_some_and(|n| *n > 50), "{outcomes:?}");
}

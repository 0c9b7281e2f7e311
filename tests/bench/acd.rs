//! What one event costs the distributor, by how many wait, by how many skill sets there are, and in a centre of any size.
//!
//! `cargo bench --bench acd`. The unit is one turn at a busy desk, three events: a talk ends and the agent is rung for the
//! next in line, the offer is accepted, and a new caller arrives. All agents talk and nobody wraps up, so as many wait
//! after a turn as before it.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::VecDeque;
use std::hint::black_box;
use vaxel::acd::{Acd, AcdEvent, AgentSettings, Arrival, Change, Decision, Outcome, QueueSettings, Skills};
use vaxel::ids::{AgentId, EntryId, OfferId, QueueId};
use vaxel::need::Need;
use vaxel::time::{Duration, Time};

const AGENTS: u32 = 1_000;
const QUEUES: u32 = 10;
/// Different needs of entries.
const NEEDS: u64 = 20;

struct Desk {
    acd: Acd,
    at: Time,
    talks: VecDeque<EntryId>,
    next_entry: u64,
    queues: u32,
    /// Whether entries have needs of their own, beside those of their queue.
    have_needs: bool,
}

/// How large a centre is.
#[derive(Clone, Copy)]
struct Size {
    queues: u32,
    agents: u32,
    waiting: u64,
    skill_sets: u32,
}

impl Desk {
    fn empty(queues: u32, have_needs: bool) -> Desk {
        Desk { acd: Acd::new(0), at: Time::from_secs(1), talks: VecDeque::new(), next_entry: 0, queues, have_needs }
    }

    /// Every agent talks and so many wait. Each queue needs one skill, and each agent has one of these.
    fn of_size(size: Size) -> Desk {
        let mut desk = Desk::empty(size.queues, false);
        let skill = |id: u32| format!("s{}", id % size.skill_sets);
        for id in 0..size.queues {
            let needs = Need::of_levels(&Skills::from([(skill(id), 1)]));
            let settings = QueueSettings { needs, max_waiting: u32::MAX, ..QueueSettings::default() };
            desk.apply(Change::Queue { id: QueueId(id), settings });
        }
        for id in 0..size.agents {
            let skills = Skills::from([(skill(id), 5), ("lang_en".to_owned(), 5)]);
            let settings = AgentSettings { skills, wrap_up: Duration::ZERO, ..AgentSettings::default() };
            desk.apply(Change::Agent { id: AgentId(id), settings });
            desk.apply(Change::LoggedIn { agent: AgentId(id) });
        }
        for _ in 0..u64::from(size.agents) + size.waiting {
            desk.arrive();
        }
        desk
    }

    /// Every agent talks and `waiting` entries wait. Skill sets differ in levels above what anybody needs.
    fn busy(skill_sets: u32, waiting: u64) -> Desk {
        let mut desk = Desk::empty(QUEUES, true);
        for id in 0..QUEUES {
            let settings = QueueSettings {
                priority: id as i32 % 3,
                ageing: f64::from(id % 2) * 0.1,
                max_waiting: u32::MAX,
                ..QueueSettings::default()
            };
            desk.apply(Change::Queue { id: QueueId(id), settings });
        }
        for id in 0..AGENTS {
            let set = id % skill_sets;
            let levels = [5 + set % 6, 5 + set / 6 % 6, 5 + set / 36 % 6, 5 + set / 216 % 6];
            let skills = levels.iter().enumerate().map(|(skill, level)| (format!("s{skill}"), *level as u8)).collect();
            let settings = AgentSettings { skills, wrap_up: Duration::ZERO, ..AgentSettings::default() };
            desk.apply(Change::Agent { id: AgentId(id), settings });
            desk.apply(Change::LoggedIn { agent: AgentId(id) });
        }
        for _ in 0..AGENTS {
            desk.arrive();
        }
        for _ in 0..waiting {
            desk.arrive();
        }
        desk
    }

    fn turn(&mut self) {
        let entry = self.talks.pop_front().expect("every agent talks");
        self.apply(Change::TalkEnded { entry, broke: false });
        self.arrive();
    }

    fn arrive(&mut self) {
        self.next_entry += 1;
        let entry = self.next_entry;
        let need = entry % NEEDS;
        let need = match self.have_needs {
            true => Need::of_levels(&Skills::from([(format!("s{}", need % 4), (1 + need / 4) as u8)])),
            false => Need::default(),
        };
        let arrival = Arrival {
            queue: QueueId((entry % u64::from(self.queues)) as u32),
            need,
            max_wait: Some(Duration::from_secs(1_000_000)),
            since: self.at,
            ..Arrival::default()
        };
        self.apply(Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) });
    }

    /// Accepts what is offered.
    fn apply(&mut self, change: Change) {
        let mut offered: Option<(OfferId, EntryId)> = None;
        self.at += Duration::from_millis(1);
        self.acd.apply(&AcdEvent { at: self.at, change });
        while let Some(decision) = black_box(self.acd.poll_decision()) {
            if let Decision::Offer { offer, entry, .. } = decision {
                offered = Some((offer, entry));
            }
        }
        if let Some((offer, entry)) = offered {
            self.talks.push_back(entry);
            self.apply(Change::OfferEnded { offer, outcome: Outcome::Accepted });
        }
    }
}

fn turns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("acd_turn");
    group.throughput(Throughput::Elements(3));
    for waiting in [10, 1_000, 10_000] {
        let mut desk = Desk::busy(50, waiting);
        group.bench_function(BenchmarkId::new("waiting", waiting), |bencher| bencher.iter(|| desk.turn()));
        let left: u32 = (0..QUEUES).map(|queue| desk.acd.waiting(QueueId(queue))).sum();
        assert_eq!(u64::from(left), waiting, "as many wait as before");
    }
    for skill_sets in [1, 50, 1_000] {
        let mut desk = Desk::busy(skill_sets, 1_000);
        group.bench_function(BenchmarkId::new("skill_sets", skill_sets), |bencher| bencher.iter(|| desk.turn()));
    }
    group.finish();
}

fn sizes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("acd_size");
    group.throughput(Throughput::Elements(3));
    let small = Size { queues: 100, agents: 1_000, waiting: 1_000, skill_sets: 50 };
    let large = Size { queues: 50_000, agents: 100_000, waiting: 100_000, skill_sets: 50 };
    for (name, size) in [
        ("small", small),
        ("large, 50 skill sets", large),
        ("large, 5,000 skill sets", Size { skill_sets: 5_000, ..large }),
        ("large, 50,000 skill sets", Size { skill_sets: 50_000, ..large }),
    ] {
        let mut desk = Desk::of_size(size);
        group.bench_function(name, |bencher| bencher.iter(|| desk.turn()));
        assert_eq!(desk.acd.tables()[0], ("acd entries", size.waiting as usize), "as many wait as before");
    }
    group.finish();
}

fn questions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("acd_ask");
    for waiting in [10, 1_000, 10_000] {
        let desk = Desk::busy(50, waiting);
        let last = EntryId(desk.next_entry);
        group.bench_function(BenchmarkId::new("position_of_the_last_of", waiting), |bencher| {
            bencher.iter(|| black_box(desk.acd.position(black_box(last))));
        });
    }
    group.finish();
}

criterion_group!(benches, turns, sizes, questions);
criterion_main!(benches);

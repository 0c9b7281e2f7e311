//! Every figure that can be asked for, side by side, so that two ways of counting can be compared.

use super::days::{AGENTS, QUEUES};
use super::*;

/// All figures at one moment.
#[derive(Debug, PartialEq)]
pub struct Page {
    pub settings: Settings,
    pub talks: usize,
    pub known: Vec<QueueId>,
    pub queues: Vec<Line>,
    pub agents: Vec<Person>,
    /// Of the present day.
    pub everybody: Worked,
}

/// One queue.
#[derive(Debug, PartialEq)]
pub struct Line {
    pub intervals: Vec<(Time, Sheet)>,
    pub older: Sheet,
    pub total: Sheet,
    pub between: Sheet,
}

/// One agent.
#[derive(Debug, PartialEq)]
pub struct Person {
    pub since: Option<Time>,
    /// Today and the days before it.
    pub days: Vec<Worked>,
    pub lifetime: Worked,
    /// Since the last question.
    pub news: Worked,
}

/// Counts of contacts, and what follows from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    pub offered: i64,
    pub waiting: i64,
    pub exits: Vec<(Exit, i64)>,
    /// Answered, abandoned, moved on.
    pub in_level: [i64; 3],
    /// Sum and longest.
    pub answered_wait: [u64; 2],
    pub abandoned_wait: [u64; 2],
    pub in_hand: i64,
    pub handled: i64,
    /// Talk, hold, wrap-up.
    pub handling: [u64; 3],
    /// Made, open, kept, timed out, not reached, withdrawn, refused, tries.
    pub promises: [i64; 8],
    /// Sum and longest.
    pub promise_wait: [u64; 2],
    pub promise_work: u64,
    /// In the order of [`ServiceLevel::ALL`].
    pub levels: [(i64, i64); 6],
    pub shares: [Option<f64>; 6],
    /// Abandoned, abandoned without short, promises kept.
    pub rates: [Option<f64>; 3],
    /// Answer, abandon, handling, promise.
    pub means: [Option<Duration>; 4],
    pub longest: Duration,
}

/// What an agent did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worked {
    /// Calls, declined, no answer, failed, caller gone, all.
    pub offers: [u64; 6],
    /// In the order of [`Phase::ALL`].
    pub spent: [Duration; Phase::ALL.len()],
    /// In the order of [`crate::acd::TalkDetail::ALL`].
    pub talking: [Duration; 3],
    /// By name.
    pub paused: Vec<(String, Duration)>,
    pub logged_in: Duration,
    pub occupancy: Option<f64>,
    pub utilisation: Option<f64>,
}

/// How many days ago are asked for: more than are ever kept.
pub const DAYS: u64 = 5;

/// From and to: the two intervals before the present one.
pub fn a_while_ago(settings: &Settings, now: Time) -> (Time, Time) {
    let length = micros(settings.interval.max(secs(1)));
    let begin = now.as_micros() / length * length;
    (Time::from_micros(begin.saturating_sub(2 * length)), Time::from_micros(begin))
}

/// What the counts answer. `before`: the figures of all days at the last question, which are replaced.
pub fn of_truth(truth: &Truth, now: Time, before: &mut Vec<Figures>) -> Page {
    let (from, to) = a_while_ago(truth.settings(), now);
    let queue = |queue| Line {
        intervals: truth.intervals(queue).map(|interval| (interval.begin, sheet(&interval.counts))).collect(),
        older: sheet(&truth.older(queue)),
        total: sheet(&truth.total(queue)),
        between: sheet(&truth.between(queue, from, to)),
    };
    before.resize(AGENTS as usize + 1, Figures::default());
    let agents = (0..=AGENTS).map(AgentId).zip(before).map(|(agent, before)| {
        let lifetime = truth.agent_lifetime(agent, now);
        let mut news = worked(&lifetime.since(before));
        // A reason that is not new has no news.
        news.paused.retain(|(_, spent)| !spent.is_zero());
        *before = lifetime;
        Person {
            since: truth.agent_since(agent),
            days: (0..DAYS).map(|ago| worked(&truth.agent(agent, now, ago))).collect(),
            lifetime: worked(before),
            news,
        }
    });
    let mut everybody = Figures::default();
    (0..=AGENTS).for_each(|agent| everybody.add(&truth.agent(AgentId(agent), now, 0)));
    Page {
        settings: truth.settings().clone(),
        talks: truth.talks(),
        known: truth.queues().collect(),
        queues: (0..=QUEUES).map(QueueId).map(queue).collect(),
        agents: agents.collect(),
        everybody: worked(&everybody),
    }
}

fn sheet(counts: &Counts) -> Sheet {
    let whole = |count: u64| i64::try_from(count).expect("a few contacts");
    let of = counts.promises;
    Sheet {
        offered: whole(counts.offered),
        waiting: whole(counts.waiting),
        exits: counts.exits.iter().map(|(exit, count)| (exit, whole(count))).collect(),
        in_level: [counts.answered_in_level, counts.abandoned_in_level, counts.moved_in_level].map(whole),
        answered_wait: [counts.answered_wait_micros, counts.answered_wait_micros_max],
        abandoned_wait: [counts.abandoned_wait_micros, counts.abandoned_wait_micros_max],
        in_hand: whole(counts.in_hand),
        handled: whole(counts.handled),
        handling: [counts.talk_micros, counts.hold_micros, counts.wrap_up_micros],
        promises: [of.made, of.open, of.kept, of.timed_out, of.not_reached, of.withdrawn, of.refused, of.tries]
            .map(whole),
        promise_wait: [of.kept_wait_micros, of.kept_wait_micros_max],
        promise_work: of.work_micros,
        levels: ServiceLevel::ALL
            .map(|formula| formula.fraction(counts))
            .map(|(above, below)| (whole(above), whole(below))),
        shares: ServiceLevel::ALL.map(|formula| formula.of(counts)),
        rates: [counts.abandon_rate(), counts.abandon_rate_without_short(), of.kept_share()],
        means: [
            counts.average_speed_of_answer(),
            counts.average_time_to_abandon(),
            counts.average_handling_time(),
            of.average_wait(),
        ],
        longest: counts.longest_wait(),
    }
}

fn worked(figures: &Figures) -> Worked {
    let Figures { calls, declined, no_answer, failed, caller_gone, .. } = figures;
    let paused = figures.paused().map(|(reason, spent)| (reason.to_owned(), spent));
    Worked {
        offers: [*calls, *declined, *no_answer, *failed, *caller_gone, figures.offers()],
        spent: Phase::ALL.map(|phase| figures.spent(phase)),
        talking: crate::acd::TalkDetail::ALL.map(|detail| figures.talking(detail)),
        paused: paused.collect(),
        logged_in: figures.logged_in(),
        occupancy: figures.occupancy(),
        utilisation: figures.utilisation(),
    }
}

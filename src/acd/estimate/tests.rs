//! The three estimators at a line that can be worked out on paper: who is trusted, when, and what is said. And random plans
//! (`plans`) beside the same estimates from a list of all that happened (`model`).

mod model;
mod plans;

use self::model::Mistake;
use super::*;
use crate::acd::tests::proof::{each_is_found, steps};
use crate::ids::OfferId;
use proptest::prelude::*;

const SALES: QueueId = QueueId(1);

fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

/// A line in which everybody comes and goes by a plan.
struct Plan {
    estimates: Estimates,
    next: u64,
}

impl Plan {
    fn new() -> Plan {
        Plan { estimates: Estimates::default(), next: 0 }
    }

    /// The next entry comes, with so many before it, the first of them since then.
    fn comes(&mut self, secs: u64, ahead: u32, head_since: Option<u64>) -> EntryId {
        self.next += 1;
        let seen = Seen { ahead, behind: 0, head_since: head_since.map(at) };
        self.estimates.arrived(at(secs), EntryId(self.next), SALES, seen);
        EntryId(self.next)
    }

    fn answered(&mut self, secs: u64, entry: EntryId) {
        self.estimates.rung(at(secs), entry);
        self.estimates.exited(at(secs), entry, Exit::Answered);
    }

    /// So many entries, one every 10 s, each with five before it and answered after 60 s, from this second on: each place
    /// in line takes 10 s. Gives the second after it.
    fn steady(&mut self, from: u64, count: u64) -> u64 {
        let mut waiting = std::collections::VecDeque::new();
        for turn in 0..count + 6 {
            let now = from + 10 * turn;
            if let Some((entry, _)) = waiting.pop_front_if(|(_, came)| *came + 60 == now) {
                self.answered(now, entry);
            }
            if turn < count {
                let head = waiting.front().map(|(_, came)| *came);
                let entry = self.comes(now, waiting.len() as u32, head);
                waiting.push_back((entry, now));
            }
        }
        from + 10 * (count + 6)
    }

    fn error(&self, secs: u64, estimator: Estimator) -> Option<(u64, f64)> {
        self.estimates.error(at(secs), SALES, estimator)
    }

    fn would_be_told(&self, secs: u64, ahead: u32, head_since: u64) -> Option<(u32, u32)> {
        let seen = Seen { ahead, behind: 0, head_since: Some(at(head_since)) };
        let estimate = self.estimates.on_arrival(at(secs), SALES, seen)?;
        Some((estimate.from_minutes, estimate.to_minutes.expect("an end")))
    }
}

#[test]
fn each_estimator_says_what_it_is_named_for() {
    let mut plan = Plan::new();
    let now = plan.steady(0, 100);
    let seen = Seen { ahead: 5, behind: 0, head_since: Some(at(now - 47)) };
    let [length, last, head] = plan.estimates.predictions(at(now), SALES, seen);
    // Six places of 10 s; the last one answered had waited 60 s; the head has waited 47 s.
    assert!(length.is_some_and(|wait| (59..=61).contains(&wait.as_secs())), "{length:?}");
    assert_eq!((last, head), (Some(Duration::from_secs(60)), Some(Duration::from_secs(47))));
    let nobody = Seen { ahead: 0, behind: 0, head_since: None };
    assert_eq!(plan.estimates.predictions(at(now), SALES, nobody)[Estimator::HeadOfLine as usize], None);
}

#[test]
fn nothing_is_said_before_enough_is_known() {
    let told = |count| {
        let mut plan = Plan::new();
        let now = plan.steady(0, count);
        let samples = Estimator::ALL.map(|one| plan.error(now, one).map_or(0, |(samples, _)| samples));
        (samples, plan.would_be_told(now, 5, now - 50))
    };
    let all: Vec<_> = (0..80).map(told).collect();
    let first = all.iter().position(|(_, told)| told.is_some()).expect("said at last");
    // Who has proved itself first speaks (here the head of the line, who has waited 50 s), and from then on somebody does.
    assert_eq!(all[first].1, Some((0, 1)));
    assert_eq!(all[first].0.into_iter().max(), Some(20));
    assert!(all[first..].iter().all(|(_, told)| told.is_some()));
    // The rate of the line has ten answers before it is used to predict.
    assert!(all[first].0[0] + 10 <= 20, "{:?}", all[first]);
}

#[test]
fn nothing_is_said_when_it_was_wrong_or_long_ago() {
    let mut plan = Plan::new();
    let now = plan.steady(0, 100);
    assert!(plan.would_be_told(now, 5, now - 50).is_some());
    assert_eq!(plan.would_be_told(now + 3_700, 5, now + 3_650), None, "the errors of the last hour are none");

    // As many again wait five minutes with nobody before them: no estimator had seen it coming.
    let mut now = now;
    for _ in 0..150 {
        let entry = plan.comes(now, 0, None);
        plan.answered(now + 300, entry);
        let entry = plan.comes(now + 301, 0, Some(now + 300));
        plan.answered(now + 302, entry);
        now += 20;
    }
    assert!(plan.estimates.spoken(at(now), SALES).is_none(), "{:?}", Estimator::ALL.map(|one| plan.error(now, one)));
}

#[test]
fn other_settings_trust_what_was_measured_before_from_now_on() {
    use crate::acd::{Acd, AcdEvent, Change};
    let mut plan = Plan::new();
    let now = plan.steady(0, 20);
    assert_eq!(plan.would_be_told(now, 5, now - 50), None);
    let mut acd = Acd::new(0);
    acd.estimates = plan.estimates;
    let settings = Settings { samples_min: 5, answers_min: 2, ..Settings::default() };
    acd.apply(&AcdEvent { at: at(now), change: Change::Estimate { settings: settings.clone() } });
    assert_eq!((acd.estimates().settings(), acd.ignored()), (&settings, 0));
    plan.estimates = acd.estimates;
    assert!(plan.would_be_told(now, 5, now - 50).is_some());
}

#[test]
fn the_best_of_the_hour_is_spoken() {
    // Everybody waits 100 s, however many are ahead: only who looks at the last answer knows.
    let mut plan = Plan::new();
    for turn in 0..60u64 {
        let entry = plan.comes(turn * 200, (turn * 7 % 23) as u32, Some(turn * 200));
        plan.answered(turn * 200 + 100, entry);
    }
    let now = 60 * 200;
    assert_eq!(plan.error(now, Estimator::HeadOfLine).map(|(_, error)| error >= 0.95), Some(true));
    assert_eq!(plan.estimates.spoken(at(now), SALES), None, "18 in the last hour");
    for turn in 0..40 {
        let entry = plan.comes(now + turn, (turn * 7 % 23) as u32, None);
        plan.answered(now + turn + 100, entry);
    }
    assert_eq!(plan.estimates.spoken(at(now + 200), SALES), Some(Estimator::LastToEnterService));
}

#[test]
fn who_is_rung_for_at_once_proves_nothing_and_is_told_soon() {
    let mut plan = Plan::new();
    let entry = plan.comes(0, 0, None);
    plan.estimates.rung(at(0), entry);
    let seen = Seen { ahead: 0, behind: 0, head_since: None };
    assert_eq!(plan.estimates.remaining(at(0), entry, seen), Some(Estimate::SOON));
    plan.estimates.rung_no_more(entry);
    assert_eq!(plan.estimates.remaining(at(40), entry, seen), None);
    plan.answered(100, entry);
    let entry = plan.comes(200, 0, Some(100));
    plan.estimates.rung(at(200), entry);
    plan.estimates.exited(at(260), entry, Exit::Answered);
    assert!(Estimator::ALL.iter().all(|estimator| plan.error(300, *estimator).is_none()));
}

#[test]
fn who_left_without_an_answer_proves_only_that_it_took_longer() {
    // The head had waited 100 s, so 100 s are predicted.
    for (left_after, exit, error) in [
        (99, Exit::Abandoned, None),
        (100, Exit::TimedOut, None),
        (200, Exit::Abandoned, Some(0.5)),
        (200, Exit::Callback, Some(0.5)),
        (200, Exit::Answered, Some(0.5)),
        (50, Exit::Answered, Some(1.0)),
        (200, Exit::NoAgents, None),
    ] {
        let mut plan = Plan::new();
        let entry = plan.comes(1_000, 1, Some(900));
        if exit == Exit::Answered {
            plan.answered(1_000 + left_after, entry);
        } else {
            plan.estimates.exited(at(1_000 + left_after), entry, exit);
        }
        let counted = plan.error(1_300, Estimator::HeadOfLine).map(|(_, error)| error);
        match (counted, error) {
            (Some(counted), Some(error)) => assert!((error..=error + 0.05).contains(&counted), "{exit:?}: {counted}"),
            (counted, error) => assert_eq!(counted, error, "{exit:?} after {left_after} s"),
        }
    }
}

#[test]
fn short_waits_are_not_worth_an_error() {
    for (waited, predicted, counts) in [(29, 29, false), (30, 10, true), (10, 30, true)] {
        let mut plan = Plan::new();
        let entry = plan.comes(1_000, 1, Some(1_000 - predicted));
        plan.answered(1_000 + waited, entry);
        assert_eq!(plan.error(1_100, Estimator::HeadOfLine).is_some(), counts, "{waited} s, {predicted} s predicted");
    }
}

#[test]
fn who_is_rung_for_is_not_ahead_any_more() {
    let mut plan = Plan::new();
    let now = plan.steady(0, 800);
    let predicted = |plan: &Plan| {
        let seen = Seen { ahead: 3, behind: 0, head_since: None };
        plan.estimates.predictions(at(now), SALES, seen)[0].expect("100 answers").as_secs_f64()
    };
    let before = predicted(&plan);
    let first = plan.comes(now, 0, None);
    plan.estimates.rung(at(now + 5), first);
    assert!((before - predicted(&plan) - 10.0).abs() < 0.2);
    plan.estimates.rung_no_more(first);
    assert!((before - predicted(&plan)).abs() < 0.2, "declined, and back in its place");
    plan.estimates.exited(at(now + 9), first, Exit::Abandoned);
    assert_eq!(plan.estimates.waiting(), (0, 0));
}

#[test]
fn what_is_left_shrinks_as_the_line_moves() {
    let mut plan = Plan::new();
    let now = plan.steady(0, 800);
    let entry = plan.comes(now, 30, Some(now - 290));
    let left = |ahead, waited: u64| {
        let seen = Seen { ahead, behind: 0, head_since: None };
        plan.estimates
            .remaining(at(now + waited), entry, seen)
            .map(|left| (left.from_minutes, left.to_minutes.expect("an end")))
    };
    assert_eq!(plan.estimates.spoken(at(now), SALES), Some(Estimator::QueueLength));
    // 310 s, 160 s, 50 s, more and less a bucket's error.
    assert_eq!([left(30, 0), left(15, 150), left(4, 260)], [Some((5, 6)), Some((2, 3)), Some((0, 1))]);
}

#[test]
fn an_entry_is_kept_in_less_than_150_bytes() {
    let entry = size_of::<(EntryId, Waiting)>();
    // A B-tree is at least half full.
    assert!(2 * entry <= 150, "{entry} bytes");
}

#[test]
fn what_is_written_is_read_back_and_goes_on_alike() {
    let mut plan = Plan::new();
    let now = plan.steady(0, 50);
    let entry = plan.comes(now, 2, Some(now - 10));
    plan.estimates.rung(at(now + 1), entry);
    let text = serde_json::to_string(&plan.estimates).expect("plain data");
    let read: Estimates = serde_json::from_str(&text).expect("as written");
    assert_eq!(read, plan.estimates);
    let mut again = Plan { estimates: read, next: plan.next };
    plan.steady(now + 10, 30);
    again.steady(now + 10, 30);
    assert_eq!(plan.estimates, again.estimates);
}

/// In the distributor: who goes first is counted as ahead, who needs something else is not, and who is rung for hears
/// "less than a minute".
#[test]
fn the_distributor_tells_the_estimators_what_an_entry_has_before_it() {
    use crate::acd::{Acd, AcdEvent, AgentSettings, Arrival, Change, Outcome, QueueSettings, Skills};
    use crate::need::Need;
    let mut acd = Acd::new(0);
    let tell = |acd: &mut Acd, secs: u64, change: Change| acd.apply(&AcdEvent { at: at(secs), change });
    let skills = |name: &str| Skills::from([(name.to_owned(), 1)]);
    let arrive = |entry: u64, need: &str, priority: i32| {
        let arrival = Arrival { queue: SALES, need: Need::of_levels(&skills(need)), priority, ..Arrival::default() };
        Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) }
    };
    tell(&mut acd, 0, Change::Queue { id: SALES, settings: QueueSettings::default() });
    for (id, skill) in [(0, "sales"), (1, "law")] {
        let settings = AgentSettings { skills: skills(skill), ..AgentSettings::default() };
        tell(&mut acd, 0, Change::Agent { id: crate::ids::AgentId(id), settings });
    }
    for (secs, entry, need, priority) in [(1, 1, "sales", 0), (2, 2, "law", 0), (3, 3, "sales", 0), (4, 4, "sales", 9)]
    {
        tell(&mut acd, secs, arrive(entry, need, priority));
    }
    let seen = |acd: &Acd, entry| {
        let seen = acd.seen(EntryId(entry)).expect("it waits");
        (seen.ahead, seen.behind, seen.head_since.map(Time::as_secs))
    };
    assert_eq!(seen(&acd, 1), (1, 1, Some(2)));
    assert_eq!(seen(&acd, 2), (0, 0, Some(1)));
    assert_eq!(seen(&acd, 3), (2, 0, Some(1)));
    assert_eq!(seen(&acd, 4), (0, 2, Some(1)));
    assert_eq!(acd.expected_wait(EntryId(4), at(4)), None);
    assert_eq!(acd.expected_wait_on_arrival(SALES, 0, at(4)), None);
    tell(&mut acd, 5, Change::LoggedIn { agent: crate::ids::AgentId(0) });
    assert_eq!(acd.expected_wait(EntryId(4), at(5)), Some(Estimate::SOON));
    assert_eq!(acd.expected_wait(EntryId(1), at(5)), None);
    tell(&mut acd, 6, Change::OfferEnded { offer: OfferId(1), outcome: Outcome::Accepted });
    assert_eq!(acd.expected_wait(EntryId(4), at(6)), None);
    tell(&mut acd, 7, Change::LoggedIn { agent: crate::ids::AgentId(1) });
    tell(&mut acd, 8, Change::Leave { entry: EntryId(2), exit: Exit::Abandoned });
    assert_eq!(acd.expected_wait_on_arrival(SALES, 0, at(8)), Some(Estimate::SOON), "an agent is idle");
}

/// Whether the random plans that agree with the model would find a mistake, each by itself.
#[test]
fn every_mistake_makes_a_plan_that_differs() {
    let plans: Vec<plans::Plan> = (0..60).map(|seed| plans::Plan::of(steps(seed).take(500))).collect();
    let answers: Vec<_> = plans.iter().map(|plan| plans::answers(plan).1).collect();
    each_is_found(Mistake::ALL, |mistake| {
        plans.iter().zip(&answers).any(|(plan, answers)| model::differs(plan, answers, mistake).is_some())
    });
}

proptest! {
    #[test]
    fn a_random_plan_is_foretold_as_by_the_model(steps in prop::collection::vec(any::<[u8; 4]>(), 0..500)) {
        let plan = plans::Plan::of(steps);
        let (estimates, answers) = plans::answers(&plan);
        let differs = model::differs(&plan, &answers, None);
        prop_assert!(differs.is_none(), "{}", differs.unwrap_or_default());
        let text = serde_json::to_string(&estimates).expect("plain data");
        prop_assert_eq!(serde_json::from_str::<Estimates>(&text).expect("as written"), estimates);
    }
}

//! Who may take an entry, who of them is rung, and how that changes with time.

use super::*;
use crate::acd::{Overflow, When, WhyNot};
use crate::need::{Attributes, Licence, Word};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn to_queue_1(entry: u64, change: impl FnOnce(&mut Arrival)) -> Change {
    let mut arrives = Arrival { queue: QueueId(1), ..Arrival::default() };
    change(&mut arrives);
    arrival(entry, arrives)
}

fn rung(told: &str) -> Vec<&str> {
    told.split(", ").filter_map(|told| told.split_once(" rings ").map(|(_, agent)| agent)).collect()
}

/// Agents 1 to 4, logged in at second 0 in the order 3, 1, 4, 2; with sales 9, 5, 7 and 5.
fn four(strategy: Strategy) -> Desk {
    let mut desk = Desk::new();
    desk.queue(1, |queue| {
        queue.strategy = strategy;
        queue.needs = need("sales >= 5");
    });
    for (at, id, level) in [(1, 3, 7), (2, 1, 9), (3, 4, 5), (4, 2, 5)] {
        desk.agent(id, &format!("sales {level}"));
        desk.at(at, login(id));
    }
    desk
}

/// Who takes six callers who come one after the other, each served for a second before the next comes.
fn served_by(mut desk: Desk) -> String {
    let mut served = Vec::new();
    for entry in 1..=6 {
        let at = entry * 10;
        let told = desk.at(at, arrive(entry));
        served.push(rung(&told).join("+"));
        let offer = told.split(':').next().and_then(|o| o.strip_prefix('o')).and_then(|o| o.parse().ok());
        desk.at(at + 1, accepted(offer.expect("an offer")));
        desk.at(at + 2, talk_ended(entry));
    }
    served.join(" ")
}

#[test]
fn each_strategy_rings_in_its_order() {
    assert_eq!(served_by(four(Strategy::LongestIdle)), "a3 a1 a4 a2 a3 a1");
    assert_eq!(served_by(four(Strategy::MostSkilled)), "a1 a1 a1 a1 a1 a1");
    assert_eq!(served_by(four(Strategy::LeastSkilled)), "a4 a2 a4 a2 a4 a2", "of equals the longest idle");
    assert_eq!(served_by(four(Strategy::RoundRobin)), "a1 a2 a3 a4 a1 a2");
    assert_eq!(served_by(four(Strategy::Linear)), "a1 a1 a1 a1 a1 a1");
    assert_eq!(served_by(four(Strategy::FewestCalls)), "a3 a1 a4 a2 a3 a1");
    assert_eq!(
        served_by(four(Strategy::RingAll)),
        "a3+a1+a4+a2 a1+a4+a2+a3 a4+a2+a3+a1 a2+a3+a1+a4 a3+a1+a4+a2 a1+a4+a2+a3"
    );
}

/// In this order in the list.
fn listed(desk: &mut Desk, ids: [u32; 4]) {
    for (place, id) in (0..).zip(ids) {
        desk.agent_with(id, "sales 5", |agent| agent.place = place);
    }
}

#[test]
fn in_turn_and_from_the_first_go_by_the_list_whatever_the_ids_are() {
    let in_list = |strategy| {
        let mut desk = four(strategy);
        listed(&mut desk, [4, 2, 1, 3]);
        desk
    };
    assert_eq!(served_by(in_list(Strategy::Linear)), "a4 a4 a4 a4 a4 a4");
    assert_eq!(served_by(in_list(Strategy::RoundRobin)), "a4 a2 a1 a3 a4 a2");
    // The list is turned round while they are idle: from then on, and in turn behind the one whom the queue rang last.
    for (strategy, expected) in [(Strategy::Linear, ["a3", "a1", "a2"]), (Strategy::RoundRobin, ["a3", "a1", "a2"])] {
        let mut desk = in_list(strategy);
        assert_eq!(rung(&desk.at(10, arrive(1))), ["a4"]);
        listed(&mut desk, [3, 1, 2, 4]);
        assert_eq!([2, 3, 4].map(|entry| rung(&desk.at(11, arrive(entry))).join("+")), expected, "{strategy:?}");
    }
    let mut desk = in_list(Strategy::RoundRobin);
    assert_eq!(rung(&desk.at(10, arrive(1))), ["a4"]);
    listed(&mut desk, [3, 4, 1, 2]);
    assert_eq!([2, 3, 4].map(|entry| rung(&desk.at(11, arrive(entry))).join("+")), ["a1", "a2", "a3"]);
    // Behind one who is gone, the list begins again.
    let mut desk = in_list(Strategy::RoundRobin);
    assert_eq!(rung(&desk.at(10, arrive(1))), ["a4"]);
    desk.at(11, leave(1, Exit::Abandoned));
    desk.at(11, Change::AgentGone { agent: AgentId(4) });
    assert_eq!(rung(&desk.at(12, arrive(2))), ["a2"]);
}

#[test]
fn the_fewest_calls_are_those_since_the_login() {
    let mut desk = four(Strategy::FewestCalls);
    desk.at(5, arrive(1));
    desk.at(6, accepted(1));
    desk.at(7, talk_ended(1));
    desk.at(8, logout(4));
    desk.at(9, login(4));
    let order: Vec<String> = (2..=5).map(|entry| rung(&desk.at(10, arrive(entry))).join("+")).collect();
    assert_eq!(order, ["a1", "a2", "a4", "a3"], "a3 has had one");
    desk.at(11, logout(3));
    desk.at(12, login(3));
    assert_eq!(rung(&desk.at(13, arrive(6))).join("+"), "", "all ring");
}

#[test]
fn by_lot_everybody_has_the_same_chance_and_the_seed_decides() {
    let days = |seed| -> Vec<String> {
        let mut desk = four(Strategy::Random);
        desk.acd.chance = chance::Chance::new(seed);
        (0..400)
            .map(|entry| {
                let told = desk.at(10 + entry, arrive(entry));
                desk.at(10 + entry, leave(entry, Exit::LeftByKey));
                rung(&told).join("+")
            })
            .collect()
    };
    let day = days(1);
    assert_eq!(day, days(1));
    assert_ne!(day, days(2));
    for agent in ["a1", "a2", "a3", "a4"] {
        let count = day.iter().filter(|rung| *rung == agent).count();
        // Four standard deviations of a fair lot.
        assert!((65..=135).contains(&count), "{agent} is rung {count} times of 400");
    }
}

#[test]
fn who_answers_first_of_all_that_ring_has_the_call_and_the_others_keep_their_place() {
    let mut desk = four(Strategy::RingAll);
    desk.queue(1, |queue| (queue.strategy, queue.ring_all_max) = (Strategy::RingAll, 3));
    let told = desk.at(10, arrive(1));
    assert_eq!(rung(&told), ["a3", "a1", "a4"], "at most three");
    assert_eq!(
        desk.at(11, accepted(2)),
        "o2 accepted, o1 answered_elsewhere, o3 answered_elsewhere, e1 answered after 1, a1 talking, a3 ready, a4 ready"
    );
    assert_eq!(rung(&desk.at(12, arrive(2))), ["a3", "a4", "a2"], "as before");
}

#[test]
fn a_caller_whom_all_that_rang_refuse_goes_on_waiting() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.queue(1, |queue| queue.strategy = Strategy::RingAll);
    assert_eq!(rung(&desk.at(1, arrive(1))), ["a1", "a2"]);
    assert_eq!(desk.at(2, ended(1, Outcome::Declined)), "o1 declined, a1 ready");
    assert_eq!(desk.at(3, arrive(2)), "o3: e2 rings a1, a1 offered", "a1 is free for another");
    assert_eq!(desk.at(4, ended(2, Outcome::Busy)), "o2 busy, a2 back_off");
    assert_eq!(desk.at(5, leave(2, Exit::LeftByKey)), "o3 caller_gone, e2 left_by_key after 2, a1 ready");
    assert_eq!(rung(&desk.until(14)), ["a2"], "after the back-off; a1 is spared");
}

#[test]
fn a_caller_who_leaves_stops_all_phones() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.queue(1, |queue| queue.strategy = Strategy::RingAll);
    desk.at(1, arrive(1));
    assert_eq!(
        desk.at(9, leave(1, Exit::Abandoned)),
        "o1 caller_gone, o2 caller_gone, e1 abandoned after 8, a1 ready, a2 ready"
    );
}

#[test]
fn the_shorter_ring_time_counts() {
    for (of_queue, of_agent, deadline) in [(None, 20, 20), (Some(5), 20, 5), (Some(30), 20, 20), (Some(0), 20, 1)] {
        let mut desk = Desk::new();
        desk.queue(1, |queue| queue.ring_time = of_queue.map(secs));
        desk.agent_with(1, "", |agent| agent.ring_time = secs(of_agent));
        desk.at(0, login(1));
        desk.at(100, arrive(1));
        assert_eq!(desk.timeout(), Some(100 + deadline));
    }
}

#[test]
fn expressions_decide_who_may() {
    for (asked, who) in [
        ("sales >= 3 and (lang_sv or lang_en >= 5)", vec!["a1"]),
        ("sales and not trainee", vec!["a1"]),
        ("sales or support", vec!["a1", "a2", "a3"]),
        ("nobody", vec![]),
    ] {
        let mut desk = Desk::new();
        desk.agent(1, "sales 3, lang_en 5");
        desk.agent(2, "sales 2, lang_sv 9, trainee 1");
        desk.agent(3, "support 1");
        (1..=3).for_each(|id| _ = desk.at(0, login(id)));
        let mut all = Vec::new();
        for entry in 1..=3 {
            let told = desk.at(1, arrive_at(1, entry, asked, 0));
            all.extend(rung(&told).into_iter().map(str::to_owned));
        }
        assert_eq!(all, who, "{asked}");
    }
}

#[test]
fn a_need_by_an_attribute_is_that_of_the_contact() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| queue.needs = need("lang(language)"));
    desk.agent(1, "lang_sv 1");
    desk.agent(2, "lang_en 1");
    (1..=2).for_each(|id| _ = desk.at(0, login(id)));
    let speaks = |language: &str| Attributes::from([("language".to_owned(), language.to_owned())]);
    assert_eq!(rung(&desk.at(1, to_queue_1(1, |a| a.attributes = speaks("en")))), ["a2"]);
    assert_eq!(rung(&desk.at(2, to_queue_1(2, |_| {}))), ["a1"], "of who says nothing nothing is asked");
    assert_eq!(rung(&desk.at(3, to_queue_1(3, |a| a.attributes = speaks("pl")))), [""; 0]);
    let why = desk.acd.explain(EntryId(3));
    assert_eq!(why[0], (AgentId(1), WhyNot::NotSkilled { skill: "lang_pl".to_owned(), until: None }));
}

#[test]
fn less_is_enough_for_who_has_waited_and_the_reasons_say_when() {
    let relax =
        vec![Relax { after: secs(60), need: Need::default() }, Relax { after: secs(30), need: need("sales >= 1") }];
    for of_queue in [true, false] {
        let mut desk = Desk::new();
        let first = need("sales >= 5");
        if of_queue {
            desk.queue(1, |queue| (queue.needs, queue.relax) = (first.clone(), relax.clone()));
        }
        desk.agent(1, "sales 2");
        desk.agent(2, "");
        (1..=2).for_each(|id| _ = desk.at(0, login(id)));
        for entry in 1..=2 {
            let mine = |a: &mut Arrival| {
                if !of_queue {
                    (a.need, a.relax) = (first.clone(), relax.clone());
                }
            };
            assert_eq!(desk.at(10, to_queue_1(entry, mine)), "");
        }
        let (low, none) = (Time::from_secs(40), Time::from_secs(70));
        let skill = "sales".to_owned();
        let why = [
            (AgentId(1), WhyNot::LevelTooLow { skill: skill.clone(), has: 2, needs: 5, until: Some(low) }),
            (AgentId(2), WhyNot::NotSkilled { skill, until: Some(none) }),
        ];
        assert_eq!(desk.acd.explain(EntryId(1)), why);
        assert_eq!(desk.until(39), "");
        assert_eq!(desk.until(40), "o1: e1 rings a1, a1 offered");
        assert_eq!(desk.at(41, accepted(1)), "o1 accepted, e1 answered after 31, a1 talking");
        assert_eq!(desk.until(70), "o2: e2 rings a2, a2 offered");
    }
}

fn licence(jurisdiction: &str, from: Option<u64>, to: Option<u64>) -> HeldLicence {
    let valid = Validity { from: from.map(Time::from_secs), to: to.map(Time::from_secs) };
    HeldLicence { kind: "bank".to_owned(), jurisdiction: jurisdiction.to_owned(), valid }
}

#[test]
fn without_a_valid_licence_nobody_is_rung_whatever_is_relaxed() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| {
        queue.needs = need("licence(bank, \"SE\") and sales");
        queue.relax = vec![Relax { after: secs(10), need: Need::default() }];
    });
    desk.agent(1, "sales 10");
    desk.agent_with(2, "sales 10", |agent| agent.licences = vec![licence("NO", None, None)]);
    desk.agent_with(3, "", |agent| agent.licences = vec![licence("SE", Some(100), Some(200))]);
    (1..=3).for_each(|id| _ = desk.at(0, login(id)));
    assert_eq!(desk.at(1, arrive(1)), "");
    assert_eq!(desk.until(99), "");
    let why = desk.acd.explain(EntryId(1));
    let valid = licence("SE", Some(100), Some(200)).valid;
    let (kind, jurisdiction) = ("bank".to_owned(), "SE".to_owned());
    assert_eq!(why[1].1, WhyNot::NoLicence { kind: kind.clone(), jurisdiction: jurisdiction.clone() });
    assert_eq!(why[2].1, WhyNot::LicenceNotValid { kind, jurisdiction, valid });
    assert_eq!(desk.until(100), "o1: e1 rings a3, a3 offered", "from its first moment");
    assert_eq!(desk.at(101, ended(1, Outcome::Busy)), "o1 busy, a3 back_off");
    assert_eq!(desk.until(111), "a3 ready, o2: e1 rings a3, a3 offered");
    desk.at(112, busy(3));
    desk.at(199, arrive(2));
    assert_eq!(desk.at(200, free(3)), "a3 ready", "not any more");
}

#[test]
fn a_licence_that_was_needed_is_needed_wherever_the_caller_goes_on() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| {
        queue.needs = need("licence(bank, \"SE\") and sales");
        queue.relax = vec![Relax { after: secs(1), need: Need::default() }];
        queue.overflow = vec![Overflow { to: QueueId(2), when: When::After(secs(10)), only: Attributes::new() }];
    });
    desk.queue(2, |queue| {
        queue.join_unless.no_agents = true;
        queue.overflow = vec![Overflow { to: QueueId(3), when: When::After(secs(10)), only: Attributes::new() }];
    });
    desk.queue(3, |_| {});
    desk.agent(1, "");
    desk.agent_with(2, "", |agent| agent.licences = vec![licence("SE", None, Some(20))]);
    desk.agent_with(3, "", |agent| agent.licences = vec![licence("SE", Some(100), None)]);
    desk.at(0, login(1));
    desk.at(1, arrive(1));
    assert_eq!(desk.until(11), "", "nobody is there who could take it there");
    desk.at(12, leave(1, Exit::Abandoned));
    desk.at(13, login(2));
    desk.at(13, busy(2));
    desk.at(13, arrive(2));
    assert_eq!(desk.until(23), "", "not one whose licence has run out");
    desk.at(24, leave(2, Exit::Abandoned));
    desk.at(90, login(3));
    desk.at(90, busy(3));
    // Who is closed out at the door takes it along too.
    desk.at(95, Change::Close { queue: QueueId(1) });
    desk.queue(1, |queue| {
        queue.needs = need("licence(bank, \"SE\")");
        queue.overflow = vec![Overflow { to: QueueId(2), when: When::Closed, only: Attributes::new() }];
    });
    desk.at(100, free(2));
    assert_eq!(desk.at(100, arrive(3)), "e3 overflowed after 0 to q2");
    assert_eq!(desk.until(110), "e3 overflowed after 10 to q3");
    assert_eq!(desk.at(111, free(3)), "a3 ready, o1: e3 rings a3, a3 offered");
}

#[test]
fn a_licence_that_ends_while_it_rings_takes_the_call_back() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| queue.needs = need("licence(bank, \"SE\")"));
    desk.agent_with(1, "", |agent| agent.licences = vec![licence("SE", None, Some(15))]);
    desk.agent_with(2, "", |agent| agent.licences = vec![licence("SE", None, None)]);
    desk.at(0, login(1));
    desk.at(1, login(2));
    assert_eq!(desk.at(10, arrive(1)), "o1: e1 rings a1, a1 offered");
    assert_eq!(desk.until(15), "o1 withdrawn, a1 ready, o2: e1 rings a2, a2 offered");
    // A skill that is lost lets it ring.
    let mut desk = Desk::new();
    desk.queue(1, |queue| queue.needs = need("sales"));
    desk.agent(1, "sales 1");
    desk.at(0, login(1));
    desk.at(10, arrive(1));
    desk.agent(1, "");
    assert_eq!(desk.at(11, accepted(1)), "o1 accepted, e1 answered after 1, a1 talking");
}

#[test]
fn a_queue_for_members_is_served_by_members() {
    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| queue.members_only = true);
    desk.agent_with(2, "", |agent| agent.queues = [QueueId(1)].into());
    assert_eq!(desk.at(1, arrive(1)), "");
    assert_eq!(desk.acd.explain(EntryId(1))[0], (AgentId(1), WhyNot::NotMember));
    assert_eq!(rung(&desk.at(2, login(2))), ["a2"]);
    assert_eq!(rung(&desk.at(3, arrive(2))), [""; 0]);
    desk.queue(1, |_| {});
    assert_eq!(rung(&desk.until(4)), ["a1"; 0], "rung when the queue changed");
    assert_eq!(desk.state(1).label(), "offered");
}

fn keep_for(agent: u32, wait: u64) -> Prefer {
    Prefer { who: Who::Agent(AgentId(agent)), wait: secs(wait) }
}

fn keep_for_team(team: &str, wait: u64) -> Prefer {
    Prefer { who: Who::Team(team.to_owned()), wait: secs(wait) }
}

#[test]
fn a_caller_is_kept_for_one_then_the_team_then_goes_to_anybody() {
    let mut desk = Desk::new();
    desk.agent(1, "");
    desk.agent_with(2, "", |agent| agent.teams = ["north".to_owned()].into());
    desk.agent(3, "");
    for (at, id) in [(0, 1), (0, 2)] {
        desk.at(at, login(id));
        desk.at(at, arrive(u64::from(id)));
        desk.at(at, accepted(u64::from(id)));
    }
    desk.at(1, login(3));
    let prefer = vec![keep_for(1, 30), keep_for_team("north", 20)];
    assert_eq!(desk.at(10, to_queue_1(9, |a| a.prefer = prefer)), "");
    assert_eq!(desk.acd.explain(EntryId(9))[2], (AgentId(3), WhyNot::KeptForOther { until: Time::from_secs(40) }));
    assert_eq!(desk.until(59), "");
    assert_eq!(desk.acd.explain(EntryId(9))[2], (AgentId(3), WhyNot::KeptForOther { until: Time::from_secs(60) }));
    assert_eq!(desk.until(60), "o3: e9 rings a3, a3 offered");
}

#[test]
fn whom_a_caller_is_kept_for_is_rung_as_soon_as_they_are_free_and_first_also_later() {
    for (free_at, rung_at) in [(20, 20), (50, 50)] {
        let mut desk = Desk::ready(&[1]);
        desk.at(1, arrive(1));
        desk.at(2, accepted(1));
        desk.agent(2, "");
        desk.at(10, to_queue_1(2, |a| a.prefer = vec![keep_for(1, 30)]));
        if free_at > 40 {
            assert_eq!(desk.until(45), "");
            desk.at(46, pause(2, "tea"));
            desk.at(47, login(2));
        }
        assert_eq!(rung(&desk.at(free_at, talk_ended(1))), ["a1"], "at {rung_at}");
    }
    // Both are free: the preferred one, though idle for less long.
    let mut desk = Desk::ready(&[1, 2]);
    assert_eq!(rung(&desk.at(5, to_queue_1(1, |a| a.prefer = vec![keep_for(2, 0)]))), ["a2"]);
}

#[test]
fn a_caller_is_not_kept_for_who_is_away_or_refuses() {
    let kept = |a: &mut Arrival| a.prefer = vec![keep_for(1, 30)];
    let mut desk = Desk::ready(&[2]);
    desk.agent(1, "");
    assert_eq!(rung(&desk.at(1, to_queue_1(1, kept))), ["a2"], "not logged in");
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(1, pause(1, "tea"));
    assert_eq!(rung(&desk.at(2, to_queue_1(1, kept))), ["a2"], "paused");
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(1, busy(1));
    assert_eq!(rung(&desk.at(2, to_queue_1(1, kept))), [""; 0], "busy: waited for");
    assert_eq!(rung(&desk.at(3, pause(1, "tea"))), ["a2"], "goes on a pause meanwhile");
    let mut desk = Desk::ready(&[1, 2]);
    assert_eq!(rung(&desk.at(2, to_queue_1(1, kept))), ["a1"]);
    assert_eq!(rung(&desk.at(3, ended(1, Outcome::Declined))), ["a2"], "refuses");
}

#[test]
fn a_caller_kept_for_a_team_goes_on_when_the_last_of_it_leaves() {
    let mut desk = Desk::ready(&[2]);
    desk.agent_with(1, "", |agent| agent.teams = ["north".to_owned()].into());
    desk.at(0, login(1));
    desk.at(1, busy(1));
    assert_eq!(desk.at(2, to_queue_1(1, |a| a.prefer = vec![keep_for_team("north", 60)])), "");
    assert_eq!(rung(&desk.at(3, logout(1))), ["a2"]);
}

#[test]
fn a_licence_for_a_place_that_is_not_known_is_needed_in_the_next_queue_too() {
    let mut desk = Desk::ready(&[]);
    let licence = Licence { kind: "insurance".into(), jurisdiction: Word::Of("country".into()) };
    desk.queue(1, |queue| {
        queue.needs.licences.insert(licence);
        let when = When::After(Duration::from_secs(2));
        queue.overflow = vec![Overflow { to: QueueId(2), when, only: Attributes::new() }];
    });
    desk.queue(2, |_| {});
    desk.agent(1, "");
    desk.at(0, login(1));
    assert_eq!(desk.at(1, arrive(1)), "");
    assert_eq!(desk.until(10), "e1 overflowed after 2 to q2");
}

#[test]
fn of_two_queues_the_heavier_waits_count_more() {
    let mut desk = Desk::ready(&[]);
    desk.queue(1, |queue| queue.weight = 3);
    desk.queue(2, |_| {});
    desk.agent(1, "");
    desk.at(0, arrive_at(2, 1, "", 0));
    desk.at(60, arrive_at(1, 2, "", 0));
    desk.at(80, arrive_at(1, 3, "", 0));
    // At 100: 100 of one, 3 × 40 of the other, 3 × 20 of the third.
    assert!(desk.at(100, login(1)).contains("e2 rings"));
    desk.at(100, accepted(1));
    assert!(desk.at(101, talk_ended(2)).contains("e1 rings"));
}

#[test]
fn where_waiting_makes_scores_rise_weights_count_in_that() {
    for (weight, first) in [(1, "e1 rings"), (2, "e1 rings"), (3, "e2 rings")] {
        let mut desk = Desk::ready(&[]);
        desk.queue(1, |queue| (queue.ageing, queue.weight) = (0.1, weight));
        desk.queue(2, |queue| (queue.ageing, queue.priority) = (0.1, 1));
        desk.agent(1, "");
        desk.at(0, arrive_at(2, 1, "", 0));
        desk.at(60, arrive_at(1, 2, "", 0));
        // At 100: 1 + 10 points of one, `weight` × 4 of the other.
        assert!(desk.at(100, login(1)).contains(first), "{weight}");
    }
}

#[test]
fn a_changed_priority_counts_as_if_it_had_always_been() {
    let mut desk = Desk::ready(&[]);
    desk.agent(1, "");
    (1..=3).for_each(|entry| _ = desk.at(entry, arrive(entry)));
    assert_eq!(desk.acd.entries(QueueId(1)), [1, 2, 3].map(EntryId));
    desk.at(4, Change::Priority { entry: EntryId(3), priority: 1 });
    assert_eq!(desk.acd.entries(QueueId(1)), [3, 1, 2].map(EntryId));
    assert!(desk.at(5, login(1)).contains("e3 rings"));
    desk.at(6, Change::Priority { entry: EntryId(3), priority: -1 });
    assert_eq!(desk.acd.position(EntryId(3)), Some(3), "the phone rings on");
    assert_eq!(desk.at(7, accepted(1)), "o1 accepted, e3 answered after 4, a1 talking");
}

#[test]
fn tasks_fill_their_own_capacity_and_calls_come_first_to_none() {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| (agent.tasks, agent.wrap_up) = (2, secs(30)));
    desk.at(0, login(1));
    let task = |entry| to_queue_1(entry, |a| a.kind = Kind::Task);
    for entry in 1..=3 {
        desk.at(entry, task(entry));
        desk.at(entry, accepted(entry));
    }
    assert_eq!(desk.state(1), AgentState::Working { tasks: 2 });
    assert_eq!(desk.acd.explain(EntryId(3))[0].1, WhyNot::Working { tasks: 2 });
    assert_eq!(desk.at(10, arrive(4)), "o3: e4 rings a1, a1 offered", "a call is offered meanwhile");
    assert_eq!(desk.at(11, accepted(3)), "o3 accepted, e4 answered after 1, a1 talking");
    assert_eq!(desk.at(12, talk_ended(1)), "", "no task is offered during a call");
    assert_eq!(desk.at(20, talk_ended(4)), "a1 wrap_up");
    assert_eq!(desk.until(50), "a1 working, o4: e3 rings a1, a1 offered");
    assert_eq!(desk.at(51, accepted(4)), "o4 accepted, e3 answered after 48, a1 working");
    assert_eq!(desk.at(52, talk_ended(2)), "a1 working", "without wrap-up");
    assert_eq!(desk.at(53, talk_ended(3)), "a1 ready");
}

#[test]
fn who_wants_no_calls_during_tasks_gets_none() {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| agent.calls_during_tasks = false);
    desk.at(0, login(1));
    desk.at(1, to_queue_1(1, |a| a.kind = Kind::Task));
    desk.at(2, accepted(1));
    assert_eq!(desk.at(3, arrive(2)), "");
    assert_eq!(desk.at(4, talk_ended(1)), "a1 ready, o2: e2 rings a1, a1 offered");
}

#[test]
fn a_skill_begins_and_ends_in_time() {
    let mut desk = Desk::new();
    desk.queue(1, |queue| queue.needs = need("sales"));
    desk.agent_with(1, "sales 5", |agent| {
        let valid = Validity { from: Some(Time::from_secs(10)), to: Some(Time::from_secs(20)) };
        agent.skills_valid = BTreeMap::from([("sales".to_owned(), valid)]);
    });
    desk.at(0, login(1));
    assert_eq!(desk.at(5, arrive(1)), "");
    assert_eq!(desk.until(10), "o1: e1 rings a1, a1 offered");
    desk.at(11, leave(1, Exit::LeftByKey));
    assert_eq!(desk.at(20, arrive(2)), "");
    assert_eq!(desk.timeout(), None);
}

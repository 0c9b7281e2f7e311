//! The service ends and another run goes on: what was known of agents still is.

use super::*;
use crate::acd::Strategy;

/// Agent 1 is rung for entry 1 at second 1, and probed after ten seconds of pause or back-off.
fn rung() -> Desk {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| {
        agent.probe = true;
        agent.rona_pause = Duration::from_secs(10);
    });
    desk.at(0, login(1));
    assert_eq!(desk.at(1, arrive(1)), "o1: e1 rings a1, a1 offered");
    desk
}

#[test]
fn a_back_off_goes_on_until_its_time() {
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::Busy));
    assert_eq!(desk.at(3, lost(1)), "a1 offline");
    assert_eq!(desk.at(5, login(1)), "a1 back_off");
    assert_eq!(desk.state(1), AgentState::BackOff { until: Time::from_secs(12) });
    assert_eq!(desk.until(12), "a1 ready, o2: e1 rings a1, a1 offered");
    // And the next one grows from it.
    desk.at(13, ended(2, Outcome::Busy));
    assert_eq!(desk.state(1), AgentState::BackOff { until: Time::from_secs(33) });
    // Where it is over meanwhile, nothing is left of it.
    desk.at(30, lost(1));
    assert_eq!(desk.until(40), "");
    assert_eq!(desk.at(41, login(1)), "a1 ready, o3: e1 rings a1, a1 offered");
}

#[test]
fn a_phone_that_was_not_answered_is_asked_before_it_is_rung_again() {
    // The pause is on when the phone is known again,
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::NoAnswer));
    desk.at(3, lost(1));
    assert_eq!(desk.at(5, login(1)), "a1 paused");
    assert_eq!(desk.until(12), "a1 is asked, a1 probed");
    assert_eq!(desk.at(13, probe_ended(1, true)), "a1 ready, o2: e1 rings a1, a1 offered");
    // or is over then.
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::NoAnswer));
    desk.at(3, lost(1));
    assert_eq!(desk.until(20), "");
    assert_eq!(desk.at(21, login(1)), "a1 is asked, a1 probed");
    assert_eq!(desk.state(1), AgentState::Probed { until: Time::from_secs(26) });
    assert_eq!(desk.at(22, probe_ended(1, true)), "a1 ready, o2: e1 rings a1, a1 offered");
}

#[test]
fn who_resumes_before_their_phone_is_known_is_trusted() {
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::NoAnswer));
    desk.at(3, lost(1));
    assert_eq!((desk.until(20).as_str(), desk.at(20, resume(1)).as_str()), ("", ""));
    assert_eq!(desk.at(21, login(1)), "a1 ready, o2: e1 rings a1, a1 offered");
}

#[test]
fn what_was_asked_when_the_service_was_lost_is_asked_again() {
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::Unreachable));
    assert_eq!(desk.until(12), "a1 is asked, a1 probed");
    assert_eq!((desk.at(13, lost(1)).as_str(), desk.at(13, probe_ended(1, true)).as_str()), ("a1 offline", ""));
    // No answer to the first is no answer to the second.
    assert_eq!(desk.until(18), "");
    assert_eq!(desk.at(19, login(1)), "a1 is asked, a1 probed");
    assert_eq!(desk.until(24), "a1 back_off");
}

#[test]
fn contacts_since_the_log_in_are_still_counted() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.queue(1, |queue| queue.strategy = Strategy::FewestCalls);
    assert_eq!(desk.at(1, arrive(1)), "o1: e1 rings a1, a1 offered");
    desk.at(2, accepted(1));
    desk.at(3, talk_ended(1));
    for change in [lost(1), lost(2), login(1), login(2)] {
        desk.at(4, change);
    }
    assert_eq!(desk.at(5, arrive(2)), "o2: e2 rings a2, a2 offered");
}

#[test]
fn the_idle_keep_their_order_in_whatever_order_their_phones_come() {
    let mut desk = Desk::ready(&[1, 2, 3]);
    for change in [lost(1), lost(2), lost(3), login(3), login(2), login(1)] {
        desk.at(4, change);
    }
    assert_eq!(desk.at(5, arrive(1)), "o1: e1 rings a1, a1 offered");
    assert_eq!(desk.at(5, arrive(2)), "o2: e2 rings a2, a2 offered");
}

#[test]
fn who_would_have_come_free_while_the_service_was_down_stands_where_they_would() {
    let mut desk = Desk::ready(&[1]);
    desk.agent_with(1, "", |agent| agent.wrap_up = Duration::from_secs(10));
    desk.agent(2, "");
    desk.agent(3, "");
    desk.at(1, arrive(1));
    desk.at(2, accepted(1));
    desk.at(5, login(2));
    desk.at(5, talk_ended(1));
    desk.at(6, lost(1));
    desk.at(6, lost(2));
    // Wrap-up is over at 15.
    desk.at(16, login(3));
    desk.at(20, login(1));
    desk.at(21, login(2));
    let rung = [2, 3, 4].map(|entry| desk.at(22, arrive(entry)));
    assert_eq!(rung, ["o2: e2 rings a2, a2 offered", "o3: e3 rings a1, a1 offered", "o4: e4 rings a3, a3 offered"]);
}

#[test]
fn whom_they_refused_is_still_remembered_and_a_rest_goes_on() {
    let mut desk = Desk::ready(&[1]);
    desk.agent_with(1, "", |agent| {
        agent.rests = vec![crate::acd::RestRule { rest: Duration::from_secs(30), ..Default::default() }];
    });
    desk.at(1, arrive(1));
    assert_eq!(desk.at(2, ended(1, Outcome::Declined)), "o1 declined, a1 ready");
    desk.at(3, lost(1));
    assert_eq!(desk.at(4, login(1)), "a1 ready");
    assert_eq!(desk.until(12), "o2: e1 rings a1, a1 offered");
    desk.at(13, accepted(2));
    assert_eq!(desk.at(20, talk_ended(1)), "a1 resting");
    desk.at(21, lost(1));
    assert_eq!(desk.at(22, login(1)), "a1 resting");
    assert_eq!(desk.until(50), "a1 ready");
}

#[test]
fn a_log_in_more_than_an_hour_later_is_one_as_any_other() {
    for (seconds, told) in [(3_603, "a1 is asked, a1 probed"), (3_604, "a1 ready, o2: e1 rings a1, a1 offered")] {
        let mut desk = rung();
        desk.at(2, ended(1, Outcome::NoAnswer));
        desk.at(3, lost(1));
        assert_eq!(desk.at(seconds, login(1)), told);
    }
}

#[test]
fn who_logs_out_by_themselves_is_not_lost() {
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::NoAnswer));
    desk.at(3, logout(1));
    // They had no phone that could be lost.
    desk.at(4, lost(1));
    assert_eq!(desk.at(21, login(1)), "a1 ready, o2: e1 rings a1, a1 offered");
    assert_eq!(desk.acd.ignored(), 1);
}

#[test]
fn an_event_of_yesterday_is_an_agents_own_log_out() {
    let event: AcdEvent = serde_json::from_str(r#"{"at":5,"change":{"LoggedOut":{"agent":1}}}"#).expect("an event");
    assert_eq!(event.change, logout(1));
}

#[test]
fn a_pause_has_lasted_since_it_began_and_its_time_is_counted_once_they_are_back() {
    let anna = AgentId(1);
    let seen = |desk: &Desk| {
        let now = desk.acd.now();
        let day = desk.acd.truth().agent(anna, now, 0);
        let since = desk.acd.agent(anna).and_then(|agent| agent.since).map(Time::as_secs);
        (since, day.paused().map(|(_, time)| time.as_secs()).sum::<u64>(), day.logged_in().as_secs())
    };
    let mut desk = Desk::ready(&[1]);
    desk.at(10, pause(1, "lunch"));
    desk.at(30, lost(1));
    desk.until(50);
    assert_eq!(seen(&desk), (Some(30), 20, 30), "nobody knows");
    desk.at(60, login(1));
    assert_eq!(seen(&desk), (Some(10), 50, 60));
    desk.at(70, resume(1));
    assert_eq!(seen(&desk), (Some(70), 60, 70));
    // Another pause is another one,
    desk.at(80, pause(1, "lunch"));
    desk.at(90, lost(1));
    desk.at(95, pause(1, "coffee"));
    desk.at(100, login(1));
    assert_eq!(seen(&desk), (Some(100), 70, 90));
    // and who was ready had nothing to wait for.
    desk.at(110, resume(1));
    desk.at(120, lost(1));
    desk.at(130, login(1));
    assert_eq!(seen(&desk), (Some(130), 80, 110));
    // So long after, nobody knows what they did.
    desk.at(140, pause(1, "lunch"));
    desk.at(150, lost(1));
    desk.at(3_800, login(1));
    assert_eq!(seen(&desk), (Some(3_800), 90, 130));
}

#[test]
fn a_wrap_up_goes_on_from_the_end_of_the_talk_that_broke() {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| agent.wrap_up = Duration::from_secs(30));
    desk.at(0, login(1));
    desk.at(1, arrive(1));
    desk.at(2, accepted(1));
    assert_eq!([desk.at(10, lost(1)), desk.at(10, talk_broke(1))], ["", "a1 offline"]);
    assert_eq!(desk.at(20, login(1)), "a1 wrap_up");
    let (anna, now) = (AgentId(1), Time::from_secs(20));
    let spent = desk.acd.truth().agent(anna, now, 0).spent(crate::acd::Phase::WrapUp);
    assert_eq!((desk.acd.agent(anna).expect("one").since, spent.as_secs()), (Some(Time::from_secs(10)), 10));
    assert_eq!(desk.until(40), "a1 ready");
}

/// Contacts that are over, and seconds of talk and wrap-up: by the queue's figures, and by the agent's.
fn handled(desk: &Desk) -> (u64, [u64; 2], [u64; 2]) {
    let of_queue = desk.acd.truth().total(QueueId(1));
    let of_agent = desk.acd.truth().agent(AgentId(1), desk.acd.now(), 0);
    let spent = [crate::acd::Phase::Talking, crate::acd::Phase::WrapUp].map(|phase| of_agent.spent(phase).as_secs());
    (of_queue.handled, [of_queue.talk_micros, of_queue.wrap_up_micros].map(|micros| micros / 1_000_000), spent)
}

/// After a talk from second 2 to 10 with half a minute for notes.
fn notes_until_40() -> Desk {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| {
        agent.wrap_up = Duration::from_secs(30);
        agent.wrap_up_extension = Duration::from_secs(20);
    });
    for (second, change) in [(0, login(1)), (1, arrive(1)), (2, accepted(1)), (10, talk_ended(1))] {
        desk.at(second, change);
    }
    desk
}

#[test]
fn a_wrap_up_is_counted_whole_for_the_queue_as_for_the_agent_wherever_the_service_was_lost() {
    // Back before it is over, with or without a call of their own in between, and made longer;
    let own_call = [Change::Busy { agent: AgentId(1) }, Change::Free { agent: AgentId(1) }];
    for (name, between, over, notes) in [
        ("as it was", vec![], 40, 30),
        ("twice lost", vec![(22, lost(1)), (25, login(1))], 40, 30),
        ("their own call", vec![(22, own_call[0].clone()), (25, own_call[1].clone())], 40, 27),
        ("made longer", vec![(22, Change::ExtendWrapUp { agent: AgentId(1) })], 60, 50),
    ] {
        let mut desk = notes_until_40();
        desk.at(15, lost(1));
        desk.until(18);
        assert_eq!(handled(&desk), (0, [0, 0], [8, 5]), "{name}: nobody knows yet");
        assert_eq!(desk.at(20, login(1)), "a1 wrap_up");
        between.into_iter().for_each(|(second, change)| drop(desk.at(second, change)));
        desk.until(over);
        assert_eq!(handled(&desk), (1, [8, notes], [8, notes]), "{name}");
    }
    // in the middle of the talk;
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| agent.wrap_up = Duration::from_secs(30));
    for (second, change) in [(0, login(1)), (1, arrive(1)), (2, accepted(1)), (10, lost(1)), (10, talk_broke(1))] {
        desk.at(second, change);
    }
    assert_eq!((handled(&desk).0, desk.at(15, login(1)).as_str()), (0, "a1 wrap_up"));
    desk.until(40);
    assert_eq!(handled(&desk), (1, [8, 30], [8, 30]));
    // after it is over, by its time or by the agent, and never.
    for (ended, back, notes) in [(None, 50, 30), (Some(30), 35, 20), (None, 5_000, 30)] {
        let mut desk = notes_until_40();
        desk.at(15, lost(1));
        if let Some(ended) = ended {
            desk.at(ended, Change::EndWrapUp { agent: AgentId(1) });
        }
        desk.until(back);
        assert_eq!(handled(&desk), (1, [8, notes], [8, notes]), "as if they had been there");
        let away = desk.acd.agent(AgentId(1)).expect("one").since;
        assert_eq!((away, desk.at(back, login(1))), (Some(Time::from_secs(15)), "a1 ready".to_owned()));
        desk.until(back + 10);
        assert_eq!(handled(&desk), (1, [8, notes], [8, notes]));
    }
}

#[test]
fn a_contact_whose_agent_is_gone_or_has_no_wrap_up_is_over_at_once() {
    let mut desk = notes_until_40();
    desk.at(15, lost(1));
    desk.at(20, Change::AgentGone { agent: AgentId(1) });
    assert_eq!(handled(&desk), (1, [8, 5], [8, 5]));

    let mut desk = Desk::ready(&[1]);
    desk.agent_with(1, "", |agent| agent.wrap_up = Duration::ZERO);
    for (second, change) in [(1, arrive(1)), (2, accepted(1)), (10, lost(1)), (10, talk_broke(1))] {
        desk.at(second, change);
    }
    assert_eq!(handled(&desk), (1, [8, 0], [8, 0]));
}

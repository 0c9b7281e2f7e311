//! Agents: phones, pauses, wrap-up, calls of their own.

use super::*;

/// Agent 1 talks to entry 1 since second 2, with ten seconds of wrap-up to come.
fn talking() -> Desk {
    talking_with(|_| {})
}

fn talking_with(change: impl FnOnce(&mut AgentSettings)) -> Desk {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| {
        agent.wrap_up = Duration::from_secs(10);
        change(agent);
    });
    desk.at(0, login(1));
    desk.at(1, arrive(1));
    assert_eq!(desk.at(2, accepted(1)), "o1 accepted, e1 answered after 1, a1 talking");
    desk
}

#[test]
fn wrap_up_follows_a_talk_and_ends_by_itself() {
    let mut desk = talking();
    assert_eq!(desk.at(60, talk_ended(1)), "a1 wrap_up");
    assert_eq!(desk.state(1), AgentState::WrapUp { until: Time::from_secs(70) });
    assert_eq!(desk.at(61, arrive(2)), "");
    assert_eq!(desk.until(69), "");
    assert_eq!(desk.until(70), "a1 ready, o2: e2 rings a1, a1 offered");
}

#[test]
fn wrap_up_can_be_ended_early() {
    let mut desk = talking();
    desk.at(60, talk_ended(1));
    assert_eq!(desk.at(63, end_wrap_up(1)), "a1 ready");
    assert_eq!(desk.timeout(), None);
    assert_eq!(desk.at(64, end_wrap_up(1)), "");
    assert_eq!(desk.acd.ignored(), 1);
}

#[test]
fn wrap_up_can_be_made_longer_once() {
    let mut desk = talking_with(|agent| agent.wrap_up_extension = Duration::from_secs(30));
    assert_eq!(desk.at(59, extend_wrap_up(1)), "", "nothing to be made longer");
    desk.at(60, talk_ended(1));
    assert_eq!(desk.at(65, extend_wrap_up(1)), "a1 wrap_up");
    assert_eq!(desk.state(1), AgentState::WrapUp { until: Time::from_secs(100) });
    assert_eq!(desk.at(66, extend_wrap_up(1)), "");
    assert_eq!(desk.acd.ignored(), 2);
    assert_eq!(desk.until(99), "");
    assert_eq!(desk.until(100), "a1 ready");
    desk.at(101, arrive(2));
    desk.at(102, accepted(2));
    desk.at(110, talk_ended(2));
    assert_eq!(desk.at(111, extend_wrap_up(1)), "a1 wrap_up", "once after each talk");
    assert_eq!(desk.at(112, end_wrap_up(1)), "a1 ready", "it can still be ended");
}

#[test]
fn wrap_up_is_not_made_longer_where_that_is_not_allowed() {
    let mut desk = talking();
    desk.at(60, talk_ended(1));
    assert_eq!(desk.at(65, extend_wrap_up(1)), "");
    assert_eq!((desk.acd.ignored(), desk.timeout()), (1, Some(70)));
}

#[test]
fn a_pause_asked_for_during_a_talk_comes_after_its_wrap_up() {
    let mut desk = talking();
    assert_eq!(desk.at(3, pause(1, "lunch")), "");
    assert_eq!(desk.at(60, talk_ended(1)), "a1 wrap_up");
    assert_eq!(desk.until(70), "a1 paused");
    assert_eq!(desk.state(1), AgentState::Paused { reason: "lunch".to_owned(), until: None });
    assert_eq!(desk.at(71, arrive(2)), "");
    assert_eq!(desk.at(99, resume(1)), "a1 ready, o2: e2 rings a1, a1 offered");
}

#[test]
fn a_pause_asked_for_and_taken_back_during_a_talk_never_comes() {
    let mut desk = talking();
    desk.at(3, pause(1, "lunch"));
    desk.at(4, resume(1));
    desk.at(60, talk_ended(1));
    assert_eq!(desk.until(70), "a1 ready");
}

#[test]
fn a_second_pause_replaces_the_reason_and_the_end_of_the_first() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    desk.at(2, ended(1, Outcome::NoAnswer));
    assert_eq!(desk.at(3, pause(1, "lunch")), "a1 paused");
    assert_eq!(desk.state(1), AgentState::Paused { reason: "lunch".to_owned(), until: None });
    assert_eq!(desk.until(1_000), "");
}

#[test]
fn a_talk_survives_the_loss_of_the_phone_and_the_agent_is_offline_after_it() {
    let mut desk = talking();
    assert_eq!(desk.at(10, logout(1)), "");
    assert_eq!(desk.at(60, talk_ended(1)), "a1 offline");
    assert_eq!(desk.at(65, login(1)), "a1 wrap_up", "the notes are not finished");
    assert_eq!(desk.until(70), "a1 ready");
}

#[test]
fn a_phone_that_comes_back_during_the_talk_changes_nothing() {
    let mut desk = talking();
    assert_eq!(desk.at(10, logout(1)), "");
    assert_eq!(desk.at(11, login(1)), "");
    assert_eq!(desk.at(60, talk_ended(1)), "a1 wrap_up");
}

#[test]
fn a_pause_survives_the_loss_of_the_phone() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, pause(1, "lunch"));
    assert_eq!(desk.at(2, logout(1)), "a1 offline");
    assert_eq!(desk.at(3, login(1)), "a1 paused");
}

#[test]
fn a_pause_asked_for_while_offline_is_on_at_login() {
    let mut desk = Desk::new();
    desk.agent(1, "");
    assert_eq!(desk.at(1, pause(1, "meeting")), "");
    assert_eq!(desk.at(2, login(1)), "a1 paused");
}

#[test]
fn logging_in_ends_a_back_off() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    desk.at(2, ended(1, Outcome::Unreachable));
    desk.at(3, logout(1));
    assert_eq!(desk.at(4, login(1)), "a1 ready, o2: e1 rings a1, a1 offered");
}

#[test]
fn an_agent_on_a_call_of_their_own_is_not_rung() {
    let mut desk = Desk::ready(&[1]);
    assert_eq!(desk.at(1, busy(1)), "a1 busy");
    assert_eq!(desk.at(2, arrive(1)), "");
    assert_eq!(desk.at(3, free(1)), "a1 ready, o1: e1 rings a1, a1 offered");
}

#[test]
fn a_call_of_their_own_during_a_talk_shows_when_the_talk_is_over() {
    let mut desk = talking();
    assert_eq!(desk.at(3, busy(1)), "");
    assert_eq!(desk.at(60, talk_ended(1)), "a1 busy");
    assert_eq!(desk.at(65, free(1)), "a1 wrap_up", "its time began with the end of the talk");
    assert_eq!(desk.until(70), "a1 ready");
}

#[test]
fn changes_that_make_no_sense_change_nothing() {
    let mut desk = talking();
    for change in [
        login(1),
        login(9),
        logout(9),
        pause(9, "lunch"),
        resume(1),
        resume(9),
        busy(9),
        free(1),
        free(9),
        end_wrap_up(1),
        end_wrap_up(9),
        extend_wrap_up(1),
        extend_wrap_up(9),
        arrive(1),
        leave(1, Exit::Abandoned),
        leave(9, Exit::Abandoned),
        accepted(1),
        accepted(9),
        talk_ended(9),
    ] {
        let mut before = desk.acd.clone();
        assert_eq!(desk.at(2, change.clone()), "", "{change:?}");
        before.ignored += 1;
        assert_eq!(desk.acd, before, "{change:?}");
    }
}

#[test]
fn agents_are_counted_by_state() {
    let mut desk = Desk::ready(&[1, 2, 3]);
    desk.agent(4, "");
    desk.at(1, pause(2, "lunch"));
    desk.at(2, arrive(1));
    let counts: Vec<_> = desk.acd.agents_by_state().into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [("offline", 1), ("ready", 1), ("offered", 1), ("paused", 1)]);
}

#[test]
fn nothing_is_offered_in_the_last_minutes_of_a_shift_and_a_talk_goes_on() {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| agent.shift_margin = Duration::from_secs(60));
    desk.at(0, login(1));
    assert_eq!(desk.at(1, shift(1, Some(1_000))), "");
    desk.at(930, arrive(1));
    desk.at(935, accepted(1));
    desk.at(936, arrive(2));
    assert_eq!(desk.until(940), "", "the talk goes on");
    assert_eq!(desk.at(950, talk_ended(1)), "a1 off_shift");
    assert_eq!(desk.acd.explain(EntryId(2)), [(AgentId(1), WhyNot::OffShift { ends: Some(Time::from_secs(1_000)) })]);
    assert_eq!(desk.at(990, shift(1, Some(2_000))), "a1 ready, o2: e2 rings a1, a1 offered", "it is made longer");
}

#[test]
fn an_offer_that_rings_when_the_shift_ends_may_still_be_taken() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, shift(1, Some(10)));
    desk.at(5, arrive(1));
    assert_eq!(desk.until(12), "");
    assert_eq!(desk.at(13, accepted(1)), "o1 accepted, e1 answered after 8, a1 talking");
    assert_eq!(desk.at(20, talk_ended(1)), "a1 off_shift");
    assert_eq!(desk.at(21, shift(1, None)), "a1 ready");
}

#[test]
fn who_waits_for_agents_whose_shifts_are_over_waits_for_nobody() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.queue(1, |queue| queue.leave_when.no_agents = true);
    desk.at(1, busy(1));
    desk.at(1, busy(2));
    desk.at(2, shift(1, Some(10)));
    desk.at(2, shift(2, Some(20)));
    desk.at(3, arrive(1));
    assert_eq!(desk.until(19), "");
    assert_eq!(desk.until(20), "e1 no_agents after 17");
}

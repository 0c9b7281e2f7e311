//! Whether a phone that was not answered is there at all.

use super::*;

/// Agent 1 is rung for entry 1 at second 1 and probed after ten seconds of pause or back-off.
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
fn a_phone_that_nobody_answered_is_asked_before_it_is_rung_again() {
    let mut desk = rung();
    assert_eq!(desk.at(2, ended(1, Outcome::NoAnswer)), "o1 no_answer, a1 paused");
    assert_eq!(desk.until(12), "a1 is asked, a1 probed");
    assert_eq!(desk.state(1), AgentState::Probed { until: Time::from_secs(17) });
    let why = desk.acd.explain(EntryId(1));
    assert_eq!(why, [(AgentId(1), WhyNot::Probed { until: Time::from_secs(17) })]);
    assert_eq!(desk.at(13, probe_ended(1, true)), "a1 ready, o2: e1 rings a1, a1 offered");
}

#[test]
fn a_phone_that_could_not_be_reached_is_asked_before_it_is_rung_again() {
    let mut desk = rung();
    assert_eq!(desk.at(2, ended(1, Outcome::Unreachable)), "o1 unreachable, a1 back_off");
    assert_eq!(desk.until(12), "a1 is asked, a1 probed");
    assert_eq!(desk.at(12, probe_ended(1, true)), "a1 ready, o2: e1 rings a1, a1 offered");
}

#[test]
fn a_phone_that_is_busy_or_declines_is_there_and_is_not_asked() {
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::Busy));
    assert_eq!(desk.until(12), "a1 ready, o2: e1 rings a1, a1 offered");
    assert_eq!(desk.at(13, ended(2, Outcome::Declined)), "o2 declined, a1 ready");
}

#[test]
fn each_probe_that_fails_doubles_the_back_off() {
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::NoAnswer));
    desk.until(12);
    assert_eq!(desk.at(13, probe_ended(1, false)), "a1 back_off");
    assert_eq!(desk.state(1), AgentState::BackOff { until: Time::from_secs(23) });
    assert_eq!(desk.until(23), "a1 is asked, a1 probed");
    assert_eq!(desk.until(27), "");
    assert_eq!(desk.until(28), "a1 back_off", "silence is a no");
    assert_eq!(desk.state(1), AgentState::BackOff { until: Time::from_secs(48) });
    assert_eq!(desk.until(48), "a1 is asked, a1 probed");
    assert_eq!(desk.at(49, probe_ended(1, true)), "a1 ready, o2: e1 rings a1, a1 offered");
    // It says that it is there and cannot be rung: the back-off goes on growing.
    desk.at(50, ended(2, Outcome::Unreachable));
    assert_eq!(desk.state(1), AgentState::BackOff { until: Time::from_secs(90) });
}

#[test]
fn without_a_pause_the_phone_is_asked_at_once() {
    let mut desk = Desk::new();
    desk.agent_with(1, "", |agent| {
        agent.probe = true;
        agent.rona_pause = Duration::ZERO;
    });
    desk.at(0, login(1));
    desk.at(1, arrive(1));
    assert_eq!(desk.at(2, ended(1, Outcome::NoAnswer)), "o1 no_answer, a1 is asked, a1 probed");
}

#[test]
fn whoever_resumes_or_logs_in_is_trusted() {
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::NoAnswer));
    assert_eq!(desk.at(3, resume(1)), "a1 ready, o2: e1 rings a1, a1 offered", "before the probe");
    desk.at(4, ended(2, Outcome::NoAnswer));
    desk.until(14);
    assert_eq!(desk.at(15, resume(1)), "a1 ready, o3: e1 rings a1, a1 offered", "during it");
    desk.at(16, ended(3, Outcome::Unreachable));
    assert_eq!(desk.until(26), "a1 is asked, a1 probed");
    assert_eq!(desk.at(27, logout(1)), "a1 offline");
    assert_eq!((desk.timeout(), desk.at(28, login(1))), (None, "a1 ready, o4: e1 rings a1, a1 offered".to_owned()));
    // A RONA pause outlives the phone, the doubt does not.
    desk.at(29, ended(4, Outcome::NoAnswer));
    desk.at(30, logout(1));
    assert_eq!(desk.at(31, login(1)), "a1 paused");
    assert_eq!(desk.until(39), "a1 ready, o5: e1 rings a1, a1 offered");
}

#[test]
fn nobody_is_asked_where_the_settings_say_no() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    desk.at(2, ended(1, Outcome::Unreachable));
    assert_eq!(desk.until(12), "a1 ready, o2: e1 rings a1, a1 offered");
    // And where they say so in the meantime.
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::NoAnswer));
    let settings = AgentSettings { probe: false, ..AgentSettings::default() };
    desk.at(3, Change::Agent { id: AgentId(1), settings });
    assert_eq!(desk.until(12), "a1 ready, o2: e1 rings a1, a1 offered");
    let mut desk = rung();
    desk.at(2, ended(1, Outcome::NoAnswer));
    desk.until(12);
    let settings = AgentSettings { probe: false, ..AgentSettings::default() };
    assert_eq!(desk.at(13, Change::Agent { id: AgentId(1), settings }), "a1 ready, o2: e1 rings a1, a1 offered");
}

#[test]
fn the_answer_of_a_probe_that_is_over_is_ignored() {
    let mut desk = rung();
    assert_eq!(desk.at(2, probe_ended(1, false)), "");
    desk.at(2, ended(1, Outcome::NoAnswer));
    desk.until(12);
    desk.until(17);
    assert_eq!(desk.at(18, probe_ended(1, true)), "");
    assert_eq!(desk.at(19, probe_ended(9, true)), "");
    assert_eq!((desk.acd.ignored(), desk.state(1)), (3, AgentState::BackOff { until: Time::from_secs(27) }));
}

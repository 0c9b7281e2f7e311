//! Offers: who is rung, and the six outcomes with their policies.

use super::*;
use Outcome::*;

#[test]
fn a_caller_rings_the_idle_agent_at_once_and_talks_when_accepted() {
    let mut desk = Desk::ready(&[1]);
    assert_eq!(desk.at(5, arrive(1)), "o1: e1 rings a1, a1 offered");
    assert_eq!(desk.state(1), AgentState::Offered { offer: OfferId(1), deadline: Time::from_secs(25) });
    assert_eq!(desk.at(8, accepted(1)), "o1 accepted, e1 answered after 3, a1 talking");
    assert_eq!(desk.at(60, talk_ended(1)), "a1 ready");
}

#[test]
fn an_agent_who_comes_free_takes_the_next_in_line_in_the_same_event() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    desk.at(2, accepted(1));
    assert_eq!(desk.at(3, arrive(2)), "");
    assert_eq!(desk.at(4, talk_ended(1)), "a1 ready, o2: e2 rings a1, a1 offered");
}

#[test]
fn the_agent_idle_longest_is_rung() {
    let mut desk = Desk::ready(&[]);
    for agent in [1, 2, 3] {
        desk.agent(agent, "");
    }
    desk.at(1, login(3));
    desk.at(2, login(1));
    desk.at(3, login(2));
    assert_eq!(desk.at(10, arrive(1)), "o1: e1 rings a3, a3 offered");
    assert_eq!(desk.at(10, arrive(2)), "o2: e2 rings a1, a1 offered");
    assert_eq!(desk.at(10, arrive(3)), "o3: e3 rings a2, a2 offered");
}

#[test]
fn a_pause_makes_its_agent_the_last_of_the_idle() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(5, pause(1, "coffee"));
    desk.at(6, resume(1));
    assert_eq!(desk.at(7, arrive(1)), "o1: e1 rings a2, a2 offered");
}

#[test]
fn a_declined_caller_keeps_the_place_and_goes_to_the_next_longest_idle() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(1, arrive(1));
    assert_eq!(desk.at(2, ended(1, Declined)), "o1 declined, a1 ready, o2: e1 rings a2, a2 offered");
    assert_eq!(desk.at(3, arrive(2)), "o3: e2 rings a1, a1 offered");
    // Back in line ahead of those who came later.
    desk.at(4, arrive(3));
    desk.at(5, accepted(3));
    assert_eq!(desk.at(6, ended(2, Declined)), "o2 declined, a2 ready, o4: e3 rings a2, a2 offered");
    assert_eq!(desk.acd.position(EntryId(1)), Some(1));
    assert_eq!(desk.acd.position(EntryId(3)), Some(2));
}

#[test]
fn a_declined_caller_comes_back_to_the_agent_when_the_set_time_has_passed() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(1, arrive(1));
    desk.at(1, accepted(1));
    desk.at(2, arrive(2));
    assert_eq!(desk.at(3, ended(2, Declined)), "o2 declined, a2 ready");
    // The other is in service, so there is somebody left to try.
    assert_eq!(desk.until(62), "");
    assert_eq!(desk.timeout(), Some(63));
    assert_eq!(desk.until(63), "o3: e2 rings a2, a2 offered");
}

#[test]
fn a_declined_caller_does_not_hold_up_others() {
    let mut desk = Desk::ready(&[1]);
    desk.agent(2, "");
    desk.at(0, login(2));
    desk.at(0, busy(2));
    desk.at(1, arrive(1));
    desk.at(2, ended(1, Declined));
    assert_eq!(desk.at(3, arrive(2)), "o2: e2 rings a1, a1 offered");
}

#[test]
fn when_everybody_has_declined_a_new_round_begins_after_the_back_off() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(1, arrive(1));
    desk.at(2, ended(1, Declined));
    assert_eq!(desk.at(4, ended(2, Declined)), "o2 declined, a2 ready");
    assert_eq!(desk.until(11), "");
    assert_eq!(desk.until(12), "o3: e1 rings a1, a1 offered");
}

#[test]
fn the_only_agent_who_declined_is_not_rung_in_a_circle() {
    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| queue.retry_same_agent = Duration::ZERO);
    desk.agent_with(1, "", |agent| agent.back_off = Duration::ZERO);
    desk.at(10, arrive(1));
    assert_eq!(desk.at(10, ended(1, Declined)), "o1 declined, a1 ready");
    assert_eq!(desk.timeout(), Some(11));
    assert_eq!(desk.until(11), "o2: e1 rings a1, a1 offered");
}

#[test]
fn nobody_is_left_to_try_once_the_others_pause_or_log_out() {
    for change in [pause(2, "lunch"), logout(2)] {
        let mut desk = Desk::ready(&[1, 2]);
        desk.at(0, busy(2));
        desk.at(1, arrive(1));
        desk.at(2, ended(1, Declined));
        assert_eq!(desk.until(30), "");
        let told = desk.at(31, change.clone());
        assert!(told.ends_with("o2: e1 rings a1, a1 offered"), "{change:?}: {told}");
    }
}

#[test]
fn resuming_by_hand_forgets_what_was_refused() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(0, busy(2));
    desk.at(1, arrive(1));
    assert_eq!(desk.at(2, pause(1, "coffee")), "o1 declined, a1 paused");
    assert_eq!(desk.at(5, resume(1)), "a1 ready, o2: e1 rings a1, a1 offered");
}

#[test]
fn a_busy_or_unreachable_phone_backs_off_and_the_caller_goes_on() {
    for outcome in [Busy, Unreachable] {
        let mut desk = Desk::ready(&[1]);
        desk.at(1, arrive(1));
        let told = desk.at(2, ended(1, outcome));
        assert!(told.ends_with("a1 back_off"), "{told}");
        assert_eq!(desk.state(1), AgentState::BackOff { until: Time::from_secs(12) });
        assert_eq!(desk.until(11), "");
        // Nobody refused the caller, so the same agent may have them.
        assert_eq!(desk.until(12), "a1 ready, o2: e1 rings a1, a1 offered");
    }
}

#[test]
fn a_back_off_has_a_shortest_time() {
    let mut desk = Desk::ready(&[1]);
    desk.agent_with(1, "", |agent| agent.back_off = Duration::ZERO);
    desk.at(1, arrive(1));
    assert_eq!(desk.at(1, ended(1, Busy)), "o1 busy, a1 back_off");
    assert_eq!(desk.timeout(), Some(2));
}

#[test]
fn a_phone_that_refuses_by_itself_does_not_walk_through_the_line() {
    let mut desk = Desk::ready(&[1]);
    assert_eq!(desk.at(1, arrive(1)), "o1: e1 rings a1, a1 offered");
    desk.at(1, arrive(2));
    desk.at(1, arrive(3));
    assert_eq!(desk.at(1, ended(1, Busy)), "o1 busy, a1 back_off");
    assert_eq!(desk.until(10), "");
    assert_eq!(desk.until(11), "a1 ready, o2: e1 rings a1, a1 offered");
}

#[test]
fn a_back_off_doubles_each_time_up_to_its_longest() {
    for outcome in [Busy, Unreachable] {
        let mut desk = Desk::ready(&[1]);
        desk.at(0, arrive(1));
        let (mut at, mut offer) = (0, 0);
        for back_off in [10, 20, 40, 60, 60] {
            offer += 1;
            desk.at(at, ended(offer, outcome));
            at += back_off;
            assert_eq!(desk.timeout(), Some(at), "{outcome:?}");
            assert_eq!(desk.until(at), format!("a1 ready, o{}: e1 rings a1, a1 offered", offer + 1));
        }
    }
}

#[test]
fn a_back_off_begins_anew_once_the_phone_has_rung_or_the_agent_is_back() {
    let later = Time::from_secs(30);
    for (changes, ends) in [
        (vec![ended(3, Declined), arrive(2), ended(4, Busy)], 40),
        (vec![accepted(3), arrive(2), talk_ended(1), ended(4, Busy)], 40),
        (vec![ended(3, Busy), resume(1), ended(4, Busy)], 40),
        (vec![logout(1), login(1), ended(4, Busy)], 40),
        (vec![busy(1), free(1), ended(4, Busy)], 70),
    ] {
        let mut desk = Desk::ready(&[1]);
        desk.agent(2, "");
        desk.at(0, login(2));
        desk.at(0, busy(2));
        desk.at(0, arrive(1));
        desk.at(0, ended(1, Busy));
        desk.at(10, ended(2, Busy));
        desk.until(30);
        for change in &changes {
            desk.acd.apply(&AcdEvent { at: later, change: change.clone() });
        }
        assert_eq!(desk.state(1), AgentState::BackOff { until: Time::from_secs(ends) }, "{changes:?}");
    }
}

#[test]
fn a_longest_back_off_below_the_first_counts_for_nothing() {
    let mut desk = Desk::ready(&[1]);
    desk.agent_with(1, "", |agent| agent.back_off_max = Duration::ZERO);
    desk.at(1, arrive(1));
    desk.at(1, ended(1, Busy));
    assert_eq!(desk.timeout(), Some(11));
}

#[test]
fn resuming_ends_a_back_off() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    desk.at(2, ended(1, Unreachable));
    assert_eq!(desk.at(3, resume(1)), "a1 ready, o2: e1 rings a1, a1 offered");
}

#[test]
fn an_offer_nobody_answers_ends_at_its_deadline_and_pauses_the_agent() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(1, arrive(1));
    assert_eq!(desk.timeout(), Some(21));
    assert_eq!(desk.until(20), "");
    assert_eq!(desk.until(21), "o1 no_answer, a1 paused, o2: e1 rings a2, a2 offered");
    let paused = AgentState::Paused { reason: "no answer".to_owned(), until: Some(Time::from_secs(81)) };
    assert_eq!(desk.state(1), paused);
    desk.at(22, accepted(2));
    assert_eq!(desk.until(80), "");
    assert_eq!(desk.until(81), "a1 ready");
}

#[test]
fn a_phone_may_say_itself_that_nobody_answers() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    assert_eq!(desk.at(9, ended(1, NoAnswer)), "o1 no_answer, a1 paused");
    assert_eq!(desk.timeout(), Some(19), "when the caller may go back to the agent, who alone is left");
}

#[test]
fn without_a_rona_pause_the_same_caller_still_goes_to_others_first() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.agent_with(1, "", |agent| agent.rona_pause = Duration::ZERO);
    desk.at(1, arrive(1));
    assert_eq!(desk.until(21), "o1 no_answer, a1 ready, o2: e1 rings a2, a2 offered");
}

#[test]
fn an_answer_at_the_deadline_comes_too_late() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    assert_eq!(desk.at(21, accepted(1)), "o1 no_answer, a1 paused");
    assert_eq!(desk.acd.ignored(), 1);
}

#[test]
fn a_caller_who_hangs_up_leaves_the_agent_first_among_the_idle() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(1, arrive(1));
    assert_eq!(desk.at(9, leave(1, Exit::Abandoned)), "o1 caller_gone, e1 abandoned after 8, a1 ready");
    assert_eq!(desk.at(10, arrive(2)), "o2: e2 rings a1, a1 offered");
}

#[test]
fn the_phone_may_be_first_to_know_that_the_caller_is_gone() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    assert_eq!(desk.at(9, ended(1, CallerGone)), "o1 caller_gone, e1 abandoned after 8, a1 ready");
    assert_eq!(desk.at(9, leave(1, Exit::Abandoned)), "");
}

#[test]
fn what_is_told_about_an_offer_that_is_over_changes_nothing() {
    for outcome in [Accepted, Declined, Busy, NoAnswer, Unreachable, CallerGone] {
        let mut desk = Desk::ready(&[1]);
        desk.at(1, arrive(1));
        desk.at(2, accepted(1));
        let mut before = desk.acd.clone();
        assert_eq!(desk.at(2, ended(1, outcome)), "");
        before.ignored += 1;
        assert_eq!(desk.acd, before);
    }
}

#[test]
fn pausing_logging_out_or_an_own_call_withdraws_the_offer() {
    for (change, told) in [
        (pause(1, "coffee"), "o1 declined, a1 paused, o2: e1 rings a2, a2 offered"),
        (logout(1), "o1 unreachable, a1 offline, o2: e1 rings a2, a2 offered"),
        (busy(1), "o1 busy, a1 busy, o2: e1 rings a2, a2 offered"),
    ] {
        let mut desk = Desk::ready(&[1, 2]);
        desk.at(1, arrive(1));
        assert_eq!(desk.at(3, change), told);
        assert_eq!(desk.at(4, accepted(1)), "");
    }
}

#[test]
fn changed_settings_leave_a_ringing_offer_alone() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    desk.agent_with(1, "", |agent| agent.ring_time = Duration::from_secs(2));
    desk.queue(1, |queue| queue.needs = need("law 1"));
    assert_eq!(desk.timeout(), Some(21));
    assert_eq!(desk.at(2, accepted(1)), "o1 accepted, e1 answered after 1, a1 talking");
}

#[test]
fn offers_are_numbered_from_the_seed() {
    let mut desk = Desk::ready(&[1]);
    let mut other = Acd::new(1_000);
    for (id, change) in [login(1), arrive(1)].into_iter().enumerate() {
        if id == 0 {
            let settings = QueueSettings::default();
            other.apply(&AcdEvent { at: Time::EPOCH, change: Change::Queue { id: QueueId(1), settings } });
            let settings = AgentSettings::default();
            other.apply(&AcdEvent { at: Time::EPOCH, change: Change::Agent { id: AgentId(1), settings } });
        }
        other.apply(&AcdEvent { at: Time::EPOCH, change });
    }
    let offer = std::iter::from_fn(|| other.poll_decision()).find_map(|decision| match decision {
        Decision::Offer { offer, .. } => Some(offer),
        _ => None,
    });
    assert_eq!(offer, Some(OfferId(1_001)));
    assert_eq!(desk.at(1, arrive(1)), "o1: e1 rings a1, a1 offered");
}

#[test]
fn an_offer_is_explained_by_a_reason_for_each_agent() {
    let mut desk = Desk::ready(&[1, 2]);
    desk.agent(3, "");
    desk.at(1, arrive(1));
    let reasons = desk.acd.explain_offer(OfferId(1)).expect("it rings");
    let deadline = Time::from_secs(21);
    let expected = [
        (AgentId(1), WhyNot::Ringing { offer: OfferId(1), deadline }),
        (AgentId(2), WhyNot::RankedLower),
        (AgentId(3), WhyNot::Offline),
    ];
    assert_eq!(reasons, expected);
    desk.at(2, accepted(1));
    assert_eq!(desk.acd.explain_offer(OfferId(1)), None, "it rings no more");
}

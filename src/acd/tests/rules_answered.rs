//! An agent who has answered and is told something before the caller is heard.

use super::*;
use Outcome::*;

fn answered(offer: u64, until: u64) -> Change {
    Change::Answered { offer: OfferId(offer), until: Time::from_secs(until) }
}

#[test]
fn an_offer_that_is_answered_stands_as_long_as_the_agent_is_told_something() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    assert_eq!(desk.at(20, answered(1, 35)), "a1 offered");
    assert_eq!(desk.state(1), AgentState::Offered { offer: OfferId(1), deadline: Time::from_secs(35) });
    assert_eq!(desk.until(30), "", "it would have rung until second 21");
    assert_eq!(desk.acd.position(EntryId(1)), Some(1), "the caller waits meanwhile");
    assert_eq!(desk.at(31, accepted(1)), "o1 accepted, e1 answered after 30, a1 talking");
}

#[test]
fn what_ends_it_then_ends_it_as_while_it_rang_and_the_caller_keeps_the_place() {
    for (change, told) in [
        (ended(1, Declined), "o1 declined, a1 ready, o2: e1 rings a2, a2 offered"),
        (ended(1, Unreachable), "o1 unreachable, a1 back_off, o2: e1 rings a2, a2 offered"),
        (logout(1), "o1 unreachable, a1 offline, o2: e1 rings a2, a2 offered"),
        (Change::AgentGone { agent: AgentId(1) }, "o1 unreachable, a1 offline, o2: e1 rings a2, a2 offered"),
        (leave(1, Exit::Abandoned), "o1 caller_gone, e1 abandoned after 9, a1 ready"),
    ] {
        let mut desk = Desk::ready(&[1, 2]);
        desk.at(1, arrive(1));
        desk.at(9, answered(1, 20));
        assert_eq!(desk.at(10, change), told);
    }
    let mut desk = Desk::ready(&[1, 2]);
    desk.at(1, arrive(1));
    desk.at(9, answered(1, 30));
    assert_eq!(desk.until(29), "");
    assert_eq!(desk.until(30), "o1 no_answer, a1 paused, o2: e1 rings a2, a2 offered");
}

#[test]
fn what_ends_ringing_comes_after_the_talk_once_the_phone_has_answered() {
    for (change, then) in [(pause(1, "lunch"), "a1 paused"), (busy(1), "a1 busy")] {
        let mut desk = Desk::ready(&[1]);
        desk.at(1, arrive(1));
        desk.at(1, arrive(2));
        desk.at(2, answered(1, 12));
        assert_eq!(desk.at(3, change), "", "the caller is theirs");
        assert_eq!(desk.at(4, accepted(1)), "o1 accepted, e1 answered after 3, a1 talking");
        assert_eq!(desk.at(9, talk_ended(1)), then);
    }
}

#[test]
fn the_longest_wait_does_not_cut_it_short() {
    let mut desk = Desk::ready(&[1]);
    desk.queue(1, |queue| queue.max_wait = Some(Duration::from_secs(10)));
    desk.at(1, arrive(1));
    desk.at(5, answered(1, 25));
    assert_eq!(desk.until(24), "");
    assert_eq!(desk.at(24, ended(1, Declined)), "o1 declined, a1 ready, e1 timed_out after 23");
}

#[test]
fn of_those_who_are_all_rung_the_first_to_answer_has_it_at_once() {
    let mut desk = Desk::ready(&[1, 2, 3]);
    desk.queue(1, |queue| queue.strategy = Strategy::RingAll);
    desk.at(1, arrive(1));
    let told = desk.at(2, answered(2, 12));
    assert_eq!(told, "o1 answered_elsewhere, o3 answered_elsewhere, a2 offered, a1 ready, a3 ready");
    assert_eq!(desk.at(3, answered(1, 12)), "", "too late");
    // Whoever is free is rung again where that comes to nothing.
    assert_eq!(
        desk.at(4, ended(2, Declined)),
        "o2 declined, a2 ready, o4: e1 rings a1, a1 offered, o5: e1 rings a3, a3 offered"
    );
}

#[test]
fn there_is_a_second_at_least_and_an_offer_that_is_over_is_not_answered() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    desk.at(2, answered(1, 0));
    assert_eq!(desk.timeout(), Some(3));
    desk.at(2, ended(1, Declined));
    let ignored = desk.acd.ignored();
    assert_eq!(desk.at(2, answered(1, 9)), "");
    assert_eq!(desk.acd.ignored(), ignored + 1);
}

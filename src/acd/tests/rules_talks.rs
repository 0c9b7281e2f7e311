//! What goes on in a talk: held, consulting, and who it is charged to.

use super::*;
use TalkDetail::*;

fn talk(entry: u64, detail: TalkDetail) -> Change {
    Change::Talk { entry: EntryId(entry), detail }
}

#[test]
fn a_hold_is_told_and_counted_and_ends_with_the_talk() {
    let mut desk = Desk::ready(&[1]);
    desk.agent_with(1, "", |agent| agent.wrap_up = Duration::from_secs(5));
    desk.at(1, arrive(1));
    desk.at(2, accepted(1));
    assert_eq!(desk.at(10, talk(1, Held)), "a1 talking");
    assert_eq!(desk.state(1), AgentState::Talking { entry: EntryId(1), detail: Held });
    assert_eq!(desk.at(14, talk(1, Consulting)), "a1 talking");
    assert_eq!(desk.at(20, talk(1, Speaking)), "a1 talking");
    desk.at(30, talk(1, Held));
    assert_eq!(desk.at(33, talk_ended(1)), "a1 wrap_up");
    desk.until(40);
    let figures = desk.acd.truth().agent(AgentId(1), Time::from_secs(40), 0);
    let spent = TalkDetail::ALL.map(|detail| figures.talking(detail).as_secs());
    assert_eq!((spent, figures.spent(Phase::Talking).as_secs()), ([18, 7, 6], 31));
    let counts = desk.acd.truth().total(QueueId(1));
    assert_eq!((counts.talk_micros, counts.hold_micros), (18_000_000, 13_000_000), "who is held is not talked with");
    desk.at(50, arrive(2));
    desk.at(51, accepted(2));
    assert_eq!(desk.state(1), AgentState::Talking { entry: EntryId(2), detail: Speaking });
}

#[test]
fn what_is_so_already_and_what_is_no_talk_changes_nothing() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    let nothing = |desk: &mut Desk, change| {
        let ignored = desk.acd.ignored();
        assert_eq!(desk.at(3, change), "");
        assert_eq!(desk.acd.ignored(), ignored + 1);
    };
    nothing(&mut desk, talk(1, Held));
    desk.at(2, accepted(1));
    nothing(&mut desk, talk(1, Speaking));
    nothing(&mut desk, talk(2, Held));
    desk.at(3, talk(1, Held));
    nothing(&mut desk, talk(1, Held));
    desk.at(4, talk_ended(1));
    desk.at(5, arrival(3, Arrival { queue: QueueId(1), kind: Kind::Task, ..Arrival::default() }));
    desk.at(6, accepted(2));
    nothing(&mut desk, talk(3, Held));
}

//! A day of phones and people, folded again from what the journal would have: it decides the same, and what does not is found.

use crate::{MORNING, small_day};
use vaxel::acd::{Acd, Change, Decision, Noted, Strategy};
use vaxel::sim::day::Habits;
use vaxel::sim::world::Network;
use vaxel::time::Duration;

/// What was noted in a day, as it comes from the disk.
fn noted() -> Vec<Noted> {
    let noted = small_day(6, Habits::HUMAN, Network::LOSSY).play(21).noted;
    let lines = noted.iter().map(|noted| serde_json::to_string(noted).expect("it can be kept"));
    lines.map(|line| serde_json::from_str(&line).expect("written just now")).collect()
}

/// The first event after which another digest stands than is noted.
fn differs(mut acd: Acd, noted: &[Noted]) -> Option<usize> {
    noted.iter().position(|noted| {
        acd.apply(&noted.event);
        while acd.poll_decision().is_some() {}
        acd.digest() != noted.digest
    })
}

fn begin() -> Acd {
    Acd::new(MORNING.as_micros())
}

#[test]
fn a_day_folds_again_to_the_same_decisions_and_what_decides_otherwise_is_found_at_its_event() {
    let day = noted();
    let talks = day.iter().filter(|noted| matches!(noted.event.change, Change::TalkEnded { .. })).count();
    assert!(day.len() > 500 && talks > 20, "{} events, {talks} talks", day.len());
    assert_eq!(differs(begin(), &day), None);

    // A microsecond more of one talk.
    let place =
        day.iter().rposition(|noted| matches!(noted.event.change, Change::TalkEnded { .. })).expect("they talk");
    let mut other = day.clone();
    other[place].event.at += Duration::from_micros(1);
    assert_eq!(differs(begin(), &other), Some(place));

    // Another rule: found where it first decides otherwise, and not before.
    let mut other = day.clone();
    for noted in &mut other {
        if let Change::Queue { settings, .. } = &mut noted.event.change {
            settings.strategy = Strategy::MostSkilled;
        }
    }
    let (then, now) = (decisions(&day), decisions(&other));
    let first = then.iter().zip(&now).position(|(then, now)| then != now).expect("the rule makes a difference");
    let told =
        day.iter().rposition(|noted| matches!(noted.event.change, Change::Queue { .. })).expect("there are queues");
    assert!(first > told, "at event {first}, and the rule was told with {told}");
    assert_eq!(differs(begin(), &other), Some(first));
    assert_eq!(differs(Acd::new(1), &day), Some(0), "another seed is another day from its beginning");
}

/// Of each event.
fn decisions(noted: &[Noted]) -> Vec<Vec<Decision>> {
    let mut acd = begin();
    noted
        .iter()
        .map(|noted| {
            acd.apply(&noted.event);
            std::iter::from_fn(|| acd.poll_decision()).collect()
        })
        .collect()
}

//! Contact records against what callers and agents saw themselves: true records pass, and each lie is found.

use crate::small_day;
use vaxel::acd::{Exit, Outcome};
use vaxel::record::Contact;
use vaxel::sim::check::Promise;
use vaxel::sim::day::{Day, Habits};
use vaxel::sim::world::Network;
use vaxel::time::Duration;

type Lie = fn(&mut Contact, Duration);

/// On a network that loses nothing, with phones that are always there and in use for nothing else, records are true to
/// the few milliseconds that a message is on its way there and back.
fn day() -> Day {
    let habits = Habits {
        pauses: 0.0,
        calls_colleague: 0.0,
        calls_out: 0.0,
        transfers: 0.0,
        unplugs: 0.0,
        hides: 0.0,
        ..Habits::HUMAN
    };
    small_day(6, habits, Network::PERFECT)
}

#[test]
fn records_say_what_people_saw_and_every_lie_is_found() {
    let mut played = day().play(11);
    assert_eq!(played.records_are_true(), Ok(()));
    let truth = played.contacts.clone();

    let find = |wanted: fn(&Contact) -> bool| truth.iter().position(wanted).expect("such a call is in every such day");
    let answered = find(|contact| !contact.talks.is_empty());
    let declined = find(|contact| contact.offers.iter().any(|offer| offer.outcome == Some(Outcome::Declined)));
    let abandoned = find(|contact| contact.waits.iter().any(|wait| wait.exit == Some(Exit::Abandoned)));
    let left = find(|contact| contact.waits.iter().any(|wait| wait.exit == Some(Exit::LeftByKey)));
    let second = Duration::from_secs(1);
    let lies: [(&str, usize, Lie); 15] = [
        ("answered later", answered, |c, s| c.answered = c.answered.map(|at| at + s)),
        ("never answered", answered, |c, _| c.answered = None),
        ("ended later", answered, |c, s| c.ended += s),
        ("a longer wait before an answer", answered, |c, _| c.waits[0].waited_ms += 1000),
        ("a longer wait before giving up", abandoned, |c, _| c.waits[0].waited_ms += 1000),
        ("a longer wait before a key", left, |c, _| c.waits[0].waited_ms += 1000),
        ("a wait that began sooner", abandoned, |c, s| c.waits[0].since = c.waits[0].since - s),
        ("a longer talk", answered, |c, _| c.talks[0].talked_ms += 1000),
        ("a talk that began later", answered, |c, s| c.talks[0].at += s),
        ("a talk with somebody else", answered, |c, _| c.talks[0].with = "somebody".into()),
        ("no talk", answered, |c, _| c.talks.clear()),
        ("no offer", declined, |c, _| c.offers.clear()),
        ("an offer to somebody else", declined, |c, _| c.offers[0].agent = "somebody".into()),
        ("a longer ringing", declined, |c, _| c.offers[0].rang_ms += 1000),
        ("a yes that was a no", declined, |c, _| {
            c.offers.iter_mut().for_each(|offer| offer.outcome = Some(Outcome::Accepted));
        }),
    ];
    for (lie, place, tell) in lies {
        played.contacts.clone_from(&truth);
        tell(&mut played.contacts[place], second);
        let found = played.records_are_true().map_err(|broken| broken.promise);
        assert_eq!(found, Err(Promise::RecordsAreTrue), "{lie}");
    }

    let both: [fn(&mut Vec<Contact>, usize); 2] =
        [|contacts, place| drop(contacts.remove(place)), |contacts, place| contacts.push(contacts[place].clone())];
    for change in both {
        played.contacts.clone_from(&truth);
        change(&mut played.contacts, answered);
        let found = played.records_are_true().map_err(|broken| broken.promise);
        assert_eq!(found, Err(Promise::OneRecordPerCall));
    }
}

//! Agents who do not want a caller, and phones that say so by themselves.

use crate::settings;
use crate::switchboard::{ANNA, Story};
use vaxel::acd::{Outcome, QueueSettings};
use vaxel::engine::Settings;
use vaxel::record::{AgentPhase, What};
use vaxel::sim::PhoneEvent;
use vaxel::sim::world::{Act, PhoneId};
use vaxel::time::Duration;

/// Anna's other phone.
const ANNAS_MOBILE: PhoneId = PhoneId(2);
const CALLERS: [PhoneId; 3] = [PhoneId(60), PhoneId(61), PhoneId(62)];

/// Anna alone sells, and three callers want to buy.
fn story(change: impl FnOnce(&mut Settings), phones: &[PhoneId]) -> Story {
    let mut settings = settings(2, QueueSettings::default());
    change(&mut settings);
    let mut story = Story::new(settings);
    story.world.add_phone(ANNAS_MOBILE, "agent0", Some("secret0"));
    for phone in phones {
        story.act(*phone, Act::Register { expires: Duration::from_secs(300) });
    }
    for caller in CALLERS {
        story.world.add_phone(caller, &format!("+4670{}", caller.0), None);
    }
    story
}

impl Story {
    fn all_wait_for_sales(&mut self) {
        for caller in CALLERS {
            self.act(caller, Act::Call("100".into()));
            self.act(caller, Act::Key('1'));
        }
    }

    fn times(&self, phone: PhoneId, event: &PhoneEvent) -> usize {
        self.phones.iter().filter(|(id, e)| *id == phone && e == event).count()
    }

    fn rung(&self, phone: PhoneId) -> usize {
        self.phones.iter().filter(|(id, e)| *id == phone && matches!(e, PhoneEvent::Rings { .. })).count()
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |what: &What| match what {
            What::OfferEnded { outcome, .. } => Some(*outcome),
            _ => None,
        };
        self.told.iter().filter_map(outcome).collect()
    }

    fn all_hang_up(mut self) {
        for caller in CALLERS {
            self.act(caller, Act::HangUp);
        }
        self.over();
    }
}

#[test]
fn a_phone_on_do_not_disturb_is_offered_one_caller_and_not_the_whole_line() {
    let mut story = story(|_| {}, &[ANNA]);
    story.act(ANNA, Act::DoNotDisturb(true));
    story.all_wait_for_sales();
    assert_eq!(story.outcomes(), [Outcome::Busy]);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::BackOff));
    story.pass(Duration::from_secs(8));
    assert_eq!(story.times(ANNA, &PhoneEvent::CalledInVain), 1);
    story.pass(Duration::from_secs(3));
    assert_eq!(story.times(ANNA, &PhoneEvent::CalledInVain), 2, "tried again after ten seconds");
    story.pass(Duration::from_secs(15));
    assert_eq!(story.times(ANNA, &PhoneEvent::CalledInVain), 2, "and then after twenty");
    story.act(ANNA, Act::DoNotDisturb(false));
    story.pass(Duration::from_secs(5));
    assert_eq!(story.rung(ANNA), 1, "nobody was refused by a person, so the first in line is rung");
    story.all_hang_up();
}

#[test]
fn a_person_who_declines_is_offered_the_next_caller_at_once() {
    let mut story = story(|_| {}, &[ANNA]);
    story.all_wait_for_sales();
    story.pass(Duration::from_secs(1));
    story.act(ANNA, Act::Decline(480));
    assert_eq!(story.outcomes(), [Outcome::Declined]);
    assert_eq!(story.rung(ANNA), 2);
    story.all_hang_up();
}

#[test]
fn without_an_instant_refusal_every_refusal_is_a_persons() {
    let mut story = story(|settings| settings.limits.instant_refusal = Duration::ZERO, &[ANNA]);
    story.act(ANNA, Act::DoNotDisturb(true));
    story.all_wait_for_sales();
    assert_eq!(story.outcomes(), [Outcome::Declined; 3]);
    story.all_hang_up();
}

#[test]
fn the_other_phone_of_an_agent_rings_on_when_one_refuses_by_itself() {
    let mut story = story(|_| {}, &[ANNA, ANNAS_MOBILE]);
    story.act(ANNA, Act::DoNotDisturb(true));
    story.all_wait_for_sales();
    assert_eq!((story.times(ANNA, &PhoneEvent::CalledInVain), story.outcomes().len()), (1, 0));
    story.act(ANNAS_MOBILE, Act::Answer);
    assert_eq!(story.outcomes(), [Outcome::Accepted]);
    story.act(ANNAS_MOBILE, Act::HangUp);
    story.pass(Duration::from_secs(11));
    // A person who declines means every phone.
    story.act(ANNAS_MOBILE, Act::Decline(603));
    assert_eq!(story.outcomes()[1..], [Outcome::Declined]);
    story.all_hang_up();
}

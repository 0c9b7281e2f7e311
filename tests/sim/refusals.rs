//! Agents who do not want a caller, and phones that say so by themselves.

use crate::switchboard::{ANNA, Story};
use crate::{MORNING, settings};
use vaxel::acd::{Outcome, QueueSettings};
use vaxel::engine::{Engine, Input, Output, Settings};
use vaxel::record::{AgentPhase, What};
use vaxel::sim::PhoneEvent;
use vaxel::sim::media::switchboard;
use vaxel::sim::world::{Act, PhoneId};
use vaxel::sip::digest::{self, Challenge, Login};
use vaxel::sip::{Hop, Message, Method, Transport};
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

#[test]
fn only_credentials_for_what_is_asked_say_that_a_sender_is_known_or_guesses() {
    let nobody_is_trusted = Settings { trunks: Vec::new(), ..settings(2, QueueSettings::default()) };
    let mut engine = Engine::new(nobody_is_trusted, 1, MORNING);
    let remote = "203.0.113.9:5060".parse().unwrap();
    let hop = Hop { transport: Transport::Udp, local: switchboard(), remote, connection: None };
    let mut number = 0;
    // Asks for the number 100; what was answered, and what whoever guards the sockets is told.
    let mut asks = |authorization: Option<String>| {
        number += 1;
        let text = format!(
            "OPTIONS sip:100@vaxel SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK{number}\r\nFrom: <sip:agent0@vaxel>;tag=1\r\n\
             To: <sip:100@vaxel>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\n{}\r\n",
            authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default()
        );
        let message = Box::new(Message::parse(text.as_bytes()).unwrap());
        engine.handle(MORNING, Input::Sip { hop, message });
        let (mut answer, mut judged) = (None, Vec::new());
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Sip(sent) => answer = Some(Message::parse(&sent.bytes).unwrap()),
                Output::Judged { is_right, .. } => judged.push(is_right),
                _ => {}
            }
        }
        let Some(Message::Response(answer)) = answer else { panic!("no answer") };
        (answer, judged)
    };
    let challenge = Challenge::parse(asks(None).0.headers.get("WWW-Authenticate").unwrap()).unwrap();
    let mut shows = |password, uri, nc| {
        let login = Login { user: "agent0", password, method: &Method::Options, uri, cnonce: "c", nc };
        let (answer, judged) = asks(Some(digest::answer(&challenge, &login)));
        (answer.code, judged)
    };
    assert_eq!(shows("secret0", "sip:200@vaxel", 1), (400, vec![]), "overheard when it was shown for another number");
    assert_eq!(shows("guess", "sip:100@vaxel", 1), (403, vec![false]));
    assert_eq!(shows("secret0", "sip:100@vaxel", 1), (200, vec![true]));
}

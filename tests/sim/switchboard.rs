//! Single stories: who may call whom, and what the others are told.

use crate::{MORNING, settings};
use vaxel::acd::QueueSettings;
use vaxel::engine::{Input, Network as Net, Output, Settings};
use vaxel::record::{AgentPhase, EndedBy, What};
use vaxel::sim::PhoneEvent;
use vaxel::sim::media::switchboard;
use vaxel::sim::world::{Act, Happening, Network, PhoneId, World};
use vaxel::sip::{Hop, Message, Method, Request, Transport};
use vaxel::time::Duration;

pub const ANNA: PhoneId = PhoneId(0);
pub const BJORN: PhoneId = PhoneId(1);
pub const CALLER: PhoneId = PhoneId(50);
const STRANGER: PhoneId = PhoneId(70_000);

/// Two agents (`agent0`, `agent1`), and callers from addresses 11.0.50.0/24.
pub fn office() -> Settings {
    let mut settings = settings(2, QueueSettings::default());
    settings.trunks[0].from = vec![Net { address: World::address(CALLER, 0).ip(), prefix: 32 }];
    settings
}

pub struct Story {
    pub world: World,
    pub told: Vec<What>,
    pub phones: Vec<(PhoneId, PhoneEvent)>,
}

impl Story {
    pub fn new(settings: Settings) -> Story {
        let mut world = World::new(settings, Network::PERFECT, 1, MORNING);
        world.add_phone(ANNA, "agent0", Some("secret0"));
        world.add_phone(BJORN, "agent1", Some("secret1"));
        world.add_phone(CALLER, "+46701", None);
        world.add_phone(STRANGER, "mallory", Some("guess"));
        Story { world, told: Vec::new(), phones: Vec::new() }
    }

    pub fn act(&mut self, id: PhoneId, act: Act) {
        self.world.act_in(Duration::ZERO, id, act);
        self.pass(Duration::from_millis(200));
    }

    pub fn pass(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while let Some(happening) = self.world.next(until) {
            match happening {
                Happening::Event(event) => self.told.push(event.what),
                Happening::Phone(id, event) => self.phones.push((id, event)),
                Happening::Note(_) | Happening::Did(..) => {}
            }
        }
    }

    pub fn register_both(&mut self) {
        for id in [ANNA, BJORN] {
            self.act(id, Act::Register { expires: Duration::from_secs(300) });
            assert!(self.happened(id, &PhoneEvent::Registered));
        }
    }

    pub fn happened(&self, id: PhoneId, event: &PhoneEvent) -> bool {
        self.phones.iter().any(|(i, e)| *i == id && e == event)
    }

    pub fn failed(&self, id: PhoneId) -> Option<u16> {
        self.phones.iter().rev().find_map(|(i, e)| match e {
            PhoneEvent::Failed { code } if *i == id => Some(*code),
            _ => None,
        })
    }

    pub fn phase(&self, agent: &str) -> Option<AgentPhase> {
        self.told.iter().rev().find_map(|what| match what {
            What::Agent { agent: a, phase, .. } if **a == *agent => Some(*phase),
            _ => None,
        })
    }

    pub fn ended_by(&self) -> Option<EndedBy> {
        self.told.iter().rev().find_map(|what| match what {
            What::CallEnded { by, .. } => Some(*by),
            _ => None,
        })
    }

    /// The code that answers an OPTIONS without credentials from where this phone is.
    fn asks(&mut self, id: PhoneId) -> u16 {
        let mut request = Request::new(Method::Options, "sip:vaxel".parse().unwrap());
        let (local, remote) = (switchboard(), World::address(id, 5060));
        for (name, value) in [
            ("Via", format!("SIP/2.0/UDP {remote};branch=z9hG4bK{}{}", id.0, self.world.now().as_micros())),
            ("From", "<sip:anna@vaxel>;tag=a".into()),
            ("To", "<sip:vaxel>".into()),
            ("Call-ID", format!("asks-{}-{}", id.0, self.world.now().as_micros())),
            ("CSeq", "1 OPTIONS".into()),
        ] {
            request.headers.push(name, value);
        }
        let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
        let now = self.world.now();
        self.world.engine.handle(now, Input::Sip { hop, message: Box::new(Message::Request(request)) });
        let answer = std::iter::from_fn(|| self.world.engine.poll_output()).find_map(|output| match output {
            Output::Sip(transmit) => match Message::parse(&transmit.bytes) {
                Ok(Message::Response(response)) => Some(response.code),
                _ => None,
            },
            _ => None,
        });
        answer.expect("an answer at once")
    }

    /// Everybody is gone; nothing may be remembered.
    pub fn over(mut self) {
        for id in [ANNA, BJORN, CALLER, STRANGER] {
            self.act(id, Act::Unplug);
        }
        self.pass(Duration::from_secs(60));
        self.world.must_be_over();
    }
}

#[test]
fn an_agent_calls_a_colleague_and_both_are_busy_meanwhile() {
    let mut story = Story::new(office());
    story.register_both();
    story.act(ANNA, Act::Call("2001".into()));
    assert!(story.happened(ANNA, &PhoneEvent::Ringing), "the caller hears that it rings");
    assert!(story.happened(BJORN, &PhoneEvent::Rings { from: "agent0".into() }));
    story.act(BJORN, Act::Answer);
    assert!(story.world.phone(ANNA).is_some_and(vaxel::sim::Phone::is_talking));
    assert_eq!((story.phase("agent0"), story.phase("agent1")), (Some(AgentPhase::Busy), Some(AgentPhase::Busy)));
    story.act(BJORN, Act::HangUp);
    assert!(story.happened(ANNA, &PhoneEvent::Ended));
    assert_eq!(story.ended_by(), Some(EndedBy::Agent));
    assert_eq!((story.phase("agent0"), story.phase("agent1")), (Some(AgentPhase::Ready), Some(AgentPhase::Ready)));
    story.over();
}

#[test]
fn what_the_colleague_says_is_what_the_caller_is_told() {
    let mut story = Story::new(office());
    story.register_both();
    story.act(ANNA, Act::Call("2001".into()));
    story.act(BJORN, Act::Decline(486));
    assert_eq!(story.failed(ANNA), Some(486));
    story.act(ANNA, Act::Call("2001".into()));
    story.act(BJORN, Act::Decline(603));
    assert_eq!(story.failed(ANNA), Some(603));
    story.act(ANNA, Act::Call("2001".into()));
    story.pass(Duration::from_secs(40));
    assert_eq!(story.failed(ANNA), Some(408), "nobody answered within the ring time");
    story.act(BJORN, Act::Unregister);
    story.act(ANNA, Act::Call("2001".into()));
    assert_eq!(story.failed(ANNA), Some(480));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Ready));
    story.over();
}

#[test]
fn who_declines_at_one_phone_is_rung_at_no_other() {
    let mut story = Story::new(office());
    let second = PhoneId(60);
    story.world.add_phone(second, "agent1", Some("secret1"));
    story.register_both();
    story.act(second, Act::Register { expires: Duration::from_secs(300) });
    for (code, rings_on) in [(486, true), (603, false), (600, false)] {
        story.phones.clear();
        story.act(ANNA, Act::Call("2001".into()));
        assert!(story.happened(second, &PhoneEvent::Rings { from: "agent0".into() }));
        story.act(BJORN, Act::Decline(code));
        assert_eq!(story.happened(second, &PhoneEvent::StoppedRinging), !rings_on, "{code}");
        assert_eq!(story.failed(ANNA), (!rings_on).then_some(code));
        story.act(ANNA, Act::HangUp);
    }
    story.act(second, Act::Unplug);
    story.over();
}

#[test]
fn a_caller_who_gives_up_stops_the_colleagues_phone() {
    let mut story = Story::new(office());
    story.register_both();
    story.act(ANNA, Act::Call("2001".into()));
    story.act(ANNA, Act::HangUp);
    assert!(story.happened(BJORN, &PhoneEvent::StoppedRinging));
    assert_eq!(story.ended_by(), Some(EndedBy::Caller));
    story.over();
}

#[test]
fn strangers_are_challenged_and_nothing_is_relayed_for_them() {
    let mut story = Story::new(office());
    story.register_both();
    for number in ["100", "2001", "+4687000000", "*1", "agent1"] {
        story.act(STRANGER, Act::Call(number.into()));
        assert_eq!(story.failed(STRANGER), Some(403), "{number}: a wrong account is refused");
    }
    story.act(STRANGER, Act::Register { expires: Duration::from_secs(60) });
    assert!(story.happened(STRANGER, &PhoneEvent::RegistrationFailed { code: 403 }));
    let failures = story.told.iter().filter(|what| matches!(what, What::AuthenticationFailed { .. }));
    assert_eq!(failures.count(), 6, "each wrong account is told");
    assert!(!story.phones.iter().any(|(id, e)| *id == BJORN && matches!(e, PhoneEvent::Rings { .. })));
    assert!(!story.told.iter().any(|what| matches!(what, What::CallStarted { .. })));
    story.over();
}

#[test]
fn a_trunk_reaches_numbers_and_nothing_else() {
    let mut story = Story::new(office());
    story.register_both();
    for inside in ["2001", "*1", "agent1", "+4687000000", "nobody"] {
        story.act(CALLER, Act::Call(inside.into()));
        assert_eq!(story.failed(CALLER), Some(404), "{inside}");
    }
    assert!(!story.phones.iter().any(|(id, e)| *id == BJORN && matches!(e, PhoneEvent::Rings { .. })));
    story.over();
}

#[test]
fn an_account_registers_only_itself() {
    let mut settings = office();
    settings.agents[1].password = "secret0".into();
    let mut story = Story::new(settings);
    // The right password of another account is still a wrong one for this account's name.
    story.act(BJORN, Act::Register { expires: Duration::from_secs(60) });
    assert!(story.happened(BJORN, &PhoneEvent::RegistrationFailed { code: 403 }));
    story.over();
}

#[test]
fn a_registered_phone_that_asks_is_answered_and_a_stranger_is_challenged() {
    let mut story = Story::new(office());
    story.register_both();
    assert_eq!(story.asks(ANNA), 200);
    assert_eq!(story.asks(STRANGER), 401);
    story.act(ANNA, Act::Unregister);
    assert_eq!(story.asks(ANNA), 401);
    story.over();
}

#[test]
fn a_phone_behind_nat_that_vanishes_is_noticed_long_before_its_registration_ends() {
    let mut story = Story::new(office());
    let home = PhoneId(60);
    story.world.add_phone_behind_nat(home, "agent0", Some("secret0"));
    story.act(home, Act::Register { expires: Duration::from_secs(300) });
    story.act(BJORN, Act::Register { expires: Duration::from_secs(300) });
    story.pass(Duration::from_secs(60));
    assert_eq!((story.phase("agent0"), story.phase("agent1")), (Some(AgentPhase::Ready), Some(AgentPhase::Ready)));
    story.act(home, Act::Unplug);
    story.act(BJORN, Act::Unplug);
    // Asked after 25 s at the latest, and given 32 s to answer (RFC 3261 timer F).
    story.pass(Duration::from_secs(58));
    assert_eq!((story.phase("agent0"), story.phase("agent1")), (Some(AgentPhase::Offline), Some(AgentPhase::Ready)));
    story.pass(Duration::from_secs(300));
    story.over();
}

#[test]
fn codes_pause_and_resume() {
    let mut story = Story::new(office());
    story.register_both();
    story.act(ANNA, Act::Call("*2".into()));
    assert!(story.world.phone(ANNA).is_some_and(vaxel::sim::Phone::is_talking), "the code is confirmed by voice");
    story.pass(Duration::from_secs(5));
    assert!(story.happened(ANNA, &PhoneEvent::Ended));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Paused));
    story.act(ANNA, Act::Call("*1".into()));
    story.pass(Duration::from_secs(5));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Ready));
    story.over();
}

#[test]
fn a_code_gives_more_time_for_notes_once() {
    let mut settings = office();
    settings.agents[0].settings.wrap_up_extension = Duration::from_secs(60);
    let mut story = Story::new(settings);
    story.register_both();
    for act in [Act::Call("100".into()), Act::Key('1')] {
        story.act(CALLER, act);
        story.pass(Duration::from_secs(1));
    }
    story.act(ANNA, Act::Answer);
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Talking));
    story.act(CALLER, Act::HangUp);
    story.act(ANNA, Act::Call("*4".into()));
    assert!(story.world.phone(ANNA).is_some_and(vaxel::sim::Phone::is_talking), "the code is confirmed by voice");
    story.pass(Duration::from_secs(15));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::WrapUp));
    story.act(ANNA, Act::Call("*4".into()));
    assert_eq!(story.failed(ANNA), Some(480), "not twice");
    story.pass(Duration::from_secs(60));
    assert_eq!(story.phase("agent0"), Some(AgentPhase::Ready));
    story.over();
}

#[test]
fn at_the_limit_of_calls_the_next_is_asked_to_come_later() {
    let mut settings = office();
    settings.limits.calls = 1;
    let mut story = Story::new(settings);
    story.register_both();
    story.act(ANNA, Act::Call("2001".into()));
    story.act(CALLER, Act::Call("100".into()));
    assert_eq!(story.failed(CALLER), Some(503));
    assert!(
        story
            .told
            .iter()
            .any(|what| matches!(what, What::CallRefused { code: 503, reason } if **reason == *"too_many_calls"))
    );
    story.act(ANNA, Act::HangUp);
    story.over();
}

/// Times that the account was told that it has enough calls.
fn times_full(story: &Story) -> usize {
    let named = |what: &&What| matches!(what, What::AgentFull { agent } if **agent == *"agent0");
    let refused = |what: &&What| matches!(what, What::CallRefused { code: 486, reason } if **reason == *"agent_full");
    let times = story.told.iter().filter(named).count();
    assert_eq!(story.told.iter().filter(refused).count(), times);
    times
}

#[test]
fn an_account_that_calls_without_end_leaves_room_for_everybody_else() {
    let mut settings = office();
    settings.limits.calls = 12;
    let mut story = Story::new(settings);
    story.register_both();
    let lines: Vec<PhoneId> = (200..215).map(PhoneId).collect();
    for id in &lines {
        story.world.add_phone(*id, "agent0", Some("secret0"));
        story.act(*id, Act::Call("100".into()));
    }
    assert_eq!(lines.iter().filter(|id| story.failed(**id) == Some(486)).count(), 5, "ten are enough for anybody");
    assert_eq!(times_full(&story), 5);
    story.act(CALLER, Act::Call("100".into()));
    story.act(BJORN, Act::Call("100".into()));
    assert!([CALLER, BJORN].into_iter().all(|id| story.world.phone(id).is_some_and(vaxel::sim::Phone::is_talking)));
    // One for one.
    story.act(lines[0], Act::HangUp);
    story.act(lines[14], Act::Call("100".into()));
    assert!(story.world.phone(lines[14]).is_some_and(vaxel::sim::Phone::is_talking));
    lines.into_iter().for_each(|id| story.act(id, Act::HangUp));
    story.over();
}

#[test]
fn a_call_is_its_beginners_until_it_is_handed_on_and_calls_for_help_go_beside_it() {
    let outside = PhoneId(51);
    let hop = Hop {
        transport: Transport::Udp,
        local: switchboard(),
        remote: World::address(outside, 5060),
        connection: None,
    };
    let mut settings = office();
    settings.agents[0].calls = 1;
    let trunk = &mut settings.trunks[0];
    (trunk.sends, trunk.emergency) = (true, true);
    trunk.targets = vec![vaxel::engine::Target { hop, priority: 0, weight: 1 }];
    let mut story = Story::new(settings);
    story.world.add_phone(outside, "help", None);
    story.register_both();
    story.act(ANNA, Act::Call("2001".into()));
    story.act(BJORN, Act::Answer);
    story.act(ANNA, Act::Transfer("100".into()));
    story.act(ANNA, Act::HangUp);
    assert!(story.world.phone(BJORN).is_some_and(vaxel::sim::Phone::is_talking), "he hears the menu");
    story.act(ANNA, Act::Call("100".into()));
    assert!(story.world.phone(ANNA).is_some_and(vaxel::sim::Phone::is_talking), "she has handed him on");
    let second = PhoneId(210);
    story.world.add_phone(second, "agent0", Some("secret0"));
    story.act(second, Act::Call("100".into()));
    assert_eq!((story.failed(second), times_full(&story)), (Some(486), 1));
    story.act(ANNA, Act::HangUp);
    story.act(ANNA, Act::Call("112".into()));
    story.act(outside, Act::Answer);
    assert!(story.world.phone(outside).is_some_and(vaxel::sim::Phone::is_talking));
    story.act(BJORN, Act::HangUp);
    story.act(ANNA, Act::HangUp);
    story.act(ANNA, Act::Call("100".into()));
    assert!(story.world.phone(ANNA).is_some_and(vaxel::sim::Phone::is_talking));
    assert_eq!(times_full(&story), 1);
    story.act(ANNA, Act::HangUp);
    story.act(outside, Act::Unplug);
    story.over();
}

#[test]
fn a_call_that_lasts_too_long_is_ended() {
    let mut settings = office();
    settings.limits.call_duration = Duration::from_secs(600);
    let mut story = Story::new(settings);
    story.register_both();
    story.act(ANNA, Act::Call("2001".into()));
    story.act(BJORN, Act::Answer);
    story.pass(Duration::from_secs(601));
    assert!(story.happened(ANNA, &PhoneEvent::Ended) && story.happened(BJORN, &PhoneEvent::Ended));
    assert_eq!(story.ended_by(), Some(EndedBy::System));
    story.over();
}

#[test]
fn draining_refuses_new_calls_lets_talks_be_and_ends_them_at_the_limit() {
    let mut story = Story::new(office());
    story.register_both();
    story.act(ANNA, Act::Call("2001".into()));
    story.act(BJORN, Act::Answer);
    let until = story.world.now() + Duration::from_secs(300);
    story.world.input(Input::Drain { until });
    story.act(CALLER, Act::Call("100".into()));
    assert_eq!(story.failed(CALLER), Some(503));
    story.pass(Duration::from_secs(200));
    assert!(story.world.phone(ANNA).is_some_and(vaxel::sim::Phone::is_talking), "the talk goes on");
    story.pass(Duration::from_secs(101));
    assert!(story.happened(ANNA, &PhoneEvent::Ended) && story.happened(BJORN, &PhoneEvent::Ended));
    story.over();
}

#[test]
fn hold_is_told_to_both_records_and_the_other_party() {
    let mut story = Story::new(office());
    story.register_both();
    story.act(ANNA, Act::Call("2001".into()));
    story.act(BJORN, Act::Answer);
    story.act(ANNA, Act::Hold(true));
    assert!(story.told.iter().any(|what| matches!(what, What::Held { .. })));
    story.act(ANNA, Act::Hold(false));
    assert!(story.told.iter().any(|what| matches!(what, What::Resumed { .. })));
    story.act(ANNA, Act::HangUp);
    story.over();
}

#[test]
fn as_many_phones_as_two_agents_have_may_take_one_place_at_once_and_the_next_is_told_to_try_again() {
    let settings = office();
    let most = 2 * settings.registrar.contacts_max as u32;
    let mut story = Story::new(settings);
    story.register_both();
    story.act(BJORN, Act::Call("2000".into()));
    story.act(ANNA, Act::Answer);
    assert!(story.world.phone(ANNA).is_some_and(vaxel::sim::Phone::is_talking));
    // All before any of them has a port.
    let others: Vec<PhoneId> = (200..=200 + most).map(PhoneId).collect();
    for id in &others {
        story.world.add_phone(*id, "agent0", Some("secret0"));
        story.world.act_in(Duration::ZERO, *id, Act::TakeOver(ANNA));
    }
    story.pass(Duration::from_secs(1));
    let refused =
        |what: &&What| matches!(what, What::CallRefused { code: 503, reason } if **reason == *"too_many_legs");
    assert_eq!(story.told.iter().filter(refused).count(), 1);
    assert_eq!(others.iter().filter(|id| story.failed(**id) == Some(503)).count(), 1);
    let talks = |id: &&PhoneId| story.world.phone(**id).is_some_and(vaxel::sim::Phone::is_talking);
    let talking: Vec<_> = others.iter().filter(talks).copied().collect();
    assert_eq!(talking.len(), 1, "one of them has the call");
    assert!(!talks(&&ANNA) && talks(&&BJORN));
    story.act(BJORN, Act::HangUp);
    assert!(story.happened(talking[0], &PhoneEvent::Ended));
    story.over();
}

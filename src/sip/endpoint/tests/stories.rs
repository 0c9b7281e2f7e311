//! Random calls over a bad network: both sides tell the same story, and nothing is left behind.

use crate::sip::endpoint::{EndCause, Endpoint, Event, Failure, InviteId, Transport};
use crate::sip::headers::Headers;
use crate::sip::testing::{Weather, World, ms};
use crate::time::{Duration, Time};
use std::collections::BTreeMap;

/// What one side knows in the end.
#[derive(Clone, Debug, Default, PartialEq)]
struct Story {
    invited: bool,
    /// We accepted or were accepted.
    talked: bool,
    confirmed: bool,
    rejected: Option<u16>,
    cancelled_by_peer: bool,
    cancel_wanted: bool,
    failed: Option<Failure>,
    bye_by_us: bool,
    ended: Option<EndCause>,
    offers: u32,
    offer_answers: u32,
}

impl Story {
    fn is_over(&self) -> bool {
        self.rejected.is_some()
            || self.cancelled_by_peer
            || self.failed.is_some()
            || self.bye_by_us
            || self.ended.is_some()
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Invite,
    Ring,
    Accept,
    Reject(u16),
    Cancel,
    Bye,
    Reinvite,
    Info,
    AnswerOffer,
    RefuseOffer,
}

struct Call {
    world: World,
    ids: [Option<InviteId>; 2],
    stories: [Story; 2],
    plan: BTreeMap<(Time, u64), (usize, Act)>,
    planned: u64,
}

impl Call {
    fn new(seed: u64, transport: Transport, weather: Weather) -> Call {
        let world = World::new(seed, transport, weather);
        let mut call = Call { world, ids: [None; 2], stories: Default::default(), plan: BTreeMap::new(), planned: 0 };
        call.plan_in(ms(0), 0, Act::Invite);
        // A quarter of the callers lose patience somewhere round the answer, all of them in the end.
        let patience = if call.world.percent(25) { Duration::from_secs(6) } else { Duration::from_secs(120) };
        call.plan_within(patience, 0, Act::Cancel);
        call.plan_in(Duration::from_secs(120), 0, Act::Cancel);
        call
    }

    fn plan_in(&mut self, after: Duration, node: usize, act: Act) {
        self.planned += 1;
        self.plan.insert((self.world.now + after, self.planned), (node, act));
    }

    fn plan_within(&mut self, time: Duration, node: usize, act: Act) {
        let at = self.world.within(time);
        self.planned += 1;
        self.plan.insert((at, self.planned), (node, act));
    }

    fn run(&mut self) {
        loop {
            let next = self.plan.keys().next().map(|(at, _)| *at);
            if let Some(at) = next
                && self.world.next_wake().is_none_or(|wake| at <= wake)
            {
                self.world.now = self.world.now.max(at);
                let (node, act) = self.plan.pop_first().expect("just seen").1;
                self.act(node, act);
            } else if !self.world.step(Time::NEVER) {
                break;
            }
            for node in 0..2 {
                for event in self.world.take_events(node) {
                    self.heard(node, event);
                }
            }
            assert!(self.world.now < Time::from_secs(1_010_000), "a call that never ends");
        }
    }

    fn act(&mut self, node: usize, act: Act) {
        if let Act::Invite = act {
            let invitation = self.world.invitation(0);
            let id = self.world.act(0, |endpoint, now| endpoint.invite(now, invitation));
            self.ids[0] = Some(id);
            self.stories[0].invited = true;
            return;
        }
        let Some(id) = self.ids[node] else { return };
        let story = &mut self.stories[node];
        if story.is_over() {
            return;
        }
        let verb: fn(&mut Endpoint, Time, InviteId) = match act {
            Act::Ring if !story.talked => |e, now, id| e.ring(now, id, 180, Vec::new()),
            Act::Accept if !story.talked => {
                story.talked = true;
                self.talk(node);
                |e, now, id| e.accept(now, id, b"answer".to_vec())
            }
            Act::Reject(code) if !story.talked => {
                story.rejected = Some(code);
                |e, now, id| e.reject(now, id, 486, Headers::new())
            }
            Act::Cancel if !story.talked => {
                story.cancel_wanted = true;
                |e, now, id| e.cancel(now, id, Some("SIP;cause=200"))
            }
            Act::Bye => {
                story.bye_by_us = true;
                |e, now, id| e.bye(now, id, None)
            }
            Act::Reinvite => {
                story.offers += 1;
                |e, now, id| e.reinvite(now, id, b"new offer".to_vec())
            }
            Act::Info => |e, now, id| e.info(now, id, "application/dtmf-relay", b"Signal=5".to_vec()),
            Act::AnswerOffer => |e, now, id| e.answer_offer(now, id, b"new answer".to_vec()),
            Act::RefuseOffer => |e, now, id| e.refuse_offer(now, id, 488, crate::sip::Headers::new()),
            _ => return,
        };
        self.world.act(node, |endpoint, now| verb(endpoint, now, id));
    }

    /// What a side will do while it talks; in the end it hangs up.
    fn talk(&mut self, node: usize) {
        for act in [Act::Reinvite, Act::Info, Act::Reinvite] {
            if self.world.percent(50) {
                self.plan_within(Duration::from_secs(4), node, act);
            }
        }
        // Both at once now and then.
        let bye = if self.world.percent(30) { ms(5000) } else { ms(4000 + 6000 * node as u64) };
        let bye = if self.world.percent(20) { ms(0) } else { bye };
        self.plan_in(bye, node, Act::Bye);
    }

    fn heard(&mut self, node: usize, event: Event) {
        assert!(!self.stories[node].is_over(), "nothing is said after the end: {event:?}\n{:?}", self.stories);
        match event {
            Event::Invite { id, .. } => {
                assert_eq!((node, self.ids[1]), (1, None), "one call reaches its callee once");
                self.ids[1] = Some(id);
                self.stories[1].invited = true;
                self.plan_within(ms(1500), 1, Act::Ring);
                let act = if self.world.percent(75) { Act::Accept } else { Act::Reject(486) };
                self.plan_within(ms(8000), 1, act);
            }
            Event::Cancelled { .. } => self.stories[node].cancelled_by_peer = true,
            Event::Confirmed { .. } => {
                assert!(!self.stories[node].confirmed, "one ACK is told once");
                self.stories[node].confirmed = true;
            }
            Event::Progress { code, .. } => assert!((101..200).contains(&code)),
            Event::Answered { response, .. } => {
                assert_eq!(response.body, b"answer");
                assert!(!self.stories[0].talked, "one answer is told once");
                self.stories[0].talked = true;
                self.talk(0);
            }
            Event::Failed { failure, .. } => self.stories[0].failed = Some(failure),
            Event::Offered { offer, .. } => {
                assert_eq!(offer, b"new offer");
                let act = if self.world.percent(80) { Act::AnswerOffer } else { Act::RefuseOffer };
                self.plan_within(ms(300), node, act);
            }
            Event::OfferWithdrawn { .. } => panic!("nobody cancels a re-INVITE here"),
            Event::OfferAnswered { result, .. } => {
                self.stories[node].offer_answers += 1;
                assert!(matches!(result.as_deref(), Ok(b"new answer") | Err(487 | 488 | 491 | 500)), "{result:?}");
            }
            Event::Info { body, .. } => assert_eq!(body, b"Signal=5"),
            Event::Ended { cause, .. } => self.stories[node].ended = Some(cause),
            Event::Refer { .. } | Event::ReferAnswered { .. } | Event::ReferProgress { .. } => {
                panic!("unexpected {event:?}")
            }
            Event::RefreshDue { .. } | Event::Challenged { .. } | Event::Request { .. } | Event::Response { .. } => {
                panic!("unexpected {event:?}")
            }
        }
    }

    /// Whether the two stories can both be true.
    fn check(&self) {
        let [caller, callee] = &self.stories;
        let context = || format!("caller {caller:?}\ncallee {callee:?}");
        assert!(caller.is_over(), "{}", context());
        assert!(!callee.invited || callee.is_over(), "{}", context());
        match &caller.failed {
            None => {
                assert!(caller.talked && callee.talked, "{}", context());
                let silent = Some(EndCause::NoAck);
                assert!(callee.ended != silent || caller.ended.is_some() || caller.bye_by_us, "{}", context());
            }
            Some(Failure::Response(response)) => {
                assert_eq!((response.code, callee.rejected), (486, Some(486)), "{}", context());
            }
            Some(Failure::Cancelled) => {
                assert!(caller.cancel_wanted, "{}", context());
                let crossed = callee.talked && callee.is_over();
                let refused = callee.rejected.is_some();
                assert!(!callee.invited || callee.cancelled_by_peer || crossed || refused, "{}", context());
            }
            Some(Failure::Timeout) => assert!(self.world.weather.lost > 0, "{}", context()),
            Some(other) => panic!("{other:?}: {}", context()),
        }
        if callee.talked {
            // Every 2xx was acknowledged, or ended by BYE from one side.
            let bye = self.world.count(0, "BYE") + self.world.count(1, "BYE");
            assert!(bye > 0, "{}", context());
            assert!(callee.confirmed || callee.ended.is_some() || callee.bye_by_us, "{}", context());
        }
        if callee.cancelled_by_peer {
            assert!(caller.failed.is_some() && !callee.talked, "{}", context());
        }
        for (story, other) in [(caller, callee), (callee, caller)] {
            assert!(story.offer_answers <= story.offers, "{}", context());
            // A 481 to a request can come before the BYE that made it one.
            let gone = story.ended == Some(EndCause::PeerGone);
            assert!(!gone || other.bye_by_us || self.world.weather.lost > 0, "{}", context());
        }
        self.world.assert_empty();
    }
}

fn tell(seeds: std::ops::Range<u64>, transport: Transport, weather: Weather) -> Vec<[Story; 2]> {
    let mut stories = Vec::new();
    for seed in seeds {
        let mut call = Call::new(seed, transport, weather);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            call.run();
            call.check();
        }));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            panic!("seed {seed}, {transport:?}, {weather:?}: {}", text.unwrap_or("?"));
        }
        stories.push(call.stories);
    }
    stories
}

/// That the random calls really reach what they are to test.
fn assert_seen(stories: &[[Story; 2]], what: &str, least: usize, holds: impl Fn(&Story, &Story) -> bool) {
    let seen = stories.iter().filter(|[caller, callee]| holds(caller, callee)).count();
    assert!(seen >= least, "{what}: only {seen} of {}", stories.len());
}

#[test]
fn both_sides_tell_the_same_story_over_a_network_that_loses_doubles_and_reorders() {
    let stories = tell(0..500, Transport::Udp, Weather::ROUGH);
    assert_seen(&stories, "talked", 200, |caller, _| caller.talked);
    assert_seen(&stories, "rejected", 50, |_, callee| callee.rejected.is_some());
    assert_seen(&stories, "cancelled", 50, |_, callee| callee.cancelled_by_peer);
    assert_seen(&stories, "CANCEL crossed 2xx", 5, |caller, callee| caller.failed.is_some() && callee.talked);
    assert_seen(&stories, "BYE crossed BYE", 10, |caller, callee| caller.bye_by_us && callee.bye_by_us);
    assert_seen(&stories, "offers both ways", 20, |caller, callee| caller.offers > 0 && callee.offers > 0);
}

#[test]
fn both_sides_tell_the_same_story_over_a_calm_network() {
    let calm = Weather { delay: (ms(20), ms(400)), ..Weather::CALM };
    let stories = tell(1000..1200, Transport::Udp, calm);
    assert_seen(&stories, "confirmed", 80, |_, callee| callee.confirmed);
}

#[test]
fn both_sides_tell_the_same_story_over_streams() {
    let slow = Weather { delay: (ms(200), ms(200)), ..Weather::CALM };
    let stories = tell(2000..2200, Transport::Tcp, slow);
    assert_seen(&stories, "confirmed", 80, |_, callee| callee.confirmed);
    assert_seen(&stories, "cancelled", 20, |_, callee| callee.cancelled_by_peer);
}

#[test]
fn both_sides_end_even_when_most_datagrams_are_lost() {
    let storm = Weather { lost: 60, doubled: 20, delay: (ms(1), ms(2000)) };
    for seed in 3000..3100 {
        let mut call = Call::new(seed, Transport::Udp, storm);
        call.run();
        call.world.assert_empty();
        let [caller, callee] = &call.stories;
        assert!(caller.is_over() && (!callee.invited || callee.is_over()), "seed {seed}: {:?}", call.stories);
    }
}

#[test]
fn one_seed_gives_one_story_message_for_message() {
    let trace = || {
        let mut call = Call::new(42, Transport::Udp, Weather::ROUGH);
        call.run();
        call.world.sent
    };
    assert_eq!(trace(), trace());
}

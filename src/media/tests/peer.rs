//! Whose packets are heard, where ours go, and when a peer is silent.

use super::*;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn silent(phone: &Phone, since: Time) -> Event {
    Event::Silent { leg: phone.leg, since }
}

#[test]
fn a_phone_behind_nat_is_found_by_its_first_packet_and_only_once() {
    let mut bench = Bench::new();
    let (mut a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
    bench.bridge(&a, &b);
    bench.play(&a, 1, &["music"], true);
    bench.pass(MS * 100);
    assert!(bench.heard(&a).iter().all(|sent| sent.to == at("192.0.2.1:4000")), "until then where it said");
    a.from = at("203.0.113.7:31000");
    bench.say(&mut a, &[1; 160]);
    let count = bench.heard(&a).len();
    bench.pass(MS * 100);
    assert!(bench.heard(&a)[count..].iter().all(|sent| sent.to == a.from));

    let heard = bench.heard(&b).len();
    for stranger in ["203.0.113.7:31001", "198.51.100.9:31000"] {
        a.from = at(stranger);
        bench.say(&mut a, &[2; 160]);
    }
    assert_eq!(bench.heard(&b).len(), heard, "not heard");
    let count = bench.heard(&a).len();
    bench.pass(MS * 100);
    assert!(bench.heard(&a)[count..].iter().all(|sent| sent.to == at("203.0.113.7:31000")), "not answered");
    assert_eq!(bench.deck.counters().packets_foreign, 2);
    assert_eq!(bench.deck.counters().packets_received, 1);
    bench.command(Command::Close { leg: a.leg });
    let Some(Event::Closed { quality, .. }) = bench.happened().pop() else { panic!() };
    assert_eq!((quality.packets_received, quality.packets_foreign), (1, 2));
}

#[test]
fn junk_does_not_latch_and_is_only_counted() {
    let mut bench = Bench::new();
    let (mut a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
    bench.bridge(&a, &b);
    let elsewhere = at("203.0.113.7:31000");
    let stun = b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl".to_vec();
    let unagreed = [Header { payload_type: 18, ..a.next }.bytes().as_slice(), &[0; 20]].concat();
    let short_key = [Header { payload_type: 101, ..a.next }.bytes().as_slice(), &[1, 2, 3]].concat();
    for junk in [stun, unagreed, short_key, vec![], vec![0x80; 11]] {
        bench.deliver(a.slot, Port::Rtp, elsewhere, junk.clone());
        bench.deliver(a.slot, Port::Rtp, a.from, junk);
    }
    let counters = bench.deck.counters();
    assert_eq!((counters.packets_foreign, counters.packets_malformed, counters.packets_received), (5, 5, 0));
    bench.say(&mut a, &[1; 160]);
    assert_eq!(bench.heard(&b).len(), 1, "the phone itself is still heard");
    bench.deliver(a.slot, Port::Rtcp, elsewhere, vec![0x80; 40]);
    bench.deliver(a.slot, Port::Rtcp, at("192.0.2.1:4001"), vec![0x80; 40]);
    let counters = bench.deck.counters();
    assert_eq!((counters.packets_foreign, counters.packets_malformed), (6, 6));
    assert!(bench.sent_on(&a, Port::Rtcp).is_empty());
}

#[test]
fn before_offer_and_answer_and_after_the_end_everybody_is_a_stranger() {
    let mut bench = Bench::new();
    let mut phone = bench.unconfigured(1, Codec::Pcmu);
    bench.say(&mut phone, &[0; 160]);
    bench.deliver(phone.slot, Port::Rtcp, phone.from, vec![0x80, 201, 0, 1, 0, 0, 0, 1]);
    bench.command(Command::Close { leg: phone.leg });
    bench.say(&mut phone, &[0; 160]);
    bench.deliver(Slot(77), Port::Rtp, phone.from, vec![]);
    assert_eq!(bench.deck.counters().packets_foreign, 4);
    assert!(bench.sent.packets.is_empty());
}

#[test]
fn a_new_address_is_used_at_once_and_may_latch_once_more() {
    let mut bench = Bench::new();
    let (mut a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
    bench.bridge(&b, &a);
    a.from = at("203.0.113.7:31000");
    bench.say(&mut a, &[0; 160]);
    bench.configure(&mut a, |stream| stream.remote = at("192.0.2.50:6000"));
    bench.play(&a, 1, &["music"], true);
    bench.pass(MS * 40);
    assert_eq!(bench.heard(&a).last().unwrap().to, at("192.0.2.50:6000"));
    a.from = at("203.0.113.8:400");
    bench.say(&mut a, &[0; 160]);
    bench.pass(MS * 40);
    assert_eq!(bench.heard(&a).last().unwrap().to, a.from);
    assert_eq!(bench.heard(&b).len(), 2);
    assert_eq!(bench.deck.counters().packets_foreign, 0);
}

#[test]
fn silence_is_told_once_at_the_limit_and_again_after_the_phone_was_heard() {
    let mut bench = Bench::new();
    let begin = bench.now;
    let mut phone = bench.phone(1, Codec::Pcmu);
    bench.pass(MS * 29_999);
    assert_eq!(bench.happened(), []);
    bench.pass(MS * 2);
    assert_eq!(bench.happened(), [silent(&phone, begin)]);
    bench.pass(MS * 100_000);
    assert_eq!(bench.happened(), [], "once");

    bench.talk(&mut phone, &sine(440.0, MS * 5000));
    let last = bench.now - PACKET;
    bench.pass(MS * 29_970);
    assert_eq!(bench.happened(), []);
    bench.pass(MS * 20);
    assert_eq!(bench.happened(), [silent(&phone, last)]);
}

#[test]
fn strangers_and_rtcp_do_not_break_a_silence() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    bench.say(&mut phone, &[0; 160]);
    let last = bench.now;
    bench.pass(MS * 20_000);
    phone.from = at("198.51.100.9:31000");
    bench.say(&mut phone, &[0; 160]);
    bench.deliver(phone.slot, Port::Rtcp, at("192.0.2.1:4001"), vec![0x80, 201, 0, 1, 0, 0, 0, 1]);
    bench.pass(MS * 10_001);
    assert_eq!(bench.happened(), [silent(&phone, last)]);
}

#[test]
fn a_held_leg_is_not_silent_and_the_time_begins_when_the_hold_ends() {
    for direction in [Direction::SendOnly, Direction::RecvOnly, Direction::Inactive] {
        let mut bench = Bench::new();
        let mut phone = bench.phone(1, Codec::Pcmu);
        bench.pass(MS * 31_000);
        assert_eq!(bench.happened().len(), 1);
        bench.configure(&mut phone, |stream| stream.direction = direction);
        bench.say(&mut phone, &[0; 160]);
        bench.pass(MS * 100_000);
        assert_eq!(bench.happened(), [], "{direction:?}");
        bench.configure(&mut phone, |stream| stream.direction = Direction::SendRecv);
        let begin = bench.now;
        bench.pass(MS * 10_000);
        bench.configure(&mut phone, |stream| stream.ptime = MS * 30);
        bench.pass(MS * 20_001);
        assert_eq!(bench.happened(), [silent(&phone, begin)], "another setting does not begin the time anew");
    }
}

#[test]
fn no_limit_no_silence() {
    let mut bench = Bench::with(Settings { silence_limit: Duration::ZERO, ..Settings::default() });
    let mut phone = bench.phone(1, Codec::Pcmu);
    bench.pass(MS * 100_000);
    bench.say(&mut phone, &[0; 160]);
    bench.pass(MS * 100_000);
    assert_eq!(bench.happened(), []);
}

#[test]
fn a_full_deck_says_so_and_a_closed_leg_makes_room() {
    let mut bench = Bench::with(Settings { legs_max: 2, ..Settings::default() });
    let first = bench.phone(1, Codec::Pcmu);
    let second = bench.phone(2, Codec::Pcmu);
    assert_eq!((first.slot, second.slot), (Slot(0), Slot(1)));
    assert_eq!(bench.deck.open(bench.now, LegId(2)), Err(OpenFailure::Refused));
    assert_eq!(bench.deck.open(bench.now, LegId(3)), Err(OpenFailure::Full));
    assert_eq!(bench.deck.counters().legs, 2);
    bench.command(Command::Close { leg: first.leg });
    bench.command(Command::Close { leg: first.leg });
    assert_eq!(bench.freed, [Slot(0)], "once");
    assert_eq!(bench.happened().len(), 1);
    assert_eq!(bench.deck.open(bench.now, LegId(3)), Ok(Slot(0)));
    assert_eq!(bench.deck.counters().legs, 2);
}

#[test]
fn a_slot_is_not_given_out_again_before_the_driver_knows_it_is_free() {
    let mut bench = Bench::new();
    let first = bench.phone(1, Codec::Pcmu);
    bench.deck.command(bench.now, Command::Close { leg: first.leg }, &mut bench.sent);
    assert_eq!(bench.deck.open(bench.now, LegId(2)), Ok(Slot(1)));
    assert_eq!(bench.deck.poll_freed(), Some(Slot(0)));
    assert_eq!(bench.deck.open(bench.now, LegId(3)), Ok(Slot(0)));
}

#[test]
fn nothing_of_a_closed_leg_is_left_behind() {
    let mut bench = Bench::new();
    for n in 1..=50 {
        let mut phone = bench.phone(n, Codec::Pcmu);
        bench.play(&phone, 1, &["music"], true);
        bench.command(Command::SendDigit { leg: phone.leg, digit: '5', duration: MS * 100 });
        bench.say(&mut phone, &[0; 160]);
        bench.pass(MS * 30);
        bench.command(Command::Close { leg: phone.leg });
    }
    assert_eq!(bench.deck.poll_timeout(), None);
    assert_eq!((bench.deck.counters().legs, bench.deck.counters().playing), (0, 0));
    assert_eq!(bench.freed, [Slot(0); 50]);
}

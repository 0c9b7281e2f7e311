//! Keys: from phones, to phones, and across the bridge.

use super::*;
use crate::media::dice::Dice;

fn digits(events: &[Event]) -> String {
    events.iter().filter_map(|event| if let Event::Digit { digit, .. } = event { Some(*digit) } else { None }).collect()
}

/// Payload types of the keys heard, and the keys themselves by code, each once.
fn keys_heard(packets: &[Sent], payload_type: u8) -> String {
    let mut reader = event::DigitReader::default();
    let events = packets.iter().filter(|sent| sent.header().payload_type == payload_type);
    events
        .filter_map(|sent| reader.read(sent.header().timestamp, event::Event::read(sent.payload())?))
        .filter_map(event::key)
        .collect()
}

#[test]
fn each_key_is_told_once_under_loss_and_doubling() {
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let mut bench = Bench::new();
        let mut phone = bench.phone(1, Codec::Pcmu);
        for key in "1155#*009A".chars() {
            bench.talk(&mut phone, &sine(440.0, MS * 100));
            for packet in phone.key(key, 800) {
                if dice.unit() >= 0.3 {
                    bench.deliver(phone.slot, Port::Rtp, phone.from, packet.clone());
                }
                if dice.unit() < 0.3 {
                    bench.deliver(phone.slot, Port::Rtp, phone.from, packet);
                }
                bench.pass(PACKET);
            }
        }
        assert_eq!(digits(&bench.happened()), "1155#*009A", "seed {seed}");
    }
}

#[test]
fn a_key_is_told_at_its_start_and_what_is_no_key_is_not() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    let packets = phone.key('7', 8000);
    bench.deliver(phone.slot, Port::Rtp, phone.from, packets[0].clone());
    assert_eq!(bench.happened(), [Event::Digit { leg: phone.leg, digit: '7' }]);
    let mut flash = packets[0].clone();
    (flash[HEADER], flash[7]) = (16, flash[7].wrapping_add(1));
    flash[5] = flash[5].wrapping_add(1);
    bench.deliver(phone.slot, Port::Rtp, phone.from, flash);
    assert_eq!(bench.happened(), []);
}

#[test]
fn a_flood_of_keys_is_cut_off_and_does_not_silence_the_next_second() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    for n in 0..500 {
        let packet = phone.key(if n % 2 == 0 { '1' } else { '2' }, 160).remove(0);
        bench.deliver(phone.slot, Port::Rtp, phone.from, packet);
    }
    assert_eq!(digits(&bench.happened()).len(), 50);
    bench.pass(MS * 1000);
    let packet = phone.key('3', 160).remove(0);
    bench.deliver(phone.slot, Port::Rtp, phone.from, packet);
    assert_eq!(digits(&bench.happened()), "3");
}

#[test]
fn keys_cross_the_bridge_under_the_number_of_the_other_side() {
    let mut bench = Bench::new();
    let (mut a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcma));
    bench.bridge(&a, &b);
    for key in "12".chars() {
        bench.talk(&mut a, &sine(440.0, MS * 100));
        for packet in a.key(key, 480) {
            bench.deliver(a.slot, Port::Rtp, a.from, packet);
            bench.pass(PACKET);
        }
    }
    bench.talk(&mut a, &sine(440.0, MS * 100));
    let heard = bench.heard(&b);
    assert_eq!(keys_heard(&heard, 102), "12");
    assert_eq!(digits(&bench.happened()), "12");
    let first = heard[0].header();
    for (n, sent) in heard.iter().enumerate() {
        assert_eq!(sent.header().sequence, first.sequence.wrapping_add(n as u16));
    }
    let of_key: Vec<Packet> = heard.iter().map(Sent::header).filter(|packet| packet.payload_type == 102).collect();
    assert_eq!(of_key.len(), 10);
    assert!(of_key[..5].iter().all(|packet| packet.timestamp == first.timestamp.wrapping_add(800)));
    assert!(of_key.iter().enumerate().all(|(n, packet)| packet.marker == (n % 5 == 0)));
    let last = heard.last().unwrap();
    let by_clock = (last.at.since(heard[0].at).as_micros() / 125) as u32;
    assert_eq!(last.header().timestamp.wrapping_sub(first.timestamp), by_clock);
}

#[test]
fn a_side_without_keys_hears_none_and_an_old_key_does_not_cross_a_new_bridge() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
    bench.configure(&mut b, |stream| stream.digits = None);
    bench.bridge(&a, &b);
    for packet in a.key('1', 480) {
        bench.deliver(a.slot, Port::Rtp, a.from, packet);
    }
    assert!(bench.heard(&b).is_empty());
    bench.configure(&mut b, |stream| stream.digits = Some(96));
    bench.unbridge(&a, &b);
    let packets = a.key('2', 480);
    bench.deliver(a.slot, Port::Rtp, a.from, packets[0].clone());
    bench.bridge(&a, &b);
    for packet in &packets[1..] {
        bench.deliver(a.slot, Port::Rtp, a.from, packet.clone());
    }
    assert!(bench.heard(&b).is_empty(), "the key that chose the bridge is not heard over it");
    assert_eq!(digits(&bench.happened()), "12");
}

#[test]
fn keys_are_sent_one_after_the_other_inside_the_stream() {
    let mut bench = Bench::new();
    let phone = bench.phone(1, Codec::Pcmu);
    bench.play(&phone, 1, &["music"], true);
    bench.pass(MS * 200);
    for digit in "4711#".chars() {
        bench.command(Command::SendDigit { leg: phone.leg, digit, duration: MS * 100 });
    }
    bench.command(Command::SendDigit { leg: phone.leg, digit: 'x', duration: MS * 100 });
    bench.pass(MS * 2000);
    let heard = bench.heard(&phone);
    assert_eq!(keys_heard(&heard, 101), "4711#");
    let first = heard[0].header();
    let mut end = first.timestamp;
    for (n, sent) in heard.iter().enumerate() {
        let packet = sent.header();
        assert_eq!(packet.sequence, first.sequence.wrapping_add(n as u16));
        let by_clock = (sent.at.since(heard[0].at).as_micros() / 125) as i64;
        let place = packet.timestamp.wrapping_sub(first.timestamp);
        match packet.payload_type {
            101 => assert!(i64::from(place) <= by_clock + 200),
            _ => {
                assert!(packet.timestamp.wrapping_sub(end) as i32 >= 0, "music over a key at {n}");
                assert!((i64::from(place) - by_clock).abs() <= 200, "{place} {by_clock}");
                end = packet.timestamp.wrapping_add(160);
            }
        }
    }
    let ends = heard.iter().filter(|sent| sent.header().payload_type == 101 && sent.payload()[1] & 0x80 != 0).count();
    assert_eq!(ends, 15, "three ends for each");
    assert_eq!(heard.iter().filter(|sent| sent.header().payload_type == 101 && sent.header().marker).count(), 5);
    let last = heard.iter().rfind(|sent| sent.header().payload_type == 101).unwrap();
    assert_eq!(u16::from_be_bytes([last.payload()[2], last.payload()[3]]), 800);
}

#[test]
fn keys_need_an_agreed_payload_and_too_many_are_dropped() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    bench.configure(&mut phone, |stream| stream.digits = None);
    bench.command(Command::SendDigit { leg: phone.leg, digit: '1', duration: MS * 100 });
    bench.pass(MS * 300);
    assert!(bench.heard(&phone).is_empty());
    bench.configure(&mut phone, |stream| stream.digits = Some(101));
    for _ in 0..100 {
        bench.command(Command::SendDigit { leg: phone.leg, digit: '1', duration: Duration::ZERO });
    }
    bench.pass(MS * 20_000);
    assert_eq!(keys_heard(&bench.heard(&phone), 101).len(), 32);
}

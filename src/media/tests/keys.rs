//! Keys: from phones, to phones, and across the bridge.

use super::*;
use crate::audio::dtmf;
use crate::audio::measure::level;
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
fn a_key_crosses_to_a_side_without_events_as_tones_and_an_old_key_does_not_cross_a_new_bridge() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcma));
    bench.configure(&mut b, |stream| stream.digits = None);
    bench.bridge(&a, &b);
    for key in "19".chars() {
        bench.talk(&mut a, &sine(440.0, MS * 100));
        for packet in a.key(key, 1600) {
            bench.deliver(a.slot, Port::Rtp, a.from, packet);
            bench.pass(PACKET);
        }
    }
    bench.talk(&mut a, &sine(440.0, MS * 100));
    assert_eq!(tones_heard(&listen(Codec::Pcma, &bench.heard(&b))), "19");
    bench.configure(&mut b, |stream| stream.digits = Some(96));
    bench.unbridge(&a, &b);
    let before = bench.heard(&b).len();
    let packets = a.key('2', 480);
    bench.deliver(a.slot, Port::Rtp, a.from, packets[0].clone());
    bench.bridge(&a, &b);
    for packet in &packets[1..] {
        bench.deliver(a.slot, Port::Rtp, a.from, packet.clone());
    }
    assert_eq!(bench.heard(&b).len(), before, "the key that chose the bridge is not heard over it");
    assert_eq!(digits(&bench.happened()), "192");
}

fn tones_heard(samples: &[i16]) -> String {
    let mut listener = dtmf::KeyListener::default();
    samples.iter().filter_map(|sample| listener.hear(*sample)).collect()
}

fn tone_of(key: char, millis: u64) -> Vec<i16> {
    tone::dtmf(key, -12.0, MS * millis as u32).expect("a key")
}

#[test]
fn tones_of_a_phone_without_events_are_keys_in_either_law_under_loss_and_doubling() {
    for (seed, codec) in [(1, Codec::Pcmu), (2, Codec::Pcma), (3, Codec::Pcmu), (4, Codec::Pcma)] {
        let mut dice = Dice::new(seed);
        let mut bench = Bench::new();
        let mut phone = bench.phone(1, codec);
        bench.configure(&mut phone, |stream| stream.digits = None);
        for key in "1155#*009AD".chars() {
            let sound = [tone_of(key, 160), vec![0; 960]].concat();
            for piece in encode(codec, &sound).chunks(160) {
                let packet = phone.packet(piece);
                if dice.unit() >= 0.1 {
                    bench.deliver(phone.slot, Port::Rtp, phone.from, packet.clone());
                }
                if dice.unit() < 0.2 {
                    bench.deliver(phone.slot, Port::Rtp, phone.from, packet);
                }
                bench.pass(PACKET);
            }
        }
        assert_eq!(digits(&bench.happened()), "1155#*009AD", "seed {seed}");
    }
}

#[test]
fn tones_are_heard_in_packets_of_any_length_and_the_same_key_again_after_a_pause_in_which_nothing_was_sent() {
    for length in [80, 160, 240, 480, 1440] {
        let mut bench = Bench::new();
        let mut phone = bench.phone(1, Codec::Pcmu);
        bench.configure(&mut phone, |stream| stream.digits = None);
        for _ in 0..3 {
            for piece in encode(Codec::Pcmu, &tone_of('8', 180)).chunks(length) {
                bench.say(&mut phone, piece);
                bench.pass(MS * (piece.len() / 8) as u32);
            }
            phone.next.timestamp = phone.next.timestamp.wrapping_add(4000);
            bench.pass(MS * 500);
        }
        assert_eq!(digits(&bench.happened()), "888", "{length}");
    }
}

#[test]
fn tones_of_a_phone_that_agreed_to_events_are_sound() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    bench.talk(&mut phone, &tone_of('5', 200));
    assert_eq!(digits(&bench.happened()), "");
}

#[test]
fn a_flood_of_tones_is_cut_off_like_any_other() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    bench.configure(&mut phone, |stream| stream.digits = None);
    for n in 0..200 {
        let sound = encode(Codec::Pcmu, &tone_of(if n % 2 == 0 { '1' } else { '2' }, 60));
        bench.say(&mut phone, &sound);
    }
    assert_eq!(digits(&bench.happened()).len(), 50);
}

#[test]
fn keys_go_to_a_phone_without_events_as_tones_inside_the_stream() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let mut bench = Bench::new();
        let mut phone = bench.phone(1, codec);
        bench.configure(&mut phone, |stream| stream.digits = None);
        bench.play(&phone, 1, &["music"], true);
        bench.pass(MS * 200);
        for digit in "4711#".chars() {
            bench.command(Command::SendDigit { leg: phone.leg, digit, duration: MS * 100 });
        }
        bench.pass(MS * 2000);
        let heard = listen(codec, &bench.heard(&phone));
        assert_eq!(tones_heard(&heard), "4711#");
        // The first of them: after 200 ms of music, 100 ms long.
        let key = &heard[1760..2240];
        for (frequency, dbfs) in [(770.0, -13.1), (1209.0, -11.1)] {
            let found = level(key, frequency, tone::RATE);
            assert!((found - dbfs).abs() < 0.5, "{frequency}: {found}");
        }
        assert!(level(key, 1000.0, tone::RATE) < -40.0, "no music in it");
        assert!(level(&heard[heard.len() - 1600..], 1000.0, tone::RATE) > -10.5, "and music after them");
    }
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
fn too_many_keys_are_dropped() {
    for digits in [Some(101), None] {
        let mut bench = Bench::new();
        let mut phone = bench.phone(1, Codec::Pcmu);
        bench.configure(&mut phone, |stream| stream.digits = digits);
        for _ in 0..100 {
            bench.command(Command::SendDigit { leg: phone.leg, digit: '1', duration: Duration::ZERO });
        }
        bench.pass(MS * 20_000);
        let heard = bench.heard(&phone);
        let keys =
            digits.map_or_else(|| tones_heard(&listen(Codec::Pcmu, &heard)), |digits| keys_heard(&heard, digits));
        assert_eq!(keys.len(), 32, "{digits:?}");
    }
}

//! Bridged legs.

use super::*;
use crate::audio::measure::{level, longest_tone_millis};

#[test]
fn the_same_codec_is_relayed_bit_for_bit_at_once() {
    let mut bench = Bench::new();
    let (mut a, b) = (bench.phone(1, Codec::Pcma), bench.phone(2, Codec::Pcma));
    bench.bridge(&a, &b);
    // Also codes that no encoder makes.
    let payload: Vec<u8> = (0..1600).map(|n| (n * 7 % 256) as u8).collect();
    for piece in payload.chunks(160) {
        let count = bench.heard(&b).len();
        bench.say(&mut a, piece);
        assert_eq!(bench.heard(&b).len(), count + 1, "without waiting for a tick");
        bench.pass(PACKET);
    }
    let heard = bench.heard(&b);
    assert_eq!(heard.iter().flat_map(|sent| sent.payload().to_vec()).collect::<Vec<_>>(), payload);
    listen(Codec::Pcma, &heard);
    assert!(heard.iter().all(|sent| sent.to == b.from && sent.header().payload_type == 8));
    assert_eq!(heard.iter().map(|sent| sent.header().marker).filter(|marker| *marker).count(), 1);
    assert!(bench.heard(&a).is_empty());
}

#[test]
fn a_tone_through_the_other_law_keeps_its_level() {
    for (from, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
        for dbfs in [-3.0, -20.0, -40.0] {
            let mut bench = Bench::new();
            let (mut a, b) = (bench.phone(1, from), bench.phone(2, to));
            bench.bridge(&a, &b);
            bench.talk(&mut a, &tone::sine(1004.0, dbfs, MS * 500, tone::RATE));
            let heard = bench.heard(&b);
            assert!(heard.iter().all(|sent| sent.header().payload_type == b.stream.payload));
            let found = level(&listen(to, &heard), 1004.0, tone::RATE);
            assert!((found - dbfs).abs() < 0.5, "{from:?} {dbfs}: {found}");
        }
    }
}

#[test]
fn prompt_talk_and_music_are_one_stream_to_the_listener() {
    let mut bench = Bench::new();
    let (caller, mut agent) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcma));
    bench.play(&caller, 1, &["hello", "odd"], false);
    bench.pass(MS * 613);
    bench.play(&caller, 2, &["music"], true);
    bench.pass(MS * 1507);
    bench.bridge(&caller, &agent);
    bench.pass(MS * 33);
    bench.talk(&mut agent, &sine(1500.0, MS * 600));
    bench.unbridge(&caller, &agent);
    bench.pass(MS * 250);
    bench.play(&caller, 3, &["music"], true);
    bench.pass(MS * 500);
    bench.bridge(&caller, &agent);
    bench.talk(&mut agent, &sine(2000.0, MS * 300));

    let heard = bench.heard(&caller);
    let samples = listen(Codec::Pcmu, &heard);
    for (frequency, millis) in [(440.0, 400), (1000.0, 1480), (1500.0, 600), (2000.0, 300)] {
        let found = longest_tone_millis(&samples, frequency, -14.0, tone::RATE);
        assert!((millis - 40..=millis + 40).contains(&found), "{frequency} Hz for {found} ms");
    }
    // Prompt, music, talk, music, talk.
    assert_eq!(heard.iter().filter(|sent| sent.header().marker).count(), 5);
}

#[test]
fn losses_and_order_of_one_side_are_seen_by_the_other() {
    let mut bench = Bench::new();
    let (mut a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
    bench.bridge(&a, &b);
    let packets: Vec<Vec<u8>> = (0..10).map(|n| a.packet(&[n; 160])).collect();
    for n in [0, 1, 3, 2, 6, 6, 9] {
        bench.deliver(a.slot, Port::Rtp, a.from, packets[n].clone());
    }
    let heard = bench.heard(&b);
    let first = heard[0].header();
    let places: Vec<_> = heard
        .iter()
        .map(|sent| {
            let packet = sent.header();
            let places = (packet.sequence.wrapping_sub(first.sequence), packet.timestamp.wrapping_sub(first.timestamp));
            (u32::from(places.0), places.1 / 160, u32::from(sent.payload()[0]))
        })
        .collect();
    assert_eq!(places, [0, 1, 3, 2, 6, 6, 9].map(|n| (n, n, n)));
}

#[test]
fn a_phone_that_begins_a_new_stream_does_not_break_ours() {
    let mut bench = Bench::new();
    let (mut a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
    bench.bridge(&a, &b);
    bench.talk(&mut a, &sine(440.0, MS * 100));
    a.next = Header { ssrc: 99, sequence: 17, timestamp: 5, ..a.next };
    bench.talk(&mut a, &sine(440.0, MS * 100));
    a.next.timestamp = 3_000_000_000;
    bench.talk(&mut a, &sine(440.0, MS * 100));
    assert_eq!(listen(Codec::Pcmu, &bench.heard(&b)).len(), 2400);
}

#[test]
fn header_extension_sources_and_padding_stay_on_their_side() {
    let mut bench = Bench::new();
    let (a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcma));
    bench.bridge(&a, &b);
    let mut bytes = a.next.bytes().to_vec();
    bytes[0] = 0xb1;
    bytes.extend(b"srcs\xbe\xde\x00\x01\x10\xff\x00\x00");
    bytes.extend([g711::ULAW_SILENCE; 160]);
    bytes.extend([0, 0, 0, 4]);
    bench.deliver(a.slot, Port::Rtp, a.from, bytes);
    let heard = bench.heard(&b);
    assert_eq!(heard[0].bytes[0], 0x80);
    assert_eq!(heard[0].payload(), [g711::ALAW_SILENCE; 160]);
}

#[test]
fn what_plays_stops_at_the_bridge_and_a_play_over_it_is_heard_instead() {
    let mut bench = Bench::new();
    let (mut a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
    bench.play(&b, 1, &["music"], true);
    bench.pass(MS * 100);
    bench.bridge(&a, &b);
    assert_eq!(bench.deck.counters().playing, 0);
    bench.talk(&mut a, &sine(1500.0, MS * 200));
    bench.play(&b, 2, &["hello"], false);
    bench.talk(&mut a, &sine(1500.0, MS * 400));
    bench.talk(&mut a, &sine(1500.0, MS * 300));
    let samples = listen(Codec::Pcmu, &bench.heard(&b));
    assert!(longest_tone_millis(&samples, 440.0, -14.0, tone::RATE) >= 380);
    let talk = longest_tone_millis(&samples, 1500.0, -14.0, tone::RATE);
    assert!((220..=320).contains(&talk), "{talk}");
    assert_eq!(bench.happened(), [Event::Played { leg: b.leg, play: PlayId(2), missing: vec![] }]);
}

#[test]
fn bridges_end_with_unbridge_another_bridge_or_close() {
    let mut bench = Bench::new();
    let mut phones: Vec<Phone> = (1..=3).map(|n| bench.phone(n, Codec::Pcmu)).collect();
    // Who hears a packet of each.
    let mut heard = |bench: &mut Bench| -> Vec<Vec<u32>> {
        (0..3)
            .map(|n| {
                bench.sent.packets.clear();
                bench.say(&mut phones[n], &[0; 160]);
                bench.sent.packets.iter().filter(|sent| sent.port == Port::Rtp).map(|sent| sent.slot.0).collect()
            })
            .collect()
    };
    let [one, two, three, nobody] = [1, 2, 3, 4].map(LegId);
    let mut after = |bench: &mut Bench, command| {
        bench.command(command);
        heard(bench)
    };
    let quiet: [Vec<u32>; 3] = [vec![], vec![], vec![]];
    let bench = &mut bench;
    assert_eq!(after(bench, Command::Bridge { a: one, b: two }), [vec![1], vec![0], vec![]]);
    assert_eq!(after(bench, Command::Unbridge { a: one, b: three }), [vec![1], vec![0], vec![]]);
    assert_eq!(after(bench, Command::Bridge { a: one, b: nobody }), [vec![1], vec![0], vec![]]);
    assert_eq!(after(bench, Command::Bridge { a: one, b: one }), [vec![1], vec![0], vec![]]);
    assert_eq!(after(bench, Command::Bridge { a: three, b: two }), [vec![], vec![2], vec![1]]);
    assert_eq!(after(bench, Command::Unbridge { a: two, b: three }), quiet);
    assert_eq!(after(bench, Command::Bridge { a: one, b: three }), [vec![2], vec![], vec![0]]);
    assert_eq!(after(bench, Command::Close { leg: one }), quiet);
}

#[test]
fn a_held_leg_hears_nothing_and_is_not_heard() {
    for (direction, hears, is_heard) in [
        (Direction::SendRecv, true, true),
        (Direction::SendOnly, true, false),
        (Direction::RecvOnly, false, true),
        (Direction::Inactive, false, false),
    ] {
        let mut bench = Bench::new();
        let (mut a, mut b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
        bench.bridge(&a, &b);
        bench.configure(&mut a, |stream| stream.direction = direction);
        bench.say(&mut b, &[1; 160]);
        bench.say(&mut a, &[2; 160]);
        assert_eq!(bench.heard(&a).len(), usize::from(hears), "{direction:?}");
        assert_eq!(bench.heard(&b).len(), usize::from(is_heard), "{direction:?}");
        // After the hold the stream goes on where the clock is.
        bench.configure(&mut a, |stream| stream.direction = Direction::SendRecv);
        bench.talk(&mut b, &sine(440.0, MS * 60));
        listen(Codec::Pcmu, &bench.heard(&a));
    }
}

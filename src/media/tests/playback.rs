//! Prompts and music.

use super::*;
use crate::audio::measure::{level, longest_tone_millis};

fn played(phone: &Phone, play: u64, missing: &[&str]) -> Event {
    let missing = missing.iter().map(|name| sound(name)).collect();
    Event::Played { leg: phone.leg, play: PlayId(play), missing }
}

#[test]
fn sounds_are_heard_one_after_the_other_without_a_gap() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let mut bench = Bench::new();
        let phone = bench.phone(1, codec);
        bench.play(&phone, 1, &["odd", "hello"], false);
        bench.pass(MS * 1000);
        let heard = bench.heard(&phone);
        let samples = listen(codec, &heard);
        let expected = [sine(700.0, MS * 130), sine(440.0, MS * 400)].concat();
        assert_eq!(samples[..expected.len()], decode(codec, &encode(codec, &expected)));
        assert!(
            samples[expected.len()..].iter().all(|sample| sample.abs() <= 8),
            "the rest of the last packet is silence"
        );
        assert_eq!(samples.len(), 27 * 160);
        assert_eq!(heard.iter().map(|sent| sent.header().marker).collect::<Vec<_>>()[..3], [true, false, false]);
        assert_eq!(bench.happened(), [played(&phone, 1, &[])]);
    }
}

#[test]
fn played_is_said_when_the_last_packet_is_over() {
    let mut bench = Bench::new();
    let phone = bench.phone(1, Codec::Pcmu);
    bench.play(&phone, 1, &["hello"], false);
    let begin = bench.now;
    while bench.events.is_empty() {
        bench.pass(MS);
    }
    let took = bench.now.since(begin);
    assert!((400..=421).contains(&took.as_millis()), "{took:?}");
    assert_eq!(bench.heard(&phone).len(), 20);
    assert_eq!(bench.deck.counters().playing, 0);
}

#[test]
fn missing_sounds_are_named_and_the_others_are_heard() {
    let mut bench = Bench::new();
    let phone = bench.phone(1, Codec::Pcmu);
    bench.play(&phone, 1, &["gone", "odd", "lost"], false);
    bench.pass(MS * 200);
    assert_eq!(bench.happened(), [played(&phone, 1, &["gone", "lost"])]);
    assert_eq!(bench.heard(&phone).len(), 7);
    for (play, repeat) in [(2, false), (3, true)] {
        bench.play(&phone, play, &["gone"], repeat);
        assert_eq!(bench.happened(), [played(&phone, play, &["gone"])], "at once");
    }
    bench.play(&phone, 4, &[], false);
    assert_eq!(bench.happened(), [played(&phone, 4, &[])]);
    // A sound in another language is missing, too.
    let swedish = Sound { name: "odd".into(), language: "sv".into() };
    bench.command(Command::Play { leg: phone.leg, play: PlayId(5), sounds: vec![swedish.clone()], repeat: false });
    assert_eq!(bench.happened(), [Event::Played { leg: phone.leg, play: PlayId(5), missing: vec![swedish] }]);
}

#[test]
fn music_repeats_until_it_is_stopped_or_replaced() {
    let mut bench = Bench::new();
    let phone = bench.phone(1, Codec::Pcma);
    bench.play(&phone, 1, &["odd"], true);
    bench.pass(MS * 3000);
    let samples = listen(Codec::Pcma, &bench.heard(&phone));
    assert!(longest_tone_millis(&samples, 700.0, -14.0, tone::RATE) > 2900);
    bench.play(&phone, 2, &["hello"], true);
    assert_eq!(bench.deck.counters().playing, 1);
    bench.pass(MS * 100);
    bench.command(Command::Stop { leg: phone.leg });
    assert_eq!(bench.deck.counters().playing, 0);
    let count = bench.heard(&phone).len();
    bench.pass(MS * 500);
    assert_eq!(bench.heard(&phone).len(), count);
    assert_eq!(bench.happened(), []);
}

#[test]
fn packets_are_as_long_as_the_phone_wants_within_what_we_can() {
    for (wanted, made) in [(10, 10), (20, 20), (30, 30), (60, 60), (0, 10), (5, 10), (200, 60)] {
        let mut bench = Bench::new();
        let mut phone = bench.phone(1, Codec::Pcmu);
        bench.configure(&mut phone, |stream| stream.ptime = MS * wanted);
        bench.play(&phone, 1, &["music"], true);
        bench.pass(MS * 1200);
        let heard = bench.heard(&phone);
        assert!(heard.iter().all(|sent| sent.payload().len() == made * 8));
        assert!(heard.windows(2).all(|pair| pair[1].at.since(pair[0].at) == MS * made as u32));
        let samples: Vec<i16> = heard.iter().flat_map(|sent| decode(Codec::Pcmu, sent.payload())).collect();
        assert!((level(&samples, 1000.0, tone::RATE) + 10.0).abs() < 0.2);
    }
}

#[test]
fn time_passes_while_nothing_may_be_sent() {
    let mut bench = Bench::new();
    let mut phone = bench.unconfigured(1, Codec::Pcmu);
    bench.play(&phone, 1, &["hello", "music"], false);
    bench.pass(MS * 200);
    assert!(bench.sent.packets.is_empty(), "not configured");
    bench.configure(&mut phone, |_| {});
    bench.pass(MS * 100);
    bench.configure(&mut phone, |stream| stream.direction = Direction::Inactive);
    let count = bench.heard(&phone).len();
    bench.pass(MS * 500);
    assert_eq!(bench.heard(&phone).len(), count, "on hold");
    bench.configure(&mut phone, |stream| stream.direction = Direction::SendOnly);
    bench.pass(MS * 550);
    bench.configure(&mut phone, |stream| stream.remote = SocketAddr::from(([0, 0, 0, 0], 4000)));
    bench.pass(MS * 200);
    assert_eq!(bench.happened(), [played(&phone, 1, &[])]);
    let samples = listen(Codec::Pcmu, &bench.heard(&phone));
    let [hello, music] = [440.0, 1000.0].map(|frequency| longest_tone_millis(&samples, frequency, -14.0, tone::RATE));
    assert!((80..=120).contains(&hello) && (520..=560).contains(&music), "{hello} {music}");
}

#[test]
fn a_codec_that_changes_in_the_middle_changes_what_is_sent() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    bench.play(&phone, 1, &["hello"], false);
    bench.pass(MS * 200);
    let before = bench.heard(&phone).len();
    bench.configure(&mut phone, |changed| *changed = Stream { codec: Codec::Pcma, payload: 8, ..changed.clone() });
    bench.pass(MS * 300);
    let heard = bench.heard(&phone);
    let mut samples =
        decode(Codec::Pcmu, &heard[..before].iter().flat_map(|s| s.payload().to_vec()).collect::<Vec<_>>());
    samples.extend(heard[before..].iter().flat_map(|sent| decode(Codec::Pcma, sent.payload())));
    assert!(heard[before..].iter().all(|sent| sent.header().payload_type == 8));
    assert!(longest_tone_millis(&samples, 440.0, -14.0, tone::RATE) >= 400);
}

#[test]
fn a_crowd_that_begins_at_once_is_spread_over_the_milliseconds() {
    let mut bench = Bench::new();
    for n in 1..=200 {
        let phone = bench.phone(n, Codec::Pcmu);
        bench.play(&phone, 1, &["music"], true);
    }
    bench.pass(MS * 100);
    bench.sent.packets.clear();
    let begin = bench.now;
    bench.pass(PACKET);
    let mut per_milli = [0; 21];
    for sent in &bench.sent.packets {
        per_milli[sent.at.since(begin).as_millis() as usize] += 1;
    }
    assert_eq!(bench.sent.packets.len(), 200);
    assert_eq!(per_milli.iter().max(), Some(&10), "{per_milli:?}");
}

#[test]
fn a_thread_that_stood_still_makes_no_burst() {
    let mut bench = Bench::new();
    let phone = bench.phone(1, Codec::Pcmu);
    bench.play(&phone, 1, &["music"], true);
    bench.pass(MS * 100);
    let count = bench.heard(&phone).len();
    bench.stall(MS * 60);
    assert_eq!(bench.heard(&phone).len(), count + 3, "a little is made up for");
    bench.stall(MS * 5000);
    assert!(bench.heard(&phone).len() <= count + 4);
    bench.pass(MS * 100);
    let heard = bench.heard(&phone);
    // The sound is where it would be, had nothing happened.
    let last = heard.last().unwrap();
    let place = last.header().timestamp.wrapping_sub(heard[0].header().timestamp) as usize % 8000;
    let music = encode(Codec::Pcmu, &sine(1000.0, MS * 1000));
    assert_eq!(last.payload(), &music[place..place + 160]);
}

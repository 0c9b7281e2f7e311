//! RTCP.

use super::*;
use crate::rtp::rtcp::{self, Compound, ReportBlock};
use crate::rtp::stats;

/// Sender info or not, blocks, and whether it says goodbye; asserts the name.
fn report(sent: &Sent) -> (Option<rtcp::SenderInfo>, Vec<ReportBlock>, bool) {
    let packets: Vec<_> = rtcp::read(&sent.bytes).expect("we send RTCP").collect();
    let (info, blocks) = match packets[0] {
        rtcp::Packet::SenderReport { info, blocks, .. } => (Some(info), blocks),
        rtcp::Packet::ReceiverReport { blocks, .. } => (None, blocks),
        other => panic!("{other:?}"),
    };
    let rtcp::Packet::Description { cname, .. } = packets[1] else { panic!() };
    assert_eq!(cname.len(), 16);
    (info, blocks.collect(), matches!(packets.get(2), Some(rtcp::Packet::Bye { .. })))
}

#[test]
fn reports_come_about_every_five_seconds_and_not_in_step() {
    let mut bench = Bench::new();
    let (a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
    let begin = bench.now;
    bench.pass(MS * 200_000);
    let [first, second] = [&a, &b].map(|phone| bench.sent_on(phone, Port::Rtcp));
    assert!((30..=52).contains(&first.len()), "{}", first.len());
    let wait = first[0].at.since(begin).as_millis();
    assert!((1250..=3751).contains(&wait), "{wait}");
    let gaps: Vec<u128> = first.windows(2).map(|pair| pair[1].at.since(pair[0].at).as_millis()).collect();
    assert!(gaps.iter().all(|gap| (2500..=7501).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().max().unwrap() - gaps.iter().min().unwrap() > 2000);
    assert_ne!(first[0].at, second[0].at);
    assert!(first.iter().all(|sent| sent.to == "192.0.2.1:4001".parse().unwrap()));
    assert_eq!(report(&first[0]), (None, vec![], false));
}

#[test]
fn who_sends_reports_as_a_sender_and_what_came_is_reported() {
    let mut bench = Bench::new();
    let (mut a, b) = (bench.phone(1, Codec::Pcmu), bench.phone(2, Codec::Pcmu));
    bench.bridge(&a, &b);
    // Every fourth packet is lost.
    for n in 0..1000 {
        let packet = a.packet(&[0; 160]);
        if n % 4 != 3 {
            bench.deliver(a.slot, Port::Rtp, a.from, packet);
        }
        bench.pass(PACKET);
    }
    let (info, blocks, _) = report(bench.sent_on(&a, Port::Rtcp).last().unwrap());
    assert_eq!(info, None, "a hears nothing of us");
    assert_eq!((blocks.len(), blocks[0].ssrc), (1, 1));
    assert!((60..=68).contains(&blocks[0].fraction_lost), "{blocks:?}");
    assert!(blocks[0].lost > 100 && blocks[0].jitter <= 8, "{blocks:?}");

    let sent = bench.sent_on(&b, Port::Rtcp);
    let (info, blocks, _) = report(sent.last().unwrap());
    let (info, at) = (info.unwrap(), sent.last().unwrap().at);
    assert!(blocks.is_empty(), "b sends nothing");
    let heard: Vec<Sent> = bench.heard(&b).into_iter().filter(|packet| packet.at <= at).collect();
    assert_eq!((info.packets, info.bytes), (heard.len() as u32, heard.len() as u32 * 160));
    assert_eq!(info.ntp, stats::ntp(at));
    let expected = heard[0].header().timestamp.wrapping_add((at.since(heard[0].at).as_micros() / 125) as u32);
    assert!((info.timestamp.wrapping_sub(expected) as i32).abs() <= 160);
    // Nothing is sent any more: after two reports it is no sender any more.
    bench.pass(MS * 30_000);
    let after: Vec<bool> =
        bench.sent_on(&b, Port::Rtcp)[sent.len()..].iter().map(|sent| report(sent).0.is_some()).collect();
    assert_eq!(after[..4], [true, true, false, false]);

    bench.command(Command::Close { leg: a.leg });
    let Some(Event::Closed { quality, .. }) = bench.happened().pop() else { panic!() };
    assert_eq!((quality.packets_received, quality.packets_sent, quality.packets_lost), (750, 0, 249));
    assert_eq!(bench.deck.counters().packets_lost, 249);
    assert_eq!((bench.deck.counters().packets_received, bench.deck.counters().packets_sent), (750, 750));
}

#[test]
fn the_round_trip_is_read_from_the_phones_report() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    bench.play(&phone, 1, &["music"], true);
    bench.say(&mut phone, &[0; 160]);
    bench.pass(MS * 4000);
    let sent = bench.sent_on(&phone, Port::Rtcp).pop().unwrap();
    let (info, ..) = report(&sent);
    let ours = bench.heard(&phone)[0].header().ssrc;
    bench.pass(MS * 500);
    let held = bench.now.since(sent.at) - MS * 80;
    let block = ReportBlock {
        ssrc: ours,
        last_report: stats::ntp_middle(info.unwrap().ntp),
        delay: (held.as_micros() * 65_536 / 1_000_000) as u32,
        ..ReportBlock::default()
    };
    let other = ReportBlock { ssrc: ours ^ 1, delay: 0, ..block };
    for block in [block, other] {
        let compound = Compound { ssrc: 1, sender: None, block: Some(block), cname: b"phone", bye: false };
        let bytes = compound.write(&mut [0; rtcp::COMPOUND_MAX]).to_vec();
        bench.deliver(phone.slot, Port::Rtcp, "192.0.2.1:4001".parse().unwrap(), bytes);
    }
    bench.command(Command::Close { leg: phone.leg });
    let Some(Event::Closed { quality, .. }) = bench.happened().pop() else { panic!() };
    assert!(quality.round_trip.unwrap().as_millis().abs_diff(80) <= 1, "{quality:?}");
}

#[test]
fn goodbye_is_said_at_the_end_to_where_reports_come_from() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    phone.from = "203.0.113.7:31000".parse().unwrap();
    bench.say(&mut phone, &[0; 160]);
    bench.pass(MS * 4000);
    assert_eq!(bench.sent_on(&phone, Port::Rtcp).pop().unwrap().to, "203.0.113.7:31001".parse().unwrap(), "a guess");
    let from = "203.0.113.7:55555".parse().unwrap();
    let compound = Compound { ssrc: 1, sender: None, block: None, cname: b"phone", bye: false };
    let bytes = compound.write(&mut [0; rtcp::COMPOUND_MAX]).to_vec();
    bench.deliver(phone.slot, Port::Rtcp, from, bytes.clone());
    bench.deliver(phone.slot, Port::Rtcp, "203.0.113.7:55556".parse().unwrap(), bytes);
    assert_eq!(bench.deck.counters().packets_foreign, 1);
    bench.command(Command::Close { leg: phone.leg });
    let last = bench.sent_on(&phone, Port::Rtcp).pop().unwrap();
    assert_eq!(last.to, from);
    assert!(report(&last).2);
}

#[test]
fn reports_go_where_the_phone_wants_them_also_on_hold() {
    let mut bench = Bench::new();
    let mut phone = bench.phone(1, Codec::Pcmu);
    bench.configure(&mut phone, |stream| {
        stream.remote_rtcp = Some("192.0.2.77:9".parse().unwrap());
        stream.direction = Direction::Inactive;
    });
    bench.pass(MS * 10_000);
    let sent = bench.sent_on(&phone, Port::Rtcp);
    assert!(!sent.is_empty() && sent.iter().all(|sent| sent.to == "192.0.2.77:9".parse().unwrap()));
}

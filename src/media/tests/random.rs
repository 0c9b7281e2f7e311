//! Whatever comes, in whatever order: no panic, and what is counted adds up.

use super::*;
use proptest::prelude::*;

const LEGS: u64 = 4;

#[derive(Clone, Debug)]
enum Step {
    Open(u64),
    Command(Command),
    /// A datagram on a leg's port from its phone or a stranger.
    Packet {
        slot: u32,
        rtcp: bool,
        stranger: bool,
        bytes: Vec<u8>,
    },
    Pass(u64),
    Stall(u64),
}

fn leg() -> impl Strategy<Value = LegId> {
    (0..LEGS).prop_map(LegId)
}

fn a_stream() -> impl Strategy<Value = Stream> {
    let direction = prop_oneof![
        4 => Just(Direction::SendRecv),
        1 => Just(Direction::SendOnly),
        1 => Just(Direction::RecvOnly),
        1 => Just(Direction::Inactive),
    ];
    let remote = prop_oneof![5 => 1u8..4, 1 => Just(0)];
    (remote, any::<bool>(), proptest::option::of(96u8..98), 0u64..100, direction).prop_map(
        |(n, alaw, digits, ptime, direction)| {
            let codec = if alaw { Codec::Pcma } else { Codec::Pcmu };
            let remote = if n == 0 { "0.0.0.0:0".parse().unwrap() } else { stream(n, codec).remote };
            Stream { remote, digits, ptime: Duration::from_millis(ptime), direction, ..stream(n, codec) }
        },
    )
}

fn rtp() -> impl Strategy<Value = Vec<u8>> {
    let payload_type = prop_oneof![Just(0u8), Just(8), Just(96), Just(97), any::<u8>()];
    let sequence = prop_oneof![0u16..20, 65_520u16..=65_535, any::<u16>()];
    let timestamp = prop_oneof![(0u32..50).prop_map(|n| n * 160), any::<u32>()];
    let payload = prop_oneof![Just(vec![0xd5; 160]), proptest::collection::vec(any::<u8>(), 0..20)];
    (payload_type, sequence, timestamp, 0u32..3, payload, 0u8..30).prop_map(
        |(payload_type, sequence, timestamp, ssrc, payload, flags)| {
            let header = Header { marker: payload_type > 127, payload_type, sequence, timestamp, ssrc };
            let mut bytes = [header.bytes().as_slice(), &payload].concat();
            // Sometimes with sources, extension or padding that may not be there.
            if flags < 5 {
                bytes[0] |= 1 << flags;
            }
            bytes
        },
    )
}

fn rtcp() -> impl Strategy<Value = Vec<u8>> {
    (200u8..204, 0u8..3, proptest::collection::vec(any::<u8>(), 0..16)).prop_map(|(kind, count, words)| {
        let mut bytes = vec![0x80 | count, kind, 0, words.len() as u8];
        bytes.extend(words.iter().flat_map(|word| [*word; 4]));
        bytes
    })
}

fn command() -> impl Strategy<Value = Command> {
    let names = proptest::collection::vec(prop_oneof![Just("hello"), Just("odd"), Just("gone")], 0..4);
    let key = prop_oneof![Just('5'), Just('#'), Just('x')];
    prop_oneof![
        3 => (leg(), a_stream()).prop_map(|(leg, stream)| Command::Configure { leg, stream }),
        2 => (leg(), names, any::<bool>()).prop_map(|(leg, names, repeat)| {
            Command::Play { leg, play: PlayId(1), sounds: names.into_iter().map(sound).collect(), repeat }
        }),
        1 => leg().prop_map(|leg| Command::Stop { leg }),
        2 => (leg(), leg()).prop_map(|(a, b)| Command::Bridge { a, b }),
        1 => (leg(), leg()).prop_map(|(a, b)| Command::Unbridge { a, b }),
        1 => (leg(), key, 0u64..20_000).prop_map(|(leg, digit, millis)| {
            Command::SendDigit { leg, digit, duration: Duration::from_millis(millis) }
        }),
        1 => leg().prop_map(|leg| Command::Close { leg }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![6 => rtp(), 1 => rtcp(), 1 => proptest::collection::vec(any::<u8>(), 0..40)];
    prop_oneof![
        2 => (0..LEGS).prop_map(Step::Open),
        4 => command().prop_map(Step::Command),
        6 => (0u32..5, proptest::bool::weighted(0.2), proptest::bool::weighted(0.2), bytes)
            .prop_map(|(slot, rtcp, stranger, bytes)| Step::Packet { slot, rtcp, stranger, bytes }),
        3 => (0u64..5000).prop_map(Step::Pass),
        1 => (0u64..100_000).prop_map(Step::Stall),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_history_can_panic_and_every_leg_ends_once(steps in proptest::collection::vec(step(), 1..120)) {
        let mut bench = Bench::with(Settings { legs_max: 3, ..Settings::default() });
        let (mut opened, mut received) = (0, 0u64);
        for step in steps {
            match step {
                Step::Open(n) => opened += usize::from(bench.deck.open(bench.now, LegId(n)).is_ok()),
                Step::Command(command) => bench.command(command),
                Step::Packet { slot, rtcp, stranger, bytes } => {
                    let (port, at) = if rtcp { (Port::Rtcp, 4001) } else { (Port::Rtp, 4000) };
                    let n = if stranger { 99 } else { slot as u8 + 1 };
                    let before = bench.deck.counters();
                    bench.deliver(Slot(slot), port, SocketAddr::from(([192, 0, 2, n], at)), bytes);
                    let after = bench.deck.counters();
                    // Each is counted as exactly one thing, or is RTCP as it should be.
                    let counted = (after.packets_received - before.packets_received)
                        + (after.packets_foreign - before.packets_foreign)
                        + (after.packets_malformed - before.packets_malformed);
                    prop_assert!(counted == 1 || (rtcp && counted == 0));
                    received += after.packets_received - before.packets_received;
                }
                Step::Pass(millis) => bench.pass(Duration::from_millis(millis)),
                Step::Stall(millis) => bench.stall(Duration::from_millis(millis)),
            }
        }
        for n in 0..LEGS {
            bench.command(Command::Close { leg: LegId(n) });
        }
        prop_assert_eq!(bench.deck.poll_timeout(), None);
        let counters = bench.deck.counters();
        let sent = bench.sent.packets.iter().filter(|sent| sent.port == Port::Rtp).count() as u64;
        prop_assert_eq!((counters.legs, counters.playing, counters.packets_sent), (0, 0, sent));
        prop_assert_eq!(counters.packets_received, received);
        prop_assert_eq!(bench.freed.len(), opened);
        let mut closed = Vec::new();
        for event in &bench.events {
            if let Event::Closed { quality, .. } = event {
                closed.push(*quality);
            }
        }
        prop_assert_eq!(closed.len(), opened);
        prop_assert_eq!(closed.iter().map(|quality| quality.packets_sent).sum::<u64>(), sent);
        prop_assert_eq!(closed.iter().map(|quality| quality.packets_lost).sum::<u64>() <= counters.packets_lost, true);
    }
}

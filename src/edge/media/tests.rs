//! The workers on real sockets over loopback, with phones that are sockets of the test.

use super::ports::tests::free_range;
use super::*;
use crate::audio::{g711, measure, tone};
use crate::media::{Codec, Direction, PlayId, Sound, Stream};
use crate::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Instant;

/// Everything here takes milliseconds; this is for a machine that is very busy.
const LIMIT: Duration = Duration::from_secs(20);
const PACE: Duration = Duration::from_millis(20);
const DIGITS: u8 = 101;

struct Office {
    workers: Workers,
    events: mpsc::Receiver<Event>,
    /// Arrived while another one was waited for.
    others: Vec<Event>,
}

impl Office {
    fn open(settings: Settings) -> Office {
        let mut library = Library::new();
        library.insert(prompt(), &tone::sine(1004.0, -10.0, Duration::from_millis(400), tone::RATE));
        let (tx, events) = mpsc::channel();
        let workers = Workers::start(&settings, library.into(), Clock::start(), move |event| {
            // The test may have ended.
            tx.send(event).ok();
            Ok(())
        });
        Office { workers: workers.expect("threads can be started"), events, others: Vec::new() }
    }

    fn small(pairs: u16) -> Office {
        Office::open(Settings { workers: 1, ports: free_range(pairs), ..Settings::default() })
    }

    fn tell(&mut self, command: Command) {
        assert_eq!(self.workers.send(command), None);
    }

    fn wait_for<T>(&mut self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        if let Some(at) = self.others.iter().position(|event| pick(event).is_some()) {
            return pick(&self.others.remove(at)).expect("found just now");
        }
        let end = Instant::now() + LIMIT;
        loop {
            let Ok(event) = self.events.recv_timeout(end.saturating_duration_since(Instant::now())) else {
                panic!("no {what}; instead {:?}", self.others)
            };
            match pick(&event) {
                Some(found) => return found,
                None => self.others.push(event),
            }
        }
    }

    /// Returns when the worker of this leg has carried out all that it was told.
    fn settle(&mut self, leg: LegId) {
        // A sound that does not exist is answered for at once, in the order of the commands.
        self.tell(Command::Play { leg, play: PlayId(u64::MAX), sounds: vec![], repeat: false });
        self.wait_for("Played", |event| matches!(event, Event::Played { play: PlayId(u64::MAX), .. }).then_some(()));
    }

    fn open_leg(&mut self, leg: LegId, local: IpAddr) -> Result<SocketAddr, OpenFailure> {
        self.tell(Command::Open { call: CallId(1), leg, local });
        self.wait_for("answer to Open", |event| match event {
            Event::Opened { leg: opened, rtp } if *opened == leg => Some(Ok(*rtp)),
            Event::OpenFailed { leg: failed, reason } if *failed == leg => Some(Err(*reason)),
            _ => None,
        })
    }

    fn close_leg(&mut self, leg: LegId) -> Quality {
        self.tell(Command::Close { leg });
        self.wait_for("Closed", |event| match event {
            Event::Closed { leg: closed, quality } if *closed == leg => Some(*quality),
            _ => None,
        })
    }

    /// A leg with a phone at its other end.
    fn phone(&mut self, leg: u64, local: IpAddr) -> Phone {
        let leg = LegId(leg);
        let socket = UdpSocket::bind((local, 0)).expect("loopback");
        socket.set_read_timeout(Some(LIMIT)).expect("not zero");
        let media = self.open_leg(leg, local).expect("a free pair");
        let stream = Stream {
            remote: socket.local_addr().expect("bound"),
            remote_rtcp: None,
            codec: Codec::Pcmu,
            payload: 0,
            digits: Some(DIGITS),
            ptime: PACE,
            direction: Direction::SendRecv,
        };
        self.tell(Command::Configure { leg, stream });
        Phone { leg, socket, media, sequence: 7, timestamp: 1000 }
    }
}

struct Phone {
    leg: LegId,
    socket: UdpSocket,
    /// The leg's address at the worker.
    media: SocketAddr,
    sequence: u16,
    timestamp: u32,
}

/// A packet as a phone sees it.
#[derive(Debug, PartialEq)]
struct Packet {
    payload_type: u8,
    sequence: u16,
    payload: Vec<u8>,
}

impl Phone {
    fn send(&mut self, payload_type: u8, payload: &[u8]) {
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(0xfeed_0000_u32.wrapping_add(self.leg.0 as u32).to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send_to(&packet, self.media).expect("loopback");
    }

    /// 20 ms of µ-law.
    fn speak(&mut self, codes: &[u8]) {
        self.send(0, codes);
        self.timestamp = self.timestamp.wrapping_add(160);
    }

    fn hear(&self) -> Packet {
        let mut buffer = [0; 1500];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("a packet within the limit");
        assert_eq!(from, self.media, "media comes from where the phone sends to");
        let (header, payload) = buffer[..length].split_at(12);
        assert_eq!(header[0], 0x80, "version 2, no padding, extension or sources");
        Packet {
            payload_type: header[1] & 0x7f,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            payload: payload.to_vec(),
        }
    }

    /// The next `count` packets of this type, their payloads one after the other.
    fn hear_many(&self, payload_type: u8, count: usize) -> Vec<u8> {
        let packets: Vec<Packet> = std::iter::repeat_with(|| self.hear())
            .filter(|packet| packet.payload_type == payload_type)
            .take(count)
            .collect();
        for pair in packets.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "in order, none missing");
        }
        packets.into_iter().flat_map(|packet| packet.payload).collect()
    }
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn prompt() -> Sound {
    Sound { name: "prompt".into(), language: "en".into() }
}

fn ulaw_tone(frequency: f64, length: Duration) -> Vec<u8> {
    tone::sine(frequency, -10.0, length, tone::RATE).into_iter().map(g711::ulaw_encode).collect()
}

fn level(codes: &[u8], frequency: f64) -> f64 {
    let samples: Vec<i16> = codes.iter().map(|code| g711::ulaw_decode(*code)).collect();
    measure::level(&samples, frequency, tone::RATE)
}

fn talk_is_bit_exact(local: IpAddr) {
    let mut office = Office::small(2);
    let (mut caller, agent) = (office.phone(1, local), office.phone(2, local));
    office.tell(Command::Bridge { a: caller.leg, b: agent.leg });
    office.settle(caller.leg);
    let said = ulaw_tone(440.0, Duration::from_millis(400));
    let heard = thread::scope(|scope| {
        let listener = scope.spawn(|| agent.hear_many(0, said.len() / 160));
        for codes in said.chunks(160) {
            caller.speak(codes);
            thread::sleep(PACE);
        }
        listener.join().expect("everything is heard")
    });
    assert!(heard == said, "not what was said");
    let quality = office.close_leg(agent.leg);
    assert_eq!(quality.packets_sent, said.len() as u64 / 160);
    let quality = office.close_leg(caller.leg);
    assert_eq!((quality.packets_received, quality.packets_lost), (said.len() as u64 / 160, 0));
}

#[test]
fn talk_is_bit_exact_over_ipv4() {
    talk_is_bit_exact(HERE);
}

#[test]
fn talk_is_bit_exact_over_ipv6() {
    talk_is_bit_exact(Ipv6Addr::LOCALHOST.into());
}

#[test]
fn a_prompt_is_heard_and_its_end_is_told() {
    let mut office = Office::small(1);
    let caller = office.phone(1, HERE);
    office.tell(Command::Play { leg: caller.leg, play: PlayId(5), sounds: vec![prompt()], repeat: false });
    let heard = caller.hear_many(0, 20);
    assert!((level(&heard, 1004.0) + 10.0).abs() < 1.0, "{} dBFS", level(&heard, 1004.0));
    assert!(level(&heard, 700.0) < -40.0);
    let (play, missing) = office.wait_for("Played", |event| match event {
        Event::Played { play, missing, .. } => Some((*play, missing.clone())),
        _ => None,
    });
    assert_eq!((play, missing), (PlayId(5), vec![]));
}

#[test]
fn music_keeps_its_pace() {
    let mut office = Office::small(1);
    let caller = office.phone(1, HERE);
    let begun = Instant::now();
    office.tell(Command::Play { leg: caller.leg, play: PlayId(1), sounds: vec![prompt()], repeat: true });
    // More than once through the sound.
    caller.hear_many(0, 31);
    // Thirty pauses; a worker that sends too soon fails here on any machine, a busy machine can only be later.
    assert!(begun.elapsed() > PACE * 30 - Duration::from_millis(25), "{:?}", begun.elapsed());
    assert_eq!(office.workers.counters().media.playing, 1);
}

#[test]
fn digits_go_both_ways() {
    let mut office = Office::small(2);
    let (mut caller, agent) = (office.phone(1, HERE), office.phone(2, HERE));
    office.settle(caller.leg);
    // RFC 4733 §2.5.1.2: the key 7, first with the marker, then longer, then its end three times.
    for (marker, end, length) in [(0x80, 0, 160_u16), (0, 0, 320), (0, 0x80, 480), (0, 0x80, 480), (0, 0x80, 480)] {
        let [high, low] = length.to_be_bytes();
        caller.send(marker | DIGITS, &[7, end | 10, high, low]);
    }
    let digit = office.wait_for("Digit", |event| match event {
        Event::Digit { leg, digit } => Some((*leg, *digit)),
        _ => None,
    });
    assert_eq!(digit, (caller.leg, '7'));
    office.tell(Command::SendDigit { leg: agent.leg, digit: '#', duration: Duration::from_millis(100) });
    let heard = agent.hear_many(DIGITS, 4);
    assert!(heard.chunks(4).all(|event| event[0] == 11), "{heard:?}");
    office.close_leg(caller.leg);
    assert!(!office.others.iter().any(|event| matches!(event, Event::Digit { .. })), "one key is told once");
}

#[test]
fn the_range_is_used_up_and_closing_frees_it() {
    let mut office = Office::small(2);
    let first = office.open_leg(LegId(1), HERE).expect("free");
    assert_eq!(first.port() % 2, 0);
    office.open_leg(LegId(2), HERE).expect("free");
    assert_eq!(office.open_leg(LegId(3), HERE), Err(OpenFailure::NoPort));
    assert!(UdpSocket::bind((HERE, first.port() + 1)).is_err(), "the RTCP port is ours");
    office.close_leg(LegId(1));
    let end = Instant::now() + LIMIT;
    let again = loop {
        // The pair may be kept a moment longer than the leg, for its last report.
        match office.open_leg(LegId(4), HERE) {
            Ok(rtp) => break rtp,
            Err(reason) => assert!(reason == OpenFailure::NoPort && Instant::now() < end, "{reason:?}"),
        }
        office.tell(Command::Close { leg: LegId(4) });
    };
    assert_eq!(again, first, "the only free pair");
    drop(office);
    UdpSocket::bind(first).expect("free when the workers are gone");
}

#[test]
fn legs_without_an_address_of_ours_are_refused() {
    let mut office = Office::small(1);
    // TEST-NET-1 (RFC 5737): nobody's.
    assert_eq!(office.open_leg(LegId(1), Ipv4Addr::new(192, 0, 2, 1).into()), Err(OpenFailure::Refused));
    assert!(office.open_leg(LegId(2), HERE).is_ok(), "the pair is not lost");
}

#[test]
fn a_flooded_leg_does_not_starve_the_others() {
    let mut office = Office::small(3);
    let (mut caller, agent, flooded) = (office.phone(1, HERE), office.phone(2, HERE), office.phone(3, HERE));
    office.tell(Command::Bridge { a: caller.leg, b: agent.leg });
    office.settle(caller.leg);
    let said = ulaw_tone(440.0, Duration::from_millis(300));
    let (stop, stopped) = mpsc::channel::<()>();
    let heard = thread::scope(|scope| {
        let target = flooded.media;
        let attacker = scope.spawn(move || {
            let stranger = UdpSocket::bind((HERE, 0)).expect("loopback");
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                for _ in 0..100 {
                    // The kernel may drop it: that is the point.
                    stranger.send_to(&[0x80; 172], target).ok();
                }
            }
        });
        let listener = scope.spawn(|| agent.hear_many(0, said.len() / 160));
        for codes in said.chunks(160) {
            caller.speak(codes);
            thread::sleep(PACE);
        }
        let heard = listener.join();
        drop(stop);
        attacker.join().expect("it only sends");
        heard.expect("everything is heard")
    });
    assert!(heard == said, "not what was said");
    // As long as the phone has said nothing the stranger may be taken for it.
    let media::Counters { packets_received, packets_foreign, .. } = office.workers.counters().media;
    assert!(packets_received + packets_foreign > 500, "there was no flood");
}

#[test]
fn events_are_kept_in_order_while_control_has_no_room() {
    let (tx, events) = mpsc::sync_channel(1);
    let settings = Settings { workers: 1, ports: free_range(40), ..Settings::default() };
    let control = move |event| {
        tx.try_send(event).map_err(|error| match error {
            mpsc::TrySendError::Full(event) | mpsc::TrySendError::Disconnected(event) => event,
        })
    };
    let mut workers = Workers::start(&settings, Library::new().into(), Clock::start(), control).expect("threads");
    for n in 0..40 {
        assert_eq!(workers.send(Command::Open { call: CallId(n), leg: LegId(n), local: HERE }), None);
    }
    // The first is taken at once, the second has no room.
    let end = Instant::now() + LIMIT;
    while workers.counters().workers.events_held == 0 {
        assert!(Instant::now() < end, "there is room all the time");
        thread::yield_now();
    }
    for n in 0..40 {
        let event = events.recv_timeout(LIMIT).expect("kept");
        assert!(matches!(event, Event::Opened { leg, .. } if leg == LegId(n)), "{event:?} instead of {n}");
    }
}

#[test]
fn workers_share_legs_evenly_and_a_call_stays_together() {
    let mut office = Office::open(Settings { workers: 2, ports: free_range(8), ..Settings::default() });
    for (call, leg) in [(1, 1), (2, 2), (1, 3), (2, 4), (3, 5), (3, 6)] {
        office.tell(Command::Open { call: CallId(call), leg: LegId(leg), local: HERE });
        office.wait_for("Opened", |event| matches!(event, Event::Opened { .. }).then_some(()));
    }
    let place = |office: &Office, leg| office.workers.legs[&LegId(leg)].worker;
    assert_ne!(place(&office, 1), place(&office, 2));
    assert_eq!(place(&office, 1), place(&office, 3));
    assert_eq!(place(&office, 5), place(&office, 6));
    // No packet crosses threads.
    office.tell(Command::Bridge { a: LegId(1), b: LegId(2) });
    assert_eq!(office.workers.counters().commands_refused, 1);
    for leg in 1..=6 {
        office.close_leg(LegId(leg));
    }
    assert!(office.workers.calls.is_empty() && office.workers.legs.is_empty());
    assert!(office.workers.handles.iter().all(|handle| handle.legs == 0));
}

#[test]
fn a_leg_that_could_not_be_opened_is_forgotten() {
    let mut office = Office::small(1);
    office.open_leg(LegId(1), HERE).expect("free");
    assert_eq!(office.open_leg(LegId(2), HERE), Err(OpenFailure::NoPort));
    // Whatever comes next looks first.
    office.tell(Command::Stop { leg: LegId(2) });
    assert_eq!(office.workers.legs.len(), 1);
}

/// Workers whose only thread never takes a command.
fn stuck(commands_max: usize) -> (Workers, queue::Receiver) {
    let (commands, receiver) = queue::queue(commands_max).expect("an eventfd");
    let (_, failed) = mpsc::channel();
    let handle = Handle { commands, legs: 0, shared: Arc::default(), thread: None };
    let workers = Workers { handles: vec![handle], legs: HashMap::new(), calls: HashMap::new(), failed, refused: 0 };
    (workers, receiver)
}

fn open(leg: u64) -> Command {
    Command::Open { call: CallId(leg), leg: LegId(leg), local: HERE }
}

#[test]
fn a_worker_that_does_not_keep_up_gets_no_new_legs_and_every_close() {
    let (mut workers, receiver) = stuck(4);
    assert_eq!(workers.send(open(1)), None);
    assert_eq!(workers.send(open(2)), None);
    let full = Event::OpenFailed { leg: LegId(3), reason: OpenFailure::Full };
    assert_eq!(workers.send(open(3)), Some(full));
    for _ in 0..4 {
        assert_eq!(workers.send(Command::Stop { leg: LegId(1) }), None);
    }
    assert_eq!(workers.counters().commands_refused, 3, "one Open and two Stops");
    assert_eq!(workers.send(Command::Close { leg: LegId(1) }), None);
    assert_eq!(workers.send(Command::Close { leg: LegId(2) }), None);
    let taken: Vec<Command> = std::iter::from_fn(|| receiver.next()).collect();
    assert_eq!(taken[4..], [Command::Close { leg: LegId(1) }, Command::Close { leg: LegId(2) }]);
}

#[test]
fn a_dead_worker_is_answered_for() {
    let (mut workers, receiver) = stuck(4);
    assert_eq!(workers.send(open(1)), None);
    drop(receiver);
    let refused = Event::OpenFailed { leg: LegId(2), reason: OpenFailure::Refused };
    assert_eq!(workers.send(open(2)), Some(refused));
    let closed = Event::Closed { leg: LegId(1), quality: Quality::default() };
    assert_eq!(workers.send(Command::Close { leg: LegId(1) }), Some(closed));
    assert_eq!(workers.send(Command::Close { leg: LegId(1) }), None, "closed already");
}

//! The paths that run for each packet ask for no memory, and those for each SIP message for little.
//!
//! Counting needs an allocator of our own, and its trait is unsafe: the one place in the package that is.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use vaxel::ids::LegId;
use vaxel::media::{
    Codec, Command, Deck, Direction, Event, Library, PlayId, Port, Settings, Sink, Slot, Sound, Stream,
};
use vaxel::time::{Duration, Time};

struct Counting;

thread_local! {
    /// Requests of this thread; other tests run on others.
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator; the counter is a plain cell without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        REQUESTS.set(REQUESTS.get() + 1);
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        REQUESTS.set(REQUESTS.get() + 1);
        // SAFETY: as our caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Default)]
struct Count {
    rtp: u64,
    rtcp: u64,
}

impl Sink for Count {
    fn send(&mut self, _: Slot, port: Port, _: SocketAddr, _: &[u8]) {
        match port {
            Port::Rtp => self.rtp += 1,
            Port::Rtcp => self.rtcp += 1,
        }
    }
}

fn peer(leg: u64) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, leg as u8], 4000))
}

fn deck(codecs: &[Codec], now: Time) -> (Deck, Count) {
    let mut library = Library::new();
    library.insert(Sound { name: "music".into(), language: String::new() }, &[1000; 12_345]);
    let (mut deck, mut out) = (Deck::new(Arc::new(library), Settings::default(), 1), Count::default());
    for (leg, &codec) in (0..).zip(codecs) {
        let slot = deck.open(now, LegId(leg)).expect("there is room");
        assert_eq!(u64::from(slot.0), leg);
        let stream = Stream {
            remote: peer(leg),
            remote_rtcp: None,
            codec,
            payload: if codec == Codec::Pcmu { 0 } else { 8 },
            digits: Some(101),
            ptime: Duration::from_millis(20),
            direction: Direction::SendRecv,
        };
        deck.command(now, Command::Configure { leg: LegId(leg), stream }, &mut out);
    }
    (deck, out)
}

/// One packet of a leg's peer, written into `buffer`: sound, or every so often a key.
fn packet(buffer: &mut [u8; 172], codec: Codec, n: u32) -> &mut [u8] {
    let key = n % 50 == 49;
    let payload = match (key, codec) {
        (true, _) => 101,
        (false, Codec::Pcmu) => 0,
        (false, Codec::Pcma) => 8,
    };
    buffer[..4].copy_from_slice(&[0x80, payload, (n >> 8) as u8, n as u8]);
    buffer[4..8].copy_from_slice(&(n * 160).to_be_bytes());
    buffer[8..12].copy_from_slice(&7u32.to_be_bytes());
    buffer[12..].fill(0x55);
    if key {
        buffer[12..16].copy_from_slice(&[5, 10, 0, 160]);
        return &mut buffer[..16];
    }
    buffer
}

/// Two minutes of talk on each of the codecs' legs; legs are bridged in pairs by the caller.
fn talk(deck: &mut Deck, out: &mut Count, codecs: &[Codec], begin: Time) -> u64 {
    let mut buffer = [0; 172];
    let mut digits = 0;
    for n in 0..6000 {
        let now = begin + Duration::from_millis(20) * n;
        deck.handle_timeout(now, out);
        for (leg, &codec) in (0..).zip(codecs) {
            deck.packet(now, Slot(leg), Port::Rtp, peer(u64::from(leg)), packet(&mut buffer, codec, n), out);
            deck.packet(now, Slot(leg), Port::Rtp, peer(99), packet(&mut buffer, codec, n), out);
        }
        while let Some(event) = deck.poll_event() {
            assert!(matches!(event, Event::Digit { digit: '5', .. }), "{event:?}");
            digits += 1;
        }
    }
    digits
}

#[test]
fn relay_transcoding_keys_and_reports_ask_for_no_memory() {
    let codecs = [Codec::Pcmu, Codec::Pcmu, Codec::Pcmu, Codec::Pcma];
    let begin = Time::from_secs(1_795_424_400);
    let (mut deck, mut out) = deck(&codecs, begin);
    for (a, b) in [(0, 1), (2, 3)] {
        deck.command(begin, Command::Bridge { a: LegId(a), b: LegId(b) }, &mut out);
    }
    let before = REQUESTS.get();
    let digits = talk(&mut deck, &mut out, &codecs, begin);
    let requests = REQUESTS.get() - before;
    assert_eq!((out.rtp, digits), (4 * 6000, 4 * 120), "the work was done");
    assert!(out.rtcp > 40, "{}", out.rtcp);
    assert_eq!(deck.counters().packets_foreign, 4 * 6000);
    assert_eq!(requests, 0);
}

#[test]
fn playing_asks_for_no_memory() {
    let codecs = [Codec::Pcmu, Codec::Pcma];
    let begin = Time::from_secs(1_795_424_400);
    let (mut deck, mut out) = deck(&codecs, begin);
    for leg in 0..2 {
        let sounds = vec![Sound { name: "music".into(), language: String::new() }];
        let play = Command::Play { leg: LegId(leg), play: PlayId(1), sounds, repeat: true };
        deck.command(begin, play, &mut out);
    }
    let before = REQUESTS.get();
    talk(&mut deck, &mut out, &codecs, begin);
    let requests = REQUESTS.get() - before;
    assert!(out.rtp >= 2 * 5998, "the work was done: {}", out.rtp);
    assert_eq!(requests, 0);
}

#[test]
fn the_count_counts() {
    let before = REQUESTS.get();
    drop(std::hint::black_box(vec![0u8; 100]));
    assert_eq!(REQUESTS.get() - before, 1);
}

/// An INVITE as phones send it: 14 header lines and a session description.
const INVITE: &[u8] = include_bytes!("data/invite.sip");

#[test]
fn an_invite_is_read_routed_and_written_with_ten_requests_for_memory() {
    let before = REQUESTS.get();
    let message = vaxel::sip::Message::parse(INVITE).expect("a good INVITE");
    let read = REQUESTS.get() - before;
    let branch = message.headers().via().expect("a Via").branch().map(str::len);
    let in_dialog = message.headers().to().expect("a To").tag().is_some();
    let routed = REQUESTS.get() - before;
    let written = message.to_bytes();
    let all = REQUESTS.get() - before;
    assert_eq!((branch, in_dialog, written.len()), (Some(25), false, INVITE.len()));
    assert!(all <= 10, "{read} to read, {} to route, {} to write", routed - read, all - routed);
}

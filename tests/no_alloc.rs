//! The paths that run for each packet ask for no memory, those for each SIP message for little, and what stays is small.
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
use vaxel::sip::{self, Endpoint, Message, Transport};
use vaxel::time::{Duration, Time};

#[path = "bench/peer.rs"]
mod peer;

struct Counting;

thread_local! {
    /// Requests of this thread; other tests run on others.
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
    /// Bytes that this thread holds, or fewer than none where it gave back what others asked for.
    static HELD: Cell<i64> = const { Cell::new(0) };
}

fn note(requests: u64, bytes: i64) {
    REQUESTS.set(REQUESTS.get() + requests);
    HELD.set(HELD.get() + bytes);
}

// SAFETY: everything is left to the system's allocator; the counters are plain cells without destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as i64 - layout.size() as i64);
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

#[test]
fn an_invite_is_read_routed_and_written_with_six_requests_for_memory() {
    let before = REQUESTS.get();
    let message = Message::parse(peer::INVITE.as_bytes()).expect("a good INVITE");
    let read = REQUESTS.get() - before;
    let branch = message.headers().top_via().expect("a Via").branch().map(str::len);
    let in_dialog = message.headers().to_tag().is_some();
    let routed = REQUESTS.get() - before;
    let written = message.to_bytes();
    let all = REQUESTS.get() - before;
    assert_eq!((branch, in_dialog, written.len()), (Some(25), false, peer::INVITE.len()));
    assert!(all <= 6, "{read} to read, {} to route, {} to write", routed - read, all - routed);
}

/// The `n`th caller calls, is answered and acknowledges it.
fn open_dialog(endpoint: &mut Endpoint, n: usize) {
    let hop = peer::hop(Transport::Udp);
    endpoint.handle_message(peer::NOW, &hop, peer::request("INVITE", n, None));
    let Some(sip::Event::Invite { id, request: invite, .. }) = endpoint.poll_event() else { panic!("a new INVITE") };
    endpoint.accept(peer::NOW, id, invite.body);
    let answer = Message::parse(&peer::drain(endpoint)).expect("our own answer");
    let tag = answer.headers().to_tag().expect("a tag of ours").to_owned();
    endpoint.handle_message(peer::NOW, &hop, peer::request("ACK", n, Some(&tag)));
    assert!(matches!(endpoint.poll_event(), Some(sip::Event::Confirmed { .. })), "acknowledged");
}

#[test]
fn an_open_dialog_costs_less_than_eight_kilobytes() {
    const DIALOGS: usize = 10_000;
    let mut endpoint = peer::endpoint();
    let before = HELD.get();
    for n in 0..DIALOGS {
        open_dialog(&mut endpoint, n);
    }
    let each = |held: i64| (held - before) / DIALOGS as i64;
    let young = each(HELD.get());
    let transactions = endpoint.transactions();
    endpoint.handle_timeout(peer::NOW + Duration::from_secs(40));
    let old = each(HELD.get());
    assert_eq!((transactions, endpoint.transactions(), endpoint.usages()), (DIALOGS, 0, DIALOGS));
    println!("a dialog holds {young} bytes while its INVITE is remembered, {old} later");
    assert!(young < 8_000 && old < 8_000 && old > 100, "{young} bytes, {old} later");
}

/// A table that looked at its entries, or moved them, would show it here.
#[test]
fn a_large_table_asks_for_as_much_memory_for_a_message_as_a_small_one() {
    let mut endpoint = peer::endpoint();
    let mut entries = 0;
    let mut cost = |until: usize| {
        while entries < until {
            peer::ask(&mut endpoint, peer::NOW, Transport::Udp, peer::request("OPTIONS", entries, None));
            entries += 1;
        }
        let messages: Vec<Message> = (0..1000).map(|n| peer::request("OPTIONS", 1_000_000 + n, None)).collect();
        let before = REQUESTS.get();
        for options in messages {
            peer::ask(&mut endpoint, peer::NOW, Transport::Tcp, options);
        }
        assert_eq!(endpoint.transactions(), until);
        REQUESTS.get() - before
    };
    let (small, large) = (cost(100), cost(20_000));
    assert!(large.abs_diff(small) <= small / 20, "{small} requests for 1000 messages, {large} at 20,000 entries");
}

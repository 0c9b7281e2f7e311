//! The paths that run for each packet ask for no memory, those for each SIP message for little, and what stays is small.
//!
//! Counting needs an allocator of our own, and its trait is unsafe: the one place in the package that is.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use vaxel::acd::{
    Acd, AcdEvent, AgentSettings, Arrival, Change, Decision, Exit, HeldLicence, OccupancyCap, Outcome, Overflow,
    Prefer, QueueSettings, Relax, RestRule, Skills, Validity, When, Who,
};
use vaxel::audio::{g711, tone};
use vaxel::ids::{AgentId, EntryId, LegId, QueueId};
use vaxel::media::{
    Codec, Command, Deck, Direction, Event, Library, PlayId, Port, Settings, Sink, Slot, Sound, Stream,
};
use vaxel::need::{Attributes, Need};
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
        deck.command(now, Command::Configure { leg: LegId(leg), stream: stream(leg, codec, Some(101)) }, &mut out);
    }
    (deck, out)
}

fn stream(leg: u64, codec: Codec, digits: Option<u8>) -> Stream {
    Stream {
        remote: peer(leg),
        remote_rtcp: None,
        codec,
        payload: if codec == Codec::Pcmu { 0 } else { 8 },
        digits,
        ptime: Duration::from_millis(20),
        direction: Direction::SendRecv,
    }
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
fn keys_as_tones_either_way_ask_for_no_memory() {
    let codecs = [Codec::Pcmu, Codec::Pcma, Codec::Pcma, Codec::Pcmu];
    let begin = Time::from_secs(1_795_424_400);
    let (mut deck, mut out) = deck(&codecs, begin);
    // The first and the third know of no telephone-event: what comes under its number is none of theirs.
    for leg in [0, 2] {
        let codec = codecs[leg as usize];
        deck.command(begin, Command::Configure { leg: LegId(leg), stream: stream(leg, codec, None) }, &mut out);
    }
    for (a, b) in [(0, 1), (2, 3)] {
        deck.command(begin, Command::Bridge { a: LegId(a), b: LegId(b) }, &mut out);
    }
    let tone = tone::dtmf('5', -13.0, Duration::from_millis(100)).expect("a key");
    let mut buffer = [0; 172];
    let before = REQUESTS.get();
    let digits = talk(&mut deck, &mut out, &codecs, begin);
    for (n, piece) in (6000u32..).zip(tone.chunks(160)) {
        let packet = packet(&mut buffer, Codec::Pcmu, n);
        packet[12..].iter_mut().zip(piece).for_each(|(byte, sample)| *byte = g711::ulaw_encode(*sample));
        deck.packet(begin + Duration::from_millis(20) * n, Slot(0), Port::Rtp, peer(0), packet, &mut out);
    }
    let requests = REQUESTS.get() - before;
    assert_eq!(deck.poll_event(), Some(Event::Digit { leg: LegId(0), digit: '5' }));
    assert_eq!(digits, 2 * 120, "of the two that know of it");
    // The sound makes room for tones of six packets: without them there were 1,440 less.
    assert!(out.rtp > 4 * 5880, "the tones were sent: {}", out.rtp);
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

/// A distributor whose offers are all accepted at once.
struct Desk {
    acd: Acd,
    now: Time,
}

impl Desk {
    fn apply(&mut self, change: Change) {
        self.now += Duration::from_millis(1);
        let mut events = vec![AcdEvent { at: self.now, change }];
        while let Some(event) = events.pop() {
            self.acd.apply(&event);
            while let Some(decision) = self.acd.poll_decision() {
                if let Decision::Offer { offer, .. } = decision {
                    let change = Change::OfferEnded { offer, outcome: Outcome::Accepted };
                    events.push(AcdEvent { at: self.now, change });
                }
            }
        }
    }

    /// `all`: with everything that a queue may ask of those who wait.
    fn with_queues(queues: u32, all: bool) -> Desk {
        let mut desk = Desk { acd: Acd::new(0), now: Time::from_secs(1_795_424_400) };
        let later = Duration::from_secs(5_000);
        for id in 0..queues {
            let needs = Need::of_levels(&Skills::from([("sales".to_owned(), 1)]));
            let mut settings =
                QueueSettings { name: format!("queue {id}"), needs, max_waiting: u32::MAX, ..QueueSettings::default() };
            if all {
                settings.relax = vec![Relax { after: later, need: Need::default() }];
                let to = QueueId((id + 1) % queues);
                settings.overflow = vec![Overflow { to, when: When::After(later), only: Attributes::new() }];
                settings.leave_when.estimate = Some(later);
            }
            desk.apply(Change::Queue { id: QueueId(id), settings });
        }
        desk
    }

    /// `wants`: everything is known of the caller, who wants this agent.
    fn arrive(&mut self, entry: u64, queue: u32, wants: Option<AgentId>) {
        let attribute = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut arrival = Arrival {
            queue: QueueId(queue),
            need: Need::of_levels(&Skills::from([("lang_sv".to_owned(), 3)])),
            max_wait: Some(Duration::from_secs(1_000_000)),
            attributes: Attributes::from([attribute("language", "sv"), attribute("customer", "556012-5790")]),
            reference: format!("call-{}", 1_795_424_410_000_000 + entry),
            ..Arrival::default()
        };
        if let Some(agent) = wants {
            arrival.caller = format!("+467{entry:08}");
            arrival.prefer = vec![Prefer { who: Who::Agent(agent), wait: Duration::from_secs(90_000) }];
        }
        self.apply(Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) });
    }
}

/// Somebody who can serve everybody and is on a call of their own.
const PREFERRED: AgentId = AgentId(1_000_000);

fn preferred() -> [Change; 3] {
    let skills = [("sales", 5), ("lang_sv", 5)].into_iter().map(|(skill, level)| (skill.to_owned(), level)).collect();
    let settings = AgentSettings { name: "preferred".into(), skills, ..AgentSettings::default() };
    let agent = PREFERRED;
    [Change::Agent { id: agent, settings }, Change::LoggedIn { agent }, Change::Busy { agent }]
}

/// What an entry that waits holds, and when the distributor does something by itself.
fn cost_of_an_entry(all: bool) -> (i64, Option<Time>) {
    const QUEUES: u32 = 100;
    const ENTRIES: u64 = 50_000;
    let mut desk = Desk::with_queues(QUEUES, all);
    let wants = Some(PREFERRED).filter(|_| all);
    preferred().into_iter().for_each(|change| desk.apply(change));
    // What is kept of a queue in which somebody waited is not an entry's.
    (0..QUEUES).for_each(|queue| desk.arrive(queue.into(), queue, wants));
    (0..QUEUES).for_each(|entry| desk.apply(Change::Leave { entry: EntryId(entry.into()), exit: Exit::Abandoned }));
    let before = HELD.get();
    for entry in 0..ENTRIES {
        desk.arrive(1_000 + entry, entry as u32 % QUEUES, wants);
    }
    let each = (HELD.get() - before) / ENTRIES as i64;
    assert_eq!((0..QUEUES).map(|queue| u64::from(desk.acd.waiting(QueueId(queue)))).sum::<u64>(), ENTRIES);
    let kept = (0..ENTRIES).filter_map(|entry| desk.acd.entry(EntryId(1_000 + entry))).map(|entry| entry.kept_for);
    let wanted = wants.map(Who::Agent);
    assert!(kept.into_iter().all(|kept| kept == wanted.as_ref()), "kept for whom it wants");
    (each, desk.acd.poll_timeout())
}

#[test]
fn an_entry_that_waits_costs_less_than_one_kilobyte_whatever_is_known_of_it() {
    let ((plain, times_out), (all, looks)) = (cost_of_an_entry(false), cost_of_an_entry(true));
    assert!(looks < times_out, "it is looked at");
    println!("an entry that waits holds {plain} bytes, {all} with everything that may be known of it");
    assert!(plain > 100 && plain < all && all < 1_000, "{plain} bytes, {all} with everything");
}

/// What an agent holds on the first day, and on a call on the fifth.
fn cost_of_an_agent(all: bool) -> (i64, i64) {
    const AGENTS: u32 = 10_000;
    let mut desk = Desk::with_queues(1, false);
    desk.arrive(0, 0, None);
    desk.apply(Change::Leave { entry: EntryId(0), exit: Exit::Abandoned });
    let before = HELD.get();
    let each = || (HELD.get() - before) / i64::from(AGENTS);
    for id in 0..AGENTS {
        let skills = [("sales", 5), ("lang_sv", 5), ("lang_en", 1 + id as u8 % 5), ("vip", 1 + id as u8 / 5 % 9)];
        let mut settings = AgentSettings {
            name: format!("agent {id}"),
            place: id,
            skills: skills.into_iter().map(|(skill, level)| (skill.to_owned(), level)).collect(),
            ..AgentSettings::default()
        };
        if all {
            let (kind, jurisdiction) = ("insurance".to_owned(), "SE".to_owned());
            // Each has an end of its own.
            let to = Some(desk.now + Duration::from_secs(40 * 86_400 + u64::from(id)));
            settings.licences = vec![HeldLicence { kind, jurisdiction, valid: Validity { from: None, to } }];
            settings.teams = ["north".to_owned()].into();
            settings.queues = [QueueId(0)].into();
            let (burst, longest_rest) = (Duration::from_secs(600), Duration::from_secs(300));
            settings.occupancy_cap = Some(Box::new(OccupancyCap { share: 850, burst, longest_rest }));
            let (longer_than, rest) = (Duration::from_secs(1_800), Duration::from_secs(120));
            settings.rests = vec![RestRule { longer_than, rest, ..RestRule::default() }];
        }
        desk.apply(Change::Agent { id: AgentId(id), settings });
        let ends = Some(desk.now + Duration::from_secs(30 * 86_400)).filter(|_| all);
        desk.apply(Change::Shift { agent: AgentId(id), ends });
        desk.apply(Change::LoggedIn { agent: AgentId(id) });
    }
    let idle = each();
    // More days than are kept apart.
    for _ in 0..4 {
        desk.now += Duration::from_secs(86_400);
        for agent in (0..AGENTS).map(AgentId) {
            for reason in ["coffee", "lunch", "training"] {
                desk.apply(Change::Pause { agent, reason: reason.to_owned() });
            }
            desk.apply(Change::Resume { agent });
        }
    }
    (0..AGENTS).for_each(|agent| desk.arrive(1 + u64::from(agent), 0, Some(AgentId(agent)).filter(|_| all)));
    let busy = each();
    let talking = desk.acd.agents_by_state().into_iter().find(|(state, _)| *state == "talking");
    assert_eq!(talking, Some(("talking", AGENTS)));
    (idle, busy)
}

/// Agents who are alike but for their names, places and the dates of licences share what they are alike in, as those of a large centre
/// are: here there are 45 kinds of them.
#[test]
fn an_agent_costs_less_than_two_kilobytes_also_on_a_call_with_days_behind_them_whatever_is_known_of_them() {
    for all in [false, true] {
        let (idle, busy) = cost_of_an_agent(all);
        let with = if all { "everything that may be known of them" } else { "skills alone" };
        println!("an agent with {with} holds {idle} bytes on the first day, {busy} on a call on the fifth");
        assert!(idle > 100 && idle < busy && busy < 2_000, "{idle} bytes, {busy} later, with {with}");
    }
}

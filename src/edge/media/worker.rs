//! One media worker: a thread with the sockets of its legs, their [`Deck`], and a wait in `epoll`.
//!
//! A round takes what has come, then what is due, then what control wants. Rounds that follow each other closely are kept
//! 1 ms apart: a worker with little to do answers at once, and one with much to do looks a thousand times a second and finds
//! several packets each time, which is what makes a packet cheap.

use super::ports::{Pair, Ports};
use super::queue::Receiver;
use crate::edge::Clock;
use crate::ids::LegId;
use crate::media::{self, Command, Deck, Event, OpenFailure, Port, Sink, Slot};
use crate::time::{Duration, Time};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;

/// How far apart rounds of a busy worker begin. It is busy when this round and the one before began within two steps.
const STEP: Duration = Duration::from_millis(1);

/// Each ready socket is read once per pass, and a round has at most so many passes: what a flooded leg can take from the
/// others. The rest of the flood waits in its own socket's buffer and is dropped there by the kernel.
const PASSES: usize = 8;

/// Sockets told of in one pass. When more are ready, the kernel tells of the others first in the next pass.
const READY_MAX: usize = 1024;

/// Commands carried out in one round; opening a leg is the dearest, some 30 µs.
const COMMANDS_MAX: usize = 64;

/// Events kept while control has no room. At the bound no more commands are taken, so that it is control that waits.
const EVENTS_MAX: usize = 4096;

/// How soon control is asked again whether it has room.
const EVENTS_RETRY: Duration = Duration::from_millis(5);

/// A timer served later than this is counted: somebody may have heard it.
const LATE: Duration = Duration::from_millis(10);

/// One more than an Ethernet frame can bring, so that a packet which fills it is known to be cut.
const BUFFER: usize = 1501;

/// The token of the command queue; sockets have `slot << 1 | port`.
const COMMANDS: u64 = u64::MAX;

pub struct Worker<E> {
    deck: Deck,
    sockets: Sockets,
    ports: Ports,
    epoll: OwnedFd,
    commands: Receiver,
    /// Commands may be waiting.
    told: bool,
    events: E,
    /// Not yet taken by control, oldest first.
    unsent: VecDeque<Event>,
    /// Legs that were never opened, for the one who keeps the list of legs.
    failed: mpsc::Sender<LegId>,
    clock: Clock,
    buffer: Box<[u8; BUFFER]>,
    counts: Counts,
    shared: Arc<Shared>,
}

/// The sockets by slot; where the deck sends to.
#[derive(Default)]
struct Sockets {
    pairs: Vec<Option<Pair>>,
    failed: u64,
}

/// What a worker counts itself; only ever growing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that the system did not take: no route, buffer full.
    pub sends_failed: u64,
    /// Errors on receiving; mostly ICMP's "nobody there".
    pub receives_failed: u64,
    /// Packets longer than an Ethernet frame; thrown away.
    pub oversized: u64,
    /// Timers served more than 10 ms late.
    pub late: u64,
    /// Times that control had no room for an event; the event was kept.
    pub events_held: u64,
    /// Digits lost because control had no room for a long time.
    pub digits_lost: u64,
}

/// The counters as others may read them, at most one round old.
#[derive(Debug, Default)]
pub struct Shared {
    own: [AtomicU64; 6],
    deck: [AtomicU64; 5],
    legs: AtomicU32,
    playing: AtomicU32,
}

impl<E: Fn(Event) -> Result<(), Event>> Worker<E> {
    pub fn new(
        deck: Deck,
        ports: Ports,
        commands: Receiver,
        clock: Clock,
        events: E,
        failed: mpsc::Sender<LegId>,
        shared: Arc<Shared>,
    ) -> io::Result<Worker<E>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, commands.wake_fd(), epoll::EventData::new_u64(COMMANDS), epoll::EventFlags::IN)?;
        Ok(Worker {
            deck,
            sockets: Sockets::default(),
            ports,
            epoll,
            commands,
            told: false,
            events,
            unsent: VecDeque::new(),
            failed,
            clock,
            buffer: Box::new([0; BUFFER]),
            counts: Counts::default(),
            shared,
        })
    }

    /// Until the queue is stopped.
    pub fn run(mut self) {
        let mut ready = Vec::with_capacity(READY_MAX);
        let mut before = Time::EPOCH;
        while !self.commands.stopped() {
            let timeout = self.timeout();
            self.wait(&mut ready, timeout);
            let begun = self.clock.now();
            self.round(begun, &mut ready);
            if begun.since(before) < STEP * 2 {
                let rest = self.clock.until(begun + STEP);
                if !rest.is_zero() {
                    std::thread::sleep(rest);
                }
            }
            before = begun;
        }
    }

    /// How long nothing needs to be done unless something comes; `None`: for ever.
    fn timeout(&self) -> Option<Duration> {
        if self.told && self.unsent.len() < EVENTS_MAX {
            return Some(Duration::ZERO);
        }
        let due = self.deck.poll_timeout().map(|at| self.clock.until(at));
        let retry = (!self.unsent.is_empty()).then_some(EVENTS_RETRY);
        due.into_iter().chain(retry).min()
    }

    fn wait(&self, ready: &mut Vec<epoll::Event>, timeout: Option<Duration>) {
        // The kernel's own step here is a millisecond, rounded up. A day at most, which every kernel can count.
        let timeout = timeout.map(|timeout| {
            let timeout = timeout.min(Duration::from_secs(86_400));
            Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() }
        });
        match epoll::wait(&self.epoll, spare_capacity(ready), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("a good epoll descriptor with room for events gave {error}"),
        }
    }

    fn round(&mut self, begun: Time, ready: &mut Vec<epoll::Event>) {
        let mut now = begun;
        // Closing a leg happens below and never between the passes, so what is ready here is still the same leg's.
        for _ in 0..PASSES {
            let mut packets = false;
            for event in ready.drain(..) {
                match event.data.u64() {
                    COMMANDS => {
                        self.commands.acknowledge();
                        self.told = true;
                    }
                    token => {
                        packets = true;
                        self.receive(now, token);
                    }
                }
            }
            if !packets {
                break;
            }
            // One look for all sockets instead of a second read of each that finds nothing.
            self.wait(ready, Some(Duration::ZERO));
            now = self.clock.now();
        }
        ready.clear();
        if let Some(due) = self.deck.poll_timeout().filter(|due| *due <= now) {
            self.counts.late += u64::from(now.since(due) > LATE);
            self.deck.handle_timeout(now, &mut self.sockets);
        }
        self.settle();
        self.obey(now);
        self.deliver();
        self.publish();
    }

    fn receive(&mut self, now: Time, token: u64) {
        let slot = Slot(u32::try_from(token >> 1).expect("a token made of a slot"));
        let port = if token & 1 == 0 { Port::Rtp } else { Port::Rtcp };
        let Some(socket) = self.sockets.get(slot, port) else { return };
        match socket.recv_from(&mut self.buffer[..]) {
            Ok((BUFFER, _)) => self.counts.oversized += 1,
            Ok((length, from)) => {
                self.deck.packet(now, slot, port, from, &mut self.buffer[..length], &mut self.sockets);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.counts.receives_failed += 1,
        }
    }

    /// Carries out what control asked for.
    fn obey(&mut self, now: Time) {
        for _ in 0..COMMANDS_MAX {
            if !self.told || self.unsent.len() >= EVENTS_MAX {
                return;
            }
            match self.commands.next() {
                Some(Command::Open { leg, local, .. }) => self.open(now, leg, local),
                Some(command) => self.deck.command(now, command, &mut self.sockets),
                None => self.told = false,
            }
            self.settle();
        }
    }

    fn open(&mut self, now: Time, leg: LegId, local: IpAddr) {
        match self.try_open(now, leg, local) {
            Ok(rtp) => self.unsent.push_back(Event::Opened { leg, rtp }),
            Err(reason) => {
                tracing::warn!(%leg, %local, ?reason, "no media for this leg");
                // Nobody listens any more only while the program ends.
                self.failed.send(leg).ok();
                self.unsent.push_back(Event::OpenFailed { leg, reason });
            }
        }
    }

    fn try_open(&mut self, now: Time, leg: LegId, local: IpAddr) -> Result<SocketAddr, OpenFailure> {
        let pair = self.ports.bind(local)?;
        let rtp = pair.rtp.local_addr().expect("a bound socket has an address");
        match self.watch(&pair).and_then(|()| self.deck.open(now, leg)) {
            Ok(slot) => {
                self.listen(slot, &pair);
                self.sockets.put(slot, pair);
                Ok(rtp)
            }
            Err(reason) => {
                self.ports.release(pair);
                Err(reason)
            }
        }
    }

    /// Takes room in the epoll, the one thing that can fail, before the leg has a slot.
    fn watch(&self, pair: &Pair) -> Result<(), OpenFailure> {
        for socket in [&pair.rtp, &pair.rtcp] {
            let nothing = epoll::EventFlags::empty();
            if let Err(error) = epoll::add(&self.epoll, socket, epoll::EventData::new_u64(COMMANDS), nothing) {
                tracing::warn!(%error, "no room for another socket");
                return Err(OpenFailure::Refused);
            }
        }
        Ok(())
    }

    fn listen(&self, slot: Slot, pair: &Pair) {
        for (socket, port) in [(&pair.rtp, 0), (&pair.rtcp, 1)] {
            let token = epoll::EventData::new_u64(u64::from(slot.0) << 1 | port);
            epoll::modify(&self.epoll, socket, token, epoll::EventFlags::IN).expect("it was added just now");
        }
    }

    /// Takes over what the deck has to say.
    fn settle(&mut self) {
        while let Some(event) = self.deck.poll_event() {
            // Of all events only digits come as often as a peer likes.
            if matches!(event, Event::Digit { .. }) && self.unsent.len() >= EVENTS_MAX {
                self.counts.digits_lost += 1;
            } else {
                self.unsent.push_back(event);
            }
        }
        while let Some(slot) = self.deck.poll_freed() {
            if let Some(pair) = self.sockets.take(slot) {
                // Closing a socket also takes it out of the epoll: nobody else holds it.
                self.ports.release(pair);
            }
        }
    }

    fn deliver(&mut self) {
        while let Some(event) = self.unsent.pop_front() {
            if let Err(event) = (self.events)(event) {
                self.counts.events_held += 1;
                self.unsent.push_front(event);
                return;
            }
        }
    }

    fn publish(&mut self) {
        self.counts.sends_failed = self.sockets.failed;
        self.shared.store(&self.counts, &self.deck.counters());
    }
}

impl Sockets {
    fn get(&self, slot: Slot, port: Port) -> Option<&UdpSocket> {
        let pair = self.pairs.get(slot.0 as usize)?.as_ref()?;
        Some(match port {
            Port::Rtp => &pair.rtp,
            Port::Rtcp => &pair.rtcp,
        })
    }

    fn put(&mut self, slot: Slot, pair: Pair) {
        let index = slot.0 as usize;
        if self.pairs.len() <= index {
            self.pairs.resize_with(index + 1, || None);
        }
        let before = self.pairs[index].replace(pair);
        assert!(before.is_none(), "the deck gives a slot out again only after it was freed");
    }

    fn take(&mut self, slot: Slot) -> Option<Pair> {
        self.pairs.get_mut(slot.0 as usize)?.take()
    }
}

impl Sink for Sockets {
    fn send(&mut self, slot: Slot, port: Port, to: SocketAddr, packet: &[u8]) {
        // A packet that cannot go now is of no use later: it is counted, like one lost on the way.
        if self.get(slot, port).is_none_or(|socket| socket.send_to(packet, to).is_err()) {
            self.failed += 1;
        }
    }
}

impl Shared {
    fn store(&self, own: &Counts, deck: &media::Counters) {
        let own = [own.sends_failed, own.receives_failed, own.oversized, own.late, own.events_held, own.digits_lost];
        let packets =
            [deck.packets_received, deck.packets_sent, deck.packets_lost, deck.packets_foreign, deck.packets_malformed];
        for (shared, value) in self.own.iter().zip(own).chain(self.deck.iter().zip(packets)) {
            shared.store(value, Ordering::Relaxed);
        }
        self.legs.store(deck.legs, Ordering::Relaxed);
        self.playing.store(deck.playing, Ordering::Relaxed);
    }

    /// Adds this worker's counters to `sum`.
    pub fn add_to(&self, sum: &mut super::Counters) {
        let [sends_failed, receives_failed, oversized, late, events_held, digits_lost] =
            self.own.each_ref().map(|count| count.load(Ordering::Relaxed));
        let [received, sent, lost, foreign, malformed] =
            self.deck.each_ref().map(|count| count.load(Ordering::Relaxed));
        sum.workers.sends_failed += sends_failed;
        sum.workers.receives_failed += receives_failed;
        sum.workers.oversized += oversized;
        sum.workers.late += late;
        sum.workers.events_held += events_held;
        sum.workers.digits_lost += digits_lost;
        sum.media.packets_received += received;
        sum.media.packets_sent += sent;
        sum.media.packets_lost += lost;
        sum.media.packets_foreign += foreign;
        sum.media.packets_malformed += malformed;
        sum.media.legs += self.legs.load(Ordering::Relaxed);
        sum.media.playing += self.playing.load(Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::ports::tests::free_range;
    use super::super::queue::{Sender, queue};
    use super::*;
    use crate::ids::CallId;
    use std::cell::RefCell;
    use std::net::Ipv4Addr;
    use std::rc::Rc;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    type Control = Box<dyn Fn(Event) -> Result<(), Event>>;

    /// A worker without a thread, with open legs that are not configured; and where the legs are.
    fn worker(legs: u64) -> (Worker<Control>, Sender, Vec<SocketAddr>) {
        let (commands, receiver) = queue(64).expect("an eventfd");
        let opened = Rc::new(RefCell::new(Vec::new()));
        let told = opened.clone();
        let events: Control = Box::new(move |event| match event {
            Event::Opened { rtp, .. } => {
                told.borrow_mut().push(rtp);
                Ok(())
            }
            other => Err(other),
        });
        let deck = Deck::new(Arc::default(), media::Settings::default(), 1);
        let ports = Ports::share(free_range(8), 1, 0).remove(0);
        let (failed, _) = mpsc::channel();
        let mut worker =
            Worker::new(deck, ports, receiver, Clock::start(), events, failed, Arc::default()).expect("an epoll");
        for n in 0..legs {
            let open = Command::Open { call: CallId(n), leg: LegId(n), local: HERE };
            commands.send(open).expect("room");
        }
        turn(&mut worker);
        let opened = opened.take();
        assert_eq!(opened.len() as u64, legs);
        (worker, commands, opened)
    }

    /// One round with what is there.
    fn turn(worker: &mut Worker<Control>) {
        let mut ready = Vec::with_capacity(READY_MAX);
        worker.wait(&mut ready, Some(Duration::ZERO));
        worker.round(worker.clock.now(), &mut ready);
    }

    #[test]
    fn a_round_takes_eight_packets_of_a_flooded_leg_and_all_of_the_others() {
        let (mut worker, _commands, legs) = worker(3);
        let stranger = UdpSocket::bind((HERE, 0)).expect("loopback");
        for to in std::iter::repeat_n(legs[0], 100).chain([legs[1], legs[2], legs[2]]) {
            stranger.send_to(&[0x80; 172], to).expect("loopback");
        }
        turn(&mut worker);
        assert_eq!(worker.deck.counters().packets_foreign, PASSES as u64 + 3);
        turn(&mut worker);
        assert_eq!(worker.deck.counters().packets_foreign, PASSES as u64 * 2 + 3);
    }

    #[test]
    fn reports_come_to_the_next_port() {
        let (mut worker, _commands, legs) = worker(1);
        let stranger = UdpSocket::bind((HERE, 0)).expect("loopback");
        stranger.send_to(&[0x80; 8], (HERE, legs[0].port() + 1)).expect("loopback");
        turn(&mut worker);
        assert_eq!(worker.deck.counters().packets_foreign, 1);
    }

    #[test]
    fn packets_longer_than_a_frame_are_thrown_away() {
        let (mut worker, _commands, legs) = worker(1);
        let stranger = UdpSocket::bind((HERE, 0)).expect("loopback");
        for length in [1500, 1501, 9000] {
            stranger.send_to(&vec![0x80; length], legs[0]).expect("loopback");
        }
        turn(&mut worker);
        assert_eq!((worker.counts.oversized, worker.deck.counters().packets_foreign), (2, 1));
    }

    #[test]
    fn nothing_to_do_is_waited_for_without_end() {
        let (worker, _commands, _) = worker(0);
        assert_eq!(worker.timeout(), None);
    }

    #[test]
    fn more_commands_than_a_round_takes_are_not_forgotten() {
        let (mut worker, commands, _) = worker(0);
        for n in 0..60 {
            commands.send(Command::Stop { leg: LegId(n) }).expect("room");
        }
        for n in 0..30 {
            commands.send(Command::Close { leg: LegId(n) }).expect("always room");
        }
        turn(&mut worker);
        assert_eq!(worker.timeout(), Some(Duration::ZERO), "some are left");
        turn(&mut worker);
        assert_eq!(worker.timeout(), None);
    }

    #[test]
    fn a_packet_that_cannot_be_sent_is_counted() {
        let (mut worker, _commands, _) = worker(1);
        // An IPv4 socket cannot send there.
        worker.sockets.send(Slot(0), Port::Rtp, "[::1]:9".parse().unwrap(), &[0; 12]);
        worker.sockets.send(Slot(1), Port::Rtp, "127.0.0.1:9".parse().unwrap(), &[0; 12]);
        turn(&mut worker);
        assert_eq!(worker.counts.sends_failed, 2);
    }
}

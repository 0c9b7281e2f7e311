//! What a packet costs: the media workers beside a bare relay, in one run, on real sockets over loopback.
//!
//!     cargo bench --bench relay -- --calls 200 --seconds 5 --rounds 3
//!
//! Two phones per call send a packet each 20 ms, all from one thread; one relay thread carries them across. The bare relays
//! make the same system calls (`epoll_wait`, `recvfrom`, `sendto`) and nothing else: one answers each packet at once, one
//! looks once a millisecond as the media workers do. CPU time is that of the relay's thread alone, from
//! `/proc/self/task/*/schedstat`; it contains the kernel's work of sending, which over loopback includes the delivery. Delay is
//! from before the phone's `sendto` to after its peer's `recvfrom`. The kinds take turns, and the median round is shown.
//!
//! A report, not a test: it has no limit that it could miss. Nothing else should be running.

#![allow(clippy::disallowed_methods)]

mod sockets;

use anyhow::{Context, Result, bail};
use clap::Parser;
use sockets::{BareRelay, BareSender, Heard, Phones, allow_many_files};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{fs, thread};
use vaxel::audio::tone;
use vaxel::edge::Clock;
use vaxel::edge::media::{Settings, Workers};
use vaxel::ids::{CallId, LegId};
use vaxel::media::{Codec, Command, Direction, Event, Library, PlayId, Sound, Stream};

/// CPU time per relayed packet of vaxel and of a bare relay; cost and memory of callers who hear music.
#[derive(Parser)]
#[command(name = "relay")]
struct Args {
    /// Bridged calls, two phones each
    #[arg(long, default_value_t = 200)]
    calls: usize,
    /// Callers who hear music
    #[arg(long, default_value_t = 500)]
    waiting: usize,
    /// Seconds measured in each round
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds of each kind
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    allow_many_files()?;
    let length = Duration::from_secs(args.seconds.max(1));
    let rounds = args.rounds.max(1);

    // First, while no memory lies about that an earlier round gave back.
    let memory = (args.waiting > 0).then(|| music_memory(args.waiting)).transpose()?;

    if args.calls > 0 {
        println!(
            "{} bridged calls, {} packets/s received and sent, one relay thread, median of {rounds} × {} s",
            args.calls,
            args.calls * 100,
            length.as_secs()
        );
        println!("{:<34}{:>12}{:>10}{:>10}{:>10}", "", "µs/packet", "p50 ms", "p99 ms", "lost");
        let (mut at_once, mut stepped, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            at_once.push(bare_round(args.calls, Duration::ZERO, length)?);
            stepped.push(bare_round(args.calls, Duration::from_millis(1), length)?);
            ours.push(bridge_round(args.calls, length)?);
        }
        let at_once = show("bare relay, each packet at once", at_once);
        let stepped = show("bare relay, once a millisecond", stepped);
        let ours = show("vaxel", ours);
        println!("vaxel is {:.2} × the first and {:.2} × the second", ours / at_once, ours / stepped);
    }

    if args.waiting > 0 {
        println!(
            "\n{} callers hear music, {} packets/s, median of {rounds} × {} s",
            args.waiting,
            args.waiting * 50,
            length.as_secs()
        );
        println!("{:<34}{:>12}{:>18}", "", "µs/packet", "µs/s and caller");
        let (mut bare, mut quiet, mut talking) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            bare.push(bare_sender_round(args.waiting, length)?);
            quiet.push(music_round(args.waiting, false, length)?);
            talking.push(music_round(args.waiting, true, length)?);
        }
        for (name, rounds) in
            [("bare sender, once a millisecond", bare), ("vaxel", quiet), ("vaxel, and the callers send too", talking)]
        {
            let median = median(rounds);
            let per_caller = median.cpu.as_secs_f64() * 1e6 / length.as_secs_f64() / args.waiting as f64;
            println!("{name:<34}{:>12.2}{per_caller:>18.1}", median.micros_per_packet());
        }
        println!(
            "memory: {:.1} kB for each caller, without what the kernel keeps for two sockets",
            memory.unwrap_or_default() as f64 / 1000.0 / args.waiting as f64
        );
    }
    Ok(())
}

/// One round of one kind.
struct Measured {
    cpu: Duration,
    heard: Heard,
}

impl Measured {
    fn micros_per_packet(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.heard.received.max(1) as f64
    }
}

fn median(mut rounds: Vec<Measured>) -> Measured {
    rounds.sort_by(|a, b| a.micros_per_packet().total_cmp(&b.micros_per_packet()));
    let middle = rounds.len() / 2;
    rounds.swap_remove(middle)
}

fn show(name: &str, rounds: Vec<Measured>) -> f64 {
    let mut median = median(rounds);
    median.heard.delays.sort_unstable();
    let micros = median.micros_per_packet();
    let [half, most] = [0.5, 0.99].map(|share| median.heard.delay_millis(share));
    let Heard { sent, received, .. } = median.heard;
    println!("{name:<34}{micros:>12.2}{half:>10.2}{most:>10.2}{:>10}", sent.saturating_sub(received));
    micros
}

/// Runs the phones against a relay thread that is named `thread`.
fn measure(phones: &mut Phones, thread: &str, talking: bool, length: Duration) -> Result<Measured> {
    phones.run(Duration::from_millis(500), talking)?;
    let before = cpu_time(thread)?;
    let heard = phones.run(length, talking)?;
    Ok(Measured { cpu: cpu_time(thread)?.saturating_sub(before), heard })
}

fn bridge_round(calls: usize, length: Duration) -> Result<Measured> {
    let mut phones = Phones::new(calls * 2)?;
    let mut ours = Ours::start()?;
    ours.open(&mut phones)?;
    for call in 0..calls as u64 {
        ours.send(Command::Bridge { a: LegId(2 * call), b: LegId(2 * call + 1) })?;
    }
    measure(&mut phones, "media-0", true, length)
}

fn music_round(callers: usize, talking: bool, length: Duration) -> Result<Measured> {
    let mut phones = Phones::new(callers)?;
    let mut ours = Ours::start()?;
    ours.open(&mut phones)?;
    ours.play(callers)?;
    measure(&mut phones, "media-0", talking, length)
}

/// Bytes that come with the callers, beyond those of a worker who has one.
fn music_memory(callers: usize) -> Result<u64> {
    let (mut first, mut phones) = (Phones::new(1)?, Phones::new(callers)?);
    let mut ours = Ours::start()?;
    ours.open(&mut first)?;
    ours.play(1)?;
    first.run(Duration::from_millis(200), true)?;
    let before = resident()?;
    ours.open(&mut phones)?;
    ours.play(callers + 1)?;
    phones.run(Duration::from_secs(1), true)?;
    Ok(resident()?.saturating_sub(before))
}

fn music() -> Sound {
    Sound { name: "music/bench".into(), language: String::new() }
}

/// One worker; legs 2n and 2n + 1 are in one call.
struct Ours {
    workers: Workers,
    events: mpsc::Receiver<Event>,
    legs: u64,
}

impl Ours {
    fn start() -> Result<Ours> {
        let mut library = Library::new();
        library.insert(music(), &tone::sine(440.0, -12.0, Duration::from_secs(10), tone::RATE));
        let (tx, events) = mpsc::sync_channel(1024);
        let settings = Settings { workers: 1, ..Settings::default() };
        let control = move |event| {
            tx.try_send(event).map_err(|error| match error {
                mpsc::TrySendError::Full(event) | mpsc::TrySendError::Disconnected(event) => event,
            })
        };
        let workers = Workers::start(&settings, library.into(), Clock::start(), control)?;
        Ok(Ours { workers, events, legs: 0 })
    }

    /// Opens a leg for each phone.
    fn open(&mut self, phones: &mut Phones) -> Result<()> {
        for (n, remote) in phones.addresses()?.into_iter().enumerate() {
            let leg = LegId(self.legs);
            self.legs += 1;
            self.send(Command::Open { call: CallId(leg.0 / 2), leg, local: Ipv4Addr::LOCALHOST.into() })?;
            match self.events.recv_timeout(Duration::from_secs(5)).context("no answer to Open")? {
                Event::Opened { leg: opened, rtp } if opened == leg => phones.targets[n] = rtp,
                other => bail!("{other:?} instead of Opened"),
            }
            let stream = Stream {
                remote,
                remote_rtcp: None,
                codec: Codec::Pcmu,
                payload: 0,
                digits: Some(101),
                ptime: Duration::from_millis(20),
                direction: Direction::SendRecv,
            };
            self.send(Command::Configure { leg, stream })?;
        }
        Ok(())
    }

    fn play(&mut self, legs: usize) -> Result<()> {
        (0..legs as u64).map(LegId).try_for_each(|leg| {
            self.send(Command::Play { leg, play: PlayId(leg.0), sounds: vec![music()], repeat: true })
        })
    }

    fn send(&mut self, command: Command) -> Result<()> {
        match self.workers.send(command) {
            None => Ok(()),
            Some(answer) => bail!("the worker did not take a command: {answer:?}"),
        }
    }
}

fn bare_round(calls: usize, step: Duration, length: Duration) -> Result<Measured> {
    let mut phones = Phones::new(calls * 2)?;
    let relay = BareRelay::new(phones.addresses()?)?;
    phones.targets = relay.addresses()?;
    measure_bare(&mut phones, true, length, move |stop| relay.run(step, || stop.load(Ordering::Relaxed)))
}

fn bare_sender_round(callers: usize, length: Duration) -> Result<Measured> {
    let mut phones = Phones::new(callers)?;
    let sender = BareSender::new(phones.addresses()?)?;
    measure_bare(&mut phones, false, length, move |stop| {
        sender.run(|| stop.load(Ordering::Relaxed));
        Ok(())
    })
}

/// Runs the phones against `work` on a thread of its own, which ends when it is told to.
fn measure_bare(
    phones: &mut Phones,
    talking: bool,
    length: Duration,
    work: impl FnOnce(&AtomicBool) -> Result<()> + Send + 'static,
) -> Result<Measured> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = thread::Builder::new().name("bare".into()).spawn(move || work(&stopped))?;
    let measured = measure(phones, "bare", talking, length);
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("a bare relay does not panic")?;
    measured
}

/// CPU time so far of the thread with this name.
fn cpu_time(thread: &str) -> Result<Duration> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim_end() == thread {
            let text = fs::read_to_string(task.join("schedstat"))?;
            let nanos = text.split_whitespace().next().context("an empty schedstat")?;
            return Ok(Duration::from_nanos(nanos.parse()?));
        }
    }
    bail!("no thread named {thread}")
}

/// Resident memory in bytes.
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

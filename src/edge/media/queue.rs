//! Commands on their way to one worker: in order, bounded, with a wake-up for a thread that sleeps in `epoll`.

use crate::media::Command;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// The end that call control holds. It never blocks.
///
/// Above half of the bound no `Open` gets in, so that calls that already run keep the other half. `Close` always gets
/// in: each leg has one, so there are never more of them than legs.
#[derive(Debug)]
pub struct Sender {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    bound: usize,
}

/// The end that the worker holds.
#[derive(Debug)]
pub struct Receiver {
    commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    waiting: AtomicUsize,
    /// The eventfd is written, or about to be, and not yet read: no need to write it again.
    woken: AtomicBool,
    stop: AtomicBool,
    wake: OwnedFd,
}

/// Why a command did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Full,
    /// The worker's thread is gone.
    Gone,
}

pub fn queue(bound: usize) -> io::Result<(Sender, Receiver)> {
    let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    let shared = Arc::new(Shared {
        waiting: AtomicUsize::new(0),
        woken: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        wake,
    });
    let (tx, rx) = mpsc::channel();
    Ok((Sender { commands: tx, shared: shared.clone(), bound }, Receiver { commands: rx, shared }))
}

impl Sender {
    pub fn send(&self, command: Command) -> Result<(), Refusal> {
        let room = match command {
            Command::Open { .. } => self.bound.div_ceil(2),
            Command::Close { .. } => usize::MAX,
            _ => self.bound,
        };
        // There is one sender, so what is counted here can only get less before the next line.
        if self.shared.waiting.load(Ordering::Relaxed) >= room {
            return Err(Refusal::Full);
        }
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.commands.send(command).map_err(|_| Refusal::Gone)?;
        self.shared.wake();
        Ok(())
    }

    /// Tells the worker to end.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake();
    }
}

impl Shared {
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Fails only when the counter is at its limit, and then the worker is woken already.
            rustix::io::write(&self.wake, &1u64.to_ne_bytes()).ok();
        }
    }
}

impl Receiver {
    /// Readable when something was sent since the last `acknowledge`.
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }

    /// Takes the wake-up. Call it before `next`: what is sent after it wakes again.
    pub fn acknowledge(&self) {
        // Empty when the wake-up was already taken: nothing to do then.
        rustix::io::read(&self.shared.wake, &mut [0u8; 8]).ok();
        // A swap, not a store: it must see what was sent by those who found this set.
        self.shared.woken.swap(false, Ordering::AcqRel);
    }

    pub fn next(&self) -> Option<Command> {
        let command = self.commands.try_recv().ok()?;
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(command)
    }

    pub fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CallId, LegId};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::net::Ipv4Addr;

    fn open(n: u64) -> Command {
        Command::Open { call: CallId(n), leg: LegId(n), local: Ipv4Addr::LOCALHOST.into() }
    }

    fn stop(n: u64) -> Command {
        Command::Stop { leg: LegId(n) }
    }

    fn is_awake(rx: &Receiver) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&rx.wake_fd(), PollFlags::IN)], Some(&at_once)).expect("a good descriptor") == 1
    }

    #[test]
    fn full_for_opens_first_then_for_others_never_for_closes() {
        let (tx, rx) = queue(4).expect("an eventfd");
        assert_eq!(tx.send(open(1)), Ok(()));
        assert_eq!(tx.send(open(2)), Ok(()));
        assert_eq!(tx.send(open(3)), Err(Refusal::Full));
        assert_eq!(tx.send(stop(1)), Ok(()));
        assert_eq!(tx.send(stop(2)), Ok(()));
        assert_eq!(tx.send(stop(3)), Err(Refusal::Full));
        assert_eq!(tx.send(Command::Close { leg: LegId(1) }), Ok(()));
        let got: Vec<Command> = std::iter::from_fn(|| rx.next()).collect();
        assert_eq!(got, [open(1), open(2), stop(1), stop(2), Command::Close { leg: LegId(1) }]);
        assert_eq!(tx.send(open(3)), Ok(()), "room again");
    }

    #[test]
    fn sleeper_is_woken_once_until_it_looks() {
        let (tx, rx) = queue(8).expect("an eventfd");
        assert!(!is_awake(&rx));
        tx.send(stop(1)).expect("room");
        tx.send(stop(2)).expect("room");
        assert!(is_awake(&rx));
        rx.acknowledge();
        assert!(!is_awake(&rx), "one wake-up for both");
        assert_eq!(std::iter::from_fn(|| rx.next()).count(), 2);
        tx.send(stop(3)).expect("room");
        assert!(is_awake(&rx));
    }

    #[test]
    fn nothing_is_lost_between_two_threads() {
        let (tx, rx) = queue(64).expect("an eventfd");
        let sender = std::thread::spawn(move || {
            for n in 0..10_000 {
                while tx.send(stop(n)) == Err(Refusal::Full) {
                    std::thread::yield_now();
                }
            }
            tx.stop();
        });
        let mut next = 0;
        loop {
            poll(&mut [PollFd::new(&rx.wake_fd(), PollFlags::IN)], None).expect("a good descriptor");
            rx.acknowledge();
            let stopped = rx.stopped();
            while let Some(command) = rx.next() {
                assert_eq!(command, stop(next));
                next += 1;
            }
            if stopped {
                break;
            }
        }
        sender.join().expect("the sender does not panic");
        assert_eq!(next, 10_000);
    }

    #[test]
    fn a_dead_worker_is_told() {
        let (tx, rx) = queue(8).expect("an eventfd");
        drop(rx);
        assert_eq!(tx.send(open(1)), Err(Refusal::Gone));
    }
}

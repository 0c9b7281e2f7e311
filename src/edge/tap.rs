//! Where operators look at SIP while it passes: off, it costs one look at a flag per message.
//!
//! Whoever listens has a queue of its own with a bound; what does not fit is lost to that listener alone, counted, and
//! said to them. Calls never wait for it.

use super::Clock;
use super::metrics::Capture;
use crate::ids::CallId;
use crate::sip::capture::Captured;
use crate::sip::{Hop, Message, Method, Transmit};
use prometheus::IntCounter;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Messages that may wait for one listener.
const PLACES: usize = 4096;

/// Call-IDs of which it is known to which call they belong. At the bound new ones are not learnt: their messages lack the
/// name of the call.
const KNOWN_MAX: usize = 100_000;

#[derive(Debug)]
pub(super) enum Tapped {
    Message(Box<Captured>),
    Ended(CallId),
}

/// Shared by the sockets and the engine's thread.
pub(super) struct Tap {
    pub clock: Clock,
    is_on: AtomicBool,
    state: Mutex<State>,
    pub counts: Capture,
}

#[derive(Default)]
struct State {
    last: u64,
    listeners: BTreeMap<u64, Place>,
    known: HashMap<String, CallId>,
    /// The Call-IDs of each call in `known`.
    dialogs: HashMap<CallId, Vec<String>>,
}

struct Place {
    queue: mpsc::Sender<Arc<Tapped>>,
    lost: Arc<AtomicU64>,
    missed_end: Arc<AtomicBool>,
    counted: IntCounter,
}

/// Hears every message until it is dropped.
pub(super) struct Listener {
    id: u64,
    tap: Arc<Tap>,
    queue: mpsc::Receiver<Arc<Tapped>>,
    lost: Arc<AtomicU64>,
    missed_end: Arc<AtomicBool>,
}

impl Tap {
    pub fn new(clock: Clock, counts: Capture) -> Arc<Tap> {
        Arc::new(Tap { clock, is_on: AtomicBool::new(false), state: Mutex::default(), counts })
    }

    /// `lost`: counts what this listener is too slow for.
    pub fn listen(self: &Arc<Tap>, lost: IntCounter) -> Listener {
        let (queue, heard) = mpsc::channel(PLACES);
        let mut state = self.state();
        state.last += 1;
        let (id, mine, missed_end) = (state.last, Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        state.listeners.insert(id, Place { queue, lost: mine.clone(), missed_end: missed_end.clone(), counted: lost });
        self.is_on.store(true, Ordering::Relaxed);
        Listener { id, tap: self.clone(), queue: heard, lost: mine, missed_end }
    }

    pub fn received(&self, hop: Hop, message: &Message) {
        if self.is_on() {
            let captured = Captured::new(self.clock.now(), hop, true, None, message.clone());
            self.state().take(captured, |_| None);
        }
    }

    /// `call_of`: asked for the call of an INVITE's Call-ID that is not known yet.
    pub fn sent(&self, transmit: &Transmit, call_of: impl FnOnce(&str) -> Option<CallId>) {
        // What is no message is a keep-alive.
        if self.is_on()
            && let Ok(message) = Message::parse(&transmit.bytes)
        {
            let captured = Captured::new(self.clock.now(), transmit.hop, false, None, message);
            self.state().take(captured, call_of);
        }
    }

    pub fn ended(&self, call: CallId) {
        if self.is_on() {
            let mut state = self.state();
            for call_id in state.dialogs.remove(&call).unwrap_or_default() {
                state.known.remove(&call_id);
            }
            state.tell(Tapped::Ended(call));
        }
    }

    /// Somebody listens.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, mut captured: Captured, call_of: impl FnOnce(&str) -> Option<CallId>) {
        let headers = captured.message().headers();
        captured.call = headers.call_id().ok().and_then(|call_id| {
            if let Some(known) = self.known.get(call_id) {
                return Some(*known);
            }
            let may_learn = matches!(headers.cseq(), Ok((_, Method::Invite))) && self.known.len() < KNOWN_MAX;
            let call = may_learn.then(|| call_of(call_id)).flatten()?;
            self.known.insert(call_id.to_owned(), call);
            self.dialogs.entry(call).or_default().push(call_id.to_owned());
            Some(call)
        });
        self.tell(Tapped::Message(Box::new(captured)));
    }

    fn tell(&mut self, tapped: Tapped) {
        let tapped = Arc::new(tapped);
        for place in self.listeners.values() {
            // Closed: it is on its way out.
            if let Err(mpsc::error::TrySendError::Full(_)) = place.queue.try_send(tapped.clone()) {
                match *tapped {
                    Tapped::Message(_) => {
                        place.lost.fetch_add(1, Ordering::Relaxed);
                        place.counted.inc();
                    }
                    Tapped::Ended(_) => place.missed_end.store(true, Ordering::Relaxed),
                }
            }
        }
    }
}

impl Listener {
    /// The next message, or the end of a call.
    pub async fn next(&mut self) -> Arc<Tapped> {
        self.queue.recv().await.expect("the tap holds the other end until this is dropped")
    }

    /// Calls ended of which this was not told: too much came at once. True as long as there is something to hear that came before,
    /// and once more.
    pub fn missed_end(&self) -> bool {
        match self.queue.is_empty() {
            true => self.missed_end.swap(false, Ordering::Relaxed),
            false => self.missed_end.load(Ordering::Relaxed),
        }
    }

    /// How many messages were lost since this was asked last.
    pub fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.tap.state();
        state.listeners.remove(&self.id);
        if state.listeners.is_empty() {
            self.tap.is_on.store(false, Ordering::Relaxed);
            state.known.clear();
            state.dialogs.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::metrics::{Metrics, Names};
    use crate::sip::Transport;

    fn invite(call_id: &str) -> Transmit {
        let hop = Hop {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: "127.0.0.1:9".parse().unwrap(),
            connection: None,
        };
        let text = format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:a@b>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        Transmit::new(hop, text.into_bytes())
    }

    fn tap() -> (Arc<Tap>, Metrics) {
        let clock = Clock::start();
        let metrics = Metrics::new(clock, &Names::default());
        (Tap::new(clock, metrics.capture.clone()), metrics)
    }

    async fn call_of_next(listener: &mut Listener) -> Option<CallId> {
        match &*listener.next().await {
            Tapped::Message(captured) => captured.call,
            Tapped::Ended(_) => panic!("an end"),
        }
    }

    #[tokio::test]
    async fn messages_carry_their_call_once_it_is_known_until_it_ends() {
        let (tap, _metrics) = tap();
        tap.sent(&invite("a"), |_| panic!("nobody listens"));
        let mut listener = tap.listen(tap.counts.trace_lost.clone());
        let message = Message::parse(&invite("a").bytes).unwrap();
        tap.received(invite("a").hop, &message);
        assert_eq!(call_of_next(&mut listener).await, None);
        let mut options = invite("a");
        options.bytes = String::from_utf8(options.bytes).unwrap().replace("INVITE", "OPTIONS").into_bytes();
        tap.sent(&options, |_| panic!("whose call it is, is asked for INVITEs only"));
        assert_eq!(call_of_next(&mut listener).await, None);
        tap.sent(&invite("a"), |call_id| (call_id == "a").then_some(CallId(1)));
        assert_eq!(call_of_next(&mut listener).await, Some(CallId(1)));
        tap.received(invite("a").hop, &message);
        assert_eq!(call_of_next(&mut listener).await, Some(CallId(1)));
        tap.ended(CallId(1));
        assert!(matches!(&*listener.next().await, Tapped::Ended(CallId(1))));
        tap.received(invite("a").hop, &message);
        assert_eq!(call_of_next(&mut listener).await, None);
        drop(listener);
        assert!(!tap.is_on() && tap.state().known.is_empty());
    }

    #[tokio::test]
    async fn who_does_not_keep_up_loses_messages_alone_and_is_told() {
        let (tap, metrics) = tap();
        let mut slow = tap.listen(tap.counts.trace_lost.clone());
        let mut quick = tap.listen(tap.counts.server_lost.clone());
        for _ in 0..PLACES + 3 {
            tap.sent(&invite("a"), |_| None);
            quick.next().await;
        }
        assert_eq!((slow.lost(), slow.lost(), quick.lost()), (3, 0, 0));
        assert!(!slow.missed_end());
        tap.ended(CallId(1));
        assert!(slow.missed_end() && !quick.missed_end() && slow.lost() == 0);
        for _ in 1..PLACES {
            slow.next().await;
            assert!(slow.missed_end(), "what it hears is older");
        }
        slow.next().await;
        assert!(slow.missed_end() && !slow.missed_end(), "whose end it was is behind it now");
        let text = metrics.text();
        assert!(text.contains(r#"vaxel_capture_lost_total{listener="trace"} 3"#), "{text}");
        assert!(text.contains(r#"vaxel_capture_lost_total{listener="server"} 0"#), "{text}");
    }
}

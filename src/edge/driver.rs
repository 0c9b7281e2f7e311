//! The engine's thread: the only one that touches it.
//!
//! Waits at the door until something comes or a timer is due, gives it to the engine, and carries out what the engine
//! says, in order. It never waits for anything else: sockets, media workers and the recorder all take without blocking.

use super::Clock;
use super::door::{Entrance, Granted, Knock, What};
use super::journal::{self, BEAT};
use super::media::Workers;
use super::metrics::Metrics;
use super::recorder::Teller;
use super::sip::Sip;
use super::tap::Tap;
use super::throttle::Throttle;
use crate::acd::Acd;
use crate::engine::{Answer, Engine, Input, Output, Refusal};
use crate::ids::LegId;
use crate::media::{Command, Event};
use crate::record::What as Happened;
use crate::time::{Duration, Time};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// The engine with everything that carries out what it says.
pub(super) struct Driver {
    pub engine: Engine,
    pub entrance: Entrance,
    pub sip: Arc<Sip>,
    pub tap: Arc<Tap>,
    pub workers: Workers,
    pub homes: Homes,
    pub teller: Teller,
    pub journal: journal::Teller<Acd>,
    /// When it was told something last.
    pub told: Time,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub drained: watch::Sender<bool>,
    /// To who wished what is being carried out.
    pub reply: Option<oneshot::Sender<Granted>>,
}

/// A wait that took so much longer than it should: the process, or the whole machine, stood still.
const OVERSLEPT: Duration = Duration::from_millis(50);
/// The same of a round of work, of which a hundredth is much.
const OVERWORKED: Duration = Duration::from_secs(1);
/// When nothing has come for so long after that, the sockets are empty.
const QUIET: Duration = Duration::from_millis(100);
/// So long only what came meanwhile counts, and no deadline.
const HEARING_MAX: Duration = Duration::from_secs(1);

/// Inputs taken before timers are looked at again.
const BATCH: usize = 256;

/// Even when nothing happens: what media and SIP have counted is brought to the metrics, and what was lost is made good.
const TURN: Duration = Duration::from_secs(1);

/// Peers can cause these lines.
static LIMITS: Throttle = Throttle::new(Duration::from_secs(10));

impl Driver {
    /// Until [`What::Stop`] comes.
    pub fn run(mut self) {
        let mut measured = Time::EPOCH;
        self.carry_out();
        let mut worked_since = self.clock.now();
        loop {
            let due = self.engine.poll_timeout();
            let wait = due.map_or(TURN, |due| self.clock.until(due).min(TURN));
            let rested_since = self.clock.now();
            let Ok(mut first) = self.entrance.wait(wait) else { return };
            let now = self.clock.now();
            let overslept = now.since(rested_since) > wait + OVERSLEPT;
            if overslept || rested_since.since(worked_since) > OVERWORKED {
                // No longer than it stood still: what came in that time is read by then.
                let stood = now.since(rested_since + wait).max(rested_since.since(worked_since));
                let Some(heard) = self.hear_first(first, stood.min(HEARING_MAX)) else { return };
                first = heard;
            }
            worked_since = self.clock.now();
            let now = worked_since;
            if let Some(due) = due
                && due <= now
            {
                self.metrics.engine.lag.observe(now.since(due).as_secs_f64());
                self.engine.handle_timeout(now);
                self.carry_out();
            }
            let mut next = first;
            for _ in 0..BATCH {
                let Some(knock) = next else { break };
                if !self.take(knock) {
                    return;
                }
                next = self.entrance.next();
            }
            if let Some(knock) = next
                && !self.take(knock)
            {
                return;
            }
            if now.since(measured) >= TURN {
                self.metrics.media.update(self.workers.counters());
                let (transactions, usages) = self.engine.sip_load();
                self.metrics.transactions.update(self.engine.sip_counters(), transactions, usages);
                let (asked, limited) = self.engine.phones_figures();
                self.metrics.traffic.keep_alives.update(asked);
                let limits = self.metrics.limits.update(limited, self.engine.sip_counters());
                if !limits.is_empty()
                    && let Some(held_back) = LIMITS.pass(now)
                {
                    tracing::warn!(limits = limits.join(", "), held_back, "limits of SIP were reached");
                }
                self.metrics.memory.update(self.engine.acd().callers_forgotten());
                self.metrics.trunks.update(self.engine.trunk_figures(now));
                self.teller.make_good();
                self.journal.make_good(|| self.engine.acd().clone());
                if now.since(self.told) >= BEAT {
                    self.engine.pass_time(now);
                    self.carry_out();
                }
                measured = now;
            }
        }
    }

    /// What peers sent while we stood still waits in the sockets, and is older than the deadlines that passed meanwhile: their answers
    /// come first, or they would be called silent because we did not listen. Gives what comes next; `None`: stop.
    fn hear_first(&mut self, first: Option<Knock>, longest: Duration) -> Option<Option<Knock>> {
        let until = self.clock.now() + longest;
        let mut next = first;
        loop {
            if let Some(knock) = next
                && !self.take(knock)
            {
                return None;
            }
            let left = self.clock.until(until).min(QUIET);
            next = self.entrance.wait(left).ok()?;
            if next.is_none() || left.is_zero() {
                return Some(next);
            }
        }
    }

    /// False: stop.
    fn take(&mut self, knock: Knock) -> bool {
        match knock.what {
            What::Input(input) => {
                let now = self.clock.now();
                self.metrics.engine.lag.observe(now.since(knock.at).as_secs_f64());
                self.handle(now, input);
                self.carry_out();
            }
            What::Wish(wish, reply) => {
                self.reply = Some(reply);
                let now = self.clock.now();
                self.handle(now, Input::Wish(wish));
                self.carry_out();
            }
            What::Ping(answer) => {
                if answer.send(()).is_err() {
                    tracing::debug!("who asked whether the engine is alive did not wait for the answer");
                }
            }
            What::Figures(answer) => {
                if answer.send(self.engine.queue_figures(self.clock.now())).is_err() {
                    tracing::debug!("who asked how the queues stand did not wait for the answer");
                }
            }
            What::Stop => return false,
        }
        true
    }

    fn handle(&mut self, now: Time, mut input: Input) {
        if let Input::Media(event) = &mut input {
            self.homes.inward(event);
        }
        self.engine.handle(now, input);
    }

    /// All that follows from the wish has been told to the journal.
    fn reply(&mut self, answer: Result<Answer, Refusal>) {
        let (receipt, kept) = oneshot::channel();
        self.journal.ask_for_receipt(receipt);
        if self.reply.take().is_some_and(|reply| reply.send(Granted { answer, kept }).is_err()) {
            tracing::debug!("who wished something did not wait for the answer");
        }
    }

    fn carry_out(&mut self) {
        let mut answers = VecDeque::new();
        loop {
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Sip(transmit) => {
                        self.tap.sent(&transmit, |call_id| self.engine.call_with(call_id));
                        self.sip.send(transmit);
                    }
                    Output::Media(mut command) => {
                        self.homes.outward(&mut command);
                        answers.extend(self.workers.send(command));
                    }
                    Output::Event(event) => {
                        if let Happened::CallEnded { call, .. } = event.what {
                            self.tap.ended(call);
                        }
                        self.teller.tell(self.clock.now(), event);
                    }
                    Output::Registration(change) => self.teller.tell_registration(self.clock.now(), change),
                    Output::Acd(event) => {
                        self.told = self.clock.now();
                        self.journal.tell(self.told, event);
                    }
                    Output::Toll(toll) => self.teller.tell_toll(self.clock.now(), toll),
                    Output::Judged { from, account, is_right } => self.sip.judged(from, &account, is_right),
                    Output::Answer(answer) => self.reply(answer),
                    Output::KeepOpen(hop) => self.sip.keep_open(&hop),
                    Output::Drained => {
                        self.drained.send_replace(true);
                    }
                }
            }
            let Some(event) = answers.pop_front() else { return };
            self.handle(self.clock.now(), Input::Media(event));
        }
    }
}

/// Where media sockets are bound when peers are told another address than this machine has.
#[derive(Debug, Default)]
pub(super) struct Homes {
    /// Told → bound.
    homes: HashMap<IpAddr, IpAddr>,
    /// Legs whose port is being opened, and what their peers will be told. Each is answered.
    opening: HashMap<LegId, IpAddr>,
}

impl Homes {
    /// `listen`: pairs of what is told and what is bound.
    pub fn new(listen: impl IntoIterator<Item = (IpAddr, IpAddr)>) -> Homes {
        let homes = listen.into_iter().filter(|(told, bound)| told != bound).collect();
        Homes { homes, opening: HashMap::new() }
    }

    fn outward(&mut self, command: &mut Command) {
        if let Command::Open { leg, local, .. } = command
            && let Some(bound) = self.homes.get(local)
        {
            self.opening.insert(*leg, *local);
            *local = *bound;
        }
    }

    fn inward(&mut self, event: &mut Event) {
        match event {
            Event::Opened { leg, rtp } => {
                if let Some(told) = self.opening.remove(leg) {
                    rtp.set_ip(told);
                }
            }
            Event::OpenFailed { leg, .. } => {
                self.opening.remove(leg);
            }
            Event::Digit { .. } | Event::Played { .. } | Event::Silent { .. } | Event::Closed { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CallId;
    use crate::media::OpenFailure;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn open(homes: &mut Homes, leg: u64, local: &str) -> IpAddr {
        let mut command = Command::Open { call: CallId(1), leg: LegId(leg), local: ip(local) };
        homes.outward(&mut command);
        let Command::Open { local, .. } = command else { panic!("another command") };
        local
    }

    #[test]
    fn media_is_bound_at_home_and_told_as_advertised() {
        let mut homes = Homes::new([(ip("203.0.113.5"), ip("10.0.0.5")), (ip("10.0.0.6"), ip("10.0.0.6"))]);
        assert_eq!(open(&mut homes, 1, "203.0.113.5"), ip("10.0.0.5"));
        assert_eq!(open(&mut homes, 2, "10.0.0.6"), ip("10.0.0.6"));
        assert_eq!(open(&mut homes, 3, "203.0.113.5"), ip("10.0.0.5"));
        let mut opened = Event::Opened { leg: LegId(1), rtp: "10.0.0.5:20000".parse().unwrap() };
        homes.inward(&mut opened);
        assert_eq!(opened, Event::Opened { leg: LegId(1), rtp: "203.0.113.5:20000".parse().unwrap() });
        let plain = Event::Opened { leg: LegId(2), rtp: "10.0.0.6:20002".parse().unwrap() };
        let mut seen = plain.clone();
        homes.inward(&mut seen);
        assert_eq!(seen, plain);
        homes.inward(&mut Event::OpenFailed { leg: LegId(3), reason: OpenFailure::NoPort });
        assert!(homes.opening.is_empty());
    }
}

//! What is written when, and what is done when that fails. No thread: it is told what happened and what time it is.
//!
//! It folds all that it is told into a state of its own, also while the disk refuses; so a snapshot is at hand at any moment,
//! and with it the journal is right again, whatever was lost. Only when events did not even get here ([`Told::Event`] with a
//! number that leaves some out) must it be given the state.

use super::folder::{Disk, Keep};
use super::format::{self, Head, Holds, Lost};
use super::reader::LINE_MAX;
use super::{Comparison, Fold};
use crate::edge::metrics::Journal as Metrics;
use crate::edge::throttle::Throttle;
use crate::time::{Duration, Time};
use std::io;
use std::time::Instant as Stopwatch;

/// What was appended is flushed to the disk so long after the first of it came: a loss of power takes no more than that.
pub const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// After so many bytes of events comes a snapshot and a new segment, so that a start has not more than that to fold.
pub const SEGMENT_MAX: u64 = 16 << 20;

/// After so long, too, if anything happened; so that a look at the past has not more than that to fold.
pub const SNAPSHOT_EVERY: Duration = Duration::from_secs(3600);

/// Between two tries at a disk that refuses; doubled up to the second.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What is wrong is said in the log no more often than this.
const FAULTS: Duration = Duration::from_secs(10);

/// A full disk is asked so often whether it has room again, and said to be full so often.
const ROOM_AGAIN: Duration = Duration::from_secs(5);
const FULL: Duration = Duration::from_secs(60);

/// What the journal hears.
#[derive(Debug)]
pub enum Told<F: Fold> {
    /// Numbers count up; one that is left out was lost on the way.
    Event { seq: u64, event: Box<F::Event> },
    /// Events before this were lost; so it is now, after the one with this number.
    State { seq: u64, state: Box<F> },
}

/// See the file's documentation.
///
/// After each [`Writer::take`], or a number of them, [`Writer::turn`]; also at [`Writer::poll_timeout`].
pub struct Writer<F: Fold, D> {
    state: F,
    /// Of the last event that is in `state`.
    seq: u64,
    /// Events were lost on the way: `state` is not what it should be.
    is_behind: bool,
    /// Of the last event that was taken in order.
    last: Time,
    /// The last events that are in `lines`, that were appended, and flushed.
    noted: u64,
    appended: u64,
    flushed: u64,
    /// Since when the journal lacks events, if it does.
    lacks: Option<Time>,
    /// Events come so often at least.
    beat: Option<Duration>,
    /// With what the engine decided.
    comparison: Comparison,
    disk: D,
    keep: Keep,
    stands: Stands,
    /// Lines that are to be appended, how many they are, and when the first of them happened.
    lines: Vec<u8>,
    count: u64,
    first: Option<Time>,
    /// When the first of what is appended and not flushed happened; and when it has to be.
    unflushed: Option<(Time, Time)>,
    /// Before the next try.
    retry: Duration,
    metrics: Metrics,
    faults: Throttle,
    ahead: Ahead,
    full: Throttle,
}

/// The room that the disk keeps for what comes.
#[derive(Debug)]
enum Ahead {
    Enough,
    /// The disk is full; it is asked again then.
    Less {
        again: Time,
    },
    /// This disk keeps none.
    None,
}

#[derive(Debug)]
enum Stands {
    /// Events are appended.
    Writing {
        bytes: u64,
        /// A snapshot is due, if there are any by then.
        due: Time,
    },
    /// Nothing is appended before the next snapshot, which is tried then.
    Waiting { until: Time },
}

impl<F: Fold, D: Disk> Writer<F, D> {
    /// `state` after the event `seq`. The first turn writes it.
    pub fn new(state: F, seq: u64, disk: D, keep: Keep, metrics: Metrics) -> Writer<F, D> {
        metrics.writing.set(0);
        let mut comparison = Comparison::default();
        comparison.go_on_from(&state);
        Writer {
            state,
            seq,
            is_behind: false,
            last: Time::EPOCH,
            noted: seq,
            appended: seq,
            flushed: seq,
            lacks: None,
            beat: None,
            comparison,
            disk,
            keep,
            stands: Stands::Waiting { until: Time::EPOCH },
            lines: Vec::new(),
            count: 0,
            first: None,
            unflushed: None,
            retry: RETRY,
            metrics,
            faults: Throttle::new(FAULTS),
            ahead: Ahead::Enough,
            full: Throttle::new(FULL),
        }
    }

    /// To be told something so often at least, which is written for those who look back.
    pub fn beating(self, every: Duration) -> Writer<F, D> {
        Writer { beat: Some(every), ..self }
    }

    pub fn take(&mut self, now: Time, told: Told<F>) {
        match told {
            // That some are lost was said by who lost them.
            Told::Event { seq, .. } if self.is_behind || seq != self.seq + 1 => {
                self.is_behind = true;
                let last = if self.last == Time::EPOCH { now } else { self.last };
                self.lose(last, 1);
            }
            Told::Event { seq, event } => {
                self.state.apply(&event);
                (self.seq, self.last) = (seq, F::at(&event));
                if !self.comparison.folded(seq, &*event, &mut self.state) {
                    self.otherwise(now);
                }
                match self.stands {
                    Stands::Writing { .. } => self.note(now, seq, &event),
                    Stands::Waiting { .. } => self.lose(self.last, 1),
                }
            }
            Told::State { seq, state } => {
                self.append(now);
                (self.state, self.seq, self.last, self.is_behind) = (*state, seq, now, false);
                self.comparison.go_on_from(&self.state);
                self.wait(now, Duration::ZERO);
                self.begin_anew(now);
            }
        }
    }

    /// Two folds of the same events in one process: there is something in it that is not folded.
    fn otherwise(&mut self, now: Time) {
        self.metrics.otherwise.inc();
        if let Some(otherwise) = self.comparison.otherwise()
            && let Some(held_back) = self.faults.pass(now)
        {
            tracing::error!(held_back, "the same events gave other decisions, which is a fault of vaxel: {otherwise}");
        }
    }

    fn note(&mut self, now: Time, seq: u64, event: &F::Event) {
        let before = self.lines.len();
        let written = format::record(&mut self.lines, seq, event);
        if let Err(error) = written {
            return self.cannot_be_noted(now, &error);
        }
        if self.lines.len() - before > LINE_MAX {
            self.lines.truncate(before);
            return self.cannot_be_noted(now, &"it is too long");
        }
        self.count += 1;
        self.noted = seq;
        self.first.get_or_insert(F::at(event));
    }

    /// So many events are in no file, from this moment on.
    fn lose(&mut self, since: Time, events: u64) {
        self.lacks.get_or_insert(since);
        self.metrics.lost.inc_by(events);
    }

    /// The state has it, so a snapshot will do.
    fn cannot_be_noted(&mut self, now: Time, error: &dyn std::fmt::Display) {
        self.append(now);
        self.lose(self.last, 1);
        self.failed(now, "an event cannot be written; a snapshot takes its place", error);
        self.wait(now, Duration::ZERO);
        self.begin_anew(now);
    }

    /// Writes what was taken, and does what is due.
    pub fn turn(&mut self, now: Time) {
        self.append(now);
        if self.unflushed.is_some_and(|(_, due)| due <= now) {
            self.flush(now);
        }
        let is_due = match self.stands {
            Stands::Writing { bytes, due } => bytes > 0 && due <= now,
            Stands::Waiting { until } => until <= now,
        };
        if is_due && !self.is_behind {
            self.begin_anew(now);
        }
        if let Stands::Writing { .. } = self.stands {
            self.look_ahead(now);
        }
    }

    /// Has room made ahead where it was used up, and says how it stands.
    fn look_ahead(&mut self, now: Time) {
        let due = match self.ahead {
            Ahead::Enough => now,
            Ahead::Less { again } => again,
            Ahead::None => return,
        };
        if due <= now
            && self.disk.lacks_room()
            && let Err(error) = self.disk.make_room()
        {
            tracing::warn!(%error, "this disk keeps no room for the journal: should it be full, events are lost at once");
            self.ahead = Ahead::None;
            return;
        }
        let room = self.disk.room();
        self.metrics.reserve.set(i64::try_from(room).unwrap_or(i64::MAX));
        let lacks_room = self.disk.lacks_room();
        if lacks_room && self.full.pass(now).is_some() {
            tracing::error!(bytes = room, "the disk is full: the journal goes on in the room that was kept for it");
        } else if !lacks_room && matches!(self.ahead, Ahead::Less { .. }) {
            tracing::info!("the disk has room for the journal again");
        }
        self.ahead = match lacks_room {
            false => Ahead::Enough,
            true if due <= now => Ahead::Less { again: now + ROOM_AGAIN },
            true => Ahead::Less { again: due },
        };
    }

    /// Whether all that was taken is written, after a turn.
    pub fn is_writing(&self) -> bool {
        !self.is_behind && matches!(self.stands, Stands::Writing { .. })
    }

    /// When [`Writer::turn`] has something to do at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        let snapshot = match self.stands {
            _ if self.is_behind => None,
            Stands::Writing { bytes: 0, .. } => None,
            Stands::Writing { due, .. } => Some(due),
            Stands::Waiting { until } => Some(until),
        };
        let room = match (&self.ahead, &self.stands) {
            (Ahead::Less { again }, Stands::Writing { .. }) => Some(*again),
            _ => None,
        };
        [snapshot, room, self.unflushed.map(|(_, due)| due)].into_iter().flatten().min()
    }

    /// The last events are on the disk, if it takes them, and a snapshot: another version of the program, which may decide
    /// otherwise, does not have to fold what this one has seen.
    pub fn close(mut self, now: Time) {
        self.append(now);
        self.flush(now);
        let has_news = matches!(self.stands, Stands::Writing { bytes, .. } if bytes > 0);
        if has_news && let Err(error) = self.snapshot(now) {
            self.failed(now, "the disk takes no snapshot of the queues", &error);
        }
    }

    fn append(&mut self, now: Time) {
        let Some(first) = self.first.take() else { return };
        let (length, count) = (self.lines.len() as u64, std::mem::take(&mut self.count));
        let appended = self.disk.append(&self.lines);
        self.lines.clear();
        match appended {
            Ok(()) => {
                if let Stands::Writing { bytes, due } = &mut self.stands {
                    let was_small = *bytes < SEGMENT_MAX;
                    *bytes += length;
                    if was_small && *bytes >= SEGMENT_MAX {
                        *due = now;
                    }
                }
                self.appended = self.noted;
                self.unflushed.get_or_insert((first, now + FLUSH_EVERY));
                self.metrics.bytes.inc_by(length);
                self.metrics.events.inc_by(count);
            }
            Err(error) => {
                self.lose(first, count);
                self.refused(now, &error);
            }
        }
    }

    fn flush(&mut self, now: Time) {
        let Some((first, _)) = self.unflushed.take() else { return };
        match self.disk.flush() {
            Ok(()) => {
                self.retry = RETRY;
                self.flushed = self.appended;
                self.metrics.lag.observe(now.since(first).as_secs_f64());
            }
            // What the system has thrown away is nowhere any more, whatever the file seems to hold.
            Err(error) => {
                self.appended = self.flushed;
                self.lacks.get_or_insert(first);
                self.refused(now, &error);
            }
        }
    }

    /// The disk does not take events.
    fn refused(&mut self, now: Time, error: &io::Error) {
        self.failed(now, "the journal cannot be written; it goes on with a snapshot when the disk takes one", error);
        let pause = self.pause();
        self.wait(now, pause);
    }

    /// Longer each time, until events are on the disk again: a disk that takes snapshots and no events would get nothing but
    /// snapshots.
    fn pause(&mut self) -> Duration {
        let pause = self.retry;
        self.retry = (pause * 2).min(RETRY_MAX);
        pause
    }

    fn wait(&mut self, now: Time, pause: Duration) {
        // What was appended before may be flushed or not: the snapshot has it.
        self.unflushed = None;
        self.stands = Stands::Waiting { until: now + pause };
        self.disk.leave();
        self.metrics.writing.set(0);
        self.metrics.reserve.set(0);
    }

    fn failed(&self, now: Time, what: &str, error: &dyn std::fmt::Display) {
        self.metrics.errors.inc();
        if let Some(held_back) = self.faults.pass(now) {
            tracing::error!(%error, held_back, "{what}");
        }
    }

    /// A snapshot, and a new segment after it.
    fn begin_anew(&mut self, now: Time) {
        // What is before it is kept for those who look back.
        self.flush(now);
        let began = Stopwatch::now();
        match self.snapshot(now).and_then(|bytes| Ok(bytes + self.segment(now)?)) {
            Ok(bytes) => {
                self.metrics.bytes.inc_by(bytes);
                self.metrics.snapshot_seconds.observe(began.elapsed().as_secs_f64());
                self.metrics.writing.set(1);
                self.unflushed = None;
                if let Some(Lost { events, since }) = self.lost() {
                    tracing::warn!(events, %since, "the journal is written again; these events are not in it, what came of them is");
                }
                (self.appended, self.flushed, self.lacks) = (self.seq, self.seq, None);
                self.stands = Stands::Writing { bytes: 0, due: now + SNAPSHOT_EVERY };
                if let Err(error) = self.disk.tidy(now, self.keep) {
                    self.failed(now, "what is old in the journal cannot be removed", &error);
                }
            }
            Err(error) => {
                self.failed(now, "the disk takes no snapshot of the queues; it is tried again", &error);
                let again = now + self.pause();
                match &mut self.stands {
                    // What is appended is good without it.
                    Stands::Writing { due, .. } => *due = again,
                    Stands::Waiting { until } => *until = again,
                }
            }
        }
    }

    fn snapshot(&mut self, now: Time) -> io::Result<u64> {
        let mut bytes = Head::new(Holds::Snapshot, self.seq, now).line();
        format::record(&mut bytes, self.seq, &self.state.snapshot())?;
        self.disk.snapshot(self.seq, now, &bytes)?;
        Ok(bytes.len() as u64)
    }

    fn lost(&self) -> Option<Lost> {
        self.lacks.map(|since| Lost { events: self.seq - self.appended, since })
    }

    fn segment(&mut self, now: Time) -> io::Result<u64> {
        let first = self.seq + 1;
        let head = Head { beat: self.beat, lost: self.lost(), ..Head::new(Holds::Events, first, now) }.line();
        self.disk.begin(first, now, &head)?;
        Ok(head.len() as u64)
    }
}

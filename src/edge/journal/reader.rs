//! Folding what is there: a snapshot, and the events after it.
//!
//! Nothing in a file makes it panic or gives a state that never was: it goes on only with the very next event, and stops, or
//! goes on from a later snapshot, where that is missing or damaged.

use super::folder::{self, Kind, Listing, Named};
use super::format::{self, Damage, Head, Holds, Line, Lost};
use super::{Comparison, Fold, Otherwise};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of a line; what is longer was not written by us.
pub const LINE_MAX: usize = 1 << 20;

/// Bytes of a snapshot.
pub const SNAPSHOT_MAX: u64 = 1 << 30;

/// A state, and the events that are to be folded into it one after the other.
#[derive(Debug)]
pub struct Replay<F> {
    folder: PathBuf,
    /// As it was after the last event that was given, if whoever reads has applied all of them.
    pub state: F,
    /// Of the last event that was given, or that the snapshot stands for.
    pub(super) seq: u64,
    /// Still to be read, in order.
    segments: VecDeque<Named>,
    /// Later ones, in order.
    snapshots: VecDeque<Named>,
    open: Option<Open>,
    end: Option<End>,
    /// Of the file, or the snapshot, that was read last: when it was begun.
    begun: Time,
    /// And how often events come in it at least.
    beat: Option<Duration>,
    /// The versions of the program, other than this one, that wrote events which were given.
    others: BTreeSet<String>,
    comparison: Comparison,
}

#[derive(Debug)]
struct Open {
    named: Named,
    file: BufReader<File>,
    /// Of what is read next.
    offset: u64,
    has_head: bool,
    /// The version that wrote it, if it is not this one, until one of its events was given.
    other: Option<String>,
    line: Vec<u8>,
}

/// Why nothing comes any more.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// All that was written was read.
    Whole,
    /// From here on nothing can be used.
    Damaged { file: Named, offset: u64, damage: Damage },
    /// These events are nowhere. The file (if it begins before) goes on behind them at that offset; `lost` is what it says of them.
    Gap { first: u64, last: u64, file: Named, offset: u64, lost: Option<Lost> },
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Whole => f.write_str("nothing is missing"),
            End::Damaged { file, offset, damage } => write!(f, "{} is damaged at byte {offset}: {damage}", file.name()),
            End::Gap { first, last, .. } => write!(f, "the events {first} to {last} are missing"),
        }
    }
}

impl<F: Fold> Replay<F> {
    /// From the newest good snapshot that was made at or before `at`. `None`: there is none. `damaged` is told of those that
    /// are no good.
    ///
    /// # Errors
    ///
    /// The folder or a file cannot be read.
    pub fn open(folder: &Path, at: Time, mut damaged: impl FnMut(&Named, Damage)) -> io::Result<Option<Replay<F>>> {
        let Listing { segments, mut snapshots, .. } = Listing::read(folder)?;
        let mut later = VecDeque::new();
        while let Some(named) = snapshots.pop() {
            if named.made <= at {
                match read_snapshot::<F>(folder, &named)? {
                    Ok(state) => {
                        let mut comparison = Comparison::default();
                        comparison.go_on_from(&state);
                        let (folder, segments) = (folder.to_owned(), segments.into());
                        let (seq, snapshots, begun) = (named.seq, later, named.made);
                        return Ok(Some(Replay {
                            folder,
                            state,
                            seq,
                            segments,
                            snapshots,
                            open: None,
                            end: None,
                            begun,
                            beat: None,
                            others: BTreeSet::new(),
                            comparison,
                        }));
                    }
                    Err(damage) => damaged(&named, damage),
                }
            } else {
                later.push_front(named);
            }
        }
        Ok(None)
    }

    /// When the file was begun of which the last event was given; of the snapshot, if there was none. A run begins with what it ends of
    /// the one before, as of the last time that was known: not every event is later than that.
    pub fn begun(&self) -> Time {
        self.begun
    }

    /// How often events come at least in that file, while the service runs; `None`: nobody saw to that.
    pub fn beat(&self) -> Option<Duration> {
        self.beat
    }

    /// Other versions of the program that wrote what was given. Where they decided otherwise than this one does, the state is not
    /// quite as it was; from the next snapshot on it is.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(String::as_str)
    }

    /// Of the last event that was given, or that the snapshot stands for.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// `None` as long as something may come.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Folds the event that was given last.
    pub fn apply(&mut self, event: &F::Event) {
        self.state.apply(event);
        self.compare(event);
    }

    /// For those who have folded the event that was given last, and nothing after it, into the state themselves.
    pub fn compare(&mut self, event: &F::Event) {
        self.comparison.folded(self.seq, event, &mut self.state);
    }

    /// What was decided otherwise when it happened, of all that was folded so far. `None`: nothing, as far as it was noted.
    pub fn otherwise(&self) -> Option<&Otherwise> {
        self.comparison.otherwise()
    }

    /// The next event, to be applied to the state. `None`: see [`Replay::end`].
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn next(&mut self) -> io::Result<Option<F::Event>> {
        if self.end.is_some() {
            return Ok(None);
        }
        match self.next_event()? {
            Ok(event) => Ok(Some(event)),
            Err(end) => {
                self.end = Some(end);
                Ok(None)
            }
        }
    }

    /// After the end: goes on from the next good snapshot. False: there is none.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn jump(&mut self) -> io::Result<bool> {
        while let Some(named) = self.snapshots.pop_front() {
            if named.seq > self.seq
                && let Ok(state) = read_snapshot::<F>(&self.folder, &named)?
            {
                (self.state, self.seq, self.open, self.end) = (state, named.seq, None, None);
                self.begun = named.made;
                self.comparison.go_on_from(&self.state);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn next_event(&mut self) -> io::Result<Result<F::Event, End>> {
        loop {
            let Some(open) = &mut self.open else {
                match self.open_next()? {
                    Ok(()) => continue,
                    Err(end) => return Ok(Err(end)),
                }
            };
            // What comes after that is in the next one, also if this one was not cut there.
            let next = self.segments.front().map(|next| next.seq);
            if next.is_some_and(|next| next <= self.seq.saturating_add(1)) {
                self.open = None;
                continue;
            }
            let (offset, named) = (open.offset, open.named.clone());
            let damaged = |damage| Ok(Err(End::Damaged { file: named.clone(), offset, damage }));
            match open.next_line()? {
                // A head is on the disk before anything else is.
                Ok(false) if !open.has_head => return damaged(Damage::Torn),
                Ok(false) => self.open = None,
                Ok(true) => match format::read(&open.line) {
                    Ok(Line::Head(head)) if !open.has_head && head.fits(&named) => {
                        open.has_head = true;
                        (self.begun, self.beat) = (named.made, head.beat);
                        open.other = Some(head.vaxel).filter(|vaxel| vaxel != env!("CARGO_PKG_VERSION"));
                    }
                    Ok(Line::Record { seq, .. }) if open.has_head && seq <= self.seq => {}
                    Ok(Line::Record { seq, .. }) if open.has_head && seq > self.seq.saturating_add(1) => {
                        let (first, last) = (self.seq + 1, seq - 1);
                        return Ok(Err(End::Gap { first, last, file: named, offset, lost: None }));
                    }
                    Ok(Line::Record { seq, json }) if open.has_head => match serde_json::from_slice(json) {
                        Ok(event) => {
                            self.seq = seq;
                            self.others.extend(open.other.take());
                            return Ok(Ok(event));
                        }
                        Err(error) => return damaged(Damage::Strange(error.to_string())),
                    },
                    Ok(_) => return damaged(Damage::Misplaced),
                    Err(damage) => return damaged(damage),
                },
                Err(damage) => return damaged(damage),
            }
        }
    }

    fn open_next(&mut self) -> io::Result<Result<(), End>> {
        loop {
            let Some(named) = self.segments.pop_front() else { return Ok(Err(End::Whole)) };
            if self.segments.front().is_some_and(|next| next.seq <= self.seq.saturating_add(1)) {
                continue;
            }
            if named.seq > self.seq.saturating_add(1) {
                let (first, last, lost) = (self.seq + 1, named.seq - 1, lost_before(&self.folder, &named));
                let end = End::Gap { first, last, file: named.clone(), offset: 0, lost };
                // It may be the one that follows a later snapshot.
                self.segments.push_front(named);
                return Ok(Err(end));
            }
            let file = BufReader::new(File::open(self.folder.join(named.name()))?);
            self.open = Some(Open { named, file, offset: 0, has_head: false, other: None, line: Vec::new() });
            return Ok(Ok(()));
        }
    }
}

impl Open {
    /// Reads one into `line`. False: there is none.
    fn next_line(&mut self) -> io::Result<Result<bool, Damage>> {
        self.line.clear();
        let limit = LINE_MAX as u64 + 1;
        let length = (&mut self.file).take(limit).read_until(b'\n', &mut self.line)?;
        self.offset += length as u64;
        Ok(match self.line.pop() {
            None => Ok(false),
            Some(b'\n') => Ok(true),
            Some(_) if length as u64 == limit => Err(Damage::TooLong),
            Some(_) => Err(Damage::Torn),
        })
    }
}

impl Head {
    fn fits(&self, named: &Named) -> bool {
        let holds = match named.kind {
            Kind::Events => Holds::Events,
            Kind::Snapshot => Holds::Snapshot,
        };
        self.holds == holds && self.seq == named.seq
    }
}

/// What this file says of the events before it; nothing, if it cannot be read now.
fn lost_before(folder: &Path, named: &Named) -> Option<Lost> {
    let file = BufReader::new(File::open(folder.join(named.name())).ok()?);
    let mut open = Open { named: named.clone(), file, offset: 0, has_head: false, other: None, line: Vec::new() };
    match open.next_line() {
        Ok(Ok(true)) => match format::read(&open.line) {
            Ok(Line::Head(head)) if head.fits(named) => head.lost,
            _ => None,
        },
        _ => None,
    }
}

fn read_snapshot<F: Fold>(folder: &Path, named: &Named) -> io::Result<Result<F, Damage>> {
    let mut file = File::open(folder.join(named.name()))?;
    if file.metadata()?.len() > SNAPSHOT_MAX {
        return Ok(Err(Damage::TooLong));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(parse_snapshot(&bytes, named))
}

fn parse_snapshot<F: Fold>(bytes: &[u8], named: &Named) -> Result<F, Damage> {
    let mut lines = bytes.strip_suffix(b"\n").ok_or(Damage::Torn)?.split(|byte| *byte == b'\n');
    let (Some(head), Some(state), None) = (lines.next(), lines.next(), lines.next()) else {
        return Err(Damage::Torn);
    };
    match format::read(head)? {
        Line::Head(head) if head.fits(named) => {}
        _ => return Err(Damage::Misplaced),
    }
    match format::read(state)? {
        Line::Record { seq, json } if seq == named.seq => {
            let snapshot = serde_json::from_slice(json).map_err(|error| Damage::Strange(error.to_string()))?;
            F::restore(snapshot).map_err(Damage::Strange)
        }
        _ => Err(Damage::Misplaced),
    }
}

/// What a start finds.
#[derive(Debug)]
pub struct Recovered<F> {
    /// `None`: there was nothing that could be used.
    pub state: Option<F>,
    /// Of the last event that has a number: the next one has the next.
    pub seq: u64,
    /// Events of the last run that were decided otherwise then.
    pub otherwise: u64,
}

/// The state as it was when the last run ended. What is damaged behind it is put aside, and all of it is said in the log.
///
/// To be called while nobody writes.
///
/// # Errors
///
/// The folder or a file cannot be read.
pub fn recover<F: Fold>(folder: &Path) -> io::Result<Recovered<F>> {
    let Listing { segments, snapshots, .. } = Listing::read(folder)?;
    let known = segments.iter().chain(&snapshots).map(|named| named.seq).max().unwrap_or(0);
    let mut bad = Vec::new();
    let replay = Replay::<F>::open(folder, Time::NEVER, |named, damage| bad.push((named.clone(), damage)))?;
    for (named, damage) in bad {
        tracing::error!(file = named.name(), %damage, "a snapshot of the queues cannot be used; the one before it is taken");
        told(&named.name(), folder::put_aside(folder, &named));
    }
    let Some(mut replay) = replay else {
        let mut all_gone = true;
        for named in &segments {
            tracing::error!(file = named.name(), "there is no snapshot before these events; they cannot be used");
            all_gone &= told(&named.name(), folder::put_aside(folder, named));
        }
        return Ok(Recovered { state: None, seq: if all_gone { 0 } else { known }, otherwise: 0 });
    };
    while let Some(event) = replay.next()? {
        replay.apply(&event);
    }
    if let Some(otherwise) = replay.otherwise() {
        tracing::warn!("the queues may stand otherwise than they did: {otherwise}");
    }
    let otherwise = replay.otherwise().map_or(0, |otherwise| otherwise.events);
    for vaxel in replay.others() {
        tracing::warn!(
            vaxel,
            "the last events in the queues were written by another version, which did not end in good order"
        );
    }
    let mut seq = replay.seq;
    let end = replay.end.take().unwrap_or(End::Whole);
    if let End::Damaged { file, offset, .. } | End::Gap { file, offset, .. } = &end {
        tracing::error!(after = seq, "the journal is not whole: {end}; what is behind that is not known any more");
        let mut all_gone = told(&file.name(), folder::cut(folder, file, *offset));
        for named in segments.iter().filter(|named| named.seq > seq && *named != file) {
            all_gone &= told(&named.name(), folder::put_aside(folder, named));
        }
        // What has to stay is not taken for what follows on what is written from now on.
        seq = if all_gone { seq } else { seq.max(known) };
    }
    Ok(Recovered { state: Some(replay.state), seq, otherwise })
}

/// False: it stays where it is.
fn told(file: &str, aside: io::Result<String>) -> bool {
    match &aside {
        Ok(aside) => tracing::error!(file, aside, "its bytes are put aside"),
        Err(error) => tracing::error!(file, %error, "its bytes cannot be put aside; they stay where they are"),
    }
    aside.is_ok()
}

/// From when on the queues are known. `None`: they are not.
///
/// # Errors
///
/// The folder cannot be read.
pub fn begin(folder: &Path) -> io::Result<Option<Time>> {
    Ok(Listing::read(folder)?.snapshots.first().map(|named| named.made))
}

/// All events in which this text stands as it is written, and that `is_it` wants, in order. Where something is damaged, those
/// after it in that file are not found.
///
/// # Errors
///
/// The folder or a file cannot be read.
pub fn search<F: Fold>(folder: &Path, text: &[u8], is_it: impl Fn(&F::Event) -> bool) -> io::Result<Vec<F::Event>> {
    let finder = memchr::memmem::Finder::new(text);
    let mut found: BTreeMap<u64, F::Event> = BTreeMap::new();
    for named in Listing::read(folder)?.segments {
        let file = BufReader::new(File::open(folder.join(named.name()))?);
        let mut open = Open { named, file, offset: 0, has_head: true, other: None, line: Vec::new() };
        while let Ok(true) = open.next_line()? {
            if finder.find(&open.line).is_none() {
                continue;
            }
            if let Ok(Line::Record { seq, json }) = format::read(&open.line)
                && let Ok(event) = serde_json::from_slice(json)
                && is_it(&event)
            {
                found.insert(seq, event);
            }
        }
    }
    Ok(found.into_values().collect())
}

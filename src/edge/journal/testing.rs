//! A day in a small centre, as a journal.

use super::Folder;
use super::folder::{Disk, Keep};
use super::writer::{FLUSH_EVERY, Told, Writer};
use crate::acd::{Acd, AcdEvent, AgentSettings, Arrival, Change, Noted, Outcome, QueueSettings, Skills};
use crate::edge::Clock;
use crate::edge::metrics::{Metrics, Names};
use crate::ids::{AgentId, EntryId, OfferId, QueueId};
use crate::need::Need;
use crate::time::{Duration, Time};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// 2026-11-23T09:00:00Z.
pub const NINE: u64 = 1_795_424_400;

/// Seconds after nine.
pub fn at(seconds: u64) -> Time {
    Time::from_secs(NINE + seconds)
}

/// Writes these events, each with its seconds after nine, as the service would, into the data folder.
pub fn write(data: &Path, events: impl IntoIterator<Item = (u64, Change)>) {
    stream(data, Acd::new(0), |tell| noted(events).into_iter().for_each(tell));
}

/// Writes what is told of a distributor that begins like this, as the service would, into the data folder.
pub fn stream(data: &Path, acd: Acd, play: impl FnOnce(&mut dyn FnMut(Noted))) {
    let keep = Keep { time: Duration::from_secs(1 << 40), bytes: u64::MAX };
    let counts = Metrics::new(Clock::start(), &Names::default()).journal;
    let mut writer = Writer::new(acd, 0, Folder::new(super::folder(data)), keep, counts);
    writer.turn(at(0));
    let (mut seq, mut last) = (0, at(3600));
    play(&mut |noted| {
        let at = noted.event.at;
        (seq, last) = (seq + 1, last.max(at));
        writer.take(at, Told::Event { seq, event: Box::new(noted) });
        writer.turn(at);
    });
    writer.close(last);
}

/// Writes a run that begins at this second, goes on where the one before ended, beats, and is killed. While `full` holds of an event's
/// second, the disk takes nothing.
pub fn run(data: &Path, began: u64, events: impl IntoIterator<Item = (u64, Change)>, full: impl Fn(u64) -> bool) {
    let folder = super::folder(data);
    let found = super::recover::<Acd>(&folder).expect("it can be read");
    let acd = found.state.unwrap_or_else(|| Acd::new(0));
    let keep = Keep { time: Duration::from_secs(1 << 40), bytes: u64::MAX };
    let counts = Metrics::new(Clock::start(), &Names::default()).journal;
    let disk = Full { folder: Folder::with_reserve(&folder, 0), is_full: Arc::new(AtomicBool::new(false)) };
    let is_full = disk.is_full.clone();
    let mut writer = Writer::new(acd.clone(), found.seq, disk, keep, counts).beating(super::BEAT);
    writer.turn(at(began));
    for (seq, noted) in (found.seq + 1..).zip(noted_from(acd, events)) {
        let second = noted.event.at.as_secs().saturating_sub(NINE);
        is_full.store(full(second), Ordering::Relaxed);
        writer.turn(noted.event.at);
        let flushed = noted.event.at + FLUSH_EVERY;
        writer.take(noted.event.at, Told::Event { seq, event: Box::new(noted) });
        writer.turn(flushed - FLUSH_EVERY);
        writer.turn(flushed);
    }
}

/// What the engine tells of these events, and of the deadlines between them.
pub fn noted(events: impl IntoIterator<Item = (u64, Change)>) -> Vec<Noted> {
    noted_from(Acd::new(0), events)
}

fn noted_from(mut acd: Acd, events: impl IntoIterator<Item = (u64, Change)>) -> Vec<Noted> {
    let mut all = Vec::new();
    let mut tell = |acd: &mut Acd, event: AcdEvent| {
        acd.apply(&event);
        all.push(Noted { event, digest: acd.digest() });
    };
    for (seconds, change) in events {
        while let Some(due) = acd.poll_timeout().filter(|due| *due <= at(seconds)) {
            tell(&mut acd, AcdEvent { at: due, change: Change::Tick });
        }
        tell(&mut acd, AcdEvent { at: at(seconds), change });
    }
    all
}

/// A disk that is full when it is told so.
struct Full {
    folder: Folder,
    is_full: Arc<AtomicBool>,
}

impl Full {
    fn look(&self) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for Full {
    fn snapshot(&mut self, seq: u64, now: Time, bytes: &[u8]) -> io::Result<()> {
        self.look()?;
        self.folder.snapshot(seq, now, bytes)
    }

    fn begin(&mut self, first: u64, now: Time, head: &[u8]) -> io::Result<()> {
        self.look()?;
        self.folder.begin(first, now, head)
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.look()?;
        self.folder.append(lines)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.look()?;
        self.folder.flush()
    }

    fn leave(&mut self) {
        self.folder.leave();
    }

    fn room(&self) -> u64 {
        self.folder.room()
    }

    fn lacks_room(&self) -> bool {
        self.folder.lacks_room()
    }

    fn make_room(&mut self) -> io::Result<()> {
        self.folder.make_room()
    }

    fn tidy(&mut self, now: Time, keep: Keep) -> io::Result<()> {
        self.folder.tidy(now, keep)
    }
}

/// Appends the line of one record.
pub fn line(lines: &mut Vec<u8>, seq: u64, event: &serde_json::Value) {
    super::format::record(lines, seq, event).expect("JSON has a form in JSON");
}

pub const SALES: QueueId = QueueId(0);
pub const ENTRY: EntryId = EntryId(70);
pub const ANNA: AgentId = AgentId(0);
const BO: AgentId = AgentId(1);
pub const CECILIA: AgentId = AgentId(2);
const DAN: AgentId = AgentId(3);

/// One queue and four agents. A caller comes at 10 s, when nobody is free; anna is rung at 40 s and does not answer; cecilia
/// comes back from lunch at 70 s and answers at 75 s.
pub fn day() -> Vec<(u64, Change)> {
    let skills = |level| Skills::from([("sales".to_owned(), level)]);
    let queue = QueueSettings { name: "sales".into(), needs: Need::of_levels(&skills(1)), ..QueueSettings::default() };
    let agent = |id, name: &str, skills| {
        let settings = AgentSettings { name: name.into(), skills, ..AgentSettings::default() };
        (0, Change::Agent { id, settings })
    };
    vec![
        (0, Change::Queue { id: SALES, settings: queue }),
        agent(ANNA, "anna", skills(5)),
        agent(BO, "bo", Skills::new()),
        agent(CECILIA, "cecilia", skills(3)),
        agent(DAN, "dan", skills(1)),
        (1, Change::LoggedIn { agent: ANNA }),
        (2, Change::LoggedIn { agent: BO }),
        (3, Change::LoggedIn { agent: CECILIA }),
        (4, Change::Pause { agent: CECILIA, reason: "lunch".into() }),
        (5, Change::Busy { agent: ANNA }),
        (10, arrive()),
        (40, Change::Free { agent: ANNA }),
        // At 60 s nobody has answered.
        (70, Change::Resume { agent: CECILIA }),
        (75, Change::OfferEnded { offer: OfferId(2), outcome: Outcome::Accepted }),
    ]
}

pub fn arrive() -> Change {
    let arrival = Arrival { queue: SALES, since: at(10), ..Arrival::default() };
    Change::Arrive { entry: ENTRY, arrival: Box::new(arrival) }
}

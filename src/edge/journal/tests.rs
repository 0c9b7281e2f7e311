//! The whole journal: cut, changed, on a disk that refuses or waits.

use super::folder::{Disk, Listing, Named};
use super::reader::{End, Replay, recover};
use super::teller::{run, start};
use super::writer::{FLUSH_EVERY, SEGMENT_MAX, SNAPSHOT_EVERY, Told, Writer};
use super::{Fold, Folder, Keep};
use crate::acd::Acd;
use crate::edge::metrics::{Journal as Counts, Metrics, Names};
use crate::edge::{Clock, testing};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};

/// A state that shows which events made it, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    values: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Saw {
    at: Time,
    value: u64,
    #[serde(default)]
    text: String,
}

impl Fold for Seen {
    type Event = Saw;
    type Snapshot = Seen;

    fn apply(&mut self, event: &Saw) {
        self.values.push(event.value);
    }

    fn at(event: &Saw) -> Time {
        event.at
    }

    fn snapshot(&self) -> Seen {
        self.clone()
    }

    fn restore(snapshot: Seen) -> Result<Seen, String> {
        if snapshot.values.contains(&0) { Err("it never saw 0".into()) } else { Ok(snapshot) }
    }
}

/// After so many events.
fn seen(count: u64) -> Seen {
    Seen { values: (1..=count).collect() }
}

/// The `n`th event, a second after the one before.
fn saw(n: u64) -> Told<Seen> {
    Told::Event { seq: n, event: Box::new(Saw { at: at(n), value: n, text: String::new() }) }
}

fn at(n: u64) -> Time {
    Time::from_secs(1_795_424_400 + n)
}

const ALL: Keep = Keep { time: Duration::from_secs(1 << 40), bytes: u64::MAX };

fn counts() -> Counts {
    Metrics::new(Clock::start(), &Names::default()).journal
}

fn writer<D: Disk>(after: u64, disk: D) -> Writer<Seen, D> {
    let mut writer = Writer::new(seen(after), after, disk, ALL, counts());
    writer.turn(at(after));
    writer
}

fn write<D: Disk>(writer: &mut Writer<Seen, D>, events: std::ops::RangeInclusive<u64>) {
    for n in events {
        writer.take(at(n), saw(n));
        writer.turn(at(n));
    }
}

/// Two runs of five events each, and each was killed.
fn two_runs(folder: &Path) {
    for after in [0, 5] {
        // None kept: thousands of these are made.
        let mut writer = writer(after, Folder::with_reserve(folder, 0));
        write(&mut writer, after + 1..=after + 5);
    }
}

fn recovered(folder: &Path) -> (Seen, u64) {
    let found = recover::<Seen>(folder).unwrap();
    (found.state.unwrap_or_default(), found.seq)
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn put(folder: &Path, files: &[(String, Vec<u8>)]) {
    for old in std::fs::read_dir(folder).unwrap() {
        std::fs::remove_file(old.unwrap().path()).unwrap();
    }
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// How many events are recovered from these files; and whether something is put aside.
fn found(folder: &Path, files_: &[(String, Vec<u8>)]) -> (u64, bool) {
    put(folder, files_);
    let (state, seq) = recovered(folder);
    let count = state.values.len() as u64;
    assert_eq!((&state, seq), (&seen(count), count), "a state that never was");
    (count, files(folder).iter().any(|(name, _)| name.ends_with(".aside")))
}

/// A run on what is left after [`found`] finds the same, and goes on from there.
fn goes_on(folder: &Path) {
    let (state, seq) = recovered(folder);
    let count = state.values.len() as u64;
    // As before: the second time there is nothing to be put aside.
    let cut = files(folder);
    assert_eq!(recovered(folder), (state.clone(), seq));
    assert_eq!(files(folder), cut);
    let mut writer = Writer::new(state, seq, Folder::with_reserve(folder, 0), ALL, counts());
    writer.turn(at(100));
    writer.take(
        at(101),
        Told::Event { seq: seq + 1, event: Box::new(Saw { at: at(101), value: 77, text: String::new() }) },
    );
    writer.close(at(101));
    let (after, _) = recovered(folder);
    assert_eq!((after.values.len() as u64, after.values.last()), (count + 1, Some(&77)));
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let folder = testing::Folder::new();
    assert_eq!(recovered(folder.path()), (Seen::default(), 0), "of nothing nothing is known");
    two_runs(folder.path());
    assert_eq!(recovered(folder.path()), (seen(10), 10));
    let names: Vec<_> = files(folder.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "00000000000000000000-20261123T090000.000000Z.snapshot",
            "00000000000000000001-20261123T090000.000000Z.events",
            "00000000000000000005-20261123T090005.000000Z.snapshot",
            "00000000000000000006-20261123T090005.000000Z.events",
        ]
    );
}

#[test]
fn a_run_that_ends_in_good_order_leaves_nothing_to_be_folded() {
    let folder = testing::Folder::new();
    let mut writer = writer(0, Folder::new(folder.path()));
    write(&mut writer, 1..=5);
    writer.take(at(6), saw(6));
    writer.close(at(6));
    let mut replay = Replay::<Seen>::open(folder.path(), Time::NEVER, |_, _| ()).unwrap().unwrap();
    assert_eq!(replay.next().unwrap(), None);
    assert_eq!(replay.state, seen(6));
    assert_eq!(recovered(folder.path()), (seen(6), 6));
}

#[test]
fn who_else_wrote_it_is_known() {
    let folder = testing::Folder::new();
    two_runs(folder.path());
    let others = |files: &[(String, Vec<u8>)]| {
        put(folder.path(), files);
        let mut replay = Replay::<Seen>::open(folder.path(), Time::NEVER, |_, _| ()).unwrap().unwrap();
        while replay.next().unwrap().is_some() {}
        replay.others().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut files = files(folder.path());
    assert!(others(&files).is_empty());
    let mut head = super::format::Head::new(super::format::Holds::Events, 6, at(5));
    head.vaxel = "0.0.1".into();
    let rest = files[3].1.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    files[3].1.splice(..rest, head.line());
    assert_eq!(others(&files), ["0.0.1"]);
    assert_eq!(found(folder.path(), &files), (10, false));
}

#[test]
fn cut_at_any_byte_the_state_is_that_after_the_last_whole_event() {
    let folder = testing::Folder::in_memory();
    two_runs(folder.path());
    let whole = files(folder.path());
    for file in 0..whole.len() {
        let bytes = whole[file].1.clone();
        for length in 0..bytes.len() {
            let mut cut = whole.clone();
            cut[file].1.truncate(length);
            let lines = bytes[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
            // The first line is a head. Only what is after the newest snapshot is in one file alone; what is before it is not
            // looked at, unless it is damaged itself.
            let expected = match file {
                // Cut between two lines, nothing shows that there were more.
                3 => (5 + lines.saturating_sub(1), length == 0 || bytes[length - 1] != b'\n'),
                2 => (10, true),
                _ => (10, false),
            };
            assert_eq!(found(folder.path(), &cut), expected, "{} cut at {length}", whole[file].0);
            goes_on(folder.path());
        }
    }
}

/// The same with what the queues are: at every byte of a small centre's morning.
#[test]
fn queues_of_which_the_journal_is_cut_at_any_byte_stand_as_after_the_last_whole_event() {
    let folder = testing::Folder::in_memory();
    let events = super::testing::noted(super::testing::day());
    let mut writer = Writer::new(Acd::new(0), 0, Folder::with_reserve(folder.path(), 0), ALL, counts());
    writer.turn(super::testing::at(0));
    let mut acd = Acd::new(0);
    let mut states = vec![acd.snapshot()];
    for (seq, noted) in (1..).zip(events) {
        Fold::apply(&mut acd, &noted);
        states.push(acd.snapshot());
        writer.take(noted.event.at, Told::Event { seq, event: Box::new(noted) });
    }
    writer.turn(super::testing::at(100));
    drop(writer);
    let whole = files(folder.path());
    let bytes = whole[1].1.clone();
    for length in 0..=bytes.len() {
        let mut cut = whole.clone();
        cut[1].1.truncate(length);
        put(folder.path(), &cut);
        let lines = bytes[..length].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
        let found = recover::<Acd>(folder.path()).unwrap();
        assert_eq!((found.seq, found.otherwise), (lines as u64, 0), "cut at {length}");
        assert!(found.state.unwrap().snapshot() == states[lines], "cut at {length}");
    }
}

#[test]
fn with_any_byte_changed_the_state_is_that_before_it() {
    let folder = testing::Folder::in_memory();
    two_runs(folder.path());
    let whole = files(folder.path());
    for file in 0..whole.len() {
        for at in 0..whole[file].1.len() {
            for change in [|byte| byte ^ 0x20, |_| b'\n'] {
                let mut changed = whole.clone();
                let byte = &mut changed[file].1[at];
                let other = change(*byte);
                if *byte == other {
                    continue;
                }
                *byte = other;
                let lines = whole[file].1[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
                let expected = match file {
                    3 => (5 + lines.saturating_sub(1), true),
                    2 => (10, true),
                    _ => (10, false),
                };
                assert_eq!(found(folder.path(), &changed), expected, "{} changed at {at}", whole[file].0);
            }
        }
    }
}

#[test]
fn whatever_files_are_missing_the_state_is_one_that_was() {
    let folder = testing::Folder::in_memory();
    two_runs(folder.path());
    let whole = files(folder.path());
    for missing in 0..16_u32 {
        let left: Vec<_> = (0..4).filter(|n| missing & (1 << n) == 0).map(|n| whole[n as usize].clone()).collect();
        put(folder.path(), &left);
        let (state, _) = recovered(folder.path());
        let expected = match (missing & 1, missing & 2, missing & 4, missing & 8) {
            // The newest snapshot, with and without what follows it.
            (_, _, 0, 0) => 10,
            (_, _, 0, _) => 5,
            (0, 0, _, 0) => 10,
            (0, 0, _, _) => 5,
            _ => 0,
        };
        assert_eq!(state, seen(expected), "{missing:04b}");
        goes_on(folder.path());
    }
}

#[test]
fn a_snapshot_that_could_never_be_is_not_used() {
    let folder = testing::Folder::new();
    two_runs(folder.path());
    let impossible = Writer::new(Seen { values: vec![0] }, 10, Folder::new(folder.path()), ALL, counts());
    { impossible }.turn(at(20));
    assert_eq!(recovered(folder.path()), (seen(10), 10));
}

#[test]
fn what_a_newer_version_wrote_is_kept_and_not_guessed_at() {
    let folder = testing::Folder::new();
    two_runs(folder.path());
    let mut newer = files(folder.path());
    let mut lines = newer[3].1.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    lines[3].clear();
    super::format::record(&mut lines[3], 8, &serde_json::json!({"a newer": "event"})).unwrap();
    newer[3].1 = lines.concat();
    assert_eq!(found(folder.path(), &newer), (7, true));
    goes_on(folder.path());
}

#[test]
fn events_that_are_missing_are_named_and_a_later_snapshot_goes_on() {
    let folder = testing::Folder::new();
    let mut first = writer(0, Folder::new(folder.path()));
    write(&mut first, 1..=3);
    // Five are lost on the way; then it is told the state.
    first.take(at(9), saw(9));
    first.turn(at(9));
    assert_eq!(first.poll_timeout(), None, "without the state there is nothing to be done");
    first.take(at(9), Told::State { seq: 9, state: Box::new(seen(9)) });
    first.turn(at(9));
    write(&mut first, 10..=11);
    drop(first);
    assert_eq!(recovered(folder.path()), (seen(11), 11));

    let mut replay = Replay::<Seen>::open(folder.path(), at(5), |_, _| panic!("all are good")).unwrap().unwrap();
    let mut steps = Vec::new();
    loop {
        while let Some(event) = replay.next().unwrap() {
            replay.state.apply(&event);
            steps.push(event.value);
        }
        let end = replay.end().cloned();
        if !replay.jump().unwrap() {
            assert_eq!(end, Some(End::Whole));
            break;
        }
        assert!(matches!(end, Some(End::Gap { first: 4, last: 9, .. })), "{end:?}");
        assert_eq!((&replay.state, replay.seq), (&seen(9), 9));
    }
    assert_eq!(steps, [1, 2, 3, 10, 11]);
    assert_eq!(replay.state, seen(11));

    // And without that snapshot there is no way over the gap.
    let snapshot = &Listing::read(folder.path()).unwrap().snapshots[1];
    std::fs::remove_file(folder.path().join(snapshot.name())).unwrap();
    assert_eq!(recovered(folder.path()), (seen(3), 3));
}

#[test]
fn the_state_is_folded_from_the_snapshot_before_a_moment() {
    let folder = testing::Folder::new();
    two_runs(folder.path());
    let from = |time| Replay::<Seen>::open(folder.path(), time, |_, _| ()).unwrap().map(|replay| replay.state);
    assert_eq!(from(at(4)), Some(seen(0)));
    assert_eq!(from(at(5)), Some(seen(5)));
    assert_eq!(from(at(0) - Duration::from_micros(1)), None);
}

/// A disk that refuses, or waits, when it is told so.
#[derive(Clone)]
struct Moody {
    folder: Arc<Mutex<Folder>>,
    mood: Arc<(Mutex<Mood>, Condvar)>,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Mood {
    no_events: bool,
    no_flush: bool,
    no_snapshots: bool,
    waits: bool,
    /// `StorageFull`: it keeps what it has and gives no more; another: it cannot keep any.
    no_room: Option<ErrorKind>,
    flushes: u32,
}

impl Moody {
    fn new(path: &Path) -> Moody {
        Moody { folder: Arc::new(Mutex::new(Folder::new(path))), mood: Arc::default() }
    }

    fn set(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.0.lock().unwrap());
        self.mood.1.notify_all();
    }

    fn does<T>(
        &self,
        refuses: impl FnOnce(&Mood) -> bool,
        work: impl FnOnce(&mut Folder) -> io::Result<T>,
    ) -> io::Result<T> {
        let mood = self.mood.1.wait_while(self.mood.0.lock().unwrap(), |mood| mood.waits).unwrap();
        if refuses(&mood) {
            return Err(ErrorKind::StorageFull.into());
        }
        work(&mut self.folder.lock().unwrap())
    }
}

impl Disk for Moody {
    fn snapshot(&mut self, seq: u64, now: Time, bytes: &[u8]) -> io::Result<()> {
        self.does(|mood| mood.no_snapshots, |folder| folder.snapshot(seq, now, bytes))
    }

    fn begin(&mut self, first: u64, now: Time, head: &[u8]) -> io::Result<()> {
        self.does(|mood| mood.no_events, |folder| folder.begin(first, now, head))
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let has_room = lines.len() as u64 <= self.room();
        let is_full = |mood: &Mood| mood.no_room == Some(ErrorKind::StorageFull) && !has_room;
        self.does(|mood| mood.no_events || is_full(mood), |folder| folder.append(lines))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.set(|mood| mood.flushes += 1);
        self.does(|mood| mood.no_flush, Folder::flush)
    }

    fn leave(&mut self) {
        self.folder.lock().unwrap().leave();
    }

    fn room(&self) -> u64 {
        self.folder.lock().unwrap().room()
    }

    fn lacks_room(&self) -> bool {
        self.folder.lock().unwrap().lacks_room()
    }

    fn make_room(&mut self) -> io::Result<()> {
        let no_room = self.mood.0.lock().unwrap().no_room;
        match no_room {
            None => self.folder.lock().unwrap().make_room(),
            Some(ErrorKind::StorageFull) => Ok(()),
            Some(kind) => Err(kind.into()),
        }
    }

    fn tidy(&mut self, now: Time, keep: Keep) -> io::Result<()> {
        self.does(|_| false, |folder| folder.tidy(now, keep))
    }
}

fn lost(counts: &Counts) -> (u64, u64, i64) {
    (counts.events.get(), counts.lost.get(), counts.writing.get())
}

#[test]
fn a_full_disk_costs_the_events_of_that_time_and_not_the_state() {
    for by_flush in [false, true] {
        let folder = testing::Folder::new();
        let (disk, counts) = (Moody::new(folder.path()), counts());
        let mut writer = Writer::new(seen(0), 0, disk.clone(), ALL, counts.clone());
        writer.turn(at(0));
        write(&mut writer, 1..=3);
        assert_eq!(lost(&counts), (3, 0, 1));
        disk.set(|mood| *mood = Mood { no_events: !by_flush, no_flush: by_flush, no_snapshots: true, ..*mood });
        write(&mut writer, 4..=4);
        writer.turn(at(4) + FLUSH_EVERY);
        assert_eq!(counts.writing.get(), 0);
        for n in 5..=30 {
            write(&mut writer, n..=n);
            let again = writer.poll_timeout().expect("it tries again");
            assert!(again > at(n) && again <= at(n) + Duration::from_secs(31), "{again} after {}", at(n));
        }
        let tries = counts.errors.get();
        assert!((4..=10).contains(&tries), "it tries ever more seldom: {tries}");
        disk.set(|mood| *mood = Mood::default());
        let again = writer.poll_timeout().unwrap();
        writer.turn(again);
        assert_eq!(counts.writing.get(), 1);
        writer.take(again, saw(31));
        writer.close(again);
        assert_eq!(recovered(folder.path()), (seen(31), 31));
        let in_vain = if by_flush { 26 } else { 27 };
        assert_eq!(lost(&counts), (31 - in_vain, in_vain, 1));
    }
}

/// Kept ahead in these tests.
const ROOM: u64 = 64 << 10;

#[test]
fn a_full_disk_costs_nothing_before_the_room_that_was_kept_is_used_up() {
    let folder = testing::Folder::new();
    let counts = counts();
    let mut disk = Moody::new(folder.path());
    disk.folder = Arc::new(Mutex::new(Folder::with_reserve(folder.path(), ROOM)));
    let mut writer = Writer::new(seen(0), 0, disk.clone(), ALL, counts.clone());
    writer.turn(at(0));
    write(&mut writer, 1..=3);
    let full = Mood { no_snapshots: true, no_room: Some(ErrorKind::StorageFull), ..Mood::default() };
    disk.set(|mood| *mood = full);
    let (bytes, room) = (counts.bytes.get(), disk.room());
    assert_eq!(counts.reserve.get(), room as i64);
    let mut n = 3;
    while counts.lost.get() == 0 {
        n += 1;
        write(&mut writer, n..=n);
        assert!(n < 10_000, "it is never used up");
        if n % 100 == 0 {
            assert_eq!(recovered(folder.path()), (seen(n), n), "killed now, all is there");
            assert!(counts.reserve.get() < room as i64 && counts.writing.get() == 1);
            assert!(writer.poll_timeout().is_some_and(|due| due <= at(n) + Duration::from_secs(5)), "it asks again");
        }
    }
    let written = counts.bytes.get() - bytes;
    assert!(written <= room && written > room - 100, "{written} of {room}");
    assert_eq!((counts.lost.get(), counts.writing.get(), counts.reserve.get()), (1, 0, 0));
    assert_eq!(recovered(folder.path()), (seen(n - 1), n - 1));
    disk.set(|mood| *mood = Mood::default());
    let again = writer.poll_timeout().unwrap();
    writer.turn(again);
    assert_eq!((counts.writing.get(), counts.reserve.get()), (1, ROOM as i64));
    assert_eq!(recovered(folder.path()), (seen(n), n));
}

#[test]
fn room_that_was_used_up_is_made_again_as_soon_as_the_disk_has_it() {
    let folder = testing::Folder::new();
    let counts = counts();
    let mut disk = Moody::new(folder.path());
    disk.folder = Arc::new(Mutex::new(Folder::with_reserve(folder.path(), ROOM)));
    let mut writer = Writer::new(seen(0), 0, disk.clone(), ALL, counts.clone());
    writer.turn(at(0));
    disk.set(|mood| mood.no_room = Some(ErrorKind::StorageFull));
    write(&mut writer, 1..=200);
    assert!(counts.reserve.get() < ROOM as i64 * 15 / 16, "{}", counts.reserve.get());
    disk.set(|mood| mood.no_room = None);
    let again = writer.poll_timeout().expect("nothing else has to happen");
    assert!(again <= at(200) + Duration::from_secs(5));
    writer.turn(again);
    assert!(counts.reserve.get() >= ROOM as i64, "{}", counts.reserve.get());
    writer.turn(again + FLUSH_EVERY);
    assert_eq!(writer.poll_timeout(), Some(at(0) + SNAPSHOT_EVERY));
}

#[test]
fn a_disk_that_keeps_no_room_is_written_to_without() {
    let folder = testing::Folder::new();
    let counts = counts();
    let mut disk = Moody::new(folder.path());
    disk.folder = Arc::new(Mutex::new(Folder::with_reserve(folder.path(), ROOM)));
    disk.set(|mood| mood.no_room = Some(ErrorKind::Unsupported));
    let mut writer = Writer::new(seen(0), 0, disk, ALL, counts.clone());
    writer.turn(at(0));
    // More than it had at first.
    write(&mut writer, 1..=1500);
    writer.turn(at(1500) + FLUSH_EVERY);
    assert!(counts.bytes.get() > ROOM);
    assert_eq!((lost(&counts), writer.poll_timeout()), ((1500, 0, 1), Some(at(0) + SNAPSHOT_EVERY)));
    assert_eq!(recovered(folder.path()), (seen(1500), 1500));
}

/// Set for the process that has a small disk of its own: where that is.
const SMALL_DISK: &str = "VAXEL_TEST_SMALL_DISK";

/// What `unshare` needs to mount something: nothing for root; others do it in a user namespace. `None`, which is said: this machine
/// does not let them.
fn namespace() -> Option<&'static [&'static str]> {
    const OWN: &[&str] = &["--user", "--map-root-user"];
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let works =
        Command::new("unshare").args(OWN).args(["--mount", "true"]).status().is_ok_and(|status| status.success());
    if !works {
        io::stderr().write_all(b"NOT TESTED: a disk that is full (only root can mount one on this machine)\n").unwrap();
    }
    works.then_some(OWN)
}

/// A real disk that others have filled, and a service that is killed and started again meanwhile.
#[test]
fn nothing_is_lost_on_a_disk_that_is_full_also_when_killed_and_started_again() {
    let this = "edge::journal::tests::nothing_is_lost_on_a_disk_that_is_full_also_when_killed_and_started_again";
    let Some(place) = std::env::var_os(SMALL_DISK) else {
        let Some(namespace) = namespace() else { return };
        let folder = testing::Folder::new();
        let mount =
            "mount -t tmpfs -o size=2m none \"$VAXEL_TEST_SMALL_DISK\" && exec \"$0\" --exact \"$1\" --nocapture";
        let mut again = Command::new("unshare");
        again.args(namespace).args(["--mount", "sh", "-c", mount]).arg(std::env::current_exe().unwrap()).arg(this);
        let output = again.env(SMALL_DISK, folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
        return;
    };
    const RESERVE: u64 = 512 << 10;
    let disk = Path::new(&place);
    let folder = disk.join("journal");
    let counts = counts();
    let begin = |after| {
        let (state, seq) = recovered(&folder);
        assert_eq!((&state, seq), (&seen(after), after));
        let mut writer = Writer::new(state, seq, Folder::with_reserve(folder.clone(), RESERVE), ALL, counts.clone());
        writer.turn(at(after));
        assert_eq!((counts.writing.get(), counts.lost.get()), (1, 0), "after {after}");
        writer
    };
    let mut writer = begin(0);
    write(&mut writer, 1..=3);
    let mut fill = std::fs::File::create(disk.join("fill")).unwrap();
    let full = std::iter::repeat_with(|| fill.write_all(&[0; 512])).find_map(Result::err).unwrap();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    write(&mut writer, 4..=1000);
    drop(writer);
    let mut writer = begin(1000);
    let room = counts.reserve.get();
    assert!(room > RESERVE as i64 / 2, "what was kept serves the next run: {room}");
    write(&mut writer, 1001..=2000);
    writer.close(at(2000));
    let mut writer = begin(2000);
    let mut n = 2000;
    while counts.lost.get() == 0 {
        n += 1;
        write(&mut writer, n..=n);
    }
    drop(writer);
    assert_eq!(recovered(&folder), (seen(n - 1), n - 1), "what was written before it was used up");
    assert!(n > 3000, "{n}");
}

#[test]
fn a_disk_without_room_for_a_snapshot_still_takes_events() {
    let folder = testing::Folder::new();
    let (disk, counts) = (Moody::new(folder.path()), counts());
    let mut writer = Writer::new(seen(0), 0, disk.clone(), ALL, counts.clone());
    writer.turn(at(0));
    disk.set(|mood| mood.no_snapshots = true);
    write(&mut writer, 1..=3);
    let due = at(0) + SNAPSHOT_EVERY;
    writer.turn(due);
    assert_eq!(counts.errors.get(), 1);
    write(&mut writer, 4..=5);
    assert_eq!(lost(&counts), (5, 0, 1));
    assert_eq!(recovered(folder.path()), (seen(5), 5));
    disk.set(|mood| mood.no_snapshots = false);
    let again = writer.poll_timeout().unwrap();
    assert!(again <= due + Duration::from_secs(1));
    writer.turn(again);
    assert_eq!(Listing::read(folder.path()).unwrap().snapshots.len(), 2);
}

#[test]
fn events_are_flushed_together_and_soon() {
    let folder = testing::Folder::new();
    let disk = Moody::new(folder.path());
    let mut writer = writer(0, disk.clone());
    let began = at(1);
    for n in 1..=50 {
        let now = began + Duration::from_millis(n);
        writer.take(now, saw(n));
        writer.turn(now);
    }
    let due = began + Duration::from_millis(1) + FLUSH_EVERY;
    assert_eq!((writer.poll_timeout(), disk.mood.0.lock().unwrap().flushes), (Some(due), 0));
    writer.turn(due);
    assert_eq!(disk.mood.0.lock().unwrap().flushes, 1);
    assert_eq!(writer.poll_timeout(), Some(at(0) + SNAPSHOT_EVERY));
}

#[test]
fn many_events_bring_a_snapshot_and_none_bring_none() {
    let folder = testing::Folder::new();
    let mut writer = writer(0, Folder::new(folder.path()));
    let listing = || Listing::read(folder.path()).unwrap();
    writer.turn(at(0) + SNAPSHOT_EVERY * 2);
    assert_eq!((writer.poll_timeout(), listing().snapshots.len()), (None, 1), "nothing happened since");
    let text = "x".repeat(1 << 19);
    for n in 1..=2 * SEGMENT_MAX / (1 << 19) {
        let event = Saw { at: at(1), value: n, text: text.clone() };
        writer.take(at(1), Told::Event { seq: n, event: Box::new(event) });
        writer.turn(at(1) + Duration::from_micros(n));
    }
    assert_eq!(listing().snapshots.len(), 3);
    assert!(listing().segments.iter().all(|segment: &Named| segment.bytes < SEGMENT_MAX + (1 << 20)));
}

#[test]
fn an_event_that_no_line_holds_is_in_the_next_snapshot() {
    let folder = testing::Folder::new();
    let counts = counts();
    let mut writer = Writer::new(seen(0), 0, Folder::new(folder.path()), ALL, counts.clone());
    writer.turn(at(0));
    write(&mut writer, 1..=1);
    let event = Saw { at: at(2), value: 2, text: "x".repeat(super::reader::LINE_MAX) };
    writer.take(at(2), Told::Event { seq: 2, event: Box::new(event) });
    writer.turn(at(2));
    write(&mut writer, 3..=3);
    writer.close(at(3));
    assert_eq!((recovered(folder.path()), lost(&counts)), ((seen(3), 3), (2, 1, 1)));
}

#[test]
fn a_disk_that_waits_holds_up_nobody_and_the_state_is_made_good() {
    let folder = testing::Folder::new();
    let (disk, counts, clock) = (Moody::new(folder.path()), counts(), Clock::start());
    let (mut teller, hears) = start::<Seen>(0, 8, counts.clone());
    disk.set(|mood| mood.waits = true);
    let writer = Writer::new(seen(0), 0, disk.clone(), ALL, counts.clone());
    let journal = std::thread::spawn(move || run(&hears, writer, clock));
    // Were any of these to wait for the disk, the test would not end: nobody else makes it go on.
    let tell = |teller: &mut super::Teller<Seen>, n| {
        let Told::Event { event, .. } = saw(n) else { unreachable!() };
        teller.tell(clock.now(), event);
    };
    (1..=100).for_each(|n| tell(&mut teller, n));
    assert_eq!(counts.lost.get(), 92, "there is room for eight");
    teller.make_good(|| panic!("there is no room for it"));
    let (receipt, written) = tokio::sync::oneshot::channel();
    teller.ask_for_receipt(receipt);
    assert!(written.blocking_recv().is_err(), "nobody knows, and so it is not promised");
    disk.set(|mood| mood.waits = false);
    let mut told = false;
    let began = std::time::Instant::now();
    while !told {
        assert!(began.elapsed() < Duration::from_secs(10));
        teller.make_good(|| {
            told = true;
            seen(100)
        });
        std::thread::yield_now();
    }
    teller.make_good(|| panic!("it was made good"));
    tell(&mut teller, 101);
    let (receipt, written) = tokio::sync::oneshot::channel();
    teller.ask_for_receipt(receipt);
    assert_eq!(written.blocking_recv(), Ok(true));
    assert_eq!(recovered(folder.path()), (seen(101), 101), "what is said to be written is there already");
    drop(teller);
    journal.join().unwrap();
    assert_eq!((recovered(folder.path()), counts.lost.get()), ((seen(101), 101), 92));
}

/// Set for the process whose files may not grow.
const SMALL_FILES: &str = "VAXEL_TEST_SMALL_FILES";

/// A real disk that stops in the middle of a write: the system lets no file of that process be longer than 4 kB.
#[test]
fn a_file_that_may_not_grow_is_cut_at_the_last_whole_event() {
    let this = "edge::journal::tests::a_file_that_may_not_grow_is_cut_at_the_last_whole_event";
    if std::env::var_os(SMALL_FILES).is_none() {
        // Who ignores the signal is told by the write.
        let mut again = Command::new("sh");
        again.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact \"$1\" --nocapture"]);
        let output = again.arg(std::env::current_exe().unwrap()).arg(this).env(SMALL_FILES, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let folder = testing::Folder::new();
    let counts = counts();
    let mut writer = Writer::new(seen(0), 0, Folder::new(folder.path()), ALL, counts.clone());
    writer.turn(at(0));
    write(&mut writer, 1..=200);
    assert!(counts.errors.get() > 0 && counts.lost.get() > 0, "the limit was never reached");
    let listing = Listing::read(folder.path()).unwrap();
    assert!(listing.segments.len() > 1, "it begins anew in another file");
    for segment in &listing.segments {
        let text = std::fs::read_to_string(folder.path().join(segment.name())).unwrap();
        assert!(text.ends_with('\n'), "{}", &text[text.len() - 50..]);
    }
    writer.close(at(200));
    assert_eq!(recovered(folder.path()), (seen(200), 200));
}

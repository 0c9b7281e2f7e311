//! The files of a journal: their names, how they are written so that none is ever half there unseen, and how long they stay.
//!
//! `00000000000000000001-20261123T090000.000000Z.events` begins with event 1 and was begun at that time; a `.snapshot` stands
//! for all events up to its number. What was damaged is never thrown away at once: it is `.aside`.

use super::room::{self, RESERVE, Segment};
use crate::time::{Duration, Time};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Written first under this ending, then renamed.
const UNFINISHED: &str = "unfinished";
const ASIDE: &str = "aside";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Events,
    Snapshot,
}

impl Kind {
    fn ending(self) -> &'static str {
        match self {
            Kind::Events => "events",
            Kind::Snapshot => "snapshot",
        }
    }
}

/// A file of the journal, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub kind: Kind,
    /// Of the first event in it, or of the last one that the snapshot stands for.
    pub seq: u64,
    /// When it was begun.
    pub made: Time,
    pub bytes: u64,
}

impl Named {
    /// `None` if no file of a journal is called so.
    fn read(name: &str, bytes: u64) -> Option<Named> {
        let (name, ending) = name.rsplit_once('.')?;
        let kind = [Kind::Events, Kind::Snapshot].into_iter().find(|kind| kind.ending() == ending)?;
        let (seq, made) = name.split_once('-')?;
        let made = made.parse::<jiff::Timestamp>().ok()?.as_microsecond();
        let made = Time::from_micros(u64::try_from(made).ok()?);
        let named = Named { kind, seq: seq.parse().ok()?, made, bytes };
        // Not one that only looks so: other files are not ours to touch.
        (named.name() == format!("{name}.{ending}")).then_some(named)
    }

    pub fn name(&self) -> String {
        let stamp = i64::try_from(self.made.as_micros()).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
        let stamp = stamp.unwrap_or(jiff::Timestamp::MAX).strftime("%Y%m%dT%H%M%S.%6fZ");
        format!("{:020}-{stamp}.{}", self.seq, self.kind.ending())
    }
}

/// What is there, each kind in order.
#[derive(Debug, Default)]
pub struct Listing {
    pub segments: Vec<Named>,
    pub snapshots: Vec<Named>,
    /// What was put aside, or never finished, by its name; with its length and when it was last written.
    pub rest: Vec<(String, u64, Time)>,
}

impl Listing {
    /// Nothing, if the folder is not there.
    pub fn read(folder: &Path) -> io::Result<Listing> {
        let mut listing = Listing::default();
        let files = match fs::read_dir(folder) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(listing),
            Err(error) => return Err(error),
        };
        for file in files {
            let file = file?;
            let Ok(name) = file.file_name().into_string() else { continue };
            let about = match file.metadata() {
                Ok(about) => about,
                // Removed since it was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let rest = name.ends_with(&format!(".{ASIDE}")) || name.ends_with(&format!(".{UNFINISHED}"));
            match Named::read(&name, about.len()) {
                Some(named) if named.kind == Kind::Events => listing.segments.push(named),
                Some(named) => listing.snapshots.push(named),
                None if rest => {
                    let written = about.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                    listing.rest.push((name, about.len(), Time::EPOCH + written));
                }
                None => {}
            }
        }
        for files in [&mut listing.segments, &mut listing.snapshots] {
            files.sort_by_key(|named| (named.seq, named.made));
        }
        Ok(listing)
    }
}

/// How long files stay. The newest two snapshots and what follows the older of them always do: should the newest be damaged,
/// the other still gives the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// So far back the state can be asked for.
    pub time: Duration,
    /// Bytes of all files; what is older goes first.
    pub bytes: u64,
}

/// Snapshots that stay in any case.
const SNAPSHOTS_MIN: usize = 2;

/// What may go by now, oldest first. Segments go with the snapshot before which they end.
fn expendable(listing: &Listing, now: Time, keep: Keep) -> Vec<String> {
    let Listing { segments, snapshots, rest } = listing;
    let mut gone: Vec<String> =
        rest.iter().filter(|(.., written)| now.since(*written) > keep.time).map(|(name, ..)| name.clone()).collect();
    let mut bytes: u64 = segments.iter().chain(snapshots).map(|named| named.bytes).sum();
    bytes += rest.iter().filter(|(name, ..)| !gone.contains(name)).map(|(_, bytes, _)| bytes).sum::<u64>();
    let (mut snapshots, mut segments) = (&snapshots[..], &segments[..]);
    while snapshots.len() > SNAPSHOTS_MIN {
        // The next one gives the state at every moment that is to be kept.
        let is_old = now.since(snapshots[1].made) >= keep.time;
        if !is_old && bytes <= keep.bytes {
            break;
        }
        while let [first, next, ..] = segments
            && next.seq <= snapshots[1].seq.saturating_add(1)
        {
            gone.push(first.name());
            bytes -= first.bytes;
            segments = &segments[1..];
        }
        gone.push(snapshots[0].name());
        bytes -= snapshots[0].bytes;
        snapshots = &snapshots[1..];
    }
    gone
}

/// What the writer does to the disk. A trait, so that tests can have one that refuses, or waits.
pub trait Disk: Send + 'static {
    /// Writes a snapshot; when it returns, it is there for good.
    fn snapshot(&mut self, seq: u64, now: Time, bytes: &[u8]) -> io::Result<()>;

    /// Begins the segment whose first event has this number; unless it fails, what is appended goes there from now on.
    fn begin(&mut self, first: u64, now: Time, head: &[u8]) -> io::Result<()>;

    /// Appends to the segment. After an error nothing of `lines` counts.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Waits until what was appended is there for good.
    fn flush(&mut self) -> io::Result<()>;

    /// Nothing more is appended to this segment.
    fn leave(&mut self);

    /// Bytes that can be appended to the segment however full the disk is.
    fn room(&self) -> u64;

    /// Whether that is less than it should be.
    fn lacks_room(&self) -> bool;

    /// Makes it as much as it should be, as far as the disk has it. An error: it cannot keep any.
    fn make_room(&mut self) -> io::Result<()>;

    /// Removes what has been kept for long enough.
    fn tidy(&mut self, now: Time, keep: Keep) -> io::Result<()>;
}

/// The real one: a folder of files.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    segment: Option<Segment>,
    /// Bytes of room that are kept ahead.
    reserve: u64,
}

impl Folder {
    /// Is made when it is first written to.
    pub fn new(path: impl Into<PathBuf>) -> Folder {
        Folder::with_reserve(path, RESERVE)
    }

    /// With so many bytes of room kept ahead.
    pub fn with_reserve(path: impl Into<PathBuf>, reserve: u64) -> Folder {
        Folder { path: path.into(), segment: None, reserve }
    }

    /// Gives back the room that is kept behind what was written before.
    fn release(&self) {
        let Ok(Listing { segments, .. }) = Listing::read(&self.path) else { return };
        let of_now = self.segment.as_ref().map(|segment| segment.name.as_str());
        for name in segments.iter().map(Named::name).filter(|name| Some(name.as_str()) != of_now) {
            if let Err(error) = room::release(&self.path.join(&name)) {
                tracing::debug!(name, %error, "room that was kept on the disk is not given back");
            }
        }
    }

    fn create(&self, name: &str) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        // Never one that is there: its bytes may be needed.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path.join(name))
    }
}

impl Disk for Folder {
    fn snapshot(&mut self, seq: u64, now: Time, bytes: &[u8]) -> io::Result<()> {
        let name = Named { kind: Kind::Snapshot, seq, made: now, bytes: 0 }.name();
        let unfinished = format!("{name}.{UNFINISHED}");
        let write = || {
            let mut file = self.create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(self.path.join(&unfinished), self.path.join(&name))?;
            sync_folder(&self.path)
        };
        let write = || {
            write().inspect_err(|_| {
                // A full disk needs the room. If it stays, it goes with the old ones.
                drop(fs::remove_file(self.path.join(&unfinished)));
            })
        };
        match write() {
            // What was kept for events is for the snapshot with which they go on.
            Err(error) if error.kind() == ErrorKind::StorageFull && self.segment.is_none() => {
                self.release();
                write()
            }
            written => written,
        }
    }

    fn begin(&mut self, first: u64, now: Time, head: &[u8]) -> io::Result<()> {
        let name = Named { kind: Kind::Events, seq: first, made: now, bytes: 0 }.name();
        let mut file = self.create(&name)?;
        let written = file.write_all(head).and_then(|()| file.sync_all()).and_then(|()| sync_folder(&self.path));
        if written.is_ok() {
            let mut segment = Segment::new(file, head.len() as u64, name);
            // Both have room if there is enough for both. That a disk cannot keep any is for others to say.
            drop(segment.make_room(self.reserve));
            self.segment = Some(segment);
            self.release();
            drop(self.make_room());
        } else {
            // If it stays, it holds no event.
            drop(fs::remove_file(self.path.join(&name)));
        }
        written
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let segment = self.segment.as_mut().ok_or(ErrorKind::NotFound)?;
        match segment.file.write_all(lines) {
            Ok(()) => {
                segment.length += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                // If that fails too, the reader finds a line without its end.
                drop(segment.cut());
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.segment.as_ref().map_or(Ok(()), |segment| segment.file.sync_data())
    }

    fn leave(&mut self) {
        self.segment = None;
    }

    fn room(&self) -> u64 {
        self.segment.as_ref().map_or(0, Segment::room)
    }

    fn lacks_room(&self) -> bool {
        self.segment.as_ref().is_some_and(|segment| segment.lacks_room(self.reserve))
    }

    fn make_room(&mut self) -> io::Result<()> {
        self.segment.as_mut().map_or(Ok(()), |segment| segment.make_room(self.reserve))
    }

    fn tidy(&mut self, now: Time, keep: Keep) -> io::Result<()> {
        for name in expendable(&Listing::read(&self.path)?, now, keep) {
            fs::remove_file(self.path.join(name))?;
        }
        Ok(())
    }
}

/// Puts aside what stands in a segment from `offset` on. Gives where it is now.
pub fn cut(folder: &Path, named: &Named, offset: u64) -> io::Result<String> {
    let name = named.name();
    if offset == 0 {
        return put_aside(folder, named);
    }
    let aside = format!("{name}.from-{offset}.{ASIDE}");
    let mut file = OpenOptions::new().read(true).write(true).open(folder.join(&name))?;
    file.seek(SeekFrom::Start(offset))?;
    let mut rest = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(folder.join(&aside))?;
    io::copy(&mut (&mut file).take(u64::MAX), &mut rest)?;
    rest.sync_all()?;
    sync_folder(folder)?;
    file.set_len(offset)?;
    file.sync_all()?;
    Ok(aside)
}

/// Puts a whole file aside. Gives where it is now.
pub fn put_aside(folder: &Path, named: &Named) -> io::Result<String> {
    let name = named.name();
    let aside = format!("{name}.{ASIDE}");
    fs::rename(folder.join(&name), folder.join(&aside))?;
    sync_folder(folder)?;
    Ok(aside)
}

/// So that names are there for good, too.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::testing;
    use std::os::unix::fs::MetadataExt;

    fn named(kind: Kind, seq: u64, hour: u64) -> Named {
        Named { kind, seq, made: Time::from_secs(1_795_424_400 + hour * 3600), bytes: 100 }
    }

    #[test]
    fn a_file_is_known_by_its_name() {
        let first = Named { kind: Kind::Events, seq: 7, made: Time::from_micros(1_795_424_400_123_456), bytes: 5 };
        assert_eq!(first.name(), "00000000000000000007-20261123T090000.123456Z.events");
        assert_eq!(Named::read(&first.name(), 5), Some(first));
        for other in [
            "7-20261123T090000.123456Z.events",
            "00000000000000000007-20261123T090000.123456Z.events.aside",
            "00000000000000000007-20261123T090000Z.events",
            "00000000000000000007.events",
            "notes.snapshot",
            "lock",
        ] {
            assert_eq!(Named::read(other, 5), None, "{other}");
        }
    }

    /// A snapshot each hour, and the segment that follows it.
    fn hours(hours: u64) -> Listing {
        let mut listing = Listing::default();
        for hour in 0..hours {
            listing.snapshots.push(named(Kind::Snapshot, hour * 10, hour));
            listing.segments.push(named(Kind::Events, hour * 10 + 1, hour));
        }
        listing
    }

    fn left(hours_: u64, now: u64, keep: Keep) -> (u64, u64) {
        let mut listing = hours(hours_);
        let gone = expendable(&listing, Time::from_secs(1_795_424_400 + now * 3600), keep);
        listing.snapshots.retain(|named| !gone.contains(&named.name()));
        listing.segments.retain(|named| !gone.contains(&named.name()));
        (listing.snapshots[0].seq, listing.segments[0].seq)
    }

    #[test]
    fn old_files_go_and_the_newest_two_snapshots_with_what_follows_stay() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let all = Keep { time: hours(1000), bytes: u64::MAX };
        assert_eq!(left(10, 10, all), (0, 1));
        // Three hours back from ten is seven: the snapshot of then is needed.
        assert_eq!(left(10, 10, Keep { time: hours(3), ..all }), (70, 71));
        assert_eq!(left(10, 1000, Keep { time: hours(3), ..all }), (80, 81));
        assert_eq!(left(10, 10, Keep { bytes: 1000, ..all }), (50, 51));
        assert_eq!(left(10, 10, Keep { bytes: 0, ..all }), (80, 81));
        assert_eq!(left(2, 1000, Keep { time: hours(0), bytes: 0 }), (0, 1));
    }

    #[test]
    fn a_segment_that_goes_on_after_a_later_snapshot_stays_with_it() {
        // The disk took the snapshots and no new segment.
        let mut listing = hours(5);
        listing.segments.drain(1..4);
        let keep = Keep { time: Duration::ZERO, bytes: 0 };
        let gone = expendable(&listing, Time::NEVER, keep);
        assert!(!gone.contains(&listing.segments[0].name()), "{gone:?}");
        assert!(gone.contains(&listing.snapshots[2].name()), "{gone:?}");
    }

    #[test]
    fn what_was_put_aside_goes_in_its_time() {
        let mut listing = hours(2);
        listing.rest =
            vec![("old.aside".into(), 10, Time::from_secs(10)), ("new.aside".into(), 10, Time::from_secs(90))];
        let keep = Keep { time: Duration::from_secs(50), bytes: u64::MAX };
        assert_eq!(expendable(&listing, Time::from_secs(100), keep), ["old.aside"]);
    }

    #[test]
    fn a_cut_keeps_what_it_cuts() {
        let folder = testing::Folder::new();
        let mut disk = Folder::new(folder.path().join("journal"));
        disk.begin(1, Time::from_secs(1), b"head\n").unwrap();
        disk.append(b"one\n").unwrap();
        disk.append(b"tw").unwrap();
        disk.flush().unwrap();
        let listing = Listing::read(&disk.path).unwrap();
        let aside = cut(&disk.path, &listing.segments[0], 9).unwrap();
        let read = |name: &str| fs::read_to_string(disk.path.join(name)).unwrap();
        assert_eq!((read(&listing.segments[0].name()).as_str(), read(&aside).as_str()), ("head\none\n", "tw"));
        assert!(aside.ends_with(".from-9.aside"), "{aside}");
        let listing = Listing::read(&disk.path).unwrap();
        assert_eq!((listing.segments[0].bytes, listing.rest.len()), (9, 1));
        cut(&disk.path, &listing.segments[0], 0).unwrap();
        assert!(Listing::read(&disk.path).unwrap().segments.is_empty());
    }

    #[test]
    fn a_file_that_is_there_is_never_written_over() {
        let folder = testing::Folder::new();
        let mut disk = Folder::new(folder.path());
        disk.begin(1, Time::from_secs(1), b"head\n").unwrap();
        let error = Folder::new(folder.path()).begin(1, Time::from_secs(1), b"other\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        disk.append(b"one\n").unwrap();
        assert_eq!(Listing::read(folder.path()).unwrap().segments[0].bytes, 9);
    }

    /// Bytes that the disk has for these files.
    fn kept(folder: &Path) -> Vec<u64> {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().map(|path| fs::metadata(path).unwrap().blocks() * 512).collect()
    }

    #[test]
    fn room_is_kept_ahead_of_what_is_written_and_goes_with_it() {
        const RESERVE: u64 = 1 << 20;
        let folder = testing::Folder::new();
        let mut disk = Folder::with_reserve(folder.path(), RESERVE);
        assert!((disk.room(), disk.lacks_room()) == (0, false), "there is nothing to keep it for");
        disk.begin(1, Time::from_secs(1), b"head\n").unwrap();
        assert!(disk.room() == RESERVE && kept(folder.path())[0] >= RESERVE, "{:?}", kept(folder.path()));
        let line = vec![b'x'; 60_000];
        disk.append(&line).unwrap();
        assert!((disk.room(), disk.lacks_room()) == (RESERVE - 60_000, false));
        disk.append(&line).unwrap();
        assert!(disk.lacks_room());
        disk.make_room().unwrap();
        assert!((disk.room(), disk.lacks_room()) == (RESERVE, false) && kept(folder.path())[0] > RESERVE + 100_000);
        // What is read ends where it was written.
        assert_eq!(Listing::read(folder.path()).unwrap().segments[0].bytes, 120_005);
        // Killed now, it stays for the next run; the segment that is begun then has its own.
        let mut disk = Folder::with_reserve(folder.path(), RESERVE);
        assert!(kept(folder.path())[0] > RESERVE);
        disk.begin(9, Time::from_secs(2), b"head\n").unwrap();
        let after = kept(folder.path());
        assert!(after[0] < 200_000 && after[1] >= RESERVE, "{after:?}");
        disk.begin(10, Time::from_secs(3), b"head\n").unwrap();
        let after = kept(folder.path());
        assert!(after[1] < 100_000 && after[2] >= RESERVE, "{after:?}");
    }

    #[test]
    fn a_disk_that_is_full_says_so_and_takes_nothing_of_it() {
        // /dev/full refuses every write as a full disk does.
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let segment = Some(Segment::new(file, 0, "full".into()));
        let mut disk = Folder { path: "/dev".into(), segment, reserve: 0 };
        assert_eq!(disk.append(b"one\n").unwrap_err().kind(), ErrorKind::StorageFull);
    }
}

//! Rows that the database does not take, in a file beside it until it does: `vaxel.db.held`.
//!
//! The disk keeps room for it, so a disk that others have filled does not make the next start forget who could be reached where and what
//! calls there were. Lines are those of the journal. The room is used again from its beginning when the database has taken what
//! stands there: what is read ends where a line is none, or is not the next one.

use super::Row;
use crate::edge::journal::format::{self, Line};
use crate::edge::journal::room::{RESERVE, Segment};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What a line says.
#[derive(Serialize)]
struct Written<'a> {
    at: Time,
    row: &'a Row,
}

#[derive(Deserialize)]
struct Said {
    at: Time,
    row: Row,
}

#[derive(Debug)]
pub struct Held {
    segment: Segment,
    reserve: u64,
    /// Of the last line.
    seq: u64,
}

/// Beside the database.
pub fn file(database: &Path) -> PathBuf {
    database.with_extension("db.held")
}

impl Held {
    /// Opens the file, and makes room for it as far as the disk has it. Gives the rows that stand in it, and when the last was written.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or read.
    pub fn open(database: &Path) -> io::Result<(Held, Vec<Row>, Time)> {
        Held::open_with(database, RESERVE)
    }

    pub fn open_with(database: &Path, reserve: u64) -> io::Result<(Held, Vec<Row>, Time)> {
        let path = file(database);
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let (rows, length, seq, at) = read(&file)?;
        file.seek(SeekFrom::Start(length))?;
        let mut held = Held { segment: Segment::new(file, length, String::new()), reserve, seq };
        // A file system that cannot keep room may still have some.
        drop(held.make_room());
        Ok((held, rows, at))
    }

    /// What [`Held::add`] is to be given for these rows, next.
    pub fn lines(&mut self, now: Time, rows: &[Row]) -> serde_json::Result<Vec<u8>> {
        if self.segment.length == 0 {
            // Where none has been: what was behind the end before never follows.
            self.seq = self.seq.max(now.as_micros());
        }
        let mut lines = Vec::new();
        for row in rows.iter().filter(|row| row.outlives()) {
            self.seq += 1;
            format::record(&mut lines, self.seq, &Written { at: now, row })?;
        }
        Ok(lines)
    }

    /// Appends these lines, and waits until they are there for good.
    ///
    /// # Errors
    ///
    /// The disk does not take them. None of them counts, and nothing that would follow them.
    pub fn add(&mut self, lines: &[u8]) -> io::Result<()> {
        // Whatever stood behind them before is no line after this.
        let lines = [lines, b"\n"].concat();
        let written = self.segment.file.write_all(&lines).and_then(|()| self.segment.file.sync_data());
        if written.is_ok() {
            self.segment.length += lines.len() as u64 - 1;
        }
        self.go_to(self.segment.length)?;
        written
    }

    /// The database has taken all of it.
    ///
    /// # Errors
    ///
    /// The rows still stand there.
    pub fn clear(&mut self) -> io::Result<()> {
        if self.segment.length > 0 {
            self.go_to(0)?;
            self.segment.file.write_all(b"\n")?;
            self.segment.file.sync_data()?;
            self.segment.length = 0;
        }
        self.go_to(0)
    }

    fn go_to(&mut self, offset: u64) -> io::Result<()> {
        self.segment.file.seek(SeekFrom::Start(offset)).map(drop)
    }

    /// Bytes of rows that have room however full the disk is.
    pub fn room(&self) -> u64 {
        self.segment.room()
    }

    pub fn lacks_room(&self) -> bool {
        self.segment.lacks_room(self.ahead())
    }

    /// # Errors
    ///
    /// This file system cannot keep room.
    pub fn make_room(&mut self) -> io::Result<()> {
        self.segment.make_room(self.ahead())
    }

    /// What of the reserve is not behind it.
    fn ahead(&self) -> u64 {
        self.reserve.saturating_sub(self.segment.length)
    }
}

/// The rows, up to where they go, the number of the last and when it was written.
fn read(file: &File) -> io::Result<(Vec<Row>, u64, u64, Time)> {
    let (mut rows, mut length, mut last, mut at) = (Vec::new(), 0, None, Time::EPOCH);
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        // No line is longer than all of them.
        let bytes = (&mut reader).take(RESERVE).read_until(b'\n', &mut line)?;
        let Some(text) = line.strip_suffix(b"\n") else { break };
        let Ok(Line::Record { seq, json }) = format::read(text) else { break };
        if last.is_some_and(|last| seq != last + 1) {
            break;
        }
        match serde_json::from_slice::<Said>(json) {
            Ok(said) => {
                at = said.at;
                rows.push(said.row);
            }
            // Of a later version, perhaps.
            Err(error) => tracing::error!(%error, "a row that was held for the database cannot be read"),
        }
        (last, length) = (Some(seq), length + bytes as u64);
    }
    Ok((rows, length, last.unwrap_or(0), at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::testing::Folder;

    fn at(secs: u64) -> Time {
        Time::from_secs(1_795_424_400 + secs)
    }

    fn tolls(secs: u64) -> Row {
        Row::Tolls(Box::new((at(secs), Vec::new())))
    }

    fn open(folder: &Folder) -> (Held, Vec<Time>, Time) {
        let (held, rows, last) = Held::open_with(&folder.path().join("vaxel.db"), 1 << 20).unwrap();
        let told = |row: &Row| if let Row::Tolls(told) = row { told.0 } else { panic!("another row") };
        (held, rows.iter().map(told).collect(), last)
    }

    fn add(held: &mut Held, now: u64, rows: impl IntoIterator<Item = u64>) {
        let lines = held.lines(at(now), &rows.into_iter().map(tolls).collect::<Vec<_>>()).unwrap();
        held.add(&lines).unwrap();
    }

    #[test]
    fn what_was_added_is_read_until_it_is_cleared_and_nothing_that_stood_there_before() {
        let folder = Folder::new();
        let (mut held, rows, last) = open(&folder);
        assert_eq!((rows, last), (vec![], Time::EPOCH));
        add(&mut held, 1, [1, 2]);
        add(&mut held, 2, [3]);
        drop(held);
        let (mut held, rows, last) = open(&folder);
        assert_eq!((rows, last), (vec![at(1), at(2), at(3)], at(2)));
        // It goes on behind them, and begins anew in the same room.
        add(&mut held, 3, [4]);
        assert_eq!(open(&folder).1.len(), 4);
        let room = held.room();
        held.clear().unwrap();
        assert!(room < 1 << 20 && (held.room(), held.lacks_room()) == (1 << 20, false), "{room}");
        assert_eq!(open(&folder).1, []);
        add(&mut held, 4, [5]);
        assert_eq!(open(&folder).1, [at(5)]);
        // Also of a run that found nothing to go on from.
        held.clear().unwrap();
        let (mut held, ..) = open(&folder);
        add(&mut held, 5, [6, 7]);
        assert_eq!(open(&folder).1, [at(6), at(7)]);
    }

    #[test]
    fn cut_anywhere_it_gives_the_whole_lines_before_that() {
        let folder = Folder::new();
        let (mut held, ..) = open(&folder);
        add(&mut held, 9, [9; 20]);
        held.clear().unwrap();
        add(&mut held, 10, [1, 2, 3]);
        let path = file(&folder.path().join("vaxel.db"));
        let bytes = std::fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..bytes.len()).filter(|n| bytes[*n] == b'\n').take(3).collect();
        for length in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let whole = ends.iter().filter(|end| **end < length).count();
            assert_eq!(open(&folder).1.len(), whole, "cut at {length}");
        }
        // Old lines behind the new ones, without what tells them apart.
        for end in ends {
            let mut torn = bytes.clone();
            torn[end + 1..].fill(b'x');
            std::fs::write(&path, &torn).unwrap();
            assert!(open(&folder).1.len() < 4);
        }
    }
}

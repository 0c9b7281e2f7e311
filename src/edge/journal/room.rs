//! Room on the disk ahead of what is written, so that a disk which others have filled takes what happens for some time yet.
//!
//! It is behind the end of the segment, where nobody reads (`fallocate` with `FALLOC_FL_KEEP_SIZE`), and it stays when the service
//! ends, however it ends: the next one begins its own journal with it should the disk be full.

use rustix::fs::{FallocateFlags, fallocate, fstat};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

/// So much is kept: at some 250 bytes an event and ten events a call, for 6,000 calls.
pub const RESERVE: u64 = 16 << 20;

/// It is made good when a sixteenth of it is used up.
const PART: u64 = 16;

/// Pieces that are not worth having.
const PIECE_MIN: u64 = 64 << 10;

/// A file that is appended to, with the room behind its end.
#[derive(Debug)]
pub struct Segment {
    pub file: File,
    /// Up to here it is good.
    pub length: u64,
    pub name: String,
    /// Up to here the disk has room for it in any case; less than `length`: for nothing more.
    room_to: u64,
}

impl Segment {
    pub fn new(file: File, length: u64, name: String) -> Segment {
        Segment { file, length, name, room_to: length }
    }

    /// Bytes that can be appended however full the disk is.
    pub fn room(&self) -> u64 {
        self.room_to.saturating_sub(self.length)
    }

    /// Whether so much of `reserve` is used up that it is time to make more.
    pub fn lacks_room(&self, reserve: u64) -> bool {
        self.room() < reserve - reserve / PART
    }

    /// Makes it `reserve`, or as much of that as the disk has.
    ///
    /// # Errors
    ///
    /// This file system cannot keep room.
    pub fn make_room(&mut self, reserve: u64) -> io::Result<()> {
        self.room_to = self.room_to.max(self.length);
        let mut piece = reserve;
        while piece >= PIECE_MIN && self.room() < reserve {
            let more = piece.min(reserve - self.room());
            match fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.room_to, more) {
                Ok(()) => self.room_to += more,
                Err(Errno::INTR) => {}
                Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => piece = more / 2,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes off what is behind the end, room included.
    ///
    /// # Errors
    ///
    /// Something of it may still be there.
    pub fn cut(&mut self) -> io::Result<()> {
        self.room_to = self.length;
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        Ok(())
    }
}

/// Gives back what the disk keeps behind the end of this file, if it does.
pub fn release(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let about = fstat(&file)?;
    let (length, kept) = (u64::try_from(about.st_size).unwrap_or(0), u64::try_from(about.st_blocks).unwrap_or(0) * 512);
    // A file system may round up, to 64 kB at most.
    if kept > length + (64 << 10) {
        file.set_len(length)?;
    }
    Ok(())
}
